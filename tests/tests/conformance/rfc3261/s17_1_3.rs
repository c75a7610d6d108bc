//! RFC 3261 §17.1.3: matching responses to client transactions.

use sip::{Method, Response};

use crate::ua::{Ua, udp};

// "1. If the response has the same value of the branch parameter in the top Via header field as the branch parameter in
// the top Via header field of the request that created the transaction."
#[test]
fn another_branch_is_no_match() {
    let mut ua = Ua::bare();
    let (_, invite) = ua.send(Method::Invite, udp());
    let text = String::from_utf8(Response::to(&invite, 180).to_bytes().to_vec()).expect("text");
    let branch =
        text.split("branch=").nth(1).and_then(|rest| rest.split([';', '\r']).next()).expect("a branch");
    ua.receive(text.replace(branch, "z9hG4bK-of-somebody-else").into());
    assert_eq!(ua.heard(), [0; 0]);
}

// "2. If the method parameter in the CSeq header field matches the method of the request that created the transaction.
// The method is needed since a CANCEL request constitutes a different transaction, but shares the same value of the
// branch parameter."
#[test]
fn another_method_in_cseq_is_no_match() {
    let mut ua = Ua::bare();
    let (_, invite) = ua.send(Method::Invite, udp());
    let mut response = Response::to(&invite, 200);
    response.set_to_tag("peer").expect("a To");
    response.headers.set("CSeq", "1 CANCEL");
    ua.receive(response.to_bytes());
    response.headers.set("CSeq", "1 OPTIONS");
    ua.receive(response.to_bytes());
    assert_eq!(ua.heard(), [0; 0]);
}

// §8.1.3.3: "If more than one Via header field value is present in a response, the UAC SHOULD discard the message."
#[test]
fn a_second_via_is_discarded() {
    let mut ua = Ua::bare();
    let (_, invite) = ua.send(Method::Invite, udp());
    let mut response = Response::to(&invite, 180);
    response.headers.push("Via", "SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKother");
    ua.receive(response.to_bytes());
    assert_eq!(ua.heard(), [0; 0]);
}
