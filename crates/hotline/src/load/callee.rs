//! Owns the answering side: every INVITE rings and is answered, everything else is agreed to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use clock::Instant;
use sip::{Message, Method, Request};

use super::lanes::Lanes;
use super::options::Options;
use super::post::Post;
use super::voice::Voice;
use super::wire::{self, Side};

/// All calls of the answering side.
pub(super) struct Callee {
    side: Side,
    description: String,
    ring: Duration,
    calls: HashMap<Box<str>, Call>,
    due: Lanes<(Box<str>, Due)>,
    /// Requests of the switch that came again.
    repeated: u64,
    answered: u32,
}

struct Call {
    /// This side's own count, by which its audio is known.
    number: u32,
    from: SocketAddr,
    /// Our last response, to be repeated.
    last: Vec<u8>,
    audio: Option<SocketAddr>,
    stage: Stage,
}

enum Stage {
    Ringing(Box<Request>),
    /// 200 sent so many times.
    Answered(u32),
    Talking,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Answer,
    /// The 200 is sent again until its ACK (RFC 3261 §13.3.1.4).
    Repeat,
}

impl Callee {
    pub fn new(options: &Options, side: Side) -> Callee {
        Callee {
            description: side.description(),
            side,
            ring: options.ring,
            calls: HashMap::new(),
            due: Lanes::default(),
            repeated: 0,
            answered: 0,
        }
    }

    /// When [`Callee::tick`] has something to do.
    pub fn due(&self) -> Option<Instant> {
        self.due.due()
    }

    /// How many messages this side had to send or to hear again.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant, post: &mut Post) {
        while let Some((call_id, due)) = self.due.pop(now) {
            match due {
                Due::Answer => self.answer(now, &call_id, post),
                Due::Repeat => {
                    let Some(call) = self.calls.get_mut(&call_id) else { continue };
                    let Stage::Answered(times) = &mut call.stage else { continue };
                    if *times >= MOST_TIMES {
                        self.calls.remove(&call_id);
                        continue;
                    }
                    *times += 1;
                    let wait = (T1 * 2u32.saturating_pow(*times - 1)).min(T2);
                    self.repeated += 1;
                    post.send(call.from, |bytes| bytes.extend_from_slice(&call.last));
                    self.due.set(now, wait, (call_id, Due::Repeat));
                }
            }
        }
    }

    /// A datagram of the switch.
    pub fn receive(
        &mut self,
        now: Instant,
        from: SocketAddr,
        bytes: &[u8],
        post: &mut Post,
        voice: Option<&mut Voice>,
    ) {
        let parsed = Message::parse_datagram(bytes::Bytes::copy_from_slice(bytes));
        let Ok(Message::Request(request)) = parsed else { return };
        let Ok(call_id) = request.headers.call_id().map(Box::<str>::from) else { return };
        match request.method {
            Method::Invite => self.on_invite(now, from, call_id, request, post),
            Method::Ack => self.on_ack(&call_id, voice),
            Method::Cancel => self.on_cancel(from, &call_id, &request, post),
            _ => {
                let ends = request.method == Method::Bye;
                self.respond(from, &request, 200, "", post);
                let call = if ends { self.calls.remove(&call_id) } else { None };
                if let (Some(call), Some(voice)) = (call, voice) {
                    voice.silence_callee(call.number);
                }
            }
        }
    }

    fn on_invite(
        &mut self,
        now: Instant,
        from: SocketAddr,
        call_id: Box<str>,
        request: Request,
        post: &mut Post,
    ) {
        if request.to_tag().is_some() {
            // Within the call: nothing changes.
            let answer = wire::respond(&request, 200, self.side.local, &self.description);
            return post.send(from, |bytes| bytes.extend_from_slice(&answer));
        }
        if let Some(call) = self.calls.get(&call_id) {
            self.repeated += 1;
            return post.send(from, |bytes| bytes.extend_from_slice(&call.last));
        }
        let last = wire::respond(&request, 180, self.side.local, "");
        post.send(from, |bytes| bytes.extend_from_slice(&last));
        let number = self.answered;
        self.answered += 1;
        let audio = wire::audio_of(&request.body);
        let stage = Stage::Ringing(Box::new(request));
        self.calls.insert(call_id.clone(), Call { number, from, last, audio, stage });
        if self.ring.is_zero() {
            self.answer(now, &call_id, post);
        } else {
            self.due.set(now, self.ring, (call_id, Due::Answer));
        }
    }

    fn answer(&mut self, now: Instant, call_id: &str, post: &mut Post) {
        let Some(call) = self.calls.get_mut(call_id) else { return };
        let Stage::Ringing(request) = &call.stage else { return };
        call.last = wire::respond(request, 200, self.side.local, &self.description);
        call.stage = Stage::Answered(1);
        post.send(call.from, |bytes| bytes.extend_from_slice(&call.last));
        self.due.set(now, T1, (call_id.into(), Due::Repeat));
    }

    fn on_ack(&mut self, call_id: &str, voice: Option<&mut Voice>) {
        let Some(call) = self.calls.get_mut(call_id) else { return };
        if !matches!(call.stage, Stage::Answered(_)) {
            return;
        }
        call.stage = Stage::Talking;
        if let (Some(voice), Some(audio)) = (voice, call.audio) {
            voice.speak_as_callee(call.number, audio);
        }
    }

    fn on_cancel(&mut self, from: SocketAddr, call_id: &str, request: &Request, post: &mut Post) {
        self.respond(from, request, 200, "", post);
        let call = self.calls.remove(call_id);
        if let Some(Call { stage: Stage::Ringing(invite), .. }) = call {
            self.respond(from, &invite, 487, "", post);
        }
    }

    fn respond(&self, to: SocketAddr, request: &Request, status: u16, description: &str, post: &mut Post) {
        let answer = wire::respond(request, status, self.side.local, description);
        post.send(to, |bytes| bytes.extend_from_slice(&answer));
    }
}

/// RFC 3261 §17.1.1.1.
const T1: Duration = Duration::from_millis(500);
/// RFC 3261 §17.1.2.1.
const T2: Duration = Duration::from_secs(4);
/// A 200 is sent for 64 × T1 (RFC 3261 §13.3.1.4).
const MOST_TIMES: u32 = 11;
