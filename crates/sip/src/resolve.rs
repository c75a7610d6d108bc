//! Owns where a SIP URI's requests go by the domain name system: RFC 3263 §4, with the order of RFC 2782.
//! Does not own asking name servers or keeping what they said (see `sip-net`).
//!
//! ```text
//! Lookup::new ─▶ ask() ─▶ the shell asks a name server ─▶ answer() ─▶ ask() … None ─▶ targets(): try them in order
//!
//!   a number ───────────────────────────────────────────────────────▶ one target
//!   a port is written ────────────────────────▶ A and AAAA ─────────▶ targets
//!   a transport is written ───────▶ SRV ──────▶ A and AAAA of each ─▶ targets, without SRV those of the name itself
//!   neither ─▶ NAPTR, else every ─▶ SRV
//! ```

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use crate::endpoint::Transport;
use crate::uri::{self, Scheme, Uri};

mod order;

/// What is to be reached: a URI's host with what the URI says of the way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// A domain name, or an address in its text form (IPv6 with or without brackets).
    pub host: Box<str>,
    /// The port, when one is written.
    pub port: Option<u16>,
    /// The transport, when one is written.
    pub transport: Option<Transport>,
    /// Only transports over TLS will do (`sips:`).
    pub secure: Security,
}

/// Whether a way in the clear will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Security {
    /// Any way.
    #[default]
    Any,
    /// TLS alone (`sips:`).
    Tls,
}

/// One place to send a request to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// How.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
    /// The name that was asked for: over TLS the peer's certificate must show it (RFC 5922 §7.3), whatever the records
    /// in between said.
    pub name: Box<str>,
}

/// A question for a name server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// The NAPTR records of a name.
    Naptr(Box<str>),
    /// The SRV records of a name.
    Srv(Box<str>),
    /// The A and AAAA records of a name.
    Addresses(Box<str>),
}

/// What a name server said to the last [`Ask`]; records of another kind count as none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// NAPTR records in any order.
    Naptr(Vec<Naptr>),
    /// SRV records in any order.
    Srv(Vec<Srv>),
    /// Addresses, in the order in which they are to be tried.
    Addresses(Vec<IpAddr>),
    /// No such records, or no answer.
    Nothing,
}

/// A NAPTR record (RFC 3403 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Lower goes first, and rules out the higher.
    pub order: u16,
    /// Lower goes first among equal orders.
    pub preference: u16,
    /// `s`: the replacement has SRV records.
    pub flags: Box<str>,
    /// `SIP+D2U` and its like (RFC 3263 §4.1, RFC 7118 §9).
    pub service: Box<str>,
    /// The next name to ask for.
    pub replacement: Box<str>,
}

/// A SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Lower goes first.
    pub priority: u16,
    /// The share among equal priorities.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host.
    pub target: Box<str>,
}

/// One walk from a URI to its targets.
#[derive(Clone, Debug)]
pub struct Lookup {
    wanted: Wanted,
    serves: Vec<Transport>,
    random: u64,
    step: Step,
    targets: Vec<Target>,
}

#[derive(Clone, Debug)]
enum Step {
    Naptr,
    /// SRV names still to ask for, and what the others had.
    Srv {
        ask: VecDeque<(Transport, Box<str>)>,
        found: Vec<Place>,
        /// How many records there were, those that deny the service too.
        records: usize,
    },
    Addresses(VecDeque<Place>),
    Done,
}

/// A host whose addresses are wanted.
#[derive(Clone, Debug)]
struct Place {
    transport: Transport,
    host: Box<str>,
    port: u16,
}

impl Wanted {
    /// What `uri` asks for; `None` when it has no host. RFC 3263 §4: `maddr` goes before the host.
    pub fn of(uri: &Uri) -> Option<Wanted> {
        let secure = if uri.scheme() == Scheme::Sips { Security::Tls } else { Security::Any };
        let host = uri.param("maddr").filter(|maddr| !maddr.is_empty()).unwrap_or_else(|| uri.host());
        if host.is_empty() {
            return None;
        }
        let transport = uri.transport().and_then(Transport::of_uri_param);
        Some(Wanted { host: host.into(), port: uri.port(), transport, secure }.made_secure())
    }

    /// A name alone, by `transport` where one is given.
    pub fn host(host: &str, port: Option<u16>, transport: Option<Transport>) -> Wanted {
        Wanted { host: host.into(), port, transport, secure: Security::Any }
    }

    /// RFC 3261 §26.2.2: with `sips`, `transport=tcp` is TLS over it.
    fn made_secure(mut self) -> Wanted {
        if self.secure == Security::Tls {
            self.transport = match self.transport {
                Some(Transport::Tcp | Transport::Tls) => Some(Transport::Tls),
                Some(Transport::Ws | Transport::Wss) => Some(Transport::Wss),
                Some(Transport::Udp) | None => None,
            };
        }
        self
    }

    /// The transport when nothing says another (RFC 3263 §4.1).
    fn usual_transport(&self) -> Transport {
        self.transport.unwrap_or(match self.secure {
            Security::Any => Transport::Udp,
            Security::Tls => Transport::Tls,
        })
    }

    fn allows(&self, transport: Transport) -> bool {
        self.secure == Security::Any || transport.is_secure()
    }
}

impl Lookup {
    /// Begins. `serves` are the transports that we can send by, in our order of preference; `random` decides among SRV
    /// records of equal priority, each number once.
    pub fn new(wanted: Wanted, serves: &[Transport], random: u64) -> Lookup {
        let serves: Vec<Transport> = serves.iter().copied().filter(|one| wanted.allows(*one)).collect();
        let usual = wanted.usual_transport();
        let port = wanted.port.unwrap_or(usual.default_port());
        let host = &wanted.host;
        let mut targets = Vec::new();
        let step = if let Some(address) = uri::host_ip(host) {
            targets.push(Target { transport: usual, address: (address, port).into(), name: host.clone() });
            Step::Done
        } else if wanted.port.is_some() {
            Step::Addresses([Place { transport: usual, host: host.clone(), port }].into())
        } else if let Some(transport) = wanted.transport {
            srv_step(host, &[transport])
        } else {
            Step::Naptr
        };
        targets.retain(|target| serves.contains(&target.transport));
        let mut lookup = Lookup { wanted, serves, random, step, targets };
        lookup.skip_what_needs_no_answer();
        lookup
    }

    /// What to ask next; `None`: the targets are known.
    pub fn ask(&self) -> Option<Ask> {
        match &self.step {
            Step::Naptr => Some(Ask::Naptr(self.wanted.host.clone())),
            Step::Srv { ask, .. } => ask.front().map(|(_, name)| Ask::Srv(name.clone())),
            Step::Addresses(places) => places.front().map(|place| Ask::Addresses(place.host.clone())),
            Step::Done => None,
        }
    }

    /// The answer to what [`ask`](Lookup::ask) says.
    pub fn answer(&mut self, answer: Answer) {
        match (&mut self.step, answer) {
            (Step::Naptr, answer) => self.step = self.after_naptr(answer),
            (Step::Srv { ask, found, records }, answer) => {
                if let (Some((transport, _)), Answer::Srv(said)) = (ask.pop_front(), answer) {
                    *records += said.len();
                    found.extend(order::places(said, transport, &mut self.random));
                }
            }
            (Step::Addresses(places), answer) => {
                if let (Some(place), Answer::Addresses(addresses)) = (places.pop_front(), answer) {
                    let name = &self.wanted.host;
                    self.targets.extend(addresses.into_iter().map(|address| Target {
                        transport: place.transport,
                        address: (address, place.port).into(),
                        name: name.clone(),
                    }));
                }
            }
            (Step::Done, _) => {}
        }
        self.skip_what_needs_no_answer();
    }

    /// Where to send, best first; empty when the name leads nowhere.
    pub fn targets(self) -> Vec<Target> {
        self.targets
    }

    /// RFC 3263 §4.1: the records of services we have, of the lowest order that has one, by preference.
    fn after_naptr(&self, answer: Answer) -> Step {
        let Answer::Naptr(mut records) = answer else { return srv_step(&self.wanted.host, &self.serves) };
        records.sort_by_key(|record| (record.order, record.preference));
        let usable = records.iter().filter_map(|record| {
            let transport = transport_of(&record.service)?;
            let fits = record.flags.eq_ignore_ascii_case("s") && self.serves.contains(&transport);
            fits.then(|| (record.order, transport, record.replacement.clone()))
        });
        let usable: Vec<_> = usable.collect();
        let Some(first) = usable.first().map(|(order, ..)| *order) else {
            return srv_step(&self.wanted.host, &self.serves);
        };
        let ask = usable.into_iter().filter(|(order, ..)| *order == first);
        let ask = ask.map(|(_, transport, name)| (transport, name)).collect();
        Step::Srv { ask, found: Vec::new(), records: 0 }
    }

    fn skip_what_needs_no_answer(&mut self) {
        loop {
            match &mut self.step {
                Step::Srv { ask, found, records } if ask.is_empty() => {
                    let mut places = VecDeque::from(std::mem::take(found));
                    if places.is_empty() && *records == 0 {
                        // RFC 3263 §4.2: without SRV records, the name's own addresses at the transport's port.
                        let transport = self.wanted.usual_transport();
                        let (host, port) = (self.wanted.host.clone(), transport.default_port());
                        places.push_back(Place { transport, host, port });
                    }
                    self.step = Step::Addresses(places);
                }
                Step::Addresses(places) => match places.front() {
                    None => self.step = Step::Done,
                    Some(place) if !self.serves.contains(&place.transport) => drop(places.pop_front()),
                    Some(_) => return,
                },
                Step::Naptr | Step::Srv { .. } | Step::Done => return,
            }
        }
    }
}

/// The SRV names of `host` for these transports (RFC 3263 §4.1); a WebSocket has none.
fn srv_step(host: &str, transports: &[Transport]) -> Step {
    let name = |transport: &Transport| {
        let prefix = match transport {
            Transport::Udp => "_sip._udp",
            Transport::Tcp => "_sip._tcp",
            Transport::Tls => "_sips._tcp",
            Transport::Ws | Transport::Wss => return None,
        };
        Some((*transport, format!("{prefix}.{host}").into()))
    };
    Step::Srv { ask: transports.iter().filter_map(name).collect(), found: Vec::new(), records: 0 }
}

fn transport_of(service: &str) -> Option<Transport> {
    let services = [
        ("SIP+D2U", Transport::Udp),
        ("SIP+D2T", Transport::Tcp),
        ("SIPS+D2T", Transport::Tls),
        ("SIP+D2W", Transport::Ws),
        ("SIPS+D2W", Transport::Wss),
    ];
    services.into_iter().find(|(word, _)| word.eq_ignore_ascii_case(service)).map(|(_, transport)| transport)
}

#[cfg(test)]
mod tests;
