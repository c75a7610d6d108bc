//! Owns media's shell: port pairs, worker threads that drive rooms over sockets, the recording journal's writer and
//! its finisher, and the prompts. Does not own what a room does with a packet or how a recording is laid out (see
//! `media`).

mod config;
mod disk;
mod expiry;
mod finish;
mod journal;
mod manifest;
mod net;
mod ports;
mod prompts;
mod recorded;
mod rescue;
mod second;
mod sys;
mod worker;

use std::sync::Arc;

pub use config::{MediaConfig, MediaInterface};
pub use disk::{RecordingLimits, free_bytes};
pub use finish::{FinishError, Made, checksum_of};
pub use journal::{held, last_heard};
pub use manifest::{Manifest, read_manifest};
pub use net::{MediaLive, MediaNet};
pub use ports::PortError;
pub use prompts::{MissingPrompt, Prompt, PromptCache, PromptError, PromptRules};
pub use rescue::rescue;
pub use second::SecondPlace;

/// Takes what rooms report, all that there is at a time.
type Events = Arc<dyn Fn(&mut dyn Iterator<Item = media::command::Event>) + Send + Sync>;

/// Takes facts about recordings and the node's disk.
type Facts = Arc<dyn Fn(model::event::Event) + Send + Sync>;

#[cfg(test)]
mod testing;
