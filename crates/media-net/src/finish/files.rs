//! Owns the files of recordings on the disk: the sound written under another name, all made to survive a power cut
//! together, and the sound named. Does not own what stands in them (see `media::finisher`), nor which recordings are due (see [`super`]).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use media::finisher::{Checksum, Files, Plan, Stereo, Sum};
use model::recording::{PEAKS, TIMELINE};

use super::uncached::Uncached;
use super::{Batch, Made, beside};

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

/// The files of one recording, complete and the sound not yet named.
#[derive(Debug)]
pub struct Fresh {
    /// What they are.
    pub made: Made,
    sound: Part,
}

/// Writes the file `target`, which `path` is below the data folder, and those beside it.
///
/// # Errors
/// Those of the disk.
pub fn write((target, path): (&Path, String), plan: Plan, batch: &mut Batch) -> io::Result<Fresh> {
    let Batch { chain, folders, memory } = batch;
    folders.begin(target.parent().unwrap_or(target))?;
    let millis = plan.millis();
    let sound = Part::of(target);
    let mut out = Files { sound: Uncached::create(&sound.part, memory)?, peaks: Vec::new() };
    let mut stereo = Stereo::begin(plan, &mut out)?;
    chain.each(|block| stereo.block(block, &mut out))?;
    let written = stereo.finish(&mut out)?;
    out.sound.finish()?;
    fs::write(target.with_extension(PEAKS), &out.peaks)?;
    let events = serde_json::to_vec_pretty(&written.events)?;
    fs::write(target.with_extension(TIMELINE), &events)?;
    let mut checksum = Checksum::default();
    checksum.update(&events);
    let told = Sum { bytes: events.len() as u64, sha256: checksum.hex() };
    let shares = Some(written.shares());
    let beside = vec![(beside(&path, TIMELINE), told), (beside(&path, PEAKS), written.peaks)];
    let Sum { bytes, sha256 } = written.sound;
    Ok(Fresh { made: Made { path, millis, bytes, sha256, shares, beside }, sound })
}

/// Makes files survive a power cut and names the sounds: whoever finds one finds the others.
///
/// # Errors
/// Those of the disk; any of the files may have their names then.
pub fn name<'a>(fresh: impl Iterator<Item = &'a Fresh>, folders: &Folders) -> io::Result<()> {
    folders.sync_files()?;
    for Fresh { sound, .. } in fresh {
        fs::rename(&sound.part, &sound.target)?;
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
}
