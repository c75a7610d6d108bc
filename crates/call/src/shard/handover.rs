//! Owns which messages are another shard's, and what the node's shards are told of ours. Does not own the letters (see
//! `sip-net`) nor the books (see [`crate::Whereabouts`]).

use bytes::Bytes;
use clock::Instant;
use model::{Aor, CallId};
use routing::{Dialled, Feature, Phone};
use sip::endpoint::Flow;
use sip::headers::Replaces;
use sip::{Message, Request};

use super::Shard;
use super::index::Index;
use crate::context::Route;
use crate::{Output, Whereabouts, call_id_of, identity};

/// What became of a phone in a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PhoneChange<'a> {
    /// It has a dialog more.
    In(&'a Aor),
    /// It has one less.
    Out(&'a Aor),
    /// A dialog got further.
    Further,
}

/// The node learns that a phone has a call on `shard`, or has one less.
pub(super) fn note_phone(node: &Whereabouts, shard: u8, change: PhoneChange<'_>) {
    match change {
        PhoneChange::In(aor) => node.phone_in(aor, shard),
        PhoneChange::Out(aor) => node.phone_out(aor, shard),
        PhoneChange::Further => {}
    }
}

/// Takes over how messages find the call `id`; those whose Call-ID was handed over to us come as long as it lasts.
pub(super) fn take_routes(node: &Whereabouts, index: &mut Index, id: CallId, routes: &[Route]) {
    if node.is_divided() {
        for route in routes {
            if let Route::Dialog(_, call_id, _) = route
                && node.settled(call_id)
            {
                index.note_handed_over(id, (**call_id).into());
            }
        }
    }
    index.take(id, routes);
}

impl Shard {
    /// Hands a message that is another shard's over to it. Says whether it was one.
    pub(super) fn hands_over(&mut self, now: Instant, flow: Flow, bytes: &Bytes) -> bool {
        if !self.node.whereabouts.is_divided() {
            return false;
        }
        let shard = self.owner_of(now, flow, bytes).filter(|shard| *shard != self.number);
        if let Some(shard) = shard {
            self.out.push_back(Output::HandOver { shard, flow, bytes: bytes.clone() });
        }
        shard.is_some()
    }

    fn owner_of(&self, now: Instant, flow: Flow, bytes: &Bytes) -> Option<u8> {
        let node = &self.node.whereabouts;
        let call_id = call_id_of(bytes)?;
        if let Some(shard) = node.forwarded(call_id) {
            return Some(shard);
        }
        if !bytes.starts_with(b"INVITE ") {
            return None;
        }
        let Ok(Message::Request(request)) = Message::parse_datagram(bytes.clone()) else { return None };
        // What has begun here ends here, wherever its phone has got a call meanwhile.
        if request.is_within_dialog() || self.endpoint.has_begun(&request) {
            return None;
        }
        let shard = self.shard_meant_by(flow, &request).filter(|shard| *shard != self.number)?;
        // Before the letter: what comes behind it must not overtake it.
        let call_id = request.headers.call_id().ok()?;
        node.forward(now, call_id, shard).then_some(shard)
    }

    /// The shard whose call a new INVITE is about: that of the dialog which it wants to replace, else one on which the
    /// phone that it comes from has a call, else one on which the phone that it calls has one: so that a consultation, and a
    /// call that waits, meet the call that they are about. Whom the phone claims to be decides only where it is asked for
    /// its password.
    fn shard_meant_by(&self, flow: Flow, request: &Request) -> Option<u8> {
        let node = &self.node.whereabouts;
        if let Ok(Some(replaces)) = Replaces::of(request) {
            return Some(node.home_of(&replaces.call_id));
        }
        if self.is_trunk(flow) {
            return None;
        }
        let caller = identity::caller(request);
        let phone = self.router.phone_of(&caller.user(), caller.host())?;
        // A supervisor goes to where the conversation is.
        let dialled = request.uri.user().unwrap_or_default();
        if let Dialled::Feature(Feature::Supervise(_), extension) =
            self.router.dialled(&phone.tenant, &dialled)
            && let Dialled::Phone(supervised) = self.router.dialled(&phone.tenant, extension)
        {
            return node.shard_of_phone(&supervised.aor, self.number);
        }
        // Who picks up goes to where it rings.
        if let Some((Feature::PickUp | Feature::PickUpInGroup, extension)) =
            self.settings.plan.codes.meant_by(&dialled)
        {
            let is_meant = |other: &&Phone| {
                phone.picks_up_for(other) && (extension.is_empty() || other.aor.user() == extension)
            };
            let mut rung = self.settings.plan.phones.iter().filter(is_meant);
            return rung.find_map(|other| node.shard_of_phone(&other.aor, self.number));
        }
        let own = node.shard_of_phone(&phone.aor, self.number);
        own.or_else(|| match self.router.dialled(&phone.tenant, &dialled) {
            // Of two calls of one phone either may be about the other: whom it calls may make them one.
            Dialled::Phone(called) => node.shard_of_phone(&called.aor, self.number),
            _ => None,
        })
    }

    /// Nothing leads to `call` any more.
    pub(super) fn forget(&mut self, now: Instant, call: CallId) {
        let node = &self.node.whereabouts;
        self.index.forget(call, |call_id| node.left(now, call_id));
    }
}
