//! Owns CSeq and RAck: which request of a dialog, or which provisional response, is meant. RFC 3261 §20.16, RFC 3262 §7.2.

use std::fmt;

use crate::message::Method;
use crate::scan;

/// Sequence number and method.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CSeq {
    /// Below 2³¹.
    pub number: u32,
    /// The method of the request.
    pub method: Method,
}

impl CSeq {
    /// Parses `number method`; `None` when malformed or the number is 2³¹ or more (RFC 3261 §8.1.1.5).
    pub fn parse(raw: &[u8]) -> Option<CSeq> {
        let (number, rest) = leading_number(raw)?;
        let number = u32::try_from(number).ok().filter(|number| *number < 1 << 31)?;
        Some(CSeq { number, method: Method::parse(rest)? })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

/// The provisional response that a PRACK acknowledges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RAck {
    /// The RSeq of the response.
    pub rseq: u32,
    /// The CSeq of the request that the response answers.
    pub cseq: CSeq,
}

impl RAck {
    /// Parses `rseq cseq method`.
    pub fn parse(raw: &[u8]) -> Option<RAck> {
        let (rseq, rest) = leading_number(raw)?;
        Some(RAck { rseq: u32::try_from(rseq).ok()?, cseq: CSeq::parse(rest)? })
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.rseq, self.cseq)
    }
}

fn leading_number(raw: &[u8]) -> Option<(u64, &[u8])> {
    let raw = scan::trim(raw);
    let end = raw.iter().position(|byte| !byte.is_ascii_digit())?;
    let rest = scan::trim(&raw[end..]);
    (rest.len() < raw.len() - end).then_some((scan::number(&raw[..end])?, rest))
}
