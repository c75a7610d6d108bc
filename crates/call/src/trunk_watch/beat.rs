//! Owns asking targets whether they live. Does not own when, nor what silence means (see `routing::Pulse`).

use std::net::SocketAddr;
use std::time::Duration;

use model::TrunkName;
use routing::{Life, Pulse, Trunk, TrunkChange};
use sip::session::Failure;
use sip::{HeaderName, Method, NameAddr, Request, Response, Uri};

use super::{Asked, Desk, Errand, TrunkWatch, flow, reached_by, words};
use crate::destination;

impl TrunkWatch {
    /// The targets of a trunk are known: those that it had keep their pulse.
    pub(super) fn begin(&mut self, desk: &mut Desk<'_>, name: &TrunkName, addresses: &[SocketAddr]) {
        let Some(watched) = self.watched.get_mut(name) else { return };
        let mut before = std::mem::take(&mut watched.targets);
        for address in addresses {
            if let Some(at) = before.iter().position(|asked| asked.address == *address) {
                watched.targets.push(before.swap_remove(at));
                continue;
            }
            let pulse = watched.trunk.heartbeat.map(|heartbeat| {
                // Not all at once: a start with a thousand trunks is no burst.
                let spread = u64::try_from(SPREAD.as_millis()).unwrap_or(0);
                let first = Duration::from_millis(desk.endpoint.random_below(spread));
                Pulse::new(desk.now + first, heartbeat)
            });
            watched.targets.push(Asked { address: *address, pulse });
        }
        self.register(desk, name);
        self.settle(desk, name);
    }

    pub(super) fn beat(&mut self, desk: &mut Desk<'_>, name: &TrunkName) {
        let Some(watched) = self.watched.get_mut(name) else { return };
        let trunk = watched.trunk.clone();
        let (mut asked, mut turned) = (Vec::new(), Vec::new());
        for target in &mut watched.targets {
            let Some(pulse) = &mut target.pulse else { continue };
            let beat = pulse.handle_timeout(desk.now);
            turned.extend(beat.turned.map(|life| (target.address, life)));
            asked.extend(beat.ask.then_some(target.address));
        }
        for (address, life) in turned {
            self.turned(desk, name, address, life, Some(words::silent(address)));
        }
        for address in asked {
            if let Some(request) = options(desk, &trunk, address) {
                let tx = desk.endpoint.request(desk.now, flow(&trunk, address), request);
                self.errands.insert(tx, Errand::Ask(name.clone(), address));
            }
        }
    }

    pub(super) fn answered(
        &mut self,
        desk: &mut Desk<'_>,
        name: &TrunkName,
        address: SocketAddr,
        response: &Response,
    ) {
        let Some(pulse) = self.pulse(name, address) else { return };
        let turned = pulse.answered(response.status);
        if let Some(life) = turned {
            let error = words::unwell(address, response.status);
            self.turned(desk, name, address, life, Some(error));
        }
    }

    pub(super) fn unanswered(
        &mut self,
        desk: &mut Desk<'_>,
        name: &TrunkName,
        address: SocketAddr,
        failure: Failure,
    ) {
        let Some(pulse) = self.pulse(name, address) else { return };
        // Silence was counted by the pulse's own deadline.
        let turned = match failure {
            Failure::TimedOut => None,
            Failure::TransportFailed => pulse.missed(),
        };
        if let Some(life) = turned {
            let trouble = self.watched.get(name).and_then(|watched| watched.trouble_at(address));
            let error = trouble.unwrap_or_else(|| words::unsendable(address));
            self.turned(desk, name, address, life, Some(error));
        }
    }

    fn pulse(&mut self, name: &TrunkName, address: SocketAddr) -> Option<&mut Pulse> {
        let targets = &mut self.watched.get_mut(name)?.targets;
        targets.iter_mut().find(|target| target.address == address)?.pulse.as_mut()
    }

    fn turned(
        &mut self,
        desk: &mut Desk<'_>,
        name: &TrunkName,
        address: SocketAddr,
        life: Life,
        error: Option<std::sync::Arc<str>>,
    ) {
        match life {
            Life::Up => desk.tell(name, TrunkChange::Up(address)),
            Life::Down => {
                desk.tell(name, TrunkChange::Down(address));
                if let (Some(watched), Some(error)) = (self.watched.get_mut(name), error) {
                    watched.met(desk.now, error);
                }
            }
            Life::Unknown => {}
        }
        self.judge(desk, name);
    }
}

/// RFC 3261 §11: what can you do?
fn options(desk: &mut Desk<'_>, trunk: &Trunk, address: SocketAddr) -> Option<Request> {
    let us = reached_by(desk, trunk)?;
    let target = destination::trunk_uri(trunk, None, address)?;
    let user = trunk.register.as_ref().map_or("hotline", |register| &*register.user);
    let from: Uri = format!("sip:{user}@{us}").parse().ok()?;
    let mut request = Request::new(Method::Options, target.clone());
    for hop in destination::first_hops(trunk, address, None) {
        request.headers.push(HeaderName::Route, hop);
    }
    request.headers.push(HeaderName::From, NameAddr::new(None, &from).with_tag(&desk.endpoint.mint_tag()));
    request.headers.push(HeaderName::To, NameAddr::new(None, &target));
    request.headers.push(HeaderName::CallId, desk.endpoint.mint_call_id());
    request.headers.push(HeaderName::CSeq, "1 OPTIONS");
    let contact = match flow(trunk, address).transport.uri_param() {
        Some(transport) => format!("<sip:{us};transport={transport}>"),
        None => format!("<sip:{us}>"),
    };
    request.headers.push(HeaderName::Contact, contact);
    request.headers.push(HeaderName::Accept, "application/sdp");
    Some(request)
}

const SPREAD: Duration = Duration::from_secs(1);
