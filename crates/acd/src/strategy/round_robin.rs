//! Owns 轮流: the one behind who was asked last.

use super::{Candidate, Reason};

pub(super) fn rank(candidate: &Candidate<'_>) -> u64 {
    candidate.turn as u64
}

pub(super) fn reason(candidate: &Candidate<'_>) -> Reason {
    let place = candidate.place + 1;
    Reason {
        zh: format!("轮流：轮到第 {place} 位"), en: format!("round robin: the turn of place {place}")
    }
}
