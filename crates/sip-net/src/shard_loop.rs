//! Owns the loop that drives one shard: letters, datagrams and timers in; sending, and [`World`] for the rest, out.
//! Does not own what a shard decides (see `call::Shard`).

use std::io;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use call::{Input, Output};
use clock::{Instant, Machine, SystemClock};
use sip::endpoint::{Flow, Transport};

use crate::capture::{Capture, Way};
use crate::datagrams::{Batch, Departing, Read};
use crate::handover::Boxes;
use crate::inbox::{Inbox, Letter, Sleep};
use crate::transports::Transports;
use crate::wake::Epoll;

/// Performs what a shard asks for, other than sending.
pub trait World: Send {
    /// Carries out `output`; an answer of the same turn goes to `answers`. Never waits.
    fn perform(&mut self, now: Instant, output: Output, answers: &mut Vec<Input>);
    /// The machine panicked; what it was working on is being released.
    fn panicked(&mut self);
    /// How many more facts the journal has room for.
    fn room(&self) -> usize {
        usize::MAX
    }
}

/// A machine that can let go of what it was working on when it panicked.
pub trait Abandon {
    /// Releases the call that the last input was about, with a record that says so; nothing else changes.
    fn abandon_current(&mut self, now: Instant);
}

/// What a shard's thread works with.
pub struct ShardLoop<M, W> {
    /// The shard.
    pub machine: M,
    /// Performs its outputs.
    pub world: W,
    /// Its number.
    pub shard: u8,
    /// All shards' letterboxes, its own among them.
    pub boxes: Boxes<M>,
    /// The sockets.
    pub transports: Arc<Transports>,
    /// Keeps the messages of calls.
    pub capture: Arc<Capture>,
    /// The clock.
    pub clock: SystemClock,
    /// The CPU that the thread keeps to.
    pub cpu: Option<usize>,
}

/// A shard's running thread.
#[derive(Debug)]
pub struct ShardThread {
    thread: JoinHandle<()>,
}

impl ShardThread {
    /// Waits for the thread's end, which [`Inbox::stop`] asks for.
    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("信令线程异常退出 / a shard's thread panicked outside of its calls");
        }
    }
}

impl<M, W> ShardLoop<M, W>
where
    M: Machine<Input = Input, Output = Output> + Abandon + Send + 'static,
    W: World + 'static,
{
    /// Starts the thread. It reads the UDP sockets of every listener whose place is its number modulo the number of
    /// shards, so that on one shard no datagram ever changes threads.
    ///
    /// # Errors
    /// When the process has no descriptor or thread left.
    pub fn spawn(self) -> io::Result<ShardThread> {
        let inbox = self
            .boxes
            .of(self.shard)
            .cloned()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no letterbox for this shard"))?;
        let epoll = Epoll::new()?;
        epoll.add(inbox.bell().as_raw_fd(), BELL)?;
        for (place, socket) in self.transports.udp_sockets() {
            if usize::from(place) % self.boxes.len() == usize::from(self.shard) {
                epoll.add(socket.as_raw_fd(), u64::from(place))?;
            }
        }
        let thread = std::thread::Builder::new().name(format!("shard-{}", self.shard)).spawn(move || {
            if let Some(cpu) = self.cpu {
                keep_to(cpu);
            }
            Running::new(inbox, epoll, self).run();
        })?;
        Ok(ShardThread { thread })
    }
}

struct Running<M, W> {
    inbox: Inbox<M>,
    epoll: Epoll,
    batch: Batch,
    waits: Waits,
    seat: Seat<M, W>,
}

/// How long what is handled has waited, in this round of the loop and the one before: a socket with nothing in it must
/// not hide another with a queue.
#[derive(Debug, Default)]
struct Waits {
    before: Duration,
    now: Duration,
    /// The machine was told of a wait or of little room, and must hear when that is over.
    told: bool,
}

impl Waits {
    fn next_round(&mut self) {
        self.before = std::mem::take(&mut self.now);
    }

    fn longest(&mut self, waited: Duration) -> Duration {
        self.now = self.now.max(waited);
        self.now.max(self.before)
    }
}

impl<M, W> Running<M, W>
where
    M: Machine<Input = Input, Output = Output> + Abandon,
    W: World,
{
    fn new(inbox: Inbox<M>, epoll: Epoll, seat: ShardLoop<M, W>) -> Running<M, W> {
        let seat = Seat { seat, departing: Departing::default(), inputs: Vec::new() };
        Running { inbox, epoll, batch: Batch::new(), waits: Waits::default(), seat }
    }

    fn run(mut self) {
        let mut letters = Vec::new();
        let mut readable = Vec::new();
        let mut taken = self.seat.now();
        let mut slept = Duration::ZERO;
        loop {
            self.inbox.take(&mut letters);
            let now = self.seat.now();
            // What lies here came since the box was emptied last, and has waited for what was done meanwhile.
            let waited = now.since(taken).saturating_sub(slept);
            (taken, slept) = (now, Duration::ZERO);
            self.waits.next_round();
            if !self.obey(&mut letters, (taken, waited)) {
                return self.seat.depart();
            }
            self.seat.handle_timeout();
            self.seat.depart();
            let wait = self.milliseconds_to_wait();
            readable.clear();
            let asleep = self.seat.now();
            readable.extend(self.epoll.wait(wait));
            slept += self.seat.now().since(asleep);
            self.inbox.wake_up();
            for token in &readable {
                match u16::try_from(*token) {
                    Ok(interface) => self.read(interface),
                    Err(_) => self.inbox.bell().silence(),
                }
            }
        }
    }

    /// Does what the letters of a round say, which were `taken` after they had `waited` at most so long; false when
    /// the thread ends.
    fn obey(&mut self, letters: &mut Vec<Letter<M>>, (taken, waited): (Instant, Duration)) -> bool {
        for (place, letter) in letters.drain(..).enumerate() {
            if place % LETTERS == 0 {
                let waited = waited + self.seat.now().since(taken);
                self.seat.tell_strain(&mut self.waits, waited);
            }
            match letter {
                Letter::Input(input) => self.seat.handle(input),
                Letter::Ask(ask) => ask(&mut self.seat.seat.machine),
                Letter::Stop => return false,
            }
        }
        true
    }

    /// How long epoll may wait: not at all while letters lie here, for ever (-1) without a timer.
    fn milliseconds_to_wait(&self) -> i32 {
        if self.inbox.fall_asleep() == Sleep::LettersWait {
            return 0;
        }
        match self.seat.seat.machine.poll_timeout() {
            None => -1,
            Some(due) => {
                let micros = due.since(self.seat.now()).as_micros();
                // Rounded up: a wait that ends early would turn in circles for the rest of the millisecond.
                i32::try_from(micros.div_ceil(1_000)).unwrap_or(i32::MAX)
            }
        }
    }

    /// Reads what a listener has, as far as one batch goes; epoll reports the rest at once.
    fn read(&mut self, interface: u16) {
        let Running { batch, waits, seat, .. } = self;
        let shards = seat.seat.boxes.len();
        let transports = Arc::clone(&seat.seat.transports);
        batch.receive(&transports, interface, |read| {
            let (remote, bytes) = match read {
                Read::Waited(waited) => return seat.tell_strain(waits, waited),
                Read::Datagram(remote, bytes) => (remote, bytes),
            };
            let flow = Flow { interface, transport: Transport::Udp, remote, connection: None };
            if shards == 1 || seat.seat.boxes.shard_of(&bytes) == usize::from(seat.seat.shard) {
                seat.handle(Input::Received { flow, bytes });
            } else {
                seat.seat.boxes.deliver(flow, bytes);
            }
        });
    }
}

/// Where the machine works, with what it has said and not yet sent.
struct Seat<M, W> {
    seat: ShardLoop<M, W>,
    departing: Departing,
    /// Empty between two turns; its room is kept.
    inputs: Vec<Input>,
}

impl<M, W> Seat<M, W>
where
    M: Machine<Input = Input, Output = Output> + Abandon,
    W: World,
{
    fn now(&self) -> Instant {
        self.seat.clock.now()
    }

    fn handle(&mut self, input: Input) {
        let now = self.now();
        if let Input::Received { flow, bytes } = &input {
            self.seat.capture.keep(self.seat.shard, now, Way::In, *flow, bytes);
        }
        let mut inputs = std::mem::take(&mut self.inputs);
        inputs.push(input);
        self.guarded(now, |machine, perform| clock::drive(machine, now, &mut inputs, perform));
        // A panic leaves what was to follow.
        inputs.clear();
        self.inputs = inputs;
    }

    /// Tells the machine how it keeps up, unless all is well and was.
    fn tell_strain(&mut self, waits: &mut Waits, waited: Duration) {
        let (waited, room) = (waits.longest(waited), self.seat.world.room());
        let strained = waited >= NO_WAIT || room < MUCH_ROOM;
        if strained || waits.told {
            self.handle(Input::Strain { waited, room });
        }
        waits.told = strained;
    }

    fn handle_timeout(&mut self) {
        let now = self.now();
        if self.seat.machine.poll_timeout().is_some_and(|due| due <= now) {
            self.guarded(now, |machine, perform| clock::drive_timeout(machine, now, perform));
        }
    }

    /// Sends the datagrams of this round.
    fn depart(&mut self) {
        let Seat { seat: ShardLoop { transports, boxes, shard, .. }, departing, .. } = self;
        departing.send(transports, |flow| failed(boxes, *shard, flow));
    }

    /// One turn. A panic ends the call it was about, not the process.
    fn guarded(&mut self, now: Instant, turn: impl FnOnce(&mut M, &mut dyn FnMut(Output, &mut Vec<Input>))) {
        let Seat {
            seat: ShardLoop { machine, world, boxes, transports, shard, capture, .. }, departing, ..
        } = self;
        let mut perform = |output: Output, answers: &mut Vec<Input>| match output {
            Output::Transmit { flow, bytes } if flow.transport == Transport::Udp => {
                capture.keep(*shard, now, Way::Out, flow, &bytes);
                departing.push(flow, bytes);
                if departing.is_full() {
                    departing.send(transports, |flow| failed(boxes, *shard, flow));
                }
            }
            Output::Transmit { flow, bytes } => {
                capture.keep(*shard, now, Way::Out, flow, &bytes);
                if transports.send(flow, &bytes).is_err() {
                    failed(boxes, *shard, flow);
                }
            }
            Output::LegNamed { tenant, call, sip_call_id } => {
                capture.name(*shard, tenant, call, &sip_call_id);
            }
            other => world.perform(now, other, answers),
        };
        if catch_unwind(AssertUnwindSafe(|| turn(machine, &mut perform))).is_ok() {
            return;
        }
        tracing::error!(shard, "呼叫处理出错,已结束该通呼叫 / a call's code panicked; the call is released");
        let released = catch_unwind(AssertUnwindSafe(|| {
            machine.abandon_current(now);
            let mut answers = Vec::new();
            while let Some(output) = machine.poll_output() {
                perform(output, &mut answers);
            }
            clock::drive(machine, now, &mut answers, &mut perform);
        }));
        if released.is_err() {
            tracing::error!(shard, "呼叫释放时再次出错 / releasing the call panicked too");
        }
        world.panicked();
    }
}

/// By letter, not in this turn: a machine that tries again at once must not starve the rest.
fn failed<M>(boxes: &Boxes<M>, shard: u8, flow: Flow) {
    boxes.post(shard, Input::TransportFailed { flow });
}

/// Binds the calling thread to `cpu`; where the system refuses, it stays free.
fn keep_to(cpu: usize) {
    // SAFETY: `set` is plain data that these calls fill and read; pid 0 is the calling thread.
    let done = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    if done != 0 {
        tracing::warn!(cpu, error = %io::Error::last_os_error(), "线程绑核失败 / cannot keep to the CPU");
    }
}

/// A wait that is none: as long as a thread takes to be woken.
const NO_WAIT: Duration = Duration::from_millis(2);
/// Letters handled between two looks at the clock.
const LETTERS: usize = 64;
/// Facts of as many calls as a shard may take within one turn.
const MUCH_ROOM: usize = 32_768;

/// epoll's token of the letterbox; listeners' tokens are below 65,536.
const BELL: u64 = u64::MAX;

impl Abandon for call::Shard {
    fn abandon_current(&mut self, now: Instant) {
        if let Some(call) = self.abandon(now) {
            tracing::error!(%call, "该通呼叫已释放 / this call was released");
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
