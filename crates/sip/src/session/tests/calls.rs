use super::*;
use crate::auth::Offer;
use clock::WallTime;

#[test]
fn a_call_rings_is_answered_and_ended_by_the_caller() {
    let mut pair = Pair::new();
    pair.call(Some(sdp("offer")));
    pair.pass(MILLIS(50));
    assert_eq!(pair.b.session.as_ref().unwrap().offered(), Some(sdp("offer")));
    pair.with(End::B, |session, now, ep| session.ring(now, ep, 180, None));
    pair.pass(SECS(3));
    pair.with(End::B, |session, now, ep| session.answer(now, ep, sdp("answer")));
    pair.pass(SECS(1));
    let tag = pair.b.session.as_ref().unwrap().dialog_key().local_tag;
    assert_eq!(
        pair.a.hear(),
        [
            SessionEvent::Progress { status: 180, sdp: None, fork: tag.into() },
            SessionEvent::Answered { sdp: Some(sdp("answer")) }
        ]
    );
    assert_eq!(pair.b.hear(), [SessionEvent::Acknowledged { sdp: None }]);
    pair.with(End::A, |session, now, ep| session.hang_up(now, ep, Some("Q.850;cause=16"), 487));
    pair.pass(SECS(1));
    let reason = Some("Q.850;cause=16".to_owned());
    assert_eq!(pair.a.hear(), [ended(EndedBy::Local, EndCause::Bye { reason: reason.clone() })]);
    assert_eq!(pair.b.hear(), [ended(EndedBy::Remote, EndCause::Bye { reason })]);
    assert_eq!(
        pair.wire(),
        ["A INVITE", "B 180", "B 200", "A ACK", "A BYE", "B 200"],
        "no packet more than needed"
    );
    pair.check_end();
}

#[test]
fn the_display_name_survives_in_every_request_of_the_dialog() {
    let mut pair = talking();
    pair.with(End::B, |session, now, ep| session.hang_up(now, ep, None, 487));
    pair.pass(SECS(1));
    let request = &pair.requests(&Method::Bye)[0];
    assert_eq!(request.headers.to().unwrap().display().as_deref(), Some("客户"));
    assert_eq!(pair.a.hear(), [ended(EndedBy::Remote, bye())]);
    pair.check_end();
}

#[test]
fn a_silent_callee_sends_100_and_a_provisional_response_each_minute() {
    let mut pair = Pair::new();
    pair.call(Some(sdp("offer")));
    pair.pass(SECS(1));
    assert_eq!(pair.count("B 100"), 1);
    pair.with(End::B, |session, now, ep| session.ring(now, ep, 183, Some(sdp("early"))));
    pair.pass(SECS(130));
    assert_eq!(pair.count("B 183"), 3);
    pair.with(End::B, |session, now, ep| session.answer(now, ep, sdp("early")));
    pair.pass(SECS(1));
    pair.with(End::A, |session, now, ep| session.hang_up(now, ep, None, 487));
    pair.check_end();
}

#[test]
fn a_refusal_reaches_the_caller_with_all_it_says() {
    let mut pair = Pair::new();
    pair.call(Some(sdp("offer")));
    pair.pass(MILLIS(50));
    pair.with(End::B, |session, now, ep| {
        let headers = [(HeaderName::RetryAfter, "30"), (HeaderName::Reason, "Q.850;cause=34;text=\"满\"")];
        session.refuse(now, ep, 503, &headers);
    });
    pair.pass(SECS(1));
    assert_eq!(
        pair.a.hear(),
        [SessionEvent::Refused {
            status: 503,
            reason: "满".to_owned(),
            retry_after: Some(SECS(30)),
            contact: vec![],
            q850: Some(34)
        }]
    );
    assert_eq!(pair.b.hear(), [ended(EndedBy::Local, EndCause::Refused(503))]);
    pair.check_end();
}

#[test]
fn a_redirection_names_its_targets_best_first() {
    let mut pair = Pair::new();
    pair.call(Some(sdp("offer")));
    pair.pass(MILLIS(50));
    pair.with(End::B, |session, now, ep| {
        session.refuse(now, ep, 302, &[(HeaderName::Contact, "<sip:x@192.0.2.9>;q=0.1, <sip:y@192.0.2.9>")]);
    });
    pair.pass(SECS(1));
    match &pair.a.hear()[..] {
        [SessionEvent::Refused { status: 302, contact, .. }] => {
            assert_eq!(contact, &["sip:y@192.0.2.9", "sip:x@192.0.2.9"]);
        }
        other => panic!("{other:?}"),
    }
    pair.check_end();
}

#[test]
fn nobody_there_is_a_408() {
    let mut pair = Pair::new();
    pair.fate = losing(End::A, |_| true);
    pair.call(Some(sdp("offer")));
    pair.pass(SECS(33));
    assert!(matches!(pair.a.hear()[..], [SessionEvent::Refused { status: 408, .. }]));
    pair.check_end();
}

#[test]
fn a_failed_transport_is_a_503() {
    let mut pair = Pair::new();
    pair.fate = losing(End::A, |_| true);
    pair.call(Some(sdp("offer")));
    let (now, flow) = (pair.now, pair.a.session.as_ref().unwrap().flow());
    pair.a.ep.transport_failed(now, flow);
    pair.settle_all();
    assert!(matches!(pair.a.hear()[..], [SessionEvent::Refused { status: 503, .. }]));
}

#[test]
fn a_delayed_offer_is_made_in_the_200_and_answered_in_the_ack() {
    let mut pair = Pair::new();
    pair.call(None);
    pair.pass(MILLIS(50));
    assert_eq!(pair.b.session.as_ref().unwrap().offered(), None);
    pair.with(End::B, |session, now, ep| session.answer(now, ep, sdp("their offer")));
    pair.pass(MILLIS(700));
    assert_eq!(pair.a.hear(), [SessionEvent::Answered { sdp: Some(sdp("their offer")) }]);
    assert_eq!(pair.count("A ACK"), 0, "the ACK waits for the answer");
    assert_eq!(pair.count("B 200"), 2, "the 200 is repeated meanwhile");
    pair.with(End::A, |session, now, ep| session.accept_offer(now, ep, sdp("our answer")));
    pair.pass(SECS(5));
    assert_eq!(pair.b.hear(), [SessionEvent::Acknowledged { sdp: Some(sdp("our answer")) }]);
    pair.with(End::B, |session, now, ep| session.hang_up(now, ep, None, 487));
    pair.check_end();
}

#[test]
fn a_delayed_offer_that_does_not_please_gets_ack_and_bye() {
    let mut pair = Pair::new();
    pair.call(None);
    pair.pass(MILLIS(50));
    pair.with(End::B, |session, now, ep| session.answer(now, ep, sdp("their offer")));
    pair.pass(MILLIS(100));
    pair.a.hear();
    pair.with(End::A, |session, now, ep| session.refuse_offer(now, ep, 488));
    pair.pass(SECS(1));
    assert_eq!(pair.a.hear(), [ended(EndedBy::Local, bye())]);
    assert!(matches!(pair.b.hear()[..], [SessionEvent::Acknowledged { .. }, SessionEvent::Ended { .. }]));
    pair.check_end();
}

fn challenged(answers: &str) -> Pair {
    let mut pair = Pair::new();
    let mut challenger = crate::auth::Challenger::new("carrier", [1; 32], SECS(300));
    let options =
        Request::new(Method::Options, "sip:x".parse().unwrap_or_else(|_| "sip:x@y".parse().unwrap()));
    let mut challenge = Response::to(&options, 401);
    challenger.challenge(
        WallTime(0),
        crate::auth::Side::Server,
        Offer::Md5,
        crate::headers::Stale::No,
        &mut challenge,
    );
    pair.b.challenges = Some(challenge);
    let login = Login { user: "u".into(), password: "p".into(), realm: Some(answers.into()) };
    pair.call_with(Some(sdp("offer")), Some(login));
    pair.pass(MILLIS(100));
    pair
}

#[test]
fn a_challenge_is_answered_once_with_the_next_number() {
    let mut pair = challenged("carrier");
    let invites = pair.requests(&Method::Invite);
    assert_eq!(invites.len(), 2);
    assert_eq!(invites[1].headers.text(HeaderName::CSeq), Some("2 INVITE"));
    assert!(invites[1].headers.text(HeaderName::Authorization).unwrap().contains("username=\"u\""));
    assert_eq!(
        invites[0].headers.from().unwrap().tag(),
        invites[1].headers.from().unwrap().tag(),
        "RFC 3261 §22.2: same From tag and Call-ID"
    );
    pair.with(End::B, |session, now, ep| session.answer(now, ep, sdp("answer")));
    pair.pass(SECS(1));
    assert_eq!(pair.a.hear(), [SessionEvent::Answered { sdp: Some(sdp("answer")) }]);
    let acks = pair.requests(&Method::Ack);
    assert!(acks.last().unwrap().headers.has(HeaderName::Authorization), "RFC 3261 §22.1");
    assert!(acks.last().unwrap().headers.text(HeaderName::CSeq) == Some("2 ACK"));
    pair.with(End::A, |session, now, ep| session.hang_up(now, ep, None, 487));
    pair.check_end();
}

#[test]
fn a_challenge_of_another_realm_is_a_refusal() {
    let mut pair = challenged("somebody else");
    assert_eq!(pair.requests(&Method::Invite).len(), 1);
    assert!(matches!(pair.a.hear()[..], [SessionEvent::Refused { status: 401, .. }]));
    pair.check_end();
}

#[test]
fn an_invite_without_contact_is_no_session() {
    let mut pair = Pair::new();
    pair.a.local.contact = String::new();
    let text = "INVITE sip:b@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
        Max-Forwards: 70\r\nFrom: <sip:a@192.0.2.1>;tag=1\r\nTo: <sip:b@192.0.2.2>\r\nCall-ID: 1\r\n\
        CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
    let Ok(Message::Request(request)) = Message::parse_datagram(Bytes::from(text)) else {
        panic!("an INVITE")
    };
    let flow = Flow::udp(0, "192.0.2.1:5060".parse().unwrap());
    let tx = serde::de::value::U64Deserializer::<serde::de::value::Error>::new(1);
    let tx = <ServerTx as serde::Deserialize>::deserialize(tx).unwrap();
    let rejection = Session::incoming(pair.now, tx, flow, &request, pair.b.local, "t".into());
    assert_eq!(rejection.unwrap_err().status, 400);
}
