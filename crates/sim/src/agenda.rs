//! Owns what will happen and when: datagrams on their way and mail between the switch's parts.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use clock::Instant;
use model::TenantId;
use sip::endpoint::{Flow, ServerTx};

use crate::dice::Dice;

/// One thing that will happen.
#[derive(Debug)]
pub(crate) enum Due {
    /// A datagram arrives.
    Datagram { from: SocketAddr, to: SocketAddr, bytes: Bytes },
    /// A shard reads a letter.
    Shard(u8, Box<call::Input>),
    /// A tenant's ACD reads a letter.
    Acd(TenantId, acd::Input),
    /// The media worker reads a command.
    Media(media::Command),
    /// The registrar reads a REGISTER that a shard got.
    Register { shard: u8, tx: ServerTx, flow: Flow, request: Box<sip::Request> },
}

/// Two parts of the switch between which mail keeps its order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    ShardToAcd(u8, TenantId),
    ShardToMedia(u8),
    ShardToRegistrar(u8),
    ShardToShard(u8, u8),
    AcdToShard(TenantId, u8),
    MediaToShard(u8),
    RegistrarToShard(u8),
    RegistrarToAcd(TenantId),
}

/// Everything that will happen, by time; equal times in the order in which they were put down.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Reverse<Slot>>,
    serial: u64,
    lanes: HashMap<Lane, Instant>,
    letters: usize,
    /// Datagrams of signalling on their way.
    signals: usize,
}

/// Whether a datagram is signalling: RTP and RTCP begin with the bits of version 2 (RFC 7983 §7).
fn is_signal(due: &Due) -> bool {
    matches!(due, Due::Datagram { bytes, .. } if bytes.first().is_some_and(|first| *first < 0x80))
}

#[derive(Debug)]
struct Slot {
    at: Instant,
    serial: u64,
    due: Due,
}

impl Agenda {
    pub fn put(&mut self, at: Instant, due: Due) {
        self.serial += 1;
        self.letters += usize::from(!matches!(due, Due::Datagram { .. }));
        self.signals += usize::from(is_signal(&due));
        self.heap.push(Reverse(Slot { at, serial: self.serial, due }));
    }

    /// Posts a letter that takes up to `longest`; letters of one lane keep their order.
    pub fn post(&mut self, now: Instant, dice: &mut Dice, longest: Duration, lane: Lane, due: Due) {
        let last = self.lanes.entry(lane).or_insert(now);
        *last = (now + dice.length(longest)).max(*last);
        let at = *last;
        self.put(at, due);
    }

    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|slot| slot.0.at)
    }

    /// Takes the first thing that is due at `now`.
    pub fn pop(&mut self, now: Instant) -> Option<Due> {
        if self.next()? > now {
            return None;
        }
        let due = self.heap.pop()?.0.due;
        self.letters -= usize::from(!matches!(due, Due::Datagram { .. }));
        self.signals -= usize::from(is_signal(&due));
        Some(due)
    }

    /// Letters that have not been read.
    pub fn letters(&self) -> usize {
        self.letters
    }

    /// Datagrams of signalling that have not arrived.
    pub fn signals(&self) -> usize {
        self.signals
    }
}

impl PartialEq for Slot {
    fn eq(&self, other: &Slot) -> bool {
        (self.at, self.serial) == (other.at, other.serial)
    }
}

impl Eq for Slot {}

impl PartialOrd for Slot {
    fn partial_cmp(&self, other: &Slot) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Slot {
    fn cmp(&self, other: &Slot) -> std::cmp::Ordering {
        (self.at, self.serial).cmp(&(other.at, other.serial))
    }
}
