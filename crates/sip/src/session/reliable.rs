//! Owns reliable provisional responses: RFC 3262, in both roles.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use clock::Instant;
use serde::{Deserialize, Serialize};

use super::event::{EndCause, EndedBy, SessionEvent};
use super::incoming::{Describes, InviteOffer};
use super::offer::{Exchange, RemoteOffer};
use super::{Purpose, Rel100, Session, State, Timer, sdp_of};
use crate::dialog::Dialog;
use crate::endpoint::Endpoint;
use crate::headers::HeaderName;
use crate::message::{Method, Request};
use crate::transaction::ServerTx;

/// The callee's reliable provisional responses to one INVITE.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Reliable {
    /// The last RSeq; 0 before the first.
    rseq: u32,
    outstanding: Option<Outstanding>,
    /// Those that wait for the PRACK of the outstanding one.
    pub(super) queue: VecDeque<(u16, Option<Bytes>)>,
    described: Described,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Outstanding {
    status: u16,
    bytes: Bytes,
    interval: Duration,
    described: Described,
}

/// A reliable provisional response that a final one overtook: its PRACK is still answered (RFC 3262 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unpracked {
    rseq: u32,
    cseq: u32,
}

/// Whether a description went out reliably.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Described {
    #[default]
    No,
    Yes,
}

impl Reliable {
    /// RFC 3262 §3: no 2xx before the PRACK of a response that carries a description.
    pub(super) fn holds_answer(&self) -> bool {
        self.outstanding.as_ref().is_some_and(|outstanding| outstanding.described == Described::Yes)
            || self.queue.iter().any(|(_, sdp)| sdp.is_some())
    }

    /// Whether a description went out reliably.
    pub(super) fn described(&self) -> bool {
        self.described == Described::Yes
    }

    /// Whether offers may go by UPDATE: the first exchange is over (RFC 3311 §5.1).
    pub(super) fn is_settled(&self) -> bool {
        self.described() && self.outstanding.is_none()
    }
}

impl Session {
    /// Whether the next provisional response is to be reliable.
    pub(super) fn rings_reliably(&self, describes: Describes) -> bool {
        let State::Invited(invited) = &self.state else { return false };
        self.local.rel100 != Rel100::Off
            && self.peer.supports("100rel")
            // RFC 3261 §13.2.1: the first reliable response carries the offer if the INVITE had none.
            && (describes == Describes::Yes || invited.offer == InviteOffer::Present || invited.reliable.described())
    }

    /// RFC 3262 §3: one at a time, repeated until its PRACK.
    pub(super) fn send_reliable(&mut self, now: Instant, ep: &mut Endpoint) {
        let State::Invited(invited) = &mut self.state else { return };
        if invited.reliable.outstanding.is_some() {
            return;
        }
        let Some((status, sdp)) = invited.reliable.queue.pop_front() else { return };
        let reliable = &mut invited.reliable;
        // §3: the first is chosen between 1 and 2^31 − 1, each next is one higher.
        reliable.rseq =
            if reliable.rseq == 0 { 1 + ep.random_below(1 << 30) as u32 } else { reliable.rseq + 1 };
        let described = if sdp.is_some() { Described::Yes } else { Described::No };
        if sdp.is_some() {
            reliable.described = Described::Yes;
        }
        let (tx, rseq) = (invited.tx, reliable.rseq);
        let State::Invited(invited) = &self.state else { return };
        let mut response = self.full_response(&invited.request, status);
        response.headers.push(HeaderName::Require, "100rel");
        response.headers.push(HeaderName::RSeq, rseq.to_string());
        if let Some(sdp) = sdp {
            response.set_body("application/sdp", sdp.clone());
            self.local_sdp = Some(sdp);
        }
        let bytes = ep.respond_keeping(now, tx, response);
        let interval = ep.config().t1;
        if let State::Invited(invited) = &mut self.state {
            invited.reliable.outstanding = Some(Outstanding { status, bytes, interval, described });
        }
        self.timers.set(Timer::Reliable, now + interval);
        self.timers.set(Timer::ReliableEnd, now + interval * 64);
        self.timers.clear(Timer::Progress);
    }

    pub(super) fn repeat_reliable(&mut self, now: Instant, ep: &mut Endpoint) {
        let State::Invited(invited) = &mut self.state else { return };
        let tx = invited.tx;
        let Some(outstanding) = &mut invited.reliable.outstanding else { return };
        ep.respond_again(now, tx, outstanding.status, outstanding.bytes.clone());
        // §3: doubled each time, without the bound of T2.
        outstanding.interval *= 2;
        self.timers.set(Timer::Reliable, now + outstanding.interval);
    }

    /// RFC 3262 §3: a final response ends the repeating, but the PRACK may be on its way.
    pub(super) fn overtake_reliable(&mut self) {
        let State::Invited(invited) = &mut self.state else { return };
        self.timers.clear(Timer::Reliable);
        if invited.reliable.outstanding.take().is_some()
            && let Ok(cseq) = invited.request.headers.cseq()
        {
            self.unpracked = Some(Unpracked { rseq: invited.reliable.rseq, cseq: cseq.number });
        } else {
            self.timers.clear(Timer::ReliableEnd);
        }
    }

    /// RFC 3262 §3: without a PRACK in 64 × T1 the INVITE is refused with 5xx.
    pub(super) fn reliable_unacknowledged(&mut self, now: Instant, ep: &mut Endpoint) {
        if self.unpracked.take().is_some() {
            return;
        }
        self.drop_exchange(now, ep);
        let State::Invited(invited) = &self.state else { return };
        ep.respond(now, invited.tx, self.response(&invited.request, 504));
        self.end(EndedBy::Remote, EndCause::NoPrack);
    }

    /// A PRACK within the dialog.
    pub(super) fn pracked(&mut self, now: Instant, ep: &mut Endpoint, tx: ServerTx, request: Request) {
        if self.acknowledges_overtaken(&request) {
            return ep.respond(now, tx, self.response(&request, 200));
        }
        let matched = match &mut self.state {
            State::Invited(invited) => {
                let cseq = invited.request.headers.cseq();
                let expected = request
                    .headers
                    .rack()
                    .is_ok_and(|rack| rack.rseq == invited.reliable.rseq && cseq.as_ref() == Ok(&rack.cseq));
                expected.then(|| invited.reliable.outstanding.take()).flatten().map(|_| invited.offer)
            }
            _ => None,
        };
        // §3: a PRACK that matches no unacknowledged response gets 481.
        let Some(offer) = matched else { return ep.respond(now, tx, self.response(&request, 481)) };
        self.timers.clear(Timer::Reliable);
        self.timers.clear(Timer::ReliableEnd);
        // RFC 3261 §13.3.1.1: from here on a provisional response each minute again.
        self.timers.set(Timer::Progress, now + Duration::from_secs(60));
        let sdp = sdp_of(&request.headers, &request.body);
        match (sdp, offer) {
            // §5: the answer to the offer that our response carried.
            (Some(sdp), InviteOffer::Absent) => {
                ep.respond(now, tx, self.response(&request, 200));
                self.events.push_back(SessionEvent::OfferAccepted { sdp: Some(sdp) });
            }
            // §5: a new offer.
            (Some(sdp), InviteOffer::Present) => {
                self.exchange = Exchange::Remote { tx, request: Box::new(request), of: RemoteOffer::Prack };
                self.events.push_back(SessionEvent::Offered { sdp: Some(sdp) });
            }
            (None, _) => ep.respond(now, tx, self.response(&request, 200)),
        }
        self.send_reliable(now, ep);
        if let State::Invited(invited) = &mut self.state
            && !invited.reliable.holds_answer()
            && let Some(sdp) = invited.answer_due.take()
        {
            self.answer(now, ep, sdp);
        }
    }

    /// Takes the PRACK of a response that our final one overtook.
    fn acknowledges_overtaken(&mut self, request: &Request) -> bool {
        let Ok(rack) = request.headers.rack() else { return false };
        let same = |late: &mut Unpracked| late.rseq == rack.rseq && late.cseq == rack.cseq.number;
        let taken = self.unpracked.take_if(same).is_some();
        if taken {
            self.timers.clear(Timer::ReliableEnd);
        }
        taken
    }

    /// RFC 3262 §4: acknowledges a reliable provisional response in the dialog that it formed.
    pub(super) fn send_prack(
        &mut self,
        now: Instant,
        ep: &mut Endpoint,
        dialog: &mut Dialog,
        rack: &str,
        sdp: Option<Bytes>,
    ) {
        let mut request = dialog.request(Method::Prack);
        request.headers.push(HeaderName::RAck, rack);
        if let Some(sdp) = sdp {
            request.set_body("application/sdp", sdp);
        }
        self.send(now, ep, request, Purpose::Prack);
    }
}
