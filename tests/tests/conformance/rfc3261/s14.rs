//! RFC 3261 §14: changing a session.

use sip::session::SessionEvent;

use crate::ua::{MILLIS, OFFER, SECS, Ua, sdp};

// §14.1: "a UAC MUST NOT initiate a new INVITE transaction within a dialog while another INVITE transaction is in
// progress in either direction." "If there is an ongoing INVITE client transaction, the TU MUST wait until the
// transaction reaches the completed or terminated state before initiating the new INVITE. 2. If there is an ongoing
// INVITE server transaction, the TU MUST wait until the transaction reaches the confirmed or terminated state".
#[test]
fn a_reinvite_waits_for_the_one_before() {
    let mut ua = Ua::called_out("");
    ua.with(|session, now, ep| session.offer(now, ep, sdp("one")));
    ua.with(|session, now, ep| session.offer(now, ep, sdp("two")));
    let first = ua.one().request().clone();
    ua.reply(&first, 200, "peer", "", OFFER);
    let sent = ua.take_sent();
    let words: Vec<_> = sent.iter().map(crate::ua::Sent::word).collect();
    assert_eq!(words, ["ACK", "INVITE"]);
    assert_eq!(sent[1].body(), &sdp("two"));
}

#[test]
fn a_reinvite_waits_for_the_ack_of_our_2xx() {
    let mut ua = Ua::new();
    ua.invited("", OFFER);
    ua.with(|session, now, ep| session.answer(now, ep, sdp("answer")));
    ua.mark();
    ua.with(|session, now, ep| session.offer(now, ep, sdp("moved")));
    assert_eq!(ua.words(), [""; 0]);
    ua.ask("ACK", 1, "", "");
    assert_eq!(ua.words(), ["INVITE"]);
}

// §14.1: "If a UAC receives a 491 response to a re-INVITE, it SHOULD start a timer with a value T chosen as follows: 1. If
// the UAC is the owner of the Call-ID of the dialog ID (meaning it generated the value), T has a randomly chosen value
// between 2.1 and 4 seconds in units of 10 ms. 2. If the UAC is not the owner of the Call-ID …, T has a randomly chosen
// value of between 0 and 2 seconds in units of 10 ms. When the timer fires, the UAC SHOULD attempt the re-INVITE once
// more, if it still desires for that session modification to take place."
#[test]
fn after_491_the_owner_of_the_call_id_waits_longer_than_the_other() {
    let waits = |mut ua: Ua| {
        ua.with(|session, now, ep| session.offer(now, ep, sdp("moved")));
        let invite = ua.last().request().clone();
        ua.mark();
        ua.reply(&invite, 491, "peer", "", "");
        ua.pass(SECS(5));
        let again = ua.take_sent().into_iter().find(|sent| sent.word() == "INVITE").expect("another try");
        assert_eq!(again.body(), &sdp("moved"));
        again.at
    };
    for _ in 0..20 {
        let owner = waits(Ua::called_out(""));
        assert!((2_100..=4_000).contains(&owner) && owner % 10 == 0, "{owner}");
        let other = waits(Ua::talking());
        assert!(other <= 2_000 && other % 10 == 0, "{other}");
    }
}

// §14.1: "If a UA receives a non-2xx final response to a re-INVITE, the session parameters MUST remain unchanged, as if
// no re-INVITE had been issued."
#[test]
fn a_refused_reinvite_leaves_the_session_as_it_was() {
    let mut ua = Ua::called_out("");
    ua.with(|session, now, ep| session.offer(now, ep, sdp("moved")));
    let invite = ua.one().request().clone();
    ua.reply(&invite, 488, "peer", "", "");
    assert_eq!(ua.events(), [SessionEvent::OfferRefused { status: 488 }]);
    assert!(ua.session.as_ref().is_some_and(|session| session.is_established()));
}

// §14.2: "A UAS that receives a second INVITE before it sends the final response to a first INVITE with a lower CSeq
// sequence number on the same dialog MUST return a 500 (Server Internal Error) response to the second INVITE and MUST
// include a Retry-After header field with a randomly chosen value of between 0 and 10 seconds."
#[test]
fn a_second_reinvite_before_the_answer_to_the_first_gets_500_with_retry_after() {
    let mut ua = Ua::talking();
    ua.answers = None;
    ua.ask("INVITE", 2, "", OFFER);
    ua.mark();
    ua.ask("INVITE", 3, "", OFFER);
    let refusal = ua.one();
    assert_eq!(refusal.word(), "500");
    let wait: u64 = refusal.header("Retry-After").and_then(|text| text.parse().ok()).expect("seconds");
    assert!(wait <= 10);
    ua.with(|session, now, ep| session.accept_offer(now, ep, sdp("answer")));
    assert_eq!(ua.one().header("CSeq").as_deref(), Some("2 INVITE"), "the first is answered all the same");
}

// §14.2: "A UAS that receives an INVITE on a dialog while an INVITE it had sent on that dialog is in progress MUST return
// a 491 (Request Pending) response to the received INVITE."
#[test]
fn a_reinvite_that_crosses_ours_gets_491() {
    let mut ua = Ua::talking();
    ua.with(|session, now, ep| session.offer(now, ep, sdp("ours")));
    ua.mark();
    ua.ask("INVITE", 2, "", OFFER);
    assert_eq!(ua.words(), ["491"]);
    assert!(ua.events().is_empty());
}

// §14.2: "If the new session description is not acceptable, the UAS can reject it by returning a 488 … response".
#[test]
fn a_reinvite_may_be_refused_and_the_session_goes_on() {
    let mut ua = Ua::talking();
    ua.answers = None;
    ua.ask("INVITE", 2, "", OFFER);
    ua.with(|session, now, ep| session.refuse_offer(now, ep, 488));
    assert_eq!(ua.words(), ["488"]);
    assert!(ua.session.as_ref().is_some_and(|session| session.is_established()));
}

// §14.2: "the UAS … a re-INVITE without a session description … offer in the 2xx": the answer comes in the ACK.
#[test]
fn a_reinvite_without_offer_gets_ours_and_is_answered_in_the_ack() {
    let mut ua = Ua::talking();
    ua.answers = None;
    ua.ask("INVITE", 2, "", "");
    assert_eq!(ua.events(), [SessionEvent::Offered { sdp: None }]);
    ua.with(|session, now, ep| session.accept_offer(now, ep, sdp("our offer")));
    assert_eq!(ua.one().body(), &sdp("our offer"));
    ua.ask("ACK", 2, "", OFFER);
    assert!(matches!(&ua.events()[..], [SessionEvent::OfferAccepted { sdp: Some(_) }]));
}

// §14.1 by §9 and §13.2.1: our re-INVITE without a final response is given up.
#[test]
fn a_reinvite_without_a_final_response_is_cancelled() {
    let mut ua = Ua::called_out("");
    ua.with(|session, now, ep| session.offer(now, ep, sdp("moved")));
    let invite = ua.last().request().clone();
    ua.reply(&invite, 100, "", "", "");
    ua.pass(SECS(61));
    assert!(ua.words().contains(&"CANCEL".to_owned()));
    ua.reply(&invite, 487, "peer", "", "");
    ua.pass(MILLIS(10));
    assert_eq!(ua.events(), [SessionEvent::OfferRefused { status: 487 }]);
}
