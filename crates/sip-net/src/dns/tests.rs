//! Names over loopback, with a small name server of our own.

use std::net::UdpSocket;
use std::sync::atomic::AtomicBool;

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata;
use sip::resolve::Security;
use tokio::runtime::Runtime;

use super::*;

/// A name server on loopback: answers what it has, says that there is nothing else, and may fall silent.
struct Server {
    address: SocketAddr,
    asked: Arc<AtomicU64>,
    silent: Arc<AtomicBool>,
    records: Arc<Mutex<Vec<Record>>>,
}

impl Server {
    fn start(records: Vec<Record>) -> Server {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let server = Server {
            address: socket.local_addr().unwrap(),
            asked: Arc::default(),
            silent: Arc::default(),
            records: Arc::new(Mutex::new(records)),
        };
        let (asked, silent, records) = (server.asked.clone(), server.silent.clone(), server.records.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 2_000];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                asked.fetch_add(1, Ordering::SeqCst);
                if silent.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(question) = Message::from_vec(&buffer[..length]) else { continue };
                let answer = answer(&question, &records.lock().unwrap());
                if socket.send_to(&answer.to_vec().unwrap(), from).is_err() {
                    return;
                }
            }
        });
        server
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

fn answer(question: &Message, records: &[Record]) -> Message {
    let mut answer = question.clone();
    answer.metadata.message_type = MessageType::Response;
    answer.metadata.recursion_available = true;
    let asked = &question.queries[0];
    let of_name = |record: &&Record| record.name == *asked.name();
    let known: Vec<Record> = records
        .iter()
        .filter(of_name)
        .filter(|record| record.data.record_type() == asked.query_type())
        .cloned()
        .collect();
    if known.is_empty() && !records.iter().any(|record| record.name == *asked.name()) {
        answer.metadata.response_code = ResponseCode::NXDomain;
    }
    answer.add_answers(known);
    answer
}

fn record(name: &str, ttl: u32, data: RData) -> Record {
    Record::from_rdata(absolute(name).unwrap(), ttl, data)
}

fn a(name: &str, ttl: u32, address: &str) -> Record {
    record(name, ttl, RData::A(rdata::A(address.parse().unwrap())))
}

fn srv(name: &str, (priority, weight, port, target): (u16, u16, u16, &str)) -> Record {
    let srv = rdata::SRV::new(priority, weight, port, absolute(target).unwrap());
    record(name, 60, RData::SRV(srv))
}

fn resolver(server: &Server, stale: Duration) -> (Resolver, Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let config = DnsConfig {
        servers: vec![server.address],
        timeout: Duration::from_millis(200),
        stale,
        serves: vec![Transport::Udp, Transport::Tcp, Transport::Tls],
    };
    (Resolver::new(config, 1, runtime.handle().clone()).unwrap(), runtime)
}

fn wanted(host: &str) -> Wanted {
    Wanted { host: host.into(), port: None, transport: None, secure: Security::Any }
}

fn shown(targets: &[Target]) -> Vec<String> {
    targets.iter().map(|target| format!("{} {}", target.transport.via(), target.address)).collect()
}

#[test]
fn naptr_srv_and_addresses_are_walked_and_then_known_without_asking() {
    let naptr = rdata::NAPTR::new(
        10,
        10,
        b"s".as_slice().into(),
        b"SIP+D2T".as_slice().into(),
        b"".as_slice().into(),
        absolute("_sip._tcp.carrier.test").unwrap(),
    );
    let server = Server::start(vec![
        record("carrier.test", 60, RData::NAPTR(naptr)),
        srv("_sip._tcp.carrier.test", (1, 0, 5070, "one.carrier.test")),
        srv("_sip._tcp.carrier.test", (2, 0, 5071, "two.carrier.test")),
        a("one.carrier.test", 60, "192.0.2.1"),
        record("one.carrier.test", 60, RData::AAAA(rdata::AAAA("2001:db8::1".parse().unwrap()))),
        a("two.carrier.test", 60, "192.0.2.2"),
    ]);
    let (resolver, runtime) = resolver(&server, Duration::ZERO);
    assert_eq!(resolver.known(&wanted("carrier.test")), None);
    let targets = runtime.block_on(resolver.targets(wanted("carrier.test")));
    assert_eq!(shown(&targets), ["TCP 192.0.2.1:5070", "TCP [2001:db8::1]:5070", "TCP 192.0.2.2:5071"]);
    let asked = server.asked();
    assert_eq!(resolver.known(&wanted("carrier.test")), Some(targets.clone()));
    assert_eq!(runtime.block_on(resolver.targets(wanted("carrier.test"))), targets);
    assert_eq!(server.asked(), asked);
}

#[test]
fn an_answer_is_used_for_its_time_to_live_and_no_longer() {
    // A time to live of 0 is for the walk that asked, not for the next.
    let server = Server::start(vec![a("sbc.test", 0, "192.0.2.1")]);
    let (resolver, runtime) = resolver(&server, Duration::ZERO);
    let wanted = Wanted::host("sbc.test", Some(5060), None);
    assert_eq!(shown(&runtime.block_on(resolver.targets(wanted.clone()))), ["UDP 192.0.2.1:5060"]);
    assert_eq!(resolver.known(&wanted), None);
    *server.records.lock().unwrap() = vec![a("sbc.test", 300, "192.0.2.2")];
    assert_eq!(shown(&runtime.block_on(resolver.targets(wanted.clone()))), ["UDP 192.0.2.2:5060"]);
    assert_eq!(
        resolver.known(&wanted).map(|targets| shown(&targets)),
        Some(vec!["UDP 192.0.2.2:5060".into()])
    );
}

#[test]
fn a_name_outlives_its_name_server_for_a_while() {
    let server = Server::start(vec![a("sbc.test", 0, "192.0.2.1")]);
    let (resolver, runtime) = resolver(&server, Duration::from_secs(60));
    let wanted = Wanted::host("sbc.test", Some(5060), None);
    let before = runtime.block_on(resolver.targets(wanted.clone()));
    server.silent.store(true, Ordering::SeqCst);
    assert_eq!(runtime.block_on(resolver.targets(wanted.clone())), before);
    let counts = resolver.counts();
    assert_eq!((counts.failed, counts.stale), (1, 1));
    // What is used past its time is known at once for the next calls.
    assert_eq!(resolver.known(&wanted), Some(before));
}

#[test]
fn without_a_server_and_without_a_past_a_name_leads_nowhere_and_the_next_call_does_not_wait() {
    let server = Server::start(Vec::new());
    server.silent.store(true, Ordering::SeqCst);
    let (resolver, runtime) = resolver(&server, Duration::from_secs(60));
    let wanted = Wanted::host("sbc.test", Some(5060), None);
    assert_eq!(runtime.block_on(resolver.targets(wanted.clone())), []);
    assert_eq!(resolver.known(&wanted), Some(Vec::new()));
}

#[test]
fn a_name_that_does_not_exist_is_known_not_to() {
    let server = Server::start(vec![a("other.test", 60, "192.0.2.1")]);
    let (resolver, runtime) = resolver(&server, Duration::ZERO);
    assert_eq!(runtime.block_on(resolver.targets(wanted("nowhere.test"))), []);
    assert_eq!(resolver.known(&wanted("nowhere.test")), Some(Vec::new()));
    assert_eq!(resolver.counts().failed, 0);
}

#[test]
fn many_who_ask_the_same_at_once_ask_once() {
    let server = Server::start(vec![a("sbc.test", 60, "192.0.2.1")]);
    let (resolver, runtime) = resolver(&server, Duration::ZERO);
    let (tell, told) = std::sync::mpsc::channel();
    for _ in 0..50 {
        let tell = tell.clone();
        resolver.find(Wanted::host("sbc.test", Some(5060), None), move |targets| tell.send(targets).unwrap());
    }
    for _ in 0..50 {
        let targets = told.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(shown(&targets), ["UDP 192.0.2.1:5060"]);
    }
    assert_eq!(resolver.counts().asked, 1);
    drop(runtime);
}

#[test]
fn other_servers_make_a_name_be_asked_for_again() {
    let (first, second) = (
        Server::start(vec![a("sbc.test", 600, "192.0.2.1")]),
        Server::start(vec![a("sbc.test", 600, "192.0.2.2")]),
    );
    let (resolver, runtime) = resolver(&first, Duration::ZERO);
    let wanted = Wanted::host("sbc.test", Some(5060), None);
    assert_eq!(shown(&runtime.block_on(resolver.targets(wanted.clone()))), ["UDP 192.0.2.1:5060"]);
    let config = DnsConfig {
        servers: vec![second.address],
        timeout: Duration::from_secs(1),
        stale: Duration::ZERO,
        serves: vec![Transport::Udp],
    };
    resolver.configure(config).unwrap();
    assert_eq!(shown(&runtime.block_on(resolver.targets(wanted))), ["UDP 192.0.2.2:5060"]);
}
