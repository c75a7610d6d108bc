//! Owns the making of playable files: one thread of low priority that follows ended recordings through the journal. Does
//! not own the samples (see `media::finisher`), nor when segments go (see [`crate::journal`]).
//!
//! Recordings that end in the same second are finished together: waiting for the disk costs as much for one as for all.

mod chain;
mod files;
mod pace;
mod uncached;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use clock::{Precedence, SystemClock, WallTime};
use media::finisher::{Checksum, Sum, Survey};
use media::recording::Place;
use media::recording::manifest::{Deed, Entry};
use model::event::{Event, RecordingFact};
use model::recording::{BESIDE, TIMELINE, TalkShares};
use model::{RecordingId, TenantId};

use crate::Facts;
use crate::disk::{self, SharedLimits};
use crate::expiry::Expiry;
use crate::journal::{Ended, ToJournal};
use crate::manifest::Manifest;
use chain::Chain;
use files::{Folders, Fresh};
use pace::Pace;
use uncached::Memory;

/// How long a disk that refused a file is left alone.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is looked for files whose time is over.
const LOOK: Duration = Duration::from_secs(30);

/// Recordings are finished once in this time, those together that ended in it.
const GATHERS: Duration = Duration::from_secs(1);

/// How many recordings are finished together at the most.
const BATCH: usize = 64;

/// A recording that waits for its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Which.
    pub ended: Ended,
    /// Its last block; `None` when none reached the disk.
    pub last: Option<Place>,
}

/// A file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Path below the data folder.
    pub path: String,
    /// Length.
    pub millis: u64,
    /// Size.
    pub bytes: u64,
    /// SHA-256, hex.
    pub sha256: String,
    /// Who speaks for how long, when that is known.
    pub shares: Option<TalkShares>,
    /// The files beside it, by their path below the data folder.
    pub beside: Vec<(String, Sum)>,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// The disk refuses; it is tried again.
    #[error("{0}")]
    Disk(#[from] io::Error),
    /// No block of it can be read.
    #[error("日志中没有这段录音的数据 / the journal holds no block of this recording")]
    Nothing,
}

/// The finisher's thread.
pub struct Finisher {
    /// The data folder.
    pub data: PathBuf,
    /// The journal's folder.
    pub journal: PathBuf,
    /// Who is told of finished files.
    pub facts: Facts,
    /// The journal, which then forgets them.
    pub done: SyncSender<ToJournal>,
    /// Where each file is entered before anybody is told of it.
    pub manifest: Manifest,
    /// How long files are kept.
    pub limits: SharedLimits,
    /// The machine's clocks.
    pub clock: SystemClock,
}

impl Finisher {
    /// Starts the thread. It ends when all senders of `jobs` are gone and the last job is done.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn(mut self, jobs: Receiver<Job>) -> io::Result<thread::JoinHandle<()>> {
        thread::Builder::new().name("rec-finish".to_owned()).spawn(move || {
            Precedence::Last.take();
            self.run(&jobs);
        })
    }

    fn run(&mut self, jobs: &Receiver<Job>) {
        let (mut due, mut refused) = (Vec::new(), Vec::new());
        let mut batch = Batch::new(&self.journal, Pace::beside_calls(self.clock));
        let begun = self.clock.now();
        let (mut next_look, mut next_batch, mut next_try) = (begun, begun, begun);
        loop {
            let now = self.clock.now();
            if now >= next_look {
                self.expire();
                next_look = self.clock.now() + LOOK;
            }
            if now >= next_try {
                due.append(&mut refused);
            }
            if due.len() >= BATCH || (now >= next_batch && !due.is_empty()) {
                refused.extend(self.finish(&mut batch, due.drain(..due.len().min(BATCH)).collect()));
                next_batch = now.max(self.clock.now()) + GATHERS;
                next_try = next_batch + PATIENCE;
                continue;
            }
            let ready = (!due.is_empty()).then_some(next_batch);
            let again = (!refused.is_empty()).then_some(next_try);
            let next = [ready, again].into_iter().flatten().fold(next_look, Ord::min);
            match jobs.recv_timeout(next.since(now)) {
                Ok(job) => due.push(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        // What the disk refuses to the end is finished by the next start.
        due.append(&mut refused);
        for jobs in due.chunks(BATCH) {
            self.finish(&mut batch, jobs.to_vec());
        }
    }

    /// Makes files and tells of them. Those jobs come back that the disk refused.
    fn finish(&mut self, batch: &mut Batch, jobs: Vec<Job>) -> Vec<Job> {
        let (mut found, mut refused) = (Vec::new(), Vec::new());
        for job in jobs {
            match begin(&self.data, batch, &job) {
                Ok(files) => found.push((job, files)),
                Err(error @ FinishError::Nothing) => {
                    tracing::error!(recording = %job.ended.recording, call = %job.ended.call, %error, "recording lost");
                    self.tell(job.ended, RecordingFact::Failed { error: Arc::from(error.to_string()) });
                }
                Err(FinishError::Disk(error)) => refused.extend(not_yet(job, &error)),
            }
        }
        let fresh = found.iter().filter_map(|(_, begun)| begun.fresh());
        let entered = files::name(fresh, &batch.folders).and_then(|()| self.enter(&found));
        batch.close();
        match entered {
            Ok(all) => {
                let recordings: Vec<RecordingId> = found.iter().map(|(job, _)| job.ended.recording).collect();
                for ((job, _), made) in found.into_iter().zip(all) {
                    self.tell(job.ended, finished(made));
                }
                if !recordings.is_empty() {
                    // A journal that has ended learns it from the files at its next start.
                    let _ = self.done.send(ToJournal::Finished(recordings));
                }
            }
            Err(error) => refused.extend(found.into_iter().flat_map(|(job, _)| not_yet(job, &error))),
        }
        refused
    }

    fn tell(&self, ended: Ended, fact: RecordingFact) {
        let Ended { recording, call, tenant } = ended;
        (self.facts)(Event::Recording { tenant, call, recording, fact });
    }

    /// Deletes files whose time is over.
    fn expire(&mut self) {
        let (limits, now) = (disk::current(&self.limits), self.clock.wall());
        let (data, facts, manifest) = (&self.data, &self.facts, &mut self.manifest);
        if let Err(error) = (Expiry { data, manifest, facts, limits, now }).look() {
            tracing::error!(%error, "到期录音无法删除 / recordings whose time is over cannot be deleted");
        }
    }

    /// Enters files in the manifest, each once; what holds of each.
    fn enter(&mut self, found: &[(Job, Begun)]) -> io::Result<Vec<Made>> {
        let at = self.clock.wall();
        let (mut entries, mut all) = (Vec::new(), Vec::new());
        for (job, begun) in found {
            let made = begun.made().clone();
            // Its maker may have come as far as the manifest: what stands there holds.
            let kept = match begun {
                Begun::Fresh(_) => None,
                Begun::There(_) => self.manifest.kept(job.ended.recording)?,
            };
            all.push(match kept {
                Some(Entry { bytes, sha256, path, .. }) => Made { bytes, sha256, path, ..made },
                None => {
                    entries.extend(lines(at, &job.ended, &made));
                    made
                }
            });
        }
        self.manifest.append_all(&entries)?;
        Ok(all)
    }
}

/// The manifest's lines of a recording.
fn lines(at: WallTime, ended: &Ended, made: &Made) -> Vec<Entry> {
    let Ended { recording, call, tenant } = ended;
    let entry = |deed, path: &str, bytes, sha256: &str| {
        let (recording, call, tenant) = (*recording, *call, tenant.clone());
        Entry { at, deed, recording, call, tenant, bytes, sha256: sha256.to_owned(), path: path.to_owned() }
    };
    let beside = made.beside.iter();
    let mut lines: Vec<Entry> =
        beside.map(|(path, sum)| entry(Deed::Beside, path, sum.bytes, &sum.sha256)).collect();
    // Last, so that its line says that all lines are there.
    lines.push(entry(Deed::Kept, &made.path, made.bytes, &made.sha256));
    lines
}

fn finished(made: Made) -> RecordingFact {
    RecordingFact::Finished {
        path: Arc::from(made.path),
        millis: made.millis,
        bytes: made.bytes,
        sha256: Arc::from(made.sha256),
        shares: made.shares,
    }
}

/// The disk refused it.
fn not_yet(job: Job, error: &io::Error) -> Option<Job> {
    tracing::error!(recording = %job.ended.recording, call = %job.ended.call, %error, "recording not yet finished");
    Some(job)
}

/// A recording's file, as far as it is before it is named.
#[derive(Debug)]
enum Begun {
    /// Written now.
    Fresh(Fresh),
    /// It was there before.
    There(Made),
}

impl Begun {
    fn fresh(&self) -> Option<&Fresh> {
        match self {
            Begun::Fresh(fresh) => Some(fresh),
            Begun::There(_) => None,
        }
    }

    fn made(&self) -> &Made {
        match self {
            Begun::Fresh(fresh) => &fresh.made,
            Begun::There(made) => made,
        }
    }
}

/// What recordings that are finished together share. Its memory serves one batch after the other: giving megabytes back and
/// asking for them anew would cost more than reading the journal, and holds up whoever else asks meanwhile.
#[derive(Debug)]
struct Batch {
    chain: Chain,
    folders: Folders,
    memory: Memory,
}

impl Batch {
    fn new(journal: &Path, pace: Pace) -> Batch {
        Batch { chain: Chain::new(journal, pace), folders: Folders::default(), memory: Memory::default() }
    }

    /// Closes what it has open.
    fn close(&mut self) {
        self.chain.close();
        self.folders = Folders::default();
    }
}

/// Writes the file of `job` below `data`, not yet by its name; one that is there already is taken as it is.
fn begin(data: &Path, batch: &mut Batch, job: &Job) -> Result<Begun, FinishError> {
    let Batch { chain, folders, .. } = batch;
    let last = job.last.ok_or(FinishError::Nothing)?;
    chain.follow(job.ended.recording, last)?;
    let mut survey = Survey::default();
    chain.each(|block| {
        survey.block(block);
        Ok(())
    })?;
    let plan = survey.plan().ok_or(FinishError::Nothing)?;
    let path = relative_path(&job.ended, plan.head().started);
    let target = data.join(&path);
    // A file gets its name when it is complete: one that is there was made before.
    if target.exists() {
        // Its maker may not have come as far as waiting for the disk.
        folders.begin(target.parent().unwrap_or(&target))?;
        return Ok(Begun::There(already_made(&target, path)?));
    }
    Ok(Begun::Fresh(files::write((&target, path), plan, batch)?))
}

/// Makes the file of `job` below `data`; one that is there already is taken as it is.
///
/// # Errors
/// When the disk refuses, or nothing of the recording is in the journal.
pub fn make(data: &Path, journal: &Path, job: &Job) -> Result<Made, FinishError> {
    let mut batch = Batch::new(journal, Pace::alone());
    let begun = begin(data, &mut batch, job)?;
    files::name(begun.fresh().into_iter(), &batch.folders)?;
    Ok(match begun {
        Begun::Fresh(fresh) => fresh.made,
        Begun::There(made) => made,
    })
}

/// The path of the file with the ending `kind` beside the one at `path`.
fn beside(path: &str, kind: &str) -> String {
    format!("{}.{kind}", path.strip_suffix(".wav").unwrap_or(path))
}

fn already_made(target: &Path, path: String) -> io::Result<Made> {
    let mut header = Vec::new();
    File::open(target)?.take(64).read_to_end(&mut header)?;
    let millis = media::wav::stereo_millis(&header).unwrap_or_default();
    let (bytes, sha256) = checksum_of(target)?;
    let mut files = Vec::new();
    for kind in BESIDE {
        match checksum_of(&target.with_extension(kind)) {
            Ok((bytes, sha256)) => files.push((beside(&path, kind), Sum { bytes, sha256 })),
            // An earlier version made it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let shares = told_shares(&target.with_extension(TIMELINE));
    Ok(Made { path, millis, bytes, sha256, shares, beside: files })
}

/// Who speaks for how long, as the file of events at `path` says.
fn told_shares(path: &Path) -> Option<TalkShares> {
    #[derive(serde::Deserialize)]
    struct Told {
        shares: TalkShares,
    }
    let told: Told = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    Some(told.shares)
}

/// Size and SHA-256 in lower-case hex of a file.
///
/// # Errors
/// When it cannot be read.
pub fn checksum_of(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 64 * 1024];
    let (mut checksum, mut bytes) = (Checksum::default(), 0);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((bytes, checksum.hex())),
            read => {
                bytes += read as u64;
                checksum.update(&buffer[..read]);
            }
        }
    }
}

/// `recordings/<tenant>/YYYY/MM/DD/<recording>.wav`, by the date of the beginning in China.
fn relative_path(ended: &Ended, started: WallTime) -> String {
    path_of(&ended.tenant, ended.recording, started)
}

/// The same of a recording of `tenant`.
pub(crate) fn path_of(tenant: &TenantId, recording: RecordingId, started: WallTime) -> String {
    let (year, month, day) = date(started);
    let tenant: String =
        tenant.as_str().chars().map(|c| if c == '/' || c == '\\' || c == '\0' { '_' } else { c }).collect();
    let tenant = if tenant.chars().all(|c| c == '.') { "_".repeat(tenant.len().max(1)) } else { tenant };
    format!("recordings/{tenant}/{year:04}/{month:02}/{day:02}/{recording}.wav")
}

/// Year, month and day of `at` in China, which has one time zone and no summer time.
pub(crate) fn date(at: WallTime) -> (i64, i64, i64) {
    const CHINA_SECS: i64 = 8 * 3_600;
    clock::civil_of_epoch_day((at.as_secs() + CHINA_SECS).div_euclid(86_400))
}

#[cfg(test)]
mod tests;
