//! Owns the syntax of a whole message: start line, header lines, body length. RFC 3261 §7, §18.3.
//! Does not own the grammar of header values (see [`crate::headers`]).

use std::ops::Range;

use bytes::Bytes;

use crate::headers::{HeaderName, Headers};
use crate::limits::Limits;
use crate::scan;
use crate::uri::{Uri, UriError};

use super::{Fault, Message, Method, ParseError, Request, Response};

impl Message {
    /// Parses one datagram, or one message that [`crate::framing`] has cut from a stream, within
    /// [`Limits::DEFAULT`]. Nothing is copied unless a header line is folded.
    ///
    /// # Errors
    /// Says what is wrong; [`ParseError::answer`] is the refusal, where one can be sent.
    pub fn parse_datagram(raw: Bytes) -> Result<Message, ParseError> {
        Message::parse_within(raw, &Limits::DEFAULT)
    }

    /// As [`Message::parse_datagram`], within `limits`.
    ///
    /// # Errors
    /// Says what is wrong; [`ParseError::answer`] is the refusal, where one can be sent.
    pub fn parse_within(raw: Bytes, limits: &Limits) -> Result<Message, ParseError> {
        // RFC 3261 §7.5: empty lines before the start line are ignored.
        let start = raw.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(raw.len());
        if start == raw.len() {
            return Err(nobody(if raw.is_empty() { Fault::NotSip } else { Fault::KeepAlive }));
        }
        let Some(first) = line(&raw, start) else { return Err(nobody(Fault::NotSip)) };
        let Some(start_line) = StartLine::parse(&raw, first.text, limits) else {
            return Err(nobody(Fault::NotSip));
        };
        let head = Head::scan(raw, first.next, limits);
        let fault = start_line.fault().or(head.fault);
        let body = match fault {
            Some(fault) => Err(fault),
            None => head.body(limits),
        };
        match (start_line, body) {
            (StartLine::Request { method, uri: Ok(uri) }, Ok(body)) => {
                Ok(Message::Request(Request { method, uri, headers: head.headers, body }))
            }
            (StartLine::Response { status: Ok(status), reason }, Ok(body)) => {
                Ok(Message::Response(Response { status, reason, headers: head.headers, body }))
            }
            (StartLine::Request { method, .. }, Err(fault)) => {
                Err(ParseError { fault, request: Some(Box::new((method, head.headers))) })
            }
            // invariant: a start line without its URI or status has a fault, which is in `body`.
            (_, body) => Err(nobody(body.err().unwrap_or(Fault::StartLine))),
        }
    }
}

/// An error that nobody can be told.
fn nobody(fault: Fault) -> ParseError {
    ParseError { fault, request: None }
}

enum StartLine {
    Request { method: Method, uri: Result<Uri, Fault> },
    Response { status: Result<u16, Fault>, reason: Bytes },
}

impl StartLine {
    /// `None` when the line is not SIP's at all.
    fn parse(raw: &Bytes, at: Range<usize>, limits: &Limits) -> Option<StartLine> {
        let line = &raw[at.clone()];
        if line.get(..4)?.eq_ignore_ascii_case(b"SIP/") {
            return StartLine::parse_status(raw, at);
        }
        // RFC 3261 §7.1: Method SP Request-URI SP SIP-Version, each SP alone.
        let first = memchr::memchr(b' ', line)?;
        let last = memchr::memrchr(b' ', line)?;
        let method = Method::parse(&line[..first])?;
        let version = &line[last + 1..];
        if first == last || !version.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"SIP/")) {
            // What came is a request line gone wrong when SIP stands in it anywhere.
            let fault = memchr::memmem::find(line, b"SIP/2.0").map(|_| Fault::StartLine)?;
            return Some(StartLine::Request { method, uri: Err(fault) });
        }
        let uri = if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            Err(if is_version(version) { Fault::Version } else { Fault::StartLine })
        } else if last - first - 1 > limits.uri_bytes {
            Err(Fault::UriTooLong)
        } else {
            Uri::parse(raw.slice(at.start + first + 1..at.start + last)).map_err(|error| match error {
                UriError::TooLong => Fault::UriTooLong,
                error => Fault::RequestUri(error),
            })
        };
        Some(StartLine::Request { method, uri })
    }

    /// RFC 3261 §7.2: SIP-Version SP Status-Code SP Reason-Phrase; the last SP is missing in the field.
    fn parse_status(raw: &Bytes, at: Range<usize>) -> Option<StartLine> {
        let line = &raw[at.clone()];
        let space = memchr::memchr(b' ', line)?;
        let rest = &line[space + 1..];
        let end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
        let status = if !line[..space].eq_ignore_ascii_case(b"SIP/2.0") {
            Err(Fault::Version)
        } else {
            match scan::number(&rest[..end]) {
                Some(status @ 100..=699) if end == 3 => Ok(status),
                _ => Err(Fault::StartLine),
            }
        };
        let reason = raw.slice((at.start + space + 1 + end + 1).min(at.end)..at.end);
        Some(StartLine::Response { status, reason })
    }

    fn fault(&self) -> Option<Fault> {
        match self {
            StartLine::Request { uri, .. } => uri.as_ref().err().copied(),
            StartLine::Response { status, .. } => status.as_ref().err().copied(),
        }
    }
}

fn is_version(text: &[u8]) -> bool {
    let mut parts = text[4..].split(|byte| *byte == b'.');
    let mut digits =
        || parts.next().is_some_and(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit));
    digits() && digits() && parts.next().is_none()
}

/// The header fields, and where the body starts.
struct Head {
    headers: Headers,
    body_at: usize,
    content_length: Option<usize>,
    /// The first thing that is wrong; the fields after it are read all the same, so that a refusal can be sent.
    fault: Option<Fault>,
}

impl Head {
    fn scan(raw: Bytes, start: usize, limits: &Limits) -> Head {
        let mut head = Head {
            headers: Headers::over(raw.clone(), 24),
            body_at: raw.len(),
            content_length: None,
            fault: None,
        };
        let mut at = start;
        loop {
            let Some(line) = line(&raw, at) else {
                head.blame(Fault::Truncated);
                return head;
            };
            if line.next > limits.head_bytes {
                head.blame(Fault::HeadTooLarge);
                return head;
            }
            if line.text.is_empty() {
                head.body_at = line.next;
                return head;
            }
            // RFC 3261 §7.3.1: a line that starts with white space continues the one before.
            if raw.get(line.next).is_some_and(|byte| scan::is_lws(*byte)) {
                return Head::scan(unfold(&raw, start), start, limits);
            }
            if head.headers.len() == limits.header_fields {
                head.blame(Fault::TooManyFields);
                return head;
            }
            at = line.next;
            head.field(&raw, line);
        }
    }

    /// RFC 3261 §7.3.1: `name: value`, with white space allowed around the colon.
    fn field(&mut self, raw: &[u8], line: Line) {
        let at = line.text;
        let text = &raw[at.clone()];
        let name_len = text.iter().position(|byte| !scan::is_token(*byte)).unwrap_or(text.len());
        let colon = scan::skip_lws(text, name_len);
        if name_len == 0 || text.get(colon) != Some(&b':') || line.bare_return {
            return self.blame(Fault::HeaderLine);
        }
        let mut value_at = at.start + colon + 1;
        let mut value_end = at.end;
        while value_at < value_end && scan::is_lws(raw[value_at]) {
            value_at += 1;
        }
        while value_end > value_at && scan::is_lws(raw[value_end - 1]) {
            value_end -= 1;
        }
        let known = HeaderName::parse(&text[..name_len]);
        if known == HeaderName::ContentLength {
            self.content_length(&raw[value_at..value_end]);
        }
        self.headers.locate(known, at.start..at.start + name_len, value_at..value_end);
    }

    /// RFC 3261 §20.14: digits alone; two that differ leave the length unknown.
    fn content_length(&mut self, value: &[u8]) {
        match scan::number::<usize>(value) {
            Some(length) if self.content_length.is_none_or(|known| known == length) => {
                self.content_length = Some(length);
            }
            _ => self.blame(Fault::ContentLength),
        }
    }

    /// RFC 3261 §18.3: what is longer than Content-Length is cut, what is shorter is an error, and without one the
    /// rest of the datagram is the body.
    fn body(&self, limits: &Limits) -> Result<Bytes, Fault> {
        let raw = self.headers.raw();
        let came = raw.len() - self.body_at;
        let length = self.content_length.unwrap_or(came);
        if length > limits.body_bytes {
            return Err(Fault::BodyTooLarge);
        }
        if length > came {
            return Err(Fault::BodyShort { expected: length, came });
        }
        Ok(if length == 0 { Bytes::new() } else { raw.slice(self.body_at..self.body_at + length) })
    }

    fn blame(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }
}

/// A line without its end, and where the next one starts.
struct Line {
    text: Range<usize>,
    next: usize,
    /// A carriage return stands in it that ends nothing.
    bare_return: bool,
}

/// The line at `at`; `None` when it does not end. Each byte is looked at once: what ends a line is nearly always the first
/// CR there is.
fn line(raw: &[u8], at: usize) -> Option<Line> {
    let mut bare_return = false;
    let mut from = at;
    loop {
        let end = from + memchr::memchr2(b'\r', b'\n', raw.get(from..)?)?;
        if raw[end] == b'\n' {
            return Some(Line { text: at..end, next: end + 1, bare_return });
        }
        if raw.get(end + 1) == Some(&b'\n') {
            return Some(Line { text: at..end, next: end + 2, bare_return });
        }
        (bare_return, from) = (true, end + 1);
    }
}

/// `raw` with the line ends before continuation lines made spaces, so that values are one line; lengths and offsets
/// stay.
fn unfold(raw: &Bytes, start: usize) -> Bytes {
    let mut plain = raw.to_vec();
    let mut at = start;
    while let Some(Line { text, next, .. }) = line(raw, at) {
        if text.is_empty() {
            break;
        }
        if raw.get(next).is_some_and(|byte| scan::is_lws(*byte)) {
            plain[text.end..next].fill(b' ');
        }
        at = next;
    }
    Bytes::from(plain)
}
