//! Owns whether the addresses that peers are told lead to this machine: by its own addresses, and by what trunks say
//! they see.

use std::net::IpAddr;

use super::Patient;
use super::finding::{Check, Finding};
use super::ports;

/// Where a trunk says that our request came from.
pub(super) struct Seen {
    pub trunk: String,
    /// The listener's place.
    pub interface: u16,
    pub trunk_address: IpAddr,
    /// `received` of our Via (RFC 3261 §18.2.1, RFC 3581); None: the trunk did not say.
    pub received: Option<IpAddr>,
}

/// A finding for each listener.
pub(super) fn findings(patient: &Patient, seen: &[Seen]) -> Vec<Finding> {
    let interfaces = patient.loaded.plan.interfaces.iter().enumerate();
    interfaces
        .map(|(place, interface)| {
            let here: Vec<&Seen> = seen.iter().filter(|seen| usize::from(seen.interface) == place).collect();
            judge(interface.name.as_str(), interface.advertise, ports::is_own(interface.advertise), &here)
        })
        .collect()
}

/// `own`: the address is one of this machine's.
fn judge(interface: &str, advertised: IpAddr, own: bool, seen: &[&Seen]) -> Finding {
    let subject = format!("{interface} {advertised}");
    let of = (Check::Address, subject.as_str());
    let other =
        seen.iter().find_map(|seen| Some((*seen, seen.received?)).filter(|(_, ip)| *ip != advertised));
    if let Some((seen, received)) = other {
        let trunk = &seen.trunk;
        return Finding::fault(
            of,
            format!("中继 {trunk} 看到的是 {received}, 语音会送不到本机"),
            format!("trunk {trunk} sees {received}: audio would not arrive"),
        )
        .fix(
            format!("在 [[interface]] {interface} 写 advertise = \"{received}\""),
            format!("write advertise = \"{received}\" in [[interface]] {interface}"),
        );
    }
    let far = seen.iter().find(|seen| is_public(seen.trunk_address) && !is_public(advertised));
    if let Some(seen) = far {
        let (trunk, address) = (&seen.trunk, seen.trunk_address);
        return Finding::fault(
            of,
            format!("中继 {trunk} 在公网 ({address}), 却告诉它内网地址"),
            format!("trunk {trunk} is outside ({address}), and is told an address from inside"),
        )
        .fix("advertise 写公网地址", "write the address outside the NAT in advertise");
    }
    let confirmed = seen.iter().find(|seen| seen.received == Some(advertised));
    if let Some(seen) = confirmed {
        let trunk = &seen.trunk;
        return Finding::fine(
            of,
            format!("中继 {trunk} 看到的也是它"),
            format!("trunk {trunk} sees the same"),
        );
    }
    match (own, is_public(advertised)) {
        (true, _) => Finding::fine(of, "是本机地址", "an address of this machine"),
        (false, true) => Finding::fine(
            of,
            "不是本机地址, 应在 NAT 之外; 没有中继告知看到的地址",
            "not this machine's: outside a NAT, it seems; no trunk told what it sees",
        ),
        (false, false) => {
            Finding::warning(of, "既不是本机地址, 也不是公网地址", "neither this machine's nor a public one")
                .fix(
                    "核对 advertise: 对端要能用它送达本机",
                    "check advertise: peers must reach this machine by it",
                )
        }
    }
}

/// Whether the whole internet may mean one place by it (RFC 6890).
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let shared = a == 100 && (64..128).contains(&b);
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || shared)
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    fn seen(trunk: &str, received: Option<&str>) -> Seen {
        Seen {
            trunk: "cmcc".to_owned(),
            interface: 0,
            trunk_address: trunk.parse().unwrap(),
            received: received.map(|ip| ip.parse().unwrap()),
        }
    }

    #[test]
    fn what_a_trunk_sees_counts_more_than_what_the_machine_has() {
        let table = [
            ("10.0.0.5", true, vec![], Verdict::Fine, "this machine"),
            ("203.0.113.9", false, vec![], Verdict::Fine, "no trunk told"),
            ("10.9.9.9", false, vec![], Verdict::Warning, "neither"),
            (
                "203.0.113.9",
                false,
                vec![seen("198.51.100.1", Some("203.0.113.9"))],
                Verdict::Fine,
                "the same",
            ),
            (
                "203.0.113.8",
                false,
                vec![seen("198.51.100.1", Some("203.0.113.9"))],
                Verdict::Fault,
                "203.0.113.9",
            ),
            ("10.0.0.5", true, vec![seen("198.51.100.1", None)], Verdict::Fault, "from inside"),
            ("10.0.0.5", true, vec![seen("10.0.0.9", None)], Verdict::Fine, "this machine"),
            ("203.0.113.9", false, vec![seen("198.51.100.1", None)], Verdict::Fine, "no trunk told"),
        ];
        for (advertised, own, seen, verdict, words) in table {
            let found = judge("carrier", advertised.parse().unwrap(), own, &seen.iter().collect::<Vec<_>>());
            assert!(found.verdict == verdict && found.en.contains(words), "{advertised}: {found:?}");
        }
        let wrong = judge(
            "carrier",
            "10.0.0.5".parse().unwrap(),
            true,
            &[&seen("198.51.100.1", Some("203.0.113.9"))],
        );
        assert!(wrong.fix.unwrap().en.contains("advertise = \"203.0.113.9\""));
    }

    #[test]
    fn public_addresses_are_told_from_others() {
        for ip in ["198.51.100.1", "2001:db8::1", "8.8.8.8", "100.128.0.1"] {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
        for ip in [
            "10.1.1.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "fd00::1",
            "::1",
        ] {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
    }
}
