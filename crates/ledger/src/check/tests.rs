use clock::WallTime;
use model::event::Direction;
use model::{AgentId, TenantId};

use super::*;
use crate::story::Story;
use crate::{Figures, Ledger, RecordingState, ServiceRules, Update};

fn sound() -> Cdr {
    let mut story = Story::default();
    story.answered_call("1", "8001");
    let mut ledger = Ledger::default();
    let mut sound = None;
    for stamped in &story.events {
        match ledger.fold(stamped) {
            Some(Update::Closed(cdr)) => sound = Some(*cdr),
            Some(Update::Amended { amendment, .. }) => amendment.apply(sound.as_mut().unwrap()),
            None => {}
        }
    }
    sound.unwrap()
}

/// What a record contradicts after `spoil`.
fn spoiled(spoil: impl FnOnce(&mut Cdr)) -> Vec<Violation> {
    let mut cdr = sound();
    spoil(&mut cdr);
    check_cdr(&cdr)
}

fn second(cdr: &Cdr, seconds: i64) -> WallTime {
    WallTime(cdr.times.began.0 + seconds * 1_000_000)
}

#[test]
fn a_sound_record_contradicts_nothing() {
    assert_eq!(check_cdr(&sound()), []);
}

#[test]
fn times_out_of_order_are_found() {
    let before = |cdr: &Cdr| second(cdr, -1);
    let order = |found: &[Violation]| found.iter().any(|v| matches!(v, Violation::Order { .. }));
    assert!(order(&spoiled(|c| c.times.ended = before(c))));
    assert!(order(&spoiled(|c| c.times.switch_answered = Some(before(c)))));
    assert!(order(&spoiled(|c| c.times.switch_answered = Some(second(c, 999)))));
    assert!(order(&spoiled(|c| c.menu.notice_played = Some(before(c)))));
    assert!(order(&spoiled(|c| c.segments[0].offered = before(c))));
    assert!(order(&spoiled(|c| c.segments[0].bridged = c.segments[0].rang)));
    assert!(order(&spoiled(|c| c.segments[0].left = Some((second(c, 999), c.segments[0].left.unwrap().1)))));
    assert!(order(&spoiled(|c| c.visits[0].joined = second(c, 999))));
}

#[test]
fn lengths_that_do_not_add_up_are_found() {
    let sum = |found: &[Violation], name: &str| {
        found.iter().any(|v| matches!(v, Violation::Sum { what, .. } if *what == name))
    };
    let second = Duration::from_secs(1);
    assert!(sum(&spoiled(|c| c.lengths.talk += second), "talk + hold"));
    assert!(sum(&spoiled(|c| c.lengths.ring += second), "ring"));
    assert!(sum(&spoiled(|c| c.lengths.wait += second), "wait"));
    assert!(sum(
        &spoiled(|c| {
            c.lengths.hold += second;
            c.lengths.talk -= second;
        }),
        "hold"
    ));
}

#[test]
fn summaries_that_the_segments_deny_are_found() {
    let says = |found: Vec<Violation>, what| assert!(found.contains(&Violation::Summary(what)), "{found:?}");
    says(spoiled(|c| c.times.first_ring = None), "first ring");
    says(spoiled(|c| c.times.agent_answered = c.times.first_ring), "agent answered");
    says(spoiled(|c| c.times.queued = None), "queued");
    says(spoiled(|c| c.parties.queue = None), "queue");
    says(spoiled(|c| c.parties.agent = Some(AgentId::new(&TenantId::default(), "8009"))), "agent");
    says(spoiled(|c| c.parties.answered_by = None), "agent");
}

#[test]
fn results_that_did_not_happen_are_found() {
    for result in [
        CallResult::RingNoAnswer,
        CallResult::AbandonedInQueue,
        CallResult::QueueTimeout,
        CallResult::Screened,
        CallResult::Limit,
        CallResult::RegionRefused,
        CallResult::Suspended,
    ] {
        assert_eq!(spoiled(|c| c.ending.result = result), [Violation::Result(result)]);
    }
    let unanswered = spoiled(|c| {
        c.segments.clear();
        c.visits.clear();
    });
    assert!(unanswered.contains(&Violation::Result(CallResult::Answered)));
}

#[test]
fn an_agent_without_a_part_cannot_hang_up() {
    let nobody = |direction| {
        spoiled(|c| {
            c.segments.clear();
            c.ending.by = HungUpBy::Agent;
            c.direction = direction;
        })
    };
    assert!(nobody(Direction::In).contains(&Violation::HungUpBy(HungUpBy::Agent)));
    assert!(!nobody(Direction::Out).contains(&Violation::HungUpBy(HungUpBy::Agent)));
}

#[test]
fn open_ends_are_found() {
    let offer = sound().segments[0].offer;
    assert!(spoiled(|c| c.segments[0].left = None).contains(&Violation::Segment(offer)));
    assert!(spoiled(|c| c.segments[0].answered = None).contains(&Violation::Segment(offer)));
    assert!(spoiled(|c| c.visits[0].left = None).contains(&Violation::Visit));
    let twice = spoiled(|c| c.segments.push(c.segments[0].clone()));
    assert_eq!(twice, [Violation::SegmentTwice(offer)]);
}

#[test]
fn recordings_that_run_on_or_outlast_the_call_are_found() {
    let id = sound().recordings[0].id;
    let wrong = [Violation::Recording(id)];
    assert_eq!(spoiled(|c| c.recordings[0].state = RecordingState::Running), wrong);
    assert_eq!(spoiled(|c| c.recordings[0].ended = None), wrong);
    let long = |cdr: &mut Cdr| {
        if let RecordingState::Finished { millis, .. } = &mut cdr.recordings[0].state {
            *millis = 41_001;
        }
    };
    assert_eq!(spoiled(long), wrong);
}

#[test]
fn figures_that_do_not_add_up_are_found() {
    let mut figures = Figures::default();
    figures.add(&sound(), &ServiceRules::default());
    assert_eq!(check_figures(&figures), []);
    let spoiled = |spoil: fn(&mut Figures)| {
        let mut figures = figures.clone();
        spoil(&mut figures);
        check_figures(&figures).len()
    };
    assert_eq!(spoiled(|f| f.numbers.values_mut().for_each(|n| n.calls += 1)), 1);
    assert_eq!(spoiled(|f| f.queues.values_mut().for_each(|q| q.abandoned += 1)), 1);
    assert_eq!(spoiled(|f| f.queues.values_mut().for_each(|q| q.answered_in_time += 1)), 1);
    assert_eq!(spoiled(|f| f.agents.values_mut().for_each(|a| a.refused += 1)), 1);
}
