use std::net::IpAddr;

use super::*;
use crate::{Codec, Direction, PTIME_MS, Secrecy, Session};

fn local() -> Local {
    Local {
        address: IpAddr::from([203, 0, 113, 5]),
        port: 20_000,
        codecs: vec![Codec::Pcma].into(),
        dtmf: true,
        noise: false,
        secrecy: Secrecy::Off,
        ptime_ms: PTIME_MS,
        session: Session { id: 7, version: 3 },
        direction: Direction::SendRecv,
    }
}

fn described(media: &str) -> Description {
    let text =
        format!("v=0\r\no=- 1 1 IN IP4 198.51.100.9\r\ns=-\r\nc=IN IP4 198.51.100.9\r\nt=0 0\r\n{media}");
    Description::parse(text.as_bytes()).unwrap()
}

const T38: &str = "m=image 4444 udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\na=T38FaxFillBitRemoval\r\n\
                   a=T38FaxRateManagement:transferredTCF\r\na=T38FaxUdpEC:t38UDPRedundancy\r\na=sendrecv\r\n";

fn lines(text: &[u8], kind: &str) -> Vec<String> {
    let text = std::str::from_utf8(text).unwrap();
    text.lines().filter(|line| line.starts_with(kind)).map(str::to_owned).collect()
}

#[test]
fn the_parameters_pass_in_the_peers_order_and_words_and_nothing_else_does() {
    let fax = fax(&described(T38), &local()).unwrap().unwrap();
    assert_eq!(fax.remote.to_string(), "198.51.100.9:4444");
    let offer = offer_fax(&local(), &fax.terms, Some(&described("m=audio 4000 RTP/AVP 8\r\n")));
    assert_eq!(lines(&offer, "m="), ["m=image 20000 udptl t38"], "in the place of the audio");
    assert_eq!(
        lines(&offer, "a="),
        [
            "a=T38FaxVersion:0",
            "a=T38MaxBitRate:14400",
            "a=T38FaxFillBitRemoval",
            "a=T38FaxRateManagement:transferredTCF",
            "a=T38FaxUdpEC:t38UDPRedundancy",
        ]
    );
    assert_eq!(lines(&offer, "c="), ["c=IN IP4 203.0.113.5"]);
    assert_eq!(lines(&offer, "o="), ["o=- 7 3 IN IP4 203.0.113.5"]);
}

#[test]
fn an_image_stream_keeps_its_place_and_others_are_off() {
    let peer = described(&format!("m=audio 0 RTP/AVP 8\r\n{T38}m=video 6000 RTP/AVP 31\r\n"));
    let offer = offer_fax(&local(), &FaxTerms::default(), Some(&peer));
    let wanted = ["m=audio 0 RTP/AVP 8", "m=image 20000 udptl t38", "m=video 0 RTP/AVP 31"];
    assert_eq!(lines(&offer, "m="), wanted);
    assert_eq!(lines(&answer_fax(&peer, &local(), &FaxTerms::default()).unwrap(), "m="), wanted);
    // Back to audio: in its own place again, where it has one.
    let audio = crate::reoffer(&local(), &peer);
    let back: Vec<String> = lines(&audio, "m=");
    assert!(back[0].starts_with("m=audio 20000 RTP/AVP 8"), "{back:?}");
    assert_eq!(back[1..], ["m=image 0 udptl t38", "m=video 0 RTP/AVP 31"]);
    // Else where the image was.
    let back = lines(&crate::reoffer(&local(), &described(T38)), "m=");
    assert!(back.len() == 1 && back[0].starts_with("m=audio 20000 RTP/AVP 8"), "{back:?}");
}

#[test]
fn only_an_image_without_audio_beside_it_is_a_fax() {
    assert!(fax(&described("m=audio 4000 RTP/AVP 8\r\n"), &local()).is_none());
    assert!(fax(&described(&format!("m=audio 4000 RTP/AVP 8\r\n{T38}")), &local()).is_none());
    assert!(fax(&described("m=image 0 udptl t38\r\n"), &local()).is_none());
    assert!(fax(&described("m=image 4444 tcp t38\r\n"), &local()).is_none());
    assert!(fax(&described("m=image 4444 UDPTL T38\r\n"), &local()).is_some(), "case is no matter");
    let name = "m=image 4444 udptl t38\r\nc=IN IP4 fax.example\r\n";
    assert!(matches!(fax(&described(name), &local()), Some(Err(Unacceptable::Name(_)))));
}

#[test]
fn an_answer_that_does_not_take_the_stream_is_a_refusal() {
    let sent = Description::parse(&offer_fax(&local(), &FaxTerms::default(), None)).unwrap();
    let judged = |answer: &str| accept_fax(&sent, &described(answer), &local());
    assert!(judged(T38).is_ok());
    for answer in ["m=image 0 udptl t38\r\n", "m=audio 4000 RTP/AVP 8\r\n", ""] {
        assert!(matches!(judged(answer), Err(Unacceptable::Refused)), "{answer}");
    }
}

#[test]
fn no_parameter_smuggles_a_line() {
    let offer =
        described("m=image 4444 udptl t38\r\na=T38FaxVersion:0\rm=audio 1 RTP/AVP 8\r\na=T38\u{e9}:1\r\n");
    let fax = fax(&offer, &local()).unwrap().unwrap();
    assert_eq!(fax.terms, FaxTerms::default());
}
