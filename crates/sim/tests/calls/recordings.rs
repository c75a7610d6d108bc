//! What is kept out of recordings: pauses, and secrets that are keyed.

use call::{Keep, LiveRecording};
use model::RecordingId;
use model::event::CallFact;
use peers::{Command, Sound};
use sim::{Weather, World};

use crate::stage::{Stage, edited, folder, millis, node_is, only, seconds};

/// The recording that began last.
fn recording(world: &World) -> RecordingId {
    let began = world.call_facts().filter_map(|(_, fact)| match fact {
        CallFact::RecordingBegan { recording } => Some(*recording),
        _ => None,
    });
    began.last().expect("a recording")
}

#[test]
fn a_pause_keeps_both_sides_out_until_it_ends_and_the_call_goes_on() {
    let mut stage = Stage::ready(&["8001"]);
    let caller = stage.talk();
    stage.run(seconds(1));
    let recording = recording(&stage.world);
    let call = stage.world.calls()[0].id;
    let is = |stage: &Stage| stage.world.calls()[0].recording;
    assert_eq!(is(&stage), LiveRecording::On);
    // To wish twice is no harm.
    stage.world.keep(call, Keep::Nothing);
    stage.world.keep(call, Keep::Nothing);
    stage.run(millis(100));
    let before = stage.world.kept(recording);
    assert_eq!(is(&stage), LiveRecording::Paused);
    stage.run(seconds(2));
    assert_eq!(stage.world.kept(recording), before);
    stage.world.keep(call, Keep::Sound);
    stage.world.keep(call, Keep::Sound);
    stage.run(seconds(2));
    let [left, right] = stage.world.kept(recording);
    assert!(left >= before[0] + 95 && right >= before[1] + 95, "{before:?}, then {left} and {right}");
    assert_eq!(is(&stage), LiveRecording::On);
    let paused = stage.world.count(|fact| matches!(fact, CallFact::RecordingPaused { .. }));
    let resumed = stage.world.count(|fact| matches!(fact, CallFact::RecordingResumed { .. }));
    assert_eq!((paused, resumed), (1, 1));
    stage.hang_up(caller);
    let finished = stage.finish();
    assert_eq!(only(&finished).recordings.len(), 1);
}

#[test]
fn a_pause_ends_with_its_recording_and_needs_one() {
    let mut stage = Stage::ready(&["8001"]);
    let caller = stage.call("4008001234");
    stage.until_fact(seconds(20), |fact| node_is(fact, "menu"));
    let call = stage.world.calls()[0].id;
    assert_eq!(stage.world.calls()[0].recording, LiveRecording::Off);
    stage.world.keep(call, Keep::Nothing);
    stage.press(caller, '1');
    stage.until_fact(seconds(40), |fact| matches!(fact, CallFact::Bridged { .. }));
    stage.run(seconds(1));
    assert_eq!(stage.world.calls()[0].recording, LiveRecording::On, "nothing was there to pause");
    stage.world.keep(call, Keep::Nothing);
    stage.run(millis(100));
    let phone = stage.phone("8001");
    stage.hang_up(phone);
    stage.until_fact(seconds(5), |fact| matches!(fact, CallFact::SurveyAsked { .. }));
    assert_eq!(stage.world.calls()[0].recording, LiveRecording::Off);
    stage.hang_up(caller);
    stage.finish();
}

#[test]
fn keys_of_a_secret_are_in_no_recording_and_no_fact() {
    let flow = r#"
start = "greeting"
[node.greeting]
kind = "play"
say = ["welcome"]
interrupt = "never"
next = "pin"
[node.pin]
kind = "extension"
say = ["ivr_input_ext"]
max_digits = 4
phones = ["8001"]
mask = true
"#;
    let (numbers, text) =
        edited("numbers/all.toml", "flow = \"together\"\nanswer = \"early-media\"", "flow = \"secret\"");
    let sources = folder(&[(numbers, &text), ("flows/secret.toml", flow)]);
    let mut stage = Stage::of(&sources, 1, Weather::FAIR);
    stage.sign_in(&["8001"]);
    let caller = stage.call("4008003333");
    stage.tell(caller, Command::Say(Sound::Tone(440.0)));
    stage.until_fact(seconds(20), |fact| node_is(fact, "pin"));
    let recording = recording(&stage.world);
    let [before, _] = stage.world.kept(recording);
    assert!(before >= 50, "the greeting is kept: {before}");
    stage.run(millis(500));
    for key in ['8', '0', '0'] {
        stage.press(caller, key);
        stage.run(millis(400));
    }
    assert_eq!(stage.world.kept(recording), [before, 0]);
    stage.press(caller, '1');
    stage.until_fact(seconds(10), |fact| matches!(fact, CallFact::Bridged { .. }));
    stage.run(seconds(2));
    let [left, right] = stage.world.kept(recording);
    assert!(left >= before + 95 && right >= 95, "{left} {right}");
    assert!(!stage.world.has(|fact| matches!(fact, CallFact::KeyPressed { .. })));
    stage.hang_up(caller);
    let finished = stage.finish();
    let cdr = only(&finished);
    assert!(cdr.menu.keys.is_empty() && cdr.recordings.len() == 1);
}
