//! Owns `[registrar]`, `[subscriptions]` and `[messages]` of `hotline.toml`: what phones do beside calling.

use routing::{MessagePolicy, MessageRelay, PhoneServices, RegistrarLimits, SubscriptionLimits};

use super::{MANY, default, word};
use crate::fields::{Kind, Object};
use crate::reading::Reading;
use crate::record::Record;

pub(crate) static REGISTRAR: Object = Object {
    name: "registrar",
    zh: "[registrar]",
    en: "[registrar]",
    fields: &[
        default(
            "min_expires_seconds",
            Kind::Seconds(1, 86_400),
            "60",
            "话机注册有效期下限, 更短的被拒绝 (423)",
            "the shortest registration; a shorter wish is refused (423)",
        ),
        default(
            "default_expires_seconds",
            Kind::Seconds(1, 604_800),
            "3600",
            "话机未写有效期时的注册有效期",
            "how long a registration lasts when the phone does not say",
        ),
        default(
            "max_expires_seconds",
            Kind::Seconds(1, 604_800),
            "7200",
            "话机注册有效期上限, 更长的按此值",
            "the longest registration; a longer wish is cut to it",
        ),
        default(
            "nonce_seconds",
            Kind::Seconds(10, 86_400),
            "300",
            "认证质询 (nonce) 的有效时间",
            "how long a phone may use one nonce",
        ),
        default(
            "flow_timer_seconds",
            Kind::Seconds(0, 3_600),
            "120",
            "RFC 5626 Flow-Timer: 长连接话机多久保活一次, 0 表示不要求",
            "RFC 5626 Flow-Timer: how often a phone on a stream shows that it lives; 0: as it likes",
        ),
        default(
            "nat_keepalive_seconds",
            Kind::Seconds(0, 600),
            "25",
            "多久向 NAT 后的 UDP 话机发一次保活包, 0 表示不发",
            "how often a NAT before a phone on UDP is kept open; 0: never",
        ),
    ],
};

pub(crate) static SUBSCRIPTIONS: Object = Object {
    name: "subscriptions",
    zh: "[subscriptions]",
    en: "[subscriptions]",
    fields: &[
        default(
            "max",
            Kind::Integer(0, MANY),
            "10000",
            "全部话机的订阅 (占线灯, 留言灯) 总数上限",
            "subscriptions (busy lamps, message lamps) of all phones at a time",
        ),
        default("max_per_phone", Kind::Integer(0, 10_000), "100", "每部话机的订阅数上限", "of one phone"),
        default(
            "min_expires_seconds",
            Kind::Seconds(1, 3_600),
            "60",
            "订阅有效期下限, 更短的被拒绝 (423)",
            "the shortest subscription; a shorter wish is refused (423)",
        ),
        default(
            "max_expires_seconds",
            Kind::Seconds(60, 604_800),
            "3600",
            "订阅有效期上限, 话机未写有效期时也用此值",
            "the longest subscription, and the one granted when the phone does not say",
        ),
        default(
            "throttle_seconds",
            Kind::Seconds(0, 60),
            "1",
            "同一订阅两次通知的最短间隔",
            "the shortest distance of two notifications of one subscription",
        ),
        default(
            "dialog_info",
            Kind::Choice(&[
                word(
                    "full",
                    "每次通知列出全部通话, 所有话机都支持",
                    "every call each time: all phones understand it",
                ),
                word("partial", "只列出有变化的通话", "only the calls that changed"),
            ]),
            "'full'",
            "占线通知的内容 (RFC 4235)",
            "what a notification about calls holds (RFC 4235)",
        ),
    ],
};

pub(crate) static MESSAGES: Object = Object {
    name: "messages",
    zh: "[messages]",
    en: "[messages]",
    fields: &[
        default(
            "relay",
            Kind::Choice(&[
                word("off", "拒绝 (405)", "refused (405)"),
                word("inside", "同一租户的话机之间可以互发", "phones of one tenant may write to each other"),
            ]),
            "'off'",
            "话机之间的文字消息 (SIP MESSAGE)",
            "text messages between phones (SIP MESSAGE)",
        ),
        default(
            "max_bytes",
            Kind::Integer(1, 1_300),
            "1300",
            "消息正文的最大字节数",
            "the longest text in bytes",
        ),
    ],
};

/// What phones may do beside calling.
pub(crate) fn phone_services(hotline: &Record, reading: &mut Reading<'_>) -> PhoneServices {
    let mut services = PhoneServices::default();
    if let Some(record) = hotline.record_if("registrar") {
        services.registrar = registrar(record, reading);
    }
    if let Some(record) = hotline.record_if("subscriptions") {
        services.subscriptions = SubscriptionLimits {
            most: record.integer("max"),
            most_per_phone: record.integer("max_per_phone"),
            min_expires: record.seconds("min_expires_seconds"),
            max_expires: record.seconds("max_expires_seconds"),
            throttle: record.seconds("throttle_seconds"),
            partial: record.choice("dialog_info", &[false, true]),
        };
        let SubscriptionLimits { min_expires, max_expires, .. } = services.subscriptions;
        if min_expires > max_expires {
            out_of_order(record, reading, "min_expires_seconds", "max_expires_seconds");
        }
    }
    if let Some(record) = hotline.record_if("messages") {
        services.messages = MessagePolicy {
            relay: record.choice("relay", &[MessageRelay::Off, MessageRelay::Inside]),
            max_bytes: record.integer("max_bytes"),
        };
    }
    services
}

fn registrar(record: &Record, reading: &mut Reading<'_>) -> RegistrarLimits {
    let limits = RegistrarLimits {
        min_expires: record.seconds("min_expires_seconds"),
        default_expires: record.seconds("default_expires_seconds"),
        max_expires: record.seconds("max_expires_seconds"),
        nonce_life: record.seconds("nonce_seconds"),
        flow_timer: record.seconds_unless_zero("flow_timer_seconds"),
        nat_keep_alive: record.seconds_unless_zero("nat_keepalive_seconds"),
    };
    if limits.min_expires > limits.default_expires {
        out_of_order(record, reading, "min_expires_seconds", "default_expires_seconds");
    }
    if limits.default_expires > limits.max_expires {
        out_of_order(record, reading, "default_expires_seconds", "max_expires_seconds");
    }
    limits
}

fn out_of_order(record: &Record, reading: &mut Reading<'_>, low: &str, high: &str) {
    let spot = record.spot_of(if record.is_written(low) { low } else { high });
    reading.error(
        spot,
        "bad-value",
        format!("«{low}» 不能大于 «{high}»"),
        format!("\"{low}\" cannot be more than \"{high}\""),
    );
}
