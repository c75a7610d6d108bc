//! Owns Chinese cardinals. Does not own digit strings (see [`super`]).

use super::DIGITS;

/// 1001 = 一千零一; 10 = 十, but 110 = 一百一十; 2000 = 两千, 200 = 二百.
pub(super) fn cardinal(number: u64) -> Vec<&'static str> {
    let mut words = Vec::new();
    if number == 0 {
        words.push(DIGITS[0]);
    } else {
        append(number, Place::First, &mut words);
    }
    words
}

/// A number before a measure word: exactly two is 两.
pub(super) fn counted(number: u64) -> Vec<&'static str> {
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
