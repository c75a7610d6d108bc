//! Owns the verdicts on recordings: files, manifest and call records held against each other. Does not own reading
//! them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;

use media::recording::manifest::{Deed, Entry, Flaw};
use model::{CallId, RecordingId};
use serde_json::{Value, json};
use store::{RecordingRow, Standing};

/// Everything that is known about recordings at one moment.
pub(super) struct Picture {
    /// Files by their path below the data folder, with their sizes.
    pub files: BTreeMap<String, u64>,
    /// The manifest, oldest first.
    pub entries: Vec<Entry>,
    /// What is wrong with the manifest, by its file.
    pub flaws: Vec<(String, Flaw)>,
    /// Recordings whose file is still to be made.
    pub held: HashSet<RecordingId>,
    /// What the call records say.
    pub rows: Vec<RecordingRow>,
    /// Calls whose record may not be written yet.
    pub unrecorded: HashSet<CallId>,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub problem: Problem,
    pub recording: Option<RecordingId>,
    pub call: Option<CallId>,
    pub path: Option<String>,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// The file that the manifest names is not there.
    Missing,
    /// It is shorter than it was made.
    Cut { bytes: u64, made: u64 },
    /// It is not what was made.
    Changed,
    /// It is another recording's.
    Swapped { with: RecordingId },
    /// The system does not give it.
    Unreadable { error: String },
    /// No call record knows it.
    NoRecord,
    /// A call record knows a recording that has no file.
    NoFile,
    /// The file is there, and the manifest does not know it.
    Unlisted,
    /// Nobody knows the file.
    Stray,
    /// The manifest says that it was deleted, and it is there.
    NotDeleted,
    /// Manifest and call record say different things.
    Contradicted,
    /// The manifest itself was changed.
    Manifest { flaw: Flaw },
}

impl Picture {
    /// What is not as it should be; `sum` gives the SHA-256 of the file at a path below the data folder.
    pub fn findings(&self, sum: &mut impl FnMut(&str) -> io::Result<String>) -> Vec<Finding> {
        let known = Known::of(self);
        let mut findings: Vec<Finding> = self.flaws.iter().map(Finding::of_flaw).collect();
        for entry in known.standing.values() {
            findings.extend(self.file(entry, &known, sum));
            findings.extend(self.record(entry, &known));
        }
        findings.extend(known.beside.values().filter_map(|entry| self.file(entry, &known, sum)));
        findings.extend(self.files.keys().filter_map(|path| self.unlisted(path, &known)));
        findings.extend(self.rows.iter().filter_map(|row| self.row(row, &known)));
        findings
    }

    /// Whether the file is what the manifest says.
    fn file(
        &self,
        entry: &Entry,
        known: &Known<'_>,
        sum: &mut impl FnMut(&str) -> io::Result<String>,
    ) -> Option<Finding> {
        let found = |problem| Some(Finding::of(problem, entry));
        let Some(bytes) = self.files.get(&entry.path).copied() else { return found(Problem::Missing) };
        let sum = match sum(&entry.path) {
            Ok(sum) => sum,
            Err(error) => return found(Problem::Unreadable { error: error.to_string() }),
        };
        if bytes == entry.bytes && sum == entry.sha256 {
            return None;
        }
        match known.sums.get(&*sum) {
            Some(other) => found(Problem::Swapped { with: *other }),
            None if bytes < entry.bytes => found(Problem::Cut { bytes, made: entry.bytes }),
            None => found(Problem::Changed),
        }
    }

    /// Whether a call record says the same.
    fn record(&self, entry: &Entry, known: &Known<'_>) -> Option<Finding> {
        let problem = match known.rows.get(&entry.recording).map(|row| &row.standing) {
            Some(Standing::Kept { path, sha256 }) if *path == entry.path && *sha256 == entry.sha256 => None,
            // What was learned last is written a moment later.
            Some(Standing::Waiting) | None if self.unrecorded.contains(&entry.call) => None,
            None => Some(Problem::NoRecord),
            Some(_) => Some(Problem::Contradicted),
        };
        problem.map(|problem| Finding::of(problem, entry))
    }

    /// A file that no line of the manifest stands for.
    fn unlisted(&self, path: &str, known: &Known<'_>) -> Option<Finding> {
        if known.paths.contains(path) {
            return None;
        }
        let name = path.rsplit('/').next().unwrap_or_default();
        let recording = name.split('.').next().and_then(|stem| stem.parse::<RecordingId>().ok());
        let row = recording.and_then(|recording| known.rows.get(&recording));
        let problem = match recording {
            Some(recording) if self.held.contains(&recording) => return None,
            Some(recording) if known.gone.contains(&recording) => Problem::NotDeleted,
            _ if row.is_some() => Problem::Unlisted,
            _ => Problem::Stray,
        };
        Some(Finding { problem, recording, call: row.map(|row| row.call), path: Some(path.to_owned()) })
    }

    /// A recording that a call record knows, and the manifest may not.
    fn row(&self, row: &RecordingRow, known: &Known<'_>) -> Option<Finding> {
        if known.standing.contains_key(&row.recording) {
            return None;
        }
        let path = match &row.standing {
            Standing::Kept { path, .. } => Some(path.clone()),
            Standing::Waiting | Standing::Failed | Standing::Expired => None,
        };
        let problem = match &row.standing {
            Standing::Kept { .. } | Standing::Expired if known.gone.contains(&row.recording) => return None,
            // Its file is there, and told of as one that the manifest does not know.
            Standing::Kept { path, .. } if self.files.contains_key(path) => return None,
            Standing::Waiting if self.held.contains(&row.recording) => return None,
            Standing::Waiting if self.unrecorded.contains(&row.call) => return None,
            Standing::Kept { .. } | Standing::Waiting | Standing::Failed => Problem::NoFile,
            Standing::Expired => Problem::Contradicted,
        };
        Some(Finding { problem, recording: Some(row.recording), call: Some(row.call), path })
    }
}

/// What a picture says, by what it is looked up with.
struct Known<'a> {
    /// Files that must be there.
    standing: BTreeMap<RecordingId, &'a Entry>,
    /// Files that must be beside them, by their path.
    beside: BTreeMap<&'a str, &'a Entry>,
    /// Recordings whose file was deleted in order.
    gone: HashSet<RecordingId>,
    paths: HashSet<&'a str>,
    sums: HashMap<&'a str, RecordingId>,
    rows: HashMap<RecordingId, &'a RecordingRow>,
}

impl<'a> Known<'a> {
    fn of(picture: &'a Picture) -> Known<'a> {
        let (mut standing, mut beside, mut gone) = (BTreeMap::new(), BTreeMap::new(), HashSet::new());
        for entry in &picture.entries {
            match entry.deed {
                Deed::Kept => drop(standing.insert(entry.recording, entry)),
                // A maker that was killed enters it again: what was said last holds.
                Deed::Beside => drop(beside.insert(&*entry.path, entry)),
                Deed::Expired => {
                    standing.remove(&entry.recording);
                    gone.insert(entry.recording);
                }
            }
        }
        beside.retain(|_, entry| standing.contains_key(&entry.recording));
        let there = || standing.values().chain(beside.values());
        let paths = there().map(|entry| &*entry.path).collect();
        let sums = there().map(|entry| (&*entry.sha256, entry.recording)).collect();
        let rows = picture.rows.iter().map(|row| (row.recording, row)).collect();
        Known { standing, beside, gone, paths, sums, rows }
    }
}

impl Finding {
    fn of(problem: Problem, entry: &Entry) -> Finding {
        let (recording, call) = (Some(entry.recording), Some(entry.call));
        Finding { problem, recording, call, path: Some(entry.path.clone()) }
    }

    fn of_flaw((file, flaw): &(String, Flaw)) -> Finding {
        let problem = Problem::Manifest { flaw: flaw.clone() };
        Finding { problem, recording: None, call: None, path: Some(format!("manifest/{file}")) }
    }

    /// As an object.
    pub fn json(&self) -> Value {
        json!({
            "problem": self.problem.word(), "text": self.problem.text(),
            "recording": self.recording, "call": self.call, "path": self.path,
        })
    }

    /// As a line of text.
    pub fn line(&self) -> String {
        let what = match (&self.path, &self.recording) {
            (Some(path), _) => path.clone(),
            (None, Some(recording)) => recording.to_string(),
            (None, None) => String::new(),
        };
        let call = self.call.map(|call| format!("  通话 / call {call}")).unwrap_or_default();
        format!("{what}: {}{call}", self.problem.text())
    }
}

impl Problem {
    /// Its name in JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Problem::Missing => "missing",
            Problem::Cut { .. } => "cut",
            Problem::Changed => "changed",
            Problem::Swapped { .. } => "swapped",
            Problem::Unreadable { .. } => "unreadable",
            Problem::NoRecord => "no_record",
            Problem::NoFile => "no_file",
            Problem::Unlisted => "unlisted",
            Problem::Stray => "stray",
            Problem::NotDeleted => "not_deleted",
            Problem::Contradicted => "contradicted",
            Problem::Manifest { .. } => "manifest",
        }
    }

    fn text(&self) -> String {
        let fixed = match self {
            Problem::Cut { bytes, made } => {
                return format!("被截短,{made} 字节只剩 {bytes} / cut: {bytes} of {made} bytes");
            }
            Problem::Swapped { with } => {
                return format!("内容是录音 {with} 的 / holds what recording {with} should");
            }
            Problem::Unreadable { error } => return format!("读不出: {error} / cannot be read"),
            Problem::Manifest { flaw } => return flaw.to_string(),
            Problem::Missing => "文件缺失 / missing",
            Problem::Changed => "内容被改动 / changed",
            Problem::NoRecord => "没有对应的话单 / no call record knows it",
            Problem::NoFile => "话单有录音而没有文件 / the call record has it, and there is no file",
            Problem::Unlisted => "不在录音清单中 / not in the manifest",
            Problem::Stray => "来历不明的文件 / nobody knows this file",
            Problem::NotDeleted => "清单记为已删除而文件仍在 / deleted by the manifest, and still there",
            Problem::Contradicted => "清单与话单不一致 / manifest and call record differ",
        };
        fixed.to_owned()
    }
}
