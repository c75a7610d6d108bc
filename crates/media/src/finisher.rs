//! Owns how one recording's blocks become a stereo file: left what the caller says, right everybody the caller hears
//! as a person; a waveform of it, and what happened when. Does not own the journal or the files (see `media-net`).
//!
//! Two passes over the same blocks in order: a [`Survey`] finds out where each packet belongs in time, how long the
//! recording is, what it is encoded with and what happened in it; a [`Stereo`] then writes header and samples, never
//! holding more than a few seconds of them.

mod events;
mod loudness;
mod placement;
mod timeline;

use std::io;

use clock::WallTime;
use model::recording::TalkShares;
use model::{CallId, LegId, RecordingId, TenantId};
use sha2::{Digest, Sha256};

use crate::g711::Law;
use crate::recording::{AudioBlock, Entry, Moment};
use crate::sink::Side;
use crate::wav::{Format, stereo_header};
use events::Course;
pub use events::Events;
use loudness::waveform_header;
use placement::{Placement, PlacementSurvey};
use timeline::{Alaw, Timeline, Ulaw};

/// What the first pass has seen so far.
#[derive(Debug, Default)]
pub struct Survey {
    placement: PlacementSurvey,
    course: Course,
    head: Option<Head>,
    last_us: u64,
    end: Option<u64>,
    layout: Layout,
    pcma: bool,
    pcmu: bool,
    others: bool,
}

/// What stands in the two channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Left the caller, right whom the caller hears.
    #[default]
    Apart,
    /// Everybody in both: nobody is the caller of a conference.
    Both,
}

/// What the blocks of a recording say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its id.
    pub recording: RecordingId,
    /// The call it belongs to.
    pub call: CallId,
    /// Whose.
    pub tenant: TenantId,
    /// Wall time of its beginning.
    pub started: WallTime,
}

impl Head {
    /// What `block` says.
    pub fn of(block: &AudioBlock<'_>) -> Head {
        Head {
            recording: block.recording(),
            call: block.call(),
            tenant: TenantId::new(block.tenant()),
            started: block.started(),
        }
    }
}

impl Survey {
    /// Looks at the next block of the recording.
    pub fn block(&mut self, block: &AudioBlock<'_>) {
        self.head.get_or_insert_with(|| Head::of(block));
        self.course.legs(block);
        // The left channel of a conference is for no leg, but has the conference's own id.
        let nobodys = |(leg, side): (LegId, Side)| side == Side::Left && leg.raw() == block.call().raw();
        if block.legs().any(nobodys) {
            self.layout = Layout::Both;
        }
        for entry in block.entries() {
            match entry {
                Entry::Packet(packet) => {
                    self.last_us = self.last_us.max(packet.at_us);
                    match Law::of(packet.codec) {
                        Some(Law::Pcma) => self.pcma = true,
                        Some(Law::Pcmu) => self.pcmu = true,
                        None => self.others = true,
                    }
                    self.placement.packet(&packet);
                }
                Entry::Moment { at_us, moment } => {
                    self.last_us = self.last_us.max(at_us);
                    self.course.moment(at_us, moment);
                    if moment == Moment::Ended {
                        self.end = Some(at_us);
                    }
                }
            }
        }
    }

    /// What was found; `None` when there was no block.
    pub fn plan(self) -> Option<Plan> {
        // One law on both sides is kept byte by byte; anything else becomes linear.
        let format = match (self.pcma, self.pcmu) {
            _ if self.others => Format::Pcm16,
            (true, true) => Format::Pcm16,
            (false, true) => Format::G711(Law::Pcmu),
            (_, false) => Format::G711(Law::Pcma),
        };
        let length_us = self.end.unwrap_or(self.last_us).min(LONGEST_US);
        Some(Plan {
            head: self.head?,
            format,
            frames: placement::samples(length_us),
            ended: self.end.is_some(),
            layout: self.layout,
            placement: self.placement.finish(),
            course: self.course,
        })
    }
}

/// What the second pass needs to know.
#[derive(Debug)]
pub struct Plan {
    head: Head,
    format: Format,
    frames: u64,
    ended: bool,
    layout: Layout,
    placement: Placement,
    course: Course,
}

impl Plan {
    /// Whose recording it is.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Its length in milliseconds.
    pub fn millis(&self) -> u64 {
        self.frames / 8
    }

    /// Whether its end is in the journal; a crash cut it short otherwise.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// What the file's samples are.
    pub fn format(&self) -> Format {
        self.format
    }
}

/// Where the files of a recording grow.
#[derive(Debug)]
pub struct Files<S, P> {
    /// Stereo WAV.
    pub sound: S,
    /// A waveform in the format of BBC audiowaveform, version 2: 8 bits, 80 samples a pixel, two channels.
    pub peaks: P,
}

/// The second pass: the same blocks again, in the same order.
pub struct Stereo {
    samples: Samples,
    placement: Placement,
    about: About,
    sound: Summed,
    peaks: Summed,
}

/// What the file of events says beside them.
struct About {
    head: Head,
    millis: u64,
    ended: bool,
    layout: Layout,
    course: Course,
}

enum Samples {
    Alaw(Timeline<Alaw>),
    Ulaw(Timeline<Ulaw>),
    Linear(Timeline<i16>),
}

/// Complete files.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The stereo file.
    pub sound: Sum,
    /// The waveform.
    pub peaks: Sum,
    /// What happened when, and who spoke for how long.
    pub events: Events,
}

/// What identifies a file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hex.
    pub sha256: String,
}

impl Written {
    /// Who spoke for how long.
    pub fn shares(&self) -> TalkShares {
        self.events.shares
    }
}

impl Stereo {
    /// Begins the files: their headers go to `out`.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn begin<S: io::Write, P: io::Write>(plan: Plan, out: &mut Files<S, P>) -> io::Result<Stereo> {
        let samples = match plan.format {
            Format::G711(Law::Pcma) => Samples::Alaw(Timeline::new(plan.frames, plan.layout)),
            Format::G711(Law::Pcmu) => Samples::Ulaw(Timeline::new(plan.frames, plan.layout)),
            Format::Pcm16 => Samples::Linear(Timeline::new(plan.frames, plan.layout)),
        };
        let millis = plan.millis();
        let Plan { head, ended, layout, course, placement, format, frames } = plan;
        let about = About { head, millis, ended, layout, course };
        let (mut sound, mut peaks) = (Summed::default(), Summed::default());
        sound.write(&stereo_header(format, frames), &mut out.sound)?;
        peaks.write(&waveform_header(frames), &mut out.peaks)?;
        Ok(Stereo { samples, placement, about, sound, peaks })
    }

    /// Takes the next block; what is certain by now goes to `out`.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn block<S: io::Write, P: io::Write>(
        &mut self,
        block: &AudioBlock<'_>,
        out: &mut Files<S, P>,
    ) -> io::Result<()> {
        let Stereo { samples, placement, sound, peaks, .. } = self;
        let mut write = |bytes: &[u8], waveform: &[u8]| {
            sound.write(bytes, &mut out.sound)?;
            peaks.write(waveform, &mut out.peaks)
        };
        for packet in block.packets() {
            let at = placement.place(&packet);
            match samples {
                Samples::Alaw(timeline) => timeline.packet(&packet, at, &mut write)?,
                Samples::Ulaw(timeline) => timeline.packet(&packet, at, &mut write)?,
                Samples::Linear(timeline) => timeline.packet(&packet, at, &mut write)?,
            }
        }
        Ok(())
    }

    /// Writes the rest.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish<S: io::Write, P: io::Write>(mut self, out: &mut Files<S, P>) -> io::Result<Written> {
        let Stereo { samples, sound, peaks, .. } = &mut self;
        let mut write = |bytes: &[u8], waveform: &[u8]| {
            sound.write(bytes, &mut out.sound)?;
            peaks.write(waveform, &mut out.peaks)
        };
        let loudness = match samples {
            Samples::Alaw(timeline) => timeline.finish(&mut write)?,
            Samples::Ulaw(timeline) => timeline.finish(&mut write)?,
            Samples::Linear(timeline) => timeline.finish(&mut write)?,
        };
        let shares = loudness.shares(&self.about.course, self.about.layout);
        let About { head, millis, ended, layout, course } = self.about;
        let events = course.events(&head, (millis, ended), layout, shares);
        Ok(Written { sound: self.sound.finish(), peaks: self.peaks.finish(), events })
    }
}

/// Bytes that went to a file, and their sum.
#[derive(Default)]
struct Summed {
    hash: Sha256,
    bytes: u64,
}

impl Summed {
    fn write(&mut self, bytes: &[u8], out: &mut impl io::Write) -> io::Result<()> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        out.write_all(bytes)
    }

    fn finish(self) -> Sum {
        Sum { bytes: self.bytes, sha256: hex(&self.hash.finalize()) }
    }
}

/// The SHA-256 of a file's bytes, piece by piece, in lower-case hex.
#[derive(Default)]
pub struct Checksum(Sha256);

impl Checksum {
    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The sum of all pieces.
    pub fn hex(self) -> String {
        hex(&self.0.finalize())
    }
}

/// Bytes in lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A stereo PCM16 file of 8 kHz cannot say that it is longer than this: 37 hours.
const LONGEST_US: u64 = 37 * 3_600 * 1_000_000;

#[cfg(test)]
mod tests;
