//! RFC 3261 §17.2.3: matching requests to server transactions, peers of RFC 2543 included.

use sip::endpoint::Output;

use crate::ua::{PEER, Ua, peers, udp, wire};

// "1. the branch parameter in the request is equal to the one in the top Via header field of the request that created
// the transaction, and 2. the sent-by value in the top Via of the request is equal to the one in the request that
// created the transaction, and 3. the method of the request matches the one that created the transaction, except for
// ACK, where the method of the request that created the transaction is INVITE."
#[test]
fn branch_sent_by_and_method_make_a_transaction() {
    let mut ua = Ua::bare();
    assert!(ua.get(udp(), "OPTIONS", "z9hG4bKa").is_some());
    assert!(ua.get(udp(), "OPTIONS", "z9hG4bKa").is_none());
    assert!(ua.get(udp(), "OPTIONS", "z9hG4bKb").is_some());
    assert!(ua.get(udp(), "INFO", "z9hG4bKa").is_some());
    let text = String::from_utf8(peers("OPTIONS", "z9hG4bKa", "").to_vec()).expect("text");
    ua.receive(text.replace(&format!("UDP {PEER}"), "UDP 192.0.2.5:5060").into());
    assert!(matches!(ua.outputs()[..], [Output::Request { .. }]), "another sent-by");
}

fn old(method: &str, lines: &str) -> bytes::Bytes {
    wire(
        &format!(
            "{method} sip:us@198.51.100.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.4:5060\nFrom: <sip:peer@192.0.2.4>;tag=peer\n\
             Call-ID: old@192.0.2.4\nContact: <sip:peer@192.0.2.4>\nMax-Forwards: 70\n{lines}"
        ),
        "",
    )
}

// "If the branch parameter in the top Via header field is not present, or does not contain the magic cookie, … The
// INVITE request matches a transaction if the Request-URI, To tag, From tag, Call-ID, CSeq, and top Via header field
// match those of the INVITE request which created the transaction."
#[test]
fn a_peer_without_a_magic_cookie_is_matched_by_its_other_header_fields() {
    let mut ua = Ua::bare();
    let requests =
        |ua: &mut Ua| ua.outputs().iter().filter(|output| matches!(output, Output::Request { .. })).count();
    let invite = old("INVITE", "To: <sip:us@198.51.100.1>\nCSeq: 1 INVITE");
    ua.receive(invite.clone());
    ua.receive(invite);
    assert_eq!(requests(&mut ua), 1);
    ua.receive(old("INVITE", "To: <sip:us@198.51.100.1>\nCSeq: 2 INVITE"));
    assert_eq!(requests(&mut ua), 1, "another number is another request");
    let text =
        String::from_utf8(old("INVITE", "To: <sip:us@198.51.100.1>\nCSeq: 1 INVITE").to_vec()).expect("text");
    ua.receive(text.replace("old@", "other@").into());
    assert_eq!(requests(&mut ua), 1, "another Call-ID is another request");
}

// "The ACK request matches a transaction if the Request-URI, From tag, Call-ID, CSeq number (not the method), and top
// Via header field match those of the INVITE request which created the transaction, and the To tag of the ACK matches
// the To tag of the response sent by the server transaction."
#[test]
fn the_ack_of_such_a_peer_ends_the_repetitions_of_a_refusal() {
    let mut ua = Ua::bare();
    ua.receive(old("INVITE", "To: <sip:us@198.51.100.1>\nCSeq: 1 INVITE"));
    let Some(Output::Request { tx, request, .. }) = ua.outputs().pop() else { panic!("a request") };
    ua.respond(tx, &request, 486);
    ua.receive(old("ACK", "To: <sip:us@198.51.100.1>;tag=us\nCSeq: 1 ACK"));
    ua.pass(crate::ua::SECS(40));
    assert_eq!(ua.words(), ["486"]);
}
