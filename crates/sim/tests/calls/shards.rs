//! A node of two shards: whoever meets in a call, a conference or a transfer is brought together, wherever the calls
//! began (R20, R46, R54).

use config::Sources;
use model::command::ConferenceWish;
use model::event::{AgentActivity, AgentState, CallFact, TransferOutcome};
use model::supervision::Verb;
use peers::{Command, Sound};
use sim::{PeerId, Weather};

use crate::stage::{Stage, agent, folder, millis, seconds};

const AGENTS: &str = r#"
[[agent]]
range = "8001-8004"
name = "坐席 {id}"
sign_in = "by-code"
rights = ["listen", "whisper", "barge", "take", "hangup"]
rights_over = "tenant"
[[agent]]
id = "8010"
trunk = "mobile"
number = "13700137000"
"#;

fn sources() -> Sources {
    folder(&[("agents/all.toml", AGENTS), ("conferences/board.toml", "number = \"600\"\ntones = \"off\"\n")])
}

/// The office on two shards; each phone says a tone of its own.
fn office(agents: &[&str]) -> Stage {
    let mut stage = Stage::on_shards(&sources(), 1, Weather::FAIR, 2);
    stage.sign_in(agents);
    for (place, number) in agents.iter().enumerate() {
        let phone = stage.phone(number);
        stage.tell(phone, Command::Say(Sound::Tone(tone(place))));
    }
    stage
}

fn tone(place: usize) -> f64 {
    440.0 + 220.0 * place as f64
}

/// Dials until the call is on that shard: its Call-ID decides.
#[track_caller]
fn dial_on(stage: &mut Stage, peer: PeerId, number: &str, shard: u8) {
    for _ in 0..30 {
        let before: Vec<_> = stage.world.calls().iter().map(|call| call.id).collect();
        stage.dial(peer, number);
        stage.run(millis(300));
        let calls = stage.world.calls();
        let new = calls.iter().find(|call| !before.contains(&call.id)).expect("a call");
        if new.id.shard() == shard {
            return;
        }
        stage.hang_up(peer);
        stage.run(millis(300));
    }
    panic!("no call came to shard {shard}");
}

#[track_caller]
fn assert_hears(stage: &mut Stage, wanted: &[(PeerId, f64, bool)]) {
    stage.run(millis(600));
    let since = stage.world.now();
    stage.run(seconds(2));
    for (listener, hz, yes) in wanted {
        let world = &stage.world;
        let length = world.peer(*listener).ear().among(*hz, since, world.now());
        let name = &world.peer(*listener).config().user;
        assert!(
            if *yes { length >= millis(1_400) } else { length <= millis(100) },
            "{name} {hz} Hz: {length:?}"
        );
    }
}

#[test]
fn those_who_came_by_different_shards_meet_in_one_conference() {
    let mut stage = office(&["8001", "8002", "8003"]);
    let phones = [stage.phone("8001"), stage.phone("8002"), stage.phone("8003")];
    for (phone, shard) in phones.into_iter().zip([0, 1, 1]) {
        dial_on(&mut stage, phone, "600", shard);
        stage.run(seconds(3));
    }
    let [first, second, third] = phones;
    let (a, b, c) = (tone(0), tone(1), tone(2));
    assert_hears(
        &mut stage,
        &[(first, b, true), (first, c, true), (second, a, true), (third, a, true), (third, b, true)],
    );
    // A key of the other shard's caller, and an operator's wish about it.
    stage.press(second, '1');
    assert_hears(&mut stage, &[(first, b, false), (third, b, false), (second, a, true)]);
    stage.press(second, '1');
    assert_hears(&mut stage, &[(first, b, true)]);
    let room = stage.world.conferences().remove(0);
    let of_third = room.members.iter().find(|member| &*member.who == "8003").expect("8003 is in").call;
    assert_eq!(of_third.shard(), 1);
    stage.world.confer(room.name, ConferenceWish::Remove(of_third));
    stage.run(seconds(5));
    assert!(!stage.world.peer(third).is_in_call());
    stage.hang_up(second);
    stage.run(seconds(1));
    assert_hears(&mut stage, &[(first, b, false)]);
    stage.hang_up(first);
    let finished = stage.finish();
    assert!(finished.cdrs.iter().filter(|cdr| !cdr.recordings.is_empty()).count() == 1, "one recording");
}

#[test]
fn a_supervisor_listens_to_a_call_of_another_shard_by_code_and_by_command() {
    for by_code in [true, false] {
        let mut stage = office(&["8001", "8002"]);
        let (first, supervisor) = (stage.phone("8001"), stage.phone("8002"));
        stage.choose("8002", AgentState::Busy);
        let caller = stage.caller();
        dial_on(&mut stage, caller, "4008001111", 1);
        stage.until_fact(seconds(20), |fact| matches!(fact, CallFact::Bridged { .. }));
        stage.tell(caller, Command::Say(Sound::Tone(1_100.0)));
        if by_code {
            stage.dial(supervisor, "*338001");
        } else {
            let talks = |call: &call::LiveCall| call.stage == call::LiveStage::Talking;
            let call = stage.world.calls().into_iter().find(talks).expect("a conversation").id;
            stage.world.supervise(call, &agent("8002"), Verb::Listen);
        }
        stage.until_fact(seconds(10), |fact| matches!(fact, CallFact::SupervisionBegan { .. }));
        let heard = [(supervisor, 1_100.0, true), (supervisor, tone(0), true), (first, tone(1), false)];
        assert_hears(&mut stage, &heard);
        let seen = stage.world.agent(&agent("8002")).expect("an agent").activity;
        assert_eq!(seen, AgentActivity::Supervising);
        stage.hang_up(caller);
        stage.run(seconds(2));
        assert!(!stage.world.peer(supervisor).is_in_call());
        stage.finish();
    }
}

/// 8001 talks with a customer on the one shard, puts them aside, answers 8002 whose call began anywhere, and makes the two
/// calls one.
#[test]
fn a_call_that_waits_can_be_joined_with_the_customers_wherever_it_began() {
    for (seed, shard) in [(1, 0), (2, 1), (3, 0), (4, 1)] {
        let mut stage = Stage::on_shards(&sources(), seed, Weather::FAIR, 2);
        stage.sign_in(&["8001", "8002"]);
        stage.choose("8002", AgentState::Busy);
        let (first, second, caller) = (stage.phone("8001"), stage.phone("8002"), stage.caller());
        dial_on(&mut stage, caller, "4008001111", shard);
        stage.until_fact(seconds(20), |fact| matches!(fact, CallFact::Bridged { .. }));
        stage.tell(caller, Command::Say(Sound::Tone(1_100.0)));
        stage.tell(second, Command::Say(Sound::Tone(880.0)));
        stage.tell(first, Command::Park);
        stage.run(millis(300));
        stage.dial(second, "8001");
        stage.until(seconds(10), |world| world.count(|fact| matches!(fact, CallFact::Bridged { .. })) > 1);
        stage.run(millis(500));
        stage.tell(first, Command::Join);
        let done =
            |fact: &CallFact| matches!(fact, CallFact::TransferEnded { outcome: TransferOutcome::Done });
        stage.until_fact(seconds(5), done);
        assert_hears(&mut stage, &[(caller, 880.0, true), (second, 1_100.0, true)]);
        assert!(!stage.world.peer(first).is_in_call());
        stage.hang_up(caller);
        stage.finish();
    }
}

/// The last one is let go by the conference of one shard while its call ends on the other.
#[test]
fn a_conference_that_ends_sends_home_ports_of_calls_that_are_over_by_then() {
    for seed in 0..10 {
        let weather = Weather { letter: millis(20), ..Weather::FAIR };
        let mut stage = Stage::on_shards(&sources(), seed, weather, 2);
        stage.sign_in(&["8001"]);
        let phone = stage.phone("8001");
        dial_on(&mut stage, phone, "600", 1);
        stage.run(seconds(3));
        let room = stage.world.conferences().remove(0).name;
        stage.world.confer(room, ConferenceWish::End);
        stage.run(seconds(10));
        assert!(!stage.world.peer(phone).is_in_call(), "seed {seed}");
        stage.finish();
    }
}

/// The answer to a supervisor's code is lost, and meanwhile the extension gets a call on the other shard: the repeated
/// INVITE is the same call's, and is answered once more where it was answered.
#[test]
fn a_repeated_invite_stays_on_the_shard_where_it_began() {
    let mut tried = 0;
    for seed in 0..30 {
        let mut stage = Stage::on_shards(&sources(), seed, Weather::FAIR, 2);
        stage.sign_in(&["8001", "8002"]);
        let (first, supervisor) = (stage.phone("8001"), stage.phone("8002"));
        stage.dial(supervisor, "*338001");
        // The challenge, and the INVITE that answers it; what answers that is lost.
        stage.run(millis(17));
        stage.world.unplug(supervisor);
        stage.run(millis(100));
        let caller = stage.call("4008001111");
        stage.run(millis(200));
        stage.world.plug(supervisor);
        tried += usize::from(stage.world.calls().iter().any(|call| call.id.shard() == 1));
        stage.run(seconds(5));
        assert!(stage.world.has_happened(supervisor, &peers::Happening::Refused(480)), "seed {seed}");
        for peer in [caller, first] {
            stage.hang_up(peer);
        }
        stage.run(seconds(1));
        stage.finish();
    }
    assert!(tried > 5, "the other shard had the call {tried} times");
}
