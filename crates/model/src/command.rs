//! Owns the vocabulary of wishes: what API, CLI and feature codes may ask. Each is answered in words.

use std::net::IpAddr;
use std::sync::Arc;

use crate::event::AgentState;
use crate::night::Turn;
use crate::supervision::Verb;
use crate::{AgentId, CallId, ConferenceName, HotlineNumber, MailboxName, RecordingId};

/// A wish, from whoever may have it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Choose a state for an agent.
    SetAgentState {
        /// Who.
        agent: AgentId,
        /// What.
        state: AgentState,
    },
    /// Send whom the agent of a call talks with elsewhere.
    Transfer {
        /// Which call.
        call: CallId,
        /// Where to, as a phone dials it, or `queue:NAME`.
        to: Arc<str>,
    },
    /// Write a note on a call that is up: whoever has it next, and its record, have the note too.
    Note {
        /// Which call.
        call: CallId,
        /// Whose note; None: an operator's.
        by: Option<AgentId>,
        /// What it says.
        text: Arc<str>,
    },
    /// End a call.
    HangUp {
        /// Which.
        call: CallId,
    },
    /// Keep nothing of a call in its recording for a while.
    PauseRecording {
        /// Which call.
        call: CallId,
    },
    /// Keep it again.
    ResumeRecording {
        /// Which call.
        call: CallId,
    },
    /// A supervisor does something with somebody else's call (R54).
    Supervise {
        /// Which.
        call: CallId,
        /// Who; the phone of this agent is called.
        by: AgentId,
        /// What.
        verb: Verb,
    },
    /// Something is asked of a conference.
    Conference {
        /// Which.
        name: ConferenceName,
        /// What.
        wish: ConferenceWish,
    },
    /// Turn the night switch of a number.
    TurnNight {
        /// Which.
        number: HotlineNumber,
        /// Which way.
        turn: Turn,
    },
    /// Do something with a voice message.
    Message {
        /// In which mailbox.
        mailbox: MailboxName,
        /// Which.
        message: RecordingId,
        /// What.
        deed: MessageDeed,
    },
    /// Hear a banned source again.
    LiftBan {
        /// Its address.
        source: IpAddr,
    },
    /// Read the configuration folder again.
    Reload,
}

/// What is done with a voice message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageDeed {
    /// It counts as heard.
    Heard,
    /// It is taken out.
    Delete,
}

/// What an operator may ask of a conference.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "wish", content = "call", rename_all = "snake_case")]
pub enum ConferenceWish {
    /// Nobody hears this participant.
    Mute(CallId),
    /// They are heard again.
    Unmute(CallId),
    /// This participant leaves.
    Remove(CallId),
    /// Nobody comes in any more but moderators.
    Lock,
    /// Anybody may come in again.
    Unlock,
    /// Everybody leaves.
    End,
}

/// A call that the switch makes for an agent (双线外呼, 点击外呼).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Originate {
    /// For whom.
    pub agent: AgentId,
    /// Whom the agent is joined with: an extension, or an outside number without the prefix that phones dial.
    pub to: Arc<str>,
    /// Who is called first.
    #[serde(default)]
    pub first: First,
}

/// Who is called first, and hears the other one ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum First {
    /// The agent.
    #[default]
    Agent,
    /// The number.
    Number,
}

/// Why a wish was not granted, in the asker's words (Chinese first).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{0}")]
pub struct Refused(pub Arc<str>);
