//! Owns 最短通话时长 (R25): least talk time today, in and out.

use super::{Candidate, Reason};

pub(super) fn rank(candidate: &Candidate<'_>) -> u64 {
    u64::try_from(candidate.agent.today.talk.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn reason(candidate: &Candidate<'_>) -> Reason {
    let talk = candidate.agent.today.talk.as_secs();
    Reason {
        zh: format!("最短通话时长：今日 {talk} 秒"), en: format!("least talk: {talk} s today")
    }
}
