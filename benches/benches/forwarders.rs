//! What the kernel takes of a relay: bare forwarders that know nothing of RTP, each with two sockets a call, one packet of
//! 20 ms each way, by CPU time of the forwarder's thread. `cargo bench -p hotline-benches --bench forwarders -- CALLS`
//!
//! They decide how workers read and send: `level` is told of a socket as long as something is there, and reads one datagram;
//! `edge` is told once and looks itself whether more is there; `connected` beside that has sockets that know their peer, as
//! workers do; `uring` receives by multishot into provided buffers and sends what came with the next entry of the kernel.

use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hotline_benches::cpu_nanos;
use io_uring::types::{BufRingEntry, Fixed, RecvMsgOut};
use io_uring::{IoUring, cqueue, opcode, squeue};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let calls = words.first().map_or(1_000, |word| word.parse().expect("a number of calls"));
    println!("{calls} calls, {} packets a second, one round after the other", calls * 100);
    for _ in 0..2 {
        for kind in [Kind::Level, Kind::Edge, Kind::Connected, Kind::Uring] {
            forward(kind, calls);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Level,
    Edge,
    Connected,
    Uring,
}

/// One forwarder's sockets: what comes at one of a pair goes out at the other, to that side's address.
struct Ways {
    sockets: Vec<UdpSocket>,
    /// Where each socket sends.
    to: Vec<libc::sockaddr_in>,
}

fn forward(kind: Kind, calls: usize) {
    let host = Ipv4Addr::LOCALHOST;
    let ends = [0, 1].map(|_| UdpSocket::bind((host, 0)).expect("a socket"));
    ends.iter().for_each(widen);
    let peers = [0, 1].map(|end: usize| address(&ends[end]));
    let sockets: Vec<UdpSocket> =
        (0..2 * calls).map(|_| UdpSocket::bind((host, 0)).expect("descriptors: ulimit -n")).collect();
    for (place, socket) in sockets.iter().enumerate() {
        socket.set_nonblocking(true).expect("set");
        if kind == Kind::Connected {
            socket.connect(peers[place % 2]).expect("connected");
        }
    }
    let targets: Vec<[SocketAddrV4; 2]> =
        sockets.chunks_exact(2).map(|pair| [address(&pair[0]), address(&pair[1])]).collect();
    let to = (0..sockets.len()).map(|place| name(peers[place % 2])).collect();
    let ways = Ways { sockets, to };
    let (stop, forwarded) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (stopped, count) = (Arc::clone(&stop), Arc::clone(&forwarded));
    let thread = std::thread::spawn(move || {
        keep_to(0);
        let began = cpu_nanos();
        match kind {
            Kind::Uring => uring(&ways, &stopped, &count),
            _ => epoll(kind, &ways, &stopped, &count),
        }
        cpu_nanos() - began
    });
    keep_to(1);
    let sent = load(&ends, &targets);
    stop.store(true, Ordering::Relaxed);
    let cpu = thread.join().expect("it ends");
    let forwarded = forwarded.load(Ordering::Relaxed);
    println!(
        "{:<10} {:>6.2} µs of CPU a packet, {:>5.0} calls a core; {:.3} % lost",
        format!("{kind:?}").to_lowercase(),
        cpu as f64 / 1e3 / forwarded as f64,
        1e7 / (cpu as f64 / forwarded as f64),
        100.0 * (1.0 - forwarded as f64 / sent as f64)
    );
}

/// Sends a packet to each socket every 20 ms, in twenty portions, and reads what comes back; how many it sent.
#[allow(clippy::disallowed_methods, reason = "a load has its own clock")]
fn load(ends: &[UdpSocket; 2], targets: &[[SocketAddrV4; 2]]) -> u64 {
    let began = Instant::now();
    let packet = [0xd5u8; 172];
    let mut sent = 0;
    for slot in 0.. {
        let due = STEP * slot;
        if due > LASTS {
            break;
        }
        while began.elapsed() < due {
            ends.iter().for_each(drain);
            std::thread::sleep(Duration::from_micros(100));
        }
        for (end, socket) in ends.iter().enumerate() {
            let portion: Vec<SocketAddrV4> =
                targets.iter().skip(slot as usize % SLOTS).step_by(SLOTS).map(|pair| pair[end]).collect();
            for batch in portion.chunks(BATCH) {
                sent += send_all(socket, &packet, batch);
            }
            drain(socket);
        }
    }
    std::thread::sleep(Duration::from_millis(50));
    sent
}

fn epoll(kind: Kind, ways: &Ways, stop: &AtomicBool, forwarded: &AtomicU64) {
    let events = if kind == Kind::Level { libc::EPOLLIN } else { libc::EPOLLIN | libc::EPOLLET };
    // SAFETY: takes an integer.
    let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    for (place, socket) in ways.sockets.iter().enumerate() {
        let mut event = libc::epoll_event { events: events as u32, u64: place as u64 };
        // SAFETY: open descriptors, and an event that outlives the call.
        unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, socket.as_raw_fd(), &mut event) };
    }
    let mut ready = [libc::epoll_event { events: 0, u64: 0 }; 512];
    let mut datagram = [0u8; 2_048];
    while !stop.load(Ordering::Relaxed) {
        // SAFETY: `ready` has as many elements as are named.
        let count = unsafe { libc::epoll_wait(epoll, ready.as_mut_ptr(), ready.len() as i32, 10) };
        for event in &ready[..usize::try_from(count).unwrap_or(0)] {
            let place = event.u64 as usize;
            while let Some(length) = receive(kind, &ways.sockets[place], &mut datagram) {
                send(kind, ways, place ^ 1, &datagram[..length]);
                forwarded.fetch_add(1, Ordering::Relaxed);
                if kind == Kind::Level || !has_more(&ways.sockets[place]) {
                    break;
                }
            }
        }
    }
    // SAFETY: ours, and not used any more.
    unsafe { libc::close(epoll) };
}

fn receive(kind: Kind, socket: &UdpSocket, datagram: &mut [u8]) -> Option<usize> {
    let mut source = MaybeUninit::<libc::sockaddr_storage>::uninit();
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    let (name, name_length) = match kind {
        // The kernel has compared it.
        Kind::Connected => (std::ptr::null_mut(), std::ptr::null_mut()),
        _ => (source.as_mut_ptr().cast(), &raw mut length),
    };
    // SAFETY: all places are writable for the lengths that are named, or null.
    let received = unsafe {
        libc::recvfrom(socket.as_raw_fd(), datagram.as_mut_ptr().cast(), datagram.len(), 0, name, name_length)
    };
    usize::try_from(received).ok()
}

fn has_more(socket: &UdpSocket) -> bool {
    // SAFETY: nothing is written to an empty buffer.
    unsafe { libc::recv(socket.as_raw_fd(), std::ptr::null_mut(), 0, libc::MSG_PEEK) >= 0 }
}

fn send(kind: Kind, ways: &Ways, place: usize, datagram: &[u8]) {
    let (name, length) = match kind {
        Kind::Connected => (std::ptr::null(), 0),
        _ => ((&raw const ways.to[place]).cast(), size_of::<libc::sockaddr_in>() as libc::socklen_t),
    };
    // SAFETY: the datagram and the name are readable for their lengths, or the name is null.
    unsafe {
        libc::sendto(
            ways.sockets[place].as_raw_fd(),
            datagram.as_ptr().cast(),
            datagram.len(),
            0,
            name,
            length,
        )
    };
}

/// Multishot receiving into provided buffers; each datagram is sent from the buffer that it came in.
fn uring(ways: &Ways, stop: &AtomicBool, forwarded: &AtomicU64) {
    let made: io::Result<IoUring> =
        IoUring::builder().setup_single_issuer().setup_defer_taskrun().setup_cqsize(16_384).build(4_096);
    let mut ring = match made {
        Ok(ring) => ring,
        Err(error) => return println!("io_uring is not to be had here: {error}"),
    };
    let mut buffers = Buffers::new();
    // SAFETY: the ring of buffers is page-aligned, has as many entries as are named, and outlives the io_uring, which is
    // dropped before it.
    unsafe { ring.submitter().register_buf_ring_with_flags(buffers.ring as u64, BUFFERS, GROUP, 0) }
        .expect("registered");
    let descriptors: Vec<i32> = ways.sockets.iter().map(AsRawFd::as_raw_fd).collect();
    ring.submitter().register_files(&descriptors).expect("registered");
    // SAFETY: zeros are a valid header.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
    let receive = |place: usize| {
        let fd = Fixed(place as u32);
        opcode::RecvMsgMulti::new(fd, &raw const header, GROUP).build().user_data(place as u64)
    };
    for place in 0..ways.sockets.len() {
        push(&mut ring, &receive(place));
    }
    // What is sent must stay where it is until the kernel was entered.
    let mut letters: Vec<Box<Letter>> = (0..BUFFERS).map(|_| Box::new(Letter::new())).collect();
    let mut used: Vec<u16> = Vec::new();
    let wait = io_uring::types::Timespec::new().nsec(10_000_000);
    let mut done: Vec<cqueue::Entry> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let arguments = io_uring::types::SubmitArgs::new().timespec(&wait);
        // A wait that ends without anything is no failure.
        let _ = ring.submitter().submit_with_args(1, &arguments);
        used.drain(..).for_each(|buffer| buffers.give(buffer));
        done.extend(ring.completion());
        for entry in done.drain(..) {
            if entry.user_data() == SENT {
                continue;
            }
            let place = entry.user_data() as usize;
            if let (Some(buffer), true) = (cqueue::buffer_select(entry.flags()), entry.result() > 0) {
                let bytes = buffers.bytes(buffer, entry.result() as usize);
                if let Ok(out) = RecvMsgOut::parse(bytes, &header) {
                    let letter = &mut letters[usize::from(buffer)];
                    letter.fill(out.payload_data(), &ways.to[place ^ 1]);
                    let fd = Fixed((place ^ 1) as u32);
                    let send = opcode::SendMsg::new(fd, &raw const letter.header)
                        .flags(libc::MSG_DONTWAIT as u32)
                        .build()
                        .flags(squeue::Flags::SKIP_SUCCESS)
                        .user_data(SENT);
                    push(&mut ring, &send);
                    forwarded.fetch_add(1, Ordering::Relaxed);
                }
                used.push(buffer);
            }
            if !cqueue::more(entry.flags()) {
                push(&mut ring, &receive(place));
            }
        }
    }
    drop(ring);
    drop(buffers);
}

fn push(ring: &mut IoUring, entry: &squeue::Entry) {
    loop {
        // SAFETY: what the entry points to outlives the next entry of the kernel.
        if unsafe { ring.submission().push(entry) }.is_ok() {
            return;
        }
        ring.submit().expect("submitted");
    }
}

/// A datagram on its way out.
struct Letter {
    header: libc::msghdr,
    part: libc::iovec,
    name: libc::sockaddr_in,
}

impl Letter {
    fn new() -> Letter {
        // SAFETY: zeros are valid for all three.
        unsafe { std::mem::zeroed() }
    }

    fn fill(&mut self, payload: &[u8], to: &libc::sockaddr_in) {
        self.name = *to;
        self.part = libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() };
        self.header.msg_name = (&raw mut self.name).cast();
        self.header.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
        self.header.msg_iov = &raw mut self.part;
        self.header.msg_iovlen = 1;
    }
}

/// Buffers that the kernel fills.
struct Buffers {
    ring: *mut BufRingEntry,
    layout: std::alloc::Layout,
    bytes: Vec<u8>,
    tail: u16,
}

impl Buffers {
    fn new() -> Buffers {
        let size = usize::from(BUFFERS) * size_of::<BufRingEntry>();
        let layout = std::alloc::Layout::from_size_align(size, 4_096).expect("a layout");
        // SAFETY: the size is not 0.
        let ring = unsafe { std::alloc::alloc_zeroed(layout) }.cast();
        let mut buffers = Buffers { ring, layout, bytes: vec![0; usize::from(BUFFERS) * BUFFER], tail: 0 };
        (0..BUFFERS).for_each(|buffer| buffers.give(buffer));
        buffers
    }

    fn give(&mut self, buffer: u16) {
        // SAFETY: the entry lies within the ring, and the tail is the field that the kernel reads with it.
        unsafe {
            let entry = &mut *self.ring.add(usize::from(self.tail % BUFFERS));
            entry.set_addr(self.bytes[usize::from(buffer) * BUFFER..].as_ptr() as u64);
            entry.set_len(BUFFER as u32);
            entry.set_bid(buffer);
            self.tail = self.tail.wrapping_add(1);
            let tail = BufRingEntry::tail(self.ring).cast_mut();
            (*tail.cast::<std::sync::atomic::AtomicU16>()).store(self.tail, Ordering::Release);
        }
    }

    fn bytes(&self, buffer: u16, length: usize) -> &[u8] {
        &self.bytes[usize::from(buffer) * BUFFER..][..length]
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: made with this layout, and the kernel's use of it has ended.
        unsafe { std::alloc::dealloc(self.ring.cast(), self.layout) };
    }
}

fn send_all(socket: &UdpSocket, packet: &[u8], targets: &[SocketAddrV4]) -> u64 {
    let mut part = libc::iovec { iov_base: packet.as_ptr().cast_mut().cast(), iov_len: packet.len() };
    let mut names: Vec<libc::sockaddr_in> = targets.iter().map(|to| name(*to)).collect();
    let mut headers: Vec<libc::mmsghdr> = names
        .iter_mut()
        .map(|name| {
            // SAFETY: zeros are a valid header.
            let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
            header.msg_hdr.msg_name = (&raw mut *name).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
            header.msg_hdr.msg_iov = &raw mut part;
            header.msg_hdr.msg_iovlen = 1;
            header
        })
        .collect();
    // SAFETY: as many headers as are named, and all they point to outlives the call.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), headers.len() as u32, 0) };
    u64::try_from(sent).unwrap_or(0)
}

/// Reads everything that has come.
fn drain(socket: &UdpSocket) {
    let mut bytes = [[0u8; 256]; BATCH];
    loop {
        let mut parts =
            bytes.each_mut().map(|buffer| libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: 256 });
        let mut headers = parts.each_mut().map(|part| {
            // SAFETY: zeros are a valid header.
            let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            header
        });
        // SAFETY: as many headers as are named, and all they point to outlives the call.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        if usize::try_from(count).unwrap_or(0) < BATCH {
            return;
        }
    }
}

fn address(socket: &UdpSocket) -> SocketAddrV4 {
    match socket.local_addr().expect("a bound socket has an address") {
        std::net::SocketAddr::V4(address) => address,
        std::net::SocketAddr::V6(_) => unreachable!("bound to IPv4"),
    }
}

fn name(to: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: to.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(to.ip().octets()) },
        sin_zero: [0; 8],
    }
}

fn widen(socket: &UdpSocket) {
    let wanted: libc::c_int = 16 << 20;
    // SAFETY: an open socket and a readable integer of the size that is named.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            (&raw const wanted).cast(),
            size_of_val(&wanted) as libc::socklen_t,
        );
    }
}

/// Binds the calling thread to `cpu`, where there is one.
fn keep_to(cpu: usize) {
    // SAFETY: `set` is plain data that these calls fill and read; pid 0 is the calling thread.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}

const SLOTS: usize = 20;
const STEP: Duration = Duration::from_millis(1);
const LASTS: Duration = Duration::from_secs(3);
const BATCH: usize = 64;
const BUFFERS: u16 = 4_096;
const BUFFER: usize = 512;
const GROUP: u16 = 1;
/// No place of a socket.
const SENT: u64 = u64::MAX;
