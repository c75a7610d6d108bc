//! Owns how many connections peers may have, and whose makes way for another. Does not own closing it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use super::{StreamEnd, StreamLimits};

/// The places of connections that peers opened.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: usize,
    /// By source: an IPv4 address, an IPv6 /64.
    of_source: HashMap<IpAddr, usize>,
    strangers: Strangers,
}

impl Places {
    /// Takes one for `source`, or says of what there are too many.
    pub fn take(&mut self, source: IpAddr, limits: &StreamLimits) -> Result<(), StreamEnd> {
        let of_source = self.of_source.get(&source).copied().unwrap_or_default();
        if of_source >= limits.open_per_source {
            return Err(StreamEnd::TooManyOfSource);
        }
        if self.taken >= limits.open {
            return Err(StreamEnd::TooMany);
        }
        self.taken += 1;
        self.of_source.insert(source, of_source + 1);
        Ok(())
    }

    /// Who has the place is a stranger so far.
    pub fn begins(&mut self, id: u64, source: IpAddr) {
        self.strangers.insert(id, source);
    }

    /// Who has it is no stranger any more.
    pub fn serve(&mut self, id: u64) {
        self.strangers.remove(id);
    }

    /// It is free again.
    pub fn leave(&mut self, id: u64, source: IpAddr) {
        self.strangers.remove(id);
        let Some(of_source) = self.of_source.get_mut(&source) else { return };
        *of_source -= 1;
        if *of_source == 0 {
            self.of_source.remove(&source);
        }
        self.taken -= 1;
    }

    /// The stranger who makes way where there are too many by `end`. It is none any more.
    pub fn make_way(&mut self, source: IpAddr, end: StreamEnd) -> Option<u64> {
        self.strangers.take_oldest((end == StreamEnd::TooManyOfSource).then_some(source))
    }
}

/// Connections that have got nothing but refusals yet, by their ids, which ascend with time.
#[derive(Debug, Default)]
struct Strangers {
    sources: HashMap<u64, IpAddr>,
    of_sources: HashMap<IpAddr, BTreeSet<u64>>,
    /// How many each source has, with its oldest.
    crowds: BTreeSet<(usize, Reverse<u64>, IpAddr)>,
}

impl Strangers {
    /// One from `source` has begun.
    fn insert(&mut self, id: u64, source: IpAddr) {
        self.sources.insert(id, source);
        self.change(source, |ids| ids.insert(id));
    }

    /// It is over, or no stranger's any more.
    fn remove(&mut self, id: u64) {
        if let Some(source) = self.sources.remove(&id) {
            self.change(source, |ids| ids.remove(&id));
        }
    }

    /// Takes the oldest of those from `source`; where none is said, of the source that has most: many that come anew from
    /// one do not end others before they have logged in.
    fn take_oldest(&mut self, source: Option<IpAddr>) -> Option<u64> {
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
    fn a_place_that_is_left_is_free_for_all() {
        let limits = StreamLimits { open: 3, open_per_source: 2, ..StreamLimits::default() };
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut places = Places::default();
        let took = |places: &mut Places, source, id| {
            let taken = places.take(source, &limits);
            taken.map(|()| places.begins(id, source))
        };
        assert_eq!(took(&mut places, one, 1), Ok(()));
        assert_eq!(took(&mut places, one, 2), Ok(()));
        assert_eq!(took(&mut places, one, 3), Err(StreamEnd::TooManyOfSource));
        assert_eq!(took(&mut places, other, 4), Ok(()));
        assert_eq!(took(&mut places, other, 5), Err(StreamEnd::TooMany));
        assert_eq!(places.make_way(other, StreamEnd::TooManyOfSource), Some(4));
        places.serve(1);
        assert_eq!(places.make_way(other, StreamEnd::TooMany), Some(2));
        assert_eq!(places.make_way(one, StreamEnd::TooManyOfSource), None, "nobody makes way twice");
        for (id, source) in [(4, other), (4, other), (1, one), (2, one)] {
            places.leave(id, source);
        }
        assert_eq!((places.taken, places.of_source.len()), (0, 0));
    }

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
