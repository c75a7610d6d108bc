//! Owns decoded speech: every 20 ms, for each port that hears several talkers or one of another codec, the sum of what
//! they say. One encoding serves all who hear the same.

use std::time::Duration;

use clock::Instant;
use sdp::KeyWay;
use smallvec::SmallVec;

use super::Room;
use crate::codec::{Codec, Encoder, FRAME, LONGEST};
use crate::jitter::Jitter;
use crate::player::INTERVAL;
use crate::port::{Outlet, Port};
use crate::rtp_receive::samples;
use crate::sink::{PortIndex, Sink};

/// How often a silence is told of again.
const NOISE_INTERVAL: Duration = Duration::from_millis(500);

/// Mixed frames missed by more than this are let go: 100 ms.
const MOST_LATE: u32 = 5;

impl Room {
    /// Sends the mixed frames that are due.
    pub(super) fn mix(&mut self, now: Instant, sink: &mut impl Sink) {
        let Some(mut at) = self.mix_at else { return };
        if now.since(at) > INTERVAL * MOST_LATE {
            for port in self.ports.iter_mut().flatten().filter(|port| port.is_decoded()) {
                port.mixed_ahead += samples(at, now);
            }
            at = now;
        }
        while at <= now {
            self.mix_frame(now, sink);
            at += INTERVAL;
        }
        if self.mix_at.is_some() {
            self.mix_at = Some(at);
        }
    }

    fn mix_frame(&mut self, now: Instant, sink: &mut impl Sink) {
        self.listen_for_keys(now, sink);
        let listeners = self.ports.iter().flatten().filter(|port| port.is_decoded()).count();
        let everybody = self.speakers();
        let mut made: SmallVec<[Made; 4]> = SmallVec::new();
        for place in 0..self.ports.len() {
            let Some(port) = self.ports[place].as_deref().filter(|port| port.is_decoded()) else { continue };
            let outlet = port.outlet().filter(|_| port.listens());
            let said = outlet.map(|outlet| self.said_to(port, outlet));
            let Some(port) = self.ports[place].as_deref_mut() else { continue };
            port.mixed_ahead += FRAME as u64;
            let (Some(outlet), Some(said)) = (outlet, said) else { continue };
            let index = PortIndex(place as u16);
            match said.voices {
                0 => port.send_noise(now, (index, outlet), said.noise, sink),
                _ => {
                    // Whoever says nothing in a conference hears the same as the others who say nothing.
                    let alike = listeners > 2 && said.mask.is_some() && said.mask == everybody;
                    let known = made.iter().find(|made| alike && made.codec == outlet.codec);
                    let payload = match known {
                        Some(made) => made.payload.clone(),
                        None => {
                            let frame = said.frame();
                            let encoder = if alike {
                                shared(&mut self.shared, outlet.codec)
                            } else {
                                port.encoder_for(outlet.codec)
                            };
                            let mut payload = [0; LONGEST];
                            let length = encoder.encode(&frame, &mut payload);
                            let payload: Payload = SmallVec::from_slice(&payload[..length]);
                            if alike {
                                made.push(Made { codec: outlet.codec, payload: payload.clone() });
                            }
                            payload
                        }
                    };
                    let slot = port.send.own(now, std::mem::take(&mut port.mixed_ahead));
                    port.noise_told = None;
                    port.send_own(index, (outlet, outlet.payload_type), slot, &payload, sink);
                }
            }
        }
    }

    /// Moves all talkers on by a frame and looks for keys in it. Who turns out to be a fax device is relayed from then on where
    /// that can be: modems hear what a jitter buffer does (ITU-T V.152 §6).
    fn listen_for_keys(&mut self, now: Instant, sink: &mut impl Sink) {
        let mut became_fax = false;
        for place in 0..self.ports.len() {
            let Some(port) = &mut self.ports[place] else { continue };
            let Some(jitter) = &mut port.jitter else { continue };
            jitter.pull();
            let Some(tones) = &mut port.tones else { continue };
            let was_fax = tones.is_fax();
            let told = tones.take(jitter.frame().unwrap_or(&[0; FRAME]));
            became_fax |= tones.is_fax() && !was_fax;
            if let Some(pressed) = told {
                self.tell_key(now, PortIndex(place as u16), pressed, KeyWay::Inband, sink);
            }
        }
        if became_fax {
            self.line_up(now);
        }
    }

    /// Who says something in this frame; `None` when there are more places than a mask has.
    fn speakers(&self) -> Option<u128> {
        let speaking = |(place, port): (usize, &Option<Box<Port>>)| {
            let jitter = port.as_deref().and_then(|port| port.jitter.as_deref());
            jitter.and_then(Jitter::frame).map(|_| place)
        };
        let mut places = self.ports.iter().enumerate().filter_map(speaking);
        places.try_fold(0, |mask, place| Some(mask | 1u128.checked_shl(place as u32)?))
    }

    /// What `port` hears in this frame.
    fn said_to(&self, port: &Port, outlet: Outlet) -> Said {
        let mut said = Said { sum: [0; FRAME], voices: 0, noise: None, mask: Some(0) };
        for place in &port.hears {
            let Some(talker) = self.ports.get(usize::from(*place)).and_then(Option::as_deref) else {
                continue;
            };
            if talker.is_hushed_for(outlet.keys) {
                continue;
            }
            let Some(jitter) = talker.jitter.as_deref() else { continue };
            let Some(frame) = jitter.frame() else { continue };
            let noise = jitter.noise().filter(|_| outlet.noise_payload_type.is_some());
            if let Some(noise) = noise {
                // The listener makes the noise itself.
                said.noise = Some(noise.payload());
                continue;
            }
            said.voices += 1;
            said.mask = said.mask.and_then(|mask| Some(mask | 1u128.checked_shl(u32::from(*place))?));
            for (sum, sample) in said.sum.iter_mut().zip(frame) {
                *sum += i32::from(*sample);
            }
        }
        said
    }
}

/// The sum of what a port hears in a frame.
struct Said {
    sum: [i32; FRAME],
    voices: usize,
    /// The payload of a talker's silence, for a listener that can make its noise.
    noise: Option<[u8; 1]>,
    /// Whom it hears; `None` when there are more places than bits.
    mask: Option<u128>,
}

impl Said {
    fn frame(&self) -> [i16; FRAME] {
        self.sum.map(|sample| sample.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16)
    }
}

type Payload = SmallVec<[u8; FRAME]>;

/// A frame that is sent to several.
struct Made {
    codec: Codec,
    payload: Payload,
}

/// The room's own encoder of `codec`.
fn shared(encoders: &mut Vec<Encoder>, codec: Codec) -> &mut Encoder {
    let at = encoders.iter().position(|known| known.codec() == codec).unwrap_or_else(|| {
        encoders.push(Encoder::new(codec));
        encoders.len() - 1
    });
    &mut encoders[at]
}

impl Port {
    /// Tells of a talker's silence where the peer knows comfort noise: at its beginning, and again from time to time,
    /// since a packet may be lost (RFC 3389 §4).
    fn send_noise(
        &mut self,
        now: Instant,
        (index, outlet): (PortIndex, Outlet),
        noise: Option<[u8; 1]>,
        sink: &mut impl Sink,
    ) {
        let (Some(noise), Some(payload_type)) = (noise, outlet.noise_payload_type) else { return };
        if self.noise_told.is_some_and(|told| now < told + NOISE_INTERVAL) {
            return;
        }
        self.noise_told = Some(now);
        let slot = self.send.own(now, std::mem::take(&mut self.mixed_ahead));
        self.send_own(index, (outlet, payload_type), slot, &noise, sink);
    }
}
