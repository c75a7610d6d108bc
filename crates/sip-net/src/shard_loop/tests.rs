//! A shard's loop over real loopback sockets, with a small machine in the shard's place.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Runtime;

use super::*;
use crate::{InboxLimits, Listen, StreamEnd, StreamLimits};

/// Sends back what it received; panics when it is told to; asks to be woken when it is told to.
#[derive(Default)]
pub(crate) struct Echo {
    out: std::collections::VecDeque<Output>,
    due: Option<Instant>,
    woken: Option<Flow>,
}

impl Machine for Echo {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Received { flow, bytes } if bytes.starts_with(b"WAKE") => {
                (self.due, self.woken) = (Some(now + Duration::from_millis(20)), Some(flow));
            }
            Input::Received { flow, bytes } => {
                self.out.push_back(Output::Counted("received"));
                assert!(!bytes.starts_with(b"PANIC"), "as told");
                self.out.push_back(Output::Transmit { flow, bytes });
            }
            Input::TransportFailed { .. } => self.out.push_back(Output::Counted("failed")),
            Input::PeerVerified { names, .. } => {
                // A few names in a test's life.
                let told = format!("verified {}", names.join(" ")).leak();
                self.out.push_back(Output::Counted(told));
            }
            Input::PeerGone { .. } => self.out.push_back(Output::Counted("peer gone")),
            _ => {}
        }
    }

    fn handle_timeout(&mut self, _: Instant) {
        self.due = None;
        let bytes = Bytes::from_static(b"AWAKE sip:a SIP/2.0\r\nCall-ID: 1\r\n\r\n");
        self.out.extend(self.woken.take().map(|flow| Output::Transmit { flow, bytes }));
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }
}

impl Abandon for Echo {
    fn abandon_current(&mut self, _: Instant) {
        self.out.push_back(Output::Counted("abandoned"));
    }
}

/// Hands on what was counted.
struct Counter(mpsc::Sender<&'static str>);

impl World for Counter {
    fn perform(&mut self, _: Instant, output: Output, _: &mut Vec<Input>) {
        if let Output::Counted(cause) = output {
            self.0.send(cause).unwrap();
        }
    }

    fn panicked(&mut self) {
        self.0.send("panicked").unwrap();
    }
}

/// Running shards with one listener, and what they counted.
pub(crate) struct Rig {
    pub address: SocketAddr,
    boxes: Boxes<Echo>,
    pub transports: Arc<Transports>,
    threads: Vec<ShardThread>,
    pub counted: mpsc::Receiver<&'static str>,
    pub ended: mpsc::Receiver<Flow>,
    _runtime: Runtime,
}

impl Rig {
    fn start(shards: u8, limits: StreamLimits) -> Rig {
        Rig::start_on(Listen::plain("lan", "127.0.0.1:0".parse().unwrap()), shards, limits)
    }

    pub fn start_on(listen: Listen, shards: u8, limits: StreamLimits) -> Rig {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let bound = crate::bind(&[listen]).unwrap();
        let address = bound.local()[0];
        let boxes = Boxes::new((0..shards).map(|_| Inbox::new(InboxLimits::default()).unwrap()).collect());
        let (tell_end, ended) = mpsc::channel();
        let tell_end = std::sync::Mutex::new(tell_end);
        let told = move |flow| tell_end.lock().unwrap().send(flow).unwrap_or_default();
        let transports = Transports::serve(bound, limits, boxes.clone(), told, runtime.handle()).unwrap();
        let (count, counted) = mpsc::channel();
        let spawn = |shard| {
            let seat = ShardLoop {
                machine: Echo::default(),
                world: Counter(count.clone()),
                shard,
                boxes: boxes.clone(),
                transports: Arc::clone(&transports),
                capture: Arc::new(crate::Capture::new(2, crate::CaptureLimits::OFF)),
                clock: SystemClock::start(),
                cpu: None,
            };
            seat.spawn().unwrap()
        };
        let threads = (0..shards).map(spawn).collect();
        Rig { address, boxes, transports, threads, counted, ended, _runtime: runtime }
    }

    pub fn stop(self) {
        self.boxes.iter().for_each(Inbox::stop);
        self.threads.into_iter().for_each(ShardThread::join);
    }

    pub fn counts(&self, wanted: &str) {
        assert_eq!(self.counted.recv_timeout(PATIENCE).unwrap(), wanted);
    }
}

pub(crate) fn message(word: &str, call_id: u32) -> Vec<u8> {
    format!("{word} sip:a@b SIP/2.0\r\nCall-ID: {call_id}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

fn udp_peer() -> UdpSocket {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    peer
}

fn tcp_peer(address: SocketAddr) -> TcpStream {
    let peer = TcpStream::connect(address).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    peer
}

fn answer(peer: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 2_000];
    let (length, _) = peer.recv_from(&mut buffer).unwrap();
    buffer[..length].to_vec()
}

#[test]
fn a_datagram_is_answered_from_the_port_it_came_to_on_one_shard_and_on_three() {
    for shards in [1, 3] {
        let rig = Rig::start(shards, StreamLimits::default());
        let peer = udp_peer();
        peer.connect(rig.address).unwrap();
        for call_id in 0..40 {
            peer.send(&message("INVITE", call_id)).unwrap();
            assert_eq!(answer(&peer), message("INVITE", call_id));
        }
        assert_eq!(rig.transports.counts().udp_received, 40);
        rig.stop();
    }
}

#[test]
fn keepalives_reach_no_shard() {
    let rig = Rig::start(1, StreamLimits::default());
    let peer = udp_peer();
    for keepalive in [&b"\r\n\r\n"[..], b"", b"\0\0\0\0"] {
        peer.send_to(keepalive, rig.address).unwrap();
    }
    peer.send_to(&message("OPTIONS", 1), rig.address).unwrap();
    assert_eq!(answer(&peer), message("OPTIONS", 1));
    rig.counts("received");
    assert!(rig.counted.try_recv().is_err());
    rig.stop();
}

#[test]
fn a_sleeping_shard_wakes_for_its_timer() {
    let rig = Rig::start(1, StreamLimits::default());
    let peer = udp_peer();
    peer.send_to(&message("WAKE", 1), rig.address).unwrap();
    assert!(answer(&peer).starts_with(b"AWAKE"));
    rig.stop();
}

#[test]
fn a_panic_ends_one_turn_and_the_shard_lives() {
    let rig = Rig::start(1, StreamLimits::default());
    let peer = udp_peer();
    peer.send_to(&message("PANIC", 1), rig.address).unwrap();
    // What the machine had said before it panicked is performed with its abandoning, in order.
    ["received", "abandoned", "panicked"].iter().for_each(|wanted| rig.counts(wanted));
    peer.send_to(&message("INVITE", 2), rig.address).unwrap();
    assert_eq!(answer(&peer), message("INVITE", 2));
    rig.stop();
}

#[test]
fn views_are_taken_on_the_shards_own_thread() {
    let rig = Rig::start(1, StreamLimits::default());
    let (answer, answered) = mpsc::channel();
    rig.boxes.of(0).unwrap().ask(move |echo| answer.send(echo.due).unwrap());
    assert_eq!(answered.recv_timeout(PATIENCE).unwrap(), None);
    rig.stop();
}

#[test]
fn a_stream_is_cut_into_messages_and_answered_on_itself() {
    let rig = Rig::start(1, StreamLimits::default());
    let mut peer = tcp_peer(rig.address);
    let two = [message("INVITE", 1), message("OPTIONS", 2)].concat();
    for byte in &two {
        peer.write_all(std::slice::from_ref(byte)).unwrap();
    }
    let mut came = vec![0; two.len()];
    peer.read_exact(&mut came).unwrap();
    assert_eq!(came, two);
    rig.stop();
}

#[test]
fn a_double_line_end_on_a_stream_is_answered_with_one() {
    let rig = Rig::start(1, StreamLimits::default());
    let mut peer = tcp_peer(rig.address);
    peer.write_all(b"\r\n\r\n").unwrap();
    let mut came = [0; 2];
    peer.read_exact(&mut came).unwrap();
    assert_eq!(&came, b"\r\n");
    rig.stop();
}

#[test]
fn what_is_no_sip_closes_its_stream_and_is_counted() {
    let rig = Rig::start(1, StreamLimits::default());
    let mut peer = tcp_peer(rig.address);
    peer.write_all(b"\x16\x03\x01\x02\x00").unwrap();
    assert_eq!(peer.read(&mut [0; 10]).unwrap(), 0);
    rig.ended.recv_timeout(PATIENCE).unwrap();
    let counts = rig.transports.counts();
    assert_eq!((counts.streams_ended.of(StreamEnd::Garbled), counts.streams_open), (1, 0));
    rig.stop();
}

#[test]
fn a_stream_that_says_nothing_or_trickles_is_closed_in_time() {
    let short = Duration::from_millis(80);
    let limits = StreamLimits { first_message: short, message: short, ..StreamLimits::default() };
    let rig = Rig::start(1, limits);
    let mut silent = tcp_peer(rig.address);
    assert_eq!(silent.read(&mut [0; 10]).unwrap(), 0);
    let mut trickling = tcp_peer(rig.address);
    let mut sent = 0;
    // Bytes of one endless message do not win more time.
    while trickling.write_all(b"X").is_ok() && sent < 10_000 {
        sent += 1;
        trickling.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        if matches!(trickling.read(&mut [0; 10]), Ok(0)) {
            break;
        }
    }
    assert!(sent < 10_000);
    // Line ends are answered and are no message.
    let mut idling = tcp_peer(rig.address);
    idling.write_all(b"\r\n\r\n").unwrap();
    idling.read_exact(&mut [0; 2]).unwrap();
    assert_eq!(idling.read(&mut [0; 10]).unwrap(), 0);
    for _ in 0..3 {
        rig.ended.recv_timeout(PATIENCE).unwrap();
    }
    let ended = rig.transports.counts().streams_ended;
    assert_eq!((ended.of(StreamEnd::FirstMessageSlow), ended.of(StreamEnd::MessageSlow)), (2, 1));
    rig.stop();
}

#[test]
fn a_stream_that_gets_nothing_but_refusals_is_closed_in_time_whatever_it_sends() {
    let rig = Rig::start(1, StreamLimits { refused: Duration::from_millis(150), ..StreamLimits::default() });
    let mut served = tcp_peer(rig.address);
    assert!(is_answered(&mut served, &message("OPTIONS", 1)));
    let mut refused = tcp_peer(rig.address);
    while is_answered(&mut refused, &message("SIP/2.0 401", 2)) {}
    rig.ended.recv_timeout(PATIENCE).unwrap();
    assert!(is_answered(&mut served, &message("OPTIONS", 3)), "it is older than the one that is closed");
    assert_eq!(rig.transports.counts().streams_ended.of(StreamEnd::Refused), 1);
    rig.stop();
}

/// The machine sends back what comes: a request is service, a refusal is none.
fn is_answered(peer: &mut TcpStream, message: &[u8]) -> bool {
    let mut came = vec![0; message.len()];
    peer.write_all(message).is_ok() && peer.read_exact(&mut came).is_ok() && came == message
}

/// Waits for the end of what says nothing.
pub(crate) fn is_closed(peer: &mut TcpStream) -> bool {
    let waited = |error: &io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    match peer.read(&mut [0; 10]) {
        Ok(length) => length == 0,
        Err(error) => !waited(&error),
    }
}

#[test]
fn where_there_are_too_many_streams_the_oldest_stranger_makes_way() {
    for limits in [
        StreamLimits { open: 3, ..StreamLimits::default() },
        StreamLimits { open_per_source: 3, ..StreamLimits::default() },
    ] {
        let rig = Rig::start(1, limits);
        let peer = |says: &[u8]| {
            let mut peer = tcp_peer(rig.address);
            assert!(is_answered(&mut peer, says));
            peer
        };
        let (request, refusal) = (message("OPTIONS", 1), message("SIP/2.0 401", 2));
        let mut phone = peer(&request);
        let (mut oldest, mut other) = (peer(&refusal), peer(&refusal));
        let mut second_phone = peer(&request);
        assert!(is_closed(&mut oldest));
        assert!(is_answered(&mut other, &refusal));
        let mut third_phone = peer(&request);
        assert!(is_closed(&mut other));
        // Those that are somebody do not.
        assert!(is_closed(&mut tcp_peer(rig.address)));
        for phone in [&mut phone, &mut second_phone, &mut third_phone] {
            assert!(is_answered(phone, &request));
        }
        let ended = rig.transports.counts().streams_ended;
        assert_eq!((ended.of(StreamEnd::MadeWay), ended.sum()), (2, 3));
        assert_eq!(rig.transports.counts().streams_open, 3);
        assert_eq!(rig.ended.try_iter().count(), 2, "each is told of once");
        rig.stop();
    }
}

#[test]
fn one_address_gets_no_more_streams_than_allowed() {
    let rig = Rig::start(1, StreamLimits { open_per_source: 2, ..StreamLimits::default() });
    let mut kept: Vec<TcpStream> = (0..2).map(|_| tcp_peer(rig.address)).collect();
    for peer in &mut kept {
        assert!(is_answered(peer, &message("OPTIONS", 1)));
    }
    assert!(is_closed(&mut tcp_peer(rig.address)));
    assert_eq!(rig.transports.counts().streams_ended.of(StreamEnd::TooManyOfSource), 1);
    rig.stop();
}

#[test]
fn a_flow_without_a_stream_opens_one_and_uses_it_again() {
    let rig = Rig::start(1, StreamLimits::default());
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let flow = Flow {
        interface: 0,
        transport: Transport::Tcp,
        remote: peer.local_addr().unwrap(),
        connection: None,
    };
    for call_id in 0..2 {
        rig.transports.send(flow, &Bytes::from(message("INVITE", call_id))).unwrap();
    }
    let (mut accepted, _) = peer.accept().unwrap();
    let both = [message("INVITE", 0), message("INVITE", 1)].concat();
    let mut came = vec![0; both.len()];
    accepted.read_exact(&mut came).unwrap();
    assert_eq!(came, both);
    assert_eq!(rig.transports.counts().streams_open, 1);
    rig.stop();
}

#[test]
fn a_stream_that_cannot_be_opened_fails_its_flow() {
    let rig = Rig::start(1, StreamLimits::default());
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let flow = Flow { interface: 0, transport: Transport::Tcp, remote: nobody, connection: None };
    rig.transports.send(flow, &Bytes::from(message("INVITE", 1))).unwrap();
    rig.counts("failed");
    rig.stop();
}

#[test]
fn a_stream_that_is_gone_refuses_at_once() {
    let rig = Rig::start(1, StreamLimits::default());
    let flow = Flow { interface: 0, transport: Transport::Tcp, remote: rig.address, connection: Some(77) };
    assert!(matches!(rig.transports.send(flow, &Bytes::from_static(b"x")), Err(crate::SendError::Closed)));
    let tls = Flow { transport: Transport::Tls, ..flow };
    assert!(matches!(rig.transports.send(tls, &Bytes::from_static(b"x")), Err(crate::SendError::NotServed)));
    assert_eq!(rig.transports.counts().send_failed, 2);
    rig.stop();
}

/// Far longer than anything here takes; a failure shows itself after it.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn what_is_sent_is_marked_and_another_mark_holds_at_once() {
    let rig = Rig::start(1, StreamLimits::default());
    let mark = || {
        let (_, socket) = rig.transports.udp_sockets().next().unwrap();
        socket2::SockRef::from(socket).tos_v4().unwrap()
    };
    assert_eq!(mark(), 0);
    for dscp in [40, 24, 0] {
        rig.transports.mark(dscp);
        assert_eq!(mark(), u32::from(dscp) << 2);
    }
    rig.stop();
}
