//! Owns one binding: a contact, the flow that reaches it, and until when.

use std::sync::Arc;

use bytes::Bytes;
use clock::{Instant, WallAnchor, WallTime};
use model::event::PhoneFact;
use serde::{Deserialize, Serialize};

use crate::endpoint::{Flow, Transport};
use crate::headers::{HeaderName, NameAddr};
use crate::message::Request;
use crate::uri::Uri;

/// One way to reach an address of record.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// The Request-URI of requests to the phone.
    pub contact: Uri,
    /// The Contact with its parameters, as it came.
    pub(super) address: NameAddr,
    /// Where the REGISTER came from: reaches phones behind a NAT.
    pub flow: Flow,
    /// When it runs out.
    pub expires: Instant,
    /// Preference in thousandths, 0–1000.
    pub q: u16,
    /// `+sip.instance` (RFC 5626 §4.1).
    pub instance: Option<Box<str>>,
    /// `reg-id` (RFC 5626 §4.2).
    pub reg_id: Option<u32>,
    /// Hops to go through (RFC 3327).
    pub path: Vec<NameAddr>,
    /// The phone's own name.
    pub user_agent: Option<Arc<str>>,
    /// When it was last registered or refreshed.
    pub registered: WallTime,
    /// What is known of whether the phone is there.
    pub(super) standing: Standing,
    call_id: Box<str>,
    cseq: u32,
}

/// What is known of whether a phone is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It registered with this process, or answered it.
    Proven,
    /// It registered with an earlier process, or by a stream that has ended; it is being asked.
    Restored,
    /// It was asked and is silent.
    Unreachable,
}

/// What a binding is used for when its phone is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// It is rung.
    Rings,
    /// Another flow of the same instance is rung instead (RFC 5626 §7).
    StandsBy,
    /// Its phone does not answer.
    Unreachable,
}

/// What each of `bindings`, all of one address of record and best first, is used for: of several flows of one instance
/// the one registered last is rung (RFC 5626 §7).
pub fn duties(bindings: &[Binding]) -> impl Iterator<Item = (&Binding, Duty)> {
    let newer = |own: &Binding, place: usize| {
        let same = |other: &Binding| {
            own.reg_id.is_some()
                && other.reg_id.is_some()
                && own.instance.is_some()
                && own.instance == other.instance
        };
        bindings.iter().enumerate().any(|(at, other)| {
            at != place
                && same(other)
                && other.is_reachable()
                && (other.registered, at) > (own.registered, place)
        })
    };
    bindings.iter().enumerate().map(move |(place, binding)| {
        let duty = match binding.is_reachable() {
            false => Duty::Unreachable,
            true if newer(binding, place) => Duty::StandsBy,
            true => Duty::Rings,
        };
        (binding, duty)
    })
}

/// A binding as it is written down, times as wall time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedBinding {
    address: NameAddr,
    flow: Flow,
    expires: WallTime,
    path: Vec<NameAddr>,
    user_agent: Option<Arc<str>>,
    registered: WallTime,
    call_id: Box<str>,
    cseq: u32,
}

impl Binding {
    pub(crate) fn new(
        contact: &NameAddr,
        flow: Flow,
        expires: Instant,
        wall: WallTime,
        request: &Request,
    ) -> Binding {
        let headers = &request.headers;
        let text = headers.text(HeaderName::UserAgent).map(Arc::from);
        let path = headers.addresses(HeaderName::Path).unwrap_or_default().iter().map(owned).collect();
        let call_id = headers.call_id().unwrap_or_default().into();
        let cseq = headers.cseq().map_or(0, |cseq| cseq.number);
        Binding::of(owned(contact), flow, expires, path, text, wall, (call_id, cseq))
    }

    #[allow(clippy::too_many_arguments, reason = "the one place where a binding's parts come together")]
    fn of(
        address: NameAddr,
        flow: Flow,
        expires: Instant,
        path: Vec<NameAddr>,
        user_agent: Option<Arc<str>>,
        registered: WallTime,
        (call_id, cseq): (Box<str>, u32),
    ) -> Binding {
        Binding {
            contact: address.uri().clone(),
            q: address.q(),
            instance: address.instance().map(|instance| instance.as_ref().into()),
            reg_id: address.reg_id(),
            address,
            flow,
            expires,
            path,
            user_agent,
            registered,
            standing: Standing::Proven,
            call_id,
            cseq,
        }
    }

    /// Where requests to the phone are sent: by its flow where it numbers them (RFC 5626 §5.3), else see
    /// [`Flow::towards`].
    pub fn way(&self) -> Flow {
        if self.reg_id.is_some() && self.instance.is_some() {
            return self.flow;
        }
        self.flow.towards(self.path.first().map_or(&self.contact, NameAddr::uri))
    }

    /// Whether the Contact names another address than the REGISTER came from.
    pub fn is_behind_nat(&self) -> bool {
        self.path.is_empty() && self.contact.host_ip() != Some(self.flow.remote.ip())
    }

    /// Whether the phone has not stayed silent when it was asked.
    pub fn is_reachable(&self) -> bool {
        self.standing != Standing::Unreachable
    }

    pub(super) fn is_proven(&self) -> bool {
        self.standing == Standing::Proven
    }

    /// Whether a NAT forgets the way to the phone unless something is sent along it.
    pub(super) fn needs_keep_alive(&self) -> bool {
        self.flow.transport == Transport::Udp && self.is_behind_nat()
    }

    /// This binding without its stream, where the phone can be reached by a new one: over TCP, at the address that its
    /// Contact names and its REGISTER came from.
    pub(super) fn without_stream(mut self) -> Option<Binding> {
        if self.flow.connection.take().is_none() {
            return Some(self);
        }
        if self.flow.transport != Transport::Tcp || self.is_behind_nat() || self.reg_id.is_some() {
            return None;
        }
        self.standing = Standing::Restored;
        Some(self)
    }

    /// Whether `contact` means this binding: the same instance and flow (RFC 5626 §6), else the same URI (RFC 3261
    /// §19.1.4).
    pub(super) fn is_for(&self, contact: &NameAddr) -> bool {
        match (&self.instance, contact.instance()) {
            (Some(own), Some(other)) if self.reg_id.is_some() || contact.reg_id().is_some() => {
                **own == *other && self.reg_id == contact.reg_id()
            }
            _ => self.contact.same_as(contact.uri()),
        }
    }

    /// Whether this was registered by a later request of the same Call-ID (RFC 3261 §10.3 item 7). An equal number
    /// is a retransmission that the transaction layer did not know any more: it changes nothing either way.
    pub(super) fn is_newer_than(&self, (call_id, cseq): (&str, u32)) -> bool {
        *self.call_id == *call_id && self.cseq > cseq
    }

    /// The facts and responses name a contact as it came.
    pub(super) fn contact_text(&self) -> Arc<str> {
        Arc::from(self.contact.to_string())
    }

    pub(super) fn registered_fact(&self) -> PhoneFact {
        PhoneFact::Registered {
            contact: self.contact_text(),
            source: self.flow.remote,
            user_agent: self.user_agent.clone(),
        }
    }

    pub(super) fn unregistered(&self) -> PhoneFact {
        PhoneFact::Unregistered { contact: self.contact_text() }
    }

    pub(super) fn saved(&self, anchor: WallAnchor) -> SavedBinding {
        SavedBinding {
            address: self.address.clone(),
            flow: self.flow,
            expires: anchor.wall(self.expires),
            path: self.path.clone(),
            user_agent: self.user_agent.clone(),
            registered: self.registered,
            call_id: self.call_id.clone(),
            cseq: self.cseq,
        }
    }
}

impl SavedBinding {
    /// Where the REGISTER came from.
    pub fn flow(&self) -> Flow {
        self.flow
    }

    pub(super) fn restored(self, anchor: WallAnchor) -> Binding {
        let expires = anchor.instant(self.expires);
        let order = (self.call_id, self.cseq);
        let (path, agent) = (self.path, self.user_agent);
        let binding = Binding::of(self.address, self.flow, expires, path, agent, self.registered, order);
        Binding { standing: Standing::Restored, ..binding }
    }
}

/// A copy that does not keep the datagram alive which it came in.
fn owned(address: &NameAddr) -> NameAddr {
    // invariant: what was parsed once is parsed again.
    NameAddr::parse(Bytes::copy_from_slice(address.as_bytes())).unwrap_or_else(|| address.clone())
}
