//! RFC 3262: reliable provisional responses and PRACK, in both roles.

use sip::session::{EndCause, EndedBy, Rel100, SessionEvent};

use crate::ua::{MILLIS, OFFER, SECS, Sent, Ua, sdp, times};

fn rack(sent: &Sent) -> String {
    format!("RAck: {} 1 INVITE", sent.header("RSeq").expect("RSeq"))
}

/// Called by a peer that can, ringing reliably with `body`.
fn ringing(body: Option<&str>) -> (Ua, Sent) {
    let mut ua = Ua::new();
    ua.invited("Supported: 100rel", OFFER);
    ua.with(|session, now, ep| session.ring(now, ep, 183, body.map(sdp)));
    let sent = ua.one();
    (ua, sent)
}

// §3: "A UAS MUST send any non-100 provisional response reliably if the initial request contained a Require header field
// with the option tag 100rel. If the UAS is unwilling to do so, it MUST reject the initial request with a 420 (Bad
// Extension) and include an Unsupported header field containing the option tag 100rel."
#[test]
fn callee_who_is_required_sends_all_reliably_or_refuses_with_420() {
    let mut ua = Ua::new();
    ua.invited("Require: 100rel", OFFER);
    ua.with(|session, now, ep| session.ring(now, ep, 180, None));
    let ringing = ua.one();
    assert!(ringing.header("RSeq").is_some());
    assert_eq!(ringing.header("Require").as_deref(), Some("100rel"));
    // Without an offer in the INVITE the first reliable response must carry ours: one that carries none is not sent.
    let mut ua = Ua::new();
    ua.invited("Require: 100rel", "");
    ua.with(|session, now, ep| session.ring(now, ep, 180, None));
    assert_eq!(ua.words(), [""; 0]);
    ua.with(|session, now, ep| session.ring(now, ep, 180, Some(sdp("our offer"))));
    assert_eq!(ua.one().body(), &sdp("our offer"));
    let mut ua = Ua::new();
    ua.local.rel100 = Rel100::Off;
    ua.invited("Require: 100rel", OFFER);
    let refusal = ua.one();
    assert_eq!((refusal.word().as_str(), refusal.header("Unsupported").as_deref()), ("420", Some("100rel")));
}

// §3: "A UAS MUST NOT attempt to send a 100 (Trying) response reliably." "The UAS MUST NOT send … reliably … if the
// request did not include either a Supported or Require header field indicating this feature."
#[test]
fn callee_never_sends_100_reliably_nor_anything_to_a_peer_that_cannot() {
    let mut ua = Ua::new();
    ua.invited("Require: 100rel", OFFER);
    ua.pass(MILLIS(200));
    assert!(ua.one().header("RSeq").is_none(), "100");
    let mut ua = Ua::new();
    ua.invited("", OFFER);
    ua.with(|session, now, ep| session.ring(now, ep, 183, Some(sdp("early"))));
    assert!(ua.one().header("RSeq").is_none());
}

// The option: required of us, a peer that cannot is refused (RFC 3261 §21.4.16); off, it is not offered.
#[test]
fn option_required_refuses_with_421_and_off_says_nothing_of_it() {
    let mut ua = Ua::new();
    ua.local.rel100 = Rel100::Required;
    ua.invited("", OFFER);
    let refusal = ua.one();
    assert_eq!((refusal.word().as_str(), refusal.header("Require").as_deref()), ("421", Some("100rel")));
    let mut ua = Ua::new();
    ua.local.rel100 = Rel100::Required;
    assert!(ua.call(Some(sdp("offer"))).headers.lists(sip::HeaderName::Require, "100rel"));
    let mut ua = Ua::new();
    ua.local.rel100 = Rel100::Off;
    assert!(!ua.call(Some(sdp("offer"))).headers.lists(sip::HeaderName::Supported, "100rel"));
    ua.session = None;
    ua.invited("Supported: 100rel", OFFER);
    ua.with(|session, now, ep| session.ring(now, ep, 183, Some(sdp("early"))));
    assert!(ua.last().header("RSeq").is_none());
}

// §3: "The provisional response … is passed to the transaction layer periodically with an interval that starts at T1
// seconds and doubles for each retransmission". "If a reliable provisional response is retransmitted for 64*T1 seconds
// without reception of a corresponding PRACK, the UAS SHOULD reject the original request with a 5xx response."
#[test]
fn callee_repeats_from_t1_doubling_without_bound_and_gives_up_with_5xx_after_64_t1() {
    let (mut ua, first) = ringing(Some("early"));
    ua.mark();
    ua.pass(MILLIS(32_000));
    let sent = ua.take_sent();
    let timeline: Vec<_> = sent.iter().map(|sent| (sent.at, sent.word())).collect();
    let mut expected = times("183", &[500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    expected.push((32_000, "504".into()));
    assert_eq!(timeline, expected);
    assert!(sent[..6].iter().all(|again| again.bytes == first.bytes));
    assert_eq!(ua.events(), [SessionEvent::Ended { by: EndedBy::Remote, cause: EndCause::NoPrack }]);
}

// §3: "The value of the header field for the first reliable provisional response in a transaction MUST be between 1 and
// 2**31 - 1. It is RECOMMENDED that it be chosen uniformly in this range." "each subsequent … MUST be exactly one
// higher". "The UAS MUST NOT send a second reliable provisional response until the first is acknowledged."
#[test]
fn callee_numbers_its_responses_by_one_and_waits_for_each_prack() {
    let (mut ua, first) = ringing(Some("early"));
    ua.with(|session, now, ep| session.ring(now, ep, 180, None));
    assert_eq!(ua.words(), [""; 0]);
    ua.ask("PRACK", 2, &rack(&first), "");
    let sent = ua.take_sent();
    assert_eq!(sent.iter().map(Sent::word).collect::<Vec<_>>(), ["200", "180"]);
    let number = |sent: &Sent| sent.header("RSeq").and_then(|text| text.parse::<u32>().ok()).expect("RSeq");
    assert!((1..1 << 31).contains(&number(&first)));
    assert_eq!(number(&sent[1]), number(&first) + 1);
}

// §3: "If the PRACK request does not match an unacknowledged reliable provisional response, a 481 response MUST be
// generated". "A matching PRACK is defined as one within the same dialog as the response, and whose method, CSeq-num, and
// response-num in the RAck header field match, respectively, the method from the CSeq, the sequence number from the CSeq,
// and the sequence number from the RSeq of the reliable provisional response." "If a PRACK … is matched, it MUST be
// responded to with a 2xx response. The UAS can be certain at this point that the provisional response has been received
// in order. It SHOULD cease retransmissions".
#[test]
fn callee_answers_a_matching_prack_200_and_any_other_481() {
    let (mut ua, first) = ringing(Some("early"));
    let rseq: u32 = first.header("RSeq").and_then(|text| text.parse().ok()).expect("RSeq");
    for (number, wrong) in
        [format!("{} 1 INVITE", rseq + 1), format!("{rseq} 2 INVITE"), format!("{rseq} 1 UPDATE")]
            .iter()
            .enumerate()
    {
        ua.ask("PRACK", 2 + number as u32, &format!("RAck: {wrong}"), "");
        assert_eq!(ua.words(), ["481"], "{wrong}");
    }
    ua.ask("PRACK", 9, &rack(&first), "");
    ua.pass(SECS(20));
    assert_eq!(ua.words(), ["200"], "and no repetition");
    ua.ask("PRACK", 10, &rack(&first), "");
    assert_eq!(ua.words(), ["481"], "it is acknowledged already");
}

// §3: "The UAS MAY send a final response to the initial request before having received PRACKs for all unacknowledged
// reliable provisional responses, unless the final response is 2xx and any of the unacknowledged reliable provisional
// responses contained a session description. In that case, it MUST NOT send a final response until those provisional
// responses are acknowledged."
#[test]
fn callee_holds_its_2xx_until_a_description_is_acknowledged() {
    let (mut ua, first) = ringing(Some("early"));
    ua.with(|session, now, ep| session.answer(now, ep, sdp("early")));
    assert_eq!(ua.words(), [""; 0]);
    ua.ask("PRACK", 2, &rack(&first), "");
    assert_eq!(ua.words(), ["200", "200"], "the PRACK's and the INVITE's");
    let (mut ua, _) = ringing(Some("early"));
    ua.with(|session, now, ep| session.refuse(now, ep, 486, &[]));
    assert_eq!(ua.words(), ["486"], "a refusal need not wait");
}

// §3: "If the UAS does send a final response when reliable responses are still unacknowledged, it SHOULD NOT continue to
// retransmit the unacknowledged reliable provisional responses, but it MUST be prepared to process PRACK requests for
// those outstanding responses. A UAS MUST NOT send new reliable provisional responses (as opposed to retransmissions of
// unacknowledged ones) after sending a final response to a request."
#[test]
fn callee_answers_a_prack_that_its_final_response_overtook() {
    for answered in [true, false] {
        let (mut ua, first) = ringing(None);
        ua.with(|session, now, ep| {
            session.ring(now, ep, 180, None);
            if answered { session.answer(now, ep, sdp("answer")) } else { session.refuse(now, ep, 486, &[]) }
        });
        let ends = ua.words();
        assert_eq!(ends.len(), 1, "{ends:?}");
        ua.ask("PRACK", 2, &rack(&first), "");
        assert_eq!(ua.words(), ["200"]);
        ua.ask("PRACK", 3, &rack(&first), "");
        assert_eq!(ua.words(), ["481"]);
        ua.pass(SECS(40));
        assert!(!ua.words().iter().any(|word| word.starts_with('1')));
    }
}

// RFC 3261 §13.3.1.1: a provisional response each minute; of a reliable one a new one, with its own number.
#[test]
fn callee_goes_on_each_minute_with_a_new_number() {
    let (mut ua, first) = ringing(Some("early"));
    ua.ask("PRACK", 2, &rack(&first), "");
    ua.mark();
    ua.pass(SECS(60));
    let again = ua.one();
    assert_eq!((again.at, again.word().as_str()), (60_000, "183"));
    assert_ne!(again.header("RSeq"), first.header("RSeq"));
    assert!(again.body().is_empty());
}

fn reliable(rseq: u32) -> String {
    format!("Require: 100rel\nRSeq: {rseq}")
}

// §4: "If a provisional response is received for an initial request, and that response contains a Require header field
// containing the option tag 100rel, the response is to be sent reliably. … the UAC MUST create a new request with method
// PRACK … This request is sent within the dialog associated with the provisional response". §7.2 RAck.
#[test]
fn caller_acknowledges_within_the_early_dialog() {
    let mut ua = Ua::new();
    let invite = ua.call(Some(sdp("offer")));
    ua.reply(&invite, 183, "early", &reliable(776656), OFFER);
    let prack = ua.one();
    assert_eq!(prack.word(), "PRACK");
    assert_eq!(prack.header("RAck").as_deref(), Some("776656 1 INVITE"));
    assert_eq!(prack.header("To").as_deref(), Some("<sip:peer@192.0.2.4>;tag=early"));
    assert_eq!(prack.request().uri.to_string(), "sip:early@192.0.2.4:5060");
    assert_eq!(prack.header("CSeq").as_deref(), Some("2 PRACK"));
}

// §4: "If the response is a 100 (Trying) (and also not 101 to 199), this option tag MUST be ignored, and the procedures
// below MUST NOT be used."
#[test]
fn caller_ignores_100rel_in_100() {
    let mut ua = Ua::new();
    let invite = ua.call(Some(sdp("offer")));
    ua.reply(&invite, 100, "", &reliable(1), "");
    assert_eq!(ua.words(), [""; 0]);
}

// §4: "the UAC MUST … Once a reliable provisional response is received, retransmissions of that response MUST be
// discarded. A response is a retransmission when its dialog ID, CSeq, and RSeq match the original response. The UAC MUST
// maintain a sequence number that indicates the most recently received in-order reliable provisional response for the
// initial request. … if the UAC receives another reliable provisional response to the same request, and its RSeq value is
// not one higher than the value of the sequence number, that response MUST NOT be acknowledged with a PRACK, and MUST NOT
// be processed further by the UAC."
#[test]
fn caller_discards_retransmissions_and_what_comes_out_of_order() {
    let mut ua = Ua::new();
    let invite = ua.call(Some(sdp("offer")));
    ua.reply(&invite, 180, "early", &reliable(10), "");
    ua.reply(&invite, 180, "early", &reliable(10), "");
    ua.reply(&invite, 183, "early", &reliable(12), OFFER);
    assert_eq!(ua.words(), ["PRACK"]);
    assert_eq!(ua.events().len(), 1);
    ua.reply(&invite, 183, "early", &reliable(11), OFFER);
    assert_eq!(ua.one().header("RAck").as_deref(), Some("11 1 INVITE"));
    // "Note that the sequence number is per dialog": another fork counts by itself.
    ua.reply(&invite, 180, "other", &reliable(500), "");
    assert_eq!(ua.one().header("RAck").as_deref(), Some("500 1 INVITE"));
}

// The same for provisional responses to a re-INVITE.
#[test]
fn caller_acknowledges_those_of_a_reinvite_once_each() {
    let mut ua = Ua::called_out("");
    ua.with(|session, now, ep| session.offer(now, ep, sdp("moved")));
    let invite = ua.one().request().clone();
    for rseq in [7, 7, 9, 8] {
        ua.reply(&invite, 183, "peer", &reliable(rseq), "");
    }
    let racks: Vec<_> = ua.take_sent().iter().filter_map(|sent| sent.header("RAck")).collect();
    assert_eq!(racks, ["7 2 INVITE", "8 2 INVITE"]);
}

// §5: "If the INVITE contained an offer, the UAS MAY generate an answer in a reliable provisional response": the 2xx does
// not say it again. "If the UAC receives a reliable provisional response with an offer (this would occur if the UAC sent
// an INVITE without an offer, …), it MUST generate an answer in the PRACK."
#[test]
fn offer_and_answer_may_travel_in_reliable_responses_and_pracks() {
    let (mut ua, first) = ringing(Some("early answer"));
    ua.ask("PRACK", 2, &rack(&first), "");
    ua.with(|session, now, ep| session.answer(now, ep, sdp("early answer")));
    assert!(ua.last().body().is_empty());
    let mut ua = Ua::new();
    let invite = ua.call(None);
    ua.reply(&invite, 183, "early", &reliable(1), OFFER);
    assert_eq!(ua.words(), [""; 0]);
    ua.with(|session, now, ep| session.accept_offer(now, ep, sdp("our answer")));
    let prack = ua.one();
    assert_eq!((prack.word().as_str(), prack.body()), ("PRACK", &sdp("our answer")));
    let mut ua = Ua::new();
    ua.invited("Supported: 100rel", "");
    ua.with(|session, now, ep| session.ring(now, ep, 183, Some(sdp("our offer"))));
    let offer = ua.one();
    ua.ask("PRACK", 2, &rack(&offer), OFFER);
    assert!(matches!(&ua.events()[..], [SessionEvent::OfferAccepted { sdp: Some(_) }]));
}

// §5: "If the UAC … PRACK contains an offer, the UAS MUST place the answer in the 2xx to the PRACK."
#[test]
fn an_offer_in_a_prack_is_answered_in_its_2xx() {
    let (mut ua, first) = ringing(Some("early"));
    ua.ask("PRACK", 2, &rack(&first), OFFER);
    let answer = ua.one();
    assert_eq!((answer.header("CSeq").as_deref(), answer.body()), (Some("2 PRACK"), &sdp("accepted")));
}

// Of several forks, the answer that counts is the one of the fork that is answered (§5, RFC 3261 §13.2.1).
#[test]
fn the_early_answer_of_the_fork_that_answers_counts() {
    let mut ua = Ua::new();
    let invite = ua.call(Some(sdp("offer")));
    let named = |name: &str| OFFER.replace("s=peer", &format!("s={name}"));
    ua.reply(&invite, 183, "one", &reliable(1), &named("one"));
    ua.reply(&invite, 183, "two", &reliable(1), &named("two"));
    ua.events();
    ua.reply(&invite, 200, "one", "", "");
    let told = ua.events();
    let [SessionEvent::Answered { sdp: Some(answer) }] = &told[..] else { panic!("{told:?}") };
    assert!(answer.windows(5).any(|window| window == b"s=one"));
}
