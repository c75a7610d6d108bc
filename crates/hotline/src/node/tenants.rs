//! Owns the tasks that drive the ACD machines, one per tenant, and the way to them. Does not own what a machine
//! decides (see `acd`).

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use acd::{Acd, Kept, TenantSettings};
use arc_swap::ArcSwap;
use clock::{Instant, Machine, SystemClock};
use model::{AgentId, IdGen, TenantId};
use sip_net::Boxes;
use store::EventJournal;
use tokio::sync::oneshot;

use super::mailbox::{Letters, Mailbox, mailbox};

/// What lies in a tenant's letterbox.
enum Letter {
    Input(acd::Input),
    Ask(Box<dyn FnOnce(&Acd) + Send>),
    Stop,
}

/// What every ACD task works with.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub node: u8,
    pub clock: SystemClock,
    pub boxes: Boxes<call::Shard>,
    pub journal: EventJournal,
    /// Letters that may wait for one tenant.
    pub reserve: usize,
}

/// All tenants' ACDs. Clones share them.
#[derive(Clone)]
pub(crate) struct Tenants {
    around: Surroundings,
    running: Arc<ArcSwap<HashMap<TenantId, Mailbox<Letter>>>>,
    runtime: tokio::runtime::Handle,
}

impl Tenants {
    /// Starts a task for each of `settings`, which begins with what was `kept` of its agents.
    pub fn start(
        around: Surroundings,
        runtime: tokio::runtime::Handle,
        settings: &[TenantSettings],
        kept: impl Fn(&TenantId) -> Vec<Kept>,
    ) -> Tenants {
        let tenants = Tenants { around, running: Arc::new(ArcSwap::from_pointee(HashMap::new())), runtime };
        tenants.take_over(settings, kept);
        tenants
    }

    /// Takes new settings over: a new tenant gets a task, one that is gone is told that it has no queues and agents
    /// any more, so that its callers are let go.
    pub fn configure(&self, settings: &[TenantSettings]) {
        self.take_over(settings, |_| Vec::new());
    }

    fn take_over(&self, settings: &[TenantSettings], kept: impl Fn(&TenantId) -> Vec<Kept>) {
        let before = self.running.load_full();
        let mut after = HashMap::clone(&before);
        for tenant in settings {
            let shared = Arc::new(tenant.clone());
            match after.get(&tenant.tenant) {
                Some(mailbox) => mailbox.post(Letter::Input(acd::Input::Configure(shared))),
                None => {
                    let number = u8::try_from(after.len()).unwrap_or(u8::MAX);
                    after.insert(tenant.tenant.clone(), self.spawn(number, shared, kept(&tenant.tenant)));
                }
            }
        }
        for (name, mailbox) in before.iter() {
            if !settings.iter().any(|tenant| tenant.tenant == *name) {
                let nothing = TenantSettings {
                    tenant: name.clone(),
                    queues: Vec::new(),
                    agents: Vec::new(),
                    own_calls_wrap_up: Duration::ZERO,
                };
                mailbox.post(Letter::Input(acd::Input::Configure(Arc::new(nothing))));
            }
        }
        self.running.store(Arc::new(after));
    }

    /// A fact or wish for a tenant's ACD. Says whether the tenant has one.
    pub fn post(&self, tenant: &TenantId, input: acd::Input) -> Known {
        match self.running.load().get(tenant) {
            Some(mailbox) => {
                mailbox.post(Letter::Input(input));
                Known::Yes
            }
            None => Known::No,
        }
    }

    /// An agent's phone can or cannot be reached.
    pub fn phone_reachable(&self, agent: AgentId, reachable: bool) {
        let tenant = agent.tenant.clone();
        if self.post(&tenant, acd::Input::PhoneReachable { agent, reachable }) == Known::No {
            tracing::warn!(%tenant, "话机的坐席所属租户不存在 / a phone's agent belongs to no tenant");
        }
    }

    /// Every tenant.
    pub fn names(&self) -> Vec<TenantId> {
        self.running.load().keys().cloned().collect()
    }

    /// What `look` sees in a tenant's machine; `None` when there is no such tenant or the node is stopping.
    pub async fn ask<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        look: impl FnOnce(&Acd) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        {
            let running = self.running.load();
            // The asker may have gone meanwhile; then nobody wants the answer.
            running.get(tenant)?.post(Letter::Ask(Box::new(move |acd| drop(answer.send(look(acd))))));
        }
        answered.await.ok()
    }

    /// Ends every task, after everything posted before.
    pub fn stop(&self) {
        for mailbox in self.running.load().values() {
            mailbox.post(Letter::Stop);
        }
    }

    fn spawn(&self, number: u8, settings: Arc<TenantSettings>, kept: Vec<Kept>) -> Mailbox<Letter> {
        let (mailbox, letters) = mailbox("acd", self.around.reserve);
        let around = self.around.clone();
        // Ids of a tenant's ACD must not clash with those of a shard: shards count up from 0, tenants down from 255.
        let ids = IdGen::new(around.node, u8::MAX - number, around.clock.wall().as_secs());
        let now = around.clock.now();
        let mut acd = Acd::new(now, settings.tenant.clone(), ids, settings);
        acd.restore(now, kept);
        self.runtime.spawn(Task { acd, letters, around }.run());
        mailbox
    }
}

/// Whether there is such a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Yes,
    No,
}

struct Task {
    acd: Acd,
    letters: Letters<Letter>,
    around: Surroundings,
}

impl Task {
    async fn run(mut self) {
        // The first outputs tell what the agents are.
        self.perform_all();
        loop {
            let letter = match self.acd.poll_timeout() {
                None => self.letters.next().await,
                Some(due) => {
                    let at = tokio::time::Instant::from_std(self.around.clock.std_instant(due));
                    tokio::select! {
                        biased;
                        letter = self.letters.next() => letter,
                        () = tokio::time::sleep_until(at) => {
                            self.handle_timeout();
                            continue;
                        }
                    }
                }
            };
            // Everybody who could write is gone: the node has stopped.
            let Some(letter) = letter else { return };
            let mut next = Some(letter);
            while let Some(letter) = next {
                match letter {
                    Letter::Input(input) => self.turn(|acd, now| acd.handle(now, input)),
                    Letter::Ask(ask) => ask(&self.acd),
                    Letter::Stop => return,
                }
                next = self.letters.next_now();
            }
            self.handle_timeout();
        }
    }

    fn handle_timeout(&mut self) {
        let now = self.around.clock.now();
        if self.acd.poll_timeout().is_some_and(|due| due <= now) {
            self.turn(|acd, now| acd.handle_timeout(now));
        }
    }

    /// One turn of the machine; a panic costs what it was working on, not the tenant's other callers.
    fn turn(&mut self, act: impl FnOnce(&mut Acd, Instant)) {
        let now = self.around.clock.now();
        if catch_unwind(AssertUnwindSafe(|| act(&mut self.acd, now))).is_err() {
            metrics::counter!("hotline_panics_total", "part" => "acd").increment(1);
            tracing::error!(tenant = %self.acd.tenant(), "排队机出错 / the ACD panicked");
        }
        self.perform_all();
    }

    fn perform_all(&mut self) {
        while let Some(output) = self.acd.poll_output() {
            match output {
                acd::Output::Event(event) => {
                    self.around.journal.append(event);
                }
                acd::Output::Offer { call, .. }
                | acd::Output::Withdraw { call, .. }
                | acd::Output::Say { call, .. }
                | acd::Output::Left { call, .. } => {
                    let tenant = self.acd.tenant().clone();
                    self.around.boxes.post(call.shard(), call::Input::Acd { tenant, output });
                }
            }
        }
    }
}

/// How many letters one call may have on its way to an ACD: what it reports of a place, its offers and its holds.
pub(crate) const LETTERS_PER_CALL: usize = 64;
