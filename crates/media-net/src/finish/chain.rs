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

/// Bytes of a recording's last blocks that stay in memory once the way back has led through them: some minutes of a
/// call, which are then read once.
const HELD: usize = 4 << 20;

/// The blocks of one recording, in order; and of the next one, with the same memory and open files.
#[derive(Debug)]
pub struct Chain {
    reader: Reader,
    /// Where blocks are that are not held.
    earlier: Vec<Place>,
    /// The last blocks, one behind the other, from `held_from` on.
    held: Box<[u8]>,
    held_from: usize,
}

impl Chain {
    /// A way through the journal in `folder`.
    pub fn new(folder: &Path) -> Chain {
        Chain::holding(folder, HELD)
    }

    /// The same with so many bytes in memory.
    fn holding(folder: &Path, bytes: usize) -> Chain {
        let held = vec![0; bytes].into_boxed_slice();
        Chain { reader: Reader::new(folder), earlier: Vec::new(), held_from: held.len(), held }
    }

    /// Follows the blocks of `recording` back from `last`. Where the chain is broken, the segments are searched.
    ///
    /// # Errors
    /// When a segment cannot be read.
    pub fn follow(&mut self, recording: RecordingId, last: Place) -> io::Result<()> {
        self.forget();
        let mut next = Some(last);
        while let Some(place) = next {
            // Straight to where it is held, while there is room: it lies before the block that follows it.
            let room = if self.earlier.is_empty() { &mut self.held[..self.held_from] } else { &mut [] };
            let Some((block, at)) = self.reader.read(place, room)? else { return self.search(recording) };
            next = block.previous();
            // A block can only follow one that was written before it.
            if block.recording() != recording || next.is_some_and(|previous| previous >= place) {
                return self.search(recording);
            }
            match at {
                Lies::Held(from) => self.held_from = from,
                Lies::Beside => self.earlier.push(place),
            }
        }
        self.earlier.reverse();
        Ok(())
    }

    /// Looks at all blocks, first to last. One that has been damaged since is left out.
    ///
    /// # Errors
    /// When a segment cannot be read, and those of `look`.
    pub fn each(&mut self, mut look: impl FnMut(&AudioBlock<'_>) -> io::Result<()>) -> io::Result<()> {
        for place in &self.earlier {
            if let Some((block, _)) = self.reader.read(*place, &mut [])? {
                look(&block)?;
            }
        }
        let mut rest = &self.held[self.held_from..];
        while let Ok(size) = BlockView::size(rest) {
            let (bytes, behind) = rest.split_at(size);
            if let Some(block) = AudioBlock::again(bytes) {
                look(&block)?;
            }
            rest = behind;
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.earlier.clear();
        self.held_from = self.held.len();
    }

    /// Finds the blocks in all segments.
    fn search(&mut self, recording: RecordingId) -> io::Result<()> {
        tracing::warn!(%recording, "chain broken, searching the journal");
        self.forget();
        for (number, path) in segments_in(&self.reader.folder)? {
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                // The writer deletes what nobody needs, and so not this recording's.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let ours = scan(number, &bytes).filter_map(|found| match found {
                Found::Block(BlockView::Audio(block)) if block.recording() == recording => {
                    Some(block.place())
                }
                _ => None,
            });
            self.earlier.extend(ours);
        }
        self.earlier.sort_unstable();
        Ok(())
    }
}

/// Reads blocks, keeping the segments it needs open.
#[derive(Debug)]
struct Reader {
    folder: PathBuf,
    files: HashMap<u64, File>,
    buffer: Box<[u8]>,
}

impl Reader {
    fn new(folder: &Path) -> Reader {
        let buffer = vec![0; MAX_BLOCK].into_boxed_slice();
        Reader { folder: folder.to_owned(), files: HashMap::new(), buffer }
    }

    /// The audio block at `place`, at the end of `room` if that is large enough; `None` when there is none.
    fn read<'a>(
        &'a mut self,
        place: Place,
        room: &'a mut [u8],
    ) -> io::Result<Option<(AudioBlock<'a>, Lies)>> {
        if !self.files.contains_key(&place.segment) {
            // A chain leaves a segment for good; a few open files do for any.
            if self.files.len() >= 4 {
                self.files.clear();
            }
            match File::open(segment_path(&self.folder, place.segment)) {
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
        let (bytes, lies) = match room.len().checked_sub(size) {
            Some(from) => (&mut room[from..], Lies::Held(from)),
            None => (&mut self.buffer[..size], Lies::Beside),
        };
        if let Err(error) = file.read_exact_at(bytes, position) {
            return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
        }
        match BlockView::parse(bytes, place) {
            Ok(BlockView::Audio(block)) => Ok(Some((block, lies))),
            _ => Ok(None),
        }
    }
}

/// Where a block was read to.
enum Lies {
    /// Into the room it was given, from this byte on.
    Held(usize),
    /// Into the reader's own memory, until the next is read.
    Beside,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::tests::recorded;
    use crate::testing::TempFolder;

    #[test]
    fn a_recording_that_memory_does_not_hold_is_read_again_and_the_same() {
        let folder = TempFolder::new("chain");
        let job = recorded(folder.path(), 10);
        let journal = folder.path().join("journal");
        let places = |mut chain: Chain| {
            chain.follow(job.ended.recording, job.last.unwrap()).unwrap();
            let mut seen = Vec::new();
            let mut look = |block: &AudioBlock<'_>| {
                seen.push((block.index(), block.place(), block.entries().count()));
                Ok(())
            };
            chain.each(&mut look).unwrap();
            chain.each(&mut look).unwrap();
            seen
        };
        let whole = places(Chain::new(&journal));
        let blocks = whole.len() / 2;
        assert!(blocks > 10, "{blocks} blocks");
        assert_eq!(whole[..blocks], whole[blocks..]);
        assert!(whole[..blocks].iter().zip(0..).all(|((index, ..), nth)| *index == nth), "{whole:?}");
        assert_eq!(
            whole.iter().map(|(_, _, entries)| entries).sum::<usize>(),
            2 * 1_002,
            "start, packets, end"
        );
        for held in [0, 1_000, 20_000, 60_000] {
            assert_eq!(places(Chain::holding(&journal, held)), whole, "{held} bytes held");
        }
    }
}
