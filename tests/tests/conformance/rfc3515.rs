//! RFC 3515: REFER within a dialog as protocol, with Referred-By (RFC 3892).

use sip::session::SessionEvent;
use sip::transaction::ServerTx;

use crate::ua::{Sent, Ua, wire};

/// A peer refers us; the transaction to answer.
fn referred(lines: &str) -> (Ua, ServerTx) {
    let mut ua = Ua::talking();
    ua.ask("REFER", 2, lines, "");
    let told = ua.events();
    let [SessionEvent::Transferred { tx, .. }] = told[..] else { panic!("{told:?}") };
    (ua, tx)
}

// §2.4.1: "A REFER request MUST contain exactly one Refer-To header field value": else 400 (§2.4.2).
#[test]
fn a_refer_without_exactly_one_refer_to_gets_400() {
    for lines in ["", "Refer-To: <sip:a@192.0.2.9>\nRefer-To: <sip:b@192.0.2.9>", "Refer-To: <"] {
        let mut ua = Ua::talking();
        ua.ask("REFER", 2, lines, "");
        assert_eq!(ua.words(), ["400"], "{lines:?}");
        assert!(ua.events().is_empty());
    }
}

// §2.4.2: "A UA accepting a well-formed REFER request SHOULD request approval from the user to proceed …; if approved, the
// UA … MUST … The agent … 202": the owner decides; nothing is said before. RFC 3892 §3: Referred-By is kept for it.
#[test]
fn a_refer_waits_for_its_owner_and_tells_all_it_says() {
    let mut ua = Ua::talking();
    let lines = "Refer-To: <sip:9002@192.0.2.9;method=INVITE?Replaces=abc%40x%3Bto-tag%3D1%3Bfrom-tag%3D2>\n\
                 Referred-By: <sip:peer@192.0.2.4>;cid=\"20398823.2UWQFN309shb3@192.0.2.4\"";
    ua.ask("REFER", 2, lines, "");
    assert_eq!(ua.words(), [""; 0]);
    let told = ua.events();
    let [SessionEvent::Transferred { tx, refer_to, replaces, referred_by }] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(refer_to, "sip:9002@192.0.2.9");
    assert_eq!(replaces.as_deref(), Some("abc@x;to-tag=1;from-tag=2"));
    assert!(referred_by.as_deref().is_some_and(|by| by.starts_with("<sip:peer@192.0.2.4>;cid=")));
    let tx = *tx;
    ua.with(|session, now, ep| session.refuse_request(now, ep, tx, 603));
    assert_eq!(ua.words(), ["603"]);
}

// §2.4.4: "Each NOTIFY MUST contain an Event header field with a value of "refer" and possibly an id parameter"; "Each
// NOTIFY MUST contain a body of type "message/sipfrag""; "The body … MUST begin with a SIP Response Status-Line"; the first
// one MUST be sent at once: "A NOTIFY … immediately"; §2.4.7: "the final NOTIFY … Subscription-State … terminated". RFC 6665
// §4.2.2: Subscription-State in each.
#[test]
fn accepted_it_is_reported_by_notify_until_the_final_status() {
    let (mut ua, tx) = referred("Refer-To: <sip:9002@192.0.2.9>");
    ua.with(|session, now, ep| session.accept_refer(now, ep, tx));
    ua.with(|session, now, ep| session.notify_refer(now, ep, 180));
    ua.with(|session, now, ep| session.notify_refer(now, ep, 200));
    ua.with(|session, now, ep| session.notify_refer(now, ep, 200));
    let sent = ua.take_sent();
    let words: Vec<_> = sent.iter().map(Sent::word).collect();
    assert_eq!(words, ["202", "NOTIFY", "NOTIFY", "NOTIFY"], "the final one ends them");
    let body = |sent: &Sent| String::from_utf8_lossy(sent.body()).into_owned();
    let bodies: Vec<_> = sent[1..].iter().map(body).collect();
    assert_eq!(bodies, ["SIP/2.0 100 Trying\r\n", "SIP/2.0 180 Ringing\r\n", "SIP/2.0 200 OK\r\n"]);
    for notify in &sent[1..] {
        assert_eq!(notify.header("Event").as_deref(), Some("refer;id=2"), "§2.4.6: the CSeq of the REFER");
        assert!(notify.header("Content-Type").is_some_and(|kind| kind.starts_with("message/sipfrag")));
    }
    let states: Vec<_> = sent[1..].iter().filter_map(|sent| sent.header("Subscription-State")).collect();
    assert!(states[..2].iter().all(|state| state.starts_with("active;expires=")));
    assert_eq!(states[2], "terminated;reason=noresource");
}

// §2.1: the Refer-To may name another method; of those we carry out none.
#[test]
fn a_refer_to_another_method_than_invite_is_declined() {
    let mut ua = Ua::talking();
    ua.ask("REFER", 2, "Refer-To: <sip:9002@192.0.2.9;method=BYE>", "");
    assert_eq!(ua.words(), ["603"]);
    assert!(ua.events().is_empty());
}

// Two REFERs at once: the second waits its turn.
#[test]
fn a_second_refer_before_the_first_is_decided_gets_500() {
    let (mut ua, _) = referred("Refer-To: <sip:9002@192.0.2.9>");
    ua.ask("REFER", 3, "Refer-To: <sip:9003@192.0.2.9>", "");
    assert_eq!(ua.words(), ["500"]);
}

/// We refer the peer to somebody: the REFER that went out.
fn referring() -> (Ua, sip::Request) {
    let mut ua = Ua::called_out("Allow: REFER");
    ua.with(|session, now, ep| {
        session.refer(now, ep, "<sip:9002@192.0.2.9>", &[("Referred-By", "<sip:us@198.51.100.1>")]);
    });
    let refer = ua.one();
    assert_eq!(refer.header("Refer-To").as_deref(), Some("<sip:9002@192.0.2.9>"));
    assert_eq!(refer.header("Referred-By").as_deref(), Some("<sip:us@198.51.100.1>"));
    assert_eq!(refer.request().headers.count("Contact"), 1);
    let refer = refer.request().clone();
    (ua, refer)
}

fn report(ua: &mut Ua, cseq: u32, event: &str, state: &str, line: &str) -> String {
    let head = {
        let (from, to) = ua.dialog();
        let call_id = ua.session.as_ref().expect("a session").call_id().to_owned();
        format!(
            "NOTIFY sip:us@198.51.100.1:5060 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bKn{cseq};rport\n\
             From: {from}\nTo: {to}\nCall-ID: {call_id}\nCSeq: {cseq} NOTIFY\nMax-Forwards: 70\n\
             Contact: <sip:peer@192.0.2.4>\nEvent: {event}\nSubscription-State: {state}"
        )
    };
    let text = String::from_utf8(wire(&head, &format!("{line}\n")).to_vec()).expect("text");
    ua.receive(text.replace("application/sdp", "message/sipfrag").into());
    ua.one().word()
}

const REPORTS: [(&str, &str, u16); 3] = [
    ("active;expires=60", "SIP/2.0 100 Trying", 100),
    ("active;expires=60", "SIP/2.0 180 Ringing", 180),
    ("terminated;reason=noresource", "SIP/2.0 200 OK", 200),
];

// §2.4.4: "The NOTIFY … may arrive before the response to the REFER": the subscription exists from the moment the REFER is
// sent. RFC 6665 §4.1.3: a NOTIFY that matches no subscription gets 481.
#[test]
fn reports_are_taken_before_the_202_and_until_the_final_one() {
    for early in [true, false] {
        let (mut ua, refer) = referring();
        if !early {
            ua.reply(&refer, 202, "peer", "", "");
        }
        for (number, (state, line, status)) in REPORTS.into_iter().enumerate() {
            assert_eq!(report(&mut ua, 1 + number as u32, "refer", state, line), "200");
            assert_eq!(ua.events(), [SessionEvent::ReferProgress { status }]);
        }
        if early {
            ua.reply(&refer, 202, "peer", "", "");
        }
        assert_eq!(report(&mut ua, 9, "refer", "active", "SIP/2.0 100 Trying"), "481");
        assert!(ua.events().is_empty());
    }
}

// §2.4.6: "the NOTIFY … id parameter … the sequence number (the number from the CSeq header field value) of the REFER".
#[test]
fn reports_of_several_refers_are_told_apart_by_id() {
    let (mut ua, first) = referring();
    ua.with(|session, now, ep| session.refer(now, ep, "<sip:9003@192.0.2.9>", &[]));
    let second = ua.one().request().clone();
    ua.reply(&first, 202, "peer", "", "");
    ua.reply(&second, 202, "peer", "", "");
    let number = |request: &sip::Request| request.headers.cseq().expect("CSeq").number;
    let ids = [number(&first), number(&second)];
    let over = "terminated;reason=noresource";
    assert_eq!(report(&mut ua, 1, &format!("refer;id={}", ids[1]), over, "SIP/2.0 200 OK"), "200");
    assert_eq!(report(&mut ua, 2, &format!("refer;id={}", ids[1]), over, "SIP/2.0 200 OK"), "481");
    assert_eq!(report(&mut ua, 3, "refer;id=77", over, "SIP/2.0 200 OK"), "481");
    assert_eq!(report(&mut ua, 4, &format!("refer;id={}", ids[0]), over, "SIP/2.0 486 Busy Here"), "200");
}

// A NOTIFY of something else, without its state, or with another body.
#[test]
fn notifies_that_are_no_reports_are_refused() {
    let (mut ua, _) = referring();
    assert_eq!(report(&mut ua, 1, "presence", "active", "SIP/2.0 200 OK"), "481");
    ua.ask("NOTIFY", 2, "Event: refer", "");
    assert_eq!(ua.words(), ["400"], "RFC 6665: Subscription-State is a MUST");
    ua.ask("NOTIFY", 3, "Event: refer\nSubscription-State: active", "v=0\n");
    assert_eq!(ua.words(), ["415"]);
    assert!(ua.events().is_empty());
}

// §2.4.2: a refusal of ours leaves nothing behind: no report is awaited.
#[test]
fn a_refused_refer_of_ours_is_told_once() {
    let (mut ua, refer) = referring();
    ua.reply(&refer, 603, "peer", "", "");
    assert_eq!(ua.events(), [SessionEvent::ReferProgress { status: 603 }]);
    assert_eq!(report(&mut ua, 1, "refer", "active", "SIP/2.0 100 Trying"), "481");
}
