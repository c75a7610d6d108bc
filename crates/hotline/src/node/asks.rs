//! Owns who waits for a shard's answer to a wish. Does not own the wish (see `call::Input`).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use model::CallId;
use tokio::sync::oneshot;

/// A call, or why there is none.
pub(crate) type Made = Result<CallId, Arc<str>>;

/// Who waits for a call to be made. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asks {
    minted: Arc<AtomicU64>,
    waiting: Arc<Mutex<HashMap<u64, oneshot::Sender<Made>>>>,
}

impl Asks {
    /// A new wish: what it is named, and its answer.
    pub fn ask(&self) -> (u64, oneshot::Receiver<Made>) {
        let (tell, told) = oneshot::channel();
        let ask = self.minted.fetch_add(1, Ordering::Relaxed);
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(ask, tell);
        (ask, told)
    }

    /// The answer came. Whoever asked may have gone meanwhile.
    pub fn answer(&self, ask: u64, made: Made) {
        let waits = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&ask);
        if let Some(waits) = waits {
            drop(waits.send(made));
        }
    }
}
