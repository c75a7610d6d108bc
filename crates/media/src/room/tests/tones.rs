//! Keys between peers that know different ways: events, tones, INFO.

use super::*;
use crate::codec::FRAME;
use crate::dtmf::inband::{ToneReceive, sound};
use crate::dtmf::{End, EventPayload, KeyReceive};
use model::say::Key;

fn by(remote: &str, codec: Codec, keys: KeyWay) -> Negotiated {
    let events = (keys == KeyWay::Events).then_some(101);
    Negotiated { keys, dtmf: events, receive_dtmf: events, ..agreed(remote, codec) }
}

fn bridged(caller: (Codec, KeyWay), agent: (Codec, KeyWay)) -> (World, Talker) {
    let (mut world, talker, _) = World::bridged(caller.0, agent.0);
    world.room.describe(world.now, leg(CALLER), by("10.0.0.1:4000", caller.0, caller.1));
    world.room.describe(world.now, leg(AGENT), by("10.0.0.2:5000", agent.0, agent.1));
    (world, talker)
}

fn key(c: char) -> Key {
    Key::from_char(c).unwrap()
}

/// The caller presses `c` for 100 ms as a tone, between silences.
fn press_tone(world: &mut World, caller: &mut Talker, c: char) {
    let frames = |n: usize| (0..n).map(|_| [0i16; FRAME]);
    let tone = (0..5).map(|nth| sound(key(c), nth * FRAME as u32));
    for frame in frames(3).chain(tone).chain(frames(10)) {
        let payload = frame.map(|sample| g711::encode(Law::Pcma, sample));
        let datagram = caller.datagram(&payload);
        world.came(caller.port, caller.source, datagram);
        world.pass(FRAME_TIME);
    }
}

/// The caller presses `c` for 100 ms as an event of `clock` Hz.
fn press_event(world: &mut World, caller: &mut Talker, c: char, clock: u32) {
    let audio = std::mem::replace(&mut caller.payload_type, 101);
    let began = caller.timestamp;
    for nth in 1..=8u32 {
        caller.timestamp = began;
        let end = if nth > 5 { End::Over } else { End::GoesOn };
        let duration = (nth.min(5) * clock / 50) as u16;
        let payload = EventPayload { event: key(c).event(), end, duration }.to_bytes();
        let datagram = caller.datagram(&payload);
        world.came(caller.port, caller.source, datagram);
        world.pass(FRAME_TIME);
    }
    caller.payload_type = audio;
    caller.timestamp = began.wrapping_add(8 * clock / 50);
    world.pass(Duration::from_millis(400));
}

fn told(world: &mut World) -> Vec<(char, u32)> {
    let events = world.events().into_iter();
    events
        .filter_map(|event| match event {
            Event::Digit { key, millis, .. } => Some((key.as_char(), millis)),
            _ => None,
        })
        .collect()
}

/// The keys that the agent is sent as events, told by a receiver of their own.
fn events_sent(world: &World, clock: u32) -> Vec<(char, u32)> {
    let mut receive = KeyReceive::default();
    let mut keys = Vec::new();
    for sent in world.sunk.rtp.iter().filter(|sent| sent.port == PortIndex(1)) {
        if sent.header.payload_type == 101 {
            let told = receive.take(sent.at, &sent.header, &sent.payload, clock);
            keys.extend(told.into_iter().flatten().map(|pressed| (pressed.key.as_char(), pressed.millis)));
        }
    }
    keys
}

/// The keys that the agent is sent as tones.
fn tones_sent(world: &World) -> Vec<char> {
    let mut ear = ToneReceive::default();
    let mut keys = Vec::new();
    let sent =
        world.sunk.rtp.iter().filter(|sent| sent.port == PortIndex(1) && sent.header.payload_type == 8);
    for sent in sent {
        let frame = std::array::from_fn(|n| g711::decode(Law::Pcma, sent.payload[n]));
        keys.extend(ear.take(&frame).map(|pressed| pressed.key.as_char()));
    }
    keys.extend(ear.take(&[0; FRAME]).into_iter().chain(ear.take(&[0; FRAME])).map(|p| p.key.as_char()));
    keys
}

const ALL: &str = "1234567890*#ABCD";

#[test]
fn tones_become_events_for_a_peer_that_wants_them_and_are_told_once() {
    let (mut world, mut caller) = bridged((Codec::Pcma, KeyWay::Inband), (Codec::Pcma, KeyWay::Events));
    for c in ALL.chars() {
        press_tone(&mut world, &mut caller, c);
    }
    world.pass(Duration::from_secs(2));
    let keys: String = told(&mut world).iter().map(|(c, _)| *c).collect();
    assert_eq!(keys, ALL);
    let sent = events_sent(&world, 8_000);
    assert_eq!(sent.iter().map(|(c, _)| *c).collect::<String>(), ALL);
    assert!(sent.iter().all(|(_, millis)| millis.abs_diff(100) <= 20), "{sent:?}");
    assert!(tones_sent(&world).is_empty(), "the tone itself is cut off before it is a key");
}

#[test]
fn events_become_tones_for_a_peer_that_knows_no_others() {
    let (mut world, mut caller) = bridged((Codec::Pcma, KeyWay::Events), (Codec::Pcma, KeyWay::Inband));
    for c in ALL.chars() {
        press_event(&mut world, &mut caller, c, 8_000);
    }
    assert_eq!(tones_sent(&world).into_iter().collect::<String>(), ALL);
    let keys: String = told(&mut world).iter().map(|(c, _)| *c).collect();
    assert_eq!(keys, ALL);
}

#[test]
fn a_fax_device_that_knows_no_events_is_relayed_as_it_is_from_its_first_tone_on() {
    let (mut world, mut caller) = bridged((Codec::Pcma, KeyWay::Inband), (Codec::Pcma, KeyWay::Events));
    let mut say = |world: &mut World, nth: usize, hz: f32| {
        let sample = |n: usize| 4_000.0 * (std::f32::consts::TAU * hz * n as f32 / 8_000.0).sin();
        let payload: Vec<u8> =
            (0..FRAME).map(|n| g711::encode(Law::Pcma, sample(nth * FRAME + n) as i16)).collect();
        let datagram = caller.datagram(&payload);
        let sent = world.came(caller.port, caller.source, datagram);
        world.pass(FRAME_TIME);
        (sent, payload)
    };
    assert!((0..10).all(|nth| say(&mut world, nth, 300.0).0.is_empty()), "speech is decoded");
    // A calling tone of half a second, then a modem.
    (0..25).for_each(|nth| drop(say(&mut world, nth, 1_100.0)));
    for nth in 0..100 {
        let (sent, said) = say(&mut world, nth, 1_650.0);
        assert!(matches!(&sent[..], [sent] if sent.payload == said), "frame {nth}");
        if nth == 50 {
            // A session that is refreshed changes nothing.
            world.room.describe(world.now, leg(CALLER), by("10.0.0.1:4000", Codec::Pcma, KeyWay::Inband));
        }
    }
    let before = world.sunk.rtp.len();
    world.pass(Duration::from_secs(1));
    assert_eq!(world.sunk.rtp.len(), before, "nothing is made up");
    assert!(told(&mut world).is_empty());
}

#[test]
fn tones_pass_as_they_are_between_peers_that_both_use_them() {
    let (mut world, mut caller) = bridged((Codec::Pcma, KeyWay::Inband), (Codec::Pcma, KeyWay::Inband));
    for c in "159D".chars() {
        press_tone(&mut world, &mut caller, c);
    }
    assert_eq!(tones_sent(&world).into_iter().collect::<String>(), "159D");
    assert!(events_sent(&world, 8_000).is_empty());
}

#[test]
fn call_control_is_told_of_keys_for_a_peer_that_wants_info_and_nothing_else_is_sent() {
    for way in [KeyWay::Inband, KeyWay::Events] {
        let (mut world, mut caller) = bridged((Codec::Pcma, way), (Codec::Pcma, KeyWay::Info));
        match way {
            KeyWay::Inband => press_tone(&mut world, &mut caller, '7'),
            _ => press_event(&mut world, &mut caller, '7', 8_000),
        }
        assert_eq!(told(&mut world).iter().map(|(c, _)| *c).collect::<String>(), "7");
        assert!(events_sent(&world, 8_000).is_empty() && tones_sent(&world).is_empty(), "{way:?}");
    }
}

#[test]
fn events_pass_to_a_transcoded_leg_in_its_own_clock() {
    // A caller with G.711 to an agent with Opus, whose events count 48,000 a second (RFC 4733 §2.1).
    let (mut world, mut caller) = bridged((Codec::Pcma, KeyWay::Events), (Codec::Opus, KeyWay::Events));
    let opus = Negotiated { dtmf_clock: 48_000, ..by("10.0.0.2:5000", Codec::Opus, KeyWay::Events) };
    world.room.describe(world.now, leg(AGENT), opus);
    for c in "12#".chars() {
        press_event(&mut world, &mut caller, c, 8_000);
    }
    let sent = events_sent(&world, 48_000);
    assert_eq!(sent, [('1', 100), ('2', 100), ('#', 100)]);
}

#[test]
fn events_counted_by_48_khz_are_told_in_milliseconds() {
    let (mut world, mut caller) = bridged((Codec::Opus, KeyWay::Events), (Codec::Pcma, KeyWay::Events));
    let opus = Negotiated { dtmf_clock: 48_000, ..by("10.0.0.1:4000", Codec::Opus, KeyWay::Events) };
    world.room.describe(world.now, leg(CALLER), opus);
    press_event(&mut world, &mut caller, '9', 48_000);
    assert_eq!(told(&mut world), [('9', 100)]);
    assert_eq!(events_sent(&world, 8_000), [('9', 100)]);
}

#[test]
fn a_key_that_call_control_sends_is_made_in_the_legs_own_way() {
    let (mut world, _) = bridged((Codec::Pcma, KeyWay::Events), (Codec::Pcma, KeyWay::Inband));
    world.room.send_digit(world.now, leg(AGENT), key('6'), 120);
    world.pass(Duration::from_secs(1));
    assert_eq!(tones_sent(&world), ['6']);
}
