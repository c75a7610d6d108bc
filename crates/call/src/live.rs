//! Owns what operators see of calls in progress.

use std::sync::Arc;

use clock::Instant;
use model::event::Direction;
use model::{CallId, HotlineNumber, QueueName, TenantId, TrunkName};

/// A call in progress, as operators see it.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveCall {
    /// Which.
    pub id: CallId,
    /// Whose.
    pub tenant: TenantId,
    /// Which way.
    pub direction: Direction,
    /// The hotline number, once known.
    pub number: Option<HotlineNumber>,
    /// The trunk it came by.
    pub trunk: Option<TrunkName>,
    /// 呼入号码.
    pub caller: Arc<str>,
    /// The number dialled.
    pub called: Arc<str>,
    /// How far it got.
    pub stage: LiveStage,
    /// The queue it waits in or came from.
    pub queue: Option<QueueName>,
    /// Who rings or talks.
    pub party: Option<Arc<str>>,
    /// Whether what is said is kept.
    pub recording: LiveRecording,
    /// Who is not heard in it.
    pub audio: LiveAudio,
    /// What people wrote on it, each with its writer.
    pub notes: Vec<Arc<str>>,
    /// Since when.
    pub began: Instant,
}

/// Whether what is said in a call is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveRecording {
    /// No recording runs.
    Off,
    /// It is.
    On,
    /// Somebody paused the recording.
    Paused,
}

/// How the two sides of a conversation hear each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveAudio {
    /// Nothing is known to be wrong.
    Fine,
    /// They send each other a fax.
    Fax,
    /// The caller is not heard.
    CallerUnheard,
    /// Whom the caller talks with is not heard.
    PartyUnheard,
    /// Neither is.
    NobodyHeard,
}

/// How far a call got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveStage {
    /// Its port is being opened.
    Arriving,
    /// In the menu.
    InFlow,
    /// Waiting in a queue.
    Queued,
    /// Bound phones ring.
    Dialling,
    /// A conversation.
    Talking,
    /// A conversation on hold.
    Held,
    /// In a conference.
    Conferring,
    /// A supervisor in another call.
    Visiting,
    /// Released; the last messages are on their way.
    Over,
}

/// What the node has found out about a trunk.
#[derive(Clone, Debug, PartialEq)]
pub struct TrunkSeen {
    /// Which.
    pub name: TrunkName,
    /// Whether it answers; None where nobody asks it, or not yet.
    pub up: Option<bool>,
    /// Since when.
    pub since: Option<Instant>,
    /// Whether the carrier knows us; None where we do not register.
    pub registered: Option<bool>,
    /// The last error, in words, while it lasts.
    pub error: Option<Arc<str>>,
    /// The last error, over or not, and when it was met.
    pub last_error: Option<(Instant, Arc<str>)>,
}

/// How much a shard holds, for the leak check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// Calls, released ones with messages on their way included.
    pub calls: usize,
    /// Legs with a session.
    pub legs: usize,
    /// Dialogs that requests can find.
    pub dialogs: usize,
    /// Transactions, finished ones in their tail included.
    pub transactions: usize,
    /// Timers that are set.
    pub timers: usize,
    /// Calls counted by admission.
    pub admitted: usize,
    /// Calls in which somebody is not heard.
    pub unheard: usize,
}
