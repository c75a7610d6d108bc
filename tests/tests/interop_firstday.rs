//! An operator's first day (R71): a call's messages as tshark reads them, what the doctor says of a switch and of a folder
//! with faults, and a switch that ends while calls are up.

use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hotline_tests::{
    AGENT_HZ, Capture, Certificates, NameServer, Named, Place, Sipp, Switch, Tunnel, Wav, hotline,
    may_use_raw_sockets, turn, until,
};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);
const TRUNK: &str = "trunks/loopback.toml";
const SERVED: &str = "transports = [\"udp\", \"tcp\"]";
const BOUND: (&str, &str, &str) =
    ("flows/bound.toml", "uri = \"sip:uas@127.0.0.1:5090\"", "phone = \"9001\"");
/// As many calls as any machine has ports and files for.
const FEW: (&str, &str, &str) = ("hotline.toml", "max_calls = 20000", "max_calls = 100");
const LIMITS: &str = "[limits]\n";
/// A number that is answered and plays until the caller hangs up.
const PLAYS: &str = "4000000001";
/// A number whose bound phone rings.
const RINGS: &str = "4000000004";

#[test]
fn the_messages_of_a_call_are_shown_masked_and_tshark_reads_them() {
    let _turn = turn();
    let place = Place::mine();
    // Phones prove who they are: only the carrier is known by its address.
    let switch = Switch::start(&[BOUND, (TRUNK, "127.0.0.0/8", &format!("{}/32", place.carrier))]);
    let phone = Place::free(place.phones);
    switch.register(phone, 9001..=9001);
    let answering = Sipp::new("phone_hangs_up_unheard", phone, &[]).with(&["-d", "500"]).answer(1);
    let caller = Sipp::at("phone_presses", place.phones, &[("USER", "9002"), ("PASSWORD", "bench")]);
    let said = caller.traced().call(switch.sip, RINGS, 1, 1).succeed_traced(SOON);
    answering.succeed(SOON);
    let call = switch.wait_calls(1, SOON)[0]["id"].as_str().expect("an id").to_owned();

    let messages = switch.ask(&["calls", "trace", &call]);
    let messages = messages.as_array().expect("an array");
    let first_words = first_words(messages);
    let count = |word: &str| first_words.iter().filter(|first| **first == word).count();
    // The caller asks twice, since it must prove itself; the phone is asked once.
    assert_eq!((count("INVITE"), count("ACK"), count("INFO"), count("BYE")), (3, 3, 1, 2), "{first_words:?}");
    assert_eq!(count("REGISTER"), 0, "registrations are no part of a call");

    let text: String = messages.iter().filter_map(|message| message["message"].as_str()).collect();
    let proof = said.split("response=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a proof");
    assert_eq!(proof.len(), 32, "{proof}");
    assert!(
        !text.contains(proof) && text.contains("response=\"********************************\""),
        "{text}"
    );
    assert!(!text.contains("Signal=7") && text.contains("Signal=*"), "{text}");

    let file = switch.folder.join("call.pcap");
    let written = switch.ask(&["calls", "trace", &call, "--pcap", file.to_str().expect("a path")]);
    assert_eq!(written.as_array().map(Vec::len), Some(messages.len()));
    let bytes = std::fs::read(&file).expect("the capture");
    assert!(
        !bytes.windows(proof.len()).any(|window| window == proof.as_bytes()),
        "the capture has the proof"
    );
    assert_eq!(methods_in(&file, &[switch.sip.port()]), methods_of(messages), "in order, none lost");

    let ladder = switch.show(&["calls", "trace", &call]);
    for rung in
        ["hotline", "INVITE 4000000004 (SDP)", "407 Proxy Authentication Required (INVITE)", "200 OK (BYE)"]
    {
        assert!(ladder.contains(rung), "{rung}:\n{ladder}");
    }
    // A phone and its agent, and when it was seen.
    let phones = switch.ask(&["phones"]);
    let phones = phones.as_array().expect("an array");
    let of = |user: &str| {
        let is_it = |phone: &&Value| phone["aor"].as_str().is_some_and(|aor| aor.starts_with(user));
        phones.iter().find(is_it).expect("a phone")
    };
    assert_eq!(of("9001")["agent"], "9001");
    assert_eq!(of("9001")["last_seen"], of("9001")["bindings"][0]["registered"]);
    assert_eq!((&of("9002")["last_seen"], &of("9002")["bindings"]), (&Value::Null, &serde_json::json!([])));
    // Nothing is known of a call that was not.
    assert_eq!(switch.show(&["calls", "trace", "0sxw0x8002000"]), "");
    switch.stop();
}

#[test]
fn the_messages_of_a_call_over_tls_are_shown_too() {
    let _turn = turn();
    let place = Place::mine();
    let certificates = Certificates::make(place.switch.into());
    let inner = Place::free_stream(place.phones);
    let outer = Tunnel::takes_tls(place.phones, &certificates, &["carrier.test"], inner);
    let names = NameServer::start(&[("carrier.test", Named::Address(place.phones))]);
    let carrier = format!(
        "interface = \"loopback\"\ntls_names = [\"carrier.test\"]\ntransport = \"tls\"\nto = \"carrier.test:{}\"\n\
         ca = \"{}\"\nheartbeat_seconds = 0\nhome_area = \"010\"\n",
        outer.at.port(),
        certificates.ca().display()
    );
    let switch = Switch::start_with(
        &[
            ("hotline.toml", SERVED, &certificates.listener()),
            FEW,
            ("hotline.toml", LIMITS, &format!("{}\n{LIMITS}", names.table())),
            (BOUND.0, BOUND.1, "trunk = \"carrier\", number = \"13900139000\""),
        ],
        &[("trunks/carrier.toml", &carrier)],
    );
    let words = [("AT", &*outer.at.to_string())];
    let answering = Sipp::new("carrier_over_tls", inner, &words).over_tcp().answer(1);
    let caller = Sipp::at("carrier_hangs_up", place.carrier, &[]).with(&["-d", "300"]);
    caller.call(switch.sip, RINGS, 1, 1).succeed(SOON);
    answering.succeed(SOON);
    let call = switch.wait_calls(1, SOON)[0]["id"].as_str().expect("an id").to_owned();
    let messages = switch.ask(&["calls", "trace", &call]);
    let messages = messages.as_array().expect("an array");
    let over = |transport: &str| messages.iter().filter(|message| message["transport"] == transport).count();
    assert!(over("udp") >= 6 && over("tls") >= 5, "{messages:#?}");
    let file = switch.folder.join("call.pcap");
    switch.ask(&["calls", "trace", &call, "--pcap", file.to_str().expect("a path")]);
    // What went over TLS is readable, framed as UDP.
    assert_eq!(methods_in(&file, &[switch.sip.port(), outer.at.port()]), methods_of(messages));
    // The doctor goes the same way: a name, a certificate for it, OPTIONS over TLS.
    let lives = Sipp::new("carrier_lives", inner, &[]).over_tcp().answer(1);
    let (code, report) = switch.answer(&["doctor"]);
    assert_eq!((code, &report["faults"]), (0, &0.into()), "{report:#}");
    lives.succeed(SOON);
    assert_eq!(finding(&report, "dns", "carrier.test")["zh"], outer.at.to_string());
    assert!(
        finding(&report, "trunk", "carrier")["en"].as_str().is_some_and(|en| en.ends_with("answers 200"))
    );
    assert_eq!(finding(&report, "certificate", "loopback")["verdict"], "fine");
    switch.stop();
}

#[test]
fn a_switch_that_ends_lets_its_call_end_and_sends_new_ones_elsewhere() {
    let _turn = turn();
    let mut switch = Switch::start(&[("hotline.toml", LIMITS, "[node]\ndrain_seconds = 600\n\n[limits]\n")]);
    let carrier = Place::mine().carrier;
    let asks = |scenario| Sipp::at(scenario, carrier, &[("STATUS", "503")]).traced();
    let talking = asks("carrier_waits").call(switch.sip, PLAYS, 1, 1);
    switch.wait_live("calls", 1, SOON);
    asks("carrier_asks").call(switch.sip, "x", 1, 1).succeed(SOON);
    switch.terminate();
    until("the switch says that it ends", SOON, || switch.log().contains("正在停止").then_some(()));
    asks("carrier_is_sent_elsewhere").call(switch.sip, "x", 1, 1).succeed(SOON);
    let refused = asks("carrier_is_refused").call(switch.sip, PLAYS, 1, 1).succeed_traced(SOON);
    assert!(refused.contains("Retry-After: 30"), "{refused}");
    // The conversation goes on, and the switch with it, until it is over by itself.
    assert!(switch.is_running());
    let live = switch.ask(&["calls", "live"]);
    assert_eq!(live.as_array().map(Vec::len), Some(1), "{live:#}");
    switch.ask(&["calls", "hangup", live[0]["id"].as_str().expect("an id")]);
    talking.succeed(SOON);
    switch.ended(SOON);
    let calls = switch.calls();
    let mut results: Vec<&str> = calls.iter().filter_map(|call| call["result"].as_str()).collect();
    results.sort_unstable();
    assert_eq!(results.len(), 2, "{calls:#?}");
    assert!(results.contains(&"limit"), "{results:?}");
}

#[test]
fn at_the_deadline_and_at_a_second_signal_calls_are_released_with_record_and_recording() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    for (drain, signals) in [(1, 1), (600, 2)] {
        let node = format!("[node]\ndrain_seconds = {drain}\n\n{LIMITS}");
        let mut switch = Switch::start(&[BOUND, ("hotline.toml", LIMITS, &node)]);
        let phone = Place::free(Place::mine().phones);
        switch.register(phone, 9001..=9001);
        let speech = Capture::default().tone(AGENT_HZ, 20_000);
        let answering = Sipp::new("phone_listens", phone, &[]).speaking(&speech).answer(1);
        // 4000000002 is 4000000004, recorded.
        let talking =
            Sipp::at("carrier_waits", Place::mine().carrier, &[]).call(switch.sip, "4000000002", 1, 1);
        switch.wait_live("recordings", 1, SOON);
        for signal in 1..=signals {
            switch.terminate();
            let said = ["", "正在停止", "立即停止"][signal];
            if signals > 1 {
                until(said, SOON, || switch.log().contains(said).then_some(()));
            }
        }
        // Both sides get their BYE.
        talking.succeed(SOON);
        answering.succeed(SOON);
        switch.ended(SOON);
        let calls = switch.calls();
        assert_eq!(calls.len(), 1, "{calls:#?}");
        let call = &calls[0];
        assert_eq!(
            (&call["result"], &call["hung_up_by"]),
            (&"answered".into(), &"switch".into()),
            "{call:#}"
        );
        assert_eq!(call["recordings"][0]["state"], "finished", "{call:#}");
        let recording = call["recording"].as_str().expect("a recording");
        let wav = Wav::read(Path::new(recording));
        assert!(wav.seconds() > 0.0, "{recording} plays");
    }
}

#[test]
fn a_log_within_the_watched_folder_does_not_feed_itself() {
    let _turn = turn();
    let node = format!("[node]\nlog = \"trace\"\n\n{LIMITS}");
    let switch = Switch::start(&[("hotline.toml", LIMITS, &node)]);
    let file = switch.folder.join("phones/bench.toml");
    let text = std::fs::read_to_string(&file).expect("a file");
    std::fs::write(&file, format!("# changed\n{text}")).expect("written");
    until("a reload", SOON, || switch.log().contains("配置已重新读取").then_some(()));
    let told: Vec<String> =
        switch.log().lines().filter(|line| line.contains("notify::")).map(str::to_owned).collect();
    assert_eq!(told, [""; 0], "the watcher tells of the log itself");
    assert_eq!(switch.log().matches("配置已重新读取").count(), 1, "the log is no configuration");
    switch.stop();
}

#[test]
fn the_doctor_finds_a_switch_well_and_names_each_fault_with_its_fix() {
    let _turn = turn();
    let place = Place::mine();
    let carrier = Place::free(place.phones);
    let lives = Sipp::new("carrier_lives", carrier, &[]).answer(1);
    let trunk =
        format!("interface = \"loopback\"\nto = \"{carrier}\"\nheartbeat_seconds = 0\nhome_area = \"010\"\n");
    let switch = Switch::start_with(&[FEW], &[("trunks/lives.toml", &trunk)]);
    let (code, report) = switch.answer(&["doctor"]);
    assert_eq!((code, &report["faults"]), (0, &0.into()), "{report:#}");
    lives.succeed(SOON);
    assert!(finding(&report, "trunk", "lives")["en"].as_str().is_some_and(|en| en.ends_with("answers 200")));
    let api = finding(&report, "ports", "api");
    assert_eq!(api["en"], "the running switch listens there", "{api:#}");
    let text = switch.show(&["doctor"]);
    assert!(text.contains("正在运行") && text.contains("→"), "{text}");

    // The same folder, without its switch and with a fault of each kind.
    let silent = UdpSocket::bind((place.phones, 0)).expect("a port");
    let silent_trunk = trunk.replace(&carrier.to_string(), &silent.local_addr().expect("bound").to_string());
    let folder = switch.kill();
    let taken = UdpSocket::bind((place.switch, 0)).expect("a port");
    let names = NameServer::start(&[]);
    let main = folder.join("hotline.toml");
    let text = std::fs::read_to_string(&main).expect("hotline.toml");
    let text = text
        .replace(&format!("\"{}:0\"", place.switch), &format!("\"{}\"", taken.local_addr().expect("bound")))
        .replace(SERVED, "transports = [\"udp\", \"tls\"]\ncertificate = \"gone.pem\"\nkey = \"gone.key\"")
        .replace("max_calls = 100", "max_calls = 100000");
    let text = format!("[node]\ndata = \"queues/bench.toml\"\n\n{}\n{text}", names.table());
    std::fs::write(&main, text).expect("written");
    std::fs::write(folder.join("trunks/lives.toml"), silent_trunk.replace("heartbeat_seconds = 0\n", ""))
        .expect("written");
    let nowhere = trunk.replace(&carrier.to_string(), "carrier.test");
    std::fs::write(folder.join("trunks/nowhere.toml"), nowhere).expect("written");
    let (code, report) = hotline(&folder, &["doctor"]);
    assert_eq!(code, 1, "{report:#}");
    for (check, subject) in [
        ("ports", "udp"),
        ("dns", "carrier.test"),
        ("trunk", "lives"),
        ("rtp", ""),
        ("certificate", "loopback"),
        ("data", "queues/bench.toml"),
    ] {
        let found = finding(&report, check, subject);
        assert!(
            found["verdict"] == "fault" && found["fix"]["zh"].is_string(),
            "{check} {subject}: {report:#}"
        );
    }
    let holder = finding(&report, "ports", "udp")["zh"].as_str().expect("words").to_owned();
    assert!(holder.contains(&format!("pid {}", std::process::id())), "{holder}");
    std::fs::remove_dir_all(folder).expect("removed");
}

/// The finding of a kind whose subject begins or ends so.
fn finding<'a>(report: &'a Value, check: &str, subject: &str) -> &'a Value {
    let findings = report["findings"].as_array().expect("findings");
    let is_it = |found: &&Value| {
        let of = found["subject"].as_str().unwrap_or_default();
        found["check"] == check && (of.starts_with(subject) || of.ends_with(subject))
    };
    findings.iter().find(is_it).unwrap_or_else(|| panic!("{check} {subject}: {report:#}"))
}

fn first_words(messages: &[Value]) -> Vec<&str> {
    let first = |message: &'_ Value| -> Option<usize> { message["message"].as_str()?.find(' ') };
    messages.iter().filter_map(|message| Some(&message["message"].as_str()?[..first(message)?])).collect()
}

/// The methods of the messages' CSeq.
fn methods_of(messages: &[Value]) -> Vec<String> {
    let method = |message: &Value| {
        let text = message["message"].as_str()?;
        let line = text.lines().find_map(|line| line.strip_prefix("CSeq:"))?;
        line.split_ascii_whitespace().last().map(str::to_owned)
    };
    messages.iter().filter_map(method).collect()
}

/// The methods of the messages in a capture as tshark reads it, whose checksums it finds good.
fn methods_in(file: &Path, ports: &[u16]) -> Vec<String> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]);
    for port in ports {
        command.args(["-d", &format!("udp.port=={port},sip")]);
    }
    let fields = ["sip.CSeq.method", "udp.checksum.status", "ip.checksum.status", "_ws.malformed"];
    command.args(["-T", "fields", "-E", "separator=,"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let read = command.output().expect("tshark starts");
    let text = String::from_utf8_lossy(&read.stdout);
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let method = |line: &str| {
        let (method, sound) = line.split_once(',').expect("four fields");
        assert_eq!(sound, "1,1,", "a packet of {} is damaged: {line}", file.display());
        method.to_owned()
    };
    text.lines().map(method).collect()
}
