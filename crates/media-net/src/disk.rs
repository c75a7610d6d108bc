//! Owns how much room the disk of recordings has, and what follows from it: who is told that it is low, full, or
//! refuses. Does not own what a call does then (see `call`).

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use model::event::{DiskState, Event, NodeFact};

use crate::Facts;

/// How long recordings are kept, and how much room they leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordingLimits {
    /// Files go after so many days; `None`: never.
    pub keep_days: Option<u32>,
    /// A full disk may take files early, but none younger than this; `None`: it may not.
    pub min_keep_days: Option<u32>,
    /// Below so many free bytes the disk is low; 0: never.
    pub warn_free: u64,
    /// Below so many free bytes the disk is full; 0: never.
    pub limit_free: u64,
}

/// The limits that hold now, shared with who may change them.
pub type SharedLimits = Arc<RwLock<RecordingLimits>>;

/// The limits that hold now.
pub fn current(limits: &SharedLimits) -> RecordingLimits {
    *limits.read().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the journal's last write succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// It did.
    Works,
    /// The disk refused it.
    Refused,
}

/// How the disk does, for everybody to read.
#[derive(Debug, Default)]
pub struct DiskFigures {
    /// Free bytes.
    pub free: AtomicU64,
    /// Whether no recording begins.
    pub full: AtomicBool,
}

/// What was last told of the disk.
pub struct DiskWatch {
    data: PathBuf,
    limits: SharedLimits,
    facts: Facts,
    told: DiskState,
    figures: Arc<DiskFigures>,
}

impl DiskWatch {
    /// Of the disk below `data`, which is believed to be fine.
    pub fn new(data: PathBuf, limits: SharedLimits, facts: Facts) -> DiskWatch {
        DiskWatch { data, limits, facts, told: DiskState::Fine, figures: Arc::default() }
    }

    /// Who is told.
    pub fn facts(&self) -> Facts {
        Arc::clone(&self.facts)
    }

    /// What it finds, from now on.
    pub fn figures(&self) -> Arc<DiskFigures> {
        Arc::clone(&self.figures)
    }

    /// Looks how much room there is, and tells what became different.
    pub fn look(&mut self, writing: Writing) {
        let free = free_bytes(&self.data);
        let state = match (&free, writing) {
            (Ok(free), Writing::Works) => state_of(*free, current(&self.limits)),
            _ => DiskState::Refusing,
        };
        self.figures.free.store(*free.as_ref().unwrap_or(&0), Ordering::Relaxed);
        if state == self.told {
            return;
        }
        self.told = state;
        let free_bytes = free.unwrap_or_default();
        match state {
            DiskState::Fine => {
                tracing::info!(free_bytes, "录音磁盘恢复正常 / the disk of recordings is fine again")
            }
            DiskState::Low => {
                tracing::warn!(free_bytes, "录音磁盘空间不足 / the disk of recordings runs low")
            }
            DiskState::Full | DiskState::Refusing => {
                tracing::error!(
                    free_bytes,
                    ?state,
                    "录音磁盘已满或出错 / the disk of recordings takes no more"
                );
            }
        }
        (self.facts)(Event::Node { fact: NodeFact::DiskBecame { state, free_bytes } });
        // Who reads it there finds everybody told.
        self.figures.full.store(!state.keeps_recordings(), Ordering::Release);
    }
}

fn state_of(free: u64, limits: RecordingLimits) -> DiskState {
    if free < limits.limit_free {
        DiskState::Full
    } else if free < limits.warn_free {
        DiskState::Low
    } else {
        DiskState::Fine
    }
}

/// Bytes that this process may still write on the disk that holds `path`.
///
/// # Errors
/// When the system does not know.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut found = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` ends with a zero, and `found` has room for what the call writes.
    if unsafe { libc::statvfs(path.as_ptr(), found.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so that it filled the structure.
    let found = unsafe { found.assume_init() };
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::testing::TempFolder;

    #[test]
    fn each_state_is_told_when_it_begins_and_only_then() {
        let folder = TempFolder::new("disk");
        let limits = SharedLimits::default();
        let (fact, told) = channel();
        let facts: Facts = Arc::new(move |event| drop(fact.send(event)));
        let mut watch = DiskWatch::new(folder.path().to_owned(), Arc::clone(&limits), facts);
        let mut states = |warn_free, limit_free, writing| {
            *limits.write().unwrap() = RecordingLimits { warn_free, limit_free, ..Default::default() };
            watch.look(writing);
            watch.look(writing);
            let told: Vec<DiskState> = told
                .try_iter()
                .map(|event| match event {
                    Event::Node { fact: NodeFact::DiskBecame { state, .. } } => state,
                    other => panic!("{other:?}"),
                })
                .collect();
            told
        };
        assert_eq!(states(0, 0, Writing::Works), []);
        assert_eq!(states(u64::MAX, 0, Writing::Works), [DiskState::Low]);
        assert_eq!(states(u64::MAX, u64::MAX, Writing::Works), [DiskState::Full]);
        assert_eq!(states(0, 0, Writing::Refused), [DiskState::Refusing]);
        assert_eq!(states(0, 0, Writing::Works), [DiskState::Fine]);
    }
}
