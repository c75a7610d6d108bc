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
use model::say::prompt_of_file;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use sip::endpoint::Advertised;
use sip_net::{Boxes, Capture, Resolver};
use store::EventJournal;
use tokio::sync::mpsc;

use super::certificates::Certificates;
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
    pub resolver: Resolver,
    pub capture: Arc<Capture>,
    pub certificates: Certificates,
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
    #[error("{0}；继续使用原配置 / the configuration before stays in force")]
    Listener(#[from] config::ListenerNotOpen),
}

impl Reloader {
    /// Reads the folder again and takes it over.
    pub fn reload(&self) -> Result<Changes, ReloadError> {
        // A poisoned turn was a panic of an earlier reload, which left the configuration as it was.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let Origin::Folder(folder) = &self.origin else { return Err(ReloadError::Embedded) };
        let loaded = config::load(&settings::sources(folder)?).map_err(ReloadError::Wrong)?;
        let old = self.current.load_full();
        let changes = loaded.diff(&old);
        self.take_over(loaded.over(&old)?);
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
        self.certificates.configure(&self.origin, &loaded);
        if let Err(error) = self.resolver.configure(settings::dns(&loaded)) {
            tracing::error!("{error}");
        }
        // Prompts and queues first: a call that begins under the new plan finds what the plan names.
        let before = self.media.prompts();
        self.media.set_prompts(Arc::new(settings::prompts(&self.origin, &loaded, Some(&before))));
        self.media.mark(loaded.marks.media);
        self.media.set_limits(settings::recording_limits(&loaded));
        self.media.set_second(settings::second_place(&self.origin, &loaded));
        self.tenants.configure(&loaded.acd);
        self.registrations.configure(&loaded.plan);
        self.capture.configure(super::trace::limits(&loaded));
        self.hooks.replace(super::hooks_of(&self.origin, &loaded));
        let shard = settings::shard(&loaded, self.advertised.clone());
        self.boxes.post_all(|| call::Input::Configure(Arc::clone(&shard)));
        self.journal.append(Event::Node { fact: NodeFact::Reloaded });
        self.current.store(Arc::new(loaded));
    }
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

/// Whether a change is one of the configuration: not a look at a file, not a log or an editor's own file beside it.
fn is_of_configuration(event: &notify::Event) -> bool {
    !event.kind.is_access() && event.paths.iter().any(|path| is_configuration(path))
}

/// Whether a file belongs to a configuration: a `.toml` file, or a prompt.
fn is_configuration(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let in_prompts = path.components().any(|part| part.as_os_str() == "prompts");
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    !hidden && (name.ends_with(".toml") || in_prompts && prompt_of_file(name).is_some())
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
    use notify::EventKind;
    use notify::event::{AccessKind, CreateKind, ModifyKind};

    use super::*;

    #[test]
    fn only_what_belongs_to_the_configuration_is_read_again() {
        let changed = |path: &str, kind| {
            is_of_configuration(&notify::Event::new(kind).add_path(Path::new("/etc/.hotline").join(path)))
        };
        let modified = EventKind::Modify(ModifyKind::Any);
        for path in
            ["hotline.toml", "queues/sales.toml", "tenants/acme/agents/a.toml", "prompts/zh-CN/hi.wav"]
        {
            assert!(changed(path, modified), "{path}");
            assert!(!changed(path, EventKind::Access(AccessKind::Any)), "{path} was only looked at");
        }
        for path in
            ["log", "hotline.log", ".hotline.toml.swp", ".#hotline.toml", "queues/.a.toml", "data/x.wav"]
        {
            assert!(
                !changed(path, modified) && !changed(path, EventKind::Create(CreateKind::File)),
                "{path}"
            );
        }
    }
}
