//! Owns which threads of the process let others go first, and how a thread asks the system for its place. Does not own
//! threads (see the shells), nor on which CPU they run.
//!
//! By niceness alone, which needs no right and decides about shares. Why not by slices and policies: see ADR 5. With
//! sched_autogroup, niceness counts only inside the session's group, which is where our own threads are.

use std::io;

/// The place of a thread behind those that packets wait for, workers of media and shards, which take none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precedence {
    /// It works through much at a time, and seconds later is early enough: rows of a database. A tenth of what one of
    /// theirs has (sched(7)).
    Later,
    /// It has time: the maker of playable files, encoders of prompts, copies. A seventieth.
    Last,
}

impl Precedence {
    /// Gives the calling thread, and those that it starts from now on, this place. Where the system refuses, it keeps the
    /// place it had.
    pub fn take(self) {
        // SAFETY: setpriority takes three integers; 0 is the calling thread.
        let refused = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, self.niceness()) } != 0;
        if refused {
            let error = io::Error::last_os_error();
            tracing::debug!(precedence = ?self, %error, "a thread keeps its place");
        }
    }

    fn niceness(self) -> i32 {
        match self {
            Precedence::Later => 10,
            Precedence::Last => 19,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The niceness of a new thread after it took these places.
    fn after(places: &'static [Precedence]) -> i32 {
        let thread = std::thread::spawn(|| {
            places.iter().for_each(|place| place.take());
            // SAFETY: two integers; 0 is the calling thread.
            unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
        });
        thread.join().expect("it ends")
    }

    #[test]
    fn each_place_is_taken_by_the_calling_thread_alone() {
        let before = after(&[]);
        for place in [&[Precedence::Later], &[Precedence::Last]] {
            assert_eq!(after(place), place[0].niceness(), "{place:?}");
        }
        assert_eq!(after(&[]), before, "other threads keep theirs");
    }
}
