//! Owns Session-Expires and Min-SE. RFC 4028 §4, §5.

use std::fmt;
use std::time::Duration;

use crate::params;
use crate::scan;

use super::name_addr::seconds;

/// How long a session lives without a refresh, and who refreshes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SessionExpires {
    /// The interval.
    pub interval: Duration,
    /// The side that refreshes, when it is said.
    pub refresher: Option<Refresher>,
}

/// The side that refreshes, by its role in the request that carries the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Refresher {
    Uac,
    Uas,
}

impl SessionExpires {
    /// Parses `1800;refresher=uac`.
    pub fn parse(raw: &[u8]) -> Option<SessionExpires> {
        let (interval, tail) = seconds_and_params(raw)?;
        let refresher = match params::find(tail, "refresher") {
            None => None,
            Some(text) if text.eq_ignore_ascii_case(b"uac") => Some(Refresher::Uac),
            Some(text) if text.eq_ignore_ascii_case(b"uas") => Some(Refresher::Uas),
            Some(_) => return None,
        };
        Some(SessionExpires { interval, refresher })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.interval.as_secs())?;
        match self.refresher {
            None => Ok(()),
            Some(Refresher::Uac) => f.write_str(";refresher=uac"),
            Some(Refresher::Uas) => f.write_str(";refresher=uas"),
        }
    }
}

/// `delta-seconds *(SEMI generic-param)`.
pub(crate) fn seconds_and_params(raw: &[u8]) -> Option<(Duration, &[u8])> {
    let end = memchr::memchr(b';', raw).unwrap_or(raw.len());
    params::check(&raw[end..])?;
    let length = seconds(scan::trim(&raw[..end]))?;
    Some((Duration::from_secs(length.into()), &raw[end..]))
}
