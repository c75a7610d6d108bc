//! baresip as the agent's phone in G.722 and Opus and with SRTP, while the carrier speaks A-law: what each hears, and what
//! is recorded.

use std::time::Duration;

use hotline_tests::{
    AGENT_HZ, Baresip, CALLER_HZ, Capture, Office, Place, Sipp, Switch, Wav, may_use_raw_sockets, turn, until,
};

/// A call from a SIPp carrier that presses a key by RFC 4733 and speaks a tone, to a baresip with these account
/// parameters, through a switch whose phones have these settings.
fn talk(phone: &str, parameters: &str) {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let soon = Duration::from_secs(30);
    let settings = format!("digest = \"md5\"\n{phone}");
    let office = Office::start(&[("phones/bench.toml", "digest = \"md5\"", &settings)], &[]);
    let login = ("9001", "bench");
    let baresip = Baresip::start_with(&office.space, office.switch.sip, login, AGENT_HZ, parameters);
    office.switch.wait_live("phones", 1, soon);
    office.carrier("9000").succeed(soon);
    let switch = office.switch;
    let calls = switch.wait_calls(1, soon);
    let call = &calls[0];
    assert_eq!((&call["agent"], &call["hung_up_by"]), (&"9001".into(), &"caller".into()), "{call:#}");
    let wav = Wav::read(call["recording"].as_str().expect("a recording").as_ref());
    let (caller, agent) = (Wav::tone_seconds(&wav.left, CALLER_HZ), Wav::tone_seconds(&wav.right, AGENT_HZ));
    let all = wav.seconds();
    assert!(all > 3.0 && caller > all - 0.8, "{parameters}: caller {caller} s of {all} s");
    assert!(agent > all - 2.5, "{parameters}: agent {agent} s of {all} s");
    let heard = Wav::tone_seconds(&baresip.stop().heard.left, CALLER_HZ);
    assert!(heard > all - 1.5, "{parameters}: the phone heard the caller for {heard} s of {all} s");
    switch.wait_live("phones", 0, soon);
    switch.stop();
}

#[test]
fn baresip_speaks_g722_with_a_caller_of_g711() {
    talk("codecs = [\"g722\"]", "audio_codecs=G722/16000/1");
}

#[test]
fn baresip_speaks_opus_with_a_caller_of_g711() {
    talk("codecs = [\"opus\"]", "audio_codecs=opus/48000/2");
}

#[test]
fn baresip_must_encrypt_and_so_must_the_switch() {
    talk("srtp = \"required\"", "audio_codecs=pcma;mediaenc=srtp-mand");
}

#[test]
fn baresip_may_encrypt_and_so_may_the_switch() {
    talk("srtp = \"optional\"", "audio_codecs=pcma;mediaenc=srtp");
}

#[test]
fn a_caller_who_is_not_heard_is_shown_while_the_call_lasts() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let soon = Duration::from_secs(30);
    let phone = Place::free(Place::mine().phones);
    let bound = ("flows/bound.toml", "127.0.0.1:5090", &*phone.to_string());
    let alarm = ("hotline.toml", "[media]\n", "[media]\nsilence_alarm_seconds = 2\n");
    let switch = Switch::start(&[bound, alarm]);
    let answering =
        Sipp::new("phone_listens", phone, &[]).speaking(&Capture::default().tone(AGENT_HZ, 60_000)).answer(1);
    // Packets, and no sound in them.
    let calling = Sipp::at("carrier_stays", Place::mine().carrier, &[])
        .speaking(&Capture::default().silence(60_000))
        .call(switch.sip, "4000000002", 1, 1);
    until("the alarm", soon, || {
        let live = switch.ask(&["calls", "live"]);
        (live[0]["audio"] == "caller_unheard").then_some(())
    });
    assert!(switch.show(&["calls", "live"]).contains("单通: 听不到主叫"));
    switch.wait_live("calls_unheard", 1, soon);
    let id = switch.ask(&["calls", "live"])[0]["id"].as_str().expect("a call").to_owned();
    let told = switch.answer(&["calls", "explain", &id]).1.to_string();
    assert!(told.contains("有语音包但没有声音"), "{told}");
    switch.ask(&["calls", "hangup", &id]);
    calling.succeed(soon);
    answering.succeed(soon);
    switch.wait_live("calls_unheard", 0, soon);
    switch.stop();
}
