use model::PlayId;

use super::*;
use crate::codec::FRAME;

/// A clip whose frames have the levels 1,000, 2,000, ….
fn clip(frames: usize) -> Arc<Clip> {
    let samples: Vec<i16> = (0..frames * FRAME).map(|at| 1_000 * (1 + at / FRAME) as i16).collect();
    Arc::new(Clip::from_samples(&samples))
}

fn payload(frame: Frame<'_>) -> Vec<u8> {
    match frame {
        Frame::Due(ClipFrame::Payload(payload)) => payload.to_vec(),
        other => panic!("a payload is due, not {other:?}"),
    }
}

#[test]
fn who_joins_late_hears_what_the_others_hear_at_that_moment() {
    let clips = vec![clip(7), clip(4)];
    let begin = Instant::from_millis(1_234);
    let mut first = Player::new(begin, PlayId::from(1), clips.clone(), PlayMode::Joined);
    for turn in 0..40u64 {
        let now = begin + INTERVAL * turn as u32;
        let heard = payload(first.poll_frame(now, Codec::Pcma));
        let mut late = Player::new(now, PlayId::from(2), clips.clone(), PlayMode::Joined);
        assert_eq!(payload(late.poll_frame(now, Codec::Pcma)), heard, "{turn}");
        let at = (now.as_micros() / 20_000 % 11) as usize;
        let (which, frame) = if at < 7 { (0, at) } else { (1, at - 7) };
        let Some(ClipFrame::Payload(wanted)) = clips[which].frame(Codec::Pcma, frame) else { panic!() };
        assert_eq!(heard, wanted, "{turn}");
    }
}

#[test]
fn shared_music_stays_in_step_behind_a_pause_and_a_looped_one_goes_on_where_it_was() {
    for (mode, wanted) in [(PlayMode::Joined, 5), (PlayMode::Looped, 1)] {
        let clips = vec![clip(8)];
        let mut player = Player::new(Instant::from_millis(0), PlayId::from(1), clips.clone(), mode);
        payload(player.poll_frame(Instant::from_millis(0), Codec::Pcma));
        let late = Instant::from_millis(260);
        let heard = payload(player.poll_frame(late, Codec::Pcma));
        let Some(ClipFrame::Payload(wanted)) = clips[0].frame(Codec::Pcma, wanted) else { panic!() };
        assert_eq!(heard, wanted, "{mode:?}");
        assert_eq!(player.take_ahead(), (260 + 20) * 8);
    }
}

#[test]
fn silence_that_is_shared_ends_at_once() {
    let mut player = Player::new(
        Instant::from_millis(5),
        PlayId::from(1),
        vec![Arc::new(Clip::silence(0))],
        PlayMode::Joined,
    );
    assert_eq!(player.poll_frame(Instant::from_millis(5), Codec::Pcma), Frame::Finished);
}

/// An encoder that began a clip ends it, although the payloads come meanwhile; the next clip takes them.
#[test]
fn a_clip_that_is_prepared_while_it_is_played_is_taken_at_its_next_beginning() {
    let clip = clip(3);
    let mut player =
        Player::new(Instant::from_millis(0), PlayId::from(1), vec![Arc::clone(&clip)], PlayMode::Looped);
    let mut kinds = Vec::new();
    for turn in 0..6 {
        if turn == 1 {
            clip.prepare(Codec::G722);
        }
        let frame = player.poll_frame(Instant::from_millis(20 * turn), Codec::G722);
        kinds.push(matches!(frame, Frame::Due(ClipFrame::Payload(_))));
    }
    assert_eq!(kinds, [false, false, false, true, true, true]);
}

#[test]
fn a_peer_that_changes_to_another_codec_gets_its_payloads_at_once() {
    let clip = clip(4);
    let mut player = Player::new(Instant::from_millis(0), PlayId::from(1), vec![clip], PlayMode::Once);
    assert!(matches!(
        player.poll_frame(Instant::from_millis(0), Codec::Opus),
        Frame::Due(ClipFrame::Linear(_))
    ));
    assert_eq!(payload(player.poll_frame(Instant::from_millis(20), Codec::Pcmu)).len(), FRAME);
}
