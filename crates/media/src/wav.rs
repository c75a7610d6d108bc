//! Owns WAV files: the headers of stereo recordings, and reading what operators upload. Does not own when one is
//! written (see [`crate::finisher`]).

use std::io::Cursor;

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

/// Why a file is no prompt.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    /// It cannot be read as WAV.
    #[error("不是有效的 PCM WAV 文件：{0} / not a PCM WAV file")]
    Unreadable(#[from] hound::Error),
    /// Its sample rate is no multiple of 8 kHz.
    #[error(
        "采样率 {0} Hz 不受支持，需要 8、16、24、32 或 48 kHz / sample rate {0} Hz: 8, 16, 24, 32 or 48 kHz are read"
    )]
    Rate(u32),
    /// It has more channels than two, or none.
    #[error("声道数为 {0}，只支持单声道或立体声 / {0} channels: mono and stereo are read")]
    Channels(u16),
    /// Its samples are not whole numbers of 8 to 32 bits.
    #[error("不支持浮点采样 / samples in floating point are not read")]
    Float,
}

/// Reads PCM WAV of 8, 16, 24, 32 or 48 kHz, mono or stereo, as 8 kHz mono 16-bit samples.
///
/// # Errors
/// Says what about the file is not supported.
pub fn read(bytes: &[u8]) -> Result<Vec<i16>, WavError> {
    let reader = hound::WavReader::new(Cursor::new(bytes))?;
    let spec = reader.spec();
    if spec.sample_format == hound::SampleFormat::Float {
        return Err(WavError::Float);
    }
    if !matches!(spec.channels, 1 | 2) {
        return Err(WavError::Channels(spec.channels));
    }
    let factor = spec.sample_rate / SAMPLE_RATE;
    if spec.sample_rate % SAMPLE_RATE != 0 || !matches!(factor, 1 | 2 | 3 | 4 | 6) {
        return Err(WavError::Rate(spec.sample_rate));
    }
    let samples: Vec<i32> = reader.into_samples::<i32>().collect::<Result<_, _>>()?;
    let scale = 2f32.powi(16 - i32::from(spec.bits_per_sample));
    let mono: Vec<f32> = samples
        .chunks_exact(usize::from(spec.channels))
        .map(|frame| frame.iter().map(|s| *s as f32).sum::<f32>() / frame.len() as f32 * scale)
        .collect();
    let slow = if factor == 1 { mono } else { decimate(&mono, factor as usize) };
    Ok(slow.into_iter().map(|s| s.round().clamp(-32_768.0, 32_767.0) as i16).collect())
}

/// Every `factor`-th sample behind a low-pass at 0.45 of the new rate (windowed sinc, Blackman).
fn decimate(samples: &[f32], factor: usize) -> Vec<f32> {
    let half = (24 * factor) as isize;
    let cutoff = 0.45 / factor as f32;
    let taps: Vec<f32> = (-half..=half)
        .map(|n| {
            let x = n as f32;
            let sinc = if n == 0 {
                2.0 * cutoff
            } else {
                (2.0 * std::f32::consts::PI * cutoff * x).sin() / (std::f32::consts::PI * x)
            };
            let phase = std::f32::consts::PI * (x / half as f32 + 1.0);
            sinc * (0.42 - 0.5 * phase.cos() + 0.08 * (2.0 * phase).cos())
        })
        .collect();
    let gain: f32 = taps.iter().sum();
    (0..samples.len())
        .step_by(factor)
        .map(|at| {
            let first = at as isize - half;
            let sum: f32 = taps
                .iter()
                .enumerate()
                .filter_map(|(n, tap)| {
                    let index = usize::try_from(first + n as isize).ok()?;
                    samples.get(index).map(|s| s * tap)
                })
                .sum();
            sum / gain
        })
        .collect()
}

#[cfg(test)]
mod tests;
