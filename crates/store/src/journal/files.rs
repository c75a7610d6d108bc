//! Owns the journal's files: their names, what is found in them at a start, and reading them in order. Does not own
//! writing (see [`super::writer`]).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clock::WallTime;
use model::event::Stamped;

use super::JournalError;
use super::frame::{self, At, HEADER, Origin};

const SUFFIX: &str = ".events";

/// The file that events are appended to.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) file: File,
    pub(super) bytes: u64,
}

/// What a start found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) tail: Option<Tail>,
    pub(super) last_seq: u64,
    pub(super) torn_bytes: u64,
}

/// Looks through the last file, cuts its torn tail off and finds the last sequence.
pub(super) fn recover(dir: &Path) -> Result<Found, JournalError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| JournalError::Io { path, source }
    };
    fs::create_dir_all(dir).map_err(failed(dir))?;
    let files = list(dir).map_err(failed(dir))?;
    for (_, path) in &files {
        check_origin(path)?;
    }
    let mut found = Found { tail: None, last_seq: 0, torn_bytes: 0 };
    let Some((first_seq, path)) = files.last() else { return Ok(found) };
    let mut bytes = fs::read(path).map_err(failed(path))?;
    found.last_seq = first_seq - 1;
    let sound = match frame::origin(&bytes) {
        Origin::Unfinished => {
            bytes = HEADER.to_vec();
            fs::write(path, HEADER).map_err(failed(path))?;
            HEADER.len()
        }
        _ => scan_to_end(&bytes, path, &mut found.last_seq),
    };
    found.torn_bytes = (bytes.len() - sound) as u64;
    let file = OpenOptions::new().append(true).open(path).map_err(failed(path))?;
    if found.torn_bytes > 0 {
        tracing::warn!(
            file = %path.display(), bytes = found.torn_bytes,
            "事件日志尾部不完整，已截去 / the event journal ended in mid-event: its tail was cut off"
        );
        file.set_len(sound as u64).map_err(failed(path))?;
        file.sync_all().map_err(failed(path))?;
    }
    found.tail = Some(Tail { file, bytes: sound as u64 });
    Ok(found)
}

/// Where the sound part of `bytes` ends.
fn scan_to_end(bytes: &[u8], path: &Path, last_seq: &mut u64) -> usize {
    let mut place = HEADER.len();
    loop {
        match frame::read(bytes, place) {
            At::Event { event, next } => {
                *last_seq = (*last_seq).max(event.seq);
                place = next;
            }
            At::Damage { next } => {
                report_damage(path, next - place);
                place = next;
            }
            At::End => return place,
        }
    }
}

/// Removes files whose events are all at or before `low_water` and that were last written before `cut`.
pub(super) fn remove_before(dir: &Path, low_water: u64, cut: WallTime) -> Result<usize, JournalError> {
    let failed = |source| JournalError::Io { path: dir.to_owned(), source };
    let files = list(dir).map_err(failed)?;
    let mut removed = 0;
    for pair in files.windows(2) {
        let ((_, path), (next_first, _)) = (&pair[0], &pair[1]);
        if *next_first > low_water + 1 {
            break;
        }
        let written = fs::metadata(path).and_then(|meta| meta.modified()).map_err(failed)?;
        let written = written.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if i64::try_from(written.as_micros()).unwrap_or(i64::MAX) >= cut.0 {
            break;
        }
        fs::remove_file(path).map_err(failed)?;
        removed += 1;
    }
    Ok(removed)
}

/// The name of the file that begins with `first_seq`.
pub(super) fn path_of(dir: &Path, first_seq: u64) -> PathBuf {
    dir.join(format!("{first_seq:020}{SUFFIX}"))
}

/// The files with their first sequences, in order.
fn list(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let stem = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(SUFFIX));
        let first_seq = stem.filter(|stem| stem.len() == 20).and_then(|stem| stem.parse::<u64>().ok());
        if let Some(first_seq) = first_seq.filter(|seq| *seq > 0) {
            files.push((first_seq, path));
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn check_origin(path: &Path) -> Result<(), JournalError> {
    let mut begin = Vec::with_capacity(HEADER.len());
    let read = File::open(path).and_then(|file| file.take(HEADER.len() as u64).read_to_end(&mut begin));
    read.map_err(|source| JournalError::Io { path: path.to_owned(), source })?;
    match frame::origin(&begin) {
        Origin::Ours | Origin::Unfinished => Ok(()),
        Origin::Newer => Err(JournalError::Newer(path.to_owned())),
        Origin::Foreign => Err(JournalError::NotOurs(path.to_owned())),
    }
}

fn report_damage(path: &Path, bytes: usize) {
    metrics::counter!("hotline_journal_damaged_bytes_total").increment(bytes as u64);
    tracing::error!(
        file = %path.display(), bytes,
        "事件日志有一段损坏，已跳过 / a part of the event journal is damaged and was passed over"
    );
}

/// Reads events in order, through all files, to what was written when it got there. Holds one file in memory.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    after: u64,
    /// The files still to read, the next one last.
    files: Option<Vec<(u64, PathBuf)>>,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    path: PathBuf,
    bytes: Vec<u8>,
    place: usize,
}

impl Reader {
    pub(super) fn after(dir: &Path, after: u64) -> Reader {
        Reader { dir: dir.to_owned(), after, files: None, current: None }
    }

    /// Reads the journal in `dir` from behind sequence `after`, without opening it for writing.
    pub fn open(dir: &Path, after: u64) -> Reader {
        Reader::after(dir, after)
    }

    fn open_next(&mut self) -> Result<bool, JournalError> {
        let files = match &mut self.files {
            Some(files) => files,
            None => {
                let failed = |source| JournalError::Io { path: self.dir.clone(), source };
                let mut files = list(&self.dir).map_err(failed)?;
                let first = files.iter().rposition(|(first, _)| *first <= self.after + 1).unwrap_or(0);
                files.drain(..first);
                files.reverse();
                self.files.insert(files)
            }
        };
        let Some((_, path)) = files.pop() else { return Ok(false) };
        check_origin(&path)?;
        let bytes = fs::read(&path).map_err(|source| JournalError::Io { path: path.clone(), source })?;
        self.current = Some(Current { path, bytes, place: HEADER.len() });
        Ok(true)
    }
}

impl Iterator for Reader {
    type Item = Result<Stamped, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(current) = &mut self.current else {
                match self.open_next() {
                    Ok(true) => continue,
                    Ok(false) => return None,
                    Err(error) => return Some(Err(error)),
                }
            };
            match frame::read(&current.bytes, current.place) {
                At::Event { event, next } => {
                    current.place = next;
                    if event.seq > self.after {
                        self.after = event.seq;
                        return Some(Ok(*event));
                    }
                }
                At::Damage { next } => {
                    report_damage(&current.path, next - current.place);
                    current.place = next;
                }
                At::End => self.current = None,
            }
        }
    }
}
