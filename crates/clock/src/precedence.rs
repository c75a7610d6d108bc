//! Owns which threads of the process go before which, and how a thread asks the system for its place. Does not own
//! threads (see the shells), nor on which CPU they run.
//!
//! A packet waits for one thread, a file for another, and both may be ready on one core. Three things decide then, none of
//! which needs a right:
//!
//! - The slice (Linux 6.12 and later). A woken thread waits until the running one has had its slice, and that is looked at
//!   with each tick of the kernel, 4 ms where it ticks 250 times a second; but who has a shorter slice than the running one
//!   goes first. So those that may lag ask for more than the system's own 1.4 to 3 ms. Those that packets wait for ask for
//!   nothing: with less, each tick finds their slice used up and gives the CPU to another until the next.
//! - The policy. A thread of `SCHED_BATCH` stops nobody when it wakes, one of `SCHED_IDLE` is also stopped by everybody.
//! - Niceness: the share where there is too little for all. Who must keep up has a share.
//!
//! With sched_autogroup, niceness counts only inside the session's group, which is where our own threads are.

use std::io;
use std::mem::size_of;
use std::time::Duration;

/// The place of a thread behind those that packets wait for, workers of media and shards, which take none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precedence {
    /// It may come some milliseconds later, but must keep up: the writer of recordings.
    Soon,
    /// It works through much at a time, and seconds later is early enough: rows of a database.
    Later,
    /// It has time: the maker of playable files, encoders of prompts, copies.
    Last,
}

impl Precedence {
    /// Gives the calling thread, and those that it starts from now on, this place. Where the system refuses, it keeps the
    /// place it had.
    pub fn take(self) {
        if let Err(error) = self.ask() {
            tracing::debug!(precedence = ?self, %error, "a thread keeps its place");
        }
    }

    fn ask(self) -> io::Result<()> {
        let before = attributes()?;
        match self.wanted(before) {
            // A system that knows no slices, or forbids to ask for them, knows niceness.
            Some(wanted) => set(&wanted).or_else(|_| set_niceness(wanted.sched_nice)),
            None => Ok(()),
        }
    }

    /// What is asked for by a thread that has `now`; `None`: all stays. Who starts the whole process in a real-time class
    /// means those that must keep up, not those that have time.
    fn wanted(self, now: libc::sched_attr) -> Option<libc::sched_attr> {
        let ordinary = [libc::SCHED_OTHER, libc::SCHED_BATCH].contains(&policy_of(&now));
        let (policy, niceness) = match self {
            Precedence::Soon if !ordinary => return None,
            Precedence::Soon => (libc::SCHED_BATCH, 5),
            Precedence::Later => (libc::SCHED_BATCH, 10),
            Precedence::Last => (libc::SCHED_IDLE, 19),
        };
        Some(libc::sched_attr {
            sched_policy: policy.unsigned_abs(),
            sched_nice: niceness.max(now.sched_nice),
            sched_priority: 0,
            sched_runtime: SLICE_OF_LAGGARDS.as_nanos() as u64,
            ..now
        })
    }
}

fn policy_of(attributes: &libc::sched_attr) -> i32 {
    attributes.sched_policy.cast_signed()
}

/// What the calling thread has.
fn attributes() -> io::Result<libc::sched_attr> {
    // SAFETY: zeros are valid attributes.
    let mut found: libc::sched_attr = unsafe { std::mem::zeroed() };
    // SAFETY: `found` is writable for the length that is named; 0 is the calling thread.
    let result = unsafe {
        libc::syscall(libc::SYS_sched_getattr, 0, &raw mut found, size_of::<libc::sched_attr>(), 0)
    };
    checked(result).map(|()| found)
}

fn set(wanted: &libc::sched_attr) -> io::Result<()> {
    // SAFETY: `wanted` lives through the call and says its own length; 0 is the calling thread.
    checked(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, std::ptr::from_ref(wanted), 0) })
}

fn set_niceness(niceness: i32) -> io::Result<()> {
    // SAFETY: setpriority takes three integers; 0 is the calling thread.
    checked(libc::c_long::from(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, niceness) }))
}

fn checked(result: libc::c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// More than the slice of anybody who did not ask.
const SLICE_OF_LAGGARDS: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    /// What a new thread has after it took these places.
    fn after(places: &'static [Precedence]) -> libc::sched_attr {
        let thread = std::thread::spawn(|| {
            places.iter().for_each(|place| place.take());
            attributes().expect("the system tells them")
        });
        thread.join().expect("it ends")
    }

    fn ordinary() -> libc::sched_attr {
        libc::sched_attr { sched_policy: libc::SCHED_OTHER.unsigned_abs(), sched_nice: 0, ..after(&[]) }
    }

    #[test]
    fn each_place_is_taken_by_the_calling_thread_alone() {
        let before = after(&[]);
        for (place, policy, niceness) in [
            (&[Precedence::Soon], libc::SCHED_BATCH, 5),
            (&[Precedence::Later], libc::SCHED_BATCH, 10),
            // The idle class has a weight of its own, less than that of any niceness.
            (&[Precedence::Last], libc::SCHED_IDLE, 0),
        ] {
            let now = after(place);
            let niceness = niceness.max(before.sched_nice);
            assert_eq!((policy_of(&now), now.sched_nice), (policy, niceness), "{place:?}");
        }
        assert_eq!(after(&[]).sched_policy, before.sched_policy, "other threads keep theirs");
    }

    #[test]
    fn threads_that_may_lag_have_longer_slices_than_those_who_ask_for_none() {
        for lags in [Precedence::Soon, Precedence::Later, Precedence::Last] {
            let slice = lags.wanted(ordinary()).expect("asked for").sched_runtime;
            // The system gives 3 ms at most.
            assert!(slice > 3_000_000, "{lags:?}");
        }
    }

    #[test]
    fn nobody_becomes_less_nice() {
        let nice = libc::sched_attr { sched_nice: 7, ..ordinary() };
        let niceness = |place: Precedence| place.wanted(nice).expect("asked for").sched_nice;
        let all = [Precedence::Soon, Precedence::Later, Precedence::Last];
        assert_eq!(all.map(niceness), [7, 10, 19]);
    }

    #[test]
    fn in_a_real_time_class_those_that_must_keep_up_stay_and_the_others_leave() {
        let real_time = libc::sched_attr {
            sched_policy: libc::SCHED_RR.unsigned_abs(),
            sched_priority: 10,
            ..ordinary()
        };
        assert!(Precedence::Soon.wanted(real_time).is_none());
        for (place, policy) in [(Precedence::Later, libc::SCHED_BATCH), (Precedence::Last, libc::SCHED_IDLE)]
        {
            let wanted = place.wanted(real_time).expect("they leave");
            assert_eq!((policy_of(&wanted), wanted.sched_priority), (policy, 0), "{place:?}");
        }
    }
}
