//! Owns REFER within the dialog as protocol: RFC 3515, RFC 3891, RFC 3892, RFC 4488. Does not own what a transfer
//! means (see `call`).

use clock::Instant;
use serde::{Deserialize, Serialize};

use super::event::SessionEvent;
use super::offer::boxed;
use super::{Purpose, Session, State};
use crate::endpoint::Endpoint;
use crate::headers::{HeaderName, Headers, SubscriptionState};
use crate::message::{Method, Request, Response, reason_phrase};
use crate::transaction::{ClientTx, ServerTx};

/// The REFERs of one dialog.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Refers {
    /// The peer's, not yet answered.
    asked: Option<Asked>,
    /// The number of the peer's REFER whose progress we report.
    reporting: Option<u32>,
    /// Ours that still get reports, oldest first.
    ours: Vec<Ours>,
}

/// A REFER of ours: it subscribes to its reports from the moment it is sent, so that a NOTIFY may overtake its
/// response (RFC 3515 §2.4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ours {
    tx: ClientTx,
    /// Its number, which tells the reports of several apart.
    cseq: u32,
}

impl Refers {
    /// One of ours went out again, with credentials.
    pub(super) fn resent(&mut self, before: ClientTx, tx: ClientTx, cseq: u32) {
        if let Some(ours) = self.ours.iter_mut().find(|ours| ours.tx == before) {
            *ours = Ours { tx, cseq };
        }
    }

    fn drop_ours(&mut self, tx: ClientTx) {
        self.ours.retain(|ours| ours.tx != tx);
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Asked {
    tx: ServerTx,
    #[serde(with = "boxed")]
    request: Box<Request>,
}

impl Session {
    pub(super) fn referred(&mut self, now: Instant, ep: &mut Endpoint, tx: ServerTx, request: &Request) {
        // RFC 3515 §2.4.1: exactly one Refer-To.
        let Ok(target) = request.headers.address(HeaderName::ReferTo) else {
            return ep.respond(now, tx, self.response(request, 400));
        };
        if self.refers.asked.is_some() {
            return self.refuse_for_now(now, ep, tx, request, 500);
        }
        let uri = target.uri();
        // §2.1: another method may be asked for; only an INVITE is a transfer.
        if uri.param("method").is_some_and(|method| !method.eq_ignore_ascii_case("INVITE")) {
            return ep.respond(now, tx, self.response(request, 603));
        }
        self.events.push_back(SessionEvent::Transferred {
            tx,
            refer_to: uri.without_headers().to_string(),
            replaces: uri.header("Replaces").map(|value| value.into_owned()),
            referred_by: request.headers.text(HeaderName::ReferredBy).map(str::to_owned),
        });
        self.refers.asked = Some(Asked { tx, request: Box::new(request.clone()) });
    }

    /// Accepts the REFER of `Transferred` with 202 and reports 100 Trying (RFC 3515 §2.4.4).
    pub fn accept_refer(&mut self, now: Instant, ep: &mut Endpoint, tx: ServerTx) {
        let Some(asked) = self.refers.asked.take_if(|asked| asked.tx == tx) else { return };
        let mut response = self.full_response(&asked.request, 202);
        // RFC 4488 §4: no subscription where the peer wants none; the response says so.
        let silent = without_reports(&asked.request.headers);
        if silent {
            response.headers.push(REFER_SUB, "false");
        }
        ep.respond(now, tx, response);
        if !silent {
            self.refers.reporting = asked.request.headers.cseq().ok().map(|cseq| cseq.number);
            self.notify_refer(now, ep, 100);
        }
    }

    /// Reports how the transfer goes: a provisional status, or a final one, which ends the reports.
    pub fn notify_refer(&mut self, now: Instant, ep: &mut Endpoint, status: u16) {
        let Some(number) = self.refers.reporting else { return };
        if !matches!(self.state, State::Established) {
            return;
        }
        let mut request = self.dialog.request(Method::Notify);
        request.headers.push(HeaderName::Contact, &self.local.contact);
        // RFC 3515 §2.4.6: the id tells several REFERs of one dialog apart.
        request.headers.push(HeaderName::Event, format!("refer;id={number}"));
        let state = if status < 200 { "active;expires=60" } else { "terminated;reason=noresource" };
        request.headers.push(HeaderName::SubscriptionState, state);
        let body = format!("SIP/2.0 {status} {}\r\n", reason_phrase(status));
        request.set_body("message/sipfrag;version=2.0", body);
        self.send(now, ep, request, Purpose::Message);
        if status >= 200 {
            self.refers.reporting = None;
        }
    }

    /// Refuses the request of `Transferred` with 400–699.
    pub fn refuse_request(&mut self, now: Instant, ep: &mut Endpoint, tx: ServerTx, status: u16) {
        if let Some(asked) = self.refers.asked.take_if(|asked| asked.tx == tx) {
            ep.respond(now, tx, self.response(&asked.request, status));
        }
    }

    /// The session ends before the REFER was decided.
    pub(super) fn drop_refer(&mut self, now: Instant, ep: &mut Endpoint) {
        if let Some(asked) = self.refers.asked.take() {
            ep.respond(now, asked.tx, self.response(&asked.request, 487));
        }
    }

    /// Asks the peer to call `target` (RFC 3515); `ReferProgress` follows. `headers` may hold Referred-By, or
    /// `Refer-Sub: false` (RFC 4488) to be told the response alone.
    pub fn refer(&mut self, now: Instant, ep: &mut Endpoint, target: &str, headers: &[(&str, &str)]) {
        if !matches!(self.state, State::Established) {
            return;
        }
        let mut request = self.dialog.request(Method::Refer);
        request.headers.push(HeaderName::Contact, &self.local.contact);
        request.headers.push(HeaderName::ReferTo, target);
        for (name, value) in headers {
            request.headers.push(*name, value);
        }
        let cseq = self.dialog.local_cseq;
        let tx = self.send(now, ep, request, Purpose::Refer);
        self.refers.ours.push(Ours { tx, cseq });
    }

    /// The final response to a REFER of ours.
    pub(super) fn refer_answered(&mut self, tx: ClientTx, response: &Response) {
        // RFC 4488 §4: a 2xx with `Refer-Sub: false` promises no reports.
        if !response.is_success() || without_reports(&response.headers) {
            self.refer_failed(tx, response.status);
        }
    }

    /// No reports will come of a REFER of ours.
    pub(super) fn refer_failed(&mut self, tx: ClientTx, status: u16) {
        self.refers.drop_ours(tx);
        self.events.push_back(SessionEvent::ReferProgress { status });
    }

    pub(super) fn notified(&mut self, now: Instant, ep: &mut Endpoint, tx: ServerTx, request: &Request) {
        let event = request.headers.event().ok().flatten();
        let refer = event.filter(|event| event.package.eq_ignore_ascii_case("refer"));
        let place = refer.and_then(|event| match event.id {
            Some(id) => self.refers.ours.iter().position(|ours| id == ours.cseq.to_string()),
            // RFC 3515 §2.4.6: only the first REFER of a dialog may go without.
            None => (!self.refers.ours.is_empty()).then_some(0),
        });
        // RFC 6665 §4.1.3: a NOTIFY without a subscription gets 481.
        let Some(place) = place else { return ep.respond(now, tx, self.response(request, 481)) };
        // RFC 6665 §4.1.3: "NOTIFY requests MUST contain Subscription-State header fields".
        let Ok(Some(state)) = request.headers.subscription_state() else {
            return ep.respond(now, tx, self.response(request, 400));
        };
        let kind = request.headers.content_type().ok().flatten();
        if kind.is_some_and(|kind| !kind.is("message", "sipfrag")) {
            // RFC 3515 §2.4.4: "Each NOTIFY MUST contain a body of type 'message/sipfrag'".
            let mut response = self.response(request, 415);
            response.headers.push(HeaderName::Accept, "message/sipfrag");
            return ep.respond(now, tx, response);
        }
        ep.respond(now, tx, self.response(request, 200));
        if let SubscriptionState::Terminated { .. } = state {
            self.refers.ours.remove(place);
        }
        let line = String::from_utf8_lossy(&request.body);
        let status = line.split_whitespace().nth(1).and_then(|status| status.parse().ok());
        if let Some(status) = status.filter(|status| (100..700).contains(status)) {
            self.events.push_back(SessionEvent::ReferProgress { status });
        }
    }
}

/// RFC 4488 §4.1.
const REFER_SUB: &str = "Refer-Sub";

/// Whether a REFER asks for no reports, or its 2xx promises none (RFC 4488).
fn without_reports(headers: &Headers) -> bool {
    headers.all(REFER_SUB).any(|value| {
        let value = value.split(|byte| *byte == b';').next().unwrap_or_default();
        value.trim_ascii().eq_ignore_ascii_case(b"false")
    })
}
