use clock::{Instant, SystemClock};
use media::codec::Codec;
use media::recording::{Memory, Recorder, Start};
use media::sink::{Side, TapPacket};
use model::{LegId, RecordingId, TenantId};

use super::*;
use crate::disk::SharedLimits;
use crate::journal::{Journal, recover};
use crate::testing::{TempFolder, channels, level, tone};

/// A journal with one recording of `seconds`: caller 440 Hz, agent 660 Hz. The job that finishes it.
pub fn recorded(data: &Path, seconds: u64) -> Job {
    recorded_all(data, &[7], seconds).remove(0)
}

/// A journal with recordings of `seconds` that run at once: callers 440 Hz, agents 660 Hz. The jobs that finish them.
fn recorded_all(data: &Path, recordings: &[u64], seconds: u64) -> Vec<Job> {
    let journal = data.join("journal");
    let start = |recording: u64| Start {
        recording: recording.into(),
        call: (recording + 2).into(),
        tenant: TenantId::new("acme"),
        caller: 1.into(),
        persons: vec![2.into()],
        // 2026-11-22T16:30:00Z is the 23rd in China.
        started: WallTime(1_795_365_000_000_000),
    };
    let mut recorders: Vec<Recorder> = recordings
        .iter()
        .map(|recording| Recorder::start(Instant::ZERO, start(*recording), &Memory::default()))
        .collect();
    let mut blocks = Vec::new();
    for nth in 0..seconds * 50 {
        let now = Instant::from_millis((nth + 1) * 20);
        for (leg, side, hz) in [(1, Side::Left, 440.0), (2, Side::Right, 660.0)] {
            let payload = &tone(hz, Codec::Pcma, nth as usize);
            for recorder in &mut recorders {
                recorder.packet(&TapPacket {
                    side,
                    leg: LegId::from(leg),
                    sequence: nth,
                    media_time: nth * 160,
                    arrival: now,
                    codec: Codec::Pcma,
                    payload,
                });
                blocks.extend(std::iter::from_fn(|| recorder.poll_block(now)));
            }
        }
    }
    let end = Instant::from_secs(seconds);
    for recorder in &mut recorders {
        recorder.end(end);
        blocks.extend(std::iter::from_fn(|| recorder.poll_block(end)));
    }

    let (jobs, _waiting) = std::sync::mpsc::channel();
    let facts: Facts = Arc::new(|_| {});
    let recovered = recover(&journal).unwrap();
    let (writer, inlet) = Journal::new(
        (Arc::new(crate::journal::medium::Disk), journal.clone()),
        recovered,
        jobs,
        crate::testing::disk(data, facts),
        SystemClock::start(),
    );
    for block in blocks {
        assert!(inlet.block(block));
    }
    inlet.waiting().send(ToJournal::End).unwrap();
    writer.spawn().unwrap().join().unwrap();
    recover(&journal).unwrap().jobs
}

/// A finisher without its thread, and what it tells.
fn finisher(data: &Path) -> (Finisher, Receiver<Event>, Receiver<ToJournal>) {
    let (fact, facts) = std::sync::mpsc::channel();
    let (done, told) = std::sync::mpsc::sync_channel(8);
    let finisher = Finisher {
        data: data.to_owned(),
        journal: data.join("journal"),
        facts: Arc::new(move |event| drop(fact.send(event))),
        done,
        manifest: Manifest::open(data).unwrap(),
        limits: SharedLimits::default(),
        clock: SystemClock::start(),
    };
    (finisher, facts, told)
}

/// What it is asked to finish again.
fn finish(finisher: &mut Finisher, jobs: Vec<Job>) -> Vec<Job> {
    let mut batch = Batch::new(&finisher.journal, Pace::alone());
    finisher.finish(&mut batch, jobs)
}

fn entered(data: &Path) -> Vec<Entry> {
    let mut entries = Vec::new();
    crate::manifest::read_manifest(data, |entry, flaw| {
        assert_eq!(flaw, None);
        entries.extend(entry);
    })
    .unwrap();
    entries
}

#[test]
fn a_file_is_entered_once_however_often_its_maker_is_killed() {
    let folder = TempFolder::new("finish");
    let data = folder.path();
    let job = recorded(data, 1);
    // Killed between the file and the manifest.
    let made = make(data, &data.join("journal"), &job).unwrap();
    for _ in 0..3 {
        // Killed between the manifest and the journal's mark, again and again.
        let (mut finisher, facts, _told) = finisher(data);
        assert_eq!(finish(&mut finisher, vec![job.clone()]), []);
        let Ok(Event::Recording { fact: RecordingFact::Finished { sha256, .. }, .. }) = facts.try_recv()
        else {
            panic!("it is told")
        };
        assert_eq!(*sha256, *made.sha256);
    }
    let mut entries = entered(data);
    let besides = entries.extract_if(.., |entry| entry.deed == Deed::Beside).map(|entry| entry.path);
    let stem = made.path.strip_suffix("wav").unwrap();
    assert_eq!(besides.collect::<Vec<_>>(), [format!("{stem}json"), format!("{stem}dat")]);
    let [Entry { recording, call, bytes, sha256, path, .. }] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((recording.raw(), call.raw(), *bytes), (7, 9, made.bytes));
    assert_eq!((sha256, path), (&made.sha256, &made.path));
}

#[test]
fn a_file_is_made_by_date_and_tenant_and_only_once() {
    let folder = TempFolder::new("finish");
    let (data, journal) = (folder.path(), folder.path().join("journal"));
    let job = recorded(data, 3);
    let made = make(data, &journal, &job).unwrap();
    assert_eq!(made.path, format!("recordings/acme/2026/11/23/{}.wav", RecordingId::from(7)));
    assert_eq!((made.millis, made.bytes), (3_000, 58 + 48_000));
    let [left, right] = channels(&data.join(&made.path));
    assert!(level(&left, 440.0) > 7_900.0 && level(&right, 660.0) > 7_900.0);
    for (path, sum) in &made.beside {
        assert_eq!(checksum_of(&data.join(path)).unwrap(), (sum.bytes, sum.sha256.clone()), "{path}");
    }
    let both = TalkShares { caller_ms: 3_000, persons_ms: 3_000, both_ms: 3_000, ..TalkShares::default() };
    assert_eq!(made.shares, Some(both));
    assert_eq!(told_shares(&data.join(&made.path).with_extension(TIMELINE)), Some(both));

    let path = data.join(&made.path);
    let first = fs::metadata(&path).unwrap().modified().unwrap();
    assert_eq!(make(data, &journal, &job).unwrap(), made, "made again, it is the same");
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), first, "and not written again");
    let leftovers = fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(leftovers, 3, "no temporary file stays");
}

#[test]
fn half_a_file_of_a_killed_finisher_is_made_anew() {
    let folder = TempFolder::new("finish");
    let (data, journal) = (folder.path(), folder.path().join("journal"));
    let job = recorded(data, 2);
    let path = data.join(relative_path(&job.ended, WallTime(1_795_365_000_000_000)));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let part = path.with_extension("wav.part");
    fs::write(&part, b"RIFF").unwrap();
    // Killed between the names: what stands beside is made anew too.
    fs::write(path.with_extension("json"), b"{").unwrap();
    let made = make(data, &journal, &job).unwrap();
    assert_eq!(made.bytes, 58 + 32_000);
    assert!(!part.exists());
    assert!(told_shares(&path.with_extension("json")).is_some());
}

#[test]
fn a_broken_chain_costs_the_broken_block_and_no_more() {
    let folder = TempFolder::new("finish");
    let (data, journal) = (folder.path(), folder.path().join("journal"));
    let job = recorded(data, 10);
    let segment = crate::journal::segment_path(&journal, 0);
    let mut bytes = fs::read(&segment).unwrap();
    bytes[60_000] ^= 0xff;
    fs::write(&segment, bytes).unwrap();
    let made = make(data, &journal, &job).unwrap();
    assert_eq!(made.millis, 10_000);
    let [left, _] = channels(&data.join(&made.path));
    let silent = left.chunks(160).filter(|frame| frame.iter().all(|s| s.abs() < 20)).count();
    assert!((20..=50).contains(&silent), "{silent} frames of 20 ms");
}

#[test]
fn a_recording_of_which_nothing_is_left_is_an_error_in_words() {
    let folder = TempFolder::new("finish");
    let (data, journal) = (folder.path(), folder.path().join("journal"));
    let mut job = recorded(data, 1);
    assert!(matches!(make(data, &journal, &Job { last: None, ..job.clone() }), Err(FinishError::Nothing)));
    job.ended.recording = 8.into();
    assert!(matches!(make(data, &journal, &job), Err(FinishError::Nothing)));
}

#[test]
fn a_disk_that_refuses_the_file_gets_another_try_and_nothing_is_told() {
    let folder = TempFolder::new("finish");
    let data = folder.path();
    let job = recorded(data, 1);
    // A file where the folder must be.
    fs::write(data.join("recordings"), b"").unwrap();
    let (mut finisher, facts, told) = finisher(data);
    assert_eq!(finish(&mut finisher, vec![job.clone()]), std::slice::from_ref(&job));
    assert!(facts.try_recv().is_err() && told.try_recv().is_err());
    fs::remove_file(data.join("recordings")).unwrap();
    assert_eq!(finish(&mut finisher, vec![job]), []);
    let Ok(Event::Recording { fact: RecordingFact::Finished { millis: 1_000, .. }, .. }) = facts.try_recv()
    else {
        panic!("it is told")
    };
    assert!(matches!(told.try_recv(), Ok(ToJournal::Finished(ids)) if ids == [RecordingId::from(7)]));
}

#[test]
fn what_the_disk_refuses_holds_up_no_other_recording_of_the_same_moment() {
    let folder = TempFolder::new("finish");
    let data = folder.path();
    let mut jobs = recorded_all(data, &[7, 8, 9, 10], 1);
    // A file where the folder of one must be; nothing of another reached the disk.
    jobs[1].ended.tenant = TenantId::new("blocked");
    jobs[2].last = None;
    fs::create_dir_all(data.join("recordings")).unwrap();
    fs::write(data.join("recordings/blocked"), b"").unwrap();
    let (mut finisher, facts, told) = finisher(data);
    assert_eq!(finish(&mut finisher, jobs.clone()), [jobs[1].clone()]);
    let outcome = |fact: Event| match fact {
        Event::Recording { recording, fact: RecordingFact::Finished { .. }, .. } => (recording.raw(), true),
        Event::Recording { recording, fact: RecordingFact::Failed { .. }, .. } => (recording.raw(), false),
        other => panic!("{other:?}"),
    };
    assert_eq!(facts.try_iter().map(outcome).collect::<Vec<_>>(), [(9, false), (7, true), (10, true)]);
    let ids = |told| match told {
        ToJournal::Finished(ids) => ids,
        other => panic!("{other:?}"),
    };
    let told: Vec<_> = told.try_iter().map(ids).collect();
    assert_eq!(told, [[RecordingId::from(7), RecordingId::from(10)]], "the journal hears of all at once");
    // Its folder is there again: the manifest goes on in one chain.
    fs::remove_file(data.join("recordings/blocked")).unwrap();
    assert_eq!(finish(&mut finisher, vec![jobs[1].clone()]), []);
    let kept = entered(data).into_iter().filter(|entry| entry.deed == Deed::Kept);
    assert_eq!(kept.map(|entry| entry.recording.raw()).collect::<Vec<_>>(), [7, 10, 8]);
}

#[test]
fn recordings_that_end_together_are_finished_together_and_at_the_latest_when_all_ends() {
    let folder = TempFolder::new("finish");
    let data = folder.path();
    let all: Vec<u64> = (100..100 + BATCH as u64 + 10).collect();
    let (finisher, facts, told) = finisher(data);
    let (job, jobs) = std::sync::mpsc::channel();
    recorded_all(data, &all, 1).into_iter().for_each(|due| job.send(due).unwrap());
    drop(job);
    finisher.spawn(jobs).unwrap().join().unwrap();
    assert_eq!(facts.try_iter().count(), all.len());
    let told: Vec<usize> = told
        .try_iter()
        .map(|told| match told {
            ToJournal::Finished(ids) => ids.len(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told.iter().sum::<usize>(), all.len());
    assert!(told.len() <= 3, "{told:?}");
    assert_eq!(entered(data).iter().filter(|entry| entry.deed == Deed::Kept).count(), all.len());
}

#[test]
fn names_of_tenants_stay_inside_the_folder() {
    let ended = |tenant| Ended { recording: 7.into(), call: 9.into(), tenant: TenantId::new(tenant) };
    let of = |tenant| relative_path(&ended(tenant), WallTime(0));
    let file = format!("1970/01/01/{}.wav", RecordingId::from(7));
    assert_eq!(of("企业"), format!("recordings/企业/{file}"));
    assert_eq!(of("../.."), format!("recordings/.._../{file}"));
    assert_eq!(of(".."), format!("recordings/__/{file}"));
    assert_eq!(of(""), format!("recordings/_/{file}"));
}

#[test]
fn dates_are_those_of_china() {
    for (secs, wanted) in [
        (0, (1970, 1, 1)),
        (57_599, (1970, 1, 1)),
        (57_600, (1970, 1, 2)),
        (951_753_600, (2000, 2, 29)),
        (1_709_136_000, (2024, 2, 29)),
        (1_795_365_000, (2026, 11, 23)),
        (1_798_732_799, (2026, 12, 31)),
        (1_798_732_800, (2027, 1, 1)),
    ] {
        assert_eq!(date(WallTime(secs * 1_000_000)), wanted, "{secs}");
    }
}
