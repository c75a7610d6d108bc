//! Owns encoding 16 kHz for the codecs that carry it, so that a prompt is as clear as its file. Does not own 8 kHz (see
//! [`crate::codec`]).

use audio_codec::Encoder as _;
use audio_codec::g722::{Bitrate, G722Encoder};
use opus_rs::{Application, OpusEncoder};

use crate::codec::{Codec, FRAME, LONGEST};

/// Samples of 20 ms.
const WIDE: usize = 2 * FRAME;

/// What Opus spends on a prompt, in bits per second: transparent for speech of 16 kHz, and payloads stay below
/// [`LONGEST`].
const OPUS_RATE: i32 = 32_000;

/// Speaks to all that hear a clip.
pub(super) enum WideEncoder {
    G722(Box<G722Encoder>),
    Opus(Box<OpusEncoder>),
}

impl WideEncoder {
    /// An encoder that has said nothing; `None` for a codec of 8 kHz.
    pub fn new(codec: Codec) -> Option<WideEncoder> {
        match codec {
            Codec::G722 => {
                let encoder = G722Encoder::with_options(Bitrate::Mode1_64000, false, false);
                Some(WideEncoder::G722(Box::new(encoder)))
            }
            Codec::Opus => {
                let mut encoder = OpusEncoder::new(16_000, 1, Application::Voip).ok()?;
                encoder.bitrate_bps = OPUS_RATE;
                encoder.complexity = 5;
                Some(WideEncoder::Opus(Box::new(encoder)))
            }
            Codec::Pcma | Codec::Pcmu | Codec::G729 => None,
        }
    }

    /// Encodes 20 ms and says how many bytes of `out` they are.
    pub fn encode(&mut self, frame: &[i16; WIDE], out: &mut [u8; LONGEST]) -> usize {
        match self {
            WideEncoder::G722(encoder) => encoder.encode_into(frame, out).unwrap_or(0),
            WideEncoder::Opus(encoder) => {
                let linear = frame.map(|sample| f32::from(sample) / 32_768.0);
                encoder.encode(&linear, WIDE, out).unwrap_or(0)
            }
        }
    }
}
