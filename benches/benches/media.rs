//! What audio costs in the whole process, over sockets on loopback: a bare epoll forwarder, the switch relaying and the
//! switch recording both legs, one after the other and again (A B C A B C), the switch on CPU 0 and the load on CPU 1.
//!
//! `HOTLINE_BIN=target/release/hotline cargo bench -p hotline-benches --bench media -- WHAT`, where WHAT is
//! `sides CALLS` (all three at so many calls), `flat` (CPU for each call at 100 to 4,000 calls), `limit SIDE FROM STEP`
//! (more and more calls until a thousandth is lost, p99 reaches 20 ms or the load itself is late), or `memory CALLS`.
//! CPU time is the system's for each thread; wall time is measured by the load, which says when it was late itself.

use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

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
        let switch = Switch::start(&self.binary);
        let idle = switch.resident_kb();
        let pid = switch.child.id();
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

/// What the load says, as JSON; a load that was late or lost says it too.
fn report(mut load: Command) -> Value {
    let output = load.output().expect("the load starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(&said)
        .unwrap_or_else(|error| panic!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr)))
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

/// A switch on CPU 0 with `configs/bench` on addresses of this process's own.
struct Switch {
    child: Child,
    folder: PathBuf,
    sip: String,
    carrier: String,
    phone: String,
}

impl Switch {
    fn start(binary: &Path) -> Switch {
        let folder = std::env::temp_dir().join(format!("hotline-media-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/bench"), &folder);
        let [_, high, middle, low] = std::process::id().to_be_bytes();
        let host = |base: u8| Ipv4Addr::new(127, base + high % 60, middle, low.max(1));
        let free = |host: Ipv4Addr| {
            UdpSocket::bind((host, 0)).and_then(|socket| socket.local_addr()).expect("a port").to_string()
        };
        let (sip, carrier, phone) = (free(host(1)), free(host(64)), free(host(128)));
        let api = TcpListener::bind((host(1), 0)).and_then(|free| free.local_addr()).expect("a port");
        let main = folder.join("hotline.toml");
        let text = std::fs::read_to_string(&main).expect("hotline.toml").replace("127.0.0.1:5060", &sip);
        let more = format!("\n[api]\nlisten = \"{api}\"\n");
        std::fs::write(&main, text + &more).expect("written");
        for file in files(&folder) {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if text.contains("127.0.0.1:5090") {
                std::fs::write(&file, text.replace("127.0.0.1:5090", &phone)).expect("written");
            }
        }
        let log = std::fs::File::create(folder.join("log")).expect("a file");
        let mut child = Command::new("taskset")
            .args(["-c", "0"])
            .arg(binary)
            .args(["run", "--config"])
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("the switch starts");
        while TcpStream::connect(api).is_err() {
            let gone = child.try_wait().expect("its status");
            assert!(gone.is_none(), "the switch does not run: {}", folder.join("log").display());
            wait(Duration::from_millis(50));
        }
        Switch { child, folder, sip, carrier, phone }
    }

    fn resident_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.split_ascii_whitespace().next().expect("a number").parse().expect("a number")
    }

    /// Waits until `calls` recordings have their files; the finisher's CPU seconds.
    fn finishing(&self, calls: u32) -> f64 {
        let recordings = self.folder.join("data/recordings");
        let made =
            || files(&recordings).filter(|file| file.extension().is_some_and(|kind| kind == "wav")).count();
        while made() < calls as usize {
            wait(Duration::from_millis(200));
        }
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("threads");
        let of_finisher = tasks.flatten().filter(|task| {
            std::fs::read_to_string(task.path().join("comm"))
                .is_ok_and(|name| name.trim_end() == "rec-finish")
        });
        let nanos = of_finisher.map(|task| {
            let text = std::fs::read_to_string(task.path().join("schedstat")).expect("schedstat");
            text.split_ascii_whitespace()
                .next()
                .and_then(|nanos| nanos.parse::<f64>().ok())
                .expect("a number")
        });
        nanos.sum::<f64>() / 1e9
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        // SAFETY: the child is ours and not yet waited for.
        unsafe { libc::kill(pid, libc::SIGTERM) };
        let _ended = self.child.wait();
        let _removed = std::fs::remove_dir_all(&self.folder);
    }
}

/// All files below `folder`.
fn files(folder: &Path) -> Box<dyn Iterator<Item = PathBuf>> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    Box::new(
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { Box::new(std::iter::once(path)) }),
    )
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.file_name() == "data" {
            continue;
        } else if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "another process is waited for")]
fn wait(length: Duration) {
    std::thread::sleep(length);
}

/// Calls begin at this rate.
const RATE: f64 = 500.0;
/// What beginnings left is done after this, in seconds.
const SETTLES: f64 = 0.5;
/// How long audio is measured, in seconds.
const MEASURED: f64 = 4.0;
