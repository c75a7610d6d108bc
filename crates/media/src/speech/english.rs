//! Owns English figures: cardinals, amounts, days, times, the American way («one hundred two»). Does not own digit
//! strings (see [`super`]).

use model::say::{CalendarDate, Decimal, SayItem, TimeOfDay};

use super::{DIGITS, Unit, minutes, parts, signed};

/// The words of a figure; none for what is no figure.
pub(super) fn figure(item: &SayItem) -> Vec<&'static str> {
    match item {
        SayItem::Number(number) => signed(*number < 0, cardinal(number.unsigned_abs())),
        SayItem::Ordinal(number) => [vec!["ordinal"], cardinal(u64::from(*number))].concat(),
        SayItem::Decimal(decimal) => signed(decimal.is_negative(), unsigned(*decimal)),
        SayItem::Percent(decimal) => {
            signed(decimal.is_negative(), [unsigned(*decimal), vec!["percent"]].concat())
        }
        SayItem::Money(fen) => signed(*fen < 0, money(fen.unsigned_abs())),
        SayItem::Date(date) => day(*date),
        SayItem::Weekday(weekday) => vec![WEEKDAYS[usize::from(weekday.number()) - 1]],
        SayItem::Time(time) => clock(*time),
        SayItem::Duration(length) => parts(*length).into_iter().flat_map(span).collect(),
        SayItem::QueuePosition(0) => vec!["q_next"],
        SayItem::QueuePosition(ahead) => {
            [vec!["q_pos_pre"], cardinal(u64::from(*ahead)), vec!["q_pos_post"]].concat()
        }
        SayItem::ExpectedWait(wait) => match minutes(*wait) {
            Some(minutes) => [vec!["q_ewt_pre"], span((minutes, Unit::Minute))].concat(),
            None => vec!["q_ewt_lt1"],
        },
        SayItem::Prompt(_)
        | SayItem::Digits(_)
        | SayItem::AgentNumber(_)
        | SayItem::Recorded { .. }
        | SayItem::Pause(_)
        | SayItem::Tone(_) => Vec::new(),
    }
}

/// 1,234,567 is «one million two hundred thirty four thousand five hundred sixty seven».
fn cardinal(number: u64) -> Vec<&'static str> {
    let mut words = Vec::new();
    let mut rest = number;
    for (unit, word) in THOUSANDS {
        if rest >= unit {
            below_thousand(rest / unit, &mut words);
            words.push(word);
            rest %= unit;
        }
    }
    if rest > 0 || number == 0 {
        below_thousand(rest, &mut words);
    }
    words
}

fn below_thousand(number: u64, words: &mut Vec<&'static str>) {
    let mut rest = number as usize;
    if rest >= 100 {
        words.extend([DIGITS[rest / 100], "n100"]);
        rest %= 100;
        if rest == 0 {
            return;
        }
    }
    match rest {
        0..=9 => words.push(DIGITS[rest]),
        10..=19 => words.push(TEENS[rest - 10]),
        _ => {
            words.push(TENS[rest / 10 - 2]);
            if !rest.is_multiple_of(10) {
                words.push(DIGITS[rest % 10]);
            }
        }
    }
}

/// «twelve point five»
fn unsigned(decimal: Decimal) -> Vec<&'static str> {
    let mut words = cardinal(decimal.integer());
    let mut decimals = decimal.decimals().peekable();
    if decimals.peek().is_some() {
        words.push("dot");
        words.extend(decimals.map(|digit| DIGITS[usize::from(digit)]));
    }
    words
}

/// «one hundred two point zero five yuan», «two yuan»
fn money(fen: u64) -> Vec<&'static str> {
    let mut words = cardinal(fen / 100);
    if !fen.is_multiple_of(100) {
        words.extend(["dot", DIGITS[(fen / 10 % 10) as usize], DIGITS[(fen % 10) as usize]]);
    }
    words.push("yuan");
    words
}

/// «November second twenty twenty six»
fn day(date: CalendarDate) -> Vec<&'static str> {
    let mut words = vec![MONTHS[usize::from(date.month()) - 1]];
    match usize::from(date.day()) {
        day @ 1..=20 => words.push(ORDINALS[day - 1]),
        day @ 21..=29 => words.extend([TENS[0], ORDINALS[day - 21]]),
        30 => words.push("o30"),
        _ => words.extend([TENS[1], ORDINALS[0]]),
    }
    words.extend(year(u64::from(date.year())));
    words
}

/// 1905 «nineteen oh five», 2000 «two thousand», 2026 «twenty twenty six».
fn year(year: u64) -> Vec<&'static str> {
    let (century, rest) = (year / 100, year % 100);
    if century.is_multiple_of(10) && rest < 10 || century == 0 {
        return cardinal(year);
    }
    let mut words = cardinal(century);
    match rest {
        0 => words.push("n100"),
        1..=9 => words.extend(["oh", DIGITS[rest as usize]]),
        _ => words.extend(cardinal(rest)),
    }
    words
}

/// «nine oh five a.m.», «twelve noon»
fn clock(time: TimeOfDay) -> Vec<&'static str> {
    let mut words = cardinal(u64::from((time.hour() + 11) % 12 + 1));
    match time.minute() {
        0 => {}
        minute @ 1..=9 => words.extend(["oh", DIGITS[usize::from(minute)]]),
        minute => words.extend(cardinal(u64::from(minute))),
    }
    words.push(match (time.hour(), time.minute()) {
        (12, 0) => "zhongwu",
        (0..=11, _) => "shangwu",
        _ => "xiawu",
    });
    words
}

/// «one hour», «two hours»
fn span((count, unit): (u64, Unit)) -> Vec<&'static str> {
    let mut words = cardinal(count);
    words.push(match (unit, count) {
        (Unit::Day, 1) => "day",
        (Unit::Day, _) => "days",
        (Unit::Hour, 1) => "hour",
        (Unit::Hour, _) => "xiaoshi",
        (Unit::Minute, 1) => "minute",
        (Unit::Minute, _) => "fenzhong",
        (Unit::Second, 1) => "second",
        (Unit::Second, _) => "miao",
    });
    words
}

const THOUSANDS: [(u64, &str); 6] = [
    (1_000_000_000_000_000_000, "n1e18"),
    (1_000_000_000_000_000, "n1e15"),
    (1_000_000_000_000, "n1e12"),
    (1_000_000_000, "n1e9"),
    (1_000_000, "n1e6"),
    (1_000, "n1000"),
];

const TEENS: [&str; 10] = ["n10", "n11", "n12", "n13", "n14", "n15", "n16", "n17", "n18", "n19"];

const TENS: [&str; 8] = ["n20", "n30", "n40", "n50", "n60", "n70", "n80", "n90"];

const ORDINALS: [&str; 20] = [
    "o1", "o2", "o3", "o4", "o5", "o6", "o7", "o8", "o9", "o10", "o11", "o12", "o13", "o14", "o15", "o16",
    "o17", "o18", "o19", "o20",
];

const MONTHS: [&str; 12] = [
    "month1", "month2", "month3", "month4", "month5", "month6", "month7", "month8", "month9", "month10",
    "month11", "month12",
];

const WEEKDAYS: [&str; 7] = ["w1", "w2", "w3", "w4", "w5", "w6", "w7"];
