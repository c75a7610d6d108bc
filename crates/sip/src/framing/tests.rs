use super::*;

const PING: &[u8] = b"\r\n\r\n";
const OPTIONS: &[u8] = b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nl: 3\r\n\r\na\r\n";
const BYE: &[u8] = b"BYE sip:h SIP/2.0\r\nContent-Length:\r\n 0\r\n\r\n";

/// All frames of `stream` in pieces of `size` bytes, and the fault that ended it.
fn frames(stream: &[u8], size: usize) -> (Vec<Frame>, Option<ParseError>) {
    let mut splitter = Splitter::new(Limits::DEFAULT);
    let mut frames = Vec::new();
    for piece in stream.chunks(size) {
        splitter.push(piece);
        loop {
            match splitter.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

fn fault(stream: &[u8]) -> (Fault, Option<u16>) {
    let whole = frames(stream, stream.len()).1.unwrap();
    let bytewise = frames(stream, 1).1.unwrap();
    assert_eq!(whole.fault, bytewise.fault);
    (whole.fault, whole.answer().map(|answer| answer.status))
}

#[test]
fn pieces_of_any_size_give_the_same_frames() {
    let stream = [PING, OPTIONS, BYE, b"\r\n", OPTIONS, PING].concat();
    let message = |bytes: &'static [u8]| Frame::Message(Bytes::from_static(bytes));
    let expected = [
        Frame::LineEnd,
        Frame::Ping,
        message(OPTIONS),
        message(BYE),
        Frame::LineEnd,
        message(OPTIONS),
        Frame::LineEnd,
        Frame::Ping,
    ];
    for size in 1..=stream.len() {
        let (got, error) = frames(&stream, size);
        assert!(error.is_none(), "{error:?} in pieces of {size}");
        assert_eq!(got, expected, "in pieces of {size}");
    }
}

#[test]
fn what_is_cut_parses_with_its_body() {
    let (frames, _) = frames(OPTIONS, 7);
    let [Frame::Message(bytes)] = &frames[..] else { panic!("one message") };
    assert_eq!(Message::parse_datagram(bytes.clone()).unwrap().body(), "a\r\n");
}

#[test]
fn a_stream_without_a_sure_length_ends_with_a_400() {
    let head = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP h\r\n";
    let with = |field: &str| fault(format!("{head}{field}\r\n").as_bytes());
    assert_eq!(with(""), (Fault::NoContentLength, Some(400)));
    assert_eq!(with("Content-Length: 3\r\nl: 4\r\n"), (Fault::ContentLength, Some(400)));
    for length in ["+5", "-1", "abc", "", "18446744073709551616", "5 5", "5,5"] {
        assert_eq!(
            with(&format!("Content-Length: {length}\r\n")),
            (Fault::ContentLength, Some(400)),
            "{length}"
        );
    }
}

#[test]
fn too_much_head_or_body_ends_the_stream_with_its_status() {
    let head = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP h\r\n";
    let long = format!("{head}X: {}\r\n\r\n", "x".repeat(40_000));
    assert_eq!(fault(long.as_bytes()), (Fault::HeadTooLarge, Some(513)));
    let endless = format!("{head}X: {}", "x".repeat(40_000));
    assert_eq!(fault(endless.as_bytes()), (Fault::HeadTooLarge, Some(513)));
    let body = format!("{head}Content-Length: 70000\r\n\r\n");
    assert_eq!(fault(body.as_bytes()), (Fault::BodyTooLarge, Some(413)));
}

#[test]
fn another_protocol_ends_the_stream_at_once() {
    assert_eq!(fault(b"\x16\x03\x01\x02\x00"), (Fault::NotSip, None));
}

#[test]
fn a_stream_knows_whether_a_message_is_under_way() {
    let mut splitter = Splitter::new(Limits::DEFAULT);
    assert!(!splitter.is_within_message());
    splitter.push(&OPTIONS[..9]);
    assert!(matches!(splitter.next_frame(), Ok(None)));
    assert!(splitter.is_within_message());
    splitter.push(&OPTIONS[9..]);
    assert!(matches!(splitter.next_frame(), Ok(Some(Frame::Message(_)))));
    assert!(!splitter.is_within_message());
}
