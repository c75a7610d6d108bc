use super::*;
use crate::{MasterKey, Secrecy, Session};

fn local() -> Local {
    Local {
        address: "198.51.100.7".parse().unwrap(),
        port: 20_000,
        codecs: vec![Codec::Pcma, Codec::Pcmu].into(),
        dtmf: true,
        noise: false,
        secrecy: Secrecy::Off,
        ptime_ms: PTIME_MS,
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
        keys: KeyWay::Events,
        ..Negotiated::plain("192.0.2.1:49170".parse().unwrap(), Codec::Pcma)
    };
    assert_eq!(agreed, expected);
}

#[test]
fn our_preference_chooses_among_what_is_offered() {
    let offer = offered("m=audio 4 RTP/AVP 18 0 97\r\na=rtpmap:97 PCMA/8000\r\n");
    let (_, agreed) = answer(&offer, &local()).unwrap();
    assert_eq!((agreed.codec, agreed.payload_type, agreed.receive_payload_type), (Codec::Pcma, 97, 97));
    let (_, agreed) = answer(&offer, &Local { codecs: vec![Codec::Pcmu].into(), ..local() }).unwrap();
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
        codecs: vec![Codec::Pcmu].into(),
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

fn key(fill: u8) -> MasterKey {
    MasterKey([fill; MasterKey::BYTES])
}

fn with(codecs: &[Codec], secrecy: Secrecy) -> Local {
    Local { codecs: codecs.into(), secrecy, ..local() }
}

fn lines(text: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(text).lines().map(str::to_owned).collect()
}

/// Both sides' view after `ours` offered and `theirs` answered.
fn agree(ours: &Local, theirs: &Local) -> Result<(Negotiated, Negotiated), Unacceptable> {
    let sent = Description::parse(&offer(ours)).unwrap();
    let (text, answerer) = answer(&sent, theirs)?;
    Ok((accept(&sent, &Description::parse(&text).unwrap())?, answerer))
}

#[test]
fn what_an_offer_was_written_of_says_the_same_of_its_answer_as_its_text() {
    let codecs = [&Codec::ALL[..], &[Codec::Opus], &[Codec::Pcmu, Codec::G729]];
    let secrecies = [Secrecy::Off, Secrecy::Optional(key(1)), Secrecy::Required(key(1))];
    let sides = codecs.into_iter().flat_map(|codecs| secrecies.map(|secrecy| with(codecs, secrecy)));
    let sides: Vec<Local> = sides
        .flat_map(|side| {
            let one_way = Local { direction: Direction::SendOnly, noise: true, ..side.clone() };
            [Local { dtmf: false, ..side.clone() }, one_way, side]
        })
        .collect();
    let (mut agreed, mut refused) = (0, 0);
    for ours in &sides {
        let sent = Description::parse(&offer(ours)).unwrap();
        let answers = sides.iter().filter_map(|theirs| answer(&sent, theirs).ok()).map(|(text, _)| text);
        // And what answers no offer of ours: other offers.
        for text in answers.chain(sides.iter().map(offer)) {
            let theirs = Description::parse(&text).unwrap();
            let said = accept(&sent, &theirs);
            assert_eq!(accept_first(ours, &theirs), said, "{ours:?} {text:?}");
            *(if said.is_ok() { &mut agreed } else { &mut refused }) += 1;
        }
    }
    assert!(agreed > 300 && refused > 100, "{agreed} {refused}");
}

#[test]
fn every_codec_is_offered_and_answered_with_its_number_and_parameters() {
    for codec in Codec::ALL {
        let (offerer, answerer) =
            agree(&with(&[codec], Secrecy::Off), &with(&Codec::ALL, Secrecy::Off)).unwrap();
        assert_eq!((offerer.codec, answerer.codec), (codec, codec));
        assert_eq!(offerer.payload_type, codec.payload_type());
        // RFC 4733 §2.1: events count in the codec's own clock.
        assert_eq!((offerer.dtmf_clock, answerer.dtmf_clock), (codec.clock_rate(), codec.clock_rate()));
        assert_eq!(offerer.keys, KeyWay::Events);
    }
    let text = lines(&offer(&with(&[Codec::Opus, Codec::G729, Codec::G722], Secrecy::Off)));
    for line in [
        "m=audio 20000 RTP/AVP 111 18 9 101 110",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 useinbandfec=1;stereo=0;sprop-stereo=0",
        "a=rtpmap:18 G729/8000",
        "a=fmtp:18 annexb=no",
        "a=rtpmap:9 G722/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=rtpmap:110 telephone-event/48000",
    ] {
        assert!(text.iter().any(|known| known == line), "{line} in {text:?}");
    }
}

#[test]
fn static_numbers_need_no_rtpmap_and_dynamic_ones_do() {
    let all = with(&[Codec::G722, Codec::G729, Codec::Opus], Secrecy::Off);
    for (formats, expected) in [("9", Codec::G722), ("18", Codec::G729)] {
        let (_, agreed) = answer(&offered(&format!("m=audio 4 RTP/AVP {formats}\r\n")), &all).unwrap();
        assert_eq!(agreed.codec, expected);
    }
    assert_eq!(answer(&offered("m=audio 4 RTP/AVP 111\r\n"), &all).unwrap_err(), Unacceptable::NoCodec);
    // Chrome and Linphone write Opus with two channels, some with none, G.722 sometimes with its true rate.
    for map in ["96 opus/48000/2", "96 OPUS/48000", "96 G722/16000"] {
        let offer = offered(&format!("m=audio 4 RTP/AVP 96\r\na=rtpmap:{map}\r\n"));
        assert_eq!(answer(&offer, &all).unwrap().1.payload_type, 96, "{map}");
    }
}

#[test]
fn events_at_8_khz_stand_beside_opus_where_the_peer_has_no_others() {
    let offer = offered(
        "m=audio 4 RTP/AVP 96 97\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 telephone-event/8000\r\n",
    );
    let (_, agreed) = answer(&offer, &with(&[Codec::Opus], Secrecy::Off)).unwrap();
    assert_eq!((agreed.dtmf, agreed.dtmf_clock), (Some(97), 8_000));
}

#[test]
fn a_reoffer_keeps_the_peers_dynamic_numbers() {
    let peer = offered(
        "m=audio 4 RTP/AVP 96 111\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:111 telephone-event/48000\r\n",
    );
    let text = lines(&reoffer(&with(&[Codec::Opus], Secrecy::Off), &peer));
    assert!(text.contains(&"m=audio 20000 RTP/AVP 96 101 111".to_owned()), "{text:?}");
    // 101 means something else to this peer.
    let peer = offered("m=audio 4 RTP/AVP 8 101\r\na=rtpmap:101 L16/8000\r\n");
    let text = lines(&reoffer(&with(&[Codec::Pcma], Secrecy::Off), &peer));
    assert!(text.contains(&"m=audio 20000 RTP/AVP 8 127".to_owned()), "{text:?}");
}

#[test]
fn comfort_noise_is_agreed_only_where_it_is_switched_on_and_not_beside_opus() {
    let offer = offered("m=audio 4 RTP/AVP 8 13\r\n");
    assert_eq!(answer(&offer, &local()).unwrap().1.noise, None);
    let on = Local { noise: true, ..local() };
    let (text, agreed) = answer(&offer, &on).unwrap();
    assert_eq!((agreed.noise, agreed.receive_noise), (Some(13), Some(13)));
    assert!(lines(&text).contains(&"m=audio 20000 RTP/AVP 8 13".to_owned()));
    let (offerer, _) = agree(&on, &on).unwrap();
    assert_eq!(offerer.noise, Some(13));
    let opus = Local { codecs: vec![Codec::Opus].into(), ..on };
    assert_eq!(agree(&opus, &opus).unwrap().0.noise, None);
}

#[test]
fn srtp_is_agreed_by_each_pair_of_settings_as_the_table_says() {
    let (a, b) = (key(1), key(2));
    let all = |key| [Secrecy::Off, Secrecy::Optional(key), Secrecy::Required(key)];
    // Rows: the offerer off, optional, required. Columns: the answerer's same.
    let encrypted = [
        [Some(false), Some(false), None],
        [Some(false), Some(true), Some(true)],
        [None, Some(true), Some(true)],
    ];
    for (ours, row) in all(a).into_iter().zip(encrypted) {
        for (theirs, expected) in all(b).into_iter().zip(row) {
            let agreed = agree(&with(&[Codec::Pcma], ours), &with(&[Codec::Pcma], theirs));
            let got = agreed.as_ref().ok().map(|(offerer, answerer)| {
                let keys = offerer.srtp.map(|srtp| (srtp.ours, srtp.theirs, srtp.suite));
                let mirrored = answerer.srtp.map(|srtp| (srtp.theirs, srtp.ours, srtp.suite));
                assert_eq!(keys, mirrored);
                if let Some(srtp) = offerer.srtp {
                    assert_eq!((srtp.ours, srtp.theirs, srtp.suite), (a, b, Suite::Aes128Sha1Tag80));
                }
                offerer.srtp.is_some()
            });
            assert_eq!(got, expected, "{ours:?} to {theirs:?}: {agreed:?}");
        }
    }
}

#[test]
fn required_srtp_never_falls_back_to_plain() {
    let required = with(&[Codec::Pcma], Secrecy::Required(key(1)));
    let plain = answer(&offered("m=audio 4 RTP/AVP 8\r\n"), &required).unwrap_err();
    assert_eq!(plain, Unacceptable::Unencrypted);
    let line = crypto::line(1, Suite::Aes128Sha1Tag80, key(7));
    let bad = [
        "m=audio 4 RTP/SAVP 8\r\n".to_owned(),
        format!("m=audio 4 RTP/SAVP 8\r\n{}", line.replace("SHA1_80", "SHA1_96")),
        format!("m=audio 4 RTP/SAVP 8\r\n{} UNENCRYPTED_SRTP\r\n", line.trim_end()),
        format!("m=audio 4 RTP/SAVP 8\r\n{}|2^31|1:4\r\n", line.trim_end()),
    ];
    for offer in bad {
        assert_eq!(answer(&offered(&offer), &required).unwrap_err(), Unacceptable::NoKey, "{offer}");
    }
    let hint = format!("m=audio 4 RTP/SAVP 8\r\n{} WSH=128\r\n", line.trim_end());
    assert!(answer(&offered(&hint), &required).is_ok());
    // A plain answer to our SRTP offer, one with a tag that was not offered, and one with another suite's name.
    let sent = Description::parse(&offer(&required)).unwrap();
    for answered in [
        "m=audio 4 RTP/SAVP 8\r\n".to_owned(),
        format!("m=audio 4 RTP/SAVP 8\r\n{}", crypto::line(9, Suite::Aes128Sha1Tag80, key(7))),
        format!("m=audio 4 RTP/SAVP 8\r\n{}", crypto::line(1, Suite::Aes128Sha1Tag32, key(7))),
    ] {
        assert_eq!(accept(&sent, &offered(&answered)).unwrap_err(), Unacceptable::NoKey, "{answered}");
    }
}

#[test]
fn the_offerers_order_chooses_the_suite_and_the_answer_names_its_tag() {
    let offer = offered(&format!(
        "m=audio 4 RTP/SAVP 8\r\n{}{}",
        crypto::line(5, Suite::Aes128Sha1Tag32, key(3)),
        crypto::line(6, Suite::Aes128Sha1Tag80, key(4))
    ));
    let (text, agreed) = answer(&offer, &with(&[Codec::Pcma], Secrecy::Optional(key(1)))).unwrap();
    let srtp = agreed.srtp.unwrap();
    assert_eq!((srtp.suite, srtp.theirs), (Suite::Aes128Sha1Tag32, key(3)));
    let crypto: Vec<String> = lines(&text).into_iter().filter(|line| line.starts_with("a=crypto")).collect();
    assert_eq!(crypto, [crypto::line(5, Suite::Aes128Sha1Tag32, key(1)).trim_end()]);
    assert!(lines(&text).contains(&"m=audio 20000 RTP/SAVP 8".to_owned()));
}
