//! Owns the messages of the last calls, as they passed. Does not own what of them may be read (see `sip::masked`) nor
//! which legs a call has (see `call`, which names them).
//!
//! ```text
//!  message ──► Call-ID of a leg that is named? ──yes──► kept, the oldest make room
//!                      │ no                                   ▲
//!                      └─ of an INVITE? ──► waits (few) ──────┘ when its leg is named
//!
//!  leg:  Early ──2xx──► Up ──BYE──► Over ──► forgotten when the oldest message that says so makes room
//!          ▲ └──refusal, BYE─────────▲ │
//!          └──────────INVITE───────────┘
//! ```
//!
//! Where more pass than a minute has room for, only some calls are kept, but those whole (see [`share`]). The legs of the others
//! are known until they are over.

mod head;
mod share;
mod shelf;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use clock::Instant;
use model::{CallId, TenantId};
use routing::hash_of_call_id;
use sip::endpoint::Flow;
use smallvec::SmallVec;

use head::{Head, Said};
use share::Share;
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
            // Foreseen: a table in which entries come and go doubles when it has long been full.
            ring.legs.reserve((of_one.messages / MESSAGES_PER_LEG).min(MOST_FORESEEN));
            ring.make_room(None);
        }
    }

    /// A message passed through `shard`. Costs a look at its head and a copy.
    pub fn keep(&self, shard: u8, now: Instant, way: Way, flow: Flow, bytes: &[u8]) {
        let Some(ring) = self.rings.get(usize::from(shard)) else { return };
        let mut ring = locked(ring);
        if ring.limits.messages == 0 {
            return;
        }
        let Some(head) = Head::of(bytes) else { return };
        let message = Passing { at: now, way, flow, bytes };
        if ring.put(head, message) == Named::No && head.said.is_of_invite() {
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
        let kept = ring.share.has(call);
        match ring.legs.entry(id) {
            Entry::Vacant(place) => {
                place.insert(Leg { tenant, calls: SmallVec::from([call]), heard, stage: Stage::Early, kept });
            }
            Entry::Occupied(mut place) => {
                let leg = place.get_mut();
                if leg.calls.contains(&call) {
                    return;
                }
                leg.tenant = tenant;
                leg.calls.push(call);
                leg.kept |= kept;
            }
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
                let leg = ring.legs.get(&record.leg).filter(|leg| leg.calls.contains(&call));
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
    /// By the hash of the Call-ID.
    legs: HashMap<u64, Leg>,
    /// Of INVITEs that no call is known of: strangers', and the first of each call until it has its name.
    unnamed: VecDeque<(Head, Kept)>,
    unnamed_bytes: usize,
}

/// Whose a message is.
#[derive(Debug)]
struct Leg {
    tenant: TenantId,
    /// The calls that it has been part of: one, unless it was transferred, picked up or joined.
    calls: SmallVec<[CallId; 1]>,
    /// When its last message passed.
    heard: Instant,
    stage: Stage,
    /// Whether its messages are kept.
    kept: bool,
}

/// How far a leg is, by what was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Early,
    Up,
    Over,
}

impl Stage {
    fn after(self, said: Said) -> Stage {
        match (self, said) {
            (_, Said::Bye) | (Stage::Early, Said::Refusal) => Stage::Over,
            (_, Said::Answer) => Stage::Up,
            // After a challenge.
            (Stage::Over, Said::Invite) => Stage::Early,
            (stage, _) => stage,
        }
    }
}

/// Whether a message's leg is known.
#[derive(PartialEq, Eq)]
enum Named {
    Yes,
    No,
}

impl Default for Ring {
    fn default() -> Ring {
        Ring {
            limits: CaptureLimits::OFF,
            share: Share::default(),
            kept: Shelf::default(),
            legs: HashMap::new(),
            unnamed: VecDeque::new(),
            unnamed_bytes: 0,
        }
    }
}

impl Ring {
    /// Keeps a message of a leg that is named, if it is one of those that are kept.
    fn put(&mut self, head: Head, message: Passing<'_>) -> Named {
        let Some(leg) = self.legs.get_mut(&head.call_id) else { return Named::No };
        self.share.count(message.at, message.bytes.len(), &self.limits);
        leg.heard = message.at;
        leg.stage = leg.stage.after(head.said);
        if !leg.kept {
            if leg.stage == Stage::Over {
                self.legs.remove(&head.call_id);
            }
            return Named::Yes;
        }
        self.kept.put(message, head.call_id, leg.stage == Stage::Over);
        self.make_room(Some(message.at));
        Named::Yes
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
            let room = self.limits.bytes - self.limits.bytes / UNNAMED_SHARE;
            if !is_old && self.kept.len() <= self.limits.messages && self.kept.bytes() <= room {
                break;
            }
            let removed = self.kept.remove_oldest();
            if let Some(leg) = removed.filter(|removed| removed.ends).map(|removed| removed.leg)
                && self.legs.get(&leg).is_some_and(|leg| leg.stage == Stage::Over)
            {
                self.legs.remove(&leg);
            }
        }
        if self.limits.messages == 0 {
            *self = Ring { limits: self.limits, ..Ring::default() };
        }
    }

    /// Where there are too many, legs that nothing is kept of are traced no further: calls that ended without a word, and
    /// those that outlive what is kept.
    fn make_room_for_a_leg(&mut self) {
        let most = self.limits.messages.saturating_mul(LEGS_PER_MESSAGE);
        if self.legs.len() < most {
            return;
        }
        let oldest = self.kept.oldest().map(|oldest| oldest.at);
        self.legs.retain(|_, leg| oldest.is_some_and(|oldest| leg.heard >= oldest));
        if self.legs.len() >= most {
            self.legs.clear();
        }
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
