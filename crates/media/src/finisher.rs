//! Owns how one recording's blocks become a stereo file: left what the caller says, right everybody the caller hears
//! as a person. Does not own the journal or the file (see `media-net`).
//!
//! Two passes over the same blocks in order: a [`Survey`] finds out where each packet belongs in time, how long the
//! recording is and what it is encoded with; a [`Stereo`] then writes header and samples, never holding more than a
//! few seconds.

mod placement;
mod timeline;

use std::io;

use clock::WallTime;
use model::{CallId, RecordingId, TenantId};
use sha2::{Digest, Sha256};

use crate::g711::Law;
use crate::recording::{AudioBlock, Entry, Moment};
use crate::wav::{Format, stereo_header};
use placement::{Placement, PlacementSurvey};
use timeline::{Alaw, Timeline, Ulaw};

/// What the first pass has seen so far.
#[derive(Debug, Default)]
pub struct Survey {
    placement: PlacementSurvey,
    head: Option<Head>,
    last_us: u64,
    end: Option<u64>,
    pcma: bool,
    pcmu: bool,
    others: bool,
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
            placement: self.placement.finish(),
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
    placement: Placement,
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

/// The second pass: the same blocks again, in the same order.
pub struct Stereo {
    samples: Samples,
    placement: Placement,
    hash: Sha256,
    bytes: u64,
}

enum Samples {
    Alaw(Timeline<Alaw>),
    Ulaw(Timeline<Ulaw>),
    Linear(Timeline<i16>),
}

/// A complete file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hex.
    pub sha256: String,
}

impl Stereo {
    /// Begins the file: its header goes to `out`.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn begin(plan: Plan, out: &mut impl io::Write) -> io::Result<Stereo> {
        let samples = match plan.format {
            Format::G711(Law::Pcma) => Samples::Alaw(Timeline::new(plan.frames)),
            Format::G711(Law::Pcmu) => Samples::Ulaw(Timeline::new(plan.frames)),
            Format::Pcm16 => Samples::Linear(Timeline::new(plan.frames)),
        };
        let mut stereo = Stereo { samples, placement: plan.placement, hash: Sha256::new(), bytes: 0 };
        let header = stereo_header(plan.format, plan.frames);
        Hashed { stereo_hash: &mut stereo.hash, bytes: &mut stereo.bytes, out }.write(&header)?;
        Ok(stereo)
    }

    /// Takes the next block; what is certain by now goes to `out`.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn block(&mut self, block: &AudioBlock<'_>, out: &mut impl io::Write) -> io::Result<()> {
        let mut hashed = Hashed { stereo_hash: &mut self.hash, bytes: &mut self.bytes, out };
        for entry in block.entries() {
            let Entry::Packet(packet) = entry else { continue };
            let at = self.placement.place(&packet);
            match &mut self.samples {
                Samples::Alaw(timeline) => timeline.packet(&packet, at, &mut |bytes| hashed.write(bytes))?,
                Samples::Ulaw(timeline) => timeline.packet(&packet, at, &mut |bytes| hashed.write(bytes))?,
                Samples::Linear(timeline) => {
                    timeline.packet(&packet, at, &mut |bytes| hashed.write(bytes))?
                }
            }
        }
        Ok(())
    }

    /// Writes the rest.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(mut self, out: &mut impl io::Write) -> io::Result<Written> {
        let mut hashed = Hashed { stereo_hash: &mut self.hash, bytes: &mut self.bytes, out };
        match &mut self.samples {
            Samples::Alaw(timeline) => timeline.finish(&mut |bytes| hashed.write(bytes))?,
            Samples::Ulaw(timeline) => timeline.finish(&mut |bytes| hashed.write(bytes))?,
            Samples::Linear(timeline) => timeline.finish(&mut |bytes| hashed.write(bytes))?,
        }
        Ok(Written { bytes: self.bytes, sha256: hex(&self.hash.finalize()) })
    }
}

struct Hashed<'a, W> {
    stereo_hash: &'a mut Sha256,
    bytes: &'a mut u64,
    out: &'a mut W,
}

impl<W: io::Write> Hashed<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stereo_hash.update(bytes);
        *self.bytes += bytes.len() as u64;
        self.out.write_all(bytes)
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
