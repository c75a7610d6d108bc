//! What the ACD believes of agents whose calls change hands: whatever becomes of a call, each agent is seen as what the
//! phone does (R16, R25).

use model::command::First;
use model::event::{AgentActivity, AgentState, CallFact};
use peers::{Behaviour, Command};
use sim::{PeerId, Weather, World};

use crate::dialling::office;
use crate::stage::{Stage, agent, edited, folder, millis, seconds};
use crate::trunks::bridged;

/// Three agents at their phones, whom no queue calls.
fn three() -> Stage {
    let mut stage = office("", "");
    stage.sign_in(&["8003"]);
    for number in ["8001", "8002", "8003"] {
        stage.choose(number, AgentState::Busy);
    }
    stage
}

#[track_caller]
fn assert_seen(stage: &mut Stage, expected: [AgentActivity; 3]) {
    stage.run(seconds(1));
    let seen = |number| stage.world.agent(&agent(number)).map(|view| view.activity);
    assert_eq!([seen("8001"), seen("8002"), seen("8003")], expected.map(Some));
}

use AgentActivity::{Held, Idle, Ringing, Talking};

/// 8001 has called 8002, and they talk.
fn talking() -> (Stage, PeerId, PeerId) {
    let mut stage = three();
    let (first, second) = (stage.phone("8001"), stage.phone("8002"));
    stage.dial(first, "8002");
    stage.until(seconds(10), bridged);
    (stage, first, second)
}

#[test]
fn who_is_called_first_for_another_agent_is_occupied_until_the_call_ends_and_no_longer() {
    for second_answers in [true, false] {
        let mut stage = three();
        let (first, second) = (stage.phone("8003"), stage.phone("8001"));
        let behaviour =
            if second_answers { Behaviour::AnswerAfter(seconds(3)) } else { Behaviour::Refuse(486) };
        stage.world.behave(second, behaviour);
        // For 8001; 8003 is «the number» and is called first.
        stage.world.originate(&agent("8001"), "8003", First::Number).expect("a call");
        assert_seen(&mut stage, [Ringing, Idle, Ringing]);
        if second_answers {
            stage.until(seconds(10), bridged);
            assert_seen(&mut stage, [Talking, Idle, Talking]);
        } else {
            stage.until(seconds(10), |world: &World| {
                world.has(|f| matches!(f, CallFact::OfferRefused { .. }))
            });
        }
        stage.hang_up(first);
        assert_seen(&mut stage, [Idle, Idle, Idle]);
        stage.finish();
    }
}

#[test]
fn who_called_and_is_sent_to_a_menu_is_seen_waiting_and_then_free() {
    let (mut stage, first, second) = talking();
    stage.tell(second, Command::Transfer { user: "4008001234".into() });
    assert_seen(&mut stage, [Ringing, Idle, Idle]);
    stage.hang_up(first);
    assert_seen(&mut stage, [Idle, Idle, Idle]);
    stage.finish();
}

#[test]
fn whoever_takes_a_place_in_a_call_that_is_held_is_seen_held() {
    let (mut stage, first, second) = talking();
    stage.tell(second, Command::Hold);
    assert_seen(&mut stage, [Held, Held, Idle]);
    let (third, to) = (stage.phone("8003"), stage.world.switch(1));
    let replaces = stage.world.peer(first).replaces().expect("a dialog");
    stage.tell(third, Command::CallInPlace { to, user: "8001".into(), replaces });
    assert_seen(&mut stage, [Idle, Held, Held]);
    stage.tell(second, Command::Resume);
    assert_seen(&mut stage, [Idle, Talking, Talking]);
    stage.hang_up(second);
    assert_seen(&mut stage, [Idle, Idle, Idle]);
    stage.finish();
}

/// 8001 dials the queue, 8002 serves it, and 8001 sends 8002 to 8003.
#[test]
fn who_served_a_queue_and_is_sent_on_by_the_caller_ends_that_conversation_and_talks_on() {
    let mut stage = three();
    stage.choose("8002", AgentState::Ready);
    let (first, second) = (stage.phone("8001"), stage.phone("8002"));
    stage.dial(first, "6001");
    stage.until(seconds(10), bridged);
    assert_seen(&mut stage, [Talking, Talking, Idle]);
    stage.tell(first, Command::Transfer { user: "8003".into() });
    stage.run(seconds(3));
    assert_seen(&mut stage, [Idle, Talking, Talking]);
    stage.hang_up(second);
    assert_seen(&mut stage, [Idle, Idle, Idle]);
    stage.finish();
}

/// All phones of a queue ring at once, and two answer in the same moment.
#[test]
fn of_two_who_answer_at_once_the_second_is_hung_up_on_however_letters_cross() {
    let (path, queue) =
        edited("queues/plain.toml", "ring_seconds = 10", "ring_seconds = 10\nstrategy = \"all-at-once\"");
    for seed in 0..40 {
        let weather = Weather { letter: millis(20), ..Weather::FAIR };
        let mut stage = Stage::of(&folder(&[(path, &queue)]), seed, weather);
        stage.sign_in(&["8001", "8002"]);
        let phones = [stage.phone("8001"), stage.phone("8002")];
        stage.world.behave(phones[1], Behaviour::AnswerAfter(millis(1_980 + seed % 20)));
        let caller = stage.call("4008001111");
        stage.until(seconds(10), bridged);
        stage.run(seconds(1));
        let up = phones.into_iter().filter(|phone| stage.world.peer(*phone).is_in_call()).count();
        assert_eq!(up, 1, "seed {seed}");
        stage.hang_up(caller);
        stage.finish();
    }
}
