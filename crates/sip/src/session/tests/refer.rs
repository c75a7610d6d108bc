use super::*;

#[test]
fn a_refer_is_accepted_reported_and_ended() {
    let mut pair = talking();
    pair.with(End::A, |session, now, ep| {
        let target = "<sip:9002@192.0.2.9?Replaces=abc%40x%3Bto-tag%3D1%3Bfrom-tag%3D2>";
        session.refer(now, ep, target, &[("Referred-By", "<sip:a@192.0.2.1>")]);
    });
    pair.pass(MILLIS(100));
    let told = pair.b.hear();
    let [SessionEvent::Transferred { tx, refer_to, replaces, referred_by }] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(refer_to, "sip:9002@192.0.2.9");
    assert_eq!(replaces.as_deref(), Some("abc@x;to-tag=1;from-tag=2"));
    assert_eq!(referred_by.as_deref(), Some("<sip:a@192.0.2.1>"));
    pair.with(End::B, |session, now, ep| session.accept_refer(now, ep, *tx));
    pair.pass(MILLIS(100));
    pair.with(End::B, |session, now, ep| {
        session.notify_refer(now, ep, 180);
        session.notify_refer(now, ep, 200);
        session.notify_refer(now, ep, 200);
    });
    pair.pass(MILLIS(100));
    let progress = |status| SessionEvent::ReferProgress { status };
    assert_eq!(pair.a.hear(), [progress(100), progress(180), progress(200)]);
    assert_eq!(pair.requests(&Method::Notify).len(), 3, "the final report ends the reports");
    pair.with(End::B, |session, now, ep| session.hang_up(now, ep, None, 480));
    pair.check_end();
}

#[test]
fn a_refused_refer_changes_nothing() {
    let mut pair = talking();
    pair.with(End::A, |session, now, ep| session.refer(now, ep, "<sip:9002@192.0.2.9>", &[]));
    pair.pass(MILLIS(100));
    let told = pair.b.hear();
    let [SessionEvent::Transferred { tx, .. }] = &told[..] else { panic!("{told:?}") };
    pair.with(End::B, |session, now, ep| session.refuse_request(now, ep, *tx, 603));
    pair.pass(MILLIS(100));
    assert_eq!(pair.a.hear(), [SessionEvent::ReferProgress { status: 603 }]);
    pair.with(End::A, |session, now, ep| session.hang_up(now, ep, None, 480));
    pair.check_end();
}

#[test]
fn a_refer_that_is_never_decided_is_answered_when_the_session_ends() {
    let mut pair = talking();
    pair.with(End::A, |session, now, ep| session.refer(now, ep, "<sip:9002@192.0.2.9>", &[]));
    pair.pass(MILLIS(100));
    pair.with(End::B, |session, now, ep| session.hang_up(now, ep, None, 480));
    pair.check_end();
}

#[test]
fn a_notify_that_nobody_asked_for_is_refused_with_481() {
    let mut pair = talking();
    let session = pair.a.session.as_mut().unwrap();
    let mut request = session.dialog.request(Method::Notify);
    request.headers.push(HeaderName::Contact, "<sip:a@192.0.2.1>");
    request.headers.push(HeaderName::Event, "refer");
    request.headers.push(HeaderName::SubscriptionState, "active");
    let (now, flow) = (pair.now, Flow::udp(0, crate::pair::address(End::B)));
    pair.a.ep.request(now, flow, request);
    pair.with(End::A, |_, _, _| {});
    pair.pass(MILLIS(100));
    assert_eq!(pair.count("B 481"), 1);
    pair.with(End::A, |session, now, ep| session.hang_up(now, ep, None, 480));
    pair.check_end();
}
