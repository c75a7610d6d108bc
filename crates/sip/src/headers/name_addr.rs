//! Owns addresses with names: From, To, Contact, Route and their kin. RFC 3261 §20.10.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use crate::params::{self, Params};
use crate::scan::{self, Span};
use crate::uri::{self, Uri};

/// `"display name" <uri>;params`, as it came. `==` compares bytes.
#[derive(Clone)]
pub struct NameAddr {
    /// The URI; the text that it stands in is the whole address.
    uri: Uri,
    display: Span,
    params: Span,
    /// The value of `tag`; empty without one.
    tag: Span,
}

impl NameAddr {
    /// Parses one address; `None` when it is malformed.
    pub fn parse(raw: impl Into<Bytes>) -> Option<NameAddr> {
        let raw: Bytes = raw.into();
        let parts = Parts::of(&raw)?;
        Some(NameAddr::within(raw, parts))
    }

    /// The address `raw`, whose parts lie there.
    pub(super) fn within(raw: Bytes, Parts { display, uri, params, tag }: Parts) -> NameAddr {
        NameAddr { uri: Uri::within(raw, uri), display, params, tag }
    }

    /// The header parameter `name` of the address `raw`, whose other parts are not read; the outer `None` is for what is
    /// no address.
    pub(crate) fn param_of<'a>(raw: &'a [u8], name: &str) -> Option<Option<&'a [u8]>> {
        let shape = Shape::of(raw)?;
        Some(params::find(raw.get(shape.params_at..)?, name))
    }

    fn raw(&self) -> &Bytes {
        self.uri.text()
    }

    /// `"display" <uri>`; no name when `display` is `None` or empty.
    pub fn new(display: Option<&str>, uri: &Uri) -> NameAddr {
        let mut raw = Vec::with_capacity(uri.as_bytes().len() + display.map_or(0, |name| name.len() + 3) + 2);
        if let Some(display) = display.filter(|display| !display.is_empty()) {
            params::quote_into(&mut raw, display);
            raw.push(b' ');
        }
        NameAddr::assemble(raw, uri, b"")
    }

    /// The display name as it came, quotes included; empty when there is none.
    pub fn display_raw(&self) -> &[u8] {
        scan::trim(self.display.of(self.raw()))
    }

    /// The display name without its quotes; bytes that are not UTF-8 are replaced.
    pub fn display(&self) -> Option<Cow<'_, str>> {
        let raw = self.display_raw();
        if raw.is_empty() {
            return None;
        }
        params::unquote(raw).or_else(|| {
            let text = String::from_utf8_lossy(raw).into_owned();
            params::unquote(text.as_bytes()).map(|text| Cow::Owned(text.into_owned()))
        })
    }

    /// The address.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The header parameters as they came, each with its `;`.
    pub fn params(&self) -> Params {
        Params::parse(self.raw().slice(self.params.range())).unwrap_or_default()
    }

    /// The header parameter `name` (any case), quotes kept; empty for a flag.
    pub fn param(&self, name: &str) -> Option<&[u8]> {
        params::find(self.params.of(self.raw()), name)
    }

    /// The header parameter `name` without its quotes, when it is UTF-8.
    pub fn param_text(&self, name: &str) -> Option<Cow<'_, str>> {
        params::unquote(self.param(name)?)
    }

    /// The `tag` parameter.
    pub fn tag(&self) -> Option<&str> {
        text_of_tag(self.tag_raw()?)
    }

    /// The `tag` parameter as it came; `None` when there is none.
    pub(crate) fn tag_raw(&self) -> Option<&[u8]> {
        Some(self.tag.of(self.raw())).filter(|tag| !tag.is_empty())
    }

    /// The `expires` parameter of a Contact, in seconds; `None` also when it is not a number.
    pub fn expires(&self) -> Option<u32> {
        seconds(self.param("expires")?)
    }

    /// The `q` parameter of a Contact in thousandths, 0–1000; 1000 when it is absent or malformed.
    pub fn q(&self) -> u16 {
        self.param("q").and_then(thousandths).unwrap_or(1000)
    }

    /// The `+sip.instance` of a Contact, without quotes (RFC 5626 §4.1).
    pub fn instance(&self) -> Option<Cow<'_, str>> {
        self.param_text("+sip.instance")
    }

    /// The `reg-id` of a Contact (RFC 5626 §4.2).
    pub fn reg_id(&self) -> Option<u32> {
        scan::number(self.param("reg-id")?)
    }

    /// This address with one parameter more; a flag when `value` is empty. What it holds is kept.
    pub fn with_param(&self, name: &str, value: &str) -> NameAddr {
        let mut raw = Vec::with_capacity(self.raw().len() + name.len() + value.len() + 2);
        raw.extend_from_slice(self.raw());
        params::push_into(&mut raw, name, value);
        // What is longer than a message can be stays as it is.
        let Some(params) = Span::new(self.params.range().start, raw.len()) else { return self.clone() };
        let tag = match self.tag.is_empty() && name == "tag" {
            true => tag_span(&raw, params.range().start),
            false => self.tag,
        };
        NameAddr { uri: self.uri.moved_to(Bytes::from(raw), self.uri.place()), params, tag, ..*self }
    }

    /// This address without the parameter `name`.
    pub fn without_param(&self, name: &str) -> NameAddr {
        let mut tail = Vec::new();
        for (key, value) in params::ParamIter::over(self.params.of(self.raw())) {
            if key.eq_ignore_ascii_case(name.as_bytes()) {
                continue;
            }
            tail.push(b';');
            tail.extend_from_slice(key);
            if let Some(value) = value {
                tail.push(b'=');
                tail.extend_from_slice(value);
            }
        }
        NameAddr::assemble(self.display_prefix(), &self.uri, &tail)
    }

    /// This address with `tag` as its only tag.
    pub fn with_tag(&self, tag: &str) -> NameAddr {
        match self.param("tag") {
            Some(_) => self.without_param("tag").with_param("tag", tag),
            None => self.with_param("tag", tag),
        }
    }

    /// This name and these parameters with another address.
    pub fn with_uri(&self, uri: &Uri) -> NameAddr {
        NameAddr::assemble(self.display_prefix(), uri, self.params.of(self.raw()))
    }

    /// The bytes as they came.
    pub fn as_bytes(&self) -> &[u8] {
        self.raw()
    }

    /// A copy with bytes of its own, which does not keep the datagram alive that it came in.
    pub(crate) fn detached(&self) -> NameAddr {
        let uri = self.uri.moved_to(Bytes::copy_from_slice(self.raw()), self.uri.place());
        NameAddr { uri, ..*self }
    }

    fn display_prefix(&self) -> Vec<u8> {
        let mut raw = self.display_raw().to_vec();
        if !raw.is_empty() {
            raw.push(b' ');
        }
        raw
    }

    fn assemble(mut raw: Vec<u8>, uri: &Uri, tail: &[u8]) -> NameAddr {
        let limit = usize::from(u16::MAX);
        let display = Span::new(0, raw.len()).unwrap_or_default();
        raw.reserve_exact(uri.as_bytes().len() + tail.len() + 2);
        raw.push(b'<');
        let uri_at = raw.len();
        raw.extend_from_slice(uri.as_bytes());
        raw.push(b'>');
        let params = Span::new(raw.len(), raw.len() + tail.len()).unwrap_or_default();
        raw.extend_from_slice(&tail[..tail.len().min(limit.saturating_sub(raw.len()))]);
        let tag = tag_span(&raw, params.range().start);
        NameAddr { uri: uri.moved_to(Bytes::from(raw), uri_at), display, params, tag }
    }
}

/// Where the parts of an address lie that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    display: Span,
    uri: uri::Parts,
    params: Span,
    /// The value of `tag`; empty without one.
    tag: Span,
}

impl Parts {
    /// The parts of the address `raw`; `None` when it is malformed.
    pub(super) fn of(raw: &[u8]) -> Option<Parts> {
        let Shape { display_end, uri, params_at } = Shape::of(raw)?;
        let uri = uri::Parts::of(raw, uri).ok()?;
        let (display, params) = (Span::new(0, display_end)?, Span::new(params_at, raw.len())?);
        Some(Parts { display, uri, params, tag: checked_tag(raw, params_at)? })
    }

    /// The `tag` parameter in `raw`, whose parts these are; `None` when there is none.
    pub(super) fn tag_in<'a>(&self, raw: &'a [u8]) -> Option<&'a [u8]> {
        Some(self.tag.of(raw)).filter(|tag| !tag.is_empty())
    }
}

/// Where the parts of an address lie, its URI not yet read.
struct Shape {
    display_end: usize,
    uri: Range<usize>,
    params_at: usize,
}

impl Shape {
    fn of(raw: &[u8]) -> Option<Shape> {
        let (display_end, open) = match raw.iter().position(|byte| !scan::is_lws(*byte)) {
            Some(quote) if raw[quote] == b'"' => {
                let end = scan::quoted_end(raw, quote)?;
                (end, scan::skip_lws(raw, end))
            }
            _ => match memchr::memchr2(b'<', b'"', raw) {
                Some(open) => (open, open),
                None => return Shape::bare(raw),
            },
        };
        if raw.get(open) != Some(&b'<') {
            return None;
        }
        // RFC 3261 §25.1 wants tokens in an unquoted name; the field sends any text, in any charset.
        let display = scan::trim(&raw[..display_end]);
        if display.first() != Some(&b'"') && display.iter().any(|byte| matches!(byte, b'>' | b':' | b';')) {
            return None;
        }
        let close = open + memchr::memchr(b'>', &raw[open..])?;
        Some(Shape { display_end, uri: scan::trimmed(raw, open + 1..close), params_at: close + 1 })
    }

    /// RFC 3261 §20.10: without `<…>`, what follows `;` belongs to the header, and a URI with `?` or `,` is wrong.
    fn bare(raw: &[u8]) -> Option<Shape> {
        let params_at = memchr::memchr(b';', raw).unwrap_or(raw.len());
        let uri = scan::trimmed(raw, 0..params_at);
        let wrong = raw[uri.clone()].iter().any(|byte| matches!(byte, b'?' | b','));
        (!wrong).then_some(Shape { display_end: 0, uri, params_at })
    }
}

/// The `tag` parameter of an address, without reading the rest of it.
pub(super) fn tag_of(raw: &[u8]) -> Option<&[u8]> {
    NameAddr::param_of(raw, "tag")?.filter(|tag| !tag.is_empty())
}

/// Checks the parameters of `raw` that begin at `params_at`: where the value of `tag` lies, which is nowhere without one.
fn checked_tag(raw: &[u8], params_at: usize) -> Option<Span> {
    let mut tag = Span::default();
    params::check_each(&raw[params_at..], |name, value| {
        if tag.is_empty() && name.eq_ignore_ascii_case(b"tag") {
            tag = Span::new(params_at + value.start, params_at + value.end).unwrap_or_default();
        }
    })?;
    Some(tag)
}

/// The same for an address of ours, whose parameters are well-formed unless they were cut.
fn tag_span(raw: &[u8], params_at: usize) -> Span {
    checked_tag(raw, params_at).unwrap_or_default()
}

fn text_of_tag(tag: &[u8]) -> Option<&str> {
    std::str::from_utf8(tag).ok()
}

impl PartialEq for NameAddr {
    fn eq(&self, other: &NameAddr) -> bool {
        self.raw() == other.raw()
    }
}

impl Eq for NameAddr {}

impl AsRef<[u8]> for NameAddr {
    fn as_ref(&self) -> &[u8] {
        self.raw()
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.raw()))
    }
}

impl fmt::Debug for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for NameAddr {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Text where it is text: a row of numbers is four times as long.
        match std::str::from_utf8(self.raw()) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.serialize_bytes(self.raw()),
        }
    }
}

impl<'de> serde::Deserialize<'de> for NameAddr {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<NameAddr, D::Error> {
        let raw = <Bytes as serde::Deserialize>::deserialize(deserializer)?;
        NameAddr::parse(raw).ok_or_else(|| serde::de::Error::custom("malformed address"))
    }
}

/// The Contact header fields of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contacts {
    /// `*`: all bindings (RFC 3261 §10.2.2).
    All,
    /// The addresses in their order; empty when there is no Contact.
    List(Vec<NameAddr>),
}

impl Contacts {
    /// The first address.
    pub fn first(&self) -> Option<&NameAddr> {
        match self {
            Contacts::All => None,
            Contacts::List(list) => list.first(),
        }
    }
}

/// `delta-seconds`; more than 2³²−1 counts as that (RFC 3261 §20.19).
pub(crate) fn seconds(text: &[u8]) -> Option<u32> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(scan::number(text).unwrap_or(u32::MAX))
}

/// RFC 3261 §25.1 `qvalue`.
fn thousandths(text: &[u8]) -> Option<u16> {
    let (whole, fraction) = match text.iter().position(|byte| *byte == b'.') {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &b""[..]),
    };
    if fraction.len() > 3 || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let whole: u16 = scan::number(whole)?;
    let fraction =
        (0..3).fold(0, |sum, digit| sum * 10 + fraction.get(digit).map_or(0, |byte| u16::from(byte - b'0')));
    whole.checked_mul(1000)?.checked_add(fraction).filter(|q| *q <= 1000)
}
