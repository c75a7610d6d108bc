//! Owns which hotline numbers are in their night flow: by their hours, and by their night switch. Does not own who may switch (see [`crate::Phone`]), what a
//! call does then (see `call`), nor where it is kept over a restart (see the node).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use clock::WallTime;
use model::night::{NightSwitch, Turn};
use model::{HotlineNumber, TenantId};

use crate::{Hours, Number, Plan};

/// The night switches that are on. Only numbers of the configuration are ever switched.
#[derive(Debug, Default)]
pub struct NightSwitches {
    on: HashMap<HotlineNumber, NightSwitch>,
    /// What has yet to be written down.
    unsaved: HashSet<HotlineNumber>,
}

impl NightSwitches {
    /// The switch of `number`, where it is on.
    pub fn of(&self, number: &HotlineNumber) -> Option<&NightSwitch> {
        self.on.get(number)
    }

    /// Turns the switch of `number`; says whether it stood the other way before. One that is on already keeps who switched
    /// it and when.
    pub fn turn(&mut self, number: &HotlineNumber, turn: Turn, by: &Arc<str>, at: WallTime) -> bool {
        let turned = match turn {
            Turn::On if self.on.contains_key(number) => false,
            Turn::On => {
                self.on.insert(number.clone(), NightSwitch { by: by.clone(), since: at });
                true
            }
            Turn::Off => self.on.remove(number).is_some(),
        };
        if turned {
            self.unsaved.insert(number.clone());
        }
        turned
    }

    /// Takes over what was written down.
    pub fn restore(&mut self, number: HotlineNumber, switch: NightSwitch) {
        self.on.insert(number, switch);
    }

    /// What changed since it was last taken, for writing down; none where the switch is off.
    pub fn take_unsaved(&mut self) -> Vec<(HotlineNumber, Option<NightSwitch>)> {
        let unsaved = std::mem::take(&mut self.unsaved);
        unsaved.into_iter().map(|number| (number.clone(), self.on.get(&number).cloned())).collect()
    }

    /// Could not be written down: it is to be tried again.
    pub fn put_back(&mut self, unsaved: impl IntoIterator<Item = HotlineNumber>) {
        self.unsaved.extend(unsaved);
    }

    /// Which way a code turns the switches of `numbers`: on unless all are.
    pub fn next_turn<'n>(&self, numbers: impl IntoIterator<Item = &'n HotlineNumber>) -> Turn {
        if numbers.into_iter().all(|number| self.on.contains_key(number)) { Turn::Off } else { Turn::On }
    }
}

impl Number {
    /// Whether its hours have this minute of the week (Monday 00:00 is 0).
    pub fn is_open(&self, minute_of_week: u16) -> bool {
        self.open.is_empty() || self.open.iter().any(|hours| hours.contain(minute_of_week))
    }

    /// In how many minutes its hours begin or end, at `minute_of_week`; None: never.
    pub fn changes_in(&self, minute_of_week: u16) -> Option<u16> {
        let open = self.is_open(minute_of_week);
        (1..=Hours::WEEK).find(|minutes| self.is_open((minute_of_week + minutes) % Hours::WEEK) != open)
    }
}

impl Plan {
    /// The numbers of `tenant` that have a night flow.
    pub fn night_numbers(&self, tenant: &TenantId) -> impl Iterator<Item = &Number> {
        self.numbers.iter().filter(move |one| one.number.tenant == *tenant && one.night_flow.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_open_in_its_hours_and_says_when_they_change() {
        let weekdays = [true, true, true, true, true, false, false];
        let hours = |from: u16, until: u16| Hours { days: weekdays, from: from * 60, until: until * 60 };
        let always = crate::fixtures::number("default", "4008001234", &[]);
        let number = Number { open: vec![hours(9, 12), hours(13, 18)], ..always.clone() };
        let (day, hour) = (24 * 60, 60);
        let table = [
            // Monday morning, noon, afternoon; Friday evening; Sunday.
            (9 * hour, true, 3 * hour),
            (12 * hour, false, hour),
            (13 * hour + 59, true, 4 * hour + 1),
            (4 * day + 18 * hour, false, 63 * hour),
            (6 * day, false, 33 * hour),
        ];
        for (minute, open, change) in table {
            assert_eq!((number.is_open(minute), number.changes_in(minute)), (open, Some(change)), "{minute}");
        }
        assert!(always.is_open(0) && always.changes_in(0).is_none());
    }

    #[test]
    fn a_switch_remembers_who_turned_it_on_first_and_is_written_down_once() {
        let number = HotlineNumber::new(&TenantId::default(), "4008001234");
        let other = HotlineNumber::new(&TenantId::default(), "4008005678");
        let mut night = NightSwitches::default();
        assert_eq!(night.next_turn([&number, &other]), Turn::On);
        let (first, second): (Arc<str>, Arc<str>) = ("8001".into(), "8002".into());
        assert!(night.turn(&number, Turn::On, &first, WallTime(1)));
        assert!(!night.turn(&number, Turn::On, &second, WallTime(2)));
        let on = NightSwitch { by: first.clone(), since: WallTime(1) };
        assert_eq!(night.of(&number), Some(&on));
        // A code for several numbers brings them to the same side first.
        assert_eq!(night.next_turn([&number, &other]), Turn::On);
        assert_eq!(night.next_turn([&number]), Turn::Off);
        assert_eq!(night.take_unsaved(), [(number.clone(), Some(on.clone()))]);
        assert!(night.take_unsaved().is_empty());
        night.put_back([number.clone()]);
        assert_eq!(night.take_unsaved(), [(number.clone(), Some(on.clone()))]);
        let mut restarted = NightSwitches::default();
        restarted.restore(number.clone(), on);
        assert_eq!(restarted.of(&number), night.of(&number));
        assert!(restarted.take_unsaved().is_empty());
        assert!(night.turn(&number, Turn::Off, &second, WallTime(3)));
        assert!(!night.turn(&number, Turn::Off, &second, WallTime(4)));
        assert_eq!(night.take_unsaved(), [(number, None)]);
    }
}
