//! Owns how a command finds the running switch and the data folder: by the configuration they share.

use std::path::PathBuf;

use anyhow::Context;
use api::{Client, ClientError, Token};
use config::Loaded;
use model::TenantId;

use super::{Global, run};
use crate::node::settings::{self, Origin};

/// Where a switch's folder and API are.
pub(crate) struct Place {
    pub loaded: Loaded,
    pub data: PathBuf,
    pub origin: Origin,
}

impl Place {
    /// The one that `global` names.
    pub fn of(global: &Global) -> anyhow::Result<Place> {
        let origin = run::origin(global.config.as_deref());
        let loaded = run::decode(&origin)?;
        let data = settings::data_folder(&origin, &loaded);
        Ok(Place { loaded, data, origin })
    }

    /// How to start the switch.
    pub fn how_to_start(&self) -> String {
        match &self.origin {
            Origin::Folder(folder) => format!("hotline run --config {}", folder.display()),
            Origin::Embedded => "hotline run".to_owned(),
        }
    }
}

/// Speaks to the running switch.
pub(crate) fn speak<T, F>(global: &Global, ask: impl FnOnce(Client) -> F) -> anyhow::Result<T>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let place = Place::of(global)?;
    let start = || {
        format!("交换机没有运行,启动:{0} / the switch is not running, start it: {0}", place.how_to_start())
    };
    let path = Token::path(&place.data);
    if !path.exists() {
        anyhow::bail!("{}", start());
    }
    let token = Token::load(&path)?;
    let client = Client::new(place.loaded.node.api, token).for_tenant(TenantId::new(&global.tenant));
    let answered = small_runtime()?.block_on(ask(client));
    match answered {
        Err(error @ ClientError::NotRunning(_)) => Err(error).with_context(start),
        other => Ok(other?),
    }
}

/// A runtime for one question.
pub(crate) fn small_runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("运行环境启动失败 / cannot start the runtime")
}
