//! Owns sockets for signalling and the loop that drives a shard. Does not own what a message means (see `sip`,
//! `call`) nor what becomes of a shard's other outputs (see `hotline`, which implements [`World`]).
//!
//! ```text
//!  UDP socket ──► the shard thread that reads its listener ──┐ (another shard's Call-ID: by letter)
//!  stream task ─► Boxes::deliver ──► Inbox ──────────────────┴─► shard loop ──► Transports::send ──► sockets
//!  media, ACD, registrar, API ─────► Inbox ──────────────────────┘        └───► World
//! ```

mod capture;
mod datagrams;
mod dns;
mod handover;
mod inbox;
mod listener;
mod marking;
mod probe;
mod shard_loop;
mod streams;
mod tls;
mod transports;
mod wake;

pub use capture::{Capture, CaptureLimits, Kept, Way};
pub use dns::{DnsConfig, DnsCounts, NoNameServer, Resolver};
pub use handover::{Boxes, home_of, shard_of};
pub use inbox::{Full, Inbox, InboxLimits, Letter};
pub use listener::{BindError, Listen, bind};
pub use probe::{Answered, Probe, Unanswered};
pub use shard_loop::{Abandon, ShardLoop, ShardThread, World};
pub use streams::{StreamEnd, StreamEnds, StreamLimits};
pub use tls::{
    CertificateFile, Clients, Expiry, ListenerFiles, OldestVersion, PeerRule, Tls, TlsConfig, TlsError,
};
pub use transports::{BoundInterfaces, Counts, SendError, Transports};
