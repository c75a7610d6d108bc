//! Owns the deadlines of transactions. Most lengths are constants, so most deadlines come in the order in which
//! they are set: a queue per length costs nothing to set and 32 bytes to keep. A transaction that changes state
//! raises its epoch, which makes what it set before stale; stale deadlines are dropped when they come to the front.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use clock::Instant;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Server: the application has been silent for 200 ms.
    Trying,
    /// Server: timer G.
    ServerRetransmit,
    /// Server: timers H, I, J and L.
    ServerEnd,
    /// Client: timers A and E.
    ClientRetransmit,
    /// Client: timers B, D, F, K and M, and the wait after CANCEL.
    ClientEnd,
}

/// Which constant a deadline's length is; `Other` for any length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Trying,
    T1,
    T4,
    SixtyFourT1,
    D,
    Other,
}

/// One deadline of one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    pub(crate) at: Instant,
    pub(crate) tx: u64,
    pub(crate) kind: Kind,
    pub(crate) epoch: u8,
}

/// The deadlines of all transactions of an endpoint.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    lanes: [VecDeque<Due>; 5],
    other: BinaryHeap<Reverse<Due>>,
}

impl Timers {
    /// Sets a deadline.
    pub(crate) fn set(&mut self, lane: Lane, due: Due) {
        if lane != Lane::Other {
            let queue = &mut self.lanes[lane as usize];
            if queue.back().is_none_or(|last| last.at <= due.at) {
                queue.push_back(due);
                return;
            }
        }
        self.other.push(Reverse(due));
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        let lanes = self.lanes.iter().filter_map(|queue| queue.front().map(|due| due.at));
        lanes.chain(self.other.peek().map(|due| due.0.at)).min()
    }

    /// Takes the earliest deadline that is due at `now`.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Due> {
        let lane = self
            .lanes
            .iter()
            .enumerate()
            .filter_map(|(index, queue)| queue.front().map(|due| (due.at, index)))
            .min();
        let other = self.other.peek().map(|due| due.0.at);
        match (lane, other) {
            (Some((at, index)), other) if at <= now && other.is_none_or(|other| at <= other) => {
                self.lanes[index].pop_front()
            }
            (_, Some(at)) if at <= now => self.other.pop().map(|due| due.0),
            _ => None,
        }
    }

    /// Drops deadlines that `is_stale` from the fronts.
    pub(crate) fn prune(&mut self, is_stale: impl Fn(&Due) -> bool) {
        for queue in &mut self.lanes {
            while queue.front().is_some_and(&is_stale) {
                queue.pop_front();
            }
            if queue.is_empty() && queue.capacity() > 1024 {
                queue.shrink_to_fit();
            }
        }
        while self.other.peek().is_some_and(|due| is_stale(&due.0)) {
            self.other.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(millis: u64, tx: u64) -> Due {
        Due { at: Instant::from_millis(millis), tx, kind: Kind::ClientEnd, epoch: 0 }
    }

    #[test]
    fn deadlines_come_in_order_of_time_whatever_lane_they_were_set_in() {
        let mut timers = Timers::default();
        timers.set(Lane::T1, due(500, 1));
        timers.set(Lane::T1, due(400, 2)); // out of order: must not hide behind the first
        timers.set(Lane::SixtyFourT1, due(32_000, 3));
        timers.set(Lane::Other, due(450, 4));
        assert_eq!(timers.next(), Some(Instant::from_millis(400)));
        let order: Vec<u64> =
            std::iter::from_fn(|| timers.pop(Instant::from_secs(31))).map(|due| due.tx).collect();
        assert_eq!(order, [2, 4, 1]);
        assert_eq!(timers.next(), Some(Instant::from_secs(32)));
        timers.prune(|due| due.tx == 3);
        assert_eq!(timers.next(), None);
    }
}
