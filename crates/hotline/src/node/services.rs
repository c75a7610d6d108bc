//! Owns what phones get beside calls and registrations: subscriptions, text messages, and the requests that the
//! registrar's task sends through shards. Does not own who a request is from (see `registrar`).

use std::collections::HashMap;
use std::time::Duration;

use call::ErrandEnded;
use clock::{Instant, Machine, SystemClock};
use model::{AgentId, Aor, MailboxName, TenantId};
use routing::{Dialled, Feature, Mailboxes, MessagePolicy, MessageRelay, PhoneServices, Router, Shared};
use sip::endpoint::{Advertised, Flow, Rules};
use sip::registrar::{Duty, Probe, Probed, Registrar, duties};
use sip::subscription::{Asker, Detail, Input, Notifier, NotifierConfig, Output, Subscribe, Summary, Told};
use sip::{HeaderName, Request, Response, relay};
use sip_net::Boxes;

use super::keeper::Unsaved;
use super::lamps::Lamps;

/// Subscriptions, messages and errands.
pub(super) struct Services {
    pub notifier: Notifier,
    pub lamps: Lamps,
    /// What waits in mailboxes.
    mailboxes: Shared<Mailboxes>,
    policy: MessagePolicy,
    errands: HashMap<u64, Errand>,
    relays: HashMap<u64, Relay>,
    minted: u64,
    advertised: Vec<Advertised>,
    secret: [u8; 32],
    boxes: Boxes<call::Shard>,
    clock: SystemClock,
    unsaved: Unsaved,
}

/// Whom the end of an errand is told.
enum Errand {
    Notify(u64),
    Probe(u64),
    Message(u64),
}

/// A text message on its way to all phones of its receiver.
struct Relay {
    asker: Asker,
    request: Request,
    waiting: usize,
    /// The best refusal so far.
    status: u16,
}

/// Who sent a request, as its credentials prove.
pub(super) struct Proven {
    pub asker: Asker,
    pub flow: Flow,
    pub request: Request,
    pub sender: Aor,
    pub tenant: TenantId,
}

/// Limits of subscriptions, as the operator set them.
pub(crate) fn notifier_config(
    services: &PhoneServices,
    advertised: Vec<Advertised>,
    secret: [u8; 32],
) -> NotifierConfig {
    let limits = &services.subscriptions;
    NotifierConfig {
        advertised,
        secret,
        min_expires: limits.min_expires,
        default_expires: limits.max_expires,
        max_expires: limits.max_expires,
        throttle: limits.throttle,
        most: limits.most,
        most_per_phone: limits.most_per_phone,
        detail: if limits.partial { Detail::Partial } else { Detail::Full },
    }
}

/// What services are made of.
pub(crate) struct Parts {
    pub mailboxes: Shared<Mailboxes>,
    pub notifier: Notifier,
    pub lamps: Lamps,
    pub advertised: Vec<Advertised>,
    pub secret: [u8; 32],
}

impl Services {
    pub fn new(
        parts: Parts,
        policy: MessagePolicy,
        boxes: Boxes<call::Shard>,
        clock: SystemClock,
        unsaved: Unsaved,
    ) -> Services {
        let Parts { mailboxes, notifier, lamps, advertised, secret } = parts;
        // Calls of this run are told from their beginning.
        for aor in notifier.watched() {
            lamps.watch(aor);
        }
        Services {
            notifier,
            lamps,
            mailboxes,
            policy,
            errands: HashMap::new(),
            relays: HashMap::new(),
            minted: 0,
            advertised,
            secret,
            boxes,
            clock,
            unsaved,
        }
    }

    pub fn configure(&mut self, services: &PhoneServices) {
        self.policy = services.messages.clone();
        self.notifier.set_config(notifier_config(services, self.advertised.clone(), self.secret));
    }

    /// Whether text messages are refused, whoever sends them.
    pub fn refuses_messages(&self) -> bool {
        self.policy.relay == MessageRelay::Off
    }

    pub fn answer(&self, asker: Asker, response: Response) {
        self.boxes.post(asker.shard, call::Input::Registered { tx: asker.tx, response: Box::new(response) });
    }

    pub fn refuse(&mut self, asker: Asker, request: &Request, status: u16) {
        let mut response = Response::to(request, status);
        self.minted += 1;
        // invariant: To was checked when the request came in.
        let _checked = response.set_to_tag(&format!("{:x}.{:x}", self.clock.wall().0, self.minted));
        if status == 405 {
            response.headers.push(HeaderName::Allow, Rules::SWITCH_ALLOW);
        }
        self.answer(asker, response);
    }

    /// A SUBSCRIBE: to a phone or an agent's phone of the subscriber's tenant; without a user, to its own.
    pub fn subscribe(&mut self, proven: Proven, router: &Router, tenant_of: impl Fn(&Aor) -> TenantId) {
        let Proven { asker, flow, request, sender, tenant } = proven;
        let user = request.uri.user().unwrap_or_default().into_owned();
        let agent = AgentId::new(&tenant, &user);
        let watched = match router.dialled(&tenant, &user) {
            _ if user.is_empty() => Some(sender.clone()),
            Dialled::Phone(phone) => Some(phone.aor.clone()),
            // The lamp of the night switch, on a key that dials the code.
            Dialled::Feature(Feature::Night, _) => Some(Aor::new(&user, sender.domain())),
            _ => router.phones_of(&agent).next().map(|phone| phone.aor.clone()),
        };
        let dialogs = watched.as_ref().map(|aor| self.lamps.watch(aor)).unwrap_or_default();
        let about = watched.clone();
        let subscribe = Subscribe { asker, flow, request, subscriber: sender, watched, dialogs };
        self.tell_notifier(Input::Subscribe(Box::new(subscribe)), tenant_of);
        if let Some(aor) = about.filter(|aor| !self.notifier.watches_dialogs(aor)) {
            self.lamps.unwatch(&aor);
        }
    }

    /// Tells the phones whose mailbox it is how many messages wait (留言灯, RFC 3842).
    pub fn show_mailbox(&mut self, mailbox: &MailboxName, router: &Router) {
        let waiting = self.mailboxes.lock().waiting(mailbox);
        let summary = Summary { new: waiting.new, old: waiting.old };
        for phone in router.plan().owners_of(mailbox) {
            let input = Input::Messages { aor: phone.aor.clone(), summary };
            self.tell_notifier(input, |aor| {
                router.phone(aor).map(|phone| phone.tenant.clone()).unwrap_or_default()
            });
        }
    }

    /// The same of every phone of the plan; one without a mailbox has no messages.
    pub fn show_mailboxes(&mut self, router: &Router) {
        for phone in &router.plan().phones {
            let waiting = phone.mailbox.as_ref().map(|name| self.mailboxes.lock().waiting(name));
            let waiting = waiting.unwrap_or_default();
            let summary = Summary { new: waiting.new, old: waiting.old };
            self.tell_notifier(Input::Messages { aor: phone.aor.clone(), summary }, |_| phone.tenant.clone());
        }
    }

    /// The calls of a phone that is watched became different.
    pub fn dialogs_changed(&mut self, aor: Aor, tenant_of: impl Fn(&Aor) -> TenantId) {
        if !self.notifier.watches_dialogs(&aor) {
            return self.lamps.unwatch(&aor);
        }
        let dialogs = self.lamps.watch(&aor);
        self.tell_notifier(Input::Dialogs { aor, dialogs }, tenant_of);
    }

    pub fn tell_notifier(&mut self, input: Input, tenant_of: impl Fn(&Aor) -> TenantId) {
        self.notifier.handle(self.clock.now(), input);
        self.drain(tenant_of);
    }

    pub fn handle_timeout(&mut self, now: Instant, tenant_of: impl Fn(&Aor) -> TenantId) {
        self.notifier.handle_timeout(now);
        self.drain(tenant_of);
    }

    /// Carries out what the notifier asks for.
    pub fn drain(&mut self, tenant_of: impl Fn(&Aor) -> TenantId) {
        while let Some(output) = self.notifier.poll_output() {
            match output {
                Output::Respond { asker, response } => {
                    let class = super::registrar::status_class(response.status);
                    metrics::counter!("hotline_subscribes_total", "status" => class).increment(1);
                    self.answer(asker, response);
                }
                Output::Notify { id, flow, request } => self.send(Errand::Notify(id), flow, request),
                Output::Changed { id } => {
                    let saved = self.notifier.saved(self.clock.anchor(), id);
                    let tenant = saved.as_ref().map(|saved| tenant_of(saved.subscriber()));
                    self.unsaved.note_subscription(id, tenant.zip(saved));
                    metrics::gauge!("hotline_subscriptions").set(self.notifier.len() as f64);
                }
            }
        }
    }

    /// Sends a question of the registrar's to a phone.
    pub fn ask(&mut self, probe: Probe) {
        self.send(Errand::Probe(probe.id), probe.flow, probe.request);
    }

    fn send(&mut self, errand: Errand, flow: Flow, request: Request) {
        self.minted += 1;
        self.errands.insert(self.minted, errand);
        let shard = self.boxes.home_of(request.headers.call_id().unwrap_or_default());
        let request = Box::new(request);
        self.boxes.post(shard, call::Input::Errand { errand: self.minted, flow, request });
    }

    /// What became of a request; a question of the registrar's is returned.
    pub fn errand_ended(
        &mut self,
        errand: u64,
        ended: &ErrandEnded,
        tenant_of: impl Fn(&Aor) -> TenantId,
    ) -> Option<(u64, Probed)> {
        match (self.errands.remove(&errand)?, ended) {
            (Errand::Probe(id), ErrandEnded::Answered(_)) => return Some((id, Probed::Answered)),
            (Errand::Probe(id), ErrandEnded::Failed) => return Some((id, Probed::Silent)),
            (Errand::Notify(id), ended) => {
                let told = match ended {
                    ErrandEnded::Failed => Told::Failed,
                    ErrandEnded::Answered(response) => Told::Answered {
                        status: response.status,
                        retry_after: response.headers.retry_after().map(|after| after.0),
                    },
                };
                if !matches!(told, Told::Answered { status: 200..=299, .. }) {
                    metrics::counter!("hotline_notify_failures_total").increment(1);
                }
                self.tell_notifier(Input::NotifyEnded { id, told }, tenant_of);
            }
            (Errand::Message(relay), ErrandEnded::Answered(response)) => self.relayed(relay, response.status),
            (Errand::Message(relay), ErrandEnded::Failed) => self.relayed(relay, 408),
        }
        None
    }

    /// A text message for another phone of the sender's tenant: it goes to every device of the receiver, and the first
    /// that takes it answers for all.
    pub fn message(&mut self, proven: Proven, router: &Router, registrar: &Registrar) {
        let Proven { asker, request, sender, tenant, .. } = proven;
        if let Err((status, header)) = relay::check(&request, self.policy.max_bytes) {
            let mut response = Response::to(&request, status);
            if let Some((name, value)) = header {
                response.headers.push(name, value);
            }
            let _checked = response.set_to_tag(&format!("{:x}.{:x}", self.clock.wall().0, self.minted));
            return self.answer(asker, response);
        }
        let user = request.uri.user().unwrap_or_default().into_owned();
        let Dialled::Phone(receiver) = router.dialled(&tenant, &user) else {
            return self.refuse(asker, &request, 404);
        };
        if self.relays.len() >= MOST_RELAYS {
            return self.refuse(asker, &request, 503);
        }
        self.minted += 1;
        let (id, wall) = (self.minted, self.clock.wall().0);
        let bindings = registrar.bindings(&receiver.aor);
        let ways: Vec<(Flow, Request)> = duties(bindings)
            .filter(|(_, duty)| *duty == Duty::Rings)
            .enumerate()
            .filter_map(|(place, (binding, _))| {
                let name = format!("{wall:x}.{id:x}.{place}");
                Some((binding.way(), relay::fresh(&request, (&sender, &receiver.aor), binding, &name)?))
            })
            .collect();
        if ways.is_empty() {
            return self.refuse(asker, &request, 480);
        }
        self.relays.insert(id, Relay { asker, request, waiting: ways.len(), status: 0 });
        for (flow, request) in ways {
            self.send(Errand::Message(id), flow, request);
        }
    }

    fn relayed(&mut self, id: u64, status: u16) {
        let Some(relay) = self.relays.get_mut(&id) else { return };
        relay.waiting -= 1;
        // A phone's challenge means nothing to the sender.
        let status = if matches!(status, 300..=399 | 401 | 407) { 480 } else { status };
        relay.status = if relay.status == 0 { status } else { relay.status.min(status) };
        if !(200..300).contains(&status) && relay.waiting > 0 {
            return;
        }
        if let Some(Relay { asker, request, status, .. }) = self.relays.remove(&id) {
            self.refuse(asker, &request, status);
        }
    }

    /// When something is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.notifier.poll_timeout()
    }
}

/// Text messages on their way at a time.
const MOST_RELAYS: usize = 10_000;
/// Two empty lines: what keeps a NAT open (RFC 5626 §4.4.1).
pub(super) const KEEP_ALIVE: bytes::Bytes = bytes::Bytes::from_static(b"\r\n\r\n");
/// When nothing is due, the task looks all the same after this.
pub(super) const FOR_EVER: Duration = Duration::from_secs(3600);
