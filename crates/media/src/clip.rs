//! Owns a piece of speech or music ready to be sent: whole 20 ms frames in every codec. Does not own where it comes
//! from (see [`crate::import`] and `media-net`'s prompt cache), nor its playing (see [`crate::player`]).

mod wide;

use std::sync::OnceLock;

use crate::codec::{Codec, Encoder, FRAME, LONGEST};
use crate::g711::{self, Law};
use crate::import::Sound;
use wide::WideEncoder;

/// Audio encoded once and shared by all who hear it: mono, whole frames of 20 ms, the last one padded with silence.
///
/// G.711 is there from the beginning; a codec with a state is encoded by whoever calls [`Clip::prepare`], once, while
/// others go on using the clip.
#[derive(Clone, PartialEq, Eq)]
pub struct Clip {
    pcma: Box<[u8]>,
    pcmu: Box<[u8]>,
    /// 16 kHz, for codecs that carry it; two samples for each of the others.
    wide: Option<Box<[i16]>>,
    /// G.722, G.729, Opus.
    made: [OnceLock<Encoded>; 3],
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
        Clip::new(encoded(Law::Pcma, samples), encoded(Law::Pcmu, samples), None)
    }

    /// Encodes an imported prompt.
    pub fn from_sound(sound: Sound) -> Clip {
        let of = |law| encoded(law, &sound.narrow);
        Clip::new(of(Law::Pcma), of(Law::Pcmu), sound.wide.map(Vec::into_boxed_slice))
    }

    /// Silence of `millis`, rounded up to whole frames.
    pub fn silence(millis: u32) -> Clip {
        let bytes = millis.div_ceil(20) as usize * FRAME;
        let of = |law| vec![g711::silence(law); bytes].into_boxed_slice();
        Clip::new(of(Law::Pcma), of(Law::Pcmu), None)
    }

    fn new(pcma: Box<[u8]>, pcmu: Box<[u8]>, wide: Option<Box<[i16]>>) -> Clip {
        Clip { pcma, pcmu, wide, made: [const { OnceLock::new() }; 3] }
    }

    /// The same clip, prepared for `codecs`.
    pub fn encoded_for(self, codecs: &[Codec]) -> Clip {
        codecs.iter().for_each(|codec| self.prepare(*codec));
        self
    }

    /// Encodes the clip for `codec`, if nobody has: some ten milliseconds for each second of a clip, so never where
    /// packets wait. Who plays it meanwhile encodes for himself.
    pub fn prepare(&self, codec: Codec) {
        if let Some(place) = place_of(codec)
            && self.made[place].get().is_none()
        {
            // Two who encode at a time make the same; the second one's is dropped.
            let _ = self.made[place].set(self.encode(codec));
        }
    }

    /// Whether its payloads in `codec` are there.
    #[inline]
    pub fn is_prepared(&self, codec: Codec) -> bool {
        place_of(codec).is_none_or(|place| self.made[place].get().is_some())
    }

    /// Number of 20 ms frames.
    pub fn frames(&self) -> usize {
        self.pcma.len() / FRAME
    }

    /// Frame `index` in `codec`, 20 ms: a payload where it is prepared, else samples; `None` behind the end.
    pub fn frame(&self, codec: Codec, index: usize) -> Option<ClipFrame<'_>> {
        let place = match (Law::of(codec), place_of(codec)) {
            (Some(law), _) => return self.law_frame(law, index),
            (None, place) => place?,
        };
        match self.made[place].get() {
            Some(made) => made.frame(index).map(ClipFrame::Payload),
            None => self.linear(index).map(ClipFrame::Linear),
        }
    }

    /// Frame `index` for a listener who encodes for himself: samples even where `codec` is prepared, since an encoder
    /// and a decoder that agreed so far must go on together. G.711, which has no state, is a payload.
    pub fn fresh_frame(&self, codec: Codec, index: usize) -> Option<ClipFrame<'_>> {
        match Law::of(codec) {
            Some(law) => self.law_frame(law, index),
            None => self.linear(index).map(ClipFrame::Linear),
        }
    }

    /// Length in milliseconds.
    pub fn millis(&self) -> u32 {
        u32::try_from(self.frames() * 20).unwrap_or(u32::MAX)
    }

    /// Bytes of memory it takes now.
    pub fn bytes(&self) -> usize {
        let wide = self.wide.as_ref().map_or(0, |wide| 2 * wide.len());
        let made = self.made.iter().filter_map(OnceLock::get);
        let made: usize = made.map(|made| made.bytes.capacity() + 4 * made.ends.capacity()).sum();
        self.pcma.len() + self.pcmu.len() + wide + made
    }

    /// The clip's samples, 8 kHz, as PCMA has them: for who writes a file of it.
    pub fn samples(&self) -> Vec<i16> {
        self.pcma.iter().map(|code| g711::decode(Law::Pcma, *code)).collect()
    }

    fn law_frame(&self, law: Law, index: usize) -> Option<ClipFrame<'_>> {
        let codes = match law {
            Law::Pcma => &self.pcma,
            Law::Pcmu => &self.pcmu,
        };
        codes.get(index * FRAME..(index + 1) * FRAME).map(ClipFrame::Payload)
    }

    fn linear(&self, index: usize) -> Option<[i16; FRAME]> {
        let codes = self.pcma.get(index * FRAME..(index + 1) * FRAME)?;
        let mut frame = [0; FRAME];
        for (sample, code) in frame.iter_mut().zip(codes) {
            *sample = g711::decode(Law::Pcma, *code);
        }
        Some(frame)
    }

    fn encode(&self, codec: Codec) -> Encoded {
        let mut made = Encoded::default();
        let mut payload = [0; LONGEST];
        if let (Some(wide), Some(mut encoder)) = (&self.wide, WideEncoder::new(codec)) {
            for frame in wide.as_chunks::<{ 2 * FRAME }>().0 {
                let length = encoder.encode(frame, &mut payload);
                made.push(&payload[..length]);
            }
            return made;
        }
        let mut encoder = Encoder::new(codec);
        for frame in (0..self.frames()).filter_map(|index| self.linear(index)) {
            let length = encoder.encode(&frame, &mut payload);
            made.push(&payload[..length]);
        }
        made
    }
}

impl Encoded {
    fn push(&mut self, payload: &[u8]) {
        self.bytes.extend_from_slice(payload);
        // invariant: a prompt is far below 4 GB (see `import::Limits`).
        self.ends.push(self.bytes.len() as u32);
    }

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

/// Where a codec with a state has its payloads.
const fn place_of(codec: Codec) -> Option<usize> {
    match codec {
        Codec::Pcma | Codec::Pcmu => None,
        Codec::G722 => Some(0),
        Codec::G729 => Some(1),
        Codec::Opus => Some(2),
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

    /// 6 kHz in a file of 16 kHz reaches who hears G.722; nobody hears it in a codec of 8 kHz.
    #[test]
    fn codecs_of_16_khz_carry_what_the_file_has() {
        use audio_codec::Decoder as _;
        use audio_codec::g722::{Bitrate, G722Decoder};

        let wide: Vec<i16> = (0..16_000)
            .map(|n| (8_000.0 * (2.0 * std::f64::consts::PI * 6_000.0 * f64::from(n) / 16e3).sin()) as i16)
            .collect();
        let mut sound = crate::import::even(&wide, crate::import::Purpose::Music).unwrap();
        sound.wide = Some(wide);
        sound.narrow = vec![0; 8_000];
        let clip = Clip::from_sound(sound).encoded_for(&[Codec::G722, Codec::Opus]);
        let mut decoder = G722Decoder::with_options(Bitrate::Mode1_64000, false, false);
        let mut heard = Vec::new();
        for index in 0..clip.frames() {
            let Some(ClipFrame::Payload(payload)) = clip.frame(Codec::G722, index) else {
                panic!("prepared")
            };
            let mut out = [0; 2 * FRAME];
            assert_eq!((payload.len(), decoder.decode_into(payload, &mut out).unwrap()), (FRAME, 2 * FRAME));
            heard.extend_from_slice(&out);
            let Some(ClipFrame::Payload(opus)) = clip.frame(Codec::Opus, index) else { panic!("prepared") };
            assert_eq!(crate::codec::length(Codec::Opus, opus), FRAME, "one frame of 20 ms");
        }
        // 6 kHz of 16,000 samples a second turns as 3 kHz of 8,000.
        assert!(share(&heard[3_200..], 3_000.0) > 0.8, "{}", share(&heard[3_200..], 3_000.0));
    }

    #[test]
    fn a_clip_is_encoded_once_whoever_asks() {
        let clip = std::sync::Arc::new(Clip::from_samples(&[1_000; 1_600]));
        assert!(!clip.is_prepared(Codec::G729) && clip.is_prepared(Codec::Pcmu));
        clip.prepare(Codec::G729);
        let place = |clip: &Clip| match clip.frame(Codec::G729, 3) {
            Some(ClipFrame::Payload(payload)) => payload.as_ptr(),
            other => panic!("{other:?}"),
        };
        let first = place(&clip);
        clip.prepare(Codec::G729);
        assert_eq!(first, place(&std::sync::Arc::clone(&clip)));
        assert!(matches!(clip.fresh_frame(Codec::G729, 3), Some(ClipFrame::Linear(_))));
        assert_eq!(clip.frame(Codec::G729, 10), None);
    }
}
