//! What it costs the signalling path that the messages of calls are kept for `calls trace`: one message in, one out, of a
//! full ring. `cargo bench -p hotline-benches --bench capture`

use std::time::Duration;

use bytes::Bytes;
use clock::Instant;
use hotline_benches::{Cost, Counting, measure, row};
use model::{CallId, TenantId};
use sip::endpoint::{Flow, Transport};
use sip_net::{Capture, CaptureLimits, Way};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    println!("{:<44}one message", "");
    let (invite, ok) = (message("INVITE sip:4008001234@203.0.113.5 SIP/2.0"), message("SIP/2.0 200 OK"));
    println!("{:<44}{} bytes", "", invite.len());
    row("INVITE in by UDP, kept", keep(&invite, Way::In, Transport::Udp), None);
    row("INVITE in by TLS, kept", keep(&invite, Way::In, Transport::Tls), None);
    row("200 OK out, kept", keep(&ok, Way::Out, Transport::Udp), None);
    let off = Capture::new(1, CaptureLimits::OFF);
    let flow = Flow::udp(0, ([192, 0, 2, 1], 5060).into());
    row("switched off", measure(100_000, || off.keep(0, Instant::ZERO, Way::In, flow, &invite)), None);
}

/// Into a ring that is full: each message takes the place of the oldest.
fn keep(message: &Bytes, way: Way, transport: Transport) -> Cost {
    const KEPT: usize = 50_000;
    let limits = CaptureLimits { messages: KEPT, bytes: 1 << 30, age: Duration::from_secs(1_800) };
    let capture = Capture::new(1, limits);
    let flow = Flow { transport, ..Flow::udp(0, ([192, 0, 2, 1], 5060).into()) };
    capture.name(0, TenantId::default(), CallId::from(1 << 8), CALL_ID);
    let mut now = Instant::ZERO;
    for _ in 0..KEPT {
        capture.keep(0, now, way, flow, message);
    }
    assert_eq!(capture.size().0, KEPT);
    measure(20_000, || {
        now += Duration::from_micros(100);
        capture.keep(0, now, way, flow, message);
    })
}

/// With the headers of a carrier, the Call-ID in their middle.
fn message(first: &str) -> Bytes {
    let via = "Via: SIP/2.0/UDP 198.51.100.7:5060;rport;branch=z9hG4bK-524287-1---9f3c2a7d5b1e8f60\r\n";
    let from = "From: \"13800138000\" <sip:+8613800138000@ims.gd.example.cn;user=phone>;tag=a73kszlfl\r\n";
    let to = "To: <sip:4008001234@203.0.113.5;user=phone>\r\nMax-Forwards: 68\r\n";
    let rest = "CSeq: 314159 INVITE\r\nContact: <sip:+8613800138000@198.51.100.7:5060>\r\n";
    let body = "a=sendrecv\r\n".repeat(50);
    Bytes::from(format!("{first}\r\n{via}{via}{from}{to}Call-ID: {CALL_ID}\r\n{rest}\r\n{body}"))
}

const CALL_ID: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6@198.51.100.7";
