//! RFC 4028: session timers, in both roles.

use std::time::Duration;

use sip::session::{EndCause, EndedBy, SessionEvent, SessionTimer};

use crate::ua::{MILLIS, OFFER, SECS, Ua, sdp};

const CAN: &str = "Supported: timer\nAllow: INVITE, UPDATE\n";

fn on(expires: u64, min: u64) -> SessionTimer {
    SessionTimer::On { expires: Duration::from_secs(expires), min: Duration::from_secs(min) }
}

fn called(timer: SessionTimer, lines: &str) -> Ua {
    Ua::talking_with(|ua| ua.local.timer = timer, lines)
}

/// We call with `timer` and the peer's 200 has `lines`.
fn calling(timer: SessionTimer, lines: &str) -> Ua {
    let mut ua = Ua::new();
    ua.local.timer = timer;
    ua.call_answered(lines);
    ua
}

/// What the 200 to an INVITE with `lines` agrees on.
fn agreed(timer: SessionTimer, lines: &str) -> (Option<String>, Option<String>) {
    let mut ua = Ua::new();
    ua.local.timer = timer;
    ua.invited(lines, OFFER);
    ua.with(|session, now, ep| session.answer(now, ep, sdp("answer")));
    let answer = ua.one();
    (answer.header("Session-Expires"), answer.header("Require"))
}

// §7.1: "A UAC MAY include a Session-Expires header field in an initial session refresh request"; "A UAC that supports the
// session timer extension … MUST include a Supported header field in each request (except ACK), listing the option tag
// 'timer'". "If the UAC … Min-SE".
#[test]
fn an_invite_of_ours_asks_for_the_interval_and_says_the_least() {
    let mut ua = Ua::new();
    ua.local.timer = on(1_800, 90);
    let invite = ua.call(Some(sdp("offer")));
    assert_eq!(invite.headers.text("Session-Expires"), Some("1800"));
    assert_eq!(invite.headers.text("Min-SE"), Some("90"));
    assert!(invite.headers.lists(sip::HeaderName::Supported, "timer"));
}

// §9, table 2: the UAC supports it, the refresher is not said: the UAS chooses; said, it stays: "If the UAC … 'refresher=uac'
// … MUST be copied". "The UAS MUST … Require: timer in the 2xx if the refresher is the UAC". A UAC that does not support
// it cannot refresh: the UAS does, without Require.
#[test]
fn callee_chooses_the_refresher_by_table_2() {
    let timer = on(1_800, 90);
    let (expires, _) = agreed(timer, &format!("{CAN}Session-Expires: 600"));
    assert_eq!(expires.as_deref(), Some("600;refresher=uas"));
    let (expires, require) = agreed(timer, &format!("{CAN}Session-Expires: 600;refresher=uac"));
    assert_eq!((expires.as_deref(), require.as_deref()), (Some("600;refresher=uac"), Some("timer")));
    let (expires, _) = agreed(timer, &format!("{CAN}Session-Expires: 600;refresher=uas"));
    assert_eq!(expires.as_deref(), Some("600;refresher=uas"));
    let (expires, require) = agreed(timer, "Session-Expires: 600");
    assert_eq!((expires.as_deref(), require), (Some("600;refresher=uas"), None));
    assert_eq!(agreed(timer, ""), (None, None), "nobody asked, the peer cannot");
    assert_eq!(agreed(SessionTimer::Off, &format!("{CAN}Session-Expires: 600")), (None, None));
}

// §9: "The UAS MAY reduce its value but MUST NOT set it to a duration lower than the value in the Min-SE header field, if
// one is present, or lower than 90". "The UAS MUST NOT increase the value of the Session-Expires header field."
#[test]
fn callee_may_lower_the_interval_to_min_se_and_never_raises_it() {
    let wish = |lines: &str| agreed(on(300, 90), &format!("{CAN}{lines}")).0.expect("Session-Expires");
    assert!(wish("Session-Expires: 1800").starts_with("300;"));
    assert!(wish("Session-Expires: 1800\nMin-SE: 900").starts_with("900;"));
    assert!(wish("Session-Expires: 120").starts_with("120;"));
    let (expires, _) = agreed(on(1_800, 600), "Session-Expires: 300");
    assert_eq!(expires.as_deref(), Some("300;refresher=uas"), "a peer that knows no 422 gets what it asks");
}

// §9: "If an incoming request contains a Supported header field with a value 'timer' and a Session-Expires header field,
// the UAS MAY reject the INVITE request with a 422 (Session Interval Too Small) response if the session interval … is too
// short. … the 422 response MUST contain a Min-SE header field with the minimum session interval it is willing to accept."
// §5: "the minimum … MUST NOT be less than 90 seconds".
#[test]
fn callee_refuses_too_short_an_interval_with_422() {
    for (timer, min) in [(on(1_800, 600), "600"), (on(1_800, 10), "90")] {
        let mut ua = Ua::new();
        ua.local.timer = timer;
        ua.invited(&format!("{CAN}Session-Expires: 60"), OFFER);
        let refusal = ua.one();
        assert_eq!((refusal.word().as_str(), refusal.header("Min-SE").as_deref()), ("422", Some(min)));
    }
    // The same within the dialog.
    let mut ua = called(on(1_800, 600), &format!("{CAN}Session-Expires: 1800"));
    ua.ask("UPDATE", 2, &format!("{CAN}Session-Expires: 120"), "");
    assert_eq!(ua.words(), ["422"]);
}

// §7.3: "If the response to a session refresh request is a 422 …, then the UAC MAY retry the request. … This new request …
// the UAC SHOULD use the same value of the Call-ID, From, and To …, but the CSeq … one higher … MUST contain a Min-SE
// header field … The value … MUST be … the largest Min-SE"; "the Session-Expires … MUST be set to … at least Min-SE". It is
// not repeated for ever.
#[test]
fn caller_obeys_422_and_remembers_min_se() {
    let mut ua = Ua::new();
    ua.local.timer = on(300, 90);
    let invite = ua.call(Some(sdp("offer")));
    ua.reply(&invite, 422, "peer", "Min-SE: 900", "");
    let again = ua.last();
    assert_eq!(again.header("Session-Expires").as_deref(), Some("900"));
    assert_eq!(again.header("Min-SE").as_deref(), Some("900"));
    assert_eq!(again.header("CSeq").as_deref(), Some("2 INVITE"));
    for name in ["Call-ID", "From", "To"] {
        assert_eq!(again.header(name).as_deref(), invite.headers.text(name), "{name}");
    }
    ua.reply(
        again.request(),
        200,
        "peer",
        "Supported: timer\nAllow: UPDATE\nSession-Expires: 900;refresher=uac\nRequire: timer",
        OFFER,
    );
    ua.mark();
    ua.pass(SECS(450));
    let refresh = ua.one();
    assert_eq!(refresh.header("Min-SE").as_deref(), Some("900"), "§7.4: the largest heard");
    let mut ua = Ua::new();
    ua.local.timer = on(300, 90);
    let mut invite = ua.call(Some(sdp("offer")));
    for _ in 0..2 {
        ua.reply(&invite, 422, "peer", "Min-SE: 900", "");
        if let Some(again) = ua.take_sent().into_iter().find(|sent| sent.word() == "INVITE") {
            invite = again.request().clone();
        }
    }
    assert!(matches!(ua.events().last(), Some(SessionEvent::Refused { status: 422, .. })));
}

// §10: "the side that is performing refreshes … It is RECOMMENDED that this refresh be sent once half the session interval
// has elapsed." §7.4: "the UAC … UPDATE … without an offer" where the peer allows it, else a re-INVITE whose description is
// unchanged. "refresher … SHOULD … the same".
#[test]
fn refresher_refreshes_at_half_time_by_update_else_by_reinvite_with_the_same_description() {
    let mut ua = called(on(200, 90), &format!("{CAN}Session-Expires: 200;refresher=uas"));
    ua.pass(MILLIS(99_999));
    assert_eq!(ua.words(), [""; 0]);
    ua.pass(MILLIS(1));
    let update = ua.one();
    assert_eq!((update.word().as_str(), update.body().len()), ("UPDATE", 0));
    assert_eq!(
        update.header("Session-Expires").as_deref(),
        Some("200;refresher=uac"),
        "our role in this request"
    );
    let mut ua =
        called(on(200, 90), "Supported: timer\nAllow: INVITE, ACK, BYE\nSession-Expires: 200;refresher=uas");
    ua.pass(SECS(100));
    let reinvite = ua.one();
    assert_eq!((reinvite.word().as_str(), reinvite.body()), ("INVITE", &sdp("answer")));
}

// §7.4: a refresh that is refused as unknown goes another way; the interval runs on.
#[test]
fn a_refused_update_is_followed_by_a_reinvite() {
    let mut ua = called(on(200, 90), &format!("{CAN}Session-Expires: 200;refresher=uas"));
    ua.pass(SECS(100));
    let update = ua.one().request().clone();
    ua.reply(&update, 405, "peer", "", "");
    ua.pass(MILLIS(10));
    assert_eq!(ua.words(), ["INVITE"]);
}

// §10: "Each time a session refresh … 2xx … the session expiration is … reset". The other side's refresh does as well.
#[test]
fn each_refresh_starts_the_interval_anew() {
    let mut ua = called(on(200, 90), &format!("{CAN}Session-Expires: 200;refresher=uac"));
    for number in 2..8 {
        ua.pass(SECS(100));
        ua.ask("UPDATE", number, &format!("{CAN}Session-Expires: 200;refresher=uac"), "");
        let answer = ua.one();
        assert_eq!(answer.header("Session-Expires").as_deref(), Some("200;refresher=uac"));
        assert_eq!(answer.header("Require").as_deref(), Some("timer"));
    }
    assert!(ua.session.as_ref().is_some_and(|session| session.is_established()));
}

// §10: "if the side not performing refreshes does not receive a session refresh request before the session expiration, it
// SHOULD send a BYE to terminate the session, slightly before the session expiration. The minimum of 32 seconds and one
// third of the session interval is RECOMMENDED."
#[test]
fn the_other_side_says_bye_before_the_session_expires() {
    for (interval, at) in [(90, 60_000), (200, 168_000)] {
        let mut ua = called(on(200, 90), &format!("{CAN}Session-Expires: {interval};refresher=uac"));
        ua.pass(SECS(interval));
        let bye = ua.take_sent().remove(0);
        assert_eq!((bye.at, bye.word().as_str()), (at, "BYE"));
        assert_eq!(
            ua.events(),
            [SessionEvent::Ended { by: EndedBy::Remote, cause: EndCause::SessionExpired }]
        );
    }
}

// §7.2: "If the 2xx … does not contain a Session-Expires header field, there is no session expiration"; "refresher" of the
// response tells who refreshes.
#[test]
fn caller_does_what_the_2xx_says() {
    let mut ua = calling(on(200, 90), "Supported: timer\nAllow: UPDATE");
    ua.pass(SECS(2_000));
    assert_eq!(ua.words(), [""; 0]);
    let mut ua = calling(
        on(200, 90),
        "Supported: timer\nAllow: UPDATE\nSession-Expires: 200;refresher=uac\nRequire: timer",
    );
    ua.pass(SECS(100));
    assert_eq!(ua.words(), ["UPDATE"]);
    let mut ua = calling(on(200, 90), "Supported: timer\nSession-Expires: 200;refresher=uas");
    ua.pass(SECS(167));
    assert_eq!(ua.words(), [""; 0]);
    ua.pass(SECS(1));
    assert_eq!(ua.words(), ["BYE"]);
}

// §10: "If the refresher … does not get a response … the session … BYE": a refresh that nobody answers ends the session.
#[test]
fn a_refresh_without_an_answer_ends_the_session() {
    let mut ua = called(on(200, 90), &format!("{CAN}Session-Expires: 200;refresher=uas"));
    ua.pass(SECS(140));
    assert!(ua.words().contains(&"BYE".to_owned()));
    assert_eq!(ua.events(), [SessionEvent::Ended { by: EndedBy::Remote, cause: EndCause::DialogLost(408) }]);
}
