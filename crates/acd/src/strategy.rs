//! Owns 排队机制: whom a queue chooses among the free agents. Does not own who is free (see `agent`).

mod all_at_once;
mod fewest_calls;
mod least_talk;
mod longest_idle;
mod round_robin;
mod top_down;

use std::sync::Arc;

use clock::Instant;

use crate::Strategy;
use crate::agent::{Agent, AgentSlot};

/// A free agent, as strategies see it.
pub(crate) struct Candidate<'a> {
    pub(crate) slot: AgentSlot,
    pub(crate) agent: &'a Agent,
    /// Its place in the queue's list.
    pub(crate) place: usize,
    /// Lower levels are asked first.
    pub(crate) level: u32,
    /// How often this caller was offered to it: others come first.
    pub(crate) tries: u32,
    /// How many places behind the one asked last, counted round; 0 is its neighbour.
    pub(crate) turn: usize,
}

/// Sorts candidates; the first is chosen.
type Order = (u32, u32, u64, Instant, usize);

/// Why somebody was chosen, in Chinese and English.
pub(crate) struct Reason {
    zh: String,
    en: String,
}

/// The candidate that `strategy` asks first.
pub(crate) fn choose<'a>(strategy: Strategy, candidates: &'a [Candidate<'a>]) -> Option<&'a Candidate<'a>> {
    candidates.iter().min_by_key(|candidate| order(strategy, candidate))
}

/// Where `candidate` stands: those this caller has not been offered to, the best level, the strategy's own order,
/// then the longest idle, then the list.
pub(crate) fn order(strategy: Strategy, candidate: &Candidate<'_>) -> Order {
    let rank = match strategy {
        Strategy::LongestIdle => longest_idle::rank(candidate),
        Strategy::RoundRobin => round_robin::rank(candidate),
        Strategy::TopDown => top_down::rank(candidate),
        Strategy::FewestCalls => fewest_calls::rank(candidate),
        Strategy::LeastTalk => least_talk::rank(candidate),
        Strategy::AllAtOnce => all_at_once::rank(candidate),
    };
    (candidate.tries, candidate.level, rank, candidate.agent.idle_since, candidate.place)
}

/// Why `strategy` chose `candidate` among `free` agents.
pub(crate) fn reason(strategy: Strategy, now: Instant, candidate: &Candidate<'_>, free: usize) -> Arc<str> {
    let Reason { zh, en } = match strategy {
        Strategy::LongestIdle => longest_idle::reason(now, candidate),
        Strategy::RoundRobin => round_robin::reason(candidate),
        Strategy::TopDown => top_down::reason(candidate),
        Strategy::FewestCalls => fewest_calls::reason(candidate),
        Strategy::LeastTalk => least_talk::reason(candidate),
        Strategy::AllAtOnce => all_at_once::reason(),
    };
    Arc::from(format!("{zh}（{free} 人空闲） / {en} ({free} free)"))
}

/// Why an agent who became free got this caller.
pub(crate) fn reason_of_first_in_line() -> Arc<str> {
    Arc::from("坐席空闲，来电排在最前 / the agent became free and this caller is first in line")
}

#[cfg(test)]
mod tests;
