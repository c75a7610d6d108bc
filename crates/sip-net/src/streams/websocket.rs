//! Owns one WebSocket: a message per frame, pings, deadlines. RFC 7118 §5 and §6.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use sip::endpoint::Flow;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::connection::Over;
use super::outbox::Outbox;
use super::{Shared, StreamEnd, StreamLimits, is_line_ends};

/// What is known of a WebSocket's peer.
struct Heard {
    /// The last frame, or the beginning.
    last: Instant,
    /// A ping of ours is under way since the last frame.
    pinged: Option<Instant>,
    /// When it began.
    began: Instant,
    /// Nothing but control frames and line ends came since.
    greeted: Option<Instant>,
    /// Bytes of a frame that is not complete have been seen since.
    within: Option<Instant>,
    /// How many bytes had come at the last look.
    bytes: u64,
}

/// What to do now.
enum Due {
    Nothing,
    Ping,
    End(StreamEnd),
}

impl<M: Send + 'static> Shared<M> {
    /// Serves a WebSocket until it is over, then gives back what could not be sent.
    pub(super) async fn serve_frames<S>(
        self: &Arc<Self>,
        flow: Flow,
        mut frames: WebSocketStream<Watched<S>>,
        mut outbox: Outbox,
    ) where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let limits = self.limits.load_full();
        let mut closing = self.closing.subscribe();
        let came = Arc::clone(&frames.get_ref().came);
        let mut heard = Heard::begin(Instant::now());
        let mut look = tokio::time::interval(limits.look_every());
        let over = loop {
            let out = tokio::select! {
                _ = closing.changed() => break Over::Closing,
                frame = frames.next() => {
                    match frame {
                        None => break Over::Closed,
                        Some(Ok(Message::Close(_))) => break Over::Closed,
                        Some(Ok(frame)) => {
                            heard.frame(Instant::now(), came.load(Ordering::Relaxed), &frame);
                            match self.on_frame(flow, frame) {
                                Some(answer) => answer,
                                None => continue,
                            }
                        }
                        Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => break Over::Closed,
                        Some(Err(Error::Io(error))) => break Over::Failed(error.into()),
                        // Not a WebSocket's frames, or a message that is too long.
                        Some(Err(_)) => break Over::Ended(StreamEnd::Garbled),
                    }
                }
                bytes = outbox.next() => match bytes {
                    Some(bytes) => framed(bytes),
                    None => break Over::Closed,
                },
                _ = look.tick() => {
                    let served = self.is_served(flow);
                    match heard.due(Instant::now(), came.load(Ordering::Relaxed), &limits, served) {
                        Due::Nothing => continue,
                        Due::Ping => Message::Ping(Bytes::new()),
                        Due::End(end) => break Over::Ended(end),
                    }
                }
            };
            match timeout(limits.write, frames.send(out)).await {
                Ok(Ok(())) => outbox.written(),
                Ok(Err(error)) => break Over::Failed(error.into()),
                Err(_) => break Over::Ended(StreamEnd::NotReading),
            }
        };
        // RFC 6455 §5.5.1: a good-bye is answered, by the library, which must be let write it; else ours is the first. A
        // peer that is gone hears neither.
        let goodbye = async {
            match over {
                Over::Closed => frames.flush().await,
                _ => frames.close(None).await,
            }
        };
        let _ = timeout(GOODBYE, goodbye).await;
        self.over(flow, &over, outbox);
    }

    /// Hands on a message; what is to be answered at once.
    fn on_frame(&self, flow: Flow, frame: Message) -> Option<Message> {
        let bytes = match frame {
            Message::Text(text) => Bytes::from(text),
            Message::Binary(bytes) => bytes,
            // Pings are answered by the library.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => return None,
        };
        match &bytes[..] {
            // RFC 7118 §6, RFC 5626 §4.4.1: a double CRLF is answered with one.
            b"\r\n\r\n" => Some(framed(Bytes::from_static(b"\r\n"))),
            b"\r\n" | b"" => None,
            _ => {
                self.boxes.deliver(flow, bytes);
                None
            }
        }
    }
}

/// One message in one frame (RFC 7118 §5): text where it is UTF-8, which every browser's stack reads, else binary.
fn framed(bytes: Bytes) -> Message {
    match Utf8Bytes::try_from(bytes.clone()) {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(bytes),
    }
}

impl Heard {
    fn begin(now: Instant) -> Heard {
        Heard { last: now, pinged: None, began: now, greeted: Some(now), within: None, bytes: 0 }
    }

    /// A whole frame came.
    fn frame(&mut self, now: Instant, bytes: u64, frame: &Message) {
        let said = match frame {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
            _ => b"",
        };
        if !is_line_ends(said) {
            self.greeted = None;
        }
        (self.last, self.pinged, self.within, self.bytes) = (now, None, None, bytes);
    }

    /// What time asks for. A frame's time runs from the look that saw its first bytes: bytes that trickle in do not win
    /// more of it.
    fn due(&mut self, now: Instant, bytes: u64, limits: &StreamLimits, served: bool) -> Due {
        if bytes != self.bytes {
            self.within.get_or_insert(now);
            self.bytes = bytes;
        }
        let over = |since: Option<Instant>, limit: Duration| since.is_some_and(|since| now >= since + limit);
        if over(self.greeted, limits.first_message) {
            return Due::End(StreamEnd::FirstMessageSlow);
        }
        if over(self.within, limits.message) {
            return Due::End(StreamEnd::MessageSlow);
        }
        if !served && over(Some(self.began), limits.refused) {
            return Due::End(StreamEnd::Refused);
        }
        if over(Some(self.last), limits.idle) {
            return Due::End(StreamEnd::Idle);
        }
        let Some(ping) = limits.ping else { return Due::Nothing };
        if over(self.pinged, ping) {
            return Due::End(StreamEnd::Idle);
        }
        if self.pinged.is_none() && over(Some(self.last), ping) {
            self.pinged = Some(now);
            return Due::Ping;
        }
        Due::Nothing
    }
}

impl StreamLimits {
    /// How often a WebSocket's times are looked at: a quarter of the shortest.
    fn look_every(&self) -> Duration {
        let times = [self.first_message, self.refused, self.message, self.ping.unwrap_or(self.idle)];
        let shortest = times.into_iter().fold(self.idle, Duration::min);
        (shortest / 4).max(Duration::from_millis(5))
    }
}

/// A stream that counts the bytes read from it: parts of a frame show in nothing else.
#[derive(Debug)]
pub(super) struct Watched<S> {
    inner: S,
    came: Arc<AtomicU64>,
}

impl<S> Watched<S> {
    pub fn new(inner: S) -> Watched<S> {
        Watched { inner, came: Arc::default() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.came.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// How long a good-bye has to leave.
const GOODBYE: Duration = Duration::from_millis(100);
