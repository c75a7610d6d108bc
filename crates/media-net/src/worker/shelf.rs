//! Owns the bound pairs of one worker: in which room each is, and those that rest. Does not own which port numbers are
//! free (see [`crate::ports`]).
//!
//! Binding, marking, watching and closing the two sockets of a pair are a dozen system calls, more than the rest of a
//! short call's signalling; so a pair outlives its call. While it rests, what still arrives is read and thrown away.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use clock::Instant;
use media::sink::{Channel, PortIndex};

use super::{Figures, Token, add, sys};
use crate::ports::{Opened, Pair, Reading, Takes};
use crate::sys::{Left, Registry};

/// A pair that no call has wanted for so long is closed.
const KEPT_FOR: Duration = Duration::from_secs(5);

/// Which port of which room a pair is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home {
    pub slot: u32,
    pub port: PortIndex,
}

/// The bound pairs of one worker.
#[derive(Debug)]
pub struct Shelf {
    worker: usize,
    /// What the worker is told of.
    registry: Registry,
    /// By place; `None` for those that rest, and for places without a pair.
    homes: Vec<Option<Home>>,
    /// By place; `None` for those in a room, and for places without a pair.
    resting: Vec<Option<Pair>>,
    empty: Vec<u32>,
    /// When what has come to rest is closed unless it was used since; in order.
    closing: VecDeque<(Instant, u32)>,
    /// By place, when it last came to rest.
    rested: Vec<Instant>,
    figures: Arc<Figures>,
}

impl Shelf {
    pub fn new(worker: usize, registry: Registry, figures: Arc<Figures>) -> Shelf {
        Shelf {
            worker,
            registry,
            homes: Vec::new(),
            resting: Vec::new(),
            empty: Vec::new(),
            closing: VecDeque::new(),
            rested: Vec::new(),
            figures,
        }
    }

    /// Gives `home` its pair. `None`: nothing rests there, which the port pool's books exclude.
    pub fn adopt(&mut self, opened: Opened, home: Home) -> Option<Pair> {
        match opened {
            Opened::Kept(place) => {
                let mut pair = self.resting.get_mut(place as usize)?.take()?;
                // What came while this worker did other things has not been thrown away yet.
                [&pair.rtp, &pair.rtcp].into_iter().for_each(sys::drain);
                pair.mark();
                self.homes[place as usize] = Some(home);
                add(&self.figures.resting, -1);
                Some(pair)
            }
            Opened::New(mut pair) => {
                let place = self.empty.pop().unwrap_or_else(|| {
                    self.homes.push(None);
                    self.resting.push(None);
                    self.rested.push(Instant::ZERO);
                    // invariant: a pair has two descriptors, and a process has fewer than a u32 counts.
                    (self.homes.len() - 1) as u32
                });
                pair.place = place;
                self.homes[place as usize] = Some(home);
                for (socket, channel) in [(&pair.rtp, Channel::Rtp), (&pair.rtcp, Channel::Rtcp)] {
                    if let Err(error) = self.registry.add(socket, Token { place, channel }.pack()) {
                        tracing::error!(%error, "a port cannot be watched and will be deaf");
                    }
                }
                Some(pair)
            }
        }
    }

    /// A pair that is in use belongs to another port from now on.
    pub fn move_within(&mut self, pair: &Pair, home: Home) {
        self.homes[pair.place as usize] = Some(home);
    }

    /// A pair leaves this worker, which hears of it no more.
    pub fn let_go(&mut self, pair: &mut Pair) {
        self.read(pair, Reading::AtOnce);
        for socket in [&pair.rtp, &pair.rtcp] {
            if let Err(error) = self.registry.remove(socket) {
                tracing::error!(%error, "a port that moves away is still watched");
            }
        }
        self.homes[pair.place as usize] = None;
        self.empty.push(pair.place);
    }

    /// RTP comes to `pair` from `peer` alone; from everybody where nobody is believed yet, or another may take over. Where
    /// the system refuses, from everybody: the room decides in any case.
    #[inline]
    pub fn take_from(&self, pair: &mut Pair, peer: Option<SocketAddr>) {
        let takes = if peer.is_some() { Takes::Peers } else { Takes::All };
        if pair.takes != takes {
            match sys::connect(&pair.rtp, peer) {
                Ok(()) => pair.takes = takes,
                Err(error) => tracing::debug!(?peer, %error, "a port takes packets as before"),
            }
        }
    }

    /// The RTP of `pair` is read as `reading` says. Where the system refuses, nothing changes.
    #[inline]
    pub fn read(&self, pair: &mut Pair, reading: Reading) {
        if pair.reading != reading {
            self.change(pair, reading);
        }
    }

    fn change(&self, pair: &mut Pair, reading: Reading) {
        let token = Token { place: pair.place, channel: Channel::Rtp }.pack();
        let changed = match reading {
            // When a packet came is what jitter is measured by.
            Reading::WithOurs => sys::stamp(&pair.rtp).and_then(|()| self.registry.remove(&pair.rtp)),
            Reading::AtOnce => self.registry.add(&pair.rtp, token).and_then(|()| sys::unstamp(&pair.rtp)),
        };
        match changed {
            Ok(()) => pair.reading = reading,
            Err(error) => tracing::warn!(%error, ?reading, "a port is read as before"),
        }
    }

    /// Where the pair at `place` is in use.
    #[inline]
    pub fn home(&self, place: u32) -> Option<Home> {
        self.homes.get(place as usize).copied().flatten()
    }

    /// Reads and forgets one datagram of a pair that rests: it belongs to a call that has ended. Whether there are more.
    pub fn discard(&self, token: Token, buffer: &mut [u8]) -> Left {
        let Some(Some(pair)) = self.resting.get(token.place as usize) else { return Left::Nothing };
        let socket = socket(pair, token.channel);
        let _late = sys::receive(socket, buffer);
        sys::left(socket)
    }

    /// A call has ended that used `pair`.
    pub fn rest(&mut self, now: Instant, mut pair: Pair) {
        self.read(&mut pair, Reading::AtOnce);
        self.take_from(&mut pair, None);
        let place = pair.place;
        let at = place as usize;
        self.homes[at] = None;
        if pair.lease.keep(self.worker, place) {
            self.resting[at] = Some(pair);
            self.rested[at] = now;
            self.closing.push_back((now + KEPT_FOR, place));
            add(&self.figures.resting, 1);
        } else {
            self.empty.push(place);
        }
    }

    /// When [`Shelf::tidy`] has something to do.
    pub fn due(&self) -> Option<Instant> {
        self.closing.front().map(|(at, _)| *at)
    }

    /// Closes what no call has wanted for long.
    pub fn tidy(&mut self, now: Instant) {
        while let Some((at, place)) = self.closing.front().copied().filter(|(at, _)| *at <= now) {
            self.closing.pop_front();
            let rests = &mut self.resting[place as usize];
            let unused = self.rested[place as usize] + KEPT_FOR == at;
            if unused && rests.as_ref().is_some_and(|pair| pair.lease.retire(self.worker, place)) {
                *rests = None;
                add(&self.figures.resting, -1);
                self.empty.push(place);
            }
        }
    }
}

/// The socket of a pair for `channel`.
#[inline]
pub fn socket(pair: &Pair, channel: Channel) -> &OwnedFd {
    match channel {
        Channel::Rtp => &pair.rtp,
        Channel::Rtcp => &pair.rtcp,
    }
}
