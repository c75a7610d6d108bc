//! Owns what happened in a recording beside sound: holds, masks, comings and goings, and the file that tells of them. Does
//! not own what a mark means while a call lasts (see [`crate::room`]).

use model::LegId;
use model::recording::TalkShares;
use serde::Serialize;

use super::{Head, Layout};
use crate::command::Mark;
use crate::recording::{AudioBlock, Masks, Moment};
use crate::sink::Side;

/// What a recording's blocks say of it, in order.
#[derive(Debug, Default)]
pub struct Course {
    legs: Vec<(LegId, Side)>,
    moments: Vec<(u64, Moment)>,
}

/// What a recording was in at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Sound is kept.
    Open,
    /// Somebody is on hold.
    Held,
    /// Nothing is kept.
    Masked,
}

impl Course {
    /// Takes the legs of the next block.
    pub fn legs(&mut self, block: &AudioBlock<'_>) {
        for leg in block.legs() {
            if !self.legs.contains(&leg) {
                self.legs.push(leg);
            }
        }
    }

    /// Takes what happens next.
    pub fn moment(&mut self, at_us: u64, moment: Moment) {
        if moment != Moment::Alive {
            self.moments.push((at_us, moment));
        }
    }

    /// The phases in order: when each begins, in µs of the recording. The first begins at 0.
    pub fn phases(&self) -> Vec<(u64, Phase)> {
        let mut phases = vec![(0, Phase::Open)];
        let (mut masks, mut held) = (Masks::default(), false);
        for (at_us, moment) in &self.moments {
            let Moment::Marked(mark) = moment else { continue };
            masks.note(*mark);
            match mark {
                Mark::Hold => held = true,
                Mark::Resume => held = false,
                _ => {}
            }
            let phase = match (masks.are_none(), held) {
                (false, _) => Phase::Masked,
                (true, true) => Phase::Held,
                (true, false) => Phase::Open,
            };
            if phases.last().is_none_or(|(_, last)| *last != phase) {
                phases.push((*at_us, phase));
            }
        }
        phases
    }

    /// The file's content.
    pub fn events(
        self,
        head: &Head,
        (millis, complete): (u64, bool),
        layout: Layout,
        shares: TalkShares,
    ) -> Events {
        let leg = |(leg, side): (LegId, Side)| {
            let channel = match (layout, side) {
                // It is for nobody.
                (Layout::Both, Side::Left) => return None,
                (Layout::Both, Side::Right) => "both",
                (Layout::Apart, Side::Left) => "left",
                (Layout::Apart, Side::Right) => "right",
            };
            Some(EventLeg { leg: leg.to_string(), channel })
        };
        Events {
            version: 1,
            recording: head.recording.to_string(),
            call: head.call.to_string(),
            tenant: head.tenant.to_string(),
            started_us: head.started.0,
            millis,
            complete,
            shares,
            legs: self.legs.into_iter().filter_map(leg).collect(),
            events: self.moments.into_iter().map(Happening::from).collect(),
        }
    }
}

/// What happened in a recording, as its file beside the sound tells.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Events {
    /// 1.
    pub version: u8,
    /// Which recording.
    pub recording: String,
    /// The call it belongs to.
    pub call: String,
    /// Whose.
    pub tenant: String,
    /// Wall time of its beginning, µs since 1970.
    pub started_us: i64,
    /// Its length.
    pub millis: u64,
    /// Whether its end is known; a crash cut it short otherwise.
    pub complete: bool,
    /// Who spoke for how long.
    pub shares: TalkShares,
    /// Who was in it.
    pub legs: Vec<EventLeg>,
    /// What happened, in order.
    pub events: Vec<Happening>,
}

/// A party of a recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventLeg {
    /// Which leg of the call.
    pub leg: String,
    /// `left` the caller, `right` everybody else; `both` everybody in a conference.
    pub channel: &'static str,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Happening {
    /// When, from the recording's beginning.
    pub at_ms: u64,
    /// What: `started`, `ended`, or the name of a [`Mark`].
    pub event: &'static str,
    /// To whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leg: Option<String>,
    /// Why, for a mask: `secret` keys, or `paused`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'static str>,
}

impl From<(u64, Moment)> for Happening {
    fn from((at_us, moment): (u64, Moment)) -> Happening {
        let (event, leg, cause) = match moment {
            Moment::Started => ("started", None, None),
            Moment::Alive => ("alive", None, None),
            Moment::Ended => ("ended", None, None),
            Moment::Marked(mark) => {
                let cause = match mark {
                    Mark::Mask(cause) | Mark::Unmask(cause) => Some(cause.word()),
                    _ => None,
                };
                (mark.word(), mark.leg(), cause)
            }
        };
        Happening { at_ms: at_us / 1_000, event, leg: leg.map(|leg| leg.to_string()), cause }
    }
}
