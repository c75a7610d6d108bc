//! Owns English numbers as far as the recorded atoms go. Does not own digit strings (see [`super`]).

use super::DIGITS;

/// 0–10 and round hundreds and thousands as words («three hundred»); others digit by digit, for which every atom
/// exists («one two» for 12).
pub(super) fn cardinal(number: u64) -> Vec<&'static str> {
    match number {
        0..=9 => vec![DIGITS[number as usize]],
        10 => vec!["n10"],
        100..=900 if number.is_multiple_of(100) => vec![DIGITS[(number / 100) as usize], "n100"],
        1_000..=9_000 if number.is_multiple_of(1_000) => vec![DIGITS[(number / 1_000) as usize], "n1000"],
        _ => number.to_string().bytes().map(|digit| DIGITS[usize::from(digit - b'0')]).collect(),
    }
}
