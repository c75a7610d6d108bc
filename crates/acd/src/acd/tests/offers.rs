//! The arrows of an entry and of an offer.

use super::*;

#[test]
fn arrow_1_5_a_caller_is_offered_to_the_longest_idle_with_the_reason() {
    let mut w = world(&["1", "2"], |_| {});
    let out = w.enqueue(1);
    let (id, who) = offer(&out);
    assert_eq!(who, "1");
    let all = facts(&out);
    let CallFact::Offered { offer, entry: of, agent: to, party, reason } = &all[0] else { panic!("{all:?}") };
    assert_eq!((*offer, *of, to.clone(), &**party), (id, Some(entry(1)), Some(agent("1")), "1"));
    assert_eq!(&**reason, "最长空闲：已空闲 1000 秒（2 人空闲） / longest idle: for 1000 s (2 free)");
    assert_eq!(w.activity("1"), AgentActivity::Ringing);
}

#[test]
fn arrow_4_an_answer_ends_the_place_once_and_occupies_the_agent() {
    let mut w = world(&["1"], |_| {});
    let (id, _) = offer(&w.enqueue(1));
    w.put(Input::OfferRinging { offer: id });
    let out = w.accept(id);
    assert_eq!(left(&out), [(1, EntryOutcome::Answered)]);
    assert_eq!(facts(&out), [CallFact::Dequeued { entry: entry(1), outcome: EntryOutcome::Answered }]);
    let view = w.view("1");
    assert_eq!((view.activity, view.call, view.calls_today), (AgentActivity::Talking, Some(call(1)), 1));
    assert_eq!(w.acd.live(), crate::Live { conversations: 1, ..Default::default() });
}

#[test]
fn arrow_3_7_a_refusal_goes_to_the_next_agent_and_the_caller_keeps_its_place() {
    use RefusalCause::*;
    for cause in [Busy, Rejected, NoAnswer, Unreachable, Limit, Incompatible] {
        let mut w = world(&["1", "2"], |_| {});
        let (first, _) = offer(&w.enqueue(1));
        w.choose("2", AgentState::Busy);
        w.enqueue(2);
        w.choose("2", AgentState::Ready);
        // Agent 2 has caller 2 now; caller 1 is first again as soon as somebody is free.
        let out = w.refuse(first, cause);
        assert_eq!(facts(&out), [CallFact::OfferRefused { offer: first, cause, status: None }]);
        assert!(offers(&out).is_empty());
        w.enqueue(3);
        let out = w.pass(secs(31));
        assert_eq!(offers(&out)[0].1, 1, "{cause:?}");
    }
}

#[test]
fn who_refused_is_asked_again_only_after_a_rest_even_if_none_is_set() {
    let mut w = world(&["1"], |s| s.queues[0].no_answer_rest = Duration::ZERO);
    let (id, _) = offer(&w.enqueue(1));
    assert!(offers(&w.refuse(id, RefusalCause::Busy)).is_empty());
    assert_eq!(w.view("1").standing, crate::Standing::Resting);
    assert!(offers(&w.pass(Duration::from_millis(999))).is_empty());
    assert_eq!(offer(&w.pass(Duration::from_millis(1))).1, "1");
}

#[test]
fn a_caller_meets_every_agent_before_one_of_them_again() {
    let mut w = world(&["1", "2", "3"], |s| {
        s.queues[0].strategy = Strategy::TopDown;
        s.queues[0].no_answer_rest = secs(1);
        s.queues[0].tiers[2].level = 2;
    });
    let mut asked = Vec::new();
    let mut out = w.enqueue(1);
    for _ in 0..4 {
        let (id, who) = offer(&out);
        asked.push(who);
        w.pass(secs(2));
        out = w.refuse(id, RefusalCause::Rejected);
    }
    assert_eq!(asked, ["1", "2", "3", "1"]);
}

#[test]
fn arrow_8_ring_time_passes_the_caller_on_and_the_end_of_the_offer_is_told_when_it_comes() {
    let mut w = world(&["1", "2"], |_| {});
    let (first, _) = offer(&w.enqueue(1));
    let out = w.pass(secs(15));
    assert_eq!(withdrawn(&out), [(first, WithdrawCause::RingTimeout)]);
    let (_, who) = offer(&out);
    assert_eq!(who, "2");
    assert!(!facts(&out).iter().any(|fact| matches!(fact, CallFact::OfferWithdrawn { .. })));
    let out = w.end(first, OfferResult::Gone);
    let cause = WithdrawCause::RingTimeout;
    assert_eq!(facts(&out), [CallFact::OfferWithdrawn { offer: first, cause }]);
    assert_eq!(w.view("1").standing, crate::Standing::Resting);
}

#[test]
fn arrow_6_ring_time_counts_from_the_first_ring() {
    let mut w = world(&["1"], |_| {});
    let (id, _) = offer(&w.enqueue(1));
    w.pass(secs(6));
    w.put(Input::OfferRinging { offer: id });
    w.pass(secs(5));
    w.put(Input::OfferRinging { offer: id });
    assert!(withdrawn(&w.pass(Duration::from_millis(9_999))).is_empty());
    assert_eq!(withdrawn(&w.pass(Duration::from_millis(1))), [(id, WithdrawCause::RingTimeout)]);
}

#[test]
fn arrow_9_a_refusal_that_crosses_the_withdrawal_counts_as_withdrawn() {
    let mut w = world(&["1"], |_| {});
    let (id, _) = offer(&w.enqueue(1));
    w.pass(secs(15));
    let out = w.refuse(id, RefusalCause::Busy);
    let cause = WithdrawCause::RingTimeout;
    assert_eq!(facts(&out), [CallFact::OfferWithdrawn { offer: id, cause }]);
}

#[test]
fn arrow_10_an_answer_that_crosses_the_ring_timeout_wins_while_the_caller_waits() {
    let mut w = world(&["1", "2"], |_| {});
    let (first, _) = offer(&w.enqueue(1));
    let (second, _) = offer(&w.pass(secs(15)));
    let out = w.accept(first);
    assert_eq!(left(&out), [(1, EntryOutcome::Answered)]);
    assert_eq!(withdrawn(&out), [(second, WithdrawCause::AnsweredElsewhere)]);
    assert_eq!((w.activity("1"), w.activity("2")), (AgentActivity::Talking, AgentActivity::Ringing));
    w.end(second, OfferResult::Gone);
    assert_eq!(w.activity("2"), AgentActivity::Idle);
    w.hang_up(first);
    w.pass(secs(10));
    assert_eq!(w.view("1").standing, crate::Standing::Free, "who answered does not rest");
}

#[test]
fn arrow_10_an_answer_that_crosses_the_callers_leaving_frees_the_agent() {
    let mut w = world(&["1"], |_| {});
    let (id, _) = offer(&w.enqueue(1));
    let out = w.leave(1);
    assert_eq!(withdrawn(&out), [(id, WithdrawCause::CallerGone)]);
    assert!(left(&out).is_empty());
    let abandoned = EntryOutcome::Abandoned;
    assert_eq!(facts(&out), [CallFact::Dequeued { entry: entry(1), outcome: abandoned }]);
    let out = w.accept(id);
    assert!(left(&out).is_empty() && facts(&out).is_empty());
    assert_eq!(w.view("1").standing, crate::Standing::Free);
    assert_eq!(w.acd.live(), crate::Live::default());
    assert!(w.hang_up(id).is_empty(), "the end of what was over already is no news");
}

#[test]
fn an_agent_whose_caller_hung_up_in_mid_ring_keeps_its_turn() {
    let mut w = world(&["1", "2"], |_| {});
    let (id, _) = offer(&w.enqueue(1));
    w.pass(secs(5));
    w.leave(1);
    w.end(id, OfferResult::Gone);
    assert_eq!(offer(&w.enqueue(2)).1, "1");
}

#[test]
fn an_offer_that_is_gone_unasked_ends_the_callers_place() {
    let mut w = world(&["1"], |_| {});
    let (id, _) = offer(&w.enqueue(1));
    let out = w.end(id, OfferResult::Gone);
    assert_eq!(left(&out), [(1, EntryOutcome::Abandoned)]);
    assert!(w.leave(1).is_empty());
    assert_eq!(w.acd.live(), crate::Live::default());
}

#[test]
fn all_at_once_the_first_answer_wins_and_the_second_is_over() {
    let mut w = world(&["1", "2", "3"], |s| s.queues[0].strategy = Strategy::AllAtOnce);
    let ringing = offers(&w.enqueue(1));
    assert_eq!(ringing.len(), 3);
    let out = w.accept(ringing[1].0);
    let elsewhere = WithdrawCause::AnsweredElsewhere;
    assert_eq!(withdrawn(&out), [(ringing[0].0, elsewhere), (ringing[2].0, elsewhere)]);
    assert!(w.accept(ringing[0].0).iter().all(|o| !matches!(o, Output::Left { .. })));
    w.end(ringing[2].0, OfferResult::Gone);
    assert_eq!(w.acd.live(), crate::Live { conversations: 1, ..Default::default() });
}

#[test]
fn all_at_once_rings_the_best_level_first_and_who_becomes_free_joins_in() {
    let mut w = world(&["1", "2", "3"], |s| {
        s.queues[0].strategy = Strategy::AllAtOnce;
        s.queues[0].tiers[2].level = 2;
    });
    w.choose("2", AgentState::Busy);
    let (first, who) = offer(&w.enqueue(1));
    assert_eq!(who, "1");
    assert_eq!(offer(&w.choose("2", AgentState::Ready)).1, "2");
    w.choose("3", AgentState::Busy);
    assert!(offers(&w.choose("3", AgentState::Ready)).is_empty(), "level 2 does not join level 1");
    assert!(offers(&w.refuse(first, RefusalCause::Busy)).is_empty(), "agent 2 still rings");
    let out = w.pass(secs(15));
    assert_eq!(offer(&out).1, "3");
}

#[test]
fn the_end_of_an_offer_is_believed_once() {
    let mut w = world(&["1"], |_| {});
    let (id, _) = offer(&w.enqueue(1));
    w.accept(id);
    assert!(w.end(id, OfferResult::Gone).is_empty());
    assert!(w.refuse(id, RefusalCause::Busy).is_empty());
    w.hang_up(id);
    assert!(w.accept(id).is_empty());
    assert!(w.put(Input::OfferRinging { offer: id }).is_empty());
}

#[test]
fn round_robin_asks_in_turn_whoever_is_idle_longest() {
    let mut w = world(&["1", "2", "3"], |s| {
        s.queues[0].strategy = Strategy::RoundRobin;
        s.queues[0].wrap_up = Duration::ZERO;
    });
    let asked: Vec<String> = (1..=5)
        .map(|n| {
            if n == 3 {
                // Agent 3 comes back and is idle for the shortest time; it is its turn all the same.
                w.choose("3", AgentState::Busy);
                w.pass(secs(1));
                w.choose("3", AgentState::Ready);
            }
            let (id, who) = offer(&w.enqueue(n));
            w.leave(n);
            w.end(id, OfferResult::Gone);
            who
        })
        .collect();
    assert_eq!(asked, ["1", "2", "3", "1", "2"]);
}
