//! Owns when the switch is at rest and gives memory back to the system. Does not own what needs memory.
//!
//! What ten thousand calls took lies between what stays, and the allocator keeps it for the next ones: a switch would for
//! ever be as large as its busiest minute, and a little larger with each that follows.

use std::time::Duration;

use clock::Instant;

/// A switch whose carriers are asked by OPTIONS never is without transactions; those of its last call are over by then.
const LONGEST_TAIL: Duration = Duration::from_secs(40);

/// Sees when calls have come and gone.
#[derive(Debug, Default)]
pub(crate) enum Rest {
    /// No call since memory was given back.
    #[default]
    Resting,
    /// There were calls, the last one at this time.
    Busy(Instant),
}

impl Rest {
    /// Takes note of what is alive at `now`. Whether this is the moment to give memory back: once after each time of calls,
    /// when nothing of them is left.
    pub fn begins(&mut self, now: Instant, live: &call::Live) -> bool {
        if live.calls > 0 {
            *self = Rest::Busy(now);
        }
        let Rest::Busy(last) = *self else { return false };
        let begins = live.calls == 0 && (live.transactions == 0 || now.since(last) >= LONGEST_TAIL);
        if begins {
            *self = Rest::Resting;
        }
        begins
    }
}

/// What a thread may keep free at the end of its memory, and from what size on a block has pages of its own, in bytes: what the
/// allocator begins with.
#[cfg(target_env = "gnu")]
const FREE_AT_END: libc::c_int = 128 << 10;

/// Keeps the allocator from letting more and more lie at the end of each thread's memory, which
/// [`give_memory_back`] does not reach: at each larger block that is given back it would double the length of that
/// (mallopt(3), `M_MMAP_THRESHOLD`).
pub(crate) fn bound_free_ends() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it sets two of the allocator's numbers under the allocator's own lock.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, FREE_AT_END);
        libc::mallopt(libc::M_TRIM_THRESHOLD, FREE_AT_END);
    }
}

/// Gives the free pages of all threads' memory back to the system: some milliseconds.
pub(crate) fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it touches nothing but what the allocator knows to be free, under the allocator's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(calls: usize, transactions: usize) -> call::Live {
        call::Live { calls, transactions, ..call::Live::default() }
    }

    #[test]
    fn memory_is_given_back_once_when_nothing_of_the_calls_is_left() {
        let mut rest = Rest::default();
        let at = Instant::from_secs;
        assert!(!rest.begins(at(1), &live(0, 0)), "there was no call");
        assert!(!rest.begins(at(2), &live(3, 9)));
        assert!(!rest.begins(at(3), &live(0, 9)), "their tails");
        assert!(rest.begins(at(35), &live(0, 0)));
        assert!(!rest.begins(at(36), &live(0, 0)));
        assert!(!rest.begins(at(37), &live(1, 0)));
        assert!(rest.begins(at(38), &live(0, 0)), "other calls, another time");
    }

    #[test]
    fn transactions_of_no_call_do_not_keep_memory() {
        let mut rest = Rest::default();
        let at = Instant::from_secs;
        assert!(!rest.begins(at(1), &live(1, 4)));
        assert!(!rest.begins(at(40), &live(0, 1)));
        assert!(rest.begins(at(41), &live(0, 1)));
        assert!(!rest.begins(at(42), &live(0, 1)));
    }
}
