//! Owns the fold of events into call records and figures: there is no other way to make one. Does not own the
//! events (see `model::event`), their files or the rows (see `store`).
//!
//! [`Ledger`] reads one stamped event after the other and gives a [`Cdr`] when a call ends. [`Figures`] adds closed
//! records up. [`check_cdr`] says what a record contradicts. [`Exporter`] is the one place where times become text.

mod cdr;
mod check;
mod export;
mod figures;
mod fold;
mod micros;
#[cfg(any(test, feature = "story"))]
pub mod story;
mod time;

pub use cdr::{
    Amendment, Cdr, Ending, FlowFailure, Hold, KeyPress, Lengths, Menu, Note, Parties, Quality, Recording,
    RecordingState, Segment, SegmentOutcome, Step, Survey, SurveyAnswer, Times, Transfer, Visit, Way,
};
pub use check::{Violation, check_cdr, check_figures};
pub use export::{ExportedCdr, Exporter, direction_zh};
pub use figures::{AgentFigures, FigureKey, Figures, NumberFigures, QueueFigures, ServiceRules, Touched};
pub use fold::{Ledger, Update};
pub use time::{Day, ParseDayError, ParseTimeError, UtcOffset};
