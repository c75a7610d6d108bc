//! RFC 6026: what became of RFC 3261's transactions for 2xx. The arrows of its figures are in `rfc3261::s17_1_1` and
//! `rfc3261::s17_2_1`; here is what it corrects beside them.

use sip::Method;
use sip::endpoint::{DropCause, Output};

use crate::ua::{MILLIS, SECS, Ua, peers, times, udp};

// §8.7: "Responses that do not match an existing client transaction" — "MUST NOT be passed to the TU": a stray 2xx ends
// at the transaction layer, so that a forger cannot make us send an ACK.
#[test]
fn a_2xx_that_matches_no_transaction_is_dropped() {
    let mut ua = Ua::bare();
    let (_, mut other) = ua.send(Method::Invite, udp());
    other.headers.set("Via", "SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKforged");
    ua.mark();
    ua.reply(&other, 200, "peer", "", "");
    assert!(matches!(ua.outputs()[..], [Output::Dropped { cause: DropCause::StrayResponse }]));
    assert_eq!(ua.words(), [""; 0]);
}

// §7.1: "any response received from the TU other than 2xx in the Accepted state" is not sent: a transaction has one kind
// of final response.
#[test]
fn a_refusal_after_a_2xx_is_not_sent() {
    let mut ua = Ua::bare();
    let (tx, invite) = ua.get(udp(), "INVITE", "z9hG4bKa").expect("a request");
    ua.respond(tx, &invite, 200);
    ua.respond(tx, &invite, 486);
    ua.respond(tx, &invite, 180);
    assert_eq!(ua.words(), ["200"]);
}

// §6: the server transaction of an answered INVITE lives for 64 × T1 so that a retransmitted INVITE makes no second call.
#[test]
fn a_late_retransmission_of_an_answered_invite_makes_no_second_call() {
    let mut ua = Ua::bare();
    let (tx, invite) = ua.get(udp(), "INVITE", "z9hG4bKa").expect("a request");
    ua.respond(tx, &invite, 200);
    ua.receive(peers("ACK", "z9hG4bKack", ""));
    ua.pass(MILLIS(31_900));
    assert!(ua.get(udp(), "INVITE", "z9hG4bKa").is_none());
}

// §8.4: in "Accepted" a client drops provisional responses and refusals: they come too late to mean anything.
#[test]
fn after_a_2xx_provisional_responses_and_refusals_are_dropped() {
    let mut ua = Ua::bare();
    let (_, invite) = ua.send(Method::Invite, udp());
    ua.reply(&invite, 200, "peer", "", "");
    ua.reply(&invite, 180, "fork", "", "");
    ua.reply(&invite, 486, "fork", "", "");
    ua.pass(SECS(1));
    assert_eq!(ua.heard(), [200]);
    assert_eq!(ua.timeline(), times("INVITE", &[0]));
}
