//! Owns the thread that writes the journal. Nobody waits for it but those who ask to.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use clock::Instant;
use model::event::{Event, NodeFact, Stamped};

use super::files::{self, Tail};
use super::frame::{self, HEADER};
use super::{JournalError, Phase, Shared};

/// How long a refusing disk is left alone.
const RETRY: Duration = Duration::from_secs(1);
/// A closing journal gives a refusing disk this many more chances.
const LAST_CHANCES: u32 = 3;

pub(super) fn spawn(shared: Arc<Shared>, tail: Option<Tail>) -> Result<JoinHandle<()>, JournalError> {
    let path = shared.dir.clone();
    let mut writer =
        Writer { shared, tail, buffer: Vec::new(), unsynced: None, synced_to: 0, last_chances: LAST_CHANCES };
    std::thread::Builder::new()
        .name("event-journal".into())
        .spawn(move || writer.run())
        .map_err(|source| JournalError::Io { path, source })
}

struct Writer {
    shared: Arc<Shared>,
    tail: Option<Tail>,
    buffer: Vec<u8>,
    /// Since when something is written and not synced.
    unsynced: Option<Instant>,
    synced_to: u64,
    last_chances: u32,
}

enum Next {
    /// Write these, if any; sync now, if asked.
    Batch(Vec<Stamped>, Sync),
    End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sync {
    Now,
    WhenDue,
}

impl Writer {
    fn run(&mut self) {
        while let Next::Batch(batch, sync) = self.wait() {
            if !batch.is_empty() && !self.keep(batch) {
                return;
            }
            let now = self.shared.clock.now();
            let due = self.unsynced.is_some_and(|since| now.since(since) >= self.shared.config.sync_every);
            if due || sync == Sync::Now {
                self.sync();
            }
        }
        self.sync();
    }

    /// Waits for events, for the time to sync, for somebody who wants a sync, or for the end.
    fn wait(&self) -> Next {
        let shared = &self.shared;
        let mut state = shared.lock();
        loop {
            let wanted = state.wanted > state.synced;
            if state.phase == Phase::Closing || wanted {
                let batch = state.take_queue();
                if batch.is_empty() && state.phase == Phase::Closing {
                    return Next::End;
                }
                return Next::Batch(batch, Sync::Now);
            }
            if !state.queue.is_empty() {
                // Others are about to come: one write for all of them.
                let gathered = shared.work.wait_timeout(state, shared.config.gather);
                state = gathered.unwrap_or_else(PoisonError::into_inner).0;
                return Next::Batch(state.take_queue(), Sync::WhenDue);
            }
            let Some(since) = self.unsynced else {
                state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = shared.config.sync_every.saturating_sub(shared.clock.now().since(since));
            if left.is_zero() {
                return Next::Batch(Vec::new(), Sync::Now);
            }
            state = shared.work.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Writes `batch`, however long the disk refuses; says whether it is written. Gives up only in closing.
    fn keep(&mut self, batch: Vec<Stamped>) -> bool {
        loop {
            match self.write(&batch) {
                Ok(()) => break,
                Err(error) => {
                    self.report(&error);
                    if !self.may_retry() {
                        tracing::error!(
                            events = batch.len(),
                            "事件丢失: 磁盘拒绝写入 / events lost: the disk refuses"
                        );
                        return false;
                    }
                }
            }
        }
        let written = batch.last().map_or(0, |stamped| stamped.seq);
        self.shared.lock().failure = None;
        self.unsynced.get_or_insert(self.shared.clock.now());
        self.synced_to = self.synced_to.max(written);
        // Nobody may be following: that is no error.
        let _ = self.shared.batches.send(Arc::new(batch));
        true
    }

    fn write(&mut self, batch: &[Stamped]) -> io::Result<()> {
        let Some(first) = batch.first() else { return Ok(()) };
        if self.tail.as_ref().is_none_or(|tail| tail.bytes >= self.shared.config.segment_bytes) {
            self.begin_file(first.seq)?;
        }
        self.buffer.clear();
        for stamped in batch {
            if let Err(error) = frame::encode(stamped, &mut self.buffer) {
                // Such an event would be refused for ever and hold up all others.
                metrics::counter!("hotline_journal_unwritable_total").increment(1);
                tracing::error!(seq = stamped.seq, %error, "事件无法写成 JSON / an event cannot be written as JSON");
            }
        }
        let Some(tail) = &mut self.tail else { return Err(io::Error::other("no file")) };
        match tail.file.write_all(&self.buffer) {
            Ok(()) => {
                tail.bytes += self.buffer.len() as u64;
                self.buffer.shrink_to(KEPT_BUFFER);
                Ok(())
            }
            Err(error) => {
                // What was written of it is taken back; a reader passes over it where even that fails.
                if tail.file.set_len(tail.bytes).is_err() {
                    self.tail = None;
                }
                Err(error)
            }
        }
    }

    fn begin_file(&mut self, first_seq: u64) -> io::Result<()> {
        if let Some(full) = &self.tail {
            full.file.sync_data()?;
        }
        let path = files::path_of(&self.shared.dir, first_seq);
        let mut file = new_file(&path)?;
        // An attempt that failed may have left a piece of a header.
        file.set_len(0)?;
        file.write_all(HEADER)?;
        File::open(&self.shared.dir)?.sync_all()?;
        self.tail = Some(Tail { file, bytes: HEADER.len() as u64 });
        Ok(())
    }

    fn sync(&mut self) {
        let mut kept = self.synced_to;
        if self.unsynced.take().is_some()
            && let Some(tail) = &self.tail
            && let Err(error) = tail.file.sync_data()
        {
            metrics::counter!("hotline_journal_sync_failures_total").increment(1);
            self.report(&error);
            // What the disk failed to keep may be gone from its cache: later events go to a new file.
            self.tail = None;
            kept = 0;
        }
        let mut state = self.shared.lock();
        state.synced = state.synced.max(kept);
        state.wanted = 0;
        drop(state);
        self.shared.done.notify_all();
    }

    /// Says once, in the log and as a fact, that the disk refuses.
    fn report(&self, error: &io::Error) {
        metrics::counter!("hotline_journal_write_failures_total").increment(1);
        let mut state = self.shared.lock();
        let words: Arc<str> = error.to_string().into();
        if state.failure.as_ref() == Some(&words) {
            return;
        }
        state.failure = Some(words.clone());
        let seq = state.next_seq;
        state.next_seq += 1;
        let clock = self.shared.clock;
        let at = state.stamper.stamp(clock.now(), || clock.wall());
        state.queue.push(Stamped {
            seq,
            at,
            event: Event::Node { fact: NodeFact::DiskFailed { error: words } },
        });
        drop(state);
        tracing::error!(%error, "事件日志写不进磁盘 / the event journal cannot be written");
    }

    /// Leaves the disk alone for a while; false when the journal closes and has no chance left.
    fn may_retry(&mut self) -> bool {
        let state = self.shared.lock();
        let open = |state: &mut super::State| state.phase == Phase::Open;
        let waited = self.shared.work.wait_timeout_while(state, RETRY, open);
        let closing = waited.unwrap_or_else(PoisonError::into_inner).0.phase == Phase::Closing;
        if closing {
            self.last_chances = self.last_chances.saturating_sub(1);
        }
        self.last_chances > 0
    }
}

/// The buffer that is kept between batches, in bytes.
const KEPT_BUFFER: usize = 256 << 10;

fn new_file(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}
