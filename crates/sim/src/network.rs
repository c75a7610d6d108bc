//! Owns the way of datagrams: how long they take, and which are lost, repeated or overtaken.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use clock::Instant;

use crate::agenda::{Agenda, Due};
use crate::dice::Dice;

/// What the network and the letters between threads do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// What every datagram takes.
    pub latency: Duration,
    /// What it may take longer.
    pub jitter: Duration,
    /// Datagrams lost, of a thousand.
    pub lost: u32,
    /// Datagrams that arrive twice, of a thousand.
    pub doubled: u32,
    /// Datagrams that are overtaken by those of the next 100 ms, of a thousand.
    pub overtaken: u32,
    /// The longest that a letter between two of the switch's threads takes.
    pub letter: Duration,
}

impl Weather {
    /// 5 ms, nothing lost, letters within half a millisecond.
    pub const FAIR: Weather = Weather {
        latency: Duration::from_millis(5),
        jitter: Duration::ZERO,
        lost: 0,
        doubled: 0,
        overtaken: 0,
        letter: Duration::from_micros(500),
    };

    /// 40 ms ± 15, one of ten lost, some repeated and overtaken, letters within 5 ms.
    pub const FOUL: Weather = Weather {
        latency: Duration::from_millis(25),
        jitter: Duration::from_millis(30),
        lost: 100,
        doubled: 30,
        overtaken: 30,
        letter: Duration::from_millis(5),
    };
}

/// How much later a datagram comes that is overtaken.
const OVERTAKEN: Duration = Duration::from_millis(100);

/// The network.
#[derive(Debug)]
pub(crate) struct Network {
    pub weather: Weather,
    unplugged: HashSet<IpAddr>,
    /// Whether all that was ever sent arrives.
    reliable: bool,
}

impl Network {
    pub fn new(weather: Weather) -> Network {
        Network { weather, unplugged: HashSet::new(), reliable: true }
    }

    /// Nothing reaches or leaves `address` from now on.
    pub fn unplug(&mut self, address: IpAddr) {
        self.reliable = false;
        self.unplugged.insert(address);
    }

    pub fn plug(&mut self, address: IpAddr) {
        self.unplugged.remove(&address);
    }

    /// Whether all that was ever sent arrives, so that peers know what the switch knows as soon as nothing is on its way.
    pub fn is_reliable(&self) -> bool {
        self.reliable && self.weather.lost == 0
    }

    pub fn is_unplugged(&self, address: IpAddr) -> bool {
        self.unplugged.contains(&address)
    }

    pub fn send(
        &self,
        now: Instant,
        dice: &mut Dice,
        agenda: &mut Agenda,
        (from, to): (SocketAddr, SocketAddr),
        bytes: Bytes,
    ) {
        let weather = self.weather;
        if self.is_unplugged(from.ip()) || self.is_unplugged(to.ip()) || dice.happens(weather.lost) {
            return;
        }
        let copies = if dice.happens(weather.doubled) { 2 } else { 1 };
        for _ in 0..copies {
            let mut takes = weather.latency + dice.length(weather.jitter);
            if dice.happens(weather.overtaken) {
                takes += OVERTAKEN;
            }
            agenda.put(now + takes, Due::Datagram { from, to, bytes: bytes.clone() });
        }
    }
}
