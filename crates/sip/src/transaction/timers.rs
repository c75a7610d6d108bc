//! Owns the deadlines of transactions. Most lengths are constants, so most deadlines come in the order in which
//! they are set: a queue per length costs nothing to set and 16 bytes to keep. A transaction that changes state
//! raises its epoch, which makes what it set before stale; stale deadlines are dropped when they come to the front.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use clock::Instant;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
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

/// One deadline of one transaction, in 16 bytes: most are stale long before they come to the front.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    /// Microseconds in the upper 48 bits, which last for nine years; then the kind, then the epoch.
    when: u64,
    tx: u64,
}

impl Due {
    /// `tx`, which was in `epoch`, has something to do at `at`.
    pub(crate) fn new(at: Instant, tx: u64, kind: Kind, epoch: u8) -> Due {
        let at = at.as_micros().min(LAST_MICROS);
        Due { when: at << 16 | u64::from(kind as u8) << 8 | u64::from(epoch), tx }
    }

    /// The same at another time.
    pub(crate) fn again_at(self, at: Instant) -> Due {
        Due::new(at, self.tx, self.kind(), self.epoch())
    }

    /// When it is due.
    pub(crate) fn at(self) -> Instant {
        Instant::from_micros(self.when >> 16)
    }

    /// The transaction.
    pub(crate) fn tx(self) -> u64 {
        self.tx
    }

    /// What for.
    pub(crate) fn kind(self) -> Kind {
        match (self.when >> 8) as u8 {
            kind if kind == Kind::Trying as u8 => Kind::Trying,
            kind if kind == Kind::ServerRetransmit as u8 => Kind::ServerRetransmit,
            kind if kind == Kind::ServerEnd as u8 => Kind::ServerEnd,
            kind if kind == Kind::ClientRetransmit as u8 => Kind::ClientRetransmit,
            _ => Kind::ClientEnd,
        }
    }

    /// The transaction's epoch when this was set.
    pub(crate) fn epoch(self) -> u8 {
        self.when as u8
    }
}

impl std::fmt::Debug for Due {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Due({:?} {:?} of {:x} in {})", self.at(), self.kind(), self.tx, self.epoch())
    }
}

/// The last microsecond that a deadline can be set to.
const LAST_MICROS: u64 = (1 << 48) - 1;

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
            if queue.back().is_none_or(|last| last.at() <= due.at()) {
                queue.push_back(due);
                return;
            }
        }
        self.other.push(Reverse(due));
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        let lanes = self.lanes.iter().filter_map(|queue| queue.front().map(|due| due.at()));
        lanes.chain(self.other.peek().map(|due| due.0.at())).min()
    }

    /// Takes the earliest deadline that is due at `now`.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Due> {
        let lane = self
            .lanes
            .iter()
            .enumerate()
            .filter_map(|(index, queue)| queue.front().map(|due| (due.at(), index)))
            .min();
        let other = self.other.peek().map(|due| due.0.at());
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
        Due::new(Instant::from_millis(millis), tx, Kind::ClientEnd, 0)
    }

    #[test]
    fn a_deadline_gives_back_what_it_was_made_of_and_one_beyond_all_time_is_the_last() {
        let at = Instant::from_micros(1 << 47 | 12_345);
        for kind in
            [Kind::Trying, Kind::ServerRetransmit, Kind::ServerEnd, Kind::ClientRetransmit, Kind::ClientEnd]
        {
            let due = Due::new(at, u64::MAX, kind, 255);
            assert_eq!((due.at(), due.tx(), due.kind(), due.epoch()), (at, u64::MAX, kind, 255));
            let again = due.again_at(Instant::ZERO);
            assert_eq!((again.at(), again.kind(), again.epoch()), (Instant::ZERO, kind, 255));
        }
        let never = Due::new(Instant::from_micros(u64::MAX), 1, Kind::Trying, 0);
        assert!(never > Due::new(at, 1, Kind::ClientEnd, 255) && never.kind() == Kind::Trying);
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
            std::iter::from_fn(|| timers.pop(Instant::from_secs(31))).map(Due::tx).collect();
        assert_eq!(order, [2, 4, 1]);
        assert_eq!(timers.next(), Some(Instant::from_secs(32)));
        timers.prune(|due| due.tx() == 3);
        assert_eq!(timers.next(), None);
    }
}
