use super::*;

fn wav(rate: u32, channels: u16, bits: u16, frames: impl Iterator<Item = Vec<i32>>) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels,
        sample_rate: rate,
        bits_per_sample: bits,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    for sample in frames.flatten() {
        writer.write_sample(sample).unwrap();
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

fn sine(hz: f64, rate: u32, level: f64) -> impl Iterator<Item = i32> {
    (0..rate).map(move |n| {
        (level * (2.0 * std::f64::consts::PI * hz * f64::from(n) / f64::from(rate)).sin()) as i32
    })
}

fn rms(samples: &[i16]) -> f64 {
    (samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64).sqrt()
}

#[test]
fn prompts_of_every_rate_become_8_khz_mono_with_the_same_tone() {
    for rate in [8_000, 16_000, 24_000, 32_000, 48_000] {
        for channels in [1, 2] {
            let file = wav(rate, channels, 16, sine(440.0, rate, 10_000.0).map(|s| vec![s; channels.into()]));
            let samples = read(&file).unwrap();
            assert_eq!(samples.len(), 8_000, "{rate} {channels}");
            let middle = &samples[1_000..7_000];
            assert!((rms(middle) - 7_071.0).abs() < 150.0, "{rate} {channels}: {}", rms(middle));
            let crossings = samples.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
            assert!(crossings.abs_diff(440) <= 1, "{rate} {channels}: {crossings}");
        }
    }
}

#[test]
fn what_8_khz_cannot_carry_is_filtered_out() {
    for (rate, hz) in [(16_000, 6_000.0), (24_000, 7_000.0), (48_000, 12_000.0)] {
        let samples = read(&wav(rate, 1, 16, sine(hz, rate, 10_000.0).map(|s| vec![s]))).unwrap();
        assert!(rms(&samples[1_000..7_000]) < 30.0, "{rate}: {}", rms(&samples[1_000..7_000]));
    }
}

#[test]
fn depths_of_8_and_24_bits_are_scaled() {
    for (bits, level) in [(8, 100.0), (24, 100.0 * 65_536.0)] {
        let samples = read(&wav(8_000, 1, bits, sine(440.0, 8_000, level).map(|s| vec![s]))).unwrap();
        let wanted = 100.0 * 256.0 / std::f64::consts::SQRT_2;
        assert!((rms(&samples) / wanted - 1.0).abs() < 0.02, "{bits}: {}", rms(&samples));
    }
}

#[test]
fn what_is_no_prompt_is_refused_with_its_reason() {
    assert!(matches!(read(b"RIFF"), Err(WavError::Unreadable(_))));
    assert!(matches!(read(&wav(44_100, 1, 16, std::iter::empty())), Err(WavError::Rate(44_100))));
    assert!(matches!(read(&wav(11_025, 1, 16, std::iter::empty())), Err(WavError::Rate(11_025))));
    assert!(matches!(read(&wav(8_000, 3, 16, std::iter::empty())), Err(WavError::Channels(3))));
}

#[test]
fn the_header_of_a_pcm_file_is_read_by_others() {
    let mut file = stereo_header(Format::Pcm16, 3);
    for sample in [1i16, -1, 2, -2, 3, -3] {
        file.extend_from_slice(&sample.to_le_bytes());
    }
    let reader = hound::WavReader::new(Cursor::new(file)).unwrap();
    assert_eq!((reader.spec().channels, reader.spec().sample_rate, reader.duration()), (2, 8_000, 3));
    let samples: Vec<i16> = reader.into_samples().map(Result::unwrap).collect();
    assert_eq!(samples, [1, -1, 2, -2, 3, -3]);
}

#[test]
fn the_header_of_a_g711_file_says_what_follows() {
    for (codec, tag) in [(Law::Pcma, 6), (Law::Pcmu, 7)] {
        let header = stereo_header(Format::G711(codec), 8_000);
        let u32_at = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
        assert_eq!(header.len(), 58);
        assert_eq!(u32_at(4) as usize, header.len() - 8 + 16_000);
        assert_eq!((header[20], header[22], u32_at(24), u32_at(28)), (tag, 2, 8_000, 16_000));
        assert_eq!((u32_at(46), u32_at(54)), (8_000, 16_000));
    }
}

#[test]
fn the_header_counts_every_frame_and_tells_its_length() {
    for frames in [0, 1, 5, 8_001] {
        let header = stereo_header(Format::G711(Law::Pcma), frames);
        assert_eq!(u32::from_le_bytes(header[54..58].try_into().unwrap()), 2 * frames as u32);
        assert_eq!(stereo_millis(&header), Some(frames / 8));
    }
    let longest = stereo_header(Format::Pcm16, u64::MAX / 8);
    assert_eq!(u32::from_le_bytes(longest[54..58].try_into().unwrap()) % 4, 0);
    assert_eq!(stereo_millis(b"RIFF"), None);
}
