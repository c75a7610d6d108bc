//! Owns the deletion of recordings whose time is over: which days' files may go, and in which order manifest, file and
//! fact follow each other. Does not own when it is looked at (see [`crate::finish`]).

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clock::WallTime;
use media::recording::manifest::{Deed, Entry};
use model::RecordingId;
use model::event::{Event, RecordingFact};
use model::recording::BESIDE;

use crate::Facts;
use crate::disk::{RecordingLimits, free_bytes};
use crate::finish::date;
use crate::manifest::{Manifest, read_manifest};

/// A day in China: year, month, day.
type Date = (i64, i64, i64);

/// What a look does its work with.
pub struct Expiry<'a> {
    /// The data folder.
    pub data: &'a Path,
    /// Where each deletion is entered before it is done.
    pub manifest: &'a mut Manifest,
    /// Who is told.
    pub facts: &'a Facts,
    /// How long files are kept.
    pub limits: RecordingLimits,
    /// Now.
    pub now: WallTime,
}

impl Expiry<'_> {
    /// Deletes the files of all days that are over, oldest first: those older than `keep_days`; while the disk has less
    /// than `limit_free` bytes, also those older than `min_keep_days`. How many went.
    ///
    /// # Errors
    /// Those of the disk; the next look goes on.
    pub fn look(&mut self) -> io::Result<usize> {
        let Some(keep) = self.limits.keep_days else { return Ok(0) };
        let before = |days: u32| date(WallTime(self.now.0 - DAY_MICROS * i64::from(days)));
        let over = before(keep);
        let spare = self.limits.min_keep_days.map(|least| before(least.min(keep)));
        let mut gone = 0;
        for (day, folder) in days(&self.data.join("recordings"))? {
            let pressed = || {
                let scarce = free_bytes(self.data)? < self.limits.limit_free;
                Ok::<bool, io::Error>(scarce && spare.is_some_and(|spare| day < spare))
            };
            if day < over || pressed()? {
                gone += self.day(&folder)?;
            } else {
                break;
            }
        }
        Ok(gone)
    }

    fn day(&mut self, folder: &Path) -> io::Result<usize> {
        let files = recordings_in(folder)?;
        let mut known: HashMap<RecordingId, (Entry, Deed)> = HashMap::new();
        read_manifest(self.data, |entry, _| {
            let of_day = |entry: &Entry| entry.deed != Deed::Beside && files.contains_key(&entry.recording);
            let Some(entry) = entry.filter(of_day) else { return };
            let deed = entry.deed;
            known.entry(entry.recording).or_insert((entry, deed)).1 = deed;
        })?;
        let (mut due, mut gone) = (Vec::new(), Vec::new());
        for (recording, paths) in files {
            match known.remove(&recording) {
                Some((entry, Deed::Kept)) => {
                    due.push((Entry { at: self.now, deed: Deed::Expired, ..entry }, paths))
                }
                // A crash came between the manifest and the file.
                Some((_, _)) => gone.push(paths),
                // Whoever put it there may want it.
                None => {
                    tracing::warn!(?paths, "清单之外的录音文件不删除 / a file that no manifest names stays")
                }
            }
        }
        // A line cannot be taken back, a file that stays is deleted by the next look.
        let entries: Vec<Entry> = due.iter().map(|(entry, _)| entry.clone()).collect();
        self.manifest.append_all(&entries)?;
        let count = due.len();
        for (entry, paths) in due {
            paths.iter().try_for_each(fs::remove_file)?;
            self.tell(entry);
        }
        gone.iter().flatten().try_for_each(fs::remove_file)?;
        // Day, month, year and tenant go with their last file.
        for folder in folder.ancestors().take(4) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(count)
    }

    fn tell(&self, entry: Entry) {
        let Entry { recording, call, tenant, sha256, path, .. } = entry;
        tracing::info!(%recording, %call, path, "录音到期删除 / a recording's time is over");
        let fact = RecordingFact::Expired { path: Arc::from(path), sha256: Arc::from(sha256) };
        (self.facts)(Event::Recording { tenant, call, recording, fact });
    }
}

/// Every day's folder of every tenant, oldest first.
fn days(recordings: &Path) -> io::Result<Vec<(Date, PathBuf)>> {
    let mut days = Vec::new();
    for (_, tenant) in below(recordings)? {
        for (year, folder) in numbered(&tenant)? {
            for (month, folder) in numbered(&folder)? {
                let found = numbered(&folder)?.into_iter();
                days.extend(found.map(|(day, folder)| ((year, month, day), folder)));
            }
        }
    }
    days.sort_unstable();
    Ok(days)
}

fn numbered(folder: &Path) -> io::Result<Vec<(i64, PathBuf)>> {
    let numbered = below(folder)?.into_iter();
    Ok(numbered.filter_map(|(name, path)| Some((name.parse().ok()?, path))).collect())
}

/// The files of recordings in a day's folder, the sound of each behind those beside it.
fn recordings_in(folder: &Path) -> io::Result<HashMap<RecordingId, Vec<PathBuf>>> {
    let mut found: HashMap<RecordingId, Vec<PathBuf>> = HashMap::new();
    for (name, path) in below(folder)? {
        let named = name.split_once('.').and_then(|(stem, kind)| Some((stem.parse().ok()?, kind)));
        match named {
            Some((recording, "wav")) => found.entry(recording).or_default().push(path),
            Some((recording, kind)) if BESIDE.contains(&kind) => {
                found.entry(recording).or_default().insert(0, path);
            }
            _ => {}
        }
    }
    Ok(found)
}

fn below(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    entries
        .map(|entry| entry.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())))
        .collect()
}

const DAY_MICROS: i64 = 86_400_000_000;

#[cfg(test)]
mod tests;
