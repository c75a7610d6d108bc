//! Owns `trunks/*.toml`: the table of its keys. Does not own how they become a trunk (see `trunk_made`).

use routing::Reliable;

use crate::fields::{Kind, NameKind, Object};
use crate::tables::{MANY, default, optional, required, word};

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
            "tls_names",
            Kind::List(&Kind::Target),
            "[]",
            "对端证书中的名称 (双向 TLS 来话按此识别)",
            "names in its certificate by which calls over mutual TLS are known",
        ),
        default(
            "media_from",
            Kind::List(&Kind::Cidr),
            "[]",
            "对端媒体地址, SDP 之外的",
            "source addresses of its media beside the SDP's own",
        ),
        default(
            "to",
            Kind::OneOrMore(&Kind::Target),
            "[]",
            "呼出时发往的地址或域名, 可写多个, 前面的优先",
            "where calls out are sent, the preferred one first: addresses or names",
        ),
        default(
            "outbound_proxy",
            Kind::OneOrMore(&Kind::Target),
            "[]",
            "出局代理 (SBC), 报文发往此处并带 Route 头; 可写多个",
            "outbound proxies: requests are sent there with a Route header",
        ),
        default(
            "transport",
            Kind::Choice(&[word("udp", "UDP", "UDP"), word("tcp", "TCP", "TCP"), word("tls", "TLS", "TLS")]),
            "'udp'",
            "呼出的传输协议",
            "transport of calls out",
        ),
        default(
            "large_over_tcp",
            Kind::Bool,
            "false",
            "超过 1300 字节的请求改用 TCP 发送 (须对端支持)",
            "requests of more than 1,300 bytes go by TCP (where the peer can)",
        ),
        optional(
            "tls_name",
            Kind::Target,
            "对端证书上应有的域名 (TLS), 省略则为 to 的主机",
            "the name its certificate must show; the host of `to` unless set",
        ),
        optional(
            "ca",
            Kind::Text,
            "验证对端证书的 CA 文件 (PEM), 省略则用系统自带的",
            "PEM file of the authorities that vouch for it; the system's unless set",
        ),
        optional(
            "domain",
            Kind::Target,
            "被叫地址中的域名, 如 IMS 域名; 省略则用 to 的地址",
            "domain in Request-URI and To; the address sent to unless set",
        ),
        super::MEDIA_CODECS,
        super::MEDIA_SRTP,
        super::MEDIA_DTMF,
        super::COMFORT_NOISE,
        super::T38,
        optional("max_calls", Kind::Integer(1, MANY), "并发上限, 省略则不限", "calls at a time"),
        optional("max_calls_in", Kind::Integer(1, MANY), "呼入并发上限", "calls in at a time"),
        optional("max_calls_out", Kind::Integer(1, MANY), "呼出并发上限", "calls out at a time"),
        optional(
            "max_calls_per_second_in",
            Kind::Integer(1, MANY),
            "每秒呼入上限",
            "new calls in per second",
        ),
        optional(
            "max_calls_per_second_out",
            Kind::Integer(1, MANY),
            "每秒呼出上限",
            "new calls out per second",
        ),
        default(
            "no_response_seconds",
            Kind::Seconds(1, 32),
            "6",
            "呼出多久没有任何响应就换下一个地址或中继",
            "a call out without any response for so long goes to the next target or trunk",
        ),
        default(
            "heartbeat_seconds",
            Kind::Seconds(0, 3_600),
            "30",
            "多久发一次 OPTIONS 探测, 0 表示不探测",
            "how often OPTIONS asks whether it lives; 0: never",
        ),
        default(
            "heartbeat_misses",
            Kind::Integer(1, 100),
            "3",
            "连续几次无应答算中断",
            "how many in a row stay unanswered before it counts as down",
        ),
        optional("caller", Kind::Dialled, "呼出时显示的号码", "the number calls out show"),
        default(
            "callers",
            Kind::List(&Kind::Number),
            "[]",
            "话机拨外线时还可以显示的本方号码",
            "other numbers of ours that calls of phones may show",
        ),
        default(
            "show_caller",
            Kind::Bool,
            "false",
            "呼出时显示客户的号码 (须运营商允许)",
            "calls out may show the customer's number",
        ),
        default(
            "withhold_caller",
            Kind::Bool,
            "false",
            "呼出时要求不显示号码 (Privacy: id)",
            "calls out ask that the number be not shown (Privacy: id)",
        ),
        optional(
            "from_user",
            Kind::Text,
            "From 的用户, 主叫写在别的头里时用; 也是注册的用户",
            "From's user where the caller is written elsewhere; the user that registers",
        ),
        optional(
            "from_domain",
            Kind::Target,
            "From 的域名, 省略则用本机地址",
            "From's domain; ours unless set",
        ),
        default(
            "caller_headers",
            Kind::List(&Kind::Choice(&[
                word("from", "From", "From"),
                word("pai", "P-Asserted-Identity", "P-Asserted-Identity"),
                word("ppi", "P-Preferred-Identity", "P-Preferred-Identity"),
                word("rpid", "Remote-Party-ID", "Remote-Party-ID"),
            ])),
            "['from']",
            "主叫号码写在哪些头里",
            "headers that the caller's number is written in",
        ),
        default("caller_form", FORMS, "'0'", "主叫号码的写法", "how callers' numbers are written"),
        default("called_form", FORMS, "'0'", "被叫号码的写法", "how called numbers are written"),
        default(
            "number_uri",
            Kind::Choice(&[word("sip", "sip:号码@域名", "sip:"), word("tel", "tel:号码", "tel:")]),
            "'sip'",
            "号码的地址形式",
            "scheme of numbers",
        ),
        default(
            "user_phone",
            Kind::Bool,
            "false",
            "加 user=phone 参数",
            "user=phone in sip: URIs of numbers",
        ),
        default(
            "diversion",
            Kind::Choice(&[
                word("none", "不写", "none"),
                word("diversion", "Diversion 头", "Diversion"),
                word("history-info", "History-Info 头", "History-Info"),
            ]),
            "'none'",
            "转接呼出时如何写明原被叫",
            "how forwarded calls say what they were forwarded from",
        ),
        default(
            "honour_privacy",
            Kind::Bool,
            "true",
            "来话要求不显示号码时照办",
            "numbers that callers withhold are not shown",
        ),
        default(
            "called_from",
            Kind::List(&Kind::Choice(&[
                word("request-uri", "请求行", "the Request-URI"),
                word("p-called-party-id", "P-Called-Party-ID 头", "P-Called-Party-ID"),
                word("to", "To 头", "To"),
                word("diversion", "Diversion 头", "Diversion"),
                word("history-info", "History-Info 头", "History-Info"),
            ])),
            "['request-uri', 'p-called-party-id', 'to', 'diversion', 'history-info']",
            "来话的被叫号码从哪里找, 按顺序",
            "where the dialled number of calls in is looked for, in order",
        ),
        optional(
            "home_area",
            Kind::Dialled,
            "本地区号, 如 010 (补全来电固话)",
            "area code of numbers without one",
        ),
        optional(
            "forward_class",
            Kind::Ref(NameKind::Class),
            "经此中继来的呼叫转出时的呼叫权限, 省略则为 default",
            "class of service of calls that come by it and are sent on by a trunk; \"default\" unless set",
        ),
        default(
            "drop_home_area",
            Kind::Bool,
            "false",
            "呼叫本地固话不拨区号",
            "numbers of the home area are dialled without their area code",
        ),
        default(
            "zero_before_mobile",
            Kind::Choice(&[
                word("never", "不加", "never"),
                word("outside", "外地手机加 0", "unless it is local"),
                word("always", "都加 0", "always"),
            ]),
            "'never'",
            "呼叫手机是否加 0",
            "a 0 before mobile numbers that are called",
        ),
        default(
            "local_mobiles",
            Kind::List(&Kind::Dialled),
            "[]",
            "本地手机号段, 如 1382525",
            "beginnings of the home area's mobile numbers",
        ),
        optional(
            "account",
            Kind::Table(&ACCOUNT),
            "回答对端鉴权的帐号",
            "what its challenges are answered with",
        ),
        optional(
            "challenge",
            Kind::Table(&CHALLENGE),
            "要求对端出示的帐号",
            "what it must show when it calls",
        ),
        optional("register", Kind::Table(&REGISTER), "向运营商注册", "our registration with the carrier"),
        default(
            "caller_in",
            Kind::Tables(&REWRITE),
            "[]",
            "来话主叫变换规则",
            "rules for callers as they come",
        ),
        default(
            "called_in",
            Kind::Tables(&REWRITE),
            "[]",
            "来话被叫变换规则",
            "rules for dialled numbers as they come",
        ),
        default(
            "caller_out",
            Kind::Tables(&REWRITE),
            "[]",
            "呼出主叫变换规则",
            "rules for callers as they are sent",
        ),
        default(
            "called_out",
            Kind::Tables(&REWRITE),
            "[]",
            "呼出被叫变换规则",
            "rules for called numbers as they are sent",
        ),
        default(
            "reliable",
            RELIABLE,
            "'supported'",
            "可靠临时响应 (100rel)",
            "reliable provisional responses",
        ),
    ],
};

/// RFC 3262, in the words of a file.
pub(super) const RELIABLE: Kind = Kind::Choice(&[
    word("off", "不用", "never"),
    word("supported", "对端支持就用", "where the peer can"),
    word("required", "必须用, 否则拒绝 (421)", "insisted on; refused with 421 otherwise"),
]);
/// What the words of [`RELIABLE`] mean, in their order.
pub(super) const RELIABLE_CHOICES: [Reliable; 3] = [Reliable::Off, Reliable::Supported, Reliable::Required];

pub(crate) static TRUNK_GROUP: Object = Object {
    name: "trunk_group",
    zh: "中继组 [[trunk_group]]",
    en: "a group of trunks",
    fields: &[
        required("name", Kind::Name, "名称, 写在要写中继的地方", "its name, written where a trunk's is"),
        required("member", Kind::Tables(&MEMBER), "组内的中继", "its trunks"),
    ],
};

static MEMBER: Object = Object {
    name: "member",
    zh: "组内中继",
    en: "a trunk of a group",
    fields: &[
        required("trunk", Kind::Ref(NameKind::Trunk), "中继", "the trunk"),
        default("order", Kind::Integer(0, 1_000), "1", "次序, 小的先用", "lower ones are tried first"),
        default(
            "weight",
            Kind::Integer(0, 1_000),
            "1",
            "同次序内的话务比例, 0 表示最后才用",
            "share among those of the same order; 0: after the others",
        ),
    ],
};

static ACCOUNT: Object = Object {
    name: "account",
    zh: "[account]",
    en: "[account]",
    fields: &[
        required("user", Kind::Text, "鉴权用户名", "authentication user"),
        required("password", Kind::Text, "密码", "password"),
        optional(
            "realm",
            Kind::Text,
            "只回答这个 realm 的鉴权; 省略则为 domain 或注册域名",
            "the only realm that is answered; the domain or registrar unless set",
        ),
    ],
};

static CHALLENGE: Object = Object {
    name: "challenge",
    zh: "[challenge]",
    en: "[challenge]",
    fields: &[
        required("user", Kind::Text, "对端的用户名", "its user"),
        required("password", Kind::Text, "对端的密码", "its password"),
    ],
};

static REGISTER: Object = Object {
    name: "register",
    zh: "[register]",
    en: "[register]",
    fields: &[
        optional(
            "registrar",
            Kind::Target,
            "注册域名, 省略则用 domain",
            "the registrar's domain; that of the trunk unless set",
        ),
        optional(
            "contact_user",
            Kind::Text,
            "Contact 的用户, 省略则为随机串",
            "the user of our Contact; an unguessable one unless set",
        ),
        default("expires_seconds", Kind::Seconds(60, 86_400), "3600", "注册有效期", "how long we ask for"),
        default(
            "retry_seconds",
            Kind::Seconds(1, 3_600),
            "30",
            "失败后多久重试, 逐次加倍",
            "the wait after a failure, doubled each time",
        ),
        default("retry_max_seconds", Kind::Seconds(1, 86_400), "1800", "重试间隔上限", "the longest wait"),
    ],
};

static REWRITE: Object = Object {
    name: "rewrite",
    zh: "号码变换规则",
    en: "a rule that changes numbers",
    fields: &[
        required(
            "match",
            Kind::Pattern,
            "整个号码的样式: X 任意数字, Z 1-9, N 2-9, 末尾的 . 表示其余不限",
            "what the whole number looks like: X any digit, Z 1-9, N 2-9, a final . anything more",
        ),
        default(
            "strip",
            Kind::Integer(0, 32),
            "0",
            "去掉前几位",
            "how many characters are taken from its beginning",
        ),
        optional("prepend", Kind::Number, "再在前面加上", "what is put before it then"),
    ],
};

const FORMS: Kind = Kind::Choice(&[
    word("+86", "+8613800138000, +861065551234", "with +86"),
    word("86", "8613800138000, 861065551234", "with 86"),
    word("0", "13800138000, 01065551234", "as dialled within the country"),
    word("none", "13800138000, 1065551234", "without country code and 0"),
]);
