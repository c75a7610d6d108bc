//! Owns the kept messages of one shard, oldest first. Does not own which are kept, nor for how long (see [`super`]).
//!
//! Messages are copied one behind the other into blocks: one more costs a copy of what was just read or written, and
//! nothing is asked of the allocator, nor given back to it long after it has left the processor's cache. Blocks and the
//! list of messages are so large that they have pages of their own: between what calls take and give back they would keep
//! its pages from going back to the system.

use std::collections::VecDeque;

use clock::Instant;
use sip::endpoint::Flow;

use super::{Passing, Way};

#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// None of them is empty.
    blocks: VecDeque<Block>,
    /// The text of one that is.
    spare: Option<Vec<u8>>,
    /// Of all messages, in the order of the blocks.
    records: VecDeque<Record>,
    bytes: usize,
}

/// A message that stands on the shelf.
#[derive(Debug)]
pub(super) struct Record {
    pub at: Instant,
    pub way: Way,
    pub flow: Flow,
    /// The hash of its Call-ID.
    pub leg: u64,
    /// With it its leg was over.
    pub ends: bool,
    /// Where in its block's text it stands.
    place: usize,
    length: usize,
}

#[derive(Debug)]
struct Block {
    text: Vec<u8>,
    messages: usize,
}

impl Shelf {
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Of all messages.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn oldest(&self) -> Option<&Record> {
        self.records.front()
    }

    pub fn newest(&self) -> Option<&Record> {
        self.records.back()
    }

    pub fn put(&mut self, message: Passing<'_>, leg: u64, ends: bool) {
        let Passing { at, way, flow, bytes } = message;
        let length = bytes.len();
        let block = self.block_for(length);
        let place = block.text.len();
        block.text.extend_from_slice(bytes);
        block.messages += 1;
        self.bytes += length;
        if self.records.len() == self.records.capacity() {
            // To double the room would waste half of it.
            self.records.reserve_exact((self.records.len() / 8).max(FEWEST));
        }
        self.records.push_back(Record { at, way, flow, leg, ends, place, length });
    }

    pub fn remove_oldest(&mut self) -> Option<Record> {
        let block = self.blocks.front_mut()?;
        let oldest = self.records.pop_front()?;
        block.messages -= 1;
        if block.messages == 0 {
            self.spare =
                self.blocks.pop_front().map(|block| block.text).filter(|text| text.capacity() == BLOCK);
        }
        self.bytes -= oldest.length;
        Some(oldest)
    }

    /// Gives back the room of messages that are gone and do not come again.
    pub fn shrink(&mut self) {
        self.records.shrink_to(self.records.len() + FEWEST);
        self.spare = None;
    }

    /// All, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (&Record, &[u8])> {
        let mut next = 0;
        self.blocks.iter().flat_map(move |Block { text, messages }| {
            let first = next;
            next += messages;
            // invariant: `put` wrote it there.
            let text = |record: &Record| &text[record.place..record.place + record.length];
            self.records.range(first..next).map(move |record| (record, text(record)))
        })
    }

    /// The last block, or a new one, with room for `length` bytes.
    fn block_for(&mut self, length: usize) -> &mut Block {
        let last = self.blocks.back();
        if last.is_none_or(|last| last.text.capacity() - last.text.len() < length) {
            let spare = self.spare.take().filter(|spare| spare.capacity() >= length);
            let mut text = spare.unwrap_or_else(|| Vec::with_capacity(BLOCK.max(length)));
            text.clear();
            self.blocks.push_back(Block { text, messages: 0 });
        }
        // invariant: there was one, or it was just put there.
        self.blocks.back_mut().expect("a block")
    }
}

/// Bytes of a block: a few hundred messages.
const BLOCK: usize = 256 << 10;
/// Messages that the list has room for from the first on.
const FEWEST: usize = 2 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> Flow {
        Flow::udp(0, "192.0.2.1:5060".parse().unwrap())
    }

    fn put(shelf: &mut Shelf, text: &[u8], leg: u64) {
        shelf.put(Passing { at: Instant::ZERO, way: Way::In, flow: flow(), bytes: text }, leg, false);
    }

    #[test]
    fn messages_come_back_in_order_across_blocks_and_a_shelf_that_turns_needs_no_more_room() {
        let mut shelf = Shelf::default();
        let text = |nth: u64| vec![nth as u8; 700 + (nth as usize * 37) % 900];
        for nth in 0..10_000 {
            put(&mut shelf, &text(nth), nth);
            if shelf.len() > 1_000 {
                assert_eq!(shelf.remove_oldest().map(|record| record.leg), Some(nth - 1_000));
            }
        }
        let kept: Vec<(u64, Vec<u8>)> =
            shelf.iter().map(|(record, text)| (record.leg, text.to_vec())).collect();
        assert_eq!(kept, (9_000..10_000).map(|nth| (nth, text(nth))).collect::<Vec<_>>());
        assert_eq!(shelf.bytes(), kept.iter().map(|(_, text)| text.len()).sum::<usize>());
        assert!(shelf.blocks.len() <= shelf.bytes() / BLOCK + 2, "{}", shelf.blocks.len());
        assert_eq!(shelf.records.capacity(), FEWEST);
        for nth in 0..10_000 {
            put(&mut shelf, &text(nth), nth);
        }
        while shelf.remove_oldest().is_some() {}
        assert_eq!((shelf.bytes(), shelf.blocks.len(), shelf.iter().count()), (0, 0, 0));
        shelf.shrink();
        assert_eq!(shelf.records.capacity(), FEWEST);
    }

    #[test]
    fn a_message_longer_than_a_block_has_one_of_its_own() {
        let mut shelf = Shelf::default();
        let long = vec![7; BLOCK + 1];
        for (text, leg) in [(&b"a"[..], 1), (&long, 2), (b"b", 3)] {
            put(&mut shelf, text, leg);
        }
        assert!(shelf.iter().map(|(_, text)| text).eq([&b"a"[..], &long, b"b"]));
        while shelf.remove_oldest().is_some() {}
        assert!(shelf.spare.is_some_and(|spare| spare.capacity() == BLOCK));
    }
}
