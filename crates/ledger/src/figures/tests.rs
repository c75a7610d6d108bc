use model::event::CallFact;
use model::outcome::{RefusalCause, WithdrawCause};

use super::*;
use crate::story::Story;
use crate::{Ledger, Update, check_figures};

fn summed(story: &Story) -> Figures {
    let mut ledger = Ledger::default();
    let mut figures = Figures::default();
    for stamped in &story.events {
        if let Some(Update::Closed(cdr)) = ledger.fold(stamped) {
            let expected = Figures::keys(&cdr, &ServiceRules::default());
            assert_eq!(figures.add(&cdr, &ServiceRules::default()), expected);
        }
    }
    assert_eq!(check_figures(&figures), []);
    figures
}

/// A day of many kinds of calls.
fn day() -> Story {
    let mut story = Story::default();
    story.answered_call("1", "8001");
    // Answered too late for the service level and for three rings.
    let late = story.begin("2");
    let entry = story.queue(late, "sales");
    let offer = story.wait(5_000).offer(late, Some(entry), "8001");
    story.fact(late, CallFact::Ringing { offer }).wait(16_000).answer(late, offer).wait(1_000);
    story.end(late, CallResult::Answered, HungUpBy::Caller);
    // Abandoned early and late; the second after a refusal and a ring that ran out.
    let early = story.begin("3");
    story.queue(early, "sales");
    story.wait(2_000).end(early, CallResult::AbandonedInQueue, HungUpBy::Caller);
    let gone = story.begin("4");
    let entry = story.queue(gone, "sales");
    let offer = story.offer(gone, Some(entry), "8001");
    story.fact(gone, CallFact::OfferRefused { offer, cause: RefusalCause::Rejected, status: Some(603) });
    let offer = story.offer(gone, Some(entry), "8001");
    story.fact(gone, CallFact::Ringing { offer }).wait(25_000);
    story.fact(gone, CallFact::OfferWithdrawn { offer, cause: WithdrawCause::RingTimeout });
    story.end(gone, CallResult::AbandonedInQueue, HungUpBy::Caller);
    // Left by a key, and served by the menu.
    let key = story.begin("5");
    let entry = story.queue(key, "sales");
    let pressed = model::say::Key::from_char('0').unwrap();
    story.wait(1_000).fact(key, CallFact::Dequeued { entry, outcome: EntryOutcome::KeyPressed(pressed) });
    story.end(key, CallResult::CallbackBooked, HungUpBy::Switch);
    let menu = story.begin("6");
    story.wait(9_000).end(menu, CallResult::SelfServed, HungUpBy::Switch);
    story
}

#[test]
fn the_outcomes_of_a_number_add_up_to_all_its_calls() {
    let figures = summed(&day());
    let number = figures.numbers.values().next().unwrap();
    assert_eq!((number.calls, number.offered.values().sum::<u64>()), (6, 5));
    assert_eq!(number.offered[&CallResult::Answered], 2);
    assert_eq!(number.offered[&CallResult::AbandonedInQueue], 2);
    assert_eq!(number.apart, BTreeMap::from([(CallResult::SelfServed, 1)]));
    assert_eq!((number.wait_answered.as_secs(), number.wait_lost.as_secs()), (26, 28));
    assert_eq!(number.longest_wait.as_secs(), 25);
    assert_eq!((number.talk.as_secs(), number.hold.as_secs()), (21, 4));
    assert_eq!((number.surveys_asked, number.surveys["满意"]), (1, 1));
}

#[test]
fn a_queue_counts_each_place_once_and_knows_its_service_level() {
    let figures = summed(&day());
    let queue = figures.queues.values().next().unwrap();
    assert_eq!((queue.offered, queue.answered, queue.abandoned, queue.left_by_key), (5, 2, 2, 1));
    assert_eq!((queue.answered_in_time, queue.lost_in_time), (1, 1));
    assert_eq!((queue.wait_answered.as_secs(), queue.wait_lost.as_secs()), (26, 28));
}

#[test]
fn an_agent_counts_each_offer_once() {
    let figures = summed(&day());
    let agent = figures.agents.values().next().unwrap();
    assert_eq!(
        (agent.offered, agent.answered, agent.refused, agent.rang_out, agent.withdrawn),
        (4, 2, 1, 1, 0)
    );
    assert_eq!((agent.answered_in_three_rings, agent.ended_first), (1, 1));
    assert_eq!((agent.ring.as_secs(), agent.ring_answered.as_secs()), (44, 19));
    assert_eq!((agent.talk.as_secs(), agent.hold.as_secs()), (21, 4));
}

#[test]
fn an_agent_who_is_called_first_for_an_own_call_is_offered_nothing() {
    let mut story = Story::default();
    let call = story.begin("8001");
    let (first, leg) = (story.offer(call, None, "8001"), story.mint());
    story.wait(2_000).fact(call, CallFact::CallerReached { offer: first, leg });
    let second = story.offer(call, None, "8002");
    story.wait(3_000).answer(call, second).wait(1_000);
    story.end(call, CallResult::Answered, HungUpBy::Caller);
    let figures = summed(&story);
    let agents: Vec<&str> = figures.agents.keys().map(|key| &*key.name).collect();
    assert_eq!(agents, ["8002"]);
}

#[test]
fn days_are_those_of_beijing() {
    let mut story = Story::default();
    story.answered_call("1", "8001");
    story.wait(24 * 3_600_000);
    story.answered_call("2", "8001");
    let mut figures = summed(&story);
    let days: Vec<String> = figures.numbers.keys().map(|key| key.day.to_string()).collect();
    assert_eq!(days, ["2026-11-22", "2026-11-23"]);
    figures.forget_before("2026-11-23".parse().unwrap());
    assert_eq!((figures.numbers.len(), figures.queues.len(), figures.agents.len()), (1, 1, 1));
}

#[test]
fn sums_survive_their_json() {
    let figures = summed(&day());
    let number = figures.numbers.values().next().unwrap();
    let json = serde_json::to_string(number).unwrap();
    assert!(json.contains("\"answered\":2"));
    assert_eq!(serde_json::from_str::<NumberFigures>(&json).unwrap(), *number);
}
