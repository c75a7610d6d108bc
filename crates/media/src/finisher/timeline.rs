//! Owns the samples of a recording between their packets and the file: each leg's last seconds, mixed and interleaved
//! when nothing can change them any more. Does not own where a packet belongs (see [`super::placement`]).

use std::io;

use model::LegId;

use crate::codec::{self, Codec};
use crate::recording::Packet;
use crate::sink::Side;

use super::placement::samples;

/// One sample of the output.
pub trait Sample: Copy {
    /// No sound.
    const SILENCE: Self;
    /// A sample that came as `code`.
    fn decoded(codec: Codec, code: u8) -> Self;
    /// Two sounds at once.
    fn mixed(self, other: Self) -> Self;
    /// The bytes of a file: left, right, left, right…
    fn interleave(left: &[Self], right: &[Self], out: &mut Vec<u8>);
}

/// A sample in A-law.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alaw(u8);

/// A sample in µ-law.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ulaw(u8);

macro_rules! g711_sample {
    ($name:ident, $codec:expr) => {
        impl Sample for $name {
            const SILENCE: $name = $name(codec::silence($codec));
            #[inline]
            fn decoded(from: Codec, code: u8) -> $name {
                if from == $codec {
                    $name(code)
                } else {
                    $name(codec::encode($codec, codec::decode(from, code)))
                }
            }
            fn mixed(self, other: $name) -> $name {
                // A-law has no zero: silence would add its own small amplitude.
                if other == $name::SILENCE {
                    return self;
                }
                if self == $name::SILENCE {
                    return other;
                }
                let sum = codec::decode($codec, self.0).saturating_add(codec::decode($codec, other.0));
                $name(codec::encode($codec, sum))
            }
            fn interleave(left: &[$name], right: &[$name], out: &mut Vec<u8>) {
                out.extend(left.iter().zip(right).flat_map(|(left, right)| [left.0, right.0]));
            }
        }
    };
}

g711_sample!(Alaw, Codec::Pcma);
g711_sample!(Ulaw, Codec::Pcmu);

impl Sample for i16 {
    const SILENCE: i16 = 0;
    #[inline]
    fn decoded(codec: Codec, code: u8) -> i16 {
        codec::decode(codec, code)
    }
    fn mixed(self, other: i16) -> i16 {
        self.saturating_add(other)
    }
    fn interleave(left: &[i16], right: &[i16], out: &mut Vec<u8>) {
        out.extend(left.iter().zip(right).flat_map(|(left, right)| {
            let ([a, b], [c, d]) = (left.to_le_bytes(), right.to_le_bytes());
            [a, b, c, d]
        }));
    }
}

/// Samples that a leg's ring holds: a power of two, 4.1 s.
const RING: usize = 32_768;

/// What is older than this behind the newest arrival is written: 2.5 s.
const SETTLED: i64 = 20_000;

/// Frames written at a time: 1 s.
const CHUNK: i64 = 8_000;

/// Both channels from the first frame to the last.
pub struct Timeline<S> {
    tracks: Vec<Track<S>>,
    /// Frames written.
    written: i64,
    frames: i64,
    channels: [Vec<S>; 2],
    bytes: Vec<u8>,
}

struct Track<S> {
    leg: LegId,
    side: Side,
    ring: Box<[S]>,
    /// The position behind the last sample.
    filled: i64,
}

impl<S: Sample> Timeline<S> {
    pub fn new(frames: u64) -> Timeline<S> {
        Timeline {
            tracks: Vec::new(),
            written: 0,
            frames: i64::try_from(frames).unwrap_or(i64::MAX),
            channels: [Vec::new(), Vec::new()],
            bytes: Vec::new(),
        }
    }

    /// Puts a packet at position `at`; what is settled by its arrival goes to `out` first.
    pub fn packet(
        &mut self,
        packet: &Packet<'_>,
        at: i64,
        out: &mut impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let settled = samples(packet.at_us) as i64 - SETTLED;
        while settled - self.written >= CHUNK && self.written < self.frames {
            self.write(CHUNK.min(self.frames - self.written), out)?;
        }
        let (from, to) = (self.written, (self.written + RING as i64).min(self.frames));
        self.track(packet.leg, packet.side).put(packet, at, from, to);
        Ok(())
    }

    /// Writes what is left.
    pub fn finish(&mut self, out: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        while self.written < self.frames {
            self.write(CHUNK.min(self.frames - self.written), out)?;
        }
        Ok(())
    }

    fn track(&mut self, leg: LegId, side: Side) -> &mut Track<S> {
        let known = self.tracks.iter().position(|track| track.leg == leg && track.side == side);
        let index = known.unwrap_or_else(|| {
            let ring = vec![S::SILENCE; RING].into_boxed_slice();
            self.tracks.push(Track { leg, side, ring, filled: i64::MIN });
            self.tracks.len() - 1
        });
        &mut self.tracks[index]
    }

    fn write(&mut self, frames: i64, out: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let length = frames as usize;
        for channel in &mut self.channels {
            channel.clear();
            channel.resize(length, S::SILENCE);
        }
        let mut beside = [Beside::Nobody; 2];
        for track in self.tracks.iter_mut().filter(|track| track.filled > self.written) {
            let side = track.side as usize;
            track.take(self.written, &mut self.channels[side], beside[side]);
            beside[side] = Beside::Another;
        }
        self.bytes.clear();
        let [left, right] = &self.channels;
        S::interleave(left, right, &mut self.bytes);
        self.written += frames;
        out(&self.bytes)
    }
}

/// Whether another leg of the channel has sounded in the same second.
#[derive(Clone, Copy, PartialEq)]
enum Beside {
    Nobody,
    Another,
}

impl<S: Sample> Track<S> {
    /// Keeps the part of the packet between positions `from` and `to`.
    fn put(&mut self, packet: &Packet<'_>, at: i64, from: i64, to: i64) {
        let first = at.max(from);
        let last = at.saturating_add(packet.payload.len() as i64).min(to);
        if first >= last {
            return;
        }
        let mut codes = packet.payload[(first - at) as usize..(last - at) as usize].iter();
        for part in parts(first, (last - first) as usize) {
            // The ring's part comes first: at its end no code has been taken in vain.
            for (slot, code) in self.ring[part].iter_mut().zip(codes.by_ref()) {
                *slot = S::decoded(packet.codec, *code);
            }
        }
        self.filled = self.filled.max(last);
    }

    /// Moves the samples from position `from` on into `channel`, beside what another leg put there.
    fn take(&mut self, from: i64, channel: &mut [S], beside: Beside) {
        let mut done = 0;
        for part in parts(from, channel.len()) {
            let ring = &mut self.ring[part];
            let (channel, length) = (&mut channel[done..], ring.len());
            match beside {
                Beside::Nobody => channel[..length].copy_from_slice(ring),
                Beside::Another => {
                    for (slot, sample) in channel.iter_mut().zip(&*ring) {
                        *slot = slot.mixed(*sample);
                    }
                }
            }
            ring.fill(S::SILENCE);
            done += length;
        }
    }
}

/// The ring's places of `length` samples from position `from` on: one range, or two where they wrap.
fn parts(from: i64, length: usize) -> [std::ops::Range<usize>; 2] {
    let start = from as usize % RING;
    let first = length.min(RING - start);
    [start..start + first, 0..length - first]
}
