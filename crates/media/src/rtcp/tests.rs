use proptest::prelude::*;

use super::*;

const BLOCK: ReportBlock = ReportBlock {
    ssrc: 0x0102_0304,
    fraction_lost: 26,
    lost: -3,
    highest: 0x0001_ffff,
    jitter: 40,
    last_report: 0xaabb_ccdd,
    since_last_report: 0x0001_8000,
};

const INFO: SenderInfo = SenderInfo { ntp: 0x1122_3344_5566_7788, rtp: 9, packets: 50, octets: 8_000 };

fn written(sender: Option<SenderInfo>, report: Option<ReportBlock>) -> Vec<u8> {
    let mut out = [0; MAX_COMPOUND];
    let length = write_report(&mut out, 0xfeed, 0x0123_4567_89ab_cdef, sender, report);
    out[..length].to_vec()
}

#[test]
fn reports_written_are_read_back() {
    let bytes = written(Some(INFO), Some(BLOCK));
    let read: Vec<_> = packets(&bytes).collect();
    let [Rtcp::SenderReport { ssrc: 0xfeed, info: INFO, reports }, Rtcp::Other] = read[..] else {
        panic!("{read:?}");
    };
    assert_eq!(reports.about(BLOCK.ssrc), Some(BLOCK));
    assert_eq!(reports.about(1), None);
    assert_eq!(reports.iter().count(), 1);

    let bytes = written(None, Some(BLOCK));
    assert!(matches!(packets(&bytes).next(), Some(Rtcp::ReceiverReport { ssrc: 0xfeed, .. })));
    let bytes = written(None, None);
    assert_eq!(packets(&bytes).count(), 2);
    let mut out = [0; MAX_COMPOUND];
    let length = write_bye(&mut out, 0xfeed, 1);
    assert_eq!(packets(&out[..length]).last(), Some(Rtcp::Bye { ssrc: 0xfeed }));
}

#[test]
fn a_compound_is_whole_words_and_begins_with_a_report_and_names_us() {
    for bytes in [written(Some(INFO), Some(BLOCK)), written(Some(INFO), None), written(None, None)] {
        assert!(bytes.len() % 4 == 0 && bytes.len() <= MAX_COMPOUND);
        assert!(matches!(bytes[1], 200 | 201));
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(text.contains("0123456789abcdef"));
        let lengths: usize = {
            let mut rest = &bytes[..];
            let mut sum = 0;
            while let [_, _, high, low, ..] = rest {
                let length = 4 + 4 * usize::from(u16::from_be_bytes([*high, *low]));
                sum += length;
                rest = &rest[length..];
            }
            sum
        };
        assert_eq!(lengths, bytes.len(), "the lengths of its packets fill it");
    }
}

#[test]
fn malformed_packets_end_a_compound_and_short_ones_say_nothing() {
    let mut bytes = written(Some(INFO), Some(BLOCK));
    // More blocks announced than there are.
    bytes[0] = 0x9f;
    assert_eq!(packets(&bytes).next(), Some(Rtcp::Other));
    bytes[0] = 0x41;
    assert_eq!(packets(&bytes).next(), None);
    assert_eq!(packets(&[0x80, 200, 0, 9, 0, 0, 0, 0]).next(), None);
    assert_eq!(packets(&[]).next(), None);
}

#[test]
fn our_clock_counts_in_fractions_of_two_to_the_32() {
    assert_eq!(ntp(Instant::from_micros(1_500_000)), 1 << 32 | 1 << 31);
    assert_eq!(middle(ntp(Instant::from_micros(2_250_000))), 2 << 16 | 1 << 14);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic(kind in 200u8..208, bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let whole = [&[0x82, kind, 0, (bytes.len() / 4) as u8][..], &bytes].concat();
        for datagram in [&whole[..], &bytes[..]] {
            for packet in packets(datagram) {
                if let Rtcp::SenderReport { reports, .. } | Rtcp::ReceiverReport { reports, .. } = packet {
                    prop_assert!(reports.iter().count() <= 31);
                }
            }
        }
    }
}
