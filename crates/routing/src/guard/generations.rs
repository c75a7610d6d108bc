//! Owns a table of bounded size that forgets what was not asked for lately.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use clock::Instant;

/// Values in two generations. What is asked for moves to the young one; what was not asked for during one to two lives
/// is forgotten. When the young one is full the generations turn at once, so that there are never more than twice
/// `room` values, and those that were asked for last stay.
#[derive(Debug)]
pub(super) struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    turned: Instant,
    life: Duration,
    room: usize,
}

impl<K: Eq + Hash, V> Generations<K, V> {
    pub fn new(life: Duration, room: usize) -> Generations<K, V> {
        Generations { young: HashMap::new(), old: HashMap::new(), turned: Instant::ZERO, life, room }
    }

    /// The value of `key`, made when there is none.
    pub fn get(&mut self, now: Instant, key: K, make: impl FnOnce() -> V) -> &mut V {
        self.turn(now);
        if !self.young.contains_key(&key) && self.young.len() >= self.room {
            self.old = std::mem::take(&mut self.young);
            self.turned = now;
        }
        let old = &mut self.old;
        let kept = old.remove(&key);
        self.young.entry(key).or_insert_with(|| kept.unwrap_or_else(make))
    }

    pub fn has(&self, key: &K) -> bool {
        self.young.contains_key(key) || self.old.contains_key(key)
    }

    fn turn(&mut self, now: Instant) {
        let since = now.since(self.turned);
        if since < self.life {
            return;
        }
        self.old = std::mem::take(&mut self.young);
        if since >= self.life * 2 {
            self.old = HashMap::new();
        }
        self.turned = now;
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Instant {
        Instant::from_secs(second)
    }

    #[test]
    fn what_is_not_asked_for_is_forgotten_after_two_lives_at_the_latest() {
        let mut table = Generations::new(Duration::from_secs(10), 100);
        *table.get(at(100), "a", || 1) += 1;
        *table.get(at(105), "b", || 1) += 1;
        assert_eq!(*table.get(at(112), "b", || 9), 2);
        assert!(table.has(&"a"));
        table.get(at(123), "c", || 0);
        assert!(!table.has(&"a") && table.has(&"b"));
        table.get(at(200), "c", || 0);
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_flood_of_new_keys_is_bounded_and_keeps_those_that_are_used() {
        let mut table = Generations::new(Duration::from_secs(1_000), 50);
        for key in 0..10_000 {
            table.get(at(1), key, || ());
            *table.get(at(1), -1, || ()) = ();
            assert!(table.len() <= 100);
        }
        assert!(table.has(&-1) && table.has(&9_999) && !table.has(&0));
    }
}
