//! Owns the shard's side of trunks: the watch on the node's first shard, and carriers that must prove who they are. Does
//! not own what the watch finds out (see `trunk_watch`).

use std::sync::Arc;

use clock::Instant;
use model::TrunkName;
use routing::{Plan, Trunk, TrunkTransport};
use sip::auth::{Account, Offer, Side, Verdict};
use sip::endpoint::Flow;
use sip::headers::{Credentials, Stale};
use sip::resolve::Target;
use sip::session::Failure;
use sip::transaction::ClientTx;
use sip::{HeaderName, Request, Response};

use super::Shard;
use crate::trunk_watch::{self, Desk, TrunkWatch};
use crate::{Settings, TrunkSeen, Unreached};

/// The watch, and the plan that it has yet to hear of.
#[derive(Debug)]
pub(super) struct Watching {
    watch: TrunkWatch,
    /// To be watched at the next chance: nothing is sent before the shard has been told the time.
    due: Option<Arc<Plan>>,
}

impl Watching {
    /// A watch that begins with the shard's first turn.
    pub fn due(settings: &Settings) -> Watching {
        let is_watched = |trunk: &Arc<Trunk>| {
            // Whoever is reached by connections can fail in ways that an operator has to be told of.
            let connects = trunk.way.transport != TrunkTransport::Udp && trunk.way.leads_somewhere();
            trunk.heartbeat.is_some() || trunk.register.is_some() || connects || trunk_watch::has_names(trunk)
        };
        let due = settings.plan.trunks.iter().any(is_watched).then(|| settings.plan.clone());
        Watching { watch: TrunkWatch::default(), due }
    }

    /// The next instant at which there is something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.as_ref().map(|_| Instant::ZERO).or_else(|| self.watch.poll_timeout())
    }
}

impl Shard {
    /// What the node has found out about its trunks; nothing on other shards than the first.
    pub fn trunks_seen(&self) -> Vec<TrunkSeen> {
        self.watch.iter().flat_map(|watching| watching.watch.seen()).collect()
    }

    /// How many bindings with carriers are being taken back.
    pub fn trunks_leaving(&self) -> usize {
        self.watch.as_ref().map_or(0, |watching| watching.watch.leaving())
    }

    /// The watch hears of the plan in force.
    pub(super) fn watch_anew(&mut self, now: Instant) {
        let plan = self.settings.plan.clone();
        if let Some(watching) = &mut self.watch {
            watching.due = Some(plan);
        }
        self.watch_on(now);
    }

    /// Time has passed for the watch.
    pub(super) fn watch_on(&mut self, now: Instant) {
        self.with_watch(now, |watching, desk| {
            if let Some(plan) = watching.due.take() {
                watching.watch.configure(desk, &plan);
            }
            watching.watch.handle_timeout(desk);
        });
    }

    /// A name of a trunk leads there.
    pub(super) fn trunk_located(&mut self, now: Instant, trunk: &TrunkName, host: &str, targets: &[Target]) {
        self.with_watch(now, |watching, desk| watching.watch.located(desk, trunk, host, targets));
    }

    /// A connection to a trunk did not come about.
    pub(super) fn trunk_unreached(&mut self, now: Instant, flow: Flow, why: &Unreached) {
        self.with_watch(now, |watching, _| watching.watch.unreached(now, flow, why));
    }

    pub(super) fn stop_watching(&mut self, now: Instant) {
        self.with_watch(now, |watching, desk| {
            watching.due = None;
            watching.watch.stop(desk);
        });
    }

    /// Whether the watch took the response to a request of its own.
    pub(super) fn watch_heard(&mut self, now: Instant, tx: ClientTx, response: &Response) -> bool {
        self.watch_owns(tx)
            && self.with_watch(now, |watching, desk| watching.watch.handle_response(desk, tx, response))
    }

    /// Whether the watch took the failure of a request of its own.
    pub(super) fn watch_failed(&mut self, now: Instant, tx: ClientTx, failure: Failure) -> bool {
        self.watch_owns(tx)
            && self.with_watch(now, |watching, desk| watching.watch.handle_failure(desk, tx, failure))
    }

    fn watch_owns(&self, tx: ClientTx) -> bool {
        self.watch.as_ref().is_some_and(|watching| watching.watch.owns(tx))
    }

    fn with_watch(&mut self, now: Instant, act: impl FnOnce(&mut Watching, &mut Desk<'_>)) -> bool {
        let Some(watching) = &mut self.watch else { return false };
        let mut desk = Desk {
            now,
            endpoint: &mut self.endpoint,
            states: &mut self.trunks,
            advertised: &self.settings.advertised,
            out: &mut self.out,
        };
        act(watching, &mut desk);
        self.pump(now);
        true
    }

    /// The trunk that a request which the plan does not know comes from: one that we register with calls from there.
    pub(super) fn trunk_by_target(
        &self,
        source: (std::net::IpAddr, u16),
        request: &Request,
    ) -> Option<Arc<Trunk>> {
        let dialled = request.uri.number().unwrap_or_default();
        self.trunks.trunk_at(&self.settings.plan, source, &dialled).cloned()
    }

    /// Whether the request carries the password of the trunk that it says to be; else the challenge to send. Who is
    /// nobody we know gets the same challenge.
    pub(super) fn prove_trunk(
        &mut self,
        now: Instant,
        request: &Request,
        trunk: Option<&Trunk>,
    ) -> Result<(), Box<Response>> {
        let side = Side::Proxy;
        let wall = self.anchor.wall(now);
        let challenger = &mut self.challenger;
        let wanted = trunk.and_then(|trunk| trunk.access.challenge.as_ref());
        let verdict = challenger.credentials(side, &request.headers).map(|credentials| {
            let account = wanted
                .filter(|wanted| *wanted.user == *credentials.username)
                .map(|wanted| Account { password: &wanted.password, offer: Offer::Both });
            challenger.judge(wall, &credentials, &request.method, account)
        });
        let stale = match verdict {
            Some(Verdict::Granted) => return Ok(()),
            Some(Verdict::Stale) => Stale::Yes,
            Some(Verdict::Denied) | None => Stale::No,
        };
        let mut response = Response::to(request, side.status());
        challenger.challenge(wall, side, Offer::Both, stale, &mut response);
        let tag = self.endpoint.mint_tag();
        // invariant: the endpoint passes on requests with a usable To only.
        let _checked = response.set_to_tag(&tag);
        Err(Box::new(response))
    }
}

/// The user of the credentials that a request carries.
pub(super) fn claimed_user(request: &Request) -> Option<String> {
    let headers = &request.headers;
    let names = [HeaderName::ProxyAuthorization, HeaderName::Authorization];
    let raw = names.into_iter().find_map(|name| headers.get(name))?;
    Credentials::parse(raw).map(|credentials| credentials.username)
}
