//! Owns the number plan's index: which hotline number a carrier means by the digits it sends.
//! Does not own callers' numbers (see `model::numbers`).

use std::collections::HashMap;

use model::numbers::national;

use crate::Number;

/// Digits → place of the number in the plan.
#[derive(Debug)]
pub(crate) struct Landing {
    /// Numbers and aliases in their national form without a leading 0.
    exact: HashMap<Box<str>, usize>,
    /// The same, aliases alone, digits reversed and sorted: those that end alike stand together.
    reversed: Vec<(Box<str>, usize)>,
}

/// A carrier that sends the last digits of a landing number sends at least this many.
const MIN_TAIL: usize = 4;

/// A number behind a prefix of the carrier's has at least this many digits of its own.
const MIN_WHOLE: usize = 7;

impl Landing {
    pub fn new(numbers: &[Number]) -> Landing {
        let mut exact = HashMap::new();
        let mut reversed = Vec::new();
        for (place, number) in numbers.iter().enumerate() {
            exact.insert(Box::from(bare(number.number.as_str())), place);
        }
        for (place, number) in numbers.iter().enumerate() {
            for alias in &number.aliases {
                exact.entry(Box::from(bare(alias))).or_insert(place);
                reversed.push((backwards(bare(alias)), place));
            }
        }
        reversed.sort();
        Landing { exact, reversed }
    }

    /// The number meant by `called`: as written, behind a prefix (the longest wins), or as the last digits of
    /// one landing number.
    pub fn find(&self, called: &str) -> Option<usize> {
        let called = bare(called);
        if let Some(place) = self.exact.get(called) {
            return Some(*place);
        }
        if called.is_empty() || !called.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        self.behind_prefix(called).or_else(|| self.by_tail(called))
    }

    fn behind_prefix(&self, called: &str) -> Option<usize> {
        let starts = 1..=called.len().checked_sub(MIN_WHOLE)?;
        starts.filter_map(|start| called.get(start..)).find_map(|tail| self.exact.get(bare(tail))).copied()
    }

    fn by_tail(&self, called: &str) -> Option<usize> {
        if called.len() < MIN_TAIL {
            return None;
        }
        let tail = backwards(called);
        let first = self.reversed.partition_point(|(digits, _)| **digits < *tail);
        let mut alike = self.reversed[first..].iter().take_while(|(digits, _)| digits.starts_with(&*tail));
        let (_, place) = alike.next()?;
        alike.all(|(_, other)| other == place).then_some(*place)
    }
}

/// Without country code and without the 0 of an area code.
fn bare(number: &str) -> &str {
    let national = national(number);
    national.strip_prefix('0').filter(|rest| !rest.is_empty()).unwrap_or(national)
}

fn backwards(digits: &str) -> Box<str> {
    digits.chars().rev().collect()
}

#[cfg(test)]
mod tests;
