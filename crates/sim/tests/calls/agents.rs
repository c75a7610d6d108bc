//! What phones dial: feature codes, colleagues, and what an agent's own call means for its queue.

use std::time::Duration;

use model::event::{AgentActivity, AgentState, CallFact, Direction};
use model::outcome::{CallResult, HungUpBy};
use peers::{Behaviour, Command, Happening, Sound};
use sim::{Weather, World};

use crate::stage::{Stage, agent, ending, heard, millis, only, seconds};

fn state_of(world: &World, number: &str) -> Option<AgentState> {
    world.agent(&agent(number)).map(|view| view.state)
}

#[test]
fn feature_codes_choose_the_agents_state() {
    let mut stage = Stage::empty(1, Weather::FAIR);
    let phone = stage.register("8001");
    stage.run(seconds(1));
    for (code, wanted) in [
        ("*61", AgentState::Ready),
        ("*62", AgentState::Busy),
        ("*63", AgentState::Break { reason: "小休".into() }),
        ("*64", AgentState::Offline),
    ] {
        stage.dial(phone, code);
        stage.run(seconds(5));
        assert_eq!(state_of(&stage.world, "8001"), Some(wanted), "{code}");
        assert!(!stage.world.peer(phone).is_in_call(), "{code}");
    }
    let finished = stage.finish();
    assert_eq!(finished.cdrs.len(), 4);
    assert!(finished.cdrs.iter().all(|cdr| {
        ending(cdr) == (CallResult::SelfServed, HungUpBy::Switch) && cdr.direction == Direction::Internal
    }));
}

#[test]
fn a_feature_code_that_is_cancelled_at_once_leaves_one_record() {
    for offset in 0..20 {
        let mut stage = Stage::ready_in(offset, Weather::FAIR, &["8001"]);
        let phone = stage.phone("8001");
        stage.dial(phone, "*62");
        stage.run(millis(2 * offset));
        stage.hang_up(phone);
        stage.run(seconds(5));
        let finished = stage.finish();
        assert!(finished.cdrs.len() <= 1);
    }
}

#[test]
fn the_echo_lets_a_caller_hear_itself() {
    let mut stage = Stage::ready(&["8001"]);
    let phone = stage.phone("8001");
    stage.tell(phone, Command::Say(Sound::Tone(440.0)));
    stage.dial(phone, "*43");
    stage.run(seconds(1));
    let since = stage.world.now();
    stage.run(seconds(3));
    assert!(heard(&stage.world, phone, 440.0, since) >= millis(2_500));
    stage.hang_up(phone);
    let finished = stage.finish();
    assert_eq!(ending(only(&finished)).1, HungUpBy::Caller);
}

#[test]
fn a_wrong_password_is_no_call() {
    let mut stage = Stage::empty(1, Weather::FAIR);
    let phone = stage.new_phone("8001", "pbx.test", "guessed");
    let registrar = stage.world.switch(1);
    stage.tell(phone, Command::Register { registrar, expires: seconds(600) });
    stage.run(seconds(1));
    assert!(stage.world.has_happened(phone, &Happening::RegisterFailed(401)));
    stage.dial(phone, "8002");
    stage.run(seconds(2));
    assert!(stage.world.has_happened(phone, &Happening::Refused(407)));
    assert!(stage.finish().cdrs.is_empty());
}

#[test]
fn a_colleague_is_rung_by_extension_and_both_hear_each_other() {
    for (ends, by) in [("8001", HungUpBy::Caller), ("8002", HungUpBy::Agent)] {
        let mut stage = Stage::ready(&["8001", "8002"]);
        let (caller, called) = (stage.phone("8001"), stage.phone("8002"));
        stage.tell(caller, Command::Say(Sound::Tone(440.0)));
        stage.tell(called, Command::Say(Sound::Tone(660.0)));
        stage.dial(caller, "8002");
        stage.until(seconds(5), |world| world.has_happened(caller, &Happening::Progress(180)));
        stage.until(seconds(5), |world| world.has_happened(caller, &Happening::Answered));
        stage.run(millis(500));
        let since = stage.world.now();
        stage.run(seconds(2));
        assert!(heard(&stage.world, caller, 660.0, since) >= millis(1_500));
        assert!(heard(&stage.world, called, 440.0, since) >= millis(1_500));
        let ending_phone = stage.phone(ends);
        stage.hang_up(ending_phone);
        stage.run(seconds(5));
        let finished = stage.finish();
        let cdr = only(&finished);
        assert_eq!(ending(cdr).0, CallResult::Answered);
        assert_eq!(cdr.segments.len(), 1);
        if by == HungUpBy::Caller {
            assert_eq!(ending(cdr).1, by);
        }
    }
}

#[test]
fn a_colleague_who_refuses_or_does_not_answer_ends_the_call_with_a_status() {
    for (behaviour, longest, result) in [
        (Behaviour::Refuse(486), 3, CallResult::Busy),
        (Behaviour::Refuse(603), 3, CallResult::Rejected),
        (Behaviour::Ring, 70, CallResult::RingNoAnswer),
        (Behaviour::Ignore, 70, CallResult::Unreachable),
    ] {
        let mut stage = Stage::ready(&["8001", "8002"]);
        let (caller, called) = (stage.phone("8001"), stage.phone("8002"));
        stage.world.behave(called, behaviour);
        stage.dial(caller, "8002");
        stage.run(seconds(longest));
        assert!(!stage.world.peer(caller).is_in_call(), "{behaviour:?}");
        assert!(
            stage.world.happened(caller).iter().any(|(_, h)| matches!(h, Happening::Refused(400..=699))),
            "{behaviour:?}"
        );
        stage.world.behave(called, Behaviour::Ring);
        let finished = stage.finish();
        assert_eq!(only(&finished).ending.result, result, "{behaviour:?}");
    }
}

#[test]
fn an_unknown_extension_is_not_found() {
    let mut stage = Stage::ready(&["8001"]);
    let phone = stage.phone("8001");
    stage.dial(phone, "8999");
    stage.run(seconds(1));
    assert!(stage.world.has_happened(phone, &Happening::Refused(404)));
    assert_eq!(stage.finish().cdrs.len(), 1);
}

#[test]
fn an_agent_who_calls_a_colleague_gets_no_caller_meanwhile() {
    let mut stage = Stage::ready(&["8001", "8002"]);
    let (first, second) = (stage.phone("8001"), stage.phone("8002"));
    stage.choose("8002", AgentState::Busy);
    stage.dial(first, "8002");
    stage.until(seconds(10), |world| world.has_happened(first, &Happening::Answered));
    assert_eq!(stage.world.agent(&agent("8001")).map(|view| view.activity), Some(AgentActivity::Talking));
    let caller = stage.call("4008001111");
    stage.run(seconds(5));
    let to_an_agent = |fact: &CallFact| matches!(fact, CallFact::Offered { entry: Some(_), .. });
    assert_eq!(stage.world.count(to_an_agent), 0);
    stage.hang_up(second);
    stage.until(seconds(10), |world| world.count(to_an_agent) == 1);
    stage.until_fact(seconds(10), |fact| matches!(fact, CallFact::AgentAnswered { .. }));
    stage.run(seconds(1));
    stage.hang_up(caller);
    stage.finish();
}

#[test]
fn a_phone_that_vanishes_in_a_conversation_ends_it_and_its_agent_is_not_a_black_hole() {
    let mut stage = Stage::ready(&["8001", "8002"]);
    let caller = stage.talk();
    let phone = stage.phone("8001");
    assert!(stage.world.peer(phone).is_in_call());
    stage.world.unplug(phone);
    // Neither signalling nor speech: the media timeout of 20 s ends the conversation.
    stage.until(Duration::from_secs(60), |world| world.calls().is_empty());
    stage.run(millis(100));
    assert!(!stage.world.peer(caller).is_in_call());
    stage.run(seconds(10));
    let next = stage.call("4008001111");
    stage.until(seconds(30), |world| world.count(|fact| matches!(fact, CallFact::Bridged { .. })) == 2);
    stage.hang_up(next);
    stage.run(seconds(1));
    stage.world.plug(phone);
    stage.hang_up(phone);
    stage.finish();
}
