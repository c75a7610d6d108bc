//! Owns the country's tones as samples: 450 Hz in the rhythms of GB/T 3380. Does not own when one is played.

use model::say::Tone;

use crate::codec::SAMPLE_RATE;

/// Full scale is 32,767; this is about −12 dBm0, inside what networks take from a terminal.
const LEVEL: f64 = 8_000.0;

/// Sound begins and ends over this many samples (2 ms), so that it does not click.
const RAMP: usize = 16;

/// One period of `tone`: 8 kHz mono; repeated without a gap it is the tone.
pub fn samples(tone: Tone) -> Vec<i16> {
    let count = |ms: u32| (ms * SAMPLE_RATE / 1_000) as usize;
    let step = 2.0 * std::f64::consts::PI * 450.0 / f64::from(SAMPLE_RATE);
    let mut samples = Vec::new();
    for (on, off) in rhythm(tone).iter().map(|(on_ms, off_ms)| (count(*on_ms), count(*off_ms))) {
        samples.extend((0..on).map(|n| {
            let ramp = (n.min(on - 1 - n) as f64 / RAMP as f64).min(1.0);
            (LEVEL * ramp * (step * n as f64).sin()) as i16
        }));
        samples.extend(std::iter::repeat_n(0, off));
    }
    samples
}

/// One period of `tone`: milliseconds on and off, in turn.
fn rhythm(tone: Tone) -> &'static [(u32, u32)] {
    match tone {
        Tone::Ringback => &[(1_000, 4_000)],
        Tone::Busy => &[(350, 350)],
        Tone::Congestion => &[(700, 700)],
        Tone::Beep => &[(400, 100)],
        Tone::CallWaiting => &[(400, 4_000)],
        Tone::SpecialInfo => &[(100, 100), (100, 100), (100, 100), (400, 400)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::FRAME;
    use crate::codec::tests::share;

    /// Lengths of sound and of silence, in turn, in milliseconds: what is loud in blocks of 10 ms.
    fn heard(samples: &[i16]) -> Vec<usize> {
        let mut lengths = Vec::new();
        let mut was = false;
        for block in samples.chunks(80) {
            let is = block.iter().any(|sample| sample.unsigned_abs() > 1_000);
            if is != was || lengths.is_empty() {
                lengths.push(0);
                was = is;
            }
            *lengths.last_mut().unwrap() += 10;
        }
        lengths
    }

    #[test]
    fn tones_have_the_rhythm_of_the_plan() {
        for (tone, rhythm) in [
            (Tone::Ringback, &[1_000, 4_000][..]),
            (Tone::Busy, &[350, 350]),
            (Tone::Congestion, &[700, 700]),
            (Tone::Beep, &[400, 100]),
            (Tone::CallWaiting, &[400, 4_000]),
            (Tone::SpecialInfo, &[100, 100, 100, 100, 100, 100, 400, 400]),
        ] {
            let twice = [samples(tone), samples(tone)].concat();
            assert_eq!(heard(&twice), [rhythm, rhythm].concat(), "{tone:?}");
            assert_eq!(samples(tone).len() % FRAME, 0, "{tone:?}: a loop has no seam");
        }
        assert_eq!(Tone::ALL.map(|tone| tone as usize), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn tones_are_450_hz_at_their_level_and_do_not_click() {
        for tone in Tone::ALL {
            let samples = samples(tone);
            let sound = &samples[RAMP..600];
            assert!(share(sound, 450.0) > 0.99, "{tone:?}");
            assert!(share(sound, 425.0) < 0.8, "{tone:?}: another frequency is told apart");
            assert!(sound.iter().any(|s| s.unsigned_abs() > 7_900), "{tone:?}");
            let steps = samples.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs());
            assert!(steps.max().unwrap() < 3_000, "{tone:?}");
        }
    }
}
