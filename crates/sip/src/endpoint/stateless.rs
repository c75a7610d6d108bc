//! Owns answers without a transaction (RFC 3261 §8.2.7): what a server that has too much to do spends on a new call.

use std::time::Duration;

use clock::Instant;

use super::server::response_flow;
use super::{Endpoint, Flow};
use crate::headers::HeaderName;
use crate::message::{Method, Request, Response};
use crate::transaction::key::{KeySet, key_of};

/// What becomes of INVITEs outside of any dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum NewCalls {
    /// Each begins a transaction.
    #[default]
    Taken,
    /// Each is passed on as [`Output::TurnedAway`](super::Output::TurnedAway). A retransmission of an INVITE that was
    /// taken before still belongs to its transaction.
    TurnedAway,
}

impl Endpoint {
    /// What becomes of INVITEs outside of any dialog from now on. One that was turned away stays so when it is repeated.
    pub fn take_new_calls(&mut self, new_calls: NewCalls) {
        self.new_calls = new_calls;
    }

    /// Sends the final `response` to `request`, which came on `flow`, and forgets both. A retransmission is answered
    /// anew, with the same tag (§8.2.7).
    pub fn respond_statelessly(&mut self, flow: Flow, request: &Request, mut response: Response) {
        let Ok(via) = request.headers.via() else { return };
        let key = key_of(&self.keys, request, &via, &request.method);
        let tag = format!("{key:016x}");
        // invariant: To was checked when the request came in.
        let _checked = response.set_to_tag(&tag);
        if !self.config.user_agent.is_empty() {
            response.headers.push(HeaderName::Server, &self.config.user_agent);
        }
        self.transmit(response_flow(flow, &via), response.to_bytes());
    }

    /// Whether `request` with that key begins no transaction, and whether that is news.
    pub(super) fn turned_away(&mut self, now: Instant, request: &Request, key: u64) -> Option<Asked> {
        if request.method != Method::Invite {
            return None;
        }
        if self.refused.has(key) {
            return Some(Asked::Again);
        }
        if self.new_calls == NewCalls::Taken || request.to_tag().is_some() {
            return None;
        }
        self.refused.note(now, key);
        Some(Asked::First)
    }
}

/// Whether a request that is turned away came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It did not, as far as is known.
    First,
    /// It is a retransmission, or came by two ways.
    Again,
}

/// What was turned away lately, 8 bytes of each, in two generations of [`REPEATED_FOR`] each. When the young one is full
/// the generations turn at once: what was refused longest ago is forgotten, and counted anew should it be repeated.
#[derive(Debug, Default)]
pub(super) struct Refused {
    young: KeySet,
    old: KeySet,
    turned: Instant,
}

impl Refused {
    fn has(&self, key: u64) -> bool {
        !(self.young.is_empty() && self.old.is_empty())
            && (self.young.contains(&key) || self.old.contains(&key))
    }

    fn note(&mut self, now: Instant, key: u64) {
        let since = now.since(self.turned);
        if since >= REPEATED_FOR || self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
            if since >= REPEATED_FOR * 2 {
                self.old = KeySet::default();
            }
            self.turned = now;
        }
        self.young.insert(key);
    }
}

/// 64 × T1: a client repeats its INVITE no longer.
const REPEATED_FOR: Duration = Duration::from_secs(32);
const REMEMBERED: usize = 200_000;
