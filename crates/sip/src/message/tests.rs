use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::headers::NameAddr;
use crate::limits::Limits;

const FIELDS: &str = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n\
                      Call-ID: c\r\nCSeq: 1 OPTIONS\r\n";

fn options(more: &str) -> Result<Message, ParseError> {
    Message::parse_datagram(format!("OPTIONS sip:b@h SIP/2.0\r\n{FIELDS}{more}").into())
}

fn request(more: &str) -> Request {
    match options(more) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn refused(more: &str) -> (Fault, Option<u16>) {
    let error = options(more).expect_err(more);
    (error.fault, error.answer().map(|answer| answer.status))
}

#[test]
fn a_fresh_request_reads_back_as_it_was_built() {
    let mut request = Request::new(Method::Options, "sip:4008@example.com".parse().unwrap());
    request.headers.push(HeaderName::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1");
    request.headers.push("X-Note", "one\r\nEvil: yes");
    request.headers.push("X Bad:Name\r\n", "two");
    request.set_body("text/plain", "hello");
    let Ok(Message::Request(back)) = Message::parse_datagram(request.to_bytes()) else { panic!("a request") };
    assert_eq!(back.headers.text("x-note"), Some("one  Evil: yes"));
    assert_eq!(back.headers.text("XBadName"), Some("two"));
    assert!(!back.headers.has("Evil"));
    assert_eq!(back.body, Bytes::from_static(b"hello"));
    assert_eq!(back.headers.via().unwrap().branch(), Some("z9hG4bK1"));
}

#[test]
fn a_datagram_s_body_is_what_its_length_says() {
    assert_eq!(request("\r\nrest").body, "rest");
    assert_eq!(request("l: 2\r\n\r\nrest").body, "re");
    assert_eq!(request("l: 2\r\nContent-Length : 2\r\n\r\nrest").body, "re");
    assert_eq!(refused("l: 5\r\n\r\nrest"), (Fault::BodyShort { expected: 5, came: 4 }, Some(400)));
    assert_eq!(refused("l: 2\r\nl: 3\r\n\r\nrest"), (Fault::ContentLength, Some(400)));
    assert_eq!(refused("l: 99999\r\n\r\n"), (Fault::BodyTooLarge, Some(413)));
}

#[test]
fn folded_lines_become_one_line_and_the_body_keeps_its_bytes() {
    let folded = request("Subject: one\r\n two\r\n\t three\r\nl: 4\r\n\r\na\r\n b");
    assert_eq!(folded.headers.text(HeaderName::Subject), Some("one   two  \t three"));
    assert_eq!(folded.body, "a\r\n ");
}

#[test]
fn a_bare_carriage_return_or_a_line_without_a_name_is_refused() {
    for line in ["X: a\rb\r\n", "no colon\r\n", ": no name\r\n", "X Y: z\r\n", "X\u{e9}: z\r\n"] {
        assert_eq!(refused(&format!("{line}\r\n")), (Fault::HeaderLine, Some(400)), "{line:?}");
    }
}

#[test]
fn what_passes_a_limit_gets_the_status_that_says_so() {
    let long = "x".repeat(5000);
    let parse = |text: String| Message::parse_datagram(text.into()).unwrap_err();
    let uri = parse(format!("OPTIONS sip:{long}@h SIP/2.0\r\n{FIELDS}\r\n"));
    assert_eq!((uri.fault, uri.answer().unwrap().status), (Fault::UriTooLong, 414));
    assert_eq!(refused(&format!("{}\r\n", "X: y\r\n".repeat(300))), (Fault::TooManyFields, Some(513)));
    assert_eq!(refused(&format!("X: {}\r\n\r\n", long.repeat(8))), (Fault::HeadTooLarge, Some(513)));
    let small = Limits { body_bytes: 3, ..Limits::DEFAULT };
    let text = format!("OPTIONS sip:b@h SIP/2.0\r\n{FIELDS}\r\nfour");
    assert_eq!(Message::parse_within(text.into(), &small).unwrap_err().fault, Fault::BodyTooLarge);
}

#[test]
fn an_ack_and_a_response_are_never_answered() {
    let ack = format!("ACK sip:b@h SIP/2.0\r\n{FIELDS}no colon\r\n\r\n");
    assert!(Message::parse_datagram(ack.into()).unwrap_err().answer().is_none());
    let response = format!("SIP/2.0 200 OK\r\n{FIELDS}no colon\r\n\r\n");
    assert!(Message::parse_datagram(response.into()).unwrap_err().answer().is_none());
}

#[test]
fn another_version_is_refused_with_505() {
    let error =
        Message::parse_datagram(format!("OPTIONS sip:b@h SIP/3.0\r\n{FIELDS}\r\n").into()).unwrap_err();
    assert_eq!((error.fault, error.answer().unwrap().status), (Fault::Version, 505));
}

#[test]
fn a_star_contact_is_for_register_alone() {
    let fault = request("Contact: *\r\n\r\n").validate().unwrap_err().fault;
    assert_eq!(fault, Fault::Header(HeaderError::Malformed(HeaderName::Contact)));
}

#[test]
fn a_response_copies_what_routes_it_back() {
    let mut request =
        request("Via: SIP/2.0/TCP p\r\nRecord-Route: <sip:p;lr>\r\nTimestamp: 54\r\nX: y\r\n\r\n");
    let names = |response: &Response| -> Vec<String> {
        let fields = response.headers.iter();
        fields.map(|field| String::from_utf8_lossy(field.name_text).into_owned()).collect()
    };
    let trying = Response::to(&request, 100);
    assert_eq!(names(&trying), ["Via", "Via", "From", "To", "Call-ID", "CSeq", "Timestamp"]);
    request.method = Method::Invite;
    let mut ringing = Response::to(&request, 180);
    assert!(ringing.headers.has(HeaderName::RecordRoute));
    assert!(!Response::to(&request, 404).headers.has(HeaderName::RecordRoute));
    ringing.set_to_tag("t1").unwrap();
    ringing.set_to_tag("t2").unwrap();
    assert_eq!(ringing.headers.to().unwrap().tag(), Some("t1"));
    assert_eq!(ringing.reason(), "Ringing");
}

#[test]
fn a_response_has_the_usual_names_and_the_values_as_they_came_and_a_tag_goes_behind_them() {
    let text = "INVITE sip:h SIP/2.0\r\nv: SIP/2.0/UDP p\r\nf: <sip:a@h>;tag=1\r\nt: \"\u{bf}\" sip-less <sip:b@h> ;x=y\r\n\
                i: c\r\nCSEQ:  1   INVITE\r\n\r\n";
    let Ok(Message::Request(request)) = Message::parse_datagram(Bytes::from(text)) else {
        panic!("a request")
    };
    let mut response = Response::to(&request, 200);
    response.headers.push(HeaderName::Server, "us");
    assert!(response.set_to_tag("t").is_err(), "a quoted name is all of it");
    let text = text.replace(" sip-less", "");
    let Ok(Message::Request(request)) = Message::parse_datagram(Bytes::from(text)) else {
        panic!("a request")
    };
    let mut response = Response::to(&request, 200);
    response.headers.push(HeaderName::Server, "us");
    response.set_to_tag("t").unwrap();
    let expected = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP p\r\nFrom: <sip:a@h>;tag=1\r\nTo: \"\u{bf}\" <sip:b@h> ;x=y;tag=t\r\n\
                    Call-ID: c\r\nCSeq: 1   INVITE\r\nServer: us\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(response.to_bytes(), expected.as_bytes());
}

/// Text that a header value may hold without white space at its ends.
fn value() -> impl Strategy<Value = String> {
    "[!-~\u{80}-\u{2fff}]([ -~\u{80}-\u{2fff}]{0,40}[!-~\u{80}-\u{2fff}])?"
}

proptest! {
    #[test]
    fn any_fields_and_body_come_back_in_order(
        fields in prop::collection::vec(("X-[A-Za-z0-9!%*_+`'~-]{1,20}", value()), 0..30),
        body in prop::collection::vec(any::<u8>(), 0..300),
        status in 100u16..700,
    ) {
        let mut response = Response::to(&request("\r\n"), status);
        for (name, text) in &fields {
            response.headers.push(name.as_str(), text);
        }
        response.set_body("application/octet-stream", body.clone());
        let Ok(Message::Response(back)) = Message::parse_datagram(response.to_bytes()) else { panic!("a response") };
        prop_assert_eq!(back.status, status);
        prop_assert_eq!(&back.body[..], &body[..]);
        let came: Vec<_> = back.headers.iter().filter(|field| field.name_text.starts_with(b"X-")).collect();
        prop_assert_eq!(came.len(), fields.len());
        for (came, (name, text)) in came.iter().zip(&fields) {
            prop_assert_eq!((came.name_text, came.value), (name.as_bytes(), text.as_bytes()));
        }
        prop_assert_eq!(back.to_bytes(), response.to_bytes());
    }

    #[test]
    fn any_display_name_and_user_come_back(display in "\\PC{1,40}", user in "\\PC{1,40}") {
        let uri = Uri::sip(Some(&user), "h", None).unwrap();
        prop_assert_eq!(uri.user().unwrap(), user.as_str());
        let address = NameAddr::new(Some(&display), &uri).with_tag("t");
        let back = NameAddr::parse(address.as_bytes().to_vec()).unwrap();
        prop_assert_eq!(back.display().unwrap(), display.as_str());
        prop_assert_eq!(back.uri(), &uri);
        prop_assert_eq!(back.tag(), Some("t"));
    }
}

#[test]
fn a_number_is_written_in_all_its_digits() {
    for number in [0, 9, 10, 200, 65_535, u64::MAX] {
        assert_eq!(super::Decimal::of(number).digits(), number.to_string().as_bytes());
    }
}
