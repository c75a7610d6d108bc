//! RFC 3261 §8: what user agents do with requests, whatever their method.

use sip::endpoint::{Output, Rules};

use crate::ua::{OFFER, Ua, peers, sdp, udp, wire};

// §8.1.1: "A valid SIP request formulated by a UAC MUST, at a minimum, contain the following header fields: To, From,
// CSeq, Call-ID, Max-Forwards, and Via". §8.1.1.3: "The From field MUST contain a new "tag" parameter, chosen by the
// UAC." §8.1.1.7: "The branch ID inserted by an element compliant with this specification MUST always begin with the
// characters "z9hG4bK"." §8.1.1.8: "The Contact header field MUST be present and contain exactly one SIP or SIPS URI in
// any request that can result in the establishment of a dialog." §20.5, §20.37: Allow and Supported SHOULD be there.
#[test]
fn an_invite_of_ours_has_all_it_must_have() {
    let mut ua = Ua::new();
    let invite = ua.call(Some(sdp("offer")));
    for name in ["To", "From", "CSeq", "Call-ID", "Max-Forwards", "Via", "Contact", "Allow", "Supported"] {
        assert_eq!(invite.headers.count(name), 1, "{name}");
    }
    assert!(invite.headers.from().expect("From").tag().is_some_and(|tag| tag.len() >= 8));
    assert!(invite.headers.to().expect("To").tag().is_none(), "§8.1.1.2: no To tag outside a dialog");
    let via = invite.headers.via().expect("Via");
    assert!(via.branch().is_some_and(|branch| branch.starts_with("z9hG4bK")));
    assert!(invite.headers.cseq().expect("CSeq").number < 1 << 31);
}

// §8.1.1.7: "The branch parameter value MUST be unique across space and time for all requests sent by the UA".
#[test]
fn no_two_requests_share_a_branch_a_tag_or_a_call_id() {
    let mut seen = std::collections::HashSet::new();
    let mut ua = Ua::new();
    for _ in 0..50 {
        let invite = ua.call(Some(sdp("offer")));
        ua.session = None;
        let via = invite.headers.via().expect("Via");
        assert!(seen.insert(via.branch().expect("a branch").to_owned()));
        assert!(seen.insert(invite.headers.from().expect("From").tag().expect("a tag").to_owned()));
        assert!(seen.insert(invite.headers.call_id().expect("Call-ID").to_owned()));
    }
}

fn refused(lines: &str, method: &str) -> (u16, sip::Response) {
    let mut ua = Ua::bare();
    ua.receive(peers(method, "z9hG4bKs8", lines));
    let Some(Output::Request { tx, request, .. }) = ua.outputs().pop() else {
        panic!("{method} is passed up")
    };
    let refusal = ua.ep.inspect(tx, &request, &Rules::SESSION).expect_err("a refusal");
    (refusal.status, *refusal)
}

// §8.2.1: "If the UAS recognizes but does not support the method of a request, it MUST generate a 405 (Method Not
// Allowed) response. … The UAS MUST also add an Allow header field to the 405".
#[test]
fn a_method_that_is_not_supported_gets_405_with_allow() {
    let (status, response) = refused("", "PUBLISH");
    assert!(matches!(status, 405 | 501), "{status}");
    assert!(response.headers.lists(sip::HeaderName::Allow, "INVITE"));
}

// §8.2.2.3: "If a UAS does not understand an option-tag listed in a Require header field, it MUST respond by generating
// a response with status code 420 (Bad Extension). The UAS MUST add an Unsupported header field, and list in it those
// options it does not understand".
#[test]
fn an_unknown_required_option_gets_420_with_unsupported() {
    let (status, response) = refused("Require: timer, nothing-known", "INVITE");
    assert_eq!(status, 420);
    assert_eq!(response.headers.text("Unsupported"), Some("nothing-known"));
}

// §8.2.3: "If there are any bodies whose type (indicated by the Content-Type) … are not understood, and that body part
// is not optional …, the UAS MUST reject the request with a 415 (Unsupported Media Type) response. The response MUST
// contain an Accept header field listing the types of all bodies it understands".
#[test]
fn a_body_that_is_not_understood_gets_415_with_accept() {
    let mut ua = Ua::bare();
    let head =
        String::from_utf8(peers("INVITE", "z9hG4bKbody", "Content-Type: application/x-nothing").to_vec());
    let text = head.expect("text").replace("Content-Length: 0", "Content-Length: 3") + "abc";
    ua.receive(text.into());
    let Some(Output::Request { tx, request, .. }) = ua.outputs().pop() else { panic!("a request") };
    let refusal = ua.ep.inspect(tx, &request, &Rules::SESSION).expect_err("a refusal");
    assert_eq!(refusal.status, 415);
    assert!(refusal.headers.lists(sip::HeaderName::Accept, "application/sdp"));
}

// §8.2.2.2: "If the request has no tag in the To header field, the UAS core MUST check the request against ongoing
// transactions. If the From tag, Call-ID, and CSeq exactly match those associated with an ongoing transaction, but the
// request does not match that transaction …, the UAS core SHOULD generate a 482 (Loop Detected) response".
#[test]
fn a_merged_request_gets_482() {
    let mut ua = Ua::new();
    ua.invited("", OFFER);
    ua.mark();
    ua.receive(wire(&invite_by("z9hG4bKanother-way"), OFFER));
    assert_eq!(ua.words(), ["482"]);
}

fn invite_by(branch: &str) -> String {
    format!(
        "INVITE sip:us@198.51.100.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.4:5060;branch={branch};rport\n\
         From: <sip:peer@192.0.2.4>;tag=peer\nTo: <sip:us@198.51.100.1>\nCall-ID: theirs@192.0.2.4\n\
         CSeq: 1 INVITE\nContact: <sip:peer@192.0.2.4:5060>\nMax-Forwards: 70"
    )
}

// §8.2.6.2: "The From field of the response MUST equal the From header field of the request. The Call-ID header field of
// the response MUST equal the Call-ID header field of the request. The CSeq header field of the response MUST equal the
// CSeq field of the request. The Via header field values in the response MUST equal the Via header field values in the
// request and MUST maintain the same ordering." "the UAS MUST add a tag to the To header field in the response (with the
// exception of the 100 (Trying) response …) The same tag MUST be used for all responses to that request".
#[test]
fn a_response_repeats_its_request_and_has_one_tag() {
    let mut ua = Ua::new();
    ua.invited("Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKfirst\nRecord-Route: <sip:192.0.2.9;lr>", OFFER);
    ua.pass(crate::ua::MILLIS(200));
    let trying = ua.one();
    assert!(!trying.header("To").expect("To").contains("tag="));
    ua.with(|session, now, ep| session.ring(now, ep, 180, None));
    let ringing = ua.one();
    ua.with(|session, now, ep| session.answer(now, ep, sdp("answer")));
    let answer = ua.one();
    for sent in [&trying, &ringing, &answer] {
        assert_eq!(sent.header("From").as_deref(), Some("<sip:peer@192.0.2.4>;tag=peer"));
        assert_eq!(sent.header("Call-ID").as_deref(), Some("theirs@192.0.2.4"));
        assert_eq!(sent.header("CSeq").as_deref(), Some("1 INVITE"));
        let vias: Vec<_> = sent.message.headers().elements("Via").collect();
        assert_eq!(vias.len(), 2);
        assert!(vias[1].ends_with(b"branch=z9hG4bKfirst"));
    }
    assert_eq!(ringing.header("To"), answer.header("To"));
    // §12.1.1: Record-Route comes back, for the dialog.
    assert_eq!(answer.header("Record-Route").as_deref(), Some("<sip:192.0.2.9;lr>"));
    let via = answer.message.headers().via().expect("Via");
    assert_eq!(via.param("rport"), Some(&b"5060"[..]), "RFC 3581 §4");
}

// §8.1.3.1: "When a timeout error is received from the transaction layer, it MUST be treated as if a 408 (Request
// Timeout) status code has been received. If a fatal transport error is reported …, the condition MUST be treated as a
// 503 (Service Unavailable) status code."
#[test]
fn a_timeout_is_a_408_and_a_transport_error_a_503() {
    for (status, fails) in [(408, false), (503, true)] {
        let mut ua = Ua::new();
        ua.call(Some(sdp("offer")));
        if fails {
            ua.ep(|ep, now| ep.transport_failed(now, udp()));
        }
        ua.pass(crate::ua::SECS(33));
        let told = ua.events();
        assert!(
            matches!(told[..], [sip::session::SessionEvent::Refused { status: got, .. }] if got == status),
            "{told:?}"
        );
    }
}
