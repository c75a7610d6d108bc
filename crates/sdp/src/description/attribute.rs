//! Owns which attributes are told apart when a description is read: those that a negotiation asks for, some of them many
//! times (RFC 8866 §6). Does not own what their values mean (see [`super::Media`]).

use crate::Direction;

/// What an `a=` line is by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attribute {
    /// Found by its name, or no attribute.
    Other,
    Crypto,
    Direction(Direction),
    Fmtp,
    MaxPtime,
    Ptime,
    Rtcp,
    RtcpMux,
    RtpMap,
}

impl Attribute {
    /// The attribute called `name`, in any case.
    pub fn named(name: &[u8]) -> Attribute {
        let is_it = |(known, _): &&(&str, Attribute)| known.as_bytes().eq_ignore_ascii_case(name);
        NAMES.iter().find(is_it).map_or(Attribute::Other, |(_, attribute)| *attribute)
    }

    /// As [`Attribute::named`], of the `a=` line `text`; and where its value begins, at the end for a property.
    pub fn of(text: &[u8]) -> (Attribute, usize) {
        let colon = memchr::memchr(b':', text);
        let name = text[..colon.unwrap_or(text.len())].trim_ascii();
        (Attribute::named(name), colon.map_or(text.len(), |colon| colon + 1))
    }
}

/// The most frequent first.
const NAMES: [(&str, Attribute); 11] = [
    ("rtpmap", Attribute::RtpMap),
    ("fmtp", Attribute::Fmtp),
    ("sendrecv", Attribute::Direction(Direction::SendRecv)),
    ("ptime", Attribute::Ptime),
    ("rtcp", Attribute::Rtcp),
    ("sendonly", Attribute::Direction(Direction::SendOnly)),
    ("recvonly", Attribute::Direction(Direction::RecvOnly)),
    ("inactive", Attribute::Direction(Direction::Inactive)),
    ("maxptime", Attribute::MaxPtime),
    ("rtcp-mux", Attribute::RtcpMux),
    ("crypto", Attribute::Crypto),
];
