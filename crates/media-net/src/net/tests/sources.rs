//! Whose packets the kernel lets through to a port: the one source's that is believed, and everybody's while another may
//! take over.

use std::net::SocketAddr;

use super::*;

impl Stand {
    /// From whom the kernel takes what comes to the port of `party`; `None`: from everybody.
    fn takes_from(&self, party: &Party) -> Option<SocketAddr> {
        let line = self.socket_of(party);
        let from = line.split_ascii_whitespace().nth(2).unwrap();
        let (address, port) = from.split_once(':').unwrap();
        let address = u32::from_str_radix(address, 16).unwrap().to_le_bytes();
        let port = u16::from_str_radix(port, 16).unwrap();
        (port != 0).then(|| SocketAddr::from((address, port)))
    }

    fn wait_until_taken_from(&self, party: &Party, from: Option<SocketAddr>) {
        let end = self.clock.now() + PATIENCE;
        while self.takes_from(party) != from {
            assert!(self.clock.now() < end, "{:?} instead of {from:?}", self.takes_from(party));
            std::thread::yield_now();
        }
    }
}

#[test]
fn strangers_are_kept_away_by_the_kernel_until_another_may_be_the_peer() {
    let mut stand = stand(19, 1);
    let call = stand.ids.mint();
    let (mut caller, mut agent) = (stand.party(call, Codec::Pcma), stand.party(call, Codec::Pcma));
    stand.join(call, &caller, &agent);
    assert_eq!(stand.takes_from(&caller), None);
    caller.say(440.0);
    agent.listen();
    stand.wait_until_taken_from(&caller, Some(caller.socket.local_addr().unwrap()));

    // A stranger on another port of the caller's address is not heard, and the room does not even see it.
    let port = caller.socket.peer_addr().unwrap();
    let elsewhere = UdpSocket::bind((port.ip(), 0)).unwrap();
    elsewhere.connect(port).unwrap();
    elsewhere.set_read_timeout(Some(PATIENCE)).unwrap();
    let home = std::mem::replace(&mut caller.socket, elsewhere);
    for _ in 0..5 {
        // That nobody is there for it is told to the stranger.
        let _ = caller.socket.send(&[0x80; 172]);
    }
    let elsewhere = std::mem::replace(&mut caller.socket, home);
    assert_eq!(elsewhere.take_error().unwrap().unwrap().kind(), io::ErrorKind::ConnectionRefused);
    for _ in 0..5 {
        caller.say(440.0);
        agent.listen();
    }

    // The caller's carrier moves it there: that is known, and its new place is believed as the old one was.
    caller.socket = elsewhere;
    let negotiated = Negotiated::plain(caller.socket.local_addr().unwrap(), Codec::Pcma);
    stand.net.handle(Command::Describe { port: caller.leg, negotiated });
    stand.wait_until_taken_from(&caller, None);
    for _ in 0..5 {
        caller.say(440.0);
        agent.listen();
    }
    stand.wait_until_taken_from(&caller, Some(caller.socket.local_addr().unwrap()));
    agent.say(660.0);
    caller.listen();

    stand.net.handle(Command::ClosePort { port: caller.leg });
    let closed = stand.wait_for(|event| matches!(event, Event::Quality { port, .. } if *port == caller.leg));
    assert!(
        matches!(closed, Event::Quality { quality, .. } if quality.dropped == 0 && quality.received == 11)
    );
    stand.wait_until_taken_from(&caller, None);
    stand.net.shutdown();
}

/// Who is gone is told of by ICMP, and a socket that is told so once sends and takes on.
#[test]
fn a_peer_that_is_not_there_for_a_moment_is_heard_and_spoken_to_again() {
    let mut stand = stand(20, 1);
    let call = stand.ids.mint();
    let (mut caller, mut agent) = (stand.party(call, Codec::Pcma), stand.party(call, Codec::Pcma));
    stand.join(call, &caller, &agent);
    caller.say(440.0);
    agent.listen();
    agent.say(660.0);
    caller.listen();
    let (own, port) = (caller.socket.local_addr().unwrap(), caller.socket.peer_addr().unwrap());
    stand.wait_until_taken_from(&caller, Some(own));
    // Closed for the moment: its number may only be taken by itself.
    caller.socket = UdpSocket::bind((own.ip(), 0)).unwrap();
    stand.paced(5, || agent.say(660.0));
    caller.socket = UdpSocket::bind(own).unwrap();
    caller.socket.connect(port).unwrap();
    caller.socket.set_read_timeout(Some(PATIENCE)).unwrap();
    for _ in 0..5 {
        agent.say(660.0);
        caller.listen();
        caller.say(440.0);
        agent.listen();
    }
    stand.net.shutdown();
}
