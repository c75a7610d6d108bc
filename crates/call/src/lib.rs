//! Owns the B2BUA: one [`Call`](call::Call) with its legs, and the [`Shard`] that owns calls and transactions.
//! Does not own sockets (see `sip-net`), sound (see `media`), or who talks to whom (see `acd`).

mod io;
mod settings;

pub use io::{Input, Output};
pub use settings::Settings;
