//! Owns the commands about recordings: whether every file is what was written, and every call has its own; pauses. Does
//! not own the verdicts (see [`audit`]).

mod audit;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::{fs, io};

use anyhow::Context;
use model::CallId;
use model::event::Event;
use store::Store;

use super::output::{self, Answer};
use super::switch_client::{Place, small_runtime, speak};
use super::{Global, Recordings, live};
use audit::{Finding, Picture};

/// Carries out what is asked about recordings.
pub(crate) fn run(global: &Global, asked: &Recordings) -> anyhow::Result<Answer> {
    match asked {
        Recordings::Fsck => fsck(global),
        Recordings::Rescue { from, into } => rescue(global, from, into),
        Recordings::Pause { call } => keep(global, call, call::Keep::Nothing),
        Recordings::Resume { call } => keep(global, call, call::Keep::Sound),
    }
}

/// Makes the files of a journal that stands alone.
fn rescue(global: &Global, from: &Path, into: &Path) -> anyhow::Result<Answer> {
    let (mut made, mut failed) = (Vec::new(), Vec::new());
    media_net::rescue(from, into, |recording, file| match file {
        Ok(file) => made.push((recording, file)),
        Err(error) => failed.push((recording, error.to_string())),
    })
    .with_context(|| format!("{} 读不出 / cannot be read", from.display()))?;
    let path = |file: &media_net::Made| into.join(&file.path).display().to_string();
    if global.json {
        let files = made.iter().map(|(recording, file)| {
            serde_json::json!({ "recording": recording, "path": path(file), "millis": file.millis, "sha256": file.sha256 })
        });
        let failures = failed
            .iter()
            .map(|(recording, error)| serde_json::json!({ "recording": recording, "error": error }));
        output::json(&serde_json::json!({
            "files": files.collect::<Vec<_>>(), "failed": failures.collect::<Vec<_>>(),
        }))?;
    } else {
        output::lines(
            made.iter().map(|(_, file)| format!("{}  {:.1} s", path(file), file.millis as f64 / 1_000.0)),
        )?;
        output::lines(failed.iter().map(|(recording, error)| format!("{recording}: {error}")))?;
        let (files, lost) = (made.len(), failed.len());
        output::lines([format!("{files} 个录音文件,{lost} 个失败 / {files} files, {lost} failures")])?;
    }
    Ok(if failed.is_empty() { Answer::Yes } else { Answer::No })
}

/// Pauses the recording of a call that is up, or lets it go on.
fn keep(global: &Global, call: &str, keep: call::Keep) -> anyhow::Result<Answer> {
    let id = call.parse::<CallId>()?.to_string();
    let asked = speak(global, |client| async move {
        match keep {
            call::Keep::Nothing => client.pause_recording(&id).await,
            call::Keep::Sound => client.resume_recording(&id).await,
        }
    });
    if let Err(error) = asked {
        return live::refused(error);
    }
    match (global.json, keep) {
        (true, _) => output::json(&serde_json::json!({ "ok": true }))?,
        (false, call::Keep::Nothing) => output::lines([format!("{call}: 录音已暂停 / recording paused")])?,
        (false, call::Keep::Sound) => output::lines([format!("{call}: 录音已恢复 / recording goes on")])?,
    }
    Ok(Answer::Yes)
}

/// Checks all recordings, whether the switch runs or not.
fn fsck(global: &Global) -> anyhow::Result<Answer> {
    let data = Place::of(global)?.data;
    let report = check(&data)?;
    if global.json {
        output::json(&serde_json::json!({
            "files": report.files, "bytes": report.bytes, "ok": report.findings.is_empty(),
            "findings": report.findings.iter().map(Finding::json).collect::<Vec<_>>(),
        }))?;
    } else {
        output::lines(report.findings.iter().map(Finding::line))?;
        let (files, findings) = (report.files, report.findings.len());
        output::lines([match findings {
            0 => format!("{files} 个录音文件全部完好 / all {files} recordings are as they were made"),
            _ => format!(
                "检查了 {files} 个录音文件,发现 {findings} 处问题 / {findings} findings in {files} files"
            ),
        }])?;
    }
    Ok(if report.findings.is_empty() { Answer::Yes } else { Answer::No })
}

/// What a check found.
struct Report {
    files: usize,
    bytes: u64,
    findings: Vec<Finding>,
}

/// Checks the data folder `data`.
///
/// # Errors
/// In words, when it cannot be read.
fn check(data: &Path) -> anyhow::Result<Report> {
    let runtime = small_runtime()?;
    let store = runtime.block_on(Store::open_read_only(data))?;
    let take = || runtime.block_on(picture(data, &store));
    let mut sums = HashMap::new();
    let mut sum = |path: &str| {
        let known = sums.get(path).cloned();
        known.map_or_else(
            || {
                let (_, sum) = media_net::checksum_of(&data.join(path))?;
                sums.insert(path.to_owned(), sum.clone());
                Ok(sum)
            },
            Ok,
        )
    };
    let first = take()?;
    let mut findings = first.findings(&mut sum);
    // A running switch makes and deletes files while they are looked at: what is found twice is so.
    if !findings.is_empty() {
        let again = take()?.findings(&mut sum);
        findings.retain(|finding| again.contains(finding));
    }
    runtime.block_on(store.close());
    Ok(Report { files: first.files.len(), bytes: first.files.values().sum(), findings })
}

/// Files before manifest before records, as they come into being.
async fn picture(data: &Path, store: &Store) -> anyhow::Result<Picture> {
    let held = media_net::held(data).context("录音日志读不出 / the recording journal cannot be read")?;
    let mut files = BTreeMap::new();
    list(data, "recordings", &mut files).context("录音目录读不出 / the recordings cannot be listed")?;
    let (mut entries, mut flaws) = (Vec::new(), Vec::new());
    media_net::read_manifest(data, |entry, flaw| {
        entries.extend(entry);
        flaws.extend(flaw);
    })
    .context("录音清单读不出 / the manifest cannot be read")?;
    let unrecorded = calls_without_record(store).await?;
    let rows = store.recordings().await?;
    Ok(Picture { files, entries, flaws, held, rows, unrecorded })
}

/// Calls that the event journal knows and the records may not know yet.
async fn calls_without_record(store: &Store) -> anyhow::Result<HashSet<CallId>> {
    let position = store.fold_position().await?;
    let mut calls = HashSet::new();
    for stamped in store::journal::Reader::open(&store.data_dir().events(), position.low_water) {
        if let Event::Call { call, .. } | Event::Recording { call, .. } = stamped?.event {
            calls.insert(call);
        }
    }
    Ok(calls)
}

/// Every file below `folder`, by its path below `data`, with its size.
fn list(data: &Path, folder: &str, files: &mut BTreeMap<String, u64>) -> io::Result<()> {
    let entries = match fs::read_dir(data.join(folder)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list(data, &path, files)?;
            continue;
        }
        match entry.metadata() {
            Ok(metadata) => drop(files.insert(path, metadata.len())),
            // Renamed or deleted meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
