//! Owns whose packets a port believes and where it sends: symmetric RTP with source locking. Does not own what the
//! packets say (see [`crate::rtp_receive`]).
//!
//! ```text
//!           (1) first packet of a trunk, from the described address,
//!               or the third of a stranger (phone behind NAT)
//!   Open ──────────────────────────────────────────────▶ Locked ──▶ (3) others are dropped
//!                                                          │  ▲
//!                                         (2) described    ▼  │ (4) another source takes over
//!                                             again     Reopened ──▶ (5) the moment passes
//! ```

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use clock::Instant;

use crate::command::Peer;

/// So many packets of one source and SSRC make a stranger the peer.
const ENOUGH: u8 = 3;

/// How long a new description lets another source take over.
const MOMENT: Duration = Duration::from_secs(2);

/// A candidate that is silent for this long makes room for another.
const FORGET: Duration = Duration::from_secs(1);

/// Believes one source at a time.
#[derive(Clone, Debug)]
pub struct PortSource {
    peer: Peer,
    described: Option<SocketAddr>,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// Nobody was heard.
    Open(Option<Candidate>),
    /// One source is believed.
    Locked(SocketAddr),
    /// One source is believed, and another may take over.
    Reopened(Box<Reopened>),
}

#[derive(Clone, Copy, Debug)]
struct Reopened {
    source: SocketAddr,
    until: Instant,
    why: Why,
    /// When `source` was last heard.
    heard: Option<Instant>,
    candidate: Option<Candidate>,
}

/// Why a lock was opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// The description names another address than before: whoever comes from there is the peer.
    Moved(Before),
    /// The same address was described again: another source is the peer only when the old one is silent.
    Refreshed,
}

/// Whether the description before was where the peer sent from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    True,
    /// It is behind NAT.
    Untrue,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    source: SocketAddr,
    ssrc: u32,
    packets: u8,
    last: Instant,
}

impl PortSource {
    /// A port nobody described.
    pub fn new(peer: Peer) -> PortSource {
        PortSource { peer, described: None, state: State::Open(None) }
    }

    /// The peer said (again) where it listens.
    pub fn describe(&mut self, now: Instant, remote: SocketAddr) {
        let before = self.described.replace(remote);
        let Some(source) = self.locked() else { return };
        // Hold by 0.0.0.0 does not say where the peer is.
        let moved = before.is_some_and(|before| before != remote) && !remote.ip().is_unspecified();
        let told = if before == Some(source) { Before::True } else { Before::Untrue };
        let why = if moved { Why::Moved(told) } else { Why::Refreshed };
        let reopened = Reopened { source, until: now + MOMENT, why, heard: None, candidate: None };
        self.state = State::Reopened(Box::new(reopened));
    }

    /// Whether a packet of stream `ssrc` from `source` is the peer's. A stranger's first packets are believed while
    /// nobody else was heard.
    #[inline]
    pub fn believes(&mut self, now: Instant, source: SocketAddr, ssrc: u32) -> bool {
        match self.state {
            State::Locked(locked) => locked == source,
            State::Open(candidate) => self.open(now, source, ssrc, candidate),
            State::Reopened(_) => self.reopened(now, source, ssrc),
        }
    }

    /// The source that is believed.
    pub fn locked(&self) -> Option<SocketAddr> {
        match &self.state {
            State::Open(_) => None,
            State::Locked(source) => Some(*source),
            State::Reopened(reopened) => Some(reopened.source),
        }
    }

    /// The source that is believed, while no other may take over.
    #[inline]
    pub fn settled_on(&self) -> Option<SocketAddr> {
        match self.state {
            State::Locked(source) => Some(source),
            State::Open(_) | State::Reopened(_) => None,
        }
    }

    /// Where packets to the peer go: to the believed source, else where the description says.
    #[inline]
    pub fn target(&self) -> Option<SocketAddr> {
        let described =
            self.described.filter(|address| !address.ip().is_unspecified() && address.port() != 0);
        match &self.state {
            State::Open(_) => described,
            State::Locked(source) => Some(*source),
            State::Reopened(reopened) => match (reopened.why, &self.peer) {
                // A carrier's new address is where it listens from now on, and that of a phone which told the truth before;
                // one behind NAT is spoken to where it was.
                (Why::Moved(_), Peer::Trunk { .. }) | (Why::Moved(Before::True), Peer::Phone { .. }) => {
                    described
                }
                (Why::Moved(Before::Untrue), Peer::Phone { .. }) | (Why::Refreshed, _) => {
                    Some(reopened.source)
                }
            },
        }
    }

    /// Whether RTCP from `source` may be the peer's.
    pub fn may_report(&self, source: SocketAddr) -> bool {
        self.locked().or(self.described).is_some_and(|known| known.ip() == source.ip())
    }

    fn open(&mut self, now: Instant, source: SocketAddr, ssrc: u32, candidate: Option<Candidate>) -> bool {
        if !self.allows(source) {
            return false;
        }
        if matches!(self.peer, Peer::Trunk { .. }) || self.described == Some(source) {
            self.state = State::Locked(source);
            return true;
        }
        match candidate {
            Some(known) if known.source != source && now.since(known.last) < FORGET => false,
            known => {
                let next = Candidate::counted(known, now, source, ssrc);
                let enough = next.packets >= ENOUGH;
                self.state = if enough { State::Locked(source) } else { State::Open(Some(next)) };
                true
            }
        }
    }

    fn reopened(&mut self, now: Instant, source: SocketAddr, ssrc: u32) -> bool {
        let allowed = self.allows(source);
        let is_trunk = matches!(self.peer, Peer::Trunk { .. });
        let is_described = self.described == Some(source);
        let State::Reopened(state) = &mut self.state else { return false };
        // A source that moved may take its time; one that was only refreshed is believed until the moment passes.
        let speaks = state.heard.is_some_and(|heard| now.since(heard) < FORGET);
        let over = now > state.until && (state.why == Why::Refreshed || speaks);
        if source == state.source {
            state.heard = Some(now);
            if state.why == Why::Refreshed {
                state.candidate = None;
            }
        } else if !over && allowed {
            let at_once = matches!(state.why, Why::Moved(_)) && (is_described || is_trunk);
            let next = Candidate::counted(state.candidate, now, source, ssrc);
            let takes_over = at_once || next.packets >= ENOUGH;
            state.candidate = Some(next);
            if takes_over {
                self.state = State::Locked(source);
            }
            return takes_over;
        }
        let believed = state.source;
        if over {
            self.state = State::Locked(believed);
        }
        source == believed
    }

    /// A carrier sends from the described address, any port, or from its networks; a phone too, and from anywhere when it is
    /// known to be behind a NAT.
    fn allows(&self, source: SocketAddr) -> bool {
        let described = self.described.map(|described| described.ip());
        match &self.peer {
            Peer::Phone { signals_from } => {
                // Hold by 0.0.0.0 does not say where the peer is.
                let tells = |ip: IpAddr| ip == *signals_from || ip.is_unspecified();
                !described.is_some_and(tells) || source.ip() == *signals_from
            }
            Peer::Trunk { media_from } => {
                described == Some(source.ip())
                    || media_from.iter().any(|(network, prefix)| is_within(source.ip(), *network, *prefix))
            }
        }
    }
}

impl Candidate {
    /// The candidate after one more packet; another source or stream begins to count anew.
    fn counted(known: Option<Candidate>, now: Instant, source: SocketAddr, ssrc: u32) -> Candidate {
        let packets =
            known.filter(|known| known.source == source && known.ssrc == ssrc).map_or(0, |k| k.packets);
        Candidate { source, ssrc, packets: packets + 1, last: now }
    }
}

/// Whether `ip` is in the network of `prefix` leading bits.
fn is_within(ip: IpAddr, network: IpAddr, prefix: u8) -> bool {
    let differs = match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => u128::from(u32::from(ip) ^ u32::from(network)) << 96,
        (IpAddr::V6(ip), IpAddr::V6(network)) => u128::from(ip) ^ u128::from(network),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    differs.leading_zeros() >= u32::from(prefix)
}

#[cfg(test)]
mod tests;
