//! Owns figures that are said: decimals, days, times of the day, as people write them. Does not own how they are spoken
//! (see `media::speech`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A number with a few decimals, exactly as written: `12.50` keeps its zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Decimal {
    /// All digits as one number: −1250 for `-12.50`.
    units: i64,
    /// How many of them stand behind the point, 0–9.
    places: u8,
    /// Whether a minus stands before it, which `units` cannot say of `-0.0`.
    negative: bool,
}

impl Decimal {
    /// A whole number.
    pub const fn whole(number: i64) -> Decimal {
        Decimal { units: number, places: 0, negative: number < 0 }
    }

    /// Whether a minus stands before it.
    pub const fn is_negative(self) -> bool {
        self.negative
    }

    /// What stands before the point, without its sign.
    pub fn integer(self) -> u64 {
        self.units.unsigned_abs() / 10u64.pow(u32::from(self.places))
    }

    /// The digits behind the point.
    pub fn decimals(self) -> impl Iterator<Item = u8> {
        let units = self.units.unsigned_abs();
        (0..u32::from(self.places)).rev().map(move |place| (units / 10u64.pow(place) % 10) as u8)
    }

    /// The number in hundredths: 10205 for `102.05`; `None` when it has more than two decimals or is too large.
    pub fn hundredths(self) -> Option<i64> {
        let missing = 2u32.checked_sub(u32::from(self.places))?;
        self.units.checked_mul(10i64.pow(missing))
    }
}

/// What is no figure of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("«{0}» 应写作 {1} / «{0}» should be written as {1}")]
pub struct FigureError(String, &'static str);

impl FigureError {
    /// `text` is none; `example` is one.
    pub fn new(text: &str, example: &'static str) -> FigureError {
        FigureError(text.to_owned(), example)
    }
}

impl FromStr for Decimal {
    type Err = FigureError;

    fn from_str(text: &str) -> Result<Decimal, FigureError> {
        let wrong = || FigureError(text.to_owned(), "102.05");
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let pointless = digits.ends_with('.') || whole.is_empty();
        if pointless || !is_number(whole) || !is_number(decimals) || decimals.len() > 9 {
            return Err(wrong());
        }
        let units: i64 = format!("{whole}{decimals}").parse().map_err(|_| wrong())?;
        let negative = digits.len() < text.len();
        Ok(Decimal {
            units: if negative { -units } else { units },
            // invariant: nine at most, as checked above.
            places: decimals.len() as u8,
            negative,
        })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.negative { "-" } else { "" }, self.integer())?;
        if self.places > 0 {
            f.write_str(".")?;
        }
        self.decimals().try_for_each(|digit| write!(f, "{digit}"))
    }
}

/// A day of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CalendarDate {
    year: u16,
    month: u8,
    day: u8,
}

impl CalendarDate {
    /// A day that exists; years 1–9999.
    pub fn new(year: u16, month: u8, day: u8) -> Option<CalendarDate> {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return None,
        };
        let exists = (1..=9_999).contains(&year) && (1..=days).contains(&day);
        exists.then_some(CalendarDate { year, month, day })
    }

    /// The day that begins so many days after 1970-01-01 does.
    pub fn of_epoch_day(day: i64) -> Option<CalendarDate> {
        let (year, month, day) = clock::civil_of_epoch_day(day);
        CalendarDate::new(u16::try_from(year).ok()?, u8::try_from(month).ok()?, u8::try_from(day).ok()?)
    }

    /// 1–9999.
    pub const fn year(self) -> u16 {
        self.year
    }

    /// 1–12.
    pub const fn month(self) -> u8 {
        self.month
    }

    /// 1–31.
    pub const fn day(self) -> u8 {
        self.day
    }

    /// Its day of the week, by Zeller's congruence.
    pub fn weekday(self) -> Weekday {
        let (year, month) = match self.month {
            1 | 2 => (u32::from(self.year) + 399, u32::from(self.month) + 12),
            month => (u32::from(self.year) + 400, u32::from(month)),
        };
        let days = u32::from(self.day) + 13 * (month + 1) / 5 + year + year / 4 + year / 400 - year / 100;
        // 0 is a Saturday.
        Weekday(((days + 5) % 7 + 1) as u8)
    }
}

impl FromStr for CalendarDate {
    type Err = FigureError;

    fn from_str(text: &str) -> Result<CalendarDate, FigureError> {
        let wrong = || FigureError(text.to_owned(), "2026-11-02");
        let parts: Vec<&str> = text.split('-').collect();
        let [year, month, day] = parts.as_slice() else { return Err(wrong()) };
        if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
            return Err(wrong());
        }
        let (year, month, day) = (year.parse(), month.parse(), day.parse());
        let (Ok(year), Ok(month), Ok(day)) = (year, month, day) else { return Err(wrong()) };
        CalendarDate::new(year, month, day).ok_or_else(wrong)
    }
}

impl fmt::Display for CalendarDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// A day of the week, 1 Monday to 7 Sunday (ISO 8601).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Weekday(u8);

impl Weekday {
    /// The day of that number.
    pub const fn new(number: u8) -> Option<Weekday> {
        if number >= 1 && number <= 7 { Some(Weekday(number)) } else { None }
    }

    /// 1 Monday to 7 Sunday.
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// A minute of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay {
    hour: u8,
    minute: u8,
}

impl TimeOfDay {
    /// A time from 0:00 to 23:59.
    pub const fn new(hour: u8, minute: u8) -> Option<TimeOfDay> {
        if hour < 24 && minute < 60 { Some(TimeOfDay { hour, minute }) } else { None }
    }

    /// 0–23.
    pub const fn hour(self) -> u8 {
        self.hour
    }

    /// 0–59.
    pub const fn minute(self) -> u8 {
        self.minute
    }
}

impl FromStr for TimeOfDay {
    type Err = FigureError;

    fn from_str(text: &str) -> Result<TimeOfDay, FigureError> {
        let wrong = || FigureError(text.to_owned(), "14:30");
        let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(hour) || !is_number(minute) || minute.len() != 2 {
            return Err(wrong());
        }
        let (Ok(hour), Ok(minute)) = (hour.parse(), minute.parse()) else { return Err(wrong()) };
        TimeOfDay::new(hour, minute).ok_or_else(wrong)
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:02}", self.hour, self.minute)
    }
}

/// Snapshots have them as people write them.
macro_rules! as_text {
    ($($kind:ty),*) => {$(
        impl TryFrom<String> for $kind {
            type Error = FigureError;
            fn try_from(text: String) -> Result<$kind, FigureError> {
                text.parse()
            }
        }

        impl From<$kind> for String {
            fn from(figure: $kind) -> String {
                figure.to_string()
            }
        }
    )*};
}

as_text!(Decimal, CalendarDate, TimeOfDay);

impl TryFrom<u8> for Weekday {
    type Error = FigureError;
    fn try_from(number: u8) -> Result<Weekday, FigureError> {
        Weekday::new(number).ok_or_else(|| FigureError(number.to_string(), "1-7"))
    }
}

impl From<Weekday> for u8 {
    fn from(day: Weekday) -> u8 {
        day.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_every_digit_and_their_sign() {
        for (text, whole, decimals, hundredths) in [
            ("102.05", 102, &[0, 5][..], Some(10_205)),
            ("12.50", 12, &[5, 0], Some(1_250)),
            ("7", 7, &[], Some(700)),
            ("-0.5", 0, &[5], Some(-50)),
            ("-0.00", 0, &[0, 0], Some(0)),
            ("3.141592653", 3, &[1, 4, 1, 5, 9, 2, 6, 5, 3], None),
            ("9223372036854775807", i64::MAX as u64, &[], None),
        ] {
            let decimal: Decimal = text.parse().unwrap();
            assert_eq!(decimal.to_string(), text);
            assert_eq!((decimal.integer(), decimal.is_negative()), (whole, text.starts_with('-')), "{text}");
            assert_eq!(decimal.decimals().collect::<Vec<_>>(), decimals, "{text}");
            assert_eq!(decimal.hundredths(), hundredths, "{text}");
        }
        for text in ["", "-", ".5", "5.", "1.2.3", "1,5", "１", "1e3", "0.1234567890", "9223372036854775808"]
        {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
    }

    #[test]
    fn days_exist_and_have_their_weekday() {
        for (text, weekday) in
            [("2026-11-26", 4), ("2000-02-29", 2), ("2024-01-01", 1), ("1999-12-31", 5), ("2026-11-01", 7)]
        {
            let date: CalendarDate = text.parse().unwrap();
            assert_eq!((date.to_string().as_str(), date.weekday().number()), (text, weekday));
        }
        for text in
            ["2026-02-29", "1900-02-29", "2026-13-01", "2026-00-10", "2026-1", "26/11/02", "2026-+1-02", ""]
        {
            assert!(text.parse::<CalendarDate>().is_err(), "{text}");
        }
        let from = CalendarDate::new(1970, 1, 1).unwrap();
        assert_eq!(from.weekday().number(), 4);
    }

    #[test]
    fn times_are_those_of_a_clock() {
        for (text, hour, minute) in [("0:00", 0, 0), ("9:05", 9, 5), ("23:59", 23, 59)] {
            let time: TimeOfDay = text.parse().unwrap();
            assert_eq!((time.to_string().as_str(), time.hour(), time.minute()), (text, hour, minute));
        }
        for text in ["24:00", "9:60", "9:5", "9", ":05", "+9:05", "9:05:00"] {
            assert!(text.parse::<TimeOfDay>().is_err(), "{text}");
        }
    }
}
