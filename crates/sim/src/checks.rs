//! Owns the judgement that ends every scenario: the RFC's rules, nothing left, one record per call, sums that add up.

use std::collections::{BTreeMap, HashMap, HashSet};

use ledger::{Figures, ServiceRules, Violation, check_cdr, check_figures};
use model::event::{CallFact, Event};
use model::{CallId, OfferId, RecordingId, TenantId};
use sip::Message;
use sip::audit::{Finding, audit};

use crate::history::{History, Known};
use crate::studio::StudioLive;

/// What a history breaks.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Breach {
    /// The wire trace breaks a rule.
    #[error("RFC: {0:?}")]
    Rfc(Finding),
    /// The shard still holds something.
    #[error("the shard holds {0:?}")]
    ShardLeak(call::Live),
    /// The media worker still holds something.
    #[error("the media worker holds {0:?}")]
    StudioLeak(StudioLive),
    /// An ACD still holds something.
    #[error("the ACD of {0} holds {1:?}")]
    AcdLeak(TenantId, acd::Live),
    /// An ACD's invariant does not hold.
    #[error("the ACD of {0}: {1}")]
    AcdBroken(TenantId, String),
    /// An ACD believes an agent to be in a call, and there is none.
    #[error("agent {0} is in no call, but its ACD believes so")]
    Engaged(model::AgentId),
    /// A peer believes to be in a call.
    #[error("{0} believes to be in a call")]
    PeerInCall(String),
    /// A call does not have exactly one record.
    #[error("the call {call_id} has {records} records, not {expected}")]
    Records {
        /// The SIP Call-ID of its INVITE.
        call_id: String,
        /// How many it has.
        records: usize,
        /// How many it should have.
        expected: usize,
    },
    /// A record contradicts itself.
    #[error("the record of {0}: {1}")]
    Record(CallId, Violation),
    /// A call did not end exactly once.
    #[error("the call {0} ended {1} times")]
    Ends(CallId, usize),
    /// The sums do not add up.
    #[error("figures: {0}")]
    Figures(String),
    /// A recording did not begin once and end once, in facts and in media.
    #[error("recording {0}: {1}")]
    Recording(RecordingId, &'static str),
    /// Something happened on the way.
    #[error("{0}")]
    Incident(String),
}

/// Everything that `history` breaks; empty for a sound one.
pub fn check(history: &History) -> Vec<Breach> {
    let mut found: Vec<Breach> = history.incidents.iter().cloned().map(Breach::Incident).collect();
    check_wire(history, &mut found);
    check_leaks(history, &mut found);
    check_records(history, &mut found);
    check_figures_of(history, &mut found);
    check_recordings(history, &mut found);
    found
}

fn check_wire(history: &History, found: &mut Vec<Breach>) {
    let by_hand: Vec<String> = history.by_hand.iter().map(|address| format!("{address} ")).collect();
    let findings = audit(&history.trace);
    let ours =
        findings.into_iter().filter(|f| !by_hand.iter().any(|hand| f.detail.starts_with(hand.as_str())));
    found.extend(ours.map(Breach::Rfc));
}

fn check_leaks(history: &History, found: &mut Vec<Breach>) {
    if history.shard != call::Live::default() {
        found.push(Breach::ShardLeak(history.shard));
    }
    if history.studio != StudioLive::default() {
        found.push(Breach::StudioLeak(history.studio));
    }
    for acd in &history.acds {
        if acd.live != acd::Live::default() {
            found.push(Breach::AcdLeak(acd.tenant.clone(), acd.live));
        }
        let broken = acd.broken.iter().cloned();
        found.extend(broken.map(|words| Breach::AcdBroken(acd.tenant.clone(), words)));
        found.extend(acd.engaged.iter().cloned().map(Breach::Engaged));
    }
    found.extend(history.in_call.iter().cloned().map(Breach::PeerInCall));
}

/// R: every call from a known source, refused ones too, leaves exactly one record, and nothing else leaves one.
fn check_records(history: &History, found: &mut Vec<Breach>) {
    let mut records: HashMap<&str, usize> = HashMap::new();
    for cdr in &history.cdrs {
        // What the switch began itself has no INVITE: a conference, a supervisor's summons.
        if !cdr.parties.sip_call_id.is_empty() {
            *records.entry(&cdr.parties.sip_call_id).or_default() += 1;
        }
        found.extend(check_cdr(cdr).into_iter().map(|violation| Breach::Record(cdr.id, violation)));
    }
    let finals = finals(history);
    for call in &history.invites {
        let had = records.remove(call.call_id.as_str()).unwrap_or_default();
        let statuses = finals.get(&call.call_id).map_or(&[][..], Vec::as_slice);
        let expected = match call.known {
            Known::No => 0,
            // Who never showed the password, or a request that no call can be made of, is no call.
            Known::Yes if !statuses.is_empty() && statuses.iter().all(|s| *s == Final::NoCall) => 0,
            Known::Yes => 1,
        };
        if had != expected {
            let call_id = call.call_id.clone();
            found.push(Breach::Records { call_id, records: had, expected });
        }
    }
    for (call_id, had) in records {
        found.push(Breach::Records { call_id: call_id.to_owned(), records: had, expected: 0 });
    }
    let mut ends: BTreeMap<CallId, usize> = BTreeMap::new();
    for stamped in &history.facts {
        if let Event::Call { call, fact, .. } = &stamped.event {
            let ended = usize::from(matches!(fact, CallFact::Ended { .. }));
            *ends.entry(*call).or_default() += ended;
        }
    }
    found
        .extend(ends.into_iter().filter(|(_, ends)| *ends != 1).map(|(call, ends)| Breach::Ends(call, ends)));
}

/// What a final response of the switch to an INVITE means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Final {
    /// There never was a call.
    NoCall,
    /// A call, or its refusal.
    OfCall,
}

/// Final responses of the switch to INVITEs, by Call-ID.
fn finals(history: &History) -> HashMap<String, Vec<Final>> {
    let mut finals: HashMap<String, Vec<Final>> = HashMap::new();
    for entry in history.trace.iter().filter(|entry| history.switch.contains(&entry.from)) {
        let Ok(Message::Response(response)) = Message::parse_datagram(entry.bytes.clone()) else { continue };
        let invite = response.headers.cseq().is_ok_and(|cseq| cseq.method == sip::Method::Invite);
        if invite && response.status >= 200 {
            let call_id = response.headers.call_id().unwrap_or_default().to_owned();
            // What a trunk's own option refuses is a call that failed, unlike an option that nobody knows.
            let option = response.headers.lists(sip::HeaderName::Unsupported, "100rel");
            // Only what was dialled is refused in words; a request that is wrong in itself gets its status alone.
            let option = option || response.headers.has(sip::HeaderName::Reason);
            let means =
                if NO_CALL.contains(&response.status) && !option { Final::NoCall } else { Final::OfCall };
            finals.entry(call_id).or_default().push(means);
        }
    }
    finals
}

/// What an INVITE is answered with that never becomes a call: challenges, and requests that are wrong in themselves
/// (RFC 3261 §8.2).
const NO_CALL: [u16; 9] = [400, 401, 407, 415, 416, 420, 482, 483, 505];

fn check_figures_of(history: &History, found: &mut Vec<Breach>) {
    let mut figures = Figures::default();
    for cdr in &history.cdrs {
        figures.add(cdr, &ServiceRules::default());
    }
    found.extend(check_figures(&figures).into_iter().map(|violation| Breach::Figures(violation.to_string())));
    let told = facts_of_open_calls(history);
    let count = |wanted: fn(&CallFact) -> bool| told.iter().filter(|fact| wanted(fact)).count() as u64;
    let with_number = history.cdrs.iter().filter(|cdr| cdr.parties.number.is_some()).count() as u64;
    let sums: [(&str, u64, u64); 3] = [
        ("calls of numbers", figures.numbers.values().map(|f| f.calls).sum(), with_number),
        (
            "places in queues",
            figures.queues.values().map(|f| f.offered).sum(),
            count(|fact| matches!(fact, CallFact::Queued { .. })),
        ),
        ("offers to agents", figures.agents.values().map(|f| f.offered).sum(), offers_to_agents(&told)),
    ];
    for (what, summed, happened) in sums {
        if summed != happened {
            found.push(Breach::Figures(format!("{what}: {summed} in the sums, {happened} in the facts")));
        }
    }
}

/// Offers to agents; one who is called first for a call of its own is offered nothing.
fn offers_to_agents(told: &[&CallFact]) -> u64 {
    let own: HashSet<OfferId> = told
        .iter()
        .filter_map(|fact| match fact {
            CallFact::CallerReached { offer, .. } => Some(*offer),
            _ => None,
        })
        .collect();
    let offered = |fact: &CallFact| match fact {
        CallFact::Offered { agent: Some(_), offer, .. } => !own.contains(offer),
        _ => false,
    };
    told.iter().filter(|fact| offered(fact)).count() as u64
}

/// The facts of calls, each up to its call's end: an ACD's word that crosses the end comes after it.
fn facts_of_open_calls(history: &History) -> Vec<&CallFact> {
    let mut over: HashSet<CallId> = HashSet::new();
    let mut told = Vec::new();
    for stamped in &history.facts {
        let Event::Call { call, fact, .. } = &stamped.event else { continue };
        if !over.contains(call) {
            told.push(fact);
        }
        if matches!(fact, CallFact::Ended { .. }) {
            over.insert(*call);
        }
    }
    told
}

fn check_recordings(history: &History, found: &mut Vec<Breach>) {
    let mut facts: BTreeMap<RecordingId, (usize, usize)> = BTreeMap::new();
    for stamped in &history.facts {
        match &stamped.event {
            Event::Call { fact: CallFact::RecordingBegan { recording }, .. } => {
                facts.entry(*recording).or_default().0 += 1;
            }
            Event::Call { fact: CallFact::RecordingEnded { recording }, .. } => {
                facts.entry(*recording).or_default().1 += 1;
            }
            _ => {}
        }
    }
    let (begun, closed) = &history.recordings;
    let times = |list: &[RecordingId], wanted: RecordingId| list.iter().filter(|id| **id == wanted).count();
    for (recording, (began, ended)) in &facts {
        if (*began, *ended) != (1, 1) {
            found.push(Breach::Recording(*recording, "its facts do not begin and end once"));
        }
        if (times(begun, *recording), times(closed, *recording)) != (1, 1) {
            found.push(Breach::Recording(*recording, "media did not begin and close it once"));
        }
    }
    let unknown = begun.iter().filter(|recording| !facts.contains_key(recording));
    found.extend(unknown.map(|recording| Breach::Recording(*recording, "no fact tells of it")));
}

#[cfg(test)]
mod tests;
