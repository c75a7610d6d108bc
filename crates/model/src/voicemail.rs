//! Owns voice messages as data: what lies in a mailbox, and what happened to it. Does not own the call in which a message
//! was left (see [`crate::event`]) nor its sound, which is a recording.

use std::sync::Arc;

use clock::WallTime;

use crate::{CallId, RecordingId};

/// A message in a mailbox (留言).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Message {
    /// The recording that it is.
    pub recording: RecordingId,
    /// The call in which it was left.
    pub call: CallId,
    /// Who left it, as records show it.
    pub caller: Arc<str>,
    /// When it began.
    pub began: WallTime,
    /// How long it is, in milliseconds; None: not known yet.
    pub millis: Option<u64>,
    /// Whether its owner has heard it.
    pub heard: bool,
}

/// What became of a message when its caller was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageFate {
    /// It lies in the mailbox.
    Kept,
    /// It was shorter than the mailbox takes; its recording is the call's all the same.
    TooShort,
}

/// Facts of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum MailboxFact {
    /// A message was heard to its end, or marked so.
    Heard {
        /// Which.
        message: RecordingId,
        /// By whom.
        by: Arc<str>,
    },
    /// A message was taken out; its recording is kept as all recordings are.
    Deleted {
        /// Which.
        message: RecordingId,
        /// By whom.
        by: Arc<str>,
    },
    /// A message lay there for as long as the mailbox keeps them.
    Expired {
        /// Which.
        message: RecordingId,
    },
    /// Somebody wanted to open it who may not, or with a wrong PIN (R53).
    Refused {
        /// Who.
        by: Arc<str>,
        /// Why not, in words (Chinese, then English).
        why: Arc<str>,
    },
}

impl MailboxFact {
    /// The message that it is about.
    pub const fn message(&self) -> Option<RecordingId> {
        match self {
            MailboxFact::Heard { message, .. }
            | MailboxFact::Deleted { message, .. }
            | MailboxFact::Expired { message } => Some(*message),
            MailboxFact::Refused { .. } => None,
        }
    }
}
