//! Owns the registrar's task, and the table of bindings that every shard reads. Does not own who may register or for
//! how long (see `sip::registrar`).

use std::sync::Arc;

use arc_swap::ArcSwap;
use call::ErrandEnded;
use clock::{Instant, SystemClock, WallTime};
use dashmap::DashMap;
use model::event::Event;
use model::{Aor, MailboxName, TenantId};
use routing::{DigestChoice, PhoneServices, Plan, Router};
use sip::auth::{Account, Offer};
use sip::endpoint::{Flow, ServerTx};
use sip::registrar::{
    Binding, Change, Directory, Duty, Phone, Registered, Registrar, RegistrarConfig, duties,
};
use sip::subscription::{self, Asker};
use sip_net::{Boxes, Transports};
use store::EventJournal;

use super::keeper::Unsaved;
use super::mailbox::{Letters, Mailbox, mailbox};
use super::services::{FOR_EVER, KEEP_ALIVE, Parts, Proven, Services};
use super::tenants::Tenants;

/// The bindings of all phones, for readers in every thread. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bindings {
    table: Arc<DashMap<Aor, Vec<Bound>>>,
    /// When each phone registered last, bound still or not.
    seen: Arc<DashMap<Aor, WallTime>>,
}

/// One way to a phone.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub contact: String,
    pub flow: Flow,
    pub path: Vec<String>,
    pub expires: Instant,
    pub registered: WallTime,
    pub user_agent: Option<String>,
    pub duty: Duty,
}

impl Bindings {
    /// The table of what `registrar` has.
    pub fn of(registrar: &Registrar) -> Bindings {
        let bindings = Bindings::default();
        for aor in registrar.aors() {
            bindings.put(aor, registrar.bindings(aor));
        }
        bindings
    }

    /// The bindings of `aor` that have not run out, best first.
    pub fn best(&self, aor: &Aor, now: Instant) -> Vec<call::Binding> {
        let lasting = |bound: &&Bound| bound.expires > now && bound.duty == Duty::Rings;
        let given = |bound: &Bound| call::Binding {
            contact: bound.contact.clone(),
            flow: bound.flow,
            path: bound.path.clone(),
        };
        self.with(aor, |bindings| bindings.iter().filter(lasting).map(given).collect())
    }

    /// What `look` sees of the bindings of `aor`.
    pub fn with<T>(&self, aor: &Aor, look: impl FnOnce(&[Bound]) -> T) -> T {
        match self.table.get(aor) {
            Some(bindings) => look(&bindings),
            None => look(&[]),
        }
    }

    /// When the phone registered last, bound still or not.
    pub fn last_seen(&self, aor: &Aor) -> Option<WallTime> {
        self.seen.get(aor).map(|at| *at)
    }

    /// The flows of all bindings.
    pub fn flows(&self) -> Vec<Flow> {
        self.table
            .iter()
            .flat_map(|entry| entry.value().iter().map(|bound| bound.flow).collect::<Vec<_>>())
            .collect()
    }

    /// How many phones have a binding.
    pub fn phones(&self) -> usize {
        self.table.len()
    }

    fn put(&self, aor: &Aor, bindings: &[Binding]) -> Reach {
        if let Some(last) = bindings.iter().map(|binding| binding.registered).max() {
            self.seen.insert(aor.clone(), last);
        }
        if bindings.is_empty() {
            self.table.remove(aor);
            return Reach::None;
        }
        let bound = |(binding, duty): (&Binding, Duty)| Bound {
            contact: binding.contact.to_string(),
            flow: binding.way(),
            path: binding.path.iter().map(ToString::to_string).collect(),
            expires: binding.expires,
            registered: binding.registered,
            user_agent: binding.user_agent.as_ref().map(ToString::to_string),
            duty,
        };
        let bound: Vec<Bound> = duties(bindings).map(bound).collect();
        let reach = reach_of(&bound);
        self.table.insert(aor.clone(), bound);
        reach
    }
}

fn reach_of(bound: &[Bound]) -> Reach {
    if bound.iter().any(|bound| bound.duty == Duty::Rings) { Reach::Some } else { Reach::None }
}

/// Whether a phone has a binding that is rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Some,
    None,
}

/// What lies in the registrar's letterbox.
enum Letter {
    Register { shard: u8, tx: ServerTx, flow: Flow, request: Box<sip::Request> },
    PhoneRequest { shard: u8, tx: ServerTx, flow: Flow, request: Box<sip::Request> },
    ErrandEnded { errand: u64, ended: ErrandEnded },
    DialogsChanged(Aor),
    MailboxChanged(MailboxName),
    ConnectionLost(Flow),
    Configure(Arc<Plan>),
    Stop,
}

/// The way to the registrar's task. Clones share it.
#[derive(Clone)]
pub(crate) struct Registrations {
    mailbox: Mailbox<Letter>,
}

/// The registrar's letterbox, before its task runs.
pub(crate) struct Post(Letters<Letter>);

/// The way to a registrar that is started later by [`Post::serve`].
pub(crate) fn registrations() -> (Registrations, Post) {
    let (mailbox, letters) = mailbox("registrar", RESERVE);
    (Registrations { mailbox }, Post(letters))
}

impl Registrations {
    /// A REGISTER of `shard`, which waits for `Input::Registered`.
    pub fn register(&self, shard: u8, tx: ServerTx, flow: Flow, request: Box<sip::Request>) {
        self.mailbox.post(Letter::Register { shard, tx, flow, request });
    }

    /// A SUBSCRIBE or MESSAGE of `shard`, which waits for `Input::Registered`.
    pub fn phone_request(&self, shard: u8, tx: ServerTx, flow: Flow, request: Box<sip::Request>) {
        self.mailbox.post(Letter::PhoneRequest { shard, tx, flow, request });
    }

    /// What became of a request that a shard sent for us.
    pub fn errand_ended(&self, errand: u64, ended: ErrandEnded) {
        self.mailbox.post(Letter::ErrandEnded { errand, ended });
    }

    /// The calls of a phone that is watched became different.
    pub fn dialogs_changed(&self, aor: Aor) {
        self.mailbox.post(Letter::DialogsChanged(aor));
    }

    /// What lies in a mailbox became different.
    pub fn mailbox_changed(&self, mailbox: MailboxName) {
        self.mailbox.post(Letter::MailboxChanged(mailbox));
    }

    /// A stream ended: phones behind it cannot be reached any more.
    pub fn connection_lost(&self, flow: Flow) {
        self.mailbox.post(Letter::ConnectionLost(flow));
    }

    /// Other phones from now on; bindings of phones that are gone end.
    pub fn configure(&self, plan: &Plan) {
        self.mailbox.post(Letter::Configure(Arc::new(plan.clone())));
    }

    /// Ends the task, after everything posted before.
    pub fn stop(&self) {
        self.mailbox.post(Letter::Stop);
    }
}

/// What the registrar works with.
pub(crate) struct Surroundings {
    pub registrar: Registrar,
    pub plan: Arc<Plan>,
    pub bindings: Bindings,
    pub clock: SystemClock,
    pub boxes: Boxes<call::Shard>,
    pub tenants: Tenants,
    pub journal: EventJournal,
    /// Told of what changed, for the next start.
    pub unsaved: Unsaved,
    /// Sends what keeps NATs open.
    pub transports: Arc<Transports>,
}

impl Post {
    /// Serves until it is told to stop.
    pub async fn serve(self, around: Surroundings, parts: Parts) {
        let policy = around.plan.phone_services.messages.clone();
        let (boxes, unsaved) = (around.boxes.clone(), around.unsaved.clone());
        let services = Services::new(parts, policy, boxes, around.clock, unsaved);
        let phones = Phones { router: ArcSwap::from_pointee(Router::new(Arc::clone(&around.plan))) };
        Task { letters: self.0, phones, around, services }.run().await;
    }
}

/// The phones of the plan in force.
struct Phones {
    router: ArcSwap<Router>,
}

/// Looks a phone up in one plan.
struct Listed<'a>(&'a Router);

fn offered(digest: DigestChoice) -> Offer {
    match digest {
        DigestChoice::Md5 => Offer::Md5,
        DigestChoice::Sha256 => Offer::Sha256,
        DigestChoice::Both => Offer::Both,
    }
}

impl Directory for Listed<'_> {
    fn phone(&self, user: &str, domain: &str) -> Option<Phone<'_>> {
        let phone = self.0.phone_of(user, domain)?;
        let offer = offered(phone.digest);
        Some(Phone {
            tenant: &phone.tenant,
            aor: &phone.aor,
            account: Account { password: &phone.password, offer },
            max_contacts: phone.max_contacts,
        })
    }

    fn decoy(&self, lot: u64) -> Offer {
        let phones = &self.0.plan().phones;
        let place = usize::try_from(lot % phones.len().max(1) as u64).unwrap_or(0);
        phones.get(place).map_or_else(Offer::default, |phone| offered(phone.digest))
    }
}

struct Task {
    letters: Letters<Letter>,
    phones: Phones,
    around: Surroundings,
    services: Services,
}

impl Task {
    async fn run(mut self) {
        // Phones that were registered before a restart can be called at once.
        self.tell_reachable(&self.phones.router.load_full());
        self.services.show_mailboxes(&self.phones.router.load_full());
        self.serve_timers();
        loop {
            let now = self.around.clock.now();
            let due =
                self.around.registrar.poll_timeout().into_iter().chain(self.services.poll_timeout()).min();
            let due = due.unwrap_or(now + FOR_EVER);
            if due <= now {
                self.serve_timers();
            }
            let at = tokio::time::Instant::from_std(self.around.clock.std_instant(due.max(now)));
            let letter = tokio::select! {
                biased;
                letter = self.letters.next() => letter,
                () = tokio::time::sleep_until(at) => continue,
            };
            match letter {
                Some(Letter::Register { shard, tx, flow, request }) => {
                    self.register(shard, tx, flow, &request)
                }
                Some(Letter::PhoneRequest { shard, tx, flow, request }) => {
                    self.phone_request(Asker { shard, tx }, flow, *request);
                }
                Some(Letter::ErrandEnded { errand, ended }) => self.errand_ended(errand, &ended),
                Some(Letter::DialogsChanged(aor)) => {
                    let router = self.phones.router.load_full();
                    self.services.dialogs_changed(aor, |aor| tenant_of(&router, aor));
                }
                Some(Letter::MailboxChanged(mailbox)) => {
                    let router = self.phones.router.load_full();
                    self.services.show_mailbox(&mailbox, &router);
                }
                Some(Letter::ConnectionLost(flow)) => {
                    let router = self.phones.router.load_full();
                    let changes = self.around.registrar.connection_lost(flow, |aor| tenant_of(&router, aor));
                    self.tell(changes);
                    let lost = subscription::Input::ConnectionLost(flow);
                    self.services.tell_notifier(lost, |aor| tenant_of(&router, aor));
                }
                Some(Letter::Configure(plan)) => self.configure(plan),
                // Everybody who could write is gone: the node has stopped.
                Some(Letter::Stop) | None => return,
            }
        }
    }

    /// Everything that is due: what has run out, questions to phones, NATs to keep open, what phones have yet to be told.
    fn serve_timers(&mut self) {
        self.expire();
        let (now, wall) = (self.around.clock.now(), self.around.clock.wall());
        while let Some(probe) = self.around.registrar.poll_probe(now, wall) {
            self.services.ask(probe);
        }
        while let Some(flows) = self.around.registrar.poll_keep_alive(now) {
            for flow in flows {
                // A datagram that cannot be sent is lost as in the network; the transports count it.
                let _lost = self.around.transports.send(flow, &KEEP_ALIVE);
            }
        }
        let router = self.phones.router.load_full();
        self.services.handle_timeout(now, |aor| tenant_of(&router, aor));
    }

    /// A SUBSCRIBE or MESSAGE: from whom, and is it theirs to send?
    fn phone_request(&mut self, asker: Asker, flow: Flow, request: sip::Request) {
        let is_text = request.method == sip::Method::Message;
        if is_text && self.services.refuses_messages() {
            return self.services.refuse(asker, &request, 405);
        }
        let router = self.phones.router.load_full();
        let directory = Listed(&router);
        let wall = self.around.clock.wall();
        let (sender, tenant) = match self.around.registrar.authenticate(wall, &request, &directory) {
            Ok(phone) => (phone.aor.clone(), phone.tenant.clone()),
            Err(challenge) => return self.services.answer(asker, *challenge),
        };
        // The identity is the credentials': nobody speaks for another phone.
        let named = request.headers.from().ok();
        let named = named.and_then(|from| directory.phone(&from.uri().user()?, from.uri().host()));
        if named.is_none_or(|named| *named.aor != sender) {
            return self.services.refuse(asker, &request, 403);
        }
        let proven = Proven { asker, flow, request, sender, tenant };
        if is_text {
            self.services.message(proven, &router, &self.around.registrar);
        } else {
            self.services.subscribe(proven, &router, |aor| tenant_of(&router, aor));
        }
    }

    fn errand_ended(&mut self, errand: u64, ended: &ErrandEnded) {
        let router = self.phones.router.load_full();
        let probed = self.services.errand_ended(errand, ended, |aor| tenant_of(&router, aor));
        if let Some((id, probed)) = probed {
            let now = self.around.clock.now();
            let change = self.around.registrar.probe_ended(now, id, probed, |aor| tenant_of(&router, aor));
            self.tell(change.into_iter().collect());
        }
    }

    fn register(&mut self, shard: u8, tx: ServerTx, flow: Flow, request: &sip::Request) {
        let (now, wall) = (self.around.clock.now(), self.around.clock.wall());
        let router = self.phones.router.load();
        let Registered { response, aor, changes } =
            self.around.registrar.register(now, wall, flow, request, &Listed(&router));
        drop(router);
        metrics::counter!("hotline_registers_total", "status" => status_class(response.status)).increment(1);
        if changes.is_empty() {
            // A refresh: readers must see the new expiry and flow.
            if let Some(aor) = aor {
                self.around.bindings.put(&aor, self.around.registrar.bindings(&aor));
                let router = self.phones.router.load_full();
                self.keep(&router, &aor);
            }
        } else {
            self.tell(changes);
        }
        // The table first: a call that the answer causes finds the phone.
        self.around.boxes.post(shard, call::Input::Registered { tx, response: Box::new(response) });
    }

    fn expire(&mut self) {
        let router = self.phones.router.load_full();
        let changes =
            self.around.registrar.handle_timeout(self.around.clock.now(), |aor| tenant_of(&router, aor));
        self.tell(changes);
    }

    fn configure(&mut self, plan: Arc<Plan>) {
        let before = self.phones.router.swap(Arc::new(Router::new(plan)));
        let after = self.phones.router.load_full();
        let services = &after.plan().phone_services;
        self.around.registrar.set_limits(&limits(services));
        self.services.configure(services);
        for phone in before.plan().phones.iter().filter(|phone| after.phone(&phone.aor).is_none()) {
            let gone = subscription::Input::PhoneGone(phone.aor.clone());
            self.services.tell_notifier(gone, |aor| tenant_of(&before, aor));
        }
        let changes =
            self.around.registrar.retain(|aor| after.phone(aor).is_some(), |aor| tenant_of(&before, aor));
        // Agents of phones that are gone are told by the plan that knew them.
        self.tell_by(&before, changes);
        self.services.show_mailboxes(&after);
        // A phone may have another agent now, and an agent may be new.
        self.tell_reachable(&after);
    }

    /// Tells the agent of every phone that has a binding.
    fn tell_reachable(&self, router: &Router) {
        for aor in self.around.registrar.aors() {
            if let Some(agent) = router.phone(aor).and_then(|phone| phone.agent.clone()) {
                self.around.tenants.phone_reachable(agent, true);
            }
        }
    }

    /// What a restart must know of `aor`.
    fn keep(&self, router: &Router, aor: &Aor) {
        let bindings = self.around.registrar.saved(self.around.clock.anchor(), aor);
        self.around.unsaved.note(tenant_of(router, aor), aor.clone(), bindings);
    }

    fn tell(&mut self, changes: Vec<Change>) {
        let router = self.phones.router.load_full();
        self.tell_by(&router, changes);
    }

    /// Journals what changed, renews the table, and tells agents whose phone came or went.
    fn tell_by(&mut self, router: &Router, changes: Vec<Change>) {
        let mut touched: Vec<Aor> = Vec::new();
        for Change { tenant, aor, fact } in changes {
            if !touched.contains(&aor) {
                touched.push(aor.clone());
            }
            self.around.journal.append(Event::Phone { tenant, aor, fact });
        }
        for aor in touched {
            self.keep(router, &aor);
            let was = self.around.bindings.with(&aor, reach_of);
            let is = self.around.bindings.put(&aor, self.around.registrar.bindings(&aor));
            if was != is
                && let Some(agent) = router.phone(&aor).and_then(|phone| phone.agent.clone())
            {
                self.around.tenants.phone_reachable(agent, is == Reach::Some);
            }
        }
    }
}

/// Limits of registrations, as the operator set them; realm and secret are the caller's to set.
pub(crate) fn limits(services: &PhoneServices) -> RegistrarConfig {
    let set = &services.registrar;
    RegistrarConfig {
        nonce_life: set.nonce_life,
        min_expires: set.min_expires,
        default_expires: set.default_expires,
        max_expires: set.max_expires,
        flow_timer: set.flow_timer,
        nat_keep_alive: set.nat_keep_alive,
        ..RegistrarConfig::default()
    }
}

fn tenant_of(router: &Router, aor: &Aor) -> TenantId {
    router.phone(aor).map(|phone| phone.tenant.clone()).unwrap_or_default()
}

pub(super) fn status_class(status: u16) -> &'static str {
    match status {
        200..=299 => "2xx",
        401 => "401",
        403 => "403",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

/// REGISTERs that may wait: as many as an hour's phones in one storm.
const RESERVE: usize = 262_144;
