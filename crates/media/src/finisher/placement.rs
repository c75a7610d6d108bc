//! Owns where in a recording a packet belongs: its media time, anchored to arrivals. Does not own samples (see
//! [`super::timeline`]).
//!
//! Media time says how far apart two packets of a leg are, arrival says where the leg stands against the other. The
//! packet that came through fastest in each ten seconds anchors the rest of them, so that jitter, loss and reordering
//! move nothing, and a clock that drifts is followed in steps of 10 ms. A leg whose media time jumps against its
//! arrivals (silence that did not count, another source) is anchored anew.

use std::collections::VecDeque;

use model::LegId;

use crate::codec;
use crate::recording::Packet;

/// Samples of 8 kHz in `micros`.
pub const fn samples(micros: u64) -> u64 {
    micros / 125
}

/// One anchor serves packets of this many samples of arrivals: 10 s.
const PIECE: i64 = 80_000;

/// Media time that moves by more than this against arrivals has jumped: 400 ms.
const JUMP: u64 = 3_200;

/// An anchor stays until the next is off by more than this: 10 ms.
const STEP: u64 = 80;

/// So few packets behind a jump, late by no more than `LATE`, are stragglers and not a new beginning.
const STRAGGLERS: u32 = 10;

/// The latest that a straggler may be: 2 s.
const LATE: i64 = 16_000;

/// The first pass.
#[derive(Debug, Default)]
pub struct PlacementSurvey {
    legs: Vec<LegSurvey>,
}

#[derive(Debug)]
struct LegSurvey {
    leg: LegId,
    pieces: Vec<Piece>,
    last_delay: i64,
}

/// Consecutive packets of one leg that share an anchor.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Arrival of its first packet, in samples.
    from: i64,
    packets: u32,
    /// The least of arrival − media time.
    fastest: i64,
    beginning: Beginning,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    Jumped,
    GoesOn,
}

impl PlacementSurvey {
    /// Looks at the next packet in order of arrival.
    pub fn packet(&mut self, packet: &Packet<'_>) {
        let leg = match self.legs.iter().position(|known| known.leg == packet.leg) {
            Some(index) => &mut self.legs[index],
            None => {
                self.legs.push(LegSurvey { leg: packet.leg, pieces: Vec::new(), last_delay: 0 });
                let last = self.legs.len() - 1;
                &mut self.legs[last]
            }
        };
        let (arrival, delay) = (spoken(packet), delay(packet));
        let beginning = match leg.pieces.last() {
            None => Some(Beginning::Jumped),
            Some(_) if delay.abs_diff(leg.last_delay) > JUMP => Some(Beginning::Jumped),
            Some(piece) if arrival - piece.from >= PIECE => Some(Beginning::GoesOn),
            Some(_) => None,
        };
        leg.last_delay = delay;
        match (beginning, leg.pieces.last_mut()) {
            (None, Some(piece)) => {
                piece.packets += 1;
                piece.fastest = piece.fastest.min(delay);
            }
            (beginning, _) => leg.pieces.push(Piece {
                from: arrival,
                packets: 1,
                fastest: delay,
                beginning: beginning.unwrap_or(Beginning::Jumped),
            }),
        }
    }

    /// The anchors of all packets seen.
    pub fn finish(self) -> Placement {
        let anchors = |leg: LegSurvey| LegAnchors { leg: leg.leg, anchors: anchors(&leg.pieces) };
        Placement { legs: self.legs.into_iter().map(anchors).collect() }
    }
}

fn anchors(pieces: &[Piece]) -> VecDeque<Anchor> {
    let mut current: Option<i64> = None;
    pieces
        .iter()
        .map(|piece| {
            let offset = match current {
                Some(offset) if piece.fastest.abs_diff(offset) <= STEP => offset,
                Some(offset)
                    if piece.beginning == Beginning::Jumped
                        && piece.packets < STRAGGLERS
                        && (0..=LATE).contains(&piece.fastest.saturating_sub(offset)) =>
                {
                    offset
                }
                _ => piece.fastest,
            };
            current = Some(offset);
            Anchor { packets: piece.packets, offset }
        })
        .collect()
}

/// The second pass: where each packet of the first belongs.
#[derive(Debug)]
pub struct Placement {
    legs: Vec<LegAnchors>,
}

#[derive(Debug)]
struct LegAnchors {
    leg: LegId,
    anchors: VecDeque<Anchor>,
}

#[derive(Clone, Copy, Debug)]
struct Anchor {
    packets: u32,
    offset: i64,
}

impl Placement {
    /// The position of the packet's first sample in the recording; below 0 for one spoken before it began.
    pub fn place(&mut self, packet: &Packet<'_>) -> i64 {
        let leg = self.legs.iter_mut().find(|known| known.leg == packet.leg);
        let anchors = leg.map(|leg| &mut leg.anchors);
        let Some((anchors, anchor)) = anchors.and_then(|all| all.front().copied().map(|first| (all, first)))
        else {
            // A packet that the first pass did not see stands where it arrived.
            return spoken(packet);
        };
        if anchor.packets <= 1 {
            anchors.pop_front();
        } else if let Some(first) = anchors.front_mut() {
            first.packets -= 1;
        }
        (packet.media_time as i64).wrapping_add(anchor.offset)
    }
}

/// When the packet's first sample was spoken, were the way here without delay: in samples since the beginning.
#[inline]
fn spoken(packet: &Packet<'_>) -> i64 {
    samples(packet.at_us) as i64 - codec::length(packet.codec, packet.payload) as i64
}

fn delay(packet: &Packet<'_>) -> i64 {
    spoken(packet).wrapping_sub(packet.media_time as i64)
}
