//! Owns the places that header tables take: a message lasts for a turn and there are hundreds of thousands a second, so
//! each thread gives the places of the last ones to the next. Does not own what is in them (see [`super::Headers`]).

use std::cell::RefCell;

use super::Entry;

/// Where a table keeps its fields, and the bytes of those that were pushed.
#[derive(Clone, Debug, Default)]
pub(super) struct Room {
    pub added: Vec<u8>,
    pub entries: Vec<Entry>,
}

impl Room {
    /// Room for `fields` of `bytes` together.
    pub fn of(fields: usize, bytes: usize) -> Room {
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten();
        let mut room = spare.unwrap_or_else(|| Room {
            added: Vec::with_capacity(BYTES.max(bytes)),
            entries: Vec::with_capacity(FIELDS.max(fields)),
        });
        room.entries.reserve(fields);
        room.added.reserve(bytes);
        room
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let usual = (FIELDS..=4 * FIELDS).contains(&self.entries.capacity())
            && (BYTES..=4 * BYTES).contains(&self.added.capacity());
        if !usual {
            return;
        }
        let (mut added, mut entries) = (std::mem::take(&mut self.added), std::mem::take(&mut self.entries));
        added.clear();
        entries.clear();
        // A thread that ends keeps nothing.
        let _ended = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < MOST {
                spare.push(Room { added, entries });
            }
        });
    }
}

thread_local! {
    static SPARE: RefCell<Vec<Room>> = const { RefCell::new(Vec::new()) };
}

/// What nearly all messages find enough.
const FIELDS: usize = 24;
const BYTES: usize = 768;
/// How many messages a thread has in hand at once.
const MOST: usize = 8;
