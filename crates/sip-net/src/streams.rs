//! Owns connections (TCP, TLS, WebSocket): accepting, opening, reusing, their limits. Does not own where a message ends
//! (see `sip::framing`) or which shard it is for (see `handover`).

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use dashmap::DashMap;
use routing::block_of;
use sip::endpoint::{Flow, Transport, response_fallback};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use crate::handover::Boxes;
use crate::tls::Tls;
use crate::transports::{Counts, SendError};
use ends::Ends;
pub use ends::{StreamEnd, StreamEnds};
pub use limits::StreamLimits;
use places::Places;

mod connection;
mod ends;
pub(crate) mod greeting;
mod limits;
mod outbox;
mod places;
mod websocket;

/// Sends on streams, whatever the machine behind the letterboxes is.
pub(crate) trait StreamSender: Send + Sync {
    fn send(&self, flow: Flow, bytes: &Bytes) -> Result<(), SendError>;
    fn count(&self, counts: &mut Counts);
    fn limit(&self, limits: StreamLimits);
    fn mark(&self, dscp: u8);
    fn set_tls(&self, tls: Arc<Tls>);
    fn expect(&self, remote: SocketAddr, host: &str);
    fn close_all(&self);
}

/// Is told of a stream that ended.
pub(crate) type Ended = Box<dyn Fn(Flow) + Send + Sync>;

/// All connections of the node.
pub(crate) struct Streams<M> {
    shared: Arc<Shared<M>>,
}

/// What connections' tasks and senders share.
struct Shared<M> {
    /// Where each listener is bound; connections that we open start there.
    local: Vec<SocketAddr>,
    served: HashSet<(u16, Transport)>,
    limits: ArcSwap<StreamLimits>,
    /// How connections mark what they send.
    dscp: AtomicU8,
    tls: ArcSwapOption<Tls>,
    /// The hosts that addresses were found by: whom a certificate must be of.
    expected: DashMap<SocketAddr, Box<str>>,
    boxes: Boxes<M>,
    ended: Ended,
    runtime: Handle,
    table: DashMap<u64, Stream>,
    /// The stream to use for a peer whose flow names none.
    by_remote: DashMap<Peer, u64>,
    /// Of those that peers opened.
    places: Mutex<Places>,
    next: AtomicU64,
    closing: watch::Sender<()>,
    ends: Ends,
}

/// A listener, a transport and a peer's address.
type Peer = (u16, Transport, SocketAddr);

/// One connection, for those who send on it.
struct Stream {
    peer: Peer,
    opener: Opener,
    /// The address that its peer wants to be called at on this connection (RFC 5923).
    alias: Option<SocketAddr>,
    /// Over TLS: the host whose certificate its peer must show, or has shown for its alias.
    host: Option<Box<str>>,
    outbox: mpsc::Sender<Bytes>,
    /// Its peer has got more than refusals: an answer that takes something, or a request of ours.
    served: AtomicBool,
    /// The shards know what its peer's certificate says.
    proved: bool,
    /// Ends it at once; ours are never ended so.
    task: Option<AbortHandle>,
}

/// Who opens a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opener {
    Peer,
    Us,
}

impl<M: Send + 'static> Streams<M> {
    /// No connection yet. `served` are the listeners' transports.
    pub fn new(
        (local, served): (Vec<SocketAddr>, HashSet<(u16, Transport)>),
        limits: StreamLimits,
        boxes: Boxes<M>,
        ended: Ended,
        runtime: Handle,
    ) -> Streams<M> {
        Streams {
            shared: Arc::new(Shared {
                local,
                served,
                limits: ArcSwap::from_pointee(limits),
                dscp: AtomicU8::new(0),
                tls: ArcSwapOption::empty(),
                expected: DashMap::new(),
                boxes,
                ended,
                runtime,
                table: DashMap::new(),
                by_remote: DashMap::new(),
                places: Mutex::default(),
                next: AtomicU64::new(1),
                closing: watch::Sender::new(()),
                ends: Ends::default(),
            }),
        }
    }

    /// Accepts on `listener`, which serves `transport` of listener `interface` of the configuration.
    pub fn accept(
        &self,
        interface: u16,
        transport: Transport,
        listener: std::net::TcpListener,
    ) -> io::Result<()> {
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
                    Ok((stream, remote)) => shared.take_in((interface, transport, remote), stream),
                    Err(error) => {
                        // Out of descriptors, or the peer is gone already. A pause keeps a lasting shortage from
                        // turning into a spin.
                        tracing::warn!(%error, "接受连接失败 / cannot accept a connection");
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
        self.shared.send(flow, bytes)
    }

    fn count(&self, counts: &mut Counts) {
        counts.streams_open = self.shared.table.len() as u64;
        counts.streams_ended = self.shared.ends.so_far();
    }

    fn limit(&self, limits: StreamLimits) {
        self.shared.limits.store(Arc::new(limits));
    }

    fn mark(&self, dscp: u8) {
        self.shared.dscp.store(dscp, Ordering::Relaxed);
    }

    fn set_tls(&self, tls: Arc<Tls>) {
        self.shared.tls.store(Some(tls));
    }

    fn expect(&self, remote: SocketAddr, host: &str) {
        let expected = &self.shared.expected;
        if expected.get(&remote).is_some_and(|known| **known == *host) {
            return;
        }
        if expected.len() >= MOST_EXPECTED {
            expected.clear();
        }
        expected.insert(remote, host.into());
    }

    fn close_all(&self) {
        // Nobody listens when no stream is open.
        self.shared.closing.send_replace(());
    }
}

impl<M: Send + 'static> Shared<M> {
    fn send(self: &Arc<Self>, flow: Flow, bytes: &Bytes) -> Result<(), SendError> {
        if !self.served.contains(&(flow.interface, flow.transport)) {
            return Err(SendError::NotServed);
        }
        let peer = (flow.interface, flow.transport, flow.remote);
        match flow.connection {
            Some(id) if self.table.contains_key(&id) => self.enqueue(id, bytes.clone()),
            // RFC 3261 §18.2.2: the connection that a request came by is gone; its response goes to the address in its
            // Via.
            Some(_) => match response_fallback(flow, bytes) {
                Some(other) => self.send(other, bytes),
                None => Err(SendError::Closed),
            },
            // RFC 3261 §18: a connection to this address that is open already is used again.
            None => match self.open_to(peer) {
                Some(id) => self.enqueue(id, bytes.clone()),
                None => self.open(flow, bytes.clone()),
            },
        }
    }

    /// The connection to use again for `peer`. RFC 5922 §7.3: one that proved another name than the one that is sought
    /// at this address is not.
    fn open_to(&self, peer: Peer) -> Option<u64> {
        let id = self.by_remote.get(&peer).map(|id| *id)?;
        let stream = self.table.get(&id)?;
        let proved = match self.expected.get(&peer.2) {
            Some(sought) if peer.1 == Transport::Tls => stream.host.as_ref() == Some(&*sought),
            _ => true,
        };
        proved.then_some(id)
    }

    /// A stream that a peer opened.
    fn take_in(self: &Arc<Self>, peer: Peer, stream: TcpStream) {
        let Some((id, outbox)) = self.admit(peer, Opener::Peer) else { return };
        let (interface, transport, remote) = peer;
        let flow = Flow { interface, transport, remote, connection: Some(id) };
        let shared = Arc::clone(self);
        let task = self.runtime.spawn(async move {
            shared.welcome(flow, stream, outbox).await;
            shared.forget(flow);
        });
        match self.table.get_mut(&id) {
            Some(mut stream) => stream.task = Some(task.abort_handle()),
            // It has made way already, or is over.
            None => task.abort(),
        }
    }

    /// A stream that we open for `first`. RFC 7118 §4: only browsers open a WebSocket.
    fn open(self: &Arc<Self>, flow: Flow, first: Bytes) -> Result<(), SendError> {
        if matches!(flow.transport, Transport::Ws | Transport::Wss) {
            return Err(SendError::Closed);
        }
        let admitted = self.admit((flow.interface, flow.transport, flow.remote), Opener::Us);
        let (id, outbox) = admitted.ok_or(SendError::Closed)?;
        let host = self.host_at(flow.remote);
        if let Some(mut stream) = self.table.get_mut(&id) {
            stream.host = Some(host.clone());
        }
        let flow = Flow { connection: Some(id), ..flow };
        // Others may have found it meanwhile and filled its queue.
        self.enqueue(id, first).inspect_err(|_| self.forget(flow))?;
        let shared = Arc::clone(self);
        self.runtime.spawn(async move {
            shared.call_on(flow, &host, outbox).await;
            shared.forget(flow);
        });
        Ok(())
    }

    /// A place in the table, where the limits allow one. Strangers cannot keep us from our carriers: what we open has
    /// places of its own, and is not held against an address. Nor can they keep phones from us: the oldest of them makes
    /// way.
    fn admit(&self, peer: Peer, opener: Opener) -> Option<(u64, mpsc::Receiver<Bytes>)> {
        let source = block_of(peer.2.ip());
        let place = match opener {
            Opener::Peer => self.place_for_peer(source),
            Opener::Us => self.place_for_us(),
        };
        if let Err(end) = place {
            self.ends.count(end);
            return None;
        }
        let (outbox, queue) = mpsc::channel(self.limits.load().queued);
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let served = AtomicBool::new(false);
        let stream =
            Stream { peer, opener, alias: None, host: None, outbox, served, proved: false, task: None };
        // Held until it can be found in every way: nobody ends what is found in some.
        let entry = self.table.entry(id).insert(stream);
        self.by_remote.insert(peer, id);
        if opener == Opener::Peer {
            self.places().begins(id, source);
        }
        drop(entry);
        Some((id, queue))
    }

    fn place_for_us(&self) -> Result<(), StreamEnd> {
        let open = self.limits.load().open;
        let full = self.table.len() >= open + open.div_ceil(SHARE_FOR_US);
        if full { Err(StreamEnd::TooMany) } else { Ok(()) }
    }

    /// A place; a stranger's, where there is no other.
    fn place_for_peer(&self, source: IpAddr) -> Result<(), StreamEnd> {
        let limits = self.limits.load();
        let mut place = self.places().take(source, &limits);
        for _ in 0..TRIES {
            let Err(end) = place else { break };
            if !self.make_way(source, end) {
                break;
            }
            place = self.places().take(source, &limits);
        }
        place
    }

    /// Ends a stranger's connection where there are too many by `end`. Whether there is another to be tried.
    fn make_way(&self, source: IpAddr, end: StreamEnd) -> bool {
        let Some(id) = self.places().make_way(source, end) else { return false };
        // Whoever sends what makes it somebody's holds the entry meanwhile.
        let stranger = self.table.remove_if(&id, |_, stream| !stream.served.load(Ordering::Relaxed));
        if let Some((_, stream)) = stranger {
            self.ends.count(StreamEnd::MadeWay);
            if let Some(task) = &stream.task {
                task.abort();
            }
            self.left(id, &stream);
        }
        true
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        // Each statement under the lock leaves it whole.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(&self, id: u64, bytes: Bytes) -> Result<(), SendError> {
        let stream = self.table.get(&id).ok_or(SendError::Closed)?;
        if is_service(&bytes) && !stream.served.swap(true, Ordering::Relaxed) {
            self.places().serve(id);
        }
        // A full queue is a peer that does not read: what is queued may still arrive, this message cannot.
        stream.outbox.try_send(bytes).map_err(|_| SendError::Closed)
    }

    /// Whether the peer of `flow` has got more than refusals.
    fn is_served(&self, flow: Flow) -> bool {
        let stream = flow.connection.and_then(|id| self.table.get(&id));
        stream.is_some_and(|stream| stream.served.load(Ordering::Relaxed))
    }

    /// RFC 5923 §8: requests to `alias` go by this connection, whose peer has proved to be who is expected there.
    fn give_alias(&self, flow: Flow, alias: SocketAddr, names: &[Box<str>]) {
        let (Some(id), Some(tls)) = (flow.connection, self.tls.load_full()) else { return };
        let host = self.host_at(alias);
        if !tls.is_of(flow.interface, &host, names) {
            return;
        }
        if let Some(mut stream) = self.table.get_mut(&id) {
            stream.alias = Some(alias);
            stream.host = Some(host);
            self.by_remote.insert((flow.interface, flow.transport, alias), id);
        }
    }

    /// The host that `remote` was found by; the address itself when it was configured as one.
    fn host_at(&self, remote: SocketAddr) -> Box<str> {
        match self.expected.get(&remote) {
            Some(host) => host.clone(),
            None => remote.ip().to_string().into(),
        }
    }

    /// What could not be sent on `flow`: responses take the way of their Via, every shard's transactions of the rest
    /// fail, those that named no stream too.
    fn give_back(self: &Arc<Self>, flow: Flow, unsent: Vec<Bytes>) {
        let lost = unsent.iter().filter(|bytes| {
            let other = response_fallback(flow, bytes);
            other.is_none_or(|other| self.send(other, bytes).is_err())
        });
        if lost.count() > 0 {
            self.boxes.post_all(|| call::Input::TransportFailed { flow });
        }
    }

    /// The connection is closed.
    fn forget(&self, flow: Flow) {
        let Some(id) = flow.connection else { return };
        if let Some((_, stream)) = self.table.remove(&id) {
            self.left(id, &stream);
        }
    }

    /// What was known of a connection that is no more in the table is forgotten, and the shards are told.
    fn left(&self, id: u64, stream: &Stream) {
        let (interface, transport, remote) = stream.peer;
        for address in [Some(remote), stream.alias].into_iter().flatten() {
            self.by_remote.remove_if(&(interface, transport, address), |_, known| *known == id);
        }
        if stream.opener == Opener::Peer {
            self.places().leave(id, block_of(remote.ip()));
        }
        if stream.proved {
            self.boxes.post_all(|| call::Input::PeerGone { connection: id });
        }
        (self.ended)(Flow { interface, transport, remote, connection: Some(id) });
    }
}

/// Whether what is sent shows that its receiver is somebody: strangers get refusals and answers to their line ends.
fn is_service(bytes: &[u8]) -> bool {
    match bytes.strip_prefix(b"SIP/2.0 ") {
        Some(status) => matches!(status.first(), Some(b'1' | b'2')),
        None => !is_line_ends(bytes),
    }
}

/// Keepalives of streams (RFC 5626 §4.4.1), and nothing at all.
fn is_line_ends(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

/// How many strangers make way for one newcomer before it is refused: another may be quicker to take a place.
const TRIES: usize = 3;
/// Of so many connections that peers may open, one more may be ours.
const SHARE_FOR_US: usize = 10;
/// Addresses whose hosts are kept: more names than any node has carriers.
const MOST_EXPECTED: usize = 4_096;

#[cfg(test)]
mod tests;
