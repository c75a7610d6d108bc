use super::*;

/// What is heard of a press, with what may be wrong with it.
#[derive(Clone, Copy)]
struct Press {
    key: char,
    on_ms: usize,
    off_ms: usize,
    /// Amplitudes of row and column.
    levels: (f32, f32),
    /// Both frequencies are off by this share.
    off: f32,
    /// Samples before the first press: where blocks fall.
    lead: usize,
    noise: f32,
}

const GOOD: Press =
    Press { key: '5', on_ms: 40, off_ms: 40, levels: (6_000.0, 6_000.0), off: 0.0, lead: 0, noise: 0.0 };

/// The keys heard in `times` presses.
fn heard(press: Press, times: usize) -> Vec<char> {
    let (row, column) = place(Key::from_char(press.key).unwrap()).unwrap();
    let mut samples = vec![0i16; press.lead];
    let mut seed = 99u32;
    let mut noise = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        press.noise * ((seed >> 8) as f32 / 8_388_608.0 - 1.0)
    };
    for _ in 0..times {
        samples.extend((0..press.on_ms * 8).map(|n| {
            let time = std::f32::consts::TAU * n as f32 / 8_000.0 * (1.0 + press.off);
            let (low, high) = press.levels;
            (low * (ROWS[row] * time).sin() + high * (COLUMNS[column] * time).sin() + noise()) as i16
        }));
        samples.extend((0..press.off_ms * 8).map(|_| noise() as i16));
    }
    samples.extend([0; 4 * FRAME]);
    listen(&samples).iter().map(|pressed| pressed.key.as_char()).collect()
}

fn listen(samples: &[i16]) -> Vec<Pressed> {
    let mut ear = ToneReceive::default();
    samples.as_chunks::<FRAME>().0.iter().filter_map(|frame| ear.take(frame)).collect()
}

#[test]
fn all_sixteen_keys_of_40_ms_are_heard_wherever_they_begin() {
    for key in KEYS.concat() {
        for lead in (0..BLOCK).step_by(7) {
            let press = Press { key, lead, ..GOOD };
            assert_eq!(heard(press, 5), vec![key; 5], "{key}, {lead} samples in");
        }
    }
}

#[test]
fn levels_and_twists_of_q24_are_heard_and_wilder_ones_are_not() {
    let db = |db: f32| 10f32.powf(db / 20.0);
    for key in ['1', '5', '9', 'D'] {
        let with = |low, high| heard(Press { key, levels: (low, high), ..GOOD }, 3).len();
        for level in [-25.0, -15.0, -5.0, 0.0] {
            // Full scale is +3.14 dBm0; two tones at 0 dBm0 stay below it.
            let peak = 32_767.0 * db(level - 3.1) * 0.7;
            assert_eq!(with(peak, peak), 3, "{key} at {level} dBm0");
            assert_eq!(with(peak * db(-4.0), peak), 3, "{key}: the column 4 dB stronger");
            assert_eq!(with(peak, peak * db(-8.0)), 3, "{key}: the row 8 dB stronger");
        }
        assert_eq!(with(3_000.0, 3_000.0 * db(8.0)), 0, "{key}: the column 8 dB stronger");
        assert_eq!(with(12_000.0, 12_000.0 * db(-12.0)), 0, "{key}: the row 12 dB stronger");
        assert_eq!(with(60.0, 60.0), 0, "{key}: too weak");
        assert_eq!(with(6_000.0, 0.0), 0, "{key}: a single tone");
    }
}

#[test]
fn frequencies_within_1_5_percent_are_heard_and_from_3_5_percent_on_refused() {
    for key in KEYS.concat() {
        for off in [-0.015, -0.01, 0.01, 0.015] {
            for lead in [0, 33, 66] {
                assert_eq!(
                    heard(Press { key, off, lead, ..GOOD }, 3),
                    vec![key; 3],
                    "{key} off by {off}, {lead}"
                );
            }
        }
        for off in [-0.05, -0.035, 0.035, 0.05] {
            assert_eq!(
                heard(Press { key, off, on_ms: 100, ..GOOD }, 3),
                Vec::<char>::new(),
                "{key} off by {off}"
            );
        }
    }
}

#[test]
fn short_blips_are_no_keys_and_short_gaps_no_ends() {
    for lead in (0..BLOCK).step_by(11) {
        assert_eq!(heard(Press { on_ms: 18, lead, ..GOOD }, 5), Vec::<char>::new(), "18 ms, {lead}");
        // One press of 200 ms with a hole of 4 ms.
        let mut samples = vec![0; lead];
        samples.extend((0..10).flat_map(|nth| sound(Key::from_char('5').unwrap(), nth * FRAME as u32)));
        samples[lead + 700..lead + 732].fill(0);
        samples.extend([0; 4 * FRAME]);
        assert_eq!(listen(&samples).len(), 1, "{lead}");
    }
}

#[test]
fn keys_are_heard_in_noise_of_15_db() {
    for key in KEYS.concat() {
        // Uniform noise of bound b has the power b²/3, the two tones A² together.
        let noise = 6_000.0 * 3f32.sqrt() * 10f32.powf(-15.0 / 20.0);
        assert_eq!(heard(Press { key, noise, on_ms: 60, off_ms: 60, ..GOOD }, 20), vec![key; 20]);
    }
}

#[test]
fn the_length_of_a_press_is_told_within_20_ms() {
    for on_ms in [40, 80, 160, 500, 1_200] {
        let key = Key::from_char('7').unwrap();
        let mut samples = vec![0i16; 320];
        for at in (0..on_ms * 8).step_by(FRAME) {
            samples.extend(sound(key, at));
        }
        samples.extend([0; 4 * FRAME]);
        let told = listen(&samples);
        assert_eq!(told.len(), 1, "{on_ms} ms");
        assert_eq!(told[0].key, key);
        assert!(told[0].millis.abs_diff(on_ms) <= 20, "{} of {on_ms} ms", told[0].millis);
    }
}

#[test]
fn a_key_that_follows_another_without_a_pause_is_another_press() {
    let key = |c| Key::from_char(c).unwrap();
    let mut samples = Vec::new();
    for (c, frames) in [('1', 4), ('6', 4), ('1', 4)] {
        samples.extend((0..frames).flat_map(|nth| sound(key(c), nth * FRAME as u32)));
    }
    samples.extend([0; 4 * FRAME]);
    let keys: Vec<_> = listen(&samples).iter().map(|pressed| pressed.key.as_char()).collect();
    assert_eq!(keys, ['1', '6', '1']);
}

/// Speech in two languages, and music: nobody presses a key in them (ITU-T Q.24, talk-off).
#[test]
fn speech_and_music_are_no_keys() {
    let prompts = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../prompts");
    let (mut seconds, mut files) = (0, 0);
    for folder in ["zh-CN", "en", "moh"] {
        for entry in std::fs::read_dir(prompts.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "wav") {
                continue;
            }
            let file = std::fs::read(&path).unwrap();
            let samples: Vec<i16> =
                hound::WavReader::new(&*file).unwrap().into_samples().map(Result::unwrap).collect();
            let told = listen(&samples);
            assert!(told.is_empty(), "{}: {told:?}", path.display());
            assert!(!is_fax(&samples), "{} is no fax device", path.display());
            seconds += samples.len() / 8_000;
            files += 1;
        }
    }
    assert!(files > 100 && seconds > 150, "{files} files, {seconds} s");
}

fn is_fax(samples: &[i16]) -> bool {
    let mut ear = ToneReceive::default();
    samples.as_chunks::<FRAME>().0.iter().any(|frame| {
        ear.take(frame);
        ear.is_fax()
    })
}

#[test]
fn a_fax_device_is_known_by_its_first_tone_and_a_short_or_other_tone_is_none() {
    let tone = |hz: f32, millis: usize, swing: f32| -> Vec<i16> {
        let at = |n: usize, hz: f32| (std::f32::consts::TAU * hz * n as f32 / 8_000.0).sin();
        let samples = 0..millis * 8 / FRAME * FRAME + 2 * FRAME;
        samples.map(|n| (4_000.0 * at(n, hz) * (1.0 + swing * at(n, 15.0))) as i16).collect()
    };
    // T.30 §4.1: 1,100 ± 38 Hz for 0.5 s, 2,100 ± 15 Hz for 2.6 s; V.8 §7.2: the latter swings by a fifth.
    for (hz, millis, swing) in [
        (1_100.0, 500, 0.0),
        (1_070.0, 500, 0.0),
        (1_130.0, 500, 0.0),
        (2_100.0, 2_600, 0.0),
        (2_100.0, 3_300, 0.2),
    ] {
        assert!(is_fax(&tone(hz, millis, swing)), "{hz} Hz");
    }
    for (hz, millis) in [(1_100.0, 340), (450.0, 2_000), (950.0, 2_000), (1_400.0, 2_000), (1_800.0, 2_000)] {
        assert!(!is_fax(&tone(hz, millis, 0.0)), "{millis} ms of {hz} Hz");
    }
}

#[test]
fn random_sound_ends_in_nothing() {
    let mut seed = 7u32;
    let samples: Vec<i16> = (0..80_000)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) as i16
        })
        .collect();
    assert!(listen(&samples).is_empty());
}
