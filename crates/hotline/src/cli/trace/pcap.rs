//! Owns capture files: each message as a UDP datagram between the addresses it went by, whatever carried it.

use std::net::{IpAddr, SocketAddr};

use api::view::MessageView;

use super::{address, ends};

/// A capture of `messages`: little-endian, microseconds, raw IP (LINKTYPE_RAW).
///
/// # Errors
/// When an address is none.
pub(super) fn file(messages: &[MessageView]) -> anyhow::Result<Vec<u8>> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, LINKTYPE_RAW] {
        file.extend(u32::to_le_bytes(word));
    }
    for message in messages {
        let (from, to) = ends(message);
        let packet = packet(address(from)?, address(to)?, &message.bytes);
        let micros = u64::try_from(message.micros).unwrap_or(0);
        // Seconds are 32 bits in this format, good until 2106.
        let length = packet.len() as u32;
        for word in [(micros / 1_000_000) as u32, (micros % 1_000_000) as u32, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    Ok(file)
}

/// IP and UDP (RFC 768, 791, 8200) around `message`, cut where it is longer than a datagram can be.
fn packet(from: SocketAddr, to: SocketAddr, message: &[u8]) -> Vec<u8> {
    let message = &message[..message.len().min(LONGEST)];
    let length = (8 + message.len()) as u16;
    let mut udp = Vec::with_capacity(usize::from(length));
    for word in [from.port(), to.port(), length, 0] {
        udp.extend(word.to_be_bytes());
    }
    udp.extend(message);
    let (source, target) = match (from.ip(), to.ip()) {
        (IpAddr::V4(source), IpAddr::V4(target)) => (source.octets().to_vec(), target.octets().to_vec()),
        (source, target) => (v6(source).to_vec(), v6(target).to_vec()),
    };
    // The pseudo header of both IP versions sums up to the same.
    let pseudo = [&source[..], &target[..], &[0, UDP], &length.to_be_bytes()].concat();
    let sum = match checksum(&[&pseudo[..], &udp].concat()) {
        0 => u16::MAX,
        sum => sum,
    };
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    let mut packet = if source.len() == 4 {
        let total = (20 + length).to_be_bytes();
        let mut header = vec![0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, UDP, 0, 0];
        header.extend(&source);
        header.extend(&target);
        let sum = checksum(&header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        header
    } else {
        let [high, low] = length.to_be_bytes();
        let mut header = vec![0x60, 0, 0, 0, high, low, UDP, 64];
        header.extend(&source);
        header.extend(&target);
        header
    };
    packet.extend(udp);
    packet
}

fn v6(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// RFC 1071.
pub(super) fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

const LINKTYPE_RAW: u32 = 101;
const UDP: u8 = 17;
/// The longest message that an IPv4 datagram carries.
const LONGEST: usize = 65_507;
