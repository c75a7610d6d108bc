//! What a switch knows after its process was killed.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use sip::auth::Login;
use sip::{Message, Request};

#[test]
fn a_killed_switch_knows_its_phones_and_what_its_agents_chose() {
    let folder = Folder::new();
    let mut switch = Switch::start(&folder.0);
    let phone = Phone::new(switch.sip);
    phone.register("8001", "change-me-8001");
    folder.ask(&["agents", "set", "8001", "break", "--reason", "用餐"]);
    let before = folder.until_saved();
    assert_eq!(before.bindings.len(), 1, "{before:?}");
    assert_eq!(before.agent["state"]["reason"], "用餐", "{before:?}");
    switch.kill();
    let mut switch = Switch::start(&folder.0);
    let after = folder.known();
    assert_eq!((&after.agent["state"], &after.agent["activity"]), (&before.agent["state"], &"idle".into()));
    assert_eq!(after.agent["since"], before.agent["since"]);
    let (was, is) = (&before.bindings[0], &after.bindings[0]);
    assert_eq!((&was["contact"], &was["source"]), (&is["contact"], &is["source"]));
    let neighbour = folder.agent("8002");
    assert_eq!(neighbour["state"]["state"], "offline", "{neighbour}");
    switch.kill();
}

/// What is seen of phone and agent 8001.
#[derive(Debug)]
struct Known {
    agent: Value,
    bindings: Vec<Value>,
}

/// A copy of the starter set on free ports; it goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let folder = std::env::temp_dir().join(format!("hotline-restart-test-{}", std::process::id()));
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/starter"), &folder);
        let main = folder.join("hotline.toml");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).unwrap();
        let text = std::fs::read_to_string(&main).unwrap().replace("127.0.0.1:5060", "127.0.0.1:0");
        std::fs::write(&main, format!("{text}\n[api]\nlisten = \"{free}\"\n")).unwrap();
        Folder(folder)
    }

    fn ask(&self, words: &[&str]) -> Value {
        let output = hotline().args(words).args(["--json", "--config"]).arg(&self.0).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn agent(&self, id: &str) -> Value {
        let agents = self.ask(&["agents", "list"]);
        agents.as_array().unwrap().iter().find(|agent| agent["id"] == id).unwrap().clone()
    }

    fn known(&self) -> Known {
        let phones = self.ask(&["phones"]);
        let phone = phones.as_array().unwrap().iter().find(|phone| text(&phone["aor"]).starts_with("8001@"));
        Known { agent: self.agent("8001"), bindings: phone.unwrap()["bindings"].as_array().unwrap().clone() }
    }

    /// Waits until both are on disk, and tells what the switch says of them.
    fn until_saved(&self) -> Known {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let saved = async || {
            let store = store::Store::open_read_only(&self.0.join("data")).await.unwrap();
            let agents = store.snapshots(store::Kind::Agent).await.unwrap();
            let phones = store.snapshots(store::Kind::Registration).await.unwrap();
            agents.iter().any(|row| row.key == "8001" && row.value["state"] == "break") && phones.len() == 1
        };
        let both = async {
            while !saved().await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), both).await }).expect("saved");
        self.known()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }
}

struct Switch {
    child: Child,
    sip: SocketAddr,
}

impl Switch {
    fn start(folder: &Path) -> Switch {
        let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
        let mut child = hotline()
            .args(["run", "--json", "--config"])
            .arg(folder)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut output, &mut ready).unwrap();
        let ready: Value = serde_json::from_str(&ready).expect("the switch is ready");
        Switch { child, sip: text(&ready["listeners"][0]).parse().unwrap() }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        // Killed already, or the test failed: both are fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Phone {
    socket: UdpSocket,
}

impl Phone {
    fn new(switch: SocketAddr) -> Phone {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(switch).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Phone { socket }
    }

    fn register(&self, user: &str, password: &str) {
        let challenged = self.exchange(&self.request(user, 1));
        assert_eq!(challenged.status, 401);
        let mut again = self.request(user, 2);
        let login = Login { user: user.into(), password: password.into(), realm: None };
        login.answer(&challenged, &mut again, "cnonce", 1).unwrap();
        assert_eq!(self.exchange(&again).status, 200);
    }

    fn request(&self, user: &str, cseq: u32) -> Request {
        let (own, switch) = (self.socket.local_addr().unwrap(), self.socket.peer_addr().unwrap());
        let text = format!(
            "REGISTER sip:{switch} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{cseq};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@{switch}>;tag=1\r\nTo: <sip:{user}@{switch}>\r\n\
             Call-ID: restart\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:{user}@{own}>\r\nExpires: 600\r\n\
             Content-Length: 0\r\n\r\n"
        );
        match Message::parse_datagram(Bytes::from(text)) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    fn exchange(&self, request: &Request) -> sip::Response {
        self.socket.send(&request.to_bytes()).unwrap();
        let mut bytes = [0; 2048];
        let length = self.socket.recv(&mut bytes).unwrap();
        match Message::parse_datagram(Bytes::copy_from_slice(&bytes[..length])) {
            Ok(Message::Response(response)) => response,
            other => panic!("{other:?}"),
        }
    }
}

fn hotline() -> Command {
    Command::new(env!("CARGO_BIN_EXE_hotline"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), &target).unwrap()),
        }
    }
}
