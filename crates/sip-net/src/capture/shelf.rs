//! Owns the kept messages of one shard, oldest first. Does not own which are kept, nor for how long (see [`super`]).
//!
//! Messages are copied one behind the other into blocks: one more costs a copy of what was just read or written, and
//! nothing is asked of the allocator, nor given back to it long after it has left the processor's cache.

use std::collections::VecDeque;
use std::iter::repeat_n;

use clock::Instant;
use sip::endpoint::Flow;

use super::{Passing, Way};

#[derive(Debug, Default)]
pub(super) struct Shelf {
    records: VecDeque<Record>,
    /// What the records say, in their order.
    blocks: VecDeque<Block>,
    /// One that is empty.
    spare: Option<Block>,
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
    /// Where in its block it begins.
    place: usize,
    length: usize,
}

#[derive(Debug)]
struct Block {
    bytes: Vec<u8>,
    /// How many messages of it are kept.
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
        let place = self.write(bytes);
        self.records.push_back(Record { at, way, flow, leg, ends, place, length: bytes.len() });
        self.bytes += bytes.len();
    }

    pub fn remove_oldest(&mut self) -> Option<Record> {
        let oldest = self.records.pop_front()?;
        self.bytes -= oldest.length;
        if let Some(block) = self.blocks.front_mut() {
            block.messages -= 1;
            if block.messages == 0 {
                self.spare = self.blocks.pop_front().filter(|block| block.bytes.capacity() == BLOCK);
            }
        }
        Some(oldest)
    }

    /// All, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (&Record, &[u8])> {
        let blocks = self.blocks.iter().flat_map(|block| repeat_n(&block.bytes, block.messages));
        self.records.iter().zip(blocks).map(|(record, block)| {
            let bytes = block.get(record.place..record.place + record.length);
            // invariant: `put` wrote it there, and a block is emptied when none of its messages is kept.
            (record, bytes.unwrap_or_default())
        })
    }

    /// Where in the last block it stands.
    fn write(&mut self, bytes: &[u8]) -> usize {
        let has_room = |block: &&mut Block| block.bytes.capacity() - block.bytes.len() >= bytes.len();
        if self.blocks.back_mut().as_ref().is_none_or(|block| !has_room(block)) {
            let spare = self.spare.take().filter(|block| block.bytes.capacity() >= bytes.len());
            let mut block = spare
                .unwrap_or_else(|| Block { bytes: Vec::with_capacity(BLOCK.max(bytes.len())), messages: 0 });
            block.bytes.clear();
            self.blocks.push_back(block);
        }
        let Some(block) = self.blocks.back_mut() else { return 0 };
        let place = block.bytes.len();
        block.bytes.extend_from_slice(bytes);
        block.messages += 1;
        place
    }
}

/// Bytes of a block: a few hundred messages.
const BLOCK: usize = 256 << 10;

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
        while shelf.remove_oldest().is_some() {}
        assert_eq!((shelf.bytes(), shelf.blocks.len(), shelf.iter().count()), (0, 0, 0));
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
        assert!(shelf.spare.is_some_and(|spare| spare.bytes.capacity() == BLOCK));
    }
}
