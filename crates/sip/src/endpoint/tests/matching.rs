use super::*;
use crate::endpoint::{DropCause, shard_of_call_id};
use crate::headers::HeaderName;

const OPTIONS: &str = "OPTIONS sip:198.51.100.1 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.4:5070;branch=z9hG4bKopt1;rport
Max-Forwards: 70
From: <sip:ping@192.0.2.4>;tag=c1
To: <sip:198.51.100.1>
Call-ID: ping-1@192.0.2.4
CSeq: 1 OPTIONS
Content-Length: 0

";

fn is_new(outputs: &[Output]) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Request { .. }))
}

/// The flow and top Via of the 200 to `text`.
fn answered(text: &str, source: &str) -> (Flow, String) {
    let mut world = World::new();
    let flow = Flow::udp(0, source.parse().unwrap());
    let (tx, request) = request_of(&world.receive(flow, text));
    world.ep.respond(world.now, tx, answer(&request, 200, "s1"));
    match world.drain().pop() {
        Some(Output::Transmit { flow, bytes }) => {
            let message = Message::parse_datagram(bytes).unwrap();
            let via = message.headers().get(HeaderName::Via).unwrap().to_vec();
            (flow, String::from_utf8(via).unwrap())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_response_goes_to_the_source_where_rport_is_asked_for() {
    let (flow, via) = answered(OPTIONS, "203.0.113.7:40001");
    assert_eq!(flow.remote, "203.0.113.7:40001".parse().unwrap());
    assert!(via.contains("received=203.0.113.7") && via.contains("rport=40001"), "{via}");
}

#[test]
fn a_response_goes_to_the_port_of_sent_by_where_rport_is_not_asked_for() {
    let (flow, via) = answered(&OPTIONS.replace(";rport", ""), "203.0.113.7:40001");
    assert_eq!(flow.remote, "203.0.113.7:5070".parse().unwrap());
    assert!(via.contains("received=203.0.113.7") && !via.contains("rport"), "{via}");
    let (flow, _) = answered(&OPTIONS.replace(";rport", "").replace(":5070", ""), "203.0.113.7:40001");
    assert_eq!(flow.remote, "203.0.113.7:5060".parse().unwrap());
}

#[test]
fn further_hops_stay_on_a_line_of_several() {
    let listed = OPTIONS.replace(";rport\n", ";rport, SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKup\n");
    let (_, via) = answered(&listed, "203.0.113.7:40001");
    assert!(via.contains("rport=40001") && via.ends_with("SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKup"), "{via}");
}

#[test]
fn branch_sent_by_and_method_make_a_transaction() {
    let mut world = World::new();
    assert!(is_new(&world.receive(udp(), OPTIONS)));
    assert!(!is_new(&world.receive(udp(), OPTIONS)));
    assert!(is_new(&world.receive(udp(), &OPTIONS.replace("z9hG4bKopt1", "z9hG4bKopt2"))));
    assert!(is_new(&world.receive(udp(), &OPTIONS.replace("192.0.2.4:5070", "192.0.2.5:5070"))));
    assert!(is_new(&world.receive(udp(), &OPTIONS.replace("OPTIONS", "MESSAGE"))));
}

#[test]
fn peers_of_rfc_2543_are_matched_without_a_branch() {
    let old =
        |text: &str| text.replace(";branch=z9hG4bKinv1;rport", "").replace(";branch=z9hG4bKopt1;rport", "");
    let mut world = World::new();
    assert!(is_new(&world.receive(udp(), &old(OPTIONS))));
    assert!(!is_new(&world.receive(udp(), &old(OPTIONS))));
    assert!(is_new(&world.receive(udp(), &old(OPTIONS).replace("1 OPTIONS", "2 OPTIONS"))));
    // INVITE, its refusal, and the ACK that belongs to it.
    let invite = old(OPTIONS).replace("OPTIONS", "INVITE");
    let (tx, request) = request_of(&world.receive(udp(), &invite));
    world.ep.respond(world.now, tx, answer(&request, 404, "s1"));
    world.drain();
    let ack =
        invite.replace("INVITE", "ACK").replace("To: <sip:198.51.100.1>", "To: <sip:198.51.100.1>;tag=s1");
    assert!(world.receive(udp(), &ack).is_empty());
    assert!(sent(&world.pass(SECS(4))).is_empty(), "no retransmission after the ACK");
}

#[test]
fn an_ack_of_nothing_is_passed_on_and_never_answered() {
    let mut world = World::new();
    let outputs = world.receive(udp(), &OPTIONS.replace("OPTIONS", "ACK"));
    assert!(matches!(outputs[..], [Output::Ack { .. }]));
    assert!(world.ep.live().is_none());
}

#[test]
fn what_is_malformed_is_answered_where_it_can_be_and_counted() {
    let mut world = World::new();
    let outputs = world.receive(udp(), &OPTIONS.replace("CSeq: 1 OPTIONS", "CSeq: 1 BYE"));
    let lines: Vec<_> = outputs.iter().filter_map(start_line).collect();
    assert!(lines.len() == 1 && lines[0].starts_with("SIP/2.0 400 "), "{lines:?}");
    let text = String::from_utf8_lossy(&transmitted(&outputs)[0]).into_owned();
    assert!(text.contains("rport=5060") && text.contains("received=192.0.2.4"), "{text}");
    assert!(transmitted(&world.receive(udp(), "hello\n\n")).is_empty());
    assert!(transmitted(&world.receive(udp(), &OPTIONS.replace("Via: ", "X: "))).is_empty());
    let drops = world.ep.dropped();
    assert_eq!((drops.of(DropCause::MalformedAnswered), drops.of(DropCause::Malformed)), (1, 2));
    assert!(world.ep.live().is_none());
}

#[test]
fn a_via_or_to_that_cannot_be_read_does_not_keep_the_answer_back() {
    let answer = |text: String| {
        let mut world = World::new();
        let outputs = world.receive(udp(), &text);
        let [Output::Dropped { .. }, Output::Transmit { flow, bytes }] = &outputs[..] else {
            panic!("{outputs:?}")
        };
        (flow.remote.to_string(), String::from_utf8_lossy(bytes).into_owned())
    };
    let via = OPTIONS.lines().find(|line| line.starts_with("Via: ")).unwrap();
    // RFC 4475 §3.1.2.1, §3.1.2.16: to where it came from, the Via as it came.
    let (remote, text) = answer(OPTIONS.replace(via, "Via: SIP/2.0/UDP 192.0.2.15;;,;,,"));
    assert!(remote == PEER && text.contains("Via: SIP/2.0/UDP 192.0.2.15;;,;,,\r\n"), "{remote} {text}");
    let (_, text) = answer(OPTIONS.replace("SIP/2.0", "SIP/7.0"));
    assert!(text.starts_with("SIP/2.0 505 "), "{text}");
    // §3.1.2.6, §3.3.1 and §3.3.8: a To that is malformed, missing or there twice goes back as it came.
    let to = OPTIONS.lines().find(|line| line.starts_with("To: ")).unwrap();
    let broken = "To: \"Mr. J. User <sip:j.user@example.com>";
    let (_, text) = answer(OPTIONS.replace(to, broken));
    assert!(text.starts_with("SIP/2.0 400 ") && text.contains(&format!("{broken}\r\n")), "{text}");
    let (_, text) = answer(OPTIONS.replace(&format!("{to}\n"), ""));
    assert!(text.starts_with("SIP/2.0 400 ") && !text.contains("To: "), "{text}");
    let (_, text) = answer(OPTIONS.replace(to, &format!("{to}\n{to}")));
    assert!(text.starts_with("SIP/2.0 400 ") && text.matches(to).count() == 2, "{text}");
}

#[test]
fn keepalives_are_taken_without_a_word() {
    let mut world = World::new();
    assert!(world.receive(udp(), "\n\n").is_empty());
}

#[test]
fn a_branch_of_ours_survives_a_reload_of_what_we_advertise() {
    let mut world = World::new();
    let mut request = Request::new(crate::message::Method::Options, "sip:192.0.2.4".parse().unwrap());
    request.headers.push(HeaderName::From, "<sip:us@198.51.100.1>;tag=a");
    request.headers.push(HeaderName::To, "<sip:192.0.2.4>");
    let call_id = world.ep.mint_call_id();
    request.headers.push(HeaderName::CallId, &call_id);
    request.headers.push(HeaderName::CSeq, "1 OPTIONS");
    world.ep.request(world.now, udp(), request);
    let sent = parse_request(&transmitted(&world.drain())[0]);
    world.ep.set_advertised(vec![Advertised::new("203.0.113.1", 5060)]);
    world.ep.receive(world.now, udp(), answer(&sent, 200, "b").to_bytes());
    assert_eq!(responses(&world.drain()), [200]);
    assert_eq!(shard_of_call_id(call_id.as_bytes()), Some(0));
}
