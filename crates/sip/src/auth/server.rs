//! Owns the asking side of digest: timed nonces, their counts, and the verdict on credentials.

use std::collections::HashMap;
use std::time::Duration;

use clock::WallTime;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::headers::{Algorithm, Challenge, Credentials, Headers, Qop, Stale};
use crate::message::{Method, Response};

use super::{Side, hex, response, same};

/// The algorithms that one user is offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Offer {
    /// MD5 alone: what every phone knows.
    #[default]
    Md5,
    /// SHA-256 alone.
    Sha256,
    /// Both, MD5 first: JsSIP and SIPp take the first, others the best.
    Both,
}

impl Offer {
    fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Offer::Md5 => &[Algorithm::Md5],
            Offer::Sha256 => &[Algorithm::Sha256],
            Offer::Both => &[Algorithm::Md5, Algorithm::Sha256],
        }
    }
}

/// What is known of a user.
#[derive(Clone, Copy)]
pub struct Account<'a> {
    /// The password as it was given.
    pub password: &'a str,
    /// What the user is offered.
    pub offer: Offer,
}

/// What credentials are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The password is right and the nonce fresh.
    Granted,
    /// The password is right, the nonce too old or used up: challenge again with [`Stale::Yes`].
    Stale,
    /// Anything else: challenge again with [`Stale::No`].
    Denied,
}

/// Makes challenges and judges their answers for one realm. Nonces carry their time under a key, so that a challenge
/// leaves nothing behind; only counts of granted nonces are kept, for as long as the nonces live.
pub struct Challenger {
    realm: String,
    key: Hmac<Sha256>,
    dummy: String,
    life: Duration,
    issued: u64,
    counts: Counts,
}

impl Challenger {
    /// Asks for users of `realm`. Whoever knows `secret` can mint nonces: draw it at random for each process and
    /// shard. A nonce is good for `life`.
    pub fn new(realm: &str, secret: [u8; 32], life: Duration) -> Challenger {
        // invariant: HMAC takes keys of any length.
        let key = Hmac::<Sha256>::new_from_slice(&secret).unwrap_or_else(|_| unreachable!());
        let mut dummy = key.clone();
        dummy.update(b"no such user");
        Challenger {
            realm: realm.to_owned(),
            dummy: hex(&dummy.finalize().into_bytes()),
            key,
            life,
            issued: 0,
            counts: Counts::default(),
        }
    }

    /// The realm asked for.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// Adds the challenges of `offer` to `response`, whose status is [`Side::status`].
    pub fn challenge(
        &mut self,
        now: WallTime,
        side: Side,
        offer: Offer,
        stale: Stale,
        response: &mut Response,
    ) {
        for algorithm in offer.algorithms() {
            let challenge = Challenge {
                realm: self.realm.clone(),
                nonce: self.mint(now),
                algorithm: *algorithm,
                qop: Qop::Auth,
                opaque: None,
                stale,
            };
            response.headers.push(side.challenge_header(), challenge.to_string());
        }
    }

    /// The credentials for this realm among `headers`; whom to look up before [`Challenger::judge`].
    pub fn credentials(&self, side: Side, headers: &Headers) -> Option<Credentials> {
        headers.all(side.credentials_header()).filter_map(Credentials::parse).find(|c| c.realm == self.realm)
    }

    /// Judges `credentials` of a request with `method`. `account` is what is known of their user; an unknown user
    /// costs the same work and gets the same verdict as a wrong password.
    ///
    /// The digest's URI is taken as it stands: proxies rewrite the Request-URI, and without `auth-int` it protects
    /// nothing that a thief of credentials could not change.
    pub fn judge(
        &mut self,
        now: WallTime,
        credentials: &Credentials,
        method: &Method,
        account: Option<Account<'_>>,
    ) -> Verdict {
        let known = account.is_some();
        let account = account.unwrap_or(Account { password: &self.dummy, offer: Offer::default() });
        // RFC 8760 §2.4 leaves the choice to the server: what was not offered is not taken. The arithmetic is done
        // all the same, so that the time taken says nothing.
        let offered = account.offer.algorithms().contains(&credentials.algorithm);
        let plain = credentials.protection.as_ref().is_none_or(|p| p.qop.eq_ignore_ascii_case("auth"));
        let expected = response(credentials, account.password, method).unwrap_or_default();
        let right = same(&expected, &credentials.response);
        if !(known && offered && plain && right) {
            return Verdict::Denied;
        }
        let Some(minted) = self.minted(&credentials.nonce) else { return Verdict::Stale };
        let age = now.since(minted.at());
        if age > self.life || minted.at() > now {
            return Verdict::Stale;
        }
        // A client that counts nothing may use a nonce once.
        let count = match &credentials.protection {
            None => 1,
            Some(protection) => match protection.count() {
                Some(count) => count,
                None => return Verdict::Denied,
            },
        };
        match self.counts.raise(now, self.life, minted, count) {
            Raise::Risen => Verdict::Granted,
            Raise::Replayed => Verdict::Stale,
        }
    }

    fn mint(&mut self, now: WallTime) -> String {
        self.issued += 1;
        let minted = Minted { micros: now.0, serial: self.issued };
        format!("{:016x}{:08x}{}", minted.micros, minted.serial, self.seal(minted))
    }

    /// When and as which a nonce was minted here; `None` for a forged one.
    fn minted(&self, nonce: &str) -> Option<Minted> {
        let (micros, rest) = nonce.split_at_checked(16)?;
        let (serial, seal) = rest.split_at_checked(rest.len().checked_sub(SEAL_DIGITS)?)?;
        let minted = Minted {
            micros: i64::from_str_radix(micros, 16).ok()?,
            serial: u64::from_str_radix(serial, 16).ok()?,
        };
        same(&self.seal(minted), seal).then_some(minted)
    }

    fn seal(&self, minted: Minted) -> String {
        let mut mac = self.key.clone();
        mac.update(&minted.micros.to_be_bytes());
        mac.update(&minted.serial.to_be_bytes());
        mac.update(self.realm.as_bytes());
        let mut seal = hex(&mac.finalize().into_bytes());
        seal.truncate(SEAL_DIGITS);
        seal
    }
}

#[cfg(test)]
impl Challenger {
    pub(super) fn dummy_for_tests(&self) -> String {
        self.dummy.clone()
    }

    pub(super) fn counts_for_tests(&self) -> usize {
        self.counts.young.len() + self.counts.old.len()
    }
}

/// Half of the HMAC: 128 bits.
const SEAL_DIGITS: usize = 32;

/// What a nonce carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Minted {
    micros: i64,
    serial: u64,
}

impl Minted {
    fn at(self) -> WallTime {
        WallTime(self.micros)
    }
}

/// The highest count granted for each nonce, in two generations of one nonce's life each: what is older than both
/// has expired by its time.
#[derive(Default)]
struct Counts {
    young: HashMap<Minted, u32>,
    old: HashMap<Minted, u32>,
    turned: WallTime,
}

enum Raise {
    Risen,
    Replayed,
}

impl Counts {
    /// RFC 7616 §3.4: "If the same value is seen twice, then the request is a replay."
    fn raise(&mut self, now: WallTime, life: Duration, minted: Minted, count: u32) -> Raise {
        let since_turn = now.since(self.turned);
        if since_turn >= life {
            self.old = std::mem::take(&mut self.young);
            if since_turn >= life * 2 {
                self.old = HashMap::new();
            }
            self.turned = now;
        }
        let last = self.young.get(&minted).or_else(|| self.old.get(&minted)).copied().unwrap_or(0);
        if count <= last {
            return Raise::Replayed;
        }
        self.young.insert(minted, count);
        Raise::Risen
    }
}
