//! Owns the short wait that lines up one talker's packets before they are mixed with others'. Does not own the
//! mixing (see [`crate::room`]); relayed audio never waits here.

use crate::codec::{self, Codec, FRAME};

/// Samples kept: 512 ms.
const RING: usize = 4_096;

/// How far reading stays behind the first packet: 40 ms.
const DELAY: u64 = 2 * FRAME as u64;

/// More than this in store is a talker with a faster clock, or a burst: 20 ms of it are let go. 160 ms.
const MOST: u64 = 8 * FRAME as u64;

/// A talker that says nothing for this long begins anew: 500 ms.
const QUIET: u64 = 25 * FRAME as u64;

/// Whether a talker says something in this tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    Yes,
    No,
}

/// One talker's next half second as linear samples, by media time.
#[derive(Clone, Debug)]
pub(crate) struct Jitter {
    ring: [i16; RING],
    /// Media time of the next frame to read; `None` before the first packet.
    read: Option<u64>,
    /// Media time behind the last sample written.
    written: u64,
    /// The frame of this tick; silent unless `speaks`.
    frame: [i16; FRAME],
    speaks: Speaks,
}

impl Jitter {
    pub fn new() -> Jitter {
        Jitter { ring: [0; RING], read: None, written: 0, frame: [0; FRAME], speaks: Speaks::No }
    }

    /// Puts a packet in its place; what is too late or too early is dropped.
    pub fn push(&mut self, media_time: u64, codec: Codec, payload: &[u8]) {
        let end = media_time + payload.len() as u64;
        let read = match self.read {
            Some(read) if end > read + RING as u64 || media_time + RING as u64 <= read => {
                self.begin(media_time)
            }
            Some(read) => read,
            None => self.begin(media_time),
        };
        for (time, code) in (media_time..).zip(payload) {
            if time >= read && time < read + RING as u64 {
                self.ring[time as usize % RING] = codec::decode(codec, *code);
            }
        }
        self.written = self.written.max(end);
    }

    /// Moves on by 20 ms; [`Jitter::frame`] is what was said in them.
    pub fn pull(&mut self) {
        self.speaks = Speaks::No;
        let Some(mut read) = self.read else { return };
        if self.written > read + MOST {
            self.clear(read);
            read += FRAME as u64;
        }
        if read > self.written + QUIET {
            self.read = None;
            return;
        }
        for (sample, time) in self.frame.iter_mut().zip(read..) {
            *sample = self.ring[time as usize % RING];
        }
        self.clear(read);
        self.read = Some(read + FRAME as u64);
        if self.written > read {
            self.speaks = Speaks::Yes;
        }
    }

    /// The 20 ms of this tick, what was lost in them silent; `None` when nothing was said.
    pub fn frame(&self) -> Option<&[i16; FRAME]> {
        (self.speaks == Speaks::Yes).then_some(&self.frame)
    }

    fn begin(&mut self, media_time: u64) -> u64 {
        self.ring = [0; RING];
        self.written = media_time;
        let read = media_time.saturating_sub(DELAY);
        self.read = Some(read);
        read
    }

    fn clear(&mut self, from: u64) {
        for time in from..from + FRAME as u64 {
            self.ring[time as usize % RING] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(level: i16) -> Vec<u8> {
        vec![codec::encode(Codec::Pcma, level); FRAME]
    }

    /// The mean level of the next frame, or `None` when nothing was said.
    fn next(jitter: &mut Jitter) -> Option<i16> {
        jitter.pull();
        jitter.frame().map(|frame| frame[80])
    }

    #[test]
    fn packets_are_read_in_order_40_ms_later() {
        let mut jitter = Jitter::new();
        for (nth, level) in [(0, 1_000), (2, 3_000), (1, 2_000)] {
            jitter.push(5_000 + nth * 160, Codec::Pcma, &packet(level));
        }
        let heard: Vec<i16> = (0..5).filter_map(|_| next(&mut jitter)).collect();
        let expected =
            [0, 0, 1_000, 2_000, 3_000].map(|level| if level == 0 { 0 } else { packet_level(level) });
        assert_eq!(heard, expected);
        assert_eq!(next(&mut jitter), None);
    }

    fn packet_level(level: i16) -> i16 {
        codec::decode(Codec::Pcma, codec::encode(Codec::Pcma, level))
    }

    #[test]
    fn a_lost_packet_is_silence_and_a_late_one_is_not_heard() {
        let mut jitter = Jitter::new();
        jitter.push(5_000, Codec::Pcma, &packet(1_000));
        jitter.push(5_320, Codec::Pcma, &packet(3_000));
        let before: Vec<_> = (0..4).map(|_| next(&mut jitter)).collect();
        assert_eq!(before[3], Some(0));
        jitter.push(5_160, Codec::Pcma, &packet(2_000));
        assert_eq!(next(&mut jitter), Some(packet_level(3_000)));
    }

    #[test]
    fn a_burst_is_caught_up_with_and_a_pause_begins_anew() {
        let mut jitter = Jitter::new();
        for nth in 0..20 {
            jitter.push(5_000 + nth * 160, Codec::Pcma, &packet(1_000));
        }
        let frames = (0..100).filter(|_| next(&mut jitter).is_some()).count();
        assert!((8..=16).contains(&frames), "{frames}");
        jitter.push(900_000, Codec::Pcma, &packet(2_000));
        let heard: Vec<_> = (0..3).map(|_| next(&mut jitter)).collect();
        assert_eq!(heard, [Some(0), Some(0), Some(packet_level(2_000))]);
    }

    #[test]
    fn wild_times_do_not_break_it() {
        let mut jitter = Jitter::new();
        for time in [0, 1 << 40, 3, 1 << 33, 5_000, 4_999, 1 << 62] {
            jitter.push(time, Codec::Pcmu, &packet(700));
            next(&mut jitter);
        }
    }
}
