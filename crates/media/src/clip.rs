//! Owns a piece of speech or music ready to be sent: whole 20 ms frames in every codec. Does not own where it comes
//! from (see `media-net`'s prompt cache), nor its playing (see [`crate::player`]).

use crate::codec::{Codec, Encoder, FRAME, LONGEST};
use crate::g711::{self, Law};

/// Audio encoded once and shared by all who hear it: 8 kHz mono, whole frames of 20 ms, the last one padded with
/// silence.
#[derive(Clone, PartialEq, Eq)]
pub struct Clip {
    pcma: Box<[u8]>,
    pcmu: Box<[u8]>,
    /// Other codecs that were asked for.
    others: Vec<(Codec, Encoded)>,
}

/// Payloads of a codec with a state, one behind the other.
#[derive(Clone, Default, PartialEq, Eq)]
struct Encoded {
    bytes: Vec<u8>,
    /// Where each payload ends.
    ends: Vec<u32>,
}

/// 20 ms of a clip.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "it lives on the stack for one packet")]
pub enum ClipFrame<'a> {
    /// A payload of the codec.
    Payload(&'a [u8]),
    /// Samples that still have to be encoded.
    Linear([i16; FRAME]),
}

impl Clip {
    /// Encodes linear samples (16 bit, 8 kHz, mono).
    pub fn from_samples(samples: &[i16]) -> Clip {
        Clip { pcma: encoded(Law::Pcma, samples), pcmu: encoded(Law::Pcmu, samples), others: Vec::new() }
    }

    /// Silence of `millis`, rounded up to whole frames.
    pub fn silence(millis: u32) -> Clip {
        let bytes = millis.div_ceil(20) as usize * FRAME;
        let of = |law| vec![g711::silence(law); bytes].into_boxed_slice();
        Clip { pcma: of(Law::Pcma), pcmu: of(Law::Pcmu), others: Vec::new() }
    }

    /// The same clip, encoded for `codecs` too. G.711 is there already; what is not asked for is encoded anew for each
    /// listener.
    pub fn encoded_for(mut self, codecs: &[Codec]) -> Clip {
        for codec in codecs.iter().copied().filter(|codec| Law::of(*codec).is_none()) {
            if self.others.iter().any(|(known, _)| *known == codec) {
                continue;
            }
            let mut encoder = Encoder::new(codec);
            let mut made = Encoded::default();
            for index in 0..self.frames() {
                let mut payload = [0; LONGEST];
                let length = self.linear(index).map_or(0, |frame| encoder.encode(&frame, &mut payload));
                made.bytes.extend_from_slice(&payload[..length]);
                // invariant: a prompt is far below 4 GB.
                made.ends.push(made.bytes.len() as u32);
            }
            self.others.push((codec, made));
        }
        self
    }

    /// Number of 20 ms frames.
    pub fn frames(&self) -> usize {
        self.pcma.len() / FRAME
    }

    /// Frame `index` in `codec`, 20 ms; `None` behind the end.
    pub fn frame(&self, codec: Codec, index: usize) -> Option<ClipFrame<'_>> {
        let law = match Law::of(codec) {
            Some(Law::Pcma) => &self.pcma,
            Some(Law::Pcmu) => &self.pcmu,
            None => {
                let known = self.others.iter().find(|(known, _)| *known == codec);
                return match known {
                    Some((_, made)) => made.frame(index).map(ClipFrame::Payload),
                    None => self.linear(index).map(ClipFrame::Linear),
                };
            }
        };
        law.get(index * FRAME..(index + 1) * FRAME).map(ClipFrame::Payload)
    }

    fn linear(&self, index: usize) -> Option<[i16; FRAME]> {
        let codes = self.pcma.get(index * FRAME..(index + 1) * FRAME)?;
        let mut frame = [0; FRAME];
        for (sample, code) in frame.iter_mut().zip(codes) {
            *sample = g711::decode(Law::Pcma, *code);
        }
        Some(frame)
    }

    /// Length in milliseconds.
    pub fn millis(&self) -> u32 {
        u32::try_from(self.frames() * 20).unwrap_or(u32::MAX)
    }
}

impl Encoded {
    fn frame(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)? as usize;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.bytes.get(start..end)
    }
}

impl std::fmt::Debug for Clip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clip({} ms)", self.millis())
    }
}

fn encoded(law: Law, samples: &[i16]) -> Box<[u8]> {
    let mut bytes: Vec<u8> = samples.iter().map(|sample| g711::encode(law, *sample)).collect();
    bytes.resize(samples.len().div_ceil(FRAME) * FRAME, g711::silence(law));
    bytes.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Decoder;
    use crate::codec::tests::share;

    #[test]
    fn the_last_frame_is_filled_with_silence() {
        let clip = Clip::from_samples(&[1_000; 161]);
        assert_eq!((clip.frames(), clip.millis()), (2, 40));
        for (codec, law) in [(Codec::Pcma, Law::Pcma), (Codec::Pcmu, Law::Pcmu)] {
            let Some(ClipFrame::Payload(last)) = clip.frame(codec, 1) else { panic!("two frames") };
            assert_eq!(last[0], g711::encode(law, 1_000));
            assert!(last[1..].iter().all(|b| *b == g711::silence(law)));
            assert_eq!(clip.frame(codec, 2), None);
        }
    }

    #[test]
    fn silence_lasts_as_long_as_asked() {
        assert_eq!(Clip::silence(0).frames(), 0);
        assert_eq!(Clip::silence(250).millis(), 260);
    }

    #[test]
    fn a_clip_is_heard_alike_encoded_before_or_while_it_is_played() {
        let tone: Vec<i16> = (0..8_000)
            .map(|n| (8_000.0 * (2.0 * std::f64::consts::PI * 440.0 * f64::from(n) / 8e3).sin()) as i16)
            .collect();
        let plain = Clip::from_samples(&tone);
        let made = plain.clone().encoded_for(&Codec::ALL);
        for codec in Codec::ALL {
            let (mut decoder, mut encoder) = (Decoder::new(codec), Encoder::new(codec));
            for clip in [&plain, &made] {
                let mut heard = Vec::new();
                for index in 0..clip.frames() {
                    match clip.frame(codec, index).unwrap() {
                        ClipFrame::Payload(payload) => decoder.decode(payload, &mut heard),
                        ClipFrame::Linear(frame) => {
                            let mut payload = [0; LONGEST];
                            let length = encoder.encode(&frame, &mut payload);
                            decoder.decode(&payload[..length], &mut heard);
                        }
                    }
                }
                assert_eq!(heard.len(), 8_000, "{codec:?}");
                assert!(share(&heard[1_600..], 440.0) > 0.8, "{codec:?}");
            }
            assert!(matches!(made.frame(codec, 0), Some(ClipFrame::Payload(_))));
        }
    }
}
