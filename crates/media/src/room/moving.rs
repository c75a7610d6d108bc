//! Owns how a port goes from one room to another: what it keeps, and what it leaves behind. Does not own its sockets.

use clock::Instant;
use model::LegId;

use super::Room;
use crate::command::{Event, PlayEnd};
use crate::port::{Hearing, Port};
use crate::sink::{PortIndex, Sink};

/// A port between two rooms.
#[derive(Debug)]
pub struct Passenger(Box<Port>);

impl Passenger {
    /// Whose port it is.
    pub fn leg(&self) -> LegId {
        self.0.leg
    }
}

impl Room {
    /// Takes the port of `leg` out: its peer, its agreement, its numbers and its watch go with it. What is played to it
    /// ends here, and nobody hears it any more.
    pub fn let_go(&mut self, now: Instant, leg: LegId, sink: &mut impl Sink) -> Option<Passenger> {
        let index = self.index_of(leg)?;
        let mut port = self.ports.get_mut(usize::from(index.0)).and_then(Option::take)?;
        if let Some(player) = port.player.take() {
            sink.event(Event::Played { room: self.id, port: leg, play: player.play, how: PlayEnd::Stopped });
        }
        if self.echo == Some(index) {
            self.echo = None;
        }
        for other in self.ports.iter_mut().flatten() {
            other.heard_by.retain(|place| *place != index.0);
            other.hears.retain(|place| *place != index.0);
        }
        port.heard_by.clear();
        port.hears.clear();
        port.alarm = None;
        port.jitter = None;
        port.hearing = Hearing::Relayed;
        // The places of the next room mean other talkers.
        port.send.pause();
        self.line_up(now);
        self.rearm();
        Some(Passenger(port))
    }

    /// Takes a port in that another room let go.
    pub fn take_in(&mut self, now: Instant, passenger: Passenger) -> PortIndex {
        let free = self.ports.iter().position(Option::is_none);
        let index = free.unwrap_or(self.ports.len());
        match self.ports.get_mut(index) {
            Some(slot) => *slot = Some(passenger.0),
            None => self.ports.push(Some(passenger.0)),
        }
        self.line_up(now);
        self.rearm();
        // invariant: a room has as many ports as a call has legs and a conference has parties, far below 65,536.
        PortIndex(index as u16)
    }
}
