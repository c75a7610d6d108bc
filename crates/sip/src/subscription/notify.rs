//! Owns when a NOTIFY goes out, what it holds, and what its answer means: RFC 6665 §4.2.2.

use std::time::Duration;

use clock::Instant;
use model::Aor;

use super::bodies::{self, Scope};
use super::{
    Detail, Notifier, Output, Package, Progress, Sending, Subscription, Timer, Told, Untold, WatchedDialog,
};
use crate::headers::{HeaderName, SubscriptionState};
use crate::message::{Method, Request};

impl Notifier {
    /// (2): what `aor` is watched for became different.
    pub(super) fn changed(&mut self, now: Instant, package: Package, aor: &Aor) {
        let watchers = self.by_watched.get(&(package, aor.clone()));
        for id in watchers.into_iter().flatten().copied().collect::<Vec<u64>>() {
            if let Some(subscription) = self.subscriptions.get_mut(&id) {
                subscription.untold = subscription.untold.max(Untold::Changes);
                // What waits for its time is told then.
                if self.timers.at(&(id, Timer::Tell)).is_none_or(|due| due <= now) {
                    self.tell(now, id);
                }
            }
        }
    }

    /// Sends what the phone has yet to be told, or says when.
    pub(super) fn tell(&mut self, now: Instant, id: u64) {
        let Some(known) = self.subscriptions.get(&id) else { return };
        if known.untold == Untold::Nothing || known.sending == Sending::Out {
            return;
        }
        // An answer to a SUBSCRIBE is not held back (RFC 6665 §4.2.1.2: "immediately").
        let due = known.last.map_or(now, |last| last + self.config.throttle);
        if known.untold == Untold::Changes && due > now {
            return self.timers.set((id, Timer::Tell), due);
        }
        let expires = Some(known.expires.since(now));
        let Some(request) = self.notify(id, &SubscriptionState::Active { expires }) else {
            // What happened has been undone before it was told.
            return self.told_all(id);
        };
        let Some(known) = self.subscriptions.get_mut(&id) else { return };
        known.untold = Untold::Nothing;
        known.sending = Sending::Out;
        known.last = Some(now);
        let number = known.dialog.local_cseq;
        self.timers.clear(&(id, Timer::Tell));
        self.send(id, request);
        if number.is_multiple_of(super::saved::NUMBERS_TO_SKIP / 2) {
            self.out.push_back(Output::Changed { id });
        }
    }

    fn told_all(&mut self, id: u64) {
        if let Some(known) = self.subscriptions.get_mut(&id) {
            known.untold = Untold::Nothing;
        }
    }

    /// (5), (6), (7): the last NOTIFY.
    pub(super) fn end(&mut self, _now: Instant, id: u64, reason: &str) {
        let Some(known) = self.subscriptions.get_mut(&id) else { return };
        known.untold = Untold::Everything;
        let state = SubscriptionState::Terminated { reason: Some(reason.to_owned()) };
        if let Some(request) = self.notify(id, &state) {
            self.send(id, request);
        }
        self.remove(id);
    }

    fn send(&mut self, id: u64, request: Request) {
        let Some(known) = self.subscriptions.get(&id) else { return };
        let flow = known.flow.towards(known.dialog.next_hop());
        self.out.push_back(Output::Notify { id, flow, request });
    }

    /// The next NOTIFY; `None` when there is nothing to say.
    fn notify(&mut self, id: u64, state: &SubscriptionState) -> Option<Request> {
        let contact = self.subscriptions.get(&id).map(|known| self.contact(&known.flow, &known.watched))?;
        let known = self.subscriptions.get_mut(&id)?;
        let body = match known.package {
            Package::Dialog => {
                let now = self.dialogs.get(&known.watched).map_or(&[][..], |dialogs| &dialogs[..]);
                known.dialog_info(now, self.config.detail)?
            }
            Package::MessageSummary => {
                let summary = self.messages.get(&known.watched).copied().unwrap_or_default();
                bodies::message_summary(&known.watched, summary)
            }
        };
        let mut request = known.dialog.request(Method::Notify);
        request.headers.push(HeaderName::Contact, contact);
        let event = match &known.event_id {
            Some(event_id) => format!("{};id={event_id}", known.package.as_str()),
            None => known.package.as_str().to_owned(),
        };
        request.headers.push(HeaderName::Event, event);
        request.headers.push(HeaderName::SubscriptionState, state.to_string());
        request.set_body(known.package.media_type(), body);
        Some(request)
    }

    /// (3) and (8): the answer to a NOTIFY.
    pub(super) fn notify_ended(&mut self, now: Instant, id: u64, told: Told) {
        let Some(known) = self.subscriptions.get_mut(&id) else { return };
        known.sending = Sending::Idle;
        match told {
            Told::Answered { status: 200..=299, .. } => {}
            Told::Answered { status, retry_after } if !ends(status) => {
                // RFC 6665 §4.2.2: the subscription lasts; what was refused is told again when the phone says.
                known.untold = Untold::Everything;
                let after = retry_after.unwrap_or(AFTER_A_REFUSAL);
                return self.timers.set((id, Timer::Tell), now + after);
            }
            Told::Answered { .. } | Told::Failed => {
                self.remove(id);
                return;
            }
        }
        self.tell(now, id);
    }
}

impl Subscription {
    /// The next document, whose dialogs are what the phone then knows.
    fn dialog_info(&mut self, now: &[WatchedDialog], detail: Detail) -> Option<String> {
        let full = self.untold == Untold::Everything || self.version.is_none() || detail == Detail::Full;
        // A dialog that is over is told of once.
        let over = self.known.iter().filter(|known| !now.iter().any(|dialog| dialog.id == known.id));
        let over = over.map(|known| WatchedDialog { progress: Progress::Terminated, ..known.clone() });
        let changed = now.iter().filter(|dialog| full || !self.known.contains(dialog)).cloned();
        let told: Vec<WatchedDialog> = changed.chain(over).collect();
        if self.untold != Untold::Everything && self.known == now {
            return None;
        }
        let version = self.version.map_or(0, |version| version.wrapping_add(1));
        self.version = Some(version);
        self.known = now.to_vec();
        let scope = if full { Scope::Full } else { Scope::Partial };
        Some(bodies::dialog_info(&self.watched, version, scope, &told))
    }
}

/// Whether a refusal of a NOTIFY ends the subscription (RFC 6665 §4.2.2, RFC 5057 §5.1). 401 and 407 do too: we have
/// no password with a phone.
fn ends(status: u16) -> bool {
    matches!(status, 300..=399 | 401 | 403..=405 | 407 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 603 | 604)
}

/// How long what a phone refused for now is kept back when it does not say.
const AFTER_A_REFUSAL: Duration = Duration::from_secs(30);
