//! Owns the node's signalling sockets: sending on any flow, reading datagrams in batches. Does not own streams'
//! insides (see `streams`).

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use sip::endpoint::{Advertised, Flow, Transport};
use sip::stun::Heard;
use socket2::SockAddr;

use crate::handover::Boxes;
use crate::listener::Sockets;
use crate::streams::{StreamEnds, StreamLimits, StreamSender, Streams};
use crate::tls::Tls;

/// Listeners that are bound and not yet served.
#[derive(Debug)]
pub struct BoundInterfaces(pub(crate) Vec<Sockets>);

impl BoundInterfaces {
    /// What each listener is reached by, in order.
    pub fn advertised(&self) -> Vec<Advertised> {
        self.0.iter().map(|sockets| sockets.advertised.clone()).collect()
    }

    /// Where each listener really is, in order.
    pub fn local(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|sockets| sockets.local).collect()
    }
}

/// Bytes that cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The listener does not serve this transport, or does not exist.
    #[error("监听口不支持此传输方式 / the listener does not serve this transport")]
    NotServed,
    /// The stream is closed, or its peer does not read.
    #[error("连接已断开 / the connection is closed or stuck")]
    Closed,
    /// The system refused.
    #[error("发送失败 / cannot send: {0}")]
    System(#[from] io::Error),
}

/// What happened to messages outside of any call. Each ascends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Datagrams read.
    pub udp_received: u64,
    /// Datagrams cut by the reader because they were longer than 65,535 bytes.
    pub udp_truncated: u64,
    /// Datagrams dropped because the system's send buffer was full.
    pub udp_send_full: u64,
    /// Sends that the system refused.
    pub send_failed: u64,
    /// Messages dropped because a shard had no room.
    pub inbox_full: u64,
    /// Facts taken beyond the reserve.
    pub inbox_over_reserve: u64,
    /// Streams that are open now.
    pub streams_open: u64,
    /// Streams that ended or never began for a reason of ours.
    pub streams_ended: StreamEnds,
}

/// The node's signalling sockets.
pub struct Transports {
    sockets: Vec<Interface>,
    streams: Box<dyn StreamSender>,
    counted: Counted,
}

#[derive(Debug)]
struct Interface {
    local: SocketAddr,
    udp: Option<UdpSocket>,
    advertised: Advertised,
}

#[derive(Debug, Default)]
struct Counted {
    received: AtomicU64,
    truncated: AtomicU64,
    send_full: AtomicU64,
    send_failed: AtomicU64,
}

impl Transports {
    /// Serves `bound`: streams are accepted from now on and, like all that comes, delivered to `boxes`; datagrams wait
    /// for the shards' threads to read them. `ended` is told of every stream that ended; it may not wait.
    ///
    /// # Errors
    /// When the system refuses to watch a listener.
    pub fn serve<M: Send + 'static>(
        bound: BoundInterfaces,
        limits: StreamLimits,
        boxes: Boxes<M>,
        ended: impl Fn(Flow) + Send + Sync + 'static,
        runtime: &tokio::runtime::Handle,
    ) -> io::Result<Arc<Transports>> {
        let mut sockets = Vec::with_capacity(bound.0.len());
        let mut accepting = Vec::new();
        for (place, Sockets { local, udp, streams, advertised }) in bound.0.into_iter().enumerate() {
            let place = u16::try_from(place).map_err(io::Error::other)?;
            accepting.extend(streams.into_iter().map(|(transport, listener)| (place, transport, listener)));
            sockets.push(Interface { local, udp, advertised });
        }
        let served = accepting.iter().map(|(place, transport, _)| (*place, *transport)).collect();
        let local = sockets.iter().map(|interface| interface.local).collect();
        let streams = Streams::new((local, served), limits, boxes, Box::new(ended), runtime.clone());
        for (place, transport, listener) in accepting {
            streams.accept(place, transport, listener)?;
        }
        Ok(Arc::new(Transports { sockets, streams: Box::new(streams), counted: Counted::default() }))
    }

    /// What each listener is reached by, in order.
    pub fn advertised(&self) -> Vec<Advertised> {
        self.sockets.iter().map(|interface| interface.advertised.clone()).collect()
    }

    /// Where each listener is bound, in order.
    pub fn local(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|interface| interface.local).collect()
    }

    /// Other limits, for connections that begin from now on.
    pub fn limit_streams(&self, limits: StreamLimits) {
        self.streams.limit(limits);
    }

    /// Certificates, for connections that begin from now on; those before keep theirs.
    pub fn set_tls(&self, tls: Arc<Tls>) {
        self.streams.set_tls(tls);
    }

    /// `remote` was found by the name `host`, which its certificate must show (RFC 5922 §7.3).
    pub fn expect(&self, remote: SocketAddr, host: &str) {
        self.streams.expect(remote, host);
    }

    /// Sends one message. Never waits: a datagram that the system has no room for is lost as in the network, a stream
    /// that its peer does not read is closed.
    ///
    /// # Errors
    /// When the flow can no longer send.
    pub fn send(&self, flow: Flow, bytes: &Bytes) -> Result<(), SendError> {
        let sent = match flow.transport {
            Transport::Udp => self.send_datagram(flow, bytes),
            _ => self.streams.send(flow, bytes),
        };
        if sent.is_err() {
            self.counted.send_failed.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }

    fn send_datagram(&self, flow: Flow, bytes: &[u8]) -> Result<(), SendError> {
        let interface = self.sockets.get(usize::from(flow.interface)).ok_or(SendError::NotServed)?;
        let socket = interface.udp.as_ref().ok_or(SendError::NotServed)?;
        match socket.send_to(bytes, flow.remote) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.counted.send_full.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What happened so far; `inbox_*` are the boxes' own (see [`Boxes`]).
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            udp_received: self.counted.received.load(Ordering::Relaxed),
            udp_truncated: self.counted.truncated.load(Ordering::Relaxed),
            udp_send_full: self.counted.send_full.load(Ordering::Relaxed),
            send_failed: self.counted.send_failed.load(Ordering::Relaxed),
            ..Counts::default()
        };
        self.streams.count(&mut counts);
        counts
    }

    /// Closes every stream, and the doors.
    pub fn close_streams(&self) {
        self.streams.close_all();
    }

    pub(crate) fn udp_sockets(&self) -> impl Iterator<Item = (u16, &UdpSocket)> {
        let place = |index: usize| u16::try_from(index).ok();
        self.sockets
            .iter()
            .enumerate()
            .filter_map(move |(index, one)| Some((place(index)?, one.udp.as_ref()?)))
    }
}

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
        let Some(socket) = transports.sockets.get(usize::from(interface)).and_then(|one| one.udp.as_ref())
        else {
            return;
        };
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

/// Datagrams read by one system call.
const DATAGRAMS: usize = 16;
/// Room for the system's note of when a datagram came.
const CONTROL: usize = 64;
/// RFC 3261 §17: every sender has given up after 32 s.
const BELIEVABLE: Duration = Duration::from_secs(32);
/// The longest datagram.
const LONGEST: usize = 65_535;
/// Nothing this short is a message.
const KEEPALIVE: usize = 16;
