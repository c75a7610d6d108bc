//! Owns where the names of a trunk lead: asked for again and again, since name servers change their mind. Does not own
//! the asking (see `sip-net`) nor the order of what is found (see `sip::resolve`).

use std::net::SocketAddr;
use std::time::Duration;

use clock::Instant;
use model::TrunkName;
use routing::{Target, TargetHost, Trunk, TrunkChange};
use sip::resolve::{self, Security, Wanted};

use super::{Desk, TrunkWatch, flow, words};
use crate::Output;

/// The targets of a trunk in their order, each with the addresses that it stands for.
#[derive(Debug)]
pub(super) struct Names {
    targets: Vec<(Target, Vec<SocketAddr>)>,
    /// When names are looked up next; None where there is none.
    next: Option<Instant>,
}

/// Whether a trunk's target has to be looked up.
pub(crate) fn has_names(trunk: &Trunk) -> bool {
    trunk.way.targets().iter().any(|target| matches!(target.host, TargetHost::Name(_)))
}

impl Names {
    /// The targets of `trunk`, names yet to be looked up.
    pub fn of(trunk: &Trunk) -> Names {
        let known = |target: &Target| {
            let address = target.address(trunk.way.transport);
            (target.clone(), address.into_iter().collect())
        };
        let targets = trunk.way.targets().iter().map(known).collect();
        Names { targets, next: has_names(trunk).then_some(Instant::ZERO) }
    }

    /// When names are looked up next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// The host that led to `address`.
    pub fn host_at(&self, address: SocketAddr) -> Option<String> {
        let (target, _) = self.targets.iter().find(|(_, known)| known.contains(&address))?;
        Some(Target { port: None, ..target.clone() }.to_string())
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.targets.iter().flat_map(|(_, addresses)| addresses).copied().collect()
    }
}

impl TrunkWatch {
    /// Asks where names lead, once they are due.
    pub(super) fn look_up(&mut self, desk: &mut Desk<'_>, name: &TrunkName) {
        let Some(watched) = self.watched.get_mut(name) else { return };
        if watched.names.next.is_none_or(|next| next > desk.now) {
            return;
        }
        watched.names.next = Some(desk.now + LOOK_EVERY);
        let transport = flow(&watched.trunk, ([0, 0, 0, 0], 0).into()).transport;
        for (target, _) in &watched.names.targets {
            let TargetHost::Name(host) = &target.host else { continue };
            let wanted = Wanted {
                host: Box::from(&**host),
                port: target.port,
                transport: Some(transport),
                secure: Security::Any,
            };
            desk.out.push_back(Output::LocateTrunk { trunk: name.clone(), wanted });
        }
    }

    /// A name of a trunk leads there. What leads nowhere any more keeps its last addresses: a name server that is ill
    /// takes no trunk out of service.
    pub fn located(&mut self, desk: &mut Desk<'_>, name: &TrunkName, host: &str, found: &[resolve::Target]) {
        let Some(watched) = self.watched.get_mut(name) else { return };
        let transport = flow(&watched.trunk, ([0, 0, 0, 0], 0).into()).transport;
        let reached = found.iter().filter(|target| target.transport == transport);
        let addresses: Vec<SocketAddr> = reached.map(|target| target.address).collect();
        if addresses.is_empty() {
            watched.met(desk.now, words::nowhere(host));
            return;
        }
        if watched.error.as_ref() == Some(&words::nowhere(host)) {
            watched.error = None;
        }
        let is_it = |target: &Target| matches!(&target.host, TargetHost::Name(known) if known.eq_ignore_ascii_case(host));
        let before = watched.names.addresses();
        for (_, known) in watched.names.targets.iter_mut().filter(|(target, _)| is_it(target)) {
            known.clone_from(&addresses);
        }
        let now = watched.names.addresses();
        if now != before {
            desk.tell(name, TrunkChange::Targets(now.as_slice().into()));
            self.begin(desk, name, &now);
        }
    }
}

/// How often names are looked up; answers are kept as long as their servers say, so that this costs little.
const LOOK_EVERY: Duration = Duration::from_secs(60);
