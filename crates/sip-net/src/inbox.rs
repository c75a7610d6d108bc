//! Owns the letterbox of one shard: what other threads have for it. Does not own who writes (see [`crate::Boxes`]).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::wake::Bell;

/// How much a letterbox takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboxLimits {
    /// Messages from the network that may wait; more are refused, counted, and retransmitted by their senders.
    pub messages: usize,
    /// Facts and wishes that are expected to wait at most: room for every call that admission lets in. They are taken
    /// beyond it too, because a fact is never dropped; `Counts::inbox_over_reserve` says how often.
    pub facts: usize,
}

impl Default for InboxLimits {
    /// 8,192 messages and 262,144 facts (64 for each of 4,096 calls).
    fn default() -> InboxLimits {
        InboxLimits { messages: 8_192, facts: 262_144 }
    }
}

/// What lies in a letterbox.
pub enum Letter<M> {
    /// For the machine.
    Input(call::Input),
    /// Runs on the shard's own thread between two inputs: views for the API.
    Ask(Box<dyn FnOnce(&mut M) + Send>),
    /// The thread ends.
    Stop,
}

impl<M> std::fmt::Debug for Letter<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Letter::Input(input) => f.debug_tuple("Input").field(input).finish(),
            Letter::Ask(_) => f.write_str("Ask"),
            Letter::Stop => f.write_str("Stop"),
        }
    }
}

/// The box has no room for another message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("信令线程繁忙,报文被丢弃 / the shard's inbox is full")]
pub struct Full;

/// The letterbox of one shard, for those who write to it. Clones share it; writers never wait.
#[derive(Debug)]
pub struct Inbox<M> {
    inner: Arc<Inner<M>>,
}

impl<M> Clone for Inbox<M> {
    fn clone(&self) -> Inbox<M> {
        Inbox { inner: Arc::clone(&self.inner) }
    }
}

#[derive(Debug)]
struct Inner<M> {
    letters: Mutex<Vec<Letter<M>>>,
    /// How many lie there, readable without the lock.
    waiting: AtomicUsize,
    /// The owner waits, or is about to wait, in epoll.
    asleep: AtomicBool,
    bell: Bell,
    limits: InboxLimits,
    over_reserve: AtomicU64,
}

impl<M> Inbox<M> {
    /// An empty box.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn new(limits: InboxLimits) -> io::Result<Inbox<M>> {
        Ok(Inbox {
            inner: Arc::new(Inner {
                letters: Mutex::new(Vec::new()),
                waiting: AtomicUsize::new(0),
                asleep: AtomicBool::new(false),
                bell: Bell::new()?,
                limits,
                over_reserve: AtomicU64::new(0),
            }),
        })
    }

    /// A fact or a wish: always taken.
    pub fn post(&self, input: call::Input) {
        self.put(Letter::Input(input));
    }

    /// Runs `ask` on the shard's thread.
    pub fn ask(&self, ask: impl FnOnce(&mut M) + Send + 'static) {
        self.put(Letter::Ask(Box::new(ask)));
    }

    /// Ends the shard's thread, after everything posted before.
    pub fn stop(&self) {
        self.put(Letter::Stop);
    }

    /// A message from the network: taken while there is room.
    ///
    /// # Errors
    /// [`Full`]: the message is lost, and its sender retransmits it or gives up.
    pub fn offer(&self, input: call::Input) -> Result<(), Full> {
        if self.inner.waiting.load(Ordering::Relaxed) >= self.inner.limits.messages {
            return Err(Full);
        }
        self.put(Letter::Input(input));
        Ok(())
    }

    /// How often a fact was taken beyond the reserve.
    pub fn over_reserve(&self) -> u64 {
        self.inner.over_reserve.load(Ordering::Relaxed)
    }

    fn put(&self, letter: Letter<M>) {
        self.inner.push(letter);
        self.wake();
    }

    /// A fact or a wish that lies there until [`Inbox::wake`], or until the owner looks by itself.
    pub(crate) fn lay(&self, input: call::Input) {
        self.inner.push(Letter::Input(input));
    }

    /// Wakes the owner if it waits while something lies there.
    pub(crate) fn wake(&self) {
        let inner = &self.inner;
        // The owner writes «asleep» under the lock: a letter that it did not see there sees its «asleep» here.
        if inner.waiting.load(Ordering::Relaxed) > 0 && inner.asleep.swap(false, Ordering::AcqRel) {
            inner.bell.ring();
        }
    }

    /// Everything that waits, in order, into `into` (which is empty). For the owner alone.
    pub(crate) fn take(&self, into: &mut Vec<Letter<M>>) {
        if self.inner.waiting.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut letters = self.inner.letters();
        std::mem::swap(&mut *letters, into);
        self.inner.waiting.store(0, Ordering::Relaxed);
    }

    /// The owner wants to wait. Says whether it may: nothing lies here, and whoever writes from now on rings.
    pub(crate) fn fall_asleep(&self) -> Sleep {
        let letters = self.inner.letters();
        if letters.is_empty() {
            self.inner.asleep.store(true, Ordering::Release);
            Sleep::Allowed
        } else {
            Sleep::LettersWait
        }
    }

    /// The owner is awake; writers need not ring.
    pub(crate) fn wake_up(&self) {
        self.inner.asleep.store(false, Ordering::Release);
    }

    pub(crate) fn bell(&self) -> &Bell {
        &self.inner.bell
    }
}

impl<M> Inner<M> {
    fn push(&self, letter: Letter<M>) {
        let mut letters = self.letters();
        letters.push(letter);
        self.waiting.store(letters.len(), Ordering::Relaxed);
        if letters.len() > self.limits.facts {
            self.over_reserve.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn letters(&self) -> MutexGuard<'_, Vec<Letter<M>>> {
        // A push cannot leave the vector half written, so a poisoned lock still guards a good one.
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the owner may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sleep {
    Allowed,
    LettersWait,
}
