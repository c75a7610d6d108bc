//! Owns when each room has something to do. Does not own what (see `media::room`).
//!
//! Thousands of rooms have a frame to send every 20 ms: what is due soon lies in the order of its steps, and setting and
//! taking it is writing and reading along a list. What is set stays; whoever takes it knows whether it still means
//! something.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use clock::Instant;

/// Time is looked at in steps of this length, so that thousands of players share a few wakeups.
const STEP: Duration = Duration::from_millis(5);

/// Steps that have a list of their own: more than a frame of any length.
const NEAR: u64 = 32;

/// What is due, by place of the room.
#[derive(Debug)]
pub struct Agenda {
    /// Of the steps after `taken`, each at its number modulo their count.
    near: [Vec<u32>; NEAR as usize],
    /// Later ones.
    far: BinaryHeap<Reverse<(u64, u32)>>,
    /// The step up to which everything was taken.
    taken: u64,
}

impl Agenda {
    /// An empty one, from `now` on.
    pub fn new(now: Instant) -> Agenda {
        Agenda { near: [const { Vec::new() }; NEAR as usize], far: BinaryHeap::new(), taken: begun(now) }
    }

    /// The room at `place` has something to do at `due`, or at the end of the step in which that lies.
    #[inline]
    pub fn set(&mut self, place: u32, due: Instant) {
        let step = due.as_micros().div_ceil(LENGTH).max(self.taken + 1);
        if step - self.taken <= NEAR {
            self.near[(step % NEAR) as usize].push(place);
        } else {
            self.far.push(Reverse((step, place)));
        }
    }

    /// Sets when a room is looked at for what is `due`, and notes it as `armed`. What is set for an earlier time stays: a
    /// look at nothing costs less than to take it back with each command and packet.
    #[inline]
    pub fn arm(&mut self, (place, armed): (u32, &mut Option<Instant>), due: Option<Instant>) {
        if let Some(due) = due
            && armed.is_none_or(|armed| due < armed)
        {
            self.set(place, due);
            *armed = Some(due);
        }
    }

    /// Moves what is due at `now` into `due`.
    pub fn take(&mut self, now: Instant, due: &mut Vec<u32>) {
        let last = begun(now);
        for step in self.taken + 1..=last.min(self.taken + NEAR) {
            due.append(&mut self.near[(step % NEAR) as usize]);
        }
        while let Some(Reverse((step, place))) = self.far.peek().copied().filter(|far| far.0.0 <= last) {
            debug_assert!(step > self.taken);
            self.far.pop();
            due.push(place);
        }
        self.taken = self.taken.max(last);
    }

    /// When [`Agenda::take`] has something to give.
    pub fn next(&self) -> Option<Instant> {
        let soon =
            (self.taken + 1..=self.taken + NEAR).find(|step| !self.near[(step % NEAR) as usize].is_empty());
        let later = self.far.peek().map(|far| far.0.0);
        let step = soon.into_iter().chain(later).min()?;
        Some(Instant::from_micros(step * LENGTH))
    }
}

/// When the step after that of `now` begins.
pub fn after(now: Instant) -> Instant {
    Instant::from_micros((begun(now) + 1) * LENGTH)
}

/// A step in microseconds.
const LENGTH: u64 = STEP.as_micros() as u64;

/// The step that begins or has begun at `now`.
fn begun(now: Instant) -> u64 {
    now.as_micros() / LENGTH
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(3_600_000 + millis)
    }

    fn taken(agenda: &mut Agenda, millis: u64) -> Vec<u32> {
        let mut due = Vec::new();
        agenda.take(at(millis), &mut due);
        due
    }

    #[test]
    fn what_is_due_is_taken_once_and_at_the_end_of_its_step() {
        let mut agenda = Agenda::new(at(0));
        assert_eq!(agenda.next(), None);
        agenda.set(1, at(20));
        agenda.set(2, at(17));
        agenda.set(3, at(21));
        agenda.set(4, at(10_000));
        assert_eq!(agenda.next(), Some(at(20)));
        assert!(taken(&mut agenda, 19).is_empty());
        assert_eq!(taken(&mut agenda, 20), [1, 2]);
        assert_eq!((taken(&mut agenda, 20), agenda.next()), (vec![], Some(at(25))));
        assert_eq!(taken(&mut agenda, 25), [3]);
        assert_eq!(agenda.next(), Some(at(10_000)));
        assert_eq!((taken(&mut agenda, 9_999), taken(&mut agenda, 10_004)), (vec![], vec![4]));
        assert_eq!(agenda.next(), None);
    }

    #[test]
    fn what_is_set_for_the_past_is_due_with_the_next_step() {
        let mut agenda = Agenda::new(at(0));
        assert!(taken(&mut agenda, 100).is_empty());
        agenda.set(1, at(50));
        agenda.set(2, at(100));
        assert_eq!((agenda.next(), taken(&mut agenda, 104)), (Some(at(105)), vec![]));
        assert_eq!(taken(&mut agenda, 105), [1, 2]);
    }

    /// A worker that was not there for long finds everything, near and far, and nothing lies in a later turn's list.
    #[test]
    fn nothing_is_lost_by_who_comes_late() {
        let mut agenda = Agenda::new(at(0));
        for place in 0..100 {
            agenda.set(place, at(u64::from(place) * 7));
        }
        let mut due = taken(&mut agenda, 400);
        due.sort_unstable();
        assert_eq!(due, (0..=57).collect::<Vec<_>>());
        agenda.set(200, at(405));
        let mut due = taken(&mut agenda, 90_000);
        due.sort_unstable();
        assert_eq!(due, (58..100).chain([200]).collect::<Vec<_>>());
        assert_eq!(agenda.next(), None);
    }
}
