//! Owns what is heard in place of a lost packet when the codec has no means of its own: the last period of the voice,
//! again and again, fading (as ITU-T G.711 Appendix I). Does not own when something is lost (see [`crate::voice`]).

/// Samples remembered: 50 ms.
const HISTORY: usize = 400;

/// Periods of voices that are looked for: 200 Hz to 66 Hz.
const SHORTEST: usize = 40;
const LONGEST: usize = 120;

/// What is compared to find the period: 20 ms.
const WINDOW: usize = 160;

/// A loss is heard at full strength for 10 ms, and no more after 60 ms.
const FULL: usize = 80;
pub(crate) const NO_MORE: usize = 480;

/// The made-up sound gives way to the true one over 4 ms.
const BLEND: usize = 32;

/// One talker's last sound, and the loss that goes on.
#[derive(Clone, Debug)]
pub(crate) struct Concealment {
    history: [i16; HISTORY],
    /// The period that is repeated and how much of the loss has passed, in samples; `None` while nothing is lost.
    loss: Option<(usize, usize)>,
    /// Whether there is anything to repeat.
    primed: bool,
}

impl Default for Concealment {
    fn default() -> Concealment {
        Concealment { history: [0; HISTORY], loss: None, primed: false }
    }
}

impl Concealment {
    /// Whether what it makes up can still be heard.
    pub fn is_heard(&self) -> bool {
        self.primed && self.loss.is_none_or(|(_, passed)| passed < NO_MORE)
    }

    /// True sound: remembered, and after a loss blended with what was made up.
    pub fn heard(&mut self, samples: &mut [i16]) {
        if let Some((period, passed)) = self.loss.take() {
            for (nth, sample) in samples.iter_mut().take(BLEND).enumerate() {
                let made_up = i32::from(self.repeated(period, passed + nth));
                let share = (nth + 1) as i32;
                let (ours, theirs) = (made_up * (BLEND as i32 - share), i32::from(*sample) * share);
                *sample = ((ours + theirs) / BLEND as i32) as i16;
            }
        }
        self.remember(samples);
    }

    /// Appends `count` made-up samples.
    pub fn lost(&mut self, count: usize, out: &mut Vec<i16>) {
        let (period, passed) = self.loss.unwrap_or_else(|| (self.period(), 0));
        out.extend((passed..passed + count).map(|at| self.repeated(period, at)));
        self.loss = Some((period, passed + count));
    }

    /// Forgets: another talker, or the same after a pause.
    pub fn forget(&mut self) {
        *self = Concealment::default();
    }

    fn repeated(&self, period: usize, at: usize) -> i16 {
        let sample = i32::from(self.history[HISTORY - period + at % period]);
        let left = NO_MORE.saturating_sub(at.max(FULL)) as i32;
        (sample * left / (NO_MORE - FULL) as i32) as i16
    }

    fn remember(&mut self, samples: &[i16]) {
        self.primed |= !samples.is_empty();
        let kept = samples.len().min(HISTORY);
        self.history.copy_within(kept.., 0);
        self.history[HISTORY - kept..].copy_from_slice(&samples[samples.len() - kept..]);
    }

    /// The distance at which the last 20 ms are most like what was before them.
    fn period(&self) -> usize {
        let like = |period: usize| {
            let last = &self.history[HISTORY - WINDOW..];
            let before = &self.history[HISTORY - WINDOW - period..HISTORY - period];
            let (mut product, mut energy) = (0f32, 1f32);
            for (last, before) in last.iter().zip(before) {
                product += f32::from(*last) * f32::from(*before);
                energy += f32::from(*before) * f32::from(*before);
            }
            product / energy.sqrt()
        };
        let best = (SHORTEST..=LONGEST).map(|period| (like(period), period));
        best.max_by(|one, other| one.0.total_cmp(&other.0)).map_or(LONGEST, |(_, period)| period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(from: usize, count: usize) -> Vec<i16> {
        (from..from + count)
            .map(|n| {
                let angle = 2.0 * std::f64::consts::PI * 125.0 * n as f64 / 8_000.0;
                (6_000.0 * angle.sin() + 2_000.0 * (3.0 * angle).sin()) as i16
            })
            .collect()
    }

    #[test]
    fn a_lost_packet_of_a_voice_is_hardly_missed() {
        let mut concealment = Concealment::default();
        concealment.heard(&mut voice(0, 800));
        let mut made_up = Vec::new();
        concealment.lost(160, &mut made_up);
        let truth = voice(800, 160);
        let error: f64 =
            truth.iter().zip(&made_up).map(|(t, m)| f64::from(*t - *m).powi(2)).sum::<f64>().sqrt();
        let all: f64 = truth.iter().map(|t| f64::from(*t).powi(2)).sum::<f64>().sqrt();
        assert!(error < 0.2 * all, "{error} of {all}");
        let mut after = voice(960, 160);
        concealment.heard(&mut after);
        let steps = made_up.iter().chain(&after).zip(made_up.iter().chain(&after).skip(1));
        let widest = steps.map(|(a, b)| (i32::from(*a) - i32::from(*b)).abs()).max();
        assert!(widest < Some(2_500), "a click of {widest:?}");
    }

    #[test]
    fn a_long_loss_fades_to_silence() {
        let mut concealment = Concealment::default();
        concealment.heard(&mut voice(0, 800));
        let mut made_up = Vec::new();
        concealment.lost(800, &mut made_up);
        assert!(made_up[480..].iter().all(|sample| *sample == 0));
        assert!(!concealment.is_heard());
        assert!(made_up[..80].iter().any(|sample| sample.unsigned_abs() > 5_000));
    }
}
