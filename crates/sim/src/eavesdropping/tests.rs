use super::*;
use model::event::{TransferKind, TransferOutcome};
use model::outcome::{HungUpBy, Termination};

const CALL: u64 = 1;
const CALLER: u64 = 10;
const VISIT: u64 = 2;
/// The supervisor's leg.
const GUEST: u64 = 13;

fn offer(number: u64) -> OfferId {
    OfferId::from(number)
}

fn leg(number: u64) -> LegId {
    LegId::from(number)
}

fn told(facts: &[CallFact]) -> Persons {
    let mut persons = Persons::default();
    persons.calls.insert(CALL.into(), InCall::new(leg(CALLER)));
    persons.calls.insert(VISIT.into(), InCall::new(leg(GUEST)));
    for fact in facts {
        persons.note(CALL.into(), fact);
    }
    persons
}

fn pairs(list: &[(u64, u64)]) -> Vec<(LegId, LegId)> {
    list.iter().map(|(talker, listener)| (leg(*talker), leg(*listener))).collect()
}

#[track_caller]
fn assert_sound(facts: &[CallFact], matrix: &[(u64, u64)]) {
    assert_eq!(told(facts).wrong(CALL.into(), &pairs(matrix)), None);
}

#[track_caller]
fn assert_bad(facts: &[CallFact], matrix: &[(u64, u64)], why: &str) {
    let found = told(facts).wrong(CALL.into(), &pairs(matrix));
    assert!(found.as_ref().is_some_and(|found| found.contains(why)), "{found:?} does not say: {why}");
}

fn answered(number: u64) -> CallFact {
    CallFact::AgentAnswered { offer: offer(number), leg: leg(number) }
}

fn left(number: u64) -> CallFact {
    CallFact::AgentLeft { offer: offer(number), by: HungUpBy::Agent, cause: Termination::Transferred }
}

/// An agent is called.
fn offered(number: u64) -> CallFact {
    let agent = model::AgentId::new(&model::TenantId::default(), "8001");
    CallFact::Offered {
        offer: offer(number),
        entry: None,
        agent: Some(agent),
        party: "8001".into(),
        reason: "".into(),
    }
}

fn supervised(verb: Verb) -> CallFact {
    let by = model::AgentId::new(&model::TenantId::default(), "9001");
    CallFact::SupervisionBegan { visit: VISIT.into(), by, verb }
}

fn transfer() -> CallFact {
    CallFact::TransferBegan { kind: TransferKind::Blind, by: None, to: "8002".into() }
}

const BOTH: [(u64, u64); 2] = [(CALLER, 11), (11, CALLER)];

#[test]
fn who_is_called_is_heard_by_the_caller_alone_and_only_from_early_media_to_the_answer() {
    let (heard, hears) = ([(11, CALLER)], [(CALLER, 11)]);
    assert_sound(&[CallFact::EarlyMediaBegan], &heard);
    assert_bad(&[], &heard, "no part");
    assert_bad(&[CallFact::EarlyMediaBegan], &hears, "no part");
    let somebody_else = CallFact::AgentAnswered { offer: offer(12), leg: leg(12) };
    assert_bad(&[CallFact::EarlyMediaBegan, somebody_else], &heard, "no part");
}

#[test]
fn who_has_left_and_who_never_answered_must_not_be_heard() {
    assert_sound(&[answered(11)], &BOTH);
    assert_bad(&[answered(11), left(11)], &BOTH, "no part");
    assert_bad(&[], &BOTH, "no part");
    assert_bad(&[answered(11)], &[(11, 11)], "itself");
    assert_bad(&[answered(11)], &[(CALLER, CALLER)], "itself");
    assert_sound(&[], &[(CALLER, CALLER)]);
    let over = told(&[]).wrong(CallId::from(9), &pairs(&BOTH));
    assert_eq!(over.as_deref(), Some("the call is over"));
}

#[test]
fn who_takes_a_place_is_heard_and_who_lost_it_is_not() {
    let reached = CallFact::CallerReached { offer: offer(14), leg: leg(14) };
    let with_first = [(14, 11), (11, 14)];
    assert_sound(&[reached.clone(), answered(11)], &with_first);
    assert_bad(&[answered(11)], &with_first, "no part");
    assert_bad(&[reached, answered(11)], &BOTH, "no part");
    let moved = CallFact::LegReplaced { old: leg(CALLER), new: leg(11), party: "8001".into() };
    assert_bad(&[answered(11), left(11), moved], &BOTH, "no part");
    let desk = CallFact::LegReplaced { old: leg(11), new: leg(15), party: "8001".into() };
    assert_sound(&[answered(11), desk.clone()], &[(15, CALLER), (CALLER, 15)]);
    assert_bad(&[answered(11), desk], &BOTH, "no part");
}

#[test]
fn a_consultation_is_between_two() {
    let consulting = [answered(11), answered(12), CallFact::ConsultationBegan { offer: offer(12) }];
    let all = [(12, 11), (12, CALLER)];
    assert_bad(&consulting, &all, "consultation");
    assert_sound(&consulting, &all[..1]);
    assert_sound(&consulting, &BOTH);
    assert_bad(&consulting, &[(11, 12), (CALLER, 12)], "consultation");
    let three: Vec<CallFact> = consulting.into_iter().chain([CallFact::ConsultationEnded]).collect();
    assert_sound(&three, &all);
}

#[test]
fn nobody_hears_the_other_side_while_one_holds_or_is_sent_elsewhere() {
    let held = [answered(11), CallFact::HoldBegan { by: HungUpBy::Agent }];
    assert_bad(&held, &BOTH[..1], "holds");
    assert_bad(&held, &BOTH[1..], "holds");
    assert_sound(&held, &[]);
    let resumed = [&held[..], &[CallFact::HoldEnded { by: HungUpBy::Agent }]].concat();
    assert_sound(&resumed, &BOTH);
    let by_both = [&held[..], &[CallFact::HoldBegan { by: HungUpBy::Caller }]].concat();
    assert_bad(&[&by_both[..], &[CallFact::HoldEnded { by: HungUpBy::Agent }]].concat(), &BOTH, "holds");
    assert_sound(&[&held[..], &[left(11), answered(12)]].concat(), &[(12, CALLER), (CALLER, 12)]);
    let sent = [answered(11), transfer()];
    assert_bad(&sent, &BOTH, "sent elsewhere");
    let taken_back = CallFact::TransferEnded { outcome: TransferOutcome::TakenBack };
    assert_sound(&[&sent[..], &[taken_back]].concat(), &BOTH);
}

#[test]
fn a_supervisor_is_heard_as_the_verb_says() {
    let with = |verb| [offered(11), answered(11), supervised(verb)];
    let (to_agent, to_caller) = ((GUEST, 11), (GUEST, CALLER));
    for verb in [Verb::Listen, Verb::Whisper, Verb::Barge] {
        assert_sound(&with(verb), &[&BOTH[..], &[(11, GUEST), (CALLER, GUEST)]].concat());
    }
    assert_bad(&with(Verb::Listen), &[to_agent], "listen");
    assert_sound(&with(Verb::Whisper), &[to_agent]);
    assert_bad(&with(Verb::Whisper), &[to_caller], "no agent");
    assert_sound(&with(Verb::Barge), &[to_agent, to_caller]);
    assert_bad(&[offered(11), answered(11)], &[to_agent], "no part");
    let agent = model::AgentId::new(&model::TenantId::default(), "8001");
    let two_agents = [&[CallFact::CallerIs { agent: agent.clone() }], &with(Verb::Whisper)[..]].concat();
    assert_sound(&two_agents, &[to_caller]);
    assert_bad(&two_agents, &[to_agent, to_caller], "whisper");
    let gone = CallFact::SupervisionEnded { visit: VISIT.into(), by: agent };
    assert_bad(&[&with(Verb::Barge)[..], &[gone]].concat(), &[(11, GUEST)], "no part");
}

#[test]
fn a_conference_is_judged_by_its_own_rules() {
    let mut persons = told(&[]);
    let conference = CallId::from(5);
    let joined = |call: u64| CallFact::ParticipantJoined {
        call: call.into(),
        who: "8001".into(),
        role: model::event::ConferenceRole::Participant,
    };
    for call in [CALL, VISIT] {
        persons.note(conference, &joined(call));
    }
    let both = pairs(&[(CALLER, GUEST), (GUEST, CALLER)]);
    assert_eq!(persons.wrong(conference, &both), None);
    assert!(persons.wrong(conference, &both[..1]).is_some());
    persons.note(conference, &CallFact::ParticipantMuted { call: VISIT.into() });
    assert!(persons.wrong(conference, &both).is_some());
    assert_eq!(persons.wrong(conference, &both[..1]), None);
    persons.note(conference, &CallFact::ConferenceLocked);
    persons.note(conference, &joined(7));
    assert_eq!(persons.all_wrong(&HashMap::new()).len(), 1, "the door was locked");
}
