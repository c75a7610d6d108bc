//! Owns what a call may touch while it handles one input: time, the endpoint, ids, and the way out.

use std::collections::VecDeque;
use std::sync::Arc;

use clock::{Instant, WallAnchor};
use media::command::Command;
use model::event::{CallFact, DiskState, Event};
use model::{CallId, IdGen, LegId, OfferId, TenantId, TrunkName};
use routing::{Admission, Diversions, Hours, Mailboxes, Router, Shared, TrunkChange, TrunkNews, TrunkStates};
use sdp::MasterKey;
use sha2::{Digest, Sha256};
use sip::endpoint::Endpoint;
use sip::session::Session;
use sip::transaction::{ClientTx, ServerTx};
use smallvec::SmallVec;

use crate::Output;
use crate::conference::ConferenceInput;
use crate::shard::{DialogHash, DialogHashing};
use crate::visit::{Letter, Word};

/// What a call may touch while it handles one input.
pub(crate) struct Context<'a> {
    pub now: Instant,
    pub endpoint: &'a mut Endpoint,
    pub ids: &'a mut IdGen,
    pub admission: &'a Shared<Admission>,
    pub trunks: &'a mut TrunkStates,
    /// Whom a dialled number means.
    pub router: &'a Router,
    /// What phones have set for calls that come to them.
    pub diversions: &'a Shared<Diversions>,
    /// The messages in mailboxes.
    pub mailboxes: &'a Shared<Mailboxes>,
    pub anchor: WallAnchor,
    /// What keys are made of; nobody else knows it.
    pub secret: [u8; 32],
    /// Local time, in seconds east of UTC.
    pub utc_offset: i32,
    /// How the disk of recordings does.
    pub disk: DiskState,
    pub out: &'a mut VecDeque<Output>,
    /// How the shard finds the call again; taken over by the shard after each input.
    pub routes: Routes,
    /// What dialogs are found by.
    pub hashing: &'a DialogHashing,
    /// What reaches beyond the call; granted by the shard after each input.
    pub wishes: Vec<Wish>,
    /// What other calls of the shard are told after this input.
    pub letters: &'a mut VecDeque<Letter>,
}

/// What a call cannot do by itself: it needs the dial plan, or another call.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    /// Its caller's leg wants a place in another call.
    TakePlace(Place),
    /// A leg asks that whom it talks with goes elsewhere (REFER, RFC 3515).
    Refer { leg: LegId, tx: ServerTx, to: Box<str>, replaces: Option<Box<str>> },
    /// The keys pressed on a leg ask for it.
    TransferByKeys { leg: LegId, to: Box<str>, kind: model::event::TransferKind },
}

/// A place in a call that a leg may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub call: CallId,
    pub of: PlaceOf,
}

/// Whose place it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlaceOf {
    /// A leg's (RFC 3891).
    Leg(LegId),
    /// That of the phones that ring for this attempt (代接).
    Offer(OfferId),
}

/// A way by which the world's next word finds a leg.
#[derive(Clone, Debug)]
pub(crate) enum Route {
    /// Requests within the dialog with this Call-ID.
    Dialog(DialogHash, Arc<str>, LegId),
    /// Responses of this transaction.
    Begun(ClientTx, LegId),
    /// A CANCEL of this INVITE.
    Invite(ServerTx, LegId),
    /// That transaction no longer has a listener.
    Over(ClientTx),
    /// The leg goes over to this call, and all that leads to it.
    Moved(LegId, CallId),
    /// The port of this leg is in another call's room, and is ours still.
    Visits(LegId),
}

/// The ways that one input brings.
pub(crate) type Routes = SmallVec<[Route; 4]>;

impl Route {
    /// Requests within the dialog of `session`, which is `leg`'s.
    pub fn dialog(hashing: &DialogHashing, session: &Session, leg: LegId) -> Route {
        let hash = hashing.of((session.call_id(), session.local_tag()));
        Route::Dialog(hash, session.shared_call_id(), leg)
    }
}

impl Context<'_> {
    /// The key with which we encrypt what `leg` is sent: the same for the leg's whole life, and known to nobody who
    /// does not know the process's secret.
    pub fn media_key(&self, leg: LegId) -> MasterKey {
        let hash = Sha256::new()
            .chain_update(self.secret)
            .chain_update(b"srtp")
            .chain_update(leg.raw().to_be_bytes())
            .chain_update(self.secret)
            .finalize();
        MasterKey(std::array::from_fn(|place| hash[place]))
    }

    /// Minutes since Monday 00:00, local time.
    pub fn minute_of_week(&self) -> u16 {
        Hours::minute_of_week(self.anchor.wall(self.now), self.utc_offset)
    }

    /// Tells another call of the shard.
    pub fn tell(&mut self, call: CallId, word: Word) {
        self.letters.push_back(Letter::ToCall(call, word));
    }

    /// Writes to the conferences.
    pub fn confer(&mut self, input: ConferenceInput) {
        self.letters.push_back(Letter::ToConference(input));
    }

    pub fn media(&mut self, command: Command) {
        self.out.push_back(Output::Media(command));
    }

    pub fn acd(&mut self, tenant: &TenantId, input: acd::Input) {
        self.out.push_back(Output::Acd { tenant: tenant.clone(), input });
    }

    /// Something was learned of a trunk: this shard knows it at once, the others by letter.
    pub fn trunk(&mut self, trunk: &TrunkName, change: TrunkChange) {
        let news = TrunkNews { trunk: trunk.clone(), change };
        self.trunks.apply(&news);
        self.out.push_back(Output::Trunk(news));
    }

    pub fn fact(&mut self, tenant: &TenantId, call: CallId, fact: CallFact) {
        self.out.push_back(Output::Event(Event::Call { tenant: tenant.clone(), call, fact }));
    }
}
