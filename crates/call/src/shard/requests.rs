//! Owns what the endpoint reports: requests and responses find their call, or get the answer that RFC 3261 has.

use clock::Instant;
use sip::endpoint::{self, Flow, Rules};
use sip::session::{DialogKey, Failure, discard_late_answer};
use sip::transaction::{ClientTx, ServerTx};
use sip::{HeaderName, Method, Request, Response};

use super::{Found, Shard};
use crate::Output;

impl Shard {
    pub(super) fn on_endpoint(&mut self, now: Instant, output: endpoint::Output) {
        match output {
            endpoint::Output::Transmit { flow, bytes } => {
                self.out.push_back(Output::Transmit { flow, bytes })
            }
            endpoint::Output::Request { tx, flow, request } => self.on_request(now, tx, flow, request),
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
            return self.endpoint.respond(now, tx, *refusal);
        }
        if request.to_tag().is_some() {
            return self.on_request_within(now, tx, flow, request);
        }
        match request.method {
            Method::Invite => self.on_invite(now, tx, flow, &request),
            Method::Register => self.out.push_back(Output::Register { tx, flow, request }),
            Method::Subscribe | Method::Message => {
                self.out.push_back(Output::PhoneRequest { tx, flow, request });
            }
            Method::Options => self.on_options(now, tx, flow, &request),
            // RFC 3261 §12.2.2: a request that needs a dialog, without one.
            _ => self.answer(now, tx, &request, 481, &[]),
        }
    }

    /// A request within a dialog.
    fn on_request_within(&mut self, now: Instant, tx: ServerTx, flow: Flow, request: Request) {
        let place = DialogKey::of(&request).and_then(|key| self.index.by_dialog(&key));
        let Some((call, leg)) = place else {
            // Subscriptions' dialogs are the notifier's, which knows its own.
            if request.method == Method::Subscribe {
                return self.out.push_back(Output::PhoneRequest { tx, flow, request });
            }
            return self.answer(now, tx, &request, 481, &[]);
        };
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
        let place = DialogKey::of(request).and_then(|key| self.index.by_dialog(&key));
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
        let status = match self.source_of(flow, request) {
            super::incoming::Known::Unknown => {
                self.out.push_back(Output::Counted("refused_unknown_source"));
                403
            }
            _ if self.intake == super::Intake::Closed => 503,
            _ => 200,
        };
        let headers: &[(HeaderName, &str)] = &[
            (HeaderName::Allow, Rules::SWITCH_ALLOW),
            (HeaderName::AllowEvents, sip::subscription::ALLOW_EVENTS),
            (HeaderName::Accept, "application/sdp"),
            (HeaderName::AcceptEncoding, "identity"),
            (HeaderName::Supported, "100rel, timer, replaces"),
        ];
        self.answer(now, tx, request, status, if status == 200 { headers } else { &[] });
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
        if response.headers.to().is_ok_and(|to| to.tag().is_none()) {
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
