//! Owns the registrar's part: who is registered where, and which agents can be reached. Does not own who may register
//! (see `sip::registrar`).

use std::sync::Arc;

use clock::{Instant, WallTime};
use model::event::Event;
use model::{AgentId, Aor, TenantId};
use routing::{DigestChoice, Plan, Router};
use sip::auth::{Account, Offer};
use sip::endpoint::Flow;
use sip::registrar::{Change, Directory, Phone, Registrar, RegistrarConfig};

/// The registrar and the phones it knows.
pub(crate) struct Phones {
    registrar: Registrar,
    router: Router,
}

/// What became of a REGISTER or of time.
pub(crate) struct Outcome {
    pub events: Vec<Event>,
    pub reachable: Vec<(AgentId, bool)>,
}

impl Phones {
    pub fn new(plan: Arc<Plan>) -> Phones {
        let realm = plan.domains.first().map(|domain| domain.domain.to_string()).unwrap_or_default();
        let config = RegistrarConfig { realm, secret: [5; 32], ..RegistrarConfig::default() };
        Phones { registrar: Registrar::new(config), router: Router::new(plan) }
    }

    pub fn register(
        &mut self,
        now: Instant,
        wall: WallTime,
        flow: Flow,
        request: &sip::Request,
    ) -> (sip::Response, Outcome) {
        let before = self.reached();
        let registered = self.registrar.register(now, wall, flow, request, &Listed(&self.router));
        (registered.response, self.outcome(&before, registered.changes))
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Outcome {
        let before = self.reached();
        let router = &self.router;
        let changes = self.registrar.handle_timeout(now, |aor| tenant_of(router, aor));
        self.outcome(&before, changes)
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.registrar.poll_timeout()
    }

    /// Other phones from now on: bindings of those that are gone end, agents are told anew.
    pub fn configure(&mut self, plan: Arc<Plan>) -> Outcome {
        let before = self.reached();
        let after = Router::new(plan);
        let router = &self.router;
        let changes = self.registrar.retain(|aor| after.phone(aor).is_some(), |aor| tenant_of(router, aor));
        let mut outcome = self.outcome(&before, changes);
        self.router = after;
        let reached = self.reached();
        let agents = reached.iter().filter_map(|aor| self.router.phone(aor)?.agent.clone());
        outcome.reachable.extend(agents.map(|agent| (agent, true)));
        outcome
    }

    /// Where a phone is reached, best first.
    pub fn bindings(&self, aor: &Aor, now: Instant) -> Vec<call::Binding> {
        let lasting = self.registrar.bindings(aor).iter().filter(|binding| binding.expires > now);
        let given = lasting.map(|binding| call::Binding {
            contact: binding.contact.to_string(),
            flow: binding.flow,
            path: binding.path.iter().map(ToString::to_string).collect(),
        });
        given.collect()
    }

    /// Whose phone that is.
    pub fn tenant_of(&self, user: &str, domain: &str) -> Option<&TenantId> {
        Some(&self.router.phone_of(user, domain)?.tenant)
    }

    fn reached(&self) -> Vec<Aor> {
        self.registrar.aors().cloned().collect()
    }

    fn outcome(&self, before: &[Aor], changes: Vec<Change>) -> Outcome {
        let mut aors: Vec<Aor> = Vec::new();
        let mut events = Vec::new();
        for Change { tenant, aor, fact } in changes {
            if !aors.contains(&aor) {
                aors.push(aor.clone());
            }
            events.push(Event::Phone { tenant, aor, fact });
        }
        let turned = aors.into_iter().filter_map(|aor| {
            let is = !self.registrar.bindings(&aor).is_empty();
            let agent = self.router.phone(&aor)?.agent.clone()?;
            (before.contains(&aor) != is).then_some((agent, is))
        });
        Outcome { reachable: turned.collect(), events }
    }
}

fn tenant_of(router: &Router, aor: &Aor) -> TenantId {
    router.phone(aor).map(|phone| phone.tenant.clone()).unwrap_or_default()
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
        let account = Account { password: &phone.password, offer: offered(phone.digest) };
        let max_contacts = phone.max_contacts;
        Some(Phone { tenant: &phone.tenant, aor: &phone.aor, account, max_contacts })
    }

    fn decoy(&self, lot: u64) -> Offer {
        let phones = &self.0.plan().phones;
        let place = usize::try_from(lot % phones.len().max(1) as u64).unwrap_or(0);
        phones.get(place).map_or_else(Offer::default, |phone| offered(phone.digest))
    }
}
