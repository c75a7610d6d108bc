//! Owns a switch under test: a copy of configs/bench on addresses of its own, started, asked, stopped and killed.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use crate::{Place, Sipp, until};

/// A call record as `hotline calls list --json` prints it.
pub type Call = Value;

/// Calls of `hotline load` that talk until it is dropped.
#[derive(Debug)]
pub struct Talk {
    child: Child,
}

impl Drop for Talk {
    fn drop(&mut self) {
        // One that has ended already cannot be ended again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running switch and its folder, which is removed at the end unless the test failed.
#[derive(Debug)]
pub struct Switch {
    /// Its configuration and data.
    pub folder: PathBuf,
    /// Where it listens for SIP.
    pub sip: SocketAddr,
    /// Every socket it listens on, as it says itself.
    sockets: Value,
    api: SocketAddr,
    child: Child,
}

impl Switch {
    /// A switch on the bench configuration, with each `(file, from, to)` replaced in it.
    pub fn start(changes: &[(&str, &str, &str)]) -> Switch {
        Switch::start_with(changes, &[])
    }

    /// As [`start`](Switch::start), with these files `(file, text)` beside the bench configuration's.
    pub fn start_with(changes: &[(&str, &str, &str)], files: &[(&str, &str)]) -> Switch {
        let folder = new_folder();
        copy_folder(&workspace().join("configs/bench"), &folder);
        let host = Place::mine().switch;
        let main = folder.join("hotline.toml");
        replace(&main, "\"127.0.0.1:5060\"", &format!("\"{host}:0\""));
        replace(&main, "6000-65535", "10000-29999");
        for (file, from, to) in changes {
            replace(&folder.join(file), from, to);
        }
        for (file, text) in files {
            let parent = folder.join(file).parent().map(std::fs::create_dir_all);
            parent.transpose().unwrap_or_else(|error| panic!("{file}: {error}"));
            std::fs::write(folder.join(file), text).unwrap_or_else(|error| panic!("{file}: {error}"));
        }
        // The command line looks for it where the configuration says.
        let free = TcpListener::bind((host, 0)).and_then(|free| free.local_addr()).expect("a free port");
        let listen = format!("\n[api]\nlisten = \"{free}\"\n");
        let text = std::fs::read_to_string(&main).expect("hotline.toml");
        std::fs::write(&main, text + &listen).expect("hotline.toml");
        Switch::run(folder)
    }

    /// A switch on this folder, ready for calls.
    pub fn run(folder: PathBuf) -> Switch {
        let log = File::options().create(true).append(true).open(folder.join("log")).expect("a log file");
        let mut child = Command::new(binary())
            .args(["run", "--json", "--config"])
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the switch starts");
        let ready = first_line(&mut child).unwrap_or_else(|| {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            panic!("the switch is not ready:\n{log}")
        });
        let ready: Value = serde_json::from_str(&ready).expect("its first line is JSON");
        let address = |at: &Value| at.as_str().and_then(|text| text.parse().ok()).expect("an address");
        let switch = Switch {
            sip: address(&ready["listeners"][0]),
            sockets: ready["sockets"].clone(),
            api: address(&ready["api"]),
            folder,
            child,
        };
        until("/healthz", Duration::from_secs(10), || {
            switch.get("/healthz").filter(|text| text.contains("true"))
        });
        switch
    }

    /// Where it listens for SIP by `transport` (`UDP`, `TCP`, `TLS`, `WS`, `WSS`).
    pub fn socket(&self, transport: &str) -> SocketAddr {
        let sockets = self.sockets.as_array().expect("sockets");
        let socket = sockets.iter().find(|socket| socket["transport"] == transport).expect("it is served");
        socket["address"].as_str().and_then(|text| text.parse().ok()).expect("an address")
    }

    /// Where its API listens.
    pub fn api(&self) -> SocketAddr {
        self.api
    }

    /// The switch's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What `GET` answers; `None` when it does not.
    pub fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.api).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.api).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
    }

    /// What the API answers to `GET`: status and body.
    pub fn fetch(&self, path: &str) -> (u16, Vec<u8>) {
        let token = std::fs::read_to_string(self.folder.join("data/api.token")).expect("the token");
        let mut stream = TcpStream::connect(self.api).expect("the API");
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.api);
        write!(stream, "{head}Authorization: Bearer {}\r\n\r\n", token.trim()).expect("asked");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let status = std::str::from_utf8(&answer[9..12]).expect("a status").parse().expect("a number");
        (status, answer.split_off(end + 4))
    }

    /// A figure of `/metrics`, written as there: `hotline_live{what="calls"}`.
    pub fn figure(&self, name: &str) -> f64 {
        let text = self.get("/metrics").expect("/metrics");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or("0").parse().expect("a number")
    }

    /// What is live now: `calls`, `rooms`, `media_ports`…
    pub fn live(&self, what: &str) -> f64 {
        self.figure(&format!("hotline_live{{what=\"{what}\"}}"))
    }

    /// Waits until `number` of them are live.
    pub fn wait_live(&self, what: &str, number: usize, limit: Duration) {
        until(&format!("{number} {what}"), limit, || (self.live(what) == number as f64).then_some(()));
    }

    /// Registers agents of the bench, each to be called at `phone`.
    pub fn register(&self, phone: SocketAddr, users: RangeInclusive<u32>) {
        let credentials = |user| format!("{user};[authentication username={user} password=bench]\n");
        let fields: String = users.clone().map(credentials).collect();
        let count = users.end() - users.start() + 1;
        let soon = Duration::from_secs(30);
        Sipp::new("phone_registers", phone, &[])
            .reading("fields.csv", &format!("SEQUENTIAL\n{fields}"))
            .call(self.sip, "register", count, 50)
            .succeed(soon);
        self.wait_live("phones", count as usize, soon);
    }

    /// Where it listens for media now.
    pub fn media_ports(&self) -> Vec<SocketAddr> {
        let bound = |address: &SocketAddr| {
            address.ip() == self.sip.ip() && (10_000..30_000).contains(&address.port())
        };
        Place::bound().into_iter().filter(bound).collect()
    }

    /// All call records, as the command line lists them.
    pub fn calls(&self) -> Vec<Call> {
        let listed = self.ask(&["calls", "list"]);
        listed.as_array().expect("an array").clone()
    }

    /// Waits until there are `number` records, each with its recordings finished.
    pub fn wait_calls(&self, number: usize, limit: Duration) -> Vec<Call> {
        let is_done = |call: &Call| {
            let recordings = call["recordings"].as_array().expect("recordings");
            recordings.iter().all(|recording| recording["state"] == "finished")
        };
        until(&format!("{number} records with finished recordings"), limit, || {
            let calls = self.calls();
            (calls.len() >= number && calls.iter().all(is_done)).then_some(calls)
        })
    }

    /// What the command line answers with `--json`.
    pub fn ask(&self, words: &[&str]) -> Value {
        let (code, answer) = self.answer(words);
        assert_eq!(code, 0, "hotline {}", words.join(" "));
        answer
    }

    /// The command line's exit code and what it answers with `--json`.
    pub fn answer(&self, words: &[&str]) -> (i32, Value) {
        hotline(&self.folder, words)
    }

    /// What the command line shows to people.
    pub fn show(&self, words: &[&str]) -> String {
        let output = Command::new(binary()).args(words).arg("--config").arg(&self.folder).output();
        String::from_utf8(output.expect("the command line starts").stdout).expect("text")
    }

    /// What the command line says to people when it does not do what these words ask for.
    ///
    /// # Panics
    /// When it does it.
    pub fn refusal(&self, words: &[&str]) -> String {
        let output = Command::new(binary()).args(words).arg("--config").arg(&self.folder).output();
        let output = output.expect("the command line starts");
        assert!(!output.status.success(), "hotline {} is done", words.join(" "));
        String::from_utf8(output.stderr).expect("text")
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Puts calls to `number` through it by `hotline load`, which answers at `phone`; what it measured.
    ///
    /// # Panics
    /// When a call fails.
    pub fn load(&self, number: &str, phone: SocketAddr, calls: u32, rate: u32) -> Value {
        let (calls, rate) = (calls.to_string(), rate.to_string());
        self.load_with(phone, &["--number", number, "--calls", &calls, "--rate", &rate])
    }

    /// As [`load`](Switch::load), with these words on its command line.
    ///
    /// # Panics
    /// When a call fails.
    pub fn load_with(&self, phone: SocketAddr, words: &[&str]) -> Value {
        let carrier = Place::free(Place::mine().carrier);
        let output = Command::new(binary())
            .args(["load", "--json", "--pid", &self.pid().to_string()])
            .args(["--to", &self.sip.to_string(), "--caller", &carrier.to_string()])
            .args(["--callee", &phone.to_string()])
            .args(words)
            .output()
            .expect("the load starts");
        let said = String::from_utf8_lossy(&output.stdout);
        let failed = |why: &str| -> ! { panic!("{why}: {said}{}", String::from_utf8_lossy(&output.stderr)) };
        // A load that was late says nothing of times, but all of what became of the calls.
        let report: Value = serde_json::from_str(&said).unwrap_or_else(|_| failed("no report"));
        if report["calls"]["completed"] != report["calls"]["begun"] {
            failed("calls failed");
        }
        report
    }

    /// Begins to put `calls` calls to `number` through it by `hotline load`, `rate` a second, with audio both ways; they
    /// are answered at `phone` and stay.
    pub fn keep_talking(&self, number: &str, phone: SocketAddr, calls: u32, rate: u32) -> Talk {
        let carrier = Place::free(Place::mine().carrier);
        let (calls, rate) = (calls.to_string(), rate.to_string());
        let child = Command::new(binary())
            .args(["load", "--rtp", "--hold", "3600", "--number", number, "--calls", &calls, "--rate", &rate])
            .args(["--to", &self.sip.to_string(), "--caller", &carrier.to_string()])
            .args(["--callee", &phone.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the load starts");
        Talk { child }
    }

    /// Waits until `number` of them are live, however long it takes, as long as they become more.
    ///
    /// # Panics
    /// When none is added within `limit`.
    pub fn wait_growing(&self, what: &str, number: usize, limit: Duration) {
        let mut before = 0.0;
        while before < number as f64 {
            before = until(&format!("{number} {what}, beyond {before}"), limit, || {
                Some(self.live(what)).filter(|live| *live > before)
            });
        }
    }

    /// Stops it as an operator does.
    ///
    /// # Panics
    /// When it does not end, or not well.
    pub fn stop(mut self) {
        self.terminate();
        self.ended(Duration::from_secs(60));
    }

    /// Asks it to end, and does not wait.
    pub fn terminate(&self) {
        self.signal(libc::SIGTERM);
    }

    /// Waits for its end; its folder stays.
    ///
    /// # Panics
    /// When it does not end within `limit`, or not well.
    pub fn ended(&mut self, limit: Duration) {
        let status = until("the end of the switch", limit, || self.child.try_wait().expect("its status"));
        assert!(status.success(), "the switch ends with {status}");
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("its status").is_none()
    }

    /// Kills it as a power cut does, and leaves its folder.
    pub fn kill(mut self) -> PathBuf {
        self.signal(libc::SIGKILL);
        let _: ExitStatus = self.child.wait().expect("its status");
        std::mem::take(&mut self.folder)
    }

    fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        // SAFETY: the child is ours and not yet waited for, so that the id is still its own.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0, "signal {signal}");
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        // Ended already, or ended here: both are fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !self.folder.as_os_str().is_empty() {
            leave(&self.folder);
        }
    }
}

/// The first line of its output, or `None` when it ends or says nothing in time.
fn first_line(child: &mut Child) -> Option<String> {
    let output = child.stdout.take().expect("piped");
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(output).lines();
        if let Some(Ok(line)) = lines.next() {
            // The test may have given up already.
            let _ = sender.send(line);
        }
        lines.for_each(drop);
    });
    receiver.recv_timeout(Duration::from_secs(20)).ok()
}

/// The command line's exit code and what it answers with `--json` about `folder`.
pub fn hotline(folder: &Path, words: &[&str]) -> (i32, Value) {
    let mut command = Command::new(binary());
    command.args(words).arg("--json").arg("--config").arg(folder);
    let output = command.output().expect("the command line starts");
    let answer = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("hotline {}: {error}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr))
    });
    (output.status.code().expect("it ends by itself"), answer)
}

/// The program under test.
fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("HOTLINE_BIN") {
        return named.into();
    }
    let mine = std::env::current_exe().expect("the test's own path");
    let built = mine.ancestors().nth(2).expect("target/debug").join("hotline");
    assert!(built.is_file(), "{} is missing; run `cargo xtask test`", built.display());
    built
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// An empty folder of this test.
pub(crate) fn new_folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("hotline-tests-{}-{number}", std::process::id()));
    // A process of an earlier day may have had this id.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Ends a program of a test, whose folder is removed unless the test failed.
pub(crate) fn end(child: &mut Child, folder: &Path) {
    // Ended already, or ended here: both are fine.
    let _ = child.kill();
    let _ = child.wait();
    leave(folder);
}

fn leave(folder: &Path) {
    if std::thread::panicking() {
        eprintln!("left for inspection: {}", folder.display());
    } else {
        let _ = std::fs::remove_dir_all(folder);
    }
}

/// Copies a folder without its `data`.
///
/// # Panics
/// When the disk refuses.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_name() == "data" {
            continue;
        } else if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert!(text.contains(from), "{} has no «{from}»", file.display());
    std::fs::write(file, text.replace(from, to)).expect("written");
}
