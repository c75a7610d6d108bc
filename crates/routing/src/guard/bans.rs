//! Owns the list of banned sources.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use clock::Instant;

/// A source that is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// An IPv4 address, or the first address of an IPv6 /64.
    pub source: IpAddr,
    /// Why.
    pub cause: BanCause,
    /// Until when.
    pub until: Instant,
}

/// Why a source is banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BanCause {
    /// It asked too fast for too long.
    Flood,
    /// Too many wrong passwords.
    Logins,
    /// It called itself a scanner.
    Scanner,
}

impl BanCause {
    /// The cause as a metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            BanCause::Flood => "flood",
            BanCause::Logins => "logins",
            BanCause::Scanner => "scanner",
        }
    }
}

/// Who is banned, and whose ban ends first.
#[derive(Debug, Default)]
pub(super) struct Bans {
    bans: HashMap<IpAddr, Ban>,
    ends: BTreeSet<(Instant, IpAddr)>,
}

impl Bans {
    pub fn is_empty(&self) -> bool {
        self.bans.is_empty()
    }

    /// Whether `source` is banned; a ban that is over is forgotten.
    pub fn holds(&mut self, now: Instant, source: IpAddr) -> bool {
        match self.bans.get(&source) {
            Some(ban) if ban.until > now => true,
            Some(_) => {
                self.lift(source);
                false
            }
            None => false,
        }
    }

    /// One more; of more than `most` the one that ends first makes room.
    pub fn add(&mut self, ban: Ban, most: usize) {
        self.lift(ban.source);
        self.bans.insert(ban.source, ban);
        self.ends.insert((ban.until, ban.source));
        while self.bans.len() > most
            && let Some((_, first)) = self.ends.first().copied()
        {
            self.lift(first);
        }
    }

    pub fn lift(&mut self, source: IpAddr) -> bool {
        let ban = self.bans.remove(&source);
        ban.is_some_and(|ban| self.ends.remove(&(ban.until, source)))
    }

    pub fn list(&self, now: Instant) -> impl Iterator<Item = Ban> {
        self.ends.iter().filter(move |(until, _)| *until > now).map(|(_, source)| self.bans[source])
    }
}
