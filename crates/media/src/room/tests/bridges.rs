//! Every kind of bridge between every pair of codecs, with a network that loses, doubles and delays: who hears whom is
//! measured by tones, how well and how late by speech.

use super::codecs::{Voice, Weather, heard, speak};
use super::*;
use crate::codec::FRAME;
use crate::codec::tests::{power, share_by_windows};

const CALLER_HZ: f64 = 440.0;
const AGENT_HZ: f64 = 1_000.0;
const THIRD_HZ: f64 = 2_000.0;
const THIRD: u64 = 3;

/// A third one in the room: a supervisor, a colleague, a participant.
fn third(world: &mut World, codec: Codec) -> Voice {
    let talker = world.join(THIRD, PHONE, "10.0.0.3:6000", codec);
    Voice::new(talker, codec, THIRD_HZ)
}

/// The amplitude of each tone in the last of what a port heard.
fn tones(world: &World, port: u16, codec: Codec) -> [f64; 3] {
    let heard = heard(world, PortIndex(port), codec);
    let end = &heard[heard.len() - 45 * FRAME..heard.len() - 5 * FRAME];
    [CALLER_HZ, AGENT_HZ, THIRD_HZ].map(|hz| (2.0 * power(end) * share_by_windows(end, hz)).sqrt())
}

/// A kind of bridge: what is done in a room with caller and agent, and who hears which of (caller, agent, third) then.
struct Kind {
    name: &'static str,
    begin: fn(&mut World, &mut Vec<Voice>, Codec),
    caller: [bool; 3],
    agent: [bool; 3],
}

const KINDS: [Kind; 5] = [
    Kind {
        name: "hold and resume",
        begin: |world, voices, _| {
            world.hear(&[]);
            world.play(AGENT, 5, &[clip(50, 2_000)], PlayMode::Looped);
            speak(world, &mut voices[..1], 20, Weather { percent: 0 });
            world.room.stop_play(leg(AGENT), PlayId::from(5), &mut world.sunk);
            world.hear(&[(CALLER, AGENT), (AGENT, CALLER)]);
        },
        caller: [false, true, false],
        agent: [true, false, false],
    },
    Kind {
        name: "whisper",
        begin: |world, voices, codec| {
            voices.push(third(world, codec));
            world.hear(&[(CALLER, AGENT), (AGENT, CALLER), (CALLER, THIRD), (AGENT, THIRD), (THIRD, AGENT)]);
        },
        caller: [false, true, false],
        agent: [true, false, true],
    },
    Kind {
        name: "listen",
        begin: |world, voices, codec| {
            voices.push(third(world, codec));
            world.hear(&[(CALLER, AGENT), (AGENT, CALLER), (CALLER, THIRD), (AGENT, THIRD)]);
        },
        caller: [false, true, false],
        agent: [true, false, false],
    },
    Kind {
        name: "barge, or a conference of three",
        begin: |world, voices, codec| {
            voices.push(third(world, codec));
            let all = [CALLER, AGENT, THIRD];
            let pairs: Vec<_> =
                all.iter().flat_map(|a| all.iter().filter(move |b| *b != a).map(move |b| (*a, *b))).collect();
            world.hear(&pairs);
        },
        caller: [false, true, true],
        agent: [true, false, true],
    },
    Kind {
        name: "transfer to a port of another room",
        begin: |world, voices, codec| {
            let mut other = Room::new(CallId::from(8));
            other.open(world.now, leg(THIRD), PHONE, 77);
            other.describe(world.now, leg(THIRD), agreed("10.0.0.3:6000", codec));
            let passenger = other.let_go(world.now, leg(THIRD), &mut world.sunk).expect("it is there");
            // The agent stays for the ears of the test, and hears nobody any more.
            let port = world.room.take_in(world.now, passenger);
            let talker = Talker {
                port,
                source: address("10.0.0.3:6000"),
                ssrc: 0x3333,
                sequence: 9,
                timestamp: 70_000,
                payload_type: codec.payload_type(),
            };
            voices.push(Voice::new(talker, codec, THIRD_HZ));
            world.hear(&[(CALLER, THIRD), (THIRD, CALLER)]);
        },
        caller: [false, false, true],
        agent: [false, false, false],
    },
];

#[test]
fn every_kind_of_bridge_carries_the_right_tones_between_every_pair_of_codecs_in_every_weather() {
    let weathers = [0, 10, 20];
    let mut nth = 0;
    let mut wrong = Vec::new();
    for from in Codec::ALL {
        for to in Codec::ALL {
            for kind in &KINDS {
                let percent = weathers[nth % weathers.len()];
                nth += 1;
                let (mut world, caller, agent) = World::bridged(from, to);
                let mut voices = vec![Voice::new(caller, from, CALLER_HZ), Voice::new(agent, to, AGENT_HZ)];
                speak(&mut world, &mut voices, 10, Weather { percent });
                (kind.begin)(&mut world, &mut voices, from);
                if !kind.agent.contains(&true) {
                    world.sunk.rtp.clear();
                }
                speak(&mut world, &mut voices, 75, Weather { percent });
                let least = match percent {
                    0 => 4_000.0,
                    10 => 1_800.0,
                    _ => 1_200.0,
                };
                for (port, codec, wanted) in [(0, from, kind.caller), (1, to, kind.agent)] {
                    let who = format!("{}: {from:?} and {to:?}, {percent} %, port {port}", kind.name);
                    if !wanted.contains(&true) {
                        let any = world.sunk.rtp.iter().any(|sent| sent.port == PortIndex(port));
                        assert!(!any, "{who} hears something");
                        continue;
                    }
                    let tones = tones(&world, port, codec);
                    for (tone, wanted) in tones.into_iter().zip(wanted) {
                        // A tone is not what G.729 is made for, still less two at once.
                        let least = if [from, to].contains(&Codec::G729) { least * 0.6 } else { least };
                        let fine = if wanted { tone > least } else { tone < 600.0 };
                        if !fine {
                            wrong.push(format!("{who}: {tones:.0?}, wanted {wanted:?}"));
                        }
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What somebody says: a sentence of the built-in prompts, whose loudness goes up and down.
fn sentence() -> Vec<i16> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../prompts/zh-CN/ivr_timeout.wav");
    let file = std::fs::read(path).expect("a prompt");
    let samples = hound::WavReader::new(&*file).expect("a WAV file").into_samples();
    let mut samples: Vec<i16> = samples.map(|sample| sample.expect("a sample")).collect();
    samples.truncate(150 * FRAME);
    samples
}

/// How alike the loudness of two sounds is, each 10 ms, with the second so much later: −1 to 1.
fn alike(said: &[i16], heard: &[i16], later: usize) -> f64 {
    let level = |samples: &[i16]| -> Vec<f64> {
        samples.chunks_exact(80).map(|window| (power(window) + 100.0).log10()).collect()
    };
    let (said, heard) = (level(said), level(heard.get(later..).unwrap_or_default()));
    let count = said.len().min(heard.len());
    let (said, heard) = (&said[..count], &heard[..count]);
    let mean = |of: &[f64]| of.iter().sum::<f64>() / count as f64;
    let (a, b) = (mean(said), mean(heard));
    let dot = |x: &[f64], m: f64, y: &[f64], n: f64| -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - m) * (y - n)).sum()
    };
    dot(said, a, heard, b) / (dot(said, a, said, a) * dot(heard, b, heard, b)).sqrt()
}

#[test]
fn speech_is_heard_as_it_was_said_and_no_later_than_the_wait_between_every_pair_of_codecs() {
    let said = sentence();
    for from in Codec::ALL {
        for to in Codec::ALL {
            let (mut world, caller, _) = World::bridged(from, to);
            let began = world.now;
            let mut voice = [Voice::saying(caller, from, said.clone())];
            speak(&mut world, &mut voice, said.len() / FRAME, Weather { percent: 2 });
            let first = world.sunk.rtp.iter().find(|sent| sent.port == PortIndex(1)).expect("it is heard");
            let waited = (first.at.since(began).as_secs_f64() * 8_000.0) as usize;
            let heard = heard(&world, PortIndex(1), to);
            // A codec looks back and ahead by a few milliseconds; a decoder waits 40.
            let (likeness, delay) = (0..=800)
                .step_by(80)
                .map(|later| (alike(&said, &heard, later), later + waited))
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .expect("some delay");
            assert!(likeness > 0.85, "{from:?} to {to:?}: {likeness}");
            let most = if from == to { 20 } else { 100 };
            assert!(delay <= most * 8, "{from:?} to {to:?}: {} ms", delay / 8);
        }
    }
}

#[test]
fn a_conference_of_64_with_three_who_speak_encodes_once_for_all_others_of_a_codec() {
    let mut world = World::new();
    let mut voices = Vec::new();
    for raw in 1..=64u64 {
        let codec = [Codec::Pcma, Codec::G722, Codec::Opus][raw as usize % 3];
        let talker = world.join(raw, PHONE, &format!("10.0.1.{raw}:4000"), codec);
        if raw <= 3 {
            voices.push(Voice::new(talker, codec, [CALLER_HZ, AGENT_HZ, THIRD_HZ][raw as usize - 1]));
        }
    }
    let pairs: Vec<(u64, u64)> =
        (1..=64).flat_map(|a| (1..=64).filter(move |b| *b != a).map(move |b| (a, b))).collect();
    world.hear(&pairs);
    speak(&mut world, &mut voices, 20, Weather { percent: 0 });
    let before = (world.sunk.rtp.len(), crate::codec::encodings());
    speak(&mut world, &mut voices, 50, Weather { percent: 0 });
    let own = 3 * 50;
    let made = crate::codec::encodings() - before.1 - own;
    // 64 packets each 20 ms: three for those who speak, and one for each of three codecs that 61 others share.
    let sent = world.sunk.rtp.len() - before.0;
    assert!((64 * 49..=64 * 51).contains(&sent), "{sent} packets");
    assert!((6 * 49..=6 * 51).contains(&made), "{made} encodings in 50 ticks");
}
