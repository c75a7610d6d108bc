//! Owns a prompt's loudness and its ends: evening, limiting, trimming, fading, the seam of music. Does not own files.

use std::collections::VecDeque;

use super::resample::Target;
use super::{Loudness, PEAK_DB};

/// Takes away what stands still: an offset clicks at both ends.
pub(super) fn remove_offset(samples: &mut [f32]) {
    let mean = (samples.iter().map(|sample| f64::from(*sample)).sum::<f64>() / samples.len() as f64) as f32;
    for sample in samples {
        *sample -= mean;
    }
}

/// RMS in dB below full scale of the blocks of 50 ms that are not silent: above −60 dB, and not more than 10 dB below
/// the mean of those (the two gates of ITU-R BS.1770-4 §5.1, without its filter, which a telephone does not have).
/// `None`: all is silence.
pub(super) fn loudness_db(samples: &[f32], target: Target) -> Option<f32> {
    let block = target.rate() as usize / 20;
    let powers: Vec<f64> = samples
        .chunks(block)
        .map(|block| block.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / block.len() as f64)
        .filter(|power| *power > from_db(-60.0).powi(2))
        .collect();
    let mean = |powers: &mut dyn Iterator<Item = f64>| {
        let (sum, count) = powers.fold((0.0, 0u32), |(sum, count), power| (sum + power, count + 1));
        (count > 0).then(|| sum / f64::from(count))
    };
    let gate = mean(&mut powers.iter().copied())? / 10.0;
    let power = mean(&mut powers.iter().copied().filter(|power| *power >= gate))?;
    Some(10.0 * (power.log10() as f32))
}

/// What brings `found` to `wanted`, in dB: never more than 30 up, which would be noise, and nothing for half a dB, so
/// that an evened file stays as it is.
pub(super) fn gain_to(found: f32, wanted: f32) -> f32 {
    let gain = (wanted - found).min(30.0);
    if gain.abs() < 0.5 { 0.0 } else { gain }
}

/// Multiplies by `gain_db` and, for an evened prompt, holds what would become louder than [`PEAK_DB`]: the gain goes
/// down before a peak and up behind it, over 5 ms each.
pub(super) fn amplify(samples: &mut [f32], gain_db: f32, target: Target, loudness: Loudness) {
    let gain = from_db(gain_db) as f32;
    let top = match loudness {
        Loudness::Evened => from_db(PEAK_DB) as f32,
        Loudness::Kept => 1.0,
    };
    let reach = target.rate() as usize / 200;
    let needed = |sample: f32| (top / (sample * gain).abs().max(f32::MIN_POSITIVE)).min(1.0);
    if samples.iter().all(|sample| needed(*sample) >= 1.0) {
        for sample in samples {
            *sample *= gain;
        }
        return;
    }
    // The least of what is needed within `reach`, then the mean of those within `reach`: never more than needed.
    let least = sliding_least(samples.len(), reach, |at| needed(samples[at]));
    let window = 2 * reach + 1;
    let mut sum: f64 = (0..=reach).map(|at| f64::from(held(&least, at as isize))).sum();
    sum += reach as f64 * f64::from(held(&least, 0));
    for (at, sample) in samples.iter_mut().enumerate() {
        *sample *= gain * (sum / window as f64) as f32;
        let (leaves, enters) = (at as isize - reach as isize, (at + reach + 1) as isize);
        sum += f64::from(held(&least, enters)) - f64::from(held(&least, leaves));
    }
}

/// The value at a place, or at the nearest end.
fn held(values: &[f32], at: isize) -> f32 {
    let last = values.len().saturating_sub(1);
    usize::try_from(at).map_or(values[0], |at| values[at.min(last)])
}

/// For each place the least value not farther than `reach`.
fn sliding_least(length: usize, reach: usize, value: impl Fn(usize) -> f32) -> Vec<f32> {
    let mut least = Vec::with_capacity(length);
    // Places whose values ascend: the first is the least.
    let mut near: VecDeque<(usize, f32)> = VecDeque::new();
    let mut next = 0;
    for at in 0..length {
        while next < length && next <= at + reach {
            let new = value(next);
            while near.back().is_some_and(|(_, known)| *known >= new) {
                near.pop_back();
            }
            near.push_back((next, new));
            next += 1;
        }
        while near.front().is_some_and(|(place, _)| place + reach < at) {
            near.pop_front();
        }
        least.push(near.front().map_or(1.0, |(_, value)| *value));
    }
    least
}

/// Cuts silence at both ends down to 30 ms, so that words join without gaps.
pub(super) fn trim(samples: &mut Vec<f32>, target: Target) {
    let block = target.rate() as usize / 100;
    let floor = from_db(-46.0).powi(2);
    let loud =
        |block: &[f32]| block.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / block.len() as f64 > floor;
    let blocks = samples.chunks(block);
    let count = blocks.len();
    let (Some(first), Some(last)) = (blocks.clone().position(loud), blocks.clone().rposition(loud)) else {
        return;
    };
    let end = ((last + 4).min(count) * block).min(samples.len());
    samples.truncate(end);
    samples.drain(..first.saturating_sub(3) * block);
}

/// Begins and ends with silence over 5 ms: two prompts joined have no step between them.
pub(super) fn fade(samples: &mut [f32], target: Target) {
    let reach = (target.rate() as usize / 200).min(samples.len() / 2);
    let last = samples.len() - 1;
    for at in 0..reach {
        let share = (1.0 - (std::f32::consts::PI * at as f32 / reach as f32).cos()) / 2.0;
        samples[at] *= share;
        samples[last - at] *= share;
    }
}

/// Makes music whole frames of 20 ms long, and its end flow into its beginning: what is too much is heard below the
/// beginning and fades there. Music that fits already stays as it is.
pub(super) fn close_the_loop(samples: &mut Vec<f32>, target: Target) {
    let frame = target.rate() as usize / 50;
    let over = samples.len() % frame;
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return };
    if over == 0 && (first - last).abs() < STEP {
        return;
    }
    if samples.len() < 10 * frame {
        samples.truncate(samples.len() - over);
        fade(samples, target);
        return;
    }
    let tail = samples.split_off(samples.len() - over - frame);
    for (at, (sample, old)) in samples.iter_mut().zip(&tail).enumerate() {
        let share = (std::f32::consts::FRAC_PI_2 * at as f32 / tail.len() as f32).sin().powi(2);
        *sample = *sample * share + old * (1.0 - share);
    }
}

fn from_db(db: f32) -> f64 {
    10f64.powf(f64::from(db) / 20.0)
}

/// A step between two samples that is heard as a click, as a share of full scale.
const STEP: f32 = 0.05;
