//! Owns whether the files of certificates can be used, for how long, and for which names.

use clock::SystemClock;
use routing::Interface;
use sip_net::{CertificateFile, ListenerFiles, Tls, TlsConfig};

use super::Patient;
use super::finding::{Check, Finding};
use crate::node::settings;

/// Each listener's certificate, and the authorities that vouch for trunks.
pub(super) fn findings(patient: &Patient) -> Vec<Finding> {
    let loaded = &patient.loaded;
    let config = settings::tls(&patient.origin, loaded);
    let now = SystemClock::start().wall().as_secs();
    let mut found = Vec::new();
    for (interface, files) in loaded.plan.interfaces.iter().zip(&config.listeners) {
        let Some(files) = files else { continue };
        let name = interface.name.as_str();
        match usable(&config, files) {
            Err(error) => found.push(unusable(name, &error)),
            Ok(certificate) => {
                let warn_days = i64::from(loaded.transports.tls.warn_days);
                found.push(judge_validity(name, certificate.validity(), now, warn_days));
                let domains: Vec<&str> = loaded.plan.domains.iter().map(|tenant| &*tenant.domain).collect();
                found.push(judge_names(interface, &certificate, &domains));
            }
        }
    }
    // What is wrong with the files of listeners was said; the rest are those of trunks.
    if found.is_empty() && config.peers.is_empty() {
        return found;
    }
    if found.iter().all(|finding| finding.verdict != super::finding::Verdict::Fault)
        && let Err(error) = Tls::load(config)
    {
        found.push(unusable("ca", &error));
    }
    found
}

/// Reads one listener's files as the switch would.
fn usable(config: &TlsConfig, files: &ListenerFiles) -> Result<CertificateFile, sip_net::TlsError> {
    Tls::load(TlsConfig { listeners: vec![Some(files.clone())], peers: Vec::new(), oldest: config.oldest })?;
    CertificateFile::read(&files.certificate)
}

fn unusable(subject: &str, error: &sip_net::TlsError) -> Finding {
    Finding::fault((Check::Certificate, subject), error.to_string(), "the switch does not start with it").fix(
        "文件须是 PEM, 私钥无密码, 运行 hotline 的用户可读",
        "files are PEM, the key without a password, and readable to the user that hotline runs as",
    )
}

fn judge_validity(subject: &str, validity: Option<(i64, i64)>, now: i64, warn_days: i64) -> Finding {
    let of = (Check::Certificate, subject);
    let Some((begin, end)) = validity else {
        return Finding::warning(of, "有效期读不出", "its validity cannot be read");
    };
    let day = |seconds: i64| {
        jiff::Timestamp::from_second(seconds)
            .map_or_else(|_| String::new(), |at| at.strftime("%F").to_string())
    };
    let renew = |finding: Finding| {
        finding.fix(
            "换新证书文件 (同名覆盖即可, 运行中自动启用)",
            "renew it: a running switch takes files of the same name over by itself",
        )
    };
    let days = (end - now).div_euclid(86_400);
    if end <= now {
        renew(Finding::fault(of, format!("{} 已过期", day(end)), format!("ran out on {}", day(end))))
    } else if begin > now {
        Finding::fault(of, format!("{} 才生效", day(begin)), format!("valid from {} only", day(begin)))
            .fix("检查本机时间, 或换证书", "check the clock, or take another one")
    } else if days <= warn_days {
        renew(Finding::warning(of, format!("{days} 天后到期"), format!("runs out in {days} days")))
    } else {
        Finding::fine(of, format!("有效至 {}", day(end)), format!("valid to {}", day(end)))
    }
}

/// Peers look for the name by which they know us.
fn judge_names(interface: &Interface, certificate: &CertificateFile, domains: &[&str]) -> Finding {
    let of = (Check::Certificate, interface.name.as_str());
    let address = interface.advertise.to_string();
    let known: Vec<&str> = match &interface.host {
        Some(host) => vec![host],
        None => domains.iter().copied().chain([address.as_str()]).collect(),
    };
    let names = certificate.names();
    let shown = if names.is_empty() { "–".to_owned() } else { names.join(" ") };
    if known.iter().any(|name| certificate.is_for(name)) {
        return Finding::fine(of, format!("名称 {shown}"), format!("for {shown}"));
    }
    let wanted = known.join(" ");
    let finding = match interface.host.is_some() {
        true => Finding::fault(
            of,
            format!("证书是 {shown} 的, 不是 host «{wanted}» 的"),
            format!("it is for {shown}, not for host \"{wanted}\""),
        ),
        false => Finding::warning(
            of,
            format!("证书是 {shown} 的, 话机和对端可能按 {wanted} 核对"),
            format!("it is for {shown}; phones and peers may look for {wanted}"),
        ),
    };
    finding.fix(
        "签发含该名称 (subjectAltName) 的证书, 或把 host 写成证书上的名称",
        "take a certificate with that name (subjectAltName), or write its name in host",
    )
}

/// The certificates in use, where all files can be used: to ask trunks over TLS.
pub(super) fn in_use(patient: &Patient) -> Option<Tls> {
    Tls::load(settings::tls(&patient.origin, &patient.loaded)).ok()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_certificate_is_valid_soon_over_or_over() {
        const DAY: i64 = 86_400;
        for (validity, verdict) in [
            (Some((0, 1_000 * DAY)), Verdict::Fine),
            (Some((0, 114 * DAY)), Verdict::Warning),
            (Some((0, 100 * DAY)), Verdict::Fault),
            (Some((101 * DAY, 1_000 * DAY)), Verdict::Fault),
            (None, Verdict::Warning),
        ] {
            assert_eq!(judge_validity("phones", validity, 100 * DAY, 14).verdict, verdict, "{validity:?}");
        }
        let over = judge_validity("phones", Some((0, 20_000 * DAY)), 20_001 * DAY, 14);
        assert!(over.en.contains("2024-10-04"), "{over:?}");
    }
}
