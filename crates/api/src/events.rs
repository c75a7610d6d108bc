//! Owns following events: the latest of them in memory while somebody asks, and waiting for the next.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::TenantId;
use model::event::{Event, Stamped};
use store::EventJournal;
use store::journal::Batch;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::server::{Closing, ending};

/// So many of the latest events are kept in memory at least.
const KEPT: usize = 4_096;
/// When nobody has asked for so long, none is: their words lie between what calls have given back, and keep its pages.
const UNASKED: Duration = Duration::from_mins(2);

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
    /// When somebody last wanted to know.
    asked: Option<Instant>,
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
                        lock(&latest).push(batch, Instant::now());
                        tell.send_replace(seq);
                    }
                    // What follows a gap is no continuation: it is read from the files when it is asked for.
                    Err(RecvError::Lagged(_)) => lock(&latest).forget(),
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
        let deadline = Instant::now() + wait;
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
        {
            let mut latest = lock(&self.latest);
            latest.asked = Some(Instant::now());
            if after >= self.last_seq() {
                return Ok((Vec::new(), after));
            }
            if let Some(found) = latest.after(after, tenant, limit) {
                return Ok(found);
            }
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
    /// The next batch, at `now`.
    fn push(&mut self, batch: Batch, now: Instant) {
        if self.asked.is_none_or(|asked| now - asked > UNASKED) {
            return self.forget();
        }
        self.events += batch.len();
        self.batches.push_back(batch);
        while let Some(oldest) = self.batches.front().filter(|oldest| self.events - oldest.len() >= KEPT) {
            self.events -= oldest.len();
            self.batches.pop_front();
        }
    }

    fn forget(&mut self) {
        self.batches = VecDeque::new();
        self.events = 0;
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

#[cfg(test)]
mod tests {
    use clock::WallTime;
    use model::event::NodeFact;

    use super::*;

    fn batch(seqs: std::ops::RangeInclusive<u64>) -> Batch {
        let event = || Event::Node { fact: NodeFact::Started { version: "1".into() } };
        Arc::new(seqs.map(|seq| Stamped { seq, at: WallTime(0), event: event() }).collect())
    }

    fn seqs(latest: &Latest, after: u64) -> Option<Vec<u64>> {
        let (found, _) = latest.after(after, &TenantId::new("t"), 10)?;
        Some(found.iter().map(|stamped| stamped.seq).collect())
    }

    #[tokio::test]
    async fn events_are_kept_in_memory_only_while_somebody_asks() {
        let start = Instant::now();
        let mut latest = Latest::default();
        latest.push(batch(1..=2), start);
        assert_eq!((seqs(&latest, 0), latest.events), (None, 0), "nobody asked");
        latest.asked = Some(start);
        latest.push(batch(3..=4), start + UNASKED);
        assert_eq!(seqs(&latest, 1), None, "what came before is read from the files");
        assert_eq!(seqs(&latest, 2), Some(vec![3, 4]));
        assert_eq!(seqs(&latest, 3), Some(vec![4]));
        latest.push(batch(5..=5), start + UNASKED + Duration::from_secs(1));
        assert_eq!((seqs(&latest, 3), latest.events), (None, 0), "nobody asks any more");
        latest.asked = Some(start + UNASKED * 2);
        latest.push(batch(6..=6), start + UNASKED * 2);
        assert_eq!((seqs(&latest, 4), seqs(&latest, 5)), (None, Some(vec![6])));
    }

    #[tokio::test]
    async fn the_oldest_go_when_more_are_kept_than_are_needed() {
        let now = Instant::now();
        let mut latest = Latest { asked: Some(now), ..Latest::default() };
        let kept = KEPT as u64;
        for first in (1..=2 * kept).step_by(64) {
            latest.push(batch(first..=first + 63), now);
        }
        assert_eq!(latest.events, KEPT);
        assert_eq!(
            (seqs(&latest, kept - 1), seqs(&latest, kept).map(|found| found[0])),
            (None, Some(kept + 1))
        );
    }
}
