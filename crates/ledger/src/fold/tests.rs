use model::event::{AgentFact, AgentState};
use model::outcome::RefusalCause;
use model::{AgentId, LegId};
use proptest::prelude::*;

use super::*;
use crate::check_cdr;
use crate::story::{START, Story};

/// The records that the events make, with what was learned later.
fn told(story: &Story) -> (Ledger, Vec<Cdr>) {
    let mut ledger = Ledger::default();
    let mut cdrs: Vec<Cdr> = Vec::new();
    for stamped in &story.events {
        match ledger.fold(stamped) {
            Some(Update::Closed(cdr)) => cdrs.push(*cdr),
            Some(Update::Amended { call, amendment, .. }) => {
                cdrs.iter_mut().filter(|cdr| cdr.id == call).for_each(|cdr| amendment.apply(cdr));
            }
            None => {}
        }
    }
    (ledger, cdrs)
}

fn only(story: &Story) -> Cdr {
    let (ledger, mut cdrs) = told(story);
    assert_eq!((cdrs.len(), ledger.open_calls().count(), ledger.strays()), (1, 0, 0));
    let cdr = cdrs.remove(0);
    assert_eq!(check_cdr(&cdr), []);
    cdr
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_whole_call_makes_one_record_with_every_field() {
    let mut story = Story::default();
    let call = story.answered_call("13800138000", "8001");
    let cdr = only(&story);
    assert_eq!(cdr.id, call);
    assert_eq!(cdr.lengths, Lengths { wait: secs(5), ring: secs(3), talk: secs(20), hold: secs(4) });
    assert_eq!(cdr.duration(), secs(40));
    let (parties, menu) = (&cdr.parties, &cdr.menu);
    assert_eq!((&*parties.caller, &*parties.caller_raw), ("13800138000", "+8613800138000"));
    assert_eq!(parties.number.as_ref().map(|n| n.as_str()), Some("4008001234"));
    assert_eq!(parties.queue.as_ref().map(|q| q.as_str()), Some("sales"));
    assert_eq!(parties.agent.as_ref().map(|a| a.as_str()), Some("8001"));
    assert_eq!(cdr.times.began, START);
    assert_eq!(cdr.times.agent_answered, Some(START + secs(8)));
    assert_eq!(menu.path.iter().map(|step| &*step.node).collect::<Vec<_>>(), ["menu", "sales", "survey"]);
    assert_eq!(menu.keys[0].key.as_char(), '1');
    assert_eq!(menu.notice_played, Some(START + secs(1)));
    assert_eq!(&*menu.survey.as_ref().unwrap().answer.as_ref().unwrap().label, "满意");
    assert_eq!(cdr.segments[0].hold, Hold { count: 1, total: secs(4) });
    assert_eq!(cdr.segments[0].bridged, Some(START + Duration::from_millis(8_500)));
    let RecordingState::Finished { millis, .. } = cdr.recordings[0].state else {
        panic!("{:?}", cdr.recordings)
    };
    assert_eq!(millis, 24_000);
    assert_eq!(cdr.ending.by, HungUpBy::Switch);
}

#[test]
fn a_busy_agent_and_the_next_are_two_segments_and_the_caller_keeps_the_place() {
    let mut story = Story::default();
    let call = story.begin("1");
    let entry = story.queue(call, "sales");
    let busy = story.wait(1_000).offer(call, Some(entry), "8001");
    let status = Some(486);
    story.wait(500).fact(call, CallFact::OfferRefused { offer: busy, cause: RefusalCause::Busy, status });
    let rings = story.offer(call, Some(entry), "8002");
    story.fact(call, CallFact::Ringing { offer: rings }).wait(15_000);
    story.fact(call, CallFact::OfferWithdrawn { offer: rings, cause: WithdrawCause::RingTimeout });
    let answers = story.offer(call, Some(entry), "8003");
    story.fact(call, CallFact::Ringing { offer: answers }).wait(2_000).answer(call, answers).wait(1_000);
    story.end(call, CallResult::Answered, HungUpBy::Caller);
    let cdr = only(&story);
    assert_eq!(cdr.visits.len(), 1);
    assert_eq!(cdr.lengths.wait, Duration::from_millis(18_500));
    assert_eq!(cdr.lengths.ring, secs(17));
    assert_eq!(cdr.segments.iter().map(Segment::ring).collect::<Vec<_>>(), [secs(0), secs(15), secs(2)]);
    assert_eq!(
        cdr.segments[0].left.unwrap().1,
        SegmentOutcome::Refused { cause: RefusalCause::Busy, status }
    );
    let left = SegmentOutcome::Left { by: HungUpBy::Caller, cause: Termination::Normal };
    assert_eq!(cdr.segments[2].left.unwrap().1, left);
    assert_eq!(cdr.parties.agent.unwrap().as_str(), "8003");
}

#[test]
fn phones_that_ring_together_count_their_ring_once() {
    let mut story = Story::default();
    let call = story.begin("1");
    let entry = story.queue(call, "sales");
    let (a, b) = (story.offer(call, Some(entry), "8001"), story.offer(call, Some(entry), "8002"));
    story.fact(call, CallFact::Ringing { offer: a }).wait(1_000);
    story.fact(call, CallFact::Ringing { offer: b }).wait(1_000).answer(call, b);
    story.fact(call, CallFact::OfferWithdrawn { offer: a, cause: WithdrawCause::AnsweredElsewhere });
    story.wait(5_000).end(call, CallResult::Answered, HungUpBy::Caller);
    let cdr = only(&story);
    assert_eq!((cdr.lengths.ring, cdr.lengths.talk), (secs(2), secs(5)));
}

#[test]
fn holds_of_both_sides_count_once_and_end_with_the_conversation() {
    let mut story = Story::default();
    let call = story.begin("1");
    let offer = story.offer(call, None, "8001");
    story.answer(call, offer).wait(1_000);
    let (caller, agent) = (HungUpBy::Caller, HungUpBy::Agent);
    story.fact(call, CallFact::HoldBegan { by: caller }).wait(1_000);
    story.fact(call, CallFact::HoldBegan { by: agent }).wait(1_000);
    story.fact(call, CallFact::HoldBegan { by: agent }).wait(1_000); // a repeated re-INVITE
    story.fact(call, CallFact::HoldEnded { by: caller }).wait(1_000);
    story.end(call, CallResult::Answered, agent);
    let cdr = only(&story);
    assert_eq!((cdr.lengths.talk, cdr.lengths.hold), (secs(1), secs(4)));
    assert_eq!(cdr.segments[0].hold, Hold { count: 2, total: secs(4) });
}

#[test]
fn a_second_agent_after_the_first_adds_up() {
    let mut story = Story::default();
    let call = story.begin("1");
    for (agent, seconds) in [("8001", 3), ("8002", 4)] {
        let offer = story.offer(call, None, agent);
        story.fact(call, CallFact::Ringing { offer }).wait(1_000).answer(call, offer).wait(seconds * 1_000);
        story.fact(call, CallFact::AgentLeft { offer, by: HungUpBy::Agent, cause: Termination::Normal });
    }
    story.wait(2_000).end(call, CallResult::Answered, HungUpBy::Caller);
    let cdr = only(&story);
    assert_eq!((cdr.lengths.talk, cdr.lengths.ring), (secs(7), secs(2)));
    assert_eq!(cdr.times.agent_answered, Some(START + secs(1)));
    assert_eq!(cdr.parties.agent.unwrap().as_str(), "8002");
}

#[test]
fn a_caller_who_hangs_up_in_the_queue_has_abandoned_it() {
    let mut story = Story::default();
    let call = story.begin("1");
    let entry = story.queue(call, "sales");
    let offer = story.offer(call, Some(entry), "8001");
    story.fact(call, CallFact::Ringing { offer }).wait(4_000);
    story.end(call, CallResult::AbandonedInQueue, HungUpBy::Caller);
    let cdr = only(&story);
    assert_eq!(cdr.visits[0].left, Some((START + secs(4), EntryOutcome::Abandoned)));
    let withdrawn = SegmentOutcome::Withdrawn { cause: WithdrawCause::CallerGone };
    assert_eq!(cdr.segments[0].left, Some((START + secs(4), withdrawn)));
    assert_eq!(cdr.lengths, Lengths { wait: secs(4), ring: secs(4), ..Lengths::default() });
}

#[test]
fn a_call_refused_before_everything_still_makes_a_record() {
    let mut story = Story::default();
    let call = story.begin("1");
    story.end(call, CallResult::Screened, HungUpBy::Switch);
    let cdr = only(&story);
    assert!(cdr.segments.is_empty() && cdr.parties.agent.is_none() && cdr.duration().is_zero());
}

#[test]
fn the_tenant_is_that_of_the_number_once_it_is_known() {
    let mut story = Story::default();
    let call = story.begin("1");
    story.tenant = TenantId::new("acme");
    story.end(call, CallResult::Closed, HungUpBy::Switch);
    assert_eq!(only(&story).tenant, TenantId::new("acme"));
}

#[test]
fn reading_the_same_events_again_changes_nothing() {
    let mut story = Story::default();
    story.answered_call("1", "8001");
    let mut ledger = Ledger::default();
    let first: Vec<Update> = story.events.iter().filter_map(|stamped| ledger.fold(stamped)).collect();
    assert_eq!(first.len(), 2);
    let before = ledger.clone();
    assert!(story.events.iter().all(|stamped| ledger.fold(stamped).is_none()));
    assert_eq!(ledger, before);
}

#[test]
fn facts_that_do_not_fit_are_counted_and_make_no_record() {
    let mut story = Story::default();
    let call = story.answered_call("1", "8001");
    let never: CallId = story.mint();
    story.fact(never, CallFact::SwitchAnswered).end(never, CallResult::Failure, HungUpBy::Switch);
    story.end(call, CallResult::Failure, HungUpBy::Switch);
    let (ledger, cdrs) = told(&story);
    assert_eq!((cdrs.len(), ledger.strays()), (1, 3));
    assert_eq!(cdrs[0].ending.result, CallResult::Answered);
}

#[test]
fn media_figures_that_come_after_the_end_are_amended() {
    let mut story = Story::default();
    let call = story.answered_call("1", "8001");
    let leg: LegId = story.mint();
    story.fact(
        call,
        CallFact::Quality {
            leg,
            received: 100,
            lost: 2,
            jitter_us: 900,
            round_trip_us: Some(40_000),
            mos_centi: 420,
            silent: true,
            dropped: 30,
            unauthentic: 20,
        },
    );
    let cdr = only(&story);
    let expected = Quality {
        received: 100,
        lost: 2,
        jitter_us: 900,
        round_trip_us: Some(40_000),
        mos_centi: 420,
        silent: true,
        dropped: 30,
        unauthentic: 20,
        ..Quality::unknown(leg)
    };
    assert_eq!(cdr.quality, [expected]);
}

#[test]
fn a_leg_that_went_silent_stays_marked() {
    let mut story = Story::default();
    let call = story.begin("1");
    let leg: LegId = story.mint();
    story.fact(call, CallFact::MediaLost { leg });
    story.fact(
        call,
        CallFact::Quality {
            leg,
            received: 7,
            lost: 0,
            jitter_us: 1,
            round_trip_us: None,
            mos_centi: 0,
            silent: false,
            dropped: 0,
            unauthentic: 0,
        },
    );
    story.end(call, CallResult::EndedInMenu, HungUpBy::Switch);
    let cdr = only(&story);
    assert!(cdr.quality[0].went_silent && cdr.quality[0].received == 7);
}

#[test]
fn a_wall_clock_set_back_does_not_turn_a_call_around() {
    let mut story = Story::default();
    story.answered_call("1", "8001");
    for stamped in story.events.iter_mut().skip(12) {
        stamped.at = WallTime(stamped.at.0 - 3_600_000_000);
    }
    let (_, mut cdrs) = told(&story);
    // Its finished file knows the true length, which the times no longer show.
    let recording = cdrs[0].recordings.remove(0);
    assert!(recording.ended >= Some(recording.began));
    assert_eq!(check_cdr(&cdrs[0]), []);
    assert!(cdrs[0].times.ended >= cdrs[0].times.began);
}

#[test]
fn a_crash_at_any_event_leaves_a_sound_record_that_ends_at_the_last_one() {
    let mut whole = Story::default();
    whole.answered_call("1", "8001");
    for cut in 1..whole.events.len() - 1 {
        let mut ledger = Ledger::default();
        whole.events[..cut].iter().for_each(|stamped| assert!(ledger.fold(stamped).is_none()));
        let closing = ledger.close_open(|_| None);
        let [(at, event)] = &closing[..] else { panic!("{closing:?}") };
        assert_eq!(*at, whole.events[cut - 1].at);
        let ended = Stamped { seq: ledger.last_seq() + 1, at: *at, event: event.clone() };
        let Some(Update::Closed(cdr)) = ledger.fold(&ended) else { panic!("{cut}") };
        assert_eq!(check_cdr(&cdr), [], "{cut}");
        let crashed =
            Ending { result: CallResult::Failure, by: HungUpBy::Switch, cause: Termination::Crashed };
        assert_eq!(cdr.ending, crashed);
        assert!(ledger.close_open(|_| None).is_empty());
    }
}

#[test]
fn a_crashed_call_ends_with_its_last_packet_where_that_is_later() {
    let mut story = Story::default();
    let call = story.begin("1");
    let (ledger, _) = told(&story);
    let packet = START + secs(9);
    assert_eq!(ledger.close_open(|id| (id == call).then_some(packet))[0].0, packet);
    assert_eq!(ledger.close_open(|_| Some(WallTime(0)))[0].0, START);
}

#[test]
fn a_ledger_begun_at_the_low_water_mark_makes_the_same_records() {
    let mut story = Story::default();
    story.answered_call("1", "8001");
    let long = story.begin("2");
    story.answered_call("3", "8001");
    story.end(long, CallResult::EndedInMenu, HungUpBy::Caller);
    let (_, expected) = told(&story);
    for cut in 0..story.events.len() {
        let mut first = Ledger::default();
        let mut made: Vec<Update> = story.events[..cut].iter().filter_map(|s| first.fold(s)).collect();
        let (position, low_water) = (first.last_seq(), first.low_water());
        assert!(low_water <= position);
        let mut second = Ledger::after(low_water);
        made.extend(story.events.iter().filter_map(|s| second.fold(s).filter(|_| s.seq > position)));
        let mut cdrs: Vec<Cdr> = Vec::new();
        for update in made {
            match update {
                Update::Closed(cdr) => cdrs.push(*cdr),
                Update::Amended { call, amendment, .. } => {
                    amendment.apply(cdrs.iter_mut().find(|cdr| cdr.id == call).unwrap());
                }
            }
        }
        assert_eq!(cdrs, expected, "{cut}");
    }
}

#[test]
fn a_ledger_survives_its_snapshot_at_every_event() {
    let mut story = Story::default();
    story.answered_call("1", "8001");
    let mut ledger = Ledger::default();
    for stamped in &story.events {
        let json = serde_json::to_string(&ledger).unwrap();
        let mut restored: Ledger = serde_json::from_str(&json).unwrap();
        assert_eq!(restored.fold(stamped), ledger.fold(stamped));
    }
}

#[test]
fn a_record_survives_its_json() {
    let mut story = Story::default();
    story.answered_call("1", "8001");
    let cdr = only(&story);
    assert_eq!(serde_json::from_str::<Cdr>(&serde_json::to_string(&cdr).unwrap()).unwrap(), cdr);
}

#[test]
fn facts_of_agents_make_no_record() {
    let mut story = Story::default();
    let agent = AgentId::new(&story.tenant, "8001");
    story.tell(Event::Agent { agent, fact: AgentFact::StateChosen { state: AgentState::Ready } });
    let (ledger, cdrs) = told(&story);
    assert_eq!((ledger.last_seq(), cdrs.len(), ledger.strays()), (1, 0, 0));
}

/// Any order of facts, sense or not: what a defect elsewhere may journal.
fn any_facts() -> impl Strategy<Value = Vec<(u8, u8, u64)>> {
    proptest::collection::vec((0u8..14, 0u8..3, 0u64..5_000), 0..60)
}

proptest! {
    #[test]
    fn no_order_of_facts_makes_lengths_that_contradict_the_segments(facts in any_facts()) {
        let mut story = Story::default();
        let call = story.begin("1");
        let entries: Vec<EntryId> = (0..3).map(|_| story.mint()).collect();
        let offers: Vec<OfferId> = (0..3).map(|_| story.mint()).collect();
        for (kind, which, wait) in facts {
            story.wait(wait);
            let (entry, offer) = (entries[usize::from(which)], offers[usize::from(which)]);
            let by = [HungUpBy::Caller, HungUpBy::Agent, HungUpBy::Switch][usize::from(which)];
            let fact = match kind {
                0 => CallFact::Queued { entry, queue: model::QueueName::new(&TenantId::default(), "q"), priority: 0 },
                1 => CallFact::Dequeued { entry, outcome: EntryOutcome::TimedOut },
                2 | 3 => CallFact::Offered {
                    offer, entry: Some(entry), agent: None, party: "1".into(), reason: "".into(),
                },
                4 | 5 => CallFact::Ringing { offer },
                6 => CallFact::OfferRefused { offer, cause: RefusalCause::Busy, status: None },
                7 => CallFact::OfferWithdrawn { offer, cause: WithdrawCause::RingTimeout },
                8 | 9 => CallFact::AgentAnswered { offer, leg: LegId::from(1) },
                10 => CallFact::Bridged { offer },
                11 => CallFact::HoldBegan { by },
                12 => CallFact::HoldEnded { by },
                _ => CallFact::AgentLeft { offer, by, cause: Termination::Normal },
            };
            story.fact(call, fact);
        }
        story.end(call, CallResult::Failure, HungUpBy::Switch);
        let (ledger, cdrs) = told(&story);
        prop_assert_eq!((cdrs.len(), ledger.open_calls().count()), (1, 0));
        let wrong: Vec<_> = check_cdr(&cdrs[0])
            .into_iter()
            .filter(|v| matches!(v, crate::Violation::Sum { .. } | crate::Violation::Order { .. } | crate::Violation::Visit))
            .collect();
        prop_assert_eq!(wrong, []);
    }
}
