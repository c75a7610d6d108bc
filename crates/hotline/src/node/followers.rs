//! Owns what follows from rows being written: hooks are told. Does not own running them (see `hooks`).

use std::sync::Arc;

use hooks::{Hooks, Trigger};
use ledger::{Amendment, Exporter, RecordingState, Update};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Fires hooks for records and recordings as they become complete, until the store ends.
pub(crate) async fn fire_hooks(
    mut updates: broadcast::Receiver<Arc<[Update]>>,
    hooks: Hooks,
    exporter: Exporter,
) {
    loop {
        match updates.recv().await {
            Ok(updates) => updates.iter().for_each(|update| fire(update, &hooks, &exporter)),
            Err(RecvError::Lagged(missed)) => {
                metrics::counter!("hotline_hooks_dropped_total").increment(missed);
                tracing::warn!(missed, "钩子跟不上话单 / hooks lag behind the records");
            }
            Err(RecvError::Closed) => return,
        }
    }
}

fn fire(update: &Update, hooks: &Hooks, exporter: &Exporter) {
    match update {
        Update::Closed(cdr) => hooks.fire(Trigger::CallEnded, || {
            // invariant: an exported record is texts and numbers, which are JSON.
            serde_json::to_value(exporter.cdr(cdr)).unwrap_or_default()
        }),
        Update::Amended { tenant, call, amendment: Amendment::Recording { recording, state, .. } } => {
            let RecordingState::Finished { path, millis, bytes, sha256, shares } = state else { return };
            hooks.fire(Trigger::RecordingFinished, || {
                serde_json::json!({
                    "tenant": tenant, "call": call, "recording": recording,
                    "path": exporter.data_dir.join(&**path), "millis": millis, "bytes": bytes, "sha256": sha256,
                    "shares": shares,
                })
            });
        }
        Update::Amended { .. } => {}
    }
}
