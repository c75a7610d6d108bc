//! Owns how figures are measured: CPU time of this thread and allocations, never wall time, against a second
//! candidate in the same run where there is one.

pub mod switch;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::net::SocketAddr;

use media::{Channel, PortIndex, Sink, TapPacket};
use model::RecordingId;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static HELD: Cell<i64> = const { Cell::new(0) };
}

/// The system's allocator, counting.
pub struct Counting;

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that ends has no counter any more, and nothing left to measure.
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        let _ = HELD.try_with(|held| held.set(held.get() + layout.size() as i64));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        let _ = HELD.try_with(|held| held.set(held.get() - layout.size() as i64));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(place, layout) }
    }

    // As the switch has it: what grows may stay where it is, and counts once more.
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        let _ = HELD.try_with(|held| held.set(held.get() + size as i64 - layout.size() as i64));
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// What a room gives away, counted.
#[derive(Default)]
pub struct Sent {
    /// RTP packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of payload that a recording keeps.
    pub kept: u64,
}

impl Sink for Sent {
    fn rtp(&mut self, _: PortIndex, _: SocketAddr, datagram: &[u8]) {
        self.packets += 1;
        self.bytes += black_box(datagram).len() as u64;
    }
    fn rtcp(&mut self, _: PortIndex, _: Channel, _: SocketAddr, _: &[u8]) {}
    fn record(&mut self, _: RecordingId, packet: &TapPacket<'_>) {
        self.kept += packet.payload.len() as u64;
    }
    fn event(&mut self, _: media::Event) {}
}

/// What one turn of the work cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// CPU nanoseconds of this thread: the median of several runs.
    pub nanos: f64,
    /// Allocations.
    pub allocations: f64,
}

/// Runs `work` `turns` times in each of nine runs.
pub fn measure(turns: u32, mut work: impl FnMut()) -> Cost {
    const RUNS: usize = 9;
    work();
    let mut nanos = Vec::with_capacity(RUNS);
    let mut allocations = 0;
    for _ in 0..RUNS {
        let before = ALLOCATIONS.get();
        let began = cpu_nanos();
        (0..turns).for_each(|_| work());
        nanos.push((cpu_nanos() - began) as f64 / f64::from(turns));
        allocations = ALLOCATIONS.get() - before;
    }
    nanos.sort_by(f64::total_cmp);
    Cost { nanos: nanos[RUNS / 2], allocations: allocations as f64 / f64::from(turns) }
}

/// How often this thread has asked for memory so far.
pub fn allocations() -> u64 {
    ALLOCATIONS.get()
}

/// Bytes that this thread has asked for and not given back; what others gave it to free counts against it.
pub fn held_bytes() -> i64 {
    HELD.get()
}

/// Prints a row; with a peer, the ratio too.
pub fn row(what: &str, cost: Cost, peer: Option<Cost>) {
    let beside = match peer {
        Some(peer) => format!(
            "{:10.0} ns {:6.1} allocations   ×{:.2}",
            peer.nanos,
            peer.allocations,
            peer.nanos / cost.nanos
        ),
        None => String::new(),
    };
    println!("{what:<44}{:10.0} ns {:6.1} allocations   {beside}", cost.nanos, cost.allocations);
}

/// CPU time of this thread in nanoseconds.
pub fn cpu_nanos() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a place the call may write one timespec to.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
