//! Owns what operators are told of a trunk that does not work: what happened, and what is likely the cause.

use std::net::SocketAddr;
use std::sync::Arc;

use routing::Trunk;
use sip::headers::Challenge;

use crate::Unreached;

/// Nobody answered.
pub(super) fn silent(address: SocketAddr) -> Arc<str> {
    Arc::from(format!(
        "{address} 对 OPTIONS 没有应答, 请检查地址, 防火墙, 以及对方是否放行本机 / {address} does not answer OPTIONS: \
         check the address, firewalls, and whether it admits us"
    ))
}

/// It answered as if it did not work.
pub(super) fn unwell(address: SocketAddr, status: u16) -> Arc<str> {
    Arc::from(format!(
        "{address} 应答 {status}, 对方过载或停用 / {address} answers {status}: overloaded or out of service"
    ))
}

/// A name leads nowhere.
pub(super) fn nowhere(host: &str) -> Arc<str> {
    Arc::from(format!(
        "域名 {host} 解析不出地址, 请检查域名和 DNS / {host} leads to no address: check the name and DNS"
    ))
}

/// Nothing could be sent.
pub(super) fn unsendable(address: SocketAddr) -> Arc<str> {
    Arc::from(format!(
        "发不到 {address}, 请检查路由和传输协议 / cannot send to {address}: check routes and transport"
    ))
}

/// A connection did not come about. `wanted` is the name that the certificate must show.
pub(super) fn unreached(address: SocketAddr, wanted: &str, why: &Unreached) -> Arc<str> {
    let (zh, en) = why.words(wanted);
    Arc::from(format!("{address} {zh} / {address}: {en}"))
}

impl Unreached {
    /// What happened and its likely cause, in Chinese and in English. `wanted` is the name that the certificate must
    /// show.
    pub fn words(&self, wanted: &str) -> (String, String) {
        match self {
            Unreached::NoConnection(system) => (
                format!("连接不上 ({system}), 请检查地址, 端口和防火墙"),
                format!("cannot connect ({system}): check the address, port and firewalls"),
            ),
            Unreached::TooSlow => (
                "连接或握手超时, 请检查地址, 端口和防火墙".to_owned(),
                "connecting took too long: check the address, port and firewalls".to_owned(),
            ),
            Unreached::WrongName => (
                format!("证书上没有 «{wanted}», 请检查 to 和 tls_name, 或请对方更换证书"),
                format!("its certificate is not for \"{wanted}\": check to and tls_name, or its certificate"),
            ),
            Unreached::NotTrusted => (
                "证书的签发机构不可信, 请在 ca 中写明签发机构的证书文件".to_owned(),
                "nobody trusted vouches for its certificate: name the authority's file in ca".to_owned(),
            ),
            Unreached::OutOfDate => (
                "证书已过期或尚未生效, 请对方更新, 并检查本机时间".to_owned(),
                "its certificate is out of date: have it renewed, and check our clock".to_owned(),
            ),
            Unreached::Tls(library) => {
                (format!("TLS 握手失败 ({library})"), format!("the TLS handshake failed ({library})"))
            }
        }
    }
}

/// A REGISTER could not be sent, because of that.
pub(super) fn register_unsent(trouble: &str) -> Arc<str> {
    Arc::from(format!("注册失败: {trouble}"))
}

/// A REGISTER was refused. `challenge` is the carrier's, where it asks for a password.
pub(super) fn register_refused(
    (status, reason): (u16, &str),
    challenge: Option<&Challenge>,
    trunk: &Trunk,
) -> Arc<str> {
    let (zh, en) = match (status, &trunk.account) {
        (200..=299, _) => (
            "对方同意注册, 却没有给出有效期 (Contact 或 Expires 为 0), 请运营商核实".to_owned(),
            "it agrees and grants no time (Contact or Expires is 0): ask the carrier".to_owned(),
        ),
        (401 | 407, None) => (
            "对方要求鉴权, 请写 [account]".to_owned(),
            "the carrier asks for a password: write [account]".to_owned(),
        ),
        (401 | 407, Some(account)) => match challenge {
            Some(Challenge { realm, .. }) if **realm != *account.realm => (
                format!("对方的 realm 是 «{realm}», 配置的是 «{}», 请写 account.realm", account.realm),
                format!("its realm is \"{realm}\", configured is \"{}\": set account.realm", account.realm),
            ),
            Some(challenge) if !challenge.is_answerable() => (
                "对方要求的鉴权方式 (如 AKA, auth-int) 不支持, 请对方改用 MD5 或 SHA-256".to_owned(),
                "it asks for a digest that is not spoken here (such as AKA, auth-int): have MD5 or SHA-256 set".to_owned(),
            ),
            _ => ("多半是用户名或密码不对".to_owned(), "likely a wrong user or password".to_owned()),
        },
        (403, _) => (
            "多半是密码不对, 或号码未开通".to_owned(),
            "likely a wrong password, or the number is not opened".to_owned(),
        ),
        (404 | 484 | 604, _) => (
            "对方不认识这个用户或域名, 请检查 from_user, from_domain 和 registrar".to_owned(),
            "it does not know the user or domain: check from_user, from_domain and registrar".to_owned(),
        ),
        (408, _) => (
            "对方没有应答, 请检查地址, 防火墙, 以及对方是否放行本机".to_owned(),
            "it does not answer: check the address, firewalls, and whether it admits us".to_owned(),
        ),
        (500..=599, _) => (
            "对方过载或故障, 稍后重试".to_owned(),
            "it is overloaded or broken; tried again later".to_owned(),
        ),
        _ => ("请向运营商核实".to_owned(), "ask the carrier".to_owned()),
    };
    Arc::from(format!("注册失败 {status} {reason}: {zh} / REGISTER failed: {en}"))
}
