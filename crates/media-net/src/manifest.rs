//! Owns the manifest's files: one a month below `<data>/manifest`, only ever added to. Does not own a line's words or
//! the chain (see `media::recording::manifest`), nor who writes when (see [`crate::finish`]).

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use clock::WallTime;
use media::recording::manifest::{Chain, Deed, Entry, Flaw};
use model::RecordingId;

use crate::finish::date;
use crate::journal::medium::is_deleted;

/// The manifest, open for adding.
#[derive(Debug)]
pub struct Manifest {
    folder: PathBuf,
    chain: Chain,
    growing: Option<Growing>,
}

#[derive(Debug)]
struct Growing {
    name: String,
    file: File,
    length: u64,
}

impl Manifest {
    /// Opens the manifest of the data folder `data`, or makes it. A line that a crash cut short is taken away: nobody
    /// was told of it.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn open(data: &Path) -> io::Result<Manifest> {
        let folder = folder(data);
        fs::create_dir_all(&folder)?;
        let mut manifest = Manifest { folder, chain: Chain::default(), growing: None };
        // A month's file that holds no line yet says nothing about the chain: the one before does.
        for name in names(&manifest.folder)?.into_iter().rev() {
            let growing = Growing::open(&manifest.folder, name)?;
            let last = growing.last_line()?;
            manifest.growing.get_or_insert(growing);
            if let Some(line) = last {
                manifest.chain = Chain::somewhere();
                manifest.chain.read(&line);
                break;
            }
        }
        Ok(manifest)
    }

    /// Adds a line and waits until the disk has it.
    ///
    /// # Errors
    /// Those of the disk; nothing is added then.
    pub fn append(&mut self, entry: &Entry) -> io::Result<()> {
        self.append_all(std::slice::from_ref(entry))
    }

    /// Adds lines of one moment and waits until the disk has them all.
    ///
    /// # Errors
    /// Those of the disk; none is added then.
    pub fn append_all(&mut self, entries: &[Entry]) -> io::Result<()> {
        let Some(first) = entries.first() else { return Ok(()) };
        let mut chain = self.chain.clone();
        let lines: String = entries.iter().map(|entry| chain.write(entry)).collect();
        self.growing(first.at)?.append(&lines)?;
        self.chain = chain;
        Ok(())
    }

    /// What was said of a recording's file when it was made.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn kept(&self, recording: RecordingId) -> io::Result<Option<Entry>> {
        let mut found = None;
        each_entry(&self.folder, |entry, _| {
            found = found
                .take()
                .or(entry.filter(|entry| entry.recording == recording && entry.deed == Deed::Kept));
        })?;
        Ok(found)
    }

    /// The file of the month of `at`, or a later one where a clock went back: files are read in order of their names. One that
    /// somebody deleted is begun anew, and what follows tells that lines are missing.
    fn growing(&mut self, at: WallTime) -> io::Result<&mut Growing> {
        let (year, month, _) = date(at);
        let name = format!("{year:04}-{month:02}.tsv");
        match self.growing.take().filter(|growing| growing.name >= name && !is_deleted(&growing.file)) {
            Some(growing) => Ok(self.growing.insert(growing)),
            None => {
                fs::create_dir_all(&self.folder)?;
                let growing = Growing::open(&self.folder, name)?;
                // The name must survive a power cut as its lines do.
                File::open(&self.folder)?.sync_all()?;
                Ok(self.growing.insert(growing))
            }
        }
    }
}

impl Growing {
    fn open(folder: &Path, name: String) -> io::Result<Growing> {
        let path = folder.join(&name);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut growing = Growing { name, length: file.metadata()?.len(), file };
        let whole = growing.tail()?.1;
        if whole < growing.length {
            growing.file.set_len(whole)?;
            growing.length = whole;
        }
        Ok(growing)
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        let added = self.file.write_all_at(line.as_bytes(), self.length).and_then(|()| self.file.sync_data());
        match added {
            Ok(()) => {
                self.length += line.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Half a line stays only where the disk refuses that too; the next line is written over it.
                let _ = self.file.set_len(self.length);
                Err(error)
            }
        }
    }

    fn last_line(&self) -> io::Result<Option<String>> {
        Ok(self.tail()?.0)
    }

    /// The last whole line, and the length of all whole lines.
    fn tail(&self) -> io::Result<(Option<String>, u64)> {
        let start = self.length.saturating_sub(LONGEST_TAIL);
        let mut bytes = vec![0; (self.length - start) as usize];
        self.file.read_exact_at(&mut bytes, start)?;
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Ok((None, start)) };
        let begin = bytes[..end].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = String::from_utf8_lossy(&bytes[begin..end]).into_owned();
        Ok((Some(line), start + end as u64 + 1))
    }
}

/// Reads the whole manifest of the data folder `data`, oldest first: what each line says, and what is wrong with it,
/// with the name of its file. A last line without an end is one that is being written.
///
/// # Errors
/// Those of the disk; a manifest that was never begun is an empty one.
pub fn read_manifest(data: &Path, each: impl FnMut(Option<Entry>, Option<(String, Flaw)>)) -> io::Result<()> {
    each_entry(&folder(data), each)
}

fn each_entry(folder: &Path, mut each: impl FnMut(Option<Entry>, Option<(String, Flaw)>)) -> io::Result<()> {
    let mut chain = Chain::default();
    for name in names(folder)? {
        let mut reader = BufReader::new(File::open(folder.join(&name))?);
        let mut line = Vec::new();
        loop {
            line.clear();
            reader.read_until(b'\n', &mut line)?;
            if line.pop() != Some(b'\n') {
                break;
            }
            let (entry, flaw) = chain.read(&String::from_utf8_lossy(&line));
            each(entry, flaw.map(|flaw| (name.clone(), flaw)));
        }
    }
    Ok(())
}

/// The files' names in order of time.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".tsv") {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn folder(data: &Path) -> PathBuf {
    data.join("manifest")
}

/// No two lines are longer than this together.
const LONGEST_TAIL: u64 = 64 * 1024;

#[cfg(test)]
mod tests;
