//! Owns `numbers/*.toml`.

use model::{FlowName, HotlineNumber};
use routing::{AnswerMode, Hours, Number, RecordPolicy, WhenDiskFull};

use super::security::{ON_DAYS, hours};
use super::{MANY, default, optional, required, word};
use crate::fields::{Kind, NameKind, Object};
use crate::reading::Reading;
use crate::record::Record;

pub(crate) static NUMBERS: Object = Object {
    name: "numbers",
    zh: "号码文件",
    en: "a file of numbers",
    fields: &[required("number", Kind::Tables(&NUMBER), "各个号码", "the numbers")],
};

pub(crate) static NUMBER: Object = Object {
    name: "number",
    zh: "号码",
    en: "a number",
    fields: &[
        required("number", Kind::Dialled, "客户拨打的 400 号码", "the number callers dial"),
        default(
            "aliases",
            Kind::List(&Kind::User),
            "[]",
            "落地号等, 运营商送来的其他写法, 也可以是用户名",
            "landing numbers and other forms the carrier sends, user names too",
        ),
        required("flow", Kind::Ref(NameKind::Flow), "来电进入的流程", "the flow its callers enter"),
        optional(
            "night_flow",
            Kind::Ref(NameKind::Flow),
            "非开放时段, 或夜间模式打开时来电进入的流程; 省略则不能切换",
            "the flow its callers enter out of hours, and while the night switch is on; without it there is no switch",
        ),
        default(
            "open",
            Kind::Tables(&OPEN),
            "[]",
            "开放时段, 省略则总是开放",
            "when it is open; always, unless written",
        ),
        default(
            "answer",
            Kind::Choice(&[
                word("at-once", "立即应答", "200 before the flow begins"),
                word("early-media", "应答前放音 (183), 有人接听或需按键时应答", "183, 200 when needed"),
                word("by-party", "振铃, 有人接听时应答", "180, 200 when a person answers"),
            ]),
            "'at-once'",
            "何时应答",
            "when the caller is answered",
        ),
        default(
            "record",
            Kind::Choice(&[
                word("talk", "与坐席的通话", "the conversation with the agent"),
                word("all", "全程, 含菜单和排队", "everything, menu and queue included"),
                word("off", "不录音", "nothing"),
            ]),
            "'talk'",
            "录音范围",
            "what is recorded",
        ),
        default(
            "when_disk_full",
            Kind::Choice(&[
                word("go-on", "照常接听, 不录音, 话单注明", "taken without a recording; its record says so"),
                word("refuse", "拒接 (503)", "refused (503)"),
            ]),
            "'go-on'",
            "录音磁盘已满或出错时的来电",
            "calls while the disk of recordings is full or refuses",
        ),
        optional("max_calls", Kind::Integer(1, MANY), "并发限制, 省略则不限", "calls at a time"),
    ],
};

static OPEN: Object = Object {
    name: "open",
    zh: "开放时段",
    en: "hours in which a number is open",
    fields: &[
        optional(
            "hours",
            Kind::Text,
            "时段, 如 \"09:00-18:00\", 可跨零点; 省略则全天",
            "the time of day, such as \"09:00-18:00\"; may go over midnight; the whole day unless written",
        ),
        ON_DAYS,
    ],
};

/// One number.
pub(crate) fn number(record: &Record, reading: &mut Reading<'_>) -> Number {
    let number = record.text("number");
    if record.is_written("number") {
        reading.define(NameKind::Number, &number, record.spot_of("number"));
    }
    for alias in record.list("aliases") {
        if let Some(text) = alias.text() {
            reading.define(NameKind::Number, text, &alias.spot);
        }
    }
    let all_day = Hours { days: [true; 7], from: 0, until: 0 };
    let open: Vec<Hours> =
        record.records("open").map(|open| hours(open, reading).unwrap_or(all_day)).collect();
    if !open.is_empty() && !record.is_written("night_flow") {
        reading.error(
            record.spot_of("open"),
            "missing-key",
            "有开放时段的号码要写 «night_flow», 其余时间的来电由它接听".into(),
            "a number with hours needs \"night_flow\", which takes its callers out of hours".into(),
        );
    }
    Number {
        open,
        number: HotlineNumber::new(&reading.tenant, &number),
        aliases: record.texts("aliases"),
        flow: FlowName::new(&reading.tenant, &record.text("flow")),
        night_flow: record.text_if("night_flow").map(|flow| FlowName::new(&reading.tenant, &flow)),
        answer: record.choice("answer", &[AnswerMode::AtOnce, AnswerMode::EarlyMedia, AnswerMode::ByParty]),
        record: record.choice("record", &[RecordPolicy::Talk, RecordPolicy::All, RecordPolicy::Off]),
        when_disk_full: record.choice("when_disk_full", &[WhenDiskFull::GoOn, WhenDiskFull::Refuse]),
        max_calls: record.integer_if("max_calls"),
    }
}
