//! Owns taking a changed configuration over while calls go on: by signal, by file change, by command. Does not own the
//! decoding (see `config`) nor what a part does with new settings.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use config::{Changes, Diagnostics, Loaded};
use hooks::Hooks;
use media_net::MediaNet;
use model::event::{Event, NodeFact};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use sip::endpoint::Advertised;
use sip_net::Boxes;
use store::EventJournal;
use tokio::sync::mpsc;

use super::registrar::Registrations;
use super::settings::{self, Origin};
use super::tenants::Tenants;

/// The configuration in force, and everybody who must hear of another.
pub(crate) struct Reloader {
    pub origin: Origin,
    pub current: ArcSwap<Loaded>,
    pub advertised: Vec<Advertised>,
    pub boxes: Boxes<call::Shard>,
    pub tenants: Tenants,
    pub registrations: Registrations,
    pub media: MediaNet,
    pub hooks: Hooks,
    pub journal: EventJournal,
    /// One reload at a time.
    pub turn: Mutex<()>,
}

/// Why a configuration is not taken over; the one before stays in force.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReloadError {
    #[error("使用内置配置,没有可重新读取的目录 / the embedded sample has no folder to read again")]
    Embedded,
    #[error(transparent)]
    Unreadable(#[from] config::ReadError),
    #[error("配置有误,继续使用原配置 / the configuration has errors, the one before stays in force:\n{}", .0.render(config::Color::Plain))]
    Wrong(Diagnostics),
    #[error(
        "监听口 {0} 被中继或话机引用,但需要重启才能生效;继续使用原配置 / listener {0} is used and needs a restart; the configuration before stays in force"
    )]
    ListenerNeedsRestart(String),
}

impl Reloader {
    /// Reads the folder again and takes it over.
    pub fn reload(&self) -> Result<Changes, ReloadError> {
        // A poisoned turn was a panic of an earlier reload, which left the configuration as it was.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let Origin::Folder(folder) = &self.origin else { return Err(ReloadError::Embedded) };
        let mut loaded = config::load(&settings::sources(folder)?).map_err(ReloadError::Wrong)?;
        let old = self.current.load_full();
        let changes = loaded.diff(&old);
        keep_listeners(&mut loaded, &old)?;
        self.take_over(loaded);
        for changed in &changes.applied {
            tracing::info!(changed, "配置已生效 / applied");
        }
        for changed in &changes.restart {
            tracing::warn!(changed, "需要重启才能生效 / needs a restart");
        }
        Ok(changes)
    }

    fn take_over(&self, loaded: Loaded) {
        for warning in &loaded.warnings.items {
            tracing::warn!(
                file = warning.place.file,
                line = warning.place.line,
                "{} / {}",
                warning.zh,
                warning.en
            );
        }
        // Prompts and queues first: a call that begins under the new plan finds what the plan names.
        self.media.set_prompts(Arc::new(settings::prompts(&self.origin, &loaded)));
        self.tenants.configure(&loaded.acd);
        self.registrations.configure(&loaded.plan);
        self.hooks.replace(super::hooks_of(&self.origin, &loaded));
        let shard = settings::shard(&loaded, self.advertised.clone());
        self.boxes.post_all(|| call::Input::Configure(Arc::clone(&shard)));
        self.journal.append(Event::Node { fact: NodeFact::Reloaded });
        self.current.store(Arc::new(loaded));
    }
}

/// Puts the listeners that are bound into `loaded`, whatever it says about listeners, and points trunks and phones to
/// them by name.
fn keep_listeners(loaded: &mut Loaded, old: &Loaded) -> Result<(), ReloadError> {
    let bound = &old.plan.interfaces;
    if loaded.plan.interfaces == *bound {
        return Ok(());
    }
    let named = |place: u16| loaded.plan.interfaces.get(usize::from(place)).map(|one| one.name.clone());
    let kept = |place: u16| {
        let name = named(place);
        let at = bound.iter().position(|one| Some(&one.name) == name.as_ref());
        at.and_then(|at| u16::try_from(at).ok()).ok_or_else(|| {
            ReloadError::ListenerNeedsRestart(name.map_or_else(|| place.to_string(), |name| name.to_string()))
        })
    };
    let trunks: Vec<u16> =
        loaded.plan.trunks.iter().map(|trunk| kept(trunk.interface)).collect::<Result<_, _>>()?;
    let phones: Vec<u16> =
        loaded.plan.phones.iter().map(|phone| kept(phone.interface)).collect::<Result<_, _>>()?;
    for (trunk, place) in loaded.plan.trunks.iter_mut().zip(trunks) {
        trunk.interface = place;
    }
    for (phone, place) in loaded.plan.phones.iter_mut().zip(phones) {
        phone.interface = place;
    }
    loaded.plan.interfaces.clone_from(bound);
    Ok(())
}

/// Reloads whenever a file of the folder changed, until the node stops. Keeps the returned watcher's life.
pub(crate) fn watch(reloader: Arc<Reloader>, runtime: &tokio::runtime::Handle) -> Option<RecommendedWatcher> {
    let Origin::Folder(folder) = reloader.origin.clone() else { return None };
    let (changed, changes) = mpsc::channel(1);
    let told = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| is_of_configuration(&event)) {
            // Full means that a reload is due already.
            let _ = changed.try_send(());
        }
    };
    let mut watcher = match notify::recommended_watcher(told) {
        Ok(watcher) => watcher,
        Err(error) => {
            tracing::warn!(%error, "无法监视配置目录,修改后请用 SIGHUP / cannot watch the folder, use SIGHUP");
            return None;
        }
    };
    if let Err(error) = watch_folders(&mut watcher, &folder) {
        tracing::warn!(%error, "无法监视配置目录,修改后请用 SIGHUP / cannot watch the folder, use SIGHUP");
        return None;
    }
    runtime.spawn(reload_when_told(reloader, changes));
    Some(watcher)
}

/// The folder itself and those whose files belong to it: never the data folder, which changes all the time.
fn watch_folders(watcher: &mut RecommendedWatcher, folder: &Path) -> notify::Result<()> {
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    for name in ["trunks", "numbers", "flows", "queues", "agents", "phones", "prompts", "tenants"] {
        let below = folder.join(name);
        if below.is_dir() {
            watcher.watch(&below, RecursiveMode::Recursive)?;
        }
    }
    Ok(())
}

fn is_of_configuration(event: &notify::Event) -> bool {
    !event.kind.is_access()
        && event.paths.iter().any(|path| path.extension().is_some_and(|end| end == "toml" || end == "wav"))
}

async fn reload_when_told(reloader: Arc<Reloader>, mut changes: mpsc::Receiver<()>) {
    while changes.recv().await.is_some() {
        // An editor writes a file in several steps, and an operator several files: wait until it is quiet.
        while tokio::time::timeout(QUIET, changes.recv()).await.is_ok_and(|told| told.is_some()) {}
        reload_and_log(Arc::clone(&reloader)).await;
    }
}

/// Reloads away from the tasks that serve calls, and logs why where it fails.
pub(crate) async fn reload_and_log(reloader: Arc<Reloader>) {
    let reloaded = tokio::task::spawn_blocking(move || reloader.reload()).await;
    match reloaded {
        Ok(Ok(_)) => tracing::info!("配置已重新读取 / configuration read again"),
        Ok(Err(error)) => {
            metrics::counter!("hotline_reload_failures_total").increment(1);
            tracing::error!("{error}");
        }
        Err(error) => tracing::error!(%error, "重新读取配置时出错 / reloading panicked"),
    }
}

const QUIET: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Loaded {
        let sources = config::Sources::from_files(config::starter());
        config::load(&settings::with_prompts(sources)).expect("the sample is right")
    }

    #[test]
    fn listeners_stay_as_they_are_bound_and_trunks_and_phones_find_them_by_name() {
        let old = sample();
        let mut new = sample();
        // Another listener was put before the one that is bound.
        let mut other = new.plan.interfaces[0].clone();
        other.name = model::InterfaceName::new("new");
        new.plan.interfaces.insert(0, other);
        new.plan.trunks.iter_mut().for_each(|trunk| trunk.interface = 1);
        new.plan.phones.iter_mut().for_each(|phone| phone.interface = 1);
        keep_listeners(&mut new, &old).unwrap();
        assert_eq!(new.plan, old.plan);
    }

    #[test]
    fn a_trunk_on_a_listener_that_is_not_bound_keeps_the_old_configuration_in_force() {
        let old = sample();
        let mut new = sample();
        new.plan.interfaces[0].name = model::InterfaceName::new("renamed");
        let refused = keep_listeners(&mut new, &old).unwrap_err();
        assert!(
            matches!(&refused, ReloadError::ListenerNeedsRestart(name) if name == "renamed"),
            "{refused}"
        );
    }
}
