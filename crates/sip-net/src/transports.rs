//! Owns the node's signalling sockets: sending on any flow. Does not own datagrams in batches (see `datagrams`) nor
//! streams' insides (see `streams`).

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use sip::endpoint::{Advertised, Flow, Transport};

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
    pub(crate) counted: Counted,
}

#[derive(Debug)]
struct Interface {
    local: SocketAddr,
    udp: Option<UdpSocket>,
    advertised: Advertised,
}

#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub received: AtomicU64,
    pub truncated: AtomicU64,
    pub send_full: AtomicU64,
    pub send_failed: AtomicU64,
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

    /// Marks what is sent with `dscp` (RFC 2474), 0–63: datagrams from now on, and connections that begin from now on.
    pub fn mark(&self, dscp: u8) {
        for socket in self.sockets.iter().filter_map(|interface| interface.udp.as_ref()) {
            crate::marking::mark(socket, dscp);
        }
        self.streams.mark(dscp);
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
        let socket = self.udp_socket(flow.interface).ok_or(SendError::NotServed)?;
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

    pub(crate) fn udp_socket(&self, interface: u16) -> Option<&UdpSocket> {
        self.sockets.get(usize::from(interface))?.udp.as_ref()
    }

    pub(crate) fn udp_sockets(&self) -> impl Iterator<Item = (u16, &UdpSocket)> {
        let place = |index: usize| u16::try_from(index).ok();
        self.sockets
            .iter()
            .enumerate()
            .filter_map(move |(index, one)| Some((place(index)?, one.udp.as_ref()?)))
    }
}
