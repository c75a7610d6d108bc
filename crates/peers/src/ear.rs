//! Owns what a peer heard: samples in media time, and the tones in them. Does not own packets' way here.

use std::time::Duration;

use clock::Instant;
use media::codec::Decoder;
use sdp::Codec;

/// Samples of one window: 100 ms at 8 kHz.
const WINDOW: usize = 800;

/// The mean power above which a window is not silent (full scale 32,768²).
const AUDIBLE: f64 = 100.0 * 100.0;

/// What a peer heard, in windows of 100 ms by arrival.
#[derive(Debug, Default)]
pub struct Ear {
    began: Option<Instant>,
    samples: Vec<i16>,
    decoder: Option<Decoder>,
    /// When each packet of `samples` came.
    marks: Vec<(Instant, usize)>,
    packets: u64,
    expected: Option<u16>,
    lost: u64,
}

/// One window of what was heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heard {
    /// When it began.
    pub at: Instant,
    /// Mean power of a sample.
    pub power: f64,
    /// The share of the power at the frequency asked for, 0–1.
    pub share: f64,
}

impl Ear {
    /// Counts what is missing before a packet of audio or keys.
    pub fn follow(&mut self, sequence: u16) {
        if let Some(expected) = self.expected {
            let gap = sequence.wrapping_sub(expected);
            // A packet from the past is late, not lost.
            if gap >= 0x8000 {
                return;
            }
            self.lost += u64::from(gap);
        }
        self.expected = Some(sequence.wrapping_add(1));
    }

    /// Takes the payload of an audio packet; its samples.
    pub fn take(&mut self, now: Instant, codec: Codec, payload: &[u8]) -> &[i16] {
        self.packets += 1;
        self.began.get_or_insert(now);
        self.marks.push((now, self.samples.len()));
        let decoder = match &mut self.decoder {
            Some(decoder) if decoder.codec() == codec => decoder,
            decoder => decoder.insert(Decoder::new(codec)),
        };
        let start = self.samples.len();
        decoder.decode(payload, &mut self.samples);
        &self.samples[start..]
    }

    /// Audio packets heard.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Packets missing by sequence number.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The windows in which something was heard, with the share of `hz` in each.
    pub fn windows(&self, hz: f64) -> Vec<Heard> {
        let starts = (0..self.samples.len()).step_by(WINDOW);
        let mut marks = self.marks.iter().peekable();
        let mut at = Instant::ZERO;
        starts
            .filter_map(|start| {
                while let Some((when, _)) = marks.next_if(|(_, first)| *first <= start) {
                    at = *when;
                }
                let window = self.samples.get(start..start + WINDOW)?;
                let power = power(window);
                let share = if power < AUDIBLE { 0.0 } else { tone_share(window, hz) };
                Some(Heard { at, power, share })
            })
            .collect()
    }

    /// How long a tone of `hz` was heard between two instants.
    pub fn tone(&self, hz: f64, from: Instant, to: Instant) -> Duration {
        let heard = self.windows(hz).into_iter().filter(|heard| heard.at >= from && heard.at < to);
        Duration::from_millis(100)
            * u32::try_from(heard.filter(|heard| heard.share > 0.7).count()).unwrap_or(0)
    }

    /// How long a tone of `hz` was among what was heard between two instants.
    pub fn among(&self, hz: f64, from: Instant, to: Instant) -> Duration {
        let heard = self.windows(hz).into_iter().filter(|heard| heard.at >= from && heard.at < to);
        let among = heard.filter(|heard| heard.share > 0.12).count();
        Duration::from_millis(100) * u32::try_from(among).unwrap_or(0)
    }

    /// How long anything was heard between two instants.
    pub fn sound(&self, from: Instant, to: Instant) -> Duration {
        let heard = self.windows(1_000.0).into_iter().filter(|heard| heard.at >= from && heard.at < to);
        Duration::from_millis(100)
            * u32::try_from(heard.filter(|heard| heard.power > AUDIBLE).count()).unwrap_or(0)
    }
}

fn power(window: &[i16]) -> f64 {
    window.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / window.len() as f64
}

/// The share of a window's power at `hz`, 0–1, by Goertzel's algorithm at 8 kHz.
pub fn tone_share(window: &[i16], hz: f64) -> f64 {
    let count = window.len() as f64;
    let step = 2.0 * std::f64::consts::PI * hz / 8_000.0;
    let (mut before, mut last) = (0.0, 0.0);
    for sample in window {
        let next = f64::from(*sample) + 2.0 * step.cos() * last - before;
        (before, last) = (last, next);
    }
    let magnitude = before.powi(2) + last.powi(2) - 2.0 * step.cos() * before * last;
    // A full-scale sine of amplitude A has the magnitude (A·n/2)² and the mean power A²/2.
    let all = power(window);
    if all == 0.0 { 0.0 } else { (2.0 * magnitude / (count * count) / all).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_told_from_another_and_from_silence() {
        let sine = |hz: f64| -> Vec<i16> {
            (0..WINDOW)
                .map(|n| (8_000.0 * (2.0 * std::f64::consts::PI * hz * n as f64 / 8_000.0).sin()) as i16)
                .collect()
        };
        assert!(tone_share(&sine(440.0), 440.0) > 0.99);
        assert!(tone_share(&sine(660.0), 440.0) < 0.01);
        assert_eq!(tone_share(&[0; WINDOW], 440.0), 0.0);
    }

    #[test]
    fn missing_packets_are_counted_and_late_ones_are_not() {
        let mut ear = Ear::default();
        for sequence in [65_534, 65_535, 2, 1, 3] {
            ear.follow(sequence);
        }
        assert_eq!(ear.lost(), 2);
    }
}
