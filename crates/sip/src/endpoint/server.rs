//! Owns the transitions of server transactions. Figure 7 as amended by RFC 6026 §8.5 (INVITE) and figure 8 of
//! RFC 3261 (all others); the numbers are in the tests' names. Timer G is left out where nothing is proved (§26.3.2.4).
//!
//! ```text
//!          INVITE                                           others
//!    1 │ INVITE: Request; 100 after 200 ms            11 │ request: Request
//!      ▼                                                 ▼
//!  Proceeding ─2 INVITE: last provisional again       Trying ─12 request: nothing
//!      │      ─3 101–199: send                           │ ─13 1xx: send ▼
//!      │                                                 │    Progressing ─14 request: 1xx again
//!  4 2xx ▼        5 300–699 ▼                         15 200–699 ▼
//!   Accepted       Completed ─6 INVITE, G: again       Done ─16 request: the response again
//!  7 ACK: Ack         │ ─8 H: Unacknowledged ▶ gone   17 J ▶ gone
//!  8 INVITE: nothing  │ 9 ACK
//!  9 2xx: send        ▼
//! 10 L ▶ gone      Confirmed ─10 I ▶ gone
//! ```

use bytes::Bytes;
use clock::Instant;

use super::{DropCause, Endpoint, Flow, Output};
use crate::headers::{HeaderName, Rport, Via};
use crate::message::{Message, Method, Request, Response};
use crate::transaction::ServerTx;
use crate::transaction::key::{key_of, merge_key_of};
use crate::transaction::server::{Again, Kept, Progress, Server, ServerState};
use crate::transaction::tail::Tail;
use crate::transaction::timers::{Due, Kind, Lane};

impl Endpoint {
    /// Sends `response`, which is built from the request, in transaction `tx`. Further 2xx to an INVITE may follow
    /// the first: the session retransmits them (RFC 3261 §13.3.1.4).
    pub fn respond(&mut self, now: Instant, tx: ServerTx, response: Response) {
        let (status, bytes) = (response.status, self.signed(response));
        self.respond_again(now, tx, status, bytes);
    }

    /// As [`respond`](Endpoint::respond), for a refusal of somebody who has proved nothing: it is sent again only when its
    /// request is. RFC 3261 §26.3.2.4: repeated by itself, it would let whoever forges an address have the one there
    /// showered.
    pub fn respond_once(&mut self, now: Instant, tx: ServerTx, response: Response) {
        let (status, bytes) = (response.status, self.signed(response));
        self.send_response(now, tx, (status, bytes), Again::WhenAsked);
    }

    /// As [`respond`](Endpoint::respond); returns what was sent, for [`respond_again`](Endpoint::respond_again).
    pub(crate) fn respond_keeping(&mut self, now: Instant, tx: ServerTx, response: Response) -> Bytes {
        let (status, bytes) = (response.status, self.signed(response));
        self.respond_again(now, tx, status, bytes.clone());
        bytes
    }

    /// `response` as it goes on the wire, with who sends it.
    fn signed(&self, mut response: Response) -> Bytes {
        if !self.config.user_agent.is_empty() && !response.headers.has(HeaderName::Server) {
            response.headers.push(HeaderName::Server, &self.config.user_agent);
        }
        response.to_bytes()
    }

    /// Sends a 2xx or a reliable provisional response again, byte for byte.
    pub(crate) fn respond_again(&mut self, now: Instant, tx: ServerTx, status: u16, bytes: Bytes) {
        self.send_response(now, tx, (status, bytes), Again::ByTimer(0));
    }

    /// `again` is for refusals of an INVITE.
    fn send_response(&mut self, now: Instant, tx: ServerTx, (status, bytes): (u16, Bytes), again: Again) {
        let id = tx.0;
        let Some(server) = self.servers.get_mut(id) else {
            return self.drop_message(DropCause::ResponseTooLate);
        };
        let (flow, reliable) = (server.flow, server.flow.transport.is_reliable());
        let next = match (&mut server.state, status) {
            (ServerState::Proceeding(kept), 100..=199) => {
                *kept = Kept::Last(bytes.clone());
                server.epoch = server.epoch.wrapping_add(1);
                return self.transmit(flow, bytes);
            }
            (ServerState::Accepted { .. }, 200..=299) => return self.transmit(flow, bytes),
            (ServerState::Proceeding(_), 200..=299) => ServerState::Accepted { tag: tag_in(&bytes) },
            (ServerState::Proceeding(_), _) => ServerState::Completed { last: bytes.clone(), again },
            (ServerState::Trying { datagram }, 100..=199) => {
                let progress = Progress { datagram: datagram.clone(), last: bytes.clone() };
                server.state = ServerState::Progressing(Box::new(progress));
                return self.transmit(flow, bytes);
            }
            (ServerState::Progressing(progress), 100..=199) => {
                progress.last = bytes.clone();
                return self.transmit(flow, bytes);
            }
            (ServerState::Trying { .. } | ServerState::Progressing(_), _) if reliable => {
                self.transmit(flow, bytes);
                return self.forget_server(id); // Timer J is 0.
            }
            (ServerState::Trying { datagram }, _) => ServerState::Done { last: Tail::new(datagram, &bytes) },
            (ServerState::Progressing(progress), _) => {
                ServerState::Done { last: Tail::new(&progress.datagram, &bytes) }
            }
            _ => return self.drop_message(DropCause::ResponseTooLate),
        };
        self.transmit(flow, bytes);
        self.begin_server(now, id, next);
    }

    /// Whether `request`, as it came, is a retransmission: it has begun a transaction here.
    pub fn has_begun(&self, request: &Request) -> bool {
        let via = request.headers.via();
        via.is_ok_and(|via| self.by_key.contains_key(&key_of(&self.keys, request, &via, &request.method)))
    }

    /// A request that may begin a transaction or belongs to one. `raw` is what came.
    pub(super) fn server_request(&mut self, now: Instant, flow: Flow, mut request: Request, raw: &Bytes) {
        let Ok(via) = request.headers.via() else { return self.drop_message(DropCause::Malformed) };
        let invite = match request.method {
            Method::Ack | Method::Cancel => Method::Invite,
            ref own => own.clone(),
        };
        let key = key_of(&self.keys, &request, &via, &invite);
        if request.method == Method::Ack {
            return self.acknowledged(now, flow, request, key);
        }
        if request.method == Method::Cancel {
            complete_via(&mut request, &via, flow);
            return self.cancel_request(now, flow, request, raw, key);
        }
        if let Some(id) = self.by_key.get(&key).copied() {
            return self.retransmitted(id, raw);
        }
        complete_via(&mut request, &via, flow);
        if let Some(asked) = self.turned_away(now, &request, key) {
            return self.outputs.push_back(Output::TurnedAway { flow, request, asked });
        }
        let state = match request.method {
            Method::Invite => ServerState::Proceeding(Kept::Datagram(raw.clone())),
            _ => ServerState::Trying { datagram: raw.clone() },
        };
        let merge = merge_key_of(&self.keys, &request).unwrap_or(0);
        let tx = self.new_server(now, key, merge, response_flow(flow, &via), state);
        self.outputs.push_back(Output::Request { tx, flow, request });
    }

    /// RFC 3261 §9.2: a CANCEL is a transaction of its own, answered here.
    fn cancel_request(&mut self, now: Instant, flow: Flow, request: Request, raw: &Bytes, invite: u64) {
        let Ok(via) = request.headers.via() else { return self.drop_message(DropCause::Malformed) };
        // The key of the CANCEL itself; its Via was completed, the retransmission's is too.
        let key = key_of(&self.keys, &request, &via, &Method::Cancel);
        if let Some(id) = self.by_key.get(&key).copied() {
            return self.retransmitted(id, raw);
        }
        let state = ServerState::Trying { datagram: raw.clone() };
        let tx = self.new_server(now, key, 0, response_flow(flow, &via), state);
        let invite = self.by_key.get(&invite).copied();
        let (tag, waiting) = match invite.and_then(|id| self.servers.get(id)).map(|server| &server.state) {
            Some(ServerState::Proceeding(kept)) => (kept.last().and_then(to_tag_of), true),
            Some(ServerState::Completed { last, .. }) => (to_tag_of(last), false),
            Some(ServerState::Accepted { tag }) => (tag.as_deref().map(str::to_owned), false),
            _ => (None, false),
        };
        // §9.2: no such transaction, 481; else 200, with the tag of the INVITE's responses.
        let mut response = Response::to(&request, if invite.is_some() { 200 } else { 481 });
        let tag = tag.unwrap_or_else(|| self.mint.tag());
        if response.set_to_tag(&tag).is_ok() {
            self.respond(now, tx, response);
        }
        if let (Some(id), true) = (invite, waiting) {
            self.outputs.push_back(Output::Cancelled { tx: ServerTx(id), request });
        }
    }

    fn acknowledged(&mut self, now: Instant, flow: Flow, request: Request, key: u64) {
        let Some(id) = self.by_key.get(&key).copied() else {
            // RFC 3261 §17.1.1.3: the ACK to a 2xx has a branch of its own.
            return self.outputs.push_back(Output::Ack { flow, request });
        };
        match self.servers.get(id).map(|server| &server.state) {
            Some(ServerState::Completed { .. }) => {
                let reliable = self.servers.get(id).is_some_and(|server| server.flow.transport.is_reliable());
                if reliable {
                    self.forget_server(id); // Timer I is 0.
                } else {
                    self.begin_server(now, id, ServerState::Confirmed);
                }
            }
            // RFC 6026 §7.1, and peers of RFC 2543 whose ACK has the branch of the INVITE.
            Some(ServerState::Accepted { .. }) => self.outputs.push_back(Output::Ack { flow, request }),
            Some(ServerState::Confirmed) => self.drop_message(DropCause::Absorbed),
            _ => self.drop_message(DropCause::StrayAck),
        }
    }

    fn retransmitted(&mut self, id: u64, raw: &Bytes) {
        let Some(server) = self.servers.get(id) else { return };
        let flow = server.flow;
        let again = match &server.state {
            ServerState::Proceeding(kept) => kept.last().cloned(),
            ServerState::Completed { last, .. } => Some(last.clone()),
            ServerState::Progressing(progress) => Some(progress.last.clone()),
            ServerState::Done { last } => last.message(raw),
            ServerState::Confirmed | ServerState::Accepted { .. } | ServerState::Trying { .. } => None,
        };
        match again {
            Some(bytes) => self.transmit(flow, bytes),
            None => self.drop_message(DropCause::Absorbed),
        }
    }

    pub(super) fn server_due(&mut self, now: Instant, due: Due) {
        let config = &self.config;
        let Some(server) = self.servers.get_mut(due.tx()).filter(|server| server.epoch == due.epoch()) else {
            return;
        };
        let flow = server.flow;
        match (due.kind(), &mut server.state) {
            // RFC 3261 §17.2.1: 100 unless the application answers within 200 ms.
            (Kind::Trying, ServerState::Proceeding(Kept::Datagram(datagram))) => {
                if let Some(trying) = trying(datagram.clone(), flow) {
                    self.respond(now, ServerTx(due.tx()), trying);
                }
            }
            (Kind::ServerRetransmit, ServerState::Completed { last, again: Again::ByTimer(repeats) }) => {
                *repeats = repeats.saturating_add(1);
                let (bytes, next) = (last.clone(), config.doubled(*repeats).min(config.t2));
                self.transmit(flow, bytes);
                self.timers.set(Lane::Other, due.again_at(now + next));
            }
            (Kind::ServerEnd, state) => {
                if matches!(state, ServerState::Completed { .. }) {
                    self.outputs.push_back(Output::Unacknowledged { tx: ServerTx(due.tx()) });
                }
                self.forget_server(due.tx());
            }
            _ => {}
        }
    }

    pub(super) fn server_transport_failed(&mut self, _now: Instant, id: u64) {
        let Some(server) = self.servers.get(id) else { return };
        // What the application has yet to answer stays, so that its answer meets a transaction.
        if matches!(
            server.state,
            ServerState::Completed { .. } | ServerState::Confirmed | ServerState::Done { .. }
        ) {
            self.forget_server(id);
        }
    }

    fn new_server(&mut self, now: Instant, key: u64, merge: u64, flow: Flow, state: ServerState) -> ServerTx {
        let invite = matches!(state, ServerState::Proceeding(_));
        let id = self.servers.insert(Server { key, merge, flow, epoch: 0, state });
        self.by_key.insert(key, id);
        if merge != 0 {
            self.by_merge.entry(merge).or_insert(id);
        }
        if invite {
            self.set_timer(now, Lane::Trying, id, 0, Kind::Trying);
        }
        ServerTx(id)
    }

    /// Enters `state` and sets its timers.
    fn begin_server(&mut self, now: Instant, id: u64, state: ServerState) {
        let Some(server) = self.servers.get_mut(id) else { return };
        server.epoch = server.epoch.wrapping_add(1);
        let (epoch, reliable) = (server.epoch, server.flow.transport.is_reliable());
        let end = match state {
            ServerState::Completed { .. } | ServerState::Accepted { .. } | ServerState::Done { .. } => {
                Some(Lane::SixtyFourT1)
            }
            ServerState::Confirmed => Some(Lane::T4),
            _ => None,
        };
        let by_timer = matches!(state, ServerState::Completed { again: Again::ByTimer(_), .. });
        let retransmit = by_timer && !reliable;
        server.state = state;
        if let Some(lane) = end {
            self.set_timer(now, lane, id, epoch, Kind::ServerEnd);
        }
        if retransmit {
            self.set_timer(now, Lane::T1, id, epoch, Kind::ServerRetransmit);
        }
        self.prune();
    }

    fn forget_server(&mut self, id: u64) {
        let Some(server) = self.servers.remove(id) else { return };
        if self.by_key.get(&server.key) == Some(&id) {
            self.by_key.remove(&server.key);
        }
        if self.by_merge.get(&server.merge) == Some(&id) {
            self.by_merge.remove(&server.merge);
        }
        if self.servers.len() == 0 {
            self.by_key.shrink_to(64);
            self.by_merge.shrink_to(64);
        }
    }
}

/// The 100 of an INVITE that came as `datagram`. `flow` is where responses go: the port, which may be another than the
/// request's source, counts in Via only where `rport` makes it the same.
fn trying(datagram: Bytes, flow: Flow) -> Option<Response> {
    let Ok(Message::Request(mut request)) = Message::parse_datagram(datagram) else { return None };
    let via = request.headers.via().ok()?;
    complete_via(&mut request, &via, flow);
    Some(Response::to(&request, 100))
}

/// RFC 3261 §18.2.1, RFC 3581 §4: writes `received` and `rport` into the top Via, which responses take back.
pub(super) fn complete_via(request: &mut Request, via: &Via, flow: Flow) {
    complete_top(&mut request.headers, via, flow);
}

pub(super) fn complete_top(headers: &mut crate::headers::Headers, via: &Via, flow: Flow) {
    let Some(mut completed) = via.completed(flow.remote) else { return };
    // Further hops on the same line stay behind the first.
    if let Some(line) = headers.get(HeaderName::Via) {
        let hop = via.as_bytes();
        let at = if line.starts_with(hop) { Some(0) } else { memchr::memmem::find(line, hop) };
        completed.extend_from_slice(at.map_or(&[], |at| &line[at + hop.len()..]));
    }
    headers.set_first(HeaderName::Via, completed);
}

/// RFC 3261 §18.2.2 and RFC 3581 §4: the source port when `rport` is asked for, else the port of sent-by; a stream
/// answers on itself.
pub(super) fn response_flow(flow: Flow, via: &Via) -> Flow {
    if flow.transport.is_reliable() || via.rport() != Rport::Absent {
        return flow;
    }
    let mut answered = flow;
    answered.remote.set_port(via.port().unwrap_or(flow.transport.default_port()));
    answered
}

/// The tag of To in a response that we wrote, without reading all of it: each call's 200 passes here.
fn tag_in(response: &[u8]) -> Option<Box<str>> {
    let line = &response[memchr::memmem::find(response, b"\r\nTo: ")? + 2..];
    let line = &line[..memchr::memchr(b'\r', line)?];
    let tag = &line[memchr::memmem::rfind(line, b";tag=")? + 5..];
    let end = memchr::memchr(b';', tag).unwrap_or(tag.len());
    std::str::from_utf8(&tag[..end]).ok().map(Box::from)
}

/// The tag of To in a response that we sent.
fn to_tag_of(response: &Bytes) -> Option<String> {
    let message = Message::parse_datagram(response.clone()).ok()?;
    Some(message.headers().tag(HeaderName::To)?.to_owned())
}
