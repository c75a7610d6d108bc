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

/// The secret of one of the minters of nonces of a node: a shard, the registrar. A nonce is good only where it was
/// minted, because only there its counts are kept; elsewhere it is stale, and the phone is asked once more.
pub fn secret_of(node: &[u8; 32], minter: &str) -> [u8; 32] {
    let mut mac = keyed(node);
    mac.update(b"minter ");
    mac.update(minter.as_bytes());
    mac.finalize().into_bytes().into()
}

fn keyed(secret: &[u8; 32]) -> Hmac<Sha256> {
    // invariant: HMAC takes keys of any length.
    Hmac::<Sha256>::new_from_slice(secret).unwrap_or_else(|_| unreachable!())
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
    /// Asks for users of `realm`. Whoever knows `secret` can mint nonces: draw it at random for each process, and derive
    /// one for each minter by [`secret_of`]. A nonce is good for `life`.
    pub fn new(realm: &str, secret: [u8; 32], life: Duration) -> Challenger {
        let key = keyed(&secret);
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

    /// A number that is always the same for `user` and that nobody else can foresee: what a stranger is asked by
    /// depends on it, so that asking twice tells nothing.
    pub fn lot(&self, user: &str, domain: &str) -> u64 {
        let mut mac = self.key.clone();
        mac.update(b"lot ");
        mac.update(user.as_bytes());
        mac.update(b"@");
        mac.update(domain.to_ascii_lowercase().as_bytes());
        let lot = mac.finalize().into_bytes();
        u64::from_be_bytes(std::array::from_fn(|place| lot[place]))
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

    /// Grants `nonces` nonces, each once, within one second from `now`.
    pub(super) fn storm_for_tests(&mut self, now: WallTime, nonces: u64) {
        for serial in 0..nonces {
            let micros = now.0 + i64::try_from(serial).unwrap();
            let minted = Minted { micros, serial: 1 << 40 | serial };
            self.counts.raise(WallTime(micros), self.life, minted, 1);
        }
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
/// has expired by its time. A generation that is full ends early, and takes with it all nonces minted before it began.
#[derive(Default)]
struct Counts {
    young: HashMap<Minted, u32>,
    old: HashMap<Minted, u32>,
    turned: WallTime,
    /// Nonces minted before this may have been forgotten: they are stale.
    floor: WallTime,
}

enum Raise {
    Risen,
    Replayed,
}

impl Counts {
    /// RFC 7616 §3.4: "If the same value is seen twice, then the request is a replay."
    fn raise(&mut self, now: WallTime, life: Duration, minted: Minted, count: u32) -> Raise {
        let since_turn = now.since(self.turned);
        if since_turn >= life || self.young.len() >= MOST_COUNTS {
            self.old = std::mem::take(&mut self.young);
            if since_turn >= life * 2 {
                self.old = HashMap::new();
            }
            if since_turn < life {
                // What was counted before the last turn is dropped before it has expired.
                self.floor = self.turned;
            }
            self.turned = now;
        }
        if minted.at() < self.floor {
            return Raise::Replayed;
        }
        let last = self.young.get(&minted).or_else(|| self.old.get(&minted)).copied().unwrap_or(0);
        if count <= last {
            return Raise::Replayed;
        }
        self.young.insert(minted, count);
        Raise::Risen
    }
}

/// Nonces whose counts one generation keeps: 10 MB at most.
const MOST_COUNTS: usize = 262_144;
