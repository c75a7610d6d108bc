//! What audio costs in the whole process, over sockets on loopback: a bare epoll forwarder, the switch relaying and the
//! switch recording both legs, one after the other and again (A B C A B C), the switch on CPU 0 and the load on CPU 1.
//!
//! `cargo build --release -p hotline && cargo bench -p hotline-benches --bench media -- WHAT`, where WHAT is one of
//!
//! - `sides CALLS [SECONDS]`: all three at so many calls, twice; or once, for so long;
//! - `delays [CALLS]`: all three at seven tenths of what a core relays, or at so many calls: delays, and how far above the
//!   forwarder's they are;
//! - `flat [SIDE]`: CPU for each call at 100 to 4,000 calls, in packets of 60 ms, so that one core takes the most;
//! - `ports`: 1,000 calls that speak alone, and among 4,000 that are open: 16,000 ports;
//! - `listeners CALLS`: callers who hear music in a queue;
//! - `limit SIDE FROM STEP`: more and more calls until a thousandth is lost, p99 reaches 20 ms or the load itself is late;
//! - `memory CALLS`.
//!
//! The load goes before all else on its CPU where the system grants it (root). CPU time is the system's for each thread;
//! wall time is measured by the load, which says when it was late itself. `HOTLINE_BIN` names another switch than the one
//! that was built beside this; the load is that one.

use std::path::PathBuf;
use std::process::Command;

use hotline_benches::switch::{Switch, binary, built_beside, by_thread, report, words};
use serde_json::Value;

fn main() {
    let words = words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some((binary, load)) = binary().zip(built_beside().or_else(binary)) else { return };
    let mut bench = Bench { binary, load, measured: MEASURED };
    let number = |word: &str| word.parse().expect("a number");
    match words[..] {
        ["sides", calls] => bench.sides(number(calls), 2),
        ["sides", calls, seconds] => {
            bench.measured = f64::from(number(seconds));
            bench.sides(number(calls), 1);
        }
        [] => bench.sides(1_000, 2),
        ["delays"] => bench.delays(None),
        ["delays", calls] => bench.delays(Some(number(calls))),
        ["flat"] => bench.flat(),
        ["flat", side] => bench.flat_side(Side::named(side)),
        ["ports"] => bench.ports(),
        ["listeners", calls] => bench.listeners(number(calls)),
        ["limit", side, from, step] => bench.limit(Side::named(side), number(from), number(step)),
        ["memory", calls] => bench.memory(number(calls)),
        _ => panic!("see the head of benches/benches/media.rs; not {words:?}"),
    }
}

/// What the audio goes through.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    Forwarder,
    Relayed,
    Recorded,
    /// Nobody answers: the caller waits in a queue.
    Waiting,
}

impl Side {
    fn named(word: &str) -> Side {
        let named = [Side::Forwarder, Side::Relayed, Side::Recorded];
        let at = ["forwarder", "relayed", "recorded"].iter().position(|name| *name == word);
        named[at.expect("forwarder, relayed or recorded")]
    }

    /// The number of `configs/bench` that is called.
    fn number(self) -> &'static str {
        match self {
            Side::Recorded => "4000000002",
            Side::Waiting => "4000000006",
            Side::Forwarder | Side::Relayed => "4000000004",
        }
    }
}

struct Bench {
    /// The switch.
    binary: PathBuf,
    load: PathBuf,
    /// How long audio is measured, in seconds.
    measured: f64,
}

/// How many calls there are, and what they send.
#[derive(Clone, Copy)]
struct Scale {
    calls: u32,
    /// Those that speak; the others are open and silent.
    speaking: u32,
    /// Milliseconds of a packet.
    ptime: u32,
}

impl Scale {
    fn of(calls: u32) -> Scale {
        Scale { calls, speaking: calls, ptime: 20 }
    }
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
    /// Packets a second for each call that are not the load's own: what the switch plays.
    played: f64,
    /// Resident memory of the switch in KB: idle, and while all talked.
    resident: (u64, u64),
}

impl Bench {
    fn sides(&self, calls: u32, rounds: u32) {
        let all = [Side::Forwarder, Side::Relayed, Side::Recorded];
        let mut seen: Vec<(Side, Run)> = Vec::new();
        for _ in 0..rounds {
            for side in all {
                let run = self.run(side, Scale::of(calls));
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
        above(all.map(|side| of(side, |run| run.p99)));
    }

    fn delays(&self, calls: Option<u32>) {
        let calls = calls.unwrap_or_else(|| {
            let run = self.run(Side::Relayed, Scale::of(1_000));
            run.print(Side::Relayed);
            let (most, seven_tenths) = (1e6 / run.cpu, 7e5 / run.cpu);
            println!("a core relays {most:.0} calls by CPU time; seven tenths of them are {seven_tenths:.0}");
            seven_tenths as u32
        });
        above([Side::Forwarder, Side::Relayed, Side::Recorded].map(|side| {
            let run = self.run(side, Scale::of(calls));
            run.print(side);
            run.p99
        }));
    }

    fn ports(&self) {
        let all = [1_000, 4_000].map(|calls| {
            let run = self.run(Side::Relayed, Scale { speaking: 1_000, ..Scale::of(calls) });
            run.print(Side::Relayed);
            run.cpu
        });
        println!("1,000 calls that speak cost {:.2} times as much with 16,000 ports open", all[1] / all[0]);
    }

    fn listeners(&self, calls: u32) {
        let run = self.run(Side::Waiting, Scale::of(calls));
        run.print(Side::Waiting);
        println!("{:.0} listeners a core by CPU time", 1e6 / run.cpu);
        assert!(run.played > 45.0, "they hear music");
    }

    fn flat(&self) {
        for side in [Side::Relayed, Side::Recorded] {
            self.flat_side(side);
        }
    }

    fn flat_side(&self, side: Side) {
        for calls in [100, 1_000, 2_000, 4_000] {
            self.run(side, Scale { ptime: 60, ..Scale::of(calls) }).print(side);
        }
    }

    fn limit(&self, side: Side, from: u32, step: u32) {
        let mut most = None;
        for calls in (from..).step_by(step as usize) {
            let run = match self.put_through(side, Scale::of(calls)) {
                Ok(run) => run,
                Err(failed) => {
                    println!("{calls} calls: {failed}");
                    break;
                }
            };
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
            let run = self.run(side, Scale::of(calls));
            run.print(side);
            let (idle, talking) = run.resident;
            println!(
                "{side:?}: {idle} KB idle, {talking} KB with {calls} calls: {:.1} KB a call",
                (talking - idle) as f64 / f64::from(calls)
            );
        }
    }

    fn run(&self, side: Side, scale: Scale) -> Run {
        self.put_through(side, scale).unwrap_or_else(|failed| panic!("{failed}"))
    }

    /// What was measured, or why calls failed.
    fn put_through(&self, side: Side, scale: Scale) -> Result<Run, String> {
        let Scale { calls, speaking, ptime } = scale;
        let rate = RATE.min(f64::from(calls));
        let hold = match side {
            Side::Forwarder => SETTLES + self.measured,
            _ => f64::from(calls) / rate + 2.0 * SETTLES + self.measured,
        };
        let mut load = Command::new(&self.load);
        load.args(["load", "--json", "--cpu", "1", "--realtime", "--calls", &calls.to_string()]);
        load.args(["--hold", &hold.to_string(), "--ptime", &ptime.to_string()]);
        if side == Side::Forwarder {
            load.args(["--floor", "--floor-cpu", "0", "--caller", "127.0.0.1:0", "--callee", "127.0.0.1:0"]);
            return Run::of(scale, &report(load), None);
        }
        let switch = Switch::start(&self.binary, &[PATIENT]);
        let idle = switch.resident_kb();
        load.args(["--rtp", "--speaking", &speaking.to_string(), "--number", side.number()]);
        load.args(["--rate", &rate.to_string(), "--pid", &switch.pid().to_string()]);
        load.args(["--to", &switch.sip, "--caller", &switch.carrier, "--callee", &switch.phone]);
        let report = report(load);
        let finishing = if side == Side::Recorded { switch.finishing(calls) } else { 0.0 };
        let mut run = Run::of(scale, &report, Some(idle))?;
        let talked = f64::from(calls) * hold;
        run.finishing = finishing * 1e6 / talked;
        run.played = report["rtp"]["foreign"].as_f64().expect("a count") / talked;
        Ok(run)
    }
}

/// Says how far delays of the forwarder, relayed and recorded calls are apart.
fn above([forwarder, relayed, recorded]: [f64; 3]) {
    println!(
        "p99 above the forwarder: relayed {:.2} ms, recorded {:.2} ms",
        relayed - forwarder,
        recorded - forwarder
    );
}

impl Run {
    fn of(scale: Scale, report: &Value, idle: Option<u64>) -> Result<Run, String> {
        let failed = report["calls"]["failed"].as_object().expect("failures");
        if !failed.is_empty() {
            return Err(format!("calls failed: {failed:?}"));
        }
        let steady = &report["steady"];
        let float = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("no figure in {report:#}"));
        let used = &steady["per_call_second"];
        let talking = report["switch"]["resident_kb"][1].as_u64();
        let Scale { calls, speaking, .. } = scale;
        Ok(Run {
            calls,
            cpu: float(&used["cpu_micros"]) * f64::from(calls) / f64::from(speaking),
            played: 0.0,
            busy: float(&used["cpu_percent"]),
            threads: by_thread(&used["threads"]),
            finishing: 0.0,
            lost: float(&steady["lost"]) / float(&steady["sent"]),
            p50: float(&steady["delay"]["p50"]),
            p99: float(&steady["delay"]["p99"]),
            late: float(&steady["lateness"]["p99"]),
            resident: (idle.unwrap_or(0), talking.unwrap_or(0)),
        })
    }

    fn print(&self, side: Side) {
        let finishing =
            if self.finishing > 0.0 { format!(" + {:.1} finishing", self.finishing) } else { String::new() };
        let heard = match side {
            Side::Waiting => format!("{:.1} packets a second heard by each", self.played),
            _ => format!("lost {:.3} %, delay p50 {:.2} p99 {:.2} ms", 100.0 * self.lost, self.p50, self.p99),
        };
        println!(
            "{:<9} {:>5} calls  {:>6.1} µs{finishing} of CPU per call-second, {:>5.1} % busy ({}), {heard}, load late p99 {:.2} ms{}",
            format!("{side:?}").to_lowercase(),
            self.calls,
            self.cpu,
            self.busy,
            self.threads,
            self.late,
            if self.late >= 2.0 { " (the load was late: this says nothing)" } else { "" }
        );
    }
}

/// Calls that begin are not what is measured: none is refused because the machine was busy for a moment.
const PATIENT: (&str, &str) = ("[limits]", "[limits]\noverload_delay_milliseconds = 10000");
/// Calls begin at this rate.
const RATE: f64 = 500.0;
/// What beginnings left is done after this, in seconds.
const SETTLES: f64 = 0.5;
/// How long audio is measured where nothing else is said, in seconds.
const MEASURED: f64 = 4.0;
