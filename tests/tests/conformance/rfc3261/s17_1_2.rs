//! RFC 3261 §17.1.2: the non-INVITE client transaction, figure 6. Timers E, F, K.

use sip::Method;

use crate::ua::{MILLIS, SECS, Ua, tcp, times, udp};

const BYES: [u64; 11] = [0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];

// "If timer E fires while in this state [Trying] … the request is retransmitted … When the timer fires again, it is
// reset to a MIN(4*T1, T2)." "timer F with a value of 64*T1".
#[test]
fn trying_timer_e_doubles_to_t2_until_timer_f() {
    let mut ua = Ua::bare();
    ua.send(Method::Bye, udp());
    ua.pass(MILLIS(31_999));
    assert_eq!(ua.timed_out(), 0);
    ua.pass(SECS(5));
    assert_eq!(ua.timeline(), times("BYE", &BYES));
    assert_eq!(ua.timed_out(), 1);
    assert!(ua.ep.live().is_none());
}

// "If an unreliable transport is in use, the client transaction MUST set timer E to fire in T1 seconds": a reliable one
// has none.
#[test]
fn trying_on_a_reliable_transport_has_no_timer_e_but_timer_f() {
    let mut ua = Ua::bare();
    ua.send(Method::Bye, tcp());
    ua.pass(SECS(32));
    assert_eq!(ua.timeline(), times("BYE", &[0]));
    assert_eq!(ua.timed_out(), 1);
}

// "If a provisional response is received while in the "Trying" state, the response MUST be passed to the TU, and then
// the client transaction SHOULD move to the "Proceeding" state." "If Timer E fires while in the "Proceeding" state, the
// request MUST be passed to the transport layer for retransmission, and Timer E MUST be reset with a value of T2
// seconds. If timer F fires while in the "Proceeding" state, the TU MUST be informed of a timeout".
#[test]
fn trying_to_proceeding_on_1xx_timer_e_becomes_t2_and_timer_f_goes_on() {
    let mut ua = Ua::bare();
    let (_, bye) = ua.send(Method::Bye, udp());
    ua.pass(MILLIS(200));
    ua.reply(&bye, 100, "", "", "");
    ua.reply(&bye, 100, "", "", "");
    assert_eq!(ua.heard(), [100, 100]);
    ua.pass(SECS(40));
    let sent = ua.timeline();
    let gaps: Vec<u64> = sent.windows(2).map(|pair| pair[1].0 - pair[0].0).skip(1).collect();
    assert!(gaps.len() > 5 && gaps.iter().all(|gap| *gap == 4_000), "{sent:?}");
    assert_eq!(ua.timed_out(), 1);
}

// "If a final response (status codes 200-699) is received while in the "Trying" state, the response MUST be passed to
// the TU, and the client transaction MUST transition to the "Completed" state." The same from "Proceeding".
#[test]
fn trying_or_proceeding_to_completed_on_200_to_699() {
    for first in [None, Some(100)] {
        for status in [200, 302, 481, 503, 600] {
            let mut ua = Ua::bare();
            let (_, bye) = ua.send(Method::Bye, udp());
            if let Some(first) = first {
                ua.reply(&bye, first, "", "", "");
            }
            ua.reply(&bye, status, "peer", "", "");
            assert_eq!(ua.heard().last(), Some(&status));
            ua.pass(SECS(40));
            assert_eq!(ua.words(), ["BYE"], "nothing is repeated, nothing acknowledged");
            assert_eq!(ua.timed_out(), 0);
        }
    }
}

// "Once the client transaction enters the "Completed" state, it MUST set Timer K to fire in T4 seconds for unreliable
// transports, and zero seconds for reliable transports. The "Completed" state exists to buffer any additional response
// retransmissions that may be received".
#[test]
fn completed_absorbs_retransmissions_until_timer_k() {
    let mut ua = Ua::bare();
    let (_, bye) = ua.send(Method::Bye, udp());
    ua.reply(&bye, 200, "peer", "", "");
    ua.reply(&bye, 200, "peer", "", "");
    assert_eq!(ua.heard(), [200]);
    ua.pass(MILLIS(4_999));
    assert_eq!(ua.ep.live().client, 1);
    ua.pass(MILLIS(1));
    assert!(ua.ep.live().is_none(), "T4 is 5 s");
    let (_, bye) = ua.send(Method::Bye, tcp());
    ua.reply(&bye, 200, "peer", "", "");
    ua.pass(MILLIS(0));
    assert!(ua.ep.live().is_none());
}
