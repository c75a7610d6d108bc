//! Disks that are full, broken, read-only or slow: what is said passes, what can be kept is kept, and it is told.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Condvar;

use model::event::{DiskState, NodeFact};

use super::*;
use crate::journal::medium::SegmentFile;

/// What is wrong with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// No new segment can be made, by this error of the system.
    Makes(i32),
    /// Nothing can be written, by this error of the system.
    Writes(i32),
    /// What was written cannot be made to last.
    Syncs(i32),
    /// Every write stands still.
    Stands,
}

/// A disk with a fault that comes and goes.
#[derive(Debug)]
struct IllDisk {
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug)]
struct State {
    fault: Fault,
    /// Writers that stand still.
    standing: usize,
}

#[derive(Debug)]
struct IllFile {
    file: Arc<dyn SegmentFile>,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl IllDisk {
    fn new(fault: Fault) -> Arc<IllDisk> {
        Arc::new(IllDisk { state: Arc::new((Mutex::new(State { fault, standing: 0 }), Condvar::new())) })
    }

    fn becomes(&self, fault: Fault) {
        self.state.0.lock().unwrap().fault = fault;
        self.state.1.notify_all();
    }

    /// Waits until a write stands still.
    fn wait_until_it_stands(&self) {
        let state = self.state.0.lock().unwrap();
        let (_state, late) =
            self.state.1.wait_timeout_while(state, PATIENCE, |state| state.standing == 0).unwrap();
        assert!(!late.timed_out());
    }
}

impl Medium for IllDisk {
    fn create(&self, path: &Path, header: &[u8]) -> io::Result<Arc<dyn SegmentFile>> {
        if let Fault::Makes(error) = self.state.0.lock().unwrap().fault {
            return Err(io::Error::from_raw_os_error(error));
        }
        let file = Disk.create(path, header)?;
        Ok(Arc::new(IllFile { file, state: Arc::clone(&self.state) }))
    }
}

impl SegmentFile for IllFile {
    fn write_all_at(&self, parts: &mut [IoSlice<'_>], position: u64) -> io::Result<()> {
        let (state, changed) = &*self.state;
        let mut state = state.lock().unwrap();
        while state.fault == Fault::Stands {
            state.standing += 1;
            changed.notify_all();
            state = changed.wait(state).unwrap();
            state.standing -= 1;
        }
        if let Fault::Writes(error) = state.fault {
            // Half of it is written all the same: nothing that is read later may be half a block.
            let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
            let _ = self.file.write_all_at(&mut [IoSlice::new(&bytes[..bytes.len() / 2])], position);
            return Err(io::Error::from_raw_os_error(error));
        }
        drop(state);
        self.file.write_all_at(parts, position)
    }

    fn sync(&self) -> io::Result<()> {
        match self.state.0.lock().unwrap().fault {
            Fault::Syncs(error) => Err(io::Error::from_raw_os_error(error)),
            _ => self.file.sync(),
        }
    }

    fn is_deleted(&self) -> bool {
        self.file.is_deleted()
    }
}

/// A recorded conversation on an ill disk.
struct Ill {
    stand: Stand,
    disk: Arc<IllDisk>,
    call: CallId,
    recording: RecordingId,
    caller: Party,
    agent: Party,
}

impl Ill {
    fn of(host: u8, fault: Fault) -> Ill {
        let (folder, clock) = (TempFolder::new("ill"), SystemClock::start());
        let disk = IllDisk::new(fault);
        let (net, events, facts) = start_on(disk.clone(), &folder, (host, 20_000..=29_999), 1, clock);
        let ids = IdGen::new(0, 1, clock.wall().as_secs());
        let mut stand = Stand { folder, net, events, facts, ids, clock };
        let call = stand.ids.mint();
        let (caller, agent) = (stand.party(call, Codec::Pcma), stand.party(call, Codec::Pcma));
        stand.join(call, &caller, &agent);
        let recording = stand.record(call, &caller, &agent);
        Ill { stand, disk, call, recording, caller, agent }
    }

    /// Both speak for so many frames of 20 ms, and each hears all that the other says.
    fn speak(&mut self, frames: u64, hz: f64) {
        let Ill { stand, caller, agent, .. } = self;
        stand.paced(frames, || {
            caller.say(hz);
            agent.say(hz);
            caller.listen();
            agent.listen();
        });
    }

    /// Waits for a fact about the disk.
    fn wait_for_disk(&self, wanted: impl Fn(&NodeFact) -> bool) {
        loop {
            let told = self.stand.facts.recv_timeout(PATIENCE).expect("it is told");
            if matches!(&told, Fact::Node { fact } if wanted(fact)) {
                return;
            }
        }
    }

    /// Ends the recording; the seconds of `hz` that each channel of its file has.
    fn kept(self, hz: [f64; 2]) -> [[f64; 2]; 2] {
        self.stand.net.handle(Command::StopRecording { room: self.call, recording: self.recording });
        let (path, _) = self.stand.file(self.recording);
        let heard = channels(&path).map(|samples| {
            hz.map(|hz| {
                let frames = samples.chunks_exact(160).filter(|frame| level(frame, hz) > 6_000.0);
                frames.count() as f64 * 0.02
            })
        });
        self.stand.net.handle(Command::CloseRoom { room: self.call });
        self.stand.net.shutdown();
        heard
    }
}

#[test]
fn while_a_disk_stands_still_every_packet_passes_and_nothing_is_lost() {
    let mut ill = Ill::of(20, Fault::Stands);
    // The first block comes after 800 ms; from then on the writer stands.
    ill.speak(45, 400.0);
    ill.disk.wait_until_it_stands();
    ill.speak(100, 500.0);
    assert_eq!(ill.stand.net.live().blocks_dropped, 0);
    ill.disk.becomes(Fault::Nothing);
    for [first, second] in ill.kept([400.0, 500.0]) {
        assert!(first >= 0.7 && second >= 1.9, "{first} s and {second} s");
    }
}

#[test]
fn a_disk_that_fails_is_told_and_what_was_said_before_and_after_is_kept() {
    for (host, fault) in
        [(21, Fault::Writes(libc::EIO)), (22, Fault::Writes(libc::ENOSPC)), (23, Fault::Writes(libc::EROFS))]
    {
        let mut ill = Ill::of(host, Fault::Nothing);
        ill.speak(100, 400.0);
        ill.disk.becomes(fault);
        ill.speak(100, 900.0);
        ill.wait_for_disk(|fact| matches!(fact, NodeFact::DiskFailed { .. }));
        ill.wait_for_disk(|fact| matches!(fact, NodeFact::DiskBecame { state: DiskState::Refusing, .. }));
        assert!(ill.stand.net.live().blocks_dropped > 0, "{fault:?}");
        ill.disk.becomes(Fault::Nothing);
        ill.wait_for_disk(|fact| matches!(fact, NodeFact::DiskBecame { state: DiskState::Fine, .. }));
        ill.speak(100, 500.0);
        for [before, after] in ill.kept([400.0, 500.0]) {
            // The blocks that were being filled when the disk failed may be lost.
            assert!(before >= 1.0 && after >= 1.9, "{fault:?}: {before} s and {after} s");
        }
    }
}

#[test]
fn a_disk_that_gives_no_segment_is_told_and_recordings_begin_when_it_does() {
    for (host, error) in [(24, libc::ENOSPC), (25, libc::EROFS)] {
        let mut ill = Ill::of(host, Fault::Makes(error));
        ill.speak(50, 400.0);
        ill.wait_for_disk(|fact| matches!(fact, NodeFact::DiskBecame { state: DiskState::Refusing, .. }));
        ill.disk.becomes(Fault::Nothing);
        ill.wait_for_disk(|fact| matches!(fact, NodeFact::DiskBecame { state: DiskState::Fine, .. }));
        ill.speak(100, 500.0);
        for [_, after] in ill.kept([400.0, 500.0]) {
            assert!(after >= 1.9, "{after} s");
        }
    }
}

#[test]
fn a_disk_that_does_not_sync_is_told_and_keeps_what_it_has() {
    let mut ill = Ill::of(26, Fault::Syncs(libc::EIO));
    ill.speak(100, 400.0);
    ill.wait_for_disk(|fact| matches!(fact, NodeFact::DiskFailed { .. }));
    for [kept, _] in ill.kept([400.0, 500.0]) {
        assert!(kept >= 1.9, "{kept} s");
    }
}

#[test]
fn a_journal_that_somebody_deletes_is_told_and_what_is_said_after_it_is_kept() {
    let mut ill = Ill::of(27, Fault::Nothing);
    ill.speak(100, 400.0);
    std::fs::remove_dir_all(ill.stand.folder.path().join("journal")).unwrap();
    ill.wait_for_disk(|fact| matches!(fact, NodeFact::DiskFailed { .. }));
    ill.speak(150, 500.0);
    for [_, after] in ill.kept([400.0, 500.0]) {
        // The block that was being filled may be lost with those before it.
        assert!(after >= 2.9, "{after} s");
    }
}
