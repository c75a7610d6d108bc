//! RFC 3263 §4 and RFC 2782, with a small zone in place of name servers.

use std::collections::HashMap;

use super::*;

const ALL: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

/// What name servers would say.
#[derive(Default)]
struct Zone {
    naptr: HashMap<&'static str, Vec<Naptr>>,
    srv: HashMap<&'static str, Vec<Srv>>,
    addresses: HashMap<&'static str, Vec<IpAddr>>,
}

impl Zone {
    fn naptr(mut self, name: &'static str, records: &[(u16, u16, &str, &str, &str)]) -> Zone {
        let record =
            |(order, preference, flags, service, replacement): &(u16, u16, &str, &str, &str)| Naptr {
                order: *order,
                preference: *preference,
                flags: (*flags).into(),
                service: (*service).into(),
                replacement: (*replacement).into(),
            };
        self.naptr.insert(name, records.iter().map(record).collect());
        self
    }

    fn srv(mut self, name: &'static str, records: &[(u16, u16, u16, &str)]) -> Zone {
        self.srv.insert(name, records.iter().map(|record| srv(*record)).collect());
        self
    }

    fn at(mut self, name: &'static str, addresses: &[&str]) -> Zone {
        self.addresses.insert(name, addresses.iter().map(|text| text.parse().unwrap()).collect());
        self
    }

    /// The targets as text, and what was asked.
    fn walk(&self, wanted: Wanted, serves: &[Transport], random: u64) -> (Vec<String>, Vec<Ask>) {
        let mut lookup = Lookup::new(wanted, serves, random);
        let mut asked = Vec::new();
        while let Some(ask) = lookup.ask() {
            assert!(asked.len() < 50, "it ends: {asked:?}");
            let answer = match &ask {
                Ask::Naptr(name) => self.naptr.get(&**name).cloned().map(Answer::Naptr),
                Ask::Srv(name) => self.srv.get(&**name).cloned().map(Answer::Srv),
                Ask::Addresses(name) => self.addresses.get(&**name).cloned().map(Answer::Addresses),
            };
            asked.push(ask);
            lookup.answer(answer.unwrap_or(Answer::Nothing));
        }
        let text = |target: &Target| format!("{} {}", target.transport.via(), target.address);
        (lookup.targets().iter().map(text).collect(), asked)
    }

    fn targets(&self, uri: &str) -> Vec<String> {
        self.walk(wanted(uri), &ALL, 1).0
    }
}

fn srv((priority, weight, port, target): (u16, u16, u16, &str)) -> Srv {
    Srv { priority, weight, port, target: target.into() }
}

fn wanted(uri: &str) -> Wanted {
    Wanted::of(&uri.parse().unwrap()).unwrap()
}

#[test]
fn a_number_is_a_target_without_a_question() {
    let zone = Zone::default();
    let cases = [
        ("sip:a@192.0.2.1", "UDP 192.0.2.1:5060"),
        ("sip:a@192.0.2.1:5080", "UDP 192.0.2.1:5080"),
        ("sip:a@192.0.2.1;transport=tcp", "TCP 192.0.2.1:5060"),
        ("sip:a@192.0.2.1;transport=tls", "TLS 192.0.2.1:5061"),
        ("sips:a@192.0.2.1", "TLS 192.0.2.1:5061"),
        ("sips:a@192.0.2.1;transport=tcp", "TLS 192.0.2.1:5061"),
        ("sip:a@[2001:db8::1]", "UDP [2001:db8::1]:5060"),
        ("sip:a@example.cn;maddr=192.0.2.9", "UDP 192.0.2.9:5060"),
    ];
    for (uri, target) in cases {
        let (targets, asked) = zone.walk(wanted(uri), &ALL, 1);
        assert_eq!((targets, asked), (vec![target.to_owned()], vec![]), "{uri}");
    }
}

#[test]
fn a_transport_that_we_do_not_serve_is_no_target() {
    let zone = Zone::default().at("example.cn", &["192.0.2.1"]);
    for uri in ["sip:a@192.0.2.1;transport=tls", "sip:a@example.cn:5061;transport=tls", "sips:a@example.cn"] {
        assert_eq!(zone.walk(wanted(uri), &[Transport::Udp], 1).0, Vec::<String>::new(), "{uri}");
    }
}

#[test]
fn a_port_goes_straight_to_the_addresses() {
    let zone = Zone::default()
        .at("example.cn", &["192.0.2.1", "2001:db8::1"])
        .srv("_sip._udp.example.cn", &[(0, 0, 9999, "other.example.cn")]);
    let (targets, asked) = zone.walk(wanted("sip:a@example.cn:5070"), &ALL, 1);
    assert_eq!(targets, ["UDP 192.0.2.1:5070", "UDP [2001:db8::1]:5070"]);
    assert_eq!(asked, [Ask::Addresses("example.cn".into())]);
    assert_eq!(zone.targets("sips:a@example.cn:5070"), ["TLS 192.0.2.1:5070", "TLS [2001:db8::1]:5070"]);
}

#[test]
fn a_transport_asks_for_its_srv_and_falls_back_to_the_name() {
    let zone = Zone::default()
        .at("example.cn", &["192.0.2.1"])
        .at("sbc.example.cn", &["192.0.2.2"])
        .srv("_sip._tcp.example.cn", &[(0, 0, 5070, "sbc.example.cn")]);
    assert_eq!(zone.targets("sip:a@example.cn;transport=tcp"), ["TCP 192.0.2.2:5070"]);
    assert_eq!(zone.targets("sip:a@example.cn;transport=tls"), ["TLS 192.0.2.1:5061"]);
}

#[test]
fn naptr_chooses_the_transport_by_order_then_preference() {
    // RFC 3263 §4.1's own example, with a TLS record of a higher order that is not looked at.
    let zone = Zone::default()
        .naptr(
            "example.cn",
            &[
                (60, 50, "s", "SIPS+D2T", "_sips._tcp.example.cn"),
                (50, 70, "s", "SIP+D2U", "_sip._udp.example.cn"),
                (50, 50, "S", "sip+d2t", "_sip._tcp.example.cn"),
                (10, 10, "s", "SIP+D2X", "_sip._x.example.cn"),
                (10, 10, "u", "SIP+D2T", "!^.*$!sip:x@y!"),
            ],
        )
        .srv("_sip._tcp.example.cn", &[(0, 1, 5060, "one.example.cn"), (1, 1, 5060, "two.example.cn")])
        .srv("_sip._udp.example.cn", &[(0, 1, 5060, "two.example.cn")])
        .at("one.example.cn", &["192.0.2.1"])
        .at("two.example.cn", &["192.0.2.2"]);
    assert_eq!(
        zone.targets("sip:a@example.cn"),
        ["TCP 192.0.2.1:5060", "TCP 192.0.2.2:5060", "UDP 192.0.2.2:5060"]
    );
    // A sips URI takes TLS alone, whatever its order.
    let zone =
        zone.srv("_sips._tcp.example.cn", &[(0, 0, 5061, "one.example.cn")]).at("example.cn", &["192.0.2.3"]);
    assert_eq!(zone.targets("sips:a@example.cn"), ["TLS 192.0.2.1:5061"]);
}

#[test]
fn without_naptr_every_transport_we_serve_is_asked_for_in_our_order() {
    let zone = Zone::default()
        .srv("_sip._udp.example.cn", &[(0, 0, 5060, "one.example.cn")])
        .srv("_sips._tcp.example.cn", &[(0, 0, 5061, "one.example.cn")])
        .at("one.example.cn", &["192.0.2.1"]);
    let both = [Transport::Tls, Transport::Udp];
    let (targets, asked) = zone.walk(wanted("sip:a@example.cn"), &both, 1);
    assert_eq!(targets, ["TLS 192.0.2.1:5061", "UDP 192.0.2.1:5060"]);
    assert_eq!(asked[0], Ask::Naptr("example.cn".into()));
    assert_eq!(zone.targets("sips:a@example.cn"), ["TLS 192.0.2.1:5061"]);
}

#[test]
fn a_name_with_nothing_but_addresses_is_reached_over_udp_and_one_with_nothing_is_not() {
    let zone = Zone::default().at("example.cn", &["192.0.2.1"]);
    assert_eq!(zone.targets("sip:a@example.cn"), ["UDP 192.0.2.1:5060"]);
    assert_eq!(zone.targets("sips:a@example.cn"), ["TLS 192.0.2.1:5061"]);
    assert_eq!(zone.targets("sip:a@nowhere.cn"), Vec::<String>::new());
}

#[test]
fn a_lone_dot_says_that_the_service_is_not_offered() {
    let zone = Zone::default().srv("_sip._udp.example.cn", &[(0, 0, 0, ".")]);
    assert_eq!(zone.targets("sip:a@example.cn;transport=udp"), Vec::<String>::new());
}

#[test]
fn the_name_that_a_certificate_must_show_is_the_one_asked_for() {
    let mut lookup = Lookup::new(wanted("sip:a@example.cn;transport=tls"), &ALL, 1);
    assert_eq!(lookup.ask(), Some(Ask::Srv("_sips._tcp.example.cn".into())));
    lookup.answer(Answer::Srv(vec![srv((0, 0, 5061, "host7.provider.net"))]));
    lookup.answer(Answer::Addresses(vec!["192.0.2.7".parse().unwrap()]));
    assert_eq!(&*lookup.targets()[0].name, "example.cn");
}

#[test]
fn weights_share_the_first_place_and_priorities_are_never_crossed() {
    let zone = Zone::default()
        .srv(
            "_sip._udp.example.cn",
            &[
                (10, 60, 5060, "a.example.cn"),
                (10, 30, 5060, "b.example.cn"),
                (10, 10, 5060, "c.example.cn"),
                (10, 0, 5060, "z.example.cn"),
                (20, 65_535, 5060, "backup.example.cn"),
            ],
        )
        .at("a.example.cn", &["192.0.2.1"])
        .at("b.example.cn", &["192.0.2.2"])
        .at("c.example.cn", &["192.0.2.3"])
        .at("z.example.cn", &["192.0.2.4"])
        .at("backup.example.cn", &["192.0.2.9"]);
    let mut first: HashMap<String, u32> = HashMap::new();
    for random in 0..10_000 {
        let (targets, _) = zone.walk(wanted("sip:a@example.cn;transport=udp"), &ALL, random);
        assert_eq!(targets.len(), 5);
        assert_eq!(targets[4], "UDP 192.0.2.9:5060", "the backup is last");
        *first.entry(targets[0].clone()).or_default() += 1;
    }
    let share = |host: &str| first.get(&format!("UDP 192.0.2.{host}:5060")).copied().unwrap_or(0);
    assert!((5_800..6_200).contains(&share("1")), "{first:?}");
    assert!((2_800..3_200).contains(&share("2")), "{first:?}");
    assert!((800..1_200).contains(&share("3")), "{first:?}");
    assert!((20..300).contains(&share("4")), "weight 0 has a small chance: {first:?}");
    // The same number gives the same order.
    let walk = |random| zone.walk(wanted("sip:a@example.cn;transport=udp"), &ALL, random).0;
    assert_eq!(walk(7), walk(7));
}
