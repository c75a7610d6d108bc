//! Owns `mailboxes/*.toml`: where callers leave messages (语音信箱).

use std::time::Duration;

use model::MailboxName;
use routing::Mailbox;

use super::agent::one_of_two;
use super::{default, optional, required};
use crate::fields::{Kind, NameKind, Object};
use crate::reading::Reading;
use crate::record::Record;

pub(crate) static MAILBOXES: Object = Object {
    name: "mailboxes",
    zh: "语音信箱文件",
    en: "a file of mailboxes",
    fields: &[required("mailbox", Kind::Tables(&MAILBOX), "各个语音信箱", "the mailboxes")],
};

pub(crate) static MAILBOX: Object = Object {
    name: "mailbox",
    zh: "语音信箱",
    en: "a mailbox",
    fields: &[
        optional(
            "name",
            Kind::Name,
            "名称; 是号码则可接在 *98, *99 之后拨打",
            "its name; a number can be dialled behind *98 and *99",
        ),
        optional("range", Kind::NumberRange, "一段名称, 代替 name", "several names, instead of name"),
        optional(
            "pin",
            Kind::Dialled,
            "密码; 省略则只有 voicemail 写了它的话机能收听",
            "the PIN; without it only phones whose voicemail it is open it",
        ),
        default(
            "own_phone_asks_pin",
            Kind::Bool,
            "false",
            "自己的话机收听也要密码",
            "its owners' phones give the PIN too",
        ),
        default(
            "greeting",
            Kind::List(&Kind::Say),
            "['vm_leave']",
            "提示音之前的问候语",
            "said before the beep",
        ),
        default("max_seconds", Kind::Seconds(5, 3_600), "180", "留言最长时间", "the longest message"),
        default(
            "min_seconds",
            Kind::Seconds(0, 60),
            "2",
            "短于此值 (不算末尾的静音) 的留言不保留",
            "a shorter message is not kept; silence at its end is not counted",
        ),
        default(
            "silence_seconds",
            Kind::Seconds(0, 60),
            "10",
            "静音多少秒即认为留言结束; 0: 只到按键, 挂机或最长时间",
            "a caller who is silent for so long has spoken; 0: only a key, hanging up or the longest ends it",
        ),
        default(
            "review",
            Kind::Bool,
            "true",
            "留言后可以收听, 重录或确认",
            "who has spoken may hear the message, speak it anew or keep it",
        ),
        default("max_messages", Kind::Integer(1, 10_000), "100", "最多留言数", "messages at a time"),
        default(
            "keep_days",
            Kind::Integer(0, 36_500),
            "30",
            "留言在信箱中保留的天数, 0 为直到删除; 录音文件按 [recordings] 保留",
            "days that a message lies in the mailbox, 0: until deleted; its file is kept by [recordings]",
        ),
    ],
};

/// The mailboxes of one object: one, or as many as its range has.
pub(crate) fn mailboxes(record: &Record, reading: &mut Reading<'_>) -> Vec<Mailbox> {
    one_of_two(record, reading, "name", "range");
    let pin = record.text_if("pin");
    if pin.as_ref().is_some_and(|pin| pin.contains('#')) {
        reading.error(
            record.spot_of("pin"),
            "bad-value",
            "密码不能含 #, 它表示输入结束".into(),
            "a PIN has no #, which ends it".into(),
        );
    }
    if record.bool("own_phone_asks_pin") && pin.is_none() {
        reading.error(
            record.spot_of("own_phone_asks_pin"),
            "missing-key",
            "写了 «own_phone_asks_pin» 就要写 «pin»".into(),
            "\"own_phone_asks_pin\" needs the key \"pin\" beside it".into(),
        );
    }
    let key = if record.is_written("name") { "name" } else { "range" };
    let days: u64 = record.integer("keep_days");
    let mut mailboxes = Vec::new();
    for name in record.names("name", "range") {
        reading.define(NameKind::Mailbox, &name, record.spot_of(key));
        mailboxes.push(Mailbox {
            name: MailboxName::new(&reading.tenant, &name),
            pin: pin.clone(),
            own_phone_asks: record.bool("own_phone_asks_pin"),
            greeting: record.say("greeting"),
            longest: record.seconds("max_seconds"),
            shortest: record.seconds("min_seconds"),
            silence: Some(record.seconds("silence_seconds")).filter(|silence| !silence.is_zero()),
            review: record.bool("review"),
            most: record.integer("max_messages"),
            keep: (days > 0).then(|| Duration::from_secs(days * 86_400)),
        });
    }
    mailboxes
}
