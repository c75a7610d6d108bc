//! Owns a scripted carrier and phone: one party of one call at a time, on `sip`, `sdp` and `media`, for the demo, load
//! and tests. Does not own sockets or a clock: the simulated world or a shell of real ones drives it.

mod ear;
mod fax;
mod mouth;
mod peer;
mod registration;
mod signalling;

pub use ear::{Ear, Heard, tone_share};
pub use mouth::Sound;
pub use peer::{Behaviour, Command, Happening, Input, Login, Output, Peer, PeerConfig};
