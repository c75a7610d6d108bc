//! Owns a running switch: what is started in which order, what is told to whom, and what ends in which order. Does not
//! own what any part decides.
//!
//! ```text
//!  start: store and journal (what the last run left is closed) ► media ► bindings ► ACD tasks ► sockets ► shards ► registrar ► API
//!  end:   no new calls ► calls in progress end or are released ► shards ► tasks ► media (recordings) ► journal ► store
//! ```

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use api::metrics::Metrics;
use arc_swap::ArcSwap;
use clock::{Precedence, SystemClock};
use config::{HookEvent, Loaded, Pinning};
use hooks::{CommandHook, CommandLimits, Hooks, QueueLimits, Trigger};
use ledger::UtcOffset;
use media_net::{MediaConfig, MediaNet};
use model::event::{Event, NodeFact};
use sip::registrar::{Registrar, RegistrarConfig};
use sip::subscription::Notifier;
use sip_net::{Boxes, Capture, Inbox, InboxLimits, Resolver, ShardLoop, ShardThread, Tls, Transports};
use store::{EventJournal, Folder, FolderConfig, StartConfig, Store};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

mod asks;
pub(crate) mod calendar;
mod certificates;
mod descriptors;
mod figures;
mod followers;
mod keeper;
mod lamps;
mod mailbox;
mod registrar;
pub(crate) mod reload;
mod rest;
mod services;
pub(crate) mod settings;
mod stop;
mod switch;
mod tenants;
mod trace;
mod trunks;
mod world;

pub(crate) use descriptors::raise_limit;
use keeper::{Keeper, LeftBehind, Unsaved};
use reload::Reloader;
use settings::Origin;
use tenants::Tenants;

/// What a switch is started with.
pub(crate) struct Setup {
    pub loaded: Loaded,
    pub origin: Origin,
    /// The data folder.
    pub data: PathBuf,
    /// Where figures are recorded.
    pub metrics: Metrics,
}

/// A running switch.
pub(crate) struct Node {
    pub reloader: Arc<Reloader>,
    pub transports: Arc<Transports>,
    /// Where the API listens.
    pub api: std::net::SocketAddr,
    pub store: Store,
    keeper: Keeper,
    boxes: Boxes<call::Shard>,
    shards: Vec<ShardThread>,
    folder: Folder,
    tasks: Vec<JoinHandle<()>>,
    closing: watch::Sender<Running>,
    _watcher: Option<notify::RecommendedWatcher>,
}

/// Whether the node runs, for tasks that end with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Running {
    Yes,
    Ending,
}

/// What the parts of a node share while they are put together.
struct Foundation {
    clock: SystemClock,
    boxes: Boxes<call::Shard>,
    journal: EventJournal,
    media: MediaNet,
    tenants: Tenants,
    secret: [u8; 32],
    resolver: Resolver,
    wide: call::NodeWide,
    asks: asks::Asks,
    capture: Arc<Capture>,
}

impl Node {
    /// Starts a switch on the current runtime.
    ///
    /// # Errors
    /// In words, when the data folder, a listener or the API's address cannot be had.
    pub async fn start(setup: Setup) -> anyhow::Result<Node> {
        rest::bound_free_ends();
        let Setup { loaded, origin, data, metrics } = setup;
        let clock = SystemClock::start();
        let runtime = Handle::current();
        // A call that a crash cut off was over at its last packet, which may be later than its last event. Without the
        // audio's word its last event counts.
        let heard = media_net::last_heard(&data).unwrap_or_else(|error| {
            tracing::warn!(%error, "录音日志读不出 / the recording journal cannot be read");
            HashMap::new()
        });
        let last_packet = move |call| heard.get(&call).copied();
        // A transaction of thousands of rows would else take half the core from calls that are being set up.
        let folder = FolderConfig { on_thread: || Precedence::Later.take(), ..FolderConfig::default() };
        let rows = StartConfig { folder, ..StartConfig::default() };
        let started = store::start(&data, clock, rows, last_packet).await?;
        let journal = started.journal;
        let data = std::path::absolute(&data).unwrap_or(data);
        journal.append(Event::Node { fact: NodeFact::Started { version: env!("CARGO_PKG_VERSION").into() } });
        let calendar = calendar::Calendar::new(&loaded.node.time_zone)?;
        let exporter = settings::exporter(UtcOffset(calendar.offset_at(clock.wall())), data.clone());
        // Ports are bound before anything is told of them.
        let tls = Arc::new(Tls::load(settings::tls(&origin, &loaded))?);
        let bound = sip_net::bind(&settings::listeners(&loaded))?;
        let advertised = bound.advertised();
        let api_listener = TcpListener::bind(loaded.node.api)
            .await
            .with_context(|| format!("API {0} 打不开 / cannot listen on {0}", loaded.node.api))?;
        let token = api::Token::load_or_make(&api::Token::path(&data))?;

        let shards = shard_count(&loaded);
        let wide = call::NodeWide::default();
        let asks = asks::Asks::default();
        let boxes = boxes(shards, &loaded, &wide)?;
        let media = start_media(&origin, &loaded, &data, clock, &boxes, &journal)?;
        let around = tenants::Surroundings {
            node: loaded.node.id,
            clock,
            boxes: boxes.clone(),
            journal: journal.clone(),
            reserve: loaded.plan.limits.max_calls.saturating_mul(tenants::LETTERS_PER_CALL).max(65_536),
        };
        let secret = secret()?;
        let plan = Arc::new(loaded.plan.clone());
        let (registrar, unsaved, reached) =
            restored_registrar(&started.store, &loaded, (secret, &journal), &plan, clock).await;
        let mut parts =
            restored_services(&started.store, (secret, &advertised), &plan, clock, &unsaved).await;
        let lamps = parts.lamps.clone();
        let router = routing::Router::new(Arc::clone(&plan));
        keeper::restore_diversions(&started.store, &wide.diversions, &router).await;
        keeper::restore_night(&started.store, &wide.night).await;
        keeper::restore_messages(&started.store, &wide.mailboxes).await;
        parts.mailboxes = wide.mailboxes.clone();
        lamps.show_night(&plan, &wide.night);
        let left = LeftBehind::read(&started.store, &calendar, clock.wall()).await;
        let tenants = Tenants::start(around, runtime.clone(), &loaded.acd, |tenant| {
            left.of_tenant(tenant, &clock, |agent| reached.contains(agent))
        });
        let unkept = (unsaved.clone(), &wide);
        let keeper = Keeper::new(started.store.clone(), clock, tenants.clone(), unkept, left);
        let (registrations, post) = registrar::registrations();
        let lost = registrations.clone();
        let transports = Transports::serve(
            bound,
            settings::stream_limits(&loaded),
            boxes.clone(),
            move |flow| lost.connection_lost(flow),
            &runtime,
        )?;
        transports.mark(loaded.marks.sip);
        transports.set_tls(Arc::clone(&tls));
        let draws = u64::from_le_bytes(std::array::from_fn(|place| secret[place]));
        let resolver = Resolver::new(settings::dns(&loaded), draws, runtime.clone())?;
        let capture = Arc::new(Capture::new(usize::from(shards), trace::limits(&loaded)));
        let foundation = Foundation {
            clock,
            boxes,
            journal,
            media,
            tenants,
            secret,
            resolver: resolver.clone(),
            wide: wide.clone(),
            asks: asks.clone(),
            capture: Arc::clone(&capture),
        };
        let bindings = registrar::Bindings::of(&registrar);
        // Phones that registered with the last run are known to this one.
        for flow in bindings.flows() {
            foundation.wide.guard.lock().logged_in(clock.now(), flow.remote);
        }
        let threads = foundation.spawn_shards(
            shards,
            &loaded,
            &transports,
            (&registrations, &bindings, &lamps),
            &advertised,
        )?;
        let around = registrar::Surroundings {
            registrar,
            plan,
            bindings: bindings.clone(),
            clock,
            boxes: foundation.boxes.clone(),
            tenants: foundation.tenants.clone(),
            journal: foundation.journal.clone(),
            unsaved,
            transports: Arc::clone(&transports),
        };
        let mut tasks = vec![runtime.spawn(post.serve(around, parts))];

        let Foundation { boxes, journal, media, tenants, .. } = foundation;
        let hooks = Hooks::new(runtime.clone(), hooks_of(&origin, &loaded), QueueLimits::default());
        let certificates = certificates::Certificates::new(transports.clone(), tls, &loaded, clock);
        let reloader = Arc::new(Reloader {
            origin,
            current: ArcSwap::from_pointee(loaded),
            advertised,
            boxes: boxes.clone(),
            tenants: tenants.clone(),
            registrations,
            resolver: resolver.clone(),
            certificates: certificates.clone(),
            capture: Arc::clone(&capture),
            media: media.clone(),
            hooks: hooks.clone(),
            journal: journal.clone(),
            turn: Mutex::new(()),
        });
        let (closing, running) = watch::channel(Running::Yes);
        tasks.push(runtime.spawn(until_ended(running.clone(), certificates.keep_up())));
        let switch = Arc::new(switch::NodeSwitch {
            clock,
            boxes: boxes.clone(),
            tenants: tenants.clone(),
            bindings: bindings.clone(),
            capture,
            local: transports.local(),
            reloader: Arc::clone(&reloader),
            journal: journal.clone(),
            exporter: exporter.clone(),
            wide: wide.clone(),
            asks: asks.clone(),
        });
        let api = api_listener.local_addr()?;
        let server = api::Server {
            switch,
            store: started.store.clone(),
            journal: journal.clone(),
            token,
            metrics,
            exporter: exporter.clone(),
            limits: api::Limits::default(),
        };
        tasks.push(runtime.spawn(api::serve(api_listener, server, ended(running.clone()))));
        tasks.push(runtime.spawn(followers::fire_hooks(started.folder.updates(), hooks, exporter)));
        let offsets = calendar::tell_offsets(calendar.clone(), clock, boxes.clone());
        tasks.push(runtime.spawn(until_ended(running.clone(), offsets)));
        let midnights = calendar::tell_midnights(calendar, clock, tenants.clone());
        tasks.push(runtime.spawn(until_ended(running.clone(), midnights)));
        let sources = figures::Sources {
            boxes: boxes.clone(),
            transports: Arc::clone(&transports),
            media,
            bindings,
            tenants,
            journal,
            resolver,
            wide,
            clock,
        };
        tasks.push(runtime.spawn(until_ended(running.clone(), figures::keep_up(sources))));
        tasks.push(runtime.spawn(until_ended(running, keeper.clone().keep_on())));
        let watcher = reload::watch(Arc::clone(&reloader), &runtime);
        Ok(Node {
            reloader,
            transports,
            api,
            store: started.store,
            keeper,
            boxes,
            shards: threads,
            folder: started.folder,
            tasks,
            closing,
            _watcher: watcher,
        })
    }
}

impl Foundation {
    fn spawn_shards(
        &self,
        shards: u8,
        loaded: &Loaded,
        transports: &Arc<Transports>,
        (registrations, bindings, lamps): (&registrar::Registrations, &registrar::Bindings, &lamps::Lamps),
        advertised: &[sip::endpoint::Advertised],
    ) -> anyhow::Result<Vec<ShardThread>> {
        let told = settings::shard(loaded, advertised.to_vec());
        let cpus = cpus_to_keep_to(loaded);
        let spawn = |shard: u8| {
            let identity = call::Identity {
                node: loaded.node.id,
                shard,
                secret: self.secret,
                anchor: self.clock.anchor(),
            };
            let world = world::NodeWorld {
                shard,
                media: self.media.clone(),
                tenants: self.tenants.clone(),
                registrations: registrations.clone(),
                bindings: bindings.clone(),
                journal: self.journal.clone(),
                resolver: self.resolver.clone(),
                boxes: self.boxes.clone(),
                lamps: lamps.clone(),
                asks: self.asks.clone(),
                transports: Arc::clone(transports),
            };
            let seat = ShardLoop {
                machine: call::Shard::of_node(identity, Arc::clone(&told), self.wide.clone()),
                world,
                shard,
                boxes: self.boxes.clone(),
                transports: Arc::clone(transports),
                capture: Arc::clone(&self.capture),
                clock: self.clock,
                cpu: cpus.get(usize::from(shard)).copied(),
            };
            seat.spawn().context("信令线程启动失败 / cannot start a shard")
        };
        (0..shards).map(spawn).collect()
    }
}

/// A registrar with the bindings of the last run, what is to be written of them, and the agents whose phones they reach.
async fn restored_registrar(
    store: &Store,
    loaded: &Loaded,
    (secret, journal): ([u8; 32], &EventJournal),
    plan: &Arc<routing::Plan>,
    clock: SystemClock,
) -> (Registrar, Unsaved, HashSet<model::AgentId>) {
    let realm = loaded.node.product.to_string();
    let secret = sip::auth::secret_of(&secret, "registrar");
    let mut registrar =
        Registrar::new(RegistrarConfig { realm, secret, ..registrar::limits(&plan.phone_services) });
    let router = routing::Router::new(Arc::clone(plan));
    let unsaved = Unsaved::default();
    keeper::restore_bindings(store, &mut registrar, (plan, &router), (&clock, journal), &unsaved).await;
    let reached = registrar.aors().filter_map(|aor| router.phone(aor)?.agent.clone()).collect();
    (registrar, unsaved, reached)
}

/// Subscriptions of the last run, and what else phones' services begin with.
async fn restored_services(
    store: &Store,
    (secret, advertised): ([u8; 32], &[sip::endpoint::Advertised]),
    plan: &Arc<routing::Plan>,
    clock: SystemClock,
    unsaved: &Unsaved,
) -> services::Parts {
    let secret = sip::auth::secret_of(&secret, "notifier");
    let config = services::notifier_config(&plan.phone_services, advertised.to_vec(), secret);
    let mut notifier = Notifier::new(config);
    let router = routing::Router::new(Arc::clone(plan));
    keeper::restore_subscriptions(store, &mut notifier, (plan, &router), &clock, unsaved).await;
    let (mailboxes, lamps) = (routing::Shared::default(), lamps::Lamps::default());
    services::Parts { mailboxes, notifier, lamps, advertised: advertised.to_vec(), secret }
}

fn boxes(shards: u8, loaded: &Loaded, wide: &call::NodeWide) -> anyhow::Result<Boxes<call::Shard>> {
    let facts = loaded.plan.limits.max_calls.saturating_mul(FACTS_PER_CALL);
    let limits = InboxLimits { facts: facts.max(InboxLimits::default().facts), ..InboxLimits::default() };
    let all = (0..shards).map(|_| Inbox::new(limits)).collect::<std::io::Result<Vec<_>>>();
    let all = all.context("没有可用的文件描述符 / no descriptor left")?;
    Ok(Boxes::of_node(all, wide.whereabouts.clone()))
}

fn start_media(
    origin: &Origin,
    loaded: &Loaded,
    data: &std::path::Path,
    clock: SystemClock,
    boxes: &Boxes<call::Shard>,
    journal: &EventJournal,
) -> anyhow::Result<MediaNet> {
    let config = MediaConfig {
        interfaces: settings::media_interfaces(loaded),
        dscp: loaded.marks.media,
        workers: loaded.node.workers.unwrap_or_else(|| threads_for(cpus().len())),
        data: data.to_owned(),
        limits: settings::recording_limits(loaded),
        second: settings::second_place(origin, loaded),
        prompts: Arc::new(settings::prompts(origin, loaded, None)),
        clock,
    };
    let (boxes, journal, shards) = (boxes.clone(), journal.clone(), boxes.clone());
    let events = move |events: &mut dyn Iterator<Item = media::command::Event>| {
        boxes.post_each(events.map(|event| {
            // A port may be in the room of another shard's call, or of a conference.
            let shard = event.port().map_or(event.room().shard(), model::LegId::shard);
            (shard, call::Input::Media(event))
        }));
    };
    let facts = move |fact| {
        if let Event::Node { fact: NodeFact::DiskBecame { state, .. } } = &fact {
            let state = *state;
            shards.post_all(|| call::Input::Disk(state));
        }
        journal.append(fact);
    };
    MediaNet::start(config, events, facts).context("语音部分启动失败 / media cannot start")
}

/// What runs on which event.
fn hooks_of(origin: &Origin, loaded: &Loaded) -> Vec<(Trigger, CommandHook)> {
    let folder = match origin {
        Origin::Folder(folder) => folder.clone(),
        Origin::Embedded => PathBuf::from("."),
    };
    let hook = |hook: &config::HookSettings| {
        let trigger = match hook.on {
            HookEvent::CallEnded => Trigger::CallEnded,
            HookEvent::RecordingFinished => Trigger::RecordingFinished,
        };
        let command = CommandHook {
            argv: hook.command.iter().map(ToString::to_string).collect(),
            folder: folder.clone(),
            limits: CommandLimits { time: hook.timeout, ..CommandLimits::default() },
        };
        (trigger, command)
    };
    loaded.hooks.iter().map(hook).collect()
}

/// Ends when the node does.
async fn ended(mut running: watch::Receiver<Running>) {
    // A sender that is gone has ended too.
    let _ = running.wait_for(|running| *running == Running::Ending).await;
}

async fn until_ended(running: watch::Receiver<Running>, task: impl Future<Output = ()>) {
    tokio::select! {
        () = ended(running) => {}
        () = task => {}
    }
}

fn secret() -> anyhow::Result<[u8; 32]> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)
        .map_err(|error| anyhow::anyhow!("系统没有随机数 / no random numbers: {error}"))?;
    Ok(secret)
}

/// The CPUs that this process may run on.
fn cpus() -> Vec<usize> {
    // SAFETY: `set` is plain data that the call fills and CPU_ISSET reads within its size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) != 0 {
            return vec![0];
        }
        (0..libc::CPU_SETSIZE as usize).filter(|cpu| libc::CPU_ISSET(*cpu, &set)).collect()
    }
}

/// Half of the CPUs signal, half carry media; at least one does each.
fn threads_for(cpus: usize) -> usize {
    (cpus / 2).max(1)
}

fn shard_count(loaded: &Loaded) -> u8 {
    let wanted =
        loaded.node.shards.unwrap_or_else(|| u8::try_from(threads_for(cpus().len())).unwrap_or(u8::MAX));
    // The top of the range belongs to tenants' ids.
    wanted.clamp(1, MOST_SHARDS)
}

/// The CPU of each shard. With two or fewer the system does better: threads that wait leave theirs to others.
fn cpus_to_keep_to(loaded: &Loaded) -> Vec<usize> {
    let cpus = cpus();
    match loaded.node.pinning {
        Pinning::ByAffinity if cpus.len() > 2 => cpus,
        Pinning::ByAffinity | Pinning::Off => Vec::new(),
    }
}

/// Facts of one call that may wait for its shard: media's and the ACD's.
const FACTS_PER_CALL: usize = 64;
const MOST_SHARDS: u8 = 64;
/// How long what is under way at the end may take.
const ENDING: Duration = Duration::from_secs(5);
