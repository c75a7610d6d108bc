//! What one whole call costs a shard in process: INVITE, 180, 200, ACK, BYE on both legs through `call::Shard`, with the
//! ports of media played by hand and no sockets, journal or database. `cargo bench -p hotline-benches --bench setup`
//!
//! `setup 1000` makes a thousand calls at one number of dialogs and prints nothing else: for
//! `valgrind --tool=callgrind --toggle-collect='*Seat*give*'`. `setup memory` asks for the bytes alone, `setup shards` for
//! shards of one node on a thread each.
//!
//! `setup cold` walks through more memory than the core's caches hold before each turn of the shard, as a switch that slept
//! finds them; `setup cold 200` does so for `valgrind --tool=callgrind --toggle-collect='*Seat*turn_of_shard*'
//! --cache-sim=yes --LL=262144,8,64`, which counts the lines of code and data that a call touches.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use call::{Identity, Input, NodeWide, Output, Settings, Shard};
use clock::{Instant, Machine, WallAnchor, WallTime};
use hotline_benches::{Counting, allocations, cpu_nanos, held_bytes};
use media::command::{Command, Event as MediaEvent, Language};
use model::{CallId, LegId};
use sip::endpoint::{Advertised, Flow};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let cold = std::env::args().any(|argument| argument == "cold");
    if let Some(calls) = std::env::args().skip(1).find_map(|argument| argument.parse().ok()) {
        let mut seat = Seat::new();
        seat.fill(100);
        seat.walked = vec![0; if cold { COUNTED } else { 0 }];
        return seat.turn(calls);
    }
    if cold {
        return print_cold();
    }
    if std::env::args().any(|argument| argument == "memory") {
        return print_memory();
    }
    if std::env::args().any(|argument| argument == "shards") {
        return print_shards();
    }
    println!("{:<44}one call, {PER_SECOND} begin each second", "");
    for talking in [100, 1_000, 8_000, 50_000] {
        let mut seat = Seat::new();
        seat.fill(talking);
        // The tail of finished transactions reaches its usual length.
        seat.turn(PER_SECOND * 40);
        let measured = seat.measured(MEASURED);
        println!(
            "{:<44}{:10.0} ns {:6.1} allocations   {} outputs",
            format!("{talking} calls talking"),
            measured.nanos / f64::from(MEASURED),
            measured.allocations / f64::from(MEASURED),
            seat.outputs / u64::from(seat.begun),
        );
    }
    print_memory();
}

fn print_cold() {
    for talking in [100, 1_000] {
        let mut seat = Seat::new();
        seat.fill(talking);
        seat.turn(PER_SECOND);
        seat.walked = vec![0; WALKED];
        let measured = seat.measured(MEASURED / 10);
        let nanos = measured.nanos / f64::from(MEASURED / 10);
        println!("{:<44}{nanos:10.0} ns", format!("{talking} calls talking, caches cold"));
    }
}

fn print_memory() {
    let Memory { talking, tail } = memory();
    println!("{:<44}{talking:10.0} bytes", "an established call in its shard");
    println!("{:<44}{tail:10.0} bytes", "a finished call in its 32 s tail");
}

/// The same calls by one shard and by several of one node, each on a thread, which share what is the node's.
fn print_shards() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for shards in [1, cores.max(2)] {
        let node = NodeWide::default();
        let work = |shard: usize| {
            let mut seat = Seat::of_node(u8::try_from(shard).expect("a shard"), node.clone());
            seat.fill(1_000);
            seat.turn(PER_SECOND);
            seat.measured(4 * MEASURED).nanos / f64::from(4 * MEASURED)
        };
        let costs: Vec<f64> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..shards).map(|shard| scope.spawn(move || work(shard))).collect();
            threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
        });
        let calls: f64 = costs.iter().map(|nanos| 1e9 / nanos).sum();
        let costs: Vec<String> = costs.iter().map(|nanos| format!("{nanos:.0} ns")).collect();
        println!(
            "{:<44}{} a call, {calls:.0} calls a second",
            format!("{shards} shards on {cores} cores"),
            costs.join(", ")
        );
    }
}

/// Calls that begin in a second of virtual time.
const PER_SECOND: u32 = 2_000;
const MEASURED: u32 = 20_000;
/// Bytes walked before a turn: more than a core's own caches hold.
const WALKED: usize = 8 << 20;
/// The same for a simulated last cache of 256 KB.
const COUNTED: usize = 512 << 10;

struct Memory {
    /// Bytes per established call whose INVITE transactions are over.
    talking: f64,
    /// Bytes per finished call whose transactions are in their tail.
    tail: f64,
}

/// Asks the allocator's own books: exact, and the same on every machine.
fn memory() -> Memory {
    const CALLS: u32 = 10_000;
    let mut seat = Seat::new();
    seat.fill(100);
    seat.turn(1_000);
    seat.rest();
    let before = held_bytes();
    seat.fill(100 + CALLS);
    seat.rest();
    let talking = held_bytes() - before - seat.own_bytes(CALLS);
    seat.finish(CALLS);
    let tail = held_bytes() - before;
    Memory { talking: talking as f64 / f64::from(CALLS), tail: tail as f64 / f64::from(CALLS) }
}

/// A shard with a carrier on one side and a phone on the other.
struct Seat {
    now: Instant,
    shard: Shard,
    carrier: Flow,
    phone: Flow,
    ports: u16,
    begun: u32,
    outputs: u64,
    inputs: VecDeque<Input>,
    /// What the shard sent to the carrier and the phone.
    to_carrier: VecDeque<Bytes>,
    to_phone: VecDeque<Bytes>,
    talking: VecDeque<Talking>,
    /// Open ports by room and by leg.
    rooms: HashMap<CallId, Vec<LegId>>,
    room_of: HashMap<LegId, CallId>,
    /// What the shard alone has cost.
    cost: Cost,
    /// Walked before each turn, if not empty.
    walked: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
struct Cost {
    nanos: f64,
    allocations: f64,
}

struct Talking {
    number: u32,
    to: Box<str>,
}

impl Seat {
    fn new() -> Seat {
        Seat::of_node(0, NodeWide::default())
    }

    fn of_node(shard: u8, node: NodeWide) -> Seat {
        let identity = Identity {
            node: 0,
            shard,
            secret: [7; 32],
            anchor: WallAnchor::new(Instant::ZERO, WallTime(1_795_000_000_000_000)),
        };
        let at = |port| Flow::udp(0, SocketAddr::from(([127, 0, 0, 1], port)));
        Seat {
            now: Instant::from_secs(10),
            shard: Shard::of_node(identity, settings(), node),
            carrier: at(5_070),
            phone: at(5_090),
            ports: 20_000,
            begun: 0,
            outputs: 0,
            inputs: VecDeque::new(),
            to_carrier: VecDeque::new(),
            to_phone: VecDeque::new(),
            talking: VecDeque::new(),
            rooms: HashMap::new(),
            room_of: HashMap::new(),
            cost: Cost::default(),
            walked: Vec::new(),
        }
    }

    /// What `calls` further calls cost, each beginning as another ends.
    fn measured(&mut self, calls: u32) -> Cost {
        self.cost = Cost::default();
        self.turn(calls);
        self.cost
    }

    /// Begins calls until so many talk.
    fn fill(&mut self, talking: u32) {
        while self.talking.len() < talking as usize {
            self.begin();
        }
    }

    /// Begins `calls` calls and ends as many, so that as many talk as before.
    fn turn(&mut self, calls: u32) {
        for _ in 0..calls {
            self.begin();
            self.end();
        }
    }

    /// Ends `calls` calls.
    fn finish(&mut self, calls: u32) {
        (0..calls).for_each(|_| self.end());
    }

    /// Lets all tails end.
    fn rest(&mut self) {
        self.pass(Duration::from_secs(64));
    }

    /// What this seat itself keeps of `calls` calls.
    fn own_bytes(&self, calls: u32) -> i64 {
        let texts: usize = self.talking.iter().rev().take(calls as usize).map(|one| one.to.len()).sum();
        texts as i64
    }

    fn begin(&mut self) {
        let number = self.begun;
        self.begun += 1;
        self.pass(Duration::from_micros(500_000 / u64::from(PER_SECOND)));
        self.carrier_says(invite(number));
        let invite = self.sent_to_phone("INVITE");
        self.phone_says(response(&invite, "180 Ringing", ""));
        self.phone_says(response(&invite, "200 OK", SDP));
        self.sent_to_phone("ACK");
        let answer = self.sent_to_carrier("SIP/2.0 200");
        let to: Box<str> = line(&answer, "To: ").into();
        self.carrier_says(within(number, "ACK", 1, &to));
        self.talking.push_back(Talking { number, to });
    }

    fn end(&mut self) {
        let Some(Talking { number, to }) = self.talking.pop_front() else { return };
        self.pass(Duration::from_micros(500_000 / u64::from(PER_SECOND)));
        self.carrier_says(within(number, "BYE", 2, &to));
        self.sent_to_carrier("SIP/2.0 200");
        let bye = self.sent_to_phone("BYE");
        self.phone_says(response(&bye, "200 OK", ""));
    }

    fn pass(&mut self, length: Duration) {
        let until = self.now + length;
        while let Some(due) = self.shard.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.give(None);
            self.answer();
        }
        self.now = until;
    }

    fn carrier_says(&mut self, text: String) {
        self.inputs.push_back(Input::Received { flow: self.carrier, bytes: text.into() });
        self.answer();
    }

    fn phone_says(&mut self, text: String) {
        self.inputs.push_back(Input::Received { flow: self.phone, bytes: text.into() });
        self.answer();
    }

    /// The last thing sent to the phone, which begins with `start`.
    fn sent_to_phone(&mut self, start: &str) -> Bytes {
        last(&mut self.to_phone, start)
    }

    fn sent_to_carrier(&mut self, start: &str) -> Bytes {
        last(&mut self.to_carrier, start)
    }

    fn answer(&mut self) {
        while let Some(input) = self.inputs.pop_front() {
            self.give(Some(input));
        }
    }

    /// One turn of the shard, and what comes of it.
    fn give(&mut self, input: Option<Input>) {
        self.walked.iter_mut().step_by(64).for_each(|byte| *byte = byte.wrapping_add(1));
        self.turn_of_shard(input);
        while let Some(output) = self.shard.poll_output() {
            self.outputs += 1;
            self.perform(output);
        }
    }

    /// What is measured.
    #[inline(never)]
    fn turn_of_shard(&mut self, input: Option<Input>) {
        let (began, allocated) = (cpu_nanos(), allocations());
        match input {
            Some(input) => self.shard.handle(self.now, input),
            None => self.shard.handle_timeout(self.now),
        }
        let next = self.shard.poll_timeout();
        self.cost.nanos += (cpu_nanos() - began) as f64;
        self.cost.allocations += (allocations() - allocated) as f64;
        std::hint::black_box(next);
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Transmit { flow, bytes } if flow.remote == self.phone.remote => {
                self.to_phone.push_back(bytes);
            }
            Output::Transmit { bytes, .. } => self.to_carrier.push_back(bytes),
            Output::Media(Command::OpenPort { room, port, .. }) => {
                self.ports = if self.ports >= 60_000 { 20_000 } else { self.ports + 2 };
                let address = SocketAddr::from(([127, 0, 0, 1], self.ports));
                self.rooms.entry(room).or_default().push(port);
                self.room_of.insert(port, room);
                self.inputs.push_back(Input::Media(MediaEvent::PortOpened { room, port, address }));
            }
            Output::Media(Command::ClosePort { port }) => self.close(port),
            Output::Media(Command::CloseRoom { room }) => {
                let ports = self.rooms.get(&room).cloned().unwrap_or_default();
                ports.into_iter().for_each(|port| self.close(port));
            }
            _ => {}
        }
    }

    fn close(&mut self, port: LegId) {
        let Some(room) = self.room_of.remove(&port) else { return };
        if let Some(ports) = self.rooms.get_mut(&room) {
            ports.retain(|open| *open != port);
            if ports.is_empty() {
                self.rooms.remove(&room);
            }
        }
        let quality = media::quality::Quality::default();
        self.inputs.push_back(Input::Media(MediaEvent::Quality { room, port, quality }));
    }
}

/// As `hotline run --config configs/bench` is told.
fn settings() -> Arc<Settings> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/bench");
    let sources = config::Sources::read_dir(&folder).expect("the folder is there");
    let loaded = config::load(&sources.with_prompts([
        "menu_default",
        "welcome",
        "ivr_invalid",
        "ivr_timeout",
        "default",
    ]));
    let loaded = loaded.unwrap_or_else(|wrong| panic!("{wrong:?}"));
    let mut plan = loaded.plan.clone();
    plan.limits.max_calls = 1_000_000;
    Arc::new(Settings {
        plan: Arc::new(plan),
        flows: loaded.flows.clone(),
        agents: HashMap::new(),
        advertised: vec![Advertised::new("127.0.0.1", 5_060)],
        product: Arc::clone(&loaded.node.product),
        language: Language::Zh,
    })
}

/// Takes everything that was sent and gives the last message that begins with `start`.
fn last(sent: &mut VecDeque<Bytes>, start: &str) -> Bytes {
    let found = sent.iter().rev().find(|bytes| bytes.starts_with(start.as_bytes())).cloned();
    let seen: Vec<_> = sent.drain(..).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect();
    found.unwrap_or_else(|| panic!("no {start} among {seen:#?}"))
}

/// The value of the first header line that begins with `name`.
fn line<'a>(message: &'a Bytes, name: &str) -> &'a str {
    let text = std::str::from_utf8(message).expect("we write UTF-8");
    let found = text.split("\r\n").find_map(|line| line.strip_prefix(name));
    found.unwrap_or_else(|| panic!("no {name} in {text}"))
}

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 30000 RTP/AVP 8 0 101\r\n\
     a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

fn invite(number: u32) -> String {
    format!(
        "INVITE sip:4000000004@127.0.0.1:5060 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-invite-{number}\r\nMax-Forwards: 70\r\n\
         From: <sip:13800138000@127.0.0.1:5070>;tag=from-{number}\r\nTo: <sip:4000000004@127.0.0.1:5060>\r\n\
         Call-ID: call-{number}@127.0.0.1\r\nCSeq: 1 INVITE\r\nContact: <sip:carrier@127.0.0.1:5070>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    )
}

fn within(number: u32, method: &str, cseq: u32, to: &str) -> String {
    format!(
        "{method} sip:4000000004@127.0.0.1:5060 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-{method}-{number}\r\nMax-Forwards: 70\r\n\
         From: <sip:13800138000@127.0.0.1:5070>;tag=from-{number}\r\nTo: {to}\r\n\
         Call-ID: call-{number}@127.0.0.1\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

fn response(request: &Bytes, status: &str, body: &str) -> String {
    let [via, from, call_id, cseq] =
        ["Via: ", "From: ", "Call-ID: ", "CSeq: "].map(|name| line(request, name));
    let to = line(request, "To: ");
    let tag = if to.contains(";tag=") { "" } else { ";tag=phone" };
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "SIP/2.0 {status}\r\nVia: {via}\r\nFrom: {from}\r\nTo: {to}{tag}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\n\
         Contact: <sip:uas@127.0.0.1:5090>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
