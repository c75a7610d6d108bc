//! Owns a peer's calls on the wire: what it obeys, and what its session and endpoint report.

use bytes::Bytes;
use clock::Instant;
use model::say::Key;
use sdp::{Description, Direction, KeyWay};
use sip::endpoint::{self, Flow, Rules};
use sip::session::{DialogKey, Failure, Local, Outgoing, Reach, Rel100, Session, SessionEvent, SessionTimer};
use sip::transaction::{ClientTx, ServerTx};
use sip::{HeaderName, Method, NameAddr, Request, Response, Uri};

use crate::peer::{Behaviour, Command, Happening, Output, Peer, PeerCall};

impl Peer {
    pub(crate) fn obey(&mut self, now: Instant, command: Command) {
        match command {
            Command::Register { registrar, expires } => self.register(now, registrar, expires),
            Command::Unregister => self.unregister(now),
            Command::Call { to, user } => self.call_out(now, to, &user),
            Command::Answer => self.answer(now),
            Command::Refuse(status) => {
                if let Some(call) = &mut self.call {
                    call.session.refuse(now, &mut self.endpoint, status, &[]);
                }
            }
            Command::Hold => self.reoffer(now, Direction::SendOnly),
            Command::Resume => self.reoffer(now, Direction::SendRecv),
            Command::Consult { to, user } => self.consult(now, to, &user),
            Command::Park => self.park(now),
            Command::Swap => self.swap(now),
            Command::Transfer { user } => self.transfer(now, &user),
            Command::Join => self.join(now),
            Command::CallInPlace { to, user, replaces } => {
                self.call_with(now, to, &user, vec![("Replaces".to_owned(), replaces)]);
            }
            Command::Fax => self.offer_fax(now),
            Command::SendFax(bytes) => self.send_fax(bytes),
            Command::Press(key) => self.press(now, key),
            Command::Say(sound) => self.mouth.say(sound),
            Command::HangUp => {
                if let Some(call) = self.call.as_mut().or(self.parked.as_mut()) {
                    call.session.hang_up(now, &mut self.endpoint, None, 480);
                }
            }
        }
    }

    /// Presses a key as events or tones beside what is said, or by INFO.
    fn press(&mut self, now: Instant, key: Key) {
        match (self.way, &mut self.call) {
            (KeyWay::Info, Some(call)) => {
                let body = format!("Signal={}\r\nDuration=160\r\n", key.as_char());
                call.session.send_info(now, &mut self.endpoint, "application/dtmf-relay", body.into());
            }
            _ => self.mouth.press(now, key),
        }
    }

    fn consult(&mut self, now: Instant, to: std::net::SocketAddr, user: &str) {
        if self.parked.is_none() {
            self.park(now);
            if self.call.is_none() && self.parked.is_some() {
                self.call_out(now, to, user);
            }
        }
    }

    fn park(&mut self, now: Instant) {
        if self.parked.is_some() || self.call.as_ref().is_none_or(|call| call.agreed.is_none()) {
            return;
        }
        self.reoffer(now, Direction::SendOnly);
        self.parked = self.call.take();
    }

    fn swap(&mut self, now: Instant) {
        if self.parked.is_none() || self.call.as_ref().is_none_or(|call| call.agreed.is_none()) {
            return;
        }
        self.reoffer(now, Direction::SendOnly);
        std::mem::swap(&mut self.call, &mut self.parked);
        self.reoffer(now, Direction::SendRecv);
    }

    fn transfer(&mut self, now: Instant, user: &str) {
        let target = format!("<sip:{user}@{}>", self.config.domain);
        if let Some(call) = &mut self.call {
            call.session.refer(now, &mut self.endpoint, &target, &[]);
        }
    }

    fn join(&mut self, now: Instant) {
        let Some(replaces) = self.replaces() else { return };
        let escaped: String = replaces
            .chars()
            .map(|c| match c {
                ';' => "%3B".to_owned(),
                '=' => "%3D".to_owned(),
                '@' => "%40".to_owned(),
                c => c.to_string(),
            })
            .collect();
        let Some(user) = self.call.as_ref().and_then(|call| call.session.remote().uri().user()) else {
            return;
        };
        let target = format!("<sip:{user}@{}?Replaces={escaped}>", self.config.domain);
        if let Some(call) = &mut self.parked {
            call.session.refer(now, &mut self.endpoint, &target, &[]);
        }
    }

    fn call_out(&mut self, now: Instant, to: std::net::SocketAddr, user: &str) {
        self.call_with(now, to, user, Vec::new());
    }

    fn call_with(
        &mut self,
        now: Instant,
        to: std::net::SocketAddr,
        user: &str,
        headers: Vec<(String, String)>,
    ) {
        let offer = sdp::offer(&self.local(1, Direction::SendRecv));
        let Some(outgoing) = self.outgoing(to, user, offer.clone()) else {
            return self.happened(Happening::Refused(400));
        };
        let outgoing = Outgoing { headers, ..outgoing };
        let session = Session::outgoing(now, &mut self.endpoint, Flow::udp(0, to), outgoing);
        self.call = Some(PeerCall {
            session,
            invite: None,
            offer: Description::parse(&offer).ok(),
            offered_by_peer: None,
            agreed: None,
            direction: Direction::SendRecv,
            version: 1,
            fax: None,
            answer_at: None,
        });
    }

    fn outgoing(&mut self, to: std::net::SocketAddr, user: &str, offer: Bytes) -> Option<Outgoing> {
        let host = if to.is_ipv6() { format!("[{}]", to.ip()) } else { to.ip().to_string() };
        let target = Uri::sip(Some(user), &host, Some(to.port())).ok()?;
        let own = Uri::sip(Some(&self.config.user), &self.config.domain, None).ok()?;
        Some(Outgoing {
            to: NameAddr::new(None, &target),
            request_uri: target,
            from: NameAddr::new(self.config.display.as_deref(), &own),
            call_id: self.endpoint.mint_call_id(),
            route: Vec::new(),
            headers: Vec::new(),
            sdp: Some(offer),
            hops: Outgoing::HOPS,
            login: self.login(),
            local: self.local_party()?,
        })
    }

    fn local_party(&self) -> Option<Local> {
        let (timer, rel100) = (SessionTimer::Off, Rel100::Supported);
        Some(Local { contact: self.contact()?, timer, rel100, reach: Reach::Source })
    }

    fn answer(&mut self, now: Instant) {
        let Some(version) = self.call.as_ref().map(|call| call.version) else { return };
        let local = self.local(version, Direction::SendRecv);
        let Some(call) = &mut self.call else { return };
        call.answer_at = None;
        let offered = call.offered_by_peer.take();
        let body = match offered.as_deref().map(Description::parse) {
            Some(Ok(offer)) => match sdp::answer(&offer, &local) {
                Ok((body, agreed)) => {
                    call.agreed = Some(agreed);
                    body
                }
                Err(_) => return call.session.refuse(now, &mut self.endpoint, 488, &[]),
            },
            Some(Err(_)) => return call.session.refuse(now, &mut self.endpoint, 400, &[]),
            None => {
                let offer = sdp::offer(&local);
                call.offer = Description::parse(&offer).ok();
                offer
            }
        };
        call.session.answer(now, &mut self.endpoint, body);
        self.mouth.open(now);
    }

    fn reoffer(&mut self, now: Instant, direction: Direction) {
        let Some(call) = &mut self.call else { return };
        call.version += 1;
        call.direction = direction;
        let version = call.version;
        let offer = sdp::offer(&self.local(version, direction));
        let Some(call) = &mut self.call else { return };
        call.offer = Description::parse(&offer).ok();
        call.session.offer(now, &mut self.endpoint, offer);
    }

    /// Carries out everything that endpoint and session have to say.
    pub(crate) fn settle(&mut self, now: Instant) {
        loop {
            if let Some(output) = self.endpoint.poll_output() {
                self.on_endpoint(now, output);
            } else if let Some(event) = self.call.as_mut().and_then(|call| call.session.poll_event()) {
                self.on_session(now, event);
            } else if let Some(event) = self.parked.as_mut().and_then(|call| call.session.poll_event()) {
                self.on_parked_session(now, event);
            } else {
                break;
            }
        }
        for session in &mut self.closing {
            while session.poll_event().is_some() {}
        }
        self.closing.retain(|session| !session.is_over());
    }

    /// Time has passed for sessions and registration.
    pub(crate) fn tick(&mut self, now: Instant) {
        let call = self.call.iter_mut().chain(&mut self.parked).map(|call| &mut call.session);
        for session in call.chain(&mut self.closing) {
            session.handle_timeout(now, &mut self.endpoint);
        }
        if self.call.as_ref().is_some_and(|call| call.answer_at.is_some_and(|due| due <= now)) {
            self.answer(now);
        }
        self.refresh_registration(now);
    }

    fn on_endpoint(&mut self, now: Instant, output: endpoint::Output) {
        match output {
            endpoint::Output::Transmit { flow, bytes } => {
                self.out.push_back(Output::Sip { to: flow.remote, bytes });
            }
            endpoint::Output::Request { tx, flow, request } => self.on_request(now, tx, flow, request),
            endpoint::Output::Ack { request, .. } => {
                if let Some(place) = DialogKey::of(&request).and_then(|key| self.session_by_key(&key)) {
                    self.with_session(place, |session, endpoint| session.handle_ack(now, endpoint, &request));
                }
            }
            endpoint::Output::Cancelled { tx, request } => {
                if let Some(call) = self.call.as_mut().filter(|call| call.invite == Some(tx)) {
                    call.session.handle_cancel(now, &mut self.endpoint, &request);
                }
            }
            endpoint::Output::Response { tx, response } if self.is_registering(tx) => {
                self.on_register_response(now, &response);
            }
            endpoint::Output::Response { tx, response } => match self.session_by_tx(tx) {
                Some(place) => {
                    self.with_session(place, |s, endpoint| s.handle_response(now, endpoint, tx, response));
                }
                None => sip::session::discard_late_answer(now, &mut self.endpoint, tx, &response),
            },
            endpoint::Output::TimedOut { tx } | endpoint::Output::TransportFailed { tx }
                if self.is_registering(tx) =>
            {
                self.on_register_failed();
            }
            endpoint::Output::TimedOut { tx } => self.on_failure(now, tx, Failure::TimedOut),
            endpoint::Output::TransportFailed { tx } => self.on_failure(now, tx, Failure::TransportFailed),
            // A peer takes every call, so that none is turned away.
            endpoint::Output::Unacknowledged { .. }
            | endpoint::Output::Dropped { .. }
            | endpoint::Output::TurnedAway { .. } => {}
        }
    }

    fn on_failure(&mut self, now: Instant, tx: ClientTx, failure: Failure) {
        if let Some(place) = self.session_by_tx(tx) {
            self.with_session(place, |session, endpoint| session.handle_failure(now, endpoint, tx, failure));
        }
    }

    fn on_request(&mut self, now: Instant, tx: ServerTx, flow: Flow, request: Request) {
        if let Err(refusal) = self.endpoint.inspect(tx, &request, &Rules::SESSION) {
            return self.endpoint.respond(now, tx, *refusal);
        }
        if request.to_tag().is_some() {
            match DialogKey::of(&request).and_then(|key| self.session_by_key(&key)) {
                Some(place) => {
                    self.with_session(place, |s, endpoint| {
                        s.handle_request(now, endpoint, tx, flow, request)
                    });
                }
                None => self.respond(now, tx, &request, 481),
            }
            return;
        }
        match request.method {
            Method::Invite => self.on_invite(now, tx, flow, &request),
            Method::Options => self.respond(now, tx, &request, 200),
            _ => self.respond(now, tx, &request, 481),
        }
    }

    fn on_invite(&mut self, now: Instant, tx: ServerTx, flow: Flow, request: &Request) {
        if self.call.is_some() {
            return self.respond(now, tx, request, 486);
        }
        let tag = self.endpoint.mint_tag();
        let Some(local) = self.local_party() else { return };
        let session = match Session::incoming(now, tx, flow, request, local, tag.clone()) {
            Ok(session) => session,
            Err(rejection) => return self.endpoint.respond(now, tx, rejection.response(request, &tag)),
        };
        let from = request.headers.from().ok();
        let name = from.as_ref().and_then(|from| from.display()).map(|name| name.into_owned());
        let number = from.as_ref().and_then(|from| from.uri().user()).unwrap_or_default().into_owned();
        let mut call = PeerCall {
            session,
            invite: Some(tx),
            offer: None,
            offered_by_peer: (!request.body.is_empty()).then(|| request.body.clone()),
            agreed: None,
            direction: Direction::SendRecv,
            version: 1,
            fax: None,
            answer_at: None,
        };
        match self.config.behaviour {
            Behaviour::Refuse(status) => call.session.refuse(now, &mut self.endpoint, status, &[]),
            Behaviour::Ring | Behaviour::Ignore => call.session.ring(now, &mut self.endpoint, 180, None),
            Behaviour::AnswerAfter(length) => {
                call.session.ring(now, &mut self.endpoint, 180, None);
                call.answer_at = Some(now + length);
            }
        }
        self.call = Some(call);
        self.happened(Happening::Called { name, number });
    }

    fn respond(&mut self, now: Instant, tx: ServerTx, request: &Request, status: u16) {
        let mut response = Response::to(request, status);
        if request.to_tag().is_none() {
            let tag = self.endpoint.mint_tag();
            // invariant: the endpoint passes on requests with a usable To only.
            let _checked = response.set_to_tag(&tag);
        }
        response.headers.push(HeaderName::Allow, Rules::ALLOW);
        self.endpoint.respond(now, tx, response);
    }

    fn on_session(&mut self, now: Instant, event: SessionEvent) {
        match event {
            SessionEvent::Progress { status, sdp, .. } => {
                self.take_answer(now, sdp.as_deref());
                self.happened(Happening::Progress(status));
            }
            SessionEvent::Answered { sdp } => {
                self.take_answer(now, sdp.as_deref());
                self.happened(Happening::Answered);
            }
            SessionEvent::Acknowledged { sdp } => {
                self.take_answer(now, sdp.as_deref());
                self.happened(Happening::Confirmed);
            }
            SessionEvent::OfferAccepted { sdp } => self.take_answer(now, sdp.as_deref()),
            SessionEvent::Offered { sdp } => self.on_offered(now, sdp),
            SessionEvent::Info { body, .. } => {
                let text = String::from_utf8_lossy(&body);
                let signal = text.lines().find_map(|line| line.strip_prefix("Signal="));
                let key = signal.and_then(|signal| Key::from_char(signal.trim().chars().next()?));
                if let Some(key) = key {
                    self.happened(Happening::Key(key));
                }
            }
            SessionEvent::Refused { status, .. } => self.leave(Happening::Refused(status)),
            SessionEvent::Cancelled { .. } => self.leave(Happening::Cancelled),
            SessionEvent::Ended { .. } => self.leave(Happening::Ended),
            SessionEvent::Transferred { tx, .. } => {
                if let Some(call) = &mut self.call {
                    call.session.refuse_request(now, &mut self.endpoint, tx, 603);
                }
            }
            SessionEvent::ReferProgress { status } => self.happened(Happening::Transferred(status)),
            SessionEvent::OfferRefused { status } => self.happened(Happening::OfferRefused(status)),
            SessionEvent::Transaction(_) | SessionEvent::TransactionOver(_) => {}
        }
    }

    /// What happens to a call that is put aside.
    fn on_parked_session(&mut self, now: Instant, event: SessionEvent) {
        let direction = Direction::SendOnly;
        match event {
            SessionEvent::OfferAccepted { sdp: Some(answer) } => {
                let Some(call) = &mut self.parked else { return };
                if let (Some(offer), Ok(answer)) = (&call.offer, Description::parse(&answer))
                    && let Ok(agreed) = sdp::accept(offer, &answer)
                {
                    call.agreed = Some(agreed);
                }
            }
            SessionEvent::Offered { sdp } => {
                let Some(version) = self.parked.as_mut().map(|call| {
                    call.version += 1;
                    call.version
                }) else {
                    return;
                };
                let local = self.local(version, direction);
                let Some(call) = &mut self.parked else { return };
                match sdp.as_deref().map(Description::parse) {
                    Some(Ok(offer)) => match sdp::answer(&offer, &local) {
                        Ok((answer, agreed)) => {
                            call.agreed = Some(agreed);
                            call.session.accept_offer(now, &mut self.endpoint, answer);
                        }
                        Err(_) => call.session.refuse_offer(now, &mut self.endpoint, 488),
                    },
                    Some(Err(_)) => call.session.refuse_offer(now, &mut self.endpoint, 400),
                    None => {
                        let offer = sdp::offer(&local);
                        call.offer = Description::parse(&offer).ok();
                        call.session.accept_offer(now, &mut self.endpoint, offer);
                    }
                }
            }
            SessionEvent::ReferProgress { status } => self.happened(Happening::Transferred(status)),
            SessionEvent::Transferred { tx, .. } => {
                if let Some(call) = &mut self.parked {
                    call.session.refuse_request(now, &mut self.endpoint, tx, 603);
                }
            }
            SessionEvent::Ended { .. } | SessionEvent::Refused { .. } | SessionEvent::Cancelled { .. } => {
                if let Some(call) = self.parked.take() {
                    self.closing.push(call.session);
                }
                self.happened(Happening::Ended);
            }
            _ => {}
        }
    }

    fn take_answer(&mut self, now: Instant, answer: Option<&[u8]>) {
        let Some(Ok(answer)) = answer.map(Description::parse) else { return };
        if self.takes_fax(&answer) {
            return;
        }
        let Some(call) = &mut self.call else { return };
        let Some(offer) = &call.offer else { return };
        if let Ok(agreed) = sdp::accept(offer, &answer) {
            call.fax = None;
            call.agreed = Some(agreed);
            self.mouth.open(now);
        }
    }

    fn on_offered(&mut self, now: Instant, sdp: Option<Bytes>) {
        let Some(call) = &mut self.call else { return };
        call.version += 1;
        let (version, direction) = (call.version, call.direction);
        let local = self.local(version, direction);
        let offer = sdp.as_deref().map(Description::parse);
        if let Some(Ok(offer)) = &offer
            && self.is_offered_fax(now, offer)
        {
            return;
        }
        let Some(call) = &mut self.call else { return };
        match offer {
            Some(Ok(offer)) => match sdp::answer(&offer, &local) {
                Ok((answer, agreed)) => {
                    call.fax = None;
                    call.agreed = Some(agreed);
                    call.session.accept_offer(now, &mut self.endpoint, answer);
                    self.happened(Happening::Changed(agreed.direction));
                }
                Err(_) => call.session.refuse_offer(now, &mut self.endpoint, 488),
            },
            Some(Err(_)) => call.session.refuse_offer(now, &mut self.endpoint, 400),
            None => {
                let offer = sdp::offer(&local);
                call.offer = Description::parse(&offer).ok();
                call.session.accept_offer(now, &mut self.endpoint, offer);
            }
        }
    }

    fn leave(&mut self, happening: Happening) {
        if let Some(call) = self.call.take() {
            self.closing.push(call.session);
        }
        self.mouth.close();
        self.happened(happening);
    }

    fn session_by_key(&self, key: &DialogKey) -> Option<Place> {
        self.place_of(|session| session.dialog_key() == *key)
    }

    fn session_by_tx(&self, tx: ClientTx) -> Option<Place> {
        self.place_of(|session| session.owns(tx))
    }

    fn place_of(&self, wanted: impl Fn(&Session) -> bool) -> Option<Place> {
        if self.call.as_ref().is_some_and(|call| wanted(&call.session)) {
            return Some(Place::Call);
        }
        if self.parked.as_ref().is_some_and(|call| wanted(&call.session)) {
            return Some(Place::Parked);
        }
        self.closing.iter().position(wanted).map(Place::Closing)
    }

    fn with_session(&mut self, place: Place, act: impl FnOnce(&mut Session, &mut endpoint::Endpoint)) {
        let session = match place {
            Place::Call => self.call.as_mut().map(|call| &mut call.session),
            Place::Parked => self.parked.as_mut().map(|call| &mut call.session),
            Place::Closing(at) => self.closing.get_mut(at),
        };
        if let Some(session) = session {
            act(session, &mut self.endpoint);
        }
    }
}

/// What an INVITE writes in Replaces that wants this session's place at its peer: the tags as the peer sees them.
pub(crate) fn replaces_of(session: &Session) -> Option<String> {
    let (own, other) = (session.local().tag()?, session.remote_tag()?);
    Some(format!("{};to-tag={other};from-tag={own}", session.call_id()))
}

/// Where a session is.
#[derive(Clone, Copy, Debug)]
enum Place {
    Call,
    Parked,
    Closing(usize),
}
