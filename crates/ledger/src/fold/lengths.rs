//! Owns the lengths of a draft: how long it rang, talked and was held. Does not own what tells of them (see `fold`).

use clock::WallTime;
use model::outcome::HungUpBy;

use super::Draft;
use crate::cdr::Segment;

impl Draft {
    pub(super) fn hold(&mut self, at: WallTime, by: HungUpBy) -> bool {
        if self.holders.contains(&by) {
            return true; // a repeated re-INVITE
        }
        self.holders.push(by);
        self.hold_since.get_or_insert(at);
        self.connected_segments().for_each(|segment| segment.hold.count += 1);
        self.connected_since.is_some()
    }

    pub(super) fn resume(&mut self, at: WallTime, by: HungUpBy) -> bool {
        let held = self.holders.contains(&by);
        self.holders.retain(|holder| *holder != by);
        if self.holders.is_empty() {
            self.close_hold(at);
        }
        held
    }

    pub(super) fn close_hold(&mut self, at: WallTime) {
        let Some(since) = self.hold_since.take() else { return };
        for segment in self.connected_segments() {
            let begin = segment.answered.map_or(since, |answered| answered.max(since));
            segment.hold.total += at.since(begin);
        }
        if let Some(connected) = self.connected_since {
            self.cdr.lengths.hold += at.since(since.max(connected));
        }
    }

    pub(super) fn stop_ringing(&mut self, at: WallTime) {
        let rings = |s: &Segment| s.rang.is_some() && s.answered.is_none() && s.left.is_none();
        if self.cdr.segments.iter().any(rings) {
            return;
        }
        if let Some(since) = self.ringing_since.take() {
            self.cdr.lengths.ring += at.since(since);
        }
    }

    pub(super) fn stop_talking(&mut self, at: WallTime) {
        if self.connected_segments().next().is_some() {
            return;
        }
        let Some(since) = self.connected_since else { return };
        self.close_hold(at);
        self.holders.clear();
        self.connected_since = None;
        self.connected += at.since(since);
        self.cdr.lengths.talk = self.connected.saturating_sub(self.cdr.lengths.hold);
    }
}
