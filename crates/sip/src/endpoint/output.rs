//! Owns what an endpoint tells its shard: [`Output`], and why messages are dropped.

use bytes::Bytes;

use super::{Asked, Flow};
use crate::message::{Request, Response};
use crate::transaction::{ClientTx, ServerTx};

/// What the shard must do.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send these bytes.
    Transmit {
        /// Where to.
        flow: Flow,
        /// One message.
        bytes: Bytes,
    },
    /// A request began a server transaction: answer it by `respond`.
    Request {
        /// Its transaction.
        tx: ServerTx,
        /// Where it came from.
        flow: Flow,
        /// The request, its top Via completed with `received` and `rport` (RFC 3261 §18.2.1, RFC 3581 §4).
        request: Request,
    },
    /// An INVITE that would begin a call came while there are none to be taken (see
    /// [`Endpoint::take_new_calls`](super::Endpoint::take_new_calls)). It has no transaction: answer it by
    /// [`respond_statelessly`](super::Endpoint::respond_statelessly).
    TurnedAway {
        /// Where it came from.
        flow: Flow,
        /// The request, its top Via completed.
        request: Request,
        /// Whether it came before.
        asked: Asked,
    },
    /// An ACK to a 2xx. It has no transaction.
    Ack {
        /// Where it came from.
        flow: Flow,
        /// The ACK.
        request: Request,
    },
    /// A CANCEL came and is answered 200: answer the INVITE with 487.
    Cancelled {
        /// The INVITE's transaction.
        tx: ServerTx,
        /// The CANCEL, for its Reason header (RFC 3326).
        request: Request,
    },
    /// A provisional response, the final one, or for INVITE a further 2xx (a retransmission or another fork).
    Response {
        /// The request's transaction.
        tx: ClientTx,
        /// The response.
        response: Response,
    },
    /// No final response came in 64 × T1 (timers B and F, and the wait after CANCEL of §9.1).
    TimedOut {
        /// The request's transaction.
        tx: ClientTx,
    },
    /// The request's flow failed before a final response.
    TransportFailed {
        /// The request's transaction.
        tx: ClientTx,
    },
    /// A final response other than 2xx to an INVITE was never acknowledged (timer H).
    Unacknowledged {
        /// The INVITE's transaction.
        tx: ServerTx,
    },
    /// A message was dropped: count it.
    Dropped {
        /// Why.
        cause: DropCause,
    },
}

/// Why a message was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DropCause {
    /// It is no SIP message, and cannot be answered.
    Malformed,
    /// It was malformed; the answer says so.
    MalformedAnswered,
    /// A response that fits no transaction (RFC 3261 §18.1.2).
    StrayResponse,
    /// A response whose top Via is not ours alone (§8.1.3.3).
    ForeignResponse,
    /// A response that its transaction has no use for any more.
    LateResponse,
    /// An ACK of a transaction that awaits none.
    StrayAck,
    /// A retransmission that has nothing to be answered with yet.
    Absorbed,
    /// A response given for a transaction that has ended or has its final response already.
    ResponseTooLate,
}

impl DropCause {
    /// All causes, in the order of [`Drops`].
    pub const ALL: [DropCause; 8] = [
        DropCause::Malformed,
        DropCause::MalformedAnswered,
        DropCause::StrayResponse,
        DropCause::ForeignResponse,
        DropCause::LateResponse,
        DropCause::StrayAck,
        DropCause::Absorbed,
        DropCause::ResponseTooLate,
    ];

    /// The cause as a metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            DropCause::Malformed => "malformed",
            DropCause::MalformedAnswered => "malformed_answered",
            DropCause::StrayResponse => "stray_response",
            DropCause::ForeignResponse => "foreign_response",
            DropCause::LateResponse => "late_response",
            DropCause::StrayAck => "stray_ack",
            DropCause::Absorbed => "absorbed",
            DropCause::ResponseTooLate => "response_too_late",
        }
    }
}

/// How many messages were dropped since the start, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops([u64; DropCause::ALL.len()]);

impl Drops {
    /// How many for `cause`.
    pub fn of(&self, cause: DropCause) -> u64 {
        self.0[cause as usize]
    }

    pub(crate) fn count(&mut self, cause: DropCause) {
        self.0[cause as usize] += 1;
    }
}

/// How many transactions an endpoint holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// Server transactions, those in their tail included.
    pub server: usize,
    /// Client transactions, those in their tail included.
    pub client: usize,
}

impl Live {
    /// Whether none is left.
    pub const fn is_none(&self) -> bool {
        self.server == 0 && self.client == 0
    }
}
