//! Owns what a peer says: a packet of 20 ms at a time, tones and keys. Does not own where it goes.

use std::time::Duration;

use clock::Instant;
use media::codec::{Encoder, LONGEST, ticks_per_sample};
use media::dtmf::{End, KeySend, inband};
use media::rtp::{HEADER, Marker, write_header};
use media::rtp_send::KeyPacket;
use model::say::Key;
use sdp::{KeyWay, Negotiated};

/// 20 ms at 8 kHz.
const FRAME: usize = 160;

/// The distance of packets.
const PTIME: Duration = Duration::from_millis(20);

/// What a peer says while nobody presses a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sound {
    /// Packets without sound.
    Silence,
    /// A tone of this frequency in Hz, at −12 dBm0.
    Tone(f64),
    /// No packets at all.
    Nothing,
}

/// What a peer says.
#[derive(Debug)]
pub(crate) struct Mouth {
    sound: Sound,
    phase: f64,
    encoder: Option<Encoder>,
    keys: KeySend,
    sequence: u16,
    timestamp: u32,
    /// The timestamp at which the key that is pressed began (RFC 4733 §2.1).
    key_began: u32,
    ssrc: u32,
    due: Option<Instant>,
    /// It has said nothing at all for a while: what it left out is not made up for.
    woken: bool,
    packets: u64,
}

impl Mouth {
    pub fn new(ssrc: u32) -> Mouth {
        Mouth {
            sound: Sound::Silence,
            phase: 0.0,
            encoder: None,
            keys: KeySend::default(),
            sequence: ssrc as u16,
            timestamp: ssrc.rotate_left(7),
            key_began: 0,
            ssrc,
            due: None,
            woken: false,
            packets: 0,
        }
    }

    pub fn say(&mut self, sound: Sound) {
        self.woken |= self.is_dumb();
        self.sound = sound;
    }

    pub fn press(&mut self, now: Instant, key: Key) {
        self.woken |= self.is_dumb();
        self.keys.press(now, key, 160);
    }

    pub fn open(&mut self, now: Instant) {
        self.due.get_or_insert(now);
    }

    pub fn close(&mut self) {
        self.due = None;
    }

    pub fn packets(&self) -> u64 {
        self.packets
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.filter(|_| !self.is_dumb())
    }

    /// Whether no packet comes until it is told to say something.
    fn is_dumb(&self) -> bool {
        self.sound == Sound::Nothing && !self.keys.is_pressing()
    }

    /// The packet that is due.
    pub fn poll_packet(&mut self, now: Instant, agreed: &Negotiated) -> Option<Vec<u8>> {
        let mut due = self.due.filter(|due| *due <= now)?;
        let ticks = ticks_per_sample(agreed.codec.clock_rate());
        if std::mem::take(&mut self.woken) {
            let missed = (now.since(due).as_micros() / PTIME.as_micros()) as u32;
            due += PTIME * missed;
            self.timestamp = self.timestamp.wrapping_add(missed.wrapping_mul(FRAME as u32 * ticks));
        }
        self.due = Some(due + PTIME);
        self.timestamp = self.timestamp.wrapping_add(FRAME as u32 * ticks);
        let key = self.keys.poll_packet(now);
        let payload_type = agreed.dtmf.filter(|_| key.is_some());
        if let (Some((kind, payload)), Some(payload_type)) = (key, payload_type) {
            let marker = match kind {
                KeyPacket::First => {
                    self.key_began = self.timestamp;
                    Marker::First
                }
                KeyPacket::Following => Marker::Following,
            };
            let told = payload.counted_in(agreed.dtmf_clock);
            return Some(self.packet(marker, payload_type, self.key_began, &told.to_bytes()));
        }
        if !agreed.direction.sends() || self.sound == Sound::Nothing {
            return None;
        }
        let pressed = key.filter(|_| agreed.keys == KeyWay::Inband).map(|(_, payload)| payload);
        let frame: [i16; FRAME] = match pressed {
            Some(payload) if payload.end == End::GoesOn => {
                let at = u32::from(payload.duration).saturating_sub(FRAME as u32);
                Key::from_event(payload.event).map_or([0; FRAME], |key| inband::sound(key, at))
            }
            Some(_) => [0; FRAME],
            None => std::array::from_fn(|_| self.sample()),
        };
        let encoder = match &mut self.encoder {
            Some(encoder) if encoder.codec() == agreed.codec => encoder,
            encoder => encoder.insert(Encoder::new(agreed.codec)),
        };
        let mut payload = [0; LONGEST];
        let length = encoder.encode(&frame, &mut payload);
        Some(self.packet(Marker::Following, agreed.payload_type, self.timestamp, &payload[..length]))
    }

    fn sample(&mut self) -> i16 {
        match self.sound {
            Sound::Tone(hz) if !self.keys.is_pressing() => {
                self.phase = (self.phase + hz / 8_000.0).fract();
                (8_000.0 * (2.0 * std::f64::consts::PI * self.phase).sin()) as i16
            }
            Sound::Tone(_) | Sound::Silence | Sound::Nothing => 0,
        }
    }

    fn packet(&mut self, marker: Marker, payload_type: u8, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let mut header = [0; HEADER];
        self.sequence = self.sequence.wrapping_add(1);
        write_header(&mut header, marker, payload_type, (self.sequence, timestamp), self.ssrc);
        self.packets += 1;
        [&header[..], payload].concat()
    }
}
