//! Owns whether the addresses that the switch listens on can be had. Does not own who has them (see `sockets`).

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use super::Patient;
use super::finding::{Check, Finding};
use super::sockets::{self, Holder, Kind};

/// A socket that the configuration asks for.
struct Wanted {
    kind: Kind,
    /// `udp`, `tcp`, `tls`, `ws`, `wss`, `api`.
    word: &'static str,
    address: SocketAddr,
    /// The key that sets it.
    key: &'static str,
}

/// A finding for each socket of the configuration.
pub(super) fn findings(patient: &Patient) -> Vec<Finding> {
    let look = |wanted: &Wanted| {
        let tried = bind(wanted);
        let holder = match &tried {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                sockets::holder(wanted.kind, wanted.address)
            }
            _ => None,
        };
        judge(wanted, tried, holder, patient.running.as_ref().map(|running| running.pid))
    };
    wanted(patient).iter().map(look).collect()
}

fn wanted(patient: &Patient) -> Vec<Wanted> {
    let mut all = Vec::new();
    for interface in &patient.loaded.plan.interfaces {
        let at = |port| SocketAddr::new(interface.bind.ip(), port);
        let port = interface.bind.port();
        let served = [
            (interface.udp.then_some(port), Kind::Udp, "udp", "bind"),
            (interface.tcp.then_some(port), Kind::Tcp, "tcp", "bind"),
            (interface.tls, Kind::Tcp, "tls", "tls_port"),
            (interface.ws, Kind::Tcp, "ws", "ws_port"),
            (interface.wss, Kind::Tcp, "wss", "wss_port"),
        ];
        let socket = |(port, kind, word, key)| Some(Wanted { kind, word, address: at(port?), key });
        all.extend(served.into_iter().filter_map(socket));
    }
    let address = patient.loaded.node.api;
    all.push(Wanted { kind: Kind::Tcp, word: "api", address, key: "[api] listen" });
    all
}

fn bind(wanted: &Wanted) -> io::Result<()> {
    match wanted.kind {
        Kind::Udp => UdpSocket::bind(wanted.address).map(drop),
        Kind::Tcp => TcpListener::bind(wanted.address).map(drop),
    }
}

/// `running`: a switch runs, as that process where it may be known.
fn judge(
    wanted: &Wanted,
    tried: io::Result<()>,
    holder: Option<Holder>,
    running: Option<Option<u32>>,
) -> Finding {
    let (address, key) = (wanted.address, wanted.key);
    let subject = format!("{} {address}", wanted.word);
    let of = (Check::Ports, subject.as_str());
    if address.port() == 0 {
        return Finding::fine(of, "端口由系统选择", "the system chooses the port");
    }
    let error = match tried {
        Ok(()) if running.is_some() => {
            return Finding::warning(
                of,
                "配置里有, 但运行中的 hotline 没有监听",
                "it is configured, but the running switch does not listen there",
            )
            .fix("监听地址的改动要重启才生效", "restart: listeners change only then");
        }
        Ok(()) => return Finding::fine(of, "空闲", "free"),
        Err(error) => error,
    };
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let is_switch = running.is_some_and(|pid| match &holder {
                Some(holder) => Some(holder.pid) == pid,
                None => true,
            });
            if is_switch {
                return Finding::fine(of, "hotline 正在监听", "the running switch listens there");
            }
            let who =
                holder.map_or_else(|| "另一个程序 / another program".to_owned(), |holder| holder.to_string());
            Finding::fault(of, format!("已被占用: {who}"), "taken")
                .fix(format!("停掉它, 或改 {key}"), format!("stop it, or change {key}"))
        }
        io::ErrorKind::AddrNotAvailable => {
            Finding::fault(of, "本机没有这个地址", "this machine has no such address").fix(
                format!("在 {key} 写本机的地址 (ip addr), 或 0.0.0.0 并写明 advertise"),
                format!("write an address of this machine (ip addr) in {key}, or 0.0.0.0 with advertise"),
            )
        }
        io::ErrorKind::PermissionDenied => {
            Finding::fault(of, "没有权限监听 1024 以下的端口", "ports below 1024 need a privilege").fix(
                "systemd 单元加 AmbientCapabilities=CAP_NET_BIND_SERVICE, 或用 1024 以上的端口",
                "give the unit AmbientCapabilities=CAP_NET_BIND_SERVICE, or take a port above 1024",
            )
        }
        _ => Finding::fault(of, format!("打不开: {error}"), "cannot be opened"),
    }
}

/// Whether `ip` is one of this machine's: the system lets sockets have it.
pub(super) fn is_own(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    fn sip() -> Wanted {
        Wanted { kind: Kind::Udp, word: "udp", address: "192.0.2.1:5060".parse().unwrap(), key: "bind" }
    }

    fn failed(kind: io::ErrorKind) -> io::Result<()> {
        Err(kind.into())
    }

    #[test]
    fn a_taken_port_is_fine_when_the_switch_has_it() {
        use io::ErrorKind::*;
        let other = || Some(Holder { pid: 7, program: "asterisk".to_owned() });
        let ours = || Some(Holder { pid: 8, program: "hotline".to_owned() });
        let table = [
            (Ok(()), None, None, Verdict::Fine, "free"),
            (Ok(()), None, Some(Some(8)), Verdict::Warning, "does not listen"),
            (failed(AddrInUse), ours(), Some(Some(8)), Verdict::Fine, "running switch"),
            (failed(AddrInUse), None, Some(None), Verdict::Fine, "running switch"),
            (failed(AddrInUse), other(), Some(Some(8)), Verdict::Fault, "taken"),
            (failed(AddrInUse), other(), None, Verdict::Fault, "taken"),
            (failed(AddrInUse), None, None, Verdict::Fault, "taken"),
            (failed(AddrNotAvailable), None, None, Verdict::Fault, "no such address"),
            (failed(PermissionDenied), None, None, Verdict::Fault, "privilege"),
            (failed(Other), None, None, Verdict::Fault, "cannot be opened"),
        ];
        for (tried, holder, running, verdict, words) in table {
            let told = format!("{tried:?} {holder:?} {running:?}");
            let found = judge(&sip(), tried, holder.clone(), running);
            assert!(found.verdict == verdict && found.en.contains(words), "{told}: {found:?}");
            if holder == other() {
                assert!(found.zh.contains("asterisk (pid 7)"), "{found:?}");
            }
            assert_eq!(
                found.fix.is_some(),
                verdict != Verdict::Fine && words != "cannot be opened",
                "{told}"
            );
        }
    }
}
