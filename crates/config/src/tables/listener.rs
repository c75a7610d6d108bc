//! Owns `[[interface]]`, `[streams]`, `[tls]` and `[dns]` of `hotline.toml`: listeners, connections, certificates, name
//! servers.

use model::InterfaceName;
use routing::{CertificateFiles, ClientCertificate, Interface, TrunkTransport};

use super::node::UNSET;
use super::{MANY, default, optional, required, word};
use crate::fields::{Kind, NameKind, Object};
use crate::loaded::{DnsSettings, OldestTls, StreamSettings, TlsSettings, TransportSettings};
use crate::reading::Reading;
use crate::record::{Record, Value};

pub(super) static INTERFACE: Object = Object {
    name: "interface",
    zh: "[[interface]]",
    en: "[[interface]]",
    fields: &[
        required("name", Kind::Name, "接口名称", "its name"),
        required(
            "bind",
            Kind::Socket,
            "SIP 监听地址 (UDP 和 TCP)",
            "where it listens for SIP over UDP and TCP",
        ),
        default(
            "transports",
            Kind::List(&Kind::Choice(&[
                word("udp", "UDP", "UDP"),
                word("tcp", "TCP", "TCP"),
                word("tls", "TLS, 须有证书", "TLS, needs a certificate"),
                word("ws", "WebSocket, 供浏览器电话", "WebSocket, for telephones in browsers"),
                word("wss", "加密的 WebSocket, 须有证书", "WebSocket over TLS, needs a certificate"),
            ])),
            "['udp', 'tcp']",
            "传输协议",
            "transports",
        ),
        default("tls_port", PORT, "5061", "TLS 端口", "port of TLS"),
        default("ws_port", PORT, "8088", "WebSocket 端口", "port of WebSocket"),
        default("wss_port", PORT, "8089", "加密 WebSocket 端口", "port of WebSocket over TLS"),
        optional(
            "certificate",
            Kind::Text,
            "证书文件 (PEM, 含中间证书), 相对于配置目录",
            "PEM file of its certificate and those that vouch for it, relative to this folder",
        ),
        optional("key", Kind::Text, "证书的私钥文件 (PEM)", "PEM file of the certificate's private key"),
        default(
            "client_certificate",
            Kind::Choice(&[
                word("off", "不要求", "not asked for"),
                word("optional", "可以出示, 出示的必须有效", "may be shown, and must be valid then"),
                word("required", "必须出示 (双向认证)", "must be shown (mutual TLS)"),
            ]),
            "'off'",
            "TLS 对端是否出示证书 (WebSocket 不要求)",
            "whether peers over TLS show a certificate (WebSocket: never)",
        ),
        optional(
            "client_ca",
            Kind::Text,
            "签发对端证书的 CA 文件 (PEM)",
            "PEM file of the authorities of peers' certificates",
        ),
        optional(
            "advertise",
            Kind::Ip,
            "告诉对端的地址 (Contact, Via, SDP), 省略则同 bind",
            "the address peers are told; bind's own unless set",
        ),
        optional(
            "host",
            Kind::Name,
            "Contact 和 Via 中写的域名, 代替地址 (证书上的名称)",
            "the host name in Contact and Via instead of the address (the certificate's)",
        ),
        default("rtp", Kind::Ports, "'20000-29999'", "RTP 端口范围", "range of RTP ports"),
    ],
};

pub(super) static STREAMS: Object = Object {
    name: "streams",
    zh: "[streams]",
    en: "[streams]",
    fields: &[
        default("max_connections", Kind::Integer(1, MANY), "10000", "连接总数上限", "connections in all"),
        default(
            "max_connections_per_address",
            Kind::Integer(1, MANY),
            "2000",
            "同一地址的连接数上限",
            "connections with one address",
        ),
        default(
            "handshake_seconds",
            Kind::Seconds(1, 600),
            "10",
            "TLS 和 WebSocket 握手的时限",
            "TLS and WebSocket are agreed within this",
        ),
        default(
            "first_message_seconds",
            Kind::Seconds(1, 3_600),
            "10",
            "新连接第一个报文的时限",
            "a new connection's first message is complete within this",
        ),
        default(
            "refused_seconds",
            Kind::Seconds(1, 3_600),
            "60",
            "只得到拒绝的连接, 建立多久后断开",
            "a connection whose peer has got nothing but refusals is closed this long after its beginning",
        ),
        default(
            "message_seconds",
            Kind::Seconds(1, 3_600),
            "20",
            "一个报文从首字节到收完的时限",
            "a message is complete this long after its first byte",
        ),
        default(
            "idle_seconds",
            Kind::Seconds(1, 604_800),
            "3900",
            "空闲多久后断开 (应比注册有效期长)",
            "a connection without a word for this long is closed; longer than registrations",
        ),
        default(
            "connect_seconds",
            Kind::Seconds(1, 60),
            "4",
            "主动连接的时限",
            "a connection that we open is there within this",
        ),
        default(
            "write_seconds",
            Kind::Seconds(1, 600),
            "10",
            "对端多久不收数据就断开",
            "a peer that reads nothing for this long is given up",
        ),
        default(
            "queued_messages",
            Kind::Integer(1, MANY),
            "1024",
            "每个连接待发报文数上限",
            "messages that may wait for one peer",
        ),
        default(
            "websocket_ping_seconds",
            Kind::Seconds(0, 3_600),
            "30",
            "WebSocket 无数据多久后发 ping, 0 表示不发",
            "a WebSocket is pinged after this long without a word; 0: never",
        ),
    ],
};

pub(super) static TLS: Object = Object {
    name: "tls",
    zh: "[tls]",
    en: "[tls]",
    fields: &[
        default(
            "min_version",
            Kind::Choice(&[
                word("1.2", "TLS 1.2 和 1.3", "TLS 1.2 and 1.3"),
                word("1.3", "只用 TLS 1.3", "TLS 1.3 alone"),
            ]),
            "'1.2'",
            "最低 TLS 版本",
            "the oldest version spoken",
        ),
        default(
            "check_seconds",
            Kind::Seconds(1, 86_400),
            "60",
            "多久查看一次证书文件, 改动后自动启用",
            "how often certificate files are looked at; a changed one is used at once",
        ),
        default(
            "warn_days",
            Kind::Integer(0, 365),
            "21",
            "证书到期前多少天开始告警",
            "how many days before its end a certificate is warned of",
        ),
    ],
};

pub(super) static DNS: Object = Object {
    name: "dns",
    zh: "[dns]",
    en: "[dns]",
    fields: &[
        default(
            "servers",
            Kind::List(&Kind::Socket),
            "[]",
            "域名服务器 (地址:端口), 省略则用系统的",
            "name servers (address:port); the system's unless set",
        ),
        default(
            "timeout_seconds",
            Kind::Seconds(1, 60),
            "2",
            "一次查询的时限",
            "how long one question may take",
        ),
        default(
            "stale_seconds",
            Kind::Seconds(0, 604_800),
            "86400",
            "查询失败时, 过期的结果还能用多久",
            "for how long past its time an answer is used when no server answers",
        ),
    ],
};

const PORT: Kind = Kind::Integer(0, 65_535);

/// The listeners in their order.
pub(crate) fn interfaces(hotline: &Record, reading: &mut Reading<'_>) -> Vec<Interface> {
    let mut interfaces: Vec<Interface> = Vec::new();
    for record in hotline.records("interface") {
        let interface = interface(record, reading);
        check_taken(&interface, &interfaces, record, reading);
        interfaces.push(interface);
    }
    if interfaces.is_empty() && hotline.entry("interface").is_some() {
        reading.error(
            hotline.spot_of("interface"),
            "missing-key",
            "至少要有一个 [[interface]]".into(),
            "at least one [[interface]] is needed".into(),
        );
    }
    interfaces
}

/// Whether a trunk can use this transport there.
pub(crate) fn serves(interface: &Interface, transport: TrunkTransport) -> bool {
    match transport {
        TrunkTransport::Udp => interface.udp,
        TrunkTransport::Tcp => interface.tcp,
        TrunkTransport::Tls => interface.tls.is_some(),
    }
}

/// Connections, certificates and name servers.
pub(crate) fn transports(hotline: &Record) -> TransportSettings {
    // invariant: the three tables have defaults, so that they are there in every folder that decodes.
    let (streams, tls, dns) =
        (hotline.record_if("streams"), hotline.record_if("tls"), hotline.record_if("dns"));
    let length = |record: Option<&Record>, key| record.map(|record| record.seconds(key)).unwrap_or_default();
    let number = |key| streams.map(|record| record.integer(key)).unwrap_or_default();
    let servers = dns.map(|record| record.list("servers")).unwrap_or_default();
    let server = |entry: &crate::record::Entry| match entry.value {
        Value::Socket(address) => Some(address),
        _ => None,
    };
    TransportSettings {
        streams: StreamSettings {
            max_connections: number("max_connections"),
            max_connections_per_address: number("max_connections_per_address"),
            handshake: length(streams, "handshake_seconds"),
            first_message: length(streams, "first_message_seconds"),
            refused: length(streams, "refused_seconds"),
            message: length(streams, "message_seconds"),
            idle: length(streams, "idle_seconds"),
            connect: length(streams, "connect_seconds"),
            write: length(streams, "write_seconds"),
            queued: number("queued_messages"),
            ping: streams.and_then(|record| record.seconds_unless_zero("websocket_ping_seconds")),
        },
        tls: TlsSettings {
            oldest: tls.map_or(OldestTls::V1_2, |record| {
                record.choice("min_version", &[OldestTls::V1_2, OldestTls::V1_3])
            }),
            check: length(tls, "check_seconds"),
            warn_days: tls.map(|record| record.integer("warn_days")).unwrap_or_default(),
        },
        dns: DnsSettings {
            servers: servers.iter().filter_map(server).collect(),
            timeout: length(dns, "timeout_seconds"),
            stale: length(dns, "stale_seconds"),
        },
    }
}

fn interface(record: &Record, reading: &mut Reading<'_>) -> Interface {
    let name = record.text("name");
    reading.define(NameKind::Interface, &name, record.spot_of("name"));
    let bind = record.socket_if("bind").unwrap_or(UNSET);
    let advertise = record.ip_if("advertise");
    let everywhere = |ip: &std::net::IpAddr| ip.is_unspecified();
    if record.socket_if("bind").is_some_and(|bind| bind.ip().is_unspecified())
        && advertise.as_ref().is_none_or(everywhere)
    {
        reading.error(
            record.spot_of(if advertise.is_some() { "advertise" } else { "bind" }),
            "missing-key",
            "监听所有地址时必须用 «advertise» 写明告诉对端的地址".into(),
            "a listener on every address needs the key \"advertise\": the address peers are told".into(),
        );
    }
    let transports = record.list("transports");
    let has =
        |wanted| transports.iter().any(|entry| matches!(entry.value, Value::Choice(at) if at == wanted));
    if record.is_written("transports") && transports.is_empty() {
        reading.error(
            record.spot_of("transports"),
            "bad-value",
            "至少要有一种传输协议".into(),
            "at least one transport is needed".into(),
        );
    }
    let port = |place, key| has(place).then(|| record.integer(key));
    let interface = Interface {
        name: InterfaceName::new(&name),
        bind,
        udp: has(0),
        tcp: has(1),
        tls: port(2, "tls_port"),
        ws: port(3, "ws_port"),
        wss: port(4, "wss_port"),
        certificate: certificate(record, reading),
        advertise: advertise.unwrap_or(bind.ip()),
        host: record.text_if("host"),
        rtp: record.ports("rtp"),
    };
    check_secure(&interface, record, reading);
    interface
}

/// Certificate and key go together, and so do a peer's certificate and its authorities.
fn certificate(record: &Record, reading: &mut Reading<'_>) -> Option<CertificateFiles> {
    let (certificate, key) = (record.text_if("certificate"), record.text_if("key"));
    if let Some((there, missing)) = match (&certificate, &key) {
        (Some(_), None) => Some(("certificate", "key")),
        (None, Some(_)) => Some(("key", "certificate")),
        _ => None,
    } {
        reading.error(
            record.spot_of(there),
            "missing-key",
            format!("有 «{there}» 就要有 «{missing}»"),
            format!("\"{there}\" needs \"{missing}\""),
        );
    }
    let client_certificate = record.choice(
        "client_certificate",
        &[ClientCertificate::Off, ClientCertificate::Optional, ClientCertificate::Required],
    );
    let client_ca = record.text_if("client_ca");
    if client_ca.is_some() == (client_certificate == ClientCertificate::Off) {
        let key = if client_ca.is_some() { "client_ca" } else { "client_certificate" };
        reading.error(
            record.spot_of(key),
            "missing-key",
            "要求对端证书时, «client_certificate» 和 «client_ca» 须同时写明".into(),
            "to ask peers for certificates, \"client_certificate\" and \"client_ca\" are both needed".into(),
        );
    }
    Some(CertificateFiles { certificate: certificate?, key: key?, client_ca, client_certificate })
}

/// What TLS needs is there, and nothing that only TLS needs without it.
fn check_secure(interface: &Interface, record: &Record, reading: &mut Reading<'_>) {
    let secure = interface.tls.is_some() || interface.wss.is_some();
    if secure
        && interface.certificate.is_none()
        && !record.is_written("certificate")
        && !record.is_written("key")
    {
        reading.error(
            record.spot_of("transports"),
            "missing-key",
            "TLS 和加密 WebSocket 要有 «certificate» 和 «key»".into(),
            "TLS and secure WebSocket need \"certificate\" and \"key\"".into(),
        );
    }
    let unused = [
        ("tls_port", interface.tls.is_some()),
        ("ws_port", interface.ws.is_some()),
        ("wss_port", interface.wss.is_some()),
        ("certificate", secure),
        ("client_certificate", interface.tls.is_some()),
    ];
    for (key, _) in unused.into_iter().filter(|(key, used)| !used && record.is_written(key)) {
        reading.error(
            record.spot_of(key),
            "bad-value",
            format!("«transports» 中没有用到 «{key}» 的协议"),
            format!("no transport of this interface uses \"{key}\""),
        );
    }
}

/// No two sockets of one kind at one address.
fn check_taken(interface: &Interface, before: &[Interface], record: &Record, reading: &mut Reading<'_>) {
    let bind = interface.bind;
    if bind != UNSET
        && bind.port() != 0
        && let Some(first) = before.iter().find(|other| other.bind == bind)
    {
        let zh = format!("地址 {bind} 已被接口 «{}» 使用", first.name);
        let en = format!("{bind} is the address of interface \"{}\" already", first.name);
        return reading.error(record.spot_of("bind"), "duplicate", zh, en);
    }
    let mut taken: Vec<(u16, &str)> =
        before.iter().filter(|other| other.bind.ip() == bind.ip()).flat_map(stream_ports).collect();
    for (port, key) in stream_ports(interface) {
        if port != 0 && taken.iter().any(|(other, _)| *other == port) {
            let zh = format!("端口 {port} 重复使用");
            let en = format!("port {port} is used twice");
            reading.error(record.spot_of(key), "duplicate", zh, en);
        }
        taken.push((port, key));
    }
}

/// The ports of a listener's streams, and the keys that set them.
fn stream_ports(interface: &Interface) -> impl Iterator<Item = (u16, &'static str)> {
    let tcp = interface.tcp.then(|| interface.bind.port());
    [(tcp, "bind"), (interface.tls, "tls_port"), (interface.ws, "ws_port"), (interface.wss, "wss_port")]
        .into_iter()
        .filter_map(|(port, key)| Some((port?, key)))
}
