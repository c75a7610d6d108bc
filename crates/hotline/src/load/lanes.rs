//! Owns deadlines of a load: so many that a queue per length of time is cheaper than order among all.

use std::collections::VecDeque;
use std::time::Duration;

use clock::Instant;

/// Deadlines in lanes: one lane per length of time, in which they are due in the order in which they were set.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    lanes: Vec<(Duration, VecDeque<(Instant, T)>)>,
}

impl<T> Default for Lanes<T> {
    fn default() -> Lanes<T> {
        Lanes { lanes: Vec::new() }
    }
}

impl<T> Lanes<T> {
    /// `what` is due `length` from `now`. `now` never goes back.
    pub fn set(&mut self, now: Instant, length: Duration, what: T) {
        let at = self.lanes.iter().position(|(known, _)| *known == length).unwrap_or_else(|| {
            self.lanes.push((length, VecDeque::new()));
            self.lanes.len() - 1
        });
        self.lanes[at].1.push_back((now + length, what));
    }

    /// When the next is due.
    pub fn due(&self) -> Option<Instant> {
        self.lanes.iter().filter_map(|(_, lane)| lane.front().map(|(at, _)| *at)).min()
    }

    /// One that is due, of those the earliest.
    pub fn pop(&mut self, now: Instant) -> Option<T> {
        let due = self.due().filter(|due| *due <= now)?;
        let (_, lane) =
            self.lanes.iter_mut().find(|(_, lane)| lane.front().is_some_and(|(at, _)| *at == due))?;
        lane.pop_front().map(|(_, what)| what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_in_order_across_lanes_and_not_before_its_time() {
        let mut lanes = Lanes::default();
        let start = Instant::from_secs(1);
        lanes.set(start, Duration::from_secs(2), 'b');
        lanes.set(start, Duration::from_secs(1), 'a');
        lanes.set(start + Duration::from_secs(1), Duration::from_secs(2), 'c');
        assert_eq!(lanes.due(), Some(Instant::from_secs(2)));
        assert_eq!(lanes.pop(start), None);
        let all: Vec<char> = std::iter::from_fn(|| lanes.pop(Instant::from_secs(9))).collect();
        assert_eq!(all, ['a', 'b', 'c']);
    }
}
