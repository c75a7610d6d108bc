//! Transfer and hold by the functions of real phones, SIPp as the carrier: who hears whom by tones, what the one record and
//! the one recording have, and who has the call when the transfer fails (R5, R38, R46).

use std::time::Duration;

use hotline_tests::{
    AGENT_HZ, Baresip, CALLER_HZ, Call, Linphone, Office, Place, Sipp, Wav, may_use_raw_sockets, paced,
    seconds, turn, until,
};

/// What the one says to whom the call is sent, in hertz.
const NEW_HZ: f64 = 880.0;

const SOON: Duration = Duration::from_secs(30);

/// Only 9001 takes calls of the queue.
const AGENTS: &str = r#"
[[agent]]
id = "9001"
sign_in = "by-registering"

[[agent]]
range = "9002-9100"
sign_in = "by-code"
"#;

fn office() -> Office {
    // 4000000002 rings the agent's phone.
    let bound = ("flows/bound.toml", "uri = \"sip:uas@127.0.0.1:5090\"", "phone = \"9001\"");
    Office::start(&[bound], &[("agents/bench.toml", AGENTS)])
}

/// Time to talk.
fn talk(length: u64) {
    paced(10, Duration::from_secs(length), |_| {});
}

fn recording(record: &Call) -> Wav {
    let recordings = record["recordings"].as_array().map(Vec::len);
    assert_eq!(recordings, Some(1), "one recording: {record:#}");
    Wav::read(record["recording"].as_str().expect("a recording").as_ref())
}

/// The caller hung up, and two agents had the call one behind the other: their times are those of the whole call.
fn assert_two_had_it(record: &Call, kind: &str) {
    assert_eq!(
        (&record["hung_up_by"], &record["result"]),
        (&"caller".into(), &"answered".into()),
        "{record:#}"
    );
    let segments = answered(record);
    let parties: Vec<_> = segments.iter().filter_map(|segment| segment["party"].as_str()).collect();
    assert_eq!(parties, ["9001", "9002"], "{record:#}");
    let transfer = record["transfers"].as_array().and_then(|all| all.last()).expect("a transfer");
    let told = [&transfer["kind"], &transfer["outcome"], &transfer["by"]];
    assert_eq!(told, [kind, "done", "9001"].map(serde_json::Value::from).each_ref(), "{record:#}");
    let sum: u64 = segments.iter().filter_map(|segment| segment["talk_ms"].as_u64()).sum();
    let talked = record["talk_ms"].as_u64().expect("a time");
    assert!(talked.abs_diff(sum) <= 5, "{sum} ms of {talked} ms: {record:#}");
    let at = |segment: usize, what: &str| seconds(segments[segment][what].as_str().expect("a time"));
    assert!(at(0, "left") <= at(1, "bridged") + 0.001, "one behind the other: {record:#}");
    let ended = seconds(record["ended"].as_str().expect("a time"));
    assert!((ended - at(1, "left")).abs() < 0.1, "to the end: {record:#}");
}

/// The parts of whom the caller talked with.
fn answered(record: &Call) -> Vec<&Call> {
    let segments = record["segments"].as_array().expect("segments");
    segments.iter().filter(|segment| segment["answered"].is_string()).collect()
}

/// The agent is on the right first, then the new one alone; the caller on the left all the time.
fn assert_in_turn(record: &Call, least: f64) {
    let wav = recording(record);
    let (first, second) = (places(&wav.right, AGENT_HZ), places(&wav.right, NEW_HZ));
    assert!(first.len() as f64 * 0.05 > least && second.len() as f64 * 0.05 > least, "{first:?} {second:?}");
    assert!(first.last() < second.first(), "in turn: {first:?} {second:?}");
    let (caller, all) = (Wav::tone_seconds(&wav.left, CALLER_HZ), wav.seconds());
    assert!(caller > all - 1.5, "the caller speaks for {caller} s of {all} s");
}

/// In which twentieths of a second `hz` is the main sound.
fn places(channel: &[i16], hz: f64) -> Vec<usize> {
    let is_in = |(at, window): (usize, &[i16])| (Wav::tone_seconds(window, hz) > 0.0).then_some(at);
    channel.chunks_exact(400).enumerate().filter_map(is_in).collect()
}

#[test]
fn a_phone_transfers_blindly_by_its_own_refer() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let office = office();
    let (agent, new) = (office.phone("9001", AGENT_HZ), office.phone("9002", NEW_HZ));
    office.switch.wait_live("phones", 2, SOON);
    let (carrier, call) = office.customer("8000");
    talk(3);
    agent.say("transfer", &format!("sip:9002@{}", office.switch.sip));
    carrier.succeed(SOON);
    let record = office.record(1, &call);
    assert_two_had_it(&record, "blind");
    assert_in_turn(&record, 2.0);
    for (phone, who) in [(agent, "the agent"), (new, "the new one")] {
        let heard = Wav::tone_seconds(&phone.stop().heard.left, CALLER_HZ);
        assert!(heard > 2.0, "{who} heard the caller for {heard} s");
    }
    office.switch.stop();
}

#[test]
fn a_phone_joins_its_two_calls_by_refer_with_replaces() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let office = office();
    let mut agent = Linphone::start(office.switch.sip, "9001", "bench", "hotline");
    let new = office.phone("9002", NEW_HZ);
    agent.say("autoanswer enable");
    office.switch.wait_live("phones", 2, SOON);
    let (carrier, call) = office.customer("12000");
    talk(1);
    // Nobody is there, and the phone that made the transfer has the call still.
    agent.say("transfer 1 9003");
    office.explained(&call, "转接未成");
    assert_eq!(office.conversation(), call);
    agent.say("pause");
    office.explained(&call, "保持");
    agent.say("call 9002");
    office.switch.wait_live("calls", 2, SOON);
    agent.wait_for("Call 2 with", SOON);
    talk(2);
    agent.say("transfer 1 --to-call 2");
    carrier.succeed(SOON);
    let record = office.record(2, &call);
    assert_two_had_it(&record, "attended");
    let heard = Wav::sounds_seconds(&new.stop().heard.left, CALLER_HZ);
    assert!(heard > 2.0, "the new one heard the caller for {heard} s");
    let said = Wav::tone_seconds(&recording(&record).right, NEW_HZ);
    assert!(said > 2.0, "the recording has the new one for {said} s");
    let calls = office.switch.calls();
    let consultation = calls.iter().find(|other| other["id"] != call.as_str()).expect("the consultation");
    assert_eq!(consultation["went_into"], call.as_str(), "{consultation:#}");
    agent.quit();
    office.switch.stop();
}

#[test]
fn a_phone_holds_and_the_other_hears_music_until_it_resumes() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let office = office();
    let agent = office.phone("9001", AGENT_HZ);
    office.switch.wait_live("phones", 1, SOON);
    let caller =
        Baresip::start_dialling(&office.space, office.switch.sip, ("9010", "bench"), CALLER_HZ, "4000000002");
    let call = office.conversation();
    talk(2);
    agent.say("hold", "");
    office.explained(&call, "保持");
    talk(3);
    agent.say("resume", "");
    talk(3);
    office.switch.ask(&["calls", "hangup", &call]);
    let record = office.record(1, &call);
    let segment = &record["segments"][0];
    let held = record["hold_ms"].as_u64().expect("a time");
    assert!((2_000..5_000).contains(&held), "{record:#}");
    assert_eq!((&segment["holds"], &segment["hold_ms"]), (&1.into(), &record["hold_ms"]), "{record:#}");
    let heard = caller.stop().heard.left;
    let agent_heard = places(&heard, AGENT_HZ);
    let (first, last) = (agent_heard.first().expect("the agent"), agent_heard.last().expect("the agent"));
    let between: Vec<_> = heard.chunks_exact(400).enumerate().skip(*first).take(last - first).collect();
    let music = |(_, window): &&(usize, &[i16])| {
        let loud = window.iter().any(|sample| sample.unsigned_abs() > 300);
        loud && Wav::tone_seconds(window, AGENT_HZ) == 0.0
    };
    let music = between.iter().filter(music).count() as f64 * 0.05;
    assert!(music > 2.0, "music for {music} s of {held} ms");
    // The dump of who holds ends with the hold; it speaks on.
    let to_holder = Wav::tone_seconds(&agent.stop().heard.left, CALLER_HZ);
    assert!(to_holder < 4.0, "who holds heard the caller for {to_holder} s");
    let wav = recording(&record);
    let silent = wav.seconds() - Wav::tone_seconds(&wav.right, AGENT_HZ);
    assert!(silent > 2.0, "the agent is not recorded while it holds: {silent} s");
    office.switch.stop();
}

#[test]
fn the_command_line_transfers_a_call_which_goes_back_to_who_had_it_when_nobody_takes_it() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let office = office();
    // 9004 says no after a while.
    let declining = Place::free(Place::mine().phones);
    office.switch.register(declining, 9004..=9004);
    let (agent, new) = (office.phone("9001", AGENT_HZ), office.phone("9002", NEW_HZ));
    office.switch.wait_live("phones", 3, SOON);
    let declines = Sipp::new("phone_declines", declining, &[]).traced().with(&["-d", "1500"]).answer(1);
    let (carrier, call) = office.customer("14000");
    talk(1);
    let transfer = |to| office.switch.ask(&["calls", "transfer", &call, "--to", to]);
    // 8999 is nobody, 9003 nowhere: who talks goes on.
    let words = office.switch.refusal(&["calls", "transfer", &call, "--to", "8999"]);
    assert!(words.contains("该号码无法转接"), "{words}");
    assert_eq!(transfer("9003")["ok"], true);
    office.explained(&call, "转接未成");
    assert_eq!(office.conversation(), call);
    // The agent does not wait for 9004, and is rung again.
    assert_eq!(transfer("9004")["ok"], true);
    until("9004 rings", SOON, || declines.messages().contains("180 Ringing").then_some(()));
    agent.say("hangup", "");
    declines.succeed(SOON);
    office.explained(&call, "叫回");
    assert_eq!(office.conversation(), call);
    talk(1);
    assert_eq!(transfer("9002")["ok"], true);
    carrier.succeed(SOON);
    let record = office.record(1, &call);
    let parties: Vec<_> = answered(&record).iter().filter_map(|segment| segment["party"].as_str()).collect();
    assert_eq!(parties, ["9001", "9001", "9002"], "{record:#}");
    let outcomes: Vec<_> = record["transfers"].as_array().expect("transfers").iter().collect();
    let outcomes: Vec<_> = outcomes.iter().filter_map(|transfer| transfer["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["failed", "failed", "done"], "{record:#}");
    assert_in_turn(&record, 1.5);
    let heard = Wav::tone_seconds(&new.stop().heard.left, CALLER_HZ);
    assert!(heard > 1.5, "the new one heard the caller for {heard} s");
    let words = office.switch.refusal(&["calls", "transfer", &call, "--to", "9002"]);
    assert!(words.contains("进行中的通话"), "{words}");
    office.switch.stop();
}
