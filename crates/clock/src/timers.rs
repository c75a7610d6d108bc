//! Owns timers as data: a table for one machine's few, a queue for a shard's many.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash, RandomState};

use smallvec::SmallVec;

use crate::Instant;

/// A timer kind: a fieldless enum with its index.
pub trait TimerKey: Copy {
    /// This kind's place, below 256.
    fn index(self) -> usize;
    /// The kind at `index`.
    fn from_index(index: usize) -> Self;
}

/// One machine's few timers: at most one deadline per kind; the next one is a `min`.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct TimerTable<K> {
    /// Those that are set, by the index of their kind, in no order.
    due: SmallVec<[(u8, Instant); 4]>,
    kind: std::marker::PhantomData<K>,
}

impl<K> Default for TimerTable<K> {
    fn default() -> Self {
        TimerTable { due: SmallVec::new(), kind: std::marker::PhantomData }
    }
}

impl<K: TimerKey> TimerTable<K> {
    /// Sets `kind` to fire at `at`, whatever it was set to.
    pub fn set(&mut self, kind: K, at: Instant) {
        let index = index_of(kind);
        match self.due.iter_mut().find(|(known, _)| *known == index) {
            Some((_, due)) => *due = at,
            None => self.due.push((index, at)),
        }
    }

    /// Unsets `kind`.
    pub fn clear(&mut self, kind: K) {
        let index = index_of(kind);
        self.due.retain(|(known, _)| *known != index);
    }

    /// When `kind` fires, if it is set.
    pub fn at(&self, kind: K) -> Option<Instant> {
        let index = index_of(kind);
        self.due.iter().find(|(known, _)| *known == index).map(|(_, at)| *at)
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        self.due.iter().map(|(_, at)| *at).min()
    }

    /// Takes the earliest timer due at `now`, unsetting it; of equal ones the first kind.
    pub fn pop(&mut self, now: Instant) -> Option<K> {
        let due = self.due.iter().enumerate().filter(|(_, (_, at))| *at <= now);
        let (place, _) = due.min_by_key(|(_, (index, at))| (*at, *index))?;
        let (index, _) = self.due.swap_remove(place);
        Some(K::from_index(usize::from(index)))
    }
}

fn index_of<K: TimerKey>(kind: K) -> u8 {
    // invariant: `TimerKey::index` is below 256.
    kind.index() as u8
}

/// Many timers, one per key: set, cleared and popped in O(log n). Where no peer chooses the keys, `S` may be
/// [`crate::MintedState`].
#[derive(Clone, Debug)]
pub struct TimerQueue<K, S = RandomState> {
    by_time: BTreeMap<(Instant, u64), K>,
    by_key: HashMap<K, (Instant, u64), S>,
    serial: u64,
}

impl<K, S: Default> Default for TimerQueue<K, S> {
    fn default() -> Self {
        TimerQueue { by_time: BTreeMap::new(), by_key: HashMap::default(), serial: 0 }
    }
}

impl<K: Clone + Eq + Hash, S: BuildHasher> TimerQueue<K, S> {
    /// Sets `key` to fire at `at`, whatever it was set to. Equal times fire in the order they were set.
    pub fn set(&mut self, key: K, at: Instant) {
        self.clear(&key);
        self.serial += 1;
        self.by_time.insert((at, self.serial), key.clone());
        self.by_key.insert(key, (at, self.serial));
    }

    /// Sets or clears `key`; an unchanged deadline costs one look-up.
    pub fn set_or_clear(&mut self, key: K, at: Option<Instant>) {
        match at {
            Some(at) if self.at(&key) == Some(at) => {}
            Some(at) => self.set(key, at),
            None => self.clear(&key),
        }
    }

    /// Unsets `key`.
    pub fn clear(&mut self, key: &K) {
        if let Some(slot) = self.by_key.remove(key) {
            self.by_time.remove(&slot);
        }
    }

    /// When `key` fires, if it is set.
    pub fn at(&self, key: &K) -> Option<Instant> {
        self.by_key.get(key).map(|slot| slot.0)
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        self.by_time.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the earliest key due at `now`, with its deadline.
    pub fn pop(&mut self, now: Instant) -> Option<(K, Instant)> {
        if self.next()? > now {
            return None;
        }
        let ((at, _), key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        Some((key, at))
    }

    /// How many timers are set.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether no timer is set.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Kind {
        Ring,
        Wait,
    }

    impl TimerKey for Kind {
        fn index(self) -> usize {
            self as usize
        }
        fn from_index(index: usize) -> Kind {
            [Kind::Ring, Kind::Wait][index]
        }
    }

    #[test]
    fn a_table_fires_each_kind_once_in_order_of_time() {
        let mut table = TimerTable::default();
        table.set(Kind::Wait, Instant::from_secs(1));
        table.set(Kind::Ring, Instant::from_secs(2));
        assert_eq!(table.next(), Some(Instant::from_secs(1)));
        assert_eq!(table.pop(Instant::from_millis(999)), None);
        assert_eq!(table.pop(Instant::from_secs(9)), Some(Kind::Wait));
        assert_eq!(table.pop(Instant::from_secs(9)), Some(Kind::Ring));
        assert_eq!(table.pop(Instant::from_secs(9)), None);
    }

    #[test]
    fn a_queue_keeps_one_deadline_per_key() {
        let mut queue: TimerQueue<&str> = TimerQueue::default();
        queue.set("a", Instant::from_secs(5));
        queue.set("b", Instant::from_secs(5));
        queue.set("a", Instant::from_secs(7));
        assert_eq!(queue.len(), 2);
        assert_eq!(queue.pop(Instant::from_secs(6)), Some(("b", Instant::from_secs(5))));
        assert_eq!(queue.pop(Instant::from_secs(6)), None);
        queue.clear(&"a");
        assert!(queue.is_empty() && queue.next().is_none());
    }
}
