//! What a room's packet path costs in process: receive, check, rewrite, hand over; relayed, and with a recording's tap.
//! The kernel's share is not in it. `cargo bench -p hotline-benches --bench relay`

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

use clock::Instant;
use hotline_benches::{Cost, Counting, Sent, measure, row};
use media::command::Peer;
use media::{Channel, Room};
use model::{CallId, LegId, RecordingId};
use sdp::{Codec, KeyWay, Negotiated};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    println!("{:<44}one packet of 20 ms", "");
    row("relayed, PCMA to PCMA", relay(Codec::Pcma, Codec::Pcma, Tap::Off), None);
    row("relayed and recorded", relay(Codec::Pcma, Codec::Pcma, Tap::On), None);
    row("transcoded, PCMA to PCMU", relay(Codec::Pcma, Codec::Pcmu, Tap::Off), None);
}

#[derive(Clone, Copy, PartialEq)]
enum Tap {
    Off,
    On,
}

fn relay(caller: Codec, agent: Codec, tap: Tap) -> Cost {
    let mut now = Instant::from_secs(1);
    let (first, second) = (LegId::from(1), LegId::from(2));
    let source: SocketAddr = ([192, 0, 2, 1], 4_000).into();
    let mut room = Room::new(CallId::from(1));
    let mut sink = Sent::default();
    let trunk = Peer::Trunk { media_from: Vec::new() };
    let port = room.open(now, first, trunk.clone(), 7);
    room.open(now, second, trunk, 8);
    room.describe(now, first, agreed(source, caller));
    room.describe(now, second, agreed(([192, 0, 2, 2], 4_000).into(), agent));
    room.hear(now, &[(first, second), (second, first)]);
    if tap == Tap::On {
        room.record(RecordingId::from(1), first, &[second]);
    }
    let mut packet = [0xd5u8; 172];
    packet[0] = 0x80;
    packet[1] = caller.payload_type();
    let mut number = 0u32;
    let cost = measure(100_000, || {
        number += 1;
        now += Duration::from_millis(20);
        packet[2..4].copy_from_slice(&(number as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&number.wrapping_mul(160).to_be_bytes());
        let mut datagram = packet;
        room.forward(now, (port, Channel::Rtp), source, black_box(&mut datagram), &mut sink);
    });
    assert!(sink.bytes > 172 * 100_000, "the packets went through");
    assert_eq!(sink.kept > 0, tap == Tap::On);
    cost
}

fn agreed(remote: SocketAddr, codec: Codec) -> Negotiated {
    Negotiated { keys: KeyWay::Events, ..Negotiated::plain(remote, codec) }
}
