use super::*;

/// `attacker` sprays `packets` at the caller's port; how many the agent hears.
fn spray(world: &mut World, caller: &Talker, from: &str, packets: usize) -> usize {
    let mut attacker = Talker { source: address(from), ssrc: 0x6666, ..caller.clone() };
    attacker.sequence = 100;
    (0..packets).map(|_| world.says(&mut attacker, 30_000).len()).sum()
}

#[test]
fn an_attacker_is_heard_on_a_port_nobody_locked_and_not_on_a_locked_one() {
    let (mut world, _, agent) = World::bridged(Codec::Pcma, Codec::Pcma);
    assert_eq!(spray(&mut world, &agent, "6.6.6.6:666", 10), 10, "a phone may be anywhere behind NAT");

    let (mut world, _, mut agent) = World::bridged(Codec::Pcma, Codec::Pcma);
    world.room.record(RecordingId::from(1), leg(CALLER), &[leg(AGENT)]);
    world.says(&mut agent, 1);
    world.sunk.kept.clear();
    assert_eq!(spray(&mut world, &agent, "6.6.6.6:666", 1_000), 0);
    assert_eq!(spray(&mut world, &agent, "10.0.0.2:666", 1_000), 0, "not even from the phone's own host");
    assert!(world.sunk.kept.is_empty());
    let sent = world.says(&mut agent, 1_000);
    assert_eq!(sent.len(), 1);
}

#[test]
fn a_trunk_is_believed_from_its_address_only_even_when_nobody_spoke() {
    let (mut world, caller, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    assert_eq!(spray(&mut world, &caller, "6.6.6.6:4000", 10), 0);
    assert_eq!(spray(&mut world, &caller, "10.0.0.1:9999", 10), 10, "any port of the address");
}

#[test]
fn an_attacker_gets_no_packet() {
    let (mut world, mut caller, mut agent) = World::bridged(Codec::Pcma, Codec::Pcma);
    world.says(&mut agent, 1);
    world.says(&mut caller, 1);
    spray(&mut world, &agent, "6.6.6.6:666", 100);
    let mut report = [0; rtcp_length()];
    let length = crate::rtcp::write_report(&mut report, 0x6666, 1, None, None);
    world.room.forward(
        world.now,
        (agent.port, Channel::Rtcp),
        address("6.6.6.6:667"),
        &mut report[..length],
        &mut world.sunk,
    );
    world.says(&mut caller, 1_000);
    world.pass(Duration::from_secs(20));
    assert!(world.sunk.rtp.iter().all(|packet| packet.to.ip() != address("6.6.6.6:1").ip()));
    assert!(world.sunk.rtcp.iter().all(|(_, _, to, _)| to.ip() != address("6.6.6.6:1").ip()));
    assert!(!world.sunk.rtcp.is_empty());
}

#[test]
fn who_shares_the_peers_address_gets_no_reports() {
    for (told, own) in [("10.0.0.2:5000", "10.0.0.2:5001"), ("192.168.1.5:5000", "10.0.0.2:31001")] {
        let (mut world, mut caller, mut agent) = World::bridged(Codec::Pcma, Codec::Pcma);
        world.room.describe(world.now, leg(AGENT), agreed(told, Codec::Pcma));
        let (port, ssrc) = ((agent.port, Channel::Rtcp), agent.ssrc);
        let report = |world: &mut World, from: &str, ssrc: u32| {
            let mut report = [0; rtcp_length()];
            let length = crate::rtcp::write_report(&mut report, ssrc, 1, None, None);
            world.room.forward(world.now, port, address(from), &mut report[..length], &mut world.sunk);
        };
        let sprayed = "10.0.0.2:666";
        (0..3).for_each(|_| drop(world.says(&mut agent, 1)));
        world.says(&mut caller, 1);
        let mut audio = agent.datagram(&[0; 160]);
        world.room.forward(world.now, port, address(sprayed), &mut audio, &mut world.sunk);
        report(&mut world, sprayed, 0x6666);
        report(&mut world, own, ssrc);
        // Now he knows the stream too.
        report(&mut world, sprayed, ssrc);
        world.says(&mut caller, 1_000);
        world.pass(Duration::from_secs(20));
        let to: Vec<_> =
            world.sunk.rtcp.iter().filter(|sent| sent.0 == agent.port).map(|sent| sent.2).collect();
        assert!(!to.is_empty() && to.iter().all(|to| *to == address(own)), "{told}: {to:?}");
    }
}

const fn rtcp_length() -> usize {
    crate::rtcp::MAX_COMPOUND
}

#[test]
fn packets_go_back_to_where_a_phone_behind_nat_sends_from() {
    let (mut world, mut caller, mut agent) = World::bridged(Codec::Pcma, Codec::Pcma);
    assert_eq!(world.says(&mut caller, 1)[0].to, agent.source);
    agent.source = address("203.0.113.9:31000");
    for _ in 0..3 {
        world.says(&mut agent, 1);
    }
    assert_eq!(world.says(&mut caller, 1)[0].to, agent.source);
}

#[test]
fn a_new_description_moves_the_caller_and_the_old_source_is_dropped() {
    let (mut world, mut caller, mut agent) = World::bridged(Codec::Pcma, Codec::Pcma);
    world.says(&mut caller, 1);
    world.room.describe(world.now, leg(CALLER), agreed("10.0.0.77:7000", Codec::Pcma));
    assert_eq!(world.says(&mut agent, 1)[0].to, address("10.0.0.77:7000"));
    assert_eq!(world.says(&mut caller, 1).len(), 1, "what was under way still counts");
    let mut moved = Talker { source: address("10.0.0.77:7000"), ssrc: 5, ..caller.clone() };
    assert_eq!(world.says(&mut moved, 1).len(), 1);
    assert!(world.says(&mut caller, 1).is_empty());
}

#[test]
fn a_new_ssrc_of_the_locked_source_is_followed_in_one_outgoing_stream() {
    let (mut world, mut caller, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    let before = world.says(&mut caller, 1)[0].clone();
    world.pass(Duration::from_millis(500));
    (caller.ssrc, caller.sequence, caller.timestamp) = (0xabcd, 30_000, 123);
    let after = world.says(&mut caller, 1)[0].clone();
    assert_eq!(after.header.ssrc, before.header.ssrc);
    assert_eq!(after.header.sequence, before.header.sequence.wrapping_add(1));
    assert_eq!(after.header.timestamp, before.header.timestamp.wrapping_add(4_000));
}
