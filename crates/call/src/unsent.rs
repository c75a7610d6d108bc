//! Owns how a call begins that no packet began: the switch itself makes it. Does not own whom it rings.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use model::LegId;
use model::event::{CallFact, Direction};

/// The fact that a call of the switch's own began, for `caller` and `called` as they are shown.
pub(crate) fn began(direction: Direction, caller: &Arc<str>, called: &Arc<str>, leg: LegId) -> CallFact {
    CallFact::Began {
        direction,
        trunk: None,
        source: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        caller: caller.clone(),
        caller_raw: caller.clone(),
        called: called.clone(),
        sip_call_id: Arc::from(""),
        leg,
    }
}
