//! Owns what changes between two decoded folders, and what of it a running switch may take over.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

use crate::Loaded;

/// What a reload applies at once, and what only a restart can, in the operator's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// What new calls see at once: `队列 sales 已改 / queue sales changed`.
    pub applied: Vec<String>,
    /// What needs a restart: listeners, the data folder, threads.
    pub restart: Vec<String>,
}

/// A trunk or phone uses a listener that only a restart opens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "监听口 {0} 被中继或话机引用，但需要重启才能生效 / listener {0} is used by a trunk or phone and needs a restart"
)]
pub struct ListenerNotOpen(pub model::InterfaceName);

impl Changes {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.applied.is_empty() && self.restart.is_empty()
    }
}

impl Loaded {
    /// What became different since `old`.
    pub fn diff(&self, old: &Loaded) -> Changes {
        let mut applied = Vec::new();
        let (new_plan, old_plan) = (&self.plan, &old.plan);
        let trunk = |l: &Loaded| {
            index(
                l.plan
                    .trunks
                    .iter()
                    .map(|t| (t.name.to_string(), (t.clone(), l.interface_name(t.interface)))),
            )
        };
        compare(&mut applied, ("中继", "trunk"), &trunk(self), &trunk(old));
        let group = |l: &Loaded| index(l.plan.groups.iter().map(|g| (g.name.to_string(), g.clone())));
        compare(&mut applied, ("中继组", "trunk group"), &group(self), &group(old));
        let number = |l: &Loaded| index(l.plan.numbers.iter().map(|n| (n.number.to_string(), n.clone())));
        compare(&mut applied, ("号码", "number"), &number(self), &number(old));
        let flow = |l: &Loaded| index(l.flows.iter().map(|(name, flow)| (name.to_string(), flow.clone())));
        compare(&mut applied, ("流程", "flow"), &flow(self), &flow(old));
        let queue = |l: &Loaded| {
            let queues = l.acd.iter().flat_map(|tenant| &tenant.queues);
            index(queues.map(|q| (q.name.to_string(), (q.clone(), l.plan.queues.get(&q.name).cloned()))))
        };
        compare(&mut applied, ("队列", "queue"), &queue(self), &queue(old));
        let room = |l: &Loaded| {
            index(l.plan.conferences.iter().map(|(name, room)| (name.to_string(), room.clone())))
        };
        compare(&mut applied, ("会议室", "conference"), &room(self), &room(old));
        let mailbox =
            |l: &Loaded| index(l.plan.mailboxes.iter().map(|(name, one)| (name.to_string(), one.clone())));
        compare(&mut applied, ("语音信箱", "mailbox"), &mailbox(self), &mailbox(old));
        let agent = |l: &Loaded| {
            let agents = l.acd.iter().flat_map(|tenant| &tenant.agents);
            let rights = |a: &acd::AgentSettings| l.plan.supervision.rights.get(&a.id).cloned();
            let greeting = |a: &acd::AgentSettings| l.plan.greetings.get(&a.id).cloned();
            index(agents.map(|a| (a.id.to_string(), (a.clone(), rights(a), greeting(a)))))
        };
        compare(&mut applied, ("坐席", "agent"), &agent(self), &agent(old));
        let phone = |l: &Loaded| {
            index(
                l.plan.phones.iter().map(|p| (p.aor.to_string(), (p.clone(), l.interface_name(p.interface)))),
            )
        };
        compare(&mut applied, ("话机", "phone"), &phone(self), &phone(old));
        let domain =
            |l: &Loaded| index(l.plan.domains.iter().map(|d| (d.tenant.to_string(), d.domain.clone())));
        compare(&mut applied, ("租户", "tenant"), &domain(self), &domain(old));
        let mut sections = |same: bool, name: &str| {
            if !same {
                applied.push(format!("[{name}] 已改 / [{name}] changed"));
            }
        };
        sections(self.node.drain == old.node.drain, "node");
        sections(new_plan.limits == old_plan.limits, "limits");
        sections(new_plan.security == old_plan.security, "security");
        sections(new_plan.classes == old_plan.classes, "class_of_service");
        sections(self.trace == old.trace, "trace");
        sections(new_plan.codes == old_plan.codes, "codes");
        let wrap_up = |l: &Loaded| l.acd.first().map(|tenant| tenant.own_calls_wrap_up);
        let same = new_plan.dialling == old_plan.dialling && wrap_up(self) == wrap_up(old);
        sections(same, "dialling");
        sections(new_plan.supervision.keys == old_plan.supervision.keys, "supervision");
        let (new, old_services) = (&new_plan.phone_services, &old_plan.phone_services);
        sections(new.registrar == old_services.registrar, "registrar");
        sections(new.subscriptions == old_services.subscriptions, "subscriptions");
        sections(new.messages == old_services.messages, "messages");
        let media = |plan: &routing::Plan| (plan.rtp_timeout, plan.silence_alarm, plan.session_expires);
        sections(media(new_plan) == media(old_plan) && self.marks.media == old.marks.media, "media");
        sections(self.marks.sip == old.marks.sip, "sip");
        sections(self.recordings == old.recordings, "recordings");
        sections(self.prompts == old.prompts, "prompts");
        sections(self.hooks == old.hooks, "hook");
        sections(self.transports.streams == old.transports.streams, "streams");
        sections(self.transports.tls == old.transports.tls, "tls");
        sections(self.transports.dns == old.transports.dns, "dns");
        Changes { applied, restart: self.restarts(old) }
    }

    /// This folder as a switch that runs with `old` may use it: what needs a restart stays as it is, trunks and phones
    /// find their listeners by name.
    ///
    /// # Errors
    /// A trunk or phone uses a listener that is not open: without a restart it would be cut off.
    pub fn over(mut self, old: &Loaded) -> Result<Loaded, ListenerNotOpen> {
        let open = |name: &model::InterfaceName| {
            let at = old.plan.interfaces.iter().position(|interface| interface.name == *name);
            at.and_then(|at| u16::try_from(at).ok()).ok_or_else(|| ListenerNotOpen(name.clone()))
        };
        let names: Vec<_> = self.plan.interfaces.iter().map(|interface| interface.name.clone()).collect();
        let trunks = self.plan.trunks.iter_mut().map(|trunk| &mut Arc::make_mut(trunk).interface);
        for place in trunks.chain(self.plan.phones.iter_mut().map(|phone| &mut phone.interface)) {
            if let Some(name) = names.get(usize::from(*place)) {
                *place = open(name)?;
            }
        }
        self.plan.interfaces.clone_from(&old.plan.interfaces);
        self.node =
            crate::NodeSettings { domain: self.node.domain, drain: self.node.drain, ..old.node.clone() };
        Ok(self)
    }

    fn restarts(&self, old: &Loaded) -> Vec<String> {
        let mut restart = Vec::new();
        let interfaces =
            |l: &Loaded| index(l.plan.interfaces.iter().map(|i| (i.name.to_string(), i.clone())));
        compare(&mut restart, ("接口", "interface"), &interfaces(self), &interfaces(old));
        let (new, old) = (&self.node, &old.node);
        let keys = [
            (new.id == old.id, "id"),
            (new.data == old.data, "data"),
            (new.shards == old.shards, "shards"),
            (new.workers == old.workers, "workers"),
            (new.pinning == old.pinning, "pinning"),
            (new.log == old.log, "log"),
            (new.language == old.language, "language"),
            (new.time_zone == old.time_zone, "time_zone"),
            (new.product == old.product, "product"),
        ];
        for (_, key) in keys.iter().filter(|(same, _)| !same) {
            restart.push(format!("[node] {key} 已改 / [node] {key} changed"));
        }
        if new.api != old.api {
            restart.push("[api] listen 已改 / [api] listen changed".to_owned());
        }
        restart
    }

    fn interface_name(&self, place: u16) -> Option<model::InterfaceName> {
        self.plan.interfaces.get(usize::from(place)).map(|interface| interface.name.clone())
    }
}

fn index<K: Ord + Hash, V>(pairs: impl Iterator<Item = (K, V)>) -> BTreeMap<K, V> {
    pairs.collect()
}

/// Tells of each name whether it came, went or changed.
fn compare<V: PartialEq>(
    told: &mut Vec<String>,
    (zh, en): (&str, &str),
    new: &BTreeMap<String, V>,
    old: &BTreeMap<String, V>,
) {
    for (name, value) in new {
        match old.get(name) {
            None => told.push(format!("{zh} {name} 新增 / {en} {name} added")),
            Some(before) if before != value => told.push(format!("{zh} {name} 已改 / {en} {name} changed")),
            Some(_) => {}
        }
    }
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        told.push(format!("{zh} {name} 已删 / {en} {name} removed"));
    }
}
