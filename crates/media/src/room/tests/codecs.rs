//! Speech through every pair of codecs and every kind of bridge, with a network that loses, doubles, delays and
//! reorders, checked by measurement.

use super::*;
use crate::codec::tests::{power, share, share_by_windows};
use crate::codec::{Decoder, Encoder, FRAME, LONGEST, ticks_per_sample};

/// A peer that says a tone in its codec.
pub(super) struct Voice {
    talker: Talker,
    codec: Codec,
    encoder: Encoder,
    sound: Sound,
    said: usize,
}

enum Sound {
    /// Hz.
    Tone(f64),
    /// Silence follows it.
    Speech(Vec<i16>),
}

impl Voice {
    pub fn new(talker: Talker, codec: Codec, hz: f64) -> Voice {
        Voice { talker, codec, encoder: Encoder::new(codec), sound: Sound::Tone(hz), said: 0 }
    }

    pub fn saying(talker: Talker, codec: Codec, samples: Vec<i16>) -> Voice {
        Voice { talker, codec, encoder: Encoder::new(codec), sound: Sound::Speech(samples), said: 0 }
    }

    fn datagram(&mut self) -> Vec<u8> {
        let frame = std::array::from_fn(|n| match &self.sound {
            Sound::Tone(hz) => {
                let step = 2.0 * std::f64::consts::PI * hz / 8_000.0;
                (8_000.0 * (step * (self.said + n) as f64).sin()) as i16
            }
            Sound::Speech(samples) => samples.get(self.said + n).copied().unwrap_or_default(),
        });
        self.said += FRAME;
        let mut payload = [0; LONGEST];
        let length = self.encoder.encode(&frame, &mut payload);
        let ticks = ticks_per_sample(self.codec.clock_rate());
        let datagram = self.talker.datagram(&payload[..length]);
        self.talker.timestamp = self.talker.timestamp.wrapping_sub(160).wrapping_add(160 * ticks);
        datagram
    }
}

/// What happens to packets on their way.
#[derive(Clone, Copy)]
pub(super) struct Weather {
    /// The share of packets that are lost, that are doubled, and that come 40 ms late, in percent each.
    pub percent: u64,
}

/// Lets the voices speak for `frames` packets through the weather, each to the room at its time.
pub(super) fn speak(world: &mut World, voices: &mut [Voice], frames: usize, weather: Weather) {
    let mut late: Vec<(usize, PortIndex, SocketAddr, Vec<u8>)> = Vec::new();
    let mut dice = 0x9e37_79b9_7f4a_7c15u64;
    let mut roll = move || {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % 100
    };
    for frame in 0..frames {
        for voice in voices.iter_mut() {
            let (port, source) = (voice.talker.port, voice.talker.source);
            let datagram = voice.datagram();
            if roll() < weather.percent {
                continue;
            }
            if roll() < weather.percent {
                late.push((frame + 2, port, source, datagram));
                continue;
            }
            if roll() < weather.percent {
                world.came(port, source, datagram.clone());
            }
            world.came(port, source, datagram);
        }
        late.retain(|(due, port, source, datagram)| {
            let waits = *due > frame;
            if !waits {
                world.came(*port, *source, datagram.clone());
            }
            waits
        });
        world.pass(FRAME_TIME);
    }
}

/// What the listener at `port` hears, placed by its packets' timestamps.
pub(super) fn heard(world: &World, port: PortIndex, codec: Codec) -> Vec<i16> {
    let mut packets: Vec<&Sent> = world
        .sunk
        .rtp
        .iter()
        .filter(|sent| sent.port == port && sent.header.payload_type == codec.payload_type())
        .collect();
    let first = packets[0].header;
    let ticks = ticks_per_sample(codec.clock_rate());
    packets.sort_by_key(|sent| sent.header.sequence.wrapping_sub(first.sequence).cast_signed());
    let mut decoder = Decoder::new(codec);
    let mut out: Vec<i16> = Vec::new();
    let mut last = None;
    for sent in packets {
        if last == Some(sent.header.sequence) {
            continue;
        }
        last = Some(sent.header.sequence);
        let at = sent.header.timestamp.wrapping_sub(first.timestamp).cast_signed() / ticks.cast_signed();
        let mut frame = Vec::new();
        decoder.decode(&sent.payload, &mut frame);
        let Ok(at) = usize::try_from(at) else { continue };
        out.resize(out.len().max(at + frame.len()), 0);
        out[at..at + frame.len()].copy_from_slice(&frame);
    }
    out
}

#[test]
fn a_tone_comes_through_every_pair_of_codecs_in_every_weather() {
    for from in Codec::ALL {
        for to in Codec::ALL {
            for percent in [0, 5, 20] {
                let (mut world, caller, agent) = World::bridged(from, to);
                let mut voices = [Voice::new(caller, from, 440.0), Voice::new(agent, to, 1_000.0)];
                speak(&mut world, &mut voices, 150, Weather { percent });
                for (port, codec, hz) in [(1, to, 440.0), (0, from, 1_000.0)] {
                    let heard = heard(&world, PortIndex(port), codec);
                    let middle = &heard[25 * FRAME..140 * FRAME];
                    let amplitude = (2.0 * power(middle) * share_by_windows(middle, hz)).sqrt();
                    // What is relayed has the network's holes; what is decoded is mended.
                    let least = match percent {
                        0 => 6_000.0,
                        5 => 3_500.0,
                        _ => 1_800.0,
                    };
                    assert!(
                        (least..11_000.0).contains(&amplitude),
                        "{from:?} to {to:?}, {percent} %, towards {codec:?}: {amplitude}"
                    );
                    let strange = (2.0 * power(middle) * share_by_windows(middle, 2_000.0)).sqrt();
                    assert!(strange < 900.0, "{from:?} to {to:?}, {percent} %: {strange} at 2 kHz");
                }
            }
        }
    }
}

#[test]
fn legs_that_share_a_codec_are_relayed_byte_by_byte_at_once() {
    for codec in Codec::ALL {
        let (mut world, caller, _) = World::bridged(codec, codec);
        let mut voice = Voice::new(caller, codec, 440.0);
        for _ in 0..20 {
            let datagram = voice.datagram();
            let sent = world.came(voice.talker.port, voice.talker.source, datagram.clone());
            assert_eq!(sent.len(), 1, "{codec:?}");
            assert_eq!(sent[0].payload, datagram[HEADER..], "{codec:?}");
            assert!(world.pass(FRAME_TIME).is_empty(), "nothing is decoded");
        }
    }
}

#[test]
fn transcoding_delays_by_the_wait_alone() {
    for (from, to) in [(Codec::Pcma, Codec::Opus), (Codec::Opus, Codec::G729), (Codec::G722, Codec::Pcmu)] {
        let (mut world, caller, _) = World::bridged(from, to);
        let mut voice = [Voice::new(caller, from, 440.0)];
        let began = world.now;
        speak(&mut world, &mut voice, 30, Weather { percent: 0 });
        let first = world.sunk.rtp.iter().find(|sent| sent.port == PortIndex(1)).unwrap();
        let delay = first.at.since(began);
        assert!(delay <= Duration::from_millis(80), "{from:?} to {to:?}: {delay:?}");
    }
}

#[test]
fn timestamps_and_numbers_of_a_transcoded_stream_go_on_by_its_own_clock() {
    for to in [Codec::Opus, Codec::G729, Codec::G722] {
        let (mut world, caller, _) = World::bridged(Codec::Pcma, to);
        let mut voice = [Voice::new(caller, Codec::Pcma, 440.0)];
        speak(&mut world, &mut voice, 60, Weather { percent: 0 });
        let sent: Vec<&Sent> = world.sunk.rtp.iter().filter(|sent| sent.port == PortIndex(1)).collect();
        let ticks = ticks_per_sample(to.clock_rate());
        for two in sent.windows(2) {
            let (one, next) = (two[0].header, two[1].header);
            assert_eq!(next.sequence, one.sequence.wrapping_add(1));
            assert_eq!(next.timestamp, one.timestamp.wrapping_add(160 * ticks), "{to:?}");
            assert_eq!(next.ssrc, one.ssrc);
        }
        assert!(sent.len() > 50);
    }
}

#[test]
fn prompts_are_heard_in_every_codec_and_the_talk_after_them() {
    let tone: Vec<i16> = (0..50 * FRAME)
        .map(|n| (8_000.0 * (2.0 * std::f64::consts::PI * 440.0 * n as f64 / 8e3).sin()) as i16)
        .collect();
    for codec in Codec::ALL {
        for made in [Clip::from_samples(&tone), Clip::from_samples(&tone).encoded_for(&[codec])] {
            let (mut world, _, agent) = World::bridged(codec, Codec::Pcma);
            world.play(CALLER, 1, &[Arc::new(made)], PlayMode::Once);
            world.pass(Duration::from_secs(1));
            let mut voice = [Voice::new(agent, Codec::Pcma, 1_000.0)];
            speak(&mut world, &mut voice, 60, Weather { percent: 0 });
            let heard = heard(&world, PortIndex(0), codec);
            assert!(share(&heard[10 * FRAME..45 * FRAME], 440.0) > 0.8, "{codec:?}: the prompt");
            let end = heard.len();
            assert!(share(&heard[end - 35 * FRAME..end - 5 * FRAME], 1_000.0) > 0.8, "{codec:?}: the talk");
        }
    }
}

#[test]
fn a_conference_of_all_codecs_hears_everybody_and_encodes_once_for_those_who_are_silent() {
    let mut world = World::new();
    let mut talkers: Vec<(Codec, Talker)> = Vec::new();
    for raw in 1..=10u64 {
        let codec = Codec::ALL[raw as usize % 5];
        talkers.push((codec, world.join(raw, PHONE, &format!("10.0.0.{raw}:4000"), codec)));
    }
    let pairs: Vec<(u64, u64)> =
        (1..=10).flat_map(|a| (1..=10).filter(move |b| *b != a).map(move |b| (a, b))).collect();
    world.hear(&pairs);
    let mut voices: Vec<Voice> = [0usize, 4]
        .into_iter()
        .zip([440.0, 1_000.0])
        .map(|(at, hz)| Voice::new(talkers[at].1.clone(), talkers[at].0, hz))
        .collect();
    speak(&mut world, &mut voices, 60, Weather { percent: 0 });
    for (place, (codec, _)) in talkers.iter().enumerate() {
        let heard = heard(&world, PortIndex(place as u16), *codec);
        let middle = &heard[20 * FRAME..50 * FRAME];
        let (one, other) = (share(middle, 440.0), share(middle, 1_000.0));
        match place {
            0 => assert!(one < 0.1 && other > 0.8, "{codec:?}: {one} {other}"),
            4 => assert!(one > 0.8 && other < 0.1, "{codec:?}: {one} {other}"),
            _ => assert!(one > 0.2 && other > 0.2, "{place} {codec:?}: {one} {other}"),
        }
    }
    // The ninth and the fourth say nothing in the same codec: they get the same bytes.
    let of = |port: u16| -> Vec<Vec<u8>> {
        let sent = world.sunk.rtp.iter().filter(|sent| sent.port == PortIndex(port));
        sent.map(|sent| sent.payload.clone()).collect()
    };
    assert_eq!(talkers[3].0, talkers[8].0);
    assert_eq!(of(3), of(8));
}

#[test]
fn a_gateway_that_falls_back_to_a_law_in_mid_call_is_heard() {
    let (mut world, caller, _) = World::bridged(Codec::G729, Codec::G729);
    let mut voice = Voice::new(caller, Codec::G729, 440.0);
    for _ in 0..20 {
        let datagram = voice.datagram();
        world.came(voice.talker.port, voice.talker.source, datagram);
        world.pass(FRAME_TIME);
    }
    let mut law = Voice::new(Talker { payload_type: 8, ..voice.talker.clone() }, Codec::Pcma, 1_000.0);
    speak(&mut world, std::slice::from_mut(&mut law), 60, Weather { percent: 0 });
    let heard = heard(&world, PortIndex(1), Codec::G729);
    let end = heard.len();
    assert!(share(&heard[end - 30 * FRAME..end - 5 * FRAME], 1_000.0) > 0.7);
}

#[test]
fn packets_of_10_to_60_ms_are_bridged_between_laws_and_codecs() {
    for (to, millis) in [Codec::Pcma, Codec::Pcmu, Codec::Opus]
        .into_iter()
        .flat_map(|to| [10usize, 20, 30, 40, 50, 60].map(|millis| (to, millis)))
    {
        let (mut world, mut caller, _) = World::bridged(Codec::Pcma, to);
        let mut said = 0usize;
        for _ in 0..3_000 / millis {
            let payload: Vec<u8> = (said..said + millis * 8)
                .map(|n| {
                    let angle = 2.0 * std::f64::consts::PI * 440.0 * n as f64 / 8e3;
                    g711::encode(Law::Pcma, (8_000.0 * angle.sin()) as i16)
                })
                .collect();
            said += millis * 8;
            let datagram = caller.datagram(&payload);
            caller.timestamp = caller.timestamp.wrapping_sub(160).wrapping_add(millis as u32 * 8);
            world.came(caller.port, caller.source, datagram);
            world.pass(Duration::from_millis(millis as u64));
        }
        let heard = heard(&world, PortIndex(1), to);
        let middle = &heard[50 * FRAME..130 * FRAME];
        assert!(share(middle, 440.0) > 0.85, "{millis} ms to {to:?}: {}", share(middle, 440.0));
    }
}
