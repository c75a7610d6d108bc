//! Owns `flows/*.toml`: the nodes of a flow and what is said.

use std::collections::BTreeMap;
use std::sync::Arc;

use ivr::{AnswerRule, BoundPhone, Flow, Interrupt, Node, NodeName};
use model::say::Key;
use model::{Aor, ConferenceName, DialTarget, FlowName, MailboxName, QueueName};

use super::agent::target;
use super::{default, optional, required, word};
use crate::fields::{Choice, Field, Kind, NameKind, Object};
use crate::reading::Reading;
use crate::record::Record;

pub(crate) static FLOW: Object = Object {
    name: "flow",
    zh: "流程",
    en: "a flow",
    fields: &[
        required("start", NODE_NAME, "起始节点", "where a caller enters"),
        required(
            "node",
            Kind::Named(NameKind::Node, &NODES),
            "各个节点 [node.名称]",
            "the nodes [node.NAME]",
        ),
    ],
};

pub(crate) static SAY: Object = Object {
    name: "say",
    zh: "播放内容",
    en: "something spoken",
    fields: &[
        optional("prompt", Kind::Ref(NameKind::Prompt), "语音", "a recorded prompt"),
        optional("digits", Kind::Dialled, "逐位读数字, 1 读幺", "digit by digit"),
        optional("number", Kind::Integer(-999_999_999_999, 999_999_999_999), "读数值", "a cardinal number"),
        optional("ordinal", Kind::Integer(0, 999_999_999), "第几", "an ordinal number"),
        optional("decimal", Kind::Text, "小数, 如 '3.14'", "a decimal number, e.g. '3.14'"),
        optional("percent", Kind::Text, "百分之几, 如 '12.5'", "a share in percent, e.g. '12.5'"),
        optional("money", Kind::Text, "金额 (元), 如 '102.05'", "an amount in yuan, e.g. '102.05'"),
        optional("date", Kind::Text, "日期, 如 '2026-11-02'", "a day, e.g. '2026-11-02'"),
        optional(
            "weekday",
            Kind::Integer(1, 7),
            "星期几, 1 至 7 (星期天)",
            "a weekday, 1 Monday to 7 Sunday",
        ),
        optional("time", Kind::Text, "钟点, 如 '14:30'", "a time of the day, e.g. '14:30'"),
        optional(
            "duration_seconds",
            Kind::Integer(0, 31_536_000),
            "时长 (秒)",
            "a length of time in seconds",
        ),
        optional("agent_number", Kind::Dialled, "工号 … 为您服务", "the agent's number"),
        optional("pause", Kind::Integer(1, 60_000), "停顿的毫秒数", "a pause in milliseconds"),
        optional(
            "tone",
            Kind::Choice(&[
                word("ringback", "回铃音", "ringback"),
                word("busy", "忙音", "busy"),
                word("congestion", "拥塞音", "congestion"),
                word("beep", "提示音", "a beep"),
                word("call-waiting", "呼叫等待音", "another call waits"),
                word("special-info", "空号音", "no such number"),
            ]),
            "信号音",
            "a tone",
        ),
    ],
};

static NODES: [&Object; 10] = [
    &PLAY,
    &MENU,
    &EXTENSION,
    &QUEUE_NODE,
    &DIAL,
    &CONFERENCE_NODE,
    &VOICEMAIL,
    &MAILBOX_NODE,
    &SURVEY,
    &HANGUP,
];

const NODE_NAME: Kind = Kind::Ref(NameKind::Node);
const SAID: Kind = Kind::List(&Kind::Say);
const TRIES: Kind = Kind::Integer(1, 20);
const PAUSE: Kind = Kind::Seconds(1, 120);
const MASK: Field = default(
    "mask",
    Kind::Bool,
    "false",
    "按键保密 (如密码): 期间不录音, 按键不入话单",
    "keys are a secret: meanwhile nothing is recorded, and no record has them",
);

static PLAY: Object = Object {
    name: "play",
    zh: "放音节点",
    en: "a play node",
    fields: &[
        kind(&[word("play", "放音", "plays prompts")]),
        required("say", SAID, "播放内容", "what is said"),
        default(
            "interrupt",
            Kind::Choice(&[
                word("by-key", "按键打断, 该键用于下一菜单", "a key ends it and counts for the next menu"),
                word("never", "放完为止, 期间按键留给下一菜单", "plays to its end, keys are kept"),
            ]),
            "'by-key'",
            "能否打断",
            "whether keys end it",
        ),
        default("notice", Kind::Bool, "false", "这是录音告知", "this is the recording notice"),
        optional("next", NODE_NAME, "下一节点, 省略则挂机", "where to go; hangs up unless set"),
    ],
};

static MENU: Object = Object {
    name: "menu",
    zh: "菜单节点",
    en: "a menu node",
    fields: &[
        kind(&[word("menu", "按键菜单", "plays a menu and waits for one key")]),
        required("say", SAID, "菜单内容", "the menu's text"),
        required("keys", Kind::Keys(&NODE_NAME), "按键 = 节点", "key = node"),
        default("timeout_seconds", PAUSE, "5", "放完后等待按键的时间", "silence before it is asked again"),
        default("tries", TRIES, "3", "最多播放次数 (按错与超时合计)", "how often it is played in all"),
        default("invalid", SAID, "['ivr_invalid']", "按错时", "said after a wrong key"),
        default("silence", SAID, "['ivr_timeout']", "未按键时", "said after a silence"),
        optional("failed", NODE_NAME, "次数用完后, 省略则挂机", "after the last try; hangs up unless set"),
        MASK,
    ],
};

static EXTENSION: Object = Object {
    name: "extension",
    zh: "分机节点",
    en: "an extension node",
    fields: &[
        kind(&[word("extension", "收分机号并转接", "collects an extension and dials it")]),
        default("say", SAID, "['ivr_input_ext']", "提示输入", "the request"),
        default(
            "max_digits",
            Kind::Integer(1, 20),
            "4",
            "最多位数, # 提前结束",
            "digits at most; # ends earlier",
        ),
        default("timeout_seconds", PAUSE, "5", "位间等待时间", "silence that ends the number"),
        default("tries", TRIES, "3", "最多询问次数", "how often it is asked in all"),
        default("invalid", SAID, "['notexist']", "分机不存在时", "said when the extension does not exist"),
        default("ring_seconds", Kind::Seconds(1, 300), "30", "振铃时间", "how long it rings"),
        default(
            "phones",
            Kind::List(&Kind::RefRange(NameKind::Phone)),
            "[]",
            "可拨的话机, 分机号即用户名",
            "phones that may be reached by their user name",
        ),
        default(
            "extensions",
            Kind::Numbers(&Kind::Table(&TARGET)),
            "{}",
            "其他分机 = { phone | trunk, number | uri }",
            "other extensions = { phone | trunk, number | uri }",
        ),
        optional("next", NODE_NAME, "通话后, 省略则挂机", "after the conversation"),
        optional("failed", NODE_NAME, "无人接听等, 省略则挂机", "no answer, busy, out of tries"),
        MASK,
    ],
};

static QUEUE_NODE: Object = Object {
    name: "queue",
    zh: "排队节点",
    en: "a queue node",
    fields: &[
        kind(&[word("queue", "排队等坐席", "a place in a queue")]),
        required("queue", Kind::Ref(NameKind::Queue), "队列", "the queue"),
        default("priority", Kind::Integer(-1000, 1000), "0", "附加优先级", "added priority"),
        default("say", SAID, "[]", "入队前播放", "said before"),
        optional("next", NODE_NAME, "坐席先挂机后, 如满意度调查", "the agent hung up first"),
        optional("timeout", NODE_NAME, "等待超时", "the maximum wait passed"),
        optional("full", NODE_NAME, "队列已满", "no room"),
        optional("no_agent", NODE_NAME, "无人签入", "nobody is signed in"),
    ],
};

static DIAL: Object = Object {
    name: "dial",
    zh: "绑定电话节点",
    en: "a dial node",
    fields: &[
        kind(&[word("dial", "直接振铃绑定电话", "rings phones without a queue")]),
        required("phones", Kind::Tables(&BOUND), "绑定电话", "whom"),
        default(
            "rule",
            Kind::Choice(&[
                word("in-order", "依次, 遇忙或无人接听转下一个", "one after the other"),
                word("all-at-once", "同时振铃, 先接者得", "all at once"),
            ]),
            "'in-order'",
            "接听规则",
            "in which way",
        ),
        default("say", SAID, "[]", "接通前播放", "said before"),
        optional("next", NODE_NAME, "对方先挂机后", "the other side hung up first"),
        optional("failed", NODE_NAME, "无人接听, 省略则挂机", "nobody answered"),
    ],
};

static CONFERENCE_NODE: Object = Object {
    name: "conference",
    zh: "会议节点",
    en: "a conference node",
    fields: &[
        kind(&[word("conference", "进入会议室", "lets the caller into a conference room")]),
        required("conference", Kind::Ref(NameKind::Conference), "会议室", "the conference room"),
        default("say", SAID, "[]", "进入前播放", "said before"),
        optional("next", NODE_NAME, "会议结束后, 省略则挂机", "after the conference"),
        optional("failed", NODE_NAME, "密码错误, 已锁定或已满, 省略则挂机", "a wrong PIN, locked or full"),
    ],
};

static VOICEMAIL: Object = Object {
    name: "voicemail",
    zh: "留言节点",
    en: "a voicemail node",
    fields: &[
        kind(&[word("voicemail", "留言", "the caller leaves a message")]),
        required("mailbox", Kind::Ref(NameKind::Mailbox), "语音信箱", "the mailbox"),
        default("say", SAID, "[]", "信箱问候语之前的播放内容", "said before the mailbox's greeting"),
        optional("next", NODE_NAME, "留言后按 # 的去向, 省略则挂机", "after a message; hangs up unless set"),
        optional(
            "failed",
            NODE_NAME,
            "信箱已满, 或没有留言; 省略则挂机",
            "the mailbox is full, or no message was left; hangs up unless set",
        ),
    ],
};

static MAILBOX_NODE: Object = Object {
    name: "mailbox",
    zh: "听留言节点",
    en: "a mailbox node",
    fields: &[
        kind(&[word("mailbox", "听留言, 需要信箱密码", "the caller hears a mailbox by its PIN")]),
        required("mailbox", Kind::Ref(NameKind::Mailbox), "语音信箱", "the mailbox"),
        default("say", SAID, "[]", "之前的播放内容", "said before"),
        optional("next", NODE_NAME, "之后的去向, 省略则挂机", "where to go then; hangs up unless set"),
    ],
};

static BOUND: Object = Object {
    name: "bound phone",
    zh: "绑定电话",
    en: "a bound phone",
    fields: &[
        optional("phone", Kind::Ref(NameKind::Phone), "话机", "a phone"),
        optional("trunk", Kind::Ref(NameKind::Trunk), "经此中继呼出", "a trunk"),
        optional("number", Kind::Dialled, "号码, 与 trunk 同写", "a number, with trunk"),
        optional("uri", Kind::SipUri, "固定的 SIP 地址", "a fixed SIP address"),
        default("ring_seconds", Kind::Seconds(1, 300), "30", "振铃时间", "how long it rings"),
    ],
};

static TARGET: Object = Object {
    name: "target",
    zh: "目的地",
    en: "a target",
    fields: &[
        optional("phone", Kind::Ref(NameKind::Phone), "话机", "a phone"),
        optional("trunk", Kind::Ref(NameKind::Trunk), "经此中继呼出", "a trunk"),
        optional("number", Kind::Dialled, "号码, 与 trunk 同写", "a number, with trunk"),
        optional("uri", Kind::SipUri, "固定的 SIP 地址", "a fixed SIP address"),
    ],
};

static SURVEY: Object = Object {
    name: "survey",
    zh: "满意度节点",
    en: "a survey node",
    fields: &[
        kind(&[word("survey", "满意度调查", "asks for a rating")]),
        default("say", SAID, "['csat_ask']", "询问内容", "the question"),
        default(
            "keys",
            Kind::Keys(&Kind::Text),
            "{ 1 = '满意', 2 = '一般', 3 = '不满意' }",
            "按键 = 评价",
            "key = rating",
        ),
        default("timeout_seconds", PAUSE, "5", "等待按键的时间", "silence before it is asked again"),
        default("tries", TRIES, "2", "最多询问次数", "how often it is asked in all"),
        default("invalid", SAID, "['ivr_invalid']", "按错时", "said after a wrong key"),
        default("thanks", SAID, "['csat_thanks']", "评价后", "said after a rating"),
        optional("next", NODE_NAME, "下一节点, 省略则挂机", "where to go; hangs up unless set"),
    ],
};

static HANGUP: Object = Object {
    name: "hangup",
    zh: "挂机节点",
    en: "a hang-up node",
    fields: &[
        kind(&[word("hangup", "挂机", "hangs up")]),
        default("say", SAID, "['thanks_bye']", "告别语", "the goodbye"),
    ],
};

/// The key by which nodes are told apart; each node's own word is its only choice.
const fn kind(own: &'static [Choice]) -> Field {
    required("kind", Kind::Choice(own), "节点种类", "what kind of node")
}

/// The flow of a file.
pub(crate) fn flow(name: &str, record: &Record, reading: &mut Reading<'_>, domain: &str) -> Flow {
    let mut nodes = BTreeMap::new();
    for (name, _, entry) in record.map("node") {
        if let Some(record) = entry.record() {
            nodes.insert(name.clone(), node(record, reading, domain));
        }
    }
    Flow { name: FlowName::new(&reading.tenant, name), start: record.text("start"), nodes }
}

/// Tells what `ivr` finds strange in a flow that has no errors.
pub(crate) fn check(flow: &Flow, record: &Record, hours: Hours, reading: &mut Reading<'_>) {
    for finding in ivr::check(flow) {
        // At night nobody need be there.
        let night = hours == Hours::NightOnly && finding.problem == ivr::Problem::NoWayToPerson;
        if night || finding.severity() == ivr::Severity::Error {
            continue;
        }
        let named = finding.node.as_deref();
        let node = record.map("node").iter().find(|(name, ..)| Some(name.as_ref()) == named);
        let spot = node.map_or(record.spot_of("start"), |(_, spot, _)| spot).clone();
        let text = finding.to_string();
        let (zh, en) = text.split_once(" / ").unwrap_or((&text, &text));
        reading.warn(&spot, "flow", zh.to_owned(), en.to_owned());
    }
}

/// When callers enter a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hours {
    /// Only while a night switch is on.
    NightOnly,
    /// At any time.
    Any,
}

fn node(record: &Record, reading: &mut Reading<'_>, domain: &str) -> Node {
    let next = |key: &str| record.text_if(key);
    match record.object.name {
        "play" => Node::Play {
            say: record.say("say"),
            interrupt: record.choice("interrupt", &[Interrupt::ByKey, Interrupt::Never]),
            notice: record.bool("notice"),
            next: next("next"),
        },
        "menu" => menu(record),
        "extension" => extension(record, reading, domain),
        "queue" => Node::Queue {
            queue: QueueName::new(&reading.tenant, &record.text("queue")),
            priority: record.integer("priority"),
            say: record.say("say"),
            next: next("next"),
            timeout: next("timeout"),
            full: next("full"),
            no_agent: next("no_agent"),
        },
        "dial" => Node::Dial {
            phones: bound_phones(record, reading, domain),
            rule: record.choice("rule", &[AnswerRule::InOrder, AnswerRule::AllAtOnce]),
            say: record.say("say"),
            next: next("next"),
            failed: next("failed"),
        },
        "conference" => Node::Conference {
            conference: ConferenceName::new(&reading.tenant, &record.text("conference")),
            say: record.say("say"),
            next: next("next"),
            failed: next("failed"),
        },
        "voicemail" => Node::Voicemail {
            mailbox: MailboxName::new(&reading.tenant, &record.text("mailbox")),
            say: record.say("say"),
            next: next("next"),
            failed: next("failed"),
        },
        "mailbox" => Node::Mailbox {
            mailbox: MailboxName::new(&reading.tenant, &record.text("mailbox")),
            say: record.say("say"),
            next: next("next"),
        },
        "survey" => Node::Survey {
            say: record.say("say"),
            keys: keys(record),
            timeout: record.seconds("timeout_seconds"),
            tries: record.integer("tries"),
            invalid: record.say("invalid"),
            thanks: record.say("thanks"),
            next: next("next"),
        },
        _ => Node::Hangup { say: record.say("say") },
    }
}

fn menu(record: &Record) -> Node {
    Node::Menu {
        say: record.say("say"),
        keys: keys(record),
        timeout: record.seconds("timeout_seconds"),
        tries: record.integer("tries"),
        invalid: record.say("invalid"),
        silence: record.say("silence"),
        failed: record.text_if("failed"),
        mask: record.bool("mask"),
    }
}

/// Telephone key → text: a node's name or a rating's word.
fn keys(record: &Record) -> BTreeMap<Key, NodeName> {
    let pair = |(key, _, entry): &(Arc<str>, _, crate::record::Entry)| {
        Some((Key::from_char(key.chars().next()?)?, entry.text()?.clone()))
    };
    record.map("keys").iter().filter_map(pair).collect()
}

fn extension(record: &Record, reading: &mut Reading<'_>, domain: &str) -> Node {
    let mut extensions: BTreeMap<Arc<str>, DialTarget> = BTreeMap::new();
    for user in record.texts("phones") {
        extensions.insert(user.clone(), DialTarget::Phone(Aor::new(&user, domain)));
    }
    for (number, spot, entry) in record.map("extensions") {
        let Some(place) = entry.record().and_then(|place| somewhere(place, reading, domain)) else {
            continue;
        };
        if extensions.insert(number.clone(), place).is_some() {
            reading.error(
                spot,
                "duplicate",
                format!("分机 «{number}» 重复"),
                format!("extension \"{number}\" is there twice"),
            );
        }
    }
    let longest = extensions.keys().map(|number| number.len()).max().unwrap_or_default();
    let max_digits: u8 = record.integer("max_digits");
    if longest > usize::from(max_digits) {
        reading.error(
            record.spot_of("max_digits"),
            "bad-value",
            format!("有 {longest} 位的分机, 但最多只收 {max_digits} 位"),
            format!("an extension has {longest} digits, but only {max_digits} are taken"),
        );
    }
    Node::DialExtension {
        say: record.say("say"),
        max_digits,
        timeout: record.seconds("timeout_seconds"),
        tries: record.integer("tries"),
        invalid: record.say("invalid"),
        ring: record.seconds("ring_seconds"),
        extensions,
        next: record.text_if("next"),
        failed: record.text_if("failed"),
        mask: record.bool("mask"),
    }
}

fn bound_phones(record: &Record, reading: &mut Reading<'_>, domain: &str) -> Vec<BoundPhone> {
    let mut phones = Vec::new();
    for phone in record.records("phones") {
        if let Some(target) = somewhere(phone, reading, domain) {
            phones.push(BoundPhone { target, ring: phone.seconds("ring_seconds") });
        }
    }
    if record.is_written("phones") && record.list("phones").is_empty() {
        reading.error(
            record.spot_of("phones"),
            "bad-value",
            "至少要有一个绑定电话".into(),
            "at least one phone is needed".into(),
        );
    }
    phones
}

fn somewhere(record: &Record, reading: &mut Reading<'_>, domain: &str) -> Option<DialTarget> {
    let target = target(record, reading, domain);
    if target.is_none() {
        reading.error(
            &record.spot,
            "missing-key",
            "要写 «phone», «trunk» 加 «number», 或 «uri»".into(),
            "the key \"phone\", \"trunk\" with \"number\", or \"uri\" is needed".into(),
        );
    }
    target
}
