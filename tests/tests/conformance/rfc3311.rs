//! RFC 3311: UPDATE, before the answer and after it, in both roles.

use sip::session::SessionEvent;

use crate::ua::{OFFER, SECS, Sent, Ua, sdp};

/// Called by a peer that can; its offer has its reliable answer, the PRACK came.
fn settled_callee() -> Ua {
    let mut ua = Ua::new();
    ua.invited("Supported: 100rel\nAllow: UPDATE", OFFER);
    ua.with(|session, now, ep| session.ring(now, ep, 183, Some(sdp("early"))));
    let rseq = ua.one().header("RSeq").expect("RSeq");
    ua.ask("PRACK", 2, &format!("RAck: {rseq} 1 INVITE"), "");
    ua.mark();
    ua
}

/// We call; the peer's reliable 183 has answered our offer.
fn settled_caller() -> (Ua, sip::Request) {
    let mut ua = Ua::new();
    let invite = ua.call(Some(sdp("offer")));
    ua.reply(&invite, 183, "early", "Require: 100rel\nRSeq: 1\nAllow: UPDATE", OFFER);
    let prack = ua.last().request().clone();
    ua.reply(&prack, 200, "early", "", "");
    ua.mark();
    (ua, invite)
}

// §5.1: UPDATE in an early dialog once offer and answer of the INVITE are exchanged reliably. "The UPDATE request MUST …
// Contact header field" (target refresh, §4).
#[test]
fn either_side_may_offer_before_the_answer() {
    let mut callee = settled_callee();
    callee.with(|session, now, ep| session.offer(now, ep, sdp("moved")));
    let update = callee.one();
    assert_eq!((update.word().as_str(), update.body()), ("UPDATE", &sdp("moved")));
    assert_eq!(update.request().headers.count("Contact"), 1);
    callee.reply(update.request(), 200, "peer", "", OFFER);
    assert!(matches!(&callee.events()[..], [SessionEvent::OfferAccepted { sdp: Some(_) }]));
    let (mut caller, invite) = settled_caller();
    caller.with(|session, now, ep| session.offer(now, ep, sdp("moved")));
    let update = caller.one();
    assert_eq!(update.word(), "UPDATE");
    assert_eq!(update.header("To").as_deref(), Some("<sip:peer@192.0.2.4>;tag=early"));
    // The answer to the INVITE does not lose the exchange under way.
    caller.reply(&invite, 200, "early", "", "");
    caller.reply(update.request(), 200, "early", "", OFFER);
    let told = caller.events();
    assert!(matches!(told.last(), Some(SessionEvent::OfferAccepted { sdp: Some(_) })), "{told:?}");
}

// §5.1: "If the UPDATE is being sent before the completion of the initial INVITE transaction …, the UA … MUST NOT include
// an offer unless …" the first answer went out reliably and was acknowledged: an offer waits.
#[test]
fn an_offer_of_ours_waits_while_the_first_one_has_no_reliable_answer() {
    let mut ua = Ua::new();
    ua.invited("Supported: 100rel\nAllow: UPDATE", OFFER);
    ua.with(|session, now, ep| session.ring(now, ep, 183, Some(sdp("early"))));
    ua.mark();
    ua.with(|session, now, ep| session.offer(now, ep, sdp("moved")));
    assert_eq!(ua.words(), [""; 0]);
}

// §5.2: "If an UPDATE is received that contains an offer, and the UAS has generated an offer (in an UPDATE, PRACK or
// INVITE) to which it has not yet received an answer, the UAS MUST reject the UPDATE with a 491 response."
#[test]
fn an_offer_that_crosses_ours_gets_491() {
    // Ours in an UPDATE.
    let mut ua = settled_callee();
    ua.with(|session, now, ep| session.offer(now, ep, sdp("ours")));
    ua.mark();
    ua.ask("UPDATE", 3, "", OFFER);
    assert_eq!(ua.words(), ["491"]);
    // Ours in the INVITE.
    let mut ua = Ua::new();
    let invite = ua.call(Some(sdp("offer")));
    ua.reply(&invite, 180, "early", "Allow: UPDATE", "");
    ua.mark();
    let (_, to) = ua.dialog();
    ua.ask_as("<sip:peer@192.0.2.4>;tag=early", &to, "1 UPDATE", "", OFFER);
    assert_eq!(ua.words(), ["491"]);
    // Ours in a reliable response.
    let mut ua = Ua::new();
    ua.invited("Supported: 100rel", "");
    ua.with(|session, now, ep| session.ring(now, ep, 183, Some(sdp("ours"))));
    ua.mark();
    ua.ask("UPDATE", 2, "", OFFER);
    assert_eq!(ua.words(), ["491"]);
}

// §5.2: "Similarly, if an UPDATE is received that contains an offer, and the UAS has received an offer (in an UPDATE,
// PRACK, or INVITE) to which it has not yet generated an answer, the UAS MUST reject the UPDATE with a 500 response, and
// MUST include a Retry-After header field with a randomly chosen value between zero and ten seconds."
#[test]
fn an_offer_on_top_of_an_unanswered_one_gets_500_with_retry_after() {
    let refused = |ua: &mut Ua| {
        let refusal = ua.one();
        assert_eq!(refusal.word(), "500");
        let wait: u64 = refusal.header("Retry-After").and_then(|text| text.parse().ok()).expect("seconds");
        assert!(wait <= 10);
    };
    let mut ua = Ua::new();
    ua.invited("Supported: 100rel", OFFER);
    ua.mark();
    ua.ask("UPDATE", 2, "", OFFER);
    refused(&mut ua);
    let mut ua = Ua::talking();
    ua.answers = None;
    ua.ask("UPDATE", 2, "", OFFER);
    ua.mark();
    ua.ask("UPDATE", 3, "", OFFER);
    refused(&mut ua);
    let mut ua = Ua::new();
    ua.answers = None;
    let invite = ua.call(None);
    ua.reply(&invite, 183, "early", "Require: 100rel\nRSeq: 1", OFFER);
    ua.mark();
    let (_, to) = ua.dialog();
    ua.ask_as("<sip:peer@192.0.2.4>;tag=early", &to, "1 UPDATE", "", OFFER);
    refused(&mut ua);
}

// §5.2: the answer goes into the 2xx; an UPDATE without a description changes none, before the answer too; "The UAS MUST
// … Contact header field in the 2xx". A 488 leaves the session as it was.
#[test]
fn an_update_is_answered_with_a_description_only_where_it_carried_one() {
    let mut ua = settled_callee();
    ua.ask("UPDATE", 3, "Contact: <sip:elsewhere@192.0.2.4>", "");
    let answer = ua.one();
    assert_eq!((answer.word().as_str(), answer.body().len()), ("200", 0));
    assert_eq!(answer.message.headers().count("Contact"), 1);
    assert_eq!(
        ua.session.as_ref().expect("a session").remote_target().to_string(),
        "sip:elsewhere@192.0.2.4"
    );
    ua.ask("UPDATE", 4, "", OFFER);
    assert_eq!(ua.one().body(), &sdp("accepted"));
    ua.answers = None;
    ua.ask("UPDATE", 5, "", OFFER);
    ua.with(|session, now, ep| session.refuse_offer(now, ep, 488));
    assert_eq!(ua.words(), ["488"]);
}

// In the caller's early dialog the UPDATE moves that dialog's target (RFC 3261 §12.2.2), not another's.
#[test]
fn an_early_update_of_the_callee_moves_its_own_dialog() {
    let (mut ua, invite) = settled_caller();
    ua.reply(&invite, 180, "other", "", "");
    let (_, to) = ua.dialog();
    ua.ask_as("<sip:peer@192.0.2.4>;tag=early", &to, "1 UPDATE", "Contact: <sip:moved@192.0.2.4>", OFFER);
    assert_eq!(ua.one().word(), "200");
    ua.reply(&invite, 183, "early", "Require: 100rel\nRSeq: 2\nContact: <sip:moved@192.0.2.4>", "");
    assert_eq!(ua.one().request().uri.to_string(), "sip:moved@192.0.2.4");
    ua.reply(&invite, 183, "other", "Require: 100rel\nRSeq: 1\nContact: <sip:other@192.0.2.4:5060>", "");
    assert_eq!(ua.one().request().uri.to_string(), "sip:other@192.0.2.4:5060");
}

// §5.3: "If the UAC receives a 491 response to a UPDATE, it SHOULD start a timer with a value T" as for re-INVITE.
#[test]
fn after_491_the_update_is_tried_again() {
    let mut ua = settled_callee();
    ua.with(|session, now, ep| session.offer(now, ep, sdp("moved")));
    let update = ua.one().request().clone();
    ua.mark();
    ua.reply(&update, 491, "peer", "", "");
    ua.pass(SECS(3));
    let again = ua.take_sent().remove(0);
    assert_eq!((again.word().as_str(), again.body()), ("UPDATE", &sdp("moved")));
    assert!(again.at <= 2_000, "the Call-ID is the peer's");
}

// RFC 3261 §8.1.3.5's spirit: a peer whose Allow promises too much is not asked again; the offer waits for the answer.
#[test]
fn a_peer_that_knows_no_update_after_all_gets_a_reinvite_after_the_answer() {
    let mut ua = settled_callee();
    ua.with(|session, now, ep| session.offer(now, ep, sdp("moved")));
    let update = ua.one().request().clone();
    ua.reply(&update, 501, "peer", "", "");
    ua.with(|session, now, ep| session.answer(now, ep, sdp("early")));
    ua.mark();
    ua.ask("ACK", 1, "", "");
    let sent = ua.take_sent();
    assert_eq!(sent.iter().map(Sent::word).collect::<Vec<_>>(), ["INVITE"]);
    assert_eq!(sent[0].body(), &sdp("moved"));
}
