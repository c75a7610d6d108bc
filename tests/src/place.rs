//! Owns where the parties of a test process live: loopback addresses of its own, so that whole port ranges are free.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The loopback addresses of this test process, one per party.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Where the switch listens.
    pub switch: Ipv4Addr,
    /// Where the carrier calls from.
    pub carrier: Ipv4Addr,
    /// Where the phones are.
    pub phones: Ipv4Addr,
    /// Where nobody known is.
    pub stranger: Ipv4Addr,
}

impl Place {
    /// This process's own.
    pub fn mine() -> Place {
        let [_, high, middle, low] = std::process::id().to_be_bytes();
        let party = |base: u8| Ipv4Addr::new(127, base + high % 60, middle, low);
        Place { switch: party(1), carrier: party(64), phones: party(128), stranger: party(192) }
    }

    /// A UDP port that is free now at `host`.
    pub fn free(host: Ipv4Addr) -> SocketAddr {
        let socket = UdpSocket::bind((host, 0)).expect("a free port");
        socket.local_addr().expect("a bound socket has an address")
    }

    /// A TCP port that is free now at `host`.
    pub fn free_stream(host: Ipv4Addr) -> SocketAddr {
        let listener = TcpListener::bind((host, 0)).expect("a free port");
        listener.local_addr().expect("a bound socket has an address")
    }

    /// Every UDP address that is bound on this machine.
    pub fn bound() -> Vec<SocketAddr> {
        sockets("/proc/net/udp").map(|(address, _)| address).collect()
    }

    /// Whether somebody has bound this UDP address.
    pub fn is_bound(at: SocketAddr) -> bool {
        Place::bound().contains(&at)
    }

    /// Whether somebody accepts connections at this TCP address.
    pub fn listens(at: SocketAddr) -> bool {
        sockets("/proc/net/tcp").any(|(address, state)| address == at && state == LISTEN)
    }
}

/// The sockets of a table of the system, each with its address and state.
fn sockets(table: &str) -> impl Iterator<Item = (SocketAddr, u8)> + use<> {
    let socket = |line: &str| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let (host, port) = columns.next()?.split_once(':')?;
        let host = u32::from_str_radix(host, 16).ok()?;
        let address = SocketAddr::from((host.to_le_bytes(), u16::from_str_radix(port, 16).ok()?));
        Some((address, u8::from_str_radix(columns.nth(1)?, 16).ok()?))
    };
    let text = std::fs::read_to_string(table).unwrap_or_else(|error| panic!("{table}: {error}"));
    let sockets: Vec<(SocketAddr, u8)> = text.lines().skip(1).filter_map(socket).collect();
    sockets.into_iter()
}

/// TCP_LISTEN of the system's tables.
const LISTEN: u8 = 0x0A;

/// One test at a time: each needs the machine's two CPUs for packets that must not be late.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether SIPp may play captures and namespaces may be made: as root. Others are told that the test is skipped;
/// in CI it fails instead.
pub fn may_use_raw_sockets() -> bool {
    // SAFETY: a plain query.
    let root = unsafe { libc::geteuid() } == 0;
    assert!(root || std::env::var_os("CI").is_none(), "in CI these tests run as root");
    if !root {
        eprintln!("跳过: 需要 root / skipped: needs root (raw sockets, network namespaces)");
    }
    root
}
