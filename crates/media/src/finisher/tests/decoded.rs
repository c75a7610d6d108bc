//! Legs whose codec has a state, and is decoded for the file.

use super::*;

/// Packets of a talker in a codec with a state, in their order.
fn coded(leg: u64, codec: Codec, hz: f64, packets: u64) -> Vec<Sent> {
    let mut encoder = crate::codec::Encoder::new(codec);
    (0..packets)
        .map(|nth| {
            let frame = std::array::from_fn(|n| voice(hz, nth * 160 + n as u64));
            let mut payload = [0; crate::codec::LONGEST];
            let length = encoder.encode(&frame, &mut payload);
            let payload = payload[..length].to_vec();
            Sent { leg, arrives_us: (nth + 1) * 20_000, media_time: nth * 160, codec, payload }
        })
        .collect()
}

#[test]
fn legs_of_every_codec_become_pcm_in_which_both_tones_stand_alone() {
    for codec in [Codec::G722, Codec::G729, Codec::Opus] {
        let mut sent = coded(CALLER, codec, 440.0, 300);
        // Pairs arrive in the wrong order, as networks do it.
        for pair in sent.chunks_mut(2) {
            if let [one, other] = pair {
                std::mem::swap(&mut one.arrives_us, &mut other.arrives_us);
            }
        }
        sent.extend((0..300).map(|nth| speech(AGENT, Codec::Pcma, nth, 660.0)));
        sent.sort_by_key(|packet| packet.arrives_us);
        let wav = finish(&mut record(sent, &[], Some(6_000)));
        assert_eq!((wav.format, wav.millis), (Format::Pcm16, 6_000), "{codec:?}");
        let [left, right] = wav.channels();
        let (own, other) = (level(&left[8_000..47_000], 440.0), level(&left[8_000..47_000], 660.0));
        assert!(own > 5_000.0 && other < 600.0, "{codec:?}: {own} {other}");
        assert!(level(&right, 660.0) > 7_800.0);
    }
}

#[test]
fn a_lost_packet_of_a_codec_that_is_decoded_is_made_up_for_and_a_pause_stays_one() {
    for codec in [Codec::G722, Codec::G729, Codec::Opus] {
        let mut nth = 0;
        let mut sent = coded(CALLER, codec, 200.0, 300);
        sent.retain(|_| {
            nth += 1;
            nth % 10 != 0 && !(150..=175).contains(&nth)
        });
        let wav = finish(&mut record(sent, &[], Some(6_000)));
        let [left, _] = wav.channels();
        let weakest = |range: std::ops::Range<usize>| {
            let levels = left[range].chunks_exact(160).map(|part| level(part, 200.0));
            levels.fold(f64::INFINITY, f64::min)
        };
        let (before, after) = (weakest(1_600..149 * 160), weakest(180 * 160..298 * 160));
        // Opus makes up for a loss by itself, and softly.
        let least = if codec == Codec::Opus { 800.0 } else { 2_500.0 };
        assert!(before > least && after > least, "{codec:?}: {before} {after}");
        let pause = level(&left[153 * 160..172 * 160], 200.0);
        assert!(pause < 10.0, "{codec:?}: {pause} in the pause");
    }
}
