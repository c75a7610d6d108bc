//! Owns bodies made of parts: RFC 2046 §5.1 as RFC 5621 uses it, and the session description among them.
//! Does not own what a part means (see `sdp`).

use std::borrow::Cow;

use bytes::Bytes;

use crate::headers::{HeaderName, Headers, MediaType};
use crate::scan;

#[cfg(test)]
mod tests;

/// One part of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    head: &'a [u8],
    /// Its bytes, without the line end before the next delimiter.
    pub body: &'a [u8],
}

/// A body whose parts cannot be told apart: no usable boundary, or no part between delimiters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed multipart body")]
pub struct Malformed;

/// What stands in a body, for an element that reads `application/sdp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing that is read here, and nothing that must be.
    Nothing,
    /// A session description.
    Sdp(Bytes),
    /// A part that must be understood (RFC 5621 §8.3, `handling=required`) and is not, or no part that can be.
    NotUnderstood,
    /// Parts that cannot be told apart.
    Malformed,
}

/// Parts inside parts, counted from the outermost.
const DEEPEST: usize = 4;
/// Parts of one body; further ones are not looked at.
const MOST_PARTS: usize = 64;

impl<'a> Part<'a> {
    /// The value of the part's header field `name` (any case); folds have become spaces.
    pub fn header(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        let mut at = 0;
        while at < self.head.len() {
            let mut end = line_end(self.head, at);
            while self.head.get(end).is_some_and(|byte| scan::is_lws(*byte)) {
                end = line_end(self.head, end);
            }
            let line = &self.head[at..end];
            at = end;
            let Some(colon) = memchr::memchr(b':', line) else { continue };
            if scan::trim(&line[..colon]).eq_ignore_ascii_case(name.as_bytes()) {
                let value = line[colon + 1..].trim_ascii();
                return Some(match memchr::memchr(b'\n', value) {
                    None => Cow::Borrowed(value),
                    Some(_) => value
                        .iter()
                        .map(|byte| if byte.is_ascii_whitespace() { b' ' } else { *byte })
                        .collect(),
                });
            }
        }
        None
    }

    /// What it is; `text/plain` when it does not say (RFC 2046 §5.1), `None` when that is malformed.
    pub fn kind(&self) -> Option<MediaType> {
        MediaType::parse(self.header("Content-Type").as_deref().unwrap_or(b"text/plain"))
    }

    /// Whether its bytes stand as they are (RFC 2045 §6): base64 and quoted-printable are not undone.
    fn is_plain(&self) -> bool {
        let plain = |coding: Cow<'_, [u8]>| {
            [&b"7bit"[..], b"8bit", b"binary"].iter().any(|known| coding.eq_ignore_ascii_case(known))
        };
        self.header("Content-Transfer-Encoding").is_none_or(plain)
    }

    fn handling(&self) -> Handling {
        Handling::of(self.header("Content-Disposition").as_deref())
    }

    /// Whether a description here describes the session: RFC 3261 §20.11, the default for SDP.
    fn is_for_session(&self) -> bool {
        let Some(disposition) = self.header("Content-Disposition") else { return true };
        let kind = disposition.split(|byte| *byte == b';').next().unwrap_or_default();
        scan::trim(kind).eq_ignore_ascii_case(b"session")
    }
}

/// What a receiver does with a body that it does not understand (RFC 3261 §20.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handling {
    Unsaid,
    Optional,
    Required,
}

impl Handling {
    fn of(disposition: Option<&[u8]>) -> Handling {
        let Some(disposition) = disposition else { return Handling::Unsaid };
        let at = memchr::memchr(b';', disposition).unwrap_or(disposition.len());
        let value = crate::params::find(&disposition[at..], "handling").unwrap_or_default();
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        if value.eq_ignore_ascii_case(b"optional") {
            Handling::Optional
        } else if value.eq_ignore_ascii_case(b"required") {
            Handling::Required
        } else {
            Handling::Unsaid
        }
    }
}

/// The parts of `body`, which is of the multipart type `kind`, in their order.
///
/// # Errors
/// When `kind` names no usable boundary, or no delimiter is found.
pub fn parts<'a>(kind: &MediaType, body: &'a [u8]) -> Result<Vec<Part<'a>>, Malformed> {
    let boundary = kind.params.text("boundary").ok_or(Malformed)?;
    // RFC 2046 §5.1.1: 1 to 70 characters.
    if boundary.is_empty() || boundary.len() > 70 {
        return Err(Malformed);
    }
    let delimiter = format!("--{boundary}").into_bytes();
    let (mut start, mut found) = (None, Vec::new());
    let mut at = 0;
    while let Some(hit) = delimiter_at(body, at, &delimiter) {
        if let Some(start) = start {
            found.push(part(&body[start..hit.before]));
        }
        if hit.is_last || found.len() == MOST_PARTS {
            return if found.is_empty() { Err(Malformed) } else { Ok(found) };
        }
        (start, at) = (Some(hit.after), hit.after);
    }
    // The closing delimiter is missing in the field: what came is the last part.
    if let Some(start) = start {
        found.push(part(&body[start..]));
    }
    if found.is_empty() { Err(Malformed) } else { Ok(found) }
}

/// A line that parts two parts.
struct Delimiter {
    /// Where the part before it ends: the line end before a delimiter belongs to the delimiter.
    before: usize,
    after: usize,
    is_last: bool,
}

/// The next line from `at` on that is a delimiter: at the start of a line, with nothing behind it but white space.
fn delimiter_at(body: &[u8], at: usize, delimiter: &[u8]) -> Option<Delimiter> {
    let mut from = at;
    loop {
        let start = from + memchr::memmem::find(&body[from..], delimiter)?;
        from = start + delimiter.len();
        if start != 0 && body[start - 1] != b'\n' {
            continue;
        }
        let end = line_end(body, from);
        let rest = body[from..end].trim_ascii_end();
        if !matches!(rest, b"" | b"--") {
            continue;
        }
        let before = match &body[..start] {
            [.., b'\r', b'\n'] => start - 2,
            [.., b'\n'] => start - 1,
            _ => start,
        };
        // Two delimiters may share the line end between them: the part is empty then.
        return Some(Delimiter { before: before.max(at), after: end, is_last: rest == b"--" });
    }
}

/// RFC 2046 §5.1: header lines, an empty line, the body; the header lines may be missing.
fn part(text: &[u8]) -> Part<'_> {
    let mut at = 0;
    while at < text.len() {
        let end = line_end(text, at);
        if matches!(&text[at..end], b"\r\n" | b"\n") {
            return Part { head: &text[..at], body: &text[end..] };
        }
        at = end;
    }
    Part { head: text, body: &[] }
}

fn line_end(text: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |length| at + length + 1)
}

impl Content {
    /// What stands in `body` by the Content-Type, Content-Disposition and Content-Encoding of `headers`. A body
    /// without a Content-Type counts as SDP, which is what peers mean that forget it.
    pub fn of(headers: &Headers, body: &Bytes) -> Content {
        if body.is_empty() {
            return Content::Nothing;
        }
        let kind = headers.get(HeaderName::ContentType).unwrap_or(b"application/sdp");
        // The usual case, without an allocation.
        if scan::trim(kind).eq_ignore_ascii_case(b"application/sdp") {
            return Content::Sdp(body.clone());
        }
        let Some(kind) = MediaType::parse(kind) else { return Content::NotUnderstood };
        if kind.is("application", "sdp") {
            return Content::Sdp(body.clone());
        }
        if kind.main == "multipart" {
            return match within(&kind, body, 1) {
                Found::Sdp(text) => Content::Sdp(body.slice_ref(text)),
                Found::Nothing => Content::Nothing,
                Found::NotUnderstood => Content::NotUnderstood,
                Found::Malformed => Content::Malformed,
            };
        }
        match Handling::of(headers.get(HeaderName::ContentDisposition)) {
            Handling::Optional => Content::Nothing,
            Handling::Required | Handling::Unsaid => Content::NotUnderstood,
        }
    }

    /// The session description, when there is one.
    pub fn sdp(self) -> Option<Bytes> {
        match self {
            Content::Sdp(text) => Some(text),
            Content::Nothing | Content::NotUnderstood | Content::Malformed => None,
        }
    }
}

/// As [`Content`], over the body itself.
enum Found<'a> {
    Nothing,
    Sdp(&'a [u8]),
    NotUnderstood,
    Malformed,
}

fn within<'a>(kind: &MediaType, body: &'a [u8], depth: usize) -> Found<'a> {
    let Ok(parts) = parts(kind, body) else { return Found::Malformed };
    let alternatives = kind.sub == "alternative";
    let mut sdp = None;
    for part in &parts {
        match understood(part, depth) {
            // RFC 2046 §5.1.4: the last alternative that is understood is the best; else the first description counts.
            Found::Sdp(text) if alternatives || sdp.is_none() => sdp = Some(text),
            Found::Sdp(_) | Found::Nothing => {}
            // RFC 5621 §8.4: of alternatives, one that is understood is enough.
            Found::NotUnderstood | Found::Malformed if alternatives => {}
            refused => return refused,
        }
    }
    match sdp {
        Some(text) => Found::Sdp(text),
        None if alternatives => Found::NotUnderstood,
        None => Found::Nothing,
    }
}

fn understood<'a>(part: &Part<'a>, depth: usize) -> Found<'a> {
    match part.kind() {
        Some(kind) if kind.is("application", "sdp") && part.is_plain() && part.is_for_session() => {
            Found::Sdp(part.body)
        }
        Some(kind) if kind.main == "multipart" && depth < DEEPEST => within(&kind, part.body, depth + 1),
        // RFC 5621 §8.3 takes silence for `required`. Carriers add ISUP and location parts without a word about
        // them and expect the call: only what is said to be required is.
        _ if part.handling() == Handling::Required => Found::NotUnderstood,
        _ => Found::Nothing,
    }
}
