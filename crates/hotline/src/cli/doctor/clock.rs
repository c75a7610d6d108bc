//! Owns whether the machine's clock can be believed: its synchronisation, its zone, and what others' clocks say.

use std::time::Duration;

use super::Patient;
use super::finding::{Check, Finding};
use crate::node::calendar::Calendar;

/// A clock of somebody else: who said which time, and when by ours, in seconds since 1970.
pub(super) struct Told {
    pub by: String,
    pub theirs: i64,
    pub ours: i64,
}

/// The clock and its zone.
pub(super) fn findings(patient: &Patient, others: &[Told]) -> Vec<Finding> {
    let mut found = vec![judge_sync(kernel())];
    found.push(zone(&patient.loaded.node.time_zone));
    found.extend(others.iter().filter_map(skew));
    found
}

/// What the kernel knows of its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    /// Somebody keeps it; it may be wrong by so much.
    Kept {
        error: Duration,
    },
    Free,
    Unknown,
}

fn kernel() -> Kernel {
    // SAFETY: zeroes are a valid `timex`, of which the call reads `modes`: 0 changes nothing.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: `state` is plain data that the call fills.
    match unsafe { libc::adjtimex(&mut state) } {
        -1 => Kernel::Unknown,
        _ if state.status & libc::STA_UNSYNC != 0 => Kernel::Free,
        _ => Kernel::Kept { error: Duration::from_micros(state.maxerror.unsigned_abs()) },
    }
}

fn judge_sync(kernel: Kernel) -> Finding {
    let of = (Check::Clock, "");
    let fix = |finding: Finding| {
        finding.fix(
            "启用 NTP: timedatectl set-ntp true, 或安装 chrony",
            "switch NTP on: timedatectl set-ntp true, or install chrony",
        )
    };
    match kernel {
        Kernel::Kept { error } if error <= TRUSTED => {
            let millis = error.as_millis();
            Finding::fine(
                of,
                format!("已同步, 误差至多 {millis} ms"),
                format!("synchronised, wrong by {millis} ms at most"),
            )
        }
        Kernel::Kept { error } => {
            let seconds = error.as_secs();
            fix(Finding::warning(
                of,
                format!("很久没有同步, 误差可达 {seconds} 秒"),
                format!("not synchronised for long, may be wrong by {seconds} s"),
            ))
        }
        Kernel::Free => fix(Finding::warning(
            of,
            "没有同步, 话单和录音的时间会偏移",
            "nobody keeps it: times of records and recordings drift",
        )),
        Kernel::Unknown => {
            Finding::warning(of, "系统不告知是否同步", "the system does not tell whether it is synchronised")
        }
    }
}

/// Records and the day's counters follow the configured zone; the system's own shows in logs alone.
fn zone(name: &str) -> Finding {
    let of = (Check::Clock, name);
    let calendar = match Calendar::new(name) {
        Ok(calendar) => calendar,
        Err(error) => {
            return Finding::fault(of, error.to_string(), "no such time zone").fix(
                "安装 tzdata, 并在 [node] time_zone 写 IANA 名称, 如 Asia/Shanghai",
                "install tzdata, and write an IANA name in [node] time_zone, such as Asia/Shanghai",
            );
        }
    };
    let wall = clock::SystemClock::start().wall();
    let ours = calendar.offset_at(wall);
    let system = jiff::Timestamp::from_microsecond(wall.0)
        .map_or(ours, |at| jiff::tz::TimeZone::system().to_offset(at).seconds());
    let hours = f64::from(ours - system) / 3_600.0;
    match ours == system {
        true => Finding::fine(of, "时区与系统一致", "the zone is the system's"),
        false => Finding::fine(
            of,
            format!("时区与系统相差 {hours} 小时, 话单按此时区"),
            format!("{hours} h from the system's zone; records follow this one"),
        ),
    }
}

/// What the `Date` of a peer says of our clock.
fn skew(told: &Told) -> Option<Finding> {
    let seconds = told.ours - told.theirs;
    if seconds.abs() <= BELIEVED {
        return None;
    }
    let of = (Check::Clock, told.by.as_str());
    let (zh, en) =
        (format!("本机时钟与对方相差 {seconds} 秒"), format!("our clock is {seconds} s from the peer's"));
    let finding = match seconds.abs() > WRONG {
        true => Finding::fault(of, zh, en),
        false => Finding::warning(of, zh, en),
    };
    Some(finding.fix("校准时间, 启用 NTP (timedatectl)", "set the time and switch NTP on (timedatectl)"))
}

const TRUSTED: Duration = Duration::from_secs(2);
/// Seconds that a peer's clock and the way to it may be off.
const BELIEVED: i64 = 3;
/// Certificates and signatures of time fail beyond.
const WRONG: i64 = 120;

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_clock_is_judged_by_its_keeper_and_by_others() {
        let kept = |seconds| Kernel::Kept { error: Duration::from_secs(seconds) };
        for (kernel, verdict) in [
            (kept(1), Verdict::Fine),
            (kept(16), Verdict::Warning),
            (Kernel::Free, Verdict::Warning),
            (Kernel::Unknown, Verdict::Warning),
        ] {
            assert_eq!(judge_sync(kernel).verdict, verdict, "{kernel:?}");
        }
        let of =
            |theirs| skew(&Told { by: "cmcc".to_owned(), theirs, ours: 1_000 }).map(|found| found.verdict);
        assert_eq!(
            [1_002, 1_010, 990, 1_200].map(of),
            [None, Some(Verdict::Warning), Some(Verdict::Warning), Some(Verdict::Fault)]
        );
    }

    #[test]
    fn a_zone_that_is_none_is_a_fault() {
        assert_eq!(zone("Asia/Shanghai").verdict, Verdict::Fine);
        let wrong = zone("Asia/Peking2");
        assert!(wrong.verdict == Verdict::Fault && wrong.fix.is_some());
    }
}
