//! Owns Via: one hop that a response takes back. RFC 3261 §20.42, RFC 3581, RFC 5118 §4.5.

use std::fmt;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::params;
use crate::scan::{self, Span};
use crate::uri;

/// One hop: `SIP/2.0/UDP host:port;branch=…`, as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct Via {
    raw: Bytes,
    parts: Parts,
}

/// Where the parts of a hop lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    transport: Span,
    host: Span,
    port: Option<u16>,
    params: Span,
    /// The value of `branch`; empty without one.
    branch: Span,
    rport: Rport,
}

impl Parts {
    /// The parts of the hop `raw`; `None` when it is malformed.
    pub(super) fn of(raw: &[u8]) -> Option<Parts> {
        // RFC 3261 §25.1: sent-protocol = protocol-name SLASH protocol-version SLASH transport, with LWS around.
        let start = match raw.starts_with(b"SIP/2.0/") {
            // Nearly all begin so.
            true => scan::skip_lws(raw, 8),
            false => {
                let at = word(raw, scan::skip_lws(raw, 0), b"SIP")?;
                let at = word(raw, slash(raw, at)?, b"2.0")?;
                slash(raw, at)?
            }
        };
        let mut at = start;
        while raw.get(at).is_some_and(|byte| scan::is_token(*byte)) {
            at += 1;
        }
        let transport = Span::new(start, at).filter(|span| !span.is_empty())?;
        let host_at = scan::skip_lws(raw, at);
        if host_at == at {
            return None;
        }
        let host_end = uri::host_end(raw, host_at)?;
        let host = Span::new(host_at, host_end)?;
        let mut at = scan::skip_lws(raw, host_end);
        let mut port = None;
        if raw.get(at) == Some(&b':') {
            let digits = scan::skip_lws(raw, at + 1);
            at = digits;
            while raw.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            port = Some(scan::number(&raw[digits..at])?);
            at = scan::skip_lws(raw, at);
        }
        let params = Span::new(at, raw.len())?;
        let mut parts =
            Parts { transport, host, port, params, branch: Span::default(), rport: Rport::Absent };
        params::check_each(&raw[at..], |name, value| {
            parts.note(name, (at + value.start)..(at + value.end), raw)
        })?;
        Some(parts)
    }

    /// Takes note of a parameter that is asked for in each message; of several the first counts.
    fn note(&mut self, name: &[u8], value: Range<usize>, raw: &[u8]) {
        if self.branch.is_empty() && name.eq_ignore_ascii_case(b"branch") {
            // invariant: `params`, which ends where `raw` does, has a span.
            self.branch = Span::new(value.start, value.end).unwrap_or_default();
        } else if self.rport == Rport::Absent && name.eq_ignore_ascii_case(b"rport") {
            self.rport = match &raw[value] {
                [] => Rport::Asked,
                text => scan::number(text).map_or(Rport::Absent, Rport::Told),
            };
        }
    }
}

impl Via {
    /// Parses one hop; `None` when it is malformed or not of SIP 2.0.
    pub fn parse(raw: impl Into<Bytes>) -> Option<Via> {
        let raw: Bytes = raw.into();
        let parts = Parts::of(&raw)?;
        Some(Via { raw, parts })
    }

    /// The hop `raw`, whose parts lie there.
    pub(super) fn within(raw: Bytes, parts: Parts) -> Via {
        Via { raw, parts }
    }

    /// Our own hop.
    pub fn new(transport: &str, host: &str, port: u16, branch: &str) -> Via {
        let fallback = || Via { raw: Bytes::new(), parts: Parts::default() };
        let mut text = String::with_capacity(host.len() + branch.len() + 40);
        Via::push_without_branch(&mut text, transport, host, port);
        text.push_str(branch);
        Via::parse(text).unwrap_or_else(fallback)
    }

    /// Writes our own hop up to its branch, which is to follow: `SIP/2.0/transport host:port;rport;branch=` (RFC 3581
    /// §3); `rport` only where it means something, which is UDP, and `alias` over TLS (RFC 5923).
    pub(crate) fn push_without_branch(text: &mut String, transport: &str, host: &str, port: u16) {
        text.push_str("SIP/2.0/");
        text.push_str(transport);
        text.push(' ');
        uri::push_host_port(text, host, Some(port));
        if transport.eq_ignore_ascii_case("UDP") {
            text.push_str(";rport");
        } else if transport.eq_ignore_ascii_case("TLS") {
            // RFC 5923 §8: requests back may come by our connection.
            text.push_str(";alias");
        }
        text.push_str(";branch=");
    }

    /// `UDP`, `TCP`, `TLS`, `WS`, `WSS` or any other token, as it came.
    pub fn transport(&self) -> &str {
        std::str::from_utf8(self.parts.transport.of(&self.raw)).unwrap_or_default()
    }

    /// The host of sent-by, IPv6 in its brackets.
    pub fn host(&self) -> &str {
        std::str::from_utf8(self.parts.host.of(&self.raw)).unwrap_or_default()
    }

    /// The port of sent-by, when one is written.
    pub fn port(&self) -> Option<u16> {
        self.parts.port
    }

    /// Host and port of sent-by as they came.
    pub fn sent_by(&self) -> &[u8] {
        scan::trim(&self.raw[self.parts.host.range().start..self.parts.params.range().start])
    }

    /// The parameter `name` (any case), quotes kept; empty for a flag.
    pub fn param(&self, name: &str) -> Option<&[u8]> {
        params::find(self.parts.params.of(&self.raw), name)
    }

    /// The branch, when it has one.
    pub fn branch(&self) -> Option<&str> {
        std::str::from_utf8(self.branch_raw()).ok().filter(|branch| !branch.is_empty())
    }

    /// The branch as it came; empty without one.
    pub(crate) fn branch_raw(&self) -> &[u8] {
        self.parts.branch.of(&self.raw)
    }

    /// The branch, when it identifies the transaction on its own: RFC 3261 §8.1.1.7, and something after the cookie.
    pub fn rfc3261_branch(&self) -> Option<&[u8]> {
        let branch = self.branch_raw();
        let (cookie, rest) = branch.split_at_checked(MAGIC_COOKIE.len())?;
        (cookie.eq_ignore_ascii_case(MAGIC_COOKIE.as_bytes()) && !rest.is_empty()).then_some(branch)
    }

    /// The `received` address; RFC 5118 §4.5 allows IPv6 without brackets.
    pub fn received(&self) -> Option<IpAddr> {
        uri::host_ip(std::str::from_utf8(self.param("received")?).ok()?)
    }

    /// Whether the sender asks for, or was told, its port (RFC 3581).
    pub fn rport(&self) -> Rport {
        self.parts.rport
    }

    /// The `maddr` parameter.
    pub fn maddr(&self) -> Option<&str> {
        std::str::from_utf8(self.param("maddr")?).ok()
    }

    /// The `ttl` parameter.
    pub fn ttl(&self) -> Option<u8> {
        scan::number(self.param("ttl")?)
    }

    /// This hop as its receiver keeps it, `received` and `rport` filled in; `None` when nothing is to be filled in. RFC 3261
    /// §18.2.1, RFC 3581 §4.
    pub fn completed(&self, source: SocketAddr) -> Option<SmallVec<[u8; COMPLETED]>> {
        let asked = self.rport() != Rport::Absent;
        let differs = uri::host_ip(self.host()) != Some(source.ip());
        if !asked && !differs {
            return None;
        }
        let mut raw = SmallVec::from_slice(&self.raw[..self.parts.params.range().start]);
        for (name, value) in params::ParamIter::over(self.parts.params.of(&self.raw)) {
            if name.eq_ignore_ascii_case(b"received") || name.eq_ignore_ascii_case(b"rport") {
                continue;
            }
            raw.push(b';');
            raw.extend_from_slice(name);
            if let Some(value) = value {
                raw.push(b'=');
                raw.extend_from_slice(value);
            }
        }
        // A vector takes everything.
        let _never_fails = write!(raw, ";received={}", source.ip());
        if asked {
            let _never_fails = write!(raw, ";rport={}", source.port());
        }
        // A hop that is longer could not be read again.
        (raw.len() <= usize::from(u16::MAX)).then_some(raw)
    }

    /// The bytes as they came.
    pub fn as_bytes(&self) -> &[u8] {
        &self.raw
    }
}

/// What a hop says about `rport`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rport {
    /// Nothing.
    #[default]
    Absent,
    /// `;rport`: the receiver is to fill it in.
    Asked,
    /// `;rport=5060`.
    Told(u16),
}

impl AsRef<[u8]> for Via {
    fn as_ref(&self) -> &[u8] {
        &self.raw
    }
}

impl fmt::Debug for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.raw))
    }
}

/// Bytes of a hop that needs no place of its own: nearly all are shorter.
const COMPLETED: usize = 256;

/// RFC 3261 §8.1.1.7.
pub const MAGIC_COOKIE: &str = "z9hG4bK";

fn word(raw: &[u8], at: usize, wanted: &[u8]) -> Option<usize> {
    raw.get(at..at + wanted.len())?.eq_ignore_ascii_case(wanted).then_some(at + wanted.len())
}

fn slash(raw: &[u8], at: usize) -> Option<usize> {
    let at = scan::skip_lws(raw, at);
    (raw.get(at) == Some(&b'/')).then(|| scan::skip_lws(raw, at + 1))
}
