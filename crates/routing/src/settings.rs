//! Owns what an operator sets for listeners, trunks, numbers, phones and limits: the node's plan.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use model::say::SayItem;
use model::{
    AgentId, Aor, ConferenceName, FlowName, HotlineNumber, InterfaceName, MailboxName, PromptName, QueueName,
    TenantId,
};

use crate::trunk::{Trunk, TrunkGroup};

use crate::{
    ClassOfService, ConferenceProfile, Dialling, FeatureCodes, Holder, Hours, Mailbox, PhoneServices,
    Supervision,
};

/// Everything a shard must know to route a call. Never changed in place: a reload makes a new one.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Listeners, in order; their place is the `interface` of a `sip::Flow`.
    pub interfaces: Vec<Interface>,
    /// Trunks of the node.
    pub trunks: Vec<Arc<Trunk>>,
    /// Groups of trunks, for calls out.
    pub groups: Vec<TrunkGroup>,
    /// Hotline numbers of all tenants.
    pub numbers: Vec<Number>,
    /// Phones that register, of all tenants.
    pub phones: Vec<Phone>,
    /// What calls of a queue look like.
    pub queues: HashMap<QueueName, QueueProfile>,
    /// The domain of each tenant's phones.
    pub domains: Vec<TenantDomain>,
    /// The node's limits.
    pub limits: Limits,
    /// What strangers may do.
    pub security: Security,
    /// Classes of service by name; [`ClassOfService::USUAL`] is always among them.
    pub classes: HashMap<Arc<str>, ClassOfService>,
    /// Codes dialled from a phone.
    pub codes: FeatureCodes,
    /// How phones' calls go out, and what is kept of them.
    pub dialling: Dialling,
    /// Who may listen to whom.
    pub supervision: Supervision,
    /// Conference rooms.
    pub conferences: HashMap<ConferenceName, Arc<ConferenceProfile>>,
    /// What callers hear of each agent when the call connects (R33 自报家门).
    pub greetings: HashMap<AgentId, Vec<SayItem>>,
    /// Mailboxes.
    pub mailboxes: HashMap<MailboxName, Arc<Mailbox>>,
    /// What phones may do beside calling.
    pub phone_services: PhoneServices,
    /// No RTP from a party that should send for this long ends the call.
    pub rtp_timeout: Option<Duration>,
    /// A party of a conversation who is not heard for this long raises the alarm (R37).
    pub silence_alarm: Option<Duration>,
    /// RFC 4028 session expiry that we ask for; None: refresh is left to the peer.
    pub session_expires: Option<Duration>,
}

impl Plan {
    /// The class of service by which `holder` calls out: the usual one for who was given none.
    pub fn class_of(&self, holder: &Holder) -> ClassOfService {
        let name = match holder {
            Holder::Phone(aor) => {
                self.phones.iter().find(|phone| phone.aor == *aor).map(|phone| &phone.class)
            }
            Holder::Trunk(name) => {
                self.trunks.iter().find(|trunk| trunk.name == *name).map(|trunk| &trunk.forward_class)
            }
        };
        let named = name.and_then(|name| self.classes.get(name.as_deref()?));
        let usual = || self.classes.get(ClassOfService::USUAL);
        named.or_else(usual).cloned().unwrap_or_else(ClassOfService::usual)
    }
}

/// A named listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Interface {
    /// Its name.
    pub name: InterfaceName,
    /// Where it listens, for UDP and TCP alike; port 0 lets the system choose.
    pub bind: SocketAddr,
    /// UDP is served.
    pub udp: bool,
    /// TCP is served.
    pub tcp: bool,
    /// The port of TLS, where it is served; 0 lets the system choose.
    pub tls: Option<u16>,
    /// The port of WebSocket, where it is served; 0 lets the system choose.
    pub ws: Option<u16>,
    /// The port of WebSocket over TLS, where it is served; 0 lets the system choose.
    pub wss: Option<u16>,
    /// What TLS shows and asks for; there where `tls` or `wss` is served.
    pub certificate: Option<CertificateFiles>,
    /// The address that peers are told (SDP; Contact and Via unless `host` is set).
    pub advertise: IpAddr,
    /// The host name that peers are told in Contact and Via.
    pub host: Option<Arc<str>>,
    /// Its RTP ports.
    pub rtp: RtpRange,
}

/// The certificate of a listener, and whose certificates it asks for. Files are relative to the configuration folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: our certificate, then those that vouch for it.
    pub certificate: Arc<str>,
    /// PEM: its private key.
    pub key: Arc<str>,
    /// PEM: the authorities whose certificates peers may show; unused with `ClientCertificate::Off`.
    pub client_ca: Option<Arc<str>>,
    /// Whether peers that connect over TLS show a certificate.
    pub client_certificate: ClientCertificate,
}

/// Whether peers that connect over TLS show a certificate. Browsers (WebSocket) are never asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientCertificate {
    /// They are not asked.
    Off,
    /// They may; a wrong one is refused.
    Optional,
    /// They must.
    Required,
}

/// A range of ports, both ends included; RTP takes the even ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpRange {
    /// Lowest.
    pub low: u16,
    /// Highest.
    pub high: u16,
}

/// A block of addresses: `10.0.0.0/8`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    /// The block's address.
    pub address: IpAddr,
    /// How many leading bits count.
    pub prefix: u8,
}

/// Reliable provisional responses (RFC 3262).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Reliable {
    /// Never: a peer that insists is refused with 420.
    Off,
    /// Where the peer can.
    #[default]
    Supported,
    /// Insisted on: a peer that cannot is refused with 421.
    Required,
}

/// How media are exchanged with a trunk or a phone.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaChoice {
    /// Codecs in the order of preference.
    pub codecs: Vec<CodecChoice>,
    /// Whether they are encrypted.
    pub srtp: SrtpChoice,
    /// How keys travel.
    pub keys: KeyChoice,
    /// Comfort noise (RFC 3389) is offered and accepted: the peer may send nothing while nobody speaks.
    pub comfort_noise: bool,
    /// A fax may go over to T.38 where the other side of the call may too; it passes as it comes.
    pub t38: bool,
}

impl Default for MediaChoice {
    fn default() -> MediaChoice {
        MediaChoice {
            codecs: vec![CodecChoice::Pcma, CodecChoice::Pcmu],
            srtp: SrtpChoice::Off,
            keys: KeyChoice::Auto,
            comfort_noise: false,
            t38: true,
        }
    }
}

/// Whether media are SRTP, its keys in the session description (RFC 4568).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SrtpChoice {
    /// Plain RTP.
    #[default]
    Off,
    /// SRTP where the peer can.
    Optional,
    /// SRTP or no call.
    Required,
}

/// How keys (DTMF) travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyChoice {
    /// As events where the peer can, else as tones.
    #[default]
    Auto,
    /// As RFC 4733 events or not at all.
    Rfc4733,
    /// As SIP INFO.
    Info,
    /// As tones in the audio.
    Inband,
}

/// Codecs an operator may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodecChoice {
    /// G.711 A-law.
    Pcma,
    /// G.711 µ-law.
    Pcmu,
    /// G.722, wideband.
    G722,
    /// G.729 Annex A.
    G729,
    /// Opus.
    Opus,
}

/// A hotline number (400 号码).
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    /// The number callers dial.
    pub number: HotlineNumber,
    /// Landing numbers (落地号) and other forms the carrier sends for it.
    pub aliases: Vec<Arc<str>>,
    /// What its callers enter.
    pub flow: FlowName,
    /// What they enter out of hours and while the night switch is on; None: there is no switch.
    pub night_flow: Option<FlowName>,
    /// When it is open; none: always.
    pub open: Vec<Hours>,
    /// When the caller is answered.
    pub answer: AnswerMode,
    /// What is recorded.
    pub record: RecordPolicy,
    /// What becomes of a call that cannot be recorded.
    pub when_disk_full: WhenDiskFull,
    /// How many calls at a time (并发限制).
    pub max_calls: Option<usize>,
}

/// What becomes of a call that should be recorded while the disk of recordings is full or refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WhenDiskFull {
    /// It goes on without, and its record says so.
    #[default]
    GoOn,
    /// It is refused: 503.
    Refuse,
}

/// When the switch answers the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnswerMode {
    /// 200 before the flow begins.
    AtOnce,
    /// The flow plays as early media (183); 200 when a person answers or a node must hear keys.
    EarlyMedia,
    /// The caller hears ringing (180) and is answered when a person answers.
    ByParty,
}

/// What is recorded (全程录音).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordPolicy {
    /// From the agent's answer to the end of the conversation, hold included.
    Talk,
    /// From the number's answer, menu and queue included.
    All,
    /// Nothing.
    Off,
}

/// A phone that registers (话机).
#[derive(Clone, PartialEq)]
pub struct Phone {
    /// Whose.
    pub tenant: TenantId,
    /// Its address of record.
    pub aor: Aor,
    /// Its digest password.
    pub password: Arc<str>,
    /// The digest algorithms it is offered.
    pub digest: DigestChoice,
    /// The listener it uses, by place in `Plan::interfaces`.
    pub interface: u16,
    /// The agent who uses it.
    pub agent: Option<AgentId>,
    /// Bindings at a time.
    pub max_contacts: usize,
    /// How media are exchanged with it.
    pub media: MediaChoice,
    /// The class of service of its calls out; None: the usual one.
    pub class: Option<Arc<str>>,
    /// Reliable provisional responses on its calls, in and out.
    pub reliable: Reliable,
    /// Requests of more than 1,300 bytes reach it by TCP though it registered over UDP (RFC 3261 §18.1.1).
    pub large_over_tcp: bool,
    /// The number that its calls out show where the trunk lets it; None: the trunk's own.
    pub caller: Option<Arc<str>>,
    /// Phones of one group pick up for each other (代接组); None: those that have no other.
    pub pickup_group: Option<Arc<str>>,
    /// It may turn the night switches of its tenant's numbers.
    pub night_switch: bool,
    /// The mailbox that it opens without a PIN, and whose messages it shows.
    pub mailbox: Option<MailboxName>,
    /// Calls that it does not take go to that mailbox, unless they are forwarded.
    pub voicemail: bool,
}

impl Phone {
    /// Whether it may take calls for which `other` rings (R36).
    pub fn picks_up_for(&self, other: &Phone) -> bool {
        self.tenant == other.tenant && self.pickup_group == other.pickup_group && self.aor != other.aor
    }
}

// A password never reaches a log.
impl std::fmt::Debug for Phone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Phone").field("aor", &self.aor).field("agent", &self.agent).finish_non_exhaustive()
    }
}

/// Digest algorithms offered to a phone (RFC 8760).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum DigestChoice {
    /// MD5 alone: what every phone understands.
    #[default]
    Md5,
    /// SHA-256 alone.
    Sha256,
    /// Two challenges.
    Both,
}

/// Where a caller's music on hold begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MusicStart {
    /// Where everybody else who hears it is.
    #[default]
    Shared,
    /// At its beginning.
    Beginning,
}

/// What calls of a queue look like to caller and agent.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueProfile {
    /// Music on hold while waiting.
    pub music: PromptName,
    /// Where a caller's music begins.
    pub music_start: MusicStart,
    /// From name on the agent's phone; `{caller}`, `{queue}`, `{number}` stand for themselves.
    pub display: Arc<str>,
    /// The name for `{queue}`.
    pub title: Arc<str>,
    /// Speak the agent's number to the caller before the bridge (播报工号).
    pub agent_number: bool,
    /// The escalation path (升级路径): what is dialled for each step, the first one first (R46).
    pub escalate_to: Vec<Arc<str>>,
    /// What a phone dials to wait in it; None: phones cannot.
    pub dial: Option<Arc<str>>,
    /// What becomes of a call that cannot be recorded.
    pub when_disk_full: WhenDiskFull,
}

/// Phones of a tenant are `user@domain`.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantDomain {
    /// Whose.
    pub tenant: TenantId,
    /// The domain, lower case.
    pub domain: Arc<str>,
}

/// The node's limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Calls at a time; more get 503 with Retry-After.
    pub max_calls: usize,
    /// New calls per second; more get 503 with Retry-After.
    pub max_calls_per_second: Option<u32>,
    /// The longest call.
    pub max_duration: Duration,
    /// What signalling may wait before it is handled; when it waits longer, new calls get 503 with Retry-After.
    pub overload_delay: Duration,
}

/// What those may do who are no trunk.
#[derive(Clone, Debug, PartialEq)]
pub struct Security {
    /// Requests per second of one source, or of one flow that has logged in.
    pub requests_per_second: u32,
    /// Wrong passwords per minute of one source; of one user where a phone has logged in.
    pub failed_logins_per_minute: u32,
    /// How long a ban lasts; nought: nobody is banned.
    pub ban: Duration,
    /// Bans at a time.
    pub max_bans: usize,
    /// Words by which scanners are known, lower case.
    pub scanners: Vec<Arc<str>>,
    /// What becomes of OPTIONS of strangers.
    pub strange_options: StrangeOptions,
}

/// What becomes of an OPTIONS of somebody who is neither a trunk nor has logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StrangeOptions {
    /// Nothing: whoever looks for switches does not find this one by asking.
    Drop,
    /// The challenge that every other request gets.
    Challenge,
}
