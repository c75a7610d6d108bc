//! Owns the country's tones as samples: 450 Hz in the rhythms of GB/T 3380. Does not own when one is played.

use model::say::Tone;

use crate::codec::SAMPLE_RATE;

/// Full scale is 32,767; this is about −12 dBm0, inside what networks take from a terminal.
const LEVEL: f64 = 8_000.0;

/// Sound begins and ends over this many samples (2 ms), so that it does not click.
const RAMP: usize = 16;

/// One period of `tone`: 8 kHz mono; repeated without a gap it is the tone.
pub fn samples(tone: Tone) -> Vec<i16> {
    let (on_ms, off_ms) = match tone {
        Tone::Ringback => (1_000, 4_000),
        Tone::Busy => (350, 350),
        Tone::Congestion => (700, 700),
        Tone::Beep => (400, 100),
    };
    let count = |ms: u32| (ms * SAMPLE_RATE / 1_000) as usize;
    let (on, all) = (count(on_ms), count(on_ms + off_ms));
    let step = 2.0 * std::f64::consts::PI * 450.0 / f64::from(SAMPLE_RATE);
    (0..all)
        .map(|n| {
            if n >= on {
                return 0;
            }
            let ramp = (n.min(on - 1 - n) as f64 / RAMP as f64).min(1.0);
            (LEVEL * ramp * (step * n as f64).sin()) as i16
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tones_have_the_rhythm_of_the_plan_and_whole_periods() {
        for (tone, on, all) in [
            (Tone::Ringback, 8_000, 40_000),
            (Tone::Busy, 2_800, 5_600),
            (Tone::Congestion, 5_600, 11_200),
            (Tone::Beep, 3_200, 4_000),
        ] {
            let samples = samples(tone);
            assert_eq!(samples.len(), all, "{tone:?}");
            assert!(samples[on..].iter().all(|s| *s == 0), "{tone:?}");
            let crossings = samples[..on].windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
            let wanted = on * 450 / 8_000;
            assert!(crossings.abs_diff(wanted) <= 1, "{tone:?}: {crossings} of {wanted}");
            assert!(samples[RAMP..on - RAMP].iter().any(|s| s.unsigned_abs() > 7_900), "{tone:?}");
            assert!(
                samples.windows(2).all(|w| (i32::from(w[1]) - i32::from(w[0])).abs() < 3_000),
                "{tone:?}"
            );
        }
    }
}
