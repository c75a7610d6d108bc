//! Owns which calls are kept when more messages pass than there is room for: some calls whole for a quarter of a minute, instead
//! of all for a second. Does not own how much room there is (see [`super`]).

use std::time::Duration;

use clock::Instant;
use model::CallId;

/// Of so many calls one is kept.
#[derive(Debug)]
pub(super) struct Share {
    /// A power of two.
    parts: u64,
    /// Since when is counted.
    since: Instant,
    messages: usize,
    bytes: usize,
    /// How long fewer parts would have done.
    fewer: Duration,
}

/// What there is room for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub messages: usize,
    pub bytes: usize,
}

impl Default for Share {
    fn default() -> Share {
        Share { parts: 1, since: Instant::ZERO, messages: 0, bytes: 0, fewer: Duration::ZERO }
    }
}

impl Share {
    /// Whether `call`, which begins now, is kept.
    pub fn has(&self, call: CallId) -> bool {
        // Numbers that follow each other fall far apart (Knuth, TAOCP 3, 6.4).
        (call.raw().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) & (self.parts - 1) == 0
    }

    /// A message of a call passes, kept or not.
    pub fn count(&mut self, length: usize) {
        self.messages += 1;
        self.bytes += length;
    }

    /// Time has passed: once a second the share becomes what `room` holds 15 s of; a larger one only when that has lasted,
    /// lest it goes to and fro.
    pub fn pass(&mut self, now: Instant, room: Room) {
        let counted = now.since(self.since);
        if counted < COUNTED {
            return;
        }
        let a_second = |passed: usize| passed as f64 / counted.as_secs_f64();
        let needed = |passed: usize, room: usize| a_second(passed) * REACH.as_secs_f64() / room.max(1) as f64;
        let parts = needed(self.messages, room.messages).max(needed(self.bytes, room.bytes));
        let few = a_second(self.messages) < FEW;
        let parts = if few { 1 } else { (parts.ceil() as u64).clamp(1, MOST_PARTS) }.next_power_of_two();
        let fewer = if parts < self.parts { self.fewer + counted } else { Duration::ZERO };
        let settled = parts >= self.parts || fewer >= SETTLED;
        let (parts, fewer) = if settled { (parts, Duration::ZERO) } else { (self.parts, fewer) };
        *self = Share { parts, since: now, messages: 0, bytes: 0, fewer };
    }
}

/// So long what is kept shall reach back.
const REACH: Duration = Duration::from_secs(15);
/// How long messages are counted.
const COUNTED: Duration = Duration::from_secs(1);
/// How long there is room for more before more is kept.
const SETTLED: Duration = Duration::from_secs(10);
/// With fewer messages a second each call is kept, however little room there is: somebody may look for each.
const FEW: f64 = 100.0;
/// One call of more than a million would be none.
const MOST_PARTS: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room { messages: 15_000, bytes: 15 << 20 };

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    /// Seconds `from` to `to` with so many messages in each.
    fn pass(share: &mut Share, (from, to): (u64, u64), messages: usize, length: usize) {
        for second in from..to {
            share.pass(at(1_000 * second), ROOM);
            (0..messages).for_each(|_| share.count(length));
        }
        share.pass(at(1_000 * to), ROOM);
    }

    #[test]
    fn all_calls_are_kept_while_15_s_of_them_have_room_and_then_a_half_a_quarter_and_so_on() {
        for (messages, length, expected) in [
            (1, 500, 1),
            (1_000, 500, 1),
            (1_001, 500, 2),
            (2_001, 500, 4),
            (26_000, 500, 32),
            (1_000, 1_100, 2),
            (99, 1 << 20, 1),
            (100, 1 << 20, 128),
        ] {
            let mut share = Share::default();
            pass(&mut share, (1, 3), messages, length);
            assert_eq!(share.parts, expected, "{messages} of {length}");
            let kept = (0..64_000).filter(|call| share.has(CallId::from(call << 8))).count() as u64;
            assert!(
                kept.abs_diff(64_000 / expected) <= 64_000 / expected / 8,
                "{messages} of {length}: {kept}"
            );
        }
    }

    #[test]
    fn fewer_are_kept_at_once_and_more_when_there_has_been_room_for_a_while() {
        let mut share = Share::default();
        pass(&mut share, (1, 3), 4_000, 500);
        assert_eq!(share.parts, 4);
        pass(&mut share, (3, 12), 1_000, 500);
        assert_eq!(share.parts, 4, "nine seconds");
        // One busy second begins the wait anew.
        pass(&mut share, (12, 13), 4_000, 500);
        pass(&mut share, (13, 22), 1_000, 500);
        assert_eq!(share.parts, 4, "nine seconds");
        pass(&mut share, (22, 24), 1_000, 500);
        assert_eq!(share.parts, 1);
    }

    #[test]
    fn the_first_call_after_an_hour_without_any_is_kept() {
        let mut share = Share::default();
        pass(&mut share, (1, 3), 26_000, 500);
        assert_eq!(share.parts, 32);
        share.pass(at(3_600_000), ROOM);
        assert_eq!(share.parts, 1);
    }
}
