//! Owns a subscription as it is written down, and its return after a restart.

use std::time::Duration;

use clock::{Instant, WallAnchor, WallTime};
use model::Aor;
use serde::{Deserialize, Serialize};

use super::{Notifier, Package, Sending, Subscription, Timer, Untold};
use crate::dialog::Dialog;
use crate::endpoint::Flow;

/// A subscription as it is written down, times as wall time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedSubscription {
    id: u64,
    dialog: Dialog,
    flow: Flow,
    package: Package,
    event_id: Option<Box<str>>,
    subscriber: Aor,
    watched: Aor,
    expires: WallTime,
    version: Option<u32>,
}

impl SavedSubscription {
    /// Names it among the node's subscriptions.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Who subscribed.
    pub fn subscriber(&self) -> &Aor {
        &self.subscriber
    }

    /// Which phone is watched.
    pub fn watched(&self) -> &Aor {
        &self.watched
    }

    /// How its SUBSCRIBE came.
    pub fn flow(&self) -> Flow {
        self.flow
    }
}

impl Notifier {
    /// What a restart must know of a subscription; `None` when it is over.
    pub fn saved(&self, anchor: WallAnchor, id: u64) -> Option<SavedSubscription> {
        let known = self.subscriptions.get(&id)?;
        Some(SavedSubscription {
            id,
            dialog: known.dialog.clone(),
            flow: known.flow,
            package: known.package,
            event_id: known.event_id.clone(),
            subscriber: known.subscriber.clone(),
            watched: known.watched.clone(),
            expires: anchor.wall(known.expires),
            version: known.version,
        })
    }

    /// Who subscribed as `id`, for what is written down about it.
    pub fn subscriber(&self, id: u64) -> Option<&Aor> {
        self.subscriptions.get(&id).map(|known| &known.subscriber)
    }

    /// Takes over the subscriptions of an earlier run that have not run out, and tells each phone everything, one after
    /// the other: a phone that knows its subscription no longer says so. Those whose stream ended with that run are
    /// gone, and a phone that refreshes one gets 481.
    ///
    /// What was written down may be older than the last NOTIFY: numbers are skipped, so that none is used twice.
    pub fn restore(&mut self, anchor: WallAnchor, now: Instant, saved: Vec<SavedSubscription>) {
        self.minted = saved.iter().map(|one| one.id).max().unwrap_or(0).max(self.minted);
        for (place, saved) in (0u32..).zip(saved) {
            let expires = anchor.instant(saved.expires);
            if expires <= now || saved.flow.connection.is_some() {
                self.out.push_back(super::Output::Changed { id: saved.id });
                continue;
            }
            let mut dialog = saved.dialog;
            dialog.local_cseq = dialog.local_cseq.saturating_add(NUMBERS_TO_SKIP);
            let subscription = Subscription {
                dialog,
                flow: saved.flow,
                package: saved.package,
                event_id: saved.event_id,
                subscriber: saved.subscriber,
                watched: saved.watched,
                expires,
                version: saved.version.map(|version| version.wrapping_add(NUMBERS_TO_SKIP)),
                known: Vec::new(),
                untold: Untold::Everything,
                sending: Sending::Idle,
                last: None,
            };
            self.insert(saved.id, subscription);
            self.timers.set((saved.id, Timer::Tell), now + BETWEEN * place);
        }
    }
}

/// NOTIFYs that may have gone out since a subscription was written down; it is written at half of that.
pub(super) const NUMBERS_TO_SKIP: u32 = 1_000;
/// The distance of NOTIFYs to different phones after a restart.
const BETWEEN: Duration = Duration::from_millis(5);
