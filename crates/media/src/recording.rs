//! Owns the recording format: blocks of one recording's packets and marks, chained through a journal of segments, and
//! the [`Recorder`] that fills them. Does not own files (see `media-net`), nor the playable file (see
//! [`crate::finisher`]). `docs/recording-format.md` has the format byte by byte.

mod block;
pub mod manifest;
mod memory;
mod recorder;
mod segment;

use clock::WallTime;
use model::{CallId, LegId, RecordingId, TenantId};

use crate::command::{Mark, MaskCause};

pub use block::{
    AudioBlock, Block, BlockView, Damage, Entries, Entry, FinishedList, Packet, finished_blocks,
};
pub use memory::Memory;
pub use recorder::Recorder;
pub use segment::{Found, SEGMENT_HEADER, Scan, parse_segment_header, scan, segment_header};

/// The largest block that is read, header included, in bytes.
pub const MAX_BLOCK: usize = 16 * 1024;

/// A block is full at so many bytes: two a second of a call in G.711, and the most that each recorded call keeps in memory.
pub const FULL_BLOCK: usize = 8 * 1024;

/// The size of a segment file in bytes.
pub const SEGMENT_BYTES: u32 = 64 << 20;

/// Where a block stands in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The segment's number.
    pub segment: u64,
    /// Bytes from the segment's beginning, a multiple of 8.
    pub position: u32,
}

/// What a recording is, told at its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Its id.
    pub recording: RecordingId,
    /// The call it belongs to.
    pub call: CallId,
    /// Whose.
    pub tenant: TenantId,
    /// The left channel.
    pub caller: LegId,
    /// The right channel, mixed.
    pub persons: Vec<LegId>,
    /// Wall time of its beginning.
    pub started: WallTime,
}

/// For which causes audio is not kept now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Masks(u8);

impl Masks {
    /// Takes in what a mark says of them.
    pub fn note(&mut self, mark: Mark) {
        match mark {
            Mark::Mask(cause) => self.0 |= Masks::bit(cause),
            Mark::Unmask(cause) => self.0 &= !Masks::bit(cause),
            _ => {}
        }
    }

    /// Whether this cause is one of them.
    pub const fn has(self, cause: MaskCause) -> bool {
        self.0 & Masks::bit(cause) != 0
    }

    /// Whether audio is kept.
    pub const fn are_none(self) -> bool {
        self.0 == 0
    }

    const fn bit(cause: MaskCause) -> u8 {
        match cause {
            MaskCause::Secret => 1,
            MaskCause::Paused => 2,
        }
    }
}

/// What stands between the packets of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The recording begins.
    Started,
    /// A party's hold, a mask, a coming or going.
    Marked(Mark),
    /// Nothing to keep came, and the recording goes on.
    Alive,
    /// The recording is complete.
    Ended,
}
