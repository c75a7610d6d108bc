//! Owns what tshark sees of a switch's datagrams on the loopback of this network, with the kernel's times. It shares
//! nothing with what it is there to check.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::waiting::until;

/// A running tshark.
#[derive(Debug)]
pub struct Sniffer {
    child: Child,
    seen: Receiver<Datagram>,
    /// Where probes go and come from, to see whether all is seen yet.
    probe: UdpSocket,
    /// How many went.
    probes: u32,
}

/// One datagram.
#[derive(Clone, Debug)]
pub struct Datagram {
    /// Seconds of wall time.
    pub at: f64,
    /// Who sent it.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// What it holds.
    pub bytes: Vec<u8>,
}

impl Sniffer {
    /// Sees all datagrams from and to `host` from now on.
    pub fn of(host: Ipv4Addr) -> Sniffer {
        let mut child = Command::new("tshark")
            .args(["-l", "-n", "-Q", "-i", "lo", "-f", &format!("udp and host {host}")])
            .args(["-T", "fields", "-E", "separator=,"])
            .args(
                ["frame.time_epoch", "ip.src", "udp.srcport", "ip.dst", "udp.dstport", "udp.payload"]
                    .map(|f| ["-e", f])
                    .concat(),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("tshark starts");
        let lines = BufReader::new(child.stdout.take().expect("its output is ours"));
        let (tell, seen) = channel();
        std::thread::spawn(move || {
            let datagrams = lines.lines().map_while(Result::ok).filter_map(|line| Datagram::read(&line));
            // Nobody listens any more when the test is over.
            datagrams.map_while(|datagram| tell.send(datagram).ok()).for_each(drop);
        });
        let probe = UdpSocket::bind((host, 0)).expect("a socket");
        let mut sniffer = Sniffer { child, seen, probe, probes: 0 };
        sniffer.all_so_far();
        sniffer
    }

    /// What was sent since it was asked last: up to a probe that is sent now.
    pub fn all_so_far(&mut self) -> Vec<Datagram> {
        let here = self.probe.local_addr().expect("it is bound");
        let mut seen = Vec::new();
        let first = self.probes;
        until("tshark sees a probe", Duration::from_secs(60), || {
            self.probe.send_to(&self.probes.to_be_bytes(), here).expect("it is sent");
            self.probes += 1;
            while let Ok(datagram) = self.seen.recv_timeout(Duration::from_millis(200)) {
                let probe = datagram.from == here;
                // One that was sent again in vain may come late.
                if probe && (first..self.probes).any(|number| datagram.bytes == number.to_be_bytes()) {
                    return Some(());
                }
                seen.extend((!probe).then_some(datagram));
            }
            None
        });
        seen
    }
}

impl Drop for Sniffer {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        // SAFETY: the child is ours and not yet waited for. Killed outright it would leave the program that captures for it.
        unsafe { libc::kill(pid, libc::SIGTERM) };
        let _ended = self.child.wait();
    }
}

impl Datagram {
    fn read(line: &str) -> Option<Datagram> {
        let mut fields = line.split(',');
        let at = fields.next()?.parse().ok()?;
        let mut address = || {
            let host: Ipv4Addr = fields.next()?.parse().ok()?;
            Some(SocketAddr::from(SocketAddrV4::new(host, fields.next()?.parse().ok()?)))
        };
        let (from, to) = (address()?, address()?);
        let hex = fields.next()?.as_bytes();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes = hex.chunks(2).map(byte).collect::<Option<Vec<u8>>>()?;
        Some(Datagram { at, from, to, bytes })
    }
}
