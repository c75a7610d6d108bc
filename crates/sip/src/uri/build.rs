//! Owns writing URIs. Does not own reading them (see [`crate::uri`]).

use bytes::Bytes;

use super::{Scheme, Uri, UriError};
use crate::scan;

impl Uri {
    /// `sip:user@host:port`; the user part is escaped as RFC 3261 §25.1 asks, an IPv6 host gets its brackets.
    ///
    /// # Errors
    /// When `host` is not one.
    pub fn sip(user: Option<&str>, host: &str, port: Option<u16>) -> Result<Uri, UriError> {
        let mut text = String::with_capacity(
            user.map_or(0, |user| user.len() + 1) + host.len() + port.map_or(4, |_| 10),
        );
        text.push_str("sip:");
        if let Some(user) = user.filter(|user| !user.is_empty()) {
            escape_user(&mut text, user);
            text.push('@');
        }
        push_host_port(&mut text, host, port);
        Uri::parse(text)
    }

    /// `tel:number`.
    ///
    /// # Errors
    /// When `number` holds characters that end a URI.
    pub fn tel(number: &str) -> Result<Uri, UriError> {
        Uri::parse(format!("tel:{number}"))
    }

    /// This URI with a parameter more, before its headers; a flag when `value` is empty. What it holds is kept.
    ///
    /// # Errors
    /// When name or value hold characters that end a parameter.
    pub fn with_param(&self, name: &str, value: &str) -> Result<Uri, UriError> {
        let whole = self.parts.whole.range();
        let at = match self.parts.scheme {
            Scheme::Sip | Scheme::Sips => self.parts.params.range().end,
            Scheme::Tel | Scheme::Other => whole.end,
        };
        let mut raw = Vec::with_capacity(whole.len() + name.len() + value.len() + 2);
        raw.extend_from_slice(&self.text[whole.start..at]);
        raw.push(b';');
        raw.extend_from_slice(name.as_bytes());
        if !value.is_empty() {
            raw.push(b'=');
            raw.extend_from_slice(value.as_bytes());
        }
        raw.extend_from_slice(&self.text[at..whole.end]);
        Uri::parse(raw)
    }

    /// This `sip:` or `sips:` URI without its `?headers` and without the parameter `method`, as it stands in a
    /// Request-URI (RFC 3261 §19.1.1, table 1); other schemes as they are.
    pub fn without_headers(&self) -> Uri {
        if !self.is_sip() || (self.parts.headers.is_empty() && self.param("method").is_none()) {
            return self.clone();
        }
        let (start, end) = (self.parts.whole.range().start, self.parts.params.range().start);
        let mut raw = self.text[start..end].to_vec();
        for (name, value) in self.params().filter(|(name, _)| !name.eq_ignore_ascii_case(b"method")) {
            raw.push(b';');
            raw.extend_from_slice(name);
            if let Some(value) = value {
                raw.push(b'=');
                raw.extend_from_slice(value);
            }
        }
        // invariant: a parsed URI less whole parameters and headers is one.
        Uri::parse(raw).unwrap_or_else(|_| self.clone())
    }

    /// The address itself: scheme, user and `host:port`, without password, parameters and headers; for `tel:`
    /// the number.
    pub fn address(&self) -> Uri {
        let (whole, params) = (self.parts.whole.range(), self.parts.params.range());
        let raw = match self.parts.scheme {
            Scheme::Other => return self.clone(),
            Scheme::Sip | Scheme::Sips if self.parts.password.is_some() => {
                let mut raw = self.scheme_text().as_bytes().to_vec();
                raw.push(b':');
                raw.extend_from_slice(self.user_raw().unwrap_or_default());
                raw.push(b'@');
                raw.extend_from_slice(&self.text[self.parts.host.range().start..params.start]);
                Bytes::from(raw)
            }
            Scheme::Sip | Scheme::Sips | Scheme::Tel => self.text.slice(whole.start..params.start),
        };
        // invariant: a prefix of a parsed URI up to its parameters is one.
        Uri::parse(raw).unwrap_or_else(|_| self.clone())
    }
}

/// RFC 3261 §25.1 `unreserved` and `user-unreserved`; `#` and non-ASCII are escaped.
fn escape_user(out: &mut String, user: &str) {
    for byte in user.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' => out.push(char::from(byte)),
            b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/' => out.push(char::from(byte)),
            _ => {
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
}

pub(crate) fn push_host_port(out: &mut String, host: &str, port: Option<u16>) {
    if host.contains(':') && !host.starts_with('[') {
        out.push('[');
        out.push_str(host);
        out.push(']');
    } else {
        out.push_str(host);
    }
    if let Some(port) = port {
        out.push(':');
        scan::push_decimal(out, port.into());
    }
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";
