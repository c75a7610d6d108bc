//! RFC 6086: INFO, of which we take keys outside any package.

use sip::session::SessionEvent;

use crate::ua::{Ua, wire};

fn info(ua: &mut Ua, cseq: u32, kind: &str, body: &str) {
    let (from, to) = ua.dialog();
    let call_id = ua.session.as_ref().expect("a session").call_id().to_owned();
    let head = format!(
        "INFO sip:us@198.51.100.1:5060 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bKi{cseq};rport\n\
         From: {from}\nTo: {to}\nCall-ID: {call_id}\nCSeq: {cseq} INFO\nMax-Forwards: 70"
    );
    let text = String::from_utf8(wire(&head, body).to_vec()).expect("text");
    ua.receive(text.replace("application/sdp", kind).into());
}

// §4.2.2: legacy INFO outside packages: keys are taken, an empty one is a keep-alive, RFC 3261 §8.2.3 asks 415 for others.
#[test]
fn keys_are_taken_and_other_bodies_are_415() {
    let mut ua = Ua::talking();
    info(&mut ua, 2, "application/dtmf-relay", "Signal=5\nDuration=160\n");
    info(&mut ua, 3, "application/dtmf", "5");
    assert_eq!(ua.words(), ["200", "200"]);
    let told = ua.events();
    assert!(matches!(told[..], [SessionEvent::Info { .. }, SessionEvent::Info { .. }]), "{told:?}");
    info(&mut ua, 4, "application/media_control+xml", "<media_control/>");
    let refusal = ua.one();
    assert_eq!(refusal.word(), "415");
    assert_eq!(refusal.header("Accept").as_deref(), Some("application/dtmf-relay, application/dtmf"));
    ua.ask("INFO", 5, "", "");
    assert_eq!(ua.words(), ["200"]);
    assert!(ua.events().is_empty());
}

// §4.2.2: "If a UA receives an INFO request associated with an Info Package that the UA has not indicated willingness to
// receive, the UA MUST send a 469 (Bad Info Package) response …, which contains a Recv-Info header field".
#[test]
fn an_info_package_that_was_not_asked_for_gets_469_with_recv_info() {
    let mut ua = Ua::talking();
    ua.ask("INFO", 2, "Info-Package: foo", "");
    let refusal = ua.one();
    assert_eq!((refusal.word().as_str(), refusal.header("Recv-Info").as_deref()), ("469", Some("")));
}
