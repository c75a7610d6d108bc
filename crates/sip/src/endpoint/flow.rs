//! Owns where a message came from and goes to: [`Transport`] and [`Flow`]. Does not own sockets (see `sip-net`).

use std::net::SocketAddr;

use crate::uri::Uri;

/// How bytes travel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream in the clear.
    Tcp,
    /// A stream over TLS.
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket over TLS (RFC 7118).
    Wss,
}

impl Transport {
    /// The word of the Via header's sent-protocol (RFC 3261 §25.1, RFC 7118 §5.2).
    pub const fn via(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }

    /// The word of the `transport` URI parameter; a datagram needs none. `tls` is what RFC 3261 §26.2.2 advises against
    /// and what phones and carriers understand: the alternative, `sips:`, is refused by most. RFC 7118 §5.2 has one word
    /// for both kinds of WebSocket.
    pub const fn uri_param(self) -> Option<&'static str> {
        match self {
            Transport::Udp => None,
            Transport::Tcp => Some("tcp"),
            Transport::Tls => Some("tls"),
            Transport::Ws | Transport::Wss => Some("ws"),
        }
    }

    /// What a `transport` URI parameter means, in any case; `None` for a word of a transport that we have not.
    pub fn of_uri_param(word: &str) -> Option<Transport> {
        let words = [
            ("udp", Transport::Udp),
            ("tcp", Transport::Tcp),
            ("tls", Transport::Tls),
            ("ws", Transport::Ws),
            ("wss", Transport::Wss),
        ];
        words.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, transport)| transport)
    }

    /// Whether nobody on the way can read it.
    pub const fn is_secure(self) -> bool {
        matches!(self, Transport::Tls | Transport::Wss)
    }

    /// Whether the transport delivers or fails by itself, so that nothing is retransmitted (RFC 3261 §17).
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Transport::Udp)
    }

    /// The port when a URI or Via names none (RFC 3261 §19.1.2, RFC 7118 §5).
    pub const fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
            Transport::Ws => 80,
            Transport::Wss => 443,
        }
    }
}

/// One way between us and a peer: a listener, a transport, the peer's address and, for streams, the connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub struct Flow {
    /// Index of the listener in the configuration.
    pub interface: u16,
    /// How bytes travel.
    pub transport: Transport,
    /// The peer's address.
    pub remote: SocketAddr,
    /// The stream, by the id that the shell gave it; `None` for datagrams, or for a stream yet to be opened.
    pub connection: Option<u64>,
}

impl Flow {
    /// A datagram flow of listener `interface` to `remote`.
    pub const fn udp(interface: u16, remote: SocketAddr) -> Flow {
        Flow { interface, transport: Transport::Udp, remote, connection: None }
    }

    /// The way for a request whose next hop is `next`, to a peer that sent by this flow: to the address that `next` names
    /// where that is the peer's, whatever the port (RFC 3261 §10.3, RFC 3327 §5.4); else there is a NAT between, and
    /// only the way back leads through it. A stream is kept to (RFC 5626 §5.3).
    pub fn towards(self, next: &Uri) -> Flow {
        match next.host_ip() {
            Some(address) if self.connection.is_none() && address == self.remote.ip() => {
                let port = next.port().unwrap_or(self.transport.default_port());
                Flow { remote: SocketAddr::new(address, port), ..self }
            }
            _ => self,
        }
    }

    /// Whether both name one way, a stream yet to be opened being the one that was opened.
    pub fn same_way(&self, other: &Flow) -> bool {
        self.interface == other.interface
            && self.transport == other.transport
            && self.remote == other.remote
            && (self.connection.is_none()
                || other.connection.is_none()
                || self.connection == other.connection)
    }
}
