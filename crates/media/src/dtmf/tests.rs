use super::*;
use crate::rtp::{HEADER, Marker, write_header};

fn header(timestamp: u32, marker: Marker) -> Header {
    let mut bytes = [0; HEADER];
    write_header(&mut bytes, marker, 101, (1, timestamp), 9);
    Header::parse(&bytes).unwrap()
}

struct Ear {
    keys: KeyReceive,
    now: Instant,
    heard: Vec<(char, u32)>,
}

impl Ear {
    fn new() -> Ear {
        Ear { keys: KeyReceive::default(), now: Instant::from_secs(1), heard: Vec::new() }
    }

    fn packet(&mut self, timestamp: u32, event: u8, end: End, duration: u16) {
        let payload = EventPayload { event, end, duration }.to_bytes();
        let told = self.keys.take(self.now, &header(timestamp, Marker::Following), &payload, 8_000);
        self.heard.extend(told.into_iter().flatten().map(|press| (press.key.as_char(), press.millis)));
        self.now += Duration::from_millis(20);
    }

    fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        let told = self.keys.handle_timeout(self.now);
        self.heard.extend(told.map(|press| (press.key.as_char(), press.millis)));
    }
}

#[test]
fn a_payload_is_read_as_rfc_4733_draws_it() {
    let payload = EventPayload::parse(&[11, 0x8a, 0x03, 0x20, 99]).unwrap();
    assert_eq!(payload, EventPayload { event: 11, end: End::Over, duration: 800 });
    assert_eq!(payload.to_bytes(), [11, 0x8a, 0x03, 0x20]);
    assert_eq!(EventPayload::parse(&[1, 2, 3]), None);
}

#[test]
fn repeated_ends_and_late_packets_tell_nothing_new() {
    let mut ear = Ear::new();
    ear.packet(1_000, 1, End::GoesOn, 160);
    for _ in 0..3 {
        ear.packet(1_000, 1, End::Over, 480);
    }
    ear.packet(1_000, 1, End::GoesOn, 320);
    ear.wait(1_000);
    assert_eq!(ear.heard, [('1', 60)]);
}

#[test]
fn a_press_known_by_its_end_alone_counts() {
    let mut ear = Ear::new();
    ear.packet(1_000, 12, End::Over, 640);
    assert_eq!(ear.heard, [('A', 80)]);
}

#[test]
fn one_key_twice_is_two_presses_even_when_the_first_end_is_lost() {
    let mut ear = Ear::new();
    ear.packet(1_000, 5, End::GoesOn, 160);
    ear.packet(1_000, 5, End::GoesOn, 320);
    ear.packet(2_000, 5, End::GoesOn, 160);
    assert_eq!(ear.heard, [('5', 40)]);
    ear.packet(1_000, 5, End::Over, 480);
    assert_eq!(ear.heard.len(), 1, "the first one's late end is known");
    ear.packet(2_000, 5, End::Over, 320);
    assert_eq!(ear.heard, [('5', 40), ('5', 40)]);
}

#[test]
fn a_press_longer_than_a_segment_is_one() {
    let mut ear = Ear::new();
    ear.packet(1_000, 3, End::GoesOn, 0xffff);
    ear.packet(1_000 + 0xffff, 3, End::GoesOn, 800);
    ear.packet(1_000 + 0xffff, 3, End::Over, 8_000);
    assert_eq!(ear.heard, [('3', (0xffff + 8_000) / 8)]);
}

#[test]
fn events_that_are_no_keys_are_passed_over() {
    let mut ear = Ear::new();
    ear.packet(1_000, 16, End::Over, 480);
    ear.packet(2_000, 255, End::Over, 480);
    let told = ear.keys.take(ear.now, &header(3_000, Marker::First), &[1], 8_000);
    assert_eq!(told, [None, None]);
    ear.wait(1_000);
    assert!(ear.heard.is_empty());
}

#[test]
fn every_loss_of_packets_but_all_tells_the_press_once() {
    // Five packets and three ends; each bit of `lost` drops one.
    for lost in 0u16..255 {
        let mut ear = Ear::new();
        for nth in 0..8u16 {
            let (end, duration) = if nth < 5 { (End::GoesOn, (nth + 1) * 160) } else { (End::Over, 800) };
            if lost & 1 << nth == 0 {
                ear.packet(1_000, 7, end, duration);
            } else {
                ear.wait(20);
            }
        }
        ear.wait(500);
        assert_eq!(ear.heard.len(), 1, "{lost:08b}: {:?}", ear.heard);
        assert_eq!(ear.heard[0].0, '7');
    }
}

#[test]
fn a_flood_of_keys_is_told_no_faster_than_anybody_presses_and_a_stall_of_the_network_loses_none() {
    let flood = |ear: &mut Ear, keys: u32| {
        let (from, began) = (ear.heard.len(), ear.now);
        for nth in 0..keys {
            ear.packet(1_000 + 1_000 * (from as u32 + nth), 5, End::Over, 480);
            ear.now = began;
        }
        ear.heard.len() - from
    };
    let mut ear = Ear::new();
    assert_eq!(flood(&mut ear, 20), 20, "two seconds of keys at once");
    assert_eq!(flood(&mut ear, 100_000), 5);
    ear.wait(1_000);
    assert_eq!(flood(&mut ear, 1_000), 12);
    ear.wait(10_000);
    assert_eq!(flood(&mut ear, 20), 20, "it is over");
}

#[test]
fn keys_wait_for_ten_seconds_at_the_most_and_a_long_number_is_pressed_whole() {
    for (count, millis) in [(32, 160), (10_000, 40), (10_000, KeySend::LONGEST)] {
        let mut keys = KeySend::default();
        let now = Instant::from_secs(1);
        let key = Key::from_char('5').unwrap();
        (0..count).for_each(|_| keys.press(now, key, millis));
        let (mut passed, mut pressed) = (Duration::ZERO, 0);
        while keys.is_pressing() {
            passed += Duration::from_millis(20);
            let packets = std::iter::from_fn(|| keys.poll_packet(now + passed));
            pressed += packets.filter(|(packet, _)| *packet == KeyPacket::First).count();
        }
        assert!(passed < Duration::from_secs(17), "the audio is silent for {passed:?}");
        assert!(count > 32 || pressed == 32, "{pressed} of {count}");
    }
}
