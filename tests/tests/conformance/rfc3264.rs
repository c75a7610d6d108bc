//! RFC 3264: the offer/answer model, as `sdp` writes and reads it.

use sdp::{Codec, Description, Direction, Local, Unacceptable};

fn local() -> Local {
    Local {
        address: "198.51.100.1".parse().expect("an address"),
        port: 10_000,
        codecs: vec![Codec::Pcma, Codec::Pcmu].into(),
        dtmf: true,
        noise: false,
        secrecy: sdp::Secrecy::Off,
        ptime_ms: sdp::PTIME_MS,
        session: sdp::Session { id: 7, version: 1 },
        direction: Direction::SendRecv,
    }
}

fn offer(lines: &str) -> Description {
    let text = format!("v=0\no=- 1 1 IN IP4 192.0.2.4\ns=-\nc=IN IP4 192.0.2.4\nt=0 0\n{lines}");
    Description::parse(text.as_bytes()).expect("a description")
}

fn answered(lines: &str) -> (String, sdp::Negotiated) {
    let (text, negotiated) = sdp::answer(&offer(lines), &local()).expect("an answer");
    (String::from_utf8(text.to_vec()).expect("text"), negotiated)
}

fn streams(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("m=")).collect()
}

// §6: "For each "m=" line in the offer, there MUST be a corresponding "m=" line in the answer. The answer MUST contain
// exactly the same number of "m=" lines as the offer." "An offered stream MAY be rejected in the answer … the port number
// in the corresponding stream in the answer MUST be set to zero."
#[test]
fn the_answer_has_as_many_streams_in_the_same_order() {
    let (text, _) = answered("m=video 4000 RTP/AVP 96\nm=audio 4002 RTP/AVP 0 8\nm=audio 4004 RTP/AVP 8\n");
    let found = streams(&text);
    assert_eq!(found.len(), 3);
    assert!(found[0].starts_with("m=video 0 ") && found[1].starts_with("m=audio 10000 "));
    assert!(found[2].starts_with("m=audio 0 "));
}

// §6: "The "t=" line in the answer MUST equal that of the offer." "The origin … unrelated".
#[test]
fn the_answer_repeats_the_time() {
    let text = "v=0\no=- 1 1 IN IP4 192.0.2.4\ns=-\nc=IN IP4 192.0.2.4\nt=3034423619 3042462419\nm=audio 4000 RTP/AVP 8\n";
    let (answer, _) =
        sdp::answer(&Description::parse(text.as_bytes()).expect("valid"), &local()).expect("an answer");
    assert!(String::from_utf8_lossy(&answer).contains("t=3034423619 3042462419\r\n"));
}

// §6.1: "If a stream is offered as sendonly, the corresponding stream MUST be marked as recvonly or inactive in the answer.
// If a media stream is listed as recvonly in the offer, the answer MUST be marked as sendonly or inactive in the answer. If
// an offered media stream is listed as sendrecv (or if there is no direction attribute …), the corresponding stream in the
// answer MAY be marked as sendonly, recvonly, sendrecv, or inactive. If an offered media stream is listed as inactive, it
// MUST be marked as inactive in the answer."
#[test]
fn directions_answer_directions() {
    for (asked, direction) in [
        ("a=sendonly\n", Direction::RecvOnly),
        ("a=recvonly\n", Direction::SendOnly),
        ("a=sendrecv\n", Direction::SendRecv),
        ("", Direction::SendRecv),
        ("a=inactive\n", Direction::Inactive),
    ] {
        let (text, _) = answered(&format!("m=audio 4000 RTP/AVP 8\n{asked}"));
        let answer = Description::parse(text.as_bytes()).expect("valid");
        assert_eq!(answer.nth_media(0).expect("a stream").direction(), direction, "{asked:?}");
    }
}

// §6.1: "The media formats in the "m=" line … MUST … at least one … from the offer"; "In the case of RTP, if a particular
// codec was referenced with a specific payload type number in the offer, that same payload type number SHOULD be used for
// that codec in the answer."
#[test]
fn formats_come_from_the_offer_with_its_numbers() {
    let (text, negotiated) =
        answered("m=audio 4000 RTP/AVP 97 98\na=rtpmap:97 PCMA/8000\na=rtpmap:98 telephone-event/8000\n");
    assert_eq!(streams(&text), ["m=audio 10000 RTP/AVP 97 98"]);
    assert_eq!((negotiated.payload_type, negotiated.dtmf), (97, Some(98)));
    // "If there are no media formats in common for all streams, the entire offered session is rejected."
    let none = sdp::answer(&offer("m=audio 4000 RTP/AVP 3\n"), &local());
    assert!(matches!(none, Err(Unacceptable::NoCodec)));
}

// §5.1: "for a stream … port zero … MUST NOT" be used: a stream with port 0 in the offer is refused in the answer.
#[test]
fn a_stream_with_port_zero_is_not_taken() {
    let (text, _) = answered("m=audio 0 RTP/AVP 8\nm=audio 4002 RTP/AVP 8\n");
    assert!(streams(&text)[0].starts_with("m=audio 0 "));
    assert!(sdp::answer(&offer("m=audio 0 RTP/AVP 8\n"), &local()).is_err());
}

// §8: "When issuing an offer that modifies the session, the "o=" line of the new SDP MUST be identical to that in the
// previous SDP, except that the version in the origin field MUST increment by one from the previous SDP." "If an SDP is
// offered, which is different from the previous SDP, the new SDP MUST have a matching media stream for each media stream in
// the previous SDP. In other words, if the previous SDP had N "m=" lines, the new SDP MUST have at least N "m=" lines."
#[test]
fn an_offer_again_keeps_the_streams_in_their_places() {
    let peer =
        offer("m=video 4000 RTP/AVP 96\nm=audio 4002 RTP/AVP 8 96\na=rtpmap:96 telephone-event/8000\n");
    let text = String::from_utf8(sdp::reoffer(&local(), &peer).to_vec()).expect("text");
    let found = streams(&text);
    assert_eq!(found.len(), 2);
    assert!(found[0].starts_with("m=video 0 ") && found[1].starts_with("m=audio 10000 "));
    assert!(text.contains("o=- 7 1 IN IP4 198.51.100.1\r\n"));
    assert!(text.contains("a=rtpmap:96 telephone-event/8000"), "§8.3.2: a number keeps its meaning");
}

// §8.4: hold is "sendonly" or "inactive", and of old (RFC 2543) the address 0.0.0.0, which MUST be understood.
#[test]
fn hold_is_known_by_direction_and_by_address() {
    assert!(answered("m=audio 4000 RTP/AVP 8\na=sendonly\n").1.on_hold);
    assert!(answered("m=audio 4000 RTP/AVP 8\na=inactive\n").1.on_hold);
    assert!(answered("m=audio 4000 RTP/AVP 8\nc=IN IP4 0.0.0.0\n").1.on_hold);
    assert!(!answered("m=audio 4000 RTP/AVP 8\n").1.on_hold);
}

// §7: "the offerer … answer … MUST" correspond stream by stream; a refusal of ours is told from what misses the point.
#[test]
fn an_answer_is_held_against_its_offer() {
    let ours = Description::parse(&sdp::offer(&local())).expect("valid");
    let accepted = sdp::accept(&ours, &offer("m=audio 4000 RTP/AVP 0\n")).expect("agreed");
    assert_eq!(accepted.codec, Codec::Pcmu);
    assert!(matches!(sdp::accept(&ours, &offer("m=audio 0 RTP/AVP 8\n")), Err(Unacceptable::Refused)));
    assert!(matches!(sdp::accept(&ours, &offer("m=audio 4000 RTP/AVP 3\n")), Err(Unacceptable::NoCodec)));
    assert!(matches!(sdp::accept(&ours, &offer("")), Err(Unacceptable::NoAudio)));
}
