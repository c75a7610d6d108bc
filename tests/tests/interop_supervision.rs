//! baresip as agent, supervisor and conference participant, SIPp as the carrier: who hears whom is measured by the tones
//! that each phone wrote down itself, and what the recording has (R20, R53, R54).

use std::time::Duration;

use hotline_tests::{
    AGENT_HZ, Baresip, CALLER_HZ, Capture, Namespace, Place, Sipp, SippRun, Switch, Wav, may_use_raw_sockets,
    paced, turn, until,
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

struct Office {
    space: Namespace,
    switch: Switch,
}

fn office() -> Office {
    let space = Namespace::make();
    let outside = space.outside.to_string();
    let listener = format!("\"{}:0\"", Place::mine().switch);
    let switch = Switch::start_with(
        &[
            ("hotline.toml", &listener, &format!("\"{outside}:0\"")),
            ("trunks/loopback.toml", "127.0.0.0/8", &format!("{outside}/32")),
        ],
        &[("agents/bench.toml", AGENTS), ("conferences/board.toml", ROOM)],
    );
    Office { space, switch }
}

impl Office {
    /// A customer of the queue who talks for `millis` from the answer of the menu on, with the agent 9001.
    fn talk(&self, millis: &str) -> (Baresip, SippRun, String) {
        let agent = Baresip::start(&self.space, self.switch.sip, "9001", "bench", AGENT_HZ);
        self.switch.wait_live("phones", 1, SOON);
        let speech = Capture::default().silence(400).key(1).tone(CALLER_HZ, 60_000);
        let carrier = Sipp::at("carrier_speaks", self.space.outside, &[])
            .traced()
            .speaking(&speech)
            .with(&["-d", millis])
            .call(self.switch.sip, "4000000003", 1, 1);
        let call = until("a conversation", SOON, || {
            let calls = self.switch.ask(&["calls", "live"]);
            let call = calls.as_array()?.first()?;
            (call["state"] == "talking").then(|| call["id"].as_str().map(str::to_owned)).flatten()
        });
        (agent, carrier, call)
    }

    /// What the switch tells of a call to somebody who asks why.
    fn explained(&self, call: &str) -> String {
        self.switch.ask(&["calls", "explain", call]).to_string()
    }
}

#[test]
fn a_supervisor_joins_by_feature_code_and_all_hear_each_other() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let office = office();
    let (agent, carrier, call) = office.talk("15000");
    let supervisor = Baresip::start_dialling(
        &office.space,
        office.switch.sip,
        ("9002", "bench"),
        SUPERVISOR_HZ,
        "*349001",
    );
    carrier.succeed(SOON);
    let calls = office.switch.wait_calls(2, SOON);
    let customer = calls.iter().find(|record| record["id"] == call.as_str()).expect("the customer's record");
    assert_eq!(
        (&customer["agent"], &customer["hung_up_by"]),
        (&"9001".into(), &"caller".into()),
        "{customer:#}"
    );
    let explained = office.explained(&call);
    assert!(explained.contains("班长席 9002 开始强插"), "{explained}");
    assert!(explained.contains("班长席 9002 离开"), "{explained}");
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
    let (agent, carrier, call) = office.talk("18000");
    let supervisor = Baresip::start(&office.space, office.switch.sip, "9002", "bench", SUPERVISOR_HZ);
    office.switch.wait_live("phones", 2, SOON);
    let (code, _) = office.switch.answer(&["calls", "whisper", &call, "--as", "9002"]);
    assert_eq!(code, 0);
    carrier.succeed(SOON);
    let calls = office.switch.wait_calls(2, SOON);
    let customer = calls.iter().find(|record| record["id"] == call.as_str()).expect("the customer's record");
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
            let (length, kept) = (Wav::sounds_seconds(&heard, hz), Wav::sounds_seconds(&wav.right, hz));
            assert!((length > 2.0) == (hz != own), "who says {own} Hz heard {hz} Hz for {length} s");
            assert!(kept > 2.0, "the recording has {hz} Hz for {kept} s");
        }
    }
    office.switch.stop();
}
