//! baresip as agent, supervisor and conference participant, SIPp as the carrier: who hears whom is measured by the tones
//! that each phone wrote down itself, and what the recording has (R20, R53, R54).

use std::time::Duration;

use hotline_tests::{
    AGENT_HZ, Baresip, CALLER_HZ, Office, SippRun, Wav, may_use_raw_sockets, paced, turn, until,
};

/// What the supervisor says, in hertz.
const SUPERVISOR_HZ: f64 = 880.0;

const SOON: Duration = Duration::from_secs(30);

/// 9002 and those after it are supervisors.
const AGENTS: &str = r#"
[[agent]]
id = "9001"
sign_in = "by-registering"

[[agent]]
range = "9002-9100"
sign_in = "by-code"
rights = ["listen", "whisper", "barge", "take", "hangup"]
rights_over = "tenant"
"#;

const ROOM: &str = "number = \"600\"\ntones = \"off\"\n";

fn office() -> Office {
    Office::start(&[], &[("agents/bench.toml", AGENTS), ("conferences/board.toml", ROOM)])
}

/// The agent 9001 in conversation with a customer who hangs up `millis` after the menu answered.
fn talk(office: &Office, millis: &str) -> (Baresip, SippRun, String) {
    let agent = office.phone("9001", AGENT_HZ);
    office.switch.wait_live("phones", 1, SOON);
    let (carrier, call) = office.customer(millis);
    (agent, carrier, call)
}

#[test]
fn a_supervisor_joins_by_feature_code_and_all_hear_each_other() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let office = office();
    let (agent, carrier, call) = talk(&office, "15000");
    let supervisor = Baresip::start_dialling(
        &office.space,
        office.switch.sip,
        ("9002", "bench"),
        SUPERVISOR_HZ,
        "*349001",
    );
    carrier.succeed(SOON);
    let customer = office.record(2, &call);
    assert_eq!(
        (&customer["agent"], &customer["hung_up_by"]),
        (&"9001".into(), &"caller".into()),
        "{customer:#}"
    );
    office.explained(&call, "班长席 9002 开始强插");
    office.explained(&call, "班长席 9002 离开");
    let supervisor = supervisor.stop();
    let sounds = Wav::sounds_seconds;
    let heard = (sounds(&supervisor.heard.left, CALLER_HZ), sounds(&supervisor.heard.left, AGENT_HZ));
    assert!(heard.0 > 2.0 && heard.1 > 2.0, "the supervisor heard caller and agent for {heard:?} s");
    let to_agent = sounds(&agent.stop().heard.left, SUPERVISOR_HZ);
    assert!(to_agent > 2.0, "the agent heard the supervisor for {to_agent} s");
    let wav = Wav::read(customer["recording"].as_str().expect("a recording").as_ref());
    let joined = (sounds(&wav.left, SUPERVISOR_HZ), sounds(&wav.right, SUPERVISOR_HZ));
    assert!(
        joined.0 < 0.5 && joined.1 > 2.0,
        "who joined is on the right of the recording alone: {joined:?} s"
    );
    office.switch.stop();
}

#[test]
fn a_supervisor_is_called_to_whisper_and_only_the_agent_hears() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let office = office();
    let (agent, carrier, call) = talk(&office, "18000");
    let supervisor = office.phone("9002", SUPERVISOR_HZ);
    office.switch.wait_live("phones", 2, SOON);
    let (code, _) = office.switch.answer(&["calls", "whisper", &call, "--as", "9002"]);
    assert_eq!(code, 0);
    carrier.succeed(SOON);
    let customer = office.record(2, &call);
    let sounds = Wav::sounds_seconds;
    let heard = supervisor.stop().heard.left;
    let heard = (sounds(&heard, CALLER_HZ), sounds(&heard, AGENT_HZ));
    assert!(heard.0 > 2.0 && heard.1 > 2.0, "the supervisor heard caller and agent for {heard:?} s");
    let to_agent = sounds(&agent.stop().heard.left, SUPERVISOR_HZ);
    assert!(to_agent > 2.0, "the agent heard the supervisor for {to_agent} s");
    let wav = Wav::read(customer["recording"].as_str().expect("a recording").as_ref());
    let kept = (sounds(&wav.left, SUPERVISOR_HZ), sounds(&wav.right, SUPERVISOR_HZ));
    assert!(kept.0 < 0.3 && kept.1 < 0.3, "a whisper is in no recording: {kept:?} s");
    office.switch.stop();
}

#[test]
fn a_phone_picks_up_by_feature_code_the_call_that_rings_at_another() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let office = office();
    let quiet = "answermode=manual;audio_codecs=pcma";
    let rings = Baresip::start_with(&office.space, office.switch.sip, ("9001", "bench"), AGENT_HZ, quiet);
    office.switch.wait_live("phones", 1, SOON);
    let carrier = office.carrier("12000");
    rings.wait_for("Incoming call", SOON);
    let login = ("9002", "bench");
    let picks = Baresip::start_dialling(&office.space, office.switch.sip, login, SUPERVISOR_HZ, "**9001");
    let call = office.conversation();
    carrier.succeed(SOON);
    let customer = office.record(2, &call);
    assert_eq!(
        (&customer["agent"], &customer["result"]),
        (&"9002".into(), &"answered".into()),
        "{customer:#}"
    );
    let heard = Wav::sounds_seconds(&picks.stop().heard.left, CALLER_HZ);
    assert!(heard > 2.0, "who picked up heard the customer for {heard} s");
    let wav = Wav::read(customer["recording"].as_str().expect("a recording").as_ref());
    let kept = (Wav::sounds_seconds(&wav.left, CALLER_HZ), Wav::sounds_seconds(&wav.right, SUPERVISOR_HZ));
    assert!(kept.0 > 2.0 && kept.1 > 2.0, "both are in the recording: {kept:?} s");
    office.switch.stop();
}

#[test]
fn three_phones_meet_in_a_conference_that_is_recorded() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let office = office();
    let dials = |user: &str, hz: f64| {
        Baresip::start_dialling(&office.space, office.switch.sip, (user, "bench"), hz, "600")
    };
    let phones = [("9002", CALLER_HZ), ("9003", AGENT_HZ), ("9004", SUPERVISOR_HZ)];
    let running: Vec<(Baresip, f64)> = phones.iter().map(|(user, hz)| (dials(user, *hz), *hz)).collect();
    let inside = || {
        let rooms = office.switch.ask(&["conferences", "list"]);
        rooms.as_array()?.first()?["participants"].as_array().map(Vec::len)
    };
    until("three in the room", SOON, || (inside() == Some(3)).then_some(()));
    // They talk for some seconds.
    paced(1, Duration::from_secs(6), |_| {});
    let (code, _) = office.switch.answer(&["conferences", "end", "board"]);
    assert_eq!(code, 0);
    let calls = office.switch.wait_calls(4, SOON);
    let recorded =
        calls.iter().find(|record| record["recording"].is_string()).expect("the conference's record");
    let wav = Wav::read(recorded["recording"].as_str().expect("a recording").as_ref());
    for (phone, own) in running {
        let heard = phone.stop().heard.left;
        for (_, hz) in phones {
            let length = Wav::sounds_seconds(&heard, hz);
            assert!((length > 2.0) == (hz != own), "who says {own} Hz heard {hz} Hz for {length} s");
            // A conference has no caller: everybody is in both channels.
            for channel in [&wav.left, &wav.right] {
                let kept = Wav::sounds_seconds(channel, hz);
                assert!(kept > 2.0, "the recording has {hz} Hz for {kept} s");
            }
        }
    }
    office.switch.stop();
}
