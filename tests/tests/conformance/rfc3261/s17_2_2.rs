//! RFC 3261 §17.2.2: the non-INVITE server transaction, figure 8. Timer J.

use crate::ua::{MILLIS, SECS, Ua, tcp, udp};

const BRANCH: &str = "z9hG4bKserver";

// "Once in the "Trying" state, any further request retransmissions are discarded."
#[test]
fn trying_discards_retransmissions_and_sends_nothing_by_itself() {
    let mut ua = Ua::bare();
    ua.get(udp(), "OPTIONS", BRANCH).expect("a request");
    assert!(ua.get(udp(), "OPTIONS", BRANCH).is_none());
    ua.pass(SECS(2));
    assert_eq!(ua.words(), [""; 0], "RFC 4320 §4.1: no 100 soon");
}

// "Any further provisional responses that are received from the TU while in the "Proceeding" state MUST be passed to the
// transport layer for transmission. If a retransmission of the request is received while in the "Proceeding" state, the
// most recently sent provisional response MUST be passed to the transport layer for retransmission."
#[test]
fn trying_to_proceeding_on_1xx_repeats_the_last_one() {
    let mut ua = Ua::bare();
    let (tx, options) = ua.get(udp(), "OPTIONS", BRANCH).expect("a request");
    ua.respond(tx, &options, 100);
    ua.respond(tx, &options, 182);
    assert!(ua.get(udp(), "OPTIONS", BRANCH).is_none());
    assert_eq!(ua.words(), ["100", "182", "182"]);
}

// "If the TU passes a final response (status codes 200-699) to the server while in the "Proceeding" state, the
// transaction MUST enter the "Completed" state, and the response MUST be passed to the transport layer". "When the
// server transaction enters the "Completed" state, it MUST set Timer J to fire in 64*T1 seconds for unreliable
// transports, and zero seconds for reliable transports. While in the "Completed" state, the server transaction MUST
// pass the final response to the transport layer for retransmission whenever a retransmission of the request is
// received. Any other final responses passed by the TU to the server transaction MUST be discarded".
#[test]
fn to_completed_on_200_to_699_repeats_it_and_discards_others_until_timer_j() {
    for (first, status) in [(None, 200), (None, 486), (Some(100), 200), (Some(100), 603)] {
        let mut ua = Ua::bare();
        let (tx, options) = ua.get(udp(), "OPTIONS", BRANCH).expect("a request");
        if let Some(first) = first {
            ua.respond(tx, &options, first);
        }
        ua.mark();
        ua.respond(tx, &options, status);
        let sent = ua.one().bytes;
        ua.respond(tx, &options, 500);
        assert_eq!(ua.words(), [""; 0]);
        ua.pass(MILLIS(31_999));
        assert!(ua.get(udp(), "OPTIONS", BRANCH).is_none());
        assert_eq!(ua.one().bytes, sent, "byte for byte");
        ua.pass(MILLIS(1));
        assert!(ua.ep.live().is_none());
    }
}

#[test]
fn completed_on_a_reliable_transport_lasts_no_time() {
    let mut ua = Ua::bare();
    let (tx, options) = ua.get(tcp(), "OPTIONS", BRANCH).expect("a request");
    ua.respond(tx, &options, 200);
    ua.pass(MILLIS(0));
    assert!(ua.ep.live().is_none());
}
