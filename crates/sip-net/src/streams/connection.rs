//! Owns one connection of bytes (TCP, TLS): reading frames with deadlines, and writing what is queued.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sip::endpoint::{Flow, alias_of};
use sip::framing::{Frame, Splitter};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::outbox::Outbox;
use super::{Shared, StreamEnd};

/// Why a connection is over.
#[derive(Debug)]
pub(super) enum Over {
    /// The peer closed it.
    Closed,
    /// We end it, for a reason that is counted.
    Ended(StreamEnd),
    /// The system's word, or the library's.
    Failed(Box<dyn std::error::Error + Send + Sync>),
    /// We close every stream.
    Closing,
}

impl<M: Send + 'static> Shared<M> {
    /// Serves a connection until it is over, then gives back what could not be sent. `names` are those that its peer has
    /// proved to have.
    pub(super) async fn serve_bytes(
        self: &Arc<Self>,
        (flow, names): (Flow, Option<Arc<[Box<str>]>>),
        reader: impl AsyncRead + Unpin,
        mut writer: impl AsyncWrite + Unpin,
        mut outbox: Outbox,
    ) {
        let mut closing = self.closing.subscribe();
        let over = tokio::select! {
            _ = closing.changed() => Over::Closing,
            over = self.read(flow, names.as_deref(), reader) => over,
            over = self.write(&mut writer, &mut outbox) => over,
        };
        // TLS says good-bye; a peer that is gone does not hear it.
        let _ = timeout(LINGER, writer.shutdown()).await;
        self.over(flow, &over, outbox);
    }

    /// Counts how a connection ended, and gives back what could not be sent.
    pub(super) fn over(self: &Arc<Self>, flow: Flow, over: &Over, outbox: Outbox) {
        match over {
            Over::Ended(end) => self.ends.count(*end),
            Over::Failed(error) => {
                tracing::debug!(remote = %flow.remote, %error, "连接出错 / connection failed")
            }
            Over::Closed | Over::Closing => {}
        }
        let unsent = outbox.unsent();
        if !unsent.is_empty() && !matches!(over, Over::Closing) {
            self.give_back(flow, unsent);
        }
    }

    async fn read(
        self: &Arc<Self>,
        flow: Flow,
        names: Option<&[Box<str>]>,
        mut reader: impl AsyncRead + Unpin,
    ) -> Over {
        let limits = self.limits.load_full();
        let mut splitter = Splitter::new(sip::Limits::default());
        let mut piece = vec![0u8; PIECE];
        let began = Instant::now();
        let (mut deadline, mut too_late) = (began + limits.first_message, StreamEnd::FirstMessageSlow);
        let mut greeted = false;
        let mut served = false;
        // RFC 5923: who has proved its name may say at which address it wants to be reached here.
        let mut unaliased = names;
        loop {
            served = served || self.is_served(flow);
            let refused = began + limits.refused;
            let until = if served { deadline } else { deadline.min(refused) };
            let length = match timeout_at(until, reader.read(&mut piece)).await {
                // What was sent meanwhile may show that its peer is somebody.
                Err(_) if until < deadline && self.is_served(flow) => continue,
                Err(_) if until < deadline => return Over::Ended(StreamEnd::Refused),
                Err(_) => return Over::Ended(too_late),
                Ok(Ok(0)) => return Over::Closed,
                Ok(Err(error)) => return Over::Failed(error.into()),
                Ok(Ok(length)) => length,
            };
            let was_within = splitter.is_within_message();
            splitter.push(&piece[..length]);
            let mut complete = 0;
            loop {
                match splitter.next_frame() {
                    Ok(Some(Frame::Message(bytes))) => {
                        (complete, greeted) = (complete + 1, true);
                        if let Some(names) = unaliased
                            && let Some(alias) = alias_of(flow, &bytes)
                        {
                            self.give_alias(flow, alias, names);
                            unaliased = None;
                        }
                        self.boxes.deliver(flow, bytes);
                    }
                    // RFC 5626 §4.4.1: a double CRLF is answered with one. It is no first message.
                    Ok(Some(Frame::Ping)) => {
                        complete += usize::from(greeted);
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
                        return Over::Ended(StreamEnd::Garbled);
                    }
                }
            }
            // A message's time runs from its first byte: bytes that trickle in do not win more of it.
            if splitter.is_within_message() {
                if complete > 0 || !was_within {
                    (deadline, too_late) = (Instant::now() + limits.message, StreamEnd::MessageSlow);
                }
            } else if complete > 0 {
                (deadline, too_late) = (Instant::now() + limits.idle, StreamEnd::Idle);
            }
        }
    }

    async fn write(&self, writer: &mut (impl AsyncWrite + Unpin), outbox: &mut Outbox) -> Over {
        let limit = self.limits.load().write;
        while let Some(bytes) = outbox.next().await {
            let write = async {
                writer.write_all(&bytes).await?;
                // TLS keeps a record back until it is flushed.
                writer.flush().await
            };
            match timeout(limit, write).await {
                Ok(Ok(())) => outbox.written(),
                Ok(Err(error)) => return Over::Failed(error.into()),
                Err(_) => return Over::Ended(StreamEnd::NotReading),
            }
        }
        Over::Closed
    }

    /// Queues our own answer to something that is no message of a transaction; a peer that does not read gets none.
    pub(super) fn reply(&self, flow: Flow, bytes: Bytes) {
        if let Some(id) = flow.connection
            && self.enqueue(id, bytes).is_err()
        {
            tracing::debug!(remote = %flow.remote, "对端不读数据 / the peer does not read");
        }
    }
}

/// Read at once.
const PIECE: usize = 4_096;
/// How long answers and a good-bye have to leave before their connection is closed.
const LINGER: Duration = Duration::from_millis(100);
