//! Owns which other way a stream's messages may take: responses whose connection is gone, and connections that serve for
//! requests back. RFC 3261 §18.2.2, RFC 5923. Does not own connections (see `sip-net`).

use std::net::SocketAddr;

use bytes::Bytes;

use super::{Flow, Transport};
use crate::headers::Via;
use crate::message::Message;
use crate::uri;

/// RFC 3261 §18.2.2: where a response goes that came too late for its connection: to the `received` address of the top
/// Via at the port of its sent-by, on a connection to be opened or used again. `None` for what is no response, and for
/// transports that only the peer opens.
pub fn response_fallback(flow: Flow, message: &Bytes) -> Option<Flow> {
    if !matches!(flow.transport, Transport::Tcp | Transport::Tls) || !message.starts_with(b"SIP/2.0 ") {
        return None;
    }
    let via = top_via(message)?;
    let address = via.received().or_else(|| uri::host_ip(via.host())).unwrap_or(flow.remote.ip());
    let port = via.port().unwrap_or(flow.transport.default_port());
    let other = Flow { remote: SocketAddr::new(address, port), connection: None, ..flow };
    // RFC 3261 §18.2.2 sends back to the source, never to an address that the request merely names.
    (address == flow.remote.ip() && port != 0).then_some(other)
}

/// RFC 5923 §8.1: the address that the sender of `message` asks to be called at on this connection; `None` when it asks
/// for none. Only over TLS may it be granted, to a peer that has proved to be who is expected there.
pub fn alias_of(flow: Flow, message: &Bytes) -> Option<SocketAddr> {
    if flow.transport != Transport::Tls || memchr::memmem::find(message, b";alias").is_none() {
        return None;
    }
    let via = top_via(message)?;
    via.param("alias")?;
    Some(SocketAddr::new(flow.remote.ip(), via.port().unwrap_or(flow.transport.default_port())))
}

fn top_via(message: &Bytes) -> Option<Via> {
    Message::parse_datagram(message.clone()).ok()?.headers().via().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(transport: Transport) -> Flow {
        Flow { interface: 0, transport, remote: "192.0.2.1:40000".parse().unwrap(), connection: Some(7) }
    }

    fn message(first: &str, via: &str) -> Bytes {
        format!(
            "{first}\r\nVia: {via}\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\
             Content-Length: 0\r\n\r\n"
        )
        .into()
    }

    #[test]
    fn a_late_response_goes_to_the_source_at_the_port_of_sent_by() {
        let to = |transport: Transport, first: &str, via: &str| {
            response_fallback(flow(transport), &message(first, via)).map(|flow| {
                assert_eq!((flow.connection, flow.transport), (None, transport));
                flow.remote.to_string()
            })
        };
        let (tcp, tls) = (Transport::Tcp, Transport::Tls);
        let via = "SIP/2.0/TCP 192.0.2.1:5070;branch=z9hG4bK1";
        assert_eq!(to(tcp, "SIP/2.0 200 OK", via).as_deref(), Some("192.0.2.1:5070"));
        let natted = "SIP/2.0/TCP 10.0.0.1:5070;branch=z9hG4bK1;received=192.0.2.1";
        assert_eq!(to(tcp, "SIP/2.0 200 OK", natted).as_deref(), Some("192.0.2.1:5070"));
        let named = "SIP/2.0/TLS sbc.example.cn;branch=z9hG4bK1;received=192.0.2.1";
        assert_eq!(to(tls, "SIP/2.0 200 OK", named).as_deref(), Some("192.0.2.1:5061"));
        let elsewhere = "SIP/2.0/TCP 192.0.2.9:5070;branch=z9hG4bK1";
        assert_eq!(to(tcp, "SIP/2.0 200 OK", elsewhere), None, "not to whom a request names");
        assert_eq!(to(tcp, "OPTIONS sip:a@b SIP/2.0", via), None, "a request has no such way");
        assert_eq!(to(Transport::Wss, "SIP/2.0 200 OK", via), None, "only browsers open a WebSocket");
        assert_eq!(to(Transport::Udp, "SIP/2.0 200 OK", via), None);
        assert_eq!(response_fallback(flow(tcp), &Bytes::from_static(b"SIP/2.0 200")), None);
    }

    #[test]
    fn an_alias_is_the_senders_address_at_the_port_of_sent_by_and_of_tls_alone() {
        let ask = |transport, via: &str| alias_of(flow(transport), &message("OPTIONS sip:a@b SIP/2.0", via));
        let with = "SIP/2.0/TLS sbc.example.cn:5071;alias;branch=z9hG4bK1";
        assert_eq!(ask(Transport::Tls, with), Some("192.0.2.1:5071".parse().unwrap()));
        let usual = "SIP/2.0/TLS sbc.example.cn;branch=z9hG4bK1;alias";
        assert_eq!(ask(Transport::Tls, usual), Some("192.0.2.1:5061".parse().unwrap()));
        assert_eq!(ask(Transport::Tls, "SIP/2.0/TLS sbc.example.cn;branch=z9hG4bK1"), None);
        assert_eq!(ask(Transport::Tcp, with), None);
        let further = "SIP/2.0/TLS proxy.example.cn;branch=z9hG4bK1, SIP/2.0/TLS a;alias";
        assert_eq!(ask(Transport::Tls, further), None, "of the top Via alone");
    }
}
