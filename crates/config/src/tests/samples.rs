use std::time::Duration;

use acd::SignIn;
use model::say::{Key, SayItem};
use model::{AgentId, Aor, DialTarget, FlowName, PromptName, QueueName, TenantId, TrunkName};
use routing::{AnswerMode, CodecChoice, DigestChoice, RecordPolicy};

use super::*;

#[test]
fn the_bench_sample_is_as_its_readme_says() {
    let bench = loaded("bench");
    let plan = &bench.plan;
    let number = |n: &str| plan.numbers.iter().find(|number| number.number.as_str() == n).unwrap();
    assert_eq!(plan.interfaces[0].bind, "127.0.0.1:5060".parse().unwrap());
    assert!(plan.interfaces[0].udp && plan.interfaces[0].tcp);
    assert_eq!(number("4000000001").record, RecordPolicy::Off);
    assert_eq!(number("4000000002").record, RecordPolicy::Talk);
    assert_eq!(number("4000000003").record, RecordPolicy::Talk);
    assert_eq!(number("4000000004").record, RecordPolicy::Off);
    assert_eq!(number("4000000002").flow, number("4000000004").flow);

    let ivr::Node::Dial { phones, .. } = &bench.flows[&number("4000000002").flow].nodes["uas"] else {
        panic!()
    };
    assert_eq!(phones[0].target, DialTarget::Uri("sip:uas@127.0.0.1:5090".into()));
    let ivr::Node::Menu { keys, .. } = &bench.flows[&number("4000000003").flow].nodes["menu"] else {
        panic!()
    };
    assert_eq!(keys[&Key::from_char('1').unwrap()].as_ref(), "queue");

    let queue = &bench.acd[0].queues[0];
    assert_eq!((queue.wrap_up, queue.max_wait), (Duration::ZERO, Some(Duration::from_secs(120))));
    assert!(!plan.queues[&queue.name].agent_number);
    assert_eq!(queue.tiers.len(), 100);
    assert!(bench.acd[0].agents.iter().all(|agent| agent.sign_in == SignIn::ByRegistering));
    let phone = &plan.phones[99];
    assert_eq!((phone.aor.user(), &*phone.password, phone.digest), ("9100", "bench", DigestChoice::Md5));
    assert_eq!(phone.agent, Some(AgentId::new(&TenantId::default(), "9100")));
    assert_eq!(&*bench.node.data, "data");

    let router = routing::Router::new(std::sync::Arc::new(bench.plan.clone()));
    assert!(router.trunk_of("127.9.9.9".parse().unwrap(), 0).is_some());
    assert!(router.phone_of("9001", "127.0.0.1").is_some());
}

#[test]
fn the_office_sample_is_decoded_whole() {
    let office = loaded("office");
    assert_eq!(office.warnings.to_string(), "");
    let (default, acme) = (TenantId::default(), TenantId::new("acme"));
    let plan = &office.plan;

    let mobile = plan.trunks.iter().find(|trunk| trunk.name == TrunkName::new("mobile")).unwrap();
    let to: Vec<String> = mobile.way.to.iter().map(ToString::to_string).collect();
    assert_eq!((mobile.interface, to), (0, vec!["203.0.113.65:5060".to_owned()]));
    assert_eq!(mobile.media.codecs, [CodecChoice::Pcma, CodecChoice::Pcmu]);
    assert_eq!(plan.interfaces[1].advertise.to_string(), "203.0.113.11");
    assert!(!plan.interfaces[0].tcp && plan.interfaces[0].udp);

    let duty = plan.numbers.iter().find(|number| number.number.as_str() == "4008005678").unwrap();
    assert_eq!((duty.answer, &*duty.aliases[0]), (AnswerMode::ByParty, "01065555678"));
    let theirs = plan.numbers.iter().find(|number| number.number.tenant == acme).unwrap();
    assert_eq!((&theirs.flow, theirs.max_calls), (&FlowName::new(&acme, "main"), Some(10)));

    let agent = |id: &str| office.acd[0].agents.iter().find(|agent| agent.id.as_str() == id).unwrap();
    let bound = DialTarget::Trunk { trunk: TrunkName::new("mobile"), number: "13700137000".into() };
    assert_eq!((&agent("8010").target, agent("8010").sign_in), (&bound, SignIn::ByCode));
    assert_eq!(agent("8011").sign_in, SignIn::Always);
    assert_eq!(&*agent("8004").name, "维修 8004");
    assert_eq!(agent("8001").target, DialTarget::Phone(Aor::new("8001", "pbx.example.cn")));

    let sales = office.acd[0].queues.iter().find(|queue| queue.name.as_str() == "sales").unwrap();
    let tiers: Vec<_> = sales.tiers.iter().map(|tier| (tier.agent.as_str(), tier.level)).collect();
    assert_eq!(tiers, [("8001", 1), ("8002", 1), ("8005", 2)]);
    let profile = &plan.queues[&QueueName::new(&default, "sales")];
    assert_eq!((&*profile.title, &profile.music), ("业务咨询", &PromptName::new(&default, "default")));

    let main = &office.flows[&FlowName::new(&default, "main")];
    let ivr::Node::Menu { say, .. } = &main.nodes["menu"] else { panic!() };
    assert_eq!(say[2], SayItem::Pause(300));
    let ivr::Node::DialExtension { extensions, .. } = &main.nodes["extension"] else { panic!() };
    assert_eq!(extensions.len(), 7);

    assert_eq!(office.acd[1].tenant, acme);
    let their_phone = plan.phones.iter().find(|phone| phone.tenant == acme).unwrap();
    assert_eq!(their_phone.aor, Aor::new("600", "acme.example.cn"));
    assert_eq!((their_phone.interface, &their_phone.agent), (1, &Some(AgentId::new(&acme, "600"))));
    assert_eq!(office.hooks[0].command.len(), 3);
}

#[test]
fn the_starter_sample_has_nothing_to_complain_about() {
    let starter = loaded("starter");
    assert_eq!(starter.warnings.to_string(), "");
    assert_eq!(starter.plan.numbers[0].number.as_str(), "4008001234");
}

#[test]
fn what_init_writes_is_what_lies_in_the_starter_folder() {
    let written = Sources::from_files(crate::starter());
    assert_eq!(written.files, sample("starter").files);
    for file in &written.files {
        assert!(file.text.lines().count() <= 60, "{} has more than 60 lines", file.path);
    }
}
