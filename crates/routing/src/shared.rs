//! Owns how a node's shards share one core: behind a lock that nobody holds while calling out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One value for all shards of a node. Clones share it.
#[derive(Debug, Default)]
pub struct Shared<T>(Arc<Mutex<T>>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Shared<T> {
        Shared(Arc::clone(&self.0))
    }
}

impl<T> Shared<T> {
    /// The value itself, for a few steps of arithmetic: other shards wait meanwhile.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        // The values shared here are counters that each method leaves whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
