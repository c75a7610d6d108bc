//! Owns what a restart must know: phones' bindings and forwards, night switches, agents' chosen states and counters of the
//! day are written down at most once a second and at the end, and read at the start. Does not own what they mean (see `sip::registrar`, `acd`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acd::Kept;
use clock::{SystemClock, WallTime};
use model::diversion::Diversion;
use model::event::{AgentState, Event};
use model::night::NightSwitch;
use model::{AgentId, Aor, HotlineNumber, TenantId};
use routing::{Diversions, Feature, Mailboxes, NightSwitches, Plan, Router, Shared};
use serde::{Deserialize, Serialize};
use sip::registrar::{Registrar, SavedBinding};
use sip::subscription::{Notifier, SavedSubscription};
use store::{EventJournal, Kind, Snapshot, Store, StoreError};
use tokio::sync::Mutex as TurnMutex;

use super::calendar::Calendar;
use super::tenants::Tenants;

/// The bindings of phones, none for a phone that has gone.
type Noted = HashMap<(TenantId, Aor), Vec<SavedBinding>>;

/// Subscriptions with their tenants, none for one that is over.
type NotedSubscriptions = HashMap<u64, Option<(TenantId, SavedSubscription)>>;

/// Bindings and subscriptions that changed since they were last written, newest state only. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unsaved {
    phones: Arc<Mutex<Noted>>,
    subscriptions: Arc<Mutex<NotedSubscriptions>>,
}

impl Unsaved {
    /// The bindings of `aor` are these now.
    pub fn note(&self, tenant: TenantId, aor: Aor, bindings: Vec<SavedBinding>) {
        self.lock().insert((tenant, aor), bindings);
    }

    /// The subscription `id` is this now.
    pub fn note_subscription(&self, id: u64, subscription: Option<(TenantId, SavedSubscription)>) {
        locked(&self.subscriptions).insert(id, subscription);
    }

    fn take_subscriptions(&self) -> NotedSubscriptions {
        std::mem::take(&mut *locked(&self.subscriptions))
    }

    fn put_back_subscriptions(&self, subscriptions: NotedSubscriptions) {
        let mut noted = locked(&self.subscriptions);
        for (id, subscription) in subscriptions {
            noted.entry(id).or_insert(subscription);
        }
    }

    fn take(&self) -> Noted {
        std::mem::take(&mut *self.lock())
    }

    /// Could not be written: what was noted meanwhile is newer.
    fn put_back(&self, phones: Noted) {
        let mut noted = self.lock();
        for (phone, bindings) in phones {
            noted.entry(phone).or_insert(bindings);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        locked(&self.phones)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The maps are whole between any two of their calls.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An agent's state as it is written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SavedAgent {
    #[serde(flatten)]
    state: AgentState,
    since: WallTime,
}

/// An agent's counters of the day as they are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
struct SavedCounters {
    calls: u32,
    talk_micros: u64,
}

/// What the last run left, by agent.
#[derive(Debug, Default)]
pub(crate) struct LeftBehind {
    agents: HashMap<AgentId, SavedAgent>,
    counters: HashMap<AgentId, SavedCounters>,
}

impl LeftBehind {
    /// Reads agents' states, and counters that are of today. Without them a switch starts all the same.
    pub async fn read(store: &Store, calendar: &Calendar, now: WallTime) -> LeftBehind {
        let is_of_today = |saved: &Snapshot| {
            saved.at <= now && calendar.next_midnight(saved.at).is_some_and(|midnight| midnight > now)
        };
        let agents = read(store, Kind::Agent).await;
        let mut counters = read(store, Kind::Counter).await;
        counters.retain(is_of_today);
        LeftBehind { agents: by_agent(agents), counters: by_agent(counters) }
    }

    /// What is known of the agents of `tenant`; `is_reachable` says whose phone has a binding.
    pub fn of_tenant(
        &self,
        tenant: &TenantId,
        clock: &SystemClock,
        is_reachable: impl Fn(&AgentId) -> bool,
    ) -> Vec<Kept> {
        let anchor = clock.anchor();
        let kept = |(agent, saved): (&AgentId, &SavedAgent)| {
            let counters = self.counters.get(agent).copied().unwrap_or_default();
            Kept {
                agent: agent.clone(),
                state: saved.state.clone(),
                since: anchor.instant(saved.since),
                calls: counters.calls,
                talk: Duration::from_micros(counters.talk_micros),
                reachable: is_reachable(agent),
            }
        };
        self.agents.iter().filter(|(agent, _)| agent.tenant == *tenant).map(kept).collect()
    }
}

/// Gives `registrar` the bindings of the last run whose phones and listeners are still configured. The others are
/// noted in `unsaved` as gone.
pub(crate) async fn restore_bindings(
    store: &Store,
    registrar: &mut Registrar,
    (plan, router): (&Plan, &Router),
    (clock, journal): (&SystemClock, &EventJournal),
    unsaved: &Unsaved,
) {
    let mut read_phones = Vec::new();
    for snapshot in read(store, Kind::Registration).await {
        let Some((aor, mut bindings)) = parsed::<(Aor, Vec<SavedBinding>)>(&snapshot) else { continue };
        bindings.retain(|binding| usize::from(binding.flow().interface) < plan.interfaces.len());
        read_phones.push((snapshot.tenant, aor, bindings));
    }
    let is_known = |tenant: &TenantId, aor: &Aor| router.phone(aor).is_some_and(|one| one.tenant == *tenant);
    let known = read_phones.iter().filter(|(tenant, aor, _)| is_known(tenant, aor));
    let known = known.map(|(_, aor, bindings)| (aor.clone(), bindings.clone())).collect();
    for (aor, fact) in registrar.restore(clock.anchor(), clock.now(), known) {
        let tenant = router.phone(&aor).map(|phone| phone.tenant.clone()).unwrap_or_default();
        let bindings = registrar.saved(clock.anchor(), &aor);
        unsaved.note(tenant.clone(), aor.clone(), bindings);
        journal.append(Event::Phone { tenant, aor, fact });
    }
    for (tenant, aor, _) in read_phones {
        if !is_known(&tenant, &aor) || registrar.bindings(&aor).is_empty() {
            unsaved.note(tenant, aor, Vec::new());
        }
    }
}

/// Gives `notifier` the subscriptions of the last run whose phones and listeners are still configured. The others are
/// noted in `unsaved` as over.
pub(crate) async fn restore_subscriptions(
    store: &Store,
    notifier: &mut Notifier,
    (plan, router): (&Plan, &Router),
    clock: &SystemClock,
    unsaved: &Unsaved,
) {
    let mut known = Vec::new();
    for snapshot in read(store, Kind::Subscription).await {
        let Some((tenant, saved)) = parsed::<(TenantId, SavedSubscription)>(&snapshot) else { continue };
        let is_of = |aor: &Aor| router.phone(aor).is_some_and(|phone| phone.tenant == tenant);
        let has_listener = usize::from(saved.flow().interface) < plan.interfaces.len();
        let night =
            plan.codes.meant_by(saved.watched().user()).is_some_and(|(what, _)| what == Feature::Night);
        if has_listener && is_of(saved.subscriber()) && (night || is_of(saved.watched())) {
            known.push(saved);
        } else {
            unsaved.note_subscription(saved.id(), None);
        }
    }
    notifier.restore(clock.anchor(), clock.now(), known);
}

/// Gives phones that are still configured the forwards and do-not-disturb of the last run, and who called them last.
pub(crate) async fn restore_diversions(store: &Store, diversions: &Shared<Diversions>, router: &Router) {
    // A phone that comes back later finds its own again: what is not known is left where it is.
    let is_there = |aor: &Aor, snapshot: &Snapshot| {
        router.phone(aor).is_some_and(|phone| phone.tenant == snapshot.tenant)
    };
    for snapshot in read(store, Kind::Diversion).await {
        let Some((aor, diversion)) = parsed::<(Aor, Diversion)>(&snapshot) else { continue };
        if is_there(&aor, &snapshot) {
            diversions.lock().restore(aor, diversion);
        }
    }
    for snapshot in read(store, Kind::LastCaller).await {
        let Some((aor, caller)) = parsed::<(Aor, Arc<str>)>(&snapshot) else { continue };
        if is_there(&aor, &snapshot) {
            diversions.lock().restore_caller(aor, caller);
        }
    }
}

/// Turns on the night switches that the last run left on. That of a number which is not configured stays where it is: the
/// number finds it again when it comes back.
pub(crate) async fn restore_night(store: &Store, night: &Shared<NightSwitches>) {
    for snapshot in read(store, Kind::Night).await {
        if let Some(switch) = parsed::<NightSwitch>(&snapshot) {
            night.lock().restore(HotlineNumber::new(&snapshot.tenant, &snapshot.key), switch);
        }
    }
}

/// Puts the messages that lie in mailboxes where calls find them. A message whose call was cut off is one of them.
pub(crate) async fn restore_messages(store: &Store, mailboxes: &Shared<Mailboxes>) {
    let messages = store.messages().await.unwrap_or_else(|error| {
        tracing::error!(%error, "留言读不出 / messages cannot be read");
        Vec::new()
    });
    let mut boxes = mailboxes.lock();
    for (mailbox, message) in messages {
        boxes.put(&mailbox, message);
    }
}

/// Writes down what changed.
#[derive(Clone)]
pub(crate) struct Keeper {
    store: Store,
    clock: SystemClock,
    tenants: Tenants,
    unsaved: Unsaved,
    diversions: Shared<Diversions>,
    night: Shared<NightSwitches>,
    /// What stands in the database, as far as this run wrote it; one writer at a time.
    written: Arc<TurnMutex<Written>>,
}

#[derive(Debug, Default)]
struct Written {
    agents: HashMap<AgentId, SavedAgent>,
    counters: HashMap<AgentId, SavedCounters>,
}

impl Keeper {
    pub fn new(
        store: Store,
        clock: SystemClock,
        tenants: Tenants,
        (unsaved, wide): (Unsaved, &call::NodeWide),
        left: LeftBehind,
    ) -> Keeper {
        let written = Written { agents: left.agents, counters: left.counters };
        let (diversions, night) = (wide.diversions.clone(), wide.night.clone());
        Keeper {
            store,
            clock,
            tenants,
            unsaved,
            diversions,
            night,
            written: Arc::new(TurnMutex::new(written)),
        }
    }

    /// Writes once a second, for ever.
    pub async fn keep_on(self) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.save().await;
        }
    }

    /// Writes what changed since the last time. What cannot be written is tried again the next time.
    pub async fn save(&self) {
        let mut written = self.written.lock().await;
        let bindings = self.save_bindings().await;
        let subscriptions = self.save_subscriptions().await;
        let diversions = self.save_diversions().await.and(self.save_callers().await);
        let night = self.save_night().await;
        let saved =
            bindings.and(subscriptions).and(diversions).and(night).and(self.save_agents(&mut written).await);
        if let Err(error) = saved {
            metrics::counter!("hotline_snapshot_failures_total").increment(1);
            tracing::warn!(%error, "重启所需状态未写入 / what a restart must know is not written");
        }
    }

    async fn save_bindings(&self) -> Result<(), StoreError> {
        let phones = self.unsaved.take();
        if phones.is_empty() {
            return Ok(());
        }
        let (mut changed, mut gone) = (Vec::new(), Vec::new());
        for ((tenant, aor), bindings) in &phones {
            if bindings.is_empty() {
                gone.push((tenant.clone(), aor.to_string()));
            } else {
                changed.extend(self.snapshot(tenant, aor.to_string(), &(aor, bindings)));
            }
        }
        let saved = self.store.save_snapshots(Kind::Registration, &changed, &gone).await;
        metrics::counter!("hotline_snapshot_batches_total", "kind" => "registration").increment(1);
        if saved.is_err() {
            self.unsaved.put_back(phones);
        }
        saved
    }

    async fn save_subscriptions(&self) -> Result<(), StoreError> {
        let subscriptions = self.unsaved.take_subscriptions();
        if subscriptions.is_empty() {
            return Ok(());
        }
        // Their names are of the node: they stand in the rows of its own tenant, their tenant within.
        let node = TenantId::default();
        let (mut changed, mut gone) = (Vec::new(), Vec::new());
        for (id, subscription) in &subscriptions {
            match subscription {
                Some(kept) => changed.extend(self.snapshot(&node, id.to_string(), kept)),
                None => gone.push((node.clone(), id.to_string())),
            }
        }
        let saved = self.store.save_snapshots(Kind::Subscription, &changed, &gone).await;
        if saved.is_err() {
            self.unsaved.put_back_subscriptions(subscriptions);
        }
        saved
    }

    async fn save_diversions(&self) -> Result<(), StoreError> {
        let unsaved = self.diversions.lock().take_unsaved();
        if unsaved.is_empty() {
            return Ok(());
        }
        let (mut changed, mut gone) = (Vec::new(), Vec::new());
        for (tenant, aor, diversion) in &unsaved {
            if *diversion == Diversion::default() {
                gone.push((tenant.clone(), aor.to_string()));
            } else {
                changed.extend(self.snapshot(tenant, aor.to_string(), &(aor, diversion)));
            }
        }
        let saved = self.store.save_snapshots(Kind::Diversion, &changed, &gone).await;
        if saved.is_err() {
            let again = unsaved.into_iter().map(|(tenant, aor, _)| (tenant, aor));
            self.diversions.lock().put_back(again);
        }
        saved
    }

    async fn save_callers(&self) -> Result<(), StoreError> {
        let unsaved = self.diversions.lock().take_unsaved_callers();
        if unsaved.is_empty() {
            return Ok(());
        }
        let rows = unsaved
            .iter()
            .filter_map(|(tenant, aor, caller)| self.snapshot(tenant, aor.to_string(), &(aor, caller)));
        let saved = self.store.save_snapshots(Kind::LastCaller, &rows.collect::<Vec<_>>(), &[]).await;
        if saved.is_err() {
            let again = unsaved.into_iter().map(|(tenant, aor, _)| (tenant, aor));
            self.diversions.lock().put_back_callers(again);
        }
        saved
    }

    async fn save_night(&self) -> Result<(), StoreError> {
        let unsaved = self.night.lock().take_unsaved();
        if unsaved.is_empty() {
            return Ok(());
        }
        let (mut changed, mut gone) = (Vec::new(), Vec::new());
        for (number, switch) in &unsaved {
            let (tenant, key) = (&number.tenant, number.as_str().to_owned());
            match switch {
                Some(switch) => changed.extend(self.snapshot(tenant, key, switch)),
                None => gone.push((tenant.clone(), key)),
            }
        }
        let saved = self.store.save_snapshots(Kind::Night, &changed, &gone).await;
        if saved.is_err() {
            self.night.lock().put_back(unsaved.into_iter().map(|(number, _)| number));
        }
        saved
    }

    async fn save_agents(&self, written: &mut Written) -> Result<(), StoreError> {
        let anchor = self.clock.anchor();
        for tenant in self.tenants.names() {
            let Some(kept) = self.tenants.ask(&tenant, |acd| acd.kept().collect::<Vec<_>>()).await else {
                continue;
            };
            let (mut agents, mut counters) = (Changes::default(), Changes::default());
            for one in kept {
                let is_same = |before: &SavedAgent| before.state == one.state;
                if !written.agents.get(&one.agent).is_some_and(is_same) {
                    let saved = SavedAgent { state: one.state, since: anchor.wall(one.since) };
                    agents.add(
                        self.snapshot(&tenant, one.agent.as_str().to_owned(), &saved),
                        &one.agent,
                        saved,
                    );
                }
                let talk_micros = u64::try_from(one.talk.as_micros()).unwrap_or(u64::MAX);
                let saved = SavedCounters { calls: one.calls, talk_micros };
                if written.counters.get(&one.agent).copied().unwrap_or_default() != saved {
                    counters.add(
                        self.snapshot(&tenant, one.agent.as_str().to_owned(), &saved),
                        &one.agent,
                        saved,
                    );
                }
            }
            agents.write(&self.store, Kind::Agent, &mut written.agents).await?;
            counters.write(&self.store, Kind::Counter, &mut written.counters).await?;
        }
        Ok(())
    }

    fn snapshot(&self, tenant: &TenantId, key: String, value: &impl Serialize) -> Option<Snapshot> {
        match serde_json::to_value(value) {
            Ok(value) => {
                Some(Snapshot { tenant: tenant.clone(), key, epoch: 1, at: self.clock.wall(), value })
            }
            Err(error) => {
                tracing::error!(%tenant, key, %error, "状态无法编码 / a state cannot be encoded");
                None
            }
        }
    }
}

/// Rows of one kind that differ from what is written.
struct Changes<T> {
    rows: Vec<Snapshot>,
    values: Vec<(AgentId, T)>,
}

impl<T> Default for Changes<T> {
    fn default() -> Changes<T> {
        Changes { rows: Vec::new(), values: Vec::new() }
    }
}

impl<T> Changes<T> {
    fn add(&mut self, row: Option<Snapshot>, agent: &AgentId, value: T) {
        self.rows.extend(row);
        self.values.push((agent.clone(), value));
    }

    async fn write(
        self,
        store: &Store,
        kind: Kind,
        written: &mut HashMap<AgentId, T>,
    ) -> Result<(), StoreError> {
        if !self.rows.is_empty() {
            store.save_snapshots(kind, &self.rows, &[]).await?;
        }
        written.extend(self.values);
        Ok(())
    }
}

async fn read(store: &Store, kind: Kind) -> Vec<Snapshot> {
    store.snapshots(kind).await.unwrap_or_else(|error| {
        tracing::warn!(?kind, %error, "上次运行的状态读不出 / what the last run left cannot be read");
        Vec::new()
    })
}

fn by_agent<T: for<'a> Deserialize<'a>>(rows: Vec<Snapshot>) -> HashMap<AgentId, T> {
    let of_agent = |row: Snapshot| Some((AgentId::new(&row.tenant, &row.key), parsed(&row)?));
    rows.into_iter().filter_map(of_agent).collect()
}

fn parsed<T: for<'a> Deserialize<'a>>(row: &Snapshot) -> Option<T> {
    T::deserialize(&row.value)
        .inspect_err(|error| tracing::warn!(row.key, %error, "上次运行的状态无法识别 / not understood"))
        .ok()
}

const EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
