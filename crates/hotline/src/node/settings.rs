//! Owns what each part of the node is told, made from a configuration folder. Does not own the folder's decoding (see
//! `config`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::{Loaded, OldestTls, Sources};
use ledger::{Exporter, UtcOffset};
use media::command::Language;
use media::import::{Limits, Loudness};
use media::speech::DigitOne;
use media_net::{MediaInterface, PromptCache, PromptError, PromptRules, RecordingLimits, SecondPlace};
use model::TenantId;
use routing::{ClientCertificate, Region, TargetHost, TrunkTransport};
use sip::endpoint::{Advertised, OtherPorts, Transport};
use sip_net::{Clients, DnsConfig, Listen, ListenerFiles, OldestVersion, PeerRule, StreamLimits, TlsConfig};

/// Where a configuration came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A folder of TOML files, read again when they change.
    Folder(PathBuf),
    /// The sample within the program.
    Embedded,
}

/// How records are shown, with the regions of callers.
pub(crate) fn exporter(offset: UtcOffset, data_dir: PathBuf) -> Exporter {
    Exporter { offset, data_dir, region_of: Some(Region::in_words) }
}

/// The text of the folder, with the names of the built-in prompts known.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn sources(folder: &Path) -> Result<Sources, config::ReadError> {
    Ok(with_prompts(Sources::read_dir(folder)?))
}

/// `sources`, so that names of prompts are checked.
pub(crate) fn with_prompts(sources: Sources) -> Sources {
    let names = [Language::Zh, Language::En].into_iter().flat_map(PromptCache::built_in_names);
    sources.with_prompts(names.chain(PromptCache::built_in_music()))
}

/// The listeners to bind.
pub(crate) fn listeners(loaded: &Loaded) -> Vec<Listen> {
    let listen = |interface: &routing::Interface| Listen {
        name: interface.name.to_string(),
        bind: interface.bind,
        udp: interface.udp,
        tcp: interface.tcp,
        others: OtherPorts { tls: interface.tls, ws: interface.ws, wss: interface.wss },
        advertise: match &interface.host {
            Some(host) => host.to_string(),
            None => interface.advertise.to_string(),
        },
    };
    loaded.plan.interfaces.iter().map(listen).collect()
}

/// Limits of connections.
pub(crate) fn stream_limits(loaded: &Loaded) -> StreamLimits {
    let streams = &loaded.transports.streams;
    StreamLimits {
        open: streams.max_connections,
        open_per_source: streams.max_connections_per_address,
        handshake: streams.handshake,
        first_message: streams.first_message,
        refused: streams.refused,
        message: streams.message,
        idle: streams.idle,
        connect: streams.connect,
        write: streams.write,
        queued: streams.queued,
        ping: streams.ping,
    }
}

/// What TLS shows, asks for and trusts, files below the folder.
pub(crate) fn tls(origin: &Origin, loaded: &Loaded) -> TlsConfig {
    let file = |path: &Arc<str>| match origin {
        Origin::Folder(folder) => folder.join(&**path),
        Origin::Embedded => PathBuf::from(&**path),
    };
    let listener = |interface: &routing::Interface| {
        let files = interface.certificate.as_ref()?;
        let clients = match (files.client_certificate, &files.client_ca) {
            (ClientCertificate::Optional, Some(ca)) => Clients::MayShow(file(ca)),
            (ClientCertificate::Required, Some(ca)) => Clients::MustShow(file(ca)),
            (ClientCertificate::Off, _) | (_, None) => Clients::NotAsked,
        };
        Some(ListenerFiles { certificate: file(&files.certificate), key: file(&files.key), clients })
    };
    let over_tls = loaded.plan.trunks.iter().filter(|trunk| trunk.way.transport == TrunkTransport::Tls);
    let rules = over_tls.flat_map(|trunk| {
        let rule = move |target: &routing::Target| PeerRule {
            interface: trunk.interface,
            host: match &target.host {
                TargetHost::Address(address) => address.to_string().into(),
                TargetHost::Name(name) => (**name).into(),
            },
            name: trunk.way.tls_name.as_deref().map(Into::into),
            ca: trunk.way.ca.as_ref().map(file),
        };
        trunk.way.to.iter().chain(&trunk.way.proxies).map(rule)
    });
    TlsConfig {
        listeners: loaded.plan.interfaces.iter().map(listener).collect(),
        peers: rules.collect(),
        oldest: match loaded.transports.tls.oldest {
            OldestTls::V1_2 => OldestVersion::Tls12,
            OldestTls::V1_3 => OldestVersion::Tls13,
        },
    }
}

/// Whom to ask for names.
pub(crate) fn dns(loaded: &Loaded) -> DnsConfig {
    let config = &loaded.transports.dns;
    let interfaces = &loaded.plan.interfaces;
    let serves = [
        (Transport::Udp, interfaces.iter().any(|interface| interface.udp)),
        (Transport::Tcp, interfaces.iter().any(|interface| interface.tcp)),
        (Transport::Tls, interfaces.iter().any(|interface| interface.tls.is_some())),
    ];
    DnsConfig {
        servers: config.servers.clone(),
        timeout: config.timeout,
        stale: config.stale,
        serves: serves.into_iter().filter(|(_, served)| *served).map(|(transport, _)| transport).collect(),
    }
}

/// Where media is sent from and to.
pub(crate) fn media_interfaces(loaded: &Loaded) -> Vec<MediaInterface> {
    let media = |interface: &routing::Interface| MediaInterface {
        bind: interface.bind.ip(),
        advertise: interface.advertise,
        ports: interface.rtp.low..=interface.rtp.high,
    };
    loaded.plan.interfaces.iter().map(media).collect()
}

/// How long recordings are kept, and how much room they leave.
pub(crate) fn recording_limits(loaded: &Loaded) -> RecordingLimits {
    let config::RecordingSettings { keep_days, min_keep_days, warn_free, limit_free, .. } = loaded.recordings;
    RecordingLimits { keep_days, min_keep_days, warn_free, limit_free }
}

/// Where the recordings' journal is copied to, if anywhere.
pub(crate) fn second_place(origin: &Origin, loaded: &Loaded) -> Option<SecondPlace> {
    let folder = loaded.recordings.second.as_deref()?;
    let folder = match origin {
        Origin::Folder(base) => base.join(folder),
        Origin::Embedded => PathBuf::from(folder),
    };
    Some(SecondPlace { folder, keep: loaded.recordings.second_keep })
}

/// What a shard is told.
pub(crate) fn shard(loaded: &Loaded, advertised: Vec<Advertised>) -> Arc<call::Settings> {
    let agents = loaded.acd.iter().flat_map(|tenant| &tenant.agents);
    Arc::new(call::Settings {
        plan: Arc::new(loaded.plan.clone()),
        flows: loaded.flows.clone(),
        agents: agents.map(|agent| (agent.id.clone(), agent.target.clone())).collect::<HashMap<_, _>>(),
        advertised,
        product: Arc::clone(&loaded.node.product),
        language: language(loaded),
    })
}

/// The language of prompts.
pub(crate) fn language(loaded: &Loaded) -> Language {
    if loaded.node.language.starts_with("en") { Language::En } else { Language::Zh }
}

/// Everything that can be said, a folder's own prompts before the built-in ones; what did not change since `before` is
/// not read again. What cannot be used is logged: a damaged file of one tenant keeps nobody else from being served.
pub(crate) fn prompts(origin: &Origin, loaded: &Loaded, before: Option<&PromptCache>) -> PromptCache {
    let (cache, faults) = prompts_and_faults(origin, loaded, before);
    for (tenant, error) in faults {
        tracing::warn!(%tenant, %error, "语音文件无法使用 / a prompt cannot be used");
    }
    cache
}

/// Everything that can be said, and what of each tenant's own cannot.
pub(crate) fn prompts_and_faults(
    origin: &Origin,
    loaded: &Loaded,
    before: Option<&PromptCache>,
) -> (PromptCache, Vec<(TenantId, PromptError)>) {
    PromptCache::load(prompt_rules(loaded), &prompt_folders(origin, loaded), before)
}

/// How prompts are taken and said.
pub(crate) fn prompt_rules(loaded: &Loaded) -> PromptRules {
    let config::PromptSettings { longest, bytes, even_loudness, digit_one } = loaded.prompts;
    PromptRules {
        limits: Limits { bytes, longest },
        loudness: if even_loudness { Loudness::Evened } else { Loudness::Kept },
        one: match digit_one {
            config::DigitOne::Yao => DigitOne::Yao,
            config::DigitOne::Yi => DigitOne::Yi,
        },
    }
}

/// Where each tenant's prompts are.
pub(crate) fn prompt_folders(origin: &Origin, loaded: &Loaded) -> Vec<(TenantId, PathBuf)> {
    let Origin::Folder(folder) = origin else { return Vec::new() };
    let tenants = loaded.acd.iter().map(|tenant| tenant.tenant.clone());
    tenants
        .map(|tenant| {
            let prompts = tenant_folder(folder, &tenant).join("prompts");
            (tenant, prompts)
        })
        .collect()
}

pub(crate) fn tenant_folder(folder: &Path, tenant: &TenantId) -> PathBuf {
    if tenant.as_str() == TenantId::DEFAULT {
        folder.to_owned()
    } else {
        folder.join("tenants").join(tenant.as_str())
    }
}

/// Where the node keeps its data: as configured, below the folder, or `./hotline-data` for the embedded sample.
pub(crate) fn data_folder(origin: &Origin, loaded: &Loaded) -> PathBuf {
    match origin {
        Origin::Folder(folder) => folder.join(&*loaded.node.data),
        Origin::Embedded => PathBuf::from("hotline-data"),
    }
}
