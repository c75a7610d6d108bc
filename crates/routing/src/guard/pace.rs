//! Owns one token bucket that may be overdrawn.

use clock::Instant;

use super::Rate;

/// Tokens of one source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// In parts of which a token has [`TOKEN`]; below nought: debts.
    parts: i64,
    at: Instant,
}

/// Whether there was a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    No,
    /// Nor will there be one soon: the debt has reached its limit.
    Overdrawn,
}

impl Pace {
    pub fn full(now: Instant, burst: u32) -> Pace {
        Pace { parts: i64::from(burst) * TOKEN, at: now }
    }

    /// Takes a token. Who asks without having one is in debt for it, by `debt` tokens at most.
    pub fn take(&mut self, now: Instant, rate: Rate, burst: u32, debt: u32) -> Taken {
        self.refill(now, rate, burst);
        let had = self.parts >= TOKEN;
        let floor = -i64::from(debt) * TOKEN;
        self.parts = if had { self.parts - TOKEN } else { (self.parts - TOKEN).max(floor) };
        match (had, self.parts <= floor) {
            (true, _) => Taken::Yes,
            (false, true) => Taken::Overdrawn,
            (false, false) => Taken::No,
        }
    }

    /// Whether there is a token.
    pub fn has_one(&mut self, now: Instant, rate: Rate, burst: u32) -> bool {
        self.refill(now, rate, burst);
        self.parts >= TOKEN
    }

    fn refill(&mut self, now: Instant, rate: Rate, burst: u32) {
        let micros = i64::try_from(now.since(self.at).as_micros()).unwrap_or(i64::MAX);
        // A token has a million parts for each second of its rate: a microsecond brings a whole number of them.
        let come = micros.saturating_mul(i64::from(rate.tokens)) / i64::from(rate.seconds);
        self.parts = self.parts.saturating_add(come).min(i64::from(burst) * TOKEN);
        self.at = self.at.max(now);
    }
}

/// One token.
const TOKEN: i64 = 1_000_000;
