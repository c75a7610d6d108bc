//! One outgoing stream per port, whatever happens: one SSRC, each number once, media time that never goes back and
//! keeps to real time.

use model::say::Key;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// The agent speaks for so many packets.
    Speak(u8),
    /// A packet of the agent's is lost.
    Lose,
    /// Two packets of the agent's come in the wrong order, the later one twice.
    Swap,
    /// The agent's gateway begins a new stream.
    NewStream(u32, u16, u32),
    /// The agent's gateway sets its clock anew.
    Jump(u32),
    /// Nothing comes for so many frames.
    Quiet(u8),
    Play(u8, PlayMode),
    Stop,
    Hold,
    Resume,
    /// The caller hears the agent, or another leg, or nobody.
    Hear(u8),
    Press(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1u8..20).prop_map(Step::Speak),
        1 => Just(Step::Lose),
        1 => Just(Step::Swap),
        1 => (any::<u32>(), any::<u16>(), any::<u32>()).prop_map(|(s, n, t)| Step::NewStream(s, n, t)),
        1 => any::<u32>().prop_map(Step::Jump),
        1 => (1u8..100).prop_map(Step::Quiet),
        2 => (0u8..20, prop_oneof![Just(PlayMode::Once), Just(PlayMode::Looped)])
            .prop_map(|(frames, mode)| Step::Play(frames, mode)),
        1 => Just(Step::Stop),
        1 => Just(Step::Hold),
        1 => Just(Step::Resume),
        2 => (0u8..4).prop_map(Step::Hear),
        1 => (0u8..16).prop_map(Step::Press),
    ]
}

fn run(steps: &[Step]) -> Vec<Sent> {
    let (mut world, _, mut agent) = World::bridged(Codec::Pcma, Codec::Pcmu);
    let mut third = world.join(3, PHONE, "10.0.0.3:4000", Codec::Pcma);
    let mut plays = 0;
    for step in steps {
        match step {
            Step::Speak(packets) => {
                for _ in 0..*packets {
                    world.says(&mut agent, 1_000);
                    world.says(&mut third, 2_000);
                    world.pass(FRAME_TIME);
                }
            }
            Step::Lose => {
                agent.datagram(&[0; 160]);
                third.datagram(&[0; 160]);
                world.pass(FRAME_TIME);
            }
            Step::Swap => {
                let (first, second) = (agent.datagram(&[0xff; 160]), agent.datagram(&[0xff; 160]));
                for datagram in [second.clone(), first, second] {
                    world.came(agent.port, agent.source, datagram);
                }
                world.pass(FRAME_TIME * 2);
                third.datagram(&[0; 160]);
                third.datagram(&[0; 160]);
            }
            Step::NewStream(ssrc, sequence, timestamp) => {
                (agent.ssrc, agent.sequence, agent.timestamp) = (*ssrc, *sequence, *timestamp);
            }
            Step::Jump(timestamp) => agent.timestamp = *timestamp,
            Step::Quiet(frames) => {
                let time = FRAME_TIME * u32::from(*frames);
                // Talkers' clocks go on while they are quiet.
                for talker in [&mut agent, &mut third] {
                    talker.timestamp = talker.timestamp.wrapping_add(160 * u32::from(*frames));
                }
                world.pass(time);
            }
            Step::Play(frames, mode) => {
                plays += 1;
                world.play(CALLER, plays, &[clip(usize::from(*frames), 500)], *mode);
            }
            Step::Stop => world.room.stop_play(leg(CALLER), PlayId::from(plays), &mut world.sunk),
            Step::Hold => {
                let hold = Negotiated {
                    direction: Direction::Inactive,
                    on_hold: true,
                    ..agreed("10.0.0.1:4000", Codec::Pcma)
                };
                world.room.describe(world.now, leg(CALLER), hold);
            }
            Step::Resume => {
                world.room.describe(world.now, leg(CALLER), agreed("10.0.0.1:4000", Codec::Pcma));
            }
            Step::Hear(who) => match who {
                0 => world.hear(&[]),
                1 => world.hear(&[(AGENT, CALLER)]),
                2 => world.hear(&[(3, CALLER)]),
                _ => world.hear(&[(AGENT, CALLER), (3, CALLER)]),
            },
            Step::Press(code) => {
                world.room.send_digit(world.now, leg(CALLER), Key::from_event(*code).unwrap(), 60);
            }
        }
    }
    world.sunk.rtp.retain(|packet| packet.to == address("10.0.0.1:4000"));
    world.sunk.rtp
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn numbers_are_unique_and_time_never_goes_back(steps in proptest::collection::vec(step(), 1..60)) {
        let log = run(&steps);
        let Some(first) = log.first() else { return Ok(()) };
        let relative = |packet: &Sent| {
            let sequence = packet.header.sequence.wrapping_sub(first.header.sequence).cast_signed();
            let time = packet.header.timestamp.wrapping_sub(first.header.timestamp).cast_signed();
            (sequence, time)
        };
        let mut ordered: Vec<(i16, i32)> = log.iter().map(relative).collect();
        ordered.sort_unstable();
        for pair in ordered.windows(2) {
            prop_assert!(pair[0].0 < pair[1].0, "a number was used twice: {:?}", pair);
            prop_assert!(pair[0].1 <= pair[1].1, "media time went back: {:?}", pair);
        }
        for packet in &log {
            prop_assert_eq!(packet.header.ssrc, first.header.ssrc);
            let real = i64::try_from(packet.at.since(first.at).as_micros()).unwrap() / 125;
            let media = i64::from(relative(packet).1);
            prop_assert!((media - real).abs() < 8_000, "media time {media} at real time {real}");
        }
    }
}

#[test]
fn a_hold_with_music_and_its_end_are_one_stream() {
    let (mut world, _, mut agent) = World::bridged(Codec::Pcma, Codec::Pcma);
    let mut sent = Vec::new();
    for round in 0..3 {
        for _ in 0..10 {
            sent.extend(world.says(&mut agent, 1_000));
            sent.extend(world.pass(FRAME_TIME));
        }
        world.play(CALLER, round, &[clip(3, 700)], PlayMode::Looped);
        agent.timestamp = agent.timestamp.wrapping_add(50 * 160);
        sent.extend(world.pass(FRAME_TIME * 50));
        world.room.stop_play(leg(CALLER), PlayId::from(round), &mut world.sunk);
    }
    assert!(sent.len() >= 3 * 60, "{}", sent.len());
    let markers = sent.iter().filter(|packet| packet.header.marker).count();
    assert_eq!(markers, 6, "each change of source begins with a marker");
    for pair in sent.windows(2) {
        assert_eq!(pair[1].header.sequence, pair[0].header.sequence.wrapping_add(1));
        let step = pair[1].header.timestamp.wrapping_sub(pair[0].header.timestamp);
        assert!((160..=320).contains(&step), "{step}");
    }
}
