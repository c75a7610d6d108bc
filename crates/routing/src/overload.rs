//! Owns when a shard has more to do than it can: by how long what it reads has waited. Does not own the refusal (see
//! `call`), nor how the wait is measured (see `sip-net`).
//!
//! ```text
//!          waited ≥ target for INTERVAL, without a break
//!   Calm ──────────────────────────────────────────────▶ Shedding ◀─┐ waited ≥ target within
//!    ▲                                                    │         │ MEMORY of the last shedding
//!    └──────── MEMORY without a wait over the target ── Wary ◀──────┘ waited < target / 2
//! ```
//! A stall of the machine (one long wait, then none) refuses nobody; a queue that stands is worked off by refusing,
//! which costs a fraction of a call, and never by dropping what belongs to calls in progress.

use std::time::Duration;

use clock::Instant;

/// Whether new calls are refused for want of processing power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overload {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Calm,
    /// Everything has waited too long since then.
    Late(Instant),
    Shedding,
    /// It shed until then.
    Wary(Instant),
}

impl Overload {
    /// What is read now has waited that long; `target` is how long it should wait at most.
    pub fn note(&mut self, now: Instant, waited: Duration, target: Duration) {
        let late = waited >= target;
        self.state = match self.state {
            State::Calm if late => State::Late(now),
            State::Late(since) if late && now.since(since) >= INTERVAL => State::Shedding,
            State::Late(_) if !late => State::Calm,
            State::Shedding if waited < target / 2 => State::Wary(now),
            State::Wary(since) if now.since(since) >= MEMORY => {
                if late {
                    State::Late(now)
                } else {
                    State::Calm
                }
            }
            State::Wary(_) if late => State::Shedding,
            same => same,
        };
    }

    /// Whether new calls are refused at present.
    pub fn is_shedding(&self) -> bool {
        self.state == State::Shedding
    }
}

/// A wait that lasts this long is no stall but a queue.
const INTERVAL: Duration = Duration::from_millis(100);
/// Within this time of the last shedding the next wait over the target is believed at once.
const MEMORY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_millis(20);

    /// What is shed when these waits (in ms) are seen, one each 10 ms.
    fn shed(waits: &[u64]) -> Vec<bool> {
        let mut overload = Overload::default();
        let mut now = Instant::from_secs(100);
        let mut step = |wait: &u64| {
            now += Duration::from_millis(10);
            overload.note(now, Duration::from_millis(*wait), TARGET);
            overload.is_shedding()
        };
        waits.iter().map(&mut step).collect()
    }

    #[test]
    fn a_stall_refuses_nobody() {
        assert!(shed(&[0, 0, 900, 0, 0, 300, 1, 250, 0]).iter().all(|shed| !shed));
        assert!(shed(&[19; 100]).iter().all(|shed| !shed));
    }

    #[test]
    fn a_queue_that_stands_is_shed_until_it_is_short() {
        let mut waits = vec![30; 12];
        waits.extend([25, 20, 12, 9]);
        let shed = shed(&waits);
        assert!(!shed[9] && shed[10], "{shed:?}");
        assert!(shed[14] && !shed[15], "{shed:?}");
    }

    #[test]
    fn a_queue_that_comes_back_is_shed_at_once_and_forgotten_after_a_second() {
        let mut waits = vec![30; 12];
        waits.extend([0, 30]);
        assert!(shed(&waits)[13]);
        waits.truncate(12);
        waits.extend([0; 102]);
        waits.push(30);
        assert!(!shed(&waits)[114]);
        // Nothing need be told while all is well.
        let (mut overload, t0) = (Overload::default(), Instant::from_secs(100));
        for (millis, wait) in [(0, 30), (100, 30), (110, 0), (2_000, 30)] {
            overload.note(t0 + Duration::from_millis(millis), Duration::from_millis(wait), TARGET);
        }
        assert!(!overload.is_shedding());
    }
}
