use model::{CallId, TenantId};

use super::*;
use crate::testing::TempFolder;

/// 2026-11-30T23:00 in China, and so much later.
fn entry(recording: u64, hours: i64) -> Entry {
    Entry {
        at: WallTime((1_796_050_800 + hours * 3_600) * 1_000_000),
        deed: Deed::Kept,
        recording: RecordingId::from(recording),
        call: CallId::from(9),
        tenant: TenantId::new("acme"),
        bytes: recording,
        sha256: "ab".repeat(32),
        path: format!("recordings/acme/{recording}.wav"),
    }
}

fn all(data: &Path) -> (Vec<u64>, Vec<(String, Flaw)>) {
    let (mut entries, mut flaws) = (Vec::new(), Vec::new());
    read_manifest(data, |entry, flaw| {
        entries.extend(entry.map(|entry| entry.recording.raw()));
        flaws.extend(flaw);
    })
    .unwrap();
    (entries, flaws)
}

#[test]
fn the_chain_goes_on_over_restarts_months_and_a_clock_that_goes_back() {
    let data = TempFolder::new("manifest");
    for (recording, hours) in [(1, 0), (2, 2), (3, 1), (4, -2), (5, 24 * 32), (6, 24 * 33)] {
        Manifest::open(data.path()).unwrap().append(&entry(recording, hours)).unwrap();
    }
    assert_eq!(all(data.path()), (vec![1, 2, 3, 4, 5, 6], vec![]));
    let files = names(&folder(data.path())).unwrap();
    assert_eq!(files, ["2026-11.tsv", "2026-12.tsv", "2027-01.tsv"]);
    let manifest = Manifest::open(data.path()).unwrap();
    assert_eq!(manifest.kept(RecordingId::from(4)).unwrap(), Some(entry(4, -2)));
    assert_eq!(manifest.kept(RecordingId::from(7)).unwrap(), None);
    // A whole month that is taken away is told by the next.
    fs::remove_file(folder(data.path()).join("2026-12.tsv")).unwrap();
    let flaw = Flaw::Unchained { number: 5, expected: 2 };
    assert_eq!(all(data.path()), (vec![1, 5, 6], vec![("2027-01.tsv".to_owned(), flaw)]));
}

#[test]
fn a_manifest_that_somebody_deletes_is_begun_again_and_tells_what_is_missing() {
    let data = TempFolder::new("manifest");
    let mut manifest = Manifest::open(data.path()).unwrap();
    manifest.append_all(&[entry(1, 0), entry(2, 0)]).unwrap();
    fs::remove_dir_all(folder(data.path())).unwrap();
    manifest.append_all(&[entry(3, 0), entry(4, 0)]).unwrap();
    let flaw = Flaw::Unchained { number: 3, expected: 1 };
    assert_eq!(all(data.path()), (vec![3, 4], vec![("2026-11.tsv".to_owned(), flaw)]));
}

#[test]
fn a_line_cut_anywhere_is_taken_away_and_the_chain_is_whole() {
    let data = TempFolder::new("manifest");
    let mut manifest = Manifest::open(data.path()).unwrap();
    manifest.append(&entry(1, 0)).unwrap();
    let path = folder(data.path()).join("2026-11.tsv");
    let first = fs::read(&path).unwrap().len();
    manifest.append(&entry(2, 0)).unwrap();
    let whole = fs::read(&path).unwrap();
    for cut in first..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        assert_eq!(all(data.path()), (vec![1], vec![]), "cut at {cut}");
        Manifest::open(data.path()).unwrap().append(&entry(3, 0)).unwrap();
        assert_eq!(all(data.path()), (vec![1, 3], vec![]), "cut at {cut}");
    }
    // A first line that was cut leaves an empty file.
    fs::write(&path, &whole[..first - 1]).unwrap();
    Manifest::open(data.path()).unwrap().append(&entry(4, 0)).unwrap();
    assert_eq!(all(data.path()), (vec![4], vec![]));
}

#[test]
fn a_disk_that_refuses_leaves_the_chain_as_it_was() {
    let data = TempFolder::new("manifest");
    let mut manifest = Manifest::open(data.path()).unwrap();
    manifest.append(&entry(1, 0)).unwrap();
    fs::rename(folder(data.path()), data.path().join("away")).unwrap();
    fs::write(folder(data.path()), "no folder").unwrap();
    assert!(manifest.append(&entry(2, 24)).is_err(), "no folder for another month's file");
    fs::remove_file(folder(data.path())).unwrap();
    fs::rename(data.path().join("away"), folder(data.path())).unwrap();
    manifest.append(&entry(3, 24)).unwrap();
    assert_eq!(all(data.path()), (vec![1, 3], vec![]));
}
