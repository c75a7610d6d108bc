//! Owns 最少通话次数 (R25): fewest calls talked today, in and out.

use super::{Candidate, Reason};

pub(super) fn rank(candidate: &Candidate<'_>) -> u64 {
    u64::from(candidate.agent.today.calls)
}

pub(super) fn reason(candidate: &Candidate<'_>) -> Reason {
    let calls = candidate.agent.today.calls;
    Reason {
        zh: format!("最少通话次数：今日 {calls} 次"), en: format!("fewest calls: {calls} today")
    }
}
