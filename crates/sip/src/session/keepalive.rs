//! Owns session timers: RFC 4028, in both roles.

use std::time::Duration;

use clock::Instant;
use serde::{Deserialize, Serialize};

use super::event::{EndCause, EndedBy};
use super::incoming::Rejection;
use super::{Purpose, Session, SessionTimer, State, Timer};
use crate::endpoint::Endpoint;
use crate::headers::{HeaderName, Headers, Refresher, SessionExpires};
use crate::message::Method;

/// A session timer as agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Keepalive {
    pub(super) interval: Duration,
    refresher: Side,
}

/// Who refreshes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Side {
    Us,
    Them,
}

/// RFC 4028 §4: never less, and what Min-SE means when it is absent.
pub(super) const ABSOLUTE_MIN: Duration = Duration::from_secs(90);

/// Min-SE in a message.
pub(super) fn min_se(headers: &Headers) -> Duration {
    headers.min_se().ok().flatten().unwrap_or(ABSOLUTE_MIN).max(ABSOLUTE_MIN)
}

impl Keepalive {
    /// RFC 4028 §9, table 2: what we confirm as the answering side; `None` for no timer.
    ///
    /// # Errors
    /// 422 with our Min-SE when the peer can and wants less.
    pub(super) fn as_callee(
        headers: &Headers,
        timer: SessionTimer,
        peer_can: bool,
    ) -> Result<Option<Keepalive>, Rejection> {
        let SessionTimer::On { expires, min } = timer else { return Ok(None) };
        let min = min.max(ABSOLUTE_MIN);
        let asked = headers.session_expires().ok().flatten();
        let wanted = match asked {
            Some(asked) if asked.interval < min && peer_can => {
                return Err(Rejection::with(422, HeaderName::MinSe, min.as_secs().to_string()));
            }
            Some(asked) => asked.interval,
            None if peer_can => expires,
            None => return Ok(None),
        };
        // §9: not above what the peer asks, not below its Min-SE or ours.
        let floor = min_se(headers).max(min);
        let interval = wanted.min(expires).max(floor);
        // "The UAS MUST NOT increase the value of the Session-Expires header field"; a peer that knows no 422 may
        // ask for less than we would.
        let interval = asked.map_or(interval, |asked| interval.min(asked.interval.max(ABSOLUTE_MIN)));
        let refresher = match asked.and_then(|asked| asked.refresher) {
            Some(Refresher::Uac) if peer_can => Side::Them,
            _ => Side::Us,
        };
        Ok(Some(Keepalive { interval, refresher }))
    }

    /// RFC 4028 §7.2: what the 2xx to our request confirms; `None` for no timer.
    pub(super) fn as_caller(headers: &Headers, timer: SessionTimer) -> Option<Keepalive> {
        if timer == SessionTimer::Off {
            return None;
        }
        let agreed = headers.session_expires().ok().flatten()?;
        let refresher = match agreed.refresher {
            Some(Refresher::Uas) => Side::Them,
            _ => Side::Us,
        };
        Some(Keepalive { interval: agreed.interval.max(ABSOLUTE_MIN), refresher })
    }

    /// Session-Expires of a 2xx of ours, and Require where the peer has to refresh (§9).
    pub(super) fn write_answer(&self, headers: &mut Headers) {
        let refresher = match self.refresher {
            Side::Us => Refresher::Uas,
            Side::Them => Refresher::Uac,
        };
        let value = SessionExpires { interval: self.interval, refresher: Some(refresher) };
        headers.push(HeaderName::SessionExpires, value.to_string());
        if self.refresher == Side::Them {
            headers.push(HeaderName::Require, "timer");
        }
    }

    /// Session-Expires of a refresh of ours (§7.4: who refreshes stays the same).
    fn write_request(&self, headers: &mut Headers) {
        let refresher = match self.refresher {
            Side::Us => Refresher::Uac,
            Side::Them => Refresher::Uas,
        };
        let value = SessionExpires { interval: self.interval, refresher: Some(refresher) };
        headers.push(HeaderName::SessionExpires, value.to_string());
    }
}

impl Session {
    /// Session-Expires and Min-SE of an INVITE, re-INVITE or UPDATE of ours.
    pub(super) fn write_keepalive(&self, headers: &mut Headers) {
        let SessionTimer::On { expires, min } = self.local.timer else { return };
        match &self.keepalive {
            Some(keepalive) => keepalive.write_request(headers),
            None => headers.push(HeaderName::SessionExpires, expires.as_secs().to_string()),
        }
        headers.push(HeaderName::MinSe, min.max(self.min_se).as_secs().to_string());
    }

    /// RFC 4028 §10: each 2xx to INVITE or UPDATE starts the interval anew.
    pub(super) fn start_keepalive(&mut self, now: Instant) {
        self.timers.clear(Timer::Refresh);
        self.timers.clear(Timer::Expiry);
        let Some(keepalive) = self.keepalive else { return };
        // §10: the refresher half-way; the other side gives up min(32 s, a third) before the end.
        if keepalive.refresher == Side::Us {
            self.timers.set(Timer::Refresh, now + keepalive.interval / 2);
        }
        let margin = (keepalive.interval / 3).min(Duration::from_secs(32));
        self.timers.set(Timer::Expiry, now + (keepalive.interval - margin));
    }

    /// The timer that the peer's re-INVITE or UPDATE asks for is agreed.
    ///
    /// # Errors
    /// 422.
    pub(super) fn renew_as_callee(&mut self, headers: &Headers) -> Result<(), Rejection> {
        self.keepalive = Keepalive::as_callee(headers, self.local.timer, self.peer.supports("timer"))?;
        self.min_se = self.min_se.max(min_se(headers));
        Ok(())
    }

    /// The timer that a 2xx to ours agrees on starts.
    pub(super) fn renew_as_caller(&mut self, now: Instant, headers: &Headers) {
        self.keepalive = Keepalive::as_caller(headers, self.local.timer);
        self.start_keepalive(now);
    }

    /// RFC 4028 §7.4: refreshes by UPDATE without a description where the peer can, else by re-INVITE with the same.
    pub(super) fn refresh(&mut self, now: Instant, ep: &mut Endpoint) {
        if !matches!(self.state, State::Established) {
            return;
        }
        if !self.may_offer() {
            // An exchange under way renews the timer itself, or leaves room for another try.
            self.timers.set(Timer::Refresh, now + Duration::from_secs(5));
            return;
        }
        if self.peer.allows(&Method::Update) {
            let mut request = self.dialog.request(Method::Update);
            self.introduce(&mut request.headers);
            self.write_keepalive(&mut request.headers);
            self.send(now, ep, request, Purpose::Refresh);
        } else if let Some(sdp) = self.local_sdp.clone() {
            self.send_reinvite(now, ep, Some(sdp));
        }
    }

    /// RFC 4028 §10: nobody refreshed.
    pub(super) fn expire(&mut self, now: Instant, ep: &mut Endpoint) {
        if matches!(self.state, State::Established) {
            self.drop_exchange(now, ep);
            self.send_bye(now, ep, Some("SIP;cause=408;text=\"Session expired\""));
            self.end(EndedBy::Remote, EndCause::SessionExpired);
        }
    }

    /// RFC 4028 §7.3: what to ask for after 422; `None` when that was asked already.
    pub(super) fn raised_interval(&self, refusal: &Headers, asked: &Headers) -> Option<Duration> {
        let wanted = min_se(refusal);
        let before = asked.session_expires().ok().flatten()?.interval;
        (wanted > before).then_some(wanted)
    }
}
