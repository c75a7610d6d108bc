use super::*;
use crate::codec::tests::{power, share, share_by_windows};
use crate::codec::{Encoder, LONGEST};
use crate::g711::{self, Law};

fn packet(level: i16) -> Vec<u8> {
    vec![g711::encode(Law::Pcma, level); FRAME]
}

/// The level in the middle of the next frame, or `None` when nothing was said.
fn next(jitter: &mut Jitter) -> Option<i16> {
    jitter.pull();
    jitter.frame().map(|frame| frame[80])
}

fn level(level: i16) -> i16 {
    g711::decode(Law::Pcma, g711::encode(Law::Pcma, level))
}

/// Packets of a tone, 20 ms each.
fn tone(codec: Codec, hz: f64, packets: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(codec);
    (0..packets)
        .map(|nth| {
            let frame = std::array::from_fn(|n| {
                let at = (nth * FRAME + n) as f64 / 8_000.0;
                (8_000.0 * (2.0 * std::f64::consts::PI * hz * at).sin()) as i16
            });
            let mut payload = [0; LONGEST];
            let length = encoder.encode(&frame, &mut payload);
            payload[..length].to_vec()
        })
        .collect()
}

/// What is heard of `packets` when each arrives in the tick that `arrival` says, or never.
fn hear(codec: Codec, packets: &[Vec<u8>], arrival: impl Fn(usize) -> Option<usize>) -> Vec<i16> {
    let mut jitter = Jitter::new();
    let mut heard = Vec::new();
    for tick in 0..packets.len() + 20 {
        for (nth, payload) in packets.iter().enumerate() {
            if arrival(nth) == Some(tick) {
                jitter.push(5_000 + (nth * FRAME) as u64, codec, payload);
            }
        }
        jitter.pull();
        heard.extend(jitter.frame().unwrap_or(&[0; FRAME]));
    }
    heard
}

#[test]
fn packets_are_read_in_order_40_ms_later() {
    let mut jitter = Jitter::new();
    for (nth, level) in [(0, 1_000), (2, 3_000), (1, 2_000)] {
        jitter.push(5_000 + nth * 160, Codec::Pcma, &packet(level));
    }
    let heard: Vec<_> = (0..5).map(|_| next(&mut jitter)).collect();
    assert_eq!(heard, [None, None, Some(level(1_000)), Some(level(2_000)), Some(level(3_000))]);
}

#[test]
fn a_lost_packet_is_made_up_for_and_a_late_one_is_not_heard_twice() {
    let mut jitter = Jitter::new();
    jitter.push(5_000, Codec::Pcma, &packet(1_000));
    jitter.push(5_320, Codec::Pcma, &packet(3_000));
    let before: Vec<_> = (0..4).map(|_| next(&mut jitter)).collect();
    // Nothing but a level was said: its repetition is the same level, fading after 10 ms.
    assert!(before[3].is_some_and(|made_up| (900..=level(1_000)).contains(&made_up)), "{before:?}");
    jitter.push(5_160, Codec::Pcma, &packet(2_000));
    let after: Vec<_> = (0..2).map(|_| next(&mut jitter)).collect();
    assert!(after.contains(&Some(level(3_000))), "{after:?}");
}

#[test]
fn silence_follows_a_talker_who_stops() {
    let mut jitter = Jitter::new();
    for nth in 0..5 {
        jitter.push(5_000 + nth * 160, Codec::Pcma, &packet(1_000));
    }
    let heard: Vec<_> = (0..20).map(|_| next(&mut jitter)).collect();
    assert_eq!(heard.iter().flatten().count(), 8, "five packets and 60 ms that fade: {heard:?}");
}

#[test]
fn a_burst_is_caught_up_with_and_a_pause_begins_anew() {
    let mut jitter = Jitter::new();
    for nth in 0..20 {
        jitter.push(5_000 + nth * 160, Codec::Pcma, &packet(1_000));
    }
    let frames = (0..100).filter(|_| next(&mut jitter).is_some()).count();
    assert!((8..=20).contains(&frames), "{frames}");
    jitter.push(900_000, Codec::Pcma, &packet(2_000));
    let heard: Vec<_> = (0..3).map(|_| next(&mut jitter)).collect();
    assert_eq!(heard, [None, None, Some(level(2_000))]);
}

#[test]
fn packets_that_keep_coming_late_make_the_wait_longer_and_early_ones_shorter_again() {
    let mut jitter = Jitter::new();
    let push = |jitter: &mut Jitter, nth: u64| jitter.push(5_000 + nth * 160, Codec::Pcma, &packet(1_000));
    push(&mut jitter, 0);
    // From here on each packet is 100 ms late.
    for tick in 0..300 {
        jitter.pull();
        if tick >= 5 {
            push(&mut jitter, tick - 4);
        }
    }
    assert!(jitter.wait > FIRST_WAIT && jitter.wait <= 6, "{}", jitter.wait);
    let late = jitter.wait;
    let spoke = (300..400).filter(|tick| {
        push(&mut jitter, tick - 4);
        next(&mut jitter).is_some()
    });
    assert_eq!(spoke.count(), 100, "no gap is heard any more");
    // And now in time: five packets come at once, then one by one.
    for nth in 396..401 {
        push(&mut jitter, nth);
    }
    for tick in 401..2_400 {
        push(&mut jitter, tick);
        jitter.pull();
    }
    assert!(jitter.wait < late, "{} after {late}", jitter.wait);
}

#[test]
fn wild_times_do_not_break_it() {
    let mut jitter = Jitter::new();
    for time in [0, 1 << 40, 3, 1 << 33, 5_000, 4_999, 1 << 62] {
        jitter.push(time, Codec::Pcmu, &packet(700));
        jitter.push_noise(time + 160, &[60]);
        next(&mut jitter);
    }
}

#[test]
fn a_tone_comes_through_every_codec_with_loss_reorder_and_jitter() {
    for codec in Codec::ALL {
        let packets = tone(codec, 440.0, 200);
        let clean = hear(codec, &packets, Some);
        for percent in [0, 5, 10, 20] {
            // Each nth packet is lost, the one behind it comes 40 ms late, and every third is doubled by its turn.
            let hit = |nth: usize| percent > 0 && nth * 7 % 100 < percent;
            let heard = hear(codec, &packets, |nth| match nth {
                nth if hit(nth) => None,
                nth if nth > 0 && hit(nth - 1) => Some(nth + 2),
                nth => Some(nth),
            });
            let (heard, clean) = (&heard[40 * FRAME..180 * FRAME], &clean[40 * FRAME..180 * FRAME]);
            let gain = 10.0 * (power(heard) / power(clean)).log10();
            let pitch = share_by_windows(heard, 440.0);
            // A speech codec that predicts takes a while to find the tone again.
            let most = if codec == Codec::G729 { 9.0 } else { 3.0 };
            assert!(gain.abs() < most, "{codec:?} {percent} %: {gain} dB");
            let least = if percent == 0 { 0.85 } else { 0.6 };
            assert!(pitch > least, "{codec:?} {percent} %: {pitch}");
        }
    }
}

#[test]
fn packets_of_10_to_60_ms_are_heard_alike() {
    let whole: Vec<u8> = tone(Codec::Pcma, 440.0, 120).concat();
    for millis in [10, 20, 30, 40, 50, 60] {
        let mut jitter = Jitter::new();
        let (mut heard, mut sent) = (Vec::new(), 0);
        for tick in 1..=110 {
            while sent + millis * 8 <= tick * FRAME {
                jitter.push(5_000 + sent as u64, Codec::Pcma, &whole[sent..sent + millis * 8]);
                sent += millis * 8;
            }
            jitter.pull();
            heard.extend(jitter.frame().unwrap_or(&[0; FRAME]));
        }
        assert!(
            share(&heard[30 * FRAME..], 440.0) > 0.99,
            "{millis} ms: {}",
            share(&heard[30 * FRAME..], 440.0)
        );
    }
}

#[test]
fn comfort_noise_is_heard_until_the_talker_speaks_again() {
    let mut jitter = Jitter::new();
    jitter.push(5_000, Codec::Pcma, &packet(9_000));
    jitter.push_noise(5_160, &[40]);
    for _ in 0..3 {
        jitter.pull();
    }
    let mut noise = Vec::new();
    for _ in 0..15 {
        jitter.pull();
        assert!(jitter.noise().is_some());
        noise.extend(jitter.frame().unwrap());
    }
    let level = 10.0 * (power(&noise) / 32_768f64.powi(2)).log10();
    assert!((-43.0..-37.0).contains(&level), "{level} dBov");
    jitter.push(5_000 + 19 * 160, Codec::Pcma, &packet(9_000));
    let noise = |jitter: &mut Jitter| {
        jitter.pull();
        jitter.noise().is_some()
    };
    let heard: Vec<_> = (0..5).map(|_| noise(&mut jitter)).collect();
    assert!(heard.contains(&false), "speech ends the noise: {heard:?}");
}
