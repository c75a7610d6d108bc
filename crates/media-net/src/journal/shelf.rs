//! Owns which segments hold blocks of which recordings, and so which segment may go. Does not own files (see
//! [`super::segments`]).

use std::collections::BTreeMap;

use clock::MintedMap;
use media::recording::Place;
use model::RecordingId;

/// The journal's contents, as far as they matter for what comes.
#[derive(Debug, Default)]
pub struct Shelf {
    /// Recordings without a playable file.
    unfinished: MintedMap<RecordingId, Chain>,
    /// Recordings with one, while blocks of them still stand in the journal.
    finished: MintedMap<RecordingId, Finished>,
    /// Every segment on disk, with the number of unfinished recordings that have blocks in it.
    segments: BTreeMap<u64, u32>,
}

#[derive(Debug)]
struct Chain {
    last: Place,
    segments: Vec<u64>,
}

#[derive(Debug)]
struct Finished {
    /// The segment whose mark says so; `None` when the mark could not be written.
    marked: Option<u64>,
    segments: Vec<u64>,
}

impl Shelf {
    /// A segment is on disk.
    pub fn found(&mut self, segment: u64) {
        self.segments.entry(segment).or_default();
    }

    /// The recording's block written last.
    pub fn last(&self, recording: RecordingId) -> Option<Place> {
        self.unfinished.get(&recording).map(|chain| chain.last)
    }

    /// A block was written. `true` when it is the first of a segment.
    pub fn wrote(&mut self, recording: RecordingId, place: Place) -> bool {
        let new_segment = !self.segments.contains_key(&place.segment);
        let holders = self.segments.entry(place.segment).or_default();
        let chain = self
            .unfinished
            .entry(recording)
            .or_insert_with(|| Chain { last: place, segments: Vec::with_capacity(1) });
        chain.last = place;
        if !chain.segments.contains(&place.segment) {
            chain.segments.push(place.segment);
            *holders += 1;
        }
        new_segment
    }

    /// A recording has its playable file.
    pub fn finished(&mut self, recording: RecordingId) {
        let Some(chain) = self.unfinished.remove(&recording) else { return };
        for segment in &chain.segments {
            if let Some(holders) = self.segments.get_mut(segment) {
                *holders = holders.saturating_sub(1);
            }
        }
        self.finished.insert(recording, Finished { marked: None, segments: chain.segments });
    }

    /// A mark in `segment` says that `recordings` are finished.
    pub fn marked(&mut self, recordings: &[RecordingId], segment: u64) {
        self.found(segment);
        for recording in recordings {
            if let Some(finished) = self.finished.get_mut(recording) {
                finished.marked = Some(segment);
            }
        }
    }

    /// A segment that may go: not the growing one, and no unfinished recording has a block in it.
    pub fn unneeded(&self, growing: Option<u64>) -> Option<u64> {
        self.segments
            .iter()
            .find(|(segment, holders)| **holders == 0 && Some(**segment) != growing)
            .map(|(segment, _)| *segment)
    }

    /// Forgets `segment`. The recordings whose mark went with it although blocks of them stand elsewhere.
    pub fn drop_segment(&mut self, segment: u64) -> Vec<RecordingId> {
        self.segments.remove(&segment);
        let mut unmarked = Vec::new();
        self.finished.retain(|recording, finished| {
            finished.segments.retain(|holder| *holder != segment);
            if !finished.segments.is_empty() && finished.marked == Some(segment) {
                unmarked.push(*recording);
            }
            !finished.segments.is_empty()
        });
        unmarked
    }

    /// Recordings without a playable file.
    pub fn unfinished(&self) -> impl Iterator<Item = (RecordingId, Place)> + '_ {
        self.unfinished.iter().map(|(recording, chain)| (*recording, chain.last))
    }

    /// Whether every recording has its playable file.
    pub fn is_empty(&self) -> bool {
        self.unfinished.is_empty()
    }
}

#[cfg(test)]
mod tests;
