//! Whom each strategy chooses, as a table.

use std::time::Duration;

use model::{AgentId, DialTarget, TenantId};

use super::*;
use crate::{AgentSettings, SignIn};

fn agent(number: &str, idle_since: u64, calls: u32, talk: u64) -> Agent {
    let settings = AgentSettings {
        id: AgentId::new(&TenantId::default(), number),
        name: Arc::from(number),
        target: DialTarget::Uri(Arc::from("sip:a@192.0.2.1")),
        sign_in: SignIn::Always,
    };
    let mut agent = Agent::new(Instant::ZERO, settings);
    agent.idle_since = Instant::from_secs(idle_since);
    agent.today.calls = calls;
    agent.today.talk = Duration::from_secs(talk);
    agent
}

fn candidate(agent: &Agent, place: usize) -> Candidate<'_> {
    Candidate {
        slot: AgentSlot(u32::try_from(place).unwrap()),
        agent,
        place,
        level: 1,
        tries: 0,
        turn: (place + 2) % 4,
    }
}

fn chosen(strategy: Strategy, candidates: &[Candidate<'_>]) -> usize {
    choose(strategy, candidates).unwrap().place
}

#[test]
fn each_strategy_chooses_by_its_own_figure_and_ties_go_to_the_longest_idle() {
    //                     idle since, calls, talk
    let agents = [agent("0", 40, 2, 50), agent("1", 10, 3, 90), agent("2", 30, 1, 70), agent("3", 20, 1, 50)];
    let candidates: Vec<_> =
        agents.iter().enumerate().map(|(place, agent)| candidate(agent, place)).collect();
    for (strategy, place) in [
        (Strategy::LongestIdle, 1),
        (Strategy::RoundRobin, 2),
        (Strategy::TopDown, 0),
        (Strategy::FewestCalls, 3),
        (Strategy::LeastTalk, 3),
        (Strategy::AllAtOnce, 1),
    ] {
        assert_eq!(chosen(strategy, &candidates), place, "{strategy:?}");
    }
}

#[test]
fn who_was_not_asked_comes_before_a_better_level_and_that_before_the_strategy() {
    let agents = [agent("0", 0, 0, 0), agent("1", 5, 0, 0), agent("2", 9, 0, 0)];
    let mut candidates: Vec<_> =
        agents.iter().enumerate().map(|(place, agent)| candidate(agent, place)).collect();
    candidates[0].tries = 1;
    candidates[1].level = 2;
    assert_eq!(chosen(Strategy::TopDown, &candidates), 2);
    candidates[2].tries = 1;
    assert_eq!(chosen(Strategy::TopDown, &candidates), 1);
}

#[test]
fn nobody_is_chosen_of_nobody() {
    assert!(choose(Strategy::LongestIdle, &[]).is_none());
}

#[test]
fn each_reason_is_told_in_both_languages_with_its_figure() {
    let agent = agent("0", 40, 2, 50);
    let candidate = candidate(&agent, 0);
    let now = Instant::from_secs(100);
    for (strategy, zh, en) in [
        (Strategy::LongestIdle, "已空闲 60 秒", "for 60 s"),
        (Strategy::RoundRobin, "轮到第 1 位", "place 1"),
        (Strategy::TopDown, "第 1 位", "place 1"),
        (Strategy::FewestCalls, "今日 2 次", "2 today"),
        (Strategy::LeastTalk, "今日 50 秒", "50 s today"),
        (Strategy::AllAtOnce, "同时振铃", "all at once"),
    ] {
        let reason = reason(strategy, now, &candidate, 4);
        assert!(reason.contains(zh) && reason.contains(en) && reason.contains("4"), "{reason}");
    }
}
