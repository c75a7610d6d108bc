//! Owns the node's event journal: every fact gets its sequence and time here and goes to disk in order. Does not own
//! what is made of the facts (see `ledger`, [`crate::Folder`]).
//!
//! Files are `<data>/events/<first sequence>.events`: a 16-byte header, then frames (see [`frame`]). A thread writes
//! what has gathered, within milliseconds, and syncs once a second: a killed process loses what gathered since, a
//! machine without power at most a second.

mod files;
mod frame;
mod stamp;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use clock::{SystemClock, WallTime};
use model::event::{Event, Stamped};
use tokio::sync::broadcast;

pub use files::Reader;
use stamp::Stamper;

/// Limits of a journal.
#[derive(Clone, Copy, Debug)]
pub struct JournalConfig {
    /// A file is closed when it has reached this size, in bytes.
    pub segment_bytes: u64,
    /// How many events may wait for the disk before [`EventJournal::room`] is nought and new calls must be refused.
    /// Facts of calls admitted before are still taken.
    pub capacity: usize,
    /// How often the disk is asked to keep what was written.
    pub sync_every: Duration,
    /// How long the writer gathers before it writes.
    pub gather: Duration,
}

impl Default for JournalConfig {
    fn default() -> JournalConfig {
        JournalConfig {
            segment_bytes: 16 << 20,
            capacity: 65_536,
            sync_every: Duration::from_secs(1),
            gather: Duration::from_millis(10),
        }
    }
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refuses.
    #[error("事件日志 {path}: {source} / the event journal", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A file was written by a newer program.
    #[error(
        "事件日志 {} 由更新的版本写成；请用更新的 hotline 打开 / was written by a newer hotline: open it with that one",
        .0.display()
    )]
    Newer(PathBuf),
    /// A file of this name is not ours.
    #[error("{} 不是 hotline 的事件日志 / is no event journal of hotline", .0.display())]
    NotOurs(PathBuf),
}

/// What was found at opening.
#[derive(Debug)]
pub struct Recovered {
    /// The events behind the asked sequence, in order.
    pub events: Reader,
    /// The last sequence given out before.
    pub last_seq: u64,
    /// Bytes of an unfinished tail that were cut off.
    pub torn_bytes: u64,
}

/// Events that were written together, in order.
pub type Batch = Arc<Vec<Stamped>>;

/// The open journal. Clones share it; the last one dropped writes what is left.
#[derive(Clone)]
pub struct EventJournal {
    shared: Arc<Shared>,
    _writer: Arc<WriterThread>,
}

impl EventJournal {
    /// Opens or makes the journal in `dir`. Sequences go on behind the greater of what the files hold and
    /// `folded`, the last sequence that the database has seen; `Recovered::events` begins behind `after`.
    ///
    /// # Errors
    /// When the system refuses or a file is newer than this program.
    pub fn open(
        dir: &Path,
        clock: SystemClock,
        config: JournalConfig,
        folded: u64,
        after: u64,
    ) -> Result<(EventJournal, Recovered), JournalError> {
        let found = files::recover(dir)?;
        let last_seq = found.last_seq.max(folded);
        let (batches, _) = broadcast::channel(FOLLOWED_BATCHES);
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            config,
            clock,
            state: Mutex::new(State {
                next_seq: last_seq + 1,
                stamper: Stamper::new(clock.now(), clock.wall()),
                queue: Vec::new(),
                phase: Phase::Open,
                synced: last_seq,
                wanted: 0,
                failure: None,
            }),
            work: Condvar::new(),
            done: Condvar::new(),
            batches,
        });
        let writer = writer::spawn(shared.clone(), found.tail)?;
        let thread = Arc::new(WriterThread { shared: shared.clone(), thread: Mutex::new(Some(writer)) });
        let events = Reader::after(dir, after);
        let torn_bytes = found.torn_bytes;
        Ok((EventJournal { shared, _writer: thread }, Recovered { events, last_seq, torn_bytes }))
    }

    /// Takes a fact, stamps it with its sequence and the time, and returns the sequence. Never waits for the disk.
    pub fn append(&self, event: Event) -> u64 {
        self.push(None, event)
    }

    /// As [`append`](EventJournal::append), with the time given: for facts learned later than they happened.
    pub fn append_at(&self, at: WallTime, event: Event) -> u64 {
        self.push(Some(at), event)
    }

    fn push(&self, at: Option<WallTime>, event: Event) -> u64 {
        let clock = self.shared.clock;
        let mut state = self.shared.lock();
        let seq = state.next_seq;
        state.next_seq += 1;
        let at = at.unwrap_or_else(|| state.stamper.stamp(clock.now(), || clock.wall()));
        state.queue.push(Stamped { seq, at, event });
        let first = state.queue.len() == 1;
        let over = state.queue.len() > self.shared.config.capacity;
        drop(state);
        if first {
            self.shared.work.notify_one();
        }
        if over {
            metrics::counter!("hotline_journal_over_capacity_total").increment(1);
        }
        seq
    }

    /// How many events may still wait for the disk. Admission keeps enough of it for each call it lets in.
    pub fn room(&self) -> usize {
        self.shared.config.capacity.saturating_sub(self.shared.lock().queue.len())
    }

    /// The last sequence given out.
    pub fn last_seq(&self) -> u64 {
        self.shared.lock().next_seq - 1
    }

    /// Why the disk refuses at present, in the system's words.
    pub fn failure(&self) -> Option<Arc<str>> {
        self.shared.lock().failure.clone()
    }

    /// The batches written from now on, each in order. A follower that falls behind learns it by `Lagged` and may
    /// read what it missed with [`read_after`](EventJournal::read_after).
    pub fn follow(&self) -> broadcast::Receiver<Batch> {
        self.shared.batches.subscribe()
    }

    /// Reads the files from behind `seq` to what is written.
    pub fn read_after(&self, seq: u64) -> Reader {
        Reader::after(&self.shared.dir, seq)
    }

    /// Waits until all events taken so far are on the disk, at most `limit`; says whether they are.
    pub fn flush(&self, limit: Duration) -> bool {
        let mut state = self.shared.lock();
        let target = state.next_seq - 1;
        state.wanted = state.wanted.max(target);
        self.shared.work.notify_one();
        let waited = self.shared.done.wait_timeout_while(state, limit, |state| state.synced < target);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.synced >= target
    }

    /// Removes the files whose events are all at or before `low_water` and older than `keep`. Returns how many.
    pub fn remove_folded(&self, low_water: u64, keep: Duration) -> Result<usize, JournalError> {
        let now = self.shared.clock.wall();
        files::remove_before(&self.shared.dir, low_water, WallTime(now.0.saturating_sub(micros(keep))))
    }
}

fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

/// How many written batches a follower may lie behind.
const FOLLOWED_BATCHES: usize = 256;

struct Shared {
    dir: PathBuf,
    config: JournalConfig,
    clock: SystemClock,
    state: Mutex<State>,
    /// Wakes the writer.
    work: Condvar,
    /// Wakes those who wait in `flush`.
    done: Condvar,
    batches: broadcast::Sender<Batch>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // What the lock guards is whole after every statement: a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct State {
    next_seq: u64,
    stamper: Stamper,
    queue: Vec<Stamped>,
    phase: Phase,
    /// The last sequence that the disk keeps.
    synced: u64,
    /// Somebody waits for this sequence to be synced.
    wanted: u64,
    failure: Option<Arc<str>>,
}

impl State {
    /// Everything that waits. What comes next finds the room that this took, so that no thread which appends a fact
    /// copies all those before it to a larger place.
    fn take_queue(&mut self) -> Vec<Stamped> {
        let room = self.queue.len().min(KEPT_ROOM);
        std::mem::replace(&mut self.queue, Vec::with_capacity(room))
    }
}

/// Events that room is kept for while none wait.
const KEPT_ROOM: usize = 1_024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Closing,
}

struct WriterThread {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        self.shared.lock().phase = Phase::Closing;
        self.shared.work.notify_all();
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("事件日志的写线程崩溃 / the event journal's writer panicked");
        }
    }
}

#[cfg(test)]
mod tests;
