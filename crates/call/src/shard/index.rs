//! Owns how a message finds its leg: by dialog, by our transaction, by the caller's INVITE.

use std::collections::HashMap;

use clock::MintedMap;
use model::{CallId, LegId};
use sip::session::DialogKey;
use sip::transaction::{ClientTx, ServerTx};

use crate::context::Route;

/// Where a leg is.
pub(super) type Place = (CallId, LegId);

/// How a message finds its leg.
#[derive(Debug, Default)]
pub(super) struct Index {
    dialogs: HashMap<DialogKey, Place>,
    clients: MintedMap<ClientTx, Place>,
    invites: MintedMap<ServerTx, Place>,
    /// What to forget with a call.
    of_call: MintedMap<CallId, Vec<Known>>,
}

#[derive(Debug)]
enum Known {
    Dialog(DialogKey),
    Client(ClientTx),
    Invite(ServerTx),
}

impl Index {
    pub fn take(&mut self, call: CallId, routes: Vec<Route>) {
        for route in routes {
            let known = match route {
                Route::Dialog(key, leg) => {
                    self.dialogs.insert(key.clone(), (call, leg));
                    Known::Dialog(key)
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
                Known::Dialog(key) => drop(self.dialogs.remove(&key)),
                Known::Client(tx) => drop(self.clients.remove(&tx)),
                Known::Invite(tx) => drop(self.invites.remove(&tx)),
            }
        }
    }

    pub fn by_dialog(&self, key: &DialogKey) -> Option<Place> {
        self.dialogs.get(key).copied()
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
