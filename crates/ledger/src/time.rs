//! Owns civil time at a fixed distance from UTC: the text of times and the day they fall on. China has one zone
//! and no summer time.

use std::fmt;
use std::str::FromStr;

use clock::WallTime;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// The distance of civil time from UTC, in seconds east.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct UtcOffset(pub i32);

impl UtcOffset {
    /// 北京时间, +08:00.
    pub const CHINA: UtcOffset = UtcOffset(8 * 3600);

    /// The day on which `at` falls.
    pub fn day(self, at: WallTime) -> Day {
        let seconds = at.as_secs().saturating_add(i64::from(self.0));
        Day(i32::try_from(seconds.div_euclid(SECONDS_PER_DAY)).unwrap_or(i32::MAX))
    }

    /// The first instant of `day`.
    pub fn midnight(self, day: Day) -> WallTime {
        WallTime((i64::from(day.0) * SECONDS_PER_DAY - i64::from(self.0)) * MICROS_PER_SECOND)
    }

    /// RFC 3339 with milliseconds: `2026-11-22T21:38:27.250+08:00`.
    pub fn rfc3339(self, at: WallTime) -> String {
        let local = at.0.saturating_add(i64::from(self.0) * MICROS_PER_SECOND);
        let second = local.div_euclid(MICROS_PER_SECOND);
        let millis = local.rem_euclid(MICROS_PER_SECOND) / 1_000;
        let of_day = second.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        let sign = if self.0 < 0 { '-' } else { '+' };
        let (east_hours, east_minutes) = (self.0.abs() / 3600, self.0.abs() / 60 % 60);
        let day = self.day(at);
        format!("{day}T{hour:02}:{minute:02}:{second:02}.{millis:03}{sign}{east_hours:02}:{east_minutes:02}")
    }

    /// The time that `text` names: a day (its first instant) or an RFC 3339 time, to the microsecond.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(self, text: &str) -> Result<WallTime, ParseTimeError> {
        if let Ok(day) = text.parse::<Day>() {
            return Ok(self.midnight(day));
        }
        parse_rfc3339(text).ok_or_else(|| ParseTimeError(text.to_owned()))
    }
}

/// A text that names no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("«{0}» 不是时间，应如 2026-11-22 或 2026-11-22T09:30:00+08:00 / names no time such as these")]
pub struct ParseTimeError(String);

/// RFC 3339 §5.6 `date-time`.
fn parse_rfc3339(text: &str) -> Option<WallTime> {
    let number = |range: std::ops::Range<usize>, most: i64| {
        let part = text.get(range)?;
        let value = part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<i64>().ok())??;
        (value <= most).then_some(value)
    };
    let mark = |place: usize, marks: &str| text.get(place..=place).filter(|mark| marks.contains(*mark));
    let day: Day = text.get(..10)?.parse().ok()?;
    mark(10, "Tt ")?;
    mark(13, ":")?;
    mark(16, ":")?;
    // A leap second is the first instant of the next minute.
    let of_day = number(11..13, 23)? * 3600 + number(14..16, 59)? * 60 + number(17..19, 60)?;
    let mut rest = text.get(19..)?;
    let mut micros = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
        let digits = fraction.get(..length).filter(|digits| !digits.is_empty())?;
        micros = format!("{digits:0<6}").get(..6)?.parse::<i64>().ok()?;
        rest = fraction.get(length..)?;
    }
    let east = match rest {
        "Z" | "z" => 0,
        _ => {
            let (sign, clock) = rest.split_at_checked(1)?;
            let (hours, minutes) = clock.split_once(':')?;
            let part = |text: &str, most: i64| {
                let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
                digits.then(|| text.parse::<i64>().ok()).flatten().filter(|value| *value <= most)
            };
            let east = part(hours, 23)? * 3600 + part(minutes, 59)? * 60;
            match sign {
                "+" => east,
                "-" => -east,
                _ => return None,
            }
        }
    };
    let seconds = i64::from(day.0) * SECONDS_PER_DAY + of_day - east;
    Some(WallTime(seconds * MICROS_PER_SECOND + micros))
}

impl Default for UtcOffset {
    fn default() -> UtcOffset {
        UtcOffset::CHINA
    }
}

/// A civil day: days since 1970-01-01. Its text is `2026-11-22`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

impl Day {
    /// The day of a date; `None` when there is no such date.
    pub fn from_date(year: i32, month: u32, day: u32) -> Option<Day> {
        if !(0..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        // Days of the proleptic Gregorian calendar, the year beginning in March (H. Hinnant, «chrono-compatible
        // low-level date algorithms»).
        let shifted = i64::from(year) - i64::from(month <= 2);
        let era = shifted.div_euclid(400);
        let of_era = shifted.rem_euclid(400);
        let march_month = i64::from((month + 9) % 12);
        let of_year = (153 * march_month + 2) / 5 + i64::from(day) - 1;
        let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
        let candidate = Day(i32::try_from(days).ok()?);
        (candidate.date() == (year, month, day)).then_some(candidate)
    }

    /// Year, month 1–12, day 1–31.
    pub fn date(self) -> (i32, u32, u32) {
        let (year, month, day) = clock::civil_of_epoch_day(i64::from(self.0));
        let small = |n: i64| u32::try_from(n).unwrap_or(0);
        (i32::try_from(year).unwrap_or(0), small(month), small(day))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// A text that is no date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("«{0}» 不是日期，应如 2026-11-22 / is no date such as 2026-11-22")]
pub struct ParseDayError(String);

impl FromStr for Day {
    type Err = ParseDayError;
    fn from_str(text: &str) -> Result<Day, ParseDayError> {
        let parse = || {
            let digits = |part: &str, width| {
                (part.len() == width && part.bytes().all(|b| b.is_ascii_digit())).then_some(())?;
                part.parse::<u32>().ok()
            };
            let mut parts = text.split('-');
            let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
            if parts.next().is_some() {
                return None;
            }
            Day::from_date(i32::try_from(digits(year, 4)?).ok()?, digits(month, 2)?, digits(day, 2)?)
        };
        parse().ok_or_else(|| ParseDayError(text.to_owned()))
    }
}

impl serde::Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Day {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Day, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_beijing_time() {
        let offset = UtcOffset::CHINA;
        assert_eq!(offset.rfc3339(WallTime(0)), "1970-01-01T08:00:00.000+08:00");
        let at = WallTime(1_795_383_507_250_999);
        assert_eq!(offset.rfc3339(at), "2026-11-23T05:38:27.250+08:00");
        assert_eq!(UtcOffset(0).rfc3339(at), "2026-11-22T21:38:27.250+00:00");
        assert_eq!(UtcOffset(-3_600 * 9 - 1_800).rfc3339(at), "2026-11-22T12:08:27.250-09:30");
        assert_eq!(UtcOffset(0).rfc3339(WallTime(-1)), "1969-12-31T23:59:59.999+00:00");
    }

    #[test]
    fn times_are_read_in_the_forms_people_write_them() {
        let offset = UtcOffset::CHINA;
        let at = WallTime(1_795_383_507_250_000);
        for text in
            ["2026-11-23T05:38:27.250+08:00", "2026-11-22T21:38:27.25Z", "2026-11-22 12:08:27.2500009-09:30"]
        {
            assert_eq!(offset.parse(text), Ok(at), "{text}");
        }
        assert_eq!(offset.parse("1970-01-01"), Ok(WallTime(-8 * 3_600_000_000)));
        let wrong = [
            "2026-11-22T24:00:00Z",
            "2026-11-22T10:00:00",
            "2026-11-22T10:00:00.Z",
            "2026-11-22T10:00:00+8:00",
            "2026-02-30T10:00:00Z",
            "2026-11-22T1：00:00Z",
            "昨天",
            "2026-11-22T10:00:00+08:00x",
        ];
        for text in wrong {
            assert!(offset.parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_survives_its_text() {
        let mut before = Day::from_date(1799, 12, 31).unwrap();
        let last = Day::from_date(2200, 1, 1).unwrap();
        while before < last {
            let day = Day(before.0 + 1);
            assert_eq!(day.to_string().parse(), Ok(day));
            assert!(day.date() > before.date());
            before = day;
        }
    }

    #[test]
    fn dates_that_do_not_exist_are_no_days() {
        for text in
            ["2026-02-29", "2026-13-01", "2026-00-10", "26-01-01", "2026-1-1", "2026-01-01-", "今天", ""]
        {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
        assert!("2024-02-29".parse::<Day>().is_ok());
    }

    #[test]
    fn a_day_begins_at_its_midnight() {
        let offset = UtcOffset::CHINA;
        let day: Day = "2026-11-22".parse().unwrap();
        let midnight = offset.midnight(day);
        assert_eq!(offset.rfc3339(midnight), "2026-11-22T00:00:00.000+08:00");
        assert_eq!(offset.day(midnight), day);
        assert_eq!(offset.day(WallTime(midnight.0 - 1)), Day(day.0 - 1));
    }
}
