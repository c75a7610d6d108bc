//! Owns requests within the dialog: RFC 3261 §12.2.2, INFO (RFC 6086). Does not own REFER (see [`super::refer`]).

use bytes::Bytes;
use clock::Instant;

use super::event::SessionEvent;
use super::{Purpose, Session, State};
use crate::endpoint::{Endpoint, Flow, Rules};
use crate::headers::HeaderName;
use crate::message::{Method, Request};
use crate::transaction::ServerTx;

impl Session {
    /// A request with our tag, other than ACK and CANCEL.
    pub fn handle_request(
        &mut self,
        now: Instant,
        ep: &mut Endpoint,
        tx: ServerTx,
        flow: Flow,
        request: Request,
    ) {
        if let Err(status) = self.admit(&request) {
            return match status {
                500 => self.refuse_for_now(now, ep, tx, &request, 500),
                _ => ep.respond(now, tx, self.response(&request, status)),
            };
        }
        // The peer may have moved: another port of its NAT, another connection (RFC 5626 §5.3 in spirit).
        self.flow = flow;
        match request.method {
            Method::Bye => self.byed(now, ep, tx, &request),
            Method::Prack => self.pracked(now, ep, tx, request),
            _ if matches!(self.state, State::Over | State::Parting { .. }) => {
                ep.respond(now, tx, self.response(&request, 481));
            }
            Method::Invite => self.reinvited(now, ep, tx, request),
            Method::Update => self.updated(now, ep, tx, request),
            Method::Info => self.informed(now, ep, tx, &request),
            Method::Refer => self.referred(now, ep, tx, &request),
            Method::Notify => self.notified(now, ep, tx, &request),
            Method::Options => ep.respond(now, tx, self.full_response(&request, 200)),
            _ => {
                // RFC 3261 §8.2.1, §21.5.2.
                let known = !matches!(request.method, Method::Other(_));
                let mut response = self.response(&request, if known { 405 } else { 501 });
                response.headers.push(HeaderName::Allow, Rules::ALLOW);
                ep.respond(now, tx, response);
            }
        }
    }

    /// RFC 3261 §12.2.2: is it of this dialog, and newer than the last?
    fn admit(&mut self, request: &Request) -> Result<(), u16> {
        let number = request.headers.cseq().map_err(|_| 400_u16)?.number;
        let of_peer = self.dialog.is_of_peer(&request.headers, HeaderName::From);
        if of_peer && !matches!(self.state, State::Inviting(_)) {
            return self.dialog.advance_remote(number).map_err(|_| 500);
        }
        let tag = request.headers.tag(HeaderName::From);
        let dialog = tag.and_then(|tag| self.early_dialog(tag)).ok_or(481_u16)?;
        // §15: a callee may not end an early dialog by BYE.
        if request.method == Method::Bye {
            return Err(481);
        }
        dialog.advance_remote(number).map_err(|_| 500)
    }

    fn informed(&mut self, now: Instant, ep: &mut Endpoint, tx: ServerTx, request: &Request) {
        // RFC 6086 §4.2.2: "If a UA receives an INFO request associated with an Info Package that the UA has not
        // indicated willingness to receive, the UA MUST send a 469 (Bad Info Package) response".
        if request.headers.has(HeaderName::InfoPackage) {
            let mut response = self.response(request, 469);
            response.headers.push(HeaderName::RecvInfo, "");
            return ep.respond(now, tx, response);
        }
        if request.body.is_empty() {
            return ep.respond(now, tx, self.response(request, 200)); // A keep-alive of old peers.
        }
        let content_type = request.headers.text(HeaderName::ContentType).unwrap_or_default().to_owned();
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        if !INFO_BODIES.iter().any(|known| known.eq_ignore_ascii_case(kind)) {
            // RFC 3261 §8.2.3.
            let mut response = self.response(request, 415);
            response.headers.push(HeaderName::Accept, INFO_BODIES.join(", "));
            return ep.respond(now, tx, response);
        }
        ep.respond(now, tx, self.response(request, 200));
        self.events.push_back(SessionEvent::Info { content_type, body: request.body.clone() });
    }

    /// Sends INFO with `body`, such as a DTMF digit as `application/dtmf-relay`.
    pub fn send_info(&mut self, now: Instant, ep: &mut Endpoint, content_type: &str, body: Bytes) {
        if !matches!(self.state, State::Established) {
            return;
        }
        let mut request = self.dialog.request(Method::Info);
        request.set_body(content_type, body);
        self.send(now, ep, request, Purpose::Message);
    }
}

/// What an INFO outside any package may carry: keys, as phones without RFC 4733 send them.
const INFO_BODIES: [&str; 2] = ["application/dtmf-relay", "application/dtmf"];
