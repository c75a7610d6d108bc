//! Owns the calls of every phone as those see them who watch it (占线灯): written by the shards, read by the registrar's
//! task. Does not own who watches (see `sip::subscription`).

use std::sync::Arc;

use dashmap::DashMap;
use model::Aor;
use model::night::Turn;
use routing::{NightSwitches, Plan, Shared};
use sip::subscription::{Progress, WatchedDialog};

/// The calls of every phone. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lamps {
    table: Arc<DashMap<Aor, Lamp>>,
}

/// One phone's calls.
#[derive(Debug, Default)]
struct Lamp {
    dialogs: Vec<WatchedDialog>,
    seen: Seen,
}

/// Whether somebody watches a phone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Yes: a change is to be told.
    BySomebody,
    #[default]
    ByNobody,
}

impl Lamps {
    /// A call of `aor` got so far.
    pub fn put(&self, aor: Aor, dialog: WatchedDialog) -> Seen {
        let mut lamp = self.table.entry(aor).or_default();
        let place = lamp.dialogs.iter().position(|known| known.id == dialog.id);
        match (place, dialog.progress) {
            (Some(place), Progress::Terminated) => drop(lamp.dialogs.remove(place)),
            (None, Progress::Terminated) => {}
            (Some(place), _) => lamp.dialogs[place] = dialog,
            (None, _) => lamp.dialogs.push(dialog),
        }
        let (seen, is_idle) = (lamp.seen, lamp.dialogs.is_empty());
        if is_idle && seen == Seen::ByNobody {
            let aor = lamp.key().clone();
            drop(lamp);
            self.forget_idle(&aor);
        }
        seen
    }

    /// From now on every change of `aor` is told; these are its calls.
    pub fn watch(&self, aor: &Aor) -> Vec<WatchedDialog> {
        let mut lamp = self.table.entry(aor.clone()).or_default();
        lamp.seen = Seen::BySomebody;
        lamp.dialogs.clone()
    }

    /// Nobody watches `aor` any more.
    pub fn unwatch(&self, aor: &Aor) {
        if let Some(mut lamp) = self.table.get_mut(aor) {
            lamp.seen = Seen::ByNobody;
        }
        self.forget_idle(aor);
    }

    /// The night switches that are on, on the lamps of their code.
    pub fn show_night(&self, plan: &Plan, night: &Shared<NightSwitches>) {
        let on = plan.numbers.iter().filter(|one| night.lock().of(&one.number).is_some());
        for (aor, dialog) in on.flat_map(|one| call::night_lamps(plan, &one.number, Turn::On)) {
            self.put(aor, dialog);
        }
    }

    fn forget_idle(&self, aor: &Aor) {
        self.table.remove_if(aor, |_, lamp| lamp.dialogs.is_empty() && lamp.seen == Seen::ByNobody);
    }
}

#[cfg(test)]
mod tests {
    use sip::subscription::Direction;

    use super::*;

    #[test]
    fn what_nobody_watches_and_is_idle_takes_no_room() {
        let (lamps, aor) = (Lamps::default(), Aor::new("9001", "pbx"));
        let dialog =
            |progress| WatchedDialog { id: 1, direction: Direction::Recipient, progress, remote: "1".into() };
        assert_eq!(lamps.put(aor.clone(), dialog(Progress::Trying)), Seen::ByNobody);
        assert_eq!(lamps.watch(&aor), [dialog(Progress::Trying)]);
        assert_eq!(lamps.put(aor.clone(), dialog(Progress::Confirmed)), Seen::BySomebody);
        assert_eq!(lamps.put(aor.clone(), dialog(Progress::Terminated)), Seen::BySomebody);
        assert!(lamps.watch(&aor).is_empty() && lamps.table.len() == 1);
        lamps.unwatch(&aor);
        assert_eq!(lamps.table.len(), 0);
        lamps.put(aor.clone(), dialog(Progress::Early));
        lamps.put(aor, dialog(Progress::Terminated));
        assert_eq!(lamps.table.len(), 0);
    }
}
