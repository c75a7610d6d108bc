use super::*;
use crate::rtp::{HEADER, Marker, write_header};

const OURS: MasterKey = MasterKey([3; MasterKey::BYTES]);
const THEIRS: MasterKey = MasterKey([4; MasterKey::BYTES]);

fn pair(suite: Suite) -> (Secured, Secured) {
    let side = |ours, theirs| Secured::new(Srtp { suite, ours, theirs }).unwrap();
    (side(OURS, THEIRS), side(THEIRS, OURS))
}

fn packet(sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut header = [0; HEADER];
    write_header(&mut header, Marker::Following, 8, (sequence, u32::from(sequence) * 160), ssrc);
    [&header[..], &[sequence as u8; 160]].concat()
}

fn opened(secured: &mut Secured, sealed: &[u8]) -> Option<Vec<u8>> {
    let mut datagram = sealed.to_vec();
    let length = secured.open_rtp(&mut datagram).ok()?;
    Some(datagram[..length].to_vec())
}

#[test]
fn the_key_derivation_and_cipher_are_those_of_the_rfc() {
    // RFC 3711 B.3: the session keys of this master key; B.2: its keystream. Both are inside one packet's bytes, which
    // libsrtp 2.4 encrypts to these (`srtp_driver`, `srtp_validate`: the reference packet of RFC 3711's authors).
    let key = [
        0xe1, 0xf9, 0x7a, 0x0d, 0x3e, 0x01, 0x8b, 0xe0, 0xd6, 0x4f, 0xa3, 0x2c, 0x06, 0xde, 0x41, 0x39, 0x0e,
        0xc6, 0x75, 0xad, 0x49, 0x8a, 0xfe, 0xeb, 0xb6, 0x96, 0x0b, 0x3a, 0xab, 0xe6,
    ];
    let plain =
        [&[0x80, 0x0f, 0x12, 0x34, 0xde, 0xca, 0xfb, 0xad, 0xca, 0xfe, 0xba, 0xbe][..], &[0xab; 16]].concat();
    let sealed = [
        0x80, 0x0f, 0x12, 0x34, 0xde, 0xca, 0xfb, 0xad, 0xca, 0xfe, 0xba, 0xbe, 0x4e, 0x55, 0xdc, 0x4c, 0xe7,
        0x99, 0x78, 0xd8, 0x8c, 0xa4, 0xd2, 0x15, 0x94, 0x9d, 0x24, 0x02, 0xb7, 0x8d, 0x6a, 0xcc, 0x99, 0xea,
        0x17, 0x9b, 0x8d, 0xbb,
    ];
    let key = MasterKey(key);
    let mut secured = Secured::new(Srtp { suite: Suite::Aes128Sha1Tag80, ours: key, theirs: key }).unwrap();
    assert_eq!(&secured.seal_rtp(&plain).unwrap()[..], sealed);
    assert_eq!(opened(&mut secured, &sealed), Some(plain));
}

#[test]
fn packets_come_through_both_suites_over_wraps_and_out_of_order() {
    for (suite, tag) in [(Suite::Aes128Sha1Tag80, 10), (Suite::Aes128Sha1Tag32, 4)] {
        let (mut ours, mut theirs) = pair(suite);
        let mut sequence = 65_000u16;
        for _ in 0..70 {
            let sealed: Vec<_> = (0..20)
                .map(|_| {
                    sequence = sequence.wrapping_add(1);
                    let plain = packet(sequence, 7);
                    let sealed = ours.seal_rtp(&plain).unwrap();
                    assert_eq!(sealed.len(), plain.len() + tag);
                    assert_ne!(&sealed[HEADER..plain.len()], &plain[HEADER..]);
                    (plain, sealed)
                })
                .collect();
            // Twenty at a time, the last first.
            for (plain, sealed) in sealed.iter().rev() {
                assert_eq!(opened(&mut theirs, sealed).as_ref(), Some(plain), "{suite:?}");
            }
        }
    }
}

#[test]
fn changed_bytes_and_replays_are_refused_and_change_nothing() {
    let (mut ours, mut theirs) = pair(Suite::Aes128Sha1Tag80);
    let first = ours.seal_rtp(&packet(1, 7)).unwrap();
    let second = ours.seal_rtp(&packet(2, 7)).unwrap();
    for place in 0..first.len() {
        let mut forged = first.to_vec();
        forged[place] ^= 0x10;
        assert_eq!(opened(&mut theirs, &forged), None, "byte {place}");
    }
    for length in 0..first.len() {
        assert_eq!(opened(&mut theirs, &first[..length]), None, "{length} bytes");
    }
    assert!(opened(&mut theirs, &first).is_some());
    assert_eq!(opened(&mut theirs, &first), None, "a replay");
    assert!(opened(&mut theirs, &second).is_some());
    assert_eq!(opened(&mut theirs, &first), None, "a replay behind a newer one");
    // Another key's packets, and plain ones.
    let mut stranger =
        Secured::new(Srtp { suite: Suite::Aes128Sha1Tag80, ours: THEIRS, theirs: OURS }).unwrap();
    let strange = stranger.seal_rtp(&packet(3, 7)).unwrap();
    assert_eq!(opened(&mut theirs, &strange), None);
    assert_eq!(opened(&mut theirs, &packet(3, 7)), None);
}

#[test]
fn forged_streams_cost_no_memory_and_a_new_true_one_is_welcome() {
    let (mut ours, mut theirs) = pair(Suite::Aes128Sha1Tag80);
    let sealed = ours.seal_rtp(&packet(1, 7)).unwrap();
    assert!(opened(&mut theirs, &sealed).is_some());
    for ssrc in 0..1_000 {
        let mut forged = packet(9, 1_000 + ssrc);
        forged.extend([0; 10]);
        assert_eq!(opened(&mut theirs, &forged), None);
    }
    assert_eq!(theirs.streams.len(), 1);
    assert!(theirs.tried < TRIES);
    for ssrc in 0..20 {
        let sealed = ours.seal_rtp(&packet(5, 100 + ssrc)).unwrap();
        assert!(opened(&mut theirs, &sealed).is_some(), "stream {ssrc}");
        assert_eq!(opened(&mut theirs, &sealed), None, "its replay");
    }
    assert_eq!(theirs.streams.len(), STREAMS);
}

#[test]
fn a_new_description_with_the_same_keys_goes_on_and_with_new_ones_begins_anew() {
    let suite = Suite::Aes128Sha1Tag80;
    let (mut ours, mut theirs) = pair(suite);
    let before = ours.seal_rtp(&packet(1, 7)).unwrap();
    assert!(opened(&mut theirs, &before).is_some());
    theirs.rekey(Srtp { suite, ours: THEIRS, theirs: OURS }).unwrap();
    assert_eq!(opened(&mut theirs, &before), None, "still a replay");
    let fresh = MasterKey([9; MasterKey::BYTES]);
    theirs.rekey(Srtp { suite, ours: THEIRS, theirs: fresh }).unwrap();
    let old = ours.seal_rtp(&packet(2, 7)).unwrap();
    assert_eq!(opened(&mut theirs, &old), None, "the old key is over");
    ours.rekey(Srtp { suite, ours: fresh, theirs: THEIRS }).unwrap();
    let new = ours.seal_rtp(&packet(3, 7)).unwrap();
    assert!(opened(&mut theirs, &new).is_some());
}

#[test]
fn reports_are_encrypted_and_their_replays_refused() {
    let (mut ours, mut theirs) = pair(Suite::Aes128Sha1Tag32);
    let mut out = [0; crate::rtcp::MAX_COMPOUND];
    let length = crate::rtcp::write_bye(&mut out, 77, 5);
    let sealed = ours.seal_rtcp(&out[..length]).unwrap();
    // RFC 4568 §6.2.2: SRTCP has the tag of 80 bits in both suites.
    assert_eq!(sealed.len(), length + OVERHEAD);
    let mut came = sealed.to_vec();
    assert_eq!(theirs.open_rtcp(&mut came), Ok(length));
    assert_eq!(&came[..length], &out[..length]);
    assert_eq!(theirs.open_rtcp(&mut sealed.to_vec()), Err(Refused));
    let mut forged = ours.seal_rtcp(&out[..length]).unwrap().to_vec();
    forged[20] ^= 1;
    assert_eq!(theirs.open_rtcp(&mut forged), Err(Refused));
    for short in 0..length {
        assert_eq!(theirs.open_rtcp(&mut out[..short].to_vec()), Err(Refused));
    }
}
