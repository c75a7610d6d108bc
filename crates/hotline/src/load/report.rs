//! Owns what a load says at its end, as text and as JSON, and whether it says anything at all.

use std::time::Duration;

use serde::Serialize;

use super::caller::Failures;
use super::steady::Steady;
use super::switch::UsedPerCall;

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub calls: Calls,
    /// Calls per second that were asked for; 0 where no call is made.
    pub asked_per_second: f64,
    /// How long all took, in seconds.
    pub seconds: f64,
    /// From INVITE to its 200, in milliseconds.
    pub setup: Summary,
    /// Requests of the switch that came again, and answers to it that had to be repeated.
    pub retransmitted_by_switch: u64,
    /// How late the load itself was, in milliseconds.
    pub lateness: Summary,
    /// CPU of the load for each call, both ends, in microseconds.
    pub load_micros_per_call: f64,
    pub rtp: Option<Rtp>,
    pub switch: Option<UsedPerCall>,
    /// Of audio while all calls talked; `None` where they did not for long enough.
    pub steady: Option<Steady>,
}

/// What became of the calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Calls {
    pub begun: u32,
    pub answered: u32,
    /// Answered, talked and ended by the caller.
    pub completed: u32,
    /// By status or word.
    pub failed: Failures,
    /// Requests that were sent again.
    pub retransmitted: u64,
    /// 200s to INVITE that came again.
    pub answers_repeated: u64,
    /// Datagrams that are no SIP.
    pub garbled: u64,
}

/// What became of the audio.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Rtp {
    pub sent: u64,
    pub received: u64,
    pub lost: u64,
    /// Arrived more than 20 ms after they were sent.
    pub late: u64,
    /// Arrived after one that was sent later.
    pub overtaken: u64,
    /// Ways of calls on which nothing was heard.
    pub silent_streams: u32,
    /// Packets that are not the load's.
    pub foreign: u64,
    /// Packets that the system did not take from the load.
    pub unsent: u64,
    /// From sending to hearing, in milliseconds.
    pub delay: Summary,
}

/// Lengths of time, counted in steps: exact enough, and of one size whatever comes.
#[derive(Debug)]
pub(super) struct Spread {
    /// How many were so long, in steps of [`FINE`]; the last holds all that are longer.
    counts: Vec<u32>,
    count: u64,
    most: Duration,
}

/// Milliseconds: so much of all is below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Summary {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
}

impl Default for Spread {
    fn default() -> Spread {
        Spread { counts: vec![0; STEPS], count: 0, most: Duration::ZERO }
    }
}

impl Spread {
    pub fn add(&mut self, length: Duration) {
        let step = usize::try_from(length.as_micros() / FINE.as_micros()).unwrap_or(STEPS).min(STEPS - 1);
        self.counts[step] += 1;
        self.count += 1;
        self.most = self.most.max(length);
    }

    /// How many were longer than `limit`.
    pub fn above(&self, limit: Duration) -> u64 {
        let step = usize::try_from(limit.as_micros() / FINE.as_micros()).unwrap_or(STEPS).min(STEPS);
        self.counts[step..].iter().map(|count| u64::from(*count)).sum()
    }

    pub fn summary(&self) -> Summary {
        // To a microsecond: no step of binary fractions is to be read.
        let millis = |length: Duration| length.as_micros() as f64 / 1_000.0;
        let below = |share: f64| {
            let wanted = (self.count as f64 * share).ceil() as u64;
            let mut seen = 0;
            let step = self.counts.iter().position(|count| {
                seen += u64::from(*count);
                seen >= wanted && seen > 0
            });
            // The longest are beyond the steps: the longest of all stands for them.
            match step {
                Some(step) if step < STEPS - 1 => millis(FINE * (step as u32 + 1)).min(millis(self.most)),
                _ => millis(self.most),
            }
        };
        Summary { p50: below(0.5), p90: below(0.9), p99: below(0.99), max: millis(self.most) }
    }
}

impl Report {
    /// Whether the load itself kept its time, so that what it measured is the switch's; of audio, while all talked.
    fn is_trusted(&self) -> bool {
        let lateness = self.steady.as_ref().map_or(&self.lateness, |steady| &steady.lateness);
        lateness.p99 <= MOST_LATE_MILLIS
    }

    /// Fewer than one call in a thousand failed, audio came through, and the load can be trusted.
    pub fn is_fine(&self) -> bool {
        let failed: u32 = self.calls.failed.values().sum();
        let heard = self.rtp.as_ref().is_none_or(|rtp| rtp.lost * 1_000 < rtp.sent.max(1));
        self.is_trusted() && heard && u64::from(failed) * 1_000 <= u64::from(self.calls.begun)
    }

    /// The report in words.
    pub fn lines(&self) -> Vec<String> {
        let calls = &self.calls;
        let failed: u32 = calls.failed.values().sum();
        let by_cause: Vec<String> =
            calls.failed.iter().map(|(cause, count)| format!("{cause}: {count}")).collect();
        let mut lines = vec![
            format!(
                "呼叫 / calls        {} 个, 接通 / answered {}, 正常结束 / completed {}, 失败 / failed {failed} {}",
                calls.begun,
                calls.answered,
                calls.completed,
                by_cause.join(", ")
            ),
            format!(
                "速率 / rate         {:.0}/s, 历时 / lasted {:.1} s",
                self.asked_per_second, self.seconds
            ),
            format!("接续时间 / set-up   {} ms", self.setup),
            format!(
                "重发 / repeated     本方 / by us {}, 对方 / by the switch {}, 200 {}",
                calls.retransmitted, self.retransmitted_by_switch, calls.answers_repeated
            ),
        ];
        lines.extend(self.rtp.iter().flat_map(Rtp::lines));
        lines.extend(self.switch.iter().flat_map(UsedPerCall::lines));
        lines.extend(self.steady.iter().flat_map(Steady::lines));
        lines.push(format!(
            "压测自身 / the load {:.1} µs CPU/call, 滞后 / lateness {} ms",
            self.load_micros_per_call, self.lateness
        ));
        if !self.is_trusted() {
            lines.push(format!(
                "压测自身滞后超过 {MOST_LATE_MILLIS} ms, 本次结果不说明交换机的性能 / the load was late itself: this run \
                 says nothing about the switch"
            ));
        }
        lines
    }
}

impl Rtp {
    fn lines(&self) -> Vec<String> {
        let share = 100.0 * self.lost as f64 / self.sent.max(1) as f64;
        vec![
            format!(
                "语音包 / RTP        发 / sent {}, 收 / received {}, 丢 / lost {} ({share:.3} %), 迟于 20 ms / late {}, \
                 乱序 / overtaken {}, 全无 / silent {}, 他源 / foreign {}",
                self.sent,
                self.received,
                self.lost,
                self.late,
                self.overtaken,
                self.silent_streams,
                self.foreign
            ),
            format!("附加时延 / delay    {} ms", self.delay),
        ]
    }
}

impl UsedPerCall {
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "交换机 / switch     {:.1} µs CPU/call, {:.1} % CPU ({})",
            self.cpu_micros,
            self.cpu_percent,
            self.by_thread()
        )];
        if let Some([before, most, after]) = self.resident_kb {
            lines.push(format!(
                "内存 / memory       {before} KB 前 / before, {most} KB 最多通话时 / at most calls, {after} KB 后 / after"
            ));
        }
        lines
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p50 {:.2}, p90 {:.2}, p99 {:.2}, max {:.2}", self.p50, self.p90, self.p99, self.max)
    }
}

/// A load that is later than this at its 99th percentile measures itself.
const MOST_LATE_MILLIS: f64 = 2.0;
const FINE: Duration = Duration::from_micros(10);
/// Up to one second.
const STEPS: usize = 100_001;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_tells_its_percentiles_and_its_longest() {
        let mut spread = Spread::default();
        (1..=100).for_each(|millis| spread.add(Duration::from_millis(millis)));
        let Summary { p50, p90, p99, max } = spread.summary();
        assert!((p50 - 50.0).abs() < 0.02 && (p90 - 90.0).abs() < 0.02 && (p99 - 99.0).abs() < 0.02);
        assert_eq!((max, spread.above(Duration::from_millis(95))), (100.0, 6));
        spread.add(Duration::from_secs(5));
        assert_eq!(spread.summary().max, 5_000.0);
        assert_eq!(Spread::default().summary(), Summary::default());
    }

    fn report(lateness: f64, failed: u32) -> Report {
        Report {
            calls: Calls { begun: 1_000, failed: [("503".to_owned(), failed)].into(), ..Calls::default() },
            asked_per_second: 100.0,
            seconds: 10.0,
            setup: Summary::default(),
            retransmitted_by_switch: 0,
            lateness: Summary { p99: lateness, ..Summary::default() },
            load_micros_per_call: 30.0,
            rtp: None,
            switch: None,
            steady: None,
        }
    }

    #[test]
    fn a_load_that_was_late_says_so_and_is_not_fine() {
        assert!(report(1.9, 1).is_fine());
        assert!(!report(1.9, 2).is_fine(), "two in a thousand failed");
        let late = report(2.1, 0);
        assert!(!late.is_fine());
        assert!(late.lines().iter().any(|line| line.contains("says nothing")));
        assert!(report(0.1, 3).lines()[0].contains("503: 3"));
    }

    #[test]
    fn lost_audio_is_not_fine() {
        let mut heard = report(0.1, 0);
        heard.rtp = Some(Rtp { sent: 10_000, lost: 9, ..Rtp::default() });
        assert!(heard.is_fine());
        heard.rtp = Some(Rtp { sent: 10_000, lost: 10, ..Rtp::default() });
        assert!(!heard.is_fine());
    }
}
