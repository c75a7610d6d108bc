//! Trunks: one after the other, left alone, down and up, registered, challenged on both sides.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use model::event::{CallFact, Event, TrunkFact};
use model::outcome::CallResult;
use peers::{Behaviour, PeerConfig};
use sdp::Codec;
use sim::{PeerId, Weather, World};
use sip::auth::Login;
use sip::{HeaderName, Message, Method, Request, Response};

use crate::stage::{Stage, edited, folder, millis, only, seconds};

pub(crate) const A: &str = "203.0.113.101:5060";
pub(crate) const B: &str = "203.0.113.102:5060";

/// The office with a group of two trunks, each file's text as given, and a bound phone behind the group.
fn office(a: &str, b: &str) -> Stage {
    let group = "[[trunk_group]]\nname = \"out\"\nmember = [{ trunk = \"a\", order = 1 }, { trunk = \"b\", order = 2 }]\n[codes]";
    let (path, hotline) = edited("hotline.toml", "[codes]", group);
    let trunk = |more: &str, to: &str| {
        format!("interface = \"carrier\"\nto = \"{to}\"\ncaller = \"01065551234\"\n{more}")
    };
    let (a, b) = (trunk(a, A), trunk(b, B));
    let flow = "start = \"dial\"\nnode.dial = { kind = \"dial\", phones = [{ trunk = \"out\", number = \"13900139000\", \
                ring_seconds = 30 }] }\n";
    let files =
        [(path, &*hotline), ("trunks/a.toml", &*a), ("trunks/b.toml", &*b), ("flows/bound.toml", flow)];
    Stage::of(&folder(&files), 1, Weather::FAIR)
}

const SILENT_HEART: &str = "heartbeat_seconds = 0\n";

/// A carrier that speaks for itself.
pub(crate) fn carrier(stage: &mut Stage, at: &str, behaviour: Behaviour) -> PeerId {
    let sip: SocketAddr = at.parse().expect("an address");
    stage.world.add_peer(PeerConfig {
        user: "13900139000".to_owned(),
        domain: sip.ip().to_string(),
        display: None,
        sip,
        rtp: SocketAddr::new(sip.ip(), 40_000),
        codecs: vec![Codec::Pcma],
        login: None,
        behaviour,
        seed: u64::from(sip.port()) + 7_000 + u64::from(at.as_bytes()[12]),
    })
}

/// A carrier whose answers are written by hand.
pub(crate) struct Hand {
    at: SocketAddr,
    asked: Vec<Request>,
}

impl Hand {
    pub(crate) fn new(at: &str) -> Hand {
        Hand { at: at.parse().expect("an address"), asked: Vec::new() }
    }

    /// Lets time pass and answers what comes, but ACKs.
    pub(crate) fn serve(
        &mut self,
        stage: &mut Stage,
        length: Duration,
        mut answer: impl FnMut(&Request) -> Option<Response>,
    ) {
        let switch = stage.world.switch(0);
        for _ in 0..length.as_millis() / 20 {
            stage.run(millis(20));
            for bytes in stage.world.inbox(self.at) {
                let Ok(Message::Request(request)) = Message::parse_datagram(bytes) else { continue };
                if request.method != Method::Ack
                    && let Some(response) = answer(&request)
                {
                    let text = String::from_utf8(response.to_bytes().to_vec()).expect("ASCII");
                    stage.world.send_by_hand(self.at, switch, &text);
                }
                self.asked.push(request);
            }
        }
    }

    fn asked(&self, method: &Method) -> Vec<&Request> {
        self.asked.iter().filter(|request| request.method == *method).collect()
    }
}

pub(crate) fn reply(request: &Request, status: u16, headers: &[(&str, &str)]) -> Response {
    let mut response = Response::to(request, status);
    response.set_to_tag("carrier").expect("To");
    for (name, value) in headers {
        response.headers.push(*name, value);
    }
    response
}

pub(crate) fn answered(request: &Request) -> Response {
    let mut response = reply(request, 200, &[("Contact", "<sip:sbc@203.0.113.101:5060>")]);
    response.set_body("application/sdp", Bytes::from(SDP));
    response
}

pub(crate) const SDP: &str = "v=0\r\no=- 1 1 IN IP4 203.0.113.101\r\ns=-\r\nc=IN IP4 203.0.113.101\r\nt=0 0\r\n\
                   m=audio 40000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n";

pub(crate) fn bridged(world: &World) -> bool {
    world.has(|fact| matches!(fact, CallFact::Bridged { .. }))
}

/// The trunks that were tried, in order.
pub(crate) fn tried(world: &World) -> Vec<String> {
    let tried = |(_, fact): (model::CallId, &CallFact)| match fact {
        CallFact::WayTried { trunk, .. } => Some(trunk.to_string()),
        _ => None,
    };
    world.call_facts().filter_map(tried).collect()
}

fn trunk_facts(world: &World) -> Vec<(String, TrunkFact)> {
    let fact = |stamped: &model::event::Stamped| match &stamped.event {
        Event::Trunk { trunk, fact } => Some((trunk.to_string(), fact.clone())),
        _ => None,
    };
    world.facts().iter().filter_map(fact).collect()
}

#[test]
fn a_trunk_that_fails_is_followed_by_the_next_and_the_record_says_so() {
    for status in [500, 503, 408, 580] {
        let mut stage = office(SILENT_HEART, SILENT_HEART);
        carrier(&mut stage, A, Behaviour::Refuse(status));
        carrier(&mut stage, B, Behaviour::AnswerAfter(seconds(1)));
        let caller = stage.call("4008002222");
        stage.until(seconds(10), bridged);
        stage.hang_up(caller);
        let finished = stage.finish();
        let cdr = only(&finished);
        assert_eq!(cdr.ending.result, CallResult::Answered);
        let ways: Vec<_> = cdr.segments[0]
            .ways
            .iter()
            .map(|way| (way.trunk.to_string(), way.status, way.failed.is_some()))
            .collect();
        assert_eq!(ways, [("a".to_owned(), Some(status), true), ("b".to_owned(), None, false)]);
    }
}

#[test]
fn what_the_called_party_says_is_no_reason_for_another_trunk() {
    for status in [486, 404, 403, 480, 600, 603] {
        let mut stage = office(SILENT_HEART, SILENT_HEART);
        carrier(&mut stage, A, Behaviour::Refuse(status));
        carrier(&mut stage, B, Behaviour::AnswerAfter(seconds(1)));
        stage.call("4008002222");
        stage.run(seconds(10));
        assert_eq!(tried(&stage.world), ["a"], "{status}");
        let finished = stage.finish();
        let refused = finished.history.facts.iter().any(|stamped| {
            matches!(&stamped.event, Event::Call { fact: CallFact::OfferRefused { status: Some(s), .. }, .. } if *s == status)
        });
        assert!(refused, "{status}");
    }
}

#[test]
fn a_trunk_without_a_word_is_left_after_its_time() {
    let mut stage = office("heartbeat_seconds = 0\nno_response_seconds = 4\n", SILENT_HEART);
    carrier(&mut stage, B, Behaviour::AnswerAfter(seconds(1)));
    let caller = stage.call("4008002222");
    stage.run(millis(3_900));
    assert_eq!(tried(&stage.world), ["a"]);
    stage.run(millis(300));
    assert_eq!(tried(&stage.world), ["a", "b"]);
    stage.until(seconds(5), bridged);
    stage.hang_up(caller);
    stage.finish();
}

#[test]
fn a_trunk_that_says_100_keeps_its_time() {
    let mut stage = office("heartbeat_seconds = 0\nno_response_seconds = 4\n", SILENT_HEART);
    carrier(&mut stage, B, Behaviour::AnswerAfter(seconds(1)));
    let mut hand = Hand::new(A);
    let caller = stage.call("4008002222");
    let mut first = true;
    hand.serve(&mut stage, seconds(8), |request| {
        std::mem::take(&mut first).then(|| Response::to(request, 100))
    });
    assert_eq!(tried(&stage.world), ["a"]);
    hand.serve(&mut stage, seconds(1), |_| None);
    stage.hang_up(caller);
    hand.serve(&mut stage, seconds(1), |cancel| Some(reply(cancel, 200, &[])));
    let invite = hand.asked(&Method::Invite)[0].clone();
    let gone = String::from_utf8(reply(&invite, 487, &[]).to_bytes().to_vec()).expect("ASCII");
    let switch = stage.world.switch(0);
    stage.world.send_by_hand(hand.at, switch, &gone);
    stage.finish();
}

#[test]
fn retry_after_is_obeyed_by_every_call_meanwhile() {
    let mut stage = office(SILENT_HEART, SILENT_HEART);
    let mut hand = Hand::new(A);
    carrier(&mut stage, B, Behaviour::Refuse(486));
    let busy = |request: &Request| Some(reply(request, 503, &[("Retry-After", "20")]));
    for (wait, expected) in
        [(1, vec!["a", "b"]), (15, vec!["a", "b", "b"]), (6, vec!["a", "b", "b", "a", "b"])]
    {
        hand.serve(&mut stage, seconds(wait), busy);
        stage.call("4008002222");
        hand.serve(&mut stage, seconds(2), busy);
        assert_eq!(tried(&stage.world), expected);
    }
    assert!(stage.world.has(|fact| {
        matches!(fact, CallFact::WayFailed { to: None, why, .. } if why.contains("Retry-After"))
    }));
    stage.finish();
}

#[test]
fn a_full_trunk_is_followed_by_the_next() {
    let mut stage = office(
        "heartbeat_seconds = 0\nmax_calls_out = 1\n",
        "heartbeat_seconds = 0\nmax_calls_per_second_out = 1\n",
    );
    carrier(&mut stage, A, Behaviour::AnswerAfter(seconds(1)));
    carrier(&mut stage, B, Behaviour::AnswerAfter(seconds(1)));
    let callers = [stage.call("4008002222"), stage.call("4008002222")];
    stage.until(seconds(10), |world| world.count(|fact| matches!(fact, CallFact::Bridged { .. })) == 2);
    assert_eq!(tried(&stage.world), ["a", "b"]);
    for caller in callers {
        stage.hang_up(caller);
    }
    stage.finish();
}

#[test]
fn a_trunk_goes_down_after_its_misses_is_passed_over_and_comes_back_with_one_answer() {
    let mut stage = office("heartbeat_seconds = 10\nheartbeat_misses = 2\n", "heartbeat_seconds = 10\n");
    carrier(&mut stage, B, Behaviour::Refuse(486));
    stage.run(seconds(17));
    let facts = trunk_facts(&stage.world);
    let down = facts.iter().find_map(|(name, fact)| match fact {
        TrunkFact::Down { error } if name == "a" => Some(error.to_string()),
        _ => None,
    });
    assert!(down.expect("a is down").contains("OPTIONS"), "{facts:?}");
    assert!(facts.contains(&("b".to_owned(), TrunkFact::Up)));
    stage.call("4008002222");
    stage.run(seconds(2));
    assert_eq!(tried(&stage.world), ["b"]);
    let mut hand = Hand::new(A);
    hand.serve(&mut stage, seconds(11), |request| {
        // Whatever it says, it lives.
        Some(reply(request, if request.method == Method::Options { 405 } else { 486 }, &[]))
    });
    assert_eq!(trunk_facts(&stage.world).last(), Some(&("a".to_owned(), TrunkFact::Up)));
    stage.call("4008002222");
    hand.serve(&mut stage, seconds(2), |request| Some(reply(request, 486, &[])));
    assert_eq!(tried(&stage.world), ["b", "a"]);
    let seen = stage.world.trunks_seen().into_iter().find(|trunk| trunk.name.as_str() == "a").expect("a");
    assert_eq!((seen.up, seen.error), (Some(true), None));
    // R71: an operator who comes later still reads what it was.
    let (_, over) = seen.last_error.expect("it was down");
    assert!(over.contains("OPTIONS"), "{over}");
    stage.world.shut_down();
    stage.finish();
}

/// A request that is written by hand; `dialog` is what makes it one of a call.
fn ask(stage: &mut Stage, at: &str, (method, branch): (&str, u32), dialog: &str) {
    let text = format!(
        "{method} sip:10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP {at};branch=z9hG4bKask{branch}\nMax-Forwards: 70\n\
         CSeq: 1 {method}\n{dialog}Content-Length: 0\n\n"
    );
    let (at, switch) = (at.parse().expect("an address"), stage.world.switch(0));
    stage.world.send_by_hand(at, switch, &text);
}

fn statuses_at(stage: &mut Stage, at: &str) -> Vec<u16> {
    let came = stage.world.inbox(at.parse().expect("an address")).into_iter();
    let status = |bytes| match Message::parse_datagram(bytes) {
        Ok(Message::Response(response)) => Some(response.status),
        _ => None,
    };
    came.filter_map(status).collect()
}

#[test]
fn a_trunk_that_is_only_called_is_no_stranger_at_the_door() {
    let mut stage = office(SILENT_HEART, SILENT_HEART);
    // It asks more at once than strangers may, and after whether we live, which strangers are not told.
    for (at, heard, banned) in [(A, 1_000, 0), ("203.0.113.109:5060", 0, 1)] {
        for nth in 0..1_000 {
            let line = format!("From: <sip:{at}>;tag=1\nTo: <sip:10.0.0.1>\nCall-ID: {nth}\n");
            ask(&mut stage, at, ("OPTIONS", nth), &line);
        }
        stage.run(seconds(1));
        assert_eq!(statuses_at(&mut stage, at), vec![200; heard], "{at}");
        assert_eq!(stage.world.banned().len(), banned, "{at}");
    }
    // A call that went to one SBC of a carrier may be ended by another.
    let mut hand = Hand::new(A);
    stage.call("4008002222");
    hand.serve(&mut stage, seconds(2), |request| Some(answered(request)));
    assert!(bridged(&stage.world));
    let invite = hand.asked(&Method::Invite)[0].clone();
    let of_invite = |name| invite.headers.text(name).expect("a field").to_owned();
    let dialog = format!(
        "From: {};tag=carrier\nTo: {}\nCall-ID: {}\n",
        of_invite("To"),
        of_invite("From"),
        of_invite("Call-ID")
    );
    ask(&mut stage, B, ("BYE", 1_000), &dialog);
    stage.run(seconds(1));
    assert_eq!(statuses_at(&mut stage, B), [200]);
    stage.finish();
}

#[test]
fn our_invites_answer_the_challenges_of_their_own_realm_twice_at_most() {
    let account = "heartbeat_seconds = 0\n[account]\nuser = \"us\"\npassword = \"secret\"\nrealm = \"carrier.example\"\n";
    let challenge = |realm: &str, nonce: u32, stale: &str| {
        format!("Digest realm=\"{realm}\", nonce=\"n{nonce}\", qop=\"auth\", algorithm=MD5{stale}")
    };
    // Which realm is asked for, whether it says stale each time, how many INVITEs with credentials come.
    for (realm, stale, answers) in
        [("carrier.example", "", 1), ("elsewhere.example", "", 0), ("carrier.example", ", stale=true", 2)]
    {
        let mut stage = office(account, SILENT_HEART);
        let mut hand = Hand::new(A);
        stage.call("4008002222");
        let mut nonce = 0;
        hand.serve(&mut stage, seconds(3), |request| {
            nonce += 1;
            Some(reply(request, 407, &[("Proxy-Authenticate", &challenge(realm, nonce, stale))]))
        });
        let invites = hand.asked(&Method::Invite);
        let with = invites.iter().filter(|invite| invite.headers.has(HeaderName::ProxyAuthorization)).count();
        assert_eq!((invites.len(), with), (answers + 1, answers), "{realm}{stale}");
        assert!(invites.iter().all(|invite| !String::from_utf8_lossy(&invite.to_bytes()).contains("secret")));
        stage.finish();
    }
}

#[test]
fn a_carrier_of_unknown_address_proves_itself_by_its_password() {
    let theirs = "heartbeat_seconds = 0\n[challenge]\nuser = \"carrier\"\npassword = \"theirs\"\n";
    let at: SocketAddr = "192.88.99.7:5060".parse().expect("an address");
    for (user, password, welcome) in
        [("carrier", "theirs", true), ("carrier", "wrong", false), ("nobody", "theirs", false)]
    {
        let mut stage = office(theirs, SILENT_HEART);
        let login = Login { user: user.to_owned(), password: password.to_owned(), realm: None };
        let mut invite = invite_by_hand(at, "4008004444", "");
        let switch = stage.world.switch(0);
        let mut statuses = Vec::new();
        for round in 1..=2 {
            invite.headers.set(HeaderName::CSeq, format!("{round} INVITE"));
            let via = format!("SIP/2.0/UDP {at};branch=z9hG4bKh{round}");
            invite.headers.set(HeaderName::Via, via);
            let text = String::from_utf8(invite.to_bytes().to_vec()).expect("ASCII");
            stage.world.send_by_hand(at, switch, &text);
            stage.run(millis(300));
            for bytes in stage.world.inbox(at) {
                let Ok(Message::Response(response)) = Message::parse_datagram(bytes) else { continue };
                if response.status >= 200 && !statuses.contains(&response.status) {
                    statuses.push(response.status);
                }
                if response.status >= 300 {
                    acknowledge(&mut stage, at, &invite, &response);
                    let _refused = login.answer(&response, &mut invite, "cnonce", 1);
                }
            }
        }
        let expected: &[u16] = if welcome { &[407, 200] } else { &[407] };
        assert_eq!(statuses, expected, "{user} {password}");
        assert_eq!(stage.world.count(|fact| matches!(fact, CallFact::Began { .. })), usize::from(welcome));
        stage.run(seconds(64));
        stage.finish();
    }
}

/// The ACK of a refusal (RFC 3261 §17.1.1.3).
fn acknowledge(stage: &mut Stage, at: SocketAddr, invite: &Request, refusal: &Response) {
    let via = invite.headers.text(HeaderName::Via).expect("Via");
    let of = |name: &str| refusal.headers.text(name).unwrap_or_default();
    let (from, to, call_id, cseq) =
        (of("From"), of("To"), of("Call-ID"), of("CSeq").replace("INVITE", "ACK"));
    let text = format!(
        "ACK sip:10.0.0.1 SIP/2.0\nVia: {via}\nMax-Forwards: 70\nFrom: {from}\nTo: {to}\nCall-ID: {call_id}\n\
         CSeq: {cseq}\nContent-Length: 0\n\n"
    );
    let switch = stage.world.switch(0);
    stage.world.send_by_hand(at, switch, &text);
}

/// RFC 7332 §4: a call that goes round ends, since each INVITE of it may take a hop fewer than the one before.
#[test]
fn a_call_that_is_sent_on_may_take_one_hop_fewer() {
    let at: SocketAddr = "198.51.100.98:5060".parse().expect("an address");
    for (came, goes) in [("70", "69"), ("255", "69"), ("5", "4"), ("1", "0")] {
        let mut stage = office(SILENT_HEART, SILENT_HEART);
        let mut hand = Hand::new(A);
        let mut invite = invite_by_hand(at, "4008002222", "");
        invite.headers.set(HeaderName::MaxForwards, came);
        let (text, switch) =
            (String::from_utf8(invite.to_bytes().to_vec()).expect("ASCII"), stage.world.switch(0));
        stage.world.send_by_hand(at, switch, &text);
        hand.serve(&mut stage, seconds(2), |request| Some(reply(request, 486, &[])));
        let sent = hand.asked(&Method::Invite)[0];
        assert_eq!(sent.headers.text(HeaderName::MaxForwards), Some(goes), "{came}");
        let refusal =
            stage.world.inbox(at).into_iter().find_map(|bytes| match Message::parse_datagram(bytes) {
                Ok(Message::Response(response)) if response.status >= 300 => Some(response),
                _ => None,
            });
        acknowledge(&mut stage, at, &invite, &refusal.expect("busy"));
        stage.run(seconds(1));
        stage.finish();
    }
}

fn invite_by_hand(at: SocketAddr, user: &str, more: &str) -> Request {
    let text = format!(
        "INVITE sip:{user}@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKh0\r\nMax-Forwards: 70\r\n\
         From: <sip:13900139000@{at}>;tag=h1\r\nTo: <sip:4008004444@10.0.0.1>\r\nCall-ID: by-hand\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:c@{at}>\r\n{more}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    );
    match Message::parse_datagram(Bytes::from(text)) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

const IMS: &str = r#"
heartbeat_seconds = 0
outbound_proxy = "203.0.113.101:5060"
domain = "ims.example.cn"
from_user = "+8675528780808"
from_domain = "gd.example.cn"
caller_headers = ["ppi"]
caller_form = "+86"
called_form = "+86"
[account]
user = "+8675528780808@gd.example.cn"
password = "secret"
[register]
registrar = "reg.example.cn"
expires_seconds = 600
"#;

/// Answers REGISTER as an IMS does: a challenge first.
fn registrar(request: &Request) -> Option<Response> {
    if request.method != Method::Register {
        return None;
    }
    if !request.headers.has(HeaderName::Authorization) {
        let challenge = "Digest realm=\"ims.example.cn\", nonce=\"abc\", qop=\"auth\", algorithm=MD5";
        return Some(reply(request, 401, &[("WWW-Authenticate", challenge)]));
    }
    let contact = request.headers.text(HeaderName::Contact).expect("a Contact").to_owned();
    let expires = request.headers.text(HeaderName::Expires).expect("Expires").to_owned();
    Some(reply(
        request,
        200,
        &[
            ("Contact", &format!("{contact};expires={expires}")),
            ("Service-Route", "<sip:203.0.113.101:5060;lr>, <sip:scscf.example.cn;lr>"),
            ("P-Associated-URI", "<sip:+8675528780808@gd.example.cn>, <tel:+8675528780808>"),
        ],
    ))
}

#[test]
fn a_registering_trunk_calls_by_its_service_route_and_is_called_at_its_contact() {
    let mut stage = office(IMS, SILENT_HEART);
    let mut hand = Hand::new(A);
    hand.serve(&mut stage, seconds(1), registrar);
    let registers = hand.asked(&Method::Register);
    assert_eq!(registers.len(), 2);
    let register = registers[1];
    assert_eq!(register.uri.to_string(), "sip:reg.example.cn");
    let text =
        |request: &Request, name: HeaderName| request.headers.text(name).unwrap_or_default().to_owned();
    assert_eq!(text(register, HeaderName::Route), "<sip:203.0.113.101:5060;lr>");
    assert_eq!(text(register, HeaderName::To), "<sip:+8675528780808@gd.example.cn>");
    assert!(text(register, HeaderName::Authorization).contains("username=\"+8675528780808@gd.example.cn\""));
    let contact = register.headers.contact().expect("valid").expect("a Contact").uri().clone();
    assert!(trunk_facts(&stage.world).contains(&("a".to_owned(), TrunkFact::Registered { seconds: 600 })));

    // Out: by the Service-Route, as whom the carrier knows us.
    let caller = stage.call("4008002222");
    hand.serve(&mut stage, seconds(2), |request| {
        (request.method == Method::Invite).then(|| answered(request))
    });
    let invite = hand.asked(&Method::Invite)[0].clone();
    assert_eq!(invite.uri.to_string(), "sip:+8613900139000@ims.example.cn");
    let routes: Vec<String> =
        invite.headers.addresses(HeaderName::Route).expect("valid").iter().map(ToString::to_string).collect();
    assert_eq!(routes, ["<sip:203.0.113.101:5060;lr>", "<sip:scscf.example.cn;lr>"]);
    assert_eq!(text(&invite, HeaderName::PPreferredIdentity), "<sip:+8675528780808@gd.example.cn>");
    assert!(text(&invite, HeaderName::From).starts_with("<sip:+8675528780808@gd.example.cn>;tag="));
    assert_eq!(invite.headers.contact().expect("valid").expect("a Contact").uri(), &contact);
    assert!(bridged(&stage.world));
    stage.hang_up(caller);
    hand.serve(&mut stage, seconds(1), |request| Some(reply(request, 200, &[])));

    // In: from an address that nobody has heard of, at the Contact that only this carrier was told.
    let elsewhere: SocketAddr = "192.88.99.9:5060".parse().expect("an address");
    let mut invite = invite_by_hand(elsewhere, "x", "P-Called-Party-ID: <sip:4008004444@gd.example.cn>\r\n");
    invite.uri = contact;
    let bytes = String::from_utf8(invite.to_bytes().to_vec()).expect("ASCII");
    let switch = stage.world.switch(0);
    stage.world.send_by_hand(elsewhere, switch, &bytes);
    stage.run(millis(200));
    let trunk = |fact: &CallFact| matches!(fact, CallFact::Began { trunk: Some(trunk), called, .. } if trunk.as_str() == "a" && &**called == "4008004444");
    assert!(stage.world.has(trunk), "{:?}", stage.world.call_facts().collect::<Vec<_>>());
    stage.run(seconds(40));

    // At the end the binding is taken back.
    stage.world.shut_down();
    hand.serve(&mut stage, seconds(1), registrar);
    let last = hand.asked(&Method::Register).last().map(|register| text(register, HeaderName::Expires));
    assert_eq!(last.as_deref(), Some("0"));
    stage.finish();
}

#[test]
fn a_registration_moves_to_the_next_proxy_and_says_what_is_wrong() {
    let two = IMS.replace("\"203.0.113.101:5060\"", "[\"203.0.113.101:5060\", \"203.0.113.103:5060\"]");
    let mut stage = office(&two, SILENT_HEART);
    let (mut first, mut second) = (Hand::new(A), Hand::new("203.0.113.103:5060"));
    first.serve(&mut stage, millis(100), |request| Some(reply(request, 503, &[])));
    second.serve(&mut stage, seconds(1), registrar);
    assert_eq!(second.asked(&Method::Register).len(), 2);
    let route = second.asked[0].headers.text(HeaderName::Route).expect("Route").to_owned();
    assert_eq!(route, "<sip:203.0.113.103:5060;lr>");
    stage.call("4008002222");
    second.serve(&mut stage, seconds(1), |request| Some(reply(request, 486, &[])));
    assert_eq!(second.asked(&Method::Invite).len(), 1, "calls go where it is registered");

    // The refresh is refused: calls pass the trunk over, the operator reads why.
    second.serve(&mut stage, seconds(300), |request| Some(reply(request, 403, &[])));
    let seen = stage.world.trunks_seen().into_iter().find(|trunk| trunk.name.as_str() == "a").expect("a");
    assert_eq!((seen.registered, seen.up), (Some(false), Some(false)));
    let error = seen.error.expect("an error");
    assert!(error.contains("403") && error.contains("密码不对") && error.contains("未开通"), "{error}");
    stage.call("4008002222");
    stage.run(seconds(2));
    assert!(stage.world.has(|fact| {
        matches!(fact, CallFact::WayFailed { trunk, to: None, why, .. } if trunk.as_str() == "a" && why.contains("未注册"))
    }));
    stage.world.shut_down();
    second.serve(&mut stage, seconds(1), registrar);
    stage.finish();
}

#[test]
fn the_realm_that_a_carrier_asks_for_is_named_when_it_is_not_ours() {
    let mut stage = office(IMS, SILENT_HEART);
    let mut hand = Hand::new(A);
    hand.serve(&mut stage, seconds(1), |request| {
        let challenge = "Digest realm=\"192.0.2.77\", nonce=\"abc\", qop=\"auth\", algorithm=MD5";
        Some(reply(request, 401, &[("WWW-Authenticate", challenge)]))
    });
    assert_eq!(hand.asked(&Method::Register).len(), 1, "a foreign realm learns nothing");
    let error = stage.world.trunks_seen()[0].error.clone().expect("an error");
    assert!(error.contains("192.0.2.77") && error.contains("account.realm"), "{error}");
    stage.world.shut_down();
    stage.finish();
}

#[test]
fn only_silence_and_a_servers_own_fault_lead_a_registration_to_the_next_proxy() {
    let two = IMS.replace("\"203.0.113.101:5060\"", "[\"203.0.113.101:5060\", \"203.0.113.103:5060\"]");
    for (status, goes_on) in [(408, true), (500, true), (504, true), (403, false), (600, false), (603, false)]
    {
        let mut stage = office(&two, SILENT_HEART);
        let (mut first, mut second) = (Hand::new(A), Hand::new("203.0.113.103:5060"));
        first.serve(&mut stage, millis(100), |request| Some(reply(request, status, &[])));
        second.serve(&mut stage, seconds(1), registrar);
        assert_eq!(!second.asked.is_empty(), goes_on, "{status}");
        stage.world.shut_down();
        second.serve(&mut stage, seconds(1), registrar);
        stage.finish();
    }
}

#[test]
fn a_digest_that_is_not_spoken_here_is_named_as_the_cause() {
    for asked in ["algorithm=AKAv1-MD5", "algorithm=MD5, qop=\"auth-int\""] {
        let mut stage = office(IMS, SILENT_HEART);
        let mut hand = Hand::new(A);
        hand.serve(&mut stage, seconds(1), |request| {
            let challenge = format!("Digest realm=\"ims.example.cn\", nonce=\"abc\", {asked}");
            Some(reply(request, 401, &[("WWW-Authenticate", &challenge)]))
        });
        assert_eq!(hand.asked(&Method::Register).len(), 1, "{asked}");
        let error = stage.world.trunks_seen()[0].error.clone().expect("an error");
        assert!(error.contains("AKA") && error.contains("SHA-256"), "{asked}: {error}");
        stage.world.shut_down();
        stage.finish();
    }
}

/// RFC 3312 §5, §11: preconditions that are only supported are not used; those that are required get 420, after which
/// an IMS terminal calls again without them (3GPP TS 24.229 §5.1.3.1).
#[test]
fn preconditions_are_refused_only_when_they_are_required() {
    let at: SocketAddr = "198.51.100.98:5060".parse().expect("an address");
    for (header, status) in [("Supported", 200), ("Require", 420)] {
        let mut stage = office(SILENT_HEART, SILENT_HEART);
        let invite = invite_by_hand(at, "4008001111", &format!("{header}: precondition\r\n"));
        let text = String::from_utf8(invite.to_bytes().to_vec()).expect("ASCII");
        let switch = stage.world.switch(0);
        stage.world.send_by_hand(at, switch, &text);
        stage.run(millis(300));
        let last =
            stage.world.inbox(at).into_iter().filter_map(|bytes| match Message::parse_datagram(bytes) {
                Ok(Message::Response(response)) => Some(response),
                _ => None,
            });
        let last = last.last().expect("a response");
        assert_eq!(last.status, status, "{header}");
        let unsupported = last.headers.text(HeaderName::Unsupported);
        assert_eq!(unsupported, (status == 420).then_some("precondition"));
        stage.run(seconds(40));
        stage.finish();
    }
}
