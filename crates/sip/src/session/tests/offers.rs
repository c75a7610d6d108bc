use super::*;

fn offer(pair: &mut Pair, end: End, text: &str) {
    let body = sdp(text);
    pair.with(end, |session, now, ep| session.offer(now, ep, body));
}

fn hang_up(pair: &mut Pair) {
    pair.with(End::A, |session, now, ep| session.hang_up(now, ep, None, 480));
    pair.check_end();
}

#[test]
fn hold_and_resume_from_either_side() {
    let mut pair = talking();
    for (end, text) in [(End::A, "hold"), (End::A, "resume"), (End::B, "hold"), (End::B, "resume")] {
        offer(&mut pair, end, text);
        pair.pass(SECS(1));
        assert_eq!(pair.side(end).hear(), [SessionEvent::OfferAccepted { sdp: Some(sdp("accepts")) }]);
        let other = if end == End::A { End::B } else { End::A };
        assert_eq!(pair.side(other).hear(), [SessionEvent::Offered { sdp: Some(sdp(text)) }]);
    }
    assert_eq!(pair.requests(&Method::Invite).len(), 5);
    hang_up(&mut pair);
}

#[test]
fn an_offer_waits_for_the_one_before_and_a_newer_one_takes_its_place() {
    let mut pair = talking();
    for text in ["first", "second", "third"] {
        offer(&mut pair, End::A, text);
    }
    pair.pass(SECS(2));
    let offers: Vec<SessionEvent> = pair.b.hear();
    assert_eq!(
        offers,
        [
            SessionEvent::Offered { sdp: Some(sdp("first")) },
            SessionEvent::Offered { sdp: Some(sdp("third")) }
        ]
    );
    assert_eq!(pair.a.hear().len(), 2);
    hang_up(&mut pair);
}

#[test]
fn an_offer_before_the_ack_waits_for_it() {
    let mut pair = Pair::new();
    pair.call(Some(sdp("offer")));
    pair.pass(MILLIS(50));
    pair.with(End::B, |session, now, ep| {
        session.answer(now, ep, sdp("answer"));
        session.offer(now, ep, sdp("at once"));
    });
    pair.pass(SECS(1));
    assert_eq!(pair.wire()[..4], ["A INVITE", "B 200", "A ACK", "B INVITE"]);
    assert_eq!(pair.a.hear()[1], SessionEvent::Offered { sdp: Some(sdp("at once")) });
    hang_up(&mut pair);
}

#[test]
fn offers_that_cross_are_both_refused_with_491_and_both_tried_again() {
    let mut pair = talking();
    offer(&mut pair, End::A, "from a");
    offer(&mut pair, End::B, "from b");
    pair.pass(SECS(6));
    assert_eq!((pair.count("A 491"), pair.count("B 491")), (1, 1));
    assert!(pair.a.hear().contains(&SessionEvent::OfferAccepted { sdp: Some(sdp("accepts")) }));
    assert!(pair.b.hear().contains(&SessionEvent::OfferAccepted { sdp: Some(sdp("accepts")) }));
    // RFC 3261 §14.1: who owns the Call-ID waits 2.1–4 s, the other 0–2 s.
    let sent = |end, line: &[u8]| {
        let from = crate::pair::address(end);
        let all = pair.trace.iter().filter(move |entry| entry.from == from && entry.bytes.starts_with(line));
        all.map(|entry| entry.at).last().unwrap()
    };
    let wait_of_a = sent(End::A, b"INVITE") - sent(End::B, b"SIP/2.0 491");
    let wait_of_b = sent(End::B, b"INVITE") - sent(End::A, b"SIP/2.0 491");
    assert!((2_100..=4_020).contains(&wait_of_a.as_millis()), "{wait_of_a:?}");
    assert!(wait_of_b.as_millis() <= 2_020, "{wait_of_b:?}");
    hang_up(&mut pair);
}

#[test]
fn a_refused_offer_leaves_the_session_as_it_was() {
    let mut pair = talking();
    pair.b.accepts = None;
    offer(&mut pair, End::A, "video");
    pair.pass(MILLIS(100));
    pair.with(End::B, |session, now, ep| session.refuse_offer(now, ep, 488));
    pair.pass(SECS(1));
    assert_eq!(pair.a.hear(), [SessionEvent::OfferRefused { status: 488 }]);
    assert!(pair.a.session.as_ref().unwrap().is_established());
    hang_up(&mut pair);
}

#[test]
fn a_reinvite_without_offer_asks_for_ours_and_gets_the_answer_in_the_ack() {
    let mut pair = talking();
    pair.with(End::A, |session, now, ep| session.request_offer(now, ep));
    pair.a.accepts = Some(sdp("answer of a"));
    pair.b.accepts = Some(sdp("offer of b"));
    pair.pass(SECS(1));
    assert_eq!(
        pair.b.hear(),
        [SessionEvent::Offered { sdp: None }, SessionEvent::OfferAccepted { sdp: Some(sdp("answer of a")) }]
    );
    assert_eq!(pair.a.hear(), [SessionEvent::Offered { sdp: Some(sdp("offer of b")) }]);
    hang_up(&mut pair);
}

#[test]
fn a_hang_up_in_mid_offer_leaves_nothing_unanswered() {
    for (offering, ending) in [(End::A, End::A), (End::A, End::B), (End::B, End::A), (End::B, End::B)] {
        let mut pair = talking();
        pair.a.accepts = None;
        pair.b.accepts = None;
        offer(&mut pair, offering, "x");
        pair.pass(MILLIS(100));
        pair.with(ending, |session, now, ep| session.hang_up(now, ep, None, 480));
        pair.pass(SECS(1));
        for end in [End::A, End::B] {
            let last = pair.side(end).hear().pop();
            assert!(matches!(last, Some(SessionEvent::Ended { .. })), "{end:?} {last:?}");
        }
        pair.check_end();
    }
}

#[test]
fn an_offer_that_nobody_answers_ends_the_session() {
    let mut pair = talking();
    pair.fate = losing(End::A, |_| true);
    offer(&mut pair, End::A, "x");
    pair.pass(SECS(40));
    assert_eq!(pair.a.hear(), [ended(EndedBy::Remote, EndCause::DialogLost(408))]);
    assert!(pair.count("A BYE") > 0);
}

#[test]
fn an_old_number_is_refused_with_500_and_foreign_tags_with_481() {
    let mut pair = talking();
    let mut dialog = pair.a.session.as_ref().unwrap().dialog.clone();
    dialog.local_cseq = 0;
    let flow = Flow::udp(0, crate::pair::address(End::B));
    let now = pair.now;
    let old = dialog.request(Method::Options);
    pair.a.ep.request(now, flow, old);
    dialog.local_cseq = 10;
    dialog.local = dialog.local.with_tag("stranger");
    let foreign = dialog.request(Method::Options);
    pair.a.ep.request(now, flow, foreign);
    pair.with(End::A, |_, _, _| {});
    pair.pass(MILLIS(100));
    assert_eq!((pair.count("B 500"), pair.count("B 481")), (1, 1));
    assert!(pair.responses(500)[0].headers.has(HeaderName::RetryAfter));
}

#[test]
fn a_new_contact_moves_the_target() {
    let mut pair = talking();
    pair.b.session.as_mut().unwrap().local.contact = "<sip:moved@192.0.2.2:5060>".into();
    offer(&mut pair, End::B, "moved");
    pair.pass(SECS(1));
    assert_eq!(pair.a.session.as_ref().unwrap().remote_target().to_string(), "sip:moved@192.0.2.2:5060");
    hang_up(&mut pair);
    let bye = &pair.requests(&Method::Bye)[0];
    assert_eq!(bye.uri.to_string(), "sip:moved@192.0.2.2:5060");
}

#[test]
fn options_and_unknown_methods_within_the_dialog_are_answered() {
    let mut pair = talking();
    let mut dialog = pair.a.session.as_ref().unwrap().dialog.clone();
    let flow = Flow::udp(0, crate::pair::address(End::B));
    let now = pair.now;
    for method in [Method::Options, Method::Publish] {
        let request = dialog.request(method);
        pair.a.ep.request(now, flow, request);
    }
    pair.a.session.as_mut().unwrap().dialog.local_cseq = dialog.local_cseq;
    pair.with(End::A, |_, _, _| {});
    pair.pass(MILLIS(100));
    assert_eq!(pair.count("B 405"), 1);
    assert!(pair.responses(200).last().unwrap().headers.has(HeaderName::Allow));
    hang_up(&mut pair);
}

#[test]
fn info_is_answered_and_told() {
    let mut pair = talking();
    let body = Bytes::from_static(b"Signal=5\r\nDuration=160\r\n");
    let sent = body.clone();
    pair.with(End::A, |session, now, ep| session.send_info(now, ep, "application/dtmf-relay", sent));
    pair.pass(MILLIS(100));
    assert_eq!(pair.b.hear(), [SessionEvent::Info { content_type: "application/dtmf-relay".into(), body }]);
    hang_up(&mut pair);
}

#[test]
fn a_session_goes_on_after_it_was_written_down_and_read_back() {
    let mut pair = talking();
    for end in [End::A, End::B] {
        let side = pair.side(end);
        let text = serde_json::to_string(side.session.as_ref().unwrap()).unwrap();
        assert!(text.len() < 4096, "{} bytes", text.len());
        side.session = Some(serde_json::from_str(&text).unwrap());
    }
    offer(&mut pair, End::B, "hold");
    pair.pass(SECS(1));
    assert_eq!(pair.b.hear(), [SessionEvent::OfferAccepted { sdp: Some(sdp("accepts")) }]);
    hang_up(&mut pair);
}

#[test]
fn an_unanswered_invite_survives_too() {
    let mut pair = Pair::new();
    pair.call(Some(sdp("offer")));
    pair.pass(MILLIS(50));
    for end in [End::A, End::B] {
        let side = pair.side(end);
        let text = serde_json::to_string(side.session.as_ref().unwrap()).unwrap();
        side.session = Some(serde_json::from_str(&text).unwrap());
    }
    pair.with(End::B, |session, now, ep| session.answer(now, ep, sdp("answer")));
    pair.pass(SECS(1));
    assert_eq!(pair.a.hear(), [SessionEvent::Answered { sdp: Some(sdp("answer")) }]);
    hang_up(&mut pair);
}
