//! Owns who talks to whom, and when: queues, agents, entries (a caller's place) and offers of one tenant.
//! Does not own how a phone is rung or a prompt is played (see `call`); it has never heard of SIP.

mod io;
mod settings;

pub use io::{Input, OfferResult, Output};
pub use settings::{AgentSettings, Announce, QueueSettings, SignIn, Strategy, TenantSettings, Tier};
