//! Owns offers after the first: RFC 3261 §14, RFC 3264 §4, RFC 3311, RFC 6337 §4; glare and its waits.

use std::time::Duration;

use bytes::Bytes;
use clock::Instant;
use serde::{Deserialize, Serialize};

use super::event::{EndCause, EndedBy, SessionEvent};
use super::{Failure, Purpose, Role, Session, SessionTimer, State, Timer, UnackedOf, sdp_of, stored};
use crate::endpoint::Endpoint;
use crate::headers::HeaderName;
use crate::message::{Method, Request, Response};
use crate::transaction::{ClientTx, ServerTx};

/// The exchange of descriptions under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Exchange {
    /// None.
    Idle,
    /// The peer's offer awaits `accept_offer` or `refuse_offer`.
    Remote {
        tx: ServerTx,
        #[serde(with = "boxed")]
        request: Box<Request>,
        of: RemoteOffer,
    },
    /// Our offer awaits the peer's answer; of a re-INVITE, the last RSeq that was acknowledged.
    Local { sdp: Option<Bytes>, rseq: Option<u32> },
    /// The peer's offer came in a 2xx: the ACK carries the answer.
    AckDue { cseq: u32 },
    /// The peer's offer came in a reliable provisional response: the PRACK carries the answer.
    PrackDue { tag: Box<str>, rack: String },
}

/// What the peer's offer came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum RemoteOffer {
    Reinvite,
    /// A re-INVITE that asks for our offer.
    DelayedReinvite,
    Update,
    Prack,
}

pub(super) mod boxed {
    use serde::{Deserializer, Serializer};

    use super::{Request, stored};

    pub(in crate::session) fn serialize<S: Serializer>(
        request: &Request,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        stored::serialize(request, serializer)
    }

    pub(in crate::session) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Box<Request>, D::Error> {
        stored::deserialize(deserializer).map(Box::new)
    }
}

impl Session {
    /// Offers `sdp`: by re-INVITE, before the answer by UPDATE where that is allowed. While the way is not clear it
    /// waits; a later offer takes the place of one that waits. Answered by `OfferAccepted` or `OfferRefused`.
    pub fn offer(&mut self, now: Instant, ep: &mut Endpoint, sdp: Bytes) {
        if matches!(self.state, State::Over | State::Parting { .. }) {
            return;
        }
        self.queued = Some(sdp);
        self.send_queued(now, ep);
    }

    /// Asks the peer for an offer by a re-INVITE without one (RFC 3261 §14.1); `Offered` follows. Does nothing while
    /// another exchange is under way.
    pub fn request_offer(&mut self, now: Instant, ep: &mut Endpoint) {
        if self.may_offer() {
            self.send_reinvite(now, ep, None);
        }
    }

    /// Whether a re-INVITE may be sent now: RFC 3261 §14.1, RFC 3264 §4.
    pub(super) fn may_offer(&self) -> bool {
        matches!(self.state, State::Established)
            && matches!(self.exchange, Exchange::Idle)
            && self.unacked.is_none()
            && self.timers.at(Timer::Glare).is_none()
    }

    /// Sends the offer that waits, if it may be sent.
    pub(super) fn send_queued(&mut self, now: Instant, ep: &mut Endpoint) {
        if self.queued.is_none() || self.timers.at(Timer::Glare).is_some() {
            return;
        }
        if self.may_offer() {
            let sdp = self.queued.take();
            return self.send_reinvite(now, ep, sdp);
        }
        if !matches!(self.exchange, Exchange::Idle) || !self.peer.allows(&Method::Update) {
            return;
        }
        // RFC 3311 §5.1: before the answer, once the first offer has its reliable answer.
        let settled = match &self.state {
            State::Invited(invited) => invited.reliable.is_settled(),
            _ => false,
        };
        let request = match self.settled_fork() {
            Some(dialog) => Some(dialog.request(Method::Update)),
            None if settled => Some(self.dialog.request(Method::Update)),
            None => None,
        };
        let Some(mut request) = request else { return };
        if let Some(sdp) = self.queued.take() {
            self.introduce(&mut request.headers);
            request.set_body("application/sdp", sdp.clone());
            self.send(now, ep, request, Purpose::Update);
            self.exchange = Exchange::Local { sdp: Some(sdp), rseq: None };
        }
    }

    pub(super) fn send_reinvite(&mut self, now: Instant, ep: &mut Endpoint, sdp: Option<Bytes>) {
        let mut request = self.dialog.request(Method::Invite);
        self.introduce(&mut request.headers);
        self.write_keepalive(&mut request.headers);
        if let Some(sdp) = &sdp {
            request.set_body("application/sdp", sdp.clone());
        }
        self.send(now, ep, request, Purpose::Reinvite);
        self.exchange = Exchange::Local { sdp, rseq: None };
    }

    /// Answers `Offered` (or an `Answered` or `Progress` that carried an offer) with `sdp`.
    pub fn accept_offer(&mut self, now: Instant, ep: &mut Endpoint, sdp: Bytes) {
        match std::mem::replace(&mut self.exchange, Exchange::Idle) {
            Exchange::Remote { tx, request, of } => {
                self.local_sdp = Some(sdp.clone());
                let mut response = match of {
                    RemoteOffer::Prack => self.response(&request, 200),
                    _ => self.full_response(&request, 200),
                };
                if let (Some(keepalive), true) = (&self.keepalive, of != RemoteOffer::Prack) {
                    keepalive.write_answer(&mut response.headers);
                }
                response.set_body("application/sdp", sdp);
                match of {
                    RemoteOffer::Update | RemoteOffer::Prack => ep.respond(now, tx, response),
                    RemoteOffer::Reinvite => {
                        self.respond_until_acked(now, ep, tx, &request, response, UnackedOf::Reinvite);
                    }
                    RemoteOffer::DelayedReinvite => {
                        self.respond_until_acked(now, ep, tx, &request, response, UnackedOf::DelayedReinvite);
                    }
                }
                if matches!(self.state, State::Established) {
                    self.start_keepalive(now);
                }
            }
            Exchange::AckDue { cseq } => {
                self.local_sdp = Some(sdp.clone());
                self.acknowledge(now, ep, cseq, None, Some(sdp));
            }
            Exchange::PrackDue { tag, rack } => self.prack_with(now, ep, &tag, &rack, sdp),
            other => self.exchange = other,
        }
        self.send_queued(now, ep);
    }

    /// Refuses `Offered` with 400–699, usually 488. An offer that came in a 2xx cannot be refused: the session ends.
    pub fn refuse_offer(&mut self, now: Instant, ep: &mut Endpoint, status: u16) {
        match std::mem::replace(&mut self.exchange, Exchange::Idle) {
            Exchange::Remote { tx, request, .. } => {
                ep.respond(now, tx, self.response(&request, status));
                self.send_queued(now, ep);
            }
            Exchange::AckDue { cseq } => {
                // RFC 3261 §13.2.2.4: "MUST generate an ACK and then send a BYE immediately".
                self.acknowledge(now, ep, cseq, None, None);
                self.send_bye(now, ep, Some("SIP;cause=488"));
                self.end(EndedBy::Local, EndCause::Bye { reason: None });
            }
            Exchange::PrackDue { .. } => self.cancel_invite(now, ep, Some("SIP;cause=488")),
            other => self.exchange = other,
        }
    }

    /// A re-INVITE of the peer: RFC 3261 §14.2.
    pub(super) fn reinvited(&mut self, now: Instant, ep: &mut Endpoint, tx: ServerTx, request: Request) {
        let refusal = match (&self.state, &self.exchange) {
            // §14.2: our INVITE is in progress, or the ACK of our 2xx has not come: 491.
            (State::Established, Exchange::Idle) if self.unacked.is_none() => None,
            (State::Established, Exchange::Remote { .. }) => Some(500),
            (State::Invited(_), _) => Some(500),
            (State::Over, _) => Some(481),
            _ => Some(491),
        };
        if let Some(status) = refusal {
            return self.refuse_for_now(now, ep, tx, &request, status);
        }
        self.dialog.refresh_target(request.headers.contact().ok().flatten().as_ref());
        self.peer.learn(&request.headers);
        if let Err(rejection) = self.renew_as_callee(&request.headers) {
            return ep.respond(now, tx, rejection.response(&request, self.dialog.local_tag()));
        }
        let sdp = sdp_of(&request.headers, &request.body);
        let of = if sdp.is_some() { RemoteOffer::Reinvite } else { RemoteOffer::DelayedReinvite };
        self.exchange = Exchange::Remote { tx, request: Box::new(request), of };
        self.events.push_back(SessionEvent::Offered { sdp });
    }

    /// An UPDATE of the peer: RFC 3311 §5.2, RFC 4028 §7.4.
    pub(super) fn updated(&mut self, now: Instant, ep: &mut Endpoint, tx: ServerTx, request: Request) {
        let sdp = sdp_of(&request.headers, &request.body);
        if let (true, Some(status)) = (sdp.is_some(), self.update_refusal(&request)) {
            return self.refuse_for_now(now, ep, tx, &request, status);
        }
        let contact = request.headers.contact().ok().flatten();
        match request.headers.tag(HeaderName::From).and_then(|tag| self.early_dialog(tag)) {
            Some(fork) => fork.refresh_target(contact.as_ref()),
            None => self.dialog.refresh_target(contact.as_ref()),
        }
        self.peer.learn(&request.headers);
        if let Err(rejection) = self.renew_as_callee(&request.headers) {
            return ep.respond(now, tx, rejection.response(&request, self.dialog.local_tag()));
        }
        if sdp.is_some() {
            let request = Box::new(request);
            self.exchange = Exchange::Remote { tx, request, of: RemoteOffer::Update };
            return self.events.push_back(SessionEvent::Offered { sdp });
        }
        let mut response = self.full_response(&request, 200);
        if let Some(keepalive) = &self.keepalive {
            keepalive.write_answer(&mut response.headers);
        }
        ep.respond(now, tx, response);
        if matches!(self.state, State::Established) {
            self.start_keepalive(now);
        }
    }

    /// RFC 3311 §5.2: 491 while an offer of ours has no answer, 500 while the peer's has none.
    fn update_refusal(&self, request: &Request) -> Option<u16> {
        match &self.exchange {
            Exchange::Idle => {}
            Exchange::Local { .. } => return Some(491),
            Exchange::Remote { .. } | Exchange::AckDue { .. } | Exchange::PrackDue { .. } => {
                return Some(500);
            }
        }
        match &self.state {
            State::Invited(invited) if invited.reliable.is_settled() => None,
            State::Invited(invited) if invited.awaits_answer() => Some(491),
            State::Invited(_) => Some(500),
            State::Inviting(_) => {
                let settled = self.fork_is_settled(request.headers.tag(HeaderName::From));
                (!settled).then_some(491)
            }
            // Our offer was in the 2xx, and the ACK with the answer has not come.
            _ => self.unacked.as_ref().filter(|unacked| !unacked.of.is_answer()).map(|_| 491),
        }
    }

    /// RFC 3261 §14.2: 500 with Retry-After of 0–10 s; 491 as it is.
    pub(super) fn refuse_for_now(
        &self,
        now: Instant,
        ep: &mut Endpoint,
        tx: ServerTx,
        request: &Request,
        status: u16,
    ) {
        let mut response = self.response(request, status);
        if status == 500 {
            response.headers.push(HeaderName::RetryAfter, ep.random_below(11).to_string());
        }
        ep.respond(now, tx, response);
    }

    /// A provisional response to a re-INVITE: it may take long, but not for ever.
    pub(super) fn reinvite_progressed(&mut self, now: Instant, ep: &mut Endpoint, response: &Response) {
        self.timers.set(Timer::OfferEnd, now + Duration::from_secs(60));
        let rseq = response.headers.rseq().ok().flatten();
        let Exchange::Local { rseq: last, .. } = &mut self.exchange else { return };
        // RFC 3262 §4: a retransmission, or one that came out of order, is as good as lost.
        let next = last.is_none_or(|last| rseq == Some(last.wrapping_add(1)));
        if let (Some(rseq), Ok(cseq), true) = (rseq, response.headers.cseq(), next)
            && response.headers.lists(HeaderName::Require, "100rel")
        {
            *last = Some(rseq);
            let mut dialog = self.dialog.clone();
            self.send_prack(now, ep, &mut dialog, &format!("{rseq} {cseq}"), None);
            self.dialog = dialog;
        }
    }

    /// RFC 3261 §14.1: a re-INVITE without a final response is cancelled.
    pub(super) fn give_up_offer(&mut self, now: Instant, ep: &mut Endpoint) {
        let reinvite = self.pending.iter().find(|pending| pending.purpose == Purpose::Reinvite);
        if let Some(pending) = reinvite {
            ep.cancel(now, pending.tx, None);
        }
    }

    /// A 2xx to a re-INVITE or UPDATE of ours.
    pub(super) fn offer_answered(
        &mut self,
        now: Instant,
        ep: &mut Endpoint,
        tx: ClientTx,
        purpose: Purpose,
        response: &Response,
    ) {
        self.timers.clear(Timer::OfferEnd);
        self.dialog.refresh_target(response.headers.contact().ok().flatten().as_ref());
        self.peer.learn(&response.headers);
        let sdp = sdp_of(&response.headers, &response.body);
        let exchange = match purpose {
            Purpose::Refresh => None,
            _ => Some(std::mem::replace(&mut self.exchange, Exchange::Idle)),
        };
        if purpose == Purpose::Reinvite {
            self.answered(tx);
            let cseq = response.headers.cseq().map_or(0, |cseq| cseq.number);
            let ended = !matches!(self.state, State::Established);
            if let (Some(Exchange::Local { sdp: None, .. }), false, true) = (&exchange, ended, sdp.is_some())
            {
                self.exchange = Exchange::AckDue { cseq };
                self.renew_as_caller(now, &response.headers);
                return self.events.push_back(SessionEvent::Offered { sdp });
            }
            self.acknowledge(now, ep, cseq, None, None);
            if ended {
                return;
            }
        }
        if matches!(self.state, State::Established) {
            self.renew_as_caller(now, &response.headers);
        }
        if let Some(Exchange::Local { sdp: offered, .. }) = exchange {
            if offered.is_some() {
                self.local_sdp = offered;
            }
            self.events.push_back(SessionEvent::OfferAccepted { sdp });
        }
        self.send_queued(now, ep);
    }

    /// A refusal of a re-INVITE or UPDATE of ours: RFC 3261 §14.1, RFC 3311 §5.3, RFC 4028 §10.
    pub(super) fn offer_refused(
        &mut self,
        now: Instant,
        ep: &mut Endpoint,
        purpose: Purpose,
        response: &Response,
    ) {
        self.timers.clear(Timer::OfferEnd);
        let offered = match purpose {
            Purpose::Refresh => None,
            _ => match std::mem::replace(&mut self.exchange, Exchange::Idle) {
                Exchange::Local { sdp, .. } => sdp,
                other => {
                    self.exchange = other;
                    None
                }
            },
        };
        if self.is_ended() || matches!(self.state, State::Parting { .. }) {
            return;
        }
        match response.status {
            // RFC 5057 §5.1: the dialog is gone.
            481 | 408 => return self.lose_dialog(now, ep, response.status),
            491 => {
                // §14.1: the owner of the Call-ID waits 2.1–4 s, the other 0–2 s, in steps of 10 ms.
                let millis = match self.role {
                    Role::Caller => 2_100 + 10 * ep.random_below(191),
                    Role::Callee => 10 * ep.random_below(201),
                };
                let wait = Duration::from_millis(millis);
                if purpose == Purpose::Refresh {
                    self.timers.set(Timer::Refresh, now + wait);
                } else {
                    // A newer wish has taken its place already.
                    self.queued = self.queued.take().or(offered);
                    self.timers.set(Timer::Glare, now + wait);
                }
                return;
            }
            // RFC 3261 §21.4.6, §21.5.2: what the peer does not do after all is not asked again.
            405 | 501 if purpose != Purpose::Reinvite => {
                self.peer.forget(&Method::Update);
                if purpose == Purpose::Refresh {
                    return self.timers.set(Timer::Refresh, now);
                }
                self.queued = self.queued.take().or(offered);
                return self.send_queued(now, ep);
            }
            422 => {
                if let (Some(keepalive), SessionTimer::On { .. }) = (&mut self.keepalive, self.local.timer) {
                    let wanted = super::keepalive::min_se(&response.headers);
                    self.min_se = self.min_se.max(wanted);
                    if wanted > keepalive.interval {
                        keepalive.interval = wanted;
                        self.queued = self.queued.take().or(offered);
                        self.timers.set(Timer::Refresh, now);
                        return self.send_queued(now, ep);
                    }
                }
            }
            _ => {}
        }
        if purpose != Purpose::Refresh {
            self.events.push_back(SessionEvent::OfferRefused { status: response.status });
        } else if self.timers.at(Timer::Expiry).is_some() {
            // RFC 4028 §10: another try before the session expires.
            self.timers.set(Timer::Refresh, now + Duration::from_secs(10));
        }
        self.send_queued(now, ep);
    }

    /// No final response to a re-INVITE or UPDATE of ours: RFC 3261 §12.2.1.2.
    pub(super) fn offer_failed(&mut self, now: Instant, ep: &mut Endpoint, failure: Failure) {
        self.timers.clear(Timer::OfferEnd);
        if matches!(self.exchange, Exchange::Local { .. }) {
            self.exchange = Exchange::Idle;
        }
        if self.is_ended() || matches!(self.state, State::Parting { .. }) {
            return;
        }
        match failure {
            Failure::TimedOut => self.lose_dialog(now, ep, 408),
            Failure::TransportFailed => {
                self.drop_exchange(now, ep);
                self.send_bye(now, ep, None);
                self.end(EndedBy::Remote, EndCause::TransportFailed);
            }
        }
    }
}

impl UnackedOf {
    /// Whether the 2xx carried the answer, so that the exchange is over.
    pub(super) fn is_answer(self) -> bool {
        matches!(self, UnackedOf::Answer | UnackedOf::Reinvite)
    }
}
