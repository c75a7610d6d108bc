//! Owns the rests of a thread that has time. Does not own its precedence (see `clock::Precedence`).
//!
//! The scheduler gives a thread of little weight its turn too, and looks again when something wakes or the kernel ticks: on
//! a core with a media worker each such turn would make packets wait for some milliseconds. A thread that rests by itself
//! leaves the core to who has been waiting for it, whatever the kernel.

use std::thread;
use std::time::Duration;

use clock::{Instant, SystemClock};

/// When a thread that works through much rests.
#[derive(Debug)]
pub struct Pace(Option<(SystemClock, Instant)>);

impl Pace {
    /// That of a thread beside calls: half a millisecond of work, and a moment for the others.
    pub fn beside_calls(clock: SystemClock) -> Pace {
        Pace(Some((clock, clock.now())))
    }

    /// That of a thread that nobody waits for: it never rests.
    pub fn alone() -> Pace {
        Pace(None)
    }

    /// A small piece of work is done.
    #[inline]
    pub fn step(&mut self) {
        if let Pace(Some((clock, since))) = self
            && clock.now().since(*since) >= WORKS
        {
            // Nobody unparks it, and a shorter rest is a rest.
            thread::park_timeout(RESTS);
            *since = clock.now();
        }
    }
}

const WORKS: Duration = Duration::from_micros(500);

/// The system adds some 50 µs.
const RESTS: Duration = Duration::from_micros(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_beside_calls_rests_between_pieces_and_one_that_is_alone_does_not() {
        let clock = SystemClock::start();
        let worked_at_a_time = |mut pace: Pace| {
            let (begun, mut before, mut longest_rest) = (clock.now(), clock.now(), Duration::ZERO);
            while clock.now().since(begun) < 20 * WORKS {
                pace.step();
                longest_rest = longest_rest.max(clock.now().since(before));
                before = clock.now();
            }
            matches!(pace.0, Some((_, since)) if since > begun).then_some(longest_rest)
        };
        let rested = worked_at_a_time(Pace::beside_calls(clock)).expect("it rested");
        assert!(rested >= RESTS, "{rested:?}");
        assert_eq!(worked_at_a_time(Pace::alone()), None);
    }
}
