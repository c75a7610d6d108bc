//! Owns what the shard is told of a folder. Does not own its decoding (see `config`).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use config::Loaded;
use media::command::Language;
use sip::endpoint::Advertised;

/// What the shard is told.
pub(crate) fn shard(loaded: &Loaded) -> Arc<call::Settings> {
    let agents = loaded.acd.iter().flat_map(|tenant| &tenant.agents);
    let advertised = addresses(loaded)
        .into_iter()
        .map(|address| Advertised::new(address.ip().to_string(), address.port()));
    Arc::new(call::Settings {
        plan: Arc::new(loaded.plan.clone()),
        flows: loaded.flows.clone(),
        agents: agents.map(|agent| (agent.id.clone(), agent.target.clone())).collect::<HashMap<_, _>>(),
        advertised: advertised.collect(),
        product: Arc::clone(&loaded.node.product),
        language: Language::Zh,
    })
}

/// The signalling addresses of the listeners, as peers see them.
pub(crate) fn addresses(loaded: &Loaded) -> Vec<SocketAddr> {
    let of = |interface: &routing::Interface| SocketAddr::new(interface.advertise, interface.bind.port());
    loaded.plan.interfaces.iter().map(of).collect()
}
