//! Owns how many calls there may be: counters against the limits of node, trunk and number.
//! Does not own the refusal's message (see `call`).

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use clock::Instant;
use model::{HotlineNumber, TrunkName};

use crate::{Barred, Holder, Limits, Number, Trunk};
pub use out::CallOut;
use out::CallsOut;

mod out;

/// The counters of the node. A call is admitted once and released once; every counter is then as before, those of the
/// hour and the day excepted.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Admission {
    calls: usize,
    trunks: HashMap<TrunkName, OfTrunk>,
    numbers: HashMap<HotlineNumber, usize>,
    bucket: Option<Bucket>,
    out: CallsOut,
}

/// What a trunk has at present.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
struct OfTrunk {
    calls_in: usize,
    calls_out: usize,
    rate_in: Option<Bucket>,
    rate_out: Option<Bucket>,
}

/// Which way a call crosses a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Way {
    In,
    Out,
}

/// An admitted call's share of the counters; give it back by [`Admission::release`] exactly once.
#[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[must_use = "an admitted call counts until its ticket is released"]
pub struct Ticket {
    counted: Counted,
    trunk: Option<(TrunkName, Way)>,
    number: Option<HotlineNumber>,
    out: Option<Holder>,
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
    /// The SIP status: 503 for the node's own limits, 486 for a trunk's or number's, since a 503 would take the
    /// whole trunk out of service.
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
    /// What is read has waited too long.
    #[error("节点过载 / the node has more to do than it can")]
    Overload,
    /// The journal has no room for the facts of another call.
    #[error("事件日志已满 / the journal has no room")]
    Journal,
    /// The trunk's calls.
    #[error("中继并发已满 / the trunk has all the calls it may have")]
    TrunkCalls,
    /// The trunk's new calls per second.
    #[error("中继每秒呼叫数已满 / too many new calls per second on the trunk")]
    TrunkRate,
    /// The number's calls (并发限制).
    #[error("号码并发已满 / the number has all the calls it may have")]
    NumberCalls,
}

/// A token bucket that holds a tenth of a second's calls, so that bursts are evened out.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Bucket {
    /// Tokens left, in millionths.
    micro_tokens: u64,
    /// When they were counted.
    at: Instant,
}

impl Admission {
    /// A new call, by `trunk` when it came by one.
    ///
    /// # Errors
    /// The node's own limits (503) come before the trunk's (486); nothing is counted then, the rate excepted.
    pub fn admit(&mut self, now: Instant, limits: &Limits, trunk: Option<&Trunk>) -> Result<Ticket, Refusal> {
        if self.calls >= limits.max_calls {
            return Err(Refusal::of(RefuseCause::NodeCalls));
        }
        if let Some(rate) = limits.max_calls_per_second
            && !Bucket::take(&mut self.bucket, now, rate)
        {
            return Err(Refusal::of(RefuseCause::NodeRate));
        }
        let trunk = trunk.map(|trunk| self.count_trunk(now, trunk, Way::In)).transpose()?;
        self.calls += 1;
        Ok(Ticket { counted: Counted::Call, trunk, number: None, out: None })
    }

    /// The number plan found the call's number: it counts there too.
    ///
    /// # Errors
    /// The number's limit (486); the ticket stays as it was.
    pub fn admit_to(&mut self, ticket: &mut Ticket, number: &Number) -> Result<(), Refusal> {
        if !take(&mut self.numbers, &number.number, number.max_calls) {
            return Err(Refusal::of(RefuseCause::NumberCalls));
        }
        if let Some(before) = ticket.number.replace(number.number.clone()) {
            give_back(&mut self.numbers, &before);
        }
        Ok(())
    }

    /// A leg out through `trunk`, of a call that is admitted already.
    ///
    /// # Errors
    /// The trunk's limits (486).
    pub fn admit_leg(&mut self, now: Instant, trunk: &Trunk) -> Result<Ticket, Refusal> {
        let trunk = self.count_trunk(now, trunk, Way::Out)?;
        Ok(Ticket { counted: Counted::Leg, trunk: Some(trunk), number: None, out: None })
    }

    /// The leg of `ticket` calls out: it counts for whose class of service lets it.
    ///
    /// # Errors
    /// What bars it; the ticket stays as it was.
    pub fn admit_out(&mut self, now: Instant, ticket: &mut Ticket, call: &CallOut<'_>) -> Result<(), Barred> {
        self.out.admit(now, call)?;
        if let Some(before) = ticket.out.replace(call.holder.clone()) {
            self.out.release(&before);
        }
        Ok(())
    }

    /// What a new call would be refused with at once by the node's own limits; nothing is counted.
    pub fn would_refuse(&self, now: Instant, limits: &Limits) -> Option<Refusal> {
        if self.calls >= limits.max_calls {
            return Some(Refusal::of(RefuseCause::NodeCalls));
        }
        let rate = limits.max_calls_per_second?;
        let empty = self.bucket.is_some_and(|bucket| !bucket.has_one(now, rate));
        empty.then(|| Refusal::of(RefuseCause::NodeRate))
    }

    /// The call or leg ended.
    pub fn release(&mut self, ticket: Ticket) {
        if ticket.counted == Counted::Call {
            self.calls = self.calls.saturating_sub(1);
        }
        if let Some(trunk) = ticket.trunk {
            self.give_back_trunk(&trunk);
        }
        if let Some(number) = ticket.number {
            give_back(&mut self.numbers, &number);
        }
        if let Some(holder) = ticket.out {
            self.out.release(&holder);
        }
    }

    /// Calls now.
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// Calls and legs of a trunk now.
    pub fn calls_of_trunk(&self, trunk: &TrunkName) -> usize {
        self.trunks.get(trunk).map_or(0, OfTrunk::calls)
    }

    /// Calls of a number now.
    pub fn calls_of_number(&self, number: &HotlineNumber) -> usize {
        self.numbers.get(number).copied().unwrap_or(0)
    }

    /// The trunk's calls first: a call that finds no room takes nothing from the rate.
    fn count_trunk(&mut self, now: Instant, trunk: &Trunk, way: Way) -> Result<(TrunkName, Way), Refusal> {
        let limits = &trunk.limits;
        let has = self.trunks.get(&trunk.name).copied().unwrap_or_default();
        let (ours, most, rate) = match way {
            Way::In => (has.calls_in, limits.calls_in, limits.per_second_in),
            Way::Out => (has.calls_out, limits.calls_out, limits.per_second_out),
        };
        let is_full = |count: usize, limit: Option<usize>| limit.is_some_and(|limit| count >= limit);
        if is_full(has.calls(), limits.calls) || is_full(ours, most) {
            return Err(Refusal::of(RefuseCause::TrunkCalls));
        }
        let has = self.trunks.entry(trunk.name.clone()).or_default();
        let (count, bucket) = match way {
            Way::In => (&mut has.calls_in, &mut has.rate_in),
            Way::Out => (&mut has.calls_out, &mut has.rate_out),
        };
        if let Some(rate) = rate
            && !Bucket::take(bucket, now, rate)
        {
            return Err(Refusal::of(RefuseCause::TrunkRate));
        }
        *count += 1;
        Ok((trunk.name.clone(), way))
    }

    /// A trunk without calls is forgotten, unless its rate must be remembered.
    fn give_back_trunk(&mut self, (trunk, way): &(TrunkName, Way)) {
        let Some(has) = self.trunks.get_mut(trunk) else { return };
        match way {
            Way::In => has.calls_in = has.calls_in.saturating_sub(1),
            Way::Out => has.calls_out = has.calls_out.saturating_sub(1),
        }
        if has.calls() == 0 && has.rate_in.is_none() && has.rate_out.is_none() {
            self.trunks.remove(trunk);
        }
    }
}

impl Refusal {
    /// What the peer is told for that cause.
    pub fn of(cause: RefuseCause) -> Refusal {
        let (status, retry_after) = match cause {
            RefuseCause::NodeCalls => (503, Some(RETRY_WHEN_FULL)),
            RefuseCause::NodeRate | RefuseCause::Overload => (503, Some(RETRY_WHEN_FAST)),
            RefuseCause::Journal => (503, Some(RETRY_WHEN_FULL)),
            RefuseCause::TrunkCalls | RefuseCause::TrunkRate | RefuseCause::NumberCalls => (486, None),
        };
        Refusal { status, retry_after, cause }
    }
}

impl OfTrunk {
    fn calls(&self) -> usize {
        self.calls_in + self.calls_out
    }
}

impl Bucket {
    /// Takes a token, unless there is none.
    fn take(bucket: &mut Option<Bucket>, now: Instant, rate: u32) -> bool {
        let bucket = bucket.get_or_insert(Bucket { micro_tokens: Bucket::room(rate), at: now });
        bucket.micro_tokens = bucket.tokens(now, rate);
        bucket.at = bucket.at.max(now);
        let has_one = bucket.micro_tokens >= TOKEN;
        if has_one {
            bucket.micro_tokens -= TOKEN;
        }
        has_one
    }

    /// Whether there is a token.
    fn has_one(&self, now: Instant, rate: u32) -> bool {
        self.tokens(now, rate) >= TOKEN
    }

    fn tokens(&self, now: Instant, rate: u32) -> u64 {
        let passed = u64::try_from(now.since(self.at).as_micros()).unwrap_or(u64::MAX);
        let come = passed.saturating_mul(u64::from(rate));
        self.micro_tokens.saturating_add(come).min(Bucket::room(rate))
    }

    fn room(rate: u32) -> u64 {
        (u64::from(rate) * TOKEN / 10).max(TOKEN)
    }
}

/// One more of `name`, unless it has all it may have.
fn take<N: Clone + Eq + Hash>(counts: &mut HashMap<N, usize>, name: &N, limit: Option<usize>) -> bool {
    let now = counts.get(name).copied().unwrap_or(0);
    if limit.is_some_and(|limit| now >= limit) {
        return false;
    }
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => {
            counts.insert(name.clone(), 1);
        }
    }
    true
}

/// One fewer of `name`; a name without calls is forgotten.
fn give_back<N: Eq + Hash>(counts: &mut HashMap<N, usize>, name: &N) {
    if let Some(count) = counts.get_mut(name) {
        *count -= 1;
        if *count == 0 {
            counts.remove(name);
        }
    }
}

/// One call, in millionths, so that a microsecond's share of a rate per second is whole.
const TOKEN: u64 = 1_000_000;

const RETRY_WHEN_FULL: Duration = Duration::from_secs(5);
const RETRY_WHEN_FAST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
