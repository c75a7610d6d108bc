use super::*;
use crate::headers::HeaderName;
use crate::message::Method;
use crate::uri::Uri;

fn request(method: Method) -> Request {
    let mut request = Request::new(method.clone(), Uri::parse("sip:4008001234@192.0.2.4").unwrap());
    request.headers.push(HeaderName::From, "<sip:9001@198.51.100.1>;tag=a1");
    request.headers.push(HeaderName::To, "<sip:4008001234@192.0.2.4>");
    request.headers.push(HeaderName::CallId, "hl0000-1");
    request.headers.push(HeaderName::CSeq, format!("7 {method}"));
    request.headers.push(HeaderName::Route, "<sip:192.0.2.4;lr>");
    request
}

/// A world that has sent a request, the transaction, and what went out.
fn calling(method: Method, flow: Flow) -> (World, ClientTx, Request) {
    let mut world = World::new();
    let tx = world.ep.request(world.now, flow, request(method));
    let bytes = transmitted(&world.drain());
    assert_eq!(bytes.len(), 1);
    (world, tx, parse_request(&bytes[0]))
}

fn reply(world: &mut World, response: &Response) -> Vec<Output> {
    world.ep.receive(world.now, udp(), response.to_bytes());
    world.drain()
}

#[test]
fn invite_1_carries_our_via_on_top_with_rport_and_an_unguessable_branch() {
    let (_, _, sent) = calling(Method::Invite, udp());
    let via = sent.headers.via().unwrap();
    assert_eq!(via.sent_by(), b"198.51.100.1:5060");
    assert_eq!(via.transport(), "UDP");
    assert!(via.rfc3261_branch().is_some() && via.param("rport").is_some());
    assert_eq!(sent.headers.max_forwards(), Ok(Some(70)));
}

#[test]
fn invite_2_and_3_timer_a_doubles_until_timer_b_ends_it() {
    let (mut world, tx, _) = calling(Method::Invite, udp());
    let seen = world.pass(SECS(40));
    let times: Vec<u64> = sent(&seen).iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [500, 1500, 3500, 7500, 15500, 31500]);
    assert_eq!(timed_out(&seen), [(32_000, tx)]);
    assert!(world.ep.live().is_none() && world.ep.poll_timeout().is_none());
}

#[test]
fn invite_2_retransmissions_are_byte_identical() {
    let mut world = World::new();
    world.ep.request(world.now, udp(), request(Method::Invite));
    let first = transmitted(&world.drain());
    for (_, output) in world.pass(SECS(31)) {
        let Output::Transmit { bytes, .. } = output else { panic!("only retransmissions") };
        assert_eq!(bytes, first[0]);
    }
}

#[test]
fn invite_2_is_not_repeated_on_a_stream_but_timer_b_runs() {
    let (mut world, tx, _) = calling(Method::Invite, tcp());
    let seen = world.pass(SECS(40));
    assert!(sent(&seen).is_empty());
    assert_eq!(timed_out(&seen), [(32_000, tx)]);
}

#[test]
fn invite_4_and_5_a_provisional_response_stops_both_timers_and_each_is_passed_on() {
    let (mut world, _, invite) = calling(Method::Invite, udp());
    assert_eq!(responses(&reply(&mut world, &answer(&invite, 100, "b1"))), [100]);
    assert_eq!(responses(&reply(&mut world, &answer(&invite, 180, "b1"))), [180]);
    assert!(world.pass(SECS(300)).is_empty());
    assert_eq!(responses(&reply(&mut world, &answer(&invite, 180, "b1"))), [180]);
}

#[test]
fn invite_6_and_8_every_2xx_is_passed_on_until_timer_m() {
    let (mut world, _, invite) = calling(Method::Invite, udp());
    assert_eq!(responses(&reply(&mut world, &answer(&invite, 200, "b1"))), [200]);
    assert_eq!(responses(&reply(&mut world, &answer(&invite, 200, "b1"))), [200]);
    world.pass(SECS(31));
    assert_eq!(responses(&reply(&mut world, &answer(&invite, 200, "fork"))), [200]);
    // A late refusal of another fork means nothing.
    assert!(responses(&reply(&mut world, &answer(&invite, 486, "b2"))).is_empty());
    let seen = world.pass(SECS(2));
    assert!(timed_out(&seen).is_empty() && world.ep.live().is_none());
    assert!(responses(&reply(&mut world, &answer(&invite, 200, "b1"))).is_empty());
}

#[test]
fn invite_7_and_9_a_refusal_is_acknowledged_each_time_and_passed_on_once_until_timer_d() {
    let (mut world, _, invite) = calling(Method::Invite, udp());
    let refusal = answer(&invite, 486, "b1");
    let first = reply(&mut world, &refusal);
    assert_eq!(responses(&first), [486]);
    let ack = parse_request(&transmitted(&first)[0]);
    // RFC 3261 §17.1.1.3.
    assert_eq!(ack.method, Method::Ack);
    assert_eq!(ack.uri, invite.uri);
    assert_eq!(ack.headers.get(HeaderName::Via), invite.headers.get(HeaderName::Via));
    assert_eq!(ack.headers.get(HeaderName::Route), invite.headers.get(HeaderName::Route));
    assert_eq!(ack.headers.get(HeaderName::From), invite.headers.get(HeaderName::From));
    assert_eq!(ack.headers.get(HeaderName::To), refusal.headers.get(HeaderName::To));
    assert_eq!(ack.headers.text(HeaderName::CSeq), Some("7 ACK"));
    assert_eq!(ack.headers.count(HeaderName::Via), 1);
    world.pass(SECS(31));
    let again = reply(&mut world, &refusal);
    assert!(responses(&again).is_empty());
    assert_eq!(transmitted(&again), transmitted(&first));
    assert!(!world.ep.live().is_none());
    world.pass(SECS(2));
    assert!(world.ep.live().is_none());
    assert!(transmitted(&reply(&mut world, &refusal)).is_empty());
}

#[test]
fn invite_7_is_over_at_once_on_a_stream() {
    let (mut world, _, invite) = calling(Method::Invite, tcp());
    let outputs = reply(&mut world, &answer(&invite, 486, "b1"));
    assert_eq!(responses(&outputs), [486]);
    assert_eq!(transmitted(&outputs).len(), 1);
    assert!(world.ep.live().is_none());
}

#[test]
fn others_12_and_13_timer_e_doubles_up_to_t2_until_timer_f() {
    let (mut world, tx, _) = calling(Method::Bye, udp());
    let seen = world.pass(SECS(40));
    let times: Vec<u64> = sent(&seen).iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
    assert_eq!(timed_out(&seen), [(32_000, tx)]);
}

#[test]
fn others_14_to_17_after_a_provisional_response_timer_e_is_t2_and_timer_f_goes_on() {
    let (mut world, tx, bye) = calling(Method::Bye, udp());
    world.pass(MILLIS(100));
    assert_eq!(responses(&reply(&mut world, &answer(&bye, 100, "b1"))), [100]);
    assert_eq!(responses(&reply(&mut world, &answer(&bye, 183, "b1"))), [183]);
    let seen = world.pass(SECS(40));
    let times: Vec<u64> = sent(&seen).iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [400, 4400, 8400, 12400, 16400, 20400, 24400, 28400]);
    assert_eq!(timed_out(&seen), [(31_900, tx)]);
}

#[test]
fn others_18_and_19_the_final_response_is_passed_on_once_until_timer_k() {
    let (mut world, _, bye) = calling(Method::Bye, udp());
    assert_eq!(responses(&reply(&mut world, &answer(&bye, 200, "b1"))), [200]);
    assert!(responses(&reply(&mut world, &answer(&bye, 200, "b1"))).is_empty());
    let seen = world.pass(MILLIS(4_999));
    assert!(sent(&seen).is_empty() && !world.ep.live().is_none());
    world.pass(MILLIS(1));
    assert!(world.ep.live().is_none());
}

#[test]
fn others_18_is_over_at_once_on_a_stream() {
    let (mut world, _, bye) = calling(Method::Bye, tcp());
    assert_eq!(responses(&reply(&mut world, &answer(&bye, 200, "b1"))), [200]);
    assert!(world.ep.live().is_none());
}

#[test]
fn a_failed_transport_ends_what_waits_on_it() {
    let (mut world, tx, _) = calling(Method::Invite, tcp());
    world.ep.transport_failed(world.now, tcp());
    let outputs = world.drain();
    assert!(matches!(outputs[..], [Output::TransportFailed { tx: failed }] if failed == tx));
    assert!(world.ep.live().is_none());
}

#[test]
fn cancel_waits_for_a_provisional_response_and_has_the_branch_of_its_invite() {
    let (mut world, tx, invite) = calling(Method::Invite, udp());
    world.ep.cancel(world.now, tx, Some("SIP;cause=200;text=\"Call completed elsewhere\""));
    assert!(transmitted(&world.drain()).is_empty(), "RFC 3261 §9.1: not before a provisional response");
    let outputs = reply(&mut world, &answer(&invite, 100, "b1"));
    let cancel = parse_request(&transmitted(&outputs)[0]);
    assert_eq!((cancel.method, &cancel.uri), (Method::Cancel, &invite.uri));
    assert_eq!(cancel.headers.get(HeaderName::Via), invite.headers.get(HeaderName::Via));
    assert_eq!(cancel.headers.get(HeaderName::To), invite.headers.get(HeaderName::To));
    assert_eq!(cancel.headers.text(HeaderName::CSeq), Some("7 CANCEL"));
    assert_eq!(cancel.headers.reasons()[0].cause, Some(200));
    // A second wish sends nothing more.
    world.ep.cancel(world.now, tx, None);
    assert!(world.drain().is_empty());
}

#[test]
fn cancel_is_repeated_until_answered_and_its_answers_are_nobodys_business() {
    let (mut world, tx, invite) = calling(Method::Invite, udp());
    reply(&mut world, &answer(&invite, 180, "b1"));
    world.ep.cancel(world.now, tx, None);
    let cancel = parse_request(&transmitted(&world.drain())[0]);
    let lines = sent(&world.pass(MILLIS(1600)));
    assert_eq!(lines.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [500, 1500]);
    assert!(responses(&reply(&mut world, &answer(&cancel, 200, "b1"))).is_empty());
    assert!(sent(&world.pass(SECS(3))).is_empty());
    assert_eq!(responses(&reply(&mut world, &answer(&invite, 487, "b1"))), [487]);
    world.pass(SECS(64));
    assert!(world.ep.live().is_none());
}

#[test]
fn an_invite_that_ignores_its_cancel_times_out_after_64_t1() {
    let (mut world, tx, invite) = calling(Method::Invite, udp());
    reply(&mut world, &answer(&invite, 180, "b1"));
    world.pass(SECS(10));
    world.ep.cancel(world.now, tx, None);
    world.drain();
    assert_eq!(timed_out(&world.pass(SECS(40))), [(32_000, tx)]);
    assert!(world.ep.live().is_none());
}

#[test]
fn a_2xx_that_crosses_the_cancel_is_passed_on() {
    let (mut world, tx, invite) = calling(Method::Invite, udp());
    reply(&mut world, &answer(&invite, 180, "b1"));
    world.ep.cancel(world.now, tx, None);
    world.drain();
    assert_eq!(responses(&reply(&mut world, &answer(&invite, 200, "b1"))), [200]);
    world.pass(SECS(64));
    assert!(world.ep.live().is_none());
}

#[test]
fn responses_that_are_not_ours_are_dropped_and_counted() {
    use crate::endpoint::DropCause;
    let (mut world, _, invite) = calling(Method::Invite, udp());
    let mut two = answer(&invite, 200, "b1");
    two.headers.push(HeaderName::Via, "SIP/2.0/UDP 203.0.113.9;branch=z9hG4bK1");
    assert!(responses(&reply(&mut world, &two)).is_empty());
    let mut guessed = answer(&invite, 200, "b1");
    guessed.headers.set(HeaderName::Via, "SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK100000000.00000000");
    assert!(responses(&reply(&mut world, &guessed)).is_empty());
    let mut other = answer(&invite, 200, "b1");
    other.headers.set(HeaderName::CSeq, "7 BYE");
    assert!(responses(&reply(&mut world, &other)).is_empty());
    let drops = world.ep.dropped();
    assert_eq!((drops.of(DropCause::ForeignResponse), drops.of(DropCause::StrayResponse)), (1, 2));
}
