//! Owns the night switch of a hotline number as data: who has put its callers to the night flow, and since when. Does not
//! own who may (see `routing`) nor what the night flow does (see `ivr`).

use std::sync::Arc;

use clock::WallTime;

/// A night switch that is on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NightSwitch {
    /// Who switched it on: a phone's number, or how an operator is called.
    pub by: Arc<str>,
    /// When.
    pub since: WallTime,
}

/// Which way a night switch is turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// Callers go to the night flow.
    On,
    /// They go to the usual one.
    Off,
}

/// Facts of a hotline number.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum NumberFact {
    /// Its night switch was turned.
    NightTurned {
        /// Which way.
        turn: Turn,
        /// By whom.
        by: Arc<str>,
    },
    /// Somebody who may not wanted to turn it (R53).
    NightRefused {
        /// Who.
        by: Arc<str>,
    },
}
