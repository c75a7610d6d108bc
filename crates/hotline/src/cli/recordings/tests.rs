//! Harm done to recordings, and what a check says of it.

use std::path::PathBuf;

use clock::WallTime;
use ledger::story::Story;
use ledger::{Cdr, Ledger, RecordingState, Update};
use media::recording::manifest::{Deed, Entry};
use media_net::Manifest;
use model::RecordingId;

use super::*;

/// A data folder of its own, gone after the test.
struct Data(PathBuf);

impl Data {
    fn new(name: &str) -> Data {
        let path = std::env::temp_dir().join(format!("hotline-fsck-{name}-{}", std::process::id()));
        // Left by a process of the same number, if at all.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Data(path)
    }

    fn file(&self, entry: &Entry) -> PathBuf {
        self.0.join(&entry.path)
    }

    /// What a check finds: problem and path, sorted.
    fn found(&self) -> Vec<(&'static str, String)> {
        let found = check(&self.0).unwrap().findings;
        let mut found: Vec<_> = found
            .into_iter()
            .map(|finding| (finding.problem.word(), finding.path.unwrap_or_default()))
            .collect();
        found.sort_unstable();
        found
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `count` calls with a recording each: files, manifest, records.
fn recorded(data: &Data, count: usize) -> Vec<Entry> {
    let mut story = Story::default();
    for _ in 0..count {
        story.answered_call("13800138000", "8001");
    }
    let mut ledger = Ledger::default();
    let closed = story.events.iter().filter_map(|stamped| match ledger.fold(stamped)? {
        Update::Closed(cdr) => Some(*cdr),
        Update::Amended { .. } => None,
    });
    let mut cdrs: Vec<Cdr> = closed.collect();
    let mut manifest = Manifest::open(&data.0).unwrap();
    let mut entries = Vec::new();
    for (nth, cdr) in cdrs.iter_mut().enumerate() {
        let recording = &mut cdr.recordings[0];
        let path = format!("recordings/default/2026/11/22/{}.wav", recording.id);
        let target = data.0.join(&path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let content: Vec<u8> = (0..200).map(|at| (at * 7 + nth * 31 + nth / 256) as u8).collect();
        fs::write(&target, &content).unwrap();
        let (bytes, sha256) = media_net::checksum_of(&target).unwrap();
        recording.state = RecordingState::Finished {
            path: path.clone().into(),
            millis: 10,
            bytes,
            sha256: sha256.clone().into(),
            shares: None,
        };
        let entry = Entry {
            at: WallTime(1_795_311_000_000_000),
            deed: Deed::Kept,
            recording: recording.id,
            call: cdr.id,
            tenant: cdr.tenant.clone(),
            bytes,
            sha256,
            path,
        };
        manifest.append(&entry).unwrap();
        entries.push(entry);
    }
    let runtime = small_runtime().unwrap();
    runtime.block_on(async {
        let store = Store::open(&data.0).await.unwrap();
        store.upsert(&cdrs).await.unwrap();
        store.close().await;
    });
    entries
}

#[test]
fn a_thousand_files_flipped_cut_swapped_or_deleted_are_all_named_and_no_other() {
    let data = Data::new("thousand");
    let entries = recorded(&data, 1_040);
    assert_eq!(data.found(), []);
    let mut wanted = Vec::new();
    for (nth, entry) in entries.iter().take(1_000).enumerate() {
        let file = data.file(entry);
        let problem = match nth % 4 {
            0 => {
                let mut content = fs::read(&file).unwrap();
                // Another bit in each file.
                let bit = nth * 13 % (content.len() * 8);
                content[bit / 8] ^= 1 << (bit % 8);
                fs::write(&file, content).unwrap();
                "changed"
            }
            1 => {
                fs::write(&file, &fs::read(&file).unwrap()[..nth / 4 % 200]).unwrap();
                "cut"
            }
            2 => {
                // Each is swapped with the next of its kind.
                if nth % 8 == 2 {
                    let (aside, other) = (data.0.join("aside"), data.file(&entries[nth + 4]));
                    fs::rename(&file, &aside).unwrap();
                    fs::rename(&other, &file).unwrap();
                    fs::rename(&aside, &other).unwrap();
                }
                "swapped"
            }
            _ => {
                fs::remove_file(&file).unwrap();
                "missing"
            }
        };
        wanted.push((problem, entry.path.clone()));
    }
    wanted.sort_unstable();
    assert_eq!(data.found(), wanted);
}

#[test]
fn files_without_records_and_records_without_files_are_named() {
    let data = Data::new("records");
    let entries = recorded(&data, 4);
    let at = |nth: usize| entries[nth].path.clone();
    // A file of a call that nobody has a record of.
    let mut manifest = Manifest::open(&data.0).unwrap();
    let orphan = Entry {
        recording: RecordingId::from(1),
        call: CallId::from(2),
        path: format!("recordings/default/2026/11/22/{}.wav", RecordingId::from(1)),
        ..entries[0].clone()
    };
    fs::copy(data.file(&entries[0]), data.file(&orphan)).unwrap();
    manifest.append(&orphan).unwrap();
    // One that was deleted in order, and one whose deletion was cut off.
    for nth in [1, 2] {
        manifest.append(&Entry { deed: Deed::Expired, ..entries[nth].clone() }).unwrap();
    }
    fs::remove_file(data.file(&entries[1])).unwrap();
    let stray = "recordings/default/notes.txt".to_owned();
    fs::write(data.0.join(&stray), "…").unwrap();
    let mut wanted = vec![("no_record", orphan.path), ("not_deleted", at(2)), ("stray", stray)];
    wanted.sort_unstable();
    assert_eq!(data.found(), wanted);
}

#[test]
fn a_manifest_that_lost_lines_or_was_changed_is_named_with_what_it_no_longer_knows() {
    let data = Data::new("manifest");
    let entries = recorded(&data, 5);
    let path = data.0.join("manifest/2026-11.tsv");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let file = || "manifest/2026-11.tsv".to_owned();
    // The chain cannot see its own end go; the records do.
    fs::write(&path, lines[..4].concat()).unwrap();
    assert_eq!(data.found(), [("unlisted", entries[4].path.clone())]);
    fs::remove_file(data.file(&entries[4])).unwrap();
    assert_eq!(data.found(), [("no_file", entries[4].path.clone())]);
    fs::write(&path, [&lines[..1], &lines[2..]].concat().concat()).unwrap();
    let missing =
        [("manifest", file()), ("missing", entries[4].path.clone()), ("unlisted", entries[1].path.clone())];
    assert_eq!(data.found(), missing);
}

#[test]
fn a_folder_without_records_cannot_be_checked() {
    let data = Data::new("nothing");
    assert!(check(&data.0).is_err());
}
