use super::super::timeline::{Alaw, Ulaw};
use super::*;
use crate::g711::{self, Law};

fn sum(shares: TalkShares) -> u64 {
    shares.caller_ms + shares.persons_ms - shares.both_ms
        + shares.silence_ms
        + shares.held_ms
        + shares.masked_ms
}

/// 10 ms of a square wave.
fn pixel(amplitude: i16) -> [i16; PIXEL] {
    std::array::from_fn(|n| if n % 2 == 0 { amplitude } else { -amplitude })
}

/// Who speaks in what is said as (caller, persons, tens of milliseconds).
fn shares(said: &[(i16, i16, usize)]) -> TalkShares {
    let (mut loudness, mut waveform) = (Loudness::default(), Vec::new());
    for (left, right, times) in said {
        for _ in 0..*times {
            loudness.hear(&pixel(*left), &pixel(*right), &mut waveform);
        }
    }
    let length: usize = said.iter().map(|(_, _, times)| times).sum();
    assert_eq!(waveform.len(), length * 4);
    let shares = loudness.shares(&Course::default(), Layout::Apart);
    assert_eq!(sum(shares), length as u64 * 10);
    shares
}

#[test]
fn extremes_of_codes_are_those_of_their_samples() {
    let all: Vec<u8> = (0..=255).collect();
    for codes in all.windows(7).chain(all.chunks(256)).chain(all.chunks(1)) {
        let linear = |law| {
            let samples: Vec<i16> = codes.iter().map(|code| g711::decode(law, *code)).collect();
            i16::extremes(&samples)
        };
        let mut alaw = vec![Alaw::SILENCE; codes.len()];
        let mut ulaw = vec![Ulaw::SILENCE; codes.len()];
        Alaw::decode(Law::Pcma, codes, &mut alaw);
        Ulaw::decode(Law::Pcmu, codes, &mut ulaw);
        assert_eq!(Alaw::extremes(&alaw), linear(Law::Pcma), "{codes:?}");
        assert_eq!(Ulaw::extremes(&ulaw), linear(Law::Pcmu), "{codes:?}");
    }
    let silent = (Shown::of(0), Shown::of(0));
    assert_eq!((i16::extremes(&[]), Alaw::extremes(&[])), (silent, silent));
}

#[test]
fn levels_ascend_with_the_amplitude_eight_steps_an_octave() {
    for amplitude in 0..=32_767u16 {
        assert!(level(amplitude) <= level(amplitude + 1), "{amplitude}");
    }
    for amplitude in [8, 100, 5_000, 16_000] {
        assert_eq!(level(amplitude * 2), level(amplitude) + TWICE, "{amplitude}");
    }
    assert_eq!(level(32_768), 104);
}

#[test]
fn a_waveform_holds_the_least_and_the_greatest_of_each_channel() {
    let (mut loudness, mut waveform) = (Loudness::default(), Vec::new());
    let mut left = [0i16; 2 * PIXEL];
    (left[3], left[79], left[80]) = (0x1234, -0x2345, 0x7fff);
    let right = [-0x0101i16; 2 * PIXEL];
    // The last pixel is cut short.
    loudness.hear(&left[..130], &right[..130], &mut waveform);
    let bytes: Vec<i8> = waveform.iter().map(|byte| *byte as i8).collect();
    assert_eq!(bytes, [-0x24, 0x12, -2, -2, 0, 0x7f, -2, -2]);
    let header = waveform_header(130);
    let words: Vec<u32> = header.chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
    assert_eq!(words, [2, 1, 8_000, 80, 2, 2]);
}

#[test]
fn turns_of_a_conversation_are_counted_with_their_overlap() {
    let said = [(0, 0, 100), (8_000, 0, 200), (8_000, 8_000, 50), (0, 8_000, 300), (0, 0, 50)];
    let wanted = TalkShares {
        caller_ms: 2_500,
        persons_ms: 3_500,
        both_ms: 500,
        silence_ms: 1_500,
        ..TalkShares::default()
    };
    assert_eq!(shares(&said), wanted);
}

#[test]
fn pauses_belong_to_speech_and_clicks_do_not() {
    let pause = [(8_000, 0, 50), (0, 0, 30), (8_000, 0, 50), (0, 0, 31), (8_000, 0, 50)];
    assert_eq!((shares(&pause).caller_ms, shares(&pause).silence_ms), (1_800, 310));
    let click = [(0, 0, 100), (20_000, 0, 2), (0, 0, 100), (20_000, 0, 3), (0, 0, 100)];
    assert_eq!(shares(&click).caller_ms, 30);
}

#[test]
fn speech_stands_out_of_noise_and_noise_alone_is_silence() {
    // A line that hums at −40 dBFS, and somebody who speaks 12 dB above it a third of the time.
    let line = [(327, 0, 200), (1_400, 0, 200), (327, 0, 200)];
    assert_eq!((shares(&line).caller_ms, shares(&line).silence_ms), (2_000, 4_000));
    assert_eq!(shares(&[(327, 300, 300)]).silence_ms, 3_000);
    // Too faint to be heard, and a tone without a pause.
    assert_eq!(shares(&[(60, 0, 100)]).silence_ms, 1_000);
    assert_eq!(shares(&[(4_000, 0, 100)]).caller_ms, 1_000);
}
