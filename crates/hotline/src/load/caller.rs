//! Owns the calling side: INVITE, its repetitions and its end, ACK, the talk, BYE.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use clock::Instant;
use sip::{HeaderName, Message, Method, Request, Response};

use super::lanes::Lanes;
use super::options::Options;
use super::post::Post;
use super::report::{Calls, Spread, Summary};
use super::voice::Voice;
use super::wire::{self, Side, put, put_body};

/// All calls of the calling side.
pub(super) struct Caller {
    to: SocketAddr,
    number: String,
    from: String,
    side: Side,
    description: String,
    hold: Duration,
    /// Of this run: what comes for another run's call is passed over.
    run: u32,
    calls: HashMap<u32, Call>,
    due: Lanes<(u32, Due)>,
    figures: Calls,
    setup: Spread,
    talking: usize,
}

struct Call {
    stage: Stage,
    began: Instant,
    /// The request or ACK that was sent last, to be repeated.
    sent: Box<[u8]>,
    /// Times it was sent.
    times: u32,
    peer: Peer,
}

/// What the answer told of the peer.
#[derive(Default)]
struct Peer {
    to: Box<[u8]>,
    target: Box<[u8]>,
    routes: Vec<Box<[u8]>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// INVITE sent; nothing came.
    Inviting,
    /// A provisional response came.
    Ringing,
    Talking,
    /// BYE sent.
    Ending,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    /// The request of this stage is sent again (RFC 3261 §17.1.1.2, §17.1.2.2).
    Repeat(Stage),
    /// The stage has lasted too long.
    GiveUp(Stage),
    HangUp,
}

impl Caller {
    pub fn new(options: &Options, side: Side) -> Caller {
        Caller {
            to: options.to,
            number: options.number.clone(),
            from: options.from.clone(),
            description: side.description(),
            side,
            hold: options.hold,
            run: std::process::id(),
            calls: HashMap::new(),
            due: Lanes::default(),
            figures: Calls::default(),
            setup: Spread::default(),
            talking: 0,
        }
    }

    /// Calls that are answered and not yet ended.
    pub fn talking(&self) -> usize {
        self.talking
    }

    /// Whether every call that has not ended talks.
    pub fn all_talk(&self) -> bool {
        self.talking > 0 && self.talking == self.calls.len()
    }

    /// Whether every call that began has ended.
    pub fn is_done(&self) -> bool {
        self.calls.is_empty()
    }

    /// When [`Caller::tick`] has something to do.
    pub fn due(&self) -> Option<Instant> {
        self.due.due()
    }

    /// What was counted, and how long set-ups took.
    pub fn into_figures(self) -> (Calls, Summary) {
        (self.figures, self.setup.summary())
    }

    /// Begins call `number`.
    pub fn begin(&mut self, now: Instant, number: u32, post: &mut Post) {
        let mut sent = Vec::with_capacity(1_024);
        self.write_head(&mut sent, number, "INVITE", 1, &Peer::default());
        put!(sent, "Contact: <sip:load@{}>\r\n", self.side.local);
        put_body(&mut sent, &self.description);
        post.send(self.to, |bytes| bytes.extend_from_slice(&sent));
        let stage = Stage::Inviting;
        let (sent, peer) = (sent.into_boxed_slice(), Peer::default());
        self.calls.insert(number, Call { stage, began: now, sent, times: 1, peer });
        self.figures.begun += 1;
        self.due.set(now, T1, (number, Due::Repeat(stage)));
        self.due.set(now, GIVE_UP, (number, Due::GiveUp(stage)));
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant, post: &mut Post, mut voice: Option<&mut Voice>) {
        while let Some((number, due)) = self.due.pop(now) {
            match due {
                Due::Repeat(stage) => self.repeat(now, number, stage, post),
                Due::GiveUp(stage) => self.give_up(number, stage),
                Due::HangUp => {
                    if let Some(voice) = voice.as_deref_mut() {
                        voice.silence_caller(number);
                    }
                    self.hang_up(now, number, post);
                }
            }
        }
    }

    fn repeat(&mut self, now: Instant, number: u32, stage: Stage, post: &mut Post) {
        let Some(call) = self.calls.get_mut(&number).filter(|call| call.stage == stage) else { return };
        call.times += 1;
        let mut wait = T1 * 2u32.saturating_pow(call.times - 1);
        if stage == Stage::Ending {
            wait = wait.min(T2);
        }
        self.figures.retransmitted += 1;
        post.send(self.to, |bytes| bytes.extend_from_slice(&call.sent));
        self.due.set(now, wait, (number, Due::Repeat(stage)));
    }

    fn give_up(&mut self, number: u32, stage: Stage) {
        // An INVITE that rings has the time of those that hear nothing.
        let lasts = |call: &Call| match stage {
            Stage::Inviting => matches!(call.stage, Stage::Inviting | Stage::Ringing),
            _ => call.stage == stage,
        };
        if self.calls.get(&number).is_some_and(lasts) {
            let why = if stage == Stage::Ending { "bye-timeout" } else { "timeout" };
            self.end(number, Some(why.to_owned()));
        }
    }

    fn hang_up(&mut self, now: Instant, number: u32, post: &mut Post) {
        let Some(mut call) = self.calls.remove(&number) else { return };
        if call.stage == Stage::Talking {
            let mut sent = Vec::with_capacity(512);
            self.write_head(&mut sent, number, "BYE", 2, &call.peer);
            put_body(&mut sent, "");
            post.send(self.to, |bytes| bytes.extend_from_slice(&sent));
            call.sent = sent.into_boxed_slice();
            (call.stage, call.times) = (Stage::Ending, 1);
            self.talking -= 1;
            self.due.set(now, T1, (number, Due::Repeat(Stage::Ending)));
            self.due.set(now, GIVE_UP, (number, Due::GiveUp(Stage::Ending)));
        }
        self.calls.insert(number, call);
    }

    /// A datagram of the switch.
    pub fn receive(&mut self, now: Instant, bytes: &[u8], post: &mut Post, voice: Option<&mut Voice>) {
        match Message::parse_datagram(bytes::Bytes::copy_from_slice(bytes)) {
            Ok(Message::Response(response)) => self.on_response(now, &response, post, voice),
            Ok(Message::Request(request)) => self.on_request(&request, post, voice),
            Err(_) => self.figures.garbled += 1,
        }
    }

    fn on_response(&mut self, now: Instant, response: &Response, post: &mut Post, voice: Option<&mut Voice>) {
        let Some(number) = self.number_of(&response.headers) else { return };
        let Ok(cseq) = response.headers.cseq() else { return };
        let Some(call) = self.calls.get_mut(&number) else {
            // A repeated 200 to a call that is over, or a late answer to BYE.
            return;
        };
        match (call.stage, cseq.method) {
            (Stage::Inviting | Stage::Ringing, Method::Invite) => match response.status {
                100..200 => call.stage = Stage::Ringing,
                200..300 => self.answered(now, number, response, post, voice),
                status => {
                    self.write_refusal_ack(number, response, post);
                    self.end(number, Some(status.to_string()));
                }
            },
            (Stage::Talking, Method::Invite) if response.is_success() => {
                self.figures.answers_repeated += 1;
                post.send(self.to, |bytes| bytes.extend_from_slice(&call.sent));
            }
            (Stage::Ending, Method::Bye) if response.status >= 200 => {
                let failed = (response.status >= 300).then(|| format!("bye-{}", response.status));
                self.end(number, failed);
            }
            _ => {}
        }
    }

    fn answered(
        &mut self,
        now: Instant,
        number: u32,
        response: &Response,
        post: &mut Post,
        voice: Option<&mut Voice>,
    ) {
        let boxed = |bytes: &[u8]| bytes.to_vec().into_boxed_slice();
        let contact = response.headers.contact().ok().flatten();
        let to = response.headers.get(HeaderName::To).map(boxed).unwrap_or_default();
        let target = contact.map(|contact| boxed(contact.uri().as_bytes())).unwrap_or_default();
        // RFC 3261 §12.1.2: in reverse.
        let mut routes: Vec<_> = response.headers.elements(HeaderName::RecordRoute).map(boxed).collect();
        routes.reverse();
        let peer = Peer { to, target, routes };
        let mut ack = Vec::with_capacity(512);
        self.write_head(&mut ack, number, "ACK", 1, &peer);
        put_body(&mut ack, "");
        post.send(self.to, |bytes| bytes.extend_from_slice(&ack));
        let Some(call) = self.calls.get_mut(&number) else { return };
        self.setup.add(now.since(call.began));
        call.stage = Stage::Talking;
        call.sent = ack.into_boxed_slice();
        call.peer = peer;
        self.figures.answered += 1;
        self.talking += 1;
        self.due.set(now, self.hold, (number, Due::HangUp));
        if let (Some(voice), Some(audio)) = (voice, wire::audio_of(&response.body)) {
            voice.speak_as_caller(number, audio);
        }
    }

    /// What the switch asks of the calling side in a call.
    fn on_request(&mut self, request: &Request, post: &mut Post, voice: Option<&mut Voice>) {
        if request.method == Method::Ack {
            return;
        }
        let description = if request.method == Method::Invite { self.description.as_str() } else { "" };
        let answer = wire::respond(request, 200, self.side.local, description);
        post.send(self.to, |bytes| bytes.extend_from_slice(&answer));
        let ours = self.number_of(&request.headers).filter(|_| request.method == Method::Bye);
        let Some(number) = ours else { return };
        if let Some(voice) = voice {
            voice.silence_caller(number);
        }
        match self.calls.get(&number).map(|call| call.stage) {
            Some(Stage::Talking) => {
                self.talking -= 1;
                self.end(number, Some("ended-by-switch".to_owned()));
            }
            Some(Stage::Ending) => self.end(number, None),
            Some(Stage::Inviting | Stage::Ringing) | None => {}
        }
    }

    fn end(&mut self, number: u32, failed: Option<String>) {
        self.calls.remove(&number);
        match failed {
            None => self.figures.completed += 1,
            Some(why) => *self.figures.failed.entry(why).or_default() += 1,
        }
    }

    /// The call that these headers belong to, if it is of this run.
    fn number_of(&self, headers: &sip::Headers) -> Option<u32> {
        let call_id = headers.call_id().ok()?;
        let (number, rest) = call_id.split_once('-')?;
        let (run, _) = rest.split_once('@')?;
        (run.parse() == Ok(self.run)).then(|| number.parse().ok())?
    }

    fn write_head(&self, to: &mut Vec<u8>, number: u32, method: &str, cseq: u32, peer: &Peer) {
        let (run, local, switch) = (self.run, self.side.local, self.to);
        put!(to, "{method} ");
        match peer.target.is_empty() {
            true => put!(to, "sip:{}@{switch}", self.number),
            false => to.extend_from_slice(&peer.target),
        }
        put!(
            to,
            " SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{number}-{run}-{method};rport\r\nMax-Forwards: 70\r\n"
        );
        for route in &peer.routes {
            to.extend_from_slice(b"Route: ");
            to.extend_from_slice(route);
            to.extend_from_slice(b"\r\n");
        }
        put!(to, "From: <sip:{}@{local}>;tag={number}\r\nTo: ", self.from);
        match peer.to.is_empty() {
            true => put!(to, "<sip:{}@{switch}>", self.number),
            false => to.extend_from_slice(&peer.to),
        }
        put!(to, "\r\nCall-ID: {number}-{run}@{}\r\nCSeq: {cseq} {method}\r\n", local.ip());
    }

    /// RFC 3261 §17.1.1.3: on the branch of the INVITE.
    fn write_refusal_ack(&self, number: u32, response: &Response, post: &mut Post) {
        let (run, local, switch) = (self.run, self.side.local, self.to);
        post.send(self.to, |to| {
            put!(
                to,
                "ACK sip:{}@{switch} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{number}-{run}-INVITE;rport\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:{}@{local}>;tag={number}\r\nTo: ",
                self.number,
                self.from
            );
            to.extend_from_slice(response.headers.get(HeaderName::To).unwrap_or_default());
            put!(to, "\r\nCall-ID: {number}-{run}@{}\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n", local.ip());
        });
    }
}

/// How calls that failed are counted: by status, or by a word.
pub(super) type Failures = BTreeMap<String, u32>;

/// RFC 3261 §17.1.1.1.
const T1: Duration = Duration::from_millis(500);
/// RFC 3261 §17.1.2.1.
const T2: Duration = Duration::from_secs(4);
/// 64 × T1.
const GIVE_UP: Duration = Duration::from_secs(32);
