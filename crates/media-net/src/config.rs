//! Owns what media's shell is told at its start. Does not own the TOML it comes from (see `config`).

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use clock::SystemClock;

use crate::{PromptCache, RecordingLimits, SecondPlace};

/// How media runs on this node.
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// Where ports are opened; a command names one by its index.
    pub interfaces: Vec<MediaInterface>,
    /// How packets are marked for the network (DSCP, RFC 2474), 0–63.
    pub dscp: u8,
    /// Worker threads; at least one runs.
    pub workers: usize,
    /// The data folder: the journal is in `journal/`, playable files in `recordings/`.
    pub data: PathBuf,
    /// How long recordings are kept, and how much room they leave.
    pub limits: RecordingLimits,
    /// Where the journal is copied to while it grows, if anywhere.
    pub second: Option<SecondPlace>,
    /// What can be said.
    pub prompts: Arc<PromptCache>,
    /// The machine's clocks, shared with signalling.
    pub clock: SystemClock,
}

/// One address that media is sent from and to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaInterface {
    /// The local address that ports are bound to.
    pub bind: IpAddr,
    /// The address that session descriptions show.
    pub advertise: IpAddr,
    /// UDP ports: RTP takes the even ones, RTCP the odd ones behind them.
    pub ports: RangeInclusive<u16>,
}
