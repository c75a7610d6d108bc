//! Owns reading recordings, by a reader that shares nothing with the switch, and hearing the tones in them.

use std::f64::consts::TAU;
use std::path::Path;

/// A WAV file's channels as 16-bit samples at 8 kHz, whatever the file's own rate.
#[derive(Debug)]
pub struct Wav {
    /// First channel: the caller.
    pub left: Vec<i16>,
    /// Second channel: whom the caller heard. Empty in a mono file.
    pub right: Vec<i16>,
}

impl Wav {
    /// Reads a PCM, A-law or µ-law file.
    ///
    /// # Panics
    /// When it is none, or its sizes do not fit the file.
    pub fn read(path: &Path) -> Wav {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(bytes.starts_with(b"RIFF") && &bytes[8..12] == b"WAVE", "{}: no WAV file", path.display());
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
        assert_eq!(word(4) + 8, bytes.len(), "{}: the RIFF size is the file's", path.display());
        let (mut at, mut format, mut channels, mut rate) = (12, 0, 0, 0);
        while at + 8 <= bytes.len() {
            let (name, size) = (&bytes[at..at + 4], word(at + 4));
            let body = &bytes[at + 8..at + 8 + size];
            if name == b"fmt " {
                (format, channels, rate) = (body[0], body[2], word(at + 12));
            } else if name == b"data" {
                assert_eq!(rate % 8_000, 0, "{}: a multiple of 8 kHz", path.display());
                return Wav::of(format, channels, body).every(rate / 8_000);
            }
            at += 8 + size + size % 2;
        }
        panic!("{}: no data", path.display())
    }

    fn of(format: u8, channels: u8, body: &[u8]) -> Wav {
        let samples: Vec<i16> = match format {
            1 => body.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect(),
            6 => body.iter().map(|code| from_alaw(*code)).collect(),
            7 => body.iter().map(|code| from_ulaw(*code)).collect(),
            other => panic!("WAV format {other}"),
        };
        if channels == 1 {
            return Wav { left: samples, right: Vec::new() };
        }
        assert_eq!(channels, 2, "mono or stereo");
        let every_other = |from: usize| samples.iter().skip(from).step_by(2).copied().collect();
        Wav { left: every_other(0), right: every_other(1) }
    }

    /// One sample of so many: what was written has nothing above 4 kHz.
    fn every(self, step: usize) -> Wav {
        let of = |channel: Vec<i16>| channel.into_iter().step_by(step).collect();
        Wav { left: of(self.left), right: of(self.right) }
    }

    /// Its length.
    pub fn seconds(&self) -> f64 {
        self.left.len() as f64 / 8_000.0
    }

    /// How many seconds `hz` is the main sound of a channel.
    pub fn tone_seconds(channel: &[i16], hz: f64) -> f64 {
        channel.chunks_exact(WINDOW).filter(|window| is_tone(window, hz)).count() as f64 * 0.05
    }

    /// How many seconds `hz` is among the sounds of a channel.
    pub fn sounds_seconds(channel: &[i16], hz: f64) -> f64 {
        channel.chunks_exact(WINDOW).filter(|window| share(window, hz) > 0.15).count() as f64 * 0.05
    }
}

/// Whether most of a window's power is at `hz`.
fn is_tone(window: &[i16], hz: f64) -> bool {
    share(window, hz) > 0.7
}

/// How much of a window's power is at `hz` (Goertzel), 0–1; 0 of silence.
fn share(window: &[i16], hz: f64) -> f64 {
    let coefficient = 2.0 * (TAU * hz / 8_000.0).cos();
    let (mut before, mut last, mut power) = (0.0, 0.0, 0.0);
    for sample in window {
        let sample = f64::from(*sample);
        (before, last) = (last, sample + coefficient * last - before);
        power += sample * sample;
    }
    let at_hz = before * before + last * last - coefficient * before * last;
    // A pure sine of N samples has N/2 times the sum of its squares.
    match power / window.len() as f64 > 200.0 * 200.0 {
        true => at_hz / (power * window.len() as f64 / 2.0),
        false => 0.0,
    }
}

/// Writes a PCM file of a tone at `rate` Hz, the same in all channels, as a phone's microphone.
pub fn write_tone(path: &Path, hz: f64, seconds: u32, (rate, channels): (u32, u16)) {
    let spec = hound::WavSpec {
        channels,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).expect("a WAV file");
    for at in 0..seconds * rate {
        let sample = 16_000.0 * (TAU * hz * f64::from(at) / f64::from(rate)).sin();
        for _ in 0..channels {
            writer.write_sample(sample as i16).expect("a sample");
        }
    }
    writer.finalize().expect("a WAV file");
}

/// The A-law code nearest to a sample.
pub(crate) fn alaw(sample: i16) -> u8 {
    let distance = |code: &u8| (i32::from(from_alaw(*code)) - i32::from(sample)).abs();
    (0..=255).min_by_key(distance).expect("256 codes")
}

/// ITU-T G.711 table 1a, as 16-bit samples.
pub(crate) fn from_alaw(code: u8) -> i16 {
    let code = code ^ 0x55;
    let (segment, step) = ((code >> 4) & 7, i16::from(code & 15));
    let size = match segment {
        0 => step * 16 + 8,
        segment => (step * 16 + 264) << (segment - 1),
    };
    if code & 0x80 == 0 { -size } else { size }
}

/// ITU-T G.711 table 2a, as 16-bit samples.
fn from_ulaw(code: u8) -> i16 {
    let code = !code;
    let size = (((i16::from(code & 15) << 3) + 0x84) << ((code >> 4) & 7)) - 0x84;
    if code & 0x80 == 0 { size } else { -size }
}

/// 50 ms: whole periods of both tones.
const WINDOW: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_heard_at_its_own_frequency_alone() {
        let tone: Vec<i16> =
            (0..8_000).map(|at| (8_000.0 * (TAU * 440.0 * f64::from(at) / 8_000.0).sin()) as i16).collect();
        assert!((Wav::tone_seconds(&tone, 440.0) - 1.0).abs() < 1e-9);
        assert!(Wav::tone_seconds(&tone, 660.0).abs() < 1e-9);
        assert!(Wav::tone_seconds(&[0; 8_000], 440.0).abs() < 1e-9);
    }

    #[test]
    fn alaw_codes_are_their_own_nearest() {
        for code in 0..=255 {
            assert_eq!(alaw(from_alaw(code)), code);
        }
        assert_eq!((from_alaw(0xd5), from_alaw(0x55), from_ulaw(0xff), from_ulaw(0x80)), (8, -8, 0, 32_124));
    }
}
