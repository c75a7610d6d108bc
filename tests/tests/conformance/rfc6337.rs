//! RFC 6337 table 1: the patterns of offer and answer, each in the role where we answer and where we ask. Those with PRACK
//! and UPDATE are in `rfc3262` and `rfc3311`; here is which message may carry what.

use sip::session::SessionEvent;

use crate::ua::{OFFER, Sent, Ua, sdp};

// Pattern 1: offer in INVITE, answer in 2xx; and what an unreliable 1xx says is a preview that the 2xx repeats.
#[test]
fn pattern_1_invite_and_2xx() {
    let mut ua = Ua::new();
    ua.invited("", OFFER);
    ua.with(|session, now, ep| session.ring(now, ep, 183, Some(sdp("answer"))));
    ua.with(|session, now, ep| session.answer(now, ep, sdp("answer")));
    let sent = ua.take_sent();
    assert!(sent.iter().all(|sent| sent.body() == &sdp("answer")));
    let mut ua = Ua::new();
    let invite = ua.call(Some(sdp("offer")));
    ua.reply(&invite, 183, "peer", "", OFFER);
    ua.reply(&invite, 200, "peer", "", OFFER);
    assert_eq!(ua.words(), ["ACK"]);
    let told = ua.events();
    assert!(matches!(
        &told[..],
        [SessionEvent::Progress { sdp: Some(_), .. }, SessionEvent::Answered { sdp: Some(_) }]
    ));
}

// Pattern 2: offer in 2xx, answer in ACK (rfc3261::s13 has both roles). Pattern 3: offer in INVITE, answer in a reliable
// 1xx; pattern 4: offer in a reliable 1xx, answer in PRACK; pattern 5: offer in PRACK, answer in its 2xx; pattern 6: UPDATE.

// §4.1: no new offer while one is pending, of whichever pattern: each kind of offer of ours waits.
#[test]
fn an_offer_of_ours_waits_for_any_exchange_under_way() {
    // The peer's re-INVITE is unanswered.
    let mut ua = Ua::talking();
    ua.answers = None;
    ua.ask("INVITE", 2, "", OFFER);
    ua.mark();
    ua.with(|session, now, ep| session.offer(now, ep, sdp("ours")));
    assert_eq!(ua.words(), [""; 0]);
    ua.with(|session, now, ep| session.accept_offer(now, ep, sdp("answer")));
    assert_eq!(ua.words(), ["200"]);
    ua.ask("ACK", 2, "", "");
    assert_eq!(ua.one().body(), &sdp("ours"));
    // The peer's UPDATE is unanswered.
    let mut ua = Ua::talking();
    ua.answers = None;
    ua.ask("UPDATE", 2, "", OFFER);
    ua.with(|session, now, ep| session.offer(now, ep, sdp("ours")));
    assert_eq!(ua.words(), [""; 0]);
    ua.with(|session, now, ep| session.accept_offer(now, ep, sdp("answer")));
    let sent = ua.take_sent();
    assert_eq!(sent.iter().map(Sent::word).collect::<Vec<_>>(), ["200", "INVITE"]);
}

// §5.1: an INVITE's ACK without the answer that was due: nothing was agreed.
#[test]
fn an_ack_without_the_answer_is_told_as_such() {
    let mut ua = Ua::new();
    ua.invited("", "");
    ua.with(|session, now, ep| session.answer(now, ep, sdp("our offer")));
    ua.ask("ACK", 1, "", "");
    assert_eq!(ua.events(), [SessionEvent::Acknowledged { sdp: None }]);
}

// §3.1.1: our re-INVITE without offer is answered with one in the 2xx, and ours goes with the ACK.
#[test]
fn a_reinvite_of_ours_without_offer_is_answered_in_the_ack() {
    let mut ua = Ua::called_out("");
    ua.answers = None;
    ua.with(|session, now, ep| session.request_offer(now, ep));
    let invite = ua.one();
    assert!(invite.body().is_empty());
    ua.reply(invite.request(), 200, "peer", "", OFFER);
    assert!(matches!(&ua.events()[..], [SessionEvent::Offered { sdp: Some(_) }]));
    ua.with(|session, now, ep| session.accept_offer(now, ep, sdp("our answer")));
    let ack = ua.one();
    assert_eq!((ack.word().as_str(), ack.body()), ("ACK", &sdp("our answer")));
}
