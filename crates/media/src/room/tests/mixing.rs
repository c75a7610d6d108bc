use super::*;

#[test]
fn who_hears_two_hears_their_sum() {
    let mut world = World::new();
    let mut talkers: Vec<Talker> = (1..=3)
        .map(|raw| {
            let codec = if raw == 2 { Codec::Pcmu } else { Codec::Pcma };
            world.join(raw, PHONE, &format!("10.0.0.{raw}:4000"), codec)
        })
        .collect();
    world.hear(&[(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)]);
    let mut sent = Vec::new();
    for _ in 0..50 {
        for (talker, level) in talkers.iter_mut().zip([1_000, 2_000, 4_000]) {
            assert!(world.says(talker, level).is_empty(), "mixed speech goes out with the tick");
        }
        sent.extend(world.pass(FRAME_TIME));
    }
    for (port, expected) in talkers.iter().zip([6_000, 5_000, 3_000]) {
        let mine: Vec<_> = sent.iter().filter(|packet| packet.port == port.port).collect();
        assert!(mine.len() >= 45, "{}", mine.len());
        let codec = if port.payload_type == 8 { Codec::Pcma } else { Codec::Pcmu };
        for packet in &mine[5..] {
            let got = level(codec, &packet.payload);
            assert!((got - expected).abs() < 250, "{got} instead of {expected}");
        }
        for pair in mine.windows(2) {
            assert_eq!(pair[1].header.sequence, pair[0].header.sequence.wrapping_add(1));
            assert_eq!(pair[1].header.timestamp, pair[0].header.timestamp.wrapping_add(160));
        }
    }
}

#[test]
fn loud_talkers_are_cut_and_do_not_wrap() {
    let mut world = World::new();
    let mut talkers: Vec<Talker> =
        (1..=3).map(|raw| world.join(raw, PHONE, &format!("10.0.0.{raw}:4000"), Codec::Pcma)).collect();
    world.hear(&[(1, 3), (2, 3)]);
    let mut last = Vec::new();
    for _ in 0..10 {
        for talker in &mut talkers[..2] {
            world.says(talker, -30_000);
        }
        last = world.pass(FRAME_TIME);
    }
    assert_eq!(level(Codec::Pcma, &last[0].payload), heard(Codec::Pcma, i16::MIN));
}

#[test]
fn a_mixed_party_left_with_one_talker_goes_on_by_relay() {
    let mut world = World::new();
    let mut one = world.join(1, PHONE, "10.0.0.1:4000", Codec::Pcma);
    let mut two = world.join(2, PHONE, "10.0.0.2:4000", Codec::Pcma);
    world.join(3, PHONE, "10.0.0.3:4000", Codec::Pcma);
    world.hear(&[(1, 3), (2, 3)]);
    let mut sent = Vec::new();
    for _ in 0..10 {
        world.says(&mut one, 1_000);
        world.says(&mut two, 1_000);
        sent.extend(world.pass(FRAME_TIME));
    }
    world.room.close(world.now, leg(2), &mut world.sunk);
    sent.extend(world.says(&mut one, 1_000));
    let (last, before) = (&sent[sent.len() - 1], &sent[sent.len() - 2]);
    assert_eq!(last.header.sequence, before.header.sequence.wrapping_add(1));
    assert_eq!(last.header.ssrc, before.header.ssrc);
    assert!(world.pass(Duration::from_secs(1)).is_empty(), "no mixing for one talker");
}

#[test]
fn nobody_speaking_is_no_packet() {
    let mut world = World::new();
    for raw in 1..=3 {
        world.join(raw, PHONE, &format!("10.0.0.{raw}:4000"), Codec::Pcma);
    }
    world.hear(&[(1, 3), (2, 3)]);
    assert!(world.pass(Duration::from_secs(1)).is_empty());
}
