//! Owns who may hear whom, told from the facts of calls alone: an oracle for the matrices that media is given. Does not own
//! those (see `call`).

use std::collections::{HashMap, HashSet};

use model::event::CallFact;
use model::supervision::Verb;
use model::{CallId, LegId, OfferId};

/// Who is in each call, as its facts tell.
#[derive(Debug, Default)]
pub(crate) struct Persons {
    calls: HashMap<CallId, InCall>,
    /// Rooms of conferences, where everybody hears everybody who is not mute.
    conferences: HashSet<CallId>,
}

#[derive(Debug)]
struct InCall {
    caller: LegId,
    connected: Vec<(OfferId, LegId)>,
    consulted: Option<OfferId>,
    before_answer: BeforeAnswer,
    /// Supervisors, by their own calls, and what they may.
    guests: Vec<(CallId, Verb)>,
}

/// What the caller may hear before anybody answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BeforeAnswer {
    Nobody,
    /// The early media of those who are called.
    WhoIsCalled,
}

impl Persons {
    /// Takes one fact in.
    pub fn note(&mut self, call: CallId, fact: &CallFact) {
        if let CallFact::Began { leg, .. } = fact {
            let known = InCall {
                caller: *leg,
                connected: Vec::new(),
                consulted: None,
                before_answer: BeforeAnswer::Nobody,
                guests: Vec::new(),
            };
            self.calls.insert(call, known);
            return;
        }
        if let CallFact::ConferenceJoined { conference, .. } = fact {
            self.conferences.insert(*conference);
        }
        let Some(known) = self.calls.get_mut(&call) else { return };
        match fact {
            CallFact::AgentAnswered { offer, leg } => known.connected.push((*offer, *leg)),
            CallFact::CallerReached { leg, .. } => known.caller = *leg,
            CallFact::AgentLeft { offer, .. } => known.connected.retain(|(other, _)| other != offer),
            CallFact::LegReplaced { old, new, .. } if known.caller == *old => known.caller = *new,
            CallFact::LegReplaced { old, new, .. } => {
                for (_, leg) in known.connected.iter_mut().filter(|(_, leg)| leg == old) {
                    *leg = *new;
                }
            }
            CallFact::EarlyMediaBegan => known.before_answer = BeforeAnswer::WhoIsCalled,
            CallFact::ConsultationBegan { offer } => known.consulted = Some(*offer),
            CallFact::ConsultationEnded | CallFact::TransferEnded { .. } => known.consulted = None,
            CallFact::SupervisionBegan { visit, verb, .. } => known.guests.push((*visit, *verb)),
            CallFact::SupervisionChanged { visit, verb, .. } => {
                for guest in known.guests.iter_mut().filter(|guest| guest.0 == *visit) {
                    guest.1 = *verb;
                }
            }
            CallFact::SupervisionEnded { visit, .. } => known.guests.retain(|guest| guest.0 != *visit),
            CallFact::Ended { .. } => drop(self.calls.remove(&call)),
            _ => {}
        }
    }

    /// Why one of these (talker, listener) pairs must not be; None when all may.
    pub fn wrong(&self, call: CallId, matrix: &[(LegId, LegId)]) -> Option<String> {
        if self.conferences.contains(&call) {
            return None;
        }
        let Some(known) = self.calls.get(&call) else {
            return (!matrix.is_empty()).then(|| "the call is over".to_owned());
        };
        let is_in = |leg: LegId| {
            known.caller == leg || known.connected.iter().any(|(_, connected)| *connected == leg)
        };
        let strangers: HashSet<LegId> =
            matrix.iter().flat_map(|(a, b)| [*a, *b]).filter(|leg| !is_in(*leg)).collect();
        let guests = &known.guests;
        if !guests.is_empty() && strangers.len() <= guests.len() {
            let listens = guests.iter().all(|(_, verb)| *verb == Verb::Listen);
            let spoken = matrix.iter().find(|(talker, _)| strangers.contains(talker));
            return spoken.filter(|_| listens).map(|(guest, _)| format!("{guest} only listens"));
        }
        let early = known.before_answer == BeforeAnswer::WhoIsCalled && known.connected.is_empty();
        let may = |(a, b): &&(LegId, LegId)| is_in(*b) && (is_in(*a) || early && *b == known.caller);
        if let Some((talker, listener)) = matrix.iter().find(|pair| !may(pair)) {
            return Some(format!("{talker} is heard by {listener}, and one of them has no part in the call"));
        }
        let echo = matrix.iter().any(|(talker, listener)| talker == listener && *talker != known.caller);
        if echo {
            return Some("a party hears itself".to_owned());
        }
        let consulted = known.consulted?;
        let leg = known.connected.iter().find(|(offer, _)| *offer == consulted)?.1;
        let heard_by = matrix.iter().filter(|(talker, _)| *talker == leg).count();
        (heard_by > 1).then(|| format!("a consultation with {leg} is heard by {heard_by}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::outcome::{HungUpBy, Termination};

    const CALL: u64 = 1;
    const CALLER: u64 = 10;
    const VISIT: u64 = 2;

    fn offer(number: u64) -> OfferId {
        OfferId::from(number)
    }

    fn leg(number: u64) -> LegId {
        LegId::from(number)
    }

    fn told(facts: &[CallFact]) -> Persons {
        let mut persons = Persons::default();
        let before_answer = BeforeAnswer::Nobody;
        let (connected, guests) = (Vec::new(), Vec::new());
        let known = InCall { caller: leg(CALLER), connected, consulted: None, before_answer, guests };
        persons.calls.insert(CALL.into(), known);
        for fact in facts {
            persons.note(CALL.into(), fact);
        }
        persons
    }

    #[test]
    fn who_is_called_is_heard_by_the_caller_alone_and_only_from_early_media_to_the_answer() {
        let call = CallId::from(CALL);
        let (heard, hears) = ([(leg(11), leg(CALLER))], [(leg(CALLER), leg(11))]);
        let answered = CallFact::AgentAnswered { offer: offer(12), leg: leg(12) };
        assert_eq!(told(&[CallFact::EarlyMediaBegan]).wrong(call, &heard), None);
        assert!(told(&[]).wrong(call, &heard).is_some(), "nothing was told of early media");
        assert!(
            told(&[CallFact::EarlyMediaBegan]).wrong(call, &hears).is_some(),
            "who has not answered listens"
        );
        assert!(
            told(&[CallFact::EarlyMediaBegan, answered]).wrong(call, &heard).is_some(),
            "somebody else answered"
        );
    }

    #[test]
    fn who_has_left_and_who_only_consults_must_not_be_heard() {
        let answered = |number| CallFact::AgentAnswered { offer: offer(number), leg: leg(number) };
        let left =
            CallFact::AgentLeft { offer: offer(11), by: HungUpBy::Agent, cause: Termination::Transferred };
        let both = [(leg(CALLER), leg(11)), (leg(11), leg(CALLER))];
        let call = CallId::from(CALL);
        assert_eq!(told(&[answered(11)]).wrong(call, &both), None);
        assert!(told(&[answered(11), left.clone()]).wrong(call, &both).is_some());
        assert!(told(&[]).wrong(call, &both).is_some());
        assert!(told(&[answered(11)]).wrong(call, &[(leg(11), leg(11))]).is_some());
        let consulting = [answered(11), answered(12), CallFact::ConsultationBegan { offer: offer(12) }];
        let all = [(leg(12), leg(11)), (leg(12), leg(CALLER))];
        assert!(told(&consulting).wrong(call, &all).is_some());
        assert_eq!(told(&consulting).wrong(call, &all[..1]), None);
        let three: Vec<CallFact> = consulting.into_iter().chain([CallFact::ConsultationEnded]).collect();
        assert_eq!(told(&three).wrong(call, &all), None);
        let visits = |verb| {
            let by = model::AgentId::new(&model::TenantId::default(), "9001");
            [answered(11), CallFact::SupervisionBegan { visit: VISIT.into(), by, verb }]
        };
        let said = |listener| [(leg(13), leg(listener))];
        assert!(told(&visits(Verb::Listen)).wrong(call, &said(11)).is_some());
        assert_eq!(told(&visits(Verb::Whisper)).wrong(call, &said(11)), None);
        assert!(told(&[answered(11)]).wrong(call, &said(11)).is_some(), "a guest whom no fact tells of");
        let reached = CallFact::CallerReached { offer: offer(14), leg: leg(14) };
        let with_first = [(leg(14), leg(11)), (leg(11), leg(14))];
        assert_eq!(told(&[reached.clone(), answered(11)]).wrong(call, &with_first), None);
        assert!(
            told(&[answered(11)]).wrong(call, &with_first).is_some(),
            "nobody told that it is the caller"
        );
        assert!(told(&[reached, answered(11)]).wrong(call, &both).is_some(), "another is the caller");
        let moved = CallFact::LegReplaced { old: leg(CALLER), new: leg(11), party: "8001".into() };
        assert!(told(&[answered(11), left, moved]).wrong(call, &both).is_some());
    }
}
