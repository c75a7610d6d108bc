//! Owns who of the unknown may speak at all: how fast each source asks, how often it fails to log in, and who is banned.
//! Does not own who is a trunk (trunks never come here; see `router`) nor what a password is worth (see `sip::auth`).
//!
//! | who | counted by | over its rate | failing to log in |
//! |---|---|---|---|
//! | a flow that has logged in | itself | not heard until it slows down | always judged |
//! | another flow of an address where a phone has logged in | the address | not heard, the phone is | its user's password is not judged for a while |
//! | any other address (IPv6: its /64) | the address | not heard; banned when it goes on | banned |
//!
//! Memory is bounded: what is counted lies in two generations of one life each, which turn early when the young one is
//! full (what was heard of last is kept); of bans the one that ends first makes room.

mod bans;
mod generations;
mod pace;
mod scanners;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clock::Instant;

use crate::Security;
use bans::Bans;
pub use bans::{Ban, BanCause};
use generations::Generations;
use pace::{Pace, Taken};
pub use scanners::{is_of_scanner, is_strange_options};

/// What is known of those who are no trunk.
#[derive(Debug)]
pub struct Guard {
    bans: Bans,
    paces: Generations<Who, Pace>,
    /// Flows that have logged in.
    flows: Generations<SocketAddr, ()>,
    /// Their addresses.
    homes: Generations<IpAddr, ()>,
    failures: Generations<IpAddr, Pace>,
    failures_of_users: Generations<(IpAddr, u64), Pace>,
}

/// Whose requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    Flow(SocketAddr),
    Source(IpAddr),
}

/// Whether a request is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// It is.
    Yes,
    /// Its source is banned.
    Banned,
    /// Its source asks too fast.
    TooFast,
    /// Its source asks too fast for so long that it is banned from now on.
    BannedNow,
}

impl Default for Guard {
    fn default() -> Guard {
        Guard {
            bans: Bans::default(),
            paces: Generations::new(Duration::from_secs(60), ROOM),
            flows: Generations::new(TRUST, ROOM_OF_TRUST),
            homes: Generations::new(TRUST, ROOM_OF_TRUST),
            failures: Generations::new(Duration::from_secs(600), ROOM),
            failures_of_users: Generations::new(Duration::from_secs(600), ROOM),
        }
    }
}

impl Guard {
    /// A request of somebody who is no trunk.
    pub fn hear(&mut self, now: Instant, security: &Security, from: SocketAddr) -> Pass {
        let source = source_of(from);
        if self.bans.holds(now, source) {
            return Pass::Banned;
        }
        let known = self.flows.has(&from);
        let who = if known { Who::Flow(from) } else { Who::Source(source) };
        let rate = security.requests_per_second;
        let pace = self.paces.get(now, who, || Pace::full(now, rate * BURST_SECONDS));
        match pace.take(now, rate.into(), rate * BURST_SECONDS, rate * PATIENCE_SECONDS) {
            Taken::Yes => Pass::Yes,
            Taken::Overdrawn if !known && self.ban(now, security, from, BanCause::Flood) => Pass::BannedNow,
            Taken::No | Taken::Overdrawn => Pass::TooFast,
        }
    }

    /// Whether a message other than a request is heard: of everybody who is not banned.
    pub fn is_banned(&mut self, now: Instant, from: SocketAddr) -> bool {
        !self.bans.is_empty() && self.bans.holds(now, source_of(from))
    }

    /// Whether this very flow has logged in.
    pub fn knows(&self, from: SocketAddr) -> bool {
        self.flows.has(&from)
    }

    /// Somebody logged in from there: the flow is known, and its address is never banned.
    pub fn logged_in(&mut self, now: Instant, from: SocketAddr) {
        let source = source_of(from);
        self.flows.get(now, from, || ());
        self.homes.get(now, source, || ());
        self.bans.lift(source);
    }

    /// Whether a password that `from` shows for `user` is judged at all. Where it is not, the answer is the one to a
    /// wrong password.
    pub fn may_try(&mut self, now: Instant, security: &Security, from: SocketAddr, user: &str) -> bool {
        let source = source_of(from);
        if self.flows.has(&from) || !self.homes.has(&source) {
            return true;
        }
        let limit = security.failed_logins_per_minute;
        let pace = self.failures_of_users.get(now, (source, digest(user)), || Pace::full(now, limit));
        pace.has_one(now, Rate::per_minute(limit), limit)
    }

    /// A password was wrong, or its user unknown. Says whether the source is banned from now on.
    pub fn failed(&mut self, now: Instant, security: &Security, from: SocketAddr, user: &str) -> bool {
        let source = source_of(from);
        let limit = security.failed_logins_per_minute;
        let pace = if self.homes.has(&source) {
            self.failures_of_users.get(now, (source, digest(user)), || Pace::full(now, limit))
        } else {
            self.failures.get(now, source, || Pace::full(now, limit))
        };
        let taken = pace.take(now, Rate::per_minute(limit), limit, 0);
        taken != Taken::Yes && self.ban(now, security, from, BanCause::Logins)
    }

    /// A tool that looks for switches to break into. Says whether its source is banned from now on.
    pub fn scanned(&mut self, now: Instant, security: &Security, from: SocketAddr) -> bool {
        self.ban(now, security, from, BanCause::Scanner)
    }

    /// Those who are banned now, the ban that ends first at the front.
    pub fn bans(&self, now: Instant) -> impl Iterator<Item = Ban> {
        self.bans.list(now)
    }

    /// Ends a ban; says whether there was one.
    pub fn lift(&mut self, source: IpAddr) -> bool {
        self.bans.lift(block_of(source))
    }

    /// Bans a source, unless a phone has logged in there or it is banned already.
    fn ban(&mut self, now: Instant, security: &Security, from: SocketAddr, cause: BanCause) -> bool {
        let source = source_of(from);
        if self.homes.has(&source) || security.ban.is_zero() || self.bans.holds(now, source) {
            return false;
        }
        self.bans.add(Ban { source, cause, until: now + security.ban }, security.max_bans);
        true
    }
}

/// Tokens per second, as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    tokens: u32,
    seconds: u32,
}

impl Rate {
    fn per_minute(tokens: u32) -> Rate {
        Rate { tokens, seconds: 60 }
    }
}

impl From<u32> for Rate {
    fn from(tokens: u32) -> Rate {
        Rate { tokens, seconds: 1 }
    }
}

fn source_of(from: SocketAddr) -> IpAddr {
    block_of(from.ip())
}

/// Whose requests and connections are counted together: whoever has one IPv6 address has its whole /64.
pub fn block_of(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 => v4,
    }
}

/// Names come from strangers and may be long: what is kept of them is not.
fn digest(user: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    user.hash(&mut hasher);
    hasher.finish()
}

/// A source may be ahead of its rate by as much as so many seconds bring.
const BURST_SECONDS: u32 = 4;
/// A source that is behind by so many seconds' worth is banned.
const PATIENCE_SECONDS: u32 = 10;
/// The longest registration: a flow is known for one to two of them.
const TRUST: Duration = Duration::from_secs(7_200);
/// Sources and users in one generation, about 100 bytes each.
const ROOM: usize = 65_536;
/// Flows in one generation: three phones for each of 100,000 addresses of record fit.
const ROOM_OF_TRUST: usize = 300_000;

#[cfg(test)]
mod tests;
