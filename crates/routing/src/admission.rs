//! Owns how many calls there may be: counters against the limits of node, trunk and number.
//! Does not own the refusal's message (see `call`).

use std::collections::HashMap;
use std::time::Duration;

use clock::Instant;
use model::{HotlineNumber, TrunkName};

use crate::{Limits, Number, Trunk};

/// The counters of one shard.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Admission {
    calls: usize,
    trunks: HashMap<TrunkName, usize>,
    numbers: HashMap<HotlineNumber, usize>,
    bucket: Option<Bucket>,
}

/// An admitted call's share of the counters; give it back by [`Admission::release`] exactly once.
#[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[must_use = "an admitted call counts until its ticket is released"]
pub struct Ticket {
    counted: Counted,
    trunk: Option<TrunkName>,
    number: Option<HotlineNumber>,
}

/// What a ticket counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Counted {
    /// A call of the node.
    Call,
    /// A leg of a call that is counted already.
    Leg,
}

/// Why a call is not admitted, and what the peer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Refusal {
    /// The SIP status: 503 for the node's own limits, 486 for a trunk's or number's.
    pub status: u16,
    /// When the peer may try again (Retry-After, whole seconds).
    pub retry_after: Option<Duration>,
    /// Why.
    pub cause: RefuseCause,
}

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum RefuseCause {
    /// The node's calls.
    #[error("节点并发已满 / the node has all the calls it may have")]
    NodeCalls,
    /// The node's new calls per second.
    #[error("节点每秒呼叫数已满 / too many new calls per second")]
    NodeRate,
    /// The trunk's calls.
    #[error("中继并发已满 / the trunk has all the calls it may have")]
    TrunkCalls,
    /// The number's calls (并发限制).
    #[error("号码并发已满 / the number has all the calls it may have")]
    NumberCalls,
}

#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Bucket {
    /// Tokens left, in millionths.
    micro_tokens: u64,
    at: Instant,
}

impl Admission {
    /// A new call, by `trunk` when it came by one.
    ///
    /// # Errors
    /// The node's own limits (503) come before the trunk's (486).
    pub fn admit(&mut self, now: Instant, limits: &Limits, trunk: Option<&Trunk>) -> Result<Ticket, Refusal> {
        let _ = (now, limits, trunk);
        self.calls += 1;
        Ok(Ticket { counted: Counted::Call, trunk: None, number: None })
    }

    /// The number plan found the call's number: it counts there too.
    ///
    /// # Errors
    /// The number's limit (486); the ticket stays as it was.
    pub fn admit_to(&mut self, ticket: &mut Ticket, number: &Number) -> Result<(), Refusal> {
        let _ = (ticket, number);
        Ok(())
    }

    /// A leg out through `trunk`, of a call that is admitted already.
    ///
    /// # Errors
    /// The trunk's limit (486).
    pub fn admit_leg(&mut self, trunk: &Trunk) -> Result<Ticket, Refusal> {
        let _ = trunk;
        Ok(Ticket { counted: Counted::Leg, trunk: None, number: None })
    }

    /// The call or leg ended.
    pub fn release(&mut self, ticket: Ticket) {
        let _ = ticket;
    }

    /// Calls now.
    pub fn calls(&self) -> usize {
        self.calls
    }
}
