//! Owns `[codes]` and `[dialling]` of `hotline.toml`: what phones dial.

use model::TrunkName;
use model::diversion::ForwardWhen;
use model::supervision::Verb;
use routing::{Dialling, Feature, FeatureCodes, OutsideRoute, RecordPolicy, TalkCodes};

use super::{default, optional, required, word};
use crate::fields::{Kind, NameKind, Object};
use crate::reading::Reading;
use crate::record::Record;

pub(crate) static CODES: Object = Object {
    name: "codes",
    zh: "[codes]",
    en: "[codes]",
    fields: &[
        default("ready", Kind::Dialled, "'*22'", "签入/空闲", "sign in, ready"),
        default("busy", Kind::Dialled, "'*23'", "示忙", "busy"),
        default("pause", Kind::Dialled, "'*24'", "小休", "break"),
        default("sign_out", Kind::Dialled, "'*25'", "签出", "sign out"),
        default("echo", Kind::Dialled, "'*9196'", "回音测试", "echo test"),
        default(
            "forward",
            Kind::Dialled,
            "'*72'",
            "无条件转移, 其后接号码, 如 *728002",
            "forward every call; a number follows, such as *728002",
        ),
        default("forward_off", Kind::Dialled, "'*73'", "取消无条件转移", "no longer"),
        default(
            "forward_busy",
            Kind::Dialled,
            "'*90'",
            "遇忙转移, 其后接号码",
            "forward calls while busy or refused; a number follows",
        ),
        default("forward_busy_off", Kind::Dialled, "'*91'", "取消遇忙转移", "no longer"),
        default(
            "forward_no_answer",
            Kind::Dialled,
            "'*92'",
            "无应答或未注册转移, 其后接号码",
            "forward calls that nobody answers, or while the phone is gone; a number follows",
        ),
        default("forward_no_answer_off", Kind::Dialled, "'*93'", "取消无应答转移", "no longer"),
        default("do_not_disturb", Kind::Dialled, "'*78'", "免打扰", "do not disturb"),
        default("disturb", Kind::Dialled, "'*79'", "取消免打扰", "no longer"),
        default("listen", Kind::Dialled, "'*33'", "监听, 其后接分机号", "listen in; an extension follows"),
        default("barge", Kind::Dialled, "'*34'", "强插, 其后接分机号", "barge in; an extension follows"),
        optional(
            "transfer",
            Kind::Dialled,
            "通话中按此码再拨号码 (以 # 结束): 盲转",
            "pressed in a conversation, then the number and #: sends the other side there",
        ),
        optional(
            "consult",
            Kind::Dialled,
            "通话中按此码再拨号码 (以 # 结束): 先咨询; 其间 * 切换, 0 三方, # 取消, 挂机即转接",
            "the same after a talk with the new one: * changes sides, 0 brings all together, # takes it back, hanging \
             up hands over",
        ),
        default("call_back", Kind::Dialled, "'*69'", "回拨最后来电", "call who called last"),
        default(
            "pick_up",
            Kind::Dialled,
            "'**'",
            "代接同组的分机, 其后接分机号, 如 **8002",
            "take the call of a ringing extension of the same pickup group; it follows, such as **8002",
        ),
        default(
            "pick_up_in_group",
            Kind::Dialled,
            "'*8'",
            "代接同组中振铃最久的来电",
            "take the call that has rung the longest in the pickup group",
        ),
        default(
            "night",
            Kind::Dialled,
            "'*28'",
            "切换夜间模式: 其后接热线号码, 不接则为全部有 night_flow 的号码; 响两声为已开, 一声为已关",
            "turns the night switch of the number behind it, or of all with a night flow; two beeps: on, one: off",
        ),
        default(
            "voicemail",
            Kind::Dialled,
            "'*98'",
            "听留言: 自己的信箱, 或其后所接的信箱",
            "listen to the own mailbox, or to the one behind it",
        ),
        default(
            "leave_message",
            Kind::Dialled,
            "'*99'",
            "给其后所接的信箱留言; 也可作转移目的地, 如 *92*99",
            "leave a message in the mailbox behind it; calls may be forwarded to it, such as *92*99",
        ),
    ],
};

/// What each key of `[codes]` is for.
const FEATURES: [(&str, Feature); 21] = [
    ("ready", Feature::Ready),
    ("busy", Feature::Busy),
    ("pause", Feature::Pause),
    ("sign_out", Feature::SignOut),
    ("echo", Feature::Echo),
    ("forward", Feature::Forward(ForwardWhen::Always)),
    ("forward_off", Feature::ForwardOff(ForwardWhen::Always)),
    ("forward_busy", Feature::Forward(ForwardWhen::Busy)),
    ("forward_busy_off", Feature::ForwardOff(ForwardWhen::Busy)),
    ("forward_no_answer", Feature::Forward(ForwardWhen::NoAnswer)),
    ("forward_no_answer_off", Feature::ForwardOff(ForwardWhen::NoAnswer)),
    ("do_not_disturb", Feature::DoNotDisturb),
    ("disturb", Feature::Disturb),
    ("listen", Feature::Supervise(Verb::Listen)),
    ("barge", Feature::Supervise(Verb::Barge)),
    ("call_back", Feature::CallBack),
    ("pick_up", Feature::PickUp),
    ("pick_up_in_group", Feature::PickUpInGroup),
    ("night", Feature::Night),
    ("voicemail", Feature::Voicemail),
    ("leave_message", Feature::LeaveMessage),
];

pub(crate) static DIALLING: Object = Object {
    name: "dialling",
    zh: "[dialling]",
    en: "[dialling]",
    fields: &[
        optional(
            "prefix",
            Kind::Dialled,
            "外线前缀, 如 9; 省略则直接拨外线号码. 110/119/120/122 不需要前缀",
            "what is dialled before an outside number, such as 9; none unless set; emergency numbers need none",
        ),
        optional(
            "trunk",
            Kind::Ref(NameKind::Trunk),
            "外线走的中继或中继组, 省略则话机不能拨外线",
            "the trunk or group that outside numbers are called by; without it phones call nobody outside",
        ),
        default(
            "route",
            Kind::Tables(&ROUTE),
            "[]",
            "按号码选中继, 先写的优先",
            "trunks by number, the first that fits",
        ),
        default(
            "ring_seconds",
            Kind::Seconds(1, 600),
            "60",
            "内部分机的振铃时间",
            "how long a colleague's phone rings",
        ),
        default(
            "forward_after_seconds",
            Kind::Seconds(1, 600),
            "20",
            "无应答转移之前的振铃时间",
            "how long a phone rings before its calls are forwarded for want of an answer",
        ),
        default(
            "max_forwards",
            Kind::Integer(1, 20),
            "5",
            "一个呼叫最多转移几次",
            "how often a call is forwarded at most",
        ),
        default("record_inside", RECORD, "'talk'", "内部通话录音", "recording of calls between phones"),
        default("record_outside", RECORD, "'talk'", "外呼录音", "recording of calls to outside numbers"),
        default(
            "wrap_up_seconds",
            Kind::Seconds(0, 86_400),
            "0",
            "坐席在自己拨打或直接接听的通话后的话后整理时间",
            "wrap-up time of agents after calls that no queue made",
        ),
    ],
};

static ROUTE: Object = Object {
    name: "route",
    zh: "[[dialling.route]]",
    en: "[[dialling.route]]",
    fields: &[
        required(
            "numbers",
            Kind::List(&Kind::Pattern),
            "号码样式 (前缀之后的部分): X 为任意数字, Z 为 1-9, N 为 2-9, 末尾的 . 为任意多位",
            "what numbers look like behind the prefix: X any digit, Z 1-9, N 2-9, a final . anything",
        ),
        required("trunk", Kind::Ref(NameKind::Trunk), "中继或中继组", "the trunk or group"),
    ],
};

const RECORD: Kind =
    Kind::Choice(&[word("talk", "通话全程", "the conversation"), word("off", "不录音", "nothing")]);

/// The feature codes of the node.
pub(crate) fn codes(hotline: &Record, reading: &mut Reading<'_>) -> FeatureCodes {
    let Some(record) = hotline.record_if("codes") else { return FeatureCodes::default() };
    for (place, (key, _)) in FEATURES.iter().enumerate() {
        let Some(code) = record.text_if(key) else { continue };
        let others = FEATURES[..place].iter().map(|(key, _)| key);
        if let Some(other) = others.into_iter().find(|other| record.text_if(other).as_ref() == Some(&code)) {
            let spot = record.spot_of(if record.is_written(key) { key } else { other });
            reading.error(
                spot,
                "duplicate",
                format!("功能码 «{code}» 同时用于 {other} 和 {key}"),
                format!("code \"{code}\" stands for both {other} and {key}"),
            );
        }
    }
    let codes = FEATURES.iter().filter_map(|(key, feature)| Some((*feature, record.text_if(key)?)));
    let in_talk = |key| record.text_if(key).unwrap_or_else(|| "".into());
    let in_talk = TalkCodes { transfer: in_talk("transfer"), consult: in_talk("consult") };
    FeatureCodes::new(codes).with_talk_codes(in_talk)
}

/// How phones' calls go out.
pub(crate) fn dialling(hotline: &Record, reading: &mut Reading<'_>) -> Dialling {
    let Some(record) = hotline.record_if("dialling") else { return Dialling::default() };
    let mut trunk_of = |record: &Record| {
        let name = record.text_if("trunk")?;
        reading.call_out(&name, record.spot_of("trunk"));
        Some(TrunkName::new(&name))
    };
    let mut routes = Vec::new();
    for written in record.records("route") {
        let Some(trunk) = trunk_of(written) else { continue };
        let patterns = written.texts("numbers").into_iter();
        routes.extend(patterns.map(|pattern| OutsideRoute { pattern, trunk: trunk.clone() }));
    }
    let recorded = [RecordPolicy::Talk, RecordPolicy::Off];
    Dialling {
        prefix: record.text_if("prefix").unwrap_or_default(),
        trunk: trunk_of(record),
        routes,
        ring: record.seconds("ring_seconds"),
        forward_after: record.seconds("forward_after_seconds"),
        max_forwards: record.integer("max_forwards"),
        record_inside: record.choice("record_inside", &recorded),
        record_outside: record.choice("record_outside", &recorded),
    }
}

/// Wrap-up of agents after calls that no queue made.
pub(crate) fn own_calls_wrap_up(hotline: &Record) -> std::time::Duration {
    hotline.record_if("dialling").map(|record| record.seconds("wrap_up_seconds")).unwrap_or_default()
}
