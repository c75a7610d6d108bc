//! RFC 3261 §12: dialogs.

use sip::session::{EndCause, EndedBy, SessionEvent};

use crate::ua::{OFFER, Ua, sdp};

const ROUTED: &str = "Record-Route: <sip:near.example;lr>, <sip:far.example;lr>";

// §12.1.1: "The UAS … MUST copy all Record-Route header field values from the request into the response … and MUST
// maintain the order of those values." "The route set MUST be set to the list of URIs in the Record-Route header field
// from the request, taken in order and preserving all URI parameters."
#[test]
fn the_callees_route_set_is_record_route_in_order() {
    let mut ua = Ua::talking_with(|_| {}, ROUTED);
    ua.with(|session, now, ep| session.hang_up(now, ep, None, 480));
    let bye = ua.one();
    let route: Vec<_> = bye.message.headers().elements("Route").map(<[u8]>::to_vec).collect();
    assert_eq!(route, [b"<sip:near.example;lr>".to_vec(), b"<sip:far.example;lr>".to_vec()]);
    assert_eq!(bye.request().uri.to_string(), "sip:peer@192.0.2.4:5060", "the remote target");
}

// §12.1.2: "The route set MUST be set to the list of URIs in the Record-Route header field from the response, taken in
// reverse order and preserving all URI parameters."
#[test]
fn the_callers_route_set_is_record_route_in_reverse_order() {
    let mut ua = Ua::called_out(ROUTED);
    ua.with(|session, now, ep| session.hang_up(now, ep, None, 480));
    let bye = ua.one();
    let route: Vec<_> = bye.message.headers().elements("Route").map(<[u8]>::to_vec).collect();
    assert_eq!(route, [b"<sip:far.example;lr>".to_vec(), b"<sip:near.example;lr>".to_vec()]);
}

// §12.2.1.1: "If the route set is not empty, and its first URI does not contain the lr parameter, the UAC MUST place the
// first URI from the route set into the Request-URI, stripping any parameters that are not allowed in a Request-URI. The
// UAC MUST add a Route header field containing the remainder of the route set values in order …. The UAC MUST then place
// the remote target URI into the Route header field as the last value."
#[test]
fn a_strict_router_takes_the_request_uri() {
    let mut ua = Ua::talking_with(|_| {}, "Record-Route: <sip:strict.example>, <sip:far.example;lr>");
    ua.with(|session, now, ep| session.hang_up(now, ep, None, 480));
    let bye = ua.one();
    assert_eq!(bye.request().uri.to_string(), "sip:strict.example");
    let route: Vec<_> = bye.message.headers().elements("Route").map(<[u8]>::to_vec).collect();
    assert_eq!(route, [b"<sip:far.example;lr>".to_vec(), b"<sip:peer@192.0.2.4:5060>".to_vec()]);
}

// §12.2.1.1: "The URI in the To field of the request MUST be set to the remote URI from the dialog state. The tag in the
// To header field of the request MUST be set to the remote tag of the dialog ID. The From URI of the request MUST be set
// to the local URI from the dialog state. The tag in the From header field of the request MUST be set to the local tag of
// the dialog ID." "Requests within a dialog MUST contain strictly monotonically increasing and contiguous CSeq sequence
// numbers (increasing-by-one) in each direction (excepting ACK and CANCEL of course …)".
#[test]
fn requests_within_the_dialog_name_it_and_count_by_one() {
    let mut ua = Ua::called_out("Allow: INFO");
    let call_id = ua.session.as_ref().expect("a session").call_id().to_owned();
    let mut numbers = Vec::new();
    for key in ["1", "2", "3"] {
        ua.with(|session, now, ep| {
            session.send_info(now, ep, "application/dtmf", key.as_bytes().to_vec().into())
        });
        let info = ua.one();
        assert_eq!(info.header("Call-ID"), Some(call_id.clone()));
        assert!(info.header("From").is_some_and(|from| from.starts_with("<sip:us@198.51.100.1>;tag=")));
        assert_eq!(info.header("To").as_deref(), Some("<sip:peer@192.0.2.4>;tag=peer"));
        numbers.push(info.request().headers.cseq().expect("CSeq").number);
        ua.reply(info.request(), 200, "peer", "", "");
    }
    assert_eq!(numbers, [2, 3, 4], "the INVITE was 1, the ACK has its number");
}

// §12.2.1.1 and §12.2.2: a target refresh replaces the remote target: "If the request is a target refresh request …, the
// UAS MUST replace the dialog's remote target URI with the URI from the Contact header field in that request, if present."
#[test]
fn a_target_refresh_moves_the_target() {
    let mut ua = Ua::talking();
    ua.ask("INVITE", 2, "Contact: <sip:elsewhere@192.0.2.4:5070>", OFFER);
    ua.ask("ACK", 2, "", "");
    ua.mark();
    ua.with(|session, now, ep| session.hang_up(now, ep, None, 480));
    assert_eq!(ua.one().request().uri.to_string(), "sip:elsewhere@192.0.2.4:5070");
}

// §12.2.2: "If the remote sequence number was not empty, but the sequence number of the request is lower than the remote
// sequence number, the request is out of order and MUST be rejected with a 500 (Server Internal Error) response." A gap
// is not an error: "It is possible for the CSeq sequence number to be higher than the remote sequence number by more than
// one. This is not an error condition".
#[test]
fn a_lower_number_gets_500_and_a_gap_is_no_error() {
    let mut ua = Ua::talking();
    ua.ask("INFO", 10, "", "");
    ua.ask("INFO", 9, "", "");
    ua.ask("INFO", 30, "", "");
    assert_eq!(ua.words(), ["200", "500", "200"]);
}

// §12.2.2: "If the request has a tag in the To header field, but the dialog identifier does not match any existing
// dialogs" — "it MUST respond to the request with a 481".
#[test]
fn a_foreign_tag_gets_481() {
    let mut ua = Ua::talking();
    let (from, to) = ua.dialog();
    ua.ask_as(&from.replace("tag=peer", "tag=somebody"), &to, "2 INFO", "", "");
    ua.ask_as(&from, "<sip:us@198.51.100.1>;tag=nobody", "3 BYE", "", "");
    assert_eq!(ua.words(), ["481", "481"]);
    assert!(ua.session.as_ref().is_some_and(|session| session.is_established()));
}

// §12.2.1.2: "If the response for a request within a dialog is a 481 (Call/Transaction Does Not Exist) or a 408 (Request
// Timeout), the UAC SHOULD terminate the dialog. A UAC SHOULD also terminate a dialog if no response at all is received".
#[test]
fn a_peer_that_does_not_know_the_dialog_ends_it() {
    let mut ua = Ua::called_out("");
    ua.with(|session, now, ep| session.offer(now, ep, sdp("moved")));
    let invite = ua.one().request().clone();
    ua.reply(&invite, 481, "peer", "", "");
    let lost = SessionEvent::Ended { by: EndedBy::Remote, cause: EndCause::DialogLost(481) };
    assert_eq!(ua.events(), [lost]);
    let mut ua = Ua::called_out("");
    ua.with(|session, now, ep| session.offer(now, ep, sdp("moved")));
    ua.pass(crate::ua::SECS(33));
    let lost = SessionEvent::Ended { by: EndedBy::Remote, cause: EndCause::DialogLost(408) };
    assert_eq!(ua.events(), [lost]);
}

// §12.3: "Independent of the method, if a request outside of a dialog generates a non-2xx final response, any early
// dialogs created through provisional responses to that request are terminated."
#[test]
fn a_refusal_ends_the_early_dialogs() {
    let mut ua = Ua::new();
    let invite = ua.call(Some(sdp("offer")));
    ua.reply(&invite, 183, "early", "", "");
    ua.reply(&invite, 603, "early", "", "");
    ua.mark();
    let (_, to) = ua.dialog();
    ua.ask_as("<sip:peer@192.0.2.4>;tag=early", &to, "1 UPDATE", "", "");
    assert_eq!(ua.words(), ["481"]);
}
