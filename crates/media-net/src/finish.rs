//! Owns the making of playable files: one thread of low priority that follows each ended recording through the
//! journal. Does not own the samples (see `media::finisher`), nor when segments go (see [`crate::journal`]).

mod chain;

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use clock::{SystemClock, WallTime};
use media::finisher::{Checksum, Files, Plan, Stereo, Sum, Survey};
use media::recording::Place;
use media::recording::manifest::{Deed, Entry};
use model::event::{Event, RecordingFact};
use model::recording::{BESIDE, PEAKS, TIMELINE, TalkShares};
use model::{RecordingId, TenantId};

use crate::Facts;
use crate::disk::{self, SharedLimits};
use crate::expiry::Expiry;
use crate::journal::{Ended, ToJournal};
use crate::manifest::Manifest;
use chain::Chain;

/// How long a disk that refused a file is left alone.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is looked for files whose time is over.
const LOOK: Duration = Duration::from_secs(30);

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
            yield_to_others();
            self.run(&jobs);
        })
    }

    fn run(&mut self, jobs: &Receiver<Job>) {
        let mut refused: Vec<Job> = Vec::new();
        let mut next_look = self.clock.now();
        loop {
            if self.clock.now() >= next_look {
                self.expire();
                next_look = self.clock.now() + LOOK;
            }
            let patience = if refused.is_empty() { LOOK } else { PATIENCE };
            match jobs.recv_timeout(patience.min(next_look.since(self.clock.now()))) {
                Ok(job) => refused.extend(self.finish(job)),
                Err(RecvTimeoutError::Timeout) => {
                    let again = std::mem::take(&mut refused);
                    refused.extend(again.into_iter().filter_map(|job| self.finish(job)));
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        // What the disk refuses to the end is finished by the next start.
        for job in refused {
            self.finish(job);
        }
    }

    /// Makes the file and tells of it. The job comes back when the disk refused.
    fn finish(&mut self, job: Job) -> Option<Job> {
        let Ended { recording, call, tenant } = job.ended.clone();
        let fact = match self.make_and_enter(&job) {
            Ok(made) => RecordingFact::Finished {
                path: Arc::from(made.path),
                millis: made.millis,
                bytes: made.bytes,
                sha256: Arc::from(made.sha256),
                shares: made.shares,
            },
            Err(error @ FinishError::Nothing) => {
                tracing::error!(%recording, %call, %error, "recording lost");
                RecordingFact::Failed { error: Arc::from(error.to_string()) }
            }
            Err(FinishError::Disk(error)) => {
                tracing::error!(%recording, %call, %error, "recording not yet finished");
                return Some(job);
            }
        };
        (self.facts)(Event::Recording { tenant, call, recording, fact });
        // A journal that has ended learns it from the file at its next start.
        let _ = self.done.send(ToJournal::Finished(vec![recording]));
        None
    }

    /// Deletes files whose time is over.
    fn expire(&mut self) {
        let (limits, now) = (disk::current(&self.limits), self.clock.wall());
        let (data, facts, manifest) = (&self.data, &self.facts, &mut self.manifest);
        if let Err(error) = (Expiry { data, manifest, facts, limits, now }).look() {
            tracing::error!(%error, "到期录音无法删除 / recordings whose time is over cannot be deleted");
        }
    }

    /// Makes the file and enters it in the manifest, once.
    fn make_and_enter(&mut self, job: &Job) -> Result<Made, FinishError> {
        let Ended { recording, call, tenant } = job.ended.clone();
        let made = match make(&self.data, &self.journal, job)? {
            Found::New(made) => made,
            // Its maker may have come as far as the manifest: what stands there holds.
            Found::There(made) => match self.manifest.kept(recording)? {
                None => made,
                Some(entry) => {
                    return Ok(Made { bytes: entry.bytes, sha256: entry.sha256, path: entry.path, ..made });
                }
            },
        };
        let at = self.clock.wall();
        let entry = |deed, path: &str, bytes, sha256: &str| {
            let (path, sha256) = (path.to_owned(), sha256.to_owned());
            Entry { at, deed, recording, call, tenant: tenant.clone(), bytes, sha256, path }
        };
        let beside = made.beside.iter();
        let mut entries: Vec<Entry> =
            beside.map(|(path, sum)| entry(Deed::Beside, path, sum.bytes, &sum.sha256)).collect();
        // Last, so that its line says that all lines are there.
        entries.push(entry(Deed::Kept, &made.path, made.bytes, &made.sha256));
        self.manifest.append_all(&entries)?;
        Ok(made)
    }
}

/// A file, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Made now.
    New(Made),
    /// It was there before.
    There(Made),
}

/// Makes the file of `job` below `data`; one that is there already is taken as it is.
///
/// # Errors
/// When the disk refuses, or nothing of the recording is in the journal.
pub fn make(data: &Path, journal: &Path, job: &Job) -> Result<Found, FinishError> {
    let last = job.last.ok_or(FinishError::Nothing)?;
    let chain = Chain::follow(journal, job.ended.recording, last)?;
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
        return Ok(Found::There(already_made(&target, path)?));
    }
    Ok(Found::New(write(&target, path, plan, &chain)?))
}

/// Writes the file and those beside it. The file gets its name last: whoever finds it finds the others.
fn write(target: &Path, path: String, plan: Plan, chain: &Chain) -> io::Result<Made> {
    let folder = target.parent().unwrap_or(target);
    fs::create_dir_all(folder)?;
    let millis = plan.millis();
    let (mut sound, mut peaks) = (Part::begin(target)?, Part::begin(&target.with_extension(PEAKS))?);
    let mut out = Files { sound: &mut sound.out, peaks: &mut peaks.out };
    let mut stereo = Stereo::begin(plan, &mut out)?;
    chain.each(|block| stereo.block(block, &mut out))?;
    let written = stereo.finish(&mut out)?;
    let events = serde_json::to_vec_pretty(&written.events)?;
    let mut timeline = Part::begin(&target.with_extension(TIMELINE))?;
    timeline.out.write_all(&events)?;
    let mut checksum = Checksum::default();
    checksum.update(&events);
    let told = Sum { bytes: events.len() as u64, sha256: checksum.hex() };
    let shares = Some(written.shares());
    for part in [timeline, peaks, sound] {
        part.name()?;
    }
    // The names must survive a power cut before the journal forgets the recording.
    File::open(folder)?.sync_all()?;
    let beside = vec![(beside(&path, TIMELINE), told), (beside(&path, PEAKS), written.peaks)];
    let Sum { bytes, sha256 } = written.sound;
    Ok(Made { path, millis, bytes, sha256, shares, beside })
}

/// A file that is not complete.
struct Part {
    out: BufWriter<File>,
    part: PathBuf,
    target: PathBuf,
}

impl Part {
    fn begin(target: &Path) -> io::Result<Part> {
        let mut part = target.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        Ok(Part {
            out: BufWriter::with_capacity(64 * 1024, File::create(&part)?),
            part,
            target: target.to_owned(),
        })
    }

    /// Gives it its name: it is complete and on the disk.
    fn name(mut self) -> io::Result<()> {
        self.out.flush()?;
        self.out.get_ref().sync_data()?;
        fs::rename(&self.part, &self.target)
    }
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
    let days = (at.as_secs() + CHINA_SECS).div_euclid(86_400);
    // Howard Hinnant, «chrono-compatible low-level date algorithms», civil_from_days.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Lets workers and signalling go first: finishing has time. With sched_autogroup, niceness counts only inside the
/// session's group, which is where our own threads are.
pub(crate) fn yield_to_others() {
    // SAFETY: setpriority takes three integers; 0 is the calling thread.
    let failed = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) } != 0;
    if failed {
        tracing::debug!(error = %io::Error::last_os_error(), "a thread keeps its priority");
    }
}

#[cfg(test)]
mod tests;
