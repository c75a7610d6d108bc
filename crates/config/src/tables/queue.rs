//! Owns `queues/*.toml`.

use std::sync::Arc;

use acd::{Announce, QueueSettings, Strategy, Tier};
use model::{AgentId, PromptName, QueueName};
use routing::{MusicStart, QueueProfile, WhenDiskFull};

use super::{MANY, default, optional, required, word};
use crate::fields::{Kind, NameKind, Object};
use crate::reading::Reading;
use crate::record::Record;

pub(crate) static QUEUE: Object = Object {
    name: "queue",
    zh: "队列",
    en: "a queue",
    fields: &[
        optional(
            "title",
            Kind::Text,
            "显示名称, 省略则用文件名",
            "the name people know; the file's unless set",
        ),
        optional(
            "dial",
            Kind::Dialled,
            "话机拨此号进入队列, 省略则不能拨入",
            "what a phone dials to wait in it; phones cannot unless set",
        ),
        default(
            "strategy",
            Kind::Choice(&[
                word("longest-idle", "空闲最久", "who has been free for the longest time"),
                word("round-robin", "轮流", "in turn"),
                word("top-down", "按列表顺序", "the first free of the list"),
                word("fewest-calls", "最少通话次数", "fewest calls today"),
                word("least-talk", "最短通话时长", "least talk time today"),
                word("all-at-once", "同时振铃", "all free agents at once"),
            ]),
            "'longest-idle'",
            "排队机制",
            "whom it chooses",
        ),
        default(
            "agents",
            Kind::List(&Kind::RefRange(NameKind::Agent)),
            "[]",
            "坐席 (第一级)",
            "its agents, of level 1",
        ),
        default(
            "tier",
            Kind::Tables(&TIER),
            "[]",
            "其他级别的坐席, 前一级无空闲时使用",
            "agents of further levels, asked when no lower one is free",
        ),
        default("ring_seconds", Kind::Seconds(1, 300), "20", "每个坐席振铃时间", "how long a phone rings"),
        default(
            "max_wait_seconds",
            Kind::Seconds(0, 86_400),
            "300",
            "最长等待, 0 表示不限",
            "how long a caller waits; 0: without limit",
        ),
        optional("max_waiting", Kind::Integer(0, MANY), "最多排队人数, 省略则不限", "callers that may wait"),
        default("wrap_up_seconds", Kind::Seconds(0, 86_400), "10", "话后整理时间", "wrap-up time"),
        default(
            "no_answer_rest_seconds",
            Kind::Seconds(0, 86_400),
            "10",
            "未接听后暂不分配的时间",
            "how long an agent who did not answer is passed over",
        ),
        default(
            "leave_when_nobody",
            Kind::Bool,
            "true",
            "无人签入时来电立即离开队列",
            "callers leave at once when nobody is signed in",
        ),
        default(
            "announce_position",
            Kind::Bool,
            "true",
            "播报前面等待人数 (变少时才播)",
            "say how many wait ahead, when that got better",
        ),
        default(
            "announce_every_seconds",
            Kind::Seconds(5, 3_600),
            "30",
            "两次播报的最小间隔",
            "not more often than this",
        ),
        default("priority", Kind::Integer(-1000, 1000), "0", "优先级, 大者先接", "higher goes first"),
        default(
            "music",
            Kind::Ref(NameKind::Prompt),
            "'default'",
            "等待音乐, 内置 default",
            "music on hold; default is built in",
        ),
        default(
            "music_start",
            Kind::Choice(&[
                word("shared", "所有人同步收听", "where everybody else hears it"),
                word("beginning", "从头播放", "at its beginning"),
            ]),
            "'shared'",
            "等待音乐从哪里开始",
            "where a caller's music on hold begins",
        ),
        default(
            "display",
            Kind::Text,
            "'{caller} {queue}'",
            "坐席话机显示, 可用 {caller} {queue} {number}",
            "what the agent's phone shows: {caller} {queue} {number}",
        ),
        default(
            "escalate_to",
            Kind::List(&Kind::Dialled),
            "[]",
            "升级路径: 依次转给谁 (分机, 队列的号码, 外线), 用 transfer 功能码加 #, 或转接到 escalate",
            "the escalation path: whom to send a call to, one after the other (extensions, numbers of queues, outside), by \
             the transfer code and #, or by a transfer to escalate",
        ),
        default("agent_number", Kind::Bool, "true", "接通前播报工号", "tell the caller the agent's number"),
        default(
            "when_disk_full",
            Kind::Choice(&[
                word("go-on", "照常排队, 不录音, 话单注明", "taken without a recording; its record says so"),
                word(
                    "refuse",
                    "未应答则拒接 (503), 已应答则按队列已满处理",
                    "503, or where answered the way of a full queue",
                ),
            ]),
            "'go-on'",
            "录音磁盘已满或出错时要录音的来电",
            "calls to be recorded while the disk of recordings is full or refuses",
        ),
    ],
};

static TIER: Object = Object {
    name: "tier",
    zh: "[[tier]]",
    en: "[[tier]]",
    fields: &[
        required("level", Kind::Integer(2, 100), "级别, 小者先问", "lower levels are asked first"),
        required("agents", Kind::List(&Kind::RefRange(NameKind::Agent)), "坐席", "its agents"),
    ],
};

/// What the ACD needs of a queue.
pub(crate) fn queue(name: &str, record: &Record, reading: &mut Reading<'_>) -> QueueSettings {
    QueueSettings {
        name: QueueName::new(&reading.tenant, name),
        strategy: record.choice(
            "strategy",
            &[
                Strategy::LongestIdle,
                Strategy::RoundRobin,
                Strategy::TopDown,
                Strategy::FewestCalls,
                Strategy::LeastTalk,
                Strategy::AllAtOnce,
            ],
        ),
        tiers: tiers(record, reading),
        ring: record.seconds("ring_seconds"),
        max_wait: record.seconds_unless_zero("max_wait_seconds"),
        max_waiting: record.integer_if("max_waiting"),
        wrap_up: record.seconds("wrap_up_seconds"),
        no_answer_rest: record.seconds("no_answer_rest_seconds"),
        leave_when_nobody: record.bool("leave_when_nobody"),
        announce: Announce {
            position: record.bool("announce_position"),
            every: record.seconds("announce_every_seconds"),
        },
        priority: record.integer("priority"),
    }
}

/// What its calls look like.
pub(crate) fn profile(name: &str, record: &Record, reading: &Reading<'_>) -> QueueProfile {
    QueueProfile {
        music: PromptName::new(&reading.tenant, &record.text("music")),
        music_start: record.choice("music_start", &[MusicStart::Shared, MusicStart::Beginning]),
        display: record.text("display"),
        title: record.text_if("title").unwrap_or_else(|| Arc::from(name)),
        agent_number: record.bool("agent_number"),
        escalate_to: record.texts("escalate_to"),
        dial: record.text_if("dial"),
        when_disk_full: record.choice("when_disk_full", &[WhenDiskFull::GoOn, WhenDiskFull::Refuse]),
    }
}

fn tiers(record: &Record, reading: &mut Reading<'_>) -> Vec<Tier> {
    let mut tiers: Vec<Tier> = Vec::new();
    let others = record.records("tier").map(|tier| (tier.integer("level"), tier));
    let mut seen = std::collections::HashSet::new();
    for (level, record) in std::iter::once((1, record)).chain(others) {
        for entry in record.list("agents") {
            for name in entry.names() {
                if seen.insert(name.clone()) {
                    tiers.push(Tier { agent: AgentId::new(&reading.tenant, &name), level });
                } else {
                    reading.error(
                        &entry.spot,
                        "duplicate",
                        format!("坐席 «{name}» 在此队列中重复"),
                        format!("agent \"{name}\" is in this queue twice"),
                    );
                }
            }
        }
    }
    if tiers.is_empty() {
        reading.warn(
            record.spot_of("agents"),
            "no-agents",
            "此队列没有坐席".into(),
            "this queue has no agents".into(),
        );
    }
    tiers
}
