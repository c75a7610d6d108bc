//! Owns what the shards of a node tell each other about where things are: which shard a Call-ID belongs to where it is not
//! the one that it names, and which shard a phone has calls on. Does not own the letters between them (see `sip-net`).
//!
//! A leg moves between calls of one shard only. So an INVITE that is about a call of another shard goes there whole,
//! before it begins a transaction, and what follows of its Call-ID goes there too.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clock::Instant;
use model::Aor;
use routing::{Shared, hash_of_call_id, header_lines};

/// Where things are on this node. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Whereabouts {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    shards: AtomicUsize,
    /// How many Call-IDs are forwarded, readable without the lock: on most nodes, at most times, none.
    count: AtomicUsize,
    forwards: Shared<HashMap<Box<str>, Forward>>,
    phones: Shared<HashMap<Aor, Vec<u8>>>,
}

/// A Call-ID that belongs elsewhere.
#[derive(Clone, Copy, Debug)]
struct Forward {
    shard: u8,
    lasts: Lasts,
}

/// How long a forward lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lasts {
    /// While a call of its shard has it.
    WithItsCall,
    /// Until its last retransmission must have come.
    Until(Instant),
}

impl Whereabouts {
    /// Tells how many shards there are.
    pub fn set_shards(&self, shards: usize) {
        self.inner.shards.store(shards, Ordering::Relaxed);
    }

    /// Whether there is more than one shard.
    pub fn is_divided(&self) -> bool {
        self.inner.shards.load(Ordering::Relaxed) > 1
    }

    /// The shard that messages with this Call-ID come to.
    pub fn home_of(&self, call_id: &str) -> u8 {
        let shards = self.inner.shards.load(Ordering::Relaxed);
        let home = || u8::try_from(home_of(call_id.as_bytes(), shards)).unwrap_or(0);
        self.forwarded(call_id.as_bytes()).unwrap_or_else(home)
    }

    /// The shard that this Call-ID was handed to.
    pub fn forwarded(&self, call_id: &[u8]) -> Option<u8> {
        if self.inner.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let call_id = std::str::from_utf8(call_id).ok()?;
        self.inner.forwards.lock().get(call_id).map(|forward| forward.shard)
    }

    /// From now on this Call-ID belongs to `shard`. `false`: too many do, and this one stays where it is.
    pub(crate) fn forward(&self, now: Instant, call_id: &str, shard: u8) -> bool {
        let mut forwards = self.inner.forwards.lock();
        if forwards.len() >= MOST_FORWARDS {
            forwards.retain(|_, forward| !forward.is_over(now));
            if forwards.len() >= MOST_FORWARDS {
                return false;
            }
        }
        forwards.insert(call_id.into(), Forward { shard, lasts: Lasts::Until(now + LINGERS) });
        self.inner.count.store(forwards.len(), Ordering::Relaxed);
        true
    }

    /// A call has this Call-ID now. Says whether it was handed over.
    pub(crate) fn settled(&self, call_id: &str) -> bool {
        self.change(call_id, Lasts::WithItsCall)
    }

    /// No call has this Call-ID any more.
    pub(crate) fn left(&self, now: Instant, call_id: &str) {
        self.change(call_id, Lasts::Until(now + LINGERS));
        let mut forwards = self.inner.forwards.lock();
        forwards.retain(|_, forward| !forward.is_over(now));
        self.inner.count.store(forwards.len(), Ordering::Relaxed);
    }

    fn change(&self, call_id: &str, lasts: Lasts) -> bool {
        if self.inner.count.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let mut forwards = self.inner.forwards.lock();
        forwards.get_mut(call_id).map(|forward| forward.lasts = lasts).is_some()
    }

    /// A phone has a call more on `shard`.
    pub(crate) fn phone_in(&self, aor: &Aor, shard: u8) {
        self.inner.phones.lock().entry(aor.clone()).or_default().push(shard);
    }

    /// A phone has a call less on `shard`.
    pub(crate) fn phone_out(&self, aor: &Aor, shard: u8) {
        let mut phones = self.inner.phones.lock();
        let Some(shards) = phones.get_mut(aor) else { return };
        if let Some(at) = shards.iter().position(|known| *known == shard) {
            shards.swap_remove(at);
        }
        if shards.is_empty() {
            phones.remove(aor);
        }
    }

    /// A shard on which the phone has a call: the given one, if it has one there.
    pub fn shard_of_phone(&self, aor: &Aor, rather: u8) -> Option<u8> {
        let phones = self.inner.phones.lock();
        let shards = phones.get(aor)?;
        shards.contains(&rather).then_some(rather).or_else(|| shards.first().copied())
    }

    /// How many Call-IDs are forwarded and how many phones have calls, for the leak check.
    pub fn live(&self) -> (usize, usize) {
        (self.inner.forwards.lock().len(), self.inner.phones.lock().len())
    }
}

impl Forward {
    fn is_over(self, now: Instant) -> bool {
        match self.lasts {
            Lasts::WithItsCall => false,
            Lasts::Until(until) => until <= now,
        }
    }
}

/// 64 × T1 (RFC 3261 §17): until then retransmissions of a refused INVITE and its ACK may come; a challenged phone comes
/// again within it.
const LINGERS: Duration = Duration::from_secs(32);

/// What strangers' INVITEs may fill at most.
const MOST_FORWARDS: usize = 65_536;

/// The shard, below `shards`, that messages with this Call-ID come to by themselves: the one that minted it, else one by
/// its hash.
pub fn home_of(call_id: &[u8], shards: usize) -> usize {
    if shards <= 1 {
        return 0;
    }
    if let Some(minted) = sip::endpoint::shard_of_call_id(call_id).map(usize::from)
        && minted < shards
    {
        return minted;
    }
    // An adversary gains no more than an uneven load.
    usize::try_from(hash_of_call_id(call_id) % shards as u64).unwrap_or(0)
}

/// The value of a message's first `Call-ID` or `i` header, trimmed.
pub fn call_id_of(message: &[u8]) -> Option<&[u8]> {
    let is_call_id = |name: &[u8]| name.eq_ignore_ascii_case(b"call-id") || name.eq_ignore_ascii_case(b"i");
    header_lines(message).find_map(|(name, value)| is_call_id(name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forward_lasts_as_long_as_its_call_and_then_as_its_retransmissions() {
        let (node, start) = (Whereabouts::default(), Instant::from_secs(100));
        node.set_shards(2);
        assert!(node.forward(start, "a@phone", 1) && node.forward(start, "b@phone", 0));
        assert_eq!(node.forwarded(b"a@phone"), Some(1));
        node.settled("a@phone");
        // Another Call-ID leaves after an hour: the one that never had a call is forgotten with it, the call is not.
        let later = start + Duration::from_secs(3_600);
        node.left(later, "c@phone");
        assert_eq!((node.forwarded(b"a@phone"), node.forwarded(b"b@phone")), (Some(1), None));
        node.left(later, "a@phone");
        assert_eq!(node.forwarded(b"a@phone"), Some(1), "its last messages are on their way");
        node.left(later + LINGERS, "c@phone");
        assert_eq!(node.live(), (0, 0));
    }

    #[test]
    fn a_phone_is_found_where_it_has_calls() {
        let (node, aor) = (Whereabouts::default(), Aor::new("8001", "pbx.test"));
        assert_eq!(node.shard_of_phone(&aor, 0), None);
        node.phone_in(&aor, 1);
        node.phone_in(&aor, 1);
        assert_eq!(node.shard_of_phone(&aor, 0), Some(1));
        node.phone_in(&aor, 0);
        assert_eq!((node.shard_of_phone(&aor, 0), node.shard_of_phone(&aor, 1)), (Some(0), Some(1)));
        for shard in [1, 0, 1, 1] {
            node.phone_out(&aor, shard);
        }
        assert_eq!(node.live(), (0, 0));
    }
}
