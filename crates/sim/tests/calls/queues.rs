//! Waiting, being offered, being refused, and answers that cross with everything else.

use std::time::Duration;

use model::event::{AgentActivity, AgentState, CallFact};
use model::outcome::{CallResult, EntryOutcome, HungUpBy, RefusalCause, WithdrawCause};
use model::say::SayItem;
use peers::{Behaviour, Command, Happening};
use sim::{PeerId, Weather, World};

use crate::stage::{Stage, agent, ending, millis, only, queue, seconds};

fn bridges(world: &World) -> usize {
    world.count(|fact| matches!(fact, CallFact::Bridged { .. }))
}

/// The caller is in the queue without menu.
fn waits_plainly(stage: &mut Stage) -> PeerId {
    let before = stage.world.count(|fact| matches!(fact, CallFact::Queued { .. }));
    let caller = stage.call("4008001111");
    stage.until(seconds(10), |world| world.count(|fact| matches!(fact, CallFact::Queued { .. })) > before);
    caller
}

#[test]
fn callers_who_wait_are_served_in_their_order() {
    let mut stage = Stage::ready(&["8001"]);
    let callers: Vec<PeerId> = (0..3).map(|_| waits_plainly(&mut stage)).collect();
    for (place, caller) in callers.iter().enumerate() {
        stage.until(seconds(20), |world| bridges(world) == place + 1);
        stage.run(seconds(1));
        let talking: Vec<_> =
            stage.world.calls().into_iter().filter(|call| call.stage == call::LiveStage::Talking).collect();
        let user = stage.world.peer(*caller).config().user.clone();
        assert_eq!(talking.iter().map(|call| call.caller.to_string()).collect::<Vec<_>>(), [user]);
        stage.hang_up(*caller);
        stage.run(seconds(1));
    }
    let finished = stage.finish();
    assert!(finished.cdrs.iter().all(|cdr| cdr.ending.result == CallResult::Answered));
}

#[test]
fn the_next_agent_rings_whatever_the_first_one_does_and_the_place_is_kept() {
    let cases = [
        (Behaviour::Refuse(486), Some(RefusalCause::Busy)),
        (Behaviour::Refuse(600), Some(RefusalCause::Busy)),
        (Behaviour::Refuse(603), Some(RefusalCause::Rejected)),
        (Behaviour::Refuse(480), Some(RefusalCause::Rejected)),
        (Behaviour::Refuse(404), Some(RefusalCause::Unreachable)),
        (Behaviour::Refuse(488), Some(RefusalCause::Incompatible)),
        (Behaviour::Refuse(500), Some(RefusalCause::Unreachable)),
        (Behaviour::Ring, None),
        (Behaviour::Ignore, None),
    ];
    for (behaviour, refusal) in cases {
        let mut stage = Stage::ready(&["8001", "8002"]);
        let (first, second) = (stage.phone("8001"), stage.phone("8002"));
        stage.world.behave(first, behaviour);
        let caller = waits_plainly(&mut stage);
        stage.until(seconds(25), |world| bridges(world) == 1);
        assert!(stage.world.peer(second).is_in_call(), "{behaviour:?}");
        match refusal {
            Some(cause) => assert!(
                stage
                    .world
                    .has(|fact| matches!(fact, CallFact::OfferRefused { cause: c, .. } if *c == cause)),
                "{behaviour:?}: {:#?}",
                stage.world.call_facts().collect::<Vec<_>>()
            ),
            None => assert!(stage.world.has(|fact| matches!(
                fact,
                CallFact::OfferWithdrawn { cause: WithdrawCause::RingTimeout, .. }
            ))),
        }
        stage.run(seconds(1));
        stage.world.behave(first, Behaviour::Ring);
        stage.hang_up(caller);
        let finished = stage.finish();
        let cdr = only(&finished);
        assert_eq!((cdr.visits.len(), cdr.segments.len()), (1, 2), "{behaviour:?}");
        assert_eq!(ending(cdr), (CallResult::Answered, HungUpBy::Caller));
    }
}

#[test]
fn a_phone_that_cannot_be_reached_at_all_is_passed_over() {
    let mut stage = Stage::ready(&["8001", "8002"]);
    let first = stage.phone("8001");
    stage.world.unplug(first);
    let caller = waits_plainly(&mut stage);
    stage.until(seconds(25), |world| bridges(world) == 1);
    let second = stage.phone("8002");
    stage.hang_up(second);
    stage.run(seconds(5));
    assert!(!stage.world.peer(caller).is_in_call());
    stage.world.plug(first);
    let finished = stage.finish();
    assert_eq!(only(&finished).ending.result, CallResult::Answered);
}

#[test]
fn a_position_is_told_only_when_it_got_better() {
    let mut stage = Stage::ready(&["8001"]);
    stage.choose("8001", AgentState::Busy);
    let callers: Vec<PeerId> = (0..3)
        .map(|place| {
            let caller = stage.call("4008001234");
            stage.run(seconds(6));
            stage.press(caller, '1');
            stage.until(seconds(10), |world| {
                world.count(|fact| matches!(fact, CallFact::Queued { .. })) == place + 1
            });
            caller
        })
        .collect();
    stage.run(seconds(15));
    stage.hang_up(callers[0]);
    stage.run(seconds(12));
    let told: Vec<u32> = stage
        .world
        .call_facts()
        .filter_map(|(_, fact)| match fact {
            CallFact::PositionTold { ahead, .. } => Some(*ahead),
            _ => None,
        })
        .collect();
    let said = stage
        .world
        .said()
        .iter()
        .filter(|said| said.items.iter().any(|item| matches!(item, SayItem::QueuePosition(_))));
    assert_eq!(said.count(), told.len());
    // Each of the three on arrival, then the two behind the first one, once.
    assert_eq!(told.len(), 5, "{told:?}");
    assert_eq!(told.iter().filter(|ahead| **ahead == 0).count(), 2, "{told:?}");
    assert_eq!(told.iter().filter(|ahead| **ahead == 2).count(), 1, "{told:?}");
    stage.hang_up(callers[1]);
    stage.hang_up(callers[2]);
    stage.finish();
}

#[test]
fn the_maximum_wait_leads_on_and_is_the_result() {
    let mut stage = Stage::ready(&["8001"]);
    stage.choose("8001", AgentState::Break { reason: "用餐".into() });
    let caller = stage.call("4008001234");
    stage.run(seconds(6));
    stage.press(caller, '1');
    stage.until_fact(seconds(80), |fact| {
        matches!(fact, CallFact::Dequeued { outcome: EntryOutcome::TimedOut, .. })
    });
    stage.until(seconds(10), |world| world.calls().is_empty());
    let finished = stage.finish();
    assert_eq!(ending(only(&finished)), (CallResult::QueueTimeout, HungUpBy::Switch));
    assert!((seconds(59)..seconds(61)).contains(&only(&finished).lengths.wait));
}

#[test]
fn a_full_queue_and_one_without_agents_lead_on() {
    let mut stage = Stage::ready(&["8001"]);
    // Nobody of the queue is signed in: on to the plain one.
    let first = stage.call("4008005555");
    stage.until(seconds(10), |world| bridges(world) == 1);
    assert!(stage.world.has(|f| matches!(f, CallFact::Dequeued { outcome: EntryOutcome::NoAgent, .. })));
    stage.hang_up(first);
    stage.run(seconds(1));
    stage.sign_in(&["8003"]);
    stage.choose("8003", AgentState::Busy);
    stage.run(seconds(1));
    let second = stage.call("4008005555");
    stage.run(seconds(2));
    assert_eq!(stage.world.queue(&queue("tight")).map(|view| view.entries.len()), Some(1));
    let third = stage.call("4008005555");
    stage.until(seconds(10), |world| bridges(world) == 2);
    assert!(stage.world.has(|f| matches!(f, CallFact::Dequeued { outcome: EntryOutcome::Full, .. })));
    stage.run(seconds(1));
    stage.hang_up(second);
    stage.hang_up(third);
    let finished = stage.finish();
    let results: Vec<_> = finished.cdrs.iter().map(|cdr| cdr.ending.result).collect();
    assert_eq!(results.iter().filter(|result| **result == CallResult::Answered).count(), 2, "{results:?}");
    assert!(results.contains(&CallResult::AbandonedInQueue), "{results:?}");
}

#[test]
fn wrap_up_keeps_the_next_caller_away() {
    let mut stage = Stage::ready(&["8001"]);
    let caller = stage.talk();
    stage.hang_up(caller);
    stage.run(millis(500));
    assert_eq!(stage.world.agent(&agent("8001")).map(|view| view.activity), Some(AgentActivity::WrapUp));
    let next = waits_plainly(&mut stage);
    stage.run(seconds(3));
    assert_eq!(stage.world.count(|fact| matches!(fact, CallFact::Offered { .. })), 1);
    stage.until(seconds(10), |world| bridges(world) == 2);
    stage.hang_up(next);
    stage.finish();
}

#[test]
fn an_agent_who_unregisters_in_mid_ring_is_left_for_the_next() {
    let mut stage = Stage::ready(&["8001", "8002"]);
    let first = stage.phone("8001");
    stage.world.behave(first, Behaviour::Ring);
    let caller = waits_plainly(&mut stage);
    stage.until_fact(seconds(10), |fact| matches!(fact, CallFact::Ringing { .. }));
    stage.tell(first, Command::Unregister);
    stage.until(seconds(8), |world| bridges(world) == 1);
    assert!(stage.world.has_happened(first, &Happening::Cancelled));
    assert_eq!(stage.world.agent(&agent("8001")).map(|view| view.activity), Some(AgentActivity::Unreachable));
    stage.hang_up(caller);
    let finished = stage.finish();
    assert_eq!(only(&finished).segments.len(), 2);
}

#[test]
fn an_agent_whose_binding_expires_in_mid_ring_is_left_for_the_next() {
    let mut stage = Stage::ready(&["8002"]);
    stage.choose("8002", AgentState::Busy);
    let first = stage.new_phone("8001", "pbx.test", "secret");
    let registrar = stage.world.switch(1);
    stage.tell(first, Command::Register { registrar, expires: seconds(60) });
    stage.until(seconds(5), |world| world.has_happened(first, &Happening::Registered));
    let registered = stage.world.now();
    stage.choose("8001", AgentState::Ready);
    stage.world.behave(first, Behaviour::Ring);
    // Its refresh after 48 s is lost.
    stage.run(seconds(45));
    stage.world.unplug(first);
    stage.run(seconds(10));
    let caller = waits_plainly(&mut stage);
    stage.run(seconds(1));
    stage.choose("8002", AgentState::Ready);
    stage.until(seconds(9), |world| bridges(world) == 1);
    assert!(stage.world.now().since(registered) < seconds(64), "not only after the ring time");
    stage.hang_up(caller);
    stage.run(seconds(1));
    stage.world.plug(first);
    stage.finish();
}

#[test]
fn both_bindings_of_a_phone_ring_and_the_first_answer_wins() {
    let mut stage = Stage::ready(&["8001"]);
    let desk = stage.phone("8001");
    stage.world.behave(desk, Behaviour::Ring);
    let soft = stage.register("8001");
    stage.until(seconds(5), |world| world.has_happened(soft, &Happening::Registered));
    let caller = waits_plainly(&mut stage);
    stage.until(seconds(10), |world| bridges(world) == 1);
    assert!(stage.world.peer(soft).is_in_call());
    stage.run(seconds(1));
    assert!(stage.world.has_happened(desk, &Happening::Cancelled) && !stage.world.peer(desk).is_in_call());
    stage.hang_up(caller);
    stage.finish();
}

#[test]
fn two_bindings_that_answer_together_leave_one_conversation() {
    for offset in 0..24 {
        let mut stage = Stage::ready_in(offset, Weather { letter: millis(4), ..Weather::FAIR }, &["8001"]);
        let desk = stage.phone("8001");
        let soft = stage.register("8001");
        stage.until(seconds(5), |world| world.has_happened(soft, &Happening::Registered));
        stage.world.behave(desk, Behaviour::AnswerAfter(millis(1_000)));
        stage.world.behave(soft, Behaviour::AnswerAfter(millis(988 + offset)));
        let caller = waits_plainly(&mut stage);
        stage.until(seconds(10), |world| bridges(world) == 1);
        stage.run(seconds(2));
        let up = [desk, soft].iter().filter(|phone| stage.world.peer(**phone).is_in_call()).count();
        assert_eq!(up, 1, "offset {offset}");
        stage.hang_up(caller);
        stage.finish();
    }
}

/// Plays a scenario in which an answer meets something else, with the answer a little earlier or later each time.
fn crossing(around: Duration, play: impl Fn(u64, Duration)) {
    for step in 0..30u64 {
        play(step, around.saturating_sub(millis(30)) + millis(2) * u32::try_from(step).unwrap_or(0));
    }
}

#[test]
fn an_answer_that_crosses_the_end_of_the_ring_time_wins_or_is_over() {
    crossing(seconds(10), |seed, answer_after| {
        let mut stage = Stage::ready_in(seed, Weather { letter: millis(5), ..Weather::FAIR }, &["8001"]);
        let phone = stage.phone("8001");
        stage.world.behave(phone, Behaviour::AnswerAfter(answer_after));
        let caller = waits_plainly(&mut stage);
        stage.run(seconds(12));
        stage.world.behave(phone, Behaviour::AnswerAfter(seconds(1)));
        stage.until(seconds(30), |world| bridges(world) == 1);
        stage.run(seconds(1));
        stage.hang_up(caller);
        let finished = stage.finish();
        assert_eq!(only(&finished).ending.result, CallResult::Answered);
    });
}

#[test]
fn an_answer_that_crosses_the_callers_leaving_leaves_nothing() {
    crossing(seconds(3), |seed, leaves_after| {
        let mut stage = Stage::ready_in(seed, Weather { letter: millis(5), ..Weather::FAIR }, &["8001"]);
        let phone = stage.phone("8001");
        stage.world.behave(phone, Behaviour::AnswerAfter(seconds(3)));
        let caller = stage.call("4008001111");
        stage.until_fact(seconds(5), |fact| matches!(fact, CallFact::Offered { .. }));
        stage.run(leaves_after);
        stage.hang_up(caller);
        stage.run(seconds(2));
        assert!(!stage.world.peer(phone).is_in_call());
        let finished = stage.finish();
        let result = only(&finished).ending.result;
        assert!(matches!(result, CallResult::Answered | CallResult::AbandonedInQueue), "{result:?}");
    });
}

#[test]
fn an_answer_that_crosses_the_maximum_wait_wins_or_is_over() {
    crossing(seconds(2), |seed, answer_after| {
        let mut stage = Stage::ready_in(seed, Weather { letter: millis(5), ..Weather::FAIR }, &["8001"]);
        let phone = stage.phone("8001");
        stage.choose("8001", AgentState::Busy);
        stage.world.behave(phone, Behaviour::AnswerAfter(answer_after));
        let caller = waits_plainly(&mut stage);
        stage.run(seconds(38));
        stage.choose("8001", AgentState::Ready);
        stage.run(seconds(5));
        stage.hang_up(caller);
        let finished = stage.finish();
        let result = only(&finished).ending.result;
        assert!(matches!(result, CallResult::Answered | CallResult::QueueTimeout), "{result:?}");
    });
}

#[test]
fn an_answer_that_crosses_the_agents_signing_out_wins_or_is_over() {
    crossing(seconds(3), |seed, signs_out_after| {
        let mut stage = Stage::ready_in(seed, Weather { letter: millis(5), ..Weather::FAIR }, &["8001"]);
        let phone = stage.phone("8001");
        stage.world.behave(phone, Behaviour::AnswerAfter(seconds(3)));
        let caller = stage.call("4008001111");
        stage.until_fact(seconds(5), |fact| matches!(fact, CallFact::Offered { .. }));
        stage.run(signs_out_after);
        stage.choose("8001", AgentState::Offline);
        stage.run(seconds(2));
        stage.hang_up(caller);
        stage.finish();
    });
}

#[test]
fn a_mobile_through_a_trunk_works_as_an_agents_phone() {
    let mut stage = Stage::empty(1, Weather::FAIR);
    let mobile = stage.mobile(Behaviour::AnswerAfter(seconds(2)));
    stage.run(seconds(1));
    let caller = stage.call("4008006666");
    stage.tell(caller, Command::Say(peers::Sound::Tone(440.0)));
    stage.tell(mobile, Command::Say(peers::Sound::Tone(660.0)));
    stage.until_fact(seconds(10), |fact| matches!(fact, CallFact::Bridged { .. }));
    // The trunk may not show the customer's number.
    assert!(stage.world.happened(mobile).iter().any(|(_, happening)| matches!(
        happening,
        Happening::Called { number, .. } if number == "01065551234"
    )));
    // The trunk's own limit keeps a second caller waiting.
    let second = stage.call("4008006666");
    stage.run(millis(200));
    let since = stage.world.now();
    stage.run(seconds(5));
    // PCMA on one side, PCMU on the other.
    assert!(crate::stage::heard(&stage.world, caller, 660.0, since) >= seconds(4));
    assert!(crate::stage::heard(&stage.world, mobile, 440.0, since) >= seconds(4));
    stage.hang_up(mobile);
    stage.until(seconds(90), |world| world.calls().len() <= 1);
    stage.hang_up(second);
    let finished = stage.finish();
    assert_eq!(finished.cdrs.len(), 2);
}

#[test]
fn queues_of_the_same_name_serve_their_own_tenants() {
    let mut stage = Stage::ready(&["8001"]);
    let theirs = stage.new_phone("8001", "acme.test", "acme-secret");
    let registrar = stage.world.switch(1);
    stage.tell(theirs, Command::Register { registrar, expires: seconds(3_600) });
    stage.until(seconds(5), |world| world.has_happened(theirs, &Happening::Registered));
    let ours = stage.phones_called("8001")[0];
    let to_acme = stage.call("4008007777");
    stage.until(seconds(10), |world| bridges(world) == 1);
    assert!(stage.world.peer(theirs).is_in_call() && !stage.world.peer(ours).is_in_call());
    let to_us = stage.talk_again();
    assert!(stage.world.peer(ours).is_in_call());
    stage.hang_up(to_acme);
    stage.hang_up(to_us);
    let finished = stage.finish();
    let tenants: Vec<_> = finished.cdrs.iter().map(|cdr| cdr.tenant.to_string()).collect();
    assert_eq!(tenants, ["acme", "default"]);
}
