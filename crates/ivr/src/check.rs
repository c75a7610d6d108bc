//! Owns what can be said about a flow without a caller. Does not own lines and columns (see `config`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use crate::{Flow, Node, NodeName};

/// Menus on the way to a node at most, before callers give up (R27).
const MAX_DEPTH: u32 = 3;

/// Something wrong with a flow. `Display` tells it in Chinese, then English.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where; the flow as a whole when `None`.
    pub node: Option<NodeName>,
    /// The key below the node that is at fault, as written in TOML: `next`, `keys.1`.
    pub branch: Option<Arc<str>>,
    /// What.
    pub problem: Problem,
}

/// What can be wrong with a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The start is no node.
    StartMissing(NodeName),
    /// A branch leads to this name, which is no node.
    Dangling(NodeName),
    /// No way leads here from the start.
    Unreachable,
    /// From here a caller can never come to an end but by hanging up.
    NoWayOut,
    /// No queue, extension or phone can be reached from the start.
    NoWayToPerson,
    /// The caller has to pass this many menus, this one included.
    TooDeep(u32),
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The flow works, but not as its author means.
    Warning,
    /// The flow cannot be used.
    Error,
}

impl Finding {
    /// How bad it is.
    pub const fn severity(&self) -> Severity {
        match self.problem {
            Problem::StartMissing(_) | Problem::Dangling(_) => Severity::Error,
            _ => Severity::Warning,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.node.as_deref().unwrap_or_default();
        match &self.problem {
            Problem::StartMissing(to) => {
                write!(f, "起始节点「{to}」不存在 / the start «{to}» is no node")
            }
            Problem::Dangling(to) => {
                let branch = self.branch.as_deref().unwrap_or_default();
                write!(
                    f,
                    "节点「{node}」的 {branch} 指向不存在的节点「{to}」 / {branch} of «{node}» leads to «{to}», which is no node"
                )
            }
            Problem::Unreachable => {
                write!(f, "节点「{node}」从起始节点走不到 / no way leads to «{node}»")
            }
            Problem::NoWayOut => {
                write!(f, "节点「{node}」没有出口 / there is no way out of «{node}»")
            }
            Problem::NoWayToPerson => f.write_str("此流程无法转人工 / this flow has no way to a person"),
            Problem::TooDeep(depth) => write!(
                f,
                "节点「{node}」是第 {depth} 层菜单，超过 {MAX_DEPTH} 层 / «{node}» is the {depth}th menu on its way; more than {MAX_DEPTH} lose callers"
            ),
        }
    }
}

/// Everything wrong with `flow`, errors and warnings, in the order of its nodes.
pub fn check(flow: &Flow) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !flow.nodes.contains_key(&flow.start) {
        findings.push(of_flow(Problem::StartMissing(flow.start.clone())));
    }
    let branches: BTreeMap<&NodeName, Vec<Branch<'_>>> =
        flow.nodes.iter().map(|(name, node)| (name, branches_of(node))).collect();
    let depths = menu_depths(flow, &branches);
    let leaving = ways_out(flow, &branches);
    for (name, ways) in &branches {
        for way in ways {
            if let Some(to) = way.to
                && !flow.nodes.contains_key(to)
            {
                findings.push(Finding {
                    node: Some((*name).clone()),
                    branch: Some(way.key.clone()),
                    problem: Problem::Dangling(to.clone()),
                });
            }
        }
        match depths.get(*name) {
            None => findings.push(of_node(name, Problem::Unreachable)),
            Some(depth) if *depth > MAX_DEPTH && matches!(flow.nodes[*name], Node::Menu { .. }) => {
                findings.push(of_node(name, Problem::TooDeep(*depth)));
            }
            Some(_) => {}
        }
        if !leaving.contains(*name) {
            findings.push(of_node(name, Problem::NoWayOut));
        }
    }
    if flow.nodes.contains_key(&flow.start) && !depths.keys().any(|name| reaches_a_person(&flow.nodes[*name]))
    {
        findings.push(of_flow(Problem::NoWayToPerson));
    }
    findings
}

/// One way out of a node; `to` is `None` where the flow hangs up.
struct Branch<'a> {
    key: Arc<str>,
    to: Option<&'a NodeName>,
}

fn branches_of(node: &Node) -> Vec<Branch<'_>> {
    fn way<'a>(key: &str, to: &'a Option<NodeName>) -> Branch<'a> {
        Branch { key: Arc::from(key), to: to.as_ref() }
    }
    match node {
        Node::Play { next, .. } | Node::Survey { next, .. } | Node::Mailbox { next, .. } => {
            vec![way("next", next)]
        }
        Node::Menu { keys, failed, .. } => keys
            .iter()
            .map(|(key, to)| Branch { key: Arc::from(format!("keys.{key}")), to: Some(to) })
            .chain([way("failed", failed)])
            .collect(),
        Node::DialExtension { next, failed, .. }
        | Node::Dial { next, failed, .. }
        | Node::Conference { next, failed, .. }
        | Node::Voicemail { next, failed, .. } => {
            vec![way("next", next), way("failed", failed)]
        }
        Node::Queue { next, timeout, full, no_agent, .. } => {
            vec![way("next", next), way("timeout", timeout), way("full", full), way("no_agent", no_agent)]
        }
        Node::Hangup { .. } => vec![Branch { key: Arc::from("hangup"), to: None }],
    }
}

const fn reaches_a_person(node: &Node) -> bool {
    matches!(
        node,
        Node::Queue { .. }
            | Node::Dial { .. }
            | Node::DialExtension { .. }
            | Node::Conference { .. }
            // Who leaves a message is called back.
            | Node::Voicemail { .. }
    )
}

/// For each node that can be reached, the fewest menus on the way to it, itself included.
fn menu_depths<'a>(
    flow: &'a Flow,
    branches: &BTreeMap<&'a NodeName, Vec<Branch<'a>>>,
) -> BTreeMap<&'a NodeName, u32> {
    let weight = |name: &NodeName| u32::from(matches!(flow.nodes.get(name), Some(Node::Menu { .. })));
    let mut depths = BTreeMap::new();
    // Menus cost one and all else nothing: cheap steps go to the front.
    let mut ahead: VecDeque<(&NodeName, u32)> = VecDeque::new();
    if let Some((start, _)) = flow.nodes.get_key_value(&flow.start) {
        ahead.push_back((start, weight(start)));
    }
    while let Some((name, depth)) = ahead.pop_front() {
        if depths.get(name).is_some_and(|known| *known <= depth) {
            continue;
        }
        depths.insert(name, depth);
        for to in branches[name].iter().filter_map(|way| way.to) {
            let Some((to, _)) = flow.nodes.get_key_value(to) else { continue };
            match weight(to) {
                0 => ahead.push_front((to, depth)),
                cost => ahead.push_back((to, depth + cost)),
            }
        }
    }
    depths
}

/// The nodes from which some way ends by the flow's own hang-up.
fn ways_out<'a>(
    flow: &'a Flow,
    branches: &BTreeMap<&'a NodeName, Vec<Branch<'a>>>,
) -> BTreeSet<&'a NodeName> {
    let mut from: BTreeMap<&NodeName, Vec<&'a NodeName>> = BTreeMap::new();
    let mut open: Vec<&'a NodeName> = Vec::new();
    for (name, ways) in branches {
        for way in ways {
            match way.to {
                // A dangling name ends the call too; it is reported by itself.
                None => open.push(name),
                Some(to) if !flow.nodes.contains_key(to) => open.push(name),
                Some(to) => from.entry(to).or_default().push(name),
            }
        }
    }
    let mut leaving = BTreeSet::new();
    while let Some(name) = open.pop() {
        if leaving.insert(name) {
            open.extend(from.get(name).into_iter().flatten());
        }
    }
    leaving
}

fn of_node(name: &NodeName, problem: Problem) -> Finding {
    Finding { node: Some(name.clone()), branch: None, problem }
}

fn of_flow(problem: Problem) -> Finding {
    Finding { node: None, branch: None, problem }
}

#[cfg(test)]
mod tests;
