//! Owns what becomes of a call for which there is no room: 503 with Retry-After and a record, for the price of reading it.
//!
//! No transaction, no dialog, no call: a retransmission gets the same answer, and the ACK finds nobody and is
//! dropped (RFC 3261 §8.2.7). Calls of trunks leave their record (R72); who is no trunk has yet to prove to be somebody.

use sip::endpoint::{Asked, Flow};
use sip::{HeaderName, Request, Response};

use super::Shard;
use super::incoming::{Known, Refused};
use crate::{Output, identity};

impl Shard {
    pub(super) fn on_turned_away(&mut self, flow: Flow, request: &Request, asked: Asked) {
        let Some(refusal) = self.turned_away_for else { return };
        let refused = Refused::from(refusal);
        let caller = identity::caller(request);
        match self.source_of(flow, request, &caller) {
            // It has its record.
            _ if asked == Asked::Again => {}
            Known::Trunk(trunk) => {
                let (newcomer, caller, _) = self.trunk_newcomer(flow, request, &trunk, caller);
                self.began(&newcomer, &caller);
                self.ended(&newcomer, refused.status, refused.result);
            }
            Known::Phone | Known::Unknown => self.out.push_back(Output::Counted("turned_away")),
        }
        let mut response = Response::to(request, refused.status);
        if let Some(seconds) = refused.retry_after {
            response.headers.push(HeaderName::RetryAfter, seconds.to_string());
        }
        self.endpoint.respond_statelessly(flow, request, response);
    }
}
