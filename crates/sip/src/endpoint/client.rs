//! Owns the transitions of client transactions. Figure 5 as amended by RFC 6026 §8.4 (INVITE) and figure 6 of
//! RFC 3261 (all others); the numbers are in the tests' names.
//!
//! ```text
//!            INVITE                                         others
//!      1 │ request: send, A, B                        11 │ request: send, E, F
//!        ▼                                               ▼
//!     Calling ─2 A: send again, A doubled             Trying ─12 E: send again, E doubled to T2
//!        │ ─3 B: TimedOut ▶ gone                         │ ─13 F: TimedOut ▶ gone
//!      4 │ 1xx                                        14 │ 1xx
//!        ▼                                               ▼
//!    Proceeding ─5 1xx                              Progressing ─15 E: send again at T2 ─16 1xx ─17 F ▶ gone
//!        │                                               │
//!   6 2xx ▼        7 300–699: ACK ▼                 18 200–699 ▼
//!    Accepted        Completed                         Done
//!    8 2xx           9 300–699: ACK                   19 K ▶ gone
//!   10 M ▶ gone     10 D ▶ gone
//! ```

use std::borrow::Borrow;

use bytes::Bytes;
use clock::Instant;

use super::large::Retried;
use super::{Endpoint, Flow, Output};
use crate::endpoint::DropCause;
use crate::headers::HeaderName;
use crate::message::{Message, Method, Request, Response};
use crate::transaction::ClientTx;
use crate::transaction::client::{CancelWish, Client, ClientState, Owner};
use crate::transaction::tail::Tail;
use crate::transaction::timers::{Due, Kind, Lane};

impl Endpoint {
    /// Sends `request` on `flow`, our Via put on top of it, and retransmits it as long as RFC 3261 §17.1 asks.
    pub fn request(&mut self, now: Instant, flow: Flow, request: impl Borrow<Request>) -> ClientTx {
        let request = request.borrow();
        let owner = Owner::Application { cancel: None };
        let id = self.clients.insert(Client { flow, epoch: 0, owner, state: ClientState::Done });
        let (flow, sent) = self.sized(flow, request, id);
        if let Some(client) = self.clients.get_mut(id) {
            client.flow = flow;
        }
        self.transmit(flow, sent.clone());
        let state = match request.method {
            Method::Invite => ClientState::Calling { sent, repeats: 0, cancel: CancelWish::No },
            _ => ClientState::Trying { sent, repeats: 0 },
        };
        self.begin_client(now, id, state);
        ClientTx(id)
    }

    /// Cancels an INVITE: at once after a provisional response, else as soon as one comes (RFC 3261 §9.1). `reason`
    /// is the value of a Reason header (RFC 3326). Harmless when the final response is there.
    pub fn cancel(&mut self, now: Instant, tx: ClientTx, reason: Option<&str>) {
        let Some(client) = self.clients.get_mut(tx.0) else { return };
        match &mut client.state {
            ClientState::Calling { cancel, .. } => {
                *cancel = CancelWish::Held(Box::new(reason.map(str::to_owned)));
            }
            ClientState::Proceeding { .. } if matches!(client.owner, Owner::Application { cancel: None }) => {
                self.send_cancel(now, tx.0, reason);
            }
            _ => {}
        }
    }

    pub(super) fn client_response(&mut self, now: Instant, response: Response, raw: &Bytes) {
        // RFC 3261 §8.1.3.3: a response with more than one Via is not for us.
        let via = match response.headers.via() {
            Ok(via) if response.headers.elements(HeaderName::Via).nth(1).is_none() => via,
            _ => return self.drop_message(DropCause::ForeignResponse),
        };
        let id = self.mint.tx_of(via.branch_raw());
        let Some(id) = id.filter(|id| self.clients.get(*id).is_some()) else {
            return self.drop_message(DropCause::StrayResponse);
        };
        // RFC 3261 §17.1.3: CANCEL has the branch of the INVITE; the method tells them apart.
        match response.headers.cseq() {
            Ok(cseq) if cseq.method == Method::Cancel => {
                let cancel = match self.clients.get(id).map(|client| client.owner) {
                    Some(Owner::Application { cancel: Some(cancel) }) => cancel,
                    _ => return self.drop_message(DropCause::StrayResponse),
                };
                self.other_response(now, cancel, response);
            }
            Ok(cseq) => {
                match self.clients.get(id).map(|client| &client.state) {
                    Some(
                        ClientState::Trying { .. } | ClientState::Progressing { .. } | ClientState::Done,
                    ) if cseq.method != Method::Invite => self.other_response(now, id, response),
                    Some(
                        ClientState::Calling { .. }
                        | ClientState::Proceeding { .. }
                        | ClientState::Completed { .. }
                        | ClientState::Accepted { .. },
                    ) if cseq.method == Method::Invite => self.invite_response(now, id, response, raw),
                    _ => self.drop_message(DropCause::StrayResponse),
                }
            }
            Err(_) => self.drop_message(DropCause::Malformed),
        }
    }

    fn invite_response(&mut self, now: Instant, id: u64, response: Response, raw: &Bytes) {
        let status = response.status;
        let Some(client) = self.clients.get_mut(id) else { return };
        let flow = client.flow;
        match std::mem::replace(&mut client.state, ClientState::Accepted { ended: Vec::new() }) {
            ClientState::Calling { sent, cancel, .. } if status < 200 => {
                client.state = ClientState::Proceeding { sent };
                // Timers A and B stop.
                client.epoch = client.epoch.wrapping_add(1);
                self.outputs.push_back(Output::Response { tx: ClientTx(id), response });
                if let CancelWish::Held(reason) = cancel {
                    self.send_cancel(now, id, reason.as_deref());
                }
            }
            ClientState::Proceeding { sent } if status < 200 => {
                client.state = ClientState::Proceeding { sent };
                self.outputs.push_back(Output::Response { tx: ClientTx(id), response });
            }
            ClientState::Calling { .. } | ClientState::Proceeding { .. } if status < 300 => {
                // RFC 6026 §8.4: further 2xx, of this fork and of others, go to the application for 64 × T1.
                self.outputs.push_back(Output::Response { tx: ClientTx(id), response });
                self.begin_client(now, id, ClientState::Accepted { ended: Vec::new() });
            }
            ClientState::Calling { sent, .. } | ClientState::Proceeding { sent } => {
                let ack = ack_of(&sent, &response);
                if let Some(ack) = &ack {
                    self.transmit(flow, ack.clone());
                }
                self.outputs.push_back(Output::Response { tx: ClientTx(id), response });
                if flow.transport.is_reliable() {
                    self.forget_client(id); // Timer D is 0.
                } else {
                    let ack = Tail::new(raw, &ack.unwrap_or_default());
                    self.begin_client(now, id, ClientState::Completed { ack });
                }
            }
            ClientState::Completed { ack } => {
                // RFC 3261 §17.1.1.2: a retransmitted final response is acknowledged again and goes no further.
                let repeat = if status >= 300 { ack.message(raw) } else { None };
                client.state = ClientState::Completed { ack };
                match repeat {
                    Some(bytes) => self.transmit(flow, bytes),
                    None => self.drop_message(DropCause::LateResponse),
                }
            }
            ClientState::Accepted { ended } if (200..300).contains(&status) => {
                client.state = ClientState::Accepted { ended };
                self.outputs.push_back(Output::Response { tx: ClientTx(id), response });
            }
            other => {
                client.state = other;
                self.drop_message(DropCause::LateResponse);
            }
        }
    }

    fn other_response(&mut self, now: Instant, id: u64, response: Response) {
        let status = response.status;
        let Some(client) = self.clients.get_mut(id) else {
            return self.drop_message(DropCause::StrayResponse);
        };
        let told = client.owner != Owner::Endpoint;
        match std::mem::replace(&mut client.state, ClientState::Done) {
            ClientState::Trying { sent, .. } | ClientState::Progressing { sent } if status < 200 => {
                client.state = ClientState::Progressing { sent };
            }
            ClientState::Trying { .. } | ClientState::Progressing { .. } => {
                if client.flow.transport.is_reliable() {
                    self.forget_client(id); // Timer K is 0.
                } else {
                    self.begin_client(now, id, ClientState::Done);
                }
            }
            _ => return self.drop_message(DropCause::LateResponse),
        }
        if told {
            self.outputs.push_back(Output::Response { tx: ClientTx(id), response });
        }
    }

    pub(super) fn client_due(&mut self, now: Instant, due: Due) {
        let config = &self.config;
        let Some(client) = self.clients.get_mut(due.tx()).filter(|client| client.epoch == due.epoch()) else {
            return;
        };
        let flow = client.flow;
        if due.kind() == Kind::ClientEnd {
            let waited = !matches!(
                client.state,
                ClientState::Completed { .. } | ClientState::Accepted { .. } | ClientState::Done
            );
            if waited && client.owner != Owner::Endpoint {
                self.outputs.push_back(Output::TimedOut { tx: ClientTx(due.tx()) });
            }
            return self.forget_client(due.tx());
        }
        let (sent, next) = match &mut client.state {
            ClientState::Calling { sent, repeats, .. } => {
                // RFC 3261 §17.1.1.2: timer A doubles without a bound; timer B ends it.
                *repeats = repeats.saturating_add(1);
                (sent.clone(), config.doubled(*repeats))
            }
            ClientState::Trying { sent, repeats } => {
                // RFC 3261 §17.1.2.2: timer E doubles up to T2.
                *repeats = repeats.saturating_add(1);
                (sent.clone(), config.doubled(*repeats).min(config.t2))
            }
            ClientState::Progressing { sent } => (sent.clone(), config.t2.max(config.t1)),
            ClientState::Proceeding { .. }
            | ClientState::Completed { .. }
            | ClientState::Accepted { .. }
            | ClientState::Done => return,
        };
        self.transmit(flow, sent);
        self.timers.set(Lane::Other, due.again_at(now + next));
    }

    pub(super) fn client_transport_failed(&mut self, now: Instant, id: u64) {
        if self.retry_large(now, id) == Retried::Yes {
            return;
        }
        let Some(client) = self.clients.get(id) else { return };
        let waited = !matches!(
            client.state,
            ClientState::Completed { .. } | ClientState::Accepted { .. } | ClientState::Done
        );
        if !waited {
            return; // What is left costs nothing, and a 2xx may still come another way.
        }
        if client.owner != Owner::Endpoint {
            self.outputs.push_back(Output::TransportFailed { tx: ClientTx(id) });
        }
        self.forget_client(id);
    }

    /// Enters `state` and sets its timers.
    pub(super) fn begin_client(&mut self, now: Instant, id: u64, state: ClientState) {
        let Some(client) = self.clients.get_mut(id) else { return };
        client.epoch = client.epoch.wrapping_add(1);
        let (epoch, reliable) = (client.epoch, client.flow.transport.is_reliable());
        let (end, retransmit) = match &state {
            ClientState::Calling { .. } | ClientState::Trying { .. } => (Some(Lane::SixtyFourT1), !reliable),
            ClientState::Accepted { .. } => (Some(Lane::SixtyFourT1), false),
            ClientState::Completed { .. } => (Some(Lane::D), false),
            ClientState::Done => (Some(Lane::T4), false),
            ClientState::Proceeding { .. } | ClientState::Progressing { .. } => (None, false),
        };
        client.state = state;
        if let Some(lane) = end {
            self.set_timer(now, lane, id, epoch, Kind::ClientEnd);
        }
        if retransmit {
            self.set_timer(now, Lane::T1, id, epoch, Kind::ClientRetransmit);
        }
        self.prune();
    }

    fn forget_client(&mut self, id: u64) {
        self.clients.remove(id);
    }

    fn send_cancel(&mut self, now: Instant, invite: u64, reason: Option<&str>) {
        let Some(client) = self.clients.get(invite) else { return };
        let ClientState::Proceeding { sent } = &client.state else { return };
        let (flow, epoch) = (client.flow, client.epoch);
        let Some(mut cancel) = derive(sent, Method::Cancel) else { return };
        if let Some(reason) = reason {
            cancel.headers.push(HeaderName::Reason, reason);
        }
        let sent = cancel.to_bytes();
        self.transmit(flow, sent.clone());
        let state = ClientState::Trying { sent, repeats: 0 };
        let owner = Owner::Endpoint;
        let id = self.clients.insert(Client { flow, epoch: 0, owner, state: ClientState::Done });
        self.begin_client(now, id, state);
        if let Some(client) = self.clients.get_mut(invite) {
            client.owner = Owner::Application { cancel: Some(id) };
        }
        // RFC 3261 §9.1: no final response in 64 × T1 after CANCEL ends the INVITE too.
        self.set_timer(now, Lane::SixtyFourT1, invite, epoch, Kind::ClientEnd);
    }
}

/// RFC 3261 §17.1.1.3: the ACK to a final response other than 2xx.
fn ack_of(invite: &Bytes, response: &Response) -> Option<Bytes> {
    let mut ack = derive(invite, Method::Ack)?;
    ack.headers.set(HeaderName::To, response.headers.get(HeaderName::To)?);
    Some(ack.to_bytes())
}

/// RFC 3261 §9.1 and §17.1.1.3: Request-URI, top Via, Route, From, To, Call-ID and the number of CSeq are the
/// INVITE's.
fn derive(invite: &Bytes, method: Method) -> Option<Request> {
    // invariant: what we sent can be read again; if not, there is nothing to acknowledge or cancel.
    let Ok(Message::Request(invite)) = Message::parse_datagram(invite.clone()) else { return None };
    let number = invite.headers.cseq().ok()?.number;
    let mut request = Request::new(method.clone(), invite.uri.clone());
    request.headers.push(HeaderName::Via, invite.headers.get(HeaderName::Via)?);
    request.headers.copy_from(&invite.headers, HeaderName::Route);
    request.headers.push(HeaderName::MaxForwards, "70");
    for name in [HeaderName::From, HeaderName::To, HeaderName::CallId] {
        request.headers.copy_from(&invite.headers, name);
    }
    request.headers.push(HeaderName::CSeq, format!("{number} {method}"));
    Some(request)
}
