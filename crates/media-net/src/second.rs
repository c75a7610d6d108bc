//! Owns the copy of the journal in a second place: one thread of the idle class that follows the segments while they grow.
//! Does not own the journal (see [`crate::journal`]), which never waits for it.
//!
//! A segment has the same name and the same bytes in both places, block by block, each checked before it is copied. So a
//! copy that was cut off goes on behind its last whole block, and a program that can read a journal can read its copy. A
//! segment that the journal deletes is still open here, and is copied to its end all the same.

mod follower;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use clock::{Instant, Precedence, SystemClock};
use media::recording::{Place, SEGMENT_HEADER};
use model::event::{Event, NodeFact};

use crate::Facts;
use follower::Follower;

/// Where the journal is copied to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondPlace {
    /// The folder of the copied segments. It must be there: where its disk is not mounted, no other is filled.
    pub folder: PathBuf,
    /// How long a segment stays that the journal itself no longer has.
    pub keep: Duration,
}

/// The second place that holds now, shared with who may change it.
pub type SharedSecond = Arc<RwLock<Option<SecondPlace>>>;

/// How far the journal is written, for who follows it. Clones share it.
#[derive(Clone, Debug)]
pub struct Written(Arc<AtomicU64>);

impl Written {
    /// Nothing is written to segment `first`, nor behind it.
    pub fn before(first: u64) -> Written {
        let written = Written(Arc::default());
        written.note(Place { segment: first, position: SEGMENT_HEADER });
        written
    }

    /// Everything before `end` is written.
    pub fn note(&self, end: Place) {
        self.0.store(end.segment << POSITION_BITS | u64::from(end.position / 8), Ordering::Release);
    }

    /// Behind the block written last.
    pub fn end(&self) -> Place {
        let packed = self.0.load(Ordering::Acquire);
        let position = (packed & ((1 << POSITION_BITS) - 1)) as u32 * 8;
        Place { segment: packed >> POSITION_BITS, position }
    }
}

/// How the copy does, for everybody to read.
#[derive(Debug, Default)]
pub struct Behind {
    /// Bytes that are in the journal and not in the copy.
    pub bytes: AtomicU64,
    /// Milliseconds since the copy had everything; 0 while it has.
    pub millis: AtomicU64,
    /// Bytes that will never be in the copy: the second place refused them for too long.
    pub lost: AtomicU64,
}

/// The copier, before its thread.
pub struct Copier {
    /// The journal's folder.
    pub journal: PathBuf,
    /// Where to.
    pub wanted: SharedSecond,
    /// How far the journal is written.
    pub written: Written,
    /// How the copy does.
    pub behind: Arc<Behind>,
    /// Who is told when the second place refuses.
    pub facts: Facts,
    /// The machine's clocks.
    pub clock: SystemClock,
}

/// Whether the second place was last said to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Works,
    Refuses,
}

impl Copier {
    /// Starts the thread. It ends when `stop` is set and everything is copied, or cannot be.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn(self, stop: Arc<AtomicBool>) -> io::Result<thread::JoinHandle<()>> {
        thread::Builder::new().name("rec-copy".to_owned()).spawn(move || {
            Precedence::Last.take();
            leave_the_disk_to_others();
            self.run(&stop);
        })
    }

    fn run(&self, stop: &AtomicBool) {
        let mut following: Option<(SecondPlace, Follower)> = None;
        let (mut told, mut level_at, mut patience) = (Told::Works, self.clock.now(), Instant::ZERO);
        loop {
            // Read before the last look, so that the last look sees all that was written before.
            let last = stop.load(Ordering::Acquire);
            let wanted = self.wanted.read().unwrap_or_else(PoisonError::into_inner).clone();
            if following.as_ref().map(|(place, _)| place) != wanted.as_ref() {
                (told, level_at) = (Told::Works, self.clock.now());
                following = wanted.map(|place| (place.clone(), Follower::new(self.journal.clone(), place)));
            }
            let now = self.clock.now();
            let (mut bytes, mut lost) = (0, 0);
            if let Some((_, follower)) = &mut following {
                if now >= patience || last {
                    let copied = follower.follow(self.written.end(), self.clock.wall());
                    if copied.is_err() {
                        patience = now + PATIENCE;
                    }
                    told = self.tell(told, copied);
                }
                (bytes, lost) = (follower.behind(self.written.end()), follower.take_lost());
            }
            if bytes == 0 {
                level_at = now;
            }
            self.behind.bytes.store(bytes, Ordering::Relaxed);
            self.behind.millis.store(clock::millis(now.since(level_at)), Ordering::Relaxed);
            self.behind.lost.fetch_add(lost, Ordering::Relaxed);
            if last {
                return;
            }
            // Whoever stops the thread unparks it.
            thread::park_timeout(LOOK);
        }
    }

    fn tell(&self, told: Told, copied: io::Result<()>) -> Told {
        match (told, copied) {
            (Told::Works, Ok(())) => Told::Works,
            (Told::Refuses, Ok(())) => {
                tracing::info!("录音日志副本恢复写入 / the second copy of the journal is written again");
                (self.facts)(Event::Node { fact: NodeFact::CopyResumed });
                Told::Works
            }
            (Told::Works, Err(error)) => {
                tracing::error!(%error, "录音日志副本无法写入 / the second copy of the journal cannot be written");
                let error = Arc::from(error.to_string());
                (self.facts)(Event::Node { fact: NodeFact::CopyFailed { error } });
                Told::Refuses
            }
            (Told::Refuses, Err(_)) => Told::Refuses,
        }
    }
}

/// Lets everybody else go first at the disk.
fn leave_the_disk_to_others() {
    // SAFETY: ioprio_set takes three integers: a thread, the calling one, the idle class.
    let queued = unsafe { libc::syscall(libc::SYS_ioprio_set, 1, 0, 3 << 13) } == 0;
    if !queued {
        tracing::debug!(error = %io::Error::last_os_error(), "the copier keeps its place at the disk");
    }
}

const POSITION_BITS: u32 = 24;

/// How often it is looked for new blocks.
const LOOK: Duration = Duration::from_millis(250);

/// How long a second place that refused is left alone.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
