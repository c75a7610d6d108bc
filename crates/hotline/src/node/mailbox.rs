//! Owns the letterbox of a task: facts that must not be lost, from threads that must not wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

/// The sending side; clones share it.
///
/// Its bound is the reserve: room for every fact of every call that admission lets in. A letter beyond it is a defect
/// that is counted and told once, and is taken all the same, because a fact is never dropped.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    sender: mpsc::UnboundedSender<T>,
    waiting: Arc<AtomicUsize>,
    reserve: usize,
    name: &'static str,
}

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Mailbox<T> {
        Mailbox {
            sender: self.sender.clone(),
            waiting: Arc::clone(&self.waiting),
            reserve: self.reserve,
            name: self.name,
        }
    }
}

/// The owner's side.
#[derive(Debug)]
pub(crate) struct Letters<T> {
    receiver: mpsc::UnboundedReceiver<T>,
    waiting: Arc<AtomicUsize>,
}

/// A box called `name` with room for `reserve` letters.
pub(crate) fn mailbox<T>(name: &'static str, reserve: usize) -> (Mailbox<T>, Letters<T>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    (Mailbox { sender, waiting: Arc::clone(&waiting), reserve, name }, Letters { receiver, waiting })
}

impl<T> Mailbox<T> {
    /// Posts a letter; never waits. After the owner's end letters go nowhere: the node is stopping.
    pub fn post(&self, letter: T) {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        if before >= self.reserve {
            metrics::counter!("hotline_inbox_over_reserve_total", "inbox" => self.name).increment(1);
            if before == self.reserve {
                tracing::error!(inbox = self.name, before, "任务积压超出预留 / more letters than reserved");
            }
        }
        if self.sender.send(letter).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl<T> Letters<T> {
    /// The next letter; `None` when nobody can write any more.
    pub async fn next(&mut self) -> Option<T> {
        let letter = self.receiver.recv().await?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(letter)
    }

    /// The next letter that lies there already.
    pub fn next_now(&mut self) -> Option<T> {
        let letter = self.receiver.try_recv().ok()?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(letter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_keep_their_order_and_none_is_lost_beyond_the_reserve() {
        let (mailbox, mut letters) = mailbox("test", 2);
        (0..5).for_each(|n| mailbox.post(n));
        assert_eq!(std::iter::from_fn(|| letters.next_now()).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        drop(letters);
        mailbox.post(9);
        assert_eq!(mailbox.waiting.load(Ordering::Relaxed), 0);
    }
}
