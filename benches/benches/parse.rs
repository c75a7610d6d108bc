//! What it costs to read SIP: an INVITE of 1,350 bytes with SDP and digest, a 200 OK, the five routing headers; beside
//! rsip in the same run. `cargo bench -p hotline-benches --bench parse`; instructions by
//! `valgrind --tool=callgrind target/release/deps/parse-… few`.

use std::hint::black_box;

use bytes::Bytes;
use hotline_benches::{Counting, measure, row};
use sip::Message;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    // `-- few` runs each a hundred times, for a tool that counts instructions.
    let few = std::env::args().any(|argument| argument == "few");
    let turns = |many: u32| if few { 100 } else { many };
    let invite = Bytes::from(invite());
    let ok = Bytes::from(ok());
    println!(
        "{:<44}hotline{:>34}",
        format!("INVITE {} bytes, 200 OK {} bytes", invite.len(), ok.len()),
        "rsip"
    );
    let ours = measure(turns(20_000), || {
        black_box(Message::parse_datagram(black_box(invite.clone()))).expect("it is valid");
    });
    let theirs = measure(turns(5_000), || {
        black_box(rsip::SipMessage::try_from(black_box(&invite[..]))).expect("it is valid");
    });
    row("INVITE", ours, Some(theirs));
    let ours = measure(turns(20_000), || {
        black_box(Message::parse_datagram(black_box(ok.clone()))).expect("it is valid");
    });
    let theirs = measure(turns(5_000), || {
        black_box(rsip::SipMessage::try_from(black_box(&ok[..]))).expect("it is valid");
    });
    row("200 OK", ours, Some(theirs));
    let message = Message::parse_datagram(invite).expect("it is valid");
    let typed = measure(turns(20_000), || {
        let headers = black_box(&message).headers();
        let five = (headers.via(), headers.from(), headers.to(), headers.cseq(), headers.contact());
        assert!(black_box(five).0.is_ok());
    });
    row("Via, From, To, CSeq, Contact of the INVITE", typed, None);
    let written = measure(turns(20_000), || {
        black_box(black_box(&message).to_bytes());
    });
    row("INVITE written", written, None);
}

fn invite() -> String {
    let sdp = "v=0\r\no=- 3969471234 3969471234 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
               m=audio 30000 RTP/AVP 8 0 18 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
               a=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\n\
               a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";
    let head = "INVITE sip:4008001234@203.0.113.5:5060;user=phone SIP/2.0\r\n\
         Via: SIP/2.0/UDP 198.51.100.7:5060;rport;branch=z9hG4bK-524287-1---9f3c2a7d5b1e8f60\r\n\
         Via: SIP/2.0/UDP 10.20.30.40:5060;received=198.51.100.9;branch=z9hG4bKPj2b1c9d8e7f6a5b4c3d2e1f\r\n\
         Record-Route: <sip:198.51.100.7:5060;lr;ftag=a73kszlfl>\r\n\
         Max-Forwards: 68\r\n\
         From: \"13800138000\" <sip:+8613800138000@ims.gd.example.cn;user=phone>;tag=a73kszlfl\r\n\
         To: <sip:4008001234@203.0.113.5;user=phone>\r\n\
         Call-ID: f81d4fae-7dec-11d0-a765-00a0c91e6bf6@198.51.100.7\r\n\
         CSeq: 314159 INVITE\r\n\
         Contact: <sip:+8613800138000@198.51.100.7:5060;transport=udp>\r\n\
         Proxy-Authorization: Digest username=\"8613800138000\",realm=\"ims.gd.example.cn\",nonce=\"dcd98b7102dd2f0e\",\
         uri=\"sip:203.0.113.5\",response=\"6629fae49393a05397450978507c4ef1\",algorithm=MD5,cnonce=\"0a4f113b\",qop=auth,nc=00000001\r\n\
         P-Asserted-Identity: <sip:+8613800138000@ims.gd.example.cn;user=phone>\r\n\
         Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO\r\n\
         Supported: 100rel, timer\r\n\
         Session-Expires: 1800;refresher=uac\r\n\
         User-Agent: carrier-sbc/9.1\r\n\
         Content-Type: application/sdp\r\n";
    format!("{head}Content-Length: {}\r\n\r\n{sdp}", sdp.len())
}

fn ok() -> String {
    let sdp = "v=0\r\no=- 1 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\nm=audio 20000 RTP/AVP 8 101\r\n";
    format!(
        "SIP/2.0 200 OK\r\n\
         Via: SIP/2.0/UDP 198.51.100.7:5060;rport=5060;branch=z9hG4bK-524287-1---9f3c2a7d5b1e8f60\r\n\
         From: \"13800138000\" <sip:+8613800138000@ims.gd.example.cn>;tag=a73kszlfl\r\n\
         To: <sip:4008001234@203.0.113.5>;tag=8f2c\r\n\
         Call-ID: f81d4fae-7dec-11d0-a765-00a0c91e6bf6@198.51.100.7\r\n\
         CSeq: 314159 INVITE\r\n\
         Contact: <sip:4008001234@203.0.113.5:5060>\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}
