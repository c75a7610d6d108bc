//! RFC 3261 §9: CANCEL, in both roles, and its races.

use sip::session::{EndCause, EndedBy, SessionEvent};

use crate::ua::{MILLIS, OFFER, SECS, Ua, peers, sdp};

fn hang_up(ua: &mut Ua) {
    ua.with(|session, now, ep| session.hang_up(now, ep, None, 480));
}

// §9.1: "The following procedures are used to construct a CANCEL request. The Request-URI, Call-ID, To, the numeric part
// of CSeq, and From header fields in the CANCEL request MUST be identical to those in the request being cancelled,
// including tags. A CANCEL constructed by a client MUST have only a single Via header field value matching the top Via
// value in the request being cancelled. … However, the method part of the CSeq header field MUST have a value of CANCEL."
#[test]
fn a_cancel_is_built_from_its_invite() {
    let mut ua = Ua::new();
    let invite = ua.call(Some(sdp("offer")));
    ua.reply(&invite, 180, "peer", "", "");
    hang_up(&mut ua);
    let cancel = ua.one();
    assert_eq!(cancel.word(), "CANCEL");
    for name in ["Call-ID", "To", "From", "Via"] {
        assert_eq!(cancel.header(name).as_deref(), invite.headers.text(name), "{name}");
    }
    assert_eq!(cancel.request().uri, invite.uri);
    assert_eq!(cancel.header("CSeq").as_deref(), Some("1 CANCEL"));
    assert_eq!(cancel.request().headers.count("Via"), 1);
    assert!(!cancel.request().headers.has("Require"), "\"MUST NOT contain any Require or Proxy-Require\"");
}

// §9.1: "If no provisional response has been received, the CANCEL request MUST NOT be sent; rather, the client MUST wait
// for the arrival of a provisional response before sending the request."
#[test]
fn a_cancel_waits_for_a_provisional_response() {
    let mut ua = Ua::new();
    let invite = ua.call(Some(sdp("offer")));
    hang_up(&mut ua);
    assert_eq!(ua.words(), [""; 0]);
    ua.reply(&invite, 100, "", "", "");
    assert_eq!(ua.words(), ["CANCEL"]);
}

// §9.1: "If the original request has generated a final response, the CANCEL SHOULD NOT be sent".
#[test]
fn no_cancel_after_the_final_response() {
    let mut ua = Ua::new();
    let invite = ua.call(Some(sdp("offer")));
    hang_up(&mut ua);
    ua.reply(&invite, 486, "peer", "", "");
    assert_eq!(ua.words(), ["ACK"]);
}

// §9.1: "If there is no final response for the original request in 64*T1 seconds …, the client SHOULD then consider the
// original transaction cancelled and SHOULD destroy the client transaction handling the original request."
#[test]
fn an_invite_that_ignores_its_cancel_ends_after_64_t1() {
    let mut ua = Ua::new();
    let invite = ua.call(Some(sdp("offer")));
    ua.reply(&invite, 180, "peer", "", "");
    hang_up(&mut ua);
    let cancel = ua.last().request().clone();
    ua.reply(&cancel, 200, "peer", "", "");
    ua.pass(SECS(33));
    assert!(ua.ep.live().is_none(), "{:?}", ua.ep.live());
    assert!(ua.session.as_ref().is_some_and(|session| session.is_over()));
}

// The 200 that crosses the CANCEL: §9.1 leaves the session set up, §15 ends it by BYE; §13.2.2.4 asks for the ACK.
#[test]
fn a_200_that_crosses_the_cancel_is_acknowledged_and_ended_by_bye() {
    let mut ua = Ua::new();
    let invite = ua.call(Some(sdp("offer")));
    ua.reply(&invite, 180, "peer", "", "");
    hang_up(&mut ua);
    assert_eq!(
        ua.events().last(),
        Some(&SessionEvent::Ended { by: EndedBy::Local, cause: EndCause::Cancelled })
    );
    ua.mark();
    ua.reply(&invite, 200, "peer", "", OFFER);
    assert_eq!(ua.words(), ["ACK", "BYE"]);
    assert!(ua.events().is_empty(), "the last event was given");
}

// §9.2: "If the UAS did not find a matching transaction for the CANCEL …, it SHOULD respond to the CANCEL with a 481".
#[test]
fn a_cancel_of_nothing_gets_481() {
    let mut ua = Ua::new();
    ua.receive(peers("CANCEL", "z9hG4bKnothing", ""));
    assert_eq!(ua.words(), ["481"]);
}

// §9.2: "If it has not issued a final response for the original request, … If the original request was an INVITE, the
// UAS SHOULD immediately respond to the INVITE with a 487 (Request Terminated)." "the UAS answers the CANCEL request
// itself with a 200 (OK) response. … The To tag of the response to the CANCEL and the To tag in the response to the
// original request SHOULD be the same."
#[test]
fn a_cancel_gets_200_and_its_invite_487_with_one_tag() {
    let mut ua = Ua::new();
    ua.invited("", OFFER);
    ua.with(|session, now, ep| session.ring(now, ep, 180, None));
    let tag = ua.one().header("To");
    let reason = "Reason: SIP;cause=200;text=\"Call completed elsewhere\"";
    ua.receive(peers("CANCEL", "z9hG4bKinvite", reason));
    let sent = ua.take_sent();
    let said: Vec<_> =
        sent.iter().map(|sent| (sent.word(), sent.header("CSeq").unwrap_or_default())).collect();
    assert_eq!(said, [("200".into(), "1 CANCEL".into()), ("487".into(), "1 INVITE".into())]);
    assert!(sent.iter().all(|sent| sent.header("To") == tag));
    let [SessionEvent::Cancelled { reason: Some(reason) }] = &ua.events()[..] else { panic!("cancelled") };
    assert!(reason.contains("completed elsewhere"));
}

// §9.2: "If the UAS has already sent a final response for the original request, … no effect".
#[test]
fn a_cancel_after_the_answer_gets_200_and_changes_nothing() {
    let mut ua = Ua::new();
    ua.invited("", OFFER);
    ua.with(|session, now, ep| session.answer(now, ep, sdp("answer")));
    let answer = ua.one();
    ua.receive(peers("CANCEL", "z9hG4bKinvite", ""));
    let cancelled = ua.one();
    assert_eq!(cancelled.header("CSeq").as_deref(), Some("1 CANCEL"));
    assert_eq!(cancelled.header("To"), answer.header("To"), "one tag for both");
    ua.ask("ACK", 1, "", "");
    ua.pass(MILLIS(600));
    assert!(ua.session.as_ref().is_some_and(|session| session.is_established()));
    assert_eq!(ua.words(), [""; 0]);
}

// §9: CANCEL of a retransmitted INVITE: the CANCEL may come again and is answered alike.
#[test]
fn a_cancel_that_comes_again_is_answered_again_and_told_once() {
    let mut ua = Ua::new();
    ua.invited("", OFFER);
    ua.mark();
    ua.receive(peers("CANCEL", "z9hG4bKinvite", ""));
    ua.receive(peers("CANCEL", "z9hG4bKinvite", ""));
    assert_eq!(ua.words(), ["200", "487", "200"]);
    assert_eq!(ua.events().len(), 1);
}
