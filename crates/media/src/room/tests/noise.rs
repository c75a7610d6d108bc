//! Comfort noise (RFC 3389) between peers that know it and peers that do not.

use super::*;

fn knows(remote: &str, codec: Codec) -> Negotiated {
    Negotiated { noise: Some(13), receive_noise: Some(13), ..agreed(remote, codec) }
}

/// The caller tells of noise at −40 dBov and then says nothing for half a second.
fn silent_caller(world: &mut World, caller: &mut Talker) -> Vec<Sent> {
    for _ in 0..10 {
        world.says(caller, 8_000);
        world.pass(FRAME_TIME);
    }
    let before = world.sunk.rtp.len();
    let audio = std::mem::replace(&mut caller.payload_type, 13);
    let datagram = caller.datagram(&[40]);
    caller.payload_type = audio;
    world.came(caller.port, caller.source, datagram);
    world.pass(Duration::from_millis(500));
    world.sunk.rtp[before..].iter().filter(|sent| sent.port == PortIndex(1)).cloned().collect()
}

#[test]
fn noise_passes_to_a_peer_that_knows_it() {
    let (mut world, mut caller, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    for (raw, remote) in [(CALLER, "10.0.0.1:4000"), (AGENT, "10.0.0.2:5000")] {
        world.room.describe(world.now, leg(raw), knows(remote, Codec::Pcma));
    }
    let sent = silent_caller(&mut world, &mut caller);
    assert_eq!(sent.len(), 1, "one packet tells of the silence");
    assert_eq!((sent[0].header.payload_type, &sent[0].payload[..]), (13, &[40u8][..]));
}

#[test]
fn noise_is_heard_as_noise_by_a_peer_that_does_not_know_it() {
    for codec in [Codec::Pcma, Codec::Pcmu] {
        let (mut world, mut caller, _) = World::bridged(Codec::Pcma, codec);
        let sent = silent_caller(&mut world, &mut caller);
        assert!(
            sent.iter().all(|sent| sent.header.payload_type == codec.payload_type()),
            "13 is not relayed"
        );
        assert!(sent.len() >= 20, "{} packets in half a second", sent.len());
        let law = Law::of(codec).unwrap();
        let samples: Vec<f64> = sent[5..]
            .iter()
            .flat_map(|sent| sent.payload.iter().map(|code| f64::from(g711::decode(law, *code))))
            .collect();
        let power = samples.iter().map(|sample| sample * sample).sum::<f64>() / samples.len() as f64;
        let level = 10.0 * (power / 32_768f64.powi(2)).log10();
        assert!((-43.0..-37.0).contains(&level), "{codec:?}: {level} dBov");
        // And the talker is heard again; its clock ran on.
        caller.timestamp = caller.timestamp.wrapping_add(24 * 160);
        for _ in 0..10 {
            world.says(&mut caller, 8_000);
            world.pass(FRAME_TIME);
        }
        let last = world.sunk.rtp.iter().rev().find(|sent| sent.port == PortIndex(1)).unwrap();
        assert!((level_of(codec, last) - 8_000).abs() < 400);
    }
}

fn level_of(codec: Codec, sent: &Sent) -> i16 {
    level(codec, &sent.payload)
}

#[test]
fn noise_of_a_transcoded_talker_is_told_to_who_knows_it() {
    let (mut world, mut caller, _) = World::bridged(Codec::Pcma, Codec::G729);
    world.room.describe(world.now, leg(AGENT), knows("10.0.0.2:5000", Codec::G729));
    let sent = silent_caller(&mut world, &mut caller);
    let told: Vec<_> = sent.iter().filter(|sent| sent.header.payload_type == 13).collect();
    assert!((1..=2).contains(&told.len()), "{} packets of noise", told.len());
    assert_eq!(told[0].payload, [40]);
}
