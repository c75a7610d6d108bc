//! Owns making a prompt of what an operator uploads: any common audio file becomes mono speech or music of 8 and
//! 16 kHz, evenly loud, or is refused with a reason. Does not own where files lie (see `media-net`'s prompt cache), nor
//! codecs (see [`crate::clip`]).
//!
//! A file's way: [`sniff`] says what it is and refuses what nobody can read → [`decode`] makes samples, mixed to mono
//! and brought to 16 kHz (8 kHz when the file has no more) on the way, so that a small file that unfolds to hours is
//! stopped in time → [`level`] trims, evens, limits and fades.

mod decode;
mod level;
mod resample;
mod sniff;

use std::fmt;
use std::panic::catch_unwind;
use std::time::Duration;

use crate::codec::FRAME;

/// What a file may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest file, in bytes.
    pub bytes: u64,
    /// The longest prompt.
    pub longest: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes: 64 << 20, longest: Duration::from_secs(600) }
    }
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Something said: silence at both ends is trimmed, both ends are faded, so that any two prompts join.
    Speech,
    /// Music that begins anew behind its end: nothing is trimmed, and the seam is made smooth.
    Music,
}

/// Whether prompts are made equally loud.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loudness {
    /// To [`TARGET_DB`], no sample above [`PEAK_DB`].
    #[default]
    Evened,
    /// As the file has it.
    Kept,
}

/// How loud an evened prompt is: RMS of its parts that are not silent, in dB below full scale (a full square wave).
pub const TARGET_DB: f32 = -20.0;

/// The highest sample of an evened prompt, in dB below full scale.
pub const PEAK_DB: f32 = -3.0;

/// A prompt, ready to be encoded: mono, whole frames of 20 ms.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// 8 kHz.
    pub narrow: Vec<i16>,
    /// 16 kHz, twice as many samples; `None` when the file has nothing above 4 kHz.
    pub wide: Option<Vec<i16>>,
    /// What was found and done.
    pub facts: Facts,
}

/// What was found in a file, and done to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// What it is: «MP3».
    pub format: &'static str,
    /// Its samples per second.
    pub rate: u32,
    /// Its channels.
    pub channels: u16,
    /// Its loudness before, in dB below full scale (see [`TARGET_DB`]).
    pub loudness_db: f32,
    /// What it was raised by, in dB; below zero: lowered.
    pub gain_db: f32,
}

impl Sound {
    /// Its length.
    pub fn length(&self) -> Duration {
        Duration::from_millis(self.narrow.len() as u64 / 8)
    }

    /// A file of it, 16-bit PCM WAV: what a prompt is kept as.
    pub fn to_wav(&self) -> Vec<u8> {
        match &self.wide {
            Some(wide) => crate::wav::mono(16_000, wide),
            None => crate::wav::mono(8_000, &self.narrow),
        }
    }
}

/// Why a file is no prompt, in words for who uploaded it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ImportError {
    /// It has no byte.
    #[error("文件是空的 / the file is empty")]
    Empty,
    /// It is larger than allowed.
    #[error(
        "文件太大：{0} MB，上限 {1} MB（max_megabytes）/ the file is too big: {0} MB, at most {1} MB (max_megabytes)"
    )]
    TooBig(u64, u64),
    /// It lasts longer than allowed.
    #[error("录音太长，上限 {0} 秒（max_seconds）/ it lasts longer than {0} s (max_seconds)")]
    TooLong(u64),
    /// It is over before anybody could understand it.
    #[error(
        "录音太短：{0} 毫秒，至少 {SHORTEST_MS} 毫秒 / it lasts {0} ms only, at least {SHORTEST_MS} ms are needed"
    )]
    TooShort(u64),
    /// Nothing can be heard.
    #[error("录音没有声音（全是静音）/ nothing can be heard in it")]
    Silent,
    /// It may be played by its buyer's programs only.
    #[error(
        "文件有版权保护（DRM），无法解码，请使用未加密的文件 / the file is protected (DRM); use one that is not"
    )]
    Protected,
    /// A format that is known, but not read.
    #[error(
        "这是 {0} 文件，不支持，请转换成 WAV 或 MP3 / this is {1}, which is not read: convert it to WAV or MP3"
    )]
    Unreadable(&'static str, &'static str),
    /// No format that is known.
    #[error(
        "无法识别的文件格式，支持 WAV、MP3、FLAC、OGG、M4A/AAC / no audio file that is known: WAV, MP3, FLAC, OGG and M4A/AAC are read"
    )]
    Unknown,
    /// A container that has nothing to hear.
    #[error("文件里没有声音 / there is no audio in the file")]
    NoAudio,
    /// The container is read, what is in it is not.
    #[error(
        "{0} 文件里的编码不支持，请转换成 WAV 或 MP3 / what this {0} file holds is not read: convert it to WAV or MP3"
    )]
    Codec(&'static str),
    /// A rate that no audio has.
    #[error("采样率 {0} Hz 不合理，支持 4000 至 192000 / {0} samples per second: 4000 to 192000 are read")]
    Rate(u32),
    /// More channels than anybody mixes.
    #[error("声道数为 {0}，最多 8 / {0} channels, at most 8 are read")]
    Channels(usize),
    /// It cannot be decoded.
    #[error("{0} 文件已损坏 / the {0} file is damaged")]
    Corrupt(&'static str),
    /// It ends before its end.
    #[error("文件不完整：应有 {1} 秒，只有 {0} 秒 / the file is cut off: {0} s of {1} s are there")]
    CutOff(u64, u64),
}

/// Makes a prompt of a file's `bytes`. What the file is is seen in it, whatever its name.
///
/// # Errors
/// Why it cannot be used. Neither memory nor time grow beyond what `limits` allow, whatever the file claims.
pub fn import(
    bytes: &[u8],
    limits: &Limits,
    purpose: Purpose,
    loudness: Loudness,
) -> Result<Sound, ImportError> {
    if bytes.is_empty() {
        return Err(ImportError::Empty);
    }
    if bytes.len() as u64 > limits.bytes {
        let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
        return Err(ImportError::TooBig(megabytes(bytes.len() as u64), megabytes(limits.bytes)));
    }
    let format = sniff::sniff(bytes)?;
    let bytes = sniff::as_decoders_like_it(bytes);
    // Decoders are foreign and files hostile: what brings one down is a damaged file.
    let decoded = catch_unwind(|| decode::decode(&bytes, format, limits))
        .unwrap_or(Err(ImportError::Corrupt(format)))?;
    finish(decoded, purpose, loudness)
}

/// Evens what is at 8 kHz already, such as a built-in prompt.
///
/// # Errors
/// When nothing can be heard in it.
pub fn even(samples: &[i16], purpose: Purpose) -> Result<Sound, ImportError> {
    let samples = samples.iter().map(|sample| f32::from(*sample) / 32_768.0).collect();
    let decoded = decode::Decoded {
        samples,
        target: resample::Target::Narrow,
        format: "WAV",
        rate: 8_000,
        channels: 1,
    };
    finish(decoded, purpose, Loudness::Evened)
}

fn finish(decoded: decode::Decoded, purpose: Purpose, loudness: Loudness) -> Result<Sound, ImportError> {
    let decode::Decoded { mut samples, target, format, rate, channels } = decoded;
    let per_ms = target.rate() as usize / 1_000;
    let millis = (samples.len() / per_ms) as u64;
    if millis < SHORTEST_MS {
        return Err(ImportError::TooShort(millis));
    }
    level::remove_offset(&mut samples);
    let found = level::loudness_db(&samples, target).ok_or(ImportError::Silent)?;
    let gain = match loudness {
        Loudness::Evened => level::gain_to(found, TARGET_DB),
        Loudness::Kept => 0.0,
    };
    level::amplify(&mut samples, gain, target, loudness);
    match purpose {
        Purpose::Speech => {
            level::trim(&mut samples, target);
            level::fade(&mut samples, target);
            let frame = FRAME * per_ms / 8;
            samples.resize(samples.len().next_multiple_of(frame), 0.0);
        }
        Purpose::Music => level::close_the_loop(&mut samples, target),
    }
    let facts = Facts { format, rate, channels, loudness_db: found, gain_db: gain };
    Ok(match target {
        resample::Target::Narrow => Sound { narrow: whole(&samples), wide: None, facts },
        resample::Target::Wide => {
            let mut narrow = resample::halve(&samples);
            narrow.resize(samples.len() / 2, 0.0);
            Sound { narrow: whole(&narrow), wide: Some(whole(&samples)), facts }
        }
    })
}

fn whole(samples: &[f32]) -> Vec<i16> {
    samples.iter().map(|sample| (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16).collect()
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Purpose::Speech => "语音 / speech",
            Purpose::Music => "音乐 / music",
        })
    }
}

/// Nobody understands less.
const SHORTEST_MS: u64 = 100;

#[cfg(test)]
mod tests;
