//! What a caller who hears a prompt or music costs in process, a second of it: 50 packets received, checked and counted,
//! and 50 frames sent. The kernel's share is not in it (see docs/prompts.md). Also what one more caller adds to memory,
//! and what encoding a clip once saves. `cargo bench -p hotline-benches --bench prompts`

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clock::Instant;
use hotline_benches::{Cost, Counting, Sent, held_bytes, measure, row};
use media::command::{Peer, PlayMode};
use media::{Channel, Clip, PortIndex, Room};
use model::{CallId, LegId, PlayId};
use sdp::{Codec, KeyWay, Negotiated};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    println!("{:<44}one second of one caller, both directions", "");
    for codec in Codec::ALL {
        let fresh = second(codec, PlayMode::Looped, music());
        let made = music();
        made.prepare(codec);
        row(&format!("music, {codec:?}, encoded once"), second(codec, PlayMode::Joined, made), Some(fresh));
    }
    let clip = music();
    let before = held_bytes();
    let callers: Vec<Caller> =
        (0..100).map(|nth| Caller::new(nth, Codec::Pcma, PlayMode::Joined, Arc::clone(&clip))).collect();
    let each = (held_bytes() - before) / callers.len() as i64;
    println!("{:<44}{each:10} bytes, the music's {} shared", "one more caller who hears music", clip.bytes());
    let (turns, frames) = (20, clip.frames());
    for codec in [Codec::G722, Codec::G729, Codec::Opus] {
        let cost = measure(turns, || black_box(music()).prepare(codec));
        let per_second = Cost { nanos: cost.nanos * 50.0 / frames as f64, allocations: cost.allocations };
        row(&format!("encoding a clip, {codec:?}, each second"), per_second, None);
    }
}

/// Two seconds of music.
fn music() -> Arc<Clip> {
    let tone = |n: u32| (6_000.0 * (std::f64::consts::TAU * 0.05 * f64::from(n)).sin()) as i16;
    Arc::new(Clip::from_samples(&(0..16_000).map(tone).collect::<Vec<_>>()))
}

/// A caller whose room plays to him.
struct Caller {
    room: Room,
    port: PortIndex,
    source: SocketAddr,
    now: Instant,
    number: u32,
    packet: [u8; 172],
}

impl Caller {
    fn new(nth: u64, codec: Codec, mode: PlayMode, clip: Arc<Clip>) -> Caller {
        let now = Instant::from_secs(1);
        let leg = LegId::from(nth);
        let source: SocketAddr = ([192, 0, 2, 1], 4_000).into();
        let mut room = Room::new(CallId::from(nth));
        let port = room.open(now, leg, Peer::Trunk { media_from: Vec::new() }, nth);
        let agreed = Negotiated { keys: KeyWay::Events, ..Negotiated::plain(source, codec) };
        room.describe(now, leg, agreed);
        room.play(now, leg, (PlayId::from(nth), mode), vec![clip], &mut Sent::default());
        let mut packet = [0xd5; 172];
        packet[0] = 0x80;
        packet[1] = codec.payload_type();
        Caller { room, port, source, now, number: 0, packet }
    }

    /// 20 ms: a packet comes, a frame goes, a report now and then.
    fn turn(&mut self, sink: &mut Sent) {
        self.number += 1;
        self.now += Duration::from_millis(20);
        self.packet[2..4].copy_from_slice(&(self.number as u16).to_be_bytes());
        self.packet[4..8].copy_from_slice(&self.number.wrapping_mul(160).to_be_bytes());
        let mut datagram = self.packet;
        let from = (self.port, Channel::Rtp);
        self.room.forward(self.now, from, self.source, black_box(&mut datagram), sink);
        self.room.tick(self.now, sink);
    }
}

fn second(codec: Codec, mode: PlayMode, clip: Arc<Clip>) -> Cost {
    let mut caller = Caller::new(1, codec, mode, clip);
    let mut sink = Sent::default();
    let turns = if codec == Codec::G729 { 20 } else { 200 };
    let cost = measure(turns, || (0..50).for_each(|_| caller.turn(&mut sink)));
    assert!(sink.packets >= 50 * u64::from(turns), "the frames went out");
    cost
}
