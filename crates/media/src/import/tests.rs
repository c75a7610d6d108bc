use std::f64::consts::TAU;
use std::time::Duration;

use super::*;
use crate::codec::tests::{power, share};
use crate::g711::{self, Law};

/// 600 ms of 440 Hz, made by ffmpeg 5.1 (its encoders, libmp3lame, libvorbis, libopus).
const FILES: [(&str, &str, &[u8]); 8] = [
    ("tone.mp3", "MP3", include_bytes!("tests/tone.mp3")),
    ("tone.flac", "FLAC", include_bytes!("tests/tone.flac")),
    ("tone.ogg", "OGG", include_bytes!("tests/tone.ogg")),
    ("tone.opus", "OGG", include_bytes!("tests/tone.opus")),
    ("tone.m4a", "M4A", include_bytes!("tests/tone.m4a")),
    ("alac.m4a", "M4A", include_bytes!("tests/alac.m4a")),
    ("tone.aac", "AAC", include_bytes!("tests/tone.aac")),
    ("welcome.wav", "WAV", include_bytes!("../../../../prompts/zh-CN/welcome.wav")),
];

/// A WAV file of one format tag, made here byte by byte.
fn wav(tag: u16, bits: u16, (rate, channels): (u32, u16), data: &[u8]) -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
    file.extend_from_slice(&tag.to_le_bytes());
    file.extend_from_slice(&channels.to_le_bytes());
    file.extend_from_slice(&rate.to_le_bytes());
    file.extend_from_slice(&(rate * u32::from(channels * bits / 8)).to_le_bytes());
    file.extend_from_slice(&(channels * bits / 8).to_le_bytes());
    file.extend_from_slice(&bits.to_le_bytes());
    file.extend_from_slice(b"data");
    file.extend_from_slice(&(data.len() as u32).to_le_bytes());
    file.extend_from_slice(data);
    let size = (file.len() - 8) as u32;
    file[4..8].copy_from_slice(&size.to_le_bytes());
    file
}

/// A tone of ±1, times `level`.
fn tone(hz: f64, rate: u32, millis: u32, level: f64) -> Vec<f64> {
    let count = rate / 100 * millis / 10;
    (0..count).map(|n| level * (TAU * hz * f64::from(n) / f64::from(rate)).sin()).collect()
}

fn pcm16(samples: &[f64]) -> Vec<u8> {
    samples.iter().flat_map(|s| ((s * 32_767.0) as i16).to_le_bytes()).collect()
}

fn speech(bytes: &[u8]) -> Result<Sound, ImportError> {
    import(bytes, &Limits::default(), Purpose::Speech, Loudness::Evened)
}

fn db(samples: &[i16]) -> f64 {
    10.0 * (power(samples) / 32_768f64.powi(2)).log10()
}

fn peak_db(samples: &[i16]) -> f64 {
    let peak = samples.iter().map(|s| s.unsigned_abs()).max().unwrap();
    20.0 * (f64::from(peak) / 32_768.0).log10()
}

fn is_tone(sound: &Sound, what: &str) {
    let middle = &sound.narrow[1_000..4_000];
    assert!(share(middle, 440.0) > 0.93, "{what}: {}", share(middle, 440.0));
    assert!((db(middle) + 20.0).abs() < 0.7, "{what}: {} dB", db(middle));
    let millis = sound.length().as_millis();
    assert!((560..=700).contains(&millis), "{what}: {millis} ms");
    assert_eq!(sound.narrow.len() % FRAME, 0, "{what}");
    if let Some(wide) = &sound.wide {
        assert_eq!(wide.len(), 2 * sound.narrow.len(), "{what}");
        assert!((db(&wide[2_000..8_000]) - db(middle)).abs() < 0.3, "{what}");
    }
}

#[test]
fn every_format_that_people_upload_becomes_the_same_prompt() {
    for (name, format, bytes) in &FILES[..7] {
        let sound = speech(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(sound.facts.format, *format, "{name}");
        assert!(sound.wide.is_some(), "{name}");
        is_tone(&sound, name);
    }
}

#[test]
fn wav_is_read_in_every_depth_rate_and_number_of_channels() {
    for rate in [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000] {
        for channels in [1u16, 2, 6] {
            let one = tone(440.0, rate, 600, 0.3);
            let all: Vec<f64> = one.iter().flat_map(|s| vec![*s; channels.into()]).collect();
            let sound = speech(&wav(1, 16, (rate, channels), &pcm16(&all))).unwrap();
            assert_eq!((sound.facts.rate, sound.facts.channels), (rate, channels));
            assert_eq!(sound.wide.is_some(), rate > 8_000);
            is_tone(&sound, &format!("{rate} Hz, {channels} channels"));
        }
    }
    let one = tone(440.0, 16_000, 600, 0.3);
    let of = |bits: u32, bytes: usize| -> Vec<u8> {
        let full = f64::from(1u32 << (bits - 1));
        one.iter().flat_map(|s| ((s * full) as i32).to_le_bytes()[..bytes].to_vec()).collect()
    };
    let eight: Vec<u8> = one.iter().map(|s| (s * 127.0 + 128.0) as u8).collect();
    let float: Vec<u8> = one.iter().flat_map(|s| (*s as f32).to_le_bytes()).collect();
    for (what, tag, bits, data) in [
        ("8 bits", 1, 8, eight),
        ("24 bits", 1, 24, of(24, 3)),
        ("32 bits", 1, 32, of(32, 4)),
        ("float", 3, 32, float),
    ] {
        is_tone(&speech(&wav(tag, bits, (16_000, 1), &data)).unwrap(), what);
    }
    for (law, tag) in [(Law::Pcma, 6), (Law::Pcmu, 7)] {
        let samples = tone(440.0, 8_000, 600, 0.3);
        let codes: Vec<u8> = samples.iter().map(|s| g711::encode(law, (s * 32_767.0) as i16)).collect();
        // With and without the length of an extension that there is none of.
        let short = wav(tag, 8, (8_000, 1), &codes);
        let long = [&short[..16], &18u32.to_le_bytes(), &short[20..36], &[0, 0], &short[36..]].concat();
        for file in [short, long] {
            is_tone(&speech(&file).unwrap(), "G.711");
        }
    }
}

#[test]
fn tags_with_pictures_do_not_hide_the_music() {
    let mp3 = FILES[0].2;
    let mut tagged = b"ID3\x04\0\0\0\x01\x10\0".to_vec();
    // A picture in which a decoder would find frames: 0x0110 seven bits each are 18,432 bytes.
    tagged.resize(10 + (1 << 14) + (0x10 << 7), 0xff);
    tagged.extend_from_slice(mp3);
    tagged.extend_from_slice(b"TAG");
    tagged.resize(tagged.len() + 125, b' ');
    let (plain, hidden) = (speech(mp3).unwrap(), speech(&tagged).unwrap());
    assert_eq!(plain.narrow, hidden.narrow);
}

/// Quiet and loud speech becomes −20 dB, its peaks stay below −3 dB, and an evened file stays as it is.
#[test]
fn loudness_is_evened_and_peaks_are_held() {
    let welcome = speech(FILES[7].2).unwrap();
    for level in [0.015, 0.03, 0.1, 0.5, 0.9] {
        let quiet: Vec<u8> =
            welcome.narrow.iter().flat_map(|s| ((f64::from(*s) * level) as i16).to_le_bytes()).collect();
        let sound = speech(&wav(1, 16, (8_000, 1), &quiet)).unwrap();
        let found = level::loudness_db(
            &sound.narrow.iter().map(|s| f32::from(*s) / 32_768.0).collect::<Vec<_>>(),
            resample::Target::Narrow,
        );
        let found = found.unwrap();
        let wanted = if level < 0.02 { -29.0..-24.0 } else { -21.0..-19.5 };
        assert!(wanted.contains(&found), "× {level}: {found} dB, gain {}", sound.facts.gain_db);
        assert!(peak_db(&sound.narrow) <= -2.99, "× {level}: {}", peak_db(&sound.narrow));
        assert!(sound.facts.gain_db <= 30.0);
    }
    let again = speech(&welcome.to_wav()).unwrap();
    assert!((again.facts.gain_db).abs() < 0.51, "{}", again.facts.gain_db);
    assert_eq!(again.narrow.len(), welcome.narrow.len());
    let kept = import(&welcome.to_wav(), &Limits::default(), Purpose::Speech, Loudness::Kept).unwrap();
    assert_eq!(kept.facts.gain_db, 0.0);
}

#[test]
fn a_single_shout_is_held_below_the_peak_without_a_step() {
    let mut samples = tone(440.0, 16_000, 1_000, 0.02);
    for (at, sample) in samples[6_000..8_000].iter_mut().enumerate() {
        *sample = 0.95 * (TAU * 700.0 * at as f64 / 16e3).sin();
    }
    let sound = speech(&wav(1, 16, (16_000, 1), &pcm16(&samples))).unwrap();
    let wide = sound.wide.unwrap();
    assert!(peak_db(&wide) <= -2.99, "{}", peak_db(&wide));
    let steps = wide.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max().unwrap();
    // The slope of 700 Hz at −3 dB.
    assert!(steps < 6_500, "{steps}");
}

#[test]
fn what_8_khz_cannot_carry_is_there_at_16_khz_only() {
    let mixed: Vec<f64> = tone(440.0, 48_000, 600, 0.1)
        .iter()
        .zip(tone(6_000.0, 48_000, 600, 0.2))
        .map(|(low, high)| low + high)
        .collect();
    let sound = speech(&wav(1, 16, (48_000, 1), &pcm16(&mixed))).unwrap();
    assert!(share(&sound.narrow[1_000..4_000], 440.0) > 0.99, "no alias");
    // 6 kHz at 16,000 samples a second turns as 3 kHz at 8,000 do.
    assert!(share(&sound.wide.unwrap()[2_000..8_000], 3_000.0) > 0.7);
}

#[test]
fn silence_at_both_ends_is_trimmed_and_ends_are_faded() {
    let mut samples = vec![0.0; 8_000];
    samples.extend(tone(440.0, 8_000, 600, 0.3));
    samples.extend(vec![0.0; 4_000]);
    let sound = speech(&wav(1, 16, (8_000, 1), &pcm16(&samples))).unwrap();
    assert!((600..=700).contains(&sound.length().as_millis()), "{:?}", sound.length());
    let (first, last) = (sound.narrow[0], *sound.narrow.last().unwrap());
    assert_eq!((first, last), (0, 0));
    // An offset is no silence: it is taken away.
    let raised: Vec<f64> = tone(440.0, 8_000, 600, 0.3).iter().map(|s| s + 0.2).collect();
    let sound = speech(&wav(1, 16, (8_000, 1), &pcm16(&raised))).unwrap();
    let mean = sound.narrow.iter().map(|s| i64::from(*s)).sum::<i64>() / sound.narrow.len() as i64;
    assert!(mean.abs() < 40, "{mean}");
}

#[test]
fn music_flows_from_its_end_into_its_beginning() {
    let import = |samples: &[f64]| {
        let file = wav(1, 16, (16_000, 1), &pcm16(samples));
        import(&file, &Limits::default(), Purpose::Music, Loudness::Evened).unwrap()
    };
    // Any length, any phase at the end.
    for extra in [0, 1, 100, 319, 320, 777] {
        let mut samples = tone(303.0, 16_000, 1_010, 0.2);
        samples.truncate(16_000 - extra);
        let wide = import(&samples).wide.unwrap();
        assert_eq!(wide.len() % 320, 0);
        let seam = (i32::from(wide[0]) - i32::from(*wide.last().unwrap())).abs();
        let steps = wide.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max().unwrap();
        assert!(seam <= steps.max(600), "{extra}: {seam}, elsewhere {steps}");
    }
    // What fits already is only made louder.
    let samples = tone(400.0, 16_000, 1_000, 0.2);
    let wide = import(&samples).wide.unwrap();
    assert_eq!(wide.len(), 16_000);
    assert!(wide[0].abs() < 40);
}

#[test]
fn what_is_no_prompt_is_refused_with_its_reason() {
    let second = |rate: u32| pcm16(&tone(440.0, rate, 1_000, 0.3));
    let cut = {
        let mut file = wav(1, 16, (8_000, 1), &second(8_000).repeat(10));
        file.truncate(file.len() / 2);
        file
    };
    let drm = {
        let mut file = FILES[4].2.to_vec();
        let at = file.windows(4).position(|w| w == b"mp4a").unwrap();
        file[at..at + 4].copy_from_slice(b"drms");
        file
    };
    let bought = b"\0\0\0\x20ftypM4P \0\0\0\0".to_vec();
    let quiet = pcm16(&tone(440.0, 8_000, 1_000, 0.0005));
    let noise: Vec<u8> =
        (0..3_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 & 0x7f | 1).collect();
    let broken: Vec<u8> = [&FILES[1].2[..200], &noise].concat();
    for (what, bytes, word) in [
        ("nothing", Vec::new(), "空"),
        ("short", wav(1, 16, (8_000, 1), &second(8_000)[..1_000]), "太短"),
        ("silent", wav(1, 16, (8_000, 1), &[0; 16_000]), "静音"),
        ("hardly audible", wav(1, 16, (8_000, 1), &quiet), "静音"),
        ("cut", cut, "不完整"),
        ("protected", drm, "DRM"),
        ("bought", bought, "DRM"),
        ("AMR", b"#!AMR\n....".to_vec(), "AMR"),
        ("WMA", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11".to_vec(), "WMA"),
        ("text", b"<html><body>404</body></html>".to_vec(), "文本"),
        ("picture", b"\xff\xd8\xff\xe0\0\x10JFIF".to_vec(), "图片"),
        ("noise", noise, "无法识别"),
        ("broken", broken, "损坏"),
        ("rate", wav(1, 16, (2_000, 1), &second(2_000)), "采样率"),
        ("channels", wav(1, 16, (8_000, 12), &second(8_000).repeat(12)), "声道"),
        ("codec", include_bytes!("tests/adpcm.wav").to_vec(), "编码不支持"),
        ("header alone", FILES[3].2[..100].to_vec(), "损坏"),
    ] {
        match speech(&bytes) {
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains(word) && text.contains('/'), "{what}: {text}");
            }
            Ok(sound) => panic!("{what}: {:?}", sound.facts),
        }
    }
}

#[test]
fn a_file_is_stopped_where_its_limits_are() {
    let limits = Limits { bytes: 20_000, longest: Duration::from_millis(500) };
    let at = |bytes: &[u8]| import(bytes, &limits, Purpose::Speech, Loudness::Evened).unwrap_err();
    assert_eq!(at(&[0; 20_001]), ImportError::TooBig(1, 1));
    for (name, _, bytes) in &FILES[..7] {
        assert_eq!(at(bytes), ImportError::TooLong(0), "{name}");
    }
}

/// 200 codebooks of 4 million numbers each, in a header of a few kilobytes.
#[test]
fn a_header_that_unfolds_to_gigabytes_is_refused_unread() {
    let mut bits: Vec<bool> = Vec::new();
    let mut push = |value: u64, count: u32| bits.extend((0..count).map(|bit| value >> bit & 1 == 1));
    for byte in b"\x05vorbis\xc7" {
        push(u64::from(*byte), 8);
    }
    for book in 0..200 {
        push(0x56_4342, 24);
        push(32, 16);
        push(131_072, 24);
        push(1, 1 + book % 7);
    }
    let packet: Vec<u8> = bits
        .chunks(8)
        .map(|eight| eight.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit)))
        .collect();
    // Pages of 50 bytes, so that books lie across their borders.
    let mut file = Vec::new();
    for body in packet.chunks(50) {
        file.extend_from_slice(b"OggS");
        file.extend_from_slice(&[0; 22]);
        file.extend_from_slice(&[1, body.len() as u8]);
        file.extend_from_slice(body);
    }
    assert_eq!(sniff::sniff(&file), Err(ImportError::Corrupt("OGG")));
    assert_eq!(sniff::sniff(FILES[2].2), Ok("OGG"));
}

/// Bits flipped, lengths raised, pieces cut, doubled and swapped: every file ends in a prompt or a refusal, in bounded
/// memory and time.
#[test]
fn mutated_files_end_in_a_prompt_or_a_refusal() {
    let limits = Limits { bytes: 1 << 20, longest: Duration::from_secs(5) };
    let mut seed = 2_400u64;
    let mut draw = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below.max(1)
    };
    let (mut made, mut refused) = (0, 0);
    for (_, _, original) in FILES {
        for round in 0..60 {
            let mut bytes = original.to_vec();
            for _ in 0..1 + draw(6) {
                // Headers are what programs trust.
                let near = if draw(2) == 0 { bytes.len().min(300) } else { bytes.len() };
                let at = draw(near);
                match draw(6) {
                    0 => bytes[at] ^= 1 << draw(8),
                    1 => bytes[at] = [0, 0x7f, 0x80, 0xff][draw(4)],
                    2 => bytes.iter_mut().skip(at).take(4).for_each(|byte| *byte = 0xff),
                    3 => bytes.truncate(at.max(1)),
                    4 => {
                        let piece = bytes[at..].iter().take(draw(400)).copied().collect::<Vec<_>>();
                        bytes.splice(at..at, piece);
                    }
                    _ => bytes.drain(at..(at + draw(50)).min(bytes.len())).for_each(drop),
                }
                if bytes.is_empty() {
                    bytes.push(0);
                }
            }
            let purpose = if round % 2 == 0 { Purpose::Speech } else { Purpose::Music };
            match import(&bytes, &limits, purpose, Loudness::Evened) {
                Ok(sound) => {
                    assert!(sound.length() <= limits.longest + Duration::from_millis(40));
                    assert!(!sound.narrow.is_empty() && sound.narrow.len().is_multiple_of(FRAME));
                    made += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(made > 50 && refused > 50, "{made} made, {refused} refused");
}
