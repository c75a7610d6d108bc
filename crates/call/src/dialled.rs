//! Owns the flows behind what phones dial, and the caller's number as records show it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ivr::{AnswerRule, BoundPhone, Flow, Node};
use model::say::{SayItem, Tone};
use model::{DialTarget, FlowName, TenantId};

/// How long an extension rings for a colleague.
const EXTENSION_RINGS: Duration = Duration::from_secs(60);

/// A feature code was obeyed: a beep, and goodbye.
pub(crate) fn confirmation(tenant: &TenantId) -> Arc<Flow> {
    one_node(tenant, "feature", Node::Hangup { say: vec![SayItem::Tone(Tone::Beep)] })
}

/// Rings one colleague.
pub(crate) fn extension(tenant: &TenantId, target: DialTarget) -> Arc<Flow> {
    let phones = vec![BoundPhone { target, ring: EXTENSION_RINGS }];
    let dial = Node::Dial { phones, rule: AnswerRule::InOrder, say: Vec::new(), next: None, failed: None };
    one_node(tenant, "extension", dial)
}

fn one_node(tenant: &TenantId, name: &str, node: Node) -> Arc<Flow> {
    let start: Arc<str> = Arc::from(name);
    let nodes = BTreeMap::from([(start.clone(), node)]);
    Arc::new(Flow { name: FlowName::new(tenant, name), start, nodes })
}

/// The caller as records show it: the national form where it is one, `anonymous` where it is withheld.
pub(crate) fn normalised(raw: &str, home_area: Option<&str>) -> Arc<str> {
    let caller = model::numbers::Caller::parse(raw, home_area);
    if caller.normalised.is_empty() { Arc::from("anonymous") } else { caller.normalised }
}
