//! Owns what must agree while nothing is on its way: who hears whom, the ACDs' view of agents, the calls that exist, the
//! calls that phones are in. Does not own the rules (see `eavesdropping`, `engagements`).

use std::collections::{BTreeMap, BTreeSet};

use acd::{Acd, Engagement};
use call::Shard;
use model::{AgentId, CallId, TenantId};

use super::World;
use crate::engagements::{Handset, disagreements, unlike};

impl World {
    /// While no letter is on its way, the ACDs' view of agents is the calls that exist, and the other way round.
    pub(super) fn compare_views(&mut self) {
        if self.around.agenda.letters() > 0 {
            return;
        }
        let lived: Vec<Engagement> = self.shards.iter().flat_map(Shard::engagements).collect();
        let mut wrong = self.around.persons.all_wrong(&self.around.studio.hearing);
        let believed: Vec<Engagement> = self.acds.values().flat_map(Acd::engagements).collect();
        wrong.extend(disagreements(&believed, &lived));
        if self.around.agenda.signals() == 0 && self.around.network.is_reliable() {
            wrong.extend(self.handsets().iter().flat_map(|handset| unlike(handset, &believed)));
        }
        let now = self.now();
        self.around.incidents.extend(wrong.into_iter().map(|words| format!("{now:?}: {words}")));
    }

    /// The phones of agents of the first tenant, and the calls that they are in. A feature code is over at once and
    /// occupies nobody, unless its caller goes on in another call.
    fn handsets(&self) -> Vec<Handset> {
        let mut handsets: BTreeMap<AgentId, BTreeSet<CallId>> = BTreeMap::new();
        let phones = self.seats.iter().map(|seat| &seat.peer);
        for phone in phones.filter(|phone| phone.config().login.is_some()) {
            let agent = AgentId::new(&TenantId::default(), &phone.config().user);
            let own = self.around.phones.tenant_of(&phone.config().user, &phone.config().domain);
            if own != Some(&agent.tenant) || self.agent(&agent).is_none() {
                continue;
            }
            let calls = handsets.entry(agent).or_default();
            // A leg that went to another call is named of that one last.
            let named = phone.call_ids().filter_map(|id| {
                self.around.legs.iter().rfind(|(_, named)| **named == *id).map(|(call, _)| *call)
            });
            calls.extend(named.filter(|call| !self.around.codes.contains(call)));
        }
        let handset = |(agent, calls)| {
            let made_for =
                self.around.made_for.iter().filter(|(_, made_for)| made_for.as_ref() == Some(&agent));
            let reserved = made_for.map(|(call, _)| *call).collect();
            Handset { agent, calls, reserved }
        };
        handsets.into_iter().map(handset).collect()
    }
}
