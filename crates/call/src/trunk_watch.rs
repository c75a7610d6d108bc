//! Owns what the node finds out about its trunks by itself: heartbeats by OPTIONS and our registrations with carriers.
//! Does not own when (see `routing::Pulse` and `sip::outbound_registration`) nor what calls do with it (see
//! `routing::TrunkStates`). One shard of a node watches; all shards hear its news.

mod beat;
mod bound;
mod names;
mod words;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use clock::Instant;
use model::TrunkName;
use model::event::{Event, TrunkFact};
use routing::{Life, Plan, Pulse, Trunk, TrunkBinding, TrunkChange, TrunkNews, TrunkStates, TrunkTransport};
use sip::Response;
use sip::endpoint::{Advertised, Endpoint, Flow, Transport};
use sip::outbound_registration::Registration;
use sip::session::Failure;
use sip::transaction::ClientTx;

pub(crate) use bound::{contact, login};
pub(crate) use names::has_names;

use crate::{Output, TrunkSeen, Unreached};

/// What the watch may touch while it handles one input.
pub(crate) struct Desk<'a> {
    pub now: Instant,
    pub endpoint: &'a mut Endpoint,
    pub states: &'a mut TrunkStates,
    pub advertised: &'a [Advertised],
    pub out: &'a mut VecDeque<Output>,
}

impl Desk<'_> {
    /// This shard knows it at once, the others by letter.
    fn tell(&mut self, trunk: &TrunkName, change: TrunkChange) {
        let news = TrunkNews { trunk: trunk.clone(), change };
        self.states.apply(&news);
        self.out.push_back(Output::Trunk(news));
    }

    fn fact(&mut self, trunk: &TrunkName, fact: TrunkFact) {
        self.out.push_back(Output::Event(Event::Trunk { trunk: trunk.clone(), fact }));
    }
}

/// The trunks that are watched.
#[derive(Debug, Default)]
pub(crate) struct TrunkWatch {
    watched: BTreeMap<TrunkName, Watched>,
    /// Registrations that are being taken back.
    leaving: Vec<Registration>,
    /// Whose transaction it is.
    errands: HashMap<ClientTx, Errand>,
}

#[derive(Clone, Debug)]
enum Errand {
    /// OPTIONS to a target of a trunk.
    Ask(TrunkName, SocketAddr),
    /// A REGISTER of a trunk.
    Register(TrunkName),
    /// A REGISTER that takes a binding back.
    Leave,
}

/// One trunk.
#[derive(Debug)]
struct Watched {
    trunk: Arc<Trunk>,
    targets: Vec<Asked>,
    names: names::Names,
    registration: Option<bound::Bound>,
    binding: Option<Arc<TrunkBinding>>,
    up: Option<bool>,
    /// Since when it is up or down.
    since: Instant,
    error: Option<Arc<str>>,
    /// The last error, over or not, and when it was met.
    last_error: Option<(Instant, Arc<str>)>,
    /// Why the last connection to that address did not come about.
    trouble: Option<(SocketAddr, Arc<str>)>,
}

/// A target and its pulse; None where the trunk has no heartbeat.
#[derive(Debug)]
struct Asked {
    address: SocketAddr,
    pulse: Option<Pulse>,
}

impl TrunkWatch {
    /// Watches the trunks of `plan` from now on; those that did not change go on as they are.
    pub fn configure(&mut self, desk: &mut Desk<'_>, plan: &Plan) {
        let same = |watched: &Watched| plan.trunks.iter().any(|trunk| **trunk == *watched.trunk);
        let gone: Vec<TrunkName> =
            self.watched.iter().filter(|(_, watched)| !same(watched)).map(|(name, _)| name.clone()).collect();
        for name in gone {
            if let Some(watched) = self.watched.remove(&name) {
                desk.tell(&name, TrunkChange::Unregistered);
                desk.states.forget(&name);
                let next = plan.trunks.iter().find(|trunk| trunk.name == name);
                self.leave(desk, watched, next);
            }
        }
        for trunk in &plan.trunks {
            if !self.watched.contains_key(&trunk.name) {
                let watched = Watched::new(desk.now, trunk.clone());
                self.watched.insert(trunk.name.clone(), watched);
                let addresses = desk.states.addresses(trunk);
                self.begin(desk, &trunk.name, &addresses);
            }
        }
    }

    /// Takes every binding back.
    pub fn stop(&mut self, desk: &mut Desk<'_>) {
        for (_, watched) in std::mem::take(&mut self.watched) {
            self.leave(desk, watched, None);
        }
    }

    /// How many bindings are being taken back.
    pub fn leaving(&self) -> usize {
        self.leaving.len()
    }

    /// What is known of each trunk, by name.
    pub fn seen(&self) -> impl Iterator<Item = TrunkSeen> + '_ {
        self.watched.values().map(|watched| TrunkSeen {
            name: watched.trunk.name.clone(),
            up: watched.up,
            since: watched.up.map(|_| watched.since),
            registered: watched.trunk.register.as_ref().map(|_| watched.binding.is_some()),
            error: watched.error.clone(),
            last_error: watched.last_error.clone(),
        })
    }

    /// Whether `tx` belongs here.
    pub fn owns(&self, tx: ClientTx) -> bool {
        self.errands.contains_key(&tx)
    }

    /// A response to a request of the watch.
    pub fn handle_response(&mut self, desk: &mut Desk<'_>, tx: ClientTx, response: &Response) {
        if response.is_provisional() {
            return;
        }
        let errand = self.errands.get(&tx).cloned();
        if let Some(Errand::Ask(trunk, _) | Errand::Register(trunk)) = &errand
            && let Some(watched) = self.watched.get_mut(trunk)
        {
            watched.trouble = None;
        }
        match errand {
            Some(Errand::Ask(trunk, address)) => {
                self.errands.remove(&tx);
                self.answered(desk, &trunk, address, response);
            }
            Some(Errand::Register(trunk)) => {
                if let Some(bound) = self.bound(&trunk) {
                    bound.registration.handle_response(desk.now, desk.endpoint, tx, response);
                }
                self.settle(desk, &trunk);
            }
            Some(Errand::Leave) => {
                for registration in &mut self.leaving {
                    registration.handle_response(desk.now, desk.endpoint, tx, response);
                }
                self.settle_leaving();
            }
            None => {}
        }
        self.errands.remove(&tx);
    }

    /// A request of the watch failed without a response.
    pub fn handle_failure(&mut self, desk: &mut Desk<'_>, tx: ClientTx, failure: Failure) {
        match self.errands.remove(&tx) {
            Some(Errand::Ask(trunk, address)) => self.unanswered(desk, &trunk, address, failure),
            Some(Errand::Register(trunk)) => {
                if let Some(bound) = self.bound(&trunk) {
                    bound.registration.handle_failure(desk.now, desk.endpoint, tx, failure);
                }
                self.settle(desk, &trunk);
            }
            Some(Errand::Leave) => {
                for registration in &mut self.leaving {
                    registration.handle_failure(desk.now, desk.endpoint, tx, failure);
                }
                self.settle_leaving();
            }
            None => {}
        }
    }

    /// A connection did not come about: the trunks that are reached there say why.
    pub fn unreached(&mut self, now: Instant, to: Flow, why: &Unreached) {
        for watched in self.watched.values_mut() {
            let is_there = flow(&watched.trunk, to.remote) == Flow { connection: None, ..to };
            let Some(host) = watched.names.host_at(to.remote).filter(|_| is_there) else { continue };
            let wanted = watched.trunk.way.tls_name.as_deref().unwrap_or(&host);
            let trouble = words::unreached(to.remote, wanted, why);
            watched.met(now, trouble.clone());
            watched.trouble = Some((to.remote, trouble));
        }
    }

    /// Time has passed. Early, late and repeated calls are harmless.
    pub fn handle_timeout(&mut self, desk: &mut Desk<'_>) {
        let now = desk.now;
        let is_due = |watched: &Watched| watched.next_timeout().is_some_and(|due| due <= now);
        let due: Vec<TrunkName> =
            self.watched.iter().filter(|(_, w)| is_due(w)).map(|(name, _)| name.clone()).collect();
        for name in due {
            self.look_up(desk, &name);
            self.beat(desk, &name);
            if let Some(bound) = self.bound(&name) {
                bound.registration.handle_timeout(now, desk.endpoint);
            }
            self.settle(desk, &name);
        }
    }

    /// The next instant at which `handle_timeout` has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.watched.values().filter_map(Watched::next_timeout).min()
    }

    fn bound(&mut self, trunk: &TrunkName) -> Option<&mut bound::Bound> {
        self.watched.get_mut(trunk)?.registration.as_mut()
    }

    /// Whether the trunk is up may have changed.
    fn judge(&mut self, desk: &mut Desk<'_>, name: &TrunkName) {
        let Some(watched) = self.watched.get_mut(name) else { return };
        let lives: Vec<Life> =
            watched.targets.iter().filter_map(|target| Some(target.pulse.as_ref()?.life())).collect();
        let up = match (lives.is_empty(), &watched.trunk.register) {
            (true, Some(_)) => Some(watched.binding.is_some()),
            (true, None) => None,
            _ if lives.contains(&Life::Up) => Some(true),
            _ if lives.iter().all(|life| *life == Life::Down) => Some(false),
            _ => watched.up,
        };
        if up == watched.up {
            return;
        }
        (watched.up, watched.since) = (up, desk.now);
        let fact = match up {
            Some(true) => TrunkFact::Up,
            Some(false) => TrunkFact::Down { error: watched.error.clone().unwrap_or_default() },
            None => return,
        };
        if up == Some(true) {
            watched.error = None;
        }
        desk.fact(name, fact);
    }
}

impl Watched {
    /// An error was met that lasts until the trunk works again.
    fn met(&mut self, now: Instant, error: Arc<str>) {
        self.last_error = Some((now, error.clone()));
        self.error = Some(error);
    }

    /// Why `address` cannot be reached, when its connection did not come about.
    fn trouble_at(&self, address: SocketAddr) -> Option<Arc<str>> {
        self.trouble.as_ref().filter(|(at, _)| *at == address).map(|(_, words)| words.clone())
    }

    fn new(now: Instant, trunk: Arc<Trunk>) -> Watched {
        Watched {
            targets: Vec::new(),
            names: names::Names::of(&trunk),
            trunk,
            registration: None,
            binding: None,
            up: None,
            since: now,
            error: None,
            last_error: None,
            trouble: None,
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let pulses = self.targets.iter().filter_map(|target| Some(target.pulse.as_ref()?.poll_timeout()));
        let registration = self.registration.as_ref().and_then(|bound| bound.registration.poll_timeout());
        pulses.chain(registration).chain(self.names.poll_timeout()).min()
    }
}

/// The flow to an address of a trunk.
pub(crate) fn flow(trunk: &Trunk, remote: SocketAddr) -> Flow {
    let transport = match trunk.way.transport {
        TrunkTransport::Udp => Transport::Udp,
        TrunkTransport::Tcp => Transport::Tcp,
        TrunkTransport::Tls => Transport::Tls,
    };
    Flow { interface: trunk.interface, transport, remote, connection: None }
}

/// What a trunk is told that we are reached by, `host:port`.
fn reached_by(desk: &Desk<'_>, trunk: &Trunk) -> Option<String> {
    let transport = flow(trunk, ([0, 0, 0, 0], 0).into()).transport;
    desk.advertised.get(usize::from(trunk.interface)).map(|us| us.host_port(transport))
}
