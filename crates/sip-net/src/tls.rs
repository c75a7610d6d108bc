//! Owns what TLS shows, asks for and trusts, made from PEM files. Does not own connections (see `streams`).

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use sip::endpoint::Transport;
use tokio_rustls::{TlsAcceptor, TlsConnector};

mod expiry;
mod file;
mod names;
mod pem;

pub use file::CertificateFile;
pub(crate) use names::names_of;
pub use pem::TlsError;

/// What TLS needs on this node.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TlsConfig {
    /// The files of each listener, by its place; `None` where it has none.
    pub listeners: Vec<Option<ListenerFiles>>,
    /// Peers that we connect to and know more of than their names.
    pub peers: Vec<PeerRule>,
    /// The oldest version that is spoken.
    pub oldest: OldestVersion,
}

/// A listener's certificate, and whose it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerFiles {
    /// PEM: our certificate, then those that vouch for it.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
    /// Whether peers show a certificate.
    pub clients: Clients,
}

/// Whether peers that connect to us show a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clients {
    /// They are not asked.
    NotAsked,
    /// They may show one of these authorities (PEM).
    MayShow(PathBuf),
    /// They must show one of these authorities (PEM).
    MustShow(PathBuf),
}

/// A peer that we connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRule {
    /// The listener from which it is reached.
    pub interface: u16,
    /// The host by which it is known: a name, or an address in its text form.
    pub host: Box<str>,
    /// The name that its certificate must show; `host` unless set.
    pub name: Option<Box<str>>,
    /// PEM: the authorities that vouch for it; the system's unless set.
    pub ca: Option<PathBuf>,
}

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OldestVersion {
    /// RFC 5246, and RFC 8446.
    #[default]
    Tls12,
    /// RFC 8446 alone.
    Tls13,
}

/// The certificates in use. Never changed in place: files that changed make another.
#[derive(Debug)]
pub struct Tls {
    config: TlsConfig,
    listeners: Vec<Option<Listener>>,
    /// By listener and authorities.
    clients: HashMap<(u16, Option<PathBuf>), Arc<ClientConfig>>,
    fingerprint: u64,
}

#[derive(Debug)]
struct Listener {
    sip: Arc<ServerConfig>,
    web: Arc<ServerConfig>,
    not_after: Option<i64>,
}

/// A certificate of ours and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry<'a> {
    /// The listener's place.
    pub interface: usize,
    /// The file.
    pub certificate: &'a Path,
    /// When it runs out, in seconds since 1970.
    pub not_after: i64,
}

/// How to reach a peer over TLS.
pub(crate) struct Way {
    pub connector: TlsConnector,
    /// What its certificate must show.
    pub name: ServerName<'static>,
}

impl Tls {
    /// Reads every file.
    ///
    /// # Errors
    /// The first file that cannot be used, and why.
    pub fn load(config: TlsConfig) -> Result<Tls, TlsError> {
        let fingerprint = fingerprint(&config);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots: HashMap<Option<PathBuf>, Arc<RootCertStore>> = HashMap::new();
        let (mut listeners, mut clients) = (Vec::new(), HashMap::new());
        for (place, files) in config.listeners.iter().enumerate() {
            let Some(files) = files else {
                listeners.push(None);
                continue;
            };
            let interface = u16::try_from(place).unwrap_or(u16::MAX);
            let key = pem::certified_key(&files.certificate, &files.key, &provider)?;
            listeners.push(Some(listener(files, &key, &config, &provider)?));
            let of_peers = config.peers.iter().filter(|rule| rule.interface == interface);
            for ca in of_peers.map(|rule| rule.ca.clone()).chain([None]) {
                if !roots.contains_key(&ca) {
                    let store = match &ca {
                        Some(file) => pem::roots(file)?,
                        None => pem::system_roots(),
                    };
                    roots.insert(ca.clone(), Arc::new(store));
                }
                let client = client(&key, Arc::clone(&roots[&ca]), config.oldest, &provider)?;
                clients.insert((interface, ca), client);
            }
        }
        Ok(Tls { config, listeners, clients, fingerprint })
    }

    /// What it was read for.
    pub fn config(&self) -> &TlsConfig {
        &self.config
    }

    /// Whether the files are still those that were read. Reads them.
    pub fn is_current(&self) -> bool {
        fingerprint(&self.config) == self.fingerprint
    }

    /// Our certificates and when they run out.
    pub fn expiries(&self) -> impl Iterator<Item = Expiry<'_>> {
        self.config.listeners.iter().zip(&self.listeners).enumerate().filter_map(
            |(interface, (files, listener))| {
                let not_after = listener.as_ref()?.not_after?;
                Some(Expiry { interface, certificate: &files.as_ref()?.certificate, not_after })
            },
        )
    }

    /// What greets those who connect to a listener.
    pub(crate) fn acceptor(&self, interface: u16, transport: Transport) -> Option<TlsAcceptor> {
        let listener = self.listeners.get(usize::from(interface))?.as_ref()?;
        match transport {
            Transport::Tls => Some(Arc::clone(&listener.sip).into()),
            Transport::Wss => Some(Arc::clone(&listener.web).into()),
            Transport::Udp | Transport::Tcp | Transport::Ws => None,
        }
    }

    /// How to reach `host` from a listener; `None` where it has no TLS, or `host` can be no certificate's.
    pub(crate) fn way(&self, interface: u16, host: &str) -> Option<Way> {
        let rule = self.rule(interface, host);
        let name = rule.and_then(|rule| rule.name.as_deref()).unwrap_or(host);
        let client = self.clients.get(&(interface, rule.and_then(|rule| rule.ca.clone())))?;
        let name = ServerName::try_from(name.to_owned()).ok()?;
        Some(Way { connector: Arc::clone(client).into(), name })
    }

    /// Whether a certificate for `names` is that of `host`, as [`way`](Tls::way) would ask for it.
    pub(crate) fn is_of(&self, interface: u16, host: &str, names: &[Box<str>]) -> bool {
        let expected = self.rule(interface, host).and_then(|rule| rule.name.as_deref()).unwrap_or(host);
        names.iter().any(|name| name.eq_ignore_ascii_case(expected))
    }

    fn rule(&self, interface: u16, host: &str) -> Option<&PeerRule> {
        let is_for = |rule: &&PeerRule| rule.interface == interface && rule.host.eq_ignore_ascii_case(host);
        self.config.peers.iter().find(is_for)
    }
}

fn listener(
    files: &ListenerFiles,
    key: &Arc<CertifiedKey>,
    config: &TlsConfig,
    provider: &Arc<CryptoProvider>,
) -> Result<Listener, TlsError> {
    let unusable = |source| TlsError::Unusable { path: files.certificate.clone(), source };
    let begin = || {
        ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(config.oldest.versions())
            .map_err(unusable)
    };
    let resolver = || Arc::new(SingleCertAndKey::from(Arc::clone(key)));
    let ask = |authorities: &Path| -> Result<_, TlsError> {
        let roots = Arc::new(pem::roots(authorities)?);
        Ok(WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider)))
    };
    let built = |authorities: &Path, error: rustls::server::VerifierBuilderError| {
        let source = rustls::Error::General(error.to_string());
        TlsError::Unusable { path: authorities.to_owned(), source }
    };
    let sip = match &files.clients {
        Clients::NotAsked => begin()?.with_no_client_auth(),
        Clients::MayShow(ca) => begin()?.with_client_cert_verifier(
            ask(ca)?.allow_unauthenticated().build().map_err(|error| built(ca, error))?,
        ),
        Clients::MustShow(ca) => {
            begin()?.with_client_cert_verifier(ask(ca)?.build().map_err(|error| built(ca, error))?)
        }
    };
    Ok(Listener {
        sip: Arc::new(sip.with_cert_resolver(resolver())),
        // A browser would ask its user for a certificate.
        web: Arc::new(begin()?.with_no_client_auth().with_cert_resolver(resolver())),
        not_after: key.cert.first().and_then(|certificate| expiry::validity(certificate)).map(|(_, end)| end),
    })
}

/// What we are as a client: with our listener's certificate, for peers that ask for one.
fn client(
    key: &Arc<CertifiedKey>,
    roots: Arc<RootCertStore>,
    oldest: OldestVersion,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(oldest.versions())
        .map_err(|source| TlsError::Unusable { path: PathBuf::new(), source })?
        .dangerous()
        // invariant: this verifier checks chain, time and name; it differs from the library's in the name alone.
        .with_custom_certificate_verifier(Arc::new(names::SipServer::new(roots, provider)))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(key))));
    Ok(Arc::new(config))
}

impl OldestVersion {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            OldestVersion::Tls12 => BOTH,
            OldestVersion::Tls13 => NEWEST,
        }
    }
}

static BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
static NEWEST: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// A number that changes with the contents of any file that is named.
fn fingerprint(config: &TlsConfig) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut add = |path: &Path| {
        let contents = std::fs::read(path).ok();
        (path, contents).hash(&mut hasher);
    };
    for files in config.listeners.iter().flatten() {
        add(&files.certificate);
        add(&files.key);
        match &files.clients {
            Clients::NotAsked => {}
            Clients::MayShow(ca) | Clients::MustShow(ca) => add(ca),
        }
    }
    config.peers.iter().filter_map(|rule| rule.ca.as_deref()).for_each(add);
    hasher.finish()
}
