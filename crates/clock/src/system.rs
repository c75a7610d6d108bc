//! Owns the one reading of the machine's clocks.

use std::time::SystemTime;

use crate::{Instant, WallAnchor, WallTime};

/// The machine's clocks. All copies share one origin, so instants of different threads compare.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: std::time::Instant,
}

impl SystemClock {
    /// A clock whose origin lies one hour back, so that «an hour ago» is still an instant.
    #[allow(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    pub fn start() -> SystemClock {
        let now = std::time::Instant::now();
        SystemClock { origin: now.checked_sub(std::time::Duration::from_secs(3600)).unwrap_or(now) }
    }

    /// Monotonic time.
    #[allow(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    pub fn now(&self) -> Instant {
        let elapsed = std::time::Instant::now().saturating_duration_since(self.origin);
        Instant::from_micros(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
    }

    /// Wall time.
    #[allow(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    pub fn wall(&self) -> WallTime {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        WallTime(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    /// Both readings together.
    pub fn anchor(&self) -> WallAnchor {
        WallAnchor::new(self.now(), self.wall())
    }

    /// The standard library's instant for `at`, for timers of shells.
    pub fn std_instant(&self, at: Instant) -> std::time::Instant {
        self.origin + std::time::Duration::from_micros(at.as_micros())
    }
}
