//! Owns the one media primitive: ports, and a matrix of who hears whom. Relays, plays, presses, reports and hands
//! packets to recordings. Does not own sockets, time or files (see `media-net`).
//!
//! A packet's way: [`Room::forward`] (receive, check the source, place it in its stream) → recordings → each port
//! that hears it (rewrite, transcode by table, send). [`Room::tick`] does what time brings: frames of playbacks,
//! keys, mixed speech, reports, silence.

mod fax;
mod forward;
mod keys;
mod mix;
mod moving;
mod tick;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clock::Instant;
use model::say::Key;
use model::{CallId, LegId, PlayId, RecordingId};
use smallvec::SmallVec;

use sdp::{KeyWay, Negotiated};

use crate::alarm::Alarm;
use crate::clip::Clip;
use crate::codec::Encoder;
use crate::command::{Event, Mark, Peer, PlayEnd, PlayMode};
use crate::g711::Law;
use crate::jitter::Jitter;
use crate::player::Player;
use crate::port::{Hearing, Port, Speech, Watch};
use crate::recording::Masks;
use crate::sink::{PortIndex, Sink};

pub use moving::Passenger;

/// Ports and who hears whom.
#[derive(Debug)]
pub struct Room {
    id: CallId,
    ports: SmallVec<[Option<Box<Port>>; 2]>,
    recordings: SmallVec<[Tapped; 1]>,
    /// When the next mixed frame is due; `None` while nobody hears several.
    mix_at: Option<Instant>,
    /// When [`Room::tick`] has something to do.
    due: Option<Instant>,
    /// The one port whose peer may send our own stream back.
    echo: Option<PortIndex>,
    /// What a conference's listeners hear, encoded once for all who say nothing themselves.
    shared: Vec<Encoder>,
}

/// A room of a call: its two parties, and somebody who listens.
const FEW: usize = 3;

/// A recording that is being made.
#[derive(Clone, Debug)]
struct Tapped {
    recording: RecordingId,
    caller: LegId,
    persons: SmallVec<[LegId; 4]>,
    masks: Masks,
}

impl Room {
    /// A room without ports.
    pub fn new(id: CallId) -> Room {
        Room {
            id,
            ports: SmallVec::new(),
            recordings: SmallVec::new(),
            mix_at: None,
            due: None,
            echo: None,
            shared: Vec::new(),
        }
    }

    /// Whose room it is.
    pub fn id(&self) -> CallId {
        self.id
    }

    /// Whether it has no port.
    pub fn is_empty(&self) -> bool {
        self.ports.iter().all(Option::is_none)
    }

    /// Where the ports of a room of few lie in memory, and how many bytes: for who wants them in the processor's cache
    /// before a packet comes to them.
    #[inline]
    pub fn whereabouts(&self) -> impl Iterator<Item = (*const u8, usize)> {
        self.few_ports().map(|port| (std::ptr::from_ref(port).cast(), size_of::<Port>()))
    }

    /// The same of their playbacks; the ports themselves are looked at.
    #[inline]
    pub fn players_whereabouts(&self) -> impl Iterator<Item = (*const u8, usize)> {
        let players = self.few_ports().filter_map(|port| port.player.as_deref());
        players.map(|player| (std::ptr::from_ref(player).cast(), size_of::<Player>()))
    }

    /// The ports of a room of few, none of a larger one.
    #[inline]
    fn few_ports(&self) -> impl Iterator<Item = &Port> {
        let few = if self.ports.len() <= FEW { &self.ports[..] } else { &[] };
        few.iter().filter_map(Option::as_deref)
    }

    /// Number of playbacks that run.
    pub fn players(&self) -> usize {
        self.ports.iter().flatten().filter(|port| port.player.is_some()).count()
    }

    /// Whether what the peer of port `index` says can wait until we next send to it: it hears a playback, and nobody hears
    /// it, looks for keys in its sound, or keeps when it spoke. Until it is known whose packets are believed each may
    /// decide that.
    #[inline]
    pub fn can_wait(&self, index: PortIndex) -> bool {
        let port = self.ports.get(usize::from(index.0)).and_then(Option::as_deref);
        self.recordings.is_empty() && port.is_some_and(Port::can_wait)
    }

    /// The one source whose packets port `index` believes, and to which it sends, as long as no other may take over.
    #[inline]
    pub fn settled_on(&self, index: PortIndex) -> Option<SocketAddr> {
        self.ports.get(usize::from(index.0))?.as_deref()?.source.settled_on()
    }

    /// Makes a port for `leg`. `seed` should be random: SSRC and first numbers come from it (RFC 3550 §5.1).
    pub fn open(&mut self, now: Instant, leg: LegId, peer: Peer, seed: u64) -> PortIndex {
        let port = Some(Box::new(Port::new(now, leg, peer, seed)));
        let free = self.ports.iter().position(Option::is_none);
        let index = free.unwrap_or(self.ports.len());
        match self.ports.get_mut(index) {
            Some(slot) => *slot = port,
            None => self.ports.push(port),
        }
        // invariant: a room has as many ports as a call has legs and a conference has parties, far below 65,536.
        PortIndex(index as u16)
    }

    /// The port of `leg`.
    pub fn index_of(&self, leg: LegId) -> Option<PortIndex> {
        let place = self.ports.iter().position(|port| port.as_ref().is_some_and(|port| port.leg == leg))?;
        Some(PortIndex(place as u16))
    }

    /// Tells a port what was agreed with its peer, at first or again.
    pub fn describe(&mut self, now: Instant, leg: LegId, negotiated: Negotiated) {
        if let Some(port) = self.port_of(leg) {
            port.describe(now, negotiated);
            self.line_up(now);
            self.rearm();
        }
    }

    /// Tells a port that its peer has fax (T.38) until it is described again.
    pub fn describe_fax(&mut self, now: Instant, leg: LegId, remote: SocketAddr) {
        if let Some(port) = self.port_of(leg) {
            port.describe_fax(now, remote);
            self.line_up(now);
            self.rearm();
        }
    }

    /// Replaces who hears whom: all (talker, listener) pairs. Legs without a port are passed over.
    pub fn hear(&mut self, now: Instant, matrix: &[(LegId, LegId)]) {
        let before: SmallVec<[SmallVec<[u16; 4]>; 4]> = self
            .ports
            .iter_mut()
            .map(|port| {
                let Some(port) = port else { return SmallVec::new() };
                port.heard_by.clear();
                port.hears.drain(..).collect()
            })
            .collect();
        for (talker, listener) in matrix {
            let (Some(from), Some(to)) = (self.index_of(*talker), self.index_of(*listener)) else { continue };
            if let Some(port) = self.port_at(from)
                && !port.heard_by.contains(&to.0)
            {
                port.heard_by.push(to.0);
            }
            if let Some(port) = self.port_at(to)
                && !port.hears.contains(&from.0)
            {
                port.hears.push(from.0);
            }
        }
        for (port, before) in self.ports.iter_mut().zip(before) {
            if let Some(port) = port
                && port.player.is_none()
                && !port.hears.iter().eq(before.iter())
            {
                // Whoever is heard next takes up the stream where it stopped: a pause is no loss.
                port.send.pause();
            }
        }
        self.line_up(now);
        self.rearm();
    }

    /// Speaks to a port. What ran there stops; the end is reported as [`Event::Played`].
    pub fn play(
        &mut self,
        now: Instant,
        leg: LegId,
        play: (PlayId, PlayMode),
        clips: Vec<Arc<Clip>>,
        sink: &mut impl Sink,
    ) {
        let room = self.id;
        let (play, mode) = play;
        let Some(port) = self.port_of(leg) else {
            let how = PlayEnd::Failed("端口不存在 / there is no such port".to_owned());
            sink.event(Event::Played { room, port: leg, play, how });
            return;
        };
        port.send.pause();
        if let Some(before) = port.player.replace(Box::new(Player::new(now, play, clips, mode))) {
            sink.event(Event::Played { room, port: leg, play: before.play, how: PlayEnd::Stopped });
        }
        self.rearm();
    }

    /// Ends a playback, if it still runs.
    pub fn stop_play(&mut self, leg: LegId, play: PlayId, sink: &mut impl Sink) {
        let room = self.id;
        let Some(port) = self.port_of(leg) else { return };
        if port.player.as_ref().is_some_and(|player| player.play == play) {
            port.player = None;
            port.send.pause();
            sink.event(Event::Played { room, port: leg, play, how: PlayEnd::Stopped });
            self.rearm();
        }
    }

    /// Presses a key towards a port's peer, after those that wait: as events or as tones, as was agreed.
    pub fn send_digit(&mut self, now: Instant, leg: LegId, key: Key, millis: u32) {
        if let Some(port) = self.port_of(leg) {
            port.press_out(now, key, millis);
            self.rearm();
        }
    }

    /// Watches a port for silence of this length, or stops watching.
    pub fn watch(&mut self, now: Instant, leg: LegId, rtp_timeout: Option<Duration>) {
        if let Some(port) = self.port_of(leg) {
            port.watch = rtp_timeout.map(|after| Watch::new(now, after));
            self.rearm();
        }
    }

    /// Tells of a port whose peer is not heard for this long, or stops telling. The same again changes nothing.
    pub fn alarm(&mut self, now: Instant, leg: LegId, after: Option<Duration>) {
        if let Some(port) = self.port_of(leg)
            && port.alarm.as_ref().map(Alarm::after) != after
        {
            port.alarm = after.map(|after| Alarm::new(now, after));
            self.rearm();
        }
    }

    /// Begins to hand packets to a recording: what `caller` says, and what it hears of `persons`.
    pub fn record(&mut self, recording: RecordingId, caller: LegId, persons: &[LegId]) {
        self.recordings.retain(|tapped| tapped.recording != recording);
        let persons = SmallVec::from_slice(persons);
        self.recordings.push(Tapped { recording, caller, persons, masks: Masks::default() });
    }

    /// Whether any recording is made here.
    pub fn is_recorded(&self) -> bool {
        !self.recordings.is_empty()
    }

    /// Whether `recording` is made here.
    pub fn is_recording(&self, recording: RecordingId) -> bool {
        self.recordings.iter().any(|tapped| tapped.recording == recording)
    }

    /// Applies what changes who or whether is recorded.
    pub fn mark_recording(&mut self, recording: RecordingId, mark: Mark) {
        let Some(tapped) = self.recordings.iter_mut().find(|tapped| tapped.recording == recording) else {
            return;
        };
        tapped.masks.note(mark);
        match mark {
            Mark::PartyJoined(leg) | Mark::Barged(leg) if !tapped.persons.contains(&leg) => {
                tapped.persons.push(leg);
            }
            Mark::PartyLeft(leg) | Mark::GuestLeft(leg) | Mark::Listened(leg) | Mark::Whispered(leg) => {
                tapped.persons.retain(|person| *person != leg);
            }
            Mark::CallerBecame(leg) => {
                tapped.caller = leg;
                tapped.persons.retain(|person| *person != leg);
            }
            _ => {}
        }
    }

    /// Hands no more packets to `recording`, and says so once.
    pub fn stop_recording(&mut self, recording: RecordingId, sink: &mut impl Sink) {
        if self.is_recording(recording) {
            self.recordings.retain(|tapped| tapped.recording != recording);
            sink.event(Event::RecordingClosed { room: self.id, recording });
        }
    }

    /// Closes a port: its playback stops, its peer gets RTCP BYE, its figures are reported.
    pub fn close(&mut self, now: Instant, leg: LegId, sink: &mut impl Sink) {
        let Some(index) = self.index_of(leg) else { return };
        let Some(mut port) = self.ports.get_mut(usize::from(index.0)).and_then(Option::take) else { return };
        let room = self.id;
        if let Some(player) = port.player.take() {
            sink.event(Event::Played { room, port: leg, play: player.play, how: PlayEnd::Stopped });
        }
        if self.echo == Some(index) {
            self.echo = None;
        }
        port.say_bye(index, sink);
        sink.event(Event::Quality { room, port: leg, quality: port.quality() });
        for other in self.ports.iter_mut().flatten() {
            other.heard_by.retain(|place| *place != index.0);
            other.hears.retain(|place| *place != index.0);
        }
        self.line_up(now);
        self.rearm();
    }

    /// Ends all recordings and closes all ports.
    pub fn close_all(&mut self, now: Instant, sink: &mut impl Sink) {
        while let Some(tapped) = self.recordings.pop() {
            sink.event(Event::RecordingClosed { room: self.id, recording: tapped.recording });
        }
        let legs: SmallVec<[LegId; 4]> = self.ports.iter().flatten().map(|port| port.leg).collect();
        for leg in legs {
            self.close(now, leg, sink);
        }
    }

    /// When [`Room::tick`] has something to do. It changes with any call.
    #[inline]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Decides who is relayed to and who hears decoded sound, and gives a jitter buffer to those who are decoded.
    fn line_up(&mut self, now: Instant) {
        let mut decoded: SmallVec<[u16; 8]> = SmallVec::new();
        for place in 0..self.ports.len() {
            let hearing = self.hearing_of(place);
            let Some(port) = self.ports[place].as_deref_mut() else { continue };
            port.hearing = hearing;
            if hearing == Hearing::Decoded {
                decoded.extend_from_slice(&port.hears);
            }
            if port.player.is_none() && !port.is_decoded() && port.send.is_own() {
                // Mixed speech ended: what comes next begins in its own time.
                port.send.pause();
            }
        }
        let mut any = false;
        for (place, port) in self.ports.iter_mut().enumerate() {
            let Some(port) = port else { continue };
            let wanted = port.is_listened_to_for_keys() || decoded.contains(&(place as u16));
            any |= wanted;
            if !wanted {
                port.jitter = None;
            } else if port.jitter.is_none() {
                port.jitter = Some(Box::new(Jitter::new()));
            }
        }
        self.mix_at = match self.mix_at {
            _ if !any => None,
            Some(at) => Some(at),
            None => Some(now),
        };
    }

    /// How what others say reaches the port at `place`: transcoding is only for legs that share no codec.
    fn hearing_of(&self, place: usize) -> Hearing {
        let Some(port) = self.ports[place].as_deref() else { return Hearing::Relayed };
        let (Some(agreed), [talker]) = (&port.agreed, &port.hears[..]) else {
            return if port.hears.len() > 1 { Hearing::Decoded } else { Hearing::Relayed };
        };
        let talker = self.ports.get(usize::from(*talker)).and_then(Option::as_deref);
        let Some((talker, spoken)) = talker.and_then(|talker| Some((talker, talker.agreed?.codec))) else {
            return Hearing::Relayed;
        };
        let same = spoken == agreed.codec;
        let by_table = Law::of(spoken).is_some() && Law::of(agreed.codec).is_some();
        // Keys in the audio are cut out for a listener that gets them in another way.
        let cut = talker.is_listened_to_for_keys() && agreed.keys != KeyWay::Inband;
        let relayed = match talker.speech {
            _ if cut => false,
            Speech::Agreed => same || by_table,
            Speech::Noisy => (same || by_table) && agreed.noise.is_some(),
            Speech::Varied => false,
        };
        if relayed { Hearing::Relayed } else { Hearing::Decoded }
    }

    fn rearm(&mut self) {
        let ports = self.ports.iter().flatten().filter_map(|port| port.poll_timeout());
        self.due = ports.chain(self.mix_at).min();
    }

    fn port_of(&mut self, leg: LegId) -> Option<&mut Port> {
        self.ports.iter_mut().flatten().map(Box::as_mut).find(|port| port.leg == leg)
    }

    #[inline]
    fn port_at(&mut self, index: PortIndex) -> Option<&mut Port> {
        self.ports.get_mut(usize::from(index.0))?.as_deref_mut()
    }
}

#[cfg(test)]
mod tests;
