//! Owns the media worker's part: rooms on simulated addresses, what is said, what is recorded. Does not own what a room
//! does with a packet (see `media::Room`).

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use clock::Instant;
use media::command::{Command, Event, Language, Mark, PlayMode};
use media::sink::{Channel, PortIndex, Side, Sink, TapPacket};
use media::speech::{Atom, DigitOne, atoms};
use media::{Clip, Room, tone};
use model::say::SayItem;
use model::{CallId, LegId, RecordingId};
use routing::Plan;

/// The rooms.
#[derive(Debug)]
pub(crate) struct Studio {
    rooms: HashMap<CallId, Room>,
    homes: HashMap<LegId, Home>,
    addresses: HashMap<SocketAddr, (CallId, LegId, Channel)>,
    next_port: HashMap<IpAddr, u16>,
    seed: u64,
    /// Sounds made once, by their names.
    clips: HashMap<String, Arc<Clip>>,
    /// Everything that was said, in order.
    pub said: Vec<Said>,
    /// Packets kept per recording: left, right.
    pub kept: HashMap<RecordingId, [u64; 2]>,
    /// Who hears whom in each room: (talker, listener).
    pub hearing: HashMap<CallId, Vec<(LegId, LegId)>>,
    pub recordings_begun: Vec<RecordingId>,
    /// What recordings' timelines show, in order.
    pub marks: Vec<(RecordingId, Mark)>,
    pub recordings_closed: Vec<RecordingId>,
    /// Each port that was told what its peer agreed on, as often as it was.
    pub described: Vec<LegId>,
}

/// Something that was said to somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// When it began.
    pub at: Instant,
    /// To whom.
    pub port: LegId,
    /// What.
    pub items: Vec<SayItem>,
    /// Once or again and again.
    pub mode: PlayMode,
}

/// How much the studio holds, for the leak check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StudioLive {
    /// Rooms.
    pub rooms: usize,
    /// Ports with their addresses.
    pub ports: usize,
    /// Recordings that run.
    pub recordings: usize,
}

#[derive(Clone, Copy, Debug)]
struct Home {
    room: CallId,
    address: SocketAddr,
}

/// What a room hands out, collected until the room is left.
#[derive(Default)]
pub(crate) struct Outlet {
    pub sent: Vec<(PortIndex, Channel, SocketAddr, Bytes)>,
    pub events: Vec<Event>,
    kept: Vec<(RecordingId, Side)>,
}

impl Sink for Outlet {
    fn rtp(&mut self, port: PortIndex, to: SocketAddr, datagram: &[u8]) {
        self.sent.push((port, Channel::Rtp, to, Bytes::copy_from_slice(datagram)));
    }

    fn rtcp(&mut self, port: PortIndex, socket: Channel, to: SocketAddr, datagram: &[u8]) {
        self.sent.push((port, socket, to, Bytes::copy_from_slice(datagram)));
    }

    fn record(&mut self, recording: RecordingId, packet: &TapPacket<'_>) {
        self.kept.push((recording, packet.side));
    }

    fn event(&mut self, event: Event) {
        self.events.push(event);
    }
}

/// What a turn of the studio brought forth.
#[derive(Debug, Default)]
pub(crate) struct Brought {
    /// (from, to, bytes)
    pub datagrams: Vec<(SocketAddr, SocketAddr, Bytes)>,
    pub events: Vec<Event>,
}

impl Studio {
    pub fn new(seed: u64) -> Studio {
        Studio {
            rooms: HashMap::new(),
            homes: HashMap::new(),
            addresses: HashMap::new(),
            next_port: HashMap::new(),
            seed,
            clips: HashMap::new(),
            said: Vec::new(),
            kept: HashMap::new(),
            hearing: HashMap::new(),
            recordings_begun: Vec::new(),
            marks: Vec::new(),
            recordings_closed: Vec::new(),
            described: Vec::new(),
        }
    }

    /// Takes a pair of ports on the interface; `None` when its range is used up.
    pub fn reserve(&mut self, plan: &Plan, room: CallId, port: LegId, interface: u16) -> Option<SocketAddr> {
        let interface = plan.interfaces.get(usize::from(interface))?;
        let (low, high) = (interface.rtp.low, interface.rtp.high);
        let ip = interface.advertise;
        let pairs = (high - low).div_ceil(2).max(1);
        let next = self.next_port.entry(ip).or_insert(low);
        for _ in 0..pairs {
            let candidate = SocketAddr::new(ip, *next);
            *next = if next.saturating_add(3) > high { low } else { *next + 2 };
            if !self.addresses.contains_key(&candidate) {
                let rtcp = SocketAddr::new(ip, candidate.port() + 1);
                self.addresses.insert(candidate, (room, port, Channel::Rtp));
                self.addresses.insert(rtcp, (room, port, Channel::Rtcp));
                self.homes.insert(port, Home { room, address: candidate });
                return Some(candidate);
            }
        }
        None
    }

    pub fn owns(&self, address: SocketAddr) -> bool {
        self.addresses.contains_key(&address)
    }

    pub fn live(&self) -> StudioLive {
        StudioLive {
            rooms: self.rooms.len(),
            ports: self.homes.len(),
            recordings: self.recordings_begun.len() - self.recordings_closed.len(),
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.rooms.values().filter_map(Room::poll_timeout).min()
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Brought {
        let due: Vec<CallId> = self
            .rooms
            .values()
            .filter(|room| room.poll_timeout().is_some_and(|at| at <= now))
            .map(Room::id)
            .collect();
        let mut brought = Brought::default();
        for call in due {
            self.with(call, &mut brought, |room, outlet| room.tick(now, outlet));
        }
        brought
    }

    pub fn receive(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> Brought {
        let mut brought = Brought::default();
        let Some((call, leg, channel)) = self.addresses.get(&to).copied() else { return brought };
        let mut buffer = bytes.to_vec();
        self.with(call, &mut brought, |room, outlet| {
            if let Some(port) = room.index_of(leg) {
                room.forward(now, (port, channel), from, &mut buffer, outlet);
            }
        });
        brought
    }

    /// Carries out a command; `OpenPort` only for ports that [`Studio::reserve`] gave.
    pub fn obey(&mut self, now: Instant, command: Command) -> Brought {
        let mut brought = Brought::default();
        match command {
            Command::OpenPort { room, port, peer, .. } => {
                self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let seed = self.seed;
                self.rooms.entry(room).or_insert_with(|| Room::new(room)).open(now, port, peer, seed);
            }
            Command::Describe { port, negotiated } => {
                self.described.push(port);
                self.with_leg(port, &mut brought, |room, _| room.describe(now, port, negotiated));
            }
            Command::DescribeFax { port, remote } => {
                self.with_leg(port, &mut brought, |room, _| room.describe_fax(now, port, remote));
            }
            Command::Hear { room, matrix } => {
                self.with(room, &mut brought, |room, _| room.hear(now, &matrix));
                self.hearing.insert(room, matrix);
            }
            Command::Play { port, play, items, mode, .. } => {
                let clips = self.clips(&items);
                self.said.push(Said { at: now, port, items, mode });
                self.with_leg(port, &mut brought, |room, out| {
                    room.play(now, port, (play, mode), clips, out);
                });
            }
            Command::StopPlay { port, play } => {
                self.with_leg(port, &mut brought, |room, out| room.stop_play(port, play, out));
            }
            Command::Record { room, recording, caller, persons, .. } => {
                if self.rooms.contains_key(&room) {
                    self.recordings_begun.push(recording);
                }
                self.with(room, &mut brought, |room, _| room.record(recording, caller, &persons));
            }
            Command::MarkRecording { recording, mark } => {
                self.marks.push((recording, mark));
                for room in self.rooms.values_mut().filter(|room| room.is_recording(recording)) {
                    room.mark_recording(recording, mark);
                }
            }
            Command::StopRecording { room, recording } => {
                self.with(room, &mut brought, |room, out| room.stop_recording(recording, out));
                self.forget_if_empty(room);
            }
            Command::SendDigit { port, key, millis } => {
                self.with_leg(port, &mut brought, |room, _| room.send_digit(now, port, key, millis));
            }
            Command::Watch { port, rtp_timeout } => {
                self.with_leg(port, &mut brought, |room, _| room.watch(now, port, rtp_timeout));
            }
            Command::Alarm { port, after } => {
                self.with_leg(port, &mut brought, |room, _| room.alarm(now, port, after));
            }
            Command::MovePort { port, room } => self.move_port(now, port, room, &mut brought),
            Command::ClosePort { port } => {
                let room = self.homes.get(&port).map(|home| home.room);
                self.with_leg(port, &mut brought, |room, out| room.close(now, port, out));
                self.give_back(port);
                if let Some(room) = room {
                    self.forget_if_empty(room);
                }
            }
            Command::CloseRoom { room } => {
                self.with(room, &mut brought, |room, out| room.close_all(now, out));
                self.rooms.remove(&room);
                self.hearing.remove(&room);
                let legs: Vec<LegId> =
                    self.homes.iter().filter(|(_, home)| home.room == room).map(|(leg, _)| *leg).collect();
                for leg in legs {
                    self.give_back(leg);
                }
            }
        }
        brought
    }

    fn move_port(&mut self, now: Instant, port: LegId, to: CallId, brought: &mut Brought) {
        let Some(home) = self.homes.get(&port).copied() else { return };
        let mut passenger = None;
        self.with(home.room, brought, |room, out| passenger = room.let_go(now, port, out));
        let Some(passenger) = passenger else { return };
        self.rooms.entry(to).or_insert_with(|| Room::new(to)).take_in(now, passenger);
        self.homes.insert(port, Home { room: to, ..home });
        for place in self.addresses.values_mut().filter(|(_, leg, _)| *leg == port) {
            place.0 = to;
        }
        self.forget_if_empty(home.room);
    }

    /// A room without ports is nobody's, unless it is recorded.
    fn forget_if_empty(&mut self, room: CallId) {
        let recorded = self.rooms.get(&room).is_some_and(Room::is_recorded);
        if !recorded && !self.homes.values().any(|home| home.room == room) {
            self.rooms.remove(&room);
        }
    }

    fn clips(&mut self, items: &[SayItem]) -> Vec<Arc<Clip>> {
        let made = |atom: Atom| {
            let known = self.clips.entry(format!("{atom:?}")).or_insert_with(|| Arc::new(clip(&atom)));
            Arc::clone(known)
        };
        atoms(items, Language::Zh, DigitOne::default()).into_iter().map(made).collect()
    }

    fn give_back(&mut self, leg: LegId) {
        if let Some(home) = self.homes.remove(&leg) {
            self.addresses.remove(&home.address);
            self.addresses.remove(&SocketAddr::new(home.address.ip(), home.address.port() + 1));
        }
    }

    fn with_leg(&mut self, leg: LegId, brought: &mut Brought, act: impl FnOnce(&mut Room, &mut Outlet)) {
        if let Some(home) = self.homes.get(&leg).copied() {
            self.with(home.room, brought, act);
        }
    }

    fn with(&mut self, call: CallId, brought: &mut Brought, act: impl FnOnce(&mut Room, &mut Outlet)) {
        let Some(room) = self.rooms.get_mut(&call) else { return };
        let places: Vec<(PortIndex, SocketAddr)> = self
            .homes
            .iter()
            .filter(|(_, home)| home.room == call)
            .filter_map(|(leg, home)| Some((room.index_of(*leg)?, home.address)))
            .collect();
        let mut outlet = Outlet::default();
        act(room, &mut outlet);
        for (port, channel, to, bytes) in outlet.sent {
            let Some((_, from)) = places.iter().find(|(place, _)| *place == port) else { continue };
            let from = match channel {
                Channel::Rtp => *from,
                Channel::Rtcp => SocketAddr::new(from.ip(), from.port() + 1),
            };
            brought.datagrams.push((from, to, bytes));
        }
        for (recording, side) in outlet.kept {
            let place = usize::from(side == Side::Right);
            self.kept.entry(recording).or_default()[place] += 1;
        }
        for event in &outlet.events {
            if let Event::RecordingClosed { recording, .. } = event {
                self.recordings_closed.push(*recording);
            }
        }
        brought.events.append(&mut outlet.events);
    }
}

/// Sounds in place of the real prompts: 2 s at 1,000 Hz for a prompt, 4 s at 350 Hz for music, 200 ms for a word.
fn clip(atom: &Atom) -> Clip {
    let sound = |hz: f64, millis: u32| {
        let step = std::f64::consts::TAU * hz / 8_000.0;
        let samples: Vec<i16> =
            (0..millis * 8).map(|n| (8_000.0 * (step * f64::from(n)).sin()) as i16).collect();
        Clip::from_samples(&samples)
    };
    match atom {
        Atom::Word(_) => sound(1_000.0, 200),
        Atom::Prompt(name) if &**name == "default" => sound(350.0, 4_000),
        Atom::Prompt(_) => sound(1_000.0, 2_000),
        Atom::Silence(millis) => Clip::silence(*millis),
        Atom::Tone(tone) => Clip::from_samples(&tone::samples(*tone)),
        Atom::Recorded(..) => sound(600.0, 3_000),
    }
}
