//! Owns what a call record may never contradict. Recomputes the lengths from the segments by another way than the
//! fold, so that the two check each other.

use std::time::Duration;

use clock::WallTime;
use model::event::Direction;
use model::outcome::{CallResult, HungUpBy};
use model::{OfferId, RecordingId};

use crate::cdr::{Cdr, RecordingState, Segment, SegmentOutcome, Visit};
use crate::figures::Figures;

/// A contradiction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A time lies outside of the call or before what must precede it.
    #[error("时间顺序不对: {earlier} 应早于 {later} / {earlier} is after {later}")]
    Order {
        /// What must come first.
        earlier: &'static str,
        /// What must come later.
        later: &'static str,
    },
    /// A length is not what its parts add up to.
    #[error("{what} 不等于各段之和: {found:?} ≠ {expected:?} / {what} is not the sum of its parts")]
    Sum {
        /// Which length.
        what: &'static str,
        /// In the record.
        found: Duration,
        /// By the parts.
        expected: Duration,
    },
    /// A summary field is not what the parts say.
    #[error("{0} 与各段不符 / {0} is not what the segments say")]
    Summary(&'static str),
    /// The result needs something that is not there, or excludes something that is.
    #[error("结果 {0:?} 与经过不符 / the result {0:?} contradicts what happened")]
    Result(CallResult),
    /// Who hung up had no part in the call.
    #[error("挂机方 {0:?} 不在通话中 / {0:?} hung up without a part in the call")]
    HungUpBy(HungUpBy),
    /// A segment has no end, or an end that contradicts its answer.
    #[error("接听段 {0} 没有正确结束 / segment {0} has no end, or one that contradicts its answer")]
    Segment(OfferId),
    /// Two segments are of one offer.
    #[error("接听段 {0} 重复 / two segments of offer {0}")]
    SegmentTwice(OfferId),
    /// A transfer has no end, or one beside its time.
    #[error("转接没有正确结束 / a transfer has no end, or overlaps another")]
    Transfer,
    /// A place in a queue has no end.
    #[error("排队记录没有结束 / a place in a queue has no end")]
    Visit,
    /// A recording still runs, or is longer than the call.
    #[error("录音 {0} 未结束或长于通话 / recording {0} still runs or is longer than the call")]
    Recording(RecordingId),
    /// A sum of figures is not what its outcomes add up to.
    #[error("统计不平: {0} / the outcomes of {0} do not add up to those offered")]
    Figures(String),
}

/// Everything that `cdr` contradicts; empty for a sound record.
pub fn check_cdr(cdr: &Cdr) -> Vec<Violation> {
    let mut found = Vec::new();
    check_times(cdr, &mut found);
    check_segments(cdr, &mut found);
    check_visits(cdr, &mut found);
    check_sums(cdr, &mut found);
    check_summary(cdr, &mut found);
    check_ending(cdr, &mut found);
    check_recordings(cdr, &mut found);
    check_transfers(cdr, &mut found);
    found
}

/// Every number, queue and agent whose outcomes do not add up to what was offered.
pub fn check_figures(figures: &Figures) -> Vec<Violation> {
    let mut found = Vec::new();
    for (key, f) in &figures.numbers {
        if f.calls != f.offered.values().sum::<u64>() + f.apart.values().sum::<u64>() {
            found.push(Violation::Figures(format!("号码 {} {}", key.name, key.day)));
        }
    }
    for (key, f) in &figures.queues {
        let outcomes =
            f.answered + f.abandoned + f.timed_out + f.full + f.no_agent + f.left_by_key + f.failed;
        if f.offered != outcomes || f.answered_in_time > f.answered {
            found.push(Violation::Figures(format!("队列 {} {}", key.name, key.day)));
        }
    }
    for (key, f) in &figures.agents {
        if f.offered != f.answered + f.refused + f.rang_out + f.withdrawn {
            found.push(Violation::Figures(format!("坐席 {} {}", key.name, key.day)));
        }
    }
    found
}

/// The recording may outlast the call by this much: the writer's block and the finisher's rounding.
const RECORDING_SLACK: Duration = Duration::from_secs(1);

fn check_times(cdr: &Cdr, found: &mut Vec<Violation>) {
    let times = &cdr.times;
    let named = [
        ("switch answered", times.switch_answered),
        ("queued", times.queued),
        ("first ring", times.first_ring),
        ("agent answered", times.agent_answered),
        ("notice played", cdr.menu.notice_played),
        ("survey asked", cdr.menu.survey.as_ref().map(|s| s.asked)),
    ];
    for (name, at) in named {
        in_order(&[("began", Some(times.began)), (name, at), ("ended", Some(times.ended))], found);
    }
    in_order(&[("began", Some(times.began)), ("ended", Some(times.ended))], found);
}

fn check_segments(cdr: &Cdr, found: &mut Vec<Violation>) {
    for (place, segment) in cdr.segments.iter().enumerate() {
        let ends = [
            ("began", Some(cdr.times.began)),
            ("offered", Some(segment.offered)),
            ("rang", segment.rang),
            ("answered", segment.answered),
            ("bridged", segment.bridged),
            ("left", segment.left.map(|(at, _)| at)),
            ("ended", Some(cdr.times.ended)),
        ];
        in_order(&ends, found);
        let sound = match segment.left {
            None => false,
            Some((_, SegmentOutcome::Left { .. })) => segment.answered.is_some(),
            Some(_) => segment.answered.is_none() && segment.bridged.is_none(),
        };
        if !sound {
            found.push(Violation::Segment(segment.offer));
        }
        if cdr.segments[..place].iter().any(|earlier| earlier.offer == segment.offer) {
            found.push(Violation::SegmentTwice(segment.offer));
        }
    }
}

fn check_visits(cdr: &Cdr, found: &mut Vec<Violation>) {
    for visit in &cdr.visits {
        let left = visit.left.map(|(at, _)| at);
        let (began, ended) = (Some(cdr.times.began), Some(cdr.times.ended));
        in_order(
            &[("began", began), ("queued", Some(visit.joined)), ("dequeued", left), ("ended", ended)],
            found,
        );
        if left.is_none() {
            found.push(Violation::Visit);
        }
    }
}

fn check_sums(cdr: &Cdr, found: &mut Vec<Violation>) {
    let connected = |s: &Segment| s.answered.zip(s.left.map(|(at, _)| at));
    let rang = |s: &Segment| s.rang.zip(s.answered.or(s.left.map(|(at, _)| at)));
    let lengths = &cdr.lengths;
    let mut sum = |what, length, expected| {
        if length != expected {
            found.push(Violation::Sum { what, found: length, expected });
        }
    };
    sum("talk + hold", lengths.talk + lengths.hold, covered(cdr.segments.iter().filter_map(connected)));
    sum("ring", lengths.ring, covered(cdr.segments.iter().filter_map(rang)));
    sum("wait", lengths.wait, cdr.visits.iter().map(Visit::wait).sum());
    // A hold shared by several segments counts once in the call.
    let each = cdr.segments.iter().map(|s| s.hold.total);
    let (longest, all) = (each.clone().max().unwrap_or_default(), each.sum());
    sum("hold", lengths.hold, lengths.hold.clamp(longest.min(all), all));
}

fn check_summary(cdr: &Cdr, found: &mut Vec<Violation>) {
    let (times, parties) = (&cdr.times, &cdr.parties);
    let mut says = |what, agrees: bool| {
        if !agrees {
            found.push(Violation::Summary(what));
        }
    };
    says("first ring", times.first_ring == cdr.segments.iter().filter_map(|s| s.rang).min());
    says("agent answered", times.agent_answered == cdr.segments.iter().filter_map(|s| s.answered).min());
    says("queued", times.queued == cdr.visits.iter().map(|v| v.joined).min());
    says("queue", parties.queue.as_ref() == cdr.visits.last().map(|v| &v.queue));
    let latest = cdr.segments.iter().filter_map(|s| s.answered).max();
    let of_latest = |s: &&Segment| s.answered == latest && s.agent == parties.agent;
    let named = match latest {
        None => parties.agent.is_none() && parties.answered_by.is_none(),
        Some(_) => cdr
            .segments
            .iter()
            .find(of_latest)
            .is_some_and(|s| Some(&s.party) == parties.answered_by.as_ref()),
    };
    says("agent", named);
}

fn check_ending(cdr: &Cdr, found: &mut Vec<Violation>) {
    let talked = cdr.segments.iter().any(|s| s.answered.is_some());
    let result = cdr.ending.result;
    let sound = match result {
        CallResult::Answered => talked,
        CallResult::RingNoAnswer => !talked && !cdr.segments.is_empty(),
        CallResult::AbandonedInQueue | CallResult::QueueTimeout => !talked && !cdr.visits.is_empty(),
        CallResult::Screened
        | CallResult::Limit
        | CallResult::RegionRefused
        | CallResult::Suspended
        | CallResult::Busy
        | CallResult::Rejected
        | CallResult::NoSuchNumber
        | CallResult::Unreachable
        | CallResult::Barred => !talked,
        _ => true,
    };
    if !sound {
        found.push(Violation::Result(result));
    }
    let agent_without_part =
        cdr.ending.by == HungUpBy::Agent && cdr.direction == Direction::In && cdr.segments.is_empty();
    if agent_without_part {
        found.push(Violation::HungUpBy(HungUpBy::Agent));
    }
}

fn check_recordings(cdr: &Cdr, found: &mut Vec<Violation>) {
    for recording in &cdr.recordings {
        let too_long = match recording.state {
            RecordingState::Running => true,
            RecordingState::Finished { millis, .. } => {
                Duration::from_millis(millis) > cdr.duration() + RECORDING_SLACK
            }
            RecordingState::Finishing | RecordingState::Failed { .. } | RecordingState::Expired { .. } => {
                false
            }
        };
        if too_long || recording.ended.is_none_or(|ended| ended < recording.began) {
            found.push(Violation::Recording(recording.id));
        }
    }
}

/// One transfer follows the other, and each comes to its end.
fn check_transfers(cdr: &Cdr, found: &mut Vec<Violation>) {
    let mut before = cdr.times.began;
    for transfer in &cdr.transfers {
        let Some((ended, _)) = transfer.ended else {
            found.push(Violation::Transfer);
            continue;
        };
        if transfer.asked < before || ended < transfer.asked || ended > cdr.times.ended {
            found.push(Violation::Transfer);
        }
        before = ended;
    }
}

fn in_order(times: &[(&'static str, Option<WallTime>)], found: &mut Vec<Violation>) {
    let mut before: Option<(&'static str, WallTime)> = None;
    for (later, at) in times.iter().filter_map(|(name, at)| at.map(|at| (*name, at))) {
        if let Some((earlier, previous)) = before
            && at < previous
        {
            found.push(Violation::Order { earlier, later });
        }
        before = Some((later, at));
    }
}

/// How much time the spans cover together.
fn covered(spans: impl Iterator<Item = (WallTime, WallTime)>) -> Duration {
    let mut spans: Vec<(WallTime, WallTime)> = spans.collect();
    spans.sort_unstable();
    let mut total = Duration::ZERO;
    let mut until = WallTime(i64::MIN);
    for (from, to) in spans {
        total += to.since(from.max(until));
        until = until.max(to);
    }
    total
}

#[cfg(test)]
mod tests;
