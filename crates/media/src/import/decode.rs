//! Owns a file's way to mono samples. Does not own what a file is (see [`super::sniff`]), nor loudness (see
//! [`super::level`]).

use std::io::Cursor;

use opus_rs::OpusDecoder;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use super::resample::{Resampler, Target};
use super::{ImportError, Limits};
use crate::codec::{self, Codec};

/// A file's samples.
pub(super) struct Decoded {
    /// Mono, full scale is 1.
    pub samples: Vec<f32>,
    /// Their rate.
    pub target: Target,
    /// What the file is.
    pub format: &'static str,
    /// Its rate.
    pub rate: u32,
    /// Its channels.
    pub channels: u16,
}

/// Decodes the first audio track.
pub(super) fn decode(bytes: &[u8], format: &'static str, limits: &Limits) -> Result<Decoded, ImportError> {
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let (options, tags) = (FormatOptions::default(), MetadataOptions::default());
    let probe = symphonia::default::get_probe();
    let mut reader = probe.probe(&Hint::new(), stream, options, tags).map_err(|error| match error {
        // Nothing of the kind that its first bytes say was found.
        Error::Unsupported(what) if what.contains("probe") && format == "MP3" => ImportError::Unknown,
        Error::Unsupported(what) if what.contains("probe") => ImportError::Corrupt(format),
        Error::Unsupported(_) => ImportError::Codec(format),
        _ => ImportError::Corrupt(format),
    })?;
    let track = reader.default_track(TrackType::Audio).ok_or(ImportError::NoAudio)?;
    let (id, declared) = (track.id, track.num_frames);
    let Some(CodecParameters::Audio(params)) = track.codec_params.as_ref() else {
        return Err(ImportError::Codec(format));
    };
    let mut voice = Voice::new(params).ok_or(ImportError::Codec(format))?;
    let mut ear = Ear { format, limits, made: None, frames: 0, mono: Vec::new() };
    let (mut good, mut bad) = (0u64, 0u64);
    let mut interleaved = Vec::new();
    loop {
        let packet = match reader.next_packet() {
            Ok(Some(packet)) => packet,
            // Behind a second stream of a chained file nothing is read: a prompt is one.
            Ok(None) | Err(Error::ResetRequired) => break,
            Err(Error::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
            Err(_) => {
                bad += 1;
                break;
            }
        };
        if packet.track_id != id {
            continue;
        }
        match voice.decode(&packet, &mut interleaved) {
            Ok((rate, channels)) => {
                good += 1;
                ear.hear(rate, channels, &interleaved)?;
            }
            Err(Error::DecodeError(_) | Error::IoError(_)) => bad += 1,
            Err(Error::Unsupported(_)) => return Err(ImportError::Codec(format)),
            Err(_) => return Err(ImportError::Corrupt(format)),
        }
        // One packet in twenty may be wrong: those around a cut are.
        if bad > 8 && bad > good / 20 {
            return Err(ImportError::Corrupt(format));
        }
    }
    drop(reader);
    if bad > good {
        return Err(ImportError::Corrupt(format));
    }
    ear.finish(declared)
}

/// What decodes packets.
enum Voice {
    Symphonia(Box<dyn AudioDecoder>),
    /// Of 16 kHz, whatever the file's rate was.
    Opus(Box<OpusDecoder>, usize),
}

impl Voice {
    fn new(params: &AudioCodecParameters) -> Option<Voice> {
        if params.codec == CODEC_ID_OPUS {
            let channels = params.channels.as_ref().map_or(1, |channels| channels.count());
            let decoder = OpusDecoder::new(16_000, channels).ok()?;
            return Some(Voice::Opus(Box::new(decoder), channels));
        }
        let made =
            symphonia::default::get_codecs().make_audio_decoder(params, &AudioDecoderOptions::default());
        made.ok().map(Voice::Symphonia)
    }

    /// Decodes a packet and says rate and channels of what it wrote.
    fn decode(
        &mut self,
        packet: &symphonia::core::packet::Packet,
        out: &mut Vec<f32>,
    ) -> Result<(u32, usize), Error> {
        match self {
            Voice::Symphonia(decoder) => {
                let buffer = decoder.decode(packet)?;
                let (rate, channels) = (buffer.spec().rate(), buffer.spec().channels().count());
                out.clear();
                if channels <= MOST_CHANNELS {
                    buffer.copy_to_vec_interleaved(out);
                }
                Ok((rate, channels))
            }
            Voice::Opus(decoder, channels) => {
                let samples = 2 * codec::length(Codec::Opus, &packet.data);
                out.clear();
                out.resize(samples * *channels, 0.0);
                let written =
                    decoder.decode(&packet.data, samples, out).map_err(|_| Error::DecodeError("opus"))?;
                out.truncate(written * *channels);
                Ok((16_000, *channels))
            }
        }
    }
}

/// Hears what is decoded: mixes it to mono, brings it to our rate, and stops where it lasts too long.
struct Ear<'a> {
    format: &'static str,
    limits: &'a Limits,
    made: Option<(u32, usize, Resampler)>,
    frames: u64,
    mono: Vec<f32>,
}

impl Ear<'_> {
    fn hear(&mut self, rate: u32, channels: usize, interleaved: &[f32]) -> Result<(), ImportError> {
        if !(4_000..=192_000).contains(&rate) {
            return Err(ImportError::Rate(rate));
        }
        if channels == 0 || channels > MOST_CHANNELS {
            return Err(ImportError::Channels(channels));
        }
        self.frames += (interleaved.len() / channels) as u64;
        let most = self.limits.longest.as_millis() as u64 * u64::from(rate) / 1_000;
        if self.frames > most {
            return Err(ImportError::TooLong(self.limits.longest.as_secs()));
        }
        if self.made.is_none() {
            let resampler = Resampler::new(rate, Target::of(rate).rate()).ok_or(ImportError::Rate(rate))?;
            self.made = Some((rate, channels, resampler));
        }
        let Some((first, _, resampler)) = &mut self.made else { return Ok(()) };
        if *first != rate {
            return Err(ImportError::Corrupt(self.format));
        }
        self.mono.clear();
        let mix = |frame: &[f32]| frame.iter().sum::<f32>() / channels as f32;
        // What is no number is silence, and nothing is louder than twice full scale.
        let sane = |sample: f32| if sample.is_finite() { sample.clamp(-2.0, 2.0) } else { 0.0 };
        self.mono.extend(interleaved.chunks_exact(channels).map(|frame| sane(mix(frame))));
        resampler.push(&self.mono);
        Ok(())
    }

    fn finish(self, declared: Option<u64>) -> Result<Decoded, ImportError> {
        let Some((rate, channels, resampler)) = self.made else {
            return Err(ImportError::Corrupt(self.format));
        };
        let (has, of) = (self.frames / u64::from(rate), declared.map(|frames| frames / u64::from(rate)));
        // Programs that write to a pipe declare «no end», which is days.
        if let Some(of) = of.filter(|of| *of < 6 * 3_600 && self.format != "OGG")
            && of > has + 1
            && self.frames < declared.unwrap_or(0) / 20 * 19
        {
            return Err(ImportError::CutOff(has, of));
        }
        Ok(Decoded {
            samples: resampler.finish(),
            target: Target::of(rate),
            format: self.format,
            rate,
            channels: channels as u16,
        })
    }
}

const MOST_CHANNELS: usize = 8;
