//! Owns where an INVITE of ours goes and what the called phone shows. Does not own when (see `call::originate`).

use std::sync::Arc;

use bytes::Bytes;
use media::command::Peer;
use model::{DialTarget, QueueName};
use routing::{CodecChoice, Trunk, TrunkTransport};
use sdp::Codec;
use sip::endpoint::{Flow, Transport};
use sip::resolve::{Target, Wanted};
use sip::session::{Local, Outgoing, Reach, Rel100, SessionTimer};
use sip::{NameAddr, Uri};

use crate::call::CallFacts;
use crate::{Binding, Settings};

/// Where an INVITE goes.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub flow: Flow,
    pub request_uri: Uri,
    pub route: Vec<NameAddr>,
    pub codecs: Vec<Codec>,
    pub peer: Peer,
    /// What the To header names.
    pub to: Uri,
    /// Whose number may be shown on this way.
    pub caller_id: CallerId,
}

/// Whose number a way may show (R7).
#[derive(Clone, Debug)]
pub(crate) enum CallerId {
    /// The customer's: our own phones.
    Customer,
    /// The customer's or the trunk's own, by the trunk's settings.
    AsTrunkAllows(Arc<Trunk>),
}

/// What the called phone shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub name: Option<String>,
    pub number: String,
}

/// The way to one binding of a registered phone.
pub(crate) fn binding(settings: &Settings, target: &DialTarget, binding: Binding) -> Option<Destination> {
    let request_uri = Uri::parse(binding.contact.into_bytes()).ok()?;
    let (to, codecs) = match target {
        DialTarget::Phone(aor) => {
            let phone = settings.plan.phones.iter().find(|phone| phone.aor == *aor);
            let codecs = phone.map(|phone| codecs(&phone.codecs)).unwrap_or_else(|| codecs(&[]));
            (Uri::sip(Some(aor.user()), aor.domain(), None).ok()?, codecs)
        }
        DialTarget::Trunk { .. } | DialTarget::Uri(_) => (request_uri.address(), codecs(&[])),
    };
    Some(Destination {
        flow: binding.flow,
        request_uri,
        route: binding.path.iter().filter_map(|hop| NameAddr::parse(hop.clone().into_bytes())).collect(),
        codecs,
        peer: Peer::Phone,
        to,
        caller_id: CallerId::Customer,
    })
}

/// The way to a number behind a trunk, or to a fixed address; None when it has none.
pub(crate) fn fixed(settings: &Settings, target: &DialTarget) -> Option<Destination> {
    match target {
        DialTarget::Phone(_) => None,
        DialTarget::Trunk { trunk, number } => {
            through_trunk(settings.plan.trunks.iter().find(|known| known.name == *trunk)?, number)
        }
        DialTarget::Uri(uri) => {
            let request_uri: Uri = uri.parse().ok()?;
            let address = request_uri.host_ip()?;
            let transport = transport_of_uri(&request_uri);
            let remote = (address, request_uri.port().unwrap_or(transport.default_port())).into();
            at_address(settings, request_uri, transport, remote)
        }
    }
}

/// What a fixed address with a name in it asks name servers for; None when it has none.
pub(crate) fn wanted(target: &DialTarget) -> Option<Wanted> {
    let DialTarget::Uri(uri) = target else { return None };
    let uri: Uri = uri.parse().ok()?;
    Wanted::of(&uri).filter(|_| uri.host_ip().is_none())
}

/// The way to a fixed address whose name led to `target`.
pub(crate) fn resolved(settings: &Settings, uri: &str, target: &Target) -> Option<Destination> {
    at_address(settings, uri.parse().ok()?, target.transport, target.address)
}

fn at_address(
    settings: &Settings,
    request_uri: Uri,
    transport: Transport,
    remote: std::net::SocketAddr,
) -> Option<Destination> {
    let interface = settings.interface_for(remote, transport)?;
    Some(Destination {
        flow: flow(interface, transport, remote),
        to: request_uri.address(),
        request_uri,
        route: Vec::new(),
        codecs: codecs(&[]),
        peer: Peer::Trunk { media_from: Vec::new() },
        caller_id: CallerId::Customer,
    })
}

/// RFC 3263 §4.1 for an address in numbers: as written, else UDP.
fn transport_of_uri(uri: &Uri) -> Transport {
    let secure = uri.scheme() == sip::uri::Scheme::Sips;
    match uri.transport().and_then(Transport::of_uri_param) {
        Some(Transport::Tcp) | None if secure => Transport::Tls,
        Some(transport) => transport,
        None => Transport::Udp,
    }
}

fn through_trunk(trunk: &Arc<Trunk>, number: &str) -> Option<Destination> {
    let remote = trunk.way.targets().first()?.address(trunk.way.transport)?;
    let host = match remote.ip() {
        std::net::IpAddr::V4(address) => address.to_string(),
        std::net::IpAddr::V6(address) => format!("[{address}]"),
    };
    let request_uri = Uri::sip(Some(&trunk.numbers.write_called(number)), &host, Some(remote.port())).ok()?;
    Some(Destination {
        flow: flow(trunk.interface, transport_of(trunk.way.transport), remote),
        to: request_uri.clone(),
        request_uri,
        route: Vec::new(),
        codecs: codecs(&trunk.codecs),
        peer: Peer::Trunk { media_from: media_from(trunk) },
        caller_id: CallerId::AsTrunkAllows(trunk.clone()),
    })
}

fn flow(interface: u16, transport: Transport, remote: std::net::SocketAddr) -> Flow {
    Flow { interface, transport, remote, connection: None }
}

fn transport_of(choice: TrunkTransport) -> Transport {
    match choice {
        TrunkTransport::Udp => Transport::Udp,
        TrunkTransport::Tcp => Transport::Tcp,
        TrunkTransport::Tls => Transport::Tls,
    }
}

/// The networks whose media a trunk may send.
pub(crate) fn media_from(trunk: &Trunk) -> Vec<(std::net::IpAddr, u8)> {
    trunk.media_from.iter().map(|block| (block.address, block.prefix)).collect()
}

/// An operator's choice as codecs; both laws, A first, where nothing was chosen.
pub(crate) fn codecs(chosen: &[CodecChoice]) -> Vec<Codec> {
    let of = |choice: &CodecChoice| match choice {
        CodecChoice::Pcma => Codec::Pcma,
        CodecChoice::Pcmu => Codec::Pcmu,
    };
    if chosen.is_empty() { vec![Codec::Pcma, Codec::Pcmu] } else { chosen.iter().map(of).collect() }
}

/// What a called phone shows for this caller, by the queue's pattern.
pub(crate) fn shown(settings: &Settings, facts: &CallFacts, queue: Option<&QueueName>) -> Shown {
    let number = facts.caller.to_string();
    let profile = queue.and_then(|queue| settings.plan.queues.get(queue));
    let name = profile.map(|profile| {
        let hotline = facts.number.as_ref().map(|number| number.as_str()).unwrap_or_default();
        let name = profile.display.replace("{caller}", &number);
        name.replace("{queue}", &profile.title).replace("{number}", hotline)
    });
    Shown { name: name.filter(|name| !name.is_empty()), number }
}

impl Destination {
    /// Where requests within the dialog go: a phone may be behind a NAT, a carrier means the Contact it writes.
    fn reach(&self) -> Reach {
        match self.peer {
            Peer::Phone => Reach::Source,
            Peer::Trunk { .. } => Reach::Target,
        }
    }

    /// The INVITE's parts.
    pub fn invite(
        &self,
        settings: &Settings,
        shown: &Shown,
        call_id: String,
        body: Bytes,
    ) -> Option<Outgoing> {
        let us = settings.advertised.get(usize::from(self.flow.interface))?;
        let number = match &self.caller_id {
            CallerId::Customer => Some(shown.number.as_str()),
            CallerId::AsTrunkAllows(trunk) => trunk.shown_caller(&shown.number),
        };
        let user = number.filter(|number| !number.is_empty()).unwrap_or("anonymous");
        let host = if us.host.contains(':') { format!("[{}]", us.host) } else { us.host.clone() };
        let from = Uri::sip(Some(user), &host, None).ok()?;
        Some(Outgoing {
            request_uri: self.request_uri.clone(),
            from: NameAddr::new(shown.name.as_deref(), &from),
            to: NameAddr::new(None, &self.to),
            call_id,
            route: self.route.clone(),
            headers: Vec::new(),
            sdp: Some(body),
            login: None,
            local: local(settings, &self.flow, user, self.reach()),
        })
    }
}

/// What we say of ourselves on a flow.
pub(crate) fn local(settings: &Settings, flow: &Flow, user: &str, reach: Reach) -> Local {
    let advertised = settings.advertised.get(usize::from(flow.interface));
    let host_port = advertised.map(|us| us.host_port(flow.transport)).unwrap_or_default();
    let user: String =
        user.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '*' | '-')).collect();
    let user = if user.is_empty() { "hotline".to_owned() } else { user };
    let contact = match flow.transport.uri_param() {
        Some(transport) => format!("<sip:{user}@{host_port};transport={transport}>"),
        None => format!("<sip:{user}@{host_port}>"),
    };
    let timer = match settings.plan.session_expires {
        Some(expires) => SessionTimer::On { expires, min: std::time::Duration::from_secs(90) },
        None => SessionTimer::Off,
    };
    Local { contact, timer, rel100: Rel100::Supported, reach }
}
