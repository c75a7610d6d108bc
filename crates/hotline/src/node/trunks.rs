//! Owns what the node tells of its trunks: views, log lines, alarms and gauges. Does not own finding it out (see `call`).

use api::view::{TrunkError, TrunkView};
use call::TrunkSeen;
use model::event::{Event, TrunkFact};

use super::switch::{NodeSwitch, count};

/// Logs what happened to a trunk, and counts what an operator should look at.
pub(crate) fn note(event: &Event) {
    let Event::Trunk { trunk, fact } = event else { return };
    let name = trunk.to_string();
    match fact {
        TrunkFact::Up => {
            tracing::info!(%trunk, "中继正常 / trunk up");
            metrics::gauge!("hotline_trunk_up", "trunk" => name).set(1.0);
        }
        TrunkFact::Down { error } => {
            tracing::error!(%trunk, %error, "中继中断 / trunk down");
            metrics::gauge!("hotline_trunk_up", "trunk" => name.clone()).set(0.0);
            metrics::counter!("hotline_trunk_alarms_total", "trunk" => name, "cause" => "down").increment(1);
        }
        TrunkFact::Registered { seconds } => {
            tracing::info!(%trunk, seconds, "已向运营商注册 / registered with the carrier");
        }
        TrunkFact::RegistrationFailed { error } => {
            tracing::error!(%trunk, %error, "注册失败 / registration failed");
            metrics::counter!("hotline_trunk_alarms_total", "trunk" => name, "cause" => "registration")
                .increment(1);
        }
    }
}

impl NodeSwitch {
    /// Every trunk of the configuration, by name.
    pub(super) async fn trunk_views(&self) -> Vec<TrunkView> {
        let loaded = self.reloader.current.load_full();
        let seen = self.ask_shard(0, call::Shard::trunks_seen).await.unwrap_or_default();
        let view = |trunk: &std::sync::Arc<routing::Trunk>| {
            let seen: Option<&TrunkSeen> = seen.iter().find(|seen| seen.name == trunk.name);
            TrunkView {
                name: trunk.name.to_string(),
                up: seen.and_then(|seen| seen.up),
                registered: seen.and_then(|seen| seen.registered),
                since: seen.and_then(|seen| seen.since).map(|at| self.time(at)),
                error: seen.and_then(|seen| seen.error.as_ref()).map(ToString::to_string),
                last_error: seen
                    .and_then(|seen| seen.last_error.as_ref())
                    .map(|(at, words)| TrunkError { at: self.time(*at), words: words.to_string() }),
                calls: count(self.wide.admission.lock().calls_of_trunk(&trunk.name)),
                max_calls: trunk.limits.calls.map(count),
            }
        };
        let mut trunks: Vec<TrunkView> = loaded.plan.trunks.iter().map(view).collect();
        trunks.sort_by(|a, b| a.name.cmp(&b.name));
        trunks
    }
}
