use std::time::Duration;

use super::*;
use crate::rtp::{HEADER, Marker, write_header};

struct Wire {
    receive: RtpReceive,
    now: Instant,
}

impl Wire {
    fn new() -> Wire {
        Wire { receive: RtpReceive::default(), now: Instant::from_secs(3_600) }
    }

    fn event(&mut self, sequence: u16, timestamp: u32, ssrc: u32, timing: Timing) -> Received {
        let mut bytes = [0; HEADER];
        write_header(&mut bytes, Marker::Following, 8, (sequence, timestamp), ssrc);
        self.receive.take(self.now, &Header::parse(&bytes).unwrap(), timing)
    }

    fn took(&mut self, sequence: u16, timestamp: u32) -> Option<Place> {
        match self.event(sequence, timestamp, 1, Timing::Audio(1)) {
            Received::Placed(place) => Some(place),
            Received::Duplicate | Received::Suspect => None,
        }
    }

    fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }
}

#[test]
fn numbers_and_times_go_on_over_their_wraps() {
    let mut wire = Wire::new();
    let (mut sequence, mut timestamp) = (65_000u16, u32::MAX - 3_000);
    let first = wire.took(sequence, timestamp).unwrap();
    for nth in 1..200_000u64 {
        wire.wait(20);
        (sequence, timestamp) = (sequence.wrapping_add(1), timestamp.wrapping_add(160));
        let expected = Place { sequence: first.sequence + nth, media_time: first.media_time + nth * 160 };
        assert_eq!(wire.took(sequence, timestamp), Some(expected));
    }
    assert_eq!(wire.receive.lost(), 0);
    assert_eq!(wire.receive.report().unwrap().highest, 65_000 + 199_999);
}

#[test]
fn late_packets_have_their_place_and_doubled_ones_none() {
    let mut wire = Wire::new();
    let first = wire.took(10, 1_600).unwrap();
    wire.took(13, 2_080);
    assert_eq!(
        wire.took(11, 1_760),
        Some(Place { sequence: first.sequence + 1, media_time: first.media_time + 160 })
    );
    assert_eq!(wire.took(11, 1_760), None);
    assert_eq!(wire.took(13, 2_080), None);
    assert_eq!(wire.took(10, 1_600), None);
    assert_eq!(wire.took(9, 1_440).unwrap().sequence, first.sequence - 1, "before the first is late too");
    assert_eq!((wire.receive.received, wire.receive.lost()), (7, 1), "12 alone");
    assert_eq!(wire.receive.report().map(|report| report.lost), Some(-2), "doubles count in reports");
}

#[test]
fn loss_is_what_was_expected_and_did_not_come() {
    let mut wire = Wire::new();
    for sequence in (0..1_000u16).filter(|sequence| sequence % 4 != 3) {
        wire.took(sequence, u32::from(sequence) * 160);
        wire.wait(20);
    }
    assert_eq!(wire.receive.lost(), 249, "the last one is not yet known to be lost");
    let first = wire.receive.report().unwrap();
    assert_eq!((first.fraction_lost, first.lost), (63, 249));
    for sequence in 1_000..1_100u16 {
        wire.took(sequence, u32::from(sequence) * 160);
    }
    let second = wire.receive.report().unwrap();
    assert_eq!((second.fraction_lost, second.lost), (2, 250), "999 is lost in this interval");
}

#[test]
fn a_far_number_is_believed_when_the_next_follows_it() {
    let mut wire = Wire::new();
    let first = wire.took(10, 1_600).unwrap();
    wire.wait(20);
    assert_eq!(wire.took(40_000, 5), None);
    assert_eq!(wire.took(11, 1_760).unwrap().sequence, first.sequence + 1, "it was a stray");
    wire.wait(20);
    assert_eq!(wire.took(40_000, 5), None);
    wire.wait(20);
    let anew = wire.took(40_001, 165).unwrap();
    assert_eq!(anew.sequence, first.sequence + 2);
    assert_eq!(anew.media_time, first.media_time + 160 + 320);
    assert_eq!(wire.took(11, 1_760), None, "what was sent before has no place");
}

#[test]
fn a_new_ssrc_goes_on_where_real_time_says() {
    let mut wire = Wire::new();
    let first = wire.took(10, 1_600).unwrap();
    wire.wait(1_000);
    let Received::Placed(next) = wire.event(500, 77, 2, Timing::Audio(1)) else { panic!() };
    assert_eq!(next, Place { sequence: first.sequence + 1, media_time: first.media_time + 8_000 });
    assert!(wire.receive.is_of(2) && wire.receive.ssrc() == Some(2));
}

#[test]
fn a_clock_set_anew_is_no_gap_and_no_jitter() {
    let mut wire = Wire::new();
    let first = wire.took(10, 1_600).unwrap();
    wire.wait(20);
    assert_eq!(wire.took(11, 900_000_000).unwrap().media_time, first.media_time + 160);
    wire.wait(20);
    assert_eq!(wire.took(12, 5).unwrap().media_time, first.media_time + 320);
    assert_eq!(wire.receive.jitter_max_us(), 0);
}

#[test]
fn a_clock_that_stands_still_is_replaced_by_real_time_whatever_the_jitter() {
    let mut wire = Wire::new();
    let first = wire.took(10, 1_600).unwrap();
    let began = wire.now;
    for nth in 1..=1_000u64 {
        // Each fourth packet is late, and the next comes right behind it.
        wire.wait([20, 20, 35, 5][nth as usize % 4]);
        let place = wire.took(10 + nth as u16, 1_600).unwrap();
        let passed = place.media_time - first.media_time;
        let ahead = passed.cast_signed() - samples(began, wire.now).cast_signed();
        assert!((0..=280).contains(&ahead), "packet {nth} is {ahead} samples ahead");
    }
    assert_eq!((wire.receive.lost(), wire.receive.jitter_max_us()), (0, 0));
    // Keys and silences may begin where a packet of audio does, whose time does not stand still for that.
    let before = wire.took(1_011, 1_760).unwrap();
    for (sequence, timestamp, other) in [(1_012, 1_920, Timing::Event(1)), (1_014, 2_080, Timing::Noise)] {
        wire.wait(20);
        wire.event(sequence, timestamp, 1, other);
        let place = wire.took(sequence + 1, timestamp).unwrap();
        assert_eq!(place.media_time - before.media_time, u64::from(timestamp) - 1_760, "{other:?}");
    }
}

#[test]
fn a_pause_of_the_talker_is_a_pause() {
    let mut wire = Wire::new();
    let first = wire.took(10, 1_600).unwrap();
    wire.wait(60_000);
    assert_eq!(wire.took(11, 1_600 + 480_000).unwrap().media_time, first.media_time + 480_000);
}

#[test]
fn all_packets_of_an_event_have_its_time_however_long_it_is() {
    let mut wire = Wire::new();
    let first = wire.took(10, 1_600).unwrap();
    for nth in 0..200u16 {
        wire.wait(20);
        let Received::Placed(place) = wire.event(11 + nth, 1_760, 1, Timing::Event(1)) else { panic!() };
        assert_eq!(place.media_time, first.media_time + 160);
    }
    wire.wait(20);
    let after = wire.took(211, 1_760 + 200 * 160).unwrap();
    assert_eq!(after.media_time, first.media_time + 160 + 200 * 160);
    assert_eq!(wire.receive.jitter_max_us(), 0);
}

#[test]
fn events_between_audio_do_not_turn_time_back() {
    let mut wire = Wire::new();
    wire.took(10, 1_600);
    wire.event(11, 1_760, 1, Timing::Event(1));
    let audio = wire.took(12, 1_920).unwrap();
    let Received::Placed(event) = wire.event(13, 1_760, 1, Timing::Event(1)) else { panic!() };
    assert_eq!(event.media_time, audio.media_time - 160);
    assert_eq!(wire.took(14, 2_080).unwrap().media_time, audio.media_time + 160);
}

#[test]
fn jitter_is_rfc_3550s() {
    let mut wire = Wire::new();
    // Every other packet is 10 ms late: each difference is 80 samples, towards which the mean converges.
    for sequence in 0..400u16 {
        wire.took(sequence, u32::from(sequence) * 160);
        wire.wait(if sequence % 2 == 0 { 30 } else { 10 });
    }
    let block = wire.receive.report().unwrap();
    assert!((78..=80).contains(&block.jitter), "{}", block.jitter);
    assert!((9_750..=10_000).contains(&wire.receive.jitter_us()));
}

#[test]
fn no_sequence_of_packets_breaks_it() {
    let mut dice = 0x1234_5678_9abc_def1u64;
    let mut roll = || {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice
    };
    for _ in 0..200 {
        let mut wire = Wire::new();
        let (mut sequence, mut timestamp) = (roll() as u16, roll() as u32);
        for _ in 0..1_000 {
            match roll() % 16 {
                0 => sequence = roll() as u16,
                1 => timestamp = roll() as u32,
                2 => wire.wait(roll() % 100_000),
                3 => sequence = sequence.wrapping_sub(roll() as u16 % 200),
                _ => (sequence, timestamp) = (sequence.wrapping_add(1), timestamp.wrapping_add(160)),
            }
            let timing = if roll() % 8 == 0 { Timing::Event(1) } else { Timing::Audio(1) };
            wire.event(sequence, timestamp, (roll() % 20 / 19) as u32, timing);
            wire.wait(roll() % 40);
            if roll() % 50 == 0 {
                wire.receive.report();
            }
        }
        assert!(wire.receive.lost() < 1_000 * 3_000);
    }
}
