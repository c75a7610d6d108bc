//! Owns the door: whose messages are heard at all, and whether what comes may begin a call. Does not own the counts (see
//! `routing::Guard`, `routing::Overload`).
//!
//! ```text
//! a message ─▶ of a trunk ───────────────────────────────────────▶ heard
//!           ─▶ a response ─▶ source banned: dropped ─────────────▶ heard (it must match a transaction of ours)
//!           ─▶ a request  ─▶ source banned, or too fast: dropped
//!                         ─▶ of a flow that has not logged in: a scanner's, or OPTIONS to nobody: dropped
//!                         ─▶ heard ─▶ an INVITE while there is no room: 503, no transaction (see `turned_away`)
//! ```

use bytes::Bytes;
use clock::Instant;
use routing::{BanCause, Pass, Refusal, RefuseCause, StrangeOptions, is_of_scanner, is_strange_options};
use sip::endpoint::{Flow, NewCalls};
use std::sync::Arc;
use std::time::Duration;

use super::Shard;
use crate::Output;

/// Whether a message is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Yes,
    No,
}

impl Shard {
    pub(super) fn on_received(&mut self, now: Instant, flow: Flow, bytes: Bytes) {
        if self.hears(now, flow, &bytes) == Heard::No {
            return;
        }
        if self.hands_over(now, flow, &bytes) {
            return;
        }
        if bytes.starts_with(b"INVITE ") {
            let refusal = self.no_room(now);
            let new_calls = if refusal.is_some() { NewCalls::TurnedAway } else { NewCalls::Taken };
            self.endpoint.take_new_calls(new_calls);
            self.turned_away_for = refusal.or(self.turned_away_for);
        }
        self.endpoint.receive(now, flow, bytes);
    }

    pub(super) fn on_strain(&mut self, now: Instant, waited: Duration, room: usize) {
        self.overload.note(now, waited, self.settings.plan.limits.overload_delay);
        self.room = room;
    }

    fn hears(&mut self, now: Instant, flow: Flow, bytes: &[u8]) -> Heard {
        let from = flow.remote;
        // The ban list never hits a trunk.
        if self.is_trunk(flow) {
            return Heard::Yes;
        }
        let security = &self.settings.plan.security;
        let mut guard = self.node.guard.lock();
        if bytes.starts_with(b"SIP/2.0 ") {
            return if guard.is_banned(now, from) { Heard::No } else { Heard::Yes };
        }
        let (cause, banned) = match guard.hear(now, security, from) {
            Pass::Yes if guard.knows(from) => return Heard::Yes,
            Pass::Yes if is_of_scanner(bytes, &security.scanners) => {
                ("scanner", guard.scanned(now, security, from).then_some(BanCause::Scanner))
            }
            Pass::Yes if security.strange_options == StrangeOptions::Drop && is_strange_options(bytes) => {
                ("strange_options", None)
            }
            Pass::Yes => return Heard::Yes,
            Pass::Banned => ("banned", None),
            Pass::TooFast => ("too_fast", None),
            Pass::BannedNow => ("too_fast", Some(BanCause::Flood)),
        };
        drop(guard);
        self.out.push_back(Output::Counted(cause));
        if let Some(cause) = banned {
            self.out.push_back(Output::Banned { source: from.ip(), cause });
        }
        Heard::No
    }

    /// Whether a trunk's messages come that way, by its address, by one that it is called at, or by its certificate.
    pub(super) fn is_trunk(&self, flow: Flow) -> bool {
        let by_name = |names: &Arc<[Box<str>]>| {
            names.iter().any(|name| self.router.trunk_of_certificate(name, flow.interface).is_some())
        };
        let source = flow.remote.ip();
        self.router.trunk_of(source, flow.interface).is_some()
            || self.router.is_called(source)
            || self.trunks.is_called(source)
            || flow.connection.and_then(|connection| self.peers.get(&connection)).is_some_and(by_name)
    }

    /// Why there may be no further call at present. A node that stops says so within a transaction: it has the time.
    fn no_room(&self, now: Instant) -> Option<Refusal> {
        if self.room < FACTS_OF_A_CALL {
            return Some(Refusal::of(RefuseCause::Journal));
        }
        if self.overload.is_shedding() {
            return Some(Refusal::of(RefuseCause::Overload));
        }
        self.node.admission.lock().would_refuse(now, &self.settings.plan.limits)
    }
}

/// Room kept in the journal for the facts of calls that are up.
const FACTS_OF_A_CALL: usize = 1_024;
