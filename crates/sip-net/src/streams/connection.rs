//! Owns one TCP connection: reading frames with deadlines, and writing what is queued.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use sip::endpoint::Flow;
use sip::framing::{Frame, Splitter};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Shared;

/// Why a connection is over.
#[derive(Debug)]
enum Over {
    /// The peer closed it.
    Closed,
    /// Nothing came in time.
    TimedOut,
    /// What came is no SIP.
    Garbled,
    /// The system's word.
    Failed(std::io::Error),
    /// We close every stream.
    Closing,
}

impl<M: Send + 'static> Shared<M> {
    /// Serves a connection until it is over, then tells the shards when something could not be sent.
    pub(super) async fn serve(self: Arc<Self>, flow: Flow, stream: TcpStream, outbox: mpsc::Receiver<Bytes>) {
        // Messages are small and complete: waiting for more to fill a segment only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
        let (reader, writer) = stream.into_split();
        let mut outbox = Outbox { queue: outbox, unsent: Unsent::Nothing };
        let mut closing = self.closing.subscribe();
        let over = tokio::select! {
            _ = closing.changed() => Over::Closing,
            over = self.read(flow, reader) => over,
            over = self.write(writer, &mut outbox) => over,
        };
        match &over {
            Over::TimedOut => drop(self.timed_out.fetch_add(1, Ordering::Relaxed)),
            Over::Garbled => drop(self.garbled.fetch_add(1, Ordering::Relaxed)),
            Over::Failed(error) => {
                tracing::debug!(remote = %flow.remote, %error, "TCP 连接出错 / connection failed")
            }
            Over::Closed | Over::Closing => {}
        }
        if outbox.has_unsent() {
            self.fail(flow);
        }
    }

    async fn read(&self, flow: Flow, mut reader: OwnedReadHalf) -> Over {
        let mut splitter = Splitter::new(sip::Limits::default());
        let mut piece = vec![0u8; PIECE];
        let mut deadline = Instant::now() + self.limits.first_message;
        loop {
            let length = match tokio::time::timeout_at(deadline, reader.read(&mut piece)).await {
                Err(_) => return Over::TimedOut,
                Ok(Ok(0)) => return Over::Closed,
                Ok(Err(error)) => return Over::Failed(error),
                Ok(Ok(length)) => length,
            };
            let was_within = splitter.is_within_message();
            splitter.push(&piece[..length]);
            let mut complete = 0;
            loop {
                match splitter.next_frame() {
                    Ok(Some(Frame::Message(bytes))) => {
                        complete += 1;
                        self.boxes.deliver(flow, bytes);
                    }
                    // RFC 5626 §4.4.1: a double CRLF is answered with one.
                    Ok(Some(Frame::Ping)) => {
                        complete += 1;
                        self.reply(flow, Bytes::from_static(b"\r\n"));
                    }
                    Ok(Some(Frame::LineEnd)) => {}
                    Ok(None) => break,
                    Err(error) => {
                        if let Some(answer) = error.answer() {
                            self.reply(flow, answer.to_bytes());
                        }
                        // What came before is still being answered, and the writer takes what is queued, before this
                        // connection is dropped.
                        tokio::time::sleep(LINGER).await;
                        return Over::Garbled;
                    }
                }
            }
            // A message's time runs from its first byte: bytes that trickle in do not win more of it.
            if splitter.is_within_message() {
                if complete > 0 || !was_within {
                    deadline = Instant::now() + self.limits.message;
                }
            } else if complete > 0 {
                deadline = Instant::now() + self.limits.idle;
            }
        }
    }

    async fn write(&self, mut writer: OwnedWriteHalf, outbox: &mut Outbox) -> Over {
        while let Some(bytes) = outbox.next().await {
            match tokio::time::timeout(self.limits.write, writer.write_all(&bytes)).await {
                Ok(Ok(())) => outbox.unsent = Unsent::Nothing,
                Ok(Err(error)) => return Over::Failed(error),
                Err(_) => return Over::TimedOut,
            }
        }
        Over::Closed
    }

    /// Queues our own answer to something that is no message of a transaction; a peer that does not read gets none.
    fn reply(&self, flow: Flow, bytes: Bytes) {
        if let Some(id) = flow.connection
            && self.enqueue(id, bytes).is_err()
        {
            tracing::debug!(remote = %flow.remote, "对端不读数据 / the peer does not read");
        }
    }
}

/// What waits to be written.
struct Outbox {
    queue: mpsc::Receiver<Bytes>,
    unsent: Unsent,
}

/// What was taken from the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unsent {
    Nothing,
    One,
}

impl Outbox {
    async fn next(&mut self) -> Option<Bytes> {
        let bytes = self.queue.recv().await?;
        self.unsent = Unsent::One;
        Some(bytes)
    }

    /// Closes the queue: whether a message is left that nobody will send.
    fn has_unsent(&mut self) -> bool {
        self.queue.close();
        self.unsent == Unsent::One || self.queue.try_recv().is_ok()
    }
}

/// Read at once.
const PIECE: usize = 4_096;
/// How long answers have to leave before their connection is closed.
const LINGER: Duration = Duration::from_millis(100);
