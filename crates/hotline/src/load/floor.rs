//! Owns the floor that a media relay is measured against: a bare epoll forwarder on a thread of its own, which knows
//! nothing of RTP, and the load that goes through it as it would through a switch.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use clock::SystemClock;

use super::options::Options;
use super::post;
use super::report::{Calls, Report, Spread};
use super::steady::Watcher;
use super::switch::{self, Used};
use super::voice::Voice;

/// Sends the audio of `options.calls` calls through the forwarder, for `options.hold`.
pub(super) fn run(options: &Options) -> anyhow::Result<Report> {
    let clock = SystemClock::start();
    let mut voice = Voice::bind(options, clock)?;
    let (caller, callee) = voice.addresses();
    let floor = Floor::start(options, [caller, callee])?;
    for (call, [near, far]) in floor.ports.iter().enumerate() {
        let call = u32::try_from(call).unwrap_or(u32::MAX);
        voice.speak_as_caller(call, *near);
        voice.speak_as_callee(call, *far);
    }
    let mut lateness = Spread::default();
    let (began, own) = (clock.now(), switch::own_cpu());
    let end = began + options.hold;
    let mut watcher = Watcher::new(Some(std::process::id()));
    watcher.all_talk(began, end).into_iter().for_each(|stretch| voice.measure(stretch));
    while clock.now() < end {
        voice.tick(clock.now(), &mut lateness);
        watcher.tick(clock.now());
        let wait = voice.due().unwrap_or(end).since(clock.now());
        if super::looks_by_itself(options) {
            post::wait(&[], wait.min(super::LONGEST_UNREAD));
        } else {
            post::wait(&voice.posts(), wait);
        }
        voice.receive();
    }
    watcher.tick(clock.now());
    // What is under way.
    post::wait(&voice.posts(), UNDER_WAY);
    voice.receive();
    let lasted = clock.now().since(began);
    let cpu = floor.stop();
    let used = Used::of_one("floor", cpu, lasted);
    let mut steady = watcher.into_steady(options.calls, voice.stretch());
    if let Some(used) = steady.as_mut().and_then(|steady| steady.per_call_second.as_mut()) {
        // The other threads of this process are the load.
        used.keep_only("floor");
    }
    let calls =
        Calls { begun: options.calls, answered: options.calls, completed: options.calls, ..Calls::default() };
    Ok(Report {
        calls,
        asked_per_second: 0.0,
        seconds: lasted.as_secs_f64(),
        setup: Spread::default().summary(),
        retransmitted_by_switch: 0,
        lateness: lateness.summary(),
        load_micros_per_call: (switch::own_cpu().saturating_sub(own + cpu)).as_secs_f64() * 1e6
            / f64::from(options.calls.max(1)),
        rtp: Some(voice.into_figures()),
        switch: Some(used.per_call(options.calls)),
        steady,
    })
}

/// The running forwarder.
struct Floor {
    ports: Vec<[SocketAddr; 2]>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Duration>,
}

impl Floor {
    fn start(options: &Options, [caller, callee]: [SocketAddr; 2]) -> anyhow::Result<Floor> {
        let mut ports = Vec::new();
        let mut ways = Vec::new();
        for _ in 0..options.calls {
            let open = |to: SocketAddr| -> io::Result<UdpSocket> {
                let socket = UdpSocket::bind(SocketAddr::new(to.ip(), 0))?;
                socket.set_nonblocking(true)?;
                Ok(socket)
            };
            let near = open(caller).context("套接字不够 / not enough sockets")?;
            let far = open(callee).context("套接字不够 / not enough sockets")?;
            ports.push([near.local_addr()?, far.local_addr()?]);
            ways.extend([(near, caller), (far, callee)]);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, cpu) = (Arc::clone(&stop), options.floor_cpu);
        let thread = std::thread::Builder::new().name("floor".into()).spawn(move || {
            if let Some(cpu) = cpu
                && let Err(error) = switch::keep_to(cpu)
            {
                eprintln!("不能绑定到 CPU {cpu} / cannot keep to CPU {cpu}: {error}");
            }
            forward(&ways, &stopped);
            switch::own_thread_cpu()
        })?;
        Ok(Floor { ports, stop, thread })
    }

    /// Ends the thread; the CPU time that it took.
    fn stop(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// What comes at one socket of a pair goes out at the other, to that side's address.
fn forward(ways: &[(UdpSocket, SocketAddr)], stop: &AtomicBool) {
    // SAFETY: takes an integer.
    let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    for (place, (socket, _)) in ways.iter().enumerate() {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: place as u64 };
        // SAFETY: open descriptors, and an event that outlives the call.
        unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, socket.as_raw_fd(), &mut event) };
    }
    let mut ready = [libc::epoll_event { events: 0, u64: 0 }; 512];
    let mut datagram = [0; 2_048];
    while !stop.load(Ordering::Relaxed) {
        // SAFETY: `ready` has as many elements as are named.
        let count = unsafe { libc::epoll_wait(epoll, ready.as_mut_ptr(), ready.len() as i32, 100) };
        for event in &ready[..usize::try_from(count).unwrap_or(0)] {
            let place = event.u64 as usize;
            let Some(((socket, _), (other, to))) = ways.get(place).zip(ways.get(place ^ 1)) else { continue };
            if let Ok((length, _)) = socket.recv_from(&mut datagram) {
                // A full buffer loses the packet, as a network does.
                let _lost = other.send_to(&datagram[..length], to);
            }
        }
    }
    // SAFETY: ours, and not used any more.
    unsafe { libc::close(epoll) };
}

const UNDER_WAY: Duration = Duration::from_millis(50);
