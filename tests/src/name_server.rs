//! Owns a small name server on loopback: it answers what it was given, and that there is nothing else. RFC 1035, RFC 2782.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use crate::Place;

/// One record of a name.
#[derive(Clone, Debug)]
pub enum Named {
    /// An address.
    Address(Ipv4Addr),
    /// A service: its priority, port and host.
    Service(u16, u16, &'static str),
}

/// A running name server; it ends with the test process.
#[derive(Debug)]
pub struct NameServer {
    /// Where it listens.
    pub at: SocketAddr,
}

impl NameServer {
    /// A server that knows these names.
    pub fn start(records: &[(&'static str, Named)]) -> NameServer {
        let socket = UdpSocket::bind((Place::mine().stranger, 0)).expect("a free port");
        let at = socket.local_addr().expect("a bound socket has an address");
        let records = records.to_vec();
        std::thread::spawn(move || {
            let mut buffer = [0; 1_500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                if let Some(answer) = answer(&buffer[..length], &records) {
                    // Who asked may be gone already.
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        NameServer { at }
    }

    /// The table of `hotline.toml` that asks this server alone.
    pub fn table(&self) -> String {
        format!("[dns]\nservers = [\"{}\"]\n", self.at)
    }
}

/// The answer to one question.
fn answer(question: &[u8], records: &[(&str, Named)]) -> Option<Vec<u8>> {
    let (name, after) = name(question)?;
    let asked = u16::from_be_bytes([*question.get(after)?, *question.get(after + 1)?]);
    let of_name: Vec<&Named> =
        records.iter().filter(|(known, _)| *known == name).map(|(_, data)| data).collect();
    let found: Vec<&&Named> = of_name.iter().filter(|data| data.kind() == asked).collect();
    let mut answer = question.get(..2)?.to_vec();
    // A response with recursion; that a name is unknown is code 3.
    answer.extend([0x81, if of_name.is_empty() { 0x83 } else { 0x80 }]);
    answer.extend([0, 1, 0, u8::try_from(found.len()).ok()?, 0, 0, 0, 0]);
    answer.extend(question.get(HEADER..after + 4)?);
    for data in found {
        // The question's name again, class IN, 60 s.
        answer.extend([0xC0, 0x0C]);
        answer.extend(data.kind().to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 60]);
        let data = data.bytes();
        answer.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
        answer.extend(data);
    }
    Some(answer)
}

/// The question's name, lower case, and where its type begins.
fn name(question: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), HEADER);
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        let label = question.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += length;
    }
}

impl Named {
    fn kind(&self) -> u16 {
        match self {
            Named::Address(_) => 1,
            Named::Service(..) => 33,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Named::Address(address) => address.octets().to_vec(),
            Named::Service(priority, port, host) => {
                let mut bytes = [priority.to_be_bytes(), [0; 2], port.to_be_bytes()].concat();
                for label in host.split('.') {
                    bytes.push(u8::try_from(label.len()).expect("a short label"));
                    bytes.extend(label.bytes());
                }
                bytes.push(0);
                bytes
            }
        }
    }
}

/// Where the question begins.
const HEADER: usize = 12;
