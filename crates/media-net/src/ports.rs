//! Owns which UDP port pairs are free, in use or resting, and the binding of a pair. Does not own what passes through
//! them (see [`crate::worker`]).

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::{Instant, SystemClock};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::MediaInterface;

/// A pair rests this long after its call, so that a late packet of one call cannot be heard in the next.
pub const COOL_DOWN: Duration = Duration::from_secs(1);

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
    /// What the process may open is kept for records, recordings and connections.
    #[error(
        "打开的 RTP 端口已达 {pairs} 对，其余文件描述符留给话单和录音（提高 ulimit -n 可增加）/ {pairs} RTP port pairs are open; \
         the other descriptors are kept for records and recordings (raise ulimit -n for more)"
    )]
    Descriptors {
        /// How many pairs may be open.
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
///
/// A pair that was used rests bound, at the worker that used it: the next call of that worker takes it over without a
/// system call. Pairs that nobody wants for a while are closed by their worker and become anybody's.
#[derive(Debug)]
pub struct PairTable {
    /// RTP ports that nobody has bound, and since when they may be used; the longest rested first.
    free: VecDeque<(u16, Instant)>,
    /// By worker, pairs that rest bound; the longest rested first.
    kept: Vec<VecDeque<Kept>>,
    /// How many one worker may keep.
    share: usize,
    pairs: usize,
}

/// A pair that rests bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The RTP port.
    pub port: u16,
    /// Where its worker finds it.
    pub place: u32,
    /// When it has rested.
    from: Instant,
}

impl PairTable {
    /// All even ports of `ports` whose odd neighbour is in it too, for so many workers, who keep `most_kept` of them
    /// bound while they rest. With several workers half of the range stays anybody's.
    pub fn new(ports: std::ops::RangeInclusive<u16>, workers: usize, most_kept: usize) -> PairTable {
        let last = *ports.end();
        let free: VecDeque<_> = ports
            .filter(|port| port % 2 == 0 && *port > 0 && *port < last)
            .map(|port| (port, Instant::ZERO))
            .collect();
        let (pairs, workers) = (free.len(), workers.max(1));
        let share = if workers == 1 { pairs } else { pairs / 2 };
        let share = share.min(most_kept) / workers;
        PairTable { free, kept: vec![VecDeque::new(); workers], share, pairs }
    }

    /// How many pairs the range holds.
    pub fn pairs(&self) -> usize {
        self.pairs
    }

    /// How many pairs are neither in use nor resting.
    pub fn rested(&self, now: Instant) -> usize {
        let free = self.free.iter().take_while(|(_, from)| *from <= now).count();
        let kept = |kept: &VecDeque<Kept>| kept.iter().take_while(|kept| kept.from <= now).count();
        free + self.kept.iter().map(kept).sum::<usize>()
    }

    /// The pair that has rested longest of those that nobody has bound.
    pub fn take(&mut self, now: Instant) -> Option<u16> {
        if self.free.front()?.1 > now {
            return None;
        }
        self.free.pop_front().map(|(port, _)| port)
    }

    /// The pair that has rested longest of those that `worker` has bound.
    pub fn take_kept(&mut self, worker: usize, now: Instant) -> Option<Kept> {
        let kept = self.kept.get_mut(worker)?;
        if kept.front()?.from > now {
            return None;
        }
        kept.pop_front()
    }

    /// Gives a used pair back to rest, closed.
    pub fn give_back(&mut self, port: u16, now: Instant) {
        self.free.push_back((port, now + COOL_DOWN));
    }

    /// Gives a used pair back to rest, bound at `place` of `worker`. `false` when that worker keeps its share already.
    pub fn keep(&mut self, worker: usize, port: u16, place: u32, now: Instant) -> bool {
        match self.kept.get_mut(worker) {
            Some(kept) if kept.len() < self.share => {
                kept.push_back(Kept { port, place, from: now + COOL_DOWN });
                true
            }
            _ => false,
        }
    }

    /// `worker` wants to close what rests at `place`; `false` when a call has it already.
    pub fn retire(&mut self, worker: usize, place: u32) -> bool {
        let Some(kept) = self.kept.get_mut(worker) else { return false };
        let at = kept.iter().position(|kept| kept.place == place);
        at.and_then(|at| kept.remove(at)).is_some()
    }
}

/// The port pairs of all interfaces, shared by signalling threads (which take) and workers (which give back).
#[derive(Debug)]
pub struct PortPool {
    interfaces: Vec<(MediaInterface, Mutex<PairTable>)>,
    /// How what is sent is marked (DSCP, RFC 2474), 0–63.
    dscp: AtomicU8,
    /// Pairs that are bound, in use or resting.
    bound: AtomicUsize,
    /// How many may be, so that calls never take the descriptors that their records and recordings need.
    most_bound: usize,
    clock: SystemClock,
}

impl PortPool {
    /// A pool of what `interfaces` describe, for so many workers, whose packets are marked with `dscp`.
    pub fn new(interfaces: Vec<MediaInterface>, workers: usize, dscp: u8, clock: SystemClock) -> PortPool {
        PortPool::within(descriptors(), interfaces, workers, dscp, clock)
    }

    /// The same, in a process that may have so many descriptors.
    pub(crate) fn within(
        descriptors: usize,
        interfaces: Vec<MediaInterface>,
        workers: usize,
        dscp: u8,
        clock: SystemClock,
    ) -> PortPool {
        let for_others = (descriptors / 8).max(LEAST_FOR_OTHERS).min(descriptors / 2);
        let most_bound = (descriptors - for_others) / 2;
        let most_kept = descriptors / DESCRIPTORS_PER_KEPT / interfaces.len().max(1);
        let with_table = |interface: MediaInterface| {
            let table = PairTable::new(interface.ports.clone(), workers, most_kept);
            (interface, Mutex::new(table))
        };
        let interfaces = interfaces.into_iter().map(with_table).collect();
        PortPool { interfaces, dscp: AtomicU8::new(dscp), bound: AtomicUsize::new(0), most_bound, clock }
    }

    /// Ports that are opened from now on mark their packets with `dscp`.
    pub fn mark(&self, dscp: u8) {
        self.dscp.store(dscp, Ordering::Relaxed);
    }

    /// A pair on interface `index` for `worker`: one that it has bound, else a new one. Ports that other processes hold
    /// are passed over.
    ///
    /// # Errors
    /// When there is no such interface, no free pair, too few descriptors, or the system refuses.
    pub fn open(self: &Arc<Self>, index: u16, worker: usize) -> Result<(SocketAddr, Opened), PortError> {
        let (interface, table) =
            self.interfaces.get(usize::from(index)).ok_or(PortError::NoInterface(index))?;
        let address = interface.bind;
        let now = self.clock.now();
        let advertised = |port| SocketAddr::new(interface.advertise, port);
        let pairs = {
            let mut table = lock(table);
            if let Some(Kept { port, place, .. }) = table.take_kept(worker, now) {
                return Ok((advertised(port), Opened::Kept(place)));
            }
            table.pairs()
        };
        for _ in 0..pairs {
            let Some(port) = lock(table).take(now) else { break };
            let lease = self.lease(index, port);
            if self.bound.load(Ordering::Relaxed) > self.most_bound {
                return Err(PortError::Descriptors { pairs: self.most_bound });
            }
            match bind_pair(address, port) {
                Ok((rtp, rtcp)) => {
                    let mut pair = Pair {
                        rtp,
                        rtcp,
                        place: 0,
                        dscp: 0,
                        reading: Reading::AtOnce,
                        takes: Takes::All,
                        lease,
                    };
                    pair.mark();
                    return Ok((advertised(port), Opened::New(pair)));
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(source) => return Err(PortError::Bind { address, source }),
            }
        }
        Err(PortError::Exhausted { address, pairs })
    }

    /// The right to pair `port` of interface `index`, counted as bound until it is dropped.
    fn lease(self: &Arc<Self>, index: u16, port: u16) -> Lease {
        self.bound.fetch_add(1, Ordering::Relaxed);
        Lease { pool: Arc::clone(self), index, port }
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

/// A pair for a leg.
#[derive(Debug)]
pub enum Opened {
    /// Just bound.
    New(Pair),
    /// Bound before, at this place of the worker.
    Kept(u32),
}

/// A bound pair of sockets; the pair rests when it is dropped.
#[derive(Debug)]
pub struct Pair {
    /// The even port's socket.
    pub rtp: OwnedFd,
    /// The odd port's socket.
    pub rtcp: OwnedFd,
    /// Where its worker finds it.
    pub place: u32,
    /// How its packets are marked.
    dscp: u8,
    /// When its RTP is read.
    pub reading: Reading,
    /// Whose RTP it takes.
    pub takes: Takes,
    /// Gives the numbers back when dropped. Declared last: the sockets close first.
    pub lease: Lease,
}

/// When what comes to a socket is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// As soon as it comes.
    AtOnce,
    /// By and by, when packets of ours are sent from the same socket: nobody waits for it.
    WithOurs,
}

/// Whose datagrams the kernel lets come to a socket, and where it knows the way to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Everybody's.
    All,
    /// Those of the one source that is believed.
    Peers,
}

impl Pair {
    /// Marks its packets as the pool says now.
    pub fn mark(&mut self) {
        let wanted = self.lease.pool.dscp.load(Ordering::Relaxed);
        if self.dscp == wanted {
            return;
        }
        self.dscp = wanted;
        let address = self.lease.address();
        for socket in [&self.rtp, &self.rtcp] {
            // Marked packets are a courtesy of the network: where the system refuses the mark, calls still work.
            if let Err(error) = mark(socket, address, wanted) {
                tracing::debug!(port = self.lease.port, wanted, %error, "no DSCP mark");
            }
        }
    }
}

/// The right to a pair of port numbers.
#[derive(Debug)]
pub struct Lease {
    pool: Arc<PortPool>,
    index: u16,
    port: u16,
}

impl Lease {
    /// The pair goes to rest, bound at `place` of `worker`; `false` when it is to be closed: what rests bound is not to
    /// refuse calls for want of descriptors.
    pub fn keep(&self, worker: usize, place: u32) -> bool {
        let PortPool { bound, most_bound, clock, .. } = &*self.pool;
        if bound.load(Ordering::Relaxed) > most_bound - (most_bound / KEPT_FREE).max(1) {
            return false;
        }
        let now = clock.now();
        self.table().is_some_and(|table| lock(table).keep(worker, self.port, place, now))
    }

    /// `worker` wants to close what rests at `place`; `false` when a call has it already.
    pub fn retire(&self, worker: usize, place: u32) -> bool {
        self.table().is_some_and(|table| lock(table).retire(worker, place))
    }

    fn table(&self) -> Option<&Mutex<PairTable>> {
        self.pool.interfaces.get(usize::from(self.index)).map(|(_, table)| table)
    }

    fn address(&self) -> Option<IpAddr> {
        self.pool.interfaces.get(usize::from(self.index)).map(|(interface, _)| interface.bind)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(table) = self.table() {
            lock(table).give_back(self.port, self.pool.clock.now());
        }
        self.pool.bound.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many descriptors this process may have.
fn descriptors() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is plain data that the call fills.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } == 0;
    if known { usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX) } else { 1_024 }
}

/// Pairs that rest have two descriptors each: together they may take half of all.
const DESCRIPTORS_PER_KEPT: usize = 4;

/// Of the pairs that may be bound, this part is left to new calls before one that ended keeps its pair: each that cannot
/// costs its successor a dozen system calls.
const KEPT_FREE: usize = 16;

/// An eighth of the descriptors, and so many at least, are never taken by ports: the database opens files at each
/// transaction, a recording at its beginning and end, and connections come.
const LEAST_FOR_OTHERS: usize = 256;

fn lock(table: &Mutex<PairTable>) -> MutexGuard<'_, PairTable> {
    // A table is whole between any two of its calls, so a panic elsewhere leaves nothing half done.
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

// RFC 3550 §11: RTP on an even port, RTCP on the odd one above it.
fn bind_pair(address: IpAddr, port: u16) -> io::Result<(OwnedFd, OwnedFd)> {
    Ok((bind(SocketAddr::new(address, port))?, bind(SocketAddr::new(address, port + 1))?))
}

fn bind(address: SocketAddr) -> io::Result<OwnedFd> {
    let datagrams = Type::DGRAM.nonblocking();
    let socket = Socket::new(Domain::for_address(address), datagrams, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// RFC 2474 §3: the mark is the upper six bits of the byte.
fn mark(socket: &OwnedFd, address: Option<IpAddr>, dscp: u8) -> io::Result<()> {
    let (socket, class) = (SockRef::from(socket), u32::from(dscp) << 2);
    match address {
        Some(IpAddr::V6(_)) => socket.set_tclass_v6(class),
        _ => socket.set_tos_v4(class),
    }
}

#[cfg(test)]
mod tests;
