//! Owns Chinese figures: cardinals, amounts, days, times. Does not own digit strings (see [`super`]).

use model::say::{CalendarDate, Decimal, SayItem, TimeOfDay, Weekday};

use super::{DIGITS, Unit, minutes, parts, signed};

/// The words of a figure; none for what is no figure.
pub(super) fn figure(item: &SayItem) -> Vec<&'static str> {
    match item {
        SayItem::Number(number) => signed(*number < 0, cardinal(number.unsigned_abs())),
        SayItem::Ordinal(number) => [vec!["ordinal"], cardinal(u64::from(*number))].concat(),
        SayItem::Decimal(decimal) => signed(decimal.is_negative(), unsigned(*decimal)),
        SayItem::Percent(decimal) => {
            signed(decimal.is_negative(), [vec!["percent"], unsigned(*decimal)].concat())
        }
        SayItem::Money(fen) => signed(*fen < 0, money(fen.unsigned_abs())),
        SayItem::Date(date) => day(*date),
        SayItem::Weekday(weekday) => vec!["xingqi", name_of(*weekday)],
        SayItem::Time(time) => clock(*time),
        SayItem::Duration(length) => parts(*length).into_iter().flat_map(span).collect(),
        SayItem::QueuePosition(0) => vec!["q_next"],
        SayItem::QueuePosition(ahead) => {
            [vec!["q_pos_pre"], counted(u64::from(*ahead)), vec!["q_pos_post"]].concat()
        }
        SayItem::ExpectedWait(wait) => match minutes(*wait) {
            Some(minutes) => [vec!["q_ewt_pre"], counted(minutes), vec!["fenzhong"]].concat(),
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

/// 十二点五
fn unsigned(decimal: Decimal) -> Vec<&'static str> {
    let mut words = cardinal(decimal.integer());
    let mut decimals = decimal.decimals().peekable();
    if decimals.peek().is_some() {
        words.push("dot");
        words.extend(decimals.map(|digit| DIGITS[usize::from(digit)]));
    }
    words
}

/// 一百零二元零五分, 两元, 五角, 三角二分: two is 两 where nothing smaller was said.
fn money(fen: u64) -> Vec<&'static str> {
    let (yuan, jiao, rest) = (fen / 100, fen / 10 % 10, fen % 10);
    let mut words = Vec::new();
    if yuan > 0 || fen == 0 {
        words.extend(counted(yuan));
        words.push("yuan");
    }
    if jiao > 0 {
        words.extend(counted(jiao));
        words.push("jiao");
    }
    if rest > 0 {
        if yuan > 0 && jiao == 0 {
            words.push(DIGITS[0]);
        }
        words.extend(if words.is_empty() { counted(rest) } else { cardinal(rest) });
        words.push("fen");
    }
    words
}

/// 二零二六年十一月二日
fn day(date: CalendarDate) -> Vec<&'static str> {
    let year = date.year().to_string();
    let mut words: Vec<_> = year.bytes().map(|digit| DIGITS[usize::from(digit - b'0')]).collect();
    words.push("nian");
    words.extend(cardinal(u64::from(date.month())));
    words.push("yue");
    words.extend(cardinal(u64::from(date.day())));
    words.push("ri");
    words
}

fn name_of(weekday: Weekday) -> &'static str {
    match weekday.number() {
        7 => "tian",
        number => DIGITS[usize::from(number)],
    }
}

/// 下午两点半, 上午九点零五分, 凌晨零点整
fn clock(time: TimeOfDay) -> Vec<&'static str> {
    let part = match time.hour() {
        0..=5 => "lingchen",
        6..=11 => "shangwu",
        12 => "zhongwu",
        13..=17 => "xiawu",
        _ => "wanshang",
    };
    let hour = if time.hour() > 12 { time.hour() - 12 } else { time.hour() };
    let mut words = vec![part];
    words.extend(counted(u64::from(hour)));
    words.push("dot");
    match time.minute() {
        0 => words.push("zheng"),
        30 => words.push("ban"),
        minute => {
            if minute < 10 {
                words.push(DIGITS[0]);
            }
            words.extend(cardinal(u64::from(minute)));
            words.push("fen");
        }
    }
    words
}

/// 两小时
fn span((count, unit): (u64, Unit)) -> Vec<&'static str> {
    let mut words = counted(count);
    words.push(match unit {
        Unit::Day => "tian",
        Unit::Hour => "xiaoshi",
        Unit::Minute => "fenzhong",
        Unit::Second => "miao",
    });
    words
}

/// 1001 = 一千零一; 10 = 十, but 110 = 一百一十; 2000 = 两千, 200 = 二百.
fn cardinal(number: u64) -> Vec<&'static str> {
    let mut words = Vec::new();
    if number == 0 {
        words.push(DIGITS[0]);
    } else {
        append(number, Place::First, &mut words);
    }
    words
}

/// A number before a measure word: exactly two is 两.
fn counted(number: u64) -> Vec<&'static str> {
    if number == 2 { vec![LIANG] } else { cardinal(number) }
}

const LIANG: &str = "d2l";

/// Whether something larger was said before.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    First,
    Behind,
}

/// `number` above 0, by powers of ten thousand.
fn append(number: u64, place: Place, words: &mut Vec<&'static str>) {
    for (unit, word) in [(100_000_000, "n1e8"), (10_000, "n10000")] {
        if number < unit {
            continue;
        }
        match number / unit {
            2 => words.push(LIANG),
            high => append(high, place, words),
        }
        words.push(word);
        let rest = number % unit;
        if rest > 0 {
            if rest < unit / 10 {
                words.push(DIGITS[0]);
            }
            append(rest, Place::Behind, words);
        }
        return;
    }
    below_ten_thousand(number, place, words);
}

fn below_ten_thousand(number: u64, place: Place, words: &mut Vec<&'static str>) {
    let mut rest = number;
    let mut said = false;
    let mut zero = false;
    for (unit, word) in [(1_000, "n1000"), (100, "n100"), (10, "n10"), (1, "")] {
        let digit = (rest / unit) as usize;
        rest %= unit;
        if digit == 0 {
            zero |= said;
            continue;
        }
        if std::mem::take(&mut zero) {
            words.push(DIGITS[0]);
        }
        match (unit, digit) {
            (1_000, 2) => words.push(LIANG),
            (10, 1) if place == Place::First && !said => {}
            _ => words.push(DIGITS[digit]),
        }
        if unit > 1 {
            words.push(word);
        }
        said = true;
    }
}
