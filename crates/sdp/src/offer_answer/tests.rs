use super::*;
use crate::Session;

fn local() -> Local {
    Local {
        address: "198.51.100.7".parse().unwrap(),
        port: 20_000,
        codecs: vec![Codec::Pcma, Codec::Pcmu],
        dtmf: true,
        session: Session { id: 77, version: 1 },
        direction: Direction::SendRecv,
    }
}

/// An offer of one stream with a session at 192.0.2.1.
fn offered(lines: &str) -> Description {
    let text = format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{lines}");
    Description::parse(text.as_bytes()).unwrap()
}

fn answered(lines: &str) -> (String, Negotiated) {
    let (text, negotiated) = answer(&offered(lines), &local()).unwrap();
    (String::from_utf8(text.to_vec()).unwrap(), negotiated)
}

const BASIC: &str = "m=audio 49170 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
                     a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n";

#[test]
fn an_answer_has_one_codec_and_the_offers_numbers() {
    let (text, agreed) = answered(&BASIC.replace("101", "96"));
    assert_eq!(
        text,
        "v=0\r\no=- 77 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
         m=audio 20000 RTP/AVP 8 96\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:96 telephone-event/8000\r\n\
         a=fmtp:96 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    );
    let expected = Negotiated {
        remote: "192.0.2.1:49170".parse().unwrap(),
        remote_rtcp: "192.0.2.1:49171".parse().unwrap(),
        codec: Codec::Pcma,
        payload_type: 8,
        receive_payload_type: 8,
        dtmf: Some(96),
        receive_dtmf: Some(96),
        ptime_ms: 20,
        direction: Direction::SendRecv,
        on_hold: false,
        rtcp_mux: false,
    };
    assert_eq!(agreed, expected);
}

#[test]
fn our_preference_chooses_among_what_is_offered() {
    let offer = offered("m=audio 4 RTP/AVP 18 0 97\r\na=rtpmap:97 PCMA/8000\r\n");
    let (_, agreed) = answer(&offer, &local()).unwrap();
    assert_eq!((agreed.codec, agreed.payload_type, agreed.receive_payload_type), (Codec::Pcma, 97, 97));
    let (_, agreed) = answer(&offer, &Local { codecs: vec![Codec::Pcmu], ..local() }).unwrap();
    assert_eq!((agreed.codec, agreed.payload_type), (Codec::Pcmu, 0));
    assert_eq!(agreed.dtmf, None);
}

#[test]
fn keys_are_left_out_when_we_do_not_speak_them() {
    let (text, agreed) = answer(&offered(BASIC), &Local { dtmf: false, ..local() }).unwrap();
    assert_eq!((agreed.dtmf, agreed.receive_dtmf), (None, None));
    assert!(!String::from_utf8_lossy(&text).contains("telephone-event"));
}

#[test]
fn directions_are_answered_as_rfc_3264_tells() {
    // Offered, ours, as we see it, on hold.
    let table = [
        ("sendrecv", Direction::SendRecv, Direction::SendRecv, false),
        ("sendonly", Direction::SendRecv, Direction::RecvOnly, true),
        ("recvonly", Direction::SendRecv, Direction::SendOnly, false),
        ("inactive", Direction::SendRecv, Direction::Inactive, true),
        ("sendrecv", Direction::SendOnly, Direction::SendOnly, false),
        ("sendonly", Direction::SendOnly, Direction::Inactive, true),
    ];
    for (offered_direction, ours, expected, on_hold) in table {
        let offer = offered(&format!("{BASIC}a={offered_direction}\r\n"));
        let (text, agreed) = answer(&offer, &Local { direction: ours, ..local() }).unwrap();
        assert_eq!((agreed.direction, agreed.on_hold), (expected, on_hold), "{offered_direction} {ours:?}");
        assert!(String::from_utf8_lossy(&text).ends_with(&format!("a={}\r\n", expected.name())));
    }
}

#[test]
fn the_unspecified_address_is_hold() {
    let offer = Description::parse(format!("v=0\r\nc=IN IP4 0.0.0.0\r\n{BASIC}").as_bytes()).unwrap();
    let (text, agreed) = answer(&offer, &local()).unwrap();
    assert!(agreed.on_hold);
    assert_eq!(agreed.direction, Direction::RecvOnly, "nothing is sent to nowhere");
    assert!(String::from_utf8_lossy(&text).contains("a=sendrecv"), "the old way knows no other word");
}

#[test]
fn other_streams_keep_their_places_and_are_refused() {
    let (text, agreed) = answered(
        "m=video 6000 RTP/AVP 31 32\r\nm=audio 7000 RTP/SAVP 8\r\nm=audio 0 RTP/AVP 8\r\nm=audio 9000 RTP/AVP 8\r\n\
         m=image 4444 udptl t38\r\nm=audio 9100 RTP/AVP 8\r\n",
    );
    let media: Vec<&str> = text.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        media,
        [
            "m=video 0 RTP/AVP 31 32",
            "m=audio 0 RTP/SAVP 8",
            "m=audio 0 RTP/AVP 8",
            "m=audio 20000 RTP/AVP 8",
            "m=image 0 udptl t38",
            "m=audio 0 RTP/AVP 8",
        ]
    );
    assert_eq!(agreed.remote.port(), 9_000);
}

#[test]
fn a_refused_stream_cannot_smuggle_lines() {
    let offer = offered("m=video 5 a\rb x\rm=audio y\r\nm=audio 7000 RTP/AVP 8\r\n");
    let (text, _) = answer(&offer, &local()).unwrap();
    let text = String::from_utf8_lossy(&text);
    assert!(text.lines().all(|line| !line.contains('\r')), "{text:?}");
}

#[test]
fn rtcp_goes_where_the_peer_says() {
    let of = |line: &str| answered(&format!("{BASIC}{line}")).1.remote_rtcp.to_string();
    assert_eq!(of(""), "192.0.2.1:49171");
    assert_eq!(of("a=rtcp:53020\r\n"), "192.0.2.1:53020");
    assert_eq!(of("a=rtcp:53020 IN IP4 192.0.2.9\r\n"), "192.0.2.9:53020");
    assert_eq!(of("a=rtcp:99999\r\n"), "192.0.2.1:49171");
    let (text, agreed) = answered(&format!("{BASIC}a=rtcp-mux\r\n"));
    assert!(agreed.rtcp_mux && agreed.remote_rtcp == agreed.remote && text.contains("a=rtcp-mux\r\n"));
}

#[test]
fn packet_times_are_whole_tens_from_10_to_60() {
    let of = |line: &str| answered(&BASIC.replace("a=ptime:20\r\n", line)).1.ptime_ms;
    for (line, expected) in [
        ("", 20),
        ("a=ptime:30\r\n", 30),
        ("a=ptime:33.5\r\n", 30),
        ("a=ptime:200\r\n", 60),
        ("a=ptime:3\r\n", 20),
        ("a=ptime:40\r\na=maxptime:30\r\n", 30),
        ("a=ptime:x\r\n", 20),
    ] {
        assert_eq!(of(line), expected, "{line}");
    }
}

#[test]
fn what_cannot_be_agreed_has_its_reason() {
    let reason = |text: &str| {
        let offer = Description::parse(text.as_bytes()).unwrap();
        answer(&offer, &local()).unwrap_err()
    };
    let at = |address: &str, media: &str| format!("v=0\r\nc=IN {address}\r\nm={media}\r\n");
    let audio = "audio 4000 RTP/AVP 8";
    assert_eq!(reason(&at("IP4 192.0.2.1", "image 4444 udptl t38")), Unacceptable::NoAudio);
    assert_eq!(reason(&at("IP4 192.0.2.1", "audio 0 RTP/AVP 8")), Unacceptable::NoAudio);
    assert_eq!(reason(&at("IP4 192.0.2.1", "audio 9 UDP/TLS/RTP/SAVPF 8")), Unacceptable::NoAudio);
    assert_eq!(reason(&at("IP4 192.0.2.1", "audio 4000 RTP/AVP 18 101")), Unacceptable::NoCodec);
    assert_eq!(reason(&at("IP4 media.example.com", audio)), Unacceptable::Name("media.example.com".into()));
    assert_eq!(
        reason(&at("IP4 224.2.1.1/127", audio)),
        Unacceptable::Multicast("224.2.1.1".parse().unwrap())
    );
    assert_eq!(
        reason(&at("IP6 2001:db8::1", audio)),
        Unacceptable::AddressFamily("2001:db8::1".parse().unwrap())
    );
    assert_eq!(reason("v=0\r\nm=audio 4000 RTP/AVP 8\r\n"), Unacceptable::NoAddress);
}

#[test]
fn ipv6_is_answered_with_ipv6() {
    let offer = Description::parse(b"v=0\r\nc=IN IP6 2001:db8::1\r\nm=audio 4000 RTP/AVP 8\r\n").unwrap();
    let local = Local { address: "2001:db8::7".parse().unwrap(), ..local() };
    let (text, agreed) = answer(&offer, &local).unwrap();
    assert_eq!(agreed.remote, "[2001:db8::1]:4000".parse().unwrap());
    assert!(String::from_utf8_lossy(&text).contains("c=IN IP6 2001:db8::7\r\n"));
}

#[test]
fn an_answer_echoes_the_offers_time_unless_it_is_odd() {
    let of = |time: &str| {
        let offer = format!("v=0\r\nc=IN IP4 192.0.2.1\r\nt={time}\r\n{BASIC}");
        let (text, _) = answer(&Description::parse(offer.as_bytes()).unwrap(), &local()).unwrap();
        String::from_utf8_lossy(&text).lines().find(|line| line.starts_with("t=")).unwrap().to_owned()
    };
    assert_eq!(of("2873397496 2873404696"), "t=2873397496 2873404696");
    assert_eq!(of("now"), "t=0 0");
}

#[test]
fn our_offer_accepts_its_own_answer_both_ways() {
    let sent = Description::parse(&offer(&local())).unwrap();
    let theirs = Local {
        address: "192.0.2.9".parse().unwrap(),
        port: 4_000,
        codecs: vec![Codec::Pcmu],
        session: Session { id: 5, version: 5 },
        ..local()
    };
    let (text, seen_there) = answer(&sent, &theirs).unwrap();
    let seen_here = accept(&sent, &Description::parse(&text).unwrap()).unwrap();
    assert_eq!(seen_there.remote, "198.51.100.7:20000".parse().unwrap());
    assert_eq!(seen_here.remote, "192.0.2.9:4000".parse().unwrap());
    for agreed in [seen_here, seen_there] {
        assert_eq!((agreed.codec, agreed.payload_type, agreed.dtmf), (Codec::Pcmu, 0, Some(101)));
        assert_eq!((agreed.direction, agreed.on_hold), (Direction::SendRecv, false));
    }
}

#[test]
fn an_answer_may_use_numbers_of_its_own() {
    let sent = Description::parse(&offer(&local())).unwrap();
    let answer = offered(
        "m=audio 4000 RTP/AVP 18 97 96\r\na=rtpmap:97 PCMA/8000\r\na=rtpmap:96 telephone-event/8000\r\na=sendonly\r\n",
    );
    let agreed = accept(&sent, &answer).unwrap();
    assert_eq!((agreed.payload_type, agreed.receive_payload_type), (97, 8));
    assert_eq!((agreed.dtmf, agreed.receive_dtmf), (Some(96), Some(101)));
    assert_eq!((agreed.direction, agreed.on_hold), (Direction::RecvOnly, true));
}

#[test]
fn an_answer_that_refuses_is_told_apart_from_one_that_misses_the_point() {
    let sent = Description::parse(&offer(&local())).unwrap();
    assert_eq!(accept(&sent, &offered("m=audio 0 RTP/AVP 8\r\n")), Err(Unacceptable::Refused));
    assert_eq!(accept(&sent, &offered("m=audio 4000 RTP/AVP 18\r\n")), Err(Unacceptable::NoCodec));
    assert_eq!(accept(&sent, &offered("m=video 4000 RTP/AVP 8\r\n")), Err(Unacceptable::NoAudio));
    assert_eq!(accept(&sent, &offered("")), Err(Unacceptable::NoAudio));
}

#[test]
fn an_offer_of_one_way_audio_is_no_hold_of_the_peers() {
    let sent = Description::parse(&offer(&Local { direction: Direction::RecvOnly, ..local() })).unwrap();
    let agreed = accept(&sent, &offered(&format!("{BASIC}a=sendonly\r\n"))).unwrap();
    assert_eq!((agreed.direction, agreed.on_hold), (Direction::RecvOnly, false));
}

#[test]
fn an_offer_again_keeps_places_and_numbers() {
    let peer = offered(&format!("m=video 6000 RTP/AVP 31\r\n{}", BASIC.replace("101", "96")));
    let again = Local { session: Session { id: 77, version: 2 }, ..local() };
    let text = reoffer(&again, &peer);
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("o=- 77 2 IN IP4"));
    let media: Vec<&str> = text.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(media, ["m=video 0 RTP/AVP 31", "m=audio 20000 RTP/AVP 8 0 96"]);
    let sent = Description::parse(text.as_bytes()).unwrap();
    let answer = offered(&format!("m=video 0 RTP/AVP 31\r\n{}", BASIC.replace("101", "96")));
    assert_eq!(accept(&sent, &answer).unwrap().remote.port(), 49_170);
}
