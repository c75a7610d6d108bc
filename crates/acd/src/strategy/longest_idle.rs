//! Owns 最长空闲: who has been free for the longest time.

use clock::Instant;

use super::{Candidate, Reason};

pub(super) fn rank(candidate: &Candidate<'_>) -> u64 {
    candidate.agent.idle_since.as_micros()
}

pub(super) fn reason(now: Instant, candidate: &Candidate<'_>) -> Reason {
    let idle = now.since(candidate.agent.idle_since).as_secs();
    Reason { zh: format!("最长空闲：已空闲 {idle} 秒"), en: format!("longest idle: for {idle} s") }
}
