//! Owns `hotline.toml` and `tenant.toml`: the node and its limits. Does not own listeners (see `listener`).

use std::net::SocketAddr;
use std::time::Duration;

use routing::Limits;

use super::listener::{DNS, INTERFACE, STREAMS, TLS};
use super::{
    CLASS_OF_SERVICE, CODES, DIALLING, MANY, MESSAGES, PROMPTS, RECORDINGS, REGISTRAR, SECURITY,
    SUBSCRIPTIONS, default, optional, required, word,
};
use crate::fields::{Kind, Object};
use crate::loaded::{HookEvent, HookSettings, MarkSettings, NodeSettings, Pinning, TraceSettings};
use crate::reading::Reading;
use crate::record::Record;

pub(crate) static HOTLINE: Object = Object {
    name: "hotline",
    zh: "主配置 hotline.toml",
    en: "hotline.toml",
    fields: &[
        default("node", Kind::Table(&NODE), "{}", "节点本身", "the node itself"),
        default("limits", Kind::Table(&LIMITS), "{}", "容量限制", "limits"),
        default("security", Kind::Table(&SECURITY), "{}", "安全", "security"),
        default(
            "class_of_service",
            Kind::Tables(&CLASS_OF_SERVICE),
            "[]",
            "呼叫权限 (话机和转接的呼出)",
            "classes of service: who may call out where",
        ),
        default("media", Kind::Table(&MEDIA), "{}", "媒体", "media"),
        default("sip", Kind::Table(&SIP), "{}", "SIP 信令", "signalling"),
        default("recordings", Kind::Table(&RECORDINGS), "{}", "录音的保留和磁盘", "recordings on disk"),
        default("prompts", Kind::Table(&PROMPTS), "{}", "语音文件", "prompts"),
        default("codes", Kind::Table(&CODES), "{}", "话机功能码", "feature codes dialled from a phone"),
        default(
            "dialling",
            Kind::Table(&DIALLING),
            "{}",
            "话机拨号: 外线, 呼叫转移",
            "what phones dial: outside numbers, forwarding",
        ),
        default("supervision", Kind::Table(&super::SUPERVISION), "{}", "监听时的按键", "keys of supervisors"),
        default("registrar", Kind::Table(&REGISTRAR), "{}", "话机注册", "registrations of phones"),
        default(
            "subscriptions",
            Kind::Table(&SUBSCRIPTIONS),
            "{}",
            "占线灯和留言灯",
            "busy lamps and message lamps",
        ),
        default("messages", Kind::Table(&MESSAGES), "{}", "文字消息", "text messages"),
        default("api", Kind::Table(&API), "{}", "管理接口", "the HTTP API"),
        required("interface", Kind::Tables(&INTERFACE), "监听接口", "listeners"),
        default(
            "streams",
            Kind::Table(&STREAMS),
            "{}",
            "TCP, TLS, WebSocket 连接的限制",
            "limits of connections",
        ),
        default("tls", Kind::Table(&TLS), "{}", "TLS 证书的检查", "TLS certificates"),
        default("dns", Kind::Table(&DNS), "{}", "域名解析", "name servers"),
        default(
            "trace",
            Kind::Table(&TRACE),
            "{}",
            "通话信令的留存 (hotline calls trace)",
            "messages kept of each call, for `hotline calls trace`",
        ),
        default("hook", Kind::Tables(&HOOK), "[]", "事件触发的命令", "commands run on events"),
        default(
            "trunk_group",
            Kind::Tables(&super::trunk::TRUNK_GROUP),
            "[]",
            "中继组 (主备, 分担)",
            "groups of trunks",
        ),
    ],
};

pub(crate) static TENANT: Object = Object {
    name: "tenant",
    zh: "租户 tenant.toml",
    en: "tenant.toml",
    fields: &[required(
        "domain",
        Kind::Name,
        "该租户话机的 SIP 域名",
        "the SIP domain of the tenant's phones",
    )],
};

static NODE: Object = Object {
    name: "node",
    zh: "[node]",
    en: "[node]",
    fields: &[
        default("id", Kind::Integer(0, 255), "0", "节点编号, 多节点时各不相同", "number among nodes"),
        default(
            "data",
            Kind::Text,
            "'data'",
            "数据目录 (录音, 话单), 相对于配置目录",
            "data folder, relative to this folder",
        ),
        default(
            "domain",
            Kind::Name,
            "'hotline'",
            "默认租户话机的 SIP 域名",
            "SIP domain of the default tenant's phones",
        ),
        optional("shards", Kind::Integer(1, 255), "信令线程数, 省略则按 CPU 数", "signalling threads"),
        optional("workers", Kind::Integer(1, 255), "媒体线程数, 省略则按 CPU 数", "media threads"),
        default("pinning", Kind::Bool, "true", "线程绑定 CPU", "threads keep to one CPU"),
        default("log", Kind::Text, "'info'", "日志级别, 如 info,call=debug", "log filter"),
        default(
            "language",
            Kind::Choice(&[word("zh-CN", "普通话", "Chinese"), word("en", "英语", "English")]),
            "'zh-CN'",
            "语音提示的语言",
            "language of the prompts",
        ),
        default(
            "time_zone",
            Kind::Text,
            "'Asia/Shanghai'",
            "时区 (零点清零当日计数)",
            "time zone; its midnight starts the day's counters anew",
        ),
        default(
            "drain_seconds",
            Kind::Seconds(0, 86_400),
            "30",
            "停机时等待通话结束的时间",
            "how long a shutdown waits for calls",
        ),
        default(
            "product",
            Kind::Text,
            "'hotline'",
            "SIP 报文中的产品名 (User-Agent, Server)",
            "product name on the wire (User-Agent, Server)",
        ),
    ],
};

static LIMITS: Object = Object {
    name: "limits",
    zh: "[limits]",
    en: "[limits]",
    fields: &[
        default("max_calls", Kind::Integer(1, MANY), "1000", "最大并发通话数", "calls at a time"),
        optional(
            "max_calls_per_second",
            Kind::Integer(1, MANY),
            "每秒新呼叫数上限, 省略则不限",
            "new calls per second",
        ),
        default(
            "max_duration_seconds",
            Kind::Seconds(1, 604_800),
            "14400",
            "单个通话最长时间",
            "the longest call",
        ),
        default(
            "overload_delay_milliseconds",
            Kind::Integer(1, 10_000),
            "20",
            "信令排队超过此时间即拒绝新呼叫 (503), 进行中的通话不受影响",
            "when signalling waits longer than this, new calls get 503; calls in progress are served",
        ),
    ],
};

static MEDIA: Object = Object {
    name: "media",
    zh: "[media]",
    en: "[media]",
    fields: &[
        default(
            "rtp_timeout_seconds",
            Kind::Seconds(0, 86_400),
            "60",
            "多久收不到语音就挂断, 0 表示不检查",
            "a call without RTP for this long ends; 0: never",
        ),
        default(
            "silence_alarm_seconds",
            Kind::Seconds(0, 86_400),
            "20",
            "通话中一方多久没有声音就告警 (单通, 无声), 0 表示不告警",
            "a party of a conversation who is not heard for this long raises the alarm (one-way or no audio); 0: never",
        ),
        default(
            "session_expires_seconds",
            Kind::Seconds(0, 86_400),
            "1800",
            "SIP 会话定时 (RFC 4028), 0 表示由对端决定, 否则至少 90",
            "SIP session timer (RFC 4028); 0: left to the peer, else at least 90",
        ),
        default(
            "dscp",
            DSCP,
            "46",
            "语音包的 DSCP 标记, 46 为 EF (RFC 4594), 0 表示不标记; 改动对新的通话生效",
            "how audio is marked for the network; 46 is EF (RFC 4594), 0 is no mark; a change holds for new calls",
        ),
    ],
};

static SIP: Object = Object {
    name: "sip",
    zh: "[sip]",
    en: "[sip]",
    fields: &[default(
        "dscp",
        DSCP,
        "40",
        "信令包的 DSCP 标记, 40 为 CS5 (RFC 4594), 不少网络用 24, 0 表示不标记; 已有的 TCP 连接不变",
        "how signalling is marked; 40 is CS5 (RFC 4594), many networks use 24, 0 is no mark; connections keep theirs",
    )],
};

/// What a packet's DSCP may be (RFC 2474 §3).
const DSCP: Kind = Kind::Integer(0, 63);

static API: Object = Object {
    name: "api",
    zh: "[api]",
    en: "[api]",
    fields: &[default(
        "listen",
        Kind::Socket,
        "'127.0.0.1:8400'",
        "HTTP 接口监听地址",
        "where the HTTP API listens",
    )],
};

static TRACE: Object = Object {
    name: "trace",
    zh: "[trace]",
    en: "[trace]",
    fields: &[
        default(
            "minutes",
            Kind::Integer(0, 10_080),
            "30",
            "信令留存多少分钟, 0 表示不留存",
            "minutes; 0 keeps none",
        ),
        default("messages", Kind::Integer(1, MANY), "50000", "最多留存多少条", "messages at most"),
        default(
            "megabytes",
            Kind::Integer(1, 65_536),
            "64",
            "报文最多占用多少 MB 内存",
            "megabytes of messages at most",
        ),
    ],
};

static HOOK: Object = Object {
    name: "hook",
    zh: "[[hook]]",
    en: "[[hook]]",
    fields: &[
        required(
            "on",
            Kind::Choice(&[
                word("call_ended", "通话结束, 话单已生成", "a call ended and its record is complete"),
                word("recording_finished", "录音可播放", "a recording can be played"),
            ]),
            "触发事件",
            "the event",
        ),
        required(
            "command",
            Kind::List(&Kind::Text),
            "程序及参数 (不经过 shell), 事件以 JSON 从标准输入传入",
            "program and arguments, no shell; the event comes on standard input as JSON",
        ),
        default("timeout_seconds", Kind::Seconds(1, 3_600), "10", "最长运行时间", "killed after this"),
    ],
};

/// The node's own settings, and its phones' domain.
pub(crate) fn node(hotline: &Record) -> NodeSettings {
    let record = hotline.record_if("node");
    let text = |key| record.map_or_else(|| "".into(), |record| record.text(key));
    let pinning =
        if record.is_some_and(|record| record.bool("pinning")) { Pinning::ByAffinity } else { Pinning::Off };
    NodeSettings {
        id: record.map_or(0, |record| record.integer("id")),
        data: text("data"),
        domain: text("domain").to_ascii_lowercase().into(),
        api: hotline.record_if("api").and_then(|api| api.socket_if("listen")).unwrap_or(UNSET),
        shards: record.and_then(|record| record.integer_if("shards")),
        workers: record.and_then(|record| record.integer_if("workers")),
        pinning,
        log: text("log"),
        language: record.map_or("zh-CN", |record| record.choice("language", &["zh-CN", "en"])).into(),
        time_zone: text("time_zone"),
        drain: record.map_or(Duration::ZERO, |record| record.seconds("drain_seconds")),
        product: text("product"),
    }
}

/// How much is kept of calls' messages.
pub(crate) fn trace(hotline: &Record) -> TraceSettings {
    let record = hotline.record_if("trace");
    let number = |key| record.map_or(0, |record| record.integer::<usize>(key));
    TraceSettings {
        age: Duration::from_secs(60 * number("minutes") as u64),
        messages: number("messages"),
        bytes: number("megabytes") << 20,
    }
}

/// The node's limits.
pub(crate) fn limits(hotline: &Record) -> Limits {
    let limits = hotline.record_if("limits");
    Limits {
        max_calls: limits.map_or(0, |record| record.integer("max_calls")),
        max_calls_per_second: limits.and_then(|record| record.integer_if("max_calls_per_second")),
        max_duration: limits.map_or(Duration::ZERO, |record| record.seconds("max_duration_seconds")),
        overload_delay: Duration::from_millis(
            limits.map_or(0, |record| record.integer("overload_delay_milliseconds")),
        ),
    }
}

/// What is asked of audio and of sessions.
#[derive(Default)]
pub(crate) struct Media {
    pub rtp_timeout: Option<Duration>,
    pub silence_alarm: Option<Duration>,
    pub session_expires: Option<Duration>,
}

/// RTP timeout, alarm of silence and session timer.
pub(crate) fn media(hotline: &Record, reading: &mut Reading<'_>) -> Media {
    let Some(record) = hotline.record_if("media") else { return Media::default() };
    let session = record.seconds_unless_zero("session_expires_seconds");
    // RFC 4028 §5: Min-SE is at least 90 seconds.
    if session.is_some_and(|session| session < Duration::from_secs(90)) {
        reading.error(
            record.spot_of("session_expires_seconds"),
            "bad-value",
            "会话定时至少 90 秒 (RFC 4028), 或 0 表示不用".into(),
            "a session timer has at least 90 seconds (RFC 4028), or 0 for none".into(),
        );
    }
    Media {
        rtp_timeout: record.seconds_unless_zero("rtp_timeout_seconds"),
        silence_alarm: record.seconds_unless_zero("silence_alarm_seconds"),
        session_expires: session,
    }
}

/// How packets are marked.
pub(crate) fn marks(hotline: &Record) -> MarkSettings {
    let of = |table| hotline.record_if(table).map_or(0, |record| record.integer("dscp"));
    MarkSettings { sip: of("sip"), media: of("media") }
}

/// The commands run on events.
pub(crate) fn hooks(hotline: &Record, reading: &mut Reading<'_>) -> Vec<HookSettings> {
    let mut hooks = Vec::new();
    for record in hotline.records("hook") {
        let command = record.texts("command");
        if record.is_written("command") && command.is_empty() {
            reading.error(
                record.spot_of("command"),
                "bad-value",
                "命令至少要有程序名".into(),
                "a command needs at least a program".into(),
            );
        }
        hooks.push(HookSettings {
            on: record.choice("on", &[HookEvent::CallEnded, HookEvent::RecordingFinished]),
            command,
            timeout: record.seconds("timeout_seconds"),
        });
    }
    hooks
}

/// Stands where an address was wrong; its error is told, so nobody sees it.
pub(super) const UNSET: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
