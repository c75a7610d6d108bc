//! Owns the binding of one listener's sockets. Does not own what is read from them (see `shard_loop`, `streams`).

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use sip::endpoint::Advertised;
use socket2::{Domain, Protocol, Socket, Type};

/// A listener to bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Its name, for messages.
    pub name: String,
    /// Where, for UDP and TCP alike; port 0 lets the system choose one port that is free for both.
    pub bind: SocketAddr,
    /// UDP is served.
    pub udp: bool,
    /// TCP is served.
    pub tcp: bool,
    /// The address that peers are told.
    pub advertise: IpAddr,
}

/// A listener that cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("监听 {name}: {transport} {address} 打不开 / cannot listen: {source}")]
pub struct BindError {
    /// Which listener.
    pub name: String,
    /// `UDP` or `TCP`.
    pub transport: &'static str,
    /// Where.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

/// A listener's sockets.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub local: SocketAddr,
    pub udp: Option<UdpSocket>,
    pub tcp: Option<TcpListener>,
    pub advertised: Advertised,
}

/// Binds every listener, in order; all of them or none.
///
/// # Errors
/// The first that cannot be bound.
pub fn bind(listeners: &[Listen]) -> Result<crate::BoundInterfaces, BindError> {
    listeners.iter().map(bind_one).collect::<Result<Vec<_>, _>>().map(crate::BoundInterfaces)
}

fn bind_one(listen: &Listen) -> Result<Sockets, BindError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match bind_pair(listen) {
            // The port that the system chose for UDP may be taken for TCP: another one is chosen.
            Err(BindError { source, .. })
                if listen.bind.port() == 0
                    && attempt < ATTEMPTS
                    && source.kind() == io::ErrorKind::AddrInUse => {}
            result => return result,
        }
    }
}

fn bind_pair(listen: &Listen) -> Result<Sockets, BindError> {
    let fail = |transport, address| {
        move |source| BindError { name: listen.name.clone(), transport, address, source }
    };
    let mut local = listen.bind;
    let udp = match listen.udp {
        true => {
            let socket = udp_socket(local).map_err(fail("UDP", local))?;
            local = socket.local_addr().map_err(fail("UDP", local))?;
            Some(socket)
        }
        false => None,
    };
    let tcp = match listen.tcp {
        true => {
            let socket = tcp_listener(local).map_err(fail("TCP", local))?;
            local = socket.local_addr().map_err(fail("TCP", local))?;
            Some(socket)
        }
        false => None,
    };
    let advertised = Advertised::new(listen.advertise.to_string(), local.port());
    Ok(Sockets { local, udp, tcp, advertised })
}

fn udp_socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // No SO_REUSEADDR: for UDP, Linux would let a second process bind the same port and take our datagrams.
    widen(&socket);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn tcp_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of the process before this one may still be in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1_024)?;
    Ok(socket.into())
}

/// Room for the burst that comes while the shard handles another: as much as the system grants, root without its cap.
fn widen(socket: &Socket) {
    use std::os::fd::AsRawFd;
    let wanted: libc::c_int = 8 << 20;
    for (plain, forced) in [(libc::SO_RCVBUF, libc::SO_RCVBUFFORCE), (libc::SO_SNDBUF, libc::SO_SNDBUFFORCE)]
    {
        for option in [forced, plain] {
            // SAFETY: an open socket and a readable integer of the size that is named.
            let done = unsafe {
                libc::setsockopt(
                    socket.as_raw_fd(),
                    libc::SOL_SOCKET,
                    option,
                    (&raw const wanted).cast(),
                    size_of_val(&wanted) as libc::socklen_t,
                )
            };
            if done == 0 {
                break;
            }
        }
    }
}

const ATTEMPTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(bind: &str) -> Listen {
        let bind: SocketAddr = bind.parse().unwrap();
        Listen { name: "lan".into(), bind, udp: true, tcp: true, advertise: bind.ip() }
    }

    #[test]
    fn port_0_becomes_one_port_for_udp_and_tcp_and_is_advertised() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let bound = bind_one(&listen(address)).unwrap();
            let udp = bound.udp.unwrap().local_addr().unwrap();
            let tcp = bound.tcp.unwrap().local_addr().unwrap();
            assert_eq!(udp, tcp);
            assert_ne!(udp.port(), 0);
            assert_eq!(bound.advertised.port, udp.port());
        }
    }

    #[test]
    fn a_port_that_is_taken_is_refused_in_words() {
        let first = bind_one(&listen("127.0.0.1:0")).unwrap();
        let error = bind_one(&listen(&first.local.to_string())).unwrap_err();
        assert_eq!(error.transport, "UDP");
        let words = error.to_string();
        assert!(words.contains("lan") && words.contains(&first.local.to_string()), "{words}");
    }
}
