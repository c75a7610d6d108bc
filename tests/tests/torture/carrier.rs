//! Owns the carrier that asks: sends a message, and puts the switch's answer into the document's words.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use hotline_tests::Place;
use md5::{Digest as _, Md5};

use super::message;

/// A trunk's sender: `Place::mine().carrier`, on every port that its messages name.
pub struct Carrier {
    switch: SocketAddr,
    sockets: BTreeMap<u16, UdpSocket>,
    probes: u32,
}

/// One thing that came back.
enum Heard {
    /// A final response to the message asked: its status and all of it.
    Final(u16, Vec<u8>),
    /// The answer to the probe.
    Probe,
    /// A STUN response.
    Stun,
}

impl Carrier {
    /// Asks `switch`.
    pub fn new(switch: SocketAddr) -> Carrier {
        Carrier { switch, sockets: BTreeMap::new(), probes: 0 }
    }

    /// The answer to `raw`, in the words of `expected` where there is a choice of what to ask.
    pub fn ask(&mut self, transport: &str, raw: &[u8], expected: &str) -> String {
        match transport {
            "UDP" => self.ask_datagram(raw, expected),
            _ => self.ask_stream(raw, expected),
        }
    }

    /// What comes back over UDP; silence is what a probe behind the message overtakes.
    fn ask_datagram(&mut self, raw: &[u8], expected: &str) -> String {
        self.bind(SIP_PORT);
        for port in message::ports(raw) {
            self.bind(port);
        }
        self.send(raw);
        if expected == "silence" {
            let probe = self.probe();
            self.send(&probe);
        }
        match self.hear(raw) {
            Some(Heard::Final(401, response)) if expected.contains('→') => {
                let again = credentials(message::first_of(raw), &response);
                self.send(&again);
                match self.hear(&again) {
                    Some(Heard::Final(status, _)) => format!("401→{status}"),
                    _ => "401→silence".to_owned(),
                }
            }
            Some(Heard::Final(status, _)) => status.to_string(),
            Some(Heard::Stun) => "STUN".to_owned(),
            Some(Heard::Probe) => "silence".to_owned(),
            None => "nothing, and no answer to a probe".to_owned(),
        }
    }

    fn bind(&mut self, port: u16) {
        let host = Place::mine().carrier;
        self.sockets.entry(port).or_insert_with(|| UdpSocket::bind((host, port)).expect("a port of our own"));
    }

    fn send(&self, datagram: &[u8]) {
        let sent = self.sockets[&SIP_PORT].send_to(datagram, self.switch);
        assert_eq!(sent.expect("sent"), datagram.len());
    }

    /// An OPTIONS that the switch answers.
    fn probe(&mut self) -> Vec<u8> {
        self.probes += 1;
        let (number, host) = (self.probes, Place::mine().carrier);
        let text = format!(
            "OPTIONS sip:probe@example.com SIP/2.0\r\nVia: SIP/2.0/UDP {host};rport;branch=z9hG4bKprobe{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:probe@example.com>;tag=p\r\nTo: <sip:probe@example.com>\r\n\
             Call-ID: {PROBE}{number}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        text.into_bytes()
    }

    /// The next final answer to `raw`, or the probe's; `None` when nothing comes.
    fn hear(&self, raw: &[u8]) -> Option<Heard> {
        let sockets: Vec<&UdpSocket> = self.sockets.values().collect();
        let mut waits: Vec<libc::pollfd> = sockets
            .iter()
            .map(|socket| libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 })
            .collect();
        let mut buffer = vec![0; 65_536];
        loop {
            // SAFETY: an array of that many entries.
            let ready = unsafe { libc::poll(waits.as_mut_ptr(), waits.len() as libc::nfds_t, WAIT_MILLIS) };
            if ready <= 0 {
                return None;
            }
            for (socket, wait) in sockets.iter().zip(&waits) {
                if wait.revents == 0 {
                    continue;
                }
                // An error of an earlier send is no answer.
                let Ok(length) = socket.recv(&mut buffer) else { continue };
                let came = &buffer[..length];
                if came.starts_with(b"\x01\x01") {
                    return Some(Heard::Stun);
                }
                let Some(status) = final_status(came) else { continue };
                let call_id = message::call_id(came);
                if call_id.is_some_and(|id| id.starts_with(PROBE.as_bytes())) {
                    return Some(Heard::Probe);
                }
                if call_id == message::call_id(raw) {
                    return Some(Heard::Final(status, came.to_vec()));
                }
            }
        }
    }

    /// What comes back over TCP: every final answer, and whether the switch closes the stream.
    fn ask_stream(&mut self, raw: &[u8], expected: &str) -> String {
        let mut stream = self.connect();
        write_in_pieces(&mut stream, raw);
        if expected == "waits" {
            return self.hang_up_within(stream);
        }
        let wanted =
            expected.split(" + ").filter(|one| one.starts_with(|c: char| c.is_ascii_digit())).count();
        let mut came = Vec::new();
        while finals(&came).len() < wanted {
            match read_more(&mut stream, &mut came) {
                Stream::Open => {}
                ended => return words(&finals(&came), ended),
            }
        }
        let state = self.still_open(&mut stream, &mut came);
        let mut answers = finals(&came);
        let challenge = answers.iter_mut().find(|status| *status == "401");
        if let (Some(first), true) = (challenge, expected.contains('→')) {
            let again = credentials(message::first_of(raw), &came);
            let mut second = self.connect();
            write_in_pieces(&mut second, &again);
            let mut granted = Vec::new();
            while finals(&granted).is_empty() && read_more(&mut second, &mut granted) == Stream::Open {}
            *first = format!("{first}→{}", finals(&granted).first().map_or("silence", String::as_str));
        }
        words(&answers, state)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.switch).expect("a connection");
        stream.set_nodelay(true).expect("an option");
        stream.set_read_timeout(Some(Duration::from_millis(WAIT_MILLIS as u64))).expect("an option");
        stream
    }

    /// A probe behind the message: answered while the stream is read, else the stream is closed.
    fn still_open(&mut self, stream: &mut TcpStream, came: &mut Vec<u8>) -> Stream {
        let probe = self.probe();
        // The switch may have closed it already, which the reader sees.
        let _ = stream.write_all(&probe);
        let marker = format!("Call-ID: {PROBE}");
        while !came.windows(marker.len()).any(|window| window == marker.as_bytes()) {
            match read_more(stream, came) {
                Stream::Open => {}
                ended => return ended,
            }
        }
        Stream::Open
    }

    /// The message is not whole: nothing may come before the peer gives up.
    fn hang_up_within(&self, mut stream: TcpStream) -> String {
        stream.shutdown(std::net::Shutdown::Write).expect("half closed");
        let mut came = Vec::new();
        while read_more(&mut stream, &mut came) == Stream::Open {}
        if came.is_empty() { "waits".to_owned() } else { words(&finals(&came), Stream::Closed) }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Open,
    Closed,
    /// Open, and nothing comes.
    Stuck,
}

fn words(finals: &[String], state: Stream) -> String {
    let said = if finals.is_empty() { "silence".to_owned() } else { finals.join(" + ") };
    match state {
        Stream::Open => said,
        Stream::Closed => format!("{said}, closed"),
        Stream::Stuck => format!("{said}, and nothing more in 5 s"),
    }
}

/// Byte by byte; a long one in larger pieces, since a megabyte of system calls says no more than a thousand.
fn write_in_pieces(stream: &mut TcpStream, raw: &[u8]) {
    let size = if raw.len() > 6_000 { 701 } else { 1 };
    for piece in raw.chunks(size) {
        if stream.write_all(piece).is_err() {
            return; // closed: what was said before it is there to be read
        }
    }
}

fn read_more(stream: &mut TcpStream, came: &mut Vec<u8>) -> Stream {
    let mut piece = [0; 4_096];
    match stream.read(&mut piece) {
        Ok(0) => Stream::Closed,
        Ok(length) => {
            came.extend_from_slice(&piece[..length]);
            Stream::Open
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Stream::Stuck,
        // Closed while something of ours was unread.
        Err(_) => Stream::Closed,
    }
}

fn final_status(message: &[u8]) -> Option<u16> {
    let rest = message.strip_prefix(b"SIP/2.0 ")?;
    std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok().filter(|status| *status >= 200)
}

/// The statuses of all final responses in a stream, the probe's apart.
fn finals(came: &[u8]) -> Vec<String> {
    let starts: Vec<usize> = came
        .windows(8)
        .enumerate()
        .filter(|(at, window)| *window == b"SIP/2.0 " && (*at == 0 || came[at - 1] == b'\n'))
        .map(|(at, _)| at)
        .collect();
    // Two messages of one stream are answered by different tasks, in any order.
    let ours = |at: &usize| {
        let status = final_status(&came[*at..])?;
        let probe = message::call_id(&came[*at..]).is_some_and(|id| id.starts_with(PROBE.as_bytes()));
        (!probe).then(|| status.to_string())
    };
    let mut found: Vec<String> = starts.iter().filter_map(ours).collect();
    found.sort();
    found
}

/// The request again, with the document's password for the user of its To.
fn credentials(raw: &[u8], challenged: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(challenged);
    let challenge =
        text.lines().find(|line| line.starts_with("WWW-Authenticate: Digest")).expect("a challenge");
    let value = |name: &str| {
        let at = challenge.find(&format!("{name}=\"")).unwrap_or_else(|| panic!("{name} in {challenge}"));
        challenge[at + name.len() + 2..].split('"').next().unwrap_or_default()
    };
    let (realm, nonce) = (value("realm"), value("nonce"));
    let text = String::from_utf8_lossy(raw);
    let to = text.lines().find(|line| line.starts_with("To:")).expect("a To");
    let user = to.split("sip:").nth(1).and_then(|rest| rest.split('@').next()).expect("a user");
    let (uri, nc, cnonce) = ("sip:example.com", "00000001", "torture");
    let hash = |text: String| {
        Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let first = hash(format!("{user}:{realm}:{PASSWORD}"));
    let second = hash(format!("REGISTER:{uri}"));
    let response = hash(format!("{first}:{nonce}:{nc}:{cnonce}:auth:{second}"));
    let line = format!(
        "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", algorithm=MD5, qop=auth, nc={nc}, cnonce=\"{cnonce}\""
    );
    message::with_header(&message::as_next_request(raw), &line)
}

const SIP_PORT: u16 = 5060;
const WAIT_MILLIS: i32 = 5_000;
const PROBE: &str = "probe-of-the-exam-";
const PASSWORD: &str = "torture";
