//! Owns which legs are known, whose they are, how far each has come, and whether its messages are kept. Does not own the messages
//! (see [`super::shelf`]).
//!
//! ```text
//!  leg:  Early ──2xx──► Up ──BYE──► Over ──► forgotten when the oldest message that says so makes room; if it is not kept,
//!          ▲ └──refusal, BYE─────────▲ │     at once, or after a refusal, which may be a challenge, some seconds later
//!          └──────────INVITE───────────┘
//! ```

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use clock::{Instant, MintedMap};
use model::{CallId, TenantId};
use smallvec::SmallVec;

use super::head::{Head, Said};

/// The legs of calls.
#[derive(Debug, Default)]
pub(super) struct Legs {
    /// By the hash of the Call-ID.
    legs: HashMap<u64, Leg>,
    /// Calls that have a leg here.
    calls: MintedMap<CallId, Of>,
    /// Legs that are not kept and were refused, and when.
    refused: VecDeque<(Instant, u64)>,
}

/// Whose a message is.
#[derive(Debug)]
pub(super) struct Leg {
    pub tenant: TenantId,
    /// The calls that it has been part of: one, unless it was transferred, picked up or joined.
    pub calls: SmallVec<[CallId; 1]>,
    /// When its last message passed.
    heard: Instant,
    stage: Stage,
    kept: bool,
}

/// A call: all of its legs go one way.
#[derive(Debug)]
struct Of {
    kept: bool,
    legs: usize,
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

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nobody has said yet whose it is.
    Unnamed,
    /// Of a call that is not kept.
    Dropped,
    Kept {
        /// With it its leg is over.
        ends: bool,
    },
}

impl Legs {
    /// Foreseen: a table in which entries come and go doubles when it has long been full.
    pub fn reserve(&mut self, legs: usize) {
        self.legs.reserve(legs);
    }

    pub fn get(&self, id: u64) -> Option<&Leg> {
        self.legs.get(&id)
    }

    /// The leg `id` is of `call`, and kept if that is; `keeps` says so of a call that begins. Whether this is new.
    pub fn name(
        &mut self,
        id: u64,
        (tenant, call): (TenantId, CallId),
        heard: Instant,
        keeps: impl FnOnce() -> bool,
    ) -> bool {
        let of = self.calls.entry(call).or_insert_with(|| Of { kept: keeps(), legs: 0 });
        match self.legs.entry(id) {
            Entry::Vacant(place) => {
                let (calls, kept) = (SmallVec::from([call]), of.kept);
                place.insert(Leg { tenant, calls, heard, stage: Stage::Early, kept });
            }
            Entry::Occupied(mut place) => {
                let leg = place.get_mut();
                if leg.calls.contains(&call) {
                    return false;
                }
                leg.tenant = tenant;
                leg.calls.push(call);
                leg.kept |= of.kept;
            }
        }
        of.legs += 1;
        true
    }

    /// A message passes.
    pub fn hear(&mut self, now: Instant, head: Head) -> Fate {
        let Some(leg) = self.legs.get_mut(&head.call_id) else { return Fate::Unnamed };
        let before = leg.stage;
        leg.stage = before.after(head.said);
        leg.heard = now;
        let ends = leg.stage == Stage::Over;
        if leg.kept {
            return Fate::Kept { ends };
        }
        if head.said == Said::Bye {
            self.forget(head.call_id);
        } else if ends && before != Stage::Over {
            self.refused.push_back((now, head.call_id));
        }
        Fate::Dropped
    }

    /// The oldest message that ended the leg `id` has gone, and with it the leg, unless it began again.
    pub fn end(&mut self, id: u64) {
        if self.legs.get(&id).is_some_and(|leg| leg.stage == Stage::Over) {
            self.forget(id);
        }
    }

    /// Legs that were refused some seconds ago and are not kept had no challenge.
    pub fn pass(&mut self, now: Instant) {
        while let Some((_, id)) = self.refused.pop_front_if(|(at, _)| now.since(*at) >= CHALLENGED) {
            if self.legs.get(&id).is_some_and(|leg| !leg.kept) {
                self.end(id);
            }
        }
    }

    /// Where there are `most`, those go that are not kept, then those of which nothing is kept since `oldest`, calls that ended
    /// without a word and those that outlive what is kept; then all.
    pub fn make_room(&mut self, most: usize, oldest: Option<Instant>) {
        let rules: [&dyn Fn(&Leg) -> bool; 3] =
            [&|leg| leg.kept, &|leg| oldest.is_some_and(|oldest| leg.heard >= oldest), &|_| false];
        for stays in rules {
            if self.legs.len() < most {
                return;
            }
            let gone: Vec<u64> = self.legs.iter().filter(|(_, leg)| !stays(leg)).map(|(id, _)| *id).collect();
            gone.into_iter().for_each(|id| self.forget(id));
        }
    }

    fn forget(&mut self, id: u64) {
        for call in self.legs.remove(&id).into_iter().flat_map(|leg| leg.calls) {
            let Some(of) = self.calls.get_mut(&call) else { continue };
            of.legs -= 1;
            if of.legs == 0 {
                self.calls.remove(&call);
            }
        }
    }
}

/// Who was challenged says so again by then.
const CHALLENGED: Duration = Duration::from_secs(5);

#[cfg(test)]
impl Legs {
    pub fn len(&self) -> usize {
        self.legs.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    fn call(number: u64) -> CallId {
        CallId::from(number << 8)
    }

    fn name(legs: &mut Legs, id: u64, of: u64, keeps: bool) -> bool {
        legs.name(id, (TenantId::default(), call(of)), at(0), || keeps)
    }

    fn hear(legs: &mut Legs, seconds: u64, id: u64, said: Said) -> Fate {
        legs.hear(at(seconds), Head { call_id: id, said })
    }

    #[test]
    fn all_legs_of_a_call_go_the_way_of_its_first() {
        for keeps in [true, false] {
            let mut legs = Legs::default();
            assert!(name(&mut legs, 1, 7, keeps) && name(&mut legs, 2, 7, !keeps));
            let fate = if keeps { Fate::Kept { ends: false } } else { Fate::Dropped };
            assert_eq!([1, 2].map(|id| hear(&mut legs, 0, id, Said::Invite)), [fate; 2]);
            // When its last leg has gone, nothing is known of it.
            legs.make_room(0, None);
            assert!(legs.legs.is_empty() && legs.calls.is_empty());
            assert!(name(&mut legs, 3, 7, !keeps));
            assert_ne!(hear(&mut legs, 0, 3, Said::Invite), fate);
        }
    }

    #[test]
    fn a_leg_that_comes_into_a_call_that_is_kept_is_kept_from_then_on() {
        let mut legs = Legs::default();
        name(&mut legs, 1, 7, false);
        assert_eq!(hear(&mut legs, 0, 1, Said::Invite), Fate::Dropped);
        assert!(name(&mut legs, 1, 8, true) && !name(&mut legs, 1, 8, true));
        assert_eq!(hear(&mut legs, 0, 1, Said::Bye), Fate::Kept { ends: true });
        legs.end(1);
        assert!(legs.legs.is_empty() && legs.calls.is_empty());
    }

    #[test]
    fn a_leg_that_is_not_kept_goes_with_its_bye_or_seconds_after_a_refusal_that_was_no_challenge() {
        let mut legs = Legs::default();
        (1..=3).for_each(|id| assert!(name(&mut legs, id, id, false)));
        assert_eq!(hear(&mut legs, 1, 1, Said::Bye), Fate::Dropped);
        assert_eq!(hear(&mut legs, 1, 1, Said::OfInvite), Fate::Unnamed);
        for id in [2, 3] {
            hear(&mut legs, 1, id, Said::Refusal);
            hear(&mut legs, 1, id, Said::OfInvite);
        }
        hear(&mut legs, 2, 3, Said::Invite);
        legs.pass(at(5));
        assert_eq!(legs.len(), 2);
        legs.pass(at(6));
        assert!(legs.get(2).is_none() && legs.get(3).is_some() && legs.refused.is_empty());
        assert_eq!(hear(&mut legs, 7, 3, Said::Answer), Fate::Dropped);
    }

    #[test]
    fn where_there_are_too_many_those_go_first_that_are_not_kept_and_then_the_silent() {
        let mut legs = Legs::default();
        for id in 0..30 {
            name(&mut legs, id, id, id >= 10);
            hear(&mut legs, id, id, Said::Invite);
        }
        legs.make_room(31, Some(at(20)));
        assert_eq!(legs.len(), 30);
        legs.make_room(30, Some(at(20)));
        assert!(legs.len() == 20 && (10..30).all(|id| legs.get(id).is_some()));
        legs.make_room(20, Some(at(20)));
        assert!(legs.len() == 10 && (20..30).all(|id| legs.get(id).is_some()));
        legs.make_room(10, Some(at(20)));
        assert_eq!((legs.len(), legs.calls.len()), (0, 0));
    }
}
