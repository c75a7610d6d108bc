//! Owns who hears whom in a call: one function of who is in it and how they stand. Does not own how they came to stand so
//! (see `talk`, `hold`) nor the sound itself (see `media`).

use model::LegId;

/// A person in the call: the caller, the party, whoever is added to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub leg: LegId,
    pub stands: Stands,
}

/// How a person stands in the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    /// Hears and is heard by everybody else who talks.
    Talking,
    /// Holds, or waits for the bridge: hears nobody and is heard by nobody.
    Apart,
}

/// All (talker, listener) pairs. Nobody hears themself, and nobody who stands apart is heard by another person.
pub(super) fn matrix(persons: &[Person]) -> Vec<(LegId, LegId)> {
    let talking = || persons.iter().filter(|person| person.stands == Stands::Talking);
    talking()
        .flat_map(|talker| talking().map(|listener| (talker.leg, listener.leg)))
        .filter(|(talker, listener)| talker != listener)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(leg: u64, stands: Stands) -> Person {
        Person { leg: leg.into(), stands }
    }

    #[test]
    fn those_who_talk_hear_each_other_and_nobody_hears_themself() {
        use Stands::{Apart, Talking};
        let pair = |talker: u64, listener: u64| (LegId::from(talker), LegId::from(listener));
        let both = [person(1, Talking), person(2, Talking)];
        assert_eq!(matrix(&both), [pair(1, 2), pair(2, 1)]);
        assert_eq!(
            matrix(&[person(1, Talking), person(2, Apart)]),
            [],
            "a holder leaves nobody to talk with"
        );
        let three = [person(1, Talking), person(2, Talking), person(3, Apart)];
        assert_eq!(matrix(&three), matrix(&both), "who stands apart changes nothing for the others");
        assert_eq!(matrix(&[person(1, Talking), person(2, Talking), person(3, Talking)]).len(), 6);
    }
}
