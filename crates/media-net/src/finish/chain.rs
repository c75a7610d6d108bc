//! Owns the way through the journal to the blocks of one recording. Does not own what they become (see
//! [`super`]).

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use media::recording::{AudioBlock, BlockView, FULL_BLOCK, Found, MAX_BLOCK, Place, scan};
use model::RecordingId;

use super::pace::Pace;
use crate::journal::{segment_path, segments_in};

/// How many of a recording's last blocks stay in memory once the way back has led through them: some minutes of a call,
/// which are then read once.
const HELD: usize = 512;

/// The blocks of one recording, in order; and of the next one, with the same memory and open files.
#[derive(Debug)]
pub struct Chain {
    reader: Reader,
    /// Where blocks are that are not held.
    earlier: Vec<Place>,
    /// The last blocks, from `held_from` on: each at the beginning of its [`FULL_BLOCK`] bytes.
    held: Box<[u8]>,
    held_from: usize,
    /// A block is a piece of work.
    pace: Pace,
}

impl Chain {
    /// A way through the journal in `folder`, at `pace`.
    pub fn new(folder: &Path, pace: Pace) -> Chain {
        Chain { pace, ..Chain::holding(folder, HELD) }
    }

    /// The same with so many blocks in memory.
    fn holding(folder: &Path, blocks: usize) -> Chain {
        let held = vec![0; blocks * FULL_BLOCK].into_boxed_slice();
        let (earlier, held_from) = (Vec::new(), held.len());
        Chain { reader: Reader::new(folder), earlier, held, held_from, pace: Pace::alone() }
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
            self.pace.step();
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
            self.pace.step();
        }
        for held in self.held[self.held_from..].chunks_exact(FULL_BLOCK) {
            let size = BlockView::size(held).unwrap_or_default();
            if let Some(block) = held.get(..size).and_then(AudioBlock::again) {
                look(&block)?;
            }
            self.pace.step();
        }
        Ok(())
    }

    /// Closes the segments: those that nobody needs any more give their room back.
    pub fn close(&mut self) {
        self.reader.files.clear();
    }

    fn forget(&mut self) {
        self.earlier.clear();
        self.held_from = self.held.len();
    }

    /// Finds the blocks in all segments.
    fn search(&mut self, recording: RecordingId) -> io::Result<()> {
        tracing::warn!(%recording, "chain broken, searching the journal");
        self.forget();
        let segments = match segments_in(&self.reader.folder) {
            // Somebody deleted it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            found => found?,
        };
        for (number, path) in segments {
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

    /// The audio block at `place`, in the last [`FULL_BLOCK`] bytes of `room` if it has them; `None` when there is none.
    fn read<'a>(
        &'a mut self,
        place: Place,
        room: &'a mut [u8],
    ) -> io::Result<Option<(AudioBlock<'a>, Lies)>> {
        let Some(file) = file_of(&mut self.files, &self.folder, place.segment)? else { return Ok(None) };
        let position = u64::from(place.position);
        let held = room.len().checked_sub(FULL_BLOCK);
        // What a block may have: its size is known when it is there.
        let first = held.map_or(&mut self.buffer[..FULL_BLOCK], |from| &mut room[from..]);
        let mut read = read_up_to(file, first, position)?;
        let Ok(size) = BlockView::size(&first[..read]) else { return Ok(None) };
        let (bytes, lies) = match held {
            // An earlier version wrote it.
            _ if size > FULL_BLOCK => {
                read = read_up_to(file, &mut self.buffer, position)?;
                (&self.buffer[..], Lies::Beside)
            }
            Some(from) => (&room[from..], Lies::Held(from)),
            None => (&self.buffer[..], Lies::Beside),
        };
        let bytes = &bytes[..read];
        match BlockView::parse(bytes, place) {
            Ok(BlockView::Audio(block)) => Ok(Some((block, lies))),
            _ => Ok(None),
        }
    }
}

/// The file of segment `number` in `folder`; `None` when there is none.
fn file_of<'a>(
    files: &'a mut HashMap<u64, File>,
    folder: &Path,
    number: u64,
) -> io::Result<Option<&'a File>> {
    if !files.contains_key(&number) {
        // A chain leaves a segment for good; a few open files do for any.
        if files.len() >= 4 {
            files.clear();
        }
        match File::open(segment_path(folder, number)) {
            Ok(file) => files.insert(number, file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
    }
    Ok(files.get(&number))
}

/// Fills `bytes` from `position` on, as far as the file goes. How many it was.
fn read_up_to(file: &File, bytes: &mut [u8], position: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], position + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// Where a block was read to.
enum Lies {
    /// In the room it was given, from this byte on.
    Held(usize),
    /// In the reader's own memory, until the next is read.
    Beside,
}

#[cfg(test)]
mod tests {
    use clock::WallTime;
    use media::recording::segment_header;

    use super::*;
    use crate::finish::tests::recorded;
    use crate::testing::{TempFolder, blocks_of};

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
        let whole = places(Chain::new(&journal, Pace::alone()));
        let blocks = whole.len() / 2;
        assert!(blocks > 10, "{blocks} blocks");
        assert_eq!(whole[..blocks], whole[blocks..]);
        assert!(whole[..blocks].iter().zip(0..).all(|((index, ..), nth)| *index == nth), "{whole:?}");
        assert_eq!(
            whole.iter().map(|(_, _, entries)| entries).sum::<usize>(),
            2 * 1_002,
            "start, packets, end"
        );
        for held in [0, 1, 3, 8] {
            assert_eq!(places(Chain::holding(&journal, held)), whole, "{held} blocks held");
        }
    }

    #[test]
    fn a_block_as_large_as_earlier_versions_wrote_is_read_too() {
        let folder = TempFolder::new("chain");
        let mut blocks = blocks_of(7, 3);
        let mut segment = segment_header(0, WallTime(0)).to_vec();
        let mut previous = None;
        for (nth, block) in blocks.iter_mut().enumerate() {
            let place = Place { segment: 0, position: segment.len() as u32 };
            let mut bytes = block.seal(place, previous).to_vec();
            if nth == 1 {
                // Zeros end a block's entries.
                bytes.resize(MAX_BLOCK, 0);
                bytes[4..8].copy_from_slice(&(MAX_BLOCK as u32).to_le_bytes());
                let checksum = crc32c(&bytes[12..]);
                bytes[8..12].copy_from_slice(&checksum.to_le_bytes());
            }
            segment.extend(bytes);
            previous = Some(place);
        }
        fs::write(segment_path(folder.path(), 0), segment).unwrap();
        for held in [0, 1, 3, 8] {
            let mut chain = Chain::holding(folder.path(), held);
            chain.follow(7.into(), previous.unwrap()).unwrap();
            let mut seen = Vec::new();
            let look = |block: &AudioBlock<'_>| {
                seen.push((block.index(), block.entries().count()));
                Ok(())
            };
            chain.each(look).unwrap();
            let [(0, first), (1, second), (2, _)] = seen[..] else { panic!("{seen:?}, {held} blocks held") };
            assert_eq!(first, second + 1, "the first has the beginning too");
        }
    }

    /// RFC 3720 appendix B.4, bit by bit.
    fn crc32c(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |sum: u32, byte| {
            (0..8)
                .fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0x82f6_3b78 & (sum & 1).wrapping_neg()))
        })
    }
}
