//! What audio costs in the whole process, over sockets on loopback: a bare epoll forwarder, the switch relaying and the
//! switch recording both legs, one after the other and again (A B C A B C), the switch on CPU 0 and the load on CPU 1.
//!
//! `HOTLINE_BIN=target/release/hotline cargo bench -p hotline-benches --bench media -- WHAT`, where WHAT is
//! `sides CALLS` (all three at so many calls), `flat` (CPU for each call at 100 to 4,000 calls), `limit SIDE FROM STEP`
//! (more and more calls until a thousandth is lost, p99 reaches 20 ms or the load itself is late), or `memory CALLS`.
//! CPU time is the system's for each thread; wall time is measured by the load, which says when it was late itself.

use std::path::PathBuf;
use std::process::Command;

use hotline_benches::switch::{Switch, report};
use serde_json::Value;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some(binary) = std::env::var_os("HOTLINE_BIN").map(PathBuf::from) else {
        return println!(
            "HOTLINE_BIN names the switch to be measured; see the head of benches/benches/media.rs"
        );
    };
    let bench = Bench { binary };
    let number = |word: &str| word.parse().expect("a number");
    match words[..] {
        ["sides", calls] => bench.sides(number(calls), 2),
        [] => bench.sides(1_000, 2),
        ["flat"] => bench.flat(),
        ["flat", side] => bench.flat_side(Side::named(side)),
        ["limit", side, from, step] => bench.limit(Side::named(side), number(from), number(step)),
        ["memory", calls] => bench.memory(number(calls)),
        _ => panic!("sides CALLS, flat [SIDE], limit SIDE FROM STEP, memory CALLS; not {words:?}"),
    }
}

/// What the audio goes through.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    Forwarder,
    Relayed,
    Recorded,
}

impl Side {
    fn named(word: &str) -> Side {
        let named = [Side::Forwarder, Side::Relayed, Side::Recorded];
        let at = ["forwarder", "relayed", "recorded"].iter().position(|name| *name == word);
        named[at.expect("forwarder, relayed or recorded")]
    }

    /// The number of `configs/bench` that is called.
    fn number(self) -> &'static str {
        if self == Side::Recorded { "4000000002" } else { "4000000004" }
    }
}

struct Bench {
    binary: PathBuf,
}

/// What one run measured.
#[derive(Clone, Debug)]
struct Run {
    calls: u32,
    /// Microseconds of CPU for each call and second, all threads of the switch.
    cpu: f64,
    /// The share of one core.
    busy: f64,
    threads: String,
    /// Microseconds of CPU for each call and second that making playable files takes, after the calls.
    finishing: f64,
    lost: f64,
    p50: f64,
    p99: f64,
    /// How late the load was, p99.
    late: f64,
    /// Resident memory of the switch in KB: idle, and while all talked.
    resident: (u64, u64),
}

impl Bench {
    fn sides(&self, calls: u32, rounds: u32) {
        let all = [Side::Forwarder, Side::Relayed, Side::Recorded];
        let mut seen: Vec<(Side, Run)> = Vec::new();
        for _ in 0..rounds {
            for side in all {
                let run = self.run(side, calls);
                run.print(side);
                seen.push((side, run));
            }
        }
        let of = |side: Side, what: fn(&Run) -> f64| {
            let runs: Vec<f64> = seen.iter().filter(|(s, _)| *s == side).map(|(_, run)| what(run)).collect();
            runs.iter().sum::<f64>() / runs.len() as f64
        };
        let whole = |run: &Run| run.cpu + run.finishing;
        let [forwarder, relayed, recorded] = all.map(|side| of(side, whole));
        println!(
            "calls a core by CPU time: forwarder {:.0}, relayed {:.0}, recorded {:.0}",
            1e6 / forwarder,
            1e6 / relayed,
            1e6 / recorded
        );
        println!("relayed / forwarder {:.1} %", 100.0 * forwarder / relayed);
        println!(
            "recording adds {:.1} % to the relay, of which finishing {:.1} %",
            100.0 * (recorded / relayed - 1.0),
            100.0 * of(Side::Recorded, |run| run.finishing) / relayed
        );
        let p99 = all.map(|side| of(side, |run| run.p99));
        println!(
            "p99 above the forwarder: relayed {:.2} ms, recorded {:.2} ms",
            p99[1] - p99[0],
            p99[2] - p99[0]
        );
    }

    fn flat(&self) {
        for side in [Side::Relayed, Side::Recorded] {
            self.flat_side(side);
        }
    }

    fn flat_side(&self, side: Side) {
        for calls in [100, 1_000, 2_000, 4_000] {
            self.run(side, calls).print(side);
        }
    }

    fn limit(&self, side: Side, from: u32, step: u32) {
        let mut most = None;
        for calls in (from..).step_by(step as usize) {
            let run = self.run(side, calls);
            run.print(side);
            if run.lost >= 0.001 || run.p99 >= 20.0 || run.late >= 2.0 {
                break;
            }
            most = Some(calls);
        }
        println!(
            "{side:?}: {} calls on one core",
            most.map_or("too many from the start".to_owned(), |most| most.to_string())
        );
    }

    fn memory(&self, calls: u32) {
        for side in [Side::Relayed, Side::Recorded] {
            let run = self.run(side, calls);
            run.print(side);
            let (idle, talking) = run.resident;
            println!(
                "{side:?}: {idle} KB idle, {talking} KB with {calls} calls: {:.1} KB a call",
                (talking - idle) as f64 / f64::from(calls)
            );
        }
    }

    fn run(&self, side: Side, calls: u32) -> Run {
        let rate = RATE.min(f64::from(calls));
        let hold = match side {
            Side::Forwarder => SETTLES + MEASURED,
            _ => f64::from(calls) / rate + 2.0 * SETTLES + MEASURED,
        };
        let mut load = Command::new(&self.binary);
        load.args(["load", "--json", "--cpu", "1", "--calls", &calls.to_string()]);
        load.args(["--hold", &hold.to_string()]);
        if side == Side::Forwarder {
            load.args(["--floor", "--floor-cpu", "0", "--caller", "127.0.0.1:0", "--callee", "127.0.0.1:0"]);
            return Run::of(calls, &report(load), None);
        }
        let switch = Switch::start(&self.binary, &[]);
        let idle = switch.resident_kb();
        let pid = switch.pid();
        load.args([
            "--rtp",
            "--number",
            side.number(),
            "--rate",
            &rate.to_string(),
            "--pid",
            &pid.to_string(),
        ]);
        load.args(["--to", &switch.sip, "--caller", &switch.carrier, "--callee", &switch.phone]);
        let report = report(load);
        let finishing = if side == Side::Recorded { switch.finishing(calls) } else { 0.0 };
        let mut run = Run::of(calls, &report, Some(idle));
        run.finishing = finishing * 1e6 / (f64::from(calls) * hold);
        run
    }
}

impl Run {
    fn of(calls: u32, report: &Value, idle: Option<u64>) -> Run {
        let failed = report["calls"]["failed"].as_object().expect("failures");
        assert!(failed.is_empty(), "calls failed: {failed:?}");
        let steady = &report["steady"];
        let float = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("no figure in {report:#}"));
        let used = &steady["per_call_second"];
        let threads = used["threads"].as_object().expect("threads").iter();
        let threads = threads.filter(|(_, micros)| float(micros) >= 0.5);
        let threads: Vec<String> =
            threads.map(|(name, micros)| format!("{name} {:.0}", float(micros))).collect();
        let talking = report["switch"]["resident_kb"][1].as_u64();
        Run {
            calls,
            cpu: float(&used["cpu_micros"]),
            busy: float(&used["cpu_percent"]),
            threads: threads.join(", "),
            finishing: 0.0,
            lost: float(&steady["lost"]) / float(&steady["sent"]),
            p50: float(&steady["delay"]["p50"]),
            p99: float(&steady["delay"]["p99"]),
            late: float(&steady["lateness"]["p99"]),
            resident: (idle.unwrap_or(0), talking.unwrap_or(0)),
        }
    }

    fn print(&self, side: Side) {
        let finishing =
            if self.finishing > 0.0 { format!(" + {:.1} finishing", self.finishing) } else { String::new() };
        println!(
            "{:<9} {:>5} calls  {:>6.1} µs{finishing} of CPU per call-second, {:>5.1} % busy ({}), lost {:.3} %, delay p50 {:.2} p99 {:.2} ms, load late p99 {:.2} ms{}",
            format!("{side:?}").to_lowercase(),
            self.calls,
            self.cpu,
            self.busy,
            self.threads,
            100.0 * self.lost,
            self.p50,
            self.p99,
            self.late,
            if self.late >= 2.0 { " (the load was late: this says nothing)" } else { "" }
        );
    }
}

/// Calls begin at this rate.
const RATE: f64 = 500.0;
/// What beginnings left is done after this, in seconds.
const SETTLES: f64 = 0.5;
/// How long audio is measured, in seconds.
const MEASURED: f64 = 4.0;
