use std::io::Cursor;

use super::*;

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

#[test]
fn a_mono_file_is_read_by_others() {
    for rate in [8_000, 16_000] {
        let file = mono(rate, &[1, -2, 32_767, -32_768]);
        let reader = hound::WavReader::new(Cursor::new(file)).unwrap();
        assert_eq!((reader.spec().channels, reader.spec().sample_rate, reader.duration()), (1, rate, 4));
        let samples: Vec<i16> = reader.into_samples().map(Result::unwrap).collect();
        assert_eq!(samples, [1, -2, 32_767, -32_768]);
    }
}
