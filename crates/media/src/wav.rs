//! Owns writing WAV files: the headers of stereo recordings, and prompts. Does not own when one is written (see
//! [`crate::finisher`]), nor reading what operators upload (see [`crate::import`]).

use crate::codec::SAMPLE_RATE;
use crate::g711::Law;

/// What the samples of a recording's file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One byte a sample: A-law is WAVE format 6, µ-law format 7 (RFC 2361 appendix A).
    G711(Law),
    /// Two bytes a sample: WAVE format 1.
    Pcm16,
}

impl Format {
    const fn tag(self) -> u16 {
        match self {
            Format::Pcm16 => 1,
            Format::G711(Law::Pcma) => 6,
            Format::G711(Law::Pcmu) => 7,
        }
    }

    /// Bytes of one sample of one channel.
    pub const fn sample_bytes(self) -> u16 {
        match self {
            Format::Pcm16 => 2,
            Format::G711(_) => 1,
        }
    }
}

/// The header of a stereo file at 8 kHz of `frames` (one left and one right sample); the interleaved samples follow.
/// Longer than a WAV file can say is written as the longest it can.
pub fn stereo_header(format: Format, frames: u64) -> Vec<u8> {
    const CHANNELS: u16 = 2;
    let frame = format.sample_bytes() * CHANNELS;
    let longest = u64::from((u32::MAX - 64) / u32::from(frame));
    // invariant: no more frames than 32 bits of bytes hold.
    let data = frames.min(longest) as u32 * u32::from(frame);
    let mut header = Vec::with_capacity(58);
    header.extend_from_slice(b"RIFF");
    header.extend_from_slice(&(data + 50).to_le_bytes());
    header.extend_from_slice(b"WAVEfmt ");
    header.extend_from_slice(&18u32.to_le_bytes());
    header.extend_from_slice(&format.tag().to_le_bytes());
    header.extend_from_slice(&CHANNELS.to_le_bytes());
    header.extend_from_slice(&SAMPLE_RATE.to_le_bytes());
    header.extend_from_slice(&(SAMPLE_RATE * u32::from(frame)).to_le_bytes());
    header.extend_from_slice(&frame.to_le_bytes());
    header.extend_from_slice(&(format.sample_bytes() * 8).to_le_bytes());
    header.extend_from_slice(&0u16.to_le_bytes());
    // Formats other than PCM say their length in samples in a chunk of its own.
    header.extend_from_slice(b"fact");
    header.extend_from_slice(&4u32.to_le_bytes());
    header.extend_from_slice(&(data / u32::from(frame)).to_le_bytes());
    header.extend_from_slice(b"data");
    header.extend_from_slice(&data.to_le_bytes());
    header
}

/// The length in milliseconds that a header of [`stereo_header`] tells.
pub fn stereo_millis(header: &[u8]) -> Option<u64> {
    if !header.starts_with(b"RIFF") || header.get(38..42) != Some(b"fact") {
        return None;
    }
    let frames = u32::from_le_bytes(header.get(46..50)?.try_into().ok()?);
    Some(u64::from(frames) * 1_000 / u64::from(SAMPLE_RATE))
}

/// A whole file of mono samples, 16 bits each, `rate` a second. Longer than a WAV file can say is cut.
pub fn mono(rate: u32, samples: &[i16]) -> Vec<u8> {
    let samples = &samples[..samples.len().min((u32::MAX as usize - 64) / 2)];
    // invariant: cut above to what 32 bits hold.
    let data = samples.len() as u32 * 2;
    let mut file = Vec::with_capacity(44 + samples.len() * 2);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(data + 36).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16u32.to_le_bytes());
    file.extend_from_slice(&Format::Pcm16.tag().to_le_bytes());
    file.extend_from_slice(&1u16.to_le_bytes());
    file.extend_from_slice(&rate.to_le_bytes());
    file.extend_from_slice(&(rate * 2).to_le_bytes());
    file.extend_from_slice(&2u16.to_le_bytes());
    file.extend_from_slice(&16u16.to_le_bytes());
    file.extend_from_slice(b"data");
    file.extend_from_slice(&data.to_le_bytes());
    for sample in samples {
        file.extend_from_slice(&sample.to_le_bytes());
    }
    file
}

#[cfg(test)]
mod tests;
