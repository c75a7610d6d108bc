//! Owns the B2BUA: calls with their legs, and the [`Shard`] that owns calls and transactions.
//! Does not own sockets (see `sip-net`), sound (see `media`), or who talks to whom (see `acd`).

mod call;
mod caller_id;
mod conference;
mod context;
mod destination;
mod dialled;
mod identity;
mod io;
mod leg;
mod live;
mod party;
mod settings;
mod shard;
mod trunk_watch;
mod unsent;
mod visit;
mod whereabouts;

pub use call::recording::Keep;
pub use conference::{
    ConferenceInput, ConferenceOutput, ConferenceView, Conferences, Joining, MemberView, MemberWord, Parting,
    Role,
};
pub use io::{Binding, ErrandEnded, Input, Output, Unreached};
pub use live::{Live, LiveAudio, LiveCall, LiveRecording, LiveStage, TrunkSeen};
pub use settings::Settings;
pub use shard::{Identity, NodeWide, Shard, night_lamps};
pub use whereabouts::{Whereabouts, call_id_of, home_of};
