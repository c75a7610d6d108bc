use std::collections::HashMap;

use model::TenantId;
use model::say::{CalendarDate, Decimal};

use super::*;

/// The texts of the built-in prompts, from their manifest.
fn texts(language: Language) -> HashMap<String, String> {
    let manifest = include_str!("../../../../prompts/manifest.toml");
    let key = match language {
        Language::Zh => "zh",
        Language::En => "en",
    };
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""))?;
        line.strip_suffix('"').map(str::to_owned)
    };
    let blocks = manifest.split("[[prompt]]").skip(1);
    blocks.filter_map(|block| Some((value(block, "id")?, value(block, key)?))).collect()
}

/// What is heard: the words of the atoms, in Chinese without blanks; «，» and «, » where there is a pause.
fn read(atoms: &[Atom], language: Language) -> String {
    let texts = texts(language);
    let mut words = Vec::new();
    for atom in atoms {
        words.push(match atom {
            Atom::Word(id) => {
                texts.get(*id).unwrap_or_else(|| panic!("no text of {id} in {language:?}")).clone()
            }
            Atom::Prompt(name) => format!("[{name}]"),
            Atom::Silence(60) => continue,
            Atom::Silence(200) => "，".to_owned(),
            Atom::Silence(ms) => format!("({ms} ms)"),
            Atom::Tone(tone) => format!("({tone:?})"),
            Atom::Recorded(recording, _) => format!("recorded {recording}"),
        });
    }
    match language {
        Language::Zh => words.concat(),
        Language::En => words.join(" ").replace(" ，", ","),
    }
}

fn say(item: SayItem, language: Language) -> String {
    read(&atoms(&[item], language, DigitOne::Yao), language)
}

fn zh(item: SayItem) -> String {
    say(item, Language::Zh)
}

fn en(item: SayItem) -> String {
    say(item, Language::En)
}

/// The item that a line of a table is about.
fn item(kind: &str, value: &str) -> SayItem {
    let decimal = || value.parse::<Decimal>().unwrap();
    match kind {
        "number" => SayItem::Number(value.parse().unwrap()),
        "ordinal" => SayItem::Ordinal(value.parse().unwrap()),
        "decimal" => SayItem::Decimal(decimal()),
        "percent" => SayItem::Percent(decimal()),
        "money" => SayItem::Money(decimal().hundredths().unwrap()),
        "date" => SayItem::Date(value.parse().unwrap()),
        "weekday" => SayItem::Weekday(value.parse::<CalendarDate>().unwrap().weekday()),
        "time" => SayItem::Time(value.parse().unwrap()),
        "duration" => SayItem::Duration(Duration::from_secs(value.parse().unwrap())),
        "position" => SayItem::QueuePosition(value.parse().unwrap()),
        "digits" => SayItem::Digits(value.to_owned()),
        other => panic!("no kind {other}"),
    }
}

/// Each line is a kind, a value and how it is read, by programs that share nothing with this one: cn2an and num2words
/// for numbers, by hand the places of 两, 零, 幺 and the parts of the day.
#[test]
fn two_hundred_values_of_each_kind_are_read_as_people_read_them() {
    let tables =
        [(Language::Zh, include_str!("tables/zh.tsv")), (Language::En, include_str!("tables/en.tsv"))];
    for (language, table) in tables {
        let mut counts: HashMap<&str, u32> = HashMap::new();
        let wrong: Vec<String> = table
            .lines()
            .filter_map(|line| {
                let [kind, value, wanted] = line.split('\t').collect::<Vec<_>>()[..] else {
                    panic!("{line}")
                };
                *counts.entry(kind).or_default() += 1;
                let read = say(item(kind, value), language);
                (read != wanted).then(|| format!("{kind} {value}: {read}, not {wanted}"))
            })
            .collect();
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(30)].join("\n"));
        assert!(counts.len() == 11 && counts.values().all(|count| *count == 200), "{counts:?}");
    }
}

#[test]
fn one_is_yi_where_an_operator_wants_it() {
    let code = [SayItem::Digits("1101".to_owned())];
    for (one, wanted) in [(DigitOne::Yao, "幺幺零幺"), (DigitOne::Yi, "一一零一")] {
        assert_eq!(read(&atoms(&code, Language::Zh, one), Language::Zh), wanted);
    }
    assert_eq!(zh(SayItem::Number(11)), "十一");
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
        atoms(&items, Language::Zh, DigitOne::Yao),
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
fn english_knows_one_from_many_and_says_the_largest_numbers() {
    for (number, words) in [
        (-1, "minus one"),
        (
            i64::MAX,
            "nine quintillion two hundred twenty three quadrillion three hundred seventy two trillion thirty \
                    six billion eight hundred fifty four million seven hundred seventy five thousand eight hundred seven",
        ),
    ] {
        assert_eq!(en(SayItem::Number(number)), words, "{number}");
    }
    for (seconds, words) in
        [(59, "less than one minute."), (60, "about one minute"), (61, "about two minutes")]
    {
        let wait = en(SayItem::ExpectedWait(Duration::from_secs(seconds)));
        assert_eq!(wait, format!("Your estimated waiting time is {words}"));
    }
    assert_eq!(en(SayItem::AgentNumber("81".to_owned())), "Agent number eight one is at your service.");
}
