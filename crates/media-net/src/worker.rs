//! Owns a worker: a thread with its own poll loop that owns rooms and their sockets. Does not own what a room decides
//! (see `media::room`), nor files (see [`crate::journal`]).

mod agenda;
mod outlet;
mod rooms;
mod shelf;
mod slots;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use clock::{Instant, SystemClock};
use media::Clip;
use media::command::{Command, Peer, PlayMode};
use media::room::Passenger;
use media::sink::Channel;
use model::{CallId, LegId, PlayId};

use crate::Events;
use crate::journal::JournalInlet;
use crate::ports::{Opened, Pair};
use crate::sys::{self, Bell, Left, Poll};
use rooms::Rooms;
use shelf::Shelf;

/// Commands that may wait for a worker. A worker waits for nothing, so that a full inbox empties by itself; whoever
/// sends waits meanwhile. What is written here goes round: more room than the processor's cache has makes each command
/// wait for memory.
const INBOX: usize = 1_024;

/// Commands taken between two looks at the sockets.
const COMMANDS_AT_A_TIME: usize = 64;

/// What a worker is told.
#[derive(Debug)]
pub enum ToWorker {
    /// A bound port for a room of this worker.
    Adopt { room: CallId, port: LegId, peer: Peer, seed: u64, opened: Opened },
    /// A playback whose items have become clips.
    Play { port: LegId, play: (PlayId, PlayMode), clips: Vec<Arc<Clip>> },
    /// A port goes over to another room, of this worker or by `to` into the hands of another.
    LetGo { port: LegId, room: CallId, to: Option<Sender<Moving>> },
    /// A port comes from another worker, who was told to let it go before this was told: the wait is for one turn of
    /// that worker, and since both are told at once under one lock, no two can wait for each other.
    TakeIn { room: CallId, from: Receiver<Moving> },
    /// Anything else.
    Command(Command),
    /// Close all rooms and end.
    Stop,
}

/// A port on its way between workers, with its sockets.
#[derive(Debug)]
pub struct Moving {
    pub passenger: Passenger,
    pub pair: Option<Pair>,
}

/// What a worker counts, for everybody to read.
#[derive(Debug, Default)]
pub struct Figures {
    /// Rooms with ports.
    pub rooms: AtomicUsize,
    /// Ports.
    pub ports: AtomicUsize,
    /// Pairs of sockets that rest bound.
    pub resting: AtomicUsize,
    /// Playbacks that run.
    pub players: AtomicUsize,
    /// Recordings that run.
    pub recordings: AtomicUsize,
    /// Datagrams that the system did not take.
    pub unsent: AtomicU64,
}

/// Signalling's end of a worker.
#[derive(Clone, Debug)]
pub struct WorkerInlet {
    inbox: SyncSender<ToWorker>,
    bell: Bell,
    asleep: Arc<AtomicBool>,
    /// What it counts.
    pub figures: Arc<Figures>,
}

impl WorkerInlet {
    /// Tells the worker. `false`: it has ended. A worker that has rooms looks into its inbox by itself, before each
    /// packet and each few milliseconds; only one that sleeps must be woken.
    pub fn tell(&self, told: ToWorker) -> bool {
        let taken = self.inbox.send(told).is_ok();
        // Either the worker, about to sleep, sees the letter, or we see that it sleeps.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            self.bell.ring();
        }
        taken
    }
}

/// What a worker is given at its start.
#[derive(Clone)]
pub struct Surroundings {
    /// Who takes events.
    pub events: Events,
    /// Where blocks go.
    pub journal: JournalInlet,
    /// The machine's clock.
    pub clock: SystemClock,
}

/// Starts worker number `number`.
///
/// # Errors
/// When the system gives no descriptor or thread.
pub fn spawn(number: usize, around: Surroundings) -> io::Result<(WorkerInlet, thread::JoinHandle<()>)> {
    let (inlet, inbox) = sync_channel(INBOX);
    let (bell, poll, figures) = (Bell::new()?, Poll::new()?, Arc::new(Figures::default()));
    let registry = poll.registry();
    registry.add(&bell, Token::BELL)?;
    let rooms =
        Rooms::new(Shelf::new(number, registry, Arc::clone(&figures)), around.clone(), figures.clone());
    let asleep = Arc::new(AtomicBool::new(false));
    let told = Told { inbox, first: None, asleep: Arc::clone(&asleep) };
    let worker = Worker { poll, bell: bell.clone(), told, rooms, clock: around.clock };
    let thread = thread::Builder::new().name(format!("media-{number}")).spawn(move || worker.run())?;
    Ok((WorkerInlet { inbox: inlet, bell, asleep, figures }, thread))
}

/// What a socket is registered with: which pair of the worker it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    place: u32,
    channel: Channel,
}

impl Token {
    const BELL: u64 = u64::MAX;

    fn pack(self) -> u64 {
        let channel = match self.channel {
            Channel::Rtp => 0,
            Channel::Rtcp => 1,
        };
        u64::from(self.place) << 1 | channel
    }

    fn unpack(raw: u64) -> Token {
        let channel = if raw & 1 == 0 { Channel::Rtp } else { Channel::Rtcp };
        Token { place: (raw >> 1) as u32, channel }
    }
}

struct Worker {
    poll: Poll,
    bell: Bell,
    told: Told,
    rooms: Rooms,
    clock: SystemClock,
}

/// The worker's end of its inbox.
struct Told {
    inbox: Receiver<ToWorker>,
    /// Taken out to see whether there is something.
    first: Option<ToWorker>,
    /// Whoever tells something must ring.
    asleep: Arc<AtomicBool>,
}

/// What was found in the inbox.
#[derive(PartialEq)]
enum Go {
    /// Nothing, or all that was there.
    On,
    /// More than was taken.
    More,
    Ending,
}

impl Worker {
    fn run(mut self) {
        let mut datagram = [0; sys::DATAGRAM];
        let mut next_step = self.clock.now();
        let mut go = Go::On;
        // Sockets that had more than one datagram: the system tells of them no more until something else comes. Each turn
        // reads one of each, so that a socket that is flooded holds up nobody.
        let mut unread: Vec<Token> = Vec::new();
        while go != Go::Ending {
            let wait = match go {
                Go::On if unread.is_empty() => self.wait(next_step),
                _ => Some(Duration::ZERO),
            };
            let ready = match self.poll.wait(wait) {
                Ok(ready) => ready,
                Err(error) => {
                    tracing::error!(%error, "media worker cannot wait for its sockets");
                    return;
                }
            };
            self.told.asleep.store(false, Ordering::SeqCst);
            // What was told before a packet came is obeyed before the packet is forwarded.
            go = self.obey();
            let now = self.clock.now();
            unread.retain(|token| self.rooms.readable(now, *token, &mut datagram) == Left::Something);
            self.expect_first();
            for nth in 0..ready {
                self.expect(nth);
                let Some(token) = self.poll.token(nth) else { continue };
                if token == Token::BELL {
                    self.bell.hush();
                    continue;
                }
                let token = Token::unpack(token);
                let left = self.rooms.readable(now, token, &mut datagram);
                if left == Left::Something && !unread.contains(&token) {
                    unread.push(token);
                }
            }
            let now = self.clock.now();
            if now >= next_step {
                next_step = agenda::after(now);
                self.rooms.tick(now);
            }
            self.rooms.report();
        }
        self.rooms.close_all(self.clock.now());
    }

    /// Thousands of calls do not fit into the processor's cache, and each packet needs its room and two ports of it: they
    /// are asked for while the packets before it are forwarded.
    #[inline]
    fn expect(&self, nth: usize) {
        self.expect_room(nth + 2);
        self.expect_ports(nth + 1);
    }

    /// Before the first packet, for which there is the time that the system takes to hand it out.
    #[inline]
    fn expect_first(&self) {
        self.expect_room(0);
        self.expect_room(1);
        self.expect_ports(0);
    }

    #[inline]
    fn expect_room(&self, nth: usize) {
        if let Some(token) = self.poll.token(nth).filter(|token| *token != Token::BELL) {
            self.rooms.expect_room(Token::unpack(token));
        }
    }

    #[inline]
    fn expect_ports(&self, nth: usize) {
        if let Some(token) = self.poll.token(nth).filter(|token| *token != Token::BELL) {
            self.rooms.expect_ports(Token::unpack(token));
        }
    }

    /// How long to wait for sockets: until the next step while there are rooms, else until something is due or somebody rings.
    fn wait(&mut self, next_step: Instant) -> Option<Duration> {
        let now = self.clock.now();
        if !self.rooms.is_empty() {
            return Some(next_step.since(now));
        }
        let due = self.rooms.due().map(|due| due.max(next_step).since(now));
        self.told.asleep.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        // What was told before that store did not ring; whoever tells something from now on does.
        if self.told.is_empty() { due } else { Some(Duration::ZERO) }
    }

    /// Takes what waits in the inbox, but not so much that sockets wait.
    fn obey(&mut self) -> Go {
        for _ in 0..COMMANDS_AT_A_TIME {
            match self.told.next() {
                Ok(ToWorker::Stop) | Err(TryRecvError::Disconnected) => return Go::Ending,
                Ok(told) => self.rooms.obey(self.clock.now(), told),
                Err(TryRecvError::Empty) => return Go::On,
            }
        }
        Go::More
    }
}

impl Told {
    fn next(&mut self) -> Result<ToWorker, TryRecvError> {
        self.first.take().map_or_else(|| self.inbox.try_recv(), Ok)
    }

    /// Whether nothing waits; an inbox that nobody can write to any more has something to say.
    fn is_empty(&mut self) -> bool {
        if self.first.is_none() {
            match self.inbox.try_recv() {
                Ok(told) => self.first = Some(told),
                Err(error) => return error == TryRecvError::Empty,
            }
        }
        false
    }
}

/// Counts in one place, reads in another: no order is needed.
fn add(counter: &AtomicUsize, change: isize) {
    if change >= 0 {
        counter.fetch_add(change.unsigned_abs(), Ordering::Relaxed);
    } else {
        counter.fetch_sub(change.unsigned_abs(), Ordering::Relaxed);
    }
}
