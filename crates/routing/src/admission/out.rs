//! Owns the counts of calls out, for classes of service.

use std::collections::HashMap;
use std::time::Duration;

use clock::Instant;

use crate::{Barred, ClassOfService, Destination, Holder, OutboundFacts, Verdict};

/// A call that wants to go out.
#[derive(Clone, Copy, Debug)]
pub struct CallOut<'a> {
    /// Whose.
    pub holder: &'a Holder,
    /// What they may.
    pub class: &'a ClassOfService,
    /// Where to.
    pub destination: &'a Destination,
    /// Minutes since Monday 00:00, local time.
    pub minute_of_week: u16,
}

/// Calls out by holder. Holders are phones and trunks of the configuration, so that their number is bounded by it.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct CallsOut {
    counts: HashMap<Holder, Counts>,
}

#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Counts {
    calls: usize,
    hour: Window,
    day: Window,
}

/// What was counted since the first of it; a new one begins when it is over.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Window {
    began: Instant,
    count: u32,
}

impl Window {
    fn begin(now: Instant, length: Duration, last: Window) -> Window {
        if now.since(last.began) < length { last } else { Window { began: now, count: 0 } }
    }
}

impl CallsOut {
    pub fn admit(&mut self, now: Instant, call: &CallOut<'_>) -> Result<(), Barred> {
        let fresh = Window { began: now, count: 0 };
        let counts =
            self.counts.entry(call.holder.clone()).or_insert(Counts { calls: 0, hour: fresh, day: fresh });
        counts.hour = Window::begin(now, HOUR, counts.hour);
        counts.day = Window::begin(now, DAY, counts.day);
        let facts = OutboundFacts {
            calls: counts.calls,
            last_hour: counts.hour.count,
            last_day: counts.day.count,
            minute_of_week: call.minute_of_week,
        };
        match call.class.permits(call.destination, &facts) {
            Verdict::Barred(barred) => Err(barred),
            Verdict::Permitted => {
                counts.calls += 1;
                counts.hour.count = counts.hour.count.saturating_add(1);
                counts.day.count = counts.day.count.saturating_add(1);
                Ok(())
            }
        }
    }

    pub fn release(&mut self, holder: &Holder) {
        if let Some(counts) = self.counts.get_mut(holder) {
            counts.calls = counts.calls.saturating_sub(1);
        }
    }
}

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
