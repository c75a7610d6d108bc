//! Owns 按顺序: the first free of the list.

use super::{Candidate, Reason};

pub(super) fn rank(candidate: &Candidate<'_>) -> u64 {
    candidate.place as u64
}

pub(super) fn reason(candidate: &Candidate<'_>) -> Reason {
    let place = candidate.place + 1;
    Reason {
        zh: format!("按顺序：第 {place} 位最先空闲"),
        en: format!("top-down: place {place} is the first free"),
    }
}
