//! Owns what phones have set for calls that come to them, and who called them last. Does not own what becomes of a call by
//! it (see `call`) nor where it is kept over a restart (see the node).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use model::diversion::Diversion;
use model::{Aor, TenantId};

/// What phones have set. Their number is bounded by the configuration: only its phones set anything.
#[derive(Debug, Default)]
pub struct Diversions {
    set: HashMap<Aor, Diversion>,
    /// 最后来电, for calling back.
    last_callers: HashMap<Aor, Arc<str>>,
    /// Whose settings have yet to be written down.
    unsaved: HashSet<(TenantId, Aor)>,
}

impl Diversions {
    /// What `aor` has set.
    pub fn of(&self, aor: &Aor) -> Diversion {
        self.set.get(aor).cloned().unwrap_or_default()
    }

    /// Changes what `aor` has set; returns what it is then.
    pub fn change(&mut self, tenant: &TenantId, aor: &Aor, change: impl FnOnce(&mut Diversion)) -> Diversion {
        let mut diversion = self.of(aor);
        change(&mut diversion);
        self.unsaved.insert((tenant.clone(), aor.clone()));
        self.restore(aor.clone(), diversion.clone());
        diversion
    }

    /// Takes over what was written down.
    pub fn restore(&mut self, aor: Aor, diversion: Diversion) {
        if diversion == Diversion::default() {
            self.set.remove(&aor);
        } else {
            self.set.insert(aor, diversion);
        }
    }

    /// What changed since it was last taken, for writing down; the default where nothing is set any more.
    pub fn take_unsaved(&mut self) -> Vec<(TenantId, Aor, Diversion)> {
        let unsaved = std::mem::take(&mut self.unsaved);
        unsaved.into_iter().map(|(tenant, aor)| (tenant, aor.clone(), self.of(&aor))).collect()
    }

    /// Could not be written down: it is to be tried again.
    pub fn put_back(&mut self, unsaved: impl IntoIterator<Item = (TenantId, Aor)>) {
        self.unsaved.extend(unsaved);
    }

    /// `caller` rang at `aor`.
    pub fn note_caller(&mut self, aor: &Aor, caller: &Arc<str>) {
        self.last_callers.insert(aor.clone(), caller.clone());
    }

    /// Who rang at `aor` last, since the switch runs.
    pub fn last_caller(&self, aor: &Aor) -> Option<&Arc<str>> {
        self.last_callers.get(aor)
    }
}

#[cfg(test)]
mod tests {
    use model::diversion::{Disturb, ForwardWhen};

    use super::*;

    #[test]
    fn what_is_set_is_written_down_once_and_read_back() {
        let (tenant, aor) = (TenantId::default(), Aor::new("8001", "pbx"));
        let mut phones = Diversions::default();
        phones.change(&tenant, &aor, |set| set.set(ForwardWhen::Busy, Some("8002".into())));
        let set = phones.change(&tenant, &aor, |set| set.disturb = Disturb::No);
        assert_eq!((set.busy.as_deref(), set.disturb), (Some("8002"), Disturb::No));
        let unsaved = phones.take_unsaved();
        assert_eq!(unsaved, [(tenant.clone(), aor.clone(), set.clone())]);
        assert!(phones.take_unsaved().is_empty());
        phones.put_back([(tenant.clone(), aor.clone())]);
        assert_eq!(phones.take_unsaved(), unsaved);
        let mut restarted = Diversions::default();
        restarted.restore(aor.clone(), set);
        assert_eq!(restarted.of(&aor), phones.of(&aor));
        // Nothing is left of a phone that takes everything back.
        phones.change(&tenant, &aor, |set| *set = Diversion::default());
        assert_eq!(phones.take_unsaved(), [(tenant, aor, Diversion::default())]);
        assert!(phones.set.is_empty());
    }
}
