//! Owns the callee's side until the answer: RFC 3261 §13.3. Does not own reliable provisional responses (see
//! [`super::reliable`]).

use std::time::Duration;

use bytes::Bytes;
use clock::{Instant, TimerTable};
use serde::{Deserialize, Serialize};

use super::event::{EndCause, EndedBy, SessionEvent};
use super::keepalive::Keepalive;
use super::offer::Exchange;
use super::peer::Peer;
use super::reliable::Reliable;
use super::{Local, Rel100, Role, Session, State, Timer, Unacked, UnackedOf, sdp_of, stored};
use crate::dialog::Dialog;
use crate::endpoint::{Endpoint, Flow};
use crate::headers::HeaderName;
use crate::message::{Request, Response};
use crate::transaction::ServerTx;

/// The peer's INVITE, not yet answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Invited {
    pub(super) tx: ServerTx,
    #[serde(with = "stored")]
    pub(super) request: Request,
    pub(super) offer: InviteOffer,
    pub(super) reliable: Reliable,
    /// The last unreliable provisional response, to be repeated each minute.
    progress: Option<(u16, Option<Bytes>)>,
    /// An answer that waits for a PRACK.
    pub(super) answer_due: Option<Bytes>,
}

impl Invited {
    /// Whether an offer of ours went out reliably and has no answer yet.
    pub(super) fn awaits_answer(&self) -> bool {
        self.offer == InviteOffer::Absent && self.reliable.described() && !self.reliable.is_settled()
    }
}

/// What the INVITE carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum InviteOffer {
    /// An offer.
    Present,
    /// None: ours is in the first reliable response.
    Absent,
}

/// What a provisional response of ours may carry (RFC 3261 §13.2.1, RFC 3262 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Early {
    /// A description, reliably: an answer, or our offer when the INVITE had none.
    Reliable,
    /// An early answer, unreliably; the 2xx says it again.
    Unreliable,
    /// No description: the INVITE asks for our offer, and the caller takes no reliable responses.
    No,
}

/// Whether a response is to carry a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Describes {
    No,
    Yes,
}

impl Describes {
    fn when(described: bool) -> Describes {
        if described { Describes::Yes } else { Describes::No }
    }
}

/// An INVITE that no session can be made of: the refusal to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// 400, 420, 421 or 422.
    pub status: u16,
    /// What the refusal must carry: Unsupported, Require, Min-SE.
    pub headers: Vec<(HeaderName, String)>,
}

impl Rejection {
    pub(super) fn with(status: u16, name: HeaderName, value: impl Into<String>) -> Rejection {
        Rejection { status, headers: vec![(name, value.into())] }
    }

    /// The refusal of `request`, with `tag` on To.
    pub fn response(&self, request: &Request, tag: &str) -> Response {
        let mut response = Response::to(request, self.status);
        // invariant: To was checked when the request came in.
        let _checked = response.set_to_tag(tag);
        for (name, value) in &self.headers {
            response.headers.push(*name, value);
        }
        response
    }
}

impl Session {
    /// A session for `request`, an INVITE outside any dialog that came on `flow`. `tag` becomes our tag.
    ///
    /// # Errors
    /// The refusal to send when the INVITE cannot form a dialog (400), asks for too short an interval (422), or
    /// requires or lacks reliable provisional responses against `local` (420, 421).
    pub fn incoming(
        now: Instant,
        tx: ServerTx,
        flow: Flow,
        request: &Request,
        local: Local,
        tag: String,
    ) -> Result<Session, Rejection> {
        let headers = &request.headers;
        let dialog = Dialog::of_request(request, &tag)
            .map_err(|error| Rejection::with(400, HeaderName::Warning, format!("399 hotline \"{error}\"")))?;
        let mut peer = Peer::default();
        peer.learn(headers);
        // RFC 3262 §3, RFC 3261 §8.2.2.3 and §21.4.16.
        match local.rel100 {
            Rel100::Off if headers.lists(HeaderName::Require, "100rel") => {
                return Err(Rejection::with(420, HeaderName::Unsupported, "100rel"));
            }
            Rel100::Required if !peer.supports("100rel") => {
                return Err(Rejection::with(421, HeaderName::Require, "100rel"));
            }
            _ => {}
        }
        let keepalive = Keepalive::as_callee(headers, local.timer, peer.supports("timer"))?;
        let sdp = sdp_of(headers, &request.body);
        let invited = Invited {
            tx,
            request: request.clone(),
            offer: if sdp.is_some() { InviteOffer::Present } else { InviteOffer::Absent },
            reliable: Reliable::default(),
            progress: None,
            answer_due: None,
        };
        let mut timers = TimerTable::default();
        // RFC 3261 §13.3.1: the invitation is void when its Expires has passed without a final response.
        if let Ok(Some(seconds)) = headers.expires() {
            timers.set(Timer::InviteEnd, now + Duration::from_secs(seconds.into()));
        }
        Ok(Session {
            role: Role::Callee,
            local,
            flow,
            dialog,
            state: State::Invited(Box::new(invited)),
            exchange: Exchange::Idle,
            queued: None,
            unacked: None,
            unpracked: None,
            ack: None,
            peer,
            keepalive,
            min_se: super::keepalive::min_se(headers),
            refers: super::refer::Refers::default(),
            login: None,
            pending: Vec::new(),
            local_sdp: None,
            timers,
            events: std::collections::VecDeque::new(),
        })
    }

    /// The SDP of an incoming session that is not yet answered: what a provisional response may carry.
    pub fn early(&self) -> Early {
        match &self.state {
            State::Invited(_) if self.rings_reliably(Describes::Yes) => Early::Reliable,
            State::Invited(invited) if invited.offer == InviteOffer::Present => Early::Unreliable,
            _ => Early::No,
        }
    }

    /// Whether the caller insists that each provisional response of ours be reliable (RFC 3262 §3).
    pub fn requires_reliable(&self) -> bool {
        match &self.state {
            State::Invited(invited) => invited.request.headers.lists(HeaderName::Require, "100rel"),
            _ => false,
        }
    }

    /// The offer in the INVITE of an incoming session that is not yet answered.
    pub fn offered(&self) -> Option<Bytes> {
        match &self.state {
            State::Invited(invited) => sdp_of(&invited.request.headers, &invited.request.body),
            _ => None,
        }
    }

    /// Sends a provisional response, 101–199, reliably where both sides can (RFC 3262). Harmless after the answer.
    /// A description goes out only where [`Session::early`] says that it may.
    pub fn ring(&mut self, now: Instant, ep: &mut Endpoint, status: u16, sdp: Option<Bytes>) {
        let reliable = self.rings_reliably(Describes::when(sdp.is_some()));
        let State::Invited(invited) = &mut self.state else { return };
        if reliable {
            invited.progress = Some((status, None));
            invited.reliable.queue.push_back((status, sdp));
            return self.send_reliable(now, ep);
        }
        // RFC 3261 §13.2.1: an offer of ours goes into a reliable response only.
        let sdp = sdp.filter(|_| invited.offer == InviteOffer::Present);
        invited.progress = Some((status, sdp));
        self.send_progress(now, ep);
    }

    /// RFC 3261 §13.3.1.1: a provisional response goes out each minute, lest proxies give up.
    pub(super) fn repeat_progress(&mut self, now: Instant, ep: &mut Endpoint) {
        let reliable = self.rings_reliably(Describes::No);
        let State::Invited(invited) = &mut self.state else { return };
        if let (Some((status, None)), true) = (&invited.progress, reliable) {
            // RFC 3262 §3: with a number of its own.
            invited.reliable.queue.push_back((*status, None));
            return self.send_reliable(now, ep);
        }
        self.send_progress(now, ep);
    }

    fn send_progress(&mut self, now: Instant, ep: &mut Endpoint) {
        let State::Invited(invited) = &self.state else { return };
        // RFC 3262 §3: who requires reliable responses gets no others; 100 goes out by itself.
        if self.requires_reliable() {
            return;
        }
        let Some((status, sdp)) = &invited.progress else { return };
        let mut response = self.full_response(&invited.request, *status);
        if let Some(sdp) = sdp {
            response.set_body("application/sdp", sdp.clone());
        }
        ep.respond(now, invited.tx, response);
        self.timers.set(Timer::Progress, now + Duration::from_secs(60));
    }

    /// Answers 200 with `sdp`: the answer, or the offer when the INVITE had none. Repeated until the ACK; held back
    /// while a reliable provisional response with a description awaits its PRACK (RFC 3262 §3).
    pub fn answer(&mut self, now: Instant, ep: &mut Endpoint, sdp: Bytes) {
        let State::Invited(invited) = &mut self.state else { return };
        if invited.reliable.holds_answer() {
            invited.answer_due = Some(sdp);
            return;
        }
        self.overtake_reliable();
        let State::Invited(invited) = std::mem::replace(&mut self.state, State::Established) else { return };
        let mut response = self.full_response(&invited.request, 200);
        if let Some(keepalive) = &self.keepalive {
            keepalive.write_answer(&mut response.headers);
        }
        // RFC 3262 §5: what a reliable response has said is not said again.
        if !invited.reliable.described() {
            response.set_body("application/sdp", sdp.clone());
        }
        self.local_sdp = Some(sdp);
        let of = match invited.offer {
            InviteOffer::Absent if !invited.reliable.described() => UnackedOf::DelayedAnswer,
            _ => UnackedOf::Answer,
        };
        for timer in [Timer::Progress, Timer::Reliable, Timer::InviteEnd] {
            self.timers.clear(timer);
        }
        self.respond_until_acked(now, ep, invited.tx, &invited.request, response, of);
        self.start_keepalive(now);
    }

    /// Sends a 2xx to INVITE and sets the timers of RFC 3261 §13.3.1.4.
    pub(super) fn respond_until_acked(
        &mut self,
        now: Instant,
        ep: &mut Endpoint,
        tx: ServerTx,
        request: &Request,
        response: Response,
        of: UnackedOf,
    ) {
        let status = response.status;
        let bytes = ep.respond_keeping(now, tx, response);
        let cseq = request.headers.cseq().map_or(0, |cseq| cseq.number);
        let interval = ep.config().t1;
        self.unacked = Some(Box::new(Unacked { tx, cseq, bytes, interval, status, of }));
        self.timers.set(Timer::Answer, now + interval);
        self.timers.set(Timer::AnswerEnd, now + interval * 64);
    }

    pub(super) fn repeat_answer(&mut self, now: Instant, ep: &mut Endpoint) {
        let t2 = ep.config().t2;
        let Some(unacked) = &mut self.unacked else { return };
        ep.respond_again(now, unacked.tx, unacked.status, unacked.bytes.clone());
        unacked.interval = (unacked.interval * 2).min(t2);
        self.timers.set(Timer::Answer, now + unacked.interval);
    }

    /// RFC 3261 §13.3.1.4: without an ACK in 64 × T1 the dialog is confirmed and the session ends by BYE.
    pub(super) fn answer_unacknowledged(&mut self, now: Instant, ep: &mut Endpoint) {
        self.timers.clear(Timer::Answer);
        if self.unacked.take().is_none() {
            return;
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::Parting { reason } => {
                self.send_bye(now, ep, reason.as_deref());
                self.finish();
            }
            State::Established => {
                self.events.push_back(SessionEvent::Ended { by: EndedBy::Remote, cause: EndCause::NoAck });
                self.send_bye(now, ep, None);
                self.finish();
            }
            other => self.state = other,
        }
    }

    /// An ACK with our tag.
    pub fn handle_ack(&mut self, now: Instant, ep: &mut Endpoint, request: &Request) {
        let number = request.headers.cseq().map(|cseq| cseq.number);
        if !self.dialog.is_of_peer(&request.headers, HeaderName::From) {
            return;
        }
        let Some(unacked) = self.unacked.take_if(|unacked| Ok(unacked.cseq) == number) else { return };
        self.timers.clear(Timer::Answer);
        self.timers.clear(Timer::AnswerEnd);
        if let State::Parting { reason } = &mut self.state {
            let reason = reason.take();
            self.send_bye(now, ep, reason.as_deref());
            return self.finish();
        }
        if self.is_ended() {
            return;
        }
        let sdp = sdp_of(&request.headers, &request.body);
        self.events.extend(match unacked.of {
            UnackedOf::Answer => Some(SessionEvent::Acknowledged { sdp: None }),
            UnackedOf::DelayedAnswer => Some(SessionEvent::Acknowledged { sdp }),
            UnackedOf::DelayedReinvite => Some(SessionEvent::OfferAccepted { sdp }),
            UnackedOf::Reinvite => None,
        });
        self.send_queued(now, ep);
    }

    /// Refuses the INVITE with 300–699 and `headers`, such as Retry-After, Reason or Contact.
    pub fn refuse(&mut self, now: Instant, ep: &mut Endpoint, status: u16, headers: &[(HeaderName, &str)]) {
        if !matches!(self.state, State::Invited(_)) {
            return;
        }
        self.drop_exchange(now, ep);
        self.overtake_reliable();
        let State::Invited(invited) = &self.state else { return };
        let mut response = self.response(&invited.request, status);
        for (name, value) in headers {
            response.headers.push(*name, value);
        }
        ep.respond(now, invited.tx, response);
        self.end(EndedBy::Local, EndCause::Refused(status));
    }

    /// `Output::Cancelled` for the INVITE's transaction: 487 (RFC 3261 §9.2).
    pub fn handle_cancel(&mut self, now: Instant, ep: &mut Endpoint, cancel: &Request) {
        self.called_off(now, ep, cancel);
    }

    /// The caller gave up before the answer, by CANCEL or BYE.
    pub(super) fn called_off(&mut self, now: Instant, ep: &mut Endpoint, request: &Request) {
        if !matches!(self.state, State::Invited(_)) {
            return;
        }
        let reason = request.headers.text(HeaderName::Reason).map(str::to_owned);
        self.withdrawn(now, ep, reason);
    }

    /// RFC 3261 §13.3.1: the INVITE's Expires has passed: 487.
    pub(super) fn invitation_expired(&mut self, now: Instant, ep: &mut Endpoint) {
        if matches!(self.state, State::Invited(_)) {
            self.withdrawn(now, ep, Some("SIP;cause=487;text=\"Invitation expired\"".to_owned()));
        }
    }

    fn withdrawn(&mut self, now: Instant, ep: &mut Endpoint, reason: Option<String>) {
        self.drop_exchange(now, ep);
        self.overtake_reliable();
        let State::Invited(invited) = &self.state else { return };
        ep.respond(now, invited.tx, self.response(&invited.request, 487));
        self.events.push_back(SessionEvent::Cancelled { reason });
        self.finish();
    }
}
