//! Owns the journal of recordings on disk: one writer thread for the node that appends blocks to segments, chains each
//! recording's blocks, and drops segments nobody needs. Does not own what a block holds (see `media::recording`), nor
//! the playable files (see [`crate::finish`]).

mod last_heard;
pub mod medium;
mod pages;
mod recovery;
mod segments;
mod shelf;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use std::{io, thread};

use clock::{Instant, SystemClock};
use media::recording::{Block, Memory, Place, finished_blocks};
use model::event::NodeFact;
use model::{CallId, RecordingId, TenantId};

use crate::Facts;
use crate::disk::{DiskWatch, Writing};
use crate::finish::Job;
use crate::second::Written;
pub use last_heard::{held, last_heard};
use medium::{Medium, SegmentFile};
pub use recovery::{Recovered, recover};
use segments::Segments;
pub use segments::{segment_path, segments_in};
use shelf::Shelf;

/// Blocks that may wait for the disk. A worker never waits: what does not fit is dropped and counted.
const RING: usize = 8_192;

/// How often what was written is made to survive a power cut.
const SYNC: Duration = Duration::from_secs(1);

/// After a block others are waited for so long, to be written with it: a write costs less for many, and a writer that is
/// woken for each costs whoever sends.
const GATHERS: Duration = Duration::from_millis(20);

/// How long the writer leaves a disk alone that refused a new segment.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the writer is told.
#[derive(Debug)]
pub enum ToJournal {
    /// A block of a running recording.
    Block(Block),
    /// A recording ended; its blocks came before.
    Closed(Ended),
    /// These recordings have their playable file.
    Finished(Vec<RecordingId>),
    /// No block will come any more: the finisher may come to its end.
    Stop,
    /// The finisher has ended, and so does the writer.
    End,
}

/// Which recording ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its id.
    pub recording: RecordingId,
    /// The call it belongs to.
    pub call: CallId,
    /// Whose.
    pub tenant: TenantId,
}

/// A worker's end of the ring.
#[derive(Clone, Debug)]
pub struct JournalInlet {
    ring: SyncSender<ToJournal>,
    dropped: Arc<AtomicU64>,
    memory: Memory,
}

impl JournalInlet {
    /// Hands a block over without waiting. `false`: the ring is full and the block is lost and counted.
    pub fn block(&self, block: Block) -> bool {
        let kept = self.ring.try_send(ToJournal::Block(block)).is_ok();
        if !kept {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        kept
    }

    /// Where blocks are built: the writer lays in what they need, and gives back what is written.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Tells of a recording's end without waiting.
    ///
    /// # Errors
    /// Gives it back when the ring is full: it must be told again.
    pub fn closed(&self, ended: Ended) -> Result<(), Ended> {
        match self.ring.try_send(ToJournal::Closed(ended)) {
            // Without a writer nothing is left to be told.
            Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(()),
            Err(TrySendError::Full(ToJournal::Closed(ended))) => Err(ended),
            Err(TrySendError::Full(_)) => Ok(()),
        }
    }

    /// For threads that may wait.
    pub fn waiting(&self) -> SyncSender<ToJournal> {
        self.ring.clone()
    }

    /// Blocks lost so far because the disk was too slow or refused.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// The writer, before its thread.
pub struct Journal {
    ring: Receiver<ToJournal>,
    jobs: Option<Sender<Job>>,
    segments: Segments,
    shelf: Shelf,
    dropped: Arc<AtomicU64>,
    facts: Facts,
    clock: SystemClock,
    health: Health,
    disk: DiskWatch,
    written: Written,
    /// Blocks that are gathered and not yet written: of which recording each is, and where.
    gathered: Vec<(RecordingId, Place)>,
    memory: Memory,
}

/// Whether the writer goes on.
#[derive(Clone, Copy, PartialEq)]
enum Go {
    On,
    End,
}

/// How the disk does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Health {
    Fine,
    /// Told once; tried again from then on.
    Refusing {
        retry: Instant,
    },
}

impl Journal {
    /// A writer on `medium` that goes on behind what [`recover`] found below `folder`.
    pub fn new(
        (medium, folder): (Arc<dyn Medium>, PathBuf),
        recovered: Recovered,
        jobs: Sender<Job>,
        disk: DiskWatch,
        clock: SystemClock,
    ) -> (Journal, JournalInlet) {
        let facts = disk.facts();
        let written = Written::before(recovered.next_segment);
        let (inlet, ring) = sync_channel(RING);
        let (dropped, memory) = (Arc::new(AtomicU64::new(0)), Memory::default());
        let journal = Journal {
            ring,
            jobs: Some(jobs),
            segments: Segments::new(medium, folder, recovered.next_segment),
            shelf: recovered.shelf,
            dropped: Arc::clone(&dropped),
            facts,
            clock,
            health: Health::Fine,
            disk,
            written,
            gathered: Vec::new(),
            memory: memory.clone(),
        };
        (journal, JournalInlet { ring: inlet, dropped, memory })
    }

    /// How far it is written, for who follows it.
    pub fn written(&self) -> Written {
        self.written.clone()
    }

    /// Starts the thread. It ends when it is told to.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn(self) -> io::Result<thread::JoinHandle<()>> {
        let (syncs, asked) = sync_channel::<Vec<Arc<dyn SegmentFile>>>(1);
        let facts = self.facts.clone();
        // A slow fdatasync must not hold up the ring: it has a thread of its own.
        thread::Builder::new().name("rec-sync".to_owned()).spawn(move || {
            for file in asked.into_iter().flatten() {
                if let Err(error) = file.sync() {
                    tell(&facts, &error);
                }
            }
        })?;
        thread::Builder::new().name("rec-write".to_owned()).spawn(move || self.run(&syncs))
    }

    fn run(mut self, syncs: &SyncSender<Vec<Arc<dyn SegmentFile>>>) {
        self.drop_unneeded();
        self.look();
        let mut next_sync = self.clock.now() + SYNC;
        loop {
            let wait = next_sync.since(self.clock.now());
            match self.ring.recv_timeout(wait) {
                Ok(ToJournal::End) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(told) => {
                    if self.take_all(told) == Go::End {
                        break;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.clock.now() >= next_sync {
                next_sync = self.clock.now() + SYNC;
                self.look();
                let files = self.segments.take_unsynced();
                // While a sync still runs, the next second asks again.
                if !files.is_empty()
                    && let Err(TrySendError::Full(files)) = syncs.try_send(files)
                {
                    self.segments.ask_again(files);
                }
            }
        }
        self.close();
    }

    /// Does what it is told, and what it is told in the moment after a block.
    fn take_all(&mut self, told: ToJournal) -> Go {
        if matches!(told, ToJournal::Block(_)) {
            // Nobody unparks it: it is the pause that is wanted, and a shorter one is as good.
            thread::park_timeout(GATHERS);
        }
        self.take(told);
        while let Ok(told) = self.ring.try_recv() {
            if matches!(told, ToJournal::End) {
                self.flush();
                return Go::End;
            }
            self.take(told);
        }
        self.flush();
        self.lay_in();
        Go::On
    }

    /// Has memory at hand for the blocks of as many calls as there are: workers do not wait for the system.
    fn lay_in(&self) {
        if self.memory.was_short()
            && let Some(page) = pages::large_page()
        {
            self.memory.lay_in(page);
        }
    }

    /// Looks after the disk: room, whether it takes segments again that it refused, and whether the one that grows is
    /// there.
    fn look(&mut self) {
        if self.segments.leave_deleted() {
            let why = "录音日志正在写的文件被删除 / the segment that was being written is deleted";
            tell(&self.facts, &io::Error::new(io::ErrorKind::NotFound, why));
        }
        if let Health::Refusing { retry } = self.health
            && retry <= self.clock.now()
            && self.segments.probe(self.clock.wall()).is_ok()
        {
            self.health = Health::Fine;
        }
        self.disk.look(match self.health {
            Health::Fine => Writing::Works,
            Health::Refusing { .. } => Writing::Refused,
        });
    }

    /// Does what it is told; blocks are gathered until [`Journal::flush`].
    pub fn take(&mut self, told: ToJournal) {
        match told {
            ToJournal::Block(block) => self.append(block),
            ToJournal::Closed(ended) => {
                self.flush();
                let job = Job { last: self.shelf.last(ended.recording), ended };
                // Without a finisher the next start finds the recording.
                let _ = self.jobs.as_ref().map(|jobs| jobs.send(job));
            }
            ToJournal::Finished(recordings) => {
                self.flush();
                for recording in &recordings {
                    self.shelf.finished(*recording);
                }
                self.mark(&recordings);
                self.drop_unneeded();
            }
            ToJournal::Stop => self.jobs = None,
            // The loop ends on it.
            ToJournal::End => {}
        }
    }

    fn append(&mut self, block: Block) {
        let recording = block.recording();
        if !self.segments.takes(block.size()) {
            self.flush();
        }
        let before = self.gathered.iter().rev().find(|(known, _)| *known == recording);
        let previous = before.map(|(_, place)| *place).or_else(|| self.shelf.last(recording));
        match self.gather(block, previous) {
            Some(place) => self.gathered.push((recording, place)),
            None => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Writes what was gathered. What the disk refuses is dropped and counted.
    pub fn flush(&mut self) {
        if self.gathered.is_empty() {
            return;
        }
        let written = self.segments.flush();
        if self.is_fine(written) {
            let shelf = &mut self.shelf;
            let news = self.gathered.drain(..).filter(|(recording, place)| shelf.wrote(*recording, *place));
            if news.count() > 0 {
                self.drop_unneeded();
            }
        } else {
            self.dropped.fetch_add(self.gathered.drain(..).count() as u64, Ordering::Relaxed);
        }
    }

    /// Writes which recordings are finished; nothing depends on it being there but the work of the next start.
    fn mark(&mut self, recordings: &[RecordingId]) {
        self.flush();
        for block in finished_blocks(recordings) {
            let place = self.gather(block, None);
            let written = self.segments.flush();
            if let (Some(place), true) = (place, self.is_fine(written)) {
                self.shelf.marked(recordings, place.segment);
            }
        }
    }

    /// Where `block` will stand; `None` while the disk refuses.
    fn gather(&mut self, block: Block, previous: Option<Place>) -> Option<Place> {
        if let Health::Refusing { retry } = self.health
            && retry > self.clock.now()
        {
            return None;
        }
        let gathered = self.segments.gather(block, previous, self.clock.wall());
        let place = gathered.as_ref().ok().copied();
        if place.is_none() {
            self.is_fine(gathered.map(|_| ()));
        }
        place
    }

    /// Whether the disk took what it was given; how it does is told when that changes.
    fn is_fine(&mut self, result: io::Result<()>) -> bool {
        match result {
            Ok(()) => {
                if let Some(end) = self.segments.end() {
                    self.written.note(end);
                }
                if self.health != Health::Fine {
                    tracing::info!("录音日志恢复写入 / the recording journal is written again");
                    self.health = Health::Fine;
                }
                true
            }
            Err(error) => {
                if self.health == Health::Fine {
                    tell(&self.facts, &error);
                }
                self.health = Health::Refusing { retry: self.clock.now() + PATIENCE };
                false
            }
        }
    }

    /// Deletes segments that no unfinished recording needs.
    fn drop_unneeded(&mut self) {
        while let Some(segment) = self.shelf.unneeded(self.segments.current()) {
            let marks = self.shelf.drop_segment(segment);
            // Marks outlive their segment as long as blocks of their recordings stand in others.
            self.mark(&marks);
            self.segments.delete(segment);
        }
    }

    fn close(mut self) {
        if self.shelf.is_empty() {
            self.segments.delete_all();
            return;
        }
        for file in self.segments.take_unsynced() {
            if let Err(error) = file.sync() {
                tell(&self.facts, &error);
            }
        }
    }
}

/// Tells the node that recordings cannot be written.
fn tell(facts: &Facts, error: &io::Error) {
    tracing::error!(%error, "录音日志无法写入 / the recording journal cannot be written");
    facts(model::event::Event::Node { fact: NodeFact::DiskFailed { error: Arc::from(error.to_string()) } });
}

#[cfg(test)]
mod tests;
