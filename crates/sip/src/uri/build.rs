//! Owns writing URIs. Does not own reading them (see [`crate::uri`]).

use bytes::Bytes;

use super::{Scheme, Uri, UriError};

impl Uri {
    /// `sip:user@host:port`; the user part is escaped as RFC 3261 §25.1 asks, an IPv6 host gets its brackets.
    ///
    /// # Errors
    /// When `host` is not one.
    pub fn sip(user: Option<&str>, host: &str, port: Option<u16>) -> Result<Uri, UriError> {
        let mut text = String::with_capacity(user.map_or(0, str::len) + host.len() + 16);
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
        let at = match self.scheme {
            Scheme::Sip | Scheme::Sips => self.params.range().end,
            Scheme::Tel | Scheme::Other => self.raw.len(),
        };
        let mut raw = Vec::with_capacity(self.raw.len() + name.len() + value.len() + 2);
        raw.extend_from_slice(&self.raw[..at]);
        raw.push(b';');
        raw.extend_from_slice(name.as_bytes());
        if !value.is_empty() {
            raw.push(b'=');
            raw.extend_from_slice(value.as_bytes());
        }
        raw.extend_from_slice(&self.raw[at..]);
        Uri::parse(raw)
    }

    /// This `sip:` or `sips:` URI without its `?headers` and without the parameter `method`, as it stands in a
    /// Request-URI (RFC 3261 §19.1.1, table 1); other schemes as they are.
    pub fn without_headers(&self) -> Uri {
        if !self.is_sip() || (self.headers.is_empty() && self.param("method").is_none()) {
            return self.clone();
        }
        let params = self.params.range();
        let mut raw = self.raw[..params.start].to_vec();
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
        let raw = match self.scheme {
            Scheme::Other => return self.clone(),
            Scheme::Tel => self.raw.slice(..self.params.range().start),
            Scheme::Sip | Scheme::Sips if self.password.is_none() => {
                self.raw.slice(..self.params.range().start)
            }
            Scheme::Sip | Scheme::Sips => {
                let mut raw = self.scheme_text().as_bytes().to_vec();
                raw.push(b':');
                raw.extend_from_slice(self.user_raw().unwrap_or_default());
                raw.push(b'@');
                raw.extend_from_slice(&self.raw[self.host.range().start..self.params.range().start]);
                Bytes::from(raw)
            }
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
        out.push_str(&port.to_string());
    }
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";
