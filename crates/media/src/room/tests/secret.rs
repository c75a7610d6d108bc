//! SRTP on a port: both ways, beside a plain leg, against forged and repeated packets.

use sdp::{MasterKey, Srtp, Suite};

use super::*;
use crate::srtp::Secured;

const OURS: MasterKey = MasterKey([1; MasterKey::BYTES]);
const THEIRS: MasterKey = MasterKey([2; MasterKey::BYTES]);

fn srtp(ours: MasterKey, theirs: MasterKey) -> Srtp {
    Srtp { suite: Suite::Aes128Sha1Tag80, ours, theirs }
}

/// The caller's leg is encrypted; the peer's side of it.
fn secret(world: &mut World) -> Secured {
    let keys = Negotiated { srtp: Some(srtp(OURS, THEIRS)), ..agreed("10.0.0.1:4000", Codec::Pcma) };
    world.room.describe(world.now, leg(CALLER), keys);
    Secured::new(srtp(THEIRS, OURS)).unwrap()
}

/// The caller says 20 ms, encrypted.
fn said(peer: &mut Secured, caller: &mut Talker, level: i16) -> Vec<u8> {
    let plain = caller.datagram(&[g711::encode(Law::Pcma, level); 160]);
    peer.seal_rtp(&plain).unwrap().to_vec()
}

#[test]
fn an_encrypted_leg_talks_with_a_plain_one() {
    let (mut world, mut caller, mut agent) = World::bridged(Codec::Pcma, Codec::Pcma);
    let mut peer = secret(&mut world);
    for _ in 0..20 {
        let datagram = said(&mut peer, &mut caller, 3_000);
        let heard = world.came(caller.port, caller.source, datagram);
        assert_eq!(heard.len(), 1);
        assert_eq!(level(Codec::Pcma, &heard[0].payload), super::heard(Codec::Pcma, 3_000));
        let mut sent = world.says(&mut agent, 5_000);
        let sealed = sent.pop().unwrap();
        assert_eq!(sealed.payload.len(), 160 + 10);
        let mut header = [0; HEADER];
        let at = (sealed.header.sequence, sealed.header.timestamp);
        rtp::write_header(&mut header, marker(&sealed), sealed.header.payload_type, at, sealed.header.ssrc);
        let mut datagram = [&header[..], &sealed.payload].concat();
        let length = peer.open_rtp(&mut datagram).unwrap();
        assert_eq!(level(Codec::Pcma, &datagram[HEADER..length]), super::heard(Codec::Pcma, 5_000));
        world.pass(FRAME_TIME);
    }
}

fn marker(sent: &Sent) -> Marker {
    if sent.header.marker { Marker::First } else { Marker::Following }
}

#[test]
fn plain_forged_and_repeated_packets_reach_nobody_and_are_counted() {
    let (mut world, mut caller, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    let mut peer = secret(&mut world);
    world.room.record(RecordingId::from(1), leg(CALLER), &[leg(AGENT)]);
    let good = said(&mut peer, &mut caller, 1_000);
    assert_eq!(world.came(caller.port, caller.source, good.clone()).len(), 1);
    let kept = world.sunk.kept.len();
    // A plain packet, a changed one, a repeated one, each from the true source.
    let plain = caller.datagram(&[g711::encode(Law::Pcma, 9_000); 160]);
    let mut forged = said(&mut peer, &mut caller, 9_000);
    forged[40] ^= 1;
    for datagram in [plain, forged, good] {
        assert!(world.came(caller.port, caller.source, datagram).is_empty());
    }
    assert_eq!(world.sunk.kept.len(), kept, "nothing enters the recording");
    world.room.close(world.now, leg(CALLER), &mut world.sunk);
    let quality = world.events().into_iter().find_map(|event| match event {
        Event::Quality { quality, .. } => Some(quality),
        _ => None,
    });
    assert_eq!(quality.map(|quality| (quality.received, quality.unauthentic)), Some((1, 3)));
}

#[test]
fn forged_packets_do_not_move_the_lock() {
    // A phone that nobody heard yet: three packets of a stranger would make it the peer, were they authentic.
    let (mut world, _, mut agent) = World::bridged(Codec::Pcma, Codec::Pcma);
    let keys = Negotiated { srtp: Some(srtp(OURS, THEIRS)), ..agreed("10.0.0.2:5000", Codec::Pcma) };
    world.room.describe(world.now, leg(AGENT), keys);
    let sprayer = address("203.0.113.9:6666");
    for _ in 0..50 {
        let datagram = agent.datagram(&[0x2a; 170]);
        assert!(world.came(agent.port, sprayer, datagram).is_empty());
    }
    let mut peer = Secured::new(srtp(THEIRS, OURS)).unwrap();
    let nat = address("198.51.100.1:7777");
    for _ in 0..3 {
        let datagram = said(&mut peer, &mut agent, 2_000);
        assert_eq!(world.came(agent.port, nat, datagram).len(), 1);
    }
    assert!(world.sunk.rtp.iter().all(|sent| sent.to != sprayer));
}
