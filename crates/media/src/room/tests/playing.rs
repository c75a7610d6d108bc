use super::*;

#[test]
fn a_clip_is_sent_every_20_ms_and_ends_once() {
    let (mut world, caller, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    world.play(CALLER, 1, &[clip(3, 1_000), clip(2, 2_000)], PlayMode::Once);
    let sent = world.pass(Duration::from_millis(79));
    assert_eq!(sent.len(), 4, "at 0, 20, 40 and 60 ms");
    assert!(world.played().is_empty());
    let rest = world.pass(Duration::from_secs(1));
    let levels: Vec<i16> =
        sent.iter().chain(&rest).map(|packet| level(Codec::Pcma, &packet.payload)).collect();
    let (low, high) = (heard(Codec::Pcma, 1_000), heard(Codec::Pcma, 2_000));
    assert_eq!(levels, [low, low, low, high, high]);
    assert!(sent.iter().all(|packet| packet.to == caller.source));
    assert_eq!(world.played(), [(1, PlayEnd::Finished)]);
}

#[test]
fn a_loop_goes_on_until_it_is_stopped() {
    let (mut world, _, _) = World::bridged(Codec::Pcmu, Codec::Pcma);
    world.play(CALLER, 1, &[clip(3, 1_000)], PlayMode::Looped);
    assert_eq!(world.pass(Duration::from_millis(1_990)).len(), 100);
    assert!(world.played().is_empty());
    world.room.stop_play(leg(CALLER), PlayId::from(9), &mut world.sunk);
    assert!(world.played().is_empty(), "another playback's id stops nothing");
    world.room.stop_play(leg(CALLER), PlayId::from(1), &mut world.sunk);
    assert_eq!(world.played(), [(1, PlayEnd::Stopped)]);
    assert!(world.pass(Duration::from_secs(1)).is_empty());
}

#[test]
fn a_new_playback_stops_the_one_before_it() {
    let (mut world, _, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    world.play(CALLER, 1, &[clip(30, 1_000)], PlayMode::Once);
    world.pass(Duration::from_millis(100));
    world.play(CALLER, 2, &[clip(2, 2_000)], PlayMode::Once);
    assert_eq!(world.played(), [(1, PlayEnd::Stopped)]);
    let sent = world.pass(Duration::from_secs(1));
    assert_eq!(sent.len(), 2);
    assert_eq!(world.played(), [(2, PlayEnd::Finished)]);
}

#[test]
fn who_is_spoken_to_does_not_hear_the_others_until_the_end() {
    let (mut world, _, mut agent) = World::bridged(Codec::Pcma, Codec::Pcma);
    world.play(CALLER, 1, &[clip(2, 1_000)], PlayMode::Once);
    assert!(world.says(&mut agent, 3_000).is_empty());
    world.pass(Duration::from_millis(60));
    assert_eq!(world.says(&mut agent, 3_000).len(), 1);
}

#[test]
fn nothing_to_say_ends_at_once_even_in_a_loop() {
    for mode in [PlayMode::Once, PlayMode::Looped] {
        let (mut world, _, _) = World::bridged(Codec::Pcma, Codec::Pcma);
        world.play(CALLER, 1, &[Arc::new(Clip::silence(0))], mode);
        assert!(world.pass(Duration::from_millis(1)).is_empty());
        assert_eq!(world.played(), [(1, PlayEnd::Finished)]);
    }
}

#[test]
fn a_playback_waits_for_the_description() {
    let mut world = World::new();
    world.room.open(world.now, leg(1), PHONE, 5);
    world.play(1, 1, &[clip(2, 1_000)], PlayMode::Once);
    assert!(world.pass(Duration::from_secs(1)).is_empty());
    assert!(world.played().is_empty());
    world.room.describe(world.now, leg(1), agreed("10.0.0.1:4000", Codec::Pcma));
    assert_eq!(world.pass(Duration::from_secs(1)).len(), 2);
    assert_eq!(world.played(), [(1, PlayEnd::Finished)]);
}

#[test]
fn a_peer_on_hold_misses_the_frames_but_the_prompt_ends_in_its_time() {
    let (mut world, _, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    let hold = Negotiated { direction: Direction::Inactive, ..agreed("10.0.0.1:4000", Codec::Pcma) };
    world.play(CALLER, 1, &[clip(10, 1_000)], PlayMode::Once);
    let before = world.pass(Duration::from_millis(30));
    world.room.describe(world.now, leg(CALLER), hold);
    assert!(world.pass(Duration::from_millis(100)).is_empty());
    world.room.describe(world.now, leg(CALLER), agreed("10.0.0.1:4000", Codec::Pcma));
    let after = world.pass(Duration::from_millis(69));
    assert!(world.played().is_empty());
    world.pass(Duration::from_millis(1));
    assert_eq!(world.played(), [(1, PlayEnd::Finished)]);
    let last = before.last().unwrap().header;
    let next = after[0].header;
    assert_eq!(next.sequence, last.sequence.wrapping_add(1));
    assert_eq!(next.timestamp, last.timestamp.wrapping_add(6 * 160));
}

#[test]
fn a_late_worker_lets_missed_frames_go_instead_of_a_burst() {
    let (mut world, _, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    world.play(CALLER, 1, &[clip(1_000, 1_000)], PlayMode::Once);
    world.room.tick(world.now, &mut world.sunk);
    world.now += Duration::from_secs(3);
    let before = world.sunk.rtp.len();
    world.room.tick(world.now, &mut world.sunk);
    assert_eq!(world.sunk.rtp.len() - before, 1);
}

#[test]
fn closing_a_port_ends_its_playback() {
    let (mut world, _, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    world.play(CALLER, 1, &[clip(30, 1_000)], PlayMode::Once);
    world.room.close(world.now, leg(CALLER), &mut world.sunk);
    assert_eq!(world.played(), [(1, PlayEnd::Stopped)]);
}

#[test]
fn a_playback_on_no_port_fails_in_words() {
    let mut world = World::new();
    world.play(1, 1, &[clip(1, 1)], PlayMode::Once);
    assert!(matches!(&world.played()[..], [(1, PlayEnd::Failed(_))]));
}

/// What can wait is read later: each state in which somebody or something needs it at once says so.
#[test]
fn what_a_listener_says_can_wait_while_nobody_needs_it() {
    let mut world = World::new();
    let mut caller = world.join(CALLER, Peer::Trunk { media_from: Vec::new() }, "10.0.0.1:4000", Codec::Pcma);
    let agent = world.join(AGENT, PHONE, "10.0.0.2:5000", Codec::Pcma);
    let waits = |world: &World| world.room.can_wait(PortIndex(0));
    world.play(CALLER, 1, &[clip(500, 1_000)], PlayMode::Looped);
    assert!(!waits(&world), "whose packets are believed is open");
    world.says(&mut caller, 1_000);
    assert!(waits(&world) && !world.room.can_wait(agent.port) && !world.room.can_wait(PortIndex(9)));

    world.hear(&[(CALLER, AGENT)]);
    assert!(!waits(&world), "heard by another");
    world.hear(&[(AGENT, CALLER)]);
    assert!(waits(&world), "the music is over what it would hear");

    world.room.record(RecordingId::from(5), leg(CALLER), &[]);
    assert!(!waits(&world), "recorded");
    world.room.stop_recording(RecordingId::from(5), &mut world.sunk);
    assert!(waits(&world));

    world.room.describe(world.now, leg(CALLER), agreed("10.0.0.1:4000", Codec::Pcma));
    assert!(!waits(&world), "another source may take over");
    world.pass(Duration::from_secs(3));
    world.says(&mut caller, 1_000);
    assert!(waits(&world));

    let inband = Negotiated { keys: KeyWay::Inband, ..agreed("10.0.0.1:4000", Codec::Pcma) };
    world.room.describe(world.now, leg(CALLER), inband);
    world.pass(Duration::from_secs(3));
    world.says(&mut caller, 1_000);
    assert!(!waits(&world), "keys are looked for in its sound");
    world.room.describe(world.now, leg(CALLER), agreed("10.0.0.1:4000", Codec::Pcma));
    world.pass(Duration::from_secs(3));
    world.says(&mut caller, 1_000);
    assert!(waits(&world));

    world.room.stop_play(leg(CALLER), PlayId::from(1), &mut world.sunk);
    assert!(!waits(&world), "nothing is sent with which it could be read");
}
