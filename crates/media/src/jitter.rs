//! Owns the short wait that lines up one talker's packets before they are decoded: for mixing, for listeners of other
//! codecs, and for keys in the audio. Does not own the mixing (see [`crate::room`]); relayed audio never waits here.
//!
//! Media time runs with the room's ticks. A packet that comes in time is decoded in its place, one that does not is
//! made up for; packets that keep coming late make the wait longer, and a wait that nobody needs becomes shorter.

use crate::codec::{self, Codec, FRAME};
use crate::noise::Noise;
use crate::voice::Voice;

/// The wait at first, at least, and at most, in frames of 20 ms.
const FIRST_WAIT: u64 = 2;
const SHORTEST_WAIT: u64 = 2;
const LONGEST_WAIT: u64 = 10;

/// More than this in store, beside the wait, is a talker with a faster clock, or a burst: 20 ms of it are let go. 120 ms.
const MOST: u64 = 6 * FRAME as u64;

/// A talker that says nothing for this long begins anew: 500 ms.
const QUIET: u64 = 25 * FRAME as u64;

/// A talker whose noise is heard begins anew after 10 s without a word.
const LONG_QUIET: u64 = 500 * FRAME as u64;

/// A packet this far from what is heard belongs to another time: 1 s.
const FAR: u64 = 50 * FRAME as u64;

/// Packets that may wait.
const WAITING: usize = 64;

/// So many packets in a row that are all too late set the talker's time anew.
const MOST_LATE: u32 = 12;

/// After so many packets that were all early, the wait becomes shorter: 5 s of packets of 20 ms.
const PATIENCE: u32 = 250;

/// Whether a talker says something in this tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    Yes,
    /// Noise of a silence alone.
    Noise,
    No,
}

/// One talker's next moments, by media time in samples of 8 kHz.
#[derive(Debug)]
pub(crate) struct Jitter {
    /// Packets in the order of their media time.
    waiting: Vec<Waiting>,
    /// Payload buffers to use again.
    spare: Vec<Vec<u8>>,
    voice: Voice,
    noise: Option<Noise>,
    /// Decoded samples, the first at `read`.
    linear: Vec<i16>,
    /// Media time of the next frame to read; `None` before the first packet.
    read: Option<u64>,
    /// Media time behind the last packet.
    written: u64,
    /// The wait, in frames.
    wait: u64,
    /// Packets in a row that came too late.
    late: u32,
    /// Frames by which reading still has to stay behind.
    owed: u64,
    /// The shortest time by which a packet came early, in samples, and how many packets it is of.
    earliness: (u64, u32),
    /// The frame of this tick; silent unless `speaks`.
    frame: [i16; FRAME],
    speaks: Speaks,
    /// What `linear` holds behind the frame.
    rest: Speaks,
}

#[derive(Debug)]
struct Waiting {
    media_time: u64,
    what: What,
    payload: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Audio(Codec),
    Noise,
}

impl Jitter {
    pub fn new() -> Jitter {
        Jitter {
            waiting: Vec::new(),
            spare: Vec::new(),
            voice: Voice::default(),
            noise: None,
            linear: Vec::new(),
            read: None,
            written: 0,
            wait: FIRST_WAIT,
            late: 0,
            owed: 0,
            earliness: (u64::MAX, 0),
            frame: [0; FRAME],
            speaks: Speaks::No,
            rest: Speaks::No,
        }
    }

    /// Puts a packet of audio in its place; what is too late is dropped.
    pub fn push(&mut self, media_time: u64, codec: Codec, payload: &[u8]) {
        let length = codec::length(codec, payload) as u64;
        if length > 0 {
            self.place(media_time, length, What::Audio(codec), payload);
        }
    }

    /// Puts a packet of comfort noise in its place (RFC 3389).
    pub fn push_noise(&mut self, media_time: u64, payload: &[u8]) {
        self.place(media_time, FRAME as u64, What::Noise, payload);
    }

    fn place(&mut self, media_time: u64, length: u64, what: What, payload: &[u8]) {
        let end = media_time + length;
        let read = match self.read {
            Some(read) if media_time > read + FAR || end + FAR <= read => self.begin(media_time),
            Some(read) => read,
            None => self.begin(media_time),
        };
        if end <= read {
            // It is made up for already. The next ones get more time.
            if self.wait < LONGEST_WAIT {
                self.wait += 1;
                self.owed += 1;
            }
            self.earliness = (u64::MAX, 0);
            self.late += 1;
            // A talker whose clock stood still while it was silent would be late for ever.
            if self.late < MOST_LATE {
                return;
            }
            self.begin(media_time);
        }
        self.late = 0;
        let at = self.waiting.partition_point(|waiting| waiting.media_time < media_time);
        if let Some(known) = self.waiting.get_mut(at).filter(|waiting| waiting.media_time == media_time) {
            // Speech may begin where a silence was described.
            if known.what == What::Noise && what != What::Noise {
                known.what = what;
                known.payload.clear();
                known.payload.extend_from_slice(payload);
                self.written = self.written.max(end);
            }
            return;
        }
        if self.waiting.len() >= WAITING {
            return;
        }
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(payload);
        self.waiting.insert(at, Waiting { media_time, what, payload: buffer });
        self.written = self.written.max(end);
        let (least, count) = self.earliness;
        let early = media_time.saturating_sub(self.read.unwrap_or(read));
        self.earliness = (least.min(early), count + 1);
    }

    /// Moves on by 20 ms; [`Jitter::frame`] is what was said in them.
    pub fn pull(&mut self) {
        self.speaks = Speaks::No;
        let Some(mut read) = self.read else { return };
        // Noise is told once and lasts; who tells nothing for long is gone.
        let quiet = if self.noise.is_some() { LONG_QUIET } else { QUIET };
        if read > self.written + quiet {
            self.read = None;
            self.noise = None;
            return;
        }
        if self.owed > 0 {
            // The wait grows by a frame that nobody said.
            self.owed -= 1;
            let mut made_up = Vec::with_capacity(FRAME);
            self.make_up(FRAME, &mut made_up);
            self.frame.copy_from_slice(&made_up);
            return;
        }
        self.shorten(&mut read);
        self.speaks = if self.linear.is_empty() { Speaks::No } else { self.rest };
        self.decode_frame(read);
        self.rest = self.speaks;
        self.frame.copy_from_slice(&self.linear[..FRAME]);
        self.linear.drain(..FRAME);
        self.read = Some(read + FRAME as u64);
    }

    /// The 20 ms of this tick, with what was lost in them made up for; `None` when nothing was said.
    pub fn frame(&self) -> Option<&[i16; FRAME]> {
        (self.speaks != Speaks::No).then_some(&self.frame)
    }

    /// The noise of this tick's silence, when there was nothing else.
    pub fn noise(&self) -> Option<&Noise> {
        self.noise.as_ref().filter(|_| self.speaks == Speaks::Noise)
    }

    fn begin(&mut self, media_time: u64) -> u64 {
        let waiting = std::mem::take(&mut self.waiting);
        self.spare.extend(waiting.into_iter().map(|waiting| waiting.payload));
        self.linear.clear();
        self.voice.pause();
        self.noise = None;
        self.owed = 0;
        self.earliness = (u64::MAX, 0);
        self.written = media_time;
        let read = media_time.saturating_sub(self.wait * FRAME as u64);
        self.read = Some(read);
        read
    }

    /// Lets 20 ms go when more is in store than the wait needs.
    fn shorten(&mut self, read: &mut u64) {
        let too_much = self.written > *read + MOST + self.wait * FRAME as u64;
        let (least, packets) = self.earliness;
        let needless = packets >= PATIENCE && least >= 2 * FRAME as u64 && self.wait > SHORTEST_WAIT;
        if packets >= PATIENCE {
            self.earliness = (u64::MAX, 0);
        }
        if too_much || needless {
            self.decode_frame(*read);
            self.linear.drain(..FRAME);
            *read += FRAME as u64;
            self.wait -= u64::from(needless);
        }
    }

    /// Makes `linear` at least a frame long, from `read` on.
    fn decode_frame(&mut self, read: u64) {
        while self.linear.len() < FRAME {
            let next = read + self.linear.len() as u64;
            let first = self.waiting.first().map(|first| first.media_time);
            match first {
                Some(time) if time <= next => {
                    let waiting = self.waiting.remove(0);
                    self.decode(&waiting, next);
                    self.spare.push(waiting.payload);
                }
                _ => {
                    let until = first.unwrap_or(u64::MAX).min(read + FRAME as u64);
                    let mut linear = std::mem::take(&mut self.linear);
                    self.make_up((until - next) as usize, &mut linear);
                    self.linear = linear;
                }
            }
        }
    }

    /// Decodes a packet that begins at `next` or before.
    fn decode(&mut self, waiting: &Waiting, next: u64) {
        let codec = match waiting.what {
            What::Audio(codec) => codec,
            What::Noise => {
                match (&mut self.noise, Noise::parse(&waiting.payload)) {
                    (Some(before), Some(noise)) => before.follow(noise),
                    (before, noise) => *before = noise,
                }
                return;
            }
        };
        self.noise = None;
        self.speaks = Speaks::Yes;
        // What was made up already is not said again.
        let said = usize::try_from(next - waiting.media_time).unwrap_or(usize::MAX);
        self.voice.decode((codec, &waiting.payload), said, &mut self.linear);
    }

    /// Appends what stands for `count` samples that did not come.
    fn make_up(&mut self, count: usize, out: &mut Vec<i16>) {
        if let Some(noise) = &mut self.noise {
            noise.fill(count, out);
            if self.speaks == Speaks::No {
                self.speaks = Speaks::Noise;
            }
            return;
        }
        if self.voice.make_up(count, out) {
            self.speaks = Speaks::Yes;
        } else {
            out.resize(out.len() + count, 0);
        }
    }
}

#[cfg(test)]
mod tests;
