//! Owns what the endpoint reports: requests and responses find their call, or get the answer that RFC 3261 has.

use clock::Instant;
use sip::endpoint::{self, Flow, Rules};
use sip::session::{DialogKey, Failure, discard_late_answer};
use sip::transaction::{ClientTx, ServerTx};
use sip::{HeaderName, Method, Request, Response};

use super::index::Place;
use super::{Found, Shard};
use crate::Output;

impl Shard {
    pub(super) fn on_endpoint(&mut self, now: Instant, output: endpoint::Output) {
        match output {
            endpoint::Output::Transmit { flow, bytes } => {
                self.out.push_back(Output::Transmit { flow, bytes })
            }
            endpoint::Output::Request { tx, flow, request } => self.on_request(now, tx, flow, request),
            endpoint::Output::TurnedAway { flow, request, asked } => {
                self.on_turned_away(flow, &request, asked)
            }
            endpoint::Output::Ack { request, .. } => self.on_ack(now, &request),
            endpoint::Output::Cancelled { tx, request } => self.on_cancel(now, tx, &request),
            endpoint::Output::Response { tx, response } => {
                if self.is_errand(tx) {
                    return self.errand_answered(tx, response);
                }
                if self.watch_heard(now, tx, &response) {
                    return;
                }
                let Some((call, leg)) = self.index.by_client(tx) else {
                    // A 2xx of another fork, after the call was released: ACK and BYE (RFC 3261 §13.2.2.4).
                    return discard_late_answer(now, &mut self.endpoint, tx, &response);
                };
                self.with_call(now, call, |call, context| {
                    if let Some(session) = call.session_of(leg) {
                        session.handle_response(context.now, context.endpoint, tx, response);
                    }
                    call.settle(context);
                });
            }
            endpoint::Output::TimedOut { tx } => self.on_failure(now, tx, Failure::TimedOut),
            endpoint::Output::TransportFailed { tx } => self.on_failure(now, tx, Failure::TransportFailed),
            // The refusal was never acknowledged: its call was released when it was sent.
            endpoint::Output::Unacknowledged { .. } => self.out.push_back(Output::Counted("unacknowledged")),
            endpoint::Output::Dropped { cause } => self.out.push_back(Output::Counted(cause.as_str())),
        }
    }

    fn on_failure(&mut self, now: Instant, tx: ClientTx, failure: Failure) {
        if self.is_errand(tx) {
            return self.errand_failed(tx);
        }
        if self.watch_failed(now, tx, failure) {
            return;
        }
        let Some((call, leg)) = self.index.by_client(tx) else { return };
        self.with_call(now, call, |call, context| {
            if let Some(session) = call.session_of(leg) {
                session.handle_failure(context.now, context.endpoint, tx, failure);
            }
            call.settle(context);
        });
    }

    fn on_request(&mut self, now: Instant, tx: ServerTx, flow: Flow, request: Request) {
        let rules = match self.settings.plan.phone_services.messages.relay {
            routing::MessageRelay::Off => &Rules::SWITCH,
            routing::MessageRelay::Inside => &Rules::SWITCH_WITH_TEXTS,
        };
        if let Err(refusal) = self.endpoint.inspect(tx, &request, rules) {
            return self.refuse(now, tx, flow, *refusal);
        }
        if request.is_within_dialog() {
            return self.on_request_within(now, tx, flow, request);
        }
        match request.method {
            Method::Invite => self.on_invite(now, tx, flow, &request),
            Method::Register => self.pass_on_register(now, tx, flow, request),
            Method::Subscribe | Method::Message => {
                self.out.push_back(Output::PhoneRequest { tx, flow, request: Box::new(request) });
            }
            Method::Options => self.on_options(now, tx, flow, &request),
            // RFC 3261 §12.2.2: a request that needs a dialog, without one.
            _ => match self.prove(now, flow, &request) {
                Ok(()) => self.answer(now, tx, &request, 481, &[]),
                Err(challenge) => self.refuse(now, tx, flow, *challenge),
            },
        }
    }

    /// Whether the sender is a trunk, a flow that has logged in, or somebody who shows a password; else the challenge.
    fn prove(&mut self, now: Instant, flow: Flow, request: &Request) -> Result<(), Box<Response>> {
        if self.is_known(flow) { Ok(()) } else { self.authenticate(now, flow, request).map(drop) }
    }

    /// Whether the sender is a trunk, or a flow that has logged in.
    fn is_known(&self, flow: Flow) -> bool {
        self.is_trunk(flow) || self.node.guard.lock().knows(flow.remote)
    }

    /// Sends a refusal; repeated by itself only to those we know.
    pub(super) fn refuse(&mut self, now: Instant, tx: ServerTx, flow: Flow, refusal: Response) {
        if self.is_known(flow) {
            self.endpoint.respond(now, tx, refusal);
        } else {
            self.endpoint.respond_once(now, tx, refusal);
        }
    }

    /// Whether a request within the dialog of `leg` comes from where its peer is: its address, or a trunk's.
    fn is_of_peer(&mut self, (call, leg): Place, flow: Flow) -> bool {
        let slot = self.calls.get_mut(&call);
        let peer = slot.and_then(|slot| slot.call.session_of(leg)).map(|session| session.flow());
        let Some(peer) = peer else { return true };
        peer.remote.ip() == flow.remote.ip() || self.is_trunk(flow)
    }

    /// A request within a dialog.
    fn on_request_within(&mut self, now: Instant, tx: ServerTx, flow: Flow, request: Request) {
        let place = DialogKey::parts_of(&request).and_then(|parts| self.index.by_dialog(parts));
        let Some((call, leg)) = place else {
            // Subscriptions' dialogs are the notifier's, which knows its own.
            if request.method == Method::Subscribe {
                return self.out.push_back(Output::PhoneRequest { tx, flow, request: Box::new(request) });
            }
            return self.refuse(now, tx, flow, Response::to(&request, 481));
        };
        // A phone that has moved to another network may prove that it is one.
        if !self.is_of_peer((call, leg), flow)
            && let Err(challenge) = self.authenticate(now, flow, &request)
        {
            self.out.push_back(Output::Counted("foreign_in_dialog"));
            return self.refuse(now, tx, flow, *challenge);
        }
        let mut unheard = Some(request);
        self.with_call(now, call, |call, context| {
            if let Some(session) = call.session_of(leg)
                && let Some(request) = unheard.take()
            {
                session.handle_request(context.now, context.endpoint, tx, flow, request);
            }
            call.settle(context);
        });
        // The leg is over while its call goes on.
        if let Some(request) = unheard {
            self.answer(now, tx, &request, 481, &[]);
        }
    }

    fn on_ack(&mut self, now: Instant, request: &Request) {
        let place = DialogKey::parts_of(request).and_then(|parts| self.index.by_dialog(parts));
        let Some((call, leg)) = place else {
            return self.out.push_back(Output::Counted("stray_ack"));
        };
        self.with_call(now, call, |call, context| {
            if let Some(session) = call.session_of(leg) {
                session.handle_ack(context.now, context.endpoint, request);
            }
            call.settle(context);
        });
    }

    fn on_cancel(&mut self, now: Instant, tx: ServerTx, request: &Request) {
        let Some((call, leg)) = self.index.by_invite(tx) else { return };
        let found = self.with_call(now, call, |call, context| {
            if let Some(session) = call.session_of(leg) {
                session.handle_cancel(context.now, context.endpoint, request);
            }
            call.settle(context);
        });
        debug_assert_eq!(found, Found::Yes, "the index forgets with the call");
    }

    /// RFC 3261 §11.2: what an INVITE would be answered with.
    fn on_options(&mut self, now: Instant, tx: ServerTx, flow: Flow, request: &Request) {
        if let Err(challenge) = self.prove(now, flow, request) {
            return self.refuse(now, tx, flow, *challenge);
        }
        let status = if self.intake == super::Intake::Closed { 503 } else { 200 };
        let headers: &[(HeaderName, &str)] = &[
            (HeaderName::Allow, Rules::SWITCH_ALLOW),
            (HeaderName::AllowEvents, sip::subscription::ALLOW_EVENTS),
            (HeaderName::Accept, "application/sdp"),
            (HeaderName::AcceptEncoding, "identity"),
            (HeaderName::Supported, "100rel, timer, replaces"),
        ];
        let retry_after = super::incoming::SECONDS_TO_LEAVE_ALONE.to_string();
        let headers = match status {
            200 => headers,
            // RFC 3261 §20.33: for how long the carrier is to send its calls elsewhere.
            503 => &[(HeaderName::RetryAfter, retry_after.as_str())],
            _ => &[],
        };
        self.answer(now, tx, request, status, headers);
    }

    /// Answers outside any call.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        tx: ServerTx,
        request: &Request,
        status: u16,
        headers: &[(HeaderName, &str)],
    ) {
        let mut response = Response::to(request, status);
        if response.headers.tag(HeaderName::To).is_none() {
            let tag = self.endpoint.mint_tag();
            // invariant: the endpoint passes on requests with a usable To only.
            let _checked = response.set_to_tag(&tag);
        }
        for (name, value) in headers {
            response.headers.push(*name, value);
        }
        self.endpoint.respond(now, tx, response);
    }
}
