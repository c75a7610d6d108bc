//! Owns the messages of the last calls, as they passed. Does not own what of them may be read (see `sip::masked`) nor
//! which legs a call has (see `call`, which names them).
//!
//! ```text
//!  message ──► Call-ID of a leg that is named? ──yes──► kept, the oldest make room
//!                      │ no                                   ▲
//!                      └─ of an INVITE? ──► waits (few) ──────┘ when its leg is named
//! ```

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use clock::Instant;
use model::{CallId, TenantId};
use sip::endpoint::{Flow, Transport};
use smallvec::SmallVec;

use crate::handover::headers;

/// How much is kept. What comes beyond it takes the place of the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureLimits {
    /// Messages of all shards; 0 keeps none.
    pub messages: usize,
    /// Their bytes, those of unnamed INVITEs included; without what the tables take (below 500 a message).
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

/// Whose a message is.
#[derive(Debug)]
struct Leg {
    tenant: TenantId,
    /// The calls that it has been part of: one, unless it was transferred, picked up or joined.
    calls: SmallVec<[CallId; 1]>,
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
            ring.make_room(None);
        }
    }

    /// A message passed through `shard`. Costs a look at its head and a handle on its bytes.
    pub fn keep(&self, shard: u8, now: Instant, way: Way, flow: Flow, bytes: &Bytes) {
        let Some(ring) = self.rings.get(usize::from(shard)) else { return };
        let mut ring = locked(ring);
        if ring.limits.messages == 0 {
            return;
        }
        let Some(head) = Head::of(bytes) else { return };
        let leg = ring.legs.get(&head.call_id).cloned();
        if leg.is_none() && !head.of_invite {
            return;
        }
        // A handle on a piece of what a stream's reader has gathered would keep all of it.
        let bytes = match (way, flow.transport) {
            (Way::In, Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss) => {
                Bytes::copy_from_slice(bytes)
            }
            _ => bytes.clone(),
        };
        let kept = Kept { at: now, way, flow, bytes };
        match leg {
            Some(leg) => ring.put(now, leg, kept),
            None => ring.wait(head.call_id, kept),
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
        let id = hash(sip_call_id.as_bytes());
        let before = ring.legs.get(&id).cloned();
        let mut calls = before.as_ref().map(|leg| leg.calls.clone()).unwrap_or_default();
        if calls.contains(&call) {
            return;
        }
        calls.push(call);
        let leg = Arc::new(Leg { tenant, calls });
        ring.legs.insert(id, Arc::clone(&leg));
        match before {
            Some(before) => ring.rename(&before, &leg),
            None => ring.named.push_back(id),
        }
        // A leg goes when so many others came that none of its messages can be left; a call that outlives them is
        // traced no further.
        let most = ring.limits.messages.saturating_mul(LEGS_PER_MESSAGE);
        while ring.named.len() > most {
            if let Some(oldest) = ring.named.pop_front() {
                ring.legs.remove(&oldest);
            }
        }
        if !ring.unnamed.iter().any(|(of, _)| *of == id) {
            return;
        }
        let (of_leg, others): (VecDeque<_>, _) =
            std::mem::take(&mut ring.unnamed).into_iter().partition(|(of, _)| *of == id);
        ring.unnamed = others;
        for (_, kept) in of_leg {
            ring.unnamed_bytes -= kept.bytes.len();
            ring.put(kept.at, Arc::clone(&leg), kept);
        }
    }

    /// What is kept of `call`, oldest first, with the tenant it belongs to; `None` when nothing is.
    pub fn of_call(&self, now: Instant, call: CallId) -> Option<(TenantId, Vec<Kept>)> {
        let mut found = Vec::new();
        let mut tenant = None;
        for ring in &self.rings {
            let mut ring = locked(ring);
            ring.make_room(Some(now));
            for (leg, kept) in ring.kept.iter().filter(|(leg, _)| leg.calls.contains(&call)) {
                tenant.get_or_insert_with(|| leg.tenant.clone());
                found.push(kept.clone());
            }
        }
        found.sort_by_key(|kept| kept.at);
        Some((tenant?, found))
    }

    /// Messages of calls that are kept, and their bytes.
    pub fn size(&self) -> (usize, usize) {
        self.rings.iter().fold((0, 0), |(messages, bytes), ring| {
            let ring = locked(ring);
            (messages + ring.kept.len(), bytes + ring.bytes)
        })
    }
}

/// What one shard's calls said.
#[derive(Debug)]
struct Ring {
    limits: CaptureLimits,
    kept: VecDeque<(Arc<Leg>, Kept)>,
    bytes: usize,
    /// By the hash of the Call-ID.
    legs: HashMap<u64, Arc<Leg>>,
    /// The keys of `legs`, in the order in which they came.
    named: VecDeque<u64>,
    /// Of INVITEs that no call is known of: strangers', and the first of each call until it has its name.
    unnamed: VecDeque<(u64, Kept)>,
    unnamed_bytes: usize,
}

impl Default for Ring {
    fn default() -> Ring {
        Ring {
            limits: CaptureLimits::OFF,
            kept: VecDeque::new(),
            bytes: 0,
            legs: HashMap::new(),
            named: VecDeque::new(),
            unnamed: VecDeque::new(),
            unnamed_bytes: 0,
        }
    }
}

impl Ring {
    fn put(&mut self, now: Instant, leg: Arc<Leg>, kept: Kept) {
        self.bytes += kept.bytes.len();
        self.kept.push_back((leg, kept));
        self.make_room(Some(now));
    }

    /// What was kept of a leg is that of the leg as it is called now.
    fn rename(&mut self, before: &Arc<Leg>, now: &Arc<Leg>) {
        for (leg, _) in self.kept.iter_mut().filter(|(leg, _)| Arc::ptr_eq(leg, before)) {
            *leg = Arc::clone(now);
        }
    }

    /// Nobody has said yet whose it is. Strangers cannot push out what is kept of calls.
    fn wait(&mut self, of: u64, kept: Kept) {
        self.unnamed_bytes += kept.bytes.len();
        self.unnamed.push_back((of, kept));
        while self.unnamed.len() > UNNAMED || self.unnamed_bytes > self.limits.bytes / UNNAMED_SHARE {
            let Some((_, oldest)) = self.unnamed.pop_front() else { break };
            self.unnamed_bytes -= oldest.bytes.len();
        }
    }

    /// Forgets the oldest until the rest is within the limits.
    fn make_room(&mut self, now: Option<Instant>) {
        while let Some((_, oldest)) = self.kept.front() {
            let is_old = now.is_some_and(|now| now.since(oldest.at) > self.limits.age);
            let room = self.limits.bytes - self.limits.bytes / UNNAMED_SHARE;
            if !is_old && self.kept.len() <= self.limits.messages && self.bytes <= room {
                break;
            }
            self.bytes -= oldest.bytes.len();
            self.kept.pop_front();
        }
        if self.limits.messages == 0 {
            *self = Ring { limits: self.limits, ..Ring::default() };
        }
    }
}

/// What of a message decides whether it is kept.
struct Head {
    call_id: u64,
    /// An INVITE, its ACK or CANCEL, or a response to one.
    of_invite: bool,
}

impl Head {
    fn of(message: &[u8]) -> Option<Head> {
        let is_response = message.starts_with(b"SIP/");
        let mut of_invite =
            [&b"INVITE "[..], b"ACK ", b"CANCEL "].iter().any(|method| message.starts_with(method));
        let mut call_id = None;
        for (name, value) in headers(message) {
            match name.len() {
                1 if name.eq_ignore_ascii_case(b"i") => call_id = call_id.or_else(|| Some(hash(value))),
                7 if name.eq_ignore_ascii_case(b"call-id") => call_id = call_id.or_else(|| Some(hash(value))),
                4 if is_response && name.eq_ignore_ascii_case(b"cseq") => {
                    of_invite = value.ends_with(b"INVITE")
                }
                _ => continue,
            }
            if call_id.is_some() && (!is_response || of_invite) {
                break;
            }
        }
        Some(Head { call_id: call_id?, of_invite })
    }
}

/// FNV-1a; two legs that share a hash would be shown in one trace, once in many thousand years.
fn hash(call_id: &[u8]) -> u64 {
    call_id
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A poisoned ring was a panic of another look, which leaves nothing half done that matters here.
fn locked(ring: &Mutex<Ring>) -> MutexGuard<'_, Ring> {
    ring.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Messages that may wait for their leg's name: INVITE, challenge, ACK of the calls that arrive at one moment.
const UNNAMED: usize = 256;
/// One part in so many of the bytes is theirs.
const UNNAMED_SHARE: usize = 8;
/// Legs are known for longer than their messages are kept, so that a long call's end is kept too.
const LEGS_PER_MESSAGE: usize = 4;

#[cfg(test)]
mod tests;
