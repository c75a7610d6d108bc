//! Owns one talker's stream as received: its order, media time, loss and jitter (RFC 3550 §6.4.1, A.1, A.3, A.8).
//! Media time is in samples of 8 kHz whatever the codec's RTP clock.
//! Does not own whether its source is believed (see [`crate::port_source`]).

use clock::Instant;

use crate::codec::SAMPLE_RATE;
use crate::rtcp::ReportBlock;
use crate::rtp::Header;

/// A step of sequence numbers beyond this is another stream (RFC 3550 A.1, MAX_DROPOUT).
const MAX_DROPOUT: u16 = 3_000;

/// A packet older than this is another stream (RFC 3550 A.1, MAX_MISORDER).
const MAX_MISORDER: u16 = 100;

/// A packet of another kind belongs to the stream when it is one of so many that may come next.
const NEXT: u16 = 8;

/// Media time may run this far (samples) ahead of real time before the talker is taken to have set its clock anew.
const MAX_AHEAD: i64 = 2 * SAMPLE_RATE as i64;

/// Media time may step back this far (samples) before the talker is taken to have set its clock anew.
const MAX_BEHIND: i64 = SAMPLE_RATE as i64;

/// The samples that a gap of unknown length is taken for at least: one packet.
const PACKET: u64 = 160;

/// Where a received packet stands in its talker's one stream, across wraps, restarts and changes of SSRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The sequence number, extended; gaps are losses.
    pub sequence: u64,
    /// Media time in samples, extended.
    pub media_time: u64,
}

/// What one packet means to the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// It is in its place.
    Placed(Place),
    /// It came before, or belongs to what the talker sent before it began anew.
    Duplicate,
    /// Its number is far off; the next one decides whether the talker began anew (RFC 3550 A.1).
    Suspect,
}

/// A talker's stream.
#[derive(Clone, Debug, Default)]
pub struct RtpReceive {
    stream: Option<Stream>,
    /// Packets believed, as they came.
    pub received: u64,
    /// Of these, those that came before or had no place any more.
    doubled: u64,
    /// Jitter in units of the RTP clock, times 16 (RFC 3550 A.8).
    jitter: u32,
    jitter_max: u32,
    /// Units of the audio's RTP clock in a sample of 8 kHz; 0 before the first packet.
    ticks: u32,
    expected_prior: u64,
    received_prior: u64,
}

#[derive(Clone, Debug)]
struct Stream {
    ssrc: u32,
    /// Units of its RTP clock in a sample of 8 kHz.
    ticks: u32,
    first: u64,
    /// Packets before this one have the times or numbers of another stream, and no place in this one.
    epoch: u64,
    highest: Place,
    /// The number and timestamp of the packet at `highest`, as sent, and how often the number wrapped.
    last_sequence: u16,
    cycles: u16,
    last_timestamp: u32,
    /// The timestamp of the last audio that came in order.
    last_audio: Option<u32>,
    last_arrival: Instant,
    /// Samples by which gaps of unknown length put media time before real time.
    ahead: u64,
    /// Bit n: `highest.sequence - n` has come.
    seen: u128,
    suspect: Option<u16>,
    transit: Option<u32>,
}

impl RtpReceive {
    /// Takes a believed packet and says where it stands.
    #[inline]
    pub fn take(&mut self, now: Instant, header: &Header, timing: Timing) -> Received {
        self.received += 1;
        let ticks = timing.ticks();
        if !timing.is_event() && self.ticks != ticks {
            self.change_clock(ticks);
        }
        let Some(stream) = &mut self.stream else {
            let place = Place {
                sequence: (1 << 16) + u64::from(header.sequence),
                media_time: (1 << 32) + u64::from(header.timestamp / ticks),
            };
            self.stream = Some(Stream {
                ssrc: header.ssrc,
                ticks,
                first: place.sequence,
                epoch: 0,
                highest: place,
                last_sequence: header.sequence,
                cycles: 0,
                last_timestamp: header.timestamp,
                last_audio: timing.said_at(header),
                last_arrival: now,
                ahead: 0,
                seen: 1,
                suspect: None,
                transit: (!timing.is_event()).then(|| transit(now, header.timestamp, ticks)),
            });
            return Received::Placed(place);
        };
        if stream.ssrc != header.ssrc {
            stream.begin_anew(now, header, ticks);
            return Received::Placed(stream.highest);
        }
        let step = header.sequence.wrapping_sub(stream.last_sequence);
        if step == 0 || step > u16::MAX - MAX_MISORDER {
            let late = stream.late(header, step.wrapping_neg());
            self.doubled += u64::from(late == Received::Duplicate);
            return late;
        }
        if step > MAX_DROPOUT {
            // RFC 3550 A.1: two packets in a row say that the other side restarted without telling.
            if stream.suspect == Some(header.sequence) {
                stream.begin_anew(now, header, ticks);
                return Received::Placed(stream.highest);
            }
            stream.suspect = Some(header.sequence.wrapping_add(1));
            return Received::Suspect;
        }
        let place = stream.forward(now, header, step, timing);
        if !timing.is_event() {
            let after = transit(now, header.timestamp, ticks);
            if let Some(before) = stream.transit.replace(after) {
                self.jitter(before, after);
            }
        }
        Received::Placed(place)
    }

    /// Takes a packet of the current stream that means nothing to us: it has its number there, and is no loss. One that is not
    /// next may have numbers of its own, which must not disturb those of the audio.
    pub fn pass_over(&mut self, now: Instant, header: &Header) {
        let is_next = |stream: &&Stream| {
            let step = header.sequence.wrapping_sub(stream.last_sequence);
            stream.ssrc == header.ssrc && (1..=NEXT).contains(&step)
        };
        if let Some(ticks) = self.stream.as_ref().filter(is_next).map(|stream| stream.ticks) {
            self.take(now, header, Timing::Event(ticks));
        }
    }

    /// Whether packets of `ssrc` are those of the current stream.
    pub fn is_of(&self, ssrc: u32) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.ssrc == ssrc)
    }

    /// The stream's present SSRC.
    pub fn ssrc(&self) -> Option<u32> {
        self.stream.as_ref().map(|stream| stream.ssrc)
    }

    /// Packets lost by sequence number so far. Doubles make up for no loss, as they do in reports (RFC 3550 A.3).
    pub fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received - self.doubled)
    }

    /// Interarrival jitter in microseconds.
    pub fn jitter_us(&self) -> u32 {
        self.to_us(self.jitter)
    }

    /// The largest interarrival jitter, in microseconds.
    pub fn jitter_max_us(&self) -> u32 {
        self.to_us(self.jitter_max)
    }

    /// The report about this stream since the last one (RFC 3550 §6.4.1, A.3); `None` before the first packet.
    /// The caller fills in what the peer's own reports said (`last_report`, `since_last_report`).
    pub fn report(&mut self) -> Option<ReportBlock> {
        let stream = self.stream.as_ref()?;
        let (ssrc, highest) = (stream.ssrc, u32::from(stream.cycles) << 16 | u32::from(stream.last_sequence));
        let expected = self.expected();
        let expected_interval = expected.saturating_sub(self.expected_prior);
        let received_interval = self.received.saturating_sub(self.received_prior);
        (self.expected_prior, self.received_prior) = (expected, self.received);
        let lost_interval = expected_interval.saturating_sub(received_interval);
        let fraction = (lost_interval << 8).checked_div(expected_interval).unwrap_or(0).min(255);
        let lost =
            i64::try_from(expected).unwrap_or(i64::MAX) - i64::try_from(self.received).unwrap_or(i64::MAX);
        Some(ReportBlock {
            ssrc,
            fraction_lost: fraction as u8,
            // RFC 3550 A.3: 24 bits, signed.
            lost: lost.clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest,
            jitter: self.jitter >> 4,
            last_report: 0,
            since_last_report: 0,
        })
    }

    /// Times counted by another clock say nothing about those before: the next packet begins anew.
    #[cold]
    fn change_clock(&mut self, ticks: u32) {
        if self.ticks != 0 {
            let scale = |jitter: u32| jitter / self.ticks * ticks;
            (self.jitter, self.jitter_max) = (scale(self.jitter), scale(self.jitter_max));
        }
        self.ticks = ticks;
    }

    fn to_us(&self, jitter: u32) -> u32 {
        (jitter >> 4).saturating_mul(125) / self.ticks.max(1)
    }

    fn expected(&self) -> u64 {
        self.stream.as_ref().map_or(0, |stream| stream.highest.sequence - stream.first + 1)
    }

    /// RFC 3550 A.8, in integers.
    fn jitter(&mut self, before: u32, after: u32) {
        let difference = after.wrapping_sub(before).cast_signed().unsigned_abs();
        // A talker that set its clock anew is no jitter.
        if difference < MAX_AHEAD as u32 * self.ticks.max(1) {
            self.jitter = self.jitter + difference - ((self.jitter + 8) >> 4);
            self.jitter_max = self.jitter_max.max(self.jitter);
        }
    }
}

/// What may be learned from a packet's timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// It is the time of its first sample, sent at once, in so many units for a sample of 8 kHz.
    Audio(u32),
    /// It is the time at which a silence was described (RFC 3389 §2), in samples of 8 kHz; the audio behind it may have the
    /// same.
    Noise,
    /// It is the beginning of an event that may have begun long ago (RFC 4733 §2.2.2), in so many units.
    Event(u32),
}

impl Timing {
    #[inline]
    const fn ticks(self) -> u32 {
        match self {
            Timing::Audio(ticks) | Timing::Event(ticks) => ticks,
            Timing::Noise => 1,
        }
    }

    #[inline]
    const fn is_event(self) -> bool {
        matches!(self, Timing::Event(_))
    }

    /// The timestamp of a packet of audio, which no other packet of audio has.
    #[inline]
    fn said_at(self, header: &Header) -> Option<u32> {
        matches!(self, Timing::Audio(_)).then_some(header.timestamp)
    }
}

impl Stream {
    fn forward(&mut self, now: Instant, header: &Header, step: u16, timing: Timing) -> Place {
        let ticks = timing.ticks();
        let sequence = self.highest.sequence + u64::from(step);
        self.cycles = self.cycles.wrapping_add(u16::from(header.sequence < self.last_sequence));
        self.last_sequence = header.sequence;
        self.highest.sequence = sequence;
        self.seen = if step < 128 { self.seen << step | 1 } else { 1 };
        self.suspect = None;
        let before = self.highest.media_time;
        if ticks != self.ticks {
            return self.other_clock(now, header, timing);
        }
        let ahead = in_samples(header.timestamp.wrapping_sub(self.last_timestamp).cast_signed(), ticks);
        let elapsed = samples(self.last_arrival, now);
        if ahead < 0 && ahead > -MAX_BEHIND {
            // Events and audio of one talker may overlap; the stream's own time does not go back.
            return Place { sequence, media_time: before.saturating_add_signed(ahead) };
        }
        let jumps = ahead < 0 || ahead > elapsed.cast_signed() + MAX_AHEAD;
        // Some talkers have a clock that stands still.
        let said_at = timing.said_at(header);
        let stands = ahead == 0 && said_at.is_some() && self.last_audio == said_at;
        match timing {
            // All packets of an event have the time of its beginning.
            Timing::Event(_) if jumps || ahead == 0 => return Place { sequence, media_time: before },
            _ if jumps || stands => {
                self.highest.media_time += self.passed(now);
                self.epoch = sequence;
                self.transit = None;
            }
            _ => self.highest.media_time += ahead.unsigned_abs(),
        }
        self.last_audio = said_at.or(self.last_audio);
        self.last_timestamp = header.timestamp;
        self.last_arrival = now;
        self.highest
    }

    /// RFC 7160 §4.1: after a change of clock, real time says how far the stream went. Events that are counted by
    /// another clock than their audio leave its time alone.
    #[cold]
    fn other_clock(&mut self, now: Instant, header: &Header, timing: Timing) -> Place {
        if !timing.is_event() {
            self.highest.media_time += self.passed(now);
            self.epoch = self.highest.sequence;
            self.ticks = timing.ticks();
            self.transit = None;
            self.last_timestamp = header.timestamp;
            self.last_audio = timing.said_at(header);
            self.last_arrival = now;
        }
        self.highest
    }

    fn late(&mut self, header: &Header, behind: u16) -> Received {
        let bit = 1u128 << behind;
        let sequence = self.highest.sequence - u64::from(behind);
        if self.seen & bit != 0 || sequence < self.epoch {
            return Received::Duplicate;
        }
        self.seen |= bit;
        self.first = self.first.min(sequence);
        let behind = in_samples(header.timestamp.wrapping_sub(self.last_timestamp).cast_signed(), self.ticks);
        let media_time = self.highest.media_time.saturating_add_signed(behind.clamp(-MAX_AHEAD, 0));
        Received::Placed(Place { sequence, media_time })
    }

    /// The talker has another SSRC or restarted: its stream goes on where real time says.
    fn begin_anew(&mut self, now: Instant, header: &Header, ticks: u32) {
        self.ticks = ticks;
        self.highest.sequence += 1;
        self.highest.media_time += self.passed(now);
        self.epoch = self.highest.sequence;
        self.ssrc = header.ssrc;
        self.seen = 1;
        self.suspect = None;
        self.transit = None;
        self.last_timestamp = header.timestamp;
        self.last_arrival = now;
        self.last_audio = None;
        self.last_sequence = header.sequence;
        self.cycles = 0;
    }

    /// Samples since the packet before, where its own time does not say it: real time went on, and it lasted 20 ms at
    /// least. What this runs ahead of real time is given back by the next.
    fn passed(&mut self, now: Instant) -> u64 {
        let elapsed = samples(self.last_arrival, now);
        let step = elapsed.saturating_sub(self.ahead).max(PACKET);
        self.ahead = (self.ahead + step).saturating_sub(elapsed);
        step
    }
}

/// A difference of RTP times in samples of 8 kHz.
#[inline]
fn in_samples(difference: i32, ticks: u32) -> i64 {
    // Nearly all clocks run at 8 kHz, and a division costs more than a look.
    if ticks == 1 { i64::from(difference) } else { i64::from(difference) / i64::from(ticks) }
}

/// The difference between arrival and media time, in units of the RTP clock; only its changes mean anything (RFC 3550
/// A.8).
fn transit(now: Instant, timestamp: u32, ticks: u32) -> u32 {
    (samples(Instant::ZERO, now) as u32).wrapping_mul(ticks).wrapping_sub(timestamp)
}

/// Samples of 8 kHz between two instants.
pub(crate) fn samples(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.since(from).as_micros()).unwrap_or(u64::MAX) / 125
}

#[cfg(test)]
mod tests;
