//! Owns whether what a port's peer sends has a sound in it. Does not own who is told (see [`crate::alarm`]).

use clock::Instant;

use crate::codec::{Codec, Decoder};
use crate::g711::{self, Law};

/// Whether a port's peer was ever heard to make a sound, and when last (R37).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loudness {
    looked: u32,
    loud: u32,
    /// When a sound was last found.
    pub heard_at: Option<Instant>,
}

impl Loudness {
    /// One packet of so many is looked at, where looking is reading a table.
    const EACH: u64 = 16;
    /// And where the packet must be decoded.
    const EACH_CODED: u64 = 64;
    /// Fewer packets than this say nothing.
    const ENOUGH: u32 = 10;
    /// −42 dBm0.
    const LOUD: u16 = 300;

    /// Looks at some packets; at each one while `closely`. Whether it found a sound.
    #[inline]
    pub fn look(&mut self, now: Instant, nth: u64, (codec, payload): (Codec, &[u8]), closely: bool) -> bool {
        (nth.is_multiple_of(Loudness::EACH) || closely) && self.examine(now, nth, (codec, payload), closely)
    }

    #[cold]
    fn examine(&mut self, now: Instant, nth: u64, (codec, payload): (Codec, &[u8]), closely: bool) -> bool {
        let is_loud = |sample: i16| sample.unsigned_abs() > Loudness::LOUD;
        let loud = match Law::of(codec) {
            Some(law) => payload.iter().any(|code| is_loud(g711::decode(law, *code))),
            // A silence descriptor is known by its length.
            None if payload.len() <= 6 => false,
            None if !closely && !nth.is_multiple_of(Loudness::EACH_CODED) => return false,
            None => {
                // A decoder that knows nothing of what was before is within a few milliseconds as loud as the talker.
                let mut samples = Vec::new();
                Decoder::new(codec).decode(payload, &mut samples);
                samples.into_iter().any(is_loud)
            }
        };
        self.looked += 1;
        self.loud += u32::from(loud);
        if loud {
            self.heard_at = Some(now);
        }
        loud
    }

    /// Whether packets came and none had a sound.
    pub fn is_silent(self) -> bool {
        self.looked >= Loudness::ENOUGH && self.loud == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Encoder, FRAME, LONGEST};

    /// 13 s of `sample` in a codec.
    fn looked(codec: Codec, sample: impl Fn(usize) -> i16) -> Loudness {
        let (mut encoder, mut loudness) = (Encoder::new(codec), Loudness::default());
        for nth in 0..700 {
            let frame: [i16; FRAME] = std::array::from_fn(|at| sample(nth * FRAME + at));
            let mut payload = [0; LONGEST];
            let length = encoder.encode(&frame, &mut payload);
            loudness.look(Instant::from_secs(9), nth as u64, (codec, &payload[..length]), false);
        }
        loudness
    }

    #[test]
    fn silence_and_a_voice_are_told_apart_in_every_codec() {
        for codec in Codec::ALL {
            let noise = looked(codec, |at| (at % 7) as i16 * 3);
            assert!(noise.is_silent() && noise.heard_at.is_none(), "{codec:?}: the hiss of a line");
            let voice =
                |at: usize| (6_000.0 * (at as f64 * std::f64::consts::TAU * 300.0 / 8_000.0).sin()) as i16;
            let voice = looked(codec, voice);
            assert!(!voice.is_silent() && voice.heard_at.is_some(), "{codec:?}: a voice");
        }
    }
}
