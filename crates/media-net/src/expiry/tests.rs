use std::sync::mpsc::{Receiver, channel};

use model::{CallId, TenantId};

use super::*;
use crate::testing::TempFolder;

/// 2026-11-22T12:00 in China.
const NOON: WallTime = WallTime(1_795_320_000_000_000);

struct Shop {
    data: TempFolder,
    facts: Facts,
    told: Receiver<Event>,
}

impl Shop {
    /// With a file on each of these days of November 2026, the recording being the day.
    fn with(days: &[u64]) -> Shop {
        let (fact, told) = channel();
        let facts: Facts = Arc::new(move |event| drop(fact.send(event)));
        let shop = Shop { data: TempFolder::new("expiry"), facts, told };
        let mut manifest = Manifest::open(shop.data.path()).unwrap();
        for day in days {
            let path = shop.path(*day);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, b"RIFF").unwrap();
            for kind in BESIDE {
                fs::write(path.with_extension(kind), b"{}").unwrap();
            }
            manifest.append_all(&[shop.entry(*day, Deed::Kept)]).unwrap();
        }
        shop
    }

    fn entry(&self, day: u64, deed: Deed) -> Entry {
        let path = self.path(day);
        Entry {
            at: NOON,
            deed,
            recording: RecordingId::from(day),
            call: CallId::from(day),
            tenant: TenantId::new("acme"),
            bytes: 4,
            sha256: "ab".repeat(32),
            path: path.strip_prefix(self.data.path()).unwrap().to_str().unwrap().to_owned(),
        }
    }

    fn path(&self, day: u64) -> PathBuf {
        self.data.path().join(format!("recordings/acme/2026/11/{day:02}/{}.wav", RecordingId::from(day)))
    }

    fn look(&self, keep_days: Option<u32>, min_keep_days: Option<u32>, limit_free: u64) -> usize {
        let mut manifest = Manifest::open(self.data.path()).unwrap();
        let limits = RecordingLimits { keep_days, min_keep_days, warn_free: 0, limit_free };
        let (data, facts) = (self.data.path(), &self.facts);
        Expiry { data, manifest: &mut manifest, facts, limits, now: NOON }.look().unwrap()
    }

    /// Whose files are there, whose deletion the manifest has, and whose deletion was told.
    fn left(&self) -> (Vec<u64>, Vec<u64>, Vec<u64>) {
        let there = (1..=30).filter(|day| self.path(*day).exists()).collect();
        let mut entered = Vec::new();
        read_manifest(self.data.path(), |entry, flaw| {
            assert_eq!(flaw, None);
            let expired = entry.filter(|entry| entry.deed == Deed::Expired);
            entered.extend(expired.map(|entry| entry.recording.raw()));
        })
        .unwrap();
        let told = self.told.try_iter().map(|event| match event {
            Event::Recording { recording, fact: RecordingFact::Expired { .. }, .. } => recording.raw(),
            other => panic!("{other:?}"),
        });
        (there, entered, told.collect())
    }
}

#[test]
fn files_go_by_whole_days_when_their_time_is_over_and_never_without_a_limit() {
    let shop = Shop::with(&[9, 14, 15, 16, 22]);
    assert_eq!(shop.look(None, Some(1), u64::MAX), 0);
    assert_eq!(shop.left(), (vec![9, 14, 15, 16, 22], vec![], vec![]));
    // A file of the 15th may be of its last minute: it is seven days old when the 22nd is over.
    assert_eq!(shop.look(Some(7), None, 0), 2);
    assert_eq!(shop.left(), (vec![15, 16, 22], vec![9, 14], vec![9, 14]));
    assert!(!shop.path(9).parent().unwrap().exists(), "empty days go too");
    assert_eq!(shop.look(Some(7), None, 0), 0);
}

#[test]
fn a_scarce_disk_takes_days_early_but_none_below_the_minimum() {
    let shop = Shop::with(&[9, 14, 19, 20, 22]);
    assert_eq!(shop.look(Some(30), None, u64::MAX), 0, "no minimum, nothing early");
    assert_eq!(shop.look(Some(30), Some(3), 1), 0, "room enough");
    assert_eq!(shop.look(Some(30), Some(3), u64::MAX), 2);
    assert_eq!(shop.left(), (vec![19, 20, 22], vec![9, 14], vec![9, 14]));
}

#[test]
fn a_crash_between_manifest_and_file_is_made_good_and_told_once() {
    let shop = Shop::with(&[1, 2]);
    let expired = shop.entry(1, Deed::Expired);
    Manifest::open(shop.data.path()).unwrap().append_all(&[expired]).unwrap();
    assert_eq!(shop.look(Some(7), None, 0), 1);
    assert_eq!(shop.left(), (vec![], vec![1, 2], vec![2]));
}

#[test]
fn what_the_manifest_does_not_name_stays() {
    let shop = Shop::with(&[1]);
    let strange = shop.path(1).with_file_name(format!("{}.wav", RecordingId::from(99)));
    fs::write(&strange, b"mine").unwrap();
    fs::write(strange.with_file_name("notes.txt"), b"mine").unwrap();
    assert_eq!(shop.look(Some(7), None, 0), 1);
    assert!(strange.exists() && !shop.path(1).exists());
}
