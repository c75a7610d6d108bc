//! Rubbish on every port during a call: the call is unharmed and the switch goes on.

use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use hotline_tests::{
    AGENT_HZ, CALLER_HZ, Call, Capture, Place, Sipp, Switch, Wav, may_use_raw_sockets, paced, turn, until,
};

#[test]
fn a_call_is_unharmed_by_rubbish_on_every_port() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let soon = Duration::from_secs(30);
    let place = Place::mine();
    let phone = Place::free(place.phones);
    let switch = Switch::start(&[
        ("flows/bound.toml", "127.0.0.1:5090", &phone.to_string()),
        ("trunks/loopback.toml", "127.0.0.0/8", &format!("{}/32", place.carrier)),
    ]);
    let answering =
        Sipp::new("phone_listens", phone, &[]).speaking(&Capture::default().tone(AGENT_HZ, 20_000)).answer(1);
    let calling = Sipp::at("carrier_speaks", place.carrier, &[])
        .traced()
        .speaking(&Capture::default().tone(CALLER_HZ, 20_000))
        .with(&["-d", "9000"])
        .call(switch.sip, "4000000002", 1, 1);
    switch.wait_live("recordings", 1, soon);
    let media = switch.media_ports();
    assert!(!media.is_empty(), "a call in talk has media ports");

    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let known = UdpSocket::bind((place.carrier, 0)).expect("a socket");
    let unknown = UdpSocket::bind((place.stranger, 0)).expect("a socket");
    let half_open = half_open_streams(switch.sip, &mut random);
    for message in torture() {
        for socket in [&known, &unknown] {
            // A message longer than a datagram cannot be sent at all.
            let _ = socket.send_to(&message, switch.sip);
        }
    }
    paced(2_000, Duration::from_secs(5), |number| {
        let target = match number % 3 {
            0 => switch.sip,
            _ => media[number as usize % media.len()],
        };
        let mut packet = random.bytes(1_400);
        if number % 2 == 0 && packet.len() > 12 {
            // Like RTP from afar.
            (packet[0], packet[1]) = (0x80, 8);
        }
        unknown.send_to(&packet, target).expect("sent");
    });
    calling.succeed(soon);
    answering.succeed(soon);
    drop(half_open);

    // Rubbish from a known trunk leaves records too.
    let call = until("its record and recording", soon, || {
        let ours = |call: &Call| call["number"] == "4000000002" && call["recording_state"] == "finished";
        switch.calls().into_iter().find(ours)
    });
    assert_eq!((&call["result"], &call["hung_up_by"]), (&"answered".into(), &"caller".into()), "{call:#}");
    let wav = Wav::read(call["recording"].as_str().expect("a recording").as_ref());
    let (caller, agent) = (Wav::tone_seconds(&wav.left, CALLER_HZ), Wav::tone_seconds(&wav.right, AGENT_HZ));
    assert!(caller > 8.6 && agent > 8.6, "caller {caller} s, agent {agent} s of {} s", wav.seconds());
    for quality in call["quality"].as_array().expect("legs") {
        assert_eq!(quality["lost"], 0, "{call:#}");
    }
    for what in ["calls", "calls_in_memory", "rooms", "media_ports", "transactions"] {
        switch.wait_live(what, 0, Duration::from_secs(70));
    }
    Sipp::at("carrier_hangs_up", place.carrier, &[])
        .with(&["-d", "300"])
        .call(switch.sip, "4000000001", 1, 1)
        .succeed(soon);
    switch.stop();
}

/// Connections that say nothing, half a message, or nonsense, and stay.
fn half_open_streams(switch: SocketAddr, random: &mut Random) -> Vec<TcpStream> {
    let connect = |number: usize| {
        let mut stream = TcpStream::connect(switch).expect("a connection");
        let said = match number % 3 {
            0 => Vec::new(),
            1 => b"INVITE sip:4000000001@switch SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\nContent-Le"
                .to_vec(),
            _ => random.bytes(4_000),
        };
        // The switch may have hung up on nonsense already.
        let _ = stream.write_all(&said);
        stream
    };
    (0..60).map(connect).collect()
}

/// RFC 4475's messages and those seen in the field.
fn torture() -> Vec<Vec<u8>> {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/sip/tests");
    let mut found = Vec::new();
    for folder in ["field", "rfc4475"] {
        for entry in std::fs::read_dir(corpora.join(folder)).expect("a corpus") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|kind| kind == "sip" || kind == "dat") {
                found.push(std::fs::read(path).expect("a message"));
            }
        }
    }
    assert!(found.len() > 80, "{} messages", found.len());
    found
}

/// xorshift64: the same rubbish each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let length = 1 + self.next() % most;
        (0..length).map(|_| self.next() as u8).collect()
    }
}
