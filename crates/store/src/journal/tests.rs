use std::fs;

use ledger::story::Story;
use model::event::NodeFact;

use super::*;
use crate::scratch::Scratch;

const LONG: Duration = Duration::from_secs(30);

fn fact(number: usize) -> Event {
    Event::Node { fact: NodeFact::Started { version: format!("版本 {number}").into() } }
}

fn open(dir: &Path) -> (EventJournal, Recovered) {
    open_with(dir, JournalConfig::default(), 0, 0)
}

fn open_with(dir: &Path, config: JournalConfig, folded: u64, after: u64) -> (EventJournal, Recovered) {
    EventJournal::open(dir, SystemClock::start(), config, folded, after).unwrap()
}

fn small() -> JournalConfig {
    JournalConfig { segment_bytes: 400, gather: Duration::ZERO, ..JournalConfig::default() }
}

fn append(journal: &EventJournal, numbers: std::ops::Range<usize>) {
    for number in numbers {
        journal.append(fact(number));
    }
}

fn all(dir: &Path) -> Vec<Stamped> {
    Reader::open(dir, 0).map(Result::unwrap).collect()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// A journal of `count` events in one file; gives the file and its bytes.
fn written(dir: &Path, count: usize) -> (PathBuf, Vec<u8>) {
    let (journal, _) = open(dir);
    append(&journal, 0..count);
    drop(journal);
    let path = files(dir).remove(0);
    let bytes = fs::read(&path).unwrap();
    (path, bytes)
}

/// Where each frame of `bytes` begins, and the end.
fn places(bytes: &[u8]) -> Vec<usize> {
    let mut places = vec![frame::HEADER.len()];
    while let frame::At::Event { next, .. } = frame::read(bytes, places[places.len() - 1]) {
        places.push(next);
    }
    assert_eq!(places[places.len() - 1], bytes.len());
    places
}

#[test]
fn events_come_back_in_order_with_their_sequence_and_time() {
    let dir = Scratch::new();
    let (journal, recovered) = open(&dir);
    assert_eq!((recovered.last_seq, recovered.events.count()), (0, 0));
    let mut story = Story::default();
    story.answered_call("13800138000", "8001");
    for (number, stamped) in story.events.iter().enumerate() {
        assert_eq!(journal.append_at(stamped.at, stamped.event.clone()), number as u64 + 1);
    }
    drop(journal);
    assert_eq!(all(&dir), story.events);
}

#[test]
fn the_sequence_goes_on_across_restarts() {
    let dir = Scratch::new();
    written(&dir, 3);
    let (journal, recovered) = open_with(&dir, JournalConfig::default(), 0, 1);
    assert_eq!(recovered.last_seq, 3);
    assert_eq!(recovered.events.map(|event| event.unwrap().seq).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(journal.append(fact(3)), 4);
    drop(journal);
    assert_eq!(all(&dir).iter().map(|stamped| stamped.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn the_sequence_is_never_one_that_the_database_has_seen() {
    let dir = Scratch::new();
    written(&dir, 3);
    // Power went after the database, but not the journal, had reached the disk.
    let (journal, recovered) = open_with(&dir, JournalConfig::default(), 9, 9);
    assert_eq!((recovered.last_seq, journal.append(fact(0))), (9, 10));
}

#[test]
fn files_are_rotated_and_read_as_one() {
    let dir = Scratch::new();
    let (journal, _) = open_with(&dir, small(), 0, 0);
    for number in 0..50 {
        journal.append(fact(number));
        assert!(journal.flush(LONG));
    }
    assert!(files(&dir).len() > 5);
    assert_eq!(
        journal.read_after(37).map(|event| event.unwrap().seq).collect::<Vec<_>>(),
        (38..=50).collect::<Vec<_>>()
    );
    drop(journal);
    let (journal, recovered) = open_with(&dir, small(), 0, 0);
    assert_eq!((recovered.last_seq, recovered.events.count()), (50, 50));
    assert_eq!(journal.append(fact(50)), 51);
}

#[test]
fn a_file_cut_at_any_byte_of_its_last_frame_loses_that_event_alone() {
    let dir = Scratch::new();
    let (path, bytes) = written(&dir, 3);
    let places = places(&bytes);
    let (last, end) = (places[2], places[3]);
    for cut in last..end {
        fs::write(&path, &bytes[..cut]).unwrap();
        let (journal, recovered) = open(&dir);
        assert_eq!((recovered.last_seq, recovered.torn_bytes), (2, (cut - last) as u64), "{cut}");
        assert_eq!(fs::metadata(&path).unwrap().len(), last as u64);
        assert_eq!(journal.append(fact(7)), 3);
        drop(journal);
        let read = all(&dir);
        assert_eq!((read.len(), &read[2].event), (3, &fact(7)), "{cut}");
    }
}

#[test]
fn a_file_cut_within_its_header_is_begun_anew() {
    let dir = Scratch::new();
    let (path, bytes) = written(&dir, 1);
    for cut in 0..frame::HEADER.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let (journal, recovered) = open(&dir);
        assert_eq!(recovered.last_seq, 0);
        assert_eq!(journal.append(fact(1)), 1);
        drop(journal);
        assert_eq!(all(&dir).len(), 1, "{cut}");
    }
}

#[test]
fn a_tail_of_zeros_is_cut_off() {
    let dir = Scratch::new();
    let (path, mut bytes) = written(&dir, 2);
    let sound = bytes.len() as u64;
    bytes.resize(bytes.len() + 4_096, 0);
    fs::write(&path, &bytes).unwrap();
    let (_, recovered) = open(&dir);
    assert_eq!((recovered.last_seq, recovered.torn_bytes), (2, 4_096));
    assert_eq!(fs::metadata(&path).unwrap().len(), sound);
}

#[test]
fn a_flipped_bit_loses_its_event_alone_and_never_makes_another() {
    let dir = Scratch::new();
    let (path, bytes) = written(&dir, 4);
    let before = all(&dir);
    let places = places(&bytes);
    for place in places[0]..bytes.len() {
        for bit in [0, 3, 7] {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << bit;
            fs::write(&path, &flipped).unwrap();
            let hit = places.iter().rposition(|begin| *begin <= place).unwrap();
            let mut expected = before.clone();
            expected.remove(hit);
            assert_eq!(all(&dir), expected, "{place}.{bit}");
            let found = files::recover(&dir).unwrap();
            // Only damage with nothing whole behind it is cut off.
            let torn = if hit == 3 { bytes.len() - places[3] } else { 0 };
            assert_eq!(found.torn_bytes, torn as u64, "{place}.{bit}");
        }
    }
}

#[test]
fn a_file_that_lacks_its_middle_keeps_both_ends() {
    let dir = Scratch::new();
    let (path, bytes) = written(&dir, 5);
    let places = places(&bytes);
    let mut holed = bytes[..places[1] + 5].to_vec();
    holed.extend_from_slice(&bytes[places[3]..]);
    fs::write(&path, holed).unwrap();
    assert_eq!(all(&dir).iter().map(|stamped| stamped.seq).collect::<Vec<_>>(), [1, 4, 5]);
}

#[test]
fn newer_and_foreign_files_are_refused_in_words_and_left_alone() {
    let dir = Scratch::new();
    let (path, mut bytes) = written(&dir, 1);
    bytes[15] = 2;
    fs::write(&path, &bytes).unwrap();
    let refused = |dir: &Path| {
        EventJournal::open(dir, SystemClock::start(), JournalConfig::default(), 0, 0)
            .err()
            .unwrap()
            .to_string()
    };
    assert!(refused(&dir).contains("更新的"));
    assert!(matches!(Reader::open(&dir, 0).next(), Some(Err(JournalError::Newer(_)))));
    fs::write(&path, "a letter to my mother").unwrap();
    assert!(refused(&dir).contains("不是 hotline"));
    assert_eq!(fs::read(&path).unwrap(), b"a letter to my mother");
}

#[test]
fn files_of_other_names_are_passed_over() {
    let dir = Scratch::new();
    written(&dir, 1);
    fs::write(dir.join("notes.txt"), "x").unwrap();
    fs::write(dir.join("00000000000000000000.events"), "x").unwrap();
    assert_eq!(all(&dir).len(), 1);
    assert_eq!(open(&dir).1.last_seq, 1);
}

#[test]
fn events_of_many_threads_stand_in_the_order_of_their_sequence() {
    let dir = Scratch::new();
    let (journal, _) = open_with(&dir, JournalConfig { segment_bytes: 20_000, ..small() }, 0, 0);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let journal = journal.clone();
            scope.spawn(move || append(&journal, thread * 1_000..thread * 1_000 + 500));
        }
    });
    drop(journal);
    let read = all(&dir);
    assert_eq!(read.iter().map(|stamped| stamped.seq).collect::<Vec<_>>(), (1..=4_000).collect::<Vec<_>>());
    assert!(read.is_sorted_by_key(|stamped| stamped.at));
}

#[test]
fn followers_see_what_is_written_and_can_read_what_they_missed() {
    let dir = Scratch::new();
    let (journal, _) = open_with(&dir, small(), 0, 0);
    journal.append(fact(0));
    assert!(journal.flush(LONG));
    let mut follower = journal.follow();
    journal.append(fact(1));
    let batch = follower.blocking_recv().unwrap();
    assert_eq!((batch[0].seq, &batch[0].event), (2, &fact(1)));
    // Written before it is told.
    assert_eq!(journal.read_after(1).count(), 1);
    for number in 0..(FOLLOWED_BATCHES * 2) {
        journal.append(fact(number));
        assert!(journal.flush(LONG));
    }
    assert!(matches!(follower.blocking_recv(), Err(broadcast::error::RecvError::Lagged(_))));
    assert_eq!(journal.read_after(2).count(), FOLLOWED_BATCHES * 2);
}

#[test]
fn a_disk_that_refuses_keeps_nobody_waiting_and_loses_nothing_once_it_yields() {
    let dir = Scratch::new();
    let events = dir.join("events");
    let config = JournalConfig { capacity: 100, ..small() };
    let (journal, _) = open_with(&events, config, 0, 0);
    // A file where the folder was: every attempt to begin a journal file fails.
    fs::remove_dir(&events).unwrap();
    fs::write(&events, "").unwrap();
    append(&journal, 0..150);
    assert!(!journal.flush(Duration::from_millis(200)));
    assert!(journal.failure().is_some());
    append(&journal, 0..150);
    assert_eq!(journal.room(), 0);
    fs::remove_file(&events).unwrap();
    fs::create_dir(&events).unwrap();
    assert!(journal.flush(LONG));
    assert_eq!((journal.failure(), journal.room()), (None, 100));
    let read = all(&events);
    // The refusal itself is a fact, told once.
    let failures =
        read.iter().filter(|s| matches!(s.event, Event::Node { fact: NodeFact::DiskFailed { .. } }));
    assert_eq!((failures.count(), read.len()), (1, 301));
    assert!(read.iter().map(|stamped| stamped.seq).eq(1..=301));
}

#[test]
fn old_files_go_only_when_they_are_folded_and_past_their_time() {
    let dir = Scratch::new();
    let (journal, _) = open_with(&dir, small(), 0, 0);
    for number in 0..30 {
        journal.append(fact(number));
        assert!(journal.flush(LONG));
    }
    let firsts: Vec<u64> =
        files(&dir).iter().map(|path| path.file_stem().unwrap().to_str().unwrap().parse().unwrap()).collect();
    assert!(firsts.len() > 3);
    assert_eq!(journal.remove_folded(30, LONG).unwrap(), 0, "not past its time");
    assert_eq!(journal.remove_folded(firsts[1] - 2, Duration::ZERO).unwrap(), 0, "not folded");
    assert_eq!(journal.remove_folded(firsts[2] - 1, Duration::ZERO).unwrap(), 2);
    assert_eq!(journal.remove_folded(30, Duration::ZERO).unwrap(), firsts.len() - 3, "the last one stays");
    let last = *firsts.last().unwrap();
    assert!(journal.read_after(0).map(|event| event.unwrap().seq).eq(last..=30));
    assert_eq!(journal.append(fact(30)), 31);
}
