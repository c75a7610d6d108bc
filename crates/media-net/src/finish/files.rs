//! Owns the files of recordings on the disk: written under another name, made to survive a power cut together, and
//! named. Does not own what stands in them (see `media::finisher`), nor which recordings are due (see [`super`]).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use media::finisher::{Checksum, Files, Plan, Stereo, Sum};
use model::recording::{PEAKS, TIMELINE};

use super::chain::Chain;
use super::{Made, beside};

/// The folders that files of one batch go to, open since before the first file: whoever waits for the disk through them
/// hears of all that went wrong since.
#[derive(Debug, Default)]
pub struct Folders(HashMap<PathBuf, File>);

impl Folders {
    /// A file of the batch stands in `folder`, which is made when it is not there.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn begin(&mut self, folder: &Path) -> io::Result<()> {
        if let Entry::Vacant(vacant) = self.0.entry(folder.to_owned()) {
            fs::create_dir_all(folder)?;
            vacant.insert(File::open(folder)?);
        }
        Ok(())
    }

    /// Waits until all files are on the disk, with everything else that is being written there: that is one wait for any
    /// number of files.
    fn sync_files(&self) -> io::Result<()> {
        let mut disks = Vec::new();
        for folder in self.0.values() {
            let disk = folder.metadata()?.dev();
            if !disks.contains(&disk) {
                disks.push(disk);
                // SAFETY: syncfs takes an integer; `folder` is open for the length of the call.
                if unsafe { libc::syncfs(folder.as_raw_fd()) } != 0 {
                    return Err(io::Error::last_os_error());
                }
            }
        }
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        self.0.values().try_for_each(File::sync_all)
    }
}

/// The files of one recording, complete and not yet named.
#[derive(Debug)]
pub struct Fresh {
    /// What they will be.
    pub made: Made,
    parts: [Part; 3],
}

/// Writes the file `target`, which `path` is below the data folder, and those beside it.
///
/// # Errors
/// Those of the disk.
pub fn write(
    (target, path): (&Path, String),
    plan: Plan,
    chain: &mut Chain,
    folders: &mut Folders,
) -> io::Result<Fresh> {
    folders.begin(target.parent().unwrap_or(target))?;
    let millis = plan.millis();
    let (sound, peaks, timeline) = (
        Part::of(target),
        Part::of(&target.with_extension(PEAKS)),
        Part::of(&target.with_extension(TIMELINE)),
    );
    let mut out = Files { sound: sound.create()?, peaks: peaks.create()? };
    let mut stereo = Stereo::begin(plan, &mut out)?;
    chain.each(|block| stereo.block(block, &mut out))?;
    let written = stereo.finish(&mut out)?;
    out.sound.flush()?;
    out.peaks.flush()?;
    let events = serde_json::to_vec_pretty(&written.events)?;
    fs::write(&timeline.part, &events)?;
    let mut checksum = Checksum::default();
    checksum.update(&events);
    let told = Sum { bytes: events.len() as u64, sha256: checksum.hex() };
    let shares = Some(written.shares());
    let beside = vec![(beside(&path, TIMELINE), told), (beside(&path, PEAKS), written.peaks)];
    let Sum { bytes, sha256 } = written.sound;
    let made = Made { path, millis, bytes, sha256, shares, beside };
    Ok(Fresh { made, parts: [timeline, peaks, sound] })
}

/// Makes files survive a power cut and names them. The sound gets its name last: whoever finds it finds the others.
///
/// # Errors
/// Those of the disk; any of the files may have their names then.
pub fn name<'a>(fresh: impl Iterator<Item = &'a Fresh>, folders: &Folders) -> io::Result<()> {
    folders.sync_files()?;
    for part in fresh.flat_map(|fresh| &fresh.parts) {
        fs::rename(&part.part, &part.target)?;
    }
    // The names must survive a power cut before the journal forgets the recordings.
    folders.sync_names()
}

/// A file that is not complete, and what it will be called.
#[derive(Debug)]
struct Part {
    part: PathBuf,
    target: PathBuf,
}

impl Part {
    fn of(target: &Path) -> Part {
        let mut part = target.as_os_str().to_owned();
        part.push(".part");
        Part { part: PathBuf::from(part), target: target.to_owned() }
    }

    fn create(&self) -> io::Result<BufWriter<File>> {
        Ok(BufWriter::with_capacity(64 * 1024, File::create(&self.part)?))
    }
}
