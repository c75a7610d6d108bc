use super::*;
use crate::codec::Codec;
use crate::command::MaskCause;
use crate::recording::{AudioBlock, BlockView, Entry, Place};

fn at(millis: u64) -> Instant {
    Instant::from_secs(50) + Duration::from_millis(millis)
}

fn id<T: From<u64>>(raw: u64) -> T {
    T::from(raw)
}

const CALLER: u64 = 11;
const AGENT: u64 = 12;

fn recorder() -> Recorder {
    let start = Start {
        recording: id(7),
        call: id(9),
        tenant: TenantId::new("acme"),
        caller: id(CALLER),
        persons: vec![id(AGENT)],
        started: WallTime(1_000_000),
    };
    Recorder::start(at(0), start, &Memory::default())
}

fn packet(leg: u64, nth: u64, payload: &[u8]) -> TapPacket<'_> {
    let side = if leg == CALLER { Side::Left } else { Side::Right };
    TapPacket {
        side,
        leg: id(leg),
        sequence: nth,
        media_time: nth * 160,
        arrival: at(nth * 20),
        codec: Codec::Pcma,
        payload,
    }
}

/// All blocks, with what they hold and when they were handed over.
fn blocks(now: Instant, recorder: &mut Recorder) -> Vec<Block> {
    std::iter::from_fn(|| recorder.poll_block(now)).collect()
}

fn read<T>(block: &mut Block, look: impl FnOnce(AudioBlock<'_>) -> T) -> T {
    let at = Place { segment: 1, position: 32 };
    let bytes = block.seal(at, None);
    let Ok(BlockView::Audio(block)) = BlockView::parse(bytes, at) else { panic!("a block") };
    look(block)
}

fn payloads(block: &mut Block) -> Vec<(u64, Side, u64)> {
    read(block, |block| {
        let packets = block.entries().filter_map(|entry| match entry {
            Entry::Packet(packet) => Some((packet.leg.raw(), packet.side, packet.at_us)),
            Entry::Moment { .. } => None,
        });
        packets.collect()
    })
}

fn moments(block: &mut Block) -> Vec<(u64, Moment)> {
    read(block, |block| {
        let moments = block.entries().filter_map(|entry| match entry {
            Entry::Moment { at_us, moment } => Some((at_us, moment)),
            Entry::Packet(_) => None,
        });
        moments.collect()
    })
}

#[test]
fn an_hour_of_two_legs_is_in_blocks_below_a_second_and_8_kb_and_nothing_is_missing() {
    let mut recorder = recorder();
    let mut all = Vec::new();
    for nth in 0..3_600 * 50 {
        recorder.packet(&packet(CALLER, nth, &[1; 160]));
        recorder.packet(&packet(AGENT, nth, &[2; 160]));
        all.extend(blocks(at(nth * 20), &mut recorder));
    }
    recorder.end(at(3_600_000));
    all.extend(blocks(at(3_600_000), &mut recorder));
    let mut packets = 0;
    for (index, block) in all.iter_mut().enumerate() {
        assert!(block.size() as usize <= FULL_BLOCK && block.size().is_multiple_of(8));
        assert_eq!(read(block, |block| block.index()), index as u32);
        let inside = payloads(block);
        packets += inside.len();
        if let (Some(first), Some(last)) = (inside.first(), inside.last()) {
            assert!(last.2 - first.2 < 1_000_000);
        }
    }
    assert_eq!(packets, 3_600 * 100);
    assert_eq!(moments(&mut all[0])[0], (0, Moment::Started));
    assert_eq!(moments(all.last_mut().unwrap()).last(), Some(&(3_600_000_000, Moment::Ended)));
}

#[test]
fn a_block_of_a_quiet_call_is_handed_over_before_it_is_a_second_old() {
    let mut recorder = recorder();
    assert!(recorder.poll_block(at(799)).is_none());
    assert_eq!(recorder.poll_timeout(), Some(at(800)));
    let mut first = recorder.poll_block(at(800)).unwrap();
    assert_eq!(moments(&mut first), [(0, Moment::Started)]);
    // Nothing comes: the recording says that it goes on.
    assert_eq!(recorder.poll_timeout(), Some(at(1_600)));
    let mut second = recorder.poll_block(at(1_600)).unwrap();
    assert_eq!(moments(&mut second), [(1_600_000, Moment::Alive)]);
    assert!(recorder.poll_block(at(1_600)).is_none());
    recorder.packet(&packet(CALLER, 100, &[0; 160]));
    assert_eq!(recorder.poll_timeout(), Some(at(2_800)));
    assert_eq!(payloads(&mut recorder.poll_block(at(2_800)).unwrap()), [(CALLER, Side::Left, 2_000_000)]);
}

#[test]
fn masked_audio_and_what_comes_after_the_end_never_enter_a_block() {
    let mut recorder = recorder();
    recorder.packet(&packet(CALLER, 1, &[1; 160]));
    recorder.mark(at(30), Mark::Mask(MaskCause::Secret));
    recorder.packet(&packet(CALLER, 2, &[2; 160]));
    recorder.packet(&packet(AGENT, 2, &[2; 160]));
    recorder.mark(at(50), Mark::Unmask(MaskCause::Secret));
    recorder.packet(&packet(CALLER, 3, &[3; 160]));
    recorder.end(at(70));
    recorder.packet(&packet(CALLER, 4, &[4; 160]));
    recorder.mark(at(90), Mark::Hold);
    recorder.end(at(99));
    let mut all = blocks(at(99), &mut recorder);
    assert_eq!(all.len(), 1);
    let times: Vec<u64> = payloads(&mut all[0]).iter().map(|(_, _, at)| *at).collect();
    assert_eq!(times, [20_000, 60_000]);
    let [started, masked, unmasked, ended] = moments(&mut all[0]).try_into().unwrap();
    assert_eq!((started.1, ended), (Moment::Started, (70_000, Moment::Ended)));
    assert_eq!(masked, (30_000, Moment::Marked(Mark::Mask(MaskCause::Secret))));
    assert_eq!(unmasked, (50_000, Moment::Marked(Mark::Unmask(MaskCause::Secret))));
    assert_eq!(recorder.poll_timeout(), None);
    assert!(!all[0].clone().seal(Place { segment: 0, position: 0 }, None).windows(8).any(|w| w == [2; 8]));
}

#[test]
fn a_person_who_joins_is_heard_on_the_right() {
    let mut recorder = recorder();
    recorder.packet(&packet(AGENT, 1, &[1; 160]));
    recorder.mark(at(30), Mark::PartyJoined(id(13)));
    recorder.packet(&packet(13, 2, &[1; 160]));
    recorder.mark(at(45), Mark::PartyLeft(id(AGENT)));
    recorder.mark(at(46), Mark::PartyLeft(id(99)));
    recorder.end(at(50));
    let mut all = blocks(at(50), &mut recorder);
    assert_eq!(all.len(), 2, "the legs stand before a block's entries");
    assert_eq!(payloads(&mut all[1]), [(13, Side::Right, 40_000)]);
    let marks: Vec<Moment> = moments(&mut all[1]).into_iter().map(|(_, moment)| moment).collect();
    assert_eq!(
        marks,
        [
            Moment::Marked(Mark::PartyJoined(id(13))),
            Moment::Marked(Mark::PartyLeft(id(AGENT))),
            Moment::Ended
        ]
    );
    assert_eq!(read(&mut all[1], |block| block.legs().count()), 3);
}

#[test]
fn more_parties_than_a_block_can_name_are_not_mistaken_for_others() {
    let mut recorder = recorder();
    for leg in 0..400 {
        recorder.mark(at(1), Mark::PartyJoined(id(1_000 + leg)));
        recorder.packet(&packet(1_000 + leg, 1, &[1; 160]));
    }
    recorder.end(at(50));
    let mut all = blocks(at(50), &mut recorder);
    let heard: Vec<u64> = all.iter_mut().flat_map(payloads).map(|(leg, _, _)| leg).collect();
    assert_eq!(heard, (1_000..1_252).collect::<Vec<_>>());
}

#[test]
fn large_payloads_and_long_names_fit_or_are_left_out() {
    let start = Start {
        recording: id(7),
        call: id(9),
        tenant: TenantId::new(&"企".repeat(10_000)),
        caller: id(CALLER),
        persons: (0..1_000).map(id).collect(),
        started: WallTime(0),
    };
    let mut recorder = Recorder::start(at(0), start, &Memory::default());
    for nth in 0..20 {
        recorder.packet(&packet(CALLER, nth, &[1; MAX_PAYLOAD]));
        recorder.packet(&packet(CALLER, nth, &[1; MAX_PAYLOAD + 1]));
    }
    recorder.end(at(900));
    let mut all = blocks(at(900), &mut recorder);
    assert!(all.iter().all(|block| block.size() as usize <= FULL_BLOCK));
    assert_eq!(all.iter_mut().map(|block| payloads(block).len()).sum::<usize>(), 20);
    assert_eq!(read(&mut all[0], |block| block.tenant().len()), 255);
}
