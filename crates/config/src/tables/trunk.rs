//! Owns `trunks/*.toml`.

use std::sync::Arc;

use model::TrunkName;
use routing::Trunk;

use super::{CODECS, MANY, codecs, default, optional, word};
use crate::fields::{Kind, NameKind, Object};
use crate::reading::Reading;
use crate::record::Record;

pub(crate) static TRUNK: Object = Object {
    name: "trunk",
    zh: "中继",
    en: "a trunk",
    fields: &[
        optional(
            "interface",
            Kind::Ref(NameKind::Interface),
            "使用的接口, 省略则用第一个",
            "its interface; the first unless set",
        ),
        default(
            "from",
            Kind::List(&Kind::Cidr),
            "[]",
            "对端信令地址 (来话按此识别)",
            "source addresses of its signalling",
        ),
        default(
            "media_from",
            Kind::List(&Kind::Cidr),
            "[]",
            "对端媒体地址, SDP 之外的",
            "source addresses of its media beside the SDP's own",
        ),
        optional("to", Kind::Socket, "呼出时发往的地址", "where calls out are sent"),
        default(
            "transport",
            Kind::Choice(&[word("udp", "UDP", "UDP"), word("tcp", "TCP", "TCP")]),
            "'udp'",
            "呼出的传输协议",
            "transport of calls out",
        ),
        default("codecs", CODECS, "['pcma', 'pcmu']", "编码, 按优先顺序", "codecs, best first"),
        optional("max_calls", Kind::Integer(1, MANY), "并发上限, 省略则不限", "calls at a time"),
        optional("caller", Kind::Dialled, "呼出时显示的号码", "the number calls out show"),
        default(
            "show_caller",
            Kind::Bool,
            "false",
            "呼出时显示客户的号码 (须运营商允许)",
            "calls out may show the customer's number",
        ),
        optional(
            "home_area",
            Kind::Dialled,
            "本地区号, 如 010 (补全来电固话)",
            "area code of numbers without one",
        ),
    ],
};

/// The trunk of a file.
pub(crate) fn trunk(name: &str, record: &Record, reading: &mut Reading<'_>, interface: u16) -> Trunk {
    let trunk = Trunk {
        name: TrunkName::new(name),
        interface,
        from: record.cidrs("from"),
        media_from: record.cidrs("media_from"),
        to: record.socket_if("to"),
        tcp: record.choice("transport", &[false, true]),
        codecs: codecs(record, "codecs"),
        max_calls: record.integer_if("max_calls"),
        caller: record.text_if("caller"),
        show_caller: record.bool("show_caller"),
        home_area: record.text_if("home_area"),
    };
    if trunk.from.is_empty() && trunk.to.is_none() && !record.is_written("from") && !record.is_written("to") {
        reading.error(
            &record.spot,
            "missing-key",
            "中继至少要有 «from» (来话) 或 «to» (呼出)".into(),
            "a trunk needs \"from\" (calls in) or \"to\" (calls out)".into(),
        );
    }
    if let Some(area) = &trunk.home_area {
        check_area(area, record, reading);
    }
    if record.is_written("codecs") {
        no_codec(record, reading);
    }
    if trunk.caller.as_ref().is_some_and(|caller| caller.starts_with("400") && caller.len() == 10) {
        reading.warn(
            record.spot_of("caller"),
            "shown-400",
            "400 号码只能呼入, 用作呼出显示会被运营商关停".into(),
            "400 numbers are for calls in; carriers close numbers that are shown on calls out".into(),
        );
    }
    trunk
}

fn check_area(area: &Arc<str>, record: &Record, reading: &mut Reading<'_>) {
    if !(area.starts_with('0') && (3..=4).contains(&area.len()) && area.bytes().all(|b| b.is_ascii_digit())) {
        reading.error(
            record.spot_of("home_area"),
            "bad-value",
            format!("«{area}» 不是区号, 区号以 0 开头, 如 010, 0755"),
            format!("\"{area}\" is no area code; they begin with 0: 010, 0755"),
        );
    }
}

/// A list of codecs that names none.
pub(super) fn no_codec(record: &Record, reading: &mut Reading<'_>) {
    if record.list("codecs").is_empty() {
        reading.error(
            record.spot_of("codecs"),
            "bad-value",
            "至少要有一种编码".into(),
            "at least one codec is needed".into(),
        );
    }
}
