//! What `hotline load` says of a switch, against what tshark and the packet filter saw of the same packets.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::Command;

use hotline_tests::{Datagram, Place, Sniffer, Switch, alone, may_use_raw_sockets, turn};
use serde_json::Value;

const CALLS: &str = "12";

/// Puts some calls with audio through a switch and gives what the load reports and what was seen meanwhile.
fn observed() -> (Value, Seen) {
    let phone = Place::free(Place::mine().phones);
    let switch = Switch::start(&[("flows/bound.toml", "127.0.0.1:5090", &phone.to_string())]);
    let mut sniffer = Sniffer::of(Place::mine().switch);
    let before = cpu_ms(switch.pid());
    let report = switch.load_with(phone, &["--calls", CALLS, "--rate", "12", "--hold", "4", "--rtp"]);
    let cpu_ms = cpu_ms(switch.pid()) - before;
    let seen = Seen { switch: switch.sip, datagrams: sniffer.all_so_far(), cpu_ms };
    switch.stop();
    (report, seen)
}

struct Seen {
    switch: SocketAddr,
    datagrams: Vec<Datagram>,
    /// What the switch used meanwhile, as the system accounts for it.
    cpu_ms: f64,
}

/// Milliseconds of CPU time that a process has used so far.
fn cpu_ms(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    // proc(5): behind the name in brackets, the twelfth and thirteenth fields are its user and system time in 10 ms.
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let ticks = fields.split_ascii_whitespace().skip(11).take(2);
    10.0 * ticks.map(|ticks| ticks.parse::<f64>().expect("a number")).sum::<f64>()
}

impl Seen {
    /// Seconds from a call's first INVITE to the switch until the switch's 200 to it.
    fn set_ups(&self) -> Vec<f64> {
        let mut begun: HashMap<String, f64> = HashMap::new();
        let mut lengths = Vec::new();
        for Datagram { at, from, to, bytes } in &self.datagrams {
            let Ok(text) = std::str::from_utf8(bytes) else { continue };
            let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            let Some(call) = line("Call-ID: ") else { continue };
            if *to == self.switch && text.starts_with("INVITE ") {
                begun.entry(call).or_insert(*at);
            } else if *from == self.switch
                && text.starts_with("SIP/2.0 200 ")
                && line("CSeq: ").is_some_and(|cseq| cseq.ends_with("INVITE"))
            {
                lengths.extend(begun.remove(&call).map(|began| at - began));
            }
        }
        lengths
    }

    /// Packets of audio on their way to the switch and on from it.
    fn audio(&self, to_the_switch: bool) -> impl Iterator<Item = &Datagram> {
        let host = |address: &SocketAddr| address.ip() == self.switch.ip();
        // Twelve bytes of header and a frame of A-law (RFC 3550 §5.1, RFC 3551).
        let audio = self.datagrams.iter().filter(|datagram| datagram.bytes.len() == 12 + 160);
        audio.filter(move |datagram| host(if to_the_switch { &datagram.to } else { &datagram.from }))
    }

    /// Seconds that packets took through the switch. A packet is known again by what it carries.
    fn delays(&self) -> Vec<f64> {
        let came: HashMap<&[u8], f64> =
            self.audio(true).map(|datagram| (&datagram.bytes[12..], datagram.at)).collect();
        let went = self.audio(false);
        went.filter_map(|datagram| Some(datagram.at - came.get(&datagram.bytes[12..])?)).collect()
    }
}

/// The length that half of all do not exceed, as the load's p50.
fn median(mut values: Vec<f64>) -> f64 {
    assert!(!values.is_empty(), "nothing was seen");
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}

fn number(report: &Value, path: &str) -> f64 {
    report.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path}: {report:#}"))
}

/// The load takes its time before a packet is sent and tshark when it is; the load's steps are 10 µs. On a crowded machine
/// either is put off now and then, but not every second time.
fn assert_same(what: &str, said: f64, seen: f64) {
    assert!(
        said > seen - 0.05 && said < 2.0 * seen + 0.5,
        "{what}: the load says {said} ms, tshark saw {seen} ms"
    );
}

#[test]
fn a_load_counts_and_times_what_another_tool_sees() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let (report, seen) = observed();
    let set_ups = seen.set_ups();
    assert_eq!(set_ups.len() as f64, number(&report, "/calls/answered"), "{report:#}");
    assert_same("set-up", number(&report, "/setup/p50"), median(set_ups) * 1_000.0);
    assert_eq!(seen.audio(true).count() as f64, number(&report, "/rtp/sent"), "{report:#}");
    assert_eq!(seen.audio(false).count() as f64, number(&report, "/rtp/received"), "{report:#}");
    assert_eq!(number(&report, "/rtp/lost"), 0.0, "{report:#}");
    assert_same("delay", number(&report, "/rtp/delay/p50"), median(seen.delays()) * 1_000.0);
    // The load begins a moment after it is started, and its report is not the last that it does.
    let cpu_ms = number(&report, "/switch/cpu_micros") * number(&report, "/calls/begun") / 1_000.0;
    assert!(
        cpu_ms > 0.7 * seen.cpu_ms - 20.0 && cpu_ms < seen.cpu_ms + 20.0,
        "CPU of the switch: the load says {cpu_ms} ms, the system {} ms",
        seen.cpu_ms
    );
}

#[test]
fn a_load_misses_what_a_packet_filter_took_away() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    alone(|| {
        let host = Place::mine().switch;
        nft("add table inet lossy");
        nft("add chain inet lossy in { type filter hook input priority 0; }");
        // Every fortieth packet of audio that the switch sends: 20 bytes of IP, 8 of UDP, 12 of RTP and a frame.
        nft(&format!(
            "add rule inet lossy in ip saddr {host} ip length 200 numgen inc mod 40 == 0 counter drop"
        ));
        let (report, seen) = observed();
        let taken = taken_away();
        assert!(taken > 50, "{taken} packets were taken away: {report:#}");
        assert_eq!(seen.audio(false).count() as f64 - f64::from(taken), number(&report, "/rtp/received"));
        // What is missing at the very beginning or end of a way of a call is no gap.
        let (lost, ways) = (number(&report, "/rtp/lost"), 24.0);
        assert!(lost <= f64::from(taken) && lost >= f64::from(taken) - ways, "{taken} taken: {report:#}");
    });
}

fn nft(words: &str) {
    let done = Command::new("nft").args(words.split(' ')).status().expect("nft starts");
    assert!(done.success(), "nft {words}");
}

/// How many packets the filter's rule has dropped.
fn taken_away() -> u32 {
    let listed = Command::new("nft").args(["list", "table", "inet", "lossy"]).output().expect("nft starts");
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let mut words = text.split_whitespace().skip_while(|word| *word != "packets").skip(1);
    words.next().and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no counter in {text}"))
}
