//! New settings while callers wait and agents talk.

use super::*;

#[test]
fn a_reload_that_changes_nothing_does_nothing() {
    let mut w = world(&["1", "2"], |s| s.queues[0].announce.position = true);
    w.enqueue(1);
    w.enqueue(2);
    w.enqueue(3);
    assert!(w.configure(|_| {}).is_empty());
}

#[test]
fn an_agent_who_was_removed_finishes_its_talk_and_is_gone() {
    let mut w = world(&["1", "2"], |_| {});
    let (id, _) = offer(&w.enqueue(1));
    w.accept(id);
    let out = w.configure(|s| {
        s.agents.remove(0);
        s.queues[0].tiers.remove(0);
    });
    assert_eq!(agent_facts(&out), [("1".into(), AgentFact::StateChosen { state: AgentState::Offline })]);
    assert_eq!(w.view("1").standing, crate::Standing::Removed);
    w.hang_up(id);
    assert!(w.acd.agents().all(|view| view.id != agent("1")));
    assert_eq!(offer(&w.enqueue(2)).1, "2");
}

#[test]
fn an_agent_who_was_removed_in_mid_ring_passes_the_caller_on() {
    let mut w = world(&["1", "2"], |_| {});
    let (id, _) = offer(&w.enqueue(1));
    let out = w.configure(|s| {
        s.agents.remove(0);
    });
    assert_eq!(withdrawn(&out), [(id, WithdrawCause::AgentGone)]);
    assert_eq!(offer(&out).1, "2");
    w.end(id, OfferResult::Gone);
    assert_eq!(w.acd.agents().count(), 1);
}

#[test]
fn an_agent_who_comes_back_while_its_talk_lasts_is_the_same() {
    let mut w = world(&["1"], |_| {});
    let (id, _) = offer(&w.enqueue(1));
    w.accept(id);
    let agent_1 = w.settings.agents[0].clone();
    w.configure(|s| s.agents.clear());
    w.configure(|s| s.agents.push(agent_1));
    assert_eq!((w.activity("1"), w.view("1").state), (AgentActivity::Talking, AgentState::Ready));
    assert_eq!(w.view("1").calls_today, 1);
}

#[test]
fn callers_of_a_removed_queue_leave_as_failed_and_talks_go_on() {
    let mut w = world(&["1"], |_| {});
    let (id, _) = offer(&w.enqueue(1));
    w.accept(id);
    w.enqueue(2);
    assert_eq!(left(&w.configure(|s| s.queues.clear())), [(2, EntryOutcome::Failed)]);
    w.hang_up(id);
    assert_eq!(w.view("1").standing, crate::Standing::Free, "no queue, no wrap-up");
}

#[test]
fn a_new_agent_and_a_new_tier_take_who_waits() {
    let mut w = world(&["1"], |_| {});
    w.choose("1", AgentState::Busy);
    w.enqueue(1);
    assert!(w.configure(|s| s.agents.push(agent_settings("2"))).len() == 1);
    let out = w.configure(|s| s.queues[0].tiers.push(Tier { agent: agent("2"), level: 1 }));
    assert_eq!(offer(&out).1, "2");
}

#[test]
fn priority_and_maximum_wait_hold_for_who_waits_already() {
    let mut w = world(&["1"], |s| s.queues.push(queue_settings("vip", &["1"])));
    w.choose("1", AgentState::Busy);
    w.enqueue_in("q", 1, 0);
    w.pass(secs(1));
    w.enqueue_in("vip", 2, 0);
    w.configure(|s| {
        s.queues[1].priority = 7;
        s.queues[0].max_wait = Some(secs(30));
        s.queues[1].max_wait = None;
    });
    assert_eq!(offers(&w.choose("1", AgentState::Ready))[0].1, 2);
    assert_eq!(left(&w.pass(secs(29))), [(1, EntryOutcome::TimedOut)]);
}

#[test]
fn another_phone_is_unreachable_until_it_is_heard_of() {
    let mut w = world(&["1"], |_| {});
    w.configure(|s| phone(s, "1", SignIn::Always));
    assert_eq!(w.activity("1"), AgentActivity::Unreachable);
    w.reachable("1", true);
    assert_eq!(w.activity("1"), AgentActivity::Idle);
    w.configure(|s| s.agents[0].sign_in = SignIn::ByRegistering);
    assert_eq!(w.view("1").state, AgentState::Ready);
    w.configure(|s| s.agents[0].target = DialTarget::Phone(Aor::new("other", "pbx")));
    assert_eq!(w.view("1").state, AgentState::Offline);
}

#[test]
fn a_chosen_state_outlives_a_reload() {
    let mut w = world(&["1"], |_| {});
    w.choose("1", AgentState::Offline);
    w.configure(|s| s.agents[0].name = Arc::from("王"));
    assert_eq!((w.view("1").state, &*w.view("1").name), (AgentState::Offline, "王"));
}

#[test]
fn phones_that_ring_at_once_ring_on_under_another_strategy() {
    let mut w = world(&["1", "2"], |s| s.queues[0].strategy = Strategy::AllAtOnce);
    let ringing = offers(&w.enqueue(1));
    assert!(w.configure(|s| s.queues[0].strategy = Strategy::TopDown).is_empty());
    let out = w.accept(ringing[1].0);
    assert_eq!(withdrawn(&out), [(ringing[0].0, WithdrawCause::AnsweredElsewhere)]);
}

#[test]
fn a_reload_that_brings_agents_serves_those_first_who_go_first_in_all_queues() {
    let mut w = world(&[], |s| {
        s.queues.push(queue_settings("vip", &[]));
    });
    w.enqueue_in("q", 1, 0);
    w.enqueue_in("vip", 2, 5);
    let out = w.configure(|s| {
        s.agents.push(agent_settings("1"));
        s.queues.iter_mut().for_each(|q| q.tiers.push(Tier { agent: agent("1"), level: 1 }));
    });
    assert_eq!(offers(&out)[0].1, 2);
}
