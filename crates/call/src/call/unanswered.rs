//! Owns what a call comes to whose party did not answer: the status that its caller gets, the result on its record, and
//! the words for both. Does not own why the party did not answer (see `party`).

use model::DialTarget;
use model::outcome::{CallResult, RefusalCause};

/// Why the party of a call did not answer, as its caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unanswered {
    pub status: u16,
    pub result: CallResult,
    /// Chinese, then English.
    pub why: &'static str,
}

impl Unanswered {
    /// What a refusal of `target` means; `status` is the last final response, when there was one.
    pub fn of(target: &DialTarget, cause: RefusalCause, status: Option<u16>) -> Unanswered {
        use CallResult::{Barred, Busy, Failure, Limit, NoSuchNumber, Rejected, RingNoAnswer, Unreachable};
        let outside = matches!(target, DialTarget::Trunk { .. });
        let told = |status, result, why| Unanswered { status, result, why };
        match (cause, status) {
            (RefusalCause::Busy, _) => told(486, Busy, "对方忙 / busy"),
            (RefusalCause::NoAnswer | RefusalCause::Forwarded, _) => {
                told(480, RingNoAnswer, "无人接听 / no answer")
            }
            (RefusalCause::Barred, _) => told(403, Barred, "无权呼出 / not in the class of service"),
            (RefusalCause::Incompatible, _) => told(488, Failure, "媒体不兼容 / no media in common"),
            (RefusalCause::Limit, Some(482)) => {
                told(482, Failure, "转移次数过多或成环 / forwarded in a circle")
            }
            (RefusalCause::Limit, Some(486)) => told(486, Busy, "对方免打扰 / does not wish to be disturbed"),
            (RefusalCause::Limit, _) => told(503, Limit, "中继并发已满 / the trunk has no room"),
            // A carrier says 480 of a phone that is off or out of reach (关机); a phone says it by its reject key.
            (RefusalCause::Rejected, Some(480)) if outside => {
                told(480, Unreachable, "关机或不在服务区 / off or out of reach")
            }
            (RefusalCause::Rejected, Some(403)) if outside => {
                told(403, Failure, "运营商拒绝 / refused by the carrier")
            }
            (RefusalCause::Rejected, _) => told(603, Rejected, "对方拒接 / declined"),
            (RefusalCause::Unreachable, Some(404 | 410 | 484 | 604)) => {
                told(404, NoSuchNumber, "空号 / no such number")
            }
            (RefusalCause::Unreachable, Some(408)) => told(480, Unreachable, "没有响应 / no response"),
            (RefusalCause::Unreachable, None) if !outside => {
                told(480, Unreachable, "话机未注册 / the phone is not registered")
            }
            (RefusalCause::Unreachable, _) => told(503, Failure, "没有可用的中继 / no trunk takes the call"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Aor, TrunkName};

    use super::*;

    #[test]
    fn each_refusal_has_its_status_and_its_result() {
        use RefusalCause::*;
        let inside = DialTarget::Phone(Aor::new("8001", "pbx"));
        let outside = DialTarget::Trunk { trunk: TrunkName::new("out"), number: Arc::from("13800138000") };
        let table = [
            (&inside, Busy, Some(486), 486, CallResult::Busy),
            (&inside, Rejected, Some(480), 603, CallResult::Rejected),
            (&inside, Rejected, Some(603), 603, CallResult::Rejected),
            (&inside, Unreachable, None, 480, CallResult::Unreachable),
            (&inside, NoAnswer, None, 480, CallResult::RingNoAnswer),
            (&inside, Limit, Some(486), 486, CallResult::Busy),
            (&inside, Limit, Some(482), 482, CallResult::Failure),
            (&outside, Busy, Some(600), 486, CallResult::Busy),
            (&outside, Rejected, Some(480), 480, CallResult::Unreachable),
            (&outside, Rejected, Some(403), 403, CallResult::Failure),
            (&outside, Barred, Some(403), 403, CallResult::Barred),
            (&outside, Unreachable, Some(404), 404, CallResult::NoSuchNumber),
            (&outside, Unreachable, Some(408), 480, CallResult::Unreachable),
            (&outside, Unreachable, Some(503), 503, CallResult::Failure),
            (&outside, Unreachable, None, 503, CallResult::Failure),
            (&outside, Limit, None, 503, CallResult::Limit),
            (&outside, Incompatible, Some(488), 488, CallResult::Failure),
        ];
        for (target, cause, status, told, result) in table {
            let unanswered = Unanswered::of(target, cause, status);
            assert_eq!(
                (unanswered.status, unanswered.result),
                (told, result),
                "{target} {cause:?} {status:?}"
            );
        }
    }
}
