use super::*;
use crate::endpoint::Rules;
use crate::headers::HeaderName;

const INVITE: &str = "INVITE sip:4008001234@198.51.100.1 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bKinv1;rport
Max-Forwards: 70
From: <sip:13800138000@192.0.2.4>;tag=c1
To: <sip:4008001234@198.51.100.1>
Call-ID: call-1@192.0.2.4
CSeq: 1 INVITE
Contact: <sip:13800138000@192.0.2.4:5060>
Content-Type: application/sdp
Content-Length: 5

v=0
";

fn verdict(text: &str) -> Result<(), Box<Response>> {
    let mut world = World::new();
    let (tx, request) = request_of(&world.receive(udp(), text));
    world.ep.inspect(tx, &request, &Rules::SESSION)
}

fn status(text: &str) -> u16 {
    verdict(text).map_or_else(|response| response.status, |()| 200)
}

/// An INVITE whose body has one part of this type.
fn parts(kind: &str) -> String {
    let body = format!("--x\nContent-Type: {kind}\n\nv=0\n--x--\n");
    let head = INVITE.replace("application/sdp", "multipart/mixed;boundary=x");
    let length = body.replace('\n', "\r\n").len();
    head.replace("Content-Length: 5\n\nv=0\n", &format!("Content-Length: {length}\n\n{body}"))
}

#[test]
fn a_plain_invite_passes() {
    assert_eq!(status(INVITE), 200);
}

#[test]
fn what_cannot_be_served_is_refused_as_section_8_2_asks() {
    let table = [
        ("MESSAGE", INVITE.replace("INVITE", "MESSAGE"), 405),
        ("unknown method", INVITE.replace("INVITE", "NEWMETHOD"), 501),
        ("unknown scheme", INVITE.replace("INVITE sip:4008001234@198.51.100.1", "INVITE nobody:x"), 416),
        ("tel", INVITE.replace("INVITE sip:4008001234@198.51.100.1", "INVITE tel:4008001234"), 200),
        ("no hop left", INVITE.replace("Max-Forwards: 70", "Max-Forwards: 0"), 483),
        ("unknown extension", INVITE.replace("Contact:", "Require: 100rel, nothing\nContact:"), 420),
        ("unknown body", INVITE.replace("application/sdp", "application/unknown"), 415),
        ("multipart", parts("application/sdp"), 200),
        ("multipart, nothing that is read", parts("application/ISUP"), 200),
        ("multipart, required and unknown", parts("x/y\nContent-Disposition: x;handling=required"), 415),
        (
            "multipart without its boundary",
            INVITE.replace("application/sdp", "multipart/mixed;boundary=x"),
            400,
        ),
        ("accepts something else", INVITE.replace("Contact:", "Accept: text/nobodyKnowsThis\nContact:"), 406),
        ("an empty Accept", INVITE.replace("Contact:", "Accept:\nContact:"), 200),
        ("accepts all but SDP", INVITE.replace("Contact:", "Accept: application/sdp;q=0.0\nContact:"), 406),
        ("accepts all", INVITE.replace("Contact:", "Accept: text/plain, */*;q=0.1\nContact:"), 200),
        (
            "a registrar's books",
            INVITE.replace("INVITE", "REGISTER").replace("To: <sip:4", "To: <isbn:4"),
            400,
        ),
        ("a scheme in INVITE's To", INVITE.replace("To: <sip:4", "To: <isbn:4"), 200),
        ("packed body", INVITE.replace("Content-Type", "Content-Encoding: gzip\nContent-Type"), 415),
    ];
    for (name, text, expected) in table {
        assert_eq!(status(&text), expected, "{name}");
    }
}

#[test]
fn a_refusal_says_what_would_be_accepted_and_has_a_tag() {
    let response = verdict(&INVITE.replace("Contact:", "Require: 100rel, nothing\nContact:")).unwrap_err();
    assert_eq!(response.headers.text(HeaderName::Unsupported), Some("nothing"));
    let response = verdict(&INVITE.replace("INVITE", "MESSAGE")).unwrap_err();
    assert!(response.headers.lists(HeaderName::Allow, "INVITE"));
    assert!(response.headers.to().unwrap().tag().is_some());
}

#[test]
fn options_with_no_hop_left_is_answered() {
    let options = INVITE.replace("INVITE", "OPTIONS").replace("Max-Forwards: 70", "Max-Forwards: 0");
    assert_eq!(status(&options), 200);
}

#[test]
fn a_copy_that_came_another_way_is_refused_with_482_and_a_retransmission_is_not() {
    let mut world = World::new();
    let (first, request) = request_of(&world.receive(udp(), INVITE));
    assert!(!world.receive(udp(), INVITE).iter().any(|output| matches!(output, Output::Request { .. })));
    let (second, copy) = request_of(&world.receive(udp(), &INVITE.replace("z9hG4bKinv1", "z9hG4bKother")));
    assert!(world.ep.inspect(first, &request, &Rules::SESSION).is_ok());
    assert_eq!(world.ep.inspect(second, &copy, &Rules::SESSION).unwrap_err().status, 482);
    let (third, next) = request_of(
        &world.receive(udp(), &INVITE.replace("z9hG4bKinv1", "z9hG4bKnext").replace("1 INVITE", "2 INVITE")),
    );
    assert!(world.ep.inspect(third, &next, &Rules::SESSION).is_ok(), "a retry after a challenge is no copy");
}
