//! Audio over sockets: somebody who sends RTP to every port during other people's calls, and how packets are marked.

use std::net::{Ipv6Addr, UdpSocket};
use std::time::Duration;

use hotline_tests::{AGENT_HZ, CALLER_HZ, Place, Sprayer, Switch, Talker, Wav, paced, turn, until};

const SOON: Duration = Duration::from_secs(30);
const SPRAYER_HZ: f64 = 1_000.0;
/// The ports of the switch under test.
const FIRST: u16 = 10_000;
/// So many of them in each 20 ms: all of them five times a second.
const SLICE: u16 = 2_000;

/// A recorded call between two parties, whose carrier may send from any address of this machine: nothing but the lock
/// keeps others out.
fn talk() -> (Switch, Talker, Talker) {
    let trunk = ("trunks/loopback.toml", "home_area", "media_from = [\"127.0.0.0/8\"]\nhome_area");
    let place = Place::mine();
    let phone = Talker::at(place.phones, (place.switch, 0).into(), AGENT_HZ);
    let bound = phone.address().to_string();
    let switch = Switch::start(&[trunk, ("flows/bound.toml", "127.0.0.1:5090", &bound)]);
    let mut phone = phone.of(switch.sip);
    let mut caller = Talker::at(place.carrier, switch.sip, CALLER_HZ);
    caller.call("4000000002");
    phone.answer();
    caller.answered();
    (switch, caller, phone)
}

/// Ends the call; what was recorded of it.
fn recorded(switch: &Switch, caller: &mut Talker, phone: &mut Talker) -> Wav {
    caller.hang_up();
    phone.hung_up();
    let calls = switch.wait_calls(1, SOON);
    Wav::read(calls[0]["recording"].as_str().expect("a recording").as_ref())
}

#[test]
fn who_sprays_every_port_is_not_heard_not_recorded_and_not_answered_once_a_source_is_locked() {
    let _turn = turn();
    let (switch, mut caller, mut phone) = talk();
    let ports = [caller.port().port(), phone.port().port()];
    // The worst of them knows the caller's SSRC.
    let mut sprayer = Sprayer::at(Place::mine().stranger, SPRAYER_HZ, caller.ssrc());
    paced(50, Duration::from_secs(4), |number| {
        caller.say();
        phone.say();
        if number >= 10 {
            let first = FIRST + (number % 10) as u16 * SLICE;
            sprayer.spray(switch.sip.ip(), first..=first + SLICE - 1);
            ports.iter().for_each(|port| sprayer.spray(switch.sip.ip(), *port..=*port + 1));
        }
        caller.hear();
        phone.hear();
    });
    assert_eq!(sprayer.received, 0, "packets came to the sprayer");
    for (heard, hz) in [(&phone.heard, CALLER_HZ), (&caller.heard, AGENT_HZ)] {
        let (said, sprayed) = (Wav::tone_seconds(heard, hz), Wav::sounds_seconds(heard, sprayer.hz()));
        assert!(said > 3.5 && sprayed == 0.0, "{hz} Hz: {said} s, of the sprayer {sprayed} s");
    }
    let wav = recorded(&switch, &mut caller, &mut phone);
    for (channel, hz) in [(&wav.left, CALLER_HZ), (&wav.right, AGENT_HZ)] {
        let (said, sprayed) = (Wav::tone_seconds(channel, hz), Wav::sounds_seconds(channel, sprayer.hz()));
        assert!(said > 3.5 && sprayed == 0.0, "{hz} Hz: {said} s, of the sprayer {sprayed} s");
    }
    switch.stop();
}

#[test]
fn the_same_sprayer_is_heard_and_answered_where_no_source_is_locked() {
    let _turn = turn();
    let (switch, mut caller, mut phone) = talk();
    let port = caller.port().port();
    let mut sprayer = Sprayer::at(Place::mine().stranger, SPRAYER_HZ, caller.ssrc());
    // The caller says nothing.
    paced(50, Duration::from_secs(2), |_| {
        phone.say();
        sprayer.spray(switch.sip.ip(), port..=port);
        phone.hear();
    });
    let heard = Wav::tone_seconds(&phone.heard, SPRAYER_HZ);
    assert!(heard > 1.5, "the phone heard the sprayer for {heard} s");
    assert!(sprayer.received > 50, "{} packets came to the sprayer", sprayer.received);
    let wav = recorded(&switch, &mut caller, &mut phone);
    assert!(Wav::tone_seconds(&wav.left, SPRAYER_HZ) > 1.5);
    switch.stop();
}

#[test]
fn who_let_the_phone_ring_hands_over_with_the_answer_to_another_port_and_stream() {
    const MUSIC_HZ: f64 = 600.0;
    let _turn = turn();
    let place = Place::mine();
    let phone = Talker::at(place.phones, (place.switch, 0).into(), MUSIC_HZ);
    // A carrier's ringing is passed on.
    let out = format!(
        "interface = \"loopback\"\nfrom = [\"{0}/32\"]\nto = \"{1}\"\ncaller = \"01065551234\"\n\
         home_area = \"010\"\nheartbeat_seconds = 0\n",
        place.phones,
        phone.address()
    );
    let switch = Switch::start_with(
        &[
            ("trunks/loopback.toml", "127.0.0.0/8", &format!("{}/32", place.carrier)),
            (
                "flows/bound.toml",
                "uri = \"sip:uas@127.0.0.1:5090\"",
                "trunk = \"out\", number = \"13900139000\"",
            ),
        ],
        &[("trunks/out.toml", &out)],
    );
    let mut phone = phone.of(switch.sip);
    let mut caller = Talker::at(place.carrier, switch.sip, CALLER_HZ);
    caller.call("4000000002");
    phone.ring();
    paced(50, Duration::from_secs(1), |_| phone.say());
    // The 200 describes what the 183 did.
    phone.answer();
    caller.answered();
    phone.hand_over(AGENT_HZ);
    paced(50, Duration::from_secs(2), |_| {
        caller.say();
        phone.say();
        caller.hear();
        phone.hear();
    });
    let (rang, heard) =
        (Wav::tone_seconds(&caller.heard, MUSIC_HZ), Wav::tone_seconds(&caller.heard, AGENT_HZ));
    assert!(rang > 0.8 && heard > 1.8, "{rang} s of ringing and {heard} s of speech");
    let answered = Wav::tone_seconds(&phone.heard, CALLER_HZ);
    assert!(answered > 1.7, "the new port is spoken to: {answered} s");
    let wav = recorded(&switch, &mut caller, &mut phone);
    assert!(Wav::tone_seconds(&wav.right, AGENT_HZ) > 1.8);
    switch.stop();
}

#[test]
fn a_call_over_ipv6_is_heard_marked_and_recorded_like_any_other() {
    let _turn = turn();
    let here = Ipv6Addr::LOCALHOST;
    if UdpSocket::bind((here, 0)).is_err() {
        return;
    }
    let phone = Talker::at(here, (here, 0).into(), AGENT_HZ);
    let bind = format!("\"{}:0\"", Place::mine().switch);
    let switch = Switch::start(&[
        ("hotline.toml", &bind, "\"[::1]:0\""),
        ("trunks/loopback.toml", "127.0.0.0/8", "::1/128"),
        ("flows/bound.toml", "127.0.0.1:5090", &*phone.address().to_string()),
    ]);
    let mut phone = phone.of(switch.sip);
    let mut caller = Talker::at(here, switch.sip, CALLER_HZ);
    caller.call("4000000002");
    phone.answer();
    caller.answered();
    assert!(caller.port().is_ipv6() && phone.port().is_ipv6());
    paced(50, Duration::from_secs(2), |_| {
        caller.say();
        phone.say();
        caller.hear();
        phone.hear();
    });
    phone.say();
    assert_eq!((caller.mark_heard(), caller.mark), (46, 40));
    let wav = recorded(&switch, &mut caller, &mut phone);
    for (heard, hz) in
        [(&phone.heard, CALLER_HZ), (&caller.heard, AGENT_HZ), (&wav.left, CALLER_HZ), (&wav.right, AGENT_HZ)]
    {
        let said = Wav::tone_seconds(heard, hz);
        assert!(said > 1.8, "{hz} Hz: {said} s");
    }
    switch.stop();
}

#[test]
fn signalling_and_audio_are_marked_and_other_marks_hold_after_a_reload() {
    let _turn = turn();
    let switch = Switch::start(&[]);
    let marks = |hz: f64| {
        let mut caller = Talker::at(Place::mine().carrier, switch.sip, hz);
        caller.call("4000000001");
        caller.answered();
        let signalling = caller.mark;
        let audio = caller.mark_heard();
        caller.hang_up();
        (signalling, audio)
    };
    // RFC 4594 §4.1 and §4.2: EF and CS5.
    assert_eq!(marks(500.0), (40, 46));
    let file = switch.folder.join("hotline.toml");
    let text = std::fs::read_to_string(&file).expect("hotline.toml");
    let changed = text.replace("[media]", "[sip]\ndscp = 26\n\n[media]\ndscp = 34");
    std::fs::write(&file, changed).expect("written");
    let mut asking = Talker::at(Place::mine().carrier, switch.sip, 600.0);
    until("another mark", SOON, || (asking.ask() == 26).then_some(()));
    assert_eq!(marks(700.0), (26, 34));
    switch.stop();
}
