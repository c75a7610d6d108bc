//! Owns comfort noise (RFC 3389): its payload, and the noise itself. Does not own when it is heard or sent (see
//! [`crate::jitter`] and [`crate::room`]).

use smallvec::SmallVec;

/// Coefficients that are obeyed; more add nothing that is heard.
const ORDER: usize = 10;

/// The noise of a silence, as its talker describes it.
#[derive(Clone, Debug)]
pub(crate) struct Noise {
    /// Level in −dBov, 0–127 (RFC 3389 §3.1).
    level: u8,
    /// Root mean square of a sample, corrected by what the filter adds.
    amplitude: f32,
    reflection: SmallVec<[f32; ORDER]>,
    memory: [f32; ORDER + 1],
    seed: u32,
}

impl Noise {
    /// Reads a payload; `None` when it is empty.
    pub fn parse(payload: &[u8]) -> Option<Noise> {
        let (level, spectrum) = payload.split_first()?;
        // RFC 3389 §3.1: the first bit is 0.
        let level = level & 0x7f;
        // RFC 3389 §3.2: k = 258 · (N − 127) / 32,768; a filter with |k| ≥ 1 would howl.
        let reflection: SmallVec<[f32; ORDER]> = spectrum
            .iter()
            .take(ORDER)
            .map(|code| (258.0 * (f32::from(*code) - 127.0) / 32_768.0).clamp(-0.98, 0.98))
            .collect();
        let gain: f32 = reflection.iter().map(|k| 1.0 - k * k).product::<f32>().sqrt();
        let amplitude = 32_768.0 * 10f32.powf(-f32::from(level) / 20.0) * gain;
        Some(Noise { level, amplitude, reflection, memory: [0.0; ORDER + 1], seed: 0x1234_5678 })
    }

    /// Goes on in another noise without a step.
    pub fn follow(&mut self, next: Noise) {
        let (memory, seed) = (self.memory, self.seed);
        *self = Noise { memory, seed, ..next };
    }

    /// The payload that tells of it: the level alone, which is white noise.
    pub fn payload(&self) -> [u8; 1] {
        [self.level]
    }

    /// Appends `count` samples.
    pub fn fill(&mut self, count: usize, out: &mut Vec<i16>) {
        for _ in 0..count {
            // Uniform noise has the root mean square 1/√3 of its bound.
            self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let white = (self.seed >> 8) as f32 / 8_388_608.0 - 1.0;
            let mut forward = white * self.amplitude * 1.732;
            // The all-pole lattice of the reflection coefficients.
            for order in (0..self.reflection.len()).rev() {
                forward -= self.reflection[order] * self.memory[order];
                self.memory[order + 1] = self.memory[order] + self.reflection[order] * forward;
            }
            self.memory[0] = forward;
            out.push(forward as i16);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_the_level_that_was_asked_for_with_and_without_a_spectrum() {
        for payload in [&[40u8][..], &[60], &[50, 160, 90, 127], &[50, 10, 240, 100, 127, 130, 200]] {
            let mut noise = Noise::parse(payload).unwrap();
            let mut out = Vec::new();
            noise.fill(16_000, &mut out);
            let power = out[2_000..].iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / 14_000.0;
            let level = 10.0 * (power / 32_768f64.powi(2)).log10();
            assert!((level + f64::from(payload[0])).abs() < 2.0, "{payload:?}: {level} dBov");
        }
        assert!(Noise::parse(&[]).is_none());
    }

    #[test]
    fn the_wildest_spectrum_stays_bounded() {
        for code in [0, 255] {
            let mut noise =
                Noise::parse(&[0, code, 255 - code, code, code, code, code, code, code, code, code]).unwrap();
            let mut out = Vec::new();
            noise.fill(8_000, &mut out);
            assert_eq!(out.len(), 8_000);
            assert!(noise.memory.iter().all(|value| value.is_finite()));
        }
    }
}
