//! Owns `conferences/*.toml`: rooms in which several talk (R20).

use std::collections::HashSet;
use std::sync::Arc;

use model::{AgentId, ConferenceName};
use routing::{ConferenceProfile, JoinTones};

use super::{default, optional, word};
use crate::fields::{Kind, NameKind, Object};
use crate::reading::Reading;
use crate::record::Record;

pub(crate) static CONFERENCE: Object = Object {
    name: "conference",
    zh: "会议室",
    en: "a conference room",
    fields: &[
        optional(
            "number",
            Kind::Dialled,
            "话机拨打的号码, 省略则只能由流程进入",
            "dialled by phones; by flows alone unless set",
        ),
        optional("pin", Kind::Dialled, "密码, 省略则不问", "the PIN; nobody is asked unless set"),
        optional("moderator_pin", Kind::Dialled, "主持人密码, 与 pin 同写", "the moderator's PIN, with pin"),
        default(
            "moderators",
            Kind::List(&Kind::RefRange(NameKind::Agent)),
            "[]",
            "主持人工号, 从自己的话机进入不用密码",
            "agents who moderate, without a PIN from their phones",
        ),
        default("max_participants", Kind::Integer(2, 64), "20", "最多人数", "participants at a time"),
        default(
            "max_duration_seconds",
            Kind::Seconds(60, 86_400),
            "14400",
            "最长时间, 到时全部退出",
            "the longest conference; then everybody leaves",
        ),
        default(
            "record",
            Kind::Bool,
            "true",
            "录音, 从第二人进入起",
            "recorded from the second participant on",
        ),
        default(
            "tones",
            Kind::Choice(&[
                word(
                    "beep",
                    "有人进入响一声, 离开响两声",
                    "one beep when somebody comes, two when somebody goes",
                ),
                word("off", "不提示", "none"),
            ]),
            "'beep'",
            "进出提示音",
            "what the others hear when somebody comes or goes",
        ),
        default(
            "mute_on_entry",
            Kind::Bool,
            "false",
            "进入时静音 (主持人除外)",
            "participants come in muted",
        ),
    ],
};

/// One room.
pub(crate) fn conference(name: &str, record: &Record, reading: &mut Reading<'_>) -> ConferenceProfile {
    let number = record.text_if("number");
    if record.is_written("moderator_pin") && !record.is_written("pin") {
        reading.error(
            record.spot_of("moderator_pin"),
            "missing-key",
            "写了 «moderator_pin» 就要写 «pin»".into(),
            "\"moderator_pin\" needs the key \"pin\" beside it".into(),
        );
    }
    for key in ["pin", "moderator_pin"] {
        if record.text_if(key).is_some_and(|pin| pin.contains('#')) {
            reading.error(
                record.spot_of(key),
                "bad-value",
                "密码不能含 #, 它表示输入结束".into(),
                "a PIN has no #, which ends it".into(),
            );
        }
    }
    let pin = record.text_if("pin");
    if pin.is_some() && pin == record.text_if("moderator_pin") {
        reading.error(
            record.spot_of("moderator_pin"),
            "duplicate",
            "主持人密码要与 «pin» 不同".into(),
            "the moderator's PIN must differ from \"pin\"".into(),
        );
    }
    let moderators: HashSet<AgentId> =
        record.texts("moderators").iter().map(|id| AgentId::new(&reading.tenant, id)).collect();
    ConferenceProfile {
        name: ConferenceName::new(&reading.tenant, name),
        number: number.map(|number| Arc::from(&*number)),
        pin,
        moderator_pin: record.text_if("moderator_pin"),
        moderators,
        max_participants: record.integer("max_participants"),
        max_duration: record.seconds("max_duration_seconds"),
        record: record.bool("record"),
        tones: record.choice("tones", &[JoinTones::Beep, JoinTones::Off]),
        mute_on_entry: record.bool("mute_on_entry"),
    }
}
