//! Owns Replaces and Join: a dialog named by its three parts. RFC 3891 §6.1, RFC 3911 §7.1.

use std::fmt;

use bytes::Bytes;

use crate::params::Params;
use crate::scan;

/// The dialog meant, as its receiver sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// Its Call-ID.
    pub call_id: String,
    /// The receiver's own tag.
    pub to_tag: String,
    /// The other side's tag.
    pub from_tag: String,
    /// Which state it must be in.
    pub when: ReplaceWhen,
}

/// In which state a dialog may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplaceWhen {
    /// `early-only`.
    Early,
    /// Early or confirmed.
    Any,
}

impl Replaces {
    /// Parses `call-id;to-tag=…;from-tag=…`, unescaped where it came in a URI.
    pub fn parse(raw: &[u8]) -> Option<Replaces> {
        let end = memchr::memchr(b';', raw)?;
        let call_id = std::str::from_utf8(scan::trim(&raw[..end])).ok().filter(|id| !id.is_empty())?;
        let params = Params::parse(Bytes::copy_from_slice(&raw[end..]))?;
        let tag = |name| params.text(name).filter(|tag| !tag.is_empty()).map(|tag| tag.into_owned());
        let when = if params.has("early-only") { ReplaceWhen::Early } else { ReplaceWhen::Any };
        let (to_tag, from_tag) = (tag("to-tag")?, tag("from-tag")?);
        Some(Replaces { call_id: call_id.to_owned(), to_tag, from_tag, when })
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};to-tag={};from-tag={}", self.call_id, self.to_tag, self.from_tag)?;
        if self.when == ReplaceWhen::Early { f.write_str(";early-only") } else { Ok(()) }
    }
}
