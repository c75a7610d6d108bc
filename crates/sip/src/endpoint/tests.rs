//! Each arrow of figures 5–8 of RFC 3261 as amended by RFC 6026, by its number in `client.rs` and `server.rs`.

mod client;
mod inspect;
mod large;
mod matching;
mod server;

use std::time::Duration;

use bytes::Bytes;
use clock::Instant;

use super::{Advertised, ClientTx, Endpoint, EndpointConfig, Flow, Output, ServerTx, Transport};
use crate::message::{Message, Request, Response};

/// An endpoint, its clock, and what it put out.
struct World {
    ep: Endpoint,
    now: Instant,
}

impl World {
    fn new() -> World {
        let advertised = vec![Advertised::new("198.51.100.1", 5060)];
        let ep = Endpoint::new(EndpointConfig { advertised, secret: [7; 16], ..EndpointConfig::default() });
        World { ep, now: Instant::from_secs(100) }
    }

    /// Lets time pass, stopping at each deadline; what was sent, with the milliseconds since the call.
    fn pass(&mut self, length: Duration) -> Vec<(u64, Output)> {
        let (start, end) = (self.now, self.now + length);
        let mut seen = Vec::new();
        while let Some(due) = self.ep.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.ep.handle_timeout(self.now);
            let millis = self.now.since(start).as_millis() as u64;
            seen.extend(self.drain().into_iter().map(|output| (millis, output)));
        }
        self.now = end;
        seen
    }

    fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.ep.poll_output()).collect()
    }

    fn receive(&mut self, flow: Flow, text: &str) -> Vec<Output> {
        self.ep.receive(self.now, flow, Bytes::from(text.replace('\n', "\r\n")));
        self.drain()
    }
}

const PEER: &str = "192.0.2.4:5060";

fn udp() -> Flow {
    Flow::udp(0, PEER.parse().unwrap())
}

fn tcp() -> Flow {
    Flow { transport: Transport::Tcp, connection: Some(1), ..udp() }
}

/// When messages were transmitted, and their start lines.
fn sent(outputs: &[(u64, Output)]) -> Vec<(u64, String)> {
    let lines = outputs.iter().filter_map(|(at, output)| Some((*at, start_line(output)?)));
    lines.collect()
}

fn start_line(output: &Output) -> Option<String> {
    let Output::Transmit { bytes, .. } = output else { return None };
    let text = String::from_utf8_lossy(bytes).into_owned();
    Some(text.lines().next().unwrap_or_default().to_owned())
}

fn transmitted(outputs: &[Output]) -> Vec<Bytes> {
    let bytes = outputs.iter().filter_map(|output| match output {
        Output::Transmit { bytes, .. } => Some(bytes.clone()),
        _ => None,
    });
    bytes.collect()
}

fn request_of(outputs: &[Output]) -> (ServerTx, Request) {
    let found = outputs.iter().find_map(|output| match output {
        Output::Request { tx, request, .. } => Some((*tx, request.clone())),
        _ => None,
    });
    found.expect("a request for the application")
}

fn responses(outputs: &[Output]) -> Vec<u16> {
    let statuses = outputs.iter().filter_map(|output| match output {
        Output::Response { response, .. } => Some(response.status),
        _ => None,
    });
    statuses.collect()
}

fn parse_request(bytes: &Bytes) -> Request {
    match Message::parse_datagram(bytes.clone()).expect("what was sent can be read") {
        Message::Request(request) => request,
        Message::Response(response) => panic!("expected a request, found {}", response.status),
    }
}

/// The peer's answer to `request`, with a To tag unless it is a 100.
fn answer(request: &Request, status: u16, tag: &str) -> Response {
    let mut response = Response::to(request, status);
    if status > 100 {
        response.set_to_tag(tag).unwrap();
        response.headers.push("Contact", "<sip:callee@192.0.2.4:5060>");
    }
    response
}

const MILLIS: fn(u64) -> Duration = Duration::from_millis;
const SECS: fn(u64) -> Duration = Duration::from_secs;

fn timed_out(outputs: &[(u64, Output)]) -> Vec<(u64, ClientTx)> {
    let found = outputs.iter().filter_map(|(at, output)| match output {
        Output::TimedOut { tx } => Some((*at, *tx)),
        _ => None,
    });
    found.collect()
}
