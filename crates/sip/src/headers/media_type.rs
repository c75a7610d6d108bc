//! Owns Content-Type: what a body is. RFC 3261 §20.15, RFC 2045 §5.1.

use bytes::Bytes;

use crate::params::Params;
use crate::scan;

/// `type/subtype` with parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// `application`, `multipart`…, in lower case.
    pub main: String,
    /// `sdp`, `mixed`…, in lower case.
    pub sub: String,
    /// Parameters such as `boundary` and `charset`.
    pub params: Params,
}

impl MediaType {
    /// Parses `multipart/mixed;boundary="x"`.
    pub fn parse(raw: &[u8]) -> Option<MediaType> {
        let end = memchr::memchr(b';', raw).unwrap_or(raw.len());
        let slash = memchr::memchr(b'/', &raw[..end])?;
        let (main, sub) = (scan::trim(&raw[..slash]), scan::trim(&raw[slash + 1..end]));
        if !scan::token(main) || !scan::token(sub) {
            return None;
        }
        let lower = |text: &[u8]| String::from_utf8_lossy(text).to_ascii_lowercase();
        let params = Params::parse(Bytes::copy_from_slice(&raw[end..]))?;
        Some(MediaType { main: lower(main), sub: lower(sub), params })
    }

    /// Whether this is `main/sub`, in any case.
    pub fn is(&self, main: &str, sub: &str) -> bool {
        self.main.eq_ignore_ascii_case(main) && self.sub.eq_ignore_ascii_case(sub)
    }
}
