use super::*;

fn ringing() -> Pair {
    let mut pair = Pair::new();
    pair.call(Some(sdp("offer")));
    pair.pass(MILLIS(50));
    pair.with(End::B, |session, now, ep| session.ring(now, ep, 180, None));
    pair.pass(MILLIS(50));
    pair.a.hear();
    pair
}

fn hang_up(pair: &mut Pair, end: End) {
    pair.with(end, |session, now, ep| session.hang_up(now, ep, None, 480));
}

#[test]
fn the_caller_hangs_up_while_it_rings() {
    let mut pair = ringing();
    pair.with(End::A, |session, now, ep| session.hang_up(now, ep, Some("SIP;cause=200"), 480));
    assert_eq!(pair.a.hear(), [ended(EndedBy::Local, EndCause::Cancelled)], "at once");
    pair.pass(SECS(1));
    assert_eq!(pair.b.hear(), [SessionEvent::Cancelled { reason: Some("SIP;cause=200".into()) }]);
    assert_eq!(pair.wire()[2..], ["A CANCEL", "B 200", "B 487", "A ACK"]);
    assert_eq!(pair.a.hear(), []);
    pair.check_end();
}

#[test]
fn the_caller_hangs_up_before_any_response() {
    let mut pair = Pair::new();
    pair.call(Some(sdp("offer")));
    hang_up(&mut pair, End::A);
    assert_eq!(pair.a.hear(), [ended(EndedBy::Local, EndCause::Cancelled)]);
    pair.pass(SECS(1));
    // B's 100 after 200 ms lets the CANCEL go.
    assert_eq!(pair.wire(), ["A INVITE", "B 100", "A CANCEL", "B 200", "B 487", "A ACK"]);
    assert_eq!(pair.b.hear(), [SessionEvent::Cancelled { reason: None }]);
    pair.check_end();
}

#[test]
fn the_caller_hangs_up_and_nobody_was_there() {
    let mut pair = Pair::new();
    pair.fate = losing(End::A, |_| true);
    pair.call(Some(sdp("offer")));
    hang_up(&mut pair, End::A);
    pair.pass(SECS(40));
    assert_eq!(pair.a.hear(), [ended(EndedBy::Local, EndCause::Cancelled)], "one last event");
    assert_eq!(pair.count("A CANCEL"), 0);
    pair.check_end();
}

#[test]
fn the_callee_refuses_by_hanging_up() {
    let mut pair = ringing();
    pair.with(End::B, |session, now, ep| session.hang_up(now, ep, Some("Q.850;cause=19"), 480));
    pair.pass(SECS(1));
    assert_eq!(pair.b.hear(), [ended(EndedBy::Local, EndCause::Refused(480))]);
    assert!(matches!(pair.a.hear()[..], [SessionEvent::Refused { status: 480, q850: Some(19), .. }]));
    pair.check_end();
}

#[test]
fn an_answer_that_crosses_the_cancel_gets_ack_and_bye() {
    let mut pair = ringing();
    hang_up(&mut pair, End::A);
    pair.with(End::B, |session, now, ep| session.answer(now, ep, sdp("answer")));
    pair.pass(SECS(1));
    assert_eq!(pair.a.hear(), [ended(EndedBy::Local, EndCause::Cancelled)]);
    assert_eq!(pair.b.hear(), [SessionEvent::Acknowledged { sdp: None }, ended(EndedBy::Remote, bye())]);
    assert_eq!(pair.count("A BYE"), 1);
    assert_eq!(pair.count("B 487"), 0);
    pair.check_end();
}

#[test]
fn the_callee_hangs_up_before_the_ack_and_waits_for_it() {
    let mut pair = ringing();
    let mut lost = 0;
    pair.fate = losing(End::A, move |message| {
        lost += usize::from(is_request(message, &Method::Ack));
        is_request(message, &Method::Ack) && lost <= 2
    });
    pair.with(End::B, |session, now, ep| session.answer(now, ep, sdp("answer")));
    pair.pass(MILLIS(100));
    hang_up(&mut pair, End::B);
    assert_eq!(pair.b.hear(), [ended(EndedBy::Local, bye())]);
    assert_eq!(pair.count("B BYE"), 0, "RFC 3261 §15: not before the ACK");
    pair.pass(SECS(5));
    assert_eq!(pair.count("B BYE"), 1);
    assert_eq!(pair.a.hear().last(), Some(&ended(EndedBy::Remote, bye())));
    assert_eq!(pair.b.hear(), []);
    pair.check_end();
}

#[test]
fn an_answer_that_is_never_acknowledged_is_repeated_and_ends_by_bye() {
    let mut pair = ringing();
    pair.fate = losing(End::A, |message| is_request(message, &Method::Ack));
    pair.with(End::B, |session, now, ep| session.answer(now, ep, sdp("answer")));
    let answered = pair.now;
    pair.pass(SECS(40));
    let times: Vec<u128> = pair
        .trace
        .iter()
        .filter(|entry| {
            entry.bytes.starts_with(b"SIP/2.0 200") && entry.bytes.windows(8).any(|w| w == b"1 INVITE")
        })
        .map(|entry| (entry.at - answered).as_millis())
        .collect();
    // RFC 3261 §13.3.1.4: T1, doubling to T2, for 64 × T1.
    assert_eq!(times, [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
    assert_eq!(pair.b.hear(), [ended(EndedBy::Remote, EndCause::NoAck)]);
    assert_eq!(pair.count("B BYE"), 1);
    assert!(pair.count("A ACK") > 5, "each retransmission of the 200 is acknowledged again");
    pair.check_end();
}

#[test]
fn a_lost_ack_is_sent_again_when_the_200_comes_again() {
    let mut pair = ringing();
    let mut first = true;
    pair.fate =
        losing(End::A, move |message| is_request(message, &Method::Ack) && std::mem::take(&mut first));
    pair.with(End::B, |session, now, ep| session.answer(now, ep, sdp("answer")));
    pair.pass(SECS(10));
    assert_eq!(pair.b.hear(), [SessionEvent::Acknowledged { sdp: None }]);
    assert_eq!((pair.count("B 200"), pair.count("A ACK")), (2, 2));
    hang_up(&mut pair, End::A);
    pair.check_end();
}

#[test]
fn byes_that_cross_end_both_sides_once() {
    let mut pair = talking();
    hang_up(&mut pair, End::A);
    hang_up(&mut pair, End::B);
    pair.pass(SECS(1));
    assert_eq!(pair.a.hear(), [ended(EndedBy::Local, bye())]);
    assert_eq!(pair.b.hear(), [ended(EndedBy::Local, bye())]);
    pair.check_end();
}

#[test]
fn a_bye_that_nobody_answers_ends_all_the_same() {
    let mut pair = talking();
    pair.fate = losing(End::A, |_| true);
    hang_up(&mut pair, End::A);
    pair.pass(SECS(31));
    assert!(!pair.a.session.as_ref().unwrap().is_over());
    pair.pass(SECS(2));
    assert!(pair.a.session.as_ref().unwrap().is_over());
    assert_eq!(pair.a.hear(), [ended(EndedBy::Local, bye())]);
}

#[test]
fn the_caller_may_end_an_early_dialog_by_bye() {
    let mut pair = ringing();
    // What a caller may do, and we do not: built by hand from the early dialog.
    let (now, b) = (pair.now, pair.b.session.as_ref().unwrap());
    let mut dialog = b.dialog.clone();
    std::mem::swap(&mut dialog.local, &mut dialog.remote);
    dialog.target = "sip:b@192.0.2.2:5060".parse().unwrap();
    dialog.local_cseq = 1;
    let request = dialog.request(Method::Bye);
    let flow = Flow::udp(0, crate::pair::address(End::B));
    pair.a.ep.request(now, flow, request);
    pair.with(End::A, |_, _, _| {});
    pair.pass(SECS(1));
    assert_eq!(pair.b.hear(), [SessionEvent::Cancelled { reason: None }]);
    assert!(matches!(pair.a.hear()[..], [SessionEvent::Refused { status: 487, .. }]));
    pair.check_end();
}

#[test]
fn a_peer_that_forgot_the_dialog_ends_it() {
    let mut pair = talking();
    pair.b.session = None;
    pair.with(End::A, |session, now, ep| {
        session.send_info(now, ep, "application/dtmf-relay", Bytes::from_static(b"Signal=1"));
    });
    pair.pass(SECS(1));
    assert_eq!(pair.a.hear(), [ended(EndedBy::Remote, EndCause::DialogLost(481))]);
    assert_eq!(pair.count("A BYE"), 0);
    pair.check_end();
}

#[test]
fn nothing_can_be_done_to_a_session_that_is_over() {
    let mut pair = talking();
    hang_up(&mut pair, End::A);
    pair.pass(SECS(40));
    let before = pair.trace.len();
    for end in [End::A, End::B] {
        pair.with(end, |session, now, ep| {
            session.ring(now, ep, 180, None);
            session.answer(now, ep, sdp("x"));
            session.refuse(now, ep, 486, &[]);
            session.offer(now, ep, sdp("x"));
            session.request_offer(now, ep);
            session.accept_offer(now, ep, sdp("x"));
            session.refuse_offer(now, ep, 488);
            session.send_info(now, ep, "text/plain", Bytes::from_static(b"x"));
            session.refer(now, ep, "<sip:x@y>", &[]);
            session.hang_up(now, ep, None, 480);
        });
        pair.side(end).hear();
    }
    assert_eq!(pair.trace.len(), before);
    pair.check_end();
}
