//! Owns the bytes of a block: header, legs, packets and marks. Does not own when a block is full (see
//! [`super::Recorder`]).

use clock::WallTime;
use model::{CallId, LegId, RecordingId};

use super::memory::{Memory, Sheet};
use super::{FULL_BLOCK, MAX_BLOCK, Moment, Place};
use crate::codec::Codec;
use crate::command::{Mark, MaskCause};
use crate::sink::{Side, TapPacket};

const MAGIC: u32 = u32::from_le_bytes(*b"HLB1");
const VERSION: u8 = 1;
const HEADER: usize = 80;
const LEG: usize = 16;
const PACKET_HEADER: usize = 24;
const MOMENT: usize = 8;
const NO_SEGMENT: u64 = u64::MAX;
const NO_LEG: u8 = 0xff;
const TAG_PACKET: u8 = 1;
const TAG_MOMENT: u8 = 2;
const KIND_AUDIO: u8 = 1;
const KIND_FINISHED: u8 = 2;

/// A block that is not yet in the journal: complete but for its place, its predecessor and its checksum.
#[derive(Clone, Debug)]
pub struct Block {
    sheet: Sheet,
    size: usize,
    recording: RecordingId,
}

impl Block {
    /// Which recording it is of; 0 for a list of finished recordings.
    pub fn recording(&self) -> RecordingId {
        self.recording
    }

    /// Its size in the journal in bytes, a multiple of 8.
    pub fn size(&self) -> u32 {
        self.size as u32
    }

    /// Its bytes; the journal's once it is sealed.
    pub fn bytes(&self) -> &[u8] {
        &self.sheet[..self.size]
    }

    /// Fixes its place and its recording's block before it; the bytes are then what the journal holds.
    pub fn seal(&mut self, at: Place, previous: Option<Place>) -> &[u8] {
        let before = previous.unwrap_or(Place { segment: NO_SEGMENT, position: 0 });
        let bytes = &mut self.sheet[..self.size];
        put(bytes, 16, &at.segment.to_le_bytes());
        put(bytes, 24, &at.position.to_le_bytes());
        put(bytes, 32, &before.segment.to_le_bytes());
        put(bytes, 40, &before.position.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[12..]);
        put(bytes, 8, &crc.to_le_bytes());
        bytes
    }
}

/// A block that says which recordings have their playable file; as many blocks as it takes.
pub fn finished_blocks(recordings: &[RecordingId]) -> Vec<Block> {
    recordings
        .chunks((FULL_BLOCK - HEADER) / 8)
        .map(|ids| {
            let mut bytes = vec![0; HEADER];
            bytes.extend(ids.iter().flat_map(|id| id.raw().to_le_bytes()));
            finish(&mut bytes, KIND_FINISHED);
            Block { size: bytes.len(), sheet: Sheet::of(bytes), recording: RecordingId::from(0) }
        })
        .collect()
}

/// Builds one block entry by entry.
#[derive(Debug)]
pub(super) struct Builder {
    sheet: Sheet,
    length: usize,
    recording: RecordingId,
    empty: usize,
}

/// What every block of a recording repeats.
#[derive(Clone, Debug)]
pub(super) struct Head<'a> {
    pub recording: RecordingId,
    pub call: CallId,
    pub tenant: &'a str,
    pub started: WallTime,
    /// Number of this block in its recording, from 0.
    pub index: u32,
    /// Microseconds from the recording's beginning to the block's.
    pub base_us: u64,
    pub legs: &'a [(LegId, Side)],
}

impl Builder {
    pub fn new(head: &Head<'_>, memory: &Memory) -> Builder {
        let mut builder = Builder { sheet: memory.take(), length: 0, recording: head.recording, empty: 0 };
        let mut header = [0; HEADER];
        put(&mut header, 28, &head.index.to_le_bytes());
        put(&mut header, 44, &(head.legs.len() as u16).to_le_bytes());
        put(&mut header, 46, &(head.tenant.len() as u16).to_le_bytes());
        put(&mut header, 48, &head.recording.raw().to_le_bytes());
        put(&mut header, 56, &head.call.raw().to_le_bytes());
        put(&mut header, 64, &head.started.0.to_le_bytes());
        put(&mut header, 72, &head.base_us.to_le_bytes());
        builder.append(&header);
        builder.append(head.tenant.as_bytes());
        builder.pad();
        for (leg, side) in head.legs {
            builder.append(&leg.raw().to_le_bytes());
            builder.append(&[side_code(*side), 0, 0, 0, 0, 0, 0, 0]);
        }
        builder.empty = builder.length;
        builder
    }

    /// Where the next entry is written in memory.
    #[inline]
    pub fn whereabouts(&self) -> *const u8 {
        self.sheet.as_ptr().wrapping_add(self.length)
    }

    pub fn is_empty(&self) -> bool {
        self.length == self.empty
    }

    /// Whether a packet with a payload of `length` bytes still fits, leaving room for a mark and the padding. Nothing is
    /// written that does not.
    #[inline]
    pub fn fits(&self, length: usize) -> bool {
        self.length + PACKET_HEADER + length + MOMENT + 7 <= FULL_BLOCK
    }

    #[inline]
    pub fn packet(&mut self, leg: u8, packet: &TapPacket<'_>, at_us: u32) {
        let mut header = [0; PACKET_HEADER];
        header[0] = TAG_PACKET;
        header[1] = leg;
        header[2] = codec_code(packet.codec);
        header[4..6].copy_from_slice(&(packet.payload.len() as u16).to_le_bytes());
        header[8..12].copy_from_slice(&(packet.sequence as u32).to_le_bytes());
        header[12..16].copy_from_slice(&at_us.to_le_bytes());
        header[16..24].copy_from_slice(&packet.media_time.to_le_bytes());
        self.append(&header);
        self.append(packet.payload);
    }

    pub fn moment(&mut self, moment: Moment, leg: Option<u8>, at_us: u32) {
        let (code, detail) = moment_code(moment);
        self.append(&[TAG_MOMENT, code, leg.unwrap_or(NO_LEG), detail]);
        self.append(&at_us.to_le_bytes());
    }

    pub fn build(mut self) -> Block {
        self.pad();
        let Builder { mut sheet, length: size, recording, .. } = self;
        finish(&mut sheet[..size], KIND_AUDIO);
        Block { sheet, size, recording }
    }

    #[inline]
    fn append(&mut self, bytes: &[u8]) {
        self.sheet[self.length..][..bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    fn pad(&mut self) {
        self.append(&[0; 7][..self.length.next_multiple_of(8) - self.length]);
    }
}

/// A checked block of the journal, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum BlockView<'a> {
    /// A part of one recording.
    Audio(AudioBlock<'a>),
    /// Recordings that have their playable file.
    Finished(FinishedList<'a>),
}

impl<'a> BlockView<'a> {
    /// Bytes a reader needs to know a block's size.
    pub const PREFIX: usize = 12;

    /// The size of the block that begins with `prefix` ([`BlockView::PREFIX`] bytes or more).
    ///
    /// # Errors
    /// [`Damage::Empty`] where nothing was written; [`Damage::NoBlock`] where no block begins.
    pub fn size(prefix: &[u8]) -> Result<usize, Damage> {
        match read_u32(prefix, 0).ok_or(Damage::Torn)? {
            0 => return Err(Damage::Empty),
            MAGIC => {}
            _ => return Err(Damage::NoBlock),
        }
        let size = read_u32(prefix, 4).ok_or(Damage::Torn)? as usize;
        if (HEADER..=MAX_BLOCK).contains(&size) && size.is_multiple_of(8) {
            Ok(size)
        } else {
            Err(Damage::NoBlock)
        }
    }

    /// Checks the block at the beginning of `bytes`, which was read at `at`.
    ///
    /// # Errors
    /// What is wrong with it: a block that was cut short, changed, or written for another place is no block.
    pub fn parse(bytes: &'a [u8], at: Place) -> Result<BlockView<'a>, Damage> {
        let size = BlockView::size(bytes)?;
        let block = bytes.get(..size).ok_or(Damage::Torn)?;
        if read_u32(block, 8) != Some(crc32c::crc32c(&block[12..])) {
            return Err(Damage::Checksum);
        }
        let head = AudioBlock::parse(block).ok_or(Damage::NoBlock)?;
        if head.place() != at {
            return Err(Damage::Misplaced);
        }
        match (block[12], block[13]) {
            (KIND_AUDIO, VERSION) => Ok(BlockView::Audio(head)),
            (KIND_FINISHED, VERSION) => Ok(BlockView::Finished(FinishedList { ids: &block[HEADER..] })),
            (kind, version) => Err(Damage::Unknown { kind, version }),
        }
    }
}

/// Why bytes of the journal are not a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The preallocated, unwritten rest of a segment.
    #[error("此处尚未写入 / nothing was written here")]
    Empty,
    /// No block begins here.
    #[error("此处不是数据块的开头 / no block begins here")]
    NoBlock,
    /// The block ends before its length.
    #[error("数据块不完整 / the block is cut short")]
    Torn,
    /// The bytes are not those that were written.
    #[error("数据块校验和不符 / the block's checksum does not match")]
    Checksum,
    /// The block was written for another place.
    #[error("数据块不属于此处 / the block belongs elsewhere")]
    Misplaced,
    /// A later version wrote it.
    #[error("未知的数据块类型 {kind} 版本 {version} / unknown kind {kind} version {version}")]
    Unknown {
        /// The kind found.
        kind: u8,
        /// The version found; this program writes and reads 1.
        version: u8,
    },
}

/// A part of one recording.
#[derive(Clone, Copy, Debug)]
pub struct AudioBlock<'a> {
    block: &'a [u8],
    tenant: &'a str,
    legs: &'a [u8],
    entries: &'a [u8],
}

impl<'a> AudioBlock<'a> {
    /// The block that `bytes` are: [`BlockView::parse`] has checked them before.
    pub fn again(bytes: &'a [u8]) -> Option<AudioBlock<'a>> {
        AudioBlock::parse(bytes)
    }

    fn parse(block: &'a [u8]) -> Option<AudioBlock<'a>> {
        let legs = usize::from(read_u16(block, 44)?);
        let tenant = usize::from(read_u16(block, 46)?);
        let legs_at = HEADER + tenant.next_multiple_of(8);
        let entries_at = legs_at + legs * LEG;
        Some(AudioBlock {
            block: block.get(..HEADER)?,
            tenant: std::str::from_utf8(block.get(HEADER..HEADER + tenant)?).ok()?,
            legs: block.get(legs_at..entries_at)?,
            entries: block.get(entries_at..)?,
        })
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        Place { segment: self.u64(16), position: self.u32(24) }
    }

    /// The block of this recording before it.
    pub fn previous(&self) -> Option<Place> {
        let segment = self.u64(32);
        (segment != NO_SEGMENT).then(|| Place { segment, position: self.u32(40) })
    }

    /// Its number among its recording's blocks, from 0; a jump says that blocks were lost.
    pub fn index(&self) -> u32 {
        self.u32(28)
    }

    /// Which recording.
    pub fn recording(&self) -> RecordingId {
        RecordingId::from(self.u64(48))
    }

    /// Which call.
    pub fn call(&self) -> CallId {
        CallId::from(self.u64(56))
    }

    /// Whose.
    pub fn tenant(&self) -> &'a str {
        self.tenant
    }

    /// Wall time of the recording's beginning.
    pub fn started(&self) -> WallTime {
        WallTime(self.u64(64) as i64)
    }

    /// Its legs and their channels.
    pub fn legs(&self) -> impl Iterator<Item = (LegId, Side)> + 'a {
        self.legs.chunks_exact(LEG).filter_map(|leg| {
            Some((LegId::from(read_u64(leg, 0)?), if leg[8] == 0 { Side::Left } else { Side::Right }))
        })
    }

    /// Its packets and marks, in the order they came.
    pub fn entries(&self) -> Entries<'a> {
        Entries { legs: self.legs, rest: self.entries, base_us: self.u64(72) }
    }

    /// The same without the marks.
    pub fn packets(&self) -> impl Iterator<Item = Packet<'a>> + use<'a> {
        Packets(self.entries())
    }

    // The header's 80 bytes are there: `parse` took them.
    fn u32(&self, at: usize) -> u32 {
        read_u32(self.block, at).unwrap_or_default()
    }

    fn u64(&self, at: usize) -> u64 {
        read_u64(self.block, at).unwrap_or_default()
    }
}

/// A list of recordings that have their playable file.
#[derive(Clone, Copy, Debug)]
pub struct FinishedList<'a> {
    ids: &'a [u8],
}

impl<'a> FinishedList<'a> {
    /// The recordings.
    pub fn recordings(&self) -> impl Iterator<Item = RecordingId> + 'a {
        self.ids.chunks_exact(8).filter_map(|id| read_u64(id, 0)).map(RecordingId::from)
    }
}

/// One packet or mark of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// Audio.
    Packet(Packet<'a>),
    /// Something else that happened.
    Moment {
        /// Microseconds since the recording's beginning.
        at_us: u64,
        /// What.
        moment: Moment,
    },
}

/// One packet of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Arrival in microseconds since the recording's beginning.
    pub at_us: u64,
    /// The leg's channel.
    pub side: Side,
    /// Who spoke.
    pub leg: LegId,
    /// The low 32 bits of the leg's extended sequence number.
    pub sequence: u32,
    /// The leg's media time in samples of 8 kHz, continuous across changes of SSRC.
    pub media_time: u64,
    /// How the payload is encoded.
    pub codec: Codec,
    /// The audio.
    pub payload: &'a [u8],
}

/// The entries of one block. Ends at the first that makes no sense.
#[derive(Clone, Copy, Debug)]
pub struct Entries<'a> {
    legs: &'a [u8],
    rest: &'a [u8],
    base_us: u64,
}

impl<'a> Entries<'a> {
    #[inline]
    fn leg(&self, index: u8) -> Option<(LegId, Side)> {
        let leg = self.legs.as_chunks::<LEG>().0.get(usize::from(index))?;
        Some((LegId::from(read_u64(leg, 0)?), if leg[8] == 0 { Side::Left } else { Side::Right }))
    }

    #[inline]
    fn packet(&mut self) -> Option<Packet<'a>> {
        let (header, rest) = self.rest.split_first_chunk::<PACKET_HEADER>()?;
        let (leg, side) = self.leg(header[1])?;
        let codec = codec_of(header[2])?;
        let (payload, rest) = rest.split_at_checked(usize::from(read_u16(header, 4)?))?;
        self.rest = rest;
        Some(Packet {
            at_us: self.base_us.saturating_add(u64::from(read_u32(header, 12)?)),
            side,
            leg,
            sequence: read_u32(header, 8)?,
            media_time: read_u64(header, 16)?,
            codec,
            payload,
        })
    }

    fn moment(&mut self) -> Option<Entry<'a>> {
        let (bytes, rest) = self.rest.split_at_checked(MOMENT)?;
        let leg = || self.leg(bytes[2]).map(|(leg, _)| leg);
        let mark = match bytes[1] {
            2 => Some(Mark::Hold),
            3 => Some(Mark::Resume),
            4 => Some(Mark::Mask(cause_of(bytes[3])?)),
            5 => Some(Mark::Unmask(cause_of(bytes[3])?)),
            6 => Some(Mark::PartyJoined(leg()?)),
            7 => Some(Mark::PartyLeft(leg()?)),
            10 => Some(Mark::Transferred(leg()?)),
            11 => Some(Mark::Listened(leg()?)),
            12 => Some(Mark::Whispered(leg()?)),
            13 => Some(Mark::Barged(leg()?)),
            14 => Some(Mark::TookOver(leg()?)),
            15 => Some(Mark::GuestLeft(leg()?)),
            16 => Some(Mark::CallerBecame(leg()?)),
            17 => Some(Mark::FaxBegan),
            18 => Some(Mark::FaxEnded),
            _ => None,
        };
        let moment = match (bytes[1], mark) {
            (_, Some(mark)) => Moment::Marked(mark),
            (1, None) => Moment::Started,
            (8, None) => Moment::Alive,
            (9, None) => Moment::Ended,
            (_, None) => return None,
        };
        let at_us = self.base_us.saturating_add(u64::from(read_u32(bytes, 4)?));
        self.rest = rest;
        Some(Entry::Moment { at_us, moment })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        let entry = match *self.rest.first()? {
            TAG_PACKET => self.packet().map(Entry::Packet),
            TAG_MOMENT => self.moment(),
            _ => None,
        };
        if entry.is_none() {
            self.rest = &[];
        }
        entry
    }
}

/// The packets of one block, without what stands between them.
#[derive(Clone, Copy, Debug)]
struct Packets<'a>(Entries<'a>);

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    #[inline]
    fn next(&mut self) -> Option<Packet<'a>> {
        while self.0.rest.first() != Some(&TAG_PACKET) {
            self.0.next()?;
        }
        self.0.packet()
    }
}

/// A moment's code, and what else there is to say of it.
const fn moment_code(moment: Moment) -> (u8, u8) {
    match moment {
        Moment::Started => (1, 0),
        Moment::Marked(mark) => mark_code(mark),
        Moment::Alive => (8, 0),
        Moment::Ended => (9, 0),
    }
}

const fn mark_code(mark: Mark) -> (u8, u8) {
    match mark {
        Mark::Hold => (2, 0),
        Mark::Resume => (3, 0),
        Mark::Mask(cause) => (4, cause_code(cause)),
        Mark::Unmask(cause) => (5, cause_code(cause)),
        Mark::PartyJoined(_) => (6, 0),
        Mark::PartyLeft(_) => (7, 0),
        Mark::Transferred(_) => (10, 0),
        Mark::Listened(_) => (11, 0),
        Mark::Whispered(_) => (12, 0),
        Mark::Barged(_) => (13, 0),
        Mark::TookOver(_) => (14, 0),
        Mark::GuestLeft(_) => (15, 0),
        Mark::CallerBecame(_) => (16, 0),
        Mark::FaxBegan => (17, 0),
        Mark::FaxEnded => (18, 0),
    }
}

const fn cause_code(cause: MaskCause) -> u8 {
    match cause {
        MaskCause::Secret => 0,
        MaskCause::Paused => 1,
    }
}

const fn cause_of(code: u8) -> Option<MaskCause> {
    match code {
        0 => Some(MaskCause::Secret),
        1 => Some(MaskCause::Paused),
        _ => None,
    }
}

const fn side_code(side: Side) -> u8 {
    match side {
        Side::Left => 0,
        Side::Right => 1,
    }
}

const fn codec_code(codec: Codec) -> u8 {
    codec.payload_type()
}

const fn codec_of(code: u8) -> Option<Codec> {
    match code {
        0 => Some(Codec::Pcmu),
        8 => Some(Codec::Pcma),
        9 => Some(Codec::G722),
        18 => Some(Codec::G729),
        111 => Some(Codec::Opus),
        _ => None,
    }
}

/// Writes what stands before a block's place: `bytes` are all of it, padded.
fn finish(bytes: &mut [u8], kind: u8) {
    let size = bytes.len() as u32;
    put(bytes, 0, &MAGIC.to_le_bytes());
    put(bytes, 4, &size.to_le_bytes());
    bytes[12] = kind;
    bytes[13] = VERSION;
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn read_u64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests;
