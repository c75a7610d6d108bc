use super::*;

/// What a room sends, as it is.
#[derive(Default)]
struct Wire(Vec<(PortIndex, SocketAddr, Vec<u8>)>);

impl Sink for Wire {
    fn rtp(&mut self, port: PortIndex, to: SocketAddr, datagram: &[u8]) {
        self.0.push((port, to, datagram.to_vec()));
    }

    fn rtcp(&mut self, _: PortIndex, _: Channel, to: SocketAddr, _: &[u8]) {
        panic!("a report to {to}: fax has none");
    }

    fn record(&mut self, recording: RecordingId, _: &TapPacket<'_>) {
        panic!("{recording}: a fax is kept nowhere");
    }

    fn event(&mut self, event: Event) {
        assert!(!matches!(event, Event::Digit { .. } | Event::RtpTimeout { .. }), "{event:?}");
    }
}

/// UDPTL: a sequence number, a primary packet, no redundancy.
fn udptl(number: u16) -> Vec<u8> {
    [&number.to_be_bytes()[..], &[1, 6, 0, 0]].concat()
}

/// Caller and agent in a recorded conversation, who then have fax at these addresses.
fn faxing(caller_at: &str, agent_at: &str) -> (World, Talker, Talker) {
    let (mut world, mut caller, mut agent) = World::bridged(Codec::Pcma, Codec::Pcma);
    world.room.record(RecordingId::from(9), leg(CALLER), &[leg(AGENT)]);
    world.room.watch(world.now, leg(CALLER), Some(Duration::from_secs(5)));
    for _ in 0..50 {
        world.says(&mut caller, 1_000);
        world.says(&mut agent, 1_000);
        world.pass(FRAME_TIME);
    }
    world.room.describe_fax(world.now, leg(CALLER), address(caller_at));
    world.room.describe_fax(world.now, leg(AGENT), address(agent_at));
    (caller.source, agent.source) = (address(caller_at), address(agent_at));
    (world, caller, agent)
}

fn came(world: &mut World, port: PortIndex, source: SocketAddr, datagram: &[u8]) -> Wire {
    let mut wire = Wire::default();
    let mut datagram = datagram.to_vec();
    world.room.forward(world.now, (port, Channel::Rtp), source, &mut datagram, &mut wire);
    wire
}

#[test]
fn datagrams_pass_as_they_come_and_are_neither_kept_nor_reported() {
    for (caller_at, agent_at) in [
        ("10.0.0.1:4000", "10.0.0.2:5000"),
        ("10.0.0.1:4400", "10.0.0.2:5500"),
        ("10.0.0.9:4400", "10.0.0.2:5000"),
    ] {
        let (mut world, caller, agent) = faxing(caller_at, agent_at);
        for number in 0..100 {
            let wire = came(&mut world, caller.port, caller.source, &udptl(number));
            assert_eq!(wire.0, [(agent.port, agent.source, udptl(number))], "{caller_at} {agent_at}");
            let wire = came(&mut world, agent.port, agent.source, &udptl(number));
            assert_eq!(wire.0, [(caller.port, caller.source, udptl(number))], "{caller_at} {agent_at}");
        }
        // Silence of any length is theirs to judge, and no report is due.
        let mut wire = Wire::default();
        let end = world.now + Duration::from_secs(60);
        while let Some(due) = world.room.poll_timeout().filter(|due| *due <= end) {
            world.room.tick(due, &mut wire);
        }
        assert!(wire.0.is_empty());
    }
}

#[test]
fn strangers_and_late_audio_do_not_pass() {
    let (mut world, mut caller, _) = faxing("10.0.0.1:4000", "10.0.0.2:5000");
    came(&mut world, caller.port, caller.source, &udptl(0));
    world.now += Duration::from_secs(3);
    came(&mut world, caller.port, caller.source, &udptl(1));
    for number in 2..20 {
        let wire = came(&mut world, caller.port, address("203.0.113.66:4000"), &udptl(number));
        assert!(wire.0.is_empty(), "a stranger is heard");
    }
    let late = caller.datagram(&[0x55; 160]);
    assert!(came(&mut world, caller.port, caller.source, &late).0.is_empty(), "late audio");
    assert!(came(&mut world, caller.port, caller.source, &[0, 1]).0.is_empty(), "too short");
}

#[test]
fn nobody_without_fax_gets_any_of_it_and_audio_goes_on_behind_it() {
    let (mut world, mut caller, agent) = faxing("10.0.0.1:4000", "10.0.0.2:5000");
    let listener = world.join(3, PHONE, "10.0.0.3:6000", Codec::Pcma);
    world.hear(&[(CALLER, AGENT), (AGENT, CALLER), (CALLER, 3), (AGENT, 3)]);
    let wire = came(&mut world, caller.port, caller.source, &udptl(0));
    assert!(wire.0.iter().all(|(port, ..)| *port != listener.port), "a supervisor hears no fax");
    assert_eq!(wire.0.len(), 1);
    world.room.describe(world.now, leg(CALLER), agreed("10.0.0.1:4000", Codec::Pcma));
    world.room.describe(world.now, leg(AGENT), agreed("10.0.0.2:5000", Codec::Pcma));
    world.hear(&[(CALLER, AGENT), (AGENT, CALLER)]);
    let sent = world.says(&mut caller, 1_000);
    assert_eq!((sent.len(), sent[0].port), (1, agent.port));
    assert!(world.sunk.kept.len() > 100, "audio is kept again");
}
