//! Owns calling out: external commands now, and the guard that HTTP will pass. Does not own what is told (the caller
//! gives the JSON). No other crate starts processes or speaks to foreign servers.

mod command;
mod guard;
mod queue;

pub use command::{CommandError, CommandHook, CommandLimits};
pub use guard::{Forbidden, guard};
pub use queue::{Hooks, QueueLimits, Trigger};
