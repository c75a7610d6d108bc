//! Owns the flows behind what phones dial, and the caller's number as records show it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ivr::{AnswerRule, BoundPhone, Flow, Node};
use model::say::{SayItem, Tone};
use model::{AgentId, ConferenceName, DialTarget, FlowName, MailboxName, PromptName, QueueName, TenantId};
use routing::{Dialled, Feature, Mailbox, Outside, Phone, Router};

use crate::Settings;

/// A feature code was obeyed: so many beeps, and goodbye.
pub(crate) fn confirmation(tenant: &TenantId, beeps: usize) -> Arc<Flow> {
    let mut say = vec![SayItem::Tone(Tone::Beep)];
    for _ in 1..beeps {
        say.extend([SayItem::Pause(BETWEEN_BEEPS_MS), SayItem::Tone(Tone::Beep)]);
    }
    one_node(tenant, "feature", Node::Hangup { say })
}

const BETWEEN_BEEPS_MS: u32 = 200;

/// Rings somebody for so long.
pub(crate) fn extension(tenant: &TenantId, target: DialTarget, ring: Duration) -> Arc<Flow> {
    let phones = vec![BoundPhone { target, ring }];
    let dial = Node::Dial { phones, rule: AnswerRule::InOrder, say: Vec::new(), next: None, failed: None };
    one_node(tenant, "extension", dial)
}

/// Joins who is there already with somebody else: who is not reached is told by a busy tone.
pub(crate) fn joining(tenant: &TenantId, target: DialTarget, ring: Duration) -> Arc<Flow> {
    let (start, busy): (Arc<str>, Arc<str>) = (Arc::from("joining"), Arc::from("unreached"));
    let phones = vec![BoundPhone { target, ring }];
    let failed = Some(busy.clone());
    let dial = Node::Dial { phones, rule: AnswerRule::InOrder, say: Vec::new(), next: None, failed };
    let tone = Node::Hangup { say: vec![SayItem::Tone(Tone::Busy); BUSY_TONES] };
    let nodes = BTreeMap::from([(start.clone(), dial), (busy, tone)]);
    Arc::new(Flow { name: FlowName::new(tenant, "joining"), start, nodes })
}

/// Seven tenths of a second each.
const BUSY_TONES: usize = 4;

/// Waits in a queue.
pub(crate) fn queue(queue: QueueName) -> Arc<Flow> {
    let tenant = queue.tenant.clone();
    let node = Node::Queue {
        queue,
        priority: 0,
        say: Vec::new(),
        next: None,
        timeout: None,
        full: None,
        no_agent: None,
    };
    one_node(&tenant, "queue", node)
}

/// A conference room: who is not let in is told by a busy tone.
pub(crate) fn conference(tenant: &TenantId, conference: ConferenceName) -> Arc<Flow> {
    let (start, busy): (Arc<str>, Arc<str>) = (Arc::from("conference"), Arc::from("refused"));
    let failed = Some(busy.clone());
    let room = Node::Conference { conference, say: Vec::new(), next: None, failed };
    let tone = Node::Hangup { say: vec![SayItem::Tone(Tone::Busy); BUSY_TONES] };
    let nodes = BTreeMap::from([(start.clone(), room), (busy, tone)]);
    Arc::new(Flow { name: FlowName::new(tenant, "conference"), start, nodes })
}

/// Leaves a message.
pub(crate) fn leave_message(mailbox: MailboxName) -> Arc<Flow> {
    let tenant = mailbox.tenant.clone();
    let (start, full): (Arc<str>, Arc<str>) = (Arc::from("voicemail"), Arc::from("full"));
    let failed = Some(full.clone());
    let leave = Node::Voicemail { mailbox, say: Vec::new(), next: None, failed };
    let sorry = Node::Hangup { say: vec![SayItem::Prompt(PromptName::new(&tenant, "vm_full"))] };
    let nodes = BTreeMap::from([(start.clone(), leave), (full, sorry)]);
    Arc::new(Flow { name: FlowName::new(&tenant, "voicemail"), start, nodes })
}

/// Listens to a mailbox.
pub(crate) fn mailbox(mailbox: MailboxName) -> Arc<Flow> {
    let tenant = mailbox.tenant.clone();
    one_node(&tenant, "mailbox", Node::Mailbox { mailbox, say: Vec::new(), next: None })
}

/// How long an outside number rings: carriers give up before.
pub(crate) const OUTSIDE_RINGS: Duration = Duration::from_secs(180);

/// The one whom `dialled` means to a phone of `tenant`: a colleague, or a number outside. No queue, number or code is one.
pub(crate) fn person(
    router: &Router,
    settings: &Settings,
    tenant: &TenantId,
    dialled: &str,
) -> Option<DialTarget> {
    match router.dialled(tenant, dialled) {
        Dialled::Phone(phone) => Some(DialTarget::Phone(phone.aor.clone())),
        Dialled::Feature(..) | Dialled::Queue(_) | Dialled::Number(_) | Dialled::Conference(_) => None,
        // An agent who is reached elsewhere goes before a number outside.
        found => settings.agents.get(&AgentId::new(tenant, dialled)).cloned().or(match found {
            Dialled::Outside(Outside { number, trunk }) => Some(DialTarget::Trunk { trunk, number }),
            _ => None,
        }),
    }
}

/// The mailbox in which a call leaves a message that is forwarded to `dialled` from `phone`: a code, with a mailbox behind it
/// or for the own one.
pub(crate) fn message_for<'r>(
    router: &'r Router,
    phone: Option<&Phone>,
    tenant: &TenantId,
    dialled: &str,
) -> Option<&'r Arc<Mailbox>> {
    let plan = router.plan();
    match plan.codes.meant_by(dialled) {
        Some((Feature::Voicemail | Feature::LeaveMessage, behind)) => {
            plan.mailbox_dialled(phone, tenant, behind)
        }
        _ => None,
    }
}

fn one_node(tenant: &TenantId, name: &str, node: Node) -> Arc<Flow> {
    let start: Arc<str> = Arc::from(name);
    let nodes = BTreeMap::from([(start.clone(), node)]);
    Arc::new(Flow { name: FlowName::new(tenant, name), start, nodes })
}

/// The caller as records show it: the national form where it is one, `anonymous` where it is withheld.
pub(crate) fn normalised(raw: &Arc<str>, home_area: Option<&str>) -> Arc<str> {
    let caller = model::numbers::Caller::parse(raw, home_area);
    match &*caller.normalised {
        "" => Arc::from("anonymous"),
        // One text for both, as long as the call.
        same if same == &**raw => raw.clone(),
        _ => caller.normalised,
    }
}
