//! Owns the segment files: their names, and the place of the next block. Does not own the disk (see
//! [`super::medium`]), nor who needs a segment (see [`super::shelf`]).

use std::fs;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clock::WallTime;
use media::recording::{Block, Place, SEGMENT_BYTES, SEGMENT_HEADER, segment_header};

use super::medium::{Medium, SegmentFile};

/// Where segment `number` of the journal in `folder` lies.
pub fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016x}.seg"))
}

/// The number in a segment's file name.
fn segment_number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_suffix(".seg")?;
    if name.len() == 16 { u64::from_str_radix(name, 16).ok() } else { None }
}

/// The segments in `folder` by number, oldest first.
///
/// # Errors
/// When the folder cannot be read.
pub fn segments_in(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        segments.extend(segment_number(&path).map(|number| (number, path)));
    }
    segments.sort_unstable();
    Ok(segments)
}

/// What is written at a time, in bytes, at the most.
const ONE_WRITE: u32 = 512 * 1024;

/// The files of the journal; one of them grows.
#[derive(Debug)]
pub struct Segments {
    medium: Arc<dyn Medium>,
    folder: PathBuf,
    next: u64,
    open: Option<Open>,
    /// What is about to be written behind what is there, and how many bytes they are.
    gathered: Vec<Block>,
    gathered_bytes: u32,
    /// Files written to since the last sync was asked for.
    unsynced: Vec<Arc<dyn SegmentFile>>,
}

#[derive(Debug)]
struct Open {
    number: u64,
    file: Arc<dyn SegmentFile>,
    position: u32,
}

impl Segments {
    /// Segments in `folder`; the first to be made has number `next`.
    pub fn new(medium: Arc<dyn Medium>, folder: PathBuf, next: u64) -> Segments {
        let (gathered, unsynced) = (Vec::new(), Vec::new());
        Segments { medium, folder, next, open: None, gathered, gathered_bytes: 0, unsynced }
    }

    /// The segment that grows.
    pub fn current(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.number)
    }

    /// Behind what was written last; `None` while no segment grows.
    pub fn end(&self) -> Option<Place> {
        self.open.as_ref().map(|open| Place { segment: open.number, position: open.position })
    }

    /// Whether a block of `size` bytes still fits behind what is gathered, into the segment and into one write.
    pub fn takes(&self, size: u32) -> bool {
        let gathered = self.gathered_bytes;
        let fits = |open: &Open| open.position + gathered + size <= SEGMENT_BYTES;
        gathered == 0 || (self.open.as_ref().is_some_and(fits) && gathered + size <= ONE_WRITE)
    }

    /// Gathers `block` behind what is there, to be written with the next [`Segments::flush`]; a full segment is followed
    /// by a new one. Whoever gathers asks [`Segments::takes`] first.
    ///
    /// # Errors
    /// Those of the disk that gives no segment.
    pub fn gather(&mut self, mut block: Block, previous: Option<Place>, now: WallTime) -> io::Result<Place> {
        let size = block.size();
        if self.open.as_ref().is_some_and(|open| open.position + size > SEGMENT_BYTES) {
            self.open = None;
        }
        if self.open.is_none() {
            self.begin(now)?;
        }
        let Some(open) = self.open.as_ref() else { return Err(io::ErrorKind::NotFound.into()) };
        let place = Place { segment: open.number, position: open.position + self.gathered_bytes };
        block.seal(place, previous);
        self.gathered.push(block);
        self.gathered_bytes += size;
        Ok(place)
    }

    /// Writes what was gathered, in one go: the system's cost of a write is less for many blocks than for each.
    ///
    /// # Errors
    /// Those of the disk; the places are used again by the next blocks.
    pub fn flush(&mut self) -> io::Result<()> {
        let size = std::mem::take(&mut self.gathered_bytes);
        let Some(open) = self.open.as_mut().filter(|_| size > 0) else { return Ok(()) };
        let mut parts: Vec<IoSlice<'_>> =
            self.gathered.iter().map(|block| IoSlice::new(block.bytes())).collect();
        let written = open.file.write_all_at(&mut parts, u64::from(open.position));
        self.gathered.clear();
        written?;
        open.position += size;
        if !self.unsynced.last().is_some_and(|file| Arc::ptr_eq(file, &open.file)) {
            self.unsynced.push(Arc::clone(&open.file));
        }
        Ok(())
    }

    fn begin(&mut self, now: WallTime) -> io::Result<()> {
        let number = self.next;
        let file = self.medium.create(&segment_path(&self.folder, number), &segment_header(number, now))?;
        self.open = Some(Open { number, file, position: SEGMENT_HEADER });
        self.next += 1;
        Ok(())
    }

    /// Tries whether the disk gives a segment where none grows; the next block goes there.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn probe(&mut self, now: WallTime) -> io::Result<()> {
        let Some(open) = &self.open else {
            return self.begin(now);
        };
        if open.position + 8 > SEGMENT_BYTES {
            return Ok(());
        }
        // What is not written yet reads as zeros, also behind this.
        open.file.write_all_at(&mut [IoSlice::new(&[0; 8])], u64::from(open.position))
    }

    /// Leaves the segment that grows when somebody deleted it; the next block goes to a new one. Whether it was so.
    pub fn leave_deleted(&mut self) -> bool {
        self.open.take_if(|open| open.file.is_deleted()).is_some()
    }

    /// The files that were written to since the last time.
    pub fn take_unsynced(&mut self) -> Vec<Arc<dyn SegmentFile>> {
        std::mem::take(&mut self.unsynced)
    }

    /// The files taken last were not synced.
    pub fn ask_again(&mut self, files: Vec<Arc<dyn SegmentFile>>) {
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
