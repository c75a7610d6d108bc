//! RFC 4488: REFER without its implicit subscription.

use sip::session::SessionEvent;

use crate::ua::Ua;

// §4: "If the REFER-Recipient supports the extension and is willing …, it MUST insert the "Refer-Sub" header field with the
// value of "false" in the 2xx response to the REFER"; "the REFER-Recipient … no implicit subscription is created".
#[test]
fn a_refer_without_reports_is_promised_none() {
    let mut ua = Ua::talking();
    ua.ask("REFER", 2, "Refer-To: <sip:9002@192.0.2.9>\nRefer-Sub: false\nRequire: norefersub", "");
    let told = ua.events();
    let [SessionEvent::Transferred { tx, .. }] = told[..] else { panic!("{told:?}") };
    ua.with(|session, now, ep| {
        session.accept_refer(now, ep, tx);
        session.notify_refer(now, ep, 200);
    });
    let accepted = ua.one();
    assert_eq!((accepted.word().as_str(), accepted.header("Refer-Sub").as_deref()), ("202", Some("false")));
}

// §4: "If the REFER-Issuer … does not receive "Refer-Sub: false" in the 2xx, it MUST … subscription"; with it, none is
// awaited: the response is all that will be told.
#[test]
fn ours_without_reports_is_over_with_its_response() {
    for (answer, told) in
        [("Refer-Sub: false", vec![SessionEvent::ReferProgress { status: 202 }]), ("", Vec::new())]
    {
        let mut ua = Ua::called_out("Allow: REFER");
        ua.with(|session, now, ep| session.refer(now, ep, "<sip:9002@192.0.2.9>", &[("Refer-Sub", "false")]));
        let refer = ua.one().request().clone();
        assert_eq!(refer.headers.text("Refer-Sub"), Some("false"));
        ua.reply(&refer, 202, "peer", answer, "");
        assert_eq!(ua.events(), told);
    }
}
