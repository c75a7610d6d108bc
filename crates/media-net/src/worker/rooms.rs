//! Owns a worker's rooms, their sockets, timers and recordings. Does not own the loop (see [`super`]).

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use clock::{Instant, MintedMap, WallAnchor};
use media::command::{Command, Event, Peer};
use media::recording::{Recorder, Start};
use media::room::{Passenger, Room};
use media::sink::{Channel, PortIndex};
use model::{CallId, LegId, RecordingId};
use smallvec::SmallVec;

use super::agenda::Agenda;
use super::outlet::{Outlet, Running, hand_over};
use super::shelf::{Home, Shelf, socket};
use super::slots::{Slot, Slots};
use super::{Figures, Moving, Surroundings, ToWorker, Token, add, sys};
use crate::journal::Ended;
use crate::ports::{Opened, Pair, Reading, Takes};
use crate::sys::{Batch, Left, Letter, Received};

/// Another worker needs a turn to let a port go; one that needs longer has worse troubles.
const LONGEST_MOVE: Duration = Duration::from_millis(100);

/// What a recording keeps of a packet of 20 ms, in bytes, wherever in a line of the processor's cache it begins.
const ONE_PACKET: usize = 184 + 63;

/// Batches that are read of one socket at a time.
const MOST_BATCHES: usize = 16;

/// What waits is read with each so many frames of ours: a key over a prompt is heard 80 ms later at the most, which is
/// less than anybody notices, and a call of the system for each datagram would cost as much as sending does.
const FRAMES_UNREAD: u8 = 4;

/// What waits for a tick waits for so many frames, or longer where the worker is late.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The rooms of one worker.
pub struct Rooms {
    slots: Slots,
    by_call: MintedMap<CallId, u32>,
    by_leg: MintedMap<LegId, u32>,
    by_recording: MintedMap<RecordingId, u32>,
    agenda: Agenda,
    /// Room for the slots that are due at one moment.
    due: Vec<u32>,
    /// When the recordings of each room are next asked for old blocks: as often as one grows old, since packets hand over
    /// the full.
    old_blocks: Agenda,
    untold: Vec<Ended>,
    /// What rooms have to report since [`Rooms::report`].
    events: Vec<Event>,
    shelf: Shelf,
    /// Room for what waits at a socket.
    batch: Batch,
    /// What the clocks said at the last tick.
    anchor: WallAnchor,
    around: Surroundings,
    figures: Arc<Figures>,
}

impl Rooms {
    pub fn new(shelf: Shelf, around: Surroundings, figures: Arc<Figures>) -> Rooms {
        Rooms {
            slots: Slots::default(),
            by_call: MintedMap::default(),
            by_leg: MintedMap::default(),
            by_recording: MintedMap::default(),
            agenda: Agenda::new(around.clock.now()),
            due: Vec::new(),
            old_blocks: Agenda::new(around.clock.now()),
            untold: Vec::new(),
            events: Vec::new(),
            shelf,
            batch: Batch::new(),
            anchor: around.clock.anchor(),
            around,
            figures,
        }
    }

    /// When [`Rooms::tick`] has something to do.
    pub fn due(&self) -> Option<Instant> {
        // The worker's own step is the pause between two tries.
        let untold = (!self.untold.is_empty()).then_some(Instant::ZERO);
        let dues = [self.agenda.next(), self.old_blocks.next(), self.shelf.due(), untold];
        dues.into_iter().flatten().min()
    }

    /// Whether there is no room.
    pub fn is_empty(&self) -> bool {
        self.by_call.is_empty()
    }

    /// A packet for this socket is read after the next one: its room will be wanted.
    #[inline]
    pub fn expect_room(&self, token: Token) {
        if let Some(home) = self.shelf.home(token.place) {
            self.expect_slot(home.slot);
        }
    }

    /// A packet for this socket is read next: its room is at hand, and its ports will be wanted.
    #[inline]
    pub fn expect_ports(&self, token: Token) {
        if let Some(home) = self.shelf.home(token.place) {
            self.expect_ports_of(home.slot);
        }
    }

    #[inline]
    fn expect_slot(&self, at: u32) {
        if let Some(slot) = self.slots.at(at) {
            sys::prefetch(std::ptr::from_ref(slot).cast(), size_of::<Slot>());
        }
    }

    #[inline]
    fn expect_ports_of(&self, at: u32) {
        let Some(slot) = self.slots.at(at) else { return };
        slot.room.whereabouts().for_each(|(at, length)| sys::prefetch(at, length));
        for at in slot.running.iter().filter_map(|running| running.recorder.whereabouts()) {
            sys::prefetch(at, ONE_PACKET);
        }
    }

    #[inline]
    fn expect_players_of(&self, at: u32) {
        let Some(slot) = self.slots.at(at) else { return };
        slot.room.players_whereabouts().for_each(|(at, length)| sys::prefetch(at, length));
    }

    /// Reads one datagram of a socket and lets its room forward it. Whether there are more.
    #[inline]
    pub fn readable(&mut self, now: Instant, token: Token, buffer: &mut [u8]) -> Left {
        // A socket that was closed since it became ready has no home, or its place serves another that has nothing
        // to read.
        let Some(home) = self.shelf.home(token.place) else { return self.shelf.discard(token, buffer) };
        let slot = self.slots.at_mut(home.slot);
        let Some(slot) = slot else { return Left::Nothing };
        let Slot { room, sockets, running, armed, .. } = slot;
        let Some(Some(pair)) = sockets.get(usize::from(home.port.0)) else { return Left::Nothing };
        match sys::receive(socket(pair, token.channel), buffer) {
            Received::Nothing => return Left::Nothing,
            Received::Unusable => return Left::Something,
            Received::Datagram(length, source) => {
                let (untold, events) = (&mut self.untold, &mut self.events);
                let (around, figures) = (&self.around, &*self.figures);
                let mut outlet = Outlet { now, sockets, running, untold, events, around, figures };
                let from = (home.port, token.channel);
                room.forward(now, from, source, &mut buffer[..length], &mut outlet);
            }
        }
        self.agenda.arm((home.slot, armed), room.poll_timeout());
        let Some(Some(pair)) = sockets.get_mut(usize::from(home.port.0)) else { return Left::Nothing };
        if pair.takes == Takes::All {
            self.shelf.take_from(pair, room.settled_on(home.port));
        }
        sys::left(socket(pair, token.channel))
    }

    /// Does what time brings.
    pub fn tick(&mut self, now: Instant) {
        self.anchor = WallAnchor::new(now, self.around.clock.wall());
        let mut due = std::mem::take(&mut self.due);
        self.agenda.take(now, &mut due);
        for nth in 0..due.len() {
            // Rooms that are due are asked for ahead, as those of packets are.
            due.get(nth + 3).into_iter().for_each(|at| self.expect_slot(*at));
            due.get(nth + 2).into_iter().for_each(|at| self.expect_ports_of(*at));
            due.get(nth + 1).into_iter().for_each(|at| self.expect_players_of(*at));
            self.tick_room(now, due[nth]);
        }
        due.clear();
        self.due = due;
        self.shelf.tidy(now);
        self.ask_old(now);
        let journal = &self.around.journal;
        let untold = std::mem::take(&mut self.untold);
        self.untold.extend(untold.into_iter().filter_map(|ended| journal.closed(ended).err()));
    }

    fn tick_room(&mut self, now: Instant, at: u32) {
        let Some(slot) = self.slots.at_mut(at) else { return };
        if slot.armed.is_none_or(|armed| armed > now) {
            // It was done earlier, or belongs to a room that was here before.
            return;
        }
        slot.armed = None;
        slot.unread += 1;
        if slot.unread >= FRAMES_UNREAD {
            self.read_waiting(now, at);
        }
        self.act(now, at, |room, outlet| room.tick(now, outlet));
    }

    /// Reads what waits at those sockets of a room that are read with our own packets.
    fn read_waiting(&mut self, now: Instant, at: u32) {
        let Some(slot) = self.slots.at_mut(at) else { return };
        let Slot { room, sockets, running, unread, .. } = slot;
        *unread = 0;
        for (place, pair) in sockets.iter().enumerate() {
            let Some(pair) = pair.as_ref().filter(|pair| pair.reading == Reading::WithOurs) else { continue };
            let from = (PortIndex(place as u16), Channel::Rtp);
            // Of a flood the rest may wait, or be lost: nobody hears it.
            for _ in 0..MOST_BATCHES {
                let letters = self.batch.receive(&pair.rtp);
                let taken = letters.len();
                for (datagram, source, came) in letters.iter_mut().filter_map(Letter::open) {
                    let came = came.map_or(now, |came| self.anchor.instant(came));
                    // Of a clock that was set in between nothing is learned.
                    let apart = now.since(came).max(came.since(now));
                    let came = if apart < LONGEST_WAIT { came } else { now };
                    let (untold, events) = (&mut self.untold, &mut self.events);
                    let (around, figures) = (&self.around, &*self.figures);
                    let mut outlet = Outlet { now, sockets, running, untold, events, around, figures };
                    room.forward(came, from, source, datagram, &mut outlet);
                }
                if !Batch::is_full(taken) {
                    break;
                }
            }
        }
    }

    /// Asks the recordings whose blocks may have grown old.
    fn ask_old(&mut self, now: Instant) {
        let mut due = std::mem::take(&mut self.due);
        self.old_blocks.take(now, &mut due);
        for nth in 0..due.len() {
            due.get(nth + 2).into_iter().for_each(|at| self.expect_slot(*at));
            let slot = self.slots.at_mut(due[nth]);
            // Else it was asked earlier, or the room that was here is gone.
            if let Some(slot) = slot.filter(|slot| slot.asked.is_some_and(|asked| asked <= now)) {
                slot.asked = None;
                self.ask(now, due[nth]);
            }
        }
        due.clear();
        self.due = due;
    }

    /// Takes the blocks of a room's recordings that are old, and sets when they are asked again.
    fn ask(&mut self, now: Instant, at: u32) {
        let Some(slot) = self.slots.at_mut(at) else { return };
        let Slot { running, asked, .. } = slot;
        for running in running.iter_mut() {
            hand_over(now, &mut running.recorder, &self.around);
        }
        let next = running.iter().filter_map(|running| running.recorder.poll_timeout()).min();
        self.old_blocks.arm((at, asked), next);
    }

    /// Carries out a command.
    pub fn obey(&mut self, now: Instant, told: ToWorker) {
        match told {
            ToWorker::Adopt { room, port, peer, seed, opened } => {
                self.adopt(now, (room, port), (peer, seed), opened);
            }
            ToWorker::Play { port, play, clips } => match self.by_leg.get(&port) {
                Some(slot) => self.with(now, *slot, |room, outlet| room.play(now, port, play, clips, outlet)),
                None => tracing::debug!(%port, "playback for a port that is closed"),
            },
            ToWorker::LetGo { port, room, to } => self.let_go(now, port, (room, to)),
            ToWorker::TakeIn { room, from } => match from.recv_timeout(LONGEST_MOVE) {
                Ok(moving) => {
                    let Moving { passenger, pair } = moving;
                    let opened = pair.map(Opened::New);
                    self.take_in(now, room, passenger, |shelf, home| shelf.adopt(opened?, home));
                }
                // It had none, or has ended.
                Err(error) => tracing::debug!(%room, %error, "a port did not come over"),
            },
            ToWorker::Command(command) => self.command(now, command),
            // The loop ends on it.
            ToWorker::Stop => {}
        }
    }

    /// Tells what rooms had to report in this turn. Together, because each telling may wake another thread: where two ports of
    /// each of some calls close, that costs more than closing them.
    pub fn report(&mut self) {
        if !self.events.is_empty() {
            (self.around.events)(&mut self.events.drain(..));
        }
    }

    /// Closes everything.
    pub fn close_all(&mut self, now: Instant) {
        let calls: Vec<CallId> = self.by_call.keys().copied().collect();
        for call in calls {
            self.close_room(now, call);
        }
        self.report();
        let waiting = self.around.journal.waiting();
        for ended in self.untold.drain(..) {
            // At the end a worker may wait: the journal empties its ring. Without a journal the next start finishes.
            let _ = waiting.send(crate::journal::ToJournal::Closed(ended));
        }
    }

    fn command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Describe { port, negotiated } => {
                self.with_leg(now, port, |room, _| room.describe(now, port, negotiated));
            }
            Command::DescribeFax { port, remote } => {
                self.with_leg(now, port, |room, _| room.describe_fax(now, port, remote));
            }
            Command::Hear { room: call, matrix } => {
                self.with_call(now, call, |room, _| room.hear(now, &matrix));
            }
            Command::StopPlay { port, play } => {
                self.with_leg(now, port, |room, outlet| room.stop_play(port, play, outlet));
            }
            Command::SendDigit { port, key, millis } => {
                self.with_leg(now, port, |room, _| room.send_digit(now, port, key, millis));
            }
            Command::Watch { port, rtp_timeout } => {
                self.with_leg(now, port, |room, _| room.watch(now, port, rtp_timeout));
            }
            Command::Alarm { port, after } => {
                self.with_leg(now, port, |room, _| room.alarm(now, port, after));
            }
            Command::Record { room, recording, tenant, caller, persons, started } => {
                self.record(now, Start { recording, call: room, tenant, caller, persons, started });
            }
            Command::MarkRecording { recording, mark } => {
                let Some(slot) = self.by_recording.get(&recording).copied() else { return };
                self.with(now, slot, |room, outlet| {
                    room.mark_recording(recording, mark);
                    for running in outlet.running.iter_mut().filter(|r| r.recorder.recording() == recording) {
                        running.recorder.mark(now, mark);
                    }
                });
            }
            Command::StopRecording { recording, .. } => {
                let Some(slot) = self.by_recording.remove(&recording) else { return };
                self.with(now, slot, |room, outlet| room.stop_recording(recording, outlet));
                self.drop_if_empty(now, slot);
            }
            Command::ClosePort { port } => self.close_port(now, port),
            Command::CloseRoom { room } => self.close_room(now, room),
            Command::OpenPort { .. } | Command::Play { .. } | Command::MovePort { .. } => {
                tracing::error!("a worker was told what its shell must do first");
            }
        }
    }

    fn adopt(
        &mut self,
        now: Instant,
        (call, leg): (CallId, LegId),
        (peer, seed): (Peer, u64),
        opened: Opened,
    ) {
        let at = self.slot_of(call);
        let Some(slot) = self.slots.at_mut(at) else { return };
        let port = slot.room.open(now, leg, peer, seed);
        let pair = self.shelf.adopt(opened, Home { slot: at, port });
        if pair.is_none() {
            tracing::error!(%leg, "a port's sockets are gone and it will be deaf");
        }
        self.seat(now, (at, port), leg, pair);
    }

    /// A port leaves its room: for another one here, or for another worker.
    fn let_go(&mut self, now: Instant, leg: LegId, (room, to): (CallId, Option<Sender<Moving>>)) {
        let Some(at) = self.by_leg.remove(&leg) else { return };
        let place = self.slot_room(at).and_then(|room| room.index_of(leg));
        let mut passenger = None;
        self.with(now, at, |room, outlet| passenger = room.let_go(now, leg, outlet));
        let mut pair = None;
        if let (Some(place), Some(slot)) = (place, self.slots.at_mut(at)) {
            slot.legs.retain(|known| *known != leg);
            pair = slot.sockets.get_mut(usize::from(place.0)).and_then(Option::take);
            add(&self.figures.ports, -1);
        }
        if let Some(passenger) = passenger {
            match to {
                Some(to) => {
                    if let Some(pair) = &mut pair {
                        self.shelf.let_go(pair);
                    }
                    // The other worker may have ended: then the process ends.
                    let _ = to.send(Moving { passenger, pair });
                }
                None => self.take_in(now, room, passenger, |shelf, home| {
                    if let Some(pair) = &pair {
                        shelf.move_within(pair, home);
                    }
                    pair
                }),
            }
        }
        self.drop_if_empty(now, at);
    }

    /// A port enters a room of this worker, which `settle` gives its sockets' new home.
    fn take_in(
        &mut self,
        now: Instant,
        call: CallId,
        passenger: Passenger,
        settle: impl FnOnce(&mut Shelf, Home) -> Option<Pair>,
    ) {
        let leg = passenger.leg();
        let at = self.slot_of(call);
        let Some(slot) = self.slots.at_mut(at) else { return };
        let port = slot.room.take_in(now, passenger);
        let pair = settle(&mut self.shelf, Home { slot: at, port });
        self.seat(now, (at, port), leg, pair);
    }

    /// The port of `leg` has its place in a room, and its sockets with it.
    fn seat(&mut self, now: Instant, (at, port): (u32, PortIndex), leg: LegId, pair: Option<Pair>) {
        let Some(slot) = self.slots.at_mut(at) else { return };
        let place = usize::from(port.0);
        if slot.sockets.len() <= place {
            slot.sockets.resize_with(place + 1, || None);
        }
        slot.sockets[place] = pair;
        slot.legs.push(leg);
        self.by_leg.insert(leg, at);
        add(&self.figures.ports, 1);
        self.with(now, at, |_, _| {});
    }

    /// The slot of the call's room, which is made when there is none.
    fn slot_of(&mut self, call: CallId) -> u32 {
        match self.by_call.get(&call) {
            Some(at) => *at,
            None => self.new_slot(call),
        }
    }

    fn new_slot(&mut self, call: CallId) -> u32 {
        let at = self.slots.put(call);
        self.by_call.insert(call, at);
        add(&self.figures.rooms, 1);
        at
    }

    fn record(&mut self, now: Instant, start: Start) {
        let Some(at) = self.by_call.get(&start.call).copied() else {
            tracing::warn!(call = %start.call, "recording of a room that is closed");
            return;
        };
        if self.by_recording.insert(start.recording, at).is_some() {
            return;
        }
        add(&self.figures.recordings, 1);
        self.with(now, at, |room, outlet| {
            room.record(start.recording, start.caller, &start.persons);
            let tenant = start.tenant.clone();
            let recorder = Recorder::start(now, start, outlet.around.journal.memory());
            outlet.running.push(Running { recorder, tenant });
        });
        self.ask(now, at);
    }

    fn close_port(&mut self, now: Instant, leg: LegId) {
        let Some(at) = self.by_leg.remove(&leg) else { return };
        let place = self.slot_room(at).and_then(|room| room.index_of(leg));
        self.with(now, at, |room, outlet| room.close(now, leg, outlet));
        if let (Some(place), Some(slot)) = (place, self.slots.at_mut(at)) {
            slot.legs.retain(|known| *known != leg);
            if let Some(pair) = slot.sockets.get_mut(usize::from(place.0)).and_then(Option::take) {
                self.shelf.rest(now, pair);
            }
            add(&self.figures.ports, -1);
        }
        self.drop_if_empty(now, at);
    }

    fn close_room(&mut self, now: Instant, call: CallId) {
        let Some(at) = self.by_call.get(&call).copied() else { return };
        let slot = self.slots.at(at);
        let running = slot.into_iter().flat_map(|slot| &slot.running);
        let recordings: SmallVec<[RecordingId; 2]> = running.map(|r| r.recorder.recording()).collect();
        for recording in recordings {
            self.by_recording.remove(&recording);
        }
        self.with(now, at, |room, outlet| room.close_all(now, outlet));
        self.drop_slot(now, at);
    }

    fn slot_room(&self, at: u32) -> Option<&Room> {
        self.slots.at(at).map(|slot| &slot.room)
    }

    /// A room without ports and recordings is nobody's.
    fn drop_if_empty(&mut self, now: Instant, at: u32) {
        let empty = self.slots.at(at);
        if empty.is_some_and(|slot| slot.room.is_empty() && slot.running.is_empty()) {
            self.drop_slot(now, at);
        }
    }

    fn drop_slot(&mut self, now: Instant, at: u32) {
        let Some(mut slot) = self.slots.take(at) else { return };
        self.by_call.remove(&slot.room.id());
        for leg in &slot.legs {
            self.by_leg.remove(leg);
        }
        for running in &slot.running {
            self.by_recording.remove(&running.recorder.recording());
        }
        add(&self.figures.rooms, -1);
        add(&self.figures.ports, -(slot.legs.len() as isize));
        for pair in slot.sockets.drain(..).flatten() {
            self.shelf.rest(now, pair);
        }
        add(&self.figures.players, -(slot.players as isize));
    }

    fn with_leg(&mut self, now: Instant, leg: LegId, act: impl FnOnce(&mut Room, &mut Outlet<'_>)) {
        if let Some(at) = self.by_leg.get(&leg).copied() {
            self.with(now, at, act);
        }
    }

    fn with_call(&mut self, now: Instant, call: CallId, act: impl FnOnce(&mut Room, &mut Outlet<'_>)) {
        if let Some(at) = self.by_call.get(&call).copied() {
            self.with(now, at, act);
        }
    }

    /// Lets `act` change a room as a command says; what came to it before is taken before.
    fn with(&mut self, now: Instant, at: u32, act: impl FnOnce(&mut Room, &mut Outlet<'_>)) {
        self.read_waiting(now, at);
        self.act(now, at, act);
    }

    /// Lets `act` have a room with its outlet, then sets the room's timer, counts its players, and says how its sockets are
    /// read from now on.
    fn act(&mut self, now: Instant, at: u32, act: impl FnOnce(&mut Room, &mut Outlet<'_>)) {
        let Some(slot) = self.slots.at_mut(at) else { return };
        let Slot { room, sockets, running, armed, players, .. } = slot;
        let (untold, events) = (&mut self.untold, &mut self.events);
        let (around, figures) = (&self.around, &*self.figures);
        act(room, &mut Outlet { now, sockets, running, untold, events, around, figures });
        self.agenda.arm((at, armed), room.poll_timeout());
        let playing = room.players();
        add(&self.figures.players, playing as isize - *players as isize);
        *players = playing;
        for (place, pair) in sockets.iter_mut().enumerate() {
            let Some(pair) = pair else { continue };
            let port = PortIndex(place as u16);
            let waits = room.can_wait(port);
            self.shelf.take_from(pair, room.settled_on(port));
            self.shelf.read(pair, if waits { Reading::WithOurs } else { Reading::AtOnce });
        }
    }
}
