//! Owns asking one peer one question without a switch: a request goes out by any transport, its first final response
//! comes back. Does not own what is asked or what the answer means.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use call::Unreached;
use sip::endpoint::Transport;
use sip::framing::{Frame, Splitter};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::time::{Instant, timeout};

use crate::streams::greeting::why;
use crate::tls::Tls;

/// Whom to ask, and from where.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'a> {
    /// Our address and port; port 0 lets the system choose. Over streams the port is always the system's.
    pub from: SocketAddr,
    /// How.
    pub transport: Transport,
    /// Where.
    pub to: SocketAddr,
    /// By whose certificates and from which listener, over TLS; and the name to expect there.
    pub tls: Option<(&'a Tls, u16, &'a str)>,
    /// How long the whole may take.
    pub limit: Duration,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Nothing came in time.
    #[error("没有应答 / no answer")]
    Silent,
    /// The connection did not come about, or ended.
    #[error("{0:?}")]
    Unreached(Unreached),
    /// Our own address cannot be used.
    #[error("{address}: {source}")]
    Local {
        /// Which.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
}

/// A final response, and the address that the system sent from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The response.
    pub response: Bytes,
    /// Our address.
    pub local: SocketAddr,
}

impl Probe<'_> {
    /// Sends what `write` makes for our address, and waits for the first final response.
    ///
    /// # Errors
    /// When none comes.
    pub async fn ask(&self, write: impl FnOnce(SocketAddr) -> Bytes) -> Result<Answered, Unanswered> {
        let asked = async {
            match self.transport {
                Transport::Udp => self.by_datagram(write).await,
                _ => self.by_stream(write).await,
            }
        };
        timeout(self.limit, asked).await.unwrap_or(Err(Unanswered::Silent))
    }

    async fn by_datagram(&self, write: impl FnOnce(SocketAddr) -> Bytes) -> Result<Answered, Unanswered> {
        let ours = |source| Unanswered::Local { address: self.from, source };
        let socket = UdpSocket::bind(self.from).await.map_err(ours)?;
        socket.connect(self.to).await.map_err(|error| Unanswered::Unreached(why(&error)))?;
        let local = socket.local_addr().map_err(ours)?;
        let request = write(local);
        let mut datagram = vec![0; LONGEST];
        let mut interval = T1;
        loop {
            // A refusal that an ICMP message tells shows at the next call.
            socket.send(&request).await.map_err(|error| Unanswered::Unreached(why(&error)))?;
            let again = Instant::now() + interval;
            // RFC 3261 §17.1.2.2: sent again at T1, doubled up to T2.
            interval = (interval * 2).min(T2);
            while let Ok(received) = tokio::time::timeout_at(again, socket.recv(&mut datagram)).await {
                let length = received.map_err(|error| Unanswered::Unreached(why(&error)))?;
                let response = &datagram[..length];
                if is_final(response) {
                    return Ok(Answered { response: Bytes::copy_from_slice(response), local });
                }
            }
        }
    }

    async fn by_stream(&self, write: impl FnOnce(SocketAddr) -> Bytes) -> Result<Answered, Unanswered> {
        let ours = |source| Unanswered::Local { address: self.from, source };
        let unreached = |error: io::Error| Unanswered::Unreached(why(&error));
        let socket =
            if self.to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(ours)?;
        if !self.from.ip().is_unspecified() {
            socket.bind(SocketAddr::new(self.from.ip(), 0)).map_err(ours)?;
        }
        let stream = socket.connect(self.to).await.map_err(unreached)?;
        let local = stream.local_addr().map_err(ours)?;
        let request = write(local);
        let response = match self.tls {
            Some((tls, interface, host)) => {
                let no_way = || io::Error::other(format!("no TLS to {host}"));
                let way = tls.way(interface, host).ok_or_else(no_way).map_err(unreached)?;
                let stream = way.connector.connect(way.name, stream).await.map_err(unreached)?;
                over(stream, &request).await
            }
            None => over(stream, &request).await,
        };
        Ok(Answered { response: response.map_err(unreached)?, local })
    }
}

async fn over(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &Bytes) -> io::Result<Bytes> {
    stream.write_all(request).await?;
    stream.flush().await?;
    let mut splitter = Splitter::new(sip::Limits::default());
    let mut piece = BytesMut::with_capacity(LONGEST);
    loop {
        piece.clear();
        if stream.read_buf(&mut piece).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        splitter.push(&piece);
        while let Some(frame) = splitter.next_frame().map_err(|error| io::Error::other(error.to_string()))? {
            match frame {
                Frame::Message(message) if is_final(&message) => return Ok(message),
                Frame::Message(_) | Frame::LineEnd | Frame::Ping => {}
            }
        }
    }
}

fn is_final(message: &[u8]) -> bool {
    message.strip_prefix(b"SIP/2.0 ").is_some_and(|rest| matches!(rest.first(), Some(b'2'..=b'6')))
}

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
const LONGEST: usize = 65_535;

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &[u8] = b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n";

    fn here() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    fn probe(transport: Transport, to: SocketAddr, limit: Duration) -> Probe<'static> {
        Probe { from: here(), transport, to, tls: None, limit }
    }

    fn question(local: SocketAddr) -> Bytes {
        Bytes::from(format!("OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP {local}\r\n\r\n"))
    }

    #[tokio::test]
    async fn a_lost_datagram_is_sent_again_and_only_a_final_response_counts() {
        let peer = UdpSocket::bind(here()).await.unwrap();
        let to = peer.local_addr().unwrap();
        let answers = async {
            let mut buffer = [0; 2_000];
            // The first one is lost.
            peer.recv_from(&mut buffer).await.unwrap();
            let (length, from) = peer.recv_from(&mut buffer).await.unwrap();
            for answer in [&b"rubbish"[..], b"SIP/2.0 100 Trying\r\n\r\n", OK] {
                peer.send_to(answer, from).await.unwrap();
            }
            (String::from_utf8_lossy(&buffer[..length]).into_owned(), from)
        };
        let probe = probe(Transport::Udp, to, Duration::from_secs(20));
        let (answered, (asked, from)) = tokio::join!(probe.ask(question), answers);
        let answered = answered.unwrap();
        assert_eq!(&answered.response[..], OK);
        assert_eq!(answered.local, from);
        assert!(asked.contains(&from.to_string()), "{asked}");
    }

    #[tokio::test]
    async fn silence_a_closed_port_and_a_foreign_address_are_told_apart() {
        let silent = UdpSocket::bind(here()).await.unwrap();
        let asked = probe(Transport::Udp, silent.local_addr().unwrap(), Duration::from_millis(20));
        assert!(matches!(asked.ask(question).await, Err(Unanswered::Silent)));
        let closed = silent.local_addr().unwrap();
        drop(silent);
        for transport in [Transport::Udp, Transport::Tcp] {
            let asked = probe(transport, closed, Duration::from_secs(20)).ask(question).await;
            assert!(matches!(asked, Err(Unanswered::Unreached(Unreached::NoConnection(_)))), "{asked:?}");
        }
        let elsewhere = Probe { from: "192.0.2.1:0".parse().unwrap(), ..probe(Transport::Udp, closed, T1) };
        assert!(matches!(elsewhere.ask(question).await, Err(Unanswered::Local { .. })));
    }

    #[tokio::test]
    async fn a_streams_response_may_come_in_pieces() {
        let listener = tokio::net::TcpListener::bind(here()).await.unwrap();
        let to = listener.local_addr().unwrap();
        let answers = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 2_000];
            let _length = stream.read(&mut buffer).await.unwrap();
            for piece in OK.chunks(7) {
                stream.write_all(piece).await.unwrap();
                stream.flush().await.unwrap();
            }
            stream
        };
        let probe = probe(Transport::Tcp, to, Duration::from_secs(20));
        let (answered, _stream) = tokio::join!(probe.ask(question), answers);
        assert_eq!(&answered.unwrap().response[..], OK);
    }
}
