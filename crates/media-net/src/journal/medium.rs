//! Owns what the journal asks of a disk, and the disk itself. Does not own what is written where (see
//! [`super::segments`]).

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use media::recording::SEGMENT_BYTES;

/// Where segments are made.
pub trait Medium: Send + Sync + Debug {
    /// Makes the file of a segment, with room for all of it and `header` at its beginning.
    ///
    /// # Errors
    /// Those of the disk; nothing of the file stays then.
    fn create(&self, path: &Path, header: &[u8]) -> io::Result<Arc<dyn SegmentFile>>;
}

/// A segment's file.
pub trait SegmentFile: Send + Sync + Debug {
    /// Writes all of `parts`, one behind the other, at `position`.
    ///
    /// # Errors
    /// Those of the disk; any part may be written then.
    fn write_all_at(&self, parts: &mut [IoSlice<'_>], position: u64) -> io::Result<()>;

    /// Makes what was written survive a power cut.
    ///
    /// # Errors
    /// Those of the disk.
    fn sync(&self) -> io::Result<()>;

    /// Whether somebody deleted it: what is written to it goes with it.
    fn is_deleted(&self) -> bool;
}

/// The disk that the data folder is on.
#[derive(Debug)]
pub struct Disk;

impl Medium for Disk {
    fn create(&self, path: &Path, header: &[u8]) -> io::Result<Arc<dyn SegmentFile>> {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(true).clone();
        let folder = path.parent().unwrap_or(path);
        let made = fs::create_dir_all(folder).and_then(|()| options.open(path)).and_then(|file| {
            preallocate(&file)?;
            FileExt::write_all_at(&file, header, 0)?;
            // The name must survive a power cut as the blocks do.
            File::open(folder)?.sync_all()?;
            Ok(file)
        });
        match made {
            Ok(file) => Ok(Arc::new(file)),
            Err(error) => {
                // A full disk gets back the little that the attempt took.
                let _ = fs::remove_file(path);
                Err(error)
            }
        }
    }
}

impl SegmentFile for File {
    fn write_all_at(&self, mut parts: &mut [IoSlice<'_>], mut position: u64) -> io::Result<()> {
        while !parts.is_empty() {
            match write_at(self, parts, position) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    IoSlice::advance_slices(&mut parts, written);
                    position += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn is_deleted(&self) -> bool {
        is_deleted(self)
    }
}

/// Whether somebody deleted `file`, which is open: what is written to it goes with it.
pub fn is_deleted(file: &File) -> bool {
    file.metadata().is_ok_and(|about| about.nlink() == 0)
}

/// Writes at least some of `parts` at `position`. How many bytes it was.
fn write_at(file: &File, parts: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
    let count = parts.len().min(MOST_PARTS);
    // SAFETY: an `IoSlice` is an iovec, and what they point to is readable; the file is open for the length of the call.
    let written = unsafe {
        libc::pwritev(file.as_raw_fd(), parts.as_ptr().cast(), count as i32, position as libc::off_t)
    };
    usize::try_from(written).map_err(|_| io::Error::last_os_error())
}

/// What the system takes at a time.
const MOST_PARTS: usize = libc::UIO_MAXIOV as usize;

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
