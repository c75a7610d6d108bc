use super::*;

const TONES: [f64; 3] = [440.0, 1_000.0, 2_500.0];

fn tone(hz: f64, samples: usize) -> Vec<i16> {
    let step = 2.0 * std::f64::consts::PI * hz / f64::from(SAMPLE_RATE);
    (0..samples).map(|n| (8_000.0 * (step * n as f64).sin()) as i16).collect()
}

fn spoken(codec: Codec, samples: &[i16]) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(codec);
    let frames = samples.as_chunks::<FRAME>().0.iter();
    frames
        .map(|frame| {
            let mut payload = [0; LONGEST];
            let length = encoder.encode(frame, &mut payload);
            payload[..length].to_vec()
        })
        .collect()
}

fn heard(codec: Codec, payloads: &[Vec<u8>]) -> Vec<i16> {
    let mut decoder = Decoder::new(codec);
    let mut out = Vec::new();
    for payload in payloads {
        decoder.decode(payload, &mut out);
    }
    out
}

/// The share of the power at `hz`, 0–1.
pub(crate) fn share(samples: &[i16], hz: f64) -> f64 {
    let step = 2.0 * std::f64::consts::PI * hz / f64::from(SAMPLE_RATE);
    let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let (sample, angle) = (f64::from(*sample), step * n as f64);
        re += sample * angle.cos();
        im += sample * angle.sin();
        all += sample * sample;
    }
    if all == 0.0 { 0.0 } else { 2.0 * (re * re + im * im) / samples.len() as f64 / all }
}

/// The same, each 50 ms for itself: what was lost may shift the tone's phase.
pub(crate) fn share_by_windows(samples: &[i16], hz: f64) -> f64 {
    let windows = samples.as_chunks::<400>().0;
    let all: f64 = windows.iter().map(|window| power(window)).sum();
    windows.iter().map(|window| share(window, hz) * power(window)).sum::<f64>() / all.max(1.0)
}

pub(crate) fn power(samples: &[i16]) -> f64 {
    samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len().max(1) as f64
}

#[test]
fn a_tone_keeps_its_power_and_pitch_through_every_codec() {
    for codec in Codec::ALL {
        for hz in TONES {
            let said = tone(hz, 100 * FRAME);
            let payloads = spoken(codec, &said);
            assert!(payloads.iter().all(|payload| length(codec, payload) == FRAME), "{codec:?}");
            let heard = heard(codec, &payloads);
            assert_eq!(heard.len(), said.len(), "{codec:?}");
            let (end, before) = (&heard[20 * FRAME..], &said[20 * FRAME..]);
            let gain = 10.0 * (power(end) / power(before)).log10();
            // The speech codecs are not made for tones: they keep them within 3 dB.
            assert!(gain.abs() < 3.0, "{codec:?} {hz} Hz: {gain} dB");
            assert!(share(end, hz) > 0.8, "{codec:?} {hz} Hz: {}", share(end, hz));
        }
    }
}

#[test]
fn payloads_have_the_sizes_of_their_rate() {
    for (codec, bytes) in [(Codec::Pcma, 160), (Codec::Pcmu, 160), (Codec::G722, 160), (Codec::G729, 20)] {
        assert!(
            spoken(codec, &tone(440.0, FRAME * 5)).iter().all(|payload| payload.len() == bytes),
            "{codec:?}"
        );
    }
    let opus = spoken(Codec::Opus, &tone(440.0, FRAME * 50));
    let bytes: usize = opus.iter().map(Vec::len).sum();
    assert!((1_000..=4_500).contains(&bytes), "{bytes} bytes of Opus a second");
}

#[test]
fn lengths_of_opus_packets_follow_their_first_bytes() {
    // RFC 6716 table 2 and §3.2: config, code and count.
    for (packet, samples) in [
        (&[0x00u8, 1][..], 80),
        (&[0x18, 1], 480),
        (&[0x61, 1], 160),
        (&[0x80, 1], 20),
        (&[0xf8, 1], 160),
        (&[0xfb, 3], 480),
        (&[0xfb, 7], 0),
        (&[], 0),
    ] {
        assert_eq!(opus_length(packet), samples, "{packet:x?}");
    }
}

#[test]
fn what_is_lost_is_made_up_by_the_codecs_that_can() {
    for codec in [Codec::Opus] {
        let payloads = spoken(codec, &tone(300.0, FRAME * 20));
        let mut decoder = Decoder::new(codec);
        let mut out = Vec::new();
        for payload in &payloads {
            decoder.decode(payload, &mut out);
        }
        let before = out.len();
        assert!(decoder.conceal(FRAME, &mut out));
        assert_eq!(out.len(), before + FRAME);
        assert!(power(&out[before..]) > 0.05 * power(&out[before - FRAME..before]), "{codec:?}");
    }
    assert!(!Decoder::new(Codec::Pcma).conceal(FRAME, &mut Vec::new()));
}

#[test]
fn hostile_payloads_end_in_sound_or_silence() {
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for codec in Codec::ALL {
        let real = spoken(codec, &tone(700.0, FRAME * 4));
        let mut decoder = Decoder::new(codec);
        let mut out = Vec::new();
        for nth in 0..400 {
            let mut payload = real[nth % real.len()].clone();
            match random() % 4 {
                0 => payload.truncate(random() as usize % (payload.len() + 1)),
                1 => payload.iter_mut().for_each(|byte| *byte = random() as u8),
                2 => payload = (0..random() % 1_200).map(|_| random() as u8).collect(),
                _ => {
                    let place = random() as usize % payload.len();
                    payload[place] ^= 1 << (random() % 8);
                }
            }
            out.clear();
            decoder.decode(&payload, &mut out);
            assert!(out.len() <= MOST, "{codec:?}: {} samples", out.len());
        }
        // It still hears.
        out.clear();
        for payload in &spoken(codec, &tone(440.0, FRAME * 50)) {
            decoder.decode(payload, &mut out);
        }
        assert!(share(&out[40 * FRAME..], 440.0) > 0.7, "{codec:?}");
    }
}
