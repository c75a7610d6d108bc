//! Owns the step between 8 and 16 kHz: a half-band filter each way. Does not own which codec needs one (see
//! [`crate::codec`]).

use std::sync::LazyLock;

/// Pairs of taps: 3.4 kHz pass, and what lies as far above 4 kHz is 60 dB down.
const PAIRS: usize = 16;

/// The taps at half a sample's distance, one and a half, …; all others of a half-band filter are zero.
static TAPS: LazyLock<[f32; PAIRS]> = LazyLock::new(|| {
    let mut taps = [0f32; PAIRS];
    for (nth, tap) in taps.iter_mut().enumerate() {
        let at = nth as f32 + 0.5;
        let sinc = (std::f32::consts::PI * at).sin() / (std::f32::consts::PI * at);
        let phase = std::f32::consts::PI * at / PAIRS as f32;
        *tap = sinc * (0.42 + 0.5 * phase.cos() + 0.08 * (2.0 * phase).cos());
    }
    let sum: f32 = 2.0 * taps.iter().sum::<f32>();
    taps.map(|tap| tap / sum)
});

/// 8 kHz to 16 kHz.
#[derive(Clone, Debug, Default)]
pub(crate) struct Doubler {
    last: [f32; 2 * PAIRS],
}

impl Doubler {
    /// Two samples for each.
    pub fn double<const IN: usize, const OUT: usize>(&mut self, samples: &[i16; IN]) -> [i16; OUT] {
        let mut out = [0; OUT];
        for (sample, two) in samples.iter().zip(out.as_chunks_mut::<2>().0) {
            self.last.copy_within(1.., 0);
            self.last[2 * PAIRS - 1] = f32::from(*sample);
            let between: f32 =
                (0..PAIRS).map(|nth| TAPS[nth] * (self.last[PAIRS - 1 - nth] + self.last[PAIRS + nth])).sum();
            // The true samples stand where they were, the new ones between them.
            *two = [self.last[PAIRS - 1] as i16, between as i16];
        }
        out
    }
}

/// 16 kHz to 8 kHz.
#[derive(Clone, Debug, Default)]
pub(crate) struct Halver {
    even: [f32; PAIRS + 1],
    odd: [f32; 2 * PAIRS],
}

impl Halver {
    /// Appends one sample for each two.
    pub fn halve(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        for [even, odd] in samples.as_chunks::<2>().0 {
            self.even.copy_within(1.., 0);
            self.even[PAIRS] = f32::from(*even);
            let beside: f32 =
                (0..PAIRS).map(|nth| TAPS[nth] * (self.odd[PAIRS - 1 - nth] + self.odd[PAIRS + nth])).sum();
            out.push((0.5 * (self.even[0] + beside)) as i16);
            self.odd.copy_within(1.., 0);
            self.odd[2 * PAIRS - 1] = f32::from(*odd);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::tests::{power, share};

    #[test]
    fn tones_of_the_narrow_band_survive_there_and_back_and_others_do_not_fold_into_it() {
        let tone = |hz: f64, rate: f64| -> Vec<i16> {
            (0..3_200)
                .map(|n| (8_000.0 * (2.0 * std::f64::consts::PI * hz * f64::from(n) / rate).sin()) as i16)
                .collect()
        };
        for hz in [300.0, 1_000.0, 3_000.0, 3_400.0] {
            let (mut doubler, mut halver, mut back) = (Doubler::default(), Halver::default(), Vec::new());
            let said = tone(hz, 8_000.0);
            for frame in said.as_chunks::<160>().0 {
                let doubled: [i16; 320] = doubler.double(frame);
                halver.halve(&doubled, &mut back);
            }
            let gain = 10.0 * (power(&back[400..]) / power(&said[400..])).log10();
            assert!(gain.abs() < 1.0 && share(&back[400..], hz) > 0.999, "{hz} Hz: {gain} dB");
        }
        for hz in [5_000.0, 6_000.0, 7_500.0] {
            let mut out = Vec::new();
            Halver::default().halve(&tone(hz, 16_000.0), &mut out);
            assert!(power(&out[400..]) < 100.0, "{hz} Hz folds: {}", power(&out[400..]));
        }
    }
}
