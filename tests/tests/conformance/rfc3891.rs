//! RFC 3891 §3: which dialog an INVITE may replace.

use bytes::Bytes;
use sip::endpoint::{Output, Rules};
use sip::headers::Replaces;
use sip::{Message, Request};

use crate::ua::{OFFER, Ua, peers, sdp};

fn replaces(ua: &Ua, from_tag: &str, more: &str) -> Replaces {
    let session = ua.session.as_ref().expect("a session");
    let key = session.dialog_key();
    let text = format!("{};from-tag={from_tag};to-tag={}{more}", key.call_id, key.local_tag);
    let replaces = Replaces::parse(text.as_bytes()).expect("a Replaces");
    assert_eq!(replaces.dialog_key(), key, "the to-tag is the receiver's own");
    replaces
}

fn verdict(ua: &Ua, from_tag: &str, more: &str) -> Result<(), u16> {
    let replaces = replaces(ua, from_tag, more);
    ua.session.as_ref().expect("a session").replaceable(&replaces)
}

fn invite(lines: &str) -> Request {
    let bytes: Bytes = peers("INVITE", "z9hG4bKr", lines);
    match Message::parse_datagram(bytes) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

// "If more than one Replaces header field is present in an INVITE, or if a Replaces header field is present in a request
// other than INVITE, the UAS MUST reject the request with a 400 Bad Request response." RFC 3911 §4 the same for Join
// beside Replaces.
#[test]
fn more_than_one_or_a_join_beside_it_is_an_error() {
    let one = "Replaces: a@b;from-tag=1;to-tag=2";
    assert!(Replaces::of(&invite(one)).is_ok_and(|replaces| replaces.is_some()));
    assert!(Replaces::of(&invite("")).is_ok_and(|replaces| replaces.is_none()));
    assert!(Replaces::of(&invite(&format!("{one}\n{one}"))).is_err());
    assert!(Replaces::of(&invite(&format!("{one}\nJoin: a@b;from-tag=1;to-tag=2"))).is_err());
    assert!(Replaces::of(&invite("Replaces: a@b;from-tag=1")).is_err());
}

// The same sentence. CANCEL and ACK are not asked: the one copies what it cancels in the field, the other has no answer.
#[test]
fn in_a_request_other_than_invite_it_is_an_error() {
    for method in ["OPTIONS", "REGISTER", "REFER", "INFO", "UPDATE", "NOTIFY", "BYE"] {
        let mut ua = Ua::bare();
        ua.receive(peers(method, "z9hG4bKr", "Replaces: a@b;from-tag=1;to-tag=2"));
        let Some(Output::Request { tx, request, .. }) = ua.outputs().pop() else {
            panic!("{method} is passed up")
        };
        let refusal = ua.ep.inspect(tx, &request, &Rules::SESSION).expect_err("a refusal");
        assert_eq!(refusal.status, 400, "{method}");
    }
}

// "the UA attempts to match this information with a confirmed or early dialog. The User Agent Server (UAS) matches the
// to-tag and from-tag parameters as if they were tags present in an incoming request." "If no match is found, the UAS
// rejects the INVITE and returns a 481".
#[test]
fn a_confirmed_dialog_matches_by_both_tags() {
    let ua = Ua::talking();
    assert_eq!(verdict(&ua, "peer", ""), Ok(()));
    assert_eq!(verdict(&ua, "somebody", ""), Err(481));
}

// "If the Replaces header field matches a confirmed dialog, it checks for the presence of the "early-only" flag in the
// Replaces header field. … If the flag is present, the UA rejects the request with a 486 Busy response."
#[test]
fn early_only_and_a_confirmed_dialog_is_486() {
    assert_eq!(verdict(&Ua::talking(), "peer", ";early-only"), Err(486));
}

// "If the Replaces header field matches an early dialog that was initiated by this UA, it accepts the new INVITE by sending
// a 200-class response …; if … was not initiated by this UA, it returns a 481".
#[test]
fn an_early_dialog_matches_only_where_we_began_it() {
    let mut ua = Ua::new();
    ua.invited("", OFFER);
    ua.with(|session, now, ep| session.ring(now, ep, 180, None));
    assert_eq!(verdict(&ua, "peer", ""), Err(481));
    let mut ua = Ua::new();
    let invite = ua.call(Some(sdp("offer")));
    ua.reply(&invite, 180, "ringing", "", "");
    assert_eq!(verdict(&ua, "ringing", ""), Ok(()));
    assert_eq!(verdict(&ua, "ringing", ";early-only"), Ok(()));
    assert_eq!(verdict(&ua, "elsewhere", ""), Err(481));
    ua.with(|session, now, ep| session.hang_up(now, ep, None, 480));
    assert_eq!(verdict(&ua, "ringing", ""), Err(603), "it is being cancelled");
}

// "If the Replaces header field matches a dialog which has already terminated, the UA SHOULD decline the request with a
// 603 Declined response."
#[test]
fn a_dialog_that_is_over_is_603() {
    let mut ua = Ua::talking();
    ua.with(|session, now, ep| session.hang_up(now, ep, None, 480));
    assert_eq!(verdict(&ua, "peer", ""), Err(603));
}
