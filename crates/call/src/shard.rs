//! Owns the transactions and calls of one shard: hears the world's word, finds the call it is for, and passes on
//! what the call wants done. Does not own what a call does with it (see `call`).

mod conferences;
mod door;
mod errands;
mod handover;
mod incoming;
mod index;
mod joining;
mod login;
mod night;
mod originate;
mod requests;
mod supervise;
mod trunks;
mod turned_away;
mod voicemail;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use clock::{Instant, Machine, MintedMap, MintedState, TimerQueue, WallAnchor};
use model::event::{CallFact, DiskState, Event};
use model::outcome::{CallResult, HungUpBy, Termination};
use model::{CallId, IdGen, TenantId};
use routing::{
    Admission, Diversions, Guard, Mailboxes, NightSwitches, Overload, Refusal, Router, Shared, Ticket,
    TrunkStates,
};
use sip::auth::Challenger;
use sip::endpoint::{ClientTx, Endpoint, EndpointConfig, ServerTx};

use crate::call::{Call, ToldAgents, ToldDialog};
use crate::conference::Conferences;
use crate::context::{Context, Routes, Wish};
use crate::visit::Letter;
use crate::{Input, Live, LiveCall, Output, Settings, Whereabouts};
pub(crate) use handover::PhoneChange;
pub(crate) use incoming::reason;
use index::Index;
pub(crate) use index::{DialogHash, DialogHashing};
use login::Login;
pub use night::night_lamps;
use trunks::Watching;

/// Which shard this is, and what makes its names unguessable.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// The node among nodes.
    pub node: u8,
    /// The shard among the node's shards.
    pub shard: u8,
    /// 256 random bits from the shell, drawn anew at each start.
    pub secret: [u8; 32],
    /// Monotonic and wall time, read together at the start.
    pub anchor: WallAnchor,
}

/// What the shards of a node share: its limits are the node's, and a source is one source whichever shard it asks.
/// Clones share it.
#[derive(Clone, Debug, Default)]
pub struct NodeWide {
    /// Calls against the limits of node, trunk, number and class of service.
    pub admission: Shared<Admission>,
    /// Sources that are no trunk.
    pub guard: Shared<Guard>,
    /// What belongs to which shard.
    pub whereabouts: Whereabouts,
    /// What phones have set for calls that come to them.
    pub diversions: Shared<Diversions>,
    /// Which numbers are switched to their night flow.
    pub night: Shared<NightSwitches>,
    /// The messages in mailboxes.
    pub mailboxes: Shared<Mailboxes>,
}

/// The transactions and calls of one shard.
pub struct Shard {
    /// Its number among the node's shards.
    number: u8,
    settings: Arc<Settings>,
    router: Router,
    endpoint: Endpoint,
    calls: MintedMap<CallId, Box<Slot>>,
    index: Index,
    timers: TimerQueue<CallId, MintedState>,
    /// What is known of trunks.
    trunks: TrunkStates,
    /// On the node's first shard: finds it out.
    watch: Option<Watching>,
    /// Whom the peers of connections are known to be by their certificates.
    peers: HashMap<u64, Arc<[Box<str>]>>,
    node: NodeWide,
    overload: Overload,
    /// How many more facts the journal has room for.
    room: usize,
    /// Why a new call was last turned away before it began a transaction.
    turned_away_for: Option<Refusal>,
    /// Who asks phones for their passwords.
    challenger: Challenger,
    /// REGISTERs with credentials that the registrar has yet to judge.
    logins: HashMap<ServerTx, Login>,
    secret: [u8; 32],
    utc_offset: i32,
    ids: IdGen,
    anchor: WallAnchor,
    intake: Intake,
    disk: DiskState,
    /// Requests outside of any call, by their transaction.
    errands: HashMap<ClientTx, u64>,
    /// What calls have told each other.
    letters: VecDeque<Letter>,
    /// On the node's first shard: the conferences of all.
    conferences: Option<Conferences>,
    /// The call that is being handled, for `abandon`.
    current: Option<CallId>,
    /// What calls ask for that reaches beyond themselves, and who asks.
    wishes: VecDeque<(CallId, Wish)>,
    out: VecDeque<Output>,
}

/// A call and what admission counts for it. The table has it by a pointer: half of a table's places are empty.
#[derive(Debug)]
struct Slot {
    call: Call,
    ticket: Option<Ticket>,
    /// What those who watch its phones know.
    told: Vec<ToldDialog>,
    /// What the ACD knows of its agents.
    agents: ToldAgents,
}

impl Slot {
    fn new(call: Call, ticket: Ticket) -> Box<Slot> {
        Box::new(Slot { call, ticket: Some(ticket), told: Vec::new(), agents: ToldAgents::new() })
    }
}

/// Whether new calls are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Intake {
    Open,
    Closed,
}

impl Shard {
    /// A shard without calls, alone on its node.
    pub fn new(identity: Identity, settings: Arc<Settings>) -> Shard {
        Shard::of_node(identity, settings, NodeWide::default())
    }

    /// A shard without calls that shares `node` with others.
    pub fn of_node(identity: Identity, settings: Arc<Settings>, node: NodeWide) -> Shard {
        let start_secs = identity.anchor.wall(Instant::ZERO).as_secs();
        let config = EndpointConfig {
            shard: identity.shard,
            node: identity.node,
            start_secs,
            secret: std::array::from_fn(|place| identity.secret[place]),
            advertised: settings.advertised.clone(),
            user_agent: settings.product.to_string(),
            ..EndpointConfig::default()
        };
        let secret = sip::auth::secret_of(&identity.secret, &format!("shard {}", identity.shard));
        Shard {
            number: identity.shard,
            router: Router::new(settings.plan.clone()),
            endpoint: Endpoint::new(config),
            calls: MintedMap::default(),
            index: Index::default(),
            timers: TimerQueue::default(),
            trunks: TrunkStates::default(),
            watch: (identity.shard == 0).then(|| Watching::due(&settings)),
            peers: HashMap::new(),
            node,
            overload: Overload::default(),
            room: usize::MAX,
            turned_away_for: None,
            challenger: login::challenger(&settings, secret),
            logins: HashMap::new(),
            secret,
            utc_offset: 0,
            ids: IdGen::new(identity.node, identity.shard, start_secs),
            anchor: identity.anchor,
            intake: Intake::Open,
            disk: DiskState::Fine,
            errands: HashMap::new(),
            letters: VecDeque::new(),
            conferences: (identity.shard == 0).then(|| {
                let ids = IdGen::new(identity.node, CONFERENCES, start_secs);
                Conferences::new(ids, identity.anchor)
            }),
            current: None,
            wishes: VecDeque::new(),
            out: VecDeque::new(),
            settings,
        }
    }

    /// Calls in progress.
    pub fn live_calls(&self) -> impl Iterator<Item = LiveCall> {
        self.calls.values().filter(|slot| !slot.call.is_over()).map(|slot| slot.call.view())
    }

    /// What agents do in its calls, as their ACDs are to see it.
    pub fn engagements(&self) -> Vec<acd::Engagement> {
        let calls = self.calls.iter().map(|(id, slot)| (id, &slot.call)).filter(|(_, call)| !call.is_over());
        let of = |(id, call): (&CallId, &Call)| {
            let seen = call.engagements().into_iter();
            seen.map(|(agent, engaged)| acd::Engagement { agent, call: *id, engaged }).collect::<Vec<_>>()
        };
        calls.flat_map(of).collect()
    }

    /// How much the shard holds.
    pub fn live(&self) -> Live {
        let transactions = self.endpoint.live();
        Live {
            calls: self.calls.len(),
            legs: self.calls.values().map(|slot| slot.call.legs().count()).sum(),
            dialogs: self.index.len(),
            transactions: transactions.server + transactions.client,
            timers: self.timers.len(),
            unheard: self.calls.values().filter(|slot| slot.call.has_unheard()).count(),
            admitted: self.calls.values().filter(|slot| slot.ticket.is_some()).count(),
        }
    }

    /// After a panic in `handle`: gives up the call that was being handled, and lets the others live. Returns the call.
    pub fn abandon(&mut self, now: Instant) -> Option<CallId> {
        let id = self.current.take()?;
        self.give_up(now, id);
        Some(id)
    }

    /// Ends a call from the shard's own knowledge of it, without a decision of its own: records first, then its legs.
    pub fn give_up(&mut self, now: Instant, id: CallId) {
        // Out of the map until it is done: if even this panics, nothing of the call is left to do harm.
        let Some(mut slot) = self.calls.remove(&id) else { return };
        self.timers.clear(&id);
        if let Some(ticket) = slot.ticket.take() {
            self.node.admission.lock().release(ticket);
        }
        if !slot.call.is_over() {
            self.close_record(&slot.call);
        }
        for told in slot.told.drain(..) {
            self.node.whereabouts.phone_out(told.aor(), self.number);
            self.out.push_back(told.over());
        }
        for (agent, _) in slot.agents.drain(..) {
            let tenant = agent.tenant.clone();
            self.out.push_back(Output::Acd { tenant, input: acd::Input::Freed { agent, call: id } });
        }
        let mut context = Context {
            now,
            endpoint: &mut self.endpoint,
            ids: &mut self.ids,
            admission: &self.node.admission,
            trunks: &mut self.trunks,
            router: &self.router,
            diversions: &self.node.diversions,
            mailboxes: &self.node.mailboxes,
            anchor: self.anchor,
            secret: self.secret,
            utc_offset: self.utc_offset,
            disk: self.disk,
            out: &mut self.out,
            routes: Routes::new(),
            hashing: self.index.hashing(),
            wishes: Vec::new(),
            letters: &mut self.letters,
        };
        slot.call.give_up(&mut context);
        let routes = context.routes;
        self.index.take(id, &routes);
        if slot.call.is_finished() {
            self.forget(now, id);
        } else {
            self.timers.set_or_clear(id, slot.call.next_timeout());
            self.calls.insert(id, slot);
        }
        self.pump(now);
    }

    /// What ACD, media and journal must hear of a call that cannot say it itself.
    fn close_record(&mut self, call: &Call) {
        for input in call.owed_to_acd() {
            self.out.push_back(Output::Acd { tenant: call.tenant.clone(), input });
        }
        self.out.push_back(Output::Media(media::command::Command::CloseRoom { room: call.id }));
        if let Some((mailbox, message)) = call.open_message(&self.anchor) {
            self.node.mailboxes.lock().put(&mailbox, message);
            self.out.push_back(Output::MailboxChanged(mailbox));
        }
        let ended = call.open_recordings().map(|recording| CallFact::RecordingEnded { recording });
        let (result, by, cause) = (CallResult::Failure, HungUpBy::Switch, Termination::Internal);
        for fact in ended.chain([CallFact::Ended { result, by, cause }]) {
            let (tenant, call) = (call.tenant.clone(), call.id);
            self.out.push_back(Output::Event(Event::Call { tenant, call, fact }));
        }
    }

    /// Lets `act` change the call `id`, then takes over what that means for routes, timers and admission.
    fn with_call(
        &mut self,
        now: Instant,
        id: CallId,
        act: impl FnOnce(&mut Call, &mut Context<'_>),
    ) -> Found {
        let Some(slot) = self.calls.get_mut(&id).map(Box::as_mut) else { return Found::No };
        self.current = Some(id);
        let before = self.out.len();
        let mut context = Context {
            now,
            endpoint: &mut self.endpoint,
            ids: &mut self.ids,
            admission: &self.node.admission,
            trunks: &mut self.trunks,
            router: &self.router,
            diversions: &self.node.diversions,
            mailboxes: &self.node.mailboxes,
            anchor: self.anchor,
            secret: self.secret,
            utc_offset: self.utc_offset,
            disk: self.disk,
            out: &mut self.out,
            routes: Routes::new(),
            hashing: self.index.hashing(),
            wishes: Vec::new(),
            letters: &mut self.letters,
        };
        act(&mut slot.call, &mut context);
        let (routes, wishes) = (context.routes, context.wishes);
        self.wishes.extend(wishes.into_iter().map(|wish| (id, wish)));
        let divided = self.node.whereabouts.is_divided();
        handover::take_routes(&self.node.whereabouts, &mut self.index, id, &routes);
        self.current = None;
        slot.call.tell_watchers(&mut slot.told, |change, output| {
            if divided {
                handover::note_phone(&self.node.whereabouts, self.number, change);
            }
            self.out.push_back(output);
        });
        // An ACD hears first who is occupied and last who is free, so that it believes nobody free in between.
        let (occupied, freed) = slot.call.tell_acd(&mut slot.agents);
        let letter = |input| Output::Acd { tenant: slot.call.tenant.clone(), input };
        for input in occupied {
            self.out.insert(before, letter(input));
        }
        self.out.extend(freed.into_iter().map(letter));
        if slot.call.is_over()
            && let Some(ticket) = slot.ticket.take()
        {
            self.node.admission.lock().release(ticket);
        }
        if slot.call.is_finished() {
            self.calls.remove(&id);
            self.timers.clear(&id);
            self.forget(now, id);
        } else {
            self.timers.set_or_clear(id, slot.call.next_timeout());
        }
        Found::Yes
    }

    /// Handles everything that the endpoint has to say, until it is silent.
    fn pump(&mut self, now: Instant) {
        loop {
            if let Some(output) = self.endpoint.poll_output() {
                self.on_endpoint(now, output);
            } else if let Some((call, wish)) = self.wishes.pop_front() {
                self.grant(now, call, wish);
            } else if let Some(letter) = self.letters.pop_front() {
                match letter {
                    Letter::ToCall(call, word) => self.pass_on_word(now, call, word),
                    Letter::ToConference(input) => self.confer(now, input),
                }
            } else {
                break;
            }
        }
    }

    fn on_acd(&mut self, now: Instant, tenant: &TenantId, output: acd::Output) {
        let (call, offer) = match &output {
            acd::Output::Offer { call, offer, .. } => (*call, Some(*offer)),
            acd::Output::Withdraw { call, .. }
            | acd::Output::Say { call, .. }
            | acd::Output::Left { call, .. } => (*call, None),
            acd::Output::Event(event) => return self.out.push_back(Output::Event(event.clone())),
        };
        let found = self.with_call(now, call, |call, context| call.on_acd(context, output));
        if let (Found::No, Some(offer)) = (found, offer) {
            // The caller left while the ACD chose: nobody else will answer this offer.
            let input = acd::Input::OfferEnded { offer, result: acd::OfferResult::Gone };
            self.out.push_back(Output::Acd { tenant: tenant.clone(), input });
        }
    }

    fn release_all(&mut self, now: Instant) {
        self.intake = Intake::Closed;
        let mut ids: Vec<CallId> = self.calls.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            self.with_call(now, id, |call, context| call.release_by_switch(context, Termination::Shutdown));
        }
    }
}

/// The number of the conferences among those who mint ids: shards count up from 0, tenants down from 255.
const CONFERENCES: u8 = 128;

/// Whether the shard has the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Yes,
    No,
}

impl Machine for Shard {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Received { flow, bytes } => self.on_received(now, flow, bytes),
            Input::TransportFailed { flow } => self.endpoint.transport_failed(now, flow),
            Input::Unreached { flow, why } => self.trunk_unreached(now, flow, &why),
            Input::Located { call, leg, bindings } => {
                self.with_call(now, call, |call, context| call.on_located(context, leg, bindings));
            }
            Input::Resolved { call, leg, targets } => {
                let call = self.index.moved(leg).unwrap_or(call);
                self.with_call(now, call, |call, context| call.on_resolved(context, leg, &targets));
            }
            Input::PeerVerified { connection, names } => drop(self.peers.insert(connection, names)),
            Input::PeerGone { connection } => drop(self.peers.remove(&connection)),
            Input::Errand { errand, flow, request } => self.run_errand(now, errand, flow, *request),
            Input::Registered { tx, response } => {
                self.note_login(now, tx, &response);
                self.endpoint.respond(now, tx, *response);
            }
            Input::Media(event) => {
                let elsewhere = |port| self.index.moved(port).or_else(|| self.index.visitor(port));
                let room = event.port().and_then(elsewhere).unwrap_or(event.room());
                self.with_call(now, room, |call, context| call.on_media(context, event));
            }
            Input::Acd { tenant, output } => self.on_acd(now, &tenant, output),
            Input::TrunkLocated { trunk, host, targets } => self.trunk_located(now, &trunk, &host, &targets),
            Input::Trunk(news) => self.trunks.apply(&news),
            Input::Transfer { call, to } => self.transfer_by_operator(now, call, &to),
            Input::Note { call, by, text } => {
                self.with_call(now, call, |call, context| call.note(context, by, text));
            }
            Input::Originate { ask, wish } => {
                let call = self.originate(now, &wish);
                self.out.push_back(Output::Originated { ask, call });
            }
            Input::TurnNight { number, turn, by } => self.turn_night(now, &number, turn, &by),
            Input::Mailbox { mailbox, message, deed, by } => {
                self.deal_with_message(&mailbox, message, deed, by);
            }
            Input::TidyMailboxes => self.tidy_mailboxes(now),
            Input::HangUp { call } => {
                let cause = Termination::Commanded;
                self.with_call(now, call, |call, context| call.release_by_switch(context, cause));
            }
            Input::Keep { call, keep } => {
                self.with_call(now, call, |call, context| call.keep(context, keep));
            }
            Input::Supervise { call, by, verb } => self.supervise(now, call, &by, verb),
            Input::Conference(input) => self.confer(now, input),
            Input::ToldByConference { call, word } => self.told_by_conference(call, word),
            Input::Strain { waited, room } => self.on_strain(now, waited, room),
            Input::UtcOffset(seconds) => self.utc_offset = seconds,
            Input::Configure(settings) => {
                if settings.product != self.settings.product {
                    self.challenger = login::challenger(&settings, self.secret);
                }
                self.router = Router::new(settings.plan.clone());
                self.endpoint.set_advertised(settings.advertised.clone());
                self.trunks.retain(&settings.plan);
                self.settings = settings;
                self.watch_anew(now);
            }
            Input::Disk(state) => {
                self.disk = state;
                if let Some(conferences) = &mut self.conferences {
                    conferences.set_disk(state);
                }
            }
            Input::Drain => self.intake = Intake::Closed,
            Input::Shutdown => {
                self.release_all(now);
                self.stop_watching(now);
            }
        }
        self.pump(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.pump(now);
        self.watch_on(now);
        self.conferences_on(now);
        self.pump(now);
        while let Some((id, _)) = self.timers.pop(now) {
            self.with_call(now, id, |call, context| call.handle_timeout(context));
            self.pump(now);
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let watch = self.watch.as_ref().and_then(Watching::poll_timeout);
        let conferences = self.conferences.as_ref().and_then(Conferences::poll_timeout);
        let timers = self.timers.next().into_iter().chain(watch).chain(conferences);
        self.endpoint.poll_timeout().into_iter().chain(timers).min()
    }
}
