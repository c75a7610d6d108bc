//! Owns the states of a server transaction (RFC 3261 figures 7 and 8, RFC 6026 figure 1).

use bytes::Bytes;

use super::tail::Tail;
use crate::endpoint::Flow;

/// A server transaction.
#[derive(Debug)]
pub(crate) struct Server {
    /// What retransmissions are matched by.
    pub(crate) key: u64,
    /// What requests that came by another way are matched by (§8.2.2.2); 0 for none.
    pub(crate) merge: u64,
    /// Where responses go.
    pub(crate) flow: Flow,
    /// Raised by each change of state that makes the deadlines set before stale.
    pub(crate) epoch: u8,
    pub(crate) state: ServerState,
}

/// The states.
#[derive(Debug)]
pub(crate) enum ServerState {
    /// INVITE, no final response.
    Proceeding(Kept),
    /// INVITE, refused; timers G and H run.
    Completed { last: Bytes, again: Again },
    /// INVITE, refused and acknowledged; timer I runs.
    Confirmed,
    /// INVITE, answered 2xx (RFC 6026 §7.1); timer L runs. Retransmitting the 2xx is the session's. A CANCEL that
    /// crossed it is answered with its `tag`.
    Accepted { tag: Option<Box<str>> },
    /// Not INVITE, nothing sent yet. The datagram is kept to shorten what the tail keeps.
    Trying { datagram: Bytes },
    /// Not INVITE, a provisional response was sent. Figure 8's «Proceeding».
    Progressing(Box<Progress>),
    /// Not INVITE, finally answered; timer J runs. Figure 8's «Completed».
    Done { last: Tail },
}

/// When a refusal is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// When its INVITE is, and by timer G, which has done so so often.
    ByTimer(u8),
    /// When its INVITE is.
    WhenAsked,
}

/// What an INVITE that has no final response is repeated or answered from.
#[derive(Debug)]
pub(crate) enum Kept {
    /// The datagram, for a 100 of ours: nothing was sent yet.
    Datagram(Bytes),
    /// The last provisional response.
    Last(Bytes),
}

impl Kept {
    /// The last provisional response.
    pub(crate) fn last(&self) -> Option<&Bytes> {
        match self {
            Kept::Datagram(_) => None,
            Kept::Last(last) => Some(last),
        }
    }
}

/// Boxed, because it is rare and would make every transaction larger.
#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) datagram: Bytes,
    pub(crate) last: Bytes,
}
