//! Owns how the keys of a trunk become its settings, and what they must have in common. Does not own the keys (see
//! `trunk`).

use std::sync::Arc;

use model::TrunkName;
use routing::{
    Access, CalledHeader, CallerHeader, Diversion, GroupMember, Heartbeat, NumberForm, NumberUri, Rewrite,
    Target, Trunk, TrunkAccount, TrunkChallenge, TrunkGroup, TrunkIdentity, TrunkLimits, TrunkNumbers,
    TrunkRegister, TrunkTransport, TrunkWay, ZeroBeforeMobile,
};

use super::media_choice;
use crate::fields::NameKind;
use crate::reading::Reading;
use crate::record::{Record, Value};

/// The trunk of a file.
pub(crate) fn trunk(name: &str, record: &Record, reading: &mut Reading<'_>, interface: u16) -> Trunk {
    let way = way(record);
    let account = record.record_if("account").map(|account| self::account(account, record, &way));
    let trunk = Trunk {
        name: TrunkName::new(name),
        interface,
        access: access(record),
        media_from: record.cidrs("media_from"),
        media: media_choice(record),
        limits: limits(record),
        register: record
            .record_if("register")
            .and_then(|register| self::register(name, register, record, (&way, account.as_ref()), reading)),
        heartbeat: record
            .seconds_unless_zero("heartbeat_seconds")
            .map(|every| Heartbeat { every, misses: record.integer("heartbeat_misses") }),
        identity: identity(record),
        numbers: numbers(record, reading),
        reliable: record.choice("reliable", &super::trunk::RELIABLE_CHOICES),
        forward_class: record.text_if("forward_class"),
        way,
        account,
    };
    check(&trunk, record, reading);
    trunk
}

/// The group of a `[[trunk_group]]`.
pub(crate) fn trunk_group(record: &Record, reading: &mut Reading<'_>) -> TrunkGroup {
    let name = record.text("name");
    reading.define(NameKind::Trunk, &name, record.spot_of("name"));
    let member = |member: &Record| GroupMember {
        trunk: TrunkName::new(&member.text("trunk")),
        order: member.integer("order"),
        weight: member.integer("weight"),
    };
    for one in record.records("member") {
        if one.is_written("trunk") {
            reading.call_out(&one.text("trunk"), one.spot_of("trunk"));
        }
    }
    if record.is_written("member") && record.list("member").is_empty() {
        reading.error(
            record.spot_of("member"),
            "bad-value",
            "组里至少要有一条中继".into(),
            "a group needs at least one trunk".into(),
        );
    }
    TrunkGroup { name: TrunkName::new(&name), members: record.records("member").map(member).collect() }
}

fn targets(record: &Record, key: &str) -> Vec<Target> {
    record.texts(key).iter().filter_map(|text| Target::parse(text)).collect()
}

fn way(record: &Record) -> TrunkWay {
    let transports = [TrunkTransport::Udp, TrunkTransport::Tcp, TrunkTransport::Tls];
    TrunkWay {
        to: targets(record, "to"),
        proxies: targets(record, "outbound_proxy"),
        transport: record.choice("transport", &transports),
        large_over_tcp: record.bool("large_over_tcp"),
        tls_name: record.text_if("tls_name"),
        ca: record.text_if("ca"),
        domain: record.text_if("domain"),
        no_response: record.seconds("no_response_seconds"),
    }
}

fn access(record: &Record) -> Access {
    Access {
        from: record.cidrs("from"),
        tls_names: record
            .texts("tls_names")
            .iter()
            .map(|name| Arc::from(name.to_ascii_lowercase()))
            .collect(),
        challenge: record.record_if("challenge").map(|challenge| TrunkChallenge {
            user: challenge.text("user"),
            password: challenge.text("password"),
        }),
    }
}

fn limits(record: &Record) -> TrunkLimits {
    TrunkLimits {
        calls: record.integer_if("max_calls"),
        calls_in: record.integer_if("max_calls_in"),
        calls_out: record.integer_if("max_calls_out"),
        per_second_in: record.integer_if("max_calls_per_second_in"),
        per_second_out: record.integer_if("max_calls_per_second_out"),
    }
}

/// Challenges are answered for one realm only: the one that is written, else the carrier's domain.
fn account(account: &Record, record: &Record, way: &TrunkWay) -> TrunkAccount {
    let registrar = record.record_if("register").and_then(|register| register.text_if("registrar"));
    let domain = account.text_if("realm").or_else(|| way.domain.clone()).or(registrar);
    let host = || way.targets().first().map(|target| Target { port: None, ..target.clone() }.to_string());
    TrunkAccount {
        user: account.text("user"),
        password: account.text("password"),
        realm: domain.unwrap_or_else(|| Arc::from(host().unwrap_or_default())),
    }
}

fn register(
    name: &str,
    register: &Record,
    record: &Record,
    (way, account): (&TrunkWay, Option<&TrunkAccount>),
    reading: &mut Reading<'_>,
) -> Option<TrunkRegister> {
    let first = || way.to.first().map(|target| Arc::from(target.to_string()));
    let registrar = register.text_if("registrar").or_else(|| way.domain.clone()).or_else(first);
    let user = record.text_if("from_user").or_else(|| {
        let user = account?.user.split('@').next()?;
        Some(Arc::from(user)).filter(|_| !user.is_empty())
    });
    let (Some(registrar), Some(user)) = (registrar, user) else {
        reading.error(
            &register.spot,
            "missing-key",
            "注册需要 «registrar» 或 «domain», 以及 «from_user» 或 [account]".into(),
            "registering needs \"registrar\" or \"domain\", and \"from_user\" or [account]".into(),
        );
        return None;
    };
    if !way.leads_somewhere() {
        reading.error(
            &register.spot,
            "missing-key",
            "注册需要 «to» 或 «outbound_proxy», 即报文发往哪里".into(),
            "registering needs \"to\" or \"outbound_proxy\": where requests are sent".into(),
        );
    }
    let secret = account.map(|account| (&*account.user, &*account.password)).unwrap_or_default();
    Some(TrunkRegister {
        line: Arc::from(TrunkRegister::line_of(name, secret)),
        domain: record.text_if("from_domain").unwrap_or_else(|| registrar.clone()),
        registrar,
        user,
        contact_user: register.text_if("contact_user"),
        expires: register.seconds("expires_seconds"),
        retry: register.seconds("retry_seconds"),
        retry_max: register.seconds("retry_max_seconds"),
    })
}

fn identity(record: &Record) -> TrunkIdentity {
    let headers =
        [CallerHeader::From, CallerHeader::Asserted, CallerHeader::Preferred, CallerHeader::RemoteParty];
    TrunkIdentity {
        caller: record.text_if("caller"),
        callers: record.texts("callers"),
        show_caller: record.bool("show_caller"),
        withhold: record.bool("withhold_caller"),
        from_user: record.text_if("from_user"),
        from_domain: record.text_if("from_domain"),
        headers: choices(record, "caller_headers", &headers),
        uri: record.choice("number_uri", &[NumberUri::Sip, NumberUri::Tel]),
        user_phone: record.bool("user_phone"),
        diversion: record
            .choice("diversion", &[Diversion::None, Diversion::Diversion, Diversion::HistoryInfo]),
        honour_privacy: record.bool("honour_privacy"),
        called_from: choices(record, "called_from", &CalledHeader::ALL),
    }
}

fn numbers(record: &Record, reading: &mut Reading<'_>) -> TrunkNumbers {
    let forms = [NumberForm::Plus86, NumberForm::Bare86, NumberForm::Zero, NumberForm::Bare];
    let zeros = [ZeroBeforeMobile::Never, ZeroBeforeMobile::Outside, ZeroBeforeMobile::Always];
    let home_area = record.text_if("home_area");
    if let Some(area) = &home_area {
        check_area(area, record, reading);
    }
    if record.bool("drop_home_area") && home_area.is_none() {
        reading.error(
            record.spot_of("drop_home_area"),
            "missing-key",
            "«drop_home_area» 需要写明 «home_area»".into(),
            "\"drop_home_area\" needs \"home_area\"".into(),
        );
    }
    TrunkNumbers {
        home_area,
        drop_home_area: record.bool("drop_home_area"),
        zero_before_mobile: record.choice("zero_before_mobile", &zeros),
        local_mobiles: record.texts("local_mobiles"),
        caller_form: record.choice("caller_form", &forms),
        called_form: record.choice("called_form", &forms),
        caller_in: rewrites(record, "caller_in"),
        called_in: rewrites(record, "called_in"),
        caller_out: rewrites(record, "caller_out"),
        called_out: rewrites(record, "called_out"),
    }
}

fn rewrites(record: &Record, key: &str) -> Vec<Rewrite> {
    let rule = |rule: &Record| Rewrite {
        pattern: rule.text("match"),
        strip: rule.integer("strip"),
        prepend: rule.text("prepend"),
    };
    record.records(key).map(rule).collect()
}

/// The elements of `meanings` at the places of a list of words.
fn choices<T: Copy>(record: &Record, key: &str, meanings: &[T]) -> Vec<T> {
    let meant = |entry: &crate::record::Entry| match entry.value {
        Value::Choice(place) => meanings.get(place).copied(),
        _ => None,
    };
    record.list(key).iter().filter_map(meant).collect()
}

fn check(trunk: &Trunk, record: &Record, reading: &mut Reading<'_>) {
    let is_known = !trunk.access.from.is_empty()
        || !trunk.access.tls_names.is_empty()
        || trunk.access.challenge.is_some();
    let written = ["from", "to", "tls_names", "challenge", "outbound_proxy"];
    if !is_known && !trunk.way.leads_somewhere() && !written.iter().any(|key| record.is_written(key)) {
        reading.error(
            &record.spot,
            "missing-key",
            "中继至少要有 «from» (来话) 或 «to» (呼出)".into(),
            "a trunk needs \"from\" (calls in) or \"to\" (calls out)".into(),
        );
    }
    check_transport(&trunk.way, record, reading);
    if record.is_written("codecs") {
        no_codec(record, reading);
    }
    for key in ["caller_headers", "called_from"] {
        if record.is_written(key) && record.list(key).is_empty() {
            reading.error(
                record.spot_of(key),
                "bad-value",
                format!("«{key}» 至少要有一项"),
                format!("\"{key}\" needs at least one element"),
            );
        }
    }
    if trunk.identity.caller.as_ref().is_some_and(|caller| caller.starts_with("400") && caller.len() == 10) {
        reading.warn(
            record.spot_of("caller"),
            "shown-400",
            "400 号码只能呼入, 用作呼出显示会被运营商关停".into(),
            "400 numbers are for calls in; carriers close numbers that are shown on calls out".into(),
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

/// What only one transport obeys is written for that one.
fn check_transport(way: &TrunkWay, record: &Record, reading: &mut Reading<'_>) {
    let of_tls = ["tls_name", "ca"].into_iter().filter(|key| record.is_written(key));
    for key in of_tls.filter(|_| way.transport != TrunkTransport::Tls) {
        reading.error(
            record.spot_of(key),
            "bad-value",
            format!("«{key}» 只用于 transport = \"tls\""),
            format!("\"{key}\" is for transport = \"tls\" alone"),
        );
    }
    if way.large_over_tcp && way.transport != TrunkTransport::Udp {
        reading.error(
            record.spot_of("large_over_tcp"),
            "bad-value",
            "«large_over_tcp» 只用于 transport = \"udp\"".into(),
            "\"large_over_tcp\" is for transport = \"udp\" alone".into(),
        );
    }
}
