//! Owns the demonstration: a switch of its own on free loopback ports, a carrier and a phone on real sockets, one call
//! through all of it, told as it happens and checked at the end. Does not own the switch (see `node`) or the parties
//! (see `peers`).

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use api::metrics::Metrics;
use config::{Loaded, Sources};
use ledger::{ExportedCdr, UtcOffset};
use store::CallFilter;

use crate::cli::{Answer, Global};
use crate::node::calendar::Calendar;
use crate::node::settings::{self, Origin};
use crate::node::{Node, Setup};

mod actor;
mod checks;
mod story;

use checks::{Check, Recorded};
use story::Told;

/// Where the demonstration leaves its recording and records.
const FOLDER: &str = "hotline-demo";

/// Plays the demonstration.
pub(crate) fn run(global: &Global) -> anyhow::Result<Answer> {
    let runtime = crate::cli::runtime()?;
    let outcome = runtime.block_on(play(global))?;
    let ok = outcome.checks.iter().all(|check| check.ok);
    if global.json {
        let report = serde_json::json!({
            "ok": ok,
            "checks": outcome.checks,
            "call": outcome.call,
            "recording": outcome.recording,
        });
        println!("{report:#}");
    } else {
        tell(&outcome, ok);
    }
    Ok(if ok { Answer::Yes } else { Answer::No })
}

struct Outcome {
    checks: Vec<Check>,
    call: Option<ExportedCdr>,
    recording: Option<PathBuf>,
}

async fn play(global: &Global) -> anyhow::Result<Outcome> {
    let loaded = sample()?;
    let data = std::path::absolute(FOLDER)?.join(std::process::id().to_string());
    let calendar = Calendar::new(&loaded.node.time_zone)?;
    let offset = UtcOffset(calendar.offset_at(clock::SystemClock::start().wall()));
    let exporter = crate::node::settings::exporter(offset, data.clone());
    let metrics = Metrics::install()?;
    let setup = Setup { loaded, origin: Origin::Embedded, data: data.clone(), metrics };
    let node =
        Node::start(setup).await.context("演示用交换机启动失败 / the demonstration's switch cannot start")?;
    let told = story::tell(global, &node, &data).await;
    // The finisher makes the stereo file after the call; the record is told where it is.
    let records = records(&node, &told).await;
    let exported: Vec<ExportedCdr> = records.iter().map(|cdr| exporter.cdr(cdr)).collect();
    node.stop(Duration::ZERO, std::future::ready(())).await;
    let told = told?;
    let recording = exported.first().and_then(|call| call.recording.clone()).map(PathBuf::from);
    let recorded = recording.as_deref().map(Recorded::open);
    let checks = checks::all(&told, &exported, recorded);
    Ok(Outcome { checks, call: exported.into_iter().next(), recording })
}

/// The starter set, on ports that are free now.
fn sample() -> anyhow::Result<Loaded> {
    let sources = settings::with_prompts(Sources::from_files(config::starter()));
    let mut loaded = match config::load(&sources) {
        Ok(loaded) => loaded,
        Err(found) => bail!("{}", found.render(config::Color::Plain)),
    };
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    loaded.node.api = any;
    let rtp = free_range()?;
    for interface in &mut loaded.plan.interfaces {
        interface.bind = any;
        interface.advertise = Ipv4Addr::LOCALHOST.into();
        interface.rtp = rtp;
    }
    Ok(loaded)
}

/// A hundred ports above one that the system says is free; the pool passes over those that are not.
fn free_range() -> anyhow::Result<routing::RtpRange> {
    let probe = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let low = probe.local_addr()?.port().min(65_400) & !1;
    Ok(routing::RtpRange { low, high: low + 99 })
}

/// The records of the call, once the recording is finished or five seconds have passed.
async fn records(node: &Node, told: &anyhow::Result<Told>) -> Vec<ledger::Cdr> {
    let mut found = Vec::new();
    for _ in 0..if told.is_ok() { 50 } else { 1 } {
        found = node.store.calls(&CallFilter::default()).await.unwrap_or_default();
        let finished = |cdr: &ledger::Cdr| {
            cdr.main_recording().is_some_and(|r| {
                matches!(
                    r.state,
                    ledger::RecordingState::Finished { .. } | ledger::RecordingState::Failed { .. }
                )
            })
        };
        if found.first().is_some_and(finished) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    found
}

fn tell(outcome: &Outcome, ok: bool) {
    println!();
    for check in &outcome.checks {
        println!("  {} {}  {}", if check.ok { "✔" } else { "✘" }, check.name, check.detail);
    }
    println!();
    let data = outcome.recording.as_deref().and_then(Path::parent);
    if let (Some(recording), Some(_)) = (&outcome.recording, data) {
        println!("录音 / recording  {}", recording.display());
    }
    if let Some(call) = &outcome.call {
        println!("话单 / record     {} {} {} → {}", call.id, call.result_zh, call.caller, call.called);
    }
    if ok {
        println!("全部通过 / all checks passed");
        println!("下一步 / next     hotline init mypbx && hotline run --config mypbx");
    } else {
        let failed: Vec<&str> =
            outcome.checks.iter().filter(|check| !check.ok).map(|check| check.name).collect();
        println!("未通过 / failed   {}", failed.join(", "));
    }
}
