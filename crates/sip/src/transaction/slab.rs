//! Owns the storage of transactions: reached by an id that is never used again, in one step.

/// Values by id. An id is the place in the lower 32 bits and the place's generation in the upper.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<Place<T>>,
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
        Slab { places: Vec::new(), free: Vec::new(), floor: 0 }
    }
}

impl<T> Slab<T> {
    /// What one value takes in memory.
    #[cfg(test)]
    pub(crate) const PLACE_BYTES: usize = size_of::<Place<T>>();

    /// Keeps `value`.
    pub(crate) fn insert(&mut self, value: T) -> u64 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { generation: self.floor, value: None });
            // invariant: 2^32 live transactions do not fit in memory.
            u32::try_from(self.places.len() - 1).expect("fewer than 2^32 transactions")
        });
        let place = &mut self.places[index as usize];
        place.generation = place.generation.wrapping_add(1);
        place.value = Some(value);
        u64::from(place.generation) << 32 | u64::from(index)
    }

    /// The value of `id`, unless it was removed.
    pub(crate) fn get(&self, id: u64) -> Option<&T> {
        let place = self.places.get(index(id))?;
        if place.generation == generation(id) { place.value.as_ref() } else { None }
    }

    /// The value of `id`, unless it was removed.
    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        let place = self.places.get_mut(index(id))?;
        if place.generation == generation(id) { place.value.as_mut() } else { None }
    }

    /// Takes the value of `id`.
    pub(crate) fn remove(&mut self, id: u64) -> Option<T> {
        let place = self.places.get_mut(index(id))?;
        if place.generation != generation(id) {
            return None;
        }
        let value = place.value.take()?;
        self.free.push(id as u32);
        // A burst leaves no memory behind: the tail of empty places goes when all is quiet.
        if self.free.len() == self.places.len() && self.places.len() > KEPT {
            self.shrink();
        }
        Some(value)
    }

    /// Every id and value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.places.iter().enumerate().filter_map(|(index, place)| {
            let value = place.value.as_ref()?;
            Some((u64::from(place.generation) << 32 | index as u64, value))
        })
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Gives back all places but a few; all go on with the highest generation, so ids stay unique.
    fn shrink(&mut self) {
        let highest = self.places.iter().map(|place| place.generation).max().unwrap_or(self.floor);
        self.floor = highest;
        self.places.truncate(KEPT);
        self.places.shrink_to_fit();
        for place in &mut self.places {
            place.generation = highest;
        }
        self.free = (0..KEPT as u32).rev().collect();
    }
}

/// Places kept when all is quiet.
const KEPT: usize = 64;

const fn index(id: u64) -> usize {
    (id & 0xffff_ffff) as usize
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
        assert_eq!((slab.len(), slab.places.len()), (0, KEPT));
        for _ in 0..1000 {
            let id = slab.insert('d');
            assert!(!many.contains(&id) && id != second && id != first);
        }
    }
}
