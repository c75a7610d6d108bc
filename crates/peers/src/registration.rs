//! Owns a peer's binding at a registrar: REGISTER, the answer to its challenge, the refresh. RFC 3261 §10.2.

use std::net::SocketAddr;
use std::time::Duration;

use clock::Instant;
use sip::endpoint::Flow;
use sip::transaction::ClientTx;
use sip::{HeaderName, Method, NameAddr, Request, Response, Uri};

use crate::peer::{Happening, Peer};

/// A binding that is sought or stands.
#[derive(Debug)]
pub(crate) struct Registration {
    registrar: SocketAddr,
    expires: Duration,
    call_id: String,
    cseq: u32,
    pending: Option<(ClientTx, Request)>,
    answered: u32,
    refresh_at: Option<Instant>,
}

impl Registration {
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.refresh_at
    }
}

impl Peer {
    pub(crate) fn register(&mut self, now: Instant, registrar: SocketAddr, expires: Duration) {
        let call_id = match &self.registration {
            Some(known) => known.call_id.clone(),
            None => self.endpoint.mint_call_id(),
        };
        let cseq = self.registration.as_ref().map_or(1, |known| known.cseq + 1);
        self.registration = Some(Registration {
            registrar,
            expires,
            call_id,
            cseq,
            pending: None,
            answered: 0,
            refresh_at: None,
        });
        self.send_register(now);
    }

    pub(crate) fn unregister(&mut self, now: Instant) {
        if let Some(known) = &self.registration {
            let registrar = known.registrar;
            self.register(now, registrar, Duration::ZERO);
        }
    }

    pub(crate) fn refresh_registration(&mut self, now: Instant) {
        let Some(known) = &mut self.registration else { return };
        if known.refresh_at.is_some_and(|due| due <= now) {
            known.refresh_at = None;
            known.cseq += 1;
            known.answered = 0;
            self.send_register(now);
        }
    }

    fn send_register(&mut self, now: Instant) {
        let Some(request) = self.register_request() else {
            return self.happened(Happening::RegisterFailed(400));
        };
        self.send_registering(now, request);
    }

    fn send_registering(&mut self, now: Instant, request: Request) {
        let Some(known) = &mut self.registration else { return };
        let flow = Flow::udp(0, known.registrar);
        let tx = self.endpoint.request(now, flow, request.clone());
        known.pending = Some((tx, request));
    }

    fn register_request(&mut self) -> Option<Request> {
        let tag = self.endpoint.mint_tag();
        let known = self.registration.as_ref()?;
        let domain = Uri::sip(None, &self.config.domain, None).ok()?;
        let aor = Uri::sip(Some(&self.config.user), &self.config.domain, None).ok()?;
        let contact = self.contact()?;
        let mut request = Request::new(Method::Register, domain);
        let address = NameAddr::new(self.config.display.as_deref(), &aor);
        request.headers.push(HeaderName::MaxForwards, "70");
        request.headers.push(HeaderName::From, address.with_tag(&tag));
        request.headers.push(HeaderName::To, address);
        request.headers.push(HeaderName::CallId, &known.call_id);
        request.headers.push(HeaderName::CSeq, format!("{} REGISTER", known.cseq));
        request.headers.push(HeaderName::Contact, contact);
        request.headers.push(HeaderName::Expires, known.expires.as_secs().to_string());
        Some(request)
    }

    /// The value of its Contact.
    pub(crate) fn contact(&self) -> Option<String> {
        let (host, port) = (self.config.sip.ip(), self.config.sip.port());
        let host = if host.is_ipv6() { format!("[{host}]") } else { host.to_string() };
        Some(format!("<{}>", Uri::sip(Some(&self.config.user), &host, Some(port)).ok()?))
    }

    /// Whether `tx` is the REGISTER that waits.
    pub(crate) fn is_registering(&self, tx: ClientTx) -> bool {
        let pending = self.registration.as_ref().and_then(|known| known.pending.as_ref());
        pending.is_some_and(|(known, _)| *known == tx)
    }

    pub(crate) fn on_register_failed(&mut self) {
        if let Some(known) = &mut self.registration {
            known.pending = None;
        }
        self.happened(Happening::RegisterFailed(408));
    }

    pub(crate) fn on_register_response(&mut self, now: Instant, response: &Response) {
        if response.is_provisional() {
            return;
        }
        let Some(known) = &mut self.registration else { return };
        let Some((_, mut request)) = known.pending.take() else { return };
        if response.is_success() {
            let gone = known.expires.is_zero();
            known.refresh_at = (!gone).then(|| now + known.expires.mul_f64(0.8));
            if gone {
                self.registration = None;
            }
            return self.happened(if gone { Happening::Unregistered } else { Happening::Registered });
        }
        known.answered += 1;
        known.cseq += 1;
        let (attempt, cseq) = (known.answered, known.cseq);
        let cnonce = self.endpoint.mint_tag();
        let login = self.login();
        // A challenge is answered once; a stale nonce once more.
        let answered =
            login.filter(|_| attempt <= 2).map(|login| login.answer(response, &mut request, &cnonce, 1));
        if let Some(Ok(())) = answered {
            request.headers.set(HeaderName::CSeq, format!("{cseq} REGISTER"));
            return self.send_registering(now, request);
        }
        self.happened(Happening::RegisterFailed(response.status));
    }

    pub(crate) fn login(&self) -> Option<sip::auth::Login> {
        let login = self.config.login.as_ref()?;
        Some(sip::auth::Login { user: login.user.clone(), password: login.password.clone(), realm: None })
    }
}
