use super::*;

fn both(rel100: Rel100) -> Pair {
    let mut pair = Pair::new();
    pair.a.local.rel100 = rel100;
    pair.b.local.rel100 = rel100;
    pair
}

fn invited(pair: &mut Pair, offer: Option<Bytes>) {
    pair.call(offer);
    pair.pass(MILLIS(50));
}

fn hang_up(pair: &mut Pair) {
    pair.with(End::A, |session, now, ep| session.hang_up(now, ep, None, 480));
    pair.check_end();
}

#[test]
fn a_reliable_183_carries_the_answer_and_the_200_says_nothing_more() {
    let mut pair = both(Rel100::Supported);
    invited(&mut pair, Some(sdp("offer")));
    pair.with(End::B, |session, now, ep| session.ring(now, ep, 183, Some(sdp("early"))));
    pair.pass(MILLIS(100));
    assert_eq!(pair.wire(), ["A INVITE", "B 183", "A PRACK", "B 200"]);
    let prack = &pair.requests(&Method::Prack)[0];
    let rseq = pair.responses(183)[0].headers.rseq().unwrap().unwrap();
    assert_eq!(prack.headers.text(HeaderName::RAck), Some(format!("{rseq} 1 INVITE").as_str()));
    pair.with(End::B, |session, now, ep| session.answer(now, ep, sdp("early")));
    pair.pass(MILLIS(100));
    assert!(pair.responses(200).last().unwrap().body.is_empty());
    assert_eq!(pair.a.hear().last(), Some(&SessionEvent::Answered { sdp: None }));
    assert_eq!(pair.b.hear(), [SessionEvent::Acknowledged { sdp: None }]);
    hang_up(&mut pair);
}

#[test]
fn reliable_responses_go_one_at_a_time_and_the_answer_waits_for_the_prack() {
    let mut pair = both(Rel100::Supported);
    invited(&mut pair, Some(sdp("offer")));
    pair.with(End::B, |session, now, ep| {
        session.ring(now, ep, 180, None);
        session.ring(now, ep, 183, Some(sdp("early")));
        session.answer(now, ep, sdp("early"));
    });
    assert_eq!(pair.count("B 183") + pair.count("B 200"), 0, "RFC 3262 §3");
    pair.pass(MILLIS(200));
    let invite: Vec<String> = pair.wire();
    assert_eq!(
        invite,
        ["A INVITE", "B 180", "A PRACK", "B 200", "B 183", "A PRACK", "B 200", "B 200", "A ACK"]
    );
    let numbers: Vec<u32> =
        [180, 183].map(|status| pair.responses(status)[0].headers.rseq().unwrap().unwrap()).into();
    assert_eq!(numbers[0] + 1, numbers[1]);
    hang_up(&mut pair);
}

#[test]
fn a_reliable_response_is_repeated_until_its_prack_and_told_once() {
    let mut pair = both(Rel100::Supported);
    invited(&mut pair, Some(sdp("offer")));
    let mut lost = 0;
    pair.fate = losing(End::A, move |message| {
        lost += usize::from(is_request(message, &Method::Prack));
        is_request(message, &Method::Prack) && lost <= 2
    });
    pair.with(End::B, |session, now, ep| session.ring(now, ep, 183, Some(sdp("early"))));
    pair.pass(SECS(10));
    assert_eq!(pair.count("B 183"), 3, "{}", pair.story());
    assert_eq!(pair.a.hear().len(), 1);
    pair.with(End::B, |session, now, ep| session.answer(now, ep, sdp("early")));
    pair.pass(SECS(1));
    hang_up(&mut pair);
}

#[test]
fn without_a_prack_the_invite_is_refused_with_504() {
    let mut pair = both(Rel100::Supported);
    invited(&mut pair, Some(sdp("offer")));
    pair.fate = losing(End::A, |message| is_request(message, &Method::Prack));
    pair.with(End::B, |session, now, ep| session.ring(now, ep, 183, Some(sdp("early"))));
    pair.pass(SECS(40));
    assert_eq!(pair.b.hear(), [ended(EndedBy::Remote, EndCause::NoPrack)]);
    assert!(matches!(pair.a.hear().last(), Some(SessionEvent::Refused { status: 504, .. })));
    pair.check_end();
}

#[test]
fn a_delayed_offer_in_a_reliable_183_is_answered_in_the_prack() {
    let mut pair = both(Rel100::Supported);
    invited(&mut pair, None);
    pair.with(End::B, |session, now, ep| session.ring(now, ep, 183, Some(sdp("their offer"))));
    pair.pass(MILLIS(100));
    assert_eq!(pair.count("A PRACK"), 0, "it waits for the answer");
    pair.with(End::A, |session, now, ep| session.accept_offer(now, ep, sdp("our answer")));
    pair.pass(MILLIS(100));
    assert_eq!(pair.b.hear(), [SessionEvent::OfferAccepted { sdp: Some(sdp("our answer")) }]);
    pair.with(End::B, |session, now, ep| session.answer(now, ep, sdp("their offer")));
    pair.pass(MILLIS(100));
    assert_eq!(pair.a.hear().last(), Some(&SessionEvent::Answered { sdp: None }));
    assert_eq!(pair.count("A ACK"), 1);
    hang_up(&mut pair);
}

#[test]
fn a_180_without_description_is_not_reliable_when_the_offer_is_ours_to_make() {
    let mut pair = both(Rel100::Supported);
    invited(&mut pair, None);
    pair.with(End::B, |session, now, ep| session.ring(now, ep, 180, None));
    pair.pass(MILLIS(100));
    assert!(!pair.responses(180)[0].headers.has(HeaderName::RSeq));
    pair.with(End::A, |session, now, ep| session.hang_up(now, ep, None, 480));
    pair.check_end();
}

#[test]
fn update_before_the_answer_from_either_side() {
    for end in [End::A, End::B] {
        let mut pair = both(Rel100::Supported);
        invited(&mut pair, Some(sdp("offer")));
        pair.with(End::B, |session, now, ep| session.ring(now, ep, 183, Some(sdp("early"))));
        pair.pass(MILLIS(100));
        pair.a.hear();
        pair.with(end, |session, now, ep| session.offer(now, ep, sdp("moved")));
        pair.pass(MILLIS(100));
        assert_eq!(pair.requests(&Method::Update).len(), 1, "{end:?} {}", pair.story());
        assert_eq!(pair.side(end).hear(), [SessionEvent::OfferAccepted { sdp: Some(sdp("accepts")) }]);
        let other = if end == End::A { End::B } else { End::A };
        assert_eq!(pair.side(other).hear(), [SessionEvent::Offered { sdp: Some(sdp("moved")) }]);
        pair.with(End::B, |session, now, ep| session.answer(now, ep, sdp("early")));
        pair.pass(MILLIS(100));
        hang_up(&mut pair);
    }
}

#[test]
fn an_early_offer_without_update_waits_for_the_answer() {
    let mut pair = both(Rel100::Off);
    invited(&mut pair, Some(sdp("offer")));
    pair.with(End::B, |session, now, ep| {
        session.ring(now, ep, 183, Some(sdp("early")));
        session.offer(now, ep, sdp("moved"));
    });
    pair.pass(SECS(1));
    assert_eq!(pair.requests(&Method::Update).len(), 0);
    pair.with(End::B, |session, now, ep| session.answer(now, ep, sdp("early")));
    pair.pass(SECS(1));
    assert_eq!(pair.b.hear().last(), Some(&SessionEvent::OfferAccepted { sdp: Some(sdp("accepts")) }));
    hang_up(&mut pair);
}

#[test]
fn required_by_one_and_off_at_the_other_is_refused() {
    let mut pair = Pair::new();
    pair.a.local.rel100 = Rel100::Required;
    invited(&mut pair, Some(sdp("offer")));
    assert_eq!(pair.b.rejected, Some(420));
    assert_eq!(pair.responses(420)[0].headers.text(HeaderName::Unsupported), Some("100rel"));
    pair.check_end();
    let mut pair = Pair::new();
    pair.b.local.rel100 = Rel100::Required;
    invited(&mut pair, Some(sdp("offer")));
    assert_eq!(pair.b.rejected, Some(421));
    assert_eq!(pair.responses(421)[0].headers.text(HeaderName::Require), Some("100rel"));
    pair.check_end();
}

#[test]
fn a_prack_of_nothing_is_refused_with_481() {
    let mut pair = both(Rel100::Supported);
    invited(&mut pair, Some(sdp("offer")));
    pair.with(End::B, |session, now, ep| session.ring(now, ep, 183, Some(sdp("early"))));
    pair.pass(MILLIS(100));
    pair.with(End::B, |session, now, ep| session.answer(now, ep, sdp("early")));
    pair.pass(MILLIS(100));
    let session = pair.a.session.as_mut().unwrap();
    let mut request = session.dialog.request(Method::Prack);
    request.headers.push(HeaderName::RAck, "1 1 INVITE");
    let (now, flow) = (pair.now, Flow::udp(0, crate::pair::address(End::B)));
    pair.a.ep.request(now, flow, request);
    pair.with(End::A, |_, _, _| {});
    pair.pass(MILLIS(100));
    assert_eq!(pair.count("B 481"), 1);
    hang_up(&mut pair);
}

#[test]
fn a_cancel_between_reliable_response_and_prack_ends_cleanly() {
    let mut pair = both(Rel100::Supported);
    invited(&mut pair, Some(sdp("offer")));
    pair.fate = losing(End::A, |message| is_request(message, &Method::Prack));
    pair.with(End::B, |session, now, ep| session.ring(now, ep, 183, Some(sdp("early"))));
    pair.pass(MILLIS(100));
    pair.with(End::A, |session, now, ep| session.hang_up(now, ep, None, 480));
    pair.pass(SECS(1));
    assert_eq!(pair.b.hear(), [SessionEvent::Cancelled { reason: None }]);
    pair.check_end();
}
