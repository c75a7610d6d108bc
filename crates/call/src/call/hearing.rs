//! Owns who hears whom in a call: one function of who is in it and how they stand. Does not own how they came to stand so
//! (see `talk`, `hold`, `guests`) nor the sound itself (see `media`).

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
    /// Holds, or waits for the bridge: hears nobody and is heard by nobody but supervisors.
    Apart,
}

/// A supervisor in the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    pub leg: LegId,
    pub voice: Voice,
}

/// Who hears a supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    /// 监听: nobody.
    Unheard,
    /// 密语: this person alone.
    HeardBy(LegId),
    /// 强插: everybody who talks, and the other supervisors.
    HeardByAll,
}

/// All (talker, listener) pairs. Nobody hears themself, nobody who stands apart is heard by another person, and a
/// supervisor hears every person.
pub(super) fn matrix(persons: &[Person], seats: &[Seat]) -> Vec<(LegId, LegId)> {
    let talking = || persons.iter().filter(|person| person.stands == Stands::Talking);
    let among = talking().flat_map(|talker| talking().map(|listener| (talker.leg, listener.leg)));
    let to_seats = seats.iter().flat_map(|seat| persons.iter().map(|person| (person.leg, seat.leg)));
    let from_seats = seats.iter().flat_map(|seat| {
        let heard_by: Vec<LegId> = match seat.voice {
            Voice::Unheard => Vec::new(),
            Voice::HeardBy(person) => vec![person],
            Voice::HeardByAll => {
                talking().map(|person| person.leg).chain(seats.iter().map(|seat| seat.leg)).collect()
            }
        };
        heard_by.into_iter().map(|listener| (seat.leg, listener))
    });
    among.chain(to_seats).chain(from_seats).filter(|(talker, listener)| talker != listener).collect()
}

#[cfg(test)]
mod tests {
    use super::Stands::{Apart, Talking};
    use super::*;

    fn person(leg: u64, stands: Stands) -> Person {
        Person { leg: leg.into(), stands }
    }

    fn seat(leg: u64, voice: Voice) -> Seat {
        Seat { leg: leg.into(), voice }
    }

    fn pair(talker: u64, listener: u64) -> (LegId, LegId) {
        (talker.into(), listener.into())
    }

    #[test]
    fn those_who_talk_hear_each_other_and_nobody_hears_themself() {
        let both = [person(1, Talking), person(2, Talking)];
        assert_eq!(matrix(&both, &[]), [pair(1, 2), pair(2, 1)]);
        assert_eq!(
            matrix(&[person(1, Talking), person(2, Apart)], &[]),
            [],
            "a holder leaves nobody to talk with"
        );
        let three = [person(1, Talking), person(2, Talking), person(3, Apart)];
        assert_eq!(
            matrix(&three, &[]),
            matrix(&both, &[]),
            "who stands apart changes nothing for the others"
        );
        assert_eq!(matrix(&[person(1, Talking), person(2, Talking), person(3, Talking)], &[]).len(), 6);
    }

    #[test]
    fn a_supervisor_hears_all_and_is_heard_as_the_verb_says() {
        // R54: 1 is the caller, 2 the agent, 8 and 9 are supervisors.
        let both = [person(1, Talking), person(2, Talking)];
        let talk = [pair(1, 2), pair(2, 1)];
        let hears = [pair(1, 9), pair(2, 9)];
        let table: [(Voice, &[(LegId, LegId)]); 3] = [
            (Voice::Unheard, &[]),
            (Voice::HeardBy(2.into()), &[pair(9, 2)]),
            (Voice::HeardByAll, &[pair(9, 1), pair(9, 2)]),
        ];
        for (voice, heard) in table {
            let expected = [&talk[..], &hears, heard].concat();
            assert_eq!(matrix(&both, &[seat(9, voice)]), expected, "{voice:?}");
        }
        let held = matrix(&[person(1, Talking), person(2, Apart)], &[seat(9, Voice::HeardByAll)]);
        assert_eq!(held, [pair(1, 9), pair(2, 9), pair(9, 1)], "who holds hears nobody");
        let two = [seat(8, Voice::Unheard), seat(9, Voice::HeardByAll)];
        assert!(matrix(&both, &two).contains(&pair(9, 8)), "who listens hears who joined");
        let two = [seat(8, Voice::Unheard), seat(9, Voice::HeardBy(2.into()))];
        assert!(!matrix(&both, &two).contains(&pair(9, 8)), "a whisper is for the agent alone");
    }
}
