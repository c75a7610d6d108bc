//! Owns the loop that folds the event journal into rows, on a thread of its own, and the start that takes it up where
//! it stood. Does not own the fold (see `ledger`).

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use clock::{SystemClock, WallTime};
use ledger::{Amendment, Cdr, Figures, Ledger, RecordingState, ServiceRules, Touched, Update};
use model::CallId;
use model::event::Stamped;
use sqlx::SqliteConnection;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, oneshot, watch};

use crate::journal::Batch;
use crate::messages::MessageChange;
use crate::rows::{self, FoldPosition};
use crate::{EventJournal, JournalConfig, JournalError, OpenError, Store, StoreError};

/// When rows are written.
#[derive(Clone, Copy, Debug)]
pub struct FolderConfig {
    /// Rows wait at most this long for others to share a transaction with.
    pub commit_every: Duration,
    /// From so many rows in that time on, they wait for more: a page that many rows share is then written once.
    pub many_rows: usize,
    /// How long many rows wait at most.
    pub commit_many_every: Duration,
    /// A transaction begins at once when so many wait.
    pub commit_rows: usize,
    /// The limits by which the sums judge.
    pub rules: ServiceRules,
    /// Journal files are kept for this long after all their events are folded.
    pub keep_events: Duration,
    /// Called first on each thread that writes or reads rows: rows have time, calls have not.
    pub on_thread: fn(),
}

impl Default for FolderConfig {
    fn default() -> FolderConfig {
        FolderConfig {
            commit_every: Duration::from_millis(200),
            many_rows: 512,
            commit_many_every: Duration::from_secs(1),
            commit_rows: 4_096,
            rules: ServiceRules::default(),
            keep_events: Duration::from_secs(30 * 86_400),
            on_thread: || {},
        }
    }
}

/// Limits of all that [`start`] opens.
#[derive(Clone, Copy, Debug, Default)]
pub struct StartConfig {
    /// Of the journal.
    pub journal: JournalConfig,
    /// Of the folder.
    pub folder: FolderConfig,
}

/// What [`start`] opened.
pub struct Started {
    /// The rows.
    pub store: Store,
    /// The journal; facts may be appended.
    pub journal: EventJournal,
    /// The loop that folds one into the other.
    pub folder: Folder,
    /// How many calls without an end were closed.
    pub closed: usize,
}

/// Why a start fails.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The rows.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Opens the store and journal of `data_dir`, folds what the last run left, and ends each call it left without an end
/// (系统失败) at its last event, or its last packet where `last_packet` knows a later one.
///
/// # Errors
/// In words, when the folder is owned, newer than this program, or the disk refuses.
pub async fn start(
    data_dir: &Path,
    clock: SystemClock,
    config: StartConfig,
    last_packet: impl Fn(CallId) -> Option<WallTime>,
) -> Result<Started, StartError> {
    let store = open(data_dir, config.folder.on_thread).await?;
    let position = store.fold_position().await?;
    let events = store.data_dir().events();
    let (journal, recovered) =
        EventJournal::open(&events, clock, config.journal, position.folded, position.low_water)?;
    let mut fold = Fold::new(store.clone(), journal.clone(), config.folder, position);
    // Subscribed before the files are read: no event falls between the two.
    let follower = journal.follow();
    fold.read(recovered.events).await?;
    let open = fold.ledger.close_open(last_packet);
    let closed = open.len();
    for (at, event) in open {
        journal.append_at(at, event);
    }
    if closed > 0 {
        tracing::warn!(closed, "上次运行留下的通话已补记 / calls left open by the last run were closed");
    }
    let folder = Folder::spawn(fold, follower, config.folder)?;
    Ok(Started { store, journal, folder, closed })
}

/// Opens the database by a thread that `on_thread` was called on: its connections' threads take after it.
async fn open(data_dir: &Path, on_thread: fn()) -> Result<Store, StartError> {
    let (runtime, path) = (tokio::runtime::Handle::current(), data_dir.to_owned());
    let (opened, store) = oneshot::channel();
    let opens = move || {
        on_thread();
        // Who waits is gone only when the start was given up.
        let _ = opened.send(runtime.block_on(Store::open(&path)));
    };
    let failed = |source| JournalError::Io { path: data_dir.to_owned(), source };
    std::thread::Builder::new().name("rows".into()).spawn(opens).map_err(failed)?;
    let died = || failed(std::io::Error::other("its thread ended"));
    Ok(store.await.map_err(|_| died())??)
}

/// The running loop. Dropping it leaves the rest of the journal to the next start.
pub struct Folder {
    updates: broadcast::Sender<Written>,
    folded: watch::Receiver<u64>,
    stop: Mutex<Option<oneshot::Sender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What a transaction wrote.
#[derive(Clone, Debug)]
pub struct Written {
    /// In order.
    pub updates: Arc<[Update]>,
    /// How much was written before it: who missed a transaction knows what was in it.
    pub before: Totals,
}

impl Written {
    /// How much is written with it.
    pub fn after(&self) -> Totals {
        self.updates.iter().fold(self.before, |totals, update| totals.and(update))
    }
}

/// How much was written since the start, of what others are told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records of calls.
    pub closed: u64,
    /// Recordings whose file is complete.
    pub finished: u64,
}

impl Totals {
    fn and(self, update: &Update) -> Totals {
        let Totals { closed, finished } = self;
        match update {
            Update::Closed(_) => Totals { closed: closed + 1, finished },
            Update::Amended {
                amendment: Amendment::Recording { state: RecordingState::Finished { .. }, .. },
                ..
            } => Totals { closed, finished: finished + 1 },
            Update::Amended { .. } => self,
        }
    }
}

/// How many transactions a follower may lie behind.
const FOLLOWED_UPDATES: usize = 64;

impl Folder {
    fn spawn(
        mut fold: Fold,
        follower: broadcast::Receiver<Batch>,
        config: FolderConfig,
    ) -> Result<Folder, JournalError> {
        let path = fold.store.data_dir().path().to_owned();
        let failed = |source| JournalError::Io { path: path.clone(), source };
        let updates = fold.updates.clone();
        let folded = fold.folded.subscribe();
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(failed)?;
        let thread = std::thread::Builder::new()
            .name("folder".into())
            .spawn(move || {
                (config.on_thread)();
                runtime.block_on(fold.run(follower, stopped, config));
            })
            .map_err(failed)?;
        Ok(Folder { updates, folded, stop: Mutex::new(Some(stop)), thread: Mutex::new(Some(thread)) })
    }

    /// What is written from now on, each transaction's together and after it: closed calls' records, and what was learned
    /// later.
    pub fn updates(&self) -> broadcast::Receiver<Written> {
        self.updates.subscribe()
    }

    /// Waits until the rows of all events up to `seq` are written.
    pub async fn folded(&self, seq: u64) {
        let mut folded = self.folded.clone();
        // The sender lives as long as the loop; when that has ended nothing more will come.
        let _ = folded.wait_for(|at| *at >= seq).await;
    }

    /// Folds what the journal holds, writes it and ends the loop. Flush the journal first. Blocks for the last
    /// transaction.
    pub fn stop(&self) {
        let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A loop that has ended on its own no longer listens.
        let _ = stop.map(|stop| stop.send(()));
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("话单线程崩溃 / the folder's thread panicked");
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The fold with what waits to be written.
struct Fold {
    store: Store,
    journal: EventJournal,
    config: FolderConfig,
    ledger: Ledger,
    /// Updates of events up to this one are in the rows already.
    committed: FoldPosition,
    pending: Pending,
    /// Changes of messages that wait, in order.
    messages: Vec<MessageChange>,
    figures: Figures,
    updates: broadcast::Sender<Written>,
    written: Totals,
    folded: watch::Sender<u64>,
}

impl Fold {
    fn new(store: Store, journal: EventJournal, config: FolderConfig, committed: FoldPosition) -> Fold {
        Fold {
            store,
            journal,
            config,
            ledger: Ledger::after(committed.low_water),
            committed,
            pending: Pending::default(),
            messages: Vec::new(),
            figures: Figures::default(),
            updates: broadcast::channel(FOLLOWED_UPDATES).0,
            written: Totals::default(),
            folded: watch::channel(committed.folded).0,
        }
    }

    async fn run(
        &mut self,
        mut follower: broadcast::Receiver<Batch>,
        mut stopped: oneshot::Receiver<()>,
        config: FolderConfig,
    ) {
        let mut commit = tokio::time::interval(config.commit_every);
        commit.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut tidy = tokio::time::interval(TIDY_EVERY);
        let mut committed = tokio::time::Instant::now();
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                batch = follower.recv() => match batch {
                    Ok(batch) => self.take(&batch).await,
                    Err(RecvError::Lagged(_)) => self.catch_up().await,
                    Err(RecvError::Closed) => break,
                },
                at = commit.tick() => {
                    let may_wait = self.pending.len() >= config.many_rows && !self.somebody_waits();
                    if !may_wait || at.duration_since(committed) >= config.commit_many_every {
                        committed = at;
                        self.commit_or_keep().await;
                    }
                }
                _ = tidy.tick() => self.remove_old_events(),
            }
            if self.pending.len() >= config.commit_rows {
                self.commit_or_keep().await;
            }
        }
        self.catch_up().await;
        self.commit_or_keep().await;
    }

    /// Folds a batch; what was missed before it is read from the files.
    async fn take(&mut self, batch: &[Stamped]) {
        if batch.first().is_some_and(|first| first.seq > self.ledger.last_seq() + 1) {
            self.catch_up().await;
        }
        batch.iter().for_each(|stamped| self.fold(stamped));
    }

    async fn catch_up(&mut self) {
        let missed = self.journal.read_after(self.ledger.last_seq());
        if let Err(error) = self.read(missed).await {
            tracing::error!(%error, "事件日志读不出 / the event journal cannot be read");
        }
    }

    async fn read(&mut self, events: crate::journal::Reader) -> Result<(), JournalError> {
        for stamped in events {
            self.fold(&stamped?);
            if self.pending.len() >= self.config.commit_rows {
                self.commit_or_keep().await;
            }
        }
        Ok(())
    }

    fn fold(&mut self, stamped: &Stamped) {
        let update = self.ledger.fold(stamped);
        // Behind the low-water mark the events of closed calls come again; their rows are written.
        if let Some(update) = update.filter(|_| stamped.seq > self.committed.folded) {
            self.pending.push(update);
        }
        if stamped.seq > self.committed.folded {
            self.messages.extend(MessageChange::of(stamped));
        }
    }

    /// Writes what waits; when the database refuses, keeps it for the next time.
    async fn commit_or_keep(&mut self) {
        let position = FoldPosition { folded: self.ledger.last_seq(), low_water: self.ledger.low_water() };
        let moved = position.folded.saturating_sub(self.committed.folded);
        let nothing_waits = self.pending.is_empty() && self.messages.is_empty();
        if moved == 0 || (nothing_waits && moved < IDLE_EVENTS && !self.somebody_waits()) {
            return;
        }
        match self.commit(position).await {
            Ok(()) => {
                self.committed = position;
                self.messages.clear();
                metrics::counter!("hotline_cdr_rows_total").increment(self.pending.len() as u64);
                let written = Written { updates: self.pending.take().collect(), before: self.written };
                self.written = written.after();
                // Nobody may be following: that is no error.
                let _ = self.updates.send(written);
                self.folded.send_replace(position.folded);
            }
            Err(error) => {
                metrics::counter!("hotline_cdr_commit_failures_total").increment(1);
                tracing::error!(%error, rows = self.pending.len(), "话单写不进数据库，稍后再试 / rows kept for later");
                // Sums of the refused transaction are read again.
                self.figures = Figures::default();
            }
        }
    }

    /// Whether a `folded` call waits: then the position is worth a transaction of its own.
    fn somebody_waits(&self) -> bool {
        self.folded.receiver_count() > 1
    }

    async fn commit(&mut self, position: FoldPosition) -> Result<(), StoreError> {
        let store = self.store.clone();
        let mut transaction = store.writer()?.begin_with("BEGIN IMMEDIATE").await?;
        rows::put_cdrs(&mut transaction, &self.pending.cdrs().collect::<Vec<_>>()).await?;
        let mut touched = Touched::default();
        for cdr in self.pending.cdrs() {
            let keys = Figures::keys(cdr, &self.config.rules);
            load_figures(&mut self.figures, &mut transaction, &keys).await?;
            touched.extend(self.figures.add(cdr, &self.config.rules));
        }
        self.put_figures(&mut transaction, touched).await?;
        for (call, amendment) in self.pending.amendments() {
            if !rows::amend(&mut transaction, call, amendment).await? {
                metrics::counter!("hotline_cdr_amendments_lost_total").increment(1);
                tracing::warn!(%call, "通话没有话单，补充内容作废 / nothing to amend: the call has no record");
            }
        }
        for change in &self.messages {
            change.write(&mut transaction).await?;
        }
        rows::put_position(&mut transaction, position).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn put_figures(&self, to: &mut SqliteConnection, mut touched: Touched) -> Result<(), StoreError> {
        touched.sort_and_dedup();
        for key in &touched.numbers {
            if let Some(figure) = self.figures.numbers.get(key) {
                rows::put_figure(to, key, figure).await?;
            }
        }
        for key in &touched.queues {
            if let Some(figure) = self.figures.queues.get(key) {
                rows::put_figure(to, key, figure).await?;
            }
        }
        for key in &touched.agents {
            if let Some(figure) = self.figures.agents.get(key) {
                rows::put_figure(to, key, figure).await?;
            }
        }
        Ok(())
    }

    fn remove_old_events(&mut self) {
        // Sums of past days are rarely touched again: they are read when they are.
        self.figures = Figures::default();
        match self.journal.remove_folded(self.committed.low_water, self.config.keep_events) {
            Ok(0) => {}
            Ok(files) => tracing::info!(files, "旧事件日志已删除 / old event journal files removed"),
            Err(error) => tracing::warn!(%error, "旧事件日志删不掉 / old event journal files stay"),
        }
    }
}

async fn load_figures(
    figures: &mut Figures,
    from: &mut SqliteConnection,
    keys: &Touched,
) -> Result<(), StoreError> {
    for key in &keys.numbers {
        if !figures.numbers.contains_key(key) {
            figures.numbers.insert(key.clone(), rows::figure(from, key).await?.unwrap_or_default());
        }
    }
    for key in &keys.queues {
        if !figures.queues.contains_key(key) {
            figures.queues.insert(key.clone(), rows::figure(from, key).await?.unwrap_or_default());
        }
    }
    for key in &keys.agents {
        if !figures.agents.contains_key(key) {
            figures.agents.insert(key.clone(), rows::figure(from, key).await?.unwrap_or_default());
        }
    }
    Ok(())
}

/// Updates that wait for their transaction, in order.
#[derive(Debug, Default)]
struct Pending {
    updates: Vec<Waiting>,
    /// Where the record of a call waits.
    closed: HashMap<CallId, usize>,
}

#[derive(Debug)]
struct Waiting {
    update: Update,
    /// What it amends waits too and has taken it over: it needs no row of its own.
    taken_over: bool,
}

impl Pending {
    /// Adds an update. What is learned of a call whose record still waits goes into that record: the figures of its
    /// audio come with nearly every call, milliseconds after its end.
    fn push(&mut self, update: Update) {
        let mut taken_over = false;
        match &update {
            Update::Closed(cdr) => drop(self.closed.insert(cdr.id, self.updates.len())),
            Update::Amended { call, amendment, .. } => {
                let at = self.closed.get(call).copied();
                let record = at.and_then(|at| self.updates.get_mut(at)).map(|waiting| &mut waiting.update);
                if let Some(Update::Closed(cdr)) = record {
                    amendment.apply(cdr);
                    taken_over = true;
                }
            }
        }
        self.updates.push(Waiting { update, taken_over });
    }

    fn len(&self) -> usize {
        self.updates.len()
    }

    fn is_empty(&self) -> bool {
        self.updates.is_empty()
    }

    /// The records to be written.
    fn cdrs(&self) -> impl Iterator<Item = &Cdr> {
        self.updates.iter().filter_map(|waiting| match &waiting.update {
            Update::Closed(cdr) => Some(&**cdr),
            Update::Amended { .. } => None,
        })
    }

    /// What is to be written into records of earlier transactions.
    fn amendments(&self) -> impl Iterator<Item = (CallId, &Amendment)> {
        self.updates.iter().filter(|waiting| !waiting.taken_over).filter_map(|waiting| {
            match &waiting.update {
                Update::Amended { call, amendment, .. } => Some((*call, amendment)),
                Update::Closed(_) => None,
            }
        })
    }

    /// Everything, in order; nothing waits any more.
    fn take(&mut self) -> impl Iterator<Item = Update> + use<> {
        self.closed.clear();
        std::mem::take(&mut self.updates).into_iter().map(|waiting| waiting.update)
    }
}

/// So many events without a row move the position on.
const IDLE_EVENTS: u64 = 1_000;
/// How often old journal files are looked for.
const TIDY_EVERY: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests;
