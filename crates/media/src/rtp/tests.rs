use proptest::prelude::*;
use rtc_shared::marshal::Unmarshal as _;

use super::*;

/// The header and payload as rtc-rtp, an independent parser, reads them.
fn oracle(datagram: &[u8]) -> Option<rtc_rtp::Packet> {
    rtc_rtp::Packet::unmarshal(&mut bytes::Bytes::copy_from_slice(datagram)).ok()
}

fn agrees(datagram: &[u8]) -> Option<bool> {
    let (ours, theirs) = (Header::parse(datagram)?, oracle(datagram)?);
    Some(
        ours.marker == theirs.header.marker
            && ours.payload_type == theirs.header.payload_type
            && ours.sequence == theirs.header.sequence_number
            && ours.timestamp == theirs.header.timestamp
            && ours.ssrc == theirs.header.ssrc
            && datagram[ours.payload()] == theirs.payload[..],
    )
}

#[test]
fn a_header_written_is_read_back() {
    let mut header = [0; HEADER];
    write_header(&mut header, Marker::First, 101, (65_535, u32::MAX), 0xdead_beef);
    let read = Header::parse(&header).unwrap();
    assert!(read.marker && read.payload().is_empty());
    assert_eq!(
        (read.payload_type, read.sequence, read.timestamp, read.ssrc),
        (101, 65_535, u32::MAX, 0xdead_beef)
    );
    write_header(&mut header, Marker::Following, 8, (0, 0), 1);
    assert!(!Header::parse(&header).unwrap().marker);
}

#[test]
fn parts_that_reach_beyond_the_end_are_refused() {
    let parse = |bytes: &[u8]| Header::parse(bytes).map(|header| header.payload());
    let fixed = |first: u8, behind: &[u8]| [&[first, 8, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3][..], behind].concat();
    assert_eq!(parse(&fixed(0x80, &[1, 2])), Some(12..14));
    assert_eq!(parse(&fixed(0x80, &[])[..11]), None, "shorter than a header");
    assert_eq!(parse(&fixed(0x40, &[1])), None, "version 1");
    assert_eq!(parse(&fixed(0x82, &[0; 7])), None, "two contributors need 8 bytes");
    assert_eq!(parse(&fixed(0x90, &[0xbe, 0xde, 0])), None, "an extension needs 4 bytes");
    assert_eq!(parse(&fixed(0x90, &[0xbe, 0xde, 0, 2, 0, 0, 0, 0])), None, "and what it says");
    assert_eq!(parse(&fixed(0xa0, &[0])), None, "padding of nothing");
    assert_eq!(parse(&fixed(0xa0, &[9, 9])), None, "padding beyond the payload");
    assert_eq!(parse(&fixed(0xa0, &[9, 2])), Some(12..12));
    // The packet that makes other parsers panic: an extension's element longer than the extension.
    let hostile = fixed(0x90, &[0xbe, 0xde, 0, 1, 0x1f, 0, 0, 0]);
    assert_eq!(parse(&hostile), Some(20..20));
}

#[test]
fn rtcp_on_the_rtp_port_is_known_by_its_second_byte() {
    assert!(is_rtcp(&[0x80, 200]) && is_rtcp(&[0x80, 192]) && is_rtcp(&[0x80, 223]));
    assert!(!is_rtcp(&[0x80, 8]) && !is_rtcp(&[0x80, 0x88]) && !is_rtcp(&[0x80, 191]) && !is_rtcp(&[0x80]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic_and_an_independent_parser_agrees(
        first in any::<u8>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        // Most random bytes are no version 2; half of these are.
        for start in [first, first & 0x3f | 0x80] {
            let datagram = [&[start][..], &bytes].concat();
            if let Some(header) = Header::parse(&datagram) {
                prop_assert!(header.payload().end <= datagram.len());
            }
            prop_assert_ne!(agrees(&datagram), Some(false));
        }
    }
}

#[test]
fn the_independent_parser_was_compared_on_real_packets() {
    let mut compared = 0;
    for contributors in 0..4u8 {
        for padding in [0u8, 4] {
            let mut datagram = vec![0x80 | contributors | if padding > 0 { 0x20 } else { 0 }, 0x88];
            datagram.extend([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
            datagram.extend(vec![7; usize::from(contributors) * 4]);
            datagram.extend([0xd5; 20]);
            datagram.extend(vec![padding; usize::from(padding)]);
            assert_eq!(agrees(&datagram), Some(true), "{datagram:?}");
            compared += 1;
        }
    }
    assert_eq!(compared, 8);
}
