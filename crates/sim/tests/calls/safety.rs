//! Strangers, attackers, too much at once, and calls that may not go out.

use std::collections::BTreeSet;

use model::event::CallFact;
use model::outcome::{CallResult, HungUpBy, RefusalCause, Termination};
use peers::{Behaviour, Command, Happening, Login, PeerConfig};
use routing::BanCause;
use sdp::Codec;
use sim::Weather;
use sip::{Message, Method, Request};

use crate::hand::{CARRIER, Hand, sdp};
use crate::stage::{Stage, edited, ending, folder, millis, only, seconds};

const STRANGER: &str = "192.88.99.1:5060";

/// The requests of that method that the switch sent to `to`.
fn sent_to(stage: &Stage, to: &str, method: Method) -> Vec<Request> {
    let to = to.parse().expect("an address");
    let sent = stage.world.trace().iter().filter(|entry| entry.to == to);
    let requests = sent.filter_map(|entry| match Message::parse_datagram(entry.bytes.clone()) {
        Ok(Message::Request(request)) => Some(request),
        _ => None,
    });
    requests.filter(|request| request.method == method).collect()
}

#[test]
fn an_overloaded_shard_refuses_new_calls_statelessly_and_serves_those_in_progress() {
    let mut stage = Stage::ready(&["8001", "8002"]);
    let talking = stage.talk();
    for _ in 0..3 {
        stage.world.strain(millis(60), 50_000);
        stage.run(millis(60));
    }
    let transactions = stage.world.shard_live().transactions;
    let mut late = Hand::new(CARRIER, "4008001234", "late");
    late.invite(&mut stage, &sdp("8 101"));
    stage.run(millis(50));
    let answer = late.responses(&mut stage).pop().expect("an answer");
    assert_eq!((answer.status, answer.headers.text("Retry-After")), (503, Some("1")));
    assert_eq!(stage.world.shard_live().transactions, transactions, "a refusal leaves no transaction");
    // Once more, as a peer does who did not hear: the same answer, to the tag (RFC 3261 §8.2.7).
    late.cseq = 0;
    late.invite(&mut stage, &sdp("8 101"));
    stage.run(millis(50));
    assert_eq!(late.responses(&mut stage).pop().map(|again| again.to_bytes()), Some(answer.to_bytes()));
    late.ack(&mut stage, "inv1", "");
    stage.run(millis(50));
    // Who talks can hang up, and is answered.
    stage.hang_up(talking);
    stage.run(seconds(1));
    assert!(!stage.world.peer(talking).is_in_call());
    stage.world.strain(millis(0), 50_000);
    stage.run(seconds(5));
    let again = stage.talk_again();
    stage.hang_up(again);
    stage.run(seconds(1));
    let finished = stage.finish();
    let refused: Vec<_> = finished.cdrs.iter().filter(|cdr| cdr.ending.result == CallResult::Limit).collect();
    assert_eq!(refused.len(), 1, "one record of it, however often it was repeated (R72)");
    assert_eq!(ending(refused[0]), (CallResult::Limit, HungUpBy::Switch));
    assert_eq!(refused[0].ending.cause, Termination::Refused(503));
}

#[test]
fn a_stall_of_the_machine_refuses_nobody() {
    let mut stage = Stage::ready(&["8001"]);
    stage.world.strain(millis(900), 50_000);
    let caller = stage.call("4008001111");
    stage.run(seconds(5));
    assert!(stage.world.peer(caller).is_in_call());
    stage.hang_up(caller);
    stage.finish();
}

#[test]
fn a_journal_without_room_refuses_new_calls_and_loses_no_fact() {
    let mut stage = Stage::ready(&["8001"]);
    let talking = stage.talk();
    stage.world.strain(millis(0), 100);
    let refused = stage.call("4008001111");
    stage.run(seconds(1));
    assert!(stage.world.has_happened(refused, &Happening::Refused(503)));
    stage.hang_up(talking);
    stage.run(seconds(1));
    stage.world.strain(millis(0), 60_000);
    let welcome = stage.call("4008001111");
    stage.run(seconds(5));
    assert!(stage.world.peer(welcome).is_in_call());
    stage.hang_up(welcome);
    assert_eq!(stage.finish().cdrs.len(), 3);
}

#[test]
fn the_nodes_rate_refuses_statelessly_too() {
    let (path, text) = edited("hotline.toml", "max_calls = 20", "max_calls = 20\nmax_calls_per_second = 10");
    let mut stage = Stage::of(&folder(&[(path, &text)]), 1, Weather::FAIR);
    stage.sign_in(&["8001"]);
    let first = stage.call("4008001111");
    stage.run(millis(20));
    let mut second = Hand::new(CARRIER, "4008001111", "second");
    second.invite(&mut stage, &sdp("8 101"));
    stage.run(millis(20));
    assert_eq!(second.statuses(&mut stage), [503]);
    second.ack(&mut stage, "inv1", "");
    stage.run(millis(20));
    assert_eq!(stage.world.counted("stray_ack"), 1, "no transaction waits for it");
    stage.run(seconds(1));
    stage.hang_up(first);
    assert_eq!(stage.finish().cdrs.len(), 2);
}

fn phone_config(stage: &Stage, user: &str, login: (&str, &str), place: u8) -> PeerConfig {
    let _ = stage;
    PeerConfig {
        user: user.to_owned(),
        domain: "pbx.test".to_owned(),
        display: None,
        sip: ([192, 0, 2, place], 5062).into(),
        rtp: ([192, 0, 2, place], 4_000).into(),
        codecs: vec![Codec::Pcma],
        login: Some(Login { user: login.0.to_owned(), password: login.1.to_owned() }),
        behaviour: Behaviour::Ring,
        seed: u64::from(place),
    }
}

#[test]
fn an_unknown_user_and_a_wrong_password_get_one_answer() {
    let mut stage = Stage::ready(&["8001"]);
    let mut shapes = BTreeSet::new();
    for (place, user, password) in [(90, "8001", "wrong"), (91, "9999", "secret"), (92, "7777", "wrong")] {
        let config = phone_config(&stage, user, (user, password), place);
        let address = config.sip;
        let phone = stage.world.add_peer(config);
        stage.dial(phone, "8002");
        stage.run(seconds(2));
        let answers = stage.world.trace().iter().filter(|entry| entry.to == address);
        let shape: Vec<(u16, Vec<String>)> = answers
            .filter_map(|entry| match Message::parse_datagram(entry.bytes.clone()) {
                Ok(Message::Response(response)) => Some(response),
                _ => None,
            })
            .map(|response| {
                let name = |header: sip::headers::Field<'_>| format!("{:?}", header.name);
                (response.status, response.headers.iter().map(name).collect())
            })
            .collect();
        assert!(shape.len() >= 2 && shape.iter().all(|(status, _)| *status == 407), "{user}: {shape:?}");
        shapes.insert(shape);
    }
    assert_eq!(shapes.len(), 1, "{shapes:#?}");
    assert_eq!(stage.world.counted("login_failed"), 3);
    assert!(stage.finish().cdrs.is_empty());
}

#[test]
fn a_phone_is_who_its_password_says_and_not_whom_it_names() {
    let mut stage = Stage::ready(&["8001", "8002"]);
    let liar = stage.world.add_peer(phone_config(&stage, "8002", ("8001", "secret"), 90));
    stage.dial(liar, "8002");
    stage.run(seconds(2));
    assert!(stage.world.has_happened(liar, &Happening::Refused(403)));
    assert_eq!(stage.world.counted("foreign_identity"), 1);
    let finished = stage.finish();
    let cdr = only(&finished);
    assert_eq!(&*cdr.parties.caller, "8001", "the record names who it was");
}

#[test]
fn wrong_passwords_ban_a_source_and_what_it_sends_is_not_heard() {
    let mut stage = Stage::ready(&["8001"]);
    for attempt in 0..14 {
        guess(&mut stage, STRANGER, attempt);
    }
    let stranger = STRANGER.parse::<std::net::SocketAddr>().expect("an address");
    assert_eq!(stage.world.banned(), [(stranger.ip(), BanCause::Logins)]);
    // The ACK of the last is not heard, so that its answer is repeated: each counts once.
    let answers =
        stage.world.inbox(stranger).into_iter().filter_map(|bytes| Message::parse_datagram(bytes).ok());
    let answers: BTreeSet<u32> = answers.filter_map(|m| Some(m.headers().cseq().ok()?.number)).collect();
    assert_eq!(answers.len(), 11, "ten guesses a minute and the one that is too many");
    // Ten minutes later it may try again.
    stage.run(seconds(601));
    guess(&mut stage, STRANGER, 20);
    assert!(!stage.world.inbox(stranger).is_empty());
    stage.finish();
}

/// An INVITE with a password that is wrong.
fn guess(stage: &mut Stage, from: &str, attempt: u32) {
    let mut hand = Hand::new(from, "4008001234", "guess");
    hand.from = "8001";
    hand.cseq = attempt;
    let credentials = format!(
        "Proxy-Authorization: Digest username=\"8001\", realm=\"hotline\", nonce=\"{attempt}\", uri=\"sip:a@b\", \
         response=\"0123456789abcdef0123456789abcdef\", algorithm=MD5\n"
    );
    hand.invite_with(stage, &credentials);
    stage.run(millis(100));
    hand.ack(stage, &format!("inv{}", attempt + 1), "");
    stage.run(millis(100));
}

#[test]
fn a_phone_behind_an_attackers_address_keeps_registering_and_calling() {
    let mut stage = Stage::ready(&["8001", "8002"]);
    let phone = stage.phone("8001");
    let home = stage.world.peer(phone).config().sip;
    let attacker = format!("{}:40000", home.ip());
    for attempt in 0..60 {
        guess(&mut stage, &attacker, attempt);
    }
    assert!(stage.world.banned().is_empty());
    assert_eq!(
        stage.world.inbox(attacker.parse().expect("an address")).len(),
        60,
        "each guess has one answer"
    );
    let registrar = stage.world.switch(1);
    stage.tell(phone, Command::Register { registrar, expires: seconds(3_600) });
    stage.run(seconds(1));
    stage.dial(phone, "8002");
    stage.run(seconds(5));
    assert!(stage.world.peer(phone).is_in_call());
    stage.hang_up(phone);
    stage.run(seconds(1));
    stage.finish();
}

#[test]
fn a_scanner_hears_nothing_and_is_banned() {
    let mut stage = Stage::ready(&["8001"]);
    let mut scanner = Hand::new(STRANGER, "100", "scan");
    scanner.send(&mut stage, "OPTIONS", "a", "User-Agent: friendly-scanner\n", "");
    scanner.send(&mut stage, "INVITE", "b", "", "");
    stage.run(seconds(1));
    assert!(scanner.read(&mut stage).is_empty());
    assert_eq!(stage.world.banned().len(), 1);
    assert_eq!((stage.world.counted("scanner"), stage.world.counted("banned")), (1, 1));
    stage.finish();
}

/// RFC 3261 §26.3.2.4: an address that somebody forged gets one answer, whatever was asked in its name.
#[test]
fn what_strangers_are_refused_with_is_not_repeated_and_what_trunks_are_is() {
    for (at, headers, to, status, times) in [
        (STRANGER, "", "", 407, 1),
        (STRANGER, "Require: nothing-known\n", "", 420, 1),
        (STRANGER, "", ";tag=nobody", 481, 1),
        (CARRIER, "", ";tag=nobody", 481, 11),
    ] {
        let mut stage = Stage::ready(&["8001"]);
        let mut hand = Hand::new(at, "4008001111", "forged");
        hand.to.push_str(to);
        hand.invite_with(&mut stage, headers);
        stage.run(seconds(40));
        assert_eq!(hand.statuses(&mut stage), vec![status; times], "{at} {status}");
        hand.send_ack_for_refusal(&mut stage);
        stage.finish();
    }
}

#[test]
fn a_dialog_is_ended_by_its_peer_alone() {
    let mut stage = Stage::ready(&["8001"]);
    let mut caller = Hand::new(CARRIER, "4008001111", "mine");
    caller.invite(&mut stage, &sdp("8 101"));
    stage.run(seconds(1));
    assert!(caller.statuses(&mut stage).contains(&200));
    caller.ack(&mut stage, "ack", "");
    stage.run(seconds(1));
    let mut thief = Hand::new(STRANGER, "4008001111", "mine");
    (thief.to, thief.cseq) = (caller.to.clone(), 2);
    for method in ["BYE", "INFO", "UPDATE"] {
        thief.send(&mut stage, method, method, "", "");
        stage.run(millis(100));
        assert_eq!(thief.statuses(&mut stage), [407], "{method}");
    }
    assert_eq!((stage.world.counted("foreign_in_dialog"), stage.world.calls().len()), (3, 1));
    // Another address of the same carrier is its peer too.
    let mut twin = Hand::new("198.51.100.97:5060", "4008001111", "mine");
    (twin.to, twin.cseq) = (caller.to.clone(), 2);
    twin.send(&mut stage, "BYE", "bye", "", "");
    stage.run(millis(100));
    assert_eq!(twin.statuses(&mut stage), [200]);
    stage.finish();
}

#[test]
fn no_header_passes_from_one_leg_to_the_other_by_accident() {
    let mut stage = Stage::ready(&["8003"]);
    let phone = stage.world.peer(stage.phone("8003")).config().sip.to_string();
    let odd = [
        "X-Odd-0",
        "Accept-Contact",
        "X-Odd-1",
        "X-Odd-2",
        "X-Odd-14",
        "Answer-Mode",
        "X-Odd-3",
        "X-Odd-15",
        "X-Odd-4",
        "X-Odd-5",
        "X-Odd-6",
        "X-Odd-16",
        "X-Odd-7",
        "Feature-Caps",
        "Flow-Timer",
        "Geolocation",
        "Geolocation-Routing",
        "Identity",
        "X-Odd-11",
        "Info-Package",
        "X-Odd-12",
        "X-Odd-13",
        "X-Odd-8",
        "Organization",
        "P-Access-Network-Info",
        "P-Answer-State",
        "P-Asserted-Service",
        "X-Odd-20",
        "X-Odd-19",
        "P-Charging-Function-Addresses",
        "P-Charging-Vector",
        "X-Odd-24",
        "P-Early-Media",
        "P-Media-Authorization",
        "X-Odd-18",
        "X-Odd-23",
        "X-Odd-22",
        "X-Odd-21",
        "P-User-Database",
        "P-Visited-Network-ID",
        "X-Odd-25",
        "Policy-Contact",
        "Priority",
        "Priv-Answer-Mode",
        "Recv-Info",
        "Refer-Sub",
        "Reject-Contact",
        "X-Odd-17",
        "Request-Disposition",
        "Resource-Priority",
        "Session-ID",
        "Subject",
        "Suppress-If-Match",
        "Target-Dialog",
        "X-Odd-9",
        "User-Agent",
        "User-to-User",
        "X-Odd-10",
        "X-Attack",
        "X-Internal-Route",
    ];
    assert_eq!(odd.len(), 60);
    let headers: String = odd.iter().map(|name| format!("{name}: from-outside;secret=1\n")).collect();
    let mut hand = Hand::new(CARRIER, "4008002222", "odd");
    hand.invite_sdp_with(&mut stage, &headers);
    stage.run(millis(500));
    let invites = sent_to(&stage, &phone, Method::Invite);
    let invite = invites.first().expect("the phone is called");
    let names: BTreeSet<String> = invite.headers.iter().map(|header| format!("{:?}", header.name)).collect();
    let written = invite.to_bytes();
    assert!(
        !String::from_utf8_lossy(&written).contains("from-outside"),
        "{}",
        String::from_utf8_lossy(&written)
    );
    let allowed = [
        "Allow",
        "CSeq",
        "CallId",
        "Contact",
        "ContentLength",
        "ContentType",
        "From",
        "MaxForwards",
        "MinSe",
        "SessionExpires",
        "Supported",
        "To",
        "UserAgent",
        "Via",
    ];
    let passed: Vec<&String> =
        names.iter().filter(|name| !allowed.iter().any(|known| name.contains(known))).collect();
    assert!(passed.is_empty(), "{passed:?} of {names:?}");
    hand.cseq = 1;
    hand.send(&mut stage, "CANCEL", "inv1", "", "");
    stage.run(seconds(1));
    hand.ack(&mut stage, "inv1", "");
    stage.finish();
}

#[test]
fn calls_abroad_are_barred_unless_the_class_of_the_trunk_has_them() {
    let abroad = edited("flows/bound.toml", "number = \"13900139000\"", "number = \"0085221234567\"");
    let abroad = (abroad.0, abroad.1.as_str());
    for allowed in [false, true] {
        let class = "[[class_of_service]]\nname = \"asia\"\nallow_numbers = [\"00852\"]\ncalls_per_day = 1\n[[interface]]\nname = \"carrier\"";
        let hotline = edited("hotline.toml", "[[interface]]\nname = \"carrier\"", class);
        let word = if allowed { "asia" } else { "default" };
        let ims = edited("trunks/ims.toml", "home_area", &format!("forward_class = \"{word}\"\nhome_area"));
        let sources = folder(&[abroad, (hotline.0, &hotline.1), (ims.0, &ims.1)]);
        let mut stage = Stage::of(&sources, 1, Weather::FAIR);
        stage.mobile(Behaviour::AnswerAfter(seconds(1)));
        let caller = stage.call("4008002222");
        stage.run(seconds(30));
        let reached = sent_to(&stage, "203.0.113.65:5060", Method::Invite).len();
        assert_eq!(reached, usize::from(allowed), "allowed: {allowed}");
        if allowed {
            assert!(stage.world.peer(caller).is_in_call());
            stage.hang_up(caller);
            stage.run(seconds(1));
            // One a day.
            stage.call("4008002222");
            stage.run(seconds(30));
            assert_eq!(stage.world.counted("outbound_daily"), 1);
        } else {
            assert_eq!(stage.world.counted("outbound_kind"), 1);
            let barred = |fact: &CallFact| {
                matches!(fact, CallFact::OfferRefused { cause: RefusalCause::Barred, status: Some(403), .. })
            };
            assert!(stage.world.has(barred));
        }
        stage.finish();
    }
}
