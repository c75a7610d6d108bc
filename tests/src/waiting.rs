//! Owns waiting for a fact about another process: asked again and again until it is so or the limit has passed.

use std::time::{Duration, Instant};

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

const EVERY: Duration = Duration::from_millis(50);
