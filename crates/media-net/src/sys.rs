//! Owns the system calls of a worker: epoll, its bell, receiving and sending datagrams. Does not own what is done with
//! them (see [`crate::worker`]).

mod batch;

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;

pub use batch::{Batch, Letter, stamp, unstamp};

/// Readiness of many sockets.
#[derive(Debug)]
pub struct Poll {
    registry: Registry,
    ready: Vec<libc::epoll_event>,
}

/// Which sockets a [`Poll`] tells of. Clones are of the same poll.
#[derive(Clone, Debug)]
pub struct Registry(Arc<OwnedFd>);

/// The largest datagram that is read, in bytes; RTP and RTCP stay below a path's MTU.
pub const DATAGRAM: usize = 2_048;

/// How many ready sockets are told at a time.
const BATCH: usize = 512;

/// To tell as long as something is there, the kernel looks again at each socket that it told of, which costs more than
/// the reader's own look (see docs/benchmarks.md).
const ONCE_FOR_EACH: u32 = (libc::EPOLLIN | libc::EPOLLET) as u32;

impl Registry {
    /// Tells `token` once whenever something comes to `socket`, and at first if something is there (edge-triggered): who
    /// is told reads until nothing is [`left`]. Closing the socket ends it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn add(&self, socket: &impl AsRawFd, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, socket, (ONCE_FOR_EACH, token))
    }

    /// Tells of `socket` no more: what comes to it costs no look and wakes nobody. Nor does what is sent from it, which the
    /// system would tell the poll too, to see that it did not ask.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn remove(&self, socket: &impl AsRawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, socket, (0, 0))
    }

    fn control(&self, how: i32, socket: &impl AsRawFd, (events, token): (u32, u64)) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: token };
        // SAFETY: both descriptors are open, and `event` lives through the call.
        let result = unsafe { libc::epoll_ctl(self.0.as_raw_fd(), how, socket.as_raw_fd(), &raw mut event) };
        checked(result).map(|_| ())
    }
}

impl Poll {
    /// # Errors
    /// When the system has no descriptor left.
    pub fn new() -> io::Result<Poll> {
        // SAFETY: epoll_create1 takes an integer; the descriptor is ours alone.
        let epoll = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        Ok(Poll { registry: Registry(Arc::new(epoll)), ready: Vec::with_capacity(BATCH) })
    }

    /// What it tells of.
    pub fn registry(&self) -> Registry {
        self.registry.clone()
    }

    /// Waits for readiness, at most `timeout` (rounded up to milliseconds; for ever without one). The number of
    /// tokens that [`Poll::token`] then gives.
    ///
    /// # Errors
    /// When the system refuses; an interruption is no error.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let millis = timeout
            .map_or(-1, |length| i32::try_from(length.as_micros().div_ceil(1_000)).unwrap_or(i32::MAX));
        // SAFETY: `ready` has room for BATCH events, and the kernel says how many it wrote.
        let count = unsafe {
            self.ready.set_len(0);
            libc::epoll_wait(self.registry.0.as_raw_fd(), self.ready.as_mut_ptr(), BATCH as i32, millis)
        };
        match checked(count) {
            Ok(count) => {
                // SAFETY: the kernel wrote `count` events, at most BATCH.
                unsafe { self.ready.set_len(count as usize) };
                Ok(count as usize)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// The `nth` token of the last wait.
    pub fn token(&self, nth: usize) -> Option<u64> {
        self.ready.get(nth).map(|event| event.u64)
    }
}

/// Wakes a worker that waits.
#[derive(Clone, Debug)]
pub struct Bell(Arc<OwnedFd>);

impl Bell {
    /// # Errors
    /// When the system has no descriptor left.
    pub fn new() -> io::Result<Bell> {
        // SAFETY: eventfd takes integers; the descriptor is ours alone.
        let bell = owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        Ok(Bell(Arc::new(bell)))
    }

    /// Rings; a bell that rings already goes on ringing.
    pub fn ring(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: `one` is 8 readable bytes. The only refusal is a counter at its limit, which rings as well.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Stops ringing.
    pub fn hush(&self) {
        let mut count = [0u8; 8];
        // SAFETY: `count` is 8 writable bytes. Without a ring there is nothing to read, which is no failure.
        unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }
}

impl AsRawFd for Bell {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Asks for `length` bytes at `at` to be in the processor's cache soon; it may be asked for anything.
#[inline]
pub fn prefetch(at: *const u8, length: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..length).step_by(CACHE_LINE) {
        // SAFETY: a hint reads nothing and faults nowhere.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(
                at.wrapping_add(line).cast(),
            );
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (at, length);
}

/// Bytes that come into the cache together.
#[cfg(target_arch = "x86_64")]
const CACHE_LINE: usize = 64;

/// What a socket had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A datagram of this length, from there.
    Datagram(usize, SocketAddr),
    /// One that is longer than the buffer, or an error of an earlier one; it is gone.
    Unusable,
    /// Nothing was there.
    Nothing,
}

/// Whether a socket has something to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    Nothing,
    Something,
}

/// Whether `socket` has something to read, which stays there.
#[inline]
pub fn left(socket: &OwnedFd) -> Left {
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: nothing is written to an empty buffer, and nobody's address is asked for.
    let found = unsafe {
        libc::syscall(
            libc::SYS_recvfrom,
            socket.as_raw_fd(),
            nothing,
            0usize,
            libc::MSG_PEEK,
            nothing,
            nothing,
        )
    };
    let nothing = found < 0 && io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock;
    if nothing { Left::Nothing } else { Left::Something }
}

/// Throws away what lies at `socket`.
pub fn drain(socket: &OwnedFd) {
    for _ in 0..MOST_WAITING {
        // SAFETY: nothing is written to an empty buffer; without MSG_PEEK the datagram is gone.
        let found = unsafe { libc::recv(socket.as_raw_fd(), std::ptr::null_mut(), 0, 0) };
        if found < 0 && io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock {
            return;
        }
    }
}

/// As many datagrams as a socket's buffer holds, about: whoever floods a port holds up nobody.
const MOST_WAITING: usize = 1_024;

/// Receives one datagram.
///
/// Packets go through the system's calls themselves: the C library's functions make the thread cancellable and back around
/// each, which takes a seventh of a short call, and waits for all that was written to memory before.
#[inline]
pub fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Received {
    let mut source = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: buffer and source are writable for the lengths given; MSG_TRUNC only changes the result.
    let received = unsafe {
        libc::syscall(
            libc::SYS_recvfrom,
            socket.as_raw_fd(),
            buffer.as_mut_ptr(),
            buffer.len(),
            libc::MSG_TRUNC,
            source.as_mut_ptr(),
            &raw mut length,
        )
    };
    let Ok(received) = usize::try_from(received) else {
        let nothing = io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock;
        return if nothing { Received::Nothing } else { Received::Unusable };
    };
    // SAFETY: it was zeroed, and any bytes are a sockaddr_storage.
    let source = unsafe { source.assume_init_ref() };
    match address_of(source) {
        Some(source) if received <= buffer.len() => Received::Datagram(received, source),
        _ => Received::Unusable,
    }
}

/// Lets only datagrams of `peer` come to `socket`, or everybody's again. Where to [`send_on`] is then known: no route is
/// looked for with each.
///
/// # Errors
/// When the system refuses.
pub fn connect(socket: &OwnedFd, peer: Option<SocketAddr>) -> io::Result<()> {
    if let Some(peer) = peer {
        return SockRef::from(socket).connect(&peer.into());
    }
    // SAFETY: zeros are a name without an address.
    let mut nobody: libc::sockaddr = unsafe { std::mem::zeroed() };
    nobody.sa_family = libc::AF_UNSPEC as libc::sa_family_t;
    let length = size_of::<libc::sockaddr>() as libc::socklen_t;
    // SAFETY: the name lives through the call and has the length that is named.
    checked(unsafe { libc::connect(socket.as_raw_fd(), &raw const nobody, length) }).map(|_| ())
}

/// Sends one datagram to whom `socket` is [`connect`]ed; `false` when the system did not take it.
#[inline]
pub fn send_on(socket: &OwnedFd, datagram: &[u8]) -> bool {
    let send = || send_to(socket, datagram, std::ptr::null(), 0) >= 0;
    // What became of an earlier datagram, such as that nobody was there, is told once instead of sending this one.
    send() || io::Error::last_os_error().kind() != io::ErrorKind::WouldBlock && send()
}

/// Sends one datagram; `false` when the system did not take it.
#[inline]
pub fn send(socket: &OwnedFd, to: SocketAddr, datagram: &[u8]) -> bool {
    let sent = match to {
        SocketAddr::V4(to) => {
            let name = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: to.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(to.ip().octets()) },
                sin_zero: [0; 8],
            };
            send_to(socket, datagram, (&raw const name).cast(), size_of::<libc::sockaddr_in>())
        }
        SocketAddr::V6(to) => {
            let name = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: to.port().to_be(),
                sin6_flowinfo: to.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: to.ip().octets() },
                sin6_scope_id: to.scope_id(),
            };
            send_to(socket, datagram, (&raw const name).cast(), size_of::<libc::sockaddr_in6>())
        }
    };
    sent >= 0
}

#[inline]
fn send_to(socket: &OwnedFd, datagram: &[u8], name: *const libc::sockaddr, length: usize) -> libc::c_long {
    // SAFETY: the datagram is readable, and callers pass a name on their stack with its own length, or none.
    unsafe {
        libc::syscall(
            libc::SYS_sendto,
            socket.as_raw_fd(),
            datagram.as_ptr(),
            datagram.len(),
            libc::MSG_NOSIGNAL,
            name,
            length,
        )
    }
}

#[inline]
fn address_of(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let at = &raw const *name;
    match i32::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says which of the two it is, and a storage is large and aligned enough for both.
            let name = unsafe { &*at.cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(name.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(name.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let name = unsafe { &*at.cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
            Some(SocketAddr::V6(SocketAddrV6::new(
                ip,
                u16::from_be(name.sin6_port),
                name.sin6_flowinfo,
                name.sin6_scope_id,
            )))
        }
        _ => None,
    }
}

fn owned(descriptor: RawFd) -> io::Result<OwnedFd> {
    checked(descriptor).map(|descriptor| {
        // SAFETY: the system just made it for us.
        unsafe { OwnedFd::from_raw_fd(descriptor) }
    })
}

fn checked(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
