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
    /// Whose last caller has yet to be written down.
    unsaved_callers: HashSet<(TenantId, Aor)>,
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
    pub fn note_caller(&mut self, tenant: &TenantId, aor: &Aor, caller: &Arc<str>) {
        if self.last_callers.get(aor) != Some(caller) {
            self.unsaved_callers.insert((tenant.clone(), aor.clone()));
            self.restore_caller(aor.clone(), caller.clone());
        }
    }

    /// Takes over who rang last, as it was written down.
    pub fn restore_caller(&mut self, aor: Aor, caller: Arc<str>) {
        self.last_callers.insert(aor, caller);
    }

    /// Who rang at `aor` last.
    pub fn last_caller(&self, aor: &Aor) -> Option<&Arc<str>> {
        self.last_callers.get(aor)
    }

    /// Who rang last where another did when it was last taken, for writing down.
    pub fn take_unsaved_callers(&mut self) -> Vec<(TenantId, Aor, Arc<str>)> {
        let unsaved = std::mem::take(&mut self.unsaved_callers);
        let with_caller = |(tenant, aor): (TenantId, Aor)| {
            let caller = self.last_callers.get(&aor)?.clone();
            Some((tenant, aor, caller))
        };
        unsaved.into_iter().filter_map(with_caller).collect()
    }

    /// Could not be written down: it is to be tried again.
    pub fn put_back_callers(&mut self, unsaved: impl IntoIterator<Item = (TenantId, Aor)>) {
        self.unsaved_callers.extend(unsaved);
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

    #[test]
    fn who_called_last_is_written_down_when_it_is_another() {
        let (tenant, aor) = (TenantId::default(), Aor::new("8001", "pbx"));
        let mut phones = Diversions::default();
        let [ann, bob] = ["13800138001", "13800138002"].map(Arc::<str>::from);
        phones.note_caller(&tenant, &aor, &ann);
        phones.note_caller(&tenant, &aor, &bob);
        assert_eq!(phones.take_unsaved_callers(), [(tenant.clone(), aor.clone(), bob.clone())]);
        phones.note_caller(&tenant, &aor, &bob);
        assert!(phones.take_unsaved_callers().is_empty(), "it stands there already");
        phones.put_back_callers([(tenant.clone(), aor.clone())]);
        assert_eq!(phones.take_unsaved_callers(), [(tenant, aor.clone(), bob.clone())]);
        let mut restarted = Diversions::default();
        restarted.restore_caller(aor.clone(), bob.clone());
        assert_eq!(restarted.last_caller(&aor), Some(&bob));
        assert!(restarted.take_unsaved_callers().is_empty());
    }
}
