//! RFC 3261 §13: setting up a session, forks and late answers included.

use sip::session::{EndCause, EndedBy, SessionEvent};

use crate::ua::{MILLIS, OFFER, SECS, Ua, sdp, times, wire};

// §13.2.2.4: "The UAC core MUST generate an ACK request for each 2xx received from the transaction layer. The header
// fields of the ACK are constructed in the same way as for any request sent within a dialog with the exception of the
// CSeq … The sequence number of the CSeq header field MUST be the same as the INVITE being acknowledged, but the CSeq
// method MUST be ACK." The branch is a new one (§17.1.1.3).
#[test]
fn each_2xx_is_acknowledged_in_the_dialog_with_a_branch_of_its_own() {
    let mut ua = Ua::new();
    let invite = ua.call(Some(sdp("offer")));
    ua.reply(&invite, 200, "peer", "Contact: <sip:there@192.0.2.4:5099>", OFFER);
    let ack = ua.one();
    assert_eq!(ack.word(), "ACK");
    assert_eq!(ack.header("CSeq").as_deref(), Some("1 ACK"));
    assert_eq!(ack.request().uri.to_string(), "sip:there@192.0.2.4:5099");
    let branch = |request: &sip::Request| request.headers.via().expect("Via").branch().map(str::to_owned);
    assert_ne!(branch(ack.request()), branch(&invite));
    // "the ACK MUST be passed to the transport layer … each time a retransmission of the 2xx final response arrives".
    ua.pass(MILLIS(500));
    ua.reply(&invite, 200, "peer", "Contact: <sip:there@192.0.2.4:5099>", OFFER);
    assert_eq!(ua.one().bytes, ack.bytes);
    assert_eq!(ua.events().iter().filter(|e| matches!(e, SessionEvent::Answered { .. })).count(), 1);
}

// §13.2.2.4: "multiple 2xx responses … each 2xx … is a different dialog": "If, after acknowledging any 2xx response to an
// INVITE, the UAC does not want to continue with that dialog, then the UAC MUST terminate the dialog by sending a BYE".
#[test]
fn the_2xx_of_another_fork_gets_ack_and_bye_and_the_first_goes_on() {
    let mut ua = Ua::new();
    let invite = ua.call(Some(sdp("offer")));
    ua.reply(&invite, 180, "first", "", "");
    ua.reply(&invite, 180, "second", "", "");
    ua.reply(&invite, 200, "first", "", OFFER);
    ua.mark();
    ua.reply(&invite, 200, "second", "", OFFER);
    let sent = ua.take_sent();
    let said: Vec<_> = sent.iter().map(|sent| (sent.word(), sent.header("To").unwrap_or_default())).collect();
    let to = "<sip:peer@192.0.2.4>;tag=second".to_owned();
    assert_eq!(said, [("ACK".into(), to.clone()), ("BYE".into(), to)]);
    assert!(ua.events().is_empty());
    assert!(ua.session.as_ref().is_some_and(|session| session.is_established()));
    assert_eq!(ua.session.as_ref().and_then(|session| session.remote_tag()), Some("first"));
}

// The same when nobody is left to want it.
#[test]
fn a_2xx_after_the_session_is_gone_gets_ack_and_bye() {
    let mut ua = Ua::new();
    let invite = ua.call(Some(sdp("offer")));
    ua.reply(&invite, 200, "first", "", OFFER);
    ua.with(|session, now, ep| session.hang_up(now, ep, None, 480));
    let bye = ua.last().request().clone();
    ua.reply(&bye, 200, "first", "", "");
    ua.mark();
    ua.reply(&invite, 200, "late", "", OFFER);
    assert_eq!(ua.words(), ["ACK", "BYE"]);
    // §13.3.1.4: it comes again until its ACK has arrived; §12.2.1.1 forbids a second BYE of the same number.
    ua.mark();
    ua.reply(&invite, 200, "late", "", OFFER);
    assert_eq!(ua.words(), ["ACK"]);
    ua.mark();
    ua.reply(&invite, 200, "another", "", OFFER);
    assert_eq!(ua.words(), ["ACK", "BYE"]);
}

// §13.2.2.4: "the route set … MUST be recomputed based on the Record-Route header field of the 2xx".
#[test]
fn the_2xx_sets_the_route_anew() {
    let mut ua = Ua::new();
    let invite = ua.call(Some(sdp("offer")));
    ua.reply(&invite, 180, "peer", "Record-Route: <sip:early.example;lr>", "");
    ua.reply(&invite, 200, "peer", "Record-Route: <sip:late.example;lr>", OFFER);
    let ack = ua.last();
    assert_eq!(ack.header("Route").as_deref(), Some("<sip:late.example;lr>"));
}

// §13.3.1.1: "the UAS … the transaction … "non-100" provisional response at every minute, to handle the possibility of
// lost provisional responses": SHOULD; proxies cancel after three.
#[test]
fn a_provisional_response_goes_out_each_minute() {
    let mut ua = Ua::new();
    ua.invited("", OFFER);
    ua.with(|session, now, ep| session.ring(now, ep, 180, None));
    ua.pass(SECS(181));
    assert_eq!(ua.timeline(), times("180", &[0, 60_000, 120_000, 180_000]));
}

// §13.3.1: "If the request is an INVITE that contains an Expires header field, the UAS core sets a timer for the number
// of seconds indicated in the header field value. When the timer fires, the invitation is considered to be expired. If
// the invitation expires before the UAS has generated a final response, a 487 (Request Terminated) response SHOULD be
// generated."
#[test]
fn an_invitation_that_expires_gets_487() {
    let mut ua = Ua::new();
    ua.invited("Expires: 20", OFFER);
    ua.with(|session, now, ep| session.ring(now, ep, 180, None));
    ua.pass(SECS(21));
    assert_eq!(ua.timeline()[..2], [(0, "180".to_owned()), (20_000, "487".to_owned())]);
    assert!(matches!(ua.events()[..], [SessionEvent::Cancelled { .. }]));
    let mut ua = Ua::talking_with(|_| {}, "Expires: 20");
    ua.pass(SECS(60));
    assert!(ua.session.as_ref().is_some_and(|session| session.is_established()), "an answer stops it");
}

// §13.3.1.4: "the response … is passed to the transport with an interval that starts at T1 seconds and doubles for each
// retransmission until it reaches T2 seconds … Response retransmissions cease when an ACK request for the response is
// received. This is independent of whatever transport protocols are used". "If the server retransmits the 2xx response
// for 64*T1 seconds without receiving an ACK, the dialog is confirmed, but the session SHOULD be terminated. This is
// accomplished with a BYE".
#[test]
fn a_2xx_is_repeated_until_its_ack_and_without_one_ends_by_bye() {
    let mut ua = Ua::new();
    ua.invited("", OFFER);
    ua.with(|session, now, ep| session.answer(now, ep, sdp("answer")));
    ua.pass(MILLIS(32_000));
    let mut expected =
        times("200", &[0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    expected.push((32_000, "BYE".into()));
    assert_eq!(ua.timeline(), expected);
    assert_eq!(ua.events(), [SessionEvent::Ended { by: EndedBy::Remote, cause: EndCause::NoAck }]);
    let mut ua = Ua::new();
    ua.invited("", OFFER);
    ua.with(|session, now, ep| session.answer(now, ep, sdp("answer")));
    ua.pass(MILLIS(600));
    ua.ask("ACK", 1, "", "");
    ua.pass(SECS(30));
    assert_eq!(ua.timeline(), times("200", &[0, 500]));
}

// §13.2.1: "If the initial offer is not in an INVITE, it MUST be in the first reliable non-failure message from the UAS
// back to the UAC": the 2xx. §13.2.2.4: "If the 2xx contains an offer …, the ACK MUST carry an answer in its body."
#[test]
fn an_invite_without_offer_gets_ours_in_the_200_and_answers_in_the_ack() {
    let mut ua = Ua::new();
    ua.invited("", "");
    assert_eq!(ua.session.as_ref().and_then(|session| session.offered()), None);
    ua.with(|session, now, ep| session.ring(now, ep, 183, Some(sdp("too early"))));
    assert!(ua.one().body().is_empty(), "no offer in an unreliable response");
    ua.with(|session, now, ep| session.answer(now, ep, sdp("our offer")));
    assert_eq!(ua.one().body(), &sdp("our offer"));
    ua.ask("ACK", 1, "", OFFER);
    let told = ua.events();
    assert!(matches!(&told[..], [SessionEvent::Acknowledged { sdp: Some(_) }]), "{told:?}");
}

#[test]
fn our_invite_without_offer_answers_theirs_in_the_ack() {
    let mut ua = Ua::new();
    let invite = ua.call(None);
    ua.reply(&invite, 200, "peer", "", OFFER);
    assert_eq!(ua.words(), [""; 0], "the ACK waits for the answer");
    ua.with(|session, now, ep| session.accept_offer(now, ep, sdp("our answer")));
    let ack = ua.one();
    assert_eq!((ack.word().as_str(), ack.body()), ("ACK", &sdp("our answer")));
    // "If the offer in the 2xx response is not acceptable, the UAC core MUST generate a valid answer in the ACK and then
    // send a BYE immediately."
    let mut ua = Ua::new();
    let invite = ua.call(None);
    ua.reply(&invite, 200, "peer", "", OFFER);
    ua.with(|session, now, ep| session.refuse_offer(now, ep, 488));
    assert_eq!(ua.words(), ["ACK", "BYE"]);
}

// §13.3.1.3: "A UAS rejecting an offer contained in an INVITE SHOULD return a 488"; §13.3.1.2 a redirection carries its
// targets in Contact.
#[test]
fn a_refusal_says_what_it_was_given() {
    let mut ua = Ua::new();
    ua.invited("", OFFER);
    let contact = (sip::HeaderName::Contact, "<sip:other@192.0.2.9>");
    ua.with(|session, now, ep| session.refuse(now, ep, 302, &[contact]));
    let refusal = ua.one();
    assert_eq!((refusal.word().as_str(), refusal.header("Contact").as_deref()), ("302", Some(contact.1)));
}

// RFC 5621 §3.1 and RFC 3261 §13.2.1: a description may be one part of several.
#[test]
fn an_offer_in_a_multipart_body_is_found() {
    let mut ua = Ua::new();
    let body = format!(
        "--b1\nContent-Type: application/isup\n\n\u{1}\n--b1\nContent-Type: application/sdp\n\n{OFFER}\n--b1--\n"
    );
    let head = "INVITE sip:us@198.51.100.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bKm;rport\n\
        From: <sip:peer@192.0.2.4>;tag=peer\nTo: <sip:us@198.51.100.1>\nCall-ID: many@192.0.2.4\nCSeq: 1 INVITE\n\
        Contact: <sip:peer@192.0.2.4:5060>\nMax-Forwards: 70";
    let text = String::from_utf8(wire(head, &body).to_vec()).expect("text");
    ua.receive(
        text.replace("application/sdp\r\nContent-Length", "multipart/mixed;boundary=b1\r\nContent-Length")
            .into(),
    );
    let offer = ua.session.as_ref().and_then(|session| session.offered()).expect("an offer");
    assert!(offer.starts_with(b"v=0"), "{offer:?}");
}
