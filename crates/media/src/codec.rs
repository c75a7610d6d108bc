//! Owns codecs as streams of one talker or one listener: payloads to and from linear samples of 8 kHz, and how long a
//! payload lasts. Does not own which codec a port speaks (see [`sdp::Negotiated`]), nor G.711's tables (see
//! [`crate::g711`]).
//!
//! Everything linear here is 8 kHz mono: of G.722 the lower half is spoken and heard, Opus runs at its narrow band. Legs
//! that share a wideband codec are relayed and lose nothing.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use audio_codec::g722::{Bitrate, G722Decoder, G722Encoder};
use audio_codec::{Decoder as _, Encoder as _};
use opus_rs::{Application, OpusDecoder, OpusEncoder};

use crate::g711::{self, Law};
use crate::halfband::{Doubler, Halver};

pub use sdp::Codec;

/// Samples per second of everything linear.
pub const SAMPLE_RATE: u32 = 8_000;

/// Samples in 20 ms.
pub const FRAME: usize = 160;

/// The longest payload of 20 ms that [`Encoder::encode`] writes, in bytes.
pub const LONGEST: usize = 400;

/// The longest payload that is decoded, in samples: 120 ms (RFC 7587 §4.2).
const MOST: usize = 6 * FRAME;

/// What Opus spends on a call, in bits per second: transparent for speech of 8 kHz.
const OPUS_RATE: i32 = 24_000;

/// Units of a codec's RTP clock in one sample of 8 kHz.
#[inline]
pub const fn ticks_per_sample(clock_rate: u32) -> u32 {
    let ticks = clock_rate / SAMPLE_RATE;
    if ticks == 0 { 1 } else { ticks }
}

/// How many samples of 8 kHz a payload lasts; 0 when it is no payload of `codec`.
#[inline]
pub fn length(codec: Codec, payload: &[u8]) -> usize {
    match codec {
        // G.722 has a byte for two samples of 16 kHz.
        Codec::Pcma | Codec::Pcmu | Codec::G722 => payload.len(),
        // RFC 3551 §4.5.6: frames of 10 bytes for 10 ms; one of 2 bytes (Annex B) may end the packet.
        Codec::G729 => payload.len().div_ceil(G729_FRAME) * 80,
        Codec::Opus => opus_length(payload),
    }
}

/// RFC 6716 §3.1, §3.2: the first byte says how long a frame is, and with the second how many there are.
fn opus_length(payload: &[u8]) -> usize {
    let Some(toc) = payload.first() else { return 0 };
    let frame = match toc >> 3 {
        config @ 0..=11 => [80, 160, 320, 480][usize::from(config & 3)],
        config @ 12..=15 => [80, 160][usize::from(config & 1)],
        config => [20, 40, 80, 160][usize::from(config & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => payload.get(1).map_or(0, |count| usize::from(count & 0x3f)),
    };
    if frame * frames <= MOST { frame * frames } else { 0 }
}

/// Hears one talker: payloads in order become samples.
pub struct Decoder {
    codec: Codec,
    state: Decoding,
}

enum Decoding {
    Law(Law),
    G722(Box<(G722Decoder, Halver)>),
    G729(Box<g729_sys::Decoder>),
    Opus(Box<OpusDecoder>),
}

impl Decoder {
    /// A decoder that has heard nothing.
    pub fn new(codec: Codec) -> Decoder {
        let state = match (Law::of(codec), codec) {
            (Some(law), _) => Decoding::Law(law),
            (None, Codec::G722) => {
                let decoder = G722Decoder::with_options(Bitrate::Mode1_64000, false, false);
                Decoding::G722(Box::new((decoder, Halver::default())))
            }
            (None, Codec::G729) => Decoding::G729(Box::new(g729_sys::Decoder::new())),
            (None, _) => Decoding::Opus(Box::new(opus_decoder())),
        };
        Decoder { codec, state }
    }

    /// What it decodes.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Appends the samples of the next payload to `out`. What is no payload of the codec adds nothing.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        let samples = length(self.codec, payload);
        if samples > MOST {
            return;
        }
        match &mut self.state {
            Decoding::Law(law) => out.extend(payload.iter().map(|code| g711::decode(*law, *code))),
            Decoding::G722(both) => {
                let (decoder, halver) = &mut **both;
                let mut wide = [0; 2 * MOST];
                let written = decoder.decode_into(payload, &mut wide).unwrap_or(0);
                halver.halve(&wide[..written], out);
            }
            Decoding::G729(decoder) => {
                for frame in payload.chunks(G729_FRAME) {
                    match frame.len() {
                        G729_FRAME => out.extend(decoder.decode(frame, false, false, false)),
                        // Annex B: two bytes describe the noise of a silence.
                        2 => out.extend(decoder.decode(frame, false, true, false)),
                        _ => {}
                    }
                }
            }
            Decoding::Opus(decoder) => decode_opus(decoder, payload, samples, out),
        }
    }

    /// Appends what the codec itself makes up for `samples` lost ones; `false` when it has no such means.
    pub fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) -> bool {
        match &mut self.state {
            Decoding::Law(_) | Decoding::G722(_) | Decoding::G729(_) => false,
            Decoding::Opus(decoder) => {
                // Opus conceals in steps of 2.5 ms.
                let steps = samples.next_multiple_of(20);
                let start = out.len();
                decode_opus(decoder, &[], steps, out);
                out.resize(start + samples, 0);
                true
            }
        }
    }
}

fn opus_decoder() -> OpusDecoder {
    // invariant: 8 kHz mono is one of the rates that Opus has (RFC 6716 §2.1.3).
    OpusDecoder::new(SAMPLE_RATE.cast_signed(), 1).expect("Opus decodes at 8 kHz")
}

/// Decodes a packet, or conceals one when it is empty. A decoder that a hostile packet brings down is replaced by a new
/// one: nobody else's call may end with it.
fn decode_opus(decoder: &mut Box<OpusDecoder>, packet: &[u8], samples: usize, out: &mut Vec<i16>) {
    let mut linear = [0f32; MOST];
    let Some(frame) = linear.get_mut(..samples).filter(|frame| !frame.is_empty()) else { return };
    let decoded = catch_unwind(AssertUnwindSafe(|| decoder.decode(packet, samples, frame)));
    match decoded {
        Ok(Ok(written)) => out.extend(linear[..written.min(samples)].iter().map(|sample| {
            // Out of range saturates.
            (sample * 32_768.0) as i16
        })),
        Ok(Err(_)) => {}
        Err(_) => **decoder = opus_decoder(),
    }
}

/// Speaks to one listener, or to all that hear the same: 20 ms at a time.
pub struct Encoder {
    codec: Codec,
    state: Encoding,
}

enum Encoding {
    Law(Law),
    G722(Box<(G722Encoder, Doubler)>),
    G729(Box<g729_sys::Encoder>),
    Opus(Box<OpusEncoder>),
}

impl Encoder {
    /// An encoder that has said nothing.
    pub fn new(codec: Codec) -> Encoder {
        let state = match (Law::of(codec), codec) {
            (Some(law), _) => Encoding::Law(law),
            (None, Codec::G722) => {
                let encoder = G722Encoder::with_options(Bitrate::Mode1_64000, false, false);
                Encoding::G722(Box::new((encoder, Doubler::default())))
            }
            // Annex B is refused in our descriptions.
            (None, Codec::G729) => Encoding::G729(Box::new(g729_sys::Encoder::new(false))),
            (None, _) => Encoding::Opus(Box::new(opus_encoder())),
        };
        Encoder { codec, state }
    }

    /// What it encodes to.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Encodes 20 ms and says how many bytes of `out` they are.
    pub fn encode(&mut self, frame: &[i16; FRAME], out: &mut [u8; LONGEST]) -> usize {
        #[cfg(test)]
        ENCODINGS.with(|count| count.set(count.get() + 1));
        match &mut self.state {
            Encoding::Law(law) => {
                for (code, sample) in out.iter_mut().zip(frame) {
                    *code = g711::encode(*law, *sample);
                }
                FRAME
            }
            Encoding::G722(both) => {
                let (encoder, doubler) = &mut **both;
                let wide: [i16; 2 * FRAME] = doubler.double(frame);
                encoder.encode_into(&wide, out).unwrap_or(0)
            }
            Encoding::G729(encoder) => {
                let mut written = 0;
                for (half, bytes) in frame.as_chunks::<80>().0.iter().zip(out.as_chunks_mut::<G729_FRAME>().0)
                {
                    written += usize::from(encoder.encode_into(half, bytes));
                }
                written
            }
            Encoding::Opus(encoder) => {
                let linear = frame.map(|sample| f32::from(sample) / 32_768.0);
                encoder.encode(&linear, FRAME, out).unwrap_or(0)
            }
        }
    }
}

fn opus_encoder() -> OpusEncoder {
    // invariant: 8 kHz mono is one of the rates that Opus has (RFC 6716 §2.1.3).
    let made = OpusEncoder::new(SAMPLE_RATE.cast_signed(), 1, Application::Voip);
    let mut encoder = made.expect("Opus encodes at 8 kHz");
    encoder.bitrate_bps = OPUS_RATE;
    encoder.complexity = 5;
    encoder
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decoder({:?})", self.codec)
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encoder({:?})", self.codec)
    }
}

/// Bytes of a G.729 frame of 10 ms.
const G729_FRAME: usize = 10;

#[cfg(test)]
thread_local! {
    static ENCODINGS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// How often this thread has encoded 20 ms, for tests of what is shared.
#[cfg(test)]
pub(crate) fn encodings() -> usize {
    ENCODINGS.with(std::cell::Cell::get)
}

#[cfg(test)]
pub(crate) mod tests;
