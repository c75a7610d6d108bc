//! Owns Reason: why a request is sent, in SIP's or the telephone network's numbers. RFC 3326, RFC 6432.

use std::fmt;

use bytes::Bytes;

use crate::params::{self, Params};
use crate::scan;

/// One value: `Q.850;cause=16;text="Normal call clearing"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// `SIP`, `Q.850` or another, as it came.
    pub protocol: String,
    /// The cause in the protocol's numbers.
    pub cause: Option<u16>,
    /// Words for people.
    pub text: Option<String>,
}

impl Reason {
    /// Parses one value.
    pub fn parse(raw: &[u8]) -> Option<Reason> {
        let end = memchr::memchr(b';', raw).unwrap_or(raw.len());
        let protocol = scan::trim(&raw[..end]);
        if !scan::token(protocol) {
            return None;
        }
        let params = Params::parse(Bytes::copy_from_slice(&raw[end..]))?;
        Some(Reason {
            protocol: String::from_utf8_lossy(protocol).into_owned(),
            cause: params.get("cause").and_then(scan::number),
            text: params.text("text").map(|text| text.into_owned()),
        })
    }

    /// A cause of ITU-T Q.850.
    pub fn q850(cause: u16, text: &str) -> Reason {
        Reason { protocol: "Q.850".to_owned(), cause: Some(cause), text: Some(text.to_owned()) }
    }

    /// A SIP status.
    pub fn sip(status: u16, text: &str) -> Reason {
        Reason { protocol: "SIP".to_owned(), cause: Some(status), text: Some(text.to_owned()) }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.protocol)?;
        if let Some(cause) = self.cause {
            write!(f, ";cause={cause}")?;
        }
        let Some(text) = &self.text else { return Ok(()) };
        let mut quoted = Vec::new();
        params::quote_into(&mut quoted, text);
        write!(f, ";text={}", String::from_utf8_lossy(&quoted))
    }
}
