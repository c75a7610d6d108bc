//! Owns mixed speech: every 20 ms, for each port that hears several talkers, the sum of what they say.

use clock::Instant;

use super::Room;
use crate::codec::{self, FRAME};
use crate::jitter::Jitter;
use crate::player::INTERVAL;
use crate::port::Port;
use crate::rtp_receive::samples;
use crate::sink::{PortIndex, Sink};

/// Mixed frames missed by more than this are let go: 100 ms.
const MOST_LATE: u32 = 5;

impl Room {
    /// Sends the mixed frames that are due.
    pub(super) fn mix(&mut self, now: Instant, sink: &mut impl Sink) {
        let Some(mut at) = self.mix_at else { return };
        if now.since(at) > INTERVAL * MOST_LATE {
            for port in self.ports.iter_mut().flatten().filter(|port| port.is_mixed()) {
                port.mixed_ahead += samples(at, now);
            }
            at = now;
        }
        while at <= now {
            self.mix_frame(now, sink);
            at += INTERVAL;
        }
        self.mix_at = Some(at);
    }

    fn mix_frame(&mut self, now: Instant, sink: &mut impl Sink) {
        for port in self.ports.iter_mut().flatten() {
            if let Some(jitter) = &mut port.jitter {
                jitter.pull();
            }
        }
        for place in 0..self.ports.len() {
            let Some(port) = self.ports[place].as_deref().filter(|port| port.is_mixed()) else { continue };
            let mut sum = [0i32; FRAME];
            let mut voices = 0;
            for talker in &port.hears {
                let talker = self.ports.get(usize::from(*talker)).and_then(Option::as_deref);
                let jitter = talker.and_then(|talker| talker.jitter.as_deref());
                let Some(frame) = jitter.and_then(Jitter::frame) else { continue };
                voices += 1;
                for (sum, sample) in sum.iter_mut().zip(frame) {
                    *sum += i32::from(*sample);
                }
            }
            if let Some(port) = self.ports[place].as_deref_mut() {
                port.mixed_ahead += FRAME as u64;
                if voices > 0 {
                    port.send_mixed(now, PortIndex(place as u16), &sum, sink);
                }
            }
        }
    }
}

impl Port {
    fn send_mixed(&mut self, now: Instant, index: PortIndex, sum: &[i32; FRAME], sink: &mut impl Sink) {
        let Some(outlet) = self.outlet().filter(|_| self.listens()) else { return };
        let mut payload = [0; FRAME];
        for (code, sample) in payload.iter_mut().zip(sum) {
            let sample = (*sample).clamp(i32::from(i16::MIN), i32::from(i16::MAX));
            *code = codec::encode(outlet.codec, sample as i16);
        }
        let slot = self.send.own(now, std::mem::take(&mut self.mixed_ahead));
        self.send_own(index, (outlet, outlet.payload_type), slot, &payload, sink);
    }
}
