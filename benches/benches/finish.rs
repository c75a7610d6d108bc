//! What the playable file of a recording costs in process: the packets of its blocks placed, both channels interleaved,
//! waveform, talk shares and SHA-256; and what recorders take to keep packets, whose blocks another thread drops. Disk and
//! journal are not in it.
//! `cargo bench -p hotline-benches --bench finish`

use std::hint::black_box;
use std::io;
use std::time::Duration;

use clock::{Instant, WallTime};
use hotline_benches::{Cost, Counting, measure, row};
use media::codec::Codec;
use media::finisher::{Checksum, Files, Stereo, Survey};
use media::recording::{AudioBlock, Block, BlockView, Place, Recorder, Start};
use media::sink::{Side, TapPacket};
use model::{LegId, RecordingId, TenantId};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    println!("{:<44}one second of a call, both ways", "");
    for calls in [1, 100, 1_000, 4_000] {
        row(&format!("kept in blocks, {calls} calls at once"), kept(calls), None);
    }
    let sound = vec![0xd5; 16_000];
    let sum = measure(200, || {
        let mut sum = Checksum::default();
        sum.update(black_box(&sound));
        black_box(sum.hex());
    });
    row("SHA-256 of 16,000 bytes alone", sum, None);
    for codec in [Codec::Pcma, Codec::Pcmu, Codec::G722] {
        row(&format!("made playable, {codec:?}"), per_second(made(&recorded(codec))), None);
    }
}

/// `calls` recordings, each with a packet each way every 20 ms.
fn kept(calls: u64) -> Cost {
    let mut now = Instant::ZERO;
    let mut recorders: Vec<Recorder> = (0..calls).map(|_| Recorder::start(now, start())).collect();
    let payload = [0x55; 160];
    let (blocks, written) = std::sync::mpsc::sync_channel::<Block>(8_192);
    let writer =
        std::thread::spawn(move || written.into_iter().map(|block| u64::from(block.size())).sum::<u64>());
    let mut nth = 0;
    let cost = measure(u32::try_from(50 * 4_000 / calls).unwrap_or(1), || {
        now += Duration::from_millis(20);
        for recorder in &mut recorders {
            for (leg, side) in [(1, Side::Left), (2, Side::Right)] {
                recorder.packet(&packet((leg, side), nth, now, &payload));
                while let Some(block) = recorder.poll_block(now) {
                    blocks.send(block).expect("the writer is there");
                }
            }
        }
        nth += 1;
    });
    drop(blocks);
    assert!(writer.join().expect("it ends") > 0);
    let per_second = 50.0 / calls as f64;
    Cost { nanos: cost.nanos * per_second, allocations: cost.allocations * per_second }
}

fn start() -> Start {
    Start {
        recording: RecordingId::from(7),
        call: 9.into(),
        tenant: TenantId::new("acme"),
        caller: 1.into(),
        persons: vec![2.into()],
        started: WallTime(1_795_365_000_000_000),
    }
}

fn packet(from: (u64, Side), nth: u64, now: Instant, payload: &[u8]) -> TapPacket<'_> {
    let (leg, side) = (LegId::from(from.0), from.1);
    let (sequence, media_time) = (nth, nth * 160);
    TapPacket { side, leg, sequence, media_time, arrival: now, codec: Codec::Pcma, payload }
}

/// The blocks of a recording of [`SECONDS`], as the journal holds them.
fn recorded(codec: Codec) -> Vec<Vec<u8>> {
    let mut recorder = Recorder::start(Instant::ZERO, start());
    let mut blocks = Vec::new();
    let mut keep = |recorder: &mut Recorder, now| {
        let sealed = |mut block: Block| block.seal(PLACE, None).to_vec();
        blocks.extend(std::iter::from_fn(|| recorder.poll_block(now)).map(sealed));
    };
    let payloads: [[u8; 160]; 8] =
        std::array::from_fn(|nth| std::array::from_fn(|at| (nth * 37 + at * 11) as u8));
    for nth in 0..SECONDS * 50 {
        let now = Instant::from_millis((nth + 1) * 20);
        for (leg, side) in [(1, Side::Left), (2, Side::Right)] {
            let payload = &payloads[nth as usize % 8];
            recorder.packet(&TapPacket { codec, ..packet((leg, side), nth, now, payload) });
            keep(&mut recorder, now);
        }
    }
    let end = Instant::from_secs(SECONDS);
    recorder.end(end);
    keep(&mut recorder, end);
    blocks
}

fn made(blocks: &[Vec<u8>]) -> Cost {
    measure(5, || {
        let mut survey = Survey::default();
        for block in blocks {
            let Ok(BlockView::Audio(block)) = BlockView::parse(block, PLACE) else { panic!("a block") };
            survey.block(&block);
        }
        let plan = survey.plan().expect("blocks");
        let mut out = Files { sound: io::sink(), peaks: io::sink() };
        let mut stereo = Stereo::begin(plan, &mut out).expect("a sink");
        for block in blocks {
            stereo.block(&AudioBlock::again(block).expect("a block"), &mut out).expect("a sink");
        }
        black_box(stereo.finish(&mut out).expect("a sink"));
    })
}

fn per_second(cost: Cost) -> Cost {
    Cost { nanos: cost.nanos / SECONDS as f64, allocations: cost.allocations / SECONDS as f64 }
}

/// How long the recording is.
const SECONDS: u64 = 60;

/// Where all blocks stand: their places do not matter.
const PLACE: Place = Place { segment: 1, position: 32 };
