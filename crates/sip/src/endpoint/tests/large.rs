//! RFC 3261 §18.1.1: requests too long for a datagram.

use super::*;
use crate::headers::HeaderName;
use crate::message::Method;
use crate::uri::Uri;

/// An INVITE of `length` bytes of body, and a little more.
fn invite(length: usize) -> Request {
    let mut request = Request::new(Method::Invite, Uri::parse("sip:4008001234@192.0.2.4").unwrap());
    request.headers.push(HeaderName::From, "<sip:9001@198.51.100.1>;tag=a1");
    request.headers.push(HeaderName::To, "<sip:4008001234@192.0.2.4>");
    request.headers.push(HeaderName::CallId, "hl0000-1");
    request.headers.push(HeaderName::CSeq, "7 INVITE");
    request.set_body("application/sdp", vec![b'x'; length]);
    request
}

fn ways(outputs: &[Output]) -> Vec<(Transport, String)> {
    let sent = outputs.iter().filter_map(|output| match output {
        Output::Transmit { flow, bytes } => {
            let via = parse_request(bytes).headers.via().unwrap();
            Some((flow.transport, via.transport().to_owned()))
        }
        _ => None,
    });
    sent.collect()
}

#[test]
fn a_long_request_goes_by_tcp_to_whom_the_operator_allows_it_and_by_udp_to_all_others() {
    let mut world = World::new();
    world.ep.request(world.now, udp(), invite(1_300));
    assert_eq!(ways(&world.drain()), [(Transport::Udp, "UDP".into())]);
    world.ep.allow_large_over_tcp(0, PEER.parse().unwrap());
    world.ep.request(world.now, udp(), invite(1_300));
    assert_eq!(ways(&world.drain()), [(Transport::Tcp, "TCP".into())]);
    world.ep.request(world.now, udp(), invite(500));
    assert_eq!(ways(&world.drain()), [(Transport::Udp, "UDP".into())]);
    let other = Flow::udp(0, "192.0.2.5:5060".parse().unwrap());
    world.ep.request(world.now, other, invite(1_300));
    assert_eq!(ways(&world.drain()), [(Transport::Udp, "UDP".into())]);
}

#[test]
fn a_peer_that_refuses_tcp_gets_the_long_request_by_udp_after_all() {
    let mut world = World::new();
    world.ep.allow_large_over_tcp(0, PEER.parse().unwrap());
    let tx = world.ep.request(world.now, udp(), invite(1_300));
    let first = transmitted(&world.drain());
    world.ep.transport_failed(world.now, Flow { transport: Transport::Tcp, connection: Some(9), ..udp() });
    let again = world.drain();
    assert_eq!(ways(&again), [(Transport::Udp, "UDP".into())]);
    let branch = |bytes: &Bytes| parse_request(bytes).headers.via().unwrap().branch().unwrap().to_owned();
    assert_eq!(branch(&first[0]), branch(&transmitted(&again)[0]));
    // It is a datagram's transaction from now on: repeated, and ended by timer B.
    let seen = world.pass(SECS(40));
    assert_eq!(sent(&seen).len(), 6);
    assert_eq!(timed_out(&seen), [(32_000, tx)]);
    // The peer is known not to take TCP.
    world.ep.request(world.now, udp(), invite(1_300));
    assert_eq!(ways(&world.drain()), [(Transport::Udp, "UDP".into())]);
}
