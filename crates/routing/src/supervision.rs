//! Owns who may listen to whom: each verb of a supervisor is a right of its own, over the calls of the own queues or of
//! the whole tenant (R53). Does not own what a verb does (see `call`).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use model::say::Key;
use model::supervision::Verb;
use model::{AgentId, QueueName};

/// Who may do what with other people's calls, and how it is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Supervision {
    /// Those who have any right.
    pub rights: HashMap<AgentId, Rights>,
    /// Which queues an agent serves.
    pub queues_of: HashMap<AgentId, HashSet<QueueName>>,
    /// Keys that a supervisor presses while in a call.
    pub keys: SupervisionKeys,
}

/// A supervisor's rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// What.
    pub verbs: Vec<Verb>,
    /// With whose calls.
    pub over: Over,
}

/// With whose calls a right goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Those of the queues that the supervisor serves, and of agents who serve one of them.
    OwnQueues,
    /// Those of the whole tenant.
    Tenant,
}

/// What each key means to a supervisor who is in a call; None: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SupervisionKeys {
    /// For each of [`Verb::ALL`], its key.
    pub of: [Option<Key>; 5],
}

impl SupervisionKeys {
    /// What `key` asks for.
    pub fn verb(&self, key: Key) -> Option<Verb> {
        self.of.iter().position(|known| *known == Some(key)).map(|place| Verb::ALL[place])
    }
}

/// Whose call it is, for a right.
#[derive(Clone, Copy, Debug)]
pub struct Supervised<'a> {
    /// The queue that it came from.
    pub queue: Option<&'a QueueName>,
    /// The agent who talks.
    pub agent: Option<&'a AgentId>,
}

impl Supervision {
    /// Whether `supervisor` may do `verb` with such a call; the reason when not, in words.
    ///
    /// # Errors
    /// Why not (Chinese first).
    pub fn allows(&self, supervisor: &AgentId, verb: Verb, call: &Supervised<'_>) -> Result<(), Arc<str>> {
        let words = |zh: &str, en: &str| Arc::from(format!("{zh} / {en}"));
        let rights = self.rights.get(supervisor).filter(|rights| rights.verbs.contains(&verb));
        let Some(rights) = rights else {
            let (zh, en) = (verb.zh(), verb.as_str());
            return Err(words(
                &format!("坐席 {supervisor} 没有{zh}权限"),
                &format!("agent {supervisor} has no right to {en}"),
            ));
        };
        let nothing = HashSet::new();
        let queues = |agent: &AgentId| self.queues_of.get(agent).unwrap_or(&nothing);
        let (own, agent) = (queues(supervisor), call.agent.map(queues).unwrap_or(&nothing));
        let is_own = match call.queue {
            Some(queue) => own.contains(queue),
            None => !own.is_disjoint(agent),
        };
        let is_of_tenant = call.agent.is_none_or(|agent| agent.tenant == supervisor.tenant);
        match rights.over {
            Over::Tenant if is_of_tenant => Ok(()),
            Over::OwnQueues if is_of_tenant && is_own => Ok(()),
            _ => Err(words("这个通话不属于自己的队列", "this call is of none of the supervisor's queues")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::TenantId;

    fn agent(id: &str) -> AgentId {
        AgentId::new(&TenantId::default(), id)
    }

    fn queue(name: &str) -> QueueName {
        QueueName::new(&TenantId::default(), name)
    }

    /// 9001 serves `sales` and may listen there; 9002 may do all over the tenant; 8001 serves `sales`, 8002 `repair`.
    fn supervision() -> Supervision {
        let serves = |id: &str, name: &str| (agent(id), HashSet::from([queue(name)]));
        let rights = |verbs: &[Verb], over| Rights { verbs: verbs.to_vec(), over };
        Supervision {
            rights: HashMap::from([
                (agent("9001"), rights(&[Verb::Listen], Over::OwnQueues)),
                (agent("9002"), rights(&Verb::ALL, Over::Tenant)),
            ]),
            queues_of: HashMap::from([
                serves("9001", "sales"),
                serves("8001", "sales"),
                serves("8002", "repair"),
            ]),
            keys: SupervisionKeys::default(),
        }
    }

    #[test]
    fn each_verb_is_a_right_of_its_own_over_own_queues_or_the_tenant() {
        // R53: who, verb, the call's queue, its agent, whether it is allowed.
        let table = [
            ("9001", Verb::Listen, Some("sales"), "8001", true),
            ("9001", Verb::Whisper, Some("sales"), "8001", false),
            ("9001", Verb::Listen, Some("repair"), "8002", false),
            ("9001", Verb::Listen, None, "8001", true),
            ("9001", Verb::Listen, None, "8002", false),
            ("9001", Verb::Listen, Some("repair"), "8001", false),
            ("9002", Verb::Take, Some("repair"), "8002", true),
            ("9002", Verb::Hangup, None, "8001", true),
            ("8001", Verb::Listen, Some("sales"), "8001", false),
        ];
        let supervision = supervision();
        for (who, verb, of, talks, allowed) in table {
            let (of, talks) = (of.map(queue), agent(talks));
            let call = Supervised { queue: of.as_ref(), agent: Some(&talks) };
            let found = supervision.allows(&agent(who), verb, &call);
            assert_eq!(found.is_ok(), allowed, "{who} {verb:?} {of:?} {talks}: {found:?}");
        }
    }

    #[test]
    fn nobody_has_rights_over_another_tenants_calls() {
        let stranger = AgentId::new(&TenantId::new("acme"), "8001");
        let call = Supervised { queue: None, agent: Some(&stranger) };
        assert!(supervision().allows(&agent("9002"), Verb::Listen, &call).is_err());
    }

    #[test]
    fn a_key_means_the_verb_that_it_is_set_for() {
        let key = |c| Key::from_char(c);
        let keys = SupervisionKeys { of: [key('0'), key('1'), key('3'), None, key('9')] };
        assert_eq!(keys.verb(key('1').unwrap()), Some(Verb::Whisper));
        assert_eq!(keys.verb(key('9').unwrap()), Some(Verb::Hangup));
        assert_eq!(keys.verb(key('5').unwrap()), None);
    }
}
