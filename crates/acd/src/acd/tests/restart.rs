//! What outlives the process.

use super::*;
use crate::Kept;

/// The same settings in a new process that was told what the old one kept.
fn restarted(old: &World, change: impl Fn(&mut Kept)) -> (World, Vec<Output>) {
    let mut kept: Vec<Kept> = old.acd.kept().collect();
    kept.iter_mut().for_each(change);
    let settings = old.settings.clone();
    let mut new = world(&[], |fresh| *fresh = settings);
    new.acd.restore(new.now, kept);
    let out = new.drain();
    (new, out)
}

#[test]
fn the_chosen_state_and_the_days_counters_outlive_a_restart_and_calls_do_not() {
    let mut old = world(&["1", "2"], |_| {});
    let (id, _) = offer(&old.enqueue(1));
    old.accept(id);
    old.pass(secs(40));
    old.hang_up(id);
    let lunch = AgentState::Break { reason: Arc::from("午餐") };
    old.choose("1", lunch.clone());
    old.enqueue(2);
    let (mut new, out) = restarted(&old, |_| {});
    assert_eq!(new.view("1").activity_since, old.view("1").state_since, "not since the restart");
    assert_eq!(agent_facts(&out), [("1".into(), AgentFact::StateChosen { state: lunch.clone() })]);
    let (was, is) = (old.view("1"), new.view("1"));
    assert_eq!((is.state, is.state_since), (lunch, was.state_since));
    assert_eq!((is.calls_today, is.talk_today), (1, secs(40)));
    assert_eq!(new.activity("2"), AgentActivity::Idle, "the phone that rang rings no more");
    assert_eq!(offer(&new.enqueue(3)).1, "2");
}

#[test]
fn who_chose_offline_stays_so_though_the_phone_is_registered() {
    let mut old = world(&["1"], |s| phone(s, "1", SignIn::ByRegistering));
    old.reachable("1", true);
    old.choose("1", AgentState::Offline);
    let (mut new, _) = restarted(&old, |_| {});
    new.reachable("1", true);
    assert_eq!(new.view("1").state, AgentState::Offline, "nobody registered just now");
}

#[test]
fn who_signs_in_by_registering_is_offline_when_the_binding_ran_out_meanwhile() {
    let mut old = world(&["1"], |s| phone(s, "1", SignIn::ByRegistering));
    old.reachable("1", true);
    old.choose("1", AgentState::Busy);
    let (new, out) = restarted(&old, |kept| kept.reachable = false);
    assert_eq!((new.view("1").state, agent_facts(&out)), (AgentState::Offline, vec![]));
    let (kept, _) = restarted(&old, |_| {});
    assert_eq!(kept.view("1").state, AgentState::Busy);
}

#[test]
fn an_agent_who_is_no_longer_configured_is_passed_over() {
    let old = world(&["1"], |_| {});
    let (new, out) = restarted(&old, |kept| kept.agent = agent("9"));
    assert!(out.is_empty() && new.acd.agents().count() == 1);
}
