//! Owns the server's sockets and limits. Does not own what is answered (see [`crate::routes`]).

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use ledger::Exporter;
use store::{EventJournal, Store};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::events::Recent;
use crate::metrics::Metrics;
use crate::routes;
use crate::switch::Switch;
use crate::token::Token;

/// All that a server answers from.
pub struct Server {
    /// Live state and wishes.
    pub switch: Arc<dyn Switch>,
    /// Past calls.
    pub store: Store,
    /// Events.
    pub journal: EventJournal,
    /// What requests must carry.
    pub token: Token,
    /// The process's figures.
    pub metrics: Metrics,
    /// How records are shown.
    pub exporter: Exporter,
    /// How much is answered at once.
    pub limits: Limits,
}

/// Limits of a server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; further ones wait in the kernel.
    pub connections: usize,
    /// A request's body, in bytes.
    pub body_bytes: usize,
    /// How long a request's header may take to come.
    pub header_time: Duration,
    /// How long its body may take.
    pub body_time: Duration,
    /// How long answers may take after the end was asked for.
    pub closing_time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 128,
            body_bytes: 64 << 10,
            header_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            closing_time: Duration::from_secs(3),
        }
    }
}

/// Serves HTTP on `listener` until `shutdown` is done, then lets running answers finish.
pub async fn serve(listener: TcpListener, server: Server, shutdown: impl Future<Output = ()>) {
    let limits = server.limits;
    let (closing, closed) = watch::channel(Closing::No);
    let recent = Recent::follow(server.journal.clone(), closed.clone());
    let router = routes::router(server, recent, closed.clone());
    let permits = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = accept(&listener, &permits) => accepted,
        };
        let Some((stream, peer, permit)) = accepted else { continue };
        let (router, closed) = (router.clone(), closed.clone());
        connections.spawn(async move {
            answer(stream, peer, router, limits, closed).await;
            drop(permit);
        });
    }
    drop(listener);
    closing.send_replace(Closing::Yes);
    let finish = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.closing_time, finish).await.is_err() {
        tracing::warn!("部分 API 请求被中断 / some API requests were cut off");
    }
}

/// Whether the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    No,
    Yes,
}

/// Waits until the server ends.
pub(crate) async fn ending(closed: &mut watch::Receiver<Closing>) {
    // A sender that is gone has ended too.
    let _ = closed.wait_for(|closing| *closing == Closing::Yes).await;
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, permit)),
        Err(error) => {
            tracing::warn!(%error, "accept");
            // No descriptors are left: those of finished connections are about to come back.
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

async fn answer(
    stream: TcpStream,
    peer: SocketAddr,
    router: axum::Router,
    limits: Limits,
    mut closed: watch::Receiver<Closing>,
) {
    let service = TowerToHyperService::new(router);
    let with_peer = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        hyper::service::Service::call(&service, request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.header_time).max_buf_size(64 << 10);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), with_peer));
    let result = tokio::select! {
        result = &mut connection => result,
        () = ending(&mut closed) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "api connection");
    }
}

#[cfg(test)]
mod tests;
