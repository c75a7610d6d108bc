//! baresip as the agent's phone: digest, automatic answer, audio from a file.

use std::time::Duration;

use hotline_tests::{
    AGENT_HZ, Baresip, CALLER_HZ, Capture, Namespace, Place, Sipp, Switch, Wav, may_use_raw_sockets, turn,
};

#[test]
fn baresip_answers_the_queue_and_both_hear_each_other() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let soon = Duration::from_secs(30);
    let space = Namespace::make();
    let outside = space.outside.to_string();
    let listener = format!("\"{}:0\"", Place::mine().switch);
    let switch = Switch::start(&[
        ("hotline.toml", &listener, &format!("\"{outside}:0\"")),
        ("trunks/loopback.toml", "127.0.0.0/8", &format!("{outside}/32")),
    ]);
    let phone = Baresip::start(&space, switch.sip, "9001", "bench", AGENT_HZ);
    switch.wait_live("phones", 1, soon);
    let speech = Capture::default().silence(400).key(1).tone(CALLER_HZ, 30_000);
    Sipp::at("carrier_speaks", space.outside, &[])
        .traced()
        .speaking(&speech)
        .with(&["-d", "9000"])
        .call(switch.sip, "4000000003", 1, 1)
        .succeed(soon);
    let calls = switch.wait_calls(1, soon);
    let call = &calls[0];
    assert_eq!((&call["agent"], &call["hung_up_by"]), (&"9001".into(), &"caller".into()), "{call:#}");
    let wav = Wav::read(call["recording"].as_str().expect("a recording").as_ref());
    let (caller, agent) = (Wav::tone_seconds(&wav.left, CALLER_HZ), Wav::tone_seconds(&wav.right, AGENT_HZ));
    // How long the talk was depends on how fast menu and phone were; all of it is there.
    let all = wav.seconds();
    assert!(all > 3.0 && caller > all - 0.8, "caller {caller} s of {all} s");
    let phone = phone.stop();
    let said = Wav::tone_seconds(&phone.said.left, AGENT_HZ);
    assert!(said > 1.0 && agent > said - 0.5, "agent {agent} s of {said} s that the phone sent");
    let heard = Wav::tone_seconds(&phone.heard.left, CALLER_HZ);
    assert!(heard > all - 1.0, "the phone heard the caller for {heard} s of {all} s");
    switch.wait_live("phones", 0, soon);
    switch.stop();
}
