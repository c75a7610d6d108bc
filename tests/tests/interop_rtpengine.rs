//! rtpengine in the way of a carrier's audio, put there by Kamailio: what a border controller or a carrier's own relay does.

use std::time::Duration;

use hotline_tests::{
    AGENT_HZ, CALLER_HZ, Capture, Kamailio, Place, Rtpengine, Sipp, Switch, Wav, may_use_raw_sockets, turn,
};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn keys_and_speech_pass_an_rtpengine_between_carrier_and_switch_both_ways() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let switch = Switch::start(&[]);
    let engine = Rtpengine::start(Place::mine().stranger);
    let proxy = Kamailio::start_with(Place::free(Place::mine().stranger), switch.sip, Some(&engine));
    let phone = Place::free(Place::mine().phones);
    switch.register(phone, 9001..=9001);
    let answering =
        Sipp::new("phone_listens", phone, &[]).speaking(&Capture::default().tone(AGENT_HZ, 20_000)).answer(1);
    let calling = Sipp::at("carrier_speaks", Place::mine().carrier, &[])
        .traced()
        .speaking(&Capture::default().silence(400).key(1).tone(CALLER_HZ, 20_000))
        .with(&["-d", "9000"])
        .call(proxy.at, "4000000003", 1, 1);
    let trace = calling.succeed_traced(SOON);
    answering.succeed(SOON);
    let (told, own) = (format!("c=IN IP4 {}", engine.host), format!("c=IN IP4 {}", switch.sip.ip()));
    assert!(
        trace.contains(&told) && !trace.contains(&own),
        "the carrier is told of rtpengine alone: {trace}"
    );
    let call = switch.wait_calls(1, SOON).remove(0);
    // The key came through: the menu led to an agent.
    assert_eq!((&call["agent"], &call["result"]), (&"9001".into(), &"answered".into()), "{call:#}");
    let wav = Wav::read(call["recording"].as_str().expect("a recording").as_ref());
    let all = wav.seconds();
    let (caller, agent) = (Wav::tone_seconds(&wav.left, CALLER_HZ), Wav::tone_seconds(&wav.right, AGENT_HZ));
    assert!(all > 3.0 && caller > all - 0.8 && agent > all - 1.5, "{caller} s, {agent} s of {all} s");
    let quality = call["quality"].as_array().expect("figures");
    assert!(quality.iter().all(|leg| leg["lost"] == 0 && leg["silent"] == false), "{call:#}");
    switch.stop();
}
