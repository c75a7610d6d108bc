//! Owns the world: what tests tell it, and the loop of virtual time that drives every machine.

mod audio;
mod operator;
mod views;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use acd::Acd;
use bytes::Bytes;
use call::{Identity, LiveCall, NodeWide, Shard};
use clock::{Instant, Machine, WallAnchor, WallTime};
use config::{Diagnostics, Loaded, Sources};
use ledger::Cdr;
use model::event::{AgentState, CallFact, Event, Stamped};
use model::{AgentId, CallId, IdGen, QueueName, TenantId};
use peers::{Command, Happening, Peer, PeerConfig};
use sip::audit::Entry;
use sip::endpoint::Flow;

use crate::agenda::{Due, Lane};
use crate::network::{Network, Weather};
use crate::settings;
use crate::surroundings::Surroundings;

/// One switch, its peers, and the network between them.
pub struct World {
    pub(crate) shards: Vec<Shard>,
    node: NodeWide,
    pub(crate) acds: BTreeMap<TenantId, Acd>,
    pub(crate) seats: Vec<Seat>,
    pub(crate) around: Surroundings,
    pub(crate) by_hand: Vec<SocketAddr>,
    /// How often time stood still in a row.
    standing: u32,
}

/// A peer of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerId(usize);

pub(crate) struct Seat {
    pub(crate) peer: Peer,
    happened: Vec<(Instant, Happening)>,
}

impl World {
    /// A world with the switch that `sources` describe. Equal seeds give equal histories.
    ///
    /// # Errors
    /// What is wrong with the folder.
    pub fn new(sources: &Sources, seed: u64, weather: Weather) -> Result<World, Diagnostics> {
        World::with_shards(sources, seed, weather, 1)
    }

    /// The same with several shards, to which messages go by their Call-IDs.
    ///
    /// # Errors
    /// What is wrong with the folder.
    pub fn with_shards(
        sources: &Sources,
        seed: u64,
        weather: Weather,
        shards: u8,
    ) -> Result<World, Diagnostics> {
        let loaded = config::load(sources)?;
        let now = Instant::from_secs(10);
        let anchor = WallAnchor::new(Instant::ZERO, MORNING);
        let shared = settings::shard(&loaded);
        let node = NodeWide::default();
        node.whereabouts.set_shards(usize::from(shards));
        let of_node = |shard| {
            let identity = Identity { node: 0, shard, secret: [7; 32], anchor };
            Shard::of_node(identity, shared.clone(), node.clone())
        };
        let all: Vec<Shard> = (0..shards).map(of_node).collect();
        let listeners = settings::addresses(&loaded);
        let network = Network::new(weather);
        let mut around = Surroundings::new(seed, network, shared.plan.clone(), listeners, anchor, now);
        around.shards = shards;
        let mut world = World {
            shards: all,
            node,
            acds: BTreeMap::new(),
            seats: Vec::new(),
            around,
            by_hand: Vec::new(),
            standing: 0,
        };
        world.configure_acds(&loaded);
        world.all_hear(|| call::Input::UtcOffset(8 * 3_600));
        Ok(world)
    }

    fn configure_acds(&mut self, loaded: &Loaded) {
        for tenant in &loaded.acd {
            let shared = Arc::new(tenant.clone());
            if self.acds.contains_key(&tenant.tenant) {
                let input = acd::Input::Configure(shared);
                let lane = Lane::RegistrarToAcd(tenant.tenant.clone());
                self.around.post(lane, Due::Acd(tenant.tenant.clone(), input));
                continue;
            }
            // As the node does it: shards count up from 0, tenants down from 255.
            let number = u8::MAX - u8::try_from(self.acds.len()).unwrap_or(u8::MAX);
            let mut acd = Acd::new(
                Instant::ZERO,
                tenant.tenant.clone(),
                IdGen::new(0, number, MORNING.as_secs()),
                shared,
            );
            while let Some(output) = acd.poll_output() {
                self.around.perform_acd(&tenant.tenant, output);
            }
            self.acds.insert(tenant.tenant.clone(), acd);
        }
    }

    /// The instant that it is.
    pub fn now(&self) -> Instant {
        self.around.now
    }

    /// The switch's signalling address on listener `interface`.
    pub fn switch(&self, interface: usize) -> SocketAddr {
        self.around.listeners[interface]
    }

    // ---- Peers

    /// Adds a party.
    pub fn add_peer(&mut self, config: PeerConfig) -> PeerId {
        self.seats.push(Seat { peer: Peer::new(config), happened: Vec::new() });
        PeerId(self.seats.len() - 1)
    }

    /// Tells a peer what to do.
    pub fn tell(&mut self, id: PeerId, command: Command) {
        self.peer_hears(id.0, peers::Input::Do(command));
    }

    /// The peer itself.
    pub fn peer(&self, id: PeerId) -> &Peer {
        &self.seats[id.0].peer
    }

    /// Changes what a peer does when it is called.
    pub fn behave(&mut self, id: PeerId, behaviour: peers::Behaviour) {
        self.seats[id.0].peer.behave(behaviour);
    }

    /// Changes how a peer speaks: its codecs, encryption, keys.
    pub fn adjust(&mut self, id: PeerId, change: impl FnOnce(&mut Peer)) {
        change(&mut self.seats[id.0].peer);
    }

    /// What happened to a peer, and when.
    pub fn happened(&self, id: PeerId) -> &[(Instant, Happening)] {
        &self.seats[id.0].happened
    }

    /// Whether this happened to a peer.
    pub fn has_happened(&self, id: PeerId, wanted: &Happening) -> bool {
        self.happened(id).iter().any(|(_, happening)| happening == wanted)
    }

    /// Nothing reaches or leaves the peer from now on.
    pub fn unplug(&mut self, id: PeerId) {
        let address = self.peer(id).config().sip.ip();
        self.around.network.unplug(address);
    }

    /// Undoes [`World::unplug`].
    pub fn plug(&mut self, id: PeerId) {
        let address = self.peer(id).config().sip.ip();
        self.around.network.plug(address);
    }

    /// Other weather from now on.
    pub fn set_weather(&mut self, weather: Weather) {
        self.around.network.weather = weather;
    }

    /// Sends a hand-written message; lines may end in LF. What comes back lies in [`World::inbox`].
    pub fn send_by_hand(&mut self, from: SocketAddr, to: SocketAddr, text: &str) {
        if !self.by_hand.contains(&from) {
            self.by_hand.push(from);
        }
        let bytes = Bytes::from(text.replace("\r\n", "\n").replace('\n', "\r\n"));
        self.around.send_sip(from, to, bytes);
    }

    /// What came to an address that no peer has, oldest first; taken out.
    pub fn inbox(&mut self, address: SocketAddr) -> VecDeque<Bytes> {
        self.around.inboxes.remove(&address).unwrap_or_default()
    }

    // ---- The operator

    /// What a panic within this call would lead to.
    pub fn give_up(&mut self, call: CallId) {
        let now = self.now();
        self.guarded(call.shard(), |shard, perform| {
            shard.give_up(now, call);
            let mut answers = Vec::new();
            while let Some(output) = shard.poll_output() {
                perform(output, &mut answers);
            }
            clock::drive(shard, now, &mut answers, perform);
        });
    }

    /// From now on name servers say that `name` leads to `targets`, best first.
    pub fn name(&mut self, name: &str, targets: Vec<sip::resolve::Target>) {
        self.around.names.insert(name.into(), targets);
    }

    /// No new calls from now on.
    pub fn drain(&mut self) {
        self.all_hear(|| call::Input::Drain);
    }

    /// Every call ends now.
    pub fn shut_down(&mut self) {
        self.all_hear(|| call::Input::Shutdown);
    }

    /// What the shard reads from now on has waited so long, and the journal has so much room.
    pub fn strain(&mut self, waited: Duration, room: usize) {
        self.all_hear(|| call::Input::Strain { waited, room });
    }

    /// Sources that were banned so far, and why.
    pub fn banned(&self) -> &[(std::net::IpAddr, routing::BanCause)] {
        &self.around.banned
    }

    /// An agent's state is chosen from outside.
    pub fn choose(&mut self, agent: &AgentId, state: AgentState) {
        let input = acd::Input::ChooseState { agent: agent.clone(), state };
        self.acd_hears(&agent.tenant, input);
    }

    /// Another folder from now on; calls in progress keep theirs.
    ///
    /// # Errors
    /// What is wrong with the folder; then nothing changes.
    pub fn reload(&mut self, sources: &Sources) -> Result<(), Diagnostics> {
        let loaded = config::load(sources)?;
        let shared = settings::shard(&loaded);
        self.around.configure(shared.plan.clone());
        self.configure_acds(&loaded);
        self.all_hear(|| call::Input::Configure(shared.clone()));
        Ok(())
    }

    /// An operator pauses the recording of a call, or lets it go on.
    pub fn keep(&mut self, call: CallId, keep: call::Keep) {
        self.shard_hears(call.shard(), call::Input::Keep { call, keep });
    }

    // ---- What is seen

    /// Calls in progress.
    pub fn calls(&self) -> Vec<LiveCall> {
        let mut calls: Vec<LiveCall> = self.shards.iter().flat_map(Shard::live_calls).collect();
        calls.sort_by_key(|call| call.id);
        calls
    }

    /// How much the shards hold.
    pub fn shard_live(&self) -> call::Live {
        let sum = |all: call::Live, shard: &Shard| {
            let one = shard.live();
            call::Live {
                calls: all.calls + one.calls,
                legs: all.legs + one.legs,
                dialogs: all.dialogs + one.dialogs,
                transactions: all.transactions + one.transactions,
                timers: all.timers + one.timers,
                admitted: all.admitted + one.admitted,
                unheard: all.unheard + one.unheard,
            }
        };
        self.shards.iter().fold(call::Live::default(), sum)
    }

    /// Each leg's Call-ID with the call that it was named to be of; one that went to another call is there twice.
    pub fn legs_named(&self) -> &[(CallId, Arc<str>)] {
        &self.around.legs
    }

    /// What the switch has found out about its trunks.
    pub fn trunks_seen(&self) -> Vec<call::TrunkSeen> {
        self.shards[0].trunks_seen()
    }

    /// A tenant's ACD.
    pub fn acd(&self, tenant: &TenantId) -> &Acd {
        &self.acds[tenant]
    }

    /// An agent as its ACD sees it.
    pub fn agent(&self, agent: &AgentId) -> Option<acd::AgentView> {
        self.acds.get(&agent.tenant)?.agents().find(|view| view.id == *agent)
    }

    /// A queue as its ACD sees it.
    pub fn queue(&self, queue: &QueueName) -> Option<acd::QueueView> {
        self.acds.get(&queue.tenant)?.queues().find(|view| view.name == *queue)
    }

    /// Every fact so far.
    pub fn facts(&self) -> &[Stamped] {
        &self.around.facts
    }

    /// The facts of calls so far.
    pub fn call_facts(&self) -> impl Iterator<Item = (CallId, &CallFact)> {
        self.around.facts.iter().filter_map(|stamped| match &stamped.event {
            Event::Call { call, fact, .. } => Some((*call, fact)),
            _ => None,
        })
    }

    /// Whether some call has such a fact.
    pub fn has(&self, wanted: impl Fn(&CallFact) -> bool) -> bool {
        self.call_facts().any(|(_, fact)| wanted(fact))
    }

    /// How many such facts there are.
    pub fn count(&self, wanted: impl Fn(&CallFact) -> bool) -> usize {
        self.call_facts().filter(|(_, fact)| wanted(fact)).count()
    }

    /// Records of calls that ended so far.
    pub fn cdrs(&self) -> &[Cdr] {
        &self.around.cdrs
    }

    /// Packets of signalling so far, as they were sent.
    pub fn trace(&self) -> &[Entry] {
        &self.around.trace
    }

    /// Requests and messages that were dropped or refused without a call, by cause.
    pub fn counted(&self, cause: &str) -> u64 {
        self.around.counted.get(cause).copied().unwrap_or_default()
    }

    // ---- Time

    /// Lets time pass.
    pub fn run(&mut self, length: Duration) {
        let until = self.now() + length;
        while self.step(until) {}
        self.around.now = until;
        self.compare_views();
    }

    /// Lets time pass until `wanted` holds, at most `length`. Says whether it does.
    pub fn run_until(&mut self, length: Duration, wanted: impl Fn(&World) -> bool) -> bool {
        let until = self.now() + length;
        while !wanted(self) {
            if !self.step(until) {
                self.around.now = until;
                return wanted(self);
            }
        }
        true
    }

    /// Does what is due next, if that is not after `until`.
    fn step(&mut self, until: Instant) -> bool {
        let Some(next) = self.next().filter(|next| *next <= until) else { return false };
        if next > self.now() {
            self.around.now = next;
            self.standing = 0;
        }
        self.standing += 1;
        assert!(self.standing < 100_000, "time stands still at {:?}: {}", self.now(), self.who_is_due());
        let now = self.now();
        while let Some(due) = self.around.agenda.pop(now) {
            self.happen(due);
        }
        self.time_passes();
        true
    }

    fn next(&self) -> Option<Instant> {
        let acds = self.acds.values().filter_map(Acd::poll_timeout);
        let seats = self.seats.iter().filter_map(|seat| seat.peer.poll_timeout());
        let around = &self.around;
        let rest = [
            around.agenda.next(),
            self.shards.iter().filter_map(Shard::poll_timeout).min(),
            around.studio.poll_timeout(),
            around.phones.poll_timeout(),
        ];
        acds.chain(seats).chain(rest.into_iter().flatten()).min()
    }

    fn who_is_due(&self) -> String {
        let acds: Vec<_> = self.acds.values().filter_map(Acd::poll_timeout).collect();
        let seats: Vec<_> = self.seats.iter().filter_map(|seat| seat.peer.poll_timeout()).collect();
        let (studio, phones) = (self.around.studio.poll_timeout(), self.around.phones.poll_timeout());
        format!(
            "shards {:?}, ACDs {acds:?}, peers {seats:?}, media {studio:?}, registrar {phones:?}",
            self.shards.iter().map(Shard::poll_timeout).collect::<Vec<_>>()
        )
    }

    fn happen(&mut self, due: Due) {
        let now = self.now();
        match due {
            Due::Datagram { from, to, bytes } => self.arrive(from, to, bytes),
            Due::Shard(shard, input) => self.shard_hears(shard, *input),
            Due::Acd(tenant, input) => self.acd_hears(&tenant, input),
            Due::Media(command) => {
                let brought = self.around.studio.obey(now, command);
                self.around.after_media(brought);
            }
            Due::Register { shard, tx, flow, request } => {
                let wall = self.around.anchor.wall(now);
                let (response, outcome) = self.around.phones.register(now, wall, flow, &request);
                self.around.after_phones(outcome);
                let input = call::Input::Registered { tx, response: Box::new(response) };
                self.around.post_to_shard(Lane::RegistrarToShard(shard), shard, input);
            }
        }
    }

    fn arrive(&mut self, from: SocketAddr, to: SocketAddr, bytes: Bytes) {
        let now = self.now();
        if self.around.network.is_unplugged(to.ip()) {
            return;
        }
        if let Some(interface) = self.around.listeners.iter().position(|address| *address == to) {
            // invariant: a configuration has fewer than 65,536 listeners.
            let interface = interface as u16;
            self.around.note_arrival(interface, from, &bytes);
            let home = call::call_id_of(&bytes).map_or(0, |call_id| {
                self.node.whereabouts.home_of(std::str::from_utf8(call_id).unwrap_or_default())
            });
            return self.shard_hears(home, call::Input::Received { flow: Flow::udp(interface, from), bytes });
        }
        if self.around.studio.owns(to) {
            let brought = self.around.studio.receive(now, from, to, &bytes);
            return self.around.after_media(brought);
        }
        if self.around.listeners.iter().any(|listener| listener.ip() == to.ip()) {
            // A packet for a port that was given back.
            return;
        }
        let is = |wanted: fn(&PeerConfig) -> SocketAddr| {
            self.seats.iter().position(|seat| wanted(seat.peer.config()) == to)
        };
        if let Some(place) = is(|config| config.sip) {
            self.peer_hears(place, peers::Input::Sip { from, bytes });
        } else if let Some(place) = is(|config| config.rtp) {
            self.peer_hears(place, peers::Input::Rtp(bytes));
        } else {
            self.around.inboxes.entry(to).or_default().push_back(bytes);
        }
    }

    fn time_passes(&mut self) {
        let now = self.now();
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        for place in 0..self.shards.len() {
            if due(self.shards[place].poll_timeout()) {
                // invariant: `with_shards` made no more than a u8 counts.
                self.guarded(place as u8, |shard, perform| clock::drive_timeout(shard, now, perform));
            }
        }
        let tenants: Vec<TenantId> = self
            .acds
            .iter()
            .filter(|(_, acd)| due(acd.poll_timeout()))
            .map(|(name, _)| name.clone())
            .collect();
        for tenant in tenants {
            if let Some(acd) = self.acds.get_mut(&tenant) {
                acd.handle_timeout(now);
            }
            self.drain_acd(&tenant);
        }
        if due(self.around.studio.poll_timeout()) {
            let brought = self.around.studio.handle_timeout(now);
            self.around.after_media(brought);
        }
        if due(self.around.phones.poll_timeout()) {
            let outcome = self.around.phones.handle_timeout(now);
            self.around.after_phones(outcome);
        }
        for place in 0..self.seats.len() {
            if due(self.seats[place].peer.poll_timeout()) {
                self.seats[place].peer.handle_timeout(now);
                self.drain_peer(place);
            }
        }
    }

    /// The same fact for every shard.
    fn all_hear(&mut self, input: impl Fn() -> call::Input) {
        for shard in 0..self.around.shards {
            self.shard_hears(shard, input());
        }
    }

    fn shard_hears(&mut self, shard: u8, input: call::Input) {
        let now = self.now();
        self.guarded(shard, |shard, perform| clock::drive(shard, now, &mut vec![input], perform));
    }

    /// One turn of the shard. A panic ends the call it was about, as on a real node, and is an incident.
    fn guarded(
        &mut self,
        place: u8,
        turn: impl FnOnce(&mut Shard, &mut dyn FnMut(call::Output, &mut Vec<call::Input>)),
    ) {
        let World { shards, around, .. } = self;
        let Some(shard) = shards.get_mut(usize::from(place)) else { return };
        let now = around.now;
        let mut perform =
            |output: call::Output, answers: &mut Vec<call::Input>| around.perform(place, output, answers);
        let panicked = catch_unwind(AssertUnwindSafe(|| turn(shard, &mut perform))).is_err();
        if panicked {
            let released = shard.abandon(now);
            let mut answers = Vec::new();
            while let Some(output) = shard.poll_output() {
                perform(output, &mut answers);
            }
            around.incidents.push(format!("the shard panicked; released: {released:?}"));
        }
    }

    fn acd_hears(&mut self, tenant: &TenantId, input: acd::Input) {
        let now = self.now();
        match self.acds.get_mut(tenant) {
            Some(acd) => acd.handle(now, input),
            None => self.around.incidents.push(format!("a letter for the ACD of {tenant}, who has none")),
        }
        self.drain_acd(tenant);
    }

    fn drain_acd(&mut self, tenant: &TenantId) {
        let Some(acd) = self.acds.get_mut(tenant) else { return };
        while let Some(output) = acd.poll_output() {
            self.around.perform_acd(tenant, output);
        }
        if let Err(broken) = acd.check_invariants() {
            self.around.incidents.push(format!("the ACD of {tenant}: {broken}"));
        }
    }

    fn peer_hears(&mut self, place: usize, input: peers::Input) {
        let now = self.now();
        self.seats[place].peer.handle(now, input);
        self.drain_peer(place);
    }

    fn drain_peer(&mut self, place: usize) {
        let now = self.now();
        let Seat { peer, happened } = &mut self.seats[place];
        let (sip, rtp) = (peer.config().sip, peer.config().rtp);
        while let Some(output) = peer.poll_output() {
            match output {
                peers::Output::Sip { to, bytes } => self.around.send_sip(sip, to, bytes),
                peers::Output::Rtp { to, bytes } => self.around.send(rtp, to, bytes),
                peers::Output::Happened(happening) => happened.push((now, happening)),
            }
        }
    }
}

/// 2026-11-18 09:20 in Beijing: when every world's clock reads zero.
const MORNING: WallTime = WallTime(1_795_000_000_000_000 - 35_200_000_000);
