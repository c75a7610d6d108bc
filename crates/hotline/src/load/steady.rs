//! Owns the stretch of a load in which all calls talk and none begins or ends: what audio alone costs, how late it comes
//! and how much of it is lost. Does not own audio (see `voice`), nor what the system tells of a process (see `switch`).

use std::time::Duration;

use clock::Instant;
use serde::Serialize;

use super::report::{Spread, Summary};
use super::switch::{Usage, Used, UsedPerCall};

/// What was measured while all calls talked.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Steady {
    /// How many talked.
    pub calls: u32,
    /// How long, in seconds.
    pub seconds: f64,
    pub sent: u64,
    pub lost: u64,
    /// From sending to hearing, in milliseconds.
    pub delay: Summary,
    /// How late the load itself was, in milliseconds.
    pub lateness: Summary,
    /// The switch's CPU for each call and second, in microseconds.
    pub per_call_second: Option<UsedPerCall>,
}

/// Packets that were sent within a stretch.
pub(super) struct Stretch {
    from: Instant,
    until: Instant,
    pub sent: u64,
    pub received: u64,
    pub delays: Spread,
    pub lateness: Spread,
}

/// Finds the stretch, and reads the process at both of its ends.
pub(super) struct Watcher {
    pid: Option<u32>,
    stage: Stage,
}

enum Stage {
    /// Calls begin.
    Waiting,
    /// All talk; the stretch begins when what beginnings left is done.
    Settling { from: Instant, until: Instant },
    /// It began.
    Measuring { from: Instant, until: Instant, usage: Usage },
    /// It ended.
    Measured { lasted: Duration, used: Option<Used> },
    /// Calls end before it could begin.
    Missed,
}

impl Stretch {
    pub fn new(from: Instant, until: Instant) -> Stretch {
        let (delays, lateness) = (Spread::default(), Spread::default());
        Stretch { from, until, sent: 0, received: 0, delays, lateness }
    }

    /// Whether a packet of this time belongs to it.
    pub fn holds(&self, at: Instant) -> bool {
        self.from <= at && at < self.until
    }
}

impl Watcher {
    /// Waits for the stretch; of `pid` its CPU is read.
    pub fn new(pid: Option<u32>) -> Watcher {
        Watcher { pid, stage: Stage::Waiting }
    }

    /// All calls talk at `now`, and the first ends at `end`. The stretch that is to be measured, if it is long enough.
    pub fn all_talk(&mut self, now: Instant, end: Instant) -> Option<Stretch> {
        if !matches!(self.stage, Stage::Waiting) {
            return None;
        }
        let (from, until) = (now + SETTLES, end);
        if from + SHORTEST > until {
            self.stage = Stage::Missed;
            return None;
        }
        self.stage = Stage::Settling { from, until };
        Some(Stretch::new(from, until))
    }

    /// Reads the process when it is time. Early, late and repeated calls are harmless.
    pub fn tick(&mut self, now: Instant) {
        match &self.stage {
            Stage::Settling { from, until } if *from <= now => {
                self.stage = Stage::Measuring { from: now, until: *until, usage: Usage::read(self.pid) };
            }
            Stage::Measuring { until, .. } if *until <= now => {
                let ended = std::mem::replace(&mut self.stage, Stage::Missed);
                if let Stage::Measuring { from, usage, .. } = ended {
                    self.stage = Stage::Measured { lasted: now.since(from), used: usage.until_now(None) };
                }
            }
            _ => {}
        }
    }

    /// What was measured of `calls` calls, whose packets were counted in `stretch`.
    pub fn into_steady(self, calls: u32, stretch: Option<&Stretch>) -> Option<Steady> {
        let Stage::Measured { lasted, used } = self.stage else { return None };
        let stretch = stretch?;
        let seconds = lasted.as_secs_f64();
        Some(Steady {
            calls,
            seconds,
            sent: stretch.sent,
            lost: stretch.sent.saturating_sub(stretch.received),
            delay: stretch.delays.summary(),
            lateness: stretch.lateness.summary(),
            per_call_second: used.map(|used| used.per(f64::from(calls.max(1)) * seconds)),
        })
    }
}

impl Steady {
    pub fn lines(&self) -> Vec<String> {
        let share = 100.0 * self.lost as f64 / self.sent.max(1) as f64;
        let mut lines = vec![
            format!(
                "稳态 / steady       {} 个通话 / calls, {:.1} s, 丢 / lost {} ({share:.3} %)",
                self.calls, self.seconds, self.lost
            ),
            format!("  附加时延 / delay  {} ms", self.delay),
            format!("  压测滞后 / late   {} ms", self.lateness),
        ];
        if let Some(used) = &self.per_call_second {
            lines.push(format!(
                "  每通话每秒 / per call-second {:.1} µs CPU, {:.1} % CPU ({})",
                used.cpu_micros,
                used.cpu_percent,
                used.by_thread()
            ));
        }
        lines
    }
}

/// What the beginnings of calls left is done after this.
const SETTLES: Duration = Duration::from_millis(500);
/// A shorter stretch says nothing.
const SHORTEST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_secs(10) + Duration::from_millis(millis)
    }

    #[test]
    fn the_stretch_lies_between_the_last_beginning_and_the_first_end() {
        let mut watcher = Watcher::new(None);
        watcher.tick(at(0));
        let stretch = watcher.all_talk(at(100), at(3_000)).unwrap();
        assert!(!stretch.holds(at(599)) && stretch.holds(at(600)));
        assert!(stretch.holds(at(2_999)) && !stretch.holds(at(3_000)));
        assert!(watcher.all_talk(at(200), at(3_000)).is_none(), "it is known already");
        [300, 601, 1_000, 2_000, 3_001, 4_000].into_iter().for_each(|millis| watcher.tick(at(millis)));
        let steady = watcher.into_steady(2, Some(&stretch)).unwrap();
        assert_eq!((steady.calls, steady.seconds), (2, 2.4));
    }

    #[test]
    fn calls_that_end_too_soon_leave_no_stretch() {
        let mut watcher = Watcher::new(None);
        assert!(watcher.all_talk(at(0), at(1_400)).is_none());
        [0, 700, 1_500].into_iter().for_each(|millis| watcher.tick(at(millis)));
        assert_eq!(watcher.into_steady(1, Some(&Stretch::new(at(0), at(1)))), None);
    }
}
