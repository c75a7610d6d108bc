//! Owns the writing of a file past the system's cache: a recording is seldom heard as soon as it is made, and a copy of it
//! in the cache costs more than all else that is done to write it. Does not own which files are written so (see
//! [`super::files`]).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Bytes written at a time: half a minute of a call in G.711, which the processor's own cache holds until then.
const BLOCK: usize = 512 * 1024;

/// Where memory that a disk reads begins, and what a file without its end is a multiple of, in bytes.
const PAGE: usize = 4_096;

/// Memory that files are written from, one after the other.
#[derive(Debug)]
pub struct Memory {
    bytes: Box<[u8]>,
    from: usize,
}

impl Default for Memory {
    fn default() -> Memory {
        let bytes = vec![0; PAGE + BLOCK].into_boxed_slice();
        let from = bytes.as_ptr().align_offset(PAGE).min(PAGE);
        Memory { bytes, from }
    }
}

/// A file that grows.
#[derive(Debug)]
pub struct Uncached<'a> {
    file: File,
    way: Way,
    block: &'a mut [u8],
    filled: usize,
}

/// Whether what is written stays in the system's cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Past,
    Through,
}

impl Uncached<'_> {
    /// Makes the file at `path`, or empties it; what is written gathers in `memory`.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn create<'a>(path: &Path, memory: &'a mut Memory) -> io::Result<Uncached<'a>> {
        let options = OpenOptions::new().write(true).create(true).truncate(true).clone();
        let (file, way) = match options.clone().custom_flags(libc::O_DIRECT).open(path) {
            Ok(file) => (file, Way::Past),
            // Not every file system has such a way.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => (options.open(path)?, Way::Through),
            Err(error) => return Err(error),
        };
        Ok(Uncached { file, way, block: &mut memory.bytes[memory.from..][..BLOCK], filled: 0 })
    }

    /// Writes what is gathered, and its end, which is no whole page.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn finish(mut self) -> io::Result<()> {
        let whole = self.filled - self.filled % PAGE;
        self.write_out(0, whole)?;
        self.go_through()?;
        self.write_out(whole, self.filled)
    }

    fn write_out(&mut self, mut from: usize, to: usize) -> io::Result<()> {
        while from < to {
            match self.file.write(&self.block[from..to]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => from += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A disk whose pages are larger, or one that took a part of a page.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) && self.way == Way::Past => {
                    self.go_through()?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn go_through(&mut self) -> io::Result<()> {
        self.way = Way::Through;
        // SAFETY: fcntl takes three integers; the file is open for the length of the call. Of the flags it sets only
        // O_DIRECT was ever set here.
        if unsafe { libc::fcntl(self.file.as_raw_fd(), libc::F_SETFL, 0) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

impl Write for Uncached<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(BLOCK - self.filled);
        self.block[self.filled..][..taken].copy_from_slice(&bytes[..taken]);
        self.filled += taken;
        if self.filled == BLOCK {
            self.filled = 0;
            self.write_out(0, BLOCK)?;
        }
        Ok(taken)
    }

    /// Nothing is written before a block is full: see [`Uncached::finish`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::TempFolder;

    #[test]
    fn a_file_is_what_was_written_whatever_its_length_and_its_pieces() {
        let folder = TempFolder::new("uncached");
        let path = folder.path().join("file");
        let mut memory = Memory::default();
        for length in [0, 1, PAGE - 1, PAGE, PAGE + 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5 * PAGE + 7]
        {
            for piece in [58, 16_000, BLOCK + 3] {
                let bytes: Vec<u8> = (0..length).map(|at| (at * 7 + at / 251) as u8).collect();
                let mut file = Uncached::create(&path, &mut memory).unwrap();
                bytes.chunks(piece).for_each(|piece| file.write_all(piece).unwrap());
                file.finish().unwrap();
                assert!(fs::read(&path).unwrap() == bytes, "{length} bytes in pieces of {piece}");
            }
        }
    }

    #[test]
    fn memory_begins_with_a_page() {
        let mut memory = Memory::default();
        let folder = TempFolder::new("uncached");
        let file = Uncached::create(&folder.path().join("file"), &mut memory).unwrap();
        assert_eq!(file.block.as_ptr().addr() % PAGE, 0);
        assert_eq!(file.block.len(), BLOCK);
    }

    #[test]
    fn a_disk_that_wants_other_pages_is_written_through_the_cache() {
        let folder = TempFolder::new("uncached");
        let path = folder.path().join("file");
        // Memory that begins elsewhere is what such a disk refuses.
        let mut memory = Memory::default();
        memory.from = (memory.from + 1) % PAGE;
        let mut file = Uncached::create(&path, &mut memory).unwrap();
        let bytes = vec![0x55; 2 * BLOCK + 100];
        file.write_all(&bytes).unwrap();
        file.finish().unwrap();
        assert!(fs::read(&path).unwrap() == bytes);
    }
}
