//! Owns which UDP port pairs are free, in use or resting, and the binding of a pair. Does not own what passes through
//! them (see [`crate::worker`]).

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::{Instant, SystemClock};
use socket2::{Domain, Protocol, Socket, Type};

use crate::MediaInterface;

/// A pair rests this long after its call, so that a late packet of one call cannot be heard in the next.
pub const COOL_DOWN: Duration = Duration::from_secs(1);

/// DSCP EF in the traffic-class byte (RFC 3246; RFC 4594 §4.1 names it for telephony).
const EXPEDITED: u32 = 46 << 2;

/// Why no port could be opened.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The configuration has no such interface.
    #[error("没有编号为 {0} 的网络接口 / there is no interface number {0}")]
    NoInterface(u16),
    /// All pairs are in use or resting.
    #[error(
        "{address} 的 RTP 端口已用尽（共 {pairs} 对）/ all {pairs} RTP port pairs of {address} are in use or resting"
    )]
    Exhausted {
        /// The interface's local address.
        address: IpAddr,
        /// How many pairs its range holds.
        pairs: usize,
    },
    /// The system refused: the address is not ours, or there are no descriptors left.
    #[error("无法在 {address} 打开 RTP 端口：{source} / cannot open an RTP port on {address}")]
    Bind {
        /// The interface's local address.
        address: IpAddr,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// The worker that would own the port has ended.
    #[error("媒体线程已停止 / media has been shut down")]
    Stopped,
}

/// The pairs of one interface. Pure: it takes the time as an argument and binds nothing.
#[derive(Debug)]
pub struct PairTable {
    /// RTP ports that may be used, and since when; the longest rested first.
    free: VecDeque<(u16, Instant)>,
    pairs: usize,
}

impl PairTable {
    /// All even ports of `ports` whose odd neighbour is in it too.
    pub fn new(ports: std::ops::RangeInclusive<u16>) -> PairTable {
        let last = *ports.end();
        let free: VecDeque<_> = ports
            .filter(|port| port % 2 == 0 && *port > 0 && *port < last)
            .map(|port| (port, Instant::ZERO))
            .collect();
        PairTable { pairs: free.len(), free }
    }

    /// How many pairs the range holds.
    pub fn pairs(&self) -> usize {
        self.pairs
    }

    /// How many pairs are neither in use nor resting.
    pub fn rested(&self, now: Instant) -> usize {
        self.free.iter().take_while(|(_, from)| *from <= now).count()
    }

    /// The pair that has rested longest.
    pub fn take(&mut self, now: Instant) -> Option<u16> {
        if self.free.front()?.1 > now {
            return None;
        }
        self.free.pop_front().map(|(port, _)| port)
    }

    /// Gives a used pair back to rest.
    pub fn give_back(&mut self, port: u16, now: Instant) {
        self.free.push_back((port, now + COOL_DOWN));
    }
}

/// The port pairs of all interfaces, shared by signalling threads (which take) and workers (which give back).
#[derive(Debug)]
pub struct PortPool {
    interfaces: Vec<(MediaInterface, Mutex<PairTable>)>,
    clock: SystemClock,
}

impl PortPool {
    /// A pool of what `interfaces` describe.
    pub fn new(interfaces: Vec<MediaInterface>, clock: SystemClock) -> PortPool {
        let with_table = |interface: MediaInterface| {
            let table = PairTable::new(interface.ports.clone());
            (interface, Mutex::new(table))
        };
        PortPool { interfaces: interfaces.into_iter().map(with_table).collect(), clock }
    }

    /// Binds a pair on interface `index`. Ports that other processes hold are passed over.
    ///
    /// # Errors
    /// When there is no such interface, no free pair, or the system refuses.
    pub fn open(self: &Arc<Self>, index: u16) -> Result<Pair, PortError> {
        let (interface, table) =
            self.interfaces.get(usize::from(index)).ok_or(PortError::NoInterface(index))?;
        let address = interface.bind;
        let now = self.clock.now();
        let pairs = lock(table).pairs();
        for _ in 0..pairs {
            let Some(port) = lock(table).take(now) else { break };
            match bind_pair(address, port) {
                Ok((rtp, rtcp)) => {
                    let advertised = SocketAddr::new(interface.advertise, port);
                    let _lease = Lease { pool: Arc::clone(self), index, port };
                    return Ok(Pair { rtp, rtcp, advertised, _lease });
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => lock(table).give_back(port, now),
                Err(source) => {
                    lock(table).give_back(port, now);
                    return Err(PortError::Bind { address, source });
                }
            }
        }
        Err(PortError::Exhausted { address, pairs })
    }

    /// How many pairs are in use or resting on all interfaces.
    pub fn taken(&self) -> usize {
        let now = self.clock.now();
        self.interfaces
            .iter()
            .map(|(_, table)| {
                let table = lock(table);
                table.pairs() - table.rested(now)
            })
            .sum()
    }
}

/// A bound pair of sockets; the pair rests when it is dropped.
#[derive(Debug)]
pub struct Pair {
    /// The even port's socket.
    pub rtp: OwnedFd,
    /// The odd port's socket.
    pub rtcp: OwnedFd,
    /// The RTP address for session descriptions.
    pub advertised: SocketAddr,
    /// Gives the numbers back when dropped. Declared last: the sockets close first.
    pub _lease: Lease,
}

/// The right to a pair of port numbers.
#[derive(Debug)]
pub struct Lease {
    pool: Arc<PortPool>,
    index: u16,
    port: u16,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some((_, table)) = self.pool.interfaces.get(usize::from(self.index)) {
            lock(table).give_back(self.port, self.pool.clock.now());
        }
    }
}

fn lock(table: &Mutex<PairTable>) -> MutexGuard<'_, PairTable> {
    // A table is whole between any two of its calls, so a panic elsewhere leaves nothing half done.
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

// RFC 3550 §11: RTP on an even port, RTCP on the odd one above it.
fn bind_pair(address: IpAddr, port: u16) -> io::Result<(OwnedFd, OwnedFd)> {
    Ok((bind(SocketAddr::new(address, port))?, bind(SocketAddr::new(address, port + 1))?))
}

fn bind(address: SocketAddr) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    // Marked packets are a courtesy of the network: where the system refuses the mark, calls still work.
    let marked = match address {
        SocketAddr::V4(_) => socket.set_tos_v4(EXPEDITED),
        SocketAddr::V6(_) => socket.set_tclass_v6(EXPEDITED),
    };
    if let Err(error) = marked {
        tracing::debug!(%address, %error, "no DSCP mark");
    }
    Ok(socket.into())
}

#[cfg(test)]
mod tests;
