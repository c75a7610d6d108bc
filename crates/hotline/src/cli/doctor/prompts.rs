//! Owns whether everything that flows and queues say can be said in the node's language.

use std::collections::BTreeSet;

use model::PromptName;
use model::say::SayItem;

use super::Patient;
use super::finding::{Check, Finding};
use crate::node::settings;

/// Files that cannot be used, names without a file, and what is fine.
pub(super) fn findings(patient: &Patient) -> Vec<Finding> {
    let loaded = &patient.loaded;
    let (cache, faults) = settings::prompts_and_faults(&patient.origin, loaded, None);
    let mut found: Vec<Finding> = faults
        .iter()
        .map(|(tenant, error)| {
            Finding::warning((Check::Prompts, tenant.as_str()), error.to_string(), "it is not played").fix(
                "换一个文件: hotline prompts import FILE --name NAME --replace",
                "take another: hotline prompts import FILE --name NAME --replace",
            )
        })
        .collect();
    let mut named: BTreeSet<&PromptName> = loaded.plan.queues.values().map(|queue| &queue.music).collect();
    let said = loaded.flows.values().flat_map(|flow| flow.nodes.values()).flat_map(ivr::Node::says);
    named.extend(said.filter_map(|item| match item {
        SayItem::Prompt(name) => Some(name),
        _ => None,
    }));
    let language = settings::language(loaded);
    let count = named.len();
    let missing: Vec<&PromptName> =
        named.into_iter().filter(|name| !cache.has(&name.tenant, language, name.as_str())).collect();
    let folder = &loaded.node.language;
    found.extend(missing.iter().map(|name| {
        Finding::fault(
            (Check::Prompts, &name.to_string()),
            format!("{folder} 没有这段语音, 呼叫者听到静音"),
            format!("there is none in {folder}: callers hear silence"),
        )
        .fix(
            format!("放入 prompts/{folder}/{}.wav, 或改 [node] language", name.as_str()),
            format!("put it at prompts/{folder}/{}.wav, or change [node] language", name.as_str()),
        )
    }));
    if found.is_empty() {
        let (zh, en) = (format!("用到的 {count} 段都有"), format!("all {count} that are named are there"));
        found.push(Finding::fine((Check::Prompts, ""), zh, en));
    }
    found
}
