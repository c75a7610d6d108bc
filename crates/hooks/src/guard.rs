//! Owns which addresses may be called: none of this machine or its networks, by whatever notation they come. A name
//! must be resolved first, each of its addresses guarded, and the guarded address connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address that may not be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("不允许访问 {0}（内网或保留地址）/ {0} is private or reserved and may not be called")]
pub struct Forbidden(pub IpAddr);

/// Lets only addresses of the public Internet pass.
///
/// # Errors
/// Private, local, shared, multicast, documentation and other reserved addresses, and IPv6 addresses that carry one.
pub fn guard(address: IpAddr) -> Result<(), Forbidden> {
    let public = match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    };
    if public { Ok(()) } else { Err(Forbidden(address)) }
}

/// IANA IPv4 special-purpose address registry (RFC 6890), and multicast (RFC 5771).
const RESERVED_V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),       // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // RFC 1918
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // RFC 6598: carrier-grade NAT
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // RFC 3927: link local, clouds' metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // RFC 1918
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // RFC 6890: protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // RFC 5737: documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // RFC 7526: former 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // RFC 1918
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // RFC 2544: benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24), // RFC 5737
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // RFC 5737
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved, and broadcast
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let within = |(net, bits): &(Ipv4Addr, u32)| (address.to_bits() ^ net.to_bits()) >> (32 - bits) == 0;
    !RESERVED_V4.iter().any(within)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let bits = address.to_bits();
    // Only 2000::/3 is given out (RFC 4291 §2.4): loopback, mapped, ULA, link local and multicast lie outside of it.
    // NAT64 (RFC 6052) lies outside too: through a gateway it would reach what IPv4 may not.
    if bits >> 125 != 0b001 {
        return false;
    }
    let [a, b, c, ..] = address.segments();
    match (a, b) {
        // RFC 2928: protocol assignments, Teredo (RFC 4380) and ORCHID among them.
        (0x2001, 0x0000..=0x01ff) => false,
        // RFC 3849 and RFC 9637: documentation.
        (0x2001, 0x0db8) | (0x3fff, 0x0000..=0x0fff) => false,
        // RFC 3056: 6to4 carries an IPv4 address.
        (0x2002, _) => is_public_v4(Ipv4Addr::from_bits(u32::from(b) << 16 | u32::from(c))),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forbidden(text: &str) -> bool {
        guard(text.parse().unwrap()).is_err()
    }

    #[test]
    fn the_first_and_last_address_of_each_reserved_block_is_forbidden_and_its_neighbours_are_not() {
        let blocks = [
            (None, "0.0.0.0", "0.255.255.255", Some("1.0.0.0")),
            (Some("9.255.255.255"), "10.0.0.0", "10.255.255.255", Some("11.0.0.0")),
            (Some("100.63.255.255"), "100.64.0.0", "100.127.255.255", Some("100.128.0.0")),
            (Some("126.255.255.255"), "127.0.0.0", "127.255.255.255", Some("128.0.0.0")),
            (Some("169.253.255.255"), "169.254.0.0", "169.254.255.255", Some("169.255.0.0")),
            (Some("172.15.255.255"), "172.16.0.0", "172.31.255.255", Some("172.32.0.0")),
            (Some("191.255.255.255"), "192.0.0.0", "192.0.0.255", Some("192.0.1.0")),
            (Some("192.0.1.255"), "192.0.2.0", "192.0.2.255", Some("192.0.3.0")),
            (Some("192.88.98.255"), "192.88.99.0", "192.88.99.255", Some("192.88.100.0")),
            (Some("192.167.255.255"), "192.168.0.0", "192.168.255.255", Some("192.169.0.0")),
            (Some("198.17.255.255"), "198.18.0.0", "198.19.255.255", Some("198.20.0.0")),
            (Some("198.51.99.255"), "198.51.100.0", "198.51.100.255", Some("198.51.101.0")),
            (Some("203.0.112.255"), "203.0.113.0", "203.0.113.255", Some("203.0.114.0")),
            (Some("223.255.255.255"), "224.0.0.0", "255.255.255.255", None),
        ];
        for (before, first, last, behind) in blocks {
            assert!(forbidden(first) && forbidden(last), "{first}");
            for neighbour in [before, behind].into_iter().flatten() {
                assert!(!forbidden(neighbour), "{neighbour}");
            }
        }
    }

    #[test]
    fn reserved_ipv6_addresses_are_forbidden() {
        for text in [
            "::",
            "::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "2001::1",
            "2001:1ff::1",
            "2001:db8::1",
            "3fff::1",
            "5f00::1",
            "4000::1",
        ] {
            assert!(forbidden(text), "{text}");
        }
        for text in ["2400:3200::1", "2606:4700::1111", "2001:200::1", "2a00::1", "3ffe::1"] {
            assert!(!forbidden(text), "{text}");
        }
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_does_not_get_through() {
        for text in [
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "::127.0.0.1",
            "64:ff9b::a01:203",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
        ] {
            assert!(forbidden(text), "{text}");
        }
        assert!(!forbidden("2002:0808:0808::1"));
    }
}
