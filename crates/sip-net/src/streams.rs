//! Owns TCP connections: accepting, opening, reusing, their limits and deadlines. Does not own where a message ends
//! (see `sip::framing`) or which shard it is for (see `handover`).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dashmap::DashMap;
use sip::endpoint::{Flow, Transport};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::handover::Boxes;
use crate::transports::{Counts, SendError};

mod connection;

/// How many streams there may be, and how long they may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Streams in all.
    pub open: usize,
    /// Streams with one address.
    pub open_per_source: usize,
    /// A new stream's first message must be complete after this.
    pub first_message: Duration,
    /// Every message must be complete this long after its first byte.
    pub message: Duration,
    /// A stream on which nothing came for this long is closed. Longer than the longest registration, so that a phone
    /// without keepalives stays reachable.
    pub idle: Duration,
    /// A connection that we open must be there after this.
    pub connect: Duration,
    /// A peer that reads nothing for this long, with something to read, is given up.
    pub write: Duration,
    /// Messages that may wait for a slow peer.
    pub queued: usize,
}

impl Default for StreamLimits {
    /// 10,000 streams, 2,000 of one address; 10 s for the first message, 20 s for each; 3,900 s idle; 4 s to connect;
    /// 10 s to write; 1,024 queued.
    fn default() -> StreamLimits {
        StreamLimits {
            open: 10_000,
            open_per_source: 2_000,
            first_message: Duration::from_secs(10),
            message: Duration::from_secs(20),
            idle: Duration::from_secs(3_900),
            connect: Duration::from_secs(4),
            write: Duration::from_secs(10),
            queued: 1_024,
        }
    }
}

/// Sends on streams, whatever the machine behind the letterboxes is.
pub(crate) trait StreamSender: Send + Sync {
    fn send(&self, flow: Flow, bytes: &Bytes) -> Result<(), SendError>;
    fn count(&self, counts: &mut Counts);
    fn close_all(&self);
}

/// Is told of a stream that ended.
pub(crate) type Ended = Box<dyn Fn(Flow) + Send + Sync>;

/// All TCP connections of the node.
pub(crate) struct Streams<M> {
    shared: Arc<Shared<M>>,
}

/// What connections' tasks and senders share.
struct Shared<M> {
    /// Where each listener is bound; connections that we open start there.
    local: Vec<SocketAddr>,
    served: Vec<u16>,
    limits: StreamLimits,
    boxes: Boxes<M>,
    ended: Ended,
    runtime: Handle,
    table: DashMap<u64, Stream>,
    /// The stream to use for a peer whose flow names none.
    by_remote: DashMap<(u16, SocketAddr), u64>,
    per_source: DashMap<IpAddr, usize>,
    next: AtomicU64,
    closing: watch::Sender<()>,
    refused: AtomicU64,
    garbled: AtomicU64,
    timed_out: AtomicU64,
}

/// One connection, for those who send on it.
struct Stream {
    interface: u16,
    remote: SocketAddr,
    outbox: mpsc::Sender<Bytes>,
}

impl<M: Send + 'static> Streams<M> {
    /// No connection yet. `served` are the listeners that serve TCP.
    pub fn new(
        local: Vec<SocketAddr>,
        served: Vec<u16>,
        limits: StreamLimits,
        boxes: Boxes<M>,
        ended: Ended,
        runtime: Handle,
    ) -> Streams<M> {
        Streams {
            shared: Arc::new(Shared {
                local,
                served,
                limits,
                boxes,
                ended,
                runtime,
                table: DashMap::new(),
                by_remote: DashMap::new(),
                per_source: DashMap::new(),
                next: AtomicU64::new(1),
                closing: watch::Sender::new(()),
                refused: AtomicU64::new(0),
                garbled: AtomicU64::new(0),
                timed_out: AtomicU64::new(0),
            }),
        }
    }

    /// Accepts on `listener`, which is listener `interface` of the configuration.
    pub fn accept(&self, interface: u16, listener: std::net::TcpListener) -> io::Result<()> {
        let listener = {
            let _inside = self.shared.runtime.enter();
            TcpListener::from_std(listener)?
        };
        let shared = Arc::clone(&self.shared);
        let mut closing = shared.closing.subscribe();
        self.shared.runtime.spawn(async move {
            loop {
                let accepted = tokio::select! {
                    _ = closing.changed() => return,
                    accepted = listener.accept() => accepted,
                };
                match accepted {
                    Ok((stream, remote)) => shared.take_in(interface, remote, stream),
                    Err(error) => {
                        // Out of descriptors, or the peer is gone already. A pause keeps a lasting shortage from
                        // turning into a spin.
                        tracing::warn!(%error, "接受 TCP 连接失败 / cannot accept a connection");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        });
        Ok(())
    }
}

impl<M: Send + 'static> StreamSender for Streams<M> {
    fn send(&self, flow: Flow, bytes: &Bytes) -> Result<(), SendError> {
        let shared = &self.shared;
        if flow.transport != Transport::Tcp || !shared.served.contains(&flow.interface) {
            return Err(SendError::NotServed);
        }
        let id = match flow.connection {
            Some(id) => id,
            // RFC 3261 §18: a connection to this address that is open already is used again.
            None => match shared.by_remote.get(&(flow.interface, flow.remote)).map(|id| *id) {
                Some(id) => id,
                None => return Arc::clone(shared).open(flow, bytes.clone()),
            },
        };
        shared.enqueue(id, bytes.clone())
    }

    fn count(&self, counts: &mut Counts) {
        counts.streams_open = self.shared.table.len() as u64;
        counts.streams_refused = self.shared.refused.load(Ordering::Relaxed);
        counts.streams_garbled = self.shared.garbled.load(Ordering::Relaxed);
        counts.streams_timed_out = self.shared.timed_out.load(Ordering::Relaxed);
    }

    fn close_all(&self) {
        // Nobody listens when no stream is open.
        self.shared.closing.send_replace(());
    }
}

impl<M: Send + 'static> Shared<M> {
    /// A stream that a peer opened.
    fn take_in(self: &Arc<Self>, interface: u16, remote: SocketAddr, stream: TcpStream) {
        let Some((id, outbox)) = self.admit(interface, remote) else { return };
        let flow = Flow { interface, transport: Transport::Tcp, remote, connection: Some(id) };
        let shared = Arc::clone(self);
        self.runtime.spawn(async move {
            shared.clone().serve(flow, stream, outbox).await;
            shared.forget(flow);
        });
    }

    /// A stream that we open for `first`.
    fn open(self: Arc<Self>, flow: Flow, first: Bytes) -> Result<(), SendError> {
        let Some((id, outbox)) = self.admit(flow.interface, flow.remote) else {
            return Err(SendError::Closed);
        };
        self.enqueue(id, first)?;
        let named = Flow { connection: Some(id), ..flow };
        let shared = Arc::clone(&self);
        self.runtime.spawn(async move {
            match tokio::time::timeout(shared.limits.connect, shared.connect(flow)).await {
                Ok(Ok(stream)) => shared.clone().serve(named, stream, outbox).await,
                Ok(Err(error)) => {
                    tracing::info!(remote = %flow.remote, %error, "TCP 连接失败 / cannot connect");
                    shared.fail(named);
                }
                Err(_) => {
                    tracing::info!(remote = %flow.remote, "TCP 连接超时 / connecting took too long");
                    shared.fail(named);
                }
            }
            shared.forget(named);
        });
        Ok(())
    }

    async fn connect(&self, flow: Flow) -> io::Result<TcpStream> {
        let socket = if flow.remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // From the listener's address, whose port the system chooses: peers allow us by address.
        if let Some(local) = self.local.get(usize::from(flow.interface))
            && !local.ip().is_unspecified()
        {
            socket.bind(SocketAddr::new(local.ip(), 0))?;
        }
        socket.connect(flow.remote).await
    }

    /// A place in the table, where the limits allow one.
    fn admit(&self, interface: u16, remote: SocketAddr) -> Option<(u64, mpsc::Receiver<Bytes>)> {
        let source = remote.ip();
        {
            let mut of_source = self.per_source.entry(source).or_insert(0);
            if self.table.len() >= self.limits.open || *of_source >= self.limits.open_per_source {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            *of_source += 1;
        }
        let (outbox, queue) = mpsc::channel(self.limits.queued);
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.table.insert(id, Stream { interface, remote, outbox });
        self.by_remote.insert((interface, remote), id);
        Some((id, queue))
    }

    fn enqueue(&self, id: u64, bytes: Bytes) -> Result<(), SendError> {
        let stream = self.table.get(&id).ok_or(SendError::Closed)?;
        // A full queue is a peer that does not read: what is queued may still arrive, this message cannot.
        stream.outbox.try_send(bytes).map_err(|_| SendError::Closed)
    }

    /// Nothing can be sent on `flow` any more: every shard's transactions on it fail, those that named no stream too.
    fn fail(&self, flow: Flow) {
        self.boxes.post_all(|| call::Input::TransportFailed { flow });
    }

    /// The connection is closed.
    fn forget(&self, flow: Flow) {
        let Some(id) = flow.connection else { return };
        let Some((_, stream)) = self.table.remove(&id) else { return };
        let at = (stream.interface, stream.remote);
        self.by_remote.remove_if(&at, |_, known| *known == id);
        let source = stream.remote.ip();
        if let Some(mut of_source) = self.per_source.get_mut(&source) {
            *of_source = of_source.saturating_sub(1);
        }
        self.per_source.remove_if(&source, |_, count| *count == 0);
        (self.ended)(flow);
    }
}
