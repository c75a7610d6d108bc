//! Owns how a connection begins: TCP, then TLS and WebSocket where they are spoken, each in its time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use call::Unreached;
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use sip::endpoint::{Flow, Transport};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::outbox::Outbox;
use super::websocket::Watched;
use super::{Shared, StreamEnd};
use crate::marking::mark;
use crate::tls::names_of;

/// The names that a peer has proved to have.
type Names = Arc<[Box<str>]>;

impl<M: Send + 'static> Shared<M> {
    /// Serves a connection that a peer opened, until it is over.
    pub(super) async fn welcome(
        self: &Arc<Self>,
        flow: Flow,
        stream: TcpStream,
        queue: mpsc::Receiver<Bytes>,
    ) {
        prepare(&stream);
        mark(&stream, self.dscp.load(Ordering::Relaxed));
        let outbox = Outbox::new(queue);
        match flow.transport {
            Transport::Udp | Transport::Tcp => {
                let (reader, writer) = stream.into_split();
                self.serve_bytes((flow, None), reader, writer, outbox).await;
            }
            Transport::Tls => {
                let Ok(stream) = self.in_time(flow, self.accept_tls(flow, stream)).await else { return };
                let names = names_shown(stream.get_ref().1.peer_certificates());
                let (reader, writer) = tokio::io::split(stream);
                self.serve_known(flow, names, (reader, writer), outbox).await;
            }
            Transport::Ws => {
                let Ok(frames) = self.in_time(flow, upgrade(stream)).await else { return };
                self.serve_frames(flow, frames, outbox).await;
            }
            Transport::Wss => {
                let both = async { upgrade(self.accept_tls(flow, stream).await?).await };
                let Ok(frames) = self.in_time(flow, both).await else { return };
                self.serve_frames(flow, frames, outbox).await;
            }
        }
    }

    /// Opens a connection to `host`, who over TLS must prove to be it, and serves it until it is over.
    pub(super) async fn call_on(self: &Arc<Self>, flow: Flow, host: &str, queue: mpsc::Receiver<Bytes>) {
        let outbox = Outbox::new(queue);
        let limits = self.limits.load_full();
        let connected = timeout(limits.connect, self.connect(flow)).await;
        let stream = match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::info!(remote = %flow.remote, %error, "连接失败 / cannot connect");
                self.ends.count(StreamEnd::NotOpened);
                return self.not_reached(flow, &error, outbox);
            }
        };
        prepare(&stream);
        if flow.transport != Transport::Tls {
            let (reader, writer) = stream.into_split();
            return self.serve_bytes((flow, None), reader, writer, outbox).await;
        }
        let stream = match self.in_time(flow, self.connect_tls(flow, host, stream)).await {
            Ok(stream) => stream,
            Err(error) => return self.not_reached(flow, &error, outbox),
        };
        let names = names_shown(stream.get_ref().1.peer_certificates());
        let (reader, writer) = tokio::io::split(stream);
        self.serve_known(flow, names, (reader, writer), outbox).await;
    }

    /// A connection did not come about: the shards hear why, then of what waited for it.
    fn not_reached(self: &Arc<Self>, flow: Flow, error: &io::Error, outbox: Outbox) {
        let why = why(error);
        self.boxes.post_all(|| call::Input::Unreached { flow, why: why.clone() });
        self.give_back(flow, outbox.unsent());
    }

    /// Serves a connection over TLS; the shards know its peer before its first message.
    async fn serve_known(
        self: &Arc<Self>,
        flow: Flow,
        names: Option<Names>,
        (reader, writer): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
        outbox: Outbox,
    ) {
        if let (Some(names), Some(connection)) = (&names, flow.connection) {
            // Held until it is told: who forgets the connection tells of that behind it.
            let Some(mut stream) = self.table.get_mut(&connection) else { return };
            stream.proved = true;
            self.boxes.post_all(|| call::Input::PeerVerified { connection, names: Arc::clone(names) });
        }
        self.serve_bytes((flow, names), reader, writer, outbox).await;
    }

    /// What `greeting` comes to within the time for it; that it fails is counted and said.
    async fn in_time<T>(&self, flow: Flow, greeting: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let limit = self.limits.load().handshake;
        match timeout(limit, greeting).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => {
                self.ends.count(StreamEnd::Handshake);
                let transport = flow.transport.via();
                tracing::info!(remote = %flow.remote, transport, %error, "握手失败 / the handshake failed");
                Err(error)
            }
            Err(_) => {
                self.ends.count(StreamEnd::HandshakeSlow);
                tracing::debug!(remote = %flow.remote, "握手超时 / the handshake took too long");
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }

    async fn accept_tls(
        &self,
        flow: Flow,
        stream: TcpStream,
    ) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
        let tls = self.tls.load_full();
        let acceptor = tls.and_then(|tls| tls.acceptor(flow.interface, flow.transport));
        acceptor.ok_or_else(|| io::Error::other("no certificate"))?.accept(stream).await
    }

    async fn connect_tls(
        &self,
        flow: Flow,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let way = self.tls.load_full().and_then(|tls| tls.way(flow.interface, host));
        let way = way.ok_or_else(|| io::Error::other(format!("no TLS to {host}")))?;
        way.connector.connect(way.name, stream).await
    }

    async fn connect(&self, flow: Flow) -> io::Result<TcpStream> {
        let socket = if flow.remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        mark(&socket, self.dscp.load(Ordering::Relaxed));
        // From the listener's address, whose port the system chooses: peers allow us by address.
        if let Some(local) = self.local.get(usize::from(flow.interface))
            && !local.ip().is_unspecified()
        {
            socket.bind(SocketAddr::new(local.ip(), 0))?;
        }
        socket.connect(flow.remote).await
    }
}

/// What kept us from a peer.
pub(crate) fn why(error: &io::Error) -> Unreached {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(certificate)) => match certificate {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Unreached::WrongName
            }
            CertificateError::UnknownIssuer => Unreached::NotTrusted,
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Unreached::OutOfDate,
            other => Unreached::Tls(other.to_string().into()),
        },
        Some(other) => Unreached::Tls(other.to_string().into()),
        None if error.kind() == io::ErrorKind::TimedOut => Unreached::TooSlow,
        None => Unreached::NoConnection(error.to_string().into()),
    }
}

/// Messages are small and complete: waiting for more to fill a segment only delays them. A peer that vanished without
/// a word is noticed by the system's probes.
fn prepare(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY);
    let set = stream.set_nodelay(true).and_then(|()| SockRef::from(stream).set_tcp_keepalive(&keepalive));
    if let Err(error) = set {
        tracing::debug!(%error, "TCP_NODELAY, SO_KEEPALIVE");
    }
}

/// Whom a verified certificate is for; `None` where none was shown.
fn names_shown(certificates: Option<&[CertificateDer<'static>]>) -> Option<Names> {
    certificates.and_then(<[_]>::first).map(|certificate| names_of(certificate).into())
}

/// The server's side of a WebSocket that carries SIP (RFC 7118 §4.1).
#[allow(clippy::result_large_err, reason = "a refusal's shape is the library's")]
async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> io::Result<WebSocketStream<Watched<S>>> {
    let limits = sip::Limits::default();
    let longest = limits.head_bytes + limits.body_bytes;
    let config = WebSocketConfig::default().max_message_size(Some(longest)).max_frame_size(Some(longest));
    let agree = |request: &Request, mut response: Response| {
        let offered = request.headers().get_all("Sec-WebSocket-Protocol").iter();
        let mut offered = offered.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
        if offered.any(|word| word.trim().eq_ignore_ascii_case("sip")) {
            response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("sip"));
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(Some("the WebSocket subprotocol here is sip".to_owned()));
        *refusal.status_mut() = StatusCode::BAD_REQUEST;
        Err(refusal)
    };
    tokio_tungstenite::accept_hdr_async_with_config(Watched::new(stream), agree, Some(config))
        .await
        .map_err(io::Error::other)
}

/// A silent connection is probed after this.
const PROBE_AFTER: std::time::Duration = std::time::Duration::from_secs(60);
/// And then this often.
const PROBE_EVERY: std::time::Duration = std::time::Duration::from_secs(20);
