//! Owns header parameters: `;name=value` after a value. Does not own those inside a URI (see [`crate::uri`]).

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use crate::scan;

/// The parameters of a header value, as they came: `;tag=1;x="a;b"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params {
    raw: Bytes,
}

impl Params {
    /// Checks `raw`, which is empty or starts with `;`; `None` when a name is missing or a quote does not end.
    pub fn parse(raw: Bytes) -> Option<Params> {
        check(&raw)?;
        Some(Params { raw })
    }

    /// The bytes as they came, each parameter with its `;`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.raw
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Name and value of each, in order; quoted values with their quotes.
    pub fn iter(&self) -> ParamIter<'_> {
        ParamIter { rest: &self.raw }
    }

    /// The value of `name` (any case), quotes kept; empty for a flag.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        find(&self.raw, name)
    }

    /// The value of `name` without its quotes, when it is UTF-8.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        unquote(self.get(name)?)
    }

    /// Whether `name` is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// Walks `;name=value` text that has been checked.
#[derive(Clone, Debug)]
pub struct ParamIter<'a> {
    rest: &'a [u8],
}

impl<'a> ParamIter<'a> {
    pub(crate) fn over(raw: &'a [u8]) -> ParamIter<'a> {
        ParamIter { rest: raw }
    }
}

impl<'a> Iterator for ParamIter<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);
    fn next(&mut self) -> Option<Self::Item> {
        let start = memchr::memchr(b';', self.rest)? + 1;
        let text = &self.rest[start..];
        let end = match memchr::memchr2(b';', b'"', text) {
            Some(end) if text[end] == b';' => end,
            Some(_) => scan::find_outside(text, 0, b';'),
            None => text.len(),
        };
        self.rest = &text[end..];
        let one = scan::trim(&text[..end]);
        match memchr::memchr(b'=', one) {
            Some(equals) => Some((scan::trim(&one[..equals]), Some(scan::trim(&one[equals + 1..])))),
            None => Some((one, None)),
        }
    }
}

/// The value of `name` in `;name=value` text; empty for a flag.
pub(crate) fn find<'a>(raw: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut rest = raw;
    // Nearly all are plain: `;name=value` without white space and quotes.
    while let [b';', one @ ..] = rest {
        let length = run_end(one, 0, is_plain);
        if !matches!(one.get(length), None | Some(b';')) {
            break;
        }
        if let Some((key, value)) = one[..length].split_at_checked(name.len())
            && key.eq_ignore_ascii_case(name.as_bytes())
        {
            match value {
                [] => return Some(value),
                [b'=', value @ ..] => return Some(value),
                _ => {}
            }
        }
        rest = &one[length..];
    }
    ParamIter::over(rest)
        .find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| value.unwrap_or_default())
}

/// What a parameter consists of that needs no further look: no white space, quote or bracket.
const fn is_plain(byte: u8) -> bool {
    is_value(byte) || byte == b','
}

/// Checks `*(SEMI generic-param)` to its end: RFC 3261 §25.1, with values as wide as the field sends them.
pub(crate) fn check(raw: &[u8]) -> Option<()> {
    check_each(raw, |_, _| {})
}

/// As [`check`]; `each` is told the name and where its value lies in `raw`, quotes included, which is nowhere for a flag.
pub(crate) fn check_each(raw: &[u8], mut each: impl FnMut(&[u8], Range<usize>)) -> Option<()> {
    let mut at = scan::skip_lws(raw, 0);
    while at < raw.len() {
        if raw[at] != b';' {
            return None;
        }
        at = scan::skip_lws(raw, at + 1);
        let name = at;
        at = run_end(raw, at, |byte| scan::is_token(byte) || byte >= 0x80);
        if at == name {
            return None;
        }
        let name = &raw[name..at];
        at = scan::skip_lws(raw, at);
        if raw.get(at) == Some(&b'=') {
            let value = scan::skip_lws(raw, at + 1);
            at = match raw.get(value) {
                Some(b'"') => scan::quoted_end(raw, value)?,
                _ => run_end(raw, value, is_value),
            };
            if at == value {
                return None;
            }
            each(name, value..at);
            at = scan::skip_lws(raw, at);
        } else {
            each(name, at..at);
        }
    }
    Some(())
}

/// Wider than `token / host`: branches with `@`, `/` or `=` are common.
const fn is_value(byte: u8) -> bool {
    VALUE[byte as usize]
}

const VALUE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = b' ' as usize + 1;
    while byte < 256 {
        table[byte] = !matches!(byte as u8, 0x7f | b';' | b',' | b'"' | b'<' | b'>');
        byte += 1;
    }
    table
};

/// Where the bytes from `at` on end that are `wanted`.
fn run_end(raw: &[u8], at: usize, wanted: impl Fn(u8) -> bool) -> usize {
    let rest = raw.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| !wanted(*byte)).unwrap_or(rest.len())
}

/// `text` without quotes and backslashes, when it is UTF-8.
pub(crate) fn unquote(text: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(text).ok()?;
    let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return Some(Cow::Borrowed(text));
    };
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    Some(Cow::Owned(plain))
}

/// Appends `text` as a quoted string. Control characters, which could start a new header line, become spaces.
pub(crate) fn quote_into(out: &mut impl Extend<u8>, text: &str) {
    out.extend([b'"']);
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            0..=0x1f | 0x7f => out.extend([b' ']),
            _ => out.extend([byte]),
        }
    }
    out.extend([b'"']);
}

/// Appends `;name=value`, quoting the value unless it is a token or host; a flag when `value` is empty.
pub(crate) fn push_into(out: &mut impl Extend<u8>, name: &str, value: &str) {
    out.extend([b';']);
    out.extend(name.bytes().filter(|byte| scan::is_token(*byte)));
    if value.is_empty() {
        return;
    }
    out.extend([b'=']);
    if value.bytes().all(|byte| scan::is_token(byte) || matches!(byte, b'[' | b']' | b':')) {
        out.extend(value.bytes());
    } else {
        quote_into(out, value);
    }
}
