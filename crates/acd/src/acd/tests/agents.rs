//! What agents choose and what is seen of them.

use super::*;
use crate::{Engaged, Strategy};

fn activities(out: &[Output]) -> Vec<(String, AgentActivity, Option<CallId>)> {
    agent_facts(out)
        .into_iter()
        .filter_map(|(who, fact)| match fact {
            AgentFact::ActivityChanged { activity, call } => Some((who, activity, call)),
            AgentFact::StateChosen { .. } => None,
        })
        .collect()
}

fn states(out: &[Output]) -> Vec<(String, AgentState)> {
    agent_facts(out)
        .into_iter()
        .filter_map(|(who, fact)| match fact {
            AgentFact::StateChosen { state } => Some((who, state)),
            AgentFact::ActivityChanged { .. } => None,
        })
        .collect()
}

#[test]
fn the_first_outputs_are_the_states_of_agents_who_are_always_signed_in() {
    let start = Instant::from_secs(3_600);
    let mut acd = Acd::new(start, tenant(), IdGen::new(0, 0, 0), Arc::new(settings(&["1"])));
    assert!(
        acd.agents().all(|agent| agent.state_since == start),
        "nobody was anything before the switch began"
    );
    let fact = AgentFact::StateChosen { state: AgentState::Ready };
    assert_eq!(acd.poll_output(), Some(Output::Event(Event::Agent { agent: agent("1"), fact })));
    assert_eq!(acd.poll_output(), None);
}

#[test]
fn a_phone_that_vanishes_makes_its_agent_unreachable_and_not_a_black_hole() {
    let mut w = world(&["1", "2"], |s| phone(s, "1", SignIn::ByCode));
    assert_eq!(w.activity("1"), AgentActivity::Idle);
    w.choose("1", AgentState::Ready);
    assert_eq!(w.activity("1"), AgentActivity::Unreachable);
    w.choose("2", AgentState::Busy);
    assert!(offers(&w.enqueue(1)).is_empty(), "an unreachable agent is not offered");
    let (id, _) = offer(&w.reachable("1", true));
    w.put(Input::OfferRinging { offer: id });
    w.choose("2", AgentState::Ready);
    let out = w.reachable("1", false);
    assert_eq!(withdrawn(&out), [(id, WithdrawCause::AgentGone)]);
    assert_eq!(offer(&out).1, "2", "the caller goes on at once");
    let out = w.end(id, OfferResult::Gone);
    assert_eq!(activities(&out), [("1".into(), AgentActivity::Unreachable, None)]);
    assert_eq!(w.view("1").state, AgentState::Ready, "what was chosen stays");
}

#[test]
fn registering_signs_in_who_signs_in_by_it_and_going_signs_out() {
    let mut w = world(&["1"], |s| phone(s, "1", SignIn::ByRegistering));
    w.enqueue(1);
    let out = w.reachable("1", true);
    assert_eq!(states(&out), [("1".into(), AgentState::Ready)]);
    let (id, _) = offer(&out);
    w.accept(id);
    assert_eq!(states(&w.reachable("1", false)), [("1".into(), AgentState::Offline)]);
    assert_eq!(w.activity("1"), AgentActivity::Talking, "the talk goes on");
    w.hang_up(id);
    assert_eq!(w.activity("1"), AgentActivity::Idle, "who signed out has no wrap-up");
}

#[test]
fn a_registration_alone_does_not_sign_in_who_does_so_by_code() {
    let mut w = world(&["1"], |s| phone(s, "1", SignIn::ByCode));
    assert!(w.reachable("1", true).is_empty());
    assert_eq!(w.view("1").state, AgentState::Offline);
}

#[test]
fn bound_phones_do_not_depend_on_registrations() {
    let mut w = world(&["1"], |_| {});
    assert!(w.reachable("1", false).is_empty());
    assert_eq!(offer(&w.enqueue(1)).1, "1");
}

#[test]
fn wrap_up_follows_the_talk_and_then_the_agent_is_free() {
    let mut w = world(&["1"], |_| {});
    let (id, _) = offer(&w.enqueue(1));
    w.accept(id);
    w.pass(secs(60));
    assert_eq!(activities(&w.hang_up(id)), [("1".into(), AgentActivity::WrapUp, None)]);
    assert!(offers(&w.enqueue(2)).is_empty());
    let out = w.pass(secs(10));
    assert_eq!(activities(&out)[0], ("1".into(), AgentActivity::Idle, None));
    assert_eq!(offer(&out).1, "1");
    assert_eq!(w.view("1").talk_today, secs(60));
}

#[test]
fn without_wrap_up_the_next_caller_comes_at_once() {
    let mut w = world(&["1"], |s| s.queues[0].wrap_up = Duration::ZERO);
    let (id, _) = offer(&w.enqueue(1));
    w.accept(id);
    w.enqueue(2);
    assert_eq!(offer(&w.hang_up(id)).1, "1");
}

#[test]
fn in_wrap_up_ready_ends_it_offline_ends_it_and_a_break_lets_it_run() {
    let talked = || {
        let mut w = world(&["1"], |_| {});
        let (id, _) = offer(&w.enqueue(1));
        w.accept(id);
        w.enqueue(2);
        w.hang_up(id);
        w
    };
    assert_eq!(offer(&talked().choose("1", AgentState::Ready)).1, "1");
    let mut w = talked();
    w.choose("1", AgentState::Offline);
    assert_eq!(w.activity("1"), AgentActivity::Idle);
    let mut w = talked();
    w.choose("1", AgentState::Break { reason: Arc::from("用餐") });
    assert_eq!(w.activity("1"), AgentActivity::WrapUp);
    assert!(offers(&w.pass(secs(10))).is_empty());
    assert_eq!(w.view("1").standing, crate::Standing::Break);
}

#[test]
fn a_state_chosen_in_mid_talk_holds_when_it_ends() {
    let mut w = world(&["1"], |_| {});
    let (id, _) = offer(&w.enqueue(1));
    w.accept(id);
    let out = w.choose("1", AgentState::Busy);
    assert!(activities(&out).is_empty(), "what is chosen and what is seen are two things");
    w.enqueue(2);
    w.hang_up(id);
    assert!(offers(&w.pass(secs(60))).is_empty());
    assert_eq!(offers(&w.choose("1", AgentState::Ready)).len(), 1);
}

#[test]
fn the_same_state_again_is_no_fact() {
    let mut w = world(&["1"], |_| {});
    assert!(w.choose("1", AgentState::Ready).is_empty());
    assert_eq!(states(&w.choose("1", AgentState::Break { reason: Arc::from("用餐") })).len(), 1);
    assert_eq!(states(&w.choose("1", AgentState::Break { reason: Arc::from("培训") })).len(), 1);
}

#[test]
fn busy_chosen_in_mid_ring_lets_it_ring() {
    let mut w = world(&["1"], |_| {});
    let (id, _) = offer(&w.enqueue(1));
    assert!(withdrawn(&w.choose("1", AgentState::Busy)).is_empty());
    w.accept(id);
    assert_eq!(w.activity("1"), AgentActivity::Talking);
}

#[test]
fn ready_ends_the_rest_of_who_did_not_answer() {
    let mut w = world(&["1"], |_| {});
    let (id, _) = offer(&w.enqueue(1));
    w.pass(secs(15));
    w.end(id, OfferResult::Gone);
    assert_eq!(w.view("1").standing, crate::Standing::Resting);
    assert_eq!(offer(&w.choose("1", AgentState::Ready)).1, "1");
}

#[test]
fn hold_is_seen_and_counts_as_talk() {
    let mut w = world(&["1"], |_| {});
    let (id, _) = offer(&w.enqueue(1));
    assert!(w.put(Input::Held { offer: id, held: true }).is_empty(), "nobody talks yet");
    w.accept(id);
    w.pass(secs(5));
    let held = w.put(Input::Held { offer: id, held: true });
    assert_eq!(activities(&held), [("1".into(), AgentActivity::Held, Some(call(1)))]);
    w.pass(secs(5));
    let back = w.put(Input::Held { offer: id, held: false });
    assert_eq!(activities(&back), [("1".into(), AgentActivity::Talking, Some(call(1)))]);
    w.hang_up(id);
    assert_eq!(w.view("1").talk_today, secs(10));
}

#[test]
fn other_calls_occupy_an_agent_until_the_last_ends() {
    let mut w = world(&["1"], |_| {});
    let occupied = |n| talking("1", n);
    let freed = |n| Input::Freed { agent: agent("1"), call: call(n) };
    assert_eq!(activities(&w.put(occupied(7)))[0].1, AgentActivity::Talking);
    assert!(w.put(occupied(7)).is_empty());
    w.pass(secs(3));
    w.put(occupied(8));
    assert!(offers(&w.enqueue(1)).is_empty());
    assert_eq!(w.acd.live().occupied, 2);
    assert!(offers(&w.put(freed(7))).is_empty());
    assert_eq!(offer(&w.put(freed(8))).1, "1");
    let view = w.view("1");
    assert_eq!((view.calls_today, view.talk_today), (2, secs(3)));
    assert!(w.put(freed(8)).is_empty());
}

fn occupied(number: &str, n: u64, engaged: Engaged) -> Input {
    Input::Occupied { agent: agent(number), call: call(n), engaged }
}

fn talking(number: &str, n: u64) -> Input {
    occupied(number, n, Engaged::Talking)
}

#[test]
fn an_own_call_counts_from_its_conversation_and_holds_are_seen() {
    let mut w = world(&["1"], |_| {});
    let rings = w.put(occupied("1", 7, Engaged::Ringing));
    assert_eq!(activities(&rings), [("1".into(), AgentActivity::Ringing, Some(call(7)))]);
    assert!(offers(&w.enqueue(1)).is_empty(), "R25: no caller for whom a phone rings already");
    w.pass(secs(9));
    w.put(talking("1", 7));
    w.pass(secs(2));
    let held = w.put(occupied("1", 7, Engaged::Held));
    assert_eq!(activities(&held), [("1".into(), AgentActivity::Held, Some(call(7)))]);
    w.pass(secs(3));
    // A second call that rings meanwhile is not what the agent is seen doing once the first is taken up again.
    w.put(occupied("1", 8, Engaged::Ringing));
    w.put(talking("1", 7));
    assert_eq!((w.activity("1"), w.view("1").call), (AgentActivity::Talking, Some(call(7))));
    w.put(Input::Freed { agent: agent("1"), call: call(8) });
    w.put(Input::Freed { agent: agent("1"), call: call(7) });
    let view = w.view("1");
    assert_eq!((view.calls_today, view.talk_today), (1, secs(5)));
}

#[test]
fn wrap_up_follows_an_own_conversation_where_it_is_set_and_not_an_unanswered_call() {
    let mut w = world(&["1"], |s| s.own_calls_wrap_up = secs(6));
    w.put(occupied("1", 7, Engaged::Ringing));
    w.put(Input::Freed { agent: agent("1"), call: call(7) });
    assert_eq!(w.activity("1"), AgentActivity::Idle);
    w.put(talking("1", 8));
    w.put(talking("1", 9));
    w.put(Input::Freed { agent: agent("1"), call: call(8) });
    assert_eq!(w.activity("1"), AgentActivity::Talking);
    w.put(Input::Freed { agent: agent("1"), call: call(9) });
    assert_eq!(w.activity("1"), AgentActivity::WrapUp);
    assert!(offers(&w.enqueue(1)).is_empty());
    assert_eq!(offer(&w.pass(secs(6))).1, "1");
}

#[test]
fn a_caller_who_is_picked_up_leaves_the_line_and_frees_who_was_rung() {
    for withdrawn in [false, true] {
        let mut w = world(&["1", "2"], |s| s.queues[0].strategy = Strategy::TopDown);
        let (id, _) = offer(&w.enqueue(1));
        if withdrawn {
            // The ring time ran out, and the pickup crosses the withdrawal: the phone that is asked next rings in vain.
            w.put(Input::OfferRinging { offer: id });
            let ring = w.settings.queues[0].ring;
            w.pass(ring);
        }
        let out = w.put(Input::PickedUp { offer: id });
        assert_eq!(left(&out), [(1, EntryOutcome::Answered)]);
        assert!(w.put(Input::PickedUp { offer: id }).is_empty(), "once");
        let next = if withdrawn { "2" } else { "1" };
        assert_eq!(w.acd.live().entries, 0);
        let open = w.audit.offered.keys().filter(|id| !w.audit.ended.contains_key(id));
        for offer in open.copied().collect::<Vec<OfferId>>() {
            w.put(Input::OfferEnded { offer, result: OfferResult::Gone });
        }
        assert_eq!(w.view(next).standing, crate::Standing::Free);
        assert_eq!(w.view("2").standing, crate::Standing::Free);
    }
}

#[test]
fn an_answer_that_came_before_the_pickup_keeps_the_caller() {
    let mut w = world(&["1"], |_| {});
    let (id, _) = offer(&w.enqueue(1));
    w.accept(id);
    assert!(w.put(Input::PickedUp { offer: id }).is_empty());
    assert_eq!(w.activity("1"), AgentActivity::Talking);
    w.hang_up(id);
}

#[test]
fn a_state_is_replaced_only_while_it_is_the_one_that_is_meant() {
    let mut w = world(&["1"], |_| {});
    let replace = |from, to| Input::ReplaceState { agent: agent("1"), from, to };
    w.put(replace(AgentState::Ready, AgentState::Busy));
    assert_eq!(w.view("1").state, AgentState::Busy);
    w.choose("1", AgentState::Offline);
    w.put(replace(AgentState::Busy, AgentState::Ready));
    assert_eq!(w.view("1").state, AgentState::Offline);
}

#[test]
fn an_own_call_in_mid_ring_is_seen_and_the_offer_goes_on() {
    let mut w = world(&["1"], |_| {});
    let (id, _) = offer(&w.enqueue(1));
    w.put(talking("1", 7));
    assert_eq!(w.view("1").call, Some(call(7)));
    w.refuse(id, RefusalCause::Busy);
    assert_eq!(w.activity("1"), AgentActivity::Talking);
    w.put(Input::Freed { agent: agent("1"), call: call(7) });
    assert_eq!(w.view("1").standing, crate::Standing::Resting);
}

#[test]
fn midnight_counts_anew_and_splits_a_talk_under_way() {
    let mut w = world(&["1", "2"], |s| s.queues[0].wrap_up = Duration::ZERO);
    let (id, _) = offer(&w.enqueue(1));
    w.accept(id);
    w.put(talking("2", 7));
    w.pass(secs(100));
    w.put(Input::DayBegan);
    w.pass(secs(7));
    w.hang_up(id);
    w.put(Input::Freed { agent: agent("2"), call: call(7) });
    for number in ["1", "2"] {
        let view = w.view(number);
        assert_eq!((view.calls_today, view.talk_today), (0, secs(7)));
    }
}

#[test]
fn what_is_said_of_strangers_changes_nothing() {
    let mut w = world(&["1"], |_| {});
    let stranger = AgentId::new(&TenantId::new("acme"), "1");
    let input = Input::ChooseState { agent: stranger.clone(), state: AgentState::Offline };
    assert!(w.put(input).is_empty());
    assert!(w.put(Input::Occupied { agent: stranger, call: call(1), engaged: Engaged::Talking }).is_empty());
    assert!(w.reachable("9", true).is_empty());
    assert!(w.put(Input::Freed { agent: agent("9"), call: call(1) }).is_empty());
    assert_eq!(w.view("1").standing, crate::Standing::Free);
}

#[test]
fn a_machine_written_down_and_read_back_goes_on_where_it_stood() {
    let mut w = world(&["1", "2"], |s| s.queues[0].announce.position = true);
    let (id, _) = offer(&w.enqueue(1));
    w.accept(id);
    w.enqueue(2);
    w.enqueue(3);
    let text = serde_json::to_string(&w.acd).unwrap();
    let mut twin = World {
        acd: serde_json::from_str(&text).unwrap(),
        now: w.now,
        settings: w.settings.clone(),
        audit: Audit::default(),
    };
    assert_eq!(twin.acd.live(), w.acd.live());
    assert_eq!(twin.hang_up(id), w.hang_up(id));
    assert_eq!(twin.pass(secs(400)), w.pass(secs(400)));
}
