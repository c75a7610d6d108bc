//! RFC 3261 §17.1.1: the INVITE client transaction, figure 5 as RFC 6026 §8.4 amends it. Timers A, B, D, M.

use sip::Method;

use crate::ua::{MILLIS, SECS, Ua, tcp, times, udp};

// "When timer A fires, the client transaction MUST retransmit the request by passing it to the transport layer, and
// MUST reset the timer with a value of 2*T1." §17.1.1.2: "the request is retransmitted … again after T1 seconds, 3*T1…"
#[test]
fn calling_timer_a_fires_at_t1_and_doubles_without_bound() {
    let mut ua = Ua::bare();
    ua.send(Method::Invite, udp());
    ua.pass(SECS(40));
    assert_eq!(ua.timeline(), times("INVITE", &[0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]));
}

// "the client transaction MUST start timer B with a value of 64*T1 seconds"; "the client transaction SHOULD inform
// the TU that a timeout has occurred. The client transaction MUST NOT generate an ACK."
#[test]
fn calling_timer_b_at_64_t1_informs_the_user_and_sends_no_ack() {
    let mut ua = Ua::bare();
    ua.send(Method::Invite, udp());
    ua.pass(MILLIS(31_999));
    assert_eq!(ua.timed_out(), 0);
    ua.pass(MILLIS(1));
    assert_eq!(ua.timed_out(), 1);
    assert!(!ua.words().contains(&"ACK".to_owned()));
    assert!(ua.ep.live().is_none());
}

// "If an unreliable transport is being used, the client transaction MUST start timer A … If a reliable transport is
// being used, the client transaction SHOULD NOT start timer A (Timer A controls request retransmissions). For any
// transport, the client transaction MUST start timer B".
#[test]
fn calling_on_a_reliable_transport_has_no_timer_a_but_timer_b() {
    let mut ua = Ua::bare();
    ua.send(Method::Invite, tcp());
    ua.pass(MILLIS(31_999));
    assert_eq!(ua.timeline(), times("INVITE", &[0]));
    ua.pass(MILLIS(1));
    assert_eq!(ua.timed_out(), 1);
}

// "If the client transaction receives a provisional response while in the "Calling" state, it transitions to the
// "Proceeding" state. In the "Proceeding" state, the client transaction SHOULD NOT retransmit the request any longer.
// Furthermore, the provisional response MUST be passed to the TU. Any further provisional responses MUST be passed up
// to the TU while in the "Proceeding" state."
#[test]
fn calling_to_proceeding_on_1xx_stops_retransmissions_and_passes_each_1xx_up() {
    let mut ua = Ua::bare();
    let (_, invite) = ua.send(Method::Invite, udp());
    ua.reply(&invite, 100, "", "", "");
    ua.reply(&invite, 180, "peer", "", "");
    ua.reply(&invite, 180, "peer", "", "");
    assert_eq!(ua.heard(), [100, 180, 180]);
    ua.pass(SECS(170));
    assert_eq!(ua.timeline(), times("INVITE", &[0]));
    assert_eq!(ua.timed_out(), 0, "timer B belongs to Calling");
}

// "When in either the "Calling" or "Proceeding" states, reception of a response with status code from 300-699 MUST
// cause the client transaction to transition to "Completed". The client transaction MUST pass the received response up
// to the TU, and the client transaction MUST generate an ACK request".
#[test]
fn calling_or_proceeding_to_completed_on_300_to_699_acknowledges() {
    for first in [None, Some(180)] {
        for status in [300, 404, 503, 603] {
            let mut ua = Ua::bare();
            let (_, invite) = ua.send(Method::Invite, udp());
            if let Some(first) = first {
                ua.reply(&invite, first, "peer", "", "");
            }
            ua.reply(&invite, status, "peer", "", "");
            assert_eq!(ua.words(), ["INVITE", "ACK"], "{status}");
            assert_eq!(ua.heard().last(), Some(&status));
        }
    }
}

// "Any retransmissions of the final response that are received while in the "Completed" state MUST cause the ACK to be
// re-passed to the transport layer for retransmission, but the newly received response MUST NOT be passed up to the
// TU." Timer D: "at least 32 seconds for unreliable transports".
#[test]
fn completed_acknowledges_each_retransmission_and_passes_none_up_until_timer_d() {
    let mut ua = Ua::bare();
    let (_, invite) = ua.send(Method::Invite, udp());
    ua.reply(&invite, 486, "peer", "", "");
    assert_eq!(ua.heard(), [486]);
    ua.mark();
    for _ in 0..3 {
        ua.pass(SECS(4));
        ua.reply(&invite, 486, "peer", "", "");
    }
    assert_eq!(ua.timeline(), times("ACK", &[4_000, 8_000, 12_000]));
    assert_eq!(ua.heard(), [0; 0]);
    ua.pass(MILLIS(19_999));
    assert_eq!(ua.ep.live().client, 1, "timer D is at least 32 s");
    ua.pass(MILLIS(1));
    assert!(ua.ep.live().is_none());
}

// Timer D: "a value of zero seconds for reliable transports".
#[test]
fn completed_on_a_reliable_transport_lasts_no_time() {
    let mut ua = Ua::bare();
    let (_, invite) = ua.send(Method::Invite, tcp());
    ua.reply(&invite, 486, "peer", "", "");
    assert_eq!(ua.words(), ["INVITE", "ACK"]);
    ua.pass(MILLIS(0));
    assert!(ua.ep.live().is_none());
}

// §17.1.1.3: "The ACK request constructed by the client transaction MUST contain values for the Call-ID, From, and
// Request-URI that are equal to the values of those header fields in the request passed to the transport by the client
// transaction … The To header field in the ACK MUST equal the To header field in the response being acknowledged …
// The ACK MUST contain a single Via header field, and this MUST be equal to the top Via header field of the original
// request. The CSeq header field in the ACK MUST contain the same value for the sequence number as was present in the
// original request, but the method parameter MUST be equal to "ACK"." "If the INVITE request whose response is being
// acknowledged had Route header fields, those header fields MUST appear in the ACK."
#[test]
fn the_ack_of_a_refusal_is_built_from_invite_and_response() {
    let mut ua = Ua::bare();
    let mut request = ua.send(Method::Invite, udp()).1;
    request.headers.remove("Via");
    request.headers.push("Route", "<sip:proxy.example;lr>");
    request.headers.set("Call-ID", "routed");
    ua.mark();
    ua.ep(|ep, now| ep.request(now, udp(), request));
    let invite = ua.one();
    ua.reply(invite.request(), 404, "peer", "", "");
    let ack = ua.one();
    for name in ["Call-ID", "From", "Via", "Route"] {
        assert_eq!(ack.header(name), invite.header(name), "{name}");
    }
    assert_eq!(ack.request().uri, invite.request().uri);
    assert_eq!(ack.header("To").as_deref(), Some("<sip:peer@192.0.2.4>;tag=peer"));
    assert_eq!(ack.header("CSeq").as_deref(), Some("1 ACK"));
    assert_eq!(ack.request().headers.count("Via"), 1);
    assert!(ack.body().is_empty(), "bodies in ACK: placement is NOT RECOMMENDED");
}

// RFC 6026 §8.4: "If a 2xx response is received while the client INVITE state machine is in the "Calling" or
// "Proceeding" states, it MUST transition to the "Accepted" state, pass the 2xx response to the TU, and set Timer M to
// 64*T1. A 2xx response received while in the "Accepted" state MUST be passed to the TU and the machine remains in the
// "Accepted" state. The client transaction MUST NOT generate an ACK to any 2xx response on its own."
#[test]
fn to_accepted_on_2xx_every_2xx_is_passed_up_until_timer_m() {
    for flow in [udp(), tcp()] {
        let mut ua = Ua::bare();
        let (_, invite) = ua.send(Method::Invite, flow);
        ua.reply(&invite, 180, "peer", "", "");
        ua.reply(&invite, 200, "peer", "", "");
        ua.pass(SECS(31));
        ua.reply(&invite, 200, "peer", "", "");
        ua.reply(&invite, 200, "fork", "", "");
        assert_eq!(ua.heard(), [180, 200, 200, 200]);
        assert_eq!(ua.words(), ["INVITE"], "no ACK of its own");
        ua.pass(SECS(1));
        assert!(ua.ep.live().is_none(), "timer M is 64 × T1 on each transport");
        ua.reply(&invite, 200, "peer", "", "");
        assert_eq!(ua.heard(), [0; 0]);
    }
}

// §17.1.4: "the TU is informed, and the client transaction SHOULD transition directly to the "Terminated" state".
#[test]
fn a_transport_error_in_calling_ends_it_and_is_told() {
    let mut ua = Ua::bare();
    ua.send(Method::Invite, udp());
    ua.ep(|ep, now| ep.transport_failed(now, udp()));
    assert!(matches!(ua.outputs()[..], [sip::endpoint::Output::TransportFailed { .. }]));
    assert!(ua.ep.live().is_none());
}
