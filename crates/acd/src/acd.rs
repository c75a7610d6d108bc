//! Owns the machine of one tenant: the tables, and which part answers which input.
//!
//! ```text
//!  an entry      Enqueue                                        an offer
//!     │ 1                                                          │ 5 somebody is free
//!     ▼            2 offered                                       ▼
//!  seeking ───────────────────► ringing                          Asked ──6 OfferRinging──► Ringing
//!     ▲                            │  │                            │ 7 refused (agent rests) │
//!     └── 3 refused, no answer, ───┘  │ 4 Accepted                 ▼                         ▼
//!         agent gone: same place      ▼                           gone ◄── 9 Gone ── Withdrawing ◄─ 8 ring time,
//!     │                            Left{Answered}                                     │              caller gone,
//!     └── Leave, maximum wait, nobody signed in, queue removed:                       │ 10 Accepted  agent gone
//!         gone with one Dequeued, its offers withdrawn                                ▼
//!                                                           Talking ── ConversationEnded ──► wrap-up ──► free
//! ```
//!
//! Arrow 10: an answer that crosses the withdrawal wins while the entry is still there; else the attempt is over.
//! Who became free, who seeks and which line moved is noted while an input is handled and settled at its end.

mod agents;
mod announce;
mod configure;
mod dispatch;
mod entries;
mod invariants;
mod offers;
mod restart;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use clock::{Instant, Machine};
use model::event::{AgentFact, CallFact, Event};
use model::{AgentId, CallId, EntryId, IdGen, OfferId, QueueName, TenantId};

use crate::agent::{Agent, AgentSlot};
use crate::entry::Entry;
use crate::offer::Offer;
use crate::queue::{Queue, QueueSlot};
use crate::timers::{Timer, Timers};
use crate::{Input, Output, TenantSettings};

use entries::Arrival;
pub use invariants::Broken;
pub use restart::Kept;

/// One tenant's ACD, as plain data. It is the single writer of its agents, entries and offers.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Acd {
    tenant: TenantId,
    ids: IdGen,
    pub(crate) agents: BTreeMap<AgentSlot, Agent>,
    pub(crate) queues: BTreeMap<QueueSlot, Queue>,
    /// The agents by number.
    pub(crate) by_number: BTreeMap<Arc<str>, AgentSlot>,
    /// The queues by name.
    pub(crate) by_name: BTreeMap<Arc<str>, QueueSlot>,
    next_slot: u32,
    pub(crate) entries: BTreeMap<EntryId, Entry>,
    pub(crate) offers: BTreeMap<OfferId, Offer>,
    timers: Timers,
    /// 话后整理 after calls that the ACD did not make.
    own_calls_wrap_up: Duration,
    #[serde(skip)]
    unsettled: Unsettled,
    #[serde(skip)]
    out: VecDeque<Output>,
}

/// What an input moved, until it is settled at the input's end.
#[derive(Clone, Debug, Default)]
struct Unsettled {
    /// Queues that somebody signed out of.
    thinned: BTreeSet<QueueSlot>,
    /// Entries for which nobody's phone rings any more.
    seekers: Vec<EntryId>,
    /// Agents who may have become free.
    freed: Vec<AgentSlot>,
    /// Queues whose line somebody left.
    moved: BTreeSet<QueueSlot>,
}

impl Acd {
    /// The ACD of `tenant`, whose agents are what they are since `now`; their facts are the first outputs.
    pub fn new(now: Instant, tenant: TenantId, ids: IdGen, settings: Arc<TenantSettings>) -> Acd {
        let mut acd = Acd {
            tenant,
            ids,
            agents: BTreeMap::new(),
            queues: BTreeMap::new(),
            by_number: BTreeMap::new(),
            by_name: BTreeMap::new(),
            next_slot: 0,
            entries: BTreeMap::new(),
            offers: BTreeMap::new(),
            timers: Timers::default(),
            own_calls_wrap_up: settings.own_calls_wrap_up,
            unsettled: Unsettled::default(),
            out: VecDeque::new(),
        };
        acd.configure(now, &settings);
        acd.settle(now);
        acd
    }

    /// Whose it is.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    fn agent_slot(&self, agent: &AgentId) -> Option<AgentSlot> {
        if agent.tenant != self.tenant {
            return None;
        }
        self.by_number.get(&agent.name).copied()
    }

    fn queue_slot(&self, queue: &QueueName) -> Option<QueueSlot> {
        if queue.tenant != self.tenant {
            return None;
        }
        self.by_name.get(&queue.name).copied()
    }

    fn mint_slot(&mut self) -> u32 {
        self.next_slot += 1;
        self.next_slot
    }

    fn tell_call(&mut self, call: CallId, fact: CallFact) {
        let tenant = self.tenant.clone();
        self.out.push_back(Output::Event(Event::Call { tenant, call, fact }));
    }

    fn tell_agent(&mut self, agent: AgentId, fact: AgentFact) {
        self.out.push_back(Output::Event(Event::Agent { agent, fact }));
    }

    fn timer_fired(&mut self, now: Instant, timer: Timer) {
        match timer {
            Timer::MaxWait(entry) => self.waited_too_long(now, entry),
            Timer::Tell(entry) => self.may_tell(now, entry),
            Timer::Ring(offer) => self.rang_out(now, offer),
            Timer::WrapUp(agent) => self.wrap_up_ended(now, agent),
            Timer::Rest(agent) => self.rest_ended(now, agent),
        }
    }
}

impl Machine for Acd {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Configure(settings) => self.configure(now, &settings),
            Input::Enqueue { entry, call, queue, priority, caller, since } => {
                let since = since.unwrap_or(now).min(now);
                self.enqueue(now, entry, queue, Arrival { call, caller, priority, since });
            }
            Input::Leave { entry } => self.caller_left(now, entry),
            Input::OfferRinging { offer } => self.offer_ringing(now, offer),
            Input::OfferEnded { offer, result } => self.offer_ended(now, offer, result),
            Input::ConversationEnded { offer } => self.conversation_ended(now, offer),
            Input::Held { offer, held } => self.held(now, offer, held),
            Input::Said { entry } => self.was_told(now, entry),
            // A queue's settings name no keys: the caller who waits cannot choose anything.
            Input::KeyPressed { .. } => {}
            Input::ChooseState { agent, state } => self.choose_state(now, &agent, state),
            Input::PhoneReachable { agent, reachable } => self.phone_reachable(now, &agent, reachable),
            Input::Occupied { agent, call, engaged } => self.occupied(now, &agent, call, engaged),
            Input::Freed { agent, call } => self.freed(now, &agent, call),
            Input::PickedUp { offer } => self.picked_up(now, offer),
            Input::ReplaceState { agent, from, to } => self.replace_state(now, &agent, &from, to),
            Input::DayBegan => self.day_began(now),
        }
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop(now) {
            self.timer_fired(now, timer);
            self.settle(now);
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }
}

#[cfg(test)]
mod tests;
