//! Owns which hooks are fired by what, how many wait and run at once, and trying again.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;

use crate::command::CommandHook;

/// What fires hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A call's record is complete.
    CallEnded,
    /// A recording's playable file is complete.
    RecordingFinished,
}

impl Trigger {
    /// The word in configuration and in the told JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Trigger::CallEnded => "call_ended",
            Trigger::RecordingFinished => "recording_finished",
        }
    }
}

/// What is fired by what; a reload replaces it as a whole.
type Table = Arc<[(Trigger, CommandHook)]>;

/// Limits of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// So many may wait, run or pause before a retry; further ones are dropped and counted.
    pub waiting: usize,
    /// So many run at once.
    pub running: usize,
}

impl Default for QueueLimits {
    fn default() -> QueueLimits {
        QueueLimits { waiting: 1_024, running: 4 }
    }
}

/// The hooks of a node. Clones share them.
#[derive(Clone)]
pub struct Hooks {
    hooks: Arc<RwLock<Table>>,
    runtime: tokio::runtime::Handle,
    waiting: Arc<Semaphore>,
    running: Arc<Semaphore>,
    limits: QueueLimits,
}

impl Hooks {
    /// Hooks that run on `runtime`.
    pub fn new(
        runtime: tokio::runtime::Handle,
        hooks: Vec<(Trigger, CommandHook)>,
        limits: QueueLimits,
    ) -> Hooks {
        Hooks {
            hooks: Arc::new(RwLock::new(hooks.into())),
            runtime,
            waiting: Arc::new(Semaphore::new(limits.waiting)),
            running: Arc::new(Semaphore::new(limits.running)),
            limits,
        }
    }

    /// Takes other hooks from now on; what waits is still told to the old ones.
    pub fn replace(&self, hooks: Vec<(Trigger, CommandHook)>) {
        *self.hooks.write().unwrap_or_else(PoisonError::into_inner) = hooks.into();
    }

    /// Tells each hook of `trigger`: `{"event": "call_ended", "data": data()}` on its standard input. Never waits.
    pub fn fire(&self, trigger: Trigger, data: impl FnOnce() -> Value) {
        let hooks = self.hooks.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut wanted = hooks.iter().filter(|(on, _)| *on == trigger).peekable();
        if wanted.peek().is_none() {
            return;
        }
        let told = serde_json::json!({ "event": trigger.word(), "data": data() }).to_string();
        let told: Arc<[u8]> = told.into_bytes().into();
        for (_, hook) in wanted {
            let Ok(place) = self.waiting.clone().try_acquire_owned() else {
                metrics::counter!("hotline_hooks_dropped_total").increment(1);
                tracing::warn!(program = ?hook.argv.first(), "钩子排队已满，本次丢弃 / too many hooks wait: dropped");
                continue;
            };
            let (hook, told, running) = (hook.clone(), told.clone(), self.running.clone());
            self.runtime.spawn(async move {
                tell(&hook, trigger, &told, &running).await;
                drop(place);
            });
        }
    }

    /// `count` times nobody was told of `trigger`, as nobody knew of it in time: so often each of its hooks is dropped.
    pub fn missed(&self, trigger: Trigger, count: u64) {
        let hooks = self.hooks.read().unwrap_or_else(PoisonError::into_inner).clone();
        let dropped = hooks.iter().filter(|(on, _)| *on == trigger).count() as u64 * count;
        if dropped > 0 {
            metrics::counter!("hotline_hooks_dropped_total").increment(dropped);
            tracing::warn!(
                dropped,
                trigger = trigger.word(),
                "钩子跟不上话单，丢弃 / hooks lag behind the records: dropped"
            );
        }
    }

    /// Waits until nothing waits or runs, at most `limit`; says whether that is so.
    pub async fn finish(&self, limit: Duration) -> bool {
        let all = u32::try_from(self.limits.waiting).unwrap_or(u32::MAX);
        matches!(tokio::time::timeout(limit, self.waiting.acquire_many(all)).await, Ok(Ok(_)))
    }
}

async fn tell(hook: &CommandHook, trigger: Trigger, told: &[u8], running: &Semaphore) {
    let program = hook.argv.first().map_or("", String::as_str);
    for retry in 0..=hook.limits.retries {
        if retry > 0 {
            tokio::time::sleep(hook.limits.pause(retry - 1)).await;
        }
        // A pause before a retry keeps no other hook from running.
        let Ok(_place) = running.acquire().await else { return };
        match hook.run(trigger.word(), told).await {
            Ok(output) => {
                metrics::counter!("hotline_hooks_done_total").increment(1);
                tracing::debug!(program, output, "钩子完成 / hook done");
                return;
            }
            Err(error) => {
                metrics::counter!("hotline_hooks_failed_total").increment(1);
                tracing::warn!(program, %error, retry, "钩子失败 / hook failed");
            }
        }
    }
    metrics::counter!("hotline_hooks_given_up_total").increment(1);
    tracing::error!(program, "钩子多次失败，放弃 / hook given up");
}

#[cfg(test)]
mod tests;
