//! Owns what tests of this crate share: folders that vanish, tones, and a look into stereo files.

use std::f64::consts::PI;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use clock::{Instant, WallTime};
use media::codec::Codec;
use media::g711::{self, Law};
use media::recording::{Block, Memory, Recorder, Start};
use media::sink::{Side, TapPacket};
use model::{LegId, TenantId};

use crate::disk::{DiskWatch, SharedLimits};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder of its own, removed with all in it at the end.
pub struct TempFolder(PathBuf);

impl TempFolder {
    pub fn new(name: &str) -> TempFolder {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hotline-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        TempFolder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A disk without limits.
pub fn disk(data: &Path, facts: crate::Facts) -> DiskWatch {
    DiskWatch::new(data.to_owned(), SharedLimits::default(), facts)
}

/// `count` full blocks of a recording.
pub fn blocks_of(recording: u64, count: usize) -> Vec<Block> {
    let start = Start {
        recording: recording.into(),
        call: 9.into(),
        tenant: TenantId::new("acme"),
        caller: 1.into(),
        persons: vec![],
        started: WallTime(1_795_000_000_000_000),
    };
    let mut recorder = Recorder::start(Instant::ZERO, start, &Memory::default());
    let mut blocks = Vec::new();
    let mut now = Instant::ZERO;
    for nth in 0u64.. {
        blocks.extend(std::iter::from_fn(|| recorder.poll_block(now)));
        if blocks.len() >= count {
            break;
        }
        recorder.packet(&TapPacket {
            side: Side::Left,
            leg: LegId::from(1),
            sequence: nth,
            media_time: nth * 160,
            arrival: now,
            codec: Codec::Pcma,
            payload: &[0x2a; 1_500],
        });
        now += Duration::from_millis(20);
    }
    blocks
}

/// A loopback address of this process and test alone, so that no port of it is anybody else's.
pub fn own_address(test: u8) -> IpAddr {
    let process = std::process::id();
    IpAddr::from([127, 64 + (process >> 8 & 0x7f) as u8, process as u8, test])
}

/// Packet number `nth` of a tone: 20 ms of `codec`.
pub fn tone(hz: f64, codec: Codec, nth: usize) -> [u8; 160] {
    std::array::from_fn(|n| {
        let phase = 2.0 * PI * hz * (nth * 160 + n) as f64 / 8_000.0;
        g711::encode(Law::of(codec).unwrap(), (8_000.0 * phase.sin()) as i16)
    })
}

/// The channels of a stereo file, by its own header.
pub fn channels(path: &Path) -> [Vec<i16>; 2] {
    let bytes = std::fs::read(path).unwrap();
    let sample = |at: &[u8]| match bytes[20] {
        1 => i16::from_le_bytes([at[0], at[1]]),
        6 => g711::decode(Law::Pcma, at[0]),
        7 => g711::decode(Law::Pcmu, at[0]),
        tag => panic!("format {tag}"),
    };
    let width = usize::from(bytes[34]) / 8;
    assert_eq!(u32::from_le_bytes(bytes[54..58].try_into().unwrap()) as usize, bytes.len() - 58);
    assert_eq!(u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize, bytes.len() - 8);
    let of =
        |channel: usize| bytes[58..].chunks_exact(2 * width).map(|f| sample(&f[channel * width..])).collect();
    [of(0), of(1)]
}

/// The amplitude of `hz` in `samples` (Goertzel).
pub fn level(samples: &[i16], hz: f64) -> f64 {
    let coefficient = 2.0 * (2.0 * PI * hz / 8_000.0).cos();
    let (mut s1, mut s2) = (0.0, 0.0);
    for sample in samples {
        let s0 = f64::from(*sample) + coefficient * s1 - s2;
        (s2, s1) = (s1, s0);
    }
    2.0 * (s1 * s1 + s2 * s2 - coefficient * s1 * s2).max(0.0).sqrt() / samples.len() as f64
}
