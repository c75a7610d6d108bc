//! Owns `agents/*.toml`, and how a person's whereabouts are written.

use std::sync::Arc;

use acd::{AgentSettings, SignIn};
use model::{AgentId, Aor, DialTarget, TrunkName};

use super::{default, optional, required, word};
use crate::fields::{Kind, NameKind, Object};
use crate::reading::{Reading, Spot};
use crate::record::Record;

pub(crate) static AGENTS: Object = Object {
    name: "agents",
    zh: "坐席文件",
    en: "a file of agents",
    fields: &[required("agent", Kind::Tables(&AGENT), "各个坐席", "the agents")],
};

pub(crate) static AGENT: Object = Object {
    name: "agent",
    zh: "坐席",
    en: "an agent",
    fields: &[
        optional("id", Kind::Name, "工号", "the agent's number"),
        optional("range", Kind::NumberRange, "一段工号, 代替 id", "several numbers, instead of id"),
        default("name", Kind::Text, "'{id}'", "姓名, {id} 表示工号", "the name; {id} stands for the number"),
        optional(
            "phone",
            Kind::Ref(NameKind::Phone),
            "使用的话机, 省略则与工号相同",
            "the phone; the one of the same number unless set",
        ),
        optional("trunk", Kind::Ref(NameKind::Trunk), "绑定电话经此中继呼出", "the trunk to a bound phone"),
        optional(
            "number",
            Kind::Dialled,
            "绑定电话的号码, 与 trunk 同写",
            "the bound phone's number, with trunk",
        ),
        optional("uri", Kind::SipUri, "固定的 SIP 地址", "a fixed SIP address"),
        optional(
            "sign_in",
            Kind::Choice(&[
                word("by-code", "用功能码, 命令行或接口签入", "by feature code, CLI or API"),
                word("by-registering", "话机注册即签入", "by registering the phone"),
                word("always", "始终签入 (绑定电话)", "always (bound phones)"),
            ]),
            "签入方式, 省略: 话机注册即签入, 绑定电话始终签入",
            "how the agent signs in; by registering for phones, always for bound phones unless set",
        ),
        default(
            "greeting",
            Kind::List(&Kind::Say),
            "[]",
            "自报家门: 接通时先对来电播放, 在工号之后",
            "what callers hear of the agent when the call connects, after the number",
        ),
        super::supervision::RIGHTS,
        super::supervision::RIGHTS_OVER,
    ],
};

/// The agents of one object: one, or as many as its range has.
pub(crate) fn agents(record: &Record, reading: &mut Reading<'_>, domain: &str) -> Vec<AgentSettings> {
    one_of_two(record, reading, "id", "range");
    let sign_ins = [SignIn::ByCode, SignIn::ByRegistering, SignIn::Always];
    let mut agents = Vec::new();
    for id in record.names("id", "range") {
        let key = if record.is_written("id") { "id" } else { "range" };
        reading.define(NameKind::Agent, &id, record.spot_of(key));
        let target = target(record, reading, domain).unwrap_or_else(|| {
            reading.mean(NameKind::Phone, &id, record.spot_of(key));
            DialTarget::Phone(Aor::new(&id, domain))
        });
        let usual =
            if matches!(target, DialTarget::Phone(_)) { SignIn::ByRegistering } else { SignIn::Always };
        let sign_in = if record.is_written("sign_in") { record.choice("sign_in", &sign_ins) } else { usual };
        if sign_in == SignIn::ByRegistering && usual == SignIn::Always {
            reading.error(
                record.spot_of("sign_in"),
                "bad-value",
                "绑定电话不注册, 请用 «always» 或 «by-code»".into(),
                "a bound phone does not register; use \"always\" or \"by-code\"".into(),
            );
        }
        agents.push(AgentSettings {
            name: Arc::from(record.text("name").replace("{id}", &id)),
            id: AgentId::new(&reading.tenant, &id),
            target,
            sign_in,
        });
    }
    agents
}

/// The whereabouts written by `phone`, `trunk` with `number`, or `uri`; None when none of them is.
pub(super) fn target(record: &Record, reading: &mut Reading<'_>, domain: &str) -> Option<DialTarget> {
    let written: Vec<&str> =
        ["phone", "trunk", "uri"].into_iter().filter(|key| record.is_written(key)).collect();
    if let [_, second, ..] = written[..] {
        reading.error(
            record.spot_of(second),
            "bad-value",
            "«phone», «trunk» 和 «uri» 只能写一个".into(),
            "only one of \"phone\", \"trunk\" and \"uri\" belongs here".into(),
        );
    }
    for (key, other) in [("trunk", "number"), ("number", "trunk")] {
        if record.is_written(key) && !record.is_written(other) {
            reading.error(
                record.spot_of(key),
                "missing-key",
                format!("写了 «{key}» 就要写 «{other}»"),
                format!("\"{key}\" needs the key \"{other}\" beside it"),
            );
        }
    }
    match *written.first()? {
        "phone" => Some(DialTarget::Phone(Aor::new(&record.text("phone"), domain))),
        "trunk" => {
            reading.call_out(&record.text("trunk"), record.spot_of("trunk"));
            let number = record.text("number");
            Some(DialTarget::Trunk { trunk: TrunkName::new(&record.text("trunk")), number })
        }
        _ => Some(DialTarget::Uri(record.text("uri"))),
    }
}

/// Exactly one of two keys must be written.
pub(super) fn one_of_two(record: &Record, reading: &mut Reading<'_>, first: &str, second: &str) {
    let object = record.object;
    let told = |reading: &mut Reading<'_>, spot: &Spot, zh: String, en: String| {
        reading.error(spot, "missing-key", zh, en);
    };
    match (record.is_written(first), record.is_written(second)) {
        (true, true) => told(
            reading,
            record.spot_of(second),
            format!("«{first}» 和 «{second}» 只能写一个"),
            format!("only one of \"{first}\" and \"{second}\" belongs here"),
        ),
        (false, false) => told(
            reading,
            &record.spot,
            format!("{} 缺少必填项 «{first}» 或 «{second}»", object.zh),
            format!("{} needs the key \"{first}\" or \"{second}\"", object.en),
        ),
        _ => {}
    }
}
