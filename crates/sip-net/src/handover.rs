//! Owns which shard a message belongs to, and the way there from any thread. Does not own the shards' boxes' insides
//! (see `inbox`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
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
    refused: AtomicU64,
}

impl<M> Clone for Boxes<M> {
    fn clone(&self) -> Boxes<M> {
        Boxes { inner: Arc::clone(&self.inner) }
    }
}

impl<M> Boxes<M> {
    /// The boxes of shards 0, 1, ….
    pub fn new(all: Vec<Inbox<M>>) -> Boxes<M> {
        Boxes { inner: Arc::new(Inner { all, refused: AtomicU64::new(0) }) }
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

    /// The same fact for every shard.
    pub fn post_all(&self, input: impl Fn() -> call::Input) {
        for inbox in &self.inner.all {
            inbox.post(input());
        }
    }

    /// A message from the network, to the shard of its Call-ID; counted when that has no room.
    pub fn deliver(&self, flow: Flow, bytes: Bytes) {
        let shard = shard_of(&bytes, self.len());
        if self.inner.all[shard].offer(call::Input::Received { flow, bytes }).is_err() {
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
    call_id(message).map_or(0, |call_id| home_of(call_id, shards))
}

/// The shard, below `shards`, that messages with this Call-ID come to.
pub fn home_of(call_id: &[u8], shards: usize) -> usize {
    if shards <= 1 {
        return 0;
    }
    if let Some(minted) = sip::endpoint::shard_of_call_id(call_id).map(usize::from)
        && minted < shards
    {
        return minted;
    }
    // FNV-1a: short keys, no adversary gains more than an uneven load.
    let hash = call_id.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    usize::try_from(hash % shards as u64).unwrap_or(0)
}

/// The value of the first `Call-ID` or `i` header, trimmed.
fn call_id(message: &[u8]) -> Option<&[u8]> {
    let is_call_id = |name: &[u8]| name.eq_ignore_ascii_case(b"call-id") || name.eq_ignore_ascii_case(b"i");
    headers(message).find(|(name, _)| is_call_id(name)).map(|(_, value)| value)
}

/// Names and values of the headers, trimmed, without what is on continuation lines.
pub(crate) fn headers(message: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    message
        .split(|byte| *byte == b'\n')
        .skip(1)
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_one_call_go_to_one_shard_whatever_the_header_is_called() {
        let long = b"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP x\r\nCall-ID: abc@host\r\n\r\n";
        let short = b"SIP/2.0 200 OK\r\ni :  abc@host \r\nTo: x\r\n\r\n";
        assert_eq!(call_id(long), Some(&b"abc@host"[..]));
        assert_eq!(call_id(short), Some(&b"abc@host"[..]));
        for shards in 1..=8 {
            assert_eq!(shard_of(long, shards), shard_of(short, shards));
            assert!(shard_of(long, shards) < shards);
        }
    }

    #[test]
    fn a_body_is_never_searched_and_rubbish_goes_to_shard_0() {
        assert_eq!(call_id(b"MESSAGE sip:a@b SIP/2.0\r\nTo: x\r\n\r\nCall-ID: body\r\n"), None);
        assert_eq!(shard_of(b"\0\xff\n:\n", 4), 0);
        assert_eq!(shard_of(b"", 4), 0);
    }
}
