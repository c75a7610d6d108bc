//! Owns the binding of one listener's sockets. Does not own what is read from them (see `shard_loop`, `streams`).

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use sip::endpoint::{Advertised, OtherPorts, Transport};
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
    /// The ports of what is served beside them; 0 lets the system choose one.
    pub others: OtherPorts,
    /// What peers are told: a host name, or the address in its text form.
    pub advertise: String,
}

impl Listen {
    /// A listener that serves UDP and TCP, and tells peers its own address.
    pub fn plain(name: impl Into<String>, bind: SocketAddr) -> Listen {
        let advertise = bind.ip().to_string();
        Listen { name: name.into(), bind, udp: true, tcp: true, others: OtherPorts::default(), advertise }
    }
}

/// A listener that cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("监听 {name}: {transport} {address} 打不开 / cannot listen: {source}")]
pub struct BindError {
    /// Which listener.
    pub name: String,
    /// `UDP`, `TCP`, `TLS`, `WS` or `WSS`.
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
    pub streams: Vec<(Transport, TcpListener)>,
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
    let mut streams = Vec::new();
    if listen.tcp {
        let socket = tcp_listener(local).map_err(fail("TCP", local))?;
        local = socket.local_addr().map_err(fail("TCP", local))?;
        streams.push((Transport::Tcp, socket));
    }
    let mut others = listen.others;
    for (transport, port) in [
        (Transport::Tls, &mut others.tls),
        (Transport::Ws, &mut others.ws),
        (Transport::Wss, &mut others.wss),
    ] {
        let Some(port) = port else { continue };
        let wanted = SocketAddr::new(local.ip(), *port);
        let socket = tcp_listener(wanted).map_err(fail(transport.via(), wanted))?;
        *port = socket.local_addr().map_err(fail(transport.via(), wanted))?.port();
        streams.push((transport, socket));
    }
    let advertised = Advertised { host: listen.advertise.clone(), port: local.port(), others };
    Ok(Sockets { local, udp, streams, advertised })
}

fn udp_socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    timestamp(&socket)?;
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

/// The system notes when each datagram came, so that a reader knows how long it waited.
fn timestamp(socket: &Socket) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let on: libc::c_int = 1;
    // SAFETY: an open socket and a readable integer of the size that is named.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
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
        Listen::plain("lan", bind.parse().unwrap())
    }

    #[test]
    fn port_0_becomes_one_port_for_udp_and_tcp_and_is_advertised() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let bound = bind_one(&listen(address)).unwrap();
            let udp = bound.udp.unwrap().local_addr().unwrap();
            let (transport, tcp) = &bound.streams[0];
            let tcp = tcp.local_addr().unwrap();
            assert_eq!(*transport, Transport::Tcp);
            assert_eq!(udp, tcp);
            assert_ne!(udp.port(), 0);
            assert_eq!(bound.advertised.port, udp.port());
        }
    }

    #[test]
    fn each_further_transport_has_a_port_of_its_own_that_is_advertised() {
        let others = OtherPorts { tls: Some(0), ws: Some(0), wss: Some(0) };
        let listen = Listen { others, advertise: "sip.example.cn".into(), ..listen("127.0.0.1:0") };
        let bound = bind_one(&listen).unwrap();
        let advertised = &bound.advertised;
        for (transport, socket) in &bound.streams {
            assert_eq!(advertised.port_of(*transport), socket.local_addr().unwrap().port());
        }
        let ports: std::collections::HashSet<u16> =
            bound.streams.iter().map(|(_, socket)| socket.local_addr().unwrap().port()).collect();
        assert_eq!((ports.len(), ports.contains(&0)), (4, false));
        let contact = format!("sip.example.cn:{}", advertised.others.tls.unwrap());
        assert_eq!(advertised.host_port(Transport::Tls), contact);
    }

    #[test]
    fn ipv4_and_ipv6_share_a_port_as_two_listeners() {
        let four = bind_one(&listen("127.0.0.1:0")).unwrap();
        let any = bind_one(&listen("0.0.0.0:0")).unwrap();
        let six = bind_one(&listen(&format!("[::]:{}", any.local.port()))).unwrap();
        assert_eq!(six.local.port(), any.local.port());
        assert!(four.local.is_ipv4() && six.local.is_ipv6());
        assert_eq!(bind_one(&listen("[::1]:0")).unwrap().advertised.host_port(Transport::Udp)[..5], *"[::1]");
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
