//! Owns the world in virtual time: one switch's cores, peers, and a network that delays, loses, repeats and reorders;
//! and the checks that end a scenario. Does not own the cores' decisions, nor any socket, clock or thread: a second of
//! the world lasts as long as its computation.
//!
//! ```text
//!   peers ══ network ══ shard ── mail ── ACDs          everything that happens stands in one agenda,
//!     ║                  │ │                           ordered by time; «mail» takes a moment too, as
//!     ╚══════ network ══ rooms └── registrar           it does between threads, but keeps its order
//! ```

mod agenda;
mod checks;
mod conferees;
mod dice;
mod eavesdropping;
mod ending;
mod engagements;
mod history;
mod network;
mod phones;
mod settings;
mod studio;
mod surroundings;
mod world;

pub use checks::{Breach, check};
pub use ending::{Failed, Finished};
pub use history::{AcdAtRest, History, Known, NewCall};
pub use network::Weather;
pub use studio::{Said, StudioLive};
pub use world::{PeerId, World};
