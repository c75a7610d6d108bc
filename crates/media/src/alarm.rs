//! Owns the alarm of a port whose peer should be heard and is not (R37): when it is raised, and when it is over. Does not
//! own what a sound is (see [`crate::loudness`]).

use std::time::Duration;

use clock::Instant;
use model::outcome::Unheard;

/// Waits for a peer's silence while others listen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alarm {
    after: Duration,
    since: Instant,
    told: Option<Unheard>,
    /// `None` while only a packet can change something.
    due: Option<Instant>,
}

impl Alarm {
    pub fn new(now: Instant, after: Duration) -> Alarm {
        Alarm { after, since: now, told: None, due: Some(now + after) }
    }

    pub fn after(&self) -> Duration {
        self.after
    }

    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether the peer was told to be unheard: then every packet counts.
    #[inline]
    pub fn is_raised(&self) -> bool {
        self.told.is_some()
    }

    /// The peer need not speak now: waits anew.
    pub fn wait(&mut self, now: Instant) {
        *self = Alarm { told: self.told, ..Alarm::new(now, self.after) };
    }

    /// What is to be told at `now`, when a packet last came at `packet`, and one with a sound at `sound`.
    pub fn look(&mut self, now: Instant, packet: Option<Instant>, sound: Option<Instant>) -> Option<Unheard> {
        let patience = |last: Option<Instant>| last.map_or(self.since, |at| at.max(self.since)) + self.after;
        let (packets_end, sounds_end) = (patience(packet), patience(sound));
        let (found, due) = match (now >= packets_end, now >= sounds_end) {
            (true, _) => (Some(Unheard::NoPackets), None),
            (false, true) => (Some(Unheard::NoSound), Some(packets_end)),
            (false, false) => (self.told, Some(packets_end.min(sounds_end))),
        };
        self.due = due;
        let news = found.filter(|_| found != self.told);
        self.told = found;
        news
    }

    /// A packet came while the peer was told to be unheard; whether it is heard again.
    pub fn came(&mut self, now: Instant, has_sound: bool) -> bool {
        if has_sound {
            self.told = None;
        }
        self.due.get_or_insert(now + self.after);
        has_sound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_secs(20);

    fn at(second: u64) -> Instant {
        Instant::from_secs(1_000 + second)
    }

    #[test]
    fn nobody_who_never_came_is_heard() {
        let mut alarm = Alarm::new(at(0), AFTER);
        assert_eq!(alarm.due(), Some(at(20)));
        assert_eq!(alarm.look(at(19), None, None), None);
        assert_eq!(alarm.look(at(20), None, None), Some(Unheard::NoPackets));
        assert_eq!((alarm.look(at(21), None, None), alarm.due()), (None, None), "it is told once");
        assert!(!alarm.came(at(30), false) && alarm.is_raised(), "a packet is no sound");
        assert_eq!(alarm.look(at(50), Some(at(49)), None), Some(Unheard::NoSound));
        assert!(alarm.came(at(51), true) && !alarm.is_raised());
        assert_eq!(alarm.look(at(60), Some(at(60)), Some(at(51))), None);
        assert_eq!(alarm.look(at(71), Some(at(71)), Some(at(51))), Some(Unheard::NoSound));
        assert_eq!(alarm.look(at(91), Some(at(71)), Some(at(51))), Some(Unheard::NoPackets));
    }

    #[test]
    fn what_was_said_before_the_watch_does_not_count_against_it() {
        let mut alarm = Alarm::new(at(100), AFTER);
        assert_eq!(alarm.look(at(119), Some(at(1)), Some(at(1))), None);
        assert_eq!(alarm.due(), Some(at(120)));
        alarm.wait(at(119));
        assert_eq!(alarm.look(at(130), None, None), None, "on hold");
    }
}
