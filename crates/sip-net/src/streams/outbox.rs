//! Owns what waits to be written on one connection.

use bytes::Bytes;
use tokio::sync::mpsc;

/// What waits to be written.
pub(super) struct Outbox {
    queue: mpsc::Receiver<Bytes>,
    /// What was taken from the queue and is not known to be written.
    in_hand: Option<Bytes>,
}

impl Outbox {
    pub fn new(queue: mpsc::Receiver<Bytes>) -> Outbox {
        Outbox { queue, in_hand: None }
    }

    /// The next message, once there is one; `None` when the connection is to be forgotten. Dropping the wait loses
    /// nothing.
    pub async fn next(&mut self) -> Option<Bytes> {
        let bytes = self.queue.recv().await?;
        self.in_hand = Some(bytes.clone());
        Some(bytes)
    }

    /// The message last taken is written.
    pub fn written(&mut self) {
        self.in_hand = None;
    }

    /// Closes the queue: what nobody will write.
    pub fn unsent(mut self) -> Vec<Bytes> {
        self.queue.close();
        let mut unsent: Vec<Bytes> = self.in_hand.take().into_iter().collect();
        while let Ok(bytes) = self.queue.try_recv() {
            unsent.push(bytes);
        }
        unsent
    }
}
