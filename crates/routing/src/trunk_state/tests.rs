use std::time::Duration;

use super::*;
use crate::fixtures::{plan, trunk};
use crate::{Target, TrunkGroup, TrunkRegister};

const T0: Instant = Instant::from_secs(100);

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn to(name: &str, targets: &[&str]) -> Trunk {
    let mut trunk = trunk(name, 0, &[]);
    trunk.way.to = targets.iter().map(|text| Target::parse(text).unwrap()).collect();
    trunk
}

fn registering(name: &str, user: &str, target: &str) -> Trunk {
    let mut trunk = to(name, &[target]);
    trunk.register = Some(TrunkRegister {
        registrar: "ims.example".into(),
        user: user.into(),
        domain: "ims.example".into(),
        contact_user: None,
        line: name.into(),
        expires: Duration::from_secs(3_600),
        retry: Duration::from_secs(30),
        retry_max: Duration::from_secs(1_800),
    });
    trunk
}

fn office() -> Plan {
    let trunks = vec![
        to("a", &["10.0.0.1:5060", "10.0.0.2:5060"]),
        to("b", &["10.0.1.1"]),
        to("c", &["sbc.example.cn"]),
        registering("ims", "+8675528780808", "10.0.3.1"),
        registering("ims2", "+8675528780809", "10.0.3.1"),
    ];
    let member = |name: &str, order, weight| GroupMember { trunk: TrunkName::new(name), order, weight };
    let members = vec![member("c", 2, 1), member("a", 1, 70), member("b", 1, 30)];
    let group = TrunkGroup { name: TrunkName::new("out"), members };
    Plan { groups: vec![group], ..plan(trunks, vec![], vec![]) }
}

fn news(trunk: &str, change: TrunkChange) -> TrunkNews {
    TrunkNews { trunk: TrunkName::new(trunk), change }
}

/// The ways by `name` as `trunk address`, then those passed over.
fn ways(
    states: &TrunkStates,
    name: &str,
    now: Instant,
    drawn: u64,
) -> (Vec<String>, Vec<(String, PassedOver)>) {
    let out = states.ways_out(&office(), &TrunkName::new(name), now, |below| drawn.min(below - 1));
    let ways = out.ways.iter().map(|way| format!("{} {}", way.trunk.name, way.to)).collect();
    (ways, out.passed_over.into_iter().map(|(name, why)| (name.to_string(), why)).collect())
}

#[test]
fn a_group_is_tried_by_order_and_weight_and_each_trunk_by_its_targets() {
    let states = TrunkStates::default();
    let first = ["a 10.0.0.1:5060", "a 10.0.0.2:5060", "b 10.0.1.1:5060"];
    assert_eq!(ways(&states, "out", T0, 69).0, first);
    let other = ["b 10.0.1.1:5060", "a 10.0.0.1:5060", "a 10.0.0.2:5060"];
    assert_eq!(ways(&states, "out", T0, 70).0, other);
    assert_eq!(ways(&states, "out", T0, 0).1, [("c".to_owned(), PassedOver::NoAddress)]);
    assert_eq!(ways(&states, "b", T0, 0).0, ["b 10.0.1.1:5060"], "a trunk by its own name");
    assert_eq!(ways(&states, "nothing", T0, 0), (vec![], vec![]));
}

#[test]
fn weights_are_shares_of_the_calls() {
    let (states, plan) = (TrunkStates::default(), office());
    let mut seed = 7_u64;
    let mut dice = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let first =
        |_| states.ways_out(&plan, &TrunkName::new("out"), T0, &mut dice).ways[0].trunk.name.to_string();
    let by_a = (0..10_000).map(first).filter(|name| name == "a").count();
    assert!((6_700..7_300).contains(&by_a), "{by_a}");
}

#[test]
fn what_is_down_is_passed_over_until_it_answers() {
    let mut states = TrunkStates::default();
    states.apply(&news("a", TrunkChange::Down(at("10.0.0.1:5060"))));
    assert_eq!(ways(&states, "a", T0, 0).0, ["a 10.0.0.2:5060"]);
    states.apply(&news("a", TrunkChange::Down(at("10.0.0.2:5060"))));
    assert_eq!(ways(&states, "a", T0, 0), (vec![], vec![("a".to_owned(), PassedOver::Down)]));
    states.apply(&news("a", TrunkChange::Up(at("10.0.0.1:5060"))));
    assert_eq!(ways(&states, "a", T0, 0).0, ["a 10.0.0.1:5060"]);
}

#[test]
fn a_target_that_said_retry_after_is_left_alone_for_that_long() {
    let mut states = TrunkStates::default();
    let until = T0 + Duration::from_secs(20);
    states.apply(&news("b", TrunkChange::Avoid(at("10.0.1.1:5060"), until)));
    assert_eq!(ways(&states, "b", T0, 0), (vec![], vec![("b".to_owned(), PassedOver::Avoided)]));
    assert_eq!(ways(&states, "b", until, 0).0, ["b 10.0.1.1:5060"]);
}

#[test]
fn a_registering_trunk_is_used_where_it_is_registered_and_only_then() {
    let mut states = TrunkStates::default();
    assert_eq!(ways(&states, "ims", T0, 0).1, [("ims".to_owned(), PassedOver::NotRegistered)]);
    let binding = TrunkBinding { at: at("10.0.3.9:5060"), service_route: vec![], associated: vec![] };
    states.apply(&news("ims", TrunkChange::Registered(Arc::new(binding))));
    assert_eq!(ways(&states, "ims", T0, 0).0, ["ims 10.0.3.9:5060"]);
    states.apply(&news("ims", TrunkChange::Unregistered));
    assert_eq!(ways(&states, "ims", T0, 0).0, Vec::<String>::new());
}

#[test]
fn names_lead_where_they_were_found_to_lead() {
    let mut states = TrunkStates::default();
    let found: Arc<[SocketAddr]> = Arc::from([at("10.9.0.1:5080"), at("10.9.0.2:5080")]);
    states.apply(&news("c", TrunkChange::Targets(found)));
    assert_eq!(ways(&states, "c", T0, 0).0, ["c 10.9.0.1:5080", "c 10.9.0.2:5080"]);
    let called = |states: &TrunkStates| states.is_called("10.9.0.2".parse().unwrap());
    assert!(called(&states));
    states.forget(&TrunkName::new("c"));
    assert_eq!(ways(&states, "c", T0, 0).1, [("c".to_owned(), PassedOver::NoAddress)]);
    assert!(!called(&states));
}

#[test]
fn calls_from_where_we_register_are_of_that_trunk_and_of_the_dialled_one_among_several() {
    let (states, plan) = (TrunkStates::default(), office());
    let who = |source: &str, dialled: &str| {
        let source = (source.parse().unwrap(), 0);
        states.trunk_at(&plan, source, dialled).map(|trunk| trunk.name.to_string())
    };
    assert_eq!(who("10.0.3.1", "").as_deref(), Some("ims"));
    assert_eq!(who("10.0.3.1", "075528780809").as_deref(), Some("ims2"));
    assert_eq!(who("10.0.3.1", "4008001234").as_deref(), Some("ims"));
    assert_eq!(who("10.0.1.1", ""), None, "a trunk that only takes calls out calls nobody");
    assert_eq!(who("10.0.3.2", ""), None);
}
