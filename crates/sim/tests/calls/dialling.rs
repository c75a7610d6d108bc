//! What agents dial (R21, R25): outside numbers, colleagues, queues, numbers of their own; what it means for the ACD, the
//! record and the recording, and what is said to who may not.

use bytes::Bytes;
use config::Sources;
use ledger::Cdr;
use model::event::{AgentActivity, AgentState, CallFact, Direction};
use model::outcome::{CallResult, HungUpBy};
use peers::{Behaviour, Command, Happening, Sound};
use sim::{Finished, PeerId, Weather, World};
use sip::{HeaderName, Message};

use crate::stage::{Stage, agent, edited, ending, folder, heard, millis, only, seconds};
use crate::trunks::{A, B, Hand, SDP, answered, bridged, carrier, reply, tried};

/// The office with two trunks behind one group, by which phones call out behind a 9, and a queue that phones dial.
pub(crate) fn office(dialling: &str, phones: &str) -> Stage {
    let mut stage = Stage::of(&folder_of(dialling, phones), 1, Weather::FAIR);
    stage.sign_in(&["8001", "8002"]);
    stage
}

pub(crate) fn folder_of(dialling: &str, phones: &str) -> Sources {
    let more = format!(
        "[[class_of_service]]\nname = \"house\"\nallow = [\"internal\"]\n\
         [[trunk_group]]\nname = \"out\"\nmember = [{{ trunk = \"a\", order = 1 }}, {{ trunk = \"b\", order = 2 }}]\n\
         [dialling]\nprefix = \"9\"\ntrunk = \"out\"\n{dialling}\n[codes]"
    );
    let (hotline, hotline_text) = edited("hotline.toml", "[codes]", &more);
    let (plain, plain_text) = edited("queues/plain.toml", "title =", "dial = \"6001\"\ntitle =");
    let trunk = |to: &str, caller: &str| {
        format!(
            "interface = \"carrier\"\nto = \"{to}\"\ncaller = \"{caller}\"\ncallers = [\"01065550000\"]\n\
             home_area = \"010\"\nheartbeat_seconds = 0\n"
        )
    };
    let (a, b) = (trunk(A, "01065551234"), trunk(B, "01065555678"));
    let (path, all) = edited("phones/all.toml", "max_contacts = 2\n", &format!("max_contacts = 2\n{phones}"));
    folder(&[
        (hotline, &*hotline_text),
        (plain, &*plain_text),
        ("trunks/a.toml", &*a),
        ("trunks/b.toml", &*b),
        (path, &*all),
    ])
}

fn activity(world: &World, number: &str) -> Option<AgentActivity> {
    world.agent(&agent(number)).map(|view| view.activity)
}

fn calls_today(world: &World, number: &str) -> u32 {
    world.agent(&agent(number)).map(|view| view.calls_today).unwrap_or_default()
}

/// The Reason of the last response with that status.
pub(crate) fn reason(world: &World, status: u16) -> String {
    let responses =
        world.trace().iter().rev().filter_map(|entry| match Message::parse_datagram(entry.bytes.clone()) {
            Ok(Message::Response(response)) if response.status == status => Some(response),
            _ => None,
        });
    let reason = |response: sip::Response| response.headers.get(HeaderName::Reason).map(<[u8]>::to_vec);
    responses.into_iter().find_map(reason).map(|bytes| String::from_utf8(bytes).unwrap()).unwrap_or_default()
}

fn recorded_once(finished: &Finished) -> &Cdr {
    let cdr = only(finished);
    assert_eq!(cdr.recordings.len(), 1, "R5: one recording");
    cdr
}

#[test]
fn an_outside_call_occupies_its_agent_and_has_its_record_whoever_hangs_up() {
    for (by_phone, by) in [(true, HungUpBy::Agent), (false, HungUpBy::Caller)] {
        let mut stage = office("wrap_up_seconds = 6", "");
        stage.choose("8002", AgentState::Busy);
        let (phone, outside) =
            (stage.phone("8001"), carrier(&mut stage, A, Behaviour::AnswerAfter(seconds(3))));
        stage.tell(phone, Command::Say(Sound::Tone(440.0)));
        stage.tell(outside, Command::Say(Sound::Tone(660.0)));
        stage.dial(phone, "913900139000");
        stage.run(seconds(1));
        assert_eq!(activity(&stage.world, "8001"), Some(AgentActivity::Ringing));
        let waiting = stage.call("4008001111");
        stage.until(seconds(10), bridged);
        stage.run(millis(300));
        assert_eq!(activity(&stage.world, "8001"), Some(AgentActivity::Talking));
        let since = stage.world.now();
        stage.run(seconds(2));
        assert!(heard(&stage.world, phone, 660.0, since) >= millis(1_500));
        assert!(heard(&stage.world, outside, 440.0, since) >= millis(1_500));
        // R21: a number of that trunk.
        let called = Happening::Called { name: None, number: "01065551234".to_owned() };
        assert!(stage.world.has_happened(outside, &called));
        stage.hang_up(if by_phone { phone } else { outside });
        stage.run(millis(200));
        assert_eq!(activity(&stage.world, "8001"), Some(AgentActivity::WrapUp));
        let offered = |world: &World| world.count(|f| matches!(f, CallFact::Offered { entry: Some(_), .. }));
        assert_eq!(offered(&stage.world), 0, "no caller is offered in a call out and its wrap-up");
        stage.until(seconds(10), |world| offered(world) == 1);
        stage.run(seconds(1));
        stage.hang_up(waiting);
        assert_eq!(calls_today(&stage.world, "8001"), 1, "R25 counts calls out");
        let finished = stage.finish();
        let cdr = finished.cdrs.iter().find(|cdr| cdr.direction == Direction::Out).expect("a call out");
        assert_eq!(ending(cdr), (CallResult::Answered, by));
        assert_eq!(cdr.parties.agent_of_record(), Some(&agent("8001")));
        assert_eq!(cdr.parties.answered_by.as_deref(), Some("13900139000"));
        assert_eq!((&*cdr.parties.caller, cdr.recordings.len(), cdr.segments.len()), ("8001", 1, 1));
        assert_eq!(cdr.ending.result.zh_out(), "接通");
    }
}

#[test]
fn what_becomes_of_an_outside_call_is_on_its_record_and_told_the_phone() {
    for (status, told, result, word) in [
        (486, 486, CallResult::Busy, "忙"),
        (603, 603, CallResult::Rejected, "拒接"),
        (404, 404, CallResult::NoSuchNumber, "空号"),
        (480, 480, CallResult::Unreachable, "关机/不可及"),
        (500, 503, CallResult::Failure, "失败"),
    ] {
        let mut stage = office("", "");
        let phone = stage.phone("8001");
        carrier(&mut stage, A, Behaviour::Refuse(status));
        carrier(&mut stage, B, Behaviour::Refuse(status));
        stage.dial(phone, "913900139000");
        stage.run(seconds(2));
        assert!(stage.world.has_happened(phone, &Happening::Refused(told)), "{status}");
        assert!(reason(&stage.world, told).contains("text="), "{status}");
        assert_eq!(activity(&stage.world, "8001"), Some(AgentActivity::Idle));
        assert_eq!(calls_today(&stage.world, "8001"), 0, "nobody talked");
        // Only what speaks of the trunk is tried by the next one.
        assert_eq!(tried(&stage.world).len(), if status == 500 { 2 } else { 1 }, "{status}");
        let finished = stage.finish();
        let cdr = only(&finished);
        assert_eq!((cdr.ending.result, cdr.ending.result.zh_out()), (result, word));
        assert!(cdr.reason.is_some() && cdr.recordings.is_empty());
    }
}

#[test]
fn an_agent_who_gives_up_while_the_number_rings_leaves_no_answer_on_the_record() {
    for wait in [0, 3, 40, 500, 2_000] {
        let mut stage = office("", "");
        let (phone, outside) = (stage.phone("8001"), carrier(&mut stage, A, Behaviour::Ring));
        stage.dial(phone, "913900139000");
        stage.run(millis(wait));
        stage.hang_up(phone);
        stage.run(seconds(3));
        assert!(!stage.world.peer(outside).is_in_call());
        assert_eq!(activity(&stage.world, "8001"), Some(AgentActivity::Idle));
        for cdr in stage.finish().cdrs {
            assert!(matches!(
                ending(&cdr),
                (CallResult::RingNoAnswer | CallResult::EndedInMenu, HungUpBy::Agent)
            ));
        }
    }
}

#[test]
fn a_trunk_that_fails_is_followed_by_the_next_of_its_group() {
    let mut stage = office("", "caller = \"01065550000\"\n");
    let phone = stage.phone("8001");
    carrier(&mut stage, A, Behaviour::Refuse(503));
    let second = carrier(&mut stage, B, Behaviour::AnswerAfter(seconds(1)));
    stage.dial(phone, "965558888");
    stage.until(seconds(10), bridged);
    assert_eq!(tried(&stage.world), ["a", "b"]);
    // The phone's own number, which both trunks have.
    let called = Happening::Called { name: None, number: "01065550000".to_owned() };
    assert!(stage.world.has_happened(second, &called));
    stage.run(seconds(1));
    stage.hang_up(phone);
    let finished = stage.finish();
    let cdr = recorded_once(&finished);
    assert_eq!(cdr.parties.answered_by.as_deref(), Some("01065558888"), "with the area of the trunk");
    assert_eq!(cdr.segments[0].ways.len(), 2);
}

#[test]
fn a_number_that_the_class_of_service_does_not_have_is_refused_with_its_reason() {
    for (phones, number, told) in [
        ("", "90085212345678", 403),
        ("", "916812345", 403),
        ("class_of_service = \"house\"\n", "913900139000", 403),
        ("class_of_service = \"house\"\n", "9110", 480),
        ("class_of_service = \"house\"\n", "110", 480),
    ] {
        let mut stage = office("", phones);
        let phone = stage.phone("8001");
        let outside = carrier(&mut stage, A, Behaviour::Refuse(480));
        stage.dial(phone, number);
        stage.run(seconds(1));
        assert!(stage.world.has_happened(phone, &Happening::Refused(told)), "{number}");
        let barred = told == 403;
        assert_eq!(stage.world.happened(outside).is_empty(), barred, "{number}");
        assert_eq!(reason(&stage.world, 403).contains("class of service"), barred, "{number}");
        let finished = stage.finish();
        let expected = if barred { CallResult::Barred } else { CallResult::Unreachable };
        assert_eq!(only(&finished).ending.result, expected);
    }
}

#[test]
fn what_cannot_be_dialled_is_refused_with_its_reason() {
    for (number, told, words, result) in [
        ("8999", 404, "no such number", CallResult::NoSuchNumber),
        ("13900139000", 404, "no such number", CallResult::NoSuchNumber),
        ("98", 404, "no such number", CallResult::NoSuchNumber),
        ("8001", 486, "cannot call itself", CallResult::Busy),
    ] {
        let mut stage = office("", "");
        let phone = stage.phone("8001");
        stage.dial(phone, number);
        stage.run(seconds(1));
        assert!(stage.world.has_happened(phone, &Happening::Refused(told)), "{number}");
        assert!(reason(&stage.world, told).contains(words), "{number}");
        let finished = stage.finish();
        assert_eq!(only(&finished).ending.result, result, "{number}");
    }
}

#[test]
fn a_colleague_who_rings_or_talks_gets_no_caller_of_a_queue() {
    let mut stage = office("", "");
    stage.choose("8001", AgentState::Busy);
    let (caller, called) = (stage.phone("8001"), stage.phone("8002"));
    stage.world.behave(called, Behaviour::Ring);
    stage.dial(caller, "8002");
    stage.run(seconds(1));
    let seen = [activity(&stage.world, "8001"), activity(&stage.world, "8002")];
    assert_eq!(seen, [Some(AgentActivity::Ringing); 2]);
    let waiting = stage.call("4008001111");
    stage.run(seconds(2));
    let offered = |world: &World| world.count(|f| matches!(f, CallFact::Offered { entry: Some(_), .. }));
    assert_eq!(offered(&stage.world), 0, "while the phone rings");
    stage.tell(called, Command::Answer);
    stage.until(seconds(5), bridged);
    stage.tell(called, Command::Hold);
    stage.run(seconds(1));
    let seen = [activity(&stage.world, "8001"), activity(&stage.world, "8002")];
    assert_eq!(seen, [Some(AgentActivity::Held); 2]);
    stage.tell(called, Command::Resume);
    stage.run(seconds(1));
    let seen = [activity(&stage.world, "8001"), activity(&stage.world, "8002")];
    assert_eq!(seen, [Some(AgentActivity::Talking); 2]);
    assert_eq!(offered(&stage.world), 0, "while they talk");
    stage.world.behave(called, Behaviour::AnswerAfter(seconds(1)));
    stage.hang_up(caller);
    stage.until(seconds(5), |world| offered(world) == 1);
    stage.run(seconds(3));
    assert_eq!((calls_today(&stage.world, "8001"), calls_today(&stage.world, "8002")), (1, 2));
    stage.hang_up(waiting);
    let finished = stage.finish();
    assert_eq!(finished.cdrs.len(), 2);
    let direct =
        finished.cdrs.iter().find(|cdr| cdr.direction == Direction::Internal).expect("a call inside");
    assert_eq!(direct.recordings.len(), 1, "R5");
}

#[test]
fn a_colleagues_answer_decides_status_and_result() {
    for (behaviour, told, result) in [
        (Behaviour::Refuse(486), 486, CallResult::Busy),
        (Behaviour::Refuse(603), 603, CallResult::Rejected),
        (Behaviour::Ring, 480, CallResult::RingNoAnswer),
    ] {
        let mut stage = office("ring_seconds = 5", "");
        let (caller, called) = (stage.phone("8001"), stage.phone("8002"));
        stage.world.behave(called, behaviour);
        stage.dial(caller, "8002");
        stage.run(seconds(7));
        assert!(stage.world.has_happened(caller, &Happening::Refused(told)), "{behaviour:?}");
        assert!(reason(&stage.world, told).contains("text="));
        assert_eq!(activity(&stage.world, "8002"), Some(AgentActivity::Idle));
        let finished = stage.finish();
        assert_eq!(only(&finished).ending.result, result);
    }
    let mut stage = office("", "");
    let caller = stage.phone("8001");
    stage.dial(caller, "8003");
    stage.run(seconds(1));
    assert!(stage.world.has_happened(caller, &Happening::Refused(480)), "not registered");
    let finished = stage.finish();
    assert_eq!(only(&finished).ending.result, CallResult::Unreachable);
}

/// A phone of the queue's agent, or none, hangs up first.
fn talk_by(number: &str, ends: Option<&str>) -> (Stage, PeerId, PeerId) {
    let mut stage = office("", "");
    let (caller, called) = (stage.phone("8001"), stage.phone("8002"));
    stage.tell(caller, Command::Say(Sound::Tone(440.0)));
    stage.dial(caller, number);
    stage.until(seconds(40), bridged);
    stage.run(millis(500));
    if let Some(ends) = ends {
        let phone = stage.phone(ends);
        stage.hang_up(phone);
        stage.run(seconds(1));
    }
    (stage, caller, called)
}

#[test]
fn an_agent_waits_in_a_queue_like_a_customer_and_is_never_its_own_agent() {
    for ends in ["8001", "8002"] {
        let (mut stage, caller, called) = talk_by("6001", None);
        let since = stage.world.now();
        stage.run(seconds(2));
        assert!(heard(&stage.world, called, 440.0, since) >= millis(1_500));
        let seen = [activity(&stage.world, "8001"), activity(&stage.world, "8002")];
        assert_eq!(seen, [Some(AgentActivity::Talking); 2]);
        let phone = stage.phone(ends);
        stage.hang_up(phone);
        stage.run(seconds(5));
        assert!(!stage.world.peer(caller).is_in_call());
        let finished = stage.finish();
        let cdr = recorded_once(&finished);
        assert_eq!((cdr.visits.len(), cdr.parties.agent.as_ref()), (1, Some(&agent("8002"))));
        assert_eq!((cdr.direction, cdr.ending.result), (Direction::Internal, CallResult::Answered));
    }
}

#[test]
fn an_agent_who_dials_a_number_of_the_house_stays_inside() {
    for number in ["4008001111", "94008001111"] {
        let (stage, _, _) = talk_by(number, Some("8002"));
        let finished = stage.finish();
        let cdr = only(&finished);
        assert_eq!(cdr.parties.number.as_ref().map(|number| number.as_str()), Some("4008001111"));
        assert_eq!(cdr.direction, Direction::Internal);
        assert!(tried_nothing(cdr));
    }
}

fn tried_nothing(cdr: &Cdr) -> bool {
    cdr.segments.iter().all(|segment| segment.ways.is_empty())
}

#[test]
fn an_agent_who_is_reached_by_a_mobile_is_dialled_like_an_extension() {
    let mut stage = office("", "");
    let mobile = stage.mobile(Behaviour::AnswerAfter(seconds(2)));
    let phone = stage.phone("8001");
    stage.dial(phone, "8010");
    stage.until(seconds(10), bridged);
    stage.run(millis(200));
    let seen = [activity(&stage.world, "8001"), activity(&stage.world, "8010")];
    assert_eq!(seen, [Some(AgentActivity::Talking); 2]);
    stage.hang_up(mobile);
    stage.run(seconds(1));
    let finished = stage.finish();
    assert_eq!(recorded_once(&finished).parties.agent, Some(agent("8010")));
}

#[test]
fn the_carriers_words_before_an_answer_are_heard() {
    for answers in [true, false] {
        let mut stage = office("", "");
        let phone = stage.phone("8001");
        let mut hand = Hand::new(A);
        stage.dial(phone, "913900139000");
        let mut invite = None;
        hand.serve(&mut stage, seconds(1), |request| {
            (request.method == sip::Method::Invite && invite.is_none()).then(|| {
                invite = Some(request.clone());
                let mut early = reply(request, 183, &[("Contact", "<sip:sbc@203.0.113.101:5060>")]);
                early.set_body("application/sdp", Bytes::from(SDP));
                early
            })
        });
        assert!(stage.world.has_happened(phone, &Happening::Progress(183)));
        assert!(stage.world.has(|fact| matches!(fact, CallFact::EarlyMediaBegan)));
        let invite = invite.expect("an INVITE");
        let last = if answers { answered(&invite) } else { reply(&invite, 404, &[]) };
        let switch = stage.world.switch(0);
        let text = String::from_utf8(last.to_bytes().to_vec()).expect("ASCII");
        stage.world.send_by_hand(A.parse().expect("an address"), switch, &text);
        stage.run(millis(200));
        assert_eq!(stage.world.has_happened(phone, &Happening::Answered), answers);
        assert_eq!(stage.world.has_happened(phone, &Happening::Refused(404)), !answers);
        // 彩铃: who rang is not who answers, though both say the same; the 200 opens the source's lock for a moment.
        let leg = stage.world.call_facts().find_map(|(_, fact)| match fact {
            CallFact::AgentAnswered { leg, .. } => Some(*leg),
            _ => None,
        });
        assert_eq!(leg.map(|leg| stage.world.described(leg)), answers.then_some(2));
        if answers {
            stage.hang_up(phone);
            hand.serve(&mut stage, seconds(1), |request| Some(reply(request, 200, &[])));
        }
        let finished = stage.finish();
        let expected = if answers { CallResult::Answered } else { CallResult::NoSuchNumber };
        assert_eq!(only(&finished).ending.result, expected);
    }
}
