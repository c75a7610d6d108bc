use super::*;

const TIMER: SessionTimer =
    SessionTimer::On { expires: Duration::from_secs(180), min: Duration::from_secs(90) };

fn with_timers(a: SessionTimer, b: SessionTimer) -> Pair {
    talking_as(|pair| {
        pair.a.local.timer = a;
        pair.b.local.timer = b;
    })
}

fn hang_up(pair: &mut Pair) {
    pair.with(End::A, |session, now, ep| session.hang_up(now, ep, None, 480));
    pair.check_end();
}

#[test]
fn the_refresher_refreshes_half_way_by_update_and_the_session_lasts() {
    let mut pair = with_timers(TIMER, TIMER);
    let invite = &pair.requests(&Method::Invite)[0];
    assert_eq!(invite.headers.text(HeaderName::SessionExpires), Some("180"));
    assert_eq!(invite.headers.text(HeaderName::MinSe), Some("90"));
    assert_eq!(pair.responses(200)[0].headers.text(HeaderName::SessionExpires), Some("180;refresher=uas"));
    pair.pass(SECS(1000));
    assert_eq!(pair.count("B UPDATE"), 11, "{}", pair.story());
    assert_eq!(pair.count("A UPDATE"), 0);
    assert!(pair.a.hear().is_empty() && pair.b.hear().is_empty(), "a refresh says nothing");
    hang_up(&mut pair);
}

#[test]
fn a_refresh_goes_by_reinvite_with_the_same_description_where_update_is_not_allowed() {
    let mut pair = with_timers(TIMER, TIMER);
    pair.b.session.as_mut().unwrap().peer = Peer::default();
    pair.pass(SECS(91));
    let invites = pair.requests(&Method::Invite);
    assert_eq!(invites.len(), 2);
    assert_eq!(invites[1].body, sdp("answer"));
    assert_eq!(pair.a.hear(), [SessionEvent::Offered { sdp: Some(sdp("answer")) }]);
    hang_up(&mut pair);
}

#[test]
fn without_refreshes_the_other_side_ends_the_session_before_it_expires() {
    let mut pair = with_timers(TIMER, TIMER);
    pair.fate = losing(End::B, |_| true);
    pair.pass(SECS(200));
    assert_eq!(pair.a.hear(), [ended(EndedBy::Remote, EndCause::SessionExpired)]);
    assert!(pair.count("A BYE") >= 1);
    pair.check_end();
}

#[test]
fn a_refresher_that_gets_no_answer_ends_the_session() {
    let mut pair = with_timers(TIMER, TIMER);
    pair.fate = losing(End::A, |_| true);
    pair.pass(SECS(200));
    assert_eq!(pair.b.hear(), [ended(EndedBy::Remote, EndCause::DialogLost(408))]);
}

#[test]
fn a_peer_without_timers_is_left_alone() {
    for (a, b) in
        [(TIMER, SessionTimer::Off), (SessionTimer::Off, TIMER), (SessionTimer::Off, SessionTimer::Off)]
    {
        let mut pair = with_timers(a, b);
        pair.pass(SECS(4000));
        assert_eq!(pair.requests(&Method::Update).len(), 0);
        assert!(pair.a.session.as_ref().unwrap().is_established());
        hang_up(&mut pair);
    }
}

#[test]
fn too_short_an_interval_is_refused_with_422_and_asked_for_again() {
    let long = SessionTimer::On { expires: SECS(3600), min: SECS(600) };
    let mut pair = with_timers(TIMER, long);
    assert_eq!(pair.responses(422)[0].headers.text(HeaderName::MinSe), Some("600"));
    let invites = pair.requests(&Method::Invite);
    assert_eq!(invites[1].headers.text(HeaderName::SessionExpires), Some("600"));
    assert_eq!(invites[1].headers.text(HeaderName::MinSe), Some("600"));
    assert_eq!(invites[1].headers.text(HeaderName::CSeq), Some("2 INVITE"));
    pair.pass(SECS(700));
    assert_eq!(pair.count("B UPDATE"), 2);
    hang_up(&mut pair);
}

#[test]
fn a_peer_that_wants_to_refresh_itself_is_let() {
    let mut pair = Pair::new();
    pair.b.local.timer = TIMER;
    pair.call(Some(sdp("offer")));
    // The INVITE as a carrier writes it.
    let text = String::from_utf8(pair.trace[0].bytes.to_vec()).unwrap();
    let text = text.replace("Supported: replaces", "Supported: timer\r\nSession-Expires: 1800;refresher=uac");
    let flow = Flow::udp(0, crate::pair::address(End::A));
    let now = pair.now;
    pair.b.ep.receive(now, flow, Bytes::from(text));
    pair.settle_all();
    pair.with(End::B, |session, now, ep| session.answer(now, ep, sdp("answer")));
    let answer = &pair.responses(200)[0];
    assert_eq!(answer.headers.text(HeaderName::SessionExpires), Some("180;refresher=uac"));
    assert_eq!(answer.headers.text(HeaderName::Require), Some("timer"), "RFC 4028 §9");
}
