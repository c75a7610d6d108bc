//! Owns `doctor`: what around a switch keeps calls from working, each finding with its fix. Works beside a running
//! switch and without one. Does not own the configuration's own mistakes (see `check`).
//!
//! ```text
//!  configuration ─► is a switch running? ─► ports · trunks (DNS, OPTIONS) ─► addresses (by what trunks see) · clock
//!                                        └► files · RTP range · certificates · prompts · data folder and its disk
//! ```

use std::path::PathBuf;
use std::time::Duration;

use api::view::TrunkView;
use api::{Client, ClientError, Token};
use config::Loaded;

use super::switch_client::{Place, small_runtime};
use super::{Answer, Global, output};
use crate::node::settings::Origin;
use finding::{Check, Finding, Verdict};
use sockets::Kind;

mod addresses;
mod certificates;
mod clock;
mod disk;
mod finding;
mod limits;
mod ports;
mod prompts;
mod sockets;
mod trunks;

/// Whose health is looked at.
struct Patient {
    loaded: Loaded,
    origin: Origin,
    data: PathBuf,
    running: Option<RunningSwitch>,
}

/// A switch that runs on this configuration.
struct RunningSwitch {
    /// Its process, where we may know it.
    pid: Option<u32>,
    /// What it says of its trunks.
    trunks: Vec<TrunkView>,
}

/// Looks at everything. Exit code 1 when there is a fault; warnings are none.
pub(crate) fn doctor(global: &Global) -> anyhow::Result<Answer> {
    let place = Place::of(global)?;
    let findings = small_runtime()?.block_on(examine(place))?;
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (fine, warnings, faults) = (count(Verdict::Fine), count(Verdict::Warning), count(Verdict::Fault));
    if global.json {
        output::json(&serde_json::json!({
            "fine": fine, "warnings": warnings, "faults": faults, "findings": findings,
        }))?;
    } else {
        output::lines(findings.iter().flat_map(Finding::lines))?;
        output::lines([format!(
            "{} 项: {fine} 正常, {warnings} 注意, {faults} 故障 / fine, warnings, faults",
            findings.len()
        )])?;
    }
    Ok(if faults == 0 { Answer::Yes } else { Answer::No })
}

async fn examine(place: Place) -> anyhow::Result<Vec<Finding>> {
    let (running, whether) = running(&place).await;
    let Place { loaded, data, origin } = place;
    let patient = Patient { loaded, origin, data, running };
    let mut findings = vec![whether];
    findings.extend(configuration(&patient.loaded));
    findings.extend(ports::findings(&patient));
    let asked = trunks::ask(&patient).await?;
    findings.extend(addresses::findings(&patient, &asked.seen));
    findings.extend(asked.findings);
    findings.extend(clock::findings(&patient, &asked.told));
    findings.extend(limits::findings(&patient));
    findings.extend(certificates::findings(&patient));
    findings.extend(prompts::findings(&patient));
    findings.extend(disk::findings(&patient));
    Ok(findings)
}

/// Whether a switch runs, found out as any command does.
async fn running(place: &Place) -> (Option<RunningSwitch>, Finding) {
    let api = place.loaded.node.api;
    let of = (Check::Switch, "");
    let not_running = || {
        let start = place.how_to_start();
        (
            None,
            Finding::fine(of, format!("没有运行, 启动: {start}"), format!("not running; start it: {start}")),
        )
    };
    let path = Token::path(&place.data);
    if !path.exists() {
        return not_running();
    }
    let token = match Token::load(&path) {
        Ok(token) => token,
        Err(error) => {
            let found = Finding::fault(of, error.to_string(), "its token cannot be read");
            return (None, found.fix("用运行 hotline 的用户执行", "run it as the user that hotline runs as"));
        }
    };
    let trunks = Client::new(api, token).with_limit(PATIENCE).trunks().await;
    let pid = sockets::holder(Kind::Tcp, api).map(|holder| holder.pid);
    match trunks {
        Ok(trunks) => {
            let who = pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
            let found = Finding::fine(of, format!("正在运行{who}"), "running");
            (Some(RunningSwitch { pid, trunks }), found)
        }
        Err(ClientError::NotRunning(_)) => not_running(),
        Err(error) => {
            let found = Finding::fault(of, error.to_string(), "the API does not answer as it should");
            let found = found.fix(
                "看日志 (journalctl -u hotline); 若是别的程序占用 [api] listen, 换一个端口",
                "see its log (journalctl -u hotline); if another program has [api] listen, choose another port",
            );
            (None, found)
        }
    }
}

fn configuration(loaded: &Loaded) -> Option<Finding> {
    let count = loaded.warnings.items.len();
    (count > 0).then(|| {
        Finding::warning((Check::Configuration, ""), format!("{count} 处提醒"), format!("{count} warnings"))
            .fix("hotline check", "hotline check")
    })
}

/// How long the API may take.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
