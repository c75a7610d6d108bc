//! Owns `run`: from a folder to a running switch, and from a signal to its end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use api::metrics::Metrics;
use config::{Loaded, Sources};
use sip::endpoint::{Advertised, Transport};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{Answer, Global, check, output};
use crate::node::reload::{self, Reloader};
use crate::node::settings::{self, Origin};
use crate::node::{Node, Setup};

/// Starts the switch and serves until a signal ends it.
pub(crate) fn run(global: &Global) -> anyhow::Result<Answer> {
    let origin = origin(global.config.as_deref());
    let loaded = decode(&origin)?;
    check::report(&loaded.warnings);
    log_to_stderr(&loaded.node.log);
    let descriptors = crate::node::raise_limit();
    let metrics = Metrics::install()?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let data = settings::data_folder(&origin, &loaded);
        let mut signals = Signals::listen()?;
        if origin == Origin::Embedded {
            tracing::info!(data = %data.display(), "没有 hotline.toml,使用内置示例 / no hotline.toml: the embedded sample");
        }
        let node = Node::start(Setup { loaded, origin, data: data.clone(), metrics }).await?;
        introduce(global, &node, &data)?;
        match descriptors {
            Ok(limit) => tracing::debug!(limit, "文件描述符上限 / limit of open files"),
            Err(error) => tracing::warn!(%error, "文件描述符上限无法提高 / cannot raise the limit of open files"),
        }
        signals.serve_until_end(&node.reloader).await;
        let drain = node.reloader.current.load().node.drain;
        tracing::info!(seconds = drain.as_secs(), "正在停止,等待通话结束 / stopping, waiting for calls to end");
        node.stop(drain, signals.end()).await;
        tracing::info!("已停止 / stopped");
        Ok(Answer::Yes)
    })
}

/// The folder that is meant: the one named, the current one where it holds a configuration, else the sample within.
pub(crate) fn origin(named: Option<&Path>) -> Origin {
    match named {
        Some(folder) => Origin::Folder(folder.to_owned()),
        None if Path::new("hotline.toml").exists() => Origin::Folder(PathBuf::from(".")),
        None => Origin::Embedded,
    }
}

/// Decodes the configuration, or says everything that is wrong with it.
pub(crate) fn decode(origin: &Origin) -> anyhow::Result<Loaded> {
    let sources = match origin {
        Origin::Folder(folder) => settings::sources(folder)?,
        Origin::Embedded => settings::with_prompts(Sources::from_files(config::starter())),
    };
    config::load(&sources).or_else(|found| {
        check::report(&found);
        bail!("配置有误 / the configuration has errors")
    })
}

fn log_to_stderr(configured: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(configured));
    tracing_subscriber::fmt()
        .with_env_filter(quiet_watcher(filter))
        .with_writer(std::io::stderr)
        .with_ansi(check::color(&std::io::stderr()) == config::Color::Ansi)
        .init();
}

/// Without what the watcher of files says of each change: a log that lies in the watched folder would be a change by
/// itself, and so its own cause.
fn quiet_watcher(filter: EnvFilter) -> EnvFilter {
    // invariant: the directives are well formed; the test reads them.
    let add =
        |filter: EnvFilter, directive: &&str| filter.add_directive(directive.parse().expect("a directive"));
    WATCHER.iter().fold(filter, add)
}

/// The runtime of everything that waits for others: the API, the registrar, queues, streams.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(TASK_THREADS)
        .thread_name("tasks")
        .enable_all()
        .build()
        .context("运行环境启动失败 / cannot start the runtime")
}

/// The first lines: where it listens, which numbers it serves, how to speak to it.
fn introduce(global: &Global, node: &Node, data: &Path) -> anyhow::Result<()> {
    let loaded = node.reloader.current.load();
    let data = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let sockets: Vec<_> = loaded
        .plan
        .interfaces
        .iter()
        .zip(node.transports.local().into_iter().zip(node.transports.advertised()))
        .flat_map(|(interface, (local, advertised))| sockets_of(interface, local, &advertised))
        .collect();
    if global.json {
        let listeners: Vec<String> = node.transports.local().iter().map(ToString::to_string).collect();
        let ready = serde_json::json!({
            "ready": true, "listeners": listeners, "sockets": sockets, "api": node.api, "data": data,
        });
        return output::lines([ready.to_string()]);
    }
    let mut lines = vec![format!("hotline {} 已启动 / is running", env!("CARGO_PKG_VERSION"))];
    for interface in &loaded.plan.interfaces {
        let of_interface = sockets.iter().filter(|socket| *socket.interface == *interface.name.as_str());
        let shown: Vec<_> =
            of_interface.map(|socket| format!("{} {}", socket.transport, socket.address)).collect();
        lines.push(format!(
            "  信令 / SIP      {} {},对外 / advertised {},RTP {}–{}",
            interface.name,
            shown.join(" "),
            interface.host.as_deref().map_or_else(|| interface.advertise.to_string(), str::to_owned),
            interface.rtp.low,
            interface.rtp.high
        ));
    }
    for number in &loaded.plan.numbers {
        lines.push(format!("  号码 / number   {} → {}", number.number, number.flow));
    }
    lines.push(format!("  接口 / API      http://{}", node.api));
    lines.push(format!("  数据 / data     {}", data.display()));
    lines.push("  Ctrl-C 停止 / stops".to_owned());
    output::lines(lines)
}

/// A socket that is listened on.
#[derive(serde::Serialize)]
struct ListeningSocket {
    interface: String,
    transport: &'static str,
    address: SocketAddr,
}

fn sockets_of(
    interface: &routing::Interface,
    local: SocketAddr,
    advertised: &Advertised,
) -> Vec<ListeningSocket> {
    let served = [
        (Transport::Udp, interface.udp),
        (Transport::Tcp, interface.tcp),
        (Transport::Tls, interface.tls.is_some()),
        (Transport::Ws, interface.ws.is_some()),
        (Transport::Wss, interface.wss.is_some()),
    ];
    let socket = |(transport, _): (Transport, bool)| ListeningSocket {
        interface: interface.name.to_string(),
        transport: transport.via(),
        address: SocketAddr::new(local.ip(), advertised.port_of(transport)),
    };
    served.into_iter().filter(|(_, served)| *served).map(socket).collect()
}

/// The signals that a switch obeys.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Signals> {
        let on = |kind| signal(kind).context("无法接收信号 / cannot listen for signals");
        Ok(Signals {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hang_up: on(SignalKind::hangup())?,
        })
    }

    /// Reloads at each SIGHUP, until a signal ends the switch.
    async fn serve_until_end(&mut self, reloader: &Arc<Reloader>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => reload::reload_and_log(Arc::clone(reloader)).await,
            }
        }
    }

    /// The next signal that ends the switch.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Tasks wait for others nearly all the time.
const TASK_THREADS: usize = 2;
/// What the watcher of files may say at any level that an operator chooses; the narrower directive would win otherwise.
const WATCHER: [&str; 2] = ["notify=warn", "notify::inotify=warn"];

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_level_makes_a_log_tell_of_its_own_growth() {
        for configured in ["trace", "trace,notify=trace", "info,notify::inotify=trace"] {
            let lines = Lines::default();
            let written = lines.clone();
            let subscriber = tracing_subscriber::fmt()
                .with_env_filter(quiet_watcher(EnvFilter::new(configured)))
                .with_writer(move || written.clone())
                .finish();
            tracing::subscriber::with_default(subscriber, || {
                tracing::trace!(target: "notify::inotify", "inotify event");
                tracing::warn!(target: "notify::inotify", "lost events");
                tracing::info!(target: "hotline", "kept");
            });
            let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
            assert!(!text.contains("inotify event"), "{configured}: {text}");
            assert!(text.contains("lost events") && text.contains("kept"), "{configured}: {text}");
        }
    }
}
