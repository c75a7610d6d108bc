use super::*;
use crate::command::{Mark, MaskCause};

const RECORDING: u64 = 77;

fn recorded() -> (World, Talker, Talker) {
    let (mut world, caller, agent) = World::bridged(Codec::Pcma, Codec::Pcmu);
    world.room.record(RecordingId::from(RECORDING), leg(CALLER), &[leg(AGENT)]);
    (world, caller, agent)
}

fn sides(world: &mut World) -> Vec<Side> {
    std::mem::take(&mut world.sunk.kept).into_iter().map(|kept| kept.side).collect()
}

#[test]
fn the_caller_goes_left_and_persons_go_right_in_their_own_law() {
    let (mut world, mut caller, mut agent) = recorded();
    world.says(&mut caller, 1_000);
    world.says(&mut agent, 2_000);
    let kept = std::mem::take(&mut world.sunk.kept);
    assert_eq!((kept[0].side, kept[0].leg, kept[0].codec), (Side::Left, leg(CALLER), Codec::Pcma));
    assert_eq!((kept[1].side, kept[1].leg, kept[1].codec), (Side::Right, leg(AGENT), Codec::Pcmu));
    assert_eq!(level(Codec::Pcma, &kept[0].payload), heard(Codec::Pcma, 1_000), "before any transcoding");
    assert_eq!(level(Codec::Pcmu, &kept[1].payload), heard(Codec::Pcmu, 2_000));
}

#[test]
fn what_the_caller_does_not_hear_is_not_kept() {
    let (mut world, mut caller, mut agent) = recorded();
    world.hear(&[(CALLER, AGENT)]);
    world.says(&mut agent, 1_000);
    assert!(sides(&mut world).is_empty());
    world.hear(&[(CALLER, AGENT), (AGENT, CALLER)]);
    world.play(CALLER, 1, &[clip(10, 1)], PlayMode::Once);
    world.says(&mut agent, 1_000);
    world.says(&mut caller, 1_000);
    assert_eq!(sides(&mut world), [Side::Left], "a prompt covers the agent, not the caller");
}

#[test]
fn a_third_party_is_kept_only_when_it_is_a_person() {
    let (mut world, _, _) = recorded();
    let mut third = world.join(3, PHONE, "10.0.0.3:4000", Codec::Pcma);
    world.hear(&[(3, CALLER)]);
    world.says(&mut third, 1_000);
    assert!(sides(&mut world).is_empty());
    world.room.mark_recording(RecordingId::from(RECORDING), Mark::PartyJoined(leg(3)));
    world.says(&mut third, 1_000);
    assert_eq!(sides(&mut world), [Side::Right]);
    world.room.mark_recording(RecordingId::from(RECORDING), Mark::PartyLeft(leg(3)));
    world.says(&mut third, 1_000);
    assert!(sides(&mut world).is_empty());
}

#[test]
fn a_supervisor_is_kept_only_while_all_hear_them() {
    let (mut world, _, _) = recorded();
    let mut guest = world.join(3, PHONE, "10.0.0.3:4000", Codec::Pcma);
    let recording = RecordingId::from(RECORDING);
    world.hear(&[(3, CALLER), (3, AGENT)]);
    for (mark, kept) in [
        (Mark::Listened(leg(3)), 0),
        (Mark::Barged(leg(3)), 1),
        (Mark::Whispered(leg(3)), 0),
        (Mark::Barged(leg(3)), 1),
        (Mark::GuestLeft(leg(3)), 0),
    ] {
        world.room.mark_recording(recording, mark);
        world.says(&mut guest, 1_000);
        assert_eq!(sides(&mut world).len(), kept, "{mark:?}");
    }
}

#[test]
fn a_conference_has_everybody_whom_anybody_hears_on_the_right() {
    let (mut world, mut first, mut second) = World::bridged(Codec::Pcma, Codec::Pcma);
    // No port has the id of the left channel.
    world.room.record(RecordingId::from(RECORDING), leg(99), &[leg(CALLER), leg(AGENT)]);
    world.says(&mut first, 1_000);
    world.says(&mut second, 1_000);
    assert_eq!(sides(&mut world), [Side::Right, Side::Right]);
    world.hear(&[(CALLER, AGENT)]);
    world.says(&mut first, 1_000);
    world.says(&mut second, 1_000);
    assert_eq!(sides(&mut world), [Side::Right], "who is muted is not kept");
}

#[test]
fn a_mask_keeps_audio_out_while_the_call_goes_on() {
    let (mut world, mut caller, _) = recorded();
    world.room.mark_recording(RecordingId::from(RECORDING), Mark::Mask(MaskCause::Secret));
    assert_eq!(world.says(&mut caller, 1_000).len(), 1);
    assert!(sides(&mut world).is_empty());
    world.room.mark_recording(RecordingId::from(RECORDING), Mark::Hold);
    world.says(&mut caller, 1_000);
    assert!(sides(&mut world).is_empty());
    world.room.mark_recording(RecordingId::from(RECORDING), Mark::Unmask(MaskCause::Secret));
    world.says(&mut caller, 1_000);
    assert_eq!(sides(&mut world), [Side::Left]);
}

#[test]
fn sequence_and_media_time_ascend_across_wraps_and_a_new_ssrc() {
    let (mut world, mut caller, _) = recorded();
    for nth in 0..60 {
        if nth == 30 {
            (caller.ssrc, caller.sequence, caller.timestamp) = (0xbeef, 17, 4);
        }
        world.says(&mut caller, 1_000);
        world.pass(FRAME_TIME);
    }
    let kept = std::mem::take(&mut world.sunk.kept);
    assert_eq!(kept.len(), 60);
    for pair in kept.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence + 1);
        assert_eq!(pair[1].media_time, pair[0].media_time + 160);
    }
}

#[test]
fn doubled_packets_are_kept_once() {
    let (mut world, mut caller, _) = recorded();
    let datagram = caller.datagram(&[0xd5; 160]);
    world.came(caller.port, caller.source, datagram.clone());
    world.came(caller.port, caller.source, datagram);
    assert_eq!(sides(&mut world).len(), 1);
}

#[test]
fn the_end_is_told_once_and_nothing_is_kept_behind_it() {
    let (mut world, mut caller, _) = recorded();
    let closed = Event::RecordingClosed { room: CallId::from(7), recording: RecordingId::from(RECORDING) };
    world.room.stop_recording(RecordingId::from(RECORDING), &mut world.sunk);
    world.room.stop_recording(RecordingId::from(RECORDING), &mut world.sunk);
    assert_eq!(world.events(), std::slice::from_ref(&closed));
    world.says(&mut caller, 1_000);
    assert!(sides(&mut world).is_empty());
    world.room.record(RecordingId::from(RECORDING), leg(CALLER), &[]);
    world.room.close_all(world.now, &mut world.sunk);
    assert_eq!(world.events().iter().filter(|event| **event == closed).count(), 1);
}
