use std::fs;
use std::sync::mpsc::{Receiver, channel};

use clock::WallTime;
use media::recording::{Block, SEGMENT_BYTES};
use model::RecordingId;

use super::*;
use crate::journal::medium::Disk;
use crate::journal::{Journal, ToJournal, recover, segment_path};
use crate::testing::{TempFolder, blocks_of, disk};

/// A journal without its thread, and a second place.
struct Desk {
    folder: TempFolder,
    journal: Journal,
    written: Written,
    _jobs: Receiver<crate::finish::Job>,
}

const NOON: WallTime = WallTime(1_795_320_000_000_000);
const DAY: Duration = Duration::from_secs(86_400);

impl Desk {
    fn new() -> Desk {
        let folder = TempFolder::new("second");
        fs::create_dir_all(folder.path().join("copy")).unwrap();
        let (jobs, _jobs) = channel();
        let data = folder.path().join("journal");
        let recovered = recover(&data).unwrap();
        let disk = disk(folder.path(), Arc::new(|_| {}));
        let (journal, _) = Journal::new((Arc::new(Disk), data), recovered, jobs, disk, SystemClock::start());
        let written = journal.written();
        Desk { folder, journal, written, _jobs }
    }

    fn write(&mut self, blocks: impl IntoIterator<Item = Block>) {
        for block in blocks {
            self.journal.take(ToJournal::Block(block));
            self.journal.flush();
        }
    }

    fn place(&self) -> SecondPlace {
        SecondPlace { folder: self.folder.path().join("copy"), keep: DAY }
    }

    fn follower(&self) -> Follower {
        Follower::new(self.folder.path().join("journal"), self.place())
    }

    fn segment(&self, folder: &str, number: u64) -> Vec<u8> {
        fs::read(segment_path(&self.folder.path().join(folder), number)).unwrap_or_default()
    }

    /// The copy of a segment has all that was written to it, and nothing else.
    #[track_caller]
    fn is_copied(&self, number: u64) {
        let (from, mut copy) = (self.segment("journal", number), self.segment("copy", number));
        assert!(copy.len() > 32 && from.len() == SEGMENT_BYTES as usize);
        copy.resize(from.len(), 0);
        assert!(from == copy, "segment {number} differs");
    }
}

#[test]
fn the_copy_grows_with_the_journal_and_no_byte_of_it_is_another() {
    let mut desk = Desk::new();
    let mut follower = desk.follower();
    follower.follow(desk.written.end(), NOON).unwrap();
    for block in blocks_of(1, 12) {
        desk.write([block]);
        assert!(follower.behind(desk.written.end()) > 0 || !segment_path(&desk.place().folder, 0).exists());
        follower.follow(desk.written.end(), NOON).unwrap();
        assert_eq!(follower.behind(desk.written.end()), 0);
        desk.is_copied(0);
    }
}

#[test]
fn segments_that_went_before_they_were_copied_are_copied_all_the_same() {
    let mut desk = Desk::new();
    let mut follower = desk.follower();
    let some = blocks_of(1, 20);
    // 7.6 KB a block: 8,700 fill a segment.
    desk.write((0..8_000).map(|nth| some[nth % 20].clone()));
    follower.follow(desk.written.end(), NOON).unwrap();
    desk.write((0..1_600).map(|nth| some[nth % 20].clone()));
    let whole = desk.segment("journal", 0);
    desk.journal.take(ToJournal::Finished(vec![RecordingId::from(1)]));
    desk.journal.flush();
    assert!(!segment_path(&desk.folder.path().join("journal"), 0).exists());
    follower.follow(desk.written.end(), NOON).unwrap();
    let mut copy = desk.segment("copy", 0);
    copy.resize(whole.len(), 0);
    assert!(copy == whole);
    desk.is_copied(1);
    // It goes when its original has been gone for as long as was asked.
    let last = Place { segment: 1, ..desk.written.end() };
    let later = |ahead| WallTime(SystemClock::start().wall().0) + ahead;
    follower.follow(last, later(DAY / 2)).unwrap();
    assert!(!desk.segment("copy", 0).is_empty());
    follower.follow(last, later(DAY * 2)).unwrap();
    assert!(desk.segment("copy", 0).is_empty() && !desk.segment("copy", 1).is_empty());
}

#[test]
fn a_copy_that_was_cut_off_anywhere_goes_on_and_comes_to_the_same() {
    let mut desk = Desk::new();
    desk.write(blocks_of(1, 3));
    desk.follower().follow(desk.written.end(), NOON).unwrap();
    let path = segment_path(&desk.place().folder, 0);
    let copied = fs::read(&path).unwrap();
    desk.write(blocks_of(2, 3));
    for cut in [0, 1, 31, 32, 33, 200, copied.len() / 2, copied.len() - 1, copied.len()] {
        for torn in [false, true] {
            let mut left = copied[..cut].to_vec();
            if torn && cut > 40 {
                left[cut - 3] ^= 0xff;
            }
            fs::write(&path, &left).unwrap();
            desk.follower().follow(desk.written.end(), NOON).unwrap();
            desk.is_copied(0);
        }
    }
}

#[test]
fn damage_is_not_copied_and_what_follows_it_is() {
    let mut desk = Desk::new();
    desk.write(blocks_of(1, 6));
    let path = segment_path(&desk.folder.path().join("journal"), 0);
    let mut bytes = fs::read(&path).unwrap();
    let third = 32 + blocks_of(1, 6)[..2].iter().map(|block| block.size() as usize).sum::<usize>();
    bytes[third + 100] ^= 1;
    fs::write(&path, &bytes).unwrap();
    desk.follower().follow(desk.written.end(), NOON).unwrap();
    let copy = desk.segment("copy", 0);
    let size = blocks_of(1, 6)[2].size() as usize;
    assert_eq!(copy[..third], bytes[..third]);
    assert!(copy[third..third + size].iter().all(|byte| *byte == 0));
    assert_eq!(copy[third + size..], bytes[third + size..copy.len()]);
}

#[test]
fn a_second_place_that_is_not_there_is_waited_for_and_its_lag_is_told() {
    let mut desk = Desk::new();
    let mut follower = desk.follower();
    fs::remove_dir(desk.place().folder).unwrap();
    desk.write(blocks_of(1, 3));
    assert!(follower.follow(desk.written.end(), NOON).is_err());
    assert!(follower.behind(desk.written.end()) > 20_000);
    assert!(!desk.place().folder.exists(), "no other disk is filled in its place");
    fs::create_dir(desk.place().folder).unwrap();
    follower.follow(desk.written.end(), NOON).unwrap();
    assert_eq!(follower.behind(desk.written.end()), 0);
    desk.is_copied(0);
}

#[test]
fn the_journal_is_no_second_place_of_itself() {
    let mut desk = Desk::new();
    desk.write(blocks_of(1, 1));
    let journal = desk.folder.path().join("journal");
    let place = SecondPlace { folder: journal.clone(), keep: Duration::ZERO };
    let mut follower = Follower::new(journal, place);
    assert!(follower.follow(desk.written.end(), NOON).is_err());
    assert!(!desk.segment("journal", 0).is_empty());
}

#[test]
fn the_thread_follows_a_place_that_comes_goes_and_fails_and_says_so() {
    let mut desk = Desk::new();
    let (fact, facts) = channel();
    let wanted: SharedSecond = Arc::default();
    let (behind, stop) = (Arc::new(Behind::default()), Arc::new(AtomicBool::new(false)));
    let copier = Copier {
        journal: desk.folder.path().join("journal"),
        wanted: Arc::clone(&wanted),
        written: desk.written.clone(),
        behind: Arc::clone(&behind),
        facts: Arc::new(move |event| drop(fact.send(event))),
        clock: SystemClock::start(),
    };
    let thread = copier.spawn(Arc::clone(&stop)).unwrap();
    desk.write(blocks_of(1, 3));
    // A file stands where the folder should be.
    let place = SecondPlace { folder: desk.folder.path().join("later"), keep: DAY };
    *wanted.write().unwrap() = Some(place.clone());
    let told = || facts.recv_timeout(Duration::from_secs(20)).expect("it is told");
    assert!(matches!(told(), Event::Node { fact: NodeFact::CopyFailed { .. } }));
    fs::create_dir(&place.folder).unwrap();
    assert!(matches!(told(), Event::Node { fact: NodeFact::CopyResumed }));
    desk.write(blocks_of(2, 3));
    stop.store(true, Ordering::Release);
    thread.thread().unpark();
    thread.join().unwrap();
    assert_eq!((behind.bytes.load(Ordering::Relaxed), behind.lost.load(Ordering::Relaxed)), (0, 0));
    let (from, mut copy) = (desk.segment("journal", 0), desk.segment("later", 0));
    copy.resize(from.len(), 0);
    assert!(from == copy, "what was written before the end is in the copy");
}
