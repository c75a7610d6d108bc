//! Owns what is known of trunks at present, and in which order calls go out because of it. Does not own how it is found
//! out (see `pulse` and `call`).

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use clock::Instant;
use model::TrunkName;

use crate::{GroupMember, Plan, Trunk};

/// What became known of a trunk. Whoever learns it tells every shard.
#[derive(Clone, Debug, PartialEq)]
pub struct TrunkNews {
    /// Which.
    pub trunk: TrunkName,
    /// What.
    pub change: TrunkChange,
}

/// A change of what is known.
#[derive(Clone, Debug, PartialEq)]
pub enum TrunkChange {
    /// The addresses that its names stand for, the preferred one first.
    Targets(Arc<[SocketAddr]>),
    /// A target answers again.
    Up(SocketAddr),
    /// A target does not answer.
    Down(SocketAddr),
    /// The carrier knows us.
    Registered(Arc<TrunkBinding>),
    /// The carrier does not know us.
    Unregistered,
    /// A target asked to be left alone until then (Retry-After).
    Avoid(SocketAddr, Instant),
}

/// Our registration with a carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkBinding {
    /// Where it was made: calls go there too.
    pub at: SocketAddr,
    /// The route of requests of this trunk (RFC 3608), each as a name-addr.
    pub service_route: Vec<Arc<str>>,
    /// The identities that calls may show, the default one first (RFC 7315 §4.1), each a URI.
    pub associated: Vec<Arc<str>>,
}

/// What is known of every trunk, in one shard.
#[derive(Debug, Default)]
pub struct TrunkStates {
    known: HashMap<TrunkName, TrunkState>,
    /// Every address of `known`.
    found: HashSet<IpAddr>,
}

#[derive(Debug, Default)]
struct TrunkState {
    /// Addresses of names; None before they were looked up.
    targets: Option<Arc<[SocketAddr]>>,
    down: Vec<SocketAddr>,
    avoid: Vec<(SocketAddr, Instant)>,
    binding: Option<Arc<TrunkBinding>>,
}

/// One way for a call out: a trunk and the address to send to.
#[derive(Clone, Debug, PartialEq)]
pub struct WayOut {
    /// The trunk.
    pub trunk: Arc<Trunk>,
    /// Where.
    pub to: SocketAddr,
}

/// Why a trunk is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PassedOver {
    /// Its names are not looked up yet, or stand for nothing.
    NoAddress,
    /// It does not answer.
    Down,
    /// The carrier does not know us.
    NotRegistered,
    /// It asked to be left alone (Retry-After).
    Avoided,
}

impl PassedOver {
    /// In words, Chinese first.
    pub const fn words(self) -> &'static str {
        match self {
            PassedOver::NoAddress => "域名没有解析出地址 / its name has no address",
            PassedOver::Down => "中断 / down",
            PassedOver::NotRegistered => "未注册 / not registered",
            PassedOver::Avoided => "对方要求稍后再试 (Retry-After) / asked to be left alone",
        }
    }
}

/// The ways for one call out.
#[derive(Debug, Default, PartialEq)]
pub struct WaysOut {
    /// To be tried in this order.
    pub ways: Vec<WayOut>,
    /// Trunks that are not tried, and why.
    pub passed_over: Vec<(TrunkName, PassedOver)>,
}

impl TrunkStates {
    /// Takes news over.
    pub fn apply(&mut self, news: &TrunkNews) {
        let state = self.known.entry(news.trunk.clone()).or_default();
        match &news.change {
            TrunkChange::Targets(targets) => {
                state.down.retain(|address| targets.contains(address));
                state.targets = Some(targets.clone());
                self.gather();
            }
            TrunkChange::Up(address) => state.down.retain(|down| down != address),
            TrunkChange::Down(address) => {
                if !state.down.contains(address) {
                    state.down.push(*address);
                }
            }
            TrunkChange::Registered(binding) => state.binding = Some(binding.clone()),
            TrunkChange::Unregistered => state.binding = None,
            TrunkChange::Avoid(address, until) => {
                state.avoid.retain(|(avoided, _)| avoided != address);
                state.avoid.push((*address, *until));
            }
        }
    }

    /// Forgets trunks that `plan` does not have.
    pub fn retain(&mut self, plan: &Plan) {
        self.known.retain(|name, _| plan.trunks.iter().any(|trunk| trunk.name == *name));
        self.gather();
    }

    /// Forgets what is known of one trunk: its settings changed.
    pub fn forget(&mut self, trunk: &TrunkName) {
        self.known.remove(trunk);
        self.gather();
    }

    fn gather(&mut self) {
        let targets = self.known.values().filter_map(|state| state.targets.as_deref()).flatten();
        self.found = targets.map(|at| at.ip().to_canonical()).collect();
    }

    /// Whether the name of a trunk was found to lead to `source` (see [`crate::Router::is_called`]).
    pub fn is_called(&self, source: IpAddr) -> bool {
        self.found.contains(&source.to_canonical())
    }

    /// Our registration with the carrier of `trunk`.
    pub fn binding(&self, trunk: &TrunkName) -> Option<&Arc<TrunkBinding>> {
        self.known.get(trunk)?.binding.as_ref()
    }

    /// The addresses of `trunk`, the preferred one first.
    pub fn addresses(&self, trunk: &Trunk) -> Vec<SocketAddr> {
        match self.known.get(&trunk.name).and_then(|state| state.targets.as_ref()) {
            Some(targets) => targets.to_vec(),
            None => trunk.way.addresses().collect(),
        }
    }

    /// The trunk of `plan` that has a target at `source`: a carrier sends its calls from where we register. Of several
    /// the one whose own number is `dialled`.
    pub fn trunk_at<'a>(
        &self,
        plan: &'a Plan,
        (source, interface): (IpAddr, u16),
        dialled: &str,
    ) -> Option<&'a Arc<Trunk>> {
        let source = source.to_canonical();
        let is_there = |trunk: &&Arc<Trunk>| {
            trunk.interface == interface
                && trunk.register.is_some()
                && self.addresses(trunk).iter().any(|address| address.ip().to_canonical() == source)
        };
        let bare = |number: &str| model::numbers::national(number).trim_start_matches('0').to_owned();
        let owns = |trunk: &&Arc<Trunk>| {
            let user = trunk.register.as_ref().map(|register| bare(&register.user));
            !dialled.is_empty() && user == Some(bare(dialled))
        };
        let mut all = plan.trunks.iter().filter(is_there);
        all.clone().find(owns).or_else(|| all.next())
    }

    /// The ways for a call out by `name`, a trunk or a group of `plan`: by order, then by weight, then by target.
    /// `dice` gives a number below its argument.
    pub fn ways_out(
        &self,
        plan: &Plan,
        name: &TrunkName,
        now: Instant,
        mut dice: impl FnMut(u64) -> u64,
    ) -> WaysOut {
        let trunks = match plan.groups.iter().find(|group| group.name == *name) {
            Some(group) => in_turn(&group.members, &mut dice),
            None => vec![name.clone()],
        };
        let mut out = WaysOut::default();
        for trunk in trunks {
            let Some(trunk) = plan.trunks.iter().find(|known| known.name == trunk) else { continue };
            match self.ways_of(trunk, now) {
                Ok(addresses) => {
                    let way = |to| WayOut { trunk: trunk.clone(), to };
                    out.ways.extend(addresses.into_iter().map(way));
                }
                Err(why) => out.passed_over.push((trunk.name.clone(), why)),
            }
        }
        out
    }

    fn ways_of(&self, trunk: &Trunk, now: Instant) -> Result<Vec<SocketAddr>, PassedOver> {
        let nothing = TrunkState::default();
        let state = self.known.get(&trunk.name).unwrap_or(&nothing);
        let all = match (&trunk.register, &state.binding) {
            (Some(_), None) => return Err(PassedOver::NotRegistered),
            (Some(_), Some(binding)) => vec![binding.at],
            (None, _) => self.addresses(trunk),
        };
        if all.is_empty() {
            return Err(PassedOver::NoAddress);
        }
        let alive: Vec<SocketAddr> =
            all.into_iter().filter(|address| !state.down.contains(address)).collect();
        if alive.is_empty() {
            return Err(PassedOver::Down);
        }
        let avoided = |address: &SocketAddr| {
            state.avoid.iter().any(|(avoided, until)| avoided == address && *until > now)
        };
        let ways: Vec<SocketAddr> = alive.into_iter().filter(|address| !avoided(address)).collect();
        if ways.is_empty() { Err(PassedOver::Avoided) } else { Ok(ways) }
    }
}

/// Members by order; among those of one order each next one is drawn by weight (as RFC 2782 has it for SRV).
fn in_turn(members: &[GroupMember], dice: &mut impl FnMut(u64) -> u64) -> Vec<TrunkName> {
    let mut left: Vec<&GroupMember> = members.iter().collect();
    left.sort_by_key(|member| member.order);
    let mut turn = Vec::with_capacity(left.len());
    while let Some(first) = left.first() {
        let order = first.order;
        let equals = left.iter().take_while(|member| member.order == order);
        let sum: u64 = equals.clone().map(|member| u64::from(member.weight)).sum();
        let mut drawn = if sum == 0 { 0 } else { dice(sum) };
        let hit = equals.clone().position(|member| {
            let hit = drawn < u64::from(member.weight);
            drawn = drawn.saturating_sub(u64::from(member.weight));
            hit
        });
        turn.push(left.remove(hit.unwrap_or(0)).trunk.clone());
    }
    turn
}

#[cfg(test)]
mod tests;
