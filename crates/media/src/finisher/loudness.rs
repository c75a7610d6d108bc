//! Owns how loud a recording's channels are: the waveform that is shown, and who speaks when. Does not own the samples
//! (see [`super::timeline`]).
//!
//! A channel speaks in those 10 ms whose peak is 6 dB above its own noise, the noise being what nine tenths of its sound
//! lie above; never below −50 dBFS, always from −34 dBFS on. Pauses of up to 300 ms belong to speech, and what is
//! shorter than 30 ms is none.

use model::recording::TalkShares;

use super::Layout;
use super::events::{Course, Phase};
use super::timeline::Sample;
use crate::codec::SAMPLE_RATE;
use crate::g711::{self, Law};

/// Samples of one pixel of a waveform: 10 ms.
pub const PIXEL: usize = 80;

/// The header of a waveform of `frames` samples, as BBC audiowaveform's data format version 2 has it: version, flags (1:
/// 8 bits), sample rate, samples a pixel, pixels, channels, each 32 bits. Behind it stand the least and the greatest
/// sample of each pixel of the left channel, then of the right.
pub fn waveform_header(frames: u64) -> [u8; 24] {
    let pixels = u32::try_from(frames.div_ceil(PIXEL as u64)).unwrap_or(u32::MAX);
    let mut header = [0; 24];
    for (place, word) in header.chunks_exact_mut(4).zip([2, 1, SAMPLE_RATE, PIXEL as u32, pixels, 2]) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    header
}

/// How loud each 10 ms of both channels are.
#[derive(Debug, Default)]
pub struct Loudness {
    levels: [Vec<u8>; 2],
}

impl Loudness {
    /// Takes what comes next, of equal length; all but the last in whole pixels. Their waveform goes to `out`.
    pub fn hear<S: Sample>(&mut self, left: &[S], right: &[S], out: &mut Vec<u8>) {
        let ((left, left_rest), (right, right_rest)) =
            (left.as_chunks::<PIXEL>(), right.as_chunks::<PIXEL>());
        for (left, right) in left.iter().zip(right) {
            self.pixel(S::extremes(left), S::extremes(right), out);
        }
        if !left_rest.is_empty() {
            self.pixel(S::extremes(left_rest), S::extremes(right_rest), out);
        }
    }

    fn pixel(&mut self, left: (Shown, Shown), right: (Shown, Shown), out: &mut Vec<u8>) {
        out.extend_from_slice(&[left.0.wave, left.1.wave, right.0.wave, right.1.wave]);
        for (levels, (least, greatest)) in self.levels.iter_mut().zip([left, right]) {
            levels.push(least.level.max(greatest.level));
        }
    }

    /// How the recording's time divides.
    pub fn shares(&self, course: &Course, layout: Layout) -> TalkShares {
        let [mut left, right] = [0, 1].map(|channel| speech(&self.levels[channel]));
        if layout == Layout::Both {
            left.fill(false);
        }
        let mut shares = TalkShares::default();
        let phases = course.phases();
        let mut from = 0;
        for (nth, (_, phase)) in phases.iter().enumerate() {
            let end = phases.get(nth + 1).map(|(at_us, _)| at_us.div_ceil(PIXEL_US));
            let to = end.map_or(left.len(), |end| (end as usize).clamp(from, left.len()));
            let (caller, persons) = (&left[from..to], &right[from..to]);
            let length = (to - from) as u64 * PIXEL_MS;
            from = to;
            if *phase == Phase::Masked {
                shares.masked_ms += length;
                continue;
            }
            let millis = |here: usize| here as u64 * PIXEL_MS;
            let one = |channel: &[bool]| millis(channel.iter().filter(|speaks| **speaks).count());
            let both =
                millis(caller.iter().zip(persons).filter(|(caller, persons)| **caller && **persons).count());
            let (caller, persons) = (one(caller), one(persons));
            shares.caller_ms += caller;
            shares.persons_ms += persons;
            shares.both_ms += both;
            let nobody = length + both - caller - persons;
            match phase {
                Phase::Held => shares.held_ms += nobody,
                Phase::Open | Phase::Masked => shares.silence_ms += nobody,
            }
        }
        shares
    }
}

/// What a sample is in a waveform, and how loud it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    wave: u8,
    level: u8,
}

impl Shown {
    /// A linear sample.
    pub const fn of(sample: i16) -> Shown {
        Shown { wave: (sample >> 8) as u8, level: level(sample.unsigned_abs()) }
    }

    /// Each code of `law`.
    pub const fn of_codes(law: Law) -> [Shown; 256] {
        let mut all = [Shown::of(0); 256];
        let mut code = 0;
        while code < 256 {
            all[code] = Shown::of(g711::decode(law, code as u8));
            code += 1;
        }
        all
    }
}

/// Whether somebody speaks, for each 10 ms.
fn speech(levels: &[u8]) -> Vec<bool> {
    let least = threshold(levels);
    let mut speaks: Vec<bool> = levels.iter().map(|level| *level >= least).collect();
    turn_short(&mut speaks, true, SHORTEST);
    turn_short(&mut speaks, false, PAUSE);
    speaks
}

/// Turns stretches of `value` that are shorter than `shortest` and have something on both sides.
fn turn_short(speaks: &mut [bool], value: bool, shortest: usize) {
    let mut from = 0;
    while from < speaks.len() {
        let length = speaks[from..].iter().take_while(|one| **one == speaks[from]).count();
        let inside = value || (from > 0 && from + length < speaks.len());
        if speaks[from] == value && length < shortest && inside {
            speaks[from..from + length].fill(!value);
        }
        from += length;
    }
}

/// The level from which on a channel speaks.
fn threshold(levels: &[u8]) -> u8 {
    let mut heard = [0u32; 256];
    for level in levels.iter().filter(|level| **level > SILENT) {
        heard[usize::from(*level)] += 1;
    }
    let tenth = heard.iter().sum::<u32>() / 10;
    let mut below = 0;
    let noise = heard.iter().position(|count| {
        below += count;
        below > tenth
    });
    let twice = noise.map_or(0, |noise| noise + usize::from(TWICE));
    // invariant: levels end at 104.
    (twice as u8).clamp(FAINTEST, SURE)
}

/// A logarithmic scale of amplitudes: 8 steps each time it doubles, 0–104.
const fn level(amplitude: u16) -> u8 {
    if amplitude < 8 {
        return amplitude as u8;
    }
    let octave = 15 - amplitude.leading_zeros();
    ((octave - 2) * 8 + ((amplitude >> (octave - 3)) & 7) as u32) as u8
}

const PIXEL_MS: u64 = 10;
const PIXEL_US: u64 = PIXEL_MS * 1_000;

/// Twice the amplitude, 6 dB, in levels.
const TWICE: u8 = 8;
/// Digital silence, which A-law has at 8.
const SILENT: u8 = level(16);
/// −50 dBFS.
const FAINTEST: u8 = level(104);
/// −34 dBFS.
const SURE: u8 = level(654);
/// What is shorter than 30 ms is a click.
const SHORTEST: usize = 3;
/// Pauses of up to 300 ms belong to speech.
const PAUSE: usize = 31;

#[cfg(test)]
mod tests;
