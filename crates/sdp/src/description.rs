//! Owns a session description as it came: every line kept, with typed views of those that matter (RFC 8866). Does
//! not own what two descriptions agree on (see `offer_answer`).

use std::net::IpAddr;
use std::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::Direction;

mod attribute;
mod formats;

use attribute::Attribute;
pub use formats::{Formats, RtpMap};

/// A session description: the text as it came, byte for byte, and where its lines are.
#[derive(Clone, Debug)]
pub struct Description {
    text: Bytes,
    lines: SmallVec<[Line; 24]>,
    /// The first `c=` before any stream.
    connection: Option<ConnectionLine>,
    media: SmallVec<[Stream; 2]>,
}

impl Description {
    /// The longest text that is read, in bytes.
    pub const MAX_BYTES: usize = 65_535;
    /// The most `m=` lines that are read.
    pub const MAX_MEDIA: usize = 64;

    /// Reads a description. Order, missing `o=`, `s=` or `t=`, unknown lines, doubled spaces, bare LF and bytes
    /// that are not UTF-8 are tolerated, as carriers and phones send them.
    ///
    /// # Errors
    /// When there is no `v=0` first, or an `m=` or `c=` line has no meaning.
    pub fn parse(text: &[u8]) -> Result<Description, ParseError> {
        Description::parse_bytes(Bytes::copy_from_slice(text))
    }

    /// Reads a description without copying it; see [`Description::parse`].
    ///
    /// # Errors
    /// As [`Description::parse`].
    pub fn parse_bytes(text: Bytes) -> Result<Description, ParseError> {
        if text.len() > Description::MAX_BYTES {
            return Err(ParseError::TooLong(text.len()));
        }
        let mut lines: SmallVec<[Line; 24]> = SmallVec::new();
        let mut media: SmallVec<[Stream; 2]> = SmallVec::new();
        let mut connection = None;
        let mut at = 0;
        let mut number = 0;
        while at < text.len() {
            let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |i| at + i);
            let line = without_cr(&text, at..end);
            at = end + 1;
            number += 1;
            let [kind, b'=', ..] = text[line.clone()] else {
                // Blank and unreadable lines are passed over; `text` still has them.
                if lines.is_empty() && !line.is_empty() {
                    return Err(ParseError::version(number, &text[line]));
                }
                continue;
            };
            let value = line.start + 2..line.end;
            // invariant: the text is no longer than `MAX_BYTES`, so that its places fit 16 bits.
            let mut read = Line::of(kind, value.clone());
            match kind {
                // RFC 8866 §5.1
                _ if lines.is_empty() && (kind != b'v' || text[value.clone()].trim_ascii() != b"0") => {
                    return Err(ParseError::version(number, &text[line]));
                }
                b'm' => {
                    let found = &text[value.clone()];
                    let stream = Stream::read(found, value.start, lines.len() as u16);
                    let wrong = || ParseError::Media { line: number, found: printable(found) };
                    let stream = stream.ok_or_else(wrong)?;
                    if media.len() == Description::MAX_MEDIA {
                        return Err(ParseError::TooManyMedia);
                    }
                    media.push(stream);
                }
                b'c' => {
                    let found = &text[value.clone()];
                    let wrong = || ParseError::Connection { line: number, found: printable(found) };
                    let said = ConnectionLine::read(found, lines.len() as u16).ok_or_else(wrong)?;
                    let of = media.last_mut().map_or(&mut connection, |stream| &mut stream.connection);
                    of.get_or_insert(said);
                }
                b'a' => {
                    let (attribute, value_at) = Attribute::of(&text[value.clone()]);
                    read = Line { attribute, value_at: (value.start + value_at) as u16, ..read };
                }
                _ => {}
            }
            lines.push(read);
        }
        if lines.is_empty() {
            return Err(ParseError::Empty);
        }
        Ok(Description { text, lines, connection, media })
    }

    /// The text as it came, byte for byte.
    pub fn to_bytes(&self) -> Bytes {
        self.text.clone()
    }

    /// As [`Description::to_bytes`], of a description that is not needed any more.
    pub fn into_bytes(self) -> Bytes {
        self.text
    }

    /// Every line with its letter, in order; values are as they came, without line ends.
    pub fn lines(&self) -> impl Iterator<Item = (u8, &[u8])> {
        self.lines.iter().map(|line| (line.kind, self.value(line)))
    }

    /// The originator and its numbers, which are text: peers write dots, signs and 26 digits into them.
    pub fn origin(&self) -> Option<Origin<'_>> {
        self.session().find(b'o').and_then(Origin::read)
    }

    /// The `c=` line of the session.
    pub fn connection(&self) -> Option<Connection<'_>> {
        self.connection.and_then(|line| line.connection(self))
    }

    /// The media streams, in order, refused ones (port 0) included.
    pub fn media(&self) -> impl ExactSizeIterator<Item = Media<'_>> {
        (0..self.media.len()).map(|nth| self.stream(nth))
    }

    /// The `nth` media stream, from 0.
    pub fn nth_media(&self, nth: usize) -> Option<Media<'_>> {
        (nth < self.media.len()).then(|| self.stream(nth))
    }

    fn stream(&self, nth: usize) -> Media<'_> {
        let stream = &self.media[nth];
        let end = self.media.get(nth + 1).map_or(self.lines.len(), |next| usize::from(next.line));
        let lines = &self.lines[usize::from(stream.line) + 1..end];
        Media { description: self, stream, section: Section { of: self, lines } }
    }

    fn session(&self) -> Section<'_> {
        let end = self.media.first().map_or(self.lines.len(), |stream| usize::from(stream.line));
        Section { of: self, lines: &self.lines[..end] }
    }

    fn value(&self, line: &Line) -> &[u8] {
        self.part((line.start, line.end))
    }

    fn part(&self, (start, end): Part) -> &[u8] {
        &self.text[usize::from(start)..usize::from(end)]
    }
}

impl PartialEq for Description {
    fn eq(&self, other: &Description) -> bool {
        self.text == other.text
    }
}

impl Eq for Description {}

/// Where a part of the text begins and ends.
type Part = (u16, u16);

/// Where a line's value lies, and what it is by its name if it is an attribute.
#[derive(Clone, Copy, Debug)]
struct Line {
    kind: u8,
    attribute: Attribute,
    start: u16,
    /// Where the attribute's own value begins.
    value_at: u16,
    end: u16,
}

impl Line {
    fn of(kind: u8, value: Range<usize>) -> Line {
        let (start, end) = (value.start as u16, value.end as u16);
        Line { kind, attribute: Attribute::Other, start, value_at: end, end }
    }
}

/// The session's lines, or those of one media stream.
#[derive(Clone, Copy)]
struct Section<'a> {
    of: &'a Description,
    lines: &'a [Line],
}

impl<'a> Section<'a> {
    fn values(self, kind: u8) -> impl Iterator<Item = &'a [u8]> {
        self.lines.iter().filter(move |line| line.kind == kind).map(move |line| self.of.value(line))
    }

    fn find(self, kind: u8) -> Option<&'a [u8]> {
        self.values(kind).next()
    }

    /// Attributes as (name, value); a property has no value.
    fn attributes(self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        self.values(b'a').map(attribute)
    }

    /// The values of one of those that are told apart.
    fn known(self, attribute: Attribute) -> impl Iterator<Item = &'a [u8]> {
        let called = move |line: &&Line| line.attribute == attribute;
        self.lines.iter().filter(called).map(move |line| self.of.part((line.value_at, line.end)).trim_ascii())
    }

    fn direction(self) -> Option<Direction> {
        self.lines.iter().find_map(|line| match line.attribute {
            Attribute::Direction(direction) => Some(direction),
            _ => None,
        })
    }
}

/// The originator of a description (RFC 8866 §5.2), as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The user's name, perhaps with spaces.
    pub username: &'a [u8],
    /// `sess-id`.
    pub id: &'a [u8],
    /// `sess-version`.
    pub version: &'a [u8],
    /// The address, as text.
    pub address: &'a [u8],
}

impl<'a> Origin<'a> {
    /// Reads from the end, since names of some switches hold spaces.
    fn read(value: &'a [u8]) -> Option<Origin<'a>> {
        let mut rest = value.trim_ascii();
        let mut last = || -> Option<&'a [u8]> {
            let space = rest.iter().rposition(u8::is_ascii_whitespace)?;
            let word = &rest[space + 1..];
            rest = rest[..space].trim_ascii();
            Some(word)
        };
        let (address, _, _) = (last()?, last()?, last()?);
        let (version, id) = (last()?, last()?);
        Some(Origin { username: rest, id, version, address })
    }
}

/// Where media goes (RFC 8866 §5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection<'a> {
    /// An address.
    Address(IpAddr),
    /// A multicast group, with its TTL and count as text behind it.
    Multicast(IpAddr),
    /// A host's name.
    Name(&'a str),
}

impl<'a> Connection<'a> {
    fn read(value: &'a [u8]) -> Option<Connection<'a>> {
        // Nearly all are written so.
        if let Some(address) = value.strip_prefix(b"IN IP4 ")
            && let Ok(ip) = std::str::from_utf8(address).unwrap_or_default().parse::<std::net::Ipv4Addr>()
            && !ip.is_multicast()
        {
            return Some(Connection::Address(IpAddr::V4(ip)));
        }
        let mut words = words(value);
        let (net, family, address) = (words.next()?, words.next()?, words.next()?);
        if !net.eq_ignore_ascii_case(b"IN")
            || !(family.eq_ignore_ascii_case(b"IP4") || family.eq_ignore_ascii_case(b"IP6"))
        {
            return None;
        }
        let address = std::str::from_utf8(address).ok()?;
        let (host, behind) = address.split_once('/').map_or((address, None), |(h, b)| (h, Some(b)));
        match host.parse::<IpAddr>() {
            Ok(ip) if ip.is_multicast() || behind.is_some() => Some(Connection::Multicast(ip)),
            Ok(ip) => Some(Connection::Address(ip)),
            Err(_) if host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) => {
                Some(Connection::Name(host))
            }
            Err(_) => None,
        }
    }
}

/// A `c=` line that was read.
#[derive(Clone, Copy, Debug)]
struct ConnectionLine {
    /// Which line it is.
    line: u16,
    /// What it says, where that is an address and no more.
    address: Option<IpAddr>,
}

impl ConnectionLine {
    fn read(value: &[u8], line: u16) -> Option<ConnectionLine> {
        let address = match Connection::read(value)? {
            Connection::Address(address) => Some(address),
            Connection::Multicast(_) | Connection::Name(_) => None,
        };
        Some(ConnectionLine { line, address })
    }

    fn connection(self, of: &Description) -> Option<Connection<'_>> {
        match self.address {
            Some(address) => Some(Connection::Address(address)),
            None => Connection::read(of.value(of.lines.get(usize::from(self.line))?)),
        }
    }
}

/// A stream by its `m=` line (RFC 8866 §5.14).
#[derive(Clone, Copy, Debug)]
struct Stream {
    /// Which line it is.
    line: u16,
    kind: Part,
    port: u16,
    protocol: Part,
    formats: Part,
    /// Its first `c=`.
    connection: Option<ConnectionLine>,
}

impl Stream {
    /// Of the `m=` line `line`, whose `value` begins at `at`.
    fn read(value: &[u8], at: usize, line: u16) -> Option<Stream> {
        let (kind, behind_kind) = word(value)?;
        let (port, behind_port) = word(behind_kind)?;
        let (protocol, formats) = word(behind_port)?;
        // What follows a part says where it ends.
        let place = |part: &[u8], behind: &[u8]| -> Part {
            let end = at + value.len() - behind.len();
            ((end - part.len()) as u16, end as u16)
        };
        let (kind, protocol) = (place(kind, behind_kind), place(protocol, formats));
        let formats = place(formats, b"");
        // `/count` is for layered codings only; each of our streams uses the first port.
        let (port, count) = match memchr::memchr(b'/', port) {
            Some(slash) => (&port[..slash], Some(&port[slash + 1..])),
            None => (port, None),
        };
        if let Some(count) = count {
            number::<u16>(count)?;
        }
        Some(Stream { line, kind, port: number(port)?, protocol, formats, connection: None })
    }
}

/// One media stream of a description.
#[derive(Clone, Copy)]
pub struct Media<'a> {
    description: &'a Description,
    stream: &'a Stream,
    section: Section<'a>,
}

impl<'a> Media<'a> {
    /// `audio`, `video`, `image`, `message`, or what the peer wrote.
    pub fn kind(&self) -> &'a [u8] {
        self.description.part(self.stream.kind)
    }

    /// The port; 0 refuses the stream.
    pub fn port(&self) -> u16 {
        self.stream.port
    }

    /// `RTP/AVP` and its kin, as the peer wrote it.
    pub fn protocol(&self) -> &'a [u8] {
        self.description.part(self.stream.protocol)
    }

    /// The formats, in the peer's order of preference.
    pub fn formats(&self) -> impl Iterator<Item = &'a [u8]> {
        words(self.description.part(self.stream.formats))
    }

    /// The formats that are RTP payload types, 0–127.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> {
        self.formats().filter_map(number).filter(|payload_type| *payload_type < 128)
    }

    /// Where this stream goes: its own `c=`, else the session's.
    pub fn connection(&self) -> Option<Connection<'a>> {
        match self.stream.connection {
            Some(line) => line.connection(self.description),
            None => self.description.connection(),
        }
    }

    /// The direction as its writer sees it: the stream's own, else the session's, else both ways.
    pub fn direction(&self) -> Direction {
        let session = || self.description.session().direction();
        self.section.direction().or_else(session).unwrap_or_default()
    }

    /// Attributes of this stream as (name, value), in order.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        self.section.attributes()
    }

    /// The first attribute of this stream called `name`.
    pub fn attribute(&self, name: &str) -> Option<&'a [u8]> {
        match Attribute::named(name.as_bytes()) {
            Attribute::Other => {
                let called = |(found, _): &(&[u8], _)| found.eq_ignore_ascii_case(name.as_bytes());
                self.attributes().find(called).map(|(_, value)| value.unwrap_or_default())
            }
            known => self.section.known(known).next(),
        }
    }

    /// Whether RTCP may come to the port of RTP (RFC 5761 §5.1.1).
    pub fn rtcp_mux(&self) -> bool {
        self.section.known(Attribute::RtcpMux).next().is_some()
    }

    /// Where RTCP is to go, as the peer wrote it (RFC 3605 §2.1).
    pub fn rtcp(&self) -> Option<&'a [u8]> {
        self.section.known(Attribute::Rtcp).next()
    }

    /// What the payload types mean, in the peer's order of preference: read once for all that is asked of them.
    pub fn formats_read(&self) -> Formats<'a> {
        Formats::of(self.payload_types(), self.section.known(Attribute::RtpMap).filter_map(RtpMap::read))
    }

    /// The parameters of `payload_type`, from its `a=fmtp`.
    pub fn fmtp(&self, payload_type: u8) -> Option<&'a [u8]> {
        self.section.known(Attribute::Fmtp).find_map(|value| {
            let (number_text, parameters) = word(value)?;
            (number(number_text) == Some(payload_type)).then(|| parameters.trim_ascii())
        })
    }

    /// Milliseconds of audio per packet that the writer wants to receive (`a=ptime`, no more than `a=maxptime`).
    pub fn ptime(&self) -> Option<u16> {
        // Some write «20.0».
        let of = |attribute| {
            let text = self.section.known(attribute).next()?;
            number(text.split(|byte| *byte == b'.').next()?)
        };
        let (ptime, most): (Option<u16>, Option<u16>) = (of(Attribute::Ptime), of(Attribute::MaxPtime));
        match (ptime, most) {
            (Some(ptime), Some(most)) => Some(ptime.min(most)),
            (ptime, _) => ptime,
        }
    }

    /// Keys offered for SRTP (RFC 4568 §4), in order of preference.
    pub fn crypto(&self) -> impl Iterator<Item = Crypto<'a>> {
        self.section.known(Attribute::Crypto).filter_map(Crypto::read)
    }
}

/// A key for SRTP (RFC 4568 §4).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Crypto<'a> {
    /// Names the line in the answer.
    pub tag: u32,
    /// `AES_CM_128_HMAC_SHA1_80` and its kin.
    pub suite: &'a [u8],
    /// `inline:` and the key, with what follows it.
    pub key: &'a [u8],
    /// Session parameters, separated by blanks (RFC 4568 §6.3).
    pub parameters: &'a [u8],
}

impl<'a> Crypto<'a> {
    fn read(value: &'a [u8]) -> Option<Crypto<'a>> {
        let (tag, rest) = word(value)?;
        let (suite, rest) = word(rest)?;
        let (key, rest) = word(rest)?;
        Some(Crypto { tag: number(tag)?, suite, key, parameters: rest.trim_ascii() })
    }
}

impl std::fmt::Debug for Crypto<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Crypto({} {} …)", self.tag, String::from_utf8_lossy(self.suite))
    }
}

/// Why a text is no session description.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// There is nothing.
    #[error("SDP 为空 / the session description is empty")]
    Empty,
    /// It is not version 0 of SDP.
    #[error("SDP 第 {line} 行应为 v=0,实为 {found:?} / line {line} should be v=0 and is {found:?}")]
    Version {
        /// Line, from 1.
        line: usize,
        /// What came.
        found: String,
    },
    /// An `m=` line without meaning.
    #[error(
        "SDP 第 {line} 行 m={found:?} 无效 / line {line}: expected m=<media> <port 0-65535> <protocol> <formats>"
    )]
    Media {
        /// Line, from 1.
        line: usize,
        /// What came.
        found: String,
    },
    /// A `c=` line without meaning.
    #[error("SDP 第 {line} 行 c={found:?} 无效 / line {line}: expected c=IN IP4|IP6 <address>")]
    Connection {
        /// Line, from 1.
        line: usize,
        /// What came.
        found: String,
    },
    /// It is too long.
    #[error("SDP 过长({0} 字节)/ the session description has {0} bytes, at most 65535 are read")]
    TooLong(usize),
    /// It has too many `m=` lines.
    #[error("SDP 媒体行过多 / the session description has more than 64 m= lines")]
    TooManyMedia,
}

impl ParseError {
    fn version(line: usize, found: &[u8]) -> ParseError {
        ParseError::Version { line, found: printable(found) }
    }
}

fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned()
}

fn without_cr(text: &[u8], line: Range<usize>) -> Range<usize> {
    let cr = text[line.clone()].ends_with(b"\r");
    line.start..line.end - usize::from(cr)
}

/// Name and value of an attribute; a property has no value.
fn attribute(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b':', text) {
        Some(colon) => (text[..colon].trim_ascii(), Some(text[colon + 1..].trim_ascii())),
        None => (text.trim_ascii(), None),
    }
}

/// The first word and what follows it.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.trim_ascii_start();
    let is_blank = |byte: &u8| *byte <= b' ' && byte.is_ascii_whitespace();
    let end = text.iter().position(is_blank).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn words(mut text: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (found, rest) = word(text)?;
        text = rest;
        Some(found)
    })
}

/// A number without sign.
fn number<T: TryFrom<u64>>(text: &[u8]) -> Option<T> {
    let digit = |sum: u64, byte: &u8| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    };
    let sum = (!text.is_empty()).then(|| text.iter().try_fold(0, digit)).flatten()?;
    T::try_from(sum).ok()
}

#[cfg(test)]
mod tests;
