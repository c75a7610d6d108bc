use std::time::Duration;

use super::*;

fn place(sequence: u64, media_time: u64) -> Place {
    Place { sequence, media_time }
}

#[test]
fn relayed_numbers_are_shifted_and_keep_their_gaps_and_order() {
    let mut send = RtpSend::new(0xfeed_0000_0000_1234);
    let now = Instant::from_secs(10);
    let slot = |send: &mut RtpSend, sequence, time| send.relay(now, 3, place(sequence, time)).unwrap().at;
    let first = slot(&mut send, 1_000, 16_000);
    assert_eq!(slot(&mut send, 1_003, 16_480), (first.0 + 3, first.1 + 480));
    assert_eq!(slot(&mut send, 1_001, 16_160), (first.0 + 1, first.1 + 160));
    assert_eq!(send.relay(now, 3, place(999, 15_840)), None, "older than the change of source");
}

#[test]
fn another_source_takes_over_with_a_marker_and_the_next_number() {
    let mut send = RtpSend::new(7);
    let mut now = Instant::from_secs(10);
    let first = send.relay(now, 1, place(50, 8_000)).unwrap();
    assert_eq!(first.marker, Marker::First);
    now += Duration::from_millis(100);
    let prompt = send.own(now, 160);
    assert_eq!(prompt, Slot { at: (first.at.0 + 1, first.at.1 + 800), marker: Marker::First });
    now += Duration::from_millis(20);
    let next = send.own(now, 160);
    assert_eq!(next, Slot { at: (first.at.0 + 2, first.at.1 + 960), marker: Marker::Following });
    now += Duration::from_millis(5);
    let back = send.relay(now, 1, place(400, 500_000)).unwrap();
    assert_eq!(back, Slot { at: (first.at.0 + 3, first.at.1 + 1_120), marker: Marker::First });
}

#[test]
fn what_changes_of_source_run_ahead_of_real_time_is_given_back() {
    let mut send = RtpSend::new(7);
    let began = Instant::from_secs(10);
    let first = send.own(began, 160).at.1;
    let mut now = began;
    for nth in 0..100 {
        now += Duration::from_millis(if nth < 20 { 1 } else { 40 });
        send.pause();
        send.own(now, 160);
    }
    let last = send.own(now, 0).at.1;
    let real = u32::try_from(now.since(began).as_millis()).unwrap() * 8;
    assert!(last - first >= real && last - first <= real + 160, "{} at {real}", last - first);
}

#[test]
fn a_senders_report_tells_media_time_of_now() {
    let mut send = RtpSend::new(9);
    let now = Instant::from_secs(10);
    assert_eq!(send.info(now), None);
    let slot = send.own(now, 160);
    send.sent(160);
    let info = send.info(now + Duration::from_secs(1)).unwrap();
    assert_eq!(info.rtp, slot.at.1 + 8_000);
    assert_eq!((info.packets, info.octets), (1, 160));
}
