//! Owns the segment files: their names, their preallocation, the place of the next block. Does not own who needs a
//! segment (see [`super::shelf`]).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clock::WallTime;
use media::recording::{Block, Place, SEGMENT_BYTES, SEGMENT_HEADER, segment_header};

/// Where segment `number` of the journal in `folder` lies.
pub fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016x}.seg"))
}

/// The number in a segment's file name.
pub fn segment_number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_suffix(".seg")?;
    if name.len() == 16 { u64::from_str_radix(name, 16).ok() } else { None }
}

/// The files of the journal; one of them grows.
#[derive(Debug)]
pub struct Segments {
    folder: PathBuf,
    next: u64,
    open: Option<Open>,
    /// Files written to since the last sync was asked for.
    unsynced: Vec<Arc<File>>,
}

#[derive(Debug)]
struct Open {
    number: u64,
    file: Arc<File>,
    position: u32,
}

impl Segments {
    /// Segments in `folder`; the first to be made has number `next`.
    pub fn new(folder: PathBuf, next: u64) -> Segments {
        Segments { folder, next, open: None, unsynced: Vec::new() }
    }

    /// The segment that grows.
    pub fn current(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.number)
    }

    /// Writes `block` behind what is there; a full segment is followed by a new one.
    ///
    /// # Errors
    /// Those of the disk; the place is used again by the next block.
    pub fn append(&mut self, block: &mut Block, previous: Option<Place>, now: WallTime) -> io::Result<Place> {
        let size = block.size();
        if self.open.as_ref().is_some_and(|open| open.position + size > SEGMENT_BYTES) {
            self.open = None;
        }
        if self.open.is_none() {
            self.open = Some(create(&self.folder, self.next, now)?);
            self.next += 1;
        }
        let Some(open) = self.open.as_mut() else { return Err(io::ErrorKind::NotFound.into()) };
        let place = Place { segment: open.number, position: open.position };
        open.file.write_all_at(block.seal(place, previous), u64::from(place.position))?;
        open.position += size;
        if !self.unsynced.last().is_some_and(|file| Arc::ptr_eq(file, &open.file)) {
            self.unsynced.push(Arc::clone(&open.file));
        }
        Ok(place)
    }

    /// Tries whether the disk gives a segment where none grows; the next block goes there.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn probe(&mut self, now: WallTime) -> io::Result<()> {
        let Some(open) = &self.open else {
            self.open = Some(create(&self.folder, self.next, now)?);
            self.next += 1;
            return Ok(());
        };
        if open.position + 8 > SEGMENT_BYTES {
            return Ok(());
        }
        // What is not written yet reads as zeros, also behind this.
        open.file.write_all_at(&[0; 8], u64::from(open.position))
    }

    /// The files that were written to since the last time.
    pub fn take_unsynced(&mut self) -> Vec<Arc<File>> {
        std::mem::take(&mut self.unsynced)
    }

    /// The files taken last were not synced.
    pub fn ask_again(&mut self, files: Vec<Arc<File>>) {
        self.unsynced.splice(..0, files);
    }

    /// Deletes segment `number`. One that cannot be deleted is deleted by a later start.
    pub fn delete(&self, number: u64) {
        let path = segment_path(&self.folder, number);
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "cannot delete a segment");
        }
    }

    /// Deletes the segment that grows: nothing in it is needed.
    pub fn delete_all(&mut self) {
        if let Some(open) = self.open.take() {
            self.delete(open.number);
        }
    }
}

fn create(folder: &Path, number: u64, now: WallTime) -> io::Result<Open> {
    let path = segment_path(folder, number);
    let made =
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).and_then(|file| {
            preallocate(&file)?;
            file.write_all_at(&segment_header(number, now), 0)?;
            // The name must survive a power cut as the blocks do.
            File::open(folder)?.sync_all()?;
            Ok(file)
        });
    match made {
        Ok(file) => Ok(Open { number, file: Arc::new(file), position: SEGMENT_HEADER }),
        Err(error) => {
            // A full disk gets back the little that the attempt took.
            let _ = fs::remove_file(&path);
            Err(error)
        }
    }
}

/// Reserves the whole segment, so that a disk that fills up fails here and not in mid-call.
fn preallocate(file: &File) -> io::Result<()> {
    // SAFETY: `file` is open for the length of the call; fallocate takes no pointers.
    let failed = unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, i64::from(SEGMENT_BYTES)) } != 0;
    if !failed {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::EOPNOTSUPP) {
        // A file system that cannot reserve still reads zeros behind the last block.
        return file.set_len(u64::from(SEGMENT_BYTES));
    }
    Err(error)
}
