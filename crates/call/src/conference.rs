//! Owns conference rooms (R20): who is in, who may speak, the PIN, the lock, tones, the recording, the limits. A
//! participant is a call of its own that joined by command: its port is in the conference's room, its dialog is not ours.
//! Does not own calls (see `call::conferring`) nor the mixing (see `media::Room`).
//!
//! ```text
//!                 (1) Join                 (2) the PIN               (5) Left, Remove
//!   (nobody) ───────────────▶ Asked ───────────────────────▶ In ────────────────────▶ (nobody)
//!                     │        │ (3) three wrong PINs,        │ ▲
//!                     │        ▼     or silence               ▼ │ (4) keys: 1 mute; of moderators 2 all, 3 lock,
//!                     │      Over(WrongPin)                   In     4 recording, 9 end
//!                     └──▶ Over(Locked | Full)      (6) the end: Over(Ended) to everybody, the room closes
//! ```

mod io;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::unsent;
use clock::{Instant, Machine, WallAnchor};
use media::command::{Command, Mark, PlayMode, Voice};
use model::command::ConferenceWish;
use model::event::{CallFact, Direction, DiskState, Event};
use model::outcome::{CallResult, HungUpBy, Termination};
use model::say::{Key, SayItem, Tone};
use model::{CallId, ConferenceName, IdGen, LegId, PlayId, PromptName, RecordingId, TenantId};
use routing::{ConferenceProfile, JoinTones};

pub use io::{
    ConferenceInput, ConferenceOutput, ConferenceView, Joining, MemberView, MemberWord, Parting, Role,
};

/// The conferences of a node.
#[derive(Debug)]
pub struct Conferences {
    rooms: Vec<Room>,
    ids: IdGen,
    anchor: WallAnchor,
    disk: DiskState,
    now: Instant,
    out: VecDeque<ConferenceOutput>,
}

#[derive(Debug)]
struct Room {
    id: CallId,
    profile: Arc<ConferenceProfile>,
    members: Vec<Member>,
    /// When it ends at the latest; None before the first is in.
    ends_at: Option<Instant>,
    door: Door,
    recording: Option<RecordingId>,
    /// Whether a moderator wants it recorded.
    recorded: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Open,
    Locked,
}

#[derive(Debug)]
struct Member {
    joining: Joining,
    state: MemberState,
}

#[derive(Debug)]
enum MemberState {
    /// The PIN is being typed.
    Asked {
        typed: String,
        asked: u8,
        until: Instant,
        play: PlayId,
    },
    In {
        muted: bool,
    },
}

/// How often a PIN is asked for.
const TRIES: u8 = 3;

/// Silence that counts as a wrong PIN.
const PATIENCE: Duration = Duration::from_secs(15);

/// A longer PIN is none.
const LONGEST_PIN: usize = 20;

impl Conferences {
    /// No conference. `ids` must not clash with those of shards and ACDs.
    pub fn new(ids: IdGen, anchor: WallAnchor) -> Conferences {
        let (disk, now) = (DiskState::Fine, Instant::ZERO);
        Conferences { rooms: Vec::new(), ids, anchor, disk, now, out: VecDeque::new() }
    }

    /// The disk of recordings became this.
    pub fn set_disk(&mut self, state: DiskState) {
        self.disk = state;
    }

    /// How many conferences there are, those included that somebody is at the door of.
    pub fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// The conferences in progress.
    pub fn views(&self) -> impl Iterator<Item = ConferenceView> + '_ {
        self.rooms.iter().filter(|room| room.ends_at.is_some()).map(|room| ConferenceView {
            id: room.id,
            name: room.profile.name.clone(),
            locked: room.door == Door::Locked,
            recorded: room.recording.is_some(),
            members: room.members.iter().filter_map(Member::view).collect(),
        })
    }

    /// (1)
    fn join(&mut self, now: Instant, joining: Joining) {
        let at = match self.rooms.iter().position(|room| room.profile.name == joining.profile.name) {
            Some(at) => at,
            None => {
                self.rooms.push(Room::new(self.ids.mint(), joining.profile.clone()));
                self.rooms.len() - 1
            }
        };
        let (call, role) = (joining.call, joining.role);
        if let Err(parting) = self.rooms[at].admits(role) {
            self.tell(call, MemberWord::Over(parting));
            return self.forget_if_empty(at);
        }
        let needs_pin = role == Role::Participant && self.rooms[at].profile.pin.is_some();
        if needs_pin {
            let play = self.say(&joining, vec![prompt("pin_enter")]);
            let state =
                MemberState::Asked { typed: String::new(), asked: 1, until: now + ASKING + PATIENCE, play };
            self.rooms[at].members.push(Member { joining, state });
        } else {
            let muted = role == Role::Participant && self.rooms[at].profile.mute_on_entry;
            self.rooms[at].members.push(Member { joining, state: MemberState::In { muted } });
            self.came_in(now, at, call);
        }
    }

    /// (2) The participant is in: the port comes into the room, the others hear a tone.
    fn came_in(&mut self, now: Instant, at: usize, call: CallId) {
        let room = &mut self.rooms[at];
        let (id, profile) = (room.id, room.profile.clone());
        let Some(member) = room.members.iter().find(|member| member.joining.call == call) else { return };
        let (joining, muted) = (member.joining.clone(), member.is_muted());
        if room.ends_at.is_none() {
            room.ends_at = Some(now + profile.max_duration);
            let number = profile.number.clone().unwrap_or_else(|| profile.name.name.clone());
            let fact = unsent::began(Direction::Internal, &joining.who, &number, joining.leg);
            self.fact(at, fact);
            self.fact(at, CallFact::SwitchAnswered);
        }
        self.out.push_back(ConferenceOutput::Media(Command::MovePort { port: joining.leg, room: id }));
        self.tell(call, MemberWord::In { conference: id });
        let (who, role) = (joining.who.clone(), joining.role);
        self.fact(at, CallFact::ParticipantJoined { call, who, role });
        if muted {
            self.fact(at, CallFact::ParticipantMuted { call });
        }
        self.connect(at);
        self.record(at, joining.leg);
        self.say(&joining, vec![prompt("conf_join")]);
        self.announce(at, call, 1);
    }

    /// (5) The participant is gone, or is let go.
    fn goes(&mut self, at: usize, place: usize) {
        let member = self.rooms[at].members.remove(place);
        if matches!(member.state, MemberState::In { .. }) {
            let (call, leg) = (member.joining.call, member.joining.leg);
            if let Some(recording) = self.rooms[at].recording {
                let mark = Mark::PartyLeft(leg);
                self.out.push_back(ConferenceOutput::Media(Command::MarkRecording { recording, mark }));
            }
            self.fact(at, CallFact::ParticipantLeft { call });
            self.connect(at);
            self.announce(at, call, 2);
        }
        if self.rooms[at].present().next().is_none() && self.rooms[at].ends_at.is_some() {
            // Who is at the door still comes into a conference, if a new one.
            let at_door = std::mem::take(&mut self.rooms[at].members);
            let profile = self.rooms[at].profile.clone();
            self.end(at, Termination::Normal);
            if !at_door.is_empty() {
                let members = at_door;
                self.rooms.push(Room { members, ..Room::new(self.ids.mint(), profile) });
            }
        } else {
            self.forget_if_empty(at);
        }
    }

    /// (6) Everybody is let go, and the room closes.
    fn end(&mut self, at: usize, cause: Termination) {
        while let Some(member) = self.rooms[at].members.pop() {
            if matches!(member.state, MemberState::In { .. }) {
                self.send_home(&member.joining);
                self.fact(at, CallFact::ParticipantLeft { call: member.joining.call });
            }
            self.tell(member.joining.call, MemberWord::Over(Parting::Ended));
        }
        self.stop_recording(at);
        let room = self.rooms[at].id;
        if self.rooms[at].ends_at.is_some() {
            self.out.push_back(ConferenceOutput::Media(Command::CloseRoom { room }));
            let (result, by) = (CallResult::SelfServed, HungUpBy::Switch);
            self.fact(at, CallFact::Ended { result, by, cause });
        }
        self.rooms.remove(at);
    }

    fn forget_if_empty(&mut self, at: usize) {
        if self.rooms[at].members.is_empty() {
            self.end(at, Termination::Normal);
        }
    }

    /// The port goes back into the room of its own call.
    fn send_home(&mut self, joining: &Joining) {
        let (port, room) = (joining.leg, joining.call);
        self.out.push_back(ConferenceOutput::Media(Command::MovePort { port, room }));
    }

    fn key(&mut self, now: Instant, call: CallId, key: Key) {
        let Some((at, place)) = self.find(call) else { return };
        let member = &mut self.rooms[at].members[place];
        if let MemberState::Asked { typed, until, .. } = &mut member.state {
            *until = now + PATIENCE;
            if key.as_char() != '#' {
                if typed.len() < LONGEST_PIN {
                    typed.push(key.as_char());
                }
                return self.hush(at, place);
            }
            let typed = std::mem::take(typed);
            return self.pin_given(now, (at, place), &typed);
        }
        self.key_inside(at, place, key);
    }

    /// The first key ends the question.
    fn hush(&mut self, at: usize, place: usize) {
        let member = &self.rooms[at].members[place];
        if let MemberState::Asked { play, .. } = member.state {
            let port = member.joining.leg;
            self.out.push_back(ConferenceOutput::Media(Command::StopPlay { port, play }));
        }
    }

    /// (2), (3)
    fn pin_given(&mut self, now: Instant, (at, place): (usize, usize), typed: &str) {
        let room = &self.rooms[at];
        let is = |pin: &Option<Arc<str>>| pin.as_deref() == Some(typed);
        let role = if is(&room.profile.moderator_pin) {
            Role::Moderator
        } else if is(&room.profile.pin) {
            Role::Participant
        } else {
            return self.pin_wrong(now, at, place);
        };
        let call = room.members[place].joining.call;
        // Others came in while this one typed.
        if let Err(parting) = room.admits(role) {
            self.rooms[at].members.remove(place);
            self.tell(call, MemberWord::Over(parting));
            return self.forget_if_empty(at);
        }
        let muted = role == Role::Participant && room.profile.mute_on_entry;
        let member = &mut self.rooms[at].members[place];
        member.joining.role = role;
        member.state = MemberState::In { muted };
        self.came_in(now, at, call);
    }

    /// (3)
    fn pin_wrong(&mut self, now: Instant, at: usize, place: usize) {
        let joining = self.rooms[at].members[place].joining.clone();
        let MemberState::Asked { asked, .. } = self.rooms[at].members[place].state else { return };
        if asked >= TRIES {
            self.rooms[at].members.remove(place);
            self.tell(joining.call, MemberWord::Over(Parting::WrongPin));
            return self.forget_if_empty(at);
        }
        let play = self.say(&joining, vec![prompt("pin_wrong")]);
        let (typed, until) = (String::new(), now + ASKING + PATIENCE);
        self.rooms[at].members[place].state = MemberState::Asked { typed, asked: asked + 1, until, play };
    }

    /// (4)
    fn key_inside(&mut self, at: usize, place: usize, key: Key) {
        let (call, role) = {
            let joining = &self.rooms[at].members[place].joining;
            (joining.call, joining.role)
        };
        match (key.as_char(), role) {
            ('1', _) => {
                let muted = self.rooms[at].members[place].is_muted();
                self.mute(at, |member| member.joining.call == call, !muted);
            }
            ('2', Role::Moderator) => {
                let others = |member: &Member| member.joining.role == Role::Participant;
                let all = self.rooms[at].members.iter().filter(|member| others(member)).all(Member::is_muted);
                self.mute(at, others, !all);
            }
            ('3', Role::Moderator) => match self.rooms[at].door {
                Door::Open => self.set_door(at, Door::Locked),
                Door::Locked => self.set_door(at, Door::Open),
            },
            ('4', Role::Moderator) => self.toggle_recording(at),
            ('9', Role::Moderator) => return self.end(at, Termination::Normal),
            _ => return,
        }
        let joining = self.rooms[at].members[place].joining.clone();
        self.say(&joining, vec![SayItem::Tone(Tone::Beep)]);
    }

    fn wish(&mut self, name: &ConferenceName, wish: ConferenceWish) {
        let Some(at) = self.rooms.iter().position(|room| room.profile.name == *name) else { return };
        match wish {
            ConferenceWish::Mute(call) => self.mute(at, |member| member.joining.call == call, true),
            ConferenceWish::Unmute(call) => self.mute(at, |member| member.joining.call == call, false),
            ConferenceWish::Lock => self.set_door(at, Door::Locked),
            ConferenceWish::Unlock => self.set_door(at, Door::Open),
            ConferenceWish::End => self.end(at, Termination::Commanded),
            ConferenceWish::Remove(call) => {
                let is = |member: &Member| member.joining.call == call;
                let Some(place) = self.rooms[at].members.iter().position(is) else { return };
                let joining = self.rooms[at].members[place].joining.clone();
                if matches!(self.rooms[at].members[place].state, MemberState::In { .. }) {
                    self.send_home(&joining);
                }
                self.tell(call, MemberWord::Over(Parting::Ended));
                self.goes(at, place);
            }
        }
    }

    fn mute(&mut self, at: usize, whom: impl Fn(&Member) -> bool, muted_now: bool) {
        let mut changed = Vec::new();
        for member in self.rooms[at].members.iter_mut().filter(|member| whom(member)) {
            if let MemberState::In { muted } = &mut member.state
                && *muted != muted_now
            {
                *muted = muted_now;
                changed.push(member.joining.call);
            }
        }
        for call in changed {
            let (mute, unmute) = (CallFact::ParticipantMuted { call }, CallFact::ParticipantUnmuted { call });
            self.fact(at, if muted_now { mute } else { unmute });
        }
        self.connect(at);
    }

    fn set_door(&mut self, at: usize, door: Door) {
        // Who is at the door alone makes no conference yet, and nobody locks it.
        if self.rooms[at].door != door && self.rooms[at].ends_at.is_some() {
            self.rooms[at].door = door;
            let fact = match door {
                Door::Locked => CallFact::ConferenceLocked,
                Door::Open => CallFact::ConferenceUnlocked,
            };
            self.fact(at, fact);
        }
    }

    /// Everybody who is in hears everybody else who is not muted.
    fn connect(&mut self, at: usize) {
        let room = &self.rooms[at];
        let heard = || room.present().filter(|member| !member.is_muted()).map(|member| member.joining.leg);
        let matrix = room.present().flat_map(|listener| {
            heard()
                .filter(|talker| *talker != listener.joining.leg)
                .map(|talker| (talker, listener.joining.leg))
        });
        let command = Command::Hear { room: room.id, matrix: matrix.collect() };
        self.out.push_back(ConferenceOutput::Media(command));
    }

    /// Recorded is what is said from the second participant on.
    fn record(&mut self, at: usize, joined: LegId) {
        let room = &self.rooms[at];
        if let Some(recording) = room.recording {
            let mark = Mark::PartyJoined(joined);
            return self.out.push_back(ConferenceOutput::Media(Command::MarkRecording { recording, mark }));
        }
        if !room.recorded || room.present().count() < 2 {
            return;
        }
        if !self.disk.keeps_recordings() {
            return self.fact(at, CallFact::NotRecorded);
        }
        let recording: RecordingId = self.ids.mint();
        let room = &mut self.rooms[at];
        room.recording = Some(recording);
        let command = Command::Record {
            room: room.id,
            recording,
            tenant: room.profile.name.tenant.clone(),
            // Nobody stands on the left: no leg has a conference's id.
            caller: LegId::from(room.id.raw()),
            persons: room.present().map(|member| member.joining.leg).collect(),
            started: self.anchor.wall(self.now),
        };
        self.out.push_back(ConferenceOutput::Media(command));
        self.fact(at, CallFact::RecordingBegan { recording });
    }

    fn stop_recording(&mut self, at: usize) {
        let room = &mut self.rooms[at];
        if let Some(recording) = room.recording.take() {
            let command = Command::StopRecording { room: room.id, recording };
            self.out.push_back(ConferenceOutput::Media(command));
            self.fact(at, CallFact::RecordingEnded { recording });
        }
    }

    fn toggle_recording(&mut self, at: usize) {
        let room = &mut self.rooms[at];
        room.recorded = room.recording.is_none();
        match room.members.first().filter(|_| room.recorded).map(|member| member.joining.leg) {
            Some(leg) => self.record(at, leg),
            None => self.stop_recording(at),
        }
    }

    /// The others hear so many beeps.
    fn announce(&mut self, at: usize, call: CallId, beeps: usize) {
        let room = &self.rooms[at];
        if room.profile.tones == JoinTones::Off {
            return;
        }
        let others = room.present().filter(|member| member.joining.call != call);
        let others: Vec<Joining> = others.map(|member| member.joining.clone()).collect();
        for joining in others {
            self.say(&joining, vec![SayItem::Tone(Tone::Beep); beeps]);
        }
    }

    fn say(&mut self, to: &Joining, items: Vec<SayItem>) -> PlayId {
        let play: PlayId = self.ids.mint();
        let voice = Voice { tenant: to.profile.name.tenant.clone(), language: to.language };
        let command = Command::Play { port: to.leg, play, items, mode: PlayMode::Once, voice };
        self.out.push_back(ConferenceOutput::Media(command));
        play
    }

    fn tell(&mut self, call: CallId, word: MemberWord) {
        self.out.push_back(ConferenceOutput::Tell { call, word });
    }

    fn fact(&mut self, at: usize, fact: CallFact) {
        let room = &self.rooms[at];
        let (tenant, call): (TenantId, CallId) = (room.profile.name.tenant.clone(), room.id);
        self.out.push_back(ConferenceOutput::Event(Event::Call { tenant, call, fact }));
    }

    fn find(&self, call: CallId) -> Option<(usize, usize)> {
        self.rooms.iter().enumerate().find_map(|(at, room)| {
            let place = room.members.iter().position(|member| member.joining.call == call)?;
            Some((at, place))
        })
    }
}

/// The time in which the question is spoken.
const ASKING: Duration = Duration::from_secs(5);

fn prompt(name: &str) -> SayItem {
    SayItem::Prompt(PromptName::new(&TenantId::default(), name))
}

impl Room {
    fn new(id: CallId, profile: Arc<ConferenceProfile>) -> Room {
        Room {
            id,
            recorded: profile.record,
            profile,
            members: Vec::new(),
            ends_at: None,
            door: Door::Open,
            recording: None,
        }
    }

    fn present(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| matches!(member.state, MemberState::In { .. }))
    }

    /// Whether one more may come in.
    fn admits(&self, role: Role) -> Result<(), Parting> {
        if self.door == Door::Locked && role == Role::Participant {
            return Err(Parting::Locked);
        }
        if self.present().count() >= self.profile.max_participants {
            return Err(Parting::Full);
        }
        Ok(())
    }
}

impl Member {
    fn is_muted(&self) -> bool {
        matches!(self.state, MemberState::In { muted: true })
    }

    fn view(&self) -> Option<MemberView> {
        let MemberState::In { muted } = self.state else { return None };
        let Joining { call, who, role, .. } = &self.joining;
        Some(MemberView { call: *call, who: who.clone(), role: *role, muted })
    }
}

impl Machine for Conferences {
    type Input = ConferenceInput;
    type Output = ConferenceOutput;

    fn handle(&mut self, now: Instant, input: ConferenceInput) {
        self.now = now;
        match input {
            ConferenceInput::Join(joining) => self.join(now, *joining),
            ConferenceInput::Key { call, key } => self.key(now, call, key),
            ConferenceInput::Left { call } => {
                if let Some((at, place)) = self.find(call) {
                    self.goes(at, place);
                }
            }
            ConferenceInput::Wish { name, wish } => self.wish(&name, wish),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        while let Some(at) = self.rooms.iter().position(|room| room.ends_at.is_some_and(|at| at <= now)) {
            self.end(at, Termination::Limit);
        }
        let ran_out =
            |member: &Member| matches!(member.state, MemberState::Asked { until, .. } if until <= now);
        while let Some((at, place)) = self
            .rooms
            .iter()
            .enumerate()
            .find_map(|(at, room)| room.members.iter().position(ran_out).map(|place| (at, place)))
        {
            self.pin_wrong(now, at, place);
        }
    }

    fn poll_output(&mut self) -> Option<ConferenceOutput> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let ends = self.rooms.iter().filter_map(|room| room.ends_at);
        let asked =
            self.rooms.iter().flat_map(|room| &room.members).filter_map(|member| match member.state {
                MemberState::Asked { until, .. } => Some(until),
                MemberState::In { .. } => None,
            });
        ends.chain(asked).min()
    }
}

#[cfg(test)]
mod tests;
