use proptest::prelude::*;

use super::*;
use crate::recording::{Found, SEGMENT_HEADER, scan};
use clock::Instant;

fn id<T: From<u64>>(raw: u64) -> T {
    T::from(raw)
}

fn head<'a>(legs: &'a [(LegId, Side)], tenant: &'a str) -> Head<'a> {
    Head {
        recording: id(7),
        call: id(9),
        tenant,
        started: WallTime(1_795_000_000_000_001),
        index: 3,
        base_us: 5_000_000,
        legs,
    }
}

fn tap(leg: LegId, payload: &[u8]) -> TapPacket<'_> {
    TapPacket {
        side: Side::Left,
        leg,
        sequence: 0x1_0000_0007,
        media_time: 0x1_2345_6789_abcd,
        arrival: Instant::ZERO,
        codec: Codec::Pcmu,
        payload,
    }
}

const AT: Place = Place { segment: 5, position: 4_096 };
const BEFORE: Place = Place { segment: 4, position: 32 };

/// A block with two packets and three marks, as the journal has it.
fn sealed() -> Vec<u8> {
    let legs = [(id(11), Side::Left), (id(12), Side::Right)];
    let mut builder = Builder::new(&head(&legs, "企业"), &Memory::default());
    builder.moment(Moment::Started, None, 0);
    builder.packet(0, &tap(id(11), &[1, 2, 3]), 20_000);
    builder.packet(1, &tap(id(12), &[]), 20_001);
    builder.moment(Moment::Marked(Mark::PartyLeft(id(12))), Some(1), 30_000);
    builder.moment(Moment::Ended, None, 30_001);
    builder.build().seal(AT, Some(BEFORE)).to_vec()
}

fn audio(bytes: &[u8]) -> AudioBlock<'_> {
    match BlockView::parse(bytes, AT) {
        Ok(BlockView::Audio(block)) => block,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_block_is_read_as_it_was_written() {
    let bytes = sealed();
    let block = audio(&bytes);
    assert_eq!((block.place(), block.previous(), block.index()), (AT, Some(BEFORE), 3));
    assert_eq!((block.recording(), block.call(), block.tenant()), (id(7), id(9), "企业"));
    assert_eq!(block.started(), WallTime(1_795_000_000_000_001));
    assert_eq!(block.legs().collect::<Vec<_>>(), [(id(11), Side::Left), (id(12), Side::Right)]);
    let packet = |leg, side, at_us, payload| {
        Entry::Packet(Packet {
            at_us,
            side,
            leg,
            sequence: 7,
            media_time: 0x1_2345_6789_abcd,
            codec: Codec::Pcmu,
            payload,
        })
    };
    assert_eq!(
        block.entries().collect::<Vec<_>>(),
        [
            Entry::Moment { at_us: 5_000_000, moment: Moment::Started },
            packet(id(11), Side::Left, 5_020_000, &[1, 2, 3][..]),
            packet(id(12), Side::Right, 5_020_001, &[][..]),
            Entry::Moment { at_us: 5_030_000, moment: Moment::Marked(Mark::PartyLeft(id(12))) },
            Entry::Moment { at_us: 5_030_001, moment: Moment::Ended },
        ]
    );
}

#[test]
fn a_block_says_nothing_of_the_one_whose_memory_it_has() {
    let memory = Memory::default();
    memory.lay_in(vec![0xff; FULL_BLOCK].leak());
    let legs = [(id(11), Side::Left), (id(12), Side::Right)];
    let written = || {
        let mut builder = Builder::new(&head(&legs, "企业"), &memory);
        builder.packet(0, &tap(id(11), &[1, 2, 3]), 20_000);
        let mut block = builder.build();
        block.seal(AT, Some(BEFORE)).to_vec()
    };
    let (used, again) = (written(), written());
    assert!(!memory.was_short(), "both had the same memory");
    assert_eq!((&used, used.len() % 8), (&again, 0));
    // Every byte that no field takes is a zero: the header's two, the tenant's padding, the packet's, the block's.
    let (tenant, leg, packet, end) = (HEADER + 6, HEADER + 8 + 9, HEADER + 8 + 32 + 3, used.len() - 5);
    for zero in
        [14..16, tenant..tenant + 2, leg..leg + 7, packet..packet + 1, packet + 3..packet + 5, end..end + 5]
    {
        assert!(used[zero.clone()].iter().all(|byte| *byte == 0), "{zero:?}");
    }
}

#[test]
fn every_mark_survives() {
    let legs = [(id(11), Side::Left), (id(12), Side::Right)];
    let all = [
        Moment::Started,
        Moment::Marked(Mark::Hold),
        Moment::Marked(Mark::Resume),
        Moment::Marked(Mark::Mask(MaskCause::Secret)),
        Moment::Marked(Mark::Unmask(MaskCause::Secret)),
        Moment::Marked(Mark::Mask(MaskCause::Paused)),
        Moment::Marked(Mark::Unmask(MaskCause::Paused)),
        Moment::Marked(Mark::Transferred(id(12))),
        Moment::Marked(Mark::Listened(id(12))),
        Moment::Marked(Mark::Whispered(id(12))),
        Moment::Marked(Mark::Barged(id(12))),
        Moment::Marked(Mark::TookOver(id(12))),
        Moment::Marked(Mark::GuestLeft(id(12))),
        Moment::Marked(Mark::PartyJoined(id(12))),
        Moment::Marked(Mark::PartyLeft(id(12))),
        Moment::Alive,
        Moment::Ended,
    ];
    let mut builder = Builder::new(&head(&legs, ""), &Memory::default());
    for moment in all {
        builder.moment(moment, Some(1), 1);
    }
    let mut block = builder.build();
    let bytes = block.seal(AT, None).to_vec();
    assert_eq!(audio(&bytes).previous(), None);
    let read: Vec<Moment> = audio(&bytes)
        .entries()
        .map(|entry| match entry {
            Entry::Moment { moment, .. } => moment,
            Entry::Packet(_) => panic!("no packet was written"),
        })
        .collect();
    assert_eq!(read, all);
}

#[test]
fn a_block_cut_anywhere_is_torn_and_never_half_read() {
    let bytes = sealed();
    for length in 0..bytes.len() {
        let damage = BlockView::parse(&bytes[..length], AT).unwrap_err();
        assert_eq!(damage, Damage::Torn, "{length}");
        // What a crash leaves in a preallocated segment: zeros behind the cut.
        let mut zeroed = bytes[..length].to_vec();
        zeroed.resize(bytes.len(), 0);
        match BlockView::parse(&zeroed, AT) {
            // The block ends in padding: with it cut off and zeros in its place, it is whole.
            Ok(_) => assert_eq!(zeroed, bytes, "{length}"),
            Err(Damage::Empty) => assert!(length < 1, "{length}"),
            Err(damage) => {
                assert!(matches!(damage, Damage::NoBlock | Damage::Checksum), "{length}: {damage:?}")
            }
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let bytes = sealed();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(BlockView::parse(&flipped, AT).is_err(), "bit {bit}");
    }
}

#[test]
fn a_block_at_another_place_is_no_block() {
    let bytes = sealed();
    for elsewhere in [Place { segment: 6, ..AT }, Place { position: AT.position + 8, ..AT }] {
        assert_eq!(BlockView::parse(&bytes, elsewhere).unwrap_err(), Damage::Misplaced);
    }
}

#[test]
fn finished_recordings_are_listed_in_as_many_blocks_as_it_takes() {
    let ids: Vec<RecordingId> = (1..=5_000).map(id).collect();
    let mut read = Vec::new();
    let blocks = finished_blocks(&ids);
    assert_eq!(blocks.len(), 5);
    for mut block in blocks {
        assert!(block.size() as usize <= FULL_BLOCK);
        let bytes = block.seal(AT, None).to_vec();
        let Ok(BlockView::Finished(list)) = BlockView::parse(&bytes, AT) else { panic!("a list") };
        read.extend(list.recordings());
    }
    assert_eq!(read, ids);
    assert!(finished_blocks(&[]).is_empty());
}

#[test]
fn a_later_version_is_told_apart_and_stepped_over() {
    let mut later = sealed();
    later[13] = 2;
    let crc = crc32c::crc32c(&later[12..]);
    later[8..12].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(BlockView::parse(&later, AT).unwrap_err(), Damage::Unknown { kind: 1, version: 2 });
}

proptest! {
    #[test]
    fn rubbish_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..2_000), position in 0u32..100) {
        let at = Place { segment: 0, position: position * 8 };
        let _ = BlockView::parse(&bytes, at);
        let _ = scan(0, &bytes).count();
    }

    /// A block whose inside is rubbish but whose checksum is right: a program of ours gone wrong.
    #[test]
    fn a_checked_block_of_rubbish_never_panics(
        mut inside in proptest::collection::vec(any::<u8>(), 80..3_000),
        kind in 1u8..=2,
        legs in 0u16..4,
        tenant in 0u16..20,
    ) {
        inside.resize(inside.len().next_multiple_of(8), 0);
        finish(&mut inside, kind);
        put(&mut inside, 44, &legs.to_le_bytes());
        put(&mut inside, 46, &tenant.to_le_bytes());
        let end = (80 + usize::from(tenant)).min(inside.len());
        inside[80..end].fill(b'x');
        put(&mut inside, 16, &0u64.to_le_bytes());
        put(&mut inside, 24, &SEGMENT_HEADER.to_le_bytes());
        let crc = crc32c::crc32c(&inside[12..]);
        put(&mut inside, 8, &crc.to_le_bytes());
        let mut segment = vec![0; SEGMENT_HEADER as usize];
        segment.extend_from_slice(&inside);
        for found in scan(0, &segment) {
            if let Found::Block(BlockView::Audio(block)) = found {
                prop_assert!(block.entries().count() < 3_000);
                prop_assert!(block.legs().count() < 4);
            }
        }
    }
}
