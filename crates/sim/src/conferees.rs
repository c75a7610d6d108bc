//! Owns what the facts of a conference tell: who is in, who is mute, whether the door is locked; and so who must hear whom
//! there (R20). Does not own who may hear whom elsewhere (see `eavesdropping`).

use std::collections::BTreeMap;

use model::event::{CallFact, ConferenceRole};
use model::{CallId, LegId};

/// A conference as its facts tell it.
#[derive(Debug, Default)]
pub(crate) struct Conferees {
    /// Those who are in, by their own calls.
    present: BTreeMap<CallId, Speech>,
    door: Door,
    recorded: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    Heard,
    Muted,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Door {
    #[default]
    Open,
    Locked,
}

impl Conferees {
    /// Takes one fact in; gives what must not have happened.
    pub fn note(&mut self, fact: &CallFact) -> Option<String> {
        match fact {
            CallFact::ParticipantJoined { call, role, .. } => {
                let locked_out = self.door == Door::Locked && *role == ConferenceRole::Participant;
                if self.present.insert(*call, Speech::Heard).is_some() {
                    return Some(format!("{call} comes in twice"));
                }
                return locked_out.then(|| format!("{call} comes in by a locked door"));
            }
            CallFact::ParticipantLeft { call } => {
                let was_in = self.present.remove(call).is_some();
                return (!was_in).then(|| format!("{call} leaves and was not in"));
            }
            CallFact::ParticipantMuted { call } => return self.speaks(*call, Speech::Muted),
            CallFact::ParticipantUnmuted { call } => return self.speaks(*call, Speech::Heard),
            CallFact::ConferenceLocked => self.door = Door::Locked,
            CallFact::ConferenceUnlocked => self.door = Door::Open,
            CallFact::RecordingBegan { .. } => {
                let (alone, twice) = (self.present.len() < 2, self.recorded);
                self.recorded = true;
                if alone || twice {
                    return Some("a recording begins with nobody to talk, or beside another".to_owned());
                }
            }
            CallFact::RecordingEnded { .. } => self.recorded = false,
            CallFact::Ended { .. } if !self.present.is_empty() || self.recorded => {
                return Some(format!(
                    "it ends with {} in it, recorded: {}",
                    self.present.len(),
                    self.recorded
                ));
            }
            _ => {}
        }
        None
    }

    fn speaks(&mut self, call: CallId, speech: Speech) -> Option<String> {
        match self.present.get_mut(&call) {
            Some(known) if *known != speech => {
                *known = speech;
                None
            }
            Some(_) => Some(format!("{call} is {speech:?} already")),
            None => Some(format!("{call} is {speech:?} and not in")),
        }
    }

    /// Why this is not who must hear whom: everybody who is in hears everybody else who is not mute, and nobody else does.
    pub fn wrong(
        &self,
        matrix: &[(LegId, LegId)],
        leg_of: impl Fn(CallId) -> Option<LegId>,
    ) -> Option<String> {
        let legs: Vec<(LegId, Speech)> =
            self.present.iter().filter_map(|(call, speech)| Some((leg_of(*call)?, *speech))).collect();
        let speech_of = |leg: LegId| legs.iter().find(|(known, _)| *known == leg).map(|(_, speech)| *speech);
        for (talker, listener) in matrix {
            let why = match (speech_of(*talker), speech_of(*listener)) {
                (None, _) | (_, None) => "one of them is not in",
                (Some(Speech::Muted), _) => "who is mute",
                (Some(Speech::Heard), Some(_)) if talker == listener => "itself",
                (Some(Speech::Heard), Some(_)) => continue,
            };
            return Some(format!("{talker} is heard by {listener}: {why}"));
        }
        let talkers = || legs.iter().filter(|(_, speech)| *speech == Speech::Heard).map(|(leg, _)| *leg);
        let lacks = legs.iter().flat_map(|(listener, _)| talkers().map(|talker| (talker, *listener)));
        let mut lacks = lacks.filter(|(talker, listener)| talker != listener);
        lacks
            .find(|pair| !matrix.contains(pair))
            .map(|(talker, listener)| format!("{talker} is in and is not heard by {listener}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(call: u64, role: ConferenceRole) -> CallFact {
        CallFact::ParticipantJoined { call: call.into(), who: "8001".into(), role }
    }

    /// Three are in, the third is mute.
    fn three() -> Conferees {
        let mut conferees = Conferees::default();
        for call in 1..=3 {
            assert_eq!(conferees.note(&joined(call, ConferenceRole::Participant)), None);
        }
        assert_eq!(conferees.note(&CallFact::ParticipantMuted { call: 3.into() }), None);
        conferees
    }

    fn leg_of(call: CallId) -> Option<LegId> {
        Some(LegId::from(call.raw() + 10))
    }

    fn pairs(list: &[(u64, u64)]) -> Vec<(LegId, LegId)> {
        list.iter().map(|(talker, listener)| ((*talker).into(), (*listener).into())).collect()
    }

    #[test]
    fn who_is_mute_who_has_left_and_who_never_came_in_must_not_be_heard() {
        let sound = [(11, 12), (11, 13), (12, 11), (12, 13)];
        assert_eq!(three().wrong(&pairs(&sound), leg_of), None);
        for (what, more) in [
            ("who is mute", (13, 11)),
            ("a stranger", (14, 11)),
            ("to a stranger", (11, 14)),
            ("itself", (11, 11)),
        ] {
            let bad = [&sound[..], &[more]].concat();
            assert!(three().wrong(&pairs(&bad), leg_of).is_some(), "{what}");
        }
        for lacks in 0..sound.len() {
            let mut bad = sound.to_vec();
            bad.remove(lacks);
            assert!(three().wrong(&pairs(&bad), leg_of).is_some(), "{lacks} lacks");
        }
        let mut conferees = three();
        assert_eq!(conferees.note(&CallFact::ParticipantLeft { call: 2.into() }), None);
        assert!(conferees.wrong(&pairs(&sound), leg_of).is_some(), "who has left is heard");
        assert_eq!(conferees.wrong(&pairs(&[(11, 13)]), leg_of), None);
        assert_eq!(conferees.note(&CallFact::ParticipantUnmuted { call: 3.into() }), None);
        assert!(conferees.wrong(&pairs(&[(11, 13)]), leg_of).is_some(), "who is mute no more is not heard");
    }

    #[test]
    fn a_locked_door_lets_only_moderators_in() {
        for (role, broken) in [(ConferenceRole::Participant, true), (ConferenceRole::Moderator, false)] {
            let mut conferees = three();
            assert_eq!(conferees.note(&CallFact::ConferenceLocked), None);
            assert_eq!(conferees.note(&joined(4, role)).is_some(), broken, "{role:?}");
        }
        let mut conferees = three();
        conferees.note(&CallFact::ConferenceLocked);
        conferees.note(&CallFact::ConferenceUnlocked);
        assert_eq!(conferees.note(&joined(4, ConferenceRole::Participant)), None);
    }

    #[test]
    fn who_comes_or_goes_twice_and_who_is_mute_twice_is_found() {
        let left = CallFact::ParticipantLeft { call: 1.into() };
        let bad: [&[CallFact]; 4] = [
            &[joined(1, ConferenceRole::Participant)],
            &[left.clone(), left],
            &[CallFact::ParticipantMuted { call: 3.into() }],
            &[CallFact::ParticipantUnmuted { call: 4.into() }],
        ];
        for facts in bad {
            let mut conferees = three();
            assert!(facts.iter().filter_map(|fact| conferees.note(fact)).count() == 1, "{facts:?}");
        }
    }

    #[test]
    fn a_recording_of_one_who_is_alone_and_an_end_with_somebody_in_are_found() {
        use model::outcome::{CallResult, HungUpBy, Termination};
        let began = CallFact::RecordingBegan { recording: 7.into() };
        let mut alone = Conferees::default();
        alone.note(&joined(1, ConferenceRole::Participant));
        assert!(alone.note(&began).is_some());
        let mut twice = three();
        assert_eq!(twice.note(&began), None);
        assert!(twice.note(&began).is_some());
        let (result, by, cause) = (CallResult::SelfServed, HungUpBy::Switch, Termination::Normal);
        assert!(three().note(&CallFact::Ended { result, by, cause }).is_some());
    }
}
