//! Owns time as an argument: [`Instant`], timers, the [`Machine`] trait and the one loop that drives a machine.
//! Does not own a clock: only the `system` feature, which shells switch on, reads the machine's, and says which of their
//! threads go first.

mod instant;
mod machine;
mod minted;
#[cfg(feature = "system")]
mod precedence;
#[cfg(feature = "system")]
mod system;
mod timers;
mod wall;

pub use instant::Instant;
pub use machine::{Machine, drive, drive_timeout};
pub use minted::{MintedHasher, MintedMap, MintedState};
#[cfg(feature = "system")]
pub use precedence::Precedence;
#[cfg(feature = "system")]
pub use system::SystemClock;
pub use timers::{TimerKey, TimerQueue, TimerTable};
pub use wall::{WallAnchor, WallTime, civil_of_epoch_day, millis};
