//! Owns everything around the shard: performs what it asks for, and keeps what happened.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use clock::{Instant, WallAnchor};
use ledger::{Cdr, Ledger, Update};
use media::Command;
use model::event::{CallFact, Event, Stamped};
use model::{AgentId, CallId};
use routing::{Dialled, Feature, Plan, Router};
use sip::Message;
use sip::audit::Entry;
use sip::resolve::Target;

use crate::agenda::{Agenda, Due, Lane};
use crate::dice::Dice;
use crate::eavesdropping::Persons;
use crate::history::{Known, NewCall};
use crate::network::Network;
use crate::phones::{Outcome, Phones};
use crate::studio::{Brought, Studio};

/// Everything around the shard.
pub(crate) struct Surroundings {
    pub now: Instant,
    pub anchor: WallAnchor,
    pub dice: Dice,
    pub agenda: Agenda,
    pub network: Network,
    pub studio: Studio,
    pub phones: Phones,
    pub plan: Arc<Plan>,
    /// How many shards there are.
    pub shards: u8,
    router: Router,
    /// The listeners' addresses.
    pub listeners: Vec<SocketAddr>,
    pub persons: Persons,
    pub ledger: Ledger,
    pub facts: Vec<Stamped>,
    pub cdrs: Vec<Cdr>,
    pub trace: Vec<Entry>,
    pub invites: Vec<NewCall>,
    pub counted: BTreeMap<&'static str, u64>,
    pub banned: Vec<(std::net::IpAddr, routing::BanCause)>,
    pub incidents: Vec<String>,
    /// What became of calls that the switch was to make.
    pub originated: Vec<Result<model::CallId, Arc<str>>>,
    /// Datagrams that no peer waits for, by address.
    pub inboxes: HashMap<SocketAddr, VecDeque<Bytes>>,
    /// What name servers know.
    pub names: HashMap<Box<str>, Vec<Target>>,
    /// Whose messages are whose, as they were named: a leg that went to another call is there twice.
    pub legs: Vec<(CallId, Arc<str>)>,
    /// Calls that are only a feature code, over at once: they occupy nobody.
    pub codes: HashSet<CallId>,
    /// Calls that nobody called, and for whom the switch makes them.
    pub made_for: HashMap<CallId, Option<AgentId>>,
}

impl Surroundings {
    pub fn new(
        seed: u64,
        network: Network,
        plan: Arc<Plan>,
        listeners: Vec<SocketAddr>,
        anchor: WallAnchor,
        now: Instant,
    ) -> Surroundings {
        Surroundings {
            now,
            anchor,
            dice: Dice::new(seed),
            agenda: Agenda::default(),
            network,
            studio: Studio::new(seed),
            phones: Phones::new(plan.clone()),
            router: Router::new(plan.clone()),
            plan,
            shards: 1,
            listeners,
            persons: Persons::default(),
            ledger: Ledger::default(),
            facts: Vec::new(),
            cdrs: Vec::new(),
            trace: Vec::new(),
            invites: Vec::new(),
            counted: BTreeMap::new(),
            banned: Vec::new(),
            incidents: Vec::new(),
            originated: Vec::new(),
            inboxes: HashMap::new(),
            names: HashMap::new(),
            legs: Vec::new(),
            codes: HashSet::new(),
            made_for: HashMap::new(),
        }
    }

    pub fn configure(&mut self, plan: Arc<Plan>) {
        self.router = Router::new(plan.clone());
        self.plan = plan.clone();
        let outcome = self.phones.configure(plan);
        self.after_phones(outcome);
    }

    /// Carries out what a shard asks for.
    pub fn perform(&mut self, shard: u8, output: call::Output, answers: &mut Vec<call::Input>) {
        match output {
            call::Output::Transmit { flow, bytes } => match self.listeners.get(usize::from(flow.interface)) {
                Some(from) => self.send_sip(*from, flow.remote, bytes),
                None => self.incidents.push(format!("a message for listener {}", flow.interface)),
            },
            call::Output::Media(command) => self.media(shard, command, answers),
            call::Output::Acd { tenant, input } => {
                self.post(Lane::ShardToAcd(shard, tenant.clone()), Due::Acd(tenant, input));
            }
            call::Output::Register { tx, flow, request } => {
                let due = Due::Register { shard, tx, flow, request };
                self.post(Lane::ShardToRegistrar(shard), due);
            }
            // Nobody watches or writes in the simulated world.
            call::Output::PhoneRequest { tx, request, .. } => {
                let mut response = sip::Response::to(&request, 489);
                // invariant: To was checked when the request came in.
                let _checked = response.set_to_tag("nobody");
                answers.push(call::Input::Registered { tx, response: Box::new(response) });
            }
            call::Output::ErrandEnded { .. }
            | call::Output::PhoneDialog { .. }
            | call::Output::MailboxChanged(_) => {}
            call::Output::Locate { call, leg, aor } => {
                let bindings = self.phones.bindings(&aor, self.now);
                answers.push(call::Input::Located { call, leg, bindings });
            }
            call::Output::Resolve { call, leg, wanted } => {
                let targets = self.names.get(&wanted.host).cloned().unwrap_or_default();
                answers.push(call::Input::Resolved { call, leg, targets });
            }
            call::Output::LocateTrunk { trunk, wanted } => {
                let targets = self.names.get(&wanted.host).cloned().unwrap_or_default();
                let host = wanted.host;
                answers.push(call::Input::TrunkLocated { trunk, host, targets });
            }
            call::Output::Trunk(news) => {
                for other in (0..self.shards).filter(|other| *other != shard) {
                    self.tell_shard(shard, other, call::Input::Trunk(news.clone()));
                }
            }
            call::Output::HandOver { shard: to, flow, bytes } => {
                self.tell_shard(shard, to, call::Input::Received { flow, bytes });
            }
            call::Output::Conference(input) => self.tell_shard(shard, 0, call::Input::Conference(input)),
            call::Output::ToldByConference { call, word } => {
                // Its call is over where it was that shard's.
                if call.shard() != shard {
                    self.tell_shard(shard, call.shard(), call::Input::ToldByConference { call, word });
                }
            }
            call::Output::Originated { call, .. } => self.originated.push(call),
            call::Output::Event(event) => self.append(event),
            call::Output::LegNamed { call, sip_call_id, .. } => self.legs.push((call, sip_call_id)),
            call::Output::Counted(cause) => *self.counted.entry(cause).or_default() += 1,
            call::Output::Banned { source, cause } => self.banned.push((source, cause)),
        }
    }

    fn tell_shard(&mut self, from: u8, to: u8, input: call::Input) {
        self.post_to_shard(Lane::ShardToShard(from, to), to, input);
    }

    fn media(&mut self, shard: u8, command: Command, answers: &mut Vec<call::Input>) {
        if let Command::OpenPort { room, port, interface, .. } = &command {
            let (room, port) = (*room, *port);
            let event = match self.studio.reserve(&self.plan, room, port, *interface) {
                Some(address) => media::Event::PortOpened { room, port, address },
                None => {
                    let cause = "no port is free".to_owned();
                    answers.push(call::Input::Media(media::Event::PortFailed { room, port, cause }));
                    return;
                }
            };
            answers.push(call::Input::Media(event));
        }
        self.post(Lane::ShardToMedia(shard), Due::Media(command));
    }

    /// Stamps a fact, keeps it, and folds it.
    pub fn append(&mut self, event: Event) {
        let seq = self.facts.last().map_or(1, |last| last.seq + 1);
        if let Event::Call { call, fact, .. } = &event {
            self.persons.note(*call, fact);
            self.note_beginning(*call, fact);
        }
        let stamped = Stamped { seq, at: self.anchor.wall(self.now), event };
        match self.ledger.fold(&stamped) {
            Some(Update::Closed(cdr)) => self.cdrs.push(*cdr),
            Some(Update::Amended { .. }) | None => {}
        }
        self.facts.push(stamped);
    }

    fn note_beginning(&mut self, call: CallId, fact: &CallFact) {
        if let (CallFact::CallerIs { agent }, Some(made_for)) = (fact, self.made_for.get_mut(&call)) {
            *made_for = Some(agent.clone());
        }
        let CallFact::Began { called, trunk: None, sip_call_id, .. } = fact else { return };
        if sip_call_id.is_empty() {
            self.made_for.insert(call, None);
        }
        let dialled = self.router.dialled(&model::TenantId::default(), called);
        let Dialled::Feature(feature, _) = dialled else { return };
        // Who hears a mailbox or leaves a message is in a call as with the echo.
        let lasts = matches!(
            feature,
            Feature::Echo
                | Feature::CallBack
                | Feature::Supervise(_)
                | Feature::Voicemail
                | Feature::LeaveMessage
        );
        if !lasts {
            self.codes.insert(call);
        }
    }

    pub fn post(&mut self, lane: Lane, due: Due) {
        let longest = self.network.weather.letter;
        self.agenda.post(self.now, &mut self.dice, longest, lane, due);
    }

    pub fn post_to_shard(&mut self, lane: Lane, shard: u8, input: call::Input) {
        self.post(lane, Due::Shard(shard, Box::new(input)));
    }

    /// Carries out what an ACD asks for.
    pub fn perform_acd(&mut self, tenant: &model::TenantId, output: acd::Output) {
        match output {
            acd::Output::Event(event) => self.append(event),
            acd::Output::Offer { call, .. }
            | acd::Output::Withdraw { call, .. }
            | acd::Output::Say { call, .. }
            | acd::Output::Left { call, .. } => {
                let shard = call.shard();
                let input = call::Input::Acd { tenant: tenant.clone(), output };
                self.post_to_shard(Lane::AcdToShard(tenant.clone(), shard), shard, input);
            }
        }
    }

    pub fn send_sip(&mut self, from: SocketAddr, to: SocketAddr, bytes: Bytes) {
        self.trace.push(Entry { at: self.now, from, to, bytes: bytes.clone() });
        self.send(from, to, bytes);
    }

    pub fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Bytes) {
        self.network.send(self.now, &mut self.dice, &mut self.agenda, (from, to), bytes);
    }

    /// What a turn of the media worker brought forth goes its ways.
    pub fn after_media(&mut self, brought: Brought) {
        for (from, to, bytes) in brought.datagrams {
            self.send(from, to, bytes);
        }
        for event in brought.events {
            // A port may be in the room of another shard's call, or of a conference.
            let shard = event.port().map_or(event.room().shard(), model::LegId::shard);
            self.post_to_shard(Lane::MediaToShard(shard), shard, call::Input::Media(event));
        }
    }

    /// What the registrar says goes its ways.
    pub fn after_phones(&mut self, outcome: Outcome) {
        for event in outcome.events {
            self.append(event);
        }
        for (agent, reachable) in outcome.reachable {
            let AgentId { tenant, .. } = agent.clone();
            let input = acd::Input::PhoneReachable { agent, reachable };
            self.post(Lane::RegistrarToAcd(tenant.clone()), Due::Acd(tenant, input));
        }
    }

    /// Notes an INVITE outside of a dialog that reached the switch.
    pub fn note_arrival(&mut self, interface: u16, from: SocketAddr, bytes: &Bytes) {
        if !bytes.starts_with(b"INVITE ") {
            return;
        }
        let Ok(Message::Request(mut request)) = Message::parse_datagram(bytes.clone()) else { return };
        // RFC 3261 §8.1.1: what lacks a mandatory header is no request.
        if request.to_tag().is_some() || request.validate().is_err() {
            return;
        }
        let call_id = request.headers.call_id().unwrap_or_default().to_owned();
        if self.invites.iter().any(|known| known.call_id == call_id) {
            return;
        }
        let by_name = request.headers.from().ok().is_some_and(|address| {
            let user = address.uri().user().unwrap_or_default();
            self.router.phone_of(&user, address.uri().host()).is_some()
        });
        let user = request.uri.user().unwrap_or_default();
        let line = request.uri.param("line").unwrap_or(&user);
        let by_trunk = self.router.trunk_of(from.ip(), interface).is_some()
            || self.router.trunk_of_line(line).is_some()
            || self.router.may_be_a_trunk(interface);
        let known = if by_name || by_trunk { Known::Yes } else { Known::No };
        self.invites.push(NewCall { call_id, from, known });
    }
}
