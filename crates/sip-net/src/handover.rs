//! Owns which shard a message belongs to, and the way there from any thread. Does not own the shards' boxes' insides
//! (see `inbox`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
pub use call::home_of;
use call::{Whereabouts, call_id_of};
use sip::endpoint::Flow;

use crate::inbox::Inbox;

/// The letterboxes of all shards, by shard.
#[derive(Debug)]
pub struct Boxes<M> {
    inner: Arc<Inner<M>>,
}

#[derive(Debug)]
struct Inner<M> {
    all: Vec<Inbox<M>>,
    whereabouts: Whereabouts,
    refused: AtomicU64,
}

impl<M> Clone for Boxes<M> {
    fn clone(&self) -> Boxes<M> {
        Boxes { inner: Arc::clone(&self.inner) }
    }
}

impl<M> Boxes<M> {
    /// The boxes of shards 0, 1, …, of a node that knows nothing yet.
    pub fn new(all: Vec<Inbox<M>>) -> Boxes<M> {
        Boxes::of_node(all, Whereabouts::default())
    }

    /// The boxes of shards 0, 1, …, which find by `whereabouts` what was handed over.
    pub fn of_node(all: Vec<Inbox<M>>, whereabouts: Whereabouts) -> Boxes<M> {
        whereabouts.set_shards(all.len());
        Boxes { inner: Arc::new(Inner { all, whereabouts, refused: AtomicU64::new(0) }) }
    }

    /// How many shards there are.
    pub fn len(&self) -> usize {
        self.inner.all.len()
    }

    /// Whether there is no shard.
    pub fn is_empty(&self) -> bool {
        self.inner.all.is_empty()
    }

    /// The box of `shard`.
    pub fn of(&self, shard: u8) -> Option<&Inbox<M>> {
        self.inner.all.get(usize::from(shard))
    }

    /// Every box.
    pub fn iter(&self) -> impl Iterator<Item = &Inbox<M>> {
        self.inner.all.iter()
    }

    /// A fact or wish for the call or leg whose id names `shard`; nothing happens when there is no such shard.
    pub fn post(&self, shard: u8, input: call::Input) {
        if let Some(inbox) = self.of(shard) {
            inbox.post(input);
        }
    }

    /// Facts and wishes, each for the shard beside it, which is woken once for all of them.
    pub fn post_each(&self, inputs: impl Iterator<Item = (u8, call::Input)>) {
        for (shard, input) in inputs {
            if let Some(inbox) = self.of(shard) {
                inbox.lay(input);
            }
        }
        self.iter().for_each(Inbox::wake);
    }

    /// The same fact for every shard.
    pub fn post_all(&self, input: impl Fn() -> call::Input) {
        for inbox in &self.inner.all {
            inbox.post(input());
        }
    }

    /// A message from the network, to the shard of its Call-ID; counted when that has no room.
    pub fn deliver(&self, flow: Flow, bytes: Bytes) {
        self.hand_over(self.shard_of(&bytes), flow, bytes);
    }

    /// The shard that `message` belongs to: the one that it was handed to, else that of its Call-ID.
    pub fn shard_of(&self, message: &[u8]) -> usize {
        if self.len() <= 1 {
            return 0;
        }
        let Some(call_id) = call_id_of(message) else { return 0 };
        let handed = self.inner.whereabouts.forwarded(call_id).map(usize::from);
        handed.filter(|shard| *shard < self.len()).unwrap_or_else(|| home_of(call_id, self.len()))
    }

    /// A message from the network to `shard`; counted when that has no room.
    pub fn hand_over(&self, shard: usize, flow: Flow, bytes: Bytes) {
        let Some(inbox) = self.inner.all.get(shard) else { return };
        if inbox.offer(call::Input::Received { flow, bytes }).is_err() {
            self.inner.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The shard that messages with this Call-ID come to.
    pub fn home_of(&self, call_id: &str) -> u8 {
        u8::try_from(home_of(call_id.as_bytes(), self.len())).unwrap_or(0)
    }

    /// Messages lost because a shard had no room.
    pub fn refused(&self) -> u64 {
        self.inner.refused.load(Ordering::Relaxed)
    }
}

/// The shard, below `shards`, that `message` belongs to: the one that minted its Call-ID, else one by its hash. A
/// message without a Call-ID goes to shard 0, which answers or drops it.
pub fn shard_of(message: &[u8], shards: usize) -> usize {
    if shards <= 1 {
        return 0;
    }
    call_id_of(message).map_or(0, |call_id| home_of(call_id, shards))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_one_call_go_to_one_shard_whatever_the_header_is_called() {
        let long = b"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP x\r\nCall-ID: abc@host\r\n\r\n";
        let short = b"SIP/2.0 200 OK\r\ni :  abc@host \r\nTo: x\r\n\r\n";
        assert_eq!(call_id_of(long), Some(&b"abc@host"[..]));
        assert_eq!(call_id_of(short), Some(&b"abc@host"[..]));
        for shards in 1..=8 {
            assert_eq!(shard_of(long, shards), shard_of(short, shards));
            assert!(shard_of(long, shards) < shards);
        }
    }

    #[test]
    fn what_was_handed_over_goes_where_it_went() {
        let message = b"BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP x\r\nCall-ID: hl0100-1@us\r\n\r\n";
        let limits = crate::InboxLimits::default();
        let all: Vec<Inbox<()>> = (0..2).map(|_| Inbox::new(limits).unwrap()).collect();
        let boxes = Boxes::new(all);
        assert_eq!(boxes.shard_of(message), 1, "its shard's number is in its Call-ID");
        assert_eq!(boxes.shard_of(message), shard_of(message, 2));
    }

    #[test]
    fn a_shard_that_sleeps_is_woken_once_for_all_that_it_is_told_and_no_other() {
        let all: Vec<Inbox<()>> =
            (0..2).map(|_| Inbox::new(crate::InboxLimits::default()).unwrap()).collect();
        let mut epoll = crate::wake::Epoll::new().unwrap();
        for (place, inbox) in all.iter().enumerate() {
            epoll.add(inbox.bell().as_raw_fd(), place as u64).unwrap();
            assert_eq!(inbox.fall_asleep(), crate::inbox::Sleep::Allowed);
        }
        let boxes = Boxes::new(all);
        let mut looked = false;
        boxes.post_each((0..3).map(|_| {
            looked |= epoll.wait(0).next().is_some();
            (1, call::Input::TidyMailboxes)
        }));
        assert!(!looked, "nobody is woken before all lies there");
        assert_eq!(epoll.wait(0).collect::<Vec<_>>(), [1]);
        let mut letters = Vec::new();
        boxes.of(1).unwrap().take(&mut letters);
        assert_eq!(letters.len(), 3);
    }

    #[test]
    fn a_body_is_never_searched_and_rubbish_goes_to_shard_0() {
        assert_eq!(call_id_of(b"MESSAGE sip:a@b SIP/2.0\r\nTo: x\r\n\r\nCall-ID: body\r\n"), None);
        assert_eq!(shard_of(b"\0\xff\n:\n", 4), 0);
        assert_eq!(shard_of(b"", 4), 0);
    }
}
