//! Owns a switch that a benchmark starts as a process of its own, and what it and the load say of themselves.

use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hotline_tests::copy_folder;
use serde_json::Value;

/// A switch with `configs/bench` on addresses of this process's own; it ends, and its folder goes, when dropped.
pub struct Switch {
    child: Child,
    folder: PathBuf,
    /// Where it takes calls.
    pub sip: String,
    /// Where the load calls from.
    pub carrier: String,
    /// Where the load answers: the phone behind the numbers.
    pub phone: String,
    /// Another such phone, behind [`SECOND_NUMBER`].
    pub second_phone: String,
}

/// The switch that is measured: `HOTLINE_BIN`, or the one that was built beside this benchmark; without either this is said,
/// and nothing measured.
pub fn binary() -> Option<PathBuf> {
    let named = std::env::var_os("HOTLINE_BIN").map(PathBuf::from);
    let binary = match named {
        Some(named) => Some(named).filter(|binary| binary.exists()),
        None => built_beside(),
    };
    if binary.is_none() {
        println!("no switch to measure: cargo build --release -p hotline, or name one by HOTLINE_BIN");
    }
    binary
}

/// The switch that was built beside this benchmark.
pub fn built_beside() -> Option<PathBuf> {
    // A benchmark is target/release/deps/….
    let beside = std::env::current_exe().ok()?.parent()?.parent()?.join("hotline");
    Some(beside).filter(|binary| binary.exists())
}

impl Switch {
    /// Starts `binary` on CPU 0 and waits until it runs; `changes` replace words of its `hotline.toml`.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(binary: &Path, changes: &[(&str, &str)]) -> Switch {
        let folder = std::env::temp_dir().join(format!("hotline-bench-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        copy_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/bench"), &folder);
        let [_, high, middle, low] = std::process::id().to_be_bytes();
        let host = |base: u8| Ipv4Addr::new(127, base + high % 60, middle, low.max(1));
        let free = |host: Ipv4Addr| {
            UdpSocket::bind((host, 0)).and_then(|socket| socket.local_addr()).expect("a port").to_string()
        };
        let [sip, carrier, phone, second_phone] = [1, 64, 128, 190].map(|base| free(host(base)));
        let api = TcpListener::bind((host(1), 0)).and_then(|free| free.local_addr()).expect("a port");
        for file in files(&folder) {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let placed = text.replace("127.0.0.1:5060", &sip).replace("127.0.0.1:5090", &phone);
            if placed != text {
                std::fs::write(&file, placed).expect("written");
            }
        }
        let main = folder.join("hotline.toml");
        let mut text = std::fs::read_to_string(&main).expect("hotline.toml");
        for (from, to) in changes {
            assert!(text.contains(from), "hotline.toml has no «{from}»");
            text = text.replace(from, to);
        }
        std::fs::write(&main, format!("{text}\n[api]\nlisten = \"{api}\"\n")).expect("written");
        write_second_number(&folder, &second_phone);
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
        Switch { child, folder, sip, carrier, phone, second_phone }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its resident memory in KB.
    ///
    /// # Panics
    /// When it runs no more.
    pub fn resident_kb(&self) -> u64 {
        resident_kb(self.pid())
    }

    /// Waits until `calls` recordings have their files; the finisher's CPU seconds.
    ///
    /// # Panics
    /// When the switch runs no more.
    pub fn finishing(&self, calls: u32) -> f64 {
        let recordings = self.folder.join("data/recordings");
        let made =
            || files(&recordings).filter(|file| file.extension().is_some_and(|kind| kind == "wav")).count();
        while made() < calls as usize {
            wait(Duration::from_millis(200));
        }
        thread_seconds(self.pid(), "rec-finish")
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let pid = i32::try_from(self.pid()).expect("a process id");
        // SAFETY: the child is ours and not yet waited for.
        unsafe { libc::kill(pid, libc::SIGTERM) };
        let _ended = self.child.wait();
        let _removed = std::fs::remove_dir_all(&self.folder);
    }
}

/// CPU seconds of the threads called `name` of process `pid`.
///
/// # Panics
/// When it runs no more.
pub fn thread_seconds(pid: u32, name: &str) -> f64 {
    seconds_of(pid, |thread| thread == name)
}

/// CPU seconds of process `pid`.
///
/// # Panics
/// When it runs no more.
pub fn process_seconds(pid: u32) -> f64 {
    seconds_of(pid, |_| true)
}

fn seconds_of(pid: u32, counts: impl Fn(&str) -> bool) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("threads").flatten();
    let counted = tasks.filter(|task| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| counts(comm.trim_end()))
    });
    let nanos = counted.map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).expect("schedstat");
        let nanos = text.split_ascii_whitespace().next().and_then(|nanos| nanos.parse::<f64>().ok());
        nanos.expect("a number")
    });
    nanos.sum::<f64>() / 1e9
}

/// Resident memory of process `pid` in KB.
///
/// # Panics
/// When it runs no more.
pub fn resident_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.split_ascii_whitespace().next().expect("a number").parse().expect("a number")
}

/// The number behind which [`Switch::second_phone`] rings, so that two loads go through one switch.
pub const SECOND_NUMBER: &str = "4000000005";

fn write_second_number(folder: &Path, phone: &str) {
    let flow =
        format!("start = \"uas\"\n[node.uas]\nkind = \"dial\"\nphones = [{{ uri = \"sip:uas@{phone}\" }}]\n");
    std::fs::write(folder.join("flows/second.toml"), flow).expect("written");
    let number = format!(
        "[[number]]\nnumber = \"{SECOND_NUMBER}\"\nflow = \"second\"\nanswer = \"by-party\"\nrecord = \"off\"\n"
    );
    std::fs::write(folder.join("numbers/second.toml"), number).expect("written");
}

/// What the load says, as JSON; a load that was late or lost says it too.
///
/// # Panics
/// When it does not run or says nothing.
pub fn report(mut load: Command) -> Value {
    said(load.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the load starts"))
}

/// The same of a load that was started, its outputs piped.
///
/// # Panics
/// When it says nothing.
pub fn said(load: Child) -> Value {
    let output = load.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(&said)
        .unwrap_or_else(|error| panic!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr)))
}

/// Of the load's `threads`, those that used half a microsecond and more, in words.
///
/// # Panics
/// When it told of none.
pub fn by_thread(threads: &Value) -> String {
    let threads = threads.as_object().expect("threads").iter();
    let used = threads.filter_map(|(name, micros)| Some((name, micros.as_f64()?)));
    let words = used.filter(|(_, micros)| *micros >= 0.5).map(|(name, micros)| format!("{name} {micros:.0}"));
    words.collect::<Vec<_>>().join(", ")
}

/// What this benchmark was asked for, behind cargo's own words.
pub fn words() -> Vec<String> {
    std::env::args().skip(1).filter(|word| word != "--bench").collect()
}

/// All files below `folder`.
fn files(folder: &Path) -> Box<dyn Iterator<Item = PathBuf>> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    Box::new(
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { Box::new(std::iter::once(path)) }),
    )
}

/// Waits for another process.
#[allow(clippy::disallowed_methods, reason = "another process is waited for")]
pub fn wait(length: Duration) {
    std::thread::sleep(length);
}
