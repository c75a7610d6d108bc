//! Owns who talks to whom, and when: queues, agents, entries (a caller's place) and offers of one tenant.
//! Does not own how a phone is rung or a prompt is played (see `call`); it has never heard of SIP.

mod acd;
mod agent;
mod entry;
mod io;
mod offer;
mod queue;
mod settings;
mod strategy;
mod timers;
mod view;

pub use acd::{Acd, Broken, Kept};
pub use agent::Standing;
pub use io::{Engaged, Input, OfferResult, Output};
pub use settings::{AgentSettings, Announce, QueueSettings, SignIn, Strategy, TenantSettings, Tier};
pub use view::{AgentView, Engagement, EntryView, Explanation, Live, QueueView, StandingOf};
