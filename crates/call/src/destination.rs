//! Owns where an INVITE of ours goes and what the called phone shows. Does not own when (see `call::originate`).

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use media::command::Peer;
use model::event::Direction;
use model::{DialTarget, QueueName};
use routing::{MediaChoice, Reliable, TargetHost, Trunk, TrunkBinding, WayOut};
use sip::endpoint::{Flow, Transport};
use sip::resolve::{Target, Wanted};
use sip::session::{Local, Outgoing, Reach, Rel100, SessionTimer};
use sip::{NameAddr, Uri};

use crate::call::{CallFacts, Originated};
use crate::caller_id::{self, Introduction, Parties};
use crate::leg::MediaTerms;
use crate::trunk_watch::{self, contact, login};
use crate::{Binding, Settings};

/// Where an INVITE goes.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub flow: Flow,
    pub request_uri: Uri,
    pub route: Vec<NameAddr>,
    pub media: MediaTerms,
    pub peer: Peer,
    /// What the To header names.
    pub to: Uri,
    /// Whose number may be shown on this way.
    pub caller_id: CallerId,
    /// Reliable provisional responses.
    pub reliable: Reliable,
    /// Its operator says that requests too long for a datagram reach it by TCP.
    pub large_over_tcp: bool,
}

/// Whose number a way may show (R7).
#[derive(Clone, Debug)]
pub(crate) enum CallerId {
    /// The customer's: our own phones.
    Customer,
    /// As the trunk's settings say.
    Trunk(Box<TrunkLeg>),
}

/// A leg through a trunk.
#[derive(Clone, Debug)]
pub(crate) struct TrunkLeg {
    pub trunk: Arc<Trunk>,
    /// Our registration with its carrier.
    pub binding: Option<Arc<TrunkBinding>>,
    /// The number that is dialled, in the national form.
    pub called: Arc<str>,
}

/// What the called phone shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown<'a> {
    pub name: Option<String>,
    pub number: &'a str,
    /// The customer's number for trunks; empty when one of ours calls.
    pub customer: &'a str,
    /// The number that one of ours wishes to show outside.
    pub ours: Option<&'a str>,
    /// The customer's number where the network told it to us alone.
    pub withheld: Option<&'a str>,
    /// The hotline number that a call out is forwarded from.
    pub forwarded_from: Option<&'a str>,
    /// How many hops the call may still take.
    pub hops: u8,
}

/// The way to one binding of a registered phone.
pub(crate) fn binding(settings: &Settings, target: &DialTarget, binding: Binding) -> Option<Destination> {
    let request_uri = Uri::parse(binding.contact.into_bytes()).ok()?;
    let (to, phone) = match target {
        DialTarget::Phone(aor) => {
            let phone = settings.plan.phones.iter().find(|phone| phone.aor == *aor);
            (Uri::sip(Some(aor.user()), aor.domain(), None).ok()?, phone)
        }
        DialTarget::Trunk { .. } | DialTarget::Uri(_) => (request_uri.address(), None),
    };
    Some(Destination {
        flow: binding.flow,
        peer: Peer::Phone { signals_from: binding.flow.remote.ip() },
        request_uri,
        route: binding.path.iter().filter_map(|hop| NameAddr::parse(hop.clone().into_bytes())).collect(),
        media: phone.map(|phone| MediaTerms::of(&phone.media)).unwrap_or_else(usual),
        to,
        caller_id: CallerId::Customer,
        reliable: phone.map(|phone| phone.reliable).unwrap_or_default(),
        large_over_tcp: phone.is_some_and(|phone| phone.large_over_tcp),
    })
}

/// Where a fixed address is.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    /// It holds a name, which name servers are asked for.
    Named(Wanted),
    /// It is written in numbers.
    Numbered(Box<Destination>),
}

/// Where a fixed address is; None when the target is none, or not reachable.
pub(crate) fn of_address(settings: &Settings, target: &DialTarget) -> Option<Address> {
    let DialTarget::Uri(uri) = target else { return None };
    let request_uri: Uri = uri.parse().ok()?;
    let Some(address) = request_uri.host_ip() else { return Wanted::of(&request_uri).map(Address::Named) };
    let transport = transport_of_uri(&request_uri);
    let remote = (address, request_uri.port().unwrap_or(transport.default_port())).into();
    at_address(settings, request_uri, transport, remote).map(Box::new).map(Address::Numbered)
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
        media: usual(),
        peer: Peer::Trunk { media_from: Vec::new() },
        caller_id: CallerId::Customer,
        reliable: Reliable::default(),
        large_over_tcp: false,
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

/// One way to `number`, kept in the national form, through a trunk.
pub(crate) fn through_trunk(
    way: &WayOut,
    number: &str,
    binding: Option<&Arc<TrunkBinding>>,
) -> Option<Destination> {
    let trunk = &way.trunk;
    let request_uri = trunk_uri(trunk, Some(&trunk.numbers.write_called(number)), way.to)?;
    let leg = TrunkLeg { trunk: trunk.clone(), binding: binding.cloned(), called: Arc::from(number) };
    Some(Destination {
        flow: trunk_watch::flow(trunk, way.to),
        to: request_uri.clone(),
        request_uri,
        route: first_hops(trunk, way.to, binding.map(|binding| &**binding)),
        media: MediaTerms::of(&trunk.media),
        peer: Peer::Trunk { media_from: media_from(trunk) },
        caller_id: CallerId::Trunk(Box::new(leg)),
        reliable: trunk.reliable,
        large_over_tcp: trunk.way.large_over_tcp,
    })
}

/// The URI of `number`, already as the trunk writes it, or of the trunk itself: at its domain, else at the name or
/// address that is sent to.
pub(crate) fn trunk_uri(trunk: &Trunk, number: Option<&str>, to: SocketAddr) -> Option<Uri> {
    let is_name = |target: &&routing::Target| matches!(target.host, TargetHost::Name(_));
    let is_address =
        |target: &routing::Target| target.address(trunk.way.transport).is_some_and(|address| address == to);
    let targets = trunk.way.targets();
    let named = targets.iter().find(is_name).filter(|_| !targets.iter().any(is_address));
    let (host, port) = match (&trunk.way.domain, named) {
        (Some(domain), _) => caller_id::host_port(domain),
        (None, Some(name)) => caller_id::host_port(&name.to_string()),
        (None, None) => (to.ip().to_string(), Some(to.port())),
    };
    match number {
        Some(number) => caller_id::number_uri(trunk, number, &host, port),
        None => Uri::sip(None, &host, port).ok(),
    }
}

/// The Route of requests to a trunk that are sent to `to`: its outbound proxy, then the carrier's Service-Route
/// (RFC 3608 §6.1), which may begin with that proxy.
pub(crate) fn first_hops(trunk: &Trunk, to: SocketAddr, binding: Option<&TrunkBinding>) -> Vec<NameAddr> {
    let mut hops: Vec<NameAddr> = Vec::new();
    if !trunk.way.proxies.is_empty() {
        let transport = match trunk_watch::flow(trunk, to).transport.uri_param() {
            Some(transport) => format!(";transport={transport}"),
            None => String::new(),
        };
        hops.extend(NameAddr::parse(format!("<sip:{to}{transport};lr>").into_bytes()));
    }
    let service = binding.iter().flat_map(|binding| &binding.service_route);
    for hop in service.filter_map(|hop| NameAddr::parse(hop.as_bytes().to_vec())) {
        let again = hops.last().is_some_and(|last| {
            let place =
                |hop: &NameAddr| (hop.uri().host().to_ascii_lowercase(), hop.uri().port().unwrap_or(5060));
            place(last) == place(&hop)
        });
        if !again {
            hops.push(hop);
        }
    }
    hops
}

fn flow(interface: u16, transport: Transport, remote: std::net::SocketAddr) -> Flow {
    Flow { interface, transport, remote, connection: None }
}

/// The networks whose media a trunk may send.
pub(crate) fn media_from(trunk: &Trunk) -> Vec<(std::net::IpAddr, u8)> {
    trunk.media_from.iter().map(|block| (block.address, block.prefix)).collect()
}

/// What is agreed with an address that no setting names: both laws, A first.
fn usual() -> MediaTerms {
    MediaTerms::of(&MediaChoice::default())
}

/// What a called phone shows for this caller, by the queue's pattern.
pub(crate) fn shown<'a>(settings: &Settings, facts: &'a CallFacts, queue: Option<&QueueName>) -> Shown<'a> {
    // A phone that the switch calls for its agent shows whom the agent is joined with.
    let number = match facts.originated {
        Originated::No => &*facts.caller,
        Originated::Yes => &*facts.called,
    };
    let profile = queue.and_then(|queue| settings.plan.queues.get(queue));
    let name = profile.map(|profile| {
        let hotline = facts.number.as_ref().map(|number| number.as_str()).unwrap_or_default();
        let name = profile.display.replace("{caller}", number);
        name.replace("{queue}", &profile.title).replace("{number}", hotline)
    });
    let is_forwarded = facts.direction == Direction::In;
    let hotline = facts.number.as_ref().filter(|_| is_forwarded);
    Shown {
        name: name.filter(|name| !name.is_empty()),
        customer: if is_forwarded { number } else { "" },
        ours: facts.shows.as_deref(),
        number,
        withheld: facts.withheld.as_deref(),
        forwarded_from: hotline.map(|number| number.as_str()),
        hops: facts.hops,
    }
}

impl Destination {
    /// Where requests within the dialog go: a phone may be behind a NAT, a carrier means the Contact it writes.
    fn reach(&self) -> Reach {
        match self.peer {
            Peer::Phone { .. } => Reach::Source,
            Peer::Trunk { .. } => Reach::Target,
        }
    }

    /// The INVITE's parts.
    pub fn invite(
        &self,
        settings: &Settings,
        shown: &Shown<'_>,
        call_id: String,
        body: Bytes,
    ) -> Option<Outgoing> {
        let us = settings.advertised.get(usize::from(self.flow.interface))?;
        match &self.caller_id {
            CallerId::Customer => {
                let user = if shown.number.is_empty() { "anonymous" } else { shown.number };
                let from = Uri::sip(Some(user), &us.host, None).ok()?;
                Some(Outgoing {
                    request_uri: self.request_uri.clone(),
                    from: NameAddr::new(shown.name.as_deref(), &from),
                    to: NameAddr::new(None, &self.to),
                    call_id,
                    route: self.route.clone(),
                    headers: Vec::new(),
                    sdp: Some(body),
                    hops: shown.hops,
                    login: None,
                    local: local(settings, &self.flow, user, self.reach(), self.reliable),
                })
            }
            CallerId::Trunk(leg) => self.invite_to_trunk(settings, leg, shown, (call_id, body)),
        }
    }

    /// Nothing of the customer's INVITE goes on: the trunk's settings say what the carrier hears.
    fn invite_to_trunk(
        &self,
        settings: &Settings,
        leg: &TrunkLeg,
        shown: &Shown<'_>,
        (call_id, body): (String, Bytes),
    ) -> Option<Outgoing> {
        let us = settings.advertised.get(usize::from(self.flow.interface))?;
        let parties = Parties {
            customer: shown.customer,
            ours: shown.ours,
            withheld: shown.withheld,
            called: &leg.called,
            forwarded_from: shown.forwarded_from,
        };
        let told = caller_id::introduce(&leg.trunk, leg.binding.as_deref(), &us.host, &parties)?;
        let Introduction { from, headers, contact_user } = told;
        let mut local = local(settings, &self.flow, &contact_user, self.reach(), self.reliable);
        if let Some(register) = &leg.trunk.register {
            // A carrier compares the Contact of a call with the registered one.
            local.contact =
                format!("<{}>", contact(&leg.trunk, register, &us.host_port(self.flow.transport))?);
        }
        Some(Outgoing {
            request_uri: self.request_uri.clone(),
            from,
            to: NameAddr::new(None, &self.to),
            call_id,
            route: self.route.clone(),
            headers,
            sdp: Some(body),
            hops: shown.hops,
            login: login(&leg.trunk),
            local,
        })
    }
}

/// What we say of ourselves on a flow.
pub(crate) fn local(settings: &Settings, flow: &Flow, user: &str, reach: Reach, reliable: Reliable) -> Local {
    let advertised = settings.advertised.get(usize::from(flow.interface));
    let host_len = advertised.map_or(0, |us| us.host.len());
    let mut contact = String::with_capacity(user.len() + host_len + 32);
    contact.push_str("<sip:");
    let scheme = contact.len();
    contact.extend(user.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '*' | '-')));
    if contact.len() == scheme {
        contact.push_str("hotline");
    }
    contact.push('@');
    if let Some(us) = advertised {
        us.push_host_port(&mut contact, flow.transport);
    }
    if let Some(transport) = flow.transport.uri_param() {
        contact.push_str(";transport=");
        contact.push_str(transport);
    }
    contact.push('>');
    let timer = match settings.plan.session_expires {
        Some(expires) => SessionTimer::On { expires, min: std::time::Duration::from_secs(90) },
        None => SessionTimer::Off,
    };
    let rel100 = match reliable {
        Reliable::Off => Rel100::Off,
        Reliable::Supported => Rel100::Supported,
        Reliable::Required => Rel100::Required,
    };
    Local { contact, timer, rel100, reach }
}
