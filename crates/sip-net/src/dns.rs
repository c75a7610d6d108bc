//! Owns asking name servers and keeping what they said, for the walk of `sip::resolve`. Does not own the walk.
//!
//! An answer is kept for its records' time to live. When no server answers, what was known is used for a while longer
//! (RFC 8767): a carrier must not be lost with its name server.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use sip::endpoint::Transport;
use sip::resolve::{Answer, Ask, Lookup, Naptr, Srv, Target, Wanted};
use tokio::runtime::Handle;
use tokio::time::Instant;

/// Whom to ask, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsConfig {
    /// Name servers; empty: the system's.
    pub servers: Vec<SocketAddr>,
    /// How long one question may take.
    pub timeout: Duration,
    /// For how long past its time an answer is used when no server answers.
    pub stale: Duration,
    /// The transports that we can send by, in our order of preference.
    pub serves: Vec<Transport>,
}

/// Name servers that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("域名服务器无法使用 / cannot use the name servers: {0}")]
pub struct NoNameServer(String);

/// What happened to questions. Each ascends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DnsCounts {
    /// Questions sent.
    pub asked: u64,
    /// Questions that no server answered.
    pub failed: u64,
    /// Answers used past their time because no server answered.
    pub stale: u64,
}

/// Finds where names lead. Clones share what is known.
#[derive(Clone)]
pub struct Resolver {
    shared: Arc<Shared>,
}

struct Shared {
    runtime: Handle,
    servers: ArcSwap<Servers>,
    known: Mutex<HashMap<Ask, Known>>,
    /// Questions under way; who asks the same waits for its answer.
    under_way: Mutex<HashMap<Ask, Arc<tokio::sync::Mutex<()>>>>,
    /// The number for the next draw among SRV records.
    draw: AtomicU64,
    asked: AtomicU64,
    failed: AtomicU64,
    stale: AtomicU64,
}

struct Servers {
    config: DnsConfig,
    resolver: TokioResolver,
}

#[derive(Clone, Debug)]
struct Known {
    answer: Answer,
    until: Instant,
    stale_until: Instant,
}

impl Resolver {
    /// Asks the servers of `config` from tasks of `runtime`. `seed` begins the draws among SRV records of equal priority.
    ///
    /// # Errors
    /// When the servers cannot be used at all.
    pub fn new(config: DnsConfig, seed: u64, runtime: Handle) -> Result<Resolver, NoNameServer> {
        let servers = ArcSwap::from_pointee(Servers::new(config)?);
        Ok(Resolver {
            shared: Arc::new(Shared {
                runtime,
                servers,
                known: Mutex::default(),
                under_way: Mutex::default(),
                draw: AtomicU64::new(seed),
                asked: AtomicU64::new(0),
                failed: AtomicU64::new(0),
                stale: AtomicU64::new(0),
            }),
        })
    }

    /// Other servers or lengths of time from now on. With other servers, everything known is forgotten.
    ///
    /// # Errors
    /// When the servers cannot be used at all; the ones before stay.
    pub fn configure(&self, config: DnsConfig) -> Result<(), NoNameServer> {
        let same = self.shared.servers.load().config == config;
        if !same {
            self.shared.servers.store(Arc::new(Servers::new(config)?));
            self.shared.known().clear();
        }
        Ok(())
    }

    /// Where `wanted` leads, when all of it is known. Never waits. Each call draws anew among SRV records of equal
    /// priority.
    pub fn known(&self, wanted: &Wanted) -> Option<Vec<Target>> {
        let mut lookup = self.shared.begin(wanted.clone());
        let known = self.shared.known();
        let now = Instant::now();
        while let Some(ask) = lookup.ask() {
            let entry = known.get(&ask).filter(|entry| entry.until > now)?;
            lookup.answer(entry.answer.clone());
        }
        Some(lookup.targets())
    }

    /// Tells `then` where `wanted` leads, from a task: nothing when it leads nowhere.
    pub fn find(&self, wanted: Wanted, then: impl FnOnce(Vec<Target>) + Send + 'static) {
        let resolver = self.clone();
        self.shared.runtime.spawn(async move { then(resolver.targets(wanted).await) });
    }

    /// Where `wanted` leads; empty when it leads nowhere.
    pub async fn targets(&self, wanted: Wanted) -> Vec<Target> {
        let mut lookup = self.shared.begin(wanted);
        while let Some(ask) = lookup.ask() {
            lookup.answer(self.shared.answer(ask).await);
        }
        lookup.targets()
    }

    /// What happened so far.
    pub fn counts(&self) -> DnsCounts {
        DnsCounts {
            asked: self.shared.asked.load(Ordering::Relaxed),
            failed: self.shared.failed.load(Ordering::Relaxed),
            stale: self.shared.stale.load(Ordering::Relaxed),
        }
    }
}

impl Shared {
    fn begin(&self, wanted: Wanted) -> Lookup {
        let draw = self.draw.fetch_add(1, Ordering::Relaxed);
        Lookup::new(wanted, &self.servers.load().config.serves, draw)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Ask, Known>> {
        // An insertion cannot leave the map half written, so a poisoned lock still guards a good one.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh(&self, ask: &Ask) -> Option<Answer> {
        let now = Instant::now();
        self.known().get(ask).filter(|entry| entry.until > now).map(|entry| entry.answer.clone())
    }

    /// What is known, or what a server says now. A storm of calls to one name asks once.
    async fn answer(&self, ask: Ask) -> Answer {
        if let Some(answer) = self.fresh(&ask) {
            return answer;
        }
        let turn = self.turns().entry(ask.clone()).or_default().clone();
        let mine = turn.lock().await;
        let answer = match self.fresh(&ask) {
            Some(answer) => answer,
            None => self.ask_servers(&ask).await,
        };
        drop(mine);
        self.turns().remove(&ask);
        answer
    }

    fn turns(&self) -> MutexGuard<'_, HashMap<Ask, Arc<tokio::sync::Mutex<()>>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask_servers(&self, ask: &Ask) -> Answer {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let servers = self.servers.load_full();
        let now = Instant::now();
        match servers.ask(ask).await {
            Ok((answer, lives)) => {
                self.keep(
                    ask,
                    Known {
                        answer: answer.clone(),
                        until: now + lives,
                        stale_until: now + lives + servers.config.stale,
                    },
                );
                answer
            }
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(?ask, %error, "域名查询失败 / no name server answers");
                let before = self.known().get(ask).filter(|entry| entry.stale_until > now).cloned();
                let (answer, stale_until) = match before {
                    Some(entry) => {
                        self.stale.fetch_add(1, Ordering::Relaxed);
                        (entry.answer, entry.stale_until)
                    }
                    None => (Answer::Nothing, now + FAILED),
                };
                // Calls of the next seconds do not each wait for the same silence.
                self.keep(ask, Known { answer: answer.clone(), until: now + FAILED, stale_until });
                answer
            }
        }
    }

    fn keep(&self, ask: &Ask, entry: Known) {
        let mut known = self.known();
        if known.len() >= MOST_KNOWN && !known.contains_key(ask) {
            let now = Instant::now();
            known.retain(|_, entry| entry.until > now);
            if known.len() >= MOST_KNOWN {
                known.clear();
            }
        }
        known.insert(ask.clone(), entry);
    }
}

impl Servers {
    fn new(config: DnsConfig) -> Result<Servers, NoNameServer> {
        let named = |address: &SocketAddr| {
            let mut server = NameServerConfig::udp_and_tcp(address.ip());
            server.connections.iter_mut().for_each(|connection| connection.port = address.port());
            server
        };
        let of = |servers: Vec<NameServerConfig>| {
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let mut builder = if config.servers.is_empty() {
            // resolv.conf(5): without the file, the server on this machine.
            TokioResolver::builder_tokio()
                .unwrap_or_else(|_| of(vec![NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into())]))
        } else {
            of(config.servers.iter().map(named).collect())
        };
        let options = builder.options_mut();
        options.timeout = config.timeout;
        options.attempts = 1;
        // Answers are kept here, where they can be looked up without waiting.
        options.cache_size = 0;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        let resolver = builder.build().map_err(|error| NoNameServer(error.to_string()))?;
        Ok(Servers { config, resolver })
    }

    /// The answer, and how long it lives.
    async fn ask(&self, ask: &Ask) -> Result<(Answer, Duration), NetError> {
        let asked = match ask {
            Ask::Naptr(name) => self.records(name, RecordType::NAPTR).await,
            Ask::Srv(name) => self.records(name, RecordType::SRV).await,
            Ask::Addresses(name) => self.addresses(name).await,
        };
        let records = match asked {
            Ok(records) => records,
            // RFC 2308 §5: that there is nothing is known for a time too.
            Err(NetError::Dns(DnsError::NoRecordsFound(nothing))) => {
                let seconds = nothing.negative_ttl.map_or(NOTHING, |ttl| ttl.min(MOST_NOTHING));
                return Ok((Answer::Nothing, Duration::from_secs(seconds.into())));
            }
            Err(error) => return Err(error),
        };
        let lives = records.iter().map(|record| record.ttl).min().unwrap_or(NOTHING);
        Ok((answer_of(ask, &records), Duration::from_secs(lives.into())))
    }

    async fn records(&self, name: &str, kind: RecordType) -> Result<Vec<Record>, NetError> {
        Ok(self.resolver.lookup(absolute(name)?, kind).await?.answers().to_vec())
    }

    async fn addresses(&self, name: &str) -> Result<Vec<Record>, NetError> {
        Ok(self.resolver.lookup_ip(absolute(name)?).await?.as_lookup().answers().to_vec())
    }
}

/// A name that no search domain is added to.
fn absolute(name: &str) -> Result<Name, NetError> {
    let mut name = Name::from_utf8(name)?;
    name.set_fqdn(true);
    Ok(name)
}

fn answer_of(ask: &Ask, records: &[Record]) -> Answer {
    let bytes = |bytes: &[u8]| String::from_utf8_lossy(bytes).into();
    match ask {
        Ask::Naptr(_) => Answer::Naptr(
            records
                .iter()
                .filter_map(|record| match &record.data {
                    RData::NAPTR(naptr) => Some(Naptr {
                        order: naptr.order,
                        preference: naptr.preference,
                        flags: bytes(&naptr.flags),
                        service: bytes(&naptr.services),
                        replacement: text_of(&naptr.replacement),
                    }),
                    _ => None,
                })
                .collect(),
        ),
        Ask::Srv(_) => Answer::Srv(
            records
                .iter()
                .filter_map(|record| match &record.data {
                    RData::SRV(srv) => Some(Srv {
                        priority: srv.priority,
                        weight: srv.weight,
                        port: srv.port,
                        target: text_of(&srv.target),
                    }),
                    _ => None,
                })
                .collect(),
        ),
        Ask::Addresses(_) => {
            let mut addresses: Vec<IpAddr> = records
                .iter()
                .filter_map(|record| match &record.data {
                    RData::A(address) => Some(IpAddr::V4(address.0)),
                    RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                    _ => None,
                })
                .collect();
            // IPv4 first: what carriers' border controllers speak everywhere. The server's order stays within.
            addresses.sort_by_key(IpAddr::is_ipv6);
            Answer::Addresses(addresses)
        }
    }
}

/// A name without its last dot; the root is ".".
fn text_of(name: &Name) -> Box<str> {
    let text = name.to_utf8();
    match text.strip_suffix('.') {
        Some("") | None => text.into(),
        Some(short) => short.into(),
    }
}

/// How long it is believed that no server answers.
const FAILED: Duration = Duration::from_secs(5);
/// How long, in seconds, there is nothing at a name whose zone does not say for how long.
const NOTHING: u32 = 60;
/// The longest, in seconds, that there is nothing at a name: a carrier's new record is seen after it.
const MOST_NOTHING: u32 = 300;
/// How many answers are kept.
const MOST_KNOWN: usize = 4_096;

#[cfg(test)]
mod tests;
