use super::*;

/// A caller whose INVITE has come out at `pair.trace[0]`, and B's copies of it made by hand.
fn invited() -> (Pair, Request) {
    let mut pair = Pair::new();
    pair.fate = losing(End::A, |message| is_request(message, &Method::Invite));
    pair.call(Some(sdp("offer")));
    let invite = pair.requests(&Method::Invite).remove(0);
    (pair, invite)
}

fn reply(pair: &mut Pair, invite: &Request, status: u16, tag: &str, body: Option<Bytes>) {
    let mut response = Response::to(invite, status);
    response.set_to_tag(tag).unwrap();
    response.headers.push(HeaderName::Contact, format!("<sip:{tag}@192.0.2.2:5060>"));
    if let Some(body) = body {
        response.set_body("application/sdp", body);
    }
    let (now, flow) = (pair.now, Flow::udp(0, crate::pair::address(End::B)));
    pair.a.ep.receive(now, flow, response.to_bytes());
    pair.with(End::A, |_, _, _| {});
}

#[test]
fn forks_ring_apart_and_the_first_answer_wins() {
    let (mut pair, invite) = invited();
    reply(&mut pair, &invite, 180, "one", None);
    reply(&mut pair, &invite, 183, "two", Some(sdp("two")));
    reply(&mut pair, &invite, 200, "two", Some(sdp("two")));
    assert_eq!(
        pair.a.hear(),
        [
            SessionEvent::Progress { status: 180, sdp: None, fork: "one".into() },
            SessionEvent::Progress { status: 183, sdp: Some(sdp("two")), fork: "two".into() },
            SessionEvent::Answered { sdp: Some(sdp("two")) },
        ]
    );
    let session = pair.a.session.as_ref().unwrap();
    assert_eq!(session.remote_tag(), Some("two"));
    assert_eq!(session.remote_target().to_string(), "sip:two@192.0.2.2:5060");
    let ack = &pair.requests(&Method::Ack)[0];
    assert_eq!(ack.uri.to_string(), "sip:two@192.0.2.2:5060");
}

#[test]
fn another_fork_that_answers_too_gets_ack_and_bye_and_the_call_goes_on() {
    let (mut pair, invite) = invited();
    reply(&mut pair, &invite, 200, "one", Some(sdp("one")));
    pair.a.hear();
    reply(&mut pair, &invite, 200, "two", Some(sdp("two")));
    assert_eq!(pair.a.hear(), []);
    let acks = pair.requests(&Method::Ack);
    let byes = pair.requests(&Method::Bye);
    let tags = |list: &[Request]| -> Vec<String> {
        list.iter().map(|request| request.to_tag().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!((tags(&acks), tags(&byes)), (vec!["one".into(), "two".into()], vec!["two".to_owned()]));
    assert_eq!(byes[0].headers.text(HeaderName::CSeq), Some("2 BYE"));
    assert!(pair.a.session.as_ref().unwrap().is_established());
}

#[test]
fn an_answer_after_the_session_is_gone_gets_ack_and_bye() {
    let (mut pair, invite) = invited();
    reply(&mut pair, &invite, 180, "one", None);
    pair.a.session = None;
    reply_without_session(&mut pair, &invite);
    assert_eq!(pair.requests(&Method::Ack).len(), 1);
    assert_eq!(pair.requests(&Method::Bye)[0].uri.to_string(), "sip:one@192.0.2.2:5060");
}

fn reply_without_session(pair: &mut Pair, invite: &Request) {
    let mut response = Response::to(invite, 200);
    response.set_to_tag("one").unwrap();
    response.headers.push(HeaderName::Contact, "<sip:one@192.0.2.2:5060>");
    let (now, flow) = (pair.now, Flow::udp(0, crate::pair::address(End::B)));
    pair.a.ep.receive(now, flow, response.to_bytes());
    pair.settle_all();
}

#[test]
fn the_route_of_the_answer_is_used_in_reverse_and_a_strict_router_takes_the_request_uri() {
    let (mut pair, invite) = invited();
    let mut response = Response::to(&invite, 200);
    response.set_to_tag("one").unwrap();
    response.headers.push(HeaderName::RecordRoute, "<sip:p2@192.0.2.2;lr>, <sip:p1@192.0.2.2>");
    response.headers.push(HeaderName::Contact, "<sip:one@10.0.0.1>");
    response.set_body("application/sdp", sdp("one"));
    let (now, flow) = (pair.now, Flow::udp(0, crate::pair::address(End::B)));
    pair.a.ep.receive(now, flow, response.to_bytes());
    pair.with(End::A, |_, _, _| {});
    let ack = &pair.requests(&Method::Ack)[0];
    // RFC 3261 §12.2.1.1: p1 knows no loose routing.
    assert_eq!(ack.uri.to_string(), "sip:p1@192.0.2.2");
    let routes: Vec<&[u8]> = ack.headers.elements(HeaderName::Route).collect();
    assert_eq!(routes, [&b"<sip:p2@192.0.2.2;lr>"[..], b"<sip:one@10.0.0.1>"]);
}
