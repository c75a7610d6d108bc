//! Each finding, with a flow that has it and the sample that has none.

use std::time::Duration;

use model::say::Key;
use model::{FlowName, QueueName, TenantId};

use super::*;
use crate::Interrupt;

fn to(name: &str) -> Option<NodeName> {
    Some(NodeName::from(name))
}

fn play(next: Option<NodeName>) -> Node {
    Node::Play { say: Vec::new(), interrupt: Interrupt::ByKey, notice: false, next }
}

fn queue(next: Option<NodeName>) -> Node {
    let queue = QueueName::new(&TenantId::default(), "q");
    Node::Queue { queue, priority: 0, say: Vec::new(), next, timeout: None, full: None, no_agent: None }
}

fn menu(keys: &[(char, &str)], failed: Option<NodeName>) -> Node {
    Node::Menu {
        say: Vec::new(),
        keys: keys.iter().map(|(c, to)| (Key::from_char(*c).unwrap(), NodeName::from(*to))).collect(),
        timeout: Duration::from_secs(5),
        tries: 3,
        invalid: Vec::new(),
        silence: Vec::new(),
        failed,
        mask: false,
    }
}

fn found(nodes: &[(&str, Node)]) -> Vec<(Option<String>, Problem)> {
    let flow = Flow {
        name: FlowName::new(&TenantId::default(), "main"),
        start: NodeName::from("start"),
        nodes: nodes.iter().map(|(name, node)| (NodeName::from(*name), node.clone())).collect(),
    };
    check(&flow).into_iter().map(|f| (f.node.map(|n| n.to_string()), f.problem)).collect()
}

fn at(node: &str, problem: Problem) -> (Option<String>, Problem) {
    (Some(node.to_owned()), problem)
}

#[test]
fn a_sound_flow_has_no_findings() {
    let nodes = [
        ("start", play(to("menu"))),
        ("menu", menu(&[('0', "menu"), ('1', "queue")], to("bye"))),
        ("queue", queue(to("bye"))),
        ("bye", Node::Hangup { say: Vec::new() }),
    ];
    assert_eq!(found(&nodes), []);
}

#[test]
fn a_start_that_is_no_node() {
    let findings = found(&[("queue", queue(None))]);
    let missing = (None, Problem::StartMissing(NodeName::from("start")));
    assert_eq!(findings, [missing, at("queue", Problem::Unreachable)]);
}

#[test]
fn names_that_are_no_nodes_are_told_with_their_branch() {
    let flow = Flow {
        name: FlowName::new(&TenantId::default(), "main"),
        start: NodeName::from("start"),
        nodes: [("start", menu(&[('1', "sales"), ('2', "queue")], to("nowhere"))), ("queue", queue(None))]
            .map(|(name, node)| (NodeName::from(name), node))
            .into_iter()
            .collect(),
    };
    let findings = check(&flow);
    let told: Vec<(&str, Severity, String)> =
        findings.iter().map(|f| (f.branch.as_deref().unwrap(), f.severity(), f.to_string())).collect();
    assert_eq!(told.len(), 2);
    assert_eq!((told[0].0, told[1].0), ("keys.1", "failed"));
    assert!(told.iter().all(|(_, severity, _)| *severity == Severity::Error));
    let text = "节点「start」的 keys.1 指向不存在的节点「sales」 / keys.1 of «start» leads to «sales», which is no node";
    assert_eq!(told[0].2, text);
}

#[test]
fn a_node_that_no_way_leads_to() {
    let findings = found(&[("start", queue(None)), ("lost", queue(None))]);
    assert_eq!(findings, [at("lost", Problem::Unreachable)]);
}

#[test]
fn nodes_that_lead_only_to_each_other() {
    let nodes = [
        ("start", menu(&[('1', "a"), ('2', "q")], None)),
        ("a", play(to("b"))),
        ("b", play(to("a"))),
        ("q", queue(None)),
    ];
    assert_eq!(found(&nodes), [at("a", Problem::NoWayOut), at("b", Problem::NoWayOut)]);
}

#[test]
fn a_node_that_leads_to_no_node_has_one_fault_not_two() {
    let findings = found(&[("start", menu(&[('1', "a")], None)), ("a", play(to("nowhere")))]);
    let dangling = at("a", Problem::Dangling(NodeName::from("nowhere")));
    assert_eq!(findings, [dangling, (None, Problem::NoWayToPerson)]);
}

#[test]
fn a_flow_without_a_person() {
    let findings = found(&[("start", play(None)), ("q", queue(None))]);
    assert_eq!(findings, [at("q", Problem::Unreachable), (None, Problem::NoWayToPerson)]);
}

#[test]
fn a_fourth_menu_on_the_shortest_way_is_too_deep() {
    let deep = |shortcut: &[(char, &str)]| {
        let first: Vec<(char, &str)> = [('1', "m2")].iter().chain(shortcut).copied().collect();
        found(&[
            ("start", menu(&first, None)),
            ("m2", menu(&[('1', "p")], None)),
            ("p", play(to("m3"))),
            ("m3", menu(&[('1', "m4"), ('0', "start")], None)),
            ("m4", menu(&[('1', "q")], None)),
            ("q", queue(None)),
        ])
    };
    assert_eq!(deep(&[]), [at("m4", Problem::TooDeep(4))]);
    assert_eq!(deep(&[('2', "m3")]), []);
}

#[test]
fn every_finding_speaks_chinese_first_and_english_beside() {
    let name = NodeName::from("x");
    for problem in [
        Problem::StartMissing(name.clone()),
        Problem::Dangling(name),
        Problem::Unreachable,
        Problem::NoWayOut,
        Problem::NoWayToPerson,
        Problem::TooDeep(4),
    ] {
        let text = of_node(&NodeName::from("n"), problem).to_string();
        let (zh, en) = text.split_once(" / ").unwrap();
        assert!(!zh.is_ascii() && en.len() > 10, "{text}");
    }
}
