//! Owns `[security]` and `[[class_of_service]]` of `hotline.toml`: what strangers may do, and who may call where.

use std::collections::HashMap;
use std::sync::Arc;

use routing::{ClassOfService, DestinationKind, Hours, Security, StrangeOptions};

use super::{MANY, default, optional, required, word};
use crate::fields::{Choice, Field, Kind, NameKind, Object};
use crate::reading::Reading;
use crate::record::{Record, Value};

pub(crate) static SECURITY: Object = Object {
    name: "security",
    zh: "[security]",
    en: "[security]",
    fields: &[
        default(
            "requests_per_second",
            Kind::Integer(1, MANY),
            "50",
            "每个来源地址 (中继除外) 每秒的 SIP 请求数, 可突发 4 秒的量, 超出的不予理会, 持续超出则封禁",
            "SIP requests per second of a source that is no trunk; four seconds' worth at once, more is not heard",
        ),
        default(
            "failed_logins_per_minute",
            Kind::Integer(1, 10_000),
            "10",
            "每个来源地址每分钟的密码错误次数, 超出则封禁; 该地址有话机登录时按用户计",
            "wrong passwords per minute of a source, then it is banned; where a phone has logged in, of a user",
        ),
        default(
            "ban_seconds",
            Kind::Seconds(0, 31_536_000),
            "600",
            "封禁时长, 0 表示不封禁",
            "how long a ban lasts; 0: nobody is banned",
        ),
        default(
            "max_bans",
            Kind::Integer(1, MANY),
            "10000",
            "同时封禁的地址数, 满时最早到期的让位",
            "bans at a time; of more the one that ends first makes room",
        ),
        default(
            "scanners",
            Kind::List(&Kind::Text),
            "['friendly-scanner', 'sipvicious', 'sundayddr', 'sipcli', 'sip-scan', 'pplsip', 'vaxsipuseragent']",
            "扫描工具的名称 (User-Agent, From, To 中含有即封禁, 不应答)",
            "names of scanning tools: a source is banned, not answered, whose User-Agent, From or To has one",
        ),
        default(
            "options_from_strangers",
            Kind::Choice(&[
                word("drop", "不应答", "no answer"),
                word("challenge", "要求认证", "a challenge, as to every other request"),
            ]),
            "'drop'",
            "既非中继也未登录者的 OPTIONS",
            "OPTIONS of somebody who is no trunk and has not logged in",
        ),
    ],
};

pub(crate) static CLASS_OF_SERVICE: Object = Object {
    name: "class_of_service",
    zh: "[[class_of_service]]",
    en: "[[class_of_service]]",
    fields: &[
        required(
            "name",
            Kind::Name,
            "名称, default 用于未指定者",
            "its name; \"default\" is for all who are given no other",
        ),
        default(
            "allow",
            Kind::List(&Kind::Choice(&DESTINATIONS)),
            "['internal', 'local', 'national', 'mobile']",
            "可以呼叫的号码类别",
            "kinds of numbers that may be called",
        ),
        default(
            "allow_numbers",
            Kind::List(&Kind::Dialled),
            "[]",
            "另外可以呼叫的号码开头, 国际写作 00852",
            "beginnings of numbers that may be called too, abroad as 00852",
        ),
        default(
            "deny_numbers",
            Kind::List(&Kind::Dialled),
            "[]",
            "一律不可呼叫的号码开头",
            "beginnings of numbers that may never be called",
        ),
        optional(
            "max_calls",
            Kind::Integer(1, MANY),
            "每个使用者的呼出并发数",
            "calls out at a time, of each",
        ),
        optional(
            "calls_per_hour",
            Kind::Integer(1, MANY),
            "每个使用者每小时呼出数",
            "calls out an hour, of each",
        ),
        optional("calls_per_day", Kind::Integer(1, MANY), "每个使用者每天呼出数", "calls out a day, of each"),
        optional(
            "hours",
            Kind::Text,
            "可以呼出的时段, 如 \"08:00-20:00\", 可跨零点",
            "when calls may go out, such as \"08:00-20:00\"; may go over midnight",
        ),
        ON_DAYS,
    ],
};

static DAY: Kind = Kind::Choice(&DAYS);

/// On which days hours are.
pub(crate) const ON_DAYS: Field = default(
    "days",
    Kind::List(&DAY),
    "['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']",
    "时段所在的星期",
    "on which days",
);

static DESTINATIONS: [Choice; 6] = [
    word("internal", "内部分机", "phones of the tenant"),
    word("local", "市话及服务短号", "fixed numbers of the trunk's home area, service numbers"),
    word("national", "国内长途, 400/800", "other fixed numbers, 400 and 800"),
    word("mobile", "手机", "mobiles"),
    word("international", "国际及港澳台", "abroad, Hong Kong, Macau and Taiwan"),
    word("premium", "声讯台 160/168/969", "premium numbers 160, 168, 969"),
];

const KINDS: [DestinationKind; 6] = [
    DestinationKind::Internal,
    DestinationKind::Local,
    DestinationKind::National,
    DestinationKind::Mobile,
    DestinationKind::International,
    DestinationKind::Premium,
];

static DAYS: [Choice; 7] = [
    word("mon", "星期一", "Monday"),
    word("tue", "星期二", "Tuesday"),
    word("wed", "星期三", "Wednesday"),
    word("thu", "星期四", "Thursday"),
    word("fri", "星期五", "Friday"),
    word("sat", "星期六", "Saturday"),
    word("sun", "星期日", "Sunday"),
];

/// What strangers may do.
pub(crate) fn security(hotline: &Record) -> Security {
    let record = hotline.record_if("security");
    let scanners = record.map(|record| record.texts("scanners")).unwrap_or_default();
    Security {
        requests_per_second: record.map_or(0, |record| record.integer("requests_per_second")),
        failed_logins_per_minute: record.map_or(0, |record| record.integer("failed_logins_per_minute")),
        ban: record.map(|record| record.seconds("ban_seconds")).unwrap_or_default(),
        max_bans: record.map_or(0, |record| record.integer("max_bans")),
        scanners: scanners.iter().map(|word| Arc::from(word.to_lowercase())).collect(),
        strange_options: record.map_or(StrangeOptions::Drop, |record| {
            record.choice("options_from_strangers", &[StrangeOptions::Drop, StrangeOptions::Challenge])
        }),
    }
}

/// The classes of service by name, the usual one among them.
pub(crate) fn classes(hotline: &Record, reading: &mut Reading<'_>) -> HashMap<Arc<str>, ClassOfService> {
    let mut classes = HashMap::new();
    for record in hotline.records("class_of_service") {
        let name = record.text("name");
        reading.define(NameKind::Class, &name, record.spot_of("name"));
        let hours = hours(record, reading);
        let class = ClassOfService {
            allow: places(record, "allow").map(|place| KINDS[place]).collect(),
            allow_numbers: record.texts("allow_numbers"),
            deny_numbers: record.texts("deny_numbers"),
            max_calls: record.integer_if("max_calls"),
            calls_per_hour: record.integer_if("calls_per_hour"),
            calls_per_day: record.integer_if("calls_per_day"),
            hours,
            name: Arc::clone(&name),
        };
        classes.insert(name, class);
    }
    if !classes.contains_key(ClassOfService::USUAL) {
        reading.define(NameKind::Class, ClassOfService::USUAL, &hotline.spot);
        classes.insert(Arc::from(ClassOfService::USUAL), ClassOfService::usual());
    }
    classes
}

/// The hours of a record with `hours` and `days`; None: always.
pub(crate) fn hours(record: &Record, reading: &mut Reading<'_>) -> Option<Hours> {
    let mut days = [false; 7];
    places(record, "days").for_each(|place| days[place] = true);
    let all_day = (days != [true; 7]).then_some(Hours { days, from: 0, until: 0 });
    let Some(text) = record.text_if("hours") else { return all_day };
    let Some((from, until)) = text.split_once('-').and_then(|(a, b)| Some((minute_of(a)?, minute_of(b)?)))
    else {
        reading.error(
            record.spot_of("hours"),
            "bad-value",
            format!("«{text}» 不是时段, 应如 \"08:00-20:00\""),
            format!("\"{text}\" is no time of day such as \"08:00-20:00\""),
        );
        return all_day;
    };
    Some(Hours { days, from, until: until % (24 * 60) })
}

/// The minute of the day of `08:30`; 24:00 is the end of it.
fn minute_of(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60 || (hour, minute) == (24, 0)).then_some(hour * 60 + minute)
}

/// Places of the words of a list within their choice.
fn places<'r>(record: &'r Record, key: &str) -> impl Iterator<Item = usize> + 'r {
    record.list(key).iter().filter_map(|entry| match entry.value {
        Value::Choice(place) => Some(place),
        _ => None,
    })
}
