use super::*;

const SOURCE: &str = "192.0.2.1:32853";

fn hear_from(datagram: &[u8], source: &str) -> Heard {
    hear(datagram, source.parse().unwrap())
}

/// A binding request with these attributes.
fn request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut out = vec![0, 1, 0, 0];
    out.extend(COOKIE);
    out.extend(*b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae");
    for (kind, value) in attributes {
        push(&mut out, *kind, value);
    }
    set_length(&mut out, 0);
    out
}

fn answered(datagram: &[u8], source: &str) -> Vec<u8> {
    match hear_from(datagram, source) {
        Heard::Answer(answer) => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_phone_is_told_the_address_it_is_seen_at() {
    let request = request(&[]);
    let answer = answered(&request, SOURCE);
    let parsed = Message::parse(&answer).unwrap();
    assert_eq!((parsed.kind, parsed.transaction), (BINDING_SUCCESS, request[4..].try_into().unwrap()));
    // RFC 5769 §2.2: this very address and cookie.
    let value = &b"\x00\x01\xa1\x47\xe1\x12\xa6\x43"[..];
    assert_eq!(parsed.attributes().collect::<Vec<_>>(), [(XOR_MAPPED_ADDRESS, value)]);
}

#[test]
fn an_ipv6_address_is_masked_with_cookie_and_transaction() {
    // RFC 5769 §2.3.
    let answer = answered(&request(&[]), "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
    let value = b"\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9";
    assert_eq!(Message::parse(&answer).unwrap().attributes().next(), Some((XOR_MAPPED_ADDRESS, &value[..])));
}

#[test]
fn a_peer_of_rfc_3489_gets_a_plain_address() {
    let mut old = request(&[]);
    old[4..8].copy_from_slice(b"none");
    let answer = answered(&old, SOURCE);
    let value = &b"\x00\x01\x80\x55\xc0\x00\x02\x01"[..];
    assert_eq!(Message::parse(&answer).unwrap().attributes().next(), Some((MAPPED_ADDRESS, value)));
}

#[test]
fn an_attribute_that_must_be_understood_and_is_not_is_named_in_the_error() {
    let answer = answered(&request(&[(0x7ff1, b"x"), (0x8022, b"phone"), (USERNAME, b"me")]), SOURCE);
    let parsed = Message::parse(&answer).unwrap();
    assert_eq!(parsed.kind, BINDING_ERROR);
    let attributes: Vec<_> = parsed.attributes().collect();
    assert_eq!(attributes[0].1[..4], [0, 0, 4, 20]);
    assert_eq!(attributes[1], (UNKNOWN_ATTRIBUTES, &[0x7f, 0xf1][..]));
}

#[test]
fn a_fingerprint_is_checked_and_returned() {
    let mut out = request(&[(0x8022, b"phone")]);
    set_length(&mut out, 8);
    let sum = crc32(&out) ^ FINGERPRINT_XOR;
    push(&mut out, FINGERPRINT, &sum.to_be_bytes());
    let answer = answered(&out, SOURCE);
    assert!(is_fingerprint_of(&answer, &answer[answer.len() - 4..]));
    *out.last_mut().unwrap() ^= 1;
    assert_eq!(hear_from(&out, SOURCE), Heard::Silence);
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}

#[test]
fn what_is_no_request_gets_no_answer() {
    let mut indication = request(&[]);
    indication[1] = 0x11;
    let mut response = request(&[]);
    response[0] = 1;
    let mut long = request(&[(0x8022, b"phone")]);
    long.pop();
    let mut overrun = request(&[(0x8022, b"phone")]);
    overrun[23] = 200;
    for silent in [indication, response, long, overrun] {
        assert_eq!(hear_from(&silent, SOURCE), Heard::Silence, "{silent:02x?}");
    }
    for other in
        [&b"INVITE sip:a@b SIP/2.0\r\n"[..], b"\r\n\r\n", b"\0\x01\0\0", b"", b"\x80\x08rtprtprtprtprtprtp"]
    {
        assert_eq!(hear_from(other, SOURCE), Heard::Other);
    }
}
