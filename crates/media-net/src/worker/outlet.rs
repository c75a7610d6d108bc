//! Owns what a room hands out on its way into sockets, the journal and events. Does not own the room (see
//! [`super::rooms`]).

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use clock::Instant;
use media::Sink;
use media::command::Event;
use media::recording::Recorder;
use media::sink::{Channel, PortIndex, TapPacket};
use model::{RecordingId, TenantId};
use smallvec::SmallVec;

use super::{Figures, Surroundings, add};
use crate::journal::Ended;
use crate::ports::{Pair, Takes};
use crate::sys;

/// The sockets of a room's ports, by their index: beside the room, where a packet's way finds them without another look
/// into memory.
pub type Sockets = SmallVec<[Option<Pair>; 2]>;

/// A recording of a room.
#[derive(Debug)]
pub struct Running {
    pub recorder: Recorder,
    pub tenant: TenantId,
}

/// Where a room's sounds and words go.
pub struct Outlet<'a> {
    pub now: Instant,
    pub sockets: &'a Sockets,
    pub running: &'a mut SmallVec<[Running; 1]>,
    /// Ends that the full ring did not take.
    pub untold: &'a mut Vec<Ended>,
    /// Events of this turn.
    pub events: &'a mut Vec<Event>,
    pub around: &'a Surroundings,
    pub figures: &'a Figures,
}

impl Outlet<'_> {
    #[inline]
    fn send(&self, port: PortIndex, channel: Channel, to: SocketAddr, datagram: &[u8]) {
        let pair = self.sockets.get(usize::from(port.0)).and_then(Option::as_ref);
        let sent = pair.is_some_and(|pair| match (channel, pair.takes) {
            // Whose packets are believed is whom we speak to.
            (Channel::Rtp, Takes::Peers) => sys::send_on(&pair.rtp, datagram),
            _ => sys::send(super::shelf::socket(pair, channel), to, datagram),
        });
        if !sent {
            self.figures.unsent.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Ends a recording: its last block goes to the journal before the journal hears of its end.
    fn end(&mut self, recording: RecordingId) {
        let Some(place) = self.running.iter().position(|r| r.recorder.recording() == recording) else {
            return;
        };
        let Running { mut recorder, tenant } = self.running.swap_remove(place);
        recorder.end(self.now);
        hand_over(self.now, &mut recorder, self.around);
        add(&self.figures.recordings, -1);
        let ended = Ended { recording, call: recorder.call(), tenant };
        if let Err(ended) = self.around.journal.closed(ended) {
            self.untold.push(ended);
        }
    }
}

impl Sink for Outlet<'_> {
    #[inline]
    fn rtp(&mut self, port: PortIndex, to: SocketAddr, datagram: &[u8]) {
        self.send(port, Channel::Rtp, to, datagram);
    }

    fn rtcp(&mut self, port: PortIndex, socket: Channel, to: SocketAddr, datagram: &[u8]) {
        self.send(port, socket, to, datagram);
    }

    #[inline]
    fn record(&mut self, recording: RecordingId, packet: &TapPacket<'_>) {
        if let Some(running) = self.running.iter_mut().find(|r| r.recorder.recording() == recording) {
            running.recorder.packet(packet);
            if running.recorder.has_block() {
                hand_over(self.now, &mut running.recorder, self.around);
            }
        }
    }

    fn event(&mut self, event: Event) {
        if let Event::RecordingClosed { recording, .. } = event {
            self.end(recording);
        }
        self.events.push(event);
    }
}

/// Gives the blocks that are ready to the journal, which drops and counts what it cannot take.
pub fn hand_over(now: Instant, recorder: &mut Recorder, around: &Surroundings) {
    while let Some(block) = recorder.poll_block(now) {
        around.journal.block(block);
    }
}
