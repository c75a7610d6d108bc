//! Owns URIs: `sip:`, `sips:`, `tel:` and any other scheme, as the bytes that came plus where their parts lie.
//! Does not own display names and header parameters (see [`crate::NameAddr`]).

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use crate::scan::{self, Span};

mod build;
mod compare;
#[cfg(test)]
mod tests;

pub(crate) use build::push_host_port;

/// What kind of address a URI is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    Sip,
    Sips,
    Tel,
    /// Kept, but not looked into.
    Other,
}

/// Why a text is not a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    #[error("a URI starts with a scheme and a colon")]
    Scheme,
    #[error("the user part holds a character that ends a URI")]
    User,
    #[error("expected a host name, an IPv4 address or [IPv6]")]
    Host,
    #[error("expected a port from 0 to 65535")]
    Port,
    #[error("a URI parameter has no name")]
    Params,
    #[error("a URI holds white space or a control character")]
    Character,
    #[error("longer than 65535 bytes")]
    TooLong,
}

/// A URI: the bytes as they came (never re-escaped) and its parts on demand. RFC 3261 §19.1, RFC 3966.
///
/// `==` compares bytes; [`Uri::same_as`] compares as RFC 3261 §19.1.4 does.
#[derive(Clone)]
pub struct Uri {
    /// What it stands in: its own bytes, or an address with its name and parameters.
    text: Bytes,
    parts: Parts,
}

/// Where a URI and its parts lie in the text that it stands in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    scheme: Scheme,
    whole: Span,
    user: Option<Span>,
    password: Option<Span>,
    host: Span,
    port: Option<u16>,
    params: Span,
    headers: Span,
}

impl Parts {
    /// Where the parts of the URI lie that is `whole` of `text`.
    ///
    /// # Errors
    /// Says which part is malformed.
    pub(crate) fn of(text: &[u8], whole: std::ops::Range<usize>) -> Result<Parts, UriError> {
        let (start, raw) = (whole.start, &text[..whole.end]);
        let nothing = span(raw.len(), raw.len())?;
        let colon = match &raw[start..] {
            // Nearly all are one of these.
            [b's', b'i', b'p', b':', ..] => start + 3,
            own => start + own.iter().position(|byte| *byte == b':').ok_or(UriError::Scheme)?,
        };
        let scheme = scheme(&raw[start..colon]).ok_or(UriError::Scheme)?;
        let mut parts = Parts {
            scheme,
            whole: span(start, raw.len())?,
            user: None,
            password: None,
            host: nothing,
            port: None,
            params: nothing,
            headers: nothing,
        };
        let marks = Marks::of(raw, colon + 1)?;
        match scheme {
            Scheme::Sip | Scheme::Sips => parts.locate_sip(raw, colon + 1, marks)?,
            Scheme::Tel => parts.locate_tel(raw, colon + 1)?,
            Scheme::Other => {}
        }
        Ok(parts)
    }

    /// RFC 3261 §25.1 `SIP-URI`, wider in the user part: carriers send a raw `#`.
    fn locate_sip(&mut self, raw: &[u8], start: usize, marks: Marks) -> Result<(), UriError> {
        let mut at = start;
        // The user part may hold `;`, `?`, `/` and more: what comes before the first `@` is the user part.
        if let Some(end) = marks.at_sign {
            let name_end = marks.colon.filter(|colon| *colon < end).unwrap_or(end);
            if name_end == start {
                return Err(UriError::User);
            }
            self.user = Some(span(start, name_end)?);
            if name_end < end {
                self.password = Some(span(name_end + 1, end)?);
            }
            at = end + 1;
        }
        let host_end = host_end(raw, at).ok_or(UriError::Host)?;
        self.host = span(at, host_end)?;
        at = host_end;
        if raw.get(at) == Some(&b':') {
            let digits = at + 1;
            at = digits;
            while raw.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            self.port = Some(scan::number(&raw[digits..at]).ok_or(UriError::Port)?);
        }
        if at == raw.len() {
            return Ok(());
        }
        let question = memchr::memchr(b'?', &raw[at..]).map_or(raw.len(), |length| at + length);
        if at < question && raw[at] != b';' {
            return Err(UriError::Host);
        }
        self.params = span(at, question)?;
        check_params(self.params.of(raw))?;
        self.headers = span((question + 1).min(raw.len()), raw.len())?;
        Ok(())
    }

    /// RFC 3966 §3: the number is the user part, so that callers need not tell `sip:` and `tel:` apart.
    fn locate_tel(&mut self, raw: &[u8], start: usize) -> Result<(), UriError> {
        let end = memchr::memchr(b';', &raw[start..]).map_or(raw.len(), |length| start + length);
        if end == start {
            return Err(UriError::User);
        }
        self.user = Some(span(start, end)?);
        self.params = span(end, raw.len())?;
        check_params(self.params.of(raw))
    }
}

impl Parts {
    /// The same where the URI begins at `start`.
    fn moved(self, start: usize) -> Parts {
        let from = self.whole.range().start;
        let moved = |span: Span| span.moved(from, start);
        Parts {
            whole: moved(self.whole),
            user: self.user.map(moved),
            password: self.password.map(moved),
            host: moved(self.host),
            params: moved(self.params),
            headers: moved(self.headers),
            ..self
        }
    }
}

/// What one walk over a URI behind its scheme finds.
struct Marks {
    /// The first `:`.
    colon: Option<usize>,
    /// The first `@`.
    at_sign: Option<usize>,
}

impl Marks {
    /// The marks of `raw` from `start` to its end, where nothing may stand that ends a URI.
    fn of(raw: &[u8], start: usize) -> Result<Marks, UriError> {
        let mut marks = Marks { colon: None, at_sign: None };
        let mut at = start;
        // Most bytes mean nothing beyond themselves.
        while let Some(length) = raw[at..].iter().position(|byte| MARKS[usize::from(*byte)] != Mark::None) {
            let place = at + length;
            match MARKS[usize::from(raw[place])] {
                Mark::Colon if marks.colon.is_none() => marks.colon = Some(place),
                Mark::At if marks.at_sign.is_none() => marks.at_sign = Some(place),
                Mark::None | Mark::Colon | Mark::At => {}
                Mark::Bracket => return Err(UriError::User),
                Mark::Control => return Err(UriError::Character),
            }
            at = place + 1;
        }
        Ok(marks)
    }
}

impl Uri {
    /// Parses all of `raw`.
    ///
    /// # Errors
    /// Says which part is malformed.
    pub fn parse(raw: impl Into<Bytes>) -> Result<Uri, UriError> {
        let text = raw.into();
        let parts = Parts::of(&text, 0..text.len())?;
        Ok(Uri { text, parts })
    }

    /// The URI in `text` whose parts were found there.
    pub(crate) fn within(text: Bytes, parts: Parts) -> Uri {
        Uri { text, parts }
    }

    /// The text that it stands in.
    pub(crate) fn text(&self) -> &Bytes {
        &self.text
    }

    /// Where in that text it begins.
    pub(crate) fn place(&self) -> usize {
        self.parts.whole.range().start
    }

    /// A copy with bytes of its own, which does not keep the datagram alive that it came in.
    pub(crate) fn detached(&self) -> Uri {
        let text = Bytes::copy_from_slice(self.as_bytes());
        Uri { text, parts: self.parts.moved(0) }
    }

    /// This URI where its bytes stand at `start` of `text`.
    pub(crate) fn moved_to(&self, text: Bytes, start: usize) -> Uri {
        let moved = Uri { text, parts: self.parts.moved(start) };
        debug_assert_eq!(self.as_bytes(), moved.as_bytes(), "the same bytes");
        moved
    }

    /// The bytes as they came.
    pub fn as_bytes(&self) -> &[u8] {
        self.parts.whole.of(&self.text)
    }

    /// The kind of address.
    pub fn scheme(&self) -> Scheme {
        self.parts.scheme
    }

    /// The scheme as it was spelled.
    pub fn scheme_text(&self) -> &str {
        let raw = self.as_bytes();
        let end = memchr::memchr(b':', raw).unwrap_or_default();
        std::str::from_utf8(&raw[..end]).unwrap_or_default()
    }

    /// Whether this is `sip:` or `sips:`.
    pub fn is_sip(&self) -> bool {
        matches!(self.parts.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The user part as it came, without password; the number of a `tel:`.
    pub fn user_raw(&self) -> Option<&[u8]> {
        self.parts.user.map(|user| user.of(&self.text))
    }

    /// The user part with `%HH` undone; bytes that are not UTF-8 are replaced. Parameters inside it
    /// (`+8610…;phone-context=…@`) are kept: see [`Uri::number`].
    pub fn user(&self) -> Option<Cow<'_, str>> {
        self.user_raw().map(unescape)
    }

    /// The telephone number: the user part of `sip:`, or what `tel:` names, without visual separators
    /// and without what follows a `;`.
    pub fn number(&self) -> Option<Cow<'_, str>> {
        let number = match self.user()? {
            Cow::Borrowed(user) => Cow::Borrowed(without_params(user)),
            Cow::Owned(user) => Cow::Owned(without_params(&user).to_owned()),
        };
        // RFC 3966 §3 visual-separator. Names may hold them too: they are only dropped between digits.
        let is_separator = |byte: u8| matches!(byte, b'-' | b'.' | b'(' | b')');
        let is_dialled =
            |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'*' | b'#') || is_separator(byte);
        if !number.bytes().any(is_separator) || !number.bytes().all(is_dialled) {
            return Some(number);
        }
        let mut dialled = number.into_owned();
        dialled.retain(|c| !"-.()".contains(c));
        Some(Cow::Owned(dialled))
    }

    /// The password in the user part, as it came.
    pub fn password(&self) -> Option<&[u8]> {
        self.parts.password.map(|password| password.of(&self.text))
    }

    /// Host name or address as it came, IPv6 in its brackets; empty for `tel:` and unknown schemes.
    pub fn host(&self) -> &str {
        std::str::from_utf8(self.parts.host.of(&self.text)).unwrap_or_default()
    }

    /// The host as an address, when it is one.
    pub fn host_ip(&self) -> Option<std::net::IpAddr> {
        host_ip(self.host())
    }

    /// The port that is written.
    pub fn port(&self) -> Option<u16> {
        self.parts.port
    }

    /// The value of the URI parameter `name` (any case), as it came; empty for a flag such as `lr`.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params()
            .find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value.and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default())
    }

    /// Name and value of each URI parameter, in order, as they came.
    pub fn params(&self) -> UriParams<'_> {
        UriParams { rest: self.parts.params.of(&self.text) }
    }

    /// What stands after `?`, as it came.
    pub fn headers(&self) -> &[u8] {
        self.parts.headers.of(&self.text)
    }

    /// The header `name` (any case) of `?name=value&…`, with `%HH` undone.
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.headers().split(|byte| *byte == b'&').find_map(|one| {
            let equals = one.iter().position(|byte| *byte == b'=')?;
            one[..equals].eq_ignore_ascii_case(name.as_bytes()).then(|| unescape(&one[equals + 1..]))
        })
    }

    /// The `transport` parameter as it came.
    pub fn transport(&self) -> Option<&str> {
        self.param("transport")
    }

    /// Whether a route with this URI is a loose router (RFC 3261 §16.12).
    pub fn is_loose_router(&self) -> bool {
        self.param("lr").is_some()
    }
}

/// A user part without its own parameters (RFC 3261 §19.1.6).
fn without_params(user: &str) -> &str {
    user.split_once(';').map_or(user, |(number, _)| number)
}

/// What a byte of a URI may mean beyond itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    None,
    Colon,
    At,
    /// What encloses a URI.
    Bracket,
    /// White space and controls.
    Control,
}

const MARKS: [Mark; 256] = {
    let mut table = [Mark::None; 256];
    let mut byte = 0;
    while byte <= b' ' as usize {
        table[byte] = Mark::Control;
        byte += 1;
    }
    table[0x7f] = Mark::Control;
    table[b'<' as usize] = Mark::Bracket;
    table[b'>' as usize] = Mark::Bracket;
    table[b'"' as usize] = Mark::Bracket;
    table[b':' as usize] = Mark::Colon;
    table[b'@' as usize] = Mark::At;
    table
};

impl PartialEq for Uri {
    fn eq(&self, other: &Uri) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Uri {}

/// Walks `;name=value` of a URI; nothing is quoted there.
#[derive(Clone, Debug)]
pub struct UriParams<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for UriParams<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);
    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest.strip_prefix(b";")?;
        let end = memchr::memchr(b';', text).unwrap_or(text.len());
        self.rest = &text[end..];
        let one = &text[..end];
        match memchr::memchr(b'=', one) {
            Some(equals) => Some((&one[..equals], Some(&one[equals + 1..]))),
            None => Some((one, None)),
        }
    }
}

impl std::str::FromStr for Uri {
    type Err = UriError;
    fn from_str(text: &str) -> Result<Uri, UriError> {
        Uri::parse(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl AsRef<[u8]> for Uri {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{self}>")
    }
}

impl serde::Serialize for Uri {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Text where it is text: a row of numbers is four times as long.
        match std::str::from_utf8(self.as_bytes()) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.serialize_bytes(self.as_bytes()),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Uri {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Uri, D::Error> {
        let raw = <Bytes as serde::Deserialize>::deserialize(deserializer)?;
        Uri::parse(raw).map_err(serde::de::Error::custom)
    }
}

/// RFC 3261 §25.1 `scheme`.
fn scheme(text: &[u8]) -> Option<Scheme> {
    if text.eq_ignore_ascii_case(b"sip") {
        return Some(Scheme::Sip);
    }
    if text.eq_ignore_ascii_case(b"sips") {
        return Some(Scheme::Sips);
    }
    if text.eq_ignore_ascii_case(b"tel") {
        return Some(Scheme::Tel);
    }
    let (first, rest) = text.split_first()?;
    let in_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    (first.is_ascii_alphabetic() && rest.iter().all(in_scheme)).then_some(Scheme::Other)
}

/// Where the host that starts at `at` ends: `[IPv6]`, or a name of letters, digits, `-`, `.` and, in the field, `_`.
pub(crate) fn host_end(raw: &[u8], at: usize) -> Option<usize> {
    if raw.get(at) == Some(&b'[') {
        let close = at + memchr::memchr(b']', &raw[at..])?;
        let address = std::str::from_utf8(&raw[at + 1..close]).ok()?;
        // A zone (`%eth0`) means nothing to the other side, but phones send it.
        let address = address.split('%').next()?;
        address.parse::<std::net::Ipv6Addr>().ok()?;
        return Some(close + 1);
    }
    let name = raw.get(at..)?;
    let length = name.iter().position(|byte| !IN_NAME[usize::from(*byte)]).unwrap_or(name.len());
    (length > 0).then_some(at + length)
}

/// What a host's name is made of.
const IN_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'-' | b'.' | b'_');
        byte += 1;
    }
    table
};

/// `host` as an address, with or without brackets.
pub(crate) fn host_ip(host: &str) -> Option<std::net::IpAddr> {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse().ok()
}

fn check_params(params: &[u8]) -> Result<(), UriError> {
    for (name, _) in (UriParams { rest: params }) {
        if name.is_empty() {
            return Err(UriError::Params);
        }
    }
    Ok(())
}

/// `text` with `%HH` undone; a `%` that starts no escape stays, bytes that are not UTF-8 are replaced.
pub(crate) fn unescape(text: &[u8]) -> Cow<'_, str> {
    if memchr::memchr(b'%', text).is_none() {
        return String::from_utf8_lossy(text);
    }
    let plain: Vec<u8> = unescaped(text).collect();
    Cow::Owned(
        String::from_utf8(plain).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()),
    )
}

/// The bytes of `text` with `%HH` undone.
pub(crate) fn unescaped(text: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let byte = *text.get(at)?;
        if byte == b'%'
            && let (Some(high), Some(low)) = (hex(text.get(at + 1)), hex(text.get(at + 2)))
        {
            at += 3;
            return Some(high << 4 | low);
        }
        at += 1;
        Some(byte)
    })
}

fn hex(byte: Option<&u8>) -> Option<u8> {
    u8::try_from(char::from(*byte?).to_digit(16)?).ok()
}

fn span(start: usize, end: usize) -> Result<Span, UriError> {
    Span::new(start, end).ok_or(UriError::TooLong)
}
