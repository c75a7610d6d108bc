//! Owns when a day begins: wall time enters the cores only as this fact. Does not own what follows from it (see
//! `acd`).

use std::time::Duration;

use clock::{SystemClock, WallTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use sip_net::Boxes;

use super::tenants::Tenants;

/// The calendar of one time zone.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    zone: TimeZone,
}

/// A time zone that the system does not know.
#[derive(Debug, thiserror::Error)]
#[error("时区 {name} 无法识别 / no such time zone: {source}")]
pub(crate) struct UnknownZone {
    name: String,
    source: jiff::Error,
}

impl Calendar {
    /// The calendar of the IANA zone `name`; the one with which hotlines of China are run is known without the
    /// system's tables.
    pub fn new(name: &str) -> Result<Calendar, UnknownZone> {
        let zone = TimeZone::get(name).or_else(|source| match name {
            "Asia/Shanghai" => Ok(TimeZone::fixed(jiff::tz::offset(8))),
            _ => Err(UnknownZone { name: name.to_owned(), source }),
        })?;
        Ok(Calendar { zone })
    }

    /// The first instant of the day behind the one of `at`.
    pub fn next_midnight(&self, at: WallTime) -> Option<WallTime> {
        let now = Timestamp::from_microsecond(at.0).ok()?.to_zoned(self.zone.clone());
        let tomorrow = now.checked_add(1.day()).ok()?.start_of_day().ok()?;
        Some(WallTime(tomorrow.timestamp().as_microsecond()))
    }

    /// The distance from UTC at `at`, in seconds east.
    pub fn offset_at(&self, at: WallTime) -> i32 {
        Timestamp::from_microsecond(at.0).map_or(0, |at| self.zone.to_offset(at).seconds())
    }
}

/// Tells shards how far local time is from UTC, for ever: they bar calls out by the hour, and say when messages were left; and
/// that time passes for messages.
pub(crate) async fn tell_offsets(calendar: Calendar, clock: SystemClock, boxes: Boxes<call::Shard>) {
    let mut told = None;
    loop {
        let offset = calendar.offset_at(clock.wall());
        if told.replace(offset) != Some(offset) {
            boxes.post_all(|| call::Input::UtcOffset(offset));
        }
        boxes.post(0, call::Input::TidyMailboxes);
        tokio::time::sleep(STEP).await;
    }
}

/// Tells every tenant's ACD when a day begins, for ever.
pub(crate) async fn tell_midnights(calendar: Calendar, clock: SystemClock, tenants: Tenants) {
    let mut awaited = calendar.next_midnight(clock.wall());
    while let Some(midnight) = awaited {
        let now = clock.wall();
        if now < midnight {
            // In short steps: the wall clock may be set meanwhile.
            tokio::time::sleep(midnight.since(now).min(STEP)).await;
            continue;
        }
        for tenant in tenants.names() {
            // A tenant that went away meanwhile has no day to begin.
            tenants.post(&tenant, acd::Input::DayBegan);
        }
        tracing::info!("新的一天开始,当日计数清零 / a new day begins");
        awaited = calendar.next_midnight(now);
    }
}

const STEP: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> WallTime {
        WallTime(text.parse::<Timestamp>().unwrap().as_microsecond())
    }

    #[test]
    fn a_day_begins_at_the_tenants_midnight() {
        let calendar = Calendar::new("Asia/Shanghai").unwrap();
        assert_eq!(calendar.next_midnight(at("2026-11-22T15:59:59Z")), Some(at("2026-11-22T16:00:00Z")));
        assert_eq!(calendar.next_midnight(at("2026-11-22T16:00:00Z")), Some(at("2026-11-23T16:00:00Z")));
        assert_eq!(calendar.offset_at(at("2026-11-22T16:00:00Z")), 8 * 3600);
    }

    #[test]
    fn an_unknown_zone_is_refused_in_words() {
        assert!(Calendar::new("Asia/Atlantis").unwrap_err().to_string().contains("Asia/Atlantis"));
    }
}
