//! Owns the way of keys through a room: told to call control, and passed on to those who hear the presser, in the way
//! that each of them knows. Does not own how a key is heard or made (see [`crate::dtmf`]).

use clock::Instant;
use model::say::Key;
use sdp::KeyWay;

use super::Room;
use crate::codec::FRAME;
use crate::command::Event;
use crate::dtmf::inband;
use crate::dtmf::{End, EventPayload, KeySend, Pressed};
use crate::port::Port;
use crate::sink::{PortIndex, Sink};

impl Room {
    /// A key that the peer of `presser` let go, heard by way of `how`. Call control passes it on to those who want SIP
    /// INFO.
    pub(super) fn tell_key(
        &mut self,
        now: Instant,
        presser: PortIndex,
        pressed: Pressed,
        how: KeyWay,
        sink: &mut impl Sink,
    ) {
        let room = self.id;
        let Some(port) = self.port_at(presser) else { return };
        let Pressed { key, millis } = pressed;
        sink.event(Event::Digit { room, port: port.leg, key, millis });
        let clock = port.agreed.map(|agreed| agreed.dtmf_clock);
        for nth in 0..port.heard_by.len() {
            let Some(to) = self.listener(presser, nth) else { continue };
            let Some(listener) = self.port_at(to) else { continue };
            let Some(agreed) = listener.agreed else { continue };
            // In a conference keys are for us. A prompt is not interrupted by them.
            if listener.hears.len() > 1 || listener.player.is_some() || to == presser {
                continue;
            }
            let passed_on = match (how, agreed.keys) {
                (KeyWay::Events, KeyWay::Events) => {
                    !listener.is_decoded() && clock == Some(agreed.dtmf_clock)
                }
                (KeyWay::Inband, KeyWay::Inband) | (_, KeyWay::Info | KeyWay::Nowhere) => true,
                _ => false,
            };
            if !passed_on {
                listener.press_out(now, key, millis);
            }
        }
    }
}

impl Port {
    /// Presses a key towards the peer.
    pub(super) fn press_out(&mut self, now: Instant, key: Key, millis: u32) {
        let longest = match &self.agreed {
            Some(agreed) if agreed.keys == KeyWay::Events => KeySend::longest(agreed.dtmf_clock),
            _ => KeySend::LONGEST,
        };
        self.keys_out.get_or_insert_default().press(now, key, millis.min(longest));
    }

    /// Sends the packets of our keys that are due.
    pub(super) fn press(&mut self, now: Instant, index: PortIndex, sink: &mut impl Sink) {
        while let Some((packet, payload)) = self.keys_out.as_mut().and_then(|keys| keys.poll_packet(now)) {
            let Some(outlet) = self.outlet() else {
                self.send.pause();
                continue;
            };
            match (outlet.keys, outlet.key_payload_type) {
                (KeyWay::Events, Some(payload_type)) => {
                    let slot = self.send.key(now, packet);
                    let told = payload.counted_in(outlet.key_clock);
                    self.send_own(index, (outlet, payload_type), slot, &told.to_bytes(), sink);
                }
                (KeyWay::Inband, _) => {
                    let frame = tone_of(payload);
                    let slot = self.send.own(now, FRAME as u64);
                    self.send_linear(index, outlet, slot, &frame, sink);
                }
                // By INFO, which call control sends, or not at all.
                (KeyWay::Info | KeyWay::Nowhere, _) | (KeyWay::Events, None) => self.send.pause(),
            }
        }
    }
}

/// The 20 ms that end where the event has come to; silence when it is over.
fn tone_of(payload: EventPayload) -> [i16; FRAME] {
    match (payload.end, Key::from_event(payload.event)) {
        (End::GoesOn, Some(key)) => {
            inband::sound(key, u32::from(payload.duration).saturating_sub(FRAME as u32))
        }
        _ => [0; FRAME],
    }
}
