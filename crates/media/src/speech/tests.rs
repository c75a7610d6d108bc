use model::TenantId;

use super::*;

/// The Chinese characters of a list of atoms.
fn read(atoms: &[Atom]) -> String {
    let word = |id: &str| {
        let all = [
            ("d0", "零"),
            ("d1y", "幺"),
            ("d1", "一"),
            ("d2", "二"),
            ("d2l", "两"),
            ("d3", "三"),
            ("d4", "四"),
            ("d5", "五"),
            ("d6", "六"),
            ("d7", "七"),
            ("d8", "八"),
            ("d9", "九"),
            ("n10", "十"),
            ("n100", "百"),
            ("n1000", "千"),
            ("n10000", "万"),
            ("n1e8", "亿"),
            ("minus", "负"),
            ("fenzhong", "分钟"),
            ("q_pos_pre", "您前面还有"),
            ("q_pos_post", "位客户在等待。"),
            ("q_next", "您是下一位，请稍候。"),
            ("q_ewt_pre", "预计等待时间约为"),
            ("q_ewt_lt1", "预计等待时间不到一分钟。"),
            ("agent_pre", "工号"),
            ("agent_post", "为您服务。"),
        ];
        all.iter()
            .find(|(known, _)| *known == id)
            .map_or_else(|| format!("<{id}>"), |(_, text)| (*text).to_owned())
    };
    atoms
        .iter()
        .map(|atom| match atom {
            Atom::Word(id) => word(id),
            Atom::Prompt(name) => format!("[{name}]"),
            Atom::Silence(60) => String::new(),
            Atom::Silence(200) => "，".to_owned(),
            Atom::Silence(ms) => format!("({ms} ms)"),
            Atom::Tone(tone) => format!("({tone:?})"),
        })
        .collect()
}

fn zh(item: SayItem) -> String {
    read(&atoms(&[item], Language::Zh))
}

fn en(item: SayItem) -> Vec<&'static str> {
    atoms(&[item], Language::En)
        .into_iter()
        .filter_map(|atom| if let Atom::Word(id) = atom { Some(id) } else { None })
        .collect()
}

#[test]
fn cardinals_are_read_as_chinese_reads_them() {
    for (number, text) in [
        (0, "零"),
        (1, "一"),
        (2, "二"),
        (9, "九"),
        (10, "十"),
        (11, "十一"),
        (12, "十二"),
        (19, "十九"),
        (20, "二十"),
        (22, "二十二"),
        (99, "九十九"),
        (100, "一百"),
        (101, "一百零一"),
        (110, "一百一十"),
        (111, "一百一十一"),
        (200, "二百"),
        (210, "二百一十"),
        (1_000, "一千"),
        (1_001, "一千零一"),
        (1_010, "一千零一十"),
        (1_100, "一千一百"),
        (2_000, "两千"),
        (2_202, "两千二百零二"),
        (10_000, "一万"),
        (10_001, "一万零一"),
        (10_010, "一万零一十"),
        (10_100, "一万零一百"),
        (11_000, "一万一千"),
        (20_000, "两万"),
        (100_000, "十万"),
        (110_000, "十一万"),
        (120_003, "十二万零三"),
        (1_000_000, "一百万"),
        (10_000_000, "一千万"),
        (100_000_000, "一亿"),
        (100_010_000, "一亿零一万"),
        (100_100_000, "一亿零一十万"),
        (110_000_001, "一亿一千万零一"),
        (200_000_000, "两亿"),
        (700_007_041, "七亿零七千零四十一"),
        (1_000_000_000_000, "一万亿"),
        (-3, "负三"),
        (i64::MIN, "负九百二十二亿三千三百七十二万零三百六十八亿五千四百七十七万五千八百零八"),
    ] {
        assert_eq!(zh(SayItem::Number(number)), text, "{number}");
    }
}

#[test]
fn digit_strings_say_yao_and_pause_between_the_groups_of_telephone_numbers() {
    for (digits, text) in [
        ("8001", "八零零幺"),
        ("13800138000", "幺三八，零零幺三，八零零零"),
        ("4008001234", "四零零，八零零，幺二三四"),
        ("01062345678", "零幺零，六二三四，五六七八"),
        ("02162345678", "零二幺，六二三四，五六七八"),
        ("07551234567", "零七五五，幺二三，四五六七"),
        ("075512345678", "零七五五，幺二三四，五六七八"),
        ("138-0013-8000", "幺三八，零零幺三，八零零零"),
        ("１２", "幺二"),
        ("+86#", "八六"),
        ("", ""),
        ("工号", ""),
    ] {
        assert_eq!(zh(SayItem::Digits(digits.to_owned())), text, "{digits}");
    }
}

#[test]
fn positions_and_waits_use_liang_only_for_exactly_two() {
    assert_eq!(zh(SayItem::QueuePosition(0)), "您是下一位，请稍候。");
    for (ahead, text) in [(1, "一"), (2, "两"), (12, "十二"), (22, "二十二"), (102, "一百零二")] {
        assert_eq!(zh(SayItem::QueuePosition(ahead)), format!("您前面还有{text}位客户在等待。"));
    }
    for (wait_ms, text) in
        [(60_000, "一"), (60_001, "两"), (61_000, "两"), (120_000, "两"), (120_500, "三"), (719_000, "十二")]
    {
        let wait = SayItem::ExpectedWait(Duration::from_millis(wait_ms));
        assert_eq!(zh(wait), format!("预计等待时间约为{text}分钟"), "{wait_ms} ms");
    }
    for wait_ms in [0, 59_999] {
        assert_eq!(zh(SayItem::ExpectedWait(Duration::from_millis(wait_ms))), "预计等待时间不到一分钟。");
    }
}

#[test]
fn an_agents_number_is_announced_digit_by_digit() {
    assert_eq!(zh(SayItem::AgentNumber("1001".to_owned())), "工号幺零零幺为您服务。");
}

#[test]
fn words_of_a_phrase_have_a_joint_and_items_keep_their_order() {
    let prompt = PromptName::new(&TenantId::default(), "welcome");
    let items =
        [SayItem::Prompt(prompt), SayItem::Pause(250), SayItem::Number(12), SayItem::Tone(Tone::Beep)];
    assert_eq!(
        atoms(&items, Language::Zh),
        [
            Atom::Prompt(Arc::from("welcome")),
            Atom::Silence(250),
            Atom::Word("n10"),
            Atom::Silence(60),
            Atom::Word("d2"),
            Atom::Tone(Tone::Beep),
        ]
    );
}

#[test]
fn english_says_what_its_atoms_can_say() {
    for (number, words) in [
        (0, &["d0"][..]),
        (7, &["d7"]),
        (10, &["n10"]),
        (12, &["d1", "d2"]),
        (300, &["d3", "n100"]),
        (2_000, &["d2", "n1000"]),
        (-1, &["minus", "d1"]),
        (9_999, &["d9", "d9", "d9", "d9"]),
    ] {
        assert_eq!(en(SayItem::Number(number)), words, "{number}");
    }
    assert_eq!(en(SayItem::QueuePosition(2)), ["q_pos_pre", "d2", "q_pos_post"]);
    assert_eq!(en(SayItem::Digits("81".to_owned())), ["d8", "d1"]);
}
