//! RFC 3261 §15: ending a session.

use sip::session::{EndCause, EndedBy, SessionEvent};

use crate::ua::{MILLIS, OFFER, SECS, Ua, sdp};

fn hang_up(ua: &mut Ua) {
    ua.with(|session, now, ep| session.hang_up(now, ep, None, 480));
}

// §15: "the callee's UA MUST NOT send a BYE on a confirmed dialog until it has received an ACK for its 2xx response or
// until the server transaction times out."
#[test]
fn the_callee_waits_with_bye_for_the_ack_or_its_time() {
    let mut ua = Ua::new();
    ua.invited("", OFFER);
    ua.with(|session, now, ep| session.answer(now, ep, sdp("answer")));
    hang_up(&mut ua);
    ua.pass(MILLIS(100));
    assert_eq!(ua.words(), ["200"]);
    ua.ask("ACK", 1, "", "");
    assert_eq!(ua.words(), ["BYE"]);
    let mut ua = Ua::new();
    ua.invited("", OFFER);
    ua.with(|session, now, ep| session.answer(now, ep, sdp("answer")));
    hang_up(&mut ua);
    ua.pass(MILLIS(32_000));
    assert_eq!(ua.timeline().last(), Some(&(32_000, "BYE".to_owned())));
}

// §15: "the caller's UA MAY send a BYE for either confirmed or early dialogs"; §15.1.2: "If the UAS … the pending
// requests … be responded to. It is RECOMMENDED that a 487 (Request Terminated) response be generated to those pending
// requests."
#[test]
fn the_caller_may_end_an_early_dialog_by_bye() {
    let mut ua = Ua::new();
    ua.invited("", OFFER);
    ua.with(|session, now, ep| session.ring(now, ep, 180, None));
    ua.mark();
    ua.ask("BYE", 2, "", "");
    assert_eq!(ua.words(), ["200", "487"]);
    assert!(matches!(ua.events()[..], [SessionEvent::Cancelled { .. }]));
}

// §15: "the callee's UA … MUST NOT send a BYE on early dialogs": such a BYE is refused.
#[test]
fn the_callee_may_not_end_an_early_dialog_by_bye() {
    let mut ua = Ua::new();
    let invite = ua.call(Some(sdp("offer")));
    ua.reply(&invite, 180, "early", "", "");
    ua.mark();
    let (_, to) = ua.dialog();
    ua.ask_as("<sip:peer@192.0.2.4>;tag=early", &to, "1 BYE", "", "");
    assert_eq!(ua.words(), ["481"]);
    assert!(ua.events().is_empty());
}

// §15.1.1: "The UAC MUST consider the session terminated (and therefore stop sending or listening for media) as soon as
// the BYE request is passed to the client transaction. If the response for the BYE is a 481 … or a 408 … or no response
// at all is received for the BYE …, the UAC MUST consider the session and the dialog terminated."
#[test]
fn a_bye_ends_the_session_at_once_whatever_is_answered() {
    for answer in [Some(200), Some(481), Some(500), None] {
        let mut ua = Ua::talking();
        hang_up(&mut ua);
        let ended = SessionEvent::Ended { by: EndedBy::Local, cause: EndCause::Bye { reason: None } };
        assert_eq!(ua.events(), [ended]);
        let bye = ua.one().request().clone();
        if let Some(status) = answer {
            ua.reply(&bye, status, "peer", "", "");
        }
        ua.pass(SECS(40));
        assert!(ua.events().is_empty() && ua.session.as_ref().is_some_and(|session| session.is_over()));
        assert!(ua.ep.live().is_none(), "{answer:?}");
    }
}

// §15.1.2: "the UAS core processing … MUST generate a 2xx response to the BYE"; "A UAS … the UAS MUST still respond to
// any pending requests received for that dialog. It is RECOMMENDED that a 487 … be generated".
#[test]
fn a_bye_is_answered_200_and_pending_requests_487() {
    let mut ua = Ua::talking();
    ua.answers = None;
    ua.ask("INVITE", 2, "", OFFER);
    ua.mark();
    ua.ask("BYE", 3, "", "");
    let mut words = ua.words();
    words.sort();
    assert_eq!(words, ["200", "487"]);
    assert!(
        ua.events()
            .contains(&SessionEvent::Ended { by: EndedBy::Remote, cause: EndCause::Bye { reason: None } })
    );
}

// BYEs that cross: both are answered, the session ends once.
#[test]
fn byes_that_cross_are_both_answered_and_the_session_ends_once() {
    let mut ua = Ua::talking();
    hang_up(&mut ua);
    let bye = ua.one().request().clone();
    ua.ask("BYE", 2, "", "");
    assert_eq!(ua.words(), ["200"]);
    ua.reply(&bye, 481, "peer", "", "");
    assert_eq!(ua.events().len(), 1);
}
