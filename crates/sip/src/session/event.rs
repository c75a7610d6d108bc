//! Owns what a session tells its owner: [`SessionEvent`], and why it ended.

use std::time::Duration;

use bytes::Bytes;

use crate::transaction::{ClientTx, ServerTx};

/// What happened in a session. Exactly one of `Refused`, `Cancelled` and `Ended` comes, last of what matters;
/// after it only [`Session::is_over`](super::Session::is_over) does.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionEvent {
    /// The session began a client transaction: route its outputs here.
    Transaction(ClientTx),
    /// The session no longer listens to this client transaction.
    TransactionOver(ClientTx),
    /// Outgoing: a provisional response other than 100, with the session description that it carried.
    Progress {
        /// 101–199.
        status: u16,
        /// An early answer (or, after an INVITE without one, an offer).
        sdp: Option<Bytes>,
        /// The dialog's To tag: forks have several.
        fork: String,
    },
    /// Outgoing: the first 2xx. With an INVITE that carried no offer `sdp` is one, and `accept_offer` must follow.
    Answered {
        /// The answer, unless it came with a reliable provisional response.
        sdp: Option<Bytes>,
    },
    /// Outgoing: failed. The last event.
    Refused {
        /// 300–699; 408 for a timeout, 503 for a transport error.
        status: u16,
        /// The reason phrase, or the text of a Reason header.
        reason: String,
        /// Retry-After.
        retry_after: Option<Duration>,
        /// The Contact URIs of a 3xx, best first.
        contact: Vec<String>,
        /// The cause of a `Reason: Q.850` header (RFC 3326).
        q850: Option<u8>,
    },
    /// Incoming: the caller cancelled, or sent BYE before the answer; 487 is sent. The last event.
    Cancelled {
        /// The text of the Reason header.
        reason: Option<String>,
    },
    /// The first ACK of our answer.
    Acknowledged {
        /// The answer, when ours was the offer.
        sdp: Option<Bytes>,
    },
    /// The peer offers (re-INVITE or UPDATE): answer by `accept_offer` or `refuse_offer`.
    Offered {
        /// The offer; `None` when the peer asks for ours, given by `accept_offer`.
        sdp: Option<Bytes>,
    },
    /// Our offer was answered: of `offer`, or of `accept_offer` to an `Offered` without SDP.
    OfferAccepted {
        /// The answer.
        sdp: Option<Bytes>,
    },
    /// Our offer was refused; what was negotiated before stands.
    OfferRefused {
        /// 400–699; 408 for a timeout.
        status: u16,
    },
    /// INFO, already answered 200 (RFC 6086, and DTMF relay).
    Info {
        /// The Content-Type.
        content_type: String,
        /// The body.
        body: Bytes,
    },
    /// REFER (RFC 3515): answer by `accept_refer` or `refuse_request`.
    Transferred {
        /// The request to answer.
        tx: ServerTx,
        /// The URI of Refer-To, its headers taken off.
        refer_to: String,
        /// The Replaces header within Refer-To, unescaped (RFC 3891).
        replaces: Option<String>,
        /// Referred-By (RFC 3892).
        referred_by: Option<String>,
    },
    /// NOTIFY of our REFER (RFC 3515 §2.4.4), already answered 200: the status line of its body.
    ReferProgress {
        /// 100–699.
        status: u16,
    },
    /// The session ended. The last event.
    Ended {
        /// Whose doing it was.
        by: EndedBy,
        /// Why.
        cause: EndCause,
    },
}

/// Whose doing an end was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The peer's.
    Remote,
    /// Ours.
    Local,
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// BYE.
    Bye {
        /// The text of its Reason header (RFC 3326).
        reason: Option<String>,
    },
    /// We cancelled our INVITE.
    Cancelled,
    /// We refused the peer's INVITE.
    Refused(u16),
    /// Our answer was never acknowledged (RFC 3261 §13.3.1.4).
    NoAck,
    /// Our reliable provisional response was never acknowledged (RFC 3262 §3).
    NoPrack,
    /// The session timer ran out (RFC 4028 §10).
    SessionExpired,
    /// The peer does not know the dialog any more: 481 or 408 to a request of ours (RFC 3261 §12.2.1.2).
    DialogLost(u16),
    /// The transport failed under a request of ours.
    TransportFailed,
}
