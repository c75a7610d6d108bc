//! Owns the mark of what a socket sends (DSCP). Does not own which it is (see `Transports::mark`).

use std::os::fd::AsFd;

use socket2::{Domain, SockRef};

/// Marks what `socket` sends from now on with `dscp`, 0–63. A mark is a courtesy of the network: where the system refuses
/// it, calls still work.
pub(crate) fn mark(socket: &impl AsFd, dscp: u8) {
    let socket = SockRef::from(socket);
    // RFC 2474 §3: the mark is the upper six bits of the byte.
    let class = u32::from(dscp) << 2;
    let marked = socket.domain().and_then(|domain| match domain {
        Domain::IPV6 => socket.set_tclass_v6(class),
        _ => socket.set_tos_v4(class),
    });
    if let Err(error) = marked {
        tracing::debug!(dscp, %error, "no DSCP mark");
    }
}
