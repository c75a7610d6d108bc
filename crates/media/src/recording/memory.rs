//! Owns the memory that blocks are built in and that goes from one block to the next. Does not own what stands in it (see
//! [`super::block`]), nor where it comes from (see `media-net`).

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use super::FULL_BLOCK;

/// Memory for blocks: whoever begins a block takes a piece, which comes back with the block's end. Clones share it.
///
/// Whoever begins a block never waits. While nothing lies here, a block's memory comes from the heap and goes back there;
/// that it was so is remembered, for who can lay in more.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<Stock>>);

#[derive(Debug, Default)]
struct Stock {
    /// The piece that came back last is taken first: the processor still knows it.
    pieces: Vec<&'static mut [u8]>,
    /// How often nothing lay here since somebody asked.
    missed: u32,
}

impl Memory {
    /// Pieces for as many blocks as fit into `bytes`.
    pub fn lay_in(&self, bytes: &'static mut [u8]) {
        let (pieces, _rest) = bytes.as_chunks_mut::<FULL_BLOCK>();
        // Behind those that were used before; the first first.
        let fresh = pieces.iter_mut().rev().map(|piece| &mut piece[..]);
        let mut stock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stock.pieces.splice(..0, fresh);
    }

    /// Whether blocks were begun since the last time for which nothing lay here.
    pub fn was_short(&self) -> bool {
        let mut stock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut stock.missed) > 0
    }

    /// Memory of any content for one block.
    pub(super) fn take(&self) -> Sheet {
        // Whoever gives back holds the lock for a moment, and might lose the processor in it.
        if let Ok(mut stock) = self.0.try_lock() {
            if let Some(piece) = stock.pieces.pop() {
                return Sheet::Lent(piece, self.clone());
            }
            stock.missed += 1;
        }
        Sheet::of(vec![0; FULL_BLOCK])
    }

    fn give_back(&self, piece: &'static mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pieces.push(piece);
    }
}

/// The memory of one block.
#[derive(Debug)]
pub(super) enum Sheet {
    /// Goes back when it is dropped.
    Lent(&'static mut [u8], Memory),
    /// From the heap.
    Own(Box<[u8]>),
}

impl Sheet {
    /// One that is `bytes`.
    pub fn of(bytes: Vec<u8>) -> Sheet {
        Sheet::Own(bytes.into_boxed_slice())
    }
}

impl Deref for Sheet {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Sheet::Lent(piece, _) => piece,
            Sheet::Own(bytes) => bytes,
        }
    }
}

impl DerefMut for Sheet {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Sheet::Lent(piece, _) => piece,
            Sheet::Own(bytes) => bytes,
        }
    }
}

impl Clone for Sheet {
    fn clone(&self) -> Sheet {
        Sheet::of(self.to_vec())
    }
}

impl Drop for Sheet {
    fn drop(&mut self) {
        if let Sheet::Lent(piece, home) = self {
            home.give_back(std::mem::take(piece));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lent(sheet: &Sheet) -> bool {
        matches!(sheet, Sheet::Lent(..))
    }

    #[test]
    fn a_piece_serves_one_block_after_the_other_and_none_twice_at_once() {
        let memory = Memory::default();
        memory.lay_in(vec![0; 3 * FULL_BLOCK + 100].leak());
        let mut sheets: Vec<Sheet> = (0..3).map(|_| memory.take()).collect();
        assert!(sheets.iter().all(|sheet| lent(sheet) && sheet.len() == FULL_BLOCK));
        for (sheet, mark) in sheets.iter_mut().zip(1..) {
            sheet.fill(mark);
        }
        for (sheet, mark) in sheets.iter().zip(1..) {
            assert!(sheet.iter().all(|byte| *byte == mark), "no other writes here");
        }
        let middle = sheets.remove(1);
        let at = middle.as_ptr();
        drop(middle);
        assert_eq!(memory.take().as_ptr(), at, "what came back last comes first");
        assert!(!memory.was_short());
    }

    #[test]
    fn where_nothing_lies_blocks_have_their_own_and_it_is_told_once() {
        let memory = Memory::default();
        let own = memory.take();
        assert!(!lent(&own) && own.len() == FULL_BLOCK);
        assert!(memory.was_short());
        assert!(!memory.was_short(), "since the last time");
        drop(own);
        memory.lay_in(vec![0; FULL_BLOCK].leak());
        let (first, second) = (memory.take(), memory.take());
        assert!(lent(&first) && !lent(&second), "what came from the heap is not lent");
        assert!(memory.was_short());
    }

    #[test]
    fn what_is_laid_in_comes_after_what_was_used() {
        let memory = Memory::default();
        memory.lay_in(vec![0; FULL_BLOCK].leak());
        let at = memory.take().as_ptr();
        let more = vec![0; 2 * FULL_BLOCK].leak();
        let first = more.as_ptr();
        memory.lay_in(more);
        let (one, two) = (memory.take(), memory.take());
        assert_eq!((one.as_ptr(), two.as_ptr()), (at, first));
    }

    #[test]
    fn whoever_begins_a_block_does_not_wait() {
        let memory = Memory::default();
        memory.lay_in(vec![0; FULL_BLOCK].leak());
        let held = memory.0.lock().unwrap();
        assert!(!lent(&memory.take()));
        drop(held);
        assert!(lent(&memory.take()));
    }
}
