//! Owns wall time: what people read, and the bridge from it to [`Instant`].

use std::time::Duration;

use crate::Instant;

/// Wall time: microseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct WallTime(pub i64);

impl WallTime {
    /// Whole milliseconds since 1970.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole seconds since 1970.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: WallTime) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Year, month 1–12 and day 1–31 of the day that begins so many days after 1970-01-01 does, in the proleptic Gregorian
/// calendar (H. Hinnant, «chrono-compatible low-level date algorithms», `civil_from_days`).
pub const fn civil_of_epoch_day(day: i64) -> (i64, i64, i64) {
    let days = day + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// Whole milliseconds of a length.
pub fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

impl std::ops::Add<Duration> for WallTime {
    type Output = WallTime;
    fn add(self, length: Duration) -> WallTime {
        WallTime(self.0.saturating_add(i64::try_from(length.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// One pair of simultaneous readings: translates between monotonic and wall time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WallAnchor {
    instant: Instant,
    wall: WallTime,
}

impl WallAnchor {
    /// `instant` and `wall` were read together.
    pub const fn new(instant: Instant, wall: WallTime) -> WallAnchor {
        WallAnchor { instant, wall }
    }

    /// The wall time at `instant`.
    pub fn wall(&self, instant: Instant) -> WallTime {
        let offset = i128::from(instant.as_micros()) - i128::from(self.instant.as_micros());
        let wall = i128::from(self.wall.0) + offset;
        WallTime(i64::try_from(wall).unwrap_or(if offset < 0 { i64::MIN } else { i64::MAX }))
    }

    /// The instant at `wall`; the origin when that lies before it.
    pub fn instant(&self, wall: WallTime) -> Instant {
        let offset = i128::from(wall.0) - i128::from(self.wall.0);
        let micros = i128::from(self.instant.as_micros()) + offset;
        Instant::from_micros(u64::try_from(micros.max(0)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_translates_both_ways() {
        let anchor = WallAnchor::new(Instant::from_secs(10), WallTime(1_000_000_000_000_000));
        let later = Instant::from_secs(12);
        assert_eq!(anchor.wall(later), WallTime(1_000_000_002_000_000));
        assert_eq!(anchor.instant(anchor.wall(later)), later);
        assert_eq!(anchor.wall(Instant::from_secs(9)), WallTime(999_999_999_000_000));
        assert_eq!(anchor.instant(WallTime(0)), Instant::ZERO);
    }
}
