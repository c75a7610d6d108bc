use std::time::Duration;

use ledger::story::Story;
use ledger::{Day, RecordingState, check_cdr, check_figures};
use model::TenantId;
use model::event::CallFact;
use model::outcome::{CallResult, Termination};

use super::*;
use crate::CallFilter;
use crate::scratch::Scratch;

const LONG: Duration = Duration::from_secs(30);

async fn started(dir: &Path) -> Started {
    let config = StartConfig {
        journal: JournalConfig { gather: Duration::ZERO, ..JournalConfig::default() },
        folder: FolderConfig { commit_every: Duration::from_millis(5), ..FolderConfig::default() },
    };
    start(dir, SystemClock::start(), config, |_| None).await.unwrap()
}

/// Journals events as they were told and waits for their rows.
async fn journal(started: &Started, events: &[Stamped]) {
    let mut last = 0;
    for stamped in events {
        last = started.journal.append_at(stamped.at, stamped.event.clone());
    }
    folded(started, last).await;
}

async fn folded(started: &Started, seq: u64) {
    tokio::time::timeout(LONG, started.folder.folded(seq)).await.unwrap();
}

async fn all(store: &Store) -> Vec<Cdr> {
    let cdrs = store.calls(&CallFilter { limit: Some(10_000), ..CallFilter::default() }).await.unwrap();
    cdrs.iter().for_each(|cdr| assert_eq!(check_cdr(cdr), []));
    cdrs
}

/// Calls counted by the sums of the numbers, which must add up.
async fn counted(store: &Store) -> u64 {
    let mut figures = Figures::default();
    let tenant = TenantId::default();
    let (from, to): (Day, Day) = (Day(0), "2099-12-31".parse().unwrap());
    let key = |day, name: String| ledger::FigureKey { tenant: tenant.clone(), name: name.into(), day };
    for (day, name, sums) in store.number_figures(&tenant, from, to).await.unwrap() {
        figures.numbers.insert(key(day, name), sums);
    }
    for (day, name, sums) in store.queue_figures(&tenant, from, to).await.unwrap() {
        figures.queues.insert(key(day, name), sums);
    }
    for (day, name, sums) in store.agent_figures(&tenant, from, to).await.unwrap() {
        figures.agents.insert(key(day, name), sums);
    }
    assert_eq!(check_figures(&figures), []);
    figures.numbers.values().map(|number| number.calls).sum()
}

#[tokio::test]
async fn an_ended_call_becomes_one_row_and_its_finished_recording_is_added() {
    let dir = Scratch::new();
    let started = started(&dir).await;
    let mut updates = started.folder.updates();
    let mut story = Story::default();
    let call = story.answered_call("1", "8001");
    journal(&started, &story.events).await;
    let cdrs = all(&started.store).await;
    assert_eq!((cdrs.len(), cdrs[0].id), (1, call));
    assert!(matches!(cdrs[0].recordings[0].state, RecordingState::Finished { millis: 24_000, .. }));
    let mut told = Vec::new();
    let mut totals = Totals::default();
    while told.len() < 2 {
        let written = updates.recv().await.unwrap();
        assert_eq!(written.before, totals);
        totals = written.after();
        told.extend_from_slice(&written.updates);
    }
    assert_eq!(totals, Totals { closed: 1, finished: 1 });
    assert!(matches!(&told[..], [Update::Closed(cdr), Update::Amended { .. }] if cdr.id == call), "{told:?}");
    assert_eq!(counted(&started.store).await, 1);
}

#[test]
fn what_is_learned_of_a_call_that_still_waits_goes_into_its_record_and_what_comes_later_does_not() {
    let quality = |call, leg: u64| Update::Amended {
        tenant: TenantId::default(),
        call,
        amendment: Amendment::Quality(ledger::Quality {
            received: 50,
            lost: 1,
            jitter_us: 20,
            went_silent: false,
            ..ledger::Quality::unknown(model::LegId::from(leg))
        }),
    };
    let mut story = Story::default();
    let call = story.answered_call("1", "8001");
    let mut ledger = Ledger::default();
    let mut pending = Pending::default();
    story.events.iter().filter_map(|stamped| ledger.fold(stamped)).for_each(|update| pending.push(update));
    pending.push(quality(call, 1));
    pending.push(quality(CallId::from(77), 2));
    let heard: Vec<_> = pending.cdrs().flat_map(|cdr| &cdr.quality).map(|quality| quality.leg).collect();
    assert!(heard.contains(&model::LegId::from(1)), "{heard:?}");
    let left: Vec<CallId> = pending.amendments().map(|(call, _)| call).collect();
    assert_eq!(left, [CallId::from(77)], "the record of another call does not wait");
    assert!(pending.take().filter(|update| matches!(update, Update::Amended { .. })).count() >= 2);
    pending.push(quality(call, 3));
    assert_eq!(pending.amendments().count(), 1, "the record was written meanwhile");
}

#[tokio::test]
async fn a_call_left_open_is_closed_at_the_next_start_with_its_record() {
    let dir = Scratch::new();
    let mut story = Story::default();
    let call = story.answered_call("1", "8001");
    let cut = story.events.len() - 6; // in the conversation
    {
        let first = started(&dir).await;
        journal(&first, &story.events[..cut]).await;
        assert!(all(&first.store).await.is_empty());
    }
    let second = started(&dir).await;
    assert_eq!(second.closed, 1);
    folded(&second, second.journal.last_seq()).await;
    let cdrs = all(&second.store).await;
    assert_eq!((cdrs.len(), cdrs[0].id, cdrs[0].ending.cause), (1, call, Termination::Crashed));
    assert_eq!(cdrs[0].times.ended, story.events[cut - 1].at);
    drop(second);
    let third = started(&dir).await;
    assert_eq!((third.closed, all(&third.store).await.len(), counted(&third.store).await), (0, 1, 1));
}

#[tokio::test]
async fn a_last_packet_later_than_the_last_event_ends_the_call() {
    let dir = Scratch::new();
    let mut story = Story::default();
    story.begin("1");
    {
        let first = started(&dir).await;
        journal(&first, &story.events).await;
    }
    let packet = story.wait(7_000).now();
    let second = start(&dir, SystemClock::start(), StartConfig::default(), |_| Some(packet)).await.unwrap();
    folded(&second, second.journal.last_seq()).await;
    assert_eq!(all(&second.store).await[0].times.ended, packet);
}

/// As if the process had been killed: journal and database as they are at this moment, in a folder of their own.
fn killed(dir: &Path) -> Scratch {
    let copy = Scratch::new();
    std::fs::create_dir(copy.join("events")).unwrap();
    for name in ["hotline.db", "hotline.db-wal", "FORMAT"] {
        if dir.join(name).exists() {
            std::fs::copy(dir.join(name), copy.join(name)).unwrap();
        }
    }
    for file in std::fs::read_dir(dir.join("events")).unwrap() {
        let path = file.unwrap().path();
        std::fs::copy(&path, copy.join("events").join(path.file_name().unwrap())).unwrap();
    }
    copy
}

#[tokio::test]
async fn killed_at_any_moment_every_call_has_one_record_and_counts_once() {
    let dir = Scratch::new();
    let mut story = Story::default();
    let long = story.begin("2");
    for _ in 0..3 {
        story.answered_call("1", "8001");
    }
    story.end(long, CallResult::EndedInMenu, model::outcome::HungUpBy::Caller);
    let begun = |upto: usize| {
        let began =
            |s: &&Stamped| matches!(&s.event, model::event::Event::Call { fact: CallFact::Began { .. }, .. });
        story.events[..upto].iter().filter(began).count()
    };
    let mut first = started(&dir).await;
    for (place, stamped) in story.events.iter().enumerate() {
        journal(&first, std::slice::from_ref(stamped)).await;
        // Every few events: what the next start makes of it.
        if place % 5 == 0 {
            let copy = killed(&dir);
            let next = started(&copy).await;
            folded(&next, next.journal.last_seq()).await;
            let cdrs = all(&next.store).await;
            // A call whose number was not yet found is in no number's sums.
            let numbered = cdrs.iter().filter(|cdr| cdr.parties.number.is_some()).count() as u64;
            assert_eq!((cdrs.len(), counted(&next.store).await), (begun(place + 1), numbered), "{place}");
        }
        // And the switch itself is restarted in order now and then, between calls and in them.
        if place % 17 == 16 && first.store.fold_position().await.unwrap().low_water as usize == place + 1 {
            drop(first);
            first = started(&dir).await;
        }
    }
    assert_eq!((all(&first.store).await.len(), counted(&first.store).await), (4, 4));
}

#[tokio::test]
async fn rows_older_than_the_journal_are_made_from_it() {
    let (dir, mut story) = (Scratch::new(), Story::default());
    for _ in 0..5 {
        story.answered_call("1", "8001");
    }
    {
        let first = started(&dir).await;
        journal(&first, &story.events).await;
    }
    // The database is lost; the journal is all that is needed.
    for name in ["hotline.db", "hotline.db-wal", "hotline.db-shm"] {
        let _ = std::fs::remove_file(dir.join(name));
    }
    let second = started(&dir).await;
    folded(&second, second.journal.last_seq()).await;
    assert_eq!((all(&second.store).await.len(), counted(&second.store).await), (5, 5));
}

#[tokio::test]
async fn a_folder_that_falls_behind_catches_up_from_the_files() {
    let dir = Scratch::new();
    let config = StartConfig {
        journal: JournalConfig { gather: Duration::ZERO, segment_bytes: 50_000, ..JournalConfig::default() },
        folder: FolderConfig {
            commit_every: Duration::from_millis(1),
            commit_rows: 7,
            ..FolderConfig::default()
        },
    };
    let started = start(&dir, SystemClock::start(), config, |_| None).await.unwrap();
    let mut story = Story::default();
    for _ in 0..400 {
        story.answered_call("1", "8001");
    }
    // The database is kept busy while more batches come than the folder may lie behind.
    let lock = started.store.writer().unwrap().begin_with("BEGIN IMMEDIATE").await.unwrap();
    let mut last = 0;
    for stamped in &story.events {
        last = started.journal.append_at(stamped.at, stamped.event.clone());
        if stamped.seq % 10 == 0 {
            assert!(started.journal.flush(LONG));
        }
    }
    lock.rollback().await.unwrap();
    folded(&started, last).await;
    assert_eq!((all(&started.store).await.len(), counted(&started.store).await), (400, 400));
}

#[tokio::test]
async fn a_database_that_refuses_keeps_rows_for_later_and_counts_them_once() {
    let dir = Scratch::new();
    let started = started(&dir).await;
    let mut story = Story::default();
    story.answered_call("1", "8001");
    journal(&started, &story.events).await;
    sqlx::query("ALTER TABLE figure RENAME TO hidden")
        .execute(started.store.writer().unwrap())
        .await
        .unwrap();
    let told = story.events.len();
    story.answered_call("2", "8002");
    for stamped in &story.events[told..] {
        started.journal.append_at(stamped.at, stamped.event.clone());
    }
    assert!(started.journal.flush(LONG));
    let refused =
        tokio::time::timeout(Duration::from_millis(100), started.folder.folded(started.journal.last_seq()));
    assert!(refused.await.is_err());
    assert_eq!(all(&started.store).await.len(), 1);
    sqlx::query("ALTER TABLE hidden RENAME TO figure")
        .execute(started.store.writer().unwrap())
        .await
        .unwrap();
    folded(&started, started.journal.last_seq()).await;
    assert_eq!((all(&started.store).await.len(), counted(&started.store).await), (2, 2));
}

// With threads: this one blocks, and the pool takes back a connection by a task.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_folder_has_written_what_the_journal_holds() {
    let dir = Scratch::new();
    let started = start(&dir, SystemClock::start(), StartConfig::default(), |_| None).await.unwrap();
    let mut story = Story::default();
    story.answered_call("1", "8001");
    for stamped in &story.events {
        started.journal.append_at(stamped.at, stamped.event.clone());
    }
    assert!(started.journal.flush(LONG));
    started.folder.stop();
    assert_eq!(all(&started.store).await.len(), 1);
    let position = started.store.fold_position().await.unwrap();
    assert_eq!(
        (position.folded, position.low_water),
        (started.journal.last_seq(), started.journal.last_seq())
    );
}

#[tokio::test]
async fn two_switches_do_not_share_a_folder() {
    let dir = Scratch::new();
    let _first = started(&dir).await;
    let refused = start(&dir, SystemClock::start(), StartConfig::default(), |_| None).await.err().unwrap();
    assert!(refused.to_string().contains("另一个 hotline"), "{refused}");
}

/// Names of the threads that [`noted`] was called on.
static NOTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn noted() {
    NOTED.lock().unwrap().push(std::thread::current().name().unwrap_or_default().to_owned());
}

#[tokio::test]
async fn each_thread_that_has_to_do_with_rows_is_told_to_yield_first() {
    let dir = Scratch::new();
    let folder = FolderConfig { on_thread: noted, ..FolderConfig::default() };
    let config = StartConfig { folder, ..StartConfig::default() };
    let started = start(&dir, SystemClock::start(), config, |_| None).await.unwrap();
    // The thread that opens the database, which its connections' threads take after, and the loop's.
    tokio::time::timeout(LONG, async {
        while NOTED.lock().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(*NOTED.lock().unwrap(), ["rows", "folder"]);
    started.folder.stop();
}
