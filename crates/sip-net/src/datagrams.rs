//! Owns datagrams in batches: reading and sending several by one system call. Does not own the sockets (see
//! `transports`).

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use sip::endpoint::Flow;
use sip::stun::Heard;
use socket2::SockAddr;

use crate::transports::Transports;

/// What a reader is told, in this order.
pub(crate) enum Read {
    /// How long the first datagram of the batch has waited.
    Waited(Duration),
    /// A datagram and its source.
    Datagram(SocketAddr, Bytes),
}

/// Room for several datagrams of the longest kind, reused for every read.
pub(crate) struct Batch {
    buffers: Vec<u8>,
    addresses: Vec<libc::sockaddr_storage>,
}

impl Batch {
    pub fn new() -> Batch {
        Batch {
            buffers: vec![0; DATAGRAMS * LONGEST],
            // SAFETY: an address of zeros is a valid value (family unspecified).
            addresses: vec![unsafe { std::mem::zeroed() }; DATAGRAMS],
        }
    }

    /// Reads up to one batch from listener `interface`, without waiting.
    pub fn receive(&mut self, transports: &Transports, interface: u16, mut each: impl FnMut(Read)) {
        let Some(socket) = transports.udp_socket(interface) else { return };
        let mut parts: [libc::iovec; DATAGRAMS] = std::array::from_fn(|place| libc::iovec {
            iov_base: self.buffers[place * LONGEST..].as_mut_ptr().cast(),
            iov_len: LONGEST,
        });
        // SAFETY: headers of zeros are valid; every pointer set below points into `self` or `parts`, which outlive
        // the call, with the lengths that are named.
        let mut headers: [libc::mmsghdr; DATAGRAMS] = unsafe { std::mem::zeroed() };
        for (place, header) in headers.iter_mut().enumerate() {
            header.msg_hdr.msg_iov = &mut parts[place];
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = (&raw mut self.addresses[place]).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        }
        // Datagrams wait in line: the first has waited longest, its time alone is looked at.
        let mut control = [0_u64; CONTROL / 8];
        headers[0].msg_hdr.msg_control = control.as_mut_ptr().cast();
        headers[0].msg_hdr.msg_controllen = CONTROL as _;
        // SAFETY: as above; the socket is open.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                DATAGRAMS as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        // Nothing there, or an error of an earlier send that the read reports and that its sender has seen.
        let count = usize::try_from(count).unwrap_or(0);
        transports.counted.received.fetch_add(count as u64, Ordering::Relaxed);
        if count > 0
            && let Some(waited) = waited(&headers[0].msg_hdr)
        {
            each(Read::Waited(waited));
        }
        for (place, header) in headers[..count].iter().enumerate() {
            if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                transports.counted.truncated.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let Some(remote) = address_of(&self.addresses[place], header.msg_hdr.msg_namelen) else {
                continue;
            };
            let length = usize::try_from(header.msg_len).unwrap_or(0).min(LONGEST);
            let start = place * LONGEST;
            let datagram = &self.buffers[start..start + length];
            match sip::stun::hear(datagram, remote) {
                // Keepalives of phones behind NAT (RFC 5626 §4.4.1 and the dozens of forms beside it) need no answer.
                Heard::Other if length > KEEPALIVE => {
                    each(Read::Datagram(remote, Bytes::copy_from_slice(datagram)));
                }
                Heard::Other | Heard::Silence => {}
                // RFC 5626 §8; one that the system has no room for is lost as in the network.
                Heard::Answer(answer) => drop(socket.send_to(&answer, remote)),
            }
        }
    }
}

/// Datagrams that a shard has said in a round of its loop and not yet sent. Together they wake their receiver once.
#[derive(Debug, Default)]
pub(crate) struct Departing {
    datagrams: Vec<(Flow, Bytes)>,
    addresses: Vec<SockAddr>,
}

impl Departing {
    /// Adds a datagram. Send when it [`is_full`](Departing::is_full).
    pub fn push(&mut self, flow: Flow, bytes: Bytes) {
        self.addresses.push(flow.remote.into());
        self.datagrams.push((flow, bytes));
    }

    /// Whether it holds as many as one system call sends.
    pub fn is_full(&self) -> bool {
        self.datagrams.len() >= DATAGRAMS
    }

    /// Sends all, in order. Never waits: one that the system has no room for is lost as in the network. `failed` is
    /// told of flows that the system refuses.
    pub fn send(&mut self, transports: &Transports, mut failed: impl FnMut(Flow)) {
        let mut sent = 0;
        while let Some((flow, _)) = self.datagrams.get(sent) {
            match self.send_some(transports, sent, flow.interface) {
                Ok(some) => sent += some,
                // The first of those that were tried was refused.
                Err(error) => {
                    match error.kind() {
                        io::ErrorKind::Interrupted => continue,
                        io::ErrorKind::WouldBlock => {
                            transports.counted.send_full.fetch_add(1, Ordering::Relaxed);
                        }
                        _ => {
                            transports.counted.send_failed.fetch_add(1, Ordering::Relaxed);
                            failed(*flow);
                        }
                    }
                    sent += 1;
                }
            }
        }
        self.datagrams.clear();
        self.addresses.clear();
    }

    /// Sends datagrams from place `from` on that leave by listener `interface`; how many the system took.
    fn send_some(&self, transports: &Transports, from: usize, interface: u16) -> io::Result<usize> {
        let socket = transports.udp_socket(interface).ok_or(io::ErrorKind::NotConnected)?;
        // SAFETY: parts and headers of zeros are valid; every pointer set below points into `self` or `parts`, which
        // outlive the call, with the lengths that are named. The kernel only reads what they point to.
        let mut parts: [libc::iovec; DATAGRAMS] = unsafe { std::mem::zeroed() };
        let mut headers: [libc::mmsghdr; DATAGRAMS] = unsafe { std::mem::zeroed() };
        let mut count = 0;
        let together = self.datagrams[from..].iter().zip(&self.addresses[from..]);
        let together = together.take_while(|((flow, _), _)| flow.interface == interface);
        for ((_, bytes), address) in together.take(DATAGRAMS) {
            parts[count] = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            let header = &mut headers[count].msg_hdr;
            header.msg_iov = &raw mut parts[count];
            header.msg_iovlen = 1;
            header.msg_name = address.as_ptr().cast_mut().cast();
            header.msg_namelen = address.len();
            count += 1;
        }
        // SAFETY: as above; the socket is open.
        let sent = unsafe {
            let (headers, count) = (headers.as_mut_ptr(), count as libc::c_uint);
            libc::sendmmsg(socket.as_raw_fd(), headers, count, libc::MSG_DONTWAIT)
        };
        usize::try_from(sent).ok().filter(|sent| *sent > 0).ok_or_else(io::Error::last_os_error)
    }
}

/// How long the datagram of `header` has lain in its socket, by the system's note; None where there is none.
fn waited(header: &libc::msghdr) -> Option<Duration> {
    // SAFETY: the kernel wrote `header` and what it points to, which is still there; the macros keep to its length, a
    // note of this type holds a timespec, and `now` is a valid place for another.
    let (came, now) = unsafe {
        let note = libc::CMSG_FIRSTHDR(header);
        if note.is_null()
            || (*note).cmsg_level != libc::SOL_SOCKET
            || (*note).cmsg_type != libc::SCM_TIMESTAMPNS
        {
            return None;
        }
        let came: libc::timespec = std::ptr::read_unaligned(libc::CMSG_DATA(note).cast());
        let mut now: libc::timespec = std::mem::zeroed();
        if libc::clock_gettime(libc::CLOCK_REALTIME, &mut now) != 0 {
            return None;
        }
        (came, now)
    };
    let since_epoch = |time: libc::timespec| {
        Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
    };
    // A clock that was set meanwhile makes no wait of an hour: nothing waits longer than its sender does.
    Some(since_epoch(now)?.saturating_sub(since_epoch(came)?)).filter(|waited| *waited < BELIEVABLE)
}

fn address_of(storage: &libc::sockaddr_storage, length: libc::socklen_t) -> Option<SocketAddr> {
    let mut copy = socket2::SockAddrStorage::zeroed();
    let bytes = usize::try_from(length).ok()?.min(size_of::<libc::sockaddr_storage>());
    // SAFETY: both are at least `bytes` long and do not overlap; SockAddr reads what the kernel wrote.
    unsafe {
        std::ptr::copy_nonoverlapping(
            (&raw const *storage).cast::<u8>(),
            (&raw mut copy).cast::<u8>(),
            bytes,
        );
        SockAddr::new(copy, length).as_socket()
    }
}

/// Datagrams read or sent by one system call.
const DATAGRAMS: usize = 16;
/// Room for the system's note of when a datagram came.
const CONTROL: usize = 64;
/// RFC 3261 §17: every sender has given up after 32 s.
const BELIEVABLE: Duration = Duration::from_secs(32);
/// The longest datagram.
const LONGEST: usize = 65_535;
/// Nothing this short is a message.
const KEEPALIVE: usize = 16;
