//! Owns what an operator sets for a trunk (SIP中继). Does not own how numbers are written by these settings (see
//! `trunk_numbers`) nor whether a trunk works at present (see `trunk_state`).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use model::TrunkName;
use sha2::{Digest, Sha256};

use crate::settings::{Cidr, MediaChoice, Reliable};

/// A carrier's trunk (SIP中继).
#[derive(Clone, Debug, PartialEq)]
pub struct Trunk {
    /// Its name.
    pub name: TrunkName,
    /// The listener it uses, by place in `Plan::interfaces`.
    pub interface: u16,
    /// How its requests are known.
    pub access: Access,
    /// Source addresses of its media beside the SDP's own.
    pub media_from: Vec<Cidr>,
    /// How it is reached.
    pub way: TrunkWay,
    /// How media are exchanged with it.
    pub media: MediaChoice,
    /// How many calls it may have.
    pub limits: TrunkLimits,
    /// What its challenges are answered with.
    pub account: Option<TrunkAccount>,
    /// How we register with it.
    pub register: Option<TrunkRegister>,
    /// How it is asked whether it lives; None: it is not asked.
    pub heartbeat: Option<Heartbeat>,
    /// How callers are written to it and read from it.
    pub identity: TrunkIdentity,
    /// How numbers are written to it and read from it.
    pub numbers: TrunkNumbers,
    /// Reliable provisional responses on its calls, in and out.
    pub reliable: Reliable,
    /// The class of service of its callers who are sent on by a trunk; None: the usual one.
    pub forward_class: Option<Arc<str>>,
}

/// How a trunk's requests are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Access {
    /// Source addresses of its signalling; empty for a trunk that only takes calls out.
    pub from: Vec<Cidr>,
    /// Names in the certificate that it proves itself with (mutual TLS), lower case.
    pub tls_names: Vec<Arc<str>>,
    /// The user and password that it must show (digest); None: its address or certificate is enough.
    pub challenge: Option<TrunkChallenge>,
}

/// How a trunk is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct TrunkWay {
    /// Where requests are sent, the preferred one first.
    pub to: Vec<Target>,
    /// Outbound proxies, the preferred one first: requests are sent there with a Route header that names it.
    pub proxies: Vec<Target>,
    /// How requests travel.
    pub transport: TrunkTransport,
    /// Requests of more than 1,300 bytes go by TCP instead of UDP (RFC 3261 §18.1.1).
    pub large_over_tcp: bool,
    /// Over TLS: the name that its certificate must show; the target's host unless set.
    pub tls_name: Option<Arc<str>>,
    /// Over TLS: PEM file of the authorities that vouch for it, relative to the folder; the system's unless set.
    pub ca: Option<Arc<str>>,
    /// The domain in Request-URI and To; the target itself unless set.
    pub domain: Option<Arc<str>>,
    /// An INVITE without any response for so long goes to the next target or trunk.
    pub no_response: Duration,
}

impl Default for TrunkWay {
    fn default() -> TrunkWay {
        TrunkWay {
            to: Vec::new(),
            proxies: Vec::new(),
            transport: TrunkTransport::Udp,
            large_over_tcp: false,
            tls_name: None,
            ca: None,
            domain: None,
            no_response: Duration::from_secs(6),
        }
    }
}

impl TrunkWay {
    /// Where packets go: the outbound proxies where there are any, else `to`.
    pub fn targets(&self) -> &[Target] {
        if self.proxies.is_empty() { &self.to } else { &self.proxies }
    }

    /// The targets that are addresses already, the preferred one first.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.targets().iter().filter_map(|target| target.address(self.transport))
    }

    /// Whether anything can be sent to the trunk.
    pub fn leads_somewhere(&self) -> bool {
        !self.targets().is_empty()
    }
}

/// A place that requests are sent to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// An address, or a name to be looked up (RFC 3263).
    pub host: TargetHost,
    /// The port; None: the transport's own, or what SRV says.
    pub port: Option<u16>,
}

/// An address or a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TargetHost {
    /// An address.
    Address(IpAddr),
    /// A name, lower case.
    Name(Arc<str>),
}

impl Target {
    /// The target of `text`: an address or name, with or without a port; `[…]` around an IPv6 address with a port.
    pub fn parse(text: &str) -> Option<Target> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Some(Target::at(address)).filter(|_| address.port() > 0);
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Some(Target { host: TargetHost::Address(address), port: None });
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse::<u16>().ok().filter(|port| *port > 0)?)),
            None => (text, None),
        };
        let is_label = |label: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            !label.is_empty() && label.len() <= 63 && label.chars().all(fits)
        };
        // RFC 3261 §25.1: the last label of a host name begins with a letter.
        let last = name.rsplit('.').next()?;
        let is_name = name.len() <= 253 && name.split('.').all(is_label);
        let is_name = is_name && last.starts_with(|c: char| c.is_ascii_alphabetic());
        is_name.then(|| Target { host: TargetHost::Name(Arc::from(name.to_ascii_lowercase())), port })
    }

    /// That address and port.
    pub fn at(address: SocketAddr) -> Target {
        Target { host: TargetHost::Address(address.ip()), port: Some(address.port()) }
    }

    /// The address and port, when no name has to be looked up.
    pub fn address(&self, transport: TrunkTransport) -> Option<SocketAddr> {
        match &self.host {
            TargetHost::Address(address) => {
                Some((*address, self.port.unwrap_or(transport.default_port())).into())
            }
            TargetHost::Name(_) => None,
        }
    }
}

/// `host[:port]` as a URI writes it, an IPv6 address in brackets.
impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.host {
            TargetHost::Address(IpAddr::V4(address)) => write!(f, "{address}")?,
            TargetHost::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            TargetHost::Name(name) => f.write_str(name)?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// How requests to a trunk travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TrunkTransport {
    /// Datagrams.
    #[default]
    Udp,
    /// A stream in the clear.
    Tcp,
    /// A stream over TLS; the target's name is checked.
    Tls,
}

impl TrunkTransport {
    /// The port when none is named (RFC 3261 §19.1.2).
    pub const fn default_port(self) -> u16 {
        match self {
            TrunkTransport::Udp | TrunkTransport::Tcp => 5060,
            TrunkTransport::Tls => 5061,
        }
    }
}

/// How many calls a trunk may have. Without a number there is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrunkLimits {
    /// At a time, both ways together.
    pub calls: Option<usize>,
    /// At a time, from the carrier.
    pub calls_in: Option<usize>,
    /// At a time, to the carrier.
    pub calls_out: Option<usize>,
    /// New calls per second from the carrier.
    pub per_second_in: Option<u32>,
    /// New calls per second to the carrier.
    pub per_second_out: Option<u32>,
}

/// What a trunk's challenges are answered with.
#[derive(Clone, PartialEq)]
pub struct TrunkAccount {
    /// The authentication user.
    pub user: Arc<str>,
    /// The password.
    pub password: Arc<str>,
    /// The only realm that is answered.
    pub realm: Arc<str>,
}

// A password never reaches a log.
impl std::fmt::Debug for TrunkAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrunkAccount")
            .field("user", &self.user)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

/// What a trunk must show when it is asked who it is (digest).
#[derive(Clone, PartialEq)]
pub struct TrunkChallenge {
    /// The user.
    pub user: Arc<str>,
    /// The password.
    pub password: Arc<str>,
}

// A password never reaches a log.
impl std::fmt::Debug for TrunkChallenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrunkChallenge").field("user", &self.user).finish_non_exhaustive()
    }
}

/// How we register with a trunk.
#[derive(Clone, Debug, PartialEq)]
pub struct TrunkRegister {
    /// The domain in the Request-URI of REGISTER: `ims.bj.chinamobile.com`.
    pub registrar: Arc<str>,
    /// The user of our address of record, in From and To.
    pub user: Arc<str>,
    /// The domain of our address of record.
    pub domain: Arc<str>,
    /// The user of our Contact; None: one that nobody can guess.
    pub contact_user: Option<Arc<str>>,
    /// The line: a word in our Contact by which calls of this trunk are known, wherever they come from.
    pub line: Arc<str>,
    /// How long we ask for.
    pub expires: Duration,
    /// The wait after the first failure, doubled for each further one.
    pub retry: Duration,
    /// The longest wait.
    pub retry_max: Duration,
}

impl TrunkRegister {
    /// The line of trunk `name`, from the user and password of its account: 80 bits that nobody can guess who does not
    /// know the password, the same after every restart, so that the carrier keeps one binding of ours.
    pub fn line_of(name: &str, (user, password): (&str, &str)) -> String {
        let mut hash = Sha256::new();
        for part in ["hotline line", name, user, password] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().iter().take(10).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// How a trunk is asked whether it lives: by OPTIONS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// How often.
    pub every: Duration,
    /// How many in a row stay without an answer before it counts as down.
    pub misses: u32,
}

/// How callers are written to a trunk and read from it.
#[derive(Clone, Debug, PartialEq)]
pub struct TrunkIdentity {
    /// The trunk's own number, which calls out show unless they may show the customer's.
    pub caller: Option<Arc<str>>,
    /// Other numbers of ours at this trunk, which calls out of our phones may show.
    pub callers: Vec<Arc<str>>,
    /// The customer's number may be shown on calls out (主叫号码显示).
    pub show_caller: bool,
    /// Calls out ask that the number be not shown (RFC 3323 `Privacy: id`).
    pub withhold: bool,
    /// From's user where the caller's number is written elsewhere, and that of REGISTER.
    pub from_user: Option<Arc<str>>,
    /// From's domain, and that of asserted identities; ours unless set.
    pub from_domain: Option<Arc<str>>,
    /// Where the caller's number is written.
    pub headers: Vec<CallerHeader>,
    /// The scheme of identities and of the called number.
    pub uri: NumberUri,
    /// `;user=phone` in `sip:` URIs that hold a number (RFC 3261 §19.1.1).
    pub user_phone: bool,
    /// How a forwarded call says what it was forwarded from.
    pub diversion: Diversion,
    /// Numbers that callers withhold (RFC 3323, RFC 3325) are neither shown nor recorded.
    pub honour_privacy: bool,
    /// Where the number that was dialled is looked for, in this order.
    pub called_from: Vec<CalledHeader>,
}

impl Default for TrunkIdentity {
    fn default() -> TrunkIdentity {
        TrunkIdentity {
            caller: None,
            callers: Vec::new(),
            show_caller: false,
            withhold: false,
            from_user: None,
            from_domain: None,
            headers: vec![CallerHeader::From],
            uri: NumberUri::Sip,
            user_phone: false,
            diversion: Diversion::None,
            honour_privacy: true,
            called_from: CalledHeader::ALL.to_vec(),
        }
    }
}

/// A header that the caller's number is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallerHeader {
    /// From.
    From,
    /// P-Asserted-Identity (RFC 3325).
    Asserted,
    /// P-Preferred-Identity (RFC 3325).
    Preferred,
    /// Remote-Party-ID.
    RemoteParty,
}

/// A place where the dialled number may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CalledHeader {
    /// The Request-URI.
    RequestUri,
    /// P-Called-Party-ID (RFC 7315 §4.2).
    CalledParty,
    /// To.
    To,
    /// Diversion (RFC 5806).
    Diversion,
    /// History-Info (RFC 7044).
    HistoryInfo,
}

impl CalledHeader {
    /// All, in the order of trust.
    pub const ALL: [CalledHeader; 5] = [
        CalledHeader::RequestUri,
        CalledHeader::CalledParty,
        CalledHeader::To,
        CalledHeader::Diversion,
        CalledHeader::HistoryInfo,
    ];
}

/// The scheme of a number's URI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NumberUri {
    /// `sip:number@domain`.
    #[default]
    Sip,
    /// `tel:number` (RFC 3966).
    Tel,
}

/// How a forwarded call says what it was forwarded from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Diversion {
    /// It does not.
    #[default]
    None,
    /// Diversion (RFC 5806).
    Diversion,
    /// History-Info (RFC 7044).
    HistoryInfo,
}

/// How numbers are written to a trunk and read from it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrunkNumbers {
    /// Area code of numbers without one, e.g. `010`.
    pub home_area: Option<Arc<str>>,
    /// Numbers of the home area are dialled without their area code.
    pub drop_home_area: bool,
    /// A 0 before mobile numbers (外地手机加0).
    pub zero_before_mobile: ZeroBeforeMobile,
    /// Beginnings of the mobile numbers of the home area (本地号段).
    pub local_mobiles: Vec<Arc<str>>,
    /// How callers' numbers are written.
    pub caller_form: NumberForm,
    /// How called numbers are written.
    pub called_form: NumberForm,
    /// Rules for callers' numbers as they come.
    pub caller_in: Vec<Rewrite>,
    /// Rules for dialled numbers as they come.
    pub called_in: Vec<Rewrite>,
    /// Rules for callers' numbers as they would be sent.
    pub caller_out: Vec<Rewrite>,
    /// Rules for called numbers as they would be sent.
    pub called_out: Vec<Rewrite>,
}

/// How a number of mainland China is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NumberForm {
    /// `+8613800138000`, `+861065551234`.
    Plus86,
    /// `8613800138000`, `861065551234`.
    Bare86,
    /// `13800138000`, `01065551234`: as it is dialled within the country.
    #[default]
    Zero,
    /// `13800138000`, `1065551234`: without country code and without 0.
    Bare,
}

/// When a 0 is put before a mobile number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ZeroBeforeMobile {
    /// Never.
    #[default]
    Never,
    /// Unless it begins like one of the home area.
    Outside,
    /// Always.
    Always,
}

/// A rule that changes a number; of several the first that fits is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// What the whole number must look like: `X` any digit, `Z` 1–9, `N` 2–9, a final `.` anything or nothing more,
    /// all else itself.
    pub pattern: Arc<str>,
    /// How many characters are taken from its beginning.
    pub strip: usize,
    /// What is put before it then.
    pub prepend: Arc<str>,
}

/// Trunks that calls go out by together, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct TrunkGroup {
    /// Its name; no trunk has it.
    pub name: TrunkName,
    /// Its trunks.
    pub members: Vec<GroupMember>,
}

/// A trunk of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// Which.
    pub trunk: TrunkName,
    /// Lower ones are tried first.
    pub order: u16,
    /// Its share of the calls among those of the same order; with 0 it is tried after the others.
    pub weight: u16,
}

impl Trunk {
    /// A trunk with nothing set but its name: nobody is known by it and nothing can be sent to it.
    pub fn named(name: &str) -> Trunk {
        Trunk {
            name: TrunkName::new(name),
            interface: 0,
            access: Access::default(),
            media_from: Vec::new(),
            way: TrunkWay::default(),
            media: MediaChoice::default(),
            limits: TrunkLimits::default(),
            account: None,
            register: None,
            heartbeat: None,
            identity: TrunkIdentity::default(),
            numbers: TrunkNumbers::default(),
            reliable: Reliable::default(),
            forward_class: None,
        }
    }

    /// The number a call out by this trunk shows: the customer's where it may be shown and is known, else the
    /// trunk's own; None: withheld.
    pub fn shown_caller<'a>(&'a self, customer: &'a str) -> Option<&'a str> {
        let known = !customer.is_empty() && customer != "anonymous";
        if self.identity.show_caller && known { Some(customer) } else { self.identity.caller.as_deref() }
    }
}

impl TrunkIdentity {
    /// Whether calls of our own phones may show `number`: one of our numbers at this trunk, or any where callers' numbers
    /// may be shown.
    pub fn lets_show(&self, number: &str) -> bool {
        let bare = |number: &str| model::numbers::national(number).trim_start_matches('0').to_owned();
        let is_ours = |ours: &Arc<str>| bare(ours) == bare(number);
        self.show_caller || self.caller.iter().chain(&self.callers).any(is_ours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_address_or_a_name_with_or_without_a_port() {
        for (text, address) in [
            ("198.51.100.1:5062", Some("198.51.100.1:5062")),
            ("198.51.100.1", Some("198.51.100.1:5060")),
            ("[2001:db8::1]:5070", Some("[2001:db8::1]:5070")),
            ("2001:db8::1", Some("[2001:db8::1]:5060")),
            ("sbc.example.cn", None),
            ("SBC.example.cn:5080", None),
        ] {
            let target = Target::parse(text).unwrap_or_else(|| panic!("{text}"));
            let found = target.address(TrunkTransport::Udp);
            assert_eq!(found, address.map(|address| address.parse().unwrap()), "{text}");
        }
        assert_eq!(Target::parse("SBC.example.cn:5080").unwrap().to_string(), "sbc.example.cn:5080");
        assert_eq!(Target::parse("2001:db8::1").unwrap().to_string(), "[2001:db8::1]");
        for text in ["", ":5060", "a b", "1.2.3", "1.2.3.4:0", "1.2.3.4:99999", "a..b", "sip:x", "[::1"] {
            assert_eq!(Target::parse(text), None, "{text}");
        }
    }
}
