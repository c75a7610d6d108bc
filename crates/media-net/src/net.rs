//! Owns the handle that the rest of the process has of media: it binds ports in the caller's thread and tells workers
//! the rest. Does not own rooms (see [`crate::worker`]).

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use clock::MintedMap;
use clock::SystemClock;
use media::Clip;
use media::codec::Codec;
use media::command::{Command, Event, Peer, PlayEnd, PlayMode};
use model::{CallId, LegId, PlayId, RecordingId};
use smallvec::SmallVec;

use crate::disk::{DiskFigures, DiskWatch, SharedLimits};
use crate::finish::Finisher;
use crate::journal::medium::{Disk, Medium};
use crate::journal::{self, Journal, JournalInlet, ToJournal};
use crate::manifest::Manifest;
use crate::ports::{PortError, PortPool};
use crate::prompts::Preparer;
use crate::recorded::{Loading, is_recorded};
use crate::second::{Behind, Copier, SharedSecond};
use crate::worker::{self, Surroundings, ToWorker, WorkerInlet};
use crate::{MediaConfig, PromptCache, RecordingLimits, SecondPlace};

/// Media of this node. Clones share it.
#[derive(Clone)]
pub struct MediaNet {
    shared: Arc<Shared>,
}

struct Shared {
    workers: Vec<WorkerInlet>,
    pool: Arc<PortPool>,
    journal: JournalInlet,
    prompts: RwLock<Arc<PromptCache>>,
    preparer: Preparer,
    loading: Loading,
    limits: SharedLimits,
    disk: Arc<DiskFigures>,
    second: SharedSecond,
    behind: Arc<Behind>,
    directory: Mutex<Directory>,
    events: crate::Events,
    threads: Mutex<Option<Threads>>,
    random: RandomState,
}

struct Threads {
    workers: Vec<JoinHandle<()>>,
    writer: JoinHandle<()>,
    finisher: JoinHandle<()>,
    copier: (JoinHandle<()>, Arc<AtomicBool>),
}

/// The copier as it was started.
struct Copying {
    wanted: SharedSecond,
    behind: Arc<Behind>,
    thread: (JoinHandle<()>, Arc<AtomicBool>),
}

impl Copying {
    fn start(
        second: Option<SecondPlace>,
        journal: &Path,
        (writer, facts): (&Journal, &crate::Facts),
        clock: SystemClock,
    ) -> io::Result<Copying> {
        let (wanted, behind) = (Arc::new(RwLock::new(second)), Arc::new(Behind::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let copier = Copier {
            journal: journal.to_owned(),
            wanted: Arc::clone(&wanted),
            written: writer.written(),
            behind: Arc::clone(&behind),
            facts: Arc::clone(facts),
            clock,
        };
        let thread = (copier.spawn(Arc::clone(&stop))?, stop);
        Ok(Copying { wanted, behind, thread })
    }
}

/// What is alive in media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaLive {
    /// Rooms with ports.
    pub rooms: usize,
    /// Open ports.
    pub ports: usize,
    /// Open sockets: two for each port, and for each that a call left a moment ago.
    pub sockets: usize,
    /// Playbacks that run.
    pub players: usize,
    /// Recordings that run.
    pub recordings: usize,
    /// Blocks of recordings lost because the disk was too slow or refused, since the start.
    pub blocks_dropped: u64,
    /// Datagrams that the system did not take, since the start.
    pub unsent: u64,
    /// Free bytes of the disk of recordings.
    pub disk_free: u64,
    /// Whether no recording begins: that disk is full or refuses.
    pub disk_full: bool,
    /// Bytes of the journal that its second place does not have yet.
    pub second_behind: u64,
    /// How long the second place has not had everything.
    pub second_lag: Duration,
    /// Bytes of the journal that its second place will never have, since the start.
    pub second_lost: u64,
}

/// Of one call.
type Legs = SmallVec<[LegId; 2]>;
type Recordings = SmallVec<[RecordingId; 1]>;

/// Which call a leg or recording belongs to, and so which worker.
#[derive(Debug, Default)]
struct Directory {
    calls: MintedMap<CallId, (Legs, Recordings)>,
    legs: MintedMap<LegId, CallId>,
    /// Legs whose codec has a state: what is said to them is better encoded before.
    codecs: MintedMap<LegId, Codec>,
    recordings: MintedMap<RecordingId, CallId>,
}

impl MediaNet {
    /// Starts all threads. `events` takes what rooms report, in workers' threads, or in the caller's for ports that
    /// are opened and playbacks that cannot begin; `facts` takes finished recordings and failing disks. Neither may
    /// wait. Recordings that an earlier process left unfinished are finished first.
    ///
    /// # Errors
    /// When the data folder cannot be used, or the system gives no thread or descriptor.
    pub fn start(
        config: MediaConfig,
        events: impl Fn(&mut dyn Iterator<Item = Event>) + Send + Sync + 'static,
        facts: impl Fn(model::event::Event) + Send + Sync + 'static,
    ) -> io::Result<MediaNet> {
        MediaNet::start_on(Arc::new(Disk), config, Arc::new(events), Arc::new(facts))
    }

    /// The same with the journal on `medium`.
    fn start_on(
        medium: Arc<dyn Medium>,
        config: MediaConfig,
        events: crate::Events,
        facts: crate::Facts,
    ) -> io::Result<MediaNet> {
        let MediaConfig { interfaces, dscp, workers, data, limits, second, prompts, clock } = config;
        let limits: SharedLimits = Arc::new(RwLock::new(limits));
        let loading = Loading::new(data.clone());
        let folder = data.join("journal");
        let mut recovered = journal::recover(&folder)?;
        let (jobs, waiting) = channel();
        for job in recovered.jobs.drain(..) {
            // The receiver is in this scope.
            let _ = jobs.send(job);
        }
        let disk = DiskWatch::new(data.clone(), Arc::clone(&limits), Arc::clone(&facts));
        let disk_figures = disk.figures();
        let (writer, inlet) = Journal::new((medium, folder.clone()), recovered, jobs, disk, clock);
        let copier = Copying::start(second, &folder, (&writer, &facts), clock)?;
        let writer = writer.spawn()?;
        let manifest = Manifest::open(&data)?;
        let finisher = Finisher {
            data,
            journal: folder,
            facts,
            done: inlet.waiting(),
            manifest,
            limits: Arc::clone(&limits),
            clock,
        };
        let finisher = finisher.spawn(waiting)?;
        let around = Surroundings { events: Arc::clone(&events), journal: inlet.clone(), clock };
        let count = workers.max(1);
        let started: Vec<_> =
            (0..count).map(|number| worker::spawn(number, around.clone())).collect::<io::Result<_>>()?;
        let (workers, threads) = started.into_iter().unzip();
        let shared = Shared {
            workers,
            pool: Arc::new(PortPool::new(interfaces, count, dscp, clock)),
            journal: inlet,
            prompts: RwLock::new(prompts),
            preparer: Preparer::spawn()?,
            loading,
            limits,
            directory: Mutex::default(),
            events,
            disk: disk_figures,
            second: copier.wanted,
            behind: copier.behind,
            threads: Mutex::new(Some(Threads { workers: threads, writer, finisher, copier: copier.thread })),
            random: RandomState::new(),
        };
        Ok(MediaNet { shared: Arc::new(shared) })
    }

    /// Binds a port for a leg and gives it to the room's worker. The address is the advertised one.
    ///
    /// # Errors
    /// When there is no such interface, no free pair, or the system refuses.
    pub fn open_port(
        &self,
        room: CallId,
        port: LegId,
        interface: u16,
        peer: Peer,
    ) -> Result<SocketAddr, PortError> {
        let worker = self.worker_of(room);
        let (address, opened) = self.shared.pool.open(interface, worker)?;
        self.directory(|directory| directory.add_leg(room, port));
        // RFC 3550 §5.1: what nobody can guess cannot be forged from afar.
        let seed = self.shared.random.hash_one((port.raw(), RandomState::new().build_hasher().finish()));
        if self.shared.workers[worker].tell(ToWorker::Adopt { room, port, peer, seed, opened }) {
            Ok(address)
        } else {
            Err(PortError::Stopped)
        }
    }

    /// Carries out a command. `OpenPort` is answered by its event before this returns.
    pub fn handle(&self, command: Command) {
        match command {
            Command::OpenPort { room, port, interface, peer } => {
                let event = match self.open_port(room, port, interface, peer) {
                    Ok(address) => Event::PortOpened { room, port, address },
                    Err(error) => {
                        tracing::warn!(%room, %port, %error, "no port");
                        Event::PortFailed { room, port, cause: error.to_string() }
                    }
                };
                self.report(event);
            }
            Command::Play { port, ref items, .. } if is_recorded(items) => {
                if self.room_of(port).is_some() {
                    self.play_recorded(command);
                }
            }
            Command::StopPlay { port, play } if self.stop_loading(port, Some(play)) => {}
            Command::Play { port, play, items, mode, voice } => {
                self.stop_loading(port, None);
                let Some(room) = self.room_of(port) else { return };
                match self.prompts().expand(&items, &voice) {
                    Ok(clips) => self.play_clips(port, (play, mode), clips),
                    Err(error) => {
                        tracing::error!(%room, %port, %error, "playback failed");
                        let how = PlayEnd::Failed(error.to_string());
                        self.report(Event::Played { room, port, play, how });
                    }
                }
            }
            Command::MovePort { port, room } => self.move_port(port, room),
            command => {
                if let Some(room) = self.directory(|directory| directory.note(&command)) {
                    self.tell(room, ToWorker::Command(command));
                }
            }
        }
    }

    /// Plays `clips` to a port that is open.
    pub(crate) fn play_clips(&self, port: LegId, play: (PlayId, PlayMode), clips: Vec<Arc<Clip>>) {
        let codec = self.directory(|directory| directory.codecs.get(&port).copied());
        if let Some(codec) = codec {
            self.shared.preparer.ask(&clips, codec);
        }
        if let Some(room) = self.room_of(port) {
            self.tell(room, ToWorker::Play { port, play, clips });
        }
    }

    pub(crate) fn room_of(&self, port: LegId) -> Option<CallId> {
        self.directory(|directory| directory.legs.get(&port).copied())
    }

    pub(crate) fn loading(&self) -> &Loading {
        &self.shared.loading
    }

    pub(crate) fn report(&self, event: Event) {
        (self.shared.events)(&mut std::iter::once(event));
    }

    /// The port's worker lets it go, and the other room's takes it in.
    fn move_port(&self, port: LegId, room: CallId) {
        self.directory(|directory| {
            let Some(from) = directory.legs.remove(&port) else { return };
            directory.forget(from, |legs, _| legs.retain(|known| *known != port));
            directory.add_leg(room, port);
            let (before, after) = (self.worker_of(from), self.worker_of(room));
            if before == after {
                return self.tell(from, ToWorker::LetGo { port, room, to: None });
            }
            // Both are told under the lock, so that of two workers who take from each other one is always first.
            let (to, moved) = channel();
            self.tell(from, ToWorker::LetGo { port, room, to: Some(to) });
            self.tell(room, ToWorker::TakeIn { room, from: moved });
        });
    }

    /// The prompts in force.
    pub fn prompts(&self) -> Arc<PromptCache> {
        Arc::clone(&self.shared.prompts.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes other prompts from now on. Playbacks that run keep theirs.
    pub fn set_prompts(&self, prompts: Arc<PromptCache>) {
        *self.shared.prompts.write().unwrap_or_else(PoisonError::into_inner) = prompts;
    }

    /// Ports that are opened from now on mark their packets with `dscp`, 0–63.
    pub fn mark(&self, dscp: u8) {
        self.shared.pool.mark(dscp);
    }

    /// Takes other limits of recordings; they hold within seconds.
    pub fn set_limits(&self, limits: RecordingLimits) {
        *self.shared.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// Copies the journal to another second place from now on, or to none.
    pub fn set_second(&self, second: Option<SecondPlace>) {
        *self.shared.second.write().unwrap_or_else(PoisonError::into_inner) = second;
    }

    /// What is alive now.
    pub fn live(&self) -> MediaLive {
        let behind = &self.shared.behind;
        let start = MediaLive {
            blocks_dropped: self.shared.journal.dropped(),
            disk_free: self.shared.disk.free.load(Ordering::Relaxed),
            disk_full: self.shared.disk.full.load(Ordering::Acquire),
            second_behind: behind.bytes.load(Ordering::Relaxed),
            second_lag: Duration::from_millis(behind.millis.load(Ordering::Relaxed)),
            second_lost: behind.lost.load(Ordering::Relaxed),
            ..MediaLive::default()
        };
        self.shared.workers.iter().fold(start, |sum, worker| {
            let figures = &worker.figures;
            let ports = figures.ports.load(Ordering::Relaxed);
            MediaLive {
                rooms: sum.rooms + figures.rooms.load(Ordering::Relaxed),
                ports: sum.ports + ports,
                sockets: sum.sockets + 2 * (ports + figures.resting.load(Ordering::Relaxed)),
                players: sum.players + figures.players.load(Ordering::Relaxed),
                recordings: sum.recordings + figures.recordings.load(Ordering::Relaxed),
                unsent: sum.unsent + figures.unsent.load(Ordering::Relaxed),
                ..sum
            }
        })
    }

    /// Port pairs that are in use or resting.
    pub fn pairs_taken(&self) -> usize {
        self.shared.pool.taken()
    }

    /// Closes all rooms, finishes all recordings and ends all threads. Waits for them; what is told later is lost.
    pub fn shutdown(&self) {
        let threads = self.shared.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Threads { workers, writer, finisher, copier }) = threads else { return };
        for worker in &self.shared.workers {
            worker.tell(ToWorker::Stop);
        }
        let journal = self.shared.journal.waiting();
        let ended = workers.into_iter().map(JoinHandle::join).all(|ended| ended.is_ok());
        // All blocks are in the ring: the writer takes them, then lets the finisher come to its end.
        let told = journal.send(ToJournal::Stop).is_ok();
        let finished = finisher.join().is_ok();
        let stopped = journal.send(ToJournal::End).is_ok() && writer.join().is_ok();
        // Last, so that it has seen all that was written.
        let (copier, stop) = copier;
        stop.store(true, Ordering::Release);
        copier.thread().unpark();
        let copied = copier.join().is_ok();
        if !(ended && told && finished && stopped && copied) {
            tracing::error!("a media thread did not end in order");
        }
    }

    fn tell(&self, room: CallId, told: ToWorker) {
        if !self.shared.workers[self.worker_of(room)].tell(told) {
            tracing::debug!(%room, "media has been shut down");
        }
    }

    fn worker_of(&self, room: CallId) -> usize {
        // Ids of one shard count up by 65,536: a multiplication spreads them.
        let spread = room.raw().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        spread as usize % self.shared.workers.len()
    }

    fn directory<T>(&self, look: impl FnOnce(&mut Directory) -> T) -> T {
        look(&mut self.shared.directory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Directory {
    fn add_leg(&mut self, call: CallId, leg: LegId) {
        if self.legs.insert(leg, call).is_none() {
            self.calls.entry(call).or_default().0.push(leg);
        }
    }

    /// The room that `command` is about, remembering or forgetting what it names.
    fn note(&mut self, command: &Command) -> Option<CallId> {
        match command {
            Command::OpenPort { room, .. } | Command::Hear { room, .. } => Some(*room),
            Command::Describe { port, negotiated } => {
                let room = self.legs.get(port).copied()?;
                match negotiated.codec {
                    Codec::Pcma | Codec::Pcmu => drop(self.codecs.remove(port)),
                    codec => drop(self.codecs.insert(*port, codec)),
                }
                Some(room)
            }
            Command::Play { port, .. }
            | Command::StopPlay { port, .. }
            | Command::DescribeFax { port, .. }
            | Command::SendDigit { port, .. }
            | Command::Watch { port, .. }
            | Command::Alarm { port, .. }
            | Command::MovePort { port, .. } => self.legs.get(port).copied(),
            Command::Record { room, recording, .. } => {
                self.recordings.insert(*recording, *room);
                self.calls.entry(*room).or_default().1.push(*recording);
                Some(*room)
            }
            Command::MarkRecording { recording, .. } => self.recordings.get(recording).copied(),
            Command::StopRecording { room, recording } => {
                self.recordings.remove(recording);
                self.forget(*room, |_, recordings| recordings.retain(|known| known != recording));
                Some(*room)
            }
            Command::ClosePort { port } => {
                let room = self.legs.remove(port)?;
                self.codecs.remove(port);
                self.forget(room, |legs, _| legs.retain(|known| known != port));
                Some(room)
            }
            Command::CloseRoom { room } => {
                let (legs, recordings) = self.calls.remove(room)?;
                for leg in legs {
                    self.legs.remove(&leg);
                    self.codecs.remove(&leg);
                }
                for recording in recordings {
                    self.recordings.remove(&recording);
                }
                Some(*room)
            }
        }
    }

    fn forget(&mut self, call: CallId, which: impl FnOnce(&mut Legs, &mut Recordings)) {
        if let Some((legs, recordings)) = self.calls.get_mut(&call) {
            which(legs, recordings);
            if legs.is_empty() && recordings.is_empty() {
                self.calls.remove(&call);
            }
        }
    }
}

#[cfg(test)]
mod tests;
