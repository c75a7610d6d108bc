//! RFC 3326: the Reason header field, in and out.

use sip::session::{EndCause, EndedBy, SessionEvent};

use crate::ua::{OFFER, Ua, peers, sdp};

const REASON: &str = "Q.850;cause=16;text=\"Normal call clearing\"";

// §2: "The Reason header field MAY appear in any request within a dialog, in any CANCEL request and in any response whose
// status code explicitly allows the presence of this header field."
#[test]
fn ours_goes_out_in_bye_cancel_and_refusals() {
    let hang_up = |ua: &mut Ua| {
        ua.with(|session, now, ep| session.hang_up(now, ep, Some(REASON), 480));
        ua.last()
    };
    let bye = hang_up(&mut Ua::talking());
    assert_eq!((bye.word().as_str(), bye.header("Reason").as_deref()), ("BYE", Some(REASON)));
    let mut ua = Ua::new();
    let invite = ua.call(Some(sdp("offer")));
    ua.reply(&invite, 180, "peer", "", "");
    let cancel = hang_up(&mut ua);
    assert_eq!((cancel.word().as_str(), cancel.header("Reason").as_deref()), ("CANCEL", Some(REASON)));
    let mut ua = Ua::new();
    ua.invited("", OFFER);
    let refusal = hang_up(&mut ua);
    assert_eq!((refusal.word().as_str(), refusal.header("Reason").as_deref()), ("480", Some(REASON)));
}

#[test]
fn theirs_is_told_from_bye_cancel_and_refusals() {
    let mut ua = Ua::talking();
    ua.ask("BYE", 2, &format!("Reason: {REASON}"), "");
    let bye = EndCause::Bye { reason: Some(REASON.into()) };
    assert_eq!(ua.events(), [SessionEvent::Ended { by: EndedBy::Remote, cause: bye }]);
    let mut ua = Ua::new();
    ua.invited("", OFFER);
    ua.receive(peers("CANCEL", "z9hG4bKinvite", &format!("Reason: {REASON}")));
    assert_eq!(ua.events(), [SessionEvent::Cancelled { reason: Some(REASON.into()) }]);
    let mut ua = Ua::new();
    let invite = ua.call(Some(sdp("offer")));
    ua.reply(&invite, 480, "peer", "Reason: SIP;cause=480, Q.850;cause=20;text=\"Subscriber absent\"", "");
    let told = ua.events();
    assert!(matches!(told[..], [SessionEvent::Refused { status: 480, q850: Some(20), .. }]), "{told:?}");
}

// §2: "Implementations … unknown protocol values … ignored": one that cannot be read is no reason to refuse a BYE.
#[test]
fn a_reason_that_cannot_be_read_refuses_nothing() {
    let mut ua = Ua::talking();
    ua.ask("BYE", 2, "Reason: ;;;", "");
    assert_eq!(ua.words(), ["200"]);
}
