use super::*;
use crate::endpoint::DropCause;
use crate::headers::HeaderName;

const INVITE: &str = "INVITE sip:4008001234@198.51.100.1 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bKinv1;rport
Max-Forwards: 70
From: <sip:13800138000@192.0.2.4>;tag=c1
To: <sip:4008001234@198.51.100.1>
Call-ID: call-1@192.0.2.4
CSeq: 1 INVITE
Contact: <sip:13800138000@192.0.2.4:5060>
Content-Length: 0

";

fn derived(method: &str, branch: &str) -> String {
    INVITE
        .replace("INVITE sip", &format!("{method} sip"))
        .replace("1 INVITE", &format!("1 {method}"))
        .replace("z9hG4bKinv1", branch)
        .replace("To: <sip:4008001234@198.51.100.1>", "To: <sip:4008001234@198.51.100.1>;tag=s1")
}

fn invited(flow: Flow) -> (World, ServerTx, Request) {
    let mut world = World::new();
    let (tx, request) = request_of(&world.receive(flow, INVITE));
    (world, tx, request)
}

fn respond(world: &mut World, tx: ServerTx, request: &Request, status: u16) -> Vec<Output> {
    world.ep.respond(world.now, tx, answer(request, status, "s1"));
    world.drain()
}

#[test]
fn invite_1_gets_100_after_200_ms_of_silence() {
    let (mut world, _, _) = invited(udp());
    assert_eq!(sent(&world.pass(SECS(10))), [(200, "SIP/2.0 100 Trying".to_owned())]);
}

#[test]
fn invite_1_gets_no_100_when_the_application_was_faster() {
    let (mut world, tx, request) = invited(udp());
    respond(&mut world, tx, &request, 180);
    assert!(sent(&world.pass(SECS(10))).is_empty());
}

#[test]
fn invite_2_and_3_a_retransmission_gets_the_last_provisional_response() {
    let (mut world, tx, request) = invited(udp());
    assert!(transmitted(&world.receive(udp(), INVITE)).is_empty());
    respond(&mut world, tx, &request, 180);
    let last = transmitted(&respond(&mut world, tx, &request, 183));
    let again = world.receive(udp(), INVITE);
    assert_eq!(transmitted(&again), last);
    assert!(!again.iter().any(|output| matches!(output, Output::Request { .. })));
}

#[test]
fn invite_4_and_7_to_10_after_a_2xx_retransmissions_are_absorbed_and_acks_and_2xx_pass_until_timer_l() {
    let (mut world, tx, request) = invited(udp());
    let first = transmitted(&respond(&mut world, tx, &request, 200));
    assert_eq!(first.len(), 1);
    assert!(transmitted(&world.receive(udp(), INVITE)).is_empty(), "8: the session repeats the 2xx, not we");
    assert_eq!(transmitted(&respond(&mut world, tx, &request, 200)), first, "9");
    assert!(transmitted(&respond(&mut world, tx, &request, 486)).is_empty(), "one final response");
    let ack = world.receive(udp(), &derived("ACK", "z9hG4bKack"));
    assert!(matches!(ack[..], [Output::Ack { .. }]), "7");
    world.pass(MILLIS(31_999));
    assert_eq!(world.ep.live().server, 1);
    assert!(sent(&world.pass(MILLIS(1))).is_empty());
    assert!(world.ep.live().is_none(), "10");
}

#[test]
fn invite_5_6_and_8_a_refusal_is_repeated_by_timer_g_and_by_request_until_timer_h() {
    let (mut world, tx, request) = invited(udp());
    let first = transmitted(&respond(&mut world, tx, &request, 486));
    assert_eq!(transmitted(&world.receive(udp(), INVITE)), first);
    let seen = world.pass(SECS(40));
    let times: Vec<u64> = sent(&seen).iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
    let (at, last) = seen.last().unwrap();
    assert!(*at == 32_000 && matches!(last, Output::Unacknowledged { tx: lost } if *lost == tx));
    assert!(world.ep.live().is_none());
}

#[test]
fn invite_9_and_10_the_ack_of_a_refusal_stops_it_and_is_absorbed_until_timer_i() {
    let (mut world, tx, request) = invited(udp());
    respond(&mut world, tx, &request, 486);
    assert!(world.receive(udp(), &derived("ACK", "z9hG4bKinv1")).is_empty());
    assert!(transmitted(&world.receive(udp(), INVITE)).is_empty());
    assert!(matches!(world.receive(udp(), &derived("ACK", "z9hG4bKinv1"))[..], [Output::Dropped { .. }]));
    assert!(sent(&world.pass(MILLIS(4_999))).is_empty());
    assert_eq!(world.ep.live().server, 1);
    world.pass(MILLIS(1));
    assert!(world.ep.live().is_none());
}

#[test]
fn invite_5_on_a_stream_is_sent_once_and_gone_with_its_ack() {
    let (mut world, tx, request) = invited(tcp());
    respond(&mut world, tx, &request, 486);
    assert!(sent(&world.pass(SECS(20))).is_empty());
    world.receive(tcp(), &derived("ACK", "z9hG4bKinv1"));
    assert!(world.ep.live().is_none());
}

#[test]
fn others_11_to_14_a_retransmission_gets_nothing_before_and_the_1xx_after_a_response() {
    let mut world = World::new();
    let bye = derived("BYE", "z9hG4bKbye");
    let (tx, request) = request_of(&world.receive(udp(), &bye));
    assert!(transmitted(&world.receive(udp(), &bye)).is_empty());
    assert_eq!(world.ep.dropped().of(DropCause::Absorbed), 1);
    let provisional = transmitted(&respond(&mut world, tx, &request, 182));
    assert_eq!(transmitted(&world.receive(udp(), &bye)), provisional);
}

#[test]
fn others_15_to_17_a_retransmission_gets_the_final_response_byte_for_byte_until_timer_j() {
    let mut world = World::new();
    let bye = derived("BYE", "z9hG4bKbye");
    let (tx, request) = request_of(&world.receive(udp(), &bye));
    let last = transmitted(&respond(&mut world, tx, &request, 200));
    assert!(transmitted(&respond(&mut world, tx, &request, 481)).is_empty(), "one final response");
    world.pass(MILLIS(31_999));
    let again = world.receive(udp(), &bye);
    assert_eq!(transmitted(&again), last);
    assert!(!again.iter().any(|output| matches!(output, Output::Request { .. })));
    world.pass(MILLIS(1));
    assert!(world.ep.live().is_none());
    // From here on it is a request like any other.
    request_of(&world.receive(udp(), &bye));
}

#[test]
fn others_15_is_gone_at_once_on_a_stream() {
    let mut world = World::new();
    let (tx, request) = request_of(&world.receive(tcp(), &derived("BYE", "z9hG4bKbye")));
    respond(&mut world, tx, &request, 200);
    assert!(world.ep.live().is_none());
}

#[test]
fn a_finished_transaction_takes_at_most_300_bytes() {
    use crate::transaction::{server::Server, server::ServerState, slab::Slab};
    let mut world = World::new();
    let (tx, request) = request_of(&world.receive(udp(), &derived("BYE", "z9hG4bKbye")));
    let mut response = answer(&request, 200, "s1");
    response.headers.remove(HeaderName::Contact);
    world.ep.respond(world.now, tx, response);
    let server = world.ep.servers.get(tx.0).unwrap();
    let ServerState::Done { last } = &server.state else { panic!("done") };
    let map_entry = (size_of::<(u64, u64)>() + 1) * 8 / 7;
    let timer = size_of::<crate::transaction::timers::Due>();
    let total = last.heap_bytes() + Slab::<Server>::PLACE_BYTES + map_entry + timer;
    assert!(total <= 300, "{total} bytes");
}

#[test]
fn a_cancel_is_answered_200_with_the_tag_of_the_invite_and_told_once() {
    let (mut world, tx, request) = invited(udp());
    respond(&mut world, tx, &request, 180);
    let cancel = derived("CANCEL", "z9hG4bKinv1").replace(";tag=s1", "");
    let outputs = world.receive(udp(), &cancel);
    let lines: Vec<_> = outputs.iter().filter_map(start_line).collect();
    assert_eq!(lines, ["SIP/2.0 200 OK"]);
    assert!(outputs.iter().any(|output| matches!(output, Output::Cancelled { tx: told, .. } if *told == tx)));
    let text = String::from_utf8_lossy(&transmitted(&outputs)[0]).into_owned();
    assert!(text.contains("tag=s1") && text.contains("CSeq: 1 CANCEL"), "{text}");
    let again = world.receive(udp(), &cancel);
    assert_eq!(transmitted(&again), transmitted(&outputs));
    assert!(!again.iter().any(|output| matches!(output, Output::Cancelled { .. })));
    assert_eq!(
        sent(&[(0, respond(&mut world, tx, &request, 487).remove(0))])[0].1,
        "SIP/2.0 487 Request Terminated"
    );
}

#[test]
fn a_cancel_after_the_final_response_is_answered_200_and_changes_nothing() {
    let (mut world, tx, request) = invited(udp());
    respond(&mut world, tx, &request, 200);
    let outputs = world.receive(udp(), &derived("CANCEL", "z9hG4bKinv1").replace(";tag=s1", ""));
    assert_eq!(outputs.iter().filter_map(start_line).collect::<Vec<_>>(), ["SIP/2.0 200 OK"]);
    assert!(!outputs.iter().any(|output| matches!(output, Output::Cancelled { .. })));
}

#[test]
fn a_cancel_of_nothing_is_answered_481() {
    let mut world = World::new();
    let outputs = world.receive(udp(), &derived("CANCEL", "z9hG4bKinv1"));
    let lines: Vec<_> = outputs.iter().filter_map(start_line).collect();
    assert_eq!(lines, ["SIP/2.0 481 Call/Transaction Does Not Exist"]);
}

#[test]
fn the_application_may_be_late_after_the_transport_has_failed() {
    let (mut world, tx, request) = invited(tcp());
    world.ep.transport_failed(world.now, tcp());
    respond(&mut world, tx, &request, 486);
    world.pass(SECS(64));
    assert!(world.ep.live().is_none());
}
