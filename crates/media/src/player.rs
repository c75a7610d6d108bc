//! Owns the progress of one playback: which frame of which clip comes next. Does not own its sending (see
//! [`crate::room`]), nor how texts become clips (see `media-net`).

use std::sync::Arc;
use std::time::Duration;

use clock::Instant;
use model::PlayId;
use smallvec::SmallVec;

use crate::clip::{Clip, ClipFrame};
use crate::codec::Codec;
use crate::command::PlayMode;
use crate::rtp_receive::samples;

/// Between two frames.
pub const INTERVAL: Duration = Duration::from_millis(20);

/// A playback that is this late lets the missed time go instead of sending it in one burst.
const PATIENCE: Duration = Duration::from_millis(200);

/// A playback on its way.
#[derive(Clone, Debug)]
pub struct Player {
    /// Its id.
    pub play: PlayId,
    /// Few as a rule, which lie beside the rest.
    clips: SmallVec<[Arc<Clip>; 2]>,
    mode: PlayMode,
    clip: usize,
    frame: usize,
    next_at: Instant,
    /// The present clip is encoded for this listener alone, since nobody had prepared it when it began.
    own_voice: bool,
    /// Samples since the last frame that was sent.
    ahead: u64,
}

impl Player {
    /// A playback that begins `now`.
    pub fn new(now: Instant, play: PlayId, clips: Vec<Arc<Clip>>, mode: PlayMode) -> Player {
        let audible = clips.iter().any(|clip| clip.frames() > 0);
        // Silence in a loop would never end and never be heard.
        let mode = if audible { mode } else { PlayMode::Once };
        let clips = SmallVec::from_iter(clips);
        Player { play, clips, mode, clip: 0, frame: 0, next_at: now, own_voice: false, ahead: 0 }
    }

    /// When the next frame, or the end, is due.
    pub fn poll_timeout(&self) -> Instant {
        self.next_at
    }

    /// Lets the time until `now` pass without playing on.
    pub fn wait(&mut self, now: Instant) {
        self.next_at = now + INTERVAL;
    }

    /// What is due at `now`; call again until nothing is.
    pub fn poll_frame(&mut self, now: Instant, codec: Codec) -> Frame<'_> {
        if self.next_at > now {
            return Frame::NotYet;
        }
        if now.since(self.next_at) > PATIENCE {
            self.ahead += samples(self.next_at, now);
            self.next_at = now;
        }
        let Some(frame) = self.find() else { return Frame::Finished };
        let clip = &self.clips[self.clip];
        // Once begun, one encoder goes on to the end of a clip; who hears what all hear may step over at any time.
        if frame == 0 || self.mode == PlayMode::Joined {
            self.own_voice = !clip.is_prepared(codec);
        }
        self.next_at += INTERVAL;
        self.ahead += 160;
        self.frame = frame + 1;
        let due = if self.own_voice { clip.fresh_frame(codec, frame) } else { clip.frame(codec, frame) };
        due.map_or(Frame::NotYet, Frame::Due)
    }

    /// The frame of the present clip that is due, going on to the next clip; `None` at the end.
    fn find(&mut self) -> Option<usize> {
        if self.mode == PlayMode::Joined {
            return self.find_shared();
        }
        while self.clips.get(self.clip).is_some_and(|clip| self.frame >= clip.frames()) {
            self.clip += 1;
            self.frame = 0;
            if self.clip == self.clips.len() && self.mode == PlayMode::Looped {
                self.clip = 0;
            }
        }
        (self.clip < self.clips.len()).then_some(self.frame)
    }

    /// Where all who hear these clips are now: time itself is the one position, so that nobody has to keep one.
    fn find_shared(&mut self) -> Option<usize> {
        let all: usize = self.clips.iter().map(|clip| clip.frames()).sum();
        let now = self.next_at.as_micros() / INTERVAL.as_micros() as u64;
        let mut frame = now.checked_rem(all as u64)? as usize;
        for (place, clip) in self.clips.iter().enumerate() {
            if frame < clip.frames() {
                self.clip = place;
                return Some(frame);
            }
            frame -= clip.frames();
        }
        None
    }

    /// Samples between the last sent frame and the one just polled, which is sent now.
    pub fn take_ahead(&mut self) -> u64 {
        std::mem::take(&mut self.ahead)
    }
}

/// What a playback has to send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "it lives on the stack for one packet")]
pub enum Frame<'a> {
    /// 20 ms of audio.
    Due(ClipFrame<'a>),
    /// Nothing now.
    NotYet,
    /// Nothing any more.
    Finished,
}

#[cfg(test)]
mod tests;
