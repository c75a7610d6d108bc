//! The night switch of hotline numbers (夜间模式, R40): who turns it, what callers meet while it is on, what the record says.

use model::event::{CallFact, Event};
use model::night::{NumberFact, Turn};
use model::outcome::{CallResult, HungUpBy};
use peers::Behaviour;
use sim::{Weather, World};

use crate::dialling::reason;
use crate::stage::{Stage, edited, ending, folder, heard, millis, node_is, only, seconds};

const CLOSED: &str = "start = \"closed\"\n[node.closed]\nkind = \"hangup\"\nsay = [\"off_hours\"]\n";
const DUTY: &str = "start = \"duty\"\n[node.duty]\nkind = \"dial\"\nphones = [{ phone = \"8003\", ring_seconds = 5 }]\n\
                    failed = \"closed\"\n[node.closed]\nkind = \"hangup\"\nsay = [\"off_hours\"]\n";

/// The office, whose main number and number of a queue have a night flow; 8001 may turn their switches, 8002 may not.
fn office(night: &str) -> Stage {
    office_open(night, "[]")
}

/// The same; the main number is open at these times.
fn office_open(night: &str, open: &str) -> Stage {
    let open = format!("flow = \"main\"\nnight_flow = \"night\"\nopen = {open}");
    let (numbers, all) = edited("numbers/all.toml", "flow = \"main\"", &open);
    let all = all.replace(
        "flow = \"plain\"\nrecord = \"off\"",
        "flow = \"plain\"\nrecord = \"off\"\nnight_flow = \"night\"",
    );
    let phone = |range: &str, may: bool| {
        format!("[[phone]]\n{range}\npassword = \"secret\"\ninterface = \"phones\"\nnight_switch = {may}\n")
    };
    let phones = phone("user = \"8001\"", true) + &phone("range = \"8002-8004\"", false);
    let files = [(numbers, &*all), ("phones/all.toml", &*phones), ("flows/night.toml", night)];
    let mut stage = Stage::of(&folder(&files), 1, Weather::FAIR);
    stage.sign_in(&["8001", "8002"]);
    stage
}

/// What happened to numbers, in order.
fn turned(world: &World) -> Vec<(String, NumberFact)> {
    let of_number = |event: &Event| match event {
        Event::Number { number, fact } => Some((number.as_str().to_owned(), fact.clone())),
        _ => None,
    };
    world.facts().iter().filter_map(|stamped| of_number(&stamped.event)).collect()
}

/// A phone dials a code to its end; for how long it heard the beeps of the confirmation.
fn dial(stage: &mut Stage, number: &str, code: &str) -> u128 {
    let (phone, since) = (stage.phone(number), stage.world.now());
    stage.dial(phone, code);
    stage.run(seconds(3));
    assert!(!stage.world.peer(phone).is_in_call(), "{code}");
    heard(&stage.world, phone, 450.0, since).as_millis()
}

#[test]
fn the_code_turns_the_switch_of_a_number_and_two_beeps_say_that_it_is_on() {
    let mut stage = office(CLOSED);
    let by = || "8001".into();
    let (on, off) = (
        || NumberFact::NightTurned { turn: Turn::On, by: by() },
        || NumberFact::NightTurned { turn: Turn::Off, by: by() },
    );
    let beeps = [dial(&mut stage, "8001", "*284008001234"), dial(&mut stage, "8001", "*284008001234")];
    assert!(beeps[1] > 0 && beeps[0] > beeps[1] * 3 / 2, "{beeps:?}");
    let one = |number: &str, fact| (number.to_owned(), fact);
    assert_eq!(turned(&stage.world), [one("4008001234", on()), one("4008001234", off())]);
    // Alone it is for every number with a night flow: they come to the same side first.
    dial(&mut stage, "8001", "*284008001111");
    dial(&mut stage, "8001", "*28");
    dial(&mut stage, "8001", "*28");
    let all = turned(&stage.world)[2..].to_vec();
    let expected = [
        one("4008001111", on()),
        one("4008001234", on()),
        one("4008001234", off()),
        one("4008001111", off()),
    ];
    assert_eq!(all, expected);
    let finished = stage.finish();
    assert!(finished.cdrs.iter().all(|cdr| cdr.ending.result == CallResult::SelfServed));
}

#[test]
fn who_may_not_turn_it_is_refused_and_that_is_told() {
    let mut stage = office(CLOSED);
    let table = [
        ("8002", "*284008001234", 403, "may not turn"),
        ("8001", "*284008003333", 404, "none that has a night flow"),
        ("8001", "*284009999999", 404, "none that has a night flow"),
        // A number of another tenant.
        ("8001", "*284008007777", 404, "none that has a night flow"),
    ];
    for (phone, code, status, words) in table {
        dial(&mut stage, phone, code);
        assert!(reason(&stage.world, status).contains(words), "{code}: {}", reason(&stage.world, status));
    }
    // R53: what was refused is in the audit trail.
    let refused = NumberFact::NightRefused { by: "8002".into() };
    assert_eq!(turned(&stage.world), [("4008001234".to_owned(), refused)]);
    stage.finish();
}

#[test]
fn a_caller_at_night_hears_the_night_flow_and_the_record_says_closed_whoever_hangs_up() {
    for (hangs_up, by) in [(false, HungUpBy::Switch), (true, HungUpBy::Caller)] {
        let mut stage = office(CLOSED);
        stage.world.turn_night("4008001234", Turn::On);
        let caller = stage.call("4008001234");
        stage.until_fact(seconds(10), |fact| node_is(fact, "closed"));
        stage.run(seconds(1));
        if hangs_up {
            stage.hang_up(caller);
        }
        stage.run(seconds(5));
        assert!(stage.world.has(|fact| matches!(fact, CallFact::WentToNight { by, .. } if &**by == "API")));
        let finished = stage.finish();
        assert_eq!(ending(only(&finished)), (CallResult::Closed, by));
    }
}

/// The world begins on a Wednesday at 09:20, local time.
#[test]
fn a_number_takes_its_callers_in_its_hours_and_its_night_flow_takes_them_else() {
    let noon = "[{ hours = \"12:00-18:00\" }]";
    let weekdays = "[{ days = [\"sat\", \"sun\"] }, { days = [\"wed\"], hours = \"09:00-12:00\" }]";
    for (open, minutes, closed) in [
        ("[{ hours = \"09:00-18:00\" }]", 0, false),
        (noon, 0, true),
        (noon, 161, false),
        ("[{ days = [\"sat\", \"sun\"] }]", 0, true),
        (weekdays, 0, false),
        (weekdays, 161, true),
        // Over midnight, and the morning after.
        ("[{ days = [\"tue\"], hours = \"22:00-09:30\" }]", 0, false),
        ("[{ days = [\"tue\"], hours = \"22:00-09:30\" }]", 11, true),
    ] {
        let mut stage = office_open(CLOSED, open);
        stage.run(seconds(60 * minutes));
        let caller = stage.call("4008001234");
        stage.until_fact(seconds(10), |fact| node_is(fact, if closed { "closed" } else { "menu" }));
        stage.hang_up(caller);
        stage.run(seconds(1));
        let told = stage.world.has(|fact| matches!(fact, CallFact::OutOfHours));
        assert_eq!(told, closed, "{open} {minutes}");
        let finished = stage.finish();
        let result = if closed { CallResult::Closed } else { CallResult::EndedInMenu };
        assert_eq!(ending(only(&finished)), (result, HungUpBy::Caller), "{open} {minutes}");
    }
}

#[test]
fn a_switch_that_is_off_again_and_one_of_another_number_change_nothing() {
    let mut stage = office(CLOSED);
    stage.world.turn_night("4008001234", Turn::On);
    stage.world.turn_night("4008001234", Turn::Off);
    stage.world.turn_night("4008001111", Turn::On);
    let caller = stage.talk();
    stage.hang_up(caller);
    stage.run(seconds(1));
    let finished = stage.finish();
    assert_eq!(only(&finished).ending.result, CallResult::Answered);
}

#[test]
fn a_duty_phone_that_answers_at_night_is_a_conversation_and_one_that_does_not_is_ring_no_answer() {
    for (behaviour, result) in [
        (Behaviour::AnswerAfter(seconds(1)), CallResult::Answered),
        (Behaviour::Ring, CallResult::RingNoAnswer),
    ] {
        let mut stage = office(DUTY);
        stage.sign_in(&["8003"]);
        let duty = stage.phone("8003");
        stage.world.behave(duty, behaviour);
        stage.world.turn_night("4008001234", Turn::On);
        let caller = stage.call("4008001234");
        if result == CallResult::Answered {
            stage.until_fact(seconds(10), |fact| matches!(fact, CallFact::Bridged { .. }));
            stage.run(seconds(2));
            stage.hang_up(caller);
        }
        stage.run(seconds(15));
        let finished = stage.finish();
        assert_eq!(only(&finished).ending.result, result);
    }
}

#[test]
fn the_switch_outlives_a_reload_and_ends_to_count_with_its_flow() {
    let mut stage = office(CLOSED);
    stage.world.turn_night("4008001234", Turn::On);
    stage.world.reload(&folder(&[])).expect("the office without a night flow");
    stage.sign_in(&["8001"]);
    let caller = stage.talk();
    stage.hang_up(caller);
    stage.run(millis(500));
    let finished = stage.finish();
    assert_eq!(only(&finished).ending.result, CallResult::Answered);
}
