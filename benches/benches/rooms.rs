//! What decoded sound costs in process: two legs of different codecs beside the codec's own cost, and a conference.
//! The kernel's share is not in it. `cargo bench -p hotline-benches --bench rooms`

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

use clock::Instant;
use hotline_benches::{Cost, Counting, Sent, measure, row};
use media::codec::{Decoder, Encoder, FRAME, LONGEST};
use media::command::Peer;
use media::{Channel, PortIndex, Room};
use model::{CallId, LegId};
use sdp::{Codec, KeyWay, Negotiated};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    println!("{:<44}20 ms of a call, both ways; beside it the codec alone", "");
    for codec in [Codec::G722, Codec::G729, Codec::Opus] {
        row(&format!("PCMA and {codec:?}"), bridged(codec), Some(codec_alone(codec)));
    }
    println!("{:<44}20 ms of a conference in G.711", "");
    for (parties, speaking) in [(3, 3), (16, 3), (64, 3), (64, 64)] {
        let cost = conference(parties, speaking, Silence::NotSent);
        row(&format!("{parties} parties, {speaking} speak, the others send nothing"), cost, None);
    }
    let cost = conference(64, 3, Silence::Sent);
    row("64 parties, 3 speak, the others send silence", cost, None);
}

/// Someone whose packets come from an address of his own.
struct Party {
    port: PortIndex,
    source: SocketAddr,
    number: u32,
    payload: Vec<Vec<u8>>,
    payload_type: u8,
}

impl Party {
    fn enter(room: &mut Room, now: Instant, nth: u64, codec: Codec, payload: Vec<Vec<u8>>) -> Party {
        let leg = LegId::from(nth);
        let source: SocketAddr = ([192, 0, 2, nth as u8], 4_000).into();
        let port = room.open(now, leg, Peer::Trunk { media_from: Vec::new() }, nth);
        let agreed = Negotiated { keys: KeyWay::Events, ..Negotiated::plain(source, codec) };
        room.describe(now, leg, agreed);
        Party { port, source, number: 0, payload, payload_type: codec.payload_type() }
    }

    fn say(&mut self, room: &mut Room, now: Instant, ticks: u32, sink: &mut Sent) {
        let payload = &self.payload[self.number as usize % self.payload.len()];
        self.number += 1;
        let mut packet = [0; 12 + LONGEST];
        packet[..2].copy_from_slice(&[0x80, self.payload_type]);
        packet[2..4].copy_from_slice(&(self.number as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&self.number.wrapping_mul(ticks).to_be_bytes());
        // Not ours: the first numbers of our streams come from small seeds here.
        packet[8..12].copy_from_slice(&(0x1000_0000 + u32::from(self.port.0)).to_be_bytes());
        packet[12..12 + payload.len()].copy_from_slice(payload);
        let from = (self.port, Channel::Rtp);
        room.forward(now, from, self.source, black_box(&mut packet[..12 + payload.len()]), sink);
    }
}

/// Two seconds of a voice-like sound, frame by frame.
fn sound() -> Vec<[i16; FRAME]> {
    let sample = |n: usize| {
        let t = n as f64 / 8_000.0;
        let swell = 0.5 + 0.5 * (std::f64::consts::TAU * 3.0 * t).sin();
        let parts: f64 =
            (1..8).map(|k| (std::f64::consts::TAU * 140.0 * f64::from(k) * t).sin() / f64::from(k)).sum();
        (6_000.0 * swell * parts) as i16
    };
    (0..100).map(|frame| std::array::from_fn(|at| sample(frame * FRAME + at))).collect()
}

fn spoken(codec: Codec) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(codec);
    let mut out = [0; LONGEST];
    sound()
        .iter()
        .map(|frame| {
            let length = encoder.encode(frame, &mut out);
            out[..length].to_vec()
        })
        .collect()
}

/// Decoding what one says and encoding it for the other, both ways, by the codecs alone.
fn codec_alone(codec: Codec) -> Cost {
    let ways = [(Codec::Pcma, codec), (codec, Codec::Pcma)];
    let mut ways = ways.map(|(from, to)| (spoken(from), Decoder::new(from), Encoder::new(to)));
    let mut linear = Vec::with_capacity(FRAME);
    let (mut out, mut turn) = ([0; LONGEST], 0);
    measure(turns(codec), || {
        turn += 1;
        for (payload, decoder, encoder) in &mut ways {
            linear.clear();
            decoder.decode(&payload[turn % payload.len()], &mut linear);
            let Some(frame) = linear.first_chunk::<FRAME>() else { panic!("a frame is 20 ms") };
            black_box(encoder.encode(frame, &mut out));
        }
    })
}

fn bridged(codec: Codec) -> Cost {
    let mut now = Instant::from_secs(1);
    let mut room = Room::new(CallId::from(1));
    let mut caller = Party::enter(&mut room, now, 1, Codec::Pcma, spoken(Codec::Pcma));
    let mut agent = Party::enter(&mut room, now, 2, codec, spoken(codec));
    room.hear(now, &[(LegId::from(1), LegId::from(2)), (LegId::from(2), LegId::from(1))]);
    let mut sink = Sent::default();
    let ticks = (codec.clock_rate() / 50).max(160);
    let cost = measure(turns(codec), || {
        now += Duration::from_millis(20);
        caller.say(&mut room, now, 160, &mut sink);
        agent.say(&mut room, now, ticks, &mut sink);
        room.tick(now, &mut sink);
    });
    // Nine runs, and what the wait for order holds back at first.
    let expected = 2 * 9 * u64::from(turns(codec));
    assert!(sink.packets + 100 > expected, "both were heard: {} of {expected}", sink.packets);
    cost
}

fn turns(codec: Codec) -> u32 {
    if codec == Codec::G729 { 300 } else { 1_000 }
}

#[derive(PartialEq)]
enum Silence {
    Sent,
    NotSent,
}

fn conference(parties: u64, speaking: usize, silence: Silence) -> Cost {
    let mut now = Instant::from_secs(1);
    let mut room = Room::new(CallId::from(1));
    let mut seats: Vec<Party> = (1..=parties)
        .map(|nth| {
            let quiet = nth as usize > speaking;
            let payload = if quiet { vec![vec![0xd5; FRAME]] } else { spoken(Codec::Pcma) };
            Party::enter(&mut room, now, nth, Codec::Pcma, payload)
        })
        .collect();
    let all = || (1..=parties).map(LegId::from);
    let matrix: Vec<(LegId, LegId)> =
        all().flat_map(|talker| all().filter(move |to| *to != talker).map(move |to| (talker, to))).collect();
    room.hear(now, &matrix);
    let mut sink = Sent::default();
    let talking = if silence == Silence::Sent { seats.len() } else { speaking };
    let cost = measure(300, || {
        now += Duration::from_millis(20);
        for seat in &mut seats[..talking] {
            seat.say(&mut room, now, 160, &mut sink);
        }
        room.tick(now, &mut sink);
    });
    assert!(sink.packets > 290 * 9 * parties, "all heard: {} packets", sink.packets);
    cost
}
