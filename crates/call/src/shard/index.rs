//! Owns how a message finds its leg: by dialog, by our transaction, by the caller's INVITE.

use std::hash::{BuildHasher, RandomState};

use clock::MintedMap;
use model::{CallId, LegId};
use sip::transaction::{ClientTx, ServerTx};

use crate::context::Route;

/// Where a leg is.
pub(super) type Place = (CallId, LegId);

/// How a message finds its leg.
#[derive(Debug, Default)]
pub(super) struct Index {
    dialogs: MintedMap<DialogHash, Place>,
    hashing: [RandomState; 2],
    clients: MintedMap<ClientTx, Place>,
    invites: MintedMap<ServerTx, Place>,
    /// What to forget with a call.
    of_call: MintedMap<CallId, Vec<Known>>,
}

/// Stands for Call-ID and our tag: two hashes, since a peer who chooses the Call-ID does not know what they are keyed
/// with. Whoever is found by it compares the tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct DialogHash(u64, u64);

#[derive(Debug)]
enum Known {
    Dialog(DialogHash),
    Client(ClientTx),
    Invite(ServerTx),
}

impl Index {
    pub fn take(&mut self, call: CallId, routes: Vec<Route>) {
        for route in routes {
            let known = match route {
                Route::Dialog(key, leg) => {
                    let hash = self.hash_of(key.parts());
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
                Route::Over(tx) => {
                    self.clients.remove(&tx);
                    if let Some(known) = self.of_call.get_mut(&call) {
                        known.retain(|known| !matches!(known, Known::Client(known) if *known == tx));
                    }
                    continue;
                }
            };
            self.of_call.entry(call).or_default().push(known);
        }
    }

    pub fn forget(&mut self, call: CallId) {
        for known in self.of_call.remove(&call).unwrap_or_default() {
            match known {
                Known::Dialog(hash) => drop(self.dialogs.remove(&hash)),
                Known::Client(tx) => drop(self.clients.remove(&tx)),
                Known::Invite(tx) => drop(self.invites.remove(&tx)),
            }
        }
    }

    /// By Call-ID and our tag.
    pub fn by_dialog(&self, parts: (&str, &str)) -> Option<Place> {
        self.dialogs.get(&self.hash_of(parts)).copied()
    }

    fn hash_of(&self, parts: (&str, &str)) -> DialogHash {
        let [one, other] = &self.hashing;
        DialogHash(one.hash_one(parts), other.hash_one(parts))
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
