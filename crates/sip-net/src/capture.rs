//! Owns the messages of the last calls, as they passed. Does not own what of them may be read (see `sip::masked`) nor
//! which legs a call has (see `call`, which names them).
//!
//! ```text
//!  message ──► Call-ID of a leg that is named? ──yes──► of a call that is kept? ──yes──► kept, the oldest make room
//!                      │ no                                                                  ▲
//!                      └─ of an INVITE? ──► waits (few) ──── when its leg is named ──────────┘
//! ```
//!
//! Where more pass than there is room for in 15 s, only some calls are kept, but those whole (see [`share`]).

mod head;
mod legs;
mod share;
mod shelf;

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use clock::Instant;
use model::{CallId, TenantId};
use routing::hash_of_call_id;
use sip::endpoint::Flow;

use head::Head;
use legs::{Fate, Legs};
use share::{Room, Share};
use shelf::Shelf;

/// How much is kept. What comes beyond it takes the place of the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureLimits {
    /// Messages of all shards; 0 keeps none.
    pub messages: usize,
    /// Their bytes, those of unnamed INVITEs included; without what the tables take (below 300 a message).
    pub bytes: usize,
    /// How old a message gets.
    pub age: Duration,
}

impl CaptureLimits {
    /// Nothing is kept.
    pub const OFF: CaptureLimits = CaptureLimits { messages: 0, bytes: 0, age: Duration::ZERO };
}

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To us.
    In,
    /// From us.
    Out,
}

/// A message on its way.
#[derive(Clone, Copy, Debug)]
struct Passing<'a> {
    at: Instant,
    way: Way,
    flow: Flow,
    bytes: &'a [u8],
}

/// A message of a call, secrets and all.
#[derive(Clone, Debug)]
pub struct Kept {
    /// When it passed.
    pub at: Instant,
    /// Which way.
    pub way: Way,
    /// By what.
    pub flow: Flow,
    /// The message.
    pub bytes: Bytes,
}

/// The messages of the last calls: one ring per shard, whose lock nobody else holds for longer than a look takes.
#[derive(Debug)]
pub struct Capture {
    rings: Box<[Mutex<Ring>]>,
}

impl Capture {
    /// An empty one for `shards` shards.
    pub fn new(shards: usize, limits: CaptureLimits) -> Capture {
        let capture = Capture { rings: (0..shards.max(1)).map(|_| Mutex::default()).collect() };
        capture.configure(limits);
        capture
    }

    /// Keeps so much from now on; what is beyond it is forgotten at once.
    pub fn configure(&self, limits: CaptureLimits) {
        let shards = self.rings.len();
        let of_one = CaptureLimits {
            messages: limits.messages.div_ceil(shards),
            bytes: limits.bytes.div_ceil(shards),
            age: limits.age,
        };
        for ring in &self.rings {
            let mut ring = locked(ring);
            ring.limits = of_one;
            ring.legs.reserve((of_one.messages / MESSAGES_PER_LEG).min(MOST_FORESEEN));
            ring.make_room(None);
            ring.kept.shrink();
        }
    }

    /// A message passed through `shard`. Costs a look at its head and a copy.
    pub fn keep(&self, shard: u8, now: Instant, way: Way, flow: Flow, bytes: &[u8]) {
        let Some(ring) = self.rings.get(usize::from(shard)) else { return };
        let mut ring = locked(ring);
        if ring.limits.messages == 0 {
            return;
        }
        ring.pass(now);
        let Some(head) = Head::of(bytes) else { return };
        let message = Passing { at: now, way, flow, bytes };
        if ring.put(head, message) == Fate::Unnamed && head.said.is_of_invite() {
            ring.wait(head, message);
        }
    }

    /// Messages with this Call-ID belong to the call; those that came before it was known, too. A leg that goes from one
    /// call to another belongs to both.
    pub fn name(&self, shard: u8, tenant: TenantId, call: CallId, sip_call_id: &str) {
        let Some(ring) = self.rings.get(usize::from(shard)) else { return };
        let mut ring = locked(ring);
        if ring.limits.messages == 0 {
            return;
        }
        ring.make_room_for_a_leg();
        let id = hash_of_call_id(sip_call_id.as_bytes());
        let heard = ring.kept.newest().map_or(Instant::ZERO, |newest| newest.at);
        let Ring { legs, share, .. } = &mut *ring;
        if !legs.name(id, (tenant, call), heard, || share.has(call)) {
            return;
        }
        ring.claim(id);
    }

    /// What is kept of `call`, oldest first, with the tenant it belongs to; `None` when nothing is.
    pub fn of_call(&self, now: Instant, call: CallId) -> Option<(TenantId, Vec<Kept>)> {
        let mut found = Vec::new();
        let mut tenant = None;
        for ring in &self.rings {
            let mut ring = locked(ring);
            ring.make_room(Some(now));
            for (record, bytes) in ring.kept.iter() {
                let leg = ring.legs.get(record.leg).filter(|leg| leg.calls.contains(&call));
                let Some(leg) = leg else { continue };
                tenant.get_or_insert_with(|| leg.tenant.clone());
                let bytes = Bytes::copy_from_slice(bytes);
                found.push(Kept { at: record.at, way: record.way, flow: record.flow, bytes });
            }
        }
        found.sort_by_key(|kept| kept.at);
        Some((tenant?, found))
    }

    /// Messages of calls that are kept, and their bytes.
    pub fn size(&self) -> (usize, usize) {
        self.rings.iter().fold((0, 0), |(messages, bytes), ring| {
            let ring = locked(ring);
            (messages + ring.kept.len(), bytes + ring.kept.bytes())
        })
    }
}

/// What one shard's calls said.
#[derive(Debug)]
struct Ring {
    limits: CaptureLimits,
    share: Share,
    kept: Shelf,
    legs: Legs,
    /// Of INVITEs that no call is known of: strangers', and the first of each call until it has its name.
    unnamed: VecDeque<(Head, Kept)>,
    unnamed_bytes: usize,
}

impl Default for Ring {
    fn default() -> Ring {
        Ring {
            limits: CaptureLimits::OFF,
            share: Share::default(),
            kept: Shelf::default(),
            legs: Legs::default(),
            unnamed: VecDeque::new(),
            unnamed_bytes: 0,
        }
    }
}

impl Ring {
    /// Time has passed.
    fn pass(&mut self, now: Instant) {
        self.share.pass(now, Room { messages: self.limits.messages, bytes: self.bytes_of_calls() });
        self.legs.pass(now);
    }

    /// Keeps a message of a leg that is named, if its call is kept.
    fn put(&mut self, head: Head, message: Passing<'_>) -> Fate {
        let fate = self.legs.hear(message.at, head);
        if fate != Fate::Unnamed {
            self.share.count(message.bytes.len());
        }
        if let Fate::Kept { ends } = fate {
            self.kept.put(message, head.call_id, ends);
            self.make_room(Some(message.at));
        }
        fate
    }

    /// How many bytes those may have whose call is known.
    fn bytes_of_calls(&self) -> usize {
        self.limits.bytes - self.limits.bytes / UNNAMED_SHARE
    }

    /// Nobody has said yet whose it is. Strangers cannot push out what is kept of calls.
    fn wait(&mut self, head: Head, Passing { at, way, flow, bytes }: Passing<'_>) {
        self.unnamed_bytes += bytes.len();
        self.unnamed.push_back((head, Kept { at, way, flow, bytes: Bytes::copy_from_slice(bytes) }));
        while self.unnamed.len() > UNNAMED || self.unnamed_bytes > self.limits.bytes / UNNAMED_SHARE {
            let Some((_, oldest)) = self.unnamed.pop_front() else { break };
            self.unnamed_bytes -= oldest.bytes.len();
        }
    }

    /// What has waited for the name of the leg `id` is kept.
    fn claim(&mut self, id: u64) {
        let mut place = 0;
        while let Some((head, _)) = self.unnamed.get(place) {
            if head.call_id != id {
                place += 1;
                continue;
            }
            let Some((head, Kept { at, way, flow, bytes })) = self.unnamed.remove(place) else { break };
            self.unnamed_bytes -= bytes.len();
            self.put(head, Passing { at, way, flow, bytes: &bytes });
        }
    }

    /// Forgets the oldest until the rest is within the limits.
    fn make_room(&mut self, now: Option<Instant>) {
        while let Some(oldest) = self.kept.oldest() {
            let is_old = now.is_some_and(|now| now.since(oldest.at) > self.limits.age);
            let (messages, bytes) = (self.limits.messages, self.bytes_of_calls());
            if !is_old && self.kept.len() <= messages && self.kept.bytes() <= bytes {
                break;
            }
            if let Some(removed) = self.kept.remove_oldest().filter(|removed| removed.ends) {
                self.legs.end(removed.leg);
            }
        }
        if self.limits.messages == 0 {
            *self = Ring { limits: self.limits, ..Ring::default() };
        }
    }

    fn make_room_for_a_leg(&mut self) {
        let most = self.limits.messages.saturating_mul(LEGS_PER_MESSAGE);
        self.legs.make_room(most, self.kept.oldest().map(|oldest| oldest.at));
    }
}

/// A poisoned ring was a panic of another look, which leaves nothing half done that matters here.
fn locked(ring: &Mutex<Ring>) -> MutexGuard<'_, Ring> {
    ring.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Messages that may wait for their leg's name: INVITE, challenge, ACK of the calls that arrive at one moment.
const UNNAMED: usize = 256;
/// One part in so many of the bytes is theirs.
const UNNAMED_SHARE: usize = 8;
/// A leg that says hello and goodbye says more; half of the table's places stay free.
const MESSAGES_PER_LEG: usize = 3;
/// Legs that room is made for before there are any.
const MOST_FORESEEN: usize = 1 << 16;
/// Legs that are not over are known for longer than their messages are kept, so that a long call's end is kept too.
const LEGS_PER_MESSAGE: usize = 4;

#[cfg(test)]
mod tests;
