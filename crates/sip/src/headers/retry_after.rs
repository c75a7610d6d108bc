//! Owns Retry-After. RFC 3261 §20.33.

use std::time::Duration;

use crate::scan;

use super::name_addr::seconds;

/// How long to stay away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryAfter(pub Duration);

impl RetryAfter {
    /// Parses `18000;duration=3600` or `120 (in a meeting)`; comment and parameters do not count.
    pub fn parse(raw: &[u8]) -> Option<RetryAfter> {
        let end = raw.iter().position(|byte| matches!(byte, b';' | b'(')).unwrap_or(raw.len());
        seconds(scan::trim(&raw[..end])).map(|length| RetryAfter(Duration::from_secs(length.into())))
    }
}
