//! Owns pcap files of RTP that SIPp plays: speech of one tone as A-law, and keys as telephone events (RFC 4733).

use std::f64::consts::TAU;
use std::path::Path;

use crate::wav::alaw;

/// What a party sends, packet after packet, 20 ms each.
#[derive(Debug, Default)]
pub struct Capture {
    packets: Vec<Packet>,
    /// Samples so far.
    at: u32,
}

#[derive(Debug)]
struct Packet {
    /// When it is sent, in samples.
    sent: u32,
    /// Its RTP timestamp.
    timestamp: u32,
    payload_type: u8,
    marker: u8,
    payload: Vec<u8>,
}

impl Capture {
    /// `millis` of silence.
    pub fn silence(mut self, millis: u32) -> Capture {
        self.audio(millis, |_| SILENCE);
        self
    }

    /// `millis` of a tone at half the full scale.
    pub fn tone(mut self, hz: f64, millis: u32) -> Capture {
        self.audio(millis, |at| alaw((16_000.0 * (TAU * hz * f64::from(at) / 8_000.0).sin()) as i16));
        self
    }

    /// A key of 160 ms as telephone events of payload type 101: 0–9, 10 for *, 11 for #.
    pub fn key(self, event: u8) -> Capture {
        self.key_as(event, 101)
    }

    /// A key of another payload type.
    pub fn key_as(mut self, event: u8, payload_type: u8) -> Capture {
        let (began, ticks) = (self.at, 8);
        for tick in 1..=ticks {
            // RFC 4733 §2.5.1.4: the last packet is sent three times in all.
            for copy in 0..if tick == ticks { 3 } else { 1 } {
                let end = if tick == ticks { 0x80 } else { 0 };
                let [high, low] = (tick as u16 * PER_PACKET as u16).to_be_bytes();
                self.packets.push(Packet {
                    sent: self.at + copy * 40,
                    timestamp: began,
                    payload_type,
                    marker: if tick == 1 { 0x80 } else { 0 },
                    payload: vec![event, end | 10, high, low],
                });
            }
            self.at += PER_PACKET;
        }
        self
    }

    fn audio(&mut self, millis: u32, sample: impl Fn(u32) -> u8) {
        for _ in 0..millis / 20 {
            let payload = (self.at..self.at + PER_PACKET).map(&sample).collect();
            let marker = if self.at == 0 { 0x80 } else { 0 };
            let packet = Packet { sent: self.at, timestamp: self.at, payload_type: 8, marker, payload };
            self.packets.push(packet);
            self.at += PER_PACKET;
        }
    }

    /// Writes the file: Ethernet, IPv4, UDP, RTP. SIPp puts its own addresses and ports.
    pub fn write(&self, path: &Path) {
        let mut file = Vec::new();
        for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1] {
            file.extend(u32::to_le_bytes(word));
        }
        for (number, packet) in self.packets.iter().enumerate() {
            let frame = packet.frame(u16::try_from(number).expect("fewer than 65,536 packets"));
            let micros = u64::from(packet.sent) * 125;
            let seconds = (micros / 1_000_000) as u32;
            let length = frame.len() as u32;
            for word in [1_000 + seconds, (micros % 1_000_000) as u32, length, length] {
                file.extend(word.to_le_bytes());
            }
            file.extend(frame);
        }
        std::fs::write(path, file).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

impl Packet {
    fn frame(&self, sequence: u16) -> Vec<u8> {
        let udp = 8 + 12 + self.payload.len() as u16;
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00];
        frame.extend([0x45, 0]);
        frame.extend((20 + udp).to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 2]);
        for word in [5_000, 5_002, udp, 0] {
            frame.extend(u16::to_be_bytes(word));
        }
        frame.extend([0x80, self.marker | self.payload_type]);
        frame.extend(sequence.to_be_bytes());
        frame.extend((self.timestamp + 8_000).to_be_bytes());
        frame.extend(SSRC.to_be_bytes());
        frame.extend(&self.payload);
        frame
    }
}

/// Samples of 20 ms.
const PER_PACKET: u32 = 160;
/// A-law's zero.
const SILENCE: u8 = 0xd5;
const SSRC: u32 = 0x1234_5678;
