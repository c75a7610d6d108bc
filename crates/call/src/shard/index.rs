//! Owns how a message finds its leg: by dialog, by our transaction, by the caller's INVITE.

use std::hash::{BuildHasher, RandomState};

use clock::MintedMap;
use model::{CallId, LegId};
use sip::transaction::{ClientTx, ServerTx};

use crate::context::Route;

/// Where a leg is.
pub(super) type Place = (CallId, LegId);

/// What leads to a call of two legs: two dialogs, an INVITE in, an INVITE and a BYE out.
const USUAL: usize = 5;

/// How a message finds its leg.
#[derive(Debug, Default)]
pub(super) struct Index {
    dialogs: MintedMap<DialogHash, Place>,
    hashing: DialogHashing,
    clients: MintedMap<ClientTx, Place>,
    invites: MintedMap<ServerTx, Place>,
    /// What to forget with a call.
    of_call: MintedMap<CallId, Vec<Known>>,
    /// Call-IDs that other shards handed over, by the call that they are for.
    handed_over: MintedMap<CallId, Vec<Box<str>>>,
    /// Legs that began in another call, and where they are.
    moved: MintedMap<LegId, CallId>,
    /// Whose the ports are that are in other rooms.
    visitors: MintedMap<LegId, CallId>,
}

/// Stands for Call-ID and our tag. Whoever is found by it compares the peer's tag; of 100,000 dialogs at once two share
/// one once in a thousand million times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DialogHash(u64);

/// What dialogs are hashed with: a peer, who chooses the Call-ID, does not know it.
#[derive(Debug, Default)]
pub(crate) struct DialogHashing(RandomState);

impl DialogHashing {
    /// Of Call-ID and our tag.
    pub fn of(&self, parts: (&str, &str)) -> DialogHash {
        DialogHash(self.0.hash_one(parts))
    }
}

#[derive(Clone, Copy, Debug)]
enum Known {
    Dialog(DialogHash),
    Client(ClientTx),
    Invite(ServerTx),
}

impl Index {
    pub fn take(&mut self, call: CallId, routes: &[Route]) {
        for route in routes {
            let known = match *route {
                Route::Dialog(hash, _, leg) => {
                    self.dialogs.insert(hash, (call, leg));
                    Known::Dialog(hash)
                }
                Route::Begun(tx, leg) => {
                    self.clients.insert(tx, (call, leg));
                    Known::Client(tx)
                }
                Route::Invite(tx, leg) => {
                    self.invites.insert(tx, (call, leg));
                    Known::Invite(tx)
                }
                Route::Moved(leg, to) => {
                    self.move_leg(leg, call, to);
                    continue;
                }
                Route::Visits(leg) => {
                    self.visitors.insert(leg, call);
                    continue;
                }
                Route::Over(tx) => {
                    self.clients.remove(&tx);
                    if let Some(known) = self.of_call.get_mut(&call) {
                        known.retain(|known| !matches!(known, Known::Client(known) if *known == tx));
                    }
                    continue;
                }
            };
            self.of_call.entry(call).or_insert_with(|| Vec::with_capacity(USUAL)).push(known);
        }
    }

    /// What dialogs are hashed with.
    pub fn hashing(&self) -> &DialogHashing {
        &self.hashing
    }

    /// A dialog of `call` has a Call-ID that another shard handed over.
    pub fn note_handed_over(&mut self, call: CallId, call_id: Box<str>) {
        self.handed_over.entry(call).or_default().push(call_id);
    }

    /// What leads to `leg` leads to it in another call.
    fn move_leg(&mut self, leg: LegId, from: CallId, to: CallId) {
        self.moved.insert(leg, to);
        // Whose dialog it is, is not known any more: it lasts with the call that goes on.
        if let Some(call_ids) = self.handed_over.remove(&from) {
            self.handed_over.entry(to).or_default().extend(call_ids);
        }
        let Some(known) = self.of_call.remove(&from) else { return };
        let (moving, staying): (Vec<Known>, Vec<Known>) = known.into_iter().partition(|known| {
            let place = match known {
                Known::Dialog(hash) => self.dialogs.get_mut(hash),
                Known::Client(tx) => self.clients.get_mut(tx),
                Known::Invite(tx) => self.invites.get_mut(tx),
            };
            let place = place.filter(|place| place.1 == leg);
            place.map(|place| place.0 = to).is_some()
        });
        self.of_call.entry(to).or_default().extend(moving);
        self.of_call.insert(from, staying);
    }

    /// Where a leg is that began in another call.
    pub fn moved(&self, leg: LegId) -> Option<CallId> {
        // Most shards, at most times, have none.
        if self.moved.is_empty() { None } else { self.moved.get(&leg).copied() }
    }

    /// Forgets all that leads to `call`, and hands the Call-IDs that others handed over to `gone`.
    pub fn forget(&mut self, call: CallId, mut gone: impl FnMut(&str)) {
        if !self.moved.is_empty() {
            self.moved.retain(|_, to| *to != call);
        }
        if !self.visitors.is_empty() {
            self.visitors.retain(|_, visit| *visit != call);
        }
        for known in self.of_call.remove(&call).unwrap_or_default() {
            match known {
                Known::Dialog(hash) => drop(self.dialogs.remove(&hash)),
                Known::Client(tx) => drop(self.clients.remove(&tx)),
                Known::Invite(tx) => drop(self.invites.remove(&tx)),
            }
        }
        self.handed_over.remove(&call).unwrap_or_default().iter().for_each(|call_id| gone(call_id));
    }

    /// The call of a port that is in another room.
    pub fn visitor(&self, port: LegId) -> Option<CallId> {
        // At most times there is none.
        if self.visitors.is_empty() { None } else { self.visitors.get(&port).copied() }
    }

    /// By Call-ID and our tag.
    pub fn by_dialog(&self, parts: (&str, &str)) -> Option<Place> {
        self.dialogs.get(&self.hashing.of(parts)).copied()
    }

    pub fn by_client(&self, tx: ClientTx) -> Option<Place> {
        self.clients.get(&tx).copied()
    }

    pub fn by_invite(&self, tx: ServerTx) -> Option<Place> {
        self.invites.get(&tx).copied()
    }

    pub fn len(&self) -> usize {
        self.dialogs.len() + self.clients.len() + self.invites.len()
    }
}
