//! Owns who a request is from, by digest; for REGISTER (401) and for INVITEs of phones (407 or 401) alike.

use clock::WallTime;
use model::{Aor, TenantId};

use crate::auth::{Account, Challenger, Offer, Side, Verdict};
use crate::headers::Stale;
use crate::message::{Request, Response};

/// Knows the phones.
pub trait Directory {
    /// The phone called `user` at `domain`; for a domain that is a bare address `user` is unique on the node.
    fn phone(&self, user: &str, domain: &str) -> Option<Phone<'_>>;

    /// What a user is challenged with whom nobody knows: what the phone gets on which `lot` falls. Where all phones are
    /// offered the same a stranger is offered it too; where they are not, strangers are as different as they are.
    ///
    /// A directory whose phones are all offered what is usual need not say so.
    fn decoy(&self, lot: u64) -> Offer {
        let _every_lot = lot;
        Offer::default()
    }
}

/// A phone that may register.
#[derive(Clone, Copy)]
pub struct Phone<'a> {
    /// Whose.
    pub tenant: &'a TenantId,
    /// Its address of record.
    pub aor: &'a Aor,
    /// Its password, and what it is challenged with.
    pub account: Account<'a>,
    /// Its bindings at a time; one more takes the place of the oldest.
    pub max_contacts: usize,
}

/// Who sent `request`. An unknown user costs the same work and gets the same answer as a wrong password; the challenge
/// is the one that the user of From is due, and for a stranger one that a phone might be due.
///
/// # Errors
/// The challenge to send back, without a To tag.
pub fn authenticate<'d>(
    challenger: &mut Challenger,
    wall: WallTime,
    side: Side,
    request: &Request,
    directory: &'d impl Directory,
) -> Result<Phone<'d>, Box<Response>> {
    let from = request.headers.from().ok();
    let domain = from.as_ref().map_or("", |from| from.uri().host());
    let mut stale = Stale::No;
    if let Some(credentials) = challenger.credentials(side, &request.headers) {
        let (user, of_user) = match credentials.username.split_once('@') {
            Some((user, domain)) => (user, domain),
            None => (credentials.username.as_str(), domain),
        };
        let phone = directory.phone(user, of_user);
        let account = phone.as_ref().map(|phone| phone.account);
        match (challenger.judge(wall, &credentials, &request.method, account), phone) {
            (Verdict::Granted, Some(phone)) => return Ok(phone),
            (Verdict::Stale, _) => stale = Stale::Yes,
            (Verdict::Granted | Verdict::Denied, _) => {}
        }
    }
    let user = from.as_ref().and_then(|from| from.uri().user()).unwrap_or_default();
    // Both are worked out for everybody: the time taken says nothing.
    let decoy = directory.decoy(challenger.lot(&user, domain));
    let offer = directory.phone(&user, domain).map_or(decoy, |phone| phone.account.offer);
    let mut response = Response::to(request, side.status());
    challenger.challenge(wall, side, offer, stale, &mut response);
    Err(Box::new(response))
}
