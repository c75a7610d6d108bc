//! Owns waiting for a fact about another process: asked again and again until it is so or the limit has passed.

use std::time::{Duration, Instant, SystemTime};

/// The first `Some` of `look`, which is asked every 50 ms.
///
/// # Panics
/// When `limit` passes without one; `what` says what was waited for.
#[allow(
    clippy::disallowed_methods,
    reason = "facts about other processes cannot be waited for, only looked up"
)]
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {limit:?}");
        std::thread::sleep(EVERY);
    }
}

/// Does something `per_second` times a second for `length`, told how many times before.
#[allow(clippy::disallowed_methods, reason = "a load has its own clock")]
pub fn paced(per_second: u32, length: Duration, mut act: impl FnMut(u32)) {
    let began = Instant::now();
    for number in 0..(length.as_secs_f64() * f64::from(per_second)) as u32 {
        let due = began + Duration::from_secs(1) * number / per_second;
        let early = due.saturating_duration_since(Instant::now());
        // Small steps are made together: the system wakes a sleeper a fraction of a millisecond late.
        if early > Duration::from_millis(1) {
            std::thread::sleep(early);
        }
        act(number);
    }
}

/// Wall time in seconds.
#[allow(clippy::disallowed_methods, reason = "records carry wall time")]
pub fn now() -> f64 {
    SystemTime::UNIX_EPOCH.elapsed().expect("a clock behind 1970").as_secs_f64()
}

/// A record's time in seconds of wall time.
pub fn seconds(time: &str) -> f64 {
    let time: jiff::Timestamp = time.parse().unwrap_or_else(|error| panic!("{time}: {error}"));
    time.as_duration().as_secs_f64()
}

const EVERY: Duration = Duration::from_millis(50);
