//! Owns `hours`: whether each hotline number is open now or at another time, why, and until when (R40). Does not own the hours
//! (see `routing::Number`) nor what a closed number does (see `call`).

use anyhow::bail;
use api::view::{NightView, NumberView};
use clock::{SystemClock, WallTime};
use ledger::{Day, UtcOffset};
use routing::{Hours, Number};
use serde_json::{Value, json};

use super::live::short;
use super::output::{self, Table};
use super::switch_client::{Place, speak};
use super::{Answer, Global};
use crate::node::calendar::Calendar;

/// Shows whether numbers are open: all of a tenant, or `only` one; then no is the answer where it is closed.
pub(crate) fn run(global: &Global, only: Option<&str>, at: Option<&str>) -> anyhow::Result<Answer> {
    let place = Place::of(global)?;
    let calendar = Calendar::new(&place.loaded.node.time_zone)?;
    let now = SystemClock::start().wall();
    let offset = UtcOffset(calendar.offset_at(now));
    let moment = at.map_or(Ok(now), |text| time_of(text, now, offset))?;
    let minute = Hours::minute_of_week(moment, calendar.offset_at(moment));
    let is_meant = |one: &&Number| {
        let named = only.is_none_or(|only| {
            one.number.as_str() == only || one.aliases.iter().any(|alias| &**alias == only)
        });
        one.number.tenant.as_str() == global.tenant && named
    };
    let numbers: Vec<&Number> = place.loaded.plan.numbers.iter().filter(is_meant).collect();
    if let (Some(only), true) = (only, numbers.is_empty()) {
        eprintln!("没有号码 {only} / no such number");
        return Ok(Answer::No);
    }
    let switched = if at.is_some() { Vec::new() } else { switched(global) };
    let states: Vec<State<'_>> = numbers
        .into_iter()
        .map(|number| State {
            number,
            minute,
            night: switched
                .iter()
                .find(|view| view.number == number.number.as_str())
                .and_then(|view| view.night.clone()),
        })
        .collect();
    if global.json {
        let told: Vec<Value> = states.iter().map(State::as_json).collect();
        output::json(&told)?;
    } else {
        let mut table = Table::new(["号码", "状态", "原因", "下次变化", "流程"]);
        states.iter().for_each(|state| table.row(state.row()));
        table.print()?;
    }
    let closed = only.is_some() && states.iter().any(|state| !state.is_open());
    Ok(if closed { Answer::No } else { Answer::Yes })
}

/// The numbers with their night switches, as the running switch has them.
fn switched(global: &Global) -> Vec<NumberView> {
    speak(global, |client| async move { client.numbers().await }).unwrap_or_else(|error| {
        eprintln!("未计夜间模式 / night switches are not counted: {error:#}");
        Vec::new()
    })
}

/// The time that a person means: `20:00` of today, `2026-11-23 20:00`, a day, or RFC 3339.
fn time_of(text: &str, now: WallTime, offset: UtcOffset) -> anyhow::Result<WallTime> {
    if let Ok(time) = offset.parse(text) {
        return Ok(time);
    }
    let (day, clock) = text.split_once([' ', 'T']).unwrap_or(("", text));
    let day = if day.is_empty() { Some(offset.day(now)) } else { day.parse::<Day>().ok() };
    let minutes = clock.split_once(':').and_then(|(hour, minute)| {
        let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
        ((0..24).contains(&hour) && (0..60).contains(&minute)).then_some(hour * 60 + minute)
    });
    match (day, minutes) {
        (Some(day), Some(minutes)) => Ok(WallTime(offset.midnight(day).0 + minutes * 60_000_000)),
        _ => bail!(
            "«{text}» 不是时间, 应如 20:00, \"2026-11-23 20:00\" 或 2026-11-23T20:00:00+08:00 / names no time such as these"
        ),
    }
}

/// A number at a minute of the week.
struct State<'n> {
    number: &'n Number,
    minute: u16,
    night: Option<NightView>,
}

impl State<'_> {
    fn is_open(&self) -> bool {
        self.night.is_none() && self.number.is_open(self.minute)
    }

    fn row(&self) -> [String; 5] {
        let state = if self.is_open() { "开放 / open" } else { "关闭 / closed" };
        let hours: Vec<String> = self.number.open.iter().map(words).collect();
        let hours = hours.join(", ");
        let why = match &self.night {
            Some(on) => {
                format!("夜间模式, {} 于 {} 打开 / night switch, by {}", on.by, short(&on.since), on.by)
            }
            None if hours.is_empty() => "没有写时段, 总是开放 / no hours: always open".to_owned(),
            None if self.is_open() => format!("在时段内 / within its hours: {hours}"),
            None => format!("不在时段内 / out of its hours: {hours}"),
        };
        let change = match self.change() {
            Some(minute) if self.is_open() => format!("{} 关闭 / closes", moment(minute)),
            Some(minute) => format!("{} 开放 / opens", moment(minute)),
            None => "–".to_owned(),
        };
        [self.number.number.as_str().to_owned(), state.to_owned(), why, change, self.flow().to_owned()]
    }

    fn as_json(&self) -> Value {
        let why = match &self.night {
            Some(_) => "night_switch",
            None if self.number.open.is_empty() => "no_hours",
            None => "hours",
        };
        json!({
            "number": self.number.number.as_str(), "open": self.is_open(), "why": why, "night": self.night,
            "hours": self.number.open.iter().map(words).collect::<Vec<_>>(),
            "changes": self.change().map(moment), "flow": self.flow(),
        })
    }

    /// The minute of the week at which its hours begin or end; nobody knows when people turn a switch.
    fn change(&self) -> Option<u16> {
        let minutes = self.number.changes_in(self.minute).filter(|_| self.night.is_none())?;
        Some((self.minute + minutes) % Hours::WEEK)
    }

    /// What its callers enter.
    fn flow(&self) -> &str {
        let night = self.number.night_flow.as_ref().filter(|_| !self.is_open());
        night.unwrap_or(&self.number.flow).as_str()
    }
}

/// 周一二三四五 09:00-18:00
fn words(hours: &Hours) -> String {
    let days: String = DAYS.iter().zip(hours.days).filter(|(_, on)| *on).map(|(day, _)| *day).collect();
    let days = if hours.days == [true; 7] { "每天".to_owned() } else { format!("周{days}") };
    if (hours.from, hours.until) == (0, 0) {
        return format!("{days} 全天");
    }
    format!("{days} {}-{}", time(hours.from), time(hours.until))
}

/// 周一 09:00
fn moment(minute_of_week: u16) -> String {
    let day = DAYS[usize::from(minute_of_week / DAY) % DAYS.len()];
    format!("周{day} {}", time(minute_of_week % DAY))
}

fn time(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

const DAYS: [&str; 7] = ["一", "二", "三", "四", "五", "六", "日"];
const DAY: u16 = 24 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    /// A number of the starter set with these hours on weekdays.
    fn number(open: Vec<Hours>) -> Number {
        let sources = config::Sources::from_files(config::starter());
        let loaded = config::load(&crate::node::settings::with_prompts(sources)).expect("the starter set");
        let night_flow = Some(model::FlowName::new(&model::TenantId::default(), "night"));
        Number { open, night_flow, ..loaded.plan.numbers[0].clone() }
    }

    #[test]
    fn a_number_says_whether_it_is_open_why_and_until_when() {
        let days = [true, true, true, true, true, false, false];
        let number = number(vec![Hours { days, from: 9 * 60, until: 18 * 60 }]);
        let state = |minute, night| State { number: &number, minute, night };
        let shown = |state: State<'_>| state.row()[1..].join("|");
        let hours = "周一二三四五 09:00-18:00";
        let flow = number.flow.as_str();
        assert_eq!(
            shown(state(10 * 60, None)),
            format!("开放 / open|在时段内 / within its hours: {hours}|周一 18:00 关闭 / closes|{flow}")
        );
        assert_eq!(
            shown(state(5 * DAY, None)),
            format!("关闭 / closed|不在时段内 / out of its hours: {hours}|周一 09:00 开放 / opens|night")
        );
        let on = NightView { by: "8001".into(), since: "2026-11-22T21:38:01.250+08:00".into() };
        assert_eq!(
            shown(state(10 * 60, Some(on))),
            "关闭 / closed|夜间模式, 8001 于 2026-11-22 21:38:01 打开 / night switch, by 8001|–|night"
        );
        assert_eq!(state(5 * DAY, None).as_json()["changes"], "周一 09:00");
    }

    #[test]
    fn a_time_is_written_as_people_write_it() {
        let offset = UtcOffset(8 * 3_600);
        let now = offset.parse("2026-11-22T10:00:00+08:00").expect("a time");
        for (text, meant) in [
            ("20:00", "2026-11-22T20:00:00+08:00"),
            ("2026-11-23 20:00", "2026-11-23T20:00:00+08:00"),
            ("2026-11-23T20:00", "2026-11-23T20:00:00+08:00"),
            ("2026-11-23", "2026-11-23T00:00:00+08:00"),
            ("2026-11-23T12:00:00Z", "2026-11-23T20:00:00+08:00"),
        ] {
            let meant = offset.parse(meant).expect("a time");
            assert_eq!(time_of(text, now, offset).expect(text), meant, "{text}");
        }
        for text in ["", "25:00", "20", "tomorrow 20:00", "2026-13-01 20:00", "20:60"] {
            assert!(time_of(text, now, offset).is_err(), "{text}");
        }
    }
}
