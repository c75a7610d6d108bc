//! Owns the step from a file's sample rate to ours, in pieces, so that memory follows the result and not the file.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _};

/// What a file is brought to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// 8 kHz: the file has no more.
    Narrow,
    /// 16 kHz.
    Wide,
}

impl Target {
    /// The one for a file of that rate.
    pub fn of(rate: u32) -> Target {
        if rate <= 8_000 { Target::Narrow } else { Target::Wide }
    }

    /// Samples per second.
    pub const fn rate(self) -> u32 {
        match self {
            Target::Narrow => 8_000,
            Target::Wide => 16_000,
        }
    }
}

/// Takes samples of one rate in pieces and keeps them at another.
pub(super) struct Resampler {
    engine: Option<Fft<f32>>,
    /// Of the last output per input.
    ratio: f64,
    waiting: Vec<f32>,
    piece: Vec<f32>,
    taken: usize,
    out: Vec<f32>,
}

impl Resampler {
    /// From `rate` to `target`; `None` for a rate that the filter cannot be made for.
    pub fn new(rate: u32, target: u32) -> Option<Resampler> {
        let engine = if rate == target {
            None
        } else {
            Some(Fft::new(rate as usize, target as usize, 1_024, 1, FixedSync::Input).ok()?)
        };
        let ratio = f64::from(target) / f64::from(rate);
        Some(Resampler { engine, ratio, waiting: Vec::new(), piece: Vec::new(), taken: 0, out: Vec::new() })
    }

    /// Takes the next samples.
    pub fn push(&mut self, samples: &[f32]) {
        self.taken += samples.len();
        if self.engine.is_none() {
            self.out.extend_from_slice(samples);
            return;
        }
        self.waiting.extend_from_slice(samples);
        self.turn();
    }

    /// Everything, of the same length in time.
    pub fn finish(mut self) -> Vec<f32> {
        let wanted = (self.taken as f64 * self.ratio).round() as usize;
        if let Some(delay) = self.engine.as_ref().map(|engine| engine.output_delay()) {
            while self.out.len() < wanted + delay {
                let before = self.out.len();
                let more =
                    self.waiting.len() + self.engine.as_ref().map_or(1, |engine| engine.input_frames_next());
                self.waiting.resize(more, 0.0);
                self.turn();
                // A filter that gives nothing for several pieces gives nothing any more.
                if self.out.len() == before && self.waiting.len() > 1 << 20 {
                    break;
                }
            }
            self.out.drain(..delay.min(self.out.len()));
        }
        self.out.truncate(wanted);
        self.out
    }

    /// Takes whole pieces of what waits.
    fn turn(&mut self) {
        let Some(engine) = &mut self.engine else { return };
        let mut done = 0;
        while self.waiting.len() - done >= engine.input_frames_next() {
            let wanted = engine.input_frames_next();
            let room = engine.output_frames_next();
            self.piece.resize(room, 0.0);
            let piece = &self.waiting[done..done + wanted];
            let (Ok(from), Ok(mut to)) = (
                InterleavedSlice::new(piece, 1, wanted),
                InterleavedSlice::new_mut(&mut self.piece, 1, room),
            ) else {
                break;
            };
            let Ok((_, made)) = engine.process_into_buffer(&from, &mut to, None) else { break };
            self.out.extend_from_slice(&self.piece[..made]);
            done += wanted;
        }
        self.waiting.drain(..done);
    }
}

/// 16 kHz to 8 kHz.
pub(super) fn halve(samples: &[f32]) -> Vec<f32> {
    match Resampler::new(16_000, 8_000) {
        Some(mut resampler) => {
            resampler.push(samples);
            resampler.finish()
        }
        None => samples.iter().step_by(2).copied().collect(),
    }
}
