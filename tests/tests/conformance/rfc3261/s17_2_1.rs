//! RFC 3261 §17.2.1: the INVITE server transaction, figure 7 as RFC 6026 §8.5 amends it. Timers G, H, I, L.

use sip::endpoint::Output;

use crate::ua::{MILLIS, SECS, Ua, peers, tcp, times, udp};

const BRANCH: &str = "z9hG4bKserver";

// "The server transaction MUST generate a 100 (Trying) response unless it knows that the TU will generate a provisional
// or final response within 200 ms".
#[test]
fn proceeding_sends_100_after_200_ms_of_silence_and_none_when_the_user_was_faster() {
    let mut ua = Ua::bare();
    ua.get(udp(), "INVITE", BRANCH);
    ua.pass(SECS(1));
    assert_eq!(ua.timeline(), times("100", &[200]));
    let mut ua = Ua::bare();
    let (tx, invite) = ua.get(udp(), "INVITE", BRANCH).expect("a request");
    ua.respond(tx, &invite, 180);
    ua.pass(SECS(1));
    assert_eq!(ua.words(), ["180"]);
}

// "If a request retransmission is received while in the "Proceeding" state, the most recent provisional response that
// was received from the TU MUST be passed to the transport layer for retransmission."
#[test]
fn proceeding_repeats_the_last_1xx_for_a_retransmission_and_the_user_hears_nothing() {
    let mut ua = Ua::bare();
    let (tx, invite) = ua.get(udp(), "INVITE", BRANCH).expect("a request");
    assert!(ua.get(udp(), "INVITE", BRANCH).is_none());
    assert_eq!(ua.words(), [""; 0], "there is nothing to repeat yet");
    ua.respond(tx, &invite, 180);
    ua.respond(tx, &invite, 183);
    assert!(ua.get(udp(), "INVITE", BRANCH).is_none());
    assert_eq!(ua.words(), ["180", "183", "183"]);
}

// "While in the "Proceeding" state, if the TU passes a response with status code from 300 to 699 to the server
// transaction, the response MUST be passed to the transport layer for transmission, and the state machine MUST enter
// the "Completed" state. For unreliable transports, timer G is set to fire in T1 seconds". "If timer G fires, the
// response is passed to the transport layer once more for retransmission, and timer G is set to fire in MIN(2*T1, T2)
// seconds." "Timer H … 64*T1": "the transaction failed … the TU is informed".
#[test]
fn completed_timer_g_doubles_to_t2_until_timer_h_tells_the_user() {
    let mut ua = Ua::bare();
    let (tx, invite) = ua.get(udp(), "INVITE", BRANCH).expect("a request");
    ua.respond(tx, &invite, 486);
    ua.pass(MILLIS(31_999));
    assert_eq!(ua.ep.live().server, 1);
    ua.pass(MILLIS(1));
    let at = [0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    assert_eq!(ua.timeline(), times("486", &at));
    assert!(matches!(ua.outputs()[..], [Output::Unacknowledged { .. }]));
    assert!(ua.ep.live().is_none());
}

// "while in the "Completed" state, if a request retransmission is received, the server SHOULD pass the response to the
// transport for retransmission."
#[test]
fn completed_repeats_the_response_for_a_retransmission() {
    let mut ua = Ua::bare();
    let (tx, invite) = ua.get(udp(), "INVITE", BRANCH).expect("a request");
    ua.respond(tx, &invite, 486);
    assert!(ua.get(udp(), "INVITE", BRANCH).is_none());
    assert_eq!(ua.words(), ["486", "486"]);
}

// §26.3.2.4: "UAs and proxy servers SHOULD challenge questionable requests with only a single 401 (Unauthorized) or 407
// (Proxy Authentication Required), forgoing the normal response retransmission algorithm".
#[test]
fn completed_without_timer_g_towards_somebody_unknown_repeats_when_asked_alone() {
    let mut ua = Ua::bare();
    let (tx, invite) = ua.get(udp(), "INVITE", BRANCH).expect("a request");
    let mut challenge = sip::Response::to(&invite, 407);
    challenge.set_to_tag("us").expect("a To");
    ua.ep(|ep, now| ep.respond_once(now, tx, challenge));
    ua.pass(SECS(20));
    assert_eq!(ua.timeline(), times("407", &[0]));
    assert!(ua.get(udp(), "INVITE", BRANCH).is_none());
    ua.receive(peers("ACK", BRANCH, ""));
    ua.pass(SECS(5));
    assert_eq!(ua.timeline(), times("407", &[20_000]));
    assert!(ua.ep.live().is_none(), "acknowledged as any other");
}

// "If timer G … reliable transports: timer G is not set".
#[test]
fn completed_on_a_reliable_transport_has_no_timer_g_but_timer_h() {
    let mut ua = Ua::bare();
    let (tx, invite) = ua.get(tcp(), "INVITE", BRANCH).expect("a request");
    ua.respond(tx, &invite, 486);
    ua.pass(SECS(33));
    assert_eq!(ua.timeline(), times("486", &[0]));
    assert!(matches!(ua.outputs()[..], [Output::Unacknowledged { .. }]));
}

// "If an ACK is received while the server transaction is in the "Completed" state, the server transaction MUST
// transition to the "Confirmed" state. As Timer G is ignored in this state, any retransmissions of the response will
// cease." "The purpose of the "Confirmed" state is to absorb any additional ACK messages that arrive … timer I is set
// to fire in T4 seconds for unreliable transports, and zero seconds for reliable transports."
#[test]
fn completed_to_confirmed_on_ack_absorbs_further_acks_until_timer_i() {
    let mut ua = Ua::bare();
    let (tx, invite) = ua.get(udp(), "INVITE", BRANCH).expect("a request");
    ua.respond(tx, &invite, 486);
    ua.pass(MILLIS(100));
    ua.receive(peers("ACK", BRANCH, ""));
    ua.receive(peers("ACK", BRANCH, ""));
    assert!(ua.outputs().iter().all(|output| matches!(output, Output::Dropped { .. })), "absorbed");
    ua.pass(MILLIS(4_999));
    assert_eq!((ua.words(), ua.ep.live().server), (vec!["486".to_owned()], 1));
    ua.pass(MILLIS(1));
    assert!(ua.ep.live().is_none(), "T4 is 5 s");
    let mut ua = Ua::bare();
    let (tx, invite) = ua.get(tcp(), "INVITE", BRANCH).expect("a request");
    ua.respond(tx, &invite, 486);
    ua.receive_on(tcp(), peers("ACK", BRANCH, ""));
    assert!(ua.ep.live().is_none());
}

// RFC 6026 §8.5: "If the TU passes a 2xx response to the transaction, … the server transaction MUST transition to the
// "Accepted" state". "When the INVITE server transaction enters the "Accepted" state, Timer L MUST be set to fire in
// 64*T1 for all transports." "While in the "Accepted" state, any retransmissions of the INVITE received will match this
// transaction state machine and will be absorbed by the machine without changing its state. These retransmissions are
// not passed onto the TU." "any ACKs received … MUST be passed directly to the TU and not absorbed." "the TU may pass
// additional 2xx responses: … MUST be passed to the transport layer".
#[test]
fn proceeding_to_accepted_on_2xx_absorbs_invites_and_passes_acks_and_2xx_until_timer_l() {
    for flow in [udp(), tcp()] {
        let mut ua = Ua::bare();
        let (tx, invite) = ua.get(flow, "INVITE", BRANCH).expect("a request");
        ua.respond(tx, &invite, 200);
        ua.pass(MILLIS(500));
        assert!(ua.get(flow, "INVITE", BRANCH).is_none());
        ua.respond(tx, &invite, 200);
        assert_eq!(ua.timeline(), times("200", &[0, 500]), "repeating is the user's");
        ua.receive_on(flow, peers("ACK", BRANCH, ""));
        assert!(ua.outputs().iter().any(|output| matches!(output, Output::Ack { .. })));
        ua.pass(MILLIS(31_499));
        assert_eq!(ua.ep.live().server, 1);
        ua.pass(MILLIS(1));
        assert!(ua.ep.live().is_none());
    }
}

// RFC 6026 §7.1: "A server transaction MUST NOT discard transaction state based only on encountering a non-recoverable
// transport error when sending a response."
#[test]
fn a_transport_error_does_not_take_the_transaction_from_its_user() {
    let mut ua = Ua::bare();
    let (tx, invite) = ua.get(udp(), "INVITE", BRANCH).expect("a request");
    ua.respond(tx, &invite, 180);
    ua.ep(|ep, now| ep.transport_failed(now, udp()));
    ua.respond(tx, &invite, 200);
    assert_eq!(ua.words(), ["180", "200"]);
}
