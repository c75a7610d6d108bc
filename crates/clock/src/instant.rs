//! Owns the monotonic point in time that every core takes as `now`.

use std::fmt;
use std::num::NonZeroU64;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A monotonic point in time, in microseconds since an origin that each process (or test) chooses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(from = "u64", into = "u64")]
pub struct Instant {
    /// Counts from one: calls and ports have dozens of points in time that may be none, and none takes no room of its own.
    from_one: NonZeroU64,
}

impl Instant {
    /// The origin.
    pub const ZERO: Instant = Instant::from_micros(0);

    /// The instant `micros` after the origin.
    pub const fn from_micros(micros: u64) -> Instant {
        Instant { from_one: NonZeroU64::MIN.saturating_add(micros) }
    }

    /// The instant `millis` after the origin.
    pub const fn from_millis(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    /// The instant `secs` after the origin.
    pub const fn from_secs(secs: u64) -> Instant {
        Instant::from_micros(secs * 1_000_000)
    }

    /// Microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.from_one.get() - 1
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub const fn since(self, earlier: Instant) -> Duration {
        Duration::from_micros(self.from_one.get().saturating_sub(earlier.from_one.get()))
    }

    /// The instant `length` earlier, or the origin.
    pub fn saturating_sub(self, length: Duration) -> Instant {
        Instant::from_micros(self.as_micros().saturating_sub(micros(length)))
    }
}

impl Default for Instant {
    fn default() -> Instant {
        Instant::ZERO
    }
}

impl From<u64> for Instant {
    fn from(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }
}

impl From<Instant> for u64 {
    fn from(at: Instant) -> u64 {
        at.as_micros()
    }
}

fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

impl Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, length: Duration) -> Instant {
        Instant { from_one: self.from_one.saturating_add(micros(length)) }
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, length: Duration) {
        *self = *self + length;
    }
}

impl Sub for Instant {
    type Output = Duration;
    fn sub(self, earlier: Instant) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.as_micros();
        write!(f, "{}.{:06}s", micros / 1_000_000, micros % 1_000_000)
    }
}
