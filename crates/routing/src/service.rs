//! Owns where a caller may call out to, when, and how often: classes of service (呼叫权限). Does not own the counting (see
//! `admission`) nor who has which class (see `settings`).

use std::sync::Arc;

use clock::WallTime;
use model::numbers::{Caller, CallerKind};
use model::{Aor, TrunkName};

/// What somebody may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassOfService {
    /// Its name.
    pub name: Arc<str>,
    /// Kinds of destinations that may be called.
    pub allow: Vec<DestinationKind>,
    /// Beginnings of numbers that may be called whatever their kind, in the form of records (`0085212345678`).
    pub allow_numbers: Vec<Arc<str>>,
    /// Beginnings of numbers that may not be called whatever else is allowed.
    pub deny_numbers: Vec<Arc<str>>,
    /// Calls out at a time, of each who has this class.
    pub max_calls: Option<usize>,
    /// Calls out within an hour, of each.
    pub calls_per_hour: Option<u32>,
    /// Calls out within a day, of each.
    pub calls_per_day: Option<u32>,
    /// When; None: always.
    pub hours: Option<Hours>,
}

/// A time of day on some days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Monday to Sunday.
    pub days: [bool; 7],
    /// The first minute of the day.
    pub from: u16,
    /// The minute of the day at which it is over; at or before `from`: on the next day.
    pub until: u16,
}

/// Kinds of destinations, by what they cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DestinationKind {
    /// Phones of the tenant.
    Internal,
    /// 市话: fixed numbers of the trunk's own area; service numbers (95588, 12315).
    Local,
    /// 国内长途: other fixed numbers, 400 and 800.
    National,
    /// 手机.
    Mobile,
    /// 国际及港澳台.
    International,
    /// 声讯台: 160, 168 and 969 numbers, charged by the minute for what is said there.
    Premium,
}

/// Who has a class of service, and so whose calls are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Holder {
    /// A phone that calls.
    Phone(Aor),
    /// A trunk whose callers are sent on.
    Trunk(TrunkName),
}

/// What is known when somebody calls out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct OutboundFacts {
    /// Calls out that are up.
    pub calls: usize,
    /// Calls out within the hour.
    pub last_hour: u32,
    /// Calls out within the day.
    pub last_day: u32,
    /// Minutes since Monday 00:00, local time.
    pub minute_of_week: u16,
}

/// Whether a call may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Permitted,
    /// It may not.
    Barred(Barred),
}

/// Why a call may not go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Barred {
    /// The class does not have destinations of this kind.
    #[error("无权呼叫此类号码 / the class of service does not have such destinations")]
    Kind,
    /// The number is of no known kind, or denied by its beginning.
    #[error("无权呼叫此号码 / the class of service does not have this number")]
    Number,
    /// Not at this time.
    #[error("此时段不可呼出 / no calls out at this time")]
    Hours,
    /// As many calls as the class has at a time.
    #[error("呼出并发已满 / all the calls out there may be")]
    Calls,
    /// As many as it has in an hour.
    #[error("每小时呼出数已满 / all the calls out of this hour")]
    Hourly,
    /// As many as it has in a day.
    #[error("当日呼出数已满 / all the calls out of this day")]
    Daily,
}

impl Barred {
    /// The cause as a metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Barred::Kind => "outbound_kind",
            Barred::Number => "outbound_number",
            Barred::Hours => "outbound_hours",
            Barred::Calls => "outbound_calls",
            Barred::Hourly => "outbound_hourly",
            Barred::Daily => "outbound_daily",
        }
    }
}

/// A number as somebody called it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// In the form of records: national, abroad `00…`.
    pub number: Arc<str>,
    /// Its kind; None: nobody knows what it costs.
    pub kind: Option<DestinationKind>,
    /// 110, 119, 120, 122: never barred.
    pub emergency: bool,
}

impl Destination {
    /// What `number` means to a trunk of that area (`010`).
    pub fn of_number(number: &str, home_area: Option<&str>) -> Destination {
        let called = Caller::parse(number, home_area);
        let digits = called.normalised.clone();
        let emergency = EMERGENCY.contains(&&*digits);
        let kind =
            if is_premium(&digits) { Some(DestinationKind::Premium) } else { kind_of(&called, home_area) };
        Destination { number: digits, kind, emergency }
    }

    /// A phone of the tenant.
    pub fn internal(user: &str) -> Destination {
        Destination { number: Arc::from(user), kind: Some(DestinationKind::Internal), emergency: false }
    }
}

impl ClassOfService {
    /// What those have who were given nothing else: no calls abroad and to premium numbers.
    pub fn usual() -> ClassOfService {
        use DestinationKind::{Internal, Local, Mobile, National};
        ClassOfService {
            name: Arc::from(ClassOfService::USUAL),
            allow: vec![Internal, Local, National, Mobile],
            allow_numbers: Vec::new(),
            deny_numbers: Vec::new(),
            max_calls: None,
            calls_per_hour: None,
            calls_per_day: None,
            hours: None,
        }
    }

    /// The name under which an operator replaces [`ClassOfService::usual`].
    pub const USUAL: &'static str = "default";

    /// Whether a call to `destination` may go out. Nothing is counted.
    pub fn permits(&self, destination: &Destination, facts: &OutboundFacts) -> Verdict {
        match self.bars(destination, facts) {
            Some(barred) => Verdict::Barred(barred),
            None => Verdict::Permitted,
        }
    }

    fn bars(&self, destination: &Destination, facts: &OutboundFacts) -> Option<Barred> {
        let begins = |with: &[Arc<str>]| with.iter().any(|start| destination.number.starts_with(&**start));
        let full = |limit: Option<u32>, count: u32| limit.is_some_and(|limit| count >= limit);
        if destination.emergency {
            return None;
        }
        if begins(&self.deny_numbers) {
            return Some(Barred::Number);
        }
        if !begins(&self.allow_numbers) {
            let kind = destination.kind.ok_or(Barred::Number);
            match kind {
                Err(barred) => return Some(barred),
                Ok(kind) if !self.allow.contains(&kind) => return Some(Barred::Kind),
                Ok(_) => {}
            }
        }
        if self.hours.is_some_and(|hours| !hours.contain(facts.minute_of_week)) {
            return Some(Barred::Hours);
        }
        if self.max_calls.is_some_and(|limit| facts.calls >= limit) {
            return Some(Barred::Calls);
        }
        if full(self.calls_per_hour, facts.last_hour) {
            return Some(Barred::Hourly);
        }
        full(self.calls_per_day, facts.last_day).then_some(Barred::Daily)
    }
}

impl Hours {
    /// Minutes in a week.
    pub const WEEK: u16 = 7 * DAY;

    /// Minutes since Monday 00:00 at `at`, local time being `utc_offset` seconds east of UTC.
    pub fn minute_of_week(at: WallTime, utc_offset: i32) -> u16 {
        // 1970-01-01 was a Thursday.
        let seconds = at.0.div_euclid(1_000_000) + i64::from(utc_offset);
        let minute = (seconds.div_euclid(60) + 3 * i64::from(DAY)).rem_euclid(i64::from(Hours::WEEK));
        u16::try_from(minute).unwrap_or(0)
    }

    /// Whether this minute of the week (Monday 00:00 is 0) is within.
    pub fn contain(&self, minute_of_week: u16) -> bool {
        let (day, minute) = (usize::from(minute_of_week / DAY) % 7, minute_of_week % DAY);
        if self.from < self.until {
            return self.days[day] && (self.from..self.until).contains(&minute);
        }
        // Over midnight: the evening of a day that counts, or the morning after it.
        (self.days[day] && minute >= self.from) || (self.days[(day + 6) % 7] && minute < self.until)
    }
}

fn kind_of(called: &Caller, home_area: Option<&str>) -> Option<DestinationKind> {
    match called.kind {
        CallerKind::Mobile => Some(DestinationKind::Mobile),
        CallerKind::Fixed if called.area.is_none() || called.area.as_deref() == home_area => {
            Some(DestinationKind::Local)
        }
        CallerKind::Fixed | CallerKind::Service => Some(DestinationKind::National),
        CallerKind::Short => Some(DestinationKind::Local),
        CallerKind::International => Some(DestinationKind::International),
        CallerKind::Extension => Some(DestinationKind::Internal),
        CallerKind::Anonymous | CallerKind::Alias | CallerKind::Unknown => None,
    }
}

/// 声讯台: 160 and 168 with what stands behind them, alone or behind an area code; a mobile number has eleven digits.
fn is_premium(digits: &str) -> bool {
    let starts = |number: &str| {
        (number.starts_with("160") || number.starts_with("168")) && (5..=10).contains(&number.len())
            || number.starts_with("969") && (5..=8).contains(&number.len())
    };
    let behind_area = || [3, 4].iter().any(|length| digits.get(*length..).is_some_and(starts));
    starts(digits) || digits.starts_with('0') && !digits.starts_with("00") && behind_area()
}

pub(crate) const EMERGENCY: [&str; 4] = ["110", "119", "120", "122"];
const DAY: u16 = 24 * 60;

#[cfg(test)]
mod tests;
