use super::*;
use crate::Codec;

fn parse(text: &str) -> Description {
    Description::parse(text.as_bytes()).expect("a description")
}

fn audio(lines: &str) -> Description {
    parse(&format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{lines}"))
}

#[test]
fn every_line_is_kept_byte_for_byte() {
    let text =
        b"v=0\no=x\r\ns=\xd5\xc5\r\ny=0100000001\r\nnonsense\r\n\r\nm=audio 1 RTP/AVP 8\r\nf=v///\r\na=x:\0";
    let description = Description::parse(text).unwrap();
    assert_eq!(&description.to_bytes()[..], text);
    let letters: Vec<u8> = description.lines().map(|(letter, _)| letter).collect();
    assert_eq!(letters, b"vosymfa");
}

#[test]
fn the_streams_own_address_and_direction_come_before_the_sessions() {
    let description = parse(
        "v=0\r\nc=IN IP4 192.0.2.1\r\na=recvonly\r\nm=audio 2 RTP/AVP 8\r\nm=audio 4 RTP/AVP 8\r\n\
         c=IN IP6 2001:db8::5\r\na=sendonly\r\n",
    );
    let [first, second] = [0, 1].map(|nth| description.nth_media(nth).unwrap());
    assert_eq!(first.connection(), Some(Connection::Address("192.0.2.1".parse().unwrap())));
    assert_eq!(first.direction(), Direction::RecvOnly);
    assert_eq!(second.connection(), Some(Connection::Address("2001:db8::5".parse().unwrap())));
    assert_eq!(second.direction(), Direction::SendOnly);
    assert!(description.nth_media(2).is_none());
}

#[test]
fn addresses_names_and_groups_are_told_apart() {
    let of = |value: &str| {
        let description = format!("v=0\r\nc={value}\r\nm=audio 2 RTP/AVP 8\r\n");
        Description::parse(description.as_bytes())
            .map(|description| format!("{:?}", description.connection().unwrap()))
    };
    assert_eq!(of("in ip4 192.0.2.1 ").unwrap(), "Address(192.0.2.1)");
    assert_eq!(of("IN IP4 224.2.1.1/127/3").unwrap(), "Multicast(224.2.1.1)");
    assert_eq!(of("IN IP6 ff15::101/3").unwrap(), "Multicast(ff15::101)");
    assert_eq!(of("IN IP4 media.example.com").unwrap(), "Name(\"media.example.com\")");
    for broken in ["", "IN", "IN IP4", "IN IP5 1.2.3.4", "ATM IP4 1.2.3.4", "IN IP4 a;b"] {
        assert!(matches!(of(broken), Err(ParseError::Connection { line: 2, .. })), "{broken}");
    }
}

#[test]
fn attributes_are_read_in_spite_of_spaces_and_case() {
    let description = audio(
        "m=audio  5004 rtp/avp  8 101 \r\na=RTPMAP: 8 pcma/8000\r\na=rtpmap:101 Telephone-Event/8000\r\n\
         a=fmtp:101  0-15 \r\na=ptime:30\r\na=maxptime:20\r\na=rtcp-mux\r\n",
    );
    let media = description.nth_media(0).unwrap();
    assert_eq!((media.kind(), media.port(), media.protocol()), (&b"audio"[..], 5004, &b"rtp/avp"[..]));
    assert_eq!(media.payload_types().collect::<Vec<_>>(), [8, 101]);
    assert_eq!(media.formats_read().payload_type_of(Codec::Pcma), Some(8));
    assert_eq!(media.formats_read().payload_type_of(Codec::Pcmu), None);
    assert_eq!(media.formats_read().telephone_event(8_000), Some(101));
    assert_eq!(media.fmtp(101), Some(&b"0-15"[..]));
    assert_eq!(media.fmtp(8), None);
    assert_eq!(media.ptime(), Some(20));
    assert_eq!(media.attribute("rtcp-mux"), Some(&b""[..]));
    assert_eq!(media.attributes().count(), 6);
}

#[test]
fn static_numbers_need_no_rtpmap_and_an_rtpmap_says_otherwise() {
    let plain = audio("m=audio 5004 RTP/AVP 18 0 8\r\n");
    let media = plain.nth_media(0).unwrap();
    assert_eq!(
        (
            media.formats_read().payload_type_of(Codec::Pcmu),
            media.formats_read().payload_type_of(Codec::Pcma)
        ),
        (Some(0), Some(8))
    );
    let odd = audio(
        "m=audio 5004 RTP/AVP 8 97 98\r\na=rtpmap:8 G729/8000\r\na=rtpmap:97 PCMA/16000\r\na=rtpmap:98 PCMA/8000/1\r\n",
    );
    assert_eq!(odd.nth_media(0).unwrap().formats_read().payload_type_of(Codec::Pcma), Some(98));
}

#[test]
fn keys_for_srtp_are_read_and_never_printed() {
    let description = audio(
        "m=audio 5004 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0|2^20|1:32\r\na=crypto:x\r\n",
    );
    let keys: Vec<_> = description.nth_media(0).unwrap().crypto().collect();
    assert_eq!(keys.len(), 1);
    assert_eq!((keys[0].tag, keys[0].suite), (1, &b"AES_CM_128_HMAC_SHA1_80"[..]));
    assert_eq!(keys[0].key, b"inline:c2VjcmV0|2^20|1:32");
    assert!(!format!("{:?}", keys[0]).contains("c2Vj"));
}

#[test]
fn an_origin_is_text_read_from_its_end() {
    let of = |value: &str| {
        let description = parse(&format!("v=0\r\no={value}\r\n"));
        let origin = description.origin();
        origin.map(|o| {
            [o.username, o.id, o.version, o.address].map(|t| String::from_utf8_lossy(t).into_owned())
        })
    };
    assert_eq!(of("- 3890 2 IN IP4 192.0.2.1").unwrap(), ["-", "3890", "2", "192.0.2.1"]);
    assert_eq!(of("Huawei SoftX 1.5 -2 IN IP4 h").unwrap(), ["Huawei SoftX", "1.5", "-2", "h"]);
    assert_eq!(of("- 1 IN IP4"), None);
}

#[test]
fn what_is_no_description_is_refused_with_its_line() {
    let error = |text: &str| Description::parse(text.as_bytes()).unwrap_err();
    assert_eq!(error(""), ParseError::Empty);
    assert_eq!(error("\r\n\r\n"), ParseError::Empty);
    assert!(matches!(error("hello world\r\n"), ParseError::Version { line: 1, .. }));
    assert!(matches!(error("v=1\r\n"), ParseError::Version { line: 1, .. }));
    assert!(matches!(error("s=-\r\nv=0\r\n"), ParseError::Version { line: 1, .. }));
    for broken in
        ["audio", "audio abc RTP/AVP 0", "audio 70000 RTP/AVP 0", "audio +5 RTP/AVP 0", "audio 5/x R 0"]
    {
        let error = error(&format!("v=0\r\ns=-\r\nm={broken}\r\n"));
        assert!(matches!(error, ParseError::Media { line: 3, .. }), "{broken}: {error}");
    }
    let long = vec![b'a'; Description::MAX_BYTES + 1];
    assert_eq!(Description::parse(&long), Err(ParseError::TooLong(65_536)));
    let many = format!("v=0\r\n{}", "m=audio 0 RTP/AVP 0\r\n".repeat(65));
    assert_eq!(Description::parse(many.as_bytes()), Err(ParseError::TooManyMedia));
}

#[test]
fn a_payload_type_that_is_named_twice_means_what_is_said_of_it_first() {
    let twice = audio(
        "m=audio 5004 RTP/AVP 98 8 98 200 97\r\na=rtpmap:98 opus\r\na=rtpmap:98 PCMU/8000\r\na=rtpmap:98 PCMA/8000\r\n\
         a=rtpmap:99 G722/8000\r\na=rtpmap:97 opus/48000/2\r\n",
    );
    let said = twice.nth_media(0).unwrap().formats_read();
    assert_eq!(said.payload_types().collect::<Vec<_>>(), [98, 8, 97]);
    assert_eq!(said.codecs().collect::<Vec<_>>(), [(98, Codec::Pcmu), (8, Codec::Pcma), (97, Codec::Opus)]);
    assert_eq!(said.rtpmap(97).map(|map| (map.clock_rate, map.parameters)), Some((48_000, Some(&b"2"[..]))));
    // What is not offered means nothing, whatever is said of it.
    assert_eq!((said.payload_type_of(Codec::G722), said.rtpmap(99)), (None, None));
}
