use super::*;
use crate::recording::{Block, finished_blocks};
use model::RecordingId;

/// A segment of `count` blocks followed by zeros, and where each block ends.
fn segment(number: u64, count: u64) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = segment_header(number, WallTime(1)).to_vec();
    let mut ends = Vec::new();
    for nth in 0..count {
        let mut block: Block = finished_blocks(&[RecordingId::from(nth + 1)]).remove(0);
        let at = Place { segment: number, position: bytes.len() as u32 };
        bytes.extend_from_slice(block.seal(at, None));
        ends.push(bytes.len());
    }
    bytes.resize(bytes.len() + 4_096, 0);
    (bytes, ends)
}

fn ids(bytes: &[u8], number: u64) -> (Vec<u64>, usize) {
    let mut damaged = 0;
    let mut ids = Vec::new();
    for found in scan(number, bytes) {
        match found {
            Found::Block(BlockView::Finished(list)) => ids.extend(list.recordings().map(RecordingId::raw)),
            Found::Block(BlockView::Audio(_)) => panic!("no audio was written"),
            Found::Damaged { .. } => damaged += 1,
        }
    }
    (ids, damaged)
}

#[test]
fn a_header_says_its_number_and_a_changed_one_says_nothing() {
    let header = segment_header(77, WallTime(5));
    assert_eq!(parse_segment_header(&header), Some(77));
    for bit in 0..28 * 8 {
        let mut flipped = header;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(parse_segment_header(&flipped), None, "bit {bit}");
    }
    assert_eq!(parse_segment_header(&header[..31]), None);
}

#[test]
fn a_whole_segment_is_read_to_its_last_block() {
    let (bytes, _) = segment(3, 20);
    assert_eq!(ids(&bytes, 3), ((1..=20).collect(), 0));
    assert_eq!(ids(&segment(3, 0).0, 3), (vec![], 0));
    assert_eq!(ids(&[], 3), (vec![], 0));
}

#[test]
fn a_crash_at_any_byte_leaves_all_blocks_before_it() {
    let (bytes, ends) = segment(3, 4);
    for cut in SEGMENT_HEADER as usize..*ends.last().unwrap() {
        let whole = ends.iter().filter(|end| **end <= cut).count() as u64;
        // Cut off, as a file system without preallocation leaves it.
        assert_eq!(ids(&bytes[..cut], 3).0, (1..=whole).collect::<Vec<_>>(), "{cut}");
        // Zeros behind the cut, as a preallocated segment has.
        let mut zeroed = bytes.clone();
        zeroed[cut..].fill(0);
        let (found, _) = ids(&zeroed, 3);
        assert!(found.starts_with(&(1..=whole).collect::<Vec<_>>()), "{cut}: {found:?}");
        assert!(found.len() as u64 <= whole + 1, "{cut}");
    }
}

#[test]
fn what_follows_damage_is_found_again() {
    let (bytes, ends) = segment(3, 10);
    for place in ends[3]..ends[4] {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x10;
        let (found, places) = ids(&damaged, 3);
        assert_eq!(found, [1, 2, 3, 4, 6, 7, 8, 9, 10], "{place}");
        assert_eq!(places, 1, "{place}");
    }
    let mut zeroed = bytes;
    zeroed[ends[3]..ends[6]].fill(0);
    assert_eq!(ids(&zeroed, 3).0, [1, 2, 3, 4, 8, 9, 10]);
}

#[test]
fn blocks_of_another_segment_are_not_believed() {
    let (bytes, _) = segment(3, 3);
    assert_eq!(ids(&bytes, 4).0, Vec::<u64>::new());
}
