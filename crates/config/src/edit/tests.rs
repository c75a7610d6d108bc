use super::*;

const AGENTS: &str = "\
# 坐席
[[agent]]
id = \"8001\"          # 工号
name = \"张三\"

# 第二位
[[agent]]
id = \"8002\"
";

fn agent(id: &str) -> Step {
    Step::Where { array: "agent".into(), key: "id".into(), is: id.into() }
}

fn set(at: Vec<Step>, key: &str, value: &str) -> Change {
    Change::Set { at, key: key.into(), value: value.into() }
}

#[test]
fn a_key_is_set_and_every_comment_stays() {
    let text = apply(AGENTS, &set(vec![agent("8001")], "id", "\"8009\"")).unwrap();
    assert_eq!(text, AGENTS.replace("\"8001\"          # 工号", "\"8009\"          # 工号"));
    let text = apply(AGENTS, &set(vec![agent("8002")], "name", "\"李四\"")).unwrap();
    assert_eq!(text, format!("{AGENTS}name = \"李四\"\n"));
    let text = apply("ring_seconds = 20 # 秒\n", &set(vec![], "ring_seconds", "15")).unwrap();
    assert_eq!(text, "ring_seconds = 15 # 秒\n");
}

#[test]
fn a_key_is_taken_away() {
    let change = Change::Unset { at: vec![agent("8001")], key: "name".into() };
    let text = apply(AGENTS, &change).unwrap();
    assert_eq!(text, AGENTS.replace("name = \"张三\"\n", ""));
    assert_eq!(apply(&text, &change).unwrap(), text, "twice is no mistake");
}

#[test]
fn an_element_is_added_at_the_end_and_taken_away_again() {
    let keys = vec![("id".into(), "\"8003\"".into())];
    let text = apply(AGENTS, &Change::Add { at: vec![Step::New("agent".into())], keys }).unwrap();
    assert_eq!(text, format!("{AGENTS}\n[[agent]]\nid = \"8003\"\n"));
    let back = apply(&text, &Change::Remove { at: vec![agent("8003")] }).unwrap();
    assert_eq!(back, AGENTS);
}

#[test]
fn a_node_is_added_to_a_flow_and_taken_away_again() {
    let flow = "start = \"a\" # 起点\n\n[node.a]\nkind = \"hangup\"\n";
    let at = vec![Step::Table("node".into()), Step::Table("b".into())];
    let keys = vec![("kind".into(), "\"hangup\"".into())];
    let text = apply(flow, &Change::Add { at: at.clone(), keys: keys.clone() }).unwrap();
    assert!(text.contains("[node.b]\nkind = \"hangup\"\n"), "{text}");
    assert_eq!(apply(&text, &Change::Add { at: at.clone(), keys }), Err(EditError::Exists("b".into())));
    assert_eq!(apply(&text, &Change::Remove { at }).unwrap(), flow);
}

#[test]
fn what_cannot_be_done_is_said_and_not_half_done() {
    let nowhere = |step: Step| apply(AGENTS, &set(vec![step], "x", "1"));
    assert_eq!(nowhere(agent("9999")), Err(EditError::Nowhere("9999".into())));
    assert_eq!(nowhere(Step::Table("agent".into())), Err(EditError::Nowhere("agent".into())));
    assert_eq!(nowhere(Step::New("agent".into())), Err(EditError::Nowhere("agent".into())));
    let bad = apply(AGENTS, &set(vec![], "x", "[1,"));
    assert_eq!(bad, Err(EditError::Value { value: "[1,".into() }));
    assert!(matches!(apply("= 1", &set(vec![], "x", "1")), Err(EditError::Syntax(_))));
}
