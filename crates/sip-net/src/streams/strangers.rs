//! Owns which connections are strangers', and which of them makes way for another. Does not own closing it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Connections that peers opened and that have got nothing but refusals yet, by their ids, which ascend with time.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    sources: BTreeMap<u64, IpAddr>,
    of_sources: BTreeSet<(IpAddr, u64)>,
}

impl Strangers {
    /// One from `source` has begun.
    pub fn insert(&mut self, id: u64, source: IpAddr) {
        self.sources.insert(id, source);
        self.of_sources.insert((source, id));
    }

    /// It is over, or no stranger's any more.
    pub fn remove(&mut self, id: u64) {
        if let Some(source) = self.sources.remove(&id) {
            self.of_sources.remove(&(source, id));
        }
    }

    /// Takes the oldest; of those from `source` if one is said.
    pub fn take_oldest(&mut self, source: Option<IpAddr>) -> Option<u64> {
        let id = match source {
            None => *self.sources.first_key_value()?.0,
            Some(source) => self.of_sources.range((source, 0)..=(source, u64::MAX)).next()?.1,
        };
        self.remove(id);
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_way_of_all_or_of_a_source() {
        let mut strangers = Strangers::default();
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for (id, source) in [(3, one), (1, one), (2, other), (4, other)] {
            strangers.insert(id, source);
        }
        assert_eq!(strangers.take_oldest(Some(other)), Some(2));
        assert_eq!(strangers.take_oldest(None), Some(1));
        strangers.remove(3);
        assert_eq!(strangers.take_oldest(Some(one)), None);
        assert_eq!(strangers.take_oldest(None), Some(4));
        assert_eq!(strangers.take_oldest(None), None);
        assert!(strangers.of_sources.is_empty());
    }
}
