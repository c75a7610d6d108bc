//! Owns the vocabulary of wishes: what API, CLI and feature codes may ask. Each is answered in words.

use std::net::IpAddr;
use std::sync::Arc;

use crate::event::AgentState;
use crate::{AgentId, CallId};

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
    /// Hear a banned source again.
    LiftBan {
        /// Its address.
        source: IpAddr,
    },
    /// Read the configuration folder again.
    Reload,
}

/// Why a wish was not granted, in the asker's words (Chinese first).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{0}")]
pub struct Refused(pub Arc<str>);
