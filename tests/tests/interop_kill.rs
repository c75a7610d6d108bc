//! A power cut in the middle of calls: what was said until a second before is there after the next start.

use std::time::Duration;

use hotline_tests::{
    AGENT_HZ, CALLER_HZ, Capture, Place, Sipp, Switch, Wav, may_use_raw_sockets, now, seconds, turn, until,
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
    let switch = Switch::start(&[]);
    switch.register(phone, 9001..=9000 + CALLS);
    let answering = Sipp::new("phone_listens", phone, &[])
        .speaking(&Capture::default().tone(AGENT_HZ, 60_000))
        .answer(CALLS);
    let calling = Sipp::at("carrier_stays", Place::mine().carrier, &[])
        .speaking(&Capture::default().silence(400).key(1).tone(CALLER_HZ, 60_000))
        .call(switch.sip, "4000000003", CALLS, 20);
    switch.wait_live("recordings", CALLS as usize, soon);
    let all_talk = now();
    until("ten seconds of talk", soon, || (now() - all_talk > 10.0).then_some(()));
    let killed = now();
    let folder = switch.kill();
    calling.abandon();
    answering.abandon();

    let switch = Switch::run(folder);
    let calls = switch.wait_calls(CALLS as usize, soon);
    assert_eq!(calls.len(), CALLS as usize, "one record each");
    for call in &calls {
        let up = killed - seconds(call["agent_answered"].as_str().expect("a time"));
        let path = call["recording"].as_str().unwrap_or_else(|| panic!("no recording: {call:#}"));
        let wav = Wav::read(path.as_ref());
        assert!(wav.seconds() >= up - 1.0, "{} s of {up} s: {call:#}", wav.seconds());
        let caller = Wav::tone_seconds(&wav.left, CALLER_HZ);
        let agent = Wav::tone_seconds(&wav.right, AGENT_HZ);
        // A party's first packet comes a moment behind the answer, a longer one on a busy machine; nothing else is missing.
        let heard = wav.seconds() - 0.6;
        assert!(caller >= heard && agent >= heard, "caller {caller} s, agent {agent} s of {up} s: {call:#}");
        let crossed = Wav::tone_seconds(&wav.left, AGENT_HZ) + Wav::tone_seconds(&wav.right, CALLER_HZ);
        assert!(crossed < 0.001, "{crossed} s in the wrong channel");
        assert_eq!(
            (&call["result"], &call["termination"]),
            (&"failure".into(), &"crashed".into()),
            "{call:#}"
        );
    }
    switch.stop();
}
