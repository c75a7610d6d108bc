//! Owns STUN as a keepalive on SIP's own port: RFC 5626 §4.4.2 and §8, RFC 5389. A binding request is answered with
//! the address it came from. Does not own ICE, nor the socket (see `sip-net`).

use std::net::{IpAddr, SocketAddr};

#[cfg(test)]
mod tests;

/// What a datagram on SIP's port is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Not STUN.
    Other,
    /// STUN that gets no answer: an indication, a response, something malformed.
    Silence,
    /// A request, and the datagram that answers it.
    Answer(Vec<u8>),
}

/// A STUN message, its attributes checked to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    kind: u16,
    /// The magic cookie and the transaction id; of RFC 3489's peers 16 bytes of id.
    transaction: [u8; 16],
    attributes: &'a [u8],
}

impl<'a> Message<'a> {
    /// Parses a datagram; `None` when it is not STUN, or malformed.
    pub fn parse(datagram: &'a [u8]) -> Option<Message<'a>> {
        let (head, attributes) = datagram.split_at_checked(HEAD)?;
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        // RFC 5389 §6: the two top bits are 0, the length is a multiple of 4 and the rest of the datagram.
        if kind & 0xc000 != 0 || !length.is_multiple_of(4) || length != attributes.len() {
            return None;
        }
        let transaction = head[4..].try_into().ok()?;
        let message = Message { kind, transaction, attributes };
        let mut walked = 0;
        for (_, value) in message.attributes() {
            walked += 4 + value.len().next_multiple_of(4);
        }
        (walked == length).then_some(message)
    }

    /// Whether the peer speaks RFC 5389, not RFC 3489.
    pub fn has_cookie(&self) -> bool {
        self.transaction[..4] == COOKIE
    }

    /// Type and value of each attribute, in order; stops at one that does not fit.
    pub fn attributes(&self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let mut rest = self.attributes;
        std::iter::from_fn(move || {
            let (head, tail) = rest.split_at_checked(4)?;
            let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let value = tail.get(..length)?;
            rest = tail.get(length.next_multiple_of(4)..)?;
            Some((u16::from_be_bytes([head[0], head[1]]), value))
        })
    }
}

/// Whether `datagram` looks like STUN: no SIP message starts with a byte below 4 (RFC 5626 §8, RFC 7983).
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.len() >= HEAD && datagram[0] < 4
}

/// What `datagram`, which came from `source`, is and what answers it.
pub fn hear(datagram: &[u8], source: SocketAddr) -> Heard {
    if !is_stun(datagram) {
        return Heard::Other;
    }
    match Message::parse(datagram) {
        Some(request) if request.kind == BINDING_REQUEST => answer(datagram, &request, source),
        _ => Heard::Silence,
    }
}

fn answer(datagram: &[u8], request: &Message<'_>, source: SocketAddr) -> Heard {
    let mut unknown = Vec::new();
    let mut fingerprint = Fingerprint::Absent;
    for (kind, value) in request.attributes() {
        match kind {
            // The last attribute, over all before it (RFC 5389 §15.5).
            FINGERPRINT if is_fingerprint_of(datagram, value) => fingerprint = Fingerprint::Good,
            FINGERPRINT => return Heard::Silence,
            // RFC 5626 §8 authenticates nobody: credentials are passed over. ICE's PRIORITY and USE-CANDIDATE may
            // come from a library; they ask for nothing here.
            USERNAME | MESSAGE_INTEGRITY | REALM | NONCE | PRIORITY | USE_CANDIDATE => {}
            // RFC 5389 §7.3.1: comprehension is required below 0x8000.
            kind if kind < 0x8000 && request.has_cookie() => unknown.push(kind),
            _ => {}
        }
    }
    let mut out = Vec::with_capacity(64);
    let kind = if unknown.is_empty() { BINDING_SUCCESS } else { BINDING_ERROR };
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&request.transaction);
    if unknown.is_empty() {
        push_address(&mut out, request, source);
    } else {
        // §15.6: class 4, number 20.
        push(&mut out, ERROR_CODE, b"\0\0\x04\x14Unknown Attribute");
        let list: Vec<u8> = unknown.iter().flat_map(|kind| kind.to_be_bytes()).collect();
        push(&mut out, UNKNOWN_ATTRIBUTES, &list);
    }
    if fingerprint == Fingerprint::Good {
        set_length(&mut out, 8);
        let sum = crc32(&out) ^ FINGERPRINT_XOR;
        push(&mut out, FINGERPRINT, &sum.to_be_bytes());
    }
    set_length(&mut out, 0);
    Heard::Answer(out)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fingerprint {
    Absent,
    Good,
}

fn is_fingerprint_of(datagram: &[u8], value: &[u8]) -> bool {
    let Some(before) = datagram.len().checked_sub(8) else { return false };
    let last = datagram[before..].starts_with(&FINGERPRINT.to_be_bytes());
    last && value == (crc32(&datagram[..before]) ^ FINGERPRINT_XOR).to_be_bytes()
}

/// XOR-MAPPED-ADDRESS (RFC 5389 §15.2); for peers of RFC 3489 MAPPED-ADDRESS (§12.2).
fn push_address(out: &mut Vec<u8>, request: &Message<'_>, source: SocketAddr) {
    let (kind, mask) = match request.has_cookie() {
        true => (XOR_MAPPED_ADDRESS, request.transaction),
        false => (MAPPED_ADDRESS, [0; 16]),
    };
    let port = source.port() ^ u16::from_be_bytes([mask[0], mask[1]]);
    let mut value = vec![0, 1];
    value.extend_from_slice(&port.to_be_bytes());
    let address: &[u8] = match source.ip().to_canonical() {
        IpAddr::V4(ip) => &ip.octets(),
        IpAddr::V6(ip) => {
            value[1] = 2;
            &ip.octets()
        }
    };
    value.extend(address.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
    push(out, kind, &value);
}

fn push(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend_from_slice(&kind.to_be_bytes());
    // invariant: attributes are made here and shorter than 64 KiB: a datagram holds at most 16,379 of them.
    out.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

fn set_length(out: &mut [u8], more: usize) {
    // invariant: an answer is shorter than the request's 64 KiB.
    let length = u16::try_from(out.len() + more - HEAD).unwrap_or(u16::MAX);
    out[2..4].copy_from_slice(&length.to_be_bytes());
}

/// ITU-T V.42's CRC-32 (RFC 5389 §15.5).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    })
}

const HEAD: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;
const MAPPED_ADDRESS: u16 = 0x0001;
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const REALM: u16 = 0x0014;
const NONCE: u16 = 0x0015;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const FINGERPRINT_XOR: u32 = 0x5354_554e;
