//! Owns the sums (R56–R66) per hotline number, queue, agent and day, added up from closed call records. Does not own
//! rates and shares: they are quotients of these sums, made where they are shown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::TenantId;
use model::outcome::{CallResult, EntryOutcome, HungUpBy};
use serde::{Deserialize, Serialize};

use crate::cdr::{Cdr, Segment, SegmentOutcome, Visit};
use crate::time::{Day, UtcOffset};

/// The limits by which service is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceRules {
    /// R58: answered within this time of taking a place.
    pub service_level: Duration,
    /// R32 三声内接听: answered within this time of the first ring.
    pub three_rings: Duration,
    /// The civil time that makes days.
    pub offset: UtcOffset,
}

impl Default for ServiceRules {
    fn default() -> ServiceRules {
        ServiceRules {
            service_level: Duration::from_secs(20),
            three_rings: Duration::from_secs(15),
            offset: UtcOffset::CHINA,
        }
    }
}

/// Whose sums, and of which day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FigureKey {
    /// The tenant.
    pub tenant: TenantId,
    /// The number, queue or agent.
    pub name: Arc<str>,
    /// The day on which the call began, the place was taken or the offer made.
    pub day: Day,
}

/// Sums of a hotline number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberFigures {
    /// 来电总数: all calls that reached the number.
    pub calls: u64,
    /// Calls that asked for a person, by result. Their sum is 人工请求量 (offered).
    pub offered: BTreeMap<CallResult, u64>,
    /// The other calls, by result.
    pub apart: BTreeMap<CallResult, u64>,
    /// Σ wait of answered calls.
    #[serde(with = "crate::micros")]
    pub wait_answered: Duration,
    /// Σ wait of the other offered calls.
    #[serde(with = "crate::micros")]
    pub wait_lost: Duration,
    /// The longest wait.
    #[serde(with = "crate::micros")]
    pub longest_wait: Duration,
    /// Σ talk.
    #[serde(with = "crate::micros")]
    pub talk: Duration,
    /// Σ hold.
    #[serde(with = "crate::micros")]
    pub hold: Duration,
    /// Surveys asked.
    pub surveys_asked: u64,
    /// Survey answers by the tenant's word.
    pub surveys: BTreeMap<Arc<str>, u64>,
}

/// Sums of a queue; each place in it counts once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueFigures {
    /// Places taken.
    pub offered: u64,
    /// An agent answered.
    pub answered: u64,
    /// The caller hung up (排队放弃).
    pub abandoned: u64,
    /// The maximum wait passed (排队超时).
    pub timed_out: u64,
    /// The queue had no room (队列满).
    pub full: u64,
    /// Nobody was signed in (无坐席).
    pub no_agent: u64,
    /// The caller left by a key.
    pub left_by_key: u64,
    /// The switch failed (系统失败).
    pub failed: u64,
    /// Of the answered, those within the service level's time.
    pub answered_in_time: u64,
    /// Of the others but those who left by a key, those that ended within the service level's time.
    pub lost_in_time: u64,
    /// Σ wait of the answered.
    #[serde(with = "crate::micros")]
    pub wait_answered: Duration,
    /// Σ wait of the others.
    #[serde(with = "crate::micros")]
    pub wait_lost: Duration,
    /// The longest wait.
    #[serde(with = "crate::micros")]
    pub longest_wait: Duration,
}

/// Sums of an agent; each offer counts once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentFigures {
    /// Offers made.
    pub offered: u64,
    /// Answered.
    pub answered: u64,
    /// Refused: busy, rejected, unreachable, rung out.
    pub refused: u64,
    /// Taken back after ringing out its time (counts as missed).
    pub rang_out: u64,
    /// Taken back for another reason; leaves R32's share.
    pub withdrawn: u64,
    /// Of the answered, those within three rings.
    pub answered_in_three_rings: u64,
    /// Conversations that the agent ended first (R35).
    pub ended_first: u64,
    /// Σ ring of all offers.
    #[serde(with = "crate::micros")]
    pub ring: Duration,
    /// Σ ring of the answered: 坐席应答速度's sum.
    #[serde(with = "crate::micros")]
    pub ring_answered: Duration,
    /// Σ talk without hold.
    #[serde(with = "crate::micros")]
    pub talk: Duration,
    /// Σ hold.
    #[serde(with = "crate::micros")]
    pub hold: Duration,
}

/// Which sums a record changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Numbers.
    pub numbers: Vec<FigureKey>,
    /// Queues.
    pub queues: Vec<FigureKey>,
    /// Agents.
    pub agents: Vec<FigureKey>,
}

/// All sums. Each closed record is added once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// By hotline number.
    pub numbers: BTreeMap<FigureKey, NumberFigures>,
    /// By queue.
    pub queues: BTreeMap<FigureKey, QueueFigures>,
    /// By agent.
    pub agents: BTreeMap<FigureKey, AgentFigures>,
}

impl Figures {
    /// Adds a closed record, and says which sums it changed.
    pub fn add(&mut self, cdr: &Cdr, rules: &ServiceRules) -> Touched {
        if let Some(key) = number_key(cdr, rules) {
            self.numbers.entry(key).or_default().add(cdr);
        }
        for visit in &cdr.visits {
            self.queues.entry(queue_key(cdr, visit, rules)).or_default().add(visit, rules);
        }
        for segment in &cdr.segments {
            if let Some(key) = agent_key(cdr, segment, rules) {
                self.agents.entry(key).or_default().add(segment, rules);
            }
        }
        Figures::keys(cdr, rules)
    }

    /// The sums that [`add`](Figures::add) would change.
    pub fn keys(cdr: &Cdr, rules: &ServiceRules) -> Touched {
        Touched {
            numbers: number_key(cdr, rules).into_iter().collect(),
            queues: cdr.visits.iter().map(|visit| queue_key(cdr, visit, rules)).collect(),
            agents: cdr.segments.iter().filter_map(|segment| agent_key(cdr, segment, rules)).collect(),
        }
    }

    /// Forgets all days before `day`.
    pub fn forget_before(&mut self, day: Day) {
        self.numbers.retain(|key, _| key.day >= day);
        self.queues.retain(|key, _| key.day >= day);
        self.agents.retain(|key, _| key.day >= day);
    }
}

impl Touched {
    /// Adds those of another record.
    pub fn extend(&mut self, other: Touched) {
        self.numbers.extend(other.numbers);
        self.queues.extend(other.queues);
        self.agents.extend(other.agents);
    }

    /// Names each once, in order.
    pub fn sort_and_dedup(&mut self) {
        for keys in [&mut self.numbers, &mut self.queues, &mut self.agents] {
            keys.sort_unstable();
            keys.dedup();
        }
    }
}

fn number_key(cdr: &Cdr, rules: &ServiceRules) -> Option<FigureKey> {
    cdr.parties.number.as_ref().map(|number| key(cdr, &number.name, rules.offset.day(cdr.times.began)))
}

fn queue_key(cdr: &Cdr, visit: &Visit, rules: &ServiceRules) -> FigureKey {
    key(cdr, &visit.queue.name, rules.offset.day(visit.joined))
}

/// An agent who is called first for a call of its own is offered nothing.
fn agent_key(cdr: &Cdr, segment: &Segment, rules: &ServiceRules) -> Option<FigureKey> {
    let own = matches!(segment.left, Some((_, SegmentOutcome::BecameCaller)));
    let segment = Some(segment).filter(|_| !own)?;
    segment.agent.as_ref().map(|agent| key(cdr, &agent.name, rules.offset.day(segment.offered)))
}

fn key(cdr: &Cdr, name: &Arc<str>, day: Day) -> FigureKey {
    FigureKey { tenant: cdr.tenant.clone(), name: name.clone(), day }
}

impl NumberFigures {
    fn add(&mut self, cdr: &Cdr) {
        self.calls += 1;
        let result = cdr.ending.result;
        let outcomes = if cdr.asked_for_a_person() { &mut self.offered } else { &mut self.apart };
        *outcomes.entry(result).or_default() += 1;
        let wait = cdr.lengths.wait;
        match result {
            CallResult::Answered => self.wait_answered += wait,
            _ => self.wait_lost += wait,
        }
        self.longest_wait = self.longest_wait.max(wait);
        self.talk += cdr.lengths.talk;
        self.hold += cdr.lengths.hold;
        let Some(survey) = &cdr.menu.survey else { return };
        self.surveys_asked += 1;
        if let Some(answer) = &survey.answer {
            *self.surveys.entry(answer.label.clone()).or_default() += 1;
        }
    }
}

impl QueueFigures {
    fn add(&mut self, visit: &Visit, rules: &ServiceRules) {
        self.offered += 1;
        let wait = visit.wait();
        let in_time = u64::from(wait <= rules.service_level);
        let outcome = visit.left.map_or(EntryOutcome::Failed, |(_, outcome)| outcome);
        let count = match outcome {
            EntryOutcome::Answered => &mut self.answered,
            EntryOutcome::Abandoned => &mut self.abandoned,
            EntryOutcome::TimedOut => &mut self.timed_out,
            EntryOutcome::Full => &mut self.full,
            EntryOutcome::NoAgent => &mut self.no_agent,
            EntryOutcome::KeyPressed(_) => &mut self.left_by_key,
            EntryOutcome::Failed => &mut self.failed,
        };
        *count += 1;
        match outcome {
            EntryOutcome::Answered => {
                self.answered_in_time += in_time;
                self.wait_answered += wait;
            }
            EntryOutcome::KeyPressed(_) => self.wait_lost += wait,
            _ => {
                self.lost_in_time += in_time;
                self.wait_lost += wait;
            }
        }
        self.longest_wait = self.longest_wait.max(wait);
    }
}

impl AgentFigures {
    fn add(&mut self, segment: &Segment, rules: &ServiceRules) {
        use model::outcome::WithdrawCause;
        self.offered += 1;
        let ring = segment.ring();
        self.ring += ring;
        self.talk += segment.talk();
        self.hold += segment.hold.total;
        if segment.answered.is_some() {
            self.answered += 1;
            self.ring_answered += ring;
            self.answered_in_three_rings += u64::from(ring <= rules.three_rings);
            let first = matches!(segment.left, Some((_, SegmentOutcome::Left { by: HungUpBy::Agent, .. })));
            self.ended_first += u64::from(first);
            return;
        }
        match segment.left.map(|(_, outcome)| outcome) {
            Some(SegmentOutcome::Withdrawn { cause: WithdrawCause::RingTimeout }) => self.rang_out += 1,
            Some(SegmentOutcome::Refused { .. }) => self.refused += 1,
            _ => self.withdrawn += 1,
        }
    }
}

#[cfg(test)]
mod tests;
