//! Owns what is done with bytes from the network when somebody tries to break it: each target reads all that can be read
//! and checks what must hold of it. Does not own where the bytes come from (libFuzzer, or the seeded mutator in
//! `tests/tests/fuzz.rs`).

use std::net::SocketAddr;

use bytes::Bytes;
use sip::framing::{Frame, Splitter};
use sip::headers::{Challenge, Credentials, MediaType};
use sip::multipart::Content;
use sip::{HeaderName, Limits, Message, NameAddr, Request, Uri};

/// Whether the bytes were taken for what they should be, so that a mutator can tell whether it reaches the depths.
pub type Accepted = bool;

/// Printing adds up to two bytes to each line.
const ROOMY: Limits = Limits { head_bytes: 64 * 1024, body_bytes: usize::MAX, ..Limits::DEFAULT };

/// One datagram: what is accepted is printed and read again as the same, what is refused has an answer that is a message.
pub fn message(bytes: &[u8]) -> Accepted {
    let message = match Message::parse_datagram(Bytes::copy_from_slice(bytes)) {
        Ok(message) => message,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            if let Some(answer) = error.answer() {
                assert!(
                    Message::parse_within(answer.to_bytes(), &ROOMY).is_ok(),
                    "an answer that is no message"
                );
            }
            return false;
        }
    };
    headers(&message);
    let _ = Content::of(message.headers(), message.body());
    if let Err(error) = message.clone().validate() {
        let _ = error.answer().map(|answer| answer.to_bytes());
        return false;
    }
    let again = Message::parse_within(message.to_bytes(), &ROOMY).expect("what was printed is read again");
    assert_eq!(message.body(), again.body());
    let fields = |message: &Message| -> Vec<(Vec<u8>, Vec<u8>)> {
        let fields = message.headers().iter().filter(|field| field.name != HeaderName::ContentLength);
        fields.map(|field| (field.name_text.to_vec(), field.value.to_vec())).collect()
    };
    assert_eq!(fields(&message), fields(&again));
    true
}

/// Every typed header of a message.
fn headers(message: &Message) {
    let headers = message.headers();
    for via in headers.vias().unwrap_or_default() {
        let _ = (via.branch().map(str::len), via.received(), via.rport(), via.sent_by().len());
        let _ = via.completed(SOURCE);
    }
    for name in
        [HeaderName::From, HeaderName::To, HeaderName::Contact, HeaderName::Route, HeaderName::ReferTo]
    {
        for address in headers.addresses(name).unwrap_or_default() {
            one_address(&address);
        }
    }
    let _ = (headers.call_id(), headers.cseq(), headers.rack(), headers.rseq(), headers.max_forwards());
    let _ = (headers.expires(), headers.min_expires(), headers.min_se(), headers.session_expires());
    let _ = (headers.reasons(), headers.retry_after(), headers.replaces(), headers.event());
    let _ = (headers.subscription_state(), headers.content_type(), headers.lists(HeaderName::Require, "x"));
    for value in headers.all(HeaderName::Authorization) {
        let _ = (Credentials::parse(value), Challenge::parse(value));
    }
    if let Message::Request(Request { uri, .. }) = message {
        one_uri(uri);
    }
}

fn one_address(address: &NameAddr) {
    let _ = (address.display(), address.tag().map(str::len), address.q(), address.expires());
    let _ = (address.with_tag("x"), address.without_param("expires"), address.params().iter().count());
    one_uri(address.uri());
}

fn one_uri(uri: &Uri) {
    let _ = (uri.user(), uri.number(), uri.host_ip(), uri.header("Replaces"), uri.password());
    let _ = (uri.without_headers(), uri.with_param("a", "b"), uri.params().count(), uri.transport());
    assert!(uri.same_as(uri), "{uri} differs from itself");
    assert_eq!(Uri::parse(Bytes::copy_from_slice(uri.as_bytes())).as_ref(), Ok(uri));
    assert_eq!(uri.address().address(), uri.address());
}

/// One stream, first whole and then in pieces whose sizes the bytes themselves give: the same frames come out.
pub fn stream(bytes: &[u8]) -> Accepted {
    let whole = frames([bytes]);
    let mut at = 0;
    let pieces = std::iter::from_fn(|| {
        let left = bytes.get(at..).filter(|left| !left.is_empty())?;
        let length = (usize::from(left[0]) % 97 + 1).min(left.len());
        at += length;
        Some(&left[..length])
    });
    assert_eq!(whole, frames(pieces), "the pieces decide what is read");
    whole.iter().any(|frame| matches!(frame, Some(Frame::Message(_))))
}

/// What is cut from a stream; `None` for the error that ends it.
fn frames<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Option<Frame>> {
    let mut splitter = Splitter::new(Limits::DEFAULT);
    let mut found = Vec::new();
    for piece in pieces {
        splitter.push(piece);
        loop {
            match splitter.next_frame() {
                Ok(Some(frame)) => found.push(Some(frame)),
                Ok(None) => break,
                Err(error) => {
                    let _ = error.answer().map(|answer| answer.to_bytes());
                    found.push(None);
                    return found;
                }
            }
        }
    }
    found
}

/// A URI, and the same text as an address with a name.
pub fn uri(bytes: &[u8]) -> Accepted {
    if let Some(address) = NameAddr::parse(Bytes::copy_from_slice(bytes)) {
        one_address(&address);
    }
    let Ok(uri) = Uri::parse(Bytes::copy_from_slice(bytes)) else { return false };
    assert_eq!(uri.as_bytes(), bytes);
    one_uri(&uri);
    true
}

/// A body of parts: the first line, up to its end, is the Content-Type.
pub fn multipart(bytes: &[u8]) -> Accepted {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (kind, body) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    let mut headers = sip::Headers::new();
    headers.push(HeaderName::ContentType, kind);
    let content = Content::of(&headers, &Bytes::copy_from_slice(body));
    let Some(parts) =
        MediaType::parse(kind.trim_ascii()).and_then(|kind| sip::multipart::parts(&kind, body).ok())
    else {
        return false;
    };
    let inside = parts.iter().map(|part| part.body.len()).sum::<usize>();
    assert!(inside <= body.len(), "parts overlap");
    for part in &parts {
        let _ = (part.kind(), part.header("Content-Disposition"));
    }
    content.sdp().is_some()
}

/// A datagram on SIP's port that may be STUN: an answer is STUN, and no request.
pub fn stun(bytes: &[u8]) -> Accepted {
    match sip::stun::hear(bytes, SOURCE) {
        sip::stun::Heard::Answer(answer) => {
            assert!(sip::stun::Message::parse(&answer).is_some(), "{answer:02x?}");
            assert_eq!(sip::stun::hear(&answer, SOURCE), sip::stun::Heard::Silence, "answers to answers");
            true
        }
        sip::stun::Heard::Silence | sip::stun::Heard::Other => false,
    }
}

/// A session description: kept byte for byte, and whatever is answered to it can be read and has its streams.
pub fn sdp(bytes: &[u8]) -> Accepted {
    let Ok(description) = ::sdp::Description::parse(bytes) else { return false };
    assert_eq!(description.to_bytes()[..], *bytes);
    let local = local();
    let ours = ::sdp::Description::parse(&::sdp::offer(&local)).expect("our own offer");
    let _ = ::sdp::accept(&ours, &description).map(|agreed| agreed.remote);
    assert!(::sdp::Description::parse(&::sdp::reoffer(&local, &description)).is_ok());
    let Ok((answer, agreed)) = ::sdp::answer(&description, &local) else { return false };
    let answer = ::sdp::Description::parse(&answer).expect("an answer can be read");
    assert_eq!(answer.media().len(), description.media().len());
    let taken: Vec<_> = answer.media().filter(|media| media.port() != 0).collect();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].formats_read().payload_type_of(agreed.codec), Some(agreed.payload_type));
    true
}

fn local() -> ::sdp::Local {
    ::sdp::Local {
        address: std::net::IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7)),
        port: 20_000,
        codecs: vec![::sdp::Codec::Pcma, ::sdp::Codec::Pcmu].into(),
        dtmf: true,
        noise: true,
        secrecy: ::sdp::Secrecy::Optional(::sdp::MasterKey([7; ::sdp::MasterKey::BYTES])),
        ptime_ms: ::sdp::PTIME_MS,
        session: ::sdp::Session { id: 1, version: 1 },
        direction: ::sdp::Direction::SendRecv,
    }
}

/// An RTP packet: its payload lies within it.
pub fn rtp(bytes: &[u8]) -> Accepted {
    let _ = media::rtp::is_rtcp(bytes);
    let Some(header) = media::rtp::Header::parse(bytes) else { return false };
    let payload = header.payload();
    assert!(bytes.get(payload.clone()).is_some(), "{payload:?} of {}", bytes.len());
    true
}

/// A compound RTCP packet, every report in it.
pub fn rtcp(bytes: &[u8]) -> Accepted {
    use media::rtcp::Rtcp;
    let mut read = 0;
    for packet in media::rtcp::packets(bytes) {
        match packet {
            Rtcp::SenderReport { reports, ssrc, .. } | Rtcp::ReceiverReport { reports, ssrc } => {
                read += 1;
                assert!(reports.iter().count() <= 31);
                let _ = reports.about(ssrc);
            }
            Rtcp::Bye { .. } => read += 1,
            Rtcp::Other => {}
        }
    }
    read > 0
}

/// Where everything comes from.
const SOURCE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), 5060);
