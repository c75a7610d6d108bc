//! Owns the notifier's side of SUBSCRIBE and NOTIFY: RFC 6665 §4.2, for the dialogs of a phone (RFC 4235, 占线灯) and the
//! messages that wait for it (RFC 3842, 留言灯). Does not own who may subscribe (see [`crate::registrar::authenticate`]),
//! the transactions (see [`crate::endpoint`]) nor what the dialogs and messages are.
//!
//! ```text
//!        (1) SUBSCRIBE: 200, NOTIFY with everything       (5) Expires 0: 200, last NOTIFY ▶ gone
//!   ─────────────────────────────▶ active ──────────────▶ (6) time is up: last NOTIFY, reason timeout ▶ gone
//!                                  │ ▲ │ ▲                (7) nothing left to watch: last NOTIFY, noresource ▶ gone
//!    (2) something changed: NOTIFY ┘ │ │ │                (8) a NOTIFY stays unanswered or is refused for good ▶ gone
//!    (3) its answer ─────────────────┘ │ │                (9) its stream ends ▶ gone
//!    (4) SUBSCRIBE again: 200, NOTIFY  ┘ │
//!        with everything ────────────────┘
//! ```

mod bodies;
mod notify;
mod saved;
mod subscribe;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use clock::{Instant, Machine, TimerQueue};
use model::Aor;
use sha2::{Digest as _, Sha256};

pub use bodies::{Direction, Progress, Summary, WatchedDialog};
pub use saved::SavedSubscription;

use crate::dialog::Dialog;
use crate::endpoint::{Advertised, Flow, ServerTx};
use crate::message::{Request, Response};

/// Limits of subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifierConfig {
    /// What each listener is reached by, by its index.
    pub advertised: Vec<Advertised>,
    /// 32 random bytes from the shell, for tags.
    pub secret: [u8; 32],
    /// Shorter wishes get 423 (RFC 6665 §4.2.1.1).
    pub min_expires: Duration,
    /// When the phone names no time.
    pub default_expires: Duration,
    /// Longer wishes are cut to this.
    pub max_expires: Duration,
    /// The shortest distance of two NOTIFYs of one subscription: what happens meanwhile is told at once.
    pub throttle: Duration,
    /// Subscriptions at a time.
    pub most: usize,
    /// Subscriptions of one phone at a time.
    pub most_per_phone: usize,
    /// What a NOTIFY about dialogs holds.
    pub detail: Detail,
}

/// What a NOTIFY about dialogs holds after the first (RFC 4235 §3.4, §4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Every dialog: what every phone understands.
    #[default]
    Full,
    /// The dialogs that changed.
    Partial,
}

impl Default for NotifierConfig {
    /// 60 s to 1 h, 1 h by default, a NOTIFY a second, 10,000 subscriptions, 100 of one phone.
    fn default() -> NotifierConfig {
        NotifierConfig {
            advertised: Vec::new(),
            secret: [0; 32],
            min_expires: Duration::from_secs(60),
            default_expires: Duration::from_secs(3600),
            max_expires: Duration::from_secs(3600),
            throttle: Duration::from_secs(1),
            most: 10_000,
            most_per_phone: 100,
            detail: Detail::Full,
        }
    }
}

/// What is subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Package {
    /// `dialog`: a phone's calls (RFC 4235).
    Dialog,
    /// `message-summary`: a phone's waiting messages (RFC 3842).
    MessageSummary,
}

/// Allow-Events of this notifier (RFC 6665 §8.2.2).
pub const ALLOW_EVENTS: &str = "dialog, message-summary";

/// Who waits for an answer: a transaction of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asker {
    /// The shard.
    pub shard: u8,
    /// Its transaction.
    pub tx: ServerTx,
}

/// A SUBSCRIBE of a phone that has proven who it is.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// Who waits for the answer.
    pub asker: Asker,
    /// Where it came from.
    pub flow: Flow,
    /// What came.
    pub request: Request,
    /// Whose credentials it carried.
    pub subscriber: Aor,
    /// The phone that its Request-URI names, if the subscriber may know of it.
    pub watched: Option<Aor>,
    /// The calls of that phone now.
    pub dialogs: Vec<WatchedDialog>,
}

/// Facts for the notifier.
#[derive(Clone, Debug)]
pub enum Input {
    /// A SUBSCRIBE, within a dialog or without.
    Subscribe(Box<Subscribe>),
    /// The calls of a phone are these now.
    Dialogs {
        /// Whose.
        aor: Aor,
        /// All of them.
        dialogs: Vec<WatchedDialog>,
    },
    /// So many messages wait for a phone now.
    Messages {
        /// Whose.
        aor: Aor,
        /// How many.
        summary: Summary,
    },
    /// What became of a NOTIFY.
    NotifyEnded {
        /// Its id.
        id: u64,
        /// What.
        told: Told,
    },
    /// A stream ended.
    ConnectionLost(Flow),
    /// A phone is no longer configured: nobody watches it, and it watches nobody.
    PhoneGone(Aor),
}

/// What became of a NOTIFY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A final response.
    Answered {
        /// Its status.
        status: u16,
        /// When to try again, if it says so.
        retry_after: Option<Duration>,
    },
    /// None came in 64 × T1, or the flow cannot send.
    Failed,
}

/// What the notifier asks for.
#[derive(Clone, Debug)]
pub enum Output {
    /// Answer a SUBSCRIBE.
    Respond {
        /// Who waits for it.
        asker: Asker,
        /// The answer.
        response: Response,
    },
    /// Send a NOTIFY in a transaction of its own; answered by `NotifyEnded`.
    Notify {
        /// Names it in the answer.
        id: u64,
        /// Where to.
        flow: Flow,
        /// The NOTIFY, without Via.
        request: Request,
    },
    /// What a restart must know of this subscription changed: see [`Notifier::saved`].
    Changed {
        /// Which.
        id: u64,
    },
}

/// All subscriptions of a node.
pub struct Notifier {
    config: NotifierConfig,
    subscriptions: HashMap<u64, Subscription>,
    by_dialog: HashMap<DialogName, u64>,
    by_watched: HashMap<(Package, Aor), BTreeSet<u64>>,
    by_subscriber: HashMap<Aor, BTreeSet<u64>>,
    dialogs: HashMap<Aor, Arc<[WatchedDialog]>>,
    messages: HashMap<Aor, Summary>,
    timers: TimerQueue<(u64, Timer)>,
    minted: u64,
    out: VecDeque<Output>,
}

/// Call-ID, our tag, the phone's tag.
type DialogName = (Box<str>, Box<str>, Box<str>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Timer {
    Expiry,
    Tell,
}

/// One phone's wish to know.
#[derive(Debug)]
struct Subscription {
    dialog: Dialog,
    flow: Flow,
    package: Package,
    event_id: Option<Box<str>>,
    subscriber: Aor,
    watched: Aor,
    expires: Instant,
    /// The number of the last dialog-info document (RFC 4235 §4.1).
    version: Option<u32>,
    /// The dialogs that the phone knows of.
    known: Vec<WatchedDialog>,
    untold: Untold,
    sending: Sending,
    /// When the last NOTIFY went out.
    last: Option<Instant>,
}

/// What the phone has yet to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Untold {
    Nothing,
    Changes,
    Everything,
}

/// Whether a NOTIFY is on its way: one at a time, so that they cannot overtake each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    Idle,
    Out,
}

impl Notifier {
    /// A notifier without subscriptions.
    pub fn new(config: NotifierConfig) -> Notifier {
        Notifier {
            config,
            subscriptions: HashMap::new(),
            by_dialog: HashMap::new(),
            by_watched: HashMap::new(),
            by_subscriber: HashMap::new(),
            dialogs: HashMap::new(),
            messages: HashMap::new(),
            timers: TimerQueue::default(),
            minted: 0,
            out: VecDeque::new(),
        }
    }

    /// Takes over new limits for what is subscribed from now on.
    pub fn set_config(&mut self, config: NotifierConfig) {
        self.config = config;
    }

    /// How many subscriptions there are.
    pub fn len(&self) -> usize {
        self.subscriptions.len()
    }

    /// Whether there is no subscription.
    pub fn is_empty(&self) -> bool {
        self.subscriptions.is_empty()
    }

    /// Whether somebody wants to know of the calls of `aor`.
    pub fn watches_dialogs(&self, aor: &Aor) -> bool {
        self.by_watched.contains_key(&(Package::Dialog, aor.clone()))
    }

    /// Every phone whose calls somebody wants to know of.
    pub fn watched(&self) -> impl Iterator<Item = &Aor> {
        self.by_watched.keys().filter(|(package, _)| *package == Package::Dialog).map(|(_, aor)| aor)
    }

    fn insert(&mut self, id: u64, subscription: Subscription) {
        self.by_dialog.insert(name_of(&subscription.dialog), id);
        let watched = (subscription.package, subscription.watched.clone());
        self.by_watched.entry(watched).or_default().insert(id);
        self.by_subscriber.entry(subscription.subscriber.clone()).or_default().insert(id);
        self.timers.set((id, Timer::Expiry), subscription.expires);
        self.subscriptions.insert(id, subscription);
        self.out.push_back(Output::Changed { id });
    }

    fn remove(&mut self, id: u64) -> Option<Subscription> {
        let subscription = self.subscriptions.remove(&id)?;
        self.by_dialog.remove(&name_of(&subscription.dialog));
        let watched = (subscription.package, subscription.watched.clone());
        if let Some(ids) = self.by_watched.get_mut(&watched) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_watched.remove(&watched);
                if subscription.package == Package::Dialog {
                    // Nobody tells us any more how they stand.
                    self.dialogs.remove(&subscription.watched);
                }
            }
        }
        if let Some(ids) = self.by_subscriber.get_mut(&subscription.subscriber) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_subscriber.remove(&subscription.subscriber);
            }
        }
        self.timers.clear(&(id, Timer::Expiry));
        self.timers.clear(&(id, Timer::Tell));
        self.out.push_back(Output::Changed { id });
        Some(subscription)
    }

    /// 64 bits that no peer can foresee.
    fn tag(&mut self) -> String {
        self.minted += 1;
        let digest =
            Sha256::new().chain_update(self.config.secret).chain_update(self.minted.to_be_bytes()).finalize();
        format!("{:016x}", u64::from_be_bytes(std::array::from_fn(|place| digest[place])))
    }

    fn phone_gone(&mut self, now: Instant, aor: &Aor) {
        for id in self.by_subscriber.get(aor).cloned().unwrap_or_default() {
            self.end(now, id, "rejected");
        }
        for package in [Package::Dialog, Package::MessageSummary] {
            for id in self.by_watched.get(&(package, aor.clone())).cloned().unwrap_or_default() {
                self.end(now, id, "noresource");
            }
        }
        self.messages.remove(aor);
    }
}

impl Machine for Notifier {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Subscribe(subscribe) => self.subscribe(now, &subscribe),
            Input::Dialogs { aor, dialogs } => {
                let lasting = dialogs.into_iter().filter(|dialog| dialog.progress != Progress::Terminated);
                if self.watches_dialogs(&aor) {
                    self.dialogs.insert(aor.clone(), lasting.collect());
                    self.changed(now, Package::Dialog, &aor);
                }
            }
            Input::Messages { aor, summary } => {
                let before = self.messages.insert(aor.clone(), summary).unwrap_or_default();
                if before != summary {
                    self.changed(now, Package::MessageSummary, &aor);
                }
                if summary == Summary::default() {
                    self.messages.remove(&aor);
                }
            }
            Input::NotifyEnded { id, told } => self.notify_ended(now, id, told),
            Input::ConnectionLost(flow) => {
                if flow.connection.is_some() {
                    let lost = self.subscriptions.iter().filter(|(_, known)| known.flow == flow);
                    for id in lost.map(|(id, _)| *id).collect::<BTreeSet<_>>() {
                        self.remove(id);
                    }
                }
            }
            Input::PhoneGone(aor) => self.phone_gone(now, &aor),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some(((id, timer), _)) = self.timers.pop(now) {
            match timer {
                // RFC 6665 §4.2.2: "timeout: The subscription has been terminated because it was not refreshed".
                Timer::Expiry => self.end(now, id, "timeout"),
                Timer::Tell => self.tell(now, id),
            }
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }
}

fn name_of(dialog: &Dialog) -> DialogName {
    let tag = dialog.remote_tag().unwrap_or_default();
    ((*dialog.call_id).into(), dialog.local_tag().into(), tag.into())
}

impl Package {
    /// Its name in Event (RFC 6665 §8.2.1).
    pub const fn as_str(self) -> &'static str {
        match self {
            Package::Dialog => "dialog",
            Package::MessageSummary => "message-summary",
        }
    }

    fn parse(name: &str) -> Option<Package> {
        [Package::Dialog, Package::MessageSummary].into_iter().find(|package| package.as_str() == name)
    }

    /// The type of its bodies.
    const fn media_type(self) -> &'static str {
        match self {
            Package::Dialog => "application/dialog-info+xml",
            Package::MessageSummary => "application/simple-message-summary",
        }
    }
}

#[cfg(test)]
mod tests;
