//! Owns one running recording: what is kept, and when a block is full. Does not own the bytes of a block (see
//! [`super::block`]).

use std::time::Duration;

use clock::{Instant, WallTime};
use model::{CallId, LegId, RecordingId, TenantId};
use smallvec::SmallVec;

use super::block::{Block, Builder, Head};
use super::{FULL_BLOCK, Masks, Memory, Moment, Start};
use crate::command::Mark;
use crate::sink::{Side, TapPacket};

/// A block is handed over at this age, so that with the way to the disk a crash costs less than a second.
const BLOCK_AGE: Duration = Duration::from_millis(800);

/// A packet beyond this is no speech and is not kept, in bytes.
const MAX_PAYLOAD: usize = 2 * 1024;

/// Parties of one recording; whoever comes later is not kept rather than kept as somebody else.
const MAX_LEGS: usize = 254;

/// A tenant's name is a folder's name.
const MAX_TENANT: usize = 255;

/// Collects one recording's packets and marks into blocks: `packet`, `mark` and `end` in, `poll_block` out.
#[derive(Debug)]
pub struct Recorder {
    recording: RecordingId,
    call: CallId,
    tenant: TenantId,
    started: WallTime,
    began: Instant,
    legs: SmallVec<[(LegId, Side); 4]>,
    masks: Masks,
    keeping: Keeping,
    index: u32,
    open: Option<Open>,
    last_handed: Instant,
    ready: SmallVec<[Block; 1]>,
    memory: Memory,
}

#[derive(Debug)]
struct Open {
    builder: Builder,
    since: Instant,
}

/// Whether more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeping {
    GoesOn,
    Ended,
}

impl Recorder {
    /// Begins at `now`, which is the wall time `start.started`; its blocks are built in `memory`.
    pub fn start(now: Instant, start: Start, memory: &Memory) -> Recorder {
        let mut legs = SmallVec::new();
        legs.push((start.caller, Side::Left));
        legs.extend(start.persons.into_iter().take(MAX_LEGS - 1).map(|leg| (leg, Side::Right)));
        let tenant = start.tenant.as_str();
        let tenant = TenantId::new(&tenant[..tenant.floor_char_boundary(MAX_TENANT)]);
        let mut recorder = Recorder {
            recording: start.recording,
            call: start.call,
            tenant,
            started: start.started,
            began: now,
            legs,
            masks: Masks::default(),
            keeping: Keeping::GoesOn,
            index: 0,
            open: None,
            last_handed: now,
            ready: SmallVec::new(),
            memory: memory.clone(),
        };
        recorder.moment(now, Moment::Started, None);
        recorder
    }

    /// Which recording.
    pub fn recording(&self) -> RecordingId {
        self.recording
    }

    /// Where the next packet is kept in memory; `None` while no block is open.
    #[inline]
    pub fn whereabouts(&self) -> Option<*const u8> {
        self.open.as_ref().map(|open| open.builder.whereabouts())
    }

    /// Which call.
    pub fn call(&self) -> CallId {
        self.call
    }

    /// A packet as the room hands it out. A leg that is new takes the packet's side.
    pub fn packet(&mut self, packet: &TapPacket<'_>) {
        let kept = self.keeping == Keeping::GoesOn && self.masks.are_none();
        if !kept || packet.payload.len() > MAX_PAYLOAD {
            return;
        }
        let now = packet.arrival;
        let Some(leg) = self.leg_or_new(now, packet.leg, packet.side) else { return };
        let full =
            |open: &Open| !open.builder.fits(packet.payload.len()) || now.since(open.since) >= BLOCK_AGE;
        if self.open.as_ref().is_some_and(full) {
            self.hand_over(now);
        }
        let open = self.opened(now);
        let at_us = offset_us(open.since, now);
        open.builder.packet(leg, packet, at_us);
    }

    /// Puts `mark` on the timeline; masks also stop and start the keeping, `PartyJoined` adds a leg.
    pub fn mark(&mut self, now: Instant, mark: Mark) {
        if self.keeping == Keeping::Ended {
            return;
        }
        self.masks.note(mark);
        let party = match (mark, mark.leg()) {
            // Who was never there cannot leave.
            (Mark::PartyLeft(_) | Mark::GuestLeft(_), Some(leg)) => match self.leg_index(leg) {
                None => return,
                known => known,
            },
            (Mark::CallerBecame(_), Some(leg)) => match self.leg_or_new(now, leg, Side::Left) {
                None => return,
                known => known,
            },
            (_, Some(leg)) => match self.leg_or_new(now, leg, Side::Right) {
                None => return,
                known => known,
            },
            (_, None) => None,
        };
        self.moment(now, Moment::Marked(mark), party);
    }

    /// Completes the recording; what comes later is not kept. The last block is ready at once.
    pub fn end(&mut self, now: Instant) {
        if self.keeping != Keeping::Ended {
            self.moment(now, Moment::Ended, None);
            self.keeping = Keeping::Ended;
            self.hand_over(now);
        }
    }

    /// Whether packets or marks have completed a block: [`Recorder::poll_block`] has it whatever the time.
    #[inline]
    pub fn has_block(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The next block for the journal: full, old enough, or the last.
    pub fn poll_block(&mut self, now: Instant) -> Option<Block> {
        if self.ready.is_empty() && self.poll_timeout().is_some_and(|due| due <= now) {
            if self.open.is_none() {
                self.moment(now, Moment::Alive, None);
            }
            self.hand_over(now);
        }
        if self.ready.is_empty() { None } else { Some(self.ready.remove(0)) }
    }

    /// When [`Recorder::poll_block`] has something to hand over at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match (&self.open, self.keeping) {
            _ if !self.ready.is_empty() => Some(self.last_handed),
            (Some(open), _) => Some(open.since + BLOCK_AGE),
            (None, Keeping::Ended) => None,
            // A recording without packets says each second that it goes on.
            (None, _) => Some(self.last_handed + BLOCK_AGE),
        }
    }

    fn leg_index(&self, leg: LegId) -> Option<u8> {
        self.legs.iter().position(|(known, _)| *known == leg).and_then(|index| u8::try_from(index).ok())
    }

    /// The place of `leg` among the legs; `None` when there are too many.
    fn leg_or_new(&mut self, now: Instant, leg: LegId, side: Side) -> Option<u8> {
        let known = self.leg_index(leg);
        if known.is_some() || self.legs.len() >= MAX_LEGS {
            return known;
        }
        // Legs stand before a block's entries: the block without this leg ends here.
        self.hand_over(now);
        self.legs.push((leg, side));
        self.leg_index(leg)
    }

    fn moment(&mut self, now: Instant, moment: Moment, leg: Option<u8>) {
        if self.open.as_ref().is_some_and(|open| !open.builder.fits(0)) {
            self.hand_over(now);
        }
        let open = self.opened(now);
        let at_us = offset_us(open.since, now);
        open.builder.moment(moment, leg, at_us);
    }

    fn opened(&mut self, now: Instant) -> &mut Open {
        let (index, began) = (self.index, self.began);
        let (recording, call, started) = (self.recording, self.call, self.started);
        let (tenant, legs, memory) = (self.tenant.as_str(), &self.legs, &self.memory);
        self.open.get_or_insert_with(|| {
            let base_us = u64::try_from(now.since(began).as_micros()).unwrap_or(u64::MAX);
            let head = Head { recording, call, tenant, started, index, base_us, legs: legs.as_slice() };
            Open { builder: Builder::new(&head, memory), since: now }
        })
    }

    fn hand_over(&mut self, now: Instant) {
        if let Some(open) = self.open.take() {
            if !open.builder.is_empty() {
                self.ready.push(open.builder.build());
                self.index += 1;
            }
            self.last_handed = now;
        }
    }
}

fn offset_us(from: Instant, to: Instant) -> u32 {
    u32::try_from(to.since(from).as_micros()).unwrap_or(u32::MAX)
}

// The largest payload fits an empty block whose tenant and legs are as long as they may be.
const _: () = assert!(80 + MAX_TENANT + 7 + MAX_LEGS * 16 + 24 + MAX_PAYLOAD + 16 <= FULL_BLOCK);

#[cfg(test)]
mod tests;
