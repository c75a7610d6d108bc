//! Owns the texts that a load sends. Written with a template's speed; what comes back is read by `sip`.

use std::net::SocketAddr;

use sip::{HeaderName, Request, Response};

/// Who we are on one side.
#[derive(Clone, Debug)]
pub(super) struct Side {
    /// Our signalling address.
    pub local: SocketAddr,
    /// Our port for audio.
    pub audio: u16,
    /// How long each of our packets is, in milliseconds.
    pub ptime: u8,
}

impl Side {
    /// Our session description: A-law, and keys by RFC 4733.
    pub fn description(&self) -> String {
        let (kind, ip) = (if self.local.is_ipv4() { "IP4" } else { "IP6" }, self.local.ip());
        format!(
            "v=0\r\no=- 1 1 IN {kind} {ip}\r\ns=-\r\nc=IN {kind} {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP 8 101\r\n\
             a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:{}\r\na=sendrecv\r\n",
            self.audio, self.ptime
        )
    }
}

/// Writes `text`; a vector takes everything.
macro_rules! put {
    ($to:expr, $($text:tt)*) => {{
        use std::io::Write as _;
        let _never_fails = write!($to, $($text)*);
    }};
}
pub(super) use put;

/// Writes the body and the headers about it.
pub(super) fn put_body(to: &mut Vec<u8>, description: &str) {
    if description.is_empty() {
        put!(to, "Content-Length: 0\r\n\r\n");
    } else {
        let length = description.len();
        put!(to, "Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{description}");
    }
}

/// A response to `request`, with our tag, our Contact and `description`.
pub(super) fn respond(request: &Request, status: u16, local: SocketAddr, description: &str) -> Vec<u8> {
    let mut response = Response::to(request, status);
    if status > 100 {
        // Malformed addresses are answered all the same: what cannot carry a tag goes without.
        let _without = response.set_to_tag(TAG);
    }
    response.headers.push(HeaderName::Contact, format!("<sip:load@{local}>"));
    if !description.is_empty() {
        response.set_body("application/sdp", description.to_owned());
    }
    response.to_bytes().to_vec()
}

/// One tag for all our answers: their Call-IDs tell them apart.
const TAG: &str = "hl";

/// Where the peer of this description wants to get its audio.
pub(super) fn audio_of(description: &[u8]) -> Option<SocketAddr> {
    let description = sdp::Description::parse(description).ok()?;
    let audio = description.media().find(|media| media.kind() == b"audio" && media.port() != 0)?;
    match audio.connection()? {
        sdp::Connection::Address(ip) => Some(SocketAddr::new(ip, audio.port())),
        _ => None,
    }
}
