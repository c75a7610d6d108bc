//! Owns the messages that are asked, and what a sender must know of them: written without the switch's own parser.

use std::path::Path;

/// A file of a corpus below `crates/`.
pub fn read(folder: &str, file: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates").join(folder).join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Where the value of the first header called one of `names` lies; folds belong to it.
fn value_of(message: &[u8], names: [&[u8]; 2]) -> Option<std::ops::Range<usize>> {
    let mut at = 0;
    while at < message.len() {
        let mut end = line_end(message, at);
        while message.get(end).is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
            end = line_end(message, end);
        }
        let line = &message[at..end];
        // The empty lines before a message are none of its head.
        if line.trim_ascii().is_empty() && message[..at].iter().any(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        if let Some(colon) = line.iter().position(|byte| *byte == b':')
            && names.iter().any(|name| line[..colon].trim_ascii().eq_ignore_ascii_case(name))
        {
            let from = at + colon + 1;
            let value = &message[from..end];
            let lead = value.len() - value.trim_ascii_start().len();
            return Some(from + lead..from + lead.max(value.trim_ascii_end().len()));
        }
        at = end;
    }
    None
}

fn line_end(text: &[u8], at: usize) -> usize {
    text[at..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |length| at + length + 1)
}

/// The Call-ID of a message.
pub fn call_id(message: &[u8]) -> Option<&[u8]> {
    value_of(message, [b"call-id", b"i"]).map(|range| &message[range])
}

/// What a receiver matches a request by: RFC 3261 §17.2.3.
pub fn transaction(message: &[u8]) -> Option<Vec<u8>> {
    let method = message.split(|byte| *byte == b' ').next()?;
    let via = value_of(message, [b"via", b"v"]).map(|range| &message[range])?;
    let hop = via.split(|byte| *byte == b',').next()?;
    let hop: Vec<u8> = hop.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    Some([method, b" ", &hop].concat())
}

/// Every port that stands behind a colon: answers may go to one of them (RFC 3261 §18.2.2).
pub fn ports(message: &[u8]) -> Vec<u16> {
    let digits = |text: &[u8]| {
        let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
        std::str::from_utf8(&text[..end]).ok()?.parse::<u16>().ok().filter(|port| *port > 0)
    };
    let colons = message.iter().take(4_096).enumerate().filter(|(_, byte)| **byte == b':');
    colons.filter_map(|(at, _)| digits(&message[at + 1..])).collect()
}

/// The message with a Call-ID and branches of its own.
pub fn made_unique(message: &[u8], mark: &str) -> Vec<u8> {
    let mut out = message.to_vec();
    if let Some(range) = value_of(&out, [b"call-id", b"i"]) {
        out.splice(range.end..range.end, mark.bytes());
    }
    let cookie = b"z9hG4bK";
    let mut at = 0;
    while let Some(hit) = out[at..].windows(cookie.len()).position(|window| window == cookie) {
        at += hit + cookie.len();
        out.splice(at..at, mark.bytes());
    }
    out
}

/// The message with a header field before all others.
pub fn with_header(message: &[u8], line: &str) -> Vec<u8> {
    let at = line_end(message, 0);
    [&message[..at], line.as_bytes(), b"\r\n", &message[at..]].concat()
}

/// The message as its sender repeats it after a challenge: another branch, the next CSeq.
pub fn as_next_request(message: &[u8]) -> Vec<u8> {
    let mut out = made_unique(message, "again");
    // The Call-ID stays (RFC 3261 §22.2).
    if let (Some(old), Some(new)) = (call_id(message), value_of(&out, [b"call-id", b"i"])) {
        out.splice(new, old.iter().copied());
    }
    let range = value_of(&out, [b"cseq", b"cseq"]).expect("a CSeq");
    let text = String::from_utf8_lossy(&out[range.clone()]).into_owned();
    let (number, method) = text.split_once(char::is_whitespace).expect("number and method");
    let number: u32 = number.parse().expect("a number");
    out.splice(range, format!("{} {}", number + 1, method.trim()).bytes());
    out
}

/// The first message of a datagram that holds more, by its Content-Length of 0.
pub fn first_of(message: &[u8]) -> &[u8] {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n").map_or(message.len(), |at| at + 4);
    &message[..end]
}

/// An INVITE to the bench's first number with this body.
pub fn invite(mark: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    request("INVITE", NUMBER, mark, &[&format!("Content-Type: {kind}")], body)
}

fn request(method: &str, user: &str, mark: &str, lines: &[&str], body: &[u8]) -> Vec<u8> {
    let extra: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let head = format!(
        "{method} sip:{user}@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.4;branch=z9hG4bK{mark}\r\n\
         From: <sip:caller@example.com>;tag={mark}\r\nTo: <sip:{user}@example.com>\r\nCall-ID: {mark}@example.com\r\n\
         CSeq: 1 {method}\r\nContact: <sip:caller@192.0.2.4>\r\n{extra}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

const NUMBER: &str = "4000000001";
const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.4\r\ns=-\r\nc=IN IP4 192.0.2.4\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";

/// The message that a row of «Limits and bodies» names.
pub fn special(name: &str, mark: &str) -> Vec<u8> {
    let mark = mark.replace(' ', "-");
    let mark = mark.as_str();
    let sdp = SDP.as_bytes();
    let parts = |kind: &str, others: &str| {
        let body = format!(
            "--b\r\n{others}\r\n\r\nx\r\n--b\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--b--\r\n"
        );
        invite(mark, &format!("multipart/{kind};boundary=b"), body.as_bytes())
    };
    match name {
        "multipart/mixed" => parts("mixed", "Content-Type: application/ISUP;version=itu-t92+"),
        "multipart/alternative" => parts("alternative", "Content-Type: text/plain"),
        "required part" => {
            parts("mixed", "Content-Type: application/ISUP\r\nContent-Disposition: signal;handling=required")
        }
        "no boundary" => invite(mark, "multipart/mixed", sdp),
        "wsinv.dat without To tag" => {
            let text = read("sip/tests/rfc4475", "wsinv.dat");
            let tag = b" ;   tag    = 1918181833n";
            let at = text.windows(tag.len()).position(|window| window == tag).expect("its tag");
            made_unique(&[&text[..at], &text[at + tag.len()..]].concat(), mark)
        }
        "257 header fields" => {
            let many: Vec<String> = (0..250).map(|number| format!("X-{number}: x")).collect();
            let many: Vec<&str> = many.iter().map(String::as_str).collect();
            request("INVITE", NUMBER, mark, &many, b"")
        }
        "head of 40,000 bytes" => {
            request("INVITE", NUMBER, mark, &[&format!("X-Long: {}", "x".repeat(40_000))], b"")
        }
        "Request-URI of 5,000 bytes" => request("INVITE", &"4".repeat(5_000), mark, &[], b""),
        "Content-Length: 70000" => {
            let short = request("INVITE", NUMBER, mark, &["Content-Type: application/sdp"], b"");
            let at = short.windows(17).position(|window| window == b"Content-Length: 0").expect("a length");
            [&short[..at], b"Content-Length: 70000\r\n\r\n".as_slice(), sdp].concat()
        }
        "packed body" => {
            let lines = ["Content-Type: application/sdp", "Content-Encoding: gzip"];
            request("INVITE", NUMBER, mark, &lines, sdp)
        }
        "no description" => request("INVITE", NUMBER, mark, &[], b""),
        "Max-Forwards: 0" => request("INVITE", NUMBER, mark, &["Max-Forwards: 0"], b""),
        "no such number" => request("INVITE", "999", mark, &[], b""),
        "ACK to nothing" => request("ACK", NUMBER, mark, &[], b""),
        "BYE outside a dialog" => request("BYE", NUMBER, mark, &[], b""),
        _ => panic!("no such message: {name}"),
    }
}
