use model::diversion::ForwardWhen;

use super::*;
use crate::QueueProfile;
use crate::fixtures::{phone, plan, trunk};
use model::supervision::Verb;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn router() -> Router {
    let trunks = vec![
        trunk("wide", 0, &[("10.0.0.0", 8), ("2001:db8::", 32)]),
        trunk("narrow", 0, &[("10.1.0.0", 16), ("10.1.2.3", 32)]),
        trunk("other", 1, &[("10.1.0.0", 16)]),
        trunk("local", 0, &[("127.0.0.0", 8)]),
    ];
    let numbers = vec![
        crate::fixtures::number("default", "4008001234", &["01065551234"]),
        crate::fixtures::number("acme", "4008005678", &[]),
    ];
    let phones = vec![
        phone("default", "8001", "hotline"),
        phone("default", "8002", "hotline"),
        phone("acme", "8001", "acme.example"),
        phone("acme", "7001", "acme.example"),
    ];
    Router::new(Arc::new(plan(trunks, numbers, phones)))
}

fn name_of(router: &Router, source: &str, interface: u16) -> Option<String> {
    router.trunk_of(ip(source), interface).map(|trunk| trunk.name.to_string())
}

#[test]
fn the_longest_prefix_at_that_listener_names_the_trunk() {
    let router = router();
    let table = [
        ("10.2.0.1", 0, Some("wide")),
        ("10.1.9.9", 0, Some("narrow")),
        ("10.1.2.3", 0, Some("narrow")),
        ("10.1.2.3", 1, Some("other")),
        ("10.2.0.1", 1, None),
        ("11.0.0.1", 0, None),
        ("::ffff:10.1.2.3", 0, Some("narrow")),
        ("2001:db8::1", 0, Some("wide")),
        ("2001:db9::1", 0, None),
        ("127.255.255.255", 0, Some("local")),
    ];
    for (source, interface, trunk) in table {
        assert_eq!(name_of(&router, source, interface).as_deref(), trunk, "{source} at {interface}");
    }
}

#[test]
fn a_block_of_no_bits_holds_every_address_of_its_kind() {
    let trunks = vec![trunk("all4", 0, &[("0.0.0.0", 0)]), trunk("all6", 0, &[("::", 0)])];
    let router = Router::new(Arc::new(plan(trunks, vec![], vec![])));
    assert_eq!(name_of(&router, "198.51.100.7", 0).as_deref(), Some("all4"));
    assert_eq!(name_of(&router, "2001:db8::7", 0).as_deref(), Some("all6"));
}

#[test]
fn a_phone_is_found_by_its_domain_and_by_a_bare_address_when_its_user_is_alone() {
    let router = router();
    let found = |user: &str, host: &str| router.phone_of(user, host).map(|phone| phone.aor.to_string());
    assert_eq!(found("8001", "HOTLINE").as_deref(), Some("8001@hotline"));
    assert_eq!(found("8001", "acme.example").as_deref(), Some("8001@acme.example"));
    assert_eq!(found("8001", "192.0.2.1"), None, "two tenants have it");
    assert_eq!(found("7001", "192.0.2.1").as_deref(), Some("7001@acme.example"));
    assert_eq!(found("7001", "hotline"), None, "not of that tenant");
    assert_eq!(found("9999", "192.0.2.1"), None);
}

fn from<'a>(source: &str, user: &'a str, to: &'a str, tie: Tie) -> Facts<'a> {
    Facts {
        source: ip(source),
        interface: 0,
        from_user: user,
        from_host: "hotline",
        request_user: to,
        tie,
        claim: Claim::default(),
    }
}

#[test]
fn a_phone_and_a_trunk_behind_one_address_are_told_apart() {
    let router = router();
    let who = |facts: Facts<'_>| match router.identify(&facts) {
        Source::Phone(phone) => format!("phone {}", phone.aor.user()),
        Source::Trunk(trunk) => format!("trunk {}", trunk.name),
        Source::Unknown => "unknown".to_owned(),
    };
    let table = [
        (from("127.0.0.1", "8001", "4008001234", Tie::None), "trunk local"),
        (from("127.0.0.1", "8001", "4008001234", Tie::Bound), "phone 8001"),
        (from("127.0.0.1", "8001", "4008001234", Tie::Credentials), "phone 8001"),
        (from("127.0.0.1", "8001", "*22", Tie::None), "phone 8001"),
        (from("127.0.0.1", "8001", "8002", Tie::None), "phone 8001"),
        (from("127.0.0.1", "8001", "7001", Tie::None), "trunk local"),
        (from("127.0.0.1", "13800138000", "*22", Tie::Credentials), "trunk local"),
        (from("192.0.2.9", "8001", "4008001234", Tie::None), "phone 8001"),
        (from("192.0.2.9", "13800138000", "4008001234", Tie::None), "unknown"),
    ];
    for (facts, expected) in table {
        assert_eq!(who(facts), expected, "{facts:?}");
    }
    let elsewhere = Facts { interface: 1, ..from("192.0.2.9", "8001", "8002", Tie::Bound) };
    assert_eq!(who(elsewhere), "unknown", "a phone belongs to its listener");
}

#[test]
fn a_phone_dials_codes_extensions_and_numbers_of_its_own_tenant() {
    let router = router();
    let default = TenantId::default();
    assert_eq!(router.dialled(&default, "*25"), Dialled::Feature(Feature::SignOut, ""));
    let forward = Feature::Forward(ForwardWhen::Always);
    assert_eq!(router.dialled(&default, "*728002"), Dialled::Feature(forward, "8002"));
    let verb = Feature::Supervise;
    assert_eq!(router.dialled(&default, "*338001"), Dialled::Feature(verb(Verb::Listen), "8001"));
    assert_eq!(router.dialled(&default, "*348001"), Dialled::Feature(verb(Verb::Barge), "8001"));
    assert!(matches!(router.dialled(&default, "8002"), Dialled::Phone(phone) if phone.aor.user() == "8002"));
    assert!(matches!(router.dialled(&default, "8001"), Dialled::Phone(p) if p.tenant == default));
    assert!(matches!(router.dialled(&default, "4008001234"), Dialled::Number(_)));
    // Another tenant's number is one of the world outside.
    assert_eq!(router.dialled(&default, "4008005678"), Dialled::NoTrunk);
    assert_eq!(router.dialled(&default, "7001"), Dialled::Unknown);
    assert_eq!(router.dialled(&default, ""), Dialled::Unknown);
}

#[test]
fn a_phone_dials_queues_of_its_tenant_and_outside_numbers_behind_the_prefix() {
    let mut plan = (**router().plan()).clone();
    let (default, acme) = (TenantId::default(), TenantId::new("acme"));
    let profile = QueueProfile {
        music: model::PromptName::new(&acme, "default"),
        music_start: crate::MusicStart::Shared,
        display: "".into(),
        title: "".into(),
        agent_number: false,
        escalate_to: Vec::new(),
        dial: Some("6001".into()),
        when_disk_full: crate::WhenDiskFull::GoOn,
    };
    plan.queues.insert(QueueName::new(&acme, "sales"), profile);
    plan.dialling.prefix = "9".into();
    plan.dialling.trunk = Some(model::TrunkName::new("local"));
    let router = Router::new(Arc::new(plan));
    assert_eq!(router.dialled(&acme, "6001"), Dialled::Queue(&QueueName::new(&acme, "sales")));
    assert_eq!(router.dialled(&default, "6001"), Dialled::Unknown);
    assert!(
        matches!(router.dialled(&default, "913800138000"), Dialled::Outside(out) if &*out.number == "13800138000")
    );
    assert_eq!(router.dialled(&default, "13800138000"), Dialled::Unknown, "without the prefix");
    assert!(matches!(router.dialled(&default, "110"), Dialled::Outside(_)), "an emergency needs none");
    assert!(
        matches!(router.dialled(&default, "94008001234"), Dialled::Number(_)),
        "our own number stays inside"
    );
    assert!(matches!(router.number_called(&default, "13800138000"), Dialled::Outside(_)));
    assert!(matches!(router.number_called(&default, "8002"), Dialled::Phone(_)));
}

#[test]
fn a_trunk_shows_the_customer_only_where_it_may() {
    let mut trunk = trunk("out", 0, &[]);
    assert_eq!(trunk.shown_caller("13800138000"), None);
    trunk.identity.caller = Some("01065551234".into());
    assert_eq!(trunk.shown_caller("13800138000"), Some("01065551234"));
    trunk.identity.show_caller = true;
    assert_eq!(trunk.shown_caller("13800138000"), Some("13800138000"));
    assert_eq!(trunk.shown_caller("anonymous"), Some("01065551234"));
    assert_eq!(trunk.shown_caller(""), Some("01065551234"));
}

#[test]
fn media_may_come_from_the_blocks_of_the_trunk_alone() {
    let mut trunk = trunk("out", 0, &[("10.0.0.0", 8)]);
    trunk.media_from = vec![crate::Cidr { address: ip("198.51.100.77"), prefix: 24 }];
    assert!(trunk.takes_media_from(ip("198.51.100.1")));
    assert!(trunk.takes_media_from(ip("::ffff:198.51.100.1")));
    assert!(!trunk.takes_media_from(ip("10.0.0.1")));
    assert!(!trunk.takes_media_from(ip("2001:db8::1")));
}

#[test]
fn a_trunk_is_known_by_its_line_certificate_or_user_wherever_it_comes_from() {
    let register = crate::TrunkRegister {
        registrar: "ims.example".into(),
        user: "+8675528780808".into(),
        domain: "ims.example".into(),
        contact_user: None,
        line: crate::TrunkRegister::line_of("ims", ("user", "secret")).into(),
        expires: std::time::Duration::from_secs(3_600),
        retry: std::time::Duration::from_secs(30),
        retry_max: std::time::Duration::from_secs(1_800),
    };
    let line = register.line.clone();
    let mut ims = trunk("ims", 0, &[]);
    ims.register = Some(register);
    let mut tls = trunk("tls", 0, &[]);
    tls.access.tls_names = vec!["sbc.example".into()];
    let mut asked = trunk("asked", 0, &[]);
    let theirs = crate::TrunkChallenge { user: "carrier".into(), password: "theirs".into() };
    asked.access.challenge = Some(theirs);
    let router = Router::new(Arc::new(plan(
        vec![ims, tls, asked, trunk("by-address", 0, &[("10.0.0.0", 8)])],
        vec![],
        vec![],
    )));
    let who = |source: &str, to: &str, claim: Claim<'_>| {
        let facts = Facts { claim, ..from(source, "13800138000", to, Tie::None) };
        match router.identify(&facts) {
            Source::Trunk(trunk) => trunk.name.to_string(),
            other => format!("{other:?}"),
        }
    };
    let none = Claim::default();
    assert_eq!(who("192.0.2.1", &line, none), "ims");
    assert_eq!(who("192.0.2.1", "+8675528780808", Claim { line: Some(&line), ..none }), "ims");
    assert_eq!(who("10.1.1.1", &line, none), "ims", "the line goes before the address");
    assert_eq!(who("10.1.1.1", "4001", Claim { line: Some("guess"), ..none }), "by-address");
    assert_eq!(
        who(
            "192.0.2.1",
            "4001",
            Claim { tls_names: &["other.example".into(), "SBC.example".into()], ..none }
        ),
        "tls"
    );
    assert_eq!(who("192.0.2.1", "4001", Claim { user: Some("carrier"), ..none }), "asked");
    assert_eq!(who("192.0.2.1", "4001", Claim { user: Some("somebody"), ..none }), "Unknown");
    assert!(router.may_be_a_trunk(0) && !router.may_be_a_trunk(1));
    assert_ne!(crate::TrunkRegister::line_of("ims", ("user", "other")), *line);
    // Where parts meet says who is who.
    assert_ne!(
        crate::TrunkRegister::line_of("a", ("bc", "d")),
        crate::TrunkRegister::line_of("ab", ("c", "d"))
    );
}
