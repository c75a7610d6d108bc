//! Owns one run of SIPp: a scenario of ours from `sipp/`, its captures, its exit code and what it says of a failure.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::switch::{end, new_folder};
use crate::{Capture, Place, until};

/// A run of SIPp before it starts.
#[derive(Debug)]
pub struct Sipp {
    folder: PathBuf,
    local: SocketAddr,
    arguments: Vec<String>,
}

impl Sipp {
    /// A scenario played from `local`, with each `@NAME@` in it replaced.
    pub fn new(scenario: &str, local: SocketAddr, words: &[(&str, &str)]) -> Sipp {
        let folder = new_folder();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("sipp").join(scenario).with_extension("xml");
        let mut text =
            std::fs::read_to_string(&source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
        // What scenarios share, unless the test has another.
        for (name, word) in words.iter().chain(&SHARED) {
            text = text.replace(&format!("@{name}@"), word);
        }
        std::fs::write(folder.join("scenario.xml"), text).expect("the scenario");
        let host = local.ip().to_string();
        // Each run opens a pair for itself even where it plays captures, which have ports per call.
        let media = 30_000 + 8 * (NEXT_MEDIA.fetch_add(1, Ordering::Relaxed) % 1_000);
        let arguments = ["-sf", "scenario.xml", "-i", &host, "-mi", &host, "-p", &local.port().to_string()];
        Sipp { folder, local, arguments: arguments.map(str::to_owned).to_vec() }
            .with(&["-nostdin", "-trace_err", "-error_file", "errors", "-aa", "-max_socket", "4000"])
            .with(&["-mp", &media.to_string()])
    }

    /// A scenario played from a free port of `host`.
    pub fn at(scenario: &str, host: Ipv4Addr, words: &[(&str, &str)]) -> Sipp {
        Sipp::new(scenario, Place::free(host), words)
    }

    /// Further arguments of SIPp.
    pub fn with(mut self, arguments: &[&str]) -> Sipp {
        self.arguments.extend(arguments.iter().map(ToString::to_string));
        self
    }

    /// Speaks TCP instead of UDP.
    pub fn over_tcp(self) -> Sipp {
        self.with(&["-t", "t1"])
    }

    /// Notes every message in the run's folder; for runs of few calls.
    pub fn traced(self) -> Sipp {
        self.with(&["-trace_msg", "-message_file", "messages"])
    }

    /// What the scenario plays as `speech.pcap`.
    pub fn speaking(self, capture: &Capture) -> Sipp {
        capture.write(&self.folder.join("speech.pcap"));
        self
    }

    /// Writes a file that the scenario reads, such as its fields.
    pub fn reading(self, name: &str, text: &str) -> Sipp {
        std::fs::write(self.folder.join(name), text).expect("a file");
        self.with(&["-inf", name])
    }

    /// Calls `number` at the switch: `calls` in all, `rate` per second.
    pub fn call(self, switch: SocketAddr, number: &str, calls: u32, rate: u32) -> SippRun {
        let (calls, rate) = (calls.to_string(), rate.to_string());
        self.with(&["-s", number, "-m", &calls, "-r", &rate]).start(Some(switch))
    }

    /// What the scenario plays, from a file of others.
    pub fn playing(self, capture: &Path) -> Sipp {
        std::fs::copy(capture, self.folder.join("speech.pcap"))
            .unwrap_or_else(|error| panic!("{}: {error}", capture.display()));
        self
    }

    /// Waits for `calls` calls; returns when it listens.
    pub fn answer(self, calls: u32) -> SippRun {
        let local = self.local;
        let run = self.with(&["-m", &calls.to_string()]).start(None);
        until("SIPp listens", Duration::from_secs(10), || {
            (Place::is_bound(local) || Place::listens(local)).then_some(())
        });
        run
    }

    fn start(self, remote: Option<SocketAddr>) -> SippRun {
        let output = File::create(self.folder.join("output")).expect("a file");
        let mut command = Command::new("sipp");
        command.args(remote.map(|remote| remote.to_string())).args(&self.arguments);
        let child = command
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file"))
            .stderr(output)
            .spawn()
            .expect("sipp starts; Debian: sip-tester");
        SippRun { folder: self.folder, child }
    }
}

/// A run of SIPp that has started.
#[derive(Debug)]
pub struct SippRun {
    folder: PathBuf,
    child: Child,
}

impl SippRun {
    /// Waits for its end.
    ///
    /// # Panics
    /// When a call of it failed, or it has not ended in time.
    pub fn succeed(mut self, limit: Duration) {
        let status = until("the end of SIPp", limit, || self.child.try_wait().expect("its status"));
        assert!(status.success(), "SIPp ends with {status}:\n{}", self.errors());
    }

    /// Every message of a [traced](Sipp::traced) run so far, as SIPp wrote them down.
    pub fn messages(&self) -> String {
        std::fs::read_to_string(self.folder.join("messages")).unwrap_or_default()
    }

    /// Waits for its end, and returns what a [traced](Sipp::traced) run sent and received.
    ///
    /// # Panics
    /// When a call of it failed, or it has not ended in time.
    pub fn succeed_traced(mut self, limit: Duration) -> String {
        let status = until("the end of SIPp", limit, || self.child.try_wait().expect("its status"));
        assert!(status.success(), "SIPp ends with {status}:\n{}", self.errors());
        self.messages()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("its status").is_none()
    }

    /// Ends it in the middle; its verdict does not count.
    pub fn abandon(mut self) {
        self.child.kill().expect("its end");
        let _: ExitStatus = self.child.wait().expect("its status");
    }

    fn errors(&self) -> String {
        let read = |name: &str| std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        let head: String = read("errors").chars().take(4_000).collect();
        let screen = read("output");
        let lines: Vec<&str> = screen.lines().collect();
        format!("{head}\n{}", lines[lines.len().saturating_sub(45)..].join("\n"))
    }
}

impl Drop for SippRun {
    fn drop(&mut self) {
        end(&mut self.child, &self.folder);
    }
}

/// Words that scenarios share: a caller's header fields, and its description.
const SHARED: [(&str, &str); 8] = [
    (
        "BEGINS",
        "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      From: <sip:13800138000@[local_ip]:[local_port]>;tag=[call_number]
      To: <sip:[service]@[remote_ip]:[remote_port]>
      Call-ID: [call_id]
      Contact: <sip:13800138000@[local_ip]:[local_port]>
      Max-Forwards: 70",
    ),
    (
        "WITHIN",
        "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      [routes]
      From: <sip:13800138000@[local_ip]:[local_port]>;tag=[call_number]
      To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
      Call-ID: [call_id]
      Max-Forwards: 70",
    ),
    (
        "ANSWERS",
        "[last_Via:]
      [last_From:]
      [last_To:]
      [last_Call-ID:]
      [last_CSeq:]
      Contact: <sip:13800138000@[local_ip]:[local_port]>",
    ),
    (
        "SDP",
        "Content-Type: application/sdp
      Content-Length: [len]

      v=0
      o=- 1 1 IN IP[local_ip_type] [local_ip]
      s=-
      c=IN IP[media_ip_type] [media_ip]
      t=0 0
      m=audio [auto_media_port] RTP/AVP 8 @EVENTS@
      a=rtpmap:8 PCMA/8000
      a=rtpmap:@EVENTS@ telephone-event/8000
      a=fmtp:@EVENTS@ 0-15
      a=ptime:20",
    ),
    // The payload type of keys.
    ("EVENTS", "101"),
    // What a phone watches, and the end of a call that it sees.
    ("PACKAGE", "dialog"),
    ("SHOWS", "application/dialog-info+xml"),
    ("OVER", "terminated&lt;/state&gt;"),
];

static NEXT_MEDIA: AtomicU32 = AtomicU32::new(0);
