//! Each invariant, and a bad state made by hand that it rejects.

use super::*;
use crate::Standing;
use crate::agent::AgentSlot;
use crate::offer::OfferState;

/// Caller 1 rings at agent 1; agent 2 talks with caller 2; caller 3 waits; agent 3 is busy.
fn lively() -> Acd {
    let mut w = world(&["1", "2", "3"], |_| {});
    w.choose("3", AgentState::Busy);
    w.choose("1", AgentState::Busy);
    let (id, _) = offer(&w.enqueue(2));
    w.accept(id);
    w.choose("1", AgentState::Ready);
    assert_eq!(offer(&w.enqueue(1)).1, "1");
    w.enqueue(3);
    assert_eq!(w.view("3").standing, Standing::Busy);
    w.acd
}

fn rejects(edit: impl FnOnce(&mut Acd), expected: &str) {
    let mut acd = lively();
    edit(&mut acd);
    let broken = acd.check_invariants().expect_err(expected);
    assert!(format!("{broken:?}").starts_with(expected), "{broken:?} instead of {expected}");
}

fn slot(acd: &Acd, number: &str) -> AgentSlot {
    acd.agent_slot(&agent(number)).unwrap()
}

fn offer_of(acd: &Acd, number: &str) -> OfferId {
    acd.agents[&slot(acd, number)].offer.unwrap()
}

#[test]
fn an_agent_with_anothers_offer() {
    rejects(
        |acd| {
            let (one, three) = (offer_of(acd, "1"), slot(acd, "3"));
            acd.agents.get_mut(&three).unwrap().offer = Some(one);
        },
        "StrangeOffer",
    );
}

#[test]
fn an_agent_with_two_offers() {
    rejects(
        |acd| {
            let mut twin = acd.offers[&offer_of(acd, "1")].clone();
            twin.state = OfferState::Withdrawing { cause: WithdrawCause::RingTimeout };
            acd.offers.insert(OfferId::from(9), twin);
        },
        "SecondOffer",
    );
}

#[test]
fn an_offer_its_entry_does_not_know() {
    rejects(|acd| acd.entries.get_mut(&entry(1)).unwrap().offers.clear(), "UnknownToEntry");
}

#[test]
fn an_entry_that_counts_a_withdrawn_offer() {
    rejects(
        |acd| {
            let id = offer_of(acd, "1");
            let cause = WithdrawCause::RingTimeout;
            acd.offers.get_mut(&id).unwrap().state = OfferState::Withdrawing { cause };
        },
        "NotRinging",
    );
}

#[test]
fn two_phones_for_one_caller() {
    rejects(
        |acd| {
            let mut twin = acd.offers[&offer_of(acd, "1")].clone();
            twin.agent = slot(acd, "3");
            acd.offers.insert(OfferId::from(9), twin);
            let three = slot(acd, "3");
            acd.agents.get_mut(&three).unwrap().offer = Some(OfferId::from(9));
            acd.entries.get_mut(&entry(1)).unwrap().offers.push(OfferId::from(9));
        },
        "RingsTwice",
    );
}

#[test]
fn a_caller_who_talks_and_waits() {
    rejects(
        |acd| {
            let id = offer_of(acd, "2");
            acd.offers.get_mut(&id).unwrap().entry = entry(3);
        },
        "AnsweredAndWaiting",
    );
}

#[test]
fn a_caller_with_two_winners() {
    rejects(
        |acd| {
            let mut twin = acd.offers[&offer_of(acd, "2")].clone();
            twin.agent = slot(acd, "3");
            acd.offers.insert(OfferId::from(9), twin);
            let three = slot(acd, "3");
            acd.agents.get_mut(&three).unwrap().offer = Some(OfferId::from(9));
        },
        "TwoWinners",
    );
}

#[test]
fn a_line_that_lost_a_caller() {
    rejects(
        |acd| {
            acd.queues.values_mut().next().unwrap().line.pop_first();
        },
        "WrongLine",
    );
}

#[test]
fn a_caller_who_seeks_unnoticed() {
    rejects(|acd| acd.queues.values_mut().next().unwrap().seeking.clear(), "WrongSeekers");
}

#[test]
fn a_caller_whom_no_better_position_would_reach() {
    rejects(|acd| acd.queues.values_mut().next().unwrap().eager.clear(), "WrongEager");
}

#[test]
fn a_tier_without_an_agent() {
    rejects(|acd| acd.queues.values_mut().next().unwrap().tiers[2].agent = AgentSlot(99), "NobodyInTier");
}

#[test]
fn a_caller_beside_a_free_agent() {
    rejects(
        |acd| {
            let three = slot(acd, "3");
            acd.agents.get_mut(&three).unwrap().state = AgentState::Ready;
        },
        "IdleBesideLine",
    );
}

#[test]
fn a_tier_its_agent_does_not_know() {
    rejects(
        |acd| {
            let three = slot(acd, "3");
            acd.agents.get_mut(&three).unwrap().queues.clear();
        },
        "WrongTiers",
    );
}

#[test]
fn an_agent_who_counts_a_queue_twice() {
    rejects(
        |acd| {
            let three = slot(acd, "3");
            let queues = &mut acd.agents.get_mut(&three).unwrap().queues;
            queues.push(queues[0]);
        },
        "StrangeQueue",
    );
}

#[test]
fn an_activity_that_was_not_told() {
    rejects(
        |acd| {
            let three = slot(acd, "3");
            acd.agents.get_mut(&three).unwrap().seen.activity = AgentActivity::Talking;
        },
        "Untold",
    );
}

#[test]
fn deadlines_of_nobody_and_missing_ones() {
    let at = Instant::from_secs(5000);
    let one = |acd: &Acd| slot(acd, "1");
    rejects(|acd| acd.timers.set(Timer::MaxWait(entry(9)), at), "WrongTimer");
    rejects(|acd| acd.timers.set(Timer::Tell(entry(9)), at), "WrongTimer");
    rejects(|acd| acd.timers.clear(Timer::MaxWait(entry(3))), "WrongTimer");
    rejects(|acd| acd.timers.set(Timer::Ring(offer_of(acd, "2")), at), "WrongTimer");
    rejects(|acd| acd.timers.clear(Timer::Ring(offer_of(acd, "1"))), "WrongTimer");
    rejects(|acd| acd.timers.set(Timer::WrapUp(one(acd)), at), "WrongTimer");
    rejects(|acd| acd.timers.set(Timer::Rest(one(acd)), at), "WrongTimer");
}
