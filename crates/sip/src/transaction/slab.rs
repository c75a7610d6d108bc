//! Owns the storage of transactions: reached by an id that is never used again, in one step.

/// Values by id. An id is the place in the lower 32 bits and the place's generation in the upper.
///
/// Places lie in blocks that never move: a slab that grows copies nothing and has at most one block too many, where
/// a vector copies all it holds, in the middle of somebody's call, to twice the room.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    blocks: Vec<Box<[Place<T>]>>,
    free: Vec<u32>,
    /// The generation before that of a new place.
    floor: u32,
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { blocks: Vec::new(), free: Vec::new(), floor: 0 }
    }
}

impl<T> Slab<T> {
    /// What one value takes in memory.
    #[cfg(test)]
    pub(crate) const PLACE_BYTES: usize = size_of::<Place<T>>();

    /// Keeps `value`.
    pub(crate) fn insert(&mut self, value: T) -> u64 {
        if self.free.is_empty() {
            self.add_block();
        }
        // invariant: a block has places, and they have just been added.
        let index = self.free.pop().expect("a block is not empty");
        let place = &mut self.blocks[block(index)][within(index)];
        place.generation = place.generation.wrapping_add(1);
        place.value = Some(value);
        u64::from(place.generation) << 32 | u64::from(index)
    }

    /// The value of `id`, unless it was removed.
    pub(crate) fn get(&self, id: u64) -> Option<&T> {
        let place = self.blocks.get(block(id as u32))?.get(within(id as u32))?;
        if place.generation == generation(id) { place.value.as_ref() } else { None }
    }

    /// The value of `id`, unless it was removed.
    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        let place = self.blocks.get_mut(block(id as u32))?.get_mut(within(id as u32))?;
        if place.generation == generation(id) { place.value.as_mut() } else { None }
    }

    /// Takes the value of `id`.
    pub(crate) fn remove(&mut self, id: u64) -> Option<T> {
        let place = self.blocks.get_mut(block(id as u32))?.get_mut(within(id as u32))?;
        if place.generation != generation(id) {
            return None;
        }
        let value = place.value.take()?;
        self.free.push(id as u32);
        // A burst leaves no memory behind: all blocks but the first go when all is quiet.
        if self.free.len() == self.places() && self.blocks.len() > 1 {
            self.shrink();
        }
        Some(value)
    }

    /// Every id and value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.blocks.iter().flatten().enumerate().filter_map(|(index, place)| {
            let value = place.value.as_ref()?;
            Some((u64::from(place.generation) << 32 | index as u64, value))
        })
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.places() - self.free.len()
    }

    fn places(&self) -> usize {
        self.blocks.len() * BLOCK
    }

    fn add_block(&mut self) {
        let empty = |_| Place { generation: self.floor, value: None };
        let first = self.places();
        self.blocks.push((0..BLOCK).map(empty).collect());
        // invariant: 2^32 live transactions do not fit in memory.
        let last = u32::try_from(first + BLOCK - 1).expect("fewer than 2^32 transactions");
        // The lowest is taken first.
        self.free.extend((first as u32..=last).rev());
    }

    /// Gives back all blocks but one; its places go on with the highest generation, so ids stay unique.
    fn shrink(&mut self) {
        let highest = self.blocks.iter().flatten().map(|place| place.generation).max().unwrap_or(self.floor);
        self.floor = highest;
        self.blocks.truncate(1);
        for place in self.blocks.iter_mut().flatten() {
            place.generation = highest;
        }
        self.free = (0..BLOCK as u32).rev().collect();
    }
}

/// Places in a block.
const BLOCK: usize = 256;

const fn block(index: u32) -> usize {
    index as usize / BLOCK
}

const fn within(index: u32) -> usize {
    index as usize % BLOCK
}

const fn generation(id: u64) -> u32 {
    (id >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_never_used_again_even_after_a_burst_gave_its_memory_back() {
        let mut slab = Slab::default();
        let first = slab.insert('a');
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b');
        assert_ne!(first, second);
        assert_eq!((slab.get(first), slab.get(second)), (None, Some(&'b')));
        assert_eq!(slab.remove(first), None);
        let many: Vec<u64> = (0..1000).map(|_| slab.insert('c')).collect();
        assert_eq!(slab.len(), 1001);
        slab.remove(second);
        for id in &many {
            slab.remove(*id);
        }
        assert_eq!((slab.len(), slab.places()), (0, BLOCK));
        for _ in 0..1000 {
            let id = slab.insert('d');
            assert!(!many.contains(&id) && id != second && id != first);
        }
    }
}
