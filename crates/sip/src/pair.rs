//! Owns a pair of endpoints with a session each, one clock and a network between them that delays, loses, reorders
//! and repeats. For tests of this crate.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use bytes::Bytes;
use clock::Instant;

use crate::audit::{self, Entry};
use crate::auth::Login;
use crate::endpoint::{Advertised, Endpoint, EndpointConfig, Flow, Output, Rules, ServerTx};
use crate::headers::NameAddr;
use crate::message::{Message, Method, Request, Response};
use crate::session::{
    DialogKey, Failure, Local, Outgoing, Reach, Rel100, Session, SessionEvent, SessionTimer,
    discard_late_answer,
};
use crate::transaction::ClientTx;

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    A,
    B,
}

impl End {
    fn other(self) -> End {
        match self {
            End::A => End::B,
            End::B => End::A,
        }
    }
}

/// What the network does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Deliver,
    Lose,
    Delay(Duration),
    Twice,
}

/// Decides the fate of what an end sends.
pub(crate) type Weather = Box<dyn FnMut(End, &Message) -> Fate>;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Packet {
    at: Instant,
    order: u64,
    to: End,
    bytes: Bytes,
}

/// One side.
pub(crate) struct Side {
    pub(crate) ep: Endpoint,
    pub(crate) session: Option<Session>,
    pub(crate) local: Local,
    /// What the session said, and when.
    pub(crate) events: Vec<(Instant, SessionEvent)>,
    /// The answer to every offer, unless the test answers itself.
    pub(crate) accepts: Option<Bytes>,
    known: Vec<ClientTx>,
    /// Challenges an INVITE without credentials.
    pub(crate) challenges: Option<Response>,
    pub(crate) invite: Option<ServerTx>,
    pub(crate) rejected: Option<u16>,
}

/// Two sides and the network between them.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) a: Side,
    pub(crate) b: Side,
    pub(crate) latency: Duration,
    pub(crate) fate: Weather,
    /// Every packet as it was sent.
    pub(crate) trace: Vec<Entry>,
    packets: BinaryHeap<Reverse<Packet>>,
    order: u64,
}

pub(crate) fn address(end: End) -> std::net::SocketAddr {
    match end {
        End::A => "192.0.2.1:5060".parse().unwrap(),
        End::B => "192.0.2.2:5060".parse().unwrap(),
    }
}

pub(crate) fn sdp(text: &str) -> Bytes {
    Bytes::from(format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns={text}\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"))
}

impl Side {
    fn new(end: End) -> Side {
        let host = address(end).ip().to_string();
        let config = EndpointConfig {
            shard: end as u8,
            secret: [end as u8 + 1; 16],
            advertised: vec![Advertised::new(host.clone(), 5060)],
            ..EndpointConfig::default()
        };
        let local = Local {
            contact: format!("<sip:{}@{host}:5060>", if end == End::A { "a" } else { "b" }),
            timer: SessionTimer::Off,
            rel100: Rel100::Off,
            reach: Reach::Target,
        };
        Side {
            ep: Endpoint::new(config),
            session: None,
            local,
            events: Vec::new(),
            accepts: Some(sdp("accepts")),
            known: Vec::new(),
            challenges: None,
            invite: None,
            rejected: None,
        }
    }

    /// The events so far, without those about transactions.
    pub(crate) fn said(&self) -> Vec<SessionEvent> {
        self.events.iter().map(|(_, event)| event.clone()).collect()
    }

    /// Takes the events.
    pub(crate) fn hear(&mut self) -> Vec<SessionEvent> {
        std::mem::take(&mut self.events).into_iter().map(|(_, event)| event).collect()
    }
}

impl Pair {
    pub(crate) fn new() -> Pair {
        Pair {
            now: Instant::from_secs(1000),
            a: Side::new(End::A),
            b: Side::new(End::B),
            latency: Duration::from_millis(10),
            fate: Box::new(|_, _| Fate::Deliver),
            trace: Vec::new(),
            packets: BinaryHeap::new(),
            order: 0,
        }
    }

    pub(crate) fn side(&mut self, end: End) -> &mut Side {
        match end {
            End::A => &mut self.a,
            End::B => &mut self.b,
        }
    }

    /// A calls B with `offer`.
    pub(crate) fn call(&mut self, offer: Option<Bytes>) {
        self.call_with(offer, None);
    }

    pub(crate) fn call_with(&mut self, offer: Option<Bytes>, login: Option<Login>) {
        let invite = Outgoing {
            request_uri: "sip:b@192.0.2.2:5060".parse().unwrap(),
            from: NameAddr::parse("\"客户\" <sip:a@192.0.2.1>").unwrap(),
            to: NameAddr::parse("<sip:b@192.0.2.2>").unwrap(),
            call_id: self.a.ep.mint_call_id(),
            route: Vec::new(),
            headers: Vec::new(),
            sdp: offer,
            hops: Outgoing::HOPS,
            login,
            local: self.a.local.clone(),
        };
        let flow = Flow::udp(0, address(End::B));
        let session = Session::outgoing(self.now, &mut self.a.ep, flow, invite);
        self.a.session = Some(session);
        self.settle(End::A);
    }

    /// Does something with one side's session.
    pub(crate) fn with(&mut self, end: End, act: impl FnOnce(&mut Session, Instant, &mut Endpoint)) {
        let now = self.now;
        let side = self.side(end);
        act(side.session.as_mut().expect("a session"), now, &mut side.ep);
        self.settle(end);
    }

    /// Performs what the endpoints have to say after something that the test did to them.
    pub(crate) fn settle_all(&mut self) {
        self.settle(End::A);
        self.settle(End::B);
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, length: Duration) {
        let end = self.now + length;
        while let Some(due) = self.next().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.step();
        }
        self.now = end;
    }

    /// Runs until nothing is left to happen, at most `limit`.
    pub(crate) fn finish(&mut self, limit: Duration) {
        let end = self.now + limit;
        while let Some(due) = self.next().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.step();
        }
    }

    fn next(&self) -> Option<Instant> {
        let sides = [&self.a, &self.b]
            .into_iter()
            .flat_map(|side| [side.ep.poll_timeout(), side.session.as_ref().and_then(Session::poll_timeout)]);
        sides.flatten().chain(self.packets.peek().map(|packet| packet.0.at)).min()
    }

    fn step(&mut self) {
        let now = self.now;
        while self.packets.peek().is_some_and(|packet| packet.0.at <= now) {
            let packet = self.packets.pop().expect("just seen").0;
            let flow = Flow::udp(0, address(packet.to.other()));
            self.side(packet.to).ep.receive(now, flow, packet.bytes);
            self.settle(packet.to);
        }
        for end in [End::A, End::B] {
            let side = self.side(end);
            side.ep.handle_timeout(now);
            if let Some(session) = &mut side.session {
                session.handle_timeout(now, &mut side.ep);
            }
            self.settle(end);
        }
    }

    /// Performs outputs and events until there are none.
    fn settle(&mut self, end: End) {
        loop {
            let now = self.now;
            let side = self.side(end);
            while let Some(event) = side.session.as_mut().and_then(Session::poll_event) {
                match event {
                    SessionEvent::Transaction(tx) => side.known.push(tx),
                    SessionEvent::TransactionOver(tx) => side.known.retain(|known| *known != tx),
                    event => {
                        if let (SessionEvent::Offered { .. }, Some(answer)) = (&event, side.accepts.clone()) {
                            let session = side.session.as_mut().expect("it just spoke");
                            session.accept_offer(now, &mut side.ep, answer);
                        }
                        side.events.push((now, event));
                    }
                }
            }
            let Some(output) = side.ep.poll_output() else { break };
            self.perform(end, output);
        }
        // What the shard was told is what the session has.
        let side = self.side(end);
        if let Some(session) = &side.session {
            assert!(session.client_transactions().eq(side.known.iter().copied()), "{session:?}");
        }
    }

    fn perform(&mut self, end: End, output: Output) {
        let now = self.now;
        if let Output::Transmit { flow, bytes } = output {
            return self.transmit(end, flow, bytes);
        }
        let side = self.side(end);
        let ep = &mut side.ep;
        match (output, &mut side.session) {
            (Output::Request { tx, flow, request }, session) => {
                if let Err(refusal) = ep.inspect(tx, &request, &Rules::SESSION) {
                    return ep.respond(now, tx, *refusal);
                }
                match (DialogKey::of(&request), session) {
                    (Some(key), Some(session)) if session.dialog_key() == key => {
                        session.handle_request(now, ep, tx, flow, request);
                    }
                    (Some(_), _) => ep.respond(now, tx, Response::to(&request, 481)),
                    (None, session @ None) if request.method == Method::Invite => {
                        if let Some(challenge) = &side.challenges
                            && !request.headers.has("Authorization")
                        {
                            let mut response = Response::to(&request, challenge.status);
                            response.set_to_tag("challenger").unwrap();
                            response.headers.copy_from(&challenge.headers, "WWW-Authenticate");
                            return ep.respond(now, tx, response);
                        }
                        let tag = ep.mint_tag();
                        match Session::incoming(now, tx, flow, &request, side.local.clone(), tag) {
                            Ok(incoming) => {
                                side.invite = Some(tx);
                                *session = Some(incoming);
                            }
                            Err(rejection) => {
                                side.rejected = Some(rejection.status);
                                ep.respond(now, tx, rejection.response(&request, "rejected"));
                            }
                        }
                    }
                    _ => ep.respond(now, tx, Response::to(&request, 481)),
                }
            }
            (Output::Ack { request, .. }, Some(session)) => session.handle_ack(now, ep, &request),
            (Output::Cancelled { tx, request }, Some(session)) if session.invite_tx() == Some(tx) => {
                session.handle_cancel(now, ep, &request);
            }
            (Output::Response { tx, response }, Some(session)) if session.owns(tx) => {
                session.handle_response(now, ep, tx, response);
            }
            (Output::Response { tx, response }, _) => discard_late_answer(now, ep, tx, &response),
            (Output::TimedOut { tx }, Some(session)) => {
                session.handle_failure(now, ep, tx, Failure::TimedOut)
            }
            (Output::TransportFailed { tx }, Some(session)) => {
                session.handle_failure(now, ep, tx, Failure::TransportFailed);
            }
            _ => {}
        }
    }

    fn transmit(&mut self, from: End, flow: Flow, bytes: Bytes) {
        let to = from.other();
        assert_eq!(flow.remote, address(to), "all goes to the other side");
        let mut message = Message::parse_datagram(bytes.clone()).expect("what is sent can be read");
        message.validate().expect("what is sent is valid");
        self.trace.push(Entry { at: self.now, from: address(from), to: flow.remote, bytes: bytes.clone() });
        let times = match (self.fate)(from, &message) {
            Fate::Lose => vec![],
            Fate::Deliver => vec![self.latency],
            Fate::Delay(more) => vec![self.latency + more],
            Fate::Twice => vec![self.latency, self.latency + Duration::from_millis(3)],
        };
        for latency in times {
            self.order += 1;
            let packet = Packet { at: self.now + latency, order: self.order, to, bytes: bytes.clone() };
            self.packets.push(Reverse(packet));
        }
    }

    /// What every scenario ends with: nothing is left, exactly one last event each, and the trace obeys the RFC.
    pub(crate) fn check_end(&mut self) {
        self.finish(Duration::from_secs(4000));
        for (name, side) in [("A", &self.a), ("B", &self.b)] {
            assert!(side.ep.live().is_none(), "{name}: {:?}", side.ep.live());
            assert_eq!(side.ep.poll_timeout(), None, "{name}");
            let Some(session) = &side.session else { continue };
            assert!(session.is_over(), "{name}: {session:?}");
            assert_eq!(session.poll_timeout(), None, "{name}: {session:?}");
        }
        let findings = audit::audit(&self.trace);
        assert!(findings.is_empty(), "{findings:#?}\n{}", self.story());
    }

    /// The trace, a line per packet.
    pub(crate) fn story(&self) -> String {
        let lines = self.trace.iter().map(|entry| {
            let text = String::from_utf8_lossy(&entry.bytes);
            let first = text.lines().next().unwrap_or_default();
            let cseq = text.lines().find(|line| line.starts_with("CSeq")).unwrap_or_default();
            let arrow = if entry.from == address(End::A) { "A → B" } else { "A ← B" };
            format!("{:?} {arrow} {first} ({cseq})\n", entry.at)
        });
        lines.collect()
    }

    /// The start lines that went over the wire, requests by method and responses by status.
    pub(crate) fn wire(&self) -> Vec<String> {
        self.trace
            .iter()
            .map(|entry| match Message::parse_datagram(entry.bytes.clone()) {
                Ok(Message::Request(request)) => format!("{} {}", side_of(entry), request.method),
                Ok(Message::Response(response)) => format!("{} {}", side_of(entry), response.status),
                Err(_) => String::new(),
            })
            .collect()
    }

    /// How often `end` sent `what`: a method or a status.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.wire().iter().filter(|line| *line == what).count()
    }

    /// The requests with `method` that were sent.
    pub(crate) fn requests(&self, method: &Method) -> Vec<Request> {
        let requests = self.trace.iter().filter_map(|entry| {
            match Message::parse_datagram(entry.bytes.clone()).ok()? {
                Message::Request(request) if request.method == *method => Some(request),
                _ => None,
            }
        });
        requests.collect()
    }

    /// The responses with `status` that were sent.
    pub(crate) fn responses(&self, status: u16) -> Vec<Response> {
        let responses = self.trace.iter().filter_map(|entry| {
            match Message::parse_datagram(entry.bytes.clone()).ok()? {
                Message::Response(response) if response.status == status => Some(response),
                _ => None,
            }
        });
        responses.collect()
    }
}

fn side_of(entry: &Entry) -> &'static str {
    if entry.from == address(End::A) { "A" } else { "B" }
}
