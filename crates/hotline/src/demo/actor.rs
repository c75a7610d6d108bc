//! Owns a party on real sockets: a peer, its two ports, and a task that drives it. Does not own what it is told to do.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use clock::{Instant, Machine, SystemClock};
use peers::{Behaviour, Command, Happening, Input, Login, Output, Peer, PeerConfig};
use sdp::Codec;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A party on real sockets.
pub(super) struct Actor {
    peer: Arc<Mutex<Peer>>,
    wishes: mpsc::UnboundedSender<Command>,
    happenings: mpsc::UnboundedReceiver<(Instant, Happening)>,
    clock: SystemClock,
    task: JoinHandle<()>,
}

impl Actor {
    /// A party with ports of its own on 127.0.0.1.
    pub async fn enter(
        clock: SystemClock,
        user: &str,
        domain: &str,
        login: Option<Login>,
        behaviour: Behaviour,
    ) -> anyhow::Result<Actor> {
        let sip = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let rtp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let peer = Arc::new(Mutex::new(Peer::new(PeerConfig {
            user: user.to_owned(),
            domain: domain.to_owned(),
            display: None,
            sip: sip.local_addr()?,
            rtp: rtp.local_addr()?,
            codecs: vec![Codec::Pcma],
            login,
            behaviour,
            seed: u64::from(sip.local_addr()?.port()) << 20 | u64::from(std::process::id()),
        })));
        let (wishes, wished) = mpsc::unbounded_channel();
        let (tell, happenings) = mpsc::unbounded_channel();
        let task = tokio::spawn(drive(Arc::clone(&peer), clock, (sip, rtp), wished, tell));
        Ok(Actor { peer, wishes, happenings, clock, task })
    }

    pub fn wish(&self, command: Command) {
        // The task ends with the actor alone.
        let _ = self.wishes.send(command);
    }

    /// Waits until what `wanted` names happens; other happenings are passed over.
    pub async fn until<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut wanted: impl FnMut(&Happening) -> Option<T>,
    ) -> anyhow::Result<(Instant, T)> {
        let found = async {
            while let Some((at, happening)) = self.happenings.recv().await {
                if let Some(found) = wanted(&happening) {
                    return Some((at, found));
                }
            }
            None
        };
        match tokio::time::timeout(limit, found).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => bail!("{what}: 对方已离开 / the party left"),
            Err(_) => bail!("{what}: {} 秒内没有发生 / did not happen in {0} s", limit.as_secs()),
        }
    }

    /// Waits until what was heard satisfies `wanted`.
    pub async fn until_heard(
        &self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Peer, Instant) -> bool,
    ) -> anyhow::Result<()> {
        let give_up = self.clock.now() + limit;
        loop {
            if wanted(&self.peer(), self.clock.now()) {
                return Ok(());
            }
            if self.clock.now() > give_up {
                bail!("{what}: {} 秒内没有听到 / was not heard in {0} s", limit.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub fn peer(&self) -> MutexGuard<'_, Peer> {
        // invariant: nobody panics with the lock held; a broken peer would fail the checks.
        self.peer.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn drive(
    peer: Arc<Mutex<Peer>>,
    clock: SystemClock,
    (sip, rtp): (UdpSocket, UdpSocket),
    mut wished: mpsc::UnboundedReceiver<Command>,
    tell: mpsc::UnboundedSender<(Instant, Happening)>,
) {
    let (mut from_sip, mut from_rtp) = (vec![0; 65_536], vec![0; 2_048]);
    loop {
        let due = peer.lock().ok().and_then(|peer| peer.poll_timeout());
        let timer = async {
            match due {
                Some(due) => tokio::time::sleep_until(clock.std_instant(due).into()).await,
                None => std::future::pending().await,
            }
        };
        let input = tokio::select! {
            wish = wished.recv() => match wish {
                Some(wish) => Some(Input::Do(wish)),
                None => return,
            },
            Ok((size, from)) = sip.recv_from(&mut from_sip) => {
                Some(Input::Sip { from, bytes: Bytes::copy_from_slice(&from_sip[..size]) })
            }
            Ok((size, _)) = rtp.recv_from(&mut from_rtp) => {
                Some(Input::Rtp(Bytes::copy_from_slice(&from_rtp[..size])))
            }
            () = timer => None,
        };
        let outputs = {
            let Ok(mut peer) = peer.lock() else { return };
            let now = clock.now();
            match input {
                Some(input) => peer.handle(now, input),
                None => peer.handle_timeout(now),
            }
            std::iter::from_fn(|| peer.poll_output()).collect::<Vec<_>>()
        };
        for output in outputs {
            let sent = match output {
                Output::Sip { to, bytes } => send(&sip, to, &bytes).await,
                Output::Rtp { to, bytes } => send(&rtp, to, &bytes).await,
                Output::Happened(happening) => {
                    // Nobody listens any more once the story is told.
                    let _ = tell.send((clock.now(), happening));
                    Ok(())
                }
            };
            if let Err(error) = sent {
                tracing::warn!(%error, "演示方无法发送 / a party cannot send");
            }
        }
    }
}

async fn send(socket: &UdpSocket, to: SocketAddr, bytes: &[u8]) -> anyhow::Result<()> {
    socket.send_to(bytes, to).await.map(drop).with_context(|| to.to_string())
}
