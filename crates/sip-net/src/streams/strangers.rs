//! Owns which connections are strangers', and which of them makes way for another. Does not own closing it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

/// Connections that peers opened and that have got nothing but refusals yet, by their ids, which ascend with time.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    sources: HashMap<u64, IpAddr>,
    of_sources: HashMap<IpAddr, BTreeSet<u64>>,
    /// How many each source has, with its oldest.
    crowds: BTreeSet<(usize, Reverse<u64>, IpAddr)>,
}

impl Strangers {
    /// One from `source` has begun.
    pub fn insert(&mut self, id: u64, source: IpAddr) {
        self.sources.insert(id, source);
        self.change(source, |ids| ids.insert(id));
    }

    /// It is over, or no stranger's any more.
    pub fn remove(&mut self, id: u64) {
        if let Some(source) = self.sources.remove(&id) {
            self.change(source, |ids| ids.remove(&id));
        }
    }

    /// Takes the oldest of those from `source`; where none is said, of the source that has most: many that come anew from
    /// one do not end others before they have logged in.
    pub fn take_oldest(&mut self, source: Option<IpAddr>) -> Option<u64> {
        let source = source.or_else(|| self.crowds.last().map(|(_, _, source)| *source))?;
        let oldest = *self.of_sources.get(&source)?.first()?;
        self.remove(oldest);
        Some(oldest)
    }

    fn change(&mut self, source: IpAddr, change: impl FnOnce(&mut BTreeSet<u64>) -> bool) {
        let crowd = |ids: &BTreeSet<u64>| ids.first().map(|oldest| (ids.len(), Reverse(*oldest), source));
        let ids = self.of_sources.entry(source).or_default();
        if let Some(before) = crowd(ids) {
            self.crowds.remove(&before);
        }
        change(ids);
        match crowd(ids) {
            Some(after) => drop(self.crowds.insert(after)),
            None => drop(self.of_sources.remove(&source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_a_source_or_of_the_one_with_most_makes_way() {
        let mut strangers = Strangers::default();
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for (id, source) in [(1, one), (2, other), (3, other), (4, one), (5, other), (6, other)] {
            strangers.insert(id, source);
        }
        assert_eq!(strangers.take_oldest(None), Some(2), "the other has most");
        assert_eq!(strangers.take_oldest(Some(one)), Some(1));
        assert_eq!(strangers.take_oldest(None), Some(3));
        strangers.remove(6);
        strangers.remove(6);
        assert_eq!(
            strangers.take_oldest(None),
            Some(4),
            "of two that have as many, who has been there for longer"
        );
        assert_eq!(strangers.take_oldest(Some(one)), None);
        assert_eq!((strangers.take_oldest(None), strangers.take_oldest(None)), (Some(5), None));
        assert!(
            strangers.sources.is_empty() && strangers.of_sources.is_empty() && strangers.crowds.is_empty()
        );
    }
}
