//! One tenant in virtual time. After each input the invariants are checked and the facts counted.

mod agents;
mod broken;
mod histories;
mod line;
mod offers;
mod reload;
mod restart;

use std::collections::BTreeMap;
use std::time::Duration;

use model::event::{AgentActivity, AgentState};
use model::outcome::{EntryOutcome, RefusalCause, WithdrawCause};
use model::say::SayItem;
use model::{Aor, DialTarget};

use super::*;
use crate::{AgentSettings, Announce, OfferResult, QueueSettings, SignIn, Strategy, TenantSettings, Tier};

/// A tenant whose agents 1, 2 and 3 are ready, in queue `q`.
struct World {
    acd: Acd,
    now: Instant,
    settings: TenantSettings,
    audit: Audit,
}

/// How often each place and attempt began and ended.
#[derive(Default)]
struct Audit {
    queued: BTreeMap<EntryId, u32>,
    dequeued: BTreeMap<EntryId, u32>,
    left: BTreeMap<EntryId, u32>,
    offered: BTreeMap<OfferId, u32>,
    ended: BTreeMap<OfferId, u32>,
}

impl Audit {
    fn note(&mut self, output: &Output) {
        let count = match output {
            Output::Left { entry, .. } => self.left.entry(*entry).or_default(),
            Output::Event(Event::Call { fact, .. }) => match fact {
                CallFact::Dequeued { entry, .. } => self.dequeued.entry(*entry).or_default(),
                CallFact::Offered { offer, .. } => self.offered.entry(*offer).or_default(),
                CallFact::OfferRefused { offer, .. } | CallFact::OfferWithdrawn { offer, .. } => {
                    self.ended.entry(*offer).or_default()
                }
                _ => return,
            },
            _ => return,
        };
        *count += 1;
        assert_eq!(*count, 1, "told twice: {output:?}");
    }
}

fn tenant() -> TenantId {
    TenantId::default()
}

fn agent(number: &str) -> AgentId {
    AgentId::new(&tenant(), number)
}

fn queue(name: &str) -> QueueName {
    QueueName::new(&tenant(), name)
}

fn entry(n: u64) -> EntryId {
    EntryId::from(n)
}

fn call(n: u64) -> CallId {
    CallId::from(1000 + n)
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn agent_settings(number: &str) -> AgentSettings {
    AgentSettings {
        id: agent(number),
        name: Arc::from(number),
        target: DialTarget::Uri(Arc::from("sip:a@192.0.2.1")),
        sign_in: SignIn::Always,
    }
}

fn queue_settings(name: &str, agents: &[&str]) -> QueueSettings {
    QueueSettings {
        name: queue(name),
        strategy: Strategy::LongestIdle,
        tiers: agents.iter().map(|number| Tier { agent: agent(number), level: 1 }).collect(),
        ring: secs(15),
        max_wait: Some(secs(300)),
        max_waiting: None,
        wrap_up: secs(10),
        no_answer_rest: secs(30),
        leave_when_nobody: false,
        announce: Announce { position: false, every: secs(20) },
        priority: 0,
    }
}

fn settings(agents: &[&str]) -> TenantSettings {
    TenantSettings {
        tenant: tenant(),
        queues: vec![queue_settings("q", agents)],
        agents: agents.iter().map(|number| agent_settings(number)).collect(),
        own_calls_wrap_up: Duration::ZERO,
    }
}

/// `agents` are ready in queue `q`, after `edit`.
fn world(agents: &[&str], edit: impl FnOnce(&mut TenantSettings)) -> World {
    let mut settings = settings(agents);
    edit(&mut settings);
    let acd = Acd::new(Instant::ZERO, tenant(), IdGen::new(0, 0, 1_795_000_000), Arc::new(settings.clone()));
    let mut world = World { acd, now: Instant::from_secs(1000), settings, audit: Audit::default() };
    world.drain();
    world
}

fn phone(settings: &mut TenantSettings, number: &str, sign_in: SignIn) {
    let agent = settings.agents.iter_mut().find(|a| a.id.as_str() == number).unwrap();
    agent.target = DialTarget::Phone(Aor::new(number, "pbx"));
    agent.sign_in = sign_in;
}

impl World {
    fn drain(&mut self) -> Vec<Output> {
        let out: Vec<Output> = std::iter::from_fn(|| self.acd.poll_output()).collect();
        out.iter().for_each(|output| self.audit.note(output));
        self.acd.check_invariants().unwrap();
        out
    }

    fn put(&mut self, input: Input) -> Vec<Output> {
        if let Input::Enqueue { entry, .. } = &input {
            *self.audit.queued.entry(*entry).or_default() += 1;
        }
        self.acd.handle(self.now, input);
        self.drain()
    }

    /// Lets `length` pass, firing timers when they are due.
    fn pass(&mut self, length: Duration) -> Vec<Output> {
        let end = self.now + length;
        let mut out = Vec::new();
        while let Some(due) = self.acd.poll_timeout().filter(|due| *due <= end) {
            // A reload can shorten a wait to one that is over.
            self.now = self.now.max(due);
            self.acd.handle_timeout(self.now);
            out.extend(self.drain());
        }
        self.now = end;
        out
    }

    fn enqueue(&mut self, n: u64) -> Vec<Output> {
        self.enqueue_in("q", n, 0)
    }

    fn enqueue_in(&mut self, name: &str, n: u64, priority: i32) -> Vec<Output> {
        self.put(Input::Enqueue {
            entry: entry(n),
            call: call(n),
            queue: queue(name),
            priority,
            since: None,
            caller: Arc::from("13800138000"),
        })
    }

    fn leave(&mut self, n: u64) -> Vec<Output> {
        self.put(Input::Leave { entry: entry(n) })
    }

    fn end(&mut self, offer: OfferId, result: OfferResult) -> Vec<Output> {
        self.put(Input::OfferEnded { offer, result })
    }

    fn accept(&mut self, offer: OfferId) -> Vec<Output> {
        self.end(offer, OfferResult::Accepted)
    }

    fn refuse(&mut self, offer: OfferId, cause: RefusalCause) -> Vec<Output> {
        self.end(offer, OfferResult::Refused(cause, None))
    }

    fn hang_up(&mut self, offer: OfferId) -> Vec<Output> {
        self.put(Input::ConversationEnded { offer })
    }

    fn choose(&mut self, number: &str, state: AgentState) -> Vec<Output> {
        self.put(Input::ChooseState { agent: agent(number), state })
    }

    fn reachable(&mut self, number: &str, reachable: bool) -> Vec<Output> {
        self.put(Input::PhoneReachable { agent: agent(number), reachable })
    }

    fn configure(&mut self, edit: impl FnOnce(&mut TenantSettings)) -> Vec<Output> {
        edit(&mut self.settings);
        let settings = Arc::new(self.settings.clone());
        self.put(Input::Configure(settings))
    }

    fn activity(&self, number: &str) -> AgentActivity {
        self.view(number).activity
    }

    fn view(&self, number: &str) -> crate::AgentView {
        self.acd.agents().find(|view| view.id == agent(number)).unwrap()
    }
}

/// The offers made: which, for whom, to whom.
fn offers(out: &[Output]) -> Vec<(OfferId, u64, String)> {
    out.iter()
        .filter_map(|output| match output {
            Output::Offer { offer, entry, agent, .. } => Some((*offer, entry.raw(), agent.to_string())),
            _ => None,
        })
        .collect()
}

/// The one offer made: which and to whom.
fn offer(out: &[Output]) -> (OfferId, String) {
    match &offers(out)[..] {
        [(offer, _, agent)] => (*offer, agent.clone()),
        other => panic!("not one offer: {other:?} in {out:?}"),
    }
}

fn withdrawn(out: &[Output]) -> Vec<(OfferId, WithdrawCause)> {
    out.iter()
        .filter_map(|output| match output {
            Output::Withdraw { offer, cause, .. } => Some((*offer, *cause)),
            _ => None,
        })
        .collect()
}

fn left(out: &[Output]) -> Vec<(u64, EntryOutcome)> {
    out.iter()
        .filter_map(|output| match output {
            Output::Left { entry, outcome, .. } => Some((entry.raw(), *outcome)),
            _ => None,
        })
        .collect()
}

fn facts(out: &[Output]) -> Vec<CallFact> {
    out.iter()
        .filter_map(|output| match output {
            Output::Event(Event::Call { fact, .. }) => Some(fact.clone()),
            _ => None,
        })
        .collect()
}

fn agent_facts(out: &[Output]) -> Vec<(String, AgentFact)> {
    out.iter()
        .filter_map(|output| match output {
            Output::Event(Event::Agent { agent, fact }) => Some((agent.to_string(), fact.clone())),
            _ => None,
        })
        .collect()
}

/// Positions told: to whom, how many ahead.
fn said(out: &[Output]) -> Vec<(u64, u32)> {
    out.iter()
        .filter_map(|output| match output {
            Output::Say { entry, items, .. } => match items[..] {
                [SayItem::QueuePosition(ahead)] => Some((entry.raw(), ahead)),
                _ => panic!("{items:?}"),
            },
            _ => None,
        })
        .collect()
}
