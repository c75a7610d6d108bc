//! SIPp as the carrier and as phones, over UDP and TCP, with RTP and keys from captures.

use std::time::Duration;

use hotline_tests::{
    AGENT_HZ, CALLER_HZ, Call, Capture, Place, Sipp, SippRun, Switch, Wav, may_use_raw_sockets, turn,
};

const SOON: Duration = Duration::from_secs(30);

fn caller() -> Capture {
    Capture::default().silence(400).key(1).tone(CALLER_HZ, 30_000)
}

fn agent() -> Capture {
    Capture::default().tone(AGENT_HZ, 30_000)
}

fn carrier(scenario: &str) -> Sipp {
    Sipp::at(scenario, Place::mine().carrier, &[]).traced()
}

/// A switch whose bound phone is `phone`.
fn switch_with_bound(phone: std::net::SocketAddr) -> Switch {
    Switch::start(&[("flows/bound.toml", "127.0.0.1:5090", &phone.to_string())])
}

fn recording(call: &Call) -> Wav {
    let path = call["recording"].as_str().unwrap_or_else(|| panic!("no recording: {call:#}"));
    Wav::read(path.as_ref())
}

/// Both parties are in their own channels for at least `seconds`, and nowhere else.
fn assert_both_heard(wav: &Wav, seconds: f64) {
    let caller = Wav::tone_seconds(&wav.left, CALLER_HZ);
    let agent = Wav::tone_seconds(&wav.right, AGENT_HZ);
    assert!(
        caller >= seconds && agent >= seconds,
        "caller {caller} s, agent {agent} s of {} s",
        wav.seconds()
    );
    let crossed = Wav::tone_seconds(&wav.left, AGENT_HZ) + Wav::tone_seconds(&wav.right, CALLER_HZ);
    assert!(crossed < 0.001, "{crossed} s in the wrong channel");
}

/// Nothing of a call is left, and the switch ends well.
fn assert_nothing_left(switch: Switch) {
    for what in [
        "calls",
        "calls_in_memory",
        "rooms",
        "media_ports",
        "players",
        "recordings",
        "queue_entries",
        "offers",
    ] {
        switch.wait_live(what, 0, Duration::from_secs(70));
    }
    switch.stop();
}

fn refused(number: &str, status: &str, switch: &Switch) {
    Sipp::at("carrier_is_refused", Place::mine().carrier, &[("STATUS", status)])
        .traced()
        .call(switch.sip, number, 1, 1)
        .succeed(SOON);
}

#[test]
fn a_caller_presses_1_talks_to_the_agent_and_is_recorded_in_the_right_channels() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let switch = Switch::start(&[]);
    let phone = Place::free(Place::mine().phones);
    switch.register(phone, 9001..=9001);
    let answering =
        Sipp::new("phone_hangs_up", phone, &[]).traced().speaking(&agent()).with(&["-d", "3000"]).answer(1);
    let calling = carrier("carrier_stays").speaking(&caller()).call(switch.sip, "4000000003", 1, 1);
    calling.succeed(SOON);
    answering.succeed(SOON);
    let calls = switch.wait_calls(1, SOON);
    let call = &calls[0];
    let told =
        (&call["number"], &call["caller"], &call["keys"], &call["queue"], &call["agent"], &call["result"]);
    assert_eq!(
        serde_json::json!(told),
        serde_json::json!(["4000000003", "13800138000", "1", "bench", "9001", "answered"]),
        "{call:#}"
    );
    assert_eq!(call["segments"][0]["outcome"]["by"], "agent", "{call:#}");
    let wav = recording(call);
    assert_both_heard(&wav, 2.7);
    assert!((wav.seconds() - 3.0).abs() < 0.5, "{} s", wav.seconds());
    assert_nothing_left(switch);
}

#[test]
fn the_capture_of_a_key_that_comes_with_sipp_is_understood() {
    let theirs = |carrier: Sipp| carrier.playing("/usr/share/sip-tester/dtmf_2833_1.pcap".as_ref());
    key_is_understood("101", theirs);
}

#[test]
fn a_key_of_payload_type_96_is_understood() {
    key_is_understood("96", |carrier| carrier.speaking(&Capture::default().silence(200).key_as(1, 96)));
}

fn key_is_understood(payload_type: &str, keyed: impl FnOnce(Sipp) -> Sipp) {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let switch = Switch::start(&[]);
    let phone = Place::free(Place::mine().phones);
    switch.register(phone, 9007..=9007);
    let answering =
        Sipp::new("phone_hangs_up", phone, &[]).traced().speaking(&agent()).with(&["-d", "1000"]).answer(1);
    keyed(Sipp::at("carrier_stays", Place::mine().carrier, &[("EVENTS", payload_type)]).traced())
        .call(switch.sip, "4000000003", 1, 1)
        .succeed(SOON);
    answering.succeed(SOON);
    let call = &switch.wait_calls(1, SOON)[0];
    assert_eq!((&call["keys"], &call["agent"]), (&"1".into(), &"9007".into()), "{call:#}");
    assert_nothing_left(switch);
}

#[test]
fn a_wrong_password_looks_like_an_unknown_user_and_rings_nobody() {
    let _turn = turn();
    let switch = Switch::start(&[]);
    for (user, password) in [("9001", "wrong"), ("8888", "bench")] {
        Sipp::at("phone_is_refused", Place::mine().phones, &[("USER", user), ("PASSWORD", password)])
            .traced()
            .call(switch.sip, "register", 1, 1)
            .succeed(SOON);
    }
    assert!(switch.live("phones") < 1.0);
    assert_nothing_left(switch);
}

#[test]
fn a_prompt_number_answers_until_the_caller_hangs_up() {
    let _turn = turn();
    let switch = Switch::start(&[]);
    carrier("carrier_hangs_up").with(&["-d", "1500"]).call(switch.sip, "4000000001", 3, 3).succeed(SOON);
    let calls = switch.wait_calls(3, SOON);
    assert_eq!(calls.len(), 3);
    for call in &calls {
        assert_eq!(call["hung_up_by"], "caller", "{call:#}");
        assert!(call["recording"].is_null(), "{call:#}");
        let millis = call["duration_ms"].as_u64().expect("milliseconds");
        assert!((1_400..3_000).contains(&millis), "{millis} ms");
    }
    assert_nothing_left(switch);
}

#[test]
fn bound_phones_are_recorded_where_their_number_says_so() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let phone = Place::free(Place::mine().phones);
    let switch = switch_with_bound(phone);
    let answering = Sipp::new("phone_listens", phone, &[]).traced().speaking(&agent()).answer(2);
    for number in ["4000000002", "4000000004"] {
        let speech = Capture::default().tone(CALLER_HZ, 10_000);
        carrier("carrier_speaks")
            .speaking(&speech)
            .with(&["-d", "2500"])
            .call(switch.sip, number, 1, 1)
            .succeed(SOON);
    }
    answering.succeed(SOON);
    let calls = switch.wait_calls(2, SOON);
    assert_both_heard(&recording(&calls[0]), 2.2);
    assert!(calls[1]["recording"].is_null(), "{:#}", calls[1]);
    assert_eq!(calls[1]["result"], "answered");
    assert_nothing_left(switch);
}

#[test]
fn a_caller_holds_and_resumes() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let phone = Place::free(Place::mine().phones);
    let switch = switch_with_bound(phone);
    let answering = Sipp::new("phone_listens", phone, &[]).traced().speaking(&agent()).answer(1);
    let speech = Capture::default().tone(CALLER_HZ, 20_000);
    carrier("carrier_holds")
        .speaking(&speech)
        .with(&["-d", "2000"])
        .call(switch.sip, "4000000002", 1, 1)
        .succeed(SOON);
    answering.succeed(SOON);
    let calls = switch.wait_calls(1, SOON);
    let held = calls[0]["hold_ms"].as_u64().expect("milliseconds");
    assert!((1_800..2_600).contains(&held), "{held} ms: {:#}", calls[0]);
    let wav = recording(&calls[0]);
    assert!((wav.seconds() - 5.0).abs() < 0.7, "hold included: {} s", wav.seconds());
    assert_nothing_left(switch);
}

#[test]
fn a_caller_gives_up_while_it_rings() {
    let _turn = turn();
    let phone = Place::free(Place::mine().phones);
    let switch = switch_with_bound(phone);
    let ringing = Sipp::new("phone_rings", phone, &[]).traced().answer(2);
    carrier("carrier_gives_up").call(switch.sip, "4000000002", 2, 2).succeed(SOON);
    ringing.succeed(SOON);
    let calls = switch.wait_calls(2, SOON);
    for call in &calls {
        assert_eq!(
            (&call["result"], &call["hung_up_by"]),
            (&"ring_no_answer".into(), &"caller".into()),
            "{call:#}"
        );
    }
    assert_nothing_left(switch);
}

#[test]
fn unknown_numbers_and_unknown_sources_are_refused() {
    let _turn = turn();
    let carrier = Place::mine().carrier;
    let switch = Switch::start(&[("trunks/loopback.toml", "127.0.0.0/8", &format!("{carrier}/32"))]);
    refused("4009999999", "404", &switch);
    Sipp::at("carrier_is_refused", Place::mine().stranger, &[("STATUS", "407")])
        .traced()
        .call(switch.sip, "4000000001", 1, 1)
        .succeed(SOON);
    assert_nothing_left(switch);
}

#[test]
fn a_full_switch_says_503_and_a_full_number_486() {
    let _turn = turn();
    let full_number = [
        ("hotline.toml", "max_calls = 20000", "max_calls = 2"),
        ("numbers/bench.toml", "flow = \"prompt\"", "flow = \"prompt\"\nmax_calls = 1"),
    ];
    let switch = Switch::start(&full_number);
    let first = waiting(&switch, "4000000001");
    switch.wait_live("calls", 1, SOON);
    refused("4000000001", "486", &switch);
    let second = waiting(&switch, "4000000003");
    switch.wait_live("calls", 2, SOON);
    refused("4000000003", "503", &switch);
    for call in switch.ask(&["calls", "live"]).as_array().expect("calls") {
        switch.ask(&["calls", "hangup", call["id"].as_str().expect("an id")]);
    }
    first.succeed(SOON);
    second.succeed(SOON);
    let calls = switch.wait_calls(4, SOON);
    assert_eq!(calls.len(), 4, "refused calls have their record too");
    let limited = calls.iter().filter(|call| call["result"] == "limit").count();
    assert_eq!(limited, 2, "{calls:#?}");
    assert_nothing_left(switch);
}

/// A caller who waits for the switch to hang up.
fn waiting(switch: &Switch, number: &str) -> SippRun {
    carrier("carrier_waits").call(switch.sip, number, 1, 1)
}

#[test]
fn options_are_answered() {
    let _turn = turn();
    let switch = Switch::start(&[]);
    carrier("carrier_asks").call(switch.sip, "ping", 3, 10).succeed(SOON);
    assert_nothing_left(switch);
}

#[test]
fn a_carrier_calls_over_tcp() {
    let _turn = turn();
    let switch = Switch::start(&[]);
    for shape in ["t1", "tn"] {
        carrier("carrier_hangs_up")
            .with(&["-t", shape, "-d", "500"])
            .call(switch.sip, "4000000001", 5, 10)
            .succeed(SOON);
    }
    assert_eq!(switch.wait_calls(10, SOON).len(), 10);
    assert_nothing_left(switch);
}

#[test]
fn every_tenth_message_may_be_lost() {
    let _turn = turn();
    let switch = Switch::start(&[]);
    carrier("carrier_hangs_up")
        .with(&["-lost", "10", "-d", "1000"])
        .call(switch.sip, "4000000001", 40, 20)
        .succeed(Duration::from_secs(90));
    let calls = switch.wait_calls(40, SOON);
    assert_eq!(calls.len(), 40);
    assert!(calls.iter().all(|call| call["hung_up_by"] == "caller"));
    assert_nothing_left(switch);
}
