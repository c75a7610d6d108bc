//! Owns 同时振铃: every free agent at once; the first answer wins.

use super::{Candidate, Reason};

/// Nobody comes first.
pub(super) fn rank(_: &Candidate<'_>) -> u64 {
    0
}

pub(super) fn reason() -> Reason {
    Reason { zh: "同时振铃".to_owned(), en: "all at once".to_owned() }
}
