//! Owns where a worker's rooms lie in memory, with their sockets and recordings. Does not own what happens to them (see
//! [`super::rooms`]).

use clock::Instant;
use media::room::Room;
use model::{CallId, LegId};
use smallvec::SmallVec;

use super::outlet::{Running, Sockets};

/// A room with its sockets and recordings.
pub struct Slot {
    pub room: Room,
    pub sockets: Sockets,
    pub legs: SmallVec<[LegId; 2]>,
    pub running: SmallVec<[Running; 1]>,
    /// When it is looked at next: when the room has something to do, or before.
    pub armed: Option<Instant>,
    /// When its recordings are asked for old blocks next.
    pub asked: Option<Instant>,
    pub players: usize,
    /// Ticks since what waits was read.
    pub unread: u8,
}

impl Slot {
    fn new(call: CallId) -> Slot {
        Slot {
            room: Room::new(call),
            sockets: SmallVec::new(),
            legs: SmallVec::new(),
            running: SmallVec::new(),
            armed: None,
            asked: None,
            players: 0,
            unread: 0,
        }
    }
}

/// The slots of one worker, each at a place of its own.
#[derive(Default)]
pub struct Slots {
    places: Vec<Option<Box<Slot>>>,
    free: Vec<u32>,
}

impl Slots {
    #[inline]
    pub fn at(&self, at: u32) -> Option<&Slot> {
        self.places.get(at as usize)?.as_deref()
    }

    #[inline]
    pub fn at_mut(&mut self, at: u32) -> Option<&mut Slot> {
        self.places.get_mut(at as usize)?.as_deref_mut()
    }

    /// Makes a room for `call`; its place.
    pub fn put(&mut self, call: CallId) -> u32 {
        let slot = Some(Box::new(Slot::new(call)));
        match self.free.pop() {
            Some(at) => {
                self.places[at as usize] = slot;
                at
            }
            None => {
                self.places.push(slot);
                // invariant: a room has a socket, and a process has fewer descriptors than a u32 counts.
                (self.places.len() - 1) as u32
            }
        }
    }

    /// Takes a slot out of its place, which is free for another.
    pub fn take(&mut self, at: u32) -> Option<Box<Slot>> {
        let slot = self.places.get_mut(at as usize)?.take()?;
        self.free.push(at);
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_finds_a_place_that_is_free_and_nothing_of_the_one_before() {
        let mut slots = Slots::default();
        let [first, second] = [1, 2].map(|call| slots.put(CallId::from(call)));
        assert_ne!(first, second);
        slots.at_mut(first).unwrap().legs.push(LegId::from(1));
        assert_eq!(slots.take(first).unwrap().room.id(), CallId::from(1));
        assert!(slots.at(first).is_none() && slots.take(first).is_none());
        assert_eq!(slots.put(CallId::from(3)), first);
        let slot = slots.at(first).unwrap();
        assert_eq!((slot.room.id(), slot.legs.len()), (CallId::from(3), 0));
        assert_ne!(slots.put(CallId::from(4)), second);
        assert_eq!(slots.at(second).unwrap().room.id(), CallId::from(2));
    }
}
