//! Owns a phone that only answers: every request that comes to its address gets 200, and is kept.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A phone that only answers, until it is dropped.
#[derive(Debug)]
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    socket: UdpSocket,
    heard: Receiver<String>,
}

impl Listener {
    /// Listens at `address`.
    pub fn at(address: SocketAddr) -> Listener {
        let socket = UdpSocket::bind(address).expect("a free port");
        let (sender, heard) = channel();
        let own = socket.try_clone().expect("a socket");
        std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while let Ok((length, from)) = own.recv_from(&mut buffer) {
                if length == 0 {
                    return;
                }
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if text.starts_with("SIP/2.0") || text.trim().is_empty() {
                    continue;
                }
                // What cannot be sent is asked for again.
                let _ = own.send_to(ok(&text).as_bytes(), from);
                if sender.send(text).is_err() {
                    return;
                }
            }
        });
        Listener { address, socket, heard }
    }

    /// The next request that begins with `method`.
    ///
    /// # Panics
    /// When none comes in time.
    pub fn next(&self, method: &str, limit: Duration) -> String {
        loop {
            let text =
                self.heard.recv_timeout(limit).unwrap_or_else(|_| panic!("no {method} within {limit:?}"));
            if text.starts_with(method) {
                return text;
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // An empty datagram wakes its thread, which then ends.
        let _ = self.socket.send_to(&[], self.address);
    }
}

fn ok(request: &str) -> String {
    let kept = ["via:", "from:", "to:", "call-id:", "cseq:"];
    let lines = request.lines().take_while(|line| !line.is_empty());
    let kept: String = lines
        .filter(|line| kept.iter().any(|name| line.to_ascii_lowercase().starts_with(name)))
        .map(|line| format!("{line}\r\n"))
        .collect();
    format!("SIP/2.0 200 OK\r\n{kept}Content-Length: 0\r\n\r\n")
}
