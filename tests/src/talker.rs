//! Owns a party of one call whose every packet the test itself sends and hears: the least SIP that makes a call, RTP of a
//! tone, and the marks (DSCP) that packets carry. Also whoever sends RTP to ports that are not his.

use std::f64::consts::TAU;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::wav::{alaw, from_alaw};

/// A party of one call.
#[derive(Debug)]
pub struct Talker {
    sip: UdpSocket,
    rtp: UdpSocket,
    switch: SocketAddr,
    dialog: Dialog,
    /// The INVITE of a call that it has not taken yet.
    ringing: Option<String>,
    /// Where the switch wants this party's audio.
    far: Option<SocketAddr>,
    voice: Voice,
    /// What it heard, at 8 kHz.
    pub heard: Vec<i16>,
    /// The mark of the SIP message that came last.
    pub mark: u8,
}

/// What this party's requests begin with, and where they go.
#[derive(Debug, Default)]
struct Dialog {
    from: String,
    to: String,
    call_id: String,
    target: String,
}

/// A stream of one tone.
#[derive(Debug)]
struct Voice {
    hz: f64,
    ssrc: u32,
    packets: u32,
    codes: Vec<u8>,
}

impl Talker {
    /// A party at `host` that says a tone.
    pub fn at(host: impl Into<IpAddr>, switch: SocketAddr, hz: f64) -> Talker {
        let host = host.into();
        let [sip, rtp] = [0, 1].map(|_| socket(host));
        Talker {
            sip,
            rtp,
            switch,
            dialog: Dialog::default(),
            ringing: None,
            far: None,
            voice: Voice::of(hz, 0x1000_0000 + hz as u32),
            heard: Vec::new(),
            mark: 0,
        }
    }

    /// The same party of this switch, which was not there before.
    pub fn of(self, switch: SocketAddr) -> Talker {
        Talker { switch, ..self }
    }

    /// Where it is called.
    pub fn address(&self) -> SocketAddr {
        self.sip.local_addr().expect("a bound socket has an address")
    }

    /// Which SSRC its stream has.
    pub fn ssrc(&self) -> u32 {
        self.voice.ssrc
    }

    /// Where it sends its audio.
    ///
    /// # Panics
    /// Before it is in a call.
    pub fn port(&self) -> SocketAddr {
        self.far.expect("it is in a call")
    }

    /// Calls `number`; [`Talker::answered`] waits for the answer.
    pub fn call(&mut self, number: &str) {
        let (here, switch) = (self.address(), self.switch);
        self.dialog = Dialog {
            from: format!("<sip:13800138000@{here}>;tag=talker"),
            to: format!("<sip:{number}@{switch}>"),
            call_id: format!("{}@{here}", self.voice.ssrc),
            target: format!("sip:{number}@{switch}"),
        };
        let body = self.description();
        self.request(
            "INVITE",
            1,
            &format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
        );
    }

    /// Waits until its call is answered.
    pub fn answered(&mut self) {
        let answer = loop {
            let message = self.receive();
            if message.starts_with("SIP/2.0 200") {
                break message;
            }
            assert!(message.starts_with("SIP/2.0 1"), "{message}");
        };
        self.dialog.to = header(&answer, "To").to_owned();
        let contact = header(&answer, "Contact");
        let uri = contact.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
        self.dialog.target = uri.map_or(contact, |(uri, _)| uri).to_owned();
        self.far = Some(described(&answer));
        self.request("ACK", 1, "Content-Length: 0\r\n\r\n");
    }

    /// Waits for a call and says where it can be heard before it takes it (183).
    pub fn ring(&mut self) {
        let invite = self.rung();
        self.respond(&invite, "183 Session Progress", &self.contact_and_description());
        self.ringing = Some(invite);
    }

    /// Waits for a call and takes it.
    pub fn answer(&mut self) {
        let invite = self.rung();
        self.respond(&invite, "200 OK", &self.contact_and_description());
        let ack = self.receive();
        assert!(ack.starts_with("ACK"), "{ack}");
    }

    /// Says what follows from another port, as another stream: whoever let the phone ring hands over.
    pub fn hand_over(&mut self, hz: f64) {
        self.rtp = socket(self.rtp.local_addr().expect("a bound socket has an address").ip());
        self.voice = Voice::of(hz, self.voice.ssrc + 1);
    }

    fn rung(&mut self) -> String {
        let invite = self.ringing.take().unwrap_or_else(|| self.receive());
        assert!(invite.starts_with("INVITE"), "{invite}");
        self.far = Some(described(&invite));
        invite
    }

    fn contact_and_description(&self) -> String {
        let (here, body) = (self.address(), self.description());
        let length = body.len();
        format!(
            "Contact: <sip:talker@{here}>\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    }

    /// Ends the call that it made.
    pub fn hang_up(&mut self) {
        self.request("BYE", 2, "Content-Length: 0\r\n\r\n");
        let answer = self.receive();
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    }

    /// Waits until the call that it took is ended.
    pub fn hung_up(&mut self) {
        let bye = self.receive();
        assert!(bye.starts_with("BYE"), "{bye}");
        self.respond(&bye, "200 OK", "Content-Length: 0\r\n\r\n");
    }

    /// Asks the switch whether it is there; the mark of its answer.
    pub fn ask(&mut self) -> u8 {
        let (here, switch) = (self.address(), self.switch);
        self.dialog = Dialog {
            from: format!("<sip:13800138000@{here}>;tag=asks"),
            to: format!("<sip:{switch}>"),
            call_id: format!("asks-{}@{here}", self.voice.packets),
            target: format!("sip:{switch}"),
        };
        self.voice.packets += 1;
        self.request("OPTIONS", self.voice.packets, "Content-Length: 0\r\n\r\n");
        let answer = self.receive();
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
        self.mark
    }

    /// Says the next 20 ms.
    pub fn say(&mut self) {
        let packet = self.voice.next();
        self.rtp.send_to(&packet, self.port()).expect("sent");
    }

    /// Hears what has come, and nothing but what comes from its port at the switch.
    pub fn hear(&mut self) {
        self.rtp.set_nonblocking(true).expect("set");
        let mut packet = [0; 2_048];
        while let Some((length, source)) = received(self.rtp.recv_from(&mut packet)) {
            assert_eq!(source, self.port(), "audio of somebody else");
            self.heard.extend(packet[12..length].iter().map(|code| from_alaw(*code)));
        }
    }

    /// The mark of the next packet of audio.
    pub fn mark_heard(&self) -> u8 {
        self.rtp.set_nonblocking(false).expect("set");
        receive_marked(&self.rtp).1
    }

    fn description(&self) -> String {
        let rtp = self.rtp.local_addr().expect("a bound socket has an address");
        let (family, host, port) = (family(rtp.ip()), rtp.ip(), rtp.port());
        format!(
            "v=0\r\no=- 1 1 IN {family} {host}\r\ns=-\r\nc=IN {family} {host}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
        )
    }

    fn request(&self, method: &str, number: u32, rest: &str) {
        let Dialog { from, to, call_id, target } = &self.dialog;
        let here = self.address();
        let text = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{call_id}{method}\r\nMax-Forwards: 70\r\n\
             From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {number} {method}\r\n\
             Contact: <sip:talker@{here}>\r\n{rest}"
        );
        self.sip.send_to(text.as_bytes(), self.switch).expect("sent");
    }

    fn respond(&self, request: &str, status: &str, rest: &str) {
        let copied = ["Via", "From", "To", "Call-ID", "CSeq"].map(|name| {
            let tag =
                if name == "To" && !header(request, "To").contains("tag=") { ";tag=talker" } else { "" };
            format!("{name}: {}{tag}\r\n", header(request, name))
        });
        let text = format!("SIP/2.0 {status}\r\n{}{rest}", copied.concat());
        self.sip.send_to(text.as_bytes(), self.switch).expect("sent");
    }

    fn receive(&mut self) -> String {
        let (bytes, mark) = receive_marked(&self.sip);
        self.mark = mark;
        String::from_utf8(bytes).expect("text")
    }
}

impl Voice {
    fn of(hz: f64, ssrc: u32) -> Voice {
        // A second, which goes on without a step where the tone is a whole number of Hz.
        let codes = (0..8_000)
            .map(|at| alaw((16_000.0 * (TAU * hz * f64::from(at) / 8_000.0).sin()) as i16))
            .collect();
        Voice { hz, ssrc, packets: 0, codes }
    }

    fn next(&mut self) -> Vec<u8> {
        let number = self.packets;
        self.packets += 1;
        let mut packet = vec![0x80, 8];
        packet.extend((number as u16).to_be_bytes());
        packet.extend((number * 160).to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        let at = (number as usize * 160) % 8_000;
        packet.extend(&self.codes[at..at + 160]);
        packet
    }
}

/// Somebody who sends RTP to ports of other people's calls.
#[derive(Debug)]
pub struct Sprayer {
    socket: UdpSocket,
    voice: Voice,
    /// Packets that came to him.
    pub received: u32,
}

impl Sprayer {
    /// One at `host` who says a tone, with the SSRC of somebody else's stream.
    pub fn at(host: Ipv4Addr, hz: f64, ssrc: u32) -> Sprayer {
        let socket = socket(host.into());
        socket.set_nonblocking(true).expect("set");
        Sprayer { socket, voice: Voice::of(hz, ssrc), received: 0 }
    }

    /// What he says, in Hz.
    pub fn hz(&self) -> f64 {
        self.voice.hz
    }

    /// Sends the next 20 ms to each of these ports, and takes what came to him.
    pub fn spray(&mut self, switch: IpAddr, ports: RangeInclusive<u16>) {
        let packet = self.voice.next();
        for port in ports {
            // A full buffer is his own loss.
            let _ = self.socket.send_to(&packet, (switch, port));
        }
        let mut packet = [0; 2_048];
        while received(self.socket.recv_from(&mut packet)).is_some() {
            self.received += 1;
        }
    }
}

/// A socket at `host` that waits long, and is told how what it receives is marked.
fn socket(host: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind((host, 0)).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("set");
    let on: libc::c_int = 1;
    let (level, name) = match host {
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_RECVTOS),
        IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS),
    };
    // SAFETY: an open socket and a readable integer of the size that is named.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    assert_eq!(set, 0, "no marks are told");
    socket
}

/// The next datagram and its mark (DSCP, RFC 2474 §3).
fn receive_marked(socket: &UdpSocket) -> (Vec<u8>, u8) {
    let mut bytes = vec![0; 65_536];
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    let mut control = [0u64; 8];
    // SAFETY: a header of zeros is valid; what it points to outlives the call, with the lengths that are named. The
    // control messages are walked by the system's own macros within what the kernel wrote.
    unsafe {
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = size_of_val(&control);
        let length = libc::recvmsg(socket.as_raw_fd(), &raw mut header, 0);
        assert!(length >= 0, "nothing came: {}", std::io::Error::last_os_error());
        bytes.truncate(length as usize);
        let message = libc::CMSG_FIRSTHDR(&raw const header);
        let marks = [libc::IP_TOS, libc::IPV6_TCLASS];
        assert!(!message.is_null() && marks.contains(&(*message).cmsg_type), "no mark was told");
        (bytes, *libc::CMSG_DATA(message) >> 2)
    }
}

/// What was received; `None` when there is nothing.
fn received<T>(result: std::io::Result<T>) -> Option<T> {
    match result {
        Ok(received) => Some(received),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("{error}"),
    }
}

/// The value of a header field.
fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let line = message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {message}")).trim()
}

/// Where a description wants audio.
fn described(message: &str) -> SocketAddr {
    let host = message.lines().find_map(|line| line.strip_prefix("c=IN IP")?.split(' ').nth(1));
    let port = message.lines().find_map(|line| line.strip_prefix("m=audio ")?.split(' ').next());
    let (host, port) = host.zip(port).unwrap_or_else(|| panic!("no address in {message}"));
    SocketAddr::new(host.parse().expect("an address"), port.parse().expect("a port"))
}

/// How descriptions name an address's version.
fn family(host: IpAddr) -> &'static str {
    if host.is_ipv4() { "IP4" } else { "IP6" }
}

const PATIENCE: Duration = Duration::from_secs(20);
