//! Owns the settings of a shard's endpoint.

use std::time::Duration;

/// What a listener tells peers to reach it by: Via's sent-by and the Contact.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Advertised {
    /// A host name or address; an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Advertised {
    /// `host:port` as a message writes it, an IPv6 address in brackets (RFC 3261 §25.1).
    pub fn host_port(&self) -> String {
        if self.host.contains(':') && !self.host.starts_with('[') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
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
