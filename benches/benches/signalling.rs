//! What calls cost in the whole process, over sockets on loopback, without audio: the switch on CPU 0, the load on CPU 1.
//!
//! `cargo build --release -p hotline && cargo bench -p hotline-benches --bench signalling -- WHAT`, where WHAT is
//! `rates RATE…` (calls per second, 8 s of each), `peak FROM STEP` (more and more until a thousandth fails),
//! `dialogs RATE` (the same rate with 100 to 4,000 calls talking, of two dialogs each), `memory RATE` (resident memory of a call, at a quarter of
//! `RATE` and at `RATE`, after 80 s), `limited` (500 a second admitted, 5,000 offered), `overload PEAK` (three times
//! `PEAK` offered, while 500 calls talk, and what follows) or `shards N RATE`.
//! CPU time is the system's for each thread; times are measured by the load, which says when it was late itself.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use hotline_benches::switch::{
    SECOND_NUMBER, Switch, binary, built_beside, by_thread, process_seconds, report, said, thread_seconds,
    wait, words,
};
use serde_json::Value;

fn main() {
    let words = words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // Builds that are compared meet the same load.
    let Some((binary, load)) = binary().zip(built_beside().or_else(binary)) else { return };
    let bench = Bench { binary, load };
    let number = |word: &str| word.parse().expect("a number");
    match words[..] {
        [] => bench.rates(&[1_000, 2_000, 4_000]),
        ["rates", ref rates @ ..] => {
            bench.rates(&rates.iter().map(|rate| number(rate)).collect::<Vec<u32>>())
        }
        ["peak", from, step] => bench.peak(number(from), number(step)),
        ["dialogs", rate] => bench.dialogs(number(rate)),
        ["memory", rate] => bench.memory(number(rate)),
        ["limited"] => bench.limited(),
        ["overload", peak] => bench.overload(number(peak)),
        ["shards", shards, rate] => bench.shards(number(shards), number(rate)),
        _ => panic!(
            "rates RATE…, peak FROM STEP, dialogs RATE, memory RATE, limited, overload PEAK, shards N RATE; not {words:?}"
        ),
    }
}

struct Bench {
    binary: PathBuf,
    load: PathBuf,
}

/// What one load saw.
struct Run {
    rate: u32,
    said: Value,
}

impl Bench {
    fn rates(&self, rates: &[u32]) {
        for rate in rates {
            self.run(&[], *rate, rate * SECONDS, hold_for(*rate)).print();
        }
    }

    fn peak(&self, from: u32, step: u32) {
        let mut most = None;
        for rate in (from..).step_by(step as usize) {
            let run = self.run(&[], rate, rate * SECONDS, hold_for(rate));
            run.print();
            if run.failed() * 1_000 >= u64::from(rate * SECONDS) {
                break;
            }
            most = Some(rate);
        }
        println!("{most:?} calls a second with fewer than one in a thousand failed");
    }

    /// Each second `rate` calls begin and as many end. What it costs to come so far is not counted: ports are opened then.
    fn dialogs(&self, rate: u32) {
        // Ports of calls that ended rest for a second before they are used again.
        const SETTLES: u32 = 3;
        for talking in [100, 1_000, 2_000, 4_000] {
            let hold = f64::from(talking) / f64::from(rate);
            let switch = Switch::start(&self.binary, &[]);
            let calls = talking + rate * (SETTLES + SECONDS + 1);
            let mut load = self.load(&switch, rate, calls, hold);
            let load = load.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the load starts");
            wait(Duration::from_secs_f64(hold) + Duration::from_secs(SETTLES.into()));
            let used = || (process_seconds(switch.pid()), thread_seconds(switch.pid(), "shard-0"));
            let before = used();
            wait(Duration::from_secs(SECONDS.into()));
            let after = used();
            let micros = |seconds: f64| seconds * 1e6 / f64::from(rate * SECONDS);
            println!(
                "{talking:>5} talk, {:>5} dialogs: {:.1} µs of CPU a call, shard {:.1}",
                2 * talking,
                micros(after.0 - before.0),
                micros(after.1 - before.1)
            );
            Run { rate, said: said(load) }.print();
        }
    }

    fn memory(&self, rate: u32) {
        const HOLD: u32 = 16;
        const CHURN: u32 = 80;
        let talking = |rate: u32| {
            let switch = Switch::start(&self.binary, &[]);
            let idle = switch.resident_kb();
            let mut load = self.load(&switch, rate, rate * (CHURN + HOLD), f64::from(HOLD));
            let load = load.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the load starts");
            wait(Duration::from_secs(CHURN.into()));
            let busy = switch.resident_kb();
            let run = Run { rate, said: said(load) };
            print!("{} talk, {idle} KB idle, {busy} KB busy: ", rate * HOLD);
            run.print();
            busy
        };
        let few = talking(rate / 4);
        let many = talking(rate);
        let more = f64::from((rate - rate / 4) * HOLD);
        println!("{:.1} KB a call, its share of the last 32 s' included", (many - few) as f64 / more);
    }

    fn limited(&self) {
        let run =
            self.run(&[("[limits]", "[limits]\nmax_calls_per_second = 500")], 5_000, 5_000 * SECONDS, 1.0);
        run.print();
        println!("{:.0} answered a second of 500 admitted and 5,000 offered", run.answered_a_second());
    }

    fn overload(&self, peak: u32) {
        const TALKING: u32 = 500;
        let switch = Switch::start(&self.binary, &[]);
        let mut talking = self.paced(&switch, 250, TALKING, 30.0);
        talking.args(["--number", SECOND_NUMBER, "--caller", &free_beside(&switch.carrier)]);
        talking.args(["--callee", &switch.second_phone]);
        let talking = talking.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the load starts");
        wait(Duration::from_secs(4));
        let offer = |rate: u32, seconds: u32| {
            let run = Run { rate, said: report(self.load(&switch, rate, rate * seconds, hold_for(rate))) };
            run.print();
            run
        };
        let flood = offer(3 * peak, SECONDS);
        println!("goodput {:.1} % of the peak", 100.0 * flood.answered_a_second() / f64::from(peak));
        let after = offer(peak / 2, 4);
        println!("{} of {} fail right after it", after.failed(), after.rate * 4);
        let talked = Run { rate: 250, said: said(talking) };
        println!("of {TALKING} calls that talked all the time {} were lost", talked.failed());
    }

    fn shards(&self, shards: u32, rate: u32) {
        print!("{shards} shards: ");
        let change = format!("shards = {shards}\n[limits]");
        self.run(&[("[limits]", &change)], rate, rate * SECONDS, hold_for(rate)).print();
    }

    fn run(&self, changes: &[(&str, &str)], rate: u32, calls: u32, hold: f64) -> Run {
        let switch = Switch::start(&self.binary, changes);
        Run { rate, said: report(self.load(&switch, rate, calls, hold)) }
    }

    fn load(&self, switch: &Switch, rate: u32, calls: u32, hold: f64) -> Command {
        let mut load = self.paced(switch, rate, calls, hold);
        load.args(["--number", "4000000004", "--caller", &switch.carrier, "--callee", &switch.phone]);
        load
    }

    fn paced(&self, switch: &Switch, rate: u32, calls: u32, hold: f64) -> Command {
        let mut load = Command::new(&self.load);
        load.args(["load", "--json", "--cpu", "1", "--to", &switch.sip]);
        load.args(["--rate", &rate.to_string(), "--calls", &calls.to_string(), "--hold", &hold.to_string()]);
        load.args(["--pid", &switch.pid().to_string()]);
        load
    }
}

impl Run {
    fn float(&self, path: &str) -> f64 {
        self.said.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path}: {:#}", self.said))
    }

    fn failed(&self) -> u64 {
        let failed = self.said["calls"]["failed"].as_object().expect("failures");
        failed.values().filter_map(Value::as_u64).sum()
    }

    /// Of those that began in the time in which calls were offered.
    fn answered_a_second(&self) -> f64 {
        self.float("/calls/answered") * f64::from(self.rate) / self.float("/calls/begun")
    }

    fn print(&self) {
        let late = self.float("/lateness/p99");
        println!(
            "{:>5}/s: {} of {} answered, failed {}; set-up p50 {:.2} p90 {:.2} p99 {:.2} ms; {:.1} µs of CPU a call, {:.0} % busy ({}); load {:.1} µs, late p99 {late:.2} ms{}",
            self.rate,
            self.said["calls"]["answered"],
            self.said["calls"]["begun"],
            self.said["calls"]["failed"],
            self.float("/setup/p50"),
            self.float("/setup/p90"),
            self.float("/setup/p99"),
            self.float("/switch/cpu_micros"),
            self.float("/switch/cpu_percent"),
            by_thread(&self.said["switch"]["threads"]),
            self.float("/load_micros_per_call"),
            if late >= 2.0 { " (the load was late: times say nothing)" } else { "" }
        );
    }
}

/// How long calls last at this rate, in seconds: so that the ports are not what ends first.
fn hold_for(rate: u32) -> f64 {
    if rate <= 3_000 { 1.0 } else { 0.3 }
}

/// A port beside `address` on the same host.
fn free_beside(address: &str) -> String {
    let (host, _port) = address.rsplit_once(':').expect("host:port");
    let socket = std::net::UdpSocket::bind((host, 0)).and_then(|socket| socket.local_addr());
    socket.expect("a port").to_string()
}

/// How long calls are offered, in seconds.
const SECONDS: u32 = 8;
