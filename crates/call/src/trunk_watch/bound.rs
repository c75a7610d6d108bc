//! Owns registering with carriers: where, and at which of several when one fails. Does not own the patience between
//! tries (see `sip::outbound_registration`).

use std::net::SocketAddr;
use std::sync::Arc;

use model::TrunkName;
use model::event::TrunkFact;
use routing::{Trunk, TrunkBinding, TrunkChange, TrunkRegister};
use sip::auth::Login;
use sip::headers::Challenge;
use sip::outbound_registration::{Registration, RegistrationConfig, RegistrationEvent};
use sip::{NameAddr, Uri};

use super::{Desk, Errand, TrunkWatch, Watched, flow, reached_by, words};
use crate::destination;

/// The registration of one trunk.
#[derive(Debug)]
pub(super) struct Bound {
    pub registration: Registration,
    /// Where it is made.
    pub at: SocketAddr,
    /// Targets that failed since it last worked.
    failed: Vec<SocketAddr>,
}

impl TrunkWatch {
    /// Begins to register, once it is known where; moves when that place is no longer one of the trunk's.
    pub(super) fn register(&mut self, desk: &mut Desk<'_>, name: &TrunkName) {
        let Some(watched) = self.watched.get_mut(name) else { return };
        let trunk = watched.trunk.clone();
        let (Some(register), Some(first)) = (&trunk.register, watched.targets.first().map(|t| t.address))
        else {
            return;
        };
        match &mut watched.registration {
            Some(bound) if watched.targets.iter().any(|target| target.address == bound.at) => {}
            Some(bound) => bound.move_to(desk, &trunk, first),
            None => {
                let Some(config) = config(desk, &trunk, register, first) else { return };
                let registration = Registration::new(desk.now, desk.endpoint, flow(&trunk, first), config);
                watched.registration = Some(Bound { registration, at: first, failed: Vec::new() });
            }
        }
    }

    /// Carries out what a registration has to say.
    pub(super) fn settle(&mut self, desk: &mut Desk<'_>, name: &TrunkName) {
        while let Some(event) = self.bound(name).and_then(|bound| bound.registration.poll_event()) {
            match event {
                RegistrationEvent::Transaction(tx) => {
                    self.errands.insert(tx, Errand::Register(name.clone()));
                }
                RegistrationEvent::TransactionOver(tx) => drop(self.errands.remove(&tx)),
                RegistrationEvent::Registered { expires, service_route, associated } => {
                    self.registered(desk, name, &service_route, &associated);
                    let seconds = u32::try_from(expires.as_secs()).unwrap_or(u32::MAX);
                    desk.fact(name, TrunkFact::Registered { seconds });
                    self.judge(desk, name);
                }
                RegistrationEvent::Failed { status, reason, challenge, .. } => {
                    self.register_failed(desk, name, (status, &reason), challenge.as_deref());
                    self.judge(desk, name);
                }
                RegistrationEvent::Unregistered => {}
            }
        }
    }

    fn registered(&mut self, desk: &mut Desk<'_>, name: &TrunkName, route: &[NameAddr], known: &[NameAddr]) {
        let Some(watched) = self.watched.get_mut(name) else { return };
        let Some(bound) = &mut watched.registration else { return };
        bound.failed.clear();
        let text = |address: &NameAddr| Arc::from(address.to_string());
        let binding = Arc::new(TrunkBinding {
            at: bound.at,
            service_route: route.iter().map(text).collect(),
            associated: known.iter().map(|address| Arc::from(address.uri().to_string())).collect(),
        });
        watched.binding = Some(binding.clone());
        watched.error = None;
        desk.tell(name, TrunkChange::Registered(binding));
    }

    /// Tries the next target at once where this one does not work; where all failed, or the carrier refuses us, the
    /// registration waits.
    fn register_failed(
        &mut self,
        desk: &mut Desk<'_>,
        name: &TrunkName,
        (status, reason): (u16, &str),
        challenge: Option<&Challenge>,
    ) {
        let Some(watched) = self.watched.get_mut(name) else { return };
        let trunk = watched.trunk.clone();
        let at = watched.registration.as_ref().map(|bound| bound.at);
        let trouble = at.filter(|_| status == 503).and_then(|at| watched.trouble_at(at));
        let error = match trouble {
            Some(trouble) => words::register_unsent(&trouble),
            None => words::register_refused((status, reason), challenge, &trunk),
        };
        let Some(bound) = &mut watched.registration else { return };
        bound.failed.push(bound.at);
        let untried = |target: &&super::Asked| !bound.failed.contains(&target.address);
        let next = watched.targets.iter().find(untried).map(|target| target.address);
        // Silence and what is wrong with a server lead to the next; RFC 3261 §21.6: a 6xx is everybody's answer.
        match next.filter(|_| matches!(status, 408 | 500..=599)) {
            Some(next) => bound.move_to(desk, &trunk, next),
            None => bound.failed.clear(),
        }
        watched.met(desk.now, error.clone());
        if watched.binding.take().is_some() {
            desk.tell(name, TrunkChange::Unregistered);
        }
        desk.fact(name, TrunkFact::RegistrationFailed { error });
    }

    /// Takes the binding of a trunk back, unless `next`, which takes its place, will refresh the very same.
    pub(super) fn leave(&mut self, desk: &mut Desk<'_>, watched: Watched, next: Option<&Arc<Trunk>>) {
        let Some(mut bound) = watched.registration else { return };
        let line = |trunk: &Trunk| trunk.register.as_ref().map(|register| register.line.clone());
        if next.is_some_and(|next| line(next) == line(&watched.trunk)) {
            return;
        }
        bound.registration.unregister(desk.now, desk.endpoint);
        self.leaving.push(bound.registration);
        self.settle_leaving();
    }

    pub(super) fn settle_leaving(&mut self) {
        let errands = &mut self.errands;
        self.leaving.retain_mut(|registration| {
            let mut left = false;
            while let Some(event) = registration.poll_event() {
                match event {
                    RegistrationEvent::Transaction(tx) => drop(errands.insert(tx, Errand::Leave)),
                    RegistrationEvent::TransactionOver(tx) => drop(errands.remove(&tx)),
                    RegistrationEvent::Unregistered => left = true,
                    RegistrationEvent::Registered { .. } | RegistrationEvent::Failed { .. } => {}
                }
            }
            !left
        });
    }
}

impl Bound {
    fn move_to(&mut self, desk: &mut Desk<'_>, trunk: &Trunk, address: SocketAddr) {
        self.at = address;
        let route = destination::first_hops(trunk, address, None);
        self.registration.move_to(desk.now, desk.endpoint, flow(trunk, address), route);
    }
}

fn config(
    desk: &Desk<'_>,
    trunk: &Trunk,
    register: &TrunkRegister,
    at: SocketAddr,
) -> Option<RegistrationConfig> {
    let registrar: Uri = format!("sip:{}", register.registrar).parse().ok()?;
    let (host, port) = crate::caller_id::host_port(&register.domain);
    let aor = Uri::sip(Some(&register.user), &host, port).ok()?;
    Some(RegistrationConfig {
        registrar,
        aor: NameAddr::new(None, &aor),
        contact: contact(trunk, register, &reached_by(desk, trunk)?)?,
        route: destination::first_hops(trunk, at, None),
        login: login(trunk),
        expires: register.expires,
        retry: register.retry,
        retry_max: register.retry_max,
    })
}

/// Our Contact with a carrier: its line tells us later whose call comes (RFC 3261 §8.1.1.8).
pub(crate) fn contact(trunk: &Trunk, register: &TrunkRegister, us: &str) -> Option<Uri> {
    let user = register.contact_user.as_ref().unwrap_or(&register.line);
    let address: Uri = format!("sip:{user}@{us}").parse().ok()?;
    let address = match flow(trunk, ([0, 0, 0, 0], 0).into()).transport.uri_param() {
        Some(transport) => address.with_param("transport", transport).ok()?,
        None => address,
    };
    address.with_param("line", &register.line).ok()
}

/// What the trunk's challenges are answered with: only those of its own realm.
pub(crate) fn login(trunk: &Trunk) -> Option<Login> {
    let account = trunk.account.as_ref()?;
    Some(Login {
        user: account.user.to_string(),
        password: account.password.to_string(),
        realm: Some(account.realm.to_string()).filter(|realm| !realm.is_empty()),
    })
}
