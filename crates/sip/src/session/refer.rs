//! Owns REFER within the dialog as protocol: RFC 3515, RFC 3891, RFC 3892, RFC 4488. Does not own what a transfer
//! means (see `call`).

use clock::Instant;
use serde::{Deserialize, Serialize};

use super::event::SessionEvent;
use super::offer::boxed;
use super::{Purpose, Session, State};
use crate::endpoint::Endpoint;
use crate::headers::{HeaderName, SubscriptionState};
use crate::message::{Method, Request, reason_phrase};
use crate::transaction::ServerTx;

/// The REFERs of one dialog.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Refers {
    /// The peer's, not yet answered.
    asked: Option<Asked>,
    /// The number of the peer's REFER whose progress we report.
    reporting: Option<u32>,
    /// How many of ours still get reports.
    pub(super) awaited: u32,
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
        ep.respond(now, tx, self.full_response(&asked.request, 202));
        // RFC 4488: no subscription where the peer wants none.
        let silent = asked.request.headers.all("Refer-Sub").any(|value| value.eq_ignore_ascii_case(b"false"));
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

    /// Asks the peer to call `target` (RFC 3515); `ReferProgress` follows. `headers` may hold Referred-By.
    pub fn refer(&mut self, now: Instant, ep: &mut Endpoint, target: &str, headers: &[(HeaderName, &str)]) {
        if !matches!(self.state, State::Established) {
            return;
        }
        let mut request = self.dialog.request(Method::Refer);
        request.headers.push(HeaderName::Contact, &self.local.contact);
        request.headers.push(HeaderName::ReferTo, target);
        for (name, value) in headers {
            request.headers.push(*name, value);
        }
        self.send(now, ep, request, Purpose::Refer);
    }

    pub(super) fn notified(&mut self, now: Instant, ep: &mut Endpoint, tx: ServerTx, request: &Request) {
        let event = request.headers.event().ok().flatten();
        let refer = event.is_some_and(|event| event.package.eq_ignore_ascii_case("refer"));
        // RFC 6665 §4.1.3: a NOTIFY without a subscription gets 481.
        if self.refers.awaited == 0 || !refer {
            return ep.respond(now, tx, self.response(request, 481));
        }
        ep.respond(now, tx, self.response(request, 200));
        let state = request.headers.subscription_state();
        if let Ok(Some(SubscriptionState::Terminated { .. })) = state {
            self.refers.awaited -= 1;
        }
        let line = String::from_utf8_lossy(&request.body);
        let status = line.split_whitespace().nth(1).and_then(|status| status.parse().ok());
        if let Some(status) = status.filter(|status| (100..700).contains(status)) {
            self.events.push_back(SessionEvent::ReferProgress { status });
        }
    }
}
