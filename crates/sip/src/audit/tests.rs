use super::*;

/// A good call: INVITE, 180, 200, ACK, BYE, 200. Each line: who sends, when (ms), the message.
const GOOD: &[(char, u64, &str)] = &[
    ('a', 0, "INVITE sip:b@192.0.2.2 SIP/2.0|V1|FT|C|1 INVITE|M|<sip:a@192.0.2.1>"),
    ('a', 500, "INVITE sip:b@192.0.2.2 SIP/2.0|V1|FT|C|1 INVITE|M|<sip:a@192.0.2.1>"),
    ('b', 510, "SIP/2.0 180 Ringing|V1|FTT|C|1 INVITE||<sip:b@192.0.2.2>"),
    ('b', 900, "SIP/2.0 200 OK|V1|FTT|C|1 INVITE||<sip:b@192.0.2.2>"),
    ('a', 910, "ACK sip:b@192.0.2.2 SIP/2.0|V2|FTT|C|1 ACK|M|"),
    ('a', 5000, "BYE sip:b@192.0.2.2 SIP/2.0|V3|FTT|C|2 BYE|M|"),
    ('b', 5010, "SIP/2.0 200 OK|V3|FTT|C|2 BYE||"),
];

/// A refused call that was cancelled.
const CANCELLED: &[(char, u64, &str)] = &[
    ('a', 0, "INVITE sip:b@192.0.2.2 SIP/2.0|V1|FT|C|1 INVITE|M|<sip:a@192.0.2.1>"),
    ('b', 10, "SIP/2.0 180 Ringing|V1|FTT|C|1 INVITE||<sip:b@192.0.2.2>"),
    ('a', 400, "CANCEL sip:b@192.0.2.2 SIP/2.0|V1|FT|C|1 CANCEL|M|"),
    ('b', 410, "SIP/2.0 200 OK|V1|FTT|C|1 CANCEL||"),
    ('b', 420, "SIP/2.0 487 Request Terminated|V1|FTT|C|1 INVITE||"),
    ('a', 430, "ACK sip:b@192.0.2.2 SIP/2.0|V1|FTT|C|1 ACK|M|"),
];

fn message(short: &str) -> String {
    let parts: Vec<&str> = short.split('|').collect();
    let [start, via, tags, call, cseq, forwards, contact] = parts[..] else { panic!("{short}") };
    let mut text = format!("{start}\r\n");
    if !via.is_empty() {
        let cookie = if via.starts_with('x') { "" } else { "z9hG4bK" };
        text += &format!("Via: SIP/2.0/UDP 192.0.2.1:5060;branch={cookie}{via}\r\n");
    }
    let from_tag = if tags.starts_with('F') { ";tag=f1" } else { "" };
    let to_tag = match &tags[1..] {
        "TT" => ";tag=t1",
        "TU" => ";tag=t2",
        _ => "",
    };
    text += &format!("From: <sip:a@192.0.2.1>{from_tag}\r\nTo: <sip:b@192.0.2.2>{to_tag}\r\n");
    text += &format!("Call-ID: {call}1\r\nCSeq: {cseq}\r\n");
    if !forwards.is_empty() {
        text += "Max-Forwards: 70\r\n";
    }
    if !contact.is_empty() {
        text += &format!("Contact: {contact}\r\n");
    }
    text + "Content-Length: 0\r\n\r\n"
}

fn trace(history: &[(char, u64, &str)]) -> Vec<Entry> {
    let entry = |(who, at, short): &(char, u64, &str)| {
        let (a, b) = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
        let (from, to) = if *who == 'a' { (a, b) } else { (b, a) };
        Entry { at: Instant::from_millis(*at), from, to, bytes: Bytes::from(message(short)) }
    };
    history.iter().map(entry).collect()
}

/// The rules that a history breaks.
fn broken(history: &[(char, u64, &str)]) -> Vec<Rule> {
    let mut rules: Vec<Rule> = audit(&trace(history)).into_iter().map(|finding| finding.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

/// `GOOD` (or another) with line `at` replaced.
fn with(
    history: &'static [(char, u64, &'static str)],
    at: usize,
    line: (char, u64, &'static str),
) -> Vec<Rule> {
    let mut changed = history.to_vec();
    changed[at] = line;
    broken(&changed)
}

fn without(history: &'static [(char, u64, &'static str)], lines: &[usize]) -> Vec<Rule> {
    let kept = history.iter().enumerate().filter(|(at, _)| !lines.contains(at));
    broken(&kept.map(|(_, line)| *line).collect::<Vec<_>>())
}

#[test]
fn good_histories_pass() {
    assert_eq!(broken(GOOD), []);
    assert_eq!(broken(CANCELLED), []);
}

#[test]
fn a_packet_that_is_no_message_is_found() {
    let mut bad = trace(GOOD);
    bad.push(Entry { bytes: Bytes::from_static(b"hello"), ..bad[0].clone() });
    assert_eq!(audit(&bad)[0].rule, Rule::Valid);
    assert!(
        with(GOOD, 4, ('a', 910, "ACK sip:b@192.0.2.2 SIP/2.0|V2|FTT|C|1 BYE|M|")).contains(&Rule::Valid)
    );
}

#[test]
fn a_wrong_content_length_is_found() {
    let mut bad = trace(GOOD);
    bad[6].bytes = Bytes::from([&bad[6].bytes[..], b"extra"].concat());
    assert_eq!(audit(&bad).iter().map(|finding| finding.rule).collect::<Vec<_>>(), [Rule::ContentLength]);
}

#[test]
fn a_branch_without_cookie_is_found() {
    let bye = ('a', 5000, "BYE sip:b@192.0.2.2 SIP/2.0|x3|FTT|C|2 BYE|M|");
    let ok = ('b', 5010, "SIP/2.0 200 OK|x3|FTT|C|2 BYE||");
    let mut changed = GOOD.to_vec();
    (changed[5], changed[6]) = (bye, ok);
    assert_eq!(broken(&changed), [Rule::MagicCookie]);
}

#[test]
fn a_request_without_max_forwards_is_found() {
    assert_eq!(
        with(GOOD, 5, ('a', 5000, "BYE sip:b@192.0.2.2 SIP/2.0|V3|FTT|C|2 BYE||")),
        [Rule::MaxForwards]
    );
}

#[test]
fn missing_tags_are_found() {
    let bare = ('b', 510, "SIP/2.0 180 Ringing|V1|FT|C|1 INVITE||<sip:b@192.0.2.2>");
    assert_eq!(with(GOOD, 2, bare), [Rule::Tags]);
    let anonymous = ('a', 910, "ACK sip:b@192.0.2.2 SIP/2.0|V2|_TT|C|1 ACK|M|");
    assert!(with(GOOD, 4, anonymous).contains(&Rule::Tags));
}

#[test]
fn a_missing_contact_is_found() {
    assert_eq!(with(GOOD, 3, ('b', 900, "SIP/2.0 200 OK|V1|FTT|C|1 INVITE||")), [Rule::Contact]);
    let mut changed = GOOD.to_vec();
    changed[0].2 = "INVITE sip:b@192.0.2.2 SIP/2.0|V1|FT|C|1 INVITE|M|";
    changed[1].2 = changed[0].2;
    assert_eq!(broken(&changed), [Rule::Contact]);
}

#[test]
fn a_response_to_nothing_is_found() {
    let mut changed = GOOD.to_vec();
    changed.push(('b', 6000, "SIP/2.0 200 OK|V9|FTT|C|3 BYE||"));
    assert_eq!(broken(&changed), [Rule::ResponseFits]);
    let other_tag = ('b', 5010, "SIP/2.0 200 OK|V3|FTU|C|2 BYE||");
    assert!(with(GOOD, 6, other_tag).contains(&Rule::ResponseFits));
}

#[test]
fn a_request_without_final_response_is_found() {
    assert_eq!(without(GOOD, &[6]), [Rule::FinalResponse]);
    assert!(without(GOOD, &[3, 4, 5, 6]).contains(&Rule::FinalResponse));
}

#[test]
fn a_request_repeated_to_the_end_may_stay_without_final_response() {
    let mut changed = GOOD[..6].to_vec();
    for at in [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500] {
        changed.push(('a', 5000 + at, GOOD[5].2));
    }
    assert_eq!(broken(&changed), []);
}

#[test]
fn several_final_responses_are_found() {
    let mut changed = GOOD.to_vec();
    changed.push(('b', 5020, "SIP/2.0 481 Gone|V3|FTT|C|2 BYE||"));
    assert_eq!(broken(&changed), [Rule::OneFinal]);
    let mut changed = GOOD.to_vec();
    changed.push(('b', 5020, "SIP/2.0 180 Ringing|V1|FTT|C|1 INVITE||<sip:b@192.0.2.2>"));
    assert_eq!(broken(&changed), [Rule::OneFinal]);
}

#[test]
fn an_answer_to_ack_is_found() {
    let mut changed = GOOD.to_vec();
    changed.insert(5, ('b', 920, "SIP/2.0 481 Gone|V2|FTT|C|1 ACK||"));
    assert_eq!(broken(&changed), [Rule::AckUnanswered]);
}

#[test]
fn a_final_response_without_ack_is_found() {
    assert_eq!(without(GOOD, &[4]), [Rule::Acknowledged]);
    assert_eq!(without(CANCELLED, &[5]), [Rule::Acknowledged]);
}

#[test]
fn a_challenge_that_its_asker_never_heard_may_stay_without_ack() {
    let challenged = |times: &[u64]| {
        let asked = times
            .iter()
            .map(|at| ('a', *at, "INVITE sip:b@192.0.2.2 SIP/2.0|V1|FT|C|1 INVITE|M|<sip:a@192.0.2.1>"));
        let told = ('b', 10, "SIP/2.0 407 Who|V1|FTT|C|1 INVITE||");
        broken(&asked.chain([told]).collect::<Vec<_>>())
    };
    assert_eq!(challenged(&[0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]), []);
    assert_eq!(challenged(&[0, 500, 1_500]), [Rule::Acknowledged]);
}

#[test]
fn a_cseq_that_does_not_rise_is_found() {
    let mut changed = GOOD.to_vec();
    changed.push(('a', 6000, "OPTIONS sip:b@192.0.2.2 SIP/2.0|V4|FTT|C|2 OPTIONS|M|"));
    changed.push(('b', 6010, "SIP/2.0 200 OK|V4|FTT|C|2 OPTIONS||"));
    assert_eq!(broken(&changed), [Rule::CSeqRises]);
}

#[test]
fn an_ack_with_a_number_of_its_own_is_found() {
    let ack = ('a', 910, "ACK sip:b@192.0.2.2 SIP/2.0|V2|FTT|C|2 ACK|M|");
    assert_eq!(with(GOOD, 4, ack), [Rule::Acknowledged, Rule::AckAndCancelNumbers]);
}

#[test]
fn a_cancel_of_nothing_or_too_early_is_found() {
    let other = ('a', 400, "CANCEL sip:b@192.0.2.2 SIP/2.0|V8|FT|C|1 CANCEL|M|");
    assert!(with(CANCELLED, 2, other).contains(&Rule::CancelFits));
    assert_eq!(without(CANCELLED, &[1]), [Rule::CancelFits]);
    let other_uri = ('a', 400, "CANCEL sip:c@192.0.2.2 SIP/2.0|V1|FT|C|1 CANCEL|M|");
    assert_eq!(with(CANCELLED, 2, other_uri), [Rule::CancelFits]);
}

#[test]
fn a_bye_outside_a_dialog_is_found() {
    let bye = ('a', 5000, "BYE sip:b@192.0.2.2 SIP/2.0|V3|FTU|C|2 BYE|M|");
    let ok = ('b', 5010, "SIP/2.0 200 OK|V3|FTU|C|2 BYE||");
    let mut changed = GOOD.to_vec();
    (changed[5], changed[6]) = (bye, ok);
    assert_eq!(broken(&changed), [Rule::ByeInDialog]);
}

#[test]
fn a_retransmission_that_differs_is_found() {
    let other = ('a', 500, "INVITE sip:b@192.0.2.2 SIP/2.0|V1|FT|C|1 INVITE|M|<sip:other@192.0.2.1>");
    assert_eq!(with(GOOD, 1, other), [Rule::RetransmissionsIdentical]);
    let mut changed = GOOD.to_vec();
    changed.insert(4, ('b', 1400, "SIP/2.0 200 OK|V1|FTT|C|1 INVITE||<sip:other@192.0.2.2>"));
    assert_eq!(broken(&changed), [Rule::RetransmissionsIdentical]);
}

#[test]
fn a_retransmission_at_the_wrong_time_is_found() {
    assert_eq!(with(GOOD, 1, ('a', 400, GOOD[1].2)), [Rule::Timers]);
    let mut changed = GOOD.to_vec();
    changed.insert(2, ('a', 1000, GOOD[0].2));
    assert_eq!(broken(&changed), [Rule::Timers]);
}

#[test]
fn a_reliable_response_without_prack_is_found() {
    let mut bad = trace(GOOD);
    let text = message(GOOD[2].2).replace("Contact:", "Require: 100rel\r\nRSeq: 7\r\nContact:");
    bad[2].bytes = Bytes::from(text);
    // The 200 follows so soon that the 180 may never have been read.
    assert_eq!(audit(&bad), []);
    for later in &mut bad[3..] {
        later.at += std::time::Duration::from_secs(1);
    }
    assert_eq!(audit(&bad).iter().map(|finding| finding.rule).collect::<Vec<_>>(), [Rule::Pracked]);
}
