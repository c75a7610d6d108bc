//! Owns who somebody proves to be that is no trunk: one challenge for every request outside a dialog but REGISTER (which the
//! registrar challenges), one path for the unknown user and the wrong password, and what the guard learns of both.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use clock::Instant;
use routing::{BanCause, DigestChoice, Phone};
use sip::auth::{Account, Challenger, Offer, Side, Verdict};
use sip::endpoint::{Flow, ServerTx};
use sip::headers::{Challenge, Credentials, Stale};
use sip::{HeaderName, Request, Response};

use super::Shard;
use crate::{Output, Settings, identity};

/// A REGISTER with credentials, for what the registrar thinks of them.
#[derive(Debug)]
pub(super) struct Login {
    flow: Flow,
    user: String,
}

/// Who asks phones for their passwords: one realm for all, the registrar's, so that it tells nothing of whose a user is.
pub(super) fn challenger(settings: &Settings, secret: [u8; 32]) -> Challenger {
    Challenger::new(&settings.product, secret, NONCE_LIVES)
}

impl Shard {
    /// The phone whose password the request shows (RFC 3261 §22.3).
    ///
    /// # Errors
    /// The challenge to send: the same, after the same work, whether the user is unknown or the password wrong.
    pub(super) fn authenticate(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Request,
    ) -> Result<Phone, Box<Response>> {
        let wall = self.anchor.wall(now);
        let caller = identity::caller(request);
        let mut stale = Stale::No;
        if let Some(credentials) = self.challenger.credentials(SIDE, &request.headers) {
            let (user, domain) = match credentials.username.split_once('@') {
                Some(parts) => parts,
                None => (credentials.username.as_str(), caller.host()),
            };
            let phone = self.router.phone_of(user, domain).filter(|phone| phone.interface == flow.interface);
            let tries = self.may_try(now, flow, user);
            let account =
                phone.map(|phone| Account { password: &phone.password, offer: offer(phone.digest) });
            let account = account.filter(|_| tries);
            match (self.challenger.judge(wall, &credentials, &request.method, account), phone) {
                (Verdict::Granted, Some(phone)) => {
                    let phone = phone.clone();
                    self.logged_in(now, flow);
                    return Ok(phone);
                }
                (Verdict::Stale, _) => stale = Stale::Yes,
                (Verdict::Granted | Verdict::Denied, _) if tries => {
                    let user = user.to_owned();
                    self.failed(now, flow, &user);
                }
                (Verdict::Granted | Verdict::Denied, _) => {}
            }
        }
        self.out.push_back(Output::Counted("challenged"));
        let lot = self.lot(&caller.user());
        let offer = offer(self.router.offered(&caller.user(), caller.host(), lot));
        let mut response = Response::to(request, SIDE.status());
        self.challenger.challenge(wall, SIDE, offer, stale, &mut response);
        let tag = self.endpoint.mint_tag();
        // invariant: the endpoint passes on requests with a usable To only.
        let _checked = response.set_to_tag(&tag);
        Err(Box::new(response))
    }

    /// A REGISTER for the registrar. A password that is not to be judged is taken away: the challenge that follows is the
    /// one to a wrong password.
    pub(super) fn pass_on_register(&mut self, now: Instant, tx: ServerTx, flow: Flow, mut request: Request) {
        let shown = request.headers.get(HeaderName::Authorization).and_then(Credentials::parse);
        if let Some(credentials) = shown {
            let user = credentials.username.split('@').next().unwrap_or_default().to_owned();
            if self.may_try(now, flow, &user) {
                self.logins.insert(tx, Login { flow, user });
            } else {
                request.headers.remove(HeaderName::Authorization);
                self.out.push_back(Output::Counted("login_not_judged"));
            }
        }
        self.out.push_back(Output::Register { tx, flow, request: Box::new(request) });
    }

    /// What the registrar thinks of a login.
    pub(super) fn note_login(&mut self, now: Instant, tx: ServerTx, response: &Response) {
        let Some(Login { flow, user }) = self.logins.remove(&tx) else { return };
        let challenge = response.headers.get(HeaderName::WwwAuthenticate).and_then(Challenge::parse);
        let wrong = challenge.is_none_or(|challenge| challenge.stale == Stale::No);
        match response.status {
            200..=299 => self.logged_in(now, flow),
            401 | 403 | 407 if wrong => self.failed(now, flow, &user),
            _ => {}
        }
    }

    fn may_try(&self, now: Instant, flow: Flow, user: &str) -> bool {
        let security = &self.settings.plan.security;
        self.is_trunk(flow) || self.node.guard.lock().may_try(now, security, flow.remote, user)
    }

    pub(super) fn logged_in(&mut self, now: Instant, flow: Flow) {
        self.node.guard.lock().logged_in(now, flow.remote);
    }

    /// A wrong password; behind a trunk's address nobody is banned.
    fn failed(&mut self, now: Instant, flow: Flow, user: &str) {
        self.out.push_back(Output::Counted("login_failed"));
        if self.is_trunk(flow) {
            return;
        }
        let security = &self.settings.plan.security;
        if self.node.guard.lock().failed(now, security, flow.remote, user) {
            self.out.push_back(Output::Banned { source: flow.remote.ip(), cause: BanCause::Logins });
        }
    }

    /// A number drawn from a name under the node's secret.
    fn lot(&self, name: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.secret, name).hash(&mut hasher);
        hasher.finish()
    }
}

fn offer(digest: DigestChoice) -> Offer {
    match digest {
        DigestChoice::Md5 => Offer::Md5,
        DigestChoice::Sha256 => Offer::Sha256,
        DigestChoice::Both => Offer::Both,
    }
}

/// 407: the switch stands between the phone and whom it calls.
const SIDE: Side = Side::Proxy;
/// How long a phone may use one nonce.
const NONCE_LIVES: Duration = Duration::from_secs(300);
