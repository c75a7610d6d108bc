//! Owns asking phones whether they are still there: bindings that a restart brought back, or whose stream has ended,
//! are asked by OPTIONS; those that stay silent are not rung until they are heard of again. Owns which NATs are kept
//! open too. Does not own the sending.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use clock::{Instant, TimerQueue, WallTime};
use model::event::PhoneFact;
use model::{Aor, TenantId};

use super::binding::Standing;
use super::{Binding, Change, Registrar};
use crate::endpoint::Flow;
use crate::headers::{HeaderName, NameAddr};
use crate::message::{Method, Request};
use crate::uri::Uri;

/// A question to a phone.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Names it in [`Registrar::probe_ended`].
    pub id: u64,
    /// Where it goes.
    pub flow: Flow,
    /// An OPTIONS without Via.
    pub request: Request,
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probed {
    /// A final response came: whatever it says, somebody is there.
    Answered,
    /// None came in 64 × T1, or the flow cannot send.
    Silent,
}

/// Which binding a question is about.
type Asked = (Aor, Arc<str>);

/// Questions that wait, are out, or are to be asked again.
#[derive(Default)]
pub(super) struct Probes {
    waiting: VecDeque<Asked>,
    out: HashMap<u64, Asked>,
    again: TimerQueue<Asked>,
    asked: u64,
}

/// NATs that are kept open, each in its turn.
#[derive(Default)]
pub(super) struct KeepAlives {
    turns: VecDeque<(Instant, Aor)>,
    listed: HashSet<Aor>,
}

impl Probes {
    pub(super) fn ask(&mut self, aor: &Aor, binding: &Binding) {
        self.waiting.push_back((aor.clone(), binding.contact_text()));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        if self.may_ask() { Some(Instant::ZERO) } else { self.again.next() }
    }

    fn may_ask(&self) -> bool {
        !self.waiting.is_empty() && self.out.len() < AT_A_TIME
    }
}

impl KeepAlives {
    pub(super) fn begin(&mut self, at: Instant, aor: &Aor) {
        if self.listed.insert(aor.clone()) {
            self.turns.push_back((at, aor.clone()));
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.turns.front().map(|(at, _)| *at)
    }
}

impl Registrar {
    /// The next question to a phone; a few at a time, so that a restart with many phones is no flood.
    pub fn poll_probe(&mut self, now: Instant, wall: WallTime) -> Option<Probe> {
        while let Some((asked, _)) = self.probes.again.pop(now) {
            self.probes.waiting.push_back(asked);
        }
        while self.probes.may_ask() {
            let asked = self.probes.waiting.pop_front()?;
            // Heard of meanwhile, or gone.
            let Some(binding) = self.bound(&asked).filter(|binding| !binding.is_proven()) else { continue };
            let (flow, id) = (binding.way(), self.probes.asked + 1);
            let Some(request) = options(&asked.0, binding, (wall, id)) else { continue };
            self.probes.asked = id;
            self.probes.out.insert(id, asked);
            return Some(Probe { id, flow, request });
        }
        None
    }

    /// What became of a [`Probe`]. `tenant_of` names the tenant of an address of record.
    pub fn probe_ended(
        &mut self,
        now: Instant,
        id: u64,
        probed: Probed,
        tenant_of: impl Fn(&Aor) -> TenantId,
    ) -> Option<Change> {
        let asked = self.probes.out.remove(&id)?;
        let list = self.bindings.get_mut(&asked.0)?;
        let binding = list.iter_mut().find(|binding| binding.contact_text() == asked.1)?;
        let before = binding.standing;
        let contact = asked.1.clone();
        let fact = match (probed, before) {
            // A REGISTER came meanwhile.
            (_, Standing::Proven) => return None,
            (Probed::Answered, Standing::Restored) => {
                binding.standing = Standing::Proven;
                return None;
            }
            (Probed::Answered, Standing::Unreachable) => {
                binding.standing = Standing::Proven;
                PhoneFact::Reachable { contact }
            }
            (Probed::Silent, _) => {
                binding.standing = Standing::Unreachable;
                self.probes.again.set(asked.clone(), now + AGAIN_AFTER);
                if before == Standing::Unreachable {
                    return None;
                }
                PhoneFact::Unreachable { contact }
            }
        };
        Some(Change { tenant: tenant_of(&asked.0), aor: asked.0, fact })
    }

    /// A NAT whose turn it is to be kept open, by a datagram of two empty lines.
    pub fn poll_keep_alive(&mut self, now: Instant) -> Option<Vec<Flow>> {
        let period = self.config.nat_keep_alive?;
        if self.keep_alives.next()? > now {
            return None;
        }
        let (_, aor) = self.keep_alives.turns.pop_front()?;
        let flows: Vec<Flow> = self
            .bindings(&aor)
            .iter()
            .filter(|binding| binding.needs_keep_alive())
            .map(Binding::way)
            .collect();
        if flows.is_empty() {
            self.keep_alives.listed.remove(&aor);
        } else {
            self.keep_alives.turns.push_back((now + period, aor));
        }
        Some(flows)
    }

    fn bound(&self, (aor, contact): &Asked) -> Option<&Binding> {
        self.bindings(aor).iter().find(|binding| binding.contact_text() == *contact)
    }
}

/// RFC 3261 §11.1: a question that any phone answers.
fn options(aor: &Aor, binding: &Binding, (wall, id): (WallTime, u64)) -> Option<Request> {
    let from = Uri::sip(None, aor.domain(), None).ok()?;
    let mut request = Request::new(Method::Options, binding.contact.without_headers());
    for hop in &binding.path {
        request.headers.push(HeaderName::Route, hop);
    }
    let name = format!("{:x}.{id:x}", wall.0);
    let from = NameAddr::new(None, &from).with_tag(&name);
    request.headers.push(HeaderName::From, from);
    request.headers.push(HeaderName::To, NameAddr::new(None, &binding.contact.address()));
    request.headers.push(HeaderName::CallId, format!("probe-{name}"));
    request.headers.push(HeaderName::CSeq, "1 OPTIONS");
    request.headers.push(HeaderName::Accept, "application/sdp");
    Some(request)
}

/// Questions that are out at a time.
const AT_A_TIME: usize = 64;
/// A silent phone is asked again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
