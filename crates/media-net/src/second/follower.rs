//! Owns the way of blocks from one folder of segments to another. Does not own when it is gone (see [`super`]).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clock::WallTime;
use media::recording::{BlockView, Damage, MAX_BLOCK, Place, SEGMENT_BYTES, SEGMENT_HEADER};

use super::SecondPlace;
use crate::journal::{segment_path, segments_in};

/// Follows the segments of a journal.
#[derive(Debug)]
pub struct Follower {
    journal: PathBuf,
    place: SecondPlace,
    /// Segments that are not copied to their end.
    segments: BTreeMap<u64, Followed>,
    /// All below this number are copied, or were never to be.
    next: u64,
    buffer: Box<[u8]>,
    lost: u64,
    tidied: WallTime,
}

/// A segment on its way.
#[derive(Debug)]
struct Followed {
    from: Arc<File>,
    /// `None` until it is known how much of it is there.
    to: Option<(File, u32)>,
}

impl Follower {
    pub fn new(journal: PathBuf, place: SecondPlace) -> Follower {
        let buffer = vec![0; MAX_BLOCK].into_boxed_slice();
        let tidied = WallTime(i64::MIN);
        Follower { journal, place, segments: BTreeMap::new(), next: 0, buffer, lost: 0, tidied }
    }

    /// Copies what there is, `end` being where the journal is written to.
    ///
    /// # Errors
    /// Those of either place; what was not copied is copied by the next call.
    pub fn follow(&mut self, end: Place, now: WallTime) -> io::Result<()> {
        self.discover()?;
        let copied = self.copy_all(end);
        if copied.is_err() {
            // The second place may have gone and come back: its files are opened anew.
            for followed in self.segments.values_mut() {
                followed.to = None;
            }
            self.give_up_the_oldest(end);
        }
        copied?;
        if now.since(self.tidied) >= TIDY {
            self.tidied = now;
            self.tidy(now)?;
        }
        Ok(())
    }

    /// Bytes that are in the journal and not in the copy.
    pub fn behind(&self, end: Place) -> u64 {
        let behind = |(number, followed): (&u64, &Followed)| {
            let limit = limit(*number, end);
            let done = followed.to.as_ref().map_or(SEGMENT_HEADER, |(_, done)| *done);
            u64::from(limit.saturating_sub(done))
        };
        self.segments.iter().map(behind).sum()
    }

    /// Bytes given up since the last call.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Opens segments that are new.
    fn discover(&mut self) -> io::Result<()> {
        for (number, path) in segments_in(&self.journal)? {
            if number < self.next || self.segments.contains_key(&number) {
                continue;
            }
            match File::open(&path) {
                Ok(file) => {
                    self.segments.insert(number, Followed { from: Arc::new(file), to: None });
                }
                // Nobody needed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn copy_all(&mut self, end: Place) -> io::Result<()> {
        let numbers: Vec<u64> = self.segments.keys().copied().collect();
        for number in numbers {
            let Some(followed) = self.segments.get_mut(&number) else { continue };
            if followed.to.is_none() {
                refuse_the_journal_itself(&self.journal, &self.place.folder)?;
                let path = segment_path(&self.place.folder, number);
                followed.to = Some(resume(&path, &followed.from, &mut self.buffer)?);
            }
            let Some((to, done)) = &mut followed.to else { continue };
            let (from, before) = (Arc::clone(&followed.from), *done);
            let walk = Walk { number, limit: limit(number, end), buffer: &mut self.buffer };
            walk.copy(&from, to, done)?;
            if *done > before {
                to.sync_data()?;
            }
            // One that no longer grows is done with.
            if number < end.segment {
                self.segments.remove(&number);
                self.next = self.next.max(number + 1);
            }
        }
        Ok(())
    }

    /// A second place that refuses does not keep the room of deleted segments for ever.
    fn give_up_the_oldest(&mut self, end: Place) {
        while self.segments.len() > MOST_OPEN {
            let Some((number, _)) = self.segments.pop_first() else { return };
            self.lost += u64::from(limit(number, end).saturating_sub(SEGMENT_HEADER));
            self.next = self.next.max(number + 1);
        }
    }

    /// Deletes copies whose original has gone for long.
    fn tidy(&self, now: WallTime) -> io::Result<()> {
        let copies = match segments_in(&self.place.folder) {
            Ok(copies) => copies,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for (number, path) in copies {
            if self.segments.contains_key(&number) || segment_path(&self.journal, number).exists() {
                continue;
            }
            let written = fs::metadata(&path)?.modified()?;
            let written = written.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let over = WallTime(written.as_micros() as i64) + self.place.keep;
            if over <= now {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }
}

/// How far segment `number` is written: wholly, up to its last block, or not at all.
fn limit(number: u64, end: Place) -> u32 {
    match number.cmp(&end.segment) {
        Ordering::Less => SEGMENT_BYTES,
        Ordering::Equal => end.position,
        Ordering::Greater => SEGMENT_HEADER,
    }
}

/// A copy onto itself would be no copy.
fn refuse_the_journal_itself(journal: &Path, folder: &Path) -> io::Result<()> {
    if fs::canonicalize(journal)? == fs::canonicalize(folder)? {
        let words = "副本目录就是录音日志目录 / the second place is the journal itself";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
    }
    Ok(())
}

/// Opens the copy at `path`, and finds out how much of it is there: the position behind its last whole block.
fn resume(path: &Path, from: &File, buffer: &mut [u8]) -> io::Result<(File, u32)> {
    let to = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    let mut header = [0; SEGMENT_HEADER as usize];
    from.read_exact_at(&mut header, 0)?;
    let mut known = [0; SEGMENT_HEADER as usize];
    let same = to.read_exact_at(&mut known, 0).is_ok() && known == header;
    if !same {
        // Another journal's, or cut within its header.
        to.set_len(0)?;
        to.write_all_at(&header, 0)?;
        return Ok((to, SEGMENT_HEADER));
    }
    let number = u64::from_le_bytes([
        header[8], header[9], header[10], header[11], header[12], header[13], header[14], header[15],
    ]);
    let mut done = SEGMENT_HEADER;
    while let Ok(block) = read_block(&to, Place { segment: number, position: done }, buffer)? {
        done += block.len() as u32;
    }
    Ok((to, done))
}

/// The way through one segment.
struct Walk<'a> {
    number: u64,
    limit: u32,
    buffer: &'a mut [u8],
}

impl Walk<'_> {
    /// Copies whole blocks from position `done` on, which it moves.
    fn copy(self, from: &File, to: &File, done: &mut u32) -> io::Result<()> {
        let Walk { number, limit, buffer } = self;
        while *done < limit {
            match read_block(from, Place { segment: number, position: *done }, buffer)? {
                Ok(block) => {
                    to.write_all_at(block, u64::from(*done))?;
                    *done += block.len() as u32;
                }
                // What was never written: of a segment of an earlier process all the rest, or a hole.
                // Its first bytes may be zeros by chance: the search goes on behind them.
                Err(Damage::Empty) => match written_behind(from, *done + 8, limit)? {
                    Some(position) => *done = position,
                    None => *done = limit,
                },
                // A torn block is no use in two places; what follows it is.
                Err(_) => *done += 8,
            }
        }
        Ok(())
    }
}

/// The bytes of the block at `place`, which were checked; else what is wrong with it.
fn read_block<'a>(file: &File, place: Place, buffer: &'a mut [u8]) -> io::Result<Result<&'a [u8], Damage>> {
    let position = u64::from(place.position);
    let mut prefix = [0; BlockView::PREFIX];
    if let Err(error) = file.read_exact_at(&mut prefix, position) {
        return if error.kind() == io::ErrorKind::UnexpectedEof {
            Ok(Err(Damage::Empty))
        } else {
            Err(error)
        };
    }
    let size = match BlockView::size(&prefix) {
        Ok(size) => size,
        Err(damage) => return Ok(Err(damage)),
    };
    if let Err(error) = file.read_exact_at(&mut buffer[..size], position) {
        return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(Err(Damage::Torn)) } else { Err(error) };
    }
    Ok(match BlockView::parse(&buffer[..size], place) {
        // A later version's block is whole too.
        Ok(_) | Err(Damage::Unknown { .. }) => Ok(&buffer[..size]),
        Err(damage) => Err(damage),
    })
}

/// The first place from `position` on where something is written, before `limit`.
fn written_behind(file: &File, position: u32, limit: u32) -> io::Result<Option<u32>> {
    let mut chunk = vec![0; 64 * 1024];
    let mut at = position;
    while at < limit {
        let read = file.read_at(&mut chunk, u64::from(at))?;
        if read == 0 {
            return Ok(None);
        }
        if let Some(written) = chunk[..read].iter().position(|byte| *byte != 0) {
            let found = at + (written as u32 & !7);
            return Ok((found < limit).then_some(found));
        }
        at += read as u32;
    }
    Ok(None)
}

/// Segments that are held open while the second place refuses: 1 GiB.
const MOST_OPEN: usize = 16;

/// How often it is looked for copies that nobody needs.
const TIDY: std::time::Duration = std::time::Duration::from_secs(30);
