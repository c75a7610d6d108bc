//! Owns keys as RFC 4733 events: those a peer presses, told once each, and those we press. Does not own how their
//! packets are numbered (see [`crate::rtp_send`]), nor keys heard in the audio (see [`inband`]).

pub mod inband;

use std::collections::VecDeque;
use std::time::Duration;

use clock::Instant;
use model::say::Key;

use crate::rtp::Header;
use crate::rtp_send::KeyPacket;

/// A press whose end does not come is over after this long without a packet of it.
const LOST_END: Duration = Duration::from_millis(200);

/// Between two packets of a key.
const INTERVAL: Duration = Duration::from_millis(20);

/// RFC 4733 §2.5.1.4: the end is told three times.
const ENDS: u8 = 3;

/// Silence between two keys, in packets: 40 ms, as ITU-T Q.24 wants.
const PAUSE: u8 = 2;

/// What a key takes beside its own length, in milliseconds.
const BEHIND: u32 = (ENDS as u32 + PAUSE as u32) * 20;

/// RFC 4733 §2.5.1.3: what a segment of a long event lasts.
const SEGMENT: u32 = 0xffff;

/// Keys that wait to be pressed last no longer than this, in milliseconds: more than a number's digits take. Audio is silent
/// meanwhile, and a peer that floods us must not silence its listener for long.
const WAITING: u32 = 10_000;

/// Faster nobody presses: ITU-T Q.24 wants 40 ms of tone and 40 ms of pause.
const PACE: Duration = Duration::from_millis(80);

/// What a network that stood still may deliver at once, in keys.
const AT_ONCE: u32 = 25;

/// The payload of an event (RFC 4733 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPayload {
    /// Which event; 0–15 are keys.
    pub event: u8,
    /// The last packet of it, or one of its repetitions.
    pub end: End,
    /// Units of the event's clock since its beginning.
    pub duration: u16,
}

/// Whether an event goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It does.
    GoesOn,
    /// It is over.
    Over,
}

impl EventPayload {
    /// Reads a payload; `None` when it is too short.
    pub fn parse(payload: &[u8]) -> Option<EventPayload> {
        let bytes = payload.first_chunk::<4>()?;
        let end = if bytes[1] & 0x80 != 0 { End::Over } else { End::GoesOn };
        Some(EventPayload { event: bytes[0], end, duration: u16::from_be_bytes([bytes[2], bytes[3]]) })
    }

    /// The same event with its duration, which is in samples of 8 kHz, counted in a clock of `clock` Hz.
    pub fn counted_in(self, clock: u32) -> EventPayload {
        let duration = u32::from(self.duration) * (clock / 8_000).max(1);
        EventPayload { duration: u16::try_from(duration).unwrap_or(u16::MAX), ..self }
    }

    /// The payload, at −10 dBm0.
    pub fn to_bytes(self) -> [u8; 4] {
        let end = if self.end == End::Over { 0x80 } else { 0 };
        let duration = self.duration.to_be_bytes();
        [self.event, end | 10, duration[0], duration[1]]
    }
}

/// A key that was pressed and let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pressed {
    /// Which.
    pub key: Key,
    /// How long, in milliseconds.
    pub millis: u32,
}

/// Tells a peer's presses, once each.
#[derive(Clone, Debug, Default)]
pub struct KeyReceive {
    press: Option<Press>,
    /// When all that was told would have been pressed at the highest pace.
    paced: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    key: Key,
    ssrc: u32,
    timestamp: u32,
    /// Samples of the segments before this one.
    before: u32,
    duration: u16,
    last_packet: Instant,
    /// Units of its clock in a millisecond.
    per_milli: u32,
    told: bool,
}

impl KeyReceive {
    /// Takes an event packet whose durations count `clock` units a second. Two presses are told at once when the end
    /// of the first was lost.
    pub fn take(
        &mut self,
        now: Instant,
        header: &Header,
        payload: &[u8],
        clock: u32,
    ) -> [Option<Pressed>; 2] {
        let Some(event) = EventPayload::parse(payload) else { return [None, None] };
        let Some(key) = Key::from_event(event.event) else { return [None, None] };
        let mut lost = None;
        match &mut self.press {
            Some(press) if press.is_of(header) => {
                press.last_packet = now;
                press.duration = press.duration.max(event.duration);
            }
            Some(press) if press.is_continued_by(header, key) => {
                press.before += SEGMENT;
                press.timestamp = header.timestamp;
                press.duration = event.duration;
                press.last_packet = now;
            }
            Some(press) if press.is_after(header) => return [None, None],
            before => {
                lost = before.as_mut().and_then(Press::tell);
                *before = Some(Press {
                    key,
                    ssrc: header.ssrc,
                    timestamp: header.timestamp,
                    before: 0,
                    duration: event.duration,
                    last_packet: now,
                    per_milli: (clock / 1_000).max(1),
                    told: false,
                });
            }
        }
        let ended = if event.end == End::Over { self.press.as_mut().and_then(Press::tell) } else { None };
        [lost, ended].map(|told| told.filter(|_| self.is_pressed_in_time(now)))
    }

    /// Whether a person or a dialler may have pressed one more key by `now`; a flood of them tells no more than that.
    fn is_pressed_in_time(&mut self, now: Instant) -> bool {
        let next = self.paced.max(now) + PACE;
        let in_time = next.since(now) <= PACE * AT_ONCE;
        if in_time {
            self.paced = next;
        }
        in_time
    }

    /// When a press whose end was lost is over.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.press.as_ref().filter(|press| !press.told).map(|press| press.last_packet + LOST_END)
    }

    /// Tells a press whose end was lost.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Pressed> {
        if self.poll_timeout()? > now {
            return None;
        }
        self.press.as_mut().and_then(Press::tell).filter(|_| self.is_pressed_in_time(now))
    }
}

impl Press {
    /// RFC 4733 §2.5.1.2: all packets of an event have its first timestamp.
    fn is_of(&self, header: &Header) -> bool {
        self.ssrc == header.ssrc && self.timestamp == header.timestamp
    }

    /// RFC 4733 §2.5.1.3: an event longer than a segment goes on at the segment's end, without marker.
    fn is_continued_by(&self, header: &Header, key: Key) -> bool {
        let segment_end = self.timestamp.wrapping_add(SEGMENT);
        !self.told
            && self.key == key
            && self.ssrc == header.ssrc
            && !header.marker
            && self.timestamp != header.timestamp
            // Some count a segment as 65,536.
            && header.timestamp.wrapping_sub(segment_end) <= 1
    }

    /// The packet repeats an event before this one.
    fn is_after(&self, header: &Header) -> bool {
        let behind = self.timestamp.wrapping_sub(header.timestamp);
        self.ssrc == header.ssrc && (1..10_000 * self.per_milli).contains(&behind)
    }

    fn tell(&mut self) -> Option<Pressed> {
        if std::mem::replace(&mut self.told, true) {
            return None;
        }
        Some(Pressed { key: self.key, millis: (self.before + u32::from(self.duration)) / self.per_milli })
    }
}

/// Presses keys towards a peer.
#[derive(Clone, Debug, Default)]
pub struct KeySend {
    waiting: VecDeque<Pressed>,
    now_sent: Option<Sending>,
}

#[derive(Clone, Copy, Debug)]
struct Sending {
    press: Pressed,
    /// Samples told so far.
    duration: u16,
    phase: Phase,
    next_at: Instant,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Down,
    Ends(u8),
    Pause(u8),
}

impl KeySend {
    /// The longest press in milliseconds.
    pub const LONGEST: u32 = 6_000;
    /// The shortest press in milliseconds (ITU-T Q.24).
    pub const SHORTEST: u32 = 40;

    /// Presses `key` after all that wait, unless too many do.
    pub fn press(&mut self, now: Instant, key: Key, millis: u32) {
        let press = Pressed { key, millis: millis.clamp(KeySend::SHORTEST, KeySend::LONGEST) };
        if self.now_sent.is_none() {
            self.now_sent = Some(Sending::begin(press, now));
            return;
        }
        let waiting = self.waiting.iter().chain([&press]);
        if waiting.map(|press| press.millis + BEHIND).sum::<u32>() <= WAITING {
            self.waiting.push_back(press);
        }
    }

    /// The longest press whose length an event of `clock` units a second can tell, in milliseconds.
    pub fn longest(clock: u32) -> u32 {
        KeySend::LONGEST.min(SEGMENT / (clock / 1_000).max(1))
    }

    /// Whether a key is being pressed: audio is silent meanwhile.
    pub fn is_pressing(&self) -> bool {
        self.now_sent.is_some()
    }

    /// When the next packet is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.now_sent.map(|sending| sending.next_at)
    }

    /// The packet that is due, if one is; call again until there is none. Its duration is in samples of 8 kHz.
    pub fn poll_packet(&mut self, now: Instant) -> Option<(KeyPacket, EventPayload)> {
        loop {
            let sending = self.now_sent.as_mut().filter(|sending| sending.next_at <= now)?;
            sending.next_at += INTERVAL;
            match sending.phase {
                Phase::Down => return Some(sending.go_on()),
                Phase::Ends(left) => {
                    sending.phase = if left > 1 { Phase::Ends(left - 1) } else { Phase::Pause(PAUSE) };
                    return Some((KeyPacket::Following, sending.payload(End::Over)));
                }
                Phase::Pause(left) if left > 1 => sending.phase = Phase::Pause(left - 1),
                Phase::Pause(_) => {
                    let next_at = sending.next_at;
                    self.now_sent = self
                        .waiting
                        .pop_front()
                        .map(|press| Sending::begin(press, next_at.saturating_sub(INTERVAL)));
                }
            }
        }
    }
}

impl Sending {
    fn begin(press: Pressed, at: Instant) -> Sending {
        Sending { press, duration: 0, phase: Phase::Down, next_at: at }
    }

    fn go_on(&mut self) -> (KeyPacket, EventPayload) {
        let packet = if self.duration == 0 { KeyPacket::First } else { KeyPacket::Following };
        // invariant: a press lasts 6,000 ms at most, 48,000 samples.
        let whole = (self.press.millis * 8) as u16;
        self.duration = self.duration.saturating_add(160).min(whole);
        if self.duration == whole {
            self.phase = Phase::Ends(ENDS);
        }
        (packet, self.payload(End::GoesOn))
    }

    fn payload(&self, end: End) -> EventPayload {
        EventPayload { event: self.press.key.event(), end, duration: self.duration }
    }
}

#[cfg(test)]
mod tests;
