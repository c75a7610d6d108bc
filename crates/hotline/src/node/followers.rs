//! Owns what follows from rows being written: hooks are told. Does not own running them (see `hooks`).

use hooks::{Hooks, Trigger};
use ledger::{Amendment, Exporter, RecordingState, Update};
use store::{Totals, Written};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Fires hooks for records and recordings as they become complete, until the store ends.
pub(crate) async fn fire_hooks(mut written: broadcast::Receiver<Written>, hooks: Hooks, exporter: Exporter) {
    let mut told = Totals::default();
    loop {
        match written.recv().await {
            Ok(written) => {
                hooks.missed(Trigger::CallEnded, written.before.closed.saturating_sub(told.closed));
                hooks.missed(
                    Trigger::RecordingFinished,
                    written.before.finished.saturating_sub(told.finished),
                );
                told = written.after();
                written.updates.iter().for_each(|update| fire(update, &hooks, &exporter));
            }
            // The next one says how much was missed.
            Err(RecvError::Lagged(_)) => {}
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

#[cfg(test)]
mod tests {
    use hooks::{CommandHook, CommandLimits, QueueLimits};
    use ledger::Ledger;
    use ledger::story::Story;
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    /// A call and its recording, written together.
    fn transaction(before: Totals) -> Written {
        let mut story = Story::default();
        story.answered_call("13800138000", "8001");
        let mut ledger = Ledger::default();
        let updates = story.events.iter().filter_map(|stamped| ledger.fold(stamped)).collect();
        Written { updates, before }
    }

    #[test]
    fn whoever_lags_behind_counts_each_hook_that_was_never_told() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let argv = vec!["true".to_owned()];
        let hook = CommandHook { argv, folder: "/".into(), limits: CommandLimits::default() };
        let (ended, finished) = (Trigger::CallEnded, Trigger::RecordingFinished);
        // Two are told of calls, one of recordings.
        let table = vec![(ended, hook.clone()), (ended, hook.clone()), (finished, hook)];
        let hooks = Hooks::new(runtime.handle().clone(), table, QueueLimits::default());
        let (teller, written) = broadcast::channel(2);
        let mut before = Totals::default();
        for _ in 0..5 {
            let transaction = transaction(before);
            before = transaction.after();
            assert!(teller.send(transaction).is_ok());
        }
        drop(teller);
        metrics::with_local_recorder(&recorder, || {
            runtime.block_on(async {
                fire_hooks(written, hooks.clone(), Exporter::default()).await;
                assert!(hooks.finish(std::time::Duration::from_secs(30)).await);
            });
        });
        let figures = recorder.handle().render();
        // Of five transactions three were missed: as many calls and recordings.
        assert!(figures.contains("hotline_hooks_dropped_total 9"), "{figures}");
        assert!(figures.contains("hotline_hooks_done_total 6"), "{figures}");
    }
}
