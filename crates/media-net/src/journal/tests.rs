use std::fs;
use std::path::Path;
use std::sync::mpsc::channel;

use clock::WallTime;
use media::recording::{BlockView, FULL_BLOCK, Found, Recorder, SEGMENT_BYTES, Start, scan};
use model::event::{DiskState, Event};

use super::*;
use crate::testing::{TempFolder, blocks_of as blocks, disk};

/// A writer over `folder` without its thread, and what it sends out.
struct Desk {
    journal: Journal,
    jobs: Receiver<Job>,
    facts: Receiver<Event>,
}

fn desk(folder: &Path) -> Desk {
    let (jobs, waiting) = channel();
    let (fact, facts) = channel();
    let facts_out: Facts = Arc::new(move |event| drop(fact.send(event)));
    let recovered = recover(folder).unwrap();
    let (journal, _) =
        Journal::new(on(folder), recovered, jobs, disk(folder, facts_out), SystemClock::start());
    Desk { journal, jobs: waiting, facts }
}

impl Desk {
    /// Lets the writer do what it is told, and write it.
    fn take(&mut self, told: ToJournal) {
        self.journal.take(told);
        self.journal.flush();
    }
}

fn on(folder: &Path) -> (Arc<dyn Medium>, PathBuf) {
    (Arc::new(medium::Disk), folder.to_owned())
}

fn id(raw: u64) -> RecordingId {
    RecordingId::from(raw)
}

fn ended(recording: u64) -> Ended {
    Ended { recording: id(recording), call: 9.into(), tenant: TenantId::new("acme") }
}

fn segments(folder: &Path) -> Vec<u64> {
    let mut numbers: Vec<u64> = segments_in(folder).unwrap().into_iter().map(|(number, _)| number).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn blocks_that_come_together_are_written_together_and_chained_as_ever() {
    let folder = TempFolder::new("journal");
    let mut desk = desk(folder.path());
    let count = |folder: &Path| -> usize {
        let segments = segments_in(folder).unwrap().into_iter();
        let of_one = |(number, path)| {
            let bytes = fs::read(path).unwrap();
            scan(number, &bytes).filter(|found| matches!(found, Found::Block(_))).count()
        };
        segments.map(of_one).sum()
    };
    for (one, two) in blocks(1, 5).into_iter().zip(blocks(2, 5)) {
        desk.journal.take(ToJournal::Block(one));
        desk.journal.take(ToJournal::Block(two));
    }
    assert_eq!(count(folder.path()), 0, "they are gathered");
    // The end of a recording waits for its blocks.
    desk.journal.take(ToJournal::Closed(ended(1)));
    assert_eq!(count(folder.path()), 10);
    let last = desk.jobs.recv().unwrap().last.unwrap();
    let path = segment_path(folder.path(), last.segment);
    let bytes = fs::read(path).unwrap();
    let (mut next, mut length) = (Some(last), 0);
    while let Some(place) = next {
        let BlockView::Audio(block) = BlockView::parse(&bytes[place.position as usize..], place).unwrap()
        else {
            panic!("a list of finished recordings")
        };
        assert_eq!(block.recording(), id(1));
        (next, length) = (block.previous(), length + 1);
    }
    assert_eq!(length, 5);
}

#[test]
fn blocks_are_chained_per_recording_and_a_segment_keeps_its_size() {
    let folder = TempFolder::new("journal");
    let mut desk = desk(folder.path());
    for (one, two) in blocks(1, 3).into_iter().zip(blocks(2, 3)) {
        desk.take(ToJournal::Block(one));
        desk.take(ToJournal::Block(two));
    }
    desk.take(ToJournal::Closed(ended(1)));
    let job = desk.jobs.try_recv().unwrap();
    let bytes = fs::read(segment_path(folder.path(), 0)).unwrap();
    assert_eq!(bytes.len(), SEGMENT_BYTES as usize);
    let mut last = [None, None];
    for found in scan(0, &bytes) {
        let Found::Block(BlockView::Audio(block)) = found else { panic!("{found:?}") };
        let last = &mut last[block.recording().raw() as usize - 1];
        assert_eq!(block.previous(), *last);
        *last = Some(block.place());
    }
    assert_eq!(job, Job { ended: ended(1), last: last[0] });
}

#[test]
fn full_segments_are_followed_by_new_ones_and_go_when_their_recordings_have_files() {
    let folder = TempFolder::new("journal");
    let mut desk = desk(folder.path());
    // 7.6 KB a block: 8,700 fill a segment.
    let some = blocks(1, 20);
    for nth in 0..18_000 {
        desk.take(ToJournal::Block(some[nth % 20].clone()));
    }
    assert_eq!(segments(folder.path()), [0, 1, 2]);
    desk.take(ToJournal::Block(blocks(2, 1).remove(0)));
    desk.take(ToJournal::Finished(vec![id(1)]));
    assert_eq!(segments(folder.path()), [2]);
    desk.take(ToJournal::Finished(vec![id(2)]));
    desk.journal.close();
    assert!(segments(folder.path()).is_empty());
}

#[test]
fn a_recording_that_is_finished_is_not_found_again_by_the_next_start() {
    let folder = TempFolder::new("journal");
    let mut first = desk(folder.path());
    for recording in 1..=3 {
        for block in blocks(recording, 2) {
            first.take(ToJournal::Block(block));
        }
    }
    first.take(ToJournal::Finished(vec![id(2)]));
    first.journal.close();
    let recovered = recover(folder.path()).unwrap();
    let found: Vec<RecordingId> = recovered.jobs.iter().map(|job| job.ended.recording).collect();
    assert_eq!((found, recovered.next_segment), (vec![id(1), id(3)], 1));
    assert_eq!(recovered.jobs[0].ended, ended(1));
    // The second process writes behind the first, and both chains go on to be followed.
    let mut second = desk(folder.path());
    second.take(ToJournal::Block(blocks(4, 1).remove(0)));
    assert_eq!(segments(folder.path()), [0, 1]);
    second.take(ToJournal::Finished(vec![id(1), id(3), id(4)]));
    assert_eq!(segments(folder.path()), [1]);
}

#[test]
fn a_journal_cut_anywhere_in_its_last_block_is_read_to_the_block_before() {
    let folder = TempFolder::new("journal");
    let mut first = desk(folder.path());
    let all = blocks(1, 3);
    let sizes: Vec<u32> = all.iter().map(Block::size).collect();
    for block in all {
        first.take(ToJournal::Block(block));
    }
    drop(first);
    let path = segment_path(folder.path(), 0);
    let whole = fs::read(&path).unwrap();
    let third = (32 + sizes[0] + sizes[1]) as usize;
    // Magic, size, checksum, header, legs, packet header, payload; behind them is padding.
    for cut in [0, 1, 4, 7, 8, 11, 12, 40, 79, 80, 90, 104, 150, 3_000, sizes[2] as usize - 8] {
        for zeros in [false, true] {
            let mut torn = whole[..third + cut].to_vec();
            if zeros {
                torn.resize(whole.len(), 0);
            }
            fs::write(&path, &torn).unwrap();
            let recovered = recover(folder.path()).unwrap();
            let last = recovered.jobs[0].last.unwrap();
            let wanted = 32 + sizes[0];
            assert_eq!((last.segment, last.position), (0, wanted), "cut at {cut}, zeros {zeros}");
        }
    }
}

/// No segment can be made in `folder` any more.
fn refuse(folder: &Path) {
    fs::remove_dir(folder).unwrap();
    fs::write(folder, "no folder").unwrap();
}

fn take_again(folder: &Path) {
    fs::remove_file(folder).unwrap();
}

#[test]
fn a_disk_that_refuses_is_told_once_and_tried_again() {
    let parent = TempFolder::new("journal");
    let folder = parent.path().join("journal");
    let mut desk = desk(&folder);
    refuse(&folder);
    let mut all = blocks(1, 4).into_iter();
    for _ in 0..3 {
        desk.take(ToJournal::Block(all.next().unwrap()));
    }
    let Ok(Event::Node { fact: NodeFact::DiskFailed { error } }) = desk.facts.try_recv() else { panic!() };
    assert!(!error.is_empty());
    assert!(desk.facts.try_recv().is_err(), "told once");
    assert_eq!(desk.journal.dropped.load(Ordering::Relaxed), 3);
    // The disk comes back, and the writer's patience is over.
    take_again(&folder);
    desk.journal.health = Health::Refusing { retry: Instant::ZERO };
    desk.take(ToJournal::Block(all.next().unwrap()));
    assert_eq!(desk.journal.health, Health::Fine);
    desk.take(ToJournal::Closed(ended(1)));
    assert!(desk.jobs.try_recv().unwrap().last.is_some());
    desk.take(ToJournal::Closed(ended(2)));
    assert_eq!(desk.jobs.try_recv().unwrap().last, None);
}

#[test]
fn a_disk_that_refuses_and_comes_back_is_told_as_it_changes() {
    let parent = TempFolder::new("journal");
    let folder = parent.path().join("journal");
    let (jobs, _waiting) = channel();
    let (fact, facts) = channel();
    let facts_out: Facts = Arc::new(move |event| drop(fact.send(event)));
    let recovered = recover(&folder).unwrap();
    let disk = disk(parent.path(), facts_out);
    let (mut journal, _inlet) = Journal::new(on(&folder), recovered, jobs, disk, SystemClock::start());
    let states = || -> Vec<DiskState> {
        let state = |event| match event {
            Event::Node { fact: NodeFact::DiskBecame { state, .. } } => Some(state),
            _ => None,
        };
        facts.try_iter().filter_map(state).collect()
    };
    journal.look();
    assert_eq!(states(), []);
    refuse(&folder);
    journal.take(ToJournal::Block(blocks(1, 1).remove(0)));
    journal.look();
    assert_eq!(states(), [DiskState::Refusing]);
    // Without a call that would try, the writer tries by itself, and the next block finds its place.
    journal.health = Health::Refusing { retry: Instant::ZERO };
    journal.look();
    assert_eq!(states(), [], "it still refuses");
    take_again(&folder);
    journal.health = Health::Refusing { retry: Instant::ZERO };
    journal.look();
    assert_eq!(states(), [DiskState::Fine]);
    journal.take(ToJournal::Block(blocks(1, 1).remove(0)));
    journal.flush();
    assert_eq!(recover(&folder).unwrap().jobs.len(), 1);
}

#[test]
fn a_segment_that_somebody_deletes_is_told_once_and_followed_by_another() {
    let folder = TempFolder::new("journal");
    let mut desk = desk(folder.path());
    let mut all = blocks(1, 3).into_iter();
    desk.take(ToJournal::Block(all.next().unwrap()));
    desk.journal.look();
    assert!(desk.facts.try_recv().is_err(), "it is there");
    fs::remove_file(segment_path(folder.path(), 0)).unwrap();
    for block in all {
        desk.journal.look();
        desk.take(ToJournal::Block(block));
    }
    let Ok(Event::Node { fact: NodeFact::DiskFailed { .. } }) = desk.facts.try_recv() else { panic!() };
    assert!(desk.facts.try_recv().is_err(), "told once");
    assert_eq!(segments(folder.path()), [1]);
    assert_eq!(recover(folder.path()).unwrap().jobs.len(), 1, "the rest is found");
}

#[test]
fn a_full_ring_drops_and_counts_blocks_but_gives_ends_back() {
    let folder = TempFolder::new("journal");
    let (jobs, _waiting) = channel();
    let facts: Facts = Arc::new(|_| {});
    let recovered = recover(folder.path()).unwrap();
    let (_journal, inlet) =
        Journal::new(on(folder.path()), recovered, jobs, disk(folder.path(), facts), SystemClock::start());
    let block = blocks(1, 1).remove(0);
    for _ in 0..RING {
        assert!(inlet.block(block.clone()));
    }
    assert!(!inlet.block(block));
    assert_eq!(inlet.closed(ended(1)), Err(ended(1)));
    assert_eq!(inlet.dropped(), 1);
}

#[test]
fn the_writer_lays_in_memory_when_blocks_found_none_and_only_then() {
    let folder = TempFolder::new("journal");
    let desk = desk(folder.path());
    let memory = desk.journal.memory.clone();
    let begun = |recording: u64| {
        let (tenant, started) = (TenantId::new("acme"), WallTime(0));
        let (recording, call, caller) = (id(recording), 9.into(), 1.into());
        Recorder::start(
            Instant::ZERO,
            Start { recording, call, tenant, caller, persons: vec![], started },
            &memory,
        )
    };
    let first = begun(0);
    desk.journal.lay_in();
    let many = (2 << 20) / FULL_BLOCK as u64;
    let some: Vec<Recorder> = (1..=many).map(begun).collect();
    desk.journal.lay_in();
    assert!(!memory.was_short());
    let one_more = begun(many + 1);
    desk.journal.lay_in();
    drop((first, some, one_more));
    // Their blocks came back; with the second page that is room for twice as many.
    let all: Vec<Recorder> = (0..2 * many).map(begun).collect();
    assert!(!memory.was_short());
    drop(all);
}
