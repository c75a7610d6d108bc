//! What the playable file of a recording costs in process: the packets of its blocks placed, both channels interleaved,
//! waveform, talk shares and SHA-256; and what recorders take to keep packets, whose blocks another thread drops. Disk and
//! journal are not in it. `cargo bench -p hotline-benches --bench finish`
//!
//! `-- disk [SECONDS [CALLS]]`: the finisher's whole thread, which finds a journal of so many calls that ran at once and
//! makes their files on the disk of the folder for temporary files.

use std::hint::black_box;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use clock::{Instant, SystemClock, WallTime};
use hotline_benches::switch::{thread_seconds, words};
use hotline_benches::{Cost, Counting, measure, row};
use media::codec::Codec;
use media::finisher::{Checksum, Files, Stereo, Survey};
use media::recording::{
    AudioBlock, Block, BlockView, FULL_BLOCK, Memory, Place, Recorder, SEGMENT_BYTES, SEGMENT_HEADER, Start,
    segment_header,
};
use media::sink::{Side, TapPacket};
use media_net::{MediaConfig, MediaInterface, MediaNet, PromptCache, RecordingLimits};
use model::event::{Event, RecordingFact};
use model::{LegId, RecordingId, TenantId};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let words = words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |word: &str| word.parse().expect("a number");
    match words[..] {
        [] => in_process(),
        ["disk"] => [30, 180].into_iter().for_each(|seconds| on_disk(seconds, 7_680 / seconds)),
        ["disk", seconds] => on_disk(number(seconds), 256),
        ["disk", seconds, calls] => on_disk(number(seconds), number(calls)),
        _ => panic!("see the head of benches/benches/finish.rs; not {words:?}"),
    }
}

fn in_process() {
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
        let blocks: Vec<Vec<u8>> =
            recorded(codec, SECONDS).into_iter().map(|mut block| block.seal(PLACE, None).to_vec()).collect();
        row(&format!("made playable, {codec:?}"), per_second(made(&blocks)), None);
    }
}

/// `calls` recordings, each with a packet each way every 20 ms.
fn kept(calls: u64) -> Cost {
    let mut now = Instant::ZERO;
    let memory = Memory::default();
    memory.lay_in(vec![0; (calls as usize + WAITING) * FULL_BLOCK].leak());
    let mut recorders: Vec<Recorder> = (0..calls).map(|_| Recorder::start(now, start(), &memory)).collect();
    let payload = [0x55; 160];
    let (blocks, written) = std::sync::mpsc::sync_channel::<Block>(WAITING);
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

/// The blocks of a recording of so many seconds.
fn recorded(codec: Codec, seconds: u64) -> Vec<Block> {
    recorded_as(start(), codec, seconds)
}

fn recorded_as(start: Start, codec: Codec, seconds: u64) -> Vec<Block> {
    let mut recorder = Recorder::start(Instant::ZERO, start, &Memory::default());
    let mut blocks = Vec::new();
    let mut keep =
        |recorder: &mut Recorder, now| blocks.extend(std::iter::from_fn(|| recorder.poll_block(now)));
    let payloads: [[u8; 160]; 8] =
        std::array::from_fn(|nth| std::array::from_fn(|at| (nth * 37 + at * 11) as u8));
    for nth in 0..seconds * 50 {
        let now = Instant::from_millis((nth + 1) * 20);
        for (leg, side) in [(1, Side::Left), (2, Side::Right)] {
            let payload = &payloads[nth as usize % 8];
            recorder.packet(&TapPacket { codec, ..packet((leg, side), nth, now, payload) });
            keep(&mut recorder, now);
        }
    }
    let end = Instant::from_secs(seconds);
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

/// The finisher finds `calls` recordings of so many `seconds` in a journal and makes their files.
fn on_disk(seconds: u64, calls: u64) {
    let data = std::env::temp_dir().join(format!("hotline-bench-finish-{}-{seconds}", std::process::id()));
    write_journal(&data.join("journal"), seconds, calls);
    let (fact, facts) = channel();
    let net = MediaNet::start(
        MediaConfig {
            interfaces: vec![MediaInterface { bind: LOCAL, advertise: LOCAL, ports: 1_024..=1_025 }],
            dscp: 0,
            workers: 1,
            data: data.clone(),
            limits: RecordingLimits::default(),
            second: None,
            prompts: Arc::new(PromptCache::built_in()),
            clock: SystemClock::start(),
        },
        |_| {},
        move |event| drop(fact.send(event)),
    )
    .expect("it starts");
    let mut bytes = 0;
    for _ in 0..calls {
        match facts.recv().expect("the finisher runs") {
            Event::Recording { fact: RecordingFact::Finished { bytes: sound, .. }, .. } => bytes += sound,
            other => panic!("{other:?}"),
        }
    }
    let micros = thread_seconds(std::process::id(), "rec-finish") * 1e6 / calls as f64;
    net.shutdown();
    std::fs::remove_dir_all(&data).expect("it goes");
    assert!(bytes >= calls * seconds * 16_000, "whole files");
    println!(
        "the finisher, {calls} calls of {seconds} s at once {micros:8.0} µs a call {:6.1} µs a second of it",
        micros / seconds as f64
    );
}

/// A journal below `folder` as a crash leaves it: calls that ran at once, block by block in turn.
fn write_journal(folder: &Path, seconds: u64, calls: u64) {
    let mut blocks: Vec<_> = (0..calls)
        .map(|nth| {
            let start = Start { recording: (1_000 + nth).into(), call: (1 + nth).into(), ..start() };
            (recorded_as(start, Codec::Pcma, seconds).into_iter(), None)
        })
        .collect();
    std::fs::create_dir_all(folder).expect("a folder");
    let mut segments: Vec<Vec<u8>> = Vec::new();
    while !blocks.is_empty() {
        blocks.retain_mut(|(rest, previous)| {
            let Some(mut block) = rest.next() else { return false };
            if segments.last().is_none_or(|last| last.len() as u32 + block.size() > SEGMENT_BYTES) {
                segments.push(segment_header(segments.len() as u64, WallTime(0)).to_vec());
            }
            let number = segments.len() as u64 - 1;
            // invariant: one was pushed above.
            let segment = segments.last_mut().expect("a segment");
            let place = Place { segment: number, position: segment.len() as u32 };
            segment.extend_from_slice(block.seal(place, *previous));
            *previous = Some(place);
            true
        });
    }
    assert!(segments.iter().all(|segment| segment.len() > SEGMENT_HEADER as usize));
    for (number, segment) in segments.iter().enumerate() {
        std::fs::write(folder.join(format!("{number:016x}.seg")), segment).expect("written");
    }
}

fn per_second(cost: Cost) -> Cost {
    Cost { nanos: cost.nanos / SECONDS as f64, allocations: cost.allocations / SECONDS as f64 }
}

/// Blocks that may wait for the thread that drops them.
const WAITING: usize = 1_024;

/// How long the recording is.
const SECONDS: u64 = 60;

const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// Where all blocks stand: their places do not matter.
const PLACE: Place = Place { segment: 1, position: 32 };
