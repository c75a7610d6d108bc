//! Owns the end of a session: RFC 3261 §15, RFC 3326, RFC 5057.

use clock::Instant;

use super::event::{EndCause, EndedBy, SessionEvent};
use super::offer::Exchange;
use super::{Purpose, Session, State, UnackedOf};
use crate::endpoint::Endpoint;
use crate::headers::HeaderName;
use crate::message::{Method, Request};
use crate::transaction::ServerTx;

impl Session {
    /// Ends the session the way its state asks for: CANCEL, BYE (after the ACK of our answer has come), or a refusal
    /// with `status_if_unanswered`. `reason` is the value of a Reason header, such as `Q.850;cause=16`.
    pub fn hang_up(
        &mut self,
        now: Instant,
        ep: &mut Endpoint,
        reason: Option<&str>,
        status_if_unanswered: u16,
    ) {
        match &self.state {
            State::Inviting(_) => self.cancel_invite(now, ep, reason),
            State::Invited(_) => {
                let header = reason.map(|reason| (HeaderName::Reason, reason));
                self.refuse(now, ep, status_if_unanswered, header.as_slice());
            }
            State::Established => {
                self.drop_exchange(now, ep);
                let reason = reason.map(str::to_owned);
                let first = self.unacked.as_ref().is_some_and(|unacked| {
                    matches!(unacked.of, UnackedOf::Answer | UnackedOf::DelayedAnswer)
                });
                if first {
                    // RFC 3261 §15: the callee "MUST NOT send a BYE on a confirmed dialog until it has received an
                    // ACK for its 2xx response or until the server transaction times out".
                    let cause = EndCause::Bye { reason: reason.clone() };
                    self.events.push_back(SessionEvent::Ended { by: EndedBy::Local, cause });
                    self.finish();
                    self.state = State::Parting { reason };
                } else {
                    self.send_bye(now, ep, reason.as_deref());
                    self.end(EndedBy::Local, EndCause::Bye { reason });
                }
            }
            State::Parting { .. } | State::Over => {}
        }
    }

    /// A BYE of the peer: RFC 3261 §15.1.2.
    pub(super) fn byed(&mut self, now: Instant, ep: &mut Endpoint, tx: ServerTx, request: &Request) {
        ep.respond(now, tx, self.response(request, 200));
        match &self.state {
            // §15: the caller may end an early dialog so; the INVITE gets 487.
            State::Invited(_) => self.called_off(now, ep, request),
            State::Established => {
                self.drop_exchange(now, ep);
                self.forget_unacked();
                let reason = request.headers.text(HeaderName::Reason).map(str::to_owned);
                self.end(EndedBy::Remote, EndCause::Bye { reason });
            }
            State::Parting { .. } => {
                self.forget_unacked();
                self.finish();
            }
            State::Inviting(_) | State::Over => {}
        }
    }

    /// Sends BYE. What comes of it changes nothing.
    pub(super) fn send_bye(&mut self, now: Instant, ep: &mut Endpoint, reason: Option<&str>) {
        let mut request = self.dialog.request(Method::Bye);
        if let Some(reason) = reason {
            request.headers.push(HeaderName::Reason, reason);
        }
        self.send(now, ep, request, Purpose::Bye);
    }

    /// A response other than to an offer: does the peer still know the dialog? RFC 5057 §5.1: 481 says no.
    pub(super) fn lost_if_unknown(&mut self, now: Instant, ep: &mut Endpoint, purpose: Purpose, status: u16) {
        if purpose == Purpose::Message && status == 481 && matches!(self.state, State::Established) {
            self.lose_dialog(now, ep, status);
        }
    }

    /// RFC 3261 §12.2.1.2: the dialog is over; after a mere timeout the peer is told.
    pub(super) fn lose_dialog(&mut self, now: Instant, ep: &mut Endpoint, status: u16) {
        if !matches!(self.state, State::Established) {
            return;
        }
        self.drop_exchange(now, ep);
        if status != 481 {
            self.send_bye(now, ep, None);
        }
        self.end(EndedBy::Remote, EndCause::DialogLost(status));
    }

    /// Answers what the peer still waits for: RFC 3261 §15.1.2 asks for 487; an ACK that is due goes out.
    pub(super) fn drop_exchange(&mut self, now: Instant, ep: &mut Endpoint) {
        self.drop_refer(now, ep);
        match std::mem::replace(&mut self.exchange, Exchange::Idle) {
            Exchange::Remote { tx, request, .. } => ep.respond(now, tx, self.response(&request, 487)),
            Exchange::AckDue { cseq } => self.acknowledge(now, ep, cseq, None, None),
            _ => {}
        }
    }

    fn forget_unacked(&mut self) {
        self.unacked = None;
        self.timers.clear(super::Timer::Answer);
        self.timers.clear(super::Timer::AnswerEnd);
    }
}
