//! What real phones dial: SIPp as a phone that proves its password, SIPp as the carrier, and the command line.

use std::net::SocketAddr;
use std::time::Duration;

use hotline_tests::{
    AGENT_HZ, CALLER_HZ, Capture, Place, Sipp, SippRun, Switch, Wav, may_use_raw_sockets, now, turn, until,
};

const SOON: Duration = Duration::from_secs(30);
const TRUNK: &str = "trunks/loopback.toml";

/// A switch whose phones call out behind a 9, by a carrier at `carrier`.
fn switch(carrier: SocketAddr) -> Switch {
    switch_with(carrier, &[])
}

/// The same, with these changes.
fn switch_with(carrier: SocketAddr, changes: &[(&str, &str, &str)]) -> Switch {
    let trunk =
        format!("home_area = \"010\"\nheartbeat_seconds = 0\nto = \"{carrier}\"\ncaller = \"01065551234\"\n");
    let from = format!("{}/32", carrier.ip());
    let outside = [
        ("hotline.toml", "[limits]", "[dialling]\nprefix = \"9\"\ntrunk = \"loopback\"\n[limits]"),
        (TRUNK, "127.0.0.0/8", &*from),
        (TRUNK, "home_area = \"010\"\n", &*trunk),
    ];
    Switch::start(&[&outside, changes].concat())
}

/// The phone of 9001 dials `number`.
fn dials(scenario: &str, switch: &Switch, number: &str, words: &[(&str, &str)]) -> SippRun {
    Sipp::at(scenario, Place::mine().phones, words)
        .traced()
        .with(&["-d", "1500"])
        .reading("fields.csv", "SEQUENTIAL\n9001;[authentication username=9001 password=bench]\n")
        .call(switch.sip, number, 1, 1)
}

/// The phone of 9001 dials a code, and hears its beep.
fn dials_code(switch: &Switch, code: &str) {
    dials("phone_dials_a_code", switch, code, &[]).succeed(SOON);
}

fn diversion(switch: &Switch, user: &str) -> serde_json::Value {
    let phones = switch.ask(&["phones"]);
    let is = |phone: &&serde_json::Value| phone["aor"].as_str().is_some_and(|aor| aor.starts_with(user));
    phones.as_array().expect("phones").iter().find(is).expect("the phone")["diversion"].clone()
}

#[test]
fn a_phone_calls_outside_with_a_number_of_the_trunk_and_is_recorded() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let carrier = Place::free(Place::mine().carrier);
    let speech = Capture::default().tone(AGENT_HZ, 4_000);
    let answering = Sipp::new("phone_listens", carrier, &[]).traced().speaking(&speech).answer(1);
    let switch = switch(carrier);
    dials("phone_dials", &switch, "913900139000", &[]).succeed(SOON);
    let invite = answering.messages();
    assert!(invite.contains("INVITE sip:13900139000@") && invite.contains("<sip:01065551234@"), "{invite}");
    answering.succeed(SOON);
    let call = &switch.wait_calls(1, SOON)[0];
    let told =
        [&call["direction"], &call["result_zh"], &call["agent"], &call["answered_by"], &call["hung_up_by"]];
    assert_eq!(
        told,
        ["out", "接通", "9001", "13900139000", "agent"].map(serde_json::Value::from).each_ref(),
        "{call:#}"
    );
    // R5: what the customer says is on the right, as everything that who calls hears.
    let wav = Wav::read(call["recording"].as_str().expect("a recording").as_ref());
    let customer = Wav::tone_seconds(&wav.right, AGENT_HZ);
    assert!(customer > 0.8, "{customer} s of {} s", wav.seconds());
    switch.stop();
}

#[test]
fn what_may_not_be_dialled_is_refused_with_its_reason() {
    let _turn = turn();
    let carrier = Place::free(Place::mine().carrier);
    let switch = switch(carrier);
    for (number, answer, words) in [
        ("90085212345678", "403", "class of service"),
        ("8999", "404", "no such number"),
        ("*69", "404", "nobody has called"),
        ("*72", "484", "a number belongs behind"),
    ] {
        let run = dials("phone_dials_in_vain", &switch, number, &[("ANSWER", answer)]);
        let messages = run.succeed_traced(SOON);
        assert!(messages.contains("Reason: SIP;cause=") && messages.contains(words), "{number}: {messages}");
    }
    let calls = switch.wait_calls(4, SOON);
    assert!(calls.iter().all(|call| call["reason"].is_string()), "{calls:#?}");
    switch.stop();
}

#[test]
fn forwards_and_do_not_disturb_are_dialled_shown_and_outlive_a_kill() {
    let _turn = turn();
    let carrier = Place::free(Place::mine().carrier);
    let switch = switch(carrier);
    for code in ["*729002", "*90913900139000", "*78"] {
        dials_code(&switch, code);
    }
    let expected = serde_json::json!({
        "always": "9002", "busy": "913900139000", "no_answer": null, "disturb": "no",
    });
    assert_eq!(diversion(&switch, "9001@"), expected);
    assert!(switch.show(&["phones"]).contains("免打扰 / do not disturb, 全部 / all → 9002"));
    // Written down within the second.
    let dialled = now();
    until("the keeper's second", SOON, || (now() > dialled + 2.5).then_some(()));
    let switch = Switch::run(switch.kill());
    assert_eq!(diversion(&switch, "9001@"), expected);
    for code in ["*73", "*91", "*79"] {
        dials_code(&switch, code);
    }
    let nothing = serde_json::json!({ "always": null, "busy": null, "no_answer": null, "disturb": "yes" });
    assert_eq!(diversion(&switch, "9001@"), nothing);
    // The echo is a call like any other.
    dials("phone_dials", &switch, "*9196", &[]).succeed(SOON);
    switch.stop();
}

/// R38: whom a phone missed before the switch was killed is called back by `*69` after it, by the carrier.
#[test]
fn a_missed_call_is_called_back_after_a_kill() {
    let _turn = turn();
    let (carrier, phone) = (Place::free(Place::mine().carrier), Place::free(Place::mine().phones));
    let of_9001 = ("flows/bound.toml", "uri = \"sip:uas@127.0.0.1:5090\"", "phone = \"9001\"");
    let switch = switch_with(carrier, &[of_9001]);
    switch.register(phone, 9001..=9001);
    let ringing = Sipp::new("phone_declines", phone, &[]).with(&["-d", "500"]).answer(1);
    Sipp::at("carrier_waits_in_vain", Place::mine().carrier, &[])
        .call(switch.sip, "4000000002", 1, 1)
        .succeed(SOON);
    ringing.succeed(SOON);
    let missed = &switch.wait_calls(1, SOON)[0];
    assert_eq!(
        (&missed["caller"], &missed["result_zh"]),
        (&"13800138000".into(), &"振铃未接".into()),
        "{missed:#}"
    );
    // Written down within the second.
    let rung = now();
    until("the keeper's second", SOON, || (now() > rung + 2.5).then_some(()));
    let switch = Switch::run(switch.kill());
    let answering = Sipp::new("phone_hangs_up_unheard", carrier, &[]).traced().with(&["-d", "500"]).answer(1);
    dials_code(&switch, "*69");
    let invite = answering.succeed_traced(SOON);
    assert!(invite.contains("INVITE sip:13800138000@"), "{invite}");
    let calls = switch.wait_calls(2, SOON);
    let back = calls.iter().find(|call| call["direction"] == "out").expect("a call back");
    assert_eq!((&back["result_zh"], &back["called"]), (&"接通".into(), &"*69".into()), "{back:#}");
    switch.stop();
}

/// R21: by the command line, with SIPp as the agent's phone and as the carrier.
#[test]
fn an_agent_is_joined_with_a_number_whoever_is_called_first() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let (carrier, phone) = (Place::free(Place::mine().carrier), Place::free(Place::mine().phones));
    let switch = switch(carrier);
    switch.register(phone, 9001..=9001);
    let speech = Capture::default().tone(AGENT_HZ, 4_000);
    for (first, count) in [("agent", 1), ("number", 2)] {
        let called = Sipp::new("phone_listens", carrier, &[]).traced().speaking(&speech).answer(1);
        let agent = Sipp::new("phone_hangs_up", phone, &[]).traced().with(&["-d", "2000"]);
        let agent = agent.speaking(&Capture::default().tone(CALLER_HZ, 4_000)).answer(1);
        let wish = ["calls", "originate", "--agent", "9001", "--to", "13900139000", "--first", first];
        let made = switch.ask(&wish);
        let why = switch.refusal(&wish);
        assert!(why.contains("the agent is in a call"), "{why}");
        agent.succeed(SOON);
        let invite = called.messages();
        assert!(
            invite.contains("INVITE sip:13900139000@") && invite.contains("<sip:01065551234@"),
            "{invite}"
        );
        called.succeed(SOON);
        let calls = switch.wait_calls(count, SOON);
        let call = calls.iter().find(|call| call["id"] == made["id"]).expect("the record");
        assert_eq!((&call["direction"], &call["result_zh"]), (&"out".into(), &"接通".into()), "{call:#}");
        assert_eq!(call["agent"], "9001", "{call:#}");
        let wav = Wav::read(call["recording"].as_str().expect("a recording").as_ref());
        let both = |hz| Wav::tone_seconds(&wav.left, hz) + Wav::tone_seconds(&wav.right, hz);
        let heard = (both(AGENT_HZ), both(CALLER_HZ));
        assert!(heard.0 > 0.8 && heard.1 > 0.8, "{heard:?} s of {} s, {first} first", wav.seconds());
    }
    let why = switch.refusal(&["calls", "originate", "--agent", "9001", "--to", "0085212345678"]);
    assert!(why.contains("class of service"), "{why}");
    switch.stop();
}
