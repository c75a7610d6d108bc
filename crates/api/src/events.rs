//! Owns following events: the latest of them in memory, and waiting for the next.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::TenantId;
use model::event::{Event, Stamped};
use store::EventJournal;
use store::journal::Batch;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use crate::server::{Closing, ending};

/// So many of the latest events are kept in memory at least.
const KEPT: usize = 4_096;

/// The latest events of the journal.
#[derive(Clone)]
pub(crate) struct Recent {
    journal: EventJournal,
    latest: Arc<Mutex<Latest>>,
    last: watch::Receiver<u64>,
}

#[derive(Default)]
struct Latest {
    batches: VecDeque<Batch>,
    events: usize,
}

impl Recent {
    /// Follows the journal until the server ends.
    pub(crate) fn follow(journal: EventJournal, mut closed: watch::Receiver<Closing>) -> Recent {
        let mut follower = journal.follow();
        let (tell, last) = watch::channel(journal.last_seq());
        let recent = Recent { journal, latest: Arc::default(), last };
        let latest = recent.latest.clone();
        tokio::spawn(async move {
            loop {
                let batch = tokio::select! {
                    batch = follower.recv() => batch,
                    () = ending(&mut closed) => return,
                };
                match batch {
                    Ok(batch) => {
                        let seq = batch.last().map_or(0, |stamped| stamped.seq);
                        lock(&latest).push(batch);
                        tell.send_replace(seq);
                    }
                    // What follows a gap is no continuation: it is read from the files when it is asked for.
                    Err(RecvError::Lagged(_)) => *lock(&latest) = Latest::default(),
                    Err(RecvError::Closed) => return,
                }
            }
        });
        recent
    }

    /// The last sequence known to be written.
    pub(crate) fn last_seq(&self) -> u64 {
        *self.last.borrow()
    }

    /// At most `limit` events of `tenant` and of the node behind `after`, in order, with the sequence to go on
    /// behind. When there is none it waits for one, at most `wait`.
    pub(crate) async fn after(
        &self,
        after: u64,
        tenant: &TenantId,
        limit: usize,
        wait: Duration,
    ) -> Result<(Vec<Stamped>, u64), store::JournalError> {
        let mut last = self.last.clone();
        let deadline = tokio::time::Instant::now() + wait;
        let mut behind = after;
        loop {
            let (found, up_to) = self.now(behind, tenant, limit).await?;
            if !found.is_empty() {
                return Ok((found, up_to));
            }
            behind = up_to;
            let news = last.wait_for(|seq| *seq > behind);
            match tokio::time::timeout_at(deadline, news).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) | Err(_) => return Ok((Vec::new(), behind)),
            }
        }
    }

    async fn now(
        &self,
        after: u64,
        tenant: &TenantId,
        limit: usize,
    ) -> Result<(Vec<Stamped>, u64), store::JournalError> {
        if after >= self.last_seq() {
            return Ok((Vec::new(), after));
        }
        if let Some(found) = lock(&self.latest).after(after, tenant, limit) {
            return Ok(found);
        }
        let (reader, tenant) = (self.journal.read_after(after), tenant.clone());
        let read = move || {
            let mut found = Vec::new();
            let mut up_to = after;
            for stamped in reader {
                let stamped = stamped?;
                up_to = stamped.seq;
                if concerns(&stamped.event, &tenant) {
                    found.push(stamped);
                }
                if found.len() == limit {
                    break;
                }
            }
            Ok((found, up_to))
        };
        // A task that cannot be joined has panicked: what it read is nothing.
        tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| Ok((Vec::new(), after)))
    }
}

impl Latest {
    fn push(&mut self, batch: Batch) {
        self.events += batch.len();
        self.batches.push_back(batch);
        while let Some(oldest) = self.batches.front().filter(|oldest| self.events - oldest.len() >= KEPT) {
            self.events -= oldest.len();
            self.batches.pop_front();
        }
    }

    /// `None` when the memory does not reach back far enough.
    fn after(&self, after: u64, tenant: &TenantId, limit: usize) -> Option<(Vec<Stamped>, u64)> {
        let first = self.batches.front()?.first()?.seq;
        if first > after + 1 {
            return None;
        }
        let mut found = Vec::new();
        let mut up_to = after;
        for stamped in
            self.batches.iter().flat_map(|batch| batch.iter()).filter(|stamped| stamped.seq > after)
        {
            up_to = stamped.seq;
            if concerns(&stamped.event, tenant) {
                found.push(stamped.clone());
            }
            if found.len() == limit {
                break;
            }
        }
        Some((found, up_to))
    }
}

/// Whether an event is about `tenant` or the node.
fn concerns(event: &Event, tenant: &TenantId) -> bool {
    match event {
        Event::Call { tenant: of, .. }
        | Event::Phone { tenant: of, .. }
        | Event::Recording { tenant: of, .. } => of == tenant,
        Event::Agent { agent, .. } => agent.tenant == *tenant,
        Event::Number { number, .. } => number.tenant == *tenant,
        Event::Mailbox { mailbox, .. } => mailbox.tenant == *tenant,
        Event::Trunk { .. } | Event::Node { .. } => true,
    }
}

fn lock(latest: &Mutex<Latest>) -> MutexGuard<'_, Latest> {
    latest.lock().unwrap_or_else(PoisonError::into_inner)
}
