use model::say::Key;

use super::*;
use crate::dtmf::{End, EventPayload};

/// An event packet of `talker` that began at `began`.
fn event(talker: &mut Talker, began: u32, payload: EventPayload, marker: Marker) -> Vec<u8> {
    let mut header = [0; HEADER];
    rtp::write_header(&mut header, marker, 101, (talker.sequence, began), talker.ssrc);
    talker.sequence = talker.sequence.wrapping_add(1);
    [&header[..], &payload.to_bytes()].concat()
}

/// `talker` holds `key` for `packets` × 20 ms and tells its end `ends` times.
fn press(world: &mut World, talker: &mut Talker, key: char, packets: u16, ends: usize) -> Vec<Sent> {
    let event_code = Key::from_char(key).unwrap().event();
    let began = talker.timestamp;
    let mut sent = Vec::new();
    for nth in 1..=packets {
        let payload = EventPayload { event: event_code, end: End::GoesOn, duration: nth * 160 };
        let marker = if nth == 1 { Marker::First } else { Marker::Following };
        let datagram = event(talker, began, payload, marker);
        sent.extend(world.came(talker.port, talker.source, datagram));
        world.pass(FRAME_TIME);
    }
    for _ in 0..ends {
        let payload = EventPayload { event: event_code, end: End::Over, duration: packets * 160 };
        let datagram = event(talker, began, payload, Marker::Following);
        sent.extend(world.came(talker.port, talker.source, datagram));
    }
    talker.timestamp = began.wrapping_add(u32::from(packets) * 160);
    sent
}

fn digits(world: &mut World) -> Vec<(char, u32)> {
    let digit = |event| match event {
        Event::Digit { key, millis, .. } => Some((key.as_char(), millis)),
        _ => None,
    };
    world.events().into_iter().filter_map(digit).collect()
}

#[test]
fn a_press_is_told_once_with_its_length() {
    let (mut world, mut caller, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    press(&mut world, &mut caller, '5', 5, 3);
    assert_eq!(digits(&mut world), [('5', 100)]);
    world.pass(Duration::from_secs(1));
    assert!(digits(&mut world).is_empty());
}

#[test]
fn a_press_passes_to_who_hears_it_under_its_own_number() {
    let (mut world, mut caller, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    world.room.describe(
        world.now,
        leg(AGENT),
        Negotiated { dtmf: Some(96), ..agreed("10.0.0.2:5000", Codec::Pcma) },
    );
    world.says(&mut caller, 0);
    let sent = press(&mut world, &mut caller, '#', 3, 3);
    assert_eq!(sent.len(), 6);
    assert!(sent.iter().all(|packet| packet.header.payload_type == 96));
    assert!(sent[0].header.marker);
    let times: Vec<u32> = sent.iter().map(|packet| packet.header.timestamp).collect();
    assert!(times.iter().all(|time| *time == times[0]), "all packets of one event have its time");
    let after = world.says(&mut caller, 0);
    assert_eq!(after[0].header.timestamp, times[0].wrapping_add(3 * 160));
    assert_eq!(after[0].header.sequence, sent[5].header.sequence.wrapping_add(1));
}

#[test]
fn a_peer_that_knows_no_events_gets_none() {
    let (mut world, mut caller, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    let plain = Negotiated {
        dtmf: None,
        receive_dtmf: None,
        keys: KeyWay::Info,
        ..agreed("10.0.0.2:5000", Codec::Pcma)
    };
    world.room.describe(world.now, leg(AGENT), plain);
    assert!(press(&mut world, &mut caller, '1', 3, 3).is_empty());
    assert_eq!(digits(&mut world), [('1', 60)], "it is told all the same");
}

#[test]
fn a_press_whose_end_was_lost_is_told_200_ms_later() {
    let (mut world, mut caller, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    press(&mut world, &mut caller, '7', 4, 0);
    world.pass(Duration::from_millis(150));
    assert!(digits(&mut world).is_empty());
    world.pass(Duration::from_millis(100));
    assert_eq!(digits(&mut world), [('7', 80)]);
}

#[test]
fn keys_we_press_have_ascending_durations_and_three_ends() {
    let (mut world, mut caller, agent) = World::bridged(Codec::Pcma, Codec::Pcma);
    let before = world.says(&mut caller, 0)[0].header;
    world.pass(FRAME_TIME);
    world.room.send_digit(world.now, leg(AGENT), Key::from_char('9').unwrap(), 100);
    world.room.send_digit(world.now, leg(AGENT), Key::from_char('*').unwrap(), 5);
    let sent = world.pass(Duration::from_millis(1_000));
    assert!(sent.iter().all(|packet| packet.to == agent.source && packet.header.payload_type == 101));
    let told: Vec<_> = sent.iter().map(|packet| EventPayload::parse(&packet.payload).unwrap()).collect();
    let durations: Vec<u16> = told.iter().map(|event| event.duration).collect();
    assert_eq!(durations, [160, 320, 480, 640, 800, 800, 800, 800, 160, 320, 320, 320, 320]);
    let ends: Vec<bool> = told.iter().map(|event| event.end == End::Over).collect();
    assert_eq!(ends.iter().filter(|end| **end).count(), 6);
    assert_eq!(told[0].event, 9);
    assert_eq!(told[8].event, 10);
    let first = &sent[..8];
    assert!(first[0].header.marker && first[1..].iter().all(|packet| !packet.header.marker));
    assert!(first.iter().all(|packet| packet.header.timestamp == first[0].header.timestamp));
    for (nth, packet) in sent.iter().enumerate() {
        assert_eq!(packet.header.sequence, before.sequence.wrapping_add(1 + nth as u16));
    }
}

#[test]
fn audio_waits_while_a_key_is_pressed_and_goes_on_behind_it() {
    let (mut world, mut caller, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    let before = world.says(&mut caller, 0)[0].header;
    world.pass(FRAME_TIME);
    world.room.send_digit(world.now, leg(AGENT), Key::from_char('1').unwrap(), 60);
    let began = world.now;
    let mut audio = Vec::new();
    while audio.is_empty() {
        world.pass(FRAME_TIME);
        audio = world.says(&mut caller, 0);
    }
    assert!(world.now.since(began) <= Duration::from_millis(180));
    let elapsed = world.now.since(began) + FRAME_TIME;
    let samples = audio[0].header.timestamp.wrapping_sub(before.timestamp);
    assert!(u128::from(samples).abs_diff(elapsed.as_micros() / 125) <= 160);
}

#[test]
fn a_prompt_waits_while_a_key_is_pressed() {
    let (mut world, _, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    world.play(CALLER, 1, &[clip(10, 1_000)], PlayMode::Once);
    world.pass(Duration::from_millis(50));
    world.room.send_digit(world.now, leg(CALLER), Key::from_char('1').unwrap(), 40);
    let sent = world.pass(Duration::from_secs(2));
    let audio = sent.iter().filter(|packet| packet.header.payload_type == 8).count();
    assert_eq!(audio, 7, "three of ten frames came before the key");
    assert_eq!(world.played(), [(1, PlayEnd::Finished)]);
}

#[test]
fn keys_keep_out_of_the_recording() {
    let (mut world, mut caller, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    world.room.record(RecordingId::from(1), leg(CALLER), &[leg(AGENT)]);
    press(&mut world, &mut caller, '5', 5, 3);
    assert!(world.sunk.kept.is_empty());
}
