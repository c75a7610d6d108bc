//! Owns the states of a client transaction (RFC 3261 figures 5 and 6, RFC 6026 figure 2).

use bytes::Bytes;

use super::tail::Tail;
use crate::endpoint::Flow;

/// A client transaction.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) flow: Flow,
    /// Raised by each change of state that makes the deadlines set before stale.
    pub(crate) epoch: u8,
    /// Who is told of responses.
    pub(crate) owner: Owner,
    pub(crate) state: ClientState,
}

/// Who is told of a client transaction's responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The application; `cancel` is the CANCEL that the endpoint sent on its behalf.
    Application { cancel: Option<u64> },
    /// Nobody: a CANCEL is the endpoint's own.
    Endpoint,
}

/// The states.
#[derive(Debug)]
pub(crate) enum ClientState {
    /// INVITE, no response yet; timers A and B run. It was sent again so often.
    Calling { sent: Bytes, repeats: u8, cancel: CancelWish },
    /// INVITE, a provisional response came.
    Proceeding { sent: Bytes },
    /// INVITE, refused and acknowledged; timer D runs. The ACK is made again from the retransmitted response.
    Completed { ack: Tail },
    /// INVITE, answered (RFC 6026 §7.2); timer M runs.
    Accepted {
        /// Of which answers (To tags) the dialog was ended, since nobody waited for it.
        ended: Vec<Box<str>>,
    },
    /// Not INVITE, no response yet; timers E and F run. It was sent again so often.
    Trying { sent: Bytes, repeats: u8 },
    /// Not INVITE, a provisional response came; timers E (at T2) and F run. Figure 6's «Proceeding».
    Progressing { sent: Bytes },
    /// Not INVITE, finally answered; timer K runs. Figure 6's «Completed».
    Done,
}

/// Whether the INVITE is to be cancelled as soon as that is allowed (RFC 3261 §9.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CancelWish {
    No,
    /// With this Reason header. Boxed, because it is rare and would make every transaction larger.
    Held(Box<Option<String>>),
}
