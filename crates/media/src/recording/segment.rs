//! Owns a segment: its header, and the search for blocks in what a crash left. Does not own the file (see
//! `media-net`).

use clock::WallTime;

use super::block::{BlockView, Damage};
use super::{Place, SEGMENT_BYTES};

/// Bytes of the segment header; the first block follows.
pub const SEGMENT_HEADER: u32 = 32;

const MAGIC: &[u8; 8] = b"HLSEG001";

/// The header of segment `number`.
pub fn segment_header(number: u64, created: WallTime) -> [u8; SEGMENT_HEADER as usize] {
    let mut header = [0; SEGMENT_HEADER as usize];
    header[..8].copy_from_slice(MAGIC);
    header[8..16].copy_from_slice(&number.to_le_bytes());
    header[16..24].copy_from_slice(&created.0.to_le_bytes());
    let crc = crc32c::crc32c(&header[..24]);
    header[24..28].copy_from_slice(&crc.to_le_bytes());
    header
}

/// The number in a segment's header, when `bytes` begin with one.
pub fn parse_segment_header(bytes: &[u8]) -> Option<u64> {
    let header = bytes.get(..SEGMENT_HEADER as usize)?;
    let crc = u32::from_le_bytes(header[24..28].try_into().ok()?);
    (header.starts_with(MAGIC) && crc == crc32c::crc32c(&header[..24])).then(|| {
        u64::from_le_bytes([
            header[8], header[9], header[10], header[11], header[12], header[13], header[14], header[15],
        ])
    })
}

/// What stands in a segment.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// A whole block.
    Block(BlockView<'a>),
    /// Bytes that are no block; the search goes on behind them.
    Damaged {
        /// Where they begin.
        at: Place,
        /// What is wrong.
        damage: Damage,
    },
}

/// Everything that stands in segment `number`, whose file is `bytes`: a block torn by a crash is reported, and what
/// follows a damaged place is found again.
pub fn scan(number: u64, bytes: &[u8]) -> Scan<'_> {
    Scan { number, bytes, position: SEGMENT_HEADER as usize, broken: false }
}

/// The walk of [`scan`].
#[derive(Clone, Debug)]
pub struct Scan<'a> {
    number: u64,
    bytes: &'a [u8],
    position: usize,
    broken: bool,
}

impl<'a> Iterator for Scan<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        while self.position + BlockView::PREFIX <= self.bytes.len() && self.position < SEGMENT_BYTES as usize
        {
            let at = Place { segment: self.number, position: u32::try_from(self.position).ok()? };
            let rest = &self.bytes[self.position..];
            match BlockView::parse(rest, at) {
                Ok(block) => {
                    self.position += BlockView::size(rest).unwrap_or(8);
                    self.broken = false;
                    return Some(Found::Block(block));
                }
                // A checked block of another version is whole: step over it.
                Err(damage @ Damage::Unknown { .. }) => {
                    self.position += BlockView::size(rest).unwrap_or(8);
                    return Some(Found::Damaged { at, damage });
                }
                Err(Damage::Empty) => match rest.iter().position(|byte| *byte != 0) {
                    // Something was written behind a hole: the hole is damage.
                    Some(written) => {
                        self.position += (written & !7).max(8);
                        if !std::mem::replace(&mut self.broken, true) {
                            return Some(Found::Damaged { at, damage: Damage::Empty });
                        }
                    }
                    None => self.position = self.bytes.len(),
                },
                Err(damage) => {
                    self.position += 8;
                    if !std::mem::replace(&mut self.broken, true) {
                        return Some(Found::Damaged { at, damage });
                    }
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
