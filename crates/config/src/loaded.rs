//! Owns what a folder decodes to. Does not own how (see `folder`), or what changes between two (see `changes`).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use acd::TenantSettings;
use model::FlowName;
use routing::Plan;

use crate::Diagnostics;

/// A whole folder, decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What the node itself needs.
    pub node: NodeSettings,
    /// Listeners, trunks, numbers, phones, limits.
    pub plan: Plan,
    /// Flows of all tenants.
    pub flows: HashMap<FlowName, Arc<ivr::Flow>>,
    /// Queues and agents, one element per tenant, `default` first.
    pub acd: Vec<TenantSettings>,
    /// How long recordings are kept, and how much room they leave.
    pub recordings: RecordingSettings,
    /// What prompts may cost, and how they sound.
    pub prompts: PromptSettings,
    /// Commands run on events.
    pub hooks: Vec<HookSettings>,
    /// Connections, certificates and name servers.
    pub transports: TransportSettings,
    /// How packets are marked for the network.
    pub marks: MarkSettings,
    /// How much is kept of calls' messages.
    pub trace: TraceSettings,
    /// What somebody should look at.
    pub warnings: Diagnostics,
}

/// What the node itself needs.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeSettings {
    /// The node's number among nodes, 0–255; part of every id.
    pub id: u8,
    /// Where recordings, records and journals are kept, relative to the folder unless absolute.
    pub data: Arc<str>,
    /// The SIP domain of the default tenant's phones, lower case.
    pub domain: Arc<str>,
    /// Where the HTTP API listens.
    pub api: SocketAddr,
    /// Signalling threads; None: by the CPUs available.
    pub shards: Option<u8>,
    /// Media threads; None: by the CPUs available.
    pub workers: Option<usize>,
    /// Whether threads keep to one CPU.
    pub pinning: Pinning,
    /// What is logged, as a `tracing` filter: `info`, `info,call=debug`.
    pub log: Arc<str>,
    /// The language of prompts: `zh-CN` or `en`, a folder below `prompts/`.
    pub language: Arc<str>,
    /// The tenants' time zone, an IANA name; its midnight starts the day's counters anew.
    pub time_zone: Arc<str>,
    /// How long a shutdown waits for calls in progress.
    pub drain: Duration,
    /// The product's name on the wire (User-Agent, Server).
    pub product: Arc<str>,
}

/// How long recordings are kept, and how much room they leave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingSettings {
    /// Days; `None`: for ever.
    pub keep_days: Option<u32>,
    /// A full disk takes recordings early, none younger than so many days; `None`: it takes none.
    pub min_keep_days: Option<u32>,
    /// Free bytes below which an operator is warned; 0: never.
    pub warn_free: u64,
    /// Free bytes below which no recording begins; 0: never.
    pub limit_free: u64,
    /// Where the journal is copied to while it grows, relative to the folder unless absolute.
    pub second: Option<Arc<str>>,
    /// How long a copy stays whose original has gone.
    pub second_keep: Duration,
}

/// What prompts may cost, and how they sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromptSettings {
    /// A longer file is refused.
    pub longest: Duration,
    /// A larger file is refused.
    pub bytes: u64,
    /// Whether prompts are made equally loud.
    pub even_loudness: bool,
    /// How 1 is read digit by digit in Chinese.
    pub digit_one: DigitOne,
}

impl Default for PromptSettings {
    fn default() -> PromptSettings {
        PromptSettings {
            longest: Duration::from_secs(600),
            bytes: 64 << 20,
            even_loudness: true,
            digit_one: DigitOne::Yao,
        }
    }
}

/// How 1 is read digit by digit in Chinese.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigitOne {
    /// 幺
    Yao,
    /// 一
    Yi,
}

/// What sockets for signalling need beside the listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportSettings {
    /// Limits of TCP, TLS and WebSocket connections.
    pub streams: StreamSettings,
    /// Certificates.
    pub tls: TlsSettings,
    /// Name servers.
    pub dns: DnsSettings,
}

/// Limits of TCP, TLS and WebSocket connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// Connections in all.
    pub max_connections: usize,
    /// Connections with one address.
    pub max_connections_per_address: usize,
    /// TLS and WebSocket must be agreed after this.
    pub handshake: Duration,
    /// A new connection's first message must be complete after this.
    pub first_message: Duration,
    /// A connection whose peer has got nothing but refusals is closed this long after its beginning.
    pub refused: Duration,
    /// Every message must be complete this long after its first byte.
    pub message: Duration,
    /// A connection on which nothing came for this long is closed.
    pub idle: Duration,
    /// A connection that we open must be there after this.
    pub connect: Duration,
    /// A peer that reads nothing for this long, with something to read, is given up.
    pub write: Duration,
    /// Messages that may wait for a slow peer.
    pub queued: usize,
    /// A WebSocket is pinged when nothing came for this long; None: never.
    pub ping: Option<Duration>,
}

/// Certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// TLS 1.2 is refused.
    pub oldest: OldestTls,
    /// Certificate files are looked at this often, and read when they changed.
    pub check: Duration,
    /// How many days before its end a certificate is warned of.
    pub warn_days: u32,
}

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldestTls {
    /// RFC 5246.
    V1_2,
    /// RFC 8446.
    V1_3,
}

/// How packets are marked for the network: DSCP (RFC 2474), 0–63.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkSettings {
    /// Signalling.
    pub sip: u8,
    /// RTP and RTCP.
    pub media: u8,
}

/// How much is kept of calls' messages, for an operator to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceSettings {
    /// How old a message gets; zero keeps none.
    pub age: Duration,
    /// Messages at most.
    pub messages: usize,
    /// Their bytes at most.
    pub bytes: usize,
}

/// Name servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSettings {
    /// Name servers with their ports; empty: the system's.
    pub servers: Vec<SocketAddr>,
    /// How long one question may take.
    pub timeout: Duration,
    /// What was known of a name is used for this long after its time when no server answers.
    pub stale: Duration,
}

/// Whether threads keep to one CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinning {
    /// Each media worker and shard keeps to one CPU of `sched_getaffinity`.
    ByAffinity,
    /// The system moves threads as it likes.
    Off,
}

/// A command run on an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookSettings {
    /// When.
    pub on: HookEvent,
    /// The program and its arguments, never a shell; the event comes on its standard input as JSON.
    pub command: Vec<Arc<str>>,
    /// It is killed after this.
    pub timeout: Duration,
}

/// What a hook waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HookEvent {
    /// A call ended and its record is complete.
    CallEnded,
    /// A recording can be played.
    RecordingFinished,
}
