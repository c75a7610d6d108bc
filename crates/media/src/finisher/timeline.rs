//! Owns the samples of a recording between their packets and the file: each leg's last seconds, mixed and interleaved
//! when nothing can change them any more. Does not own where a packet belongs (see [`super::placement`]).

use std::io;
use std::ops::Range;

use model::LegId;

use crate::codec::Codec;
use crate::conceal::NO_MORE;
use crate::g711::{self, Law};
use crate::recording::Packet;
use crate::sink::Side;
use crate::voice::Voice;

use super::Layout;
use super::loudness::{Loudness, PIXEL, Shown};
use super::placement::samples;

/// One sample of the output.
pub trait Sample: Copy {
    /// No sound.
    const SILENCE: Self;
    /// Puts samples that came as `codes` into `slots`, of equal length.
    fn decode(law: Law, codes: &[u8], slots: &mut [Self]);
    /// A sample that was decoded by a codec with a state.
    fn linear(sample: i16) -> Self;
    /// Two sounds at once.
    fn mixed(self, other: Self) -> Self;
    /// The least and the greatest of `samples`; silence when there are none.
    fn extremes(samples: &[Self]) -> (Shown, Shown);
    /// The bytes of a file take the place of `out`: left, right, left, right…
    fn interleave(left: &[Self], right: &[Self], out: &mut Vec<u8>);
}

/// A sample in A-law.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alaw(u8);

/// A sample in µ-law.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ulaw(u8);

macro_rules! g711_sample {
    ($name:ident, $law:expr, $even:expr) => {
        impl Sample for $name {
            const SILENCE: $name = $name(g711::silence($law));
            fn decode(from: Law, codes: &[u8], slots: &mut [$name]) {
                // What is kept as it came is copied, and not looked at.
                if from == $law {
                    slots.iter_mut().zip(codes).for_each(|(slot, code)| *slot = $name(*code));
                } else {
                    let linear = codes.iter().map(|code| g711::decode(from, *code));
                    slots.iter_mut().zip(linear).for_each(|(slot, sample)| *slot = $name::linear(sample));
                }
            }
            #[inline]
            fn linear(sample: i16) -> $name {
                $name(g711::encode($law, sample))
            }
            fn mixed(self, other: $name) -> $name {
                // A-law has no zero: silence would add its own small amplitude.
                if other == $name::SILENCE {
                    return self;
                }
                if self == $name::SILENCE {
                    return other;
                }
                let sum = g711::decode($law, self.0).saturating_add(g711::decode($law, other.0));
                $name(g711::encode($law, sum))
            }
            #[inline]
            fn extremes(samples: &[$name]) -> (Shown, Shown) {
                static SHOWN: [Shown; 256] = Shown::of_codes($law);
                // Codes are compared as numbers that ascend with the amplitude: eight bits at a time are quick.
                let ascending = |code: u8| {
                    let code = code ^ $even;
                    let positive = (code as i8 >> 7) as u8;
                    code ^ (0x7f & !positive)
                };
                let (mut least, mut greatest) = (u8::MAX, u8::MIN);
                for sample in samples {
                    let code = ascending(sample.0);
                    least = least.min(code);
                    greatest = greatest.max(code);
                }
                if least > greatest {
                    return (Shown::of(0), Shown::of(0));
                }
                let code = |ascending: u8| {
                    let code = if ascending & 0x80 == 0 { ascending ^ 0x7f } else { ascending };
                    code ^ $even
                };
                (SHOWN[usize::from(code(least))], SHOWN[usize::from(code(greatest))])
            }
            fn interleave(left: &[$name], right: &[$name], out: &mut Vec<u8>) {
                out.resize(2 * left.len(), 0);
                for (frame, (left, right)) in out.chunks_exact_mut(2).zip(left.iter().zip(right)) {
                    frame[0] = left.0;
                    frame[1] = right.0;
                }
            }
        }
    };
}

// The bits that the law inverts in a code, but for its sign.
g711_sample!(Alaw, Law::Pcma, 0x55);
g711_sample!(Ulaw, Law::Pcmu, 0x7f);

impl Sample for i16 {
    const SILENCE: i16 = 0;
    fn decode(law: Law, codes: &[u8], slots: &mut [i16]) {
        slots.iter_mut().zip(codes).for_each(|(slot, code)| *slot = g711::decode(law, *code));
    }
    #[inline]
    fn linear(sample: i16) -> i16 {
        sample
    }
    fn mixed(self, other: i16) -> i16 {
        self.saturating_add(other)
    }
    fn extremes(samples: &[i16]) -> (Shown, Shown) {
        let (least, greatest) = (samples.iter().min(), samples.iter().max());
        (Shown::of(*least.unwrap_or(&0)), Shown::of(*greatest.unwrap_or(&0)))
    }
    fn interleave(left: &[i16], right: &[i16], out: &mut Vec<u8>) {
        out.resize(4 * left.len(), 0);
        for (frame, (left, right)) in out.chunks_exact_mut(4).zip(left.iter().zip(right)) {
            frame[..2].copy_from_slice(&left.to_le_bytes());
            frame[2..].copy_from_slice(&right.to_le_bytes());
        }
    }
}

/// Frames written at a time: 1 s, whole pixels of a waveform.
const CHUNK: usize = 8_000;

/// Samples that a leg's ring holds: 4 s. What is written at a time never wraps.
const RING: usize = 4 * CHUNK;

/// What is older than this behind the newest arrival is written: 2.5 s.
const SETTLED: i64 = 20_000;

const _: () = assert!(CHUNK.is_multiple_of(PIXEL));

/// Both channels from the first frame to the last.
pub struct Timeline<S> {
    tracks: Vec<Track<S>>,
    /// Frames written: whole chunks until the last.
    written: i64,
    frames: i64,
    /// Where more than one leg sounds in a channel.
    mixes: [Vec<S>; 2],
    layout: Layout,
    loudness: Loudness,
    bytes: Vec<u8>,
    waveform: Vec<u8>,
}

struct Track<S> {
    leg: LegId,
    side: Side,
    ring: Box<[S]>,
    /// The position behind the last sample.
    filled: i64,
    /// Packets of codecs with a state, until those before them can no longer come.
    waiting: Vec<Waiting>,
    /// What of them was decoded, and the position behind it.
    voice: Voice,
    said: i64,
}

struct Waiting {
    at: i64,
    codec: Codec,
    payload: Box<[u8]>,
}

impl<S: Sample> Timeline<S> {
    pub fn new(frames: u64, layout: Layout) -> Timeline<S> {
        Timeline {
            tracks: Vec::new(),
            written: 0,
            frames: i64::try_from(frames).unwrap_or(i64::MAX),
            mixes: [Vec::new(), Vec::new()],
            layout,
            loudness: Loudness::default(),
            bytes: Vec::new(),
            waveform: Vec::new(),
        }
    }

    /// Puts a packet at position `at`; what is settled by its arrival goes to `out` first: samples, and their waveform.
    pub fn packet(
        &mut self,
        packet: &Packet<'_>,
        at: i64,
        out: &mut impl FnMut(&[u8], &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let settled = samples(packet.at_us) as i64 - SETTLED;
        while settled - self.written >= CHUNK as i64 && self.written < self.frames {
            self.write(out)?;
        }
        let (from, to) = (self.written, (self.written + RING as i64).min(self.frames));
        self.track(packet.leg, packet.side).put(packet, at, from, to);
        Ok(())
    }

    /// Writes what is left. How loud both channels were.
    pub fn finish(&mut self, out: &mut impl FnMut(&[u8], &[u8]) -> io::Result<()>) -> io::Result<Loudness> {
        while self.written < self.frames {
            self.write(out)?;
        }
        Ok(std::mem::take(&mut self.loudness))
    }

    fn track(&mut self, leg: LegId, side: Side) -> &mut Track<S> {
        let known = self.tracks.iter().position(|track| track.leg == leg && track.side == side);
        let index = known.unwrap_or_else(|| {
            let ring = vec![S::SILENCE; RING].into_boxed_slice();
            let (waiting, voice) = (Vec::new(), Voice::default());
            self.tracks.push(Track { leg, side, ring, filled: i64::MIN, waiting, voice, said: i64::MIN });
            self.tracks.len() - 1
        });
        &mut self.tracks[index]
    }

    /// Writes the next chunk, or what is left of the last.
    fn write(&mut self, out: &mut impl FnMut(&[u8], &[u8]) -> io::Result<()>) -> io::Result<()> {
        let from = self.written;
        let to = (from + CHUNK as i64).min(self.frames);
        for track in &mut self.tracks {
            track.decode(from, to, (from + RING as i64).min(self.frames));
        }
        let length = (to - from) as usize;
        let start = from as usize % RING;
        let place = start..start + length;
        let [left, right] = &mut self.mixes;
        let sounding = |side| move |track: &&Track<S>| track.side == side && track.filled > from;
        let of = |side| self.tracks.iter().filter(sounding(side)).map(|track| &track.ring[place.clone()]);
        let right = together(of(Side::Right), length, right);
        let left = match self.layout {
            Layout::Apart => together(of(Side::Left), length, left),
            Layout::Both => right,
        };
        S::interleave(left, right, &mut self.bytes);
        self.waveform.clear();
        self.loudness.hear(left, right, &mut self.waveform);
        for track in self.tracks.iter_mut().filter(|track| track.filled > from) {
            track.ring[place.clone()].fill(S::SILENCE);
        }
        self.written = to;
        out(&self.bytes, &self.waveform)
    }
}

/// What a channel's legs sound like together, for `length` samples; `mix` is where it is made when there are several.
fn together<'a, S: Sample>(
    mut legs: impl Iterator<Item = &'a [S]>,
    length: usize,
    mix: &'a mut Vec<S>,
) -> &'a [S] {
    mix.clear();
    match (legs.next(), legs.next()) {
        (None, _) => {
            mix.resize(length, S::SILENCE);
            mix
        }
        (Some(one), None) => one,
        (Some(one), Some(another)) => {
            mix.extend_from_slice(one);
            for leg in std::iter::once(another).chain(legs) {
                mix.iter_mut().zip(leg).for_each(|(slot, sample)| *slot = slot.mixed(*sample));
            }
            mix
        }
    }
}

impl<S: Sample> Track<S> {
    /// Keeps the part of the packet between positions `from` and `to`.
    fn put(&mut self, packet: &Packet<'_>, at: i64, from: i64, to: i64) {
        match Law::of(packet.codec) {
            Some(law) => {
                let codes = packet.payload;
                self.place(codes.len(), at, (from, to), |part, slots| S::decode(law, &codes[part], slots));
            }
            // A decoder must hear the packets in their order, which is certain when this second is written.
            None => {
                let place = self.waiting.partition_point(|waiting| waiting.at <= at);
                let payload = Box::from(packet.payload);
                self.waiting.insert(place, Waiting { at, codec: packet.codec, payload });
            }
        }
    }

    /// Decodes what sounds before position `end`, and keeps of it what lies between `from` and `to`: packets behind `end` too,
    /// since a loss before them is made up for with what they say.
    fn decode(&mut self, from: i64, end: i64, to: i64) {
        let due = self.waiting.partition_point(|waiting| waiting.at < end + NO_MORE as i64);
        let mut linear = Vec::new();
        for Waiting { at, codec, payload } in self.waiting.drain(..due).collect::<Vec<_>>() {
            linear.clear();
            let lost = usize::try_from(at.saturating_sub(self.said)).unwrap_or(0);
            // A longer gap is a pause of the talker, or of the recording.
            if lost > NO_MORE {
                self.voice.pause();
            } else if lost > 0 && !self.voice.make_up(lost, &mut linear) {
                linear.resize(lost, 0);
            }
            let begin = at - linear.len() as i64;
            self.voice.decode((codec, &payload), 0, &mut linear);
            self.said = begin + linear.len() as i64;
            self.place(linear.len(), begin, (from, to), |part, slots| {
                slots.iter_mut().zip(&linear[part]).for_each(|(slot, sample)| *slot = S::linear(*sample));
            });
        }
    }

    /// Keeps what lies between positions `from` and `to` of `length` samples at `at`; `fill` puts a part of them into the
    /// ring.
    fn place(
        &mut self,
        length: usize,
        at: i64,
        (from, to): (i64, i64),
        fill: impl Fn(Range<usize>, &mut [S]),
    ) {
        let first = at.max(from);
        let last = at.saturating_add(length as i64).min(to);
        if first >= last {
            return;
        }
        let mut next = (first - at) as usize;
        for part in parts(first, (last - first) as usize).into_iter().filter(|part| !part.is_empty()) {
            let taken = next..next + part.len();
            next = taken.end;
            fill(taken, &mut self.ring[part]);
        }
        self.filled = self.filled.max(last);
    }
}

/// The ring's places of `length` samples from position `from` on: one range, or two where they wrap.
fn parts(from: i64, length: usize) -> [Range<usize>; 2] {
    let start = from as usize % RING;
    let first = length.min(RING - start);
    [start..start + first, 0..length - first]
}
