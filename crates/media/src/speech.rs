//! Owns how numbers, amounts, days, times, positions and waits are spoken: which recorded atoms, in which order, in
//! Chinese and English.
//! Does not own the atoms' sounds (see `media-net`'s prompt cache).

mod chinese;
mod english;

use std::sync::Arc;
use std::time::Duration;

use clock::WallTime;
use model::say::{SayItem, Tone};
use model::{PromptName, RecordingId};

use crate::command::Language;

/// One sound of an announcement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Atom {
    /// A built-in atom or phrase, by the id of `prompts/manifest.toml`.
    Word(&'static str),
    /// A prompt that somebody named.
    Prompt(Arc<str>),
    /// Silence of this many milliseconds.
    Silence(u32),
    /// A tone of the country's plan.
    Tone(Tone),
    /// What was recorded, which began then.
    Recorded(RecordingId, WallTime),
}

/// Between two words of one phrase.
const JOINT: Atom = Atom::Silence(60);

/// Between two groups of a telephone number.
const GROUP: Atom = Atom::Silence(200);

/// How 1 is read digit by digit in Chinese: 幺 on the telephone, 一 where an operator prefers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DigitOne {
    /// 幺
    #[default]
    Yao,
    /// 一
    Yi,
}

/// The sounds of `items`, in order.
pub fn atoms(items: &[SayItem], language: Language, one: DigitOne) -> Vec<Atom> {
    let mut atoms = Vec::with_capacity(items.len() * 2);
    for item in items {
        match item {
            SayItem::Prompt(PromptName { name, .. }) => atoms.push(Atom::Prompt(Arc::clone(name))),
            SayItem::Digits(text) => phrase(&mut atoms, digits(text, language, one)),
            SayItem::AgentNumber(number) => {
                let mut all = vec![Atom::Word("agent_pre")];
                all.extend(digits(number, language, one));
                all.push(Atom::Word("agent_post"));
                phrase(&mut atoms, all);
            }
            SayItem::Pause(millis) => atoms.push(Atom::Silence(*millis)),
            SayItem::Tone(tone) => atoms.push(Atom::Tone(*tone)),
            SayItem::Recorded { recording, began } => atoms.push(Atom::Recorded(*recording, *began)),
            figure => {
                let words = match language {
                    Language::Zh => chinese::figure(figure),
                    Language::En => english::figure(figure),
                };
                phrase(&mut atoms, words.into_iter().map(Atom::Word).collect());
            }
        }
    }
    atoms
}

/// Appends `phrase` with a joint between any two words.
fn phrase(atoms: &mut Vec<Atom>, phrase: Vec<Atom>) {
    let is_word = |atom: &Atom| matches!(atom, Atom::Word(_));
    for (index, atom) in phrase.iter().enumerate() {
        if index > 0 && is_word(atom) && is_word(&phrase[index - 1]) {
            atoms.push(JOINT);
        }
        atoms.push(atom.clone());
    }
}

/// The minutes of a wait, rounded up; `None` below one.
fn minutes(wait: Duration) -> Option<u64> {
    let whole = wait.as_secs().div_ceil(60);
    let begun = wait.as_secs().is_multiple_of(60) && wait.subsec_nanos() > 0;
    (wait >= Duration::from_secs(60)).then_some(whole + u64::from(begun))
}

/// The words of a figure behind `minus`, which is said before it.
fn signed(negative: bool, words: Vec<&'static str>) -> Vec<&'static str> {
    if !negative {
        return words;
    }
    let mut all = vec!["minus"];
    all.extend(words);
    all
}

/// The parts of a length of time that are not zero, largest first: days, hours, minutes, seconds; seconds alone for
/// nothing at all.
fn parts(length: Duration) -> Vec<(u64, Unit)> {
    let seconds = length.as_secs();
    let parts = [
        (seconds / 86_400, Unit::Day),
        (seconds / 3_600 % 24, Unit::Hour),
        (seconds / 60 % 60, Unit::Minute),
        (seconds % 60, Unit::Second),
    ];
    let is_said = |(count, unit): &(u64, Unit)| *count > 0 || (seconds == 0 && *unit == Unit::Second);
    parts.into_iter().filter(is_said).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Unit {
    Day,
    Hour,
    Minute,
    Second,
}

/// Digit by digit, with pauses between the groups of a telephone number.
fn digits(text: &str, language: Language, one: DigitOne) -> Vec<Atom> {
    let digits: Vec<u8> = text.chars().filter_map(digit).collect();
    let mut spoken = Vec::with_capacity(digits.len() + 2);
    let mut rest = digits.as_slice();
    for length in groups(&digits) {
        let (group, behind) = rest.split_at(length.min(rest.len()));
        if !spoken.is_empty() && !group.is_empty() {
            spoken.push(GROUP);
        }
        spoken.extend(group.iter().map(|digit| {
            Atom::Word(match (digit, language, one) {
                (1, Language::Zh, DigitOne::Yao) => "d1y",
                _ => DIGITS[usize::from(*digit)],
            })
        }));
        rest = behind;
    }
    spoken
}

/// A digit of ASCII or of full width.
fn digit(c: char) -> Option<u8> {
    let plain = if ('０'..='９').contains(&c) { u32::from(c) - u32::from('０') } else { c.to_digit(10)? };
    u8::try_from(plain).ok()
}

/// Mobile 3-4-4, 400 and 800 numbers 3-3-4, fixed lines area + 3-4 or 4-4; anything else in one go.
fn groups(digits: &[u8]) -> Vec<usize> {
    match (digits, digits.len()) {
        ([1, ..], 11) => vec![3, 4, 4],
        ([4 | 8, 0, 0, ..], 10) => vec![3, 3, 4],
        // Beijing and the 02x cities have three digits, all other areas four.
        ([0, 1 | 2, ..], length @ (10 | 11)) => vec![3, length - 7, 4],
        ([0, ..], length @ (11 | 12)) => vec![4, length - 8, 4],
        (_, length) => vec![length],
    }
}

const DIGITS: [&str; 10] = ["d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9"];

#[cfg(test)]
mod tests;
