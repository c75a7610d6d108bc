//! Owns what a SUBSCRIBE is answered: RFC 6665 §4.2.1. Does not own what is told then (see `notify`).

use std::time::Duration;

use clock::Instant;
use model::Aor;

use super::{ALLOW_EVENTS, Asker, Notifier, Output, Package, Sending, Subscribe, Subscription, Untold};
use crate::dialog::Dialog;
use crate::headers::{Event, HeaderName};
use crate::message::{Request, Response};

/// A refusal: a status and a header that goes with it.
type Refusal = (u16, Option<(HeaderName, String)>);

/// What a SUBSCRIBE asks for.
struct Wish {
    package: Package,
    event_id: Option<Box<str>>,
    length: Duration,
}

impl Notifier {
    pub(super) fn subscribe(&mut self, now: Instant, subscribe: &Subscribe) {
        let tag = subscribe.request.to_tag();
        let answered = match &tag {
            None => self.subscribe_anew(now, subscribe),
            Some(tag) => self.subscribe_again(now, subscribe, tag),
        };
        if let Err((status, header)) = answered {
            let mut response = Response::to(&subscribe.request, status);
            let tag = self.tag();
            // invariant: To was checked when the request came in.
            let _checked = response.set_to_tag(&tag);
            if let Some((name, value)) = header {
                response.headers.push(name, value);
            }
            self.out.push_back(Output::Respond { asker: subscribe.asker, response });
        }
    }

    /// (1): a SUBSCRIBE outside of a dialog makes one.
    fn subscribe_anew(&mut self, now: Instant, subscribe: &Subscribe) -> Result<(), Refusal> {
        let request = &subscribe.request;
        let wish = self.wish(request)?;
        let watched = self.may_watch(subscribe, wish.package)?;
        let tag = self.tag();
        let dialog = Dialog::of_request(request, &tag).map_err(|_| (400, None))?;
        // The same phone that asks anew has forgotten its last subscription, by a restart for example.
        let forgotten =
            self.by_subscriber.get(&subscribe.subscriber).into_iter().flatten().copied().find(|id| {
                self.subscriptions.get(id).is_some_and(|known| {
                    (known.package, &known.watched, &known.event_id)
                        == (wish.package, &watched, &wish.event_id)
                        && known.dialog.target == dialog.target
                })
            });
        if let Some(id) = forgotten {
            self.remove(id);
        }
        let own = self.by_subscriber.get(&subscribe.subscriber).map_or(0, |ids| ids.len());
        if wish.length > Duration::ZERO && own >= self.config.most_per_phone {
            return Err((403, None));
        }
        if wish.length > Duration::ZERO && self.subscriptions.len() >= self.config.most {
            return Err((503, Some((HeaderName::RetryAfter, "60".to_owned()))));
        }
        let subscription = Subscription {
            dialog,
            flow: subscribe.flow,
            package: wish.package,
            event_id: wish.event_id,
            subscriber: subscribe.subscriber.clone(),
            watched,
            expires: now + wish.length,
            version: None,
            known: Vec::new(),
            untold: Untold::Everything,
            sending: Sending::Idle,
            last: None,
        };
        if subscription.package == Package::Dialog {
            self.dialogs.insert(subscription.watched.clone(), subscribe.dialogs.as_slice().into());
        }
        self.minted += 1;
        let id = self.minted;
        self.grant(subscribe.asker, request, &subscription, wish.length);
        self.insert(id, subscription);
        self.tell_or_end(now, id, wish.length);
        Ok(())
    }

    /// (4) and (5): a SUBSCRIBE within a dialog refreshes it, or ends it.
    fn subscribe_again(&mut self, now: Instant, subscribe: &Subscribe, tag: &str) -> Result<(), Refusal> {
        let request = &subscribe.request;
        let from = request.headers.from().map_err(|_| (400, None))?;
        let call_id = request.headers.call_id().map_err(|_| (400, None))?;
        let name = (call_id.into(), tag.into(), from.tag().unwrap_or_default().into());
        let Some(id) = self.by_dialog.get(&name).copied() else { return Err((481, None)) };
        let wish = self.wish(request)?;
        let number = request.headers.cseq().map_err(|_| (400, None))?.number;
        let contact = request.headers.contact().map_err(|_| (400, None))?;
        let Some(known) = self.subscriptions.get_mut(&id) else { return Err((481, None)) };
        // RFC 6665 §4.5.2: a dialog holds one subscription.
        if (known.package, &known.event_id) != (wish.package, &wish.event_id) {
            return Err((481, None));
        }
        if known.subscriber != subscribe.subscriber {
            return Err((403, None));
        }
        // RFC 3261 §12.2.2.
        known.dialog.advance_remote(number).map_err(|_| (500, None))?;
        known.dialog.refresh_target(contact.as_ref());
        known.flow = subscribe.flow;
        known.expires = now + wish.length;
        known.untold = Untold::Everything;
        let granted = Granted::of(known);
        self.timers.set((id, super::Timer::Expiry), now + wish.length);
        self.answer(subscribe.asker, request, &granted, wish.length);
        self.out.push_back(Output::Changed { id });
        self.tell_or_end(now, id, wish.length);
        Ok(())
    }

    fn tell_or_end(&mut self, now: Instant, id: u64, length: Duration) {
        // RFC 6665 §4.2.1.2, §4.4.3: Expires 0 asks for one NOTIFY, which is the last.
        if length.is_zero() { self.end(now, id, "timeout") } else { self.tell(now, id) }
    }

    /// §4.2.1.1: the event package, the body's type, the time.
    fn wish(&self, request: &Request) -> Result<Wish, Refusal> {
        let headers = &request.headers;
        let bad_event = || (489, Some((HeaderName::AllowEvents, ALLOW_EVENTS.to_owned())));
        let event: Event = headers.event().map_err(|_| (400, None))?.ok_or_else(bad_event)?;
        let package = Package::parse(&event.package).ok_or_else(bad_event)?;
        if headers.has(HeaderName::Accept) && !accepts(request, package.media_type()) {
            return Err((406, Some((HeaderName::Accept, package.media_type().to_owned()))));
        }
        let wanted = headers.expires().map_err(|_| (400, None))?;
        let wanted = wanted.map_or(self.config.default_expires, |secs| Duration::from_secs(secs.into()));
        // §4.2.1.1: a time of an hour or more is never too brief.
        let brief = wanted < self.config.min_expires && wanted < Duration::from_secs(3600);
        if brief && !wanted.is_zero() {
            let min = self.config.min_expires.as_secs().to_string();
            return Err((423, Some((HeaderName::MinExpires, min))));
        }
        let length = wanted.min(self.config.max_expires);
        Ok(Wish { package, event_id: event.id.map(Into::into), length })
    }

    /// A phone's calls are for all phones of its tenant to see, its messages for itself.
    fn may_watch(&self, subscribe: &Subscribe, package: Package) -> Result<Aor, Refusal> {
        let watched = subscribe.watched.clone().ok_or((404, None))?;
        match package {
            Package::MessageSummary if watched != subscribe.subscriber => Err((403, None)),
            _ => Ok(watched),
        }
    }

    fn grant(&mut self, asker: Asker, request: &Request, subscription: &Subscription, length: Duration) {
        self.answer(asker, request, &Granted::of(subscription), length);
    }

    fn answer(&mut self, asker: Asker, request: &Request, granted: &Granted, length: Duration) {
        let mut response = Response::to(request, 200);
        // invariant: To was checked when the request came in.
        let _checked = response.set_to_tag(&granted.tag);
        // RFC 6665 §4.2.1.1: "the notifier MUST also contain an Expires header field".
        response.headers.push(HeaderName::Expires, length.as_secs().to_string());
        response.headers.push(HeaderName::Contact, self.contact(&granted.flow, &granted.watched));
        self.out.push_back(Output::Respond { asker, response });
    }

    /// Our Contact on `flow`.
    pub(super) fn contact(&self, flow: &crate::endpoint::Flow, watched: &Aor) -> String {
        let us = self.config.advertised.get(usize::from(flow.interface));
        let us = us.map(|us| us.host_port(flow.transport)).unwrap_or_default();
        let user: String = watched.user().chars().filter(|letter| letter.is_ascii_alphanumeric()).collect();
        let at = if user.is_empty() { "" } else { "@" };
        match flow.transport.uri_param() {
            Some(transport) => format!("<sip:{user}{at}{us};transport={transport}>"),
            None => format!("<sip:{user}{at}{us}>"),
        }
    }
}

/// What the answer to a SUBSCRIBE says of its subscription.
struct Granted {
    tag: String,
    flow: crate::endpoint::Flow,
    watched: Aor,
}

impl Granted {
    fn of(subscription: &Subscription) -> Granted {
        let (flow, watched) = (subscription.flow, subscription.watched.clone());
        Granted { tag: subscription.dialog.local_tag().to_owned(), flow, watched }
    }
}

/// RFC 3261 §20.1: whether Accept takes `wanted`.
fn accepts(request: &Request, wanted: &str) -> bool {
    let (main, _) = wanted.split_once('/').unwrap_or((wanted, ""));
    request.headers.elements(HeaderName::Accept).any(|range| {
        let range = range.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let all_of = format!("{main}/*");
        [wanted, all_of.as_str(), "*/*"].iter().any(|taken| range.eq_ignore_ascii_case(taken.as_bytes()))
    })
}
