//! Who waits in which order, for how long, and what they are told.

use super::*;

fn busy(w: &mut World) {
    w.choose("1", AgentState::Busy);
}

#[test]
fn callers_go_in_order_of_priority_then_of_time() {
    let mut w = world(&["1"], |_| {});
    busy(&mut w);
    for (n, priority) in [(1, 0), (2, 5), (3, 5), (4, -1)] {
        w.enqueue_in("q", n, priority);
        w.pass(secs(1));
    }
    let view = w.acd.queues().next().unwrap();
    let order: Vec<u64> = view.entries.iter().map(|entry| entry.entry.raw()).collect();
    assert_eq!(order, [2, 3, 1, 4]);
    let (_, of, _) = offers(&w.choose("1", AgentState::Ready))[0].clone();
    assert_eq!(of, 2);
}

#[test]
fn an_agent_of_two_queues_takes_the_caller_who_goes_first_in_both() {
    let mut w = world(&["1"], |s| {
        s.queues.push(QueueSettings { priority: 3, ..queue_settings("vip", &["1"]) });
    });
    busy(&mut w);
    w.enqueue_in("q", 1, 2);
    w.pass(secs(1));
    w.enqueue_in("vip", 2, 0);
    w.enqueue_in("q", 3, 3);
    let (id, of, _) = offers(&w.choose("1", AgentState::Ready))[0].clone();
    assert_eq!(of, 2);
    w.accept(id);
    let out = w.hang_up(id);
    assert!(offers(&out).is_empty());
    assert_eq!(offers(&w.pass(secs(10)))[0].1, 3);
}

#[test]
fn the_maximum_wait_ends_the_place_and_takes_the_offer_back() {
    let mut w = world(&["1"], |s| {
        s.queues[0].max_wait = Some(secs(10));
    });
    let (id, _) = offer(&w.enqueue(1));
    w.enqueue(2);
    let out = w.pass(secs(10));
    assert_eq!(left(&out), [(1, EntryOutcome::TimedOut), (2, EntryOutcome::TimedOut)]);
    assert_eq!(withdrawn(&out), [(id, WithdrawCause::QueueTimeout)]);
    w.end(id, OfferResult::Gone);
    assert_eq!(w.acd.live(), crate::Live::default());
    assert_eq!(w.acd.poll_timeout(), None);
}

#[test]
fn a_full_queue_refuses_only_who_would_have_to_wait() {
    let mut w = world(&["1"], |s| s.queues[0].max_waiting = Some(1));
    assert_eq!(offers(&w.enqueue(1)).len(), 1);
    assert!(left(&w.enqueue(2)).is_empty());
    let out = w.enqueue(3);
    assert_eq!(left(&out), [(3, EntryOutcome::Full)]);
    assert!(matches!(facts(&out)[..], [CallFact::Dequeued { .. }]));
}

#[test]
fn a_queue_without_room_to_wait_still_serves_who_finds_a_free_agent() {
    let mut w = world(&["1"], |s| s.queues[0].max_waiting = Some(0));
    assert_eq!(offers(&w.enqueue(1)).len(), 1);
    assert_eq!(left(&w.enqueue(2)), [(2, EntryOutcome::Full)]);
}

#[test]
fn nobody_signed_in_sends_callers_away_but_a_break_does_not() {
    let mut w = world(&["1", "2"], |s| s.queues[0].leave_when_nobody = true);
    w.choose("1", AgentState::Offline);
    w.choose("2", AgentState::Break { reason: Arc::from("用餐") });
    assert!(left(&w.enqueue(1)).is_empty());
    let out = w.choose("2", AgentState::Offline);
    assert_eq!(left(&out), [(1, EntryOutcome::NoAgent)]);
    assert_eq!(left(&w.enqueue(2)), [(2, EntryOutcome::NoAgent)]);
}

#[test]
fn the_last_agent_signing_out_in_mid_ring_sends_the_caller_away() {
    let mut w = world(&["1"], |s| s.queues[0].leave_when_nobody = true);
    let (id, _) = offer(&w.enqueue(1));
    let out = w.choose("1", AgentState::Offline);
    assert_eq!(withdrawn(&out), [(id, WithdrawCause::AgentGone)]);
    assert_eq!(left(&out), [(1, EntryOutcome::NoAgent)]);
    w.end(id, OfferResult::Gone);
}

#[test]
fn callers_of_an_unknown_queue_leave_as_failed() {
    let mut w = world(&["1"], |_| {});
    assert_eq!(left(&w.enqueue_in("nowhere", 1, 0)), [(1, EntryOutcome::Failed)]);
    let other = QueueName::new(&TenantId::new("acme"), "q");
    let caller = Arc::from("1");
    let out = w.put(Input::Enqueue {
        entry: entry(2),
        call: call(2),
        queue: other,
        priority: 0,
        caller,
        since: None,
    });
    assert_eq!(left(&out), [(2, EntryOutcome::Failed)], "a queue of another tenant is unknown");
}

#[test]
fn the_position_is_told_on_arrival_and_then_only_when_it_got_better() {
    let mut w = world(&["1"], |s| {
        s.queues[0].announce.position = true;
        s.queues[0].strategy = Strategy::TopDown;
    });
    busy(&mut w);
    assert_eq!(said(&w.enqueue(1)), [(1, 0)]);
    assert_eq!(said(&w.enqueue(2)), [(2, 1)]);
    assert_eq!(said(&w.enqueue(3)), [(3, 2)]);
    for n in 1..=3 {
        w.put(Input::Said { entry: entry(n) });
    }
    // Nothing better to tell, however long it takes, and a caller with priority makes it worse.
    assert!(said(&w.pass(secs(60))).is_empty());
    assert_eq!(said(&w.enqueue_in("q", 4, 9)), [(4, 0)]);
    assert!(said(&w.leave(4)).is_empty());
    let out = w.leave(1);
    assert_eq!(said(&out), [(2, 0), (3, 1)]);
    assert!(facts(&out).contains(&CallFact::PositionTold { entry: entry(2), ahead: 0 }));
}

#[test]
fn the_position_is_told_at_most_every_so_often_and_never_over_itself() {
    let mut w = world(&["1"], |s| s.queues[0].announce.position = true);
    busy(&mut w);
    for n in 1..=4 {
        w.enqueue(n);
    }
    w.pass(secs(4));
    assert!(said(&w.leave(1)).is_empty(), "the first announcement still plays");
    for n in 2..=3 {
        w.put(Input::Said { entry: entry(n) });
    }
    let out = w.pass(Duration::from_millis(15_999));
    assert!(said(&out).is_empty(), "20 s are not over");
    assert_eq!(said(&w.pass(Duration::from_millis(1))), [(2, 0), (3, 1)]);
    // Caller 4 heard a long text: it may hear the next at once.
    w.pass(secs(5));
    assert_eq!(said(&w.put(Input::Said { entry: entry(4) })), [(4, 2)]);
}

#[test]
fn who_is_being_offered_is_told_nothing_until_that_failed() {
    let mut w = world(&["1"], |s| s.queues[0].announce.position = true);
    let out = w.enqueue(1);
    assert!(said(&out).is_empty());
    let (id, _) = offer(&out);
    assert_eq!(said(&w.refuse(id, RefusalCause::Busy)), [(1, 0)]);
}

#[test]
fn a_key_of_a_waiting_caller_changes_nothing() {
    let mut w = world(&["1"], |_| {});
    busy(&mut w);
    w.enqueue(1);
    let key = model::say::Key::from_char('1').unwrap();
    assert!(w.put(Input::KeyPressed { entry: entry(1), key }).is_empty());
}

#[test]
fn explain_says_who_could_take_a_caller_and_why_they_do_not() {
    let mut w = world(&["1", "2", "3"], |s| phone(s, "3", SignIn::Always));
    busy(&mut w);
    let (id, who) = offer(&w.enqueue(1));
    assert_eq!(who, "2");
    w.enqueue(2);
    let of_first = w.acd.explain(entry(1)).unwrap();
    assert_eq!((of_first.ahead, of_first.agents[1].offer, of_first.agents[1].tries), (0, Some(id), 1));
    let of_second = w.acd.explain(entry(2)).unwrap();
    let words: Vec<&str> = of_second.agents.iter().map(|a| a.standing.zh()).collect();
    assert_eq!(words, ["示忙", "振铃", "异常"]);
    assert_eq!((of_second.ahead, of_second.agents[1].offer), (1, None));
    assert_eq!(w.acd.explain(entry(9)), None);
}
