//! Owns how a call record is shown outside: flat, with times as text and the users' words beside ours. This is the
//! one place where a record's times become text.

use clock::{WallTime, millis};
use model::event::{Direction, TransferKind, TransferOutcome};
use model::outcome::{CallResult, HungUpBy, Termination};
use model::recording::TalkShares;
use serde::Serialize;

use crate::cdr::{Cdr, Note, Quality, Recording, RecordingState, Segment, SegmentOutcome, Transfer, Visit};
use crate::time::UtcOffset;

/// Shows records: knows the civil time and where the data folder is.
#[derive(Clone, Debug, Default)]
pub struct Exporter {
    /// Civil time.
    pub offset: UtcOffset,
    /// Put before the paths of recordings, so that they can be opened; empty leaves them below the data folder.
    pub data_dir: std::path::PathBuf,
    /// The region of a number (归属地) in users' words; where there is none, records show no regions.
    pub region_of: Option<fn(&str) -> String>,
}

/// A record as JSON shows it. Times are RFC 3339 texts, lengths whole milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names of the fields are those of the record")]
pub struct ExportedCdr {
    pub id: String,
    pub tenant: String,
    pub direction: Direction,
    pub direction_zh: &'static str,
    pub number: Option<String>,
    pub trunk: Option<String>,
    pub caller: String,
    pub caller_raw: String,
    pub caller_region: Option<String>,
    pub called: String,
    pub queue: Option<String>,
    pub agent: Option<String>,
    pub answered_by: Option<String>,
    pub began: String,
    pub switch_answered: Option<String>,
    pub queued: Option<String>,
    pub first_ring: Option<String>,
    pub agent_answered: Option<String>,
    pub ended: String,
    pub duration_ms: u64,
    pub wait_ms: u64,
    pub ring_ms: u64,
    pub talk_ms: u64,
    pub hold_ms: u64,
    pub keys: String,
    pub notice_played: bool,
    pub survey: Option<ExportedSurvey>,
    pub flow_error: Option<String>,
    pub result: CallResult,
    pub result_zh: &'static str,
    pub hung_up_by: HungUpBy,
    pub hung_up_by_zh: &'static str,
    pub termination: Termination,
    pub reason: Option<String>,
    pub recording: Option<String>,
    pub recording_id: Option<String>,
    pub recording_ms: Option<u64>,
    pub recording_state: Option<&'static str>,
    pub recordings: Vec<ExportedRecording>,
    pub not_recorded: Option<String>,
    pub fax: Option<String>,
    pub flow_path: Vec<ExportedStep>,
    pub queues: Vec<ExportedVisit>,
    pub segments: Vec<ExportedSegment>,
    pub transfers: Vec<ExportedTransfer>,
    pub notes: Vec<ExportedNote>,
    pub went_into: Option<String>,
    pub quality: Vec<ExportedQuality>,
    pub sip_call_id: String,
    pub source: String,
}

/// The survey of a call.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names of the fields are those of the record")]
pub struct ExportedSurvey {
    pub asked: String,
    pub key: Option<String>,
    pub label: Option<String>,
}

/// A node that the caller met, or a key taken there.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names of the fields are those of the record")]
pub struct ExportedStep {
    pub flow: String,
    pub node: String,
    pub at: String,
}

/// A place in a queue.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names of the fields are those of the record")]
pub struct ExportedVisit {
    pub entry: String,
    pub queue: String,
    pub priority: i32,
    pub joined: String,
    pub left: Option<String>,
    pub wait_ms: u64,
    pub outcome: Option<model::outcome::EntryOutcome>,
}

/// An offer and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names of the fields are those of the record")]
pub struct ExportedSegment {
    pub offer: String,
    pub agent: Option<String>,
    pub party: String,
    pub reason: String,
    pub ways: Vec<crate::Way>,
    pub offered: String,
    pub rang: Option<String>,
    pub answered: Option<String>,
    pub bridged: Option<String>,
    pub left: Option<String>,
    pub ring_ms: u64,
    pub talk_ms: u64,
    pub hold_ms: u64,
    pub holds: u32,
    pub outcome: Option<SegmentOutcome>,
}

/// Media figures of one leg, zeros among them.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names of the fields are those of the record")]
pub struct ExportedQuality {
    pub leg: model::LegId,
    pub received: u64,
    pub lost: u64,
    pub jitter_us: u32,
    pub went_silent: bool,
    pub round_trip_us: Option<u32>,
    pub mos_centi: u16,
    pub silent: bool,
    pub dropped: u64,
    pub unauthentic: u64,
}

impl ExportedQuality {
    fn of(quality: &Quality) -> ExportedQuality {
        ExportedQuality {
            leg: quality.leg,
            received: quality.received,
            lost: quality.lost,
            jitter_us: quality.jitter_us,
            went_silent: quality.went_silent,
            round_trip_us: quality.round_trip_us,
            mos_centi: quality.mos_centi,
            silent: quality.silent,
            dropped: quality.dropped,
            unauthentic: quality.unauthentic,
        }
    }
}

/// A note.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names of the fields are those of the record")]
pub struct ExportedNote {
    pub at: String,
    pub by: Option<String>,
    pub text: String,
}

/// A transfer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names of the fields are those of the record")]
pub struct ExportedTransfer {
    pub kind: TransferKind,
    pub kind_zh: &'static str,
    pub by: Option<String>,
    pub to: String,
    pub asked: String,
    pub ended: Option<String>,
    #[serde(flatten)]
    pub outcome: Option<TransferOutcome>,
}

/// A recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names of the fields are those of the record")]
pub struct ExportedRecording {
    pub id: String,
    pub state: &'static str,
    pub began: String,
    pub path: Option<String>,
    pub millis: Option<u64>,
    pub bytes: Option<u64>,
    pub sha256: Option<String>,
    pub shares: Option<TalkShares>,
    pub error: Option<String>,
}

impl Exporter {
    /// The record as JSON shows it.
    pub fn cdr(&self, cdr: &Cdr) -> ExportedCdr {
        let recordings: Vec<ExportedRecording> = cdr.recordings.iter().map(|r| self.recording(r)).collect();
        let main = cdr.main_recording().map(|r| self.recording(r));
        let (parties, times, ending) = (&cdr.parties, &cdr.times, &cdr.ending);
        ExportedCdr {
            id: cdr.id.to_string(),
            tenant: cdr.tenant.to_string(),
            direction: cdr.direction,
            direction_zh: direction_zh(cdr.direction),
            number: parties.number.as_ref().map(|n| n.as_str().to_owned()),
            trunk: parties.trunk.as_ref().map(ToString::to_string),
            caller: parties.caller.to_string(),
            caller_raw: parties.caller_raw.to_string(),
            caller_region: self
                .region_of
                .filter(|_| cdr.direction == Direction::In)
                .map(|region_of| region_of(&parties.caller)),
            called: parties.called.to_string(),
            queue: parties.queue.as_ref().map(|q| q.as_str().to_owned()),
            agent: parties.agent_of_record().map(|a| a.as_str().to_owned()),
            answered_by: parties.answered_by.as_ref().map(ToString::to_string),
            began: self.time(times.began),
            switch_answered: self.maybe(times.switch_answered),
            queued: self.maybe(times.queued),
            first_ring: self.maybe(times.first_ring),
            agent_answered: self.maybe(times.agent_answered),
            ended: self.time(times.ended),
            duration_ms: millis(cdr.duration()),
            wait_ms: millis(cdr.lengths.wait),
            ring_ms: millis(cdr.lengths.ring),
            talk_ms: millis(cdr.lengths.talk),
            hold_ms: millis(cdr.lengths.hold),
            keys: cdr.menu.keys.iter().map(|press| press.key.as_char()).collect(),
            notice_played: cdr.menu.notice_played.is_some(),
            survey: cdr.menu.survey.as_ref().map(|survey| ExportedSurvey {
                asked: self.time(survey.asked),
                key: survey.answer.as_ref().map(|a| a.key.to_string()),
                label: survey.answer.as_ref().map(|a| a.label.to_string()),
            }),
            flow_error: cdr.menu.failure.as_ref().map(|failure| failure.error.to_string()),
            result: ending.result,
            result_zh: match cdr.direction {
                Direction::Out => ending.result.zh_out(),
                Direction::In | Direction::Internal => ending.result.zh(),
            },
            hung_up_by: ending.by,
            hung_up_by_zh: ending.by.zh(),
            termination: ending.cause,
            reason: cdr.reason.as_ref().map(ToString::to_string),
            recording: main.as_ref().and_then(|r| r.path.clone()),
            recording_id: main.as_ref().map(|r| r.id.clone()),
            recording_ms: main.as_ref().and_then(|r| r.millis),
            recording_state: main.map(|r| r.state),
            recordings,
            not_recorded: self.maybe(cdr.not_recorded),
            fax: self.maybe(cdr.fax),
            flow_path: cdr.menu.path.iter().map(|s| self.step(s)).collect(),
            queues: cdr.visits.iter().map(|v| self.visit(v)).collect(),
            segments: cdr.segments.iter().map(|s| self.segment(s)).collect(),
            transfers: cdr.transfers.iter().map(|transfer| self.transfer(transfer)).collect(),
            notes: cdr.notes.iter().map(|note| self.note(note)).collect(),
            went_into: cdr.went_into.map(|call| call.to_string()),
            quality: cdr.quality.iter().map(ExportedQuality::of).collect(),
            sip_call_id: parties.sip_call_id.to_string(),
            source: parties.source.to_string(),
        }
    }

    /// A time as text.
    pub fn time(&self, at: WallTime) -> String {
        self.offset.rfc3339(at)
    }

    fn maybe(&self, at: Option<WallTime>) -> Option<String> {
        at.map(|at| self.time(at))
    }

    fn step(&self, step: &crate::cdr::Step) -> ExportedStep {
        ExportedStep {
            flow: step.flow.as_str().to_owned(),
            node: step.node.to_string(),
            at: self.time(step.at),
        }
    }

    fn visit(&self, visit: &Visit) -> ExportedVisit {
        ExportedVisit {
            entry: visit.entry.to_string(),
            queue: visit.queue.as_str().to_owned(),
            priority: visit.priority,
            joined: self.time(visit.joined),
            left: self.maybe(visit.left.map(|(at, _)| at)),
            wait_ms: millis(visit.wait()),
            outcome: visit.left.map(|(_, outcome)| outcome),
        }
    }

    fn segment(&self, segment: &Segment) -> ExportedSegment {
        ExportedSegment {
            offer: segment.offer.to_string(),
            agent: segment.agent.as_ref().map(|a| a.as_str().to_owned()),
            party: segment.party.to_string(),
            reason: segment.reason.to_string(),
            ways: segment.ways.clone(),
            offered: self.time(segment.offered),
            rang: self.maybe(segment.rang),
            answered: self.maybe(segment.answered),
            bridged: self.maybe(segment.bridged),
            left: self.maybe(segment.left.map(|(at, _)| at)),
            ring_ms: millis(segment.ring()),
            talk_ms: millis(segment.talk()),
            hold_ms: millis(segment.hold.total),
            holds: segment.hold.count,
            outcome: segment.left.map(|(_, outcome)| outcome),
        }
    }

    fn note(&self, note: &Note) -> ExportedNote {
        let by = note.by.as_ref().map(|agent| agent.name.to_string());
        ExportedNote { at: self.time(note.at), by, text: note.text.to_string() }
    }

    fn transfer(&self, transfer: &Transfer) -> ExportedTransfer {
        ExportedTransfer {
            kind: transfer.kind,
            kind_zh: match transfer.kind {
                TransferKind::Blind => "盲转",
                TransferKind::Attended => "咨询转",
            },
            by: transfer.by.as_ref().map(ToString::to_string),
            to: transfer.to.to_string(),
            asked: self.time(transfer.asked),
            ended: self.maybe(transfer.ended.map(|(at, _)| at)),
            outcome: transfer.ended.map(|(_, outcome)| outcome),
        }
    }

    fn recording(&self, recording: &Recording) -> ExportedRecording {
        let mut shown = ExportedRecording {
            id: recording.id.to_string(),
            state: "running",
            began: self.time(recording.began),
            path: None,
            millis: None,
            bytes: None,
            sha256: None,
            shares: None,
            error: None,
        };
        match &recording.state {
            RecordingState::Running => {}
            RecordingState::Finishing => shown.state = "finishing",
            RecordingState::Finished { path, millis, bytes, sha256, shares } => {
                shown.shares = *shares;
                shown.state = "finished";
                shown.path = Some(self.data_dir.join(&**path).display().to_string());
                (shown.millis, shown.bytes) = (Some(*millis), Some(*bytes));
                shown.sha256 = Some(sha256.to_string());
            }
            RecordingState::Failed { error } => {
                shown.state = "failed";
                shown.error = Some(error.to_string());
            }
            RecordingState::Expired { sha256, .. } => {
                shown.state = "expired";
                shown.sha256 = Some(sha256.to_string());
            }
        }
        shown
    }
}

/// The word Chinese users know for a direction.
pub const fn direction_zh(direction: Direction) -> &'static str {
    match direction {
        Direction::In => "呼入",
        Direction::Out => "呼出",
        Direction::Internal => "内部",
    }
}

#[cfg(test)]
mod tests;
