//! What a REGISTER costs with 100,000 phones registered: the bytes parsed, judged, bound and answered, as in the switch.
//! `cargo bench -p hotline-benches --bench register`
//!
//! With `HOTLINE_BIN` naming a built switch its own CPU time per REGISTER is measured too, over UDP on loopback, digest
//! and the once-a-second writing included: `HOTLINE_BIN=target/release/hotline cargo bench …`.

use std::hint::black_box;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use clock::{Instant, WallTime};
use hotline_benches::switch::resident_kb;
use hotline_benches::{Counting, measure, row};
use model::{Aor, TenantId};
use sip::auth::{Account, Login, Offer};
use sip::endpoint::{Endpoint, EndpointConfig, Flow, Output};
use sip::registrar::{Directory, Phone, Registrar, RegistrarConfig};
use sip::{Message, Request, Response};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PHONES: usize = 100_000;
const WALL: WallTime = WallTime(1_795_000_000_000_000);

fn main() {
    in_process();
    if let Some(binary) = std::env::var_os("HOTLINE_BIN") {
        whole_process(binary.to_string_lossy().into_owned());
    }
}

struct Phones {
    tenant: TenantId,
    aors: Vec<Aor>,
}

impl Directory for Phones {
    fn phone(&self, user: &str, _domain: &str) -> Option<Phone<'_>> {
        let aor = self.aors.get(user.parse::<usize>().ok()?)?;
        let account = Account { password: "bench", offer: Offer::Md5 };
        Some(Phone { tenant: &self.tenant, aor, account, max_contacts: 5 })
    }

    fn decoy(&self, _lot: u64) -> Offer {
        Offer::Md5
    }
}

/// The signalling half of a switch: transactions and the registrar.
struct Switch {
    endpoint: Endpoint,
    registrar: Registrar,
    phones: Phones,
    now: Instant,
}

impl Switch {
    fn new() -> Switch {
        let aors = (0..PHONES).map(|user| Aor::new(&user.to_string(), "pbx.local")).collect();
        let config =
            RegistrarConfig { realm: "pbx.local".into(), nat_keep_alive: None, ..RegistrarConfig::default() };
        Switch {
            endpoint: Endpoint::new(EndpointConfig::default()),
            registrar: Registrar::new(config),
            phones: Phones { tenant: TenantId::default(), aors },
            now: Instant::from_secs(1_000),
        }
    }

    /// The answer to a datagram.
    fn answer(&mut self, flow: Flow, bytes: Bytes) -> Bytes {
        // Transactions' tails of 32 s are let go of as they are in time.
        self.now += Duration::from_micros(100);
        self.endpoint.handle_timeout(self.now);
        self.endpoint.receive(self.now, flow, bytes);
        let mut answer = None;
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Request { tx, flow, request } => {
                    let wall = WALL + Duration::from_micros(self.now.since(Instant::ZERO).as_micros() as u64);
                    let done = self.registrar.register(self.now, wall, flow, &request, &self.phones);
                    self.endpoint.respond(self.now, tx, done.response);
                }
                Output::Transmit { bytes, .. } => answer = Some(bytes),
                _ => {}
            }
        }
        answer.expect("every REGISTER is answered")
    }
}

fn register(user: usize, cseq: u32, host: &str) -> String {
    format!(
        "REGISTER sip:{host} SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.{0}.{1}:5060;branch=z9hG4bK{user:x}n{cseq};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{user}@{host}>;tag=f{user}\r\nTo: <sip:{user}@{host}>\r\n\
         Call-ID: reg-{user}@10.1.{0}.{1}\r\nCSeq: {cseq} REGISTER\r\n\
         Contact: <sip:{user}@10.1.{0}.{1}:5060>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-{user:012x}>\"\r\n\
         Expires: 3600\r\nUser-Agent: desk-phone/4.2\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, NOTIFY\r\n\
         Supported: path\r\nContent-Length: 0\r\n\r\n",
        (user >> 8) & 255,
        user & 255
    )
}

fn parsed(bytes: Bytes) -> Message {
    Message::parse_datagram(bytes).expect("it is SIP")
}

/// A REGISTER with credentials for the challenge in `challenge`.
fn authorised(user: usize, cseq: u32, nc: u32, host: &str, challenge: &Response) -> Bytes {
    let Message::Request(mut request) = parsed(register(user, cseq, host).into()) else { unreachable!() };
    let login = Login { user: user.to_string(), password: "bench".into(), realm: None };
    login.answer(challenge, &mut request, "0a4f113b", nc).expect("a challenge");
    Request::to_bytes(&request)
}

fn challenge(bytes: Bytes) -> Response {
    match parsed(bytes) {
        Message::Response(response) if response.status == 401 => response,
        other => panic!("{other:?}"),
    }
}

/// Bytes that are allocated and not freed.
fn in_use() -> usize {
    // SAFETY: a plain query.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

fn in_process() {
    let mut switch = Switch::new();
    let flow = |user: usize| {
        Flow::udp(
            0,
            SocketAddr::from(([203, 0, (user >> 8) as u8, user as u8], 1024 + (user % 60_000) as u16)),
        )
    };
    let mut challenges = Vec::with_capacity(PHONES);
    for user in 0..PHONES {
        let first = switch.answer(flow(user), register(user, 1, "pbx.local").into());
        let challenge = challenge(first);
        let answer = switch.answer(flow(user), authorised(user, 2, 1, "pbx.local", &challenge));
        assert!(answer.starts_with(b"SIP/2.0 200"));
        if user % 50 == 0 {
            challenges.push((user, challenge));
        }
    }
    switch.now += Duration::from_secs(40);
    switch.endpoint.handle_timeout(switch.now);
    // Beyond those of the requests before: a branch is used once.
    let mut cseq = 1_000_000;
    let firsts: Vec<Bytes> =
        (0..20_000).map(|at| register(at * 5, 3 + at as u32, "pbx.local").into()).collect();
    let mut next = firsts.iter().cycle().enumerate();
    let asked = measure(2_000, || {
        let (at, bytes) = next.next().expect("endless");
        black_box(switch.answer(flow(at), bytes.clone()));
    });
    row("REGISTER without credentials: 401", asked, None);

    // Fresh credentials for each turn are made before it is measured.
    const TURNS: u32 = 1_000;
    let mut nc = 1;
    let mut batch = || {
        nc += 1;
        cseq += 1;
        let make = |(user, challenge): &(usize, Response)| {
            (*user, authorised(*user, cseq, nc, "pbx.local", challenge))
        };
        challenges.iter().take(1 + TURNS as usize).map(make).collect::<Vec<_>>()
    };
    let mut waiting: std::collections::VecDeque<(usize, Bytes)> = (0..10).flat_map(|_| batch()).collect();
    let refreshed = measure(TURNS, || {
        let (user, bytes) = waiting.pop_front().expect("enough for every run");
        let answer = switch.answer(flow(user), bytes);
        assert!(answer.starts_with(b"SIP/2.0 200"), "{}", String::from_utf8_lossy(&answer));
    });
    row("REGISTER with digest, a refresh: 200", refreshed, None);
    let bindings = switch.registrar.len();
    let with = in_use();
    drop(switch.registrar);
    println!("{bindings} bindings, {} bytes each, nonces' counts included", (with - in_use()) / bindings);
    println!("refreshes per core: {:.0} per second", 1e9 / refreshed.nanos);
    println!("challenge and refresh per core: {:.0} pairs per second", 1e9 / (asked.nanos + refreshed.nanos));
}

/// CPU time of a process in seconds, all its threads.
fn cpu_seconds(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let fields: Vec<&str> = text.rsplit(')').next().expect("a name").split_ascii_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().expect("utime") + fields[12].parse::<f64>().expect("stime");
    // SAFETY: a plain query.
    ticks / unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64
}

fn started(binary: &str, folder: &std::path::Path) -> Child {
    std::fs::create_dir_all(folder.join("phones")).expect("a folder");
    std::fs::create_dir_all(folder.join("trunks")).expect("a folder");
    let free =
        |_| UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let (sip, api) = (free(0), free(1));
    let text = format!(
        "[registrar]\nnat_keepalive_seconds = 0\n\n[security]\nrequests_per_second = 100000\n\n[api]\nlisten = \"127.0.0.1:{api}\"\n\n[[interface]]\nname = \"loopback\"\n\
         bind = \"127.0.0.1:{sip}\"\n"
    );
    std::fs::write(folder.join("hotline.toml"), text).expect("written");
    // A range has a thousand numbers at most.
    let phones: String = (100..200)
        .map(|thousand| {
            format!("[[phone]]\nrange = \"{thousand}000-{thousand}999\"\npassword = \"bench\"\n\n")
        })
        .collect();
    std::fs::write(folder.join("phones/all.toml"), phones).expect("written");
    std::fs::write(folder.join("sip"), sip.to_string()).expect("written");
    let log = std::fs::File::create(folder.join("log")).expect("a file");
    Command::new(binary)
        .args(["run", "--config"])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file"))
        .stderr(log)
        .spawn()
        .expect("the switch starts")
}

#[allow(clippy::disallowed_methods, reason = "what the switch writes a second later counts too")]
fn wait_for_the_batch() {
    std::thread::sleep(Duration::from_millis(2_500));
}

/// Registers every phone once (challenge and answer), then refreshes them all, with a window of requests under way.
fn whole_process(binary: String) {
    let folder = std::env::temp_dir().join(format!("hotline-register-{}", std::process::id()));
    let mut child = started(&binary, &folder);
    let pid = child.id();
    let port: u16 = std::fs::read_to_string(folder.join("sip")).expect("written").parse().expect("a port");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    socket.connect(("127.0.0.1", port)).expect("an address");
    let mut buffer = [0; 4_096];
    // The first answer says that it runs.
    let probe = register(100_000, 1, "127.0.0.1");
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    loop {
        let gone = child.try_wait().expect("its status");
        assert!(gone.is_none(), "the switch does not run: {}", folder.join("log").display());
        // Nobody listens yet: asked again.
        let _ = socket.send(probe.as_bytes());
        if socket.recv(&mut buffer).is_ok() {
            break;
        }
    }
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let idle = resident_kb(pid);

    let mut exchange = |requests: &mut dyn Iterator<Item = Bytes>| {
        let mut answers: Vec<Bytes> = Vec::new();
        let mut under_way = 0;
        loop {
            while under_way < 64
                && let Some(request) = requests.next()
            {
                socket.send(&request).expect("sent");
                under_way += 1;
            }
            if under_way == 0 {
                return answers;
            }
            let length = socket.recv(&mut buffer).expect("every REGISTER is answered");
            answers.push(Bytes::copy_from_slice(&buffer[..length]));
            under_way -= 1;
        }
    };
    let users = 100_000..200_000usize;
    let before = cpu_seconds(pid);
    let first = exchange(&mut users.map(|user| register(user, 2, "127.0.0.1").into()));
    println!("whole process, 401: {:.1} µs of CPU each", (cpu_seconds(pid) - before) * 10.0);
    let by_user: Vec<(usize, Response)> = first
        .into_iter()
        .map(|bytes| {
            let response = challenge(bytes);
            let user =
                response.headers.to().expect("To").uri().user().expect("a user").parse().expect("a number");
            (user, response)
        })
        .collect();
    for (round, what) in [(1u32, "a new binding"), (2, "a refresh"), (3, "a refresh")] {
        let made: Vec<Bytes> = by_user
            .iter()
            .map(|(user, challenge)| authorised(*user, 2 + round, round, "127.0.0.1", challenge))
            .collect();
        let before = cpu_seconds(pid);
        let answers = exchange(&mut made.into_iter());
        let granted = answers.iter().filter(|answer| answer.starts_with(b"SIP/2.0 200")).count();
        // What the once-a-second batch writes of this round counts too.
        wait_for_the_batch();
        let cost = (cpu_seconds(pid) - before) * 1e6 / 100_000.0;
        println!(
            "whole process, 200 for {what}: {cost:.1} µs of CPU each ({:.0} per core and second), {granted} granted",
            1e6 / cost
        );
    }
    println!(
        "whole process: {} bytes resident per registered phone",
        (resident_kb(pid) - idle) * 1_024 / 100_000
    );
    // SAFETY: the child is ours and not yet waited for.
    unsafe { libc::kill(i32::try_from(pid).expect("a process id"), libc::SIGTERM) };
    let status = child.wait().expect("its status");
    println!("the switch ends with {status}");
    std::fs::remove_dir_all(&folder).expect("removed");
}
