//! Owns our own registration with a carrier: RFC 3261 §10.2, Service-Route (RFC 3608), P-Associated-URI (RFC 7315),
//! refreshes, and patience when it is refused. Does not own the carrier's address (see `sip-net`) nor calls (`call`).
//!
//! ```text
//!  Waiting ──▶ Asking ──2xx──▶ Registered ──refresh──▶ Asking
//!     ▲           │ refused, silent,     │ unregister: Expires 0
//!     │           │ 2xx for no time      │
//!     └───────────┘ twice the wait       ▼
//!                                     Leaving ──▶ Idle
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use clock::Instant;

use crate::auth::{Login, Side};
use crate::endpoint::{Endpoint, Flow};
use crate::headers::{Challenge, Contacts, HeaderName, NameAddr};
use crate::message::{Method, Request, Response};
use crate::session::Failure;
use crate::transaction::ClientTx;
use crate::uri::Uri;

/// How to register. Each name is its own setting, as IMS carriers want it.
#[derive(Clone, Debug, PartialEq)]
pub struct RegistrationConfig {
    /// The Request-URI: `sip:ims.bj.chinamobile.com`.
    pub registrar: Uri,
    /// From and To, without a tag: `<sip:+8675512345678@gd.ctcims.cn>`.
    pub aor: NameAddr,
    /// Our Contact's URI; calls of this trunk are known by it.
    pub contact: Uri,
    /// Hops to go through first; an outbound proxy.
    pub route: Vec<NameAddr>,
    /// Authentication user, password and realm.
    pub login: Option<Login>,
    /// How long we ask for: 3,600 s.
    pub expires: Duration,
    /// The wait after the first failure, doubled for each further one: 30 s.
    pub retry: Duration,
    /// The longest wait: 30 min.
    pub retry_max: Duration,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum RegistrationEvent {
    /// A client transaction began: route its outputs here.
    Transaction(ClientTx),
    /// A client transaction is over.
    TransactionOver(ClientTx),
    /// Registered, for the first time or after a failure, or the carrier's lists changed.
    Registered {
        /// For how long.
        expires: Duration,
        /// The route of requests of this trunk (RFC 3608).
        service_route: Vec<NameAddr>,
        /// The identities that calls of this trunk may show, the default one first (RFC 7315 §4.1).
        associated: Vec<NameAddr>,
    },
    /// Not registered; tried again by itself.
    Failed {
        /// The status; 408 for silence, 503 for a failed transport, 2xx for a binding of no time.
        status: u16,
        /// The reason phrase.
        reason: String,
        /// The challenge that could not be answered, or whose answer was not right.
        challenge: Option<Box<Challenge>>,
        /// The wait before the next try.
        retry_in: Duration,
    },
    /// No longer registered, as was asked for.
    Unregistered,
}

/// Our registration with one carrier.
#[derive(Debug)]
pub struct Registration {
    config: RegistrationConfig,
    flow: Flow,
    call_id: String,
    tag: String,
    cseq: u32,
    /// Asked for, unless the carrier wanted more (423).
    expires: Duration,
    state: State,
    failures: u32,
    events: VecDeque<RegistrationEvent>,
}

#[derive(Debug)]
enum State {
    /// Nothing to do.
    Idle,
    /// The next try.
    Waiting {
        until: Instant,
    },
    Asking {
        asked: Asked,
        known: Option<Known>,
    },
    Registered {
        refresh: Instant,
        known: Known,
    },
    /// Expires 0 was sent.
    Leaving {
        asked: Asked,
    },
}

#[derive(Debug)]
struct Asked {
    tx: ClientTx,
    request: Box<Request>,
    /// How many challenges it has answered.
    answered: u8,
}

/// What was told in the last `Registered`.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    /// When the carrier forgets us.
    until: Instant,
    service_route: Vec<NameAddr>,
    associated: Vec<NameAddr>,
}

impl Registration {
    /// Registers on `flow` at once.
    pub fn new(now: Instant, ep: &mut Endpoint, flow: Flow, config: RegistrationConfig) -> Registration {
        let mut registration = Registration {
            expires: config.expires,
            config,
            flow,
            call_id: ep.mint_call_id(),
            tag: ep.mint_tag(),
            cseq: 0,
            state: State::Idle,
            failures: 0,
            events: VecDeque::new(),
        };
        registration.ask(now, ep, None);
        registration
    }

    /// The carrier is reached by another flow from now on, through `route`; registers there at once.
    pub fn move_to(&mut self, now: Instant, ep: &mut Endpoint, flow: Flow, route: Vec<NameAddr>) {
        self.flow = flow;
        self.config.route = route;
        if let State::Waiting { .. } | State::Registered { .. } = self.state {
            self.ask(now, ep, None);
        }
    }

    /// Whether the carrier knows us at `now`.
    pub fn is_registered(&self, now: Instant) -> bool {
        match &self.state {
            State::Registered { known, .. } | State::Asking { known: Some(known), .. } => known.until > now,
            _ => false,
        }
    }

    /// Removes our binding: `Unregistered` follows.
    pub fn unregister(&mut self, now: Instant, ep: &mut Endpoint) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle | State::Waiting { .. } => self.events.push_back(RegistrationEvent::Unregistered),
            State::Asking { .. } | State::Registered { .. } => {
                let request = self.request(Duration::ZERO);
                let asked = self.send(now, ep, request, 0);
                self.state = State::Leaving { asked };
            }
            leaving @ State::Leaving { .. } => self.state = leaving,
        }
    }

    /// Time has passed. Early, late and repeated calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant, ep: &mut Endpoint) {
        match &self.state {
            State::Waiting { until } if *until <= now => self.ask(now, ep, None),
            State::Registered { refresh, known } if *refresh <= now => {
                let known = known.clone();
                self.ask(now, ep, Some(known));
            }
            _ => {}
        }
    }

    /// The next instant at which `handle_timeout` has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Waiting { until } => Some(*until),
            State::Registered { refresh, .. } => Some(*refresh),
            State::Idle | State::Asking { .. } | State::Leaving { .. } => None,
        }
    }

    /// The next event, in order.
    pub fn poll_event(&mut self) -> Option<RegistrationEvent> {
        self.events.pop_front()
    }

    /// Whether `tx` belongs here.
    pub fn owns(&self, tx: ClientTx) -> bool {
        matches!(&self.state, State::Asking { asked, .. } | State::Leaving { asked } if asked.tx == tx)
    }

    /// A response to our REGISTER.
    pub fn handle_response(&mut self, now: Instant, ep: &mut Endpoint, tx: ClientTx, response: &Response) {
        if !self.owns(tx) || response.is_provisional() {
            return;
        }
        self.events.push_back(RegistrationEvent::TransactionOver(tx));
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Asking { asked, known } => {
                if response.is_success() {
                    return match self.granted(response) {
                        Some(expires) => self.registered(now, response, expires, known),
                        None => self.failed(now, ep, Refusal::nothing_granted(response)),
                    };
                }
                if let Some(asked) = self.again(now, ep, &asked, response) {
                    self.state = State::Asking { asked, known };
                    return;
                }
                let after = response.headers.retry_after().map(|after| after.0);
                let refusal = Refusal {
                    status: response.status,
                    reason: response.reason().into_owned(),
                    challenge: first_challenge(response),
                    retry_after: after,
                };
                self.failed(now, ep, refusal);
            }
            State::Leaving { asked } => match self.again(now, ep, &asked, response) {
                Some(asked) => self.state = State::Leaving { asked },
                None => self.events.push_back(RegistrationEvent::Unregistered),
            },
            other => self.state = other,
        }
    }

    /// Our REGISTER failed without a response.
    pub fn handle_failure(&mut self, now: Instant, ep: &mut Endpoint, tx: ClientTx, failure: Failure) {
        if !self.owns(tx) {
            return;
        }
        self.events.push_back(RegistrationEvent::TransactionOver(tx));
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Asking { .. } => {
                let status = failure.status();
                let reason = crate::message::reason_phrase(status).to_owned();
                self.failed(now, ep, Refusal { status, reason, challenge: None, retry_after: None });
            }
            _ => self.events.push_back(RegistrationEvent::Unregistered),
        }
    }

    fn ask(&mut self, now: Instant, ep: &mut Endpoint, known: Option<Known>) {
        let request = self.request(self.expires);
        let asked = self.send(now, ep, request, 0);
        self.state = State::Asking { asked, known };
    }

    /// RFC 3261 §10.2: one Call-ID, rising numbers.
    fn request(&mut self, expires: Duration) -> Request {
        self.cseq += 1;
        let mut request = Request::new(Method::Register, self.config.registrar.clone());
        for hop in &self.config.route {
            request.headers.push(HeaderName::Route, hop);
        }
        request.headers.push(HeaderName::From, self.config.aor.with_tag(&self.tag));
        request.headers.push(HeaderName::To, &self.config.aor);
        request.headers.push(HeaderName::CallId, &self.call_id);
        request.headers.push(HeaderName::CSeq, format!("{} REGISTER", self.cseq));
        request.headers.push(HeaderName::Contact, NameAddr::new(None, &self.config.contact));
        request.headers.push(HeaderName::Expires, expires.as_secs().to_string());
        request.headers.push(HeaderName::Supported, "path");
        request
    }

    fn send(&mut self, now: Instant, ep: &mut Endpoint, request: Request, answered: u8) -> Asked {
        let tx = ep.request(now, self.flow, request.clone());
        self.events.push_back(RegistrationEvent::Transaction(tx));
        Asked { tx, request: Box::new(request), answered }
    }

    /// What may be asked again at once: a challenge answered (§22.2), a longer time where that is wanted (§10.2.8).
    fn again(
        &mut self,
        now: Instant,
        ep: &mut Endpoint,
        asked: &Asked,
        response: &Response,
    ) -> Option<Asked> {
        let mut request = (*asked.request).clone();
        let mut answered = asked.answered;
        match response.status {
            // Who challenges without end learns no more than two answers.
            401 | 407 if answered >= MAX_ANSWERS => return None,
            401 | 407 => {
                answered += 1;
                let cnonce = ep.mint_tag();
                self.config.login.as_ref()?.answer(response, &mut request, &cnonce, 1).ok()?;
            }
            423 => {
                let wanted = response.headers.min_expires().ok().flatten()?;
                let wanted = Duration::from_secs(wanted.into());
                if wanted <= self.expires {
                    return None;
                }
                self.expires = wanted;
                request.headers.set(HeaderName::Expires, wanted.as_secs().to_string());
            }
            _ => return None,
        }
        self.cseq += 1;
        request.headers.set(HeaderName::CSeq, format!("{} REGISTER", self.cseq));
        Some(self.send(now, ep, request, answered))
    }

    fn registered(&mut self, now: Instant, response: &Response, expires: Duration, before: Option<Known>) {
        let headers = &response.headers;
        let known = Known {
            until: now + expires,
            service_route: headers.addresses(HeaderName::ServiceRoute).unwrap_or_default(),
            associated: headers.addresses(HeaderName::PAssociatedUri).unwrap_or_default(),
        };
        self.failures = 0;
        let same = before.is_some_and(|before| {
            before.service_route == known.service_route && before.associated == known.associated
        });
        if !same {
            self.events.push_back(RegistrationEvent::Registered {
                expires,
                service_route: known.service_route.clone(),
                associated: known.associated.clone(),
            });
        }
        // 3GPP TS 24.229 §5.1.1.4.1: 600 s before the end, or half-way when that is sooner than 1,200 s.
        let wait = if expires > LONG { expires - LONG / 2 } else { expires / 2 };
        self.state = State::Registered { refresh: now + wait, known };
    }

    /// RFC 3261 §10.2.4: what the registrar says of our Contact, else Expires, else what we asked for; `None` when that is no
    /// time at all.
    fn granted(&self, response: &Response) -> Option<Duration> {
        let ours = match response.headers.contacts() {
            Ok(Contacts::List(list)) => list
                .iter()
                .find(|contact| contact.uri().same_as(&self.config.contact))
                .and_then(NameAddr::expires),
            _ => None,
        };
        let seconds = ours.or(response.headers.expires().ok().flatten()).map(u64::from);
        let seconds = seconds.unwrap_or(self.expires.as_secs());
        // A registrar that grants a moment is asked again soon, not without end.
        (seconds > 0).then(|| Duration::from_secs(seconds.max(10)))
    }

    fn failed(&mut self, now: Instant, ep: &mut Endpoint, refusal: Refusal) {
        let Refusal { status, reason, challenge, retry_after } = refusal;
        let doubled = self.config.retry.saturating_mul(1 << self.failures.min(16));
        self.failures += 1;
        let wait = retry_after.unwrap_or(doubled).min(self.config.retry_max);
        // Up to a tenth more, lest all trunks come back at once.
        let spread = u64::try_from(wait.as_millis() / 10).unwrap_or(0);
        let wait = wait + Duration::from_millis(ep.random_below(spread + 1));
        self.events.push_back(RegistrationEvent::Failed { status, reason, challenge, retry_in: wait });
        self.state = State::Waiting { until: now + wait };
    }
}

/// Why a REGISTER failed.
struct Refusal {
    status: u16,
    reason: String,
    challenge: Option<Box<Challenge>>,
    retry_after: Option<Duration>,
}

impl Refusal {
    /// The registrar agrees and keeps no binding of ours.
    fn nothing_granted(response: &Response) -> Refusal {
        let reason = response.reason().into_owned();
        Refusal { status: response.status, reason, challenge: None, retry_after: None }
    }
}

/// The first challenge in `response`.
fn first_challenge(response: &Response) -> Option<Box<Challenge>> {
    let side = Side::of_status(response.status)?;
    let mut challenges = response.headers.all(side.challenge_header()).filter_map(Challenge::parse);
    challenges.next().map(Box::new)
}

/// How many challenges of one request are answered.
const MAX_ANSWERS: u8 = 2;

const LONG: Duration = Duration::from_secs(1200);

#[cfg(test)]
mod tests;
