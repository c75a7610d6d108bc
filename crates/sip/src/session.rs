//! Owns one INVITE session of one leg, in either role: answering (RFC 3261 §13), offers and answers (§14, RFC 3264,
//! RFC 3311, RFC 6337), reliable provisional responses (RFC 3262), session timers (RFC 4028), its end (§15).
//! Does not own transactions (see [`crate::endpoint`]), what descriptions say (see `sdp`), or other legs (`call`).
//!
//! ```text
//!   outgoing                          incoming
//!   Inviting ── hang_up ▶ (CANCEL)    Invited ── refuse, hang_up, CANCEL ▶ Over
//!      │ 2xx: ACK   │ 300–699 ▶ Over     │ answer: 200, repeated until ACK
//!      ▼                                 ▼            │ hang_up before ACK
//!   Established ◀────────────────────────┘            ▼
//!      │ hang_up: BYE · BYE · NoAck · SessionExpired  Parting ── ACK: BYE ▶ Over
//!      ▼
//!    Over
//! ```

mod body;
mod ending;
mod event;
mod incoming;
mod keepalive;
mod late;
mod local;
mod offer;
mod outgoing;
mod peer;
mod refer;
mod reliable;
mod replaced;
mod requests;
mod stored;
mod timer;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clock::{Instant, TimerTable};
use serde::{Deserialize, Serialize};

pub use event::{EndCause, EndedBy, SessionEvent};
pub use incoming::{Early, Rejection};
pub use late::discard_late_answer;
pub use local::{Local, Reach, Rel100, SessionTimer};
pub use outgoing::Outgoing;

use crate::auth::Login;
use crate::dialog::Dialog;
use crate::endpoint::{AckBranch, Endpoint, Flow};
use crate::headers::{HeaderName, NameAddr};
use crate::message::{Method, Request, Response};
use crate::transaction::{ClientTx, ServerTx};
use crate::uri::Uri;
use body::sdp_of;
use incoming::Invited;
use keepalive::Keepalive;
use offer::Exchange;
use outgoing::Inviting;
use peer::Peer;
use refer::Refers;
use reliable::Unpracked;
use timer::Timer;

/// One INVITE session of one leg. Plain data: it can be written down and go on elsewhere.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    role: Role,
    local: Local,
    flow: Flow,
    dialog: Dialog,
    state: State,
    exchange: Exchange,
    /// An offer of ours that waits for the way to be clear.
    queued: Option<Bytes>,
    /// A 2xx of ours that awaits its ACK.
    unacked: Option<Box<Unacked>>,
    /// A reliable provisional response that our final one overtook.
    unpracked: Option<Unpracked>,
    /// The ACK of the last 2xx that we received, for its retransmissions.
    ack: Option<Acked>,
    peer: Peer,
    keepalive: Option<Keepalive>,
    /// The largest Min-SE heard in this dialog (RFC 4028 §7.4).
    min_se: Duration,
    refers: Refers,
    login: Option<Box<Login>>,
    pending: Vec<Pending>,
    /// Our last session description, for refreshes by re-INVITE.
    local_sdp: Option<Bytes>,
    timers: TimerTable<Timer>,
    #[serde(skip)]
    events: VecDeque<SessionEvent>,
}

/// Who sent the INVITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// We did.
    Caller,
    /// The peer did.
    Callee,
}

/// How a request of ours failed without a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// `Output::TimedOut`.
    TimedOut,
    /// `Output::TransportFailed`.
    TransportFailed,
}

/// What a shard finds a session by: Call-ID and our tag are enough; the peer's tag is checked within.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DialogKey {
    /// Call-ID.
    pub call_id: Box<str>,
    /// Our tag.
    pub local_tag: Box<str>,
}

impl DialogKey {
    /// The key of the session that `request` from a peer belongs to; `None` outside a dialog.
    pub fn of(request: &Request) -> Option<DialogKey> {
        let (call_id, tag) = DialogKey::parts_of(request)?;
        Some(DialogKey { call_id: call_id.into(), local_tag: tag.into() })
    }

    /// Call-ID and our tag in `request` from a peer; `None` outside a dialog.
    pub fn parts_of(request: &Request) -> Option<(&str, &str)> {
        Some((request.headers.call_id().ok()?, request.headers.tag(HeaderName::To)?))
    }

    /// Call-ID and our tag.
    pub fn parts(&self) -> (&str, &str) {
        (&self.call_id, &self.local_tag)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum State {
    /// Our INVITE awaits its final response.
    Inviting(Box<Inviting>),
    /// The peer's INVITE awaits ours.
    Invited(Box<Invited>),
    /// Answered.
    Established,
    /// Answered and to be ended: the BYE waits for the ACK (RFC 3261 §15).
    Parting { reason: Option<String> },
    /// The one last event was given.
    Over,
}

/// A 2xx to INVITE that awaits its ACK (RFC 3261 §13.3.1.4).
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Unacked {
    tx: ServerTx,
    cseq: u32,
    bytes: Bytes,
    interval: Duration,
    status: u16,
    of: UnackedOf,
}

/// What an ACK will mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum UnackedOf {
    /// The session's first INVITE, which carried the offer.
    Answer,
    /// The session's first INVITE; the ACK carries the answer.
    DelayedAnswer,
    /// A re-INVITE that carried the offer.
    Reinvite,
    /// A re-INVITE; the ACK carries the answer.
    DelayedReinvite,
}

/// An ACK of a 2xx, which says the same each time it is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Acked {
    cseq: u32,
    branch: AckBranch,
    /// What was sent, without Via, where it says more than the dialog does: credentials or an answer.
    #[serde(with = "stored::optional")]
    whole: Option<Box<Request>>,
}

/// A request of ours that awaits its final response.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pending {
    tx: ClientTx,
    purpose: Purpose,
    /// What was sent, without Via: kept where a challenge can be answered.
    #[serde(with = "stored::optional")]
    request: Option<Box<Request>>,
    /// How many challenges were answered to send it.
    #[serde(default)]
    answered: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Purpose {
    Invite,
    /// An offer by re-INVITE.
    Reinvite,
    /// An offer by UPDATE.
    Update,
    /// A session refresh by UPDATE without a description.
    Refresh,
    Bye,
    Prack,
    Refer,
    /// An INVITE or re-INVITE that was answered 2xx: retransmissions and other forks may follow.
    Answered,
    /// INFO, NOTIFY: the response decides nothing.
    Message,
}

impl Session {
    /// Time has passed. Early, late and repeated calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant, ep: &mut Endpoint) {
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Answer => self.repeat_answer(now, ep),
                Timer::AnswerEnd => self.answer_unacknowledged(now, ep),
                Timer::Reliable => self.repeat_reliable(now, ep),
                Timer::ReliableEnd => self.reliable_unacknowledged(now, ep),
                Timer::Progress => self.repeat_progress(now, ep),
                Timer::Glare => self.send_queued(now, ep),
                Timer::OfferEnd => self.give_up_offer(now, ep),
                Timer::Refresh => self.refresh(now, ep),
                Timer::Expiry => self.expire(now, ep),
                Timer::AckEnd => self.forget_answered(),
                Timer::InviteEnd => self.invitation_expired(now, ep),
            }
        }
    }

    /// The next instant at which `handle_timeout` has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// The next event, in order.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        let event = self.events.pop_front();
        if event.is_none() && matches!(self.state, State::Established) {
            // Nothing happens for most of a call's time.
            self.events = VecDeque::new();
        }
        event
    }

    /// A response to a request of this session.
    pub fn handle_response(&mut self, now: Instant, ep: &mut Endpoint, tx: ClientTx, response: Response) {
        let Some(at) = self.pending.iter().position(|pending| pending.tx == tx) else { return };
        let purpose = self.pending[at].purpose;
        if response.is_provisional() {
            match purpose {
                Purpose::Invite => self.invite_progressed(now, ep, &response),
                Purpose::Reinvite => self.reinvite_progressed(now, ep, &response),
                _ => {}
            }
            return;
        }
        // A 2xx to INVITE may come again, from this fork or another: the transaction stays known.
        match purpose {
            Purpose::Invite if response.is_success() => {
                return self.invite_answered(now, ep, tx, &response);
            }
            Purpose::Reinvite if response.is_success() => {
                return self.offer_answered(now, ep, tx, purpose, &response);
            }
            Purpose::Answered => return self.answered_again(now, ep, tx, &response),
            _ => {}
        }
        let pending = self.pending.remove(at);
        self.events.push_back(SessionEvent::TransactionOver(tx));
        if self.answer_challenge(now, ep, &pending, &response) {
            return;
        }
        match purpose {
            Purpose::Invite => self.invite_refused(now, ep, &response),
            Purpose::Reinvite | Purpose::Update | Purpose::Refresh => {
                if response.is_success() {
                    self.offer_answered(now, ep, tx, purpose, &response);
                } else {
                    self.offer_refused(now, ep, purpose, &response);
                }
            }
            Purpose::Refer => {
                self.refer_answered(tx, &response);
                self.lost_if_unknown(now, ep, purpose, response.status);
            }
            Purpose::Bye | Purpose::Prack | Purpose::Message | Purpose::Answered => {
                self.lost_if_unknown(now, ep, purpose, response.status);
            }
        }
    }

    /// A request of this session failed without a response.
    pub fn handle_failure(&mut self, now: Instant, ep: &mut Endpoint, tx: ClientTx, failure: Failure) {
        let Some(at) = self.pending.iter().position(|pending| pending.tx == tx) else { return };
        let pending = self.pending.remove(at);
        self.events.push_back(SessionEvent::TransactionOver(tx));
        match pending.purpose {
            Purpose::Invite => self.invite_failed(now, ep, failure),
            Purpose::Reinvite | Purpose::Update | Purpose::Refresh => self.offer_failed(now, ep, failure),
            Purpose::Refer => self.refer_failed(tx, failure.status()),
            Purpose::Bye | Purpose::Prack | Purpose::Message | Purpose::Answered => {}
        }
    }

    /// Whether nothing is left to repeat or wait for: the session may be dropped. A late 2xx of another fork is for
    /// [`discard_late_answer`].
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
            && self.unacked.is_none()
            && self.unpracked.is_none()
            && self.pending.iter().all(|pending| pending.purpose == Purpose::Answered)
    }

    /// Whether the last event was given.
    pub fn is_ended(&self) -> bool {
        match &self.state {
            State::Over => true,
            State::Parting { .. } => false,
            State::Inviting(inviting) => inviting.is_cancelled(),
            State::Invited(_) | State::Established => false,
        }
    }

    /// Whether a 2xx was sent or received, and the session lasts.
    pub fn is_established(&self) -> bool {
        matches!(self.state, State::Established)
    }

    /// The client transactions that belong here.
    pub fn client_transactions(&self) -> impl Iterator<Item = ClientTx> + '_ {
        self.pending.iter().map(|pending| pending.tx)
    }

    /// Whether `tx` belongs here.
    pub fn owns(&self, tx: ClientTx) -> bool {
        self.client_transactions().any(|own| own == tx)
    }

    /// The INVITE's server transaction, until it is answered: for the shard's index of CANCELs.
    pub fn invite_tx(&self) -> Option<ServerTx> {
        match &self.state {
            State::Invited(invited) => Some(invited.tx),
            _ => None,
        }
    }

    /// What the shard finds this session by.
    pub fn dialog_key(&self) -> DialogKey {
        DialogKey { call_id: self.call_id().into(), local_tag: self.dialog.local_tag().into() }
    }

    /// Who sent the INVITE.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Where the peer is reached.
    pub fn flow(&self) -> Flow {
        self.flow
    }

    /// Call-ID.
    pub fn call_id(&self) -> &str {
        &self.dialog.call_id
    }

    /// Call-ID, shared with the session.
    pub fn shared_call_id(&self) -> Arc<str> {
        self.dialog.call_id.clone()
    }

    /// The session description that we sent last.
    pub fn last_description(&self) -> Option<&Bytes> {
        self.local_sdp.as_ref()
    }

    /// Our tag.
    pub fn local_tag(&self) -> &str {
        self.dialog.local_tag()
    }

    /// The peer's tag, once it is known.
    pub fn remote_tag(&self) -> Option<&str> {
        self.dialog.remote_tag()
    }

    /// The peer's From or To.
    pub fn remote(&self) -> &NameAddr {
        &self.dialog.remote
    }

    /// Our From or To, with our tag.
    pub fn local(&self) -> &NameAddr {
        &self.dialog.local
    }

    /// The peer's Contact, as far as it is known.
    pub fn remote_target(&self) -> &Uri {
        &self.dialog.target
    }

    /// Whether the peer's Allow lists `method`.
    pub fn remote_allows(&self, method: &Method) -> bool {
        self.peer.allows(method)
    }

    /// Whether the peer's Supported lists `tag`: `100rel`, `timer`, `replaces`.
    pub fn remote_supports(&self, tag: &str) -> bool {
        self.peer.supports(tag)
    }

    /// Sends a request of this session and remembers what for.
    fn send(&mut self, now: Instant, ep: &mut Endpoint, request: Request, purpose: Purpose) -> ClientTx {
        let kept = self.login.is_some().then(|| Box::new(request.clone()));
        let tx = ep.request(now, self.way(), request);
        self.pending.push(Pending { tx, purpose, request: kept, answered: 0 });
        self.events.push_back(SessionEvent::Transaction(tx));
        tx
    }

    /// RFC 3261 §22.2: answers a 401 or 407 with the next number, a request's challenges twice at most.
    fn answer_challenge(
        &mut self,
        now: Instant,
        ep: &mut Endpoint,
        pending: &Pending,
        response: &Response,
    ) -> bool {
        if crate::auth::Side::of_status(response.status).is_none() || self.gave_up(pending.purpose) {
            return false;
        }
        if pending.answered >= MAX_ANSWERS {
            return false;
        }
        let (Some(login), Some(request)) = (&self.login, &pending.request) else { return false };
        let mut again = (**request).clone();
        let cnonce = ep.mint_tag();
        if login.answer(response, &mut again, &cnonce, 1).is_err() {
            return false;
        }
        self.dialog.local_cseq += 1;
        let number = self.dialog.local_cseq;
        again.headers.set(HeaderName::CSeq, format!("{number} {}", again.method));
        let tx = self.send(now, ep, again.clone(), pending.purpose);
        if let Some(sent) = self.pending.last_mut() {
            sent.answered = pending.answered + 1;
        }
        self.refers.resent(pending.tx, tx, number);
        self.resent(pending, tx, again);
        true
    }

    /// Whether nobody waits for the outcome of `purpose` any more.
    fn gave_up(&self, purpose: Purpose) -> bool {
        match &self.state {
            State::Inviting(inviting) => inviting.is_cancelled(),
            State::Over => purpose != Purpose::Bye,
            _ => false,
        }
    }

    /// No retransmission of a 2xx can come any more.
    fn forget_answered(&mut self) {
        self.ack = None;
        let events = &mut self.events;
        self.pending.retain(|pending| {
            let over = pending.purpose == Purpose::Answered;
            if over {
                events.push_back(SessionEvent::TransactionOver(pending.tx));
            }
            !over
        });
    }

    /// Where the next request of the dialog goes.
    fn way(&self) -> Flow {
        let Reach::Target = self.local.reach else { return self.flow };
        let hop = self.dialog.next_hop();
        let Some(ip) = hop.host_ip() else { return self.flow };
        let port = hop.port().unwrap_or(self.flow.transport.default_port());
        let remote = std::net::SocketAddr::new(ip, port);
        if remote == self.flow.remote {
            return self.flow;
        }
        Flow { remote, connection: None, ..self.flow }
    }

    /// A response within the dialog, our tag on it.
    fn response(&self, request: &Request, status: u16) -> Response {
        let mut response = Response::to(request, status);
        // invariant: To was checked when the request came in.
        let _checked = response.set_to_tag(self.dialog.local_tag());
        response
    }

    /// A response that refreshes or forms: Contact, Allow, Supported.
    fn full_response(&self, request: &Request, status: u16) -> Response {
        let mut response = self.response(request, status);
        self.introduce(&mut response.headers);
        response
    }

    /// What we say of ourselves in INVITE, UPDATE and their 2xx (RFC 3261 table 2).
    fn introduce(&self, headers: &mut crate::headers::Headers) {
        headers.push(HeaderName::Contact, &self.local.contact);
        headers.push(HeaderName::Allow, crate::endpoint::Rules::ALLOW);
        headers.push(HeaderName::Supported, self.local.supported());
    }

    fn end(&mut self, by: EndedBy, cause: EndCause) {
        if !self.is_ended() && !matches!(self.state, State::Parting { .. }) {
            self.events.push_back(SessionEvent::Ended { by, cause });
        }
        self.finish();
    }

    /// Enters the last state without an event.
    fn finish(&mut self) {
        self.state = State::Over;
        self.queued = None;
        self.keepalive = None;
        if self.unpracked.is_none() {
            self.timers.clear(Timer::ReliableEnd);
        }
        for timer in [
            Timer::Reliable,
            Timer::InviteEnd,
            Timer::Progress,
            Timer::Glare,
            Timer::OfferEnd,
            Timer::Refresh,
            Timer::Expiry,
        ] {
            self.timers.clear(timer);
        }
    }
}

impl Failure {
    /// RFC 3261 §8.1.3.1: a timeout counts as 408, a transport error as 503.
    pub const fn status(self) -> u16 {
        match self {
            Failure::TimedOut => 408,
            Failure::TransportFailed => 503,
        }
    }
}

/// How many challenges of one request are answered: who challenges without end learns no more.
const MAX_ANSWERS: u8 = 2;

#[cfg(test)]
mod tests;
