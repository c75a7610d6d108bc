//! Owns when a target is asked whether it lives, and what its answers and silence mean. Does not own the asking (see
//! `call`).
//!
//! ```text
//!            (1) an answer            (2) misses in a row
//!  Unknown ───────────────▶ Up ─────────────────────▶ Down
//!     │                      ▲                          │
//!     └── (2) ───────────────┼──── (3) one answer ──────┘
//! ```

use std::time::Duration;

use clock::Instant;

use crate::trunk::Heartbeat;

/// The heartbeat of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulse {
    heartbeat: Heartbeat,
    life: Life,
    misses: u32,
    /// When it is asked next.
    next: Instant,
    /// By when the last question must be answered.
    deadline: Option<Instant>,
}

/// What is known of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    /// It was not asked yet.
    Unknown,
    /// It answers.
    Up,
    /// It does not answer.
    Down,
}

/// What time brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The target is to be asked now.
    pub ask: bool,
    /// Its life changed.
    pub turned: Option<Life>,
}

impl Pulse {
    /// The pulse of a target that is asked at `first` for the first time.
    pub fn new(first: Instant, heartbeat: Heartbeat) -> Pulse {
        Pulse { heartbeat, life: Life::Unknown, misses: 0, next: first, deadline: None }
    }

    /// What is known of it.
    pub fn life(&self) -> Life {
        self.life
    }

    /// The next instant at which [`Pulse::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Instant {
        self.deadline.map_or(self.next, |deadline| deadline.min(self.next))
    }

    /// Time has passed. Early, late and repeated calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) -> Beat {
        let mut turned = None;
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            turned = self.missed();
        }
        let ask = self.next <= now;
        if ask {
            self.next = now + self.heartbeat.every;
            self.deadline = Some(now + self.heartbeat.every.min(PATIENCE));
        }
        Beat { ask, turned }
    }

    /// A final response with that status: all but 408 and 503 show that it lives, late ones too.
    pub fn answered(&mut self, status: u16) -> Option<Life> {
        if matches!(status, 408 | 503) {
            return self.missed();
        }
        self.deadline = None;
        self.misses = 0;
        self.turn(Life::Up)
    }

    /// The question could not be sent, or was refused as by somebody who does not work.
    pub fn missed(&mut self) -> Option<Life> {
        // What was missed by its deadline already is not counted twice.
        self.deadline.take()?;
        self.misses = self.misses.saturating_add(1);
        if self.misses < self.heartbeat.misses { None } else { self.turn(Life::Down) }
    }

    fn turn(&mut self, life: Life) -> Option<Life> {
        let before = std::mem::replace(&mut self.life, life);
        (before != life).then_some(life)
    }
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Instant = Instant::from_secs(100);
    const SECS: fn(u64) -> Duration = Duration::from_secs;

    fn pulse() -> Pulse {
        Pulse::new(T0, Heartbeat { every: SECS(30), misses: 3 })
    }

    /// Lets time pass until `until`; how often it asked, and what it turned to.
    fn pass(pulse: &mut Pulse, until: Instant) -> (usize, Vec<Life>) {
        let (mut asked, mut turns) = (0, Vec::new());
        while pulse.poll_timeout() <= until {
            let beat = pulse.handle_timeout(pulse.poll_timeout());
            asked += usize::from(beat.ask);
            turns.extend(beat.turned);
        }
        (asked, turns)
    }

    #[test]
    fn n1_an_answer_shows_that_it_lives_whatever_it_says() {
        for status in [200, 404, 405, 481, 483, 500, 501, 603] {
            let mut pulse = pulse();
            assert!(pulse.handle_timeout(T0).ask);
            assert_eq!(pulse.answered(status), Some(Life::Up), "{status}");
            assert_eq!(pulse.answered(status), None, "told once");
        }
    }

    #[test]
    fn n2_three_misses_in_a_row_are_the_end_and_two_are_not() {
        let mut pulse = pulse();
        assert_eq!(pass(&mut pulse, T0 + SECS(40)), (2, vec![]));
        assert_eq!(pulse.life(), Life::Unknown);
        assert_eq!(pass(&mut pulse, T0 + SECS(64)), (1, vec![]));
        assert_eq!(pass(&mut pulse, T0 + SECS(65)), (0, vec![Life::Down]));
        assert_eq!(pass(&mut pulse, T0 + SECS(300)).1, vec![], "it is down once");
    }

    #[test]
    fn an_answer_between_misses_begins_the_count_anew() {
        let mut pulse = pulse();
        pass(&mut pulse, T0 + SECS(59));
        assert_eq!(pulse.answered(200), Some(Life::Up));
        assert_eq!(pass(&mut pulse, T0 + SECS(124)).1, vec![]);
        assert_eq!(pass(&mut pulse, T0 + SECS(125)).1, vec![Life::Down]);
    }

    #[test]
    fn n3_one_answer_brings_it_back_even_a_late_one() {
        let mut pulse = pulse();
        pass(&mut pulse, T0 + SECS(66));
        assert_eq!(pulse.life(), Life::Down);
        assert_eq!(pulse.answered(200), Some(Life::Up));
    }

    #[test]
    fn refusals_of_408_and_503_and_failed_sends_are_misses_once_each() {
        let mut pulse = pulse();
        pulse.handle_timeout(T0);
        assert_eq!(pulse.answered(503), None);
        assert_eq!(pulse.answered(503), None, "one question, one miss");
        assert_eq!(pulse.missed(), None);
        pass(&mut pulse, T0 + SECS(30));
        assert_eq!(pulse.answered(408), None);
        pass(&mut pulse, T0 + SECS(60));
        assert_eq!(pulse.missed(), Some(Life::Down));
    }

    #[test]
    fn early_late_and_repeated_timeouts_ask_once_per_interval() {
        let mut pulse = pulse();
        assert!(!pulse.handle_timeout(T0.saturating_sub(SECS(1))).ask);
        assert!(pulse.handle_timeout(T0).ask);
        assert!(!pulse.handle_timeout(T0).ask);
        let late = T0 + SECS(1_000);
        assert!(pulse.handle_timeout(late).ask && !pulse.handle_timeout(late).ask);
        assert_eq!(pulse.poll_timeout(), late + SECS(5));
    }
}
