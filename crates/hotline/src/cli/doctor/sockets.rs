//! Owns which sockets of this machine are bound, and by whom: `proc(5)`. Does not own what that means.

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// Which kind of socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Udp,
    /// Those that accept connections.
    Tcp,
}

/// A bound socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    pub address: SocketAddr,
    /// Its number, by which its process is found.
    pub inode: u64,
}

/// A process that has a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub pid: u32,
    /// The name of its program.
    pub program: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (pid {})", self.program, self.pid)
    }
}

/// Every bound socket of that kind; none where the system does not tell.
pub(super) fn bound(kind: Kind) -> Vec<Socket> {
    let files = match kind {
        Kind::Udp => ["/proc/net/udp", "/proc/net/udp6"],
        Kind::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
    };
    let text = files.map(|file| fs::read_to_string(file).unwrap_or_default());
    text.iter().flat_map(|text| text.lines().skip(1)).filter_map(|line| socket(kind, line)).collect()
}

/// Who has bound `address`, or every address with its port; `None` when nobody has, or we may not know.
pub(super) fn holder(kind: Kind, address: SocketAddr) -> Option<Holder> {
    let takes = |socket: &Socket| {
        let (bound, wanted) = (socket.address.ip().to_canonical(), address.ip().to_canonical());
        let everywhere = bound.is_unspecified() || wanted.is_unspecified();
        socket.address.port() == address.port() && (bound == wanted || everywhere)
    };
    let inodes: HashSet<u64> = bound(kind).iter().filter(|s| takes(s)).map(|socket| socket.inode).collect();
    if inodes.is_empty() {
        return None;
    }
    let pids = fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let pid = pids.into_iter().find(|pid| !of_process(*pid).is_disjoint(&inodes))?;
    let program = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
    Some(Holder { pid, program })
}

/// The sockets that a process has; none where we may not know.
pub(super) fn of_process(pid: u32) -> HashSet<u64> {
    let folder = Path::new("/proc").join(pid.to_string()).join("fd");
    let Ok(entries) = fs::read_dir(folder) else { return HashSet::new() };
    let inode = |entry: fs::DirEntry| {
        let target = fs::read_link(entry.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    entries.filter_map(|entry| inode(entry.ok()?)).collect()
}

fn socket(kind: Kind, line: &str) -> Option<Socket> {
    let columns: Vec<&str> = line.split_ascii_whitespace().collect();
    if kind == Kind::Tcp && *columns.get(3)? != LISTENS {
        return None;
    }
    let (host, port) = columns.get(1)?.split_once(':')?;
    let word = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::to_ne_bytes);
    let ip = match host.len() {
        8 => IpAddr::from(word(host)?),
        32 => {
            let mut bytes = [0; 16];
            for (at, four) in bytes.chunks_mut(4).enumerate() {
                four.copy_from_slice(&word(host.get(8 * at..8 * at + 8)?)?);
            }
            IpAddr::from(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(Socket { address: (ip, port).into(), inode: columns.get(9)?.parse().ok()? })
}

/// TCP_LISTEN.
const LISTENS: &str = "0A";

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_of_both_families_are_read() {
        let v4 = "  410: 0100007F:13C4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 81234 2";
        let v6 = "  9: 00000000000000000000000001000000:13C5 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 77 1";
        let found = socket(Kind::Udp, v4).unwrap();
        assert_eq!((found.address, found.inode), ("127.0.0.1:5060".parse().unwrap(), 81_234));
        assert_eq!(socket(Kind::Tcp, v4), None, "it accepts no connections");
        assert_eq!(socket(Kind::Tcp, v6).unwrap().address, "[::1]:5061".parse().unwrap());
        for rubbish in ["", "a", "0: x:y z", "0: 0100007F 00000000:0000 07"] {
            assert_eq!(socket(Kind::Udp, rubbish), None);
        }
    }

    #[test]
    fn our_own_sockets_are_ours() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        for (kind, address) in
            [(Kind::Udp, udp.local_addr().unwrap()), (Kind::Tcp, tcp.local_addr().unwrap())]
        {
            assert_eq!(holder(kind, address).map(|holder| holder.pid), Some(std::process::id()), "{kind:?}");
        }
        let free = udp.local_addr().unwrap();
        drop(udp);
        assert_eq!(holder(Kind::Udp, free), None);
    }
}
