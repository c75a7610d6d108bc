//! Owns the user agent under test: one endpoint, at most one session, virtual time, and a peer whose words the test
//! writes itself.

use std::time::Duration;

use bytes::Bytes;
use clock::Instant;
use sip::endpoint::{Advertised, Endpoint, EndpointConfig, Flow, Output, Rules, Transport};
use sip::session::{
    DialogKey, Failure, Local, Outgoing, Reach, Rel100, Session, SessionEvent, SessionTimer,
    discard_late_answer,
};
use sip::transaction::{ClientTx, ServerTx};
use sip::{HeaderName, Message, Method, NameAddr, Request, Response};

/// What was sent, and when: milliseconds since the last [`Ua::mark`].
#[derive(Clone, Debug)]
pub struct Sent {
    pub at: u64,
    pub bytes: Bytes,
    pub message: Message,
}

impl Sent {
    /// A method or a status.
    pub fn word(&self) -> String {
        match &self.message {
            Message::Request(request) => request.method.to_string(),
            Message::Response(response) => response.status.to_string(),
        }
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let value = self.message.headers().get(name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    pub fn body(&self) -> &Bytes {
        match &self.message {
            Message::Request(request) => &request.body,
            Message::Response(response) => &response.body,
        }
    }

    pub fn request(&self) -> &Request {
        match &self.message {
            Message::Request(request) => request,
            Message::Response(response) => panic!("expected a request, found {}", response.status),
        }
    }
}

/// The user agent under test.
pub struct Ua {
    pub ep: Endpoint,
    pub session: Option<Session>,
    pub local: Local,
    pub now: Instant,
    /// What is answered to each offer; `None` to let the test answer.
    pub answers: Option<Bytes>,
    marked: Instant,
    sent: Vec<Sent>,
    events: Vec<SessionEvent>,
    /// What the endpoint gave the application while there is no session.
    outputs: Vec<Output>,
    /// The INVITE of the peer that made the session.
    pub invite: Option<(ServerTx, Request)>,
    number: u32,
    user: User,
}

pub const PEER: &str = "192.0.2.4:5060";
pub const OFFER: &str =
    "v=0\no=- 1 1 IN IP4 192.0.2.4\ns=peer\nc=IN IP4 192.0.2.4\nt=0 0\nm=audio 4000 RTP/AVP 8\n";
pub const SECS: fn(u64) -> Duration = Duration::from_secs;
pub const MILLIS: fn(u64) -> Duration = Duration::from_millis;

pub fn udp() -> Flow {
    Flow::udp(0, PEER.parse().expect("an address"))
}

pub fn tcp() -> Flow {
    Flow { transport: Transport::Tcp, connection: Some(1), ..udp() }
}

/// A description of ours.
pub fn sdp(name: &str) -> Bytes {
    Bytes::from(format!(
        "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns={name}\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n"
    ))
}

/// The lines of a message as bytes, with its Content-Length.
pub fn wire(head: &str, body: &str) -> Bytes {
    let body = body.replace('\n', "\r\n");
    let head = head.trim_end().replace('\n', "\r\n");
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    Bytes::from(format!("{head}\r\n{kind}Content-Length: {}\r\n\r\n{body}", body.len()))
}

impl Ua {
    pub fn new() -> Ua {
        let advertised = vec![Advertised::new("198.51.100.1", 5060)];
        let now = Instant::from_secs(1_000);
        Ua {
            ep: Endpoint::new(EndpointConfig { advertised, secret: [9; 16], ..EndpointConfig::default() }),
            session: None,
            local: Local {
                contact: "<sip:us@198.51.100.1:5060>".into(),
                timer: SessionTimer::Off,
                rel100: Rel100::Supported,
                reach: Reach::Source,
            },
            now,
            answers: Some(sdp("accepted")),
            marked: now,
            sent: Vec::new(),
            events: Vec::new(),
            outputs: Vec::new(),
            invite: None,
            number: 0,
            user: User::Session,
        }
    }

    /// From here on times count anew, and what was sent and said before is forgotten.
    pub fn mark(&mut self) {
        self.marked = self.now;
        self.sent.clear();
        self.events.clear();
        self.outputs.clear();
    }

    /// Time passes, stopping at each deadline.
    pub fn pass(&mut self, length: Duration) {
        let end = self.now + length;
        loop {
            let session = self.session.as_ref().and_then(Session::poll_timeout);
            let Some(due) = self.ep.poll_timeout().into_iter().chain(session).min().filter(|due| *due <= end)
            else {
                break;
            };
            self.now = self.now.max(due);
            self.ep.handle_timeout(self.now);
            if let Some(session) = &mut self.session {
                session.handle_timeout(self.now, &mut self.ep);
            }
            self.settle();
        }
        self.now = end;
    }

    /// What was sent since the last call, as `(milliseconds, word)`.
    pub fn timeline(&mut self) -> Vec<(u64, String)> {
        self.take_sent().iter().map(|sent| (sent.at, sent.word())).collect()
    }

    /// What was sent since the last call, by words.
    pub fn words(&mut self) -> Vec<String> {
        self.take_sent().iter().map(Sent::word).collect()
    }

    pub fn take_sent(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.sent)
    }

    /// The one message that was sent since the last call.
    pub fn one(&mut self) -> Sent {
        let mut sent = self.take_sent();
        let words: Vec<String> = sent.iter().map(Sent::word).collect();
        assert_eq!(sent.len(), 1, "{words:?}");
        sent.remove(0)
    }

    /// The last message that was sent, all being forgotten.
    pub fn last(&mut self) -> Sent {
        self.take_sent().pop().expect("something was sent")
    }

    pub fn events(&mut self) -> Vec<SessionEvent> {
        std::mem::take(&mut self.events)
    }

    pub fn outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// Does something with the session.
    pub fn with(&mut self, act: impl FnOnce(&mut Session, Instant, &mut Endpoint)) {
        act(self.session.as_mut().expect("a session"), self.now, &mut self.ep);
        self.settle();
    }

    /// Does something with the endpoint.
    pub fn ep<T>(&mut self, act: impl FnOnce(&mut Endpoint, Instant) -> T) -> T {
        let done = act(&mut self.ep, self.now);
        self.settle();
        done
    }

    pub fn receive(&mut self, bytes: Bytes) {
        self.receive_on(udp(), bytes);
    }

    pub fn receive_on(&mut self, flow: Flow, bytes: Bytes) {
        self.ep.receive(self.now, flow, bytes);
        self.settle();
    }

    /// We call the peer with `offer`.
    pub fn call(&mut self, offer: Option<Bytes>) -> Request {
        let invite = Outgoing {
            request_uri: "sip:peer@192.0.2.4:5060".parse().expect("a URI"),
            from: NameAddr::parse("<sip:us@198.51.100.1>").expect("an address"),
            to: NameAddr::parse("<sip:peer@192.0.2.4>").expect("an address"),
            call_id: self.ep.mint_call_id(),
            route: Vec::new(),
            headers: Vec::new(),
            sdp: offer,
            hops: Outgoing::HOPS,
            login: None,
            local: self.local.clone(),
        };
        self.session = Some(Session::outgoing(self.now, &mut self.ep, udp(), invite));
        self.settle();
        self.last().request().clone()
    }

    /// The peer's response to a request of ours, with its tag, Contact and `lines`.
    pub fn reply(&mut self, request: &Request, status: u16, tag: &str, lines: &str, body: &str) -> Bytes {
        let mut response = Response::to(request, status);
        if status > 100 && request.to_tag().is_none() {
            response.set_to_tag(tag).expect("a To");
        }
        if !lines.contains("Contact:") {
            let user = if tag.is_empty() { "peer" } else { tag };
            response.headers.push("Contact", format!("<sip:{user}@192.0.2.4:5060>"));
        }
        for (name, value) in lines.lines().filter_map(|line| line.split_once(": ")) {
            response.headers.push(name, value);
        }
        if !body.is_empty() {
            response.set_body("application/sdp", body.replace('\n', "\r\n"));
        }
        let bytes = response.to_bytes();
        self.receive(bytes.clone());
        bytes
    }

    /// The peer calls us: `lines` beside the usual ones, `offer` as the body.
    pub fn invited(&mut self, lines: &str, offer: &str) -> Bytes {
        let bytes = wire(
            &format!(
                "INVITE sip:us@198.51.100.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bKinvite;rport\n\
                 From: <sip:peer@192.0.2.4>;tag=peer\nTo: <sip:us@198.51.100.1>\nCall-ID: theirs@192.0.2.4\n\
                 CSeq: 1 INVITE\nContact: <sip:peer@192.0.2.4:5060>\nMax-Forwards: 70\n{lines}"
            ),
            offer,
        );
        self.receive(bytes.clone());
        bytes
    }

    /// The peer's request within the dialog, number `cseq`, in a new transaction.
    pub fn ask(&mut self, method: &str, cseq: u32, lines: &str, body: &str) -> Bytes {
        let (from, to) = self.dialog();
        self.ask_as(&from, &to, &format!("{cseq} {method}"), lines, body)
    }

    /// As [`Ua::ask`], with From and To of the test's making.
    pub fn ask_as(&mut self, from: &str, to: &str, cseq: &str, lines: &str, body: &str) -> Bytes {
        self.number += 1;
        let method = cseq.split(' ').nth(1).expect("a method");
        let call_id = self.session.as_ref().expect("a session").call_id().to_owned();
        let contact = if lines.contains("Contact:") { "" } else { "Contact: <sip:peer@192.0.2.4:5060>\n" };
        let bytes = wire(
            &format!(
                "{method} sip:us@198.51.100.1:5060 SIP/2.0\n\
                 Via: SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bKask{};rport\nFrom: {from}\nTo: {to}\n\
                 Call-ID: {call_id}\nCSeq: {cseq}\nMax-Forwards: 70\n{contact}{lines}",
                self.number
            ),
            body,
        );
        self.receive(bytes.clone());
        bytes
    }

    /// From and To of the peer's requests within the dialog.
    pub fn dialog(&self) -> (String, String) {
        let session = self.session.as_ref().expect("a session");
        let remote = String::from_utf8_lossy(session.remote().as_bytes()).into_owned();
        let local = String::from_utf8_lossy(session.local().as_bytes()).into_owned();
        (remote, local)
    }

    /// We are called, answer, and the peer acknowledges.
    pub fn talking() -> Ua {
        Ua::talking_with(
            |_| {},
            "Supported: timer, 100rel\nAllow: INVITE, UPDATE, PRACK, REFER, NOTIFY, INFO\n",
        )
    }

    pub fn talking_with(change: impl FnOnce(&mut Ua), lines: &str) -> Ua {
        let mut ua = Ua::new();
        change(&mut ua);
        ua.invited(lines, OFFER);
        ua.with(|session, now, ep| session.answer(now, ep, sdp("answer")));
        ua.ask("ACK", 1, "", "");
        ua.mark();
        ua
    }

    /// We call and the peer answers.
    pub fn called_out(lines: &str) -> Ua {
        let mut ua = Ua::new();
        ua.call_answered(lines);
        ua
    }

    /// The peer answers our call.
    pub fn call_answered(&mut self, lines: &str) {
        let invite = self.call(Some(sdp("offer")));
        self.reply(&invite, 200, "peer", lines, OFFER);
        self.mark();
    }

    fn settle(&mut self) {
        loop {
            while let Some(event) = self.session.as_mut().and_then(Session::poll_event) {
                if let (SessionEvent::Offered { .. }, Some(answer)) = (&event, self.answers.clone()) {
                    let session = self.session.as_mut().expect("it just spoke");
                    session.accept_offer(self.now, &mut self.ep, answer);
                }
                if !matches!(event, SessionEvent::Transaction(_) | SessionEvent::TransactionOver(_)) {
                    self.events.push(event);
                }
            }
            let Some(output) = self.ep.poll_output() else { break };
            self.perform(output);
        }
    }

    fn perform(&mut self, output: Output) {
        let now = self.now;
        match (output, &mut self.session) {
            (Output::Transmit { bytes, .. }, _) => {
                let mut message = Message::parse_datagram(bytes.clone()).expect("what is sent can be read");
                message.validate().expect("what is sent is valid");
                let at = self.now.since(self.marked).as_millis() as u64;
                self.sent.push(Sent { at, bytes, message });
            }
            (Output::Request { tx, flow, request }, _) => self.on_request(tx, flow, request),
            (Output::Ack { request, .. }, Some(session)) => session.handle_ack(now, &mut self.ep, &request),
            (Output::Cancelled { tx, request }, Some(session)) if session.invite_tx() == Some(tx) => {
                session.handle_cancel(now, &mut self.ep, &request);
            }
            (Output::Response { tx, response }, Some(session)) => {
                if session.owns(tx) {
                    session.handle_response(now, &mut self.ep, tx, response);
                } else {
                    discard_late_answer(now, &mut self.ep, tx, &response);
                }
            }
            (Output::TimedOut { tx }, Some(session)) => {
                session.handle_failure(now, &mut self.ep, tx, Failure::TimedOut);
            }
            (Output::TransportFailed { tx }, Some(session)) => {
                session.handle_failure(now, &mut self.ep, tx, Failure::TransportFailed);
            }
            (output, _) => self.outputs.push(output),
        }
    }

    /// What a shard does with a request.
    fn on_request(&mut self, tx: ServerTx, flow: Flow, request: Request) {
        if self.user == User::Test {
            return self.outputs.push(Output::Request { tx, flow, request });
        }
        if let Err(refusal) = self.ep.inspect(tx, &request, &Rules::SESSION) {
            return self.ep.respond(self.now, tx, *refusal);
        }
        match (DialogKey::of(&request), &mut self.session) {
            (Some(key), Some(session)) if session.dialog_key() == key => {
                session.handle_request(self.now, &mut self.ep, tx, flow, request);
            }
            (Some(_), Some(_)) => self.ep.respond(self.now, tx, Response::to(&request, 481)),
            (None, None) if request.method == Method::Invite && self.invite.is_none() => {
                let tag = self.ep.mint_tag();
                let local = self.local.clone();
                match Session::incoming(self.now, tx, flow, &request, local, tag.clone()) {
                    Ok(session) => self.session = Some(session),
                    Err(rejection) => self.ep.respond(self.now, tx, rejection.response(&request, &tag)),
                }
                self.invite = Some((tx, request));
            }
            _ => self.outputs.push(Output::Request { tx, flow, request }),
        }
    }
}

/// Who takes what the endpoint passes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum User {
    /// A session.
    Session,
    /// The test: what comes is in [`Ua::outputs`].
    Test,
}

/// A user agent without sessions: the test is the transaction user.
impl Ua {
    pub fn bare() -> Ua {
        Ua { user: User::Test, ..Ua::new() }
    }

    /// Sends a request of `method` on `flow`; as it went out.
    pub fn send(&mut self, method: Method, flow: Flow) -> (ClientTx, Request) {
        let mut request = Request::new(method.clone(), "sip:peer@192.0.2.4".parse().expect("a URI"));
        request.headers.push(HeaderName::MaxForwards, "70");
        request.headers.push(HeaderName::From, "<sip:us@198.51.100.1>;tag=us");
        request.headers.push(HeaderName::To, "<sip:peer@192.0.2.4>");
        request.headers.push(HeaderName::CallId, "ours");
        request.headers.push(HeaderName::CSeq, format!("1 {method}"));
        request.headers.push(HeaderName::Contact, "<sip:us@198.51.100.1:5060>");
        let now = self.now;
        let tx = self.ep.request(now, flow, request);
        self.settle();
        let sent = self.sent.last().expect("a request").request().clone();
        (tx, sent)
    }

    /// The peer's request, in the transaction `branch`; `None` when it began none.
    pub fn get(&mut self, flow: Flow, method: &str, branch: &str) -> Option<(ServerTx, Request)> {
        self.receive_on(flow, peers(method, branch, ""));
        self.outputs().into_iter().find_map(|output| match output {
            Output::Request { tx, request, .. } => Some((tx, request)),
            _ => None,
        })
    }

    /// Answers the peer's request with `status` and a To tag.
    pub fn respond(&mut self, tx: ServerTx, request: &Request, status: u16) {
        let mut response = Response::to(request, status);
        if status > 100 {
            response.set_to_tag("us").expect("a To");
        }
        let now = self.now;
        self.ep.respond(now, tx, response);
        self.settle();
    }

    /// The statuses that were passed up.
    pub fn heard(&mut self) -> Vec<u16> {
        let statuses = self.outputs().into_iter().filter_map(|output| match output {
            Output::Response { response, .. } => Some(response.status),
            _ => None,
        });
        statuses.collect()
    }

    /// How often the application was told that time was up.
    pub fn timed_out(&mut self) -> usize {
        self.outputs().iter().filter(|output| matches!(output, Output::TimedOut { .. })).count()
    }
}

/// A request of the peer.
pub fn peers(method: &str, branch: &str, lines: &str) -> Bytes {
    wire(
        &format!(
            "{method} sip:us@198.51.100.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.4:5060;branch={branch}\n\
             From: <sip:peer@192.0.2.4>;tag=peer\nTo: <sip:us@198.51.100.1>\nCall-ID: theirs@192.0.2.4\n\
             CSeq: 1 {method}\nContact: <sip:peer@192.0.2.4:5060>\nMax-Forwards: 70\n{lines}"
        ),
        "",
    )
}

/// `(milliseconds, word)` pairs as a table in a test writes them.
pub fn times(word: &str, at: &[u64]) -> Vec<(u64, String)> {
    at.iter().map(|at| (*at, word.to_owned())).collect()
}
