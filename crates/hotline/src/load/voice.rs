//! Owns the audio of a load: one socket for each side, a packet of every talking call each 20 ms (or as asked) and way,
//! stamped with its call, sequence and time, and what has become of those that came through.
//!
//! Behind its stamp a packet has a tone, the caller's another than the callee's, so that a recording tells who spoke.
//! All calls of a side share its socket: descriptions name one port for all, and a stamp says whose a packet is. So the
//! load itself stays lean where the switch has sockets per call. Calls are spread over the milliseconds of a packet's
//! length; in each, what has come is read together, with the system's note of when it came (see `arrivals`).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use clock::{Instant, SystemClock};

use super::arrivals::Arrivals;
use super::options::Options;
use super::post::Post;
use super::report::{Rtp, Spread};
use super::steady::Stretch;

/// Streams of both sides.
pub(super) struct Voice {
    clock: SystemClock,
    caller: Side,
    callee: Side,
    /// How many calls speak; the others are silent on both sides.
    speaking: u32,
    /// When the next slot is sent.
    next: Instant,
    slot: usize,
    delays: Spread,
    /// While all calls talk.
    stretch: Option<Stretch>,
    /// Packets without a stamp: what the switch plays.
    foreign: u64,
}

/// What one side sends and hears.
struct Side {
    post: Post,
    arrivals: Arrivals,
    /// What its packets sound like.
    frame: Vec<u8>,
    /// Streams by the millisecond of a packet's length in which they send.
    slots: Vec<Vec<Stream>>,
    /// By call of the other side, what was heard of it.
    heard: Vec<Heard>,
    /// By call of this side, how many packets were sent.
    sent: Vec<u32>,
}

struct Stream {
    call: u32,
    to: SocketAddr,
    sequence: u32,
}

/// Of one stream: `first` and `last` sequence, how many came, and how many of them after a later one.
#[derive(Clone, Copy, Default)]
struct Heard {
    first: u32,
    last: u32,
    packets: u32,
    overtaken: u32,
}

impl Side {
    fn bind(ip: IpAddr, hz: f64, ptime: u8) -> anyhow::Result<Side> {
        let slots = (0..ptime).map(|_| Vec::new()).collect();
        let post = Post::bind(SocketAddr::new(ip, 0))?;
        post.send_whole()?;
        let arrivals = Arrivals::at(&post)?;
        Ok(Side { post, arrivals, frame: tone(hz, ptime), slots, heard: Vec::new(), sent: Vec::new() })
    }

    fn slot_of(&mut self, call: u32) -> &mut Vec<Stream> {
        let count = self.slots.len();
        &mut self.slots[call as usize % count]
    }

    fn speak(&mut self, call: u32, to: SocketAddr) {
        self.silence(call);
        self.slot_of(call).push(Stream { call, to, sequence: 0 });
    }

    fn silence(&mut self, call: u32) {
        let slot = self.slot_of(call);
        if let Some(at) = slot.iter().position(|stream| stream.call == call) {
            let Stream { sequence, .. } = slot.swap_remove(at);
            grown(&mut self.sent, call as usize, sequence);
        }
    }

    /// Sends a packet of every stream of `slot`.
    fn send(&mut self, slot: usize, clock: &SystemClock, stretch: &mut Option<Stretch>) {
        let Side { post, slots, frame, .. } = self;
        for streams in slots[slot].chunks_mut(STAMPED_TOGETHER) {
            let now = clock.now();
            if let Some(stretch) = stretch.as_mut().filter(|stretch| stretch.holds(now)) {
                stretch.sent += streams.len() as u64;
            }
            for stream in streams {
                post.send(stream.to, |bytes| {
                    write_packet(bytes, frame, (stream.call, stream.sequence), now);
                });
                stream.sequence += 1;
            }
            post.flush();
        }
    }
}

impl Voice {
    /// # Errors
    /// When a socket cannot be had.
    pub fn bind(options: &Options, clock: SystemClock) -> anyhow::Result<Voice> {
        Ok(Voice {
            caller: Side::bind(options.caller.ip(), CALLER_HZ, options.ptime)?,
            callee: Side::bind(options.callee.ip(), CALLEE_HZ, options.ptime)?,
            speaking: options.speaking.unwrap_or(u32::MAX),
            next: clock.now(),
            clock,
            slot: 0,
            delays: Spread::default(),
            stretch: None,
            foreign: 0,
        })
    }

    /// Counts apart what is sent within `stretch`.
    pub fn measure(&mut self, stretch: Stretch) {
        self.stretch = Some(stretch);
    }

    /// What was counted apart.
    pub fn stretch(&self) -> Option<&Stretch> {
        self.stretch.as_ref()
    }

    /// The ports of both sides: the caller's, the callee's.
    pub fn ports(&self) -> (u16, u16) {
        (self.caller.post.local().port(), self.callee.post.local().port())
    }

    /// The addresses of both sides: the caller's, the callee's.
    pub fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.caller.post.local(), self.callee.post.local())
    }

    /// The sockets.
    pub fn posts(&self) -> [&Post; 2] {
        [&self.caller.post, &self.callee.post]
    }

    /// The caller of `call` speaks to `to` from now on.
    pub fn speak_as_caller(&mut self, call: u32, to: SocketAddr) {
        if call < self.speaking {
            self.caller.speak(call, to);
        }
    }

    /// The callee of `call`, by its own count, speaks to `to` from now on.
    pub fn speak_as_callee(&mut self, call: u32, to: SocketAddr) {
        if call < self.speaking {
            self.callee.speak(call, to);
        }
    }

    /// The caller of `call` is silent from now on.
    pub fn silence_caller(&mut self, call: u32) {
        self.caller.silence(call);
    }

    /// The callee of `call` is silent from now on.
    pub fn silence_callee(&mut self, call: u32) {
        self.callee.silence(call);
    }

    /// When [`Voice::tick`] has something to do.
    pub fn due(&self) -> Option<Instant> {
        let silent = |side: &Side| side.slots.iter().all(Vec::is_empty);
        (!silent(&self.caller) || !silent(&self.callee)).then_some(self.next)
    }

    /// Sends what is due; how late it is goes to `lateness`.
    pub fn tick(&mut self, now: Instant, lateness: &mut Spread) {
        if self.due().is_none() {
            self.next = now;
            return;
        }
        while self.next <= now {
            let late = self.clock.now().since(self.next);
            lateness.add(late);
            if let Some(stretch) = self.stretch.as_mut().filter(|stretch| stretch.holds(self.next)) {
                stretch.lateness.add(late);
            }
            self.caller.send(self.slot, &self.clock, &mut self.stretch);
            self.callee.send(self.slot, &self.clock, &mut self.stretch);
            self.slot = (self.slot + 1) % self.caller.slots.len();
            self.next += STEP;
        }
    }

    /// Takes what has come on both sockets.
    pub fn receive(&mut self) {
        let Voice { clock, caller, callee, delays, stretch, foreign, .. } = self;
        let now = (clock.now(), clock.wall());
        for side in [caller, callee] {
            let Side { post, arrivals, heard, .. } = side;
            arrivals.take(post, now, |came, head| {
                let Some(stamp) = Stamp::read(head) else {
                    *foreign += 1;
                    return;
                };
                let delay = came.since(stamp.at);
                delays.add(delay);
                if let Some(stretch) = stretch.as_mut().filter(|stretch| stretch.holds(stamp.at)) {
                    stretch.received += 1;
                    stretch.delays.add(delay);
                }
                let place = stamp.call as usize;
                if heard.len() <= place {
                    heard.resize(place + 1, Heard::default());
                }
                heard[place].note(stamp.sequence);
            });
        }
    }

    /// What has become of the packets.
    pub fn into_figures(mut self) -> Rtp {
        for side in [&mut self.caller, &mut self.callee] {
            let calls: Vec<u32> = side.slots.iter().flatten().map(|stream| stream.call).collect();
            calls.into_iter().for_each(|call| side.silence(call));
        }
        let mut rtp = Rtp {
            foreign: self.foreign,
            unsent: self.caller.post.unsent + self.callee.post.unsent,
            ..Rtp::default()
        };
        for (from, to) in [(&self.caller, &self.callee), (&self.callee, &self.caller)] {
            for (call, sent) in from.sent.iter().enumerate() {
                let heard = to.heard.get(call).copied().unwrap_or_default();
                rtp.sent += u64::from(*sent);
                rtp.received += u64::from(heard.packets);
                rtp.lost += u64::from(heard.lost(*sent));
                rtp.overtaken += u64::from(heard.overtaken);
                rtp.silent_streams += u32::from(heard.packets == 0 && *sent > UNHEARD);
            }
        }
        rtp.late = self.delays.above(LATE);
        rtp.delay = self.delays.summary();
        rtp
    }
}

impl Heard {
    fn note(&mut self, sequence: u32) {
        if self.packets == 0 {
            (self.first, self.last) = (sequence, sequence);
        }
        self.overtaken += u32::from(sequence < self.last);
        self.last = self.last.max(sequence);
        self.first = self.first.min(sequence);
        self.packets += 1;
    }

    /// Of `sent` packets those that are missing. What was sent before the bridge stood or after it fell is nobody's
    /// loss, unless it is more than [`UNHEARD`] at an end.
    fn lost(&self, sent: u32) -> u32 {
        if self.packets == 0 {
            return if sent > UNHEARD { sent } else { 0 };
        }
        let between = (self.last - self.first + 1).saturating_sub(self.packets);
        let at_an_end = |missing: u32| if missing > UNHEARD { missing } else { 0 };
        between + at_an_end(self.first) + at_an_end(sent.saturating_sub(self.last + 1))
    }
}

/// What a packet says of itself.
#[derive(Debug, PartialEq)]
struct Stamp {
    call: u32,
    sequence: u32,
    at: Instant,
}

impl Stamp {
    fn read(packet: &[u8]) -> Option<Stamp> {
        let stamp = packet.get(HEADER..HEADER + STAMP)?.strip_prefix(MAGIC)?;
        let (call, rest) = stamp.split_first_chunk::<4>()?;
        let (sequence, rest) = rest.split_first_chunk::<4>()?;
        let (at, _) = rest.split_first_chunk::<8>()?;
        Some(Stamp {
            call: u32::from_be_bytes(*call),
            sequence: u32::from_be_bytes(*sequence),
            at: Instant::from_micros(u64::from_be_bytes(*at)),
        })
    }
}

/// So many milliseconds of A-law that follow each other without a seam: `hz` is a multiple of 100.
fn tone(hz: f64, ptime: u8) -> Vec<u8> {
    let sample = |at| {
        let angle = std::f64::consts::TAU * hz * f64::from(at) / 8_000.0;
        media::g711::encode(media::g711::Law::Pcma, (16_000.0 * angle.sin()) as i16)
    };
    (0..SAMPLES_A_MILLI * u32::from(ptime)).map(sample).collect()
}

/// A packet of A-law (RFC 3551) of one stream, by its call and sequence, that carries its stamp where the first 3 ms of its
/// sound would be.
fn write_packet(to: &mut Vec<u8>, sound: &[u8], (call, sequence): (u32, u32), at: Instant) {
    let timestamp = sequence.wrapping_mul(sound.len() as u32);
    to.extend_from_slice(&[0x80, if sequence == 0 { 0x88 } else { 0x08 }]);
    to.extend_from_slice(&(sequence as u16).to_be_bytes());
    to.extend_from_slice(&timestamp.to_be_bytes());
    to.extend_from_slice(&(call ^ 0x486f_0000).to_be_bytes());
    to.extend_from_slice(MAGIC);
    to.extend_from_slice(&call.to_be_bytes());
    to.extend_from_slice(&sequence.to_be_bytes());
    to.extend_from_slice(&at.as_micros().to_be_bytes());
    to.extend_from_slice(&sound[STAMP..]);
}

/// Adds `more` to what `counts` holds at `place`.
fn grown(counts: &mut Vec<u32>, place: usize, more: u32) {
    if counts.len() <= place {
        counts.resize(place + 1, 0);
    }
    counts[place] += more;
}

const MAGIC: &[u8; 8] = b"HOTLINE1";
const STAMP: usize = 24;
/// RFC 3550 §5.1.
const HEADER: usize = 12;
/// At 8 kHz.
const SAMPLES_A_MILLI: u32 = 8;
/// What the caller's packets sound like.
const CALLER_HZ: f64 = 400.0;
/// What the callee's packets sound like.
const CALLEE_HZ: f64 = 700.0;
const STEP: Duration = Duration::from_millis(1);
/// Packets of one stamp: those of one system call, which lasts some microseconds.
const STAMPED_TOGETHER: usize = 16;
/// Half a second of packets.
const UNHEARD: u32 = 25;
/// Later than this a packet is of no use to a jitter buffer of one frame.
const LATE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_survives_its_packet_and_sound_is_no_stamp() {
        let at = Instant::from_micros(123_456_789);
        let mut made = Vec::new();
        write_packet(&mut made, &tone(CALLER_HZ, 20), (7, 70_000), at);
        assert_eq!((made.len(), &made[4..8]), (12 + 160, &(70_000u32 * 160).to_be_bytes()[..]));
        assert_eq!(Stamp::read(&made), Some(Stamp { call: 7, sequence: 70_000, at }));
        assert_eq!(Stamp::read(&[0xd5; 172]), None);
        assert_eq!(Stamp::read(&made[..30]), None);
    }

    #[test]
    fn gaps_are_lost_and_the_edges_of_a_call_are_not_unless_they_are_long() {
        let mut heard = Heard::default();
        [3, 6, 4, 9].into_iter().for_each(|sequence| heard.note(sequence));
        assert_eq!((heard.lost(12), heard.overtaken), (3, 1), "5, 7 and 8; 4 came after 6");
        assert_eq!(heard.lost(10 + 26), 3 + 26, "it was cut off");
        assert_eq!(Heard::default().lost(25), 0);
        assert_eq!(Heard::default().lost(500), 500, "nothing was heard of it");
    }
}
