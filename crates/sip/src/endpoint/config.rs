//! Owns the settings of a shard's endpoint.

use std::time::Duration;

use super::Transport;

/// What a listener tells peers to reach it by: Via's sent-by and the Contact.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Advertised {
    /// A host name or address; an IPv6 address without brackets.
    pub host: String,
    /// The port of UDP and TCP.
    pub port: u16,
    /// The ports of what is served beside them.
    pub others: OtherPorts,
}

/// A listener's ports for TLS and WebSocket; `None` where it is not served.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct OtherPorts {
    /// TLS.
    pub tls: Option<u16>,
    /// WebSocket.
    pub ws: Option<u16>,
    /// WebSocket over TLS.
    pub wss: Option<u16>,
}

impl Advertised {
    /// A listener that serves UDP and TCP at one port, and nothing else.
    pub fn new(host: impl Into<String>, port: u16) -> Advertised {
        Advertised { host: host.into(), port, others: OtherPorts::default() }
    }

    /// Where `transport` is served; the port of UDP and TCP where it is not.
    pub fn port_of(&self, transport: Transport) -> u16 {
        let other = match transport {
            Transport::Udp | Transport::Tcp => None,
            Transport::Tls => self.others.tls,
            Transport::Ws => self.others.ws,
            Transport::Wss => self.others.wss,
        };
        other.unwrap_or(self.port)
    }

    /// `host:port` of `transport` as a message writes it, an IPv6 address in brackets (RFC 3261 §25.1).
    pub fn host_port(&self, transport: Transport) -> String {
        let mut text = String::with_capacity(self.host.len() + 8);
        self.push_host_port(&mut text, transport);
        text
    }

    /// Appends what [`Advertised::host_port`] makes.
    pub fn push_host_port(&self, text: &mut String, transport: Transport) {
        crate::uri::push_host_port(text, &self.host, Some(self.port_of(transport)));
    }
}

/// The settings of a shard's endpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndpointConfig {
    /// Which shard; the Call-IDs that it mints begin with it.
    pub shard: u8,
    /// Which node.
    pub node: u8,
    /// When the shard started, in seconds since 1970.
    pub start_secs: i64,
    /// 128 random bits from the shell: branches, tags and Call-IDs are unguessable because of them (§19.3).
    pub secret: [u8; 16],
    /// What each listener is reached by, by its index.
    pub advertised: Vec<Advertised>,
    /// Estimate of the round trip (RFC 3261 §17.1.1.1): 500 ms.
    pub t1: Duration,
    /// The longest distance of retransmissions of non-INVITE requests and of responses to INVITE: 4 s.
    pub t2: Duration,
    /// How long a message may stay in the network: 5 s.
    pub t4: Duration,
    /// How long the application may take before a 100 Trying goes out by itself (§17.2.1): 200 ms.
    pub trying_after: Duration,
    /// Server and User-Agent of what we send; empty for none.
    pub user_agent: String,
}

impl EndpointConfig {
    /// How long to wait after something was sent again `repeats` times: T1, doubled each time.
    pub(crate) fn doubled(&self, repeats: u8) -> Duration {
        self.t1.saturating_mul(2_u32.saturating_pow(repeats.into()))
    }
}

impl Default for EndpointConfig {
    /// RFC 3261's timers, shard 0, no listener, a secret of zeros.
    fn default() -> EndpointConfig {
        EndpointConfig {
            shard: 0,
            node: 0,
            start_secs: 0,
            secret: [0; 16],
            advertised: Vec::new(),
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            trying_after: Duration::from_millis(200),
            user_agent: String::new(),
        }
    }
}
