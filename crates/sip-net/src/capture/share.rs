//! Owns which calls are kept when more messages pass than there is room for: some calls whole for a minute, instead of all for a
//! second. Does not own how much room there is (see [`super`]).

use std::time::Duration;

use clock::Instant;
use model::CallId;

use super::CaptureLimits;

/// Of so many calls one is kept.
#[derive(Debug)]
pub(super) struct Share {
    /// A power of two: whoever is kept of fewer is kept of more, so that a call's later legs go the way of its first.
    parts: u64,
    /// Since when is counted.
    since: Instant,
    messages: usize,
    bytes: usize,
}

impl Default for Share {
    fn default() -> Share {
        Share { parts: 1, since: Instant::ZERO, messages: 0, bytes: 0 }
    }
}

impl Share {
    /// Whether `call`, which begins now, is kept.
    pub fn has(&self, call: CallId) -> bool {
        // Numbers that follow each other fall far apart (Knuth, TAOCP 3, 6.4).
        (call.raw().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) & (self.parts - 1) == 0
    }

    /// A message of a call has passed, kept or not; once a second the share becomes what `limits` hold a minute of.
    pub fn count(&mut self, now: Instant, length: usize, limits: &CaptureLimits) {
        self.messages += 1;
        self.bytes += length;
        let counted = now.since(self.since);
        if counted < COUNTED {
            return;
        }
        let minute = |passed: usize| passed as f64 * REACH.as_secs_f64() / counted.as_secs_f64();
        let needed = |passed: usize, room: usize| minute(passed) / room.max(1) as f64;
        let few = self.messages as f64 / counted.as_secs_f64() < FEW;
        let parts = needed(self.messages, limits.messages).max(needed(self.bytes, limits.bytes));
        let parts = if few { 1 } else { (parts.ceil() as u64).clamp(1, MOST_PARTS) };
        *self = Share { parts: parts.next_power_of_two(), since: now, messages: 0, bytes: 0 };
    }
}

/// So long what is kept shall reach back.
const REACH: Duration = Duration::from_secs(60);
/// How long messages are counted.
const COUNTED: Duration = Duration::from_secs(1);
/// With fewer messages a second each call is kept, however little room there is: somebody may look for each.
const FEW: f64 = 100.0;
/// One call of more than a million would be none.
const MOST_PARTS: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: CaptureLimits = CaptureLimits { messages: 60_000, bytes: 60 << 20, age: REACH };

    /// What of 64,000 calls is kept after a second of `messages` of `length` bytes, in 64ths.
    fn kept(messages: usize, length: usize) -> usize {
        let mut share = Share::default();
        for second in 1..=2 {
            for nth in 1..=messages {
                let micros = (second - 1) * 1_000_000 + nth * 1_000_000 / messages;
                share.count(Instant::ZERO + Duration::from_micros(micros as u64), length, &LIMITS);
            }
        }
        (0..64_000).filter(|call| share.has(CallId::from(call << 8))).count() / 1_000
    }

    #[test]
    fn all_calls_are_kept_while_a_minute_of_them_has_room_and_then_a_half_a_quarter_and_so_on() {
        for (messages, length, expected) in [
            (1, 500, 64),
            (1_000, 500, 64),
            (1_001, 500, 32),
            (2_001, 500, 16),
            (26_000, 500, 2),
            (1_000, 1_100, 32),
            (99, 1 << 20, 64),
            (100, 1 << 20, 1),
        ] {
            let kept = kept(messages, length);
            assert!(kept.abs_diff(expected) <= expected / 8, "{messages} of {length}: {kept}/64");
        }
    }

    #[test]
    fn all_calls_are_kept_again_a_second_after_the_flood_and_a_call_of_few_is_one_of_many() {
        let mut share = Share::default();
        let at = |millis| Instant::ZERO + Duration::from_millis(millis);
        for millis in 0..=1_000 {
            (0..8).for_each(|_| share.count(at(millis), 500, &LIMITS));
        }
        let few: Vec<CallId> =
            (0..1_000).map(|call| CallId::from(call << 8)).filter(|call| share.has(*call)).collect();
        assert!((80..170).contains(&few.len()), "{}", few.len());
        share.parts /= 4;
        assert!(few.iter().all(|call| share.has(*call)));
        share.count(at(5_000), 500, &LIMITS);
        assert!((0..1_000).all(|call| share.has(CallId::from(call << 8))));
    }
}
