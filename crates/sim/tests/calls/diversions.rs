//! Forwards (呼叫转移), do-not-disturb (免打扰) and calling back, as phones set them by feature codes.

use model::diversion::{Disturb, Diversion};
use model::event::{AgentState, CallFact, Event, PhoneFact};
use model::outcome::{CallResult, RefusalCause};
use peers::{Behaviour, Happening};
use sim::World;

use crate::dialling::{office, reason};
use crate::stage::{Stage, agent, millis, seconds};
use crate::trunks::{A, bridged, carrier};

/// What a phone set last.
fn set(world: &World, number: &str) -> Diversion {
    let told = world.facts().iter().rev().find_map(|stamped| match &stamped.event {
        Event::Phone { aor, fact: PhoneFact::Diverted { diversion }, .. } if aor.user() == number => {
            Some(diversion.clone())
        }
        _ => None,
    });
    told.unwrap_or_default()
}

/// Dials codes one after the other, each to its end.
fn dial_codes(stage: &mut Stage, number: &str, codes: &[&str]) {
    for code in codes {
        let phone = stage.phone(number);
        stage.dial(phone, code);
        stage.run(seconds(3));
        assert!(!stage.world.peer(phone).is_in_call(), "{code}");
    }
}

/// The parties that were offered the call, in order, and why an offer ended without an answer.
fn offered(world: &World) -> (Vec<String>, Vec<RefusalCause>) {
    let party = |(_, fact): (_, &CallFact)| match fact {
        CallFact::Offered { party, .. } => Some(party.to_string()),
        _ => None,
    };
    let refused = |(_, fact): (_, &CallFact)| match fact {
        CallFact::OfferRefused { cause, .. } => Some(*cause),
        _ => None,
    };
    (world.call_facts().filter_map(party).collect(), world.call_facts().filter_map(refused).collect())
}

#[test]
fn codes_set_and_clear_each_kind() {
    let mut stage = office("", "");
    for (on, off, of) in [("*728002", "*73", 0), ("*908002", "*91", 1), ("*928002", "*93", 2)] {
        dial_codes(&mut stage, "8001", &[on]);
        let now = set(&stage.world, "8001");
        let kinds = [now.always, now.busy, now.no_answer];
        let expected: [Option<&str>; 3] = std::array::from_fn(|place| (place == of).then_some("8002"));
        assert_eq!(kinds.each_ref().map(Option::as_deref), expected, "{on}");
        dial_codes(&mut stage, "8001", &[off]);
        assert_eq!(set(&stage.world, "8001"), Diversion::default(), "{off}");
    }
    dial_codes(&mut stage, "8001", &["*78"]);
    assert_eq!(set(&stage.world, "8001").disturb, Disturb::No);
    let state = |stage: &Stage| stage.world.agent(&agent("8001")).map(|view| view.state);
    assert_eq!(state(&stage), Some(AgentState::Busy));
    dial_codes(&mut stage, "8001", &["*79"]);
    assert_eq!((set(&stage.world, "8001").disturb, state(&stage)), (Disturb::Yes, Some(AgentState::Ready)));
    // Who went home meanwhile is not called to work by the code.
    dial_codes(&mut stage, "8001", &["*78"]);
    stage.choose("8001", AgentState::Offline);
    dial_codes(&mut stage, "8001", &["*79"]);
    assert_eq!(state(&stage), Some(AgentState::Offline));
    let finished = stage.finish();
    assert!(finished.cdrs.iter().all(|cdr| cdr.ending.result == CallResult::SelfServed));
}

#[test]
fn a_forward_that_leads_nowhere_or_where_the_class_does_not_go_is_not_set() {
    for (code, status, words) in [
        ("*72", 484, "a number belongs behind"),
        ("*728001", 482, "itself"),
        ("*728999", 404, "only an extension"),
        ("*726001", 404, "only an extension"),
        ("*724008001111", 404, "only an extension"),
        ("*7290085212345678", 403, "class of service"),
    ] {
        let mut stage = office("", "");
        let phone = stage.phone("8001");
        stage.dial(phone, code);
        stage.run(seconds(1));
        assert!(stage.world.has_happened(phone, &Happening::Refused(status)), "{code}");
        assert!(reason(&stage.world, status).contains(words), "{code}");
        assert_eq!(set(&stage.world, "8001"), Diversion::default(), "{code}");
        stage.finish();
    }
}

#[test]
fn calls_go_where_the_phone_sends_them() {
    let idle = Behaviour::AnswerAfter(seconds(1));
    for (code, behaviour, cause) in [
        ("*728003", idle, RefusalCause::Forwarded),
        ("*908003", Behaviour::Refuse(486), RefusalCause::Busy),
        ("*908003", Behaviour::Refuse(603), RefusalCause::Rejected),
        ("*928003", Behaviour::Ring, RefusalCause::NoAnswer),
    ] {
        let mut stage = office("forward_after_seconds = 5", "");
        stage.sign_in(&["8003"]);
        dial_codes(&mut stage, "8002", &[code]);
        let (caller, rung, last) = (stage.phone("8001"), stage.phone("8002"), stage.phone("8003"));
        stage.world.behave(rung, behaviour);
        stage.world.behave(last, idle);
        stage.dial(caller, "8002");
        stage.until(seconds(10), bridged);
        stage.run(seconds(1));
        assert!(stage.world.peer(last).is_in_call() && !stage.world.peer(rung).is_in_call(), "{code}");
        let (parties, causes) = offered(&stage.world);
        assert_eq!((parties, causes), (vec!["8002".to_owned(), "8003".to_owned()], vec![cause]), "{code}");
        stage.hang_up(caller);
        stage.run(seconds(1));
        let finished = stage.finish();
        let cdr = finished.cdrs.last().expect("a record");
        assert_eq!((cdr.ending.result, cdr.segments.len()), (CallResult::Answered, 2));
        assert_eq!((cdr.parties.agent.as_ref(), cdr.recordings.len()), (Some(&agent("8003")), 1));
    }
}

#[test]
fn a_phone_that_is_gone_forwards_to_a_number_outside_by_its_own_class() {
    for barred in [false, true] {
        let mut stage = office("", if barred { "class_of_service = \"house\"\n" } else { "" });
        let outside = carrier(&mut stage, A, Behaviour::AnswerAfter(seconds(1)));
        dial_codes(&mut stage, "8002", &["*92913900139000"]);
        assert_eq!(set(&stage.world, "8002").no_answer.is_none(), barred);
        let phone = stage.phone("8002");
        stage.tell(phone, peers::Command::Unregister);
        stage.run(seconds(1));
        let caller = stage.phone("8001");
        stage.dial(caller, "8002");
        stage.run(seconds(5));
        assert_eq!(stage.world.peer(outside).is_in_call(), !barred);
        stage.hang_up(caller);
        stage.run(seconds(1));
        let finished = stage.finish();
        let expected = if barred { CallResult::Unreachable } else { CallResult::Answered };
        assert_eq!(finished.cdrs.last().map(|cdr| cdr.ending.result), Some(expected));
    }
}

#[test]
fn forwards_never_go_round() {
    // In a circle, back to who calls, and along more phones than there may be.
    for (sets, most) in [
        (&[("8002", "*728003"), ("8003", "*728002")][..], 5),
        (&[("8002", "*728001")][..], 5),
        (&[("8002", "*728003"), ("8003", "*728004")][..], 1),
    ] {
        let mut stage = office(&format!("max_forwards = {most}"), "");
        stage.sign_in(&["8003", "8004"]);
        for (number, code) in sets {
            dial_codes(&mut stage, number, &[code]);
        }
        let caller = stage.phone("8001");
        stage.dial(caller, "8002");
        stage.run(seconds(2));
        assert!(stage.world.has_happened(caller, &Happening::Refused(482)), "{sets:?}");
        assert!(reason(&stage.world, 482).contains("circle"));
        let finished = stage.finish();
        assert_eq!(finished.cdrs.last().map(|cdr| cdr.ending.result), Some(CallResult::Failure));
    }
}

#[test]
fn a_phone_that_is_not_to_be_disturbed_does_not_ring_for_colleagues_nor_queues() {
    let mut stage = office("", "");
    dial_codes(&mut stage, "8002", &["*78"]);
    stage.choose("8001", AgentState::Busy);
    let (caller, quiet) = (stage.phone("8001"), stage.phone("8002"));
    stage.dial(caller, "8002");
    stage.run(seconds(1));
    assert!(stage.world.has_happened(caller, &Happening::Refused(486)));
    assert!(reason(&stage.world, 486).contains("disturbed"));
    // The agent's state keeps callers away; whoever is made ready by hand refuses all the same.
    let waiting = stage.call("4008001111");
    stage.run(seconds(3));
    stage.choose("8002", AgentState::Ready);
    stage.run(seconds(3));
    let rang = |happening: &Happening| matches!(happening, Happening::Called { .. });
    assert!(!stage.world.happened(quiet).iter().any(|(_, happening)| rang(happening)));
    // With a forward for busy calls, colleagues go there.
    stage.sign_in(&["8003"]);
    dial_codes(&mut stage, "8002", &["*908003"]);
    stage.dial(caller, "8002");
    stage.until(seconds(10), bridged);
    stage.run(millis(500));
    stage.hang_up(caller);
    stage.dial(quiet, "*79");
    stage.until(seconds(40), |world| world.happened(quiet).iter().any(|(_, happening)| rang(happening)));
    stage.run(seconds(3));
    stage.hang_up(waiting);
    stage.finish();
}

#[test]
fn a_phone_calls_back_who_called_last() {
    let mut stage = office("", "");
    let phone = stage.phone("8002");
    stage.dial(phone, "*69");
    stage.run(seconds(1));
    assert!(stage.world.has_happened(phone, &Happening::Refused(404)), "nobody has called");
    stage.world.behave(phone, Behaviour::Ring);
    let caller = stage.phone("8001");
    stage.dial(caller, "8002");
    stage.run(seconds(1));
    stage.hang_up(caller);
    stage.run(seconds(1));
    stage.dial(phone, "*69");
    stage.until(seconds(10), bridged);
    stage.run(millis(300));
    assert!(stage.world.peer(caller).is_in_call());
    stage.hang_up(phone);
    stage.run(seconds(1));
    // A customer of the queue, outside, without the prefix that a person would dial.
    stage.choose("8001", AgentState::Busy);
    let outside = carrier(&mut stage, A, Behaviour::AnswerAfter(seconds(1)));
    let customer = stage.call("4008001111");
    stage.run(seconds(3));
    stage.hang_up(customer);
    stage.run(seconds(1));
    stage.dial(phone, "*69");
    stage.run(seconds(3));
    assert!(stage.world.peer(outside).is_in_call());
    stage.hang_up(phone);
    stage.run(seconds(1));
    let finished = stage.finish();
    let last = finished.cdrs.last().expect("a record");
    assert_eq!(last.parties.answered_by.as_deref(), Some("13800138001"));
    assert_eq!(finished.cdrs.len(), 5);
}

#[test]
fn what_a_phone_has_set_outlives_a_reload() {
    let mut stage = office("", "");
    stage.sign_in(&["8003"]);
    dial_codes(&mut stage, "8002", &["*728003"]);
    let sources = crate::dialling::folder_of("ring_seconds = 9", "");
    stage.world.reload(&sources).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    let caller = stage.phone("8001");
    stage.dial(caller, "8002");
    stage.until(seconds(5), bridged);
    stage.hang_up(caller);
    stage.run(seconds(1));
    let finished = stage.finish();
    let cdr = finished.cdrs.last().expect("a record");
    assert_eq!(cdr.parties.agent.as_ref(), Some(&agent("8003")));
}
