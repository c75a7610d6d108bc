//! Owns who may hear whom, told from the facts of calls alone: an oracle for the matrices that media is given. Does not own
//! those (see `call`), nor what conferences add to it (see `conferees`).

use std::collections::HashMap;

use model::event::CallFact;
use model::outcome::HungUpBy;
use model::supervision::Verb;
use model::{CallId, LegId, OfferId};

use crate::conferees::Conferees;

/// Who is in each call, as its facts tell.
#[derive(Debug, Default)]
pub(crate) struct Persons {
    calls: HashMap<CallId, InCall>,
    conferences: HashMap<CallId, Conferees>,
    /// What facts told that must not be.
    broken: Vec<String>,
}

#[derive(Debug)]
struct InCall {
    caller: LegId,
    /// Whether the caller is one of ours, who may be whispered to.
    caller_is_agent: bool,
    connected: Vec<(OfferId, LegId)>,
    /// Everybody who ever was.
    known: Vec<(OfferId, LegId)>,
    /// Those who are agents, of all who were called.
    agents: Vec<OfferId>,
    consulted: Option<OfferId>,
    transfer: Transfer,
    /// Who holds, as often as it was told.
    holds: Vec<HungUpBy>,
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

/// Whether somebody is being sent elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transfer {
    None,
    /// The new one rings: nobody talks.
    Rings,
    /// The new one answered, and is asked or brought in.
    Talks,
}

/// What a leg is in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Person,
    Guest(Verb),
    Stranger,
}

impl InCall {
    fn new(caller: LegId) -> InCall {
        InCall {
            caller,
            caller_is_agent: false,
            connected: Vec::new(),
            known: Vec::new(),
            agents: Vec::new(),
            consulted: None,
            transfer: Transfer::None,
            holds: Vec::new(),
            before_answer: BeforeAnswer::Nobody,
            guests: Vec::new(),
        }
    }

    fn is_person(&self, leg: LegId) -> bool {
        self.caller == leg || self.connected.iter().any(|(_, connected)| *connected == leg)
    }

    fn is_agent(&self, leg: LegId) -> bool {
        let called = self.connected.iter().find(|(_, connected)| *connected == leg);
        match called {
            Some((offer, _)) => self.agents.contains(offer),
            None => leg == self.caller && self.caller_is_agent,
        }
    }

    /// Takes one fact in.
    fn note(&mut self, fact: &CallFact) {
        match fact {
            CallFact::CallerIs { .. } => self.caller_is_agent = true,
            CallFact::Offered { offer, agent: Some(_), .. } => self.agents.push(*offer),
            CallFact::AgentAnswered { offer, leg } => {
                self.connected.push((*offer, *leg));
                self.known.push((*offer, *leg));
            }
            CallFact::CallerReached { leg, .. } => self.caller = *leg,
            CallFact::AgentLeft { offer, .. } => {
                self.connected.retain(|(other, _)| other != offer);
                if self.consulted != Some(*offer) {
                    self.holds.clear();
                }
            }
            CallFact::LegReplaced { old, new, .. } if self.caller == *old => {
                // Whoever was called and has the caller's place now is that person still.
                let was = self.known.iter().find(|(_, leg)| leg == new);
                self.caller_is_agent = was.is_none_or(|(offer, _)| self.agents.contains(offer));
                self.caller = *new;
            }
            CallFact::LegReplaced { old, new, .. } => {
                for (_, leg) in self.connected.iter_mut().filter(|(_, leg)| leg == old) {
                    *leg = *new;
                }
            }
            CallFact::EarlyMediaBegan => self.before_answer = BeforeAnswer::WhoIsCalled,
            CallFact::TransferBegan { .. } => self.transfer = Transfer::Rings,
            CallFact::ConsultationBegan { offer } => {
                self.consulted = Some(*offer);
                self.transfer = Transfer::Talks;
            }
            CallFact::ConsultationEnded => self.consulted = None,
            CallFact::TransferEnded { .. } => {
                self.consulted = None;
                self.transfer = Transfer::None;
            }
            CallFact::HoldBegan { by } => self.holds.push(*by),
            CallFact::HoldEnded { by } => {
                if let Some(at) = self.holds.iter().position(|known| known == by) {
                    self.holds.remove(at);
                }
            }
            CallFact::SupervisionBegan { visit, verb, .. } => self.guests.push((*visit, *verb)),
            CallFact::SupervisionChanged { visit, verb, .. } => {
                for guest in self.guests.iter_mut().filter(|guest| guest.0 == *visit) {
                    guest.1 = *verb;
                }
            }
            CallFact::SupervisionEnded { visit, .. } => self.guests.retain(|guest| guest.0 != *visit),
            _ => {}
        }
    }
}

impl Persons {
    /// Takes one fact in.
    pub fn note(&mut self, call: CallId, fact: &CallFact) {
        if let CallFact::Began { leg, .. } = fact {
            self.calls.insert(call, InCall::new(*leg));
            return;
        }
        if let CallFact::ParticipantJoined { .. } = fact {
            self.conferences.entry(call).or_default();
        }
        if let Some(conference) = self.conferences.get_mut(&call) {
            self.broken.extend(conference.note(fact).map(|why| format!("in conference {call} {why}")));
        }
        if let CallFact::Ended { .. } = fact {
            self.calls.remove(&call);
            self.conferences.remove(&call);
        }
        if let Some(known) = self.calls.get_mut(&call) {
            known.note(fact);
        }
    }

    /// Everything that is wrong: what was told since the last time, and the matrices that rooms have now.
    pub fn all_wrong(&mut self, rooms: &HashMap<CallId, Vec<(LegId, LegId)>>) -> Vec<String> {
        let mut wrong = std::mem::take(&mut self.broken);
        let mut heard: Vec<(&CallId, &Vec<(LegId, LegId)>)> = rooms.iter().collect();
        heard.sort_by_key(|(call, _)| **call);
        let of_rooms = heard.into_iter().filter_map(|(call, matrix)| {
            let why = self.wrong(*call, matrix)?;
            Some(format!("in {call} {why}"))
        });
        wrong.extend(of_rooms);
        wrong
    }

    /// Why one of these (talker, listener) pairs must not be, or lacks; None when all is as it should be.
    pub fn wrong(&self, call: CallId, matrix: &[(LegId, LegId)]) -> Option<String> {
        if let Some(conference) = self.conferences.get(&call) {
            return conference.wrong(matrix, |participant| self.leg_of(participant));
        }
        let Some(known) = self.calls.get(&call) else {
            return (!matrix.is_empty()).then(|| "the call is over".to_owned());
        };
        let pairs = matrix.iter().find_map(|pair| self.wrong_pair(known, *pair));
        pairs.or_else(|| self.wrong_together(known, matrix))
    }

    fn wrong_pair(&self, known: &InCall, (talker, listener): (LegId, LegId)) -> Option<String> {
        if talker == listener {
            // The echo test, which has one party.
            let echo = talker == known.caller && known.connected.is_empty();
            return (!echo).then(|| format!("{talker} hears itself"));
        }
        match (self.role(known, talker), self.role(known, listener)) {
            (Is::Person, Is::Person | Is::Guest(_)) | (Is::Guest(Verb::Barge), Is::Person | Is::Guest(_)) => {
                None
            }
            (Is::Guest(Verb::Whisper), Is::Person) => {
                let agents = [known.caller].into_iter().chain(known.connected.iter().map(|(_, leg)| *leg));
                let nobody_is = !agents.into_iter().any(|leg| known.is_agent(leg));
                (!known.is_agent(listener) && !nobody_is)
                    .then(|| format!("{talker} whispers to {listener}, who is no agent"))
            }
            (Is::Guest(verb), Is::Person | Is::Guest(_)) => {
                Some(format!("{talker} is a supervisor ({}) and is heard by {listener}", verb.as_str()))
            }
            (Is::Stranger, Is::Person) if listener == known.caller => {
                let early = known.before_answer == BeforeAnswer::WhoIsCalled && known.connected.is_empty();
                (!early).then(|| format!("{talker} is heard by the caller and has no part in the call"))
            }
            (Is::Stranger, _) | (_, Is::Stranger) => {
                Some(format!("{talker} is heard by {listener}, and one of them has no part in the call"))
            }
        }
    }

    /// What single pairs do not show: whispers to two, consultations that the third hears, hold, transfers that ring.
    fn wrong_together(&self, known: &InCall, matrix: &[(LegId, LegId)]) -> Option<String> {
        let persons: Vec<&(LegId, LegId)> =
            matrix.iter().filter(|(a, b)| a != b && known.is_person(*a) && known.is_person(*b)).collect();
        let whispers =
            matrix.iter().filter(|(talker, _)| matches!(self.role(known, *talker), Is::Guest(Verb::Whisper)));
        let mut heard: HashMap<LegId, usize> = HashMap::new();
        for (talker, _) in whispers {
            *heard.entry(*talker).or_default() += 1;
        }
        if let Some((talker, count)) = heard.into_iter().find(|(_, count)| *count > 1) {
            return Some(format!("a whisper of {talker} is heard by {count}"));
        }
        if known.transfer == Transfer::Rings && !persons.is_empty() {
            return Some("somebody is sent elsewhere, and those who wait hear each other".to_owned());
        }
        if !known.holds.is_empty() && known.connected.len() == 1 && !persons.is_empty() {
            return Some("one side holds, and the other hears it".to_owned());
        }
        let consulted = known.consulted?;
        let leg = known.connected.iter().find(|(offer, _)| *offer == consulted)?.1;
        let heard_by = persons.iter().filter(|(talker, _)| *talker == leg).count();
        let hears = persons.iter().filter(|(_, listener)| *listener == leg).count();
        (heard_by > 1 || hears > 1)
            .then(|| format!("a consultation with {leg} is heard by {heard_by}, and hears {hears}"))
    }

    fn role(&self, known: &InCall, leg: LegId) -> Is {
        if known.is_person(leg) {
            return Is::Person;
        }
        let guest = known.guests.iter().find(|(visit, _)| self.leg_of(*visit) == Some(leg));
        guest.map_or(Is::Stranger, |(_, verb)| Is::Guest(*verb))
    }

    /// The leg with which a call of its own is in another one: who was called by the switch, else who calls.
    fn leg_of(&self, visit: CallId) -> Option<LegId> {
        let visit = self.calls.get(&visit)?;
        Some(visit.connected.first().map_or(visit.caller, |(_, leg)| *leg))
    }
}

#[cfg(test)]
mod tests;
