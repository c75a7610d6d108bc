//! sipvicious and floods from strangers, while a valid phone behind the same address registers and calls.

use std::io::Read;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use hotline_tests::{Place, Sipp, Switch, now, paced, turn, until};

const SOON: Duration = Duration::from_secs(30);

/// A switch whose trunk is the carrier's address alone.
fn guarded(more: &[(&str, &str, &str)]) -> Switch {
    let carrier = format!("{}/32", Place::mine().carrier);
    let mut changes = vec![("trunks/loopback.toml", "127.0.0.0/8", carrier.as_str())];
    changes.extend_from_slice(more);
    Switch::start(&changes)
}

/// What a tool of sipvicious prints; it ends by itself or is ended after `limit`.
fn sipvicious(tool: &str, arguments: &[&str], limit: Duration) -> String {
    let mut child = Command::new(tool)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Debian: sipvicious");
    let deadline = now() + limit.as_secs_f64();
    until("the end of the scan", limit + SOON, || {
        let ended = child.try_wait().expect("its status").is_some();
        if !ended && now() >= deadline {
            // Its end is seen in the next round.
            let _ = child.kill();
        }
        ended.then_some(())
    });
    let mut said = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut said).expect("text");
    child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    said
}

#[test]
fn sipvicious_finds_nothing_while_a_phone_behind_its_address_registers_and_calls() {
    let _turn = turn();
    // Nothing but how they behave gives the tools away.
    let nameless = "[security]\nscanners = []\n\n[limits]";
    let switch = guarded(&[("hotline.toml", "[limits]", nameless)]);
    // The tools send from this address, whatever they are told to bind.
    let phones = Ipv4Addr::LOCALHOST;
    let phone = Place::free(phones);
    switch.register(phone, 9001..=9001);
    let (host, port) = (switch.sip.ip().to_string(), switch.sip.port().to_string());
    let from = phones.to_string();
    let common = ["-b", &from, "-p", &port];
    // Its calls, one each second, go on while the tools work.
    let calls = Sipp::new("phone_calls", phone, &[("USER", "9001"), ("PASSWORD", "bench")])
        .with(&["-d", "500"])
        .call(switch.sip, "*9196", 20, 1);
    let map = sipvicious("svmap", &[&common[..], &[&host]].concat(), Duration::from_secs(8));
    assert!(!map.contains("| 127."), "{map}");
    for method in ["REGISTER", "INVITE", "OPTIONS"] {
        let arguments = [&common[..], &["-e", "8990-9010", "-m", method, "--force", &host]].concat();
        let war = sipvicious("svwar", &arguments, Duration::from_secs(8));
        assert!(!war.contains("reqauth") && !war.contains("noauth"), "{method}: {war}");
    }
    let arguments = [&common[..], &["-u", "9001", "-r", "1-300", &host]].concat();
    let crack = sipvicious("svcrack", &arguments, Duration::from_secs(8));
    assert!(!crack.contains("| 9001"), "{crack}");
    // The phone has called throughout, and registers again from where it is.
    calls.succeed(Duration::from_secs(60));
    switch.register(phone, 9001..=9001);
    let bans = switch.ask(&["bans"]);
    assert_eq!(bans, serde_json::json!([]), "an address where a phone has logged in is never banned");
    let refused = |cause: &str| switch.figure(&format!("hotline_sip_refused_total{{cause=\"{cause}\"}}"));
    let causes = ["strange_options", "challenged", "login_failed"].map(refused);
    assert!(causes.iter().all(|count| *count >= 1.0), "the tools were at work from there: {causes:?}");
    switch.stop();
}

#[test]
fn a_stranger_that_guesses_is_banned_and_can_be_let_in_again() {
    let _turn = turn();
    let switch = guarded(&[]);
    let stranger = Place::mine().stranger;
    let socket = UdpSocket::bind((stranger, 0)).expect("a socket");
    let here = socket.local_addr().expect("bound");
    for guess in 0..20 {
        let request = format!(
            "REGISTER sip:hotline SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKg{guess}\r\nMax-Forwards: 70\r\n\
             From: <sip:9001@hotline>;tag=g\r\nTo: <sip:9001@hotline>\r\nCall-ID: g{guess}@{here}\r\nCSeq: 1 REGISTER\r\n\
             Contact: <sip:9001@{here}>\r\nAuthorization: Digest username=\"9001\", realm=\"hotline\", nonce=\"{guess}\", \
             uri=\"sip:hotline\", response=\"0123456789abcdef0123456789abcdef\"\r\nContent-Length: 0\r\n\r\n"
        );
        socket.send_to(request.as_bytes(), switch.sip).expect("sent");
    }
    switch.wait_live("bans", 1, SOON);
    let bans = switch.ask(&["bans"]);
    assert_eq!(
        (&bans[0]["source"], &bans[0]["cause"]),
        (&stranger.to_string().into(), &"logins".into()),
        "{bans}"
    );
    switch.stop();
}

#[test]
fn floods_from_strangers_leave_an_established_call_alone() {
    let _turn = turn();
    let switch = guarded(&[]);
    let calling = Sipp::at("carrier_hangs_up", Place::mine().carrier, &[])
        .traced()
        .with(&["-d", "6000"])
        .call(switch.sip, "4000000001", 1, 1);
    switch.wait_live("calls", 1, SOON);
    let stranger = Place::mine().stranger;
    let socket = UdpSocket::bind((stranger, 0)).expect("a socket");
    let here = socket.local_addr().expect("bound");
    paced(2_000, Duration::from_secs(4), |number| {
        let method = ["INVITE", "REGISTER", "OPTIONS"][number as usize % 3];
        let request = format!(
            "{method} sip:9001@hotline SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKf{number}\r\nMax-Forwards: 70\r\n\
             From: <sip:{number}@hotline>;tag=f\r\nTo: <sip:9001@hotline>\r\nCall-ID: f{number}\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:f@{here}>\r\nContent-Length: 0\r\n\r\n"
        );
        // A full socket buffer is the flood's own loss.
        let _ = socket.send_to(request.as_bytes(), switch.sip);
    });
    calling.succeed(SOON);
    assert!(switch.live("bans") >= 1.0);
    let calls = switch.wait_calls(1, SOON);
    assert_eq!((calls.len(), &calls[0]["result"]), (1, &"ended_in_menu".into()), "{calls:?}");
    switch.stop();
}

#[test]
fn a_log_at_trace_level_has_no_password_and_no_digest() {
    let _turn = turn();
    // The log lies in the folder that is watched: what the watcher says of each line would be another line.
    let trace = "[node]\nlog = \"trace,notify=warn\"\n\n[limits]";
    let switch = guarded(&[("hotline.toml", "[limits]", trace)]);
    let phone = Place::free(Place::mine().phones);
    switch.register(phone, 9001..=9003);
    let log = std::fs::read_to_string(switch.folder.join("log")).expect("a log");
    assert!(log.len() > 1_000, "a log at trace level says something: {} bytes", log.len());
    for secret in ["response=\"", "password", "bench\"", "Authorization: Digest"] {
        assert!(!log.contains(secret), "the log has «{secret}»");
    }
    switch.stop();
}
