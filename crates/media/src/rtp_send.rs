//! Owns one port's outgoing stream: one SSRC, ascending numbers and media time whoever is heard (RFC 3550 §5.1).
//! Does not own the payloads (see [`crate::room`] and [`crate::player`]).

use clock::Instant;

use crate::rtcp::{self, SenderInfo};
use crate::rtp::Marker;
use crate::rtp_receive::{Place, samples};

/// The samples one packet is taken for at least when another source takes over: 20 ms.
const PACKET: u64 = 160;

/// Number, media time and marker of a packet to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Sequence number and timestamp as sent.
    pub at: (u16, u32),
    /// Whether another source took over.
    pub marker: Marker,
}

/// Who feeds an outgoing stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// The stream of another port of the room, as received; numbers and times are shifted, gaps and order kept.
    Relay(u16),
    /// Our own frames: prompts, tones, mixed speech.
    Own,
    /// Keys that we press (RFC 4733).
    Keys,
}

/// A port's outgoing stream. Numbers are kept in 64 bits and cut when sent.
#[derive(Clone, Debug)]
pub struct RtpSend {
    /// Names the stream for its whole life.
    pub ssrc: u32,
    feed: Option<Feed>,
    /// What a relayed packet's numbers are shifted by.
    shift: Place,
    /// Where the present feed began: older packets of it would collide with another's.
    begin: u64,
    highest: Place,
    /// When `highest.media_time` was reached; `None` before the first packet.
    reached_at: Option<Instant>,
    /// Samples by which changes of source put media time before real time.
    ahead: u64,
    packets: u64,
    octets: u64,
    /// Units of the RTP clock in a sample of 8 kHz: media time is counted in samples and multiplied when sent.
    ticks: u32,
}

impl RtpSend {
    /// A stream whose first numbers come from `seed`, which should be random (RFC 3550 §5.1).
    pub fn new(seed: u64) -> RtpSend {
        RtpSend {
            ssrc: (seed >> 32) as u32,
            feed: None,
            shift: Place { sequence: 0, media_time: 0 },
            begin: 0,
            highest: Place { sequence: seed & 0x7fff, media_time: seed >> 15 & 0xffff },
            reached_at: None,
            ahead: 0,
            packets: 0,
            octets: 0,
            ticks: 1,
        }
    }

    /// Counts time in so many units for a sample of 8 kHz from now on, as the codec's RTP clock wants.
    pub fn set_clock(&mut self, ticks: u32) {
        self.ticks = ticks;
    }

    #[inline]
    fn timestamp(&self, media_time: u64) -> u32 {
        (media_time as u32).wrapping_mul(self.ticks)
    }

    /// The slot for a packet of port `from` that stands at `place` in its stream; `None` when it belongs before
    /// the moment that `from` took over.
    #[inline]
    pub fn relay(&mut self, now: Instant, from: u16, place: Place) -> Option<Slot> {
        let mut marker = Marker::Following;
        if self.feed != Some(Feed::Relay(from)) {
            self.take_over(Feed::Relay(from));
            marker = Marker::First;
            self.shift = Place {
                sequence: self.begin.wrapping_sub(place.sequence),
                media_time: self.next_time(now).wrapping_sub(place.media_time),
            };
        }
        let sequence = place.sequence.wrapping_add(self.shift.sequence);
        // A difference of 2⁶³ means «before».
        if sequence.wrapping_sub(self.begin).cast_signed() < 0 {
            return None;
        }
        let media_time = place.media_time.wrapping_add(self.shift.media_time);
        self.note(now, Place { sequence, media_time });
        Some(Slot { at: (sequence as u16, self.timestamp(media_time)), marker })
    }

    /// The slot for our own next frame, `ahead` samples after our frame before it.
    pub fn own(&mut self, now: Instant, ahead: u64) -> Slot {
        let (marker, media_time) = if self.feed == Some(Feed::Own) {
            (Marker::Following, self.highest.media_time + ahead)
        } else {
            let media_time = self.next_time(now);
            self.take_over(Feed::Own);
            (Marker::First, media_time)
        };
        let place = Place { sequence: self.highest.sequence + 1, media_time };
        self.note(now, place);
        Slot { at: (place.sequence as u16, self.timestamp(media_time)), marker }
    }

    /// The slot for the next packet of a key; all packets of one key have one time (RFC 4733 §2.2.2).
    pub fn key(&mut self, now: Instant, press: KeyPacket) -> Slot {
        // A peer that was on hold while the key went down hears of it in the middle.
        let goes_on = press == KeyPacket::Following && self.feed == Some(Feed::Keys);
        let (marker, media_time) = if goes_on {
            (Marker::Following, self.highest.media_time)
        } else {
            (Marker::First, self.next_time(now))
        };
        self.take_over(Feed::Keys);
        let place = Place { sequence: self.highest.sequence + 1, media_time };
        self.note(now, place);
        Slot { at: (place.sequence as u16, self.timestamp(media_time)), marker }
    }

    /// Lets the next packet begin anew: what fed the stream pauses.
    pub fn pause(&mut self) {
        self.feed = None;
    }

    /// Whether our own frames feed it.
    pub fn is_own(&self) -> bool {
        self.feed == Some(Feed::Own)
    }

    /// Counts a packet that went out.
    #[inline]
    pub fn sent(&mut self, payload: usize) {
        self.packets += 1;
        self.octets += payload as u64;
    }

    /// Packets sent so far.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// What a sender's report says of this stream; `None` before the first packet.
    pub fn info(&self, now: Instant) -> Option<SenderInfo> {
        let reached = self.reached_at?;
        Some(SenderInfo {
            ntp: rtcp::ntp(now),
            rtp: self.timestamp(self.highest.media_time.wrapping_add(samples(reached, now))),
            packets: self.packets as u32,
            octets: self.octets as u32,
        })
    }

    fn take_over(&mut self, feed: Feed) {
        if self.feed != Some(feed) {
            self.feed = Some(feed);
            self.begin = self.highest.sequence + 1;
        }
    }

    /// The media time of a packet sent now by another source than the last one's: real time went on, and the last
    /// packet lasted 20 ms at least. What this runs ahead of real time is given back at the next change.
    fn next_time(&mut self, now: Instant) -> u64 {
        let Some(reached) = self.reached_at else { return self.highest.media_time };
        let elapsed = samples(reached, now);
        let step = elapsed.saturating_sub(self.ahead).max(PACKET);
        self.ahead = (self.ahead + step).saturating_sub(elapsed);
        self.highest.media_time + step
    }

    #[inline]
    fn note(&mut self, now: Instant, place: Place) {
        if place.sequence.wrapping_sub(self.highest.sequence).cast_signed() > 0 {
            self.highest.sequence = place.sequence;
            // An event's packets have the time of its beginning, which may lie before audio already sent.
            if place.media_time > self.highest.media_time || self.reached_at.is_none() {
                self.highest.media_time = place.media_time;
                self.reached_at = Some(now);
            }
        }
    }
}

/// Which packet of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPacket {
    /// The key goes down.
    First,
    /// It is still down, or goes up.
    Following,
}

#[cfg(test)]
mod tests;
