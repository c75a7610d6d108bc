//! Owns the caller's side until the answer: RFC 3261 §13.2, forks, late answers, retries after challenges and 422.

use bytes::Bytes;
use clock::{Instant, TimerTable};
use serde::{Deserialize, Serialize};

use super::event::{EndCause, EndedBy, SessionEvent};
use super::offer::Exchange;
use super::peer::Peer;
use super::{Acked, Failure, Local, Pending, Purpose, Rel100, Role, Session, State, Timer, sdp_of, stored};
use crate::auth::Login;
use crate::dialog::Dialog;
use crate::endpoint::{Endpoint, Flow};
use crate::headers::{Contacts, HeaderName, Headers, NameAddr};
use crate::message::{Method, Request, Response};
use crate::transaction::ClientTx;
use crate::uri::Uri;

/// An INVITE to send.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The Request-URI.
    pub request_uri: Uri,
    /// From; the session puts its tag on.
    pub from: NameAddr,
    /// To, without a tag.
    pub to: NameAddr,
    /// Call-ID, such as [`Endpoint::mint_call_id`] makes.
    pub call_id: String,
    /// Hops to go through first: an outbound proxy, Service-Route, Path.
    pub route: Vec<NameAddr>,
    /// Further header fields, by name and value.
    pub headers: Vec<(String, String)>,
    /// The offer; `None` to ask the peer for one.
    pub sdp: Option<Bytes>,
    /// How many hops it may take (Max-Forwards). What sends a call on has one fewer than the call had (RFC 7332 §4), so
    /// that a call which goes round ends.
    pub hops: u8,
    /// What challenges are answered with.
    pub login: Option<Login>,
    /// What we say of ourselves.
    pub local: Local,
}

impl Outgoing {
    /// What a request begins with (RFC 3261 §8.1.1.6).
    pub const HOPS: u8 = 70;
}

/// Our INVITE, not yet finally answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Inviting {
    tx: ClientTx,
    cseq: u32,
    /// The INVITE without Via.
    #[serde(with = "stored")]
    request: Request,
    forks: Vec<Fork>,
    wish: Wish,
    /// How often 422 may still be obeyed.
    retries: u8,
}

/// An early dialog.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Fork {
    dialog: Dialog,
    /// The last RSeq, once a reliable response came.
    rseq: Option<u32>,
    settled: Settled,
    /// The answer that came reliably, for the 2xx that does not say it again (RFC 3262 §5).
    answer: Option<Bytes>,
}

/// Whether the first offer has its answer, so that UPDATE may carry another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Settled {
    No,
    Yes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Wish {
    Talk,
    Cancel,
}

impl Inviting {
    pub(super) fn is_cancelled(&self) -> bool {
        self.wish == Wish::Cancel
    }

    /// Whether there is an early dialog with the peer's `tag`.
    pub(super) fn has_fork(&self, tag: &str) -> bool {
        self.forks.iter().any(|fork| fork.dialog.remote_tag() == Some(tag))
    }
}

impl Session {
    /// Sends an INVITE on `flow`; its transaction is announced by [`SessionEvent::Transaction`].
    pub fn outgoing(now: Instant, ep: &mut Endpoint, flow: Flow, invite: Outgoing) -> Session {
        let tag = ep.mint_tag();
        let dialog = Dialog {
            call_id: invite.call_id.as_str().into(),
            local: invite.from.with_tag(&tag),
            remote: invite.to,
            local_cseq: 0,
            remote_cseq: None,
            target: invite.request_uri,
            route: invite.route,
        };
        let mut session = Session {
            role: Role::Caller,
            local: invite.local,
            flow,
            dialog,
            state: State::Over, // Replaced below, once the INVITE has its transaction.
            exchange: Exchange::Idle,
            queued: None,
            unacked: None,
            unpracked: None,
            ack: None,
            peer: Peer::default(),
            keepalive: None,
            min_se: super::keepalive::ABSOLUTE_MIN,
            refers: super::refer::Refers::default(),
            login: invite.login.map(Box::new),
            // Mostly the INVITE; a vector that grows by itself begins with room for four.
            pending: Vec::with_capacity(1),
            local_sdp: invite.sdp.clone(),
            timers: TimerTable::default(),
            events: std::collections::VecDeque::new(),
        };
        let mut request = session.dialog.request(Method::Invite);
        if invite.hops != Outgoing::HOPS {
            request.headers.set(HeaderName::MaxForwards, invite.hops.to_string());
        }
        session.introduce(&mut request.headers);
        if session.local.rel100 == Rel100::Required {
            request.headers.push(HeaderName::Require, "100rel");
        }
        session.write_keepalive(&mut request.headers);
        for (name, value) in &invite.headers {
            request.headers.push(name.as_str(), value);
        }
        if let Some(sdp) = invite.sdp {
            request.set_body("application/sdp", sdp);
        }
        let tx = ep.request(now, flow, &request);
        session.watch(tx, Purpose::Invite, &request);
        let cseq = session.dialog.local_cseq;
        let inviting = Inviting { tx, cseq, request, forks: Vec::new(), wish: Wish::Talk, retries: 3 };
        session.state = State::Inviting(Box::new(inviting));
        session
    }

    fn watch(&mut self, tx: ClientTx, purpose: Purpose, request: &Request) {
        let request = self.login.is_some().then(|| Box::new(request.clone()));
        self.pending.push(Pending { tx, purpose, request, answered: 0 });
        self.events.push_back(SessionEvent::Transaction(tx));
    }

    /// The INVITE went out again, with credentials or another interval.
    fn invite_resent(&mut self, tx: ClientTx, request: Request) {
        let number = self.dialog.local_cseq;
        if let State::Inviting(inviting) = &mut self.state {
            inviting.tx = tx;
            inviting.cseq = number;
            inviting.request = request;
            // RFC 3261 §12.3: a refusal ends the early dialogs.
            inviting.forks.clear();
        }
    }

    /// A challenge to `pending` was answered by `request` in `tx`.
    pub(super) fn resent(&mut self, pending: &Pending, tx: ClientTx, request: Request) {
        if pending.purpose == Purpose::Invite {
            self.invite_resent(tx, request);
        }
    }

    /// Cancels the INVITE: RFC 3261 §9.1, §15.
    pub(super) fn cancel_invite(&mut self, now: Instant, ep: &mut Endpoint, reason: Option<&str>) {
        let State::Inviting(inviting) = &mut self.state else { return };
        if inviting.is_cancelled() {
            return;
        }
        ep.cancel(now, inviting.tx, reason);
        self.events.push_back(SessionEvent::Ended { by: EndedBy::Local, cause: EndCause::Cancelled });
        inviting.wish = Wish::Cancel;
        self.queued = None;
    }

    pub(super) fn invite_progressed(&mut self, now: Instant, ep: &mut Endpoint, response: &Response) {
        let State::Inviting(inviting) = &mut self.state else { return };
        // RFC 3261 §13.2.2.1: 100 forms no dialog.
        if response.status == 100 || inviting.is_cancelled() {
            return;
        }
        self.peer.learn(&response.headers);
        let tag = response.headers.tag(HeaderName::To).unwrap_or_default();
        let sdp = sdp_of(&response.headers, &response.body);
        let rseq = response.headers.rseq().ok().flatten();
        let reliable = rseq.filter(|_| response.headers.lists(HeaderName::Require, "100rel"));
        let is_it = |fork: &Fork| fork.dialog.is_of_peer(&response.headers, HeaderName::To);
        let known = inviting.forks.iter().position(is_it);
        let at = match known {
            Some(at) => at,
            None if tag.is_empty() => usize::MAX,
            None => {
                let Ok(dialog) = self.dialog.formed_by(response) else { return };
                // Most have one; a vector that grows by itself begins with room for four.
                inviting.forks.reserve_exact(1);
                inviting.forks.push(Fork { dialog, rseq: None, settled: Settled::No, answer: None });
                inviting.forks.len() - 1
            }
        };
        let mut prack = None;
        if let (Some(rseq), Some(fork)) = (reliable, inviting.forks.get_mut(at)) {
            // RFC 3262 §4: a retransmission, or one that came out of order, is as good as lost.
            if fork.rseq.is_some_and(|last| rseq != last.wrapping_add(1)) {
                return;
            }
            fork.rseq = Some(rseq);
            if sdp.is_some() && fork.settled == Settled::No {
                fork.settled = Settled::Yes;
                fork.answer = sdp.as_deref().map(Bytes::copy_from_slice);
            }
            fork.dialog.refresh_target(response.headers.contact().ok().flatten().as_ref());
            prack = Some(format!("{rseq} {} INVITE", inviting.cseq));
        }
        let offered = !inviting.request.body.is_empty();
        if let (Some(rack), Some(fork)) = (prack, inviting.forks.get(at)) {
            let mut dialog = fork.dialog.clone();
            if sdp.is_some() && !offered {
                // §5: their offer; the answer goes with the PRACK.
                self.exchange = Exchange::PrackDue { tag: tag.into(), rack };
            } else {
                self.send_prack(now, ep, &mut dialog, &rack, None);
                self.keep_fork(dialog);
            }
        }
        self.events.push_back(SessionEvent::Progress { status: response.status, sdp, fork: tag.to_owned() });
        self.send_queued(now, ep);
    }

    fn keep_fork(&mut self, dialog: Dialog) {
        if let State::Inviting(inviting) = &mut self.state
            && let Some(fork) =
                inviting.forks.iter_mut().find(|fork| fork.dialog.remote_tag() == dialog.remote_tag())
        {
            fork.dialog = dialog;
        }
    }

    /// Answers the offer of a reliable provisional response within its PRACK.
    pub(super) fn prack_with(&mut self, now: Instant, ep: &mut Endpoint, tag: &str, rack: &str, sdp: Bytes) {
        let State::Inviting(inviting) = &self.state else { return };
        let fork = inviting.forks.iter().find(|fork| fork.dialog.remote_tag() == Some(tag));
        let Some(mut dialog) = fork.map(|fork| fork.dialog.clone()) else { return };
        self.local_sdp = Some(sdp.clone());
        self.send_prack(now, ep, &mut dialog, rack, Some(sdp));
        self.keep_fork(dialog);
    }

    /// The early dialog with `tag`, its number taken note of; for requests that come before the answer.
    pub(super) fn early_dialog(&mut self, tag: &str) -> Option<&mut Dialog> {
        let State::Inviting(inviting) = &mut self.state else { return None };
        let fork = inviting.forks.iter_mut().find(|fork| fork.dialog.remote_tag() == Some(tag))?;
        Some(&mut fork.dialog)
    }

    /// Whether the first offer has its answer in the early dialog with `tag`.
    pub(super) fn fork_is_settled(&self, tag: Option<&str>) -> bool {
        let State::Inviting(inviting) = &self.state else { return false };
        let fork = inviting.forks.iter().find(|fork| fork.dialog.remote_tag() == tag);
        fork.is_some_and(|fork| fork.settled == Settled::Yes)
    }

    /// The one early dialog in which UPDATE may carry an offer (RFC 3311 §5.1).
    pub(super) fn settled_fork(&mut self) -> Option<&mut Dialog> {
        let State::Inviting(inviting) = &mut self.state else { return None };
        match &mut inviting.forks[..] {
            [fork] if fork.settled == Settled::Yes && inviting.wish == Wish::Talk => Some(&mut fork.dialog),
            _ => None,
        }
    }

    /// The first 2xx.
    pub(super) fn invite_answered(
        &mut self,
        now: Instant,
        ep: &mut Endpoint,
        tx: ClientTx,
        response: &Response,
    ) {
        let State::Inviting(inviting) = &mut self.state else { return };
        let is_it = |fork: &&Fork| fork.dialog.is_of_peer(&response.headers, HeaderName::To);
        let fork = inviting.forks.iter().find(is_it);
        // RFC 3261 §13.2.2.4: the 2xx sets the route and the target anew, the numbers go on.
        let base = fork.map_or(&self.dialog, |fork| &fork.dialog);
        let Ok(mut dialog) = base.formed_by(response) else { return };
        dialog.local_cseq = dialog.local_cseq.max(self.dialog.local_cseq);
        let settled = fork.is_some_and(|fork| fork.settled == Settled::Yes);
        // Which fork's early answer counts is not known before.
        let early = match (fork, inviting.forks.len()) {
            (Some(fork), 2..) => fork.answer.clone(),
            _ => None,
        };
        self.dialog = dialog;
        let State::Inviting(inviting) = std::mem::replace(&mut self.state, State::Established) else {
            return;
        };
        let cancelled = inviting.is_cancelled();
        let offered = !inviting.request.body.is_empty();
        let (cseq, invite) = (inviting.cseq, &inviting.request.headers);
        self.answered(tx);
        self.timers.set(Timer::AckEnd, now + ep.config().t1 * 64);
        if cancelled {
            // §9.1 and §15: CANCEL came too late.
            self.drop_exchange(now, ep);
            self.acknowledge(now, ep, cseq, Some(invite), None);
            self.send_bye(now, ep, None);
            return self.finish();
        }
        self.peer.learn(&response.headers);
        self.renew_as_caller(now, &response.headers);
        let sdp = sdp_of(&response.headers, &response.body).or(early);
        if offered || settled {
            // An UPDATE may be on its way in either direction (RFC 3311 §5.1).
            if !matches!(self.exchange, Exchange::Local { .. } | Exchange::Remote { .. }) {
                self.exchange = Exchange::Idle;
            }
            self.acknowledge(now, ep, cseq, Some(invite), None);
        } else {
            // §13.2.2.4: the ACK carries the answer to their offer.
            self.exchange = Exchange::AckDue { cseq };
        }
        self.events.push_back(SessionEvent::Answered { sdp });
        self.send_queued(now, ep);
    }

    /// The transaction lives on for retransmissions and other forks.
    pub(super) fn answered(&mut self, tx: ClientTx) {
        if let Some(pending) = self.pending.iter_mut().find(|pending| pending.tx == tx) {
            pending.purpose = Purpose::Answered;
            pending.request = None;
        }
    }

    /// A further 2xx of an answered INVITE.
    pub(super) fn answered_again(
        &mut self,
        now: Instant,
        ep: &mut Endpoint,
        tx: ClientTx,
        response: &Response,
    ) {
        if !self.dialog.is_of_peer(&response.headers, HeaderName::To) {
            // RFC 3261 §13.2.2.4: another fork answered too: ACK, then BYE.
            return super::late::discard_fork(now, ep, tx, response);
        }
        let number = response.headers.cseq().map(|cseq| cseq.number);
        if let Some(ack) = self.ack.as_ref().filter(|ack| Ok(ack.cseq) == number) {
            let again = self.dialog.request_numbered(Method::Ack, ack.cseq);
            ep.repeat_ack(self.way(), ack.whole.as_deref().unwrap_or(&again), ack.branch);
        }
    }

    /// Sends the ACK of a 2xx and knows it for a while; `invite` lends its credentials (RFC 3261 §22.1).
    pub(super) fn acknowledge(
        &mut self,
        now: Instant,
        ep: &mut Endpoint,
        cseq: u32,
        invite: Option<&Headers>,
        sdp: Option<Bytes>,
    ) {
        let mut request = self.dialog.request_numbered(Method::Ack, cseq);
        let of_dialog = request.headers.len();
        if let Some(invite) = invite {
            request.headers.copy_from(invite, HeaderName::Authorization);
            request.headers.copy_from(invite, HeaderName::ProxyAuthorization);
        }
        if let Some(sdp) = sdp {
            request.set_body("application/sdp", sdp);
        }
        let branch = ep.send_ack(self.way(), &request);
        let says_more = request.headers.len() > of_dialog;
        self.ack = Some(Acked { cseq, branch, whole: says_more.then(|| Box::new(request)) });
        self.timers.set(Timer::AckEnd, now + ep.config().t1 * 64);
    }

    pub(super) fn invite_refused(&mut self, now: Instant, ep: &mut Endpoint, response: &Response) {
        let State::Inviting(inviting) = &mut self.state else { return };
        if inviting.is_cancelled() {
            self.drop_exchange(now, ep);
            return self.finish();
        }
        if response.status == 422 && inviting.retries > 0 {
            inviting.retries -= 1;
            let mut again = inviting.request.clone();
            if let Some(interval) = self.raised_interval(&response.headers, &again.headers) {
                self.dialog.local_cseq += 1;
                again.headers.set(HeaderName::CSeq, format!("{} INVITE", self.dialog.local_cseq));
                again.headers.set(HeaderName::SessionExpires, interval.as_secs().to_string());
                again.headers.set(HeaderName::MinSe, interval.as_secs().to_string());
                self.min_se = self.min_se.max(interval);
                let tx = ep.request(now, self.flow, &again);
                self.watch(tx, Purpose::Invite, &again);
                return self.invite_resent(tx, again);
            }
        }
        self.drop_exchange(now, ep);
        self.events.push_back(refusal(response));
        self.finish();
    }

    pub(super) fn invite_failed(&mut self, now: Instant, ep: &mut Endpoint, failure: Failure) {
        let State::Inviting(inviting) = &self.state else { return };
        let cancelled = inviting.is_cancelled();
        self.drop_exchange(now, ep);
        if !cancelled {
            let status = failure.status();
            self.events.push_back(SessionEvent::Refused {
                status,
                reason: crate::message::reason_phrase(status).to_owned(),
                retry_after: None,
                contact: Vec::new(),
                q850: None,
            });
        }
        self.finish();
    }
}

fn refusal(response: &Response) -> SessionEvent {
    let headers = &response.headers;
    let mut contacts = match headers.contacts() {
        Ok(Contacts::List(list)) if (300..400).contains(&response.status) => list,
        _ => Vec::new(),
    };
    contacts.sort_by_key(|contact| std::cmp::Reverse(contact.q()));
    // RFC 3326.
    let reasons = headers.reasons();
    let text = reasons.iter().find_map(|reason| reason.text.clone());
    let q850 = reasons.iter().find(|reason| reason.protocol.eq_ignore_ascii_case("Q.850"));
    let q850 = q850.and_then(|reason| u8::try_from(reason.cause?).ok());
    SessionEvent::Refused {
        status: response.status,
        reason: text.unwrap_or_else(|| response.reason().into_owned()),
        retry_after: headers.retry_after().map(|after| after.0),
        contact: contacts.iter().map(|contact| contact.uri().to_string()).collect(),
        q850,
    }
}
