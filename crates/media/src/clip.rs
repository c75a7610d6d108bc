//! Owns a piece of speech or music ready to be sent: whole 20 ms frames in every codec. Does not own where it comes
//! from (see `media-net`'s prompt cache), nor its playing (see [`crate::player`]).

use crate::codec::{self, Codec, FRAME};

/// Audio encoded once and shared by all who hear it: 8 kHz mono, whole frames of 20 ms, the last one padded with
/// silence.
#[derive(Clone, PartialEq, Eq)]
pub struct Clip {
    pcma: Box<[u8]>,
    pcmu: Box<[u8]>,
}

impl Clip {
    /// Encodes linear samples (16 bit, 8 kHz, mono).
    pub fn from_samples(samples: &[i16]) -> Clip {
        Clip { pcma: encoded(Codec::Pcma, samples), pcmu: encoded(Codec::Pcmu, samples) }
    }

    /// Silence of `millis`, rounded up to whole frames.
    pub fn silence(millis: u32) -> Clip {
        let bytes = millis.div_ceil(20) as usize * FRAME;
        let of = |codec| vec![codec::silence(codec); bytes].into_boxed_slice();
        Clip { pcma: of(Codec::Pcma), pcmu: of(Codec::Pcmu) }
    }

    /// Number of 20 ms frames.
    pub fn frames(&self) -> usize {
        self.pcma.len() / FRAME
    }

    /// Frame `index` in `codec`: 160 bytes, 20 ms.
    pub fn frame(&self, codec: Codec, index: usize) -> Option<&[u8]> {
        let bytes = match codec {
            Codec::Pcma => &self.pcma,
            Codec::Pcmu => &self.pcmu,
        };
        bytes.get(index * FRAME..(index + 1) * FRAME)
    }

    /// Length in milliseconds.
    pub fn millis(&self) -> u32 {
        u32::try_from(self.frames() * 20).unwrap_or(u32::MAX)
    }
}

impl std::fmt::Debug for Clip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clip({} ms)", self.millis())
    }
}

fn encoded(codec: Codec, samples: &[i16]) -> Box<[u8]> {
    let mut bytes: Vec<u8> = samples.iter().map(|sample| codec::encode(codec, *sample)).collect();
    bytes.resize(samples.len().div_ceil(FRAME) * FRAME, codec::silence(codec));
    bytes.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_frame_is_filled_with_silence() {
        let clip = Clip::from_samples(&[1_000; 161]);
        assert_eq!((clip.frames(), clip.millis()), (2, 40));
        for codec in [Codec::Pcma, Codec::Pcmu] {
            let last = clip.frame(codec, 1).unwrap();
            assert_eq!(last[0], codec::encode(codec, 1_000));
            assert!(last[1..].iter().all(|b| *b == codec::silence(codec)));
            assert_eq!(clip.frame(codec, 2), None);
        }
    }

    #[test]
    fn silence_lasts_as_long_as_asked() {
        assert_eq!(Clip::silence(0).frames(), 0);
        assert_eq!(Clip::silence(250).millis(), 260);
    }
}
