//! Owns which phones are reachable where: RFC 3261 §10.3, RFC 3327 (Path), RFC 5626's instances. Does not own who may
//! register (see [`Directory`]) or the sockets that phones are reached by (their flows are kept, not used).

mod authenticate;
mod binding;
mod probe;
mod update;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use clock::{Instant, TimerQueue, WallAnchor, WallTime};
use model::event::PhoneFact;
use model::{Aor, TenantId};
use probe::{KeepAlives, Probes};
use update::{Arrival, Outbound};

pub use authenticate::{Directory, Phone, authenticate};
pub use binding::{Binding, Duty, SavedBinding, duties};
pub use probe::{Probe, Probed};

use crate::auth::{Challenger, Side};
use crate::endpoint::Flow;
use crate::headers::HeaderName;
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
    /// How often a phone with an outbound flow is to show that it lives (RFC 5626 §4.4.1); `None`: as it likes.
    pub flow_timer: Option<Duration>,
    /// How often a NAT before a phone on UDP is kept open from here; `None`: never.
    pub nat_keep_alive: Option<Duration>,
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
            flow_timer: Some(Duration::from_secs(120)),
            nat_keep_alive: Some(Duration::from_secs(25)),
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
    /// Whose bindings each stream carries.
    streams: HashMap<u64, HashSet<Aor>>,
    probes: Probes,
    keep_alives: KeepAlives,
    /// When the turn of a NAT comes that is new now; `None`: they are not kept open.
    keep_alive_from: Option<Instant>,
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
            streams: HashMap::new(),
            probes: Probes::default(),
            keep_alives: KeepAlives::default(),
            keep_alive_from: None,
            answered: 0,
        }
    }

    /// Takes over new limits for what is registered from now on.
    pub fn set_config(&mut self, config: RegistrarConfig) {
        let asks = |config: &RegistrarConfig| (config.realm.clone(), config.secret, config.nonce_life);
        if asks(&config) != asks(&self.config) {
            self.challenger = Challenger::new(&config.realm, config.secret, config.nonce_life);
        }
        self.config = config;
    }

    /// Takes over the limits of `config`, and keeps realm and secret.
    pub fn set_limits(&mut self, config: &RegistrarConfig) {
        let (realm, secret) = (self.config.realm.clone(), self.config.secret);
        self.set_config(RegistrarConfig { realm, secret, ..config.clone() });
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

    /// Who sent `request`, by the same digest and the same counts of nonces as for REGISTER.
    ///
    /// # Errors
    /// The challenge to send back.
    pub fn authenticate<'d>(
        &mut self,
        wall: WallTime,
        request: &Request,
        directory: &'d impl Directory,
    ) -> Result<Phone<'d>, Box<Response>> {
        authenticate(&mut self.challenger, wall, Side::Server, request, directory).map_err(|mut challenge| {
            self.answered += 1;
            // invariant: To was checked when the request came in.
            let _checked = challenge.set_to_tag(&format!("{:x}.{:x}", wall.0, self.answered));
            challenge
        })
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
        self.keep_alive_from = self.config.nat_keep_alive.map(|period| now + period);
        match self.update(&Arrival { now, wall, flow, request }, &phone) {
            Ok((facts, outbound)) => {
                let changes = facts
                    .into_iter()
                    .map(|fact| Change { tenant: tenant.clone(), aor: aor.clone(), fact })
                    .collect();
                let mut response = self.listing(now, request, &aor);
                if outbound == Outbound::Yes {
                    // RFC 5626 §6; §4.4.1 of it: how often the phone is to show that its flow lives.
                    response.headers.push(HeaderName::Require, "outbound");
                    if let Some(length) = self.config.flow_timer {
                        response.headers.push("Flow-Timer", length.as_secs().to_string());
                    }
                }
                Registered { response, aor: Some(aor), changes }
            }
            Err(failed) => refused(refusal(request, failed)),
        }
    }

    fn keep(&mut self, aor: &Aor, mut list: Vec<Binding>) {
        list.sort_by_key(|binding| std::cmp::Reverse(binding.q));
        self.expiries.set_or_clear(aor.clone(), list.iter().map(|binding| binding.expires).min());
        self.index_streams(aor, &list);
        if let Some(at) = self.keep_alive_from
            && list.iter().any(Binding::needs_keep_alive)
        {
            self.keep_alives.begin(at, aor);
        }
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

    /// The next instant at which [`handle_timeout`](Registrar::handle_timeout), [`poll_probe`](Registrar::poll_probe)
    /// or [`poll_keep_alive`](Registrar::poll_keep_alive) has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let keep_alive = self.config.nat_keep_alive.and_then(|_| self.keep_alives.next());
        [self.expiries.next(), self.probes.next(), keep_alive].into_iter().flatten().min()
    }

    /// A stream has ended. Phones that can be reached by a new one are asked whether they are there; the others lose
    /// their bindings (RFC 5626 §5.3).
    pub fn connection_lost(&mut self, flow: Flow, tenant_of: impl Fn(&Aor) -> TenantId) -> Vec<Change> {
        let Some(connection) = flow.connection else { return Vec::new() };
        let mut changes = Vec::new();
        for aor in self.streams.remove(&connection).unwrap_or_default() {
            let mut kept = Vec::new();
            for binding in self.bindings.remove(&aor).unwrap_or_default() {
                if binding.flow.connection != Some(connection) {
                    kept.push(binding);
                    continue;
                }
                let fact = PhoneFact::ConnectionLost { contact: binding.contact_text() };
                match binding.without_stream() {
                    Some(binding) => {
                        self.probes.ask(&aor, &binding);
                        kept.push(binding);
                    }
                    None => changes.push(Change { tenant: tenant_of(&aor), aor: aor.clone(), fact }),
                }
            }
            self.keep(&aor, kept);
        }
        changes
    }

    /// Keeps in mind whose bindings each stream carries: `list` becomes the bindings of `aor`.
    fn index_streams(&mut self, aor: &Aor, list: &[Binding]) {
        let before = self.bindings.get(aor).map_or(&[][..], Vec::as_slice);
        let carries =
            |list: &[Binding], stream| list.iter().any(|binding| binding.flow.connection == Some(stream));
        for stream in before.iter().filter_map(|binding| binding.flow.connection) {
            if !carries(list, stream)
                && let Some(carried) = self.streams.get_mut(&stream)
            {
                carried.remove(aor);
                if carried.is_empty() {
                    self.streams.remove(&stream);
                }
            }
        }
        for stream in list.iter().filter_map(|binding| binding.flow.connection) {
            if !carries(before, stream) {
                self.streams.entry(stream).or_default().insert(aor.clone());
            }
        }
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

    /// Takes over the bindings of a snapshot that have not run out; each is asked whether its phone is still there.
    /// Streams ended with the process that had them, and their numbers are given out anew: what only they reached is
    /// returned as lost.
    pub fn restore(
        &mut self,
        anchor: WallAnchor,
        now: Instant,
        saved: Vec<(Aor, Vec<SavedBinding>)>,
    ) -> Vec<(Aor, PhoneFact)> {
        let mut lost = Vec::new();
        self.keep_alive_from = self.config.nat_keep_alive.map(|_| now);
        for (aor, list) in saved {
            let mut kept = Vec::new();
            for binding in list.into_iter().map(|binding| binding.restored(anchor)) {
                let contact = binding.contact_text();
                if binding.expires <= now {
                    lost.push((aor.clone(), PhoneFact::Expired { contact }));
                } else if let Some(binding) = binding.without_stream() {
                    self.probes.ask(&aor, &binding);
                    kept.push(binding);
                } else {
                    lost.push((aor.clone(), PhoneFact::ConnectionLost { contact }));
                }
            }
            self.keep(&aor, kept);
        }
        lost
    }
}

/// §10.3 item 2: option tags that are required and not understood.
fn unsupported(request: &Request) -> Option<String> {
    const UNDERSTOOD: [&str; 2] = ["path", "outbound"];
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
