//! Owns the manifest of playable files line by line: what a line says, and the chain of hashes that ties each line to
//! the one before. Does not own the files that lines stand in (see `media-net`).
//!
//! A line is ten fields with tabs between them: number, wall time in µs, deed, recording, call, tenant, bytes, SHA-256
//! of the file, path, hash of the line before. The eleventh is the line's own hash: SHA-256 of all that stands before
//! its tab. The first line of all follows 64 zeros.

use clock::WallTime;
use model::{CallId, RecordingId, TenantId};
use sha2::{Digest, Sha256};

use crate::finisher::hex;

/// What was done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It was made.
    Kept,
    /// A file beside it was made: what happened in it, or its waveform.
    Beside,
    /// Its time was over and it was deleted, and what was beside it.
    Expired,
}

/// One line's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was done.
    pub at: WallTime,
    /// What.
    pub deed: Deed,
    /// Which recording.
    pub recording: RecordingId,
    /// The call it belongs to.
    pub call: CallId,
    /// Whose.
    pub tenant: TenantId,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// Path below the data folder.
    pub path: String,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It is not what was written.
    #[error("第 {number} 行被改动 / line {number} was changed")]
    Changed {
        /// The line's number as the chain counts, from 1.
        number: u64,
    },
    /// It does not follow the line before: lines were taken out, put in, or written anew.
    #[error(
        "第 {number} 行与前一行不相连,应为第 {expected} 行 / line {number} does not follow the one before, line {expected} does"
    )]
    Unchained {
        /// The number it gives itself.
        number: u64,
        /// The number that was due.
        expected: u64,
    },
}

/// The end of the chain: what the next line follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Number and hash of the last line; `None` when what came before is not known.
    last: Option<(u64, String)>,
}

impl Default for Chain {
    /// Before the first line of all.
    fn default() -> Chain {
        Chain { last: Some((0, "0".repeat(64))) }
    }
}

impl Chain {
    /// In the midst of a chain: whatever line comes next is believed to follow.
    pub fn somewhere() -> Chain {
        Chain { last: None }
    }

    /// The next line, with its line feed.
    pub fn write(&mut self, entry: &Entry) -> String {
        let (number, before) = self.last.take().unwrap_or_else(|| (0, "0".repeat(64)));
        let number = number + 1;
        let deed = match entry.deed {
            Deed::Kept => "kept",
            Deed::Beside => "beside",
            Deed::Expired => "expired",
        };
        let tenant = escape(entry.tenant.as_str());
        let path = escape(&entry.path);
        let mut line = format!(
            "{number}\t{}\t{deed}\t{}\t{}\t{tenant}\t{}\t{}\t{path}\t{before}",
            entry.at.0, entry.recording, entry.call, entry.bytes, entry.sha256
        );
        let own = sum(&line);
        line.push('\t');
        line.push_str(&own);
        line.push('\n');
        self.last = Some((number, own));
        line
    }

    /// What the next line says, and what is wrong with it. The chain goes on behind it all the same, so that one flaw
    /// is told once.
    pub fn read(&mut self, line: &str) -> (Option<Entry>, Option<Flaw>) {
        let due = self.last.as_ref().map(|(number, _)| number + 1);
        let parsed = Line::parse(line);
        let Some(line) = parsed.filter(Line::is_whole) else {
            // What it says of itself is not believed; what follows it may still name its hash.
            let own = line.rsplit('\t').next().unwrap_or_default().to_owned();
            let number = due.unwrap_or(1);
            self.last = Some((number, own));
            return (None, Some(Flaw::Changed { number }));
        };
        let follows =
            self.last.as_ref().is_none_or(|(last, own)| line.number == last + 1 && line.before == own);
        let flaw =
            (!follows).then(|| Flaw::Unchained { number: line.number, expected: due.unwrap_or(line.number) });
        self.last = Some((line.number, line.own.to_owned()));
        (Some(line.entry), flaw)
    }
}

struct Line<'a> {
    number: u64,
    entry: Entry,
    before: &'a str,
    own: &'a str,
    hashed: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Line<'a>> {
        let (hashed, own) = line.rsplit_once('\t')?;
        let fields: Vec<&str> = hashed.split('\t').collect();
        let [number, at, deed, recording, call, tenant, bytes, sha256, path, before] = fields[..] else {
            return None;
        };
        let deed = match deed {
            "kept" => Deed::Kept,
            "beside" => Deed::Beside,
            "expired" => Deed::Expired,
            _ => return None,
        };
        let entry = Entry {
            at: WallTime(at.parse().ok()?),
            deed,
            recording: recording.parse().ok()?,
            call: call.parse().ok()?,
            tenant: TenantId::new(&unescape(tenant)?),
            bytes: bytes.parse().ok()?,
            sha256: sha256.to_owned(),
            path: unescape(path)?,
        };
        Some(Line { number: number.parse().ok()?, entry, before, own, hashed })
    }

    fn is_whole(&self) -> bool {
        sum(self.hashed) == self.own
    }
}

fn sum(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// A tenant may be called anything: what would end a field or a line is written by its code.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '%' | '\t' | '\n' | '\r' => escaped.push_str(&format!("%{:02x}", u32::from(c))),
            c => escaped.push(c),
        }
    }
    escaped
}

fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        plain.push(char::from(u8::from_str_radix(code, 16).ok()?));
        plain.push_str(rest);
    }
    Some(plain)
}

#[cfg(test)]
mod tests;
