//! Conferences: dialled and by a flow, PIN and moderator, mute and lock, the recording, the limits, and whoever leaves
//! how (R20). Everybody speaks in a tone of their own.

use model::command::ConferenceWish;
use model::event::{CallFact, Direction};
use model::outcome::{CallResult, HungUpBy, Termination};
use peers::{Command, Sound};
use sim::{Finished, PeerId, Weather};

use crate::stage::{Stage, edited, ending, folder, millis, node_is, seconds};

const ROOM: &str = r#"
number = "600"
pin = "1234"
moderator_pin = "99"
moderators = ["8001"]
max_participants = 4
max_duration_seconds = 600
"#;

const OPEN: &str = "number = \"601\"\nrecord = false\n";

/// The office with two conference rooms; the main menu's 1 leads into `open`, then to the goodbye.
fn office() -> Stage {
    let (path, flow) = edited(
        "flows/main.toml",
        "kind = \"queue\"\nqueue = \"sales\"\nnext = \"survey\"\ntimeout = \"sorry\"\nfull = \"sorry\"\nno_agent = \"sorry\"",
        "kind = \"conference\"\nconference = \"open\"\nnext = \"bye\"\nfailed = \"sorry\"",
    );
    let files = [("conferences/board.toml", ROOM), ("conferences/open.toml", OPEN), (path, flow.as_str())];
    let mut stage = Stage::of(&folder(&files), 1, Weather::FAIR);
    stage.sign_in(&["8001", "8002", "8003"]);
    stage
}

const TONES: [(&str, f64); 3] = [("8001", 440.0), ("8002", 660.0), ("8003", 880.0)];

fn joined(stage: &Stage) -> usize {
    stage.world.count(|fact| matches!(fact, CallFact::ConferenceJoined { .. }))
}

/// A phone dials the room, speaks its tone, and types the PIN where it is asked.
fn enter(stage: &mut Stage, number: &str, keys: &str) -> PeerId {
    let phone = stage.phone(number);
    let tone = TONES.iter().find(|(known, _)| *known == number).expect("a phone").1;
    stage.tell(phone, Command::Say(Sound::Tone(tone)));
    let before = joined(stage);
    stage.dial(phone, "600");
    stage.run(seconds(1));
    for key in keys.chars() {
        stage.press(phone, key);
        stage.run(millis(400));
    }
    stage.until(seconds(5), |world| {
        world.count(|fact| matches!(fact, CallFact::ConferenceJoined { .. })) > before
    });
    // What is said to those who come in.
    stage.run(seconds(4));
    phone
}

/// Who hears whom for two seconds from now.
#[track_caller]
fn hear(stage: &mut Stage, wanted: &[(PeerId, f64, bool)]) {
    stage.run(millis(500));
    let since = stage.world.now();
    stage.run(seconds(2));
    for (listener, hz, yes) in wanted {
        let length = stage.world.peer(*listener).ear().among(*hz, since, stage.world.now());
        let name = &stage.world.peer(*listener).config().user;
        match yes {
            true => assert!(length >= millis(1_400), "{name} heard {hz} Hz for {length:?} only"),
            false => assert!(length <= millis(100), "{name} heard {hz} Hz for {length:?}"),
        }
    }
}

/// The conference's own record.
#[track_caller]
fn conference(finished: &Finished) -> &ledger::Cdr {
    let own = |cdr: &&ledger::Cdr| cdr.parties.sip_call_id.is_empty();
    finished.cdrs.iter().find(own).expect("the conference's record")
}

#[test]
fn three_in_a_room_hear_each_other_and_one_recording_has_it() {
    let mut stage = office();
    let first = enter(&mut stage, "8001", "");
    let second = enter(&mut stage, "8002", "1234#");
    let third = enter(&mut stage, "8003", "1234#");
    hear(
        &mut stage,
        &[
            (first, 660.0, true),
            (first, 880.0, true),
            (second, 440.0, true),
            (second, 880.0, true),
            (third, 440.0, true),
            (third, 660.0, true),
            (first, 440.0, false),
        ],
    );
    stage.press(second, '1');
    stage.run(seconds(1));
    hear(
        &mut stage,
        &[(first, 660.0, false), (third, 660.0, false), (second, 440.0, true), (first, 880.0, true)],
    );
    stage.press(second, '1');
    stage.run(seconds(1));
    // The moderator mutes all others.
    stage.press(first, '2');
    stage.run(seconds(1));
    hear(
        &mut stage,
        &[(first, 660.0, false), (first, 880.0, false), (second, 440.0, true), (third, 440.0, true)],
    );
    for phone in [first, second, third] {
        stage.hang_up(phone);
        stage.run(seconds(1));
    }
    let finished = stage.finish();
    assert_eq!(finished.cdrs.len(), 4);
    let record = conference(&finished);
    assert_eq!((ending(record).0, record.recordings.len()), (CallResult::SelfServed, 1));
    let (began, ended) = (record.times.began, record.times.ended);
    let members = finished.cdrs.iter().filter(|cdr| !cdr.parties.sip_call_id.is_empty());
    for member in members {
        assert_eq!(ending(member), (CallResult::SelfServed, HungUpBy::Caller));
        assert!(member.times.ended > began && member.times.began < ended);
    }
}

#[test]
fn a_flow_leads_in_and_goes_on_when_the_conference_ends() {
    let mut stage = office();
    let phone = stage.phone("8002");
    stage.tell(phone, Command::Say(Sound::Tone(660.0)));
    stage.dial(phone, "601");
    stage.run(seconds(5));
    let caller = stage.call("4008001234");
    stage.tell(caller, Command::Say(Sound::Tone(440.0)));
    stage.until_fact(seconds(20), |fact| node_is(fact, "menu"));
    stage.press(caller, '1');
    stage.until(seconds(5), |world| {
        world.count(|fact| matches!(fact, CallFact::ConferenceJoined { .. })) == 2
    });
    stage.run(seconds(4));
    hear(&mut stage, &[(caller, 660.0, true), (phone, 440.0, true)]);
    let room = stage.world.conferences().remove(0).name;
    stage.world.confer(room, ConferenceWish::End);
    stage.run(seconds(1));
    assert!(stage.world.has(|fact| node_is(fact, "bye")), "the flow goes on");
    stage.run(seconds(10));
    assert!(!stage.world.peer(caller).is_in_call() && !stage.world.peer(phone).is_in_call());
    let finished = stage.finish();
    assert_eq!(conference(&finished).ending.cause, Termination::Commanded);
    assert!(finished.cdrs.iter().any(|cdr| cdr.direction == Direction::In));
}

#[test]
fn whoever_leaves_however_the_others_go_on() {
    for leaves in
        ["hangs up", "is lost", "is removed", "its call is ended", "at the PIN", "shutdown", "limit"]
    {
        let mut stage = office();
        let first = enter(&mut stage, "8001", "");
        let second = enter(&mut stage, "8002", "1234#");
        let third = stage.phone("8003");
        stage.dial(third, "600");
        stage.run(seconds(1));
        if leaves != "at the PIN" {
            for key in "1234#".chars() {
                stage.press(third, key);
                stage.run(millis(400));
            }
            stage.run(seconds(3));
            assert_eq!(joined(&stage), 3, "{leaves}");
        }
        let view = stage.world.conferences().remove(0);
        let call_of =
            |who: &str| view.members.iter().find(|member| &*member.who == who).map(|member| member.call);
        match leaves {
            "hangs up" | "at the PIN" => stage.hang_up(third),
            "is lost" => stage.world.unplug(third),
            "is removed" => {
                let call = call_of("8003").expect("a participant");
                stage.world.confer(view.name.clone(), ConferenceWish::Remove(call));
            }
            "its call is ended" => stage.world.hang_up(call_of("8003").expect("a participant")),
            "shutdown" => stage.world.shut_down(),
            _ => stage.run(seconds(600)),
        }
        stage.run(seconds(30));
        let up = |peer| stage.world.peer(peer).is_in_call();
        let goes_on = !matches!(leaves, "shutdown" | "limit");
        assert_eq!((up(first), up(second)), (goes_on, goes_on), "{leaves}");
        if goes_on {
            hear(&mut stage, &[(first, 660.0, true), (second, 440.0, true)]);
        }
        stage.hang_up(first);
        stage.hang_up(second);
        let finished = stage.finish();
        let cause = conference(&finished).ending.cause;
        assert_eq!(cause == Termination::Limit, leaves == "limit", "{leaves}: {cause:?}");
        assert_eq!(finished.cdrs.len(), 4, "{leaves}");
    }
}

#[test]
fn wrong_pins_a_lock_and_a_full_room_let_nobody_in() {
    let mut stage = office();
    let first = enter(&mut stage, "8001", "");
    let second = stage.phone("8002");
    stage.dial(second, "600");
    stage.run(seconds(1));
    for key in "1#2#3#".chars() {
        stage.press(second, key);
        stage.run(millis(400));
    }
    stage.run(seconds(3));
    assert!(!stage.world.peer(second).is_in_call(), "three wrong PINs");
    stage.press(first, '3');
    stage.run(seconds(1));
    stage.dial(second, "600");
    stage.run(seconds(3));
    assert!(!stage.world.peer(second).is_in_call(), "locked");
    stage.press(first, '3');
    stage.run(seconds(1));
    enter(&mut stage, "8002", "1234#");
    stage.hang_up(first);
    stage.run(seconds(1));
    stage.hang_up(second);
    let finished = stage.finish();
    assert_eq!(finished.cdrs.len(), 5);
    let reasons: Vec<&str> = finished.cdrs.iter().filter_map(|cdr| cdr.reason.as_deref()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("PIN")), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("会议已锁定")), "{reasons:?}");
}

#[test]
fn one_more_than_a_room_holds_is_refused_by_a_tone_and_the_record_says_why() {
    let full = "number = \"600\"\nmax_participants = 2\n";
    let mut stage = Stage::of(&folder(&[("conferences/board.toml", full)]), 1, Weather::FAIR);
    stage.sign_in(&["8001", "8002", "8003"]);
    for number in ["8001", "8002"] {
        enter(&mut stage, number, "");
    }
    let third = stage.phone("8003");
    stage.dial(third, "600");
    let since = stage.world.now();
    stage.run(seconds(5));
    assert!(
        stage.world.peer(third).ear().tone(450.0, since, stage.world.now()) >= millis(800),
        "a busy tone"
    );
    assert_eq!(joined(&stage), 2);
    stage.until(seconds(10), |world| !world.peer(third).is_in_call());
    for number in ["8001", "8002"] {
        let phone = stage.phone(number);
        stage.hang_up(phone);
    }
    let finished = stage.finish();
    let refused = finished.cdrs.iter().find(|cdr| &*cdr.parties.caller == "8003").expect("8003's record");
    assert_eq!(refused.reason.as_deref(), Some("会议已满 / the conference is full"));
}
