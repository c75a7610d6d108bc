//! Owns the registrar's task, and the table of bindings that every shard reads. Does not own who may register or for
//! how long (see `sip::registrar`).

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use clock::{Instant, SystemClock};
use dashmap::DashMap;
use model::event::Event;
use model::{Aor, TenantId};
use routing::{DigestChoice, Plan, Router};
use sip::auth::{Account, Offer};
use sip::endpoint::{Flow, ServerTx, Transport};
use sip::registrar::{Binding, Change, Directory, Phone, Registered, Registrar};
use sip_net::Boxes;
use store::EventJournal;

use super::keeper::Unsaved;
use super::mailbox::{Letters, Mailbox, mailbox};
use super::tenants::Tenants;

/// The bindings of all phones, for readers in every thread. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bindings {
    table: Arc<DashMap<Aor, Vec<Bound>>>,
}

/// One way to a phone.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub contact: String,
    pub flow: Flow,
    pub path: Vec<String>,
    pub expires: Instant,
    pub user_agent: Option<String>,
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
        let lasting = |bound: &&Bound| bound.expires > now;
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

    /// How many phones have a binding.
    pub fn phones(&self) -> usize {
        self.table.len()
    }

    fn put(&self, aor: &Aor, bindings: &[Binding]) -> Reach {
        if bindings.is_empty() {
            self.table.remove(aor);
            return Reach::None;
        }
        let bound = |binding: &Binding| Bound {
            contact: binding.contact.to_string(),
            flow: way_to(binding),
            path: binding.path.iter().map(ToString::to_string).collect(),
            expires: binding.expires,
            user_agent: binding.user_agent.as_ref().map(ToString::to_string),
        };
        self.table.insert(aor.clone(), bindings.iter().map(bound).collect());
        Reach::Some
    }
}

/// Whether a phone has a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Some,
    None,
}

/// What lies in the registrar's letterbox.
enum Letter {
    Register { shard: u8, tx: ServerTx, flow: Flow, request: Box<sip::Request> },
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
    pub fn register(&self, shard: u8, tx: ServerTx, flow: Flow, request: sip::Request) {
        self.mailbox.post(Letter::Register { shard, tx, flow, request: Box::new(request) });
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
}

impl Post {
    /// Serves until it is told to stop.
    pub async fn serve(self, around: Surroundings) {
        let phones = Phones { router: ArcSwap::from_pointee(Router::new(Arc::clone(&around.plan))) };
        Task { letters: self.0, phones, around }.run().await;
    }
}

/// The phones of the plan in force.
struct Phones {
    router: ArcSwap<Router>,
}

/// Looks a phone up in one plan.
struct Listed<'a>(&'a Router);

impl Directory for Listed<'_> {
    fn phone(&self, user: &str, domain: &str) -> Option<Phone<'_>> {
        let phone = self.0.phone_of(user, domain)?;
        let offer = match phone.digest {
            DigestChoice::Md5 => Offer::Md5,
            DigestChoice::Sha256 => Offer::Sha256,
            DigestChoice::Both => Offer::Both,
        };
        Some(Phone {
            tenant: &phone.tenant,
            aor: &phone.aor,
            account: Account { password: &phone.password, offer },
            max_contacts: phone.max_contacts,
        })
    }
}

struct Task {
    letters: Letters<Letter>,
    phones: Phones,
    around: Surroundings,
}

impl Task {
    async fn run(mut self) {
        // Phones that were registered before a restart can be called at once.
        self.tell_reachable(&self.phones.router.load_full());
        loop {
            let letter = match self.around.registrar.poll_timeout() {
                None => self.letters.next().await,
                Some(due) => {
                    let at = tokio::time::Instant::from_std(self.around.clock.std_instant(due));
                    tokio::select! {
                        biased;
                        letter = self.letters.next() => letter,
                        () = tokio::time::sleep_until(at) => {
                            self.expire();
                            continue;
                        }
                    }
                }
            };
            match letter {
                Some(Letter::Register { shard, tx, flow, request }) => {
                    self.register(shard, tx, flow, &request)
                }
                Some(Letter::ConnectionLost(flow)) => {
                    let router = self.phones.router.load_full();
                    let changes = self.around.registrar.connection_lost(flow, |aor| tenant_of(&router, aor));
                    self.tell(changes);
                }
                Some(Letter::Configure(plan)) => self.configure(plan),
                // Everybody who could write is gone: the node has stopped.
                Some(Letter::Stop) | None => return,
            }
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
        self.around.boxes.post(shard, call::Input::Registered { tx, response });
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
        let changes =
            self.around.registrar.retain(|aor| after.phone(aor).is_some(), |aor| tenant_of(&before, aor));
        // Agents of phones that are gone are told by the plan that knew them.
        self.tell_by(&before, changes);
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
            let was = self
                .around
                .bindings
                .with(&aor, |bound| if bound.is_empty() { Reach::None } else { Reach::Some });
            let is = self.around.bindings.put(&aor, self.around.registrar.bindings(&aor));
            if was != is
                && let Some(agent) = router.phone(&aor).and_then(|phone| phone.agent.clone())
            {
                self.around.tenants.phone_reachable(agent, is == Reach::Some);
            }
        }
    }
}

/// Where requests to a binding are sent: to its Contact where that is the address its REGISTER came from, whatever the
/// port (RFC 3261 §10.3); else there is a NAT between, and only the way back along the REGISTER's leads through it.
fn way_to(binding: &Binding) -> Flow {
    let flow = binding.flow;
    match binding.contact.host_ip() {
        Some(address) if flow.transport == Transport::Udp && address == flow.remote.ip() => {
            let port = binding.contact.port().unwrap_or(Transport::Udp.default_port());
            Flow { remote: SocketAddr::new(address, port), ..flow }
        }
        _ => flow,
    }
}

fn tenant_of(router: &Router, aor: &Aor) -> TenantId {
    router.phone(aor).map(|phone| phone.tenant.clone()).unwrap_or_default()
}

fn status_class(status: u16) -> &'static str {
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
