//! Bytes from the network, whatever they are.

use model::say::Key;

use super::*;

#[test]
fn no_datagrams_to_any_port_break_a_room() {
    let mut dice = 0x5eed_0042_1357_9bdfu64;
    let mut roll = || {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice
    };
    for _ in 0..20 {
        let (mut world, caller, agent) = World::bridged(Codec::Pcma, Codec::Pcmu);
        let third = world.join(3, PHONE, "10.0.0.3:4000", Codec::Pcmu);
        world.hear(&[(CALLER, AGENT), (AGENT, CALLER), (3, CALLER), (CALLER, 3)]);
        world.room.record(RecordingId::from(1), leg(CALLER), &[leg(AGENT), leg(3)]);
        for _ in 0..5_000 {
            let talker = [&caller, &agent, &third][roll() as usize % 3];
            let length = [0, 3, 12, 16, 40, 172, 1_500][roll() as usize % 7];
            let mut datagram: Vec<u8> = (0..length).map(|_| roll() as u8).collect();
            if let [first, second, ..] = &mut datagram[..] {
                *first = *first & 0x3f | 0x80;
                *second = [0, 8, 101, 0x80 | 8, 200, 201, 203][roll() as usize % 7];
            }
            let channel = if roll() % 4 == 0 { Channel::Rtcp } else { Channel::Rtp };
            let port = (talker.port, channel);
            world.room.forward(world.now, port, talker.source, &mut datagram, &mut world.sunk);
            match roll() % 100 {
                0 => world.room.send_digit(world.now, leg(AGENT), Key::from_event(3).unwrap(), 100),
                1 => world.play(CALLER, 1, &[clip(3, 100)], PlayMode::Looped),
                2 => world.room.stop_play(leg(CALLER), PlayId::from(1), &mut world.sunk),
                _ => {}
            }
            world.pass(Duration::from_micros(roll() % 40_000));
            world.sunk.rtp.clear();
            world.sunk.kept.clear();
        }
        world.room.close_all(world.now, &mut world.sunk);
        assert!(world.room.is_empty());
    }
}

#[test]
fn a_port_that_is_not_there_takes_nothing() {
    let (mut world, caller, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    for port in [7, u16::MAX] {
        assert!(world.came(PortIndex(port), caller.source, caller.clone().datagram(&[0; 160])).is_empty());
    }
}
