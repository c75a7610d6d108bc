use bytes::Bytes;

use super::*;

#[test]
fn a_fresh_request_reads_back_as_it_was_built() {
    let mut request = Request::new(Method::Options, "sip:4008@example.com".parse().unwrap());
    request.headers.push(HeaderName::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1");
    request.headers.push("X-Note", "one\r\nEvil: yes");
    request.set_body("text/plain", "hello");
    let Ok(Message::Request(back)) = Message::parse_datagram(request.to_bytes()) else { panic!("a request") };
    assert_eq!(back.headers.text("x-note"), Some("one  Evil: yes"));
    assert_eq!(back.body, Bytes::from_static(b"hello"));
    assert_eq!(back.headers.via().unwrap().branch(), Some("z9hG4bK1"));
}
