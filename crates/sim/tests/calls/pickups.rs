//! Picking up what rings beside one (代接, R36), by feature code: whose call, for whom it rang, and who may.

use model::event::{AgentActivity, AgentState, CallFact};
use model::outcome::{CallResult, HungUpBy};
use peers::{Behaviour, Command, Happening, Sound};
use sim::World;

use crate::dialling::{office, reason};
use crate::stage::{Stage, agent, heard, millis, seconds};
use crate::trunks::bridged;

/// The office with a third agent; the phone of 8002 rings and nobody answers it.
fn ringing(phones: &str) -> Stage {
    let mut stage = office("", phones);
    stage.sign_in(&["8003"]);
    let rung = stage.phone("8002");
    stage.world.behave(rung, Behaviour::Ring);
    stage
}

fn rings(world: &World) -> bool {
    world.has(|fact| matches!(fact, CallFact::Ringing { .. }))
}

#[test]
fn a_colleagues_call_is_picked_up_by_extension_or_in_the_group_whoever_hangs_up() {
    for code in ["**8002", "*8"] {
        for caller_ends in [true, false] {
            let mut stage = ringing("");
            let (caller, rung, picker) = (stage.phone("8001"), stage.phone("8002"), stage.phone("8003"));
            stage.tell(caller, Command::Say(Sound::Tone(440.0)));
            stage.tell(picker, Command::Say(Sound::Tone(660.0)));
            stage.dial(caller, "8002");
            stage.until(seconds(5), rings);
            stage.dial(picker, code);
            stage.until(seconds(5), bridged);
            stage.run(millis(500));
            let since = stage.world.now();
            stage.run(seconds(2));
            assert!(heard(&stage.world, caller, 660.0, since) >= millis(1_500), "{code}");
            assert!(heard(&stage.world, picker, 440.0, since) >= millis(1_500), "{code}");
            assert!(stage.world.has_happened(rung, &Happening::Cancelled));
            let seen = |number| stage.world.agent(&agent(number)).map(|view| view.activity);
            let expected = [AgentActivity::Talking, AgentActivity::Idle, AgentActivity::Talking].map(Some);
            assert_eq!([seen("8001"), seen("8002"), seen("8003")], expected);
            stage.hang_up(if caller_ends { caller } else { picker });
            stage.run(seconds(2));
            let finished = stage.finish();
            assert_eq!(finished.cdrs.len(), 2, "the call, and the code");
            let cdr = finished.cdrs.iter().find(|cdr| &*cdr.parties.called == "8002").expect("the call");
            let by = if caller_ends { HungUpBy::Caller } else { HungUpBy::Agent };
            assert_eq!((cdr.ending.result, cdr.ending.by), (CallResult::Answered, by));
            assert_eq!((cdr.parties.agent.as_ref(), cdr.recordings.len()), (Some(&agent("8003")), 1));
        }
    }
}

#[test]
fn a_customer_for_whom_an_agents_phone_rings_is_picked_up_and_leaves_the_queue() {
    let mut stage = ringing("");
    for busy in ["8001", "8003"] {
        stage.choose(busy, AgentState::Busy);
    }
    let picker = stage.phone("8003");
    let customer = stage.call("4008001111");
    stage.until(seconds(5), rings);
    stage.dial(picker, "**8002");
    stage.until(seconds(5), bridged);
    stage.run(seconds(1));
    assert!(stage.world.peer(customer).is_in_call() && stage.world.peer(picker).is_in_call());
    stage.hang_up(customer);
    stage.run(seconds(1));
    let finished = stage.finish();
    let cdr = finished.cdrs.iter().find(|cdr| !cdr.visits.is_empty()).expect("the customer's");
    assert_eq!((cdr.ending.result, cdr.parties.agent.as_ref()), (CallResult::Answered, Some(&agent("8003"))));
}

#[test]
fn nothing_is_picked_up_where_nothing_rings_nor_out_of_another_group() {
    for (phones, code) in [("", "*8"), ("", "**8001"), ("pickup_group = \"front\"\n", "**8004")] {
        let mut stage = ringing(phones);
        let picker = stage.phone("8003");
        stage.dial(picker, code);
        stage.run(seconds(1));
        assert!(stage.world.has_happened(picker, &Happening::Refused(404)), "{code}");
        assert!(reason(&stage.world, 404).contains("pickup group"));
        stage.finish();
    }
}

#[test]
fn a_call_that_ends_while_it_is_picked_up_leaves_nothing_behind() {
    for wait in [0, 1, 3, 5, 8, 12, 20, 40] {
        for by_caller in [true, false] {
            let mut stage = ringing("");
            let (caller, picker) = (stage.phone("8001"), stage.phone("8003"));
            stage.dial(caller, "8002");
            stage.until(seconds(5), rings);
            stage.dial(picker, "*8");
            stage.run(millis(wait));
            stage.hang_up(if by_caller { caller } else { picker });
            stage.run(seconds(3));
            stage.hang_up(caller);
            stage.hang_up(picker);
            stage.run(seconds(1));
            stage.finish();
        }
    }
}
