//! Owns the time that events are stamped with: wall time that runs as evenly as monotonic time.

use std::time::Duration;

use clock::{Instant, WallAnchor, WallTime};

/// Lengths between two stamps are lengths of monotonic time, up to [`STEP`] per [`EVERY`]: a clock that is adjusted a
/// little does not stretch calls. A clock that is set by more than [`JUMP`] is followed at once.
#[derive(Debug)]
pub(super) struct Stamper {
    anchor: WallAnchor,
    compared: Instant,
    last: WallTime,
}

/// How often the two clocks are compared.
const EVERY: Duration = Duration::from_secs(1);
/// How far a stamp is moved towards the wall clock at each comparison, in microseconds.
const STEP: i64 = 5_000;
/// A difference that can only be a clock set by hand or a machine that slept, in microseconds.
const JUMP: i64 = 5_000_000;

impl Stamper {
    pub(super) fn new(now: Instant, wall: WallTime) -> Stamper {
        Stamper { anchor: WallAnchor::new(now, wall), compared: now, last: wall }
    }

    /// The stamp at `now`; `wall` reads the wall clock when it is needed.
    pub(super) fn stamp(&mut self, now: Instant, wall: impl FnOnce() -> WallTime) -> WallTime {
        if now.since(self.compared) >= EVERY {
            self.compare(now, wall());
        }
        self.last = self.last.max(self.anchor.wall(now));
        self.last
    }

    fn compare(&mut self, now: Instant, wall: WallTime) {
        self.compared = now;
        let ours = self.anchor.wall(now);
        let difference = wall.0.saturating_sub(ours.0);
        if difference.abs() > JUMP {
            tracing::warn!(seconds = difference / 1_000_000, "系统时间被调整 / the wall clock was set");
            self.anchor = WallAnchor::new(now, wall);
            self.last = wall;
        } else {
            self.anchor = WallAnchor::new(now, WallTime(ours.0 + difference.clamp(-STEP, STEP)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_correction_of_the_clock_is_followed_slowly_and_never_backwards() {
        let start = WallTime(1_000_000_000_000);
        let mut stamper = Stamper::new(Instant::ZERO, start);
        let mut before = start;
        for second in 1..=100 {
            let now = Instant::from_secs(second);
            // From the first second on the wall clock is 400 ms behind.
            let wall = WallTime(start.0 + i64::try_from(now.as_micros()).unwrap() - 400_000);
            let at = stamper.stamp(now, || wall);
            assert!((990_000..=1_010_000).contains(&(at.0 - before.0)), "{second}");
            before = at;
        }
        assert_eq!(before.0, start.0 + 100_000_000 - 400_000);
    }

    #[test]
    fn a_clock_set_by_hand_is_followed_at_once_in_both_directions() {
        let start = WallTime(1_000_000_000_000);
        let mut stamper = Stamper::new(Instant::ZERO, start);
        let ahead = WallTime(start.0 + 3_600_000_000);
        assert_eq!(stamper.stamp(Instant::from_secs(2), || ahead), ahead);
        let back = WallTime(start.0 - 3_600_000_000);
        assert_eq!(stamper.stamp(Instant::from_secs(4), || back), back);
    }

    #[test]
    fn the_wall_clock_is_not_read_for_every_stamp() {
        let start = WallTime(1_000_000);
        let mut stamper = Stamper::new(Instant::ZERO, start);
        let at = stamper.stamp(Instant::from_millis(999), || panic!("read"));
        assert_eq!(at.0, start.0 + 999_000);
    }
}
