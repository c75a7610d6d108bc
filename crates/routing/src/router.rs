//! Owns who is calling and whom they want: an index over a plan. Does not own counting (see `admission`).

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use clock::MintedMap;
use model::{AgentId, Aor, QueueName, TenantId, TrunkName};
use smallvec::SmallVec;

use crate::landing::Landing;
use crate::{ConferenceProfile, DigestChoice, Feature, NoWayOut, Number, Outside, Phone, Plan, Trunk};

/// A plan with its indexes; made once per reload, shared by shards.
#[derive(Debug)]
pub struct Router {
    plan: Arc<Plan>,
    /// Blocks of trunks' addresses by how many bits count, most first.
    blocks: Vec<Blocks>,
    /// Addresses that trunks are called at; those of names are known by [`crate::TrunkStates`].
    called: HashSet<IpAddr>,
    trunks: HashMap<TrunkName, usize>,
    /// Trunks by the line in the Contact that they know us by.
    lines: HashMap<Arc<str>, usize>,
    numbers: Landing,
    /// Phones by user: few share one.
    phones: HashMap<Arc<str>, SmallVec<[usize; 2]>>,
    /// Queues by what a phone dials to wait in them.
    queues: HashMap<(TenantId, Arc<str>), QueueName>,
}

/// The trunks' blocks of one size.
#[derive(Debug)]
struct Blocks {
    /// How many bits count.
    prefix: u8,
    /// Listener and block → place of the trunk in the plan.
    /// No peer adds to it.
    trunks: MintedMap<(u16, IpAddr), usize>,
}

/// What is known of a request before anybody is trusted.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The packet's source address.
    pub source: IpAddr,
    /// The listener it came by.
    pub interface: u16,
    /// From user, unescaped.
    pub from_user: &'a str,
    /// From host, without port.
    pub from_host: &'a str,
    /// Request-URI user, unescaped; empty when there is none.
    pub request_user: &'a str,
    /// What ties it to a phone.
    pub tie: Tie,
    /// What may tie it to a trunk, beside its source.
    pub claim: Claim<'a>,
}

/// What may tie a request to a trunk, beside its source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The `line` parameter of the Request-URI.
    pub line: Option<&'a str>,
    /// The names of the certificate that the peer proved itself with, lower case.
    pub tls_names: &'a [Box<str>],
    /// The user of its credentials.
    pub user: Option<&'a str>,
}

/// What ties a request to a phone, beside its From.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tie {
    /// Its flow is one of the bindings of its From.
    Bound,
    /// It carries credentials (Authorization or Proxy-Authorization).
    Credentials,
    /// Nothing.
    None,
}

/// Who sent a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Source<'a> {
    /// A configured phone, if its digest proves it.
    Phone(&'a Phone),
    /// A trunk, known by its line, certificate or address, or claimed by its user: one with a challenge must prove it.
    Trunk(&'a Arc<Trunk>),
    /// Nobody we know.
    Unknown,
}

/// What a phone dialled.
#[derive(Clone, Debug, PartialEq)]
pub enum Dialled<'a> {
    /// A feature code, and what is dialled behind it.
    Feature(Feature, &'a str),
    /// A conference room of the same tenant.
    Conference(&'a Arc<ConferenceProfile>),
    /// Another phone of the same tenant.
    Phone(&'a Phone),
    /// A queue of the same tenant.
    Queue(&'a QueueName),
    /// A hotline number of the same tenant.
    Number(&'a Number),
    /// An outside number.
    Outside(Outside),
    /// An outside number to which no trunk leads.
    NoTrunk,
    /// Nothing we know.
    Unknown,
}

impl Router {
    /// The indexes of `plan`.
    pub fn new(plan: Arc<Plan>) -> Router {
        let trunks =
            plan.trunks.iter().enumerate().map(|(place, trunk)| (trunk.name.clone(), place)).collect();
        let mut phones: HashMap<Arc<str>, SmallVec<[usize; 2]>> = HashMap::with_capacity(plan.phones.len());
        for (place, phone) in plan.phones.iter().enumerate() {
            phones.entry(Arc::from(phone.aor.user())).or_default().push(place);
        }
        let line =
            |(place, trunk): (usize, &Arc<Trunk>)| Some((trunk.register.as_ref()?.line.clone(), place));
        let lines = plan.trunks.iter().enumerate().filter_map(line).collect();
        let addresses = |trunk: &Arc<Trunk>| trunk.way.addresses().collect::<Vec<_>>();
        let called = plan.trunks.iter().flat_map(addresses).map(|at| at.ip().to_canonical()).collect();
        let (blocks, numbers) = (index_blocks(&plan.trunks), Landing::new(&plan.numbers));
        let dial = |(name, profile): (&QueueName, &crate::QueueProfile)| {
            Some(((name.tenant.clone(), profile.dial.clone()?), name.clone()))
        };
        let queues = plan.queues.iter().filter_map(dial).collect();
        Router { plan, blocks, called, trunks, lines, numbers, phones, queues }
    }

    /// The plan itself.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The trunk whose signalling comes from `source` at that listener; the longest prefix wins.
    pub fn trunk_of(&self, source: IpAddr, interface: u16) -> Option<&Arc<Trunk>> {
        let source = source.to_canonical();
        let found = self.blocks.iter().find_map(|blocks| {
            let block = masked(source, blocks.prefix)?;
            blocks.trunks.get(&(interface, block))
        });
        found.map(|place| &self.plan.trunks[*place])
    }

    /// Whether a trunk is called at `source`, an address in its file. What comes from there is no stranger's, though a
    /// trunk that only takes calls out calls nobody.
    pub fn is_called(&self, source: IpAddr) -> bool {
        self.called.contains(&source.to_canonical())
    }

    /// The trunk of that name.
    pub fn trunk(&self, name: &TrunkName) -> Option<&Arc<Trunk>> {
        self.trunks.get(name).map(|place| &self.plan.trunks[*place])
    }

    /// The trunk whose Contact of ours holds `line`: only the carrier we registered with has been told of it.
    pub fn trunk_of_line(&self, line: &str) -> Option<&Arc<Trunk>> {
        self.lines.get(line).map(|place| &self.plan.trunks[*place])
    }

    /// The trunk of listener `interface` that proves itself by a certificate with `name`.
    pub fn trunk_of_certificate(&self, name: &str, interface: u16) -> Option<&Arc<Trunk>> {
        let has = |known: &Arc<str>| known.eq_ignore_ascii_case(name);
        self.plan.trunks.iter().find(|t| t.interface == interface && t.access.tls_names.iter().any(has))
    }

    /// The trunk of listener `interface` that shows itself as `user` when it is asked, wherever it comes from.
    pub fn trunk_of_user(&self, user: &str, interface: u16) -> Option<&Arc<Trunk>> {
        let claims = |trunk: &&Arc<Trunk>| {
            trunk.interface == interface && trunk.access.challenge.as_ref().is_some_and(|c| &*c.user == user)
        };
        self.plan.trunks.iter().find(claims)
    }

    /// Whether somebody unknown at listener `interface` may yet show that it is a trunk.
    pub fn may_be_a_trunk(&self, interface: u16) -> bool {
        self.plan.trunks.iter().any(|trunk| {
            trunk.interface == interface && trunk.access.challenge.is_some() && trunk.access.from.is_empty()
        })
    }

    /// The hotline number a carrier means by `called` (number, alias or landing number, in any usual form).
    pub fn number_of(&self, called: &str) -> Option<&Number> {
        self.numbers.find(called).map(|place| &self.plan.numbers[place])
    }

    /// The phone with exactly this address of record.
    pub fn phone(&self, aor: &Aor) -> Option<&Phone> {
        self.phones_called(aor.user()).find(|phone| phone.aor == *aor)
    }

    /// The phone meant by `user@host`: by its domain, else by the user alone when `host` is none of our domains
    /// (an address, as most phones are set up) and only one phone has that user name.
    pub fn phone_of(&self, user: &str, host: &str) -> Option<&Phone> {
        if self.tenant_of(host).is_some() {
            return self.phones_called(user).find(|phone| phone.aor.domain().eq_ignore_ascii_case(host));
        }
        let mut named = self.phones_called(user);
        named.next().filter(|_| named.next().is_none())
    }

    /// What a user is offered in a challenge, whoever they say they are: of somebody unknown, what one of the phones is
    /// offered, always the same for the same name, so that the challenge does not tell who exists. `lot` is drawn from
    /// the name under a secret.
    pub fn offered(&self, user: &str, host: &str, lot: u64) -> DigestChoice {
        let known = self.phone_of(user, host).map(|phone| phone.digest);
        let drawn = || {
            let place = lot.checked_rem(self.plan.phones.len() as u64)?;
            self.plan.phones.get(usize::try_from(place).ok()?).map(|phone| phone.digest)
        };
        known.or_else(drawn).unwrap_or_default()
    }

    /// Whose phones live at `domain`.
    pub fn tenant_of(&self, domain: &str) -> Option<&TenantId> {
        self.plan.domains.iter().find(|d| d.domain.eq_ignore_ascii_case(domain)).map(|d| &d.tenant)
    }

    /// The phones an agent may sign in from.
    pub fn phones_of<'a>(&'a self, agent: &'a AgentId) -> impl Iterator<Item = &'a Phone> {
        self.plan.phones.iter().filter(move |phone| phone.agent.as_ref() == Some(agent))
    }

    /// Who sent a request. A phone and a trunk may stand behind one address: a request is a phone's when its From
    /// is that phone's and its flow, its credentials or what it dials tie it there, or when no trunk has the
    /// address. Being taken for a phone proves nothing yet: it is challenged.
    pub fn identify(&self, facts: &Facts<'_>) -> Source<'_> {
        let phone = self.phone_of(facts.from_user, facts.from_host);
        let phone = phone.filter(|phone| phone.interface == facts.interface);
        let claim = &facts.claim;
        // A line that only the carrier knows says more than an address that several trunks may share.
        let line = claim.line.unwrap_or(facts.request_user);
        let trunk = self
            .trunk_of_line(line)
            .or_else(|| {
                claim.tls_names.iter().find_map(|name| self.trunk_of_certificate(name, facts.interface))
            })
            .or_else(|| self.trunk_of(facts.source, facts.interface))
            .or_else(|| self.trunk_of_user(claim.user?, facts.interface));
        match (phone, trunk) {
            (Some(phone), Some(trunk)) => {
                let tied = facts.tie != Tie::None || self.is_inside(&phone.tenant, facts.request_user);
                if tied { Source::Phone(phone) } else { Source::Trunk(trunk) }
            }
            (Some(phone), None) => Source::Phone(phone),
            (None, Some(trunk)) => Source::Trunk(trunk),
            (None, None) => Source::Unknown,
        }
    }

    /// What a phone of `tenant` dialled: a feature code, somebody inside, or an outside number behind the prefix.
    pub fn dialled<'a>(&'a self, tenant: &TenantId, user: &'a str) -> Dialled<'a> {
        if let Some((feature, argument)) = self.plan.codes.meant_by(user) {
            return Dialled::Feature(feature, argument);
        }
        match (self.inside(tenant, user), self.plan.behind_prefix(user)) {
            (Dialled::Unknown, Some(number)) => self.number_called(tenant, number),
            (found, _) => found,
        }
    }

    /// Whom `number`, written without the prefix, means to `tenant`: somebody inside, else an outside number.
    pub fn number_called<'a>(&'a self, tenant: &TenantId, number: &'a str) -> Dialled<'a> {
        match self.inside(tenant, number) {
            Dialled::Unknown => match self.plan.outside(number) {
                Ok(outside) => Dialled::Outside(outside),
                Err(NoWayOut::NoNumber) => Dialled::Unknown,
                Err(NoWayOut::NoTrunk) => Dialled::NoTrunk,
            },
            found => found,
        }
    }

    /// A phone, a queue or a hotline number of the tenant.
    fn inside(&self, tenant: &TenantId, user: &str) -> Dialled<'_> {
        if let Some(phone) = self.phones_called(user).find(|phone| phone.tenant == *tenant) {
            return Dialled::Phone(phone);
        }
        if let Some(queue) = self.queues.get(&(tenant.clone(), Arc::from(user))) {
            return Dialled::Queue(queue);
        }
        let rings = |room: &&Arc<ConferenceProfile>| {
            room.name.tenant == *tenant && room.number.as_deref() == Some(user)
        };
        if let Some(room) = self.plan.conferences.values().find(rings) {
            return Dialled::Conference(room);
        }
        match self.number_of(user).filter(|number| number.number.tenant == *tenant) {
            Some(number) => Dialled::Number(number),
            None => Dialled::Unknown,
        }
    }

    /// Only somebody inside dials feature codes and extensions.
    fn is_inside(&self, tenant: &TenantId, user: &str) -> bool {
        self.plan.codes.meant_by(user).is_some()
            || self.phones_called(user).any(|phone| phone.tenant == *tenant)
    }

    fn phones_called(&self, user: &str) -> impl Iterator<Item = &Phone> {
        self.phones.get(user).into_iter().flatten().map(|place| &self.plan.phones[*place])
    }
}

impl Trunk {
    /// Whether media may come from `source` beside the address that the SDP names.
    pub fn takes_media_from(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        self.media_from.iter().any(|block| {
            masked(source, block.prefix)
                .is_some_and(|s| masked(block.address.to_canonical(), block.prefix) == Some(s))
        })
    }
}

fn index_blocks(trunks: &[Arc<Trunk>]) -> Vec<Blocks> {
    let mut all: Vec<Blocks> = Vec::new();
    for (place, trunk) in trunks.iter().enumerate() {
        for block in &trunk.access.from {
            let Some(address) = masked(block.address.to_canonical(), block.prefix) else { continue };
            let at = match all.iter().position(|blocks| blocks.prefix == block.prefix) {
                Some(at) => at,
                None => {
                    all.push(Blocks { prefix: block.prefix, trunks: MintedMap::default() });
                    all.len() - 1
                }
            };
            all[at].trunks.entry((trunk.interface, address)).or_insert(place);
        }
    }
    all.sort_by_key(|blocks| std::cmp::Reverse(blocks.prefix));
    all
}

/// The block of `prefix` bits that `address` lies in; None when it has fewer bits.
fn masked(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => {
            let keep = 32u32.checked_sub(u32::from(prefix))?;
            let mask = u32::MAX.checked_shl(keep).unwrap_or(0);
            Some(IpAddr::V4((u32::from(v4) & mask).into()))
        }
        IpAddr::V6(v6) => {
            let keep = 128u32.checked_sub(u32::from(prefix))?;
            let mask = u128::MAX.checked_shl(keep).unwrap_or(0);
            Some(IpAddr::V6((u128::from(v6) & mask).into()))
        }
    }
}

#[cfg(test)]
mod tests;
