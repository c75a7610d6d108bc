//! Owns the way through the journal to the blocks of one recording. Does not own what they become (see
//! [`super`]).

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use media::recording::{AudioBlock, BlockView, Found, MAX_BLOCK, Place, scan};
use model::RecordingId;

use crate::journal::{segment_path, segments_in};

/// The places of one recording's blocks, in order.
#[derive(Debug)]
pub struct Chain {
    folder: PathBuf,
    recording: RecordingId,
    places: Vec<Place>,
}

impl Chain {
    /// Follows the blocks back from `last`. Where the chain is broken, the segments are searched.
    ///
    /// # Errors
    /// When a segment cannot be read.
    pub fn follow(folder: &Path, recording: RecordingId, last: Place) -> io::Result<Chain> {
        let mut chain = Chain { folder: folder.to_owned(), recording, places: Vec::new() };
        let mut reader = Reader::new(folder);
        let mut next = Some(last);
        while let Some(place) = next {
            let step =
                reader.read(place)?.filter(|block| block.recording() == recording).map(|b| b.previous());
            match step {
                // A block can only follow one that was written before it.
                Some(previous) if previous.is_none_or(|previous| previous < place) => {
                    chain.places.push(place);
                    next = previous;
                }
                _ => return chain.search(),
            }
        }
        chain.places.reverse();
        Ok(chain)
    }

    /// Looks at all blocks, first to last. One that has been damaged since is left out.
    ///
    /// # Errors
    /// When a segment cannot be read, and those of `look`.
    pub fn each(&self, mut look: impl FnMut(&AudioBlock<'_>) -> io::Result<()>) -> io::Result<()> {
        let mut reader = Reader::new(&self.folder);
        for place in &self.places {
            if let Some(block) = reader.read(*place)? {
                look(&block)?;
            }
        }
        Ok(())
    }

    /// Finds the blocks in all segments.
    fn search(mut self) -> io::Result<Chain> {
        tracing::warn!(recording = %self.recording, "chain broken, searching the journal");
        self.places.clear();
        for (number, path) in segments_in(&self.folder)? {
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                // The writer deletes what nobody needs, and so not this recording's.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let ours = scan(number, &bytes).filter_map(|found| match found {
                Found::Block(BlockView::Audio(block)) if block.recording() == self.recording => {
                    Some(block.place())
                }
                _ => None,
            });
            self.places.extend(ours);
        }
        self.places.sort_unstable();
        Ok(self)
    }
}

/// Reads blocks, keeping the segments it needs open.
struct Reader<'a> {
    folder: &'a Path,
    files: HashMap<u64, File>,
    buffer: Box<[u8]>,
}

impl<'a> Reader<'a> {
    fn new(folder: &'a Path) -> Reader<'a> {
        Reader { folder, files: HashMap::new(), buffer: vec![0; MAX_BLOCK].into_boxed_slice() }
    }

    /// The block at `place`; `None` when there is none.
    fn read(&mut self, place: Place) -> io::Result<Option<AudioBlock<'_>>> {
        if !self.files.contains_key(&place.segment) {
            // A chain leaves a segment for good; a few open files do for any.
            if self.files.len() >= 4 {
                self.files.clear();
            }
            match File::open(segment_path(self.folder, place.segment)) {
                Ok(file) => self.files.insert(place.segment, file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
        }
        let Some(file) = self.files.get(&place.segment) else { return Ok(None) };
        let position = u64::from(place.position);
        let mut prefix = [0; BlockView::PREFIX];
        if let Err(error) = file.read_exact_at(&mut prefix, position) {
            return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
        }
        let Ok(size) = BlockView::size(&prefix) else { return Ok(None) };
        if let Err(error) = file.read_exact_at(&mut self.buffer[..size], position) {
            return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
        }
        match BlockView::parse(&self.buffer[..size], place) {
            Ok(BlockView::Audio(block)) => Ok(Some(block)),
            _ => Ok(None),
        }
    }
}
