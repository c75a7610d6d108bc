//! Owns which objects and keys exist. Each file below owns one kind of object: its table, and how its values
//! become a setting.

mod agent;
mod conference;
mod dialling;
mod flow;
mod listener;
mod mailbox;
mod node;
mod number;
mod phone;
mod phone_services;
mod prompts;
mod queue;
mod recordings;
mod security;
mod supervision;
mod trunk;
mod trunk_made;

pub(crate) use agent::{AGENT, AGENTS, agents};
pub(crate) use conference::{CONFERENCE, conference};
pub(crate) use dialling::{CODES, DIALLING, codes, dialling, own_calls_wrap_up};
pub(crate) use flow::{FLOW, Hours, SAY, check as check_flow, flow};
pub(crate) use listener::{interfaces, serves, transports};
pub(crate) use mailbox::{MAILBOX, MAILBOXES, mailboxes};
pub(crate) use node::{HOTLINE, Media, TENANT, hooks, limits, marks, media, node, trace};
pub(crate) use number::{NUMBER, NUMBERS, number};
pub(crate) use phone::{PHONE, PHONES, phones};
pub(crate) use phone_services::{MESSAGES, REGISTRAR, SUBSCRIPTIONS, phone_services};
pub(crate) use prompts::{PROMPTS, prompts};
pub(crate) use queue::{QUEUE, profile, queue};
pub(crate) use recordings::{RECORDINGS, recordings};
pub(crate) use security::{CLASS_OF_SERVICE, SECURITY, classes, security};
pub(crate) use supervision::{SUPERVISION, queues_of, rights, supervision_keys};
pub(crate) use trunk::TRUNK;
pub(crate) use trunk_made::{trunk, trunk_group};

use crate::fields::{Choice, Field, Kind, Object, Presence};

/// A field that may not be left out.
const fn required(key: &'static str, kind: Kind, zh: &'static str, en: &'static str) -> Field {
    Field { key, kind, presence: Presence::Required, zh, en }
}

/// A field that may be left out; then nothing is set.
const fn optional(key: &'static str, kind: Kind, zh: &'static str, en: &'static str) -> Field {
    Field { key, kind, presence: Presence::Optional, zh, en }
}

/// A field for which a TOML value stands when it is left out.
const fn default(
    key: &'static str,
    kind: Kind,
    value: &'static str,
    zh: &'static str,
    en: &'static str,
) -> Field {
    Field { key, kind, presence: Presence::Default(value), zh, en }
}

/// A word of a choice.
const fn word(word: &'static str, zh: &'static str, en: &'static str) -> Choice {
    Choice { word, zh, en }
}

/// Codecs, in the order of [`CODEC_CHOICES`].
const CODECS: Kind = Kind::List(&Kind::Choice(&[
    word("pcma", "G.711 A 律, 国内常用", "G.711 A-law"),
    word("pcmu", "G.711 µ 律", "G.711 µ-law"),
    word("g722", "G.722 宽带", "G.722, wideband"),
    word("g729", "G.729A, 8 kbit/s", "G.729A, 8 kbit/s"),
    word("opus", "Opus", "Opus"),
]));

const CODEC_CHOICES: [routing::CodecChoice; 5] = [
    routing::CodecChoice::Pcma,
    routing::CodecChoice::Pcmu,
    routing::CodecChoice::G722,
    routing::CodecChoice::G729,
    routing::CodecChoice::Opus,
];

/// What `srtp` of a trunk or phone takes, in the order of [`SRTP_CHOICES`].
const SRTP: Kind = Kind::Choice(&[
    word("off", "明文 RTP", "plain RTP"),
    word("optional", "对端支持则加密", "encrypted where the peer can"),
    word("required", "必须加密, 否则拒绝呼叫", "encrypted or no call"),
]);

const SRTP_CHOICES: [routing::SrtpChoice; 3] =
    [routing::SrtpChoice::Off, routing::SrtpChoice::Optional, routing::SrtpChoice::Required];

/// What `dtmf` of a trunk or phone takes, in the order of [`KEY_CHOICES`].
const KEYS: Kind = Kind::Choice(&[
    word("auto", "对端支持则用 RFC 4733, 否则带内", "RFC 4733 where the peer can, else tones"),
    word("rfc4733", "只用 RFC 4733", "RFC 4733 alone"),
    word("info", "SIP INFO", "SIP INFO"),
    word("inband", "带内音频", "tones in the audio"),
]);

const KEY_CHOICES: [routing::KeyChoice; 4] = [
    routing::KeyChoice::Auto,
    routing::KeyChoice::Rfc4733,
    routing::KeyChoice::Info,
    routing::KeyChoice::Inband,
];

/// `codecs` of a trunk or phone.
const MEDIA_CODECS: Field =
    default("codecs", CODECS, "['pcma', 'pcmu']", "编码, 按优先顺序", "codecs, best first");

/// `srtp` of a trunk or phone.
const MEDIA_SRTP: Field =
    default("srtp", SRTP, "'off'", "语音加密 (SRTP, 密钥在 SDP 中)", "media encryption (SRTP, keys in SDP)");

/// `dtmf` of a trunk or phone.
const MEDIA_DTMF: Field = default("dtmf", KEYS, "'auto'", "按键 (DTMF) 的传送方式", "how keys (DTMF) travel");

/// `comfort_noise` of a trunk or phone.
const COMFORT_NOISE: Field = default(
    "comfort_noise",
    Kind::Bool,
    "false",
    "允许静音抑制与舒适噪声 (RFC 3389)",
    "silence suppression with comfort noise (RFC 3389) is allowed",
);

/// `t38` of a trunk or phone.
const T38: Field = default(
    "t38",
    Kind::Bool,
    "true",
    "传真可改用 T.38, 对侧也支持时原样转发; 否则回 488, 继续用语音",
    "faxes may go over to T.38, passed as it comes where the other side does it too; else 488, and audio goes on",
);

/// How media are exchanged with the trunk or phone of `record`.
fn media_choice(record: &crate::record::Record) -> routing::MediaChoice {
    routing::MediaChoice {
        codecs: codecs(record, "codecs"),
        srtp: record.choice("srtp", &SRTP_CHOICES),
        keys: record.choice("dtmf", &KEY_CHOICES),
        comfort_noise: record.bool("comfort_noise"),
        t38: record.bool("t38"),
    }
}

/// The codecs of `key`, in their order.
fn codecs(record: &crate::record::Record, key: &str) -> Vec<routing::CodecChoice> {
    let codec = |entry: &crate::record::Entry| match entry.value {
        crate::record::Value::Choice(place) => Some(CODEC_CHOICES[place]),
        _ => None,
    };
    record.list(key).iter().filter_map(codec).collect()
}

/// How many at most, of anything that is counted.
const MANY: i64 = 1_000_000;

/// The kinds of files of a folder: where they lie, and what they hold.
pub(crate) struct FileKind {
    /// The path, `*` standing for a name.
    pub pattern: &'static str,
    /// One object at the file's root.
    pub one: &'static Object,
    /// Several of them, as an array of tables.
    pub many: Option<&'static Object>,
}

/// Every kind of file, in the order of the reference.
pub(crate) static FILES: [FileKind; 10] = [
    FileKind { pattern: "hotline.toml", one: &HOTLINE, many: None },
    FileKind { pattern: "trunks/*.toml", one: &TRUNK, many: None },
    FileKind { pattern: "numbers/*.toml", one: &NUMBER, many: Some(&NUMBERS) },
    FileKind { pattern: "flows/*.toml", one: &FLOW, many: None },
    FileKind { pattern: "queues/*.toml", one: &QUEUE, many: None },
    FileKind { pattern: "conferences/*.toml", one: &CONFERENCE, many: None },
    FileKind { pattern: "mailboxes/*.toml", one: &MAILBOX, many: Some(&MAILBOXES) },
    FileKind { pattern: "agents/*.toml", one: &AGENT, many: Some(&AGENTS) },
    FileKind { pattern: "phones/*.toml", one: &PHONE, many: Some(&PHONES) },
    FileKind { pattern: "tenants/*/tenant.toml", one: &TENANT, many: None },
];
