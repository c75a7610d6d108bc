//! baresip as the agent's phone: digest, automatic answer, audio from a file.

use std::time::Duration;

use hotline_tests::{AGENT_HZ, CALLER_HZ, Office, Wav, may_use_raw_sockets, turn};

#[test]
fn baresip_answers_the_queue_and_both_hear_each_other() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let soon = Duration::from_secs(30);
    let office = Office::start(&[], &[]);
    let phone = office.phone("9001", AGENT_HZ);
    office.switch.wait_live("phones", 1, soon);
    office.carrier("9000").succeed(soon);
    let switch = office.switch;
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
