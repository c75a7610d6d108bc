//! Two peers on a wire without loss: they call, speak, press, hold and part.

use std::net::SocketAddr;
use std::time::Duration;

use clock::{Instant, Machine};
use model::say::Key;
use peers::{Behaviour, Command, Happening, Input, Output, Peer, PeerConfig, Sound};
use sdp::Codec;

const LATENCY: Duration = Duration::from_millis(5);

fn peer(user: &str, port: u16, behaviour: Behaviour) -> Peer {
    Peer::new(PeerConfig {
        user: user.to_owned(),
        domain: "127.0.0.1".to_owned(),
        display: None,
        sip: SocketAddr::from(([127, 0, 0, 1], port)),
        rtp: SocketAddr::from(([127, 0, 0, 1], port + 1_000)),
        codecs: vec![Codec::Pcma],
        login: None,
        behaviour,
        seed: u64::from(port),
    })
}

/// Two peers and what is on its way between them.
struct Wire {
    now: Instant,
    peers: [Peer; 2],
    on_the_way: Vec<(Instant, usize, Input)>,
    happened: Vec<(usize, Happening)>,
}

impl Wire {
    fn new(behaviour: Behaviour) -> Wire {
        let peers = [peer("carrier", 7_000, Behaviour::Ring), peer("phone", 8_000, behaviour)];
        Wire { now: Instant::from_secs(1), peers, on_the_way: Vec::new(), happened: Vec::new() }
    }

    fn tell(&mut self, who: usize, command: Command) {
        self.peers[who].handle(self.now, Input::Do(command));
        self.drain(who);
    }

    fn drain(&mut self, who: usize) {
        while let Some(output) = self.peers[who].poll_output() {
            let other = 1 - who;
            let at = self.now + LATENCY;
            match output {
                Output::Sip { bytes, .. } => {
                    let from = self.peers[who].config().sip;
                    self.on_the_way.push((at, other, Input::Sip { from, bytes }));
                }
                Output::Rtp { bytes, .. } => self.on_the_way.push((at, other, Input::Rtp(bytes))),
                Output::Happened(happening) => self.happened.push((who, happening)),
            }
        }
    }

    fn run(&mut self, length: Duration) {
        let until = self.now + length;
        loop {
            let arrival = self.on_the_way.iter().map(|(at, ..)| *at).min();
            let timeouts = self.peers.iter().filter_map(Peer::poll_timeout).min();
            let Some(next) = arrival.into_iter().chain(timeouts).min().filter(|at| *at <= until) else {
                break;
            };
            self.now = self.now.max(next);
            while let Some(at) = self.on_the_way.iter().position(|(at, ..)| *at <= self.now) {
                let (_, who, input) = self.on_the_way.remove(at);
                self.peers[who].handle(self.now, input);
                self.drain(who);
            }
            for who in 0..2 {
                self.peers[who].handle_timeout(self.now);
                self.drain(who);
            }
        }
        self.now = until;
    }

    fn call(&mut self) {
        let to = self.peers[1].config().sip;
        self.tell(0, Command::Call { to, user: "phone".to_owned() });
    }

    fn has(&self, who: usize, happening: &Happening) -> bool {
        self.happened.contains(&(who, happening.clone()))
    }
}

#[test]
fn two_peers_talk_and_each_hears_the_other() {
    let mut wire = Wire::new(Behaviour::AnswerAfter(Duration::from_secs(1)));
    wire.tell(0, Command::Say(Sound::Tone(440.0)));
    wire.tell(1, Command::Say(Sound::Tone(660.0)));
    wire.call();
    wire.run(Duration::from_secs(5));
    assert!(wire.has(0, &Happening::Progress(180)) && wire.has(0, &Happening::Answered));
    assert!(wire.has(1, &Happening::Confirmed));
    let (from, to) = (Instant::ZERO, wire.now);
    assert!(wire.peers[0].ear().tone(660.0, from, to) >= Duration::from_millis(3_500));
    assert!(wire.peers[1].ear().tone(440.0, from, to) >= Duration::from_millis(3_500));
    assert_eq!(wire.peers[0].ear().tone(440.0, from, to), Duration::ZERO, "nobody hears himself");
    wire.tell(0, Command::HangUp);
    wire.run(Duration::from_secs(40));
    assert!(wire.has(0, &Happening::Ended) && wire.has(1, &Happening::Ended));
    assert!(wire.peers.iter().all(|peer| !peer.is_in_call()));
}

#[test]
fn a_key_is_heard_once() {
    let mut wire = Wire::new(Behaviour::AnswerAfter(Duration::ZERO));
    wire.call();
    wire.run(Duration::from_secs(1));
    wire.tell(0, Command::Press(Key::from_char('5').unwrap()));
    wire.run(Duration::from_secs(1));
    let keys = wire.happened.iter().filter(|(who, h)| *who == 1 && matches!(h, Happening::Key(_))).count();
    assert_eq!(keys, 1);
}

#[test]
fn hold_silences_and_resume_opens() {
    let mut wire = Wire::new(Behaviour::AnswerAfter(Duration::ZERO));
    wire.tell(1, Command::Say(Sound::Tone(660.0)));
    wire.call();
    wire.run(Duration::from_secs(1));
    wire.tell(0, Command::Hold);
    wire.run(Duration::from_secs(1));
    let held = wire.now;
    wire.run(Duration::from_secs(2));
    assert_eq!(wire.peers[0].ear().tone(660.0, held, wire.now), Duration::ZERO);
    wire.tell(0, Command::Resume);
    wire.run(Duration::from_secs(2));
    assert!(wire.peers[0].ear().tone(660.0, held, wire.now) >= Duration::from_millis(1_500));
}

#[test]
fn a_refusal_and_a_cancel_end_the_call() {
    let mut wire = Wire::new(Behaviour::Refuse(486));
    wire.call();
    wire.run(Duration::from_secs(1));
    assert!(wire.has(0, &Happening::Refused(486)));
    let mut wire = Wire::new(Behaviour::Ring);
    wire.call();
    wire.run(Duration::from_secs(1));
    wire.tell(0, Command::HangUp);
    wire.run(Duration::from_secs(1));
    assert!(wire.has(1, &Happening::Cancelled), "{:?}", wire.happened);
}

#[test]
fn a_peer_that_ignores_is_given_up_after_the_timer() {
    let mut wire = Wire::new(Behaviour::Ignore);
    wire.call();
    wire.run(Duration::from_secs(40));
    assert!(wire.has(0, &Happening::Refused(408)), "{:?}", wire.happened);
}
