//! Owns what a call is to those who watch its phones (占线灯): which phone has a dialog in it, and how far that got. It is
//! read off the call's state after each step, so that no step can forget to tell. Does not own who watches (see
//! `sip::subscription`).

use std::sync::Arc;

use clock::Instant;
use model::{Aor, DialTarget, OfferId};
use sip::subscription::{Direction, Progress, WatchedDialog};

use super::{Call, Stage};
use crate::Output;
use crate::party::PartyState;
use crate::shard::PhoneChange;

/// A phone's dialog as it was told last.
#[derive(Clone, Debug)]
pub(crate) struct ToldDialog {
    aor: Aor,
    dialog: WatchedDialog,
}

/// A phone's dialog as it is.
struct Seen<'a> {
    aor: &'a Aor,
    id: u64,
    direction: Direction,
    progress: Progress,
    remote: &'a Arc<str>,
}

impl Call {
    /// Tells what of the phones' dialogs differs from `told`, which becomes what is told now.
    pub fn tell_watchers(&self, told: &mut Vec<ToldDialog>, mut tell: impl FnMut(PhoneChange<'_>, Output)) {
        told.retain(|known| {
            let lasts = self.seen().any(|seen| seen.id == known.dialog.id && *seen.aor == known.aor);
            if !lasts {
                tell(PhoneChange::Out(&known.aor), known.over());
            }
            lasts
        });
        for seen in self.seen() {
            match told.iter_mut().find(|known| known.dialog.id == seen.id) {
                Some(known) if known.dialog.progress == seen.progress => {}
                Some(known) => {
                    known.dialog.progress = seen.progress;
                    tell(PhoneChange::Further, known.output());
                }
                None => {
                    let Seen { id, direction, progress, .. } = seen;
                    let dialog = WatchedDialog { id, direction, progress, remote: seen.remote.clone() };
                    let known = ToldDialog { aor: seen.aor.clone(), dialog };
                    tell(PhoneChange::In(&known.aor), known.output());
                    told.push(known);
                }
            }
        }
    }

    /// Phones of ours that ring for the caller, each with the attempt for which it rings. A phone that rings to become the
    /// caller rings for nobody.
    pub fn rung_phones(&self) -> impl Iterator<Item = (&Aor, OfferId)> {
        let rung = self.parties.iter().filter(|_| self.caller.is_some());
        rung.filter_map(|party| match (&party.target, party.state) {
            (DialTarget::Phone(aor), PartyState::Ringing) => Some((aor, party.offer)),
            _ => None,
        })
    }

    /// When it began.
    pub fn began(&self) -> Instant {
        self.began
    }

    fn seen(&self) -> impl Iterator<Item = Seen<'_>> {
        let caller = self.facts.calling_phone.as_ref().and_then(|aor| {
            let progress = self.callers_progress()?;
            let (direction, remote) = (Direction::Initiator, &self.facts.called);
            Some(Seen { aor, id: self.id.raw(), direction, progress, remote })
        });
        let called = self.parties.iter().filter_map(|party| {
            let DialTarget::Phone(aor) = &party.target else { return None };
            let progress = match party.state {
                PartyState::Calling => Progress::Trying,
                PartyState::Ringing => Progress::Early,
                PartyState::Accepted(_) | PartyState::Talking(_) => Progress::Confirmed,
            };
            let (direction, remote) = (Direction::Recipient, &self.facts.caller);
            Some(Seen { aor, id: party.offer.raw(), direction, progress, remote })
        });
        caller.into_iter().chain(called)
    }

    fn callers_progress(&self) -> Option<Progress> {
        if matches!(self.stage, Stage::Over) {
            return None;
        }
        let rings = self.parties.iter().any(|party| party.state == PartyState::Ringing);
        Some(match &self.caller {
            Some(caller) if caller.session.is_established() => Progress::Confirmed,
            _ if rings => Progress::Early,
            _ => Progress::Trying,
        })
    }
}

impl ToldDialog {
    /// Whose phone it is.
    pub fn aor(&self) -> &Aor {
        &self.aor
    }

    fn output(&self) -> Output {
        Output::PhoneDialog { aor: self.aor.clone(), dialog: self.dialog.clone() }
    }

    /// The dialog is over.
    pub fn over(&self) -> Output {
        let dialog = WatchedDialog { progress: Progress::Terminated, ..self.dialog.clone() };
        Output::PhoneDialog { aor: self.aor.clone(), dialog }
    }
}
