//! Calls that the switch makes for an agent (双线外呼, R21): either side first, whoever answers, refuses or hangs up.

use model::command::First;
use model::event::{AgentActivity, AgentState, CallFact, Direction};
use model::outcome::{CallResult, HungUpBy, RefusalCause};
use peers::{Behaviour, Command, Happening, Sound};
use sim::{Finished, PeerId};

use crate::dialling::office;
use crate::stage::{Stage, agent, ending, heard, millis, only, seconds};
use crate::trunks::{A, bridged, carrier};

const NUMBER: &str = "13900139000";

/// The office with both sides, as they behave.
fn set_up(phone: Behaviour, number: Behaviour) -> (Stage, PeerId, PeerId) {
    let mut stage = office("wrap_up_seconds = 4", "");
    stage.choose("8002", AgentState::Busy);
    let (inside, outside) = (stage.phone("8001"), carrier(&mut stage, A, number));
    stage.world.behave(inside, phone);
    stage.tell(inside, Command::Say(Sound::Tone(440.0)));
    stage.tell(outside, Command::Say(Sound::Tone(660.0)));
    (stage, inside, outside)
}

/// The one record has this result and no recording.
fn assert_unrecorded(finished: &Finished, result: CallResult, first: First) {
    let cdr = only(finished);
    assert_eq!((cdr.ending.result, cdr.recordings.len()), (result, 0), "{first:?}");
}

fn activity(stage: &Stage) -> Option<AgentActivity> {
    stage.world.agent(&agent("8001")).map(|view| view.activity)
}

#[test]
fn both_sides_hear_each_other_and_both_legs_are_on_the_record() {
    let answers = Behaviour::AnswerAfter(seconds(2));
    for first in [First::Agent, First::Number] {
        for (inside_ends, by) in [(true, HungUpBy::Agent), (false, HungUpBy::Caller)] {
            let (mut stage, inside, outside) = set_up(answers, answers);
            stage.world.originate(&agent("8001"), NUMBER, first).expect("a call");
            stage.run(seconds(1));
            let first_called = if first == First::Agent { inside } else { outside };
            let second_called = if first == First::Agent { outside } else { inside };
            assert!(!stage.world.happened(first_called).is_empty());
            assert!(
                !stage
                    .world
                    .happened(second_called)
                    .iter()
                    .any(|(_, h)| matches!(h, Happening::Called { .. }))
            );
            assert_eq!(activity(&stage), Some(AgentActivity::Ringing), "no caller is offered meanwhile");
            let waiting = stage.call("4008001111");
            stage.until(seconds(10), bridged);
            stage.run(millis(500));
            assert_eq!(activity(&stage), Some(AgentActivity::Talking));
            let since = stage.world.now();
            stage.run(seconds(2));
            assert!(heard(&stage.world, inside, 660.0, since) >= millis(1_500));
            assert!(heard(&stage.world, outside, 440.0, since) >= millis(1_500));
            let shown = |number: &str| Happening::Called { name: None, number: number.to_owned() };
            assert!(stage.world.has_happened(outside, &shown("01065551234")), "R21: a number of that trunk");
            assert!(
                stage.world.has_happened(inside, &shown(NUMBER)),
                "the agent sees whom it is joined with"
            );
            let offered = |fact: &CallFact| matches!(fact, CallFact::Offered { entry: Some(_), .. });
            assert_eq!(stage.world.count(offered), 0);
            stage.hang_up(if inside_ends { inside } else { outside });
            stage.run(millis(300));
            assert_eq!(activity(&stage), Some(AgentActivity::WrapUp));
            stage.hang_up(waiting);
            let finished = stage.finish();
            let cdr = finished.cdrs.iter().find(|cdr| cdr.direction == Direction::Out).expect("a call out");
            assert_eq!(ending(cdr), (CallResult::Answered, by), "{first:?}");
            assert_eq!((cdr.segments.len(), cdr.recordings.len()), (2, 1));
            assert_eq!(cdr.parties.agent_of_record(), Some(&agent("8001")));
            assert!(cdr.segments[0].rang.is_some() && cdr.segments[0].answered.is_none());
            assert!(cdr.segments[1].bridged.is_some() && cdr.times.switch_answered.is_some());
        }
    }
}

#[test]
fn a_first_side_that_is_not_reached_ends_the_call_and_the_other_is_never_rung() {
    let answers = Behaviour::AnswerAfter(seconds(1));
    for (first, behaviour, result) in [
        (First::Agent, Behaviour::Refuse(486), CallResult::Busy),
        (First::Agent, Behaviour::Ring, CallResult::RingNoAnswer),
        (First::Number, Behaviour::Ring, CallResult::RingNoAnswer),
        (First::Number, Behaviour::Refuse(404), CallResult::NoSuchNumber),
        (First::Number, Behaviour::Refuse(480), CallResult::Unreachable),
    ] {
        let (phone, number) = if first == First::Agent { (behaviour, answers) } else { (answers, behaviour) };
        let (mut stage, inside, outside) = set_up(phone, number);
        stage.world.originate(&agent("8001"), NUMBER, first).expect("a call");
        stage.run(seconds(200));
        let second = if first == First::Agent { outside } else { inside };
        assert!(!stage.world.happened(second).iter().any(|(_, h)| matches!(h, Happening::Called { .. })));
        assert_eq!(activity(&stage), Some(AgentActivity::Idle));
        assert_unrecorded(&stage.finish(), result, first);
    }
}

#[test]
fn a_second_side_that_is_not_reached_is_a_busy_tone_to_the_first() {
    let answers = Behaviour::AnswerAfter(seconds(1));
    for (first, behaviour, cause, result) in [
        (First::Agent, Behaviour::Refuse(486), RefusalCause::Busy, CallResult::Busy),
        (First::Agent, Behaviour::Refuse(404), RefusalCause::Unreachable, CallResult::NoSuchNumber),
        (First::Agent, Behaviour::Ring, RefusalCause::NoAnswer, CallResult::RingNoAnswer),
        (First::Number, Behaviour::Refuse(603), RefusalCause::Rejected, CallResult::Rejected),
        (First::Number, Behaviour::Ring, RefusalCause::NoAnswer, CallResult::RingNoAnswer),
    ] {
        let (phone, number) = if first == First::Agent { (answers, behaviour) } else { (behaviour, answers) };
        let (mut stage, inside, outside) = set_up(phone, number);
        stage.world.originate(&agent("8001"), NUMBER, first).expect("a call");
        let refused =
            |fact: &CallFact| matches!(fact, CallFact::OfferRefused { cause: c, .. } if *c == cause);
        stage.until_fact(seconds(200), refused);
        let since = stage.world.now();
        stage.run(seconds(1));
        let listener = if first == First::Agent { inside } else { outside };
        assert!(heard(&stage.world, listener, 450.0, since) >= millis(300), "{first:?}");
        stage.run(seconds(5));
        assert!(!stage.world.peer(listener).is_in_call());
        assert_unrecorded(&stage.finish(), result, first);
    }
}

#[test]
fn a_side_that_hangs_up_or_an_operator_at_any_moment_leaves_nothing_behind() {
    let answers = Behaviour::AnswerAfter(seconds(1));
    for first in [First::Agent, First::Number] {
        for wait in [0, 2, 30, 900, 1_003, 1_030, 1_500, 2_002, 2_040, 2_500] {
            for who in 0..3 {
                let (mut stage, inside, outside) = set_up(answers, answers);
                let call = stage.world.originate(&agent("8001"), NUMBER, first).expect("a call");
                stage.run(millis(wait));
                match who {
                    0 => stage.hang_up(inside),
                    1 => stage.hang_up(outside),
                    _ => stage.world.hang_up(call),
                }
                stage.run(seconds(10));
                stage.hang_up(inside);
                stage.hang_up(outside);
                let finished = stage.finish();
                only(&finished);
            }
        }
    }
}

#[test]
fn an_agent_who_is_not_to_be_disturbed_is_called_for_its_own_call() {
    let answers = Behaviour::AnswerAfter(seconds(1));
    let (mut stage, inside, _) = set_up(answers, answers);
    for code in ["*78", "*728003"] {
        stage.dial(inside, code);
        stage.run(seconds(3));
    }
    stage.world.originate(&agent("8001"), NUMBER, First::Agent).expect("a call");
    stage.until(seconds(10), bridged);
    stage.hang_up(inside);
    stage.run(seconds(1));
    stage.finish();
}

#[test]
fn what_may_not_be_called_is_no_call() {
    let answers = Behaviour::AnswerAfter(seconds(1));
    let (mut stage, _, _) = set_up(answers, answers);
    for (who, to, words) in [
        ("8001", "0085212345678", "class of service"),
        ("8001", "8999", "no such number"),
        ("8001", "8001", "itself"),
        ("8999", NUMBER, "no such agent"),
    ] {
        let why = stage.world.originate(&agent(who), to, First::Agent).expect_err("no call");
        assert!(why.contains(words), "{why}");
    }
    stage.world.drain();
    assert!(stage.world.originate(&agent("8001"), NUMBER, First::Agent).is_err());
    assert!(stage.finish().cdrs.is_empty());
}

#[test]
fn colleagues_are_joined_and_a_mobile_agent_is_one_like_any_other() {
    let answers = Behaviour::AnswerAfter(seconds(1));
    for (who, to) in [("8001", "8002"), ("8010", "8001")] {
        let (mut stage, inside, _) = set_up(answers, answers);
        let mobile = stage.mobile(answers);
        stage.world.originate(&agent(who), to, First::Agent).expect("a call");
        stage.until(seconds(10), bridged);
        stage.run(millis(300));
        assert!(stage.world.peer(inside).is_in_call());
        assert_eq!(stage.world.peer(mobile).is_in_call(), who == "8010");
        stage.hang_up(inside);
        stage.run(seconds(5));
        let finished = stage.finish();
        let cdr = only(&finished);
        assert_eq!((cdr.direction, cdr.ending.result), (Direction::Internal, CallResult::Answered));
        assert_eq!(cdr.recordings.len(), 1);
    }
}

#[test]
fn a_phone_that_rings_for_its_agents_own_call_cannot_be_picked_up() {
    let (mut stage, inside, outside) = set_up(Behaviour::Ring, Behaviour::Ring);
    stage.sign_in(&["8003"]);
    let picker = stage.phone("8003");
    stage.world.originate(&agent("8001"), NUMBER, First::Agent).expect("a call");
    stage.until_fact(seconds(5), |fact| matches!(fact, CallFact::Ringing { .. }));
    for code in ["**8001", "*8"] {
        stage.dial(picker, code);
        stage.run(seconds(1));
        assert!(stage.world.has_happened(picker, &Happening::Refused(404)), "{code}");
    }
    assert!(!stage.world.has_happened(inside, &Happening::Cancelled));
    stage.run(seconds(200));
    assert!(!stage.world.happened(outside).iter().any(|(_, h)| matches!(h, Happening::Called { .. })));
    stage.finish();
}
