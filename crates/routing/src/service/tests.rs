use super::*;

fn kind(number: &str) -> Option<DestinationKind> {
    Destination::of_number(number, Some("010")).kind
}

#[test]
fn numbers_have_the_kind_by_which_they_are_charged() {
    use DestinationKind::*;
    let table = [
        ("13800138000", Some(Mobile)),
        ("013800138000", Some(Mobile)),
        ("+8613800138000", Some(Mobile)),
        ("65551234", Some(Local)),
        ("01065551234", Some(Local)),
        ("0755-28780808", Some(National)),
        ("4008001234", Some(National)),
        ("95588", Some(Local)),
        ("12315", Some(Local)),
        ("0085221234567", Some(International)),
        ("+12125550123", Some(International)),
        ("0088612345678", Some(International)),
        ("16812345", Some(Premium)),
        ("01016812345", Some(Premium)),
        ("16012345", Some(Premium)),
        ("16812345678", Some(Mobile)),
        ("8001", Some(Internal)),
        ("179510085221234567", None),
        ("sales", None),
        ("", None),
    ];
    for (number, expected) in table {
        assert_eq!(kind(number), expected, "{number}");
    }
}

fn permits(class: &ClassOfService, number: &str, facts: OutboundFacts) -> Option<Barred> {
    match class.permits(&Destination::of_number(number, Some("010")), &facts) {
        Verdict::Permitted => None,
        Verdict::Barred(barred) => Some(barred),
    }
}

#[test]
fn the_usual_class_calls_at_home_and_neither_abroad_nor_premium_numbers() {
    let (usual, facts) = (ClassOfService::usual(), OutboundFacts::default());
    for number in ["13800138000", "65551234", "075528780808", "4008001234", "110", "120"] {
        assert_eq!(permits(&usual, number, facts), None, "{number}");
    }
    for (number, barred) in
        [("0085221234567", Barred::Kind), ("16812345", Barred::Kind), ("179510085221234567", Barred::Number)]
    {
        assert_eq!(permits(&usual, number, facts), Some(barred), "{number}");
    }
}

#[test]
fn beginnings_of_numbers_go_before_kinds_and_denials_before_all() {
    let class = ClassOfService {
        allow: vec![DestinationKind::Local],
        allow_numbers: vec!["00852".into()],
        deny_numbers: vec!["008526".into()],
        ..ClassOfService::usual()
    };
    let facts = OutboundFacts::default();
    assert_eq!(permits(&class, "0085221234567", facts), None);
    assert_eq!(permits(&class, "0085261234567", facts), Some(Barred::Number));
    assert_eq!(permits(&class, "13800138000", facts), Some(Barred::Kind));
}

#[test]
fn caps_and_hours_bar_but_never_an_emergency_call() {
    let class = ClassOfService {
        allow: Vec::new(),
        allow_numbers: vec!["138".into()],
        max_calls: Some(2),
        calls_per_hour: Some(10),
        calls_per_day: Some(50),
        hours: Some(Hours {
            days: [true, true, true, true, true, false, false],
            from: 8 * 60,
            until: 20 * 60,
        }),
        ..ClassOfService::usual()
    };
    let day = OutboundFacts { minute_of_week: 9 * 60, ..OutboundFacts::default() };
    let table = [
        (day, None),
        (OutboundFacts { calls: 2, ..day }, Some(Barred::Calls)),
        (OutboundFacts { last_hour: 10, ..day }, Some(Barred::Hourly)),
        (OutboundFacts { last_day: 50, ..day }, Some(Barred::Daily)),
        (OutboundFacts { minute_of_week: 7 * 60 + 59, ..day }, Some(Barred::Hours)),
        (OutboundFacts { minute_of_week: 5 * DAY + 9 * 60, ..day }, Some(Barred::Hours)),
    ];
    for (facts, barred) in table {
        assert_eq!(permits(&class, "13800138000", facts), barred, "{facts:?}");
        assert_eq!(permits(&class, "110", facts), None);
    }
}

#[test]
fn hours_over_midnight_belong_to_the_day_they_began_on() {
    let friday_night =
        Hours { days: [false, false, false, false, true, false, false], from: 22 * 60, until: 6 * 60 };
    let minute = |day: u16, hour: u16| day * DAY + hour * 60;
    assert!(friday_night.contain(minute(4, 23)) && friday_night.contain(minute(5, 5)));
    assert!(!friday_night.contain(minute(4, 5)) && !friday_night.contain(minute(5, 6)));
    assert!(!friday_night.contain(minute(5, 23)));
    let always = Hours { days: [true; 7], from: 0, until: 0 };
    assert!((0..7 * DAY).all(|minute| always.contain(minute)));
}
