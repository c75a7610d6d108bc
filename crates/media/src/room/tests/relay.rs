use super::*;

#[test]
fn what_one_says_the_other_hears_and_not_itself() {
    let (mut world, mut caller, mut agent) = World::bridged(Codec::Pcma, Codec::Pcma);
    let sent = world.says(&mut caller, 1_000);
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].port, sent[0].to), (agent.port, agent.source));
    assert_eq!(level(Codec::Pcma, &sent[0].payload), heard(Codec::Pcma, 1_000));
    let sent = world.says(&mut agent, 2_000);
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].port, sent[0].to), (caller.port, caller.source));
}

#[test]
fn numbers_are_ours_and_ascend_as_the_talkers_do() {
    let (mut world, mut caller, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    let mut packets = Vec::new();
    for _ in 0..20 {
        packets.extend(world.says(&mut caller, 1_000));
        world.pass(FRAME_TIME);
    }
    assert!(packets[0].header.marker && packets[1..].iter().all(|packet| !packet.header.marker));
    assert_ne!(packets[0].header.ssrc, caller.ssrc);
    for pair in packets.windows(2) {
        assert_eq!(pair[1].header.sequence, pair[0].header.sequence.wrapping_add(1));
        assert_eq!(pair[1].header.timestamp, pair[0].header.timestamp.wrapping_add(160));
        assert_eq!(pair[1].header.ssrc, pair[0].header.ssrc);
    }
}

#[test]
fn what_was_not_to_be_heard_is_no_loss() {
    let (mut world, mut caller, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    let before = world.says(&mut caller, 1_000)[0].header;
    world.hear(&[]);
    for _ in 0..50 {
        world.pass(FRAME_TIME);
        assert!(world.says(&mut caller, 1_000).is_empty());
    }
    world.hear(&[(1, 2), (2, 1)]);
    world.pass(FRAME_TIME);
    let after = world.says(&mut caller, 1_000)[0].header;
    assert_eq!(after.sequence, before.sequence.wrapping_add(1));
    assert!(after.marker && after.timestamp.wrapping_sub(before.timestamp) >= 50 * 160);
}

#[test]
fn loss_and_order_are_passed_on_and_doubles_are_not() {
    let (mut world, mut caller, agent) = World::bridged(Codec::Pcma, Codec::Pcma);
    let mut datagrams: Vec<_> = (0..6).map(|_| caller.datagram(&[0xd5; 160])).collect();
    let first = world.came(caller.port, caller.source, datagrams.remove(0))[0].header;
    // Arrive: 3, 2 (late), 2 (doubled), 5; 1 and 4 are lost.
    let order = [2, 1, 1, 4];
    let seen: Vec<u16> = order
        .into_iter()
        .flat_map(|nth| world.came(caller.port, caller.source, datagrams[nth].clone()))
        .map(|sent| sent.header.sequence.wrapping_sub(first.sequence))
        .collect();
    assert_eq!(seen, [3, 2, 5]);
    assert_eq!(world.room.index_of(leg(AGENT)), Some(agent.port));
}

#[test]
fn each_leg_hears_its_own_law_and_payload_type() {
    for (from, to) in [(Codec::Pcma, Codec::Pcmu), (Codec::Pcmu, Codec::Pcma)] {
        let (mut world, mut caller, _) = World::bridged(from, to);
        for wanted in [-20_000, -300, 0, 12, 8_000, 32_000] {
            let sent = world.says(&mut caller, wanted);
            assert_eq!(sent[0].header.payload_type, to.payload_type());
            let got = i32::from(level(to, &sent[0].payload));
            let error = (got - i32::from(wanted)).abs();
            assert!(error <= 16 + i32::from(wanted).abs() / 12, "{wanted} became {got}");
        }
    }
}

#[test]
fn listeners_of_both_laws_hear_the_same_packet() {
    let mut world = World::new();
    let mut talker = world.join(1, PHONE, "10.0.0.1:4000", Codec::Pcma);
    for (raw, codec) in [(2, Codec::Pcmu), (3, Codec::Pcma), (4, Codec::Pcmu), (5, Codec::Pcma)] {
        world.join(raw, PHONE, &format!("10.0.0.{raw}:4000"), codec);
    }
    world.hear(&[(1, 2), (1, 3), (1, 4), (1, 5)]);
    let sent = world.says(&mut talker, 5_000);
    assert_eq!(sent.len(), 4);
    for packet in sent {
        let codec = if packet.header.payload_type == 8 { Codec::Pcma } else { Codec::Pcmu };
        let got = level(codec, &packet.payload);
        assert!((got - 5_000).abs() < 150, "{codec:?}: {got}");
    }
}

#[test]
fn contributors_extensions_and_padding_of_the_peer_do_not_pass() {
    let (mut world, caller, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    // V=2 P X CC=1, one contributor, an extension of one word, 4 bytes of audio, 3 of padding.
    let mut datagram =
        vec![0xb1, 8, 0, 1, 0, 0, 0, 160, 0, 0, 0, 9, 1, 2, 3, 4, 0xbe, 0xde, 0, 1, 5, 6, 7, 8];
    datagram.extend([0xd5, 0xd4, 0xd7, 0xd6, 0, 0, 3]);
    let sent = world.came(caller.port, caller.source, datagram);
    assert_eq!(sent[0].payload, [0xd5, 0xd4, 0xd7, 0xd6]);
}

#[test]
fn a_leg_alone_or_not_heard_is_silent() {
    let (mut world, mut caller, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    world.hear(&[(AGENT, CALLER)]);
    assert!(world.says(&mut caller, 1_000).is_empty());
    world.hear(&[(CALLER, AGENT), (CALLER, AGENT)]);
    assert_eq!(world.says(&mut caller, 1_000).len(), 1, "a pair that is told twice is heard once");
}

#[test]
fn a_peer_that_does_not_listen_gets_nothing() {
    let (mut world, mut caller, mut agent) = World::bridged(Codec::Pcma, Codec::Pcma);
    let hold =
        Negotiated { direction: Direction::RecvOnly, on_hold: true, ..agreed("10.0.0.2:5000", Codec::Pcma) };
    world.room.describe(world.now, leg(AGENT), hold);
    assert!(world.says(&mut caller, 1_000).is_empty());
    assert_eq!(world.says(&mut agent, 1_000).len(), 1, "its own music is still heard");
    world.room.describe(world.now, leg(AGENT), agreed("10.0.0.2:5000", Codec::Pcma));
    assert_eq!(world.says(&mut caller, 1_000).len(), 1);
}

#[test]
fn what_is_not_agreed_is_dropped_and_counted() {
    let (mut world, mut caller, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    caller.payload_type = 18;
    assert!(world.says(&mut caller, 1_000).is_empty());
    assert!(world.came(caller.port, caller.source, b"not RTP at all".to_vec()).is_empty());
    assert!(world.came(caller.port, caller.source, Vec::new()).is_empty());
    world.events();
    world.room.close(world.now, leg(CALLER), &mut world.sunk);
    let Some(Event::Quality { quality, .. }) = world.events().pop() else { panic!("no figures") };
    assert_eq!((quality.received, quality.dropped), (0, 3));
}

#[test]
fn packets_of_a_stream_that_are_not_agreed_or_not_wanted_are_no_loss() {
    let (mut world, mut caller, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    for nth in 0..100 {
        caller.payload_type = if nth % 10 == 5 { 96 } else { 8 };
        world.says(&mut caller, 1_000);
    }
    // Others have numbers of their own, which change nothing.
    for nth in 0..50 {
        let mut other =
            Talker { payload_type: 97, sequence: caller.sequence.wrapping_add(500 * nth), ..caller.clone() };
        other.sequence = other.sequence.wrapping_add(100);
        world.says(&mut other, 1_000);
        caller.payload_type = 8;
        assert_eq!(world.says(&mut caller, 1_000).len(), 1);
    }
    // It goes on speaking though it is not to.
    let inactive = Negotiated { direction: Direction::Inactive, ..agreed("10.0.0.1:4000", Codec::Pcma) };
    world.room.describe(world.now, leg(CALLER), inactive);
    (0..50).for_each(|_| drop(world.says(&mut caller, 1_000)));
    world.room.describe(world.now, leg(CALLER), agreed("10.0.0.1:4000", Codec::Pcma));
    assert_eq!(world.says(&mut caller, 1_000).len(), 1);
    world.events();
    world.room.close(world.now, leg(CALLER), &mut world.sunk);
    let Some(Event::Quality { quality, .. }) = world.events().pop() else { panic!("no figures") };
    assert_eq!((quality.received, quality.lost, quality.dropped), (201, 0, 110));
}

#[test]
fn a_gateway_that_changes_the_law_in_mid_call_is_understood() {
    let (mut world, mut caller, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    world.says(&mut caller, 5_000);
    caller.payload_type = 0;
    let sent = world.says(&mut caller, 5_000);
    assert_eq!(sent[0].header.payload_type, 8);
    assert!((level(Codec::Pcma, &sent[0].payload) - 5_000).abs() < 150);
}

#[test]
fn a_closed_port_leaves_no_trace_and_its_place_is_used_again() {
    let (mut world, mut caller, agent) = World::bridged(Codec::Pcma, Codec::Pcma);
    world.room.close(world.now, leg(AGENT), &mut world.sunk);
    assert!(world.says(&mut caller, 1_000).is_empty());
    let again = world.join(3, PHONE, "10.0.0.3:5000", Codec::Pcma);
    assert_eq!(again.port, agent.port);
    assert!(world.says(&mut caller, 1_000).is_empty(), "nobody said that the new leg hears");
    world.room.close_all(world.now, &mut world.sunk);
    assert!(world.room.is_empty());
    assert_eq!(world.room.poll_timeout(), None);
}

#[test]
fn one_peer_may_echo_and_two_do_not_send_a_packet_in_circles() {
    let (mut world, mut caller, agent) = World::bridged(Codec::Pcma, Codec::Pcma);
    let back = |sent: &Sent| {
        let mut header = [0; HEADER];
        let at = (sent.header.sequence, sent.header.timestamp);
        rtp::write_header(&mut header, Marker::Following, sent.header.payload_type, at, sent.header.ssrc);
        [&header[..], &sent.payload].concat()
    };
    let mut echoed = 0;
    for _ in 0..10 {
        let to_agent = world.says(&mut caller, 1_000);
        let to_caller = world.came(agent.port, agent.source, back(&to_agent[0]));
        echoed += to_caller.len();
        if let [sent] = &to_caller[..] {
            assert_eq!(level(Codec::Pcma, &sent.payload), heard(Codec::Pcma, 1_000));
            // The caller echoes as well: that is where it ends.
            assert!(world.came(caller.port, caller.source, back(sent)).is_empty());
        }
        world.pass(FRAME_TIME);
    }
    assert!(echoed >= 8, "{echoed}");
}

#[test]
fn who_hears_itself_does_not_echo_itself_for_ever() {
    let (mut world, mut caller, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    world.hear(&[(CALLER, CALLER)]);
    let sent = world.says(&mut caller, 1_000);
    assert_eq!(sent.len(), 1);
    let mut header = [0; HEADER];
    let at = (sent[0].header.sequence, sent[0].header.timestamp);
    rtp::write_header(&mut header, Marker::Following, caller.payload_type, at, sent[0].header.ssrc);
    let back = [&header[..], &sent[0].payload].concat();
    assert!(world.came(caller.port, caller.source, back).is_empty());
}
