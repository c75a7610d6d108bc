//! Owns the vocabulary of facts. Every fact is an event first: CDRs, figures, live views and rows in the store
//! are folds of these. Cores emit them; the shell stamps sequence and wall time and journals them.

mod call;

use std::net::SocketAddr;
use std::sync::Arc;

use clock::WallTime;

use crate::diversion::Diversion;
use crate::night::NumberFact;
use crate::recording::TalkShares;
use crate::voicemail::MailboxFact;
use crate::{AgentId, Aor, CallId, HotlineNumber, MailboxName, RecordingId, TenantId, TrunkName};

pub use call::{CallFact, ConferenceRole, Direction, TransferKind, TransferOutcome};

/// An event as it stands in the journal.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Stamped {
    /// Ascends by one per event of a node, across restarts.
    pub seq: u64,
    /// When it happened.
    pub at: WallTime,
    /// What happened.
    pub event: Event,
}

/// A fact, by what it is about.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum Event {
    /// About one call.
    Call {
        /// Whose call; the node's own tenant while the number is not yet known.
        tenant: TenantId,
        /// Which call.
        call: CallId,
        /// What happened.
        fact: CallFact,
    },
    /// About one agent.
    Agent {
        /// Who.
        agent: AgentId,
        /// What happened.
        fact: AgentFact,
    },
    /// About a registered phone.
    Phone {
        /// Whose tenant.
        tenant: TenantId,
        /// Which address of record.
        aor: Aor,
        /// What happened.
        fact: PhoneFact,
    },
    /// About a hotline number.
    Number {
        /// Which.
        number: HotlineNumber,
        /// What happened.
        fact: NumberFact,
    },
    /// About a mailbox.
    Mailbox {
        /// Which.
        mailbox: MailboxName,
        /// What happened.
        fact: MailboxFact,
    },
    /// About a trunk.
    Trunk {
        /// Which.
        trunk: TrunkName,
        /// What happened.
        fact: TrunkFact,
    },
    /// About a recording, after its call may have ended.
    Recording {
        /// Whose.
        tenant: TenantId,
        /// Which call it belongs to.
        call: CallId,
        /// Which.
        recording: RecordingId,
        /// What happened.
        fact: RecordingFact,
    },
    /// About the node.
    Node {
        /// What happened.
        fact: NodeFact,
    },
}

/// What an agent chose (坐席状态, chosen).
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum AgentState {
    /// 离线
    Offline,
    /// 空闲: ready for calls
    Ready,
    /// 示忙
    Busy,
    /// 小休, with its reason
    Break {
        /// 用餐, 会议, 培训 …
        reason: Arc<str>,
    },
}

/// What an agent is seen doing (坐席活动, seen).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentActivity {
    /// Nothing.
    Idle,
    /// 振铃
    Ringing,
    /// 通话中
    Talking,
    /// 保持
    Held,
    /// 监听中: a supervisor in somebody else's conversation
    Supervising,
    /// 话后整理
    WrapUp,
    /// 异常: signed in, phone not reachable
    Unreachable,
}

/// Facts of an agent.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum AgentFact {
    /// The agent chose a state.
    StateChosen {
        /// The state.
        state: AgentState,
    },
    /// The agent is seen doing something else than before.
    ActivityChanged {
        /// What.
        activity: AgentActivity,
        /// In which call.
        call: Option<CallId>,
    },
}

/// Facts of a phone.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum PhoneFact {
    /// A binding was added (a refresh is not a fact).
    Registered {
        /// The contact's URI.
        contact: Arc<str>,
        /// The packet's source.
        source: SocketAddr,
        /// The phone's own name.
        user_agent: Option<Arc<str>>,
    },
    /// A binding was removed by the phone.
    Unregistered {
        /// The contact's URI.
        contact: Arc<str>,
    },
    /// A binding ran out.
    Expired {
        /// The contact's URI.
        contact: Arc<str>,
    },
    /// The stream that alone led to the phone ended; its binding is gone.
    ConnectionLost {
        /// The contact's URI.
        contact: Arc<str>,
    },
    /// The phone was asked and stays silent; its binding is not rung.
    Unreachable {
        /// The contact's URI.
        contact: Arc<str>,
    },
    /// A silent phone was heard of again.
    Reachable {
        /// The contact's URI.
        contact: Arc<str>,
    },
    /// What becomes of calls to it changed.
    Diverted {
        /// What it is from now on.
        diversion: Diversion,
    },
}

/// Facts of a trunk.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum TrunkFact {
    /// It answers again.
    Up,
    /// It does not answer.
    Down {
        /// The last error, in words.
        error: Arc<str>,
    },
    /// The carrier knows us.
    Registered {
        /// For how long, in seconds.
        seconds: u32,
    },
    /// The carrier does not take our registration; it is tried again by itself.
    RegistrationFailed {
        /// What happened and what is likely the cause, in words.
        error: Arc<str>,
    },
}

/// Facts of a recording's file.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum RecordingFact {
    /// The playable file is complete.
    Finished {
        /// Path below the data folder.
        path: Arc<str>,
        /// Length in milliseconds.
        millis: u64,
        /// Size in bytes.
        bytes: u64,
        /// SHA-256 of the file, hex.
        sha256: Arc<str>,
        /// Who speaks for how long, when that was found out.
        #[serde(default)]
        shares: Option<TalkShares>,
    },
    /// It could not be made.
    Failed {
        /// Why, in words.
        error: Arc<str>,
    },
    /// Its sound was handed out (R28).
    Listened {
        /// To whom.
        by: Arc<str>,
    },
    /// Its time was over, and its file is deleted.
    Expired {
        /// Where it was, below the data folder.
        path: Arc<str>,
        /// SHA-256 of the file that was, hex.
        sha256: Arc<str>,
    },
}

/// How the disk does that recordings are written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskState {
    /// Well.
    #[default]
    Fine,
    /// Its free space is below the limit at which an operator is warned.
    Low,
    /// Its free space is below the limit at which no recording begins.
    Full,
    /// It takes nothing.
    Refusing,
}

impl DiskState {
    /// Whether a recording may begin.
    pub const fn keeps_recordings(self) -> bool {
        matches!(self, DiskState::Fine | DiskState::Low)
    }
}

/// Facts of the node.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum NodeFact {
    /// The process began.
    Started {
        /// The product's version.
        version: Arc<str>,
    },
    /// The configuration was taken over.
    Reloaded,
    /// The process ends in order.
    Stopped,
    /// The disk of recordings became well, low, full, or takes nothing.
    DiskBecame {
        /// What it became.
        state: DiskState,
        /// Its free space.
        free_bytes: u64,
    },
    /// The second copy of the recordings' journal cannot be written.
    CopyFailed {
        /// The system's words.
        error: Arc<str>,
    },
    /// It is written again.
    CopyResumed,
    /// Recordings cannot be written.
    DiskFailed {
        /// The system's words.
        error: Arc<str>,
    },
}
