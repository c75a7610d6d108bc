//! Owns what the simulated media tells: words said, packets kept, marks, descriptions. Does not own the media itself (see
//! `studio`).

use super::World;
use crate::studio::Said;

impl World {
    /// Everything that was said so far.
    pub fn said(&self) -> &[Said] {
        &self.around.studio.said
    }

    /// Packets kept of a recording: left, right.
    pub fn kept(&self, recording: model::RecordingId) -> [u64; 2] {
        self.around.studio.kept.get(&recording).copied().unwrap_or_default()
    }

    /// What a recording's timeline shows so far, beside its beginning and end.
    pub fn marks(&self, recording: model::RecordingId) -> Vec<&'static str> {
        let marks = self.around.studio.marks.iter().filter(|(of, _)| *of == recording);
        marks.map(|(_, mark)| mark.word()).collect()
    }

    /// How often media was told what the peer of `leg` agreed on: each time its source may change (RFC 3264 §8).
    pub fn described(&self, leg: model::LegId) -> usize {
        self.around.studio.described.iter().filter(|port| **port == leg).count()
    }
}
