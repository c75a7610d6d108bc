//! Owns which phones are reachable where: RFC 3261 §10.3, RFC 3327 (Path), RFC 5626's instances. Does not own who may
//! register (see [`Directory`]) or the sockets that phones are reached by (their flows are kept, not used).

mod authenticate;
mod binding;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use clock::{Instant, TimerQueue, WallAnchor, WallTime};
use model::event::PhoneFact;
use model::{Aor, TenantId};

pub use authenticate::{Directory, Phone, authenticate};
pub use binding::{Binding, SavedBinding};

use crate::auth::{Challenger, Side};
use crate::endpoint::Flow;
use crate::headers::{Contacts, HeaderName, NameAddr};
use crate::message::{Request, Response};

/// Limits of registrations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrarConfig {
    /// The realm of challenges.
    pub realm: String,
    /// 32 random bytes from the shell, for nonces.
    pub secret: [u8; 32],
    /// How long a nonce is good for.
    pub nonce_life: Duration,
    /// Shorter wishes get 423 (§10.3 item 7).
    pub min_expires: Duration,
    /// When the phone names no time.
    pub default_expires: Duration,
    /// Longer wishes are cut to this.
    pub max_expires: Duration,
}

impl Default for RegistrarConfig {
    /// 60 s to 2 h, 1 h by default; a realm and secret to be replaced.
    fn default() -> RegistrarConfig {
        RegistrarConfig {
            realm: "hotline".to_owned(),
            secret: [0; 32],
            nonce_life: Duration::from_secs(300),
            min_expires: Duration::from_secs(60),
            default_expires: Duration::from_secs(3600),
            max_expires: Duration::from_secs(7200),
        }
    }
}

/// Which phones are reachable where.
pub struct Registrar {
    config: RegistrarConfig,
    challenger: Challenger,
    bindings: HashMap<Aor, Vec<Binding>>,
    /// The earliest expiry of each address of record.
    expiries: TimerQueue<Aor>,
    /// Makes the To tags of responses differ.
    answered: u64,
}

/// What became of a REGISTER.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The response to send.
    pub response: Response,
    /// Whose bindings were read or changed; `None` when refused.
    pub aor: Option<Aor>,
    /// What is new, for the journal.
    pub changes: Vec<Change>,
}

/// A fact of one phone.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Whose.
    pub tenant: TenantId,
    /// Which address of record.
    pub aor: Aor,
    /// What happened.
    pub fact: PhoneFact,
}

/// A refusal: a status and a header that goes with it.
type Refusal = (u16, Option<(HeaderName, String)>);

impl Registrar {
    /// A registrar without bindings.
    pub fn new(config: RegistrarConfig) -> Registrar {
        Registrar {
            challenger: Challenger::new(&config.realm, config.secret, config.nonce_life),
            config,
            bindings: HashMap::new(),
            expiries: TimerQueue::default(),
            answered: 0,
        }
    }

    /// Takes over new limits for what is registered from now on.
    pub fn set_config(&mut self, config: RegistrarConfig) {
        if (&config.realm, config.secret) != (&self.config.realm, self.config.secret) {
            self.challenger = Challenger::new(&config.realm, config.secret, config.nonce_life);
        }
        self.config = config;
    }

    /// Answers a REGISTER that came on `flow`: authenticates, adds, refreshes or removes bindings, lists what there is.
    pub fn register(
        &mut self,
        now: Instant,
        wall: WallTime,
        flow: Flow,
        request: &Request,
        directory: &impl Directory,
    ) -> Registered {
        self.answered += 1;
        let tag = format!("{:x}.{:x}", wall.0, self.answered);
        let mut registered = self.judge(now, wall, flow, request, directory);
        // invariant: To was checked when the request came in.
        let _checked = registered.response.set_to_tag(&tag);
        registered
    }

    fn judge(
        &mut self,
        now: Instant,
        wall: WallTime,
        flow: Flow,
        request: &Request,
        directory: &impl Directory,
    ) -> Registered {
        let refused = |response| Registered { response, aor: None, changes: Vec::new() };
        // §10.3 item 2.
        if let Some(unsupported) = unsupported(request) {
            return refused(refusal(request, (420, Some((HeaderName::Unsupported, unsupported)))));
        }
        // Items 3 and 4. A valid user who registers another's address is refused like a stranger: 403 only after
        // the password was right.
        let phone = match authenticate(&mut self.challenger, wall, Side::Server, request, directory) {
            Ok(phone) => phone,
            Err(response) => return refused(*response),
        };
        let named =
            request.headers.to().ok().and_then(|to| directory.phone(&to.uri().user()?, to.uri().host()));
        if named.is_none_or(|named| named.aor != phone.aor) {
            return refused(Response::to(request, 403));
        }
        let (tenant, aor) = (phone.tenant.clone(), phone.aor.clone());
        match self.update(now, wall, flow, request, &phone) {
            Ok(facts) => {
                let changes = facts
                    .into_iter()
                    .map(|fact| Change { tenant: tenant.clone(), aor: aor.clone(), fact })
                    .collect();
                let response = self.listing(now, request, &aor);
                Registered { response, aor: Some(aor), changes }
            }
            Err(failed) => refused(refusal(request, failed)),
        }
    }

    /// §10.3 items 6 and 7: all of it or nothing.
    fn update(
        &mut self,
        now: Instant,
        wall: WallTime,
        flow: Flow,
        request: &Request,
        phone: &Phone<'_>,
    ) -> Result<Vec<PhoneFact>, Refusal> {
        let (headers, aor) = (&request.headers, phone.aor);
        let contacts = headers.contacts().map_err(|_| (400, None))?;
        let expires = headers.expires().ok().flatten().map(u64::from);
        let order =
            (headers.call_id().map_err(|_| (400, None))?, headers.cseq().map_err(|_| (400, None))?.number);
        let mut list = self.bindings.get(aor).cloned().unwrap_or_default();
        let mut facts = Vec::new();
        match contacts {
            Contacts::All => {
                // Item 6: `*` only with Expires 0.
                if expires != Some(0) {
                    return Err((400, None));
                }
                if list.iter().any(|binding| binding.is_newer_than(order)) {
                    return Err(OUT_OF_ORDER);
                }
                facts.extend(list.drain(..).map(|binding| binding.unregistered()));
            }
            Contacts::List(contacts) => {
                for contact in contacts {
                    let wanted = contact.expires().map(u64::from).or(expires);
                    let wanted = wanted.unwrap_or(self.config.default_expires.as_secs());
                    let place = list.iter().position(|binding| binding.is_for(&contact));
                    if place.is_some_and(|place| list[place].is_newer_than(order)) {
                        return Err(OUT_OF_ORDER);
                    }
                    if wanted == 0 {
                        facts.extend(place.map(|place| list.remove(place).unregistered()));
                        continue;
                    }
                    // Item 7: 423 with Min-Expires.
                    let min = self.config.min_expires.as_secs();
                    if wanted < min {
                        return Err((423, Some((HeaderName::MinExpires, min.to_string()))));
                    }
                    let length = Duration::from_secs(wanted.min(self.config.max_expires.as_secs()));
                    let fresh = Binding::new(&contact, flow, now + length, wall, request);
                    match place {
                        Some(place) => {
                            // The same phone at another address is a fact; a refresh is not.
                            if list[place].contact != fresh.contact {
                                facts.push(list[place].unregistered());
                                facts.push(fresh.registered_fact());
                            }
                            list[place] = fresh;
                        }
                        None => {
                            facts.push(fresh.registered_fact());
                            list.push(fresh);
                        }
                    }
                }
            }
        }
        while list.len() > phone.max_contacts.max(1) {
            let oldest = (0..list.len()).min_by_key(|place| list[*place].registered).unwrap_or(0);
            facts.push(list.remove(oldest).unregistered());
        }
        self.keep(aor, list);
        Ok(facts)
    }

    fn keep(&mut self, aor: &Aor, mut list: Vec<Binding>) {
        list.sort_by_key(|binding| std::cmp::Reverse(binding.q));
        self.expiries.set_or_clear(aor.clone(), list.iter().map(|binding| binding.expires).min());
        if list.is_empty() {
            self.bindings.remove(aor);
        } else {
            self.bindings.insert(aor.clone(), list);
        }
    }

    /// §10.3 item 8: 200 with all bindings.
    fn listing(&self, now: Instant, request: &Request, aor: &Aor) -> Response {
        let mut response = Response::to(request, 200);
        for binding in self.bindings(aor) {
            let seconds = binding.expires.since(now).as_secs();
            let contact =
                binding.address.without_param("expires").with_param("expires", &seconds.to_string());
            response.headers.push(HeaderName::Contact, contact);
        }
        // RFC 3327 §5.3.
        if request.headers.lists(HeaderName::Supported, "path") {
            response.headers.copy_from(&request.headers, HeaderName::Path);
        }
        response
    }

    /// Where `aor` is reachable, those with the highest `q` first.
    pub fn bindings(&self, aor: &Aor) -> &[Binding] {
        self.bindings.get(aor).map_or(&[], Vec::as_slice)
    }

    /// Every address of record with a binding.
    pub fn aors(&self) -> impl Iterator<Item = &Aor> {
        self.bindings.keys()
    }

    /// How many bindings there are.
    pub fn len(&self) -> usize {
        self.bindings.values().map(Vec::len).sum()
    }

    /// Whether there is no binding.
    pub fn is_empty(&self) -> bool {
        self.bindings.is_empty()
    }

    /// Removes what has run out. `tenant_of` names the tenant of an address of record.
    pub fn handle_timeout(&mut self, now: Instant, tenant_of: impl Fn(&Aor) -> TenantId) -> Vec<Change> {
        let mut changes = Vec::new();
        while let Some((aor, _)) = self.expiries.pop(now) {
            let mut list = self.bindings.remove(&aor).unwrap_or_default();
            list.retain(|binding| {
                let lasts = binding.expires > now;
                if !lasts {
                    let fact = PhoneFact::Expired { contact: binding.contact_text() };
                    changes.push(Change { tenant: tenant_of(&aor), aor: aor.clone(), fact });
                }
                lasts
            });
            self.keep(&aor, list);
        }
        changes
    }

    /// The next instant at which `handle_timeout` has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.expiries.next()
    }

    /// Removes the bindings of a stream that has ended: phones behind it cannot be reached (RFC 5626 §5.3).
    pub fn connection_lost(&mut self, flow: Flow, tenant_of: impl Fn(&Aor) -> TenantId) -> Vec<Change> {
        if flow.connection.is_none() {
            return Vec::new();
        }
        self.remove_where(tenant_of, |_, binding| binding.flow == flow)
    }

    /// Removes all bindings of phones that are no longer in the directory, after a reload.
    pub fn retain(
        &mut self,
        known: impl Fn(&Aor) -> bool,
        tenant_of: impl Fn(&Aor) -> TenantId,
    ) -> Vec<Change> {
        self.remove_where(tenant_of, |aor, _| !known(aor))
    }

    fn remove_where(
        &mut self,
        tenant_of: impl Fn(&Aor) -> TenantId,
        gone: impl Fn(&Aor, &Binding) -> bool,
    ) -> Vec<Change> {
        let touched: Vec<Aor> = self
            .bindings
            .iter()
            .filter(|(aor, list)| list.iter().any(|binding| gone(aor, binding)))
            .map(|(aor, _)| aor.clone())
            .collect();
        let mut changes = Vec::new();
        for aor in touched {
            let (lost, kept): (Vec<Binding>, Vec<Binding>) = self
                .bindings
                .remove(&aor)
                .unwrap_or_default()
                .into_iter()
                .partition(|binding| gone(&aor, binding));
            changes.extend(lost.iter().map(|binding| Change {
                tenant: tenant_of(&aor),
                aor: aor.clone(),
                fact: binding.unregistered(),
            }));
            self.keep(&aor, kept);
        }
        changes
    }

    /// The bindings of `aor`, times as wall time: what a restart needs.
    pub fn saved(&self, anchor: WallAnchor, aor: &Aor) -> Vec<SavedBinding> {
        self.bindings(aor).iter().map(|binding| binding.saved(anchor)).collect()
    }

    /// All bindings, times as wall time.
    pub fn snapshot(&self, anchor: WallAnchor) -> Vec<(Aor, Vec<SavedBinding>)> {
        let mut all: Vec<_> = self.aors().map(|aor| (aor.clone(), self.saved(anchor, aor))).collect();
        all.sort_by(|a: &(Aor, Vec<SavedBinding>), b| a.0.cmp(&b.0));
        all
    }

    /// Takes over the bindings of a snapshot that have not run out. Streams ended with the process that had them, and
    /// their numbers are given out anew: phones behind one register again.
    pub fn restore(&mut self, anchor: WallAnchor, now: Instant, saved: Vec<(Aor, Vec<SavedBinding>)>) {
        for (aor, list) in saved {
            let list: Vec<Binding> = list
                .into_iter()
                .map(|binding| binding.restored(anchor))
                .filter(|binding| binding.expires > now && binding.flow.connection.is_none())
                .collect();
            self.keep(&aor, list);
        }
    }
}

/// The facts and responses name a contact as it came.
fn text_of(address: &NameAddr) -> Arc<str> {
    Arc::from(address.uri().to_string())
}

/// §10.3 item 2: option tags that are required and not understood.
fn unsupported(request: &Request) -> Option<String> {
    const UNDERSTOOD: [&str; 2] = ["path", "gruu"];
    let unknown: Vec<String> = request
        .headers
        .elements(HeaderName::Require)
        .map(|tag| String::from_utf8_lossy(tag).into_owned())
        .filter(|tag| !UNDERSTOOD.iter().any(|known| known.eq_ignore_ascii_case(tag)))
        .collect();
    (!unknown.is_empty()).then(|| unknown.join(", "))
}

fn refusal(request: &Request, (status, header): Refusal) -> Response {
    let mut response = Response::to(request, status);
    if let Some((name, value)) = header {
        response.headers.push(name, value);
    }
    response
}

/// §10.3 items 6 and 7: an older request of the same Call-ID changes nothing.
const OUT_OF_ORDER: Refusal = (500, None);

#[cfg(test)]
mod tests;
