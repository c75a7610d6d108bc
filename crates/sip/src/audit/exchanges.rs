//! Owns the rules that several messages keep together.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use super::{Finding, Rule, Seen};
use crate::headers::HeaderName;
use crate::message::{Message, Method, Request, Response};

/// What belongs to one transaction: requests with one branch and method, and their responses.
#[derive(Default)]
struct Transaction<'s, 't> {
    requests: Vec<(&'s Seen<'t>, &'s Request)>,
    responses: Vec<(&'s Seen<'t>, &'s Response)>,
}

type Key = (String, String);

pub(super) fn check(seen: &[Seen<'_>], findings: &mut Vec<Finding>) {
    let transactions = group(seen, findings);
    for ((_, method), transaction) in &transactions {
        identical(transaction, findings);
        timers(transaction, method, findings);
        if method != "ACK" {
            answered(transaction, method, findings);
        }
        if method == "INVITE" {
            acknowledged(transaction, seen, &transactions, findings);
            pracked(transaction, seen, findings);
        }
        if method == "CANCEL" {
            cancels(transaction, &transactions, findings);
        }
    }
    numbers(seen, findings);
    byes(seen, findings);
}

fn group<'s, 't>(seen: &'s [Seen<'t>], findings: &mut Vec<Finding>) -> BTreeMap<Key, Transaction<'s, 't>> {
    let mut transactions: BTreeMap<Key, Transaction<'s, 't>> = BTreeMap::new();
    for one in seen {
        let key = (one.branch(), one.cseq().1);
        match &one.message {
            Message::Request(request) => {
                transactions.entry(key).or_default().requests.push((one, request));
            }
            Message::Response(response) => {
                let transaction = transactions.get_mut(&key);
                let fits = transaction.as_ref().is_some_and(|transaction| {
                    transaction.requests.first().is_some_and(|(asked, request)| {
                        one.call_id() == asked.call_id()
                            && one.cseq() == asked.cseq()
                            && response.headers.get(HeaderName::From) == request.headers.get(HeaderName::From)
                            && (asked.receiver_tag().is_empty() || asked.receiver_tag() == one.receiver_tag())
                            && response.headers.elements(HeaderName::Via).count()
                                == request.headers.elements(HeaderName::Via).count()
                    })
                });
                match transaction {
                    Some(transaction) if fits => transaction.responses.push((one, response)),
                    _ => findings.push(one.breach(Rule::ResponseFits, "answers no request that was sent")),
                }
            }
        }
    }
    transactions
}

fn identical(transaction: &Transaction<'_, '_>, findings: &mut Vec<Finding>) {
    if let Some(((first, _), again)) = transaction.requests.split_first() {
        for (one, _) in again.iter().filter(|(one, _)| one.entry.bytes != first.entry.bytes) {
            findings.push(one.breach(Rule::RetransmissionsIdentical, "differs from the first"));
        }
    }
    // Provisional responses may say something new; final ones of one fork may not.
    let mut finals: HashMap<(u16, String), &[u8]> = HashMap::new();
    for (one, response) in transaction.responses.iter().filter(|(_, response)| response.status >= 200) {
        let first = finals.entry((response.status, one.receiver_tag())).or_insert(&one.entry.bytes);
        if *first != one.entry.bytes {
            findings.push(one.breach(Rule::RetransmissionsIdentical, "differs from the first"));
        }
    }
}

/// RFC 3261 §17.1.1.2 and §17.1.2.2, by T1 = 500 ms and T2 = 4 s; the ACK of a 2xx is repeated when that is.
fn timers(transaction: &Transaction<'_, '_>, method: &str, findings: &mut Vec<Finding>) {
    if method == "ACK" || !transaction.requests.iter().all(|(one, _)| one.is_datagram()) {
        return;
    }
    let mut expected = T1;
    for pair in transaction.requests.windows(2) {
        let gap = pair[1].0.entry.at - pair[0].0.entry.at;
        let slow = method != "INVITE" && gap == T2;
        if gap != expected && !slow {
            let what = format!("repeated after {gap:?}, expected {expected:?}");
            findings.push(pair[1].0.breach(Rule::Timers, what));
        }
        expected = if method == "INVITE" { expected * 2 } else { (expected * 2).min(T2) };
    }
}

fn answered(transaction: &Transaction<'_, '_>, method: &str, findings: &mut Vec<Finding>) {
    let Some((last, _)) = transaction.requests.last() else { return };
    let finals: Vec<_> =
        transaction.responses.iter().filter(|(_, response)| response.status >= 200).collect();
    // Timers B and F: whoever asked until the end may be left without an answer.
    let gave_up = if method == "INVITE" { ASKED_TO_THE_END } else { 9 };
    if finals.is_empty() && transaction.requests.len() < gave_up {
        findings.push(last.breach(Rule::FinalResponse, "has no final response"));
    }
    let statuses: HashSet<(u16, String)> = finals
        .iter()
        // Each fork of an INVITE may answer 2xx.
        .map(|(one, response)| {
            (response.status, if response.is_success() { one.receiver_tag() } else { String::new() })
        })
        .collect();
    let refusals = statuses.iter().filter(|(status, _)| *status >= 300).count();
    let answers = statuses.len() - refusals;
    if refusals > 1 || (method != "INVITE" && statuses.len() > 1) || (refusals > 0 && answers > 0) {
        let last = finals.last().map_or(last, |(one, _)| one);
        findings.push(last.breach(Rule::OneFinal, format_args!("one of several: {statuses:?}")));
    }
    for (at, (one, response)) in transaction.responses.iter().enumerate() {
        let before = transaction.responses[..at].iter().any(|(earlier, final_one)| {
            final_one.status >= 200 && earlier.receiver_tag() == one.receiver_tag()
        });
        if response.status < 200 && before {
            findings.push(one.breach(Rule::OneFinal, "provisional after the final response"));
        }
    }
}

fn is_bye_of(bye: &Seen<'_>, one: &Seen<'_>) -> bool {
    matches!(&bye.message, Message::Request(request) if request.method == Method::Bye)
        && bye.call_id() == one.call_id()
}

fn acknowledged(
    transaction: &Transaction<'_, '_>,
    seen: &[Seen<'_>],
    transactions: &BTreeMap<Key, Transaction<'_, '_>>,
    findings: &mut Vec<Finding>,
) {
    let mut judged = HashSet::new();
    for (one, response) in transaction.responses.iter().filter(|(_, response)| response.status >= 200) {
        if !judged.insert((response.status, one.receiver_tag())) {
            continue;
        }
        let repeats = transaction.responses.iter().filter(|(again, other)| {
            other.status == response.status && again.receiver_tag() == one.receiver_tag()
        });
        if repeats.count() >= 10 {
            continue; // Timer H, or its like of §13.3.1.4.
        }
        if matches!(response.status, 401 | 407) && transaction.requests.len() >= ASKED_TO_THE_END {
            continue; // §26.3.2.4: a challenge is repeated with its INVITE alone; who asked until timer B heard none.
        }
        let found = if response.is_success() {
            // A BYE that crosses the answer to a re-INVITE ends the dialog and its exchanges (§15.1.2).
            let within = transaction.requests.iter().any(|(_, request)| request.to_tag().is_some());
            let began = transaction.requests.iter().map(|(request, _)| request.entry.at).min();
            let parted = within && seen.iter().any(|bye| is_bye_of(bye, one) && Some(bye.entry.at) >= began);
            parted
                || seen.iter().any(|ack| {
                    ack.cseq() == (one.cseq().0, "ACK".to_owned())
                        && ack.call_id() == one.call_id()
                        && ack.receiver_tag() == one.receiver_tag()
                        && matches!(ack.message, Message::Request(_))
                })
        } else {
            transactions.contains_key(&(one.branch(), "ACK".to_owned()))
        };
        if !found {
            findings.push(one.breach(Rule::Acknowledged, "is never acknowledged"));
        }
    }
}

/// An INVITE is sent so often until timer B ends it.
const ASKED_TO_THE_END: usize = 7;
/// T1, after which a reliable provisional response is repeated (RFC 3262 §3).
const FIRST_REPETITION: Duration = Duration::from_millis(500);

fn pracked(transaction: &Transaction<'_, '_>, seen: &[Seen<'_>], findings: &mut Vec<Finding>) {
    let ended = transaction.responses.iter().any(|(_, response)| response.status >= 300);
    for (one, response) in &transaction.responses {
        let reliable = response.status < 200 && response.headers.lists(HeaderName::Require, "100rel");
        let Ok(Some(rseq)) = response.headers.rseq() else { continue };
        let found = seen.iter().any(|prack| match &prack.message {
            Message::Request(request) if request.method == Method::Prack => {
                prack.call_id() == one.call_id()
                    && request
                        .headers
                        .rack()
                        .is_ok_and(|rack| rack.rseq == rseq && rack.cseq.number == one.cseq().0)
            }
            _ => false,
        });
        // RFC 3262 §3: a final response ends the repeating; who repeated was not heard, or did not hear. What a final
        // response overtook or followed before the first repetition may never have been read.
        let soon = one.entry.at + FIRST_REPETITION;
        let followed =
            transaction.responses.iter().any(|(other, r)| r.status >= 200 && other.entry.at <= soon);
        let same = |other: &&(&Seen<'_>, &Response)| other.1.headers.rseq().ok().flatten() == Some(rseq);
        let repeated = transaction.responses.iter().filter(same).count() > 1;
        if reliable && !found && !ended && !repeated && !followed {
            findings.push(one.breach(Rule::Pracked, format_args!("RSeq {rseq} has no PRACK")));
        }
    }
}

fn cancels(
    transaction: &Transaction<'_, '_>,
    transactions: &BTreeMap<Key, Transaction<'_, '_>>,
    findings: &mut Vec<Finding>,
) {
    let Some((one, request)) = transaction.requests.first() else { return };
    let invite = transactions.get(&(one.branch(), "INVITE".to_owned()));
    let fits = invite.is_some_and(|invite| {
        let uri = invite.requests.first().is_some_and(|(_, asked)| asked.uri == request.uri);
        let progressed = invite
            .responses
            .iter()
            .any(|(response, provisional)| provisional.status < 200 && response.entry.at <= one.entry.at);
        uri && progressed
    });
    if !fits {
        findings.push(one.breach(Rule::CancelFits, "cancels no INVITE that has a provisional response"));
    }
}

fn numbers(seen: &[Seen<'_>], findings: &mut Vec<Finding>) {
    let mut last: HashMap<(String, String), u32> = HashMap::new();
    let mut invites: HashSet<(String, String, u32)> = HashSet::new();
    let mut known: HashSet<Key> = HashSet::new();
    for one in seen {
        let Message::Request(request) = &one.message else { continue };
        let (number, method) = one.cseq();
        let side = (one.call_id(), one.sender_tag());
        if matches!(request.method, Method::Ack | Method::Cancel) {
            if !invites.contains(&(side.0, side.1, number)) {
                findings.push(one.breach(Rule::AckAndCancelNumbers, "no INVITE has this number"));
            }
            continue;
        }
        if request.method == Method::Invite {
            invites.insert((side.0.clone(), side.1.clone(), number));
        }
        if !known.insert((one.branch(), method)) {
            continue; // A retransmission.
        }
        // Requests in early dialogs of several forks share our tag, not the peer's.
        let dialog = (side.0, format!("{} {}", side.1, one.receiver_tag()));
        if let Some(before) = last.insert(dialog, number)
            && number <= before
        {
            findings.push(one.breach(Rule::CSeqRises, format_args!("{number} after {before}")));
        }
    }
}

fn byes(seen: &[Seen<'_>], findings: &mut Vec<Finding>) {
    let mut dialogs: HashSet<(String, String, String)> = HashSet::new();
    for one in seen {
        match &one.message {
            Message::Response(response) if response.status > 100 && one.cseq().1 == "INVITE" => {
                dialogs.insert((one.call_id(), one.sender_tag(), one.receiver_tag()));
            }
            Message::Request(request) if request.method == Method::Bye => {
                let (call, from, to) = (one.call_id(), one.sender_tag(), one.receiver_tag());
                let ours = dialogs.contains(&(call.clone(), from.clone(), to.clone()));
                if to.is_empty() || !(ours || dialogs.contains(&(call, to, from))) {
                    findings.push(one.breach(Rule::ByeInDialog, "no dialog has these tags"));
                }
            }
            _ => {}
        }
    }
}

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
