//! Owns `phones/*.toml`.

use model::{AgentId, Aor, MailboxName};
use routing::{DigestChoice, Phone};

use super::agent::one_of_two;
use super::{default, media_choice, optional, required, trunk, trunk_made, word};
use crate::fields::{Kind, NameKind, Object};
use crate::reading::Reading;
use crate::record::Record;

pub(crate) static PHONES: Object = Object {
    name: "phones",
    zh: "话机文件",
    en: "a file of phones",
    fields: &[required("phone", Kind::Tables(&PHONE), "各个话机", "the phones")],
};

pub(crate) static PHONE: Object = Object {
    name: "phone",
    zh: "话机",
    en: "a phone",
    fields: &[
        optional("user", Kind::Name, "注册用户名 (分机号)", "its user name, the extension"),
        optional("range", Kind::NumberRange, "一段用户名, 代替 user", "several user names, instead of user"),
        required("password", Kind::Text, "注册密码", "its password"),
        default(
            "digest",
            Kind::Choice(&[
                word("md5", "只用 MD5, 所有话机都支持", "MD5 alone: what every phone understands"),
                word("sha-256", "只用 SHA-256", "SHA-256 alone"),
                word("both", "两者都提供", "two challenges"),
            ]),
            "'md5'",
            "认证算法",
            "digest algorithms offered",
        ),
        optional(
            "interface",
            Kind::Ref(NameKind::Interface),
            "使用的接口, 省略则用第一个",
            "its interface; the first unless set",
        ),
        optional(
            "agent",
            Kind::Ref(NameKind::Agent),
            "使用它的坐席, 省略则为以它为话机的坐席",
            "the agent who uses it; whose phone it is unless set",
        ),
        default(
            "max_contacts",
            Kind::Integer(1, 20),
            "5",
            "同时注册的终端数",
            "devices registered at a time",
        ),
        optional(
            "class_of_service",
            Kind::Ref(NameKind::Class),
            "呼出权限, 省略则为 default",
            "its class of service for calls out; \"default\" unless set",
        ),
        optional(
            "caller",
            Kind::Number,
            "拨外线时显示的号码, 须是中继的 caller 或 callers, 否则显示中继的号码",
            "the number its calls out show where the trunk has it as caller or among callers; else the trunk's",
        ),
        optional(
            "pickup_group",
            Kind::Name,
            "代接组: 同组的话机可以互相代接; 省略则与其他省略者同组",
            "phones of one group pick up for each other; those without one are a group too",
        ),
        default(
            "night_switch",
            Kind::Bool,
            "false",
            "可以用功能码切换本租户号码的夜间模式",
            "it may turn the night switches of the tenant's numbers by the code",
        ),
        optional(
            "mailbox",
            Kind::Ref(NameKind::Mailbox),
            "它的语音信箱: *98 收听不用密码, 留言灯亮; 省略且 voicemail = true 则为与话机同名的信箱",
            "its mailbox: heard by *98 without a PIN, shown by the message lamp; with voicemail the one of its own name",
        ),
        default(
            "voicemail",
            Kind::Bool,
            "false",
            "打来而未接的电话 (无应答, 遇忙, 拒接, 免打扰, 未注册) 进入语音信箱",
            "calls that it does not take (no answer, busy, declined, not to be disturbed, gone) go to its mailbox",
        ),
        super::MEDIA_CODECS,
        default(
            "reliable",
            trunk::RELIABLE,
            "'supported'",
            "可靠临时响应 (100rel)",
            "reliable provisional responses",
        ),
        default(
            "large_over_tcp",
            Kind::Bool,
            "false",
            "超过 1300 字节的请求改用 TCP 发送 (须话机支持)",
            "requests of more than 1,300 bytes go by TCP (where the phone can)",
        ),
        super::MEDIA_SRTP,
        super::MEDIA_DTMF,
        super::COMFORT_NOISE,
        super::T38,
    ],
};

/// The phones of one object: one, or as many as its range has.
pub(crate) fn phones(record: &Record, reading: &mut Reading<'_>, domain: &str, interface: u16) -> Vec<Phone> {
    one_of_two(record, reading, "user", "range");
    if record.is_written("codecs") {
        trunk_made::no_codec(record, reading);
    }
    let key = if record.is_written("user") { "user" } else { "range" };
    let mut phones = Vec::new();
    for user in record.names("user", "range") {
        reading.define(NameKind::Phone, &user, record.spot_of(key));
        let voicemail = record.bool("voicemail");
        let mailbox = record.text_if("mailbox").or_else(|| voicemail.then(|| user.clone()));
        phones.push(Phone {
            tenant: reading.tenant.clone(),
            aor: Aor::new(&user, domain),
            password: record.text("password"),
            digest: record.choice("digest", &[DigestChoice::Md5, DigestChoice::Sha256, DigestChoice::Both]),
            interface,
            agent: record.text_if("agent").map(|agent| AgentId::new(&reading.tenant, &agent)),
            max_contacts: record.integer("max_contacts"),
            media: media_choice(record),
            class: record.text_if("class_of_service"),
            reliable: record.choice("reliable", &trunk::RELIABLE_CHOICES),
            large_over_tcp: record.bool("large_over_tcp"),
            caller: record.text_if("caller"),
            pickup_group: record.text_if("pickup_group"),
            night_switch: record.bool("night_switch"),
            mailbox: mailbox.map(|name| MailboxName::new(&reading.tenant, &name)),
            voicemail,
        });
    }
    phones
}
