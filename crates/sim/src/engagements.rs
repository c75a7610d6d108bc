//! Owns the comparison of three views of one agent: what the ACD believes, what the calls are, what the agent's own phone
//! is in. Does not own when they may be compared: only while nothing is on its way (see `World::run`).

use std::collections::BTreeSet;

use acd::Engagement;
use model::{AgentId, CallId};

/// The calls of an agent's own phones, as the phones know them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handset {
    pub agent: AgentId,
    pub calls: BTreeSet<CallId>,
    /// Calls that the switch makes for the agent, who is occupied before the phone rings.
    pub reserved: BTreeSet<CallId>,
}

/// What the ACDs believe and the calls do not bear out, or the other way round.
pub(crate) fn disagreements(believed: &[Engagement], lived: &[Engagement]) -> Vec<String> {
    let words = |engagement: &Engagement| {
        let Engagement { agent, call, engaged } = engagement;
        format!("agent {agent} {engaged:?} in {call}")
    };
    let mut found = Vec::new();
    let mut rest = lived.to_vec();
    for engagement in believed {
        match rest.iter().position(|other| other == engagement) {
            Some(at) => drop(rest.remove(at)),
            None => found.push(format!("the ACD believes {}, which is not so", words(engagement))),
        }
    }
    found.extend(rest.iter().map(|lived| format!("{}, which the ACD does not know", words(lived))));
    found
}

/// Calls that a phone is in and its agent's ACD knows nothing of, or the other way round.
pub(crate) fn unlike(handset: &Handset, believed: &[Engagement]) -> Vec<String> {
    let agent = &handset.agent;
    let of_agent = believed.iter().filter(|engagement| engagement.agent == *agent);
    let known: BTreeSet<CallId> = of_agent.map(|engagement| engagement.call).collect();
    let only_phone = handset
        .calls
        .difference(&known)
        .map(|call| format!("the phone of {agent} is in {call}, which the ACD does not know"));
    let only_acd = known
        .difference(&handset.calls)
        .filter(|call| !handset.reserved.contains(call))
        .map(|call| format!("the ACD believes {agent} in {call}, which the phone is not in"));
    only_phone.chain(only_acd).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use acd::Engaged;
    use model::TenantId;

    fn agent(name: &str) -> AgentId {
        AgentId::new(&TenantId::default(), name)
    }

    fn engagement(name: &str, call: u64, engaged: Engaged) -> Engagement {
        Engagement { agent: agent(name), call: call.into(), engaged }
    }

    #[test]
    fn each_way_in_which_an_acd_can_be_wrong_is_found() {
        let talks = engagement("8001", 1, Engaged::Talking);
        let held = engagement("8001", 1, Engaged::Held);
        let rings = engagement("8001", 2, Engaged::Ringing);
        let other = engagement("8002", 1, Engaged::Talking);
        let sound: [(&[Engagement], &[Engagement]); 2] =
            [(&[], &[]), (&[talks.clone(), rings.clone()], &[rings.clone(), talks.clone()])];
        for (believed, lived) in sound {
            assert_eq!(disagreements(believed, lived), Vec::<String>::new());
        }
        let bad: [(&str, &[Engagement], &[Engagement], usize); 6] = [
            ("a call that is over", std::slice::from_ref(&talks), &[], 1),
            ("a call that is not known", &[], std::slice::from_ref(&talks), 1),
            ("a hold that is not known", std::slice::from_ref(&talks), std::slice::from_ref(&held), 2),
            ("somebody else's call", std::slice::from_ref(&other), std::slice::from_ref(&talks), 2),
            ("two where there is one", &[talks.clone(), talks.clone()], std::slice::from_ref(&talks), 1),
            ("a second call", std::slice::from_ref(&talks), &[talks.clone(), rings], 1),
        ];
        for (what, believed, lived, count) in bad {
            assert_eq!(disagreements(believed, lived).len(), count, "{what}");
        }
    }

    #[test]
    fn a_phone_that_is_in_another_call_than_its_agent_is_found() {
        let handset = |calls: &[u64]| Handset {
            agent: agent("8001"),
            calls: calls.iter().map(|call| CallId::from(*call)).collect(),
            reserved: BTreeSet::new(),
        };
        let believed = [engagement("8001", 1, Engaged::Talking), engagement("8002", 2, Engaged::Talking)];
        assert_eq!(unlike(&handset(&[1]), &believed), Vec::<String>::new());
        assert_eq!(unlike(&handset(&[]), &believed).len(), 1, "the phone has hung up");
        assert_eq!(unlike(&handset(&[1, 3]), &believed).len(), 1, "the phone is in a second call");
        assert_eq!(unlike(&handset(&[2]), &believed).len(), 2, "the phone is in the call of another agent");
        let reserved = Handset { reserved: BTreeSet::from([CallId::from(1)]), ..handset(&[]) };
        assert_eq!(unlike(&reserved, &believed), Vec::<String>::new());
    }
}
